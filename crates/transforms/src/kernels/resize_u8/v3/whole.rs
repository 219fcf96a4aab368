//! Sums in 16 bits in AVX2.

use std::arch::x86_64::__m256i;

use pulp::x86::V3;
use pulp::{NullaryFnOnce, cast};

use super::super::Rows;
use super::super::whole::Whole;

/// Columns that are summed at once.
pub(in super::super) const COLUMNS: usize = 32;

/// `to` has at least [`COLUMNS`] columns.
pub(in super::super) fn vertical(v3: V3, rows: &Rows<'_>, whole: &Whole, to: &mut [i16]) {
    match whole.count.div_ceil(2) {
        0 | 1 => v3.vectorize(Vertical::<1> { v3, rows, whole, to }),
        2 => v3.vectorize(Vertical::<2> { v3, rows, whole, to }),
        3 => v3.vectorize(Vertical::<3> { v3, rows, whole, to }),
        _ => v3.vectorize(Vertical::<4> { v3, rows, whole, to }),
    }
}

/// So many pairs of rows. One instruction multiplies the bytes of two rows and adds the products: 32
/// columns take two of them, and two that put bytes side by side, where numbers of 32 bits take four
/// and six.
struct Vertical<'a, const PAIRS: usize> {
    v3: V3,
    rows: &'a Rows<'a>,
    whole: &'a Whole,
    to: &'a mut [i16],
}

impl<const PAIRS: usize> NullaryFnOnce for Vertical<'_, PAIRS> {
    type Output = ();

    #[inline(always)]
    fn call(self) {
        let Self { v3, rows, whole, to } = self;
        let (avx, avx2, len) = (v3.avx, v3.avx2, to.len());
        let mut pairs: [[&[u8]; 2]; PAIRS] = [[&[]; 2]; PAIRS];
        let mut weights = [avx._mm256_setzero_si256(); PAIRS];
        for (pair, (rows_of, to)) in pairs.iter_mut().zip(&mut weights).enumerate() {
            let [a, b] = [2 * pair, 2 * pair + 1];
            // The last of an odd number comes twice, the second time with no weight.
            *rows_of = [a, b.min(whole.count.max(1) - 1)]
                .map(|number| &rows.bytes[rows.place(number)..][..len]);
            *to = avx._mm256_set1_epi16(i16::from_le_bytes([
                whole.weights[a] as u8,
                whole.weights[b] as u8,
            ]));
        }
        let last = len - COLUMNS;
        let mut at = 0;
        loop {
            let mut sums = [avx._mm256_setzero_si256(); 2];
            for ([a, b], weights) in pairs.iter().zip(&weights) {
                let (a, b) = (block(a, at), block(b, at));
                let sides = [avx2._mm256_unpacklo_epi8(a, b), avx2._mm256_unpackhi_epi8(a, b)];
                for (sum, sides) in sums.iter_mut().zip(sides) {
                    let products = avx2._mm256_maddubs_epi16(sides, *weights);
                    *sum = avx2._mm256_add_epi16(*sum, products);
                }
            }
            // Bytes were put side by side within each half of a register.
            let [low, high] = sums;
            let to = &mut to[at..][..COLUMNS];
            let values: [i16; COLUMNS] = cast([
                avx2._mm256_permute2x128_si256::<0x20>(low, high),
                avx2._mm256_permute2x128_si256::<0x31>(low, high),
            ]);
            to.copy_from_slice(&values);
            if at == last {
                return;
            }
            // The last columns are made twice where they are not as many.
            at = (at + COLUMNS).min(last);
        }
    }
}

#[inline(always)]
fn block(row: &[u8], at: usize) -> __m256i {
    let bytes: [u8; COLUMNS] = *row[at..].first_chunk().expect("a block");
    cast(bytes)
}
