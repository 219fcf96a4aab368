//! The bits of a scan.

use super::markers::code;
use crate::{Error, Result};

/// Reads the bits of a scan, most significant first, up to the next marker.
///
/// At least 56 bits can be read after [`Bits::refill`]: nothing else is checked when bits are taken.
/// Where the data end, zeros are made up, and [`Bits::is_overdrawn`] tells when one of them was taken.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Bits<'a> {
    /// What is not in the buffer.
    rest: &'a [u8],
    /// The next bits, from the top. Under those that count may already be those that follow them.
    buffer: u64,
    /// Bits in the buffer, at most 63.
    count: u32,
    /// How many of all bits that came into the buffer were made up.
    made_up: u32,
}

impl<'a> Bits<'a> {
    pub(crate) fn new(rest: &'a [u8]) -> Self {
        Self { rest, buffer: 0, count: 0, made_up: 0 }
    }

    /// Fills the buffer to at least 56 bits.
    ///
    /// Eight bytes are read at once and as many of them are kept as there is room for. The others'
    /// bits stay under those that count; the next refill puts the same bits over them.
    #[inline(always)]
    pub(crate) fn refill(&mut self) {
        if let Some(chunk) = self.rest.first_chunk::<8>() {
            let word = u64::from_be_bytes(*chunk);
            if !has_byte_ff(word) {
                self.buffer |= word >> (self.count & 63);
                self.rest = &self.rest[(7 - (self.count as usize >> 3 & 7))..];
                self.count |= 56;
                return;
            }
        }
        *self = self.refilled_bytewise();
    }

    /// The same where a byte 0xff, which may begin a marker, or the end of the data is near.
    #[cold]
    #[inline(never)]
    fn refilled_bytewise(mut self) -> Self {
        while self.count < 56 {
            let byte = match *self.rest {
                [0xff, 0, ref tail @ ..] => {
                    self.rest = tail;
                    0xff
                }
                [0xff, ..] => self.byte_at_marker(),
                [byte, ref tail @ ..] => {
                    self.rest = tail;
                    byte
                }
                [] => self.byte_made_up(),
            };
            self.buffer |= u64::from(byte) << (56 - self.count);
            self.count += 8;
        }
        self
    }

    /// Skips fill bytes before a marker. Before a zero they stand for one byte, as libjpeg has it.
    fn byte_at_marker(&mut self) -> u8 {
        let fill = self.rest.iter().take_while(|&&byte| byte == 0xff).count();
        if self.rest.get(fill) == Some(&0) {
            self.rest = &self.rest[fill + 1..];
            return 0xff;
        }
        self.rest = &self.rest[fill - 1..];
        self.byte_made_up()
    }

    fn byte_made_up(&mut self) -> u8 {
        self.made_up += 8;
        0
    }

    /// The next `n` bits, 1 to 32, without taking them.
    #[inline(always)]
    pub(crate) fn peek(&self, n: u32) -> u32 {
        (self.buffer >> 32) as u32 >> (32 - n)
    }

    /// Takes `n` bits, at most 63.
    #[inline(always)]
    pub(crate) fn skip(&mut self, n: u32) {
        self.buffer <<= n & 63;
        self.count = self.count.wrapping_sub(n);
    }

    /// Takes the next `n` bits, 0 to 31.
    #[inline(always)]
    pub(crate) fn take(&mut self, n: u32) -> u32 {
        let bits = (self.buffer >> 1 >> (63 - n)) as u32;
        self.skip(n);
        bits
    }

    /// Takes a number of `size` bits, 0 to 31, whose first bit tells its sign (T.81 F.2.2.1, EXTEND).
    #[inline(always)]
    pub(crate) fn take_signed(&mut self, size: u32) -> i32 {
        let is_negative = !((self.buffer as i64 >> 63) as i32);
        self.take(size) as i32 + (is_negative & (1 - (1i32 << size)))
    }

    /// Whether bits were taken that are not in the data.
    #[inline(always)]
    pub(crate) fn is_overdrawn(&self) -> bool {
        self.made_up > self.count
    }

    /// Bytes that are not in the buffer yet.
    pub(crate) fn rest_len(&self) -> usize {
        self.rest.len()
    }

    /// Takes the restart marker of number `number`, which has to come next, with the bits that fill up
    /// the byte before it. `end` is where the data end, in bytes from the file's start.
    pub(crate) fn restart(&mut self, number: u8, end: usize) -> Result<()> {
        let at = end - self.rest.len();
        let fill = self.rest.iter().take_while(|&&byte| byte == 0xff).count();
        let expected = code::RST0 + number;
        let found = match self.rest.get(fill) {
            _ if self.count - self.made_up >= 8 => "data".into(),
            Some(0) => "data".into(),
            Some(_) if fill == 0 => "data".into(),
            None => {
                let expected = format!("expected the marker ff{expected:02x}");
                return Err(Error::truncated(format!("the data end at byte {end}, {expected}")));
            }
            Some(&code) if code == expected => {
                *self = Self::new(&self.rest[fill + 1..]);
                return Ok(());
            }
            Some(code) => format!("the marker ff{code:02x}"),
        };
        Err(Error::damaged(format!("{found} at byte {at}, expected the marker ff{expected:02x}")))
    }

    /// Why the data of a scan cannot be decoded further: `problem`, unless it is that they ended.
    #[cold]
    #[inline(never)]
    pub(crate) fn error(&self, problem: &str, end: usize) -> Error {
        let at = end - self.rest.len();
        if self.made_up == 0 {
            return Error::damaged(format!("{problem} before byte {at}"));
        }
        match *self.rest {
            [] | [0xff] | [0xff, code::EOI, ..] => {
                Error::truncated(format!("the data of a scan end too early, at byte {at}"))
            }
            [_, marker, ..] => {
                let found = format!("the marker ff{marker:02x} at byte {at}");
                Error::damaged(format!("{found}, expected more data of the scan"))
            }
            [_] => Error::truncated(format!("the data of a scan end too early, at byte {at}")),
        }
    }
}

/// Whether one of the eight bytes is 0xff.
#[inline(always)]
fn has_byte_ff(word: u64) -> bool {
    const ONES: u64 = 0x0101_0101_0101_0101;
    (!word).wrapping_sub(ONES) & word & (ONES << 7) != 0
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn bits_come_as_they_are_whatever_is_stuffed(
            bytes in prop::collection::vec(prop_oneof![Just(0xffu8), any::<u8>()], 0..60),
            sizes in prop::collection::vec(0u32..=28, 1..80),
        ) {
            let stuffed: Vec<u8> = bytes
                .iter()
                .flat_map(|&byte| if byte == 0xff { vec![0xff, 0] } else { vec![byte] })
                .chain([0xff, 0xd9])
                .collect();
            let mut bits = Bits::new(&stuffed);
            let mut taken = 0;
            for size in sizes {
                bits.refill();
                let expected = (taken..taken + size as usize).fold(0, |number, at| {
                    let bit = bytes.get(at / 8).map_or(0, |byte| byte >> (7 - at % 8) & 1);
                    number << 1 | u32::from(bit)
                });
                if size > 0 {
                    prop_assert_eq!(bits.peek(size), expected);
                }
                prop_assert_eq!(bits.take(size), expected);
                taken += size as usize;
                prop_assert_eq!(bits.is_overdrawn(), taken > 8 * bytes.len());
            }
        }
    }

    #[test]
    fn numbers_are_extended_by_their_first_bit() {
        for size in 0..=15u32 {
            for number in 0..1u32 << size {
                let bytes = (number << (32 - size).min(31)).to_be_bytes();
                let stuffed: Vec<u8> = bytes
                    .iter()
                    .flat_map(|&b| if b == 0xff { vec![0xff, 0] } else { vec![b] })
                    .collect();
                let mut bits = Bits::new(&stuffed);
                bits.refill();
                let half = if size == 0 { 0 } else { 1 << (size - 1) };
                let number = number as i32;
                let expected = if number < half { number + 1 - (1 << size) } else { number };
                assert_eq!(bits.take_signed(size), expected);
            }
        }
    }

    #[test]
    fn only_the_right_restart_marker_is_taken() {
        let restart = |bytes: &[u8], taken: u32| {
            let mut bits = Bits::new(bytes);
            bits.refill();
            bits.skip(taken);
            bits.restart(2, bytes.len()).map_err(|error| error.to_string())
        };
        assert_eq!(restart(&[1, 0xff, 0xd2, 7], 1), Ok(()));
        assert_eq!(restart(&[1, 0xff, 0xff, 0xff, 0xd2], 8), Ok(()));
        let wrong = restart(&[1, 0xff, 0xd3], 1).unwrap_err();
        assert_eq!(wrong, "the marker ffd3 at byte 1, expected the marker ffd2");
        assert!(restart(&[1, 2, 0xff, 0xd2], 8).unwrap_err().starts_with("data"));
        assert!(restart(&[1, 0xff], 1).unwrap_err().contains("data end at byte 2"));
        assert!(restart(&[1], 1).unwrap_err().contains("data end at byte 1"));
        assert!(restart(&[0; 12], 56).unwrap_err().starts_with("data"));
        assert!(restart(&[&[0; 7][..], &[0xff, 0, 0xff, 0xd2]].concat(), 56).is_err());
    }
}
