//! Components to the colours that are wanted: exactly libjpeg's conversions, and PIL's for ink and
//! for grey.

#[cfg(target_arch = "x86_64")]
mod v3;

use super::STEP;
use crate::jpeg::frame::ColorModel;
use crate::{Color, Simd};

/// One component of the pixels of a step.
type Lane = [u8; STEP];

/// What is done to the components of a pixel.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Conversion {
    from: ColorModel,
    to: Target,
}

/// The channels of a pixel.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Target {
    Gray,
    Rgb,
    Rgba,
}

impl Conversion {
    pub(super) fn new(from: ColorModel, color: Color) -> Self {
        let to = match (color, from) {
            (Color::Gray, _) | (Color::Stored, ColorModel::Gray) => Target::Gray,
            (Color::Rgb | Color::Stored, _) => Target::Rgb,
            (Color::Rgba, _) => Target::Rgba,
        };
        Self { from, to }
    }

    /// How many of the frame's components it looks at, from the first on.
    pub(super) fn components(self) -> usize {
        match (self.from, self.to) {
            (ColorModel::Gray, _) | (ColorModel::YCbCr, Target::Gray) => 1,
            (ColorModel::YCbCr | ColorModel::Rgb, _) => 3,
            (ColorModel::Cmyk | ColorModel::Ycck, _) => 4,
        }
    }

    /// Bytes of a pixel.
    pub(super) fn pixel_bytes(self) -> usize {
        match self.to {
            Target::Gray => 1,
            Target::Rgb => 3,
            Target::Rgba => 4,
        }
    }

    /// Writes a row of pixels. The rows of [`components`](Self::components) are as long, rounded up to
    /// [`STEP`]; those after them are not looked at.
    pub(super) fn row(self, simd: Simd, components: [&[u8]; 4], pixels: &mut [u8]) {
        if self.components() == 1 && self.to == Target::Gray {
            pixels.copy_from_slice(&components[0][..pixels.len()]);
            return;
        }
        #[cfg(target_arch = "x86_64")]
        if let Some(v3) = simd.v3() {
            return v3::row(v3, self, components, pixels);
        }
        simd.run(
            #[inline(always)]
            || self.row_with(Portable, components, pixels),
        );
    }

    #[inline(always)]
    fn row_with(self, lanes: impl Lanes, [a, b, c, d]: [&[u8]; 4], pixels: &mut [u8]) {
        let to = self.to;
        match self.from {
            ColorModel::Gray => each(
                lanes,
                to,
                [a],
                pixels,
                #[inline(always)]
                |[y]| [y; 3],
            ),
            ColorModel::Rgb => each(
                lanes,
                to,
                [a, b, c],
                pixels,
                #[inline(always)]
                |rgb| rgb,
            ),
            ColorModel::YCbCr => each(
                lanes,
                to,
                [a, b, c],
                pixels,
                #[inline(always)]
                |ycc| lanes.rgb_of_ycc(ycc),
            ),
            ColorModel::Cmyk => each(
                lanes,
                to,
                [a, b, c, d],
                pixels,
                #[inline(always)]
                |[c, m, y, k]| rgb_of_ink([c, m, y], k),
            ),
            ColorModel::Ycck => each(
                lanes,
                to,
                [a, b, c, d],
                pixels,
                #[inline(always)]
                |[y, cb, cr, k]| rgb_of_ink(inverted(lanes.rgb_of_ycc([y, cb, cr])), k),
            ),
        }
    }
}

#[inline(always)]
fn inverted(mut lanes: [Lane; 3]) -> [Lane; 3] {
    for value in lanes.as_flattened_mut() {
        *value = 255 - *value;
    }
    lanes
}

/// Converts a row, step by step.
#[inline(always)]
fn each<const N: usize>(
    lanes: impl Lanes,
    to: Target,
    components: [&[u8]; N],
    pixels: &mut [u8],
    rgb: impl Fn([Lane; N]) -> [Lane; 3],
) {
    match to {
        Target::Gray => steps(
            components,
            pixels,
            #[inline(always)]
            |step| gray_of_rgb(rgb(step)),
        ),
        Target::Rgb => steps(
            components,
            pixels,
            #[inline(always)]
            |step| lanes.interleave(rgb(step)),
        ),
        Target::Rgba => steps(
            components,
            pixels,
            #[inline(always)]
            |step| lanes.interleave_opaque(rgb(step)),
        ),
    }
}

#[inline(always)]
fn steps<const N: usize, const BYTES: usize>(
    components: [&[u8]; N],
    pixels: &mut [u8],
    convert: impl Fn([Lane; N]) -> [u8; BYTES],
) {
    let (whole, rest) = pixels.as_chunks_mut::<BYTES>();
    let steps = whole.len() + usize::from(!rest.is_empty());
    let components = components.map(|row| &row.as_chunks::<STEP>().0[..steps]);
    for (k, to) in whole.iter_mut().enumerate() {
        *to = convert(step(components, k));
    }
    if !rest.is_empty() {
        let last = convert(step(components, steps - 1));
        rest.copy_from_slice(&last[..rest.len()]);
    }
}

#[inline(always)]
fn step<const N: usize>(components: [&[Lane]; N], k: usize) -> [Lane; N] {
    let mut lanes = [[0; STEP]; N];
    for (lane, row) in lanes.iter_mut().zip(components) {
        *lane = row[k];
    }
    lanes
}

/// What is written apart for each level of vector instructions.
trait Lanes: Copy {
    /// Luma and differences to red, green and blue.
    fn rgb_of_ycc(self, ycc: [Lane; 3]) -> [Lane; 3];

    /// Three bytes for each pixel.
    fn interleave(self, rgb: [Lane; 3]) -> [u8; 3 * STEP];

    /// Four bytes for each pixel: alpha is 255.
    fn interleave_opaque(self, rgb: [Lane; 3]) -> [u8; 4 * STEP];
}

/// What a difference contributes to red (of Cr) and blue (of Cb), and to green (of both), with 16
/// fractional bits: JFIF's 1.402, 1.772, -0.34414 and -0.71414, rounded.
const RED: i32 = 91881;
const BLUE: i32 = 116130;
const GREEN: [i32; 2] = [-22554, -46802];
const HALF: i32 = 1 << 15;

#[derive(Clone, Copy)]
struct Portable;

impl Lanes for Portable {
    #[inline(always)]
    fn rgb_of_ycc(self, [y, cb, cr]: [Lane; 3]) -> [Lane; 3] {
        let mut rgb = [[0; STEP]; 3];
        for k in 0..STEP {
            let [y, cb, cr] = [y[k], cb[k], cr[k]].map(i32::from);
            let (cb, cr) = (cb - 128, cr - 128);
            let red = y + ((RED * cr + HALF) >> 16);
            let green = y + ((GREEN[0] * cb + GREEN[1] * cr + HALF) >> 16);
            let blue = y + ((BLUE * cb + HALF) >> 16);
            rgb[0][k] = red.clamp(0, 255) as u8;
            rgb[1][k] = green.clamp(0, 255) as u8;
            rgb[2][k] = blue.clamp(0, 255) as u8;
        }
        rgb
    }

    #[inline(always)]
    fn interleave(self, [r, g, b]: [Lane; 3]) -> [u8; 3 * STEP] {
        let mut pixels = [0; 3 * STEP];
        for (k, pixel) in pixels.as_chunks_mut::<3>().0.iter_mut().enumerate() {
            *pixel = [r[k], g[k], b[k]];
        }
        pixels
    }

    #[inline(always)]
    fn interleave_opaque(self, [r, g, b]: [Lane; 3]) -> [u8; 4 * STEP] {
        let mut pixels = [0; 4 * STEP];
        for (k, pixel) in pixels.as_chunks_mut::<4>().0.iter_mut().enumerate() {
            *pixel = [r[k], g[k], b[k], 255];
        }
        pixels
    }
}

/// PIL's `convert("L")`.
#[inline(always)]
fn gray_of_rgb([r, g, b]: [Lane; 3]) -> Lane {
    let mut gray = [0; STEP];
    for k in 0..STEP {
        let [r, g, b] = [r[k], g[k], b[k]].map(u32::from);
        gray[k] = ((19595 * r + 38470 * g + 7471 * b + (1 << 15)) >> 16) as u8;
    }
    gray
}

/// PIL's `convert("RGB")` of ink that is stored inverted: 255 is no ink.
#[inline(always)]
fn rgb_of_ink(inks: [Lane; 3], black: Lane) -> [Lane; 3] {
    let mut rgb = [[0; STEP]; 3];
    for (channel, ink) in rgb.iter_mut().zip(inks) {
        for k in 0..STEP {
            let light = u16::from(black[k]);
            let product = u16::from(255 - ink[k]) * light + 128;
            channel[k] = (light - ((product + (product >> 8)) >> 8)) as u8;
        }
    }
    rgb
}

#[cfg(test)]
mod tests {
    use super::*;

    const MODELS: [ColorModel; 5] =
        [ColorModel::Gray, ColorModel::YCbCr, ColorModel::Rgb, ColorModel::Cmyk, ColorModel::Ycck];

    /// libjpeg's tables, which it fills and adds in floating point and 32 bits.
    fn ycc(y: u8, cb: u8, cr: u8) -> [u8; 3] {
        let fix = |x: f64| (x * 65536.0 + 0.5) as i32;
        let (cb, cr) = (i32::from(cb) - 128, i32::from(cr) - 128);
        let offsets = [
            (fix(1.402) * cr + 32768) >> 16,
            (-fix(0.34414) * cb + 32768 - fix(0.71414) * cr) >> 16,
            (fix(1.772) * cb + 32768) >> 16,
        ];
        offsets.map(|offset| (i32::from(y) + offset).clamp(0, 255) as u8)
    }

    /// A row of every Cb and Cr.
    fn differences(cb: u8) -> [Vec<u8>; 2] {
        [vec![cb; 256], (0..=255).collect()]
    }

    #[test]
    fn every_luma_and_difference_becomes_the_rgb_of_libjpeg_at_every_level() {
        let conversion = Conversion::new(ColorModel::YCbCr, Color::Rgb);
        // Offsets do not depend on luma, so that a few suffice.
        for (y, cb) in
            [0, 1, 99, 128, 254, 255].into_iter().flat_map(|y| (0..=255).map(move |cb| (y, cb)))
        {
            let [cbs, crs] = differences(cb);
            let expected: Vec<u8> = crs.iter().flat_map(|&cr| ycc(y, cb, cr)).collect();
            for simd in Simd::levels() {
                let mut pixels = vec![0; 768];
                conversion.row(simd, [&[y; 256], &cbs, &crs, &[]], &mut pixels);
                assert_eq!(pixels, expected, "Y {y}, Cb {cb} at {simd:?}");
            }
        }
    }

    #[test]
    fn any_length_of_any_colours_is_the_same_at_every_level() {
        let mut state = 1u32;
        let rows: [Vec<u8>; 4] = std::array::from_fn(|_| {
            (0..128)
                .map(|_| {
                    state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
                    (state >> 24) as u8
                })
                .collect()
        });
        let rows = rows.each_ref().map(|row| &row[..]);
        let scalar = Simd::named("scalar").unwrap();
        for (from, color) in MODELS.into_iter().flat_map(|from| {
            [Color::Gray, Color::Rgb, Color::Rgba, Color::Stored].map(|color| (from, color))
        }) {
            let conversion = Conversion::new(from, color);
            let mut whole = vec![0; 128 * conversion.pixel_bytes()];
            conversion.row(scalar, rows, &mut whole);
            for (simd, count) in Simd::levels()
                .into_iter()
                .flat_map(|simd| (1..=128).map(move |count| (simd, count)))
            {
                let mut pixels = vec![0; count * conversion.pixel_bytes()];
                conversion.row(simd, rows, &mut pixels);
                assert_eq!(pixels, whole[..pixels.len()], "{conversion:?} at {simd:?}");
            }
        }
    }

    #[test]
    fn channels_are_side_by_side() {
        let simd = Simd::detect();
        let rows: [Vec<u8>; 4] =
            std::array::from_fn(|k| (0..64).map(|i| 50 * k as u8 + i).collect());
        let rows = rows.each_ref().map(|row| &row[..]);
        let row = |from, color, count| {
            let conversion = Conversion::new(from, color);
            let mut pixels = vec![0; count * conversion.pixel_bytes()];
            conversion.row(simd, rows, &mut pixels);
            pixels
        };
        assert_eq!(row(ColorModel::Rgb, Color::Rgb, 2), [0, 50, 100, 1, 51, 101]);
        assert_eq!(row(ColorModel::Rgb, Color::Rgba, 2), [0, 50, 100, 255, 1, 51, 101, 255]);
        assert_eq!(row(ColorModel::Gray, Color::Rgb, 2), [0, 0, 0, 1, 1, 1]);
        assert_eq!(row(ColorModel::Gray, Color::Stored, 2), [0, 1]);
        assert_eq!(row(ColorModel::YCbCr, Color::Gray, 2), [0, 1]);
        // (19595 * 1 + 38470 * 51 + 7471 * 101 + 32768) >> 16
        assert_eq!(row(ColorModel::Rgb, Color::Gray, 2)[1], 42);
    }
}
