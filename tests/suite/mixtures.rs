//! Mixtures through the loader: what is delivered depends on nothing but source, weights and seed.

use tallow::candle::{DType, Device, Tensor};
use tallow::{
    Augment, Field, Layout, Loader, LoaderBuilder, Memory, Mix, RowDType, Schema, Source,
    SourceExt, SubsetSampler, Until, map_drawn,
};

use crate::augmentation::{Rows, rows};

/// `len` images whose values tell `from` and their number.
fn images(from: u32, len: u32) -> Memory {
    let values = (0..len * 48).map(|at| ((from + at / 48) * 5 + at % 48) as u8).collect();
    let images = Tensor::from_vec(values, (len as usize, 4, 4, 3), &Device::Cpu).unwrap();
    Memory::new([("input", images)]).unwrap()
}

/// Three parts in which a sample is seen up to five times in an epoch, with weights that change within
/// the first and the second one.
fn builder() -> LoaderBuilder {
    let parts = [(images(0, 31), 3.0), (images(31, 5), 1.0), (images(36, 12), 1.5)];
    let (source, mix) = Mix::weighted(parts).unwrap();
    let mix = mix.then_at(20, &[1.0, 1.0, 1.0]).unwrap().then_at(75, &[0.0, 1.0, 3.0]).unwrap();
    let mix = mix.until(Until::Samples(64));
    let augment = Augment::new().random_resized_crop(3).random_hflip(0.5);
    Loader::builder(source)
        .sampler(mix)
        .seed(11)
        .transform(augment.field("input").layout(Layout::Hwc))
}

const BATCH: usize = 8;

#[test]
fn nothing_depends_on_workers_batches_ahead_or_ranks() {
    let expected = rows(&builder().batch_size(BATCH).build().unwrap(), 0..3);
    assert_eq!(expected.len(), 192);
    for workers in [0, 1, 3, 8] {
        for prefetch in [1, 4] {
            let loader = builder().batch_size(BATCH).workers(workers).prefetch(prefetch);
            assert_eq!(rows(&loader.build().unwrap(), 0..3), expected, "{workers} {prefetch}");
        }
    }
    for world in [1, 2, 3, 8] {
        let mut union = Rows::new();
        for rank in 0..world {
            let loader = builder().batch_size(BATCH).rank(rank, world).build().unwrap();
            union.append(&mut rows(&loader, 0..3));
        }
        assert_eq!(union, expected, "{world} ranks");
    }
}

#[test]
fn a_mixture_goes_on_after_every_batch_with_other_workers() {
    let first = builder().batch_size(BATCH).build().unwrap();
    let expected = rows(&first, 0..3);
    let second = builder().batch_size(BATCH).workers(1).prefetch(1).build().unwrap();
    for batch in first.epochs(0..3) {
        let state = batch.unwrap().state().clone();
        second.resume(&state).unwrap();
        let found = rows(&second, 0..3);
        let from = (state.epoch(), state.position() as usize);
        let expected: Rows = expected.range(from..).map(|(k, v)| (*k, v.clone())).collect();
        assert_eq!(found, expected, "from {from:?} on");
    }
}

#[test]
fn a_sample_that_comes_again_is_augmented_otherwise() {
    let rows = rows(&builder().batch_size(BATCH).build().unwrap(), 0..2);
    let small: Vec<_> = rows.values().filter(|(index, _)| *index == 32).collect();
    assert!(small.len() > 3, "{} times", small.len());
    let different = small.iter().any(|(_, values)| *values != small[0].1);
    assert!(different, "all {} alike", small.len());
}

#[test]
fn adapters_keep_the_parts_and_a_subset_is_one() {
    let parts = [(images(0, 31), 3.0), (images(31, 5), 1.0)];
    let (source, mix) = Mix::weighted(parts).unwrap();
    let source = source.rename("input", "image").unwrap().select(["image"]).unwrap();
    let source: Box<dyn Source> = Box::new(source.cache(1 << 16).unwrap());
    assert_eq!(source.population().parts(), 2);
    let labels = Tensor::zeros(36, DType::U8, &Device::Cpu).unwrap();
    let labels = Memory::new([("label", labels)]).unwrap();
    let source = labels.zip(source).unwrap();
    let loader = Loader::builder(source).sampler(mix.clone()).batch_size(4).build().unwrap();
    for batch in loader.epoch(0).take(10) {
        let batch = batch.unwrap();
        let parts = batch.indices().iter().map(|&index| loader.population().part_of(index));
        assert_eq!(parts.filter(|part| *part == 0).count(), 3, "batch {}", batch.number());
    }
    let subset = images(0, 9).concat(images(9, 9)).unwrap().subset(0..12).unwrap();
    let error = Loader::builder(subset).sampler(mix).build().unwrap_err().to_string();
    assert!(error.contains("found 2 weights for a source of 1 parts"), "{error}");
    let plain = images(0, 9).concat(images(9, 9)).unwrap();
    let sampler = SubsetSampler::new([17, 0]);
    let loader = Loader::builder(plain).sampler(sampler).build().unwrap();
    assert_eq!(loader.population().part(1), 9..18);
}

#[test]
fn a_state_of_other_weights_is_refused() {
    let loader = |weight| {
        let parts = [(images(0, 31), weight), (images(31, 5), 1.0)];
        let (source, mix) = Mix::weighted(parts).unwrap();
        Loader::builder(source).sampler(mix).batch_size(4).build().unwrap()
    };
    let (first, second) = (loader(3.0), loader(2.0));
    let error = second.resume(&first.state_at(0, 1).unwrap()).unwrap_err().to_string();
    assert!(error.contains("the sampler is not the one"), "{error}");
}

/// The mixture of [`builder`] with what a closure draws for each row instead of the images.
fn drawing() -> LoaderBuilder {
    let parts = [(images(0, 31), 3.0), (images(31, 5), 1.0), (images(36, 12), 1.5)];
    let (source, mix) = Mix::weighted(parts).unwrap();
    let output = Schema::new(vec![Field::new("drawn", RowDType::F64, &[])]).unwrap();
    let drawn = map_drawn("noise", output, |_, draws, out| {
        out.field(0).copy_from_slice(&[draws.unit_f64()])
    });
    let mix = mix.until(Until::Samples(64));
    Loader::builder(source).sampler(mix).seed(11).batch_size(BATCH).transform(drawn)
}

/// Epoch, position, sample and what was drawn of all rows that an iteration delivers.
fn draws(loader: &Loader) -> Vec<(u64, usize, usize, u64)> {
    let mut rows = Vec::new();
    for batch in loader.epochs(0..3) {
        let batch = batch.unwrap();
        let values = batch["drawn"].to_vec1::<f64>().unwrap();
        let row = |((position, &index), value): ((usize, &usize), f64)| {
            (batch.epoch(), position, index, value.to_bits())
        };
        rows.extend(batch.positions().zip(batch.indices()).zip(values).map(row));
    }
    rows.sort_unstable();
    rows
}

#[test]
fn a_closure_draws_anew_each_time_a_sample_comes_and_the_same_over_workers_ranks_and_resumes() {
    let expected = draws(&drawing().build().unwrap());
    assert_eq!(expected.len(), 192);
    let mut values: Vec<u64> = expected.iter().map(|row| row.3).collect();
    values.sort_unstable();
    values.dedup();
    assert_eq!(values.len(), 192, "each row has draws of its own");
    let times = |epoch| expected.iter().filter(|row| row.0 == epoch && row.2 == 32).count();
    assert!(times(0) > 1, "a sample comes more than once in an epoch");
    for workers in [0, 1, 3, 8] {
        let loader = drawing().workers(workers).prefetch(2).build().unwrap();
        assert_eq!(draws(&loader), expected, "{workers} workers");
    }
    for world in [2, 3, 8] {
        let rank = |rank| draws(&drawing().rank(rank, world).build().unwrap());
        let mut union: Vec<_> = (0..world).flat_map(rank).collect();
        union.sort_unstable();
        assert_eq!(union, expected, "{world} ranks");
    }
    let (first, second) = (drawing().build().unwrap(), drawing().workers(1).build().unwrap());
    for batch in first.epochs(0..3) {
        let state = batch.unwrap().state().clone();
        second.resume(&state).unwrap();
        let from = (state.epoch(), state.position() as usize);
        let rest = expected.iter().copied().filter(|row| (row.0, row.1) >= from);
        assert_eq!(draws(&second), rest.collect::<Vec<_>>(), "from {from:?} on");
    }
}

#[test]
fn a_report_says_what_was_asked_and_delivered_of_each_part_and_how_often_it_was_seen() {
    let parts = || [(images(0, 30), 3.0), (images(30, 5), 1.0)];
    let loader = |rank, world| {
        let (source, mix) = Mix::weighted(parts()).unwrap();
        Loader::builder(source).sampler(mix).batch_size(8).rank(rank, world).build().unwrap()
    };
    let one = loader(0, 1);
    assert_eq!(one.len(), 5, "until 30 of 4 in 3 were seen");
    let mut delivered = [0; 2];
    for batch in one.steps(..8) {
        let batch = batch.unwrap();
        batch.parts().for_each(|part| delivered[part] += 1);
        let report = one.report();
        let rows: Vec<u64> = report.parts.iter().map(|part| part.rows).collect();
        assert_eq!(rows, delivered);
        assert_eq!((report.parts[1].share, report.parts[1].asked), (0.25, Some(0.25)));
        let seen = report.parts[1].seen.unwrap();
        assert!((seen - f64::from(batch.step() as u32 + 1) * 2.0 / 5.0).abs() < 1e-12, "{seen}");
    }
    let epoch = &one.epoch_report().parts[0];
    assert_eq!((epoch.samples, epoch.rows), (30, 18), "three batches of the second epoch");
    assert!(one.report().to_string().contains("parts     0: 48 rows, 75.00% of 75.00% asked"));
    // Of a rank: its own rows, and how often all ranks together have seen a part.
    let rank = loader(1, 2);
    rank.steps(..4).try_for_each(|batch| batch.map(drop)).unwrap();
    let report = rank.report();
    let rows: u64 = report.parts.iter().map(|part| part.rows).sum();
    assert_eq!((rows, report.parts[0].seen), (16, Some(24.0 / 30.0)));
    // After a resume, what was delivered before it counts as seen.
    let again = loader(0, 1);
    again.resume(&one.state_at(1, 0).unwrap()).unwrap();
    again.epoch(1).next().unwrap().unwrap();
    assert_eq!(again.report().parts[1].seen, Some(12.0 / 5.0));
    // Other samplers have no shares in mind, and other sources no parts.
    let (source, _) = Mix::weighted(parts()).unwrap();
    let plain = Loader::builder(source).build().unwrap();
    plain.epoch(0).try_for_each(|batch| batch.map(drop)).unwrap();
    let part = &plain.report().parts[0];
    assert_eq!((part.rows, part.asked, part.seen), (30, None, None));
    assert!(Loader::builder(images(0, 9)).build().unwrap().report().parts.is_empty());
}
