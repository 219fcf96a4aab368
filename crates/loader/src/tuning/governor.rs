//! Chooses workers and batches ahead while an iteration runs.

use std::time::{Duration, Instant};

use super::search::{Search, Settings};

/// Tries settings while batches are taken.
#[derive(Debug)]
pub(crate) struct Governor {
    search: Search,
    most: Settings,
    spell: Spell,
    /// When the search ended.
    found: Option<Instant>,
    /// How long after that a consumer that waits starts another search.
    patience: Duration,
}

/// A part of an iteration with one of the settings.
#[derive(Debug)]
struct Spell {
    settings: Settings,
    /// Batches that were made with the settings before, and do not count.
    settling: usize,
    rows: usize,
    batches: usize,
    time: Duration,
    waited: Duration,
}

impl Spell {
    /// A spell lasts at least this long, and takes at least this many batches.
    const TIME: Duration = Duration::from_millis(200);
    const BATCHES: usize = 8;

    /// With `settings`, after others that had `before` batches ahead.
    fn new(settings: Settings, before: Option<usize>) -> Self {
        // What is ready was made with those, and so was some of what is being made.
        let settling = before.map_or(0, |before| before.max(settings.prefetch) + 1);
        let (time, waited) = (Duration::ZERO, Duration::ZERO);
        Self { settings, settling, rows: 0, batches: 0, time, waited }
    }

    fn is_over(&self) -> bool {
        self.time >= Self::TIME && self.batches >= Self::BATCHES
    }
}

impl Governor {
    /// If the consumer waits for more than this share after the search, another one begins.
    const WAITING: f64 = 0.1;
    /// How long after the first search; twice as long after each.
    const PATIENCE: Duration = Duration::from_secs(30);

    pub(crate) fn new(start: Settings, most: Settings) -> Self {
        let search = Search::new(start, most);
        let spell = Spell::new(search.trial().unwrap_or(search.best()), Some(0));
        Self { search, most, spell, found: None, patience: Self::PATIENCE }
    }

    /// The best settings so far.
    pub(crate) fn best(&self) -> Settings {
        self.search.best()
    }

    /// The settings that are being tried.
    pub(crate) fn tried(&self) -> Settings {
        self.spell.settings
    }

    /// A batch failed: how long that took says nothing about the settings.
    pub(crate) fn failed(&mut self) {
        self.spell = Spell::new(self.spell.settings, Some(self.spell.settings.prefetch));
    }

    /// A batch of `rows` rows was taken `since` the one before it, and for `waited` of that time the
    /// consumer waited. Returns the settings to be used from now on, if they are others.
    pub(crate) fn taken(
        &mut self,
        rows: usize,
        since: Duration,
        waited: Duration,
    ) -> Option<Settings> {
        let spell = &mut self.spell;
        if spell.settling > 0 {
            spell.settling -= 1;
            return None;
        }
        spell.rows += rows;
        spell.batches += 1;
        spell.time += since;
        spell.waited += waited;
        if !spell.is_over() {
            return None;
        }
        let before = spell.settings;
        let seconds = spell.time.as_secs_f64();
        let (rate, waiting) = (spell.rows as f64 / seconds, spell.waited.as_secs_f64() / seconds);
        self.judge(rate, waiting);
        let settings = self.search.trial().unwrap_or(self.search.best());
        let others = settings != before;
        self.spell = Spell::new(settings, others.then_some(before.prefetch));
        others.then_some(settings)
    }

    fn judge(&mut self, rate: f64, waiting: f64) {
        match self.found {
            None => {
                self.search.record(rate);
                if self.search.trial().is_none() {
                    let settings = self.search.best();
                    tracing::debug!(target: "tallow::auto", ?settings, "found");
                    self.found = Some(Instant::now());
                }
            }
            Some(found) if waiting > Self::WAITING && found.elapsed() >= self.patience => {
                self.patience *= 2;
                self.found = None;
                self.search = Search::new(self.search.best(), self.most);
            }
            Some(_) => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Takes batches of 10 rows that come at `rate`, until the settings stay as they are.
    fn settle(governor: &mut Governor, rate: impl Fn(Settings) -> f64) -> Settings {
        for _ in 0..20_000 {
            let since = Duration::from_secs_f64(10.0 / rate(governor.tried()));
            governor.taken(10, since, since / 2);
            if governor.found.is_some() {
                break;
            }
        }
        assert!(governor.found.is_some(), "it never ends");
        governor.tried()
    }

    #[test]
    fn it_ends_with_the_fewest_workers_that_are_as_fast() {
        let most = Settings { workers: 8, prefetch: 8, read_ahead: 0 };
        for start in [1, 4, 8] {
            let start = Settings { workers: start, prefetch: 4, read_ahead: 0 };
            let mut governor = Governor::new(start, most);
            let found = settle(&mut governor, |s| s.workers.min(3) as f64 * 500.0);
            assert_eq!(found, Settings { workers: 3, prefetch: 1, read_ahead: 0 });
        }
    }

    #[test]
    fn a_change_of_the_consumer_is_noticed_later() {
        let most = Settings { workers: 8, prefetch: 2, read_ahead: 0 };
        let mut governor = Governor::new(Settings { workers: 4, prefetch: 2, read_ahead: 0 }, most);
        assert_eq!(settle(&mut governor, |_| 1000.0).workers, 1, "the consumer is the limit");
        governor.patience = Duration::ZERO;
        let rate = |s: Settings| s.workers as f64 * 500.0;
        while governor.found.is_some() {
            let since = Duration::from_secs_f64(10.0 / rate(governor.tried()));
            governor.taken(10, since, since / 2);
        }
        assert_eq!(settle(&mut governor, rate).workers, 8);
    }

    /// Limits that change at random, in both directions, while an iteration is running.
    #[test]
    fn limits_may_change_at_any_time() {
        use crate::Loader;
        use tallow_core::{Field, RowDType, Schema, from_fn};

        let schema = Schema::new(vec![Field::new("x", RowDType::I64, &[])]).unwrap();
        let source =
            from_fn(schema, 4000, |index, row| row.field(0).copy_from_slice(&[index as i64]));
        let loader = Loader::builder(source).batch_size(5).workers(4).prefetch(6).build().unwrap();
        let mut state = 7u64;
        for _ in 0..3 {
            let mut next = 0;
            for batch in loader.epoch(0) {
                let values = batch.unwrap()["x"].to_vec1::<i64>().unwrap();
                assert_eq!(values, (next..next + 5).collect::<Vec<i64>>());
                next += 5;
                state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
                loader.limit(1 + (state >> 40) as usize % 4, 1 + (state >> 50) as usize % 6);
            }
            assert_eq!(next, 4000);
        }
    }

    #[test]
    fn a_stuck_worker_does_not_count_towards_the_limit() {
        use std::sync::Arc;
        use std::sync::atomic::{AtomicBool, Ordering};

        use crate::{ErrorKind, Loader};
        use tallow_core::{Field, RowDType, Schema, from_fn};

        for prefetch in [1, 3] {
            let (first, release) = (AtomicBool::new(true), Arc::new(AtomicBool::new(false)));
            let released = release.clone();
            let schema = Schema::new(vec![Field::new("x", RowDType::U8, &[])]).unwrap();
            let source = from_fn(schema, 40, move |index, row| {
                if index == 13 && first.swap(false, Ordering::Relaxed) {
                    while !released.load(Ordering::Relaxed) {
                        std::thread::sleep(Duration::from_millis(1));
                    }
                }
                row.field(0).copy_from_slice(&[0u8])
            });
            let loader = Loader::builder(source).batch_size(8).workers(3).prefetch(prefetch);
            let stall = Some(Duration::from_millis(400));
            let loader = loader.stall_timeout(stall).build().unwrap();
            loader.limit(1, prefetch);
            let results: Vec<_> = loader.epoch(0).collect();
            let stalled: Vec<_> =
                results.iter().filter_map(|result| result.as_ref().err()).collect();
            assert_eq!((results.len(), stalled.len()), (5, 1), "{prefetch}: {stalled:?}");
            assert_eq!(stalled[0].kind(), ErrorKind::Stalled);
            assert!(!stalled[0].is_hopeless(), "{}", stalled[0]);
            assert_eq!(loader.epochs(1..4).filter(|batch| batch.is_ok()).count(), 15);
            release.store(true, Ordering::Relaxed);
            assert_eq!(loader.epochs(4..6).filter(|batch| batch.is_ok()).count(), 10);
        }
    }
}
