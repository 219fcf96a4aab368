//! Moves of rows and tables in AVX-512 VBMI, which shuffles 64 bytes at once and looks 128 levels up.

use std::arch::x86_64::__m512i;

use pulp::{NullaryFnOnce, cast};
use tallow_core::Run;
use tallow_images::Vbmi;

use super::table::{self, Table};
use super::turn::{self, Lies, Places, Turn};

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
        if N == 1 {
            return table::in_aligned_blocks::<LANES>(
                from,
                to,
                #[inline(always)]
                |block| cast(looked_up(vbmi, cast(block), tables[0])),
            );
        }
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
        match (N, self.turn.is_mirrored()) {
            (3, true) => self.in_blocks::<63>(&const { Places::of::<N>(true) }),
            (3, false) => self.in_groups(),
            (_, true) => self.in_blocks::<64>(&const { Places::of::<N>(true) }),
            (_, false) => self.in_blocks::<64>(&const { Places::of::<N>(false) }),
        }
    }
}

/// Bytes of the fewest vectors that hold whole pixels of three bytes.
const GROUP: usize = 3 * LANES;

/// Bytes from which on it takes less time to begin where lines do.
const LONG: usize = 16 * GROUP;

impl<const N: usize> Turned<'_, '_, N> {
    #[inline(always)]
    fn in_blocks<const KEPT: usize>(self, places: &Places<LANES>) {
        let Self { vbmi, from, turn, to } = self;
        let order = cast(turn.order::<N, LANES>(places));
        turn::in_blocks::<LANES, KEPT>(
            from,
            turn.is_mirrored(),
            to,
            #[inline(always)]
            |block| cast(vbmi.shuffled(cast(block), order)),
        );
    }

    /// Three vectors at once, none of which is written twice, and of long rows each on one line of the
    /// cache: stores of 64 bytes that follow each other at 63 lie on two, and take a fifth longer.
    #[inline(always)]
    fn in_groups(self) {
        let Self { vbmi, from, turn, to } = self;
        let [first, second, third] = const {
            [
                Places::behind::<N>(0, 0),
                Places::behind::<N>(LANES, 0),
                Places::behind::<N>(2 * LANES, LANES),
            ]
        }
        .each_ref()
        .map(|places| cast(turn.order::<N, LANES>(places)));
        let is_third = vbmi.top_bits(second);
        let order = cast(turn.order::<N, LANES>(&const { Places::of::<N>(false) }));
        for row in 0..from.count {
            let range = from.range(row);
            let aligned = range.start + until_aligned(to, range.len());
            let whole = aligned + (range.end - aligned) / GROUP * GROUP;
            for (part, is_grouped) in
                [(range.start..aligned, false), (aligned..whole, true), (whole..range.end, false)]
            {
                if !is_grouped {
                    turn::row_in_blocks::<LANES, 63>(
                        from.bytes,
                        part,
                        false,
                        to,
                        #[inline(always)]
                        |block| cast(vbmi.shuffled(cast(block), order)),
                    );
                    continue;
                }
                let mut put = to.blocks();
                for group in from.bytes[part].as_chunks::<GROUP>().0 {
                    let [a, b, c]: [__m512i; 3] = std::array::from_fn(|k| {
                        let block: &[u8; LANES] =
                            group[k * LANES..].first_chunk().expect("a third");
                        cast(*block)
                    });
                    let middle = [vbmi.shuffled_of_two([a, b], second), vbmi.shuffled(c, second)];
                    put.put::<LANES>(cast(vbmi.shuffled_of_two([a, b], first)), LANES);
                    put.put::<LANES>(cast(vbmi.chosen(middle, is_third)), LANES);
                    put.put::<LANES>(cast(vbmi.shuffled_of_two([b, c], third)), LANES);
                }
            }
        }
    }
}

/// Bytes of whole pixels of three after which stores lie on one line of the cache each, of a row of
/// `len` bytes; none where the row is short.
fn until_aligned(to: &Run<'_, u8>, len: usize) -> usize {
    if len < LONG {
        return 0;
    }
    let first = to.until_aligned(LANES);
    // 64 is 1 more than whole pixels.
    first + (3 - first % 3) % 3 * LANES
}
