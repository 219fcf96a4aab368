//! Gamma.

use std::fmt;

use tallow_core::Draws;

use crate::augment::Augment;
use crate::compose::{Atom, Composer, Sketch};
use crate::parameters::Uniform;
use crate::plan::OpCode;
use crate::spec::Form;
use crate::step::Step;
use crate::text::number;

pub(crate) static FORMS: &[Form] = &[
    Form {
        name: "adjust_gamma",
        usage: "gamma, gain=1",
        parse: |a, args| Ok(a.adjust_gamma(args.number("gamma")?, args.number_or("gain", 1.0)?)),
    },
    Form {
        name: "random_gamma",
        usage: "gamma",
        parse: |a, args| Ok(a.random_gamma(args.range("gamma")?)),
    },
];

impl Augment {
    /// clamp(`gain` (x / max)^`gamma`, 0, 1) max of every channel; a gamma above 1 makes dark parts
    /// darker. Values below 0 count as 0. torchvision: `adjust_gamma`, to a millionth.
    pub fn adjust_gamma(self, gamma: f64, gain: f64) -> Self {
        self.push(Gamma { gamma: gamma.into(), gain, is_random: false })
    }

    /// [`adjust_gamma`](Self::adjust_gamma) with a gain of 1 and a gamma that is uniform in
    /// `gamma`.
    pub fn random_gamma(self, gamma: impl Into<Uniform>) -> Self {
        self.push(Gamma { gamma: gamma.into(), gain: 1.0, is_random: true })
    }
}

#[derive(Debug)]
struct Gamma {
    gamma: Uniform,
    gain: f64,
    is_random: bool,
}

impl Step for Gamma {
    fn name(&self) -> &'static str {
        if self.is_random { "random_gamma" } else { "adjust_gamma" }
    }

    fn draws(&self) -> bool {
        self.is_random
    }

    fn outline(&self, sketch: &mut Sketch) -> Result<(), String> {
        sketch.needs_range()?;
        self.gamma.check_least("gamma", 0.0)?;
        Uniform::from(self.gain).check_least("gain", 0.0)?;
        sketch.atom(Atom::Point(1));
        Ok(())
    }

    fn compose(&self, draws: &mut Draws, composer: &mut Composer<'_>) {
        let gamma = self.gamma.draw(draws);
        composer.note(format_args!("gamma {gamma:.2}"));
        let args = [gamma as f32, self.gain as f32, composer.max()];
        composer.point(OpCode::Gamma, &args);
    }
}

impl fmt::Display for Gamma {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { gamma, gain, is_random } = self;
        match is_random {
            true => write!(f, "random_gamma({gamma})"),
            false => write!(f, "adjust_gamma({gamma}, {})", number(*gain)),
        }
    }
}

#[cfg(test)]
mod tests {
    use crate::steps::probe::{made, refusal};

    #[test]
    fn gamma_is_a_power_of_the_share_of_white() {
        assert_eq!(made("adjust_gamma(2)", &[1, 1, 3], &[0, 51, 255]), [0, 10, 255]);
        assert_eq!(made("adjust_gamma(1, gain=2)", &[1, 1, 3], &[0, 51, 200]), [0, 102, 255]);
        assert_eq!(made("adjust_gamma(0)", &[1, 1, 2], &[0, 51]), [255, 255]);
        assert!(refusal("random_gamma(-1..2)").contains("found gamma -1..2"));
    }
}
