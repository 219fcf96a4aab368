//! The memory of pictures that remain on the device, each as large as it is.

use std::sync::Arc;

use candle_core::cuda_backend::cudarc::driver::{
    CudaSlice, CudaStream, DevicePtr, DriverError, result,
};

use crate::error::no_memory;
use crate::resident::Resident;
use crate::{Error, ErrorKind, Result};

/// Chunks of device memory in which pictures lie, one behind the other, for as long as the loader is
/// there.
pub(super) struct ResidentPictures {
    resident: Arc<Resident>,
    chunks: Vec<Chunk>,
    /// Samples that have a place.
    samples: usize,
    /// Bytes of their pixels.
    bytes: usize,
}

struct Chunk {
    memory: CudaSlice<u8>,
    used: usize,
}

/// A picture of a batch that is put where it stays.
pub(super) struct Put {
    from: u64,
    to: u64,
    bytes: usize,
}

/// What is allocated at a time, unless less is allowed: a few hundred photos.
const CHUNK_BYTES: usize = 64 << 20;

/// What pictures begin on multiples of.
const ALIGN: usize = 16;

impl ResidentPictures {
    /// For the pictures of `resident`, without any memory yet.
    pub(super) fn new(resident: Arc<Resident>) -> Self {
        Self { resident, chunks: Vec::new(), samples: 0, bytes: 0 }
    }

    /// Finds a place for each picture of sample `index`, which lies on the device where `from` says of
    /// its field, and adds to `puts` what brings it there.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Memory`] when the pictures take more memory than is allowed, or than there is.
    pub(super) fn put(
        &mut self,
        stream: &Arc<CudaStream>,
        index: usize,
        from: impl Fn(usize) -> u64,
        puts: &mut Vec<Put>,
    ) -> Result<()> {
        let resident = self.resident.clone();
        let fields = resident.picture_fields();
        for (field, (kept, bytes)) in fields.zip(resident.sized_pictures_of(index)) {
            let to = self.place(stream, bytes)?;
            kept.move_to(to);
            puts.push(Put { from: from(field), to, bytes });
        }
        self.samples += 1;
        Ok(())
    }

    /// A place for `bytes` bytes. What is lost at the end of a chunk is less than a picture, and does
    /// not count.
    fn place(&mut self, stream: &Arc<CudaStream>, bytes: usize) -> Result<u64> {
        let left = self.resident.picture_bytes_max() - self.bytes;
        if bytes > left {
            return Err(self.too_large(bytes));
        }
        let aligned = bytes.next_multiple_of(ALIGN);
        let fits = |chunk: &Chunk| chunk.memory.len() - chunk.used >= aligned;
        let at = match self.chunks.iter().position(fits) {
            Some(at) => at,
            None => {
                let more = aligned.max(CHUNK_BYTES.min(left));
                // SAFETY: a picture is read of it only once it was put there, on the same stream.
                let memory = unsafe { stream.alloc::<u8>(more) };
                let what = "device memory for resident pictures";
                let memory = memory.map_err(|error| no_memory(what, more, &error))?;
                self.chunks.push(Chunk { memory, used: 0 });
                self.chunks.len() - 1
            }
        };
        let chunk = &mut self.chunks[at];
        let place = chunk.memory.device_ptr(stream).0 + chunk.used as u64;
        chunk.used += aligned;
        self.bytes += bytes;
        Ok(place)
    }

    #[cold]
    fn too_large(&self, bytes: usize) -> Error {
        let (samples, all, used) = (self.samples, self.resident.samples(), self.bytes);
        let most = self.resident.picture_bytes_max();
        let message = format!(
            "resident: the pictures of {samples} of {all} samples take {used} bytes of device memory and \
             the next one {bytes}, expected at most {most} for all of them: allow more, or make the \
             pictures smaller where they are stored"
        );
        Error::new(ErrorKind::Memory, message)
    }
}

impl Put {
    /// Enqueues the copy.
    ///
    /// # Safety
    ///
    /// The picture is at its old place once earlier work of the stream is done, and at the new one there
    /// is memory for it.
    pub(super) unsafe fn enqueue(&self, stream: &CudaStream) -> Result<(), DriverError> {
        // SAFETY: the caller's promise.
        unsafe { result::memcpy_dtod_async(self.to, self.from, self.bytes, stream.cu_stream()) }
    }
}
