//! The builder: a chain of augmentations of one field, and the fields that follow it.

use std::fmt;

use crate::layout::Layout;
use crate::step::{Chain, Step};
use crate::targets::{BoxFormat, Target, TargetKind};
use crate::text::{FieldName, number};

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
/// A loader applies the chain to each sample. To look at one sample without a loader:
///
/// ```
/// use candle_core::{DType, Device, Tensor};
/// use tallow_core::{Memory, SourceExt};
/// use tallow_transforms::Augment;
///
/// let images = Tensor::zeros((10, 32, 32, 3), DType::U8, &Device::Cpu)?;
/// let source = Memory::new([("input", images)])?;
/// let augment = Augment::new().random_crop(24).to_dtype(tallow_core::RowDType::F32);
/// let (seed, epoch) = (0, 0);
/// let sample = source.get(7)?.transformed(&augment, seed, epoch)?;
/// assert_eq!(sample.tensor("input")?.dims(), [3, 24, 24]);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// Nothing is checked before the chain is bound to a schema, which the loader's `build` does, or
/// [`apply`](Self::apply) on tensors in memory. All problems are then listed at once.
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
/// sample ([`ErrorKind::OutOfRange`](tallow_core::ErrorKind::OutOfRange)) where a step needs the range: such an image has another.
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
/// *Layout.* An image keeps the layout of its field, unless it becomes what networks take: after
/// [`normalize`](Self::normalize), [`standardize`](Self::standardize) or
/// [`to_dtype`](Self::to_dtype) of a float its channels come first.
/// [`to_layout`](Self::to_layout) has the last word.
///
/// *Randomness.* What a sample becomes depends on seed, epoch and sample, and on nothing else.
/// Every step draws from a stream of its own. It is named by the step, and counted among the steps
/// of that name in the order of the text, those inside of other steps included. Therefore
///
/// - a step keeps its draws when steps of other names are added, removed, moved or wrapped around
///   it, when its parameters change (a part of another size is cut at the same share of what is
///   free), and when the field has another name;
/// - it has others after one step more or less of the same name: a second `random_hflip` before it
///   takes its place;
/// - steps of the same name and number in two chains of one loader would draw the same numbers,
///   which is refused: [`draws_as`](Self::draws_as) says whether that is meant.
///
/// *Text.* `Display` is the chain as text, fields and settings included, and [`str::parse`] reads
/// it: `"layout(hwc) random_resized_crop(224) random_hflip(0.5) mask(road)".parse::<Augment>()`.
#[derive(Debug, Clone, Default)]
#[must_use]
pub struct Augment {
    pub(crate) field: Option<String>,
    pub(crate) layout: Option<Layout>,
    pub(crate) range: Option<[f64; 2]>,
    pub(crate) chain: Chain,
    pub(crate) targets: Vec<Target>,
    pub(crate) draws: Option<String>,
    pub(crate) once: bool,
}

/// What the streams of a chain are named by unless it is told otherwise.
const DRAWS: &str = "input";

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

    /// The steps draw as `name`: two chains of one loader that draw as the same draw the same
    /// numbers, in steps of the same name and number, so that two fields of a sample are cut and
    /// mirrored alike; chains that draw as different names have nothing in common. Without it
    /// chains that have steps in common are refused, since only you can know which it should be.
    /// The default is `input`, whatever the field is called.
    ///
    /// ```
    /// use tallow_transforms::Augment;
    ///
    /// let photo = Augment::new().random_crop(224).random_hflip(0.5).draws_as("pair");
    /// let depth = photo.clone().field("depth");
    /// # let _ = depth;
    /// ```
    pub fn draws_as(mut self, name: impl Into<String>) -> Self {
        self.draws = Some(name.into());
        self
    }

    /// Maps that interpolate one after the other become one interpolation: sharper, and not the
    /// same picture, since nothing is rounded to pixels or cut off at the border between them.
    /// Antialiasing is lost where a resize becomes part of such a map.
    pub fn resample_once(mut self) -> Self {
        self.once = true;
        self
    }

    /// The field `field` is a mask: it follows the image's geometry, its values moved to the
    /// nearest pixel and never mixed, whatever interpolates the image. What lies outside is 0, or the
    /// fill of [`mask_filled`](Self::mask_filled).
    pub fn mask(self, field: impl Into<String>) -> Self {
        self.mask_filled(field, 0.0)
    }

    /// A mask whose outside is `fill`.
    pub fn mask_filled(self, field: impl Into<String>, fill: f64) -> Self {
        self.target(field, TargetKind::Mask { fill })
    }

    /// The field `field` holds boxes: `f32` of shape (boxes, 4). A box becomes the smallest that
    /// holds its corners after the map, cut at the border of the delivered image; one that has left
    /// the image is all zeros, so that the others keep their places. What a crop or a warp took away
    /// does not come back where a border is added later, but a box that reached beyond the raw image
    /// reaches into a border.
    pub fn boxes(self, field: impl Into<String>, format: BoxFormat) -> Self {
        self.target(field, TargetKind::Boxes(format))
    }

    /// The field `field` holds points: `f32` of shape (points, 2), x and y in pixels, 0 being the
    /// centre of the first. Points may leave the image, and one that a crop cut off may lie in a
    /// border that is added later.
    pub fn keypoints(self, field: impl Into<String>) -> Self {
        self.target(field, TargetKind::Keypoints)
    }

    /// The field `field`, a class as a whole number, becomes `f32` of shape (classes,), of which
    /// MixUp and CutMix make mixtures. `smoothing` s is shared out over all classes: 1 - s + s/K
    /// at the class and s/K elsewhere. A float field of `classes` shares is taken as it is.
    pub fn one_hot(self, field: impl Into<String>, classes: usize, smoothing: f64) -> Self {
        self.target(field, TargetKind::OneHot { classes, smoothing })
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

    /// What the streams of the steps are named by.
    pub(crate) fn draws_name(&self) -> &str {
        self.draws.as_deref().unwrap_or(DRAWS)
    }

    /// The fields that follow as masks, in the order in which they were named.
    pub fn masks(&self) -> impl Iterator<Item = &str> {
        let is_mask = |target: &&Target| matches!(target.kind, TargetKind::Mask { .. });
        self.targets.iter().filter(is_mask).map(|target| &*target.field)
    }
}

/// First what the image is, then the steps, then the fields that follow.
impl fmt::Display for Augment {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut words = Vec::new();
        if self.field_name() != FIELD {
            words.push(format!("field({})", FieldName(self.field_name())));
        }
        words.extend(self.layout.map(|layout| format!("layout({layout})")));
        let range = self.range.map(|[low, high]| (number(low), number(high)));
        words.extend(range.map(|(low, high)| format!("range({low}, {high})")));
        words.extend(self.draws.as_ref().map(|name| format!("draws_as({})", FieldName(name))));
        words.extend(self.once.then(|| "resample_once".to_owned()));
        words.extend(self.chain.0.iter().map(ToString::to_string));
        words.extend(self.targets.iter().map(ToString::to_string));
        f.write_str(&words.join(" "))
    }
}

#[cfg(test)]
mod tests {
    use tallow_core::{Field, Key, RowBuffer, RowDType, RowKey, Schema, Shapes};

    use super::*;

    /// What the chain draws for some samples of its field, in words.
    fn drawn(chain: &Augment) -> Vec<String> {
        let field = Field::new(chain.field_name(), RowDType::U8, &[16, 16, 3]);
        let schema = Schema::new(vec![field]).unwrap();
        let raw = RowBuffer::new(&schema).unwrap();
        let drawn = |index| {
            let key = RowKey { key: Key::new(7, 1), index };
            chain.drawn(&schema, key, Shapes::of(raw.view())).unwrap().join(" ")
        };
        (0..20).map(drawn).collect()
    }

    fn of(text: &str) -> Vec<String> {
        drawn(&text.parse().unwrap())
    }

    /// What each sample draws without the words of `others`.
    fn without(drawn: Vec<String>, others: &str) -> Vec<String> {
        let keep = |word: &&str| !others.split(' ').any(|other| other == *word);
        let kept = |words: String| words.split(' ').filter(keep).collect::<Vec<_>>().join(" ");
        drawn.into_iter().map(kept).collect()
    }

    const CHAIN: &str = "random_rotation(30) random_hflip(0.5) random_brightness(0.5..1.5)";

    #[test]
    fn a_field_of_another_name_is_augmented_alike() {
        assert_eq!(of(CHAIN), of(&format!("field(photo) {CHAIN}")));
        assert_eq!(of(CHAIN), of(&format!("field(photo) draws_as(input) {CHAIN}")));
        assert_ne!(of(CHAIN), of(&format!("draws_as(photo) {CHAIN}")));
    }

    #[test]
    fn steps_around_a_step_leave_its_draws_alone() {
        let plain = of(CHAIN);
        let parts: Vec<&str> = CHAIN.split(' ').collect();
        let [turn, flip, light] = parts[..] else { panic!("{parts:?}") };
        for wrapped in [
            format!("{turn} random_apply(1, {flip}) {light}"),
            format!("{turn} one_of({flip}) random_order({light})"),
            format!("random_apply(1, {turn} random_apply(1, {flip} {light}))"),
        ] {
            assert_eq!(of(&wrapped), plain, "{wrapped}");
        }
        let more = format!("random_vflip(0.5) {CHAIN}");
        assert_eq!(without(of(&more), "vflip"), plain);
    }

    #[test]
    fn steps_of_one_name_are_counted_in_the_order_of_the_text() {
        let first = of("random_brightness(0.5..1.5)");
        let second = of("random_hflip(0) random_brightness(1) random_brightness(0.5..1.5)");
        assert_ne!(without(second.clone(), "brightness 1.00"), without(first, "brightness"));
        let inside = of("random_apply(1, random_brightness(1)) random_brightness(0.5..1.5)");
        assert_eq!(inside, second);
    }
}
