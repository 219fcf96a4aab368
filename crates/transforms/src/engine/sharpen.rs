//! Sharpness: a blend of each pixel with the mean of its neighbours, rows above and below in hand.

use super::memory::{HeadMemory, Tile};
use super::stage::rows_of;
use super::store::Delivered;
use super::view::View;
use crate::kernels::Simd;
use crate::kernels::convert::Pixel;
use crate::kernels::filter::{clamp_row, sharpen_bytes, sharpen_row};
use crate::plan::{H, StagePlan, W};

/// Rows that are looked at together.
const ROWS: i32 = 3;

/// A sharpening under way.
#[derive(Debug)]
pub(crate) struct Sharpen<'a> {
    /// Row r of slice `slice` lies at r modulo [`ROWS`].
    ring: &'a mut [f32],
    held: [i32; ROWS as usize],
    slice: i32,
    stride: usize,
}

impl<'a> Sharpen<'a> {
    pub(crate) fn prepare(memory: &'a mut HeadMemory<'_>) -> Self {
        let stride = memory.stride;
        Self { ring: memory.ring, held: [i32::MIN; 3], slice: i32::MIN, stride }
    }

    /// Writes all rows from bytes as bytes, and returns whether it could: where pixels have operations
    /// to go through, change their layout, or belong to a picture that has to be turned upright, nothing
    /// is done. They come out as they would by way of floats.
    pub(crate) fn deliver(
        &mut self,
        simd: Simd,
        plan: &StagePlan,
        view: &View<'_, u8>,
        memory: &mut [f32],
        to: &mut Delivered<'_, u8>,
    ) -> bool {
        let channels = view.channels();
        let lies_alike = channels == 1 || to.is_interleaved() == view.is_interleaved();
        let is_straight = view.is_straight(&(0..plan.middle[H])) && !view.is_mirrored();
        if !plan.keeps_values() || !lies_alike || !is_straight {
            return false;
        }
        let beside = if view.is_interleaved() { channels } else { 1 };
        let len = plan.middle[W] as usize * beside;
        let bytes: &mut [u8] = bytemuck::cast_slice_mut(memory);
        let (bytes, sums) = (&mut bytes[..len], bytemuck::cast_slice_mut(self.ring));
        for (at, [z, y]) in rows_of(plan) {
            let rows = view.straight(z, 0);
            for plane in (0..channels).step_by(beside) {
                let row = |y: i32| {
                    let place = rows.place(y as usize) + plane * view.raster.channel_stride;
                    &rows.bytes[place..][..len]
                };
                let mut made = row(y);
                if y > 0 && y + 1 < plan.middle[H] && plan.middle[W] > 2 {
                    let around = [row(y - 1), row(y), row(y + 1)];
                    sharpen_bytes(simd, around, beside, plan.amount, sums, bytes);
                    made = bytes;
                }
                to.put(plane * at.rows + at.row, made);
            }
        }
        true
    }

    /// Output row (z, y) into `tile`. As in torchvision the outermost pixels are not blended, but
    /// clamped like the others, and an image without inner ones stays as it is.
    pub(crate) fn row<T: Pixel>(
        &mut self,
        simd: Simd,
        plan: &StagePlan,
        view: &View<'_, T>,
        [z, y]: [i32; 2],
        tile: &mut Tile<'_>,
    ) {
        let height = plan.middle[H];
        if self.slice != z {
            (self.held, self.slice) = ([i32::MIN; 3], z);
        }
        let has_inner = height > 2 && tile.width > 2;
        if !has_inner || y == 0 || y + 1 == height {
            view.row(simd, z, y, tile.values, tile.stride);
            let clamped = if has_inner { tile.channels } else { 0 };
            (0..clamped).for_each(|c| clamp_row(simd, tile.plane(c), plan.fill[0]));
            return;
        }
        let len = tile.channels * self.stride;
        for r in y - 1..=y + 1 {
            let slot = (r % ROWS) as usize;
            if self.held[slot] != r {
                self.held[slot] = r;
                view.row(simd, z, r, &mut self.ring[slot * len..], self.stride);
            }
        }
        for c in 0..tile.channels {
            let row =
                |r: i32| &self.ring[(r % ROWS) as usize * len + c * self.stride..][..tile.width];
            let (above, row, below) = (row(y - 1), row(y), row(y + 1));
            let plane = &mut tile.values[c * tile.stride..][..tile.width];
            sharpen_row(simd, above, row, below, plan.amount, plan.fill[0], plane);
        }
    }
}
