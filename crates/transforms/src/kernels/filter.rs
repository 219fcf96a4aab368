//! Neighbourhood filters of a row: sharpness. A blur is a resize with other weights: see `taps`.

use super::Simd;
use super::math::clamp;

/// `dst = clamp(f * x + (1 - f) * blur, 0, max)`, with the blur `[1 1 1; 1 5 1; 1 1 1] / 13` of the
/// three rows; the first and the last pixel are `clamp(x, 0, max)`, as are the first and last row,
/// which the caller makes by [`clamp_row`]. All rows have the length of `dst`, three at least.
///
/// The sum is divided, not multiplied by 1/13, so that a constant image has an exact blur.
pub(crate) fn sharpen_row(
    simd: Simd,
    above: &[f32],
    row: &[f32],
    below: &[f32],
    f: f32,
    max: f32,
    dst: &mut [f32],
) {
    let n = dst.len();
    for outermost in [0, n - 1] {
        dst[outermost] = clamp(row[outermost], 0.0, max);
    }
    let (inner, rest) = (&mut dst[1..n - 1], 1.0 - f);
    // The three columns around each inner pixel, of each row.
    let around = |row| -> [&[f32]; 3] { columns(row, n) };
    let ([a, b, c], [d, e, g], [h, i, j]) = (around(above), around(row), around(below));
    simd.run(
        #[inline(always)]
        move || {
            for (k, x) in inner.iter_mut().enumerate() {
                let sum = (a[k] + b[k] + c[k]) + (d[k] + 5.0 * e[k] + g[k]) + (h[k] + i[k] + j[k]);
                *x = clamp(f * e[k] + rest * (sum / 13.0), 0.0, max);
            }
        },
    );
}

/// `x = clamp(x, 0, max)`.
pub(crate) fn clamp_row(simd: Simd, row: &mut [f32], max: f32) {
    simd.run(
        #[inline(always)]
        move || row.iter_mut().for_each(|x| *x = clamp(*x, 0.0, max)),
    );
}

/// The left, middle and right neighbours of the inner pixels of a row of `n`.
fn columns(row: &[f32], n: usize) -> [&[f32]; 3] {
    [&row[..n - 2], &row[1..n - 1], &row[2..n]]
}

#[cfg(test)]
mod tests {
    use super::*;

    fn random(n: usize, mut state: u32) -> Vec<f32> {
        let mut next = || {
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            (state >> 24) as f32
        };
        (0..n).map(|_| next()).collect()
    }

    #[test]
    fn sharpening_is_the_blend_with_the_blur_inside_and_a_clamp_at_the_border() {
        for simd in Simd::levels() {
            for n in [3, 10, 224, 225] {
                let [a, mut b, c] = [1, 2, 3].map(|seed| random(n, seed));
                // What an interpolation may leave beyond the range.
                (b[0], b[n - 1]) = (-7.0, 260.0);
                let mut dst = vec![0.0; n];
                sharpen_row(simd, &a, &b, &c, 1.7, 255.0, &mut dst);
                for i in 0..n {
                    let want = if i == 0 || i == n - 1 {
                        clamp(b[i], 0.0, 255.0)
                    } else {
                        let row = |r: &[f32], w| r[i - 1] + w * r[i] + r[i + 1];
                        let sum = row(&a, 1.0) + row(&b, 5.0) + row(&c, 1.0);
                        clamp(1.7 * b[i] + (1.0 - 1.7) * (sum / 13.0), 0.0, 255.0)
                    };
                    assert_eq!(dst[i].to_bits(), want.to_bits());
                }
            }
        }
    }

    #[test]
    fn a_constant_image_has_itself_as_blur() {
        let row = [77.0; 40];
        let mut dst = [0.0; 40];
        sharpen_row(Simd::detect(), &row, &row, &row, 0.0, 255.0, &mut dst);
        assert_eq!(dst, row);
    }
}
