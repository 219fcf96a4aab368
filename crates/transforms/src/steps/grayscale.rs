//! Grayscale.

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
    Form { name: "grayscale", usage: "", parse: |a, _| Ok(a.grayscale()) },
    Form {
        name: "random_grayscale",
        usage: "p=0.1",
        parse: |a, args| Ok(a.random_grayscale(args.number_or("p", 0.1)?)),
    },
];

impl Augment {
    /// Writes the luma 0.2989 R + 0.587 G + 0.114 B to all three colour channels; the number of
    /// channels stays. Alpha and images of one channel stay as they are. An image without an axis
    /// of channels keeps its shape; [`to_layout`](Self::to_layout) adds one. torchvision:
    /// `rgb_to_grayscale` with as many channels, which truncates the luma of `u8`.
    pub fn grayscale(self) -> Self {
        self.push(Grayscale { p: None })
    }

    /// [`grayscale`](Self::grayscale) with probability `p`. torchvision: `RandomGrayscale`.
    pub fn random_grayscale(self, p: f64) -> Self {
        self.push(Grayscale { p: Some(p) })
    }
}

#[derive(Debug)]
struct Grayscale {
    /// Without a probability it always acts.
    p: Option<f64>,
}

impl Step for Grayscale {
    fn name(&self) -> &'static str {
        if self.p.is_some() { "random_grayscale" } else { "grayscale" }
    }

    fn draws(&self) -> bool {
        self.p.is_some()
    }

    fn outline(&self, sketch: &mut Sketch) -> Result<(), String> {
        check_p(self.p.unwrap_or(1.0))?;
        sketch.needs_colors()?;
        sketch.atom(Atom::Point(1));
        Ok(())
    }

    fn compose(&self, draws: &mut Draws, composer: &mut Composer<'_>) {
        if self.p.is_none_or(|p| chance(draws, p)) {
            composer.note(format_args!("grayscale"));
            composer.point(OpCode::Grayscale, &[]);
        }
    }
}

impl fmt::Display for Grayscale {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())?;
        self.p.map_or(Ok(()), |p| write!(f, "({})", number(p)))
    }
}

#[cfg(test)]
mod tests {
    use crate::steps::probe::{made, refusal};

    #[test]
    fn gray_is_the_luma_in_every_colour() {
        assert_eq!(made("grayscale", &[4, 1, 1], &[100, 200, 0, 9]), [147, 147, 147, 9]);
        assert_eq!(made("grayscale", &[2, 1, 1], &[100, 9]), [100, 9]);
        assert!(refusal("random_grayscale(1.5)").contains("found p 1.5"));
    }
}
