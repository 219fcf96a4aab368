//! Erasing: rectangles that are painted over.

use std::fmt;

use tallow_core::Draws;

use crate::augment::Augment;
use crate::compose::{Atom, Composer, ShownSize, Sketch, slot_of_group};
use crate::parameters::{Uniform, chance, check_p};
use crate::plan::{CHANNELS_MAX, H, OpCode, W};
use crate::spec::{Args, Form, SpecError};
use crate::step::Step;
use crate::text::number;

pub(crate) static FORMS: &[Form] = &[
    Form {
        name: "erase",
        usage: "top, left, height, width, value=0 | [r,g,b] | noise",
        parse: |a, args| {
            let [top, left] = [args.whole("top")?, args.whole("left")?];
            let [height, width] = [args.whole("height")?, args.whole("width")?];
            Ok(a.erase(top, left, height, width, value(args)?))
        },
    },
    Form {
        name: "random_erasing",
        usage: "p=0.5, scale=0.02..0.33, ratio=0.3..3.3, value=0 | [r,g,b] | noise",
        parse: |a, args| {
            let erasing = RandomErasing::new(args.number_or("p", 0.5)?);
            let erasing = erasing.scale(args.range_or("scale", 0.02, 0.33)?);
            let erasing = erasing.ratio(args.range_or("ratio", 0.3, 3.3)?);
            Ok(a.random_erasing(erasing.value(value(args)?)))
        },
    },
];

fn value(args: &mut Args<'_>) -> Result<EraseValue, SpecError> {
    match args.word_if("value") {
        Some(word) if word == "noise" => Ok(EraseValue::Noise),
        Some(word) => {
            Err(args
                .refuse(format!("found {word:?} for value, expected a number, a list or noise")))
        }
        None => Ok(match args.list_if("value")? {
            None => EraseValue::Same(0.0),
            Some(list) if list.len() == 1 => EraseValue::Same(list[0]),
            Some(list) => EraseValue::Each(list),
        }),
    }
}

/// What is painted over a rectangle, in the units that [`Augment`] describes under *Values*; after
/// a normalisation, in normalised values.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub enum EraseValue {
    /// One value in every channel.
    Same(f64),
    /// One value per channel.
    Each(Vec<f64>),
    /// Normal noise for each pixel and channel, with mean 0 and the width of the range as its
    /// deviation. After a normalisation the deviation is 1, like that of a normalised image.
    Noise,
}

impl From<f64> for EraseValue {
    fn from(value: f64) -> Self {
        Self::Same(value)
    }
}

impl<const N: usize> From<[f64; N]> for EraseValue {
    fn from(values: [f64; N]) -> Self {
        Self::Each(values.to_vec())
    }
}

impl fmt::Display for EraseValue {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Same(value) => f.write_str(&number(*value)),
            Self::Each(values) => {
                let values: Vec<String> = values.iter().map(|value| number(*value)).collect();
                write!(f, "[{}]", values.join(", "))
            }
            Self::Noise => f.write_str("noise"),
        }
    }
}

impl EraseValue {
    fn check(&self, sketch: &Sketch) -> Result<(), String> {
        let values = match self {
            // Noise as wide as the range needs a range.
            Self::Noise => return sketch.needs_distance("noise of deviation", sketch.spread()),
            Self::Same(value) => std::slice::from_ref(value),
            Self::Each(values) if values.len() == sketch.channels => values,
            Self::Each(values) => {
                let (found, expected) = (sketch.channels, values.len());
                return Err(format!("found {found} channels, expected {expected}, one per value"));
            }
        };
        values.iter().try_for_each(|value| sketch.needs_value("value", *value))
    }

    /// Operations that paint an image of `channels`: one for each four that differ.
    fn ops(&self) -> usize {
        match self {
            Self::Each(values) => values.len().div_ceil(CHANNELS_MAX),
            _ => 1,
        }
    }

    fn paint(&self, [top, left, bottom, right]: [i32; 4], composer: &mut Composer<'_>) {
        let unit = f64::from(composer.unit());
        let raw = |value: &f64| (value * unit) as f32;
        let mut args = [0.0; 2 * CHANNELS_MAX];
        let (edges, painted) = args.split_at_mut(CHANNELS_MAX);
        edges.copy_from_slice(&[top, bottom, left, right].map(|at| at as f32));
        match self {
            Self::Same(value) => {
                painted.fill(raw(value));
                composer.pinned(OpCode::Erase, 0, &args);
            }
            Self::Each(values) => {
                for (group, values) in values.chunks(CHANNELS_MAX).enumerate() {
                    let painted = &mut args[CHANNELS_MAX..];
                    painted.iter_mut().zip(values).for_each(|(to, value)| *to = raw(value));
                    composer.pinned(OpCode::Erase, slot_of_group(group), &args);
                }
            }
            Self::Noise => {
                painted[1] = composer.spread();
                composer.pinned(OpCode::EraseNoise, composer.noise_slot(), &args);
            }
        }
    }
}

/// Paints over a rectangle of random area and shape with probability p. It is drawn as by
/// torchvision's `RandomErasing`: up to ten tries of an area, uniform in `scale` of the image's
/// area, and of a ratio of height to width, uniform in the logarithm of `ratio`, until the
/// rectangle is lower and narrower than the image; then a uniform place. When no try fits, nothing
/// is painted.
#[derive(Debug, Clone, PartialEq)]
#[must_use]
pub struct RandomErasing {
    p: f64,
    scale: Uniform,
    ratio: Uniform,
    value: EraseValue,
}

impl RandomErasing {
    /// Erases with probability `p`, to black or, after a normalisation, to the mean.
    pub fn new(p: f64) -> Self {
        let (scale, ratio) = ((0.02..0.33).into(), (0.3..3.3).into());
        Self { p, scale, ratio, value: EraseValue::Same(0.0) }
    }

    /// The share of the area. The default is 0.02 to 0.33.
    pub fn scale(mut self, scale: impl Into<Uniform>) -> Self {
        self.scale = scale.into();
        self
    }

    /// Height over width. The default is 0.3 to 3.3.
    pub fn ratio(mut self, ratio: impl Into<Uniform>) -> Self {
        self.ratio = ratio.into();
        self
    }

    /// What is painted. The default is 0.
    pub fn value(mut self, value: impl Into<EraseValue>) -> Self {
        self.value = value.into();
        self
    }

    /// Top, left, bottom and right of the rectangle, if one fits.
    fn rectangle(&self, draws: &mut Draws, height: i32, width: i32) -> Option<[i32; 4]> {
        let area = f64::from(height) * f64::from(width);
        let (low, high) = (libm::log(self.ratio.low), libm::log(self.ratio.high));
        let mut part = None;
        for _ in 0..TRIES {
            let share = self.scale.draw(draws) * area;
            let ratio = libm::exp(Uniform { low, high }.draw(draws));
            let h = libm::sqrt(share * ratio).round_ties_even() as i32;
            let w = libm::sqrt(share / ratio).round_ties_even() as i32;
            // Every try is drawn, so that the place always takes the same numbers.
            part = part.or((h < height && w < width).then_some((h, w)));
        }
        let place = [draws.unit_f64(), draws.unit_f64()];
        let (h, w) = part?;
        let at = |unit: f64, more: i32| ((unit * f64::from(more + 1)) as i32).min(more);
        let (top, left) = (at(place[0], height - h), at(place[1], width - w));
        Some([top, left, top + h, left + w])
    }
}

/// How often a rectangle is tried, as in torchvision.
const TRIES: usize = 10;

impl From<f64> for RandomErasing {
    fn from(p: f64) -> Self {
        Self::new(p)
    }
}

impl Augment {
    /// Paints `value` over a rectangle: a number, an array with one number per channel, or
    /// [`EraseValue::Noise`]. Exact. In a volume it covers every slice. torchvision: `erase`, whose
    /// value is in units of the image.
    pub fn erase(
        self,
        top: usize,
        left: usize,
        height: usize,
        width: usize,
        value: impl Into<EraseValue>,
    ) -> Self {
        self.push(Erase { start: [top, left], size: [height, width], value: value.into() })
    }

    /// Paints over a random rectangle: a probability, or a [`RandomErasing`].
    pub fn random_erasing(self, erasing: impl Into<RandomErasing>) -> Self {
        self.push(erasing.into())
    }
}

#[derive(Debug)]
struct Erase {
    start: [usize; 2],
    size: [usize; 2],
    value: EraseValue,
}

impl Step for Erase {
    fn name(&self) -> &'static str {
        "erase"
    }

    fn draws(&self) -> bool {
        matches!(self.value, EraseValue::Noise)
    }

    fn outline(&self, sketch: &mut Sketch) -> Result<(), String> {
        self.value.check(sketch)?;
        let ends = [0, 1].map(|k| self.start[k].saturating_add(self.size[k]));
        let image = [H, W].map(|axis| sketch.max_size()[axis]);
        if self.size.contains(&0) || ends[0] > image[0] || ends[1] > image[1] {
            let ([height, width], size) = (ends, ShownSize(sketch.size));
            return Err(format!(
                "found a part up to {height}x{width}, expected one of an image of {size}"
            ));
        }
        (0..self.value.ops()).for_each(|_| sketch.atom(Atom::Pinned(1)));
        Ok(())
    }

    fn compose(&self, _draws: &mut Draws, composer: &mut Composer<'_>) {
        let [top, left] = self.start.map(|at| at as i32);
        let [height, width] = self.size.map(|len| len as i32);
        self.value.paint([top, left, top + height, left + width], composer);
    }
}

impl fmt::Display for Erase {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let ([top, left], [height, width]) = (self.start, self.size);
        write!(f, "erase({top}, {left}, {height}, {width}, value={})", self.value)
    }
}

impl Step for RandomErasing {
    fn name(&self) -> &'static str {
        "random_erasing"
    }

    fn outline(&self, sketch: &mut Sketch) -> Result<(), String> {
        check_p(self.p)?;
        self.scale.check("scale", 0.0, 1.0)?;
        self.ratio.check_least("ratio", 0.0)?;
        if self.ratio.low == 0.0 {
            return Err("found a ratio of 0, expected more".to_owned());
        }
        self.value.check(sketch)?;
        (0..self.value.ops()).for_each(|_| sketch.atom(Atom::Pinned(1)));
        Ok(())
    }

    fn compose(&self, draws: &mut Draws, composer: &mut Composer<'_>) {
        let acts = chance(draws, self.p);
        let rectangle = self.rectangle(draws, composer.height(), composer.width());
        let Some(rectangle) = rectangle.filter(|_| acts) else { return };
        let [top, left, bottom, right] = rectangle;
        composer.note(format_args!("erase {top},{left} to {bottom},{right}"));
        self.value.paint(rectangle, composer);
    }
}

impl fmt::Display for RandomErasing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { p, scale, ratio, value } = self;
        write!(f, "random_erasing({}, scale={scale}, ratio={ratio}, value={value})", number(*p))
    }
}

#[cfg(test)]
mod tests {
    use crate::steps::probe::{made, made_f32, refusal};

    #[test]
    fn a_rectangle_is_painted_in_the_units_of_the_image() {
        let erased = made("erase(0, 1, 2, 1, value=0.2)", &[1, 2, 3], &[9; 6]);
        assert_eq!(erased, [9, 51, 9, 9, 51, 9]);
        let erased = made("erase(0, 0, 1, 1, value=[0, 0.4, 1])", &[3, 1, 2], &[9; 6]);
        assert_eq!(erased, [0, 9, 102, 9, 255, 9]);
        let erased = made_f32("normalize(0, 1) erase(0, 0, 1, 1, -7)", &[1, 1, 2], &[255; 2]);
        assert_eq!(erased, [-7.0, 1.0]);
    }

    #[test]
    fn noise_is_normal_in_the_units_of_the_image() {
        let noise = made_f32("normalize(0, 1) erase(0, 0, 9, 9, noise)", &[1, 9, 9], &[0; 81]);
        let raw = made_f32("erase(0, 0, 9, 9, noise) to_dtype(f32)", &[1, 9, 9], &[0; 81]);
        assert!(noise.iter().zip(&raw).all(|(a, b)| (a - b).abs() < 1e-6));
        let mean: f32 = noise.iter().sum::<f32>() / 81.0;
        assert!(mean.abs() < 0.5 && noise.iter().any(|x| *x < -1.0), "{noise:?}");
    }

    #[test]
    fn a_rectangle_smaller_than_the_image_is_painted_or_none() {
        assert_eq!(made("random_erasing(1)", &[1, 1, 2], &[9; 2]), [9; 2], "none is smaller");
        let erased = made("random_erasing(1, value=1)", &[1, 8, 8], &[9; 64]);
        let painted = erased.iter().filter(|x| **x == 255).count();
        assert!((1..=24).contains(&painted), "{erased:?}");
    }

    #[test]
    fn impossible_rectangles_are_refused() {
        assert!(refusal("erase(1, 0, 2, 1)").contains("image of 2x2"));
        assert!(refusal("erase(0, 0, 0, 1)").contains("found a part up to"));
        assert!(
            refusal("erase(0, 0, 1, 1, [1, 2])").contains("3 channels, expected 2, one per value")
        );
        assert!(refusal("random_erasing(ratio=0..1)").contains("ratio of 0"));
        assert!(refusal("random_erasing(value=white)").contains("or noise"));
    }
}
