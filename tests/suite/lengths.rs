//! Batches of similar length and by a budget of tokens, through the loader.

use std::collections::BTreeMap;
use std::ops::Range;

use tallow::{
    Batch, Buckets, Dim, Field, LastBatch, Loader, LoaderBuilder, OnError, RowDType, Schema,
    Shuffle, Source, SourceError, TokenBudget, from_fn,
};

const SAMPLES: usize = 203;
const LONGEST: usize = 50;

/// Between 0 and 49 tokens, most of them few.
fn length(index: usize) -> usize {
    let drawn = index.wrapping_mul(2_654_435_761) % 50;
    if index.is_multiple_of(3) { drawn } else { drawn / 5 }
}

fn lengths() -> Vec<u32> {
    (0..SAMPLES).map(|index| length(index) as u32).collect()
}

/// Tokens of `dtype`-like `u16`, each of which tells its sample, and a number that does.
fn source() -> impl Source + 'static {
    let dims = vec![Dim::Ragged { max: LONGEST }];
    let fields = vec![
        Field::with_dims("tokens", RowDType::U16, dims),
        Field::new("label", RowDType::I64, &[]),
    ];
    from_fn(Schema::new(fields).unwrap(), SAMPLES, |index, row| {
        row.field(0).set_shape(&[length(index)])?;
        row.field(0).copy_from_slice(&vec![1 + index as u16; length(index)])?;
        row.field(1).copy_from_slice(&[index as i64])
    })
}

fn buckets() -> LoaderBuilder {
    let sampler = Buckets::new(Shuffle, lengths(), 8).unwrap().window(6);
    Loader::builder(source()).sampler(sampler).seed(5).pad_to_multiple("tokens", 0.0, 4)
}

fn budget() -> TokenBudget {
    TokenBudget::new(lengths(), 480).unwrap().multiple_of(4).rows_multiple_of(8)
}

fn by_budget() -> LoaderBuilder {
    Loader::builder(source()).sampler(budget()).seed(5).pad_to_multiple("tokens", 0.0, 4)
}

/// The samples of an epoch by epoch and position, each checked.
type Rows = BTreeMap<(u64, usize), usize>;

fn rows(loader: &Loader, epochs: Range<u64>) -> Rows {
    let mut rows = Rows::new();
    for batch in loader.epochs(epochs) {
        let batch = batch.unwrap();
        check(&batch);
        let keys = batch.positions().map(|position| (batch.epoch(), position));
        rows.extend(keys.zip(batch.indices().iter().copied()));
    }
    rows
}

/// Every row has its sample, and padding after it.
fn check(batch: &Batch) {
    let tokens = batch["tokens"].to_vec2::<u32>().unwrap();
    let lens = batch["tokens_len"].to_vec1::<i64>().unwrap();
    let labels = batch["label"].to_vec1::<i64>().unwrap();
    assert_eq!(tokens.len(), batch.rows());
    for (row, &index) in batch.indices().iter().enumerate() {
        let len = length(index);
        assert_eq!((lens[row], labels[row]), (len as i64, index as i64));
        assert!(tokens[row][..len].iter().all(|&token| token == 1 + index as u32));
        assert!(tokens[row][len..].iter().all(|&token| token == 0));
    }
}

fn nothing_else_matters(build: fn() -> LoaderBuilder) {
    let expected = rows(&build().build().unwrap(), 0..2);
    assert_eq!(expected.len(), 2 * SAMPLES);
    for epoch in 0..2 {
        let mut indices: Vec<usize> =
            expected.range((epoch, 0)..(epoch + 1, 0)).map(|(_, index)| *index).collect();
        indices.sort();
        assert_eq!(indices, (0..SAMPLES).collect::<Vec<_>>());
    }
    for workers in [0, 1, 3, 8] {
        for prefetch in [1, 4] {
            let loader = build().workers(workers).prefetch(prefetch).build().unwrap();
            assert_eq!(rows(&loader, 0..2), expected, "{workers} {prefetch}");
        }
    }
    for world in [1, 2, 3, 8] {
        let mut union = Rows::new();
        let mut batches = Vec::new();
        for rank in 0..world {
            let loader = build().rank(rank, world).build().unwrap();
            union.append(&mut rows(&loader, 0..2));
            batches.push(loader.len());
        }
        assert_eq!(union, expected, "{world} ranks");
        assert!(batches.iter().all(|&len| len == batches[0]), "{batches:?}");
    }
}

#[test]
fn buckets_depend_on_nothing_but_order_lengths_and_seed() {
    nothing_else_matters(buckets);
}

#[test]
fn batches_of_a_budget_depend_on_nothing_but_lengths_and_seed() {
    nothing_else_matters(by_budget);
}

/// Everything after each state is what a loader that never stopped delivers, and batches have the same
/// borders.
fn resumes_at_every_batch(build: fn() -> LoaderBuilder) {
    let stream = |loader: &Loader| -> Vec<(u64, Vec<usize>, Vec<usize>)> {
        let batches = loader.epochs(0..2).map(|batch| batch.unwrap());
        let tuple = |batch: Batch| {
            (batch.step(), batch.indices().to_vec(), batch["tokens"].dims().to_vec())
        };
        batches.map(tuple).collect()
    };
    let first = build().build().unwrap();
    let expected = stream(&first);
    assert_eq!(expected.len(), 2 * first.len());
    let second = build().workers(1).prefetch(1).build().unwrap();
    for (at, batch) in first.epochs(0..2).enumerate() {
        second.resume(batch.unwrap().state()).unwrap();
        assert_eq!(stream(&second), expected[at + 1..], "after batch {at}");
    }
    for (epoch, batch) in [(0, 3), (1, 0), (1, 5), (0, first.len())] {
        second.resume(&first.state_at(epoch, batch).unwrap()).unwrap();
        let from = epoch as usize * first.len() + batch;
        assert_eq!(stream(&second), expected[from..], "{epoch} {batch}");
    }
}

#[test]
fn buckets_are_resumed_at_every_batch() {
    resumes_at_every_batch(buckets);
}

#[test]
fn batches_of_a_budget_are_resumed_at_every_batch() {
    resumes_at_every_batch(by_budget);
}

#[test]
fn the_budget_is_never_exceeded_and_ranks_share_it() {
    for world in [1, 2, 4, 8] {
        for rank in 0..world {
            let loader = by_budget().rank(rank, world).build().unwrap();
            let plan = loader.plan();
            assert_eq!((plan.batches(), plan.positions()), (loader.len(), SAMPLES));
            // 480 tokens of u32 and at most so many lengths and labels.
            let most = 480 / world * 4 + plan.batch_size() / world * 16;
            assert!(plan.slab_bytes() <= most, "{} of {most}", plan.slab_bytes());
            for batch in loader.epochs(0..2) {
                let batch = batch.unwrap();
                let elements = batch["tokens"].elem_count();
                assert!(elements * world <= 480, "{elements} of rank {rank} of {world}");
                assert!(batch["tokens"].is_contiguous());
                let len = batch["tokens"].dims()[1];
                assert!(len.is_multiple_of(4) || len == LONGEST);
            }
        }
    }
}

#[test]
fn ranks_have_tensors_of_the_same_shape() {
    let shapes = |rank| {
        let loader = by_budget().rank(rank, 4).build().unwrap();
        loader.epoch(1).map(|batch| batch.unwrap()["tokens"].dims().to_vec()).collect::<Vec<_>>()
    };
    // But for the last batch, which has the rest.
    let (first, last) = (shapes(0), shapes(3));
    assert_eq!(first[..first.len() - 1], last[..last.len() - 1]);
}

#[test]
fn a_length_above_the_rounded_maximum_is_that_maximum() {
    let lengths = vec![49; SAMPLES];
    let sampler = TokenBudget::new(lengths, 640).unwrap().multiple_of(64);
    let loader = Loader::builder(source()).sampler(sampler).pad_to_longest("tokens", 0.0);
    let batch = loader.build().unwrap().epoch(0).next().unwrap().unwrap();
    assert_eq!(batch["tokens"].dims(), [10, LONGEST]);
    check(&batch);
}

#[test]
fn steps_count_the_batches_of_a_budget() {
    let loader = by_budget().build().unwrap();
    let steps = loader.steps(0..3 * loader.len() as u64).map(|batch| batch.unwrap().step());
    assert!(steps.eq(0..3 * loader.len() as u64));
}

#[test]
fn a_batch_size_that_is_not_the_samplers_is_refused() {
    let message = |builder: LoaderBuilder| builder.build().unwrap_err().to_string();
    assert!(buckets().batch_size(8).build().is_ok());
    let error = message(buckets().batch_size(9));
    assert!(
        error.contains("batch size 9, expected the 8 that the sampler makes batches"),
        "{error}"
    );
    let error = message(by_budget().batch_size(9));
    assert!(error.contains("batch size 9 with a sampler that makes batches of its own"), "{error}");
    let error = message(by_budget().last_batch(LastBatch::Pad));
    assert!(error.contains("LastBatch::Pad with a sampler"), "{error}");
    let error = message(by_budget().rank(0, 9));
    assert!(
        error.contains("a batch of 8 rows, expected at least one row per rank of 9"),
        "{error}"
    );
    let error = message(by_budget().pad_to_multiple("tokens", 0.0, 3));
    assert!(error.contains("call .multiple_of(3) on the sampler"), "{error}");
    let sampler = TokenBudget::new(vec![1; 7], 100).unwrap();
    let error = message(Loader::builder(source()).sampler(sampler).pad("tokens", 0.0));
    assert_eq!(error.matches("found 7 lengths for a source of 203 samples").count(), 1, "{error}");
}

#[test]
fn lengths_that_are_too_short_are_an_error_of_the_sample() {
    let sampler = TokenBudget::new(vec![1; SAMPLES], 10).unwrap().in_order();
    let loader = Loader::builder(source()).sampler(sampler).pad_to_longest("tokens", 0.0);
    let loader = loader.on_error(OnError::Skip { budget: SAMPLES }).build().unwrap();
    let mut delivered = 0;
    for batch in loader.epoch(0) {
        let batch = batch.unwrap();
        check(&batch);
        delivered += batch.len();
        let fault = batch.faults().first().map(ToString::to_string);
        if let Some(fault) = fault {
            assert!(fault.contains("expected at most 1, the longest of its batch"), "{fault}");
        }
    }
    assert_eq!(delivered, (0..SAMPLES).filter(|&index| length(index) <= 1).count());
}

/// A substitute is one of the batch, whose length it cannot exceed.
#[test]
fn substitutes_fit_their_batch() {
    let inner = source();
    let schema = inner.schema().clone();
    let failing = from_fn(schema, SAMPLES, move |index, row| {
        inner.read(index, row)?;
        if index % 10 == 3 { Err(SourceError::user("damaged")) } else { Ok(()) }
    });
    let loader = Loader::builder(failing).sampler(budget()).pad_to_longest("tokens", 0.0);
    let loader = loader.on_error(OnError::Substitute { budget: SAMPLES }).build().unwrap();
    let (mut rows, mut faults) = (0, 0);
    for batch in loader.epochs(0..3) {
        let batch = batch.unwrap();
        check(&batch);
        rows += batch.len();
        faults += batch.faults().len();
        assert!(batch.indices().iter().all(|index| index % 10 != 3));
    }
    assert_eq!(rows, 3 * SAMPLES);
    assert!(faults >= 3 * SAMPLES / 10, "{faults}");
}

#[test]
fn other_lengths_are_another_sampler_to_a_state() {
    let loader = |budget| {
        let sampler = TokenBudget::new(lengths(), budget).unwrap();
        Loader::builder(source()).sampler(sampler).pad_to_longest("tokens", 0.0).build().unwrap()
    };
    let error = loader(400).resume(&loader(480).state_at(0, 1).unwrap()).unwrap_err().to_string();
    assert!(error.contains("the sampler is not the one"), "{error}");
}

#[test]
fn fields_of_their_own_lengths_are_cut_where_two_axes_are_ragged() {
    let dims = vec![Dim::Ragged { max: 9 }, Dim::Ragged { max: 5 }];
    let schema = Schema::new(vec![Field::with_dims("x", RowDType::F32, dims)]).unwrap();
    let source = from_fn(schema, 12, |index, row| {
        let shape = [1 + index % 4, 1 + index % 3];
        row.field(0).set_shape(&shape)?;
        row.field(0).copy_from_slice(&vec![1f32; shape[0] * shape[1]])
    });
    let sampler = TokenBudget::new(vec![9; 12], 36).unwrap().in_order();
    let loader = Loader::builder(source).sampler(sampler).pad_to_longest("x", 0.0).build().unwrap();
    let dims: Vec<_> = loader.epoch(0).map(|batch| batch.unwrap()["x"].dims().to_vec()).collect();
    assert_eq!(dims, [[4, 4, 3]; 3]);
}
