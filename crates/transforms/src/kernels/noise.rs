//! Noise per element from Philox: a pure function of (key, stream, sample, element), so that a row
//! can be made alone, in any order, on any device.
//!
//! Numbers are made for [`BLOCKS`] Philox blocks at once, lane by lane, which the compiler turns
//! into vectors, or instructions that it does not find; normals come from them by Box and Muller with the polynomials of `math`.

use pulp::NullaryFnOnce;

use super::Simd;
use super::math::{clamp, ln, sin_cos_turns};

#[cfg(target_arch = "x86_64")]
mod v3;

/// Which noise: the counter of a block is `[block, stream, index low, index high]`, as in
/// `tallow_core::Draws`.
#[derive(Clone, Copy, Debug)]
pub(crate) struct NoiseCounter {
    /// The key of the row (`Key::words`).
    pub(crate) key: [u32; 2],
    /// The stream of the step (`Stream::word`).
    pub(crate) stream: u32,
    /// The sample's index.
    pub(crate) index: u64,
}

impl NoiseCounter {
    /// The low and the high word of the index.
    #[inline(always)]
    fn index_words(&self) -> [u32; 2] {
        [self.index as u32, (self.index >> 32) as u32]
    }

    /// The keys of all rounds.
    #[inline(always)]
    fn schedule(&self) -> Schedule {
        let mut keys = [self.key; ROUNDS];
        for round in 1..ROUNDS {
            for k in 0..2 {
                keys[round][k] = keys[round - 1][k].wrapping_add(KEY_STEPS[k]);
            }
        }
        keys
    }
}

/// Philox blocks made at once.
const BLOCKS: usize = 8;
/// Numbers made at once: four per block.
const NUMBERS: usize = 4 * BLOCKS;

/// What Philox multiplies by, and what it adds to its key in each of its rounds.
const MULTIPLIERS: [u32; 2] = [0xD251_1F53, 0xCD9E_8D57];
const KEY_STEPS: [u32; 2] = [0x9E37_79B9, 0xBB67_AE85];
const ROUNDS: usize = 10;

/// The key of each round.
type Schedule = [[u32; 2]; ROUNDS];

/// How the numbers of several blocks are made side by side.
trait Lanes: Copy {
    /// The keys of all rounds as the lanes take them.
    type Keys;

    /// Runs `f` compiled for the instructions of these lanes.
    fn run<F: NullaryFnOnce>(self, f: F) -> F::Output;

    fn keys(self, schedule: &Schedule) -> Self::Keys;

    /// The four words of [`BLOCKS`] consecutive Philox blocks from `first` on, one block per lane.
    fn philox(self, key: &NoiseCounter, keys: &Self::Keys, first: u32) -> [[u32; BLOCKS]; 4];

    /// Lanes to the order of elements: the four numbers of the first block, of the second, and so on.
    fn in_order(self, lanes: &[[f32; BLOCKS]; 4]) -> [f32; NUMBERS];
}

/// Lanes as loops.
#[derive(Clone, Copy)]
struct Loops(Simd);

impl Lanes for Loops {
    type Keys = Schedule;

    #[inline(always)]
    fn run<F: NullaryFnOnce>(self, f: F) -> F::Output {
        self.0.run(
            #[inline(always)]
            move || f.call(),
        )
    }

    #[inline(always)]
    fn keys(self, schedule: &Schedule) -> Schedule {
        *schedule
    }

    #[inline(always)]
    fn philox(self, key: &NoiseCounter, keys: &Schedule, first: u32) -> [[u32; BLOCKS]; 4] {
        let mut words = [[0; BLOCKS]; 4];
        let [w0, w1, w2, w3] = &mut words;
        for i in 0..BLOCKS {
            [w0[i], w1[i], w2[i], w3[i]] = philox_lane(key, keys, first.wrapping_add(i as u32));
        }
        words
    }

    #[inline(always)]
    fn in_order(self, lanes: &[[f32; BLOCKS]; 4]) -> [f32; NUMBERS] {
        let mut out = [0.0; NUMBERS];
        for (i, block) in out.as_chunks_mut::<4>().0.iter_mut().enumerate() {
            *block = [lanes[0][i], lanes[1][i], lanes[2][i], lanes[3][i]];
        }
        out
    }
}

/// `philox4x32_10(key, [block, stream, index..])`, inlined into the lanes' loop.
#[inline(always)]
fn philox_lane(key: &NoiseCounter, keys: &Schedule, block: u32) -> [u32; 4] {
    let (mut c0, mut c1, [mut c2, mut c3]) = (block, key.stream, key.index_words());
    for [k0, k1] in keys {
        let p0 = u64::from(c0) * u64::from(MULTIPLIERS[0]);
        let p1 = u64::from(c2) * u64::from(MULTIPLIERS[1]);
        c0 = (p1 >> 32) as u32 ^ c1 ^ k0;
        c2 = (p0 >> 32) as u32 ^ c3 ^ k1;
        (c1, c3) = (p1 as u32, p0 as u32);
    }
    [c0, c1, c2, c3]
}

/// 2^-24, the step of uniform numbers.
const STEP: f32 = 1.0 / 16_777_216.0;

/// `u` as a multiple of 2^-24 in [0, 1).
#[inline(always)]
pub(crate) fn unit(u: u32) -> f32 {
    // Through i32: there is a vector instruction for signed numbers only.
    (u >> 8) as i32 as f32 * STEP
}

/// How the words of blocks are used. A trait, because a function that is handed over is not always
/// compiled for the level of its caller.
trait Numbers {
    fn of(&self, words: &[[u32; BLOCKS]; 4]) -> [[f32; BLOCKS]; 4];
}

/// Normal numbers: words (0, 1) give the normals 0 and 1, words (2, 3) the normals 2 and 3.
struct Normals;

impl Numbers for Normals {
    #[inline(always)]
    fn of(&self, words: &[[u32; BLOCKS]; 4]) -> [[f32; BLOCKS]; 4] {
        let mut out = [[0.0; BLOCKS]; 4];
        for i in 0..BLOCKS {
            (out[0][i], out[1][i]) = box_muller(words[0][i], words[1][i]);
            (out[2][i], out[3][i]) = box_muller(words[2][i], words[3][i]);
        }
        out
    }
}

/// Uniform numbers, as [`unit`].
struct Units;

impl Numbers for Units {
    #[inline(always)]
    fn of(&self, words: &[[u32; BLOCKS]; 4]) -> [[f32; BLOCKS]; 4] {
        let mut out = [[0.0; BLOCKS]; 4];
        for (out, words) in out.iter_mut().zip(words) {
            out.iter_mut().zip(words).for_each(|(out, word)| *out = unit(*word));
        }
        out
    }
}

/// Two independent normals: `r cos(2 pi v), r sin(2 pi v)`, `r = sqrt(-2 ln u)`, with u in (0, 1]
/// from `a` and v in [0, 1) from `b`. At most 5.77 in magnitude.
#[inline(always)]
fn box_muller(a: u32, b: u32) -> (f32, f32) {
    let r = (-2.0 * ln(unit(a) + STEP)).sqrt();
    let (sin, cos) = sin_cos_turns(unit(b));
    (r * cos, r * sin)
}

/// `x[i] = apply(x[i], number of element first + i)` over a row.
#[inline(always)]
fn with_numbers(
    simd: Simd,
    x: &mut [f32],
    key: NoiseCounter,
    first: u64,
    numbers: impl Numbers,
    apply: impl Fn(f32, f32) -> f32,
) {
    #[cfg(target_arch = "x86_64")]
    if let Some(v3) = simd.v3() {
        let lanes = v3::Vectors(simd, v3);
        return lanes.run(Row { lanes, x, key, first, numbers, apply });
    }
    let lanes = Loops(simd);
    lanes.run(Row { lanes, x, key, first, numbers, apply });
}

/// A row, and how it changes.
struct Row<'a, L, N, A> {
    lanes: L,
    x: &'a mut [f32],
    key: NoiseCounter,
    first: u64,
    numbers: N,
    apply: A,
}

/// Groups of [`BLOCKS`] that go through each step of the work before any goes through the next. The
/// formulas are long chains, and in one group after the other each would wait for the one before:
/// a processor does not see far enough ahead. A quarter faster than a group at once.
const GROUPS: usize = 8;

impl<L, N, A> NullaryFnOnce for Row<'_, L, N, A>
where
    L: Lanes,
    N: Numbers,
    A: Fn(f32, f32) -> f32,
{
    type Output = ();

    #[inline(always)]
    fn call(self) {
        let Self { lanes, mut x, key, first, numbers, apply } = self;
        let keys = lanes.keys(&key.schedule());
        let mut block = (first / 4) as u32;
        // The numbers before `first` in its block are made and passed over.
        let mut passed = first as usize % 4;
        while !x.is_empty() {
            let (part, rest) = x.split_at_mut(x.len().min(GROUPS * NUMBERS - passed));
            let groups = (passed + part.len()).div_ceil(NUMBERS);
            let mut words = [[[0; BLOCKS]; 4]; GROUPS];
            for words in &mut words[..groups] {
                *words = lanes.philox(&key, &keys, block);
                block = block.wrapping_add(BLOCKS as u32);
            }
            let mut made = [[0.0; NUMBERS]; GROUPS];
            for (made, words) in made.iter_mut().zip(&words[..groups]) {
                *made = lanes.in_order(&numbers.of(words));
            }
            let made = &made.as_flattened()[passed..];
            part.iter_mut().zip(made).for_each(|(x, n)| *x = apply(*x, *n));
            (x, passed) = (rest, 0);
        }
    }
}

/// `x + (mean + sigma * normal)`, clamped to `[0, max]` where `clip` is `Some(max)`; all in the
/// units of `x`. Element i of the row is element `first_element + i` of the sample.
pub(crate) fn gaussian(
    simd: Simd,
    x: &mut [f32],
    key: NoiseCounter,
    first_element: u64,
    sigma: f32,
    mean: f32,
    clip: Option<f32>,
) {
    let (low, high) = clip.map_or((f32::NEG_INFINITY, f32::INFINITY), |max| (0.0, max));
    with_numbers(
        simd,
        x,
        key,
        first_element,
        Normals,
        #[inline(always)]
        move |x, normal| clamp(x + (mean + sigma * normal), low, high),
    );
}

/// `x = normal`, mean 0 and variance 1: erasing with noise.
pub(crate) fn fill_gaussian(simd: Simd, x: &mut [f32], key: NoiseCounter, first_element: u64) {
    with_numbers(
        simd,
        x,
        key,
        first_element,
        Normals,
        #[inline(always)]
        |_, normal| normal,
    );
}

/// `x` = uniform in [0, 1), multiples of 2^-24.
pub(crate) fn uniform(simd: Simd, x: &mut [f32], key: NoiseCounter, first_element: u64) {
    with_numbers(
        simd,
        x,
        key,
        first_element,
        Units,
        #[inline(always)]
        |_, unit| unit,
    );
}

/// Per pixel 0 (keep), 1 (salt) or -1 (pepper). Pixel n uses the numbers 2n and 2n + 1 of the
/// stream: it is hit where the first, in [0, 1), is below `amount`, and salted where the second is
/// below `salt`.
pub(crate) fn salt_and_pepper_mask(
    simd: Simd,
    mask: &mut [f32],
    key: NoiseCounter,
    first_pixel: u64,
    amount: f32,
    salt: f32,
) {
    let mut numbers = [0.0; 2 * MASKED];
    for (i, part) in mask.chunks_mut(MASKED).enumerate() {
        let first = 2 * (first_pixel + (i * MASKED) as u64);
        let numbers = &mut numbers[..2 * part.len()];
        uniform(simd, numbers, key, first);
        let pairs = numbers.as_chunks::<2>().0;
        simd.run(
            #[inline(always)]
            move || {
                for (mask, [hit, kind]) in part.iter_mut().zip(pairs) {
                    let sign = if *kind < salt { 1.0 } else { -1.0 };
                    *mask = if *hit < amount { sign } else { 0.0 };
                }
            },
        );
    }
}

/// Pixels of a mask made at once: their numbers stay in the first-level cache.
const MASKED: usize = 256;

/// `x = max` where the mask is 1, `0` where it is -1.
///
/// The `+ 0.0` only turns -0 into 0, but keeps the compiler from a masked store (see
/// `color::solarize`).
pub(crate) fn apply_salt_and_pepper(simd: Simd, x: &mut [f32], mask: &[f32], max: f32) {
    simd.run(
        #[inline(always)]
        move || {
            for (x, &mask) in x.iter_mut().zip(mask) {
                let hit = if mask > 0.0 { max } else { 0.0 };
                *x = if mask == 0.0 { *x + 0.0 } else { hit };
            }
        },
    );
}

#[cfg(test)]
mod tests {
    use super::*;
    use tallow_core::philox4x32_10;

    const KEY: NoiseCounter = NoiseCounter { key: [7, 8], stream: 9, index: 1 << 40 | 5 };

    /// Number n of the stream, one at a time.
    fn word(n: u64) -> u32 {
        let counter = [(n / 4) as u32, KEY.stream, KEY.index as u32, (KEY.index >> 32) as u32];
        philox4x32_10(KEY.key, counter)[(n % 4) as usize]
    }

    #[test]
    fn uniform_numbers_are_those_of_philox_from_any_element_on() {
        for simd in Simd::levels() {
            for (first, n) in
                [(0, 100), (1, 33), (2, 0), (3, 1), (5, 31), (4 * u64::from(u32::MAX), 9)]
            {
                let mut x = vec![0.0; n];
                uniform(simd, &mut x, KEY, first);
                let want: Vec<f32> =
                    (first..).take(n).map(|e| (word(e) >> 8) as f32 / 16_777_216.0).collect();
                assert_eq!(x, want);
            }
        }
    }

    #[test]
    fn levels_agree_and_a_row_is_a_part_of_the_whole() {
        let mut whole = vec![0.0; 1000];
        fill_gaussian(Simd::detect(), &mut whole, KEY, 0);
        for simd in Simd::levels() {
            for (first, n) in [(0, 1000), (17, 224), (998, 2), (3, 1)] {
                let mut part = vec![0.0; n];
                fill_gaussian(simd, &mut part, KEY, first as u64);
                let bits = |x: &[f32]| x.iter().map(|x| x.to_bits()).collect::<Vec<_>>();
                assert_eq!(bits(&part), bits(&whole[first..first + n]));
            }
        }
    }

    #[test]
    fn normals_are_those_of_box_and_muller() {
        let mut x = [0.0; 64];
        fill_gaussian(Simd::detect(), &mut x, KEY, 0);
        for (i, pair) in x.chunks(2).enumerate() {
            let u = (f64::from(word(2 * i as u64) >> 8) + 1.0) / 16_777_216.0;
            let v = f64::from(word(2 * i as u64 + 1) >> 8) / 16_777_216.0;
            let (r, angle) = ((-2.0 * libm::log(u)).sqrt(), std::f64::consts::TAU * v);
            assert!((f64::from(pair[0]) - r * libm::cos(angle)).abs() < 2e-6);
            assert!((f64::from(pair[1]) - r * libm::sin(angle)).abs() < 2e-6);
        }
    }

    #[test]
    fn the_distribution_is_normal() {
        let n = 200_000;
        let mut x = vec![0.0; n];
        fill_gaussian(Simd::detect(), &mut x, KEY, 0);
        let mut x: Vec<f64> = x.into_iter().map(f64::from).collect();
        let mean = x.iter().sum::<f64>() / n as f64;
        let variance = x.iter().map(|x| (x - mean) * (x - mean)).sum::<f64>() / n as f64;
        assert!(mean.abs() < 0.01 && (variance - 1.0).abs() < 0.015, "{mean} {variance}");
        x.sort_by(f64::total_cmp);
        let cdf = |x: f64| 0.5 * libm::erfc(-x / 2f64.sqrt());
        let gap = |(i, x): (usize, &f64)| (cdf(*x) - (i as f64 + 0.5) / n as f64).abs();
        let distance = x.iter().enumerate().map(gap).fold(0.0, f64::max);
        // Kolmogorov and Smirnov at p = 0.001.
        assert!(distance < 1.95 / (n as f64).sqrt(), "{distance}");
    }

    #[test]
    fn gaussian_adds_scales_and_clips() {
        for simd in Simd::levels() {
            let (mut normal, mut x, mut clipped) = ([0.0; 99], [100.0; 99], [250.0; 99]);
            fill_gaussian(simd, &mut normal, KEY, 3);
            gaussian(simd, &mut x, KEY, 3, 4.0, 1.0, None);
            gaussian(simd, &mut clipped, KEY, 3, 90.0, 0.0, Some(255.0));
            assert!((0..99).all(|i| x[i] == 100.0 + (1.0 + 4.0 * normal[i])));
            assert!((0..99).all(|i| clipped[i] == (250.0 + 90.0 * normal[i]).clamp(0.0, 255.0)));
        }
    }

    #[test]
    fn salt_and_pepper_hits_the_share_of_pixels_and_no_other() {
        for simd in Simd::levels() {
            let mut mask = vec![9.0; 40_001];
            salt_and_pepper_mask(simd, &mut mask, KEY, 7, 0.05, 0.4);
            let share = |kind: f32| mask.iter().filter(|&&m| m == kind).count() as f64 / 40_001.0;
            assert!((share(1.0) - 0.02).abs() < 0.003 && (share(-1.0) - 0.03).abs() < 0.003);
            assert!((share(0.0) + share(1.0) + share(-1.0) - 1.0).abs() < 1e-12);
            let hit = f64::from(word(2 * 307) >> 8) / 16_777_216.0 < f64::from(0.05f32);
            assert_eq!(mask[300] != 0.0, hit);
            let mut x = vec![7.0; mask.len()];
            apply_salt_and_pepper(simd, &mut x, &mask, 255.0);
            let same = |(x, m): (&f32, &f32)| match *m {
                0.0 => *x == 7.0,
                m => *x == if m > 0.0 { 255.0 } else { 0.0 },
            };
            assert!(x.iter().zip(&mask).all(same));
        }
    }
}
