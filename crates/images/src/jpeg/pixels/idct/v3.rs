//! The transform of a block in AVX2.
//!
//! The 16 numbers of a register are 8 pairs: columns 0, 4, 2, 6 in the lower half, 7, 1, 3, 5 in the
//! upper. The order of a [`Block`] makes this what is loaded, and what comes out of the columns needs
//! no interleaving to become the pairs of the rows.

use std::arch::x86_64::__m256i;

use pulp::x86::V3;
use pulp::{NullaryFnOnce, cast};

use super::{Block, COLUMN_ROUNDING, COLUMN_SHIFT, EVEN, Eight, ODD, ROW_ROUNDING, ROW_SHIFT};

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
    let (coefficients, _) = coefficients.as_chunks::<16>();
    let (quantisers, _) = quantisers.as_chunks::<16>();
    let mut pairs = [v3.avx._mm256_setzero_si256(); 4];
    for k in 0..4 {
        pairs[k] = v3.avx2._mm256_mullo_epi16(cast(coefficients[k]), cast(quantisers[k]));
    }
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
