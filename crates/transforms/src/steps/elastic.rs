//! Elastic deformations.

use std::fmt;

use tallow_core::Draws;

use crate::augment::Augment;
use crate::compose::{Composer, Sketch};
use crate::parameters::{Fill, Uniform};
use crate::plan::{BLUR_WEIGHTS_MAX, Interpolation};
use crate::spec::Form;
use crate::step::Step;
use crate::steps::affine::check_warp;
use crate::text::number;

pub(crate) static FORMS: &[Form] = &[Form {
    name: "elastic",
    usage: "alpha=50, sigma=5, interpolation=bilinear, fill=0",
    parse: |a, args| {
        let elastic = Elastic::new(args.number_or("alpha", 50.0)?);
        let elastic = elastic.sigma(args.number_or("sigma", 5.0)?);
        let bilinear = Interpolation::Bilinear;
        let elastic = elastic.interpolation(args.word_or("interpolation", bilinear)?);
        Ok(a.elastic(elastic.fill(args.fill("fill")?)))
    },
}];

/// Displaces every pixel by a smooth random field: along x and along y, noise that is uniform in
/// [-1, 1) for each pixel is convolved with a Gaussian of `sigma` pixels and multiplied by `alpha`
/// / 2 pixels. torchvision: `ElasticTransform`, which also scales the field along x by width /
/// height. Takes a stage of its own. All slices of a volume move alike. A point, or a corner of a
/// box, goes to where the result shows it, with displacements interpolated between pixels; when the
/// map folds and shows it several times, to the nearest of these places.
#[derive(Debug, Clone, Copy, PartialEq)]
#[must_use]
pub struct Elastic {
    alpha: f64,
    sigma: f64,
    interpolation: Interpolation,
    fill: Fill,
}

impl Elastic {
    /// Displacements of the strength `alpha`, 50 in torchvision.
    pub fn new(alpha: f64) -> Self {
        let interpolation = Interpolation::Bilinear;
        Self { alpha, sigma: 5.0, interpolation, fill: Fill::default() }
    }

    /// How smooth the field is, in pixels, up to 7.7; 0 leaves it as plain noise. The default is 5.
    pub fn sigma(mut self, sigma: f64) -> Self {
        self.sigma = sigma;
        self
    }

    /// Nearest or bilinear. The default is bilinear.
    pub fn interpolation(mut self, interpolation: Interpolation) -> Self {
        self.interpolation = interpolation;
        self
    }

    /// The value outside of the image. The default is 0.
    pub fn fill(mut self, fill: impl Into<Fill>) -> Self {
        self.fill = fill.into();
        self
    }

    /// Weights of one half of the kernel, its middle included: torchvision's kernel of
    /// 8 `sigma` + 1 pixels, rounded down, and one more where that is even.
    fn weights_len(&self) -> usize {
        (8.0 * self.sigma + 1.0) as usize / 2 + 1
    }

    /// The weights of one half of the kernel, of which the whole sums to 1.
    fn weights(&self) -> [f64; BLUR_WEIGHTS_MAX] {
        let mut weights = [0.0; BLUR_WEIGHTS_MAX];
        weights[0] = 1.0;
        for (x, weight) in weights[..self.weights_len()].iter_mut().enumerate().skip(1) {
            let x = x as f64 / self.sigma;
            *weight = libm::exp(-0.5 * x * x);
        }
        let total = weights[0] + 2.0 * weights[1..].iter().sum::<f64>();
        weights.map(|weight| weight / total)
    }
}

impl From<f64> for Elastic {
    fn from(alpha: f64) -> Self {
        Self::new(alpha)
    }
}

impl Augment {
    /// Displaces every pixel by a smooth random field: a strength, or an [`Elastic`].
    pub fn elastic(self, elastic: impl Into<Elastic>) -> Self {
        self.push(elastic.into())
    }
}

impl Step for Elastic {
    fn name(&self) -> &'static str {
        "elastic"
    }

    fn outline(&self, sketch: &mut Sketch) -> Result<(), String> {
        check_warp(sketch, self.interpolation, self.fill)?;
        Uniform::from(self.alpha).check("alpha", 0.0, 1e6)?;
        Uniform::from(self.sigma).check("sigma", 0.0, 1e3)?;
        sketch.elastic(self.weights_len(), self.interpolation)?;
        Ok(())
    }

    fn compose(&self, _draws: &mut Draws, composer: &mut Composer<'_>) {
        let fill = self.fill.channels(composer.unit());
        let amount = (self.alpha / 2.0) as f32;
        let weights = self.weights();
        composer.note(format_args!("elastic {amount} px"));
        composer.elastic(amount, &weights[..self.weights_len()], self.interpolation, fill);
    }
}

impl fmt::Display for Elastic {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { alpha, sigma, interpolation, fill } = self;
        let [alpha, sigma] = [alpha, sigma].map(|value| number(*value));
        write!(f, "elastic({alpha}, sigma={sigma}, interpolation={interpolation}, fill={fill})")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_kernel_is_odd_and_sums_to_one() {
        for (sigma, len) in [(0.0, 1), (0.3, 3), (5.0, 41), (7.7, 63)] {
            let elastic = Elastic::new(1.0).sigma(sigma);
            assert_eq!(2 * elastic.weights_len() - 1, len, "{sigma}");
            let weights = elastic.weights();
            let total = weights[0] + 2.0 * weights[1..].iter().sum::<f64>();
            assert!((total - 1.0).abs() < 1e-12);
        }
    }

    #[test]
    fn chains_read_back_as_they_are_written() {
        let text = "elastic(30, sigma=4, interpolation=nearest, fill=0.5)";
        assert_eq!(text.parse::<Augment>().unwrap().to_string(), text);
    }
}
