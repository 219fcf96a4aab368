//! The builder: a chain of augmentations of one field, and the fields that follow it.

use std::fmt;

use tallow_core::{
    Engine, Error, ErrorKind, Fingerprint, Result, RowDType, RowKey, Schema, Shapes, Transform,
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
/// for `u16`, 0 to 1 for floats. They are rounded once, at the end; torchvision rounds `u8` images
/// after every step. [`to_dtype`](Self::to_dtype) to a float divides by the range.
///
/// A pixel that is not a number stays one where it is computed with; which one is left open.
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
        print.number(u64::from(self.once)).finish()
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

/// Whether pixels of `dtype` can be computed with, not only moved.
pub(crate) fn is_pixel(dtype: RowDType) -> bool {
    matches!(dtype, RowDType::U8 | RowDType::U16 | RowDType::F16 | RowDType::F32)
}
