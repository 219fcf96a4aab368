//! Pixels of three bytes put together in vectors.

use std::arch::x86_64::__m128i;

use pulp::x86::V3;
use pulp::{NullaryFnOnce, cast};
use tallow_core::Run;

use super::Colors;

/// Bytes of a vector, of which a block fills [`KEPT`].
const LANES: usize = 16;

/// Pixels of a block.
const TOGETHER: usize = 4;

/// Bytes of the pixels of a block.
const KEPT: usize = 3 * TOGETHER;

/// The blocks that `to` has room for: each store takes a whole vector.
fn room(to: &Run<'_, u8>) -> usize {
    to.left().saturating_sub(LANES - KEPT) / KEPT
}

/// Writes blocks of pixels, as many as can be read and written in vectors, and returns how many pixels they
/// are.
pub(super) fn take_pairs(
    v3: V3,
    from: &[u8],
    starts: &[[u32; 2]],
    orders: [&[[u8; LANES]]; 2],
    to: &mut Run<'_, u8>,
) -> usize {
    v3.vectorize(Pairs { v3, from, starts, orders, to })
}

struct Pairs<'a, 'r> {
    v3: V3,
    from: &'a [u8],
    starts: &'a [[u32; 2]],
    orders: [&'a [[u8; LANES]]; 2],
    to: &'a mut Run<'r, u8>,
}

impl NullaryFnOnce for Pairs<'_, '_> {
    type Output = usize;

    #[inline(always)]
    fn call(self) -> usize {
        let Self { v3, from, starts, orders: [front, back], to } = self;
        let most = starts.len().min(room(to));
        let blocks = starts[..most].iter().zip(front).zip(back);
        let mut done = 0;
        to.extend_overlapping::<LANES, KEPT>(blocks.map_while(
            #[inline(always)]
            |((starts, front), back)| {
                let front = v3.ssse3._mm_shuffle_epi8(vector(from, starts[0])?, cast(*front));
                let back = v3.ssse3._mm_shuffle_epi8(vector(from, starts[1])?, cast(*back));
                done += TOGETHER;
                Some(cast(v3.sse2._mm_or_si128(front, back)))
            },
        ));
        done
    }
}

#[inline(always)]
fn vector(from: &[u8], start: u32) -> Option<__m128i> {
    let start = start as usize;
    let bytes: &[u8; LANES] = from.get(start..start + LANES)?.try_into().ok()?;
    Some(cast(*bytes))
}

/// Writes blocks of pixels, each at its element, and returns how many pixels they are.
pub(super) fn copy_blocks(
    v3: V3,
    colors: &Colors<'_>,
    elements: &[u32],
    to: &mut Run<'_, u8>,
) -> usize {
    v3.vectorize(Copied { v3, colors, elements, to })
}

struct Copied<'a, 'r> {
    v3: V3,
    colors: &'a Colors<'a>,
    elements: &'a [u32],
    to: &'a mut Run<'r, u8>,
}

/// The lower three bytes of four numbers.
const PACKED: [u8; LANES] = [0, 1, 2, 4, 5, 6, 8, 9, 10, 12, 13, 14, 15, 15, 15, 15];

impl NullaryFnOnce for Copied<'_, '_> {
    type Output = usize;

    #[inline(always)]
    fn call(self) -> usize {
        let Self { v3, colors, elements, to } = self;
        let blocks = elements.as_chunks::<TOGETHER>().0;
        let blocks = &blocks[..blocks.len().min(room(to))];
        to.extend_overlapping::<LANES, KEPT>(blocks.iter().map(
            #[inline(always)]
            |[a, b, c, d]| {
                let (a, b) = (colors.pixel(*a), colors.pixel(*b));
                let (c, d) = (colors.pixel(*c), colors.pixel(*d));
                cast(v3.ssse3._mm_shuffle_epi8(cast([a, b, c, d]), cast(PACKED)))
            },
        ));
        blocks.len() * TOGETHER
    }
}
