//! Bilinear samples of bytes under a map, in integers: bytes that stay bytes never become numbers.

use super::memory::Tile;
use super::stage::rows_of;
use super::store::Delivered;
use super::view::View;
use super::warp::Map;
use crate::kernels::Simd;
use crate::kernels::bytes::plane;
use crate::kernels::convert::interleave;
use crate::kernels::warp::{Lattice, Places};
use crate::kernels::warp_u8::{Row, SIDE_MAX, To, bilinear};
use crate::plan::{CHANNELS_MAX, Channels, D, H, Head, Interpolation, StagePlan, W};

/// Samples of bytes under way.
#[derive(Debug)]
pub(crate) struct WarpU8<'a> {
    map: Map<'a>,
    places: Places<'a>,
}

/// Whether `plan` samples bytes in integers, if it reads bytes.
pub(crate) fn is_integer(plan: &StagePlan) -> bool {
    let is_warp = matches!(plan.head(), Head::Affine | Head::Perspective | Head::Elastic);
    let is_blended = plan.interpolation() != Interpolation::Nearest;
    is_warp && is_blended && [H, W].into_iter().all(|k| plan.middle[k] <= SIDE_MAX)
}

impl<'a> WarpU8<'a> {
    /// The samples of an integer plan.
    pub(crate) fn new(map: Map<'a>, places: Places<'a>) -> Self {
        Self { map, places }
    }

    /// Output row (z, y) into `tile`.
    pub(crate) fn row(
        &mut self,
        simd: Simd,
        plan: &StagePlan,
        view: &View<'_, u8>,
        [z, y]: [i32; 2],
        tile: &mut Tile<'_>,
    ) {
        let stride = tile.stride;
        self.sample(simd, plan, view, [z, y], |row, first| {
            bilinear(simd, row, To::Planes { planes: &mut tile.values[first * stride..], stride });
        });
    }

    /// Samples row (z, y), all of whose channels `make` makes, or one after the other, whichever
    /// way they lie. It is told the first of them.
    fn sample(
        &mut self,
        simd: Simd,
        plan: &StagePlan,
        view: &View<'_, u8>,
        [z, y]: [i32; 2],
        mut make: impl FnMut(&Row<'_>, usize),
    ) {
        let [xs, ys] = self.places.fixed(plan.size[W] as usize);
        self.map.fixed(simd, y, [&mut *xs, &mut *ys]);
        let lattice = view.lattice(plan.after.offset[D] + plan.after.sign[D] * z);
        let places = [&*xs, &*ys];
        if are_beside(view) {
            return make(&Row { lattice, places, fill: plan.fill }, 0);
        }
        for c in 0..lattice.channels {
            let base = lattice.base + (c * lattice.channel_stride) as isize;
            let fill: Channels = [view.fill_of(c); CHANNELS_MAX];
            make(&Row { lattice: Lattice { base, channels: 1, ..lattice }, places, fill }, c);
        }
    }

    /// Writes all rows of `plan` as bytes, and returns whether it could: where pixels have
    /// operations to go through, nothing is done. They come out as they would by way of floats.
    pub(crate) fn deliver(
        &mut self,
        simd: Simd,
        plan: &StagePlan,
        view: &View<'_, u8>,
        memory: &mut [f32],
        to: &mut Delivered<'_, u8>,
    ) -> bool {
        if !plan.keeps_values() {
            return false;
        }
        let (channels, width) = (view.channels(), plan.size[W] as usize);
        let (made, turned) = bytemuck::cast_slice_mut(memory).split_at_mut(channels * width);
        for (at, place) in rows_of(plan) {
            self.sample(simd, plan, view, place, |row, first| {
                let bytes = &mut made[first * width..][..row.lattice.channels * width];
                bilinear(simd, row, To::Bytes(bytes));
            });
            match (are_beside(view), to.is_interleaved()) {
                (true, false) if channels > 1 => {
                    for c in 0..channels {
                        plane(simd, made, channels, c, &mut turned[..width]);
                        to.put(c * at.rows + at.row, &turned[..width]);
                    }
                }
                (false, true) => {
                    let turned = &mut turned[..channels * width];
                    interleave(simd, made, width, channels, turned);
                    to.put(at.row, turned);
                }
                (false, false) => {
                    for (c, made) in made.chunks(width.max(1)).enumerate() {
                        to.put(c * at.rows + at.row, made);
                    }
                }
                _ => to.put(at.row, made),
            }
        }
        true
    }
}

/// Whether the channels of a pixel are made together.
fn are_beside(view: &View<'_, u8>) -> bool {
    view.raster.channel_stride == 1 || view.channels() == 1
}
