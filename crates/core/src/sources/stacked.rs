//! An array of samples: its first axis is the sample axis.

use crate::codecs::Header;
use crate::files::{File, Limits, Section, read_stored};
use crate::{Error, ErrorKind, Field, FieldMut, Result};

/// The rows of an array, and where they are.
#[derive(Debug)]
pub(super) struct Stacked {
    header: Header,
    len: usize,
    rows: Rows,
}

#[derive(Debug)]
enum Rows {
    /// In a file, from this byte on.
    File(u64),
    /// In memory from this byte on, stored as in a file but in row-major order and this machine's
    /// order of bytes.
    Memory(Vec<u8>, usize),
}

impl Stacked {
    /// The array that begins at byte `at` of `file` and ends at byte `end`. One in Fortran order has
    /// no rows: it is turned, and then held in memory.
    pub(super) fn of_file(file: &File, at: u64, end: u64, limits: &Limits) -> Result<Self> {
        let section = Section::of_file(file, end).part(at, u64::MAX);
        let header = Header::read(section, limits).map_err(|error| error.with_offset_from(at))?;
        let start = at + header.payload_offset();
        let rows = match header.fortran_order {
            true => Rows::Memory(turned(file, start, &header, limits)?, 0),
            false => Rows::File(start),
        };
        Self::new(header, rows)
    }

    /// The array of the bytes of a `.npy` file.
    pub(super) fn of_memory(bytes: Vec<u8>, limits: &Limits) -> Result<Self> {
        let header = Header::read(Section::of_memory(&bytes), limits)?;
        let start = header.text.len();
        if !header.fortran_order {
            let mut bytes = bytes;
            header.swap(&mut bytes[start..][..header.stored_bytes(&header.shape)]);
            return Self::new(header, Rows::Memory(bytes, start));
        }
        let rows =
            header.straightened(bytes[start..][..header.stored_bytes(&header.shape)].to_vec())?;
        Self::new(header, Rows::Memory(rows, 0))
    }

    fn new(header: Header, rows: Rows) -> Result<Self> {
        let Some(&len) = header.shape.first() else {
            let message = "found a scalar, expected a first axis of samples";
            return Err(Error::new(ErrorKind::ShapeMismatch, message));
        };
        Ok(Self { header, len, rows })
    }

    /// The number of samples.
    pub(super) fn len(&self) -> usize {
        self.len
    }

    /// One sample, as the field `name`.
    pub(super) fn field(&self, name: &str) -> Field {
        Field::new(name, self.header.dtype, &self.header.shape[1..])
    }

    /// The bytes before the rows.
    pub(super) fn head(&self) -> &[u8] {
        &self.header.text
    }

    /// Bytes of one sample as it is stored.
    pub(super) fn stored_bytes(&self) -> usize {
        self.header.stored_bytes(&self.header.shape[1..])
    }

    /// Where a sample begins in the file, unless it is held in memory.
    pub(super) fn offset_of(&self, index: usize) -> Option<u64> {
        match self.rows {
            Rows::File(start) => Some(start + (index * self.stored_bytes()) as u64),
            Rows::Memory(..) => None,
        }
    }

    /// Bytes of the rows that are held in memory.
    pub(super) fn held_bytes(&self) -> usize {
        match &self.rows {
            Rows::File(_) => 0,
            Rows::Memory(rows, _) => rows.len(),
        }
    }

    /// Reads sample `index` where rows are held in memory.
    pub(super) fn read_held(&self, index: usize, field: &mut FieldMut<'_>) -> Option<Result<()>> {
        let bytes = self.stored_bytes();
        let Rows::Memory(rows, start) = &self.rows else { return None };
        Some(self.header.widening.write(&rows[start + index * bytes..][..bytes], field))
    }

    /// Reads sample `index`, of `file` if it is there.
    pub(super) fn read(&self, file: &File, index: usize, field: &mut FieldMut<'_>) -> Result<()> {
        let bytes = self.stored_bytes();
        let start = match &self.rows {
            Rows::File(start) => start + (index * bytes) as u64,
            Rows::Memory(..) => return self.read_held(index, field).unwrap_or(Ok(())),
        };
        if self.header.is_plain() {
            return field.read_from(file, start).map_err(|error| error.with_offset(start));
        }
        let mut stored = read_stored(file, start, bytes, field.stop_flag())?;
        self.header.swap(&mut stored);
        self.header.widening.write(&stored, field)
    }
}

fn turned(file: &File, start: u64, header: &Header, limits: &Limits) -> Result<Vec<u8>> {
    let bytes = header.stored_bytes(&header.shape);
    if bytes > limits.sample_bytes {
        let message = format!(
            "{bytes} bytes in Fortran order, which must be held in memory, at most {}; save \
             np.ascontiguousarray(arr)",
            limits.sample_bytes
        );
        return Err(Error::new(ErrorKind::TooLarge, message));
    }
    header.straightened(read_stored(file, start, bytes, || false)?)
}
