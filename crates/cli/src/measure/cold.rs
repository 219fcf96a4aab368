//! Epochs that come from the storage: the page cache is told to forget the files before each.

use std::collections::HashSet;
use std::fs::File;
use std::path::PathBuf;

use tallow::Source;

use crate::data::place;

/// What is read ahead where nothing else was said: enough for many requests to be under way in the
/// storage, and little beside what a page cache holds.
pub(crate) const READ_AHEAD_BYTES: usize = 64_000_000;

/// The files that samples lie in, and their bytes.
#[derive(Debug)]
pub(crate) struct Cached {
    files: Vec<PathBuf>,
    /// Of the samples, headers included.
    pub(crate) bytes: u64,
}

impl Cached {
    /// Those of the samples `indices`.
    ///
    /// # Errors
    ///
    /// In words, when the samples do not lie in files.
    pub(crate) fn of(
        source: &dyn Source,
        indices: impl IntoIterator<Item = usize>,
    ) -> Result<Self, String> {
        let (mut seen, mut files, mut bytes) = (HashSet::new(), Vec::new(), 0);
        let extents = |index| place::extents_of(source, index);
        for extent in indices.into_iter().flat_map(extents) {
            let Some(path) = extent.location().path() else { continue };
            bytes += place::bytes_of(&extent).map_err(|error| error.to_string())?;
            // A file of its own comes once; those of which there may be millions are not noted twice.
            if extent.is_whole() || seen.insert(path.to_owned()) {
                files.push(path.to_owned());
            }
        }
        if files.is_empty() {
            return Err("no sample of this source lies in a file that could be cold".to_owned());
        }
        Ok(Self { files, bytes })
    }

    /// Drops them from the page cache, after writing back what is dirty, which could not be dropped.
    ///
    /// # Errors
    ///
    /// In words, when a file cannot be opened or the system does not know how.
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
    // What was read only needs none; what cannot be written back stays, and the report says so.
    let _ = file.sync_data();
    let dropped = posix_fadvise(file, 0, 0, PosixFadviseAdvice::POSIX_FADV_DONTNEED);
    dropped.map_err(|error| error.to_string())
}

#[cfg(not(target_os = "linux"))]
fn forget(_: &File) -> Result<(), String> {
    Err("this system has no call for it".to_owned())
}
