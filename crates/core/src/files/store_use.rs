//! What a process took from stores, and how long its threads waited for that.

/// What all loaders of the process together took from stores, since it began or between two moments.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct StoreUse {
    /// Requests for bytes of objects, with those that are counted below.
    pub requests: u64,
    /// Requests that were sent again after one that failed.
    pub retries: u64,
    /// Requests that were sent beside one that was slow.
    pub hedges: u64,
    /// Bytes that stores sent.
    pub bytes_fetched: u64,
    /// Of these, bytes that were fetched ahead and dropped before anybody read them.
    pub bytes_unread: u64,
    /// Bytes that were read from the cache on the disk instead.
    pub bytes_cached: u64,
}

impl StoreUse {
    /// Since the process began.
    pub fn now() -> Self {
        #[cfg(feature = "remote")]
        {
            let counters = tallow_store::counters();
            Self {
                requests: counters.requests,
                retries: counters.retries,
                hedges: counters.hedges,
                bytes_fetched: counters.bytes_fetched,
                bytes_unread: counters.bytes_unread,
                bytes_cached: counters.bytes_cached,
            }
        }
        #[cfg(not(feature = "remote"))]
        Self::default()
    }

    /// Since it was `before`.
    #[must_use]
    pub fn since(self, before: Self) -> Self {
        Self {
            requests: self.requests.saturating_sub(before.requests),
            retries: self.retries.saturating_sub(before.retries),
            hedges: self.hedges.saturating_sub(before.hedges),
            bytes_fetched: self.bytes_fetched.saturating_sub(before.bytes_fetched),
            bytes_unread: self.bytes_unread.saturating_sub(before.bytes_unread),
            bytes_cached: self.bytes_cached.saturating_sub(before.bytes_cached),
        }
    }
}

/// How long a thread waited for bytes of stores. Any thread may ask, also while it waits.
#[derive(Debug, Default)]
pub struct StoreWait(#[cfg(feature = "remote")] tallow_store::Waiting);

/// A thread is watched; see [`StoreWait::watch`].
#[derive(Debug)]
pub struct StoreWatched(
    #[cfg(feature = "remote")]
    #[expect(dead_code, reason = "it is dropped")]
    tallow_store::Watched,
);

impl StoreWait {
    /// Watches this thread until what is returned is dropped; then the watch before it goes on.
    #[must_use]
    pub fn watch(&self) -> StoreWatched {
        StoreWatched(
            #[cfg(feature = "remote")]
            self.0.watch(),
        )
    }

    /// Nanoseconds that it was so far, with the wait that goes on now.
    pub fn total_ns(&self) -> u64 {
        #[cfg(feature = "remote")]
        return self.0.total().as_nanos() as u64;
        #[cfg(not(feature = "remote"))]
        0
    }
}
