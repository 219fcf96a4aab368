//! Chains from bytes to bytes that move and blend pixels and look levels up: the same bits as by
//! way of floats.

use candle_core::{Device, Tensor};
use tallow_core::{Key, RowKey};
use tallow_transforms::{Augment, Fields, Layout};

const MOVES: [&str; 18] = [
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
    "hflip affine(20,3,2,1.2,8,interpolation=bilinear,fill=0.3) rot90(1)",
    "rot90(3) rotate(33,interpolation=bilinear)",
    "perspective(0,3,40,0,38,30,5,35)",
    "vflip elastic(30,sigma=4,fill=1)",
];

const OPERATIONS: [&str; 18] = [
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
    "grayscale",
    "adjust_contrast(1.4)",
    "adjust_brightness(1.3) adjust_contrast(0.6)",
    "adjust_contrast(0.4) invert adjust_contrast(1.8) autocontrast",
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

/// An image whose levels are not all there, the channels last.
fn image([height, width]: [usize; 2], channels: usize) -> Tensor {
    let level = |i: usize| (i as u32).wrapping_mul(2_654_435_761).to_le_bytes()[3] / 2 + 40;
    let levels: Vec<u8> = (0..height * width * channels).map(level).collect();
    Tensor::from_vec(levels, (height, width, channels), &Device::Cpu).unwrap()
}

/// The same with its channels first.
fn planes(image: &Tensor) -> Tensor {
    image.permute((2, 0, 1)).unwrap().contiguous().unwrap()
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
        let last = image([36, 41], channels);
        let first = planes(&last);
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

/// What moves pixels of an image of any size, with borders of any kind around it.
const BORDERS: [&str; 16] = [
    "hflip",
    "vflip hflip",
    "rot90(1)",
    "rot90(2)",
    "rot90(3)",
    "rot90(1) hflip",
    "rot90(1) vflip",
    "pad(3,2,1,4)",
    "pad(2,mode=edge) hflip",
    "pad(70,5,3,60,mode=reflect)",
    "pad(5,70,60,3,mode=symmetric) hflip vflip",
    "pad(64,mode=wrap)",
    "rot90(1) pad(4,1,mode=reflect)",
    "pad(1,9,mode=symmetric) rot90(3)",
    "pad(40) center_crop(21)",
    "pad_if_needed(30,50,mode=edge) center_crop(30,25) hflip",
];

/// Levels that are kept, changed alike in all channels, and counted in each.
const LOOKS: [&str; 4] = ["", "invert", "adjust_gamma(0.7)", "equalize"];

const SIZES: [[usize; 2]; 9] =
    [[1, 1], [1, 7], [9, 1], [4, 4], [5, 3], [8, 16], [7, 65], [33, 22], [16, 130]];

/// The size of planes, and their elements.
fn read(planes: &Tensor) -> ([usize; 3], Vec<u8>) {
    (planes.dims3().unwrap().into(), bytes(planes))
}

/// Planes that are put together to pixels go through floats, and so do all images of five channels,
/// whose planes are those of images of one.
#[test]
fn images_of_every_size_are_moved_as_floats_are() {
    for (size, chain) in SIZES.into_iter().flat_map(|size| BORDERS.map(|chain| (size, chain))) {
        for look in LOOKS {
            let made = |layout, image: &Tensor, to| {
                let chain = format!("{chain} {look} to_dtype(u8) to_layout({to})");
                made(&chain, layout, image)
            };
            for channels in 2..=4 {
                let last = image(size, channels);
                let floats = bytes(&made(Layout::Chw, &planes(&last), "hwc"));
                let what = format!("{chain} {look} of {size:?}, {channels} channels");
                assert_eq!(bytes(&made(Layout::Hwc, &last, "hwc")), floats, "{what}");
                for (layout, image) in [(Layout::Chw, planes(&last)), (Layout::Hwc, last)] {
                    let found = made(layout, &image, "chw").permute((1, 2, 0)).unwrap();
                    assert_eq!(bytes(&found), floats, "{what}, planes of {layout:?}");
                }
            }
            if look == "equalize" {
                // Of which a fifth channel has no statistic.
                continue;
            }
            let five = image(size, 5);
            let apart = planes(&five);
            let (dims, floats) = read(&planes(&made(Layout::Chw, &apart, "hwc")));
            assert_eq!(read(&made(Layout::Hwc, &five, "chw")), (dims, floats.clone()));
            assert_eq!(read(&made(Layout::Chw, &apart, "chw")), (dims, floats.clone()));
            for c in 0..5 {
                let channel = apart.narrow(0, c, 1).unwrap().contiguous().unwrap();
                let (found, plane) = read(&made(Layout::Chw, &channel, "chw"));
                assert_eq!(found[1..], dims[1..]);
                let pixels = dims[1] * dims[2];
                let expected = &floats[c * pixels..][..pixels];
                assert_eq!(plane, expected, "{chain} {look} of {size:?}, a channel");
            }
        }
    }
}

/// What a border of another colour in each channel shows, counted pixel by pixel.
#[test]
fn a_border_has_a_colour_of_its_own_in_each_channel() {
    for channels in 1..=4 {
        let fill = [0.2, 0.4, 0.6, 0.8];
        let fills: Vec<String> = fill[..channels].iter().map(f64::to_string).collect();
        let chain = format!("pad(2,1,3,4,fill=[{}]) invert to_dtype(u8)", fills.join(","));
        let from = image([5, 6], channels);
        let levels = bytes(&from);
        let mut expected = Vec::new();
        for (y, x) in (0..10).flat_map(|y| (0..11).map(move |x| (y, x))) {
            for (c, fill) in fill[..channels].iter().enumerate() {
                let is_inside = (1..6).contains(&y) && (2..8).contains(&x);
                let level = match is_inside {
                    true => levels[((y - 1) * 6 + x - 2) * channels + c],
                    false => (fill * 255.0) as u8,
                };
                expected.push(255 - level);
            }
        }
        assert_eq!(bytes(&made(&chain, Layout::Hwc, &from)), expected, "{channels} channels");
        let found = made(&chain, Layout::Chw, &planes(&from)).permute((1, 2, 0)).unwrap();
        assert_eq!(bytes(&found), expected, "{channels} planes");
    }
}

/// Nearest pixels, where rows come again and where columns are left out.
#[test]
fn nearest_pixels_are_those_at_their_places() {
    let nearest = |at: usize, from: usize, to: usize| (2 * at + 1) * from / (2 * to);
    for (size, to) in [([9, 7], [31, 20]), ([33, 40], [8, 11]), ([5, 64], [5, 1]), ([1, 1], [3, 4])]
    {
        for channels in 1..=5 {
            let from = image(size, channels);
            let levels = bytes(&from);
            let resize = format!("resize({},{},interpolation=nearest)", to[0], to[1]);
            let mut expected = Vec::new();
            for (y, x) in (0..to[0]).flat_map(|y| (0..to[1]).map(move |x| (y, x))) {
                let (y, x) = (nearest(y, size[0], to[0]), nearest(x, size[1], to[1]));
                expected.extend_from_slice(&levels[(y * size[1] + x) * channels..][..channels]);
            }
            let chain = format!("{resize} to_dtype(u8)");
            assert_eq!(bytes(&made(&chain, Layout::Hwc, &from)), expected, "{size:?} to {to:?}");
            let found = made(&chain, Layout::Chw, &planes(&from)).permute((1, 2, 0)).unwrap();
            assert_eq!(bytes(&found), expected, "{channels} planes");
            let chain = format!("{resize} invert to_dtype(u8)");
            let inverted: Vec<u8> = expected.iter().map(|level| 255 - level).collect();
            assert_eq!(bytes(&made(&chain, Layout::Hwc, &from)), inverted, "{size:?} to {to:?}");
        }
    }
}
