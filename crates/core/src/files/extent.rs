//! Which bytes of a file belong to a sample.

use super::Location;

/// A run of bytes that belongs to one sample.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Extent {
    location: Location,
    offset: u64,
    bytes: usize,
    is_whole: bool,
}

impl Extent {
    /// All of `location`, which holds one sample of `bytes` bytes, or of at most `bytes` bytes if
    /// samples are ragged.
    pub fn whole(location: Location, bytes: usize) -> Self {
        Self { location, offset: 0, bytes, is_whole: true }
    }

    /// The `bytes` bytes from `offset` of `location`, which holds other samples too.
    pub fn part(location: Location, offset: u64, bytes: usize) -> Self {
        Self { location, offset, bytes, is_whole: false }
    }

    /// Where the bytes lie.
    pub fn location(&self) -> &Location {
        &self.location
    }

    /// The byte of the location at which the run begins.
    pub fn offset(&self) -> u64 {
        self.offset
    }

    /// The length of the run in bytes. For a [whole](Self::is_whole) location this is the most that it
    /// may be, because ragged samples differ.
    pub fn bytes(&self) -> usize {
        self.bytes
    }

    /// Says that it will be read soon, so that a store fetches it in advance. `false` where it lies in no store, or
    /// too much is waited for already. Does not wait.
    pub fn will_need(&self) -> bool {
        #[cfg(feature = "remote")]
        return self.location.will_need(self.offset, self.bytes as u64);
        #[cfg(not(feature = "remote"))]
        false
    }

    /// Whether the location holds this sample only, so that reading the sample opens a file.
    pub fn is_whole(&self) -> bool {
        self.is_whole
    }
}
