//! Sharpness: a blend of each pixel with the mean of its neighbours, rows above and below in hand.

use super::memory::{HeadMemory, Tile};
use super::view::View;
use crate::kernels::Simd;
use crate::kernels::convert::Pixel;
use crate::kernels::filter::{clamp_row, sharpen_row};
use crate::plan::{H, StagePlan};

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
