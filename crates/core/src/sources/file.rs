//! Opening files that nothing is known of, and seeing that they stay as they are.

use std::ffi::CStr;
use std::fs::File;
use std::os::fd::{BorrowedFd, OwnedFd};
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant, SystemTime};

use rustix::fs::{CWD, FileType, Mode, OFlags, fstat, openat};
use rustix::io::{Errno, retry_on_intr};

use crate::row::PIECE_BYTES_MAX;
use crate::schema::Field;
use crate::{Error, ErrorKind, Result};

/// How much a file may claim. A file whose header asks for more is refused before anything is
/// allocated.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct Limits {
    /// Bytes of a `.npy` header: 64 KiB. numpy writes 128 bytes and refuses above 10,000.
    pub header_bytes: usize,
    /// Bytes of a `.safetensors` header: 16 MiB. The format allows 100 MB.
    pub safetensors_header_bytes: usize,
    /// Bytes of one sample: just under 1 GiB.
    pub sample_bytes: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            header_bytes: 64 << 10,
            safetensors_header_bytes: 16 << 20,
            sample_bytes: (1 << 30) - 1,
        }
    }
}

impl Limits {
    /// Whether one sample of `field` is small enough.
    pub(crate) fn check_sample(&self, field: &Field) -> Result<()> {
        let most = self.sample_bytes;
        // Checked, since this comes before a schema has vouched for the field.
        let message = match field.checked_bytes() {
            Some(found) if found <= most => return Ok(()),
            Some(found) => format!("a sample of {field} takes {found} bytes, at most {most}"),
            None => format!("a sample of {field} does not fit the address space"),
        };
        Err(Error::new(ErrorKind::TooLarge, message).with_field(field.name()))
    }
}

/// What tells that a file was written to: its length and times. The same descriptor serves header
/// and payload, so a file replaced by renaming stays the old one throughout.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Stamp {
    pub(crate) bytes: u64,
    modified: (i64, i64),
    changed: (i64, i64),
}

impl Stamp {
    /// The stamp of an open file, which must be a regular one.
    pub(crate) fn of_regular(file: &File) -> Result<Self> {
        let stat = fstat(file).map_err(|e| Error::io("look at the file", e.into()))?;
        match FileType::from_raw_mode(stat.st_mode) {
            FileType::RegularFile => Ok(Self {
                bytes: stat.st_size.try_into().unwrap_or(0),
                modified: (stat.st_mtime as i64, stat.st_mtime_nsec as i64),
                changed: (stat.st_ctime as i64, stat.st_ctime_nsec as i64),
            }),
            other => Err(not_regular(other)),
        }
    }

    /// How long ago a file must have been written to for its stamp to be trusted: a write takes the
    /// time when it begins, and clocks of file systems tick every 10 ms or less. A single write
    /// that takes longer than this, or one through a memory map, cannot be seen from outside.
    const RESTS_AFTER: Duration = Duration::from_millis(20);

    /// How much longer until the stamp can be trusted, if it cannot be yet. Times of a clock that
    /// is ahead of ours are trusted: waiting for it could take for ever.
    fn restless_for(&self) -> Option<Duration> {
        let (seconds, nanos) = self.modified;
        let modified = Duration::new(seconds.try_into().ok()?, nanos.try_into().ok()?);
        let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).ok()?;
        let age = now.checked_sub(modified)?;
        Self::RESTS_AFTER.checked_sub(age).filter(|rest| !rest.is_zero())
    }

    /// How long before a moment a file must have changed for its clock, which may be a server's, to
    /// be believed to be before that moment.
    const SETTLED_FOR: Duration = Duration::from_secs(2);

    /// Whether the file has certainly not been written to since `moment`, as far as the clocks of
    /// this machine and of the file system agree to two seconds.
    pub(crate) fn is_settled(&self, moment: SystemTime) -> bool {
        let (seconds, nanos) = self.modified.max(self.changed);
        let parts = (u64::try_from(seconds), u32::try_from(nanos));
        let (Ok(seconds), Ok(nanos)) = parts else { return false };
        let settled = Duration::new(seconds, nanos).checked_add(Self::SETTLED_FOR);
        let settled = settled.and_then(|since| SystemTime::UNIX_EPOCH.checked_add(since));
        settled.is_some_and(|settled| settled <= moment)
    }

    /// Waits until a file that was written to this very moment rests; whether it had to.
    pub(crate) fn wait_for_rest(&self) -> bool {
        let Some(rest) = self.restless_for() else { return false };
        std::thread::sleep(rest);
        true
    }

    /// The stamp of an open file that is not being written to as far as can be seen: for files
    /// that are held open, whose later stamps are compared with this one.
    pub(crate) fn of_resting(file: &File) -> Result<Self> {
        let stamp = Self::of_regular(file)?;
        if stamp.wait_for_rest() { Self::of_regular(file) } else { Ok(stamp) }
    }

    /// Whether the contents are as they were at `earlier`. Renaming or linking a file changes its
    /// status but not this.
    pub(crate) fn same_contents(&self, earlier: &Self) -> bool {
        (self.bytes, self.modified) == (earlier.bytes, earlier.modified)
    }

    /// The result of reading `file`, unless it was written to since it had this stamp: then
    /// whatever came of it, an error included, is of no file that anybody meant to write.
    pub(crate) fn vouch_for<T>(&self, file: &File, result: Result<T>) -> Result<T> {
        if Self::of_regular(file)?.same_contents(self) {
            return result;
        }
        Err(Error::new(ErrorKind::Changed, "the file was written to since it was opened"))
    }
}

#[cold]
fn not_regular(found: FileType) -> Error {
    let found = match found {
        FileType::Directory => "a directory",
        FileType::Fifo => "a FIFO",
        FileType::Socket => "a socket or an absent device",
        FileType::CharacterDevice | FileType::BlockDevice => "a device",
        _ => "something else",
    };
    Error::new(ErrorKind::NotRegular, format!("found {found}, expected a regular file"))
}

/// Opens a folder, below which files are then found by their own names: the kernel does not walk
/// the folder's path again for each of them, and renaming the folder disturbs nothing.
pub(crate) fn open_folder(path: &Path) -> Result<OwnedFd> {
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
    retry_on_intr(|| openat(CWD, path, flags, Mode::empty()))
        .map_err(|e| Error::io("open the folder", e.into()).with_path(path))
}

/// Opens a file for reading by its path.
pub(crate) fn open_path(path: &Path) -> Result<File> {
    open(|flags| openat(CWD, path, flags, Mode::empty()), &|| true)
}

/// Like [`open_path`], waiting for a descriptor if there is none: for files that are opened for
/// each read, by readers who close theirs soon.
pub(crate) fn open_path_waiting(path: &Path, is_stopped: &impl Fn() -> bool) -> Result<File> {
    open(|flags| openat(CWD, path, flags, Mode::empty()), is_stopped)
}

/// Nobody closed a file in all the time that one waited for a descriptor, and none was to be had
/// since.
static WAITED_IN_VAIN: AtomicBool = AtomicBool::new(false);

/// Opens with `call`, again while a signal interrupts it and until a deadline while there are too
/// many open files.
fn open(
    call: impl Fn(OFlags) -> rustix::io::Result<OwnedFd>,
    is_stopped: &impl Fn() -> bool,
) -> Result<File> {
    let mut waited = None;
    loop {
        match retry_on_intr(|| call(open_flags())) {
            Ok(file) => {
                if WAITED_IN_VAIN.load(Ordering::Relaxed) {
                    WAITED_IN_VAIN.store(false, Ordering::Relaxed);
                }
                return Ok(file.into());
            }
            Err(Errno::MFILE | Errno::NFILE) if wait_for_descriptor(&mut waited, is_stopped) => {}
            Err(errno) => return Err(open_error(errno)),
        }
    }
}

fn open_flags() -> OFlags {
    // Without blocking, because a FIFO would otherwise hold its reader for ever; regular files
    // do not know the difference.
    OFlags::RDONLY | OFlags::CLOEXEC | OFlags::NONBLOCK | OFlags::NOCTTY
}

#[cold]
fn open_error(errno: Errno) -> Error {
    match errno {
        // What cannot be opened at all: a socket, or a device that is not there.
        Errno::NXIO => not_regular(FileType::Socket),
        Errno::MFILE | Errno::NFILE => {
            let limit = rustix::process::getrlimit(rustix::process::Resource::Nofile).current;
            let limit = limit.map_or("no limit".to_owned(), |limit| limit.to_string());
            let message = format!(
                "cannot open: {}: RLIMIT_NOFILE is {limit}, raise it with `ulimit -n`",
                io(errno)
            );
            Error::new(ErrorKind::Io, message).with_source(io(errno))
        }
        _ => Error::io("open", io(errno)),
    }
}

fn io(errno: Errno) -> std::io::Error {
    errno.into()
}

/// Opens file `name` below `folder`, hands it to `read`, and closes it: descriptors in flight are
/// never more than readers.
///
/// What may pass by itself is tried again, everything else surfaces at once: a stale or missing
/// file (a network file system shows the one as the other) and a file that changed, once; too
/// many open files, until a deadline, since other readers will close theirs.
pub(crate) fn read_file(
    folder: BorrowedFd<'_>,
    name: &CStr,
    is_stopped: impl Fn() -> bool,
    mut read: impl FnMut(&File) -> Result<()>,
) -> Result<()> {
    let mut again = true;
    loop {
        let file = open(|flags| openat(folder, name, flags, Mode::empty()), &is_stopped);
        let error = match file.and_then(|file| read(&file)) {
            Ok(()) => return Ok(()),
            Err(error) => error,
        };
        if !(std::mem::take(&mut again) && may_pass(&error)) {
            return Err(error);
        }
    }
}

/// Sleeps a little, until the deadline for a descriptor has passed.
#[cold]
fn wait_for_descriptor(since: &mut Option<Instant>, is_stopped: &impl Fn() -> bool) -> bool {
    const DEADLINE: Duration = Duration::from_secs(5);
    const NAP: Duration = Duration::from_millis(2);
    let since = since.get_or_insert_with(Instant::now);
    if since.elapsed() >= DEADLINE {
        // Whoever comes next need not find out for itself.
        WAITED_IN_VAIN.store(true, Ordering::Relaxed);
    }
    let wait = !WAITED_IN_VAIN.load(Ordering::Relaxed) && !is_stopped();
    if wait {
        std::thread::sleep(NAP);
    }
    wait
}

#[cold]
fn may_pass(error: &Error) -> bool {
    let errno = error
        .cause()
        .and_then(|cause| cause.downcast_ref::<std::io::Error>())
        .and_then(Errno::from_io_error);
    error.kind() == ErrorKind::Changed || matches!(errno, Some(Errno::STALE | Errno::NOENT))
}

/// Reads `bytes` bytes from `offset` of `file` into memory of their own, in pieces between which a
/// loader can stop it.
pub(crate) fn read_stored(
    file: &File,
    offset: u64,
    bytes: usize,
    is_stopped: impl Fn() -> bool,
) -> Result<Vec<u8>> {
    let mut stored = reserve(bytes)?;
    stored.resize(bytes, 0);
    for (i, piece) in stored.chunks_mut(PIECE_BYTES_MAX).enumerate() {
        if is_stopped() {
            return Err(Error::new(ErrorKind::Stopped, "the loader was stopped"));
        }
        let at = offset + (i * PIECE_BYTES_MAX) as u64;
        file.read_exact_at(piece, at).map_err(|error| short(error, offset, bytes))?;
    }
    Ok(stored)
}

/// An empty `Vec` with room for `bytes`, or an error where there is no such memory.
pub(crate) fn reserve(bytes: usize) -> Result<Vec<u8>> {
    let mut memory = Vec::new();
    memory.try_reserve_exact(bytes).map_err(|_| {
        Error::new(ErrorKind::TooLarge, format!("no memory for a payload of {bytes} bytes"))
    })?;
    Ok(memory)
}

#[cold]
fn short(error: std::io::Error, offset: u64, bytes: usize) -> Error {
    if error.kind() != std::io::ErrorKind::UnexpectedEof {
        return Error::io("read", error).with_offset(offset);
    }
    let message = format!("the file ends within the {bytes} bytes of data expected");
    Error::new(ErrorKind::Truncated, message).with_offset(offset)
}
