//! Sums of rows whose weights are whole numbers of some 2^-n: 1, 3, 3, 1 eighths at half the height.
//!
//! Such a sum of bytes is exact in 16 bits. What the general way makes of the same weights is the same
//! sum, in which no bit is left to be rounded.

use super::{Rows, Simd};

/// The most rows that are summed.
pub(super) const ROWS_MAX: usize = 8;

/// Weights that are not negative and fit in seven bits, with zeros behind the last.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Whole {
    pub(super) weights: [i8; ROWS_MAX],
    pub(super) count: usize,
}

impl Whole {
    /// `weights` have `bits` fractional bits and a sum of 1; the whole ones have `fraction`, at most
    /// seven: no sum of bytes passes 255 x 2^7, which is less than 2^15. `None` where a weight is
    /// not a multiple of 2^-`fraction`.
    pub(crate) fn of(weights: &[i16], bits: u32, fraction: u32) -> Option<Self> {
        let shift = bits - fraction;
        if weights.len() > ROWS_MAX {
            return None;
        }
        let mut whole = Self { weights: [0; ROWS_MAX], count: weights.len() };
        for (to, weight) in whole.weights.iter_mut().zip(weights) {
            if *weight < 0 || weight & ((1 << shift) - 1) != 0 {
                return None;
            }
            *to = (weight >> shift).try_into().ok()?;
        }
        Some(whole)
    }

    /// As many as there are.
    pub(super) fn weights(&self) -> &[i8] {
        &self.weights[..self.count]
    }
}

/// `to = w0 * row0 + w1 * row1 + ..`; rows are as long as `to`.
pub(crate) fn vertical_whole(simd: Simd, rows: &Rows<'_>, whole: &Whole, to: &mut [i16]) {
    #[cfg(target_arch = "x86_64")]
    if let Some(v3) = simd.v3()
        && to.len() >= super::v3::whole::COLUMNS
    {
        return super::v3::whole::vertical(v3, rows, whole, to);
    }
    simd.run(
        #[inline(always)]
        || plain(rows, whole, to),
    );
}

#[inline(always)]
fn plain(rows: &Rows<'_>, whole: &Whole, to: &mut [i16]) {
    to.fill(0);
    for (number, weight) in whole.weights().iter().enumerate() {
        let row = &rows.bytes[rows.place(number)..][..to.len()];
        for (sum, x) in to.iter_mut().zip(row) {
            *sum += i16::from(*weight) * i16::from(*x);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::{BETWEEN, vertical};
    use super::*;

    #[test]
    fn what_is_no_multiple_or_too_much_is_not_whole() {
        let whole = |weights: &[i16], fraction| Whole::of(weights, 15, fraction);
        let of = |weights: [i8; 8], count| Some(Whole { weights, count });
        assert_eq!(whole(&[4096, 12288, 12288, 4096], 3), of([1, 3, 3, 1, 0, 0, 0, 0], 4));
        assert_eq!(whole(&[4096, 12288, 12288, 4096], 6), of([8, 24, 24, 8, 0, 0, 0, 0], 4));
        assert_eq!(whole(&[4096, 12287, 12289, 4096], 3), None);
        assert_eq!(whole(&[-4096, 12288, 24576, 0], 3), None);
        assert_eq!(whole(&[4096; 9], 3), None);
        assert_eq!(Whole::of(&[16384], 14, 7), None);
    }

    /// In each way that rows are read, at every level.
    #[test]
    fn whole_sums_are_those_of_the_general_way() {
        let all: [&[i16]; 6] = [
            &[32767 - 32767 % 512],
            &[8192, 24576],
            &[4096, 24576, 4096],
            &[4096, 12288, 12288, 4096],
            &[8192, 2048, 2048, 16384, 4096],
            &[1024, 3072, 5120, 7168, 7168, 5120, 3072, 1024],
        ];
        for n in [1, 31, 32, 33, 64, 95, 300] {
            let bytes: Vec<u8> =
                (0..9 * n).map(|i| (i * 167 + i / 256 * 13) as u8 | 0x81).collect();
            let (step, back) = (n, 9 * n);
            let ring = Rows { bytes: &bytes, first: 5 * n, step: step as isize, wrap: 4, back };
            let up = Rows { first: 8 * n, step: -(step as isize), wrap: 9, ..ring };
            for rows in [ring, up] {
                for weights in all {
                    let whole = Whole::of(weights, 15, BETWEEN).expect("whole weights");
                    for simd in Simd::levels() {
                        let (mut expected, mut found) = (vec![1; n], vec![2; n]);
                        super::super::vertical_plain(&rows, weights, 15, &mut expected);
                        vertical_whole(simd, &rows, &whole, &mut found);
                        assert_eq!(found, expected, "{n}, {weights:?}, {simd:?}");
                        vertical(simd, &rows, weights, 15, &mut found);
                        assert_eq!(found, expected, "{n}, {weights:?}, {simd:?}");
                    }
                }
            }
        }
    }
}
