//! What every test's client of the driver needs: cudarc's unsafe calls, each made once.

#![expect(dead_code, reason = "every test file uses a part of it")]

use std::sync::Arc;

use candle_core::cuda_backend::cudarc::driver::{
    CudaContext, CudaFunction, CudaSlice, CudaStream, DevicePtr, DriverError, LaunchConfig,
    PinnedHostSlice, PushKernelArg, result, sys,
};
use candle_core::cuda_backend::cudarc::nvrtc::Ptx;
use tallow_cuda_sim::{Simulation, ViolationKind};

/// Every mood of the driver, several times.
pub(crate) const SEEDS: u64 = 32;

/// A context whose own event tracking is off: nothing is ordered but by the test.
pub(crate) fn context() -> Arc<CudaContext> {
    let context = CudaContext::new(0).unwrap();
    // SAFETY: the simulator keeps all memory mapped, so a missing order is a finding and not a
    // fault.
    unsafe { context.disable_event_tracking() };
    context
}

pub(crate) fn alloc(stream: &Arc<CudaStream>, bytes: usize) -> CudaSlice<u8> {
    // SAFETY: any bytes are a `u8`.
    unsafe { stream.alloc(bytes) }.unwrap()
}

pub(crate) fn page_locked(context: &Arc<CudaContext>, bytes: usize) -> PinnedHostSlice<u8> {
    // SAFETY: any bytes are a `u8`.
    unsafe { context.alloc_pinned_with_flags(bytes, 0) }.unwrap()
}

pub(crate) fn function(context: &Arc<CudaContext>, ptx: &str, name: &str) -> CudaFunction {
    context.load_module(Ptx::from_src(ptx)).unwrap().load_function(name).unwrap()
}

/// Launches a kernel with the parameters `from`, `to` and `count`.
pub(crate) fn launch(
    stream: &Arc<CudaStream>,
    function: &CudaFunction,
    from: &CudaSlice<u8>,
    to: &mut CudaSlice<u8>,
    count: usize,
) {
    let shape = LaunchConfig { grid_dim: (1, 1, 1), block_dim: (32, 1, 1), shared_mem_bytes: 0 };
    let mut launch = stream.launch_builder(function);
    launch.arg(from).arg(to).arg(&count);
    // SAFETY: the kernel takes these parameters, and a closure that the simulator checks plays it.
    unsafe { launch.launch(shape) }.unwrap();
}

/// Frees in any stream, as no safe code would.
pub(crate) fn free_in(stream: &CudaStream, memory: CudaSlice<u8>) -> Result<(), DriverError> {
    let address = memory.leak();
    // SAFETY: the slice was given up, so this is its only free.
    unsafe { result::free_async(address, stream.cu_stream()) }
}

/// Launches through the driver itself, without the binding of the context that cudarc does.
pub(crate) fn bare_launch(module: &str, name: &str) -> impl Fn() -> Result<(), DriverError> + Send {
    let image = std::ffi::CString::new(module).unwrap();
    let name = std::ffi::CString::new(name).unwrap();
    // SAFETY: the image is a NUL-terminated string.
    let module = unsafe { result::module::load_data(image.as_ptr().cast()) }.unwrap();
    // SAFETY: the module is loaded.
    let function = unsafe { result::module::get_function(module, name) }.unwrap() as usize;
    move || {
        let function = function as sys::CUfunction;
        let stream = 0x2 as sys::CUstream;
        // SAFETY: the kernel has no parameters.
        unsafe { result::launch_kernel(function, (1, 1, 1), (1, 1, 1), 0, stream, &mut []) }
    }
}

/// Where memory is, without the waits of cudarc that its own tracking would add.
pub(crate) fn address(memory: &CudaSlice<u8>) -> u64 {
    memory.device_ptr(memory.stream()).0
}

/// The kinds of what was found.
pub(crate) fn kinds(simulation: &Simulation) -> Vec<ViolationKind> {
    simulation.violations().iter().map(|violation| violation.kind).collect()
}

pub(crate) fn try_page_locked(
    context: &Arc<CudaContext>,
    bytes: usize,
) -> Result<PinnedHostSlice<u8>, DriverError> {
    // SAFETY: any bytes are a `u8`.
    unsafe { context.alloc_pinned_with_flags(bytes, 0) }
}

/// A slice at any address, as an error in a client makes one. To be leaked.
pub(crate) fn slice_at(stream: &Arc<CudaStream>, address: u64, bytes: usize) -> CudaSlice<u8> {
    // SAFETY: the simulator refuses addresses that it does not know and keeps those it knows mapped.
    unsafe { stream.upgrade_device_ptr(address, bytes) }
}
