//! This program's own threads, which the system may refuse to start.

use std::io;
use std::thread::{self, Scope, ScopedJoinHandle};

/// The number of cores for this process.
pub(crate) fn cores() -> usize {
    thread::available_parallelism().map_or(1, usize::from)
}

/// Does `work` on this many threads, which claim their shares, and returns the result of each:
/// `None` if it panicked. If the system starts fewer threads, those do it all; if it starts none,
/// this thread does.
pub(crate) fn share<T: Send>(threads: usize, work: impl Fn() -> T + Sync) -> Vec<Option<T>> {
    thread::scope(|scope| {
        let started: Vec<_> = (0..threads).map_while(|_| start(scope, &work).ok()).collect();
        if started.is_empty() {
            return vec![Some(work())];
        }
        started.into_iter().map(|thread| thread.join().ok()).collect()
    })
}

/// Unlike [`Scope::spawn`], this does not panic if the system is at a limit.
pub(crate) fn start<'scope, T: Send + 'scope>(
    scope: &'scope Scope<'scope, '_>,
    work: impl FnOnce() -> T + Send + 'scope,
) -> io::Result<ScopedJoinHandle<'scope, T>> {
    thread::Builder::new().spawn_scoped(scope, work)
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use super::*;

    #[test]
    fn no_thread_at_all_is_this_one() {
        let here = thread::current().id();
        assert_eq!(share(0, || thread::current().id()), [Some(here)]);
    }

    #[test]
    fn a_panic_is_the_loss_of_one_thread() {
        let next = AtomicUsize::new(0);
        let claimed = share(3, || match next.fetch_add(1, Ordering::Relaxed) {
            1 => panic!("on purpose"),
            claimed => claimed,
        });
        let mut claimed: Vec<usize> = claimed.into_iter().flatten().collect();
        claimed.sort_unstable();
        assert_eq!(claimed, [0, 2]);
    }
}
