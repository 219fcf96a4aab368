//! User code that breaks its contract from safe code: it gets errors, never a hang, and never
//! memory that nobody wrote.

use std::panic::panic_any;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Barrier, Mutex, OnceLock, Weak};
use std::time::{Duration, Instant};

use tallow::plan::Engine;
use tallow::{
    ErrorKind, Field, Fingerprint, LastBatch, Loader, OnError, Order, Population, Row, RowBuffer,
    RowDType, RowView, Sampler, Schema, Source, SourceError, SourceResult, Transform, from_fn,
};

use crate::tester::{STALL, counting};

const WORKERS: [usize; 3] = [0, 1, 3];

fn field(dtype: RowDType, shape: &[usize]) -> Schema {
    Schema::new(vec![Field::new("x", dtype, shape)]).unwrap()
}

#[test]
fn a_row_put_in_the_place_of_the_loaders_own_is_found_out() {
    let schema = field(RowDType::F32, &[4]);
    let other = schema.clone();
    let source = from_fn(schema, 8, move |_, row| {
        let elsewhere: &'static mut RowBuffer = Box::leak(Box::new(RowBuffer::new(&other)?));
        *row = elsewhere.row(None);
        row.field(0).copy_from_slice(&[1f32; 4])
    });
    let source = Arc::new(source);
    for workers in WORKERS {
        let builder = Loader::builder(source.clone()).batch_size(4).workers(workers);
        let results: Vec<_> = builder.build().unwrap().epoch(0).collect();
        let errors = results.iter().map(|result| result.as_ref().unwrap_err());
        assert_eq!(errors.filter(|e| e.kind() == ErrorKind::Sample).count(), 2);
        let identity = tallow::map(field(RowDType::F32, &[4]), |_, _| Ok(()));
        let builder = Loader::builder(source.clone()).batch_size(4).workers(workers);
        let loader = builder.transform(identity).build().unwrap();
        assert!(loader.epoch(0).all(|batch| batch.is_err()), "in front of a transform too");
    }
}

/// Says another schema with every call.
struct Fickle {
    schemas: [Schema; 2],
    calls: AtomicUsize,
}

impl Fickle {
    fn new() -> Self {
        let schemas = [field(RowDType::F64, &[4]), field(RowDType::U16, &[4])];
        Self { schemas, calls: AtomicUsize::new(0) }
    }

    fn any(&self) -> &Schema {
        &self.schemas[self.calls.fetch_add(1, Ordering::Relaxed) % 2]
    }
}

fn write_ones(row: &mut Row<'_>) -> SourceResult<()> {
    let mut field = row.field(0);
    field.as_mut_bytes()?.fill(1);
    Ok(())
}

impl Source for Fickle {
    fn schema(&self) -> &Schema {
        self.any()
    }

    fn len(&self) -> usize {
        16 - self.calls.fetch_add(1, Ordering::Relaxed) % 8
    }

    fn read(&self, _index: usize, row: &mut Row<'_>) -> SourceResult<()> {
        write_ones(row)
    }
}

impl Engine for Fickle {
    fn schema(&self) -> &Schema {
        self.any()
    }

    fn run(
        &self,
        _plan: &[u8],
        _raw: RowView<'_>,
        row: &mut Row<'_>,
        _scratch: &mut [u8],
    ) -> SourceResult<()> {
        write_ones(row)
    }

    fn plan_bytes(&self) -> usize {
        self.calls.fetch_add(1, Ordering::Relaxed) % 5
    }

    fn scratch_bytes(&self) -> usize {
        self.calls.fetch_add(1, Ordering::Relaxed) % 5
    }
}

/// Binds to a [`Fickle`] engine that has been asked so many times.
struct FickleTransform(usize);

impl Transform for FickleTransform {
    fn bind(&self, _schema: &Schema) -> SourceResult<Box<dyn Engine>> {
        let fickle = Fickle::new();
        fickle.calls.store(self.0, Ordering::Relaxed);
        Ok(Box::new(fickle))
    }

    fn fingerprint(&self) -> Fingerprint {
        Fingerprint::of("fickle").finish()
    }
}

/// Every delivered byte was written by [`write_ones`], widened perhaps.
fn assert_written(loader: &Loader) {
    let schema = loader.schema().clone();
    for batch in loader.epoch(0).flatten() {
        let x = &batch["x"];
        assert_eq!(x.dtype(), schema.fields()[0].dtype().delivered());
        let ones = f64::from_bits(u64::from_ne_bytes([1; 8]));
        let expected = if x.dtype() == tallow::candle::DType::F64 { ones } else { 257.0 };
        let found = x.flatten_all().unwrap().to_dtype(tallow::candle::DType::F64).unwrap();
        assert!(found.to_vec1::<f64>().unwrap().iter().all(|&x| x == expected), "{found}");
    }
}

#[test]
fn a_schema_that_changes_between_calls_uncovers_no_memory() {
    for workers in WORKERS {
        for calls in 0..4 {
            let source = Fickle::new();
            source.calls.store(calls, Ordering::Relaxed);
            let builder = Loader::builder(source).batch_size(4).workers(workers);
            assert_written(&builder.build().unwrap());
            let builder = Loader::builder(counting(16)).batch_size(4).workers(workers);
            assert_written(&builder.transform(FickleTransform(calls)).build().unwrap());
        }
    }
}

/// Panics when it is dropped.
#[derive(Debug)]
struct Bomb;

impl Drop for Bomb {
    fn drop(&mut self) {
        panic!("a bomb");
    }
}

#[test]
fn a_panic_whose_payload_panics_is_an_error_like_any_other() {
    for workers in WORKERS {
        let schema = field(RowDType::U8, &[]);
        let source = from_fn(schema, 12, |index, row| {
            if index == 5 {
                panic_any(Bomb);
            }
            row.field(0).copy_from_slice(&[0u8])
        });
        let loader = Loader::builder(source).batch_size(4).workers(workers);
        let loader = loader.stall_timeout(None).build().unwrap();
        for epoch in 0..3 {
            let results: Vec<_> = loader.epoch(epoch).collect();
            let failed: Vec<bool> = results.iter().map(|result| result.is_err()).collect();
            assert_eq!(failed, [false, true, false]);
        }
    }
}

/// What an order does wrong, by epoch.
#[derive(Debug)]
struct BadOrder {
    epoch: u64,
    calls: AtomicUsize,
    _bomb: Option<Bomb>,
}

impl Order for BadOrder {
    fn len(&self) -> usize {
        let calls = self.calls.fetch_add(1, Ordering::Relaxed);
        match self.epoch {
            0 => panic!("no length"),
            1 if calls > 0 => 0,
            _ => 12,
        }
    }

    fn index(&self, position: usize) -> usize {
        let calls = self.calls.fetch_add(1, Ordering::Relaxed);
        match self.epoch {
            2 => calls,
            3 => panic_any(Bomb),
            _ => position,
        }
    }
}

struct BadSampler;

impl Sampler for BadSampler {
    fn len(&self, population: &Population) -> SourceResult<usize> {
        Ok(population.samples())
    }

    fn order(
        &self,
        _population: &Population,
        _seed: u64,
        epoch: u64,
    ) -> SourceResult<Arc<dyn Order>> {
        match epoch {
            5 => panic!("no order"),
            6 => Err(SourceError::user("no order")),
            _ => {
                let _bomb = (epoch == 4).then(|| Bomb);
                Ok(Arc::new(BadOrder { epoch, calls: AtomicUsize::new(0), _bomb }))
            }
        }
    }

    fn fingerprint(&self) -> Fingerprint {
        Fingerprint::of("bad").finish()
    }

    fn order_bytes(&self, _population: &Population) -> usize {
        usize::MAX
    }
}

#[test]
fn an_order_that_fails_in_any_call_hangs_nobody() {
    for workers in WORKERS {
        for on_error in [OnError::Fail, OnError::Substitute { budget: 99 }] {
            let builder = Loader::builder(counting(12)).batch_size(4).sampler(BadSampler);
            let builder = builder.workers(workers).on_error(on_error).stall_timeout(None);
            let loader = builder.build().unwrap();
            assert!(!loader.plan().to_string().is_empty(), "any size of orders can be printed");
            let count = |epoch| loader.epoch(epoch).filter(|batch| batch.is_ok()).count();
            assert_eq!((count(0), count(1), count(3)), (0, 3, 0));
            count(2);
            assert_eq!(count(7), 3, "the loader stays usable");
        }
    }
}

#[test]
fn workers_outlive_an_order_that_panics_when_it_is_dropped() {
    let slow = counting(12);
    let source = from_fn(slow.schema().clone(), 12, move |index, row| {
        std::thread::sleep(Duration::from_millis(2));
        slow.read(index, row)
    });
    let builder = Loader::builder(source).batch_size(4).sampler(BadSampler).workers(1);
    let loader = builder.stall_timeout(None).build().unwrap();
    for _ in 0..5 {
        // The slab that the worker is at is the last to hold the order, or the consumer is.
        let iterate = || drop(loader.epoch(4).next());
        let _ = std::panic::catch_unwind(std::panic::AssertUnwindSafe(iterate));
    }
    assert_eq!(loader.epoch(7).filter(|batch| batch.is_ok()).count(), 3);
}

#[test]
fn no_policy_passes_over_an_epoch_that_has_no_order() {
    for on_error in [OnError::Skip { budget: 99 }, OnError::Substitute { budget: 99 }] {
        let builder = Loader::builder(counting(12)).batch_size(4).sampler(BadSampler);
        let loader = builder.on_error(on_error).build().unwrap();
        for epoch in [0, 3, 5, 6] {
            let error = loader.epoch(epoch).next().unwrap().unwrap_err();
            assert_eq!(error.batch().unwrap().epoch, epoch);
        }
    }
}

#[test]
fn the_state_behind_an_epoch_without_an_order_stands_at_the_next() {
    for workers in WORKERS {
        let builder = Loader::builder(counting(12)).batch_size(4).sampler(BadSampler);
        let loader = builder.workers(workers).build().unwrap();
        let mut batches = loader.epochs(6..9);
        assert!(batches.next().unwrap().is_err());
        assert_eq!(batches.size_hint(), (2, Some(6)), "each may fail as a whole");
        let state = loader.state();
        assert_eq!((state.epoch(), state.position()), (7, 0));
        assert_eq!(batches.next().unwrap().unwrap().epoch(), 7);
    }
}

#[test]
fn a_forgotten_iterator_refuses_the_next_and_holds_up_no_drop() {
    for workers in WORKERS {
        let loader = Loader::builder(counting(100)).batch_size(4).workers(workers);
        let loader = loader.build().unwrap();
        let mut batches = loader.epoch(0);
        batches.next().unwrap().unwrap();
        std::mem::forget(batches);
        let error = loader.epoch(1).next().unwrap().unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Busy);
        let started = Instant::now();
        drop(loader);
        assert!(started.elapsed() < Duration::from_secs(1), "{:?}", started.elapsed());
    }
}

#[test]
fn an_iterator_may_move_to_another_thread() {
    for workers in WORKERS {
        let loader = Loader::builder(counting(20)).batch_size(4).workers(workers);
        let loader = loader.build().unwrap();
        let mut batches = loader.epoch(0);
        batches.next().unwrap().unwrap();
        let rest = std::thread::scope(|scope| scope.spawn(|| batches.count()).join().unwrap());
        assert_eq!(rest, 4);
    }
}

#[test]
fn a_source_that_iterates_its_own_loader_is_refused() {
    for workers in WORKERS {
        let own: Arc<OnceLock<Weak<Loader>>> = Arc::default();
        let (seen, refusals) = (own.clone(), Arc::new(AtomicUsize::new(0)));
        let refused = refusals.clone();
        let source = from_fn(field(RowDType::U8, &[]), 8, move |_, row| {
            if let Some(loader) = seen.get().and_then(Weak::upgrade) {
                let error = loader.epoch(0).next().map(|batch| batch.unwrap_err());
                let busy = error.is_some_and(|error| error.kind() == ErrorKind::Busy);
                refused.fetch_add(usize::from(busy), Ordering::Relaxed);
                let _ = (loader.state(), loader.report());
            }
            row.field(0).copy_from_slice(&[0u8])
        });
        let builder = Loader::builder(source).batch_size(4).workers(workers);
        let loader = Arc::new(builder.build().unwrap());
        own.set(Arc::downgrade(&loader)).unwrap();
        assert_eq!(loader.epoch(0).filter(|batch| batch.is_ok()).count(), 2);
        assert_eq!(refusals.load(Ordering::Relaxed), 8);
    }
}

#[test]
fn a_source_that_drops_its_own_loader_ends_it_within_the_bound() {
    let own: Arc<Mutex<Option<Loader>>> = Arc::default();
    let (held, dropped) = (own.clone(), Arc::new(Barrier::new(2)));
    let (given, ended) = (Arc::new(Barrier::new(2)), dropped.clone());
    let taken = given.clone();
    let source = from_fn(field(RowDType::U8, &[]), 8, move |index, row| {
        if index == 0 {
            taken.wait();
            drop(held.lock().unwrap().take());
            ended.wait();
        }
        row.field(0).copy_from_slice(&[0u8])
    });
    let loader = Loader::builder(source).batch_size(4).workers(2).build().unwrap();
    std::mem::forget(loader.epoch(0));
    *own.lock().unwrap() = Some(loader);
    let started = Instant::now();
    given.wait();
    dropped.wait();
    assert!(started.elapsed() < Duration::from_secs(1), "{:?}", started.elapsed());
}

#[test]
fn resuming_in_the_middle_of_an_iteration_is_refused() {
    let loader = Loader::builder(counting(20)).batch_size(4).build().unwrap();
    let state = loader.state_at(0, 3).unwrap();
    let mut batches = loader.epoch(0);
    batches.next().unwrap().unwrap();
    assert_eq!(loader.resume(&state).unwrap_err().kind(), ErrorKind::Busy);
    assert_eq!(batches.count(), 4);
    loader.resume(&state).unwrap();
    assert_eq!(loader.epoch(0).count(), 2);
}

#[test]
fn fields_without_bytes_are_delivered_like_others() {
    let schema = Schema::new(vec![
        Field::new("nothing", RowDType::F64, &[3, 0]),
        Field::new("wide", RowDType::U16, &[0]),
    ]);
    let source = Arc::new(from_fn(schema.unwrap(), 10, |index, row| {
        assert!(index != 4, "sample 4 panics");
        row.field(0).copy_from_slice::<f64>(&[])?;
        row.field(1).copy_from_slice::<u16>(&[])
    }));
    for workers in WORKERS {
        let builder = Loader::builder(source.clone()).batch_size(4).workers(workers);
        let builder = builder.last_batch(LastBatch::Pad).on_error(OnError::Skip { budget: 1 });
        let batches: Vec<_> = builder.build().unwrap().epoch(0).map(|b| b.unwrap()).collect();
        assert_eq!(batches.iter().map(|batch| batch.len()).collect::<Vec<_>>(), [4, 3, 2]);
        assert!(batches.iter().all(|batch| batch["nothing"].dims() == [4, 3, 0]));
        assert!(batches.iter().all(|batch| batch["wide"].dims() == [4, 0]));
    }
}

#[test]
fn rows_that_no_memory_could_count_are_an_error() {
    let huge = field(RowDType::F64, &[1 << 59, 0]);
    let source = from_fn(huge, 64, |_, row| row.field(0).copy_from_slice::<f64>(&[]));
    let error = Loader::builder(source).batch_size(64).build().unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Memory);
}

#[test]
fn a_nonsensical_number_of_workers_is_refused() {
    let error = Loader::builder(counting(4)).workers(usize::MAX).build().unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Config);
    let loader = Loader::builder(counting(4)).prefetch(usize::MAX).build().unwrap();
    assert_eq!(loader.epoch(0).count(), 1);
    assert_eq!(loader.plan().memory_bytes(), usize::MAX);
}

#[test]
fn a_source_that_turns_slow_is_not_taken_for_stuck() {
    let schema = Schema::new(vec![Field::new("x", RowDType::U8, &[])]).unwrap();
    // Fast rows make for claims of many, which the slow ones then take long over.
    let source = from_fn(schema, 640 + 24, |index, row| {
        if index >= 640 {
            std::thread::sleep(Duration::from_millis(180));
        }
        row.field(0).copy_from_slice(&[0u8])
    });
    let loader = Loader::builder(source).batch_size(8).workers(1);
    let loader = loader.stall_timeout(Some(STALL)).build().unwrap();
    assert_eq!(loader.epoch(0).filter_map(SourceResult::ok).count(), 83);
}

#[test]
fn no_number_however_large_ends_in_more_than_an_error() {
    let huge = [usize::MAX, usize::MAX - 1, isize::MAX as usize, 1 << 60, 1 << 40, 0];
    for n in huge {
        for last in [LastBatch::Keep, LastBatch::Drop, LastBatch::Pad] {
            let builder = || Loader::builder(counting(12)).last_batch(last).workers(1);
            let loaders = [
                builder().batch_size(n),
                builder().batch_size(n).rank(n.saturating_sub(1), n),
                builder().batch_size(n).rank(0, n / 2),
                builder().rank(n, 2),
                builder().rank(0, n),
                builder().prefetch(n),
                builder().read_ahead(n),
                builder().workers(n.max(5000)),
                builder().stall_timeout(Some(Duration::from_secs(n as u64))),
                builder().on_error(OnError::Skip { budget: n }),
                builder().on_error(OnError::Substitute { budget: n }),
                builder().batch_size(4).sampler(tallow::WithReplacement::new().draws(n / 2)),
            ];
            for loader in loaders.into_iter().filter_map(|builder| builder.build().ok()) {
                assert!(!loader.plan().to_string().is_empty());
                if loader.plan().slab_bytes() > 1 << 30 {
                    // Padding that the machine may even have.
                    continue;
                }
                loader.epoch(0).take(4).for_each(drop);
                loader.state();
            }
        }
    }
}

#[test]
fn a_batch_holds_no_more_memory_than_there_are_samples() {
    let plan = |rows: usize| {
        Loader::builder(counting(12)).batch_size(rows).build().unwrap().plan().clone()
    };
    assert_eq!(plan(1 << 40).slab_bytes(), plan(12).slab_bytes());
    assert_eq!(plan(1 << 40).memory_bytes(), plan(12).memory_bytes());
}

#[test]
fn an_epoch_of_countless_rows_without_bytes_is_refused() {
    let source = |samples| {
        from_fn(field(RowDType::F64, &[0]), samples, |_, row| {
            row.field(0).copy_from_slice::<f64>(&[])
        })
    };
    let error = Loader::builder(source(1 << 40)).build().unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Config);
    assert!(error.to_string().contains("which have no bytes"), "{error}");
    assert_eq!(Loader::builder(source(100)).batch_size(50).build().unwrap().epoch(0).count(), 2);
}

#[test]
fn a_stall_timeout_of_nothing_is_refused() {
    let error = Loader::builder(counting(4)).stall_timeout(Some(Duration::ZERO)).build();
    assert!(error.unwrap_err().to_string().contains("a stall timeout of 0"));
}
