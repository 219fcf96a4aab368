//! Pixels of several channels, or of 16 bits, become those of a colour.

use crate::Color;

/// Converts pixels of `C` channels (grey, grey and alpha, RGB, RGBA) of `B` bytes each, of which the
/// first is the upper one and the only one that counts. `key` is the pixel that is transparent in a
/// picture without an alpha channel. `color` is not [`Color::Stored`].
pub(crate) fn convert<const C: usize, const B: usize>(
    from: &[u8],
    color: Color,
    key: Option<&[u8]>,
    to: &mut [u8],
) {
    let pixels = from.chunks_exact(C * B);
    match color {
        Color::Gray if C < 3 => {
            for (to, from) in to.iter_mut().zip(pixels) {
                *to = from[0];
            }
        }
        Color::Gray => {
            for (to, from) in to.iter_mut().zip(pixels) {
                *to = luma(rgb::<C, B>(from));
            }
        }
        Color::Rgba if C == 4 && B == 1 => to.copy_from_slice(from),
        Color::Rgba => {
            for (to, from) in to.chunks_exact_mut(4).zip(pixels) {
                let [r, g, b] = rgb::<C, B>(from);
                to.copy_from_slice(&[r, g, b, alpha::<C, B>(from, key)]);
            }
        }
        Color::Rgb | Color::Stored if C == 3 && B == 1 => to.copy_from_slice(from),
        Color::Rgb | Color::Stored => {
            for (to, from) in to.chunks_exact_mut(3).zip(pixels) {
                to.copy_from_slice(&rgb::<C, B>(from));
            }
        }
    }
}

/// Grey of a colour as PIL's `convert("L")` makes it: ITU-R 601 in 16 bits after the point, rounded.
pub(crate) fn luma([r, g, b]: [u8; 3]) -> u8 {
    ((19595 * u32::from(r) + 38470 * u32::from(g) + 7471 * u32::from(b) + 32768) >> 16) as u8
}

fn rgb<const C: usize, const B: usize>(pixel: &[u8]) -> [u8; 3] {
    if C < 3 { [pixel[0]; 3] } else { [pixel[0], pixel[B], pixel[2 * B]] }
}

fn alpha<const C: usize, const B: usize>(pixel: &[u8], key: Option<&[u8]>) -> u8 {
    match C {
        2 => pixel[B],
        4 => pixel[3 * B],
        _ if key == Some(pixel) => 0,
        _ => 255,
    }
}
