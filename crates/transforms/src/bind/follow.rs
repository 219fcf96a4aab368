//! The stages of the first image as they are for a second one that follows it.

use bytemuck::Zeroable;

use crate::compose::Matrix;
use crate::plan::{Channels, H, Head, IntegerMap, Interpolation, Op, OpCode, StagePlan, W, canvas};

/// What is its own of an image that follows the first.
#[derive(Debug, Clone)]
pub(super) struct Follow {
    /// How many times as large it is.
    pub(super) times: i32,
    /// How values between pixels are found; `None` is as in the first image.
    pub(super) interpolation: Option<Interpolation>,
    /// The value outside.
    pub(super) fill: Channels,
    /// What the store multiplies by, and what it adds.
    pub(super) scale: Channels,
    pub(super) bias: Channels,
}

impl Follow {
    /// The stage `plan` of the first image, as far as this one follows it: its geometry, and what is
    /// mixed in.
    pub(super) fn stage(&self, plan: &StagePlan) -> StagePlan {
        let mut own = enlarged(plan, self.times);
        if matches!(own.head(), Head::Blur | Head::Sharpen) {
            own.head = Head::Move as u32;
        }
        self.interpolate(&mut own);
        own.fill = self.fill;
        keep_mixing(&mut own);
        if own.to == canvas::ROW {
            (own.scale, own.bias) = (self.scale, self.bias);
        }
        own
    }

    fn interpolate(&self, own: &mut StagePlan) {
        let Some(interpolation) = self.interpolation else { return };
        let finest = match own.head() {
            Head::Resize => interpolation,
            _ if interpolation == Interpolation::Bicubic => Interpolation::Bilinear,
            _ => interpolation,
        };
        // A step that takes the nearest pixel does not say whether it would smooth.
        let was_nearest = own.interpolation() == Interpolation::Nearest;
        let antialias = own.head() == Head::Resize && (own.antialias > 0 || was_nearest);
        own.antialias = u32::from(antialias && finest != Interpolation::Nearest);
        own.interpolation = finest as u32;
    }
}

/// Leaves those operations alone that mix a partner in.
fn keep_mixing(own: &mut StagePlan) {
    let mixes = |op: &Op| matches!(op.code(), Some(OpCode::Paste | OpCode::Blend));
    let mut kept = 0;
    for at in 0..own.ops().len() {
        if mixes(&own.ops[at]) {
            own.ops[kept] = own.ops[at];
            kept += 1;
        }
    }
    own.ops[kept..].fill(Op::zeroed());
    own.ops_len = kept as u32;
}

/// The stage `plan` for an image of which `times` x `times` pixels lie where one lay.
pub(super) fn enlarged(plan: &StagePlan, times: i32) -> StagePlan {
    let mut large = *plan;
    if times == 1 {
        return large;
    }
    let sizes = [&mut large.source, &mut large.middle, &mut large.resampled, &mut large.size];
    let windows = [&mut large.window_start, &mut large.window_end];
    for size in sizes.into_iter().chain(windows) {
        [H, W].into_iter().for_each(|k| size[k] *= times);
    }
    large.before = enlarged_map(&plan.before, times);
    large.after = enlarged_map(&plan.after, times);
    if matches!(plan.head(), Head::Affine | Head::Perspective) {
        let scale = f64::from(times);
        let (up, down) = (Matrix::resize([scale; 2]), Matrix::resize([1.0 / scale; 2]));
        large.matrix = (up * Matrix(plan.matrix) * down).scaled();
    }
    let pastes = large.ops.iter_mut().filter(|op| op.code() == Some(OpCode::Paste));
    for op in pastes {
        op.args[..4].iter_mut().for_each(|edge| *edge *= times as f32);
    }
    large
}

/// `map` of pixels that are `times` x `times` each.
fn enlarged_map(map: &IntegerMap, times: i32) -> IntegerMap {
    let mut large = *map;
    for k in [H, W] {
        let axis = map.axis[k] as usize;
        // Of a pixel that is seen from its end the last part comes first.
        let first = if map.sign[k] < 0 { times - 1 } else { 0 };
        large.offset[axis] = map.offset[axis] * times + first;
    }
    large
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_enlarged_map_finds_the_parts_of_the_pixels() {
        let mut map = IntegerMap::IDENTITY;
        map.crop(W, 3);
        map.flip(W, 5);
        map.transpose(H, W);
        let large = enlarged_map(&map, 4);
        for (y, x) in (0..20).flat_map(|y| (0..12).map(move |x| (y, x))) {
            let part = large.at([0, y, x]);
            assert_eq!([0, part[H] / 4, part[W] / 4], map.at([0, y / 4, x / 4]));
        }
        assert_eq!(large.at([0, 0, 0]), [0, 0, 31], "the last part of the last pixel of the crop");
    }
}
