//! Sampling at places between pixels: what affine, projective and elastic maps come down to.

use super::Simd;
use super::convert::Pixel;
use super::math::floor;
use super::taps::{Wide, plus, times};

/// A slice of an image whose pixels lie at whole steps from each other.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Lattice<'a, T> {
    pub(crate) pixels: &'a [T],
    /// The first element of pixel (0, 0).
    pub(crate) base: isize,
    /// Elements from one pixel to the next, downwards and to the right.
    pub(crate) step: [isize; 2],
    pub(crate) channels: usize,
    /// Elements from one channel to the next.
    pub(crate) channel_stride: usize,
    /// Height and width.
    pub(crate) size: [i32; 2],
}

impl<T: Pixel> Lattice<'_, T> {
    /// The first element of a pixel inside.
    #[inline(always)]
    fn element(&self, y: i32, x: i32) -> usize {
        (self.base + y as isize * self.step[0] + x as isize * self.step[1]) as usize
    }

    #[inline(always)]
    fn at(&self, y: i32, x: i32, channel: usize) -> f32 {
        self.pixels[self.element(y, x) + channel * self.channel_stride].to_f32()
    }

    /// Whether a pixel is one load: its channels lie side by side, and there are as many as a
    /// vector has lanes, or one less.
    fn is_whole(&self) -> bool {
        self.channel_stride == 1 && (3..=4).contains(&self.channels)
    }

    /// All channels of the pixel whose first element is `at`; lanes beyond them hold anything.
    #[inline(always)]
    fn whole(&self, at: usize) -> Wide {
        match self.pixels.get(at..at + 4) {
            Some(pixel) => std::array::from_fn(|c| pixel[c].to_f32()),
            None => std::array::from_fn(|c| self.pixels.get(at + c).map_or(0.0, |x| x.to_f32())),
        }
    }

    /// The pixel around a place by the weights of [`Corner`], all four inside.
    #[inline(always)]
    fn blended_whole(&self, corner: &Corner) -> Wide {
        let at = self.element(corner.top, corner.left);
        let [down, right] = self.step;
        let taps = [0, right, down, down + right].map(|step| at.wrapping_add_signed(step));
        let terms = taps.into_iter().zip(corner.weights());
        terms.fold([0.0; 4], |sum, (at, w)| plus(sum, times(w, self.whole(at))))
    }

    /// One channel of it.
    #[inline(always)]
    fn blended(&self, corner: &Corner, channel: usize) -> f32 {
        let at = self.element(corner.top, corner.left) + channel * self.channel_stride;
        let [down, right] = self.step;
        let taps = [0, right, down, down + right].map(|step| at.wrapping_add_signed(step));
        let terms = taps.into_iter().zip(corner.weights());
        terms.fold(0.0, |sum, (at, w)| sum + w * self.pixels[at].to_f32())
    }

    /// The same where some of the four may lie outside: their share goes to the fill. torchvision
    /// attenuates the fill twice, which leaves a dark border around any colour.
    fn blended_at_edge(&self, [x, y]: [f32; 2], channel: usize, fill: f32) -> f32 {
        let [height, width] = self.size;
        // Also what is not a number.
        if !(x > -1.0 && y > -1.0 && x < width as f32 && y < height as f32) {
            return fill;
        }
        let corner = Corner::of(x, y);
        let (mut sum, mut outside) = (0.0, 0.0);
        let places = [(0, 0), (0, 1), (1, 0), (1, 1)];
        for ((down, right), weight) in places.into_iter().zip(corner.weights()) {
            let (y, x) = (corner.top + down, corner.left + right);
            if (0..width).contains(&x) && (0..height).contains(&y) {
                sum += weight * self.at(y, x, channel);
            } else {
                outside += weight;
            }
        }
        sum + outside * fill
    }
}

/// The pixel at the top left of a place, and how far the place is from it.
#[derive(Debug, Clone, Copy, Default)]
struct Corner {
    top: i32,
    left: i32,
    down: f32,
    right: f32,
}

impl Corner {
    #[inline(always)]
    fn of(x: f32, y: f32) -> Self {
        let (left, top) = (floor(x), floor(y));
        Self { top: top as i32, left: left as i32, down: y - top, right: x - left }
    }

    /// Top left, top right, bottom left, bottom right.
    #[inline(always)]
    fn weights(&self) -> [f32; 4] {
        let (up, left) = (1.0 - self.down, 1.0 - self.right);
        [up * left, up * self.right, self.down * left, self.down * self.right]
    }
}

/// Where samples go, a plane a channel, and what lies outside.
pub(crate) struct Samples<'a> {
    pub(crate) planes: &'a mut [f32],
    pub(crate) stride: usize,
    /// A channel each.
    pub(crate) fill: &'a dyn Fn(usize) -> f32,
}

/// Samples a row at the places `xs` and `ys`, each from the four pixels around it.
pub(crate) fn bilinear<T: Pixel>(
    simd: Simd,
    lattice: &Lattice<'_, T>,
    [xs, ys]: [&[f32]; 2],
    to: &mut Samples<'_>,
) {
    let (whole, stride) = (lattice.is_whole(), to.stride);
    let [bottom, right] = lattice.size.map(|len| (len - 1) as f32);
    let planes = &mut *to.planes;
    simd.run(
        #[inline(always)]
        || {
            for (i, (&x, &y)) in xs.iter().zip(ys).enumerate() {
                // Not so for what is not a number.
                if !(x >= 0.0 && y >= 0.0 && x < right && y < bottom) {
                    continue;
                }
                let corner = Corner::of(x, y);
                if whole {
                    let pixel = lattice.blended_whole(&corner);
                    for (c, value) in pixel[..lattice.channels].iter().enumerate() {
                        planes[c * stride + i] = *value;
                    }
                } else {
                    for c in 0..lattice.channels {
                        planes[c * stride + i] = lattice.blended(&corner, c);
                    }
                }
            }
        },
    );
    // Apart, since it is rare and long: inlined above, it would cost every pixel.
    for (i, (&x, &y)) in xs.iter().zip(ys).enumerate() {
        if !(x >= 0.0 && y >= 0.0 && x < right && y < bottom) {
            for c in 0..lattice.channels {
                to.planes[c * stride + i] = lattice.blended_at_edge([x, y], c, (to.fill)(c));
            }
        }
    }
}

/// Samples a row at the places `xs` and `ys`, each from the pixel nearest to it.
pub(crate) fn nearest<T: Pixel>(
    simd: Simd,
    lattice: &Lattice<'_, T>,
    [xs, ys]: [&[f32]; 2],
    to: &mut Samples<'_>,
) {
    let (stride, size) = (to.stride, lattice.size);
    simd.run(
        #[inline(always)]
        || {
            for (i, (&x, &y)) in xs.iter().zip(ys).enumerate() {
                let element = nearest_pixel(size, x, y).map(|[y, x]| lattice.element(y, x));
                for c in 0..lattice.channels {
                    to.planes[c * stride + i] = match element {
                        Some(at) => lattice.pixels[at + c * lattice.channel_stride].to_f32(),
                        None => (to.fill)(c),
                    };
                }
            }
        },
    );
}

/// The row and column of the pixel of an image of `size` (height, width) that is nearest to a
/// place, half to even; `None` outside.
#[inline(always)]
pub(crate) fn nearest_pixel([height, width]: [i32; 2], x: f32, y: f32) -> Option<[i32; 2]> {
    // Also what is not a number. Far outside the sum below would not round.
    let near = x >= -1.0 && y >= -1.0 && x <= width as f32 && y <= height as f32;
    let (x, y) = (rounded(x), rounded(y));
    let inside = near && x >= 0.0 && y >= 0.0 && x < width as f32 && y < height as f32;
    inside.then_some([y as i32, x as i32])
}

/// `x` rounded half to even, for |x| <= 2^22.
#[inline(always)]
fn rounded(x: f32) -> f32 {
    const ROUND: f32 = 12_582_912.0;
    (x + ROUND) - ROUND
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A 3-channel image of 5 x 7, in both layouts.
    fn images() -> [(Vec<u8>, [isize; 2], usize); 2] {
        let value = |c: usize, at: usize| ((c * 35 + at) * 37 % 251) as u8;
        let planes = (0..3).flat_map(|c| (0..35).map(move |at| value(c, at))).collect();
        let pixels = (0..35).flat_map(|at| (0..3).map(move |c| value(c, at))).collect();
        [(planes, [7, 1], 35), (pixels, [21, 3], 1)]
    }

    fn places() -> [Vec<f32>; 2] {
        let x = |i: usize| (i % 40) as f32 * 0.23 - 1.3;
        let y = |i: usize| (i / 40) as f32 * 0.31 - 1.7;
        let (mut xs, mut ys): (Vec<f32>, Vec<f32>) = (0..1000).map(|i| (x(i), y(i))).unzip();
        xs.extend([f32::NAN, 2.0, -0.5, 6.5, 1e30, -0.0, 6.0]);
        ys.extend([1.0, f32::NAN, 1.5, 4.5, 1.0, -0.0, 4.0]);
        [xs, ys]
    }

    #[test]
    fn layouts_and_levels_give_the_same_bits() {
        let [xs, ys] = places();
        let mut found: Vec<[Vec<u32>; 2]> = Vec::new();
        for (pixels, step, channel_stride) in images() {
            let size = [5, 7];
            let lattice =
                Lattice { pixels: &pixels, base: 0, step, channels: 3, channel_stride, size };
            for simd in Simd::levels() {
                let run = |sample: fn(Simd, &Lattice<'_, u8>, [&[f32]; 2], &mut Samples<'_>)| {
                    let mut planes = vec![9.0; 3 * xs.len()];
                    let fill = |c: usize| c as f32 + 0.5;
                    let mut to = Samples { planes: &mut planes, stride: xs.len(), fill: &fill };
                    sample(simd, &lattice, [&xs, &ys], &mut to);
                    planes.iter().map(|x| x.to_bits()).collect()
                };
                found.push([run(bilinear), run(nearest)]);
            }
        }
        assert!(found.iter().all(|bits| *bits == found[0]));
    }

    #[test]
    fn a_mirrored_lattice_reads_from_its_end() {
        let pixels: Vec<u8> = (0..35).collect();
        let lattice = Lattice {
            pixels: &pixels,
            base: 34,
            step: [-7, -1],
            channels: 1,
            channel_stride: 1,
            size: [5, 7],
        };
        let mut planes = [0.0; 2];
        let mut to = Samples { planes: &mut planes, stride: 2, fill: &|_| 0.0 };
        bilinear(Simd::detect(), &lattice, [&[0.0, 0.5], &[0.0, 0.5]], &mut to);
        assert_eq!(planes, [34.0, 30.0]);
    }

    #[test]
    fn the_nearest_pixel_is_half_to_even_and_inside() {
        let of = |x, y| nearest_pixel([5, 7], x, y);
        assert_eq!((of(0.5, 1.5), of(2.5, 0.0)), (Some([2, 0]), Some([0, 2])));
        assert_eq!(
            (of(-0.5, 4.5), of(-0.6, 0.0), of(6.5, 0.0)),
            (Some([4, 0]), None, Some([0, 6]))
        );
        assert_eq!((of(f32::NAN, 0.0), of(1e30, 0.0), of(-1e30, 0.0)), (None, None, None));
    }
}
