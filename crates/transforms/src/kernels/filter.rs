//! Neighbourhood filters of a row: sharpness. A blur is a resize with other weights: see `taps`.

use super::Simd;
use super::math::{clamp, to_u8};

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
    // Six of nine loads are beside whole vectors: AVX-512 took one and a half times as long.
    simd.without_v4().run(
        #[inline(always)]
        move || {
            for (k, x) in inner.iter_mut().enumerate() {
                let sum = (a[k] + b[k] + c[k]) + (d[k] + 5.0 * e[k] + g[k]) + (h[k] + i[k] + j[k]);
                *x = clamp(f * e[k] + rest * (sum / 13.0), 0.0, max);
            }
        },
    );
}

/// 1/13 as a number of 9 bits and the rest. The product of the first and a sum is exact, so that both
/// products together are rounded once: for every sum of bytes they are the quotient that
/// [`sharpen_row`] has, which takes several times as long.
const THIRTEENTH: [f32; 2] = [f32::from_bits(0x3d9d_8000), f32::from_bits(0x379d_89d9)];

/// [`sharpen_row`] from bytes to bytes, of the range 0 to 255: `rows` are above, in the middle and
/// below, with pixels `apart` elements from each other, three at least. `sums` is room for as many
/// numbers as a row has. Sums of bytes are exact in integers and in `f32`: the bits are the same.
pub(crate) fn sharpen_bytes(
    simd: Simd,
    rows: [&[u8]; 3],
    apart: usize,
    f: f32,
    sums: &mut [u16],
    dst: &mut [u8],
) {
    let [above, row, below] = rows;
    let (len, rest) = (dst.len(), 1.0 - f);
    dst[..apart].copy_from_slice(&row[..apart]);
    dst[len - apart..].copy_from_slice(&row[len - apart..]);
    let (row, inner) = (&row[..len], len - 2 * apart);
    let (above, below, sums) = (&above[..len], &below[..len], &mut sums[..len]);
    let dst = &mut dst[apart..][..inner];
    simd.run(
        #[inline(always)]
        move || {
            for (i, sum) in sums.iter_mut().enumerate() {
                *sum = u16::from(above[i]) + u16::from(row[i]) + u16::from(below[i]);
            }
            let [left, middle, right] = [0, 1, 2].map(|k| &sums[k * apart..][..inner]);
            for (i, (x, to)) in row[apart..][..inner].iter().zip(dst).enumerate() {
                let sum = left[i] + middle[i] + right[i] + 4 * u16::from(*x);
                let sum = f32::from(sum);
                let blur = sum * THIRTEENTH[0] + sum * THIRTEENTH[1];
                *to = to_u8(f * f32::from(*x) + rest * blur);
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
    fn a_thirteenth_of_every_sum_is_the_quotient() {
        for sum in 0..=13 * 255u16 {
            let sum = f32::from(sum);
            let product = sum * THIRTEENTH[0] + sum * THIRTEENTH[1];
            assert_eq!(product.to_bits(), (sum / 13.0).to_bits(), "{sum}");
        }
    }

    #[test]
    fn bytes_are_sharpened_as_floats_are_at_every_level() {
        for simd in Simd::levels() {
            for (n, apart) in [(3, 1), (9, 3), (33, 3), (224, 1), (675, 3), (90, 5)] {
                let bytes = |seed| -> Vec<u8> {
                    random(n, seed).into_iter().map(|x| (1.5 * x - 60.0) as u8).collect()
                };
                let rows = [1, 2, 3].map(bytes);
                let rows = [0, 1, 2].map(|k| &rows[k][..]);
                for f in [0.0, 0.3, 1.0, 1.5, 7.0, -3.0, 1e30, f32::INFINITY] {
                    let (mut sums, mut found) = (vec![7; n], vec![7; n]);
                    sharpen_bytes(simd, rows, apart, f, &mut sums, &mut found);
                    for channel in 0..apart {
                        let plane = |k: usize| -> Vec<f32> {
                            let plane = rows[k][channel..].iter().step_by(apart);
                            plane.map(|x| f32::from(*x)).collect()
                        };
                        let (a, b, c) = (plane(0), plane(1), plane(2));
                        let mut expected = vec![0.0; b.len()];
                        sharpen_row(simd, &a, &b, &c, f, 255.0, &mut expected);
                        let expected = expected.into_iter().map(to_u8);
                        let found = found[channel..].iter().step_by(apart).copied();
                        assert!(expected.eq(found), "{n}, {apart}, {f}");
                    }
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
