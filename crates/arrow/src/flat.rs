//! Flatbuffers, every offset of which is compared with the buffer before it is followed.

use crate::{Error, Result};

/// A table of a flatbuffer.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Table<'a> {
    buffer: &'a [u8],
    at: usize,
    fields: &'a [u8],
}

/// A vector of a flatbuffer: its items are `size` bytes each.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Vector<'a> {
    buffer: &'a [u8],
    at: usize,
    pub(crate) len: usize,
    size: usize,
}

fn outside() -> Error {
    Error::malformed("an offset in the metadata points outside of it")
}

fn bytes<const N: usize>(buffer: &[u8], at: usize) -> Result<[u8; N]> {
    let rest = buffer.get(at..).ok_or_else(outside)?;
    rest.first_chunk().copied().ok_or_else(outside)
}

/// Where the offset at `at` points to.
fn pointed(buffer: &[u8], at: usize) -> Result<usize> {
    at.checked_add(u32::from_le_bytes(bytes(buffer, at)?) as usize).ok_or_else(outside)
}

impl<'a> Table<'a> {
    pub(crate) fn root(buffer: &'a [u8]) -> Result<Self> {
        Self::at(buffer, pointed(buffer, 0)?)
    }

    fn at(buffer: &'a [u8], at: usize) -> Result<Self> {
        let back = i64::from(i32::from_le_bytes(bytes(buffer, at)?));
        let start = usize::try_from(at as i64 - back).map_err(|_| outside())?;
        let len = usize::from(u16::from_le_bytes(bytes(buffer, start)?));
        let fields =
            buffer.get(start..).and_then(|rest| rest.get(..len)).and_then(|it| it.get(4..));
        Ok(Self { buffer, at, fields: fields.ok_or_else(outside)? })
    }

    /// Where field number `field` is, if it is there.
    fn field(&self, field: usize) -> Option<usize> {
        let offset = self.fields.get(2 * field..)?.first_chunk()?;
        match u16::from_le_bytes(*offset) {
            0 => None,
            offset => Some(self.at + usize::from(offset)),
        }
    }

    fn number<const N: usize>(&self, field: usize) -> Result<[u8; N]> {
        self.field(field).map_or(Ok([0; N]), |at| bytes(self.buffer, at))
    }

    /// The numbers are 0 where they are not there, as the format's defaults are.
    pub(crate) fn byte(&self, field: usize) -> Result<u8> {
        Ok(u8::from_le_bytes(self.number(field)?))
    }

    pub(crate) fn i16(&self, field: usize) -> Result<i16> {
        Ok(i16::from_le_bytes(self.number(field)?))
    }

    pub(crate) fn i32(&self, field: usize) -> Result<i32> {
        Ok(i32::from_le_bytes(self.number(field)?))
    }

    pub(crate) fn i64(&self, field: usize) -> Result<i64> {
        Ok(i64::from_le_bytes(self.number(field)?))
    }

    pub(crate) fn table(&self, field: usize) -> Result<Option<Self>> {
        let at = self.field(field).map(|at| pointed(self.buffer, at)).transpose()?;
        at.map(|at| Self::at(self.buffer, at)).transpose()
    }

    /// The vector that a field is, empty where it is not there.
    pub(crate) fn vector(&self, field: usize, size: usize) -> Result<Vector<'a>> {
        let buffer = self.buffer;
        let Some(at) = self.field(field) else { return Ok(Vector { buffer, at: 0, len: 0, size }) };
        let at = pointed(buffer, at)?;
        let len = u32::from_le_bytes(bytes(buffer, at)?) as usize;
        let end = len.checked_mul(size).and_then(|bytes| bytes.checked_add(at + 4));
        match end {
            Some(end) if end <= buffer.len() => Ok(Vector { buffer, at: at + 4, len, size }),
            _ => Err(outside()),
        }
    }

    pub(crate) fn tables(
        &self,
        field: usize,
    ) -> Result<impl Iterator<Item = Result<Self>> + use<'a>> {
        let vector = self.vector(field, 4)?;
        Ok((0..vector.len).map(move |item| {
            Self::at(vector.buffer, pointed(vector.buffer, vector.at + 4 * item)?)
        }))
    }

    pub(crate) fn text(&self, field: usize) -> Result<String> {
        let vector = self.vector(field, 1)?;
        let bytes = vector.buffer.get(vector.at..).and_then(|rest| rest.get(..vector.len));
        Ok(String::from_utf8_lossy(bytes.ok_or_else(outside)?).into_owned())
    }
}

impl Vector<'_> {
    /// The number at byte `at` of an item.
    pub(crate) fn i64(&self, item: usize, at: usize) -> Result<i64> {
        Ok(i64::from_le_bytes(self.number(item, at)?))
    }

    fn number<const N: usize>(&self, item: usize, at: usize) -> Result<[u8; N]> {
        if item >= self.len {
            return Err(Error::malformed("a record batch has fewer buffers than the schema says"));
        }
        bytes(self.buffer, self.at + item * self.size + at)
    }
}
