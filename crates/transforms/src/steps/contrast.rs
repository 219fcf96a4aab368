//! Contrast.

use std::fmt;

use tallow_core::Draws;

use crate::augment::Augment;
use crate::compose::{Composer, Sketch};
use crate::parameters::Uniform;
use crate::plan::OpCode;
use crate::spec::Form;
use crate::step::Step;

pub(crate) static FORMS: &[Form] = &[
    Form {
        name: "adjust_contrast",
        usage: "factor",
        parse: |a, args| Ok(a.adjust_contrast(args.number("factor")?)),
    },
    Form {
        name: "random_contrast",
        usage: "factor",
        parse: |a, args| Ok(a.random_contrast(args.range("factor")?)),
    },
];

impl Augment {
    /// clamp(`factor` x + (1 - `factor`) mean, 0, max) of the colour channels, with the mean luma
    /// of the image at this point of the chain; 0 is uniform gray, 1 changes nothing. Alpha stays.
    /// Takes another pass over the pixels. torchvision: `adjust_contrast`, which floors the luma of
    /// `u8`.
    pub fn adjust_contrast(self, factor: f64) -> Self {
        self.push(Contrast { factor: factor.into(), is_random: false })
    }

    /// [`adjust_contrast`](Self::adjust_contrast) by a factor that is uniform in `factor`.
    pub fn random_contrast(self, factor: impl Into<Uniform>) -> Self {
        self.push(Contrast { factor: factor.into(), is_random: true })
    }
}

#[derive(Debug)]
struct Contrast {
    factor: Uniform,
    is_random: bool,
}

impl Step for Contrast {
    fn name(&self) -> &'static str {
        if self.is_random { "random_contrast" } else { "adjust_contrast" }
    }

    fn draws(&self) -> bool {
        self.is_random
    }

    fn outline(&self, sketch: &mut Sketch) -> Result<(), String> {
        sketch.needs_colors()?;
        self.factor.check_least("factor", 0.0)?;
        sketch.statistic();
        Ok(())
    }

    fn compose(&self, draws: &mut Draws, composer: &mut Composer<'_>) {
        let factor = self.factor.draw(draws);
        composer.note(format_args!("contrast {factor:.2}"));
        composer.point(OpCode::Contrast, &[factor as f32, composer.max()]);
    }
}

impl fmt::Display for Contrast {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}({})", self.name(), self.factor)
    }
}

#[cfg(test)]
mod tests {
    use crate::steps::probe::made;

    #[test]
    fn contrast_turns_around_the_mean_of_the_luma() {
        assert_eq!(made("adjust_contrast(0)", &[1, 1, 4], &[0, 100, 120, 180]), [100; 4]);
        assert_eq!(made("adjust_contrast(2)", &[1, 1, 4], &[0, 100, 120, 180]), [0, 100, 140, 255]);
        let gray = made("adjust_contrast(0)", &[4, 1, 1], &[100, 0, 0, 7]);
        assert_eq!(gray, [30, 30, 30, 7], "0.2989 of red, alpha as it was");
    }
}
