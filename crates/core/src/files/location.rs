//! What is read: the path of a file, or the URL of an object.

use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::is_stored;
use crate::escaped;

/// Where bytes lie: the path of a file, or the URL of an object in a store. Cheap to clone.
///
/// `Display` shows the path [`escaped`], `Debug` shows it in quotes.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct Location(Arc<Path>);

impl Location {
    /// The file at `path`, or the object, if that is the URL of one and stores are compiled in.
    pub fn file(path: impl Into<PathBuf>) -> Self {
        Self(path.into().into())
    }

    /// The file's path, or `None` where the bytes lie in no file of this machine.
    pub fn path(&self) -> Option<&Path> {
        Some(&*self.0).filter(|path| !is_stored(path))
    }

    /// The URL of the object, or `None` where the bytes lie in no store.
    pub fn url(&self) -> Option<&str> {
        self.0.to_str().filter(|_| is_stored(&self.0))
    }
}

impl fmt::Display for Location {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&escaped(&self.0.to_string_lossy()))
    }
}

impl fmt::Debug for Location {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&self.0, f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_location_is_shown_escaped() {
        let location = Location::file("a/\u{1b}[2J b.npy");
        assert_eq!(location.to_string(), "a/\\u{1b}[2J b.npy");
        assert_eq!(format!("{location:?}"), "\"a/\\u{1b}[2J b.npy\"");
        assert_eq!(location.path(), Some(Path::new("a/\u{1b}[2J b.npy")));
        assert_eq!(location.url(), None);
    }

    #[test]
    #[cfg(feature = "remote")]
    fn an_object_is_in_no_file() {
        let location = Location::file("s3://bucket/train-00.tar");
        assert_eq!((location.path(), location.url()), (None, Some("s3://bucket/train-00.tar")));
    }
}
