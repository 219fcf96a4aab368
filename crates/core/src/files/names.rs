//! The names of a folder's files, sorted and held without an allocation each.

use std::ffi::{CStr, OsStr};
use std::fmt;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

use crate::{Error, ErrorKind, Result};

/// Paths below a folder, in byte order, each ended by a NUL as the kernel wants it.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Names {
    bytes: Vec<u8>,
    /// Where each name begins; one more than there are names.
    starts: Vec<usize>,
    pattern: Pattern,
}

impl Names {
    /// Names that all match `pattern`.
    pub(crate) fn from_sorted<'a>(names: impl Iterator<Item = &'a CStr>, pattern: Pattern) -> Self {
        let mut this = Self { bytes: Vec::new(), starts: vec![0], pattern };
        names.for_each(|name| this.push(name));
        this
    }

    /// Adds a name that comes after the last.
    pub(super) fn push(&mut self, name: &CStr) {
        self.bytes.extend_from_slice(name.to_bytes_with_nul());
        self.starts.push(self.bytes.len());
    }

    pub(crate) fn len(&self) -> usize {
        self.starts.len().saturating_sub(1)
    }

    pub(crate) fn get(&self, index: usize) -> &CStr {
        let name = &self.bytes[self.starts[index]..self.starts[index + 1]];
        CStr::from_bytes_with_nul(name).unwrap_or_default()
    }

    pub(crate) fn path(&self, index: usize) -> &Path {
        Path::new(OsStr::from_bytes(self.get(index).to_bytes()))
    }

    /// What partners share: the path without its extension, as its folder and what matches the star
    /// of the pattern.
    pub(crate) fn key(&self, index: usize) -> Key<'_> {
        let (folder, name) = key(self.get(index).to_bytes());
        (folder, self.pattern.strip(name).unwrap_or(name))
    }

    pub(crate) fn pattern(&self) -> &Pattern {
        &self.pattern
    }

    pub(crate) fn iter(&self) -> impl ExactSizeIterator<Item = &CStr> {
        (0..self.len()).map(|index| self.get(index))
    }

    /// All names, for fingerprints.
    pub(crate) fn as_bytes(&self) -> &[u8] {
        &self.bytes
    }

    pub(crate) fn memory_bytes(&self) -> usize {
        self.bytes.capacity() + self.starts.capacity() * size_of::<usize>()
    }
}

/// A path without its extension in two parts: its folder, and its name.
pub(crate) type Key<'a> = (&'a [u8], &'a [u8]);

fn key(path: &[u8]) -> Key<'_> {
    let name_at = path.iter().rposition(|&byte| byte == b'/').map_or(0, |slash| slash + 1);
    let (folder, name) = path.split_at(name_at);
    (folder, rfind_dot(name).map_or(name, |dot| &name[..dot]))
}

pub(super) fn rfind_dot(name: &[u8]) -> Option<usize> {
    name.iter().rposition(|&byte| byte == b'.')
}

/// What the stems of a folder's files have around the part that they share with their partners.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Pattern {
    prefix: Vec<u8>,
    suffix: Vec<u8>,
}

impl Pattern {
    pub(crate) fn new(prefix: &str, suffix: &str) -> Self {
        Self { prefix: prefix.into(), suffix: suffix.into() }
    }

    /// Whether what surrounds the star is more than digits, if anything does.
    pub(crate) fn is_word(&self) -> bool {
        let is_word = |part: &[u8]| part.is_empty() || !part.iter().all(u8::is_ascii_digit);
        is_word(&self.prefix) && is_word(&self.suffix)
    }

    /// The pattern that `text` is: one star among plain characters.
    pub(crate) fn parse(text: &str) -> Result<Self> {
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

    /// What matches the star in `name`, if the pattern matches.
    pub(crate) fn strip<'a>(&self, name: &'a [u8]) -> Option<&'a [u8]> {
        name.strip_prefix(self.prefix.as_slice())?.strip_suffix(self.suffix.as_slice())
    }

    /// This pattern with `inner` instead of its star.
    pub(crate) fn around(&self, inner: Self) -> Self {
        let prefix = [&self.prefix[..], &inner.prefix].concat();
        Self { prefix, suffix: [&inner.suffix[..], &self.suffix].concat() }
    }

    /// Whether every name matches.
    pub(crate) fn is_any(&self) -> bool {
        self.prefix.is_empty() && self.suffix.is_empty()
    }
}

impl fmt::Display for Pattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [prefix, suffix] = [&self.prefix, &self.suffix].map(|b| String::from_utf8_lossy(b));
        write!(f, "{prefix}*{suffix}")
    }
}
