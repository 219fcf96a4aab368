//! Listing folders.
//!
//! `std::fs::read_dir` will not do: it panics if the system reports an error when the folder is closed,
//! as a network file system may.

use std::ffi::OsStr;
use std::io;
use std::os::unix::ffi::OsStrExt as _;
use std::path::{Path, PathBuf};

use rustix::fs::{CWD, Dir, FileType, Mode, OFlags, lstat, openat};
use rustix::io::retry_on_intr;

/// An entry of a folder.
#[derive(Debug)]
pub(crate) struct Entry {
    pub(crate) path: PathBuf,
    /// Some file systems do not tell.
    kind: FileType,
}

/// The entries of a folder, in the order of the file system.
///
/// # Errors
///
/// If the folder cannot be opened; and an entry is an error if the folder cannot be read on.
pub(crate) fn entries(folder: &Path) -> io::Result<impl Iterator<Item = io::Result<Entry>>> {
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
    let dir = Dir::new(retry_on_intr(|| openat(CWD, folder, flags, Mode::empty()))?)?;
    let folder = folder.to_owned();
    Ok(dir.filter_map(move |entry| match entry {
        Ok(entry) => match entry.file_name().to_bytes() {
            b"." | b".." => None,
            name => {
                let path = folder.join(OsStr::from_bytes(name));
                Some(Ok(Entry { path, kind: entry.file_type() }))
            }
        },
        Err(error) => Some(Err(error.into())),
    }))
}

impl Entry {
    pub(crate) fn name(&self) -> &OsStr {
        self.path.file_name().unwrap_or_default()
    }

    /// What it is, without following a link.
    fn kind(&self) -> io::Result<FileType> {
        match self.kind {
            FileType::Unknown => Ok(FileType::from_raw_mode(lstat(&self.path)?.st_mode)),
            known => Ok(known),
        }
    }

    /// Whether it is a regular file, and not a link to one.
    pub(crate) fn is_file(&self) -> io::Result<bool> {
        Ok(self.kind()? == FileType::RegularFile)
    }

    /// Whether it is a folder, and not a link to one.
    pub(crate) fn is_folder(&self) -> io::Result<bool> {
        Ok(self.kind()? == FileType::Directory)
    }

    /// Whether it is a folder, or a link to one.
    pub(crate) fn leads_to_folder(&self) -> bool {
        match self.kind() {
            Ok(FileType::Symlink) => self.path.is_dir(),
            kind => kind.is_ok_and(|kind| kind == FileType::Directory),
        }
    }

    /// Sources ignore these: file managers and network file systems leave them beside the data.
    pub(crate) fn is_hidden(&self) -> bool {
        is_hidden(self.name())
    }
}

/// Whether a name is hidden, so that sources ignore it.
pub(crate) fn is_hidden(name: &OsStr) -> bool {
    name.as_encoded_bytes().starts_with(b".")
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;
    use std::fs;
    use std::os::unix::fs::symlink;

    use super::*;

    #[test]
    fn entries_are_told_apart_by_what_they_are() {
        let dir = tempfile::tempdir().unwrap();
        fs::write(dir.path().join("file"), "").unwrap();
        fs::create_dir(dir.path().join("folder")).unwrap();
        symlink("file", dir.path().join("to-file")).unwrap();
        symlink("folder", dir.path().join(".to-folder")).unwrap();
        let found: BTreeMap<String, _> = entries(dir.path())
            .unwrap()
            .map(|entry| {
                let entry = entry.unwrap();
                let is = [entry.is_file().unwrap(), entry.is_folder().unwrap()];
                let name = entry.name().to_str().unwrap().to_owned();
                (name, (is, entry.leads_to_folder(), entry.is_hidden()))
            })
            .collect();
        let expected = [
            (".to-folder", ([false, false], true, true)),
            ("file", ([true, false], false, false)),
            ("folder", ([false, true], true, false)),
            ("to-file", ([false, false], false, false)),
        ];
        assert!(found.iter().map(|(name, is)| (name.as_str(), *is)).eq(expected), "{found:?}");
    }

    #[test]
    fn what_is_not_a_folder_cannot_be_listed() {
        let dir = tempfile::tempdir().unwrap();
        fs::write(dir.path().join("file"), "").unwrap();
        let kind = |name: &str| entries(&dir.path().join(name)).err().unwrap().kind();
        assert_eq!(kind("file"), io::ErrorKind::NotADirectory);
        assert_eq!(kind("absent"), io::ErrorKind::NotFound);
    }
}
