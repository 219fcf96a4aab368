//! Autocontrast: stretches values to the whole range.

use std::fmt;

use tallow_core::Draws;

use crate::augment::Augment;
use crate::compose::{Composer, Sketch};
use crate::parameters::{chance, check_p};
use crate::plan::OpCode;
use crate::spec::Form;
use crate::step::Step;
use crate::text::number;

pub(crate) static FORMS: &[Form] = &[
    Form { name: "autocontrast", usage: "", parse: |a, _| Ok(a.autocontrast()) },
    Form {
        name: "random_autocontrast",
        usage: "p=0.5",
        parse: |a, args| Ok(a.random_autocontrast(args.number_or("p", 0.5)?)),
    },
];

impl Augment {
    /// (x - least) max / (greatest - least), clamped to [0, max], with the least and the greatest
    /// value of each channel at this point of the chain. A channel of one value stays as it is.
    /// Takes another pass over the pixels. torchvision: `autocontrast`.
    pub fn autocontrast(self) -> Self {
        self.push(Autocontrast { p: None })
    }

    /// [`autocontrast`](Self::autocontrast) with probability `p`. torchvision: `RandomAutocontrast`.
    pub fn random_autocontrast(self, p: f64) -> Self {
        self.push(Autocontrast { p: Some(p) })
    }
}

#[derive(Debug)]
struct Autocontrast {
    /// Without a probability it always acts.
    p: Option<f64>,
}

impl Step for Autocontrast {
    fn name(&self) -> &'static str {
        if self.p.is_some() { "random_autocontrast" } else { "autocontrast" }
    }

    fn draws(&self) -> bool {
        self.p.is_some()
    }

    fn outline(&self, sketch: &mut Sketch) -> Result<(), String> {
        check_p(self.p.unwrap_or(1.0))?;
        sketch.needs_colors()?;
        sketch.statistic();
        Ok(())
    }

    fn compose(&self, draws: &mut Draws, composer: &mut Composer<'_>) {
        if self.p.is_none_or(|p| chance(draws, p)) {
            composer.note(format_args!("autocontrast"));
            composer.point(OpCode::Autocontrast, &[composer.max()]);
        }
    }
}

impl fmt::Display for Autocontrast {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())?;
        self.p.map_or(Ok(()), |p| write!(f, "({})", number(p)))
    }
}

#[cfg(test)]
mod tests {
    use crate::steps::probe::{made, refusal};

    #[test]
    fn each_channel_is_stretched_by_itself() {
        let image = [50, 60, 100, 0, 255, 255, 9, 9, 9];
        let want = [0, 51, 255, 0, 255, 255, 9, 9, 9];
        assert_eq!(made("autocontrast", &[3, 1, 3], &image), want);
        assert!(refusal("random_autocontrast(-1)").contains("found p -1"));
    }
}
