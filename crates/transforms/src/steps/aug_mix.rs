//! AugMix.

use std::fmt;

use tallow_core::Draws;

use crate::augment::Augment;
use crate::compose::{Atom, Composer, Reason, Sketch};
use crate::parameters::beta::{self, Beta};
use crate::parameters::whole;
use crate::plan::{CHANNELS_MAX, Interpolation, OpCode, canvas};
use crate::spec::Form;
use crate::step::Step;
use crate::steps::policy::{Drawn, OPERATIONS, Operation, PolicyFill, Space, Translate, Warp};
use crate::text::number;

pub(crate) static FORMS: &[Form] = &[Form {
    name: "aug_mix",
    usage: "severity=3, width=3, depth=-1, alpha=1, interpolation=bilinear, fill=none",
    parse: |a, args| {
        let default = AugMix::new();
        let (severity, width) =
            (args.whole_or("severity", default.severity)?, args.whole_or("width", default.width)?);
        let depth = args.number_or("depth", -1.0)?;
        let depth = match depth {
            -1.0 => None,
            depth if depth >= 0.0 && depth.fract() == 0.0 => Some(depth as usize),
            depth => {
                let found = number(depth);
                return Err(args.refuse(format!("found depth {found}, expected 1 to 8, or -1")));
            }
        };
        let alpha = args.number_or("alpha", default.alpha)?;
        let warp = default.warp.parse(args)?;
        Ok(a.aug_mix(AugMix { severity, width, depth, alpha, warp }))
    },
}];

/// How strong the operations are at the last bin.
const SPACE: Space = Space {
    shear: 0.3,
    translate: Translate::Share(1.0, 3.0),
    rotate: 30.0,
    enhance: 0.9,
    posterize: [4.0, 4.0],
};

/// Bins of strength.
const BINS: usize = 10;

/// Branches, and operations in one: each may be a pass over the image.
const BRANCHES_MAX: usize = 8;

/// Operations in a branch whose depth is drawn.
const DRAWN_DEPTH: usize = 3;

/// Blends the image with a few chains of random operations on it (Hendrycks and others, "AugMix",
/// 2019). torchvision: `AugMix`, with all operations.
///
/// Each of `width` branches is `depth` operations on the image. They are drawn with replacement
/// from those of [`RandAugment`](crate::RandAugment), without the one that does nothing, each at a
/// strength uniform below `severity` of ten. Translations go up to a third of the size, and
/// posterisation to 4 bits or fewer. The result is m x + (1 - m) sum of w_i branch_i, with m from
/// Beta(alpha, alpha) and w from the Dirichlet distribution with all parameters alpha.
///
/// A pixel of the result comes from several places: masks, boxes and points are refused.
#[derive(Debug, Clone, Copy, PartialEq)]
#[must_use]
pub struct AugMix {
    severity: usize,
    width: usize,
    depth: Option<usize>,
    alpha: f64,
    warp: Warp,
}

impl AugMix {
    /// Three branches of one to three operations of severity 3.
    pub fn new() -> Self {
        let warp = Warp { interpolation: Interpolation::Bilinear, fill: PolicyFill::NONE };
        Self { severity: 3, width: 3, depth: None, alpha: 1.0, warp }
    }

    /// How many of the ten strengths are used, the weakest first. The default is 3.
    pub fn severity(mut self, severity: usize) -> Self {
        self.severity = severity;
        self
    }

    /// How many branches, at most 8. The default is 3.
    pub fn width(mut self, width: usize) -> Self {
        self.width = width;
        self
    }

    /// How many operations a branch has, at most 8. The default is uniform in 1 to 3, drawn for
    /// each branch.
    pub fn depth(mut self, depth: usize) -> Self {
        self.depth = Some(depth);
        self
    }

    /// The parameter of the distributions of the weights, 0.01 to 12.5. The default is 1.
    pub fn alpha(mut self, alpha: f64) -> Self {
        self.alpha = alpha;
        self
    }

    /// The interpolation of shears, translations and rotations, nearest or bilinear. The default is
    /// bilinear.
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

    fn depth_max(&self) -> usize {
        self.depth.unwrap_or(DRAWN_DEPTH)
    }

    /// The operations of one branch. All are drawn; those beyond the branch's depth are not used.
    fn branch(&self, draws: &mut Draws, composer: &mut Composer<'_>) {
        let depth = whole(draws, 1, DRAWN_DEPTH as i64) as usize;
        let depth = self.depth.unwrap_or(depth);
        for i in 0..self.depth_max() {
            let drawn = self.draw(draws, composer.size());
            if i < depth {
                drawn.compose(composer, &self.warp);
            }
        }
    }

    fn draw(&self, draws: &mut Draws, size: [i32; 3]) -> Drawn {
        let bin = whole(draws, 0, self.severity as i64 - 1) as usize;
        let operations: &[Operation] = &OPERATIONS[1..];
        SPACE.draw(draws, operations, (bin, BINS), size)
    }
}

impl Default for AugMix {
    fn default() -> Self {
        Self::new()
    }
}

impl Augment {
    /// A blend of the image with random chains of operations on it: see [`AugMix`].
    pub fn aug_mix(self, policy: impl Into<AugMix>) -> Self {
        self.push(policy.into())
    }
}

impl Step for AugMix {
    fn name(&self) -> &'static str {
        "aug_mix"
    }

    fn outline(&self, sketch: &mut Sketch) -> Result<(), String> {
        let Self { severity, width, alpha, warp, .. } = *self;
        let depth = self.depth_max();
        if !(1..=BINS).contains(&severity) {
            return Err(format!("found severity {severity}, expected 1 to {BINS}"));
        }
        for (name, found) in [("width", width), ("depth", depth)] {
            if !(1..=BRANCHES_MAX).contains(&found) {
                return Err(format!("found {name} {found}, expected 1 to {BRANCHES_MAX}"));
            }
        }
        beta::check("alpha", alpha)?;
        beta::check("alpha times width", alpha * width as f64)?;
        warp.outline(sketch)?;
        sketch.blends_views = true;
        for _ in 0..width {
            sketch.cut(Reason::Branch);
            warp.slots(sketch, depth)?;
            sketch.atom(Atom::Pinned(1));
        }
        sketch.cut(Reason::Branch);
        sketch.atom(Atom::Pinned(1));
        Ok(())
    }

    fn compose(&self, draws: &mut Draws, composer: &mut Composer<'_>) {
        let Self { width, alpha, .. } = *self;
        let own = Beta::new(alpha, alpha).draw(draws);
        // The Dirichlet distribution, by breaking parts off a stick.
        let mut left = 1.0 - own;
        composer.note(format_args!("own share {own:.2}"));
        composer.keep_in(canvas::ORIGIN);
        for others in (0..width).rev() {
            let share = match others {
                0 => left,
                _ => left * Beta::new(alpha, alpha * others as f64).draw(draws),
            };
            left -= share;
            composer.note(format_args!("branch of {share:.2}:"));
            composer.read_from(canvas::ORIGIN);
            self.branch(draws, composer);
            let share = share as f32;
            if others + 1 == width {
                let mut args = [0.0; 2 * CHANNELS_MAX];
                args[..CHANNELS_MAX].fill(share);
                composer.point(OpCode::Affine, &args);
            } else {
                composer.pinned(OpCode::Blend, canvas::SUM, &[share, 1.0]);
            }
            composer.keep_in(canvas::SUM);
        }
        composer.pinned(OpCode::Blend, canvas::ORIGIN, &[1.0, own as f32]);
    }
}

impl fmt::Display for AugMix {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { severity, width, depth, alpha, warp } = self;
        write!(f, "aug_mix(severity={severity}, width={width}, ")?;
        match depth {
            Some(depth) => write!(f, "depth={depth}, ")?,
            None => write!(f, "depth=-1, ")?,
        }
        write!(f, "alpha={}, {warp})", number(*alpha))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::steps::probe::{
        augmented, chain, chi_square, explained, levels, picture, problem, round_trips, taken,
        values_of,
    };

    #[test]
    fn operations_that_change_nothing_leave_the_image() {
        // At the lowest severity everything but posterisation and the statistics does nothing.
        let text = "aug_mix(severity=1, depth=1, width=2)";
        let image = levels(3, 16, 16);
        let changes = ["Posterize", "AutoContrast", "Equalize"];
        let mut unchanged = 0;
        for (index, drawn) in taken(text, 300).into_iter().enumerate() {
            if changes.iter().any(|change| drawn.contains(change)) {
                continue;
            }
            let made = augmented(&chain(text), &image, index as u64);
            assert_eq!(values_of::<u8>(&made), values_of::<u8>(&image), "{drawn}");
            unchanged += 1;
        }
        assert!(unchanged > 100);
    }

    #[test]
    fn branches_are_blended_by_their_weights() {
        // A solarisation above 1 - 1/9 in every branch, or nothing: one sum of two images.
        let text = "aug_mix(severity=2, depth=1, width=2, alpha=0.5)";
        let image = picture(3, 16, 16);
        let pixels: Vec<f32> = values_of(&image);
        let mut checked = 0;
        for (index, drawn) in taken(text, 3000).into_iter().enumerate() {
            let words: Vec<&str> = drawn.split(' ').collect();
            let ["own", "share", own, "branch", "of", a, first, by, "branch", "of", b, second, _] =
                words[..]
            else {
                panic!("{drawn}")
            };
            if [first, second] != ["Solarize", "Color"] || by != "0.889" {
                continue;
            }
            let share = |text: &str| text.trim_end_matches(':').parse::<f32>().unwrap();
            let (own, a, b) = (share(own), share(a), share(b));
            assert!((own + a + b - 1.0).abs() < 0.02);
            let color = drawn.ends_with("Color 0.000") || drawn.ends_with("Color -0.000");
            if !color {
                continue;
            }
            let made: Vec<f32> = values_of(&augmented(&chain(text), &image, index as u64));
            for (x, made) in pixels.iter().zip(made) {
                let solarized = if *x >= 8.0 / 9.0 { 1.0 - x } else { *x };
                // The words have two digits.
                assert!(((own + b) * x + a * solarized - made).abs() < 0.02);
            }
            checked += 1;
        }
        assert!(checked > 3, "{checked}");
    }

    #[test]
    fn depths_are_uniform_and_shares_those_of_equal_parts() {
        let taken = taken("aug_mix(width=1)", 3000);
        let depth = |notes: &str| notes.split(':').nth(1).unwrap().split_whitespace().count() / 2;
        let mut depths = [0; 3];
        taken.iter().for_each(|notes| depths[depth(notes) - 1] += 1);
        // 2 degrees of freedom, one in a thousand.
        assert!(chi_square(&depths) < 13.8, "{depths:?}");
        let mean = |text: &str, nth: usize| {
            let share = |notes: &String| {
                let word = notes.split("branch of ").nth(nth).unwrap().split(':').next().unwrap();
                word.parse::<f64>().unwrap()
            };
            self::taken(text, 2000).iter().map(share).sum::<f64>() / 2000.0
        };
        for nth in 1..=3 {
            assert!((mean("aug_mix(alpha=2)", nth) - 1.0 / 6.0).abs() < 0.01, "branch {nth}");
        }
    }

    #[test]
    fn stages_are_those_of_the_worst_case() {
        assert!(explained("aug_mix").starts_with("11 stages"), "{}", explained("aug_mix"));
        assert!(explained("aug_mix(width=1, depth=1) hflip").starts_with("4 stages"));
    }

    #[test]
    fn one_after_the_other_works_wherever_it_stands() {
        let image = levels(3, 16, 16);
        let text = "hflip aug_mix(severity=10) aug_mix(depth=1, width=1) random_crop(8) \
                    random_apply(0.5, aug_mix) normalize(imagenet)";
        for index in 0..200 {
            let made: Vec<f32> = values_of(&augmented(&chain(text), &image, index));
            assert!(made.iter().all(|x| x.is_finite()));
        }
    }

    #[test]
    fn the_text_reads_back_and_nonsense_is_refused() {
        round_trips("aug_mix(1, 2, 3, alpha=0.5, fill=0.25)");
        round_trips("aug_mix");
        assert!(problem("aug_mix(severity=11)").contains("1 to 10"));
        assert!(problem("aug_mix(depth=9)").contains("1 to 8"));
        assert!("aug_mix(depth=-2)".parse::<Augment>().is_err());
    }
}
