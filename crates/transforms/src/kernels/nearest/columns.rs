//! Whole pixels from the same columns of every row.

use bytemuck::Pod;
use tallow_core::Run;

use super::super::Simd;
use super::super::bytes::gather;

/// Bytes that a vector reads, and that it writes of four pixels; the last four are the next block's.
const LANES: usize = 16;

/// Pixels of three bytes that are put together.
const TOGETHER: usize = 4;

/// A byte that becomes 0.
const NONE: u8 = 0x80;

/// Where the pixels of a row begin.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Columns<'a> {
    /// The elements, counted from the first of the row.
    pub(crate) first: &'a [u32],
    /// The greatest of them.
    pub(crate) last: usize,
    /// The same for vectors.
    pub(crate) pairs: Option<Pairs<'a>>,
}

/// Pixels of three bytes two by two: where a vector is read that has both, and in which order its bytes
/// are wanted. One of [`TOGETHER`] pixels then takes two loads and two shuffles, where pixel by pixel they
/// are four loads and nine operations on numbers.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Pairs<'a> {
    starts: &'a [[u32; 2]],
    /// Of the first two pixels of each block, and of the other two.
    orders: [&'a [[u8; LANES]]; 2],
}

impl<'a> Pairs<'a> {
    /// Lays out the pairs of `columns`, but for what is left behind whole blocks, in memory for half as many
    /// numbers and four times as many bytes, twice. Returns `false` where two neighbours are too far
    /// apart.
    pub(crate) fn lay(columns: &[u32], starts: &mut [u32], orders: [&mut [u8]; 2]) -> bool {
        let starts = starts.as_chunks_mut::<2>().0;
        let [front, back] = orders.map(|orders| orders.as_chunks_mut::<LANES>().0);
        for (block, columns) in columns.as_chunks::<TOGETHER>().0.iter().enumerate() {
            for (pair, order) in [&mut front[block], &mut back[block]].into_iter().enumerate() {
                let of = [columns[2 * pair], columns[2 * pair + 1]];
                let start = of[0].min(of[1]);
                if of[0].max(of[1]) - start > LANES as u32 - 3 {
                    return false;
                }
                *order = [NONE; LANES];
                for (k, at) in of.into_iter().enumerate() {
                    let at = (at - start) as u8;
                    order[6 * pair + 3 * k..][..3].copy_from_slice(&[at, at + 1, at + 2]);
                }
                starts[block][pair] = start;
            }
        }
        true
    }

    /// What was laid out of `count` columns.
    pub(crate) fn of(count: usize, starts: &'a [u32], orders: [&'a [u8]; 2]) -> Self {
        let blocks = count / TOGETHER;
        let orders = orders.map(|orders| &orders.as_chunks().0[..blocks]);
        Self { starts: &starts.as_chunks().0[..blocks], orders }
    }
}

/// Writes the pixels of `N` elements that begin at `columns`.
pub(crate) fn take<T: Pod, const N: usize>(from: &[T], columns: &Columns<'_>, to: &mut Run<'_, T>) {
    let pixel = |column: &u32| *from[*column as usize..].first_chunk::<N>().expect("a pixel");
    to.extend(columns.first.iter().map(pixel));
}

/// The same of three bytes.
pub(crate) fn take_colors(simd: Simd, from: &[u8], columns: &Columns<'_>, to: &mut Run<'_, u8>) {
    let mut done = 0;
    #[cfg(target_arch = "x86_64")]
    if let (Some(v3), Some(pairs)) = (simd.v3(), &columns.pairs) {
        done = super::v3::take_pairs(v3, from, pairs.starts, pairs.orders, to);
    }
    gather(from, &columns.first[done..], columns.last, to);
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(from: &[u8], columns: &[u32], is_paired: bool) {
        let expected: Vec<u8> =
            columns.iter().flat_map(|at| from[*at as usize..][..3].to_vec()).collect();
        let blocks = columns.len() / TOGETHER;
        let (mut starts, mut front, mut back) =
            (vec![9; 2 * blocks], vec![1; LANES * blocks], vec![1; LANES * blocks]);
        let is_laid = Pairs::lay(columns, &mut starts, [&mut front, &mut back]);
        assert_eq!(is_laid, is_paired, "{columns:?}");
        let pairs = is_laid.then(|| Pairs::of(columns.len(), &starts, [&front, &back]));
        let last = columns.iter().copied().max().unwrap_or(0) as usize;
        let columns = Columns { first: columns, last, pairs };
        for simd in Simd::levels() {
            for room in [0, 3, 100] {
                let mut to = vec![0; expected.len() + room];
                let mut run = Run::over(&mut to);
                take_colors(simd, from, &columns, &mut run);
                assert_eq!(run.written(), expected, "{simd:?}");
            }
            let mut to = vec![0; expected.len()];
            take::<u8, 3>(from, &columns, &mut Run::over(&mut to));
            assert_eq!(to, expected);
        }
    }

    #[test]
    fn colors_come_from_their_columns_at_every_level() {
        let from: Vec<u8> = (0..600).map(|i| (i * 37 + i / 256) as u8).collect();
        for n in [1, 3, 4, 7, 8, 41, 224] {
            // Grown, as they are, and fewer, up to the last pixel of all; and from the last on.
            for share in [0.3, 1.0, 2.23, 4.0] {
                let column = |i: usize| 3 * ((i as f64 * share) as u32).min(199);
                let mut columns: Vec<u32> = (0..n).map(column).collect();
                check(&from, &columns, true);
                columns.iter_mut().for_each(|at| *at = 597 - *at);
                check(&from, &columns, true);
            }
        }
        check(&from, &[0, 15, 30, 45], false);
        check(&from, &[0, 3, 588, 573, 6], false);
    }
}
