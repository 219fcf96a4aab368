//! Single samples, as a loader delivers them.

use tallow::{
    Augment, Dim, ErrorKind, Field, Loader, LoaderBuilder, RowDType, Schema, Source, SourceError,
    SubsetSampler, WithReplacement, from_fn,
};

use crate::tester::counting;

const SAMPLES: usize = 12;

/// Pictures, tokens of several lengths, and a label.
fn source() -> impl Source + 'static {
    let fields = vec![
        Field::new("image", RowDType::U8, &[8, 8, 3]),
        Field::with_dims("tokens", RowDType::I64, vec![Dim::Ragged { max: 5 }]),
        Field::new("wide", RowDType::U16, &[]),
        Field::new("label", RowDType::I64, &[]),
    ];
    from_fn(Schema::new(fields).unwrap(), SAMPLES, |index, row| {
        let image: [u8; 192] = std::array::from_fn(|at| (at * 7 + index * 31) as u8);
        row.field("image").copy_from_slice(&image)?;
        let mut tokens = row.field("tokens");
        tokens.set_shape(&[index % 5])?;
        tokens.copy_from_slice(&vec![index as i64; index % 5])?;
        row.field("wide").copy_from_slice(&[index as u16 * 1000])?;
        row.field("label").copy_from_slice(&[index as i64 % 4])
    })
}

fn build() -> LoaderBuilder {
    let augment = Augment::new().field("image").random_crop((6, 6)).hflip();
    Loader::builder(source()).batch_size(5).shuffle().seed(3).transform(augment)
}

/// Whether each row of the epoch is what `sample` gives for its index.
fn expect_same(loader: &Loader, epoch: u64) {
    let samples: Vec<_> =
        (0..SAMPLES).filter_map(|index| loader.sample(epoch, index).ok()).collect();
    let mut met = 0;
    for batch in loader.epoch(epoch) {
        let batch = batch.unwrap();
        for (row, &index) in batch.indices().iter().enumerate() {
            let sample = samples.iter().find(|sample| sample.index() == index).unwrap();
            for (name, tensor) in batch.tensors() {
                let expected = tensor.get(row).unwrap();
                let found = sample.tensor(name).unwrap();
                assert_eq!(found.dims(), expected.dims(), "{name}");
                assert_eq!(found.dtype(), expected.dtype(), "{name}");
                let values = |t: &tallow::candle::Tensor| {
                    let all = t.flatten_all().unwrap().to_dtype(tallow::candle::DType::F64);
                    all.unwrap().to_vec1::<f64>().unwrap()
                };
                assert_eq!(values(&found), values(&expected), "{name} of {index}");
                met += 1;
            }
        }
    }
    assert!(met > 0);
}

#[test]
fn a_sample_is_the_row_that_its_epoch_delivers() {
    for workers in [0, 2] {
        let loader = build().pad("tokens", -1.0).workers(workers).build().unwrap();
        for epoch in [0, 7] {
            expect_same(&loader, epoch);
        }
    }
}

#[test]
fn a_sample_that_is_mixed_is_mixed_with_the_same_partner() {
    let mixing = Augment::new().field("image").one_hot("label", 4, 0.1).mixup(0.4);
    let loader = build().transform(mixing).pad("tokens", -1.0).build().unwrap();
    expect_same(&loader, 1);
}

#[test]
fn of_samples_that_repeat_it_is_the_first() {
    let loader =
        build().sampler(WithReplacement::new().draws(9)).pad("tokens", 0.0).build().unwrap();
    let first: Vec<_> = loader.epoch(0).map(Result::unwrap).collect();
    let visited: Vec<usize> = first.iter().flat_map(|batch| batch.indices().to_vec()).collect();
    for index in 0..SAMPLES {
        let sample = loader.sample(0, index);
        assert_eq!(sample.is_ok(), visited.contains(&index));
        if let Err(error) = sample {
            assert_eq!(
                error.to_string(),
                format!("configuration: epoch 0 does not visit sample {index}")
            );
        }
    }
}

#[test]
fn a_sample_can_be_looked_at_while_an_iteration_runs() {
    let loader = build().sampler(SubsetSampler::new([1, 2])).pad("tokens", 0.0).build().unwrap();
    let mut batches = loader.epoch(0);
    assert_eq!(loader.sample(0, 7).unwrap().index(), 7, "also one that no epoch visits");
    assert_eq!(batches.next().unwrap().unwrap().len(), 2);
    assert_eq!(loader.state().epoch(), 1);
    assert_eq!(loader.report().samples, 2);
}

#[test]
fn what_is_wrong_with_a_sample_is_said() {
    let loader = Loader::builder(counting(4)).build().unwrap();
    let error = loader.sample(0, 4).unwrap_err();
    assert_eq!(error.to_string(), "configuration: no sample 4, the source has 4");
    let schema = Schema::new(vec![Field::new("x", RowDType::U8, &[])]).unwrap();
    let failing = from_fn(schema, 2, |_, _| Err(SourceError::user("no such disk")));
    let error = Loader::builder(failing).build().unwrap().sample(0, 1).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Sample);
    assert!(error.to_string().contains("no such disk (sample 1)"), "{error}");
}
