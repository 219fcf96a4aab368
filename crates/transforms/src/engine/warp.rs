//! Affine, projective and elastic maps: each output pixel is sampled at a place of its own.

use super::memory::Tile;
use super::view::View;
use crate::kernels::Simd;
use crate::kernels::convert::Pixel;
use crate::kernels::warp::{Samples, bilinear, nearest, nearest_pixel};
use crate::plan::{Border, Head, Interpolation, StagePlan};
use crate::sketch::{H, W};

/// The places of row `y` of the output in the middle image: x in `places[0]`, y in `places[1]`.
///
/// NaN stands for a place behind the horizon of a projective map.
pub(crate) fn places(
    simd: Simd,
    plan: &StagePlan,
    y: i32,
    [xs, ys]: &mut [&mut [f32]; 2],
    width: usize,
) {
    let (xs, ys) = (&mut xs[..width], &mut ys[..width]);
    simd.run(
        #[inline(always)]
        || match plan.head() {
            Head::Perspective => mapped::<true>(plan, y, xs, ys),
            _ => mapped::<false>(plan, y, xs, ys),
        },
    );
    if plan.border() == Border::Edge {
        let [right, bottom] = [W, H].map(|k| (plan.middle[k] - 1) as f32);
        xs.iter_mut().for_each(|x| *x = x.clamp(0.0, right));
        ys.iter_mut().for_each(|y| *y = y.clamp(0.0, bottom));
    }
}

#[inline(always)]
fn mapped<const PROJECTIVE: bool>(plan: &StagePlan, y: i32, xs: &mut [f32], ys: &mut [f32]) {
    let m = &plan.matrix;
    let [cx, cy] = plan.centre;
    let [mx, my] = plan.middle_centre;
    let v = (plan.after.offset[H] + plan.after.sign[H] * y) as f32 - cy;
    let (sign, offset) = (plan.after.sign[W], plan.after.offset[W]);
    for (x, (to_x, to_y)) in xs.iter_mut().zip(ys).enumerate() {
        let u = (offset + sign * x as i32) as f32 - cx;
        let (mut px, mut py) = (m[0] * u + m[1] * v + m[2], m[3] * u + m[4] * v + m[5]);
        if PROJECTIVE {
            let w = m[6] * u + m[7] * v + m[8];
            let w = if w > 0.0 { w } else { f32::NAN };
            (px, py) = (px / w, py / w);
        }
        (*to_x, *to_y) = (px + mx, py + my);
    }
}

/// The places of row `y` of an elastic map: the pixel itself, displaced by the fields, which are
/// x and then y of a whole slice.
pub(crate) fn displaced(fields: &[f32], y: i32, places: &mut [&mut [f32]; 2], width: usize) {
    let (dx, dy) = fields.split_at(fields.len() / 2);
    let row = y as usize * width;
    for x in 0..width {
        places[0][x] = x as f32 + dx[row + x];
        places[1][x] = y as f32 + dy[row + x];
    }
}

/// Samples slice `z` of the middle image at `places` into `tile`.
pub(crate) fn sample<T: Pixel>(
    simd: Simd,
    plan: &StagePlan,
    view: &View<'_, T>,
    z: i32,
    places: [&[f32]; 2],
    tile: &mut Tile<'_>,
) {
    let (lattice, fill) = (view.lattice(z), |c| view.fill_of(c));
    let mut to = Samples { planes: tile.values, stride: tile.stride, fill: &fill };
    match plan.interpolation() {
        Interpolation::Nearest => nearest(simd, &lattice, places, &mut to),
        _ => bilinear(simd, &lattice, places, &mut to),
    }
}

/// The pixel nearest to a place in the middle image of `plan`; `None` outside.
pub(crate) fn nearest_of(plan: &StagePlan, x: f32, y: f32) -> Option<[i32; 2]> {
    nearest_pixel([plan.middle[H], plan.middle[W]], x, y)
}
