//! Posterisation.

use std::fmt;

use tallow_core::Draws;

use crate::augment::Augment;
use crate::compose::{Atom, Composer, Sketch};
use crate::parameters::{chance, check_p};
use crate::spec::Form;
use crate::step::Step;
use crate::text::number;

pub(crate) static FORMS: &[Form] = &[
    Form {
        name: "posterize",
        usage: "bits",
        parse: |a, args| Ok(a.posterize(args.whole("bits")?)),
    },
    Form {
        name: "random_posterize",
        usage: "bits, p=0.5",
        parse: |a, args| Ok(a.random_posterize(args.whole("bits")?, args.number_or("p", 0.5)?)),
    },
];

impl Augment {
    /// Keeps the upper `bits` bits, 0 to 8, of every channel: floor(x / 2^(8 - bits)) 2^(8 - bits)
    /// for `u8`, and likewise for a range of 0 to 2^n - 1; floor(x 2^bits) / 2^bits, at most 1 -
    /// 2^-bits, for floats. Exact. torchvision: `posterize`.
    pub fn posterize(self, bits: usize) -> Self {
        self.push(Posterize { bits, p: None })
    }

    /// [`posterize`](Self::posterize) with probability `p`. torchvision: `RandomPosterize`.
    pub fn random_posterize(self, bits: usize, p: f64) -> Self {
        self.push(Posterize { bits, p: Some(p) })
    }
}

#[derive(Debug)]
struct Posterize {
    bits: usize,
    /// Without a probability it always acts.
    p: Option<f64>,
}

impl Step for Posterize {
    fn name(&self) -> &'static str {
        if self.p.is_some() { "random_posterize" } else { "posterize" }
    }

    fn draws(&self) -> bool {
        self.p.is_some()
    }

    fn outline(&self, sketch: &mut Sketch) -> Result<(), String> {
        check_p(self.p.unwrap_or(1.0))?;
        sketch.needs_range()?;
        if self.bits > 8 {
            return Err(format!("found {} bits, expected at most 8", self.bits));
        }
        sketch.atom(Atom::Point(1));
        Ok(())
    }

    fn compose(&self, draws: &mut Draws, composer: &mut Composer<'_>) {
        if self.p.is_none_or(|p| chance(draws, p)) {
            composer.note(format_args!("posterize"));
            composer.posterize(self.bits);
        }
    }
}

impl fmt::Display for Posterize {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let bits = self.bits;
        match self.p {
            None => write!(f, "posterize({bits})"),
            Some(p) => write!(f, "random_posterize({bits}, {})", number(p)),
        }
    }
}

#[cfg(test)]
mod tests {
    use crate::steps::probe::{made, refusal};

    #[test]
    fn the_lower_bits_are_dropped() {
        assert_eq!(made("posterize(2)", &[1, 1, 4], &[0, 63, 64, 255]), [0, 0, 64, 192]);
        assert_eq!(made("posterize(8)", &[1, 1, 2], &[3, 254]), [3, 254]);
        assert!(refusal("posterize(9)").contains("found 9 bits"));
    }
}
