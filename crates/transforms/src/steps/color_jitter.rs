//! Brightness, contrast, saturation and hue at once.

use std::fmt;

use tallow_core::Draws;

use crate::augment::Augment;
use crate::compose::{Atom, Composer, Sketch};
use crate::parameters::{Jitter, Uniform, permutation};
use crate::plan::OpCode;
use crate::spec::Form;
use crate::step::Step;

pub(crate) static FORMS: &[Form] = &[Form {
    name: "color_jitter",
    usage: "brightness=0, contrast=0, saturation=0, hue=0",
    parse: |a, args| {
        let [brightness, contrast] = [args.jitter("brightness")?, args.jitter("contrast")?];
        let [saturation, hue] = [args.jitter("saturation")?, args.jitter("hue")?];
        Ok(a.color_jitter(brightness, contrast, saturation, hue))
    },
}];

impl Augment {
    /// [Brightness](Self::adjust_brightness), [contrast](Self::adjust_contrast),
    /// [saturation](Self::adjust_saturation) and [hue](Self::adjust_hue), in a random order, each
    /// clamped to the range of the image. A number x means a factor that is uniform in max(0,
    /// 1 - x)..1 + x, or a hue in -x..x; a range is used as it is. Parts that cannot change
    /// anything are left out. torchvision: `ColorJitter`.
    ///
    /// ```
    /// # use tallow_transforms::Augment;
    /// let chain = Augment::new().color_jitter(0.6..1.4, 0.4, 0.4, 0.1);
    /// assert_eq!(chain.to_string(), "color_jitter(0.6..1.4, 0.4, 0.4, 0.1)");
    /// ```
    pub fn color_jitter(
        self,
        brightness: impl Into<Jitter>,
        contrast: impl Into<Jitter>,
        saturation: impl Into<Jitter>,
        hue: impl Into<Jitter>,
    ) -> Self {
        let given = [brightness.into(), contrast.into(), saturation.into(), hue.into()];
        self.push(ColorJitter { given })
    }
}

/// What is jittered, in the order of the arguments.
const PARTS: [(&str, OpCode); 4] = [
    ("brightness", OpCode::Brightness),
    ("contrast", OpCode::Contrast),
    ("saturation", OpCode::Saturation),
    ("hue", OpCode::Hue),
];

const HUE: usize = 3;

#[derive(Debug)]
struct ColorJitter {
    given: [Jitter; PARTS.len()],
}

impl ColorJitter {
    fn range(&self, part: usize) -> Uniform {
        if part == HUE { self.given[part].turn() } else { self.given[part].factor() }
    }

    /// Whether the part can change anything.
    fn acts(&self, part: usize) -> bool {
        let nothing = if part == HUE { 0.0 } else { 1.0 };
        self.range(part) != Uniform::from(nothing)
    }
}

impl Step for ColorJitter {
    fn name(&self) -> &'static str {
        "color_jitter"
    }

    fn outline(&self, sketch: &mut Sketch) -> Result<(), String> {
        sketch.needs_colors()?;
        for (part, (name, _)) in PARTS.iter().enumerate() {
            let range = self.range(part);
            match part {
                HUE => range.check(name, -0.5, 0.5)?,
                _ => range.check_least(name, 0.0)?,
            }
        }
        for part in (0..PARTS.len()).filter(|&part| self.acts(part)) {
            if PARTS[part].1 != OpCode::Contrast {
                sketch.atom(Atom::Point(1));
            }
        }
        // Last, where it pins most: the order is drawn.
        if self.acts(1) {
            sketch.statistic();
        }
        Ok(())
    }

    fn compose(&self, draws: &mut Draws, composer: &mut Composer<'_>) {
        let order: [usize; PARTS.len()] = permutation(draws, PARTS.len());
        let values: [f64; PARTS.len()] = std::array::from_fn(|part| self.range(part).draw(draws));
        for part in order.into_iter().filter(|&part| self.acts(part)) {
            let (name, code) = PARTS[part];
            composer.note(format_args!("{name} {:.2}", values[part]));
            composer.point(code, &[values[part] as f32, composer.max()]);
        }
    }
}

impl fmt::Display for ColorJitter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [brightness, contrast, saturation, hue] = self.given;
        write!(f, "color_jitter({brightness}, {contrast}, {saturation}, {hue})")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::steps::probe::{made, refusal};

    #[test]
    fn numbers_are_distances_and_ranges_are_taken_as_they_are() {
        assert_eq!(Jitter::from(0.4).factor(), Uniform { low: 0.6, high: 1.4 });
        assert_eq!(Jitter::from(3.0).factor(), Uniform { low: 0.0, high: 4.0 });
        assert_eq!(Jitter::from(0.1).turn(), Uniform { low: -0.1, high: 0.1 });
        assert_eq!(Jitter::from(0.5..2.0).factor(), Uniform { low: 0.5, high: 2.0 });
        assert_eq!(made("color_jitter(2..2)", &[1, 1, 2], &[10, 200]), [20, 255]);
        let chain: Augment = "color_jitter(2..2, hue=0.1)".parse().unwrap();
        assert_eq!(chain.to_string(), "color_jitter(2..2, 0, 0, 0.1)");
    }

    #[test]
    fn what_changes_nothing_is_left_out() {
        let jitter = ColorJitter { given: [0.0.into(), (1.0..1.0).into(), 0.2.into(), 0.0.into()] };
        assert_eq!([0, 1, 2, 3].map(|part| jitter.acts(part)), [false, false, true, false]);
        assert_eq!(made("color_jitter", &[3, 1, 1], &[1, 2, 3]), [1, 2, 3]);
    }

    #[test]
    fn impossible_parameters_are_refused() {
        assert!(refusal("color_jitter(-1)").contains("found brightness -1"));
        assert!(refusal("color_jitter(0, 2..1)").contains("found contrast 2..1"));
        assert!(refusal("color_jitter(0, 0, 0, 0.7)").contains("found hue -0.7..0.7"));
    }
}
