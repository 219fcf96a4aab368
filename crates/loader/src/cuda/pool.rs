//! The memory pool of a device, which candle allocates tensors from.

use candle_core::cuda_backend::cudarc::driver::sys::CUmemPool_attribute;
use candle_core::cuda_backend::cudarc::driver::{CudaContext, DriverError, result};

/// Lets the current pool of the device keep what is freed, however much that is. By default it keeps
/// nothing beyond the next synchronisation. A driver that refuses costs speed and nothing else.
pub(super) fn keep_freed(context: &CudaContext) {
    if !context.has_async_alloc() {
        return;
    }
    if let Err(error) = raise_threshold(context) {
        tracing::warn!(
            target: "tallow::loader", %error,
            "the memory pool of the device does not keep what is freed, so batches take longer"
        );
    }
}

fn raise_threshold(context: &CudaContext) -> Result<(), DriverError> {
    let mut threshold = u64::MAX;
    // SAFETY: the device is that of a context, the pool is its own, and the driver reads a number of 64
    // bits for this attribute.
    unsafe {
        let pool = result::device::get_mem_pool(context.cu_device())?;
        let attribute = CUmemPool_attribute::CU_MEMPOOL_ATTR_RELEASE_THRESHOLD;
        result::mem_pool::set_attribute(pool, attribute, (&raw mut threshold).cast())
    }
}
