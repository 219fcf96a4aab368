//! What a folder holds.

use std::collections::HashSet;
use std::ffi::{CStr, CString, OsStr};
use std::ops::ControlFlow;
use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

use rustix::fs::{AtFlags, Dir, FileType, Mode, OFlags, fstat, openat, statat};
use rustix::io::{Errno, retry_on_intr};

use super::names::{Names, Pattern, rfind_dot};
use super::open::open_local_folder;
use super::stamp::Stamp;
use crate::fingerprint::Versions;
#[cfg(feature = "remote")]
use crate::fingerprint::VersionsBuilder;
use crate::{Error, ErrorKind, Result};

/// What a folder holds, as far as one kind of file is concerned.
#[derive(Debug)]
pub(crate) struct Listing {
    pub(crate) names: Names,
    /// Entries that were passed over: hidden ones, those of another extension and those that do
    /// not match the pattern.
    pub(crate) ignored: usize,
    /// The folders directly below, sorted by their bytes, if folders are listed recursively.
    pub(crate) folders: Vec<CString>,
    /// Of the files, if they are objects of a store.
    pub(crate) versions: Versions,
}

/// Lists the files of `folder` whose extension is one of `extensions` in any case and whose stem
/// matches `pattern`, sorted by their bytes.
///
/// Names that begin with a dot are passed over: file managers and network file systems leave such
/// files beside the data. Everything else with the extension is listed, regular file or not, so that
/// a directory or FIFO instead of a sample is an error of that sample and not a gap.
///
/// # Errors
///
/// [`ErrorKind::Changed`] when entries come and go as often as the folder is listed: a listing may
/// then lack files that were there all the while.
pub(crate) fn list(
    folder: &Path,
    extensions: &[&str],
    pattern: &Pattern,
    recursive: bool,
) -> Result<Listing> {
    const TRIES: usize = 3;
    #[cfg(feature = "remote")]
    if let Some(url) = super::stored::url(folder) {
        let is_sample = |name: &[u8]| is_sample(name, extensions, pattern);
        let listing = list_stored(url, is_sample, pattern, recursive);
        return listing.map_err(|error| error.with_path(folder));
    }
    let mut result = list_once(folder, extensions, pattern, recursive);
    for _ in 1..TRIES {
        match result {
            Err(error) if error.kind() == ErrorKind::Changed => {}
            result => return result,
        }
        result = list_once(folder, extensions, pattern, recursive);
    }
    result
}

fn list_once(
    folder: &Path,
    extensions: &[&str],
    pattern: &Pattern,
    recursive: bool,
) -> Result<Listing> {
    let root = open_local_folder(folder)?;
    let mut scan = Scan::new(extensions, pattern, recursive);
    let mut prefix = Vec::new();
    // What was under way when it failed is below the prefix.
    scan.folder(root.as_fd(), &mut prefix, &mut Vec::new())
        .map_err(|error| error.with_path(folder.join(OsStr::from_bytes(&prefix))))?;
    let Scan { bytes, mut starts, ignored, mut folders, .. } = scan;
    let name = |start: &usize| CStr::from_bytes_until_nul(&bytes[*start..]).unwrap_or_default();
    starts.sort_unstable_by(|a, b| name(a).cmp(name(b)));
    let names = Names::from_sorted(starts.iter().map(name), pattern.clone());
    folders.sort_unstable();
    Ok(Listing { names, ignored, folders, versions: Versions::default() })
}

/// Each level holds a descriptor while what is below it is listed.
const DEPTH_MAX: usize = 64;

/// Folders that are listed again because another link leads to them.
const REPEATED_MAX: usize = 4096;

struct Scan<'a> {
    extensions: &'a [&'a str],
    pattern: &'a Pattern,
    recursive: bool,
    bytes: Vec<u8>,
    starts: Vec<usize>,
    ignored: usize,
    folders: Vec<CString>,
    /// The folders listed so far, and how many came a second time, by another link.
    seen: HashSet<(u64, u64)>,
    repeated: usize,
}

impl<'a> Scan<'a> {
    fn new(extensions: &'a [&'a str], pattern: &'a Pattern, recursive: bool) -> Self {
        Self {
            extensions,
            pattern,
            recursive,
            bytes: Vec::new(),
            starts: Vec::new(),
            ignored: 0,
            folders: Vec::new(),
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
    /// on the way here, by device and inode: a link to one of them would lead round forever.
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
            if prefix.is_empty() {
                self.folders.push(name.to_owned());
            }
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
        is_sample(name, self.extensions, self.pattern)
    }
}

fn is_sample(name: &[u8], extensions: &[&str], pattern: &Pattern) -> bool {
    rfind_dot(name).is_some_and(|dot| {
        let extension = &name[dot + 1..];
        extensions.iter().any(|own| extension.eq_ignore_ascii_case(own.as_bytes()))
            && pattern.strip(&name[..dot]).is_some()
    })
}

/// The same of what a store lists, all of it at once and in order: the names of objects, below the prefix.
#[cfg(feature = "remote")]
fn list_stored(
    url: &str,
    is_sample: impl Fn(&[u8]) -> bool,
    pattern: &Pattern,
    recursive: bool,
) -> Result<Listing> {
    let mut names = Names::from_sorted(std::iter::empty(), pattern.clone());
    let (mut ignored, mut folders) = (0, std::collections::BTreeSet::new());
    let mut tags = VersionsBuilder::at(url.trim_end_matches('/'));
    super::stored::visit_entries(url, recursive, &mut |name, is_folder, etag| {
        let path = name.to_bytes();
        let mut parts = path.rsplit(|&byte| byte == b'/');
        let own = parts.next().unwrap_or_default();
        let is_hidden = own.starts_with(b".") || parts.any(|part| part.starts_with(b"."));
        if is_hidden || is_folder || !is_sample(own) {
            ignored += 1;
        } else {
            names.push(name);
            tags.add(etag);
        }
        let end = path.iter().position(|&byte| byte == b'/').filter(|_| recursive);
        if let Some(top) = end.map(|end| &path[..end])
            && !folders.contains(top)
        {
            folders.insert(top.to_owned());
        }
        ControlFlow::Continue(())
    })?;
    let folders = folders.into_iter().filter_map(|folder| CString::new(folder).ok()).collect();
    Ok(Listing { names, ignored, folders, versions: tags.finish() })
}

/// Calls `visit` with each entry of `folder` that is not hidden, until it breaks: with the name, and a
/// way to find out whether it is a folder or a link to one, which may cost a `stat`.
pub(crate) fn visit_entries(
    folder: &Path,
    mut visit: impl FnMut(&CStr, &dyn Fn() -> bool) -> ControlFlow<()>,
) -> Result<()> {
    let failed = |e: Errno| Error::io("list the folder", e.into()).with_path(folder);
    #[cfg(feature = "remote")]
    if let Some(url) = super::stored::url(folder) {
        let visited = super::stored::visit_entries(url, false, &mut |name, is_folder, _| {
            if name.to_bytes().starts_with(b".") {
                return ControlFlow::Continue(());
            }
            visit(name, &|| is_folder)
        });
        return visited.map_err(|error| error.with_path(folder));
    }
    let opened = open_local_folder(folder)?;
    for entry in Dir::read_from(&opened).map_err(failed)? {
        let entry = entry.map_err(failed)?;
        let name = entry.file_name();
        if name.to_bytes().starts_with(b".") {
            continue;
        }
        let is_folder = || is_folder(opened.as_fd(), name, entry.file_type()).unwrap_or(false);
        if visit(name, &is_folder).is_break() {
            break;
        }
    }
    Ok(())
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

#[cfg(test)]
mod tests {
    use super::*;

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
                (0..20).map(|_| list(dir.path(), &["npy"], &Pattern::default(), false)).collect();
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
        let listing = list(dir.path(), &["npy"], &Pattern::default(), true).unwrap();
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
        let flat = list(dir.path(), &["npy"], &Pattern::default(), false).unwrap();
        assert_eq!(flat.names.iter().collect::<Vec<_>>(), [c"a.NPY", c"b.npy"]);
        assert_eq!(flat.ignored, 4);
        let deep = list(dir.path(), &["npy"], &Pattern::default(), true).unwrap();
        assert_eq!(deep.names.iter().collect::<Vec<_>>(), [c"a.NPY", c"b.npy", c"sub/d.npy"]);
        assert_eq!((deep.folders, flat.folders), (vec![c"sub".to_owned()], Vec::new()));
    }
}
