//! What lies at a path, which may be a URL where stores are compiled in.

use std::path::{Path, PathBuf};

use crate::{Error, Result};

/// Whether a folder lies at `place`, or a prefix of objects, and no file.
///
/// # Errors
///
/// When nothing lies there, or that cannot be found out.
pub(crate) fn is_folder(place: &Path) -> Result<bool> {
    #[cfg(feature = "remote")]
    if let Some(url) = super::stored::url(place) {
        return super::stored::is_folder(url).map_err(|error| error.with_path(place));
    }
    let metadata = std::fs::metadata(place);
    let metadata = metadata.map_err(|error| Error::io("open", error).with_path(place))?;
    Ok(metadata.is_dir())
}

/// Whether there is a file, or an object.
pub(crate) fn is_file(place: &Path) -> bool {
    is_folder(place).is_ok_and(|is_folder| !is_folder)
}

/// Whether there is anything.
pub(crate) fn exists(place: &Path) -> bool {
    is_folder(place).is_ok()
}

/// Whether the path is the URL of something in a store.
pub(crate) fn is_stored(place: &Path) -> bool {
    #[cfg(feature = "remote")]
    return super::stored::url(place).is_some();
    #[cfg(not(feature = "remote"))]
    {
        let _ = place;
        false
    }
}

/// The path as it may be shown: of a URL, without what may be a credential.
pub(crate) fn shown(place: PathBuf) -> PathBuf {
    #[cfg(feature = "remote")]
    if let Some(url) = super::stored::url(&place) {
        return PathBuf::from(&*tallow_store::without_secrets(url));
    }
    place
}

/// The path from the root, or the URL as it is.
///
/// # Errors
///
/// When the working directory is not known.
pub(crate) fn absolute(place: &Path) -> Result<PathBuf> {
    if is_stored(place) {
        return Ok(place.to_owned());
    }
    std::path::absolute(place).map_err(|error| Error::io("find", error).with_path(place))
}
