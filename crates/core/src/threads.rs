//! Work in parts on all cores, for what takes one pass when a source is opened. Samples
//! are read on the threads that call a source.

use std::panic::resume_unwind;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread;

use crate::{Error, Result};

/// What `work` makes of each of `count` parts, in order. Each thread has a `state` of its own.
///
/// # Errors
///
/// That of the first part that fails, whichever thread is faster; of `state`, if it fails.
pub(crate) fn in_parts<S, T: Send>(
    count: usize,
    state: impl Fn() -> Result<S> + Sync,
    work: impl Fn(&mut S, usize) -> Result<T> + Sync,
) -> Result<Vec<T>> {
    let (next, has_failed) = (AtomicUsize::new(0), AtomicBool::new(false));
    let run = || {
        let mut made = Vec::new();
        let mut state = state().map_err(|error| (0, error))?;
        // Parts are given out in order and worked on to their ends, so that all before one that fails
        // are tried.
        while !has_failed.load(Ordering::Relaxed) {
            let part = next.fetch_add(1, Ordering::Relaxed);
            if part >= count {
                break;
            }
            let result = work(&mut state, part);
            let fail = |_: &Error| has_failed.store(true, Ordering::Relaxed);
            made.push((part, result.inspect_err(fail).map_err(|error| (part, error))?));
        }
        Ok::<_, (usize, Error)>(made)
    };
    let cores = thread::available_parallelism().map_or(1, usize::from);
    let ended = thread::scope(|scope| {
        // Where a thread cannot be started, the others take its parts.
        let start = |_| thread::Builder::new().spawn_scoped(scope, run).ok();
        let threads: Vec<_> = (1..cores.min(count)).filter_map(start).collect();
        let own = run();
        let others = threads.into_iter().map(|it| it.join().unwrap_or_else(|it| resume_unwind(it)));
        others.chain([own]).collect::<Vec<_>>()
    });
    let (mut made, mut failures) = (Vec::with_capacity(count), Vec::new());
    for result in ended {
        match result {
            Ok(own) => made.extend(own),
            Err(failure) => failures.push(failure),
        }
    }
    if let Some((_, error)) = failures.into_iter().min_by_key(|(part, _)| *part) {
        return Err(error);
    }
    made.sort_unstable_by_key(|(part, _)| *part);
    Ok(made.into_iter().map(|(_, made)| made).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_are_in_order_and_the_first_that_fails_is_told() {
        let made = in_parts(
            1000,
            || Ok(0),
            |own, part| {
                *own += 1;
                Ok(part * 2)
            },
        );
        assert_eq!(made.unwrap(), (0..1000).map(|part| part * 2).collect::<Vec<_>>());
        assert!(in_parts(0, || Ok(()), |(), part| Ok(part)).unwrap().is_empty());
        for _ in 0..20 {
            let failing = |_: &mut (), part| match part {
                300 | 301 | 777 => Err(Error::user(format!("part {part}"))),
                _ => Ok(()),
            };
            let error = in_parts(1000, || Ok(()), failing).unwrap_err();
            assert!(error.to_string().contains("part 300"), "{error}");
        }
        let no_state = || Err::<(), _>(Error::user("no state"));
        assert!(in_parts(3, no_state, |(), _| Ok(())).is_err());
    }
}
