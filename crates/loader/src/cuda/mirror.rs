//! Page-locked memory, and memory of the device that it is copied to.

use std::ops::Range;
use std::sync::Arc;

use candle_core::cuda_backend::cudarc::driver::{
    CudaSlice, CudaStream, DevicePtr, DriverError, PinnedHostSlice, result,
};

use crate::Result;
use crate::error::{no_memory, refused};

/// Memory of the host whose bytes have the same places on the device, which may have more.
pub(super) struct Mirror {
    host: PinnedHostSlice<u8>,
    /// The first byte of `host`.
    address: *mut u8,
    device: CudaSlice<u8>,
    /// The first byte of `device`.
    device_address: u64,
}

// SAFETY: `address` belongs to `host`, which may be used from any thread.
unsafe impl Send for Mirror {}

impl Mirror {
    /// So many bytes, at least one each, of which those of the device belong to `stream`. Those of the
    /// host are zeros.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Memory`](crate::ErrorKind::Memory) when host or device have not so much.
    pub(super) fn new(
        stream: &Arc<CudaStream>,
        host_bytes: usize,
        device_bytes: usize,
    ) -> Result<Self> {
        let context = stream.context();
        // CUDA allocates no less than a byte.
        let (host_bytes, device_bytes) = (host_bytes.max(1), device_bytes.max(1));
        // SAFETY: the memory is written right below. Flags 0: ordinary page-locked memory, not
        // write-combined, since plans are made from rows that are read back.
        let host = unsafe { context.alloc_pinned_with_flags::<u8>(host_bytes, 0) };
        let mut host = host.map_err(|error| no_memory("page-locked memory", host_bytes, &error))?;
        let memory = host.as_mut_slice().map_err(|error| refused("page-locked memory", &error))?;
        memory.fill(0);
        let address = memory.as_mut_ptr();
        // SAFETY: what is read of it was copied there before, row by row.
        let device = unsafe { stream.alloc::<u8>(device_bytes) };
        let device = device.map_err(|error| no_memory("device memory", device_bytes, &error))?;
        let device_address = device.device_ptr(stream).0;
        Ok(Self { host, address, device, device_address })
    }

    /// The first byte on the host.
    pub(super) fn host(&self) -> *mut u8 {
        self.address
    }

    /// Bytes on the host.
    pub(super) fn host_bytes(&self) -> usize {
        self.host.len()
    }

    /// The memory on the device.
    pub(super) fn device(&self) -> &CudaSlice<u8> {
        &self.device
    }

    /// Its first byte.
    pub(super) fn device_address(&self) -> u64 {
        self.device_address
    }

    /// Enqueues the copy of `bytes` of the host to their places on the device.
    ///
    /// # Safety
    ///
    /// The bytes are neither written nor freed before the copy is done.
    pub(super) unsafe fn copy(
        &self,
        stream: &CudaStream,
        bytes: Range<usize>,
    ) -> Result<(), DriverError> {
        assert!(bytes.start <= bytes.end && bytes.end <= self.host.len(), "bytes of this memory");
        let to = self.device_address + bytes.start as u64;
        // SAFETY: the range lies inside of the page-locked memory, which is initialised and which the
        // caller keeps as it is; device memory is at least as long.
        unsafe {
            let from = std::slice::from_raw_parts(self.address.add(bytes.start), bytes.len());
            result::memcpy_htod_async(to, from, stream.cu_stream())
        }
    }
}
