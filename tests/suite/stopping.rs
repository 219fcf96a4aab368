use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use tallow::{
    ErrorKind, Field, Fingerprint, Loader, Order, Population, RowDType, Sampler, Schema,
    Sequential, Source, from_fn,
};

use crate::tester::{STALL, counting};

fn scalar(samples: usize, read: impl Fn(usize) + Send + Sync + 'static) -> impl Source {
    let schema = Schema::new(vec![Field::new("x", RowDType::U8, &[])]).unwrap();
    from_fn(schema, samples, move |index, row| {
        read(index);
        row.field(0).copy_from_slice(&[0u8])
    })
}

#[test]
fn dropping_at_any_moment_returns_soon() {
    for taken in 0..8 {
        for workers in [1, 4] {
            let slow = scalar(64, |_| std::thread::sleep(Duration::from_millis(2)));
            let loader = Loader::builder(slow).batch_size(8).workers(workers).build().unwrap();
            let mut batches = loader.epochs(0..3);
            for _ in 0..taken {
                batches.next().unwrap().unwrap();
            }
            let started = Instant::now();
            drop(batches);
            drop(loader);
            assert!(started.elapsed() < Duration::from_millis(400), "{:?}", started.elapsed());
        }
    }
}

#[test]
fn a_dropped_iteration_makes_way_for_the_next() {
    let loader = Loader::builder(counting(100)).batch_size(3).workers(3).build().unwrap();
    for epoch in 0..50 {
        let mut batches = loader.epoch(epoch);
        for _ in 0..epoch % 5 {
            batches.next().unwrap().unwrap();
        }
    }
    assert_eq!(loader.epoch(50).count(), 34);
}

#[test]
fn a_second_epoch_starts_no_thread() {
    let ids = Arc::new(std::sync::Mutex::new(std::collections::HashSet::new()));
    let seen = ids.clone();
    let source = scalar(64, move |_| {
        seen.lock().unwrap().insert(std::thread::current().id());
    });
    let loader = Loader::builder(source).batch_size(4).workers(2).build().unwrap();
    for epoch in 0..20 {
        assert_eq!(loader.epoch(epoch).count(), 16);
    }
    assert!(ids.lock().unwrap().len() <= 2);
}

#[test]
fn a_stuck_sample_is_an_error_that_names_it_and_the_rest_is_delivered() {
    for prefetch in [1, 4] {
        a_stuck_sample(prefetch);
    }
}

fn a_stuck_sample(prefetch: usize) {
    let release = Arc::new(AtomicBool::new(false));
    let released = release.clone();
    let source = scalar(40, move |index| {
        while index == 13 && !released.load(Ordering::Relaxed) {
            std::thread::sleep(Duration::from_millis(1));
        }
    });
    let builder = Loader::builder(source).batch_size(8).workers(2).prefetch(prefetch);
    let loader = builder.stall_timeout(Some(STALL)).build().unwrap();
    let results: Vec<_> = loader.epoch(0).collect();
    assert_eq!(results.len(), 5);
    let error = results[1].as_ref().unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Stalled);
    assert!(error.to_string().contains("stage read"), "{error}");
    assert!(error.to_string().contains("sample 13"), "{error}");
    assert_eq!(results.iter().filter(|result| result.is_ok()).count(), 4);
    assert_eq!(loader.state().epoch(), 1, "the state stands after it");
    release.store(true, Ordering::Relaxed);
    assert_eq!(loader.epoch(1).filter(|batch| batch.is_ok()).count(), 5, "it comes back");
}

/// Gives orders that hang over epoch 1, or in their position 5, until `released`.
#[derive(Debug)]
struct Hanging {
    in_position: bool,
    released: Arc<AtomicBool>,
}

impl Hanging {
    fn wait(&self) {
        while !self.released.load(Ordering::Relaxed) {
            std::thread::sleep(Duration::from_millis(1));
        }
    }
}

#[derive(Debug)]
struct HangingOrder(Hanging);

impl Order for HangingOrder {
    fn len(&self) -> usize {
        12
    }

    fn index(&self, position: usize) -> usize {
        if self.0.in_position && position == 5 {
            self.0.wait();
        }
        position
    }
}

impl Sampler for Hanging {
    fn len(&self, _population: &Population) -> tallow::SourceResult<usize> {
        Ok(12)
    }

    fn order(
        &self,
        population: &Population,
        seed: u64,
        epoch: u64,
    ) -> tallow::SourceResult<Arc<dyn Order>> {
        if epoch != 1 {
            return Sequential.order(population, seed, epoch);
        }
        if !self.in_position {
            self.wait();
        }
        let Self { in_position, released } = self;
        let hanging = Self { in_position: *in_position, released: released.clone() };
        Ok(Arc::new(HangingOrder(hanging)))
    }

    fn fingerprint(&self) -> Fingerprint {
        Fingerprint::of("hanging").finish()
    }
}

#[test]
fn an_order_that_hangs_is_reported_by_any_number_of_workers() {
    for (workers, in_position) in [1, 2, 3].into_iter().flat_map(|w| [(w, false), (w, true)]) {
        let released = Arc::new(AtomicBool::new(false));
        let sampler = Hanging { in_position, released: released.clone() };
        let builder = Loader::builder(counting(12)).batch_size(4).sampler(sampler);
        let builder = builder.workers(workers).stall_timeout(Some(STALL));
        let loader = builder.build().unwrap();
        assert_eq!(loader.epoch(0).filter(Result::is_ok).count(), 3);
        let results: Vec<_> = loader.epoch(1).collect();
        let errors: Vec<_> = results.iter().filter_map(|result| result.as_ref().err()).collect();
        // A worker that nobody replaces takes what comes after it along.
        let expected = if in_position { 3 } else { 1 };
        assert_eq!(results.len(), expected, "{workers} workers, {in_position}: {errors:?}");
        assert!(workers == 1 || errors.len() == 1, "{errors:?}");
        assert!(errors.iter().all(|error| error.kind() == ErrorKind::Stalled), "{errors:?}");
        if workers > 1 {
            assert_eq!(loader.epoch(2).filter(Result::is_ok).count(), 3, "the others go on");
        }
        released.store(true, Ordering::Relaxed);
        assert_eq!(loader.epoch(3).filter(Result::is_ok).count(), 3, "it comes back");
    }
}

#[test]
fn workers_that_are_all_stuck_give_errors_and_are_left_behind() {
    let release = Arc::new(AtomicBool::new(false));
    let released = release.clone();
    let returned = Arc::new(AtomicUsize::new(0));
    let counted = returned.clone();
    let source = scalar(8, move |_| {
        while !released.load(Ordering::Relaxed) {
            std::thread::sleep(Duration::from_millis(1));
        }
        counted.fetch_add(1, Ordering::Relaxed);
    });
    let builder = Loader::builder(source).batch_size(2).workers(2).prefetch(2);
    let loader = builder.stall_timeout(Some(STALL)).build().unwrap();
    let results: Vec<_> = loader.epoch(0).collect();
    assert_eq!(results.len(), 4);
    assert!(results.iter().all(Result::is_err));
    let started = Instant::now();
    let error = loader.shutdown().unwrap_err();
    assert!(started.elapsed() < Duration::from_secs(1), "{:?}", started.elapsed());
    assert_eq!(error.kind(), ErrorKind::Abandoned);
    // What they hold is freed when they return, and they do return.
    release.store(true, Ordering::Relaxed);
    let deadline = Instant::now() + Duration::from_secs(5);
    while returned.load(Ordering::Relaxed) < 2 && Instant::now() < deadline {
        std::thread::sleep(Duration::from_millis(5));
    }
    assert_eq!(returned.load(Ordering::Relaxed), 2);
}

#[test]
fn an_iteration_ends_at_once_when_several_workers_are_stuck() {
    let release = Arc::new(AtomicBool::new(false));
    let released = release.clone();
    let source = scalar(8, move |index| {
        while index >= 4 && !released.load(Ordering::Relaxed) {
            std::thread::sleep(Duration::from_millis(1));
        }
    });
    let builder = Loader::builder(source).batch_size(4).workers(4).prefetch(2);
    let loader = builder.stall_timeout(Some(STALL)).build().unwrap();
    let mut batches = loader.epoch(0);
    assert!(batches.next().unwrap().is_ok());
    assert_eq!(batches.next().unwrap().unwrap_err().kind(), ErrorKind::Stalled);
    let started = Instant::now();
    assert!(batches.next().is_none());
    assert!(started.elapsed() < Duration::from_millis(200), "{:?}", started.elapsed());
    release.store(true, Ordering::Relaxed);
    drop(batches);
    assert_eq!(loader.epochs(1..3).filter(Result::is_ok).count(), 4, "all are back");
}

#[test]
fn a_slow_consumer_does_not_make_the_workers_run_ahead() {
    let reads = Arc::new(AtomicUsize::new(0));
    let counted = reads.clone();
    let source = scalar(1000, move |_| {
        counted.fetch_add(1, Ordering::Relaxed);
    });
    let builder = Loader::builder(source).batch_size(10).workers(4).prefetch(3);
    let loader = builder.build().unwrap();
    let mut batches = loader.epoch(0);
    for taken in 1..=20 {
        batches.next().unwrap().unwrap();
        std::thread::sleep(Duration::from_millis(5));
        let ahead = reads.load(Ordering::Relaxed) - taken * 10;
        assert!(ahead <= 30, "{ahead} rows ahead of the consumer");
    }
}

/// Samples that hang until `released`, from `from` on, each read counted.
fn dead_from(from: usize, released: &Arc<AtomicBool>) -> impl Source + use<> {
    let released = released.clone();
    scalar(80, move |index| {
        while index >= from && !released.load(Ordering::Relaxed) {
            std::thread::sleep(Duration::from_millis(1));
        }
    })
}

#[test]
fn a_source_that_is_gone_costs_one_timeout_however_many_batches_there_are() {
    for (workers, prefetch) in [(1, 1), (1, 4), (2, 4), (4, 2)] {
        let released = Arc::new(AtomicBool::new(false));
        let builder = Loader::builder(dead_from(10, &released)).batch_size(4).workers(workers);
        let loader = builder.prefetch(prefetch).stall_timeout(Some(STALL)).build().unwrap();
        let started = Instant::now();
        let mut batches = loader.epoch(0);
        let results: Vec<_> = batches.by_ref().take(20).collect();
        let took = started.elapsed();
        assert!(took < STALL * 2, "{took:?}, {workers} workers, {prefetch} ahead: {results:?}");
        // The end of an iteration may wait for a worker that it did not see stuck, within its bound.
        assert!(batches.next().is_none(), "a batch beyond the epoch");
        drop(batches);
        assert_eq!(results.len(), 20, "each error instead of its batch");
        assert!(results[..2].iter().all(Result::is_ok));
        let errors: Vec<_> = results[2..].iter().map(|r| r.as_ref().unwrap_err()).collect();
        let numbers = errors.iter().map(|error| error.batch().unwrap().number);
        assert!(numbers.eq(2..20));
        assert!(errors.iter().all(|error| error.kind() == ErrorKind::Stalled));
        assert!(errors.last().unwrap().is_hopeless(), "{}", errors[17]);
        assert!(errors[17].to_string().contains("no worker is left"), "{}", errors[17]);
        let again = Instant::now();
        assert_eq!(loader.epoch(1).filter(Result::is_err).count(), 20);
        // The iteration before had to be given up while workers were stuck.
        assert!(again.elapsed() < STALL + Duration::from_millis(400), "{:?}", again.elapsed());
        released.store(true, Ordering::Relaxed);
        std::thread::sleep(Duration::from_millis(50));
        assert_eq!(loader.epoch(2).filter(Result::is_ok).count(), 20, "all is well again");
    }
}

#[test]
fn what_comes_after_the_return_of_one_worker_is_delivered() {
    let released = Arc::new(AtomicBool::new(false));
    let builder = Loader::builder(dead_from(10, &released)).batch_size(4).workers(2);
    let loader = builder.prefetch(2).stall_timeout(Some(STALL)).build().unwrap();
    let mut batches = loader.epochs(0..2);
    while !batches.next().unwrap().is_err_and(|error| error.is_hopeless()) {}
    released.store(true, Ordering::Relaxed);
    std::thread::sleep(Duration::from_millis(50));
    let rest: Vec<_> = batches.collect();
    assert!(rest.len() > 20 && rest.iter().rev().take(30).all(Result::is_ok), "{}", rest.len());
}

#[test]
fn one_stuck_worker_of_two_is_no_reason_to_give_up() {
    let release = Arc::new(AtomicBool::new(false));
    let released = release.clone();
    let source = scalar(40, move |index| {
        while index == 13 && !released.load(Ordering::Relaxed) {
            std::thread::sleep(Duration::from_millis(1));
        }
    });
    let builder = Loader::builder(source).batch_size(8).workers(2).stall_timeout(Some(STALL));
    let loader = builder.build().unwrap();
    let errors: Vec<_> = loader.epoch(0).filter_map(Result::err).collect();
    assert_eq!(errors.len(), 1);
    assert!(!errors[0].is_hopeless(), "{}", errors[0]);
    release.store(true, Ordering::Relaxed);
}

/// Every order hangs until `released`.
#[derive(Debug)]
struct Dead(Arc<AtomicBool>);

impl Sampler for Dead {
    fn len(&self, _population: &Population) -> tallow::SourceResult<usize> {
        Ok(12)
    }

    fn order(
        &self,
        population: &Population,
        seed: u64,
        epoch: u64,
    ) -> tallow::SourceResult<Arc<dyn Order>> {
        while !self.0.load(Ordering::Relaxed) {
            std::thread::sleep(Duration::from_millis(1));
        }
        Sequential.order(population, seed, epoch)
    }

    fn fingerprint(&self) -> Fingerprint {
        Fingerprint::of("dead").finish()
    }
}

#[test]
fn a_sampler_that_always_hangs_costs_two_timeouts_however_many_epochs_there_are() {
    for workers in [1, 2, 6] {
        let released = Arc::new(AtomicBool::new(false));
        let builder = Loader::builder(counting(12)).batch_size(4).sampler(Dead(released.clone()));
        let loader = builder.workers(workers).stall_timeout(Some(STALL)).build().unwrap();
        let started = Instant::now();
        let errors: Vec<_> = loader.epochs(0..20).filter_map(Result::err).collect();
        assert!(started.elapsed() < STALL * 5 / 2, "{:?}", started.elapsed());
        assert!(errors.len() >= 20 && errors.last().unwrap().is_hopeless(), "{}", errors.len());
        assert!(errors[0].to_string().contains("stage order"), "{}", errors[0]);
        released.store(true, Ordering::Relaxed);
        std::thread::sleep(Duration::from_millis(50));
        assert_eq!(loader.epoch(20).filter(Result::is_ok).count(), 3, "it comes back");
    }
}
