//! Decoded pages that the workers share.

use std::collections::{HashMap, VecDeque};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};

use crate::Result;

/// Which pages: the file, the column in it, and the unit of that.
pub(super) type Key = [usize; 3];

/// Values that were made from pages, up to a number of bytes. Who asks for one that another thread is
/// making waits for that. Those that were not asked for since it was last looked for room go first.
#[derive(Debug)]
pub(super) struct PageCache<T> {
    most: usize,
    state: Mutex<State<T>>,
}

#[derive(Debug)]
struct State<T> {
    slots: HashMap<Key, Arc<Slot<T>>>,
    /// All slots, in the order in which room is looked for.
    queue: VecDeque<Key>,
    bytes: usize,
}

#[derive(Debug)]
struct Slot<T> {
    value: OnceLock<Arc<T>>,
    making: Mutex<()>,
    bytes: AtomicUsize,
    is_used: AtomicBool,
}

impl<T> PageCache<T> {
    /// One that holds up to `most` bytes, or a single value that has more.
    pub(super) fn new(most: usize) -> Self {
        let state = State { slots: HashMap::new(), queue: VecDeque::new(), bytes: 0 };
        Self { most, state: Mutex::new(state) }
    }

    /// The value of `key`, which `make` makes with its bytes if it is not there.
    pub(super) fn get(
        &self,
        key: Key,
        make: impl FnOnce() -> Result<(T, usize)>,
    ) -> Result<Arc<T>> {
        let slot = self.slot(key);
        if let Some(value) = slot.value.get() {
            slot.is_used.store(true, Ordering::Relaxed);
            return Ok(value.clone());
        }
        let making = slot.making.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(value) = slot.value.get() {
            return Ok(value.clone());
        }
        let (value, bytes) = make()?;
        let value = slot.value.get_or_init(|| Arc::new(value)).clone();
        drop(making);
        self.count(key, &slot, bytes);
        Ok(value)
    }

    /// The value of `key`, if it is there.
    pub(super) fn held(&self, key: Key) -> Option<Arc<T>> {
        let state = self.lock();
        let slot = state.slots.get(&key)?;
        let value = slot.value.get()?.clone();
        slot.is_used.store(true, Ordering::Relaxed);
        Some(value)
    }

    fn lock(&self) -> MutexGuard<'_, State<T>> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn slot(&self, key: Key) -> Arc<Slot<T>> {
        let mut state = self.lock();
        if let Some(slot) = state.slots.get(&key) {
            return slot.clone();
        }
        let slot = Slot {
            value: OnceLock::new(),
            making: Mutex::new(()),
            bytes: AtomicUsize::new(0),
            is_used: AtomicBool::new(false),
        };
        let slot = Arc::new(slot);
        state.slots.insert(key, slot.clone());
        state.queue.push_back(key);
        slot
    }

    /// Counts a value that was just made, and makes room for it.
    fn count(&self, key: Key, slot: &Arc<Slot<T>>, bytes: usize) {
        let mut state = self.lock();
        if !state.slots.get(&key).is_some_and(|own| Arc::ptr_eq(own, slot)) {
            return;
        }
        slot.bytes.store(bytes, Ordering::Relaxed);
        state.bytes += bytes;
        let mut looks = 2 * state.queue.len();
        while state.bytes > self.most && looks > 0 {
            looks -= 1;
            let Some(first) = state.queue.pop_front() else { return };
            let is_kept = first == key
                || state
                    .slots
                    .get(&first)
                    .is_some_and(|own| own.is_used.swap(false, Ordering::Relaxed));
            if is_kept {
                state.queue.push_back(first);
            } else if let Some(gone) = state.slots.remove(&first) {
                state.bytes -= gone.bytes.load(Ordering::Relaxed);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::AtomicUsize;

    use super::*;
    use crate::{Error, ErrorKind};

    #[test]
    fn what_is_asked_for_again_stays_and_the_bytes_are_bounded() {
        let cache = PageCache::new(100);
        let made = AtomicUsize::new(0);
        let get = |page: usize, bytes: usize| {
            let value = cache.get([0, 0, page], || {
                made.fetch_add(1, Ordering::Relaxed);
                Ok((page, bytes))
            });
            assert_eq!(*value.unwrap(), page);
            assert!(cache.lock().bytes <= 100.max(bytes), "{page}");
            made.load(Ordering::Relaxed)
        };
        assert_eq!([get(0, 40), get(1, 40), get(0, 40)], [1, 2, 2]);
        // There is room for one of them, and page 0 was used again.
        assert_eq!([get(2, 40), get(0, 40), get(1, 40)], [3, 3, 4]);
        // One that is larger than all room is kept until the next one.
        assert_eq!([get(3, 1000), get(3, 1000), get(0, 40)], [5, 5, 6]);
        let state = cache.lock();
        assert_eq!(state.queue.len(), state.slots.len());
    }

    #[test]
    fn an_error_is_not_kept() {
        let cache = PageCache::new(100);
        let error =
            cache.get([0; 3], || Err(Error::new(ErrorKind::Header, "cut"))).map(|_: Arc<u8>| ());
        assert_eq!(error.unwrap_err().message(), "cut");
        assert_eq!(*cache.get([0; 3], || Ok((7, 1))).unwrap(), 7);
    }

    #[test]
    fn threads_that_ask_at_once_wait_for_one_of_them() {
        let (cache, made) = (PageCache::new(1 << 20), AtomicUsize::new(0));
        std::thread::scope(|scope| {
            for _ in 0..8 {
                scope.spawn(|| {
                    for page in 0..50 {
                        let make = || {
                            made.fetch_add(1, Ordering::Relaxed);
                            std::thread::yield_now();
                            Ok((page, 1))
                        };
                        assert_eq!(*cache.get([0, 1, page], make).unwrap(), page);
                    }
                });
            }
        });
        assert_eq!((made.into_inner(), cache.lock().bytes), (50, 50));
    }
}
