//! The random resized crop that ImageNet networks are trained with.

use std::fmt;

use tallow_core::Draws;

use crate::augment::Augment;
use crate::compose::{Atom, Composer, Sketch};
use crate::parameters::{Size, Uniform};
use crate::plan::{D, H, Interpolation, W};
use crate::spec::Form;
use crate::step::{Scaling, Step};
use crate::steps::crop::size;

pub(crate) static FORMS: &[Form] = &[Form {
    name: "random_resized_crop",
    usage: "size | height, width, scale=0.08..1, ratio=0.75..1.333, interpolation=bilinear, \
            antialias=true",
    parse: |a, args| {
        let default = RandomResizedCrop::new(size(args)?);
        Ok(a.random_resized_crop(RandomResizedCrop {
            scale: args.range_or("scale", default.scale.low, default.scale.high)?,
            ratio: args.range_or("ratio", default.ratio.low, default.ratio.high)?,
            interpolation: args.word_or("interpolation", default.interpolation)?,
            antialias: args.flag_or("antialias", default.antialias)?,
            ..default
        }))
    },
}];

/// Crops a part of random area and shape, and resizes it. The part is drawn as by torchvision's
/// `RandomResizedCrop`: up to ten tries of an area, uniform in `scale` of the image's area, and of
/// a ratio of width to height, uniform in the logarithm of `ratio`, until the part fits; then a
/// uniform place. When no try fits, it is the largest part in the middle whose ratio is in range.
///
/// Pixels outside of the part do not take part in the interpolation. Works on any image; `f32`
/// within a millionth of torchvision's.
#[derive(Debug, Clone, Copy, PartialEq)]
#[must_use]
pub struct RandomResizedCrop {
    size: Size,
    scale: Uniform,
    ratio: Uniform,
    interpolation: Interpolation,
    antialias: bool,
}

impl RandomResizedCrop {
    /// A crop that is delivered as `size`.
    pub fn new(size: impl Into<Size>) -> Self {
        Self {
            size: size.into(),
            scale: Uniform { low: 0.08, high: 1.0 },
            ratio: Uniform { low: 3.0 / 4.0, high: 4.0 / 3.0 },
            interpolation: Interpolation::Bilinear,
            antialias: true,
        }
    }

    /// The share of the area. The default is 0.08 to 1.
    pub fn scale(mut self, scale: impl Into<Uniform>) -> Self {
        self.scale = scale.into();
        self
    }

    /// Width over height. The default is 3/4 to 4/3.
    pub fn ratio(mut self, ratio: impl Into<Uniform>) -> Self {
        self.ratio = ratio.into();
        self
    }

    /// The interpolation. The default is bilinear.
    pub fn interpolation(mut self, interpolation: Interpolation) -> Self {
        self.interpolation = interpolation;
        self
    }

    /// Takes only the pixels around each place where the part becomes smaller, and skips those between.
    /// The default is to average them.
    pub fn without_antialiasing(mut self) -> Self {
        self.antialias = false;
        self
    }

    /// Top, left, height and width.
    fn part(&self, draws: &mut Draws, height: i32, width: i32) -> [i32; 4] {
        let area = f64::from(height) * f64::from(width);
        let (low, high) = (libm::log(self.ratio.low), libm::log(self.ratio.high));
        let mut part = None;
        for _ in 0..TRIES {
            let share = self.scale.draw(draws) * area;
            let ratio = libm::exp(Uniform { low, high }.draw(draws));
            let w = libm::sqrt(share * ratio).round_ties_even() as i32;
            let h = libm::sqrt(share / ratio).round_ties_even() as i32;
            // Every try is drawn, so that the place always takes the same numbers.
            let fits = (1..=width).contains(&w) && (1..=height).contains(&h);
            part = part.or(fits.then_some((h, w)));
        }
        let place = [draws.unit_f64(), draws.unit_f64()];
        let Some((h, w)) = part else { return self.fallback(height, width) };
        let at = |unit: f64, more: i32| ((unit * f64::from(more + 1)) as i32).min(more);
        [at(place[0], height - h), at(place[1], width - w), h, w]
    }

    fn fallback(&self, height: i32, width: i32) -> [i32; 4] {
        let ratio = f64::from(width) / f64::from(height);
        let rounded = |len: f64| (len.round_ties_even() as i32).max(1);
        let (h, w) = if ratio < self.ratio.low {
            (rounded(f64::from(width) / self.ratio.low), width)
        } else if ratio > self.ratio.high {
            (height, rounded(f64::from(height) * self.ratio.high))
        } else {
            (height, width)
        };
        [(height - h) / 2, (width - w) / 2, h, w]
    }
}

/// Tries before the fallback, as many as torchvision's.
const TRIES: usize = 10;

impl<S: Into<Size>> From<S> for RandomResizedCrop {
    fn from(size: S) -> Self {
        Self::new(size)
    }
}

impl Augment {
    /// Crops a random part and resizes it: a size, or a [`RandomResizedCrop`].
    pub fn random_resized_crop(self, crop: impl Into<RandomResizedCrop>) -> Self {
        self.push(crop.into())
    }
}

impl Step for RandomResizedCrop {
    fn name(&self) -> &'static str {
        "random_resized_crop"
    }

    fn scaling(&self) -> Scaling {
        Scaling::Resizes
    }

    fn outline(&self, sketch: &mut Sketch) -> Result<(), String> {
        self.scale.check("scale", f64::MIN_POSITIVE, 1.0)?;
        self.ratio.check("ratio", 1e-3, 1e3)?;
        let mut size = self.size.of(sketch)?;
        size[D] = sketch.size[D];
        let scale = [H, W].map(|k| sketch.max_size()[k] as f64 / size[k].max() as f64);
        sketch.atom(Atom::Move);
        sketch.resize(size, self.interpolation.support(), scale[0].max(scale[1]));
        Ok(())
    }

    fn compose(&self, draws: &mut Draws, composer: &mut Composer<'_>) {
        let [depth, height, width] = composer.size();
        let [top, left, h, w] = self.part(draws, height, width);
        composer.note(format_args!("crop {h}x{w} at {top},{left}"));
        let size = self.size.for_image(composer);
        composer.crop([0, top, left], [depth, h, w]);
        composer.resize(size[H], size[W], self.interpolation, self.antialias);
    }
}

impl fmt::Display for RandomResizedCrop {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { size, scale, ratio, interpolation, antialias } = self;
        write!(f, "random_resized_crop({size}, scale={scale}, ratio={ratio}, ")?;
        write!(f, "interpolation={interpolation}, antialias={antialias})")
    }
}

#[cfg(test)]
mod tests {
    use tallow_core::{Key, Purpose, Stream};

    use super::*;

    #[test]
    fn parts_lie_inside_and_have_the_area_asked_for() {
        let crop = RandomResizedCrop::new(224);
        let mut total = 0.0;
        for index in 0..4000 {
            let mut draws = Key::new(1, 0).draws(Stream::new("t", 0, Purpose::Transform), index);
            let [top, left, h, w] = crop.part(&mut draws, 256, 256);
            assert!(top >= 0 && left >= 0 && top + h <= 256 && left + w <= 256);
            total += f64::from(h * w) / 65536.0;
        }
        // Tries that do not fit are mostly large ones: the mean is below that of the range.
        assert!((total / 4000.0 - 0.48).abs() < 0.01, "{}", total / 4000.0);
    }
}
