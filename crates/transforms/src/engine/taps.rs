//! Where the outputs of a resize or a blur read along one axis, and with which weights.

use std::ops::Range;

use super::view::beyond;
use crate::kernels::Simd;
use crate::kernels::blur_u8;
use crate::kernels::taps::Taps;
use crate::plan::{Border, Head, Interpolation, StagePlan};

/// The pixels of the middle image that the taps along `axis` of all outputs of `plan` are of.
pub(super) fn taps_of(plan: &StagePlan, axis: usize) -> Range<i32> {
    let len = plan.middle[axis];
    let filter = Filter::of(plan, axis);
    let count = filter.count().min(len as usize) as i32;
    // Places grow with the outputs, or fall: the ends are those of all.
    let ends = [0, plan.size[axis] - 1].map(|at| {
        let resampled = plan.after.offset[axis] + plan.after.sign[axis] * at;
        filter.start(resampled, len, count)
    });
    ends[0].min(ends[1])..ends[0].max(ends[1]) + count
}

/// The taps along `axis` of every output of `plan`.
pub(super) fn axis_taps<'a>(
    plan: &StagePlan,
    axis: usize,
    starts: &'a mut [u32],
    weights: &'a mut [f32],
) -> Taps<'a> {
    let len = plan.middle[axis];
    let outputs = plan.size[axis] as usize;
    let filter = Filter::of(plan, axis);
    let count = filter.count().min(len as usize);
    let (starts, weights) = (&mut starts[..outputs], &mut weights[..outputs * count]);
    weights.fill(0.0);
    let (sign, offset) = (plan.after.sign[axis], plan.after.offset[axis]);
    for (at, (start, weights)) in starts.iter_mut().zip(weights.chunks_mut(count)).enumerate() {
        let resampled = offset + sign * at as i32;
        *start = filter.start(resampled, len, count as i32) as u32;
        filter.each(plan, resampled, len, |pixel, weight| {
            weights[pixel as usize - *start as usize] += weight as f32;
        });
    }
    Taps { start: starts, weights, count }
}

/// How the taps of one axis are found. Places are `f64`: rounding them to `f32` would move a tap
/// by a few millionths of a pixel, which shows.
#[derive(Debug, Clone, Copy)]
enum Filter {
    Nearest {
        scale: f64,
    },
    Bilinear {
        scale: f64,
    },
    Bicubic {
        scale: f64,
    },
    /// Widened by the scale: a triangle, or a cubic with a = -0.5.
    Wide {
        scale: f64,
        support: f64,
        cubic: bool,
    },
    Kernel {
        half: usize,
    },
}

impl Filter {
    fn of(plan: &StagePlan, axis: usize) -> Self {
        if plan.head() == Head::Blur {
            return Self::Kernel { half: plan.weights_len as usize };
        }
        let scale = f64::from(plan.middle[axis]) / f64::from(plan.resampled[axis]);
        match (plan.interpolation(), plan.antialias > 0) {
            (Interpolation::Nearest, _) => Self::Nearest { scale },
            // Widened by nothing, a triangle is the two taps of bilinear.
            (Interpolation::Bilinear, true) if scale > 1.0 => {
                Self::Wide { scale, support: scale, cubic: false }
            }
            (Interpolation::Bilinear, _) => Self::Bilinear { scale },
            (Interpolation::Bicubic, true) => {
                Self::Wide { scale, support: 2.0 * scale.max(1.0), cubic: true }
            }
            (Interpolation::Bicubic, false) => Self::Bicubic { scale },
        }
    }

    fn count(self) -> usize {
        match self {
            Self::Nearest { .. } => 1,
            Self::Bilinear { .. } => 2,
            Self::Bicubic { .. } => 4,
            // No interval of twice the support holds the centres of more pixels.
            Self::Wide { support, .. } => (2.0 * support).floor() as usize + 1,
            Self::Kernel { half } => 2 * half - 1,
        }
    }

    /// The place that resampled pixel `at` shows, and the first pixel that its taps are of, which
    /// may lie outside of 0..`len`.
    fn place(self, at: i32, len: i32) -> (f64, i32) {
        let edge = f64::from(at) + 0.5;
        match self {
            Self::Nearest { scale } => (scale * edge, nearest(at, scale, len)),
            Self::Bilinear { scale } => {
                let place = (scale * edge - 0.5).max(0.0);
                (place, place.floor().min(f64::from(len - 1)) as i32)
            }
            Self::Bicubic { scale } => {
                let place = scale * edge - 0.5;
                (place, place.floor() as i32 - 1)
            }
            Self::Wide { scale, support, .. } => {
                let centre = scale * edge;
                (centre, ((centre - support + 0.5) as i32).max(0))
            }
            Self::Kernel { half } => (f64::from(at), at - half as i32 + 1),
        }
    }

    /// The first of `count` taps of resampled pixel `at`. It never falls from one to the next.
    fn start(self, at: i32, len: i32, count: i32) -> i32 {
        self.place(at, len).1.clamp(0, len - count)
    }

    /// The taps of resampled pixel `at`, in their order: pixels inside of 0..`len`, of which one may
    /// come again, and weights.
    fn each(self, plan: &StagePlan, at: i32, len: i32, mut tap: impl FnMut(i32, f64)) {
        let (place, first) = self.place(at, len);
        let mut spread = |weights: &[f64]| {
            let pixels = (first..).map(|pixel| pixel.clamp(0, len - 1));
            pixels.zip(weights).for_each(|(pixel, weight)| tap(pixel, *weight));
        };
        match self {
            Self::Nearest { .. } => spread(&[1.0]),
            Self::Bilinear { .. } => {
                let second = place - f64::from(first);
                spread(&[1.0 - second, second]);
            }
            Self::Bicubic { .. } => spread(&cubic_taps(place - place.floor(), -0.75)),
            Self::Wide { scale, support, cubic } => {
                let end = ((place + support + 0.5) as i32).min(len);
                wide_taps(first..end, place, scale.max(1.0), cubic, tap);
            }
            Self::Kernel { half } => kernel_taps(plan, half as i32, at, len, tap),
        }
    }

    /// Fractional bits of integer weights: as many as let each fit in 16 bits. Where a filter is
    /// `scale` wide, no weight is larger than 4 / (3 `scale`), at borders neither; no more than 16,
    /// so that sums of values with fractional bits fit in 32.
    fn bits(self) -> u32 {
        match self {
            Self::Wide { scale, .. } if scale >= 3.0 => 16,
            Self::Wide { scale, .. } if scale >= 1.5 => 15,
            _ => 14,
        }
    }
}

/// The pixel that is nearest in edge coordinates.
pub(crate) fn nearest(at: i32, scale: f64, len: i32) -> i32 {
    ((scale * (f64::from(at) + 0.5)).floor() as i32).clamp(0, len - 1)
}

/// Cubic convolution (Keys, 1981) at the fraction `t` between the second and third of four taps.
fn cubic_taps(t: f64, a: f64) -> [f64; 4] {
    [cubic(t + 1.0, a), cubic(t, a), cubic(1.0 - t, a), cubic(2.0 - t, a)]
}

#[inline(always)]
fn cubic(x: f64, a: f64) -> f64 {
    let x = x.abs();
    if x <= 1.0 {
        ((a + 2.0) * x - (a + 3.0)) * x * x + 1.0
    } else if x < 2.0 {
        (((x - 5.0) * x + 8.0) * x - 4.0) * a
    } else {
        0.0
    }
}

/// The taps of an antialiased resize, as PIL and torch find them: all pixels less than the support
/// from the centre, their weights made to sum to 1.
fn wide_taps(
    pixels: Range<i32>,
    centre: f64,
    scale: f64,
    is_cubic: bool,
    mut tap: impl FnMut(i32, f64),
) {
    let narrower = 1.0 / scale;
    let weight = |at: i32| {
        let x = (f64::from(at) - centre + 0.5) * narrower;
        if is_cubic { cubic(x, -0.5) } else { (1.0 - x.abs()).max(0.0) }
    };
    let share = 1.0 / pixels.clone().map(weight).sum::<f64>();
    pixels.for_each(|at| tap(at, weight(at) * share));
}

/// The taps of a blur, those outside reflected.
fn kernel_taps(plan: &StagePlan, half: i32, at: i32, len: i32, mut tap: impl FnMut(i32, f64)) {
    for pixel in at - half + 1..at + half {
        let inside = match (0..len).contains(&pixel) {
            true => pixel,
            false => beyond(Border::Reflect, pixel, len).unwrap_or(0),
        };
        // A reflected tap lies among those inside: both are within the kernel of the border.
        tap(inside, f64::from(plan.weights[(pixel - at).unsigned_abs() as usize]));
    }
}

/// One half of the kernel of a blur in whole numbers of 2^-[`BITS`](blur_u8::BITS), its middle first:
/// rounded from the outside inwards, the middle being what is left of 1.
pub(super) fn kernel_weights<'a>(plan: &StagePlan, weights: &'a mut [i16]) -> &'a [i16] {
    let weights = &mut weights[..plan.weights_len as usize];
    let mut rounding = Rounding::new(blur_u8::BITS);
    for (weight, exact) in weights.iter_mut().zip(&plan.weights).skip(1).rev() {
        *weight = rounding.next(f64::from(*exact));
    }
    let outer: i16 = weights[1..].iter().sum();
    weights[0] = (1 << blur_u8::BITS) - 2 * outer;
    weights
}

/// Weights as whole numbers of 2^-bits. Their sums are rounded, and a weight is what lies between
/// two of them: whatever rounding does to one weight its neighbour gets back, and the sum of all is
/// exactly 1, so that what is flat stays flat.
struct Rounding {
    unit: f64,
    sum: f64,
    before: i32,
}

impl Rounding {
    /// Makes every sum positive, so that cutting off its fraction rounds it down.
    const BIAS: i32 = 1 << 16;

    fn new(bits: u32) -> Self {
        Self { unit: f64::from(1 << bits), sum: 0.0, before: Self::BIAS }
    }

    fn next(&mut self, weight: f64) -> i16 {
        self.sum += weight;
        let sum = (self.sum * self.unit + (f64::from(Self::BIAS) + 0.5)) as i32;
        let rounded = sum - self.before;
        self.before = sum;
        rounded as i16
    }
}

/// A widened filter, of several outputs at once: the operations of [`wide_taps`] and [`Rounding`], in
/// their order. One output after the other they were a tenth of a resize.
#[derive(Debug, Clone, Copy)]
struct Wide {
    scale: f64,
    support: f64,
    narrower: f64,
    cubic: bool,
    /// Pixels of the axis.
    len: i32,
    bits: u32,
}

/// Outputs whose taps are found at once: two vectors of AVX2.
const LANES: usize = 8;

impl Wide {
    /// The weights of each output, resampled pixel `resampled(at)`, whose first tap is `starts[at]`:
    /// `count` each, which are 0 before.
    #[inline(always)]
    fn weights(
        &self,
        resampled: impl Fn(usize) -> i32,
        starts: &[u32],
        count: usize,
        weights: &mut [i16],
    ) {
        let blocks = starts.chunks(LANES).zip(weights.chunks_mut(LANES * count));
        for (block, (starts, weights)) in blocks.enumerate() {
            // What makes the last block a whole one is not stored.
            let mut centre = [0.0; LANES];
            let (mut first, mut end) = ([0.0; LANES], [0.0; LANES]);
            for j in 0..starts.len() {
                centre[j] = self.scale * (f64::from(resampled(block * LANES + j)) + 0.5);
                let from = ((centre[j] - self.support + 0.5) as i32).max(0);
                let to = ((centre[j] + self.support + 0.5) as i32).min(self.len);
                (first[j], end[j]) = (f64::from(from), f64::from(to));
            }
            self.block(&centre, &first, &end, count, |j, tap, weight| {
                let at = first[j] as usize + tap;
                if at < end[j] as usize {
                    weights[j * count + at - starts[j] as usize] = weight;
                }
            });
        }
    }

    /// `store(j, tap, weight)` of the taps of all outputs, from their first pixels on; those behind the
    /// end have no weight.
    #[inline(always)]
    fn block(
        &self,
        centre: &[f64; LANES],
        first: &[f64; LANES],
        end: &[f64; LANES],
        count: usize,
        mut store: impl FnMut(usize, usize, i16),
    ) {
        let mut share = [0.0; LANES];
        for tap in 0..count {
            let weights = self.tap(centre, first, end, tap);
            for j in 0..LANES {
                share[j] += weights[j];
            }
        }
        for share in &mut share {
            *share = 1.0 / *share;
        }
        let (mut sums, mut before) = ([0.0; LANES], [Rounding::BIAS; LANES]);
        let unit = f64::from(1 << self.bits);
        for tap in 0..count {
            let weights = self.tap(centre, first, end, tap);
            let mut rounded = [0; LANES];
            for j in 0..LANES {
                sums[j] += weights[j] * share[j];
                rounded[j] = (sums[j] * unit + (f64::from(Rounding::BIAS) + 0.5)) as i32;
            }
            for j in 0..LANES {
                store(j, tap, (rounded[j] - before[j]) as i16);
            }
            before = rounded;
        }
    }

    /// The weights of tap number `tap`, before they are made to sum to 1.
    #[inline(always)]
    fn tap(
        &self,
        centre: &[f64; LANES],
        first: &[f64; LANES],
        end: &[f64; LANES],
        tap: usize,
    ) -> [f64; LANES] {
        let mut weights = [0.0; LANES];
        for j in 0..LANES {
            let at = first[j] + tap as f64;
            let x = (at - centre[j] + 0.5) * self.narrower;
            let weight = if self.cubic { cubic(x, -0.5) } else { (1.0 - x.abs()).max(0.0) };
            weights[j] = if at < end[j] { weight } else { 0.0 };
        }
        weights
    }
}

/// Taps whose weights are integers.
#[derive(Debug)]
pub(super) struct IntegerTaps<'a> {
    /// The first tap of each output.
    pub(super) start: &'a mut [u32],
    /// `count` of each output.
    pub(super) weights: &'a [i16],
    pub(super) count: usize,
    /// Fractional bits of the weights.
    pub(super) bits: u32,
}

impl<'a> IntegerTaps<'a> {
    /// Those along `axis` of every output of `plan`, as few as there are weights that are not 0.
    pub(super) fn of(
        simd: Simd,
        plan: &StagePlan,
        axis: usize,
        starts: &'a mut [u32],
        weights: &'a mut [i16],
    ) -> Self {
        let len = plan.middle[axis];
        let filter = Filter::of(plan, axis);
        let (most, bits) = (filter.count().min(len as usize), filter.bits());
        let start = &mut starts[..plan.size[axis] as usize];
        let weights = &mut weights[..start.len() * most];
        weights.fill(0);
        let resampled = |at: usize| plan.after.offset[axis] + plan.after.sign[axis] * at as i32;
        for (at, start) in start.iter_mut().enumerate() {
            *start = filter.start(resampled(at), len, most as i32) as u32;
        }
        if let Filter::Wide { scale, support, cubic } = filter {
            let wide = Wide { scale, support, narrower: 1.0 / scale.max(1.0), cubic, len, bits };
            simd.run(
                #[inline(always)]
                || wide.weights(resampled, start, most, weights),
            );
        } else {
            for (at, (start, weights)) in start.iter().zip(weights.chunks_mut(most)).enumerate() {
                let mut rounding = Rounding::new(bits);
                filter.each(plan, resampled(at), len, |pixel, weight| {
                    weights[pixel as usize - *start as usize] += rounding.next(weight);
                });
            }
        }
        let count = weights.chunks(most).map(|weights| used(weights).len()).max().unwrap_or(0);
        if count < most {
            for (at, start) in start.iter_mut().enumerate() {
                let from = at * most;
                let skipped = used(&weights[from..from + most]).start.min(most - count);
                *start += skipped as u32;
                weights.copy_within(from + skipped..from + skipped + count, at * count);
            }
        }
        let weights = &weights[..start.len() * count];
        Self { start, weights, count, bits }
    }

    /// Row or column `output`: its first tap and its weights, without those at the ends that are 0.
    pub(super) fn output(&self, output: usize) -> (usize, &'a [i16]) {
        let weights = &self.weights[output * self.count..][..self.count];
        let used = used(weights);
        (self.start[output] as usize + used.start, &weights[used])
    }

    /// The pixels from the first tap of all to the last.
    pub(super) fn reach(&self) -> Range<u32> {
        let first = self.start.iter().copied().min().unwrap_or(0);
        let last = self.start.iter().copied().max().unwrap_or(0);
        first..last + self.count as u32
    }
}

/// From the first weight that is not 0 to the last.
fn used(weights: &[i16]) -> Range<usize> {
    let first = weights.iter().position(|weight| *weight != 0).unwrap_or(0);
    first..weights.iter().rposition(|weight| *weight != 0).map_or(first, |last| last + 1)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plan::W;

    /// A resize of `len` pixels to `out`.
    fn resize(len: i32, out: i32, interpolation: Interpolation, antialias: u32) -> StagePlan {
        let mut plan = StagePlan::moving([1, 1, len], 0);
        (plan.head, plan.interpolation) = (Head::Resize as u32, interpolation as u32);
        (plan.antialias, plan.resampled[W], plan.size[W]) = (antialias, out, out);
        plan
    }

    const INTERPOLATIONS: [(Interpolation, u32); 4] = [
        (Interpolation::Bilinear, 0),
        (Interpolation::Bilinear, 1),
        (Interpolation::Bicubic, 0),
        (Interpolation::Bicubic, 1),
    ];

    /// Lengths before and after, from the least to some that are far apart.
    fn lengths() -> impl Iterator<Item = (i32, i32)> {
        let small = (1..40).flat_map(|len| (1..40).map(move |out| (len, out)));
        small.chain([
            (375, 224),
            (500, 224),
            (224, 375),
            (2048, 224),
            (3001, 7),
            (9000, 1),
            (7, 999),
        ])
    }

    #[test]
    fn weights_sum_to_one_and_taps_stay_inside() {
        let nearest = [(Interpolation::Nearest, 0)];
        for (len, out) in lengths() {
            for (interpolation, antialias) in INTERPOLATIONS.into_iter().chain(nearest) {
                let plan = resize(len, out, interpolation, antialias);
                let count = Filter::of(&plan, W).count().min(len as usize);
                let (mut starts, mut weights) =
                    (vec![0; out as usize], vec![0.0; out as usize * count]);
                let taps = axis_taps(&plan, W, &mut starts, &mut weights);
                for (start, weights) in taps.start.iter().zip(taps.weights.chunks(taps.count)) {
                    let total: f32 = weights.iter().sum();
                    assert!((total - 1.0).abs() < 1e-5, "{len} to {out}: {weights:?}");
                    assert!(*start as usize + weights.len() <= len as usize);
                }
            }
        }
    }

    #[test]
    fn integer_weights_sum_to_one_and_fit_and_are_those_of_the_filter() {
        for (len, out) in lengths() {
            for (interpolation, antialias) in INTERPOLATIONS {
                let plan = resize(len, out, interpolation, antialias);
                let count = Filter::of(&plan, W).count().min(len as usize);
                let (mut starts, mut weights) =
                    (vec![0; out as usize], vec![0; out as usize * count]);
                let simd = Simd::detect();
                let taps = IntegerTaps::of(simd, &plan, W, &mut starts, &mut weights);
                let unit = f64::from(1 << taps.bits);
                for at in 0..out {
                    let (start, weights) = taps.output(at as usize);
                    let total: i32 = weights.iter().map(|weight| i32::from(*weight)).sum();
                    assert_eq!(f64::from(total), unit, "{len} to {out}: {weights:?}");
                    assert!(start + weights.len() <= len as usize);
                    // Sums of the second pass: values between the passes are no larger than the
                    // largest byte with its fraction and its overshoot.
                    let size: f64 = weights.iter().map(|weight| f64::from(*weight).abs()).sum();
                    assert!(255.0 * 64.0 * size * (size / unit) < f64::from(i32::MAX));
                    assert!(255.0 * 64.0 * (size / unit) < f64::from(i16::MAX));
                    let mut exact = vec![0.0; len as usize];
                    let filter = Filter::of(&plan, W);
                    filter.each(&plan, at, len, |pixel, weight| exact[pixel as usize] += weight);
                    for (pixel, exact) in exact.into_iter().enumerate() {
                        let weight = pixel.checked_sub(start).and_then(|at| weights.get(at));
                        let apart = f64::from(weight.copied().unwrap_or(0)) - exact * unit;
                        assert!(apart.abs() <= 2.0, "{len} to {out}: {apart} at {pixel}");
                    }
                }
            }
        }
    }
    #[test]
    fn the_integers_of_a_kernel_sum_to_one_and_are_near_its_weights() {
        for half in 1..=32 {
            for sigma in [1e-9, 0.1, 0.4, 0.8, 1.0, 2.0, 3.3, 9.0, 1e9] {
                let bell = |x: usize| (-0.5 * (x as f64 / sigma).powi(2)).exp();
                let total = 1.0 + 2.0 * (1..half).map(bell).sum::<f64>();
                let exact: Vec<f64> = (0..half).map(|x| bell(x) / total).collect();
                let mut plan = resize(9, 9, Interpolation::Nearest, 0);
                plan.weights_len = half as u32;
                for (weight, exact) in plan.weights.iter_mut().zip(&exact) {
                    *weight = *exact as f32;
                }
                let mut memory = [7; 40];
                let weights = kernel_weights(&plan, &mut memory);
                let sum: i32 = weights[1..].iter().map(|weight| i32::from(*weight)).sum();
                assert_eq!(i32::from(weights[0]) + 2 * sum, 1 << 14, "{half}, {sigma}");
                for (weight, exact) in weights.iter().zip(&exact) {
                    let apart = f64::from(*weight) - exact * f64::from(1 << 14);
                    assert!(*weight >= 0 && apart.abs() <= 1.1, "{half}, {sigma}: {apart}");
                }
            }
        }
    }
    /// One output after the other, as the filter finds its taps.
    #[test]
    fn integer_weights_of_several_outputs_are_those_of_each() {
        for simd in Simd::levels() {
            for (len, out) in lengths() {
                for (interpolation, antialias) in INTERPOLATIONS {
                    let plan = resize(len, out, interpolation, antialias);
                    let filter = Filter::of(&plan, W);
                    let count = filter.count().min(len as usize);
                    let (mut starts, mut weights) =
                        (vec![0; out as usize], vec![7; out as usize * count]);
                    let taps = IntegerTaps::of(simd, &plan, W, &mut starts, &mut weights);
                    for at in 0..out {
                        let (start, found) = taps.output(at as usize);
                        let mut rounding = Rounding::new(taps.bits);
                        let mut expected = vec![0; len as usize];
                        filter.each(&plan, at, len, |pixel, weight| {
                            expected[pixel as usize] += rounding.next(weight);
                        });
                        let used = used(&expected);
                        assert_eq!((start, found), (used.start, &expected[used]), "{len} to {out}");
                    }
                }
            }
        }
    }
}
