//! Bilinear samples of bytes, in integers.
//!
//! Places are multiples of 2^-14 pixels. So are the weights of the four pixels around a place,
//! whose sum is 1: a byte times a weight is a whole number of 2^-14 levels, and the sum is below
//! 2^22 of them. An `f32` holds any of these numbers, so floats that are added in any order give
//! the same.

use super::Simd;
use super::math::to_u8;
use super::warp::Lattice;
use crate::plan::Channels;

#[cfg(target_arch = "x86_64")]
mod v3;

/// Fractional bits of a place, and of a weight.
const BITS: u32 = 14;

/// One pixel, and the sum of the weights.
const ONE: i32 = 1 << BITS;

/// The most pixels that a side of the image may have: places have 32 bits.
pub(crate) const SIDE_MAX: i32 = 1 << 16;

/// Places further away than this from the first pixel are moved here: they show nothing.
pub(crate) const FAR: f64 = 131_071.0;

/// `place`, which is within [`FAR`], as a multiple of 2^-14, half to even.
#[inline(always)]
pub(crate) fn fixed(place: f64) -> i32 {
    // 1.5 * 2^38: the lowest bit of the sum is 2^-14, and its lowest 32 bits are those of an `i32`.
    const GRID: f64 = 412_316_860_416.0;
    (place + GRID).to_bits() as i32
}

/// A row of samples of an image.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Row<'a> {
    /// No longer than [`SIDE_MAX`], of at most `i32::MAX` elements.
    pub(crate) lattice: Lattice<'a, u8>,
    /// Their x and their y, as many as there are samples.
    pub(crate) places: [&'a [i32]; 2],
    /// What lies outside, for each channel; those without one have the first.
    pub(crate) fill: Channels,
}

/// Where samples go.
#[derive(Debug)]
pub(crate) enum To<'a> {
    /// Channel c of sample i to `planes[c * stride + i]`.
    Planes {
        /// The planes.
        planes: &'a mut [f32],
        /// From one plane to the next.
        stride: usize,
    },
    /// One pixel beside the other, rounded half to even.
    Bytes(&'a mut [u8]),
}

impl To<'_> {
    /// Writes channel `c` of sample `i`, of so many channels.
    #[inline(always)]
    fn put(&mut self, i: usize, c: usize, channels: usize, value: f32) {
        match self {
            Self::Planes { planes, stride } => planes[c * *stride + i] = value,
            Self::Bytes(bytes) => bytes[i * channels + c] = to_u8(value),
        }
    }
}

/// Samples a row, each from the four pixels around its place.
pub(crate) fn bilinear(simd: Simd, row: &Row<'_>, mut to: To<'_>) {
    #[cfg(target_arch = "x86_64")]
    if let Some(v3) = simd.v3()
        && v3::bilinear(v3, row, &mut to)
    {
        return;
    }
    simd.run(
        #[inline(always)]
        || (0..row.len()).for_each(|i| row.sample(i, &mut to)),
    );
}

/// `sum` in levels.
#[inline(always)]
fn levels(sum: i32) -> f32 {
    sum as f32 * (1.0 / ONE as f32)
}

/// The four pixels around a place, and their weights: top left, top right, bottom left, bottom
/// right.
#[derive(Debug, Clone, Copy)]
struct Around {
    top: i32,
    left: i32,
    weights: [i32; 4],
}

impl Row<'_> {
    fn len(&self) -> usize {
        self.places[0].len()
    }

    #[inline(always)]
    fn around(&self, i: usize) -> Around {
        let [x, y] = self.places.map(|places| places[i]);
        let (right, down) = (x & (ONE - 1), y & (ONE - 1));
        // One product is rounded, half up; none of the weights is negative.
        let both = (right * down + ONE / 2) >> BITS;
        let weights = [ONE - right - down + both, right - both, down - both, both];
        Around { top: y >> BITS, left: x >> BITS, weights }
    }

    /// Makes sample `i`.
    #[inline(always)]
    fn sample(&self, i: usize, to: &mut To<'_>) {
        let Lattice { channels, channel_stride, size: [height, width], .. } = self.lattice;
        let around = self.around(i);
        let is_inside =
            (0..width - 1).contains(&around.left) && (0..height - 1).contains(&around.top);
        if !is_inside {
            return self.sample_at_edge(i, &around, to);
        }
        let at = self.lattice.element(around.top, around.left);
        let [down, right] = self.lattice.step;
        let taps = [0, right, down, down + right].map(|step| at.wrapping_add_signed(step));
        for c in 0..channels {
            let pixel = |at: usize| i32::from(self.lattice.pixels[at + c * channel_stride]);
            let terms = taps.into_iter().zip(around.weights);
            let sum = terms.map(|(at, weight)| weight * pixel(at)).sum();
            to.put(i, c, channels, levels(sum));
        }
    }

    /// The same where some of the four may lie outside: their share goes to the fill.
    fn sample_at_edge(&self, i: usize, around: &Around, to: &mut To<'_>) {
        let Lattice { channels, size: [height, width], .. } = self.lattice;
        let Around { top, left, weights } = *around;
        let is_near = (-1..width).contains(&left) && (-1..height).contains(&top);
        for c in 0..channels {
            let fill = self.fill.get(c).copied().unwrap_or(self.fill[0]);
            if !is_near {
                to.put(i, c, channels, fill);
                continue;
            }
            let (mut sum, mut outside) = (0, 0);
            for ((down, right), weight) in [(0, 0), (0, 1), (1, 0), (1, 1)].into_iter().zip(weights)
            {
                let (y, x) = (top + down, left + right);
                if (0..width).contains(&x) && (0..height).contains(&y) {
                    sum += weight * i32::from(self.lattice.pixel(y, x, c));
                } else {
                    outside += weight;
                }
            }
            to.put(i, c, channels, levels(sum) + levels(outside) * fill);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn weights_are_shares_of_one_and_none_is_negative() {
        fn row<'a>(places: [&'a [i32]; 2]) -> Row<'a> {
            let (pixels, step, size) = (&[][..], [0; 2], [9; 2]);
            let lattice = Lattice { pixels, base: 0, step, channels: 1, channel_stride: 1, size };
            Row { lattice, places, fill: [0.0; 4] }
        }
        let shares: Vec<i32> = (0..ONE).step_by(41).chain([1, 8191, 8192, 8193, ONE - 1]).collect();
        for (x, y) in shares.iter().flat_map(|x| shares.iter().map(move |y| (*x, *y))) {
            let places = [[x], [y]];
            let weights = row(places.each_ref().map(|place| &place[..])).around(0).weights;
            assert_eq!(weights.iter().sum::<i32>(), ONE);
            let [right, down] = [x, y].map(|share| f64::from(share) / f64::from(ONE));
            let (left, up) = (1.0 - right, 1.0 - down);
            for (weight, exact) in
                weights.into_iter().zip([up * left, up * right, down * left, down * right])
            {
                let weight = f64::from(weight) / f64::from(ONE);
                assert!(weight >= 0.0 && (weight - exact).abs() <= 0.5 / f64::from(ONE));
            }
        }
    }

    #[test]
    fn places_are_multiples_that_are_rounded_half_to_even() {
        let unit = 1.0 / f64::from(ONE);
        for (place, expected) in [
            (0.0, 0),
            (-0.25, -ONE / 4),
            (2.75, 11 * ONE / 4),
            (0.5 * unit, 0),
            (1.5 * unit, 2),
            (-0.5 * unit, 0),
            (-1.5 * unit, -2),
            (0.500_001 * unit, 1),
            (FAR, 131_071 * ONE),
            (-FAR, -131_071 * ONE),
        ] {
            assert_eq!(fixed(place), expected, "{place}");
        }
    }

    fn random(seed: u32) -> impl Iterator<Item = u32> {
        std::iter::successors(Some(seed), |state| {
            Some(state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223))
        })
        .map(|state| state >> 8)
    }

    /// Places around an image, inside and outside, some of them whole, halves, or far away.
    fn places(size: [i32; 2], count: usize) -> [Vec<i32>; 2] {
        let [height, width] = size;
        [(width, 5), (height, 6)].map(|(len, seed)| {
            let of = |(i, x): (usize, u32)| match i % 7 {
                0 => (x as i32 % (len + 2) - 1) * ONE,
                1 => (2 * (x as i32 % (len + 2)) - 1) * ONE / 2,
                2 if i % 3 == 0 => -131_071 * ONE,
                _ => x as i32 % ((len + 3) * ONE) - 3 * ONE / 2,
            };
            random(seed).skip(3).take(count).enumerate().map(of).collect()
        })
    }

    /// The sample in floats, the lower right pixel first.
    fn in_floats(row: &Row<'_>, i: usize, c: usize) -> f32 {
        let Lattice { size: [height, width], .. } = row.lattice;
        let around = row.around(i);
        if around.left < -1 || around.top < -1 || around.left >= width || around.top >= height {
            return row.fill[c.min(3)];
        }
        let (mut sum, mut outside) = (0.0, 0.0);
        for tap in (0..4).rev() {
            let (y, x) = (around.top + tap / 2, around.left + tap % 2);
            let weight = around.weights[tap as usize] as f32 / 16_384.0;
            match (0..width).contains(&x) && (0..height).contains(&y) {
                true => sum += weight * f32::from(row.lattice.pixel(y, x, c)),
                false => outside += weight,
            }
        }
        sum + outside * row.fill[c.min(3)]
    }

    /// All ways in which an image of `size` may lie.
    fn lattices(pixels: &[u8], size: [i32; 2], channels: usize) -> Vec<Lattice<'_, u8>> {
        let [height, width] = size.map(|len| len as isize);
        let planes = (height * width) as usize;
        let mut all = Vec::new();
        for (pixel, channel_stride) in [(channels as isize, 1), (1, planes)] {
            let row = width * pixel;
            let (last_row, last) = ((height - 1) * row, (width - 1) * pixel);
            for (base, step) in [
                (0, [row, pixel]),
                (last, [row, -pixel]),
                (last_row, [-row, pixel]),
                (last_row + last, [-row, -pixel]),
                // Turned: what lies below is beside.
                (0, [pixel, height * pixel]),
            ] {
                all.push(Lattice { pixels, base, step, channels, channel_stride, size });
            }
        }
        all
    }

    #[test]
    fn integers_are_floats_however_pixels_lie_and_at_every_level() {
        let fill = [0.0, 255.0, 17.3, 99.5];
        for size in [[1, 1], [1, 9], [7, 1], [2, 2], [5, 7], [40, 33]] {
            for channels in 1..=5 {
                let len = size[0] as usize * size[1] as usize * channels;
                let pixels: Vec<u8> = random(9).take(len).map(|x| (x >> 3) as u8).collect();
                for lattice in lattices(&pixels, size, channels) {
                    for count in [1, 7, 8, 9, 64, 501] {
                        let [xs, ys] = places(size, count);
                        let row = Row { lattice, places: [&xs, &ys], fill };
                        let fill = |c: usize| if c < 4 { fill[c] } else { fill[0] };
                        let row_of = |c: usize| Row { fill: [fill(c); 4], ..row };
                        let wanted = |i, c| in_floats(&row_of(c), i, c);
                        for simd in Simd::levels() {
                            let stride = count + 3;
                            let mut planes = vec![9.0; channels * stride];
                            bilinear(simd, &row, To::Planes { planes: &mut planes, stride });
                            let mut bytes = vec![9; channels * count];
                            bilinear(simd, &row, To::Bytes(&mut bytes));
                            for i in 0..count {
                                for c in 0..channels {
                                    let (found, wanted) = (planes[c * stride + i], wanted(i, c));
                                    assert_eq!(found.to_bits(), wanted.to_bits(), "{lattice:?}");
                                    assert_eq!(bytes[i * channels + c], to_u8(wanted));
                                }
                            }
                        }
                    }
                }
            }
        }
    }
}
