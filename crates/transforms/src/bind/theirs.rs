//! What a partner is needed for: all of it, or the box that is pasted.

use crate::plan::{H, Head, OpCode, StagePlan, W};

/// The stages of a partner, up to where it is mixed in.
///
/// Of a partner that is pasted, its last stage makes the box alone, so that no more of it is read,
/// decoded or computed. Where that stage cannot be cut, because it looks at neighbours or at places,
/// the whole image is made: what is pasted is the same, bit for bit.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Theirs<'a> {
    plans: &'a [StagePlan],
    /// The stage that makes the image which is mixed in.
    last: usize,
    /// What of that is made.
    pasted: Option<Pasted>,
}

/// The box of an image that is pasted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Pasted {
    /// Of rows and columns, the first and the end.
    start: [i32; 2],
    end: [i32; 2],
}

impl<'a> Theirs<'a> {
    /// The stages `theirs` of a partner that is mixed in by `own`.
    pub(crate) fn new(own: &[StagePlan], theirs: &'a [StagePlan]) -> Self {
        let last = theirs.iter().rposition(|plan| plan.head() != Head::Skip).unwrap_or(0);
        let pasted = own.iter().find_map(StagePlan::paste).map(|op| {
            let [top, bottom, left, right] = [0, 1, 2, 3].map(|k| op.args[k] as i32);
            Pasted { start: [top, left], end: [bottom, right] }
        });
        let pasted = pasted.filter(|pasted| pasted.is_empty() || can_be_cut(&theirs[last]));
        Self { plans: theirs, last, pasted }
    }

    /// Whether nothing of the partner is needed.
    pub(super) fn is_empty(self) -> bool {
        self.pasted.is_some_and(Pasted::is_empty)
    }

    /// The stages, as far as they are needed.
    pub(super) fn stages(self) -> impl Iterator<Item = StagePlan> + Clone + use<'a> {
        self.plans.iter().enumerate().map(move |(at, plan)| match self.pasted {
            Some(pasted) if at == self.last => pasted.cut(plan),
            _ => *plan,
        })
    }

    /// Puts what the stages made where it lies in the whole image, which is `times` as high and wide as
    /// the plans have it. `image` is `planes` planes, one after the other, of pixels of `unit` elements.
    pub(super) fn spread<T: Copy>(self, image: &mut [T], planes: usize, unit: usize, times: i32) {
        let Some(pasted) = self.pasted else { return };
        let times = times as usize;
        let [height, width] = [H, W].map(|k| self.plans[self.last].size[k] as usize * times);
        let [top, left] = pasted.start.map(|at| at as usize * times);
        let [rows, columns] = pasted.size().map(|len| len as usize * times);
        let len = columns * unit;
        // From the end: places in the whole image are never before those in the box.
        for (plane, row) in
            (0..planes).rev().flat_map(|plane| (0..rows).rev().map(move |row| (plane, row)))
        {
            let from = (plane * rows + row) * len;
            let to = (plane * height + top + row) * width * unit + left * unit;
            image.copy_within(from..from + len, to);
        }
    }
}

impl Pasted {
    fn size(self) -> [i32; 2] {
        [0, 1].map(|k| self.end[k] - self.start[k])
    }

    fn is_empty(self) -> bool {
        self.size().contains(&0)
    }

    /// The stage `plan`, of whose image the box alone is made.
    fn cut(self, plan: &StagePlan) -> StagePlan {
        let mut cut = *plan;
        let resamples = matches!(plan.head(), Head::Resize | Head::Affine | Head::Perspective);
        for (k, (start, len)) in [H, W].into_iter().zip(self.start.into_iter().zip(self.size())) {
            let moves = if resamples { &mut cut.after } else { &mut cut.before };
            moves.crop(k, start);
            cut.size[k] = len;
        }
        if !resamples {
            (cut.middle, cut.resampled) = (cut.size, cut.size);
        }
        cut
    }
}

/// Whether a part of what the stage makes can be made alone.
fn can_be_cut(plan: &StagePlan) -> bool {
    let moves = matches!(plan.head(), Head::Move | Head::Resize | Head::Affine | Head::Perspective);
    moves && plan.ops().iter().all(|op| op.code().is_some_and(OpCode::looks_at_values_alone))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plan::canvas;

    #[test]
    fn a_box_is_spread_to_its_place_in_every_plane() {
        let size = [2, 4, 5];
        let plans = [StagePlan::moving(size, canvas::ROW)];
        let pasted = Pasted { start: [1, 2], end: [3, 5] };
        let theirs = Theirs { plans: &plans, last: 0, pasted: Some(pasted) };
        // Two channels side by side, two slices.
        let whole: Vec<u16> = (0..2 * 4 * 5 * 2).collect();
        let is_inside = |at: usize| {
            let (y, x) = (at / 10 % 4, at / 2 % 5);
            (1..3).contains(&y) && (2..5).contains(&x)
        };
        let mut image: Vec<u16> =
            whole.iter().copied().filter(|at| is_inside(*at as usize)).collect();
        image.resize(whole.len(), 0);
        theirs.spread(&mut image, 2, 2, 1);
        for at in (0..whole.len()).filter(|at| is_inside(*at)) {
            assert_eq!(image[at], whole[at], "{at}");
        }
    }
}
