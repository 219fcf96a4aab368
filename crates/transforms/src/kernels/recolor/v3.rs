//! Colours of bytes in AVX2.

use std::arch::x86_64::__m256i;

use pulp::x86::V3;
use pulp::{NullaryFnOnce, cast};
use tallow_core::Run;

use super::Recolor;
use crate::kernels::color::{luma_of, saturated};
use crate::kernels::convert::v3::{BYTES, Block, Joiner, PIXELS, Splitter, together};

pub(super) fn recolor(v3: V3, pixels: &[[u8; 3]], how: Recolor, to: &mut Run<'_, u8>) {
    match how {
        Recolor::Grayscale => v3.vectorize(Blocks { pixels, op: Grayscale::new(v3), to }),
        Recolor::Saturation(factor) => {
            let (split, join) = (Splitter::new::<false>(v3), Joiner::new(v3));
            v3.vectorize(Blocks { pixels, op: Saturation { split, join, factor }, to });
        }
    }
}

/// The result of a block: its bytes, and eight more that mean nothing.
trait OfBlock: Copy {
    fn of(self, block: &Block) -> [u8; 32];
}

/// The results of blocks. As a closure of `map` it would not be compiled for the level: the adapter
/// in between is a call where the closure is long.
struct Made<'a, O> {
    blocks: std::slice::Iter<'a, Block>,
    op: O,
}

impl<O: OfBlock> Iterator for Made<'_, O> {
    type Item = [u8; 32];

    #[inline(always)]
    fn next(&mut self) -> Option<[u8; 32]> {
        let block = self.blocks.next()?;
        Some(self.op.of(block))
    }
}

struct Blocks<'a, 'r, O> {
    pixels: &'a [[u8; 3]],
    op: O,
    to: &'a mut Run<'r, u8>,
}

impl<O: OfBlock> NullaryFnOnce for Blocks<'_, '_, O> {
    type Output = ();

    #[inline(always)]
    fn call(self) {
        let Self { pixels, op, to } = self;
        let (blocks, rest) = pixels.as_chunks::<PIXELS>();
        // Those after which there is room for the eight bytes that mean nothing.
        let roomy = (to.left() + BYTES).saturating_sub(32) / BYTES;
        let (most, last) = blocks.split_at(blocks.len().min(roomy));
        to.extend_overlapping::<32, BYTES>(Made { blocks: most.iter(), op });
        for block in last {
            to.copy(&op.of(block)[..BYTES]);
        }
        if !rest.is_empty() {
            let mut block = [[0; 3]; PIXELS];
            block.iter_mut().zip(rest).for_each(|(to, pixel)| *to = *pixel);
            to.copy(&op.of(&block)[..3 * rest.len()]);
        }
    }
}

#[derive(Clone, Copy)]
struct Saturation {
    split: Splitter,
    join: Joiner,
    factor: f32,
}

impl OfBlock for Saturation {
    #[inline(always)]
    fn of(self, block: &Block) -> [u8; 32] {
        let [mut r, mut g, mut b] = self.split.split(block);
        for i in 0..PIXELS {
            [r[i], g[i], b[i]] = saturated(r[i], g[i], b[i], self.factor);
        }
        self.join.join([r, g, b])
    }
}

/// The luma in all channels, which are rounded once.
#[derive(Clone, Copy)]
struct Grayscale {
    v3: V3,
    split: Splitter,
    /// From the first byte of each number to three equal bytes.
    spread: __m256i,
}

impl Grayscale {
    #[inline(always)]
    fn new(v3: V3) -> Self {
        let spread = [0u8, 0, 0, 4, 4, 4, 8, 8, 8, 12, 12, 12, 0, 0, 0, 0];
        Self { v3, split: Splitter::new::<false>(v3), spread: cast([spread; 2]) }
    }
}

impl OfBlock for Grayscale {
    #[inline(always)]
    fn of(self, block: &Block) -> [u8; 32] {
        let [mut luma, g, b] = self.split.split(block);
        for i in 0..PIXELS {
            // In units of 2^23 it is rounded half to even, to its lowest byte; it is never above 255.
            luma[i] = luma_of(luma[i], g[i], b[i]) + 8_388_608.0;
        }
        together(self.v3, self.v3.avx2._mm256_shuffle_epi8(cast(luma), self.spread))
    }
}
