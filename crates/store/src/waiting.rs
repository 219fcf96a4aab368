//! How long threads slept until their bytes were there.

use std::cell::RefCell;
use std::marker::PhantomData;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, LazyLock};
use std::time::{Duration, Instant};

/// How long the threads that it watches slept until their bytes were there, one thread at a time. Any thread may ask, also
/// while one sleeps.
#[derive(Debug, Clone, Default)]
pub struct Waiting(Arc<Slept>);

/// Nanoseconds, and in the lowest bit whether a thread sleeps now. If none does, how long they slept; if one does, when it
/// would have fallen asleep had it done all its sleeping at once. One number, so that who asks sees no half of a change.
#[derive(Debug, Default)]
struct Slept(AtomicU64);

/// What times count from.
static BEGUN: LazyLock<Instant> = LazyLock::new(Instant::now);

fn now_ns() -> u64 {
    BEGUN.elapsed().as_nanos() as u64
}

impl Slept {
    fn total_ns(&self) -> u64 {
        match self.0.load(Relaxed) {
            value if value & 1 == 0 => value >> 1,
            since => now_ns().saturating_sub(since >> 1),
        }
    }

    fn begin(&self) {
        self.0.store((now_ns().saturating_sub(self.total_ns()) << 1) | 1, Relaxed);
    }

    fn end(&self) {
        self.0.store(self.total_ns() << 1, Relaxed);
    }
}

thread_local! {
    /// Who watches this thread.
    static WATCHES: RefCell<Option<Arc<Slept>>> = const { RefCell::new(None) };
}

impl Waiting {
    /// Watches this thread until what is returned is dropped; then the watch before it goes on.
    pub fn watch(&self) -> Watched {
        let before = WATCHES.replace(Some(self.0.clone()));
        Watched { before, stays: PhantomData }
    }

    /// How long that was so far, with the sleep that goes on now.
    pub fn total(&self) -> Duration {
        Duration::from_nanos(self.0.total_ns())
    }
}

/// A thread is watched; see [`Waiting::watch`].
#[derive(Debug)]
pub struct Watched {
    before: Option<Arc<Slept>>,
    /// It ends on the thread where it began.
    stays: PhantomData<*const ()>,
}

impl Drop for Watched {
    fn drop(&mut self) {
        WATCHES.set(self.before.take());
    }
}

/// While it lives, the thread sleeps.
#[derive(Debug)]
pub(crate) struct Asleep(Option<Arc<Slept>>);

impl Asleep {
    /// This thread is about to sleep.
    pub(crate) fn begin() -> Self {
        let watches = WATCHES.with_borrow(Clone::clone);
        watches.iter().for_each(|slept| slept.begin());
        Self(watches)
    }
}

impl Drop for Asleep {
    fn drop(&mut self) {
        self.0.iter().for_each(|slept| slept.end());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NAP: Duration = Duration::from_millis(20);

    fn nap() {
        let _asleep = Asleep::begin();
        std::thread::sleep(NAP);
    }

    #[test]
    fn a_sleep_counts_while_it_lasts_and_once() {
        let [outer, inner] = [Waiting::default(), Waiting::default()];
        let watched = outer.watch();
        let other = outer.clone();
        let asleep = Asleep::begin();
        std::thread::sleep(NAP);
        let seen = std::thread::spawn(move || other.total()).join().unwrap();
        assert!(seen >= NAP, "{seen:?}");
        drop(asleep);
        let first = outer.total();
        assert_eq!(first, outer.total());
        {
            let _watched = inner.watch();
            nap();
        }
        assert_eq!(outer.total(), first);
        assert!(inner.total() >= NAP);
        nap();
        assert!(outer.total() >= first + NAP);
        drop(watched);
        let last = outer.total();
        nap();
        assert_eq!(outer.total(), last);
    }
}
