//! A test's hold on the simulated driver.

use std::marker::PhantomData;
use std::sync::{Mutex, MutexGuard, PoisonError};

use crate::ffi;
use crate::{Allocation, Counts, Kernel, Violation};

/// The driver is one a process, and tests run in threads: one simulation at a time.
static EXCLUSIVE: Mutex<()> = Mutex::new(());

/// A driver function that orders work, and that a test can take away from its client.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Call {
    /// `cuStreamWaitEvent`: the stream does not wait.
    StreamWaitEvent,
    /// `cuEventRecord`: the event keeps its earlier record, or none.
    EventRecord,
    /// `cuEventSynchronize`: the host does not wait.
    EventSynchronize,
    /// `cuEventQuery`: says that the event is done and does not look.
    EventQuery,
    /// `cuStreamSynchronize`: the host does not wait.
    StreamSynchronize,
    /// `cuStreamQuery`: says that the stream is done and does not look.
    StreamQuery,
    /// `cuCtxSynchronize`: the host does not wait.
    ContextSynchronize,
    /// `cuThreadExchangeStreamCaptureMode`: the mode of the thread stays as it is.
    ExchangeCaptureMode,
}

impl Call {
    /// The function's name in the driver and in [`Counts::calls`].
    pub fn function(self) -> &'static str {
        match self {
            Self::StreamWaitEvent => "cuStreamWaitEvent",
            Self::EventRecord => "cuEventRecord",
            Self::EventSynchronize => "cuEventSynchronize",
            Self::EventQuery => "cuEventQuery",
            Self::StreamSynchronize => "cuStreamSynchronize",
            Self::StreamQuery => "cuStreamQuery",
            Self::ContextSynchronize => "cuCtxSynchronize",
            Self::ExchangeCaptureMode => "cuThreadExchangeStreamCaptureMode",
        }
    }
}

/// Why a driver does not load a module.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ModuleFault {
    /// `CUDA_ERROR_NO_BINARY_FOR_GPU`: nothing in it runs on the device.
    NoBinaryForGpu,
    /// `CUDA_ERROR_UNSUPPORTED_PTX_VERSION`: its PTX is of a toolkit that is newer than the driver.
    UnsupportedPtxVersion,
}

/// Exclusive use of the simulated driver, from [`begin`](Self::begin) until it is dropped.
///
/// Every test that reaches the driver begins a simulation, and drops what it made with the driver
/// before it. Other threads may share it by reference; a thread's current context and its
/// per-thread stream are those of the thread, as in the real driver.
#[derive(Debug)]
pub struct Simulation {
    /// Never read: held so that another test's `begin` waits.
    _exclusive: MutexGuard<'static, ()>,
}

impl Simulation {
    /// Waits until no other simulation runs, and starts a driver that knows nothing of them.
    ///
    /// The seed decides when operations run. Its remainder by four is a mood: 0 runs only what must
    /// run, 1 everything at once, 2 now and then a few, 3 some streams at once and others only when
    /// they must. So four seeds in a row show the extremes.
    pub fn begin(seed: u64) -> Self {
        let exclusive = EXCLUSIVE.lock().unwrap_or_else(PoisonError::into_inner);
        ffi::begin(seed);
        Self { _exclusive: exclusive }
    }

    /// Lets the host play the launches of a kernel that follow. A later registration of the same
    /// name takes its place.
    pub fn register(&self, kernel: Kernel) {
        ffi::register(kernel);
    }

    /// The rules that were broken, in the order in which they were found; the first 1000.
    pub fn violations(&self) -> Vec<Violation> {
        ffi::violations()
    }

    /// What was called and moved.
    pub fn counts(&self) -> Counts {
        ffi::counts()
    }

    /// What is allocated and not freed; a free counts when it is issued.
    pub fn live_allocations(&self) -> Vec<Allocation> {
        ffi::allocations()
    }

    /// Runs everything that is pending. The host does not learn that it is done: that takes a
    /// synchronisation by the client.
    pub fn drain(&self) {
        ffi::drain();
    }

    /// Refuses memory of a device beyond `bytes` bytes at a time, with an out-of-memory error. What was
    /// freed is available as soon as its free is issued. Default: 80 GiB.
    pub fn fail_allocations_after(&self, bytes: u64) {
        ffi::limit_memory(false, bytes);
    }

    /// Refuses page-locked memory beyond `bytes` bytes at a time. Default: 80 GiB.
    pub fn fail_page_locked_after(&self, bytes: u64) {
        ffi::limit_memory(true, bytes);
    }

    /// Refuses one launch of a kernel, the `nth` from now, counted from 0: it is not enqueued, and the
    /// client gets `CUDA_ERROR_LAUNCH_OUT_OF_RESOURCES`.
    pub fn fail_launch(&self, nth: u32) {
        ffi::refuse_launch(nth);
    }

    /// Refuses the next module that is loaded.
    pub fn fail_module(&self, fault: ModuleFault) {
        ffi::refuse_module(match fault {
            ModuleFault::NoBinaryForGpu => 209,
            ModuleFault::UnsupportedPtxVersion => 222,
        });
    }

    /// Says that the host reads `bytes` bytes of page-locked memory now. Returns whether it may; if
    /// not, a violation is recorded.
    pub fn host_read<T>(&self, memory: *const T, bytes: usize) -> bool {
        ffi::host_use(memory.addr(), bytes, false)
    }

    /// Says that the host writes `bytes` bytes of page-locked memory now. Returns whether it may; if
    /// not, a violation is recorded.
    pub fn host_write<T>(&self, memory: *const T, bytes: usize) -> bool {
        ffi::host_use(memory.addr(), bytes, true)
    }

    /// Says that the host reads page-locked memory until the window is dropped. As
    /// [`host_read`](Self::host_read) now, and no operation issued meanwhile may write the bytes.
    pub fn host_reading<T>(&self, memory: *const T, bytes: usize) -> HostWindow<'_> {
        HostWindow::open(memory.addr(), bytes, false)
    }

    /// Says that the host writes page-locked memory until the window is dropped. As
    /// [`host_write`](Self::host_write) now, and no operation issued meanwhile may use the bytes.
    pub fn host_writing<T>(&self, memory: *const T, bytes: usize) -> HostWindow<'_> {
        HostWindow::open(memory.addr(), bytes, true)
    }

    /// Makes one call of a function do nothing and succeed: the `nth` from now, counted from 0.
    pub fn ignore_nth(&self, call: Call, nth: u32) {
        ffi::ignore(call.function(), Some(nth));
    }

    /// Makes every further call of a function do nothing and succeed.
    pub fn ignore_all(&self, call: Call) {
        ffi::ignore(call.function(), None);
    }
}

/// The time in which the host uses page-locked memory: until this is dropped.
#[derive(Debug)]
#[must_use = "the window closes when it is dropped"]
pub struct HostWindow<'a> {
    window: u64,
    simulation: PhantomData<&'a Simulation>,
}

impl HostWindow<'_> {
    fn open(address: usize, bytes: usize, is_write: bool) -> Self {
        Self { window: ffi::open_window(address, bytes, is_write), simulation: PhantomData }
    }
}

impl Drop for HostWindow<'_> {
    fn drop(&mut self) {
        ffi::close_window(self.window);
    }
}

impl Drop for Simulation {
    /// Runs what is pending and forgets the rest, registered kernels included, while the driver is
    /// still this test's: fields are dropped after this.
    fn drop(&mut self) {
        ffi::begin(0);
    }
}
