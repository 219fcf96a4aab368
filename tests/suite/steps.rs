//! Iterations by step, over as many epochs as they take.

use std::sync::Arc;

use tallow::candle::{Device, Tensor};
use tallow::{LastBatch, Loader, LoaderBuilder, Memory};

/// Seven batches an epoch.
fn builder() -> LoaderBuilder {
    let values = Tensor::arange(0i64, 20, &Device::Cpu).unwrap();
    let source = Memory::new([("x", values)]).unwrap();
    Loader::builder(source).batch_size(3).shuffle().seed(4)
}

/// Step, epoch, number and samples of each batch.
fn told(batches: tallow::Batches<'_>) -> Vec<(u64, u64, usize, Vec<usize>)> {
    let told = |batch: tallow::Batch| {
        (batch.step(), batch.epoch(), batch.number(), batch.indices().to_vec())
    };
    batches.map(|batch| told(batch.unwrap())).collect()
}

#[test]
fn steps_are_the_batches_of_all_epochs_in_order() {
    for workers in [0, 1, 3] {
        let loader = builder().workers(workers).prefetch(4).build().unwrap();
        let all = told(loader.epochs(0..4));
        assert_eq!(
            all.iter().map(|batch| batch.0).collect::<Vec<_>>(),
            (0..28).collect::<Vec<_>>()
        );
        for (from, to) in [(0, 0), (0, 1), (0, 7), (0, 8), (3, 28), (6, 7), (7, 9), (27, 28)] {
            assert_eq!(
                told(loader.steps(from..to)),
                all[from as usize..to as usize],
                "{from} {to}"
            );
            assert_eq!(loader.step(), if from < to { to } else { from });
        }
    }
}

#[test]
fn how_many_steps_are_left_is_known() {
    let loader = builder().build().unwrap();
    let mut batches = loader.steps(2..17);
    for left in (0..15).rev() {
        assert_eq!(batches.size_hint().1, Some(left + 1));
        batches.next().unwrap().unwrap();
        let (least, most) = batches.size_hint();
        assert!(least <= left && most == Some(left), "{least} {most:?} of {left}");
    }
    assert_eq!((batches.next().is_none(), batches.size_hint()), (true, (0, Some(0))));
    drop(batches);
    let mut last = loader.steps(..4);
    last.next().unwrap().unwrap();
    assert_eq!(last.size_hint(), (3, Some(3)));
}

#[test]
fn an_interrupted_loop_over_steps_goes_on_after_every_step() {
    let expected = told(builder().build().unwrap().steps(..18));
    for stop in 1..18 {
        let first = builder().build().unwrap();
        let states = first.steps(..stop).map(|batch| batch.unwrap().state().clone());
        let state = states.last().unwrap();
        let second = builder().workers(1).build().unwrap();
        second.resume(&state).unwrap();
        assert_eq!(second.step(), stop);
        // Steps that end before the state leave it alone.
        assert!(told(second.steps(..stop)).is_empty());
        assert_eq!(told(second.steps(..18)), expected[stop as usize..]);
        assert_eq!(told(second.steps(..18)), expected, "whole again");
    }
}

#[test]
fn steps_without_an_end_go_on_and_can_be_owned() {
    let loader = Arc::new(builder().last_batch(LastBatch::Drop).build().unwrap());
    assert_eq!(loader.len(), 6);
    let mut batches = loader.clone().steps_owned(10..);
    for step in 10..100 {
        let batch = batches.next().unwrap().unwrap();
        assert_eq!((batch.step(), batch.epoch()), (step, step / 6));
    }
    assert_eq!(loader.step(), 100);
}

#[test]
fn the_last_steps_that_can_be_counted_end() {
    let loader = builder().build().unwrap();
    let last = loader.steps(u64::MAX - 2..u64::MAX - 1).next().unwrap().unwrap();
    assert_eq!(last.step(), u64::MAX - 2);
}
