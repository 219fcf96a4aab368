//! Kernels in whole blocks on the host, every access of which is watched (`whole_blocks.h` says how): for
//! tests that look for races where there is no device.

#![expect(unsafe_code, reason = "calls the kernels, which are C++")]

use std::ffi::c_void;

use super::host;
use super::launches::{Launch, Use};

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

/// The struct of the same name in `whole_blocks.h`.
#[repr(C)]
#[derive(Debug)]
pub(super) struct Watched {
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
    const ROOM: usize = 4096;
    let (kernel, args) = host::found(launch);
    let uses = launch.uses().into_iter().chain(watch.more.iter().cloned());
    let uses: Vec<WatchedUse> = uses
        .map(|used| WatchedUse {
            address: used.address,
            bytes: used.bytes,
            is_write: used.is_write.into(),
        })
        .collect();
    let watched = Watched {
        grid: launch.grid.as_ptr(),
        threads: watch.threads,
        shared_bytes: launch.shared_bytes,
        uses: uses.as_ptr(),
        uses_len: uses.len() as u64,
        seed: watch.seed,
        left_out: watch.left_out.map_or(0, |number| number as u32 + 1),
    };
    let params = [args.as_ptr().cast::<c_void>()];
    let mut report = vec![0; ROOM];
    // SAFETY: `params` points at the struct that the kernel takes, as many bytes and aligned; `watched`
    // and what it points at, and the room of the report, outlive the call. The memory behind the
    // struct's addresses is the caller's to grant.
    let len = unsafe {
        (kernel.watched)(params.as_ptr(), &raw const watched, report.as_mut_ptr(), ROOM as u64)
    };
    report.truncate(len as usize);
    let found = String::from_utf8_lossy(&report);
    (!found.is_empty()).then(|| format!("{} {found}", launch.kernel))
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
