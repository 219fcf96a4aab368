//! Samples of bytes in AVX2, eight at a time.
//!
//! A pixel and its right neighbour are one load from each of the two rows. A shuffle puts the two
//! values of each channel side by side, and one instruction multiplies them by a pair of weights
//! and adds: seven instructions a pixel, where floats, converted and multiplied apart, are twenty.
//! Two pixels share a register.

use std::arch::x86_64::{__m128i, __m256, __m256i};

use pulp::x86::V3;
use pulp::{NullaryFnOnce, cast};

use super::{BITS, ONE, Row, To, to_u8};

/// Samples made at once.
const SAMPLES: usize = 8;

/// A byte of a shuffle that becomes 0.
const NONE: u8 = 0x80;

/// Bytes of two pixels of three channels as pairs of 16 bits; the fourth pair is one too many.
const RGB: [u8; 16] = [0, NONE, 3, NONE, 1, NONE, 4, NONE, 2, NONE, 5, NONE, 2, NONE, 5, NONE];

/// Of four channels.
const RGBA: [u8; 16] = [0, NONE, 4, NONE, 1, NONE, 5, NONE, 2, NONE, 6, NONE, 3, NONE, 7, NONE];

/// Four pixels of three channels, of four of four.
const PACKED: [u8; 16] = [0, 1, 2, 4, 5, 6, 8, 9, 10, 12, 13, 14, 12, 13, 14, 15];

/// Samples `row`, and returns whether it could: neighbours have to lie side by side, and channels
/// too, of which there are one, three or four.
pub(super) fn bilinear(v3: V3, row: &Row<'_>, to: &mut To<'_>) -> bool {
    let (lattice, step) = (&row.lattice, row.lattice.step[1]);
    let is_whole = lattice.channels == 1 || lattice.channel_stride == 1;
    let is_beside = step.unsigned_abs() == lattice.channels;
    if !is_whole || !is_beside || lattice.size.iter().any(|len| *len < 2) || row.len() < SAMPLES {
        return false;
    }
    match lattice.channels {
        1 => v3.vectorize(Sampled::<1> { v3, row, to }),
        3 => v3.vectorize(Sampled::<3> { v3, row, to }),
        4 => v3.vectorize(Sampled::<4> { v3, row, to }),
        _ => return false,
    }
    true
}

/// What is compiled for AVX2: samples of `C` channels.
struct Sampled<'a, 'b, const C: usize> {
    v3: V3,
    row: &'a Row<'a>,
    to: &'a mut To<'b>,
}

/// Where [`SAMPLES`] samples are read, and how they are weighted.
struct Block {
    /// The first byte in the upper row, and in the lower one.
    first: [[u32; SAMPLES]; 2],
    /// In the same rows a pair each, of the left pixel and the right one, or as they lie in memory.
    pairs: [__m256i; 2],
}

impl<const C: usize> NullaryFnOnce for Sampled<'_, '_, C> {
    type Output = ();

    #[inline(always)]
    fn call(mut self) {
        let last = self.row.len() - SAMPLES;
        let mut at = 0;
        loop {
            let inside = self.make(at);
            if inside != u8::MAX {
                at_edge(self.row, at, inside, self.to);
            }
            if at == last {
                return;
            }
            // The last samples are made twice where they are not as many.
            at = (at + SAMPLES).min(last);
        }
    }
}

/// Makes those of [`SAMPLES`] samples from `at` on that have no bit in `inside`.
#[inline(never)]
fn at_edge(row: &Row<'_>, at: usize, inside: u8, to: &mut To<'_>) {
    for i in (0..SAMPLES).filter(|i| inside >> i & 1 == 0) {
        row.sample(at + i, to);
    }
}

/// Fills [`SAMPLES`] samples from `at` on, which see nothing of the image.
fn fill(row: &Row<'_>, at: usize, to: &mut To<'_>) {
    let channels = row.lattice.channels;
    match to {
        To::Planes { planes, stride } => {
            for (c, value) in row.fill[..channels].iter().enumerate() {
                planes[c * *stride + at..][..SAMPLES].fill(*value);
            }
        }
        To::Bytes(bytes) => {
            let pixel = row.fill.map(to_u8);
            for to in bytes[at * channels..][..SAMPLES * channels].chunks_exact_mut(channels) {
                to.copy_from_slice(&pixel[..channels]);
            }
        }
    }
}

impl<const C: usize> Sampled<'_, '_, C> {
    /// Makes the samples from `at` on, and returns a bit for each: those without one are left to be
    /// made.
    #[inline(always)]
    fn make(&mut self, at: usize) -> u8 {
        let (avx, avx2) = (self.v3.avx, self.v3.avx2);
        let [xs, ys] = self.row.places;
        let (x, y) = (eight(xs, at), eight(ys, at));
        let (left, top) = (avx2._mm256_srai_epi32::<14>(x), avx2._mm256_srai_epi32::<14>(y));
        let [height, width] = self.row.lattice.size;
        let (right, bottom) = (avx._mm256_set1_epi32(width - 2), avx._mm256_set1_epi32(height - 2));
        // Without a sign, what is below 0 is above all.
        let between = avx2._mm256_cmpeq_epi32(avx2._mm256_min_epu32(left, right), left);
        let among = avx2._mm256_cmpeq_epi32(avx2._mm256_min_epu32(top, bottom), top);
        let inside = avx2._mm256_and_si256(between, among);
        let inside = avx._mm256_movemask_ps(avx._mm256_castsi256_ps(inside)) as u8;
        if inside == u8::MAX {
            self.store(at, &self.block([x, y], [left, top]));
        } else if inside == 0 && !self.sees_any([left, top]) {
            fill(self.row, at, self.to);
            return u8::MAX;
        } else if inside != 0 {
            // What is outside is made somewhere inside, and then anew.
            let zero = avx._mm256_setzero_si256();
            let left = avx2._mm256_min_epi32(avx2._mm256_max_epi32(left, zero), right);
            let top = avx2._mm256_min_epi32(avx2._mm256_max_epi32(top, zero), bottom);
            self.store(at, &self.block([x, y], [left, top]));
        }
        inside
    }

    /// Whether a pixel of the image is a neighbour of any of these.
    #[inline(always)]
    fn sees_any(&self, [left, top]: [__m256i; 2]) -> bool {
        let (avx, avx2) = (self.v3.avx, self.v3.avx2);
        let [height, width] = self.row.lattice.size;
        let one = avx._mm256_set1_epi32(1);
        let (right, bottom) = (avx2._mm256_add_epi32(left, one), avx2._mm256_add_epi32(top, one));
        let across = avx2._mm256_min_epu32(right, avx._mm256_set1_epi32(width));
        let down = avx2._mm256_min_epu32(bottom, avx._mm256_set1_epi32(height));
        let (across, down) =
            (avx2._mm256_cmpeq_epi32(across, right), avx2._mm256_cmpeq_epi32(down, bottom));
        let near = avx2._mm256_and_si256(across, down);
        avx._mm256_movemask_ps(avx._mm256_castsi256_ps(near)) != 0
    }

    #[inline(always)]
    fn block(&self, [x, y]: [__m256i; 2], [left, top]: [__m256i; 2]) -> Block {
        let (avx, avx2) = (self.v3.avx, self.v3.avx2);
        let lattice = &self.row.lattice;
        let is_mirrored = lattice.step[1] < 0;
        let share = avx._mm256_set1_epi32(ONE - 1);
        let (right, down) = (avx2._mm256_and_si256(x, share), avx2._mm256_and_si256(y, share));
        // Half of a product of twice as much is rounded half up.
        let both = avx2._mm256_mulhrs_epi16(right, avx2._mm256_add_epi32(down, down));
        // What the right pixels have more, the left ones have less: x * (2^16 - 1).
        let moved = avx2._mm256_sub_epi32(avx2._mm256_slli_epi32::<16>(both), both);
        let lower = avx2._mm256_add_epi32(down, moved);
        let moved = avx2._mm256_sub_epi32(avx2._mm256_slli_epi32::<16>(right), right);
        let rows = avx2._mm256_add_epi32(avx._mm256_set1_epi32(ONE), moved);
        let mut pairs = [avx2._mm256_sub_epi32(rows, lower), lower];
        if C == 1 && is_mirrored {
            for pair in &mut pairs {
                let (left, right) =
                    (avx2._mm256_slli_epi32::<16>(*pair), avx2._mm256_srli_epi32::<16>(*pair));
                *pair = avx2._mm256_or_si256(left, right);
            }
        }
        let (to_lower, to_right) = (lattice.step[0] as i32, lattice.step[1] as i32);
        let base = (lattice.base as i32).wrapping_add(if is_mirrored { to_right } else { 0 });
        let rows = avx2._mm256_mullo_epi32(top, avx._mm256_set1_epi32(to_lower));
        let columns = avx2._mm256_mullo_epi32(left, avx._mm256_set1_epi32(to_right));
        let first = avx2._mm256_add_epi32(rows, columns);
        let first = avx2._mm256_add_epi32(first, avx._mm256_set1_epi32(base));
        let second = avx2._mm256_add_epi32(first, avx._mm256_set1_epi32(to_lower));
        Block { first: [cast(first), cast(second)], pairs }
    }

    #[inline(always)]
    fn store(&mut self, at: usize, block: &Block) {
        if C == 1 {
            let sums = self.plane_sums(block);
            self.store_plane(at, sums);
        } else {
            let sums = self.pixel_sums(block);
            match self.to {
                To::Bytes(_) => self.store_pixels(at, sums),
                To::Planes { .. } => self.store_planes(at, sums),
            }
        }
    }

    /// The sums of one channel.
    #[inline(always)]
    fn plane_sums(&self, block: &Block) -> __m256i {
        let avx2 = self.v3.avx2;
        let mut sum = self.v3.avx._mm256_setzero_si256();
        for (first, pairs) in block.first.iter().zip(block.pairs) {
            let mut pixels = [[0; 2]; SAMPLES];
            for (pixels, first) in pixels.iter_mut().zip(first) {
                *pixels = bytes(self.row.lattice.pixels, *first);
            }
            let values = avx2._mm256_cvtepu8_epi16(cast(pixels));
            sum = avx2._mm256_add_epi32(sum, avx2._mm256_madd_epi16(values, pairs));
        }
        sum
    }

    /// The sums of all channels: those of sample k, and behind them those of sample k + 4.
    #[inline(always)]
    fn pixel_sums(&self, block: &Block) -> [__m256i; 4] {
        let avx2 = self.v3.avx2;
        let order = self.order();
        let mut sums = [self.v3.avx._mm256_setzero_si256(); 4];
        for (first, pairs) in block.first.iter().zip(block.pairs) {
            let weights = [
                avx2._mm256_shuffle_epi32::<0x00>(pairs),
                avx2._mm256_shuffle_epi32::<0x55>(pairs),
                avx2._mm256_shuffle_epi32::<0xAA>(pairs),
                avx2._mm256_shuffle_epi32::<0xFF>(pairs),
            ];
            for (k, (sum, weights)) in sums.iter_mut().zip(weights).enumerate() {
                let (low, high) = (self.neighbours(first[k]), self.neighbours(first[k + 4]));
                let values = self.v3.avx._mm256_set_m128i(high, low);
                let values = avx2._mm256_shuffle_epi8(values, order);
                let terms = avx2._mm256_madd_epi16(values, weights);
                *sum = avx2._mm256_add_epi32(*sum, terms);
            }
        }
        sums
    }

    /// The bytes of a pixel and its right neighbour as pairs.
    #[inline(always)]
    fn order(&self) -> __m256i {
        let mut order = if C == 3 { RGB } else { RGBA };
        if self.row.lattice.step[1] < 0 {
            for pair in order.as_chunks_mut::<4>().0 {
                pair.swap(0, 2);
            }
        }
        cast([order; 2])
    }

    /// Two pixels that lie side by side.
    #[inline(always)]
    fn neighbours(&self, first: u32) -> __m128i {
        let pixels: [u8; 8] = bytes(self.row.lattice.pixels, first);
        cast([u64::from_le_bytes(pixels), 0])
    }

    #[inline(always)]
    fn values(&self, sums: __m256i) -> __m256 {
        let avx = self.v3.avx;
        let scale = avx._mm256_set1_ps(1.0 / ONE as f32);
        avx._mm256_mul_ps(avx._mm256_cvtepi32_ps(sums), scale)
    }

    /// Rounded half to even.
    #[inline(always)]
    fn rounded(&self, sums: __m256i) -> __m256i {
        self.v3.avx._mm256_cvtps_epi32(self.values(sums))
    }

    #[inline(always)]
    fn store_plane(&mut self, at: usize, sums: __m256i) {
        let (values, rounded) = (self.values(sums), self.rounded(sums));
        match self.to {
            To::Planes { planes, .. } => {
                planes[at..][..SAMPLES].copy_from_slice(&cast::<_, [f32; SAMPLES]>(values));
            }
            To::Bytes(bytes) => {
                let values: [i32; SAMPLES] = cast(rounded);
                for (byte, value) in bytes[at..][..SAMPLES].iter_mut().zip(values) {
                    *byte = value as u8;
                }
            }
        }
    }

    #[inline(always)]
    fn store_pixels(&mut self, at: usize, sums: [__m256i; 4]) {
        let avx2 = self.v3.avx2;
        let [a, b, c, d] = sums;
        let ab = avx2._mm256_packs_epi32(self.rounded(a), self.rounded(b));
        let cd = avx2._mm256_packs_epi32(self.rounded(c), self.rounded(d));
        let mut pixels = avx2._mm256_packus_epi16(ab, cd);
        if C == 3 {
            pixels = avx2._mm256_shuffle_epi8(pixels, cast([PACKED; 2]));
        }
        let halves: [[u8; 16]; 2] = cast(pixels);
        if let To::Bytes(bytes) = self.to {
            let to = &mut bytes[at * C..][..SAMPLES * C];
            for (to, pixels) in to.chunks_exact_mut(SAMPLES / 2 * C).zip(&halves) {
                to.copy_from_slice(&pixels[..SAMPLES / 2 * C]);
            }
        }
    }

    #[inline(always)]
    fn store_planes(&mut self, at: usize, [a, b, c, d]: [__m256i; 4]) {
        let avx2 = self.v3.avx2;
        let (ab, cd) = (avx2._mm256_unpacklo_epi32(a, b), avx2._mm256_unpacklo_epi32(c, d));
        let (red, green) = (avx2._mm256_unpacklo_epi64(ab, cd), avx2._mm256_unpackhi_epi64(ab, cd));
        let (ab, cd) = (avx2._mm256_unpackhi_epi32(a, b), avx2._mm256_unpackhi_epi32(c, d));
        let (blue, alpha) =
            (avx2._mm256_unpacklo_epi64(ab, cd), avx2._mm256_unpackhi_epi64(ab, cd));
        for (c, sums) in [red, green, blue, alpha].into_iter().enumerate().take(C) {
            let values: [f32; SAMPLES] = cast(self.values(sums));
            if let To::Planes { planes, stride } = self.to {
                planes[c * *stride + at..][..SAMPLES].copy_from_slice(&values);
            }
        }
    }
}

/// `N` bytes from the one at `first` on; behind the last there are zeros.
#[inline(always)]
fn bytes<const N: usize>(pixels: &[u8], first: u32) -> [u8; N] {
    let first = first as usize;
    match pixels.get(first..first + N) {
        Some(bytes) => *bytes.first_chunk().expect("as many as were asked for"),
        None => at_end(pixels, first),
    }
}

#[cold]
fn at_end<const N: usize>(pixels: &[u8], first: usize) -> [u8; N] {
    std::array::from_fn(|i| pixels.get(first + i).copied().unwrap_or(0))
}

/// Eight places.
#[inline(always)]
fn eight(places: &[i32], at: usize) -> __m256i {
    let places: [i32; SAMPLES] = *places[at..][..SAMPLES].first_chunk().expect("eight");
    cast(places)
}

// The shifts above are written as numbers.
const _: () = assert!(BITS == 14);
