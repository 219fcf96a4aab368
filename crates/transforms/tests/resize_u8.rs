//! Resizes of bytes, which are the same bit for bit however the bytes come about.

use candle_core::{DType, Device, Tensor};
use tallow_core::{Key, RowKey};
use tallow_transforms::{Augment, Fields, Layout};

const RESIZES: [&str; 4] = [
    "resize(17,21)",
    "resize(90,73,interpolation=bicubic)",
    "resize(13,100,antialias=false)",
    "resize(5,4,interpolation=bicubic,antialias=false)",
];

/// What the chain makes of images of this layout.
fn made(chain: &str, layout: Layout, image: &Tensor) -> Tensor {
    let chain: Augment = chain.parse().unwrap_or_else(|error| panic!("{chain}: {error}"));
    let fields = Fields::new([("input", image.unsqueeze(0).unwrap())]);
    let keys = [RowKey { key: Key::new(0, 0), index: 0 }];
    let made = chain.layout(layout).apply(&fields, &keys).unwrap();
    made["input"].squeeze(0).unwrap()
}

fn values(tensor: &Tensor) -> Vec<f32> {
    tensor.to_dtype(DType::F32).unwrap().flatten_all().unwrap().to_vec1().unwrap()
}

/// An image of 40 x 57 with so many channels, the channels last.
fn image(channels: usize) -> Tensor {
    image_of([40, 57], channels)
}

fn image_of([height, width]: [usize; 2], channels: usize) -> Tensor {
    let levels = |i: usize| (i as u32).wrapping_mul(2_654_435_761).to_le_bytes()[3];
    let levels: Vec<u8> = (0..height * width * channels).map(levels).collect();
    Tensor::from_vec(levels, (height, width, channels), &Device::Cpu).unwrap()
}

fn channels_first(image: &Tensor) -> Tensor {
    image.permute((2, 0, 1)).unwrap().contiguous().unwrap()
}

#[test]
fn channels_first_and_last_are_resized_alike() {
    for channels in 1..=6 {
        let (last, first) = (image(channels), channels_first(&image(channels)));
        for resize in RESIZES {
            let chain = format!("{resize} to_dtype(f32) to_layout(chw)");
            let (a, b) = (made(&chain, Layout::Hwc, &last), made(&chain, Layout::Chw, &first));
            assert_eq!(values(&a), values(&b), "{resize} of {channels} channels");
            let bytes = format!("{resize} to_layout(hwc)");
            let (a, b) = (made(&bytes, Layout::Hwc, &last), made(&bytes, Layout::Chw, &first));
            assert_eq!(values(&a), values(&b), "{resize} of {channels} channels, to bytes");
        }
    }
}

#[test]
fn what_is_moved_first_is_resized_as_what_was_moved() {
    let moves = [
        "hflip",
        "vflip",
        "rot90(1)",
        "rot90(1) hflip",
        "rot90(2)",
        "rot90(3)",
        "crop(3,5,30,40)",
        "crop(3,5,30,40) hflip",
        "pad(4,mode=reflect)",
        "pad(3,mode=edge) hflip",
        "pad(2,mode=symmetric) rot90(1)",
        "pad(5,fill=0.4)",
        "pad(5,fill=0.4) vflip",
    ];
    for channels in [1, 2, 3, 4, 5] {
        for moved in moves {
            let last = image(channels);
            for (layout, image) in
                [(Layout::Hwc, last.clone()), (Layout::Chw, channels_first(&last))]
            {
                let before = made(moved, layout, &image);
                for resize in RESIZES {
                    let resize = format!("{resize} to_dtype(f32)");
                    let both = made(&format!("{moved} {resize}"), layout, &image);
                    let after = made(&resize, layout, &before);
                    let what = format!("{moved} {resize} of {channels} channels, {layout}");
                    assert_eq!(values(&both), values(&after), "{what}");
                }
            }
        }
    }
}

#[test]
fn what_is_moved_last_is_moved_as_it_is() {
    for (channels, layout) in [(3, Layout::Hwc), (4, Layout::Hwc), (2, Layout::Chw)] {
        let last = image(channels);
        let image = if layout == Layout::Hwc { last } else { channels_first(&last) };
        for moved in ["hflip", "rot90(1)", "crop(1,2,4,2) hflip"] {
            for resize in RESIZES {
                let both = made(&format!("{resize} {moved}"), layout, &image);
                let after = made(moved, layout, &made(resize, layout, &image));
                assert_eq!(values(&both), values(&after), "{resize} {moved}");
            }
        }
    }
}

/// A brightness of 1 changes nothing, but for the way of the values: it leads through floats.
#[test]
fn bytes_come_out_as_they_would_by_way_of_floats() {
    let moves =
        ["crop(3,5,30,40)", "crop(3,5,30,40) hflip", "hflip", "rot90(1)", "pad(3,fill=0.71)"];
    for channels in [1, 3, 4] {
        let last = image(channels);
        for (layout, image) in [(Layout::Hwc, last.clone()), (Layout::Chw, channels_first(&last))] {
            for chain in moves.into_iter().chain(RESIZES).chain(["hflip resize(31,29) hflip"]) {
                for to in ["hwc", "chw"] {
                    let bytes = made(&format!("{chain} to_layout({to})"), layout, &image);
                    let floats = format!("{chain} adjust_brightness(1) to_layout({to})");
                    let floats = made(&floats, layout, &image);
                    assert_eq!(bytes.dtype(), DType::U8);
                    let what = format!("{chain} of {channels} channels, {layout} to {to}");
                    assert_eq!(values(&bytes), values(&floats), "{what}");
                }
            }
        }
    }
}

/// Half and double have kernels of their own, along both axes or one, but not for floats.
#[test]
fn half_and_double_come_out_as_they_would_by_way_of_floats() {
    let chains = [
        "resize(38,68)",
        "resize(152,272)",
        "resize(38,272)",
        "resize(152,68)",
        "resize(19,34)",
        "resize(76,68)",
        "resize(38,136)",
        "resize(20,68)",
        "hflip resize(38,68)",
        "resize(38,68) hflip",
        "vflip resize(152,272) crop(1,5,90,150)",
        "resize(38,68) crop(1,3,30,60)",
        "resize(152,272) hflip",
        "crop(3,5,60,100) resize(30,50)",
        "crop(3,5,60,100) hflip resize(120,200)",
        "rot90(1) resize(68,38)",
        "pad(4,mode=reflect) resize(42,72)",
        "pad(2,fill=1) resize(160,280)",
    ];
    for channels in 1..=4 {
        let last = image_of([76, 136], channels);
        for (layout, image) in [(Layout::Hwc, last.clone()), (Layout::Chw, channels_first(&last))] {
            for (chain, to) in chains.into_iter().flat_map(|c| [(c, "hwc"), (c, "chw")]) {
                let bytes = made(&format!("{chain} to_layout({to})"), layout, &image);
                let floats = format!("{chain} adjust_brightness(1) to_layout({to})");
                let floats = made(&floats, layout, &image);
                let what = format!("{chain} of {channels} channels, {layout} to {to}");
                assert_eq!(values(&bytes), values(&floats), "{what}");
            }
        }
    }
}

#[test]
fn what_is_flat_stays_flat() {
    for level in [0u8, 1, 127, 128, 254, 255] {
        let image = Tensor::full(level, (31, 45, 3), &Device::Cpu).unwrap();
        for resize in RESIZES {
            let found = values(&made(&format!("{resize} to_dtype(f32)"), Layout::Hwc, &image));
            let expected = f32::from(level) * (1.0 / 255.0);
            assert!(found.iter().all(|x| *x == found[0]), "{resize} of {level}");
            assert!((found[0] - expected).abs() < 1e-6, "{resize} of {level}: {}", found[0]);
        }
    }
}

/// No byte is 0.3 of a level, and floats show it.
#[test]
fn a_border_between_levels_is_shown_as_it_is() {
    let image = Tensor::zeros((3, 20, 20), DType::U8, &Device::Cpu).unwrap();
    let chain = format!("pad(10,fill={}) resize(20,20) to_dtype(f32)", 0.3 / 255.0);
    let found = values(&made(&chain, Layout::Chw, &image));
    assert!((found[0] * 255.0 - 0.3).abs() < 1e-4, "{}", found[0] * 255.0);
}
