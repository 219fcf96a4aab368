use std::sync::Arc;

use tallow::{
    Error, ErrorKind, Field, LastBatch, Loader, LoaderBuilder, OnError, Order, Population,
    RowDType, Schema, Source, SourceError, SourceErrorKind, from_fn,
};

use crate::tester::{WORKERS, counting, rows};

/// [`counting`], but the samples of `bad` fail and those of `panics` panic.
fn failing(samples: usize, bad: &'static [usize], panics: &'static [usize]) -> impl Source {
    let good = Arc::new(counting(samples));
    from_fn(good.schema().clone(), samples, move |index, row| {
        assert!(!panics.contains(&index), "sample {index} panics");
        if bad.contains(&index) {
            return Err(SourceError::user(format!("sample {index} is bad")));
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
    let outcome = |batch: Result<tallow::Batch, Error>| match batch {
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
        assert_eq!(error.kind(), ErrorKind::Panic);
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
        assert_eq!(batch.faults()[0].cause().unwrap().kind(), SourceErrorKind::User);
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
            assert_eq!(failed(1), Some((ErrorKind::Budget, Some(11))));
            assert_eq!(failed(2), Some((ErrorKind::Budget, Some(23))));
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
    assert_eq!(error.kind(), ErrorKind::Budget);
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
    assert_eq!((error.kind(), error.position()), (ErrorKind::Budget, Some(0)));
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
    assert_eq!((cause.kind(), cause.field()), (SourceErrorKind::Incomplete, Some("half")));
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
    fn len(&self, _population: &Population) -> tallow::SourceResult<usize> {
        Ok(10)
    }

    fn order(
        &self,
        population: &Population,
        seed: u64,
        epoch: u64,
    ) -> tallow::SourceResult<Arc<dyn Order>> {
        match epoch {
            0 => panic!("no order"),
            1 => Err(SourceError::user("no order either")),
            2 => {
                let more = Population::of(population.samples() + 1);
                tallow::Shuffle.order(&more, seed, epoch)
            }
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
            assert_eq!(results.len(), 1, "one error instead of the epoch");
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

/// The indices that an epoch of `samples` samples delivers, sample 3 of which fails.
fn substituted(samples: usize, seed: u64) -> Result<Vec<usize>, Error> {
    let source = failing(samples, &[3], &[]);
    let builder = Loader::builder(source).shuffle().seed(seed).workers(0);
    let loader = builder.on_error(OnError::Substitute { budget: 1 }).build().unwrap();
    loader
        .epoch(0)
        .map(|batch| Ok(batch?.indices().to_vec()))
        .collect::<Result<Vec<_>, _>>()
        .map(|all| all.concat())
}

#[test]
fn a_sample_that_failed_is_never_its_own_substitute() {
    let mut counts = [0usize; 10];
    for seed in 0..900 {
        let found = substituted(10, seed).unwrap_or_else(|error| panic!("seed {seed}: {error}"));
        assert_eq!(found.len(), 10);
        found.into_iter().for_each(|index| counts[index] += 1);
    }
    assert_eq!(counts[3], 0);
    // Each of the nine others 100 times more than once an epoch, were it exact.
    let extra = counts.iter().enumerate().filter(|(i, _)| *i != 3).map(|(_, count)| count - 900);
    let chi2: f64 = extra.map(|extra| (extra as f64 - 100.0).powi(2) / 100.0).sum();
    assert!(chi2 < 26.1, "chi squared {chi2} with 8 degrees of freedom (p = 0.001)");
}

#[test]
fn a_substitute_never_fails_twice_for_one_row() {
    // Two good ones of ten: each failure takes one sample away from those that are drawn.
    let bad: &[usize] = &[0, 1, 2, 3, 4, 5, 6, 7];
    for seed in 0..60 {
        let builder = Loader::builder(failing(10, bad, &[])).batch_size(10).shuffle().seed(seed);
        let on_error = OnError::Substitute { budget: 80 };
        let loader = builder.on_error(on_error).workers(0).build().unwrap();
        let batch = loader.epoch(0).next().unwrap().unwrap();
        let mut reads: Vec<_> = batch.faults().iter().map(|f| (f.position, f.index)).collect();
        let all = reads.len();
        reads.sort_unstable();
        reads.dedup();
        assert_eq!(reads.len(), all, "seed {seed}: a row asks no sample twice");
    }
}

#[test]
fn repetitions_of_a_sample_that_failed_are_no_substitutes() {
    // Position 5 alone holds another sample.
    let order = tallow::SubsetSampler::new([3, 3, 3, 3, 3, 4, 3, 3]);
    for seed in 0..40 {
        let builder = Loader::builder(failing(8, &[3], &[])).batch_size(8).sampler(order.clone());
        let builder = builder.seed(seed).on_error(OnError::Substitute { budget: 7 });
        let batch = builder.build().unwrap().epoch(0).next().unwrap().unwrap();
        assert_eq!(batch.indices(), [4; 8]);
    }
}

#[test]
fn without_another_sample_there_is_no_substitute_and_the_error_says_so() {
    for (samples, order) in [(1, vec![0]), (4, vec![0, 0, 0])] {
        let builder = Loader::builder(failing(samples, &[0], &[])).workers(0);
        let builder = builder.sampler(tallow::SubsetSampler::new(order));
        let loader = builder.on_error(OnError::Substitute { budget: 9 }).build().unwrap();
        let error = loader.epoch(0).next().unwrap().unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Budget);
        assert!(error.to_string().contains("no other sample to substitute it with"), "{error}");
        assert!(error.to_string().contains("sample 0 is bad"), "{error}");
    }
}

#[test]
fn a_batch_of_which_all_is_skipped_is_not_delivered() {
    for workers in WORKERS {
        let bad: &[usize] = &[3, 8, 9, 10, 11, 12, 13, 14, 15];
        let loader = build(bad, OnError::Skip { budget: 9 }).workers(workers).build().unwrap();
        let numbers: Vec<_> = loader.epoch(0).map(|batch| batch.unwrap().number()).collect();
        assert_eq!(numbers, [0, 2, 3, 4]);
        let report = loader.report();
        assert_eq!((report.batches, report.faults, report.errors), (4, 9, 0));
        let state = loader.state_at(0, 1).unwrap();
        loader.resume(&state).unwrap();
        let mut batches = loader.epoch(0);
        assert_eq!(batches.size_hint(), (0, Some(4)));
        assert_eq!(batches.next().unwrap().unwrap().number(), 2, "resuming changes nothing");
    }
}

#[test]
fn ranks_stay_in_step_where_all_of_ones_share_is_skipped() {
    let share = |rank| {
        let bad: &[usize] = &[9, 11, 13, 15];
        let builder = build(bad, OnError::Skip { budget: 9 }).rank(rank, 2);
        let loader = builder.build().unwrap();
        loader.epoch(0).map(|batch| batch.unwrap().len()).collect::<Vec<_>>()
    };
    assert_eq!((share(0), share(1)), (vec![4; 5], vec![4, 0, 4, 4, 4]));
    let padded = build(&ALL, OnError::Skip { budget: 99 }).last_batch(LastBatch::Pad);
    let batches: Vec<_> = padded.build().unwrap().epoch(0).map(|batch| batch.unwrap()).collect();
    assert!(batches.iter().all(|batch| (batch.len(), batch.rows()) == (0, 8)));
}

#[test]
fn an_epoch_of_which_all_is_skipped_is_an_error_and_the_next_one_comes() {
    for last in [LastBatch::Keep, LastBatch::Drop] {
        let builder = Loader::builder(failing(10, &ALL, &[])).batch_size(4).last_batch(last);
        let loader = builder.on_error(OnError::Skip { budget: 99 }).build().unwrap();
        for epoch in 0..2 {
            let results: Vec<_> = loader.epoch(epoch).collect();
            assert_eq!(results.len(), 1);
            let error = results[0].as_ref().unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Empty);
            let samples = if last == LastBatch::Keep { 10 } else { 8 };
            let words = format!("each of its {samples} samples was skipped");
            assert!(error.to_string().contains(&words), "{error}");
        }
        let last_of_all = loader.state_at(0, loader.len() - 1).unwrap();
        loader.resume(&last_of_all).unwrap();
        assert_eq!(loader.epoch(0).count(), 0, "what was received before is not known");
    }
}
