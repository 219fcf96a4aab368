use std::io::{self, Read};
use std::path::{Path, PathBuf};

use super::File;
use super::open::open_path;
use super::stamp::Stamp;
use crate::{Error, ErrorKind, Result};

/// A file that is read once from its beginning to its end, which must not change meanwhile.
#[derive(Debug)]
pub(crate) struct Through {
    file: File,
    path: PathBuf,
    stamp: Stamp,
    at: u64,
}

impl Through {
    /// Opens a file at rest.
    ///
    /// # Errors
    ///
    /// Those of opening, with the path; [`ErrorKind::Changed`] when the file goes on changing.
    pub(crate) fn open(path: &Path) -> Result<Self> {
        let place = |error: Error| error.with_path(path);
        let file = open_path(path).map_err(place)?;
        let (stamp, ()) = Stamp::at_rest(&file, |_| Ok(())).map_err(place)?;
        Ok(Self { file, path: path.to_owned(), stamp, at: 0 })
    }

    /// The length of the file.
    pub(crate) fn bytes(&self) -> u64 {
        self.stamp.bytes
    }

    fn check(&self) -> Result<()> {
        if Stamp::of_regular(&self.file)?.same_contents(&self.stamp) {
            return Ok(());
        }
        let message = "the file was written to while it was being read";
        Err(Error::new(ErrorKind::Changed, message))
    }
}

/// At the end it is checked that the file is as it was when it was opened.
impl Read for Through {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = self.file.read_at(buffer, self.at)?;
        self.at += read as u64;
        if read == 0 && !buffer.is_empty() {
            let place = |error: Error| error.with_path(&self.path);
            self.check().map_err(|error| io::Error::other(place(error)))?;
        }
        Ok(read)
    }
}
