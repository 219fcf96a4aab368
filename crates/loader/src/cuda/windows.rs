//! The memory of a slot for windows of pictures, and for parts of images that are stored as numbers: of
//! pictures as large as the windows are, not as the largest picture could be.

use std::sync::Arc;

use candle_core::cuda_backend::cudarc::driver::{CudaStream, DriverError};

use super::mirror::Mirror;
use crate::Result;
use crate::slabs::Lent;

/// Chunks that windows lie in, one behind the other. A window that fits none of them gets a new chunk,
/// which stays with the slot: a slot grows to what its largest batch needed, and not further.
pub(super) struct Windows {
    chunks: Vec<Chunk>,
    /// Bytes of a chunk that is made later, unless one window needs more.
    step: usize,
}

struct Chunk {
    mirror: Mirror,
    /// Bytes of it that are lent.
    used: usize,
}

/// What windows begin on multiples of.
const ALIGN: usize = 256;

/// What a slot grows by at least: making page-locked memory takes longer than a copy of it.
const STEP_BYTES: usize = 1 << 20;

impl Windows {
    /// One chunk of `planned` bytes, or none.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Memory`](crate::ErrorKind::Memory) when host or device have not so much.
    pub(super) fn new(stream: &Arc<CudaStream>, planned: usize) -> Result<Self> {
        let mut windows = Self { chunks: Vec::new(), step: (planned / 2).max(STEP_BYTES) };
        if planned > 0 {
            windows.grow(stream, planned)?;
        }
        Ok(windows)
    }

    fn grow(&mut self, stream: &Arc<CudaStream>, bytes: usize) -> Result<&mut Chunk> {
        let mirror = Mirror::new(stream, bytes, bytes)?;
        self.chunks.push(Chunk { mirror, used: 0 });
        Ok(self.chunks.last_mut().expect("a chunk that was just pushed"))
    }

    /// Memory for a window of `bytes` bytes, which nobody else has before the next
    /// [`clear`](Self::clear). No one waits for it: what is not there is made.
    ///
    /// # Errors
    ///
    /// As [`new`](Self::new).
    pub(super) fn lend(&mut self, stream: &Arc<CudaStream>, bytes: usize) -> Result<Lent> {
        let fitting = self.chunks.iter().position(|chunk| chunk.left() >= bytes);
        let chunk = match fitting {
            Some(at) => &mut self.chunks[at],
            None => {
                let more = bytes.max(self.step);
                let chunks = self.chunks.len();
                tracing::debug!(target: "tallow::loader", more, chunks, "a slot grows for windows");
                self.grow(stream, more)?
            }
        };
        let at = chunk.used;
        chunk.used = (at + bytes).next_multiple_of(ALIGN);
        // SAFETY: `at` lies inside of the chunk, or at its end if there are no bytes.
        let memory = unsafe { chunk.mirror.host().add(at) };
        Ok(Lent { memory, address: chunk.mirror.device_address() + at as u64 })
    }

    /// Nothing is lent any more.
    pub(super) fn clear(&mut self) {
        self.chunks.iter_mut().for_each(|chunk| chunk.used = 0);
    }

    /// Bytes that were lent.
    pub(super) fn bytes(&self) -> usize {
        self.chunks.iter().map(Chunk::filled).sum()
    }

    /// Enqueues the copies of everything that was lent.
    ///
    /// # Safety
    ///
    /// It is neither written nor freed before the copies are done.
    pub(super) unsafe fn copy(&self, stream: &CudaStream) -> Result<(), DriverError> {
        for chunk in self.chunks.iter().filter(|chunk| chunk.used > 0) {
            // SAFETY: the caller's promise.
            unsafe { chunk.mirror.copy(stream, 0..chunk.filled()) }?;
        }
        Ok(())
    }
}

impl Chunk {
    /// Bytes up to the end of the last window. Behind it `used` is rounded up, beyond the end perhaps.
    fn filled(&self) -> usize {
        self.used.min(self.mirror.host_bytes())
    }

    fn left(&self) -> usize {
        self.mirror.host_bytes().saturating_sub(self.used)
    }
}
