//! Blurs of bytes, in integers: along the height, straight from the bytes of the image, then along the
//! width. All engines and levels therefore make the same bits, in whatever order they add.
//!
//! A blur begins its stage and nothing moves pixels behind it: rows are those of the image, or of a
//! picture that has to be turned upright. Between the passes a row goes on beyond the image as its
//! reflection, so that all outputs have the same weights.

use super::band::Band;
use super::memory::{HeadMemory, Tile};
use super::stage::rows_of;
use super::store::Delivered;
use super::taps::kernel_weights;
use super::view::{View, beyond};
use crate::kernels::Simd;
use crate::kernels::blur_u8::{To, horizontal, vertical};
use crate::kernels::convert::deinterleave;
use crate::plan::{BLUR_WEIGHTS_MAX, Border, H, StagePlan, W};

/// A blur under way.
#[derive(Debug)]
pub(crate) struct BlurU8<'a> {
    plan: &'a StagePlan,
    /// One half of the kernel, its middle first.
    weights: &'a [i16],
    band: Band<'a>,
    /// A row between the passes, of whole pixels or of a plane, with what is reflected.
    between: &'a mut [i16],
    /// Elements from a pixel to the next.
    beside: usize,
    /// Room for a row of whole pixels.
    pixels: &'a mut [f32],
}

impl<'a> BlurU8<'a> {
    /// `plan` is an integer one of `view`.
    pub(crate) fn prepare(
        plan: &'a StagePlan,
        view: &View<'_, u8>,
        memory: &'a mut HeadMemory<'_>,
    ) -> Self {
        let HeadMemory { row, ring, weights: [weights, _], held, stride, .. } = memory;
        let weights = kernel_weights(plan, bytemuck::cast_slice_mut(weights));
        let beside = if view.is_interleaved() { view.channels() } else { 1 };
        let (width, reach) = (plan.middle[W] as usize, weights.len() - 1);
        let between = bytemuck::cast_slice_mut(row);
        let between = &mut between[..(width + 2 * reach) * beside];
        let (pixels, ring) = ring.split_at_mut(view.channels() * *stride);
        let is_straight = view.is_straight(&(0..plan.middle[H])) && !view.is_mirrored();
        let ring = if is_straight { None } else { Some(bytemuck::cast_slice_mut(ring)) };
        let count = (2 * reach + 1).min(plan.middle[H] as usize);
        let band = Band::new(ring, &mut held[..count], *stride);
        Self { plan, weights, band, between, beside, pixels: &mut pixels[..width * beside] }
    }

    /// Output row (z, y) into `tile`.
    pub(crate) fn row(
        &mut self,
        simd: Simd,
        view: &View<'_, u8>,
        place: [i32; 2],
        tile: &mut Tile<'_>,
    ) {
        let Tile { values, stride, width, channels } = tile;
        for plane in (0..*channels).step_by(self.beside) {
            self.down(simd, view, place, plane);
            if self.beside == 1 {
                let to = To::Values(&mut values[plane * *stride..][..*width]);
                horizontal(simd, self.between, 1, self.weights, to);
            } else {
                let to = To::Values(self.pixels);
                horizontal(simd, self.between, self.beside, self.weights, to);
                deinterleave(simd, self.pixels, self.beside, values, *stride);
            }
        }
    }

    /// Writes all rows as bytes, and returns whether it could: where pixels have operations to go
    /// through, or change their layout, nothing is done. They come out as they would by way of floats.
    pub(crate) fn deliver(
        &mut self,
        simd: Simd,
        view: &View<'_, u8>,
        memory: &mut [f32],
        to: &mut Delivered<'_, u8>,
    ) -> bool {
        let (plan, channels) = (self.plan, view.channels());
        let lies_alike = channels == 1 || to.is_interleaved() == view.is_interleaved();
        if !plan.keeps_values() || !lies_alike {
            return false;
        }
        let bytes: &mut [u8] = bytemuck::cast_slice_mut(memory);
        let bytes = &mut bytes[..self.pixels.len()];
        for (at, place) in rows_of(plan) {
            for plane in (0..channels).step_by(self.beside) {
                self.down(simd, view, place, plane);
                let made = To::Bytes(bytes);
                horizontal(simd, self.between, self.beside, self.weights, made);
                to.put(plane * at.rows + at.row, bytes);
            }
        }
        true
    }

    /// Sums up row (z, y) along the height, of whole pixels or of the channel `plane`, and reflects its
    /// ends.
    fn down(&mut self, simd: Simd, view: &View<'_, u8>, [z, y]: [i32; 2], plane: usize) {
        let Self { plan, weights, band, between, beside, pixels } = self;
        let (height, reach) = (plan.middle[H] as usize, weights.len() - 1);
        // Rows that are reflected lie among those inside.
        let count = (2 * reach + 1).min(height);
        let first = (y as usize).saturating_sub(reach).min(height - count);
        let (rows, apart) = band.rows(view, z, first..first + count);
        let row = |at: i32| {
            let number = reflected(at, height as i32) - first;
            &rows.bytes[rows.place(number) + plane * apart..][..pixels.len()]
        };
        let mut pairs: [[&[u8]; 2]; BLUR_WEIGHTS_MAX] = [[&[]; 2]; BLUR_WEIGHTS_MAX];
        let pairs = &mut pairs[..reach];
        for (pair, distance) in pairs.iter_mut().zip(1..) {
            *pair = [row(y - distance), row(y + distance)];
        }
        let inside = reach * *beside;
        vertical(simd, row(y), pairs, weights, &mut between[inside..][..pixels.len()]);
        let width = plan.middle[W];
        for at in (1..=reach as i32).flat_map(|beyond| [-beyond, width - 1 + beyond]) {
            let from = inside + reflected(at, width) * *beside;
            let to = (reach as i32 + at) as usize * *beside;
            between.copy_within(from..from + *beside, to);
        }
    }
}

/// The pixel of 0..`len` that is seen at `at`.
fn reflected(at: i32, len: i32) -> usize {
    match (0..len).contains(&at) {
        true => at as usize,
        false => beyond(Border::Reflect, at, len).unwrap_or(0) as usize,
    }
}
