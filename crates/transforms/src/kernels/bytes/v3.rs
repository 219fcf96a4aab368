//! Moves and tables in AVX2.

use std::arch::x86_64::{__m128i, __m256i};

use pulp::x86::V3;
use pulp::{NullaryFnOnce, cast};
use tallow_core::{Rows, Run};

use super::table;
use super::transpose::{Columns, ROWS};
use super::turn::{self, Lies, Places, Turn};

/// Bytes of a vector of which a table of 16 levels can be looked up.
const LANES: usize = 32;

/// Writes every byte x of `from` as (x & `and`) ^ `xor`.
pub(super) fn change_bits(v3: V3, from: &[u8], [and, xor]: [u8; 2], to: &mut Run<'_, u8>) {
    v3.vectorize(ChangeBits { v3, from, and, xor, to });
}

struct ChangeBits<'a, 'r> {
    v3: V3,
    from: &'a [u8],
    and: u8,
    xor: u8,
    to: &'a mut Run<'r, u8>,
}

impl NullaryFnOnce for ChangeBits<'_, '_> {
    type Output = ();

    #[inline(always)]
    fn call(self) {
        let Self { v3, from, and, xor, to } = self;
        let [and, xor] = [and, xor].map(|byte| v3.avx._mm256_set1_epi8(byte as i8));
        table::in_aligned_blocks::<{ 2 * LANES }>(
            from,
            to,
            #[inline(always)]
            |block| {
                let [a, b]: [__m256i; 2] = cast(block);
                let changed = |x| v3.avx2._mm256_xor_si256(v3.avx2._mm256_and_si256(x, and), xor);
                cast([changed(a), changed(b)])
            },
        );
    }
}

pub(super) fn look_up(v3: V3, from: &[u8], levels: &[u8; 256], to: &mut Run<'_, u8>) {
    v3.vectorize(LookUp { v3, from, levels, to });
}

/// A table of 256 levels is 16 of 16 levels, each of which one instruction looks up. It gives 0 for
/// an index with its top bit set, so that the sum of all has what that table gave which is meant.
/// Looking all 16 up by the lower bits and choosing among them by the upper ones, in half as many
/// instructions, takes as long.
struct LookUp<'a, 'r> {
    v3: V3,
    from: &'a [u8],
    levels: &'a [u8; 256],
    to: &'a mut Run<'r, u8>,
}

impl NullaryFnOnce for LookUp<'_, '_> {
    type Output = ();

    #[inline(always)]
    fn call(self) {
        let Self { v3, from, levels, to } = self;
        let tables: [__m256i; 16] = std::array::from_fn(|k| {
            let table: [u8; 16] = std::array::from_fn(|i| levels[16 * k + i]);
            cast([table; 2])
        });
        table::in_aligned_blocks::<{ 2 * LANES }>(
            from,
            to,
            #[inline(always)]
            |block| cast(looked_up(v3, cast(block), &tables)),
        );
    }
}

#[inline(always)]
fn looked_up(v3: V3, mut at: [__m256i; 2], tables: &[__m256i; 16]) -> [__m256i; 2] {
    let sixteen = v3.avx._mm256_set1_epi8(16);
    // What is above 15 after this has its top bit set.
    let beyond = v3.avx._mm256_set1_epi8(0x70);
    let mut sums = [v3.avx._mm256_setzero_si256(); 2];
    for table in tables {
        for (at, sum) in at.iter_mut().zip(&mut sums) {
            let index = v3.avx2._mm256_adds_epu8(*at, beyond);
            *sum = v3.avx2._mm256_or_si256(*sum, v3.avx2._mm256_shuffle_epi8(*table, index));
            *at = v3.avx2._mm256_sub_epi8(*at, sixteen);
        }
    }
    sums
}

pub(super) fn turn<const N: usize>(v3: V3, from: &Lies<'_>, turn: &Turn, to: &mut Run<'_, u8>) {
    v3.vectorize(Turned::<N> { v3, from, turn, to });
}

struct Turned<'a, 'r, const N: usize> {
    v3: V3,
    from: &'a Lies<'a>,
    turn: &'a Turn,
    to: &'a mut Run<'r, u8>,
}

impl<const N: usize> NullaryFnOnce for Turned<'_, '_, N> {
    type Output = ();

    #[inline(always)]
    fn call(self) {
        match (N, self.turn.is_mirrored()) {
            (3, true) => self.in_blocks::<15>(&const { Places::of::<N>(true) }),
            (3, false) => self.in_blocks::<15>(&const { Places::of::<N>(false) }),
            (_, true) => self.in_blocks::<16>(&const { Places::of::<N>(true) }),
            (_, false) => self.in_blocks::<16>(&const { Places::of::<N>(false) }),
        }
    }
}

impl<const N: usize> Turned<'_, '_, N> {
    #[inline(always)]
    fn in_blocks<const KEPT: usize>(self, places: &Places<16>) {
        let Self { v3, from, turn, to } = self;
        let order = cast(turn.order::<N, 16>(places));
        turn::in_blocks::<16, KEPT>(
            from,
            turn.is_mirrored(),
            to,
            #[inline(always)]
            |block| cast(v3.ssse3._mm_shuffle_epi8(cast(block), order)),
        );
    }
}

/// Transposes blocks of 8x8 pixels of one, three or four bytes, as many of the rows `to` as there are.
pub(super) fn transpose<const N: usize>(
    v3: V3,
    columns: &Columns<'_>,
    to: &mut Rows<'_, u8, ROWS>,
) {
    match (N, columns.mirrored) {
        (1, true) => v3.vectorize(Bytes::<true> { v3, columns, to }),
        (1, false) => v3.vectorize(Bytes::<false> { v3, columns, to }),
        (3 | 4, true) => v3.vectorize(Pixels::<N, true> { v3, columns, to }),
        (3 | 4, false) => v3.vectorize(Pixels::<N, false> { v3, columns, to }),
        _ => {}
    }
}

/// The rows that columns become, of which the last is the first where they are mirrored.
#[inline(always)]
fn ordered<T, const MIRRORED: bool>([a, b, c, d, e, f, g, h]: [T; ROWS]) -> [T; ROWS] {
    if MIRRORED { [h, g, f, e, d, c, b, a] } else { [a, b, c, d, e, f, g, h] }
}

/// Blocks of 8x8 pixels of a byte.
struct Bytes<'a, 'r, const MIRRORED: bool> {
    v3: V3,
    columns: &'a Columns<'a>,
    to: &'a mut Rows<'r, u8, ROWS>,
}

impl<const MIRRORED: bool> NullaryFnOnce for Bytes<'_, '_, MIRRORED> {
    type Output = ();

    #[inline(always)]
    fn call(self) {
        let Self { v3, columns, to } = self;
        for x in (0..columns.len / 8 * 8).step_by(8) {
            let rows: [__m128i; 8] = std::array::from_fn(|i| {
                let row: [u8; 8] = *columns.bytes[columns.at(x + i)..].first_chunk().expect("8");
                cast([u64::from_ne_bytes(row), 0])
            });
            to.put::<8>(ordered::<_, MIRRORED>(transposed_bytes(v3, rows)), 8);
        }
    }
}

/// The columns of the first eight bytes of `rows`.
#[inline(always)]
fn transposed_bytes(v3: V3, rows: [__m128i; 8]) -> [[u8; 8]; 8] {
    let sse2 = v3.sse2;
    let pairs: [__m128i; 4] =
        std::array::from_fn(|i| sse2._mm_unpacklo_epi8(rows[2 * i], rows[2 * i + 1]));
    let [a, b] = [0, 2].map(|i| {
        let (first, second) = (pairs[i], pairs[i + 1]);
        [sse2._mm_unpacklo_epi16(first, second), sse2._mm_unpackhi_epi16(first, second)]
    });
    let low = [sse2._mm_unpacklo_epi32(a[0], b[0]), sse2._mm_unpackhi_epi32(a[0], b[0])];
    let high = [sse2._mm_unpacklo_epi32(a[1], b[1]), sse2._mm_unpackhi_epi32(a[1], b[1])];
    cast([low, high])
}

/// Blocks of 8x8 pixels of three or four bytes, as words of four: 24 shuffles of vectors, and of three
/// bytes three more for each row.
///
/// AVX-512 VBMI's shuffles of 64 single bytes, of 16 rows of four columns, took as long: what counts is
/// how often a line of the cache is read. Rows are written where they belong: by way of a line that is
/// copied then, an image of 224x224 took 15 us instead of 8.5, where its bytes alone take 3.
struct Pixels<'a, 'r, const N: usize, const MIRRORED: bool> {
    v3: V3,
    columns: &'a Columns<'a>,
    to: &'a mut Rows<'r, u8, ROWS>,
}

/// Three bytes of each four, and the other way, in each half of a vector.
const SPREAD: [u8; 16] = [0, 1, 2, 128, 3, 4, 5, 128, 6, 7, 8, 128, 9, 10, 11, 128];
const CLOSED: [u8; 16] = [0, 1, 2, 4, 5, 6, 8, 9, 10, 12, 13, 14, 128, 128, 128, 128];
/// The first three words of both halves.
const JOINED: [u32; 8] = [0, 1, 2, 4, 5, 6, 7, 7];

/// Where the second half of eight pixels of three bytes begins, and where what is read for it ends.
const HALF: usize = 12;
const READ: usize = HALF + 16;

impl<const N: usize, const MIRRORED: bool> Pixels<'_, '_, N, MIRRORED> {
    /// The first eight pixels of `bytes`, if vectors can read them: the last of an image have not
    /// enough behind them.
    #[inline(always)]
    fn read(v3: V3, bytes: &[u8]) -> Option<__m256i> {
        if N == 4 {
            return Some(cast(*bytes.first_chunk::<32>()?));
        }
        let bytes = bytes.first_chunk::<READ>()?;
        let half = |first: usize| *bytes[first..].first_chunk::<16>().expect("a half");
        let halves: __m256i = cast([half(0), half(HALF)]);
        Some(v3.avx2._mm256_shuffle_epi8(halves, cast([SPREAD; 2])))
    }

    /// Eight pixels, and behind those of three bytes anything.
    #[inline(always)]
    fn written(v3: V3, pixels: __m256i) -> [u8; 32] {
        if N == 4 {
            return cast(pixels);
        }
        let closed = v3.avx2._mm256_shuffle_epi8(pixels, cast([CLOSED; 2]));
        cast(v3.avx2._mm256_permutevar8x32_epi32(closed, cast(JOINED)))
    }
}

impl<const N: usize, const MIRRORED: bool> NullaryFnOnce for Pixels<'_, '_, N, MIRRORED> {
    type Output = ();

    #[inline(always)]
    fn call(self) {
        let Self { v3, columns, to } = self;
        for x in (0..columns.len / 8 * 8).step_by(8) {
            let mut rows: [__m256i; 8] = [v3.avx._mm256_setzero_si256(); 8];
            for (i, row) in rows.iter_mut().enumerate() {
                match Self::read(v3, &columns.bytes[columns.at(x + i)..]) {
                    Some(read) => *row = read,
                    None => return,
                }
            }
            let mut made = [[0; 32]; ROWS];
            for (made, turned) in made.iter_mut().zip(transposed_words(v3, rows)) {
                *made = Self::written(v3, turned);
            }
            to.put::<32>(ordered::<_, MIRRORED>(made), 8 * N);
        }
    }
}

/// The columns of eight rows of eight words of 32 bits.
#[inline(always)]
fn transposed_words(v3: V3, [a, b, c, d, e, f, g, h]: [__m256i; 8]) -> [__m256i; 8] {
    let (upper, lower) = (transposed_fours(v3, [a, b, c, d]), transposed_fours(v3, [e, f, g, h]));
    let mut columns = [a; 8];
    for (column, (upper, lower)) in upper.into_iter().zip(lower).enumerate() {
        columns[column] = v3.avx2._mm256_permute2x128_si256::<0x20>(upper, lower);
        columns[column + 4] = v3.avx2._mm256_permute2x128_si256::<0x31>(upper, lower);
    }
    columns
}

/// The columns of four rows, in each half of their own.
#[inline(always)]
fn transposed_fours(v3: V3, [a, b, c, d]: [__m256i; 4]) -> [__m256i; 4] {
    let avx2 = v3.avx2;
    let low = [avx2._mm256_unpacklo_epi32(a, b), avx2._mm256_unpacklo_epi32(c, d)];
    let high = [avx2._mm256_unpackhi_epi32(a, b), avx2._mm256_unpackhi_epi32(c, d)];
    [
        avx2._mm256_unpacklo_epi64(low[0], low[1]),
        avx2._mm256_unpackhi_epi64(low[0], low[1]),
        avx2._mm256_unpacklo_epi64(high[0], high[1]),
        avx2._mm256_unpackhi_epi64(high[0], high[1]),
    ]
}
