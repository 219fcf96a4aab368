//! Opening files and folders, whatever they may be.

use std::ffi::{CStr, CString};
use std::os::fd::BorrowedFd;
use std::os::fd::OwnedFd;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use nix::sys::resource::{RLIM_INFINITY, Resource, getrlimit};
use rustix::fs::{CWD, FileType, Mode, OFlags, openat, readlinkat};
use rustix::io::{Errno, retry_on_intr};

use super::{File, Folder};
use crate::{Error, ErrorKind, Result};

#[cold]
pub(super) fn not_regular(found: FileType) -> Error {
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
pub(crate) fn open_folder(path: &Path) -> Result<Folder> {
    #[cfg(feature = "remote")]
    if let Some(url) = super::stored::url(path) {
        return Ok(Folder::Stored(url.to_owned()));
    }
    open_local_folder(path).map(Folder::Local)
}

/// Opens a folder of this machine.
pub(super) fn open_local_folder(path: &Path) -> Result<OwnedFd> {
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
    retry_on_intr(|| openat(CWD, path, flags, Mode::empty()))
        .map_err(|e| Error::io("open the folder", e.into()).with_path(path))
}

/// Opens a file for reading by its path.
pub(crate) fn open_path(path: &Path) -> Result<File> {
    #[cfg(feature = "remote")]
    if let Some(url) = super::stored::url(path) {
        return super::stored::open(url, &|| false);
    }
    open_local_path(path, &|| true)
}

/// Like [`open_path`], waiting for a descriptor if there is none: for files that are opened for
/// each read, by readers who close theirs soon.
pub(crate) fn open_path_waiting(path: &Path, is_stopped: &impl Fn() -> bool) -> Result<File> {
    #[cfg(feature = "remote")]
    if let Some(url) = super::stored::url(path) {
        return super::stored::open(url, is_stopped);
    }
    open_local_path(path, is_stopped)
}

fn open_local_path(path: &Path, is_stopped: &impl Fn() -> bool) -> Result<File> {
    let file = open(|flags| openat(CWD, path, flags, Mode::empty()), is_stopped);
    file.map_err(|error| {
        let path = CString::new(path.as_os_str().as_bytes()).unwrap_or_default();
        dangling_or(error, CWD, &path)
    })
}

/// No file was closed in all the time that one thread waited for a descriptor, and none was free
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
                return Ok(File::Local(file.into()));
            }
            Err(Errno::MFILE | Errno::NFILE) if wait_for_descriptor(&mut waited, is_stopped) => {}
            Err(errno) => return Err(open_error(errno)),
        }
    }
}

/// How many files this process may have open at once, if there is a limit and the system tells it.
pub(crate) fn files_max() -> Option<u64> {
    let (limit, _) = getrlimit(Resource::RLIMIT_NOFILE).ok()?;
    (limit != RLIM_INFINITY).then_some(limit)
}

fn open_flags() -> OFlags {
    // Without blocking, because a FIFO would otherwise hold its reader forever; regular files
    // do not know the difference.
    OFlags::RDONLY | OFlags::CLOEXEC | OFlags::NONBLOCK | OFlags::NOCTTY
}

#[cold]
fn open_error(errno: Errno) -> Error {
    match errno {
        // What cannot be opened at all: a socket, or a device that is not there.
        Errno::NXIO => not_regular(FileType::Socket),
        Errno::MFILE | Errno::NFILE => {
            let limit = files_max().map_or("no limit".to_owned(), |limit| limit.to_string());
            let message = format!(
                "cannot open: {}: RLIMIT_NOFILE is {limit}, raise it with `ulimit -n`",
                io(errno)
            );
            Error::new(ErrorKind::Io, message).with_source(io(errno))
        }
        _ => Error::io("open", io(errno)),
    }
}

/// Says so if the file that cannot be opened is a link to nothing: its name is there, and "no such
/// file" would send people looking for it.
#[cold]
fn dangling_or(error: Error, folder: BorrowedFd<'_>, name: &CStr) -> Error {
    let missing = errno_of(&error) == Some(Errno::NOENT);
    let Some(target) = missing.then(|| readlinkat(folder, name, Vec::new()).ok()).flatten() else {
        return error;
    };
    let message = format!("cannot open: a dangling link to {:?}", target.to_string_lossy());
    // The cause stays: a link may dangle for a moment as any file may be missing for one.
    Error::new(ErrorKind::Io, message).with_source(io(Errno::NOENT))
}

fn errno_of(error: &Error) -> Option<Errno> {
    error.cause()?.downcast_ref().and_then(Errno::from_io_error)
}

fn io(errno: Errno) -> std::io::Error {
    errno.into()
}

/// Opens file `name` below `folder`, hands it to `read`, and closes it: descriptors in flight are
/// never more than readers.
///
/// Problems that may pass by themselves are tried again, all others surface at once: a stale or
/// missing file (a network file system shows the one as the other) and a file that changed, once;
/// too many open files, until a deadline, because other readers will close theirs.
pub(crate) fn read_file(
    folder: &Folder,
    name: &CStr,
    is_stopped: impl Fn() -> bool,
    mut read: impl FnMut(&File) -> Result<()>,
) -> Result<()> {
    let mut again = true;
    loop {
        let file = open_below(folder, name, &is_stopped);
        let error = match file.and_then(|file| read(&file)) {
            Ok(()) => return Ok(()),
            Err(error) => error,
        };
        if !(std::mem::take(&mut again) && may_pass(&error)) {
            return Err(error);
        }
    }
}

fn open_below(folder: &Folder, name: &CStr, is_stopped: &impl Fn() -> bool) -> Result<File> {
    #[cfg(feature = "remote")]
    if let Some(url) = super::stored::url_below(folder, name) {
        return super::stored::open_sample(&url, is_stopped);
    }
    let folder = folder.descriptor();
    open(|flags| openat(folder, name, flags, Mode::empty()), is_stopped)
        .map_err(|error| dangling_or(error, folder, name))
}

/// Sleeps a little, until the deadline for a descriptor has passed. Nothing tells when
/// one becomes free: another library may close it, or another process.
#[cold]
fn wait_for_descriptor(since: &mut Option<Instant>, is_stopped: &impl Fn() -> bool) -> bool {
    const DEADLINE: Duration = Duration::from_secs(5);
    const NAP: Duration = Duration::from_millis(2);
    let since = since.get_or_insert_with(Instant::now);
    if since.elapsed() >= DEADLINE {
        // The next one need not find out for itself.
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
    error.kind() == ErrorKind::Changed
        || matches!(errno_of(error), Some(Errno::STALE | Errno::NOENT))
}
