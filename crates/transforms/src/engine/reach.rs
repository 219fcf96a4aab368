//! Which part of the raw image a plan reads: what is decoded of a picture.

use std::ops::Range;

use super::taps::taps_of;
use super::view::beyond;
use crate::plan::{Border, D, H, Head, StagePlan, W, canvas};

/// A part of an image: along depth, height and width its first pixel and the end.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Reach {
    pub(crate) start: [i32; 3],
    pub(crate) end: [i32; 3],
}

impl Reach {
    /// Everything that `stages` read of the raw image, in the coordinates of their sources; `None`
    /// where they read nothing, as of a crop that lies in a border.
    pub(crate) fn of(stages: impl IntoIterator<Item = StagePlan>) -> Option<Self> {
        let raw = stages.into_iter().filter(|plan| plan.from == canvas::ROW);
        raw.filter_map(|plan| Self::of_stage(&plan)).reduce(Self::or)
    }

    fn or(self, other: Self) -> Self {
        Self {
            start: std::array::from_fn(|k| self.start[k].min(other.start[k])),
            end: std::array::from_fn(|k| self.end[k].max(other.end[k])),
        }
    }

    fn of_stage(plan: &StagePlan) -> Option<Self> {
        let middle = middle_of(plan)?;
        let mut reach = Self::default();
        for (k, middle) in middle.into_iter().enumerate() {
            let axis = plan.before.axis[k] as usize;
            let source = along(&middle, plan.before.offset[axis], plan.before.sign[k]);
            let read = match plan.head() {
                // Their middle image has no border.
                Head::Affine | Head::Perspective | Head::Elastic => {
                    shared(&source, &(0..plan.source[axis]))
                }
                _ => {
                    let window = plan.window_start[axis]..plan.window_end[axis];
                    bordered(plan.border(), &source, &window)
                }
            };
            let read = read?;
            (reach.start[axis], reach.end[axis]) = (read.start, read.end);
        }
        Some(reach)
    }
}

/// `range` as a map of one axis finds it.
fn along(range: &Range<i32>, offset: i32, sign: i32) -> Range<i32> {
    let (a, b) = (offset + sign * range.start, offset + sign * (range.end - 1));
    a.min(b)..a.max(b) + 1
}

/// What two ranges have in common, if anything.
fn shared(a: &Range<i32>, b: &Range<i32>) -> Option<Range<i32>> {
    let both = a.start.max(b.start)..a.end.min(b.end);
    (!both.is_empty()).then_some(both)
}

/// What is read of `window` to show `range`, of which a part may lie in the border around it.
fn bordered(border: Border, range: &Range<i32>, window: &Range<i32>) -> Option<Range<i32>> {
    let (inside, len) = (shared(range, window), window.len() as i32);
    let is_inside = window.start <= range.start && range.end <= window.end;
    if is_inside || border == Border::Constant || len == 0 {
        return inside;
    }
    let (before, behind) = (range.start..window.start, window.end..range.end);
    // So much of a border has all of the window in it, or nearly.
    if border != Border::Edge && before.len().max(behind.len()) >= window.len() {
        return Some(window.clone());
    }
    let ends = |outside: Range<i32>| {
        // What an edge shows is one pixel.
        let outside = match border {
            Border::Edge => outside.start..outside.end.min(outside.start + 1),
            _ => outside,
        };
        outside.filter_map(|at| beyond(border, at - window.start, len).map(|at| window.start + at))
    };
    // A range may lie wholly on one side.
    let before = before.start..before.end.min(range.end);
    let behind = behind.start.max(range.start)..behind.end;
    let outside = ends(before).chain(ends(behind)).map(|at| at..at + 1);
    outside.chain(inside).reduce(|a, b| a.start.min(b.start)..a.end.max(b.end))
}

/// The pixels of the middle image that are read.
fn middle_of(plan: &StagePlan) -> Option<[Range<i32>; 3]> {
    if plan.size.contains(&0) {
        return None;
    }
    let whole = plan.middle.map(|len| 0..len);
    let after = |k: usize| along(&(0..plan.size[k]), plan.after.offset[k], plan.after.sign[k]);
    match plan.head() {
        Head::Skip => None,
        Head::Move | Head::Blur | Head::Sharpen | Head::Elastic => Some(whole),
        Head::Resize => Some([after(D), taps_of(plan, H), taps_of(plan, W)]),
        Head::Affine | Head::Perspective => {
            let Some([y, x]) = warped(plan, [after(H), after(W)]) else { return Some(whole) };
            let [_, height, width] = whole;
            Some([after(D), shared(&y, &height)?, shared(&x, &width)?])
        }
    }
}

/// How much larger the box around what a map shows is made: by the neighbours that are blended, and
/// by what rounding may move.
const MARGIN: f64 = 2.0;

/// Places further away than this are not told apart.
const FAR: f64 = 1e9;

/// How near to its horizon, as a share of its terms, a projective map is followed.
const HORIZON: f64 = 1e-6;

/// A box, height and width, around the places that an affine or projective map shows at resampled
/// pixels `of`: that of its corners, since what is straight stays straight. `None` where the box is
/// not known: at the horizon.
fn warped(plan: &StagePlan, [height, width]: [Range<i32>; 2]) -> Option<[Range<i32>; 2]> {
    let m = &plan.matrix;
    let (mut low, mut high) = ([f64::INFINITY; 2], [f64::NEG_INFINITY; 2]);
    for v in [height.start, height.end - 1].map(f64::from) {
        for u in [width.start, width.end - 1].map(f64::from) {
            let terms = |row: usize| [m[3 * row] * u, m[3 * row + 1] * v, m[3 * row + 2]];
            let w = terms(2);
            let (divisor, size) = (w.iter().sum::<f64>(), w.iter().map(|term| term.abs()).sum());
            let is_before = divisor > HORIZON * f64::max(size, f64::MIN_POSITIVE);
            if plan.head() == Head::Perspective && !is_before {
                return None;
            }
            let divisor = if plan.head() == Head::Perspective { divisor } else { 1.0 };
            for (k, row) in [1, 0].into_iter().enumerate() {
                let place = terms(row).iter().sum::<f64>() / divisor;
                (low[k], high[k]) = (low[k].min(place), high[k].max(place));
            }
        }
    }
    let ends = |k: usize, len: i32| {
        let last = f64::from(len - 1);
        let is_known = -FAR <= low[k] && low[k] <= high[k] && high[k] <= FAR;
        let (low, high) = match plan.border() {
            Border::Edge => (low[k].clamp(0.0, last), high[k].clamp(0.0, last)),
            _ => (low[k], high[k]),
        };
        is_known.then(|| (low.floor() - MARGIN) as i32..(high.floor() + MARGIN) as i32 + 1)
    };
    Some([ends(0, plan.middle[H])?, ends(1, plan.middle[W])?])
}
