//! A second image tied to its field: checked, and made by the stages of the first.

use tallow_core::{Dim, Error, Field, FieldMut, FieldView, Result, RowDType};

use super::deliver::{self, delivered_field, delivered_layout, is_moved, is_pixel, scale_of};
use super::follow::Follow;
use super::pixels::Pixels;
use super::select::{Select, rounded};
use super::targets::Mixed;
use crate::compose::{LEN_MAX, Mixing, Sketch};
use crate::engine::{self, Extents, Memory, widen};
use crate::kernels::Simd;
use crate::layout::Layout;
use crate::plan::{CHANNELS_MAX, Interpolation, StagePlan, canvas};
use crate::second_image::SecondImage;
use crate::steps::check_layout;
use crate::values::Values;

/// A second image of which pixels are computed.
#[derive(Debug, Clone)]
pub(super) struct BoundImage {
    pub(super) layout: Layout,
    pub(super) delivered: Layout,
    follow: Follow,
}

/// What a second image is once it is bound.
pub(super) struct Bound {
    /// As it is delivered.
    pub(super) field: Field,
    pub(super) extents: Extents,
    pub(super) image: BoundImage,
    /// Set where pixels are only moved, in a type that is not computed.
    pub(super) select: Option<Select>,
}

impl BoundImage {
    /// Binds `image` to the pixels of `field`, which lie as `layout` says and follow the image of
    /// `first`.
    ///
    /// # Errors
    ///
    /// What does not fit.
    pub(super) fn bind(
        image: &SecondImage,
        field: &Field,
        layout: Layout,
        first: &Sketch,
    ) -> std::result::Result<Bound, String> {
        let mut sketch = sketch_of(image, field, layout, first)?;
        let delivered = delivered_layout(&sketch);
        let made = delivered_field(field, &mut sketch, delivered)?;
        let extents = Extents::of(&sketch);
        let times = image.times as i32;
        let select = match is_moved(&sketch, field.dtype(), made.dtype()) {
            false => None,
            true => {
                let fill = Some(fill_of(image, &sketch)?);
                Some(Select { from: layout, to: delivered, fill, times, extents })
            }
        };
        let widened = if select.is_some() { 0 } else { widen::elements(field) };
        let (scale, bias) = stored(image, &sketch, made.dtype());
        let follow = Follow {
            times,
            interpolation: image.interpolation,
            fill: image.fill.channels(sketch.values.unit() as f32),
            scale,
            bias,
        };
        let image = Self { layout, delivered, follow };
        Ok(Bound { field: made, extents: Extents { widened, ..extents }, image, select })
    }

    fn stages<'a>(
        &'a self,
        plans: impl Iterator<Item = StagePlan> + Clone + 'a,
    ) -> impl Iterator<Item = StagePlan> + Clone + 'a {
        plans.map(|plan| self.follow.stage(&plan))
    }

    /// Makes the delivered field of one sample.
    #[expect(clippy::too_many_arguments, reason = "all that a row has")]
    pub(super) fn run(
        &self,
        simd: Simd,
        pixels: Pixels<'_>,
        plans: &[StagePlan],
        from: &FieldView<'_>,
        mixed: Option<Mixed<'_>>,
        extents: &Extents,
        to: &mut FieldMut<'_>,
        scratch: &mut [u8],
    ) -> Result<()> {
        let (scratch, _) = scratch.split_at_mut(extents.bytes());
        let mut memory = Memory::divide(extents, scratch);
        if let Some(Mixed { field, theirs, .. }) = mixed.filter(|mixed| !mixed.theirs.is_empty()) {
            let stages = self.stages(theirs.stages());
            let kept = pixels.of(&field, self.layout, stages.clone(), |raw| {
                engine::run(simd, stages, raw, &mut memory, None)?;
                let canvas = &mut *memory.canvases[canvas::PARTNER as usize];
                theirs.spread(canvas, raw.planes(), 1, self.follow.times);
                Ok(())
            });
            kept.flatten().map_err(Error::of_partner)?;
        }
        let stages = self.stages(plans.iter().copied());
        pixels.of(from, self.layout, stages.clone(), |raw| {
            deliver::make(simd, stages, raw, self.delivered, &mut memory, to)
        })?
    }
}

/// `size`, `times` as high and as wide.
pub(super) fn enlarged_size([depth, height, width]: [Dim; 3], times: usize) -> [Dim; 3] {
    let enlarged = |dim: Dim| match dim {
        Dim::Fixed(len) => Dim::Fixed(len.saturating_mul(times)),
        Dim::Ragged { max } => Dim::Ragged { max: max.saturating_mul(times) },
    };
    [depth, enlarged(height), enlarged(width)]
}

/// What is known of a second image after the chain that `first` sketches.
fn sketch_of(
    image: &SecondImage,
    field: &Field,
    layout: Layout,
    first: &Sketch,
) -> std::result::Result<Sketch, String> {
    let Dim::Fixed(channels) = layout.split(field.dims(), Dim::Fixed(1)).1 else {
        return Err(format!("found {field}, whose channels are ragged"));
    };
    let mut sketch = first.clone();
    (sketch.channels, sketch.normalized) = (channels, false);
    (sketch.raw, sketch.raw_layout) = (field.dtype(), layout);
    (sketch.dtype, sketch.layout) = (image.dtype, None);
    sketch.values = Values::of(image.range, field.dtype(), layout)?;
    image.fill.check(&sketch)?;
    sketch.computes = interpolates(image, first) || first.mixing == Mixing::Blends;
    if let Some(normalization) = &image.normalization {
        normalization.check(&sketch)?;
        if normalization.len() > 1 && channels > CHANNELS_MAX {
            return Err(format!("found {channels} channels, expected one mean for all of them"));
        }
        (sketch.computes, sketch.normalized) = (true, true);
    }
    if sketch.computes && !is_pixel(field.dtype()) {
        return Err(format!("found {field}, whose pixels are moved but not computed with"));
    }
    if let Some(layout) = image.layout {
        check_layout(&sketch, layout)?;
        sketch.layout = Some(layout);
    }
    enlarge(image, &mut sketch)?;
    sketch.needs_room()?;
    Ok(sketch)
}

/// Whether values between pixels are computed for the second image.
fn interpolates(image: &SecondImage, first: &Sketch) -> bool {
    match image.interpolation {
        None => first.interpolates,
        Some(Interpolation::Nearest) => false,
        Some(_) => first.resamples,
    }
}

/// Makes room for images of that size, found by filters of that kind.
fn enlarge(image: &SecondImage, sketch: &mut Sketch) -> std::result::Result<(), String> {
    let times = image.times;
    check_times(times, sketch)?;
    sketch.size = enlarged_size(sketch.size, times);
    sketch.raw_size = enlarged_size(sketch.raw_size, times);
    for stage in &mut sketch.stages {
        stage.statistic = false;
        (stage.width, stage.height) = (stage.width * times, stage.height * times);
        stage.elements = stage.elements.saturating_mul(times * times);
        if let Some(interpolation) = image.interpolation {
            stage.widen_taps(interpolation.support());
        }
    }
    Ok(())
}

/// Whether the chain can be followed by an image `times` as large.
fn check_times(times: usize, sketch: &Sketch) -> std::result::Result<(), String> {
    if times == 1 {
        return Ok(());
    }
    let [has_depth, has_height, _] = sketch.raw_layout.axes();
    let problem = if times == 0 || sketch.longest.saturating_mul(times) > LEN_MAX {
        format!("found times {times}, expected at least 1, and axes of at most {LEN_MAX}")
    } else if has_depth || !has_height {
        "found times of a volume or a signal, expected images".to_owned()
    } else if sketch.stages.iter().any(|stage| stage.elastic) {
        "found an elastic map, which moves single pixels: no larger image can follow it".to_owned()
    } else if sketch.reflects {
        "found a border that is reflected at the middle of a pixel, which a larger image does not \
         have: say mode=symmetric"
            .to_owned()
    } else {
        return Ok(());
    };
    Err(problem)
}

/// The value outside as an element, where pixels are only moved.
fn fill_of(image: &SecondImage, sketch: &Sketch) -> std::result::Result<[u8; 8], String> {
    let (fill, dtype) = (image.fill, sketch.raw);
    let value = fill.single().map(|value| value * sketch.values.unit());
    value.and_then(|value| dtype.element(rounded(dtype, value))).ok_or_else(|| {
        format!(
            "found the fill {fill} of pixels that are only moved, expected one for all channels"
        )
    })
}

/// What the store multiplies by, and what it adds.
fn stored(
    image: &SecondImage,
    sketch: &Sketch,
    dtype: RowDType,
) -> ([f32; CHANNELS_MAX], [f32; CHANNELS_MAX]) {
    let Some(normalization) = &image.normalization else {
        let [scale, bias] = scale_of(sketch, dtype);
        return ([scale; CHANNELS_MAX], [bias; CHANNELS_MAX]);
    };
    let pairs: [(f32, f32); CHANNELS_MAX] =
        std::array::from_fn(|c| normalization.pair(c, sketch.values.unit()));
    (pairs.map(|(scale, _)| scale), pairs.map(|(_, bias)| bias))
}
