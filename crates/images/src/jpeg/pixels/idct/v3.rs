//! The transform of a block in AVX2.
//!
//! The 16 numbers of a register are 8 pairs: columns 0, 4, 2, 6 in the lower half, 7, 1, 3, 5 in the
//! upper. The order of a [`Block`] makes this what is loaded, and what comes out of the columns needs
//! no interleaving to become the pairs of the rows.

use std::arch::x86_64::{__m128i, __m256i};

use pulp::x86::V3;
use pulp::{NullaryFnOnce, cast};

use super::{
    Block, COLUMN_ROUNDING, COLUMN_SHIFT, EVEN, Eight, ODD, ROW_ROUNDING, ROW_SHIFT, reduced,
};

pub(super) fn block(
    v3: V3,
    coefficients: &Block,
    quantisers: &Block,
    samples: &mut [Eight],
    at: usize,
    stride: usize,
) {
    v3.vectorize(Transform { v3, coefficients, quantisers, samples, at, stride });
}

/// What is compiled for AVX2. A closure would do, but for a call in between that is not inlined.
struct Transform<'a> {
    v3: V3,
    coefficients: &'a Block,
    quantisers: &'a Block,
    samples: &'a mut [Eight],
    at: usize,
    stride: usize,
}

impl NullaryFnOnce for Transform<'_> {
    type Output = ();

    #[inline(always)]
    fn call(self) {
        let rows = transform(self.v3, self.coefficients, self.quantisers);
        super::store(rows, self.samples, self.at, self.stride);
    }
}

#[inline(always)]
fn transform(v3: V3, coefficients: &Block, quantisers: &Block) -> [Eight; 8] {
    let pairs = dequantised(v3, coefficients, quantisers);
    let columns = sums::<{ COLUMN_SHIFT as i32 }>(v3, pairs, COLUMN_ROUNDING);
    let pairs = transpose(v3, columns);
    let rows = sums::<{ ROW_SHIFT as i32 }>(v3, pairs, ROW_ROUNDING);
    narrow(v3, rows)
}

/// The eight sums of the transform, shifted; in 32 bits.
#[inline(always)]
fn sums<const SHIFT: i32>(v3: V3, pairs: [__m256i; 4], rounding: i32) -> [__m256i; 8] {
    let rounding = v3.avx._mm256_set1_epi32(rounding);
    let outer = add(v3, dot(v3, EVEN[0], pairs[0]), rounding);
    let inner = add(v3, dot(v3, EVEN[1], pairs[0]), rounding);
    let wide = dot(v3, EVEN[2], pairs[1]);
    let narrow = dot(v3, EVEN[3], pairs[1]);
    let even = [
        add(v3, outer, wide),
        add(v3, inner, narrow),
        sub(v3, inner, narrow),
        sub(v3, outer, wide),
    ];
    let mut sums = [rounding; 8];
    for k in 0..4 {
        let [first, second] = ODD[k];
        let odd = add(v3, dot(v3, first, pairs[2]), dot(v3, second, pairs[3]));
        sums[k] = v3.avx2._mm256_srai_epi32::<SHIFT>(add(v3, even[k], odd));
        sums[7 - k] = v3.avx2._mm256_srai_epi32::<SHIFT>(sub(v3, even[k], odd));
    }
    sums
}

#[inline(always)]
fn add(v3: V3, a: __m256i, b: __m256i) -> __m256i {
    v3.avx2._mm256_add_epi32(a, b)
}

#[inline(always)]
fn sub(v3: V3, a: __m256i, b: __m256i) -> __m256i {
    v3.avx2._mm256_sub_epi32(a, b)
}

#[inline(always)]
fn dot(v3: V3, [a, b]: [i32; 2], pairs: __m256i) -> __m256i {
    v3.avx2._mm256_madd_epi16(pairs, v3.avx._mm256_set1_epi32((b << 16) | (a & 0xffff)))
}

/// Rows of columns, in 32 bits, to the pairs of columns of all rows, in 16.
#[inline(always)]
fn transpose(v3: V3, [a, b, c, d, e, f, g, h]: [__m256i; 8]) -> [__m256i; 4] {
    let [top, bottom] = [transpose_half(v3, [a, b, c, d]), transpose_half(v3, [e, f, g, h])];
    [
        v3.avx2._mm256_permute2x128_si256::<0x20>(top[0], bottom[0]),
        v3.avx2._mm256_permute2x128_si256::<0x20>(top[1], bottom[1]),
        v3.avx2._mm256_permute2x128_si256::<0x31>(top[0], bottom[0]),
        v3.avx2._mm256_permute2x128_si256::<0x31>(top[1], bottom[1]),
    ]
}

/// Of four rows: pairs (0, 4) and (7, 1) in the halves of the first register, (2, 6) and (3, 5) in
/// those of the second.
#[inline(always)]
fn transpose_half(v3: V3, [a, b, c, d]: [__m256i; 4]) -> [__m256i; 2] {
    let (even, odd) = (v3.avx2._mm256_packs_epi32(a, c), v3.avx2._mm256_packs_epi32(b, d));
    let first = v3.avx2._mm256_unpacklo_epi32(even, odd);
    let second = v3.avx2._mm256_unpackhi_epi32(even, odd);
    [v3.avx2._mm256_unpacklo_epi64(first, second), v3.avx2._mm256_unpackhi_epi64(first, second)]
}

/// Columns of rows, in 32 bits, to rows of samples.
#[inline(always)]
fn narrow(v3: V3, [a, b, c, d, e, f, g, h]: [__m256i; 8]) -> [Eight; 8] {
    let (left, right) = (narrow_half(v3, [a, b, c, d]), narrow_half(v3, [e, f, g, h]));
    let rows =
        [v3.avx2._mm256_unpacklo_epi32(left, right), v3.avx2._mm256_unpackhi_epi32(left, right)];
    let [[r0, r1, r4, r5], [r2, r3, r6, r7]]: [[Eight; 4]; 2] = cast(rows);
    [r0, r1, r2, r3, r4, r5, r6, r7]
}

/// Of four columns: 4 bytes of each row.
#[inline(always)]
fn narrow_half(v3: V3, [a, b, c, d]: [__m256i; 4]) -> __m256i {
    let by_rows: [u8; 16] = [0, 4, 8, 12, 1, 5, 9, 13, 2, 6, 10, 14, 3, 7, 11, 15];
    let (ab, cd) = (v3.avx2._mm256_packs_epi32(a, b), v3.avx2._mm256_packs_epi32(c, d));
    v3.avx2._mm256_shuffle_epi8(v3.avx2._mm256_packus_epi16(ab, cd), cast([by_rows; 2]))
}

/// A block as 4x4 samples.
pub(super) fn block_of_4(v3: V3, coefficients: &Block, quantisers: &Block) -> [[u8; 4]; 4] {
    v3.vectorize(ToFour { v3, coefficients, quantisers })
}

/// What is compiled for AVX2, as [`Transform`].
struct ToFour<'a> {
    v3: V3,
    coefficients: &'a Block,
    quantisers: &'a Block,
}

impl NullaryFnOnce for ToFour<'_> {
    type Output = [[u8; 4]; 4];

    #[inline(always)]
    fn call(self) -> Self::Output {
        let v3 = self.v3;
        let columns = columns_to_4(v3, dequantised(v3, self.coefficients, self.quantisers));
        // Pairs (0, 4) and (7, 1) of the four rows, and (2, 6) and (3, 5).
        narrow_4(v3, rows_to_4(v3, transpose_half(v3, columns)))
    }
}

/// The pairs of rows of all columns.
#[inline(always)]
fn dequantised(v3: V3, coefficients: &Block, quantisers: &Block) -> [__m256i; 4] {
    let (coefficients, _) = coefficients.as_chunks::<16>();
    let (quantisers, _) = quantisers.as_chunks::<16>();
    let mut pairs = [v3.avx._mm256_setzero_si256(); 4];
    for k in 0..4 {
        pairs[k] = v3.avx2._mm256_mullo_epi16(cast(coefficients[k]), cast(quantisers[k]));
    }
    pairs
}

/// Four sums of each column, shifted; in 32 bits.
#[inline(always)]
fn columns_to_4(v3: V3, pairs: [__m256i; 4]) -> [__m256i; 4] {
    let rounding = v3.avx._mm256_set1_epi32(reduced::COLUMN_ROUNDING);
    let first = add(v3, dot(v3, reduced::EVEN[0], pairs[0]), rounding);
    let second = dot(v3, reduced::EVEN[1], pairs[1]);
    let [outer, inner] = reduced::ODD;
    let outer = add(v3, dot(v3, outer[0], pairs[2]), dot(v3, outer[1], pairs[3]));
    let inner = add(v3, dot(v3, inner[0], pairs[2]), dot(v3, inner[1], pairs[3]));
    let (even, odd) = (add(v3, first, second), sub(v3, first, second));
    let sums =
        [add(v3, even, outer), add(v3, odd, inner), sub(v3, odd, inner), sub(v3, even, outer)];
    let mut shifted = sums;
    for (to, sum) in shifted.iter_mut().zip(sums) {
        *to = v3.avx2._mm256_srai_epi32::<{ reduced::COLUMN_SHIFT as i32 }>(sum);
    }
    shifted
}

/// Four sums of each of four rows, shifted. The halves of a register go through the even and the odd
/// part of the transform side by side.
#[inline(always)]
fn rows_to_4(v3: V3, [first, second]: [__m256i; 2]) -> [__m128i; 4] {
    let [even_first, even_second] = reduced::EVEN;
    let [outer, inner] = reduced::ODD;
    let negative = [-even_second[0], -even_second[1]];
    let pairs = [first, second];
    let outer = sum_of_halves(v3, pairs, [[even_first, outer[0]], [even_second, outer[1]]]);
    let inner = sum_of_halves(v3, pairs, [[even_first, inner[0]], [negative, inner[1]]]);
    let ([outer_even, outer_odd], [inner_even, inner_odd]) = (parts(v3, outer), parts(v3, inner));
    [
        shifted(v3, v3.sse2._mm_add_epi32(outer_even, outer_odd)),
        shifted(v3, v3.sse2._mm_add_epi32(inner_even, inner_odd)),
        shifted(v3, v3.sse2._mm_sub_epi32(inner_even, inner_odd)),
        shifted(v3, v3.sse2._mm_sub_epi32(outer_even, outer_odd)),
    ]
}

/// The sum of two pairs times their factors, which differ between the halves.
#[inline(always)]
fn sum_of_halves(v3: V3, pairs: [__m256i; 2], factors: [[[i32; 2]; 2]; 2]) -> __m256i {
    let first = v3.avx2._mm256_madd_epi16(pairs[0], halves(v3, factors[0]));
    add(v3, first, v3.avx2._mm256_madd_epi16(pairs[1], halves(v3, factors[1])))
}

/// The even part, rounded, and the odd one.
#[inline(always)]
fn parts(v3: V3, sums: __m256i) -> [__m128i; 2] {
    let rounding = v3.sse2._mm_set1_epi32(reduced::ROW_ROUNDING);
    let even = v3.sse2._mm_add_epi32(v3.avx._mm256_castsi256_si128(sums), rounding);
    [even, v3.avx2._mm256_extracti128_si256::<1>(sums)]
}

#[inline(always)]
fn shifted(v3: V3, sum: __m128i) -> __m128i {
    v3.sse2._mm_srai_epi32::<{ reduced::ROW_SHIFT as i32 }>(sum)
}

/// The factors of a pair for the lower half of a register, and for the upper.
#[inline(always)]
fn halves(v3: V3, [low, high]: [[i32; 2]; 2]) -> __m256i {
    let low = (low[1] << 16) | (low[0] & 0xffff);
    let high = (high[1] << 16) | (high[0] & 0xffff);
    v3.avx._mm256_setr_epi32(low, low, low, low, high, high, high, high)
}

/// Columns of four rows, in 32 bits, to rows of samples.
#[inline(always)]
fn narrow_4(v3: V3, [a, b, c, d]: [__m128i; 4]) -> [[u8; 4]; 4] {
    let by_rows: [u8; 16] = [0, 4, 8, 12, 1, 5, 9, 13, 2, 6, 10, 14, 3, 7, 11, 15];
    let (ab, cd) = (v3.sse2._mm_packs_epi32(a, b), v3.sse2._mm_packs_epi32(c, d));
    cast(v3.ssse3._mm_shuffle_epi8(v3.sse2._mm_packus_epi16(ab, cd), cast(by_rows)))
}

/// A block as 2x2 samples.
pub(super) fn block_of_2(v3: V3, coefficients: &Block, quantisers: &Block) -> [[u8; 2]; 2] {
    v3.vectorize(ToTwo { v3, coefficients, quantisers })
}

/// What is compiled for AVX2, as [`Transform`].
struct ToTwo<'a> {
    v3: V3,
    coefficients: &'a Block,
    quantisers: &'a Block,
}

impl NullaryFnOnce for ToTwo<'_> {
    type Output = [[u8; 2]; 2];

    #[inline(always)]
    fn call(self) -> Self::Output {
        let v3 = self.v3;
        let [mean, first, third, fifth, seventh] = reduced::FACTORS;
        // Factors have 16 bits and a sign, so that twice half of the mean is taken.
        let [mean, difference] = [[mean / 2, 0], [seventh, first]];
        let pairs = dequantised(v3, self.coefficients, self.quantisers);
        let means = v3.avx2._mm256_slli_epi32::<1>(dot(v3, mean, pairs[0]));
        let means = add(v3, means, v3.avx._mm256_set1_epi32(reduced::COLUMN_ROUNDING_2));
        let differences = add(v3, dot(v3, difference, pairs[2]), dot(v3, [third, fifth], pairs[3]));
        let shifted = [add(v3, means, differences), sub(v3, means, differences)];
        let [first_row, second_row] = [
            v3.avx2._mm256_srai_epi32::<{ reduced::COLUMN_SHIFT_2 as i32 }>(shifted[0]),
            v3.avx2._mm256_srai_epi32::<{ reduced::COLUMN_SHIFT_2 as i32 }>(shifted[1]),
        ];
        // Of each row, pairs (0, 4) and (2, 6) in the lower half, (7, 1) and (3, 5) in the upper.
        let rows = v3.avx2._mm256_packs_epi32(first_row, second_row);
        let factor = |[a, b]: [i32; 2]| (b << 16) | (a & 0xffff);
        let (mean, second) = (factor(mean), factor([third, fifth]));
        let first = factor(difference);
        let factors = v3.avx._mm256_setr_epi32(mean, 0, mean, 0, first, second, first, second);
        let parts: [i32; 8] = cast(v3.avx2._mm256_madd_epi16(rows, factors));
        let [half_0, _, half_1, _, a_0, b_0, a_1, b_1] = parts;
        let row = |half: i32, a: i32, b: i32| {
            let mean = half.wrapping_mul(2).wrapping_add(reduced::ROW_ROUNDING_2);
            let difference = a.wrapping_add(b);
            [mean.wrapping_add(difference), mean.wrapping_sub(difference)].map(reduced::narrow_2)
        };
        [row(half_0, a_0, b_0), row(half_1, a_1, b_1)]
    }
}
