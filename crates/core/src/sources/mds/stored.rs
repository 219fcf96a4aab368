//! The bytes of one sample while it is read.

use std::ops::Range;

use super::encoding::{Element, Encoding};
use super::layout::{Layout, Values};
use crate::codecs::Widening;
use crate::files::{File, read_stored};
use crate::sources::scratch::with_scratch;
use crate::{Error, ErrorKind, FieldMut, MAX_RANK, Result};

/// Samples of at most this many bytes are read at once, and their values copied from there: copying
/// takes less time than another system call.
const TOGETHER: u64 = 16 << 10;

/// Of larger ones this much, with the sizes and whatever small values come first.
const BEGINNING: u64 = 4 << 10;

/// The most bytes in front of the elements of an array: type, rank and 63 lengths of 8 bytes.
const ARRAY_HEAD_MAX: usize = 2 + 63 * 8;

/// A sample in a file.
#[derive(Debug)]
pub(super) struct Stored<'a> {
    file: &'a File,
    start: u64,
    /// What it begins with, as far as that was read already.
    known: &'a [u8],
}

/// What an array says of itself.
#[derive(Debug)]
pub(super) struct ArrayHead {
    pub(super) element: Element,
    dims: [usize; MAX_RANK],
    rank: usize,
    /// Bytes in front of the elements.
    bytes: usize,
}

impl ArrayHead {
    pub(super) fn shape(&self) -> &[usize] {
        &self.dims[..self.rank]
    }
}

impl<'a> Stored<'a> {
    /// Runs `run` with the sample at `place` of `file`, of which `fields` fields are read.
    pub(super) fn read(
        file: &'a File,
        place: Range<u64>,
        layout: &Layout,
        fields: usize,
        run: impl FnOnce(&Stored<'_>, Values<'_>) -> Result<()>,
    ) -> Result<()> {
        let bytes = place.end - place.start;
        let known = match layout.is_fixed() {
            true if fields == 1 || bytes > TOGETHER => 0,
            _ if bytes <= TOGETHER => bytes,
            _ => bytes.min(BEGINNING.max(layout.head_bytes as u64)),
        };
        let start = place.start;
        with_scratch(known as usize, |known| {
            file.read_exact_at(known, start).map_err(|error| unread(error, start))?;
            layout.check(known, bytes).map_err(|error| error.with_offset(start))?;
            let values = Values::new(layout, &known[..layout.head_bytes]);
            run(&Stored { file, start, known }, values)
        })
    }

    /// Reads a value of `bytes` bytes from byte `at` of the sample into `field`.
    pub(super) fn deliver(
        &self,
        (at, bytes): (u64, usize),
        encoding: &Encoding,
        field: &mut FieldMut<'_>,
    ) -> Result<()> {
        match encoding {
            Encoding::Fixed(element, _) => self.elements(at, bytes, *element, field),
            Encoding::Bytes | Encoding::Text | Encoding::Picture => {
                field.set_shape(&[bytes])?;
                self.elements(at, bytes, Element::BYTE, field)
            }
            Encoding::Array(_) | Encoding::Typed(_) => {
                let head = self.array_head((at, bytes), encoding)?;
                if head.element.dtype != field.declared().dtype() {
                    let (found, expected) = (head.element.dtype, field.declared().dtype());
                    let message = format!("found an array of {found}, expected {expected}");
                    return Err(Error::new(ErrorKind::DtypeMismatch, message));
                }
                field.set_shape(head.shape())?;
                self.elements(at + head.bytes as u64, bytes - head.bytes, head.element, field)
            }
            // No field is made of it.
            Encoding::Other => Err(Error::new(ErrorKind::UnsupportedDtype, "cannot be read")),
        }
    }

    fn elements(
        &self,
        at: u64,
        bytes: usize,
        element: Element,
        field: &mut FieldMut<'_>,
    ) -> Result<()> {
        let place = |error: Error| error.with_offset(self.start + at);
        let is_plain = element.widening == Widening::None && cfg!(target_endian = "little");
        let known = self.known.get(at as usize..).and_then(|from| from.get(..bytes));
        match known {
            Some(known) if is_plain => field.copy_from_bytes(known).map_err(place),
            None if is_plain => field.read_from(self.file, self.start + at).map_err(place),
            known => {
                let mut stored = match known {
                    Some(known) => known.to_vec(),
                    None => read_stored(self.file, self.start + at, bytes, field.stop_flag())?,
                };
                if cfg!(target_endian = "big") {
                    stored.chunks_exact_mut(element.bytes).for_each(<[u8]>::reverse);
                }
                element.widening.write(&stored, field).map_err(place)
            }
        }
    }

    /// What the array at byte `at` of the sample says of itself, which is checked with its length.
    pub(super) fn array_head(
        &self,
        (at, bytes): (u64, usize),
        encoding: &Encoding,
    ) -> Result<ArrayHead> {
        let mut memory = [0; ARRAY_HEAD_MAX];
        let head = &mut memory[..bytes.min(ARRAY_HEAD_MAX)];
        match self.known.get(at as usize..).and_then(|from| from.get(..head.len())) {
            Some(known) => head.copy_from_slice(known),
            None => {
                let start = self.start + at;
                self.file.read_exact_at(head, start).map_err(|error| unread(error, start))?;
            }
        }
        parse(head, encoding)
            .filter(|head| head.makes(bytes))
            .ok_or_else(|| no_array(bytes).with_offset(self.start + at))
    }
}

impl ArrayHead {
    /// Whether these elements have `bytes` bytes with all that is in front of them.
    fn makes(&self, bytes: usize) -> bool {
        let elements =
            self.shape().iter().try_fold(self.element.bytes, |all, &len| all.checked_mul(len));
        elements.and_then(|elements| elements.checked_add(self.bytes)) == Some(bytes)
    }
}

/// Type and shape, each unless the encoding says it.
fn parse(head: &[u8], encoding: &Encoding) -> Option<ArrayHead> {
    let mut rest = head;
    let mut take = |bytes: usize| {
        let (taken, after) = rest.split_at_checked(bytes)?;
        rest = after;
        Some(taken)
    };
    let element = match encoding {
        Encoding::Array(Some(element)) | Encoding::Fixed(element, _) => *element,
        _ => Element::of_number(take(1)?[0])?,
    };
    let mut dims = [0; MAX_RANK];
    let rank = match encoding {
        Encoding::Typed(shape) | Encoding::Fixed(_, shape) => {
            dims.get_mut(..shape.len())?.copy_from_slice(shape);
            shape.len()
        }
        _ => {
            let byte = usize::from(take(1)?[0]);
            let (rank, width) = (byte >> 2, 1 << (byte & 3));
            for dim in &mut dims[..rank] {
                let mut wide = [0; 8];
                wide[..width].copy_from_slice(take(width)?);
                *dim = u64::from_le_bytes(wide).try_into().ok()?;
            }
            rank
        }
    };
    Some(ArrayHead { element, dims, rank, bytes: head.len() - rest.len() })
}

#[cold]
fn no_array(bytes: usize) -> Error {
    let message = format!("{bytes} bytes that are no array of MDS; the file is damaged");
    Error::new(ErrorKind::Header, message)
}

#[cold]
fn unread(error: std::io::Error, at: u64) -> Error {
    match error.kind() {
        std::io::ErrorKind::UnexpectedEof => {
            Error::new(ErrorKind::Truncated, "the file ends within a sample").with_offset(at)
        }
        _ => Error::io("read", error).with_offset(at),
    }
}
