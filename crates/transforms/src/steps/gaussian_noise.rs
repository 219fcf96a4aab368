//! Normal noise.

use std::fmt;

use tallow_core::Draws;

use crate::augment::Augment;
use crate::compose::{Atom, Composer, Sketch};
use crate::parameters::Uniform;
use crate::plan::OpCode;
use crate::spec::Form;
use crate::step::Step;
use crate::text::number;

pub(crate) static FORMS: &[Form] = &[Form {
    name: "gaussian_noise",
    usage: "sigma=0.1, mean=0, clip=true",
    parse: |a, args| {
        let noise = GaussianNoise::new(args.number_or("sigma", 0.1)?);
        let noise = noise.mean(args.number_or("mean", 0.0)?);
        Ok(a.gaussian_noise(GaussianNoise { clip: args.flag_or("clip", true)?, ..noise }))
    },
}];

/// x + mean + sigma n, with n normal and independent for each pixel and channel. sigma and mean are
/// in the units that [`Augment`] describes under *Values*, and at most as large as the range is
/// wide; after a normalisation they are in normalised values. torchvision: `GaussianNoise`, which
/// truncates the noise of `u8`.
#[derive(Debug, Clone, Copy, PartialEq)]
#[must_use]
pub struct GaussianNoise {
    sigma: f64,
    mean: f64,
    clip: bool,
}

impl GaussianNoise {
    /// Noise of standard deviation `sigma`.
    pub fn new(sigma: f64) -> Self {
        Self { sigma, mean: 0.0, clip: true }
    }

    /// The mean of the noise. The default is 0.
    pub fn mean(mut self, mean: f64) -> Self {
        self.mean = mean;
        self
    }

    /// Does not clamp the result to the range of the image. Normalised values need this, since they
    /// have no range. By default values are clamped where there is a range.
    pub fn without_clipping(mut self) -> Self {
        self.clip = false;
        self
    }
}

impl From<f64> for GaussianNoise {
    fn from(sigma: f64) -> Self {
        Self::new(sigma)
    }
}

impl Augment {
    /// Adds normal noise: a standard deviation, or a [`GaussianNoise`].
    pub fn gaussian_noise(self, noise: impl Into<GaussianNoise>) -> Self {
        self.push(noise.into())
    }
}

impl Step for GaussianNoise {
    fn name(&self) -> &'static str {
        "gaussian_noise"
    }

    fn outline(&self, sketch: &mut Sketch) -> Result<(), String> {
        Uniform::from(self.sigma).check_least("sigma", 0.0)?;
        sketch.needs_distance("sigma", self.sigma)?;
        sketch.needs_distance("mean", self.mean)?;
        if self.clip && sketch.normalized {
            return Err("normalised values have no range to be clipped to: clip=false".to_owned());
        }
        // A signal without a range is left as it is.
        if self.clip && sketch.values.ends().is_some() {
            sketch.needs_range()?;
        }
        sketch.atom(Atom::Pinned(1));
        Ok(())
    }

    fn compose(&self, _draws: &mut Draws, composer: &mut Composer<'_>) {
        let unit = f64::from(composer.unit());
        let clip = composer.white().filter(|_| self.clip).unwrap_or(0.0);
        let args = [(self.sigma * unit) as f32, (self.mean * unit) as f32, clip];
        composer.pinned(OpCode::GaussianNoise, composer.noise_slot(), &args);
    }
}

impl fmt::Display for GaussianNoise {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [sigma, mean] = [self.sigma, self.mean].map(number);
        write!(f, "gaussian_noise({sigma}, {mean}, {})", self.clip)
    }
}

#[cfg(test)]
mod tests {
    use crate::steps::probe::{made, made_f32, refusal};

    #[test]
    fn noise_is_in_the_units_of_the_image() {
        assert_eq!(made("gaussian_noise(0, mean=0.2)", &[1, 1, 2], &[0, 250]), [51, 255]);
        let shifted = "normalize(0, 1) gaussian_noise(0, mean=0.5, clip=false)";
        assert_eq!(made_f32(shifted, &[1, 1, 2], &[0, 255]), [0.5, 1.5]);
        assert!(refusal("normalize(imagenet) gaussian_noise").contains("clip=false"));
        assert!(refusal("gaussian_noise(-1)").contains("found sigma -1"));
    }
}
