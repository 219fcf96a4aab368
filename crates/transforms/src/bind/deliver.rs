//! How an image is delivered: its type, its layout, and the scale of its values.

use std::borrow::Borrow;

use tallow_core::{Dim, Field, FieldMut, Result, RowDType};

use crate::compose::Sketch;
use crate::engine::{self, Memory, Output, Raw, widen};
use crate::kernels::Simd;
use crate::layout::Layout;
use crate::plan::{Head, StagePlan};
use crate::values::max_of;

/// Whether pixels of `dtype` can be computed with, not only moved.
pub(super) fn is_pixel(dtype: RowDType) -> bool {
    dtype != RowDType::F8E4M3
}

/// Whether the store makes `dtype` of pixels that can be computed with.
pub(super) fn is_delivered(dtype: RowDType) -> bool {
    matches!(dtype, RowDType::U8 | RowDType::F16 | RowDType::BF16 | RowDType::F32)
}

/// The layout of the delivered image: that of the raw field, or channels first for networks, or
/// what a step says.
pub(super) fn delivered_layout(sketch: &Sketch) -> Layout {
    let raw = sketch.raw_layout;
    let is_float = |dtype| matches!(dtype, RowDType::F16 | RowDType::BF16 | RowDType::F32);
    let is_for_networks = sketch.normalized || sketch.dtype.is_some_and(is_float);
    sketch.layout.unwrap_or(if is_for_networks { raw.channels_first() } else { raw })
}

/// The image in `field` as it is delivered.
///
/// # Errors
///
/// When it cannot be made in that type.
pub(super) fn delivered_field(
    field: &Field,
    sketch: &mut Sketch,
    layout: Layout,
) -> std::result::Result<Field, String> {
    let raw = field.dtype();
    let becomes_f32 = raw == RowDType::U16 || widen::is_widened(raw);
    let natural =
        if sketch.normalized || sketch.computes && becomes_f32 { RowDType::F32 } else { raw };
    let dtype = sketch.dtype.unwrap_or(natural);
    if (sketch.computes || dtype != raw) && !(is_delivered(dtype) && is_pixel(raw)) {
        return Err(format!("cannot deliver {raw} as {dtype}: u8, f16, bf16 and f32 are made"));
    }
    // Bytes have black and white.
    if dtype == RowDType::U8 && raw != dtype && !sketch.normalized {
        sketch.needs_ends().map_err(|problem| format!("to_dtype: {problem}"))?;
    }
    if sketch.normalized && dtype == RowDType::U8 {
        return Err("normalised values do not fit u8".to_owned());
    }
    let dims = layout.join(sketch.size, Dim::Fixed(sketch.channels));
    Ok(Field::with_dims(field.name(), dtype, dims.to_vec()))
}

/// What values of the raw range are multiplied with, and then added, to be delivered as `dtype`.
pub(super) fn scale_of(sketch: &Sketch, dtype: RowDType) -> [f32; 2] {
    let values = sketch.values;
    match values.ends() {
        // Unchanged: no other type was asked for, or there is no range to scale.
        Some(_) if sketch.dtype.is_none() && !values.has_levels() => [1.0, 0.0],
        None => [1.0, 0.0],
        Some([low, high]) => {
            let scale = max_of(dtype) / (high - low);
            // Not the product of -0.
            [scale as f32, (0.0 - low * scale) as f32]
        }
    }
}

/// Whether an image of `raw` that is delivered as `dtype`, and is not computed with, is moved as it
/// is: types that are read and delivered unchanged take the faster way, which keeps their values too.
pub(super) fn is_moved(sketch: &Sketch, raw: RowDType, dtype: RowDType) -> bool {
    !sketch.computes && dtype == raw && (widen::is_widened(raw) || !is_delivered(raw))
}

/// Makes the image `to`, which is delivered in `layout`, of `raw`.
pub(super) fn make(
    simd: Simd,
    stages: impl Iterator<Item = impl Borrow<StagePlan>> + Clone,
    raw: &Raw<'_>,
    layout: Layout,
    memory: &mut Memory<'_>,
    to: &mut FieldMut<'_>,
) -> Result<()> {
    let mut size = [0; 3];
    for plan in stages.clone() {
        let plan = plan.borrow();
        if plan.head() != Head::Skip {
            size = plan.size.map(|len| len as usize);
        }
    }
    let channels = raw.elements.channels;
    to.set_shape(&layout.join(size, channels))?;
    if size.contains(&0) {
        // A sequence without tokens stays one: there is no row to make.
        return to.copy_from_bytes(&[]);
    }
    let mut output = Output::new(to, size[2], channels, layout.is_interleaved())?;
    engine::run(simd, stages, raw, memory, Some(&mut output))
}
