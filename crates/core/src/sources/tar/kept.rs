//! Indexes that are kept, so that an archive is gone through once.

use std::fs;
use std::io::Write as _;
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::time::UNIX_EPOCH;

use xxhash_rust::xxh3::xxh3_64;

use super::index::Index;
use crate::files::File;
use crate::{Error, Result};

/// Going through fewer samples than these takes no longer than looking for what is kept.
const SAMPLES_MIN: usize = 1 << 13;

/// Nor does going through shorter archives.
const BYTES_MIN: u64 = 4 << 20;

/// The user's folder for what programs can make again.
pub(super) fn folder() -> Option<PathBuf> {
    let named = |name: &str| std::env::var_os(name).filter(|value| !value.is_empty());
    let cache = match named("XDG_CACHE_HOME") {
        Some(cache) => PathBuf::from(cache),
        None => PathBuf::from(named("HOME")?).join(".cache"),
    };
    cache.is_absolute().then(|| cache.join("tallow"))
}

/// The index of the archive at `path`, which is open and has `len` bytes: the one that is kept in
/// `folder`, if it is of this very archive, and otherwise a new one, which is then kept there as far as
/// that is possible.
pub(super) fn index(file: &File, len: u64, path: &Path, folder: Option<&Path>) -> Result<Index> {
    let place = folder.filter(|_| len >= BYTES_MIN).and_then(|folder| {
        let path = path.canonicalize().ok()?;
        let name = format!("{:016x}.tar-index", xxh3_64(path.as_os_str().as_bytes()));
        Some((folder.join(name), identity(file.local()?, len, &path).ok()?))
    });
    let Some((place, identity)) = place else { return Index::scan(file, len) };
    let kept = fs::read(&place).ok().and_then(|bytes| Index::of_bytes(&bytes, &identity));
    if let Some(index) = kept {
        return Ok(index);
    }
    let index = Index::scan(file, len)?;
    if index.len() >= SAMPLES_MIN {
        // What cannot be kept is made again.
        let _ = keep(&place, &index.to_bytes(&identity));
    }
    Ok(index)
}

/// What tells that an archive is still the same: where it lies, which file it is, its length, and when it
/// was written.
fn identity(file: &fs::File, len: u64, path: &Path) -> Result<String> {
    let metadata = file.metadata();
    let metadata = metadata.map_err(|error| Error::io("look at the file", error))?;
    let modified = metadata.modified();
    let modified = modified.map_err(|error| Error::io("look at the file", error))?;
    let since = modified.duration_since(UNIX_EPOCH).unwrap_or_default();
    let (written, number) = (since.as_nanos(), metadata.ino());
    Ok(format!("{len} bytes, written {written} ns after 1970, inode {number}, {}", path.display()))
}

/// Writes beside the place first, so that nobody ever reads half an index, and several processes may
/// make the same one.
fn keep(place: &Path, bytes: &[u8]) -> std::io::Result<()> {
    if let Some(folder) = place.parent() {
        fs::create_dir_all(folder)?;
    }
    let beside = place.with_extension(format!("{}.part", std::process::id()));
    let written = fs::File::create_new(&beside).and_then(|mut file| {
        file.write_all(bytes)?;
        fs::rename(&beside, place)
    });
    if written.is_err() {
        let _ = fs::remove_file(&beside);
    }
    written
}
