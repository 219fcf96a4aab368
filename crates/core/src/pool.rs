use std::sync::{Mutex, MutexGuard};

/// Values that threads take, use and give back: there are as many as were ever used at once.
///
/// A value that is lost on the way, because its user panicked, is made anew by the next one.
#[derive(Debug)]
pub(crate) struct Pool<T>(Mutex<Vec<T>>);

impl<T> Pool<T> {
    /// A value that nobody uses, if there is one.
    pub(crate) fn take(&self) -> Option<T> {
        self.values().pop()
    }

    pub(crate) fn give(&self, value: T) {
        self.values().push(value);
    }

    fn values(&self) -> MutexGuard<'_, Vec<T>> {
        // A list is whole, whatever panicked while it was locked.
        self.0.lock().unwrap_or_else(|poisoned| poisoned.into_inner())
    }
}

impl<T> Default for Pool<T> {
    fn default() -> Self {
        Self(Mutex::default())
    }
}
