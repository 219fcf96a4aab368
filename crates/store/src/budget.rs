//! How much the process may have under way.

use std::time::Duration;

/// What the process may have under way at once, for all objects together. [`budget`](crate::budget) tells it and
/// [`set_budget`](crate::set_budget) sets it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct Budget {
    /// Bytes that were asked for and have not come, and bytes that came and were not read.
    pub bytes: u64,
    /// Requests under way, at most: as many as bring more, which few do of a store that is near.
    pub requests: usize,
    /// The most bytes of one request.
    pub request_bytes: u64,
    /// Ranges of one object are fetched by one request if no more than so many bytes lie between them.
    pub gap_bytes: u64,
    /// How long a request may go on without a byte; then its reader gets an error.
    pub deadline: Duration,
}

impl Budget {
    /// Requests are never smaller than this, however small the budget.
    pub(crate) const BYTES_MIN: u64 = 64 << 10;

    /// With this many bytes.
    #[must_use]
    pub fn bytes(self, bytes: u64) -> Self {
        Self { bytes, ..self }
    }

    /// With this many requests.
    #[must_use]
    pub fn requests(self, requests: usize) -> Self {
        Self { requests, ..self }
    }

    /// With requests of at most so many bytes.
    #[must_use]
    pub fn request_bytes(self, request_bytes: u64) -> Self {
        Self { request_bytes, ..self }
    }

    /// With so many bytes between ranges of one request.
    #[must_use]
    pub fn gap_bytes(self, gap_bytes: u64) -> Self {
        Self { gap_bytes, ..self }
    }

    /// With this deadline.
    #[must_use]
    pub fn deadline(self, deadline: Duration) -> Self {
        Self { deadline, ..self }
    }

    /// One that works: a request fits into the part that readers who wait have for themselves.
    pub(crate) fn checked(self) -> Self {
        let bytes = self.bytes.max(4 * Self::BYTES_MIN);
        Self {
            bytes,
            requests: self.requests.max(2),
            request_bytes: self.request_bytes.clamp(Self::BYTES_MIN, bytes / 4),
            deadline: self.deadline.max(Duration::from_millis(100)),
            ..self
        }
    }

    /// What is fetched ahead of readers has this much, and readers who wait have the rest: where what was
    /// fetched is not read, they still get theirs.
    pub(crate) fn ahead_bytes(&self) -> u64 {
        self.bytes - self.request_bytes.max(self.bytes / 8)
    }

    /// Likewise of requests.
    pub(crate) fn ahead_requests(&self) -> usize {
        self.requests - (self.requests / 8).max(1)
    }

    /// How long nothing may come before a request is sent again.
    pub(crate) fn silence(&self) -> Duration {
        const MOST: Duration = Duration::from_secs(30);
        (self.deadline / 2).min(MOST)
    }
}

impl Default for Budget {
    /// 256 MiB in up to 512 requests of at most 8 MiB, gaps of 128 KiB, 60 s.
    ///
    /// A connection of a store brings about 90 MB/s and the first byte after a tenth of a second, so 8 MiB are a
    /// tenth of a second, too; objects of 100 KB take some hundred requests at once to fill a line. A gap costs less time than
    /// another request, at 1 Gbit/s and more.
    fn default() -> Self {
        Self {
            bytes: 256 << 20,
            requests: 512,
            request_bytes: 8 << 20,
            gap_bytes: 128 << 10,
            deadline: Duration::from_secs(60),
        }
    }
}
