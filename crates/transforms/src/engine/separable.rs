//! Resizes and blurs: each output is a weighted sum of neighbours, first along the width, then
//! along the height. Rows that were resampled along the width are kept in a ring while the height
//! needs them, so each source row is read once.

use std::ops::Range;

use super::memory::{HeadMemory, Tile};
use super::view::{View, beyond};
use crate::kernels::Simd;
use crate::kernels::convert::Pixel;
use crate::kernels::taps::{Taps, convolve, horizontal, horizontal4, vertical, vertical_more};
use crate::plan::{Border, H, Head, Interpolation, StagePlan, W};

/// Rows that one pass along the height adds up.
const ROWS_AT_ONCE: usize = 16;

/// No row of any image.
const NO_ROW: i32 = i32::MIN;

/// A resize or a blur under way.
#[derive(Debug)]
pub(crate) struct Separable<'a> {
    x: Taps<'a>,
    y: Taps<'a>,
    /// The columns of the middle image that have a tap; taps of x count from the first.
    columns: Range<u32>,
    /// Outputs of a blur whose kernel does not meet the border: all have the same weights.
    inner: Range<usize>,
    /// Row r of slice `slice` of the middle image lies at r modulo the taps of y.
    ring: &'a mut [f32],
    held: &'a mut [i32],
    slice: i32,
    /// A row of the middle image.
    row: &'a mut [f32],
    stride: usize,
}

impl<'a> Separable<'a> {
    /// Works out the taps of `plan`.
    pub(crate) fn prepare(plan: &StagePlan, memory: &'a mut HeadMemory<'_>) -> Self {
        let HeadMemory { row, ring, weights, starts, held, stride, .. } = memory;
        let [x_weights, y_weights] = weights;
        let [x_starts, y_starts] = starts;
        let x_starts = &mut x_starts[..plan.size[W] as usize];
        let count = axis_taps(plan, W, x_starts, x_weights).count;
        let columns = narrow(x_starts, count);
        let weights = &x_weights[..x_starts.len() * count];
        let x = Taps { start: x_starts, weights, count };
        let y = axis_taps(plan, H, y_starts, y_weights);
        let held = &mut held[..y.count];
        held.fill(NO_ROW);
        let inner = inner_of(plan, &x);
        Self { x, y, columns, inner, ring, held, slice: NO_ROW, row, stride: *stride }
    }

    /// Output row (z, y) into `tile`.
    pub(crate) fn row<T: Pixel>(
        &mut self,
        simd: Simd,
        view: &View<'_, T>,
        [z, y]: [i32; 2],
        tile: &mut Tile<'_>,
    ) {
        if self.slice != z {
            self.held.fill(NO_ROW);
            self.slice = z;
        }
        let (first, count) = (self.y.start[y as usize] as usize, self.y.count);
        for r in first..first + count {
            if self.held[r % count] != r as i32 {
                self.resample(simd, view, z, r as i32, tile.width);
            }
        }
        let weights = &self.y.weights[y as usize * count..][..count];
        let image = tile.channels * self.stride;
        let len = image - self.stride + tile.width;
        let ring = |r: usize| &self.ring[(first + r) % count * image..][..len];
        let values = &mut tile.values[..len];
        if count <= 2 {
            return vertical(simd, &[ring(0), ring(count - 1)][..count], weights, values);
        }
        for (part, weights) in weights.chunks(ROWS_AT_ONCE).enumerate() {
            let rows: [&[f32]; ROWS_AT_ONCE] =
                std::array::from_fn(|t| ring((part * ROWS_AT_ONCE + t).min(count - 1)));
            let add = if part == 0 { vertical } else { vertical_more };
            add(simd, &rows[..weights.len()], weights, values);
        }
    }

    /// Row `r` of the middle image, resampled along the width, into its place in the ring.
    fn resample<T: Pixel>(&mut self, simd: Simd, view: &View<'_, T>, z: i32, r: i32, width: usize) {
        let slot = r as usize % self.y.count;
        let len = view.channels() * self.stride;
        let to = &mut self.ring[slot * len..][..len];
        self.held[slot] = r;
        if !self.inner.is_empty() {
            view.row(simd, z, r, self.row, self.stride);
            for (from, to) in self.row.chunks(self.stride).zip(to.chunks_mut(self.stride)) {
                blur(simd, &self.x, &self.inner, &from[..width], &mut to[..width]);
            }
            return;
        }
        let view = view.columns(&self.columns);
        let pixels = bytemuck::cast_slice_mut(self.row);
        if view.pixels(simd, z, r, pixels) {
            let pixels = &pixels[..view.width()];
            return horizontal4(simd, pixels, &self.x, view.channels(), to, self.stride);
        }
        let middle = view.width();
        view.row(simd, z, r, self.row, self.stride);
        for (from, to) in self.row.chunks(self.stride).zip(to.chunks_mut(self.stride)) {
            horizontal(simd, &from[..middle], &self.x, &mut to[..width]);
        }
    }
}

/// The columns from the first tap of all to the last, from which `starts` count from here on.
fn narrow(starts: &mut [u32], count: usize) -> Range<u32> {
    let first = starts.iter().copied().min().unwrap_or(0);
    let last = starts.iter().copied().max().unwrap_or(0);
    starts.iter_mut().for_each(|start| *start -= first);
    first..last + count as u32
}

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

/// Where a blur along the width is the same sum everywhere.
fn inner_of(plan: &StagePlan, x: &Taps<'_>) -> Range<usize> {
    let (reach, outputs) = ((plan.weights_len as usize).saturating_sub(1), x.start.len());
    if plan.head() != Head::Blur || x.count != 2 * reach + 1 {
        return 0..0;
    }
    reach..outputs.saturating_sub(reach).max(reach)
}

/// One row of a blur: in vectors where all outputs have the same weights, by its taps elsewhere.
fn blur(simd: Simd, x: &Taps<'_>, inner: &Range<usize>, from: &[f32], to: &mut [f32]) {
    let Taps { start, weights, count } = *x;
    let (reach, end) = (inner.start, inner.end);
    for border in [0..reach, end..to.len()] {
        let weights = &weights[border.start * count..border.end * count];
        let taps = Taps { start: &start[border.clone()], weights, count };
        horizontal(simd, from, &taps, &mut to[border]);
    }
    let weights = &weights[reach * count..][..count];
    convolve(simd, &from[..end + reach], weights, &mut to[reach..end]);
}

/// The taps along `axis` of every output of `plan`.
fn axis_taps<'a>(
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
        *start = filter.taps(plan, resampled, len, weights);
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

    /// Writes the weights of resampled pixel `at` and returns the first tap.
    fn taps(self, plan: &StagePlan, at: i32, len: i32, weights: &mut [f32]) -> u32 {
        let ((place, first), count) = (self.place(at, len), weights.len() as i32);
        let start = self.start(at, len, count);
        match self {
            Self::Nearest { .. } => weights[0] = 1.0,
            Self::Bilinear { .. } => {
                let second = place - f64::from(first);
                spread(first, start, &[1.0 - second, second], len, weights);
            }
            Self::Bicubic { .. } => {
                spread(first, start, &cubic_taps(place - place.floor(), -0.75), len, weights);
            }
            Self::Wide { scale, support, cubic } => {
                let end = ((place + support + 0.5) as i32).min(len);
                let weights = &mut weights[(first - start) as usize..(end - start) as usize];
                wide_taps(first, place, scale.max(1.0), cubic, weights);
            }
            Self::Kernel { half } => kernel_taps(plan, half as i32, at, len, start, weights),
        }
        start as u32
    }
}

/// The pixel that is nearest in edge coordinates.
pub(crate) fn nearest(at: i32, scale: f64, len: i32) -> i32 {
    ((scale * (f64::from(at) + 0.5)).floor() as i32).clamp(0, len - 1)
}

/// Taps from `first` on, of which `weights` begin with that of pixel `start`; those outside of
/// 0..`len` count for the outermost pixel.
fn spread(first: i32, start: i32, taps: &[f64], len: i32, weights: &mut [f32]) {
    for (at, &tap) in (first..).zip(taps) {
        weights[(at.clamp(0, len - 1) - start) as usize] += tap as f32;
    }
}

/// Cubic convolution (Keys, 1981) at the fraction `t` between the second and third of four taps.
fn cubic_taps(t: f64, a: f64) -> [f64; 4] {
    [cubic(t + 1.0, a), cubic(t, a), cubic(1.0 - t, a), cubic(2.0 - t, a)]
}

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

/// The taps from `first` on of an antialiased resize, as PIL and torch find them: all pixels less
/// than the support from the centre, their weights made to sum to 1.
fn wide_taps(first: i32, centre: f64, scale: f64, is_cubic: bool, weights: &mut [f32]) {
    let weight = |at: i32| {
        let x = (f64::from(at) - centre + 0.5) / scale;
        if is_cubic { cubic(x, -0.5) } else { (1.0 - x.abs()).max(0.0) }
    };
    let total: f64 = (first..).take(weights.len()).map(weight).sum();
    weights.iter_mut().zip(first..).for_each(|(to, at)| *to = (weight(at) / total) as f32);
}

/// The taps of a blur, those outside reflected.
fn kernel_taps(plan: &StagePlan, half: i32, at: i32, len: i32, start: i32, weights: &mut [f32]) {
    for tap in at - half + 1..at + half {
        let inside = match (0..len).contains(&tap) {
            true => tap,
            false => beyond(Border::Reflect, tap, len).unwrap_or(0),
        };
        // A reflected tap lies among those inside: both are within the kernel of the border.
        weights[(inside - start) as usize] += plan.weights[(tap - at).unsigned_abs() as usize];
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn weights_sum_to_one_and_taps_stay_inside() {
        for (scale, out) in [(0.4, 25), (1.0, 10), (3.3, 3)] {
            let filters = [
                Filter::Nearest { scale },
                Filter::Bilinear { scale },
                Filter::Bicubic { scale },
                Filter::Wide { scale, support: scale.max(1.0), cubic: false },
                Filter::Wide { scale, support: 2.0 * scale.max(1.0), cubic: true },
            ];
            for (filter, at) in filters.into_iter().flat_map(|f| (0..out).map(move |at| (f, at))) {
                let mut weights = vec![0.0; filter.count().min(10)];
                let plan = StagePlan::moving([1, 1, 10], 0);
                let start = filter.taps(&plan, at, 10, &mut weights);
                let total: f32 = weights.iter().sum();
                assert!((total - 1.0).abs() < 1e-5, "{filter:?} at {at}: {weights:?}");
                assert!(start as usize + weights.len() <= 10);
            }
        }
    }
}
