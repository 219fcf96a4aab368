//! The compact protocol of Thrift, as far as it takes to read a few numbers and to pass over the rest.

use tallow_arrow::{Error, ErrorKind, Result};

/// How deep structs and lists may lie in others.
const DEPTH_MAX: usize = 64;

/// The most items of one list: a reader that believes its length would allocate for it.
const ITEMS_MAX: u64 = 1 << 20;

/// Bytes of a struct, read from the first to the last.
#[derive(Debug)]
pub(crate) struct Thrift<'a> {
    bytes: &'a [u8],
    at: usize,
}

/// What a value is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Type(u8);

impl Type {
    const TRUE: Self = Self(1);
    const FALSE: Self = Self(2);
    const BYTE: Self = Self(3);
    const I64: Self = Self(6);
    const DOUBLE: Self = Self(7);
    const BINARY: Self = Self(8);
    pub(crate) const LIST: Self = Self(9);
    const SET: Self = Self(10);
    const MAP: Self = Self(11);
    pub(crate) const STRUCT: Self = Self(12);
}

impl<'a> Thrift<'a> {
    pub(crate) fn new(bytes: &'a [u8]) -> Self {
        Self { bytes, at: 0 }
    }

    /// The bytes that were read.
    pub(crate) fn read(&self) -> usize {
        self.at
    }

    fn byte(&mut self) -> Result<u8> {
        let byte = *self.bytes.get(self.at).ok_or_else(cut)?;
        self.at += 1;
        Ok(byte)
    }

    fn unsigned(&mut self) -> Result<u64> {
        let mut number = 0;
        for shift in (0..64).step_by(7) {
            let byte = self.byte()?;
            number |= u64::from(byte & 0x7f) << shift;
            if byte & 0x80 == 0 {
                return Ok(number);
            }
        }
        Err(Error::malformed("a number of more than 64 bits"))
    }

    fn signed(&mut self) -> Result<i64> {
        let number = self.unsigned()?;
        Ok((number >> 1) as i64 ^ -((number & 1) as i64))
    }

    /// The number and type of the next field of a struct, after the field `last`; none after its last one.
    pub(crate) fn field(&mut self, last: &mut i16) -> Result<Option<(i16, Type)>> {
        let head = self.byte()?;
        if head == 0 {
            return Ok(None);
        }
        let number = match head >> 4 {
            0 => i16::try_from(self.signed()?).ok(),
            step => last.checked_add(step.into()),
        };
        *last = number.ok_or_else(|| Error::malformed("a field whose number is too large"))?;
        Ok(Some((*last, Type(head & 15))))
    }

    /// The value of a field that is a whole number or a boolean; others are passed over.
    pub(crate) fn number(&mut self, of: Type) -> Result<Option<i64>> {
        match of {
            Type::TRUE => Ok(Some(1)),
            Type::FALSE => Ok(Some(0)),
            Type(4..=6) => self.signed().map(Some),
            _ => self.skip(of, 0).map(|()| None),
        }
    }

    /// The numbers of a struct by the numbers of their fields, of which those above `N - 1` are passed
    /// over.
    pub(crate) fn numbers<const N: usize>(&mut self) -> Result<[Option<i64>; N]> {
        let (mut numbers, mut last) = ([None; N], 0);
        while let Some((field, of)) = self.field(&mut last)? {
            let number = self.number(of)?;
            if let Some(own) = usize::try_from(field).ok().and_then(|field| numbers.get_mut(field))
            {
                *own = number;
            }
        }
        Ok(numbers)
    }

    /// The items of a list, and the type of each.
    pub(crate) fn list(&mut self) -> Result<(usize, Type)> {
        let head = self.byte()?;
        let items = match head >> 4 {
            15 => self.unsigned()?,
            few => few.into(),
        };
        if items > ITEMS_MAX || items > (self.bytes.len() - self.at) as u64 {
            return Err(Error::malformed(format!("a list of {items} items")));
        }
        Ok((items as usize, Type(head & 15)))
    }

    /// Passes over a value. It is thereby known to end before the bytes do, and so is all in it.
    pub(crate) fn skip(&mut self, of: Type, depth: usize) -> Result<()> {
        if depth > DEPTH_MAX {
            return Err(Error::malformed(format!("values more than {DEPTH_MAX} deep")));
        }
        match of {
            Type::TRUE | Type::FALSE => Ok(()),
            Type::BYTE => self.byte().map(|_| ()),
            Type(4) | Type(5) | Type::I64 => self.unsigned().map(|_| ()),
            Type::DOUBLE => self.pass(8),
            Type::BINARY => {
                let len = self.unsigned()?;
                self.pass(len)
            }
            Type::LIST | Type::SET => {
                let (items, of) = self.list()?;
                (0..items).try_for_each(|_| self.skip_item(of, depth + 1))
            }
            Type::MAP => self.skip_map(depth),
            Type::STRUCT => {
                let mut last = 0;
                while let Some((_, of)) = self.field(&mut last)? {
                    self.skip(of, depth + 1)?;
                }
                Ok(())
            }
            Type(number) => Err(Error::malformed(format!("a value of type number {number}"))),
        }
    }

    /// An item of a list, of which also a boolean takes a byte.
    fn skip_item(&mut self, of: Type, depth: usize) -> Result<()> {
        match of {
            Type::TRUE | Type::FALSE => self.pass(1),
            of => self.skip(of, depth),
        }
    }

    fn skip_map(&mut self, depth: usize) -> Result<()> {
        let items = self.unsigned()?;
        if items == 0 {
            return Ok(());
        }
        let types = self.byte()?;
        if items > ITEMS_MAX {
            return Err(Error::malformed(format!("a map of {items} items")));
        }
        (0..items).try_for_each(|_| {
            self.skip_item(Type(types >> 4), depth + 1)?;
            self.skip_item(Type(types & 15), depth + 1)
        })
    }

    fn pass(&mut self, bytes: u64) -> Result<()> {
        if bytes > (self.bytes.len() - self.at) as u64 {
            return Err(cut());
        }
        self.at += bytes as usize;
        Ok(())
    }
}

#[cold]
fn cut() -> Error {
    Error::new(ErrorKind::Truncated, "a header ends too early")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_of_a_struct_are_found_between_other_fields() {
        // 1: i32 = 3, 2: binary "ab", 4: true, 5: list of i32 [1, 2], 6: i64 = -1.
        let bytes = [0x15, 6, 0x18, 2, b'a', b'b', 0x21, 0x19, 0x25, 2, 4, 0x16, 1, 0];
        let mut thrift = Thrift::new(&bytes);
        let numbers = thrift.numbers::<7>().unwrap();
        assert_eq!(numbers, [None, Some(3), None, None, Some(1), None, Some(-1)]);
        assert_eq!(thrift.read(), bytes.len());
        for end in 0..bytes.len() {
            let error = Thrift::new(&bytes[..end]).numbers::<7>().unwrap_err();
            let is_told = [ErrorKind::Truncated, ErrorKind::Malformed].contains(&error.kind());
            assert!(is_told, "{end}: {error}");
        }
    }

    #[test]
    fn lists_longer_than_their_bytes_and_structs_too_deep_are_refused() {
        let list = [0x19, 0xf5, 0xff, 0xff, 0xff, 0x7f, 0];
        let error = Thrift::new(&list).skip(Type::STRUCT, 0).unwrap_err();
        assert_eq!(error.message(), "a list of 268435455 items");
        let error = Thrift::new(&[0x1c; 100]).skip(Type::STRUCT, 0).unwrap_err();
        assert_eq!(error.message(), "values more than 64 deep");
    }
}
