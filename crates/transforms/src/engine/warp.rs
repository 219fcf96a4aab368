//! Affine, projective and elastic maps: each output pixel is sampled at a place of its own.

use super::memory::Tile;
use super::view::View;
use crate::kernels::Simd;
use crate::kernels::convert::Pixel;
use crate::kernels::warp::{FAR, Places, Samples, bilinear, nearest, parts, within};
use crate::plan::{Border, H, Head, Interpolation, StagePlan, W};

/// Finds the places of row `y` of the output in the middle image. One behind the horizon of a
/// projective map is [`FAR`] away.
pub(crate) fn places(simd: Simd, plan: &StagePlan, y: i32, places: &mut Places<'_>, width: usize) {
    simd.run(
        #[inline(always)]
        || match plan.head() {
            Head::Perspective => mapped::<true>(plan, y, places, width),
            _ => mapped::<false>(plan, y, places, width),
        },
    );
}

#[inline(always)]
fn mapped<const PROJECTIVE: bool>(
    plan: &StagePlan,
    y: i32,
    Places { whole: [left, top], share: [right, down] }: &mut Places<'_>,
    width: usize,
) {
    let m = &plan.matrix;
    let v = f64::from(plan.after.offset[H] + plan.after.sign[H] * y);
    // What a row has in common.
    let [row_x, row_y, row_w] = [0, 3, 6].map(|k| m[k + 1] * v + m[k + 2]);
    let (sign, offset) = (plan.after.sign[W], plan.after.offset[W]);
    let bounds = [W, H].map(|k| match plan.border() {
        Border::Edge => [0.0, f64::from(plan.middle[k] - 1)],
        _ => [-FAR, FAR],
    });
    let (xs, ys) = (
        left[..width].iter_mut().zip(&mut right[..width]),
        top[..width].iter_mut().zip(&mut down[..width]),
    );
    for (x, (to_x, to_y)) in xs.zip(ys).enumerate() {
        let u = f64::from(offset + sign * x as i32);
        let (mut px, mut py) = (m[0] * u + row_x, m[3] * u + row_y);
        if PROJECTIVE {
            let w = m[6] * u + row_w;
            let inverse = 1.0 / if w > 0.0 { w } else { f64::NAN };
            (px, py) = (px * inverse, py * inverse);
        }
        (*to_x.0, *to_x.1) = parts(within(px, bounds[0]));
        (*to_y.0, *to_y.1) = parts(within(py, bounds[1]));
    }
}

/// Finds the places of row `y` of an elastic map: the pixel itself, displaced by the fields, which
/// are x and then y of a whole slice.
pub(crate) fn displaced(simd: Simd, fields: &[f32], y: i32, places: &mut Places<'_>, width: usize) {
    let (dx, dy) = fields.split_at(fields.len() / 2);
    let row = y as usize * width;
    let (dx, dy) = (&dx[row..row + width], &dy[row..row + width]);
    simd.run(
        #[inline(always)]
        || {
            for (x, (dx, dy)) in dx.iter().zip(dy).enumerate() {
                let place = [x as f64 + f64::from(*dx), f64::from(y) + f64::from(*dy)];
                places.put(x, place);
            }
        },
    );
}

/// Samples slice `z` of the middle image at `places` into `tile`.
pub(crate) fn sample<T: Pixel>(
    simd: Simd,
    plan: &StagePlan,
    view: &View<'_, T>,
    z: i32,
    places: &Places<'_>,
    tile: &mut Tile<'_>,
) {
    let (lattice, fill) = (view.lattice(z), |c| view.fill_of(c));
    let mut to = Samples { planes: tile.values, stride: tile.stride, fill: &fill };
    match plan.interpolation() {
        Interpolation::Nearest => nearest(simd, &lattice, places, tile.width, &mut to),
        _ => bilinear(simd, &lattice, places, tile.width, &mut to),
    }
}
