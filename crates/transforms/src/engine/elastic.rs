//! The displacements of an elastic map: noise that is made smooth.

use super::memory::HeadMemory;
use super::taps::axis_taps;
use crate::kernels::Simd;
use crate::kernels::arithmetic::affine;
use crate::kernels::noise::{NoiseCounter, uniform};
use crate::kernels::taps::{Taps, convolve, vertical};
use crate::plan::{BLUR_WEIGHTS_MAX, D, H, Head, IntegerMap, StagePlan, W};

/// The part of `fields` that holds the displacements: all of x, then all of y, of one slice.
pub(crate) fn used<'a>(plan: &StagePlan, fields: &'a [f32]) -> &'a [f32] {
    &fields[..2 * pixels(plan)]
}

fn pixels(plan: &StagePlan) -> usize {
    plan.size[H] as usize * plan.size[W] as usize
}

/// Draws the displacements of `plan` into `fields`: uniform in [-1, 1), convolved with the plan's
/// kernel, times its amount. Every slice of a volume moves alike.
///
/// The convolution is the one of [`Separable`](super::separable::Separable), bit for bit, in half
/// the time: all rows are there at once, and so are those whose columns lie at a border.
pub(crate) fn fields(
    simd: Simd,
    plan: &StagePlan,
    memory: &mut HeadMemory<'_>,
    fields: &mut [f32],
) {
    let (pixels, width) = (pixels(plan), plan.size[W] as usize);
    if pixels == 0 {
        return;
    }
    let (smooth, across) = fields.split_at_mut(2 * pixels);
    let across = &mut across[..pixels];
    let [low, high] = plan.noise.index;
    let index = u64::from(high) << 32 | u64::from(low);
    let key = NoiseCounter { key: plan.noise.key, stream: plan.field_stream, index };
    let HeadMemory { row, weights: [x_weights, y_weights], starts: [x_starts, y_starts], .. } =
        memory;
    let blur = blur_of(plan);
    let x = axis_taps(&blur, W, x_starts, x_weights);
    let y = axis_taps(&blur, H, y_starts, y_weights);
    let mut rows = Rows::new(x, &mut row[..width]);
    for (axis, smooth) in smooth.chunks_mut(pixels).enumerate() {
        for (block, to) in across.chunks_mut(ROWS * width).enumerate() {
            let first = axis * pixels + block * ROWS * width;
            rows.blur(simd, to, |row, to| {
                uniform(simd, to, key, (first + row * width) as u64);
                affine(simd, to, 2.0, -1.0);
            });
        }
        for (to, (rows, weights)) in smooth.chunks_mut(width).zip(down(&y, across, width)) {
            vertical(simd, &rows[..weights.len()], weights, to);
            affine(simd, to, plan.amount, 0.0);
        }
    }
}

/// The taps of a kernel.
const TAPS: usize = 2 * BLUR_WEIGHTS_MAX - 1;

/// The rows of `image` that each output of a column is a sum of, and their weights.
fn down<'a>(
    taps: &'a Taps<'_>,
    image: &'a [f32],
    width: usize,
) -> impl Iterator<Item = ([&'a [f32]; TAPS], &'a [f32])> {
    let weights = taps.weights.chunks(taps.count);
    taps.start.iter().zip(weights).map(move |(start, weights)| {
        let mut rows: [&[f32]; TAPS] = [&[]; TAPS];
        let first = *start as usize * width;
        for (to, row) in rows.iter_mut().zip(image[first..].chunks(width).take(taps.count)) {
            *to = row;
        }
        (rows, weights)
    })
}

/// Rows that are blurred at once: their border is, column by column, a sum of whole vectors.
const ROWS: usize = 32;

/// A blur along the width.
struct Rows<'a> {
    taps: Taps<'a>,
    /// Outputs whose kernel does not meet the border: all have the same weights.
    inner: std::ops::Range<usize>,
    /// A row before it is blurred.
    row: &'a mut [f32],
    /// The columns of all rows that border outputs are sums of, at the left and at the right.
    columns: [[[f32; ROWS]; TAPS]; 2],
}

impl<'a> Rows<'a> {
    fn new(taps: Taps<'a>, row: &'a mut [f32]) -> Self {
        let (reach, width) = (taps.count / 2, row.len());
        // A kernel that is wider than the image has other weights everywhere.
        let inner = if width > 2 * reach { reach..width - reach } else { width..width };
        Self { taps, inner, row, columns: [[[0.0; ROWS]; TAPS]; 2] }
    }

    /// Makes up to [`ROWS`] rows of what `fill` fills, given the number of a row.
    fn blur(&mut self, simd: Simd, to: &mut [f32], fill: impl Fn(usize, &mut [f32])) {
        let Taps { start, weights, count } = self.taps;
        let (width, inner) = (self.row.len(), self.inner.clone());
        let borders = [0..inner.start, inner.end..width];
        for (k, to) in to.chunks_mut(width).enumerate() {
            fill(k, self.row);
            for (columns, border) in self.columns.iter_mut().zip(&borders) {
                let Some(first) = start.get(border.start) else { continue };
                let from = &self.row[*first as usize..][..count];
                columns.iter_mut().zip(from).for_each(|(column, x)| column[k] = *x);
            }
            if !inner.is_empty() {
                let weights = &weights[inner.start * count..][..count];
                convolve(simd, self.row, weights, &mut to[inner.clone()]);
            }
        }
        for (columns, border) in self.columns.iter().zip(borders) {
            for x in border {
                // All of a border begin with the same column.
                let mut sums = [0.0; ROWS];
                let columns: [&[f32]; TAPS] = columns.each_ref().map(|column| &column[..]);
                let weights = &weights[x * count..][..count];
                vertical(simd, &columns[..count], weights, &mut sums);
                to.chunks_mut(width).zip(sums).for_each(|(row, sum)| row[x] = sum);
            }
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
