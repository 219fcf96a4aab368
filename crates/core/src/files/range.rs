//! Ranges of files, read into memory of their own.

use super::File;
use crate::rows::PIECE_BYTES_MAX;
use crate::{Error, ErrorKind, Result};

/// Reads `bytes` bytes from `offset` of `file` into memory of their own, in pieces between which a
/// loader can stop it.
pub(crate) fn read_stored(
    file: &File,
    offset: u64,
    bytes: usize,
    is_stopped: impl Fn() -> bool,
) -> Result<Vec<u8>> {
    let mut stored = reserve(bytes)?;
    stored.resize(bytes, 0);
    read_into(file, offset, &mut stored, is_stopped)?;
    Ok(stored)
}

/// Fills `into` with the bytes at `offset`, in pieces, with the stop flag looked at before each.
pub(crate) fn read_into(
    file: &File,
    offset: u64,
    into: &mut [u8],
    is_stopped: impl Fn() -> bool,
) -> Result<()> {
    let bytes = into.len();
    for (i, piece) in into.chunks_mut(PIECE_BYTES_MAX).enumerate() {
        if is_stopped() {
            return Err(Error::new(ErrorKind::Stopped, "the loader was stopped"));
        }
        let at = offset + (i * PIECE_BYTES_MAX) as u64;
        file.read_exact_at(piece, at).map_err(|error| short(error, offset, bytes))?;
    }
    Ok(())
}

/// An empty `Vec` with room for `bytes`, or an error where there is no such memory.
pub(crate) fn reserve(bytes: usize) -> Result<Vec<u8>> {
    let mut memory = Vec::new();
    memory.try_reserve_exact(bytes).map_err(|_| {
        Error::new(ErrorKind::TooLarge, format!("no memory for a payload of {bytes} bytes"))
    })?;
    Ok(memory)
}

#[cold]
fn short(error: std::io::Error, offset: u64, bytes: usize) -> Error {
    if error.kind() != std::io::ErrorKind::UnexpectedEof {
        return Error::io("read", error).with_offset(offset);
    }
    let message = format!("the file ends within the {bytes} bytes of data expected");
    Error::new(ErrorKind::Truncated, message).with_offset(offset)
}
