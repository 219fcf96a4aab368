//! Where the cache is, and how large.

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard};

use super::folder::Folder;
use crate::{Error, ErrorKind, Result};

/// A cache of objects on disk.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Cache {
    folder: PathBuf,
    bytes: u64,
}

impl Cache {
    /// One in `folder`, which is made if it is not there, for its owner alone. Its files have at most `bytes` bytes
    /// together; processes that use the same folder should give the same number.
    pub fn new(folder: impl Into<PathBuf>, bytes: u64) -> Self {
        Self { folder: folder.into(), bytes }
    }

    /// Where it is.
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// The most bytes of its files together.
    pub fn bytes(&self) -> u64 {
        self.bytes
    }

    /// What the environment says.
    fn from_env() -> Result<Option<Self>> {
        let Some(folder) = std::env::var_os(FOLDER).filter(|it| !it.is_empty()) else {
            return Ok(None);
        };
        let bytes = match std::env::var(BYTES) {
            Err(std::env::VarError::NotPresent) => BYTES_DEFAULT,
            Ok(text) => bytes_of(&text).ok_or_else(|| not_bytes(&text))?,
            Err(_) => return Err(not_bytes("not text")),
        };
        Ok(Some(Self::new(folder, bytes)))
    }
}

/// The variable with the folder.
const FOLDER: &str = "TALLOW_STORE_CACHE";

/// The variable with the number of bytes.
const BYTES: &str = "TALLOW_STORE_CACHE_BYTES";

/// How many there are without that: less than the disks that machines with GPUs have.
const BYTES_DEFAULT: u64 = 64 << 30;

/// A cache needs room for some pages of each process.
const BYTES_MIN: u64 = 16 << 20;

fn bytes_of(text: &str) -> Option<u64> {
    let text = text.trim();
    let digits = text.trim_end_matches(|letter: char| letter.is_ascii_alphabetic());
    let shift = match text[digits.len()..].to_ascii_lowercase().trim_end_matches("ib") {
        "" => 0,
        "k" => 10,
        "m" => 20,
        "g" => 30,
        "t" => 40,
        _ => return None,
    };
    digits.trim().parse::<u64>().ok()?.checked_mul(1 << shift)
}

#[cold]
fn not_bytes(text: &str) -> Error {
    let message = format!("{BYTES} is {text:?}, which is no number of bytes such as 500G");
    Error::new(ErrorKind::Cache, message)
}

/// What was set, or what the environment says once it was asked.
static SET: Mutex<Option<Set>> = Mutex::new(None);

type Set = Result<Option<(Cache, Arc<Folder>)>>;

/// A thread that died with it set it wholly or not.
fn set() -> MutexGuard<'static, Option<Set>> {
    SET.lock().unwrap_or_else(|e| e.into_inner())
}

fn opened(cache: Option<Cache>) -> Set {
    let Some(cache) = cache else { return Ok(None) };
    if cache.bytes < BYTES_MIN {
        let message =
            format!("a cache of {} bytes is too small; give it {BYTES_MIN} or more", cache.bytes);
        return Err(Error::new(ErrorKind::Cache, message));
    }
    let folder = Folder::open(&cache.folder, cache.bytes).map_err(|error| {
        let folder = cache.folder.display();
        Error::new(
            ErrorKind::Cache,
            format!("cannot keep a cache in {folder}: {error}; give another folder"),
        )
    })?;
    Ok(Some((cache, Arc::new(folder))))
}

/// Keeps what objects have that are opened from now on in this cache, or in none. It goes before what the environment
/// says: `TALLOW_STORE_CACHE` is the folder, and `TALLOW_STORE_CACHE_BYTES` how large it may be, such as `500G`
/// (64 GiB if there is none).
///
/// # Errors
///
/// [`ErrorKind::Cache`] if the folder cannot be made or written to, or if it may have less than 16 MiB; then there is
/// none.
pub fn set_cache(cache: Option<Cache>) -> Result<()> {
    let opened = opened(cache);
    let result = opened.as_ref().map(|_| ()).map_err(Error::clone);
    *set() = Some(opened.or(Ok(None)));
    result
}

/// The cache that is used, if there is one.
///
/// # Errors
///
/// [`ErrorKind::Cache`] if the environment names one that cannot be used.
pub fn cache() -> Result<Option<Cache>> {
    Ok(current()?.map(|(cache, _)| cache))
}

/// Its folder.
pub(crate) fn folder() -> Result<Option<Arc<Folder>>> {
    Ok(current()?.map(|(_, folder)| folder))
}

fn current() -> Set {
    set().get_or_insert_with(|| opened(Cache::from_env()?)).clone()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_of_bytes_are_read_as_people_write_them() {
        let right = [
            ("0", 0),
            ("7", 7),
            ("5 k", 5 << 10),
            ("3MiB", 3 << 20),
            ("500G", 500 << 30),
            ("1t", 1 << 40),
        ];
        for (text, bytes) in right {
            assert_eq!(bytes_of(text), Some(bytes), "{text}");
        }
        for text in ["", "G", "1.5G", "-1", "1X", "99999999T", "1GB"] {
            assert_eq!(bytes_of(text), None, "{text}");
        }
    }
}
