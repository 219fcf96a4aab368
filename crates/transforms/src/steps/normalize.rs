//! Values around zero.

use std::fmt;

use tallow_core::Draws;

use crate::augment::Augment;
use crate::compose::{Channels, Composer};
use crate::cut::Atom;
use crate::plan::CHANNELS_MAX;
use crate::sketch::Sketch;
use crate::spec::Form;
use crate::step::{Step, number};

pub(crate) static FORMS: &[Form] = &[
    Form {
        name: "normalize",
        usage: "imagenet | mean, std",
        parse: |a, args| match args.word_if("mean") {
            Some(word) if word == "imagenet" => Ok(a.normalize(IMAGENET)),
            Some(word) => {
                Err(args.refuse(format!("found {word:?} for mean, expected imagenet or numbers")))
            }
            None => {
                let (mean, std) = (args.list_if("mean")?, args.list_if("std")?);
                let (Some(mean), Some(std)) = (mean, std) else {
                    return Err(args.refuse("found no mean and std, expected both, or imagenet"));
                };
                Ok(a.normalize(Normalization::new(&mean, &std)))
            }
        },
    },
    Form {
        name: "standardize",
        usage: "eps=0.000001, per_channel=false",
        parse: |a, args| {
            let eps = args.number_or("eps", 1e-6)?;
            Ok(a.standardize(eps, args.flag_or("per_channel", false)?))
        },
    },
];

/// Mean and standard deviation of ImageNet's photographs, of values from 0 to 1: what most
/// published networks expect.
pub const IMAGENET: Normalization = Normalization {
    mean: [0.485, 0.456, 0.406, 0.0],
    std: [0.229, 0.224, 0.225, 1.0],
    channels: 3,
};

/// Mean and standard deviation a channel, of values from 0 to 1.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Normalization {
    mean: [f64; CHANNELS_MAX],
    std: [f64; CHANNELS_MAX],
    /// How many were given; 1 stands for all channels, 0 for what does not fit.
    channels: usize,
}

impl Normalization {
    /// A number a channel each, up to four, or one for all. Others are refused when the chain is
    /// bound.
    pub fn new(mean: &[f64], std: &[f64]) -> Self {
        let channels = if mean.len() == std.len() { mean.len() } else { 0 };
        let channels = if channels > CHANNELS_MAX { 0 } else { channels };
        let of = |list: &[f64], c: usize| list.get(c).or(list.first()).copied().unwrap_or(1.0);
        Self {
            mean: std::array::from_fn(|c| of(mean, c)),
            std: std::array::from_fn(|c| of(std, c)),
            channels,
        }
    }
}

impl Augment {
    /// (x / max - mean) / std, a channel each. torchvision: `ToDtype(float32, scale=True)` and
    /// `Normalize`, to a millionth: both are one product and one sum here. Delivered as `f32`
    /// unless [`to_dtype`](Self::to_dtype) says otherwise.
    pub fn normalize(self, normalization: Normalization) -> Self {
        self.push(Normalize(normalization))
    }

    /// (x - mean) / sqrt(variance + `eps`) of the sample itself, in units of 0 to 1 for `eps`: over
    /// all values, or `per_channel`. The variance is that of the population. A second pass.
    pub fn standardize(self, eps: f64, per_channel: bool) -> Self {
        self.push(Standardize { eps, per_channel })
    }
}

#[derive(Debug)]
struct Normalize(Normalization);

impl Step for Normalize {
    fn name(&self) -> &'static str {
        "normalize"
    }

    fn draws(&self) -> bool {
        false
    }

    fn outline(&self, sketch: &mut Sketch) -> Result<(), String> {
        let Normalization { mean, std, channels } = self.0;
        if channels == 0 || (channels > 1 && channels != sketch.channels) {
            let found = sketch.channels;
            return Err(format!("found {found} channels, expected as many means and deviations"));
        }
        let bad = mean.iter().chain(&std).any(|x| !x.is_finite()) || std.contains(&0.0);
        if bad {
            return Err(format!(
                "found {self}, expected finite means, and deviations other than 0"
            ));
        }
        if sketch.normalized {
            return Err(
                "found values that are normalised already, expected those of the image".to_owned()
            );
        }
        sketch.atom(Atom::Point(1));
        sketch.normalized = true;
        Ok(())
    }

    fn compose(&self, _draws: &mut Draws, composer: &mut Composer<'_>) {
        let max = f64::from(composer.max());
        let Normalization { mean, std, .. } = self.0;
        let scale: Channels = std::array::from_fn(|c| (1.0 / (max * std[c])) as f32);
        let bias: Channels = std::array::from_fn(|c| (-mean[c] / std[c]) as f32);
        composer.normalize(scale, bias);
    }
}

impl fmt::Display for Normalize {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let list = |values: &[f64]| {
            let values: Vec<String> = values.iter().map(|x| number(*x)).collect();
            values.join(", ")
        };
        let Normalization { mean, std, channels } = &self.0;
        write!(f, "normalize([{}], [{}])", list(&mean[..*channels]), list(&std[..*channels]))
    }
}

#[derive(Debug)]
struct Standardize {
    eps: f64,
    per_channel: bool,
}

impl Step for Standardize {
    fn name(&self) -> &'static str {
        "standardize"
    }

    fn draws(&self) -> bool {
        false
    }

    fn outline(&self, sketch: &mut Sketch) -> Result<(), String> {
        if !(self.eps.is_finite() && self.eps >= 0.0) {
            return Err(format!("found eps {}, expected at least 0", number(self.eps)));
        }
        if self.per_channel && sketch.channels > CHANNELS_MAX {
            let found = sketch.channels;
            return Err(format!("found {found} channels, at most {CHANNELS_MAX} have their own"));
        }
        sketch.statistic();
        sketch.normalized = true;
        Ok(())
    }

    fn compose(&self, _draws: &mut Draws, composer: &mut Composer<'_>) {
        let max = f64::from(composer.max());
        composer.standardize((self.eps * max * max) as f32, self.per_channel);
    }
}

impl fmt::Display for Standardize {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "standardize({}, {})", number(self.eps), self.per_channel)
    }
}
