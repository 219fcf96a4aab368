//! Coefficients to samples: dequantisation and the inverse discrete cosine transform.
//!
//! It is libjpeg's accurate integer transform ("islow"): Loeffler, Ligtenberg and Moschytz, "Practical
//! fast 1-D DCT algorithms with 11 multiplications" (ICASSP 1989), on the columns and then on the
//! rows, with constants of 13 bits. libjpeg shares multiplications; here each half of the transform
//! is a small matrix, which gives the same integers and suits instructions that multiply and add in
//! pairs. Samples come out bit for bit as libjpeg's, also where coefficients are several times larger
//! than those of any picture. Beyond that libjpeg's C code and its vector code differ from each other
//! too: here the product with the quantiser wraps at 16 bits and what columns hand to rows saturates
//! at 16 bits, on every machine.

mod reduced;
#[cfg(target_arch = "x86_64")]
mod v3;

pub(super) use self::reduced::{block_of_1, block_of_2, block_of_4};
use crate::Simd;

/// Rows (and columns) in the pairs in which they are multiplied and added.
const PAIRS: [[usize; 2]; 4] = [[0, 4], [2, 6], [7, 1], [3, 5]];

/// Columns in the order in which a block holds them.
const COLUMNS: [usize; 8] = [0, 4, 2, 6, 7, 1, 3, 5];

/// Coefficients or quantisers of a block, each at its [`PLACES`]: 16 numbers for every pair of rows,
/// which are, column by column in the order of [`COLUMNS`], one of the first row and one of the second.
pub(crate) type Block = [i16; 64];

/// Where a [`Block`] holds what is at `8 * row + column` in natural order.
pub(crate) const PLACES: [u8; 64] = places();

const fn places() -> [u8; 64] {
    let mut places = [0; 64];
    let mut place = 0;
    while place < 64 {
        let row = PAIRS[place / 16][place % 2];
        let column = COLUMNS[place % 16 / 2];
        places[8 * row + column] = place as u8;
        place += 1;
    }
    places
}

/// Quantisers in natural order as a block. Those of 16 bits wrap, as the products do.
pub(super) fn quantisers(natural: &[u16; 64]) -> Block {
    let mut block = [0; 64];
    for (&quantiser, place) in natural.iter().zip(PLACES) {
        block[usize::from(place)] = quantiser as i16;
    }
    block
}

/// Fractional bits of the constants.
const BITS: u32 = 13;
const ONE: i32 = 1 << BITS;

// The constants of the paper, rounded to `BITS` bits.
const C0_298: i32 = 2446;
const C0_390: i32 = 3196;
const C0_541: i32 = 4433;
const C0_765: i32 = 6270;
const C0_899: i32 = 7373;
const C1_175: i32 = 9633;
const C1_501: i32 = 12299;
const C1_847: i32 = 15137;
const C1_961: i32 = 16069;
const C2_053: i32 = 16819;
const C2_562: i32 = 20995;
const C3_072: i32 = 25172;

/// What the pairs (0, 4) and (2, 6) are multiplied by: the sum and the difference of the first, and
/// the two rotations of the second.
const EVEN: [[i32; 2]; 4] =
    [[ONE, ONE], [ONE, -ONE], [C0_541 + C0_765, C0_541], [C0_541, C0_541 - C1_847]];

/// What the pairs (7, 1) and (3, 5) are multiplied by for outputs 0 to 3 (and 7 to 4).
const ODD: [[[i32; 2]; 2]; 4] = [
    [[C1_175 - C0_899, C1_175 - C0_390 + C1_501 - C0_899], [C1_175, C1_175 - C0_390]],
    [[C1_175 - C1_961, C1_175], [C1_175 - C1_961 + C3_072 - C2_562, C1_175 - C2_562]],
    [[C1_175, C1_175 - C0_390], [C1_175 - C2_562, C1_175 - C0_390 + C2_053 - C2_562]],
    [[C1_175 - C1_961 + C0_298 - C0_899, C1_175 - C0_899], [C1_175 - C1_961, C1_175]],
];

/// Columns keep two more bits than samples have.
const KEPT: u32 = 2;
/// By how much the sums of columns are shifted.
const COLUMN_SHIFT: u32 = BITS - KEPT;
const COLUMN_ROUNDING: i32 = 1 << (COLUMN_SHIFT - 1);
/// By how much the sums of rows are shifted: the transform is 8 times too large.
const ROW_SHIFT: u32 = BITS + KEPT + 3;
/// Samples are stored about 128.
const ROW_ROUNDING: i32 = (1 << (ROW_SHIFT - 1)) + (128 << ROW_SHIFT);

/// Eight samples of a row of a block. Memory in these units takes one check of its length for each.
pub(super) type Eight = [u8; 8];

/// Writes the rows of a block to `samples[at]`, `samples[at + stride]` and so on. `last` is the zigzag
/// index of the last coefficient that is not 0, or any larger one.
#[inline]
pub(super) fn block(
    simd: Simd,
    coefficients: &Block,
    quantisers: &Block,
    last: usize,
    samples: &mut [Eight],
    at: usize,
    stride: usize,
) {
    if last == 0 {
        let row = [flat(coefficients[0].wrapping_mul(quantisers[0])); 8];
        return store([row; 8], samples, at, stride);
    }
    #[cfg(target_arch = "x86_64")]
    if let Some(v3) = simd.v3() {
        return v3::block(v3, coefficients, quantisers, samples, at, stride);
    }
    block_portable(simd, coefficients, quantisers, samples, at, stride);
}

/// Apart, so that its memory and registers do not weigh on the call that vector code is.
#[inline(never)]
fn block_portable(
    simd: Simd,
    coefficients: &Block,
    quantisers: &Block,
    samples: &mut [Eight],
    at: usize,
    stride: usize,
) {
    simd.run(
        #[inline(always)]
        || store(portable(coefficients, quantisers), samples, at, stride),
    );
}

#[inline(always)]
fn store(rows: [Eight; 8], samples: &mut [Eight], at: usize, stride: usize) {
    for (k, row) in rows.into_iter().enumerate() {
        samples[at + k * stride] = row;
    }
}

/// Every sample of a block without AC coefficients: what the transform gives then.
fn flat(dc: i16) -> u8 {
    let column = saturate(i32::from(dc) << KEPT);
    narrow(i32::from(column) * ONE + ROW_ROUNDING)
}

#[inline(always)]
fn saturate(column: i32) -> i16 {
    column.clamp(i16::MIN.into(), i16::MAX.into()) as i16
}

#[inline(always)]
fn narrow(row: i32) -> u8 {
    (row >> ROW_SHIFT).clamp(0, 255) as u8
}

/// Eight numbers that go through the transform side by side: one of each column, then of each row.
type Lane = [i32; 8];

/// The numbers of a block in [`PAIRS`], a lane for each, with a number of every column.
#[inline(always)]
fn dequantised(coefficients: &Block, quantisers: &Block) -> [[Lane; 2]; 4] {
    let mut pairs = [[[0; 8]; 2]; 4];
    for (k, pair) in pairs.iter_mut().enumerate() {
        for rank in 0..8 {
            for (slot, lane) in pair.iter_mut().enumerate() {
                let place = 16 * k + 2 * rank + slot;
                lane[rank] = coefficients[place].wrapping_mul(quantisers[place]).into();
            }
        }
    }
    pairs
}

/// The sums of the columns, shifted, as numbers of `N` rows. Lanes were columns in the order of
/// `COLUMNS`, which is that of the pairs; they become rows.
#[inline(always)]
fn turned<const N: usize, const SHIFT: u32>(columns: &[Lane; N]) -> [[Lane; 2]; 4] {
    let mut pairs = [[[0; 8]; 2]; 4];
    for (row, sums) in columns.iter().enumerate() {
        for (rank, sum) in sums.iter().enumerate() {
            pairs[rank / 2][rank % 2][row] = saturate(sum >> SHIFT).into();
        }
    }
    pairs
}

#[inline(always)]
fn portable(coefficients: &Block, quantisers: &Block) -> [Eight; 8] {
    let columns = transform(dequantised(coefficients, quantisers), COLUMN_ROUNDING);
    let mut rows = [[0; 8]; 8];
    for (column, sums) in
        transform(turned::<8, COLUMN_SHIFT>(&columns), ROW_ROUNDING).iter().enumerate()
    {
        for (row, &sum) in rows.iter_mut().zip(sums) {
            row[column] = narrow(sum);
        }
    }
    rows
}

/// The transform of 8 numbers in [`PAIRS`]; `rounding` is added to each sum. Sums wrap: numbers of 16
/// bits that no picture has can exceed 32 bits.
#[inline(always)]
fn transform(pairs: [[Lane; 2]; 4], rounding: i32) -> [Lane; 8] {
    let outer = add(dot(EVEN[0], pairs[0]), [rounding; 8]);
    let inner = add(dot(EVEN[1], pairs[0]), [rounding; 8]);
    let wide = dot(EVEN[2], pairs[1]);
    let narrow = dot(EVEN[3], pairs[1]);
    let even = [add(outer, wide), add(inner, narrow), sub(inner, narrow), sub(outer, wide)];
    let mut sums = [[0; 8]; 8];
    for (k, [first, second]) in ODD.into_iter().enumerate() {
        let odd = add(dot(first, pairs[2]), dot(second, pairs[3]));
        sums[k] = add(even[k], odd);
        sums[7 - k] = sub(even[k], odd);
    }
    sums
}

#[inline(always)]
fn add(mut a: Lane, b: Lane) -> Lane {
    for k in 0..8 {
        a[k] = a[k].wrapping_add(b[k]);
    }
    a
}

#[inline(always)]
fn sub(mut a: Lane, b: Lane) -> Lane {
    for k in 0..8 {
        a[k] = a[k].wrapping_sub(b[k]);
    }
    a
}

#[inline(always)]
fn dot([a, b]: [i32; 2], [mut x, y]: [Lane; 2]) -> Lane {
    for k in 0..8 {
        x[k] = a.wrapping_mul(x[k]).wrapping_add(b.wrapping_mul(y[k]));
    }
    x
}

#[cfg(test)]
mod tests;
