//! Sharpness.

use std::fmt;

use tallow_core::Draws;

use crate::augment::Augment;
use crate::compose::{Atom, Composer, Sketch};
use crate::parameters::{Uniform, chance, check_p};
use crate::spec::Form;
use crate::step::Step;
use crate::text::number;

pub(crate) static FORMS: &[Form] = &[
    Form {
        name: "adjust_sharpness",
        usage: "factor",
        parse: |a, args| Ok(a.adjust_sharpness(args.number("factor")?)),
    },
    Form {
        name: "random_sharpness",
        usage: "factor, p=0.5",
        parse: |a, args| Ok(a.random_sharpness(args.number("factor")?, args.number_or("p", 0.5)?)),
    },
];

impl Augment {
    /// clamp(`factor` x + (1 - `factor`) blur, 0, max) of every channel, where blur is the mean of
    /// the 3x3 neighbourhood with the pixel itself counted five times; 0 blurs, 1 changes nothing.
    /// The outermost pixels are only clamped to the range, and images whose height or width is at
    /// most 2 stay as they are. torchvision: `adjust_sharpness`.
    pub fn adjust_sharpness(self, factor: f64) -> Self {
        self.push(Sharpness { factor, p: None })
    }

    /// [`adjust_sharpness`](Self::adjust_sharpness) with probability `p`. torchvision:
    /// `RandomAdjustSharpness`.
    pub fn random_sharpness(self, factor: f64, p: f64) -> Self {
        self.push(Sharpness { factor, p: Some(p) })
    }
}

#[derive(Debug)]
struct Sharpness {
    factor: f64,
    /// Without a probability it always acts.
    p: Option<f64>,
}

impl Step for Sharpness {
    fn name(&self) -> &'static str {
        if self.p.is_some() { "random_sharpness" } else { "adjust_sharpness" }
    }

    fn draws(&self) -> bool {
        self.p.is_some()
    }

    fn outline(&self, sketch: &mut Sketch) -> Result<(), String> {
        check_p(self.p.unwrap_or(1.0))?;
        sketch.needs_range()?;
        Uniform::from(self.factor).check_least("factor", 0.0)?;
        sketch.atom(Atom::Neighbours);
        Ok(())
    }

    fn compose(&self, draws: &mut Draws, composer: &mut Composer<'_>) {
        if self.p.is_none_or(|p| chance(draws, p)) {
            composer.note(format_args!("sharpness {:.2}", self.factor));
            composer.sharpen(self.factor as f32);
        }
    }
}

impl fmt::Display for Sharpness {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.p {
            None => write!(f, "adjust_sharpness({})", number(self.factor)),
            Some(p) => write!(f, "random_sharpness({}, {})", number(self.factor), number(p)),
        }
    }
}

#[cfg(test)]
mod tests {
    use crate::steps::probe::{made, made_f32, refusal};

    #[test]
    fn the_border_and_small_images_stay() {
        let image: [u8; 9] = [0, 0, 0, 0, 130, 0, 0, 0, 0];
        assert_eq!(made("adjust_sharpness(0)", &[1, 3, 3], &image)[4], 50);
        assert_eq!(made("adjust_sharpness(2)", &[1, 3, 3], &image)[4], 210);
        assert_eq!(made("adjust_sharpness(1)", &[1, 3, 3], &image), image);
        assert_eq!(made("adjust_sharpness(0)", &[1, 2, 4], &[0, 9, 200, 7, 1, 2, 3, 4])[1], 9);
        assert!(refusal("random_sharpness(-2)").contains("found factor -2"));
    }

    #[test]
    fn what_an_interpolation_left_beyond_the_range_is_clamped_at_the_border_too() {
        let image: Vec<u8> = (0..64).map(|at| if at / 8 % 2 == 0 { 0 } else { 255 }).collect();
        let of = |after: &str| {
            made_f32(
                &format!("resize(19, interpolation=bicubic) {after} to_dtype(f32)"),
                &[1, 8, 8],
                &image,
            )
        };
        let inside = |values: Vec<f32>| values.iter().all(|x| (0.0..=1.0).contains(x));
        assert!(!inside(of("")), "the interpolation goes beyond the range");
        for factor in [0.0, 1.0, 1.7] {
            assert!(inside(of(&format!("adjust_sharpness({factor})"))), "{factor}");
        }
        assert!(inside(of("random_sharpness(0.5, p=1)")));
    }
}
