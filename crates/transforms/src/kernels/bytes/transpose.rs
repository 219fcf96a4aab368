//! Columns that become rows.
//!
//! A row of a turned image takes a pixel of every row of the source, each on another line of the
//! cache. A few rows are therefore made at once, so that what a line holds is used while it is near:
//! 224 lines of 64 bytes are half of the first cache. Within them, blocks of 4x4 pixels (8x8 of one
//! byte, 4x16 where vectors have 64 bytes) are turned in registers.

use crate::kernels::Simd;

#[cfg(target_arch = "x86_64")]
use super::{v3, vbmi};

/// The most rows that are made at once.
pub(crate) const ROWS_MAX: usize = 8;

/// Bytes behind a row of more than one byte per pixel that may be written, to no end.
pub(crate) const SLACK: usize = 16;

/// Columns of the source, beside each other, each of which becomes a row.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Columns<'a> {
    pub(crate) bytes: &'a [u8],
    /// Where the first pixel of the leftmost column lies.
    pub(crate) first: usize,
    /// Bytes from a pixel of a column to the next.
    pub(crate) step: isize,
    /// Pixels of a column.
    pub(crate) len: usize,
    pub(crate) count: usize,
    /// Whether the rightmost column becomes the first row.
    pub(crate) mirrored: bool,
}

impl Columns<'_> {
    /// Where pixel `x` of row `row` lies, of pixels of `N` bytes.
    fn place<const N: usize>(&self, row: usize, x: usize) -> usize {
        let column = if self.mirrored { self.count - 1 - row } else { row };
        (self.first as isize + x as isize * self.step) as usize + column * N
    }

    /// Where the leftmost pixel of place `x` of the columns lies.
    #[inline(always)]
    pub(super) fn at(&self, x: usize) -> usize {
        (self.first as isize + x as isize * self.step) as usize
    }
}

/// Columns that [`transpose`] makes rows of at once, of pixels of `N` bytes.
pub(crate) const fn rows_at_once(bytes_per_pixel: usize) -> usize {
    if bytes_per_pixel == 1 { ROWS_MAX } else { ROWS_MAX / 2 }
}

/// Writes `columns` of pixels of `N` bytes as rows, `stride` bytes apart: at least a row, and
/// [`SLACK`] more where `N` is not 1.
pub(crate) fn transpose<const N: usize>(
    simd: Simd,
    columns: Columns<'_>,
    to: &mut [u8],
    stride: usize,
) {
    let mut done = 0;
    #[cfg(target_arch = "x86_64")]
    if let Some(v3) = simd.v3()
        && columns.count == rows_at_once(N)
    {
        if let Some(proof) = simd.vbmi() {
            done = vbmi::transpose::<N>(proof, &columns, to, stride);
        }
        done = v3::transpose::<N>(v3, &columns, done, to, stride);
    }
    #[cfg(not(target_arch = "x86_64"))]
    let _ = simd;
    for row in 0..columns.count {
        let to = &mut to[row * stride..][..columns.len * N];
        for (x, to) in to.as_chunks_mut::<N>().0.iter_mut().enumerate().skip(done) {
            to.copy_from_slice(&columns.bytes[columns.place::<N>(row, x)..][..N]);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::bytes;
    use super::*;

    fn transposes<const N: usize>() {
        for (height, width) in [(1, 1), (3, 9), (4, 4), (8, 8), (17, 9), (40, 11), (53, 6)] {
            let all = bytes(height * width * N);
            for count in 1..=rows_at_once(N).min(width) {
                for (mirrored, upwards) in [(false, false), (true, false), (false, true)] {
                    let step = (width * N) as isize;
                    let left = width - count;
                    let (first, step) = match upwards {
                        false => (left * N, step),
                        true => (((height - 1) * width + left) * N, -step),
                    };
                    let columns =
                        Columns { bytes: &all, first, step, len: height, count, mirrored };
                    let stride = height * N + if N == 1 { 0 } else { SLACK };
                    for simd in Simd::levels() {
                        let mut to = vec![0; stride * count];
                        transpose::<N>(simd, columns, &mut to, stride);
                        for (row, x) in (0..count).flat_map(|r| (0..height).map(move |x| (r, x))) {
                            let y = if upwards { height - 1 - x } else { x };
                            let column = left + if mirrored { count - 1 - row } else { row };
                            let expected = &all[(y * width + column) * N..][..N];
                            assert_eq!(&to[row * stride + x * N..][..N], expected);
                        }
                    }
                }
            }
        }
    }

    #[test]
    fn columns_become_rows_at_every_level() {
        transposes::<1>();
        transposes::<2>();
        transposes::<3>();
        transposes::<4>();
    }
}
