//! Mixtures of a sample with another sample of the epoch.

use std::fmt;

use tallow_core::{Dim, Draws};

use crate::augment::Augment;
use crate::compose::{Atom, Composer, Mixing, ShownSize, Sketch};
use crate::parameters::beta::{self, Beta};
use crate::parameters::{chance, check_p, whole};
use crate::plan::{H, OpCode, canvas};
use crate::spec::Form;
use crate::step::Step;
use crate::text::number;

pub(crate) static FORMS: &[Form] = &[
    Form {
        name: "mixup",
        usage: "alpha, p=1",
        parse: |a, args| Ok(a.mixup(MixUp::new(args.number("alpha")?).p(args.number_or("p", 1.0)?))),
    },
    Form {
        name: "cutmix",
        usage: "alpha, p=1",
        parse: |a, args| {
            Ok(a.cutmix(CutMix::new(args.number("alpha")?).p(args.number_or("p", 1.0)?)))
        },
    },
    Form {
        name: "mixup_or_cutmix",
        usage: "mixup_alpha, cutmix_alpha, p=1",
        parse: |a, args| {
            let (mixup, cutmix) = (args.number("mixup_alpha")?, args.number("cutmix_alpha")?);
            Ok(a.mixup_or_cutmix(MixUpOrCutMix::new(mixup, cutmix).p(args.number_or("p", 1.0)?)))
        },
    },
];

/// Blends a sample with another: lam x + (1 - lam) y, with lam from Beta(alpha, alpha).
/// torchvision: `MixUp`, which draws one lam per batch and mixes neighbours in the batch. Here each
/// row draws its own lam, and its partner from the whole epoch, so that a row does not depend on
/// how batches are cut.
///
/// The fields of [`one_hot`](Augment::one_hot) are blended with the same lam. Masks are refused,
/// since their values are classes that cannot be summed; [`CutMix`] supports masks. `alpha` is 0.01
/// to 100.
#[derive(Debug, Clone, Copy, PartialEq)]
#[must_use]
pub struct MixUp {
    alpha: f64,
    p: f64,
}

impl MixUp {
    /// Blends with lam from Beta(`alpha`, `alpha`).
    pub fn new(alpha: f64) -> Self {
        Self { alpha, p: 1.0 }
    }

    /// The probability that a sample is mixed. The default is 1.
    pub fn p(mut self, p: f64) -> Self {
        self.p = p;
        self
    }
}

impl From<f64> for MixUp {
    fn from(alpha: f64) -> Self {
        Self::new(alpha)
    }
}

/// Pastes a box of another sample into a sample, at the same place. With lam from Beta(alpha,
/// alpha), the box is sqrt(1 - lam) of height and width around a pixel that is uniform in the
/// image, clipped at the border. The labels are mixed by the area of the clipped box. torchvision:
/// `CutMix`, with one box per batch; here one per row, as in [`MixUp`].
///
/// Fields that are a [`mask`](Augment::mask) are pasted like the image, so that each pixel keeps
/// its class.
#[derive(Debug, Clone, Copy, PartialEq)]
#[must_use]
pub struct CutMix {
    alpha: f64,
    p: f64,
}

impl CutMix {
    /// Pastes boxes with lam from Beta(`alpha`, `alpha`).
    pub fn new(alpha: f64) -> Self {
        Self { alpha, p: 1.0 }
    }

    /// The probability that a sample is mixed. The default is 1.
    pub fn p(mut self, p: f64) -> Self {
        self.p = p;
        self
    }
}

impl From<f64> for CutMix {
    fn from(alpha: f64) -> Self {
        Self::new(alpha)
    }
}

/// [`MixUp`] or [`CutMix`] for each row, with equal probability. torchvision: `RandomChoice([MixUp,
/// CutMix])`, which chooses once per batch.
#[derive(Debug, Clone, Copy, PartialEq)]
#[must_use]
pub struct MixUpOrCutMix {
    mixup: f64,
    cutmix: f64,
    p: f64,
}

impl MixUpOrCutMix {
    /// Mixes with these parameters of MixUp and CutMix.
    pub fn new(mixup_alpha: f64, cutmix_alpha: f64) -> Self {
        Self { mixup: mixup_alpha, cutmix: cutmix_alpha, p: 1.0 }
    }

    /// The probability that a sample is mixed. The default is 1.
    pub fn p(mut self, p: f64) -> Self {
        self.p = p;
        self
    }
}

impl From<(f64, f64)> for MixUpOrCutMix {
    fn from((mixup_alpha, cutmix_alpha): (f64, f64)) -> Self {
        Self::new(mixup_alpha, cutmix_alpha)
    }
}

impl Augment {
    /// Blends each sample with another of the epoch: an alpha, or a [`MixUp`]. Needs labels of
    /// [`one_hot`](Self::one_hot), images of one size at this point of the chain, and a loader.
    pub fn mixup(self, mixup: impl Into<MixUp>) -> Self {
        let MixUp { alpha, p } = mixup.into();
        self.push(Mix { mixup: Some(alpha), cutmix: None, p })
    }

    /// Pastes a box of another sample of the epoch into each: an alpha, or a [`CutMix`]. Needs what
    /// [`mixup`](Self::mixup) needs, but a [`mask`](Self::mask) can take the place of labels.
    pub fn cutmix(self, cutmix: impl Into<CutMix>) -> Self {
        let CutMix { alpha, p } = cutmix.into();
        self.push(Mix { mixup: None, cutmix: Some(alpha), p })
    }

    /// [`mixup`](Self::mixup) or [`cutmix`](Self::cutmix) for each sample: two alphas, or a
    /// [`MixUpOrCutMix`].
    pub fn mixup_or_cutmix(self, either: impl Into<MixUpOrCutMix>) -> Self {
        let MixUpOrCutMix { mixup, cutmix, p } = either.into();
        self.push(Mix { mixup: Some(mixup), cutmix: Some(cutmix), p })
    }
}

/// At least one of both parameters is there.
#[derive(Debug)]
struct Mix {
    mixup: Option<f64>,
    cutmix: Option<f64>,
    p: f64,
}

impl Step for Mix {
    fn name(&self) -> &'static str {
        match (self.mixup, self.cutmix) {
            (Some(_), Some(_)) => "mixup_or_cutmix",
            (Some(_), None) => "mixup",
            _ => "cutmix",
        }
    }

    fn outline(&self, sketch: &mut Sketch) -> Result<(), String> {
        check_p(self.p)?;
        for alpha in [self.mixup, self.cutmix].into_iter().flatten() {
            beta::check("alpha", alpha)?;
        }
        if sketch.mixing != Mixing::None {
            return Err("the samples are mixed already, which they can be once".to_owned());
        }
        if sketch.size.iter().any(|dim| matches!(dim, Dim::Ragged { .. })) {
            let found = ShownSize(sketch.size);
            return Err(format!("found images of {found}, both of a pair must be of one size"));
        }
        if self.cutmix.is_some() && sketch.size[H] == Dim::Fixed(1) {
            return Err("found a single row, in which no box has a height".to_owned());
        }
        sketch.mixing = if self.mixup.is_some() { Mixing::Blends } else { Mixing::Pastes };
        sketch.atom(Atom::Pinned(1));
        Ok(())
    }

    fn compose(&self, draws: &mut Draws, composer: &mut Composer<'_>) {
        let cuts = chance(draws, 0.5);
        let (alpha, cuts) = match (self.mixup, self.cutmix) {
            (Some(_), Some(alpha)) if cuts => (alpha, true),
            (Some(alpha), _) => (alpha, false),
            (None, alpha) => (alpha.unwrap_or(1.0), true),
        };
        let share = Beta::new(alpha, alpha).draw(draws);
        let [_, height, width] = composer.size();
        let centre = [height, width].map(|len| whole(draws, 0, i64::from(len) - 1) as i32);
        if !composer.is_mixed() {
            return;
        }
        if cuts {
            let cut = cut(share, centre, [height, width]);
            let [top, bottom, left, right] = cut;
            let area = f64::from(bottom - top) * f64::from(right - left);
            let share = 1.0 - area / (f64::from(height) * f64::from(width));
            composer.note(format_args!("cutmix {cut:?}, own share {share:.2}"));
            composer.pinned(OpCode::Paste, canvas::PARTNER, &cut.map(|edge| edge as f32));
            composer.set_share(share as f32);
        } else {
            let own = share as f32;
            composer.note(format_args!("mixup, own share {own:.2}"));
            composer.pinned(OpCode::Blend, canvas::PARTNER, &[own, 1.0 - own]);
            composer.set_share(own);
        }
    }

    fn mixes(&self) -> Option<f64> {
        Some(self.p)
    }
}

/// Top, bottom, left and right of the box around `centre` that leaves `share` of an image, clipped
/// at the border.
fn cut(share: f64, centre: [i32; 2], size: [i32; 2]) -> [i32; 4] {
    let half = 0.5 * libm::sqrt(1.0 - share);
    let [y, x] = [0, 1].map(|k| {
        let half = (half * f64::from(size[k])) as i32;
        [(centre[k] - half).max(0), (centre[k] + half).min(size[k])]
    });
    [y[0], y[1], x[0], x[1]]
}

impl fmt::Display for Mix {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}(", self.name())?;
        for alpha in [self.mixup, self.cutmix].into_iter().flatten() {
            write!(f, "{}, ", number(alpha))?;
        }
        write!(f, "p={})", number(self.p))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::steps::probe::{problem, round_trips};

    #[test]
    fn boxes_are_cut_at_the_border() {
        assert_eq!(cut(0.75, [10, 20], [32, 64]), [2, 18, 4, 36]);
        assert_eq!(cut(0.75, [0, 63], [32, 64]), [0, 8, 47, 64]);
        assert_eq!(cut(1.0, [5, 5], [32, 64]), [5, 5, 5, 5], "no box at all");
        assert_eq!(cut(0.0, [16, 32], [32, 64]), [0, 32, 0, 64], "all of it");
    }

    #[test]
    fn samples_are_mixed_once_with_labels_and_at_the_top() {
        assert!(problem("mixup(0.2)").contains("one_hot"));
        assert!(problem("mixup(0)").contains("0.01..100"));
        assert!(problem("mixup(0.2) cutmix(1)").contains("once"));
        assert!(problem("random_apply(0.5, mixup(0.2))").contains("not inside"));
        assert!(problem("random_order(hflip mixup(0.2))").contains("not inside"));
        round_trips("mixup(0.2)");
        round_trips("cutmix(1, p=0.5)");
        round_trips("mixup_or_cutmix(0.2, 1)");
    }
}
