//! Pictures that are decoded smaller than they are stored, where a chain makes them smaller anyway.
//!
//! A row is composed for the whole picture first. If all that reads the picture is a resize, the
//! picture may be decoded smaller by as much as the resize makes of it; the row is then composed again,
//! with the same draws, for a picture of that size. Nothing else knows: the first stage of a plan says
//! how large the picture is that it reads.

use tallow_core::{Field, PictureHead, Result, Scale, Shapes};

use super::engine::AugmentEngine;
use crate::augment::Augment;
use crate::plan::{H, Head, StagePlan, W, canvas};
use crate::step::Scaling;

/// Whether pictures of `field` can be decoded smaller for `augment`, if it asks for it.
///
/// # Errors
///
/// Why they cannot, and what to do about it.
pub(super) fn check(augment: &Augment, field: &Field) -> std::result::Result<(), String> {
    const INSTEAD: &str = "or leave out scaled_decode";
    if !augment.scaled {
        return Ok(());
    }
    if field.as_picture().is_none() {
        return Err(format!("found {field}, expected pictures: leave out scaled_decode"));
    }
    match augment.chain.scaling() {
        (Scaling::Resizes, _) => {}
        (_, Some(step)) => {
            let found = format!("found {step} before a resize, expected flips and turns alone");
            return Err(format!("{found}: put it behind one, {INSTEAD}"));
        }
        (_, None) => {
            let expected = "expected resize or random_resized_crop";
            return Err(format!("found no step that resizes, {expected}: add one, {INSTEAD}"));
        }
    }
    match augment.targets.iter().find(|target| !target.is_label()) {
        None => Ok(()),
        Some(target) => {
            let found = format!("found {target}, whose places are those of the whole picture");
            Err(format!("{found}: leave it out, {INSTEAD}"))
        }
    }
}

impl AugmentEngine {
    /// Writes the plans of an image by `compose`, which is given its shape: that of a smaller picture
    /// where the chain asks for it and nothing that is made would be larger than what it is made of.
    pub(super) fn composed<T>(
        &self,
        shapes: Shapes<'_>,
        plans: &mut [StagePlan],
        mut compose: impl FnMut(&[usize], &mut [StagePlan]) -> Result<T>,
    ) -> Result<T> {
        let whole = self.shape(shapes)?;
        let made = compose(&whole, plans)?;
        if !self.scaled {
            return Ok(made);
        }
        let divisor = smaller_by(plans);
        let scales = Scale::SMALLER.into_iter().filter(|scale| scale.divisor() <= divisor);
        let head = shapes.picture(self.image)?;
        for head in scales.filter_map(|scale| head.as_ref()?.scaled(scale)) {
            let made = compose(&self.shape_of(&head), plans)?;
            // Sizes are rounded: a part may have become smaller by more than the picture.
            if smaller_by(plans) > 0 {
                return Ok(made);
            }
        }
        compose(&whole, plans)
    }
}

/// By how much the stages that read the picture make smaller what they show of it: whole times, along
/// the side where it is least; 0 if one makes it larger.
fn smaller_by(plans: &[StagePlan]) -> usize {
    let reads = |plan: &&StagePlan| plan.from == canvas::ROW && plan.head() != Head::Skip;
    let times = plans.iter().filter(reads).map(|plan| match plan.head() {
        Head::Resize => {
            let times = [H, W].map(|k| plan.middle[k] / plan.resampled[k].max(1));
            times[0].min(times[1]) as usize
        }
        _ => 1,
    });
    times.min().unwrap_or(1)
}

/// The head of the picture as `first`, the first stage, reads it: made smaller, or as it is where no
/// scale gives that size.
///
/// No two scales do: none divides by more pixels than a side has.
pub(super) fn read_by(first: Option<&StagePlan>, head: PictureHead) -> PictureHead {
    let Some([_, height, width]) = first.map(|plan| plan.source) else { return head };
    let is_read = |head: &PictureHead| head.size() == [height as usize, width as usize];
    let scales = [Scale::Whole, Scale::Half, Scale::Quarter, Scale::Eighth];
    let scaled = scales.into_iter().filter_map(|scale| head.scaled(scale)).find(is_read);
    scaled.unwrap_or(head)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn resize(middle: [i32; 3], resampled: [i32; 3]) -> StagePlan {
        let head = Head::Resize as u32;
        StagePlan { head, middle, resampled, ..StagePlan::moving(middle, canvas::ROW) }
    }

    #[test]
    fn the_least_reduction_of_all_that_reads_the_picture_counts() {
        let large = resize([1, 800, 900], [1, 100, 100]);
        assert_eq!(smaller_by(&[large]), 8);
        assert_eq!(smaller_by(&[resize([1, 799, 900], [1, 100, 100])]), 7);
        assert_eq!(smaller_by(&[resize([1, 900, 99], [1, 100, 100])]), 0);
        assert_eq!(smaller_by(&[large, StagePlan::moving([1, 9, 9], canvas::ROW)]), 1);
        let elsewhere = StagePlan::moving([1, 9, 9], canvas::FIRST);
        assert_eq!(smaller_by(&[large, elsewhere]), 8);
    }
}
