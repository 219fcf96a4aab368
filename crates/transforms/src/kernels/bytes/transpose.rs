//! Columns that become rows.
//!
//! A row of a turned image takes a pixel of every row of the source, each on another line of the
//! cache. Eight rows are therefore made at once, so that what a line holds is used while it is near:
//! 375 lines of 64 bytes and eight rows of the image are what the first cache has. Within them,
//! blocks of 8x8 pixels are turned in registers.

use tallow_core::Run;

#[cfg(target_arch = "x86_64")]
use super::v3;
use crate::kernels::Simd;

/// Rows that are made at once.
pub(crate) const ROWS: usize = 8;

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

/// Writes `columns` of pixels of `N` bytes as rows, one behind the other.
pub(crate) fn transpose<const N: usize>(simd: Simd, columns: &Columns<'_>, to: &mut Run<'_, u8>) {
    let pixel = |row: usize, x: usize| -> [u8; N] {
        *columns.bytes[columns.place::<N>(row, x)..].first_chunk().expect("a pixel")
    };
    #[cfg(target_arch = "x86_64")]
    if let Some(v3) = simd.v3()
        && columns.count == ROWS
    {
        let mut rows = to.rows::<ROWS>(columns.len * N);
        v3::transpose::<N>(v3, columns, &mut rows);
        while rows.left() > 0 {
            let x = columns.len - rows.left() / N;
            rows.put::<N>(std::array::from_fn(|row| pixel(row, x)), N);
        }
        return;
    }
    #[cfg(not(target_arch = "x86_64"))]
    let _ = simd;
    for row in 0..columns.count {
        to.extend::<N>((0..columns.len).map(|x| pixel(row, x)));
    }
}

#[cfg(test)]
mod tests {
    use super::super::bytes;
    use super::*;

    fn transposes<const N: usize>() {
        for (height, width) in [(1, 1), (3, 9), (4, 4), (8, 8), (17, 9), (40, 11), (53, 6), (64, 8)]
        {
            let all = bytes(height * width * N);
            for count in 1..=ROWS.min(width) {
                for (mirrored, upwards) in [(false, false), (true, false), (false, true)] {
                    let step = (width * N) as isize;
                    let left = width - count;
                    let (first, step) = match upwards {
                        false => (left * N, step),
                        true => (((height - 1) * width + left) * N, -step),
                    };
                    let columns =
                        Columns { bytes: &all, first, step, len: height, count, mirrored };
                    for simd in Simd::levels() {
                        let mut to = vec![0; height * N * count];
                        let mut run = Run::over(&mut to);
                        transpose::<N>(simd, &columns, &mut run);
                        assert_eq!(run.left(), 0);
                        drop(run);
                        for (row, x) in (0..count).flat_map(|r| (0..height).map(move |x| (r, x))) {
                            let y = if upwards { height - 1 - x } else { x };
                            let column = left + if mirrored { count - 1 - row } else { row };
                            let expected = &all[(y * width + column) * N..][..N];
                            assert_eq!(&to[(row * height + x) * N..][..N], expected);
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
