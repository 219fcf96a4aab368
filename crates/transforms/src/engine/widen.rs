//! Raw images of types that stages do not read: made `f32` before anything else.
//!
//! Stages are compiled for the four types that images mostly have. The others cost one more pass
//! over the raw image instead of six more copies of every stage.

use half::{bf16, f16};
use tallow_core::{Element, Field, FieldView, Result, RowDType};

use super::raw::Raw;
use crate::kernels::Simd;
use crate::kernels::convert::{Pixel, first_beyond, load};

/// Whether pixels of `dtype` are widened.
pub(crate) fn is_widened(dtype: RowDType) -> bool {
    !matches!(dtype, RowDType::U8 | RowDType::U16 | RowDType::F16 | RowDType::F32)
}

/// The most elements of `field` that are widened.
pub(crate) fn elements(field: &Field) -> usize {
    if is_widened(field.dtype()) { field.max_shape().iter().product() } else { 0 }
}

/// Calls `$call` with the element type of a dtype.
macro_rules! with_element {
    ($dtype:expr, $call:ident($($arg:expr),*)) => {
        match $dtype {
            RowDType::F16 => $call::<f16>($($arg),*),
            RowDType::BF16 => $call::<bf16>($($arg),*),
            RowDType::F64 => $call::<f64>($($arg),*),
            RowDType::I16 => $call::<i16>($($arg),*),
            RowDType::I32 => $call::<i32>($($arg),*),
            RowDType::I64 => $call::<i64>($($arg),*),
            RowDType::U32 => $call::<u32>($($arg),*),
            // `bind` lets no other type through.
            _ => $call::<f32>($($arg),*),
        }
    };
}

/// The elements of `raw` as `f32`, in `image`: rounded to nearest, ties to even.
pub(super) fn widen<'a>(simd: Simd, raw: &Raw<'_>, image: &'a mut [f32]) -> &'a mut [f32] {
    fn of<'a, T: Pixel + Element>(
        simd: Simd,
        raw: &Raw<'_>,
        image: &'a mut [f32],
    ) -> &'a mut [f32] {
        let pixels = raw.pixels::<T>();
        let image = &mut image[..pixels.len()];
        load(simd, pixels, image);
        image
    }
    with_element!(raw.dtype, of(simd, raw, image))
}

/// The first element of `raw` that is a finite number further than `reach[1]` from `reach[0]`, with
/// its value.
pub(crate) fn beyond(
    simd: Simd,
    raw: &FieldView<'_>,
    reach: [f32; 2],
) -> Result<Option<(usize, f64)>> {
    fn of<T: Pixel + Element>(
        simd: Simd,
        raw: &FieldView<'_>,
        [middle, most]: [f32; 2],
    ) -> Result<Option<(usize, f64)>> {
        let pixels = raw.as_slice::<T>()?;
        let at = first_beyond(simd, pixels, middle, most);
        Ok(at.map(|at| (at, f64::from(pixels[at].to_f32()))))
    }
    with_element!(raw.dtype(), of(simd, raw, reach))
}
