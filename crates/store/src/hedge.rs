//! A second request where one is slow.

use std::future::Future;
use std::pin::pin;
use std::sync::Mutex;
use std::time::Duration;

use futures_util::future::{Either, select};
use tokio::time::{Instant, sleep};

use crate::counters::{HEDGES, REQUESTS};
use crate::{ErrorKind, Result};

/// How many durations of each class are kept.
const KEPT: usize = 64;

/// With fewer, what is slow is not known.
const KNOWN: usize = 16;

/// What is slow before that: much longer than a store takes for the first byte.
const SLOW_UNKNOWN: Duration = Duration::from_secs(2);

/// Nothing is slow before this: as long as a store takes for the first byte.
const SLOW_MIN: Duration = Duration::from_millis(100);

/// Of how many requests one may be a second one, so that a store that is slow for all of them does not get twice as
/// many.
const ONE_OF: u64 = 20;

/// These are free.
const FREE: u64 = 4;

/// How long requests took lately, by the power of four of their bytes.
static LATELY: Mutex<[Durations; 16]> = Mutex::new([const { Durations::new() }; 16]);

#[derive(Debug)]
struct Durations {
    kept: [Duration; KEPT],
    count: usize,
}

impl Durations {
    const fn new() -> Self {
        Self { kept: [Duration::ZERO; KEPT], count: 0 }
    }

    fn add(&mut self, duration: Duration) {
        self.kept[self.count % KEPT] = duration;
        self.count += 1;
    }

    /// The 95th percentile of these.
    fn slow(&self) -> Duration {
        let known = self.count.min(KEPT);
        if known < KNOWN {
            return SLOW_UNKNOWN;
        }
        let mut sorted = self.kept;
        let sorted = &mut sorted[..known];
        sorted.sort_unstable();
        sorted[known * 95 / 100].max(SLOW_MIN)
    }
}

fn class(bytes: u64) -> usize {
    ((bytes.max(1).ilog2() / 2) as usize).min(15)
}

/// What `request` gives, which asks for so many bytes, or what it gives when it is made once more, if the first is
/// slow and `admitted`. The slower one is dropped, which closes its connection.
pub(crate) async fn hedged<T, F>(
    bytes: u64,
    deadline: Duration,
    request: impl Fn() -> F,
    admitted: impl Fn() -> bool,
) -> Result<T>
where
    F: Future<Output = Result<T>>,
{
    let begun = Instant::now();
    // A thread that died with the lock left durations.
    let lately = || LATELY.lock().unwrap_or_else(|e| e.into_inner());
    let slow = lately()[class(bytes)].slow().min(deadline / 4);
    let result = both(slow, request, admitted).await;
    if result.is_ok() {
        lately()[class(bytes)].add(begun.elapsed());
    }
    result
}

async fn both<T, F>(
    slow: Duration,
    request: impl Fn() -> F,
    admitted: impl Fn() -> bool,
) -> Result<T>
where
    F: Future<Output = Result<T>>,
{
    let mut first = pin!(request());
    loop {
        match select(first.as_mut(), pin!(sleep(slow))).await {
            Either::Left((result, _)) => return result,
            Either::Right(_) if HEDGES.now() < FREE + REQUESTS.now() / ONE_OF && admitted() => {
                break;
            }
            Either::Right(_) => {}
        }
    }
    HEDGES.add(1);
    let second = pin!(request());
    match select(first, second).await {
        Either::Left((result, second)) => either(result, second).await,
        Either::Right((result, first)) => either(result, first).await,
    }
}

/// The first result, unless another may be better.
async fn either<T>(result: Result<T>, other: impl Future<Output = Result<T>>) -> Result<T> {
    match result {
        Err(error) if error.kind() == ErrorKind::Failed => other.await.map_err(|_| error),
        _ => result,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn slow_is_the_95th_percentile_of_what_is_known_and_never_soon() {
        let mut durations = Durations::new();
        for ms in 0..KNOWN as u64 - 1 {
            durations.add(Duration::from_millis(ms));
        }
        assert_eq!(durations.slow(), SLOW_UNKNOWN);
        durations.add(Duration::from_millis(9));
        assert_eq!(durations.slow(), SLOW_MIN);
        for ms in 1000..1100 {
            durations.add(Duration::from_millis(ms));
        }
        assert_eq!(durations.slow(), Duration::from_millis(1036 + 60));
    }
}
