//! Sampling at places between pixels: what affine, projective and elastic maps come down to.

use super::Simd;
use super::convert::Pixel;
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
    pub(super) fn element(&self, y: i32, x: i32) -> usize {
        (self.base + y as isize * self.step[0] + x as isize * self.step[1]) as usize
    }

    /// A channel of a pixel inside.
    #[inline(always)]
    pub(super) fn pixel(&self, y: i32, x: i32, channel: usize) -> T {
        self.pixels[self.element(y, x) + channel * self.channel_stride]
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
    fn blended_at_edge(&self, corner: &Corner, channel: usize, fill: f32) -> f32 {
        let [height, width] = self.size;
        if corner.left < -1 || corner.top < -1 || corner.left >= width || corner.top >= height {
            return fill;
        }
        let (mut sum, mut outside) = (0.0, 0.0);
        let places = [(0, 0), (0, 1), (1, 0), (1, 1)];
        for ((down, right), weight) in places.into_iter().zip(corner.weights()) {
            let (y, x) = (corner.top + down, corner.left + right);
            if (0..width).contains(&x) && (0..height).contains(&y) {
                sum += weight * self.pixel(y, x, channel).to_f32();
            } else {
                outside += weight;
            }
        }
        sum + outside * fill
    }
}

/// Where a row is sampled, x and y: the pixel at or before each place, and how far the place is
/// after it, 0 to 1.
///
/// A place is found in `f64` and rounded to a multiple of 2^-20 pixels, half to even: what ought to
/// be whole or half is, and the share of a pixel, an `f32`, is exact. An `f32` for both would be off
/// by 2^-13 at 3,000 pixels.
#[derive(Debug)]
pub(crate) struct Places<'a> {
    pub(crate) whole: [&'a mut [i32]; 2],
    pub(crate) share: [&'a mut [f32]; 2],
}

/// Places further away than this from the first pixel are moved here, and so is what is no number:
/// they show nothing.
pub(crate) const FAR: f64 = 1_073_741_824.0;

/// `place` between two ends; what is no number becomes the first.
#[inline(always)]
pub(crate) fn within(place: f64, [low, high]: [f64; 2]) -> f64 {
    let place = if place > low { place } else { low };
    if place < high { place } else { high }
}

/// The parts of a place, which is within [`FAR`].
#[inline(always)]
pub(crate) fn parts(place: f64) -> (i32, f32) {
    // 1.5 * 2^32: the lowest bit of the sum is 2^-20, and all of it above is whole numbers.
    const GRID: f64 = 6_442_450_944.0;
    const WHOLE: u32 = (GRID.to_bits() >> 20) as u32;
    let bits = (place + GRID).to_bits();
    let whole = ((bits >> 20) as u32).wrapping_sub(WHOLE) as i32;
    (whole, (bits as u32 & 0xF_FFFF) as i32 as f32 * (1.0 / 1_048_576.0))
}

impl Places<'_> {
    pub(crate) fn lend(&mut self) -> Places<'_> {
        let Self { whole, share } = self;
        Places {
            whole: whole.each_mut().map(|x| &mut **x),
            share: share.each_mut().map(|x| &mut **x),
        }
    }

    /// The same memory, for as many places as multiples of some part of a pixel: x and y.
    pub(crate) fn fixed(&mut self, width: usize) -> [&mut [i32]; 2] {
        self.whole.each_mut().map(|whole| &mut whole[..width])
    }

    /// The same memory, for as many elements.
    pub(crate) fn elements(&mut self, width: usize) -> &mut [u32] {
        bytemuck::cast_slice_mut(&mut self.whole[0][..width])
    }

    /// The first `width` of them, numbered.
    #[inline(always)]
    pub(crate) fn corners(&self, width: usize) -> impl Iterator<Item = (usize, Corner)> {
        let [left, top] = [0, 1].map(|k| &self.whole[k][..width]);
        let [right, down] = [0, 1].map(|k| &self.share[k][..width]);
        let of = move |at: usize| {
            (at, Corner { top: top[at], left: left[at], down: down[at], right: right[at] })
        };
        (0..width).map(of)
    }
}

/// The pixel at the top left of a place, and how far the place is from it.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Corner {
    top: i32,
    left: i32,
    down: f32,
    right: f32,
}

impl Corner {
    /// Top left, top right, bottom left, bottom right.
    #[inline(always)]
    fn weights(&self) -> [f32; 4] {
        let (up, left) = (1.0 - self.down, 1.0 - self.right);
        [up * left, up * self.right, self.down * left, self.down * self.right]
    }
}

/// Reads an image through, a line of the cache at a time, before it is sampled.
///
/// Samples of a turned row lie in as many lines as there are pixels, which no processor foresees: an
/// image of 224 x 224 x 3 bytes that has left the nearer caches is turned in two thirds of the time
/// after it was read in order. One that these do not hold is left alone.
pub(crate) fn fetch<T: Copy>(pixels: &[T]) {
    const MOST: usize = 768 << 10;
    const LINE: usize = 64;
    if size_of_val(pixels) <= MOST {
        let lines = pixels.chunks((LINE / size_of::<T>().max(1)).max(1));
        lines.for_each(|line| _ = std::hint::black_box(line[0]));
    }
}

/// Where samples go, one plane per channel, and the value outside.
pub(crate) struct Samples<'a> {
    pub(crate) planes: &'a mut [f32],
    pub(crate) stride: usize,
    /// A channel each.
    pub(crate) fill: &'a dyn Fn(usize) -> f32,
}

/// Samples a row of `width` at `places`, each from the four pixels around it.
pub(crate) fn bilinear<T: Pixel>(
    simd: Simd,
    lattice: &Lattice<'_, T>,
    places: &Places<'_>,
    width: usize,
    to: &mut Samples<'_>,
) {
    let (whole, stride) = (lattice.is_whole(), to.stride);
    let [bottom, right] = lattice.size.map(|len| len - 1);
    let is_inside =
        |corner: &Corner| (0..right).contains(&corner.left) && (0..bottom).contains(&corner.top);
    let planes = &mut *to.planes;
    simd.run(
        #[inline(always)]
        || {
            for (i, corner) in places.corners(width) {
                if !is_inside(&corner) {
                    continue;
                }
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
    for (i, corner) in places.corners(width) {
        if !is_inside(&corner) {
            for c in 0..lattice.channels {
                to.planes[c * stride + i] = lattice.blended_at_edge(&corner, c, (to.fill)(c));
            }
        }
    }
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

    /// Places, with memory of their own.
    struct Owned {
        whole: [Vec<i32>; 2],
        share: [Vec<f32>; 2],
    }

    impl Owned {
        fn new(places: &[[f64; 2]]) -> Self {
            let of =
                |k: usize| places.iter().map(move |place| parts(within(place[k], [-FAR, FAR])));
            let (left, right) = of(0).unzip();
            let (top, down) = of(1).unzip();
            Self { whole: [left, top], share: [right, down] }
        }

        fn lent(&mut self) -> Places<'_> {
            let Self { whole, share } = self;
            Places {
                whole: whole.each_mut().map(|x| &mut **x),
                share: share.each_mut().map(|x| &mut **x),
            }
        }
    }

    fn places() -> Vec<[f64; 2]> {
        let of = |i: usize| [(i % 40) as f64 * 0.23 - 1.3, (i / 40) as f64 * 0.31 - 1.7];
        let far = [[f64::NAN, 1.0], [2.0, f64::NAN], [1e30, 1.0], [-1.0, 2.0], [-1e-7, 3.0]];
        let edges = [[-0.5, 1.5], [6.5, 4.5], [-0.0, -0.0], [6.0, 4.0], [7.0, 4.0]];
        (0..1000).map(of).chain(far).chain(edges).collect()
    }

    #[test]
    fn a_place_is_a_pixel_and_a_share_of_a_millionth() {
        for (place, expected) in [
            (0.0, (0, 0.0)),
            (-0.0, (0, 0.0)),
            (2.75, (2, 0.75)),
            (-0.25, (-1, 0.75)),
            (4.999_999_9, (5, 0.0)),
            (4.999_999, (4, 1_048_575.0 / 1_048_576.0)),
            (12_345.5, (12_345, 0.5)),
            (-FAR, (-1_073_741_824, 0.0)),
            (FAR, (1_073_741_824, 0.0)),
        ] {
            assert_eq!(parts(place), expected, "{place}");
        }
    }

    #[test]
    fn layouts_and_levels_give_the_same_bits() {
        let places = places();
        let mut owned = Owned::new(&places);
        let mut found: Vec<Vec<u32>> = Vec::new();
        for (pixels, step, channel_stride) in images() {
            let size = [5, 7];
            let lattice =
                Lattice { pixels: &pixels, base: 0, step, channels: 3, channel_stride, size };
            for simd in Simd::levels() {
                let mut planes = vec![9.0; 3 * places.len()];
                let fill = |c: usize| c as f32 + 0.5;
                let mut to = Samples { planes: &mut planes, stride: places.len(), fill: &fill };
                bilinear(simd, &lattice, &owned.lent(), places.len(), &mut to);
                found.push(planes.iter().map(|x| x.to_bits()).collect());
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
        let mut places = Owned::new(&[[0.0, 0.0], [0.5, 0.5]]);
        bilinear(Simd::detect(), &lattice, &places.lent(), 2, &mut to);
        assert_eq!(planes, [34.0, 30.0]);
    }
}
