//! Huffman codes, as tables that a few bits are looked up in (T.81 C and F.2.2).
//!
//! An entry holds more than a symbol: where the bits after a code are looked up with it, the number
//! that they make is there too. One look-up is then all that most coefficients need.

use super::bits::Bits;
use super::tables::Codes;
use crate::{Error, Result};

/// Bits that are looked up for an AC coefficient. More make fewer codes too long and tables that
/// leave less of the first-level cache to others.
const AC_BITS: u32 = 11;

/// Bits that are looked up for a DC difference.
const DC_BITS: u32 = 10;

/// AC look-ups between two refills, which leave 56 bits.
const AC_PER_REFILL: u32 = 56 / AC_BITS;

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
    /// The coefficient lies behind the last of its block.
    PastEnd,
    /// A refinement of more than one bit.
    Refinement,
}

impl Problem {
    /// What to tell of it.
    pub(crate) fn message(self) -> &'static str {
        match self {
            Self::Code => "bits that are no Huffman code",
            Self::PastEnd => "a coefficient behind the last of its block",
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

/// Codes for AC coefficients.
///
/// An entry is, from the top: the coefficient or else the symbol (16 bits), how many coefficients on
/// it leads (8), bits to take (8), none if the code is too long for the table. Where no coefficient is
/// in the entry, it leads behind every block.
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

    /// Makes the table for passing over coefficients.
    fn make_skip(&mut self) {
        let mut table = Box::new([0; 1 << SKIP_BITS]);
        for (prefix, entry) in (0..).zip(table.iter_mut()) {
            *entry = self.skip_entry(prefix);
        }
        self.skip = Some(table);
    }

    /// The entry of these bits: as many codes as begin and end in them, the number that follows the
    /// last of them being free to go on behind them.
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
                    // Codes behind the block's end belong to the next block. Such entries and those
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

/// A table that is made of codes.
pub(crate) trait Table: Sized {
    /// Makes it.
    fn read(codes: Codes<'_>) -> Result<Self>;

    /// What it was made of.
    fn codes(&self) -> Codes<'_>;
}

impl Table for DcTable {
    fn read(codes: Codes<'_>) -> Result<Self> {
        Self::read(codes)
    }

    fn codes(&self) -> Codes<'_> {
        &self.canonical.codes
    }
}

impl Table for AcTable {
    fn read(codes: Codes<'_>) -> Result<Self> {
        Self::read(codes)
    }

    fn codes(&self) -> Codes<'_> {
        &self.canonical.codes
    }
}

/// Tables that were made, the last used ones: most files of a data set have the same.
#[derive(Debug)]
pub(crate) struct Made<T> {
    tables: Vec<T>,
    /// When each was asked for last.
    asked: Vec<u64>,
    now: u64,
}

/// The most tables of a kind that are kept. A scan needs up to four at once.
const MOST_MADE: usize = 8;

impl<T> Default for Made<T> {
    fn default() -> Self {
        Self { tables: Vec::new(), asked: Vec::new(), now: 0 }
    }
}

impl<T: Table> Made<T> {
    /// The place of the table of these codes. It holds until seven others were asked for.
    pub(crate) fn place(&mut self, codes: Codes<'_>) -> Result<usize> {
        self.now += 1;
        let place = match self.tables.iter().position(|table| table.codes() == codes) {
            Some(place) => place,
            None => self.make(T::read(codes)?),
        };
        self.asked[place] = self.now;
        Ok(place)
    }

    fn make(&mut self, table: T) -> usize {
        if self.tables.len() < MOST_MADE {
            self.tables.push(table);
            self.asked.push(0);
            return self.tables.len() - 1;
        }
        let oldest = (0..MOST_MADE).min_by_key(|&place| self.asked[place]).unwrap_or(0);
        self.tables[oldest] = table;
        oldest
    }

    /// The table at a place.
    pub(crate) fn at(&self, place: usize) -> &T {
        &self.tables[place]
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
const WORTH_SKIP: usize = 2000;

/// The tables of files so far.
#[derive(Debug, Default)]
pub(crate) struct Huffman {
    /// Of DC differences.
    pub(crate) dc: Made<DcTable>,
    /// Of AC coefficients.
    pub(crate) ac: Made<AcTable>,
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::jpeg::tables::Tables;

    /// Writes codes and numbers, as a scan holds them.
    #[derive(Default)]
    struct Writer {
        bits: Vec<bool>,
    }

    impl Writer {
        fn put(&mut self, number: u32, length: u32) {
            self.bits.extend((0..length).rev().map(|bit| number >> bit & 1 == 1));
        }

        fn bytes(&self) -> Vec<u8> {
            let byte = |bits: &[bool]| {
                (0..8).fold(0u8, |byte, at| byte << 1 | u8::from(*bits.get(at).unwrap_or(&true)))
            };
            let stuffed = |byte| if byte == 0xff { vec![0xff, 0] } else { vec![byte] };
            self.bits.chunks(8).map(byte).flat_map(stuffed).collect()
        }
    }

    /// The code of a symbol, made as T.81 C.2 says: in its own words, bit by bit.
    fn code_of(codes: &[u8], wanted: u8) -> (u32, u32) {
        let (counts, symbols) = codes.split_at(16);
        let (mut code, mut place) = (0, 0);
        for (length, &count) in (1..).zip(counts) {
            for _ in 0..count {
                if symbols[place] == wanted {
                    return (code, length);
                }
                place += 1;
                code += 1;
            }
            code *= 2;
        }
        panic!("no code for {wanted:02x}");
    }

    fn standard() -> Tables<'static> {
        let mut tables = Tables::default();
        tables.default_huffman();
        tables
    }

    fn bits_of(number: i32) -> (u32, u32) {
        let size = 32 - number.unsigned_abs().leading_zeros();
        let bits = if number < 0 { number - 1 } else { number } as u32;
        (bits & ((1 << size) - 1), size)
    }

    #[test]
    fn every_difference_of_the_standard_tables_is_read() {
        for codes in standard().dc.iter().flatten() {
            let table = DcTable::read(codes).unwrap();
            for difference in -2047..=2047 {
                let mut writer = Writer::default();
                let (number, size) = bits_of(difference);
                let (code, length) = code_of(codes, size as u8);
                writer.put(code, length);
                writer.put(number, size);
                let bytes = writer.bytes();
                let mut bits = Bits::new(&bytes);
                bits.refill();
                assert_eq!(table.difference(&mut bits), Ok(difference));
                assert!(!bits.is_overdrawn());
            }
        }
    }

    /// The coefficients that a block of these makes, and whether it is full.
    fn read(codes: &[u8], bytes: &[u8]) -> Result<([i32; 64], bool), Problem> {
        let table = AcTable::read(codes).unwrap();
        let mut block = [0; 64];
        let mut bits = Bits::new(bytes);
        let end = table.coefficients(&mut bits, 1, 63, |at, number| block[at] = number)?;
        assert!(!bits.is_overdrawn());
        Ok((block, matches!(end, End::Full)))
    }

    #[test]
    fn every_coefficient_after_every_run_of_the_standard_tables_is_read() {
        for codes in standard().ac.iter().flatten() {
            for run in 0..=62usize {
                for number in [-1023, -512, -200, -16, -7, -1, 1, 2, 3, 31, 100, 511, 1023] {
                    let mut writer = Writer::default();
                    for _ in 0..run / 16 {
                        let (code, length) = code_of(codes, 0xf0);
                        writer.put(code, length);
                    }
                    let (bits, size) = bits_of(number);
                    let (code, length) = code_of(codes, (run % 16) as u8 * 16 + size as u8);
                    writer.put(code, length);
                    writer.put(bits, size);
                    if run < 62 {
                        let (code, length) = code_of(codes, 0);
                        writer.put(code, length);
                    }
                    let mut expected = [0; 64];
                    expected[run + 1] = number;
                    assert_eq!(read(codes, &writer.bytes()), Ok((expected, run == 62)));
                }
            }
        }
    }

    #[test]
    fn runs_behind_the_block_and_bits_that_are_no_code_are_refused() {
        let tables = standard();
        let codes = tables.ac[0].unwrap();
        let written = |symbols: &[u8]| {
            let mut writer = Writer::default();
            for &symbol in symbols {
                let (code, length) = code_of(codes, symbol);
                writer.put(code, length);
                writer.put(0, u32::from(symbol & 15));
            }
            read(codes, &writer.bytes())
        };
        assert_eq!(written(&[0xf0, 0xf0, 0xf0, 0xe1]).unwrap().0[63], -1);
        assert_eq!(written(&[0xf0, 0xf0, 0xf0, 0xf1]), Err(Problem::PastEnd));
        assert_eq!(written(&[0xf0, 0xf0, 0xf0, 0xf0]), Err(Problem::PastEnd));
        assert_eq!(written(&[0xf0, 0xf0, 0xf0, 0x7a, 0x7a, 0x11]), Err(Problem::PastEnd));
        assert_eq!(read(codes, &[0xff, 0, 0xff, 0, 0xff, 0]), Err(Problem::Code));
    }

    #[test]
    fn tables_whose_codes_do_not_fit_are_refused() {
        let codes = |counts: &[u8], symbols: &[u8]| {
            let mut codes = counts.to_vec();
            codes.resize(16, 0);
            codes.extend(symbols);
            codes
        };
        assert!(AcTable::read(&codes(&[1], &[1])).is_ok());
        assert!(AcTable::read(&codes(&[2], &[1, 2])).is_err(), "a code of ones");
        assert!(AcTable::read(&codes(&[1, 3], &[1, 2, 3, 4])).is_err());
        assert!(AcTable::read(&codes(&[0; 16], &[])).is_ok(), "libjpeg refuses the first code");
        assert!(DcTable::read(&codes(&[1], &[16])).is_err());
    }

    #[test]
    fn passing_over_takes_the_bits_that_reading_takes() {
        let codes = standard().ac[0].unwrap();
        let symbols = codes[16..].iter().copied().filter(|&symbol| symbol & 15 > 0);
        let mut dice = 1u32;
        let mut roll = |below: u32| {
            dice = dice.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            (dice >> 8) % below
        };
        let symbols: Vec<_> = symbols.collect();
        let mut table = AcTable::read(codes).unwrap();
        for _ in 0..4000 {
            let mut writer = Writer::default();
            let mut put = |symbol, number| {
                let (code, length) = code_of(codes, symbol);
                writer.put(code, length);
                writer.put(number, u32::from(symbol & 15));
            };
            let mut next = 1;
            while next < 64 && roll(30) > 0 {
                let most = if roll(4) == 0 { symbols.len() } else { 9 };
                let symbol = symbols[roll(most as u32) as usize];
                if next + u32::from(symbol >> 4) < 64 {
                    put(symbol, roll(1 << (symbol & 15)));
                    next += u32::from(symbol >> 4) + 1;
                } else if next + 16 < 64 {
                    put(0xf0, 0);
                    next += 16;
                }
            }
            if next < 64 {
                put(0, 0);
            }
            let length = writer.bits.len() as u32;
            writer.put(0x2_d3a5, 18);
            let bytes = writer.bytes();
            let after = |table: &AcTable, is_read: bool| {
                let mut bits = Bits::new(&bytes);
                match is_read {
                    true => table.coefficients(&mut bits, 1, 63, |_, _| {}).map(|_| ()),
                    false => table.pass_over(&mut bits),
                }
                .unwrap();
                bits.refill();
                bits.take(18)
            };
            table.skip = None;
            assert_eq!(after(&table, true), 0x2_d3a5, "{length} bits");
            assert_eq!(after(&table, false), 0x2_d3a5);
            table.make_skip();
            assert_eq!(after(&table, false), 0x2_d3a5);
        }
    }

    #[test]
    fn tables_are_made_once_and_the_last_ones_are_kept() {
        let mut made = Made::<DcTable>::default();
        let codes = |symbol: u8| [&[1][..], &[0; 15], &[symbol]].concat();
        let places: Vec<_> = (0..8).map(|symbol| made.place(&codes(symbol)).unwrap()).collect();
        assert_eq!(places, [0, 1, 2, 3, 4, 5, 6, 7]);
        assert_eq!(made.place(&codes(0)), Ok(0));
        assert_eq!(made.place(&codes(9)), Ok(1), "instead of the one that was asked for first");
        assert_eq!(made.at(1).codes(), codes(9));
        assert_eq!(made.place(&codes(0)), Ok(0));
        assert!(made.place(&codes(77)).is_err());
        assert_eq!(made.place(&codes(1)), Ok(2));
    }
}
