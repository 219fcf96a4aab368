//! Hue.

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
        name: "adjust_hue",
        usage: "turns",
        parse: |a, args| Ok(a.adjust_hue(args.number("turns")?)),
    },
    Form {
        name: "random_hue",
        usage: "turns",
        parse: |a, args| Ok(a.random_hue(args.range("turns")?)),
    },
];

impl Augment {
    /// Turns the hue by `turns` of a full turn, -0.5 to 0.5, in HSV: red becomes green at 1/3. Alpha
    /// and images of one channel stay. Values must be at least 0, as those of images are. torchvision:
    /// `adjust_hue`, to a millionth; a turn of 0 is not exact, as there.
    pub fn adjust_hue(self, turns: f64) -> Self {
        self.push(Hue { turns: turns.into(), is_random: false })
    }

    /// [`adjust_hue`](Self::adjust_hue) by an angle that is uniform in `turns`.
    pub fn random_hue(self, turns: impl Into<Uniform>) -> Self {
        self.push(Hue { turns: turns.into(), is_random: true })
    }
}

#[derive(Debug)]
struct Hue {
    turns: Uniform,
    is_random: bool,
}

impl Step for Hue {
    fn name(&self) -> &'static str {
        if self.is_random { "random_hue" } else { "adjust_hue" }
    }

    fn draws(&self) -> bool {
        self.is_random
    }

    fn outline(&self, sketch: &mut Sketch) -> Result<(), String> {
        sketch.needs_colors()?;
        self.turns.check("turns", -0.5, 0.5)?;
        sketch.atom(Atom::Point(1));
        Ok(())
    }

    fn compose(&self, draws: &mut Draws, composer: &mut Composer<'_>) {
        let turns = self.turns.draw(draws);
        composer.note(format_args!("hue {turns:.3}"));
        composer.point(OpCode::Hue, &[turns as f32, composer.max()]);
    }
}

impl fmt::Display for Hue {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}({})", self.name(), self.turns)
    }
}

#[cfg(test)]
mod tests {
    use crate::steps::probe::{made, refusal};

    #[test]
    fn a_third_of_a_turn_exchanges_the_colours() {
        assert_eq!(made("adjust_hue(0.33333333)", &[3, 1, 1], &[200, 0, 0]), [0, 200, 0]);
        assert_eq!(made("adjust_hue(-0.33333333)", &[4, 1, 1], &[200, 0, 0, 5]), [0, 0, 200, 5]);
        assert_eq!(made("adjust_hue(0.2)", &[1, 1, 2], &[200, 3]), [200, 3]);
        assert!(refusal("adjust_hue(0.7)").contains("from -0.5 to 0.5"));
    }
}
