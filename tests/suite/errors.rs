use std::sync::Arc;

use tallow::{
    Error, ErrorKind, Field, LastBatch, Loader, LoaderBuilder, LoaderError, LoaderErrorKind,
    OnError, Order, RowDType, Schema, Source, from_fn,
};

use crate::tester::{WORKERS, counting, rows};

/// [`counting`], but the samples of `bad` fail and those of `panics` panic.
fn failing(samples: usize, bad: &'static [usize], panics: &'static [usize]) -> impl Source {
    let good = Arc::new(counting(samples));
    from_fn(good.schema().clone(), samples, move |index, row| {
        assert!(!panics.contains(&index), "sample {index} panics");
        if bad.contains(&index) {
            return Err(Error::user(format!("sample {index} is bad")));
        }
        good.read(index, row)
    })
}

/// Every sample of [`build`]'s source.
static ALL: [usize; 40] = {
    let mut all = [0; 40];
    let mut i = 0;
    while i < 40 {
        all[i] = i;
        i += 1;
    }
    all
};

fn build(bad: &'static [usize], on_error: OnError) -> LoaderBuilder {
    Loader::builder(failing(40, bad, &[])).batch_size(8).on_error(on_error)
}

/// The indices of each batch, or the position that its error names.
fn outcomes(loader: &Loader) -> Vec<Result<Vec<usize>, Option<usize>>> {
    let outcome = |batch: Result<tallow::Batch, LoaderError>| match batch {
        Ok(batch) => Ok(rows(&batch).iter().map(|row| row.index).collect()),
        Err(error) => Err(error.position()),
    };
    loader.epoch(0).map(outcome).collect()
}

#[test]
fn an_error_takes_the_place_of_its_batch_and_all_others_come() {
    for workers in WORKERS {
        let loader = build(&[13, 9, 30], OnError::Fail).workers(workers).build().unwrap();
        for _ in 0..2 {
            let found = outcomes(&loader);
            assert_eq!(found.len(), 5);
            assert_eq!(found[0], Ok((0..8).collect()));
            assert_eq!(found[1], Err(Some(9)), "one error a batch, that of its lowest row");
            assert_eq!(found[2], Ok((16..24).collect()));
            assert_eq!(found[3], Err(Some(30)));
            assert_eq!(found[4], Ok((32..40).collect()));
        }
    }
}

#[test]
fn the_state_stands_after_a_batch_that_failed() {
    let loader = build(&[9], OnError::Fail).build().unwrap();
    assert!(loader.epoch(0).nth(1).unwrap().is_err());
    assert_eq!(loader.state().position(), 16);
}

#[test]
fn a_panic_is_an_error_that_names_sample_and_message() {
    for workers in WORKERS {
        let loader = Loader::builder(failing(40, &[], &[17])).batch_size(8).workers(workers);
        let loader = loader.build().unwrap();
        let results: Vec<_> = loader.epoch(0).collect();
        let error = results[2].as_ref().unwrap_err();
        assert_eq!(error.kind(), LoaderErrorKind::Panic);
        assert!(error.to_string().contains("sample 17 panics"), "{error}");
        assert_eq!(results.iter().filter(|result| result.is_ok()).count(), 4);
        assert_eq!(loader.epoch(1).count(), 5, "the loader stays usable");
    }
}

#[test]
fn skipping_leaves_the_row_out_of_its_own_batch() {
    for workers in WORKERS {
        let loader = build(&[8, 11, 23], OnError::Skip { budget: 3 });
        let loader = loader.workers(workers).build().unwrap();
        let found = outcomes(&loader);
        assert_eq!(found[1], Ok(vec![9, 10, 12, 13, 14, 15]));
        assert_eq!(found[2], Ok((16..23).collect()));
        assert_eq!(found[4], Ok((32..40).collect()), "nothing moves between batches");
        let batch = loader.epoch(1).nth(1).unwrap().unwrap();
        let faults: Vec<_> = batch.faults().iter().map(|f| (f.position, f.index)).collect();
        assert_eq!(faults, [(8, 8), (11, 11)]);
        assert_eq!(batch.positions().collect::<Vec<_>>(), [9, 10, 12, 13, 14, 15]);
        assert_eq!(batch.faults()[0].cause().unwrap().kind(), ErrorKind::User);
    }
}

#[test]
fn skipping_and_padding_fill_up_to_the_full_size() {
    let loader = build(&[8, 39], OnError::Skip { budget: 9 }).last_batch(LastBatch::Pad);
    for batch in loader.build().unwrap().epoch(0) {
        let batch = batch.unwrap();
        assert_eq!(batch.rows(), 8);
        rows(&batch);
    }
}

#[test]
fn a_budget_counts_failures_of_an_epoch_in_the_order_of_delivery() {
    for workers in WORKERS {
        let loader = build(&[3, 8, 11, 23], OnError::Skip { budget: 2 });
        let loader = loader.workers(workers).build().unwrap();
        for epoch in 0..2 {
            let results: Vec<_> = loader.epoch(epoch).collect();
            let failed = |i: usize| results[i].as_ref().err().map(|e| (e.kind(), e.position()));
            assert_eq!(failed(0), None);
            assert_eq!(failed(1), Some((LoaderErrorKind::Budget, Some(11))));
            assert_eq!(failed(2), Some((LoaderErrorKind::Budget, Some(23))));
            assert_eq!(failed(3), None);
        }
    }
}

#[test]
fn a_used_budget_is_part_of_the_state() {
    let build = || build(&[3, 20], OnError::Skip { budget: 1 }).build().unwrap();
    let loader = build();
    let state = loader.epoch(0).nth(1).unwrap().unwrap().state().clone();
    assert_eq!(state.errors(), 1);
    let resumed = build();
    resumed.resume(&state).unwrap();
    let error = resumed.epoch(0).next().unwrap().unwrap_err();
    assert_eq!(error.kind(), LoaderErrorKind::Budget);
}

#[test]
fn substitutes_are_the_same_whoever_reads_and_wherever_it_resumes() {
    let build = || build(&[3, 8, 9, 39], OnError::Substitute { budget: 20 }).shuffle().seed(3);
    let expected = outcomes(&build().workers(0).build().unwrap());
    for batch in &expected {
        let indices = batch.as_ref().unwrap();
        assert_eq!(indices.len(), 8, "the batch stays full");
        assert!(indices.iter().all(|index| ![3, 8, 9, 39].contains(index)));
    }
    for workers in WORKERS {
        assert_eq!(outcomes(&build().workers(workers).build().unwrap()), expected);
    }
    let resumed = build().build().unwrap();
    resumed.resume(&resumed.state_at(0, 2).unwrap()).unwrap();
    assert_eq!(outcomes(&resumed), expected[2..]);
    let faults: usize = resumed.epoch(0).map(|batch| batch.unwrap().faults().len()).sum();
    assert!(faults >= 4, "each failed read is reported, {faults}");
}

#[test]
fn a_row_without_any_good_substitute_says_so() {
    let build = build(&ALL, OnError::Substitute { budget: 1000 }).workers(0);
    let error = build.build().unwrap().epoch(0).next().unwrap().unwrap_err();
    assert_eq!((error.kind(), error.position()), (LoaderErrorKind::Budget, Some(0)));
    assert!(error.to_string().contains("every substitute failed"), "{error}");
}

#[test]
fn a_source_that_writes_half_a_field_is_found_out() {
    let schema = Schema::new(vec![
        Field::new("whole", RowDType::U8, &[]),
        Field::new("half", RowDType::U8, &[2]),
    ]);
    let source = from_fn(schema.unwrap(), 4, |_, row| row.field(0).copy_from_slice(&[1u8]));
    let error = Loader::builder(source).build().unwrap().epoch(0).next().unwrap().unwrap_err();
    let cause = error.cause().unwrap();
    assert_eq!((cause.kind(), cause.field()), (ErrorKind::Incomplete, Some("half")));
}

/// A sampler whose order breaks its promises in the way that `epoch` says.
struct Broken;

#[derive(Debug)]
struct BrokenOrder;

impl Order for BrokenOrder {
    fn len(&self) -> usize {
        10
    }

    fn index(&self, position: usize) -> usize {
        if position == 7 { panic!("no index") } else { position * 100 }
    }
}

impl tallow::Sampler for Broken {
    fn len(&self, _samples: usize) -> tallow::Result<usize> {
        Ok(10)
    }

    fn order(&self, samples: usize, seed: u64, epoch: u64) -> tallow::Result<Arc<dyn Order>> {
        match epoch {
            0 => panic!("no order"),
            1 => Err(Error::user("no order either")),
            2 => tallow::Shuffle.order(samples + 1, seed, epoch),
            _ => Ok(Arc::new(BrokenOrder)),
        }
    }

    fn fingerprint(&self) -> tallow::Fingerprint {
        tallow::Fingerprint::of("broken").finish()
    }
}

#[test]
fn a_broken_sampler_gives_errors_and_neither_hangs_nor_panics() {
    for workers in [0, 2] {
        let builder = Loader::builder(counting(10)).batch_size(5).sampler(Broken);
        let loader = builder.workers(workers).build().unwrap();
        for epoch in 0..3 {
            let results: Vec<_> = loader.epoch(epoch).collect();
            assert_eq!(results.len(), 1, "one error in the place of the epoch");
            assert!(results[0].is_err());
        }
        let results: Vec<_> = loader.epoch(3).collect();
        assert_eq!(results.len(), 2);
        assert!(results.iter().all(Result::is_err), "indices outside the source");
    }
}

#[test]
fn errors_become_candle_errors_with_question_marks() {
    fn train() -> tallow::candle::Result<()> {
        let loader = build(&[0], OnError::Fail).build()?;
        for batch in loader.epoch(0) {
            batch?;
        }
        Ok(())
    }
    assert!(train().unwrap_err().to_string().contains("sample 0 is bad"));
}
