//! Files that are read from their beginning to their end, inflated if they are compressed.

use std::io::{BufRead, BufReader};
use std::path::Path;

use flate2::bufread::MultiGzDecoder;

use crate::files::Through;
use crate::{Error, Fingerprint, Result};

/// Bytes that are read at once.
const BUFFER_BYTES: usize = 128 << 10;

/// What the file at `path` says, inflated if its name ends in `.gz`, `.tgz`, `.zst` or `.tzst`.
pub(super) fn open(path: &Path) -> Result<Box<dyn BufRead + Send>> {
    let file = BufReader::with_capacity(BUFFER_BYTES, Through::open(path)?);
    let extension = path.extension().and_then(|extension| extension.to_str()).unwrap_or_default();
    Ok(match extension.to_ascii_lowercase().as_str() {
        "gz" | "tgz" => Box::new(BufReader::with_capacity(BUFFER_BYTES, MultiGzDecoder::new(file))),
        "zst" | "tzst" => zstd(file).map_err(|error| error.with_path(path))?,
        _ => Box::new(file),
    })
}

/// What Zstandard made `file` of; several frames are one after the other.
#[cfg(feature = "zstd")]
fn zstd(file: BufReader<Through>) -> Result<Box<dyn BufRead + Send>> {
    let decoder = zstd::Decoder::with_buffer(file).map_err(|error| Error::io("read", error))?;
    Ok(Box::new(BufReader::with_capacity(BUFFER_BYTES, decoder)))
}

#[cfg(not(feature = "zstd"))]
fn zstd(_: BufReader<Through>) -> Result<Box<dyn BufRead + Send>> {
    let message = "zstd data, which takes the feature `zstd`; build with it, or unpack the file";
    Err(Error::new(crate::ErrorKind::Foreign, message))
}

/// The lengths of files, which are what can be known of them without reading them.
pub(super) fn lengths<P: AsRef<Path>>(name: &str, paths: &[P]) -> Result<Fingerprint> {
    let mut print = Fingerprint::of(name);
    for path in paths {
        print = print.number(Through::open(path.as_ref())?.bytes());
    }
    Ok(print.finish())
}

/// What errors call these files together.
pub(super) fn names<P: AsRef<Path>>(paths: &[P]) -> String {
    let names = paths.iter().map(|path| path.as_ref().display().to_string());
    names.collect::<Vec<_>>().join(", ")
}
