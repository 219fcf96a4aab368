//! Where points of the raw image go: the maps of a plan, forwards.

use std::cell::Cell;

use crate::compose::Matrix;
use crate::engine::elastic::{self, Displacements};
use crate::engine::{Extents, Memory};
use crate::kernels::Simd;
use crate::plan::{Border, End, H, Head, StagePlan, W};

/// The plans that points go through.
pub(crate) struct Points<'a> {
    simd: Simd,
    plans: &'a [StagePlan],
    /// The elastic map whose displacements lie in the scratch, which cost as much as an image and
    /// serve all points, and the longest of them.
    drawn: Cell<Option<(&'a StagePlan, f64)>>,
}

impl<'a> Points<'a> {
    /// Points that go through `plans`. All calls share one scratch, which nothing else writes.
    pub(crate) fn new(simd: Simd, plans: &'a [StagePlan]) -> Self {
        Self { simd, plans, drawn: Cell::new(None) }
    }

    /// Where the pixel index (x, y) of the raw image is found in the delivered one; NaN for a point
    /// that a projective map takes beyond the horizon.
    pub(crate) fn map(&self, point: [f64; 2], extents: &Extents, scratch: &mut [u8]) -> [f64; 2] {
        let plans = self.plans.iter().filter(|plan| plan.head() != Head::Skip);
        plans.fold(point, |point, plan| self.through(plan, point, extents, scratch))
    }

    /// Left, top, right and bottom edge of the smallest box around the corners of a box, cut at the
    /// border of the delivered image; `None` when nothing is left.
    ///
    /// Before that a box is cut where pixels are lost, so that what a crop or a warp took away does
    /// not come back where a border is put there later. Elsewhere it may reach beyond the image, and
    /// a border makes room for it.
    pub(crate) fn map_box(
        &self,
        [left, top, right, bottom]: [f32; 4],
        extents: &Extents,
        scratch: &mut [u8],
    ) -> Option<[f32; 4]> {
        let mut corners = corners_of([left, top, right, bottom].map(f64::from));
        let mut size = [0; 3];
        for plan in self.plans.iter().filter(|plan| plan.head() != Head::Skip) {
            corners = cut_corners(corners, kept_of_source(plan))?;
            corners = corners.map(|corner| self.through(plan, corner, extents, scratch));
            corners = cut_corners(corners, kept_of_result(plan))?;
            size = plan.size;
        }
        let border = Kept { low: [0.0; 2], high: [W, H].map(|k| f64::from(size[k])) };
        cut(edges_around(&corners), border).map(|edges| edges.map(|edge| edge as f32))
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
        match plan.head() {
            Head::Resize => {
                let scale = |k: usize| f64::from(plan.middle[k]) / f64::from(plan.resampled[k]);
                [(x + 0.5) / scale(W) - 0.5, (y + 0.5) / scale(H) - 0.5]
            }
            Head::Affine | Head::Perspective => {
                let inverse = Matrix(plan.matrix).inverse();
                let place = inverse.and_then(|inverse| inverse.apply(x, y));
                let (x, y) = place.unwrap_or((f64::NAN, f64::NAN));
                [x, y]
            }
            Head::Elastic => {
                let mut memory = Memory::divide(extents, scratch);
                let Memory { head, fields, .. } = &mut memory;
                let drawn = self.drawn.get().filter(|(drawn, _)| std::ptr::eq(*drawn, plan));
                let longest = drawn.map_or_else(
                    || {
                        elastic::fields(self.simd, plan, head, fields);
                        elastic::longest(elastic::used(plan, fields))
                    },
                    |(_, longest)| longest,
                );
                self.drawn.set(Some((plan, longest)));
                Displacements::new(plan, fields, longest).shown_at([x, y])
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

/// What is left of an image, as edges, x and y; a side at which nothing is lost is infinitely far.
#[derive(Debug, Clone, Copy)]
struct Kept {
    low: [f64; 2],
    high: [f64; 2],
}

/// What crops leave of the image that a stage reads.
fn kept_of_source(plan: &StagePlan) -> Kept {
    let (a, b) = (plan.before.at([0; 3]), plan.before.at(plan.middle.map(|len| len - 1)));
    let low = |k: usize| {
        // A window inside of the source is what a crop left before there was a border.
        let window = if plan.window_start[k] > 0 { plan.window_start[k] } else { i32::MIN };
        let first = a[k].min(b[k]).max(window);
        if plan.is_cropped(k, End::Low) { f64::from(first) } else { f64::NEG_INFINITY }
    };
    let high = |k: usize| {
        let is_whole = plan.window_end[k] == plan.source[k];
        let window = if is_whole { i32::MAX } else { plan.window_end[k] };
        let end = (a[k].max(b[k]) + 1).min(window);
        if plan.is_cropped(k, End::High) { f64::from(end) } else { f64::INFINITY }
    };
    Kept { low: [W, H].map(low), high: [W, H].map(high) }
}

/// What a stage leaves of its own result: a warp all that lies inside of the image, which does not
/// grow with it, and other stages what no crop after a resize cut off.
fn kept_of_result(plan: &StagePlan) -> Kept {
    let is_warp = match plan.head() {
        // Resizes that were made one lose nothing.
        Head::Affine => plan.border() != Border::Edge,
        Head::Perspective | Head::Elastic => true,
        _ => false,
    };
    let (a, b) = (plan.after.at([0; 3]), plan.after.at(plan.size.map(|len| len - 1)));
    let is_lost = |k: usize, end: End| {
        let at = if end == End::Low { a[k] } else { b[k] };
        let outermost = match end.along(plan.after.sign[k]) {
            End::Low => 0,
            End::High => plan.resampled[k] - 1,
        };
        is_warp || at != outermost
    };
    let low = |k: usize| if is_lost(k, End::Low) { 0.0 } else { f64::NEG_INFINITY };
    let high = |k: usize| match is_lost(k, End::High) {
        true => f64::from(plan.size[k]),
        false => f64::INFINITY,
    };
    Kept { low: [W, H].map(low), high: [W, H].map(high) }
}

/// The part of a box inside of what is kept; `None` when nothing is left.
fn cut([left, top, right, bottom]: [f64; 4], kept: Kept) -> Option<[f64; 4]> {
    // A crop beyond the image, of its border alone, leaves nothing.
    let inside = |edge: f64, k: usize| edge.min(kept.high[k]).max(kept.low[k]);
    let edges = [inside(left, 0), inside(top, 1), inside(right, 0), inside(bottom, 1)];
    (edges[2] > edges[0] && edges[3] > edges[1]).then_some(edges)
}

/// The corners of what is left of the box around `corners`; they stay where nothing is cut.
fn cut_corners(corners: [[f64; 2]; 4], kept: Kept) -> Option<[[f64; 2]; 4]> {
    let around = edges_around(&corners);
    let cut = cut(around, kept)?;
    Some(if cut == around { corners } else { corners_of(cut) })
}
