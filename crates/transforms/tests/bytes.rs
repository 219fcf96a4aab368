//! Chains from bytes to bytes that move pixels and look levels up: the same bits as by way of floats.

use candle_core::{Device, Tensor};
use tallow_core::{Key, RowKey};
use tallow_transforms::{Augment, Fields, Layout};

const MOVES: [&str; 14] = [
    "",
    "hflip",
    "vflip",
    "rot90(1)",
    "rot90(3) hflip",
    "crop(3,5,20,31)",
    "crop(1,0,33,40) hflip",
    "pad(5,fill=0.2)",
    "pad(3,7,mode=reflect) hflip",
    "resize(23,50,interpolation=nearest)",
    "hflip resize(80,31,interpolation=nearest) crop(9,2,60,20)",
    "rotate(33)",
    "affine(20,3,2,1.2,8,fill=1) vflip",
    "elastic(30,sigma=4,interpolation=nearest)",
];

const OPERATIONS: [&str; 15] = [
    "",
    "invert",
    "posterize(3)",
    "solarize(0.4)",
    "adjust_gamma(0.6)",
    "adjust_brightness(1.7) invert",
    "autocontrast",
    "equalize",
    "equalize adjust_gamma(1.3) autocontrast",
    "adjust_brightness(0.4) autocontrast posterize(4) equalize",
    "erase(2,3,9,11,value=0.3)",
    "invert erase(2,3,9,11) adjust_brightness(1.2) erase(8,8,4,10,value=0.7) solarize(0.5)",
    "adjust_saturation(1.4)",
    "adjust_contrast(1.4)",
    "erase(1,1,8,8) equalize",
];

/// Of two channels, of three and of four.
const PERMUTATIONS: [&str; 3] = ["1,0", "2,0,1", "3,1,2,0"];

fn made(chain: &str, layout: Layout, image: &Tensor) -> Tensor {
    let parsed: Augment = chain.parse().unwrap_or_else(|error| panic!("{chain}: {error}"));
    let fields = Fields::new([("input", image.unsqueeze(0).unwrap())]);
    let keys = [RowKey { key: Key::new(3, 0), index: 5 }];
    let made = parsed.layout(layout).apply(&fields, &keys);
    let made = made.unwrap_or_else(|error| panic!("{chain}: {error}"));
    made["input"].squeeze(0).unwrap()
}

/// An image of 36 x 41, whose levels are not all there, the channels last.
fn image(channels: usize) -> Tensor {
    let level = |i: usize| (i as u32).wrapping_mul(2_654_435_761).to_le_bytes()[3] / 2 + 40;
    let levels: Vec<u8> = (0..36 * 41 * channels).map(level).collect();
    Tensor::from_vec(levels, (36, 41, channels), &Device::Cpu).unwrap()
}

fn bytes(tensor: &Tensor) -> Vec<u8> {
    tensor.flatten_all().unwrap().to_vec1().unwrap()
}

fn chains(channels: usize) -> impl Iterator<Item = String> {
    let permutation = format!("permute_channels({})", PERMUTATIONS[channels - 2]);
    MOVES.iter().flat_map(move |moves| {
        let permutation = permutation.clone();
        OPERATIONS.iter().flat_map(move |operations| {
            [format!("{moves} {operations}"), format!("{moves} {operations} {permutation} invert")]
        })
    })
}

/// Planes that are put together to pixels are the one way that goes through floats.
#[test]
fn bytes_that_stay_bytes_are_those_that_were_floats_in_between() {
    for channels in 2..=4 {
        let last = image(channels);
        let first = last.permute((2, 0, 1)).unwrap().contiguous().unwrap();
        for chain in chains(channels) {
            let made = |layout, image, to| {
                made(&format!("{chain} to_dtype(u8) to_layout({to})"), layout, image)
            };
            let floats = bytes(&made(Layout::Chw, &first, "hwc"));
            assert_eq!(
                bytes(&made(Layout::Hwc, &last, "hwc")),
                floats,
                "{chain}, {channels} channels"
            );
            for (layout, image) in [(Layout::Chw, &first), (Layout::Hwc, &last)] {
                let planes = made(layout, image, "chw").permute((1, 2, 0)).unwrap();
                assert_eq!(bytes(&planes), floats, "{chain}, {channels} planes of {layout:?}");
            }
        }
    }
}
