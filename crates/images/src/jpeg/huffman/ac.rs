//! Codes for AC coefficients.

use super::made::{Made, Table};
use super::{Canonical, Code, Problem, extend, fill};
use crate::Result;
use crate::jpeg::bits::Bits;
use crate::jpeg::tables::Codes;

/// Bits that are looked up for an AC coefficient. More make fewer codes too long and tables that
/// leave less of the first-level cache to others.
const AC_BITS: u32 = 11;

/// AC look-ups between two refills, which leave 56 bits.
const AC_PER_REFILL: u32 = 56 / AC_BITS;

/// Codes for AC coefficients.
///
/// An entry is, from the top: the coefficient or else the symbol (16 bits), how many coefficients on
/// it leads (8), bits to take (8), none if the code is too long for the table. Where no coefficient is
/// in the entry, it leads past the end of every block.
#[derive(Debug)]
pub(crate) struct AcTable {
    lookup: Box<[u32; 1 << AC_BITS]>,
    /// For passing over coefficients, once it was needed. An entry is, from the top: how many
    /// coefficients on the codes lead that begin in its bits (24 bits), bits to take (8).
    skip: Option<Box<[u32; 1 << SKIP_BITS]>>,
    canonical: Canonical,
}

/// Bits that are looked up where coefficients are only passed over.
const SKIP_BITS: u32 = 11;

/// Such look-ups between two refills: each may take a number of 15 bits with its last code.
const SKIPS_PER_REFILL: u32 = 56 / (SKIP_BITS + 15);

/// The step of an entry of the table for passing over that ends a block.
const SKIP_END: u32 = 0x200;

/// The step of an entry of the table for passing over whose code is too long.
const SKIP_ELSEWHERE: u32 = 0x100;

/// The step of a code whose coefficient is not in the entry, or which is too long for the table.
const AC_ELSEWHERE: u32 = 0x80;

/// The step of a code that ends a block.
const AC_END: u32 = 0xc0;

/// How the coefficients of a block ended.
#[derive(Debug, Clone, Copy)]
pub(crate) enum End {
    /// With the last one that the scan holds.
    Full,
    /// With a code for the end of this block and, in a progressive scan, of more: 2^n to 2^(n+1)-1
    /// blocks, of which n bits that come next tell the number.
    Blocks {
        /// The number n.
        exponent: u32,
        /// One more than the last coefficient that was coded.
        next: usize,
    },
}

impl AcTable {
    /// Makes the table for passing over coefficients.
    pub(super) fn make_skip(&mut self) {
        let mut table = Box::new([0; 1 << SKIP_BITS]);
        for (prefix, entry) in (0..).zip(table.iter_mut()) {
            *entry = self.skip_entry(prefix);
        }
        self.skip = Some(table);
    }

    /// The entry of these bits: as many codes as begin and end in them, the number that follows the
    /// last of them being free to go on after them.
    fn skip_entry(&self, prefix: u32) -> u32 {
        let (mut steps, mut taken) = (0, 0);
        while taken < SKIP_BITS {
            let ahead = prefix << taken & ((1 << SKIP_BITS) - 1);
            let entry = self.lookup[(ahead << AC_BITS >> SKIP_BITS) as usize];
            let (step, length) = (entry >> 8 & 0xff, entry & 0xff);
            let (step, size, code_length) = match step {
                AC_ELSEWHERE | AC_END => {
                    let symbol = entry >> 16;
                    (step, symbol & 15, length)
                }
                _ => {
                    let coefficient = (entry as i32 >> 16).unsigned_abs();
                    let size = 32 - coefficient.leading_zeros();
                    (step, size, length - size)
                }
            };
            if length == 0 || taken + code_length > SKIP_BITS {
                break;
            }
            taken += code_length + size;
            match step {
                AC_END => return (steps + SKIP_END) << 8 | taken,
                AC_ELSEWHERE => steps += (entry >> 20) + 1,
                _ => steps += step,
            }
        }
        if taken == 0 { SKIP_ELSEWHERE << 8 } else { steps << 8 | taken }
    }

    /// Passes over the AC coefficients of a block of a sequential scan.
    #[inline(always)]
    pub(crate) fn pass_over(&self, bits: &mut Bits<'_>) -> Result<(), Problem> {
        let Some(table) = &self.skip else {
            return self.coefficients(bits, 1, 63, |_, _| {}).map(|_| ());
        };
        let mut local = *bits;
        let mut next = 1;
        'block: loop {
            local.refill();
            for _ in 0..SKIPS_PER_REFILL {
                let entry = table[local.peek(SKIP_BITS) as usize];
                let after = next + (entry >> 8) as usize;
                if after > 63 {
                    // Codes after the block's end belong to the next block. Such entries and those
                    // of codes that are too long are left to the other table.
                    if (SKIP_END as usize..=SKIP_END as usize + 63).contains(&after) {
                        local.skip(entry & 0xff);
                        *bits = local;
                        return Ok(());
                    }
                    break 'block;
                }
                local.skip(entry & 0xff);
                next = after;
            }
        }
        *bits = local;
        self.coefficients(bits, next, 63, |_, _| {}).map(|_| ())
    }

    /// Takes the coefficients from `next` to at most `last` in zigzag order, and gives each that is
    /// not 0 to `put` with its number.
    #[inline(always)]
    pub(crate) fn coefficients(
        &self,
        bits: &mut Bits<'_>,
        next: usize,
        last: usize,
        put: impl FnMut(usize, i32),
    ) -> Result<End, Problem> {
        // A copy stays in registers, where what a reference points to does not.
        let mut local = *bits;
        let end = self.local_coefficients(&mut local, next, last, put);
        *bits = local;
        end
    }

    #[inline(always)]
    fn local_coefficients(
        &self,
        bits: &mut Bits<'_>,
        mut next: usize,
        last: usize,
        mut put: impl FnMut(usize, i32),
    ) -> Result<End, Problem> {
        loop {
            bits.refill();
            for _ in 0..AC_PER_REFILL {
                let entry = self.lookup[bits.peek(AC_BITS) as usize];
                let after = next + (entry >> 8 & 0xff) as usize;
                if after <= last {
                    bits.skip(entry & 0xff);
                    put(after - 1, entry as i32 >> 16);
                    next = after;
                    continue;
                }
                if after >= AC_END as usize {
                    bits.skip(entry & 0xff);
                    return Ok(End::Blocks { exponent: entry >> 20, next });
                }
                if after == last + 1 {
                    bits.skip(entry & 0xff);
                    put(last, entry as i32 >> 16);
                    return Ok(End::Full);
                }
                if after < AC_ELSEWHERE as usize {
                    return Err(Problem::PastEnd);
                }
                let (step, coefficient) = self.long(bits, entry)?;
                if step == 0 {
                    return Ok(End::Blocks { exponent: coefficient as u32, next });
                }
                next += step;
                if next > last + 1 || (next > last && coefficient == 0) {
                    return Err(Problem::PastEnd);
                }
                if coefficient != 0 {
                    put(next - 1, coefficient);
                }
                if next > last {
                    return Ok(End::Full);
                }
                break;
            }
        }
    }

    /// How many coefficients on a code leads and the coefficient there, which is 0 after a run of 16
    /// zeros. A step of 0 and an exponent if it ends the block.
    #[inline(always)]
    fn long(&self, bits: &mut Bits<'_>, entry: u32) -> Result<(usize, i32), Problem> {
        bits.refill();
        let code = match entry & 0xff {
            0 => self.canonical.code(bits.peek(16), AC_BITS).ok_or(Problem::Code)?,
            length => Code { length, symbol: (entry >> 16) as u8 },
        };
        bits.skip(code.length);
        let (run, size) = (code.symbol >> 4, code.symbol & 15);
        if size > 0 {
            return Ok((usize::from(run) + 1, bits.take_signed(size.into())));
        }
        Ok(if run == 15 { (16, 0) } else { (0, run.into()) })
    }

    /// Takes a code of a scan that refines coefficients. Needs 32 bits.
    #[inline(always)]
    pub(crate) fn refinement(&self, bits: &mut Bits<'_>) -> Result<Refinement, Problem> {
        let entry = self.lookup[bits.peek(AC_BITS) as usize];
        let (step, coefficient) = match entry >> 8 & 0xff {
            AC_ELSEWHERE => self.long(bits, entry)?,
            AC_END => {
                bits.skip(entry & 0xff);
                (0, (entry >> 20) as i32)
            }
            step => {
                bits.skip(entry & 0xff);
                (step as usize, entry as i32 >> 16)
            }
        };
        match (step, coefficient) {
            (0, exponent) => Ok(Refinement::End { exponent: exponent as u32 }),
            (_, -1..=1) => {
                Ok(Refinement::Coefficient { zeros: step - 1, sign: coefficient as i16 })
            }
            _ => Err(Problem::Refinement),
        }
    }
}

/// A code of a scan that refines coefficients.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Refinement {
    /// The next coefficient that becomes other than 0.
    Coefficient {
        /// How many that stay 0 come before it.
        zeros: usize,
        /// 1 or -1, or 0 if it stays 0 too.
        sign: i16,
    },
    /// No more of them come in 2^n to 2^(n+1)-1 blocks, of which n bits that come next tell the number.
    End {
        /// The number n.
        exponent: u32,
    },
}

impl Table for AcTable {
    fn read(codes: Codes<'_>) -> Result<Self> {
        let canonical = Canonical::read(codes)?;
        let mut lookup = Box::new([AC_ELSEWHERE << 8; 1 << AC_BITS]);
        canonical.for_each(|code, length, symbol| {
            let (run, size) = (u32::from(symbol >> 4), u32::from(symbol & 15));
            let total = length + size;
            if size > 0 && total <= AC_BITS {
                for number in 0..1 << size {
                    let entry = (extend(number, size) as u32) << 16 | (run + 1) << 8 | total;
                    fill(&mut lookup[..], AC_BITS, code << size | number, total, entry);
                }
            } else if length <= AC_BITS {
                let is_end = size == 0 && run < 15;
                let step = if is_end { AC_END } else { AC_ELSEWHERE };
                let entry = u32::from(symbol) << 16 | step << 8 | length;
                fill(&mut lookup[..], AC_BITS, code, length, entry);
            }
        });
        Ok(Self { lookup, skip: None, canonical })
    }

    fn codes(&self) -> Codes<'_> {
        &self.canonical.codes
    }
}

impl Made<AcTable> {
    /// Readies the table at a place for passing over `blocks` blocks, if it is worth it.
    pub(crate) fn expect_to_pass_over(&mut self, place: usize, blocks: usize) {
        let table = &mut self.tables[place];
        if blocks >= WORTH_SKIP && table.skip.is_none() {
            table.make_skip();
        }
    }
}

/// How many blocks to pass over outweigh the making of the table for it.
const WORTH_SKIP: usize = 800;
