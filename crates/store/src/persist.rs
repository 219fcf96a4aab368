//! Asking again.

use std::future::Future;
use std::hash::{BuildHasher, RandomState};
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::time::Duration;

use tokio::time::{Instant, sleep, timeout};

use crate::budget::Budget;
use crate::counters::{REQUESTS, RETRIES};
use crate::transport::Answer;
use crate::{Error, ErrorKind, Result};

/// How often a request is sent at most: enough to live through the deadline at the pauses below, and an end where
/// each brings a little.
const TRIES_MAX: u32 = 12;

/// The first pause; each is about twice as long as the one before.
const PAUSE_MIN: Duration = Duration::from_millis(100);

/// The longest pause that nobody asked for.
const PAUSE_MAX: Duration = Duration::from_secs(10);

/// What became of one request.
#[derive(Debug)]
pub(crate) struct Failure {
    error: Error,
    /// How long to wait before the next, if there is hope.
    pause: Option<Duration>,
}

impl Failure {
    /// One that will fail each time.
    pub(crate) fn last(error: Error) -> Self {
        Self { error, pause: None }
    }

    /// One that may go well another time.
    pub(crate) fn passing(error: Error) -> Self {
        Self { error, pause: Some(Duration::ZERO) }
    }

    /// Whether this may be what stores say of a range of an object without bytes.
    pub(crate) fn may_be_empty(&self) -> bool {
        self.pause.is_none() && self.error.kind() == ErrorKind::Failed
    }

    fn of(error: &object_store::Error, answer: &Answer) -> Self {
        let error = Error::of(error);
        let has_hope = error.kind() == ErrorKind::Failed && answer.is_transient();
        Self { error, pause: has_hope.then(|| answer.retry_after()) }
    }
}

/// Sends one request and waits for the head of its answer.
pub(crate) async fn ask<T>(
    silence: Duration,
    request: impl Future<Output = object_store::Result<T>>,
) -> Result<T, Failure> {
    REQUESTS.add(1);
    match timeout(silence, Answer::to(request)).await {
        Ok((Ok(answer), _)) => Ok(answer),
        Ok((Err(error), answer)) => Err(Failure::of(&error, &answer)),
        Err(_) => Err(Failure::passing(silent(silence))),
    }
}

/// Nothing came for so long.
pub(crate) fn silent(silence: Duration) -> Error {
    Error::new(ErrorKind::Failed, format!("the store was silent for {silence:?}"))
}

/// How far an effort got.
#[derive(Debug)]
pub(crate) struct Effort<'a> {
    budget: Budget,
    /// Whether it sleeps because the store wants that.
    pauses: &'a AtomicBool,
    tries: u32,
    since: Instant,
}

impl<'a> Effort<'a> {
    pub(crate) fn new(budget: Budget, pauses: &'a AtomicBool) -> Self {
        Self { budget, pauses, tries: 1, since: Instant::now() }
    }

    /// Bytes came, so that the deadline is counted from now on.
    pub(crate) fn progressed(&mut self) {
        self.since = Instant::now();
    }

    /// Sleeps until it is time to ask again.
    ///
    /// # Errors
    ///
    /// The failure, if there is no hope or no time left.
    pub(crate) async fn again(&mut self, failure: Failure) -> Result<()> {
        let Failure { error, pause: Some(asked) } = failure else { return Err(failure.error) };
        let pause = asked.max(pause(self.tries));
        let deadline = self.budget.deadline;
        if self.tries == TRIES_MAX || self.since.elapsed() + pause > deadline {
            let (tries, since) = (self.tries, self.since.elapsed());
            let message = format!(
                "{error}; asked {tries} times, the last {since:.1?} without a byte. See that the store is up and \
                 reachable, or allow more time than {deadline:?}"
            );
            return Err(Error::new(error.kind(), message));
        }
        self.pauses.store(true, Relaxed);
        sleep(pause).await;
        self.pauses.store(false, Relaxed);
        RETRIES.add(1);
        self.tries += 1;
        Ok(())
    }
}

/// Between half of the pause after so many tries and all of it: processes that were refused together do not come
/// back together.
fn pause(tries: u32) -> Duration {
    let most = PAUSE_MIN.saturating_mul(1 << tries.min(16)).min(PAUSE_MAX);
    let share = RandomState::new().hash_one(tries) >> 32;
    most / 2 + (most / 2).mul_f64(share as f64 / (1u64 << 32) as f64)
}

/// The answer to a request without a body, by as many as it takes.
pub(crate) async fn persist<T, F>(mut request: impl FnMut() -> F) -> Result<T>
where
    F: Future<Output = object_store::Result<T>>,
{
    let budget = crate::budget();
    let pauses = AtomicBool::new(false);
    let mut effort = Effort::new(budget, &pauses);
    loop {
        match ask(budget.silence(), request()).await {
            Ok(answer) => return Ok(answer),
            Err(failure) => effort.again(failure).await?,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_grow_to_their_most_and_differ() {
        for (tries, most) in [(1, 200), (2, 400), (5, 3200), (9, 10_000), (u32::MAX, 10_000)] {
            let pauses: Vec<_> = (0..50).map(|_| pause(tries).as_millis()).collect();
            assert!(pauses.iter().all(|it| (most / 2..=most).contains(it)), "{tries}: {pauses:?}");
            assert!(pauses.iter().any(|it| *it != pauses[0]));
        }
    }
}
