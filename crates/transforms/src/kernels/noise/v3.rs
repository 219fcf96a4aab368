//! Philox in AVX2: the compiler computes its products one after the other.

use std::arch::x86_64::__m256i;

use pulp::x86::V3;
use pulp::{NullaryFnOnce, cast};

use super::{BLOCKS, Lanes, MULTIPLIERS, NUMBERS, NoiseCounter, ROUNDS, Schedule, Simd};

/// The block that each lane has, counted from the first: an order in which [`Lanes::in_order`] is a
/// transposition within halves of vectors.
const BLOCK_OF: [u32; BLOCKS] = [0, 2, 4, 6, 1, 3, 5, 7];

/// Vectors of AVX2, in code that is compiled for a level that has them.
#[derive(Clone, Copy)]
pub(super) struct Vectors(pub(super) Simd, pub(super) V3);

/// The counters of blocks: four words, each in the lower half of a lane of 64 bits, of four blocks in
/// even lanes of 32 bits and of four in odd ones. What is in the upper halves is of no account: that
/// saves taking products apart.
type Half = [__m256i; 4];

impl Lanes for Vectors {
    type Keys = [[__m256i; 2]; ROUNDS];

    #[inline(always)]
    fn run<F: NullaryFnOnce>(self, f: F) -> F::Output {
        self.0.run(
            #[inline(always)]
            move || f.call(),
        )
    }

    #[inline(always)]
    fn keys(self, schedule: &Schedule) -> Self::Keys {
        let mut keys = [[self.same(0); 2]; ROUNDS];
        for (keys, words) in keys.iter_mut().zip(schedule) {
            *keys = [self.same(words[0]), self.same(words[1])];
        }
        keys
    }

    #[inline(always)]
    fn philox(self, counter: &NoiseCounter, keys: &Self::Keys, first: u32) -> [[u32; BLOCKS]; 4] {
        let avx2 = self.1.avx2;
        let (mut even, mut odd) =
            (self.counters(counter, first, 0), self.counters(counter, first, 1));
        for key in keys {
            (even, odd) = (self.round(even, *key), self.round(odd, *key));
        }
        let mut words = [[0; BLOCKS]; 4];
        for (words, (even, odd)) in words.iter_mut().zip(even.into_iter().zip(odd)) {
            let odd = avx2._mm256_slli_epi64::<32>(odd);
            *words = cast(avx2._mm256_blend_epi32::<0b1010_1010>(even, odd));
        }
        words
    }

    #[inline(always)]
    fn in_order(self, lanes: &[[f32; BLOCKS]; 4]) -> [f32; NUMBERS] {
        let avx = self.1.avx;
        let [w0, w1, w2, w3] = [cast(lanes[0]), cast(lanes[1]), cast(lanes[2]), cast(lanes[3])];
        // Blocks 0, 2 and 1, 3; then 4, 6 and 5, 7.
        let [low01, high01] = [avx._mm256_unpacklo_ps(w0, w1), avx._mm256_unpackhi_ps(w0, w1)];
        let [low23, high23] = [avx._mm256_unpacklo_ps(w2, w3), avx._mm256_unpackhi_ps(w2, w3)];
        let [low01, high01, low23, high23] = [cast(low01), cast(high01), cast(low23), cast(high23)];
        let pairs = [
            avx._mm256_unpacklo_pd(low01, low23),
            avx._mm256_unpackhi_pd(low01, low23),
            avx._mm256_unpacklo_pd(high01, high23),
            avx._mm256_unpackhi_pd(high01, high23),
        ];
        cast(pairs)
    }
}

impl Vectors {
    #[inline(always)]
    fn same(self, word: u32) -> __m256i {
        self.1.avx._mm256_set1_epi64x(i64::from(word))
    }

    /// The counters of the blocks in even or odd lanes.
    #[inline(always)]
    fn counters(self, counter: &NoiseCounter, first: u32, odd: usize) -> Half {
        let mut blocks = [0; BLOCKS / 2];
        for (i, block) in blocks.iter_mut().enumerate() {
            *block = u64::from(first.wrapping_add(BLOCK_OF[2 * i + odd]));
        }
        let [low, high] = counter.index_words();
        [cast(blocks), self.same(counter.stream), self.same(low), self.same(high)]
    }

    #[inline(always)]
    fn round(self, [c0, c1, c2, c3]: Half, [k0, k1]: [__m256i; 2]) -> Half {
        let avx2 = self.1.avx2;
        let p0 = avx2._mm256_mul_epu32(c0, self.same(MULTIPLIERS[0]));
        let p1 = avx2._mm256_mul_epu32(c2, self.same(MULTIPLIERS[1]));
        let mixed1 = avx2._mm256_xor_si256(c1, k0);
        let mixed3 = avx2._mm256_xor_si256(c3, k1);
        [
            avx2._mm256_xor_si256(avx2._mm256_srli_epi64::<32>(p1), mixed1),
            p1,
            avx2._mm256_xor_si256(avx2._mm256_srli_epi64::<32>(p0), mixed3),
            p0,
        ]
    }
}
