//! The header of a `.safetensors` file: which tensors it holds, and where.

use std::collections::BTreeMap;
use std::fmt;

use safetensors::tensor::{Metadata, TensorInfo};
use serde::Deserializer as _;
use serde::de::{IgnoredAny, MapAccess, Visitor};

use crate::error::{quoted, shortened};
use crate::files::{File, Limits, Section, foreign};
use crate::{Error, ErrorKind, Result};

/// The header of an open file.
#[derive(Debug)]
pub(super) struct Header {
    metadata: Metadata,
    /// The byte at which the tensors begin.
    pub(super) data_start: u64,
}

impl Header {
    /// Reads the header of `file`, and returns what the file begins with, too.
    pub(super) fn read(file: &File, file_bytes: u64, limits: &Limits) -> Result<(Self, Vec<u8>)> {
        let head = read_head(file, file_bytes, limits)?;
        let metadata = parse_header(&head[LENGTH_BYTES..])?;
        let data_start = head.len() as u64;
        check_end(data_start, metadata.data_len() as u64, file_bytes)?;
        Ok((Self { metadata, data_start }, head))
    }

    /// The tensors by their names.
    pub(super) fn tensors(&self) -> BTreeMap<String, &TensorInfo> {
        self.metadata.tensors().into_iter().collect()
    }
}

/// Whether the tensors end where the file does: the format has neither holes nor a tail.
fn check_end(data_start: u64, data_bytes: u64, file_bytes: u64) -> Result<()> {
    let kind = match data_start.checked_add(data_bytes) {
        Some(end) if end == file_bytes => return Ok(()),
        Some(end) if end < file_bytes => ErrorKind::Header,
        _ => ErrorKind::Truncated,
    };
    let available = file_bytes - data_start;
    let message = format!("the tensors take {data_bytes} bytes, the file holds {available}");
    Err(Error::new(kind, message).with_offset(data_start))
}

/// Bytes of the length that a file begins with.
const LENGTH_BYTES: usize = 8;

/// The length of the header and the header, checked before they are allocated.
fn read_head(file: &File, file_bytes: u64, limits: &Limits) -> Result<Vec<u8>> {
    let section = Section::of_file(file, file_bytes);
    let len = header_len(file, file_bytes, limits).map_err(|error| foreign_or(error, section))?;
    let mut head = vec![0; LENGTH_BYTES + len];
    file.read_exact_at(&mut head, 0).map_err(|e| Error::io("read the header", e))?;
    if head.get(LENGTH_BYTES) == Some(&b'{') {
        return Ok(head);
    }
    let message = "the header does not begin with '{'";
    let error = Error::new(ErrorKind::Foreign, message).with_offset(LENGTH_BYTES as u64);
    Err(foreign_or(error, section))
}

fn header_len(file: &File, file_bytes: u64, limits: &Limits) -> Result<usize> {
    if file_bytes == 0 {
        return Err(Error::new(ErrorKind::Empty, "the file has no bytes"));
    }
    let Some(available) = file_bytes.checked_sub(LENGTH_BYTES as u64) else {
        let message = format!("{file_bytes} bytes, expected at least the 8 of a header's length");
        return Err(Error::new(ErrorKind::Truncated, message));
    };
    let mut len = [0; LENGTH_BYTES];
    file.read_exact_at(&mut len, 0).map_err(|e| Error::io("read the header", e))?;
    let len = u64::from_le_bytes(len);
    if len > limits.safetensors_header_bytes as u64 {
        let most = limits.safetensors_header_bytes;
        let message = format!("a header of {len} bytes, at most {most}");
        return Err(Error::new(ErrorKind::TooLarge, message).with_offset(0));
    }
    if len > available {
        let message = format!("a header of {len} bytes in a file of {file_bytes}");
        return Err(Error::new(ErrorKind::Truncated, message).with_offset(0));
    }
    Ok(len as usize)
}

/// That the file is of another format, where its beginning says which; otherwise `error`.
#[cold]
fn foreign_or(error: Error, file: Section<'_>) -> Error {
    foreign::error(file, "a .safetensors file").unwrap_or(error)
}

/// Parses a header with the format's own reader, once its names are known to be unique: that
/// reader lets the last of several equal names win.
fn parse_header(header: &[u8]) -> Result<Metadata> {
    let malformed = |error: serde_json::Error| {
        let offset = LENGTH_BYTES as u64;
        Error::new(ErrorKind::Header, shortened(error.to_string()))
            .with_offset(offset)
            .with_source(error)
    };
    let mut json = serde_json::Deserializer::from_slice(header);
    json.deserialize_map(UniqueNames).map_err(malformed)?;
    serde_json::from_slice(header).map_err(malformed)
}

struct UniqueNames;

impl<'de> Visitor<'de> for UniqueNames {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object of tensors")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<(), A::Error> {
        let mut names = std::collections::HashSet::new();
        while let Some(name) = map.next_key::<String>()? {
            map.next_value::<IgnoredAny>()?;
            if !names.insert(name.clone()) {
                let message = format!("two tensors are named {}", quoted(&name));
                return Err(serde::de::Error::custom(message));
            }
        }
        Ok(())
    }
}
