//! A blur of bytes in integers, along the height and then along the width.
//!
//! All outputs have the same weights, alike on both sides of the middle: what lies at equal distances
//! is added first and multiplied once, half the products of a resize. Sums of 32 bits lose nothing, so
//! that the bits are those of a resize ([`resize_u8`](super::resize_u8)) with these weights.

use super::Simd;
use super::math::to_u8;
use super::resize_u8::{BETWEEN, rounding};

#[cfg(target_arch = "x86_64")]
mod v3;

/// Fractional bits of the weights.
pub(crate) const BITS: u32 = 14;

/// What the sums along the width are multiplied by.
const SCALE: f32 = 1.0 / (1u32 << (BETWEEN + BITS)) as f32;

/// `to = (w0 * middle + w1 * (a1 + b1) + w2 * (a2 + b2) + ..) / 2^(BITS - BETWEEN)`, rounded half up,
/// with the rows a and b at each distance from the middle. Weights are not negative, and their sum is
/// at most 2^[`BITS`] with both sides. Rows are as long as `to`.
pub(crate) fn vertical(
    simd: Simd,
    middle: &[u8],
    pairs: &[[&[u8]; 2]],
    weights: &[i16],
    to: &mut [i16],
) {
    #[cfg(target_arch = "x86_64")]
    if let Some(v3) = simd.v3()
        && to.len() >= v3::BLOCK
    {
        return v3::vertical(v3, middle, pairs, weights, to);
    }
    simd.run(
        #[inline(always)]
        || vertical_plain(middle, pairs, weights, to),
    );
}

/// Outputs that are made together where there are no other instructions.
const PLAIN: usize = 16;

#[inline(always)]
fn vertical_plain(middle: &[u8], pairs: &[[&[u8]; 2]], weights: &[i16], to: &mut [i16]) {
    let (blocks, rest) = to.as_chunks_mut::<PLAIN>();
    let tail = blocks.len() * PLAIN;
    for (block, to) in blocks.iter_mut().enumerate() {
        *to = column_sums(middle, pairs, weights, block * PLAIN);
    }
    for (i, to) in rest.iter_mut().enumerate() {
        [*to] = column_sums(middle, pairs, weights, tail + i);
    }
}

/// `N` columns from `at` on.
#[inline(always)]
fn column_sums<const N: usize>(
    middle: &[u8],
    pairs: &[[&[u8]; 2]],
    weights: &[i16],
    at: usize,
) -> [i16; N] {
    let (half, shift) = rounding(BITS);
    let mut sums = [half; N];
    for (sum, x) in sums.iter_mut().zip(&middle[at..][..N]) {
        *sum += i32::from(weights[0]) * i32::from(*x);
    }
    for ([a, b], weight) in pairs.iter().zip(&weights[1..]) {
        for ((sum, a), b) in sums.iter_mut().zip(&a[at..][..N]).zip(&b[at..][..N]) {
            *sum += i32::from(*weight) * (i32::from(*a) + i32::from(*b));
        }
    }
    sums.map(|sum| (sum >> shift) as i16)
}

/// Where outputs go, in the order of the row.
#[derive(Debug)]
pub(crate) enum To<'a> {
    Values(&'a mut [f32]),
    /// Rounded half to even.
    Bytes(&'a mut [u8]),
}

impl To<'_> {
    fn len(&self) -> usize {
        match self {
            Self::Values(values) => values.len(),
            Self::Bytes(bytes) => bytes.len(),
        }
    }
}

/// The same along the width, times 2^-([`BETWEEN`] + [`BITS`]): `row` has what
/// [`vertical`] made, neighbouring pixels `apart` elements from each other, and of both sides of the
/// outputs as many pixels as there are distances.
pub(crate) fn horizontal(simd: Simd, row: &[i16], apart: usize, weights: &[i16], to: To<'_>) {
    let reach = (weights.len() - 1) * apart;
    assert_eq!(row.len(), to.len() + 2 * reach, "a row of another length");
    #[cfg(target_arch = "x86_64")]
    if let Some(v3) = simd.v3()
        && to.len() >= v3::BLOCK
    {
        return v3::horizontal(v3, row, apart, weights, to);
    }
    simd.run(
        #[inline(always)]
        || horizontal_plain(row, apart, weights, to),
    );
}

#[inline(always)]
fn horizontal_plain(row: &[i16], apart: usize, weights: &[i16], to: To<'_>) {
    match to {
        To::Values(to) => each_block(row, apart, weights, to, |value| value),
        To::Bytes(to) => each_block(row, apart, weights, to, to_u8),
    }
}

#[inline(always)]
fn each_block<T>(
    row: &[i16],
    apart: usize,
    weights: &[i16],
    to: &mut [T],
    of: impl Fn(f32) -> T + Copy,
) {
    let (blocks, rest) = to.as_chunks_mut::<PLAIN>();
    let tail = blocks.len() * PLAIN;
    for (block, to) in blocks.iter_mut().enumerate() {
        *to = row_sums(row, apart, weights, block * PLAIN).map(of);
    }
    for (i, to) in rest.iter_mut().enumerate() {
        [*to] = row_sums(row, apart, weights, tail + i).map(of);
    }
}

/// `N` outputs from `at` on.
#[inline(always)]
fn row_sums<const N: usize>(row: &[i16], apart: usize, weights: &[i16], at: usize) -> [f32; N] {
    let middle = (weights.len() - 1) * apart + at;
    let mut sums = [0; N];
    for (sum, x) in sums.iter_mut().zip(&row[middle..][..N]) {
        *sum = i32::from(weights[0]) * i32::from(*x);
    }
    for (k, weight) in weights.iter().enumerate().skip(1) {
        let (a, b) = (&row[middle - k * apart..][..N], &row[middle + k * apart..][..N]);
        for ((sum, a), b) in sums.iter_mut().zip(a).zip(b) {
            *sum += i32::from(*weight) * (i32::from(*a) + i32::from(*b));
        }
    }
    sums.map(|sum| sum as f32 * SCALE)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn random(n: usize, mut state: u32) -> Vec<u32> {
        let mut next = || {
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            state >> 16
        };
        (0..n).map(|_| next()).collect()
    }

    /// Half a kernel, whose sum is 1 with both sides.
    fn weights(half: usize) -> Vec<i16> {
        let share = (1 << BITS) / (2 * half as i32 + 3);
        let mut weights: Vec<i32> = (0..half as i32).map(|k| share - k).collect();
        weights[0] = (1 << BITS) - 2 * weights[1..].iter().sum::<i32>();
        weights.into_iter().map(|weight| weight as i16).collect()
    }

    /// Bytes of all levels, many of them the largest: sums are as large as they come.
    fn bytes(n: usize, seed: u32) -> Vec<u8> {
        random(n, seed).into_iter().map(|x| (x % 320).min(255) as u8).collect()
    }

    #[test]
    fn both_passes_are_the_plain_sums_at_every_level() {
        for half in [1, 2, 3, 4, 5, 12, 32] {
            let weights = weights(half);
            for n in [1, 31, 32, 33, 63, 64, 200] {
                let rows: Vec<Vec<u8>> = (0..2 * half).map(|k| bytes(n, k as u32)).collect();
                let pairs: Vec<[&[u8]; 2]> =
                    (1..half).map(|k| [&rows[k][..], &rows[half + k][..]]).collect();
                let mut expected = vec![0; n];
                vertical_plain(&rows[0], &pairs, &weights, &mut expected);
                let sum = |i: usize| {
                    let pair = |k: usize| i64::from(rows[k][i]) + i64::from(rows[half + k][i]);
                    let outer: i64 = (1..half).map(|k| i64::from(weights[k]) * pair(k)).sum();
                    (i64::from(weights[0]) * i64::from(rows[0][i]) + outer + 128) >> 8
                };
                assert!((0..n).all(|i| i64::from(expected[i]) == sum(i)), "{half}, {n}");
                for simd in Simd::levels() {
                    let mut found = vec![1; n];
                    vertical(simd, &rows[0], &pairs, &weights, &mut found);
                    assert_eq!(found, expected, "{half} weights, {n} columns, {simd:?}");
                }
                for apart in [1, 3, 5] {
                    across(&weights, n, apart);
                }
            }
        }
    }

    fn across(weights: &[i16], n: usize, apart: usize) {
        let reach = (weights.len() - 1) * apart;
        let row: Vec<i16> = random(n + 2 * reach, 5)
            .into_iter()
            .map(|x| (x as i32 % 20_000).min(255 << BETWEEN) as i16)
            .collect();
        let sum = |i: usize| {
            let pair = |k: usize| {
                i64::from(row[reach + i - k * apart]) + i64::from(row[reach + i + k * apart])
            };
            let outer: i64 = (1..weights.len()).map(|k| i64::from(weights[k]) * pair(k)).sum();
            i64::from(weights[0]) * i64::from(row[reach + i]) + outer
        };
        let expected: Vec<f32> = (0..n).map(|i| sum(i) as f32 / (1 << 20) as f32).collect();
        for simd in Simd::levels() {
            let (mut values, mut bytes) = (vec![7.0; n], vec![7; n]);
            horizontal(simd, &row, apart, weights, To::Values(&mut values));
            horizontal(simd, &row, apart, weights, To::Bytes(&mut bytes));
            assert_eq!(values, expected, "{} weights, {n}, {simd:?}", weights.len());
            let rounded = expected.iter().map(|value| to_u8(*value));
            assert!(rounded.eq(bytes), "{} weights, {n}, {simd:?}", weights.len());
        }
    }
}
