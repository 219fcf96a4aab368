//! Files that a command writes beside its report.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use crate::exit::{Failure, Result};

/// A file that was opened before the work began, so that a path that cannot be written is told at
/// once and not after an hour of loading. What was in it stays until there is something to put in
/// its place; a file that was not there before is gone again if nothing is.
#[derive(Debug)]
pub(crate) struct Output {
    path: PathBuf,
    file: File,
    /// Whether to remove it.
    unwritten: bool,
}

impl Output {
    /// Opens the file of the option `option`.
    ///
    /// # Errors
    ///
    /// A usage error, when it cannot be written.
    pub(crate) fn open(option: &str, path: &Path) -> Result<Self> {
        let unwritten = !path.exists();
        let file = OpenOptions::new().write(true).create(true).truncate(false).open(path);
        let file = file.map_err(|error| {
            Failure::Usage(format!("cannot write {path:?}, which {option} names: {error}"))
        })?;
        Ok(Self { path: path.to_owned(), file, unwritten })
    }

    /// Puts `contents` in the place of what was there.
    pub(crate) fn write(mut self, contents: &str) -> Result {
        self.begin()
            .and_then(|mut file| file.write_all(contents.as_bytes()))
            .map_err(|error| self.failed(&error))
    }

    /// The file, empty, for whoever writes it piece by piece.
    pub(crate) fn begin(&mut self) -> io::Result<File> {
        // What is no file, a pipe say, has nothing to be cut off.
        if self.file.metadata()?.is_file() {
            self.file.set_len(0)?;
        }
        self.unwritten = false;
        self.file.try_clone()
    }

    pub(crate) fn failed(&self, error: &io::Error) -> Failure {
        Failure::failed(format!("cannot write {:?}: {error}", self.path))
    }
}

impl Drop for Output {
    fn drop(&mut self) {
        if self.unwritten {
            // Nobody is hurt by an empty file that stays.
            let _ = fs::remove_file(&self.path);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_there_stays_until_it_is_replaced() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("x");
        drop(Output::open("--x", &path).unwrap());
        assert!(!path.exists());
        fs::write(&path, "before, and long").unwrap();
        drop(Output::open("--x", &path).unwrap());
        assert_eq!(fs::read_to_string(&path).unwrap(), "before, and long");
        Output::open("--x", &path).unwrap().write("after").unwrap();
        assert_eq!(fs::read_to_string(&path).unwrap(), "after");
        assert!(Output::open("--x", dir.path()).is_err());
        assert!(Output::open("--x", &dir.path().join("absent/x")).is_err());
    }
}
