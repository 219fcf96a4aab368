//! Files are fetched into the page cache before workers need them, since an epoch knows its order.
//!
//! One thread goes some batches ahead of the workers and asks the kernel for the files in which,
//! according to the source, the samples are; those that are mixed with them are left out. It reads
//! nothing itself and knows no format. What it cannot ask for, a worker reads and reports as usual.
//! For files that are cached already it is wasted work, an open and a close per file, so it only runs
//! on request. Of what lies in a store, the store is told, which fetches it into its own memory.

use std::fs::{File, OpenOptions};
use std::os::unix::fs::OpenOptionsExt as _;

use tallow_core::{Extent, Location};

use super::worker::Filler;
use crate::delivery::Ahead;
use crate::user_code::{catch, discard};

/// The whole life of the thread.
pub(crate) fn fetch(filler: &Filler) {
    let row_bytes = filler.pipeline.read_bytes();
    let mut last = None;
    while let Some(Ahead { id, order, rows }) = filler.delivery.next_ahead(last) {
        let (mut open, mut bytes) = (None, 0usize);
        let span = tracing::debug_span!(target: "tallow::read_ahead", "fetch", batch = %id);
        let _entered = span.enter();
        for row in 0..rows.samples() {
            if filler.delivery.is_stopping() {
                break;
            }
            // Order and source are user code. What fails here fails again in a worker, which
            // reports it.
            let _ = catch(|| {
                let index = order.index(rows.position(row));
                let is_read = index < filler.delivery.course.population.samples()
                    && !filler.pipeline.resident().is_some_and(|r| r.is_present(index));
                if is_read {
                    let mut asked = 0usize;
                    filler.pipeline.extents(index, &mut |extent| {
                        let is_stopping = || filler.delivery.is_stopping();
                        asked = asked.saturating_add(ask_for(extent, &mut open, is_stopping));
                    });
                    // A sample has no more bytes than its row, whatever its source says.
                    bytes = bytes.saturating_add(asked.min(row_bytes));
                }
            });
        }
        last = Some((id, bytes));
        discard(order);
    }
    filler.delivery.leave();
}

/// How much the kernel is asked for at once: of one call it reads no more than the read-ahead of the
/// device, often 128 KiB, and ignores the rest.
const PIECE_BYTES: usize = 128 << 10;

/// Asks the kernel to read an extent, and says how many bytes it has: as far as is known, if it cannot
/// be opened. `open` is the file that was asked for last, which many samples may share.
fn ask_for(
    extent: &Extent,
    open: &mut Option<(Location, File)>,
    is_stopping: impl Fn() -> bool,
) -> usize {
    let location = extent.location();
    if location.url().is_some() {
        extent.will_need();
        return extent.bytes();
    }
    if open.as_ref().is_none_or(|(open, _)| open != location) {
        // Opening must not block: a path may be that of a pipe.
        let flags = libc::O_NONBLOCK | libc::O_CLOEXEC;
        let open_path = |path| OpenOptions::new().read(true).custom_flags(flags).open(path);
        let file = location.path().and_then(|path| open_path(path).ok());
        *open = file.map(|file| (location.clone(), file));
    }
    let mut bytes = extent.bytes();
    let Some((_, file)) = open else { return bytes };
    if extent.is_whole() && bytes > PIECE_BYTES {
        // Of pictures only the most is known, which is a thousand times as much as most have.
        let held = file.metadata().map_or(0, |metadata| metadata.len());
        bytes = bytes.min(usize::try_from(held).unwrap_or(usize::MAX));
    }
    for start in (0..bytes).step_by(PIECE_BYTES) {
        if is_stopping() {
            break;
        }
        let piece = PIECE_BYTES.min(bytes - start);
        will_need(file, extent.offset() + start as u64, piece);
    }
    bytes
}

#[cfg(target_os = "linux")]
fn will_need(file: &File, offset: u64, bytes: usize) {
    use nix::fcntl::{PosixFadviseAdvice, posix_fadvise};
    let (offset, bytes) = (offset.try_into(), bytes.try_into());
    if let (Ok(offset), Ok(bytes)) = (offset, bytes) {
        let _ = posix_fadvise(file, offset, bytes, PosixFadviseAdvice::POSIX_FADV_WILLNEED);
    }
}

/// Opening the file has fetched its metadata, and that is all.
#[cfg(not(target_os = "linux"))]
fn will_need(_: &File, _: u64, _: usize) {}
