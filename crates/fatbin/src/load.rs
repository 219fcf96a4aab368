//! What the program does: it gives fat binaries to the driver and launches what is in them.
//!
//! Not by cudarc's modules: they own a context object, so that a chain of transforms, which keeps its
//! kernels, would keep the context of a device that the program has long dropped.

#![expect(unsafe_code, reason = "calls the driver, and launches kernels")]

use std::ffi::{CString, c_void};
use std::fmt;
use std::ptr;
use std::sync::{Arc, Weak};

use candle_core::cuda_backend::cudarc::driver::{
    CudaContext, CudaStream, DriverError, LaunchConfig, result, sys,
};

/// A fat binary in the program.
#[derive(Clone, Copy)]
pub struct Fatbin {
    bytes: &'static [u8],
    archs: &'static str,
    toolkit: &'static str,
}

/// Embeds part `$part` of what the build script of the same crate compiled.
#[macro_export]
macro_rules! fatbin {
    ($part:literal) => {{
        const CODE: &$crate::Aligned<[u8]> =
            &$crate::Aligned(*include_bytes!(concat!(env!("OUT_DIR"), "/", $part, ".fatbin")));
        $crate::Fatbin::new(&CODE.0, env!("TALLOW_FATBIN_ARCHS"), env!("TALLOW_FATBIN_TOOLKIT"))
    }};
}

/// Bytes at an address that the driver can take a header from.
#[doc(hidden)]
#[repr(C, align(16))]
#[derive(Debug)]
pub struct Aligned<T: ?Sized>(pub T);

impl Fatbin {
    /// The content of a file that nvcc of CUDA `toolkit` has compiled for `archs`. Use [`fatbin!`].
    #[doc(hidden)]
    pub const fn new(bytes: &'static [u8], archs: &'static str, toolkit: &'static str) -> Self {
        Self { bytes, archs, toolkit }
    }

    /// Loads it into a context. The driver compiles it first, which takes seconds, if there is no
    /// machine code for the device.
    ///
    /// # Errors
    ///
    /// The driver's, in words that say what to do if nothing in it runs on the device.
    pub fn load(&self, context: &Arc<CudaContext>) -> Result<Module, Refused> {
        let load = || {
            context.bind_to_thread()?;
            // SAFETY: the driver reads as many bytes as the header of the fat binary says, all of
            // which are there.
            unsafe { result::module::load_data(self.bytes.as_ptr().cast()) }
        };
        match load() {
            Ok(handle) => Ok(Module { handle, context: Arc::downgrade(context) }),
            Err(error) => Err(Refused { words: self.explain(error, context) }),
        }
    }

    fn explain(&self, error: DriverError, context: &CudaContext) -> String {
        use sys::cudaError_enum::{
            CUDA_ERROR_NO_BINARY_FOR_GPU, CUDA_ERROR_UNSUPPORTED_PTX_VERSION,
        };
        let (major, minor) = context.compute_capability().unwrap_or_default();
        match error.0 {
            CUDA_ERROR_NO_BINARY_FOR_GPU => format!(
                "found a GPU of compute capability {major}.{minor}, expected one that code for {} \
                 runs on: build the program with TALLOW_CUDA_ARCHS={major}{minor}",
                self.archs
            ),
            CUDA_ERROR_UNSUPPORTED_PTX_VERSION => format!(
                "found a driver for CUDA {}, which cannot compile what CUDA {} made for a GPU of \
                 compute capability {major}.{minor}: update the driver, or build the program with \
                 TALLOW_CUDA_ARCHS={major}{minor}",
                driver_version(),
                self.toolkit
            ),
            _ => error.to_string(),
        }
    }
}

impl fmt::Debug for Fatbin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Fatbin({} bytes for {})", self.bytes.len(), self.archs)
    }
}

/// The latest CUDA that the driver knows.
fn driver_version() -> String {
    let mut version = 0;
    // SAFETY: the driver writes one number.
    match unsafe { sys::cuDriverGetVersion(&mut version) }.result() {
        Ok(()) => format!("{}.{}", version / 1000, version % 1000 / 10),
        Err(_) => "of unknown version".to_owned(),
    }
}

/// Why the driver does not load kernels.
#[derive(Debug)]
pub struct Refused {
    words: String,
}

impl fmt::Display for Refused {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.words)
    }
}

impl std::error::Error for Refused {}

/// What was loaded into a context. It does not keep the context, and without it is good for nothing.
#[derive(Debug)]
pub struct Module {
    handle: sys::CUmodule,
    context: Weak<CudaContext>,
}

// SAFETY: the driver may be told about a module by any thread, and by several at once.
unsafe impl Send for Module {}
// SAFETY: as above.
unsafe impl Sync for Module {}

impl Module {
    /// Whether it was loaded into this context object.
    pub fn is_in(&self, context: &Arc<CudaContext>) -> bool {
        ptr::eq(self.context.as_ptr(), Arc::as_ptr(context))
    }

    /// Whether the context object is gone.
    pub fn is_stale(&self) -> bool {
        self.context.strong_count() == 0
    }

    /// The kernel `name`.
    ///
    /// # Errors
    ///
    /// When there is none, or the driver refuses.
    pub fn function(self: &Arc<Self>, name: &str) -> Result<Function, DriverError> {
        use sys::cudaError_enum::{CUDA_ERROR_CONTEXT_IS_DESTROYED, CUDA_ERROR_NOT_FOUND};
        let context = self.context.upgrade().ok_or(DriverError(CUDA_ERROR_CONTEXT_IS_DESTROYED))?;
        context.bind_to_thread()?;
        let name = CString::new(name).map_err(|_| DriverError(CUDA_ERROR_NOT_FOUND))?;
        // SAFETY: the module is loaded for as long as this lives.
        let handle = unsafe { result::module::get_function(self.handle, name) }?;
        Ok(Function { handle, module: self.clone() })
    }
}

impl Drop for Module {
    /// The driver unloads what is in a context that it destroys. Errors have nowhere to go.
    fn drop(&mut self) {
        let Some(context) = self.context.upgrade() else { return };
        if context.bind_to_thread().is_ok() {
            // SAFETY: it was loaded into this context, which lives, and its functions are gone, since
            // each of them has a share of it.
            let _ = unsafe { result::module::unload(self.handle) };
        }
    }
}

/// A kernel of a module.
#[derive(Debug, Clone)]
pub struct Function {
    handle: sys::CUfunction,
    module: Arc<Module>,
}

// SAFETY: as for `Module`.
unsafe impl Send for Function {}
// SAFETY: as above.
unsafe impl Sync for Function {}

impl Function {
    /// What it is in.
    pub fn module(&self) -> &Arc<Module> {
        &self.module
    }

    /// Puts a launch on `stream`, with the parameters that `parameters` point to, and returns without
    /// waiting for it. They are copied before it returns.
    ///
    /// # Safety
    ///
    /// `stream` must belong to the context of the module. The parameters must be those of the kernel, in
    /// number, order and type, and what it does with them must be allowed.
    ///
    /// # Errors
    ///
    /// When the driver refuses.
    pub unsafe fn launch(
        &self,
        stream: &CudaStream,
        config: LaunchConfig,
        parameters: &mut [*mut c_void],
    ) -> Result<(), DriverError> {
        // The handle of a stream per thread means one of the current context.
        stream.context().bind_to_thread()?;
        let LaunchConfig { grid_dim, block_dim, shared_mem_bytes } = config;
        // SAFETY: the caller's promise.
        unsafe {
            result::launch_kernel(
                self.handle,
                grid_dim,
                block_dim,
                shared_mem_bytes,
                stream.cu_stream(),
                parameters,
            )
        }
    }
}
