//! Scans of progressive frames (T.81 G.2): a few bits of the DC coefficients of all components, or of
//! some AC coefficients of one.

use super::bits::Bits;
use super::blocks::ZIGZAG_PLACES;
use super::huffman::{AcTable, DcTable, End, Huffman, Problem, Refinement};
use super::picture::Picture;
use super::pixels::Block;
use super::scan::{Coder, Scan};
use super::store::{Plane, Store};
use crate::Result;

/// Decodes the first `rows` rows of units of a scan into `store`.
pub(crate) fn decode(
    bits: &mut Bits<'_>,
    scan: &Scan,
    rows: usize,
    picture: &Picture<'_>,
    huffman: &mut Huffman,
    store: &mut Store,
) -> Result<()> {
    let [first, ..] = scan.parts() else { return Ok(()) };
    match (scan.first, scan.high) {
        (0, 0) => {
            let codes = scan.parts().iter().map(|part| picture.tables.dc_codes(part.dc_table));
            let places = codes.map(|codes| huffman.dc.place(codes?)).collect::<Result<Vec<_>>>()?;
            let tables = places.into_iter().map(|place| (huffman.dc.at(place), 0)).collect();
            picture.walk(bits, scan, rows, &mut DcFirst { scan, tables, store })
        }
        (0, _) => picture.walk(bits, scan, rows, &mut DcRefine { scan, store }),
        (_, high) => {
            let place = huffman.ac.place(picture.tables.ac_codes(first.ac_table)?)?;
            let mut band = Band {
                table: huffman.ac.at(place),
                first: scan.first,
                last: scan.last,
                low: scan.low.into(),
                run: 0,
                plane: store.plane(first.component),
            };
            match high {
                0 => picture.walk(bits, scan, rows, &mut AcFirst(band)),
                _ => picture.walk(bits, scan, rows, &mut AcRefine(&mut band)),
            }
        }
    }
}

/// The upper bits of DC coefficients.
struct DcFirst<'a> {
    scan: &'a Scan,
    /// For each part, its table and the coefficient of the block before.
    tables: Vec<(&'a DcTable, i32)>,
    store: &'a mut Store,
}

impl Coder for DcFirst<'_> {
    #[inline(always)]
    fn block(
        &mut self,
        bits: &mut Bits<'_>,
        part: usize,
        by: usize,
        bx: usize,
    ) -> Result<(), Problem> {
        let (table, before) = &mut self.tables[part];
        bits.refill();
        *before = before.wrapping_add(table.difference(bits)?);
        let plane = self.store.plane(self.scan.parts()[part].component);
        if let Some(dc) = plane.dc(by, bx) {
            *dc = (*before << self.scan.low) as i16;
        }
        Ok(())
    }

    fn restart(&mut self) {
        for (_, before) in &mut self.tables {
            *before = 0;
        }
    }

    fn row_done(&mut self, _row: usize) {}
}

/// One more bit of DC coefficients.
struct DcRefine<'a> {
    scan: &'a Scan,
    store: &'a mut Store,
}

impl Coder for DcRefine<'_> {
    #[inline(always)]
    fn block(
        &mut self,
        bits: &mut Bits<'_>,
        part: usize,
        by: usize,
        bx: usize,
    ) -> Result<(), Problem> {
        bits.refill();
        let bit = bits.take(1) << self.scan.low;
        let plane = self.store.plane(self.scan.parts()[part].component);
        if let Some(dc) = plane.dc(by, bx) {
            *dc |= bit as i16;
        }
        Ok(())
    }

    fn restart(&mut self) {}

    fn row_done(&mut self, _row: usize) {}
}

/// Some AC coefficients of a component.
struct Band<'a> {
    table: &'a AcTable,
    first: usize,
    last: usize,
    low: u32,
    /// How many blocks come, this one included, in which no further coefficient becomes other than 0.
    run: u32,
    plane: &'a mut Plane,
}

impl Band<'_> {
    /// The set of the coefficients.
    fn all(&self) -> u64 {
        !0 << self.first & !0 >> (63 - self.last)
    }

    /// Takes one more bit of the coefficients of a block that are not 0, and those that become so.
    #[inline(always)]
    fn refine_block(&mut self, bits: &mut Bits<'_>, by: usize, bx: usize) -> Result<(), Problem> {
        // The coefficients that have not been passed yet.
        let mut ahead = self.all();
        let Self { table, low, run, plane, .. } = self;
        let mut coded = *plane.coded(by, bx);
        let mut outside = [0; 64];
        let block = plane.block(by, bx).unwrap_or(&mut outside);
        while *run == 0 && ahead != 0 {
            bits.refill();
            let (zeros, sign) = match table.refinement(bits)? {
                Refinement::Coefficient { zeros, sign } => (zeros, sign),
                Refinement::End { exponent } => {
                    *run = take_run(bits, exponent);
                    break;
                }
            };
            let stays_zero =
                (0..zeros).fold(ahead & !coded, |zeros, _| zeros & zeros.wrapping_sub(1));
            if stays_zero == 0 {
                return Err(Problem::PastEnd);
            }
            let number = stays_zero.trailing_zeros();
            let passed = (1 << number) - 1;
            refine(bits, block, ahead & coded & passed, *low);
            block[usize::from(ZIGZAG_PLACES[number as usize & 63] & 63)] = sign << *low;
            coded |= u64::from(sign != 0) << number;
            ahead &= !(passed << 1 | 1);
        }
        if *run > 0 {
            refine(bits, block, ahead & coded, *low);
            *run -= 1;
        }
        *plane.coded(by, bx) = coded;
        Ok(())
    }
}

/// Takes the length of a run of blocks whose code told the exponent.
#[inline(always)]
fn take_run(bits: &mut Bits<'_>, exponent: u32) -> u32 {
    bits.refill();
    (1 << exponent) + bits.take(exponent)
}

/// The upper bits of AC coefficients.
struct AcFirst<'a>(Band<'a>);

impl Coder for AcFirst<'_> {
    #[inline(always)]
    fn block(
        &mut self,
        bits: &mut Bits<'_>,
        _part: usize,
        by: usize,
        bx: usize,
    ) -> Result<(), Problem> {
        let Self(band) = self;
        let mut outside = [0; 64];
        let block = band.plane.block(by, bx).unwrap_or(&mut outside);
        let mut coded = 0;
        let end = band.table.coefficients(bits, band.first, band.last, |number, upper| {
            let coefficient = (upper << band.low) as i16;
            block[usize::from(ZIGZAG_PLACES[number & 63] & 63)] = coefficient;
            coded |= u64::from(coefficient != 0) << number;
        })?;
        *band.plane.coded(by, bx) |= coded;
        if let End::Blocks { exponent, .. } = end {
            band.run = take_run(bits, exponent) - 1;
        }
        Ok(())
    }

    #[inline(always)]
    fn pass(&mut self, _by: usize, _bx: usize, most: usize) -> usize {
        let passed = most.min(self.0.run as usize);
        self.0.run -= passed as u32;
        passed
    }

    fn restart(&mut self) {
        self.0.run = 0;
    }

    fn row_done(&mut self, _row: usize) {}
}

/// One more bit of AC coefficients.
struct AcRefine<'a, 'b>(&'a mut Band<'b>);

impl Coder for AcRefine<'_, '_> {
    #[inline(always)]
    fn block(
        &mut self,
        bits: &mut Bits<'_>,
        _part: usize,
        by: usize,
        bx: usize,
    ) -> Result<(), Problem> {
        // A copy stays in registers, where what a reference points to does not.
        let mut local = *bits;
        let refined = self.0.refine_block(&mut local, by, bx);
        *bits = local;
        refined
    }

    /// Passes over blocks in which there is nothing to refine.
    #[inline(always)]
    fn pass(&mut self, by: usize, bx: usize, most: usize) -> usize {
        let Self(band) = self;
        let most = most.min(band.run as usize);
        let all = band.all();
        let coded = band.plane.coded_row(by, bx, most);
        let passed = coded.iter().position(|coded| coded & all != 0).unwrap_or(most);
        band.run -= passed as u32;
        passed
    }

    fn restart(&mut self) {
        self.0.run = 0;
    }

    fn row_done(&mut self, _row: usize) {}
}

/// Takes bit number `low` of the coefficients in the set `which`, which are not 0.
#[inline(always)]
fn refine(bits: &mut Bits<'_>, block: &mut Block, mut which: u64, low: u32) {
    while which != 0 {
        bits.refill();
        let count = which.count_ones().min(31);
        let taken = bits.take(count);
        for at in (0..count).rev() {
            let number = which.trailing_zeros() as usize;
            which &= which - 1;
            let coefficient = &mut block[usize::from(ZIGZAG_PLACES[number & 63] & 63)];
            let sign = *coefficient >> 15 | 1;
            *coefficient = coefficient.wrapping_add(sign * ((taken >> at & 1) << low) as i16);
        }
    }
}
