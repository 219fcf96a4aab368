//! Codes for DC differences.

use super::made::Table;
use super::{Canonical, Code, Problem, extend, fill};
use crate::jpeg::bits::Bits;
use crate::jpeg::tables::Codes;
use crate::{Error, Result};

/// Bits that are looked up for a DC difference.
const DC_BITS: u32 = 10;

/// Codes for DC differences.
///
/// An entry is, from the top: the difference or else its size (16 bits), whether it is not here (8),
/// bits to take (8), none if the code is too long for the table.
#[derive(Debug)]
pub(crate) struct DcTable {
    lookup: Box<[u32; 1 << DC_BITS]>,
    canonical: Canonical,
}

const DC_ELSEWHERE: u32 = 1 << 8;

impl DcTable {
    /// Takes a difference. Needs 31 bits.
    #[inline(always)]
    pub(crate) fn difference(&self, bits: &mut Bits<'_>) -> Result<i32, Problem> {
        let entry = self.lookup[bits.peek(DC_BITS) as usize];
        if entry & DC_ELSEWHERE == 0 {
            bits.skip(entry & 0xff);
            return Ok(entry as i32 >> 16);
        }
        self.long(bits, entry)
    }

    /// The same where the bits of the code and of the number are too many for the table.
    #[inline(always)]
    fn long(&self, bits: &mut Bits<'_>, entry: u32) -> Result<i32, Problem> {
        let code = match entry & 0xff {
            0 => self.canonical.code(bits.peek(16), DC_BITS).ok_or(Problem::Code)?,
            length => Code { length, symbol: (entry >> 16) as u8 },
        };
        bits.skip(code.length);
        Ok(bits.take_signed(code.symbol.into()))
    }
}

impl Table for DcTable {
    fn read(codes: Codes<'_>) -> Result<Self> {
        let canonical = Canonical::read(codes)?;
        // More than 15 bits are for lossless coding.
        if codes[16..].iter().any(|&size| size > 15) {
            return Err(Error::damaged("a Huffman table for DC differences of over 15 bits"));
        }
        let mut lookup = Box::new([DC_ELSEWHERE; 1 << DC_BITS]);
        canonical.for_each(|code, length, symbol| {
            let size = u32::from(symbol);
            let total = length + size;
            if total <= DC_BITS {
                for number in 0..1 << size {
                    let entry = (extend(number, size) as u32) << 16 | total;
                    fill(&mut lookup[..], DC_BITS, code << size | number, total, entry);
                }
            } else if length <= DC_BITS {
                let entry = size << 16 | DC_ELSEWHERE | length;
                fill(&mut lookup[..], DC_BITS, code, length, entry);
            }
        });
        Ok(Self { lookup, canonical })
    }

    fn codes(&self) -> Codes<'_> {
        &self.canonical.codes
    }
}
