//! What the consumer waits for is what the report says, whichever stage is the slow one.

use std::sync::Arc;
use std::thread::sleep;
use std::time::Duration;

use tallow::{
    Field, Fingerprint, LastBatch, Loader, LoaderBuilder, Order, Population, Report, RowDType,
    Sampler, Schema, Sequential, Source, Stage, from_fn, map,
};

use crate::tester::counting;

const SLOW: Duration = Duration::from_millis(4);
const WORKERS: [usize; 3] = [0, 1, 3];

/// [`Sequential`], whose orders take their time.
#[derive(Debug)]
struct SlowOrder;

impl Sampler for SlowOrder {
    fn len(&self, population: &Population) -> tallow::SourceResult<usize> {
        Sequential.len(population)
    }

    fn order(
        &self,
        population: &Population,
        seed: u64,
        epoch: u64,
    ) -> tallow::SourceResult<Arc<dyn Order>> {
        sleep(SLOW * 10);
        Sequential.order(population, seed, epoch)
    }

    fn fingerprint(&self) -> Fingerprint {
        Sequential.fingerprint()
    }
}

fn slow_source() -> impl Source {
    let good = Arc::new(counting(24));
    from_fn(good.schema().clone(), 24, move |index, row| {
        sleep(SLOW);
        good.read(index, row)
    })
}

/// One sample of a megabyte: in a batch of many rows, the rest is zeroed at hand-over.
fn one_large_sample() -> impl Source {
    let schema = Schema::new(vec![Field::new("x", RowDType::U8, &[1 << 20])]).unwrap();
    from_fn(schema, 1, |_, row| row.field(0).as_mut_slice::<u8>().map(|x| x.fill(1)))
}

fn batches_of(source: impl Source + 'static) -> LoaderBuilder {
    Loader::builder(source).batch_size(4)
}

/// Three epochs, and so long between two batches.
fn report(builder: LoaderBuilder, workers: usize, step: Duration) -> Report {
    let loader = builder.workers(workers).build().unwrap();
    for batch in loader.epochs(0..3) {
        batch.unwrap();
        sleep(step);
    }
    loader.report()
}

/// The sum of the percentages of the workers' time.
fn shown_of_workers(report: &Report) -> f64 {
    let shown = report.to_string();
    let line = shown.lines().find(|line| line.starts_with("workers")).unwrap();
    let (stages, _) = line.split_once('(').unwrap();
    let percentages = stages.split_whitespace().filter_map(|word| word.strip_suffix('%'));
    percentages.map(|number| number.parse::<f64>().unwrap()).sum()
}

#[test]
fn a_report_is_of_its_own_epochs_whatever_lay_between() {
    for workers in [0, 2] {
        let loader = batches_of(one_large_sample()).workers(workers).build().unwrap();
        sleep(Duration::from_millis(30));
        loader.epochs(0..3).for_each(|batch| _ = batch.unwrap());
        let before = loader.report();
        assert_eq!(shown_of_workers(&before).round(), 100.0, "{before}");
        loader.epochs(3..5).for_each(|batch| _ = batch.unwrap());
        let report = loader.report().since(&before);
        assert_eq!((report.batches, report.samples, report.bytes), (2, 2, 2 << 20));
        assert_eq!(report.wait + report.consumer(), report.wall);
        if workers == 0 {
            assert_eq!(report.ready_share, 0.0, "each batch was made when it was asked for");
        }
    }
}

/// The stage is named, most of the wait is its, and all parts make the wall.
fn expect(report: &Report, stage: Stage) {
    assert_eq!(report.limiting_stage(), stage, "{report}");
    assert!(report.to_string().contains(&report.advice()), "{report}");
    let parts = report.wait_by_stage();
    let sum: Duration = parts.iter().map(|(_, time)| *time).sum();
    assert!(sum.abs_diff(report.wait) < Duration::from_micros(1), "{report}");
    assert_eq!(report.wait + report.consumer(), report.wall, "{report}");
    assert_eq!(shown_of_workers(report).round(), 100.0, "{report}");
    if let Some((_, time)) = parts.iter().find(|(part, _)| *part == stage) {
        assert!(*time * 2 > report.wait, "{report}");
    }
}

#[test]
fn a_slow_order_is_named() {
    for workers in WORKERS {
        let slow = batches_of(counting(8)).sampler(SlowOrder);
        expect(&report(slow, workers, Duration::ZERO), Stage::Order);
    }
}

#[test]
fn a_slow_source_is_named() {
    for workers in WORKERS {
        let report = report(batches_of(slow_source()), workers, SLOW);
        expect(&report, Stage::Read);
        assert!(report.consumer() >= SLOW * 17, "{report}");
    }
}

#[test]
fn a_slow_transform_is_named() {
    for workers in WORKERS {
        let source = counting(24);
        let slow = map(source.schema().clone(), |input, out| {
            sleep(SLOW);
            out.field(0).copy_from_view(&input.field(0))?;
            out.field(1).copy_from_view(&input.field(1))
        });
        expect(&report(batches_of(source).transform(slow), workers, SLOW), Stage::Transform);
    }
}

#[test]
fn a_slow_map_batch_is_named() {
    for workers in WORKERS {
        let slow = batches_of(counting(24)).map_batch(|_| {
            sleep(SLOW);
            Ok(())
        });
        expect(&report(slow, workers, SLOW), Stage::MapBatch);
    }
}

#[test]
fn a_slow_hand_over_is_named() {
    let slow = Loader::builder(one_large_sample()).batch_size(64).last_batch(LastBatch::Pad);
    expect(&report(slow, 2, Duration::from_millis(20)), Stage::HandOver);
}

#[test]
fn a_slow_consumer_is_named_though_workers_are_busy_too() {
    // The workers read for as long as the steps take, in their shadow.
    let report = report(batches_of(slow_source()), 8, SLOW * 20);
    let read = report.stage(Stage::Read);
    assert!(read > SLOW * 60, "{report}");
    let waits = report.wait_by_stage();
    let waited = waits.iter().find(|(stage, _)| *stage == Stage::Read).unwrap().1;
    assert!(waited * 4 < read, "{report}");
    // But for the first batch, which nothing was ahead of.
    expect(&report, Stage::Consumer);
}

#[test]
fn what_workers_do_while_nobody_waits_does_not_enter() {
    // The transform takes longer in all, but during the steps; what is waited for is the order.
    let source = counting(16);
    let slow = map(source.schema().clone(), |input, out| {
        sleep(SLOW);
        out.field(0).copy_from_view(&input.field(0))?;
        out.field(1).copy_from_view(&input.field(1))
    });
    let builder = batches_of(source).transform(slow).sampler(SlowOrder).prefetch(4);
    let loader = builder.workers(4).build().unwrap();
    for epoch in 0..3 {
        let mut batches = loader.epoch(epoch);
        // With the order comes the first batch; the others are made during the pause.
        batches.next().unwrap().unwrap();
        sleep(SLOW * 12);
        assert_eq!(batches.filter_map(Result::ok).count(), 3);
    }
    let report = loader.report();
    assert!(report.stage(Stage::Transform) > report.stage(Stage::Order), "{report}");
    assert_eq!(report.limiting_stage(), Stage::Order, "{report}");
}

#[test]
fn ready_batches_are_counted() {
    let loader = batches_of(counting(24)).workers(2).prefetch(3).build().unwrap();
    assert_eq!(loader.ready(), 0, "nothing is read before somebody asks");
    let mut batches = loader.epoch(0);
    batches.next().unwrap().unwrap();
    let started = std::time::Instant::now();
    // A worker is woken when half of the batches ahead were taken.
    while loader.ready() < 2 {
        assert!(started.elapsed() < Duration::from_secs(20), "{}", loader.ready());
        std::thread::yield_now();
    }
    assert_eq!(batches.filter_map(Result::ok).count(), 5);
    assert_eq!(loader.ready(), 0);
}
