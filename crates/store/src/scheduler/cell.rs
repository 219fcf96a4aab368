//! Where a reader finds what was fetched.

use std::sync::{Condvar, Mutex, MutexGuard};
use std::time::Duration;

use crate::request::{Identity, Pieces};
use crate::waiting::Asleep;
use crate::{Error, Result};

/// What a request brought: bytes, and of one that opened an object what tells that it is the same.
#[derive(Debug, Clone)]
pub(crate) struct Fetched {
    pub(crate) identity: Option<Identity>,
    pub(crate) pieces: Pieces,
    /// Whether the cache had it.
    pub(crate) is_kept: bool,
}

/// Written once, by the thread of requests, and read by all who wait for it.
#[derive(Debug, Default)]
pub(crate) struct Cell {
    result: Mutex<Option<Result<Fetched>>>,
    ready: Condvar,
}

/// How often a reader that waits for its bytes looks whether it was told to stop. Nothing else could
/// wake it then, and it has nothing else to do.
const LOOKS_EVERY: Duration = Duration::from_millis(20);

impl Cell {
    pub(super) fn set(&self, result: Result<Fetched>) {
        *self.lock() = Some(result);
        self.ready.notify_all();
    }

    /// Sleeps until it is written.
    ///
    /// # Errors
    ///
    /// Its own, and [`ErrorKind::Stopped`](crate::ErrorKind::Stopped) once `is_stopped`.
    pub(super) fn wait(&self, is_stopped: &dyn Fn() -> bool) -> Result<Fetched> {
        if let Some(result) = &*self.lock() {
            return result.clone();
        }
        let _asleep = Asleep::begin();
        let mut result = self.lock();
        loop {
            if let Some(result) = &*result {
                return result.clone();
            }
            let (next, waited) =
                self.ready.wait_timeout(result, LOOKS_EVERY).unwrap_or_else(|e| e.into_inner());
            result = next;
            if waited.timed_out() && is_stopped() {
                return Err(Error::stopped());
            }
        }
    }

    /// What is in it is written in one step.
    fn lock(&self) -> MutexGuard<'_, Option<Result<Fetched>>> {
        self.result.lock().unwrap_or_else(|e| e.into_inner())
    }
}
