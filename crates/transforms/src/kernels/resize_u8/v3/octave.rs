//! Pixels of bytes moved apart and together, in AVX2.

use std::arch::x86_64::__m128i;

use pulp::x86::V3;
use pulp::{NullaryFnOnce, cast};

/// Bytes of a vector.
const LANES: usize = 16;

/// A byte that becomes 0.
const NONE: u8 = 0x80;

/// Copies the first pixel of `all`, the third, and so on to `to`, as many as whole blocks hold, and returns how
/// many.
pub(in super::super) fn keep_alternate(v3: V3, apart: usize, all: &[u8], to: &mut [u8]) -> usize {
    match apart {
        1 => v3.vectorize(Kept::<1> { v3, all, to }),
        3 => v3.vectorize(Kept::<3> { v3, all, to }),
        4 => v3.vectorize(Kept::<4> { v3, all, to }),
        _ => 0,
    }
}

/// Of pixels of so many bytes.
struct Kept<'a, const APART: usize> {
    v3: V3,
    all: &'a [u8],
    to: &'a mut [u8],
}

/// Vectors of a block: they begin and end between pixels that are kept and pixels that are not, whether
/// those have one, three or four bytes.
const VECTORS: usize = 3;

impl<const APART: usize> Kept<'_, APART> {
    /// The bytes that are kept of each vector, in front, and how many they are.
    const ORDER: [([u8; LANES], usize); VECTORS] = {
        let mut order = [([NONE; LANES], 0); VECTORS];
        let mut at = 0;
        while at < VECTORS * LANES {
            let (places, count) = &mut order[at / LANES];
            if (at / APART).is_multiple_of(2) {
                places[*count] = (at % LANES) as u8;
                *count += 1;
            }
            at += 1;
        }
        order
    };
}

impl<const APART: usize> NullaryFnOnce for Kept<'_, APART> {
    type Output = usize;

    #[inline(always)]
    fn call(self) -> usize {
        let Self { v3, all, to } = self;
        let kept = VECTORS * LANES / 2;
        let orders: [__m128i; VECTORS] = [0, 1, 2].map(|k| cast(Self::ORDER[k].0));
        // A store may pass the end of its block by what it holds of the next.
        let blocks = (all.len() / (VECTORS * LANES)).min(to.len().saturating_sub(LANES) / kept);
        for (block, from) in all.as_chunks::<{ VECTORS * LANES }>().0[..blocks].iter().enumerate() {
            let to = &mut to[block * kept..][..kept + LANES];
            let mut at = 0;
            for (k, from) in from.as_chunks::<LANES>().0.iter().enumerate() {
                let bytes: [u8; LANES] = cast(v3.ssse3._mm_shuffle_epi8(cast(*from), orders[k]));
                to[at..][..LANES].copy_from_slice(&bytes);
                at += Self::ORDER[k].1;
            }
        }
        blocks * kept / APART
    }
}

/// Writes pixels of both rows by turns, as many of each as whole blocks hold, and returns how many.
pub(in super::super) fn alternate(v3: V3, apart: usize, rows: [&[u8]; 2], to: &mut [u8]) -> usize {
    match apart {
        1 => v3.vectorize(Alternated::<1> { v3, rows, to }),
        3 => v3.vectorize(Alternated::<3> { v3, rows, to }),
        4 => v3.vectorize(Alternated::<4> { v3, rows, to }),
        _ => 0,
    }
}

/// Of pixels of so many bytes.
struct Alternated<'a, const APART: usize> {
    v3: V3,
    rows: [&'a [u8]; 2],
    to: &'a mut [u8],
}

impl<const APART: usize> Alternated<'_, APART> {
    /// Bytes of the whole pixels of a vector.
    const WHOLE: usize = LANES / APART * APART;

    /// Which bytes of each row go to each half of what comes out.
    const ORDER: [[[u8; LANES]; 2]; 2] = {
        let mut order = [[[NONE; LANES]; 2]; 2];
        let mut at = 0;
        while at < Self::WHOLE {
            let mut row = 0;
            while row < 2 {
                let to = (2 * (at / APART) + row) * APART + at % APART;
                order[to / LANES][row][to % LANES] = at as u8;
                row += 1;
            }
            at += 1;
        }
        order
    };
}

impl<const APART: usize> NullaryFnOnce for Alternated<'_, APART> {
    type Output = usize;

    #[inline(always)]
    fn call(self) -> usize {
        let Self { v3, rows: [near, far], to } = self;
        let (whole, made) = (Self::WHOLE, 2 * Self::WHOLE);
        let orders: [[__m128i; 2]; 2] = [0, 1].map(|half| Self::ORDER[half].map(cast));
        let least = near.len().min(far.len());
        let room = to.len().saturating_sub(2 * LANES - made) / made;
        let blocks = (least.saturating_sub(LANES - whole) / whole).min(room);
        for block in 0..blocks {
            let rows = [near, far].map(|row| vector(row, block * whole));
            let to = &mut to[block * made..][..2 * LANES];
            for (to, order) in to.as_chunks_mut::<LANES>().0.iter_mut().zip(&orders) {
                let near = v3.ssse3._mm_shuffle_epi8(rows[0], order[0]);
                let far = v3.ssse3._mm_shuffle_epi8(rows[1], order[1]);
                *to = cast(v3.sse2._mm_or_si128(near, far));
            }
        }
        blocks * whole / APART
    }
}

#[inline(always)]
fn vector(row: &[u8], at: usize) -> __m128i {
    let bytes: [u8; LANES] = *row[at..].first_chunk().expect("a vector");
    cast(bytes)
}
