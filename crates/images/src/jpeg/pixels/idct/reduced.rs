//! The transform of a block to fewer samples: 4x4, 2x2 or one.
//!
//! They are libjpeg's (`jidctred.c`): the transform of 8 numbers, of whose outputs those that come to
//! lie side by side are averaged. Coefficients that the averages hardly depend on are left out: number 4
//! of each row and column, and for 2x2 also numbers 2 and 6.

use super::{
    BITS, Block, C0_765, C0_899, C1_847, C2_562, KEPT, Lane, PLACES, add, dequantised, dot, flat,
    saturate, sub, turned,
};
use crate::Simd;

// Further constants of the reduced transforms, rounded to `BITS` bits.
const C0_211: i32 = 1730;
const C0_509: i32 = 4176;
const C0_601: i32 = 4926;
const C0_720: i32 = 5906;
const C0_850: i32 = 6967;
const C1_061: i32 = 8697;
const C1_272: i32 = 10426;
const C1_451: i32 = 11893;
const C2_172: i32 = 17799;
const C3_624: i32 = 29692;

/// What the pairs (0, 4) and (2, 6) are multiplied by for 4 outputs.
pub(super) const EVEN: [[i32; 2]; 2] = [[1 << (BITS + 1), 0], [C1_847, -C0_765]];

/// What the pairs (7, 1) and (3, 5) are multiplied by for outputs 0 and 1 (and 3 and 2).
pub(super) const ODD: [[[i32; 2]; 2]; 2] =
    [[[-C0_509, C2_562], [C0_899, -C0_601]], [[-C0_211, C1_061], [-C2_172, C1_451]]];

/// By how much the sums of columns are shifted for 4 outputs.
pub(super) const COLUMN_SHIFT: u32 = BITS - KEPT + 1;
pub(super) const COLUMN_ROUNDING: i32 = 1 << (COLUMN_SHIFT - 1);
/// By how much those of rows are.
pub(super) const ROW_SHIFT: u32 = BITS + KEPT + 3 + 1;
pub(super) const ROW_ROUNDING: i32 = (1 << (ROW_SHIFT - 1)) + (128 << ROW_SHIFT);

/// Writes a block as 4x4 samples, the rows `stride` apart. `last` is as in [`super::block`].
#[inline]
pub(in crate::jpeg::pixels) fn block_of_4(
    simd: Simd,
    coefficients: &Block,
    quantisers: &Block,
    last: usize,
    samples: &mut [u8],
    stride: usize,
) {
    if last == 0 {
        let row = [flat(coefficients[0].wrapping_mul(quantisers[0])); 4];
        return store([row; 4], samples, stride);
    }
    #[cfg(target_arch = "x86_64")]
    if let Some(v3) = simd.v3() {
        return store(super::v3::block_of_4(v3, coefficients, quantisers), samples, stride);
    }
    let rows = simd.run(
        #[inline(always)]
        || four(coefficients, quantisers),
    );
    store(rows, samples, stride);
}

/// Writes a block as 2x2 samples.
#[inline]
pub(in crate::jpeg::pixels) fn block_of_2(
    simd: Simd,
    coefficients: &Block,
    quantisers: &Block,
    last: usize,
    samples: &mut [u8],
    stride: usize,
) {
    if last == 0 {
        let row = [flat(coefficients[0].wrapping_mul(quantisers[0])); 2];
        return store([row; 2], samples, stride);
    }
    #[cfg(target_arch = "x86_64")]
    if let Some(v3) = simd.v3() {
        return store(super::v3::block_of_2(v3, coefficients, quantisers), samples, stride);
    }
    let rows = simd.run(
        #[inline(always)]
        || two(coefficients, quantisers),
    );
    store(rows, samples, stride);
}

/// The one sample that a block becomes: its mean.
#[inline]
pub(in crate::jpeg::pixels) fn block_of_1(dc: i16, quantiser: i16) -> u8 {
    flat(dc.wrapping_mul(quantiser))
}

fn store<const N: usize>(rows: [[u8; N]; N], samples: &mut [u8], stride: usize) {
    for (k, row) in rows.into_iter().enumerate() {
        samples[k * stride..][..N].copy_from_slice(&row);
    }
}

#[inline(always)]
fn four(coefficients: &Block, quantisers: &Block) -> [[u8; 4]; 4] {
    let columns = transform_to_4(dequantised(coefficients, quantisers), COLUMN_ROUNDING);
    let mut rows = [[0; 4]; 4];
    for (column, sums) in
        transform_to_4(turned::<4, COLUMN_SHIFT>(&columns), ROW_ROUNDING).iter().enumerate()
    {
        for (row, &sum) in rows.iter_mut().zip(sums) {
            row[column] = (sum >> ROW_SHIFT).clamp(0, 255) as u8;
        }
    }
    rows
}

#[inline(always)]
fn transform_to_4(pairs: [[Lane; 2]; 4], rounding: i32) -> [Lane; 4] {
    let first = add(dot(EVEN[0], pairs[0]), [rounding; 8]);
    let second = dot(EVEN[1], pairs[1]);
    let [[outer_a, outer_b], [inner_a, inner_b]] = ODD;
    let outer = add(dot(outer_a, pairs[2]), dot(outer_b, pairs[3]));
    let inner = add(dot(inner_a, pairs[2]), dot(inner_b, pairs[3]));
    let even = [add(first, second), sub(first, second)];
    [add(even[0], outer), add(even[1], inner), sub(even[1], inner), sub(even[0], outer)]
}

/// The numbers of a row or a column that 2 outputs depend on.
const TAKEN: [usize; 5] = [0, 1, 3, 5, 7];

/// What they are multiplied by: the first for both outputs, the others for their difference.
pub(super) const FACTORS: [i32; 5] = [1 << (BITS + 2), C3_624, -C1_272, C0_850, -C0_720];

/// The places of those of each column.
const TAKEN_PLACES: [[usize; 5]; 5] = taken_places();

const fn taken_places() -> [[usize; 5]; 5] {
    let mut places = [[0; 5]; 5];
    let mut at = 0;
    while at < 25 {
        let (column, row) = (at / 5, at % 5);
        places[column][row] = PLACES[8 * TAKEN[row] + TAKEN[column]] as usize;
        at += 1;
    }
    places
}

/// By how much the sums of columns and of rows are shifted for 2 outputs.
pub(super) const COLUMN_SHIFT_2: u32 = COLUMN_SHIFT + 1;
pub(super) const ROW_SHIFT_2: u32 = ROW_SHIFT + 1;
pub(super) const COLUMN_ROUNDING_2: i32 = 1 << (COLUMN_SHIFT_2 - 1);
pub(super) const ROW_ROUNDING_2: i32 = (1 << (ROW_SHIFT_2 - 1)) + (128 << ROW_SHIFT_2);

#[inline(always)]
fn two(coefficients: &Block, quantisers: &Block) -> [[u8; 2]; 2] {
    let mut rows = [[0; 5]; 2];
    for (column, places) in TAKEN_PLACES.iter().enumerate() {
        let mut numbers = [0; 5];
        for (number, &place) in numbers.iter_mut().zip(places) {
            *number = coefficients[place & 63].wrapping_mul(quantisers[place & 63]).into();
        }
        let sums = transform_to_2(numbers, COLUMN_ROUNDING_2);
        for (row, sum) in rows.iter_mut().zip(sums) {
            row[column] = saturate(sum >> COLUMN_SHIFT_2).into();
        }
    }
    rows.map(|row| transform_to_2(row, ROW_ROUNDING_2).map(narrow_2))
}

/// A sum of a row as a sample.
#[inline(always)]
pub(super) fn narrow_2(sum: i32) -> u8 {
    (sum >> ROW_SHIFT_2).clamp(0, 255) as u8
}

#[inline(always)]
fn transform_to_2(numbers: [i32; 5], rounding: i32) -> [i32; 2] {
    let mean = numbers[0].wrapping_mul(FACTORS[0]).wrapping_add(rounding);
    let mut difference = 0i32;
    for k in 1..5 {
        difference = difference.wrapping_add(numbers[k].wrapping_mul(FACTORS[k]));
    }
    [mean.wrapping_add(difference), mean.wrapping_sub(difference)]
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// libjpeg's `jpeg_idct_4x4` and `jpeg_idct_2x2`, step by step in their own arrangement, on dequantised
    /// coefficients in natural order.
    fn reference(natural: &[i32; 64], side: usize) -> Vec<u8> {
        let (shift, one) =
            if side == 4 { (1, four_of as fn(&[i32]) -> Vec<i32>) } else { (2, two_of as _) };
        let mut work = vec![[0; 8]; side];
        for column in 0..8 {
            let column_of: Vec<i32> = (0..8).map(|row| natural[8 * row + column]).collect();
            for (row, sum) in one(&column_of).into_iter().enumerate() {
                work[row][column] = (sum + (1 << (10 + shift))) >> (11 + shift);
            }
        }
        let rows = work.iter().flat_map(|row| one(row));
        rows.map(|sum| (((sum + (1 << (17 + shift))) >> (18 + shift)) + 128).clamp(0, 255) as u8)
            .collect()
    }

    fn four_of(x: &[i32]) -> Vec<i32> {
        let (t0, t2) = (x[0] << 14, x[2] * 15137 - x[6] * 6270);
        let (t10, t12) = (t0 + t2, t0 - t2);
        let t0 = -1730 * x[7] + 11893 * x[5] - 17799 * x[3] + 8697 * x[1];
        let t2 = -4176 * x[7] - 4926 * x[5] + 7373 * x[3] + 20995 * x[1];
        vec![t10 + t2, t12 + t0, t12 - t0, t10 - t2]
    }

    fn two_of(x: &[i32]) -> Vec<i32> {
        let t10 = x[0] << 15;
        let t0 = -5906 * x[7] + 6967 * x[5] - 10426 * x[3] + 29692 * x[1];
        vec![t10 + t0, t10 - t0]
    }

    fn transformed(
        simd: Simd,
        side: usize,
        block: &Block,
        quantisers: &Block,
        last: usize,
    ) -> Vec<u8> {
        let mut samples = vec![7; 5 * side];
        match side {
            4 => block_of_4(simd, block, quantisers, last, &mut samples, 5),
            _ => block_of_2(simd, block, quantisers, last, &mut samples, 5),
        }
        samples.chunks(5).flat_map(|row| row[..side].to_vec()).collect()
    }

    #[test]
    fn blocks_without_ac_are_flat_at_every_size() {
        for dc in (i16::MIN..=i16::MAX).step_by(7) {
            let mut block = [0; 64];
            block[0] = dc;
            let sample = block_of_1(dc, 3);
            for (side, simd) in [2, 4]
                .into_iter()
                .flat_map(|side| Simd::levels().into_iter().map(move |simd| (side, simd)))
            {
                for last in [0, 63] {
                    let found = transformed(simd, side, &block, &[3; 64], last);
                    assert!(found.iter().all(|&found| found == sample), "{dc} {side} {simd:?}");
                }
            }
        }
    }

    #[test]
    fn a_block_of_one_sample_is_its_mean_as_libjpeg_rounds_it() {
        for dc in -1024..1024i16 {
            let expected = (((i32::from(dc) + 4) >> 3) + 128).clamp(0, 255);
            assert_eq!(i32::from(block_of_1(dc, 1)), expected);
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(2000))]

        #[test]
        fn pictures_come_out_as_libjpegs(
            sparse in 0usize..4, values in prop::collection::vec(-1030i32..1030, 64),
            quantisers in prop::collection::vec(1u16..256, 64),
        ) {
            let (divisor, kept) = ([64, 16, 4, 1][sparse], [64, 20, 6, 2][sparse]);
            let mut block = [0i16; 64];
            let mut dequantised = [0i32; 64];
            for k in 0..kept {
                let at = (k * 29 + usize::from(quantisers[0])) % 64;
                let coefficient = (values[at] / divisor / i32::from(quantisers[at])) as i16;
                block[usize::from(PLACES[at])] = coefficient;
                dequantised[at] = i32::from(coefficient) * i32::from(quantisers[at]);
            }
            let quantisers = super::super::quantisers(&quantisers.try_into().unwrap());
            for side in [2, 4] {
                let expected = reference(&dequantised, side);
                for simd in Simd::levels() {
                    prop_assert_eq!(&transformed(simd, side, &block, &quantisers, 63), &expected);
                }
            }
        }

        #[test]
        fn levels_agree_on_any_numbers(
            coefficients in prop::collection::vec(
                prop_oneof![Just(i16::MIN), Just(i16::MAX), any::<i16>(), -9i16..9], 64),
            quantisers in prop::collection::vec(any::<i16>(), 64),
        ) {
            let coefficients: Block = coefficients.try_into().unwrap();
            let quantisers: Block = quantisers.try_into().unwrap();
            let scalar = Simd::named("scalar").unwrap();
            for side in [2, 4] {
                let expected = transformed(scalar, side, &coefficients, &quantisers, 63);
                for simd in Simd::levels() {
                    let found = transformed(simd, side, &coefficients, &quantisers, 63);
                    prop_assert_eq!(found, expected.clone());
                }
            }
        }
    }
}
