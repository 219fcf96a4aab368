//! The displacements of an elastic map: noise that is made smooth.

use super::memory::HeadMemory;
use super::separable::Separable;
use super::view::{Raster, View};
use crate::kernels::Simd;
use crate::kernels::arithmetic::affine;
use crate::kernels::noise::{NoiseCounter, uniform};
use crate::plan::{D, H, Head, IntegerMap, StagePlan, W};

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
    let key = NoiseCounter { key: plan.noise.key, stream: plan.field_stream, index };
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

/// The longest of `displacements` along either axis.
pub(crate) fn longest(displacements: &[f32]) -> f64 {
    f64::from(displacements.iter().fold(0.0f32, |longest, d| longest.max(d.abs())))
}

/// The displacements of an elastic map, for points: between pixels they are blended as pixels are,
/// and outside of the image they go on as at its border, so that every point is shown somewhere.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Displacements<'a> {
    x: &'a [f32],
    y: &'a [f32],
    /// Width and height.
    size: [i64; 2],
    longest: f64,
}

/// How far from a point it is looked for: as far as the longest displacement, but no further than
/// this many pixels, at which an image is not recognised any more.
const REACH_MAX: f64 = 256.0;

/// Where pixels are not counted any more.
const FAR: f64 = 1e12;

/// By how much of a pixel a place may miss a cell that it is still found in.
const SLACK: f64 = 1e-6;

impl<'a> Displacements<'a> {
    /// Those of `plan` in `fields`, of which none is longer than `longest` along an axis.
    pub(crate) fn new(plan: &StagePlan, fields: &'a [f32], longest: f64) -> Self {
        let (x, y) = used(plan, fields).split_at(pixels(plan));
        Self { x, y, size: [W, H].map(|k| i64::from(plan.size[k])), longest }
    }

    /// The place in the result that shows `point`: q with q + d(q) = `point`. Where the map folds
    /// there are several; the nearest to the point inside the image is taken, or the nearest outside
    /// if there is none.
    ///
    /// All cells of four pixels are tried in rings around the point, since an iteration does not
    /// settle where a displacement changes by more than a pixel from one pixel to the next.
    pub(crate) fn shown_at(&self, point: [f64; 2]) -> [f64; 2] {
        if !point.iter().all(|at| at.is_finite()) {
            return point;
        }
        // Far away nothing is found, nor is it overflown.
        let middle = point.map(|at| at.floor().clamp(-FAR, FAR) as i64);
        let mut best: Option<Shown> = None;
        for ring in 0..=self.longest.min(REACH_MAX) as i64 + 1 {
            let cells = cells_of_ring(middle, ring).flat_map(|cell| self.in_cell(cell, point));
            for at in cells.flatten() {
                let found = Shown::new(at, point, self.size);
                if best.is_none_or(|best| found.is_before(&best)) {
                    best = Some(found);
                }
            }
            // Every place of the next ring is at least as far away as this ring is wide.
            if best.is_some_and(|best| best.is_inside && best.distance <= ring as f64) {
                break;
            }
        }
        best.map_or_else(
            // The displacement at the point itself: the inverse to first order.
            || {
                let shown = self.shows(middle);
                [0, 1].map(|k| point[k] - (shown[k] - middle[k] as f64))
            },
            |best| best.at,
        )
    }

    /// What the pixel at x and y shows.
    fn shows(&self, at: [i64; 2]) -> [f64; 2] {
        let [x, y] = [0, 1].map(|k| at[k].clamp(0, self.size[k] - 1));
        let pixel = (y * self.size[0] + x) as usize;
        [at[0] as f64 + f64::from(self.x[pixel]), at[1] as f64 + f64::from(self.y[pixel])]
    }

    /// The places, two at most, in the cell to the right of and below pixel `at` that show `point`.
    fn in_cell(&self, [x, y]: [i64; 2], point: [f64; 2]) -> [Option<[f64; 2]>; 2] {
        let corners = [[x, y], [x + 1, y], [x, y + 1], [x + 1, y + 1]];
        let [a, right, down, across] = corners.map(|corner| {
            let shown = self.shows(corner);
            [shown[0] - point[0], shown[1] - point[1]]
        });
        let is_around = |k: usize| {
            let of = [a[k], right[k], down[k], across[k]];
            of.iter().any(|at| *at <= SLACK) && of.iter().any(|at| *at >= -SLACK)
        };
        if !is_around(0) || !is_around(1) {
            return [None; 2];
        }
        // a + u e + v f + u v g = 0. A cross product with e + v g leaves a quadratic in v.
        let (e, f) = ([0, 1].map(|k| right[k] - a[k]), [0, 1].map(|k| down[k] - a[k]));
        let g = [0, 1].map(|k| a[k] - right[k] - down[k] + across[k]);
        let roots = roots(cross(f, g), cross(a, g) + cross(f, e), cross(a, e));
        roots.map(|v| {
            let (from, step) = ([0, 1].map(|k| a[k] + v * f[k]), [0, 1].map(|k| e[k] + v * g[k]));
            let u =
                -(from[0] * step[0] + from[1] * step[1]) / (step[0] * step[0] + step[1] * step[1]);
            let is_inside = |at: f64| (-SLACK..=1.0 + SLACK).contains(&at);
            (is_inside(u) && is_inside(v)).then_some([x as f64 + u, y as f64 + v])
        })
    }
}

/// The cells at `ring` steps from the one at `middle`; some come twice.
fn cells_of_ring([x, y]: [i64; 2], ring: i64) -> impl Iterator<Item = [i64; 2]> {
    let around =
        move |k| [[x + k, y - ring], [x + k, y + ring], [x - ring, y + k], [x + ring, y + k]];
    (-ring..=ring).flat_map(around)
}

fn cross(a: [f64; 2], b: [f64; 2]) -> f64 {
    a[0] * b[1] - a[1] * b[0]
}

/// The roots of a v^2 + b v + c; those that do not exist are not finite.
fn roots(a: f64, b: f64, c: f64) -> [f64; 2] {
    // Of both signs the one without cancellation.
    let half = -0.5 * (b + (b * b - 4.0 * a * c).sqrt().copysign(b));
    [c / half, half / a]
}

/// A place that shows a point.
#[derive(Debug, Clone, Copy)]
struct Shown {
    at: [f64; 2],
    is_inside: bool,
    /// From the point.
    distance: f64,
}

impl Shown {
    fn new(at: [f64; 2], point: [f64; 2], size: [i64; 2]) -> Self {
        let is_inside = (0..2).all(|k| at[k] >= 0.0 && at[k] <= (size[k] - 1) as f64);
        let [dx, dy] = [0, 1].map(|k| at[k] - point[k]);
        let distance = (dx * dx + dy * dy).sqrt();
        Self { at, is_inside, distance }
    }

    fn is_before(&self, other: &Self) -> bool {
        match (self.is_inside, other.is_inside) {
            (true, false) => true,
            (false, true) => false,
            _ => self.distance < other.distance,
        }
    }
}
