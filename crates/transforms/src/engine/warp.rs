//! Affine, projective and elastic maps: each output pixel is sampled at a place of its own.

use super::memory::Tile;
use super::view::View;
use crate::kernels::convert::Pixel;
use crate::plan::{Border, Head, Interpolation, StagePlan};
use crate::sketch::{H, W};

/// The places of row `y` of the output in the middle image: x in `places[0]`, y in `places[1]`.
///
/// NaN stands for a place behind the horizon of a projective map.
pub(crate) fn places(plan: &StagePlan, y: i32, places: &mut [&mut [f32]; 2], width: usize) {
    let m = &plan.matrix;
    let [cx, cy] = plan.centre;
    let [mx, my] = plan.middle_centre;
    let v = (plan.after.offset[H] + plan.after.sign[H] * y) as f32 - cy;
    let (sign, offset) = (plan.after.sign[W], plan.after.offset[W]);
    let projective = plan.head() == Head::Perspective;
    let [xs, ys] = places;
    for x in 0..width {
        let u = (offset + sign * x as i32) as f32 - cx;
        let (mut px, mut py) = (m[0] * u + m[1] * v + m[2], m[3] * u + m[4] * v + m[5]);
        if projective {
            let w = m[6] * u + m[7] * v + m[8];
            let w = if w > 0.0 { w } else { f32::NAN };
            (px, py) = (px / w, py / w);
        }
        (xs[x], ys[x]) = (px + mx, py + my);
    }
    if plan.border() == Border::Edge {
        let [right, bottom] = [W, H].map(|k| (plan.middle[k] - 1) as f32);
        xs[..width].iter_mut().for_each(|x| *x = x.clamp(0.0, right));
        ys[..width].iter_mut().for_each(|y| *y = y.clamp(0.0, bottom));
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
    plan: &StagePlan,
    view: &View<'_, T>,
    z: i32,
    [xs, ys]: [&[f32]; 2],
    tile: &mut Tile<'_>,
) {
    let nearest = plan.interpolation() == Interpolation::Nearest;
    for c in 0..tile.channels {
        let fill = view.fill_of(c);
        let plane = tile.plane(c);
        for ((to, &x), &y) in plane.iter_mut().zip(xs).zip(ys) {
            *to = match nearest {
                true => nearest_pixel(plan, x, y).map_or(fill, |[y, x]| view.at(z, y, x, c)),
                false => bilinear(plan, view, z, [y, x], c, fill),
            };
        }
    }
}

/// The pixel nearest to a place, half to even; `None` outside.
pub(crate) fn nearest_pixel(plan: &StagePlan, x: f32, y: f32) -> Option<[i32; 2]> {
    let (x, y) = (x.round_ties_even(), y.round_ties_even());
    let inside = x >= 0.0 && y >= 0.0 && x < plan.middle[W] as f32 && y < plan.middle[H] as f32;
    inside.then_some([y as i32, x as i32])
}

/// The four pixels around a place by their weights; the share of those outside goes to the fill.
/// torchvision attenuates the fill twice, which leaves a dark border around any colour.
fn bilinear<T: Pixel>(
    plan: &StagePlan,
    view: &View<'_, T>,
    z: i32,
    [y, x]: [f32; 2],
    channel: usize,
    fill: f32,
) -> f32 {
    let (width, height) = (plan.middle[W], plan.middle[H]);
    // Also what is not a number.
    if !(x > -1.0 && y > -1.0 && x < width as f32 && y < height as f32) {
        return fill;
    }
    let (left, top) = (x.floor(), y.floor());
    let (right_share, bottom_share) = (x - left, y - top);
    let (left_share, top_share) = (1.0 - right_share, 1.0 - bottom_share);
    let (left, top) = (left as i32, top as i32);
    let (mut sum, mut outside) = (0.0, 0.0);
    let taps = [
        (top, left, top_share * left_share),
        (top, left + 1, top_share * right_share),
        (top + 1, left, bottom_share * left_share),
        (top + 1, left + 1, bottom_share * right_share),
    ];
    for (y, x, weight) in taps {
        if (0..width).contains(&x) && (0..height).contains(&y) {
            sum += weight * view.at(z, y, x, channel);
        } else {
            outside += weight;
        }
    }
    sum + outside * fill
}
