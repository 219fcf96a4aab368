//! Augmentation through a loader: what a row becomes depends on seed, epoch and sample alone.

use std::collections::BTreeMap;

use tallow::candle::{DType, Device, Tensor};
use tallow::plan::RowKey;
use tallow::{
    Augment, Decode, Depth, Field, Fields, Key, LastBatch, Layout, Loader, LoaderBuilder, Memory,
    Picture, RowDType, Schema, SecondImage, Source, SourceExt as _, Transform as _,
    WithReplacement, from_fn,
};

use crate::painter::{jpeg_rgb, png, png_rgb};
use crate::tester::{PREFETCH, WORKERS};

const SEED: u64 = 5;
const SAMPLES: usize = 23;
const SIDE: usize = 20;

const CHAIN: &str = "random_resized_crop(12, scale=0.3..1) random_hflip(0.5) normalize(imagenet)";

/// Images of noise, and masks of eight values.
fn images() -> [(&'static str, Tensor); 3] {
    let noise = |salt: usize, len: usize| -> Vec<u8> {
        (0..len).map(|i| ((i * 2_654_435_761 + salt * 977) >> 7) as u8).collect()
    };
    let shape = (SAMPLES, SIDE, SIDE, 3);
    let pixels = Tensor::from_vec(noise(1, SAMPLES * SIDE * SIDE * 3), shape, &Device::Cpu);
    let masks: Vec<u8> = noise(2, SAMPLES * SIDE * SIDE).iter().map(|x| x % 8).collect();
    let masks = Tensor::from_vec(masks, (SAMPLES, SIDE, SIDE), &Device::Cpu);
    let classes: Vec<i64> = (0..SAMPLES as i64).map(|i| i % 4).collect();
    let classes = Tensor::from_vec(classes, SAMPLES, &Device::Cpu);
    [("input", pixels.unwrap()), ("mask", masks.unwrap()), ("target", classes.unwrap())]
}

fn augment(chain: &str) -> Augment {
    chain.parse().unwrap()
}

fn builder(augment: Augment) -> LoaderBuilder {
    Loader::builder(Memory::new(images()).unwrap()).seed(SEED).shuffle().transform(augment)
}

pub(crate) type Rows = BTreeMap<(u64, usize), (usize, Vec<Vec<f32>>)>;

/// Every delivered row by epoch and position: its sample, and the values of its fields.
pub(crate) fn rows(loader: &Loader, epochs: std::ops::Range<u64>) -> Rows {
    let mut rows = Rows::new();
    for batch in loader.epochs(epochs) {
        let batch = batch.unwrap();
        let values: Vec<Vec<Vec<f32>>> = batch
            .tensors()
            .map(|(_, tensor)| {
                let rows =
                    tensor.to_dtype(DType::F32).unwrap().reshape((batch.rows(), ())).unwrap();
                rows.to_vec2().unwrap()
            })
            .collect();
        for (row, (position, &index)) in batch.positions().zip(batch.indices()).enumerate() {
            let fields = values.iter().map(|field| field[row].clone()).collect();
            assert!(rows.insert((batch.epoch(), position), (index, fields)).is_none());
        }
    }
    rows
}

#[test]
fn augmented_rows_do_not_depend_on_how_they_are_made() {
    let with = || augment(CHAIN).mask("mask");
    let expected = rows(&builder(with()).batch_size(4).build().unwrap(), 0..3);
    assert_eq!(expected.len(), 3 * SAMPLES);
    for workers in WORKERS {
        for prefetch in PREFETCH {
            for batch_size in [1, 4, 7, 64] {
                let loader = builder(with()).batch_size(batch_size).workers(workers);
                let loader = loader.prefetch(prefetch).build().unwrap();
                assert_eq!(rows(&loader, 0..3), expected, "{workers} {prefetch} {batch_size}");
            }
        }
    }
}

#[test]
fn ranks_share_the_rows_of_one() {
    let expected = rows(&builder(augment(CHAIN)).batch_size(6).build().unwrap(), 0..2);
    let mut union = Rows::new();
    for rank in 0..3 {
        let loader = builder(augment(CHAIN)).batch_size(6).rank(rank, 3).build().unwrap();
        union.append(&mut rows(&loader, 0..2));
    }
    assert_eq!(union, expected);
}

#[test]
fn augmentation_goes_on_where_it_stopped() {
    let expected = rows(&builder(augment(CHAIN)).batch_size(5).build().unwrap(), 0..2);
    for stop in 0..9 {
        let first = builder(augment(CHAIN)).batch_size(5).build().unwrap();
        let taken: Vec<_> = first.epochs(0..2).take(stop).map(Result::unwrap).collect();
        let second = builder(augment(CHAIN)).batch_size(5).workers(1).build().unwrap();
        second.resume(&first.state()).unwrap();
        let rest = rows(&second, 0..2);
        let taken: usize = taken.iter().map(tallow::Batch::len).sum();
        assert_eq!(rest.len() + taken, expected.len());
        assert!(rest.iter().all(|(at, row)| expected[at] == *row));
    }
    let other = builder(augment("random_hflip(0.25)")).batch_size(5).build().unwrap();
    let state = builder(augment(CHAIN)).batch_size(5).build().unwrap().state();
    assert!(other.resume(&state).is_err(), "the state of another chain");
}

#[test]
fn a_sample_drawn_twice_is_augmented_twice() {
    let loader = builder(augment("random_crop(5)")).batch_size(8);
    let loader = loader.sampler(WithReplacement::new().draws(200)).build().unwrap();
    let rows = rows(&loader, 0..1);
    let mut views: BTreeMap<usize, Vec<&Vec<f32>>> = BTreeMap::new();
    rows.values().for_each(|(index, fields)| views.entry(*index).or_default().push(&fields[0]));
    let all_equal = |views: &Vec<&Vec<f32>>| views.iter().all(|view| *view == views[0]);
    let repeated: Vec<_> = views.values().filter(|views| views.len() > 3).collect();
    assert!(repeated.len() > 10 && !repeated.into_iter().any(all_equal));
}

#[test]
fn tensors_are_augmented_as_the_loader_does() {
    let with = || augment(CHAIN).mask("mask");
    let loader = builder(with()).batch_size(SAMPLES).last_batch(LastBatch::Keep).build().unwrap();
    let batch = loader.epoch(4).next().unwrap().unwrap();
    let keys: Vec<RowKey> =
        (0..SAMPLES as u64).map(|index| RowKey { key: Key::new(SEED, 4), index }).collect();
    let made = with().apply(&Fields::new(images()), &keys).unwrap();
    let order: Vec<u32> = batch.indices().iter().map(|&index| index as u32).collect();
    let order = Tensor::from_vec(order, SAMPLES, &Device::Cpu).unwrap();
    for (name, tensor) in batch.tensors() {
        let own = made[name].index_select(&order, 0).unwrap();
        let flat = |t: &Tensor| -> Vec<f32> {
            t.to_dtype(DType::F32).unwrap().flatten_all().unwrap().to_vec1().unwrap()
        };
        assert_eq!((own.dims(), flat(&own)), (tensor.dims(), flat(tensor)), "{name}");
    }
}

/// The noise of `input` twice, and two chains, one a field.
#[test]
fn a_single_sample_is_augmented_as_the_loader_does() {
    let source = Memory::new(images()).unwrap();
    let augment = augment(CHAIN).mask("mask");
    for ((epoch, _), (index, fields)) in rows(&builder(augment.clone()).build().unwrap(), 0..2) {
        let sample = source.get(index).unwrap().transformed(&augment, SEED, epoch).unwrap();
        assert_eq!(sample.index(), index);
        for (name, wanted) in ["input", "mask", "target"].into_iter().zip(fields) {
            let made = sample.tensor(name).unwrap().to_dtype(DType::F32).unwrap();
            assert_eq!(made.flatten_all().unwrap().to_vec1::<f32>().unwrap(), wanted, "{name}");
        }
    }
    let sample = source.get(3).unwrap();
    let mixing = "mixup(0.2) one_hot(target, 4)".parse::<Augment>().unwrap();
    let error = sample.transformed(&mixing, SEED, 0).unwrap_err().to_string();
    assert!(error.contains("mixes two samples"), "{error}");
}

fn pairs(chains: [&str; 2]) -> Result<Loader, tallow::Error> {
    let [(_, pixels), ..] = images();
    let source = Memory::new([("input", pixels.clone()), ("depth", pixels)]).unwrap();
    let [input, depth] = chains.map(augment);
    Loader::builder(source).seed(SEED).transform(input).transform(depth.field("depth")).build()
}

/// The samples of which both fields have become the same.
fn alike(loader: &Loader) -> usize {
    rows(loader, 0..1).values().filter(|(_, fields)| fields[0] == fields[1]).count()
}

#[test]
fn two_fields_are_augmented_alike_where_their_chains_draw_as_the_same() {
    let chain = "random_crop(8) random_hflip(0.5) random_apply(0.5, gaussian_noise(0.1))";
    let paired = format!("draws_as(pair) {chain}");
    assert_eq!(alike(&pairs([&paired, &paired]).unwrap()), SAMPLES);
    // What one of them does beside has no say.
    let more = format!("{paired} random_brightness(0.5..1.5) adjust_brightness(1)");
    assert!(alike(&pairs([&paired, &more]).unwrap()) < SAMPLES);
    let apart = pairs([&paired, &format!("draws_as(depth) {chain}")]).unwrap();
    assert!(alike(&apart) < 3, "a crop of 8 has 169 places");
}

#[test]
fn chains_that_would_draw_the_same_unasked_are_refused() {
    let refused = |chains| pairs(chains).map(|_| ()).unwrap_err().to_string();
    let both = ["random_hflip(0.5)", "random_vflip(0.5) random_hflip(0.1)"];
    assert!(refused(both).contains("draws_as(name)"), "{}", refused(both));
    let one = ["draws_as(input) random_hflip(0.5)", "random_hflip(0.5)"];
    assert!(refused(one).contains("draws_as(name)"), "{}", refused(one));
    // Steps that draw nothing have nothing in common.
    assert!(pairs(["hflip normalize(imagenet)", "hflip normalize(imagenet)"]).is_ok());
    assert!(pairs(["random_hflip(0.5)", "random_vflip(0.5)"]).is_ok());
}

#[test]
fn problems_of_a_chain_are_listed_when_the_loader_is_built() {
    let chain = augment("random_crop(30) normalize([0.5,0.5], [1,1])").mask("target");
    let error = builder(chain).build().unwrap_err().to_string();
    for part in ["random_crop", "at least 30", "normalize", "3 channels"] {
        assert!(error.contains(part), "{part} in {error}");
    }
    let error = builder(augment("hflip").field("photo")).build().unwrap_err().to_string();
    assert!(error.contains("photo") && error.contains("input"), "{error}");
}

#[test]
fn a_value_far_outside_of_the_range_fails_its_sample_alone_and_whoever_is_mixed_with_it() {
    let mut values = vec![0.5f32; 6 * 16];
    values[3 * 16 + 5] = 187.0;
    let images = Tensor::from_vec(values, (6, 1, 4, 4), &Device::Cpu).unwrap();
    let labels = Tensor::from_vec(vec![0u8; 6], 6, &Device::Cpu).unwrap();
    let source = || Memory::new([("input", images.clone()), ("label", labels.clone())]).unwrap();
    let found = "found 187 at element 5, expected values from 0 to 1; say .range(0.0, 255.0)";
    for workers in WORKERS {
        let failed = |augment: Augment| -> Vec<(usize, String)> {
            let builder = Loader::builder(source()).seed(SEED).workers(workers).batch_size(1);
            let loader = builder.transform(augment).build().unwrap();
            let batches = loader.epoch(0).enumerate();
            batches.filter_map(|(at, batch)| Some((at, batch.err()?.to_string()))).collect()
        };
        let alone = failed(augment("invert").layout(Layout::Chw));
        assert!(alone.len() == 1 && alone[0].0 == 3, "{alone:?}");
        assert!(alone[0].1.contains(found), "{alone:?}");
        let mixed = failed(augment("invert mixup(1)").layout(Layout::Chw).one_hot("label", 2, 0.0));
        assert!(mixed.iter().any(|(at, _)| *at == 3), "{mixed:?}");
        assert!(mixed.iter().all(|(_, error)| error.contains(found)), "{mixed:?}");
        let others = mixed.iter().filter(|(at, _)| *at != 3);
        assert!(others.into_iter().all(|(_, error)| error.contains("partner")), "{mixed:?}");
        assert!(failed(augment("hflip").layout(Layout::Chw)).is_empty());
    }
}

#[test]
fn explain_says_what_is_one_pass_and_what_is_not() {
    let schema: Schema = tallow::Source::schema(&Memory::new(images()).unwrap()).clone();
    let text = augment(CHAIN).explain(&schema).unwrap();
    assert!(text.starts_with("1 stage"), "{text}");
    let engine = augment(CHAIN).bind(&schema).unwrap();
    assert!(engine.plan_bytes() > 0 && engine.scratch_bytes() > 0);
}

/// Photos of several sizes, larger ones of the same, and masks, as files; and classes.
fn pictures() -> impl Source + 'static {
    let small = |picture: Picture| picture.at_most(60, 60).payload_bytes(1 << 16);
    let fields = vec![
        Field::pictures("input", small(Picture::rgb())),
        Field::pictures("mask", small(Picture::stored(Depth::Eight))),
        Field::pictures("large", Picture::gray().at_most(120, 120).payload_bytes(1 << 16)),
        Field::new("target", RowDType::I64, &[]),
    ];
    from_fn(Schema::new(fields).unwrap(), SAMPLES, |index, row| {
        let [height, width] = [20 + index % 7, 26 - index % 5];
        let classes: Vec<u8> = (0..height * width).map(|at| (at % 8) as u8).collect();
        let files = [
            jpeg_rgb(index, height, width),
            png(width, png::ColorType::Grayscale, png::BitDepth::Eight, &classes),
            png_rgb(index + 1, 2 * height, 2 * width),
        ];
        for (i, file) in files.iter().enumerate() {
            row.field(i).set_shape(&[file.len()])?;
            row.field(i).copy_from_bytes(file)?;
        }
        row.field("target").copy_from_slice(&[index as i64 % 4])
    })
}

#[test]
fn pictures_become_what_their_pixels_become() {
    let large = || SecondImage::new("large").times(2).to_dtype(RowDType::F32);
    let chains = [
        augment(CHAIN).mask("mask").image(large()),
        augment("resize(16) center_crop(12) autocontrast mask(mask)").image(large()),
        augment("random_resized_crop(14) mixup_or_cutmix(1, 1) one_hot(target, 4)").image(large()),
        augment("random_crop(18) cutmix(1) normalize(imagenet) mask(mask)").image(large()),
    ];
    for chain in chains {
        // What a chain does not name is decoded at its end, and needs one size.
        let builder = || {
            let loader = Loader::builder(pictures()).seed(SEED).shuffle().batch_size(4);
            if chain.masks().count() > 0 { loader } else { loader.pad("mask", 0.0) }
        };
        let whole = builder().transform(Decode).transform(chain.clone()).build().unwrap();
        let expected = rows(&whole, 0..2);
        for workers in WORKERS {
            let loader = builder().transform(chain.clone()).workers(workers).build().unwrap();
            assert_eq!(rows(&loader, 0..2), expected, "{chain} by {workers} workers");
        }
    }
}
