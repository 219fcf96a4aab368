//! What the process asked of stores so far.

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

/// What all objects of the process took, since it began.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Counters {
    /// Requests for bytes of objects, with those that are counted below.
    pub requests: u64,
    /// Requests that were sent again after one that failed.
    pub retries: u64,
    /// Requests that were sent beside one that was slow.
    pub hedges: u64,
    /// Bytes that stores sent and somebody may read.
    pub bytes_fetched: u64,
    /// Bytes that were read from the cache on disk.
    pub bytes_cached: u64,
    /// Bytes that were fetched ahead and dropped before anybody read them.
    pub bytes_unread: u64,
    /// Pages of the cache that were damaged, and fetched again.
    pub pages_damaged: u64,
    /// Pages that could not be written to the cache.
    pub pages_unwritten: u64,
    /// Bytes that were asked for and have not been read, now.
    pub bytes_in_flight: u64,
    /// The most of these at any time.
    pub bytes_in_flight_most: u64,
    /// Requests under way, now.
    pub requests_in_flight: u64,
}

/// Adds up, and orders nothing.
#[derive(Debug, Default)]
pub(crate) struct Counter(AtomicU64);

impl Counter {
    pub(crate) const fn new() -> Self {
        Self(AtomicU64::new(0))
    }

    pub(crate) fn add(&self, count: u64) {
        self.0.fetch_add(count, Relaxed);
    }

    pub(crate) fn now(&self) -> u64 {
        self.0.load(Relaxed)
    }
}

pub(crate) static REQUESTS: Counter = Counter::new();
pub(crate) static RETRIES: Counter = Counter::new();
pub(crate) static HEDGES: Counter = Counter::new();
pub(crate) static BYTES_FETCHED: Counter = Counter::new();
pub(crate) static BYTES_CACHED: Counter = Counter::new();
pub(crate) static BYTES_UNREAD: Counter = Counter::new();
pub(crate) static PAGES_DAMAGED: Counter = Counter::new();
pub(crate) static PAGES_UNWRITTEN: Counter = Counter::new();

/// What the process asked of stores so far.
pub fn counters() -> Counters {
    let mut counters = Counters {
        requests: REQUESTS.now(),
        retries: RETRIES.now(),
        hedges: HEDGES.now(),
        bytes_fetched: BYTES_FETCHED.now(),
        bytes_cached: BYTES_CACHED.now(),
        bytes_unread: BYTES_UNREAD.now(),
        pages_damaged: PAGES_DAMAGED.now(),
        pages_unwritten: PAGES_UNWRITTEN.now(),
        ..Default::default()
    };
    crate::scheduler::count(&mut counters);
    counters
}
