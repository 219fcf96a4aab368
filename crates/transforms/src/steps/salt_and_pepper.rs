//! Salt and pepper noise.

use std::fmt;

use tallow_core::Draws;

use crate::augment::Augment;
use crate::compose::{Atom, Composer, Sketch};
use crate::parameters::Uniform;
use crate::plan::OpCode;
use crate::spec::Form;
use crate::step::Step;

pub(crate) static FORMS: &[Form] = &[Form {
    name: "salt_and_pepper",
    usage: "amount=0.01..0.06, salt=0.4..0.6",
    parse: |a, args| {
        let amount = args.range_or("amount", 0.01, 0.06)?;
        Ok(a.salt_and_pepper(amount, args.range_or("salt", 0.4, 0.6)?))
    },
}];

impl Augment {
    /// Hits each pixel with probability `amount`: a share `salt` of the hit pixels becomes white
    /// and the rest black, in every colour channel. Both are uniform in their range; kornia's
    /// defaults are 0.01 to 0.06 and 0.4 to 0.6. Alpha stays. kornia: `RandomSaltAndPepperNoise`.
    pub fn salt_and_pepper(self, amount: impl Into<Uniform>, salt: impl Into<Uniform>) -> Self {
        self.push(SaltAndPepper { amount: amount.into(), salt: salt.into() })
    }
}

#[derive(Debug)]
struct SaltAndPepper {
    amount: Uniform,
    salt: Uniform,
}

impl Step for SaltAndPepper {
    fn name(&self) -> &'static str {
        "salt_and_pepper"
    }

    fn outline(&self, sketch: &mut Sketch) -> Result<(), String> {
        sketch.needs_colors()?;
        self.amount.check("amount", 0.0, 1.0)?;
        self.salt.check("salt", 0.0, 1.0)?;
        sketch.atom(Atom::Pinned(1));
        Ok(())
    }

    fn compose(&self, draws: &mut Draws, composer: &mut Composer<'_>) {
        let (amount, salt) = (self.amount.draw(draws), self.salt.draw(draws));
        composer.note(format_args!("salt and pepper {amount:.3}, salt {salt:.2}"));
        let args = [amount as f32, salt as f32, composer.max()];
        composer.pinned(OpCode::SaltAndPepper, composer.noise_slot(), &args);
    }
}

impl fmt::Display for SaltAndPepper {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "salt_and_pepper({}, {})", self.amount, self.salt)
    }
}

#[cfg(test)]
mod tests {
    use crate::steps::probe::{made, refusal};

    #[test]
    fn all_salt_is_white_and_all_pepper_black() {
        assert_eq!(made("salt_and_pepper(1, 1)", &[2, 1, 2], &[9, 9, 7, 7]), [255, 255, 7, 7]);
        assert_eq!(made("salt_and_pepper(1, 0)", &[3, 1, 1], &[9, 9, 9]), [0; 3]);
        assert_eq!(made("salt_and_pepper(0)", &[1, 1, 2], &[9, 8]), [9, 8]);
        assert!(refusal("salt_and_pepper(0..2)").contains("found amount 0..2"));
    }
}
