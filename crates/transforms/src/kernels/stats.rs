//! Statistics gathered row by row: what contrast, autocontrast, equalize and standardize need to
//! know about the whole image before its first pixel is changed.
//!
//! Sums that are rounded run in a fixed number of lanes (element i of a row goes to lane i mod 8),
//! joined in a fixed order, so that every SIMD level gives the same bits.

use super::Simd;
use super::color::{BLOCK, LUMA, bins_of};
use super::math::{larger, smaller};

/// Partial sums that a row is spread over.
const LANES: usize = 8;

/// Lanes of the extremes: enough independent chains to hide the latency of a comparison.
const MINMAX_LANES: usize = 16;

/// Joins lanes pairwise: ((0+4)+(2+6)) + ((1+5)+(3+7)).
#[inline(always)]
fn join(lanes: &[f64; LANES]) -> f64 {
    let half: [f64; 4] = std::array::from_fn(|i| lanes[i] + lanes[i + 4]);
    (half[0] + half[2]) + (half[1] + half[3])
}

/// Adds the `K` terms of each value to lane i mod 8 of each of `K` sums.
#[inline(always)]
fn accumulate<const K: usize>(
    sums: &mut [[f64; LANES]; K],
    x: &[f32],
    terms: impl Fn(f64) -> [f64; K],
) {
    let (blocks, rest) = x.as_chunks::<LANES>();
    let mut lanes = *sums;
    for block in blocks {
        let terms = block.map(
            #[inline(always)]
            |x| terms(f64::from(x)),
        );
        for (k, lanes) in lanes.iter_mut().enumerate() {
            *lanes = std::array::from_fn(|lane| lanes[lane] + terms[lane][k]);
        }
    }
    for (lane, x) in rest.iter().enumerate() {
        let terms = terms(f64::from(*x));
        lanes.iter_mut().zip(terms).for_each(|(lanes, term)| lanes[lane] += term);
    }
    *sums = lanes;
}

/// Whether a value is NaN.
#[inline(always)]
fn has_nan(x: &[f32]) -> bool {
    x.iter().fold(0, |odd, x| odd | u32::from(x.is_nan())) != 0
}

/// The mean of the luma, the pivot of contrast: the luma of the channels' means.
///
/// Values are rounded to steps of 2^-20 of the range first. Sums of steps are exact, so that the mean
/// is the same whichever way an image is gone through: by rows, by blocks of a device, or by
/// the levels that occur in it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct GraySum {
    /// Of red, green and blue; of an image without colours only the first.
    sums: [[f64; LANES]; 3],
    has_colors: bool,
    pixels: u64,
    /// Added and subtracted, it rounds to a step.
    rounds: f32,
}

impl GraySum {
    /// Nothing of an image with values up to `max`, but for what lies beyond by mistake.
    pub(crate) fn new(max: f32) -> Self {
        // The power of two at or above `max`. Of 12 times that an `f32` has units of 2^-20.
        let range = f32::from_bits((max.to_bits() + 0x007f_ffff) & 0xff80_0000);
        Self { sums: [[0.0; LANES]; 3], has_colors: false, pixels: 0, rounds: 12.0 * range }
    }

    /// The same of bytes, whose sums and number are known.
    pub(crate) fn of_bytes(sums: &[u64], pixels: u64) -> Self {
        let mut of = Self { has_colors: sums.len() >= 3, pixels, ..Self::new(255.0) };
        of.sums.iter_mut().zip(sums).for_each(|(lanes, sum)| lanes[0] = *sum as f64);
        of
    }

    /// Adds a row of three planes.
    pub(crate) fn add(&mut self, simd: Simd, r: &[f32], g: &[f32], b: &[f32]) {
        let n = r.len().min(g.len()).min(b.len());
        self.has_colors = true;
        self.pixels += n as u64;
        self.add_planes(simd, [&r[..n], &g[..n], &b[..n]]);
    }

    /// Adds a row of an image of one channel.
    pub(crate) fn add_gray(&mut self, simd: Simd, x: &[f32]) {
        self.pixels += x.len() as u64;
        self.add_planes(simd, [x, &[], &[]]);
    }

    fn add_planes(&mut self, simd: Simd, planes: [&[f32]; 3]) {
        let Self { sums, rounds, .. } = self;
        simd.run(
            #[inline(always)]
            move || {
                for (sums, plane) in sums.iter_mut().zip(planes) {
                    add_steps(sums, plane, *rounds);
                }
            },
        );
    }

    /// Adds pixels of which each channel has `values`, as often as its counts say.
    pub(crate) fn add_counted(&mut self, channel: usize, values: &[f32], counts: &[u32]) {
        self.has_colors |= channel > 0;
        if channel == 0 {
            self.pixels += counts.iter().map(|&count| u64::from(count)).sum::<u64>();
        }
        let steps = values.iter().map(|x| f64::from((x + self.rounds) - self.rounds));
        let seen = steps.zip(counts).filter(|(_, count)| **count > 0);
        self.sums[channel][0] += seen.map(|(x, count)| x * f64::from(*count)).sum::<f64>();
    }

    /// The mean in native units, rounded to `f32` once; 0 of nothing.
    pub(crate) fn mean(&self) -> f32 {
        let [r, g, b] = [0, 1, 2].map(|c| join(&self.sums[c]));
        let [of_r, of_g, of_b] = LUMA.map(f64::from);
        let sum = if self.has_colors { of_r * r + of_g * g + of_b * b } else { r };
        (sum / self.pixels.max(1) as f64) as f32
    }
}

/// Values that are added as `f32`, in which sums of four steps are exact.
const STEPS: usize = 4 * LANES;

/// Adds values, each rounded to a step, to sums that are exact and need no order.
#[inline(always)]
fn add_steps(sums: &mut [f64; LANES], x: &[f32], rounds: f32) {
    let (blocks, rest) = x.as_chunks::<STEPS>();
    let mut lanes = *sums;
    for block in blocks {
        add_block(&mut lanes, block, rounds);
    }
    if !rest.is_empty() {
        let mut block = [0.0; STEPS];
        block[..rest.len()].copy_from_slice(rest);
        add_block(&mut lanes, &block, rounds);
    }
    *sums = lanes;
}

#[inline(always)]
fn add_block(sums: &mut [f64; LANES], x: &[f32; STEPS], rounds: f32) {
    let mut steps = *x;
    steps.iter_mut().for_each(|x| *x = (*x + rounds) - rounds);
    for i in 0..LANES {
        let [a, b, c, d] = [0, 1, 2, 3].map(|k| steps[k * LANES + i]);
        sums[i] += f64::from((a + b) + (c + d));
    }
}

/// Adds the bytes of each channel of pixels of one to four channels to its sum.
pub(crate) fn add_bytes(simd: Simd, pixels: &[u8], sums: &mut [u64]) {
    match sums {
        [a] => add_channels(simd, pixels, [a]),
        [a, b] => add_channels(simd, pixels, [a, b]),
        [a, b, c] => add_channels(simd, pixels, [a, b, c]),
        [a, b, c, d] => add_channels(simd, pixels, [a, b, c, d]),
        _ => unreachable!("found {} channels, expected 1 to 4", sums.len()),
    }
}

/// Pixels whose bytes are added to as many sums, of 16 bits each.
const SUMMED: usize = 32;
/// As often as such a sum holds a byte.
const SUMMANDS: usize = 257;

fn add_channels<const C: usize>(simd: Simd, pixels: &[u8], sums: [&mut u64; C]) {
    simd.run(
        #[inline(always)]
        move || {
            let (blocks, rest) = pixels.as_chunks::<C>().0.as_chunks::<SUMMED>();
            for blocks in blocks.chunks(SUMMANDS) {
                let mut lanes = [[0u16; C]; SUMMED];
                for block in blocks {
                    let bytes = block.as_flattened();
                    lanes.as_flattened_mut().iter_mut().zip(bytes).for_each(|(sum, x)| {
                        *sum += u16::from(*x);
                    });
                }
                for lane in lanes {
                    for c in 0..C {
                        *sums[c] += u64::from(lane[c]);
                    }
                }
            }
            for pixel in rest {
                for c in 0..C {
                    *sums[c] += u64::from(pixel[c]);
                }
            }
        },
    );
}

/// The extremes of a plane; both are NaN once a value was.
#[derive(Clone, Copy, Debug)]
pub(crate) struct MinMax {
    /// The smallest value; +infinity of nothing.
    pub(crate) min: f32,
    /// The largest value; -infinity of nothing.
    pub(crate) max: f32,
}

impl Default for MinMax {
    fn default() -> Self {
        Self { min: f32::INFINITY, max: f32::NEG_INFINITY }
    }
}

impl MinMax {
    /// Adds a row.
    pub(crate) fn add(&mut self, simd: Simd, x: &[f32]) {
        let (mut lows, mut highs) = ([self.min; MINMAX_LANES], [self.max; MINMAX_LANES]);
        let (lows, highs, odd) = simd.run(
            #[inline(always)]
            move || {
                let (blocks, rest) = x.as_chunks::<MINMAX_LANES>();
                for block in blocks {
                    lows = std::array::from_fn(|i| smaller(block[i], lows[i]));
                    highs = std::array::from_fn(|i| larger(block[i], highs[i]));
                }
                for (i, &x) in rest.iter().enumerate() {
                    (lows[i], highs[i]) = (smaller(x, lows[i]), larger(x, highs[i]));
                }
                (lows, highs, has_nan(x))
            },
        );
        // Comparisons pass over NaN, but keep one that they begin with.
        if odd {
            (self.min, self.max) = (f32::NAN, f32::NAN);
        }
        self.min = lows.into_iter().fold(self.min, |a, b| smaller(b, a));
        self.max = highs.into_iter().fold(self.max, |a, b| larger(b, a));
    }
}

/// How many values of a plane fall into each of 256 bins.
#[derive(Clone, Debug)]
pub(crate) struct Histogram {
    /// Element i of a block counts in table i mod 4: neighbours are often equal, and would wait for
    /// each other's store in a single table.
    tables: [[u32; 256]; 4],
    /// Whether a value was NaN.
    odd: bool,
}

impl Default for Histogram {
    fn default() -> Self {
        Self { tables: [[0; 256]; 4], odd: false }
    }
}

impl Histogram {
    /// Adds a row of values in [0, max]; others fall into the bin at their end.
    pub(crate) fn add(&mut self, simd: Simd, x: &[f32], max: f32) {
        for block in x.chunks(BLOCK) {
            let (bins, odd) = simd.run(
                #[inline(always)]
                move || (bins_of(block, max), has_nan(block)),
            );
            self.odd |= odd;
            for (i, bin) in bins[..block.len()].iter().enumerate() {
                self.tables[i % 4][usize::from(*bin)] += 1;
            }
        }
    }

    /// Adds values that occur as often as `counts` say.
    pub(crate) fn add_counted(&mut self, simd: Simd, x: &[f32], counts: &[u32], max: f32) {
        for (x, counts) in x.chunks(BLOCK).zip(counts.chunks(BLOCK)) {
            let bins = simd.run(
                #[inline(always)]
                move || bins_of(x, max),
            );
            for (bin, count) in bins.iter().zip(counts) {
                self.tables[0][usize::from(*bin)] += count;
            }
        }
    }

    /// The count of each bin.
    pub(crate) fn counts(&self) -> [u32; 256] {
        std::array::from_fn(|k| self.tables.iter().map(|table| table[k]).sum())
    }

    /// The table that equalizes the plane, in native units; `None` where it stays unchanged.
    ///
    /// PIL's and torchvision's: `step = (N - count of the last occupied bin) / 255`,
    /// `lut[k] = (counts below k + step / 2) / step`, at most 255; integer divisions. A step of 0
    /// keeps every level: values that are levels stay, others become theirs. A plane with NaN becomes
    /// NaN.
    pub(crate) fn equalize_lut(&self, max: f32, are_levels: bool) -> Option<[f32; 256]> {
        if self.odd {
            return Some([f32::NAN; 256]);
        }
        let counts = self.counts();
        let total: u64 = counts.iter().map(|&c| u64::from(c)).sum();
        let last = counts.iter().rev().find(|&&c| c > 0)?;
        let step = (total - u64::from(*last)) / 255;
        // 255 * 65535 is below 2^24, so that only the division rounds.
        let value = |level: u64| level as f32 * max / 255.0;
        if step == 0 {
            return (!are_levels).then(|| std::array::from_fn(|level| value(level as u64)));
        }
        let mut below = 0;
        Some(counts.map(|count| {
            let level = ((below + step / 2) / step).min(255);
            below += u64::from(count);
            value(level)
        }))
    }
}

/// Mean and variance by sums of `x` and `x * x` in `f64`: 53 bits hold the squares of a million
/// 16-bit values exactly enough that the subtraction loses nothing a `f32` would show.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Moments {
    /// Of the values and of their squares.
    sums: [[f64; LANES]; 2],
    count: u64,
}

impl Moments {
    /// Adds a row.
    pub(crate) fn add(&mut self, simd: Simd, x: &[f32]) {
        let sums = &mut self.sums;
        self.count += x.len() as u64;
        simd.run(
            #[inline(always)]
            move || {
                accumulate(
                    sums,
                    x,
                    #[inline(always)]
                    |x| [x, x * x],
                )
            },
        );
    }

    /// The mean; 0 of nothing.
    pub(crate) fn mean(&self) -> f64 {
        join(&self.sums[0]) / self.count.max(1) as f64
    }

    /// The variance of the population (divided by N), at least 0; NaN where a value was, or was
    /// infinite.
    pub(crate) fn variance(&self) -> f64 {
        let mean = self.mean();
        let variance = join(&self.sums[1]) / self.count.max(1) as f64 - mean * mean;
        if variance < 0.0 { 0.0 } else { variance }
    }
}

#[cfg(test)]
mod tests {
    use super::super::color::luma_of;
    use super::*;

    fn random(n: usize, seed: u32) -> Vec<f32> {
        let mut state = seed;
        let mut next = || {
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            (state >> 8) as f32 / 16_777_216.0 * 255.0
        };
        (0..n).map(|_| next()).collect()
    }

    const LENGTHS: [usize; 8] = [0, 1, 7, 8, 9, 100, 224, 225];

    #[test]
    fn levels_agree_on_every_sum() {
        let mut found = Vec::new();
        for simd in Simd::levels() {
            let (mut gray, mut moments) = (GraySum::new(255.0), Moments::default());
            let mut single = GraySum::new(255.0);
            for n in LENGTHS {
                let [r, g, b] = [1, 2, 3].map(|seed| random(n, seed));
                gray.add(simd, &r, &g, &b);
                single.add_gray(simd, &r);
                moments.add(simd, &g);
            }
            let all = [moments.mean(), moments.variance()].map(f64::to_bits);
            found.push((gray.mean().to_bits(), single.mean().to_bits(), all));
        }
        assert!(found.iter().all(|f| *f == found[0]));
    }

    #[test]
    fn the_gray_mean_is_the_mean_of_the_luma() {
        for max in [1.0f32, 255.0, 65535.0] {
            let [r, g, b] =
                [1, 2, 3].map(|seed| random(1001, seed).iter().map(|x| x / 255.0 * max).collect());
            let [r, g, b]: [Vec<f32>; 3] = [r, g, b];
            let mut gray = GraySum::new(max);
            for from in [0, 500] {
                let part = from..from + 500 + from / 500;
                gray.add(Simd::detect(), &r[part.clone()], &g[part.clone()], &b[part]);
            }
            let luma = |i: usize| f64::from(luma_of(r[i], g[i], b[i]));
            let exact = (0..1001).map(luma).sum::<f64>() / 1001.0;
            assert!((f64::from(gray.mean()) - exact).abs() < 1e-7 * f64::from(max));
        }
        assert_eq!(GraySum::new(1.0).mean(), 0.0);
    }

    #[test]
    fn the_gray_mean_does_not_depend_on_the_way_through_an_image() {
        // Values with fractions below the step, each of which occurs several times.
        let values = random(256, 4);
        let counts: [Vec<u32>; 3] = [3, 5, 7].map(|k| (0..256).map(|i| (i * k) % 11).collect());
        let expanded = counts.each_ref().map(|counts| {
            let each = values.iter().zip(counts);
            let mut all: Vec<f32> = each.flat_map(|(x, n)| vec![*x; *n as usize]).collect();
            all.truncate(1200);
            all
        });
        let counted = |plane: &Vec<f32>| -> Vec<u32> {
            values.iter().map(|x| plane.iter().filter(|y| *y == x).count() as u32).collect()
        };
        let [r, g, b] = &expanded;
        let (mut by_rows, mut by_levels) = (GraySum::new(255.0), GraySum::new(255.0));
        let mut backwards = GraySum::new(255.0);
        for row in 0..12 {
            let [r, g, b] = [r, g, b].map(|plane| &plane[row * 100..][..100]);
            by_rows.add(Simd::detect(), r, g, b);
        }
        for at in (0..1200).rev() {
            backwards.add(Simd::detect(), &r[at..=at], &g[at..=at], &b[at..=at]);
        }
        for (c, plane) in expanded.iter().enumerate() {
            by_levels.add_counted(c, &values, &counted(plane));
        }
        let [by_rows, by_levels, backwards] = [by_rows, by_levels, backwards].map(|sum| sum.mean());
        assert_eq!(by_rows.to_bits(), by_levels.to_bits());
        assert_eq!(by_rows.to_bits(), backwards.to_bits());
    }

    #[test]
    fn the_gray_mean_of_bytes_is_that_of_their_sums() {
        let bytes = |seed| -> Vec<f32> { random(777, seed).iter().map(|x| x.floor()).collect() };
        let planes = [bytes(1), bytes(2), bytes(3)];
        let sums = planes.each_ref().map(|plane| plane.iter().map(|x| *x as u64).sum());
        let [r, g, b] = &planes;
        let (mut colors, mut single) = (GraySum::new(255.0), GraySum::new(255.0));
        colors.add(Simd::detect(), r, g, b);
        single.add_gray(Simd::detect(), r);
        assert_eq!(colors.mean(), GraySum::of_bytes(&sums, 777).mean());
        assert_eq!(single.mean(), GraySum::of_bytes(&sums[..1], 777).mean());
        assert_ne!(colors.mean(), single.mean());
    }

    #[test]
    fn bytes_are_summed_by_channel() {
        for n in [0, 1, 31, 32, 33, 300 * 32 + 5] {
            let bytes: Vec<u8> = random(4 * n, 5).iter().map(|x| (*x * 1.0038) as u8).collect();
            for channels in 1..=4 {
                let pixels = &bytes[..channels * n];
                let by = |c: usize| pixels.iter().skip(c).step_by(channels);
                let expected: Vec<u64> =
                    (0..channels).map(|c| by(c).map(|x| u64::from(*x)).sum()).collect();
                for simd in Simd::levels() {
                    let mut sums = vec![0; channels];
                    add_bytes(simd, pixels, &mut sums);
                    assert_eq!(sums, expected);
                }
            }
        }
    }

    #[test]
    fn moments_are_those_of_the_population() {
        let (x, y) = (random(777, 4), random(223, 5));
        let mut whole = Moments::default();
        whole.add(Simd::detect(), &x);
        whole.add(Simd::detect(), &y);
        let all: Vec<f64> = x.iter().chain(&y).map(|&x| f64::from(x)).collect();
        let mean = all.iter().sum::<f64>() / 1000.0;
        let variance = all.iter().map(|x| (x - mean) * (x - mean)).sum::<f64>() / 1000.0;
        assert!((whole.mean() - mean).abs() < 1e-9);
        assert!((whole.variance() - variance).abs() < 1e-8);
        let mut flat = Moments::default();
        flat.add(Simd::detect(), &[0.1; 99]);
        assert!(flat.variance() >= 0.0 && flat.variance() < 1e-15);
    }

    #[test]
    fn extremes_are_found_wherever_they_are() {
        for simd in Simd::levels() {
            for n in LENGTHS {
                for at in 0..n {
                    let (mut x, mut found) = (random(n, 6), MinMax::default());
                    x[at] = -1.0;
                    x[(at + 1) % n] = 300.0;
                    found.add(simd, &x);
                    assert_eq!((found.max, found.min), (300.0, if n == 1 { 300.0 } else { -1.0 }));
                }
            }
        }
        let mut rows = MinMax::default();
        assert!(rows.min > rows.max);
        rows.add(Simd::detect(), &[3.0, 2.0]);
        rows.add(Simd::detect(), &[5.0]);
        assert_eq!((rows.min, rows.max), (2.0, 5.0));
    }

    #[test]
    fn statistics_of_what_holds_a_nan_are_nan() {
        for simd in Simd::levels() {
            for n in LENGTHS.into_iter().filter(|n| *n > 0) {
                for at in [0, n / 2, n - 1] {
                    let mut x = random(n, 6);
                    x[at] = f32::NAN;
                    let (mut extremes, mut moments) = (MinMax::default(), Moments::default());
                    let (mut gray, mut histogram) = (GraySum::new(255.0), Histogram::default());
                    for row in [&random(n, 7), &x, &random(n, 8)] {
                        extremes.add(simd, row);
                        moments.add(simd, row);
                        gray.add(simd, &random(n, 9), row, &random(n, 10));
                        histogram.add(simd, row, 255.0);
                    }
                    assert!(extremes.min.is_nan() && extremes.max.is_nan(), "{at} of {n}");
                    assert!(moments.mean().is_nan() && moments.variance().is_nan());
                    assert!(gray.mean().is_nan());
                    let table = histogram.equalize_lut(255.0, true).unwrap();
                    assert!(table.iter().all(|level| level.is_nan()));
                }
            }
        }
    }

    #[test]
    fn a_histogram_counts_each_value_once() {
        for simd in Simd::levels() {
            for max in [1.0, 255.0, 65535.0] {
                let (mut histogram, mut want) = (Histogram::default(), [0; 256]);
                for n in LENGTHS {
                    let x: Vec<f32> = random(n, 7).iter().map(|x| x / 255.0 * max).collect();
                    histogram.add(simd, &x, max);
                    for x in x {
                        want[(x * (255.999 / max)) as usize] += 1;
                    }
                }
                assert_eq!(histogram.counts(), want);
            }
        }
    }

    /// The integer recipe of PIL's `ImageOps.equalize`.
    fn reference(counts: [u32; 256]) -> Option<[u32; 256]> {
        let occupied: Vec<u32> = counts.iter().copied().filter(|&c| c > 0).collect();
        let step = (occupied.iter().sum::<u32>() - occupied.last()?) / 255;
        if step == 0 {
            return None;
        }
        let mut n = step / 2;
        Some(counts.map(|count| {
            let level = n / step;
            n += count;
            level.min(255)
        }))
    }

    #[test]
    fn equalize_follows_the_integer_recipe() {
        for (x, max) in [(random(5000, 8), 255.0), (vec![7.0; 900], 255.0), (random(200, 9), 255.0)]
        {
            let mut histogram = Histogram::default();
            histogram.add(Simd::detect(), &x, max);
            let lut = histogram.equalize_lut(max, true);
            let want = reference(histogram.counts());
            assert_eq!(lut.map(|lut| lut.map(|x| x as u32)), want);
            let wide =
                histogram.equalize_lut(65535.0, false).map(|lut| lut.map(|x| x as u32 / 257));
            let levels: [u32; 256] = std::array::from_fn(|level| level as u32);
            assert_eq!(wide, Some(want.unwrap_or(levels)));
        }
        assert!(Histogram::default().equalize_lut(1.0, false).is_none());
    }
}
