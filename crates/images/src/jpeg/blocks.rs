//! Where entropy decoding ends and pixels begin: which blocks a window is made of, and who takes them.

use std::ops::Range;

use super::frame::Frame;
use super::pixels::{Block, PLACES};
use super::tables::NATURAL_ORDER;

/// The blocks of one component that a window is made of. Empty where a component is not needed.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Reach {
    /// Rows of blocks, from the top of the component.
    pub(crate) rows: Range<usize>,
    /// Columns of blocks, from its left.
    pub(crate) columns: Range<usize>,
    /// Whether their DC coefficients are all that is needed of them.
    pub(crate) dc_only: bool,
}

impl Reach {
    /// Whether it holds the block in row `by`, column `bx`.
    #[inline(always)]
    pub(crate) fn contains(&self, by: usize, bx: usize) -> bool {
        self.rows.contains(&by) && self.columns.contains(&bx)
    }
}

/// Takes the blocks of the reach of each component.
///
/// Rows of minimum coded units come from the top, each followed by [`Blocks::unit_row_done`], from the
/// first that holds a block of a reach to the last. In a row, each block of a reach comes once; within
/// a component and a row of blocks from the left, else in any order.
pub(crate) trait Blocks {
    /// Block `[by, bx]` of a component: its coefficients as they are stored, each at the place that
    /// [`PLACES`] names. Those after number `last` in zigzag order are 0.
    fn block(&mut self, component: usize, by: usize, bx: usize, coefficients: &Block, last: usize);

    /// All blocks of a row of units were given.
    fn unit_row_done(&mut self, row: usize);
}

/// Where a [`Block`] holds the coefficient of each number in zigzag order.
pub(crate) const ZIGZAG_PLACES: [u8; 64] = zigzag_places();

const fn zigzag_places() -> [u8; 64] {
    let mut places = [0; 64];
    let mut number = 0;
    while number < 64 {
        places[number] = PLACES[NATURAL_ORDER[number] as usize];
        number += 1;
    }
    places
}

/// The rows of units from the first that holds a block of a reach to the last.
pub(crate) fn unit_rows<'a>(
    frame: &Frame,
    reaches: impl IntoIterator<Item = &'a Reach>,
) -> Range<usize> {
    let needed = frame.components().iter().zip(reaches).filter(|(_, r)| !r.rows.is_empty());
    let rows = needed.map(|(c, reach)| reach.rows.start / c.v..reach.rows.end.div_ceil(c.v));
    rows.reduce(|a, b| a.start.min(b.start)..a.end.max(b.end)).unwrap_or_default()
}
