//! Inversion.

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
    Form { name: "invert", usage: "", parse: |a, _| Ok(a.invert()) },
    Form {
        name: "random_invert",
        usage: "p=0.5",
        parse: |a, args| Ok(a.random_invert(args.number_or("p", 0.5)?)),
    },
];

impl Augment {
    /// max - x of every channel. Exact. torchvision: `invert`.
    pub fn invert(self) -> Self {
        self.push(Invert { p: None })
    }

    /// [`invert`](Self::invert) with probability `p`. torchvision: `RandomInvert`.
    pub fn random_invert(self, p: f64) -> Self {
        self.push(Invert { p: Some(p) })
    }
}

#[derive(Debug)]
struct Invert {
    /// Without a probability it always acts.
    p: Option<f64>,
}

impl Step for Invert {
    fn name(&self) -> &'static str {
        if self.p.is_some() { "random_invert" } else { "invert" }
    }

    fn draws(&self) -> bool {
        self.p.is_some()
    }

    fn outline(&self, sketch: &mut Sketch) -> Result<(), String> {
        check_p(self.p.unwrap_or(1.0))?;
        sketch.needs_range()?;
        sketch.atom(Atom::Point(1));
        Ok(())
    }

    fn compose(&self, draws: &mut Draws, composer: &mut Composer<'_>) {
        if self.p.is_none_or(|p| chance(draws, p)) {
            composer.note(format_args!("invert"));
            composer.point(OpCode::Invert, &[composer.max()]);
        }
    }
}

impl fmt::Display for Invert {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())?;
        self.p.map_or(Ok(()), |p| write!(f, "({})", number(p)))
    }
}

#[cfg(test)]
mod tests {
    use crate::steps::probe::{made, refusal};

    #[test]
    fn a_negative_is_the_distance_to_white() {
        assert_eq!(made("invert", &[2, 1, 2], &[0, 255, 10, 100]), [255, 0, 245, 155]);
        assert_eq!(made("invert random_invert(1)", &[1, 1, 2], &[7, 9]), [7, 9]);
        assert!(refusal("normalize(imagenet) invert").contains("normalisation"));
    }
}
