//! Pixels of three bytes to planes and back in AVX2, of which the compiler makes moves of single
//! elements.

use std::arch::x86_64::{__m256, __m256i};

use pulp::x86::V3;
use pulp::{NullaryFnOnce, cast};

/// Pixels of a block, one per lane.
pub(in crate::kernels) const PIXELS: usize = 8;
pub(in crate::kernels) const BYTES: usize = 3 * PIXELS;

/// A block of pixels, and the values of one of its channels.
pub(in crate::kernels) type Block = [[u8; 3]; PIXELS];
pub(in crate::kernels) type Values = [f32; PIXELS];

/// Pixels to planes of as many values, or more.
pub(super) fn split(v3: V3, pixels: &[[u8; 3]], planes: [&mut [f32]; 3]) {
    v3.vectorize(Split::<false> { v3, pixels, planes });
}

/// The same, the last pixel first.
pub(super) fn split_reversed(v3: V3, pixels: &[[u8; 3]], planes: [&mut [f32]; 3]) {
    v3.vectorize(Split::<true> { v3, pixels, planes });
}

struct Split<'a, const REVERSED: bool> {
    v3: V3,
    pixels: &'a [[u8; 3]],
    planes: [&'a mut [f32]; 3],
}

impl<const REVERSED: bool> NullaryFnOnce for Split<'_, REVERSED> {
    type Output = ();

    #[inline(always)]
    fn call(self) {
        let Self { v3, pixels, planes: [r, g, b] } = self;
        let n = pixels.len();
        let (r, g, b) = (&mut r[..n], &mut g[..n], &mut b[..n]);
        let splitter = Splitter::new::<REVERSED>(v3);
        let (blocks, rest) = pixels.as_chunks::<PIXELS>();
        // Reversed, what is left over comes first.
        let skipped = if REVERSED { rest.len() } else { 0 };
        let (r_blocks, _) = r[skipped..].as_chunks_mut::<PIXELS>();
        let (g_blocks, _) = g[skipped..].as_chunks_mut::<PIXELS>();
        let (b_blocks, _) = b[skipped..].as_chunks_mut::<PIXELS>();
        for (i, ((r, g), b)) in r_blocks.iter_mut().zip(g_blocks).zip(b_blocks).enumerate() {
            let block = if REVERSED { blocks.len() - 1 - i } else { i };
            [*r, *g, *b] = splitter.split(&blocks[block]);
        }
        if let (Some(block), 1..) = (pixels.last_chunk::<PIXELS>(), rest.len()) {
            // With pixels before them, which become what they are already.
            let to = if REVERSED { 0 } else { n - PIXELS };
            let places = [r, g, b].map(|plane| plane[to..].first_chunk_mut());
            for (place, values) in places.into_iter().zip(splitter.split(block)) {
                if let Some(place) = place {
                    *place = values;
                }
            }
            return;
        }
        for (i, pixel) in rest.iter().enumerate() {
            let at = if REVERSED { n - 1 - i } else { i };
            [r[at], g[at], b[at]] = pixel.map(f32::from);
        }
    }
}

/// Splits blocks of pixels.
#[derive(Clone, Copy)]
pub(in crate::kernels) struct Splitter {
    v3: V3,
    /// For each channel, where each value's byte lies in the half of the block that its lane holds.
    places: [__m256i; 3],
    reversed: bool,
}

impl Splitter {
    #[inline(always)]
    pub(in crate::kernels) fn new<const REVERSED: bool>(v3: V3) -> Self {
        let mut places = [[[0x80; 16]; 2]; 3];
        for (c, places) in places.iter_mut().enumerate() {
            for i in 0..PIXELS {
                let pixel = if REVERSED { PIXELS - 1 - i } else { i };
                let first = if pixel < PIXELS / 2 { 0 } else { BYTES - 16 };
                places[i / 4][i % 4 * 4] = (3 * pixel + c - first) as u8;
            }
        }
        let [r, g, b] = places;
        Self { v3, places: [cast(r), cast(g), cast(b)], reversed: REVERSED }
    }

    #[inline(always)]
    pub(in crate::kernels) fn split(self, block: &Block) -> [Values; 3] {
        let [low, high] = halves(block);
        let bytes = cast(if self.reversed { [high, low] } else { [low, high] });
        let [r, g, b] = self.places;
        [self.values(bytes, r), self.values(bytes, g), self.values(bytes, b)]
    }

    #[inline(always)]
    fn values(self, bytes: __m256i, places: __m256i) -> Values {
        let numbers = self.v3.avx2._mm256_shuffle_epi8(bytes, places);
        cast(self.v3.avx._mm256_cvtepi32_ps(numbers))
    }
}

/// The first and the last 16 bytes of a block.
#[inline(always)]
fn halves(block: &Block) -> [[u8; 16]; 2] {
    let bytes: &[u8; BYTES] = block.as_flattened().first_chunk().expect("the bytes of a block");
    let (low, high) = (bytes.first_chunk(), bytes.last_chunk());
    [*low.expect("16 of 24"), *high.expect("16 of 24")]
}

/// `pixels[i][c] = planes[c][i] * scale[c] + bias[c]`, rounded half to even and saturated; NaN
/// becomes 0.
pub(super) fn join(
    v3: V3,
    planes: [&[f32]; 3],
    scale: [f32; 3],
    bias: [f32; 3],
    pixels: &mut [[u8; 3]],
) {
    if scale == [1.0; 3] && bias == [0.0; 3] {
        v3.vectorize(Join { v3, planes, pixels, by: Unchanged });
    } else {
        v3.vectorize(Join { v3, planes, pixels, by: Scaled { scale, bias } });
    }
}

/// How values change before they are rounded.
trait Before: Copy {
    fn of(self, channel: usize, values: Values) -> Values;
}

#[derive(Clone, Copy)]
struct Unchanged;

impl Before for Unchanged {
    #[inline(always)]
    fn of(self, _channel: usize, values: Values) -> Values {
        values
    }
}

#[derive(Clone, Copy)]
struct Scaled {
    scale: [f32; 3],
    bias: [f32; 3],
}

impl Before for Scaled {
    #[inline(always)]
    fn of(self, channel: usize, mut values: Values) -> Values {
        values.iter_mut().for_each(|x| *x = *x * self.scale[channel] + self.bias[channel]);
        values
    }
}

struct Join<'a, B> {
    v3: V3,
    planes: [&'a [f32]; 3],
    pixels: &'a mut [[u8; 3]],
    by: B,
}

impl<B: Before> NullaryFnOnce for Join<'_, B> {
    type Output = ();

    #[inline(always)]
    fn call(self) {
        let Self { v3, planes: [r, g, b], pixels, by } = self;
        let n = pixels.len();
        let (r, r_rest) = r[..n].as_chunks::<PIXELS>();
        let (g, g_rest) = g[..n].as_chunks::<PIXELS>();
        let (b, b_rest) = b[..n].as_chunks::<PIXELS>();
        let mut writer = Writer::new(pixels);
        let join = Joiner::new(v3);
        for ((r, g), b) in r.iter().zip(g).zip(b) {
            writer.put(join.join([by.of(0, *r), by.of(1, *g), by.of(2, *b)]));
        }
        if !r_rest.is_empty() {
            let mut values = [[0.0; PIXELS]; 3];
            for (values, rest) in values.iter_mut().zip([r_rest, g_rest, b_rest]) {
                values.iter_mut().zip(rest).for_each(|(value, x)| *value = *x);
            }
            let [r, g, b] = values;
            writer.put(join.join([by.of(0, r), by.of(1, g), by.of(2, b)]));
        }
    }
}

/// Joins values to the bytes of pixels.
#[derive(Clone, Copy)]
pub(in crate::kernels) struct Joiner {
    v3: V3,
    /// From four bytes of each channel to pixels.
    to_pixels: __m256i,
}

impl Joiner {
    #[inline(always)]
    pub(in crate::kernels) fn new(v3: V3) -> Self {
        let lane = [0u8, 4, 8, 1, 5, 9, 2, 6, 10, 3, 7, 11, 3, 7, 11, 3];
        Self { v3, to_pixels: cast([lane; 2]) }
    }

    /// The pixels of values that are rounded half to even and saturated, NaN as 0.
    #[inline(always)]
    pub(in crate::kernels) fn join(self, [r, g, b]: [Values; 3]) -> [u8; 32] {
        let [r, g, b] = [self.rounded(cast(r)), self.rounded(cast(g)), self.rounded(cast(b))];
        let avx2 = self.v3.avx2;
        // In each half four of red, of green, of blue, of blue.
        let (red_green, blue) = (avx2._mm256_packs_epi32(r, g), avx2._mm256_packs_epi32(b, b));
        let bytes = avx2._mm256_packus_epi16(red_green, blue);
        together(self.v3, avx2._mm256_shuffle_epi8(bytes, self.to_pixels))
    }

    /// The nearest integers, at most 255.
    #[inline(always)]
    fn rounded(self, x: __m256) -> __m256i {
        // NaN, the second operand, stays. Of it and of what is far below 0 the conversion makes the
        // least number, which is packed as 0.
        let x = self.v3.avx._mm256_min_ps(self.v3.avx._mm256_set1_ps(255.0), x);
        self.v3.avx._mm256_cvtps_epi32(x)
    }
}

/// The 12 first bytes of each half beside each other.
#[inline(always)]
pub(in crate::kernels) fn together(v3: V3, halves: __m256i) -> [u8; 32] {
    let order = cast([0u32, 1, 2, 4, 5, 6, 3, 7]);
    cast(v3.avx2._mm256_permutevar8x32_epi32(halves, order))
}

/// Writes blocks of pixels one behind the other: 32 bytes, of which the next block covers 8, where
/// there is room for them. That is one store instead of two and a shuffle.
struct Writer<'a> {
    left: &'a mut [u8],
}

impl<'a> Writer<'a> {
    #[inline(always)]
    fn new(pixels: &'a mut [[u8; 3]]) -> Self {
        Self { left: pixels.as_flattened_mut() }
    }

    /// Writes the next block, or what there is room for.
    #[inline(always)]
    fn put(&mut self, bytes: [u8; 32]) {
        let left = std::mem::take(&mut self.left);
        match left.first_chunk_mut() {
            Some(place) => *place = bytes,
            None => left.iter_mut().zip(bytes).for_each(|(to, byte)| *to = byte),
        }
        let written = left.len().min(BYTES);
        self.left = &mut left[written..];
    }
}
