//! Closures that run on whole batches.

use std::time::Duration;

use tallow::candle::{self, DType, Tensor};
use tallow::{Batch, ErrorKind, Loader, LoaderBuilder, Stage};

use crate::tester::{WORKERS, counting, matrix};

fn build() -> LoaderBuilder {
    Loader::builder(counting(22)).batch_size(4).shuffle().seed(2)
}

/// `x` becomes `f64`, `y` is left out, and `z` is what `y` was, plus one.
fn remake(batch: &mut Batch) -> candle::Result<()> {
    batch.set("x", batch["x"].to_dtype(DType::F64)?.flatten_from(1)?);
    let y = batch.remove("y").expect("a field of the source");
    batch.set("z", (y + 1.0)?);
    Ok(())
}

/// The `z` of every batch of an epoch, or the error in its place.
fn outcomes(loader: &Loader, epoch: u64) -> Vec<Result<Vec<i64>, ErrorKind>> {
    let z = |batch: Batch| batch["z"].to_vec1::<i64>().unwrap();
    loader.epoch(epoch).map(|batch| batch.map(z).map_err(|error| error.kind())).collect()
}

#[test]
fn tensors_are_replaced_added_and_removed() {
    matrix(
        || build().map_batch(remake),
        |loader| {
            for batch in loader.epoch(0) {
                let batch = batch.unwrap();
                let names: Vec<&str> = batch.tensors().map(|(name, _)| name).collect();
                assert_eq!(names, ["x", "z"]);
                assert_eq!(
                    (batch["x"].dtype(), batch["x"].dims()),
                    (DType::F64, &[batch.len(), 6][..])
                );
                let expected: Vec<i64> = batch.indices().iter().map(|&i| i as i64 + 1).collect();
                assert_eq!(batch["z"].to_vec1::<i64>().unwrap(), expected);
                let error = batch.tensor("y").unwrap_err().to_string();
                assert!(error.contains("[\"x\", \"z\"]"), "{error}");
            }
        },
    );
}

#[test]
fn closures_run_in_order_on_the_thread_of_the_consumer() {
    let own = std::thread::current().id();
    let doubled = |batch: &mut Batch| {
        batch.set("z", (&batch["z"] * 2.0)?);
        Ok(())
    };
    let here = move |_: &mut Batch| {
        assert_eq!(std::thread::current().id(), own);
        Ok(())
    };
    let builder = build().map_batch(remake).map_batch(doubled).map_batch(here);
    for batch in builder.workers(2).build().unwrap().epoch(0) {
        let batch = batch.unwrap();
        let expected: Vec<i64> = batch.indices().iter().map(|&i| i as i64 * 2 + 2).collect();
        assert_eq!(batch["z"].to_vec1::<i64>().unwrap(), expected);
    }
}

#[test]
fn every_batch_may_lose_all_its_tensors() {
    let loader = build().map_batch(|batch| {
        batch.remove("x");
        batch.remove("y");
        assert!(batch.remove("y").is_none());
        Ok(())
    });
    for batch in loader.build().unwrap().epoch(0) {
        let batch = batch.unwrap();
        assert_eq!(batch.tensors().len(), 0);
        assert_eq!(batch.mask().unwrap().dims(), [batch.rows()]);
    }
}

/// Fails at batch 1 of each epoch and panics at batch 3.
fn failing(batch: &mut Batch) -> candle::Result<()> {
    assert!(batch.number() != 3, "no batch {}", batch.number());
    if batch.number() == 1 { candle::bail!("batch 1 is bad") } else { remake(batch) }
}

#[test]
fn errors_and_panics_take_the_place_of_their_batch_and_the_loader_goes_on() {
    let expected = outcomes(&build().map_batch(remake).build().unwrap(), 0);
    for workers in WORKERS {
        let loader = build().map_batch(failing).workers(workers).build().unwrap();
        for _ in 0..2 {
            let found = outcomes(&loader, 0);
            assert_eq!(found[1], Err(ErrorKind::MapBatch));
            assert_eq!(found[3], Err(ErrorKind::Panic));
            for good in [0, 2, 4, 5] {
                assert_eq!(found[good], expected[good]);
            }
        }
        assert_eq!(loader.report().errors, 4);
    }
}

#[test]
fn an_error_says_what_failed_and_where() {
    let loader = build().map_batch(failing).build().unwrap();
    let errors: Vec<_> = loader.epoch(2).filter_map(Result::err).collect();
    let words = errors.iter().map(ToString::to_string).collect::<Vec<_>>();
    assert!(words[0].contains("map_batch failed in epoch 2, batch 1"), "{words:?}");
    assert!(words[0].contains("batch 1 is bad"), "{words:?}");
    assert!(errors[0].cause().is_some());
    assert!(
        words[1].contains("panic in epoch 2, batch 3: \"no batch 3\" in map_batch"),
        "{words:?}"
    );
}

#[test]
fn the_state_stands_behind_a_batch_whose_closure_failed() {
    let expected = outcomes(&build().map_batch(remake).build().unwrap(), 0);
    let loader = build().map_batch(failing).build().unwrap();
    let mut batches = loader.epoch(0);
    assert!(batches.nth(1).unwrap().is_err());
    let state = loader.state();
    drop(batches);
    let resumed = build().map_batch(remake).build().unwrap();
    resumed.resume(&state).unwrap();
    assert_eq!(outcomes(&resumed, 0), expected[2..]);
}

#[test]
fn a_state_knows_the_closures_by_their_version() {
    let of = |version| build().map_batch(remake).map_batch_version(version).build().unwrap();
    let state = of(1).state_at(0, 2).unwrap();
    of(1).resume(&state).unwrap();
    let error = of(2).resume(&state).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::State);
    assert!(error.to_string().contains("the transform"), "{error}");
}

#[test]
fn the_time_of_the_closures_is_reported_as_a_stage() {
    let slow = |_: &mut Batch| {
        std::thread::sleep(Duration::from_millis(5));
        Ok(())
    };
    let loader = build().map_batch(slow).build().unwrap();
    assert_eq!(loader.epoch(0).count(), 6);
    let report = loader.report();
    assert!(report.map_batch >= Duration::from_millis(30), "{report}");
    assert!(report.hand_over < report.map_batch && report.map_batch < report.wait, "{report}");
    assert_eq!(report.limiting_stage(), Stage::MapBatch);
    assert!(report.to_string().contains("limit     map_batch"), "{report}");
}

#[test]
fn a_batch_takes_tensors_after_it_was_delivered_too() {
    let loader = build().build().unwrap();
    let mut batches = loader.epoch(0);
    let mut batch = batches.next().unwrap().unwrap();
    let ones = Tensor::ones(3, DType::U8, &candle::Device::Cpu).unwrap();
    batch.set("ones", ones);
    assert_eq!(batch["ones"].dims(), [3]);
    assert_eq!(batch.into_tensors().len(), 3);
    assert_eq!(batches.next().unwrap().unwrap().tensors().len(), 2, "other batches are untouched");
}
