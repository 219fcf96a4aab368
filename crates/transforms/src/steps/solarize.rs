//! Solarisation.

use std::fmt;

use tallow_core::Draws;

use crate::augment::Augment;
use crate::compose::{Atom, Composer, Sketch};
use crate::parameters::{chance, check_p};
use crate::plan::OpCode;
use crate::spec::Form;
use crate::step::Step;
use crate::text::number;

pub(crate) static FORMS: &[Form] = &[
    Form {
        name: "solarize",
        usage: "threshold",
        parse: |a, args| Ok(a.solarize(args.number("threshold")?)),
    },
    Form {
        name: "random_solarize",
        usage: "threshold, p=0.5",
        parse: |a, args| Ok(a.random_solarize(args.number("threshold")?, args.number_or("p", 0.5)?)),
    },
];

impl Augment {
    /// max - x where x is at least `threshold`, else x, for every channel. Exact. torchvision:
    /// `solarize`, whose threshold is in units of the image; here `u8` and `u16` count from 0 to 1.
    pub fn solarize(self, threshold: f64) -> Self {
        self.push(Solarize { threshold, p: None })
    }

    /// [`solarize`](Self::solarize) with probability `p`. torchvision: `RandomSolarize`.
    pub fn random_solarize(self, threshold: f64, p: f64) -> Self {
        self.push(Solarize { threshold, p: Some(p) })
    }
}

#[derive(Debug)]
struct Solarize {
    threshold: f64,
    /// Without a probability it always acts.
    p: Option<f64>,
}

impl Step for Solarize {
    fn name(&self) -> &'static str {
        if self.p.is_some() { "random_solarize" } else { "solarize" }
    }

    fn draws(&self) -> bool {
        self.p.is_some()
    }

    fn outline(&self, sketch: &mut Sketch) -> Result<(), String> {
        check_p(self.p.unwrap_or(1.0))?;
        sketch.needs_range()?;
        sketch.needs_value("threshold", self.threshold)?;
        sketch.atom(Atom::Point(1));
        Ok(())
    }

    fn compose(&self, draws: &mut Draws, composer: &mut Composer<'_>) {
        if self.p.is_none_or(|p| chance(draws, p)) {
            composer.note(format_args!("solarize"));
            let threshold = self.threshold * f64::from(composer.unit());
            composer.point(OpCode::Solarize, &[threshold as f32, composer.max()]);
        }
    }
}

impl fmt::Display for Solarize {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let threshold = number(self.threshold);
        match self.p {
            None => write!(f, "solarize({threshold})"),
            Some(p) => write!(f, "random_solarize({threshold}, {})", number(p)),
        }
    }
}

#[cfg(test)]
mod tests {
    use crate::steps::probe::{made, refusal};

    #[test]
    fn bright_values_are_inverted() {
        assert_eq!(made("solarize(0.5)", &[1, 1, 4], &[0, 127, 128, 255]), [0, 127, 127, 0]);
        assert_eq!(made("random_solarize(0.5, p=0)", &[1, 1, 2], &[0, 255]), [0, 255]);
        assert!(refusal("solarize(128)").contains("found threshold 128"));
    }
}
