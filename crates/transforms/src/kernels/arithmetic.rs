//! Sums and products of rows.

use super::Simd;

/// `x * scale + bias`.
pub(crate) fn affine(simd: Simd, x: &mut [f32], scale: f32, bias: f32) {
    simd.run(
        #[inline(always)]
        || x.iter_mut().for_each(|x| *x = *x * scale + bias),
    );
}

/// `a * x + b * other`.
pub(crate) fn blend(simd: Simd, x: &mut [f32], other: &[f32], a: f32, b: f32) {
    simd.run(
        #[inline(always)]
        || x.iter_mut().zip(other).for_each(|(x, other)| *x = a * *x + b * other),
    );
}
