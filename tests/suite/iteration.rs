//! The ways to iterate: ranges of epochs, what is left of them, shared loaders, reports of an epoch.

use std::sync::Arc;
use std::time::Duration;

use tallow::{Batches, ErrorKind, Loader, LoaderBuilder, OnError};

use crate::tester::{counting, matrix, rows, stream};

/// Three batches per epoch.
fn build() -> LoaderBuilder {
    Loader::builder(counting(10)).batch_size(4).shuffle()
}

/// Epoch and number of each batch.
fn ids(batches: Batches<'_>) -> Vec<(u64, usize)> {
    batches.map(|batch| batch.unwrap().id()).map(|id| (id.epoch, id.number)).collect()
}

fn whole(epochs: std::ops::Range<u64>) -> Vec<(u64, usize)> {
    epochs.flat_map(|epoch| (0..3).map(move |number| (epoch, number))).collect()
}

#[test]
fn epochs_are_any_range() {
    let loader = build().build().unwrap();
    assert_eq!(ids(loader.epochs(1..3)), whole(1..3));
    assert_eq!(ids(loader.epochs(..2)), whole(0..2));
    assert_eq!(ids(loader.epochs(2..=4)), whole(2..5));
    assert_eq!(ids(loader.epochs(3..3)), []);
    let endless: Vec<_> = loader.epochs(5..).take(6).map(|batch| batch.unwrap().epoch()).collect();
    assert_eq!(endless, [5, 5, 5, 6, 6, 6]);
    assert_eq!(loader.epochs(u64::MAX..).count(), 0, "there is no such epoch");
}

#[test]
fn the_length_of_a_loader_is_its_batches_per_epoch() {
    let loader = build().build().unwrap();
    assert_eq!((loader.len(), loader.is_empty()), (3, false));
    assert_eq!(loader.epoch(0).count(), loader.len());
    assert!(Loader::builder(counting(0)).build().unwrap().is_empty());
}

#[test]
fn a_loop_over_the_loader_is_the_epoch_after_the_last_that_was_finished() {
    let loader = build().build().unwrap();
    for epoch in 0..2 {
        assert_eq!(ids((&loader).into_iter()), whole(epoch..epoch + 1));
    }
    // One that is left early was not finished.
    assert_eq!((&loader).into_iter().next().unwrap().unwrap().epoch(), 2);
    assert_eq!(ids((&loader).into_iter()), whole(2..3));
    loader.epochs(7..9).for_each(drop);
    assert_eq!(ids((&loader).into_iter()), whole(9..10));
    loader.resume(&loader.state_at(4, 1).unwrap()).unwrap();
    assert_eq!(ids((&loader).into_iter()), [(4, 1), (4, 2)], "what is left of it");
    assert_eq!(ids((&loader).into_iter()), whole(5..6));
}

#[test]
fn what_remains_after_resuming_are_epochs_with_batches() {
    let loader = build().build().unwrap();
    assert_eq!(loader.remaining(0..5), 0..5);
    loader.epochs(0..2).for_each(drop);
    assert_eq!(loader.remaining(0..5), 0..5, "every epoch can be delivered again");
    for (batch, expected) in [(0, 2..5), (1, 2..5), (3, 3..5)] {
        loader.resume(&loader.state_at(2, batch).unwrap()).unwrap();
        assert_eq!(loader.remaining(0..5), expected);
        assert_eq!(loader.remaining(4..), 4..u64::MAX);
        assert_eq!(loader.remaining(..=1), 2..2);
        for epoch in loader.remaining(0..5) {
            assert!(loader.epoch(epoch).count() > 0, "epoch {epoch}");
        }
    }
}

#[test]
fn an_owned_iteration_delivers_the_same_from_another_thread() {
    matrix(build, |loader| {
        let expected = stream(&loader, 0..2).unwrap();
        let loader = Arc::new(loader);
        let batches = loader.clone().epochs_owned(0..2);
        let error = loader.epoch(0).next().unwrap().unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Busy, "one at a time");
        // The iteration keeps the workers.
        drop(loader);
        let read = || batches.map(|batch| rows(&batch.unwrap())).collect::<Vec<_>>();
        let found = std::thread::scope(|scope| scope.spawn(read).join().unwrap());
        assert_eq!(found, expected);
    });
}

#[test]
fn an_owned_iteration_lives_beside_its_loader() {
    struct Trainer {
        batches: Batches<'static>,
        loader: Arc<Loader>,
    }
    let loader = Arc::new(build().workers(2).build().unwrap());
    let mut trainer = Trainer { batches: loader.clone().epochs_owned(..), loader };
    trainer.batches.by_ref().take(4).for_each(drop);
    assert_eq!((trainer.loader.state().epoch(), trainer.loader.state().position()), (1, 4));
    trainer.batches = trainer.loader.clone().epochs_owned(3..4);
    assert!(trainer.batches.next().unwrap().is_err(), "the old one ended only after that");
    drop(trainer.batches);
    assert_eq!(trainer.loader.epoch(3).count(), 3);
}

#[test]
fn the_report_of_an_epoch_counts_what_it_delivered() {
    matrix(build, |loader| {
        let begun = loader.report();
        let mut sums = (0, 0, Duration::ZERO);
        for batch in loader.epochs(0..4) {
            let batch = batch.unwrap();
            let report = loader.epoch_report();
            assert_eq!(report.batches as usize, batch.number() + 1, "so far");
            if batch.is_last() {
                assert_eq!((report.samples, report.bytes), (10, 10 * (24 + 8)));
                sums = (sums.0 + report.batches, sums.1 + report.samples, sums.2 + report.wait);
            }
        }
        let all = loader.report().since(&begun);
        assert_eq!((all.batches, all.samples), (sums.0, sums.1));
        assert!(sums.2 <= all.wait && all.wait.mul_f64(0.5) <= sums.2 + Duration::from_millis(50));
        // Another iteration begins its own.
        loader.epoch(0).next().unwrap().unwrap();
        assert_eq!(loader.epoch_report().batches, 1);
    });
}

#[test]
fn the_report_of_an_epoch_includes_its_consumer_and_no_other() {
    let loader = build().build().unwrap();
    for batch in loader.epochs(0..3) {
        let batch = batch.unwrap();
        let pause = if batch.epoch() == 1 { 200 } else { 0 };
        std::thread::sleep(Duration::from_millis(pause));
        if batch.epoch() == 2 && batch.is_last() {
            assert!(loader.epoch_report().wall < Duration::from_millis(200));
        }
    }
    assert!(loader.report().wall >= Duration::from_millis(600));
}

#[test]
fn failures_count_in_the_report_of_their_epoch() {
    let bad = |index: usize| index == 3;
    let source = tallow::from_fn(
        tallow::Schema::new(vec![tallow::Field::new("x", tallow::RowDType::U8, &[])]).unwrap(),
        8,
        move |index, row| {
            if bad(index) {
                return Err(tallow::SourceError::user("no such sample"));
            }
            row.field(0).copy_from_slice(&[index as u8])
        },
    );
    let loader = Loader::builder(source).batch_size(4).on_error(OnError::Skip { budget: 5 });
    let loader = loader.build().unwrap();
    for batch in loader.epochs(0..2) {
        if batch.unwrap().is_last() {
            let report = loader.epoch_report();
            assert_eq!((report.faults, report.samples, report.batches), (1, 7, 2));
        }
    }
}
