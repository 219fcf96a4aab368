//! Samples of a component to one sample for every pixel.
//!
//! As libjpeg's "fancy" upsampling: where a component is halved in a direction, a pixel is 3/4 of the
//! nearer sample and 1/4 of the next (a triangle filter), with a rounding that alternates. Other
//! factors repeat samples. At an edge of the picture the outermost sample is used in place of the
//! one beyond it.

use std::ops::Range;

use super::STEP;
use super::sampling::Sampling;
use crate::Simd;

/// How a component becomes as large as the picture.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Upsampling {
    /// It is.
    None,
    /// The triangle filter along rows ("h2v1").
    Row,
    /// The triangle filter along columns ("h1v2").
    Column,
    /// The triangle filter in both directions ("h2v2").
    Both,
    /// Every sample is repeated: `h` times along the row, and the row `v` times.
    Repeat {
        /// Pixels of a sample along a row.
        h: usize,
        /// Pixels of a sample along a column.
        v: usize,
    },
}

impl Upsampling {
    /// That of samples, by libjpeg's rules.
    pub(super) fn of(sampling: &Sampling) -> Self {
        let Sampling { h, v, width, is_filtered, .. } = *sampling;
        match (h, v) {
            (1, 1) => Self::None,
            (1, 2) if is_filtered => Self::Column,
            (2, 1) if is_filtered && width > 2 => Self::Row,
            (2, 2) if is_filtered && width > 2 => Self::Both,
            _ => Self::Repeat { h, v },
        }
    }

    /// Pixels of a sample along a row and along a column.
    pub(super) fn factors(self) -> (usize, usize) {
        match self {
            Self::None => (1, 1),
            Self::Row => (2, 1),
            Self::Column => (1, 2),
            Self::Both => (2, 2),
            Self::Repeat { h, v } => (h, v),
        }
    }

    /// Whether pixels of a row depend on the samples beside them.
    pub(super) fn filters_rows(self) -> bool {
        matches!(self, Self::Row | Self::Both)
    }

    /// Whether pixels of a column depend on the samples above and below.
    pub(super) fn filters_columns(self) -> bool {
        matches!(self, Self::Column | Self::Both)
    }

    /// The sample columns that these pixel columns depend on, of a component of that width.
    pub(super) fn sample_columns(self, pixels: Range<usize>, width: usize) -> Range<usize> {
        reach(pixels, width, self.factors().0, self.filters_rows())
    }

    /// The sample rows that these pixel rows depend on, of a component of that height.
    pub(super) fn sample_rows(self, pixels: Range<usize>, height: usize) -> Range<usize> {
        reach(pixels, height, self.factors().1, self.filters_columns())
    }

    /// The sample rows of a pixel row: the nearer and, where columns are filtered, the next; in a
    /// component of that height.
    pub(super) fn rows_of(self, pixel: usize, height: usize) -> [usize; 2] {
        match self {
            Self::None | Self::Row => [pixel; 2],
            Self::Column | Self::Both => {
                let near = pixel / 2;
                let next = if pixel % 2 == 1 { near + 1 } else { near.saturating_sub(1) };
                [near, next.min(height - 1)]
            }
            Self::Repeat { v, .. } => [pixel / v; 2],
        }
    }

    /// How many samples of a row have to be there for that many pixels.
    pub(super) fn samples(self, pixels: usize) -> usize {
        pixels / self.factors().0 + STEP
    }

    /// Writes as many pixels of a row as `pixels` holds, a multiple of `2 * STEP`. `rows` are those of
    /// [`rows_of`](Self::rows_of), with [`samples`](Self::samples) samples; where rows are filtered
    /// they begin one sample early. `sums` is any memory.
    pub(super) fn row(
        self,
        simd: Simd,
        pixel_row: usize,
        rows: [&[u8]; 2],
        sums: &mut Vec<u16>,
        pixels: &mut [u8],
    ) {
        let [near, next] = rows;
        match self {
            Self::None | Self::Repeat { h: 1, .. } => {
                pixels.copy_from_slice(&near[..pixels.len()]);
            }
            Self::Row => simd.run(
                #[inline(always)]
                || filter_row(near, pixels),
            ),
            Self::Column => simd.run(
                #[inline(always)]
                || filter_column(near, next, 1 + (pixel_row % 2) as u16, pixels),
            ),
            Self::Both => {
                let samples = self.samples(pixels.len());
                if sums.len() < samples {
                    sums.resize(samples, 0);
                }
                simd.run(
                    #[inline(always)]
                    || filter_both(near, next, &mut sums[..samples], pixels),
                );
            }
            Self::Repeat { h, .. } => repeat(near, h, pixels),
        }
    }
}

fn reach(pixels: Range<usize>, samples: usize, factor: usize, filtered: bool) -> Range<usize> {
    if pixels.is_empty() {
        return 0..0;
    }
    if filtered {
        let first = pixels.start.saturating_sub(1) / factor;
        return first..(pixels.end / factor + 1).min(samples);
    }
    pixels.start / factor..pixels.end.div_ceil(factor)
}

/// Two pixels as the bytes of one number, so that they are stored without interleaving.
#[inline(always)]
fn pair(even: u16, odd: u16) -> [u8; 2] {
    (even | odd << 8).to_le_bytes()
}

#[inline(always)]
fn filter_row(samples: &[u8], pixels: &mut [u8]) {
    let (pixels, _) = pixels.as_chunks_mut::<2>();
    let count = pixels.len();
    let (before, this, after) = (&samples[..count], &samples[1..=count], &samples[2..count + 2]);
    for k in 0..count {
        let three = 3 * u16::from(this[k]);
        let even = (three + u16::from(before[k]) + 1) >> 2;
        let odd = (three + u16::from(after[k]) + 2) >> 2;
        pixels[k] = pair(even, odd);
    }
}

#[inline(always)]
fn filter_column(near: &[u8], next: &[u8], rounding: u16, pixels: &mut [u8]) {
    for ((&near, &next), pixel) in near.iter().zip(next).zip(pixels) {
        *pixel = ((3 * u16::from(near) + u16::from(next) + rounding) >> 2) as u8;
    }
}

#[inline(always)]
fn filter_both(near: &[u8], next: &[u8], sums: &mut [u16], pixels: &mut [u8]) {
    for ((&near, &next), sum) in near.iter().zip(next).zip(sums.iter_mut()) {
        *sum = 3 * u16::from(near) + u16::from(next);
    }
    let (pixels, _) = pixels.as_chunks_mut::<2>();
    let count = pixels.len();
    let (before, this, after) = (&sums[..count], &sums[1..=count], &sums[2..count + 2]);
    for k in 0..count {
        let three = 3 * this[k];
        pixels[k] = pair((three + before[k] + 8) >> 4, (three + after[k] + 7) >> 4);
    }
}

/// Not vectorised: such samplings are rare.
fn repeat(samples: &[u8], times: usize, pixels: &mut [u8]) {
    for (pixels, &sample) in pixels.chunks_mut(times).zip(samples) {
        pixels.fill(sample);
    }
}

#[cfg(test)]
pub(super) mod tests {
    use proptest::prelude::*;

    use super::*;

    /// What the pixel at (row, column) is, from T.81's picture of sampling and libjpeg's filters.
    pub(crate) fn pixel(
        upsampling: Upsampling,
        (row, column): (usize, usize),
        (height, width): (usize, usize),
        sample: impl Fn(usize, usize) -> u8,
    ) -> u8 {
        let beside = |pixel: usize, end: usize| match pixel % 2 {
            0 => (pixel / 2).saturating_sub(1),
            _ => (pixel / 2 + 1).min(end - 1),
        };
        let at = |row, column| u32::from(sample(row, column));
        let value = match upsampling {
            Upsampling::None => at(row, column),
            Upsampling::Repeat { h, v } => at(row / v, column / h),
            Upsampling::Row => {
                let next = at(row, beside(column, width));
                (3 * at(row, column / 2) + next + 1 + column as u32 % 2) / 4
            }
            Upsampling::Column => {
                let next = at(beside(row, height), column);
                (3 * at(row / 2, column) + next + 1 + row as u32 % 2) / 4
            }
            Upsampling::Both => {
                let sum = |column| 3 * at(row / 2, column) + at(beside(row, height), column);
                let next = sum(beside(column, width));
                (3 * sum(column / 2) + next + 8 - column as u32 % 2) / 16
            }
        };
        value as u8
    }

    const ALL: [Upsampling; 8] = [
        Upsampling::None,
        Upsampling::Row,
        Upsampling::Column,
        Upsampling::Both,
        Upsampling::Repeat { h: 2, v: 1 },
        Upsampling::Repeat { h: 1, v: 3 },
        Upsampling::Repeat { h: 3, v: 2 },
        Upsampling::Repeat { h: 4, v: 4 },
    ];

    proptest! {
        #[test]
        fn rows_are_those_of_the_definition_at_every_level(
            kind in 0..ALL.len(),
            samples in prop::collection::vec(any::<u8>(), 5 * 40),
            row in 0usize..5,
        ) {
            let (height, width) = (5, 40);
            let upsampling = ALL[kind];
            let (h, v) = upsampling.factors();
            for pixel_row in v * row..v * (row + 1) {
                let rows = upsampling.rows_of(pixel_row, height).map(|row| {
                    let samples = &samples[row * width..][..width];
                    let mut padded = vec![9; width + 200];
                    let begin = usize::from(upsampling.filters_rows());
                    padded[begin..][..width].copy_from_slice(samples);
                    padded[begin + width] = samples[width - 1];
                    if begin == 1 {
                        padded[0] = samples[0];
                    }
                    padded
                });
                let expected: Vec<u8> = (0..width * h)
                    .map(|column| {
                        let size = (height, width);
                        pixel(upsampling, (pixel_row, column), size, |r, c| samples[r * width + c])
                    })
                    .collect();
                for simd in Simd::levels() {
                    let mut pixels = vec![0; (width * h).next_multiple_of(2 * STEP)];
                    let samples = upsampling.samples(pixels.len());
                    let rows = [&rows[0][..samples], &rows[1][..samples]];
                    upsampling.row(simd, pixel_row, rows, &mut Vec::new(), &mut pixels);
                    prop_assert_eq!(&pixels[..width * h], &expected[..]);
                }
            }
        }

        #[test]
        fn a_reach_holds_what_pixels_depend_on_and_no_more(
            kind in 0..ALL.len(),
            ends in [0usize..80, 0usize..80],
            samples in 3usize..40,
        ) {
            let upsampling = ALL[kind];
            let (_, v) = upsampling.factors();
            let [start, end] = ends.map(|end| end % (samples * v));
            let pixels = start.min(end)..start.max(end) + 1;
            let rows = pixels.clone().flat_map(|pixel| upsampling.rows_of(pixel, samples));
            let (low, high) = (rows.clone().min().unwrap(), rows.max().unwrap());
            prop_assert_eq!(upsampling.sample_rows(pixels.clone(), samples), low..high + 1);
        }
    }
}
