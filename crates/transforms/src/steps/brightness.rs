//! Brightness.

use std::fmt;

use tallow_core::Draws;

use crate::augment::Augment;
use crate::compose::{Atom, Composer, Sketch};
use crate::parameters::Uniform;
use crate::plan::OpCode;
use crate::spec::Form;
use crate::step::Step;

pub(crate) static FORMS: &[Form] = &[
    Form {
        name: "adjust_brightness",
        usage: "factor",
        parse: |a, args| Ok(a.adjust_brightness(args.number("factor")?)),
    },
    Form {
        name: "random_brightness",
        usage: "factor",
        parse: |a, args| Ok(a.random_brightness(args.range("factor")?)),
    },
];

impl Augment {
    /// clamp(`factor` x, 0, max) of the colour channels; 0 is black, 1 changes nothing. Alpha
    /// stays. Needs 1 to 4 channels that are not normalised. torchvision: `adjust_brightness`,
    /// which truncates `u8`; here values are rounded once, at the end.
    pub fn adjust_brightness(self, factor: f64) -> Self {
        self.push(Brightness { factor: factor.into(), is_random: false })
    }

    /// [`adjust_brightness`](Self::adjust_brightness) by a factor that is uniform in `factor`.
    pub fn random_brightness(self, factor: impl Into<Uniform>) -> Self {
        self.push(Brightness { factor: factor.into(), is_random: true })
    }
}

#[derive(Debug)]
struct Brightness {
    factor: Uniform,
    is_random: bool,
}

impl Step for Brightness {
    fn name(&self) -> &'static str {
        if self.is_random { "random_brightness" } else { "adjust_brightness" }
    }

    fn draws(&self) -> bool {
        self.is_random
    }

    fn outline(&self, sketch: &mut Sketch) -> Result<(), String> {
        sketch.needs_colors()?;
        self.factor.check_least("factor", 0.0)?;
        sketch.atom(Atom::Point(1));
        Ok(())
    }

    fn compose(&self, draws: &mut Draws, composer: &mut Composer<'_>) {
        let factor = self.factor.draw(draws);
        composer.note(format_args!("brightness {factor:.2}"));
        composer.point(OpCode::Brightness, &[factor as f32, composer.max()]);
    }
}

impl fmt::Display for Brightness {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}({})", self.name(), self.factor)
    }
}

#[cfg(test)]
mod tests {
    use crate::steps::probe::{made, refusal};

    #[test]
    fn brightness_is_a_product_that_ends_at_white() {
        assert_eq!(
            made("adjust_brightness(1.5)", &[1, 1, 4], &[0, 10, 100, 200]),
            [0, 15, 150, 255]
        );
        assert_eq!(made("adjust_brightness(2)", &[4, 1, 1], &[1, 2, 3, 9]), [2, 4, 6, 9], "alpha");
        assert!(refusal("random_brightness(-1..1)").contains("found factor -1..1"));
        assert!(refusal("normalize(imagenet) adjust_brightness(1)").contains("normalisation"));
    }
}
