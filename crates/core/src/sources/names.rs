//! The names of a folder's files: listed, sorted, and held without an allocation each.

use std::collections::HashSet;
use std::ffi::{CStr, OsStr};
use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

use rustix::fs::{AtFlags, Dir, FileType, Mode, OFlags, fstat, openat, statat};
use rustix::io::retry_on_intr;

use super::file::open_folder;
use crate::error::list_names;
use crate::{Error, ErrorKind, Result};

/// Paths below a folder, in byte order, each ended by a NUL as the kernel wants it.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Names {
    bytes: Vec<u8>,
    /// Where each name begins; one more than there are names.
    starts: Vec<usize>,
}

impl Names {
    pub(super) fn from_sorted<'a>(names: impl Iterator<Item = &'a CStr>) -> Self {
        let mut this = Self { bytes: Vec::new(), starts: vec![0] };
        for name in names {
            this.bytes.extend_from_slice(name.to_bytes_with_nul());
            this.starts.push(this.bytes.len());
        }
        this
    }

    pub(super) fn len(&self) -> usize {
        self.starts.len().saturating_sub(1)
    }

    pub(super) fn get(&self, index: usize) -> &CStr {
        let name = &self.bytes[self.starts[index]..self.starts[index + 1]];
        CStr::from_bytes_with_nul(name).unwrap_or_default()
    }

    pub(super) fn path(&self, index: usize) -> &Path {
        Path::new(OsStr::from_bytes(self.get(index).to_bytes()))
    }

    /// The name without its extension: what partners share.
    pub(super) fn stem(&self, index: usize) -> &[u8] {
        let name = self.get(index).to_bytes();
        name.rfind_dot().map_or(name, |dot| &name[..dot])
    }

    pub(super) fn iter(&self) -> impl ExactSizeIterator<Item = &CStr> {
        (0..self.len()).map(|index| self.get(index))
    }

    /// All names, for fingerprints.
    pub(super) fn as_bytes(&self) -> &[u8] {
        &self.bytes
    }

    pub(super) fn memory_bytes(&self) -> usize {
        self.bytes.capacity() + self.starts.capacity() * size_of::<usize>()
    }
}

trait RfindDot {
    fn rfind_dot(&self) -> Option<usize>;
}

impl RfindDot for [u8] {
    fn rfind_dot(&self) -> Option<usize> {
        self.iter().rposition(|&byte| byte == b'.')
    }
}

/// What a folder holds, as far as one kind of file is concerned.
#[derive(Debug)]
pub(super) struct Listing {
    pub(super) names: Names,
    /// Entries that were passed over: hidden ones and those of another extension.
    pub(super) ignored: usize,
}

/// Lists the files of `folder` whose extension is `extension` in any case, sorted by their bytes.
///
/// Names that begin with a dot are passed over: file managers and network file systems leave such
/// files beside the data. Whatever else has the extension is listed, regular file or not, so that
/// a directory or FIFO in the place of a sample is an error of that sample and not a gap.
pub(super) fn list(folder: &Path, extension: &str, recursive: bool) -> Result<Listing> {
    let root = open_folder(folder)?;
    let mut scan = Scan::new(extension, recursive);
    let mut prefix = Vec::new();
    // What was under way when it failed is below the prefix.
    scan.folder(root.as_fd(), &mut prefix, &mut Vec::new())
        .map_err(|error| error.with_path(folder.join(OsStr::from_bytes(&prefix))))?;
    let Scan { bytes, mut starts, ignored, .. } = scan;
    let name = |start: &usize| CStr::from_bytes_until_nul(&bytes[*start..]).unwrap_or_default();
    starts.sort_unstable_by(|a, b| name(a).cmp(name(b)));
    Ok(Listing { names: Names::from_sorted(starts.iter().map(name)), ignored })
}

/// Each level holds a descriptor while what is below it is listed.
const DEPTH_MAX: usize = 64;

/// Folders that are listed again because another link leads to them.
const REPEATED_MAX: usize = 4096;

struct Scan<'a> {
    extension: &'a str,
    recursive: bool,
    bytes: Vec<u8>,
    starts: Vec<usize>,
    ignored: usize,
    /// The folders listed so far, and how many came a second time, by another link.
    seen: HashSet<(u64, u64)>,
    repeated: usize,
}

impl<'a> Scan<'a> {
    fn new(extension: &'a str, recursive: bool) -> Self {
        Self {
            extension,
            recursive,
            bytes: Vec::new(),
            starts: Vec::new(),
            ignored: 0,
            seen: HashSet::new(),
            repeated: 0,
        }
    }

    /// Counts a folder. Links may lead to one folder by several names, each of which counts; but
    /// folders that all link to each other have more paths than could ever be listed.
    fn enter(&mut self, identity: (u64, u64)) -> Result<()> {
        self.repeated += usize::from(!self.seen.insert(identity));
        if self.repeated <= REPEATED_MAX {
            return Ok(());
        }
        let message = format!("links lead to the same folders more than {REPEATED_MAX} times");
        Err(Error::new(ErrorKind::TooLarge, message))
    }

    /// Adds what is in `folder`, whose path below the root is `prefix`. `above` are the folders
    /// on the way here, by device and inode: a link to one of them would lead round for ever.
    fn folder(
        &mut self,
        folder: BorrowedFd<'_>,
        prefix: &mut Vec<u8>,
        above: &mut Vec<(u64, u64)>,
    ) -> Result<()> {
        let stat = fstat(folder).map_err(|e| Error::io("look at the folder", e.into()))?;
        let identity = (stat.st_dev, stat.st_ino);
        if above.contains(&identity) {
            return Ok(());
        }
        if above.len() == DEPTH_MAX {
            let message = format!("folders nested more than {DEPTH_MAX} deep");
            return Err(Error::new(ErrorKind::TooLarge, message));
        }
        self.enter(identity)?;
        above.push(identity);
        let entries = Dir::read_from(folder).map_err(|e| Error::io("list the folder", e.into()))?;
        for entry in entries {
            let entry = entry.map_err(|e| Error::io("list the folder", e.into()))?;
            let name = entry.file_name();
            if name == c"." || name == c".." {
                continue;
            }
            self.entry(folder, name, entry.file_type(), prefix, above)?;
        }
        above.pop();
        Ok(())
    }

    fn entry(
        &mut self,
        folder: BorrowedFd<'_>,
        name: &CStr,
        kind: FileType,
        prefix: &mut Vec<u8>,
        above: &mut Vec<(u64, u64)>,
    ) -> Result<()> {
        let bytes = name.to_bytes();
        if bytes.starts_with(b".") {
            self.ignored += 1;
        } else if self.has_extension(bytes) {
            self.starts.push(self.bytes.len());
            self.bytes.extend_from_slice(prefix);
            self.bytes.extend_from_slice(name.to_bytes_with_nul());
        } else if self.recursive && is_folder(folder, name, kind) {
            self.below(folder, name, prefix, above)?;
        } else {
            self.ignored += 1;
        }
        Ok(())
    }

    fn below(
        &mut self,
        folder: BorrowedFd<'_>,
        name: &CStr,
        prefix: &mut Vec<u8>,
        above: &mut Vec<(u64, u64)>,
    ) -> Result<()> {
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
        let len = prefix.len();
        prefix.extend_from_slice(name.to_bytes());
        prefix.push(b'/');
        let child = retry_on_intr(|| openat(folder, name, flags, Mode::empty()))
            .map_err(|e| Error::io("open the folder", e.into()))?;
        self.folder(child.as_fd(), prefix, above)?;
        prefix.truncate(len);
        Ok(())
    }

    fn has_extension(&self, name: &[u8]) -> bool {
        name.rfind_dot()
            .is_some_and(|dot| name[dot + 1..].eq_ignore_ascii_case(self.extension.as_bytes()))
    }
}

/// Whether an entry is a folder, following links; a `stat` only where the listing does not say.
fn is_folder(folder: BorrowedFd<'_>, name: &CStr, kind: FileType) -> bool {
    match kind {
        FileType::Directory => true,
        FileType::Symlink | FileType::Unknown => statat(folder, name, AtFlags::empty())
            .is_ok_and(|stat| FileType::from_raw_mode(stat.st_mode) == FileType::Directory),
        _ => false,
    }
}

/// The samples that every folder has, by stem, as indices into each listing and in the order of
/// the first; and every stem that some folder lacks or has twice.
#[derive(Debug)]
pub(super) struct Pairing {
    /// For each folder, the index of each sample's file; `None` where all folders hold the very
    /// same names.
    pub(super) indices: Option<Vec<Vec<usize>>>,
    pub(super) problems: Vec<Error>,
}

/// Pairs the files of several folders by stem, all before the first read.
pub(super) fn pair(folders: &[(&Path, &Names)]) -> Pairing {
    let sorted: Vec<Vec<usize>> = folders.iter().map(|(_, names)| by_stem(names)).collect();
    let mut problems = Vec::new();
    for ((folder, names), order) in folders.iter().zip(&sorted) {
        problems.extend(duplicates(folder, names, order));
    }
    for (i, (folder, names)) in folders.iter().enumerate() {
        for (j, (other, others)) in folders.iter().enumerate() {
            if i != j {
                let missing = missing(names, &sorted[i], others, &sorted[j]);
                let name = |index| names.path(index);
                problems.extend(missing.into_iter().map(|at| unpaired(folder, name(at), other)));
            }
        }
    }
    let same = problems.is_empty() && folders.windows(2).all(|pair| pair[0].1 == pair[1].1);
    let indices = (!same).then(|| common(folders, &sorted));
    Pairing { indices, problems }
}

fn by_stem(names: &Names) -> Vec<usize> {
    let mut order: Vec<usize> = (0..names.len()).collect();
    order.sort_by(|&a, &b| names.stem(a).cmp(names.stem(b)));
    order
}

fn duplicates(folder: &Path, names: &Names, order: &[usize]) -> Vec<Error> {
    let twins = order.windows(2).filter(|pair| names.stem(pair[0]) == names.stem(pair[1]));
    twins
        .map(|pair| {
            let message = format!("has the same stem as {:?}", names.path(pair[0]));
            Error::new(ErrorKind::Duplicate, message).with_path(folder.join(names.path(pair[1])))
        })
        .collect()
}

/// Indices of `names` whose stem is not among `others`.
fn missing(names: &Names, order: &[usize], others: &Names, other_order: &[usize]) -> Vec<usize> {
    let has = |stem: &[u8]| other_order.binary_search_by(|&o| others.stem(o).cmp(stem)).is_ok();
    order.iter().copied().filter(|&index| !has(names.stem(index))).collect()
}

fn unpaired(folder: &Path, name: &Path, other: &Path) -> Error {
    let message = format!("has no partner in {other:?}");
    Error::new(ErrorKind::Unpaired, message).with_path(folder.join(name))
}

/// What all folders have; of twins, the first by stem order.
fn common(folders: &[(&Path, &Names)], sorted: &[Vec<usize>]) -> Vec<Vec<usize>> {
    let find = |k: usize, stem: &[u8]| {
        let names = folders[k].1;
        let at = sorted[k].partition_point(|&index| names.stem(index) < stem);
        sorted[k].get(at).copied().filter(|&index| names.stem(index) == stem)
    };
    let mut indices = vec![Vec::new(); folders.len()];
    let first = folders[0].1;
    for index in 0..first.len() {
        let stem = first.stem(index);
        let found: Option<Vec<usize>> = (0..folders.len()).map(|k| find(k, stem)).collect();
        // A twin of the first folder finds the other twin, and is left out.
        if let Some(found) = found.filter(|found| found[0] == index) {
            indices.iter_mut().zip(found).for_each(|(list, index)| list.push(index));
        }
    }
    indices
}

/// All pairing problems as one error: the names by kind, the first ten of each, and their number.
pub(super) fn summarize(problems: &[Error]) -> Option<Error> {
    let of = |kind: ErrorKind| problems.iter().filter(move |p| p.kind() == kind);
    let mut parts = Vec::new();
    for kind in [ErrorKind::Unpaired, ErrorKind::Duplicate] {
        let listed: Vec<String> = of(kind)
            .map(|p| format!("{:?} {}", p.path().unwrap_or(Path::new("")), p.message()))
            .collect();
        if !listed.is_empty() {
            let (total, names) = (listed.len(), list_names(listed.iter()));
            parts.push(format!("{total} {}: {names}", kind.as_str()));
        }
    }
    let kind = problems.first()?.kind();
    Some(Error::new(kind, parts.join("; ")))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(names: &[&CStr]) -> Names {
        Names::from_sorted(names.iter().copied())
    }

    #[test]
    fn equal_folders_need_no_indices() {
        let (a, b) = (names(&[c"a.npy", c"b.npy"]), names(&[c"a.npy", c"b.npy"]));
        let pairing = pair(&[(Path::new("x"), &a), (Path::new("y"), &b)]);
        assert!(pairing.indices.is_none() && pairing.problems.is_empty());
    }

    #[test]
    fn missing_extra_and_duplicate_partners_are_all_named() {
        let a = names(&[c"a.npy", c"b.npy", c"c.npy"]);
        let b = names(&[c"b.NPY", c"b.npy", c"c.NPY", c"d.npy"]);
        let pairing = pair(&[(Path::new("x"), &a), (Path::new("y"), &b)]);
        let text = summarize(&pairing.problems).unwrap().to_string();
        for words in ["\"x/a.npy\" has no partner", "\"y/d.npy\" has no partner", "same stem"] {
            assert!(text.contains(words), "{text}");
        }
        assert_eq!(pairing.problems.len(), 3);
        assert_eq!(pairing.indices.unwrap(), [vec![1, 2], vec![0, 2]]);
    }

    #[test]
    fn the_order_is_that_of_the_first_folder() {
        // By whole name "a-b.npy" comes before "a.npy", by stem after it.
        let a = names(&[c"a-b.npy", c"a.npy"]);
        let b = names(&[c"a-b.NPY", c"a.npy"]);
        let pairing = pair(&[(Path::new("x"), &a), (Path::new("y"), &b)]);
        assert!(pairing.problems.is_empty());
        assert_eq!(pairing.indices.unwrap(), [vec![0, 1], vec![0, 1]]);
    }

    #[test]
    fn hidden_and_foreign_files_are_passed_over_and_folders_descended() {
        let dir = tempfile::tempdir().unwrap();
        for name in ["b.npy", "a.NPY", ".hidden.npy", "c.tmp", "c.npy~", "sub/d.npy"] {
            let path = dir.path().join(name);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, "").unwrap();
        }
        std::os::unix::fs::symlink(dir.path(), dir.path().join("sub/round")).unwrap();
        let flat = list(dir.path(), "npy", false).unwrap();
        assert_eq!(flat.names.iter().collect::<Vec<_>>(), [c"a.NPY", c"b.npy"]);
        assert_eq!(flat.ignored, 4);
        let deep = list(dir.path(), "npy", true).unwrap();
        assert_eq!(deep.names.iter().collect::<Vec<_>>(), [c"a.NPY", c"b.npy", c"sub/d.npy"]);
    }
}
