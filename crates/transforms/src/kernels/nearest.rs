//! The pixels nearest to places between them: elements that are copied as they are, whatever their
//! type. First the element of each place is found, and then all of them are copied.

use bytemuck::Pod;
use tallow_core::Run;

use super::Simd;
use super::convert::Pixel;
use super::warp::{FAR, Lattice};

mod columns;
#[cfg(target_arch = "x86_64")]
mod v3;

pub(crate) use self::columns::{Columns, Pairs, take, take_colors};

/// No element: the fill.
pub(crate) const FILL: u32 = u32::MAX;

/// The pixel nearest to `place`, which is within [`FAR`]: rounded to a multiple of 2^-20, so that
/// what ought to be half is, and then to a whole number, half to even each time.
#[inline(always)]
pub(crate) fn nearest(place: f64) -> i32 {
    // 1.5 * 2^32 and 1.5 * 2^52: the lowest bits of the sums are 2^-20 and 1.
    const GRID: f64 = 6_442_450_944.0;
    const WHOLE: f64 = 6_755_399_441_055_744.0;
    (((place + GRID) - GRID) + WHOLE).to_bits() as i32
}

const _: () = assert!(FAR < 2_147_483_648.0);

impl<T: Copy> Lattice<'_, T> {
    /// The first element of pixel (y, x), or [`FILL`] outside. Images have fewer than 2^32
    /// elements.
    #[inline(always)]
    pub(crate) fn chosen(&self, y: i32, x: i32) -> u32 {
        let [height, width] = self.size;
        // Without a sign, what is below 0 is above all.
        let is_inside = ((x as u32) < width as u32) & ((y as u32) < height as u32);
        let [down, right] = self.step.map(|step| step as i32);
        let at = (self.base as i32).wrapping_add(y.wrapping_mul(down));
        let at = at.wrapping_add(x.wrapping_mul(right)) as u32;
        if is_inside { at } else { FILL }
    }
}

/// `planes[c * stride + i]` is channel c of the pixel at `elements[i]` as a number, or `fill(c)`.
pub(crate) fn load<T: Pixel>(
    simd: Simd,
    lattice: &Lattice<'_, T>,
    elements: &[u32],
    fill: impl Fn(usize) -> f32,
    planes: &mut [f32],
    stride: usize,
) {
    for c in 0..lattice.channels {
        let (fill, offset) = (fill(c), c * lattice.channel_stride);
        let plane = &mut planes[c * stride..][..elements.len()];
        simd.run(
            #[inline(always)]
            || {
                for (to, &at) in plane.iter_mut().zip(elements) {
                    *to = match at {
                        FILL => fill,
                        at => lattice.pixels[at as usize + offset].to_f32(),
                    };
                }
            },
        );
    }
}

/// How elements lie in what is read and in what is written.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Copied {
    pub(crate) channels: usize,
    /// Elements from one channel to the next, where they are read.
    pub(crate) read: usize,
    /// Elements from one pixel to the next, and from one channel to the next, where they are
    /// written.
    pub(crate) write: (usize, usize),
}

/// Copies all channels of the pixels at `elements`; outside of the image is `fill(c)`.
pub(crate) fn copy<T: Pod>(
    simd: Simd,
    from: &[T],
    elements: &[u32],
    how: Copied,
    fill: impl Fn(usize) -> T,
    to: &mut [T],
) {
    let Copied { channels, read, write: (pixel, plane) } = how;
    if channels > 1 && channels <= 4 && read == 1 && (pixel, plane) == (channels, 1) {
        let fill: [T; 4] = std::array::from_fn(|c| fill(c.min(channels - 1)));
        return match channels {
            2 => copy_whole::<T, 2>(simd, from, elements, fill, to),
            3 => copy_whole::<T, 3>(simd, from, elements, fill, to),
            _ => copy_whole::<T, 4>(simd, from, elements, fill, to),
        };
    }
    for c in 0..channels {
        let fill = fill(c);
        let to = to[c * plane..].iter_mut().step_by(pixel);
        for (to, &at) in to.zip(elements) {
            *to = if at == FILL { fill } else { from[at as usize + c * read] };
        }
    }
}

/// Pixels whose `N` channels lie side by side, before and after.
fn copy_whole<T: Pod, const N: usize>(
    simd: Simd,
    from: &[T],
    elements: &[u32],
    fill: [T; 4],
    to: &mut [T],
) {
    let fill: [T; N] = std::array::from_fn(|c| fill[c]);
    if N == 3 && size_of::<T>() == 1 {
        let fill = bytemuck::cast_slice(&fill).first_chunk().copied().unwrap_or_default();
        let (from, to) = (bytemuck::cast_slice(from), bytemuck::cast_slice_mut(to));
        let to = &mut to[..3 * elements.len()];
        return copy_colors(simd, from, elements, fill, &mut Run::over(to));
    }
    for (to, &at) in to.as_chunks_mut::<N>().0.iter_mut().zip(elements) {
        *to = match at {
            FILL => fill,
            at => *from[at as usize..][..N].first_chunk().expect("as many as were asked for"),
        };
    }
}

/// Writes pixels of three bytes; outside of the image is `fill`.
///
/// Four bytes are read of each, in one load instead of two, and four pixels are put together before they
/// are stored: a store that the next one overlaps takes three cycles.
pub(crate) fn copy_colors(
    simd: Simd,
    from: &[u8],
    elements: &[u32],
    fill: [u8; 3],
    to: &mut Run<'_, u8>,
) {
    let outside = u32::from_le_bytes([fill[0], fill[1], fill[2], 0]);
    let colors = Colors { from, outside };
    let mut done = 0;
    #[cfg(target_arch = "x86_64")]
    if let Some(v3) = simd.v3() {
        done = v3::copy_blocks(v3, &colors, elements, to);
    }
    to.extend(elements[done..].iter().map(|at| {
        let [a, b, c, _] = colors.pixel(*at).to_le_bytes();
        [a, b, c]
    }));
}

/// Pixels of three bytes, and what is outside.
struct Colors<'a> {
    from: &'a [u8],
    outside: u32,
}

impl Colors<'_> {
    /// The pixel at an element, as the lower three bytes of a number: an array would be moved byte by
    /// byte.
    #[inline(always)]
    fn pixel(&self, at: u32) -> u32 {
        match self.from.get(at as usize..(at as usize).wrapping_add(4)) {
            Some(pixel) => u32::from_le_bytes(*pixel.first_chunk().expect("four")),
            None if at == FILL => self.outside,
            None => last_pixel(self.from),
        }
    }
}

/// The one that has no byte behind it.
#[cold]
fn last_pixel(from: &[u8]) -> u32 {
    let [a, b, c] = *from.last_chunk().expect("a pixel was chosen");
    u32::from_le_bytes([a, b, c, 0])
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kernels::warp::{parts, within};

    #[test]
    fn places_are_rounded_half_to_even_after_a_millionth() {
        let plain = |place: f64| {
            let (whole, share) = parts(within(place, [-FAR, FAR]));
            let up = if whole & 1 == 1 { share >= 0.5 } else { share > 0.5 };
            whole + i32::from(up)
        };
        let (unit, edge) = (1.0 / 1_048_576.0, 0.5 / 1_048_576.0);
        let steps =
            [0.0, unit, -unit, edge, -edge, 0.4 * unit, -0.4 * unit, 0.6 * unit, -0.6 * unit];
        let halves = (-9..2000).map(|k| 0.5 * f64::from(k));
        let near = halves.flat_map(|half| steps.map(|step| half + step));
        let far = [f64::NAN, f64::INFINITY, -1e30, 1e30, FAR, -FAR, -0.0, 4e9, -3e9];
        let spread = (0..100_000).map(|k| f64::from(k) * 0.731_234_567 - 9000.0);
        for place in near.chain(far).chain(spread) {
            assert_eq!(nearest(within(place, [-FAR, FAR])), plain(place), "{place}");
        }
        assert_eq!([-0.5, 0.5, 1.5, 2.5].map(nearest), [0, 0, 2, 2]);
    }

    #[test]
    fn what_is_outside_has_no_element() {
        let lattice = Lattice {
            pixels: &[0u8; 35],
            base: 34,
            step: [-7, -1],
            channels: 1,
            channel_stride: 1,
            size: [5, 7],
        };
        assert_eq!([lattice.chosen(0, 0), lattice.chosen(1, 2), lattice.chosen(4, 6)], [34, 25, 0]);
        for [y, x] in [[-1, 0], [0, -1], [5, 0], [0, 7], [i32::MIN, 3], [2, i32::MAX]] {
            assert_eq!(lattice.chosen(y, x), FILL, "{y}, {x}");
        }
    }

    /// Copies pixels of `channels` in all the ways that they can lie, and compares.
    fn check<T: Pod + PartialEq + std::fmt::Debug>(
        simd: Simd,
        channels: usize,
        of: impl Fn(usize) -> T,
    ) {
        let pixels = 29;
        let from: Vec<T> = (0..pixels * channels).map(of).collect();
        let fill = |c: usize| from[7 * c % from.len()];
        let all: Vec<u32> = (0..211).map(|i| i * i % 29).collect();
        for len in [1, 2, 3, 4, 5, 8, 9, 211] {
            for (read_pixel, read) in [(channels, 1), (1, pixels)] {
                // The last pixel is the hardest to read.
                let element = |&pixel: &u32| match pixel {
                    0 | 13 => FILL,
                    pixel => pixel * read_pixel as u32,
                };
                let elements: Vec<u32> = all[..len].iter().map(element).collect();
                for write in [(channels, 1), (1, len)] {
                    let how = Copied { channels, read, write };
                    let mut to = vec![fill(channels); len * channels];
                    copy(simd, &from, &elements, how, fill, &mut to);
                    for (i, c) in (0..len).flat_map(|i| (0..channels).map(move |c| (i, c))) {
                        let wanted = match elements[i] {
                            FILL => fill(c),
                            at => from[at as usize + c * read],
                        };
                        assert_eq!(to[i * write.0 + c * write.1], wanted, "{how:?}, {i}, {c}");
                    }
                }
            }
        }
    }

    #[test]
    fn elements_of_any_size_are_copied_however_they_lie() {
        for (channels, simd) in
            (1..=5).flat_map(|n| Simd::levels().into_iter().map(move |l| (n, l)))
        {
            check(simd, channels, |i| (i * 37) as u8);
            check(simd, channels, |i| (i * 3700) as u16);
            check(simd, channels, |i| (i as u64) << 40 | 3);
        }
    }

    #[test]
    fn numbers_are_loaded_alike_at_every_level() {
        let pixels: Vec<u8> = (0..60).collect();
        let elements = [3, FILL, 57, 0, 3, FILL, 27, 30, 33];
        for (channels, channel_stride) in [(3, 1), (2, 30), (1, 1)] {
            let size = [1, 20];
            let step = [60, 3];
            let lattice =
                Lattice { pixels: &pixels, base: 0, step, channels, channel_stride, size };
            for simd in Simd::levels() {
                let elements = elements.map(|at| if at > 29 && channels == 2 { FILL } else { at });
                let mut planes = vec![9.0; channels * 10];
                load(simd, &lattice, &elements, |c| c as f32 + 0.5, &mut planes, 10);
                for (c, i) in (0..channels).flat_map(|c| (0..9).map(move |i| (c, i))) {
                    let wanted = match elements[i] {
                        FILL => c as f32 + 0.5,
                        at => (at as usize + c * channel_stride) as f32,
                    };
                    assert_eq!(planes[c * 10 + i], wanted);
                }
                assert_eq!(planes[9], 9.0);
            }
        }
    }
}
