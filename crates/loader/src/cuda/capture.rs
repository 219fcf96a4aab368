//! Graphs that the program captures from its streams while a loader is at work.
//!
//! While a thread captures in the mode `GLOBAL`, which is the default, the driver forbids other threads
//! whatever might order the captured stream with something else: to wait for an event or ask about one,
//! to allocate page-locked memory, to load a module. Such a call fails, and so does the capture. What
//! the loader does concerns streams and memory of its own, so it says that its calls are safe. A thread
//! of the program is left as it was.

use std::marker::PhantomData;

use candle_core::cuda_backend::cudarc::driver::CudaStream;
use candle_core::cuda_backend::cudarc::driver::sys::{
    CUstreamCaptureMode, CUstreamCaptureStatus, cuThreadExchangeStreamCaptureMode,
};

use crate::error::refused;
use crate::{Error, ErrorKind, Result};

/// While it lives, calls of this thread do not break captures.
#[derive(Debug)]
pub(super) struct Relaxed {
    before: CUstreamCaptureMode,
    /// It belongs to the thread that made it.
    thread: PhantomData<*const ()>,
}

impl Relaxed {
    #[must_use = "captures are spared until it is dropped"]
    pub(super) fn new() -> Self {
        let before = exchange(CUstreamCaptureMode::CU_STREAM_CAPTURE_MODE_RELAXED);
        Self { before, thread: PhantomData }
    }
}

impl Drop for Relaxed {
    fn drop(&mut self) {
        exchange(self.before);
    }
}

/// Sets the mode of this thread, and returns what it was. The driver can only refuse a mode that is none.
fn exchange(mut mode: CUstreamCaptureMode) -> CUstreamCaptureMode {
    // SAFETY: the driver reads a mode and writes one.
    let _ = unsafe { cuThreadExchangeStreamCaptureMode(&mut mode) };
    mode
}

/// Refuses to put a batch on a stream from which a graph is captured: the graph would hold the wait for
/// this one batch and memory that is used for the next, and the driver refuses a wait for work that is
/// not of the graph.
///
/// # Errors
///
/// [`ErrorKind::Device`] when a graph is captured from `stream`.
pub(super) fn check(stream: &CudaStream) -> Result<()> {
    let status = stream.capture_status();
    match status.map_err(|error| refused("to say whether a graph is captured", &error))? {
        CUstreamCaptureStatus::CU_STREAM_CAPTURE_STATUS_NONE => Ok(()),
        _ => Err(Error::new(
            ErrorKind::Device,
            "found a graph that is captured from the stream of the device, which no batch can be part \
             of: call next before the capture begins, and let the graph read a tensor that each batch \
             is copied into",
        )),
    }
}
