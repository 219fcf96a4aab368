//! The files that samples are read from, and how large they are.

use std::fs;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use tallow::{Extent, Source, SourceError, SourceErrorKind};

/// The runs of bytes that a sample is read from.
pub(crate) fn extents_of(source: &dyn Source, index: usize) -> Vec<Extent> {
    let mut extents = Vec::new();
    source.extents(index, &mut |extent| extents.push(extent.clone()));
    extents
}

/// The files that a sample is read from.
pub(crate) fn files_of(source: &dyn Source, index: usize) -> Vec<PathBuf> {
    let mut files = Vec::new();
    source.extents(index, &mut |extent| {
        files.extend(extent.location().path().map(Path::to_owned));
    });
    files
}

/// The number of bytes there; for a whole file, its size.
pub(crate) fn bytes_of(extent: &Extent) -> tallow::SourceResult<u64> {
    let path = match extent.location().path() {
        Some(path) if extent.is_whole() => path,
        _ => return Ok(extent.bytes() as u64),
    };
    let metadata = fs::metadata(path).map_err(|error| {
        let message = match fs::read_link(path) {
            Ok(target) if error.kind() == ErrorKind::NotFound => {
                format!("cannot look at the file: a dangling link to {target:?}")
            }
            _ => format!("cannot look at the file: {error}"),
        };
        SourceError::new(SourceErrorKind::Io, message).with_path(path)
    })?;
    Ok(metadata.len())
}
