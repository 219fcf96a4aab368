//! Files are fetched into the page cache before a worker wants them: an epoch knows its order.
//!
//! One thread goes some batches ahead of the workers and asks the kernel for what the source says
//! its samples lie in. It reads nothing itself and knows no format; what it cannot ask for, a worker
//! reads as it would have, and reports. For files that are cached already it is work for nothing,
//! an open and a close a file, so it is there only where it is asked for.

use std::fs::{File, OpenOptions};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::PathBuf;

use tallow_core::Extent;

use crate::delivery::Ahead;
use crate::pipeline::{catch, discard};
use crate::worker::Filler;

/// The whole life of the thread.
pub(crate) fn fetch(filler: &Filler) {
    let mut open = None;
    while let Some(Ahead { id, order, rows }) = filler.delivery.next_ahead() {
        let span = tracing::debug_span!(target: "tallow::read_ahead", "fetch", batch = %id);
        let _entered = span.enter();
        for row in 0..rows.samples() {
            if filler.delivery.is_stopping() {
                break;
            }
            // Order and source are user code. What fails here fails again in a worker, and is
            // reported there.
            let extents = catch(|| filler.pipeline.extents(order.index(rows.position(row))));
            for extent in extents.unwrap_or_default() {
                ask_for(extent, &mut open);
            }
        }
        discard(order);
    }
    filler.delivery.leave();
}

/// Asks the kernel to read an extent; `open` is the file that was asked for last, which many
/// samples may share.
fn ask_for(extent: Extent, open: &mut Option<(PathBuf, File)>) {
    if open.as_ref().is_none_or(|(path, _)| *path != extent.path) {
        // Not a word that could block: a source may be told of a pipe.
        let flags = libc::O_NONBLOCK | libc::O_CLOEXEC;
        let file = OpenOptions::new().read(true).custom_flags(flags).open(&extent.path);
        *open = file.ok().map(|file| (extent.path, file));
    }
    if let Some((_, file)) = open {
        will_need(file, extent.offset, extent.bytes);
    }
}

#[cfg(target_os = "linux")]
fn will_need(file: &File, offset: u64, bytes: usize) {
    use nix::fcntl::{PosixFadviseAdvice, posix_fadvise};
    let (offset, bytes) = (offset.try_into(), bytes.try_into());
    if let (Ok(offset), Ok(bytes)) = (offset, bytes) {
        let _ = posix_fadvise(file, offset, bytes, PosixFadviseAdvice::POSIX_FADV_WILLNEED);
    }
}

/// Opening the file has fetched what its folder says of it, and that is all.
#[cfg(not(target_os = "linux"))]
fn will_need(_: &File, _: u64, _: usize) {}
