//! The delivered row: a finished row of the image in its element type and layout.

use std::ops::Range;

use half::{bf16, f16};
use tallow_core::{Element, FieldMut, Pieces, Result, RowDType, Run};

use super::memory::Tile;
use crate::kernels::Simd;
use crate::kernels::convert::{
    affine_store_bf16, affine_store_f16, affine_store_f32, affine_store_u8, interleave, join_u8,
};
use crate::plan::{CHANNELS_MAX, StagePlan};

/// An element type that is delivered.
pub(crate) trait Stored: Element {
    /// `x * scale + bias`, rounded to the type.
    fn store(simd: Simd, to: &mut [Self], x: &[f32], scale: f32, bias: f32);

    /// The same of three planes, each with its own numbers, to pixels whose channels lie side by side;
    /// `false` if the type has no such way.
    fn store_colors(
        _simd: Simd,
        _to: &mut [Self],
        _planes: [&[f32]; 3],
        _plan: &StagePlan,
    ) -> bool {
        false
    }
}

macro_rules! stored {
    ($($element:ty => $store:ident),* $(,)?) => {
        $(impl Stored for $element {
            fn store(simd: Simd, to: &mut [Self], x: &[f32], scale: f32, bias: f32) {
                $store(simd, to, x, scale, bias);
            }
        })*
    };
}

stored!(
    f16 => affine_store_f16,
    bf16 => affine_store_bf16,
    f32 => store_f32,
);

impl Stored for u8 {
    fn store(simd: Simd, to: &mut [Self], x: &[f32], scale: f32, bias: f32) {
        affine_store_u8(simd, to, x, scale, bias);
    }

    fn store_colors(simd: Simd, to: &mut [Self], planes: [&[f32]; 3], plan: &StagePlan) -> bool {
        let [scale, bias] = [plan.scale, plan.bias].map(|[r, g, b, _]| [r, g, b]);
        join_u8(simd, planes, scale, bias, to.as_chunks_mut().0);
        true
    }
}

/// Also what is neither scaled nor moved, bit for bit: -0 + 0 would be 0.
fn store_f32(simd: Simd, to: &mut [f32], x: &[f32], scale: f32, bias: f32) {
    match (scale, bias) {
        (1.0, 0.0) => to.copy_from_slice(x),
        _ => affine_store_f32(simd, to, x, scale, bias),
    }
}

/// The delivered row, under way.
#[derive(Debug)]
pub(crate) enum Output<'a> {
    U8(Delivered<'a, u8>),
    F16(Delivered<'a, f16>),
    BF16(Delivered<'a, bf16>),
    F32(Delivered<'a, f32>),
}

/// A delivered row of one element type.
#[derive(Debug)]
pub(crate) struct Delivered<'a, T> {
    pieces: Pieces<'a, T>,
    interleaved: bool,
}

impl<'a> Output<'a> {
    /// A field of `channels` channels and rows of `width`, whose shape is set.
    pub(crate) fn new(
        field: &'a mut FieldMut<'_>,
        width: usize,
        channels: usize,
        interleaved: bool,
    ) -> Result<Self> {
        let piece = if interleaved { width * channels } else { width };
        Ok(match field.declared().dtype() {
            RowDType::U8 => Self::U8(Delivered { pieces: field.pieces(piece)?, interleaved }),
            RowDType::F16 => Self::F16(Delivered { pieces: field.pieces(piece)?, interleaved }),
            RowDType::BF16 => Self::BF16(Delivered { pieces: field.pieces(piece)?, interleaved }),
            // `bind` lets no other type through.
            _ => Self::F32(Delivered { pieces: field.pieces(piece)?, interleaved }),
        })
    }

    /// Stores a row, by way of `memory`, which holds it twice.
    pub(crate) fn write(
        &mut self,
        simd: Simd,
        plan: &StagePlan,
        at: RowPlace,
        tile: &Tile<'_>,
        memory: &mut [f32],
    ) {
        match self {
            Self::U8(to) => to.write(simd, plan, at, tile, memory),
            Self::F16(to) => to.write(simd, plan, at, tile, memory),
            Self::BF16(to) => to.write(simd, plan, at, tile, memory),
            Self::F32(to) => to.write(simd, plan, at, tile, memory),
        }
    }
}

/// A row of an image, counted over all slices.
#[derive(Debug, Clone, Copy)]
pub(crate) struct RowPlace {
    pub(crate) row: usize,
    /// Rows in all.
    pub(crate) rows: usize,
}

impl<T: Stored> Delivered<'_, T> {
    /// Whether the channels of a pixel lie side by side.
    pub(super) fn is_interleaved(&self) -> bool {
        self.interleaved
    }

    /// Stores a finished row: of all channels, or of one, whose rows follow those of the channel
    /// before it.
    pub(super) fn put(&mut self, row: usize, elements: &[T]) {
        self.pieces.write(row, elements);
    }

    /// The rows `rows`, counted as [`put`](Self::put) does, to be written where they are delivered.
    pub(super) fn run(&mut self, rows: Range<usize>) -> Run<'_, T> {
        self.pieces.run(rows)
    }

    fn write(
        &mut self,
        simd: Simd,
        plan: &StagePlan,
        at: RowPlace,
        tile: &Tile<'_>,
        memory: &mut [f32],
    ) {
        let memory: &mut [T] = bytemuck::cast_slice_mut(memory);
        if self.interleaved && tile.channels == 3 {
            let pixels = &mut memory[..3 * tile.width];
            let planes = [0, 1, 2].map(|c| tile.plane_ref(c));
            if T::store_colors(simd, pixels, planes, plan) {
                return self.pieces.write(at.row, pixels);
            }
        }
        let (planes, pixels) = memory.split_at_mut(tile.channels * tile.stride);
        for c in 0..tile.channels {
            let of = if c < CHANNELS_MAX { c } else { 0 };
            let to = &mut planes[c * tile.stride..][..tile.width];
            T::store(simd, to, tile.plane_ref(c), plan.scale[of], plan.bias[of]);
            if !self.interleaved {
                self.pieces.write(c * at.rows + at.row, to);
            }
        }
        if self.interleaved {
            let pixels = &mut pixels[..tile.width * tile.channels];
            interleave(simd, planes, tile.stride, tile.channels, pixels);
            self.pieces.write(at.row, pixels);
        }
    }
}
