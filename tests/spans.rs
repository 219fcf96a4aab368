//! The spans that a subscriber sees. A binary of its own, because a subscriber that worker threads
//! see too is one for the whole process.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex};

use tallow::{Field, Loader, Picture, RowDType, Schema, from_fn, map};
use tracing::span::{Attributes, Id, Record};
use tracing::{Event, Metadata, Subscriber};

/// Notes the target of every span and event.
struct Targets(Arc<Mutex<BTreeSet<&'static str>>>);

impl Subscriber for Targets {
    fn enabled(&self, _metadata: &Metadata<'_>) -> bool {
        true
    }

    fn new_span(&self, span: &Attributes<'_>) -> Id {
        self.0.lock().unwrap().insert(span.metadata().target());
        Id::from_u64(1)
    }

    fn event(&self, event: &Event<'_>) {
        self.0.lock().unwrap().insert(event.metadata().target());
    }

    fn record(&self, _span: &Id, _values: &Record<'_>) {}

    fn record_follows_from(&self, _span: &Id, _follows: &Id) {}

    fn enter(&self, _span: &Id) {}

    fn exit(&self, _span: &Id) {}
}

#[test]
fn every_stage_has_a_span_under_its_own_target() {
    let seen = Arc::new(Mutex::new(BTreeSet::new()));
    tracing::subscriber::set_global_default(Targets(seen.clone())).unwrap();
    let mut file = Vec::new();
    let mut encoder = png::Encoder::new(&mut file, 1, 1);
    encoder.set_color(png::ColorType::Rgb);
    encoder.write_header().unwrap().write_image_data(&[1, 2, 3]).unwrap();
    let schema = Schema::new(vec![Field::pictures("x", Picture::rgb())]).unwrap();
    let source = from_fn(schema, 20, move |_, row| {
        std::thread::sleep(std::time::Duration::from_millis(1));
        row.field(0).set_shape(&[file.len()])?;
        row.field(0).copy_from_slice(&file)
    });
    let schema = Schema::new(vec![Field::new("x", RowDType::U8, &[1])]).unwrap();
    let transform =
        map(schema, |input, out| out.field(0).copy_from_slice(&input.field(0).bytes()[..1]));
    let loader = Loader::builder(source).batch_size(5).workers(1).transform(transform);
    let loader = loader.map_batch(|_| Ok(()));
    assert_eq!(loader.build().unwrap().epoch(0).count(), 4);
    let seen = seen.lock().unwrap();
    let stages = ["loader", "order", "fill", "read", "decode", "transform", "next", "wait"];
    for stage in stages.into_iter().chain(["hand_over", "map_batch"]) {
        assert!(seen.contains(&*format!("tallow::{stage}")), "{stage} is missing in {seen:?}");
    }
}
