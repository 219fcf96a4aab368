//! Mixtures through the loader: what is delivered depends on nothing but source, weights and seed.

use tallow::candle::{DType, Device, Tensor};
use tallow::{
    Augment, Layout, Loader, LoaderBuilder, Memory, Mix, Source, SourceExt, SubsetSampler, Until,
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
