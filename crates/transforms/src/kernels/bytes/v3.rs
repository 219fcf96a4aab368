//! Moves and tables in AVX2.

use std::arch::x86_64::__m256i;

use pulp::x86::V3;
use pulp::{NullaryFnOnce, cast};

use super::{Turn, turn_each};

/// Bytes of a vector of which a table of 16 levels can be looked up.
const LANES: usize = 32;

pub(super) fn look_up(v3: V3, from: &[u8], levels: &[u8; 256], to: &mut [u8]) {
    v3.vectorize(LookUp { v3, from, levels, to });
}

/// A table of 256 levels is 16 of 16 levels, each of which one instruction looks up. It gives 0 for
/// an index with its top bit set, so that the sum of all has what that table gave which is meant.
struct LookUp<'a> {
    v3: V3,
    from: &'a [u8],
    levels: &'a [u8; 256],
    to: &'a mut [u8],
}

impl NullaryFnOnce for LookUp<'_> {
    type Output = ();

    #[inline(always)]
    fn call(self) {
        let Self { v3, from, levels, to } = self;
        let tables: [__m256i; 16] = std::array::from_fn(|k| {
            let table: [u8; 16] = std::array::from_fn(|i| levels[16 * k + i]);
            cast([table; 2])
        });
        let (blocks, rest) = to.as_chunks_mut::<{ 2 * LANES }>();
        let (from, last) = from.as_chunks::<{ 2 * LANES }>();
        for (to, from) in blocks.iter_mut().zip(from) {
            *to = cast(looked_up(v3, cast(*from), &tables));
        }
        rest.iter_mut().zip(last).for_each(|(to, x)| *to = levels[usize::from(*x)]);
    }
}

#[inline(always)]
fn looked_up(v3: V3, mut at: [__m256i; 2], tables: &[__m256i; 16]) -> [__m256i; 2] {
    let sixteen = v3.avx._mm256_set1_epi8(16);
    // What is above 15 after this has its top bit set.
    let beyond = v3.avx._mm256_set1_epi8(0x70);
    let mut sums = [v3.avx._mm256_setzero_si256(); 2];
    for table in tables {
        for (at, sum) in at.iter_mut().zip(&mut sums) {
            let index = v3.avx2._mm256_adds_epu8(*at, beyond);
            *sum = v3.avx2._mm256_or_si256(*sum, v3.avx2._mm256_shuffle_epi8(*table, index));
            *at = v3.avx2._mm256_sub_epi8(*at, sixteen);
        }
    }
    sums
}

pub(super) fn turn<const N: usize>(v3: V3, from: &[u8], turn: Turn<N>, to: &mut [u8]) {
    v3.vectorize(Turned { v3, from, turn, to });
}

struct Turned<'a, const N: usize> {
    v3: V3,
    from: &'a [u8],
    turn: Turn<N>,
    to: &'a mut [u8],
}

impl<const N: usize> NullaryFnOnce for Turned<'_, N> {
    type Output = ();

    #[inline(always)]
    fn call(self) {
        match N {
            3 => self.in_blocks::<15>(),
            _ => self.in_blocks::<16>(),
        }
    }
}

impl<const N: usize> Turned<'_, N> {
    /// Shuffles `B` bytes at once, the whole pixels that 16 bytes hold. What is read beside them
    /// comes after them, or mirrored before them, where the row goes on.
    #[inline(always)]
    fn in_blocks<const B: usize>(self) {
        let Self { v3, from, turn, to } = self;
        let order: [u8; 16] = std::array::from_fn(|i| {
            let (pixel, channel) = (i / N, i % N);
            match turn.mirrored {
                _ if i >= B => 0,
                false => (pixel * N) as u8 + turn.channels[channel],
                true => (16 - (pixel + 1) * N) as u8 + turn.channels[channel],
            }
        });
        let (len, order) = (to.len(), cast(order));
        // All blocks but the one that 16 bytes would pass the end from.
        let blocks = len.saturating_sub(16 - B) / B;
        let (most, rest) = to.split_at_mut(blocks * B);
        for (block, to) in most.as_chunks_mut::<B>().0.iter_mut().enumerate() {
            let first = if turn.mirrored { len - block * B - 16 } else { block * B };
            let read: [u8; 16] = *from[first..][..16].first_chunk().expect("sixteen");
            let turned: [u8; 16] = cast(v3.ssse3._mm_shuffle_epi8(cast(read), order));
            to.copy_from_slice(&turned[..B]);
        }
        let left = if turn.mirrored { 0..len - blocks * B } else { blocks * B..len };
        turn_each(&from[left], turn, rest);
    }
}
