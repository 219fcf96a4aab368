//! How many requests at once are worth it.
//!
//! Requests under way are their rate times their latency, and both are the store's and the line's: one on this machine is
//! busy with a few, and slower with hundreds; one that is 50 ms away takes hundreds of small ones to fill a line. So the
//! number doubles while that brings an eighth more, halves while that loses no more, and what is worth it is tried anew
//! now and then. Rates are compared and not latencies, since these differ from request to request by more than a queue
//! adds to them, in any store.

use std::time::{Duration, Instant};

/// As many at first; half as many are tried as well.
const FIRST: usize = 64;

/// No fewer: a connection each, and some are always between two requests.
const FEWEST: usize = 16;

/// Twice as many requests are worth it that bring so many times as much.
const WORTH: f64 = 1.125;

/// A rate that fell below this share is of another line or another store, so that more are tried at once.
const FELL: f64 = 0.5;

/// A round has so many requests at least, and lasts so long, so that chance does not decide.
const ROUND_REQUESTS: usize = 64;
const ROUND: Duration = Duration::from_millis(20);

/// How long a number stays that was found better than its neighbour; twice as long each time.
const STAYS_MIN: Duration = Duration::from_secs(1);
const STAYS_MAX: Duration = Duration::from_secs(16);

/// What a request costs besides its bytes, in bytes: rates are compared of requests of different sizes.
const REQUEST_BYTES: u64 = 64 << 10;

/// Where the number goes next.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Way {
    More,
    Fewer,
}

/// Requests that were answered while as many as allowed were under way.
#[derive(Debug, Default)]
struct Round {
    /// So many were sent before it began, and are not of it.
    before: usize,
    requests: usize,
    bytes: u64,
    /// When the first of them could be answered.
    begun: Option<Instant>,
}

#[derive(Debug)]
pub(super) struct Pace {
    requests: usize,
    round: Round,
    /// The rate with the number that it stays at, or goes back to.
    rate: f64,
    /// Where it is trying to go, from that number.
    tries: Option<Way>,
    /// Where it will try to go next, and when.
    next: (Way, Option<Instant>),
    stays: Duration,
}

impl Pace {
    pub(super) fn new() -> Self {
        Self {
            requests: FIRST,
            round: Round::default(),
            rate: 0.0,
            tries: None,
            next: (Way::More, None),
            stays: STAYS_MIN,
        }
    }

    /// So many requests at once are worth it, as far as is known.
    pub(super) fn requests(&self) -> usize {
        self.requests
    }

    /// Fewer were under way than allowed, as there was nothing to ask for or no memory: that tells nothing.
    pub(super) fn starved(&mut self) {
        self.round = Round::default();
    }

    /// A request for so many bytes was answered, one of so many that were under way; there may be `most` at once.
    pub(super) fn answered(&mut self, bytes: u64, under_way: usize, most: usize, now: Instant) {
        let round = &mut self.round;
        if round.before > 0 {
            round.before -= 1;
            return;
        }
        let Some(begun) = round.begun else {
            round.begun = Some(now);
            return;
        };
        round.requests += 1;
        round.bytes += bytes + REQUEST_BYTES;
        let elapsed = now - begun;
        if round.requests < self.requests.max(ROUND_REQUESTS) || elapsed < ROUND {
            return;
        }
        let rate = round.bytes as f64 / elapsed.as_secs_f64();
        let before = self.requests;
        self.ended(rate, most, now);
        let sent_before = if before == self.requests { 0 } else { under_way.saturating_sub(1) };
        self.round = Round { before: sent_before, ..Round::default() };
    }

    fn ended(&mut self, rate: f64, most: usize, now: Instant) {
        match self.tries {
            Some(Way::More) if rate >= self.rate * WORTH => self.goes_on(Way::More, rate, most),
            Some(Way::Fewer) if rate * WORTH >= self.rate => self.goes_on(Way::Fewer, rate, most),
            Some(way) => self.goes_back(way, now),
            None if rate < self.rate * FELL => self.goes_on(Way::More, rate, most),
            None => {
                self.rate = if self.rate == 0.0 { rate } else { (self.rate + rate) / 2.0 };
                let (way, at) = self.next;
                if at.is_none_or(|at| now >= at) {
                    self.tries(way, most);
                }
            }
        }
    }

    /// This number is better than the one before.
    fn goes_on(&mut self, way: Way, rate: f64, most: usize) {
        (self.rate, self.stays) = (rate, STAYS_MIN);
        self.tries(way, most);
    }

    /// Or it is not.
    fn goes_back(&mut self, way: Way, now: Instant) {
        let (requests, next) = match way {
            Way::More => (self.requests / 2, Way::Fewer),
            Way::Fewer => (self.requests * 2, Way::More),
        };
        (self.requests, self.tries, self.next) = (requests, None, (next, Some(now + self.stays)));
        self.stays = (self.stays * 2).min(STAYS_MAX);
    }

    fn tries(&mut self, way: Way, most: usize) {
        let is_in = match way {
            Way::More => self.requests < most,
            Way::Fewer => self.requests > FEWEST,
        };
        self.tries = is_in.then_some(way);
        match way {
            _ if !is_in => self.next.0 = if way == Way::More { Way::Fewer } else { Way::More },
            Way::More => self.requests *= 2,
            Way::Fewer => self.requests /= 2,
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::VecDeque;

    use super::*;

    const BYTES: u64 = 100_000;
    const MOST: usize = 448;

    /// A store at some distance that answers one request after the other, and each a little slower with many.
    struct Store {
        latency: Duration,
        work: Duration,
        /// Each request under way makes the work of one so much longer.
        crowding: f64,
        /// When what is under way is answered.
        answers: VecDeque<Instant>,
        free: Instant,
        now: Instant,
    }

    impl Store {
        fn new(latency_ms: u64, work_us: u64) -> Self {
            let (latency, work) =
                (Duration::from_millis(latency_ms), Duration::from_micros(work_us));
            let now = Instant::now();
            Self { latency, work, crowding: 0.0, answers: VecDeque::new(), free: now, now }
        }

        /// Answers requests for so long, and says how many of them.
        fn serve(&mut self, pace: &mut Pace, how_long: Duration) -> u32 {
            let end = self.now + how_long;
            let mut count = 0;
            while self.now < end {
                while self.answers.len() < pace.requests().min(MOST) {
                    let crowd = self.crowding * self.answers.len() as f64;
                    self.free = self.free.max(self.now) + self.work.mul_f64(1.0 + crowd);
                    self.answers.push_back(self.free + self.latency);
                }
                let under_way = self.answers.len();
                // Of a store that came nearer, later requests are answered sooner.
                self.now = self.now.max(self.answers.pop_front().expect("one is under way"));
                pace.answered(BYTES, under_way, MOST, self.now);
                count += 1;
            }
            count
        }
    }

    const SECOND: Duration = Duration::from_secs(1);

    #[test]
    fn the_number_follows_the_distance_of_the_store() {
        for (latency_ms, work_us, right) in [
            (0, 200, FEWEST..=FEWEST),
            (5, 200, 32..=64),
            (20, 200, 64..=128),
            (50, 200, 256..=512),
            (100, 2000, 64..=64),
        ] {
            let (mut pace, mut store) = (Pace::new(), Store::new(latency_ms, work_us));
            store.serve(&mut pace, 20 * SECOND);
            let mut held = 0;
            for _ in 0..100 {
                store.serve(&mut pace, SECOND / 10);
                held += u32::from(right.contains(&pace.requests()));
            }
            // Now and then it tries the number beside it.
            assert!(held >= 90, "{latency_ms} {work_us}: {held}, {pace:?}");
        }
    }

    #[test]
    fn a_store_that_is_suddenly_far_away_is_asked_for_more_within_a_second() {
        let (mut pace, mut store) = (Pace::new(), Store::new(0, 200));
        store.serve(&mut pace, 10 * SECOND);
        assert!(pace.requests() <= 32, "{pace:?}");
        store.latency = Duration::from_millis(50);
        store.serve(&mut pace, SECOND);
        assert!(pace.requests() >= 256, "{pace:?}");
        let count = store.serve(&mut pace, 10 * SECOND);
        assert!(count > 10 * 4000, "{count} of 50000");
        store.latency = Duration::ZERO;
        store.serve(&mut pace, 40 * SECOND);
        assert!(pace.requests() <= 64, "{pace:?}");
    }

    #[test]
    fn requests_that_are_in_each_others_way_become_fewer() {
        let (mut pace, mut store) = (Pace::new(), Store::new(0, 200));
        store.crowding = 0.005;
        store.serve(&mut pace, 5 * SECOND);
        let count = store.serve(&mut pace, 10 * SECOND);
        assert!(pace.requests() <= 32, "{pace:?}");
        assert!(count > 10 * 4400, "{count} of 50000");
    }

    #[test]
    fn what_is_not_asked_for_tells_nothing() {
        let (mut pace, mut now) = (Pace::new(), Instant::now());
        for _ in 0..10_000 {
            now += Duration::from_millis(1);
            pace.answered(BYTES, 3, MOST, now);
            pace.starved();
        }
        assert_eq!(pace.requests(), FIRST);
    }
}
