//! The head of a scan (SOS, T.81 B.2.3), and the order in which it holds the blocks.

use super::bits::Bits;
use super::blocks::Reach;
use super::frame::{BLOCK, Frame, MAX_COMPONENTS, Process};
use super::huffman::Problem;
use super::markers::Segment;
use crate::{Error, Result};

/// The most blocks of a minimum coded unit (T.81 B.2.3).
const MAX_UNIT_BLOCKS: usize = 10;

/// A component's part in a scan.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Part {
    /// The component's place in the frame.
    pub(crate) component: usize,
    /// The number of its table of DC codes: 0 to 3, if the scan needs one.
    pub(crate) dc_table: usize,
    /// The number of its table of AC codes: 0 to 3, if the scan needs one.
    pub(crate) ac_table: usize,
    /// Blocks of a unit of this scan from left to right.
    pub(crate) h: usize,
    /// Blocks of a unit of this scan from top to bottom.
    pub(crate) v: usize,
}

/// The head of a scan.
#[derive(Debug, Clone)]
pub(crate) struct Scan {
    parts: [Part; MAX_COMPONENTS],
    count: usize,
    /// The first coefficient of a block that it holds, in zigzag order.
    pub(crate) first: usize,
    /// The last one.
    pub(crate) last: usize,
    /// The bit up to which earlier scans hold them, 0 if none does.
    pub(crate) high: u8,
    /// The bit up to which this scan holds them.
    pub(crate) low: u8,
    /// Units from top to bottom.
    pub(crate) rows: usize,
    /// Units from left to right.
    pub(crate) columns: usize,
}

impl Scan {
    /// Reads a SOS segment.
    pub(crate) fn read(segment: &Segment<'_>, frame: &Frame) -> Result<Self> {
        let at = segment.at;
        let damaged = |problem: &str| Error::damaged(format!("{problem} at byte {at}"));
        let [count, bytes @ ..] = segment.bytes else {
            return Err(damaged("an empty head of a scan"));
        };
        let count = usize::from(*count);
        if !(1..=MAX_COMPONENTS).contains(&count) || bytes.len() != 2 * count + 3 {
            let length = segment.bytes.len();
            let found = format!("the head of a scan of {count} components in {length} bytes");
            return Err(damaged(&found));
        }
        let (names, progress) = bytes.split_at(2 * count);
        let mut parts = [Part::default(); MAX_COMPONENTS];
        for index in 0..count {
            let (id, tables) = (names[2 * index], usize::from(names[2 * index + 1]));
            let taken = |component| parts[..index].iter().any(|p| p.component == component);
            let component = (0..frame.components().len())
                .find(|&component| frame.components()[component].id == id && !taken(component))
                .ok_or_else(|| damaged(&format!("a scan of component {id}, which is not there")))?;
            let (dc_table, ac_table) = (tables >> 4, tables & 15);
            let (h, v) = match (count, frame.components()[component]) {
                (1, _) => (1, 1),
                (_, sampled) => (sampled.h, sampled.v),
            };
            parts[index] = Part { component, dc_table, ac_table, h, v };
        }
        if count > 1 && parts.iter().map(|p| p.h * p.v).sum::<usize>() > MAX_UNIT_BLOCKS {
            return Err(damaged("a scan of over 10 blocks in a unit"));
        }
        let (rows, columns) = match (count, frame.components()[parts[0].component]) {
            (1, only) => (only.height.div_ceil(BLOCK), only.width.div_ceil(BLOCK)),
            _ => (frame.mcu_rows, frame.mcu_columns),
        };
        let mut scan = Self { parts, count, first: 0, last: 63, high: 0, low: 0, rows, columns };
        if frame.process == Process::Progressive {
            scan.read_progress(progress, at)?;
        }
        Ok(scan)
    }

    /// Reads which bits of which coefficients it holds. libjpeg ignores them in sequential frames.
    fn read_progress(&mut self, progress: &[u8], at: usize) -> Result<()> {
        self.first = progress[0].into();
        self.last = progress[1].into();
        (self.high, self.low) = (progress[2] >> 4, progress[2] & 15);
        let is_band = match self.first {
            0 => self.last == 0,
            _ => self.first <= self.last && self.last < 64 && self.count == 1,
        };
        let is_next_bit = self.high == 0 || self.low + 1 == self.high;
        if is_band && is_next_bit && self.low <= 13 {
            return Ok(());
        }
        let Self { first, last, high, low, count, .. } = self;
        Err(Error::damaged(format!(
            "a scan of {count} components, coefficients {first} to {last}, bits {high} to {low} at byte {at}, \
             which no progressive frame has"
        )))
    }

    /// Its components, in the order of their blocks in a unit.
    pub(crate) fn parts(&self) -> &[Part] {
        &self.parts[..self.count]
    }

    /// How many rows of units have to be decoded for what is needed of these blocks.
    pub(crate) fn rows_of(&self, reaches: &[Reach]) -> usize {
        let rows = |part: &Part| match &reaches[part.component] {
            reach if reach.dc_only && self.first > 0 => 0,
            reach => reach.rows.end.div_ceil(part.v),
        };
        self.parts().iter().map(rows).max().unwrap_or(0).min(self.rows)
    }

    /// Of how many blocks of a part no AC coefficients are needed in the first `rows` rows of units.
    pub(crate) fn passed_over(&self, part: &Part, rows: usize, reaches: &[Reach]) -> usize {
        let reach = &reaches[part.component];
        let all = rows * part.v * self.columns * part.h;
        let needed = if reach.dc_only { 0 } else { reach.rows.len() * reach.columns.len() };
        all.saturating_sub(needed)
    }
}

/// Decodes the blocks of a scan, one after the other.
pub(crate) trait Coder {
    /// Decodes block `[by, bx]` of a component.
    fn block(
        &mut self,
        bits: &mut Bits<'_>,
        part: usize,
        by: usize,
        bx: usize,
    ) -> Result<(), Problem>;

    /// Passes over blocks of a scan of one component, from `[by, bx]` at most `most` in a row, for which
    /// there are no bits, and says how many.
    fn pass(&mut self, _by: usize, _bx: usize, _most: usize) -> usize {
        0
    }

    /// Forgets what earlier blocks are needed for: a restart marker came.
    fn restart(&mut self);

    /// All blocks of a row of units were decoded.
    fn row_done(&mut self, row: usize);
}

/// Decodes the first `rows` rows of units of a scan, whose data `bits` begin with and which lie in a
/// file of `end` bytes.
#[inline(always)]
pub(crate) fn walk(
    bits: &mut Bits<'_>,
    scan: &Scan,
    rows: usize,
    interval: usize,
    end: usize,
    coder: &mut impl Coder,
) -> Result<()> {
    let mut number = 0;
    let mut units = interval;
    for row in 0..rows {
        let mut column = 0;
        while column < scan.columns {
            let mut most = scan.columns - column;
            if interval > 0 {
                if units == 0 {
                    bits.restart(number, end)?;
                    number = (number + 1) % 8;
                    coder.restart();
                    units = interval;
                }
                most = most.min(units);
            }
            let mut done = coder.pass(row, column, most);
            if done == 0 {
                done = 1;
                unit(bits, scan, row, column, coder).map_err(|p| bits.error(p.message(), end))?;
                if bits.is_overdrawn() {
                    return Err(bits.error("", end));
                }
            }
            column += done;
            units = units.saturating_sub(done);
        }
        coder.row_done(row);
    }
    Ok(())
}

/// Decodes one unit.
#[inline(always)]
fn unit(
    bits: &mut Bits<'_>,
    scan: &Scan,
    row: usize,
    column: usize,
    coder: &mut impl Coder,
) -> Result<(), Problem> {
    for (index, part) in scan.parts().iter().enumerate() {
        for by in row * part.v..(row + 1) * part.v {
            for bx in column * part.h..(column + 1) * part.h {
                coder.block(bits, index, by, bx)?;
            }
        }
    }
    Ok(())
}
