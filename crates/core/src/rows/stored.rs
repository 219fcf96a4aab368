//! Fields that are read from objects of a store.

use tallow_store::Object;

use super::FieldMut;
use super::field_mut::PIECE_BYTES_MAX;
use super::slot::incomplete;
use crate::files::stored::of_store;
use crate::{Error, ErrorKind, Result};

impl FieldMut<'_> {
    /// What `read_after_head` does with a local file.
    pub(super) fn read_stored_after_head(
        &mut self,
        object: &Object,
        start: u64,
        head: &mut [u8],
    ) -> Result<usize> {
        let most = head.len() + self.slot.limit().min(PIECE_BYTES_MAX);
        let is_stopped = self.stop_flag();
        let mut got = 0;
        let mut sink = |piece: &[u8]| {
            let of_head = piece.len().min(head.len().saturating_sub(got));
            let at = got.min(head.len());
            head[at..][..of_head].copy_from_slice(&piece[..of_head]);
            self.append(&piece[of_head..]);
            got += piece.len();
        };
        let read = object.read_at(start, most, &is_stopped, &mut sink);
        read.map_err(|error| unread(start, most, error))
    }

    /// What `read_rest` does with a local file.
    pub(super) fn read_stored_rest(&mut self, object: &Object, start: u64) -> Result<()> {
        let Some(expected) = self.slot.expected else {
            return Err(incomplete(self.field, self.slot));
        };
        let is_stopped = self.stop_flag();
        while self.slot.filled < expected {
            if is_stopped() {
                return Err(Error::new(ErrorKind::Stopped, "the loader was stopped"));
            }
            let piece = (expected - self.slot.filled).min(PIECE_BYTES_MAX);
            let offset = start + self.slot.filled as u64;
            let mut sink = |piece: &[u8]| self.append(piece);
            let got = object.read_at(offset, piece, &is_stopped, &mut sink);
            if got.map_err(|error| unread(offset, piece, error))? == 0 {
                return Err(self.truncated(expected));
            }
        }
        Ok(())
    }
}

/// Bytes that a store did not give.
#[cold]
fn unread(start: u64, bytes: usize, error: tallow_store::Error) -> Error {
    let doing = format!("read (bytes {start}..{})", start.saturating_add(bytes as u64));
    of_store(&doing, error).with_offset(start)
}
