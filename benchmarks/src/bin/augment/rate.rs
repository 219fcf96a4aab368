//! How fast an engine is, alone and in a loader.

use std::sync::Arc;
use std::time::{Duration, Instant};

use rustix::time::{ClockId, clock_gettime};
use tallow::plan::{Engine, RowKey, Shapes};
use tallow::{Augment, Key, Loader, RowBuffer, Shuffle, from_fn};

use crate::Result;
use crate::images::Images;

/// Rows of a batch.
const ROWS: usize = 64;

/// Images per CPU second of this thread, into a row that is reused, as the peers' is.
pub(crate) fn rate(engine: &dyn Engine, images: &Images, seconds: f64) -> f64 {
    let mut made_row = RowBuffer::new(engine.schema()).expect("memory");
    let mut plan = vec![0u64; engine.plan_bytes().div_ceil(8)];
    let mut scratch = vec![0u64; engine.scratch_bytes().div_ceil(8)];
    let mut made = 0;
    let (started, used) = (Instant::now(), cpu_time());
    while made == 0 || started.elapsed().as_secs_f64() < seconds {
        // A look at the clock for every eighth image costs small steps nothing.
        for _ in 0..8 {
            let index = made % images.rows.len();
            let key = RowKey { key: Key::new(1, 0), index: made as u64 };
            let raw = images.rows[index].view();
            let plan = &mut bytemuck::cast_slice_mut(&mut plan)[..engine.plan_bytes()];
            plan.fill(0);
            engine.plan(key, Shapes::of(raw), plan).expect("a plan");
            let scratch = bytemuck::cast_slice_mut(&mut scratch);
            engine.run(plan, raw, &mut made_row.row(None), scratch).expect("a row");
            made += 1;
        }
    }
    made as f64 / (cpu_time() - used).as_secs_f64()
}

fn cpu_time() -> Duration {
    let time = clock_gettime(ClockId::ThreadCPUTime);
    Duration::new(time.tv_sec as u64, time.tv_nsec as u32)
}

/// Images per second.
pub(crate) fn through_loader(images: &Arc<Images>, chain: &str, workers: usize) -> Result<f64> {
    let (schema, images) = (images.schema.clone(), Arc::clone(images));
    let count = images.rows.len();
    let fields = schema.fields().len();
    let source = from_fn(schema, 4 * ROWS * count.div_ceil(ROWS), move |index, row| {
        let sample = images.rows[index % count].view();
        (0..fields).try_for_each(|field| row.field(field).copy_from_view(&sample.field(field)))
    });
    let augment: Augment = chain.parse()?;
    let loader = Loader::builder(source).batch_size(ROWS).sampler(Shuffle).transform(augment);
    let loader = loader.workers(workers).build()?;
    let mut rows = 0;
    let started = Instant::now();
    for batch in loader.epochs(0..1) {
        rows += batch?.len();
    }
    Ok(rows as f64 / started.elapsed().as_secs_f64())
}
