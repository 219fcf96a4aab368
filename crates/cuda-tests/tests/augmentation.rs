//! Augmented on the device: what is delivered is what the CPU would have made, bit for bit where a
//! chain takes no statistic of the whole image.

use tallow::candle::{DType, Device, Tensor};
use tallow::plan::RowKey;
use tallow::{
    Augment, BoxFormat, Fields, Key, LastBatch, Layout, Loader, LoaderBuilder, Memory, OnError,
};
use tallow_cuda_tests::{Delivered, delivered, on_every_device};

const SAMPLES: usize = 9;

/// One-pass chains, chains of several stages, and chains that mix.
const CHAINS: [&str; 10] = [
    "random_resized_crop(12) random_hflip(0.5) normalize(imagenet) to_dtype(f32)",
    "random_crop(11, 9) random_vflip random_erasing(1, value=noise) to_dtype(f16)",
    "random_rotation(40, interpolation=bilinear, fill=0.3) gaussian_blur(3) to_dtype(bf16)",
    "elastic(20, sigma=1) adjust_sharpness(2) to_layout(hwc)",
    "random_order(adjust_hue(0.1) posterize(3) adjust_gamma(0.7)) salt_and_pepper",
    "resize(7, 23, interpolation=bicubic) pad(3, mode=reflect) gaussian_noise(0.1) to_dtype(f32)",
    "random_affine(30, shear=[-8,8]) random_channel_permutation random_grayscale(0.5)",
    "random_perspective(0.5, p=0.7) random_solarize(0.4) random_invert to_dtype(f32)",
    "mixup(0.4, p=0.7) normalize(imagenet)",
    "random_hflip(0.5) cutmix(1) to_dtype(f16)",
];

/// Chains that take statistics, whose sums may be added in another order.
const STATISTICS: [&str; 3] = [
    "color_jitter(0.4, 0.4, 0.4, 0.1) normalize(imagenet)",
    "rand_augment(ops=3) to_dtype(f32)",
    "autocontrast equalize standardize",
];

/// Images, masks, boxes, points and classes.
fn source() -> Memory {
    let bytes = |len: usize, salt: usize| -> Vec<u8> {
        (0..len).map(|i| ((i + salt).wrapping_mul(2_654_435_761) >> 13) as u8).collect()
    };
    let floats = |shape: &[usize]| {
        let len = shape.iter().product();
        let values: Vec<f32> = bytes(len, 7).into_iter().map(|x| f32::from(x) / 16.0).collect();
        Tensor::from_vec(values, shape, &Device::Cpu).unwrap()
    };
    let pixels = bytes(SAMPLES * 17 * 15 * 3, 0);
    let masks = bytes(SAMPLES * 17 * 15, 3);
    Memory::new([
        ("input", Tensor::from_vec(pixels, (SAMPLES, 17, 15, 3), &Device::Cpu).unwrap()),
        ("mask", Tensor::from_vec(masks, (SAMPLES, 17, 15), &Device::Cpu).unwrap()),
        ("boxes", floats(&[SAMPLES, 2, 4])),
        ("points", floats(&[SAMPLES, 3, 2])),
        ("target", (Tensor::arange(0i64, SAMPLES as i64, &Device::Cpu).unwrap())),
    ])
    .unwrap()
}

fn augment(chain: &str) -> Augment {
    let augment: Augment = chain.parse().unwrap_or_else(|error| panic!("{error}"));
    if chain.contains("cutmix") {
        augment.one_hot("target", SAMPLES, 0.1).mask("mask")
    } else if chain.contains("mix") {
        augment.one_hot("target", SAMPLES, 0.1)
    } else {
        augment.mask("mask").boxes("boxes", BoxFormat::Xyxy).keypoints("points")
    }
}

fn builder(chain: &str) -> LoaderBuilder {
    Loader::builder(source()).batch_size(4).seed(3).shuffle().transform(augment(chain))
}

#[test]
fn batches_are_those_of_the_cpu_bit_for_bit() {
    for chain in CHAINS {
        let cpu = delivered(&builder(chain).build().unwrap(), 0..2).unwrap();
        on_every_device(SAMPLES, 0..12, |seed, device| {
            let loader = builder(chain).workers(seed as usize % 3).device(device).build().unwrap();
            assert!(loader.plan().on_device(), "{chain}");
            assert_eq!(delivered(&loader, 0..2).unwrap(), cpu, "{chain}, seed {seed}");
        });
    }
}

#[test]
fn the_first_chain_holds_under_a_thousand_schedules() {
    let cpu = delivered(&builder(CHAINS[0]).build().unwrap(), 0..1).unwrap();
    on_every_device(SAMPLES, 0..1000, |seed, device| {
        let loader = builder(CHAINS[0]).workers(2).prefetch(1 + seed as usize % 3);
        let loader = loader.device(device).build().unwrap();
        assert_eq!(delivered(&loader, 0..1).unwrap(), cpu, "seed {seed}");
    });
}

/// Whether tensors differ by no more than sums in another order do: 2e-6 of a range of about 1, an
/// ulp of half precision, or one level in a pixel of 10,000 where a step jumps.
fn are_near(found: &Delivered, expected: &Delivered) -> bool {
    let pairs = found.tensors.iter().zip(&expected.tensors);
    let mut apart = pairs.flat_map(|(a, b)| a.2.iter().zip(&b.2)).map(|(a, b)| (a - b).abs());
    found.indices == expected.indices && apart.all(|apart| apart <= 1e-5)
}

#[test]
fn statistics_agree_within_the_order_of_their_sums() {
    for chain in STATISTICS {
        let cpu = delivered(&builder(chain).build().unwrap(), 0..2).unwrap();
        on_every_device(SAMPLES, 0..8, |seed, device| {
            let loader = builder(chain).device(device).build().unwrap();
            let found = delivered(&loader, 0..2).unwrap();
            let mut pairs = found.iter().zip(&cpu);
            assert!(pairs.all(|(found, cpu)| are_near(found, cpu)), "{chain}, seed {seed}");
        });
    }
}

/// Images of whole numbers up to 255 as `dtype`, one of them far above.
fn wide(dtype: DType, chain: &str) -> LoaderBuilder {
    let values = (0..SAMPLES * 70).map(|i| if i == 4 * 70 + 9 { 999.0 } else { (i % 256) as f32 });
    let images = Tensor::from_vec(values.collect(), (SAMPLES, 1, 7, 10), &Device::Cpu).unwrap();
    let source = Memory::new([
        ("input", images.to_dtype(dtype).unwrap()),
        ("target", Tensor::arange(0i64, SAMPLES as i64, &Device::Cpu).unwrap()),
    ]);
    let augment: Augment = chain.parse().unwrap();
    let augment = augment.layout(Layout::Chw).range(0.0, 255.0).one_hot("target", SAMPLES, 0.0);
    Loader::builder(source.unwrap()).batch_size(1).seed(3).shuffle().transform(augment)
}

#[test]
fn types_that_are_widened_are_made_as_on_the_cpu() {
    for dtype in [DType::BF16, DType::F64, DType::I16, DType::I32, DType::I64, DType::U32] {
        for chain in ["resize(5, 9) random_hflip", "mixup(0.4, p=0.7) gaussian_blur(3)"] {
            let cpu = delivered(&wide(dtype, chain).build().unwrap(), 0..2).unwrap();
            on_every_device(SAMPLES, 0..6, |seed, device| {
                let loader = wide(dtype, chain).device(device).build().unwrap();
                assert!(loader.plan().on_device(), "{chain}");
                let found = delivered(&loader, 0..2).unwrap();
                assert_eq!(found, cpu, "{chain} of {dtype:?}, seed {seed}");
            });
        }
    }
}

#[test]
fn raw_values_far_outside_of_the_range_fail_the_same_batches_as_on_the_cpu() {
    let failed = |loader: Loader| -> Vec<String> {
        let batches = loader.epochs(0..2);
        batches.map(|batch| batch.err().map_or_else(String::new, |e| e.to_string())).collect()
    };
    for dtype in [DType::F32, DType::I16] {
        for chain in ["invert", "invert mixup(1)", "hflip"] {
            let cpu = failed(wide(dtype, chain).build().unwrap());
            let wrong = cpu.iter().filter(|error| error.contains("found 999 at element 9")).count();
            assert!(if chain == "hflip" { wrong == 0 } else { wrong >= 2 }, "{cpu:?}");
            on_every_device(SAMPLES, 0..6, |_, device| {
                let loader = || wide(dtype, chain).device(device.clone());
                assert_eq!(failed(loader().build().unwrap()), cpu, "{chain} of {dtype:?}");
                let resident = loader().resident(1 << 20).build().unwrap();
                assert_eq!(failed(resident), cpu, "{chain} of {dtype:?}, resident");
            });
        }
    }
}

#[test]
fn padded_batches_and_skipped_rows_are_those_of_the_cpu() {
    let with = |device: Option<Device>| {
        let builder = builder(CHAINS[0]).last_batch(LastBatch::Pad);
        let builder = builder.on_error(OnError::Skip { budget: 5 });
        match device {
            Some(device) => builder.device(device),
            None => builder,
        }
    };
    let cpu = delivered(&with(None).build().unwrap(), 0..2).unwrap();
    on_every_device(SAMPLES, 0..4, |_, device| {
        assert_eq!(delivered(&with(Some(device)).build().unwrap(), 0..2).unwrap(), cpu);
    });
}

#[test]
fn tensors_are_augmented_where_they_are() {
    let host = || {
        let pixels: Vec<u8> = (0..5 * 300).map(|i| (i * 37 % 251) as u8).collect();
        let input = Tensor::from_vec(pixels, (5, 10, 10, 3), &Device::Cpu).unwrap();
        let points = Tensor::arange(0f32, 20.0, &Device::Cpu).unwrap().reshape((5, 2, 2)).unwrap();
        [("input", input), ("points", points)]
    };
    let keys: Vec<RowKey> = (0..5).map(|index| RowKey { key: Key::new(1, 2), index }).collect();
    for chain in ["random_crop(7) random_hflip(0.5) to_dtype(f32)", CHAINS[2], CHAINS[3]] {
        let augment: Augment = chain.parse().unwrap();
        let augment = augment.keypoints("points");
        let expected = augment.apply(&Fields::new(host()), &keys).unwrap();
        on_every_device(SAMPLES, 0..8, |_, device| {
            let there = host().map(|(name, t)| (name, t.to_device(&device).unwrap()));
            let found = augment.apply(&Fields::new(there), &keys).unwrap();
            for ((name, found), (_, expected)) in found.iter().zip(expected.iter()) {
                let values = |tensor: &Tensor| -> Vec<f64> {
                    let host = tensor.to_device(&Device::Cpu).unwrap();
                    host.to_dtype(DType::F64).unwrap().flatten_all().unwrap().to_vec1().unwrap()
                };
                assert!(found.device().is_cuda());
                assert_eq!(values(found), values(expected), "{name} of {chain}");
            }
        });
    }
}
