//! Normalisation.

use std::borrow::Cow;
use std::fmt;

use tallow_core::Draws;

use crate::augment::Augment;
use crate::compose::{Atom, Composer, Sketch};
use crate::plan::CHANNELS_MAX;
use crate::spec::Form;
use crate::step::Step;
use crate::text::number;

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
                    let message = "found no mean and std, expected both as in normalize(0.5, 0.25), \
                                   or normalize(imagenet)";
                    return Err(args.refuse(message));
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
            let per_channel = args.flag_or("per_channel", false)?;
            Ok(if per_channel { a.standardize_per_channel(eps) } else { a.standardize(eps) })
        },
    },
];

/// Mean and standard deviation of ImageNet's photographs, for values from 0 to 1. Most published
/// networks expect these.
pub const IMAGENET: Normalization = Normalization {
    mean: Cow::Borrowed(&[0.485, 0.456, 0.406]),
    std: Cow::Borrowed(&[0.229, 0.224, 0.225]),
};

/// Mean and standard deviation per channel, in the units that [`Augment`] describes under *Values*.
#[derive(Debug, Clone, PartialEq)]
pub struct Normalization {
    /// As many as deviations; a single one is for all channels.
    mean: Cow<'static, [f64]>,
    std: Cow<'static, [f64]>,
}

impl Normalization {
    /// One number per channel, or one for all. Any other count is refused when the chain is bound.
    pub fn new(mean: &[f64], std: &[f64]) -> Self {
        Self { mean: mean.to_vec().into(), std: std.to_vec().into() }
    }

    /// How many pairs of numbers there are: one per channel, or one for all.
    pub(crate) fn len(&self) -> usize {
        self.mean.len()
    }

    /// Whether the values of `sketch` can be normalised with these numbers.
    ///
    /// # Errors
    ///
    /// What was found and what was expected.
    pub(crate) fn check(&self, sketch: &Sketch) -> Result<(), String> {
        let Normalization { mean, std } = self;
        let (means, found) = (mean.len(), sketch.channels);
        if means != std.len() || means == 0 {
            let stds = std.len();
            return Err(format!(
                "found {means} means and {stds} deviations, expected a pair per \
                                channel, or one"
            ));
        }
        if means > 1 && means != found {
            return Err(format!("found {found} channels, expected {means}, one per mean"));
        }
        if sketch.normalized {
            return Err(
                "found values that are normalised already, expected those of the image".to_owned()
            );
        }
        mean.iter().try_for_each(|mean| sketch.needs_value("mean", *mean))?;
        for std in std.iter() {
            if *std <= 0.0 {
                return Err(format!("found std {}, expected more than 0", number(*std)));
            }
            sketch.needs_distance("std", *std)?;
        }
        Ok(())
    }

    /// What a value of channel `c` is multiplied by, and what is then added, where `unit` is the value
    /// of 1.
    pub(crate) fn pair(&self, c: usize, unit: f64) -> (f32, f32) {
        // A single pair is for all channels, and channels beyond the last can have any.
        let at = if c < self.len() { c } else { 0 };
        let (mean, std) = (self.mean[at], self.std[at]);
        ((1.0 / (unit * std)) as f32, (-mean / std) as f32)
    }

    /// The means and the deviations as lists in the text of a chain.
    pub(crate) fn lists(&self) -> [String; 2] {
        [&self.mean, &self.std].map(|values| {
            let values: Vec<String> = values.iter().map(|x| number(*x)).collect();
            format!("[{}]", values.join(", "))
        })
    }
}

impl Augment {
    /// (x - mean) / std for each channel, where `u8` and `u16` are first scaled to 0 to 1.
    /// torchvision: `ToDtype(float32, scale=True)` and `Normalize`, to a millionth; both together
    /// are one product and one sum here. The image is delivered as `f32` unless
    /// [`to_dtype`](Self::to_dtype) says otherwise. A mean must be a value of the range; a
    /// deviation must be above 0 and at most as large as the range is wide.
    pub fn normalize(self, normalization: Normalization) -> Self {
        self.push(Normalize(normalization))
    }

    /// (x - mean) / sqrt(variance + `eps`), with the mean and the variance of the sample itself: over
    /// all its values, or of each channel with
    /// [`standardize_per_channel`](Self::standardize_per_channel), `per_channel=true` in text. `eps`
    /// is in the units of arguments, squared. The variance is that of the population. Takes a second
    /// pass over the image.
    pub fn standardize(self, eps: f64) -> Self {
        self.push(Standardize { eps, per_channel: false })
    }

    /// [`standardize`](Self::standardize) with a mean and a variance per channel, of at most four
    /// channels.
    pub fn standardize_per_channel(self, eps: f64) -> Self {
        self.push(Standardize { eps, per_channel: true })
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
        self.0.check(sketch)?;
        let means = self.0.len();
        (0..means.div_ceil(CHANNELS_MAX)).for_each(|_| sketch.atom(Atom::Point(1)));
        sketch.normalized = true;
        Ok(())
    }

    fn compose(&self, _draws: &mut Draws, composer: &mut Composer<'_>) {
        let unit = f64::from(composer.unit());
        composer.normalize(self.0.len(), |c| self.0.pair(c, unit));
    }
}

impl fmt::Display for Normalize {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [mean, std] = self.0.lists();
        write!(f, "normalize({mean}, {std})")
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
            return Err(format!(
                "found {found} channels, expected at most {CHANNELS_MAX} with per_channel=true"
            ));
        }
        sketch.statistic();
        sketch.normalized = true;
        Ok(())
    }

    fn compose(&self, _draws: &mut Draws, composer: &mut Composer<'_>) {
        let unit = f64::from(composer.unit());
        composer.standardize((self.eps * unit * unit) as f32, self.per_channel);
    }
}

impl fmt::Display for Standardize {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "standardize({}, {})", number(self.eps), self.per_channel)
    }
}
