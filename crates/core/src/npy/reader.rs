use std::collections::HashMap;
use std::fs::File;
use std::os::unix::fs::FileExt;
use std::path::PathBuf;
use std::sync::{Arc, RwLock};

use super::header::Header;
use crate::row::PIECE_BYTES_MAX;
use crate::sources::{Limits, Stamp};
use crate::{Error, ErrorKind, FieldMut, Result};

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

    pub(crate) fn new(first: Header, first_path: PathBuf, limits: Limits) -> Self {
        Self { first: Arc::new(first), first_path, seen: RwLock::default(), limits }
    }

    pub(crate) fn first(&self) -> &Header {
        &self.first
    }

    /// Reads `file` into `field`; an error if it changes meanwhile.
    pub(crate) fn read(&self, file: &File, field: &mut FieldMut<'_>) -> Result<()> {
        let before = Stamp::of_regular(file)?;
        let result = self.read_between(file, before.bytes, field);
        if Stamp::of_regular(file)? != before {
            let message = "the file was written to while it was being read";
            return Err(Error::new(ErrorKind::Changed, message));
        }
        result
    }

    fn read_between(&self, file: &File, file_bytes: u64, field: &mut FieldMut<'_>) -> Result<()> {
        if self.read_plain(file, field)? {
            return Ok(());
        }
        field.restart();
        let header = Arc::new(Header::read(file, file_bytes, &self.limits)?);
        self.check(&header, field)?;
        self.remember(&header);
        field.set_shape(&header.shape)?;
        if header.is_plain() {
            return field.read_rest(file, header.payload_offset());
        }
        convert(file, &header, field)
    }

    /// The short way; `false` if the header is not one that was seen, or needs converting.
    fn read_plain(&self, file: &File, field: &mut FieldMut<'_>) -> Result<bool> {
        let mut head = [0u8; Self::HEAD_BYTES_MAX];
        let Some(head) = head.get_mut(..self.first.text.len()) else { return Ok(false) };
        let got = field.read_after_head(file, head)?;
        if got < head.len() {
            return Ok(false);
        }
        let header =
            if *head == *self.first.text { Some(self.first.clone()) } else { self.known(head) };
        let Some(header) = header.filter(|header| header.is_plain()) else { return Ok(false) };
        field.set_shape(&header.shape)?;
        field.read_rest(file, got as u64)?;
        Ok(true)
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

    /// Whether this file belongs with the first one.
    fn check(&self, header: &Header, field: &FieldMut<'_>) -> Result<()> {
        let declared = field.declared();
        let kind = if header.dtype != declared.dtype() {
            ErrorKind::DtypeMismatch
        } else if !declared.admits(&header.shape) {
            ErrorKind::ShapeMismatch
        } else {
            return Ok(());
        };
        let message = format!(
            "found {}{:?}, expected {declared} as in {:?}",
            header.dtype, header.shape, self.first_path
        );
        Err(Error::new(kind, message).with_field(declared.name()))
    }
}

/// Reads a payload that is not a row as it stands: the other byte order, column-major, or of an
/// element type that candle lacks. Costs a second buffer and a pass; rows as they stand do not.
fn convert(file: &File, header: &Header, field: &mut FieldMut<'_>) -> Result<()> {
    let payload = read_converted(file, header, &|| field.is_stopped())?;
    field.copy_from_bytes(&payload)
}

/// The whole payload as row-major elements of the row type, in this machine's byte order.
pub(crate) fn read_converted(
    file: &File,
    header: &Header,
    is_stopped: &dyn Fn() -> bool,
) -> Result<Vec<u8>> {
    let bytes = header.stored_bytes(&header.shape);
    let mut payload = Vec::new();
    payload.try_reserve_exact(bytes).map_err(|_| {
        Error::new(ErrorKind::TooLarge, format!("no memory for a payload of {bytes} bytes"))
    })?;
    payload.resize(bytes, 0);
    for (i, piece) in payload.chunks_mut(PIECE_BYTES_MAX).enumerate() {
        if is_stopped() {
            return Err(Error::new(ErrorKind::Stopped, "the loader was stopped"));
        }
        let offset = header.payload_offset() + (i * PIECE_BYTES_MAX) as u64;
        file.read_exact_at(piece, offset).map_err(|error| short_payload(error, bytes))?;
    }
    if header.swapped {
        payload.chunks_exact_mut(header.stored_size).for_each(<[u8]>::reverse);
    }
    if header.fortran_order {
        payload = row_major(&payload, &header.shape, header.stored_size);
    }
    header.widening.apply(payload)
}

#[cold]
fn short_payload(error: std::io::Error, bytes: usize) -> Error {
    if error.kind() != std::io::ErrorKind::UnexpectedEof {
        return Error::io("read the payload", error);
    }
    let message = format!("the file ends inside its payload of {bytes} bytes");
    Error::new(ErrorKind::Truncated, message)
}

/// Column-major to row-major, element by element.
fn row_major(payload: &[u8], shape: &[usize], size: usize) -> Vec<u8> {
    let strides: Vec<usize> = shape
        .iter()
        .scan(size, |stride, &len| {
            let this = *stride;
            *stride *= len;
            Some(this)
        })
        .collect();
    let mut out = Vec::with_capacity(payload.len());
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
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn column_major_becomes_row_major() {
        // shape (2, 3): columns (1, 4), (2, 5), (3, 6)
        assert_eq!(row_major(&[1, 4, 2, 5, 3, 6], &[2, 3], 1), [1, 2, 3, 4, 5, 6]);
        let column_major: Vec<u8> = vec![0, 4, 2, 6, 1, 5, 3, 7];
        assert_eq!(row_major(&column_major, &[2, 2, 2], 1), [0, 1, 2, 3, 4, 5, 6, 7]);
    }
}
