//! The passes in AVX2.
//!
//! Of a kernel of 5, a block of 32 bytes takes 45 instructions along the height and 47 along the width;
//! memory is in the nearest cache. Two bytes at equal distances are added by a product with 1, which
//! widens them at once: half the shuffles of widening both first.

use std::arch::x86_64::{__m256, __m256i};

use pulp::x86::V3;
use pulp::{NullaryFnOnce, cast};

use super::{BITS, SCALE, To, rounding};

/// Outputs that are made together.
pub(super) const BLOCK: usize = 32;

/// Weights whose number the compiler does not know.
const ANY: usize = 0;

/// `to` has at least [`BLOCK`] columns.
pub(super) fn vertical(
    v3: V3,
    middle: &[u8],
    pairs: &[[&[u8]; 2]],
    weights: &[i16],
    to: &mut [i16],
) {
    match weights.len() {
        2 => v3.vectorize(Vertical::<2> { v3, middle, pairs, weights, to }),
        3 => v3.vectorize(Vertical::<3> { v3, middle, pairs, weights, to }),
        4 => v3.vectorize(Vertical::<4> { v3, middle, pairs, weights, to }),
        _ => v3.vectorize(Vertical::<ANY> { v3, middle, pairs, weights, to }),
    }
}

/// What is compiled for AVX2, for so many weights.
struct Vertical<'a, const WEIGHTS: usize> {
    v3: V3,
    middle: &'a [u8],
    pairs: &'a [[&'a [u8]; 2]],
    weights: &'a [i16],
    to: &'a mut [i16],
}

impl<const WEIGHTS: usize> NullaryFnOnce for Vertical<'_, WEIGHTS> {
    type Output = ();

    #[inline(always)]
    fn call(mut self) {
        let len = self.to.len();
        if WEIGHTS != ANY {
            self.weights = &self.weights[..WEIGHTS];
        }
        let last = len - BLOCK;
        let mut at = 0;
        loop {
            let sums = sums(
                self.v3,
                self.weights,
                rounding(BITS).0,
                #[inline(always)]
                |k| self.term(k, at),
            );
            self.store(sums, at);
            if at == last {
                return;
            }
            // The last columns are made twice where they are not as many.
            at = (at + BLOCK).min(last);
        }
    }
}

impl<const WEIGHTS: usize> Vertical<'_, WEIGHTS> {
    /// What weight `k` is of: words of the lower halves of the lanes, and of the upper ones.
    #[inline(always)]
    fn term(&self, k: usize, at: usize) -> [__m256i; 2] {
        let avx2 = self.v3.avx2;
        if k == 0 {
            let (x, zero) = (bytes(self.middle, at), self.v3.avx._mm256_setzero_si256());
            return [avx2._mm256_unpacklo_epi8(x, zero), avx2._mm256_unpackhi_epi8(x, zero)];
        }
        let [a, b] = self.pairs[k - 1];
        let (a, b) = (bytes(a, at), bytes(b, at));
        let ones = self.v3.avx._mm256_set1_epi8(1);
        [
            avx2._mm256_maddubs_epi16(avx2._mm256_unpacklo_epi8(a, b), ones),
            avx2._mm256_maddubs_epi16(avx2._mm256_unpackhi_epi8(a, b), ones),
        ]
    }

    #[inline(always)]
    fn store(&mut self, sums: [__m256i; 4], at: usize) {
        let avx2 = self.v3.avx2;
        let shift = cast([u64::from(rounding(BITS).1), 0]);
        let [a, b, c, d] = sums;
        let low = avx2
            ._mm256_packs_epi32(avx2._mm256_sra_epi32(a, shift), avx2._mm256_sra_epi32(b, shift));
        let high = avx2
            ._mm256_packs_epi32(avx2._mm256_sra_epi32(c, shift), avx2._mm256_sra_epi32(d, shift));
        let values: [i16; BLOCK] = cast([
            avx2._mm256_permute2x128_si256::<0x20>(low, high),
            avx2._mm256_permute2x128_si256::<0x31>(low, high),
        ]);
        self.to[at..][..BLOCK].copy_from_slice(&values);
    }
}

/// `first + w0 * term(0) + w1 * term(1) + ..` of 32 words, each of the two vectors of a term becoming
/// two, the lower words of its lanes and the upper ones.
#[inline(always)]
fn sums(v3: V3, weights: &[i16], first: i32, term: impl Fn(usize) -> [__m256i; 2]) -> [__m256i; 4] {
    let avx2 = v3.avx2;
    let mut sums = [v3.avx._mm256_set1_epi32(first); 4];
    let (pairs, rest) = weights.as_chunks::<2>();
    for (pair, weights) in pairs.iter().enumerate() {
        let weights = v3.avx._mm256_set1_epi32(cast(*weights));
        let (a, b) = (term(2 * pair), term(2 * pair + 1));
        for word in 0..2 {
            let both = [
                avx2._mm256_unpacklo_epi16(a[word], b[word]),
                avx2._mm256_unpackhi_epi16(a[word], b[word]),
            ];
            for (sum, both) in sums[2 * word..].iter_mut().zip(both) {
                *sum = avx2._mm256_add_epi32(*sum, avx2._mm256_madd_epi16(both, weights));
            }
        }
    }
    if let [weight] = rest {
        let weights = v3.avx._mm256_set1_epi32(cast([*weight, 0]));
        let a = term(2 * pairs.len());
        for word in 0..2 {
            let both = [
                avx2._mm256_unpacklo_epi16(a[word], a[word]),
                avx2._mm256_unpackhi_epi16(a[word], a[word]),
            ];
            for (sum, both) in sums[2 * word..].iter_mut().zip(both) {
                *sum = avx2._mm256_add_epi32(*sum, avx2._mm256_madd_epi16(both, weights));
            }
        }
    }
    sums
}

/// `to` has at least [`BLOCK`] outputs.
pub(super) fn horizontal(v3: V3, row: &[i16], apart: usize, weights: &[i16], to: To<'_>) {
    match weights.len() {
        2 => v3.vectorize(Horizontal::<2> { v3, row, apart, weights, to }),
        3 => v3.vectorize(Horizontal::<3> { v3, row, apart, weights, to }),
        4 => v3.vectorize(Horizontal::<4> { v3, row, apart, weights, to }),
        _ => v3.vectorize(Horizontal::<ANY> { v3, row, apart, weights, to }),
    }
}

struct Horizontal<'a, const WEIGHTS: usize> {
    v3: V3,
    row: &'a [i16],
    apart: usize,
    weights: &'a [i16],
    to: To<'a>,
}

impl<const WEIGHTS: usize> NullaryFnOnce for Horizontal<'_, WEIGHTS> {
    type Output = ();

    #[inline(always)]
    fn call(mut self) {
        if WEIGHTS != ANY {
            self.weights = &self.weights[..WEIGHTS];
        }
        let last = self.to.len() - BLOCK;
        let mut at = 0;
        loop {
            let sums = sums(
                self.v3,
                self.weights,
                0,
                #[inline(always)]
                |k| self.term(k, at),
            );
            self.store(sums, at);
            if at == last {
                return;
            }
            // The last outputs are made twice where they are not as many.
            at = (at + BLOCK).min(last);
        }
    }
}

impl<const WEIGHTS: usize> Horizontal<'_, WEIGHTS> {
    /// What weight `k` is of: the row moved by k pixels to both sides.
    #[inline(always)]
    fn term(&self, k: usize, at: usize) -> [__m256i; 2] {
        let avx2 = self.v3.avx2;
        let middle = (self.weights.len() - 1) * self.apart + at;
        let a = words(self.row, middle + k * self.apart);
        if k == 0 {
            return a;
        }
        let b = words(self.row, middle - k * self.apart);
        [avx2._mm256_add_epi16(a[0], b[0]), avx2._mm256_add_epi16(a[1], b[1])]
    }

    #[inline(always)]
    fn store(&mut self, [a, b, c, d]: [__m256i; 4], at: usize) {
        let Self { v3, to, .. } = self;
        let (avx, avx2) = (v3.avx, v3.avx2);
        let [a, b, c, d] = [scaled(*v3, a), scaled(*v3, b), scaled(*v3, c), scaled(*v3, d)];
        match to {
            To::Values(to) => {
                let values: [f32; BLOCK] = cast([
                    avx._mm256_permute2f128_ps::<0x20>(a, b),
                    avx._mm256_permute2f128_ps::<0x31>(a, b),
                    avx._mm256_permute2f128_ps::<0x20>(c, d),
                    avx._mm256_permute2f128_ps::<0x31>(c, d),
                ]);
                to[at..][..BLOCK].copy_from_slice(&values);
            }
            To::Bytes(to) => {
                let (a, b) = (avx._mm256_cvtps_epi32(a), avx._mm256_cvtps_epi32(b));
                let (c, d) = (avx._mm256_cvtps_epi32(c), avx._mm256_cvtps_epi32(d));
                let (low, high) = (avx2._mm256_packs_epi32(a, b), avx2._mm256_packs_epi32(c, d));
                let packed = avx2._mm256_packus_epi16(low, high);
                let bytes: [u8; BLOCK] = cast(avx2._mm256_permute4x64_epi64::<0xD8>(packed));
                to[at..][..BLOCK].copy_from_slice(&bytes);
            }
        }
    }
}

#[inline(always)]
fn scaled(v3: V3, sums: __m256i) -> __m256 {
    v3.avx._mm256_mul_ps(v3.avx._mm256_cvtepi32_ps(sums), v3.avx._mm256_set1_ps(SCALE))
}

#[inline(always)]
fn words(row: &[i16], at: usize) -> [__m256i; 2] {
    let words: [i16; BLOCK] = *row[at..].first_chunk().expect("a block");
    cast(words)
}

#[inline(always)]
fn bytes(row: &[u8], at: usize) -> __m256i {
    let bytes: [u8; BLOCK] = *row[at..].first_chunk().expect("a block");
    cast(bytes)
}
