//! Stages that make bytes of bytes without a word about their values: moved, or resized and nothing
//! else. They come out as they would by way of floats.

use super::stage::{self, rows_of};
use super::store::Delivered;
use super::view::View;
use crate::kernels::Simd;
use crate::kernels::bytes::{plane, reverse};
use crate::kernels::resize_u8::Rows;
use crate::plan::{CHANNELS_MAX, D, H, StagePlan, W};

/// Writes all rows of `plan` and returns whether it could: where pixels have operations to go through,
/// or have to be put together from planes, nothing is done.
pub(super) fn run(
    simd: Simd,
    plan: &StagePlan,
    view: &View<'_, u8>,
    rows: &mut stage::Rows<'_>,
    memory: &mut [f32],
    to: &mut Delivered<'_, u8>,
) -> bool {
    let is_plain = plan.scale == [1.0; CHANNELS_MAX] && plan.bias == [0.0; CHANNELS_MAX];
    if !is_plain || !plan.ops().is_empty() {
        return false;
    }
    let memory = bytemuck::cast_slice_mut(memory);
    match rows {
        stage::Rows::ResizeU8(resize) if resize.makes(view.channels(), to.interleaved) => {
            let len = plan.size[W] as usize * if to.interleaved { view.channels() } else { 1 };
            for (row, [z, y]) in rows_of(plan) {
                let z = plan.after.offset[D] + plan.after.sign[D] * z;
                resize.bytes(simd, view, [z, y], memory, |c, bytes| {
                    to.pieces.write(c * row.rows + row.row, &bytes[..len]);
                });
            }
            true
        }
        stage::Rows::Move => moved(simd, plan, view, memory, to),
        _ => false,
    }
}

/// Writes rows that are moved.
fn moved(
    simd: Simd,
    plan: &StagePlan,
    view: &View<'_, u8>,
    memory: &mut [u8],
    to: &mut Delivered<'_, u8>,
) -> bool {
    let (channels, width, whole) = (view.channels(), view.width(), view.is_interleaved());
    let splits = whole && !to.interleaved;
    if !whole && to.interleaved && channels > 1 {
        return false;
    }
    let is_straight = view.is_straight(&(0..plan.size[H]));
    let (beside, planes) = if whole { (channels, 1) } else { (1, channels) };
    let len = width * beside;
    let (copied, memory) = memory.split_at_mut(channels * width);
    let (reversed, memory) = memory.split_at_mut(len);
    for (row, [z, y]) in rows_of(plan) {
        let (straight, apart) = match is_straight {
            true => (view.straight(z, y), view.raster.channel_stride),
            false => {
                view.copy(z, y, copied, width);
                (Rows { bytes: copied, first: 0, step: 0, wrap: usize::MAX, back: 0 }, width)
            }
        };
        for c in 0..planes {
            let mut bytes = &straight.bytes[straight.first + c * apart..][..len];
            if is_straight && view.is_mirrored() {
                reverse(simd, bytes, beside, reversed);
                bytes = reversed;
            }
            if !splits {
                to.pieces.write(c * row.rows + row.row, bytes);
                continue;
            }
            for c in 0..channels {
                let values = &mut memory[..width];
                plane(simd, bytes, channels, c, values);
                to.pieces.write(c * row.rows + row.row, values);
            }
        }
    }
    true
}
