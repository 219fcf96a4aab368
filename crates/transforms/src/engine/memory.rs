//! The scratch of one worker, divided into what a stage needs. All of it is planned at `build`.

use crate::compose::{Mixing, Sketch};
use crate::kernels::resize_u8::{OUTPUTS, SLACK};
use crate::kernels::warp::Places;
use crate::plan::{BLUR_WEIGHTS_MAX, canvas};

/// One row of an image, one plane per channel.
#[derive(Debug)]
pub(crate) struct Tile<'a> {
    pub(crate) values: &'a mut [f32],
    /// From one plane to the next.
    pub(crate) stride: usize,
    pub(crate) width: usize,
    pub(crate) channels: usize,
}

impl Tile<'_> {
    pub(crate) fn plane(&mut self, channel: usize) -> &mut [f32] {
        &mut self.values[channel * self.stride..][..self.width]
    }

    pub(crate) fn plane_ref(&self, channel: usize) -> &[f32] {
        &self.values[channel * self.stride..][..self.width]
    }

    /// The planes of red, green and blue.
    pub(crate) fn colors(&mut self) -> [&mut [f32]; 3] {
        let width = self.width;
        let mut planes = self.values.chunks_mut(self.stride);
        std::array::from_fn(|_| match planes.next() {
            Some(plane) => &mut plane[..width],
            None => &mut [],
        })
    }
}

/// How many elements each part of the scratch has: the largest that any stage needs.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Extents {
    pub(crate) channels: usize,
    /// Elements of a row of any image, rounded up so that planes begin on cache lines.
    pub(crate) stride: usize,
    /// The longest row or column.
    pub(crate) longest: usize,
    /// The longest column.
    pub(crate) height: usize,
    /// Taps along an axis.
    pub(crate) taps: usize,
    /// Elements of a channel of the largest image between stages.
    pub(crate) canvas: usize,
    /// Whether each canvas is used; the first of them is the row and never is.
    pub(crate) canvases: [bool; canvas::COUNT],
    pub(crate) statistics: bool,
    pub(crate) elastic: bool,
    /// Elements of a raw image that is read as `f32` before anything else.
    pub(crate) widened: usize,
}

/// Planes begin on cache lines.
const LINE: usize = 16;

/// Weights are kept once for the height and twice for the width: a resize of bytes has there four
/// numbers of 16 bits for each.
const WEIGHTS: usize = 3;

impl Extents {
    pub(crate) fn of(sketch: &Sketch) -> Self {
        let stages = &sketch.stages;
        let most = |of: fn(&crate::compose::StageSketch) -> usize| stages.iter().map(of).max();
        let several = stages.len() > 1;
        let mixed = sketch.mixing != Mixing::None;
        let mut canvases = [false; canvas::COUNT];
        canvases[canvas::FIRST as usize] = several || mixed;
        canvases[canvas::SECOND as usize] = several;
        canvases[canvas::ORIGIN as usize] = sketch.blends_views;
        canvases[canvas::SUM as usize] = sketch.blends_views;
        canvases[canvas::PARTNER as usize] = mixed;
        Self {
            channels: sketch.channels,
            stride: most(|s| s.width).unwrap_or(0).next_multiple_of(LINE),
            longest: most(|s| s.width.max(s.height)).unwrap_or(0),
            height: most(|s| s.height).unwrap_or(0),
            taps: most(|s| s.taps.min(s.height.max(s.width))).unwrap_or(1).max(3),
            canvas: most(|s| s.elements).unwrap_or(0),
            canvases,
            statistics: stages.iter().any(|s| s.statistic),
            elastic: stages.iter().any(|s| s.elastic),
            widened: 0,
        }
    }

    fn row(&self) -> usize {
        self.channels * self.stride
    }

    /// A size whose slices, rows and columns are as many as those of any image.
    pub(crate) fn largest(&self) -> [usize; 3] {
        let slice = (self.stride * self.height).max(1);
        [self.canvas.div_ceil(slice), self.height, self.stride]
    }

    /// Elements of the largest image between stages.
    pub(crate) fn image(&self) -> usize {
        self.channels * self.canvas
    }

    fn parts(&self) -> Parts {
        let canvases = self.canvases.iter().filter(|used| **used).count();
        Parts {
            tile: self.row(),
            store: 2 * self.row(),
            // A resize of bytes reads past the end, and a blur goes on by its reach on both sides, both
            // in numbers of 16 bits.
            row: self.row().max(4 * self.stride)
                + (self.channels * BLUR_WEIGHTS_MAX).max(SLACK / 2).next_multiple_of(LINE),
            ring: self.taps * self.row(),
            weights: WEIGHTS * self.weights(),
            starts: 2 * self.outputs(),
            held: self.taps,
            places: 4 * self.stride,
            canvases: canvases * self.image(),
            seen: if self.statistics { self.image() } else { 0 },
            fields: if self.elastic { 3 * self.canvas } else { 0 },
            widened: self.widened,
        }
    }

    /// Outputs along an axis, in whole blocks.
    fn outputs(&self) -> usize {
        self.longest.next_multiple_of(OUTPUTS)
    }

    /// Weights of all outputs along an axis.
    fn weights(&self) -> usize {
        self.taps.next_multiple_of(2) * self.outputs()
    }

    /// Bytes of the scratch, with room to align it.
    pub(crate) fn bytes(&self) -> usize {
        (self.parts().sum() + LINE) * size_of::<f32>()
    }
}

/// Elements of each part of the scratch, by the names that [`Memory`] has for them.
struct Parts {
    tile: usize,
    store: usize,
    row: usize,
    ring: usize,
    weights: usize,
    starts: usize,
    held: usize,
    places: usize,
    canvases: usize,
    seen: usize,
    fields: usize,
    widened: usize,
}

impl Parts {
    fn sum(self) -> usize {
        let Self { tile, store, row, ring, weights, starts, .. } = self;
        let Self { held, places, canvases, seen, fields, widened, .. } = self;
        let rows = tile + store + row + ring;
        rows + weights + starts + held + places + canvases + seen + fields + widened
    }
}

/// The scratch of a run.
#[derive(Debug)]
pub(crate) struct Memory<'a> {
    /// The row that is being made.
    pub(crate) tile: &'a mut [f32],
    pub(crate) stride: usize,
    /// The row that is being delivered, planes first and then pixels.
    pub(crate) store: &'a mut [f32],
    pub(crate) head: HeadMemory<'a>,
    pub(crate) canvases: [&'a mut [f32]; canvas::COUNT],
    /// The image that a statistic was taken of.
    pub(crate) seen: &'a mut [f32],
    /// The displacements of an elastic map, and room to blur them.
    pub(crate) fields: &'a mut [f32],
    /// The raw image, where it is not of a type that stages read.
    pub(crate) widened: &'a mut [f32],
}

/// What the geometric part of a stage needs.
#[derive(Debug)]
pub(crate) struct HeadMemory<'a> {
    /// One row of the source, up to four values per pixel.
    pub(crate) row: &'a mut [f32],
    /// Rows that were resampled along the width.
    pub(crate) ring: &'a mut [f32],
    /// Weights, along the width and along the height.
    pub(crate) weights: [&'a mut [f32]; 2],
    /// Where each output's taps begin.
    pub(crate) starts: [&'a mut [u32]; 2],
    /// Which rows are in the ring.
    pub(crate) held: &'a mut [i32],
    /// Where a row is sampled.
    pub(crate) places: Places<'a>,
    pub(crate) stride: usize,
}

impl<'a> Memory<'a> {
    /// Divides `scratch`, which has the bytes that `extents` ask for.
    pub(crate) fn divide(extents: &Extents, scratch: &'a mut [u8]) -> Self {
        let align = scratch.as_ptr().align_offset(LINE * size_of::<f32>());
        let floats = extents.bytes() / size_of::<f32>() - LINE;
        let bytes = &mut scratch[align..][..floats * size_of::<f32>()];
        let mut left: &'a mut [f32] = bytemuck::cast_slice_mut(bytes);
        let mut take = |len: usize| split_off(&mut left, len);
        let parts = extents.parts();
        let (tile, store) = (take(parts.tile), take(parts.store));
        let (row, ring) = (take(parts.row), take(parts.ring));
        let (weights, starts) = (take(parts.weights), take(parts.starts));
        let (x_weights, y_weights) = weights.split_at_mut((WEIGHTS - 1) * extents.weights());
        let held = take(parts.held);
        let [whole, share] = halves(take(parts.places));
        let mut canvases = take(parts.canvases);
        let image = |used: bool| if used { extents.image() } else { 0 };
        let memory = Self {
            tile,
            stride: extents.stride,
            store,
            head: HeadMemory {
                row,
                ring,
                weights: [x_weights, y_weights],
                starts: halves(bytemuck::cast_slice_mut(starts)),
                held: bytemuck::cast_slice_mut(held),
                places: Places {
                    whole: halves(bytemuck::cast_slice_mut(whole)),
                    share: halves(share),
                },
                stride: extents.stride,
            },
            canvases: extents.canvases.map(|used| split_off(&mut canvases, image(used))),
            seen: take(parts.seen),
            fields: take(parts.fields),
            widened: take(parts.widened),
        };
        debug_assert!(left.is_empty(), "every part of the scratch is one of the memory");
        memory
    }
}

fn split_off<'a>(left: &mut &'a mut [f32], len: usize) -> &'a mut [f32] {
    let (part, rest) = std::mem::take(left).split_at_mut(len);
    *left = rest;
    part
}

fn halves<T>(both: &mut [T]) -> [&mut [T]; 2] {
    let (a, b) = both.split_at_mut(both.len() / 2);
    [a, b]
}
