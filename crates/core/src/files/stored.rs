//! Files that are objects of a store: what `tallow_store` says, in the words of this crate.

use std::ffi::{CStr, OsStr};
use std::ops::{ControlFlow, Range};
use std::os::unix::ffi::OsStrExt;
use std::path::Path;
use std::{fmt, io};

use tallow_store::{Kind, Object};

use super::{File, Folder};
use crate::{Error, ErrorKind, Result};

/// What the request brings that opens a file of many samples: most headers are no longer.
const HEAD_BYTES: u64 = 64 << 10;

/// What it brings of a file that is one sample: all of it, mostly.
pub(super) const SAMPLE_BYTES: u64 = 8 << 20;

/// The URL that a path is, if it is one. A path is bytes, and a URL in it is found by its scheme alone: what
/// takes paths then takes URLs.
pub(super) fn url(path: &Path) -> Option<&str> {
    let is_url = tallow_store::is_url(path.as_os_str().as_bytes());
    is_url.then(|| path.to_str()).flatten()
}

/// Opens a file of many samples.
pub(super) fn open(url: &str, is_stopped: &dyn Fn() -> bool) -> Result<File> {
    let object = Object::open_unless(url, HEAD_BYTES, is_stopped);
    object.map(File::Stored).map_err(|error| of_store("open", error))
}

/// Opens a file that is one sample.
pub(super) fn open_sample(url: &str, is_stopped: &dyn Fn() -> bool) -> Result<File> {
    let object = Object::open_unless(url, SAMPLE_BYTES, is_stopped);
    object.map(File::Stored).map_err(|error| of_store("open", error))
}

/// Reads bytes from `at` on into `buffer`, and says how many.
pub(super) fn read_at(object: &Object, buffer: &mut [u8], at: u64) -> io::Result<usize> {
    let mut filled = 0;
    let len = buffer.len();
    let mut sink = |piece: &[u8]| {
        buffer[filled..][..piece.len()].copy_from_slice(piece);
        filled += piece.len();
    };
    let read = object.read_at(at, len, &|| false, &mut sink);
    read.map_err(|error| io::Error::other(Unread { bytes: at..at + len as u64, error }))
}

/// Bytes that a store did not give, on their way through `std::io`.
#[derive(Debug)]
struct Unread {
    bytes: Range<u64>,
    error: tallow_store::Error,
}

impl fmt::Display for Unread {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "bytes {}..{}: {}", self.bytes.start, self.bytes.end, self.error.message())
    }
}

impl std::error::Error for Unread {}

/// An error of the store, which failed to do this.
#[cold]
pub(crate) fn of_store(doing: &str, error: tallow_store::Error) -> Error {
    let kind = kind_of(&error);
    Error::new(kind, format!("cannot {doing}: {}", error.message())).with_source(error)
}

/// The error of a store that went through `std::io`, if it is one.
pub(crate) fn of_io(doing: &str, error: &io::Error) -> Option<Error> {
    let Unread { bytes, error } = error.get_ref()?.downcast_ref()?;
    let error = of_store(&format!("{doing} (bytes {}..{})", bytes.start, bytes.end), error.clone());
    Some(error.with_offset(bytes.start))
}

/// The kind of an error of the store.
fn kind_of(error: &tallow_store::Error) -> ErrorKind {
    match error.kind() {
        tallow_store::ErrorKind::Changed => ErrorKind::Changed,
        tallow_store::ErrorKind::Stopped => ErrorKind::Stopped,
        tallow_store::ErrorKind::Listing => ErrorKind::Header,
        tallow_store::ErrorKind::Place | tallow_store::ErrorKind::Cache => ErrorKind::Config,
        _ => ErrorKind::Io,
    }
}

/// Whether a prefix lies at `url`, and not an object.
pub(super) fn is_folder(url: &str) -> Result<bool> {
    match tallow_store::kind(url) {
        Ok(kind) => Ok(kind == Kind::Prefix),
        Err(error) => Err(of_store("open", error)),
    }
}

/// What is called with a name, whether it is a folder's, and its entity tag if that is known.
pub(super) type Visit<'a> = dyn FnMut(&CStr, bool, Option<&str>) -> ControlFlow<()> + 'a;

/// Visits the names below `url` until `visit` breaks. With `all` these are all objects, in the order of their bytes.
pub(super) fn visit_entries(url: &str, all: bool, visit: &mut Visit<'_>) -> Result<()> {
    let (mut name, mut has_zero) = (Vec::new(), false);
    let mut visit = |entry: tallow_store::Entry<'_>| {
        name.clear();
        name.extend_from_slice(entry.name.as_bytes());
        name.push(0);
        match CStr::from_bytes_with_nul(&name) {
            Ok(name) => visit(name, entry.is_prefix, entry.etag).is_continue(),
            Err(_) => {
                has_zero = true;
                false
            }
        }
    };
    let visited = tallow_store::visit_entries(url, all, &mut visit);
    visited.map_err(|error| of_store("list the folder", error))?;
    if has_zero {
        let message = "an object has a zero byte in its name, which no path has";
        return Err(Error::new(ErrorKind::Foreign, message));
    }
    Ok(())
}

/// The URL of `name` below `folder`, if that is no place of this machine.
pub(super) fn url_below(folder: &Folder, name: &CStr) -> Option<String> {
    match folder {
        Folder::Local(_) => None,
        Folder::Anywhere => url(Path::new(OsStr::from_bytes(name.to_bytes()))).map(str::to_owned),
        Folder::Stored(folder) => {
            Some(format!("{}/{}", folder.trim_end_matches('/'), name.to_string_lossy()))
        }
    }
}
