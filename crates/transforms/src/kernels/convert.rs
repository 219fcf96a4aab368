//! Between a field's stored elements and the planar `f32` rows that kernels work on.

use half::{bf16, f16};

use super::Simd;
use super::math::to_u8;

#[cfg(target_arch = "x86_64")]
pub(super) mod v3;

/// An element of a stored image.
pub(crate) trait Pixel: Copy + Default + Send + Sync + 'static {
    /// The value, rounded half to even where an `f32` does not hold it.
    fn to_f32(self) -> f32;

    /// The elements, if they are bytes.
    fn bytes(_elements: &[Self]) -> Option<&[u8]> {
        None
    }
}

impl Pixel for u8 {
    fn bytes(elements: &[Self]) -> Option<&[u8]> {
        Some(elements)
    }

    #[inline(always)]
    fn to_f32(self) -> f32 {
        f32::from(self)
    }
}

impl Pixel for u16 {
    #[inline(always)]
    fn to_f32(self) -> f32 {
        f32::from(self)
    }
}

impl Pixel for f16 {
    #[inline(always)]
    fn to_f32(self) -> f32 {
        from_half_bits(self.to_bits())
    }
}

impl Pixel for f32 {
    #[inline(always)]
    fn to_f32(self) -> f32 {
        self
    }
}

impl Pixel for bf16 {
    #[inline(always)]
    fn to_f32(self) -> f32 {
        f32::from_bits(u32::from(self.to_bits()) << 16)
    }
}

macro_rules! rounded {
    ($($number:ty),*) => {
        $(impl Pixel for $number {
            #[inline(always)]
            fn to_f32(self) -> f32 {
                self as f32
            }
        })*
    };
}

rounded!(f64, i16, i32, i64, u32);

/// Elements that are looked at before a loop asks what it found.
const LOOK: usize = 4096;

/// Whether `x` is a finite number further than `most` from `middle`. No infinity is near anything, and
/// NaN compares with nothing.
#[inline(always)]
fn is_beyond(x: f32, middle: f32, most: f32) -> bool {
    let away = (x - middle).abs();
    (away > most) & (away < f32::INFINITY)
}

/// The first element that is a finite number further than `most` from `middle`.
pub(crate) fn first_beyond<T: Pixel>(
    simd: Simd,
    src: &[T],
    middle: f32,
    most: f32,
) -> Option<usize> {
    src.chunks(LOOK).enumerate().find_map(|(chunk, src)| {
        let found = simd.run(
            #[inline(always)]
            || {
                src.iter()
                    .fold(0, |found, x| found | u32::from(is_beyond(x.to_f32(), middle, most)))
            },
        );
        let at = (found != 0).then(|| src.iter().position(|x| is_beyond(x.to_f32(), middle, most)));
        at.flatten().map(|at| chunk * LOOK + at)
    })
}

/// `dst[i] = src[i]` as `f32`.
pub(crate) fn load<T: Pixel>(simd: Simd, src: &[T], dst: &mut [f32]) {
    simd.run(
        #[inline(always)]
        move || dst.iter_mut().zip(src).for_each(|(x, s)| *x = s.to_f32()),
    );
}

/// `dst[i] = src[n - 1 - i]` as `f32`: a row flipped.
pub(crate) fn load_reversed<T: Pixel>(simd: Simd, src: &[T], dst: &mut [f32]) {
    let n = src.len().min(dst.len());
    let (src, dst) = (&src[..n], &mut dst[..n]);
    simd.run(
        #[inline(always)]
        move || dst.iter_mut().zip(src.iter().rev()).for_each(|(x, s)| *x = s.to_f32()),
    );
}

/// `planes[c * stride + i] = src[i * channels + c]`: a row of interleaved pixels becomes planes.
/// `src` holds whole pixels; `stride` is at least their number.
pub(crate) fn deinterleave<T: Pixel>(
    simd: Simd,
    src: &[T],
    channels: usize,
    planes: &mut [f32],
    stride: usize,
) {
    match channels {
        1 => load(simd, src, planes),
        3 => split_colors(simd, src, planes_of(planes, stride)),
        4 => split::<T, 4>(simd, src, planes_of(planes, stride)),
        _ => split_any(src.chunks_exact(channels), planes, stride),
    }
}

/// `planes[c * stride + w - 1 - i] = src[i * channels + c]`, w the pixels in `src`: also flipped.
pub(crate) fn deinterleave_reversed<T: Pixel>(
    simd: Simd,
    src: &[T],
    channels: usize,
    planes: &mut [f32],
    stride: usize,
) {
    match channels {
        1 => load_reversed(simd, src, planes),
        3 => split_colors_reversed(simd, src, planes_of(planes, stride)),
        4 => split_reversed::<T, 4>(simd, src, planes_of(planes, stride)),
        _ => split_any(src.chunks_exact(channels).rev(), planes, stride),
    }
}

/// The first `C` planes of `stride` values each; the last may be shorter.
fn planes_of<const C: usize>(planes: &mut [f32], stride: usize) -> [&mut [f32]; C] {
    let mut planes = planes.chunks_mut(stride.max(1));
    std::array::from_fn(|_| planes.next().unwrap_or_default())
}

/// Pixels of three channels to planes.
fn split_colors<T: Pixel>(simd: Simd, src: &[T], planes: [&mut [f32]; 3]) {
    #[cfg(target_arch = "x86_64")]
    if let (Some(v3), Some(bytes)) = (simd.v3(), T::bytes(src)) {
        return v3::split(v3, bytes.as_chunks().0, planes);
    }
    split::<T, 3>(simd, src, planes);
}

/// The same, the last pixel first.
fn split_colors_reversed<T: Pixel>(simd: Simd, src: &[T], planes: [&mut [f32]; 3]) {
    #[cfg(target_arch = "x86_64")]
    if let (Some(v3), Some(bytes)) = (simd.v3(), T::bytes(src)) {
        return v3::split_reversed(v3, bytes.as_chunks().0, planes);
    }
    split_reversed::<T, 3>(simd, src, planes);
}

/// Pixels of `C` channels to planes.
fn split<T: Pixel, const C: usize>(simd: Simd, src: &[T], planes: [&mut [f32]; C]) {
    let pixels = src.as_chunks::<C>().0;
    simd.run(
        #[inline(always)]
        move || {
            for (c, plane) in planes.into_iter().enumerate() {
                plane.iter_mut().zip(pixels).for_each(|(x, pixel)| *x = pixel[c].to_f32());
            }
        },
    );
}

/// [`split`], the last pixel first: planes are turned round where they lie, near enough to cost less
/// than blocks that are turned round on their way, whose conversions a compiler may not vectorise.
fn split_reversed<T: Pixel, const C: usize>(simd: Simd, src: &[T], mut planes: [&mut [f32]; C]) {
    let pixels = src.len() / C;
    split::<T, C>(simd, src, planes.each_mut().map(|plane| &mut plane[..pixels]));
    simd.run(
        #[inline(always)]
        move || planes.into_iter().for_each(|plane| plane[..pixels].reverse()),
    );
}

/// Any number of channels, a pixel at a time.
fn split_any<'a, T: Pixel>(
    pixels: impl Iterator<Item = &'a [T]>,
    planes: &mut [f32],
    stride: usize,
) {
    for (i, pixel) in pixels.enumerate() {
        for (c, x) in pixel.iter().enumerate() {
            planes[c * stride + i] = x.to_f32();
        }
    }
}

/// `dst[i][c] = src[i * channels + c]` for the first 4 channels: the row that `taps::horizontal4`
/// reads. Lanes beyond the channels hold some finite value or other.
pub(crate) fn load4<T: Pixel>(simd: Simd, src: &[T], channels: usize, dst: &mut [[f32; 4]]) {
    match channels {
        3 => load4_of_3(simd, src, dst),
        4 => load(simd, src, dst.as_flattened_mut()),
        _ => load4_of_any(src, channels, dst),
    }
}

/// Three channels: the fourth lane takes the next pixel's first, so that a pixel is one load.
fn load4_of_3<T: Pixel>(simd: Simd, src: &[T], dst: &mut [[f32; 4]]) {
    let wide = (src.len().max(1) - 1) / 3;
    let wide = wide.min(dst.len());
    let (head, tail) = dst.split_at_mut(wide);
    simd.run(
        #[inline(always)]
        move || {
            for (i, dst) in head.iter_mut().enumerate() {
                if let Some(pixel) = src.get(3 * i..3 * i + 4) {
                    *dst = std::array::from_fn(|c| pixel[c].to_f32());
                }
            }
        },
    );
    load4_of_any(&src[(3 * wide).min(src.len())..], 3, tail);
}

fn load4_of_any<T: Pixel>(src: &[T], channels: usize, dst: &mut [[f32; 4]]) {
    for (pixel, dst) in src.chunks_exact(channels).zip(dst) {
        *dst = std::array::from_fn(|c| pixel.get(c).map_or(0.0, |x| x.to_f32()));
    }
}

/// `dst = x * scale + bias`.
pub(crate) fn affine_store_f32(simd: Simd, dst: &mut [f32], x: &[f32], scale: f32, bias: f32) {
    store(
        simd,
        dst,
        x,
        #[inline(always)]
        move |x| x * scale + bias,
    );
}

/// `dst = x * scale + bias`, rounded half to even and saturated; NaN becomes 0.
pub(crate) fn affine_store_u8(simd: Simd, dst: &mut [u8], x: &[f32], scale: f32, bias: f32) {
    store(
        simd,
        dst,
        x,
        #[inline(always)]
        move |x| to_u8(x * scale + bias),
    );
}

/// `dst = x * scale + bias`, rounded to nearest even.
pub(crate) fn affine_store_f16(simd: Simd, dst: &mut [f16], x: &[f32], scale: f32, bias: f32) {
    store(
        simd,
        dst,
        x,
        #[inline(always)]
        move |x| f16::from_bits(half_bits(x * scale + bias)),
    );
}

/// `dst = x * scale + bias`, rounded to nearest even.
pub(crate) fn affine_store_bf16(simd: Simd, dst: &mut [bf16], x: &[f32], scale: f32, bias: f32) {
    store(
        simd,
        dst,
        x,
        #[inline(always)]
        move |x| bf16::from_bits(brain_bits(x * scale + bias)),
    );
}

/// `dst[i] = op(x[i])`.
#[inline(always)]
fn store<T>(simd: Simd, dst: &mut [T], x: &[f32], op: impl Fn(f32) -> T) {
    simd.run(
        #[inline(always)]
        move || dst.iter_mut().zip(x).for_each(|(dst, x)| *dst = op(*x)),
    );
}

/// `pixels[i][c] = planes[c][i] * scale[c] + bias[c]`, rounded half to even and saturated, NaN as 0:
/// what [`affine_store_u8`] of each plane and [`interleave`] give, in a quarter of the time.
pub(crate) fn join_u8(
    simd: Simd,
    planes: [&[f32]; 3],
    scale: [f32; 3],
    bias: [f32; 3],
    pixels: &mut [[u8; 3]],
) {
    #[cfg(target_arch = "x86_64")]
    if let Some(v3) = simd.v3() {
        return v3::join(v3, planes, scale, bias, pixels);
    }
    let [r, g, b] = planes.map(|plane| &plane[..pixels.len()]);
    simd.run(
        #[inline(always)]
        move || {
            for (i, pixel) in pixels.iter_mut().enumerate() {
                *pixel = [
                    to_u8(r[i] * scale[0] + bias[0]),
                    to_u8(g[i] * scale[1] + bias[1]),
                    to_u8(b[i] * scale[2] + bias[2]),
                ];
            }
        },
    );
}

/// `dst[i * channels + c] = planes[c * stride + i]`: planes back to whole pixels, for any element.
pub(crate) fn interleave<T: Copy>(
    simd: Simd,
    planes: &[T],
    stride: usize,
    channels: usize,
    dst: &mut [T],
) {
    match channels {
        1 => dst.copy_from_slice(&planes[..dst.len()]),
        3 => join::<T, 3>(simd, planes, stride, dst),
        4 => join::<T, 4>(simd, planes, stride, dst),
        _ => join_any(planes, stride, channels, dst),
    }
}

/// Planes to pixels of `C` channels.
fn join<T: Copy, const C: usize>(simd: Simd, planes: &[T], stride: usize, dst: &mut [T]) {
    let pixels = dst.as_chunks_mut::<C>().0;
    let n = pixels.len();
    let planes: [&[T]; C] = std::array::from_fn(|c| &planes[c * stride..][..n]);
    simd.run(
        #[inline(always)]
        move || {
            for (i, pixel) in pixels.iter_mut().enumerate() {
                *pixel = std::array::from_fn(|c| planes[c][i]);
            }
        },
    );
}

/// Any number of channels, a pixel at a time.
fn join_any<T: Copy>(planes: &[T], stride: usize, channels: usize, dst: &mut [T]) {
    for (i, pixel) in dst.chunks_exact_mut(channels).enumerate() {
        for (c, x) in pixel.iter_mut().enumerate() {
            *x = planes[c * stride + i];
        }
    }
}

/// The bits of the `f16` nearest to `x`, ties to even, by integers and one addition that rounds
/// subnormals: F. Giesen's `float_to_half_fast3_rtne` (public domain), with the `half` crate's
/// quiet NaN, and without a branch.
#[inline(always)]
fn half_bits(x: f32) -> u16 {
    let bits = x.to_bits();
    let (sign, magnitude) = ((bits >> 16) & 0x8000, bits & 0x7fff_ffff);
    // Exponent from bias 127 to 15, and half a unit of the last place, less one where it is even.
    let odd = (magnitude >> 13) & 1;
    let normal = magnitude.wrapping_add(0xc800_0fff).wrapping_add(odd) >> 13;
    // 0.5 has the unit 2^-24, the f16 subnormals' own.
    let subnormal = (f32::from_bits(magnitude) + 0.5).to_bits().wrapping_sub(0x3f00_0000);
    let nan = 0x7e00 | ((magnitude >> 13) & 0x3ff);
    let finite = if magnitude < 0x3880_0000 { subnormal } else { normal };
    let infinite = if magnitude > 0x7f80_0000 { nan } else { 0x7c00 };
    (sign | if magnitude < 0x4780_0000 { finite } else { infinite }) as u16
}

/// The bits of the `bf16` nearest to `x`, ties to even; NaN stays quiet NaN as in the `half` crate.
#[inline(always)]
fn brain_bits(x: f32) -> u16 {
    let bits = x.to_bits();
    let rounded = bits.wrapping_add(0x7fff).wrapping_add((bits >> 16) & 1) >> 16;
    let nan = (bits >> 16) | 0x40;
    (if bits & 0x7fff_ffff > 0x7f80_0000 { nan } else { rounded }) as u16
}

/// The value of an `f16`: its bits moved to the place of an `f32`'s, and the exponent's bias mended
/// by a product with a power of two, exact for subnormals as well.
#[inline(always)]
fn from_half_bits(bits: u16) -> f32 {
    let bits = u32::from(bits);
    let (sign, magnitude) = ((bits & 0x8000) << 16, (bits & 0x7fff) << 13);
    // 2^112, the difference of the biases.
    let finite = (f32::from_bits(magnitude) * f32::from_bits(0x7780_0000)).to_bits();
    let special = magnitude | 0x7f80_0000;
    // A NaN becomes quiet, as the hardware's conversion makes it.
    let special = if magnitude > 0x0f80_0000 { special | 0x0040_0000 } else { special };
    f32::from_bits(sign | if magnitude >= 0x0f80_0000 { special } else { finite })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn random(n: usize) -> Vec<u8> {
        let mut state = 1u32;
        let mut next = || {
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            (state >> 24) as u8
        };
        (0..n).map(|_| next()).collect()
    }

    fn check_split<T: Pixel>(of: impl Fn(u8) -> T) {
        for simd in Simd::levels() {
            for channels in 1..=5 {
                for w in [0, 1, 2, 7, 8, 9, 31, 32, 33, 64, 100, 224] {
                    let src: Vec<T> = random(w * channels).into_iter().map(&of).collect();
                    let stride = w + 3;
                    let (mut a, mut b) =
                        (vec![-1.0; stride * channels], vec![-1.0; stride * channels]);
                    deinterleave(simd, &src, channels, &mut a, stride);
                    deinterleave_reversed(simd, &src, channels, &mut b, stride);
                    for c in 0..channels {
                        for i in 0..w {
                            let want = src[i * channels + c].to_f32();
                            assert_eq!(a[c * stride + i], want, "{channels} channels, {w} wide");
                            assert_eq!(b[c * stride + w - 1 - i], want);
                        }
                        assert!(channels == 1 || a[c * stride + w..][..3] == [-1.0; 3]);
                    }
                    let mut back = vec![0.0; w * channels];
                    interleave(simd, &a, stride, channels, &mut back);
                    assert!(back.iter().zip(&src).all(|(x, s)| *x == s.to_f32()));
                    let mut wide = vec![[0.0; 4]; w];
                    load4(simd, &src, channels, &mut wide);
                    for (pixel, wide) in src.chunks(channels).zip(&wide) {
                        assert!(pixel.iter().zip(wide).all(|(p, x)| p.to_f32() == *x));
                    }
                }
            }
        }
    }

    #[test]
    fn planes_hold_each_channel_in_order_and_reversed() {
        check_split(|x| x);
        check_split(|x| u16::from(x) * 257);
        check_split(|x| f16::from_f32(f32::from(x) / 255.0));
        check_split(|x| f32::from(x) * 0.3);
    }

    #[test]
    fn joined_colours_are_the_stored_planes_side_by_side() {
        let odd = [f32::NAN, f32::INFINITY, f32::NEG_INFINITY, -0.0, 1e30, -1e30, 255.5, 254.5];
        for n in [0, 1, 7, 8, 9, 10, 16, 23, 224, 225] {
            let value = |x: u8, i: usize| match i % 5 {
                0 => odd[i / 5 % odd.len()],
                _ => f32::from(x) * 1.37 - 40.0,
            };
            let bytes = random(3 * n);
            let planes: Vec<f32> = bytes.iter().enumerate().map(|(i, x)| value(*x, i)).collect();
            let planes: [&[f32]; 3] = std::array::from_fn(|c| &planes[c * n..][..n]);
            for (scale, bias) in [([1.0; 3], [0.0; 3]), ([1.1, -0.5, 2.0], [3.0, 200.5, -7.0])] {
                for simd in Simd::levels() {
                    let mut pixels = vec![[9; 3]; n];
                    join_u8(simd, planes, scale, bias, &mut pixels);
                    for (c, plane) in planes.iter().enumerate() {
                        let mut stored = vec![0; n];
                        affine_store_u8(simd, &mut stored, plane, scale[c], bias[c]);
                        let found: Vec<u8> = pixels.iter().map(|pixel| pixel[c]).collect();
                        assert_eq!(found, stored, "channel {c} of {n} pixels, {simd:?}");
                    }
                }
            }
        }
    }

    #[test]
    fn interleave_keeps_bytes() {
        let planes: Vec<u8> = random(400);
        for simd in Simd::levels() {
            for channels in [1, 2, 3, 4] {
                let mut dst = vec![0; 77 * channels];
                interleave(simd, &planes, 100, channels, &mut dst);
                let same = |i: usize| dst[i] == planes[i % channels * 100 + i / channels];
                assert!((0..dst.len()).all(same));
            }
        }
    }

    #[test]
    fn every_half_is_read_as_the_half_crate_reads_it() {
        let halves: Vec<f16> = (0..=u16::MAX).map(f16::from_bits).collect();
        for simd in Simd::levels() {
            let mut x = vec![0.0; halves.len()];
            load(simd, &halves, &mut x);
            for (x, h) in x.iter().zip(&halves) {
                assert_eq!(x.to_bits(), h.to_f32_const().to_bits(), "{:#x}", h.to_bits());
            }
        }
    }

    #[test]
    fn halves_are_rounded_as_the_half_crate_rounds_them() {
        // Every 16-bit head with tails around the ties of either format.
        let tails = [
            0u32, 1, 0x0fff, 0x1000, 0x1001, 0x2fff, 0x3000, 0x7fff, 0x8000, 0x8001, 0xf000, 0xffff,
        ];
        let x: Vec<f32> = (0..=0xffffu32)
            .flat_map(|head| tails.map(|tail| f32::from_bits(head << 16 | tail)))
            .collect();
        for simd in Simd::levels() {
            let (mut h, mut b) = (vec![f16::ZERO; x.len()], vec![bf16::ZERO; x.len()]);
            store(
                simd,
                &mut h,
                &x,
                #[inline(always)]
                |x| f16::from_bits(half_bits(x)),
            );
            store(
                simd,
                &mut b,
                &x,
                #[inline(always)]
                |x| bf16::from_bits(brain_bits(x)),
            );
            for ((x, h), b) in x.iter().zip(&h).zip(&b) {
                let bits = x.to_bits();
                assert_eq!(h.to_bits(), f16::from_f32_const(*x).to_bits(), "{bits:#x}");
                assert_eq!(b.to_bits(), bf16::from_f32_const(*x).to_bits(), "{bits:#x}");
            }
        }
    }

    #[test]
    fn bytes_are_rounded_half_to_even_and_saturated() {
        let x = [0.5, 1.5, 2.5, -0.0, -9.0, 254.5, 255.5, 1e30, f32::NAN, f32::INFINITY, 7.49];
        for simd in Simd::levels() {
            let mut bytes = [9; 11];
            affine_store_u8(simd, &mut bytes, &x, 1.0, 0.0);
            assert_eq!(bytes, [0, 2, 2, 0, 0, 254, 255, 255, 0, 255, 7]);
            affine_store_u8(simd, &mut bytes, &x, -2.0, 100.0);
            assert_eq!(bytes[..4], [99, 97, 95, 100]);
        }
    }

    #[test]
    fn the_affine_store_multiplies_then_adds() {
        for simd in Simd::levels() {
            for n in [0, 1, 7, 224, 225] {
                let x: Vec<f32> = random(n).into_iter().map(f32::from).collect();
                let (mut dst, mut half, mut brain) =
                    (vec![0.0; n], vec![f16::ZERO; n], vec![bf16::ZERO; n]);
                affine_store_f32(simd, &mut dst, &x, 0.017, -1.9);
                affine_store_f16(simd, &mut half, &x, 0.017, -1.9);
                affine_store_bf16(simd, &mut brain, &x, 0.017, -1.9);
                for i in 0..n {
                    assert_eq!(dst[i].to_bits(), (x[i] * 0.017 + -1.9).to_bits());
                    assert_eq!(half[i], f16::from_f32_const(dst[i]));
                    assert_eq!(brain[i], bf16::from_f32_const(dst[i]));
                }
            }
        }
    }
}
