//! How fast copies to a CUDA device and within it are on their own, for comparison with a loader.

use std::sync::Arc;

use tallow::candle::cuda_backend::cudarc::driver::sys::CUevent_flags;
use tallow::candle::cuda_backend::cudarc::driver::{
    CudaContext, CudaStream, DriverError, PinnedHostSlice,
};

/// An odd number, for the median: up to four disturbed copies do not move it.
const ROUNDS: usize = 9;

/// Where the bytes are on the host.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Host {
    /// In page-locked memory with flags 0, like the loader's slots.
    PageLocked,
    /// In an ordinary vector.
    Pageable,
}

/// Bytes per second of copying `bytes` bytes from the host to device `ordinal`: the median of
/// several copies, timed by the device, in their own context object and on their own stream.
///
/// # Errors
///
/// The driver's error.
pub fn bytes_per_second(ordinal: usize, bytes: usize, host: Host) -> Result<f64, DriverError> {
    let context = CudaContext::new(ordinal)?;
    let stream = context.new_stream()?;
    let mut device = stream.alloc_zeros::<u8>(bytes.max(1))?;
    let seconds = match host {
        Host::Pageable => {
            let host = vec![1; bytes.max(1)];
            timed(&stream, || stream.memcpy_htod(&host, &mut device))?
        }
        Host::PageLocked => {
            let host = page_locked(&context, bytes)?;
            timed(&stream, || stream.memcpy_htod(&host, &mut device))?
        }
    };
    Ok(if seconds > 0.0 { bytes as f64 / seconds } else { 0.0 })
}

/// Bytes per second of copying within device `ordinal`, where `bytes` counts those read and those
/// written: the median of several copies, measured like [`bytes_per_second`].
///
/// # Errors
///
/// The driver's error.
pub fn within_device(ordinal: usize, bytes: usize) -> Result<f64, DriverError> {
    let stream = CudaContext::new(ordinal)?.new_stream()?;
    let half = (bytes / 2).max(1);
    let from = stream.alloc_zeros::<u8>(half)?;
    let mut to = stream.alloc_zeros::<u8>(half)?;
    let seconds = timed(&stream, || stream.memcpy_dtod(&from, &mut to))?;
    Ok(if seconds > 0.0 { 2.0 * half as f64 / seconds } else { 0.0 })
}

#[expect(unsafe_code, reason = "cudarc's way to page-locked memory that is not initialised")]
fn page_locked(
    context: &Arc<CudaContext>,
    bytes: usize,
) -> Result<PinnedHostSlice<u8>, DriverError> {
    // SAFETY: it is written right below.
    let mut memory = unsafe { context.alloc_pinned_with_flags::<u8>(bytes.max(1), 0) }?;
    memory.as_mut_slice()?.fill(1);
    Ok(memory)
}

/// The median of several copies in seconds, after one that is not counted.
fn timed(
    stream: &Arc<CudaStream>,
    mut copy: impl FnMut() -> Result<(), DriverError>,
) -> Result<f64, DriverError> {
    let event = || stream.context().new_event(Some(CUevent_flags::CU_EVENT_DEFAULT));
    let (begun, ended) = (event()?, event()?);
    let mut taken = Vec::with_capacity(ROUNDS);
    copy()?;
    for _ in 0..ROUNDS {
        begun.record(stream)?;
        copy()?;
        ended.record(stream)?;
        taken.push(begun.elapsed_ms(&ended)?);
    }
    taken.sort_unstable_by(f32::total_cmp);
    Ok(f64::from(taken[ROUNDS / 2]) / 1e3)
}
