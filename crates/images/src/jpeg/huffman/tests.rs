//! Codes of the standard tables, written bit by bit as T.81 says and read again.

use super::made::Table;
use super::*;
use crate::jpeg::bits::Bits;
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
fn runs_past_the_block_and_bits_that_are_no_code_are_refused() {
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
    let plain = AcTable::read(codes).unwrap();
    let mut ready = AcTable::read(codes).unwrap();
    ready.make_skip();
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
        assert_eq!(after(&plain, true), 0x2_d3a5, "{length} bits");
        assert_eq!(after(&plain, false), 0x2_d3a5);
        assert_eq!(after(&ready, false), 0x2_d3a5);
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
