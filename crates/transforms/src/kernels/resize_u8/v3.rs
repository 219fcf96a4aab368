//! The passes in AVX2.

use std::arch::x86_64::{__m128i, __m256, __m256i};

use pulp::x86::V3;
use pulp::{NullaryFnOnce, cast};

use super::{
    Across, BETWEEN, Form, OUTPUTS, READ, Rows, SPAN, To, VECTOR, VECTORS, Whole, rounding,
};

pub(super) mod octave;
pub(super) mod whole;

/// A number that the compiler does not know.
const ANY: usize = 0;

/// Columns that are summed at once: eight registers of sums.
pub(super) const COLUMNS: usize = 64;

/// `to` has at least [`COLUMNS`] columns.
pub(super) fn vertical(v3: V3, rows: &Rows<'_>, weights: &[i16], bits: u32, to: &mut [i16]) {
    if let Some(exact) = Whole::of(weights, bits, BETWEEN) {
        return whole::vertical(v3, rows, &exact, to);
    }
    // The usual numbers of rows are known to the compiler.
    match *weights {
        [a, b] if is_share(a, b, bits) => v3.vectorize(Blend { v3, rows, share: b, to }),
        [_, _] => v3.vectorize(Vertical::<2> { v3, rows, weights, bits, to }),
        [_, _, _] => v3.vectorize(Vertical::<3> { v3, rows, weights, bits, to }),
        [_, _, _, _] => v3.vectorize(Vertical::<4> { v3, rows, weights, bits, to }),
        [_, _, _, _, _] => v3.vectorize(Vertical::<5> { v3, rows, weights, bits, to }),
        [_, _, _, _, _, _] => v3.vectorize(Vertical::<6> { v3, rows, weights, bits, to }),
        _ => v3.vectorize(Vertical::<ANY> { v3, rows, weights, bits, to }),
    }
}

/// Whether two weights are shares of 1, in 14 bits.
fn is_share(a: i16, b: i16, bits: u32) -> bool {
    bits == SHARE_BITS && a >= 0 && b >= 0 && i32::from(a) + i32::from(b) == 1 << bits
}

/// Fractional bits of weights for which [`Blend`] is made.
const SHARE_BITS: u32 = 14;

/// Two rows whose weights are shares: a + (b - a) `share`, with [`BETWEEN`] fractional bits. One
/// instruction multiplies the difference, rounds half up and shifts: since a is a whole number of
/// steps, nothing else is to be rounded. It takes half the instructions of the sum of two products.
struct Blend<'a> {
    v3: V3,
    rows: &'a Rows<'a>,
    share: i16,
    to: &'a mut [i16],
}

impl NullaryFnOnce for Blend<'_> {
    type Output = ();

    #[inline(always)]
    fn call(self) {
        let Self { v3, rows, share, to } = self;
        let (avx2, len) = (v3.avx2, to.len());
        let [a, b] = [0, 1].map(|number| &rows.bytes[rows.place(number)..][..len]);
        let share = v3.avx._mm256_set1_epi16(share);
        let last = len - COLUMNS;
        let mut at = 0;
        loop {
            for part in 0..COLUMNS / 16 {
                let at = at + 16 * part;
                let words = [words(v3, a, at), words(v3, b, at)];
                // 15 bits of the product are cut off, and with the weight's 14 that leaves 6.
                let apart = avx2._mm256_sub_epi16(words[1], words[0]);
                let apart = avx2._mm256_slli_epi16::<{ 15 + BETWEEN as i32 - 14 }>(apart);
                let moved = avx2._mm256_mulhrs_epi16(apart, share);
                let whole = avx2._mm256_slli_epi16::<{ BETWEEN as i32 }>(words[0]);
                let values: [i16; 16] = cast(avx2._mm256_add_epi16(whole, moved));
                to[at..][..16].copy_from_slice(&values);
            }
            if at == last {
                return;
            }
            // The last columns are made twice where they are not as many.
            at = (at + COLUMNS).min(last);
        }
    }
}

/// 16 bytes of a row, widened.
#[inline(always)]
fn words(v3: V3, row: &[u8], at: usize) -> __m256i {
    let bytes: [u8; 16] = *row[at..].first_chunk().expect("a block");
    v3.avx2._mm256_cvtepu8_epi16(cast(bytes))
}

/// What is compiled for AVX2, for so many rows. A closure would do, but for a call in between that is
/// not inlined.
struct Vertical<'a, const ROWS: usize> {
    v3: V3,
    rows: &'a Rows<'a>,
    weights: &'a [i16],
    bits: u32,
    to: &'a mut [i16],
}

impl<const ROWS: usize> NullaryFnOnce for Vertical<'_, ROWS> {
    type Output = ();

    #[inline(always)]
    fn call(mut self) {
        let (len, rows) = (self.to.len(), self.rows);
        let known: [&[u8]; ROWS] =
            std::array::from_fn(|number| &rows.bytes[rows.place(number)..][..len]);
        if ROWS != ANY {
            self.weights = &self.weights[..ROWS];
        }
        let last = len - COLUMNS;
        let mut at = 0;
        loop {
            let sums = self.sums(&known, at);
            self.store(sums, at);
            if at == last {
                return;
            }
            // The last columns are made twice where they are not as many.
            at = (at + COLUMNS).min(last);
        }
    }
}

impl<const ROWS: usize> Vertical<'_, ROWS> {
    /// The sums of [`COLUMNS`] columns, before they are shifted.
    #[inline(always)]
    fn sums(&self, known: &[&[u8]; ROWS], at: usize) -> [__m256i; 8] {
        let (half, _) = rounding(self.bits);
        let mut sums = [self.v3.avx._mm256_set1_epi32(half); 8];
        let (pairs, rest) = self.weights.as_chunks::<2>();
        for (pair, weights) in pairs.iter().enumerate() {
            let rows = [self.block(known, 2 * pair, at), self.block(known, 2 * pair + 1, at)];
            self.add(&mut sums, rows, *weights);
        }
        if let [weight] = rest {
            let row = self.block(known, 2 * pairs.len(), at);
            self.add(&mut sums, [row, row], [*weight, 0]);
        }
        sums
    }

    #[inline(always)]
    fn block(&self, known: &[&[u8]; ROWS], number: usize, at: usize) -> [u8; COLUMNS] {
        if ROWS == ANY {
            return *self.rows.block(number, at);
        }
        *known[number][at..].first_chunk().expect("a block")
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
        _ if !taps.is_narrow => v3.vectorize(Horizontal::<ANY> { v3, row, taps, to }),
        1 => v3.vectorize(Horizontal::<1> { v3, row, taps, to }),
        2 => v3.vectorize(Horizontal::<2> { v3, row, taps, to }),
        3 => v3.vectorize(Horizontal::<3> { v3, row, taps, to }),
        _ => v3.vectorize(Horizontal::<ANY> { v3, row, taps, to }),
    }
}

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

    /// Where the outputs of a block begin, `len` elements each.
    #[inline(always)]
    fn rows(&self, starts: &[u32; OUTPUTS], len: usize) -> [&[i16]; OUTPUTS] {
        let mut rows: [&[i16]; OUTPUTS] = [&[]; OUTPUTS];
        if STEPS != ANY {
            // One look at the bounds for all: places within a span of 256 are within them.
            let first = starts[0].min(starts[OUTPUTS - 1]);
            let span: &[i16; SPAN] = self.row[first as usize..].first_chunk().expect("a span");
            for (row, start) in rows.iter_mut().zip(starts) {
                let at = usize::from(start.wrapping_sub(first) as u8);
                *row = &span[at..][..len];
            }
            return rows;
        }
        for (row, start) in rows.iter_mut().zip(starts) {
            *row = &self.row[*start as usize..][..len];
        }
        rows
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
        let len = (steps - 1) * step + READ;
        let weights = &self.taps.weights[block * steps * VECTORS * VECTOR..];
        let weights = &weights.as_chunks::<{ VECTORS * VECTOR }>().0[..steps];
        let rows = self.rows(starts, len);
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
