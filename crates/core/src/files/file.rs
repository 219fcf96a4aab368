//! An open file, wherever it lies.

use std::io;
use std::os::unix::fs::FileExt;

#[cfg(feature = "remote")]
use tallow_store::Object;

#[cfg(feature = "remote")]
use super::stored;

/// A file that is open for reading at offsets: one of this machine, or an object of a store. An enum and no
/// trait object, so that without stores there is nothing to choose from, and with them a local file
/// costs one comparison.
#[derive(Debug)]
#[cfg_attr(
    not(feature = "arrow"),
    expect(unreachable_pub, reason = "formats of columns have it in their trait")
)]
pub enum File {
    /// A file of this machine.
    Local(std::fs::File),
    /// An object of a store.
    #[cfg(feature = "remote")]
    Stored(Object),
}

impl File {
    /// Fills `buffer` with the bytes from `at` on.
    pub(crate) fn read_exact_at(&self, buffer: &mut [u8], at: u64) -> io::Result<()> {
        match self {
            Self::Local(file) => file.read_exact_at(buffer, at),
            #[cfg(feature = "remote")]
            Self::Stored(object) => match stored::read_at(object, buffer, at)? == buffer.len() {
                true => Ok(()),
                false => Err(io::ErrorKind::UnexpectedEof.into()),
            },
        }
    }

    /// Reads bytes from `at` on into `buffer`, and says how many.
    pub(crate) fn read_at(&self, buffer: &mut [u8], at: u64) -> io::Result<usize> {
        match self {
            Self::Local(file) => file.read_at(buffer, at),
            #[cfg(feature = "remote")]
            Self::Stored(object) => stored::read_at(object, buffer, at),
        }
    }

    /// The same file, of which from now on single samples are read instead of headers that follow one
    /// another.
    pub(crate) fn settled(self) -> Self {
        match self {
            Self::Local(_) => self,
            #[cfg(feature = "remote")]
            Self::Stored(object) => Self::Stored(object.settled()),
        }
    }

    /// Whether keeping it open takes a descriptor of the process.
    pub(crate) fn has_descriptor(&self) -> bool {
        match self {
            Self::Local(_) => true,
            #[cfg(feature = "remote")]
            Self::Stored(_) => false,
        }
    }

    /// Another one of the same file.
    pub(crate) fn try_clone(&self) -> io::Result<Self> {
        match self {
            Self::Local(file) => file.try_clone().map(Self::Local),
            #[cfg(feature = "remote")]
            Self::Stored(object) => Ok(Self::Stored(object.clone())),
        }
    }

    /// The file of this machine that it is, if it is one.
    pub(crate) fn local(&self) -> Option<&std::fs::File> {
        match self {
            Self::Local(file) => Some(file),
            #[cfg(feature = "remote")]
            Self::Stored(_) => None,
        }
    }
}

#[cfg(test)]
impl File {
    /// A file of these bytes, for tests.
    pub(crate) fn of_bytes(bytes: &[u8]) -> Self {
        let file = tempfile::tempfile().unwrap();
        file.write_all_at(bytes, 0).unwrap();
        Self::Local(file)
    }
}
