//! A folder of which files are read one at a time.

use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use rustix::fs::CWD;

/// Where the names of files begin that are read one at a time.
#[derive(Debug)]
pub(crate) enum Folder {
    /// A folder of this machine, which is open.
    Local(OwnedFd),
    /// Nowhere: the names are whole paths, or URLs.
    Anywhere,
    /// The URL of a prefix in a store.
    #[cfg(feature = "remote")]
    Stored(String),
}

impl Folder {
    /// What local names are below.
    pub(super) fn descriptor(&self) -> BorrowedFd<'_> {
        match self {
            Self::Local(folder) => folder.as_fd(),
            _ => CWD,
        }
    }
}
