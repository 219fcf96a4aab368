//! A second image that follows the first.

use std::fmt;

use tallow_core::RowDType;

use crate::layout::Layout;
use crate::parameters::Fill;
use crate::plan::Interpolation;
use crate::steps::Normalization;
use crate::text::{FieldName, number};

/// An image that goes where the first image goes: the sharp picture of a blurred one, a depth map, the
/// large picture of a small one. It is cropped, mirrored, turned and warped with the same draws. Colours,
/// noise, blurs and erasures are of the first image alone, while MixUp and CutMix mix both images of
/// both samples. How its values are found, scaled and delivered is its own.
///
/// ```
/// use tallow_transforms::{Augment, IMAGENET, Interpolation, SecondImage};
///
/// let depth = SecondImage::new("depth").interpolation(Interpolation::Nearest);
/// let augment = Augment::new()
///     .random_resized_crop(224)
///     .color_jitter(0.4, 0.4, 0.4, 0.1)
///     .normalize(IMAGENET)
///     .image(depth);
///
/// // Crops of 48 x 48 pixels, and of the 192 x 192 that they are to become.
/// let large = Augment::new().random_crop(48).random_hflip(0.5).image(SecondImage::new("large").times(4));
/// # let _ = (augment, large);
/// ```
#[derive(Debug, Clone, PartialEq)]
#[must_use]
pub struct SecondImage {
    pub(crate) field: String,
    pub(crate) times: usize,
    pub(crate) interpolation: Option<Interpolation>,
    pub(crate) fill: Fill,
    pub(crate) range: Option<[f64; 2]>,
    pub(crate) normalization: Option<Normalization>,
    pub(crate) dtype: Option<RowDType>,
    pub(crate) layout: Option<Layout>,
}

impl SecondImage {
    /// The image in `field`, which has the size of the first.
    pub fn new(field: impl Into<String>) -> Self {
        Self {
            field: field.into(),
            times: 1,
            interpolation: None,
            fill: Fill::default(),
            range: None,
            normalization: None,
            dtype: None,
            layout: None,
        }
    }

    /// How many times as high and as wide it is, before the chain and after it: its pixels are
    /// `times` x `times` of one of the first. The default is 1.
    pub fn times(mut self, times: usize) -> Self {
        self.times = times;
        self
    }

    /// How its values between pixels are found, whatever the steps say: nearest for what is not to be
    /// blended. Where an affine or projective map finds them, bicubic is bilinear. The default is what
    /// each step says for the first image.
    pub fn interpolation(mut self, interpolation: Interpolation) -> Self {
        self.interpolation = Some(interpolation);
        self
    }

    /// The value outside of it, in the units of [`Augment`](crate::Augment) under *Values*, whatever
    /// the steps say. The default is 0.
    pub fn fill(mut self, fill: impl Into<Fill>) -> Self {
        self.fill = fill.into();
        self
    }

    /// The least and the greatest value of its field, as
    /// [`Augment::range`](crate::Augment::range) says them of the first.
    pub fn range(mut self, low: f64, high: f64) -> Self {
        self.range = Some([low, high]);
        self
    }

    /// (x - mean) / std, as [`Augment::normalize`](crate::Augment::normalize) does. The default is
    /// not to normalise.
    pub fn normalize(mut self, normalization: Normalization) -> Self {
        self.normalization = Some(normalization);
        self
    }

    /// The type in which it is delivered, as [`Augment::to_dtype`](crate::Augment::to_dtype) makes
    /// it.
    pub fn to_dtype(mut self, dtype: RowDType) -> Self {
        self.dtype = Some(dtype);
        self
    }

    /// The layout in which it is delivered, as [`Augment::to_layout`](crate::Augment::to_layout)
    /// makes it.
    pub fn to_layout(mut self, layout: Layout) -> Self {
        self.layout = Some(layout);
        self
    }
}

impl From<&str> for SecondImage {
    fn from(field: &str) -> Self {
        Self::new(field)
    }
}

impl From<String> for SecondImage {
    fn from(field: String) -> Self {
        Self::new(field)
    }
}

/// As in the text of a chain, without the arguments that have their default.
impl fmt::Display for SecondImage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "image({}", FieldName(&self.field))?;
        if self.times != 1 {
            write!(f, ", times={}", self.times)?;
        }
        if let Some(interpolation) = self.interpolation {
            write!(f, ", interpolation={interpolation}")?;
        }
        if self.fill != Fill::default() {
            write!(f, ", fill={}", self.fill)?;
        }
        if let Some([low, high]) = self.range.map(|range| range.map(number)) {
            write!(f, ", range={low}..{high}")?;
        }
        if let Some(normalization) = &self.normalization {
            let [mean, std] = normalization.lists();
            write!(f, ", mean={mean}, std={std}")?;
        }
        if let Some(dtype) = self.dtype {
            write!(f, ", dtype={dtype}")?;
        }
        if let Some(layout) = self.layout {
            write!(f, ", layout={layout}")?;
        }
        f.write_str(")")
    }
}
