//! Resizes and blurs: each output is a weighted sum of neighbours, first along the width, then
//! along the height. Rows that were resampled along the width are kept in a ring while the height
//! needs them, so each source row is read once.

use std::ops::Range;

use super::memory::{HeadMemory, Tile};
use super::taps::axis_taps;
use super::view::View;
use crate::kernels::Simd;
use crate::kernels::convert::Pixel;
use crate::kernels::taps::{Taps, convolve, horizontal, horizontal4, vertical, vertical_more};
use crate::plan::{H, Head, StagePlan, W};

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
