use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::{Arc, RwLock};
use std::time::SystemTime;

use super::header::Header;
use crate::files::{File, Limits, Section, Stamp, read_stored, reserve};
use crate::{Error, ErrorKind, Field, FieldMut, Result};

/// Bytes before an array in a larger file that are read with it: a header of a tar archive.
const PART_BEFORE_BYTES: usize = 512;

/// Reads whole `.npy` files into a field, all of them like a first one.
///
/// The usual file has the very header of the first, so header and payload are read with one
/// `preadv`, the payload straight into the row, and the header compared as bytes: nothing is
/// parsed. A file with another header goes the long way, once for each header.
#[derive(Debug)]
pub(crate) struct NpyReader {
    first: Arc<Header>,
    first_path: PathBuf,
    seen: RwLock<HashMap<Vec<u8>, Arc<Header>>>,
    limits: Limits,
}

impl NpyReader {
    /// Headers kept, so that ragged folders do not parse each file: at most 64 KiB each, in
    /// practice 128 bytes.
    const SEEN_MAX: usize = 1024;

    /// Longer headers than this take the long way; numpy writes 128 bytes up to rank 5 or so.
    const HEAD_BYTES_MAX: usize = 256;

    pub(crate) fn new(first: Arc<Header>, first_path: PathBuf, limits: Limits) -> Self {
        Self { first, first_path, seen: RwLock::default(), limits }
    }

    pub(crate) fn first(&self) -> &Header {
        &self.first
    }

    /// Reads `file` into `field`; an error if it changes meanwhile. A file that was written to a
    /// moment ago may be so still: it is read once it rests.
    pub(crate) fn read(&self, file: &File, field: &mut FieldMut<'_>) -> Result<()> {
        if self.read_settled(file, field)? {
            return Ok(());
        }
        field.restart();
        let read = |stamp: &Stamp| self.read_between(file, stamp.bytes, field);
        Stamp::at_rest(file, read).map(|_| ())
    }

    /// The usual way, which looks at the file once and not before and after: a file whose times
    /// lie well before its reading began was not written to meanwhile. Saves a system call of five.
    /// `false` for every other file, and for everything that may be wrong, which the long way then
    /// finds again and puts into words.
    fn read_settled(&self, file: &File, field: &mut FieldMut<'_>) -> Result<bool> {
        if !self.first.is_plain() {
            // Nothing of what could be read here would be used.
            return Ok(false);
        }
        let begun = SystemTime::now();
        let Ok(Some(header)) = self.read_known(file, field) else { return Ok(false) };
        let read = header.is_plain()
            && field.set_shape(&header.shape).is_ok()
            && field.read_rest(file, header.payload_offset()).is_ok();
        let stamp = Stamp::of_regular(file)?;
        let ends = header.trailing_bytes(stamp.bytes) <= self.limits.trailing_bytes;
        Ok(read && ends && stamp.is_settled(begun))
    }

    fn read_between(&self, file: &File, file_bytes: u64, field: &mut FieldMut<'_>) -> Result<()> {
        let section = Section::of_file(file, file_bytes);
        let header = match self.read_known(file, field)? {
            Some(header) => header,
            None => {
                field.restart();
                let header = Arc::new(Header::read(section, &self.limits)?);
                header.check_like(field.declared(), &self.first_path)?;
                self.remember(&header);
                header
            }
        };
        field.set_shape(&header.shape)?;
        header.check_tail(section, &self.limits)?;
        if header.is_plain() {
            return field.read_rest(file, header.payload_offset());
        }
        header.check_sizes(file_bytes)?;
        convert(file, 0, &header, field)
    }

    /// Reads the array that takes `bytes` bytes of `file` from `start` on, and into `before` the bytes
    /// before it. The usual one takes one system call.
    pub(crate) fn read_part(
        &self,
        file: &File,
        start: u64,
        bytes: u64,
        before: &mut [u8; PART_BEFORE_BYTES],
        field: &mut FieldMut<'_>,
    ) -> Result<()> {
        let mut head = [0u8; PART_BEFORE_BYTES + Self::HEAD_BYTES_MAX];
        let begins = start - PART_BEFORE_BYTES as u64;
        let first_len = self.first.text.len();
        if self.first.is_plain() && first_len <= Self::HEAD_BYTES_MAX {
            let head = &mut head[..PART_BEFORE_BYTES + first_len];
            let got = field.read_after_head(file, begins, head)?;
            let (own, text) = head.split_at(PART_BEFORE_BYTES);
            before.copy_from_slice(own);
            let other;
            let known = match text == self.first.text {
                // No count of a header that all threads share.
                true => Some(&*self.first),
                false => {
                    other = self.known(text);
                    other.as_deref()
                }
            };
            if let Some(header) = known.filter(|it| got >= head.len() && it.is_plain()) {
                header.check_sizes(bytes)?;
                field.set_shape(&header.shape)?;
                return field.read_rest(file, start + header.payload_offset());
            }
            field.restart();
        }
        file.read_exact_at(before, begins).map_err(|e| Error::io("read", e))?;
        let section = Section::of_file(file, start + bytes).part(start, bytes);
        let header = Header::read(section, &self.limits);
        let header = Arc::new(header.map_err(|error| error.with_offset_from(start))?);
        header.check_like(field.declared(), &self.first_path)?;
        self.remember(&header);
        field.set_shape(&header.shape)?;
        match header.is_plain() {
            true => field.read_rest(file, start + header.payload_offset()),
            false => convert(file, start, &header, field),
        }
    }

    /// The short way: the header, if it is one that was seen, and where rows need no converting
    /// the payload with it. Only headers as long as the first one's are found.
    fn read_known(&self, file: &File, field: &mut FieldMut<'_>) -> Result<Option<Arc<Header>>> {
        let mut head = [0u8; Self::HEAD_BYTES_MAX];
        let Some(head) = head.get_mut(..self.first.text.len()) else { return Ok(None) };
        if self.first.is_plain() {
            if field.read_after_head(file, 0, head)? < head.len() {
                return Ok(None);
            }
        } else if file.read_exact_at(head, 0).is_err() {
            // The long way says what is wrong.
            return Ok(None);
        }
        let is_first = *head == *self.first.text;
        Ok(if is_first { Some(self.first.clone()) } else { self.known(head) })
    }

    fn known(&self, head: &[u8]) -> Option<Arc<Header>> {
        // A poisoned lock only says that a thread died while it held a map that is never left
        // half-changed.
        self.seen.read().unwrap_or_else(|e| e.into_inner()).get(head).cloned()
    }

    fn remember(&self, header: &Arc<Header>) {
        let mut seen = self.seen.write().unwrap_or_else(|e| e.into_inner());
        if seen.len() < Self::SEEN_MAX && header.text.len() <= Self::HEAD_BYTES_MAX {
            seen.insert(header.text.clone(), header.clone());
        }
    }
}

/// Reads a payload that is not a row as it is: in the other byte order, column-major, or of an
/// element type that candle lacks. Costs a second buffer and a pass, which other rows do not.
fn convert(file: &File, start: u64, header: &Header, field: &mut FieldMut<'_>) -> Result<()> {
    let bytes = header.stored_bytes(&header.shape);
    let stored = read_stored(file, start + header.payload_offset(), bytes, || field.is_stopped())?;
    header.widening.write(&header.straightened(stored)?, field)
}

impl Header {
    /// Whether an array belongs to a field that the file `first` declared.
    pub(crate) fn check_like(&self, declared: &Field, first: &Path) -> Result<()> {
        let kind = if self.dtype != declared.dtype() {
            ErrorKind::DtypeMismatch
        } else if !declared.admits(&self.shape) {
            ErrorKind::ShapeMismatch
        } else {
            return Ok(());
        };
        let alike = self.dtype == declared.dtype() && self.shape.len() == declared.dims().len();
        // Files that differ in a length alone may be meant to.
        let advice = match alike && !declared.is_ragged() {
            true => "; name an axis in which files differ with .ragged(field, axis, max)",
            false => "",
        };
        let message = format!(
            "found {}{:?}, expected {declared} as in {first:?}{advice}",
            self.dtype, self.shape
        );
        Err(Error::new(kind, message).with_field(declared.name()))
    }

    /// A stored payload as row-major elements in this machine's byte order, not yet widened.
    pub(crate) fn straightened(&self, mut payload: Vec<u8>) -> Result<Vec<u8>> {
        self.swap(&mut payload);
        if self.fortran_order {
            row_major(&payload, &self.shape, self.stored_size)
        } else {
            Ok(payload)
        }
    }

    /// Reverses the bytes of each element, if they are in the other order.
    pub(crate) fn swap(&self, elements: &mut [u8]) {
        if self.swapped {
            elements.chunks_exact_mut(self.stored_size).for_each(<[u8]>::reverse);
        }
    }
}

/// Column-major to row-major, element by element.
fn row_major(payload: &[u8], shape: &[usize], size: usize) -> Result<Vec<u8>> {
    let strides: Vec<usize> = shape
        .iter()
        .scan(size, |stride, &len| {
            let this = *stride;
            *stride *= len;
            Some(this)
        })
        .collect();
    let mut out = reserve(payload.len())?;
    let mut index = vec![0; shape.len()];
    let mut at = 0;
    while out.len() < payload.len() {
        out.extend_from_slice(&payload[at..at + size]);
        for axis in (0..shape.len()).rev() {
            index[axis] += 1;
            at += strides[axis];
            if index[axis] < shape[axis] {
                break;
            }
            at -= index[axis] * strides[axis];
            index[axis] = 0;
        }
    }
    Ok(out)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn column_major_becomes_row_major() {
        // shape (2, 3): columns (1, 4), (2, 5), (3, 6)
        assert_eq!(row_major(&[1, 4, 2, 5, 3, 6], &[2, 3], 1).unwrap(), [1, 2, 3, 4, 5, 6]);
        let column_major: Vec<u8> = vec![0, 4, 2, 6, 1, 5, 3, 7];
        assert_eq!(row_major(&column_major, &[2, 2, 2], 1).unwrap(), [0, 1, 2, 3, 4, 5, 6, 7]);
    }
}
