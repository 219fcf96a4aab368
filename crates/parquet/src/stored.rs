//! Pages as they lie in the file.

use std::cell::Cell;

use bytes::Bytes;
use tallow_arrow::{Error, ReadAt, Result};

/// The most bytes that a thread keeps. Pages mostly have 1 MiB, but dictionaries of pictures have what a hundred
/// of them have.
const KEPT_MAX: usize = 16 << 20;

thread_local! {
    /// Memory of the last pages that were read. Clearing fresh memory takes as long as reading into it.
    static KEPT: Cell<Vec<u8>> = const { Cell::new(Vec::new()) };
}

/// Bytes of a file, in memory that the thread uses again unless a page keeps it.
pub(crate) struct Stored(Bytes);

impl Stored {
    /// `len` bytes from `offset` on.
    pub(crate) fn read(source: &(impl ReadAt + ?Sized), offset: u64, len: usize) -> Result<Self> {
        let mut bytes = KEPT.take();
        bytes.resize(len, 0);
        source.read_at(offset, &mut bytes).map_err(Error::io)?;
        Ok(Self(bytes.into()))
    }

    pub(crate) fn bytes(&self) -> Bytes {
        self.0.clone()
    }
}

impl Drop for Stored {
    fn drop(&mut self) {
        if self.0.is_unique() && self.0.len() <= KEPT_MAX {
            KEPT.set(std::mem::take(&mut self.0).into());
        }
    }
}
