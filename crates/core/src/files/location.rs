//! What is read: the path of a file, or the URL of an object.

use std::fmt;
use std::hash::{Hash, Hasher};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::{File, is_stored};
use crate::escaped;
use crate::fingerprint::Versions;
#[cfg(feature = "remote")]
use crate::fingerprint::VersionsBuilder;

/// Where bytes lie: the path of a file, or the URL of an object in a store. Cheap to clone.
///
/// `Display` shows the path [`escaped`], `Debug` shows it in quotes.
#[derive(Clone)]
pub struct Location {
    path: Arc<Path>,
    /// The object, where it is open: what is told of it in advance, its readers find.
    #[cfg(feature = "remote")]
    object: Option<tallow_store::Object>,
}

/// Where bytes lie is the path alone.
impl PartialEq for Location {
    fn eq(&self, other: &Self) -> bool {
        self.path == other.path
    }
}

impl Eq for Location {}

impl Hash for Location {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.path.hash(state);
    }
}

impl Location {
    /// The file at `path`, or the object, if that is the URL of one and stores are compiled in.
    pub fn file(path: impl Into<PathBuf>) -> Self {
        let path = path.into().into();
        Self {
            path,
            #[cfg(feature = "remote")]
            object: None,
        }
    }

    /// The same, which `file` is.
    pub(crate) fn opened(self, file: &File) -> Self {
        #[cfg(feature = "remote")]
        if let File::Stored(object) = file {
            return Self { object: Some(object.clone().settled()), ..self };
        }
        let _ = file;
        self
    }

    /// Says that `bytes` bytes from `offset` will be read soon, or all of an object that is not open.
    #[cfg(feature = "remote")]
    pub(super) fn will_need(&self, offset: u64, bytes: u64) -> bool {
        let told = match (&self.object, self.url()) {
            (Some(object), _) => object.will_need(offset..offset.saturating_add(bytes)),
            (None, Some(url)) => tallow_store::will_open(url, super::stored::SAMPLE_BYTES),
            (None, None) => return false,
        };
        // What fails here fails again when it is read, and is reported there.
        told.unwrap_or(false)
    }

    /// What is known of its version from opening it.
    pub(crate) fn versions(&self) -> Versions {
        #[cfg(feature = "remote")]
        if let Some(object) = &self.object {
            let mut versions = VersionsBuilder::at(object.url());
            versions.add(object.etag().as_deref());
            return versions.finish();
        }
        Versions::default()
    }

    /// The file's path, or `None` where the bytes lie in no file of this machine.
    pub fn path(&self) -> Option<&Path> {
        Some(&*self.path).filter(|path| !is_stored(path))
    }

    /// The URL of the object, or `None` where the bytes lie in no store.
    pub fn url(&self) -> Option<&str> {
        is_stored(&self.path).then(|| self.path.to_str()).flatten()
    }
}

impl fmt::Display for Location {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&escaped(&self.path.to_string_lossy()))
    }
}

impl fmt::Debug for Location {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&self.path, f)
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
