use std::ops::Range;

use super::STEP;
use super::idct::{self, Block};
use super::sampling::Sampling;
use super::upsample::Upsampling;
use crate::jpeg::blocks::Reach;
use crate::jpeg::frame::{BLOCK, Component};
use crate::{Simd, Window};

/// Memory before the first sample of a row: the sample beyond the picture's edge needs one, and a
/// cache line keeps blocks from lying across two.
const BEFORE: usize = 64;

/// Samples after the last of a row that are read: pixels are made in steps, and filters look ahead.
const AFTER: usize = 4 * STEP;

/// The samples of one component in one row of units, and their last row in the row of units before.
///
/// Samples outside the [`Reach`] are not there: their memory holds anything, and no pixel of the
/// window depends on it.
#[derive(Debug)]
pub(super) struct Plane {
    upsampling: Upsampling,
    quantisers: Block,
    reach: Reach,
    /// Rows of blocks of a unit.
    v: usize,
    /// Samples of a block along each side.
    side: usize,
    /// The first row of blocks of this row of units.
    first: usize,
    /// Rows and columns of samples in the picture.
    height: usize,
    width: usize,
    /// Where in a row of samples those begin that pixels are made of, and how many these are.
    offset: usize,
    count: usize,
    /// How many pixels are made of them, and how many of these lie before the window.
    pixel_count: usize,
    skipped: usize,
    /// Row 0 is the last of the row of units before; then come those of this one.
    samples: Vec<u8>,
    stride: usize,
    /// Where upsampling is none, not used.
    pixels: Vec<u8>,
}

impl Default for Plane {
    fn default() -> Self {
        Self {
            upsampling: Upsampling::None,
            quantisers: [0; 64],
            reach: Reach::default(),
            v: 1,
            side: BLOCK,
            first: 0,
            height: 0,
            width: 0,
            offset: 0,
            count: 0,
            pixel_count: 0,
            skipped: 0,
            samples: Vec::new(),
            stride: 0,
            pixels: Vec::new(),
        }
    }
}

impl Plane {
    pub(super) fn start(&mut self, component: &Component, sampling: &Sampling, window: &Window) {
        let Sampling { side, height, width, .. } = *sampling;
        let upsampling = Upsampling::of(sampling);
        let rows = upsampling.sample_rows(window.rows.clone(), height);
        let columns = upsampling.sample_columns(window.columns.clone(), width);
        let blocks = |samples: Range<usize>| samples.start / side..samples.end.div_ceil(side);
        self.upsampling = upsampling;
        self.quantisers = idct::quantisers(&component.quant);
        self.reach = Reach { rows: blocks(rows), columns: blocks(columns), dc_only: side == 1 };
        self.v = component.v;
        (self.side, self.height, self.width) = (side, height, width);

        let (h, _) = upsampling.factors();
        let begin = window.columns.start / h;
        let early = usize::from(upsampling.filters_rows());
        let steps = window.width().next_multiple_of(STEP);
        self.offset = BEFORE + begin - self.reach.columns.start * side - early;
        self.skipped = window.columns.start - begin * h;
        self.pixel_count = (self.skipped + steps).next_multiple_of(2 * STEP);
        self.count = upsampling.samples(self.pixel_count);
        // An odd number of cache lines, so that the rows of a block do not compete for the same sets.
        let lines = (BEFORE + self.reach.columns.len() * side + AFTER).div_ceil(64) | 1;
        self.stride = 64 * lines;
        grow(&mut self.samples, self.stride * (1 + component.v * side) + AFTER);
        if self.makes_pixels() {
            grow(&mut self.pixels, self.pixel_count);
        }
    }

    pub(super) fn reach(&self) -> &Reach {
        &self.reach
    }

    pub(super) fn filters_columns(&self) -> bool {
        self.upsampling.filters_columns()
    }

    /// Where the memory holds a sample; `row` counts from the one before the first of this row of units.
    fn at(&self, row: usize, column: usize) -> usize {
        row * self.stride + BEFORE + column - self.reach.columns.start * self.side
    }

    /// Fills in a block of the reach and of this row of units.
    #[inline]
    pub(super) fn block(
        &mut self,
        simd: Simd,
        by: usize,
        bx: usize,
        coefficients: &Block,
        last: usize,
    ) {
        debug_assert!(self.reach.contains(by, bx), "block [{by}, {bx}] of {:?}", self.reach);
        let at = self.at(1 + (by - self.first) * self.side, bx * self.side);
        let (quantisers, stride) = (&self.quantisers, self.stride);
        if self.side == BLOCK {
            let (samples, _) = self.samples.as_chunks_mut::<BLOCK>();
            let (at, stride) = (at / BLOCK, stride / BLOCK);
            return idct::block(simd, coefficients, quantisers, last, samples, at, stride);
        }
        let samples = &mut self.samples[at..];
        match self.side {
            4 => idct::block_of_4(simd, coefficients, quantisers, last, samples, stride),
            2 => idct::block_of_2(simd, coefficients, quantisers, last, samples, stride),
            _ => samples[0] = idct::block_of_1(coefficients[0], quantisers[0]),
        }
    }

    /// Repeats the outermost samples of the picture beyond its edges, where they are filtered.
    pub(super) fn extend(&mut self) {
        if !self.upsampling.filters_rows() {
            return;
        }
        let left = self.reach.columns.start == 0;
        let right = self.reach.columns.end * self.side >= self.width;
        for row in 1..=self.v * self.side {
            if left {
                let first = self.at(row, 0);
                self.samples[first - 1] = self.samples[first];
            }
            if right {
                let end = self.at(row, self.width);
                self.samples[end] = self.samples[end - 1];
            }
        }
    }

    /// Goes to a row of units. The last row of samples stays for it.
    pub(super) fn go_to(&mut self, unit_row: usize) {
        self.first = unit_row * self.v;
        let last = self.v * self.side * self.stride;
        self.samples.copy_within(last..last + self.stride, 0);
    }

    /// Makes the pixels of a row, whose samples are there.
    pub(super) fn upsample(&mut self, simd: Simd, pixel_row: usize, sums: &mut Vec<u16>) {
        if self.makes_pixels() {
            let rows = self.rows(pixel_row).map(|at| &self.samples[at..at + self.count]);
            let pixels = &mut self.pixels[..self.pixel_count];
            self.upsampling.row(simd, pixel_row, rows, sums, pixels);
        }
    }

    /// The pixels of a row from the first of the window on, and at least up to a multiple of [`STEP`]
    /// of them. What [`upsample`](Self::upsample) makes, it has made.
    pub(super) fn pixels(&self, pixel_row: usize) -> &[u8] {
        if self.makes_pixels() {
            return &self.pixels[self.skipped..self.pixel_count];
        }
        let [at, _] = self.rows(pixel_row);
        &self.samples[at..at + self.pixel_count]
    }

    /// Whether pixels are not the samples themselves, somewhere in their rows.
    fn makes_pixels(&self) -> bool {
        !matches!(self.upsampling, Upsampling::None | Upsampling::Repeat { h: 1, .. })
    }

    #[cfg(test)]
    pub(super) fn poison(&mut self, byte: u8) {
        self.samples.fill(byte);
        self.pixels.fill(byte);
    }

    /// Where in memory the samples of a row of pixels begin.
    fn rows(&self, pixel_row: usize) -> [usize; 2] {
        let rows = self.upsampling.rows_of(pixel_row, self.height);
        rows.map(|row| (row + 1 - self.first * self.side) * self.stride + self.offset)
    }
}

fn grow<T: Default + Clone>(memory: &mut Vec<T>, count: usize) {
    if memory.len() < count {
        memory.resize(count, T::default());
    }
}
