//! Huffman codes, as tables that a few bits are looked up in (T.81 C and F.2.2).
//!
//! An entry holds more than a symbol: where the bits after a code are looked up with it, the number
//! that they make is there too. One look-up is then all that most coefficients need.

mod ac;
mod dc;
mod made;

pub(crate) use self::ac::{AcTable, End, Refinement};
pub(crate) use self::dc::DcTable;
use self::made::Made;
use super::tables::Codes;
use crate::{Error, Result};

/// The tables of files so far.
#[derive(Debug, Default)]
pub(crate) struct Huffman {
    /// Of DC differences.
    pub(crate) dc: Made<DcTable>,
    /// Of AC coefficients.
    pub(crate) ac: Made<AcTable>,
}

/// Codes by length.
#[derive(Debug, Clone, Default)]
struct Canonical {
    /// The bytes that it was made from.
    codes: Vec<u8>,
    /// For each length, the code after the last one that is no longer, in 16 bits.
    limits: [u32; 17],
    /// For each length, what to add to a code of that length to get the place of its symbol.
    offsets: [i32; 17],
}

/// A code that was looked up bit by bit.
#[derive(Debug, Clone, Copy)]
struct Code {
    length: u32,
    symbol: u8,
}

impl Canonical {
    fn read(codes: Codes<'_>) -> Result<Self> {
        let mut made = Self { codes: codes.to_vec(), ..Self::default() };
        let (mut code, mut place) = (0u32, 0);
        for length in 1..=16 {
            let count = u32::from(codes[length - 1]);
            code <<= 1;
            made.offsets[length] = place - code as i32;
            code += count;
            place += count as i32;
            // No code is all ones, as libjpeg has it.
            if count > 0 && code >= 1 << length {
                return Err(Error::damaged("a Huffman table with more codes than bits can tell"));
            }
            made.limits[length] = code << (16 - length);
        }
        Ok(made)
    }

    /// Calls `f` with each code, its length and its symbol.
    fn for_each(&self, mut f: impl FnMut(u32, u32, u8)) {
        let (counts, symbols) = self.codes.split_at(16);
        let mut symbols = symbols.iter();
        let mut code = 0;
        for (length, &count) in (1..).zip(counts) {
            code <<= 1;
            for &symbol in symbols.by_ref().take(count.into()) {
                f(code, length, symbol);
                code += 1;
            }
        }
    }

    /// The code that `next`, 16 bits, begin with, which has more than `looked_up` bits: others were looked up.
    #[inline(never)]
    fn code(&self, next: u32, looked_up: u32) -> Option<Code> {
        let length = (looked_up as usize + 1..=16).find(|&length| next < self.limits[length])?;
        let place = (next >> (16 - length)) as i32 + self.offsets[length];
        let symbol = *self.codes.get(16 + place as usize)?;
        Some(Code { length: length as u32, symbol })
    }
}

/// Why a coefficient cannot be read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Problem {
    /// No code begins with these bits.
    Code,
    /// The coefficient is after the last of its block.
    PastEnd,
    /// A refinement of more than one bit.
    Refinement,
}

impl Problem {
    /// What to tell of it.
    pub(crate) fn message(self) -> &'static str {
        match self {
            Self::Code => "bits that are no Huffman code",
            Self::PastEnd => "a coefficient after the last of its block",
            Self::Refinement => "a coefficient of several bits in a scan that refines one bit",
        }
    }
}

/// Sets all entries that begin with the `length` bits of `prefix`, in a table of `bits` bits.
fn fill(table: &mut [u32], bits: u32, prefix: u32, length: u32, entry: u32) {
    let each = bits - length;
    table[(prefix << each) as usize..((prefix + 1) << each) as usize].fill(entry);
}

/// The number that `size` bits stand for (T.81 F.2.2.1, EXTEND).
fn extend(number: u32, size: u32) -> i32 {
    let number = number as i32;
    if size > 0 && number < 1 << (size - 1) { number + 1 - (1 << size) } else { number }
}

#[cfg(test)]
mod tests;
