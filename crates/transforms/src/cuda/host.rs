//! The kernels, compiled for the host: for tests where there is no device.
//!
//! Addresses are then those of the host. A block is one thread, unless a launch says otherwise.

#![expect(unsafe_code, reason = "calls the kernels, which are C++")]

use std::ffi::c_void;

use super::args::{ElasticArgs, SelectArgs, StageArgs, WidenArgs};
use super::launches::{Launch, Use, uses};
use super::whole_blocks;

/// A kernel as a function: `params` points at one pointer, to the struct that it takes; `grid` and
/// `block` at three numbers each.
pub type Function = unsafe extern "C" fn(
    params: *const *const c_void,
    grid: *const u32,
    block: *const u32,
    shared_bytes: u32,
);

/// A kernel of the host.
#[derive(Debug, Clone, Copy)]
pub struct HostKernel {
    /// Its name on the device.
    pub name: &'static str,
    /// Runs all blocks, one after the other.
    pub function: Function,
    /// Bytes of the struct that it takes.
    pub param_bytes: usize,
    /// The same, whose accesses are watched.
    pub(super) watched: whole_blocks::Function,
}

impl HostKernel {
    /// Which bytes a launch with the struct `param` may read and write.
    pub fn uses(&self, param: &[u8], grid: [u32; 3]) -> Vec<Use> {
        uses(self.name, param, grid)
    }
}

macro_rules! kernels {
    ($($name:literal $symbol:ident $watched:ident($args:ty),)*) => {
        unsafe extern "C" {
            $(fn $symbol(
                params: *const *const c_void,
                grid: *const u32,
                block: *const u32,
                shared_bytes: u32,
            );
            fn $watched(
                params: *const *const c_void,
                launch: *const whole_blocks::Watched,
                report: *mut u8,
                room: u64,
            ) -> u64;)*
        }

        /// Every kernel.
        pub fn kernels() -> impl Iterator<Item = HostKernel> {
            [$(HostKernel {
                name: $name,
                function: $symbol,
                param_bytes: size_of::<$args>(),
                watched: $watched,
            }),*]
            .into_iter()
        }
    };
}

kernels! {
    "stage_u8" tallow_host_stage_u8 tallow_watched_stage_u8(StageArgs),
    "stage_photo" tallow_host_stage_photo tallow_watched_stage_photo(StageArgs),
    "stage_u16" tallow_host_stage_u16 tallow_watched_stage_u16(StageArgs),
    "stage_f16" tallow_host_stage_f16 tallow_watched_stage_f16(StageArgs),
    "stage_f32" tallow_host_stage_f32 tallow_watched_stage_f32(StageArgs),
    "settle_statistic" tallow_host_settle_statistic tallow_watched_settle_statistic(StageArgs),
    "widen" tallow_host_widen tallow_watched_widen(WidenArgs),
    "draw_displacements" tallow_host_draw_displacements tallow_watched_draw_displacements(ElasticArgs),
    "select_1" tallow_host_select_1 tallow_watched_select_1(SelectArgs),
    "select_2" tallow_host_select_2 tallow_watched_select_2(SelectArgs),
    "select_4" tallow_host_select_4 tallow_watched_select_4(SelectArgs),
    "select_8" tallow_host_select_8 tallow_watched_select_8(SelectArgs),
}

/// What the kernels make `f16` of: `made.len()` values whose bits are `first` and those that follow.
#[cfg(test)]
pub(super) fn halves(first: u32, made: &mut [u16]) {
    unsafe extern "C" {
        fn tallow_host_halves(first: u32, count: u32, made: *mut u16);
    }
    // SAFETY: `made` is that many elements that are written.
    unsafe { tallow_host_halves(first, made.len() as u32, made.as_mut_ptr()) }
}

/// Runs `launch` on memory of the host, in blocks of `threads` threads.
///
/// # Safety
///
/// The bytes of [`Launch::uses`] are memory that this thread may read and write, and that nothing
/// else writes; the plans in it are those of the engine that the launch comes from.
///
/// # Panics
///
/// When there is no such kernel.
pub unsafe fn run(launch: &Launch, threads: u32) {
    let (kernel, args) = found(launch);
    let params = [args.as_ptr().cast::<c_void>()];
    let block = [threads, 1, 1];
    // SAFETY: `params` points at the struct that the kernel takes, as many bytes and aligned, and
    // `grid` and `block` at three numbers; all outlive the call. The memory behind the struct's
    // addresses is the caller's to grant.
    unsafe {
        (kernel.function)(
            params.as_ptr(),
            launch.grid.as_ptr(),
            block.as_ptr(),
            launch.shared_bytes,
        )
    }
}

/// The kernel of `launch`, and its struct where a struct may lie: bytes lie anywhere, structs of addresses
/// do not.
pub(super) fn found(launch: &Launch) -> (HostKernel, Vec<u64>) {
    let kernel = kernels().find(|kernel| kernel.name == launch.kernel);
    let kernel = kernel.unwrap_or_else(|| panic!("no kernel {:?}", launch.kernel));
    assert_eq!(launch.args.len(), kernel.param_bytes, "the struct of {}", kernel.name);
    let args = launch.args.chunks_exact(8).map(bytemuck::pod_read_unaligned).collect();
    (kernel, args)
}
