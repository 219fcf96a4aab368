//! Fields that follow the image: masks, boxes, keypoints, labels.

use std::fmt;
use std::str::FromStr;

use bytemuck::Pod;
use tallow_core::{Dim, Error, ErrorKind, Field, FieldMut, FieldView, Result, RowDType};

use crate::augment::Augment;
use crate::compose::canvas;
use crate::engine::select::{self, Elements, Finding};
use crate::engine::{Extents, Memory, displacements};
use crate::kernels::Simd;
use crate::layout::Layout;
use crate::plan::{CHANNELS_MAX, Head, StagePlan};
use crate::points::Points;
use crate::sketch::{D, Mixing, Sketch};
use crate::spec::{FieldName, Form};
use crate::step::number;

pub(crate) static FORMS: &[Form] = &[
    Form {
        name: "mask",
        usage: "field, fill=0",
        parse: |a, args| {
            let field = args.field("field")?;
            Ok(a.mask_filled(field, args.number_or("fill", 0.0)?))
        },
    },
    Form {
        name: "boxes",
        usage: "field, xyxy | xywh | cxcywh",
        parse: |a, args| {
            let field = args.field("field")?;
            Ok(a.boxes(field, args.word("format")?))
        },
    },
    Form {
        name: "keypoints",
        usage: "field",
        parse: |a, args| Ok(a.keypoints(args.field("field")?)),
    },
    Form {
        name: "one_hot",
        usage: "field, classes, smoothing=0",
        parse: |a, args| {
            let (field, classes) = (args.field("field")?, args.whole("classes")?);
            Ok(a.one_hot(field, classes, args.number_or("smoothing", 0.0)?))
        },
    },
];

/// A field that follows the image, and how.
#[derive(Debug, Clone)]
pub(crate) struct Target {
    pub(crate) field: String,
    pub(crate) kind: TargetKind,
}

#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum TargetKind {
    Mask { fill: f64 },
    Boxes(BoxFormat),
    Keypoints,
    OneHot { classes: usize, smoothing: f64 },
}

/// How four numbers are a box, in pixels: edges, so that an image of width w reaches from 0 to w.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum BoxFormat {
    /// Left, top, right, bottom.
    Xyxy,
    /// Left, top, width, height.
    Xywh,
    /// Centre x, centre y, width, height.
    Cxcywh,
}

impl Augment {
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
}

impl Target {
    pub(crate) fn is_mask(&self) -> bool {
        matches!(self.kind, TargetKind::Mask { .. })
    }

    /// Whether the field can follow the image of `sketch`.
    ///
    /// # Errors
    ///
    /// Why not, and what to do.
    fn check(&self, sketch: &Sketch) -> std::result::Result<(), String> {
        let is_label = matches!(self.kind, TargetKind::OneHot { .. });
        let problem = match sketch.mixing {
            _ if is_label => return Ok(()),
            Mixing::Blends if self.is_mask() => {
                "mixup makes sums of two images, and there is no sum of two masks: mix by cutmix, \
                 which pastes masks too"
            }
            Mixing::Blends | Mixing::Pastes if !self.is_mask() => {
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
}

const BOX_FORMATS: [(BoxFormat, &str); 3] =
    [(BoxFormat::Xyxy, "xyxy"), (BoxFormat::Xywh, "xywh"), (BoxFormat::Cxcywh, "cxcywh")];

impl fmt::Display for BoxFormat {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name =
            BOX_FORMATS.iter().find(|(format, _)| format == self).map_or("", |(_, name)| name);
        f.write_str(name)
    }
}

impl FromStr for BoxFormat {
    type Err = String;

    fn from_str(text: &str) -> std::result::Result<Self, String> {
        let found = BOX_FORMATS.iter().find(|(_, name)| *name == text).map(|(format, _)| *format);
        found.ok_or_else(|| "expected xyxy, xywh or cxcywh".to_owned())
    }
}

/// As in the text of a chain; what is the default is left out.
impl fmt::Display for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let field = FieldName(&self.field);
        match self.kind {
            TargetKind::Mask { fill: 0.0 } => write!(f, "mask({field})"),
            TargetKind::Mask { fill } => write!(f, "mask({field}, fill={})", number(fill)),
            TargetKind::Boxes(format) => write!(f, "boxes({field}, {format})"),
            TargetKind::Keypoints => write!(f, "keypoints({field})"),
            TargetKind::OneHot { classes, smoothing: 0.0 } => {
                write!(f, "one_hot({field}, {classes})")
            }
            TargetKind::OneHot { classes, smoothing } => {
                write!(f, "one_hot({field}, {classes}, smoothing={})", number(smoothing))
            }
        }
    }
}

/// What is mixed into a field.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Mixed<'a> {
    /// The raw field of the partner.
    pub(crate) field: FieldView<'a>,
    /// The partner's stages, up to where it is mixed in.
    pub(crate) plans: &'a [StagePlan],
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
}

impl BoundTarget {
    /// Ties `target` to `field`, next to the image of `sketch`.
    ///
    /// # Errors
    ///
    /// What does not fit.
    pub(crate) fn bind(
        target: &Target,
        field: &Field,
        sketch: &Sketch,
    ) -> std::result::Result<Self, String> {
        target.check(sketch)?;
        match target.kind {
            TargetKind::Mask { fill } => Self::mask(field, sketch, fill),
            TargetKind::Boxes(format) => Self::points(field, sketch, 4, Action::Boxes(format)),
            TargetKind::Keypoints => Self::points(field, sketch, 2, Action::Keypoints),
            TargetKind::OneHot { classes, smoothing } => Self::one_hot(field, classes, smoothing),
        }
    }

    fn mask(field: &Field, sketch: &Sketch, fill: f64) -> std::result::Result<Self, String> {
        let layout = mask_layout(field, sketch)?;
        let (size, channels) = layout.split(field.dims(), Dim::Fixed(1));
        if size != sketch.raw_size {
            let image = crate::sketch::Size(sketch.raw_size);
            return Err(format!("found {field}, expected the size of the image, {image}"));
        }
        let element = field
            .dtype()
            .element(fill)
            .ok_or_else(|| format!("the fill {fill} is no {}", field.dtype()))?;
        let dims = layout.join(sketch.size, channels);
        let extents = Extents { channels: channels.max(), ..Extents::of(sketch) };
        let select = Select { from: layout, to: layout, fill: Some(element), extents };
        Ok(Self {
            field: Field::with_dims(field.name(), field.dtype(), dims.to_vec()),
            scratch_bytes: Select::scratch_bytes(&extents, field.dtype().size()),
            extents,
            action: Action::Select(select),
        })
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
        if !is_shares && (!field.dims().is_empty() || !is_class(field.dtype())) {
            return Err(format!("found {field}, expected one class, or f32[{classes}]"));
        }
        let field = Field::new(field.name(), RowDType::F32, &[classes]);
        let action = Action::OneHot { classes, smoothing };
        Ok(Self { field, scratch_bytes: 0, extents: Extents::default(), action })
    }

    /// How the elements of a mask are moved.
    pub(crate) fn select(&self) -> Option<&Select> {
        match &self.action {
            Action::Select(select) => Some(select),
            _ => None,
        }
    }

    pub(crate) fn is_label(&self) -> bool {
        matches!(self.action, Action::OneHot { .. })
    }

    /// Makes the delivered field of one sample.
    pub(crate) fn run(
        &self,
        simd: Simd,
        plans: &[StagePlan],
        from: &FieldView<'_>,
        mixed: Option<Mixed<'_>>,
        to: &mut FieldMut<'_>,
        scratch: &mut [u8],
    ) -> Result<()> {
        match &self.action {
            Action::Select(select) => select.run(simd, plans, from, mixed, to, scratch),
            Action::Boxes(format) => boxes(simd, plans, *format, from, to, &self.extents, scratch),
            Action::Keypoints => keypoints(simd, plans, from, to, &self.extents, scratch),
            Action::OneHot { classes, smoothing } => {
                one_hot(*classes, *smoothing as f32, from, mixed, to)
                    .map_err(|error| error.with_field(from.name()))
            }
        }
    }
}

/// The layout of a mask: the image's, with channels or without, where it has that size; otherwise
/// what the shape says alone.
fn mask_layout(field: &Field, sketch: &Sketch) -> std::result::Result<Layout, String> {
    let image = sketch.raw_layout;
    let fits = |layout: &Layout| {
        let size = layout.split(field.dims(), Dim::Fixed(1)).0;
        layout.rank() == field.dims().len() && size == sketch.raw_size
    };
    let like_image = [image, image.without_channels()].into_iter().find(fits);
    like_image.map_or_else(|| Layout::of(field), Ok)
}

fn is_class(dtype: RowDType) -> bool {
    use RowDType::{I16, I32, I64, U8, U16, U32};
    matches!(dtype, U8 | U16 | U32 | I16 | I32 | I64)
}

/// A field whose elements are moved as they are.
#[derive(Debug, Clone)]
pub(crate) struct Select {
    pub(crate) from: Layout,
    pub(crate) to: Layout,
    /// The bytes of the element that lies outside; without it the plan's own fill, in the range
    /// of the image.
    pub(crate) fill: Option<Vec<u8>>,
    /// The scratch of the image's plans, with the channels of this field.
    pub(crate) extents: Extents,
}

/// Elements of any type begin here.
const ALIGN: usize = 64;

impl Select {
    /// Images between stages: two that take turns, and what becomes of a partner.
    pub(crate) fn images(extents: &Extents) -> usize {
        if extents.canvases[canvas::PARTNER as usize] { 3 } else { 2 }
    }

    /// Bytes of the scratch, for elements of `size` bytes.
    pub(crate) fn scratch_bytes(extents: &Extents, size: usize) -> usize {
        extents.bytes() + Self::images(extents) * extents.image() * size + ALIGN
    }

    /// Moves the elements of `from` as `plans` say, and pastes those of what is mixed in.
    pub(crate) fn run(
        &self,
        simd: Simd,
        plans: &[StagePlan],
        from: &FieldView<'_>,
        mixed: Option<Mixed<'_>>,
        to: &mut FieldMut<'_>,
        scratch: &mut [u8],
    ) -> Result<()> {
        match from.dtype().size() {
            1 => self.moved::<u8>(simd, plans, from, mixed, to, scratch),
            2 => self.moved::<u16>(simd, plans, from, mixed, to, scratch),
            4 => self.moved::<u32>(simd, plans, from, mixed, to, scratch),
            _ => self.moved::<u64>(simd, plans, from, mixed, to, scratch),
        }
    }

    fn moved<T: Pod>(
        &self,
        simd: Simd,
        plans: &[StagePlan],
        from: &FieldView<'_>,
        mixed: Option<Mixed<'_>>,
        to: &mut FieldMut<'_>,
        scratch: &mut [u8],
    ) -> Result<()> {
        let (own, rest) = scratch.split_at_mut(self.extents.bytes());
        let mut memory = Memory::divide(&self.extents, own);
        let skip = rest.as_ptr().align_offset(ALIGN);
        let bytes = Self::images(&self.extents) * self.extents.image() * size_of::<T>();
        let images = bytemuck::cast_slice_mut::<u8, T>(&mut rest[skip..][..bytes]);
        let (a, rest) = images.split_at_mut(self.extents.image());
        let (b, c) = rest.split_at_mut(self.extents.image());
        let mut theirs = [a, c];
        if let Some(mixed) = mixed {
            self.through(simd, mixed.plans, &mixed.field, None, &mut memory, &mut theirs);
        }
        let [free, partner] = theirs;
        let (mut canvases, partner) = ([free, b], mixed.map(|_| &*partner));
        let size = self.through(simd, plans, from, partner, &mut memory, &mut canvases);
        let channels = self.from.split(from.shape(), 1).1;
        to.set_shape(&self.to.join(size, channels))?;
        let made = &canvases[1][..size.iter().product::<usize>() * channels];
        to.copy_from_bytes(bytemuck::cast_slice(made))
    }

    /// Moves the elements of `from` through `plans` into the second of `canvases`, with the boxes
    /// that are pasted of `partner`, which lies there as it is delivered; returns the size of what
    /// is made.
    fn through<T: Pod>(
        &self,
        simd: Simd,
        plans: &[StagePlan],
        from: &FieldView<'_>,
        partner: Option<&[T]>,
        memory: &mut Memory<'_>,
        canvases: &mut [&mut [T]; 2],
    ) -> [usize; 3] {
        let (mut size, channels) = self.from.split(from.shape(), 1);
        let mut current = Elements { channels, interleaved: self.from.is_interleaved() };
        let delivered = Elements { channels, interleaved: self.to.is_interleaved() };
        let mut is_raw = true;
        for plan in plans.iter().filter(|plan| plan.head() != Head::Skip) {
            if is_raw || !plan.keeps_places() {
                let fill = self.fill_of::<T>(plan, from.dtype());
                let Memory { head, fields, .. } = &mut *memory;
                let displacements = displacements(simd, plan, head, fields);
                let finding = Finding { displacements, places: &mut head.places };
                let [to, other] = &mut *canvases;
                let pixels = if is_raw { elements(from.bytes()) } else { &**other };
                select::run(simd, plan, [current, delivered], pixels, to, fill, finding);
                canvases.swap(0, 1);
                (current, is_raw) = (delivered, false);
                size = plan.size.map(|len| len as usize);
            }
            if let (Some(paste), Some(partner)) = (plan.paste(), partner) {
                select::paste(paste, plan.size, delivered, partner, canvases[1]);
            }
        }
        size
    }

    /// The value outside, a channel each: the mask's own, or the image's, rounded as pixels are.
    fn fill_of<T: Pod>(&self, plan: &StagePlan, dtype: RowDType) -> [T; CHANNELS_MAX] {
        plan.fill.map(|fill| {
            let bytes = self.fill.clone().or_else(|| dtype.element(rounded(dtype, fill.into())));
            bytes.map_or_else(T::zeroed, |bytes| bytemuck::pod_read_unaligned(&bytes))
        })
    }
}

/// `value` as an element type can have it: integers half to even, at most at the end of the range.
fn rounded(dtype: RowDType, value: f64) -> f64 {
    let (low, high) = match dtype {
        RowDType::U8 => (0.0, 255.0),
        RowDType::U16 => (0.0, 65535.0),
        RowDType::U32 => (0.0, f64::from(u32::MAX)),
        RowDType::I16 => (f64::from(i16::MIN), f64::from(i16::MAX)),
        RowDType::I32 => (f64::from(i32::MIN), f64::from(i32::MAX)),
        RowDType::I64 => return value.round_ties_even(),
        _ => return value,
    };
    value.round_ties_even().clamp(low, high)
}

/// The elements of a row, of which those without any lie nowhere, aligned or not.
fn elements<T: Pod>(bytes: &[u8]) -> &[T] {
    if bytes.is_empty() { &[] } else { bytemuck::cast_slice(bytes) }
}

fn boxes(
    simd: Simd,
    plans: &[StagePlan],
    format: BoxFormat,
    from: &FieldView<'_>,
    to: &mut FieldMut<'_>,
    extents: &Extents,
    scratch: &mut [u8],
) -> Result<()> {
    let points = Points::new(simd, plans);
    to.set_shape(from.shape())?;
    let moved = to.as_mut_slice::<f32>()?;
    moved.copy_from_slice(from.as_slice()?);
    for numbers in moved.chunks_exact_mut(4) {
        let edges = format.edges([numbers[0], numbers[1], numbers[2], numbers[3]]);
        let edges = points.map_box(edges, extents, scratch);
        numbers.copy_from_slice(&format.numbers(edges.unwrap_or_default()));
    }
    Ok(())
}

fn keypoints(
    simd: Simd,
    plans: &[StagePlan],
    from: &FieldView<'_>,
    to: &mut FieldMut<'_>,
    extents: &Extents,
    scratch: &mut [u8],
) -> Result<()> {
    let points = Points::new(simd, plans);
    to.set_shape(from.shape())?;
    let moved = to.as_mut_slice::<f32>()?;
    moved.copy_from_slice(from.as_slice()?);
    for point in moved.chunks_exact_mut(2) {
        let place = points.map([f64::from(point[0]), f64::from(point[1])], extents, scratch);
        point.copy_from_slice(&place.map(|at| at as f32));
    }
    Ok(())
}

impl BoxFormat {
    /// Left, top, right, bottom.
    fn edges(self, [a, b, c, d]: [f32; 4]) -> [f32; 4] {
        match self {
            Self::Xyxy => [a, b, c, d],
            Self::Xywh => [a, b, a + c, b + d],
            Self::Cxcywh => [a - c / 2.0, b - d / 2.0, a + c / 2.0, b + d / 2.0],
        }
    }

    fn numbers(self, [left, top, right, bottom]: [f32; 4]) -> [f32; 4] {
        let (width, height) = (right - left, bottom - top);
        match self {
            Self::Xyxy => [left, top, right, bottom],
            Self::Xywh => [left, top, width, height],
            Self::Cxcywh => [left + width / 2.0, top + height / 2.0, width, height],
        }
    }
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
    let class = class_of(label)?;
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

fn class_of(label: &FieldView<'_>) -> Result<i64> {
    Ok(match label.dtype() {
        RowDType::U8 => i64::from(label.as_slice::<u8>()?[0]),
        RowDType::U16 => i64::from(label.as_slice::<u16>()?[0]),
        RowDType::U32 => i64::from(label.as_slice::<u32>()?[0]),
        RowDType::I16 => i64::from(label.as_slice::<i16>()?[0]),
        RowDType::I32 => i64::from(label.as_slice::<i32>()?[0]),
        _ => label.as_slice::<i64>()?[0],
    })
}
