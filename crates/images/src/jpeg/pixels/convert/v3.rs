//! Colours in AVX2.

use std::arch::x86_64::__m256i;

use pulp::x86::V3;
use pulp::{NullaryFnOnce, cast};

use super::{BLUE, Conversion, GREEN, HALF, Lane, Lanes, RED, STEP};

pub(super) fn row(v3: V3, conversion: Conversion, components: [&[u8]; 4], pixels: &mut [u8]) {
    v3.vectorize(Row { v3, conversion, components, pixels });
}

/// What is compiled for AVX2. A closure would do, but for a call in between that is not inlined.
struct Row<'a> {
    v3: V3,
    conversion: Conversion,
    components: [&'a [u8]; 4],
    pixels: &'a mut [u8],
}

impl NullaryFnOnce for Row<'_> {
    type Output = ();

    #[inline(always)]
    fn call(self) {
        self.conversion.row_with(self.v3, self.components, self.pixels);
    }
}

impl Lanes for V3 {
    /// In numbers of 16 bits.
    #[inline(always)]
    fn rgb_of_ycc(self, ycc: [Lane; 3]) -> [Lane; 3] {
        let zero = self.avx._mm256_setzero_si256();
        let [y, cb, cr]: [__m256i; 3] = cast(ycc);
        let middle = self.avx._mm256_set1_epi8(-128);
        let (cb, cr) =
            (self.avx2._mm256_xor_si256(cb, middle), self.avx2._mm256_xor_si256(cr, middle));
        // Bytes go to 16 bits within each half of a register, and packing takes them back.
        let low = half(
            self,
            self.avx2._mm256_unpacklo_epi8(y, zero),
            twice(self, self.avx2._mm256_unpacklo_epi8(zero, cb)),
            twice(self, self.avx2._mm256_unpacklo_epi8(zero, cr)),
        );
        let high = half(
            self,
            self.avx2._mm256_unpackhi_epi8(y, zero),
            twice(self, self.avx2._mm256_unpackhi_epi8(zero, cb)),
            twice(self, self.avx2._mm256_unpackhi_epi8(zero, cr)),
        );
        cast([
            self.avx2._mm256_packus_epi16(low[0], high[0]),
            self.avx2._mm256_packus_epi16(low[1], high[1]),
            self.avx2._mm256_packus_epi16(low[2], high[2]),
        ])
    }

    /// Each lane is shuffled once so that the bytes of all three registers of pixels are where they
    /// belong, and the registers are blended from these.
    #[inline(always)]
    fn interleave(self, rgb: [Lane; 3]) -> [u8; 3 * STEP] {
        let r = self.avx2._mm256_shuffle_epi8(cast(rgb[0]), spread(0));
        let g = self.avx2._mm256_shuffle_epi8(cast(rgb[1]), spread(1));
        let b = self.avx2._mm256_shuffle_epi8(cast(rgb[2]), spread(2));
        // Byte 0 of the second 16 bytes of pixels is green, of the third blue.
        let (x, y, z) = (blend(self, r, g, b), blend(self, g, b, r), blend(self, b, r, g));
        let registers = [
            self.avx2._mm256_permute2x128_si256::<0x20>(x, y),
            self.avx2._mm256_permute2x128_si256::<0x30>(z, x),
            self.avx2._mm256_permute2x128_si256::<0x31>(y, z),
        ];
        cast(registers)
    }

    #[inline(always)]
    fn interleave_opaque(self, rgb: [Lane; 3]) -> [u8; 4 * STEP] {
        let [r, g, b]: [__m256i; 3] = cast(rgb);
        let alpha = self.avx._mm256_set1_epi8(-1);
        let rg = [self.avx2._mm256_unpacklo_epi8(r, g), self.avx2._mm256_unpackhi_epi8(r, g)];
        let ba =
            [self.avx2._mm256_unpacklo_epi8(b, alpha), self.avx2._mm256_unpackhi_epi8(b, alpha)];
        let quads = [
            self.avx2._mm256_unpacklo_epi16(rg[0], ba[0]),
            self.avx2._mm256_unpackhi_epi16(rg[0], ba[0]),
            self.avx2._mm256_unpacklo_epi16(rg[1], ba[1]),
            self.avx2._mm256_unpackhi_epi16(rg[1], ba[1]),
        ];
        let registers = [
            self.avx2._mm256_permute2x128_si256::<0x20>(quads[0], quads[1]),
            self.avx2._mm256_permute2x128_si256::<0x20>(quads[2], quads[3]),
            self.avx2._mm256_permute2x128_si256::<0x31>(quads[0], quads[1]),
            self.avx2._mm256_permute2x128_si256::<0x31>(quads[2], quads[3]),
        ];
        cast(registers)
    }
}

/// Twice the numbers that are in the upper bytes.
#[inline(always)]
fn twice(v3: V3, upper: __m256i) -> __m256i {
    v3.avx2._mm256_srai_epi16::<7>(upper)
}

/// Red, green and blue of 16 pixels, to be saturated, from luma and twice the differences.
#[inline(always)]
fn half(v3: V3, y: __m256i, cb2: __m256i, cr2: __m256i) -> [__m256i; 3] {
    let greens = v3.avx2._mm256_packs_epi32(
        green(v3, v3.avx2._mm256_unpacklo_epi16(cb2, cr2)),
        green(v3, v3.avx2._mm256_unpackhi_epi16(cb2, cr2)),
    );
    [
        v3.avx2._mm256_add_epi16(y, scaled(v3, cr2, RED)),
        v3.avx2._mm256_add_epi16(y, greens),
        v3.avx2._mm256_add_epi16(y, scaled(v3, cb2, BLUE)),
    ]
}

/// `(factor * x + HALF) >> 16` of `2 * x`, as `(factor / 4 * 2x + (1 << 14)) >> 15`. A quarter of the
/// factor is no integer, but the nearest gives the same for all 256 differences.
#[inline(always)]
fn scaled(v3: V3, twice: __m256i, factor: i32) -> __m256i {
    v3.avx2._mm256_mulhrs_epi16(twice, v3.avx._mm256_set1_epi16(((factor + 2) >> 2) as i16))
}

/// What pairs of twice Cb and twice Cr contribute to green.
#[inline(always)]
fn green(v3: V3, pairs: __m256i) -> __m256i {
    let [cb, cr] = [GREEN[0] / 2, GREEN[1] / 2];
    let factors = v3.avx._mm256_set1_epi32((cr << 16) | (cb & 0xffff));
    let sum = v3.avx2._mm256_madd_epi16(pairs, factors);
    v3.avx2._mm256_srai_epi32::<16>(v3.avx2._mm256_add_epi32(sum, v3.avx._mm256_set1_epi32(HALF)))
}

/// Where the bytes of a channel go among three registers of 16 bytes: the register does not matter,
/// because each has its own places.
#[inline(always)]
fn spread(channel: usize) -> __m256i {
    let mut from = [0u8; 16];
    let mut pixel = 0;
    while pixel < 16 {
        from[(3 * pixel + channel) % 16] = pixel as u8;
        pixel += 1;
    }
    cast([from; 2])
}

/// Bytes 0, 3, 6 and so on of the first, 1, 4, 7 of the second, 2, 5, 8 of the third.
#[inline(always)]
fn blend(v3: V3, first: __m256i, second: __m256i, third: __m256i) -> __m256i {
    let rest = v3.avx2._mm256_blendv_epi8(third, second, every_third(1));
    v3.avx2._mm256_blendv_epi8(rest, first, every_third(0))
}

/// All bits of every third byte of 16, from `first` on.
#[inline(always)]
fn every_third(first: usize) -> __m256i {
    let mut mask = [0u8; 16];
    let mut at = first;
    while at < 16 {
        mask[at] = 0xff;
        at += 3;
    }
    cast([mask; 2])
}
