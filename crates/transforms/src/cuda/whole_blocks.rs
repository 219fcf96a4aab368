//! Kernels in whole blocks on the host, every access of which is watched (`whole_blocks.h` says how): for
//! tests that look for races where there is no device.

#![expect(unsafe_code, reason = "calls the kernels, which are C++")]

use std::ffi::c_void;

use super::host;
use super::launches::{Launch, Use};

/// A kernel as a function whose accesses are watched: `params` points at a pointer to each of its parameters,
/// and what is found is written into `report`, in which there is `room`.
pub type Function = unsafe extern "C" fn(
    params: *const *const c_void,
    launch: *const Watched,
    report: *mut u8,
    room: u64,
) -> u64;

/// How a launch is run.
#[derive(Debug, Clone, Copy)]
pub struct Watch<'a> {
    /// Threads of a block.
    pub threads: u32,
    /// Draws the order in which they run.
    pub seed: u64,
    /// Bytes that the launch uses beside what [`Launch::uses`] says: the pixels of pictures.
    pub more: &'a [Use],
    /// The barrier that is left out, as [`barriers`] numbers them from 0 on.
    pub left_out: Option<usize>,
}

/// A launch as a kernel that is watched takes it: the struct of the same name in `whole_blocks.h`.
#[repr(C)]
#[derive(Debug)]
pub struct Watched {
    grid: *const u32,
    threads: u32,
    shared_bytes: u32,
    uses: *const WatchedUse,
    uses_len: u64,
    seed: u64,
    left_out: u32,
}

#[repr(C)]
#[derive(Debug)]
struct WatchedUse {
    address: u64,
    bytes: u64,
    is_write: u32,
}

unsafe extern "C" {
    fn tallow_barriers() -> u64;
    fn tallow_barrier_name(number: u32, name: *mut u8, room: u64) -> u64;
}

/// Runs `launch` on memory of the host, as [`host::run`] does, up to the first thing that is found: a race
/// between threads or blocks, a read of shared memory that nothing was written to, a barrier that not
/// all threads reach, or an access beside the uses of the launch.
///
/// # Safety
///
/// As for [`host::run`].
///
/// # Panics
///
/// When there is no such kernel.
pub unsafe fn run(launch: &Launch, watch: &Watch<'_>) -> Option<String> {
    let (kernel, args) = host::found(launch);
    let uses: Vec<Use> = launch.uses().into_iter().chain(watch.more.iter().copied()).collect();
    let watch = Watch { more: &uses, ..*watch };
    // SAFETY: the kernel takes one parameter, a struct of as many bytes, which are aligned. The memory
    // behind its addresses is the caller's to grant.
    let found = unsafe {
        run_kernel(
            kernel.watched,
            &[args.as_ptr().cast()],
            launch.grid,
            launch.shared_bytes,
            &watch,
        )
    };
    found.map(|found| format!("{} {found}", launch.kernel))
}

/// The same of any kernel, which uses no bytes but those of [`Watch::more`]. `params` are pointers to its
/// parameters, as the driver takes them.
///
/// # Safety
///
/// `kernel` is what [`Function`] says, and `params` are those that it takes. The bytes of [`Watch::more`] are
/// memory that this thread may read and write, and that nothing else writes.
pub unsafe fn run_kernel(
    kernel: Function,
    params: &[*const c_void],
    grid: [u32; 3],
    shared_bytes: u32,
    watch: &Watch<'_>,
) -> Option<String> {
    const ROOM: usize = 4096;
    let used = |used: &Use| WatchedUse {
        address: used.address,
        bytes: used.bytes,
        is_write: used.is_write.into(),
    };
    let uses: Vec<WatchedUse> = watch.more.iter().map(used).collect();
    let watched = Watched {
        grid: grid.as_ptr(),
        threads: watch.threads,
        shared_bytes,
        uses: uses.as_ptr(),
        uses_len: uses.len() as u64,
        seed: watch.seed,
        left_out: watch.left_out.map_or(0, |number| number as u32 + 1),
    };
    let mut report = vec![0; ROOM];
    // SAFETY: `watched` and what it points at, the parameters and the room of the report outlive the call.
    // The rest is the caller's to grant.
    let len =
        unsafe { kernel(params.as_ptr(), &raw const watched, report.as_mut_ptr(), ROOM as u64) };
    report.truncate(len as usize);
    let found = String::from_utf8_lossy(&report).into_owned();
    (!found.is_empty()).then_some(found)
}

/// The barriers that a kernel has reached so far in this process: file and line.
pub fn barriers() -> Vec<String> {
    const ROOM: usize = 256;
    let name = |number| {
        let mut name = vec![0; ROOM];
        // SAFETY: such a number was reached, and there is as much room as is said.
        let len = unsafe { tallow_barrier_name(number, name.as_mut_ptr(), ROOM as u64) };
        name.truncate(len as usize);
        String::from_utf8_lossy(&name).into_owned()
    };
    // SAFETY: it takes nothing and changes nothing.
    let count = unsafe { tallow_barriers() };
    (1..=count as u32).map(name).collect()
}
