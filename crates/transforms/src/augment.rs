//! The builder of a chain: augmentations of one field, and the fields that follow it.

use std::fmt;

use crate::layout::Layout;
use crate::second_image::SecondImage;
use crate::step::{Chain, Step};
use crate::targets::{BoxFormat, Target, TargetKind};
use crate::text::{FieldName, number};

/// A chain of augmentations of one field, the image. It reads like the pipeline that it describes:
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
/// *Values.* Pixels are computed as `f32` in the range of the raw field: 0 to 255 for `u8`, 0 to
/// 65535 for `u16`, and 0 to 1 for images of floats unless [`range`](Self::range) sets another.
/// Wider integers and signals (layouts with a time) have a range only when it is set. Values are
/// rounded once, at the end; torchvision rounds `u8` images after every step.
///
/// Arguments that are values (a fill, a mean, a deviation, a threshold, the strength of noise)
/// count from 0 to 1 for `u8` and `u16`, and are values of the field for all other types. A value
/// outside of the range is refused when the chain is bound, and so is a step that needs a range
/// when there is none. After a normalisation any number is accepted.
///
/// When a step needs the range, a raw value that is outside of it by more than half of its width is
/// an error of the sample ([`ErrorKind::OutOfRange`](tallow_core::ErrorKind::OutOfRange)): the
/// image must have another range. Values that are nearer, such as the overshoot of an
/// interpolation, and infinities are clamped by the steps that clamp.
///
/// *Types.* Pixels that are only moved keep their type and their bits. When a step computes,
/// `bf16`, `f64`, `i16`, `i32`, `i64` and `u32` are read as `f32`, which rounds an `f64` and
/// integers above 2^24, and are delivered as `f32` unless [`to_dtype`](Self::to_dtype) says
/// otherwise.
///
/// *NaN.* A pixel that is NaN stays NaN when it is computed with, though not necessarily with the
/// same bits. When channels are computed from each other (saturation, hue, grayscale), one NaN
/// makes the whole pixel NaN. A statistic of the image (contrast, autocontrast, equalize,
/// standardize) that meets a NaN makes everything that is computed from it NaN: the channel, if
/// each has its own statistic. NaN is delivered as 0 in a `u8`.
///
/// *Layout.* An image keeps the layout of its field. After [`normalize`](Self::normalize),
/// [`standardize`](Self::standardize) or [`to_dtype`](Self::to_dtype) with a float type its
/// channels come first, as networks expect. [`to_layout`](Self::to_layout) overrides both.
///
/// *Pictures.* A field may hold the files of pictures
/// ([`Field::pictures`](tallow_core::Field::pictures)). The chain then makes of it, bit for bit, what
/// it would make of the pixels, channels last; but for each sample it decodes only the window that the
/// drawn crop, and what follows it, shows; of a partner that is pasted, what the box shows where the
/// chain lets it be made alone. Damage outside of that window remains unseen.
/// [`scaled_decode`](Self::scaled_decode) decodes large photos smaller than they are stored. Masks may be
/// pictures too, and boxes and points count the pixels of the picture as it is turned. Fields that the
/// chain does not name stay encoded.
///
/// *Randomness.* The result depends on seed, epoch and sample, and on nothing else. Every step
/// draws from a stream of its own, which is identified by the step's name and its number among the
/// steps of that name, in the order of the text and including steps inside of other steps.
/// Therefore
///
/// - a step keeps its draws when steps of other names are added, removed, moved or wrapped around
///   it, when its parameters change (a crop of another size keeps its relative place), and when the
///   field has another name;
/// - its draws change when a step of the same name is added or removed before it;
/// - steps of the same name and number in two chains of one loader would draw the same numbers,
///   which is refused unless [`draws_as`](Self::draws_as) says that it is intended.
///
/// *Text.* `Display` writes the chain as text, with its fields and settings, and [`str::parse`]
/// reads that text back: `"layout(hwc) random_resized_crop(224) random_hflip(0.5)
/// mask(road)".parse::<Augment>()`.
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
    pub(crate) scaled: bool,
    /// Shared by clones, so that loaders and `apply` load each once.
    #[cfg(feature = "cuda")]
    pub(crate) kernels: crate::cuda::Kernels,
}

/// The name of a chain's streams when none is set.
const DRAWS: &str = "input";

/// The field that is augmented when none is set.
const FIELD: &str = "input";

impl Augment {
    /// An empty chain for the field `input`.
    pub fn new() -> Self {
        Self::default()
    }

    /// The field that is augmented. The default is `input`.
    pub fn field(mut self, name: impl Into<String>) -> Self {
        self.field = Some(name.into());
        self
    }

    /// The axes of the field. By default they are found from its shape where that is unambiguous:
    /// see [`Layout::of`].
    pub fn layout(mut self, layout: Layout) -> Self {
        self.layout = Some(layout);
        self
    }

    /// The least and the greatest value of the field: `.range(0.0, 255.0)` for floats that were
    /// bytes, `.range(-1000.0, 3000.0)` for the `i16` of a scan. Fields of `u8` and `u16` take
    /// none, since their type has one. The default is 0 to 1 for images of floats, and no range for
    /// other types and for signals.
    ///
    /// Values are delivered in this range, and [`to_dtype`](Self::to_dtype) scales from it. Steps
    /// that brighten or darken need a range that begins at 0.
    pub fn range(mut self, low: f64, high: f64) -> Self {
        self.range = Some([low, high]);
        self
    }

    /// Names the streams that the steps draw from. Two chains of one loader with the same name draw
    /// the same numbers in steps of the same name and number, so that two fields of a sample are
    /// cropped and mirrored alike. Chains with different names draw independently. Chains that have
    /// steps in common are refused unless both are named, since only you know which is right. The
    /// default is `input`, whatever the name of the field.
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

    /// Merges maps that interpolate one after the other into a single interpolation. The result is
    /// sharper and slightly different, since nothing is resampled or cut off at the border between
    /// them. A resize that becomes part of such a map loses its antialiasing.
    pub fn resample_once(mut self) -> Self {
        self.once = true;
        self
    }

    /// Decodes JPEGs at 1/2, 1/4 or 1/8 of their size where the first resize makes them smaller than
    /// that: less is decoded and less is resized, most of all of photos that are far larger than what a
    /// network sees. Pixels differ from those of whole pictures, which is why this has to be asked for;
    /// a saved state remembers it.
    ///
    /// The scale is the smallest at which nothing that the resize makes is larger than what it is made
    /// of, and depends on the sample's draws and size alone. The chain means for the smaller picture what
    /// it means for any picture of that size, with the same draws: a
    /// [`random_resized_crop`](Self::random_resized_crop) takes the same part but for rounding, and a side
    /// that follows from the other may become a pixel longer or shorter. Pixels are those of PIL's
    /// `draft`. PNG and WebP are decoded as they are.
    ///
    /// In front of the first resize there may be flips and turns. A step that counts pixels there, such
    /// as `random_crop(400) resize(224)`, or one that computes with them, is refused when the chain is
    /// bound; so are fields that follow the picture, but for labels, and fields that are no pictures. With
    /// [`resample_once`](Self::resample_once), samples whose resize becomes part of another map are decoded
    /// wholly. On a device, the workers make the rows.
    pub fn scaled_decode(mut self) -> Self {
        self.scaled = true;
        self
    }

    /// The field `field` is a mask: it follows the image's geometry. Its values are taken from the
    /// nearest pixel and never blended, whatever interpolates the image. Outside of the image it is
    /// 0, or the fill of [`mask_filled`](Self::mask_filled).
    pub fn mask(self, field: impl Into<String>) -> Self {
        self.mask_filled(field, 0.0)
    }

    /// A [`mask`](Self::mask) that is `fill` outside of the image.
    pub fn mask_filled(self, field: impl Into<String>, fill: f64) -> Self {
        self.target(field, TargetKind::Mask { fill })
    }

    /// A second image, which follows the first in all but colours: a field's name, or a [`SecondImage`].
    pub fn image(mut self, image: impl Into<SecondImage>) -> Self {
        let image = image.into();
        let target = Target { field: image.field.clone(), kind: TargetKind::Image(image) };
        self.targets.push(target);
        self
    }

    /// The field `field` holds boxes: `f32` of shape (boxes, 4). Each box becomes the smallest box
    /// around its mapped corners, clipped to the delivered image. A box that has left the image
    /// becomes all zeros, so that the others keep their index. What a crop or a warp removed does
    /// not come back when a border is added later, but a box that reached beyond the raw image
    /// reaches into a border.
    pub fn boxes(self, field: impl Into<String>, format: BoxFormat) -> Self {
        self.target(field, TargetKind::Boxes(format))
    }

    /// The field `field` holds points: `f32` of shape (points, 2), x and y in pixels, where 0 is
    /// the centre of the first pixel. Points may leave the image, and a point that a crop removed
    /// may come to lie in a border that is added later.
    pub fn keypoints(self, field: impl Into<String>) -> Self {
        self.target(field, TargetKind::Keypoints)
    }

    /// The field `field`, a class as an integer, becomes `f32` of shape (classes,), which MixUp and
    /// CutMix can mix. `smoothing` s is spread over all K classes: 1 - s + s/K at the class and s/K
    /// elsewhere. A float field that already holds `classes` shares is used as it is.
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

    /// The name of the steps' streams.
    pub(crate) fn draws_name(&self) -> &str {
        self.draws.as_deref().unwrap_or(DRAWS)
    }

    /// The fields that follow as second images, in the order in which they were added.
    pub fn images(&self) -> impl Iterator<Item = &str> {
        self.targets.iter().filter(|target| target.is_image()).map(|target| &*target.field)
    }

    /// The fields that follow as masks, in the order in which they were added.
    pub fn masks(&self) -> impl Iterator<Item = &str> {
        let is_mask = |target: &&Target| matches!(target.kind, TargetKind::Mask { .. });
        self.targets.iter().filter(is_mask).map(|target| &*target.field)
    }
}

/// Settings first, then the steps, then the fields that follow.
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
        words.extend(self.scaled.then(|| "scaled_decode".to_owned()));
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
