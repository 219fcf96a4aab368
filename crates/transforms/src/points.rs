//! Where points of the raw image go: the maps of a plan, forwards.

use std::cell::Cell;

use crate::engine::{Extents, Memory, elastic};
use crate::kernels::Simd;
use crate::matrix::Matrix;
use crate::plan::{Head, StagePlan};
use crate::sketch::{H, W};

/// The plans that points go through.
pub(crate) struct Points<'a> {
    simd: Simd,
    plans: &'a [StagePlan],
    /// The elastic map whose displacements lie in the scratch: they cost as much as an image, and
    /// serve all points.
    drawn: Cell<Option<&'a StagePlan>>,
}

impl<'a> Points<'a> {
    /// Points that go through `plans`. All calls share one scratch, which nobody else writes.
    pub(crate) fn new(simd: Simd, plans: &'a [StagePlan]) -> Self {
        Self { simd, plans, drawn: Cell::new(None) }
    }

    /// Where the pixel index (x, y) of the raw image is found in the delivered one; NaN for a
    /// point that a projective map takes behind the horizon.
    pub(crate) fn map(&self, point: [f64; 2], extents: &Extents, scratch: &mut [u8]) -> [f64; 2] {
        let plans = self.plans.iter().filter(|plan| plan.head() != Head::Skip);
        plans.fold(point, |point, plan| self.through(plan, point, extents, scratch))
    }

    /// Left, top, right and bottom edge of the smallest box around the corners of a box, cut at
    /// the border of the image, and at what each stage sees of its own; `None` when nothing is
    /// left.
    pub(crate) fn map_box(
        &self,
        [left, top, right, bottom]: [f32; 4],
        extents: &Extents,
        scratch: &mut [u8],
    ) -> Option<[f32; 4]> {
        let mut corners = corners_of([left, top, right, bottom].map(f64::from));
        let mut size = [0; 3];
        for plan in self.plans.iter().filter(|plan| plan.head() != Head::Skip) {
            let (low, high) = seen(plan);
            let around = edges_around(&corners);
            let cut = cut(around, low, high)?;
            if cut != around {
                corners = corners_of(cut);
            }
            corners = corners.map(|corner| self.through(plan, corner, extents, scratch));
            size = plan.size;
        }
        let border = [W, H].map(|k| f64::from(size[k]));
        cut(edges_around(&corners), [0.0; 2], border).map(|edges| edges.map(|edge| edge as f32))
    }

    fn through(
        &self,
        plan: &'a StagePlan,
        [x, y]: [f64; 2],
        extents: &Extents,
        scratch: &mut [u8],
    ) -> [f64; 2] {
        let source = [0.0, y, x];
        let before = |k: usize| {
            let axis = plan.before.axis[k] as usize;
            f64::from(plan.before.sign[k]) * (source[axis] - f64::from(plan.before.offset[axis]))
        };
        let [x, y] = self.resampled(plan, [before(W), before(H)], extents, scratch);
        let after = |k: usize, at: f64| {
            f64::from(plan.after.sign[k]) * (at - f64::from(plan.after.offset[k]))
        };
        [after(W, x), after(H, y)]
    }

    /// From middle to resampled pixels.
    fn resampled(
        &self,
        plan: &'a StagePlan,
        [x, y]: [f64; 2],
        extents: &Extents,
        scratch: &mut [u8],
    ) -> [f64; 2] {
        let m = plan.matrix.map(f64::from);
        match plan.head() {
            Head::Resize => {
                let scale = |k: usize| f64::from(plan.middle[k]) / f64::from(plan.resampled[k]);
                [(x + 0.5) / scale(W) - 0.5, (y + 0.5) / scale(H) - 0.5]
            }
            Head::Affine | Head::Perspective => {
                let ([cx, cy], [mx, my]) = (plan.centre, plan.middle_centre);
                let inverse = Matrix(m).inverse();
                let (x, y) = (x - f64::from(mx), y - f64::from(my));
                let place = inverse.and_then(|inverse| inverse.apply(x, y));
                let (x, y) = place.unwrap_or((f64::NAN, f64::NAN));
                [x + f64::from(cx), y + f64::from(cy)]
            }
            Head::Elastic => {
                // The map has no inverse in closed form; the displacement at the point itself is
                // what it is to first order.
                let mut memory = Memory::divide(extents, scratch);
                let Memory { head, fields, .. } = &mut memory;
                if !self.drawn.get().is_some_and(|drawn| std::ptr::eq(drawn, plan)) {
                    elastic::fields(self.simd, plan, head, fields);
                    self.drawn.set(Some(plan));
                }
                let [dx, dy] = elastic::at(plan, fields, [x, y]);
                [x - dx, y - dy]
            }
            _ => [x, y],
        }
    }
}

/// The corners of a box as pixel indices: edges lie half a pixel before the centres that indices
/// count.
fn corners_of([left, top, right, bottom]: [f64; 4]) -> [[f64; 2]; 4] {
    let corners = [[left, top], [right, top], [right, bottom], [left, bottom]];
    corners.map(|corner| corner.map(|edge| edge - 0.5))
}

/// Left, top, right and bottom edge of the smallest box around `corners`.
fn edges_around(corners: &[[f64; 2]; 4]) -> [f64; 4] {
    let edge = |k: usize, first: f64, of: fn(f64, f64) -> f64| {
        corners.iter().fold(first, |edge, corner| of(edge, corner[k] + 0.5))
    };
    let (low, high) = (f64::INFINITY, f64::NEG_INFINITY);
    [
        edge(0, low, f64::min),
        edge(1, low, f64::min),
        edge(0, high, f64::max),
        edge(1, high, f64::max),
    ]
}

/// The part of a box inside `low` to `high`, x and y; `None` when nothing is left.
fn cut([left, top, right, bottom]: [f64; 4], low: [f64; 2], high: [f64; 2]) -> Option<[f64; 4]> {
    let inside = |edge: f64, k: usize| edge.clamp(low[k], high[k]);
    let edges = [inside(left, 0), inside(top, 1), inside(right, 0), inside(bottom, 1)];
    (edges[2] > edges[0] && edges[3] > edges[1]).then_some(edges)
}

/// The edges of what a stage sees of the image that it reads: its window, less what was cut off
/// before its pixels were moved on.
fn seen(plan: &StagePlan) -> ([f64; 2], [f64; 2]) {
    let (a, b) = (plan.before.at([0; 3]), plan.before.at(plan.middle.map(|len| len - 1)));
    let low = [W, H].map(|k| plan.window_start[k].max(a[k].min(b[k])));
    let high = [W, H].map(|k| plan.window_end[k].min(a[k].max(b[k]) + 1));
    // A crop beyond the image, of its border alone, sees nothing.
    let high = [0, 1].map(|k| high[k].max(low[k]));
    (low.map(f64::from), high.map(f64::from))
}
