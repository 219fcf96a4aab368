//! TrivialAugment.

use std::fmt;

use tallow_core::Draws;

use crate::augment::Augment;
use crate::compose::{Composer, Sketch};
use crate::parameters::whole;
use crate::plan::Interpolation;
use crate::spec::Form;
use crate::step::Step;
use crate::steps::policy::{OPERATIONS, PolicyFill, Space, Translate, Warp};

pub(crate) static FORMS: &[Form] = &[Form {
    name: "trivial_augment_wide",
    usage: "bins=31, interpolation=nearest, fill=none",
    parse: |a, args| {
        let default = TrivialAugmentWide::new();
        Ok(a.trivial_augment_wide(TrivialAugmentWide {
            bins: args.whole_or("bins", default.bins)?,
            warp: default.warp.parse(args)?,
        }))
    },
}];

/// How strong the operations are at the last bin.
pub(crate) const SPACE: Space = Space {
    shear: 0.99,
    translate: Translate::Pixels(32.0),
    rotate: 135.0,
    enhance: 0.99,
    posterize: [8.0, 6.0],
};

/// One of fourteen operations, with a strength that is uniform over all bins (Müller and Hutter,
/// "TrivialAugment", 2021). torchvision: `TrivialAugmentWide`.
///
/// The operations are those of [`RandAugment`](crate::RandAugment) over wider ranges: at bin i of
/// n, t = i / (n - 1), shear by tan = 0.99 t, translation by trunc(32 t) pixels, rotation by 135 t
/// degrees, factors of 1 + 0.99 t, posterisation to round(8 - 6 t) bits.
#[derive(Debug, Clone, Copy, PartialEq)]
#[must_use]
pub struct TrivialAugmentWide {
    bins: usize,
    warp: Warp,
}

impl TrivialAugmentWide {
    /// One of 31 bins.
    pub fn new() -> Self {
        let warp = Warp { interpolation: Interpolation::Nearest, fill: PolicyFill::NONE };
        Self { bins: 31, warp }
    }

    /// How many bins there are. The default is 31.
    pub fn bins(mut self, bins: usize) -> Self {
        self.bins = bins;
        self
    }

    /// The interpolation of shears, translations and rotations, nearest or bilinear. The default is
    /// nearest.
    pub fn interpolation(mut self, interpolation: Interpolation) -> Self {
        self.warp.interpolation = interpolation;
        self
    }

    /// The value outside of the image: one number for all channels or one per channel, from 0 to 1.
    /// The default is black.
    pub fn fill(mut self, fill: &[f64]) -> Self {
        self.warp.fill = PolicyFill::new(fill);
        self
    }
}

impl Default for TrivialAugmentWide {
    fn default() -> Self {
        Self::new()
    }
}

impl Augment {
    /// Applies one random operation of random strength: see [`TrivialAugmentWide`].
    pub fn trivial_augment_wide(self, policy: impl Into<TrivialAugmentWide>) -> Self {
        self.push(policy.into())
    }
}

impl Step for TrivialAugmentWide {
    fn name(&self) -> &'static str {
        "trivial_augment_wide"
    }

    fn outline(&self, sketch: &mut Sketch) -> Result<(), String> {
        if self.bins < 2 {
            return Err(format!("found {} bins, expected at least 2", self.bins));
        }
        self.warp.outline(sketch)?;
        self.warp.slots(sketch, 1)
    }

    fn compose(&self, draws: &mut Draws, composer: &mut Composer<'_>) {
        let at = whole(draws, 0, self.bins as i64 - 1) as usize;
        let drawn = SPACE.draw(draws, &OPERATIONS, (at, self.bins), composer.size());
        drawn.compose(composer, &self.warp);
    }
}

impl fmt::Display for TrivialAugmentWide {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "trivial_augment_wide(bins={}, {})", self.bins, self.warp)
    }
}

#[cfg(test)]
mod tests {
    use crate::steps::probe::{chi_square, explained, problem, round_trips, taken};

    #[test]
    fn strengths_are_uniform_over_the_bins() {
        let taken = taken("trivial_augment_wide(bins=5)", 20_000);
        let count = |text: &str| taken.iter().filter(|notes| *notes == text).count();
        let turned = [
            "Rotate 33.750",
            "Rotate -33.750",
            "Rotate 67.500",
            "Rotate -67.500",
            "Rotate 101.250",
            "Rotate -101.250",
            "Rotate 135.000",
            "Rotate -135.000",
        ]
        .map(count);
        // 7 degrees of freedom, one in a thousand.
        assert!(chi_square(&turned) < 24.3, "{turned:?}");
        let moved = ["8", "16", "24", "32"].map(|by| count(&format!("TranslateY {by}.000")));
        assert!(chi_square(&moved) < 16.3, "{moved:?}");
    }

    #[test]
    fn one_operation_takes_one_pass_and_is_read_back() {
        assert!(explained("trivial_augment_wide").starts_with("1 stage,"));
        round_trips("trivial_augment_wide(11, interpolation=bilinear)");
        assert!(problem("trivial_augment_wide(1)").contains("at least 2"));
    }
}
