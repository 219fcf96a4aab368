//! Moves and tables in AVX2.

use std::arch::x86_64::{__m128i, __m256i};

use pulp::x86::V3;
use pulp::{NullaryFnOnce, cast};
use tallow_core::Run;

use super::table;
use super::transpose::Columns;
use super::turn::{self, Lies, Turn};

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
        table::in_blocks::<{ 2 * LANES }>(
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
        table::in_blocks::<{ 2 * LANES }>(
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
        match N {
            3 => self.in_blocks::<15>(),
            _ => self.in_blocks::<16>(),
        }
    }
}

impl<const N: usize> Turned<'_, '_, N> {
    #[inline(always)]
    fn in_blocks<const KEPT: usize>(self) {
        let Self { v3, from, turn, to } = self;
        let order = cast(turn.narrow);
        turn::in_blocks::<16, KEPT>(
            from,
            turn.is_mirrored(),
            to,
            #[inline(always)]
            |block| cast(v3.ssse3._mm_shuffle_epi8(cast(block), order)),
        );
    }
}

/// Transposes blocks of as many rows as are made at once, from pixel `done` of each row on, and
/// returns how many pixels of each are written then.
pub(super) fn transpose<const N: usize>(
    v3: V3,
    columns: &Columns<'_>,
    done: usize,
    to: &mut [u8],
    stride: usize,
) -> usize {
    match N {
        1 => v3.vectorize(Bytes { v3, columns, to, stride }),
        3 | 4 => v3.vectorize(Pixels::<N> { v3, columns, done, to, stride }),
        _ => 0,
    }
}

/// Blocks of 8x8 pixels of a byte.
struct Bytes<'a> {
    v3: V3,
    columns: &'a Columns<'a>,
    to: &'a mut [u8],
    stride: usize,
}

impl NullaryFnOnce for Bytes<'_> {
    type Output = usize;

    #[inline(always)]
    fn call(self) -> usize {
        let Self { v3, columns, to, stride } = self;
        let whole = columns.len / 8 * 8;
        for x in (0..whole).step_by(8) {
            let rows: [__m128i; 8] = std::array::from_fn(|i| {
                let row: [u8; 8] = *columns.bytes[columns.at(x + i)..].first_chunk().expect("8");
                cast([u64::from_ne_bytes(row), 0])
            });
            for (column, turned) in transposed_bytes(v3, rows).into_iter().enumerate() {
                let row = if columns.mirrored { 7 - column } else { column };
                to[row * stride + x..][..8].copy_from_slice(&turned);
            }
        }
        whole
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

/// Blocks of 4x4 pixels of three or four bytes.
struct Pixels<'a, const N: usize> {
    v3: V3,
    columns: &'a Columns<'a>,
    done: usize,
    to: &'a mut [u8],
    stride: usize,
}

/// Three bytes of each four, and the other way.
const SPREAD: [u8; 16] = [0, 1, 2, 128, 3, 4, 5, 128, 6, 7, 8, 128, 9, 10, 11, 128];
const CLOSED: [u8; 16] = [0, 1, 2, 4, 5, 6, 8, 9, 10, 12, 13, 14, 128, 128, 128, 128];

impl<const N: usize> NullaryFnOnce for Pixels<'_, N> {
    type Output = usize;

    #[inline(always)]
    fn call(self) -> usize {
        let Self { v3, columns, done, to, stride } = self;
        let (spread, closed) = (cast(SPREAD), cast(CLOSED));
        for x in (done..columns.len / 4 * 4).step_by(4) {
            let mut rows: [__m128i; 4] = std::array::from_fn(|_| cast([0u8; 16]));
            for (i, row) in rows.iter_mut().enumerate() {
                // The last pixels of an image have no 16 bytes.
                let Some(read) = columns.bytes[columns.at(x + i)..].first_chunk::<16>() else {
                    return x;
                };
                *row = cast(*read);
                if N == 3 {
                    *row = v3.ssse3._mm_shuffle_epi8(*row, spread);
                }
            }
            for (column, turned) in transposed_words(v3, rows).into_iter().enumerate() {
                let row = if columns.mirrored { 3 - column } else { column };
                let turned = match N {
                    3 => v3.ssse3._mm_shuffle_epi8(turned, closed),
                    _ => turned,
                };
                let turned: [u8; 16] = cast(turned);
                to[row * stride + x * N..][..16].copy_from_slice(&turned);
            }
        }
        columns.len / 4 * 4
    }
}

/// The columns of four rows of four words of 32 bits.
#[inline(always)]
fn transposed_words(v3: V3, [a, b, c, d]: [__m128i; 4]) -> [__m128i; 4] {
    let sse2 = v3.sse2;
    let low = [sse2._mm_unpacklo_epi32(a, b), sse2._mm_unpacklo_epi32(c, d)];
    let high = [sse2._mm_unpackhi_epi32(a, b), sse2._mm_unpackhi_epi32(c, d)];
    [
        sse2._mm_unpacklo_epi64(low[0], low[1]),
        sse2._mm_unpackhi_epi64(low[0], low[1]),
        sse2._mm_unpacklo_epi64(high[0], high[1]),
        sse2._mm_unpackhi_epi64(high[0], high[1]),
    ]
}
