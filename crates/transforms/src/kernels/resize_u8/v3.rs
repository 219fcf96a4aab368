//! The passes in AVX2.

use std::arch::x86_64::{__m128i, __m256, __m256i};

use pulp::x86::V3;
use pulp::{NullaryFnOnce, cast};

use super::{Across, Form, OUTPUTS, Rows, SLACK, To, VECTOR, VECTORS, rounding};

/// Columns that are summed at once: eight registers of sums.
pub(super) const COLUMNS: usize = 64;

/// `to` has at least [`COLUMNS`] columns.
pub(super) fn vertical(v3: V3, rows: &Rows<'_>, weights: &[i16], bits: u32, to: &mut [i16]) {
    v3.vectorize(Vertical { v3, rows, weights, bits, to });
}

/// What is compiled for AVX2. A closure would do, but for a call in between that is not inlined.
struct Vertical<'a> {
    v3: V3,
    rows: &'a Rows<'a>,
    weights: &'a [i16],
    bits: u32,
    to: &'a mut [i16],
}

impl NullaryFnOnce for Vertical<'_> {
    type Output = ();

    #[inline(always)]
    fn call(mut self) {
        let last = self.to.len() - COLUMNS;
        let mut at = 0;
        loop {
            let sums = self.sums(at);
            self.store(sums, at);
            if at == last {
                return;
            }
            // The last columns are made twice where they are not as many.
            at = (at + COLUMNS).min(last);
        }
    }
}

impl Vertical<'_> {
    /// The sums of [`COLUMNS`] columns, before they are shifted.
    #[inline(always)]
    fn sums(&self, at: usize) -> [__m256i; 8] {
        let (half, _) = rounding(self.bits);
        let mut sums = [self.v3.avx._mm256_set1_epi32(half); 8];
        let (pairs, rest) = self.weights.as_chunks::<2>();
        for (pair, weights) in pairs.iter().enumerate() {
            let (a, b) = (self.rows.block(2 * pair, at), self.rows.block(2 * pair + 1, at));
            self.add(&mut sums, [*a, *b], *weights);
        }
        if let [weight] = rest {
            let row = *self.rows.block(2 * pairs.len(), at);
            self.add(&mut sums, [row, row], [*weight, 0]);
        }
        sums
    }

    /// Adds two rows. Bytes of both are put side by side and widened within each half of a
    /// register, and packing takes the sums back.
    #[inline(always)]
    fn add(&self, sums: &mut [__m256i; 8], rows: [[u8; COLUMNS]; 2], weights: [i16; 2]) {
        let v3 = self.v3;
        let weights = v3.avx._mm256_set1_epi32(cast(weights));
        let zero = v3.avx._mm256_setzero_si256();
        let [a, b]: [[__m256i; 2]; 2] = cast(rows);
        for ((sums, a), b) in sums.as_chunks_mut::<4>().0.iter_mut().zip(a).zip(b) {
            let (low, high) =
                (v3.avx2._mm256_unpacklo_epi8(a, b), v3.avx2._mm256_unpackhi_epi8(a, b));
            let pairs = [
                v3.avx2._mm256_unpacklo_epi8(low, zero),
                v3.avx2._mm256_unpackhi_epi8(low, zero),
                v3.avx2._mm256_unpacklo_epi8(high, zero),
                v3.avx2._mm256_unpackhi_epi8(high, zero),
            ];
            for (sum, pairs) in sums.iter_mut().zip(pairs) {
                *sum = v3.avx2._mm256_add_epi32(*sum, v3.avx2._mm256_madd_epi16(pairs, weights));
            }
        }
    }

    #[inline(always)]
    fn store(&mut self, sums: [__m256i; 8], at: usize) {
        let avx2 = self.v3.avx2;
        let (_, shift) = rounding(self.bits);
        let count: __m128i = cast([u64::from(shift), 0]);
        for (half, sums) in sums.as_chunks::<4>().0.iter().enumerate() {
            let [a, b, c, d] = *sums;
            let low = avx2._mm256_packs_epi32(
                avx2._mm256_sra_epi32(a, count),
                avx2._mm256_sra_epi32(b, count),
            );
            let high = avx2._mm256_packs_epi32(
                avx2._mm256_sra_epi32(c, count),
                avx2._mm256_sra_epi32(d, count),
            );
            let values: [i16; COLUMNS / 2] = cast([
                avx2._mm256_permute2x128_si256::<0x20>(low, high),
                avx2._mm256_permute2x128_si256::<0x31>(low, high),
            ]);
            self.to[at + half * COLUMNS / 2..][..COLUMNS / 2].copy_from_slice(&values);
        }
    }
}

pub(super) fn horizontal(v3: V3, row: &[i16], taps: &Across<'_>, to: To<'_>) {
    // The usual numbers of steps are known to the compiler.
    match taps.steps() {
        1 => v3.vectorize(Horizontal::<1> { v3, row, taps, to }),
        2 => v3.vectorize(Horizontal::<2> { v3, row, taps, to }),
        3 => v3.vectorize(Horizontal::<3> { v3, row, taps, to }),
        _ => v3.vectorize(Horizontal::<ANY> { v3, row, taps, to }),
    }
}

/// Steps that the compiler does not know.
const ANY: usize = 0;

struct Horizontal<'a, const STEPS: usize> {
    v3: V3,
    row: &'a [i16],
    taps: &'a Across<'a>,
    to: To<'a>,
}

/// The bytes of two values each of a pixel of three channels.
const RGB: [u8; 16] = [0, 1, 6, 7, 2, 3, 8, 9, 4, 5, 10, 11, 4, 5, 10, 11];

/// Of four channels.
const RGBA: [u8; 16] = [0, 1, 8, 9, 2, 3, 10, 11, 4, 5, 12, 13, 6, 7, 14, 15];

/// Four pixels of three channels, of four of four.
const PACKED: [u8; 16] = [0, 1, 2, 4, 5, 6, 8, 9, 10, 12, 13, 14, 12, 13, 14, 15];

impl<const STEPS: usize> NullaryFnOnce for Horizontal<'_, STEPS> {
    type Output = ();

    #[inline(always)]
    fn call(mut self) {
        let taps = self.taps;
        for (block, starts) in taps.starts.as_chunks::<OUTPUTS>().0.iter().enumerate() {
            match taps.form {
                Form::Plane => {
                    let sums = self.sums(block, starts, 8, None);
                    self.store_plane(sums, block);
                }
                Form::Rgb => {
                    let sums = self.sums(block, starts, 6, Some(cast([RGB, RGB])));
                    self.store_pixels::<3>(sums, block);
                }
                Form::Rgba => {
                    let sums = self.sums(block, starts, 8, Some(cast([RGBA, RGBA])));
                    self.store_pixels::<4>(sums, block);
                }
            }
        }
    }
}

impl<const STEPS: usize> Horizontal<'_, STEPS> {
    /// One channel: each output has four parts of its sum.
    #[inline(always)]
    fn store_plane(&mut self, [a, b, c, d]: [__m256i; VECTORS], block: usize) {
        let avx2 = self.v3.avx2;
        let (ab, cd) = (avx2._mm256_hadd_epi32(a, b), avx2._mm256_hadd_epi32(c, d));
        let values = self.values(avx2._mm256_hadd_epi32(ab, cd));
        match &mut self.to {
            To::Planes { planes, .. } => {
                planes[block * OUTPUTS..][..OUTPUTS]
                    .copy_from_slice(&cast::<_, [f32; OUTPUTS]>(values));
            }
            To::Bytes(bytes) => {
                let bytes = &mut bytes[block * OUTPUTS..][..OUTPUTS];
                let values: [i32; OUTPUTS] = cast(self.v3.avx._mm256_cvtps_epi32(values));
                for (byte, value) in bytes.iter_mut().zip(values) {
                    *byte = value.clamp(0, 255) as u8;
                }
            }
        }
    }

    /// Pixels of `C` channels: each output has a sum of each channel.
    #[inline(always)]
    fn store_pixels<const C: usize>(&mut self, [a, b, c, d]: [__m256i; VECTORS], block: usize) {
        let (avx, avx2) = (self.v3.avx, self.v3.avx2);
        if let To::Bytes(bytes) = &mut self.to {
            let scale = avx._mm256_set1_ps(self.taps.scale);
            let mut rounded = [a, b, c, d];
            for sums in &mut rounded {
                let values = avx._mm256_mul_ps(avx._mm256_cvtepi32_ps(*sums), scale);
                *sums = avx._mm256_cvtps_epi32(values);
            }
            let [a, b, c, d] = rounded;
            let (ab, cd) = (avx2._mm256_packs_epi32(a, b), avx2._mm256_packs_epi32(c, d));
            let pixels = avx2._mm256_packus_epi16(ab, cd);
            let pixels = match C {
                3 => avx2._mm256_shuffle_epi8(pixels, cast([PACKED, PACKED])),
                _ => pixels,
            };
            let halves: [[u8; 16]; 2] = cast(pixels);
            for (half, pixels) in halves.iter().enumerate() {
                let to = &mut bytes[(2 * block + half) * VECTORS * C..][..VECTORS * C];
                to.copy_from_slice(&pixels[..VECTORS * C]);
            }
            return;
        }
        let (ab, cd) = (avx2._mm256_unpacklo_epi32(a, b), avx2._mm256_unpacklo_epi32(c, d));
        let (red, green) = (avx2._mm256_unpacklo_epi64(ab, cd), avx2._mm256_unpackhi_epi64(ab, cd));
        let (ab, cd) = (avx2._mm256_unpackhi_epi32(a, b), avx2._mm256_unpackhi_epi32(c, d));
        let (blue, alpha) =
            (avx2._mm256_unpacklo_epi64(ab, cd), avx2._mm256_unpackhi_epi64(ab, cd));
        for (c, sums) in [red, green, blue, alpha].into_iter().enumerate().take(C) {
            let values: [f32; OUTPUTS] = cast(self.values(sums));
            if let To::Planes { planes, stride } = &mut self.to {
                planes[c * *stride + block * OUTPUTS..][..OUTPUTS].copy_from_slice(&values);
            }
        }
    }

    /// The sums of [`OUTPUTS`] outputs; a step is `step` elements, which `order` puts in that of the
    /// weights.
    #[inline(always)]
    fn sums(
        &self,
        block: usize,
        starts: &[u32; OUTPUTS],
        step: usize,
        order: Option<__m256i>,
    ) -> [__m256i; VECTORS] {
        let (avx, avx2) = (self.v3.avx, self.v3.avx2);
        let steps = if STEPS == ANY { self.taps.steps() } else { STEPS };
        let len = (steps - 1) * step + SLACK;
        let weights = &self.taps.weights[block * steps * VECTORS * VECTOR..];
        let weights = &weights.as_chunks::<{ VECTORS * VECTOR }>().0[..steps];
        let mut rows: [&[i16]; OUTPUTS] = [&[]; OUTPUTS];
        for (row, start) in rows.iter_mut().zip(starts) {
            *row = &self.row[*start as usize..][..len];
        }
        let mut sums = [avx._mm256_setzero_si256(); VECTORS];
        for (at, weights) in weights.iter().enumerate() {
            let weights: [__m256i; VECTORS] = cast(*weights);
            for (k, sum) in sums.iter_mut().enumerate() {
                let (low, high) = (eight(rows[k], at * step), eight(rows[k + VECTORS], at * step));
                let taps = avx._mm256_set_m128i(high, low);
                let taps = match order {
                    Some(order) => avx2._mm256_shuffle_epi8(taps, order),
                    None => taps,
                };
                let terms = avx2._mm256_madd_epi16(taps, weights[k]);
                *sum = avx2._mm256_add_epi32(*sum, terms);
            }
        }
        sums
    }

    #[inline(always)]
    fn values(&self, sums: __m256i) -> __m256 {
        let avx = self.v3.avx;
        avx._mm256_mul_ps(avx._mm256_cvtepi32_ps(sums), avx._mm256_set1_ps(self.taps.scale))
    }
}

/// Eight elements of a row.
#[inline(always)]
fn eight(row: &[i16], at: usize) -> __m128i {
    let taps: [i16; 8] = *row[at..][..8].first_chunk().expect("eight");
    cast(taps)
}
