//! Saturation.

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
        name: "adjust_saturation",
        usage: "factor",
        parse: |a, args| Ok(a.adjust_saturation(args.number("factor")?)),
    },
    Form {
        name: "random_saturation",
        usage: "factor",
        parse: |a, args| Ok(a.random_saturation(args.range("factor")?)),
    },
];

impl Augment {
    /// clamp(`factor` x + (1 - `factor`) luma, 0, max) of red, green and blue; 0 is gray, 1 changes
    /// nothing. Alpha and images of one channel stay. torchvision: `adjust_saturation`.
    pub fn adjust_saturation(self, factor: f64) -> Self {
        self.push(Saturation { factor: factor.into(), is_random: false })
    }

    /// [`adjust_saturation`](Self::adjust_saturation) by a factor that is uniform in `factor`.
    pub fn random_saturation(self, factor: impl Into<Uniform>) -> Self {
        self.push(Saturation { factor: factor.into(), is_random: true })
    }
}

#[derive(Debug)]
struct Saturation {
    factor: Uniform,
    is_random: bool,
}

impl Step for Saturation {
    fn name(&self) -> &'static str {
        if self.is_random { "random_saturation" } else { "adjust_saturation" }
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
        composer.note(format_args!("saturation {factor:.2}"));
        composer.point(OpCode::Saturation, &[factor as f32, composer.max()]);
    }
}

impl fmt::Display for Saturation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}({})", self.name(), self.factor)
    }
}

#[cfg(test)]
mod tests {
    use crate::steps::probe::made;

    #[test]
    fn saturation_moves_away_from_gray() {
        assert_eq!(made("adjust_saturation(0)", &[3, 1, 1], &[100, 0, 0]), [30; 3]);
        assert_eq!(made("adjust_saturation(2)", &[4, 1, 1], &[100, 0, 0, 9]), [170, 0, 0, 9]);
        assert_eq!(made("adjust_saturation(2)", &[1, 1, 2], &[100, 7]), [100, 7]);
    }
}
