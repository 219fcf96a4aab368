//! Moves and tables in AVX-512 VBMI, which shuffles 64 bytes at once and looks 128 levels up.

use std::arch::x86_64::__m512i;

use pulp::{NullaryFnOnce, cast};
use tallow_core::Run;
use tallow_images::Vbmi;

use super::table::{self, Table};
use super::transpose::Columns;
use super::turn::{self, Lies, Turn};

/// Bytes of a vector.
const LANES: usize = 64;

/// Writes pixels of `N` channels, each as its own table has it.
pub(super) fn look_up<const N: usize>(
    vbmi: Vbmi,
    from: &[u8],
    tables: [&Table; N],
    to: &mut Run<'_, u8>,
) {
    vbmi.vectorize(LookUp { vbmi, from, tables, to });
}

pub(super) fn turn<const N: usize>(vbmi: Vbmi, from: &Lies<'_>, turn: &Turn, to: &mut Run<'_, u8>) {
    vbmi.vectorize(Turned::<N> { vbmi, from, turn, to });
}

/// `at` as a table in four vectors has it: two instructions look 128 levels up each, and the top bit
/// says which of them is meant.
#[inline(always)]
fn looked_up(vbmi: Vbmi, at: __m512i, [a, b, c, d]: [__m512i; 4]) -> __m512i {
    let (low, high) = (vbmi.shuffled_of_two([a, b], at), vbmi.shuffled_of_two([c, d], at));
    vbmi.chosen([low, high], vbmi.top_bits(at))
}

/// Which bytes of a block are of each channel of `N`, of blocks that begin with each channel.
const fn masks<const N: usize>() -> [[u64; N]; N] {
    let (mut masks, mut first) = ([[0; N]; N], 0);
    while first < N {
        let mut i = 0;
        while i < LANES {
            masks[first][(first + i) % N] |= 1 << i;
            i += 1;
        }
        first += 1;
    }
    masks
}

struct LookUp<'a, 'r, const N: usize> {
    vbmi: Vbmi,
    from: &'a [u8],
    tables: [&'a Table; N],
    to: &'a mut Run<'r, u8>,
}

impl<const N: usize> NullaryFnOnce for LookUp<'_, '_, N> {
    type Output = ();

    /// Every byte is looked up in every table, which takes no more than putting channels together
    /// would, and taken from that of its channel.
    #[inline(always)]
    fn call(self) {
        let Self { vbmi, from, tables, to } = self;
        let tables = tables.map(|table| -> [__m512i; 4] { cast(table.levels) });
        let masks = const { masks::<N>() };
        let mut first = 0;
        table::in_blocks::<LANES>(
            from,
            to,
            #[inline(always)]
            |block| {
                let at = cast(block);
                let mut looked = looked_up(vbmi, at, tables[0]);
                for c in 1..N {
                    let other = looked_up(vbmi, at, tables[c]);
                    let mask = masks[first][c];
                    looked = vbmi.chosen([looked, other], mask);
                }
                first = (first + LANES) % N;
                cast(looked)
            },
        );
    }
}

struct Turned<'a, 'r, const N: usize> {
    vbmi: Vbmi,
    from: &'a Lies<'a>,
    turn: &'a Turn,
    to: &'a mut Run<'r, u8>,
}

impl<const N: usize> NullaryFnOnce for Turned<'_, '_, N> {
    type Output = ();

    #[inline(always)]
    fn call(self) {
        match N {
            3 => self.in_blocks::<63>(),
            _ => self.in_blocks::<64>(),
        }
    }
}

impl<const N: usize> Turned<'_, '_, N> {
    #[inline(always)]
    fn in_blocks<const KEPT: usize>(self) {
        let Self { vbmi, from, turn, to } = self;
        let order = cast(turn.wide);
        turn::in_blocks::<LANES, KEPT>(
            from,
            turn.is_mirrored(),
            to,
            #[inline(always)]
            |block| cast(vbmi.shuffled(cast(block), order)),
        );
    }
}

/// Pixels of a row that are transposed at once.
const ACROSS: usize = 16;

/// Columns that become rows at once.
const COLUMNS: usize = 4;

/// Transposes blocks of four columns of 16 pixels, of three bytes or four, and returns how many pixels
/// of each row are written.
pub(super) fn transpose<const N: usize>(
    vbmi: Vbmi,
    columns: &Columns<'_>,
    to: &mut [u8],
    stride: usize,
) -> usize {
    match N {
        3 | 4 => vbmi.vectorize(Transposed::<N> { vbmi, columns, to, stride }),
        _ => 0,
    }
}

/// Where the bytes of a row are, of each column, in 16 rows of 16 bytes: its first half in the first
/// two vectors of 64, and the second in the others. Each half is at the same numbers of its own.
const fn places<const N: usize>() -> [[u8; LANES]; COLUMNS] {
    let (mut places, mut column) = ([[0; LANES]; COLUMNS], 0);
    while column < COLUMNS {
        let mut i = 0;
        while i < ACROSS * N {
            let row = i / N % (ACROSS / 2);
            places[column][i] = (row * 16 + column * N + i % N) as u8;
            i += 1;
        }
        column += 1;
    }
    places
}

struct Transposed<'a, const N: usize> {
    vbmi: Vbmi,
    columns: &'a Columns<'a>,
    to: &'a mut [u8],
    stride: usize,
}

impl<const N: usize> NullaryFnOnce for Transposed<'_, N> {
    type Output = usize;

    #[inline(always)]
    fn call(self) -> usize {
        let Self { vbmi, columns, to, stride } = self;
        let places = const { places::<N>() }.map(|places| -> __m512i { cast(places) });
        let second_half = !0 << (ACROSS / 2 * N);
        let whole = columns.len / ACROSS * ACROSS;
        for x in (0..whole).step_by(ACROSS) {
            let mut rows = [[0; 16]; ACROSS];
            for (i, row) in rows.iter_mut().enumerate() {
                // The last pixels of an image have no 16 bytes.
                let read = columns.bytes[columns.at(x + i)..].first_chunk::<16>();
                let Some(read) = read else { return x };
                *row = *read;
            }
            let [a, b, c, d]: [__m512i; 4] = cast(rows);
            for (column, places) in places.into_iter().enumerate() {
                let halves = [[a, b], [c, d]].map(|half| vbmi.shuffled_of_two(half, places));
                let made: [u8; LANES] = cast(vbmi.chosen(halves, second_half));
                let row = if columns.mirrored { COLUMNS - 1 - column } else { column };
                to[row * stride + x * N..][..LANES].copy_from_slice(&made);
            }
        }
        whole
    }
}
