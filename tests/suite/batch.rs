//! What a batch offers to the training loop.

use tallow::candle::{DType, Device};
use tallow::{Batch, ErrorKind, LastBatch, Loader};

use crate::tester::counting;

fn first() -> Batch {
    let loader = Loader::builder(counting(10)).batch_size(4).build().unwrap();
    loader.epoch(0).next().unwrap().unwrap()
}

#[test]
fn tensors_are_taken_by_name_and_share_the_memory_of_the_batch() {
    let batch = first();
    let (x, y) = batch.pair("x", "y").unwrap();
    assert_eq!((x.id(), y.id()), (batch["x"].id(), batch["y"].id()));
    let [y, x, again] = batch.select(["y", "x", "y"]).unwrap();
    assert_eq!((x.dims(), y.dims(), again.id()), (&[4, 2, 3][..], &[4][..], y.id()));
    let [] = batch.select([]).unwrap();
}

#[test]
fn a_name_that_is_not_there_is_an_error_that_lists_those_that_are() {
    let mut batch = first();
    for error in [
        batch.pair("x", "z").unwrap_err(),
        batch.select(["z"]).unwrap_err(),
        batch.to_dtype("z", DType::F32).unwrap_err(),
    ] {
        assert_eq!(error.kind(), ErrorKind::Config);
        assert!(error.to_string().contains("no field \"z\", there are [\"x\", \"y\"]"), "{error}");
    }
}

#[test]
fn tensors_are_converted_and_moved_in_place() {
    let mut batch = first();
    batch.to_dtype("y", DType::F64).unwrap();
    assert_eq!(batch["y"].to_vec1::<f64>().unwrap(), [0.0, 1.0, 2.0, 3.0]);
    assert_eq!(batch["x"].dtype(), DType::F32, "the others stay as they are");
    let names: Vec<_> = batch.tensors().map(|(name, _)| name.to_owned()).collect();
    assert_eq!(names, ["x", "y"], "and so does their order");
    batch.to_device(&Device::Cpu).unwrap();
    assert!(batch.mask().unwrap().device().is_cpu());
    let error = batch.to_dtype("y", DType::F4).unwrap_err();
    assert_eq!((error.kind(), error.batch()), (ErrorKind::Tensor, Some(batch.id())));
}

#[test]
fn rows_are_called_as_the_source_calls_their_samples_and_padding_is_not() {
    let loader = Loader::builder(counting(10)).batch_size(4).shuffle().last_batch(LastBatch::Pad);
    let loader = loader.build().unwrap();
    let mut seen = Vec::new();
    for batch in loader.epoch(0) {
        let batch = batch.unwrap();
        let names: Vec<String> = batch.names().map(|name| name.into_owned()).collect();
        let expected = batch.indices().iter().map(|index| format!("sample {index}"));
        assert_eq!(names, expected.collect::<Vec<_>>());
        seen.extend(names);
    }
    seen.sort_unstable();
    assert_eq!(seen, (0..10).map(|index| format!("sample {index}")).collect::<Vec<_>>());
}

#[test]
fn one_batch_of_each_epoch_is_the_last() {
    for (last, batches) in [(LastBatch::Keep, 3), (LastBatch::Drop, 2), (LastBatch::Pad, 3)] {
        let loader = Loader::builder(counting(10)).batch_size(4).last_batch(last).build().unwrap();
        for batch in loader.epochs(0..3) {
            let batch = batch.unwrap();
            assert_eq!(batch.is_last(), batch.number() + 1 == batches, "{batch:?}");
        }
    }
}
