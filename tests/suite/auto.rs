use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use tallow::{Auto, Field, Loader, LoaderBuilder, RowDType, Schema, from_fn};

use crate::tester::{counting, stream};

#[test]
fn what_is_delivered_does_not_depend_on_what_is_chosen() {
    let build = || Loader::builder(counting(403)).batch_size(8).shuffle().seed(3);
    let expected = stream(&build().workers(0).build().unwrap(), 0..4).unwrap();
    let loader = build().workers(Auto::new()).build().unwrap();
    for _ in 0..5 {
        assert_eq!(stream(&loader, 0..4).unwrap(), expected);
    }
    for batch in loader.epochs(5..7).take(30) {
        batch.unwrap();
    }
    assert_eq!(stream(&loader, 0..4).unwrap(), expected, "after stopping");
}

/// Samples that take a while, and the most that were read at once.
fn slow(read: Duration) -> (LoaderBuilder, Arc<AtomicUsize>) {
    let schema = Schema::new(vec![Field::new("x", RowDType::U8, &[1000])]).unwrap();
    let (now, most) = (AtomicUsize::new(0), Arc::new(AtomicUsize::new(0)));
    let seen = most.clone();
    let source = from_fn(schema, 1 << 20, move |_, row| {
        seen.fetch_max(now.fetch_add(1, Ordering::Relaxed) + 1, Ordering::Relaxed);
        std::thread::sleep(read);
        now.fetch_sub(1, Ordering::Relaxed);
        row.field(0).copy_from_slice(&[0u8; 1000])
    });
    (Loader::builder(source).batch_size(4), most)
}

#[test]
fn bounds_of_cores_and_bytes_are_kept() {
    let cores = std::thread::available_parallelism().unwrap().get();
    for share in [0.0, 0.5, 1.0] {
        let (builder, most) = slow(Duration::from_micros(100));
        // Room for two batches ahead and the one that is handed over.
        let auto = Auto::new().cpu_share(share).bytes(3 * 4100);
        let loader = builder.workers(auto).build().unwrap();
        assert!(loader.plan().memory_bytes() <= 3 * 4100, "{}", loader.plan());
        assert_eq!(loader.plan().prefetch(), 2);
        let until = Instant::now() + Duration::from_millis(1500);
        for batch in loader.epoch(0).take_while(|_| Instant::now() < until) {
            batch.unwrap();
        }
        let bound = ((cores as f64 * share) as usize).max(1);
        assert!((1..=bound).contains(&most.load(Ordering::Relaxed)), "{most:?} of {bound}");
        assert!((1..=bound).contains(&loader.settings().workers));
    }
}

#[test]
fn a_consumer_that_is_slower_ends_with_less() {
    let (builder, _) = slow(Duration::from_micros(200));
    let loader = builder.workers(Auto::new()).build().unwrap();
    let start = loader.settings();
    let until = Instant::now() + Duration::from_secs(20);
    for batch in loader.epoch(0).take_while(|_| Instant::now() < until) {
        batch.unwrap();
        std::thread::sleep(Duration::from_millis(6));
        // One step of several: on a busy machine some look worse than they are.
        let found = loader.settings();
        if found.workers < start.workers || found.prefetch < start.prefetch {
            return;
        }
    }
    panic!("{:?}", loader.settings());
}

#[test]
fn a_loader_that_chooses_stops_as_any_other() {
    for taken in [0, 1, 7, 60] {
        let (builder, _) = slow(Duration::from_micros(50));
        let loader = builder.workers(Auto::new()).build().unwrap();
        let batches = loader.epoch(0).take(taken).filter(Result::is_ok).count();
        assert_eq!(batches, taken);
        let started = Instant::now();
        drop(loader);
        assert!(started.elapsed() < Duration::from_secs(1));
    }
}
