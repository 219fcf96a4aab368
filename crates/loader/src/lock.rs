//! A lock that no panic spoils.

use std::sync::{Mutex, MutexGuard};

/// Locks what is never left half-changed, whatever panicked meanwhile.
pub(crate) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(|poisoned| poisoned.into_inner())
}
