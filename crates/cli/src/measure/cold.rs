//! Dropping files from the page cache, so that an epoch comes from storage.

use std::collections::HashSet;
use std::fs::File;
use std::path::PathBuf;

use tallow::Source;

use crate::data::extents;

/// How much is read ahead by default: enough to keep many requests under way, and little compared
/// to a page cache.
pub(crate) const READ_AHEAD_BYTES: usize = 64_000_000;

/// The files that hold samples, and their bytes.
#[derive(Debug)]
pub(crate) struct Cached {
    files: Vec<PathBuf>,
    /// Of the samples, with headers.
    pub(crate) bytes: u64,
}

impl Cached {
    /// The files of the samples `indices`.
    ///
    /// # Errors
    ///
    /// A message, if the samples are not in files.
    pub(crate) fn of(
        source: &dyn Source,
        indices: impl IntoIterator<Item = usize>,
    ) -> Result<Self, String> {
        let (mut seen, mut files, mut bytes) = (HashSet::new(), Vec::new(), 0);
        let extents = |index| extents::extents_of(source, index);
        for extent in indices.into_iter().flat_map(extents) {
            let Some(path) = extent.location().path() else { continue };
            bytes += extents::bytes_of(&extent).map_err(|error| error.to_string())?;
            // A file with a single sample comes only once, and there may be millions, so only
            // shared files are remembered.
            if extent.is_whole() || seen.insert(path.to_owned()) {
                files.push(path.to_owned());
            }
        }
        if files.is_empty() {
            return Err("no sample of this source is in a file".to_owned());
        }
        Ok(Self { files, bytes })
    }

    /// Drops them from the page cache, after writing back dirty pages, which could not be dropped.
    ///
    /// # Errors
    ///
    /// A message, if a file cannot be opened or the system has no such call.
    pub(crate) fn drop(&self) -> Result<(), String> {
        for path in &self.files {
            let file =
                File::open(path).map_err(|e| format!("cannot open {}: {e}", path.display()))?;
            forget(&file)
                .map_err(|e| format!("cannot drop {} from the cache: {e}", path.display()))?;
        }
        Ok(())
    }
}

#[cfg(target_os = "linux")]
fn forget(file: &File) -> Result<(), String> {
    use nix::fcntl::{PosixFadviseAdvice, posix_fadvise};
    // This may fail for a file that can only be read, and that has nothing to write back. If dirty
    // pages stay, the report shows it.
    let _ = file.sync_data();
    let dropped = posix_fadvise(file, 0, 0, PosixFadviseAdvice::POSIX_FADV_DONTNEED);
    dropped.map_err(|error| error.to_string())
}

#[cfg(not(target_os = "linux"))]
fn forget(_: &File) -> Result<(), String> {
    Err("this system has no call for that".to_owned())
}
