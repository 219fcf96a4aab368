//! Colours of pixels of three bytes that stay bytes: read, changed and written in registers.
//!
//! A row of planes costs its operation, and twice as much again to come from bytes and go back.

use tallow_core::Run;

use super::Simd;
use super::color::{luma_of, saturated};
use super::math::to_u8;

#[cfg(target_arch = "x86_64")]
mod v3;

/// How the colours of a pixel change.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum Recolor {
    /// The luma in every channel.
    Grayscale,
    /// Further from the luma by a factor, or nearer to it.
    Saturation(f32),
}

impl Recolor {
    /// The channels of a pixel before they are rounded.
    #[inline(always)]
    fn of(self, r: f32, g: f32, b: f32) -> [f32; 3] {
        match self {
            Self::Grayscale => [luma_of(r, g, b); 3],
            Self::Saturation(factor) => saturated(r, g, b, factor),
        }
    }
}

/// Writes the pixels `from`, of three bytes each, as `how` says, rounded half to even and saturated.
pub(crate) fn recolor(simd: Simd, from: &[u8], how: Recolor, to: &mut Run<'_, u8>) {
    let pixels = from.as_chunks().0;
    #[cfg(target_arch = "x86_64")]
    if let Some(v3) = simd.v3() {
        return v3::recolor(v3, pixels, how, to);
    }
    simd.run(
        #[inline(always)]
        move || {
            to.extend(pixels.iter().map(|[r, g, b]: &[u8; 3]| {
                let [r, g, b] = how.of(f32::from(*r), f32::from(*g), f32::from(*b));
                [to_u8(r), to_u8(g), to_u8(b)]
            }));
        },
    );
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kernels::{color, convert};

    fn recolored(simd: Simd, from: &[u8], how: Recolor) -> Vec<u8> {
        let mut to = vec![0; from.len()];
        recolor(simd, from, how, &mut Run::over(&mut to));
        to
    }

    /// The same by way of planes.
    fn by_planes(simd: Simd, from: &[u8], how: Recolor) -> Vec<u8> {
        let (n, mut pixels) = (from.len() / 3, vec![[0; 3]; from.len() / 3]);
        let mut planes = vec![0.0; 3 * n.max(1)];
        convert::deinterleave(simd, from, 3, &mut planes, n.max(1));
        let (r, rest) = planes.split_at_mut(n);
        let (g, rest) = rest.split_at_mut(n);
        let b = &mut rest[..n];
        match how {
            Recolor::Grayscale => color::grayscale(simd, r, g, b),
            Recolor::Saturation(factor) => color::saturation(simd, r, g, b, factor, 255.0),
        }
        convert::join_u8(simd, [r, g, b], [1.0; 3], [0.0; 3], &mut pixels);
        pixels.into_flattened()
    }

    #[test]
    fn every_colour_has_the_gray_of_its_luma() {
        let best = Simd::detect();
        let mut all = Vec::with_capacity(3 << 16);
        for r in 0..=255u8 {
            all.clear();
            for x in 0..1 << 16 {
                all.extend([r, (x >> 8) as u8, x as u8]);
            }
            let expected = by_planes(best, &all, Recolor::Grayscale);
            assert!(recolored(best, &all, Recolor::Grayscale) == expected, "red {r}");
        }
    }

    #[test]
    fn bytes_are_recoloured_as_planes_are() {
        let all: Vec<u8> = (0..3 * 1000).map(|i| (i * 167 + i / 256 * 13) as u8).collect();
        let factors = [0.0, 1.0, 0.3, 1.7, 1e30, f32::MAX, f32::INFINITY, f32::NAN];
        let ways = factors.into_iter().map(Recolor::Saturation).chain([Recolor::Grayscale]);
        for how in ways {
            for n in [0, 1, 7, 8, 9, 10, 11, 16, 19, 224, 225, 1000] {
                let from = &all[..3 * n];
                let expected = by_planes(Simd::detect(), from, how);
                for simd in Simd::levels() {
                    assert_eq!(recolored(simd, from, how), expected, "{how:?}, {n}, {simd:?}");
                    assert_eq!(by_planes(simd, from, how), expected);
                }
            }
        }
    }
}
