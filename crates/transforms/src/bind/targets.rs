//! Fields that follow the image, tied to a schema: how each is made from its raw field.

use tallow_core::{Dim, Error, ErrorKind, Field, FieldMut, FieldView, Result, RowDType};

use super::pixels::{self, Pixels};
use super::points::Points;
use super::second_image::{BoundImage, enlarged_size};
use super::select::Select;
use super::theirs::Theirs;
use crate::compose::{Mixing, ShownSize, Sketch};
use crate::engine::{Extents, Raw};
use crate::kernels::Simd;
use crate::layout::Layout;
use crate::plan::{D, StagePlan};
use crate::second_image::SecondImage;
use crate::targets::{BoxFormat, Target, TargetKind};

/// What is mixed into a field.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Mixed<'a> {
    /// The raw field of the partner.
    pub(crate) field: FieldView<'a>,
    /// The partner's stages, up to where it is mixed in.
    pub(crate) theirs: Theirs<'a>,
    /// The share of the sample's own in the mixture.
    pub(crate) share: f32,
}

/// A target tied to its field.
#[derive(Debug, Clone)]
pub(crate) struct BoundTarget {
    /// The field as it is delivered.
    pub(crate) field: Field,
    pub(crate) scratch_bytes: usize,
    extents: Extents,
    action: Action,
}

#[derive(Debug, Clone)]
enum Action {
    Select(Select),
    Boxes(BoxFormat),
    Keypoints,
    OneHot { classes: usize, smoothing: f64 },
    Image(BoundImage),
}

impl BoundTarget {
    /// Binds `target` to `field`, as it follows the image of `sketch`.
    ///
    /// # Errors
    ///
    /// What does not fit.
    pub(crate) fn bind(
        target: &Target,
        field: &Field,
        sketch: &Sketch,
    ) -> std::result::Result<Self, String> {
        check(target, sketch)?;
        match &target.kind {
            TargetKind::Mask { fill } => Self::mask(field, sketch, *fill),
            TargetKind::Boxes(format) => Self::points(field, sketch, 4, Action::Boxes(*format)),
            TargetKind::Keypoints => Self::points(field, sketch, 2, Action::Keypoints),
            TargetKind::OneHot { classes, smoothing } => Self::one_hot(field, *classes, *smoothing),
            TargetKind::Image(image) => Self::image(image, field, sketch),
        }
    }

    fn mask(field: &Field, sketch: &Sketch, fill: f64) -> std::result::Result<Self, String> {
        let layout = follower_layout(field, sketch, 1)?;
        let field = &field.decoded();
        let channels = layout.split(field.dims(), Dim::Fixed(1)).1;
        let element = field
            .dtype()
            .element(fill)
            .ok_or_else(|| format!("the fill {fill} is no {}", field.dtype()))?;
        let dims = layout.join(sketch.size, channels);
        let extents = Extents { channels: channels.max(), ..Extents::of(sketch) };
        let select = Select { from: layout, to: layout, fill: Some(element), times: 1, extents };
        Ok(Self {
            field: Field::with_dims(field.name(), field.dtype(), dims.to_vec())
                .with_classes_of(field),
            scratch_bytes: Select::scratch_bytes(&extents, field.dtype().size()),
            extents,
            action: Action::Select(select),
        })
    }

    fn image(
        image: &SecondImage,
        field: &Field,
        sketch: &Sketch,
    ) -> std::result::Result<Self, String> {
        let layout = follower_layout(field, sketch, image.times)?;
        let bound = BoundImage::bind(image, &field.decoded(), layout, sketch)?;
        let (field, extents) = (bound.field, bound.extents);
        let (scratch_bytes, action) = match bound.select {
            Some(select) => {
                let bytes = Select::scratch_bytes(&extents, field.dtype().size());
                (bytes, Action::Select(select))
            }
            None => (extents.bytes(), Action::Image(bound.image)),
        };
        Ok(Self { field, scratch_bytes, extents, action })
    }

    fn points(
        field: &Field,
        sketch: &Sketch,
        numbers: usize,
        action: Action,
    ) -> std::result::Result<Self, String> {
        let fits = field.dims().len() == 2 && field.dims()[1] == Dim::Fixed(numbers);
        if !fits || field.dtype() != RowDType::F32 {
            return Err(format!("found {field}, expected f32 of shape [n, {numbers}]"));
        }
        if sketch.raw_size[D] != Dim::Fixed(1) {
            return Err("boxes and points follow images, not volumes".to_owned());
        }
        let extents = Extents::of(sketch);
        Ok(Self { field: field.clone(), scratch_bytes: extents.bytes(), extents, action })
    }

    fn one_hot(field: &Field, classes: usize, smoothing: f64) -> std::result::Result<Self, String> {
        if classes == 0 || !(0.0..=1.0).contains(&smoothing) {
            return Err("expected at least one class, and a smoothing in 0..1".to_owned());
        }
        let is_shares = field.dtype() == RowDType::F32 && field.dims() == [Dim::Fixed(classes)];
        if !is_shares && (!field.dims().is_empty() || !field.dtype().is_integer()) {
            return Err(format!("found {field}, expected one class, or f32[{classes}]"));
        }
        let field = Field::new(field.name(), RowDType::F32, &[classes]);
        let action = Action::OneHot { classes, smoothing };
        Ok(Self { field, scratch_bytes: 0, extents: Extents::default(), action })
    }

    /// How the elements of a mask are moved, or of an image as large as the first.
    pub(crate) fn select(&self) -> Option<&Select> {
        match &self.action {
            Action::Select(select) if select.times == 1 => Some(select),
            _ => None,
        }
    }

    /// The layout of a mask or a second image, and the one in which it is delivered.
    pub(crate) fn layouts(&self) -> Option<[Layout; 2]> {
        match &self.action {
            Action::Select(select) => Some([select.from, select.to]),
            Action::Image(image) => Some([image.layout, image.delivered]),
            _ => None,
        }
    }

    pub(crate) fn is_label(&self) -> bool {
        matches!(self.action, Action::OneHot { .. })
    }

    /// Makes the delivered field of one sample.
    #[expect(clippy::too_many_arguments, reason = "all that a row has")]
    pub(crate) fn run(
        &self,
        simd: Simd,
        pixels: Pixels<'_>,
        plans: &[StagePlan],
        from: &FieldView<'_>,
        mixed: Option<Mixed<'_>>,
        to: &mut FieldMut<'_>,
        scratch: &mut [u8],
    ) -> Result<()> {
        match &self.action {
            Action::Select(select) => match mixed {
                None => {
                    pixels.of(from, select.from, select.stages(plans.iter().copied()), |raw| {
                        select.run(simd, plans, raw, None, to, scratch)
                    })?
                }
                Some(Mixed { theirs, .. }) if theirs.is_empty() => {
                    pixels.of(from, select.from, select.stages(plans.iter().copied()), |raw| {
                        select.run(simd, plans, raw, None, to, scratch)
                    })?
                }
                Some(Mixed { field, theirs, .. }) => {
                    let run = |partner: &Raw<'_>| {
                        let stages = select.stages(plans.iter().copied());
                        pixels.of(from, select.from, stages, |raw| {
                            select.run(simd, plans, raw, Some((partner, theirs)), to, scratch)
                        })?
                    };
                    pixels
                        .of(&field, select.from, select.stages(theirs.stages()), run)
                        .map_err(Error::of_partner)?
                }
            },
            Action::Image(image) => {
                image.run(simd, pixels, plans, from, mixed, &self.extents, to, scratch)
            }
            Action::Boxes(format) => {
                let points = Points::new(simd, plans);
                groups(from, to, |numbers| {
                    let edges = points.map_box(format.edges(numbers), &self.extents, scratch);
                    format.numbers(edges.unwrap_or_default())
                })
            }
            Action::Keypoints => {
                let points = Points::new(simd, plans);
                groups(from, to, |point| {
                    let place = point.map(f64::from);
                    points.map(place, &self.extents, scratch).map(|at| at as f32)
                })
            }
            Action::OneHot { classes, smoothing } => {
                one_hot(*classes, *smoothing as f32, from, mixed, to)
                    .map_err(|error| error.with_field(from.name()))
            }
        }
    }
}

/// Whether the field of `target` can follow the image of `sketch`.
///
/// # Errors
///
/// Why not, and what to do.
fn check(target: &Target, sketch: &Sketch) -> std::result::Result<(), String> {
    let problem = match sketch.mixing {
        _ if target.is_label() => return Ok(()),
        Mixing::Blends if target.is_mask() => {
            "mixup makes sums of two images, and there is no sum of two masks: mix by cutmix, \
             which pastes masks too"
        }
        Mixing::Blends | Mixing::Pastes if !target.is_mask() && !target.is_image() => {
            "a mixed image shows what two samples hold, and the field has room for one: leave \
             out the mixing, or the field"
        }
        _ if sketch.blends_views => {
            "the image becomes a sum of several views, in which nothing has one place: leave \
             out aug_mix, or the field"
        }
        _ => return Ok(()),
    };
    Err(problem.to_owned())
}

/// The layout of a field that is `times` as large as the image: that of the pixels of pictures, else
/// the image's, with channels or without, where it has that size; otherwise what the shape says alone.
///
/// # Errors
///
/// When the layout is not clear, or the size is another.
fn follower_layout(
    field: &Field,
    sketch: &Sketch,
    times: usize,
) -> std::result::Result<Layout, String> {
    let expected = enlarged_size(sketch.raw_size, times);
    let decoded = field.decoded();
    let size = |layout: Layout| layout.split(decoded.dims(), Dim::Fixed(1)).0;
    let image = sketch.raw_layout;
    let fits = |layout: &Layout| layout.rank() == decoded.dims().len() && size(*layout) == expected;
    let like_image = [image, image.without_channels()].into_iter().find(fits);
    let layout = match (field.as_picture(), like_image) {
        (Some(picture), _) => pixels::layout_of(picture),
        (None, Some(layout)) => layout,
        (None, None) => Layout::of(&decoded)?,
    };
    // The size of a picture is compared row by row: both fields may admit larger ones.
    let is_picture = field.as_picture().is_some();
    let admits = |(own, image): (Dim, Dim)| match (own, image) {
        (Dim::Fixed(own), Dim::Fixed(image)) => own == image,
        _ => is_picture || own == image,
    };
    if size(layout).into_iter().zip(expected).all(admits) {
        return Ok(layout);
    }
    let image = ShownSize(expected);
    let what = if times == 1 { "the size of the image" } else { "its size times that" };
    Err(format!("found {decoded}, expected {what}, {image}"))
}

/// Delivers groups of `N` numbers, each as `moved` makes it of what was read.
fn groups<const N: usize>(
    from: &FieldView<'_>,
    to: &mut FieldMut<'_>,
    mut moved: impl FnMut([f32; N]) -> [f32; N],
) -> Result<()> {
    to.set_shape(from.shape())?;
    let numbers = to.as_mut_slice::<f32>()?;
    numbers.copy_from_slice(from.as_slice()?);
    let (groups, _) = numbers.as_chunks_mut();
    groups.iter_mut().for_each(|group| *group = moved(*group));
    Ok(())
}

fn one_hot(
    classes: usize,
    smoothing: f32,
    own: &FieldView<'_>,
    mixed: Option<Mixed<'_>>,
    to: &mut FieldMut<'_>,
) -> Result<()> {
    let shares = to.as_mut_slice::<f32>()?;
    let share = mixed.map_or(1.0, |mixed| mixed.share);
    add_shares(shares, classes, smoothing, own, share)?;
    match mixed {
        Some(mixed) => add_shares(shares, classes, smoothing, &mixed.field, 1.0 - share)
            .map_err(Error::of_partner),
        None => Ok(()),
    }
}

fn add_shares(
    shares: &mut [f32],
    classes: usize,
    smoothing: f32,
    label: &FieldView<'_>,
    weight: f32,
) -> Result<()> {
    if label.dtype() == RowDType::F32 {
        let own = label.as_slice::<f32>()?;
        shares.iter_mut().zip(own).for_each(|(share, own)| *share += weight * own);
        return Ok(());
    }
    let class = label.integer()?;
    let known = usize::try_from(class).ok().filter(|class| *class < classes);
    let class = known.ok_or_else(|| {
        Error::new(
            ErrorKind::OutOfRange,
            format!("found class {class}, expected 0 to {}", classes - 1),
        )
    })?;
    let off = smoothing / classes as f32;
    shares.iter_mut().for_each(|share| *share += weight * off);
    shares[class] += weight * (1.0 - smoothing);
    Ok(())
}
