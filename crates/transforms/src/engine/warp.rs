//! Affine, projective and elastic maps: each output pixel is sampled at a place of its own.

use super::memory::Tile;
use super::view::View;
use crate::kernels::Simd;
use crate::kernels::convert::Pixel;
use crate::kernels::nearest::{self, nearest};
use crate::kernels::warp::{FAR, Lattice, Places, Samples, bilinear, parts, within};
use crate::kernels::warp_u8;
use crate::plan::{Border, H, Head, Interpolation, StagePlan, W};

/// Where the rows of a stage look in its middle image.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Map<'a> {
    plan: &'a StagePlan,
    displacements: &'a [f32],
}

impl<'a> Map<'a> {
    /// The map of `plan`; of an elastic one also the displacements, x and then y of a whole slice.
    pub(crate) fn new(plan: &'a StagePlan, displacements: &'a [f32]) -> Self {
        Self { plan, displacements }
    }

    fn width(&self) -> usize {
        self.plan.size[W] as usize
    }

    /// Finds the places of row `y` of the output.
    pub(crate) fn places(&self, simd: Simd, y: i32, places: &mut Places<'_>) {
        let width = self.width();
        let [left, top] = places.whole.each_mut().map(|whole| whole[..width].iter_mut());
        let [right, down] = places.share.each_mut().map(|share| share[..width].iter_mut());
        self.each(
            simd,
            y,
            FAR,
            left.zip(right).zip(top.zip(down)),
            #[inline(always)]
            |(to_x, to_y), x, y| {
                (*to_x.0, *to_x.1) = parts(x);
                (*to_y.0, *to_y.1) = parts(y);
            },
        );
    }

    /// The same as multiples of 2^-14, x and y, as samples of bytes have them.
    pub(super) fn fixed(&self, simd: Simd, y: i32, [xs, ys]: [&mut [i32]; 2]) {
        self.each(
            simd,
            y,
            warp_u8::FAR,
            xs.iter_mut().zip(ys),
            #[inline(always)]
            |(to_x, to_y), x, y| (*to_x, *to_y) = (warp_u8::fixed(x), warp_u8::fixed(y)),
        );
    }

    /// Finds the elements of the pixels of `lattice` that are nearest to the places of row `y`.
    pub(super) fn elements<T: Copy>(
        &self,
        simd: Simd,
        y: i32,
        lattice: &Lattice<'_, T>,
        elements: &mut [u32],
    ) {
        let lattice = *lattice;
        self.each(
            simd,
            y,
            FAR,
            elements.iter_mut(),
            #[inline(always)]
            |to, x, y| *to = lattice.chosen(nearest(y), nearest(x)),
        );
    }

    /// Hands each place of row `y` to `put`, x and y, with one of `out`. Places are moved to at
    /// most `far` from the first pixel, and those behind the horizon of a projective map are that
    /// far away.
    #[inline(always)]
    fn each<O>(
        &self,
        simd: Simd,
        y: i32,
        far: f64,
        out: impl Iterator<Item = O>,
        put: impl Fn(O, f64, f64) + Copy,
    ) {
        match self.plan.head() {
            Head::Elastic => simd.run(
                #[inline(always)]
                || self.displaced(y, far, out, put),
            ),
            Head::Perspective => simd.run(
                #[inline(always)]
                || self.mapped::<true, O>(y, far, out, put),
            ),
            _ => simd.run(
                #[inline(always)]
                || self.mapped::<false, O>(y, far, out, put),
            ),
        }
    }

    #[inline(always)]
    fn mapped<const PROJECTIVE: bool, O>(
        &self,
        y: i32,
        far: f64,
        out: impl Iterator<Item = O>,
        put: impl Fn(O, f64, f64) + Copy,
    ) {
        let plan = self.plan;
        let m = &plan.matrix;
        let v = f64::from(plan.after.offset[H] + plan.after.sign[H] * y);
        // What a row has in common.
        let of_row = |k: usize| m[k + 1] * v + m[k + 2];
        let (row_x, row_y, row_w) = (of_row(0), of_row(3), of_row(6));
        let (sign, offset) = (plan.after.sign[W], plan.after.offset[W]);
        let bounds_of = |k: usize| match plan.border() {
            Border::Edge => [0.0, f64::from(plan.middle[k] - 1)],
            _ => [-far, far],
        };
        let bounds = [bounds_of(W), bounds_of(H)];
        let place = |x: usize| {
            let u = f64::from(offset + sign * x as i32);
            [m[0] * u + row_x, m[3] * u + row_y]
        };
        if PROJECTIVE {
            for (x, to) in out.enumerate() {
                let w = m[6] * f64::from(offset + sign * x as i32) + row_w;
                let inverse = 1.0 / if w > 0.0 { w } else { f64::NAN };
                let [px, py] = place(x);
                put(to, within(px * inverse, bounds[0]), within(py * inverse, bounds[1]));
            }
            return;
        }
        // Rounded sums and products grow, or fall, from one column to the next, as the exact ones
        // do: what the ends of a row are within, all of it is, and then needs no look.
        let is_within = |x: usize| {
            let place = place(x);
            [0, 1].into_iter().all(|k| (bounds[k][0]..=bounds[k][1]).contains(&place[k]))
        };
        if is_within(0) && is_within(self.width().saturating_sub(1)) {
            for (x, to) in out.enumerate() {
                let [px, py] = place(x);
                put(to, px, py);
            }
        } else {
            for (x, to) in out.enumerate() {
                let [px, py] = place(x);
                put(to, within(px, bounds[0]), within(py, bounds[1]));
            }
        }
    }

    /// Of an elastic map: the pixel itself, displaced.
    #[inline(always)]
    fn displaced<O>(
        &self,
        y: i32,
        far: f64,
        out: impl Iterator<Item = O>,
        put: impl Fn(O, f64, f64) + Copy,
    ) {
        let (dx, dy) = self.displacements.split_at(self.displacements.len() / 2);
        let width = self.width();
        let row = y as usize * width;
        let fields = dx[row..row + width].iter().zip(&dy[row..row + width]);
        for (x, (to, (dx, dy))) in out.zip(fields).enumerate() {
            let (px, py) = (f64::from(x as i32) + f64::from(*dx), f64::from(y) + f64::from(*dy));
            put(to, within(px, [-far, far]), within(py, [-far, far]));
        }
    }
}

/// Samples row (z, y) of `map` into `tile`; z is a slice of the middle image.
pub(crate) fn sample<T: Pixel>(
    simd: Simd,
    map: Map<'_>,
    view: &View<'_, T>,
    [z, y]: [i32; 2],
    places: &mut Places<'_>,
    tile: &mut Tile<'_>,
) {
    let (lattice, fill) = (view.lattice(z), |c| view.fill_of(c));
    match map.plan.interpolation() {
        Interpolation::Nearest => {
            let elements = places.elements(tile.width);
            map.elements(simd, y, &lattice, elements);
            nearest::load(simd, &lattice, elements, fill, tile.values, tile.stride);
        }
        _ => {
            map.places(simd, y, places);
            let mut to = Samples { planes: tile.values, stride: tile.stride, fill: &fill };
            bilinear(simd, &lattice, places, tile.width, &mut to);
        }
    }
}
