//! The displacements of an elastic map: noise that is made smooth.

use super::memory::HeadMemory;
use super::separable::Separable;
use super::view::{Raster, View};
use crate::kernels::Simd;
use crate::kernels::arithmetic::affine;
use crate::kernels::noise::{NoiseKey, uniform};
use crate::plan::{Head, IntegerMap, StagePlan};
use crate::sketch::{D, H, W};

use super::memory::Tile;

/// The part of `fields` that holds the displacements: all of x, then all of y, of one slice.
pub(crate) fn used<'a>(plan: &StagePlan, fields: &'a [f32]) -> &'a [f32] {
    &fields[..2 * pixels(plan)]
}

fn pixels(plan: &StagePlan) -> usize {
    plan.size[H] as usize * plan.size[W] as usize
}

/// Draws the displacements of `plan` into `fields`: uniform in [-1, 1), convolved with the plan's
/// kernel, times its amount. Every slice of a volume moves alike.
pub(crate) fn fields(
    simd: Simd,
    plan: &StagePlan,
    memory: &mut HeadMemory<'_>,
    fields: &mut [f32],
) {
    let pixels = pixels(plan);
    let (smooth, raw) = fields.split_at_mut(2 * pixels);
    let raw = &mut raw[..pixels];
    let [low, high] = plan.noise.index;
    let index = u64::from(high) << 32 | u64::from(low);
    let key = NoiseKey { key: plan.noise.key, stream: plan.field_stream, index };
    let blur = blur_of(plan);
    for (axis, smooth) in smooth.chunks_mut(pixels.max(1)).enumerate() {
        uniform(simd, raw, key, (axis * pixels) as u64);
        affine(simd, raw, 2.0, -1.0);
        let view = View::new(Raster::new(&*raw, blur.size, 1, false), &blur);
        let width = plan.size[W] as usize;
        let stride = memory.stride;
        // The widest row of the scratch serves as the row in flight.
        let mut separable = Separable::prepare(&blur, memory);
        for (y, row) in smooth.chunks_mut(width.max(1)).enumerate() {
            let mut tile = Tile { values: row, stride, width, channels: 1 };
            separable.row(simd, &view, [0, y as i32], &mut tile);
            affine(simd, tile.plane(0), plan.amount, 0.0);
        }
    }
}

/// The blur of one slice, a plane.
fn blur_of(plan: &StagePlan) -> StagePlan {
    let mut size = plan.size;
    size[D] = 1;
    let mut blur = StagePlan::moving(size, 0);
    blur.head = Head::Blur as u32;
    blur.before = IntegerMap::IDENTITY;
    (blur.weights, blur.weights_len) = (plan.weights, plan.weights_len);
    blur
}

/// The displacement of the pixel nearest to a place, x and y, in the `fields` of `plan`.
pub(crate) fn at(plan: &StagePlan, fields: &[f32], [x, y]: [f64; 2]) -> [f64; 2] {
    let nearest = |at: f64, axis: usize| (at.round() as i32).clamp(0, plan.size[axis] - 1) as usize;
    let pixel = nearest(y, H) * plan.size[W] as usize + nearest(x, W);
    [pixel, pixels(plan) + pixel].map(|at| f64::from(fields[at]))
}
