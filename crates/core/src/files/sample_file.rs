use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::open::{files_max, open_path, open_path_waiting};
use super::{Extent, File, Location, Opened, Stamp, Unchecked};
use crate::{Error, Fingerprint, FingerprintBuilder, Result};

/// A file of many samples, as it was when it was opened.
///
/// The first few files of a source stay open. Others are opened for each read, so that a source of many
/// files does not use up the process's descriptors.
#[derive(Debug)]
pub(crate) struct SampleFile {
    path: PathBuf,
    location: Location,
    open: Arc<OpenFile>,
}

/// What a file was when it was opened, and the file itself if it stays open.
#[derive(Debug)]
pub(super) struct OpenFile {
    file: Option<File>,
    opened: Opened,
}

impl OpenFile {
    /// When the status of the file had changed last, as far as is known.
    pub(super) fn changed(&self) -> i64 {
        self.opened.changed()
    }

    /// Whether the file, which stays open, has not even changed its status since `changed`.
    pub(super) fn is_unchanged_since(&self, changed: i64) -> bool {
        self.file.as_ref().is_some_and(|file| self.opened.is_unchanged_since(file, changed))
    }
}

/// How many files a source keeps open: few enough to leave most descriptors to the process.
pub(crate) fn held_max() -> usize {
    const HELD_MAX: u64 = 64;
    files_max().map_or(HELD_MAX, |limit| HELD_MAX.min(limit / 4)) as usize
}

impl SampleFile {
    /// Opens a file that is kept open, as of [`open`](Self::open).
    pub(crate) fn open_one<T>(
        path: &Path,
        read: impl FnOnce(&File, u64) -> Result<(T, Vec<u8>)>,
    ) -> Result<(Self, T)> {
        Self::open(path, 0, 1, read)
    }

    /// Opens file number `at` of a source that keeps `held` open. While the file is at rest, `read`
    /// makes of it, with its length, what the source must know, and returns what the file begins with.
    ///
    /// # Errors
    ///
    /// Those of opening and of `read`, with the path.
    pub(crate) fn open<T>(
        path: &Path,
        at: usize,
        held: usize,
        read: impl FnOnce(&File, u64) -> Result<(T, Vec<u8>)>,
    ) -> Result<(Self, T)> {
        let place = |error: Error| error.with_path(path);
        let file = open_path(path).map_err(place)?;
        let read = Stamp::at_rest(&file, |stamp| read(&file, stamp.bytes));
        let (stamp, (read, head)) = read.map_err(place)?;
        let opened = Opened::new(stamp, &head);
        let (path, location) = (path.to_owned(), Location::file(path).opened(&file));
        let file = (at < held || !file.has_descriptor()).then(|| file.settled());
        let open = Arc::new(OpenFile { file, opened });
        Ok((Self { path, location, open }, read))
    }

    /// Runs `read` on the file, unless it was written to since it was opened; with `unchecked` it is noted
    /// there instead, if it stays open, and looked at later. Errors name the path.
    pub(crate) fn read(
        &self,
        unchecked: Option<&Unchecked>,
        is_stopped: &impl Fn() -> bool,
        mut read: impl FnMut(&File) -> Result<()>,
    ) -> Result<()> {
        let OpenFile { file, opened } = &*self.open;
        let mut read_open = |file: &File| opened.read(file, || read(file));
        let result = match (file, unchecked) {
            (Some(file), Some(unchecked)) if file.local().is_some() => {
                unchecked.note(&self.open);
                read(file)
            }
            (Some(file), _) => read_open(file),
            (None, _) => {
                open_path_waiting(&self.path, is_stopped).and_then(|file| read_open(&file))
            }
        };
        result.map_err(|error| error.with_path(&self.path))
    }

    /// The path.
    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// Where its bytes lie.
    pub(crate) fn location(&self) -> &Location {
        &self.location
    }

    /// `bytes` bytes of it from `offset` on.
    pub(crate) fn extent(&self, offset: u64, bytes: usize) -> Extent {
        Extent::part(self.location.clone(), offset, bytes)
    }

    /// How sample `own` of it is called.
    pub(crate) fn name_of(&self, own: usize) -> String {
        format!("{}[{own}]", self.path.display())
    }

    /// Its beginning and its length, which stand for its contents.
    pub(crate) fn add_to(&self, print: FingerprintBuilder) -> FingerprintBuilder {
        print.with(self.beginning()).number(self.bytes()).with_versions(self.location.versions())
    }

    /// What it begins with.
    pub(crate) fn beginning(&self) -> Fingerprint {
        self.open.opened.head()
    }

    /// Its length in bytes.
    pub(crate) fn bytes(&self) -> u64 {
        self.open.opened.bytes()
    }
}
