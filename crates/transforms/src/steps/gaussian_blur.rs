//! Blur.

use std::fmt;

use tallow_core::Draws;

use crate::augment::Augment;
use crate::compose::{Composer, Sketch};
use crate::parameters::Uniform;
use crate::plan::BLUR_WEIGHTS_MAX;
use crate::spec::Form;
use crate::step::Step;

pub(crate) static FORMS: &[Form] = &[Form {
    name: "gaussian_blur",
    usage: "kernel, sigma=0.1..2",
    parse: |a, args| {
        let kernel = args.whole("kernel")?;
        Ok(a.gaussian_blur(kernel, args.range_or("sigma", 0.1, 2.0)?))
    },
}];

impl Augment {
    /// Convolves every channel along width and height with `kernel` weights exp(-x^2 / (2
    /// sigma^2)), scaled to sum to 1. sigma is uniform in `sigma` (torchvision's default is 0.1 to
    /// 2). `kernel` is odd and at most 63. Outside of the image is its reflection, with the
    /// outermost pixel once. torchvision: `GaussianBlur`, to a millionth.
    pub fn gaussian_blur(self, kernel: usize, sigma: impl Into<Uniform>) -> Self {
        self.push(GaussianBlur { kernel, sigma: sigma.into() })
    }
}

#[derive(Debug)]
struct GaussianBlur {
    kernel: usize,
    sigma: Uniform,
}

impl Step for GaussianBlur {
    fn name(&self) -> &'static str {
        "gaussian_blur"
    }

    fn outline(&self, sketch: &mut Sketch) -> Result<(), String> {
        if self.kernel.is_multiple_of(2) {
            return Err(format!("found a kernel of {}, expected an odd number", self.kernel));
        }
        self.sigma.check_least("sigma", 0.0)?;
        if self.sigma.low == 0.0 {
            return Err("found a sigma of 0, expected more".to_owned());
        }
        sketch.blur(self.kernel / 2 + 1)
    }

    fn compose(&self, draws: &mut Draws, composer: &mut Composer<'_>) {
        let sigma = self.sigma.draw(draws);
        composer.note(format_args!("blur {sigma:.2}"));
        let mut weights = [0.0; BLUR_WEIGHTS_MAX];
        let weights = &mut weights[..self.kernel / 2 + 1];
        half_kernel(sigma, weights);
        composer.blur(weights);
    }
}

/// One half of a Gaussian kernel, its middle first, so that the whole kernel sums to 1.
pub(crate) fn half_kernel(sigma: f64, weights: &mut [f64]) {
    for (x, weight) in weights.iter_mut().enumerate() {
        let x = x as f64 / sigma;
        *weight = libm::exp(-0.5 * x * x);
    }
    let total = weights[0] + 2.0 * weights[1..].iter().sum::<f64>();
    weights.iter_mut().for_each(|weight| *weight /= total);
}

impl fmt::Display for GaussianBlur {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "gaussian_blur({}, {})", self.kernel, self.sigma)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::steps::probe::{made, refusal};

    #[test]
    fn a_kernel_is_symmetric_and_sums_to_one() {
        let mut weights = [0.0; 3];
        half_kernel(1.0, &mut weights);
        assert!((weights[0] + 2.0 * (weights[1] + weights[2]) - 1.0).abs() < 1e-15);
        assert!((weights[1] / weights[0] - libm::exp(-0.5)).abs() < 1e-15);
        half_kernel(1e-9, &mut weights);
        assert_eq!(weights, [1.0, 0.0, 0.0]);
    }

    #[test]
    fn a_constant_image_stays_and_a_dot_spreads() {
        assert_eq!(made("gaussian_blur(5)", &[1, 2, 3], &[90; 6]), [90; 6]);
        let mut dot = [0; 25];
        dot[12] = 250;
        let spread = made("gaussian_blur(3, sigma=1000)", &[1, 5, 5], &dot);
        assert_eq!(spread[6..9], [28; 3]);
        assert_eq!((spread[0], spread[12]), (0, 28));
        assert!(refusal("gaussian_blur(4)").contains("kernel of 4"));
        assert!(refusal("gaussian_blur(65)").contains("at most 63"));
        assert!(refusal("gaussian_blur(3, 0..1)").contains("sigma of 0"));
    }
}
