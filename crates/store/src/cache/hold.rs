//! One process at a time fetches a page.

use std::fs::{self, File, OpenOptions, TryLockError};
use std::io::{self, Write};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

/// Who fetches a page.
#[derive(Debug)]
pub(crate) enum Turn {
    /// This process, as long as it holds this.
    Ours(Hold),
    /// Another one.
    Theirs,
    /// Nobody: it is in the cache.
    Here,
    /// Each that wants it: the folder takes no locks, or no files.
    Unknown,
}

/// The file that becomes a page. It is locked until then, or until its process ends, and removed if it is dropped
/// before.
#[derive(Debug)]
pub(crate) struct Hold {
    file: File,
    path: PathBuf,
    is_kept: bool,
}

impl Hold {
    /// That of a page that others may want as well; none if one of them has it.
    ///
    /// # Errors
    ///
    /// If there can be none.
    pub(super) fn shared(path: PathBuf) -> io::Result<Option<Self>> {
        let file = OpenOptions::new().write(true).create(true).truncate(false).open(&path)?;
        match file.try_lock() {
            Err(TryLockError::WouldBlock) => return Ok(None),
            Err(TryLockError::Error(error)) => return Err(error),
            Ok(()) => {}
        }
        // It may have been renamed or removed before it was locked. While it is locked, nobody else does.
        let held = file.metadata()?;
        let is_same = fs::metadata(&path)
            .is_ok_and(|found| (found.dev(), found.ino()) == (held.dev(), held.ino()));
        Ok(is_same.then_some(Self { file, path, is_kept: false }))
    }

    /// A file of its own.
    pub(super) fn own(path: PathBuf) -> io::Result<Self> {
        let file = File::create_new(&path)?;
        // A file that nobody holds has been left behind.
        file.lock()?;
        Ok(Self { file, path, is_kept: false })
    }

    /// Gives the file its size, whatever a process that was killed left in it.
    pub(super) fn set_size(&self, bytes: u64) -> io::Result<()> {
        self.file.set_len(0)?;
        self.file.set_len(bytes)
    }

    /// Writes the file, whose name is then that of its page.
    pub(super) fn keep(mut self, bytes: &[u8], page: &Path) -> io::Result<()> {
        self.file.write_all(bytes)?;
        fs::rename(&self.path, page)?;
        self.is_kept = true;
        Ok(())
    }
}

impl Drop for Hold {
    fn drop(&mut self) {
        if !self.is_kept {
            let _ = fs::remove_file(&self.path);
        }
    }
}
