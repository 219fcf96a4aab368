//! The builder: a chain of augmentations of one field, and the fields that follow it.

use std::fmt;

use tallow_core::{
    Engine, Error, ErrorKind, Fingerprint, Result, RowKey, Schema, Shapes, Transform,
};

use crate::bound::AugmentEngine;
use crate::layout::Layout;
use crate::plan::PLAN_VERSION;
use crate::step::{Chain, Step};
use crate::targets::{Target, TargetKind};

/// A chain of augmentations of one field, the image, which reads like the pipeline it describes.
///
/// ```
/// use tallow_core::RowDType;
/// use tallow_transforms::{Augment, IMAGENET};
///
/// let augment = Augment::new()
///     .random_resized_crop(224)
///     .random_hflip(0.5)
///     .color_jitter(0.4, 0.4, 0.4, 0.1)
///     .normalize(IMAGENET)
///     .to_dtype(RowDType::F32);
/// # let _ = augment;
/// ```
///
/// Nothing is checked before the chain is bound to a schema, by the loader's `build` or by
/// [`apply`](Self::apply); all problems are then listed at once.
///
/// *Values.* Pixels travel as `f32` in the range of the raw field: 0 to 255 for `u8`, 0 to 65535
/// for `u16`, 0 to 1 for images of floats unless [`range`](Self::range) says another. Wider
/// integers have a range where it is said, and signals (layouts with a time) too. Values are
/// rounded once, at the end; torchvision rounds `u8` images after every step.
///
/// Arguments that are values (a fill, a mean, a deviation, a threshold, the strength of noise) are
/// shares of 1 for `u8` and `u16`, and values of the field for all other types. One outside of the
/// range is refused when the chain is bound, and so is a step that needs a range where there is
/// none. Behind a normalisation any number goes.
///
/// A raw value that is further outside of the range than half of its width is an error of its
/// sample ([`ErrorKind::OutOfRange`]) where a step needs the range: such an image has another.
/// What is nearer, as the overshoot of an interpolation is, and infinities are limited to the range
/// by the steps that limit.
///
/// *Types.* Pixels that are only moved keep their type and their bits. Where they are computed with,
/// `bf16`, `f64`, `i16`, `i32`, `i64` and `u32` are read as `f32`, which rounds an `f64` and whole
/// numbers above 2^24, and delivered as `f32` unless [`to_dtype`](Self::to_dtype) says otherwise.
///
/// *NaN.* A pixel that is NaN stays NaN where it is computed with; which one is left open. Where
/// channels are computed from each other (saturation, hue, grayscale) one makes all of the pixel NaN,
/// and a statistic of the whole image (contrast, autocontrast, equalize, standardize) makes NaN of
/// all that is computed from it: of its channel, if each has its own. Delivered as `u8` it is 0.
///
/// *Randomness.* Every step draws from a stream of its own, named by the step and counted among
/// those of the same name: adding or removing a step leaves the others' draws alone. What a sample
/// becomes depends on seed, epoch and sample, and on nothing else.
///
/// *Text.* `Display` is the chain as text, and [`str::parse`] reads it:
/// `"random_resized_crop(224) random_hflip(0.5)".parse::<Augment>()`.
#[derive(Debug, Clone, Default)]
#[must_use]
pub struct Augment {
    pub(crate) field: Option<String>,
    pub(crate) layout: Option<Layout>,
    pub(crate) range: Option<[f64; 2]>,
    pub(crate) chain: Chain,
    pub(crate) targets: Vec<Target>,
    pub(crate) once: bool,
}

/// The field that is augmented unless another is named.
const FIELD: &str = "input";

impl Augment {
    /// A chain without steps, of the field `input`.
    pub fn new() -> Self {
        Self::default()
    }

    /// The field that is augmented. The default is `input`.
    pub fn field(mut self, name: impl Into<String>) -> Self {
        self.field = Some(name.into());
        self
    }

    /// The axes of the field. The default is what its shape says, where that is clear: see
    /// [`Layout::of`].
    pub fn layout(mut self, layout: Layout) -> Self {
        self.layout = Some(layout);
        self
    }

    /// The least and the greatest value that the field has, of any type but `u8` and `u16`, whose
    /// types say it: `.range(0.0, 255.0)` for floats that were bytes, `.range(-1000.0, 3000.0)` for
    /// the `i16` of a scan. The default is 0 to 1 for images of floats, and none for other types and
    /// for signals.
    ///
    /// Values are delivered in this range, and to [`to_dtype`](Self::to_dtype) it is the one that is
    /// scaled. Steps that brighten and darken need one that begins at 0.
    pub fn range(mut self, low: f64, high: f64) -> Self {
        self.range = Some([low, high]);
        self
    }

    /// Maps that interpolate one after the other become one interpolation: sharper, and not the
    /// same picture, since nothing is rounded to pixels or cut off at the border between them.
    /// Antialiasing is lost where a resize becomes part of such a map.
    pub fn resample_once(mut self) -> Self {
        self.once = true;
        self
    }

    pub(crate) fn push(mut self, step: impl Step + 'static) -> Self {
        self.chain.push(step);
        self
    }

    pub(crate) fn target(mut self, field: impl Into<String>, kind: TargetKind) -> Self {
        self.targets.push(Target { field: field.into(), kind });
        self
    }

    /// The name of the field that is augmented.
    pub fn field_name(&self) -> &str {
        self.field.as_deref().unwrap_or(FIELD)
    }

    /// How the chain is cut into stages for fields of `schema`, and why, line by line.
    ///
    /// # Errors
    ///
    /// As [`Transform::bind`].
    pub fn explain(&self, schema: &Schema) -> Result<String> {
        Ok(AugmentEngine::bind(self, schema)?.explain())
    }
}

impl Augment {
    /// What the steps of the chain draw for one sample, in words, in their order.
    ///
    /// # Errors
    ///
    /// As [`Transform::bind`], or when the shapes do not fit.
    pub fn drawn(&self, schema: &Schema, key: RowKey, shapes: Shapes<'_>) -> Result<Vec<String>> {
        AugmentEngine::bind(self, schema)?.drawn(key, shapes)
    }
}

impl Transform for Augment {
    fn bind(&self, schema: &Schema) -> Result<Box<dyn Engine>> {
        Ok(Box::new(AugmentEngine::bind(self, schema)?))
    }

    #[cfg(feature = "cuda")]
    fn bind_on(
        &self,
        device: &candle_core::Device,
        schema: &Schema,
    ) -> Result<Option<Box<dyn tallow_core::DeviceEngine>>> {
        if !device.is_cuda() {
            return Ok(None);
        }
        Ok(Some(Box::new(crate::cuda::Launches::bind(self, schema)?)))
    }

    fn fingerprint(&self) -> Fingerprint {
        let print = Fingerprint::of("augment").number(u64::from(PLAN_VERSION));
        let layout = self.layout.map_or("", Layout::as_str);
        let print = print.text(self.field_name()).text(layout).text(&self.chain.to_string());
        let print =
            self.targets.iter().fold(print, |print, target| print.text(&target.to_string()));
        let print = print.number(u64::from(self.once));
        let range = self.range.unwrap_or_default().map(f64::to_bits);
        // A chain without one keeps the fingerprint that it had before there were any.
        match self.range {
            Some(_) => range.into_iter().fold(print.text("range"), |print, end| print.number(end)),
            None => print,
        }
        .finish()
    }
}

impl fmt::Display for Augment {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.chain.fmt(f)
    }
}

/// An error of the configuration, all problems in one line.
pub(crate) fn config(problems: &[String]) -> Error {
    Error::new(ErrorKind::Config, problems.join("; "))
}
