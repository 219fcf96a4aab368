use std::collections::BTreeMap;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use tallow::{
    Dim, Extent, Field, Loader, Location, Row, RowDType, Schema, Source, SourceResult, from_fn,
};

use crate::tester::{counting, stream};

/// [`counting`], which notes how often it is asked where a sample lies and when it is read.
struct Noted<S> {
    source: S,
    asked: Arc<Mutex<BTreeMap<usize, usize>>>,
    /// Samples that were read before they were asked for.
    late: Arc<AtomicUsize>,
    read: Duration,
    panics: bool,
    file: Location,
}

impl<S: Source> Source for Noted<S> {
    fn schema(&self) -> &Schema {
        self.source.schema()
    }

    fn len(&self) -> usize {
        self.source.len()
    }

    fn read(&self, index: usize, row: &mut Row<'_>) -> SourceResult<()> {
        if !self.asked.lock().unwrap().contains_key(&index) {
            self.late.fetch_add(1, Ordering::Relaxed);
        }
        std::thread::sleep(self.read);
        self.source.read(index, row)
    }

    fn extents(&self, index: usize, visit: &mut dyn FnMut(&Extent)) {
        assert!(!self.panics, "asked where sample {index} lies");
        *self.asked.lock().unwrap().entry(index).or_default() += 1;
        visit(&Extent::whole(self.file.clone(), 1 << 40));
    }
}

fn noted(samples: usize) -> Noted<impl Source> {
    noted_of(counting(samples))
}

fn noted_of<S: Source>(source: S) -> Noted<S> {
    Noted {
        source,
        asked: Arc::default(),
        late: Arc::default(),
        read: Duration::ZERO,
        panics: false,
        file: Location::file("/nowhere"),
    }
}

#[test]
fn reading_ahead_changes_nothing() {
    let expected =
        stream(&Loader::builder(counting(43)).batch_size(8).shuffle().build().unwrap(), 0..3);
    let expected = expected.unwrap();
    for panics in [false, true] {
        for workers in [0, 1, 3] {
            for bytes in [1, 500, usize::MAX] {
                let source = Noted { panics, ..noted(43) };
                let builder = Loader::builder(source).batch_size(8).shuffle().workers(workers);
                let loader = builder.read_ahead(bytes).build().unwrap();
                assert_eq!(stream(&loader, 0..3).unwrap(), expected);
                for batch in loader.epochs(5..7).take(4) {
                    batch.unwrap();
                }
                assert_eq!(stream(&loader, 0..3).unwrap(), expected, "after stopping");
            }
        }
    }
}

#[test]
fn samples_are_asked_for_once_and_before_they_are_read() {
    let source = Noted { read: Duration::from_millis(2), ..noted(60) };
    let (asked, late) = (source.asked.clone(), source.late.clone());
    let loader = Loader::builder(source).batch_size(6).shuffle().workers(1).prefetch(1);
    // A row of 32 bytes, so four batches.
    let loader = loader.read_ahead(4 * 6 * 32).build().unwrap();
    assert_eq!(loader.plan().read_ahead(), 4 * 6 * 32);
    assert_eq!(loader.plan().read_ahead_batches(), 4);
    // Building looks where the first sample lies, for the plan.
    asked.lock().unwrap().clear();
    for batch in loader.epoch(0) {
        batch.unwrap();
    }
    // Those of the first batch are read at once, while the thread begins.
    assert!(late.load(Ordering::Relaxed) <= 12, "{late:?}");
    let asked = asked.lock().unwrap();
    assert!(asked.len() >= 48 && asked.values().all(|&times| times == 1), "{asked:?}");
}

#[test]
fn it_goes_no_further_than_it_was_told() {
    let source = noted(600);
    let asked = source.asked.clone();
    let loader = Loader::builder(source).batch_size(6).workers(1).prefetch(2);
    let loader = loader.read_ahead(3 * 6 * 32).build().unwrap();
    let mut batches = loader.epoch(0);
    batches.next().unwrap().unwrap();
    let deadline = Instant::now() + Duration::from_millis(200);
    while Instant::now() < deadline {
        // One delivered, two made, and three ahead of those.
        let furthest = asked.lock().unwrap().keys().next_back().copied().unwrap_or(0);
        assert!(furthest < 6 * 6, "{furthest}");
        std::thread::sleep(Duration::from_millis(5));
    }
    let started = Instant::now();
    drop(batches);
    drop(loader);
    assert!(started.elapsed() < Duration::from_secs(1));
}

#[test]
fn files_smaller_than_they_may_be_are_fetched_further_ahead() {
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(file.path(), [7; 1000]).unwrap();
    let dims = vec![Dim::Ragged { max: 1 << 20 }];
    let schema = Schema::new(vec![Field::with_dims("x", RowDType::U8, dims)]).unwrap();
    let source = from_fn(schema, 600, |_, row| {
        row.field(0).set_shape(&[1])?;
        row.field(0).copy_from_slice(&[1u8])
    });
    let source = Noted { file: Location::file(file.path()), ..noted_of(source) };
    let asked = source.asked.clone();
    let builder = Loader::builder(source).batch_size(6).pad("x", 0.0).workers(1).prefetch(2);
    let loader = builder.read_ahead(5 * 6 * 1000).build().unwrap();
    assert_eq!(loader.plan().read_ahead_batches(), 1);
    let mut batches = loader.epoch(0);
    batches.next().unwrap().unwrap();
    let furthest = || asked.lock().unwrap().keys().next_back().copied().unwrap_or(0);
    let deadline = Instant::now() + Duration::from_secs(5);
    // One delivered, two made, and five ahead of those.
    while furthest() < 6 * 8 - 1 && Instant::now() < deadline {
        std::thread::sleep(Duration::from_millis(5));
    }
    std::thread::sleep(Duration::from_millis(50));
    assert_eq!(furthest(), 6 * 8 - 1);
}
