//! Histogram equalisation.

use std::fmt;

use tallow_core::Draws;

use crate::augment::Augment;
use crate::compose::{Composer, Sketch};
use crate::parameters::{chance, check_p};
use crate::spec::Form;
use crate::step::Step;
use crate::text::number;

pub(crate) static FORMS: &[Form] = &[
    Form { name: "equalize", usage: "", parse: |a, _| Ok(a.equalize()) },
    Form {
        name: "random_equalize",
        usage: "p=0.5",
        parse: |a, args| Ok(a.random_equalize(args.number_or("p", 0.5)?)),
    },
];

impl Augment {
    /// Makes the histogram of each channel even, as PIL does: with 256 levels and step = (pixels -
    /// those of the greatest level) / 255, level k becomes (pixels below k + step / 2) / step, in
    /// integers. A step of 0 changes no `u8`. Floats fall into level floor(255.999 x). Takes
    /// another pass over the pixels. torchvision: `equalize`.
    pub fn equalize(self) -> Self {
        self.push(Equalize { p: None })
    }

    /// [`equalize`](Self::equalize) with probability `p`. torchvision: `RandomEqualize`.
    pub fn random_equalize(self, p: f64) -> Self {
        self.push(Equalize { p: Some(p) })
    }
}

#[derive(Debug)]
struct Equalize {
    /// Without a probability it always acts.
    p: Option<f64>,
}

impl Step for Equalize {
    fn name(&self) -> &'static str {
        if self.p.is_some() { "random_equalize" } else { "equalize" }
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
            composer.note(format_args!("equalize"));
            composer.equalize();
        }
    }
}

impl fmt::Display for Equalize {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())?;
        self.p.map_or(Ok(()), |p| write!(f, "({})", number(p)))
    }
}

#[cfg(test)]
mod tests {
    use crate::steps::probe::{made, refusal};

    #[test]
    fn levels_become_even() {
        let image: Vec<u8> = (0..=255).flat_map(|k: u8| [k / 2; 4]).collect();
        let even = made("equalize", &[1, 32, 32], &image);
        // 1024 pixels, 8 of the greatest level: a step of 3, so 8 k / 3 up to white.
        let want: Vec<u8> =
            image.iter().map(|&k| ((8 * u32::from(k) + 1) / 3).min(255) as u8).collect();
        assert_eq!(even, want);
        assert_eq!(made("equalize", &[1, 1, 3], &[9, 9, 200]), [9, 9, 200]);
        assert!(refusal("random_equalize(2)").contains("found p 2"));
    }
}
