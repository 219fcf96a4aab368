//! What steps draw, read off what they make of crafted images: every parameter's distribution, and
//! that no parameter depends on another, on the sample before, or on the epoch before.
//!
//! Seeds are fixed, so each test always passes or never does. A correct step would fail one test
//! with a probability of 1e-4.

use std::collections::BTreeMap;

use candle_core::{DType, Device, Tensor};
use tallow_core::{Key, RowKey};
use tallow_transforms::{Augment, Fields, Layout};

// ---- images and what chains make of them

/// Samples 0..n of an epoch.
fn keys(epoch: u64, n: usize) -> Vec<RowKey> {
    (0..n as u64).map(|index| RowKey { key: Key::new(17, epoch), index }).collect()
}

/// An image of `f32` (channels, height, width).
fn image(shape: [usize; 3], pixel: impl Fn(usize, usize, usize) -> f32) -> Tensor {
    let [channels, height, width] = shape;
    let places = (0..channels * height * width)
        .map(|i| pixel(i / (height * width), i / width % height, i % width));
    Tensor::from_iter(places, &Device::Cpu).unwrap().reshape(&shape[..]).unwrap()
}

fn constant(value: f32) -> Tensor {
    image([1, 1, 1], |_, _, _| value)
}

/// One pixel.
fn pixel(values: [f32; 3]) -> Tensor {
    image([3, 1, 1], |c, _, _| values[c])
}

/// Unequal pixels of dim colours.
fn motley(shape: [usize; 3]) -> Tensor {
    image(shape, |c, y, x| ((7 + 31 * c + 17 * y * y + 5 * x * (y + 3)) % 89) as f32 / 127.0)
}

/// The bytes of an image in [0, 1].
fn bytes(image: &Tensor) -> Tensor {
    (image * 255.0).unwrap().to_dtype(DType::U8).unwrap()
}

/// What the chain makes of the image, a sample a key.
fn outcomes(chain: &str, image: &Tensor, keys: &[RowKey]) -> Vec<Vec<f32>> {
    let chain = chain.parse::<Augment>().unwrap().layout(Layout::Chw);
    // Not all at once: images may be large.
    let made = keys.chunks(250).flat_map(|keys| {
        let images = image.unsqueeze(0).unwrap().repeat((keys.len(), 1, 1, 1)).unwrap();
        let made = chain.apply(&Fields::new([("input", images)]), keys).unwrap();
        let made = made["input"].to_dtype(DType::F32).unwrap().flatten_from(1).unwrap();
        made.to_vec2::<f32>().unwrap()
    });
    made.collect()
}

/// The parameter that `read` finds in the augmented image, one sample per key.
fn read(chain: &str, image: &Tensor, n: usize, read: impl Fn(&[f32]) -> f64) -> Vec<f64> {
    outcomes(chain, image, &keys(0, n)).iter().map(|made| read(made)).collect()
}

/// Whether the chain changes the image, a sample a key: 1 or 0.
fn changes(chain: &str, image: &Tensor, n: usize) -> Vec<f64> {
    let made = outcomes(chain, image, &keys(0, n));
    let same = image.to_dtype(DType::F32).unwrap().flatten_all().unwrap().to_vec1::<f32>().unwrap();
    made.iter().map(|made| f64::from(u8::from(*made != same))).collect()
}

// ---- statistics at p = 1e-4

/// Kolmogorov and Smirnov: 2 exp(-2 x^2) = 1e-4.
const KS: f64 = 2.2253;
/// A normal lies further from its mean with probability 1e-4, on both sides together.
const TWO_SIDED: f64 = 3.8906;
/// The same on one side.
const ONE_SIDED: f64 = 3.719;

/// The values are drawn from the distribution `cdf`.
#[track_caller]
fn assert_follows(values: &[f64], cdf: impl Fn(f64) -> f64) {
    let mut values = values.to_vec();
    values.sort_by(f64::total_cmp);
    let n = values.len() as f64;
    let gap = |(i, x): (usize, &f64)| {
        let cdf = cdf(*x);
        (cdf - i as f64 / n).abs().max((cdf - (i + 1) as f64 / n).abs())
    };
    let distance = values.iter().enumerate().map(gap).fold(0.0, f64::max);
    assert!(distance * n.sqrt() < KS, "{distance} of {n} values from {:?}", values.first());
}

#[track_caller]
fn assert_uniform(values: &[f64], low: f64, high: f64) {
    let slack = 1e-4 * (high - low);
    let inside = |x: &f64| (low - slack..=high + slack).contains(x);
    assert!(values.iter().all(inside), "{values:?} leave {low}..{high}");
    assert_follows(values, |x| ((x - low) / (high - low)).clamp(0.0, 1.0));
}

fn normal_cdf(x: f64) -> f64 {
    0.5 * libm::erfc(-x / 2f64.sqrt())
}

/// Each of `kinds` outcomes is as likely as any other.
#[track_caller]
fn assert_equally_likely<K: Ord + std::fmt::Debug>(found: impl Iterator<Item = K>, kinds: usize) {
    let mut counts = BTreeMap::new();
    found.for_each(|kind| *counts.entry(kind).or_insert(0) += 1);
    assert_eq!(counts.len(), kinds, "{counts:?}");
    let expected = f64::from(counts.values().sum::<i32>()) / kinds as f64;
    let off = |count: &i32| (f64::from(*count) - expected).powi(2) / expected;
    let statistic: f64 = counts.values().map(off).sum();
    // Wilson and Hilferty: the cube root of a chi-square is nearly normal.
    let k = kinds as f64 - 1.0;
    let spread = 2.0 / (9.0 * k);
    let limit = k * (1.0 - spread + ONE_SIDED * spread.sqrt()).powi(3);
    assert!(statistic < limit, "chi-square {statistic} of {k} degrees of freedom: {counts:?}");
}

/// Ones among the zeros come with probability `p`.
#[track_caller]
fn assert_probability(gates: &[f64], p: f64) {
    let n = gates.len() as f64;
    let found: f64 = gates.iter().sum();
    let off = (found - p * n).abs() / (n * p * (1.0 - p)).sqrt();
    assert!(off < TWO_SIDED, "{found} of {n} with p {p}");
}

fn correlation(a: &[f64], b: &[f64]) -> f64 {
    let n = a.len() as f64;
    let mean = |x: &[f64]| x.iter().sum::<f64>() / n;
    let (p, q) = (mean(a), mean(b));
    let product = |x: &[f64], p: f64, y: &[f64], q: f64| -> f64 {
        x.iter().zip(y).map(|(x, y)| (x - p) * (y - q)).sum()
    };
    product(a, p, b, q) / (product(a, p, a, p) * product(b, q, b, q)).sqrt()
}

#[track_caller]
fn assert_uncorrelated(a: &[f64], b: &[f64], what: &str) {
    let r = correlation(a, b);
    assert!(r.abs() * (a.len() as f64).sqrt() < TWO_SIDED, "{what}: correlation {r}");
}

// ---- how parameters are read off images

/// The factor by which a gray of a quarter became brighter.
fn brightness(chain: &str, n: usize) -> Vec<f64> {
    read(chain, &constant(0.25), n, |made| f64::from(made[0]) / 0.25)
}

/// By how much two grays around their mean moved apart.
fn contrast(chain: &str, n: usize) -> Vec<f64> {
    let grays = image([1, 1, 2], |_, _, x| [0.4, 0.6][x]);
    read(chain, &grays, n, |made| f64::from(made[1] - made[0]) / f64::from(0.6f32 - 0.4))
}

/// By how much red and blue moved apart.
fn saturation(chain: &str, n: usize) -> Vec<f64> {
    let apart = |made: &[f32]| f64::from(made[0] - made[2]) / f64::from(0.5f32 - 0.3);
    read(chain, &pixel([0.5, 0.4, 0.3]), n, apart)
}

/// How far red has turned, in turns of -0.5 to 0.5.
fn hue(chain: &str, n: usize) -> Vec<f64> {
    read(chain, &pixel([1.0, 0.0, 0.0]), n, |made| {
        let [r, g, b] = [0, 1, 2].map(|c| f64::from(made[c]));
        let sixth = match (r >= g, g >= b, r >= b) {
            (true, _, true) => g - b,
            (false, true, _) => 2.0 + b - r,
            _ => 4.0 + r - g,
        };
        (sixth / 6.0 + 0.5).rem_euclid(1.0) - 0.5
    })
}

fn gamma(chain: &str, n: usize) -> Vec<f64> {
    read(chain, &constant(0.5), n, |made| -libm::log2(f64::from(made[0])))
}

/// The width of a blur, from how a dot shares with its neighbour.
fn sigma(chain: &str, n: usize) -> Vec<f64> {
    let dot = image([1, 5, 5], |_, y, x| f32::from(u8::from((y, x) == (2, 2))));
    let width = |made: &[f32]| (-0.5 / libm::log(f64::from(made[13]) / f64::from(made[12]))).sqrt();
    read(chain, &dot, n, width)
}

/// Top and left of a crop.
fn corner(chain: &str, n: usize) -> [Vec<f64>; 2] {
    let places = image([2, 7, 9], |c, y, x| [y, x][c] as f32);
    let made = outcomes(chain, &places, &keys(0, n));
    [0, 1].map(|c| made.iter().map(|made| f64::from(made[c * made.len() / 2])).collect())
}

/// A rectangle in an image.
#[derive(Debug)]
struct Part {
    start: [f64; 2],
    size: [f64; 2],
}

/// Area and ratio of a part, and where it lies among all places, each as a share.
struct Parts {
    area: Vec<f64>,
    log_ratio: Vec<f64>,
    place: [Vec<f64>; 2],
}

impl Parts {
    /// Of parts of an image of `len` by `len` pixels.
    fn of(parts: &[Part], len: f64) -> Self {
        let each = |of: &dyn Fn(&Part) -> f64| parts.iter().map(of).collect();
        let place = |k: usize| each(&|p| (p.start[k] + 0.5) / (len - p.size[k] + 1.0));
        Self {
            area: each(&|p| p.size[0] * p.size[1] / (len * len)),
            log_ratio: each(&|p| libm::log(p.size[0] / p.size[1])),
            place: [place(0), place(1)],
        }
    }
}

// ---- distributions

#[test]
fn factors_and_angles_are_uniform_in_their_range() {
    let n = 4000;
    assert_uniform(&brightness("random_brightness(0.5..2)", n), 0.5, 2.0);
    assert_uniform(&contrast("random_contrast(0.2..1.5)", n), 0.2, 1.5);
    assert_uniform(&saturation("random_saturation(0..2)", n), 0.0, 2.0);
    assert_uniform(&hue("random_hue(-0.5..0.5)", n), -0.5, 0.5);
    assert_uniform(&hue("random_hue(-0.1..0.3)", n), -0.1, 0.3);
    assert_uniform(&gamma("random_gamma(0.5..3)", n), 0.5, 3.0);
    assert_uniform(&sigma("gaussian_blur(3, 0.5..2)", n), 0.5, 2.0);
}

#[test]
fn jitter_is_uniform_around_what_changes_nothing() {
    let n = 4000;
    assert_uniform(&brightness("color_jitter(0.4, 0, 0, 0)", n), 0.6, 1.4);
    assert_uniform(&brightness("color_jitter(1.5, 0, 0, 0)", n), 0.0, 2.5);
    assert_uniform(&brightness("color_jitter(0.9..3, 0, 0, 0)", n), 0.9, 3.0);
    assert_uniform(&contrast("color_jitter(0, 0.4, 0, 0)", n), 0.6, 1.4);
    assert_uniform(&saturation("color_jitter(0, 0, 0.4, 0)", n), 0.6, 1.4);
    assert_uniform(&hue("color_jitter(0, 0, 0, 0.1)", n), -0.1, 0.1);
}

#[test]
fn jitter_runs_in_every_order() {
    let steps = [
        "adjust_brightness(1.8)",
        "adjust_contrast(2.5)",
        "adjust_saturation(3)",
        "adjust_hue(0.3)",
    ];
    let image = motley([3, 4, 4]);
    let bits = |made: &[f32]| made.iter().map(|x| x.to_bits()).collect::<Vec<_>>();
    let mut orders = BTreeMap::new();
    for code in 0..256 {
        let order = [0, 2, 4, 6].map(|shift| code >> shift & 3);
        if (0..4).all(|part| order.contains(&part)) {
            let chain = order.map(|part| steps[part]).join(" ");
            orders.insert(bits(&outcomes(&chain, &image, &keys(0, 1))[0]), order);
        }
    }
    assert_eq!(orders.len(), 24, "the image tells the orders apart");
    let jitter = "color_jitter(1.8..1.8, 2.5..2.5, 3..3, 0.3..0.3)";
    let found = outcomes(jitter, &image, &keys(0, 4800));
    assert_equally_likely(found.iter().map(|made| orders[&bits(made)]), 24);
}

#[test]
fn parts_of_a_jitter_are_drawn_whether_they_are_used_or_not() {
    let n = 2000;
    // On a gray image saturation and hue show nothing, in whatever order.
    let grays = image([1, 1, 2], |_, _, x| [0.25, 0.35][x]);
    let made = outcomes("color_jitter(0.4, 0.4, 0.4, 0.4)", &grays, &keys(0, n));
    let all: Vec<f64> = made.iter().map(|m| f64::from(m[0] + m[1]) / 0.6).collect();
    let alone = brightness("color_jitter(0.4, 0, 0, 0)", n);
    assert!(all.iter().zip(&alone).all(|(a, b)| (a - b).abs() < 1e-5));
    let apart = |(m, b): (&Vec<f32>, &f64)| f64::from(m[1] - m[0]) / (0.1 * b);
    let contrast: Vec<f64> = made.iter().zip(&all).map(apart).collect();
    assert_uniform(&contrast, 0.6, 1.4);
    assert_uncorrelated(&all, &contrast, "brightness and contrast");
}

#[test]
fn gates_open_with_their_probability() {
    let (n, colors) = (4000, motley([3, 5, 4]));
    // Large enough that equalize has steps.
    let (many, large) = (2000, bytes(&motley([1, 24, 24])));
    for p in [0.0, 0.1, 0.5, 0.8, 1.0] {
        let gates = [
            changes(&format!("random_hflip({p})"), &colors, n),
            changes(&format!("random_vflip({p})"), &colors, n),
            changes(&format!("random_grayscale({p})"), &colors, n),
            changes(&format!("random_solarize(0.3, {p})"), &colors, n),
            changes(&format!("random_posterize(3, {p})"), &colors, n),
            changes(&format!("random_invert({p})"), &colors, n),
            changes(&format!("random_autocontrast({p})"), &colors, n),
            changes(&format!("random_equalize({p})"), &large, many),
            changes(&format!("random_sharpness(2, {p})"), &colors, n),
            changes(&format!("random_erasing({p}, value=1)"), &motley([1, 12, 12]), n),
        ];
        for (step, gates) in gates.iter().enumerate() {
            match p > 0.0 && p < 1.0 {
                true => assert_probability(gates, p),
                false => assert!(gates.iter().all(|gate| *gate == p), "step {step}, p {p}"),
            }
        }
    }
}

#[test]
fn volumes_turn_around_with_their_probability() {
    let n = 4000;
    let volume = Tensor::arange(0f32, 8.0, &Device::Cpu).unwrap().reshape((2, 2, 2)).unwrap();
    let chain = "random_dflip(0.3)".parse::<Augment>().unwrap().layout(Layout::Dhw);
    let volumes = volume.unsqueeze(0).unwrap().repeat((n, 1, 1, 1)).unwrap();
    let made = chain.apply(&Fields::new([("input", volumes)]), &keys(0, n)).unwrap();
    let made = made["input"].flatten_from(1).unwrap().to_vec2::<f32>().unwrap();
    let turned: Vec<f64> = made.iter().map(|made| f64::from(u8::from(made[0] == 4.0))).collect();
    assert_probability(&turned, 0.3);
}

#[test]
fn channels_come_in_every_order() {
    let channels = image([4, 1, 1], |c, _, _| c as f32);
    let made = outcomes("random_channel_permutation", &channels, &keys(0, 4800));
    assert_equally_likely(
        made.iter().map(|made| made.iter().map(|x| *x as u8).collect::<Vec<_>>()),
        24,
    );
    let three = image([3, 1, 1], |c, _, _| c as f32);
    let changed = changes("random_channel_permutation(0.6)", &three, 4000);
    // One of the six orders changes nothing.
    assert_probability(&changed, 0.5);
}

#[test]
fn a_crop_lies_anywhere() {
    let [tops, lefts] = corner("random_crop(3, 4)", 5000);
    assert_equally_likely(tops.iter().zip(&lefts).map(|(t, l)| (*t as i32, *l as i32)), 5 * 6);
}

#[test]
fn a_random_resized_crop_has_the_area_the_ratio_and_the_place_of_its_ranges() {
    // Two linear samples of the coordinates say where a part begins and ends.
    let places = image([2, 100, 100], |c, y, x| [y, x][c] as f32);
    let part = |made: &[f32]| {
        // Of 2x2: top, and top of the row below; left, and left of the column beside.
        let ends = [[made[0], made[2]], [made[4], made[5]]].map(|ends| ends.map(f64::from));
        let size = ends.map(|[a, b]| 2.0 * (b - a));
        let start = [0, 1].map(|k| ends[k][0] + 0.5 - size[k] / 4.0);
        Part { start, size }
    };
    let parts = |chain: &str| {
        let made = outcomes(chain, &places, &keys(0, 3000));
        Parts::of(&made.iter().map(|made| part(made)).collect::<Vec<_>>(), 100.0)
    };
    // Every try fits, so the ranges are those of the parts.
    let chain = "random_resized_crop(2, scale=0.2..0.4, ratio=0.8..1.25, antialias=false)";
    let Parts { area, log_ratio, place } = parts(chain);
    assert_follows(&area, |x| ((x - 0.2) / 0.2).clamp(0.0, 1.0));
    let end = libm::log(1.25);
    assert_follows(&log_ratio, |x| ((x + end) / (2.0 * end)).clamp(0.0, 1.0));
    place.iter().for_each(|place| assert_follows(place, |x| x.clamp(0.0, 1.0)));
    assert_uncorrelated(&area, &log_ratio, "area and ratio");
    assert_uncorrelated(&place[0], &place[1], "top and left");
    // By default large parts fit less often than small ones: 0.48 is torchvision's mean.
    let area = parts("random_resized_crop(2, antialias=false)").area;
    let mean = area.iter().sum::<f64>() / area.len() as f64;
    assert!((mean - 0.48).abs() < 0.018, "a mean area of {mean}");
}

#[test]
fn an_erased_part_has_the_area_the_ratio_and_the_place_of_its_ranges() {
    const LEN: usize = 60;
    let part = |made: &[f32]| {
        let erased = |i: &usize| made[*i] == 1.0;
        let first = (0..LEN * LEN).find(erased).expect("every sample is erased");
        let last = (0..LEN * LEN).rfind(erased).expect("every sample is erased");
        let [start, end] = [first, last].map(|at| [at / LEN, at % LEN].map(|at| at as f64));
        Part { start, size: [0, 1].map(|k| end[k] - start[k] + 1.0) }
    };
    let chain = "random_erasing(1, scale=0.1..0.3, ratio=0.5..2, value=1)";
    let made = outcomes(chain, &image([1, LEN, LEN], |_, _, _| 0.0), &keys(0, 3000));
    let parts: Vec<Part> = made.iter().map(|made| part(made)).collect();
    for (part, made) in parts.iter().zip(&made) {
        let erased = made.iter().filter(|x| **x == 1.0).count();
        assert_eq!(erased as f64, part.size[0] * part.size[1], "{part:?}");
    }
    let Parts { area, log_ratio, place } = Parts::of(&parts, LEN as f64);
    assert_follows(&area, |x| ((x - 0.1) / 0.2).clamp(0.0, 1.0));
    let end = libm::log(2.0);
    assert_follows(&log_ratio, |x| ((x + end) / (2.0 * end)).clamp(0.0, 1.0));
    place.iter().for_each(|place| assert_follows(place, |x| x.clamp(0.0, 1.0)));
    assert_uncorrelated(&area, &log_ratio, "area and ratio");
    assert_uncorrelated(&place[0], &place[1], "top and left");
}

#[test]
fn noise_is_normal_and_differs_by_pixel_channel_and_sample() {
    let gray = image([3, 40, 40], |_, _, _| 0.5);
    let made = outcomes("gaussian_noise(0.1, mean=0.05, clip=false)", &gray, &keys(0, 4));
    let noise: Vec<Vec<f64>> = made
        .iter()
        .map(|made| made.iter().map(|x| (f64::from(*x) - 0.55) / 0.1).collect())
        .collect();
    let all: Vec<f64> = noise.concat();
    assert_follows(&all, normal_cdf);
    assert_moments(&all);
    assert_uncorrelated(&noise[0], &noise[1], "samples");
    assert_uncorrelated(&noise[0][..1600], &noise[0][1600..3200], "channels");
    assert_uncorrelated(&all[1..], &all[..all.len() - 1], "neighbours");
    assert_uncorrelated(&all[40..], &all[..all.len() - 40], "rows");
    let clipped = outcomes("gaussian_noise(0.5)", &gray, &keys(0, 1));
    assert!(clipped[0].iter().all(|x| (0.0..=1.0).contains(x)) && clipped[0].contains(&1.0));
}

/// The first four moments are those of a normal.
#[track_caller]
fn assert_moments(x: &[f64]) {
    let n = x.len() as f64;
    // The variance of x^k is E x^2k - (E x^k)^2.
    for (k, expected, variance) in [(1, 0.0, 1.0), (2, 1.0, 2.0), (3, 0.0, 15.0), (4, 3.0, 96.0)] {
        let moment = x.iter().map(|x| x.powi(k)).sum::<f64>() / n;
        let off = (moment - expected) / f64::sqrt(variance / n);
        assert!(off.abs() < TWO_SIDED, "moment {k} is {moment}");
    }
}

#[test]
fn an_erasing_with_noise_is_normal() {
    let black = image([3, 40, 40], |_, _, _| 0.0);
    let made = outcomes("normalize(0.5, 0.5) erase(0, 0, 40, 40, noise)", &black, &keys(0, 2));
    let noise: Vec<f64> = made.concat().into_iter().map(f64::from).collect();
    assert_follows(&noise, normal_cdf);
    assert_moments(&noise);
    assert_uncorrelated(&noise[..4800], &noise[4800..], "samples");
}

#[test]
fn salt_and_pepper_hit_the_shares_of_their_ranges() {
    let gray = bytes(&image([1, 64, 64], |_, _, _| 0.5));
    let made = outcomes("salt_and_pepper(0.1..0.9, 0.2..0.8)", &gray, &keys(0, 1000));
    let count = |made: &[f32], level: f32| made.iter().filter(|x| **x == level).count() as f64;
    let shares = |made: &Vec<f32>| {
        let (salt, pepper) = (count(made, 255.0), count(made, 0.0));
        ((salt + pepper) / 4096.0, salt / (salt + pepper))
    };
    let (amounts, salts): (Vec<f64>, Vec<f64>) = made.iter().map(shares).unzip();
    assert_follows(&amounts, |x| ((x - 0.1) / 0.8).clamp(0.0, 1.0));
    assert_follows(&salts, |x| ((x - 0.2) / 0.6).clamp(0.0, 1.0));
    assert_uncorrelated(&amounts, &salts, "amount and salt");
    // Each pixel by itself, whatever its neighbour.
    let made = outcomes("salt_and_pepper(0.3, 0.5)", &gray, &keys(0, 1));
    let hits: Vec<f64> = made[0].iter().map(|x| f64::from(u8::from(*x != 127.0))).collect();
    assert_probability(&hits, 0.3);
    assert_uncorrelated(&hits[1..], &hits[..4095], "neighbours");
}

// ---- independence

#[test]
fn steps_do_not_depend_on_each_other() {
    let n = 4000;
    let [tops, lefts] = corner("random_crop(3, 4)", n);
    let colors = motley([3, 5, 4]);
    let drawn = [
        ("brightness", brightness("random_brightness(0.5..2)", n)),
        ("contrast", contrast("random_contrast(0.5..1.5)", n)),
        ("saturation", saturation("random_saturation(0.5..1.5)", n)),
        ("hue", hue("random_hue(-0.3..0.3)", n)),
        ("gamma", gamma("random_gamma(0.5..2)", n)),
        ("sigma", sigma("gaussian_blur(3, 0.5..2)", n)),
        ("jitter", brightness("color_jitter(0.4, 0.4, 0, 0)", n)),
        ("top", tops),
        ("left", lefts),
        ("hflip", changes("random_hflip(0.5)", &colors, n)),
        ("vflip", changes("random_vflip(0.5)", &colors, n)),
        ("grayscale", changes("random_grayscale(0.5)", &colors, n)),
        ("solarize", changes("random_solarize(0.3)", &colors, n)),
        ("invert", changes("random_invert(0.5)", &colors, n)),
        ("sharpness", changes("random_sharpness(2)", &colors, n)),
    ];
    for (i, (a, x)) in drawn.iter().enumerate() {
        for (b, y) in &drawn[..i] {
            assert_uncorrelated(x, y, &format!("{a} and {b}"));
        }
    }
}

#[test]
fn two_steps_of_one_name_draw_for_themselves() {
    // Were both the same they would never change anything.
    assert_probability(
        &changes("random_hflip(0.5) random_hflip(0.5)", &motley([1, 2, 3]), 4000),
        0.5,
    );
    let once = brightness("random_brightness(0.5..1)", 4000);
    let twice = brightness("random_brightness(0.5..1) random_brightness(0.5..1)", 4000);
    let second: Vec<f64> = twice.iter().zip(&once).map(|(both, first)| both / first).collect();
    assert_uniform(&second, 0.5, 1.0);
    assert_uncorrelated(&once, &second, "first and second");
}

#[test]
fn samples_epochs_and_seeds_do_not_depend_on_each_other() {
    let n = 4000;
    let draw = |seed: u64, epoch: u64| -> Vec<f64> {
        let key = Key::new(seed, epoch);
        let keys: Vec<RowKey> = (0..n).map(|index| RowKey { key, index }).collect();
        let made = outcomes("random_brightness(0..2)", &constant(0.25), &keys);
        made.iter().map(|made| f64::from(made[0]) / 0.25).collect()
    };
    let first = draw(17, 0);
    for (what, other) in
        [("epoch 1", draw(17, 1)), ("epoch 2", draw(17, 2)), ("seed 18", draw(18, 0))]
    {
        assert_uniform(&other, 0.0, 2.0);
        assert_uncorrelated(&first, &other, what);
    }
    for lag in [1, 2, 3, 4, 8, 64] {
        assert_uncorrelated(&first[lag..], &first[..first.len() - lag], &format!("lag {lag}"));
    }
    // One sample through the epochs.
    let epochs: Vec<RowKey> =
        (0..n).map(|epoch| RowKey { key: Key::new(17, epoch), index: 5 }).collect();
    let made = outcomes("random_brightness(0..2)", &constant(0.25), &epochs);
    let values: Vec<f64> = made.iter().map(|made| f64::from(made[0]) / 0.25).collect();
    assert_uniform(&values, 0.0, 2.0);
    assert_uncorrelated(&values[1..], &values[..values.len() - 1], "consecutive epochs");
}

#[test]
fn adding_or_removing_a_step_leaves_the_draws_of_the_others_alone() {
    let (image, keys) = (motley([3, 12, 12]), keys(3, 50));
    let bits = |chain: &str| -> Vec<Vec<u32>> {
        let made = outcomes(chain, &image, &keys);
        made.iter().map(|made| made.iter().map(|x| x.to_bits()).collect()).collect()
    };
    let chain = bits(
        "random_crop(9) random_hflip(0.5) color_jitter(0.4, 0.4, 0.4, 0.1) \
         random_gamma(0.5..2) gaussian_noise(0.1) random_erasing(0.5, value=noise)",
    );
    assert_ne!(chain[0], chain[1]);
    // Steps that change no image, but draw.
    let more = bits(
        "random_invert(0) random_crop(9) random_sharpness(2, 0) random_vflip(0) random_hflip(0.5) \
         random_equalize(0) color_jitter(0.4, 0.4, 0.4, 0.1) random_channel_permutation(0) \
         random_gamma(0.5..2) random_solarize(0.5, 0) gaussian_noise(0.1) salt_and_pepper(0) \
         random_erasing(0.5, value=noise) random_posterize(3, 0)",
    );
    assert!(chain == more, "a step was drawn differently");
    // The first step of a name is the same whether a second follows.
    let (one, two) = (bits("random_crop(9)"), bits("random_crop(9) random_crop(9)"));
    assert!(one == two);
}
