//! Scans of sequential frames: each block whole, its DC coefficient as the difference from the one
//! before (T.81 F.2).

use std::ops::Range;

use super::bits::Bits;
use super::blocks::{Blocks, Reach, ZIGZAG_PLACES};
use super::frame::MAX_COMPONENTS;
use super::huffman::{AcTable, DcTable, End, Huffman, Problem};
use super::picture::Picture;
use super::pixels::Block;
use super::scan::{Coder, Scan};
use super::store::Store;
use crate::Result;

/// Decodes the blocks of a scan and gives those of the reaches on.
#[derive(Debug)]
pub(crate) struct Sequential<'a, B> {
    parts: Vec<Part<'a>>,
    first_row: usize,
    blocks: &'a mut B,
}

/// A component's part in the scan.
#[derive(Debug)]
struct Part<'a> {
    component: usize,
    reach: Reach,
    dc: &'a DcTable,
    ac: &'a AcTable,
    /// The DC coefficient of the block before.
    dc_before: i32,
}

impl<'a, B: Blocks> Sequential<'a, B> {
    /// Makes the tables that a scan needs, whose rows of units `rows` are given on and are the last
    /// that are decoded.
    pub(crate) fn new(
        scan: &Scan,
        picture: &mut Picture<'_>,
        huffman: &'a mut Huffman,
        reaches: &[Reach; MAX_COMPONENTS],
        rows: &Range<usize>,
        blocks: &'a mut B,
    ) -> Result<Self> {
        picture.tables.default_huffman();
        let mut places = [(0, 0); MAX_COMPONENTS];
        for (place, part) in places.iter_mut().zip(scan.parts()) {
            *place = (
                huffman.dc.place(picture.tables.dc_codes(part.dc_table)?)?,
                huffman.ac.place(picture.tables.ac_codes(part.ac_table)?)?,
            );
        }
        for (&(_, ac), part) in places.iter().zip(scan.parts()) {
            huffman.ac.expect_to_pass_over(ac, scan.passed_over(part, rows.end, reaches));
        }
        let huffman = &*huffman;
        let parts = places.iter().zip(scan.parts()).map(|(&(dc, ac), part)| Part {
            component: part.component,
            reach: reaches[part.component].clone(),
            dc: huffman.dc.at(dc),
            ac: huffman.ac.at(ac),
            dc_before: 0,
        });
        let parts = parts.collect();
        Ok(Self { parts, first_row: rows.start, blocks })
    }
}

impl<B: Blocks> Coder for Sequential<'_, B> {
    #[inline(always)]
    fn block(
        &mut self,
        bits: &mut Bits<'_>,
        part: usize,
        by: usize,
        bx: usize,
    ) -> Result<(), Problem> {
        let part = &mut self.parts[part];
        bits.refill();
        part.dc_before = part.dc_before.wrapping_add(part.dc.difference(bits)?);
        let is_needed = part.reach.contains(by, bx);
        let mut block = [0; 64];
        block[0] = part.dc_before as i16;
        if !is_needed || part.reach.dc_only {
            part.ac.pass_over(bits)?;
            if is_needed {
                self.blocks.block(part.component, by, bx, &block, 0);
            }
            return Ok(());
        }
        let end = part.ac.coefficients(bits, 1, 63, |number, coefficient| {
            block[usize::from(ZIGZAG_PLACES[number & 63] & 63)] = coefficient as i16;
        })?;
        let last = match end {
            End::Full => 63,
            End::Blocks { next, .. } => next - 1,
        };
        self.blocks.block(part.component, by, bx, &block, last);
        Ok(())
    }

    fn restart(&mut self) {
        for part in &mut self.parts {
            part.dc_before = 0;
        }
    }

    fn row_done(&mut self, row: usize) {
        if row >= self.first_row {
            self.blocks.unit_row_done(row);
        }
    }
}

impl Blocks for Store {
    #[inline]
    fn block(&mut self, component: usize, by: usize, bx: usize, coefficients: &Block, last: usize) {
        let plane = self.plane(component);
        if let Some(block) = plane.block(by, bx) {
            *block = *coefficients;
            *plane.coded(by, bx) = 1 << last;
        } else if let Some(dc) = plane.dc(by, bx) {
            *dc = coefficients[0];
        }
    }

    fn unit_row_done(&mut self, _row: usize) {}
}
