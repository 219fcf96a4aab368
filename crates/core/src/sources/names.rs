//! The names of a folder's files: listed, sorted, and held without an allocation each.

use std::collections::HashSet;
use std::ffi::{CStr, OsStr};
use std::fmt;
use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

use rustix::fs::{AtFlags, Dir, FileType, Mode, OFlags, fstat, openat, statat};
use rustix::io::{Errno, retry_on_intr};

use super::file::open_folder;
use super::likeness::Likeness;
use super::stamp::Stamp;
use crate::error::list_names;
use crate::{Error, ErrorKind, Result};

/// Paths below a folder, in byte order, each ended by a NUL as the kernel wants it.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Names {
    bytes: Vec<u8>,
    /// Where each name begins; one more than there are names.
    starts: Vec<usize>,
    pattern: Pattern,
}

impl Names {
    /// Names that all match `pattern`.
    pub(super) fn from_sorted<'a>(names: impl Iterator<Item = &'a CStr>, pattern: Pattern) -> Self {
        let mut this = Self { bytes: Vec::new(), starts: vec![0], pattern };
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

    /// What partners share: the path without its extension, as its folder and what stands for the
    /// star of the pattern.
    pub(super) fn key(&self, index: usize) -> Key<'_> {
        let (folder, name) = key(self.get(index).to_bytes());
        (folder, self.pattern.strip(name).unwrap_or(name))
    }

    pub(super) fn pattern(&self) -> &Pattern {
        &self.pattern
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

/// A path without its extension in two parts: its folder, and its name.
pub(super) type Key<'a> = (&'a [u8], &'a [u8]);

fn key(path: &[u8]) -> Key<'_> {
    let name_at = path.iter().rposition(|&byte| byte == b'/').map_or(0, |slash| slash + 1);
    let (folder, name) = path.split_at(name_at);
    (folder, rfind_dot(name).map_or(name, |dot| &name[..dot]))
}

fn rfind_dot(name: &[u8]) -> Option<usize> {
    name.iter().rposition(|&byte| byte == b'.')
}

/// What the stems of a folder's files have around the part that they share with their partners.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Pattern {
    prefix: Vec<u8>,
    suffix: Vec<u8>,
}

impl Pattern {
    pub(super) fn new(prefix: &str, suffix: &str) -> Self {
        Self { prefix: prefix.into(), suffix: suffix.into() }
    }

    /// Whether what stands around the star is more than digits, where anything does.
    pub(super) fn is_word(&self) -> bool {
        let is_word = |part: &[u8]| part.is_empty() || !part.iter().all(u8::is_ascii_digit);
        is_word(&self.prefix) && is_word(&self.suffix)
    }

    /// The pattern that `text` is: one star among characters that stand for themselves.
    pub(super) fn parse(text: &str) -> Result<Self> {
        match text.split_once('*') {
            Some((prefix, suffix)) if !suffix.contains('*') && !text.contains('/') => {
                Ok(Self::new(prefix, suffix))
            }
            _ => {
                let message =
                    format!("a pattern {text:?}, expected a name with one '*', as \"*_mask\"");
                Err(Error::new(ErrorKind::Config, message))
            }
        }
    }

    /// What stands for the star in `name`, if it matches.
    pub(super) fn strip<'a>(&self, name: &'a [u8]) -> Option<&'a [u8]> {
        name.strip_prefix(self.prefix.as_slice())?.strip_suffix(self.suffix.as_slice())
    }

    /// This pattern with `inner` in the place of its star.
    pub(super) fn around(&self, inner: Self) -> Self {
        let prefix = [&self.prefix[..], &inner.prefix].concat();
        Self { prefix, suffix: [&inner.suffix[..], &self.suffix].concat() }
    }

    /// Whether every name matches.
    pub(super) fn is_any(&self) -> bool {
        self.prefix.is_empty() && self.suffix.is_empty()
    }
}

impl fmt::Display for Pattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [prefix, suffix] = [&self.prefix, &self.suffix].map(|b| String::from_utf8_lossy(b));
        write!(f, "{prefix}*{suffix}")
    }
}

/// What a folder holds, as far as one kind of file is concerned.
#[derive(Debug)]
pub(super) struct Listing {
    pub(super) names: Names,
    /// Entries that were passed over: hidden ones, those of another extension and those that do
    /// not match the pattern.
    pub(super) ignored: usize,
}

/// Lists the files of `folder` whose extension is `extension` in any case and whose stem matches
/// `pattern`, sorted by their bytes.
///
/// Names that begin with a dot are passed over: file managers and network file systems leave such
/// files beside the data. Whatever else has the extension is listed, regular file or not, so that
/// a directory or FIFO in the place of a sample is an error of that sample and not a gap.
///
/// # Errors
///
/// [`ErrorKind::Changed`] when entries come and go as often as the folder is listed: a listing may
/// then lack files that were there all the while.
pub(super) fn list(
    folder: &Path,
    extension: &str,
    pattern: &Pattern,
    recursive: bool,
) -> Result<Listing> {
    const TRIES: usize = 3;
    let mut result = list_once(folder, extension, pattern, recursive);
    for _ in 1..TRIES {
        match result {
            Err(error) if error.kind() == ErrorKind::Changed => {}
            result => return result,
        }
        result = list_once(folder, extension, pattern, recursive);
    }
    result
}

fn list_once(
    folder: &Path,
    extension: &str,
    pattern: &Pattern,
    recursive: bool,
) -> Result<Listing> {
    let root = open_folder(folder)?;
    let mut scan = Scan::new(extension, pattern, recursive);
    let mut prefix = Vec::new();
    // What was under way when it failed is below the prefix.
    scan.folder(root.as_fd(), &mut prefix, &mut Vec::new())
        .map_err(|error| error.with_path(folder.join(OsStr::from_bytes(&prefix))))?;
    let Scan { bytes, mut starts, ignored, .. } = scan;
    let name = |start: &usize| CStr::from_bytes_until_nul(&bytes[*start..]).unwrap_or_default();
    starts.sort_unstable_by(|a, b| name(a).cmp(name(b)));
    let names = Names::from_sorted(starts.iter().map(name), pattern.clone());
    Ok(Listing { names, ignored })
}

/// Each level holds a descriptor while what is below it is listed.
const DEPTH_MAX: usize = 64;

/// Folders that are listed again because another link leads to them.
const REPEATED_MAX: usize = 4096;

struct Scan<'a> {
    extension: &'a str,
    pattern: &'a Pattern,
    recursive: bool,
    bytes: Vec<u8>,
    starts: Vec<usize>,
    ignored: usize,
    /// The folders listed so far, and how many came a second time, by another link.
    seen: HashSet<(u64, u64)>,
    repeated: usize,
}

impl<'a> Scan<'a> {
    fn new(extension: &'a str, pattern: &'a Pattern, recursive: bool) -> Self {
        Self {
            extension,
            pattern,
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
        let listed = Stamp::folder_at_rest(folder, || self.entries(folder, prefix, above));
        above.pop();
        // Also of a folder below, which a folder that changed may have lost.
        listed.map_err(|error| match error.kind() {
            ErrorKind::Changed => folder_changed(),
            _ => error,
        })
    }

    fn entries(
        &mut self,
        folder: BorrowedFd<'_>,
        prefix: &mut Vec<u8>,
        above: &mut Vec<(u64, u64)>,
    ) -> Result<()> {
        let entries = Dir::read_from(folder).map_err(|e| Error::io("list the folder", e.into()))?;
        for entry in entries {
            let entry = entry.map_err(|e| Error::io("list the folder", e.into()))?;
            let name = entry.file_name();
            if name == c"." || name == c".." {
                continue;
            }
            self.entry(folder, name, entry.file_type(), prefix, above)?;
        }
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
        } else if self.is_sample(bytes) {
            self.starts.push(self.bytes.len());
            self.bytes.extend_from_slice(prefix);
            self.bytes.extend_from_slice(name.to_bytes_with_nul());
        } else if self.recursive && is_folder(folder, name, kind)? {
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
        let child = retry_on_intr(|| openat(folder, name, flags, Mode::empty())).map_err(|e| {
            let is_gone = e == Errno::NOENT;
            if is_gone { folder_changed() } else { Error::io("open the folder", e.into()) }
        })?;
        self.folder(child.as_fd(), prefix, above)?;
        prefix.truncate(len);
        Ok(())
    }

    fn is_sample(&self, name: &[u8]) -> bool {
        rfind_dot(name).is_some_and(|dot| {
            name[dot + 1..].eq_ignore_ascii_case(self.extension.as_bytes())
                && self.pattern.strip(&name[..dot]).is_some()
        })
    }
}

#[cold]
fn folder_changed() -> Error {
    Error::new(ErrorKind::Changed, "entries came or went while the folder was being listed")
}

/// Whether an entry is a folder, following links; a `stat` only where the listing does not say.
fn is_folder(folder: BorrowedFd<'_>, name: &CStr, kind: FileType) -> Result<bool> {
    match kind {
        FileType::Directory => return Ok(true),
        FileType::Symlink | FileType::Unknown => {}
        _ => return Ok(false),
    }
    match retry_on_intr(|| statat(folder, name, AtFlags::empty())) {
        Ok(stat) => Ok(FileType::from_raw_mode(stat.st_mode) == FileType::Directory),
        // A link to nothing, or round in a circle, leads to no folder. What is gone altogether
        // may have been one.
        Err(Errno::NOENT | Errno::LOOP) => match statat(folder, name, AtFlags::SYMLINK_NOFOLLOW) {
            Ok(_) => Ok(false),
            Err(_) => Err(folder_changed()),
        },
        Err(errno) => {
            let name = name.to_string_lossy();
            Err(Error::io(&format!("look at the entry {name:?}"), errno.into()))
        }
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
    /// Two folders that lack each other's files, and how the names of these are alike.
    pub(super) alike: Option<(usize, usize, Likeness)>,
}

/// Pairs the files of several folders by stem, all before the first read.
pub(super) fn pair(folders: &[(&Path, &Names)]) -> Pairing {
    let sorted: Vec<Vec<usize>> = folders.iter().map(|(_, names)| by_stem(names)).collect();
    let mut problems = Vec::new();
    for ((folder, names), order) in folders.iter().zip(&sorted) {
        problems.extend(duplicates(folder, names, order));
    }
    let mut alike = None;
    for (i, (folder, names)) in folders.iter().enumerate() {
        for (j, (other, others)) in folders.iter().enumerate().filter(|(j, _)| *j != i) {
            let ours = missing(names, &sorted[i], others, &sorted[j]);
            problems.extend(ours.iter().map(|&at| unpaired(folder, names.path(at), other)));
            if alike.is_none() && !ours.is_empty() && i < j {
                let theirs = missing(others, &sorted[j], names, &sorted[i]);
                let likeness = Likeness::between((names, &ours), (others, &theirs));
                alike = likeness.map(|likeness| (i, j, likeness));
            }
        }
    }
    let same = problems.is_empty() && folders.windows(2).all(|pair| pair[0].1 == pair[1].1);
    let indices = (!same).then(|| common(folders, &sorted));
    Pairing { indices, problems, alike }
}

fn by_stem(names: &Names) -> Vec<usize> {
    let mut order: Vec<usize> = (0..names.len()).collect();
    order.sort_by(|&a, &b| names.key(a).cmp(&names.key(b)));
    order
}

fn duplicates(folder: &Path, names: &Names, order: &[usize]) -> Vec<Error> {
    let twins = order.windows(2).filter(|pair| names.key(pair[0]) == names.key(pair[1]));
    twins
        .map(|pair| {
            let message = format!("has the same stem as {:?}", names.path(pair[0]));
            Error::new(ErrorKind::Duplicate, message).with_path(folder.join(names.path(pair[1])))
        })
        .collect()
}

/// Indices of `names` whose stem is not among `others`.
fn missing(names: &Names, order: &[usize], others: &Names, other_order: &[usize]) -> Vec<usize> {
    // Both are in the order of their keys, and a key is found anew each time that it is asked for.
    let mut rest = other_order.iter().map(|&at| others.key(at)).peekable();
    let mut has = |key: Key<'_>| {
        while rest.next_if(|other| *other < key).is_some() {}
        rest.peek() == Some(&key)
    };
    order.iter().copied().filter(|&index| !has(names.key(index))).collect()
}

fn unpaired(folder: &Path, name: &Path, other: &Path) -> Error {
    let message = format!("has no partner in {other:?}");
    Error::new(ErrorKind::Unpaired, message).with_path(folder.join(name))
}

/// What all folders have; of twins, the first by stem order.
fn common(folders: &[(&Path, &Names)], sorted: &[Vec<usize>]) -> Vec<Vec<usize>> {
    let find = |k: usize, key: Key<'_>| {
        let names = folders[k].1;
        let at = sorted[k].partition_point(|&index| names.key(index) < key);
        sorted[k].get(at).copied().filter(|&index| names.key(index) == key)
    };
    let mut indices = vec![Vec::new(); folders.len()];
    let first = folders[0].1;
    for index in 0..first.len() {
        let key = first.key(index);
        let found: Option<Vec<usize>> = (0..folders.len()).map(|k| find(k, key)).collect();
        // A twin of the first folder finds the other twin, and is left out.
        if let Some(found) = found.filter(|found| found[0] == index) {
            indices.iter_mut().zip(found).for_each(|(list, index)| list.push(index));
        }
    }
    indices
}

/// All pairing problems as one error: the names by kind, the first ten of each, their number, and
/// what to do.
pub(super) fn summarize(problems: &[Error], advice: Option<&str>) -> Option<Error> {
    let mut parts = Vec::new();
    // With three folders a file may lack two partners.
    let mut seen = HashSet::new();
    let unpaired = problems.iter().filter(|p| p.kind() == ErrorKind::Unpaired);
    let unpaired = unpaired.filter_map(Error::path).filter(|path| seen.insert(*path));
    let unpaired: Vec<String> = unpaired.map(|path| format!("{path:?}")).collect();
    match unpaired.len() {
        0 => {}
        1 => parts.push(format!("1 file has no partner: {}", unpaired[0])),
        total => {
            let names = list_names(unpaired.iter());
            parts.push(format!("{total} files have no partner: {names}"));
        }
    }
    let twins = problems.iter().filter(|p| p.kind() == ErrorKind::Duplicate);
    let twin = |p: &Error| format!("{:?} {}", p.path().unwrap_or(Path::new("")), p.message());
    let twins: Vec<String> = twins.map(twin).collect();
    if !twins.is_empty() {
        parts.push(format!("{} too many: {}", twins.len(), list_names(twins.iter())));
    }
    parts.extend(advice.map(str::to_owned));
    Some(Error::new(problems.first()?.kind(), parts.join("; ")))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(names: &[&CStr]) -> Names {
        Names::from_sorted(names.iter().copied(), Pattern::default())
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
        let text = summarize(&pairing.problems, None).unwrap().to_string();
        for words in ["2 files have no partner: \"x/a.npy\", \"y/d.npy\"", "same stem", "y/b.npy"] {
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
    fn a_file_that_is_renamed_while_its_folder_is_listed_is_never_missing() {
        use std::sync::atomic::{AtomicBool, Ordering};
        let dir = tempfile::tempdir().unwrap();
        let path = |name: &str| dir.path().join(name);
        (0..500).for_each(|i| std::fs::write(path(&format!("{i}.npy")), "").unwrap());
        std::fs::write(path("a.npy"), "").unwrap();
        let stop = AtomicBool::new(false);
        std::thread::scope(|scope| {
            scope.spawn(|| {
                // Bursts, and rests in which it can be listed.
                for round in 0u64.. {
                    let _ = std::fs::rename(path("a.npy"), path("b.npy"));
                    let _ = std::fs::rename(path("b.npy"), path("a.npy"));
                    let nap = if round % 64 == 0 { 50 } else { 0 };
                    std::thread::sleep(std::time::Duration::from_millis(nap));
                    if stop.load(Ordering::Relaxed) {
                        return;
                    }
                }
            });
            let listings: Vec<_> =
                (0..20).map(|_| list(dir.path(), "npy", &Pattern::default(), false)).collect();
            stop.store(true, Ordering::Relaxed);
            for listing in listings {
                match listing {
                    Ok(listing) => assert_eq!(listing.names.len(), 501),
                    Err(error) => assert_eq!(error.kind(), ErrorKind::Changed, "{error}"),
                }
            }
        });
    }

    #[test]
    fn links_that_lead_to_no_folder_are_passed_over() {
        let dir = tempfile::tempdir().unwrap();
        std::fs::write(dir.path().join("a.npy"), "").unwrap();
        for (target, link) in [("nowhere", "dangling"), ("round", "round"), ("a.npy", "file")] {
            std::os::unix::fs::symlink(target, dir.path().join(link)).unwrap();
        }
        let listing = list(dir.path(), "npy", &Pattern::default(), true).unwrap();
        assert_eq!((listing.names.len(), listing.ignored), (1, 3));
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
        let flat = list(dir.path(), "npy", &Pattern::default(), false).unwrap();
        assert_eq!(flat.names.iter().collect::<Vec<_>>(), [c"a.NPY", c"b.npy"]);
        assert_eq!(flat.ignored, 4);
        let deep = list(dir.path(), "npy", &Pattern::default(), true).unwrap();
        assert_eq!(deep.names.iter().collect::<Vec<_>>(), [c"a.NPY", c"b.npy", c"sub/d.npy"]);
    }
}
