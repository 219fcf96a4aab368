//! What a folder holds that may be samples, by the names in it.

use std::ffi::{CStr, OsStr};
use std::ops::ControlFlow;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use super::column::PICTURES;
use super::format::{Folder, Format};
use crate::Result;
use crate::files::{Pattern, list, visit_entries};

/// The names in one folder, without those that are hidden.
#[derive(Debug, Default)]
pub(super) struct Contents {
    /// The number of `.npy` files, and the paths of a few.
    pub(super) npy: usize,
    met: Vec<PathBuf>,
    /// The number of files that may be pictures.
    pub(super) pictures: usize,
    /// The formats of files that hold many samples each.
    pub(super) shards: Vec<&'static Format>,
    /// A format of files that may be samples, and their number.
    may_be_samples: (Option<&'static Format>, usize),
    /// Folders, and links to folders, in the order of their names.
    pub(super) folders: Vec<PathBuf>,
    /// Files of formats that share their extension with anything else; they count as others.
    pub(super) unsaid: Vec<&'static Format>,
    /// Other entries.
    pub(super) others: usize,
}

/// What a file may be, by its extension.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    Npy,
    Picture,
    /// A file of many samples.
    Shard(&'static Format),
}

impl Kind {
    /// Those with a file per sample.
    pub(super) const FILES: [Self; 2] = [Self::Npy, Self::Picture];

    pub(super) fn of(name: &[u8]) -> Option<Self> {
        let dot = name.iter().rposition(|&byte| byte == b'.')?;
        let is = |other: &str| name[dot + 1..].eq_ignore_ascii_case(other.as_bytes());
        if is("npy") {
            return Some(Self::Npy);
        }
        if PICTURES.iter().any(|picture| is(picture)) {
            return Some(Self::Picture);
        }
        Format::of_name(name).map(Self::Shard)
    }
}

impl Contents {
    /// If there are at most this many `.npy` files, their names matter: a pair of arrays, or one.
    const FEW: usize = 2;

    /// The most folders to look into; a message names fewer.
    const FOLDERS_MAX: usize = 64;

    pub(super) fn of(folder: &Path) -> Result<Self> {
        let mut found = Self::default();
        visit_entries(folder, |name, is_folder| {
            found.add(folder, name, is_folder);
            ControlFlow::Continue(())
        })?;
        found.met.sort_unstable();
        found.folders.sort_unstable();
        found.settle();
        Ok(found)
    }

    /// Takes files that may be samples for that, unless they are for something else: `train` and `test`
    /// are data sets, and what lies beside samples of other kinds belongs to these.
    fn settle(&mut self) {
        const SAMPLES_MIN: usize = 2;
        let (Some(format), count) = self.may_be_samples else { return };
        let is_alone = self.npy + self.pictures == 0 && self.shards.is_empty();
        if is_alone && count >= SAMPLES_MIN && self.folders_with(&Kind::FILES).is_empty() {
            self.shards.push(format);
        } else {
            self.others += count;
        }
    }

    fn add(&mut self, folder: &Path, name: &CStr, is_folder: &dyn Fn() -> bool) {
        let path = || folder.join(OsStr::from_bytes(name.to_bytes()));
        match Kind::of(name.to_bytes()) {
            Some(Kind::Npy) => {
                self.npy += 1;
                if self.met.len() < Self::FEW {
                    self.met.push(path());
                }
            }
            Some(Kind::Picture) => self.pictures += 1,
            Some(Kind::Shard(format))
                if matches!(format.folder, Folder::OfShards | Folder::OfIndex) =>
            {
                if !self.shards.contains(&format) {
                    self.shards.push(format);
                }
            }
            Some(Kind::Shard(format))
                if format.folder == Folder::OfSamples && !is_split(name.to_bytes()) =>
            {
                self.may_be_samples = (Some(format), self.may_be_samples.1 + 1);
            }
            Some(Kind::Shard(format)) => {
                self.others += 1;
                if format.folder == Folder::Anything && !self.unsaid.contains(&format) {
                    self.unsaid.push(format);
                }
            }
            None if is_folder() => self.folders.push(path()),
            None => self.others += 1,
        }
    }

    /// The `.npy` files by name, if they are only a few.
    pub(super) fn few(&self) -> &[PathBuf] {
        if self.npy <= Self::FEW { &self.met } else { &[] }
    }

    /// The numbers of `.npy` files and of pictures in a folder, or also in its subfolders.
    pub(super) fn count(folder: &Path, recursive: bool) -> Result<[usize; 2]> {
        if !recursive {
            return Self::of(folder).map(|found| [found.npy, found.pictures]);
        }
        let count = |extensions: &[&str]| -> Result<usize> {
            Ok(list(folder, extensions, &Pattern::default(), true)?.names.len())
        };
        Ok([count(&["npy"])?, count(&PICTURES)?])
    }

    /// The folders in it that hold a file of one of these kinds.
    pub(super) fn folders_with(&self, kinds: &[Kind]) -> Vec<PathBuf> {
        let has = |folder: &&PathBuf| has(folder, kinds);
        self.folders.iter().take(Self::FOLDERS_MAX).filter(has).cloned().collect()
    }

    /// The folders in it that are data sets of their own: of shards, or of folders with samples.
    pub(super) fn data_sets(&self) -> Vec<PathBuf> {
        let is_set = |folder: &&PathBuf| {
            Self::of(folder).is_ok_and(|found| {
                !found.shards.is_empty() || !found.folders_with(&Kind::FILES).is_empty()
            })
        };
        self.folders.iter().take(Self::FOLDERS_MAX).filter(is_set).cloned().collect()
    }
}

/// Whether a file is called as a part of a data set is.
fn is_split(name: &[u8]) -> bool {
    const SPLITS: [&str; 7] = ["train", "training", "val", "valid", "validation", "test", "dev"];
    let stem = name.iter().rposition(|&byte| byte == b'.').map_or(name, |dot| &name[..dot]);
    SPLITS.iter().any(|split| stem.eq_ignore_ascii_case(split.as_bytes()))
}

/// Whether a folder holds a file of one of these kinds.
fn has(folder: &Path, kinds: &[Kind]) -> bool {
    let mut has = false;
    let visited = visit_entries(folder, |name, _| {
        has = Kind::of(name.to_bytes()).is_some_and(|kind| kinds.contains(&kind));
        if has { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
    });
    visited.is_ok() && has
}
