//! Which settings load fastest, found by trying: a climb from neighbour to neighbour, in which each step
//! is decided by trials that take turns.

use std::collections::HashSet;

/// The settings that never change what is delivered, only how fast.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub struct Settings {
    /// Worker threads.
    pub workers: usize,
    /// Batches made ahead of the consumer.
    pub prefetch: usize,
    /// Bytes of samples whose files are fetched ahead of the workers.
    pub read_ahead: usize,
}

impl Settings {
    /// As many workers and batches ahead, without reading files ahead.
    pub fn new(workers: usize, prefetch: usize) -> Self {
        Self { workers, prefetch, read_ahead: 0 }
    }

    /// The same with `bytes` bytes of files read ahead.
    #[must_use]
    pub fn read_ahead(self, bytes: usize) -> Self {
        Self { read_ahead: bytes, ..self }
    }

    /// Whether these settings take more of anything than others.
    pub fn costs_more_than(self, other: Self) -> bool {
        self.workers > other.workers
            || self.prefetch > other.prefetch
            || self.read_ahead > other.read_ahead
    }
}

/// Looks for the settings of the highest rate within bounds, and for the cheapest of those that are
/// equally fast.
///
/// It asks for one trial after another ([`trial`](Self::trial)) and is given the rate of each
/// ([`record`](Self::record)). Trials of the best settings so far and of a neighbour take turns, so
/// that other work of the machine affects both. The neighbour becomes the best if it costs more and is
/// clearly faster, or if it costs less and is not clearly slower, by the median over the pairs. What a
/// trial is, the caller decides: an epoch, or a part of one.
///
/// ```
/// # use tallow_loader::{Search, Settings};
/// let mut search = Search::new(Settings::new(4, 4), Settings::new(8, 8));
/// while let Some(settings) = search.trial() {
///     // Two workers saturate this storage.
///     search.record(settings.workers.min(2) as f64 * 1000.0);
/// }
/// assert_eq!(search.best(), Settings::new(2, 1));
/// ```
#[derive(Debug, Clone)]
pub struct Search {
    most: Settings,
    best: Settings,
    /// Neighbours of `best` that are still to be tried, the next one last.
    neighbours: Vec<Settings>,
    /// Every pair that was compared: a climb that comes back does not try it again.
    tried: HashSet<(Settings, Settings)>,
    /// The rates of the current pairs of trials: of the best settings, and of the neighbour.
    pairs: [Vec<f64>; 2],
    steps: Vec<Step>,
    /// The rate of the best settings relative to that of the last ones that were faster, at most 1:
    /// several steps that each lose a little may not lose much together.
    kept: f64,
}

/// What a [`Search`] decided about a neighbour of the settings that were best at that time.
#[derive(Debug, Clone, Copy, PartialEq)]
#[non_exhaustive]
pub struct Step {
    /// The best settings until then.
    pub from: Settings,
    /// The neighbour.
    pub to: Settings,
    /// The rate of the neighbour, divided by that of the best.
    pub ratio: f64,
    /// Whether the neighbour became the best.
    pub taken: bool,
}

impl Search {
    /// Pairs of trials before a step is decided: the median of three ignores one disturbed pair.
    const PAIRS: usize = 3;
    /// How much faster more threads or memory must be.
    const GAIN: f64 = 1.03;
    /// How much slower fewer may be in one step.
    const LOSS: f64 = 0.98;
    /// And in all steps together since the last one that was faster: the share of the rate that is
    /// always kept.
    pub const LOSS_MAX: f64 = 0.96;
    /// Two pairs below this ratio, or above its inverse, need no third.
    const CLEAR: f64 = 0.75;
    /// The numbers of workers and of batches ahead that are tried, up to the most there may be.
    pub const LADDER: [usize; 13] = [1, 2, 3, 4, 6, 8, 12, 16, 24, 32, 48, 64, 128];

    /// A search that begins at `start` and never asks for more than `most` of anything. Files are read
    /// ahead either not at all or as far as `most` says.
    pub fn new(start: Settings, most: Settings) -> Self {
        let best = Settings {
            workers: start.workers.clamp(1, most.workers.max(1)),
            prefetch: start.prefetch.clamp(1, most.prefetch.max(1)),
            read_ahead: start.read_ahead.min(most.read_ahead),
        };
        let mut search = Self {
            most,
            best,
            neighbours: Vec::new(),
            tried: HashSet::new(),
            pairs: [Vec::new(), Vec::new()],
            steps: Vec::new(),
            kept: 1.0,
        };
        search.look_around(None);
        search
    }

    /// The best settings so far.
    pub fn best(&self) -> Settings {
        self.best
    }

    /// What was decided so far, in this order.
    pub fn steps(&self) -> &[Step] {
        &self.steps
    }

    /// The settings of the next trial; `None` once the best are found.
    pub fn trial(&self) -> Option<Settings> {
        let neighbour = *self.neighbours.last()?;
        let [of_best, of_neighbour] = &self.pairs;
        Some(if of_best.len() > of_neighbour.len() { neighbour } else { self.best })
    }

    /// The rate of the trial that [`trial`](Self::trial) asked for, in samples per second.
    pub fn record(&mut self, rate: f64) {
        let Some(&neighbour) = self.neighbours.last() else { return };
        let [of_best, of_neighbour] = &mut self.pairs;
        if of_best.len() <= of_neighbour.len() {
            of_best.push(rate);
            return;
        }
        of_neighbour.push(rate);
        let mut ratios: Vec<f64> = of_neighbour.iter().zip(of_best).map(|(n, b)| *n / *b).collect();
        ratios.sort_unstable_by(f64::total_cmp);
        let ratio = ratios[ratios.len() / 2];
        let clear = ratios.len() == Self::PAIRS - 1
            && (ratios.iter().all(|ratio| *ratio < Self::CLEAR)
                || ratios.iter().all(|ratio| *ratio > 1.0 / Self::CLEAR));
        if ratios.len() < Self::PAIRS && !clear {
            return;
        }
        let needed = match neighbour.costs_more_than(self.best) {
            true => Self::GAIN,
            false => Self::LOSS.max(Self::LOSS_MAX / self.kept),
        };
        self.decide(neighbour, ratio, ratio >= needed);
    }

    fn decide(&mut self, neighbour: Settings, ratio: f64, taken: bool) {
        self.pairs = [Vec::new(), Vec::new()];
        self.steps.push(Step { from: self.best, to: neighbour, ratio, taken });
        self.tried.extend([(self.best, neighbour), (neighbour, self.best)]);
        self.neighbours.pop();
        if taken {
            let gains = neighbour.costs_more_than(self.best);
            self.kept = if gains { 1.0 } else { (self.kept * ratio).min(1.0) };
            let before = std::mem::replace(&mut self.best, neighbour);
            self.look_around(Some(before));
        }
    }

    /// Lists the neighbours of the best settings, the next one to be tried last: the one further on
    /// in the direction of the last step first.
    fn look_around(&mut self, before: Option<Settings>) {
        let Self { best, most, .. } = *self;
        let along = |at: usize, most: usize| {
            let up = Self::LADDER.into_iter().find(|&step| step > at);
            let up = Some(up.map_or(most, |step| step.min(most)));
            let down = Self::LADDER.into_iter().rev().find(|&step| step < at);
            [down, up.filter(|&step| step > at)].into_iter().flatten()
        };
        let prefetch = along(best.prefetch, most.prefetch.max(1));
        let prefetch = prefetch.map(|prefetch| Settings { prefetch, ..best });
        let read_ahead = if best.read_ahead == 0 { most.read_ahead } else { 0 };
        let read_ahead = Settings { read_ahead, ..best };
        let workers = along(best.workers, most.workers.max(1));
        let workers = workers.map(|workers| Settings { workers, ..best });
        let all = prefetch.chain([read_ahead]).chain(workers);
        let is_new = |found: &Settings| *found != best && !self.tried.contains(&(best, *found));
        let mut neighbours: Vec<Settings> = all.filter(is_new).collect();
        if let Some(before) = before {
            neighbours.sort_by_key(|next| is_further(before, best, *next));
        }
        self.neighbours = neighbours;
    }
}

/// Whether `c` lies beyond `b`, seen from `a`.
fn is_further(a: Settings, b: Settings, c: Settings) -> bool {
    let towards = |a: usize, b: usize, c: usize| a != b && (a < b) == (b < c) && b != c;
    towards(a.workers, b.workers, c.workers) || towards(a.prefetch, b.prefetch, c.prefetch)
}

#[cfg(test)]
mod tests {
    use super::*;

    const MOST: Settings = Settings { workers: 16, prefetch: 16, read_ahead: 64 };

    /// Searches with trials of this rate; the settings found, and how many trials that took.
    fn found(start: Settings, mut rate: impl FnMut(Settings) -> f64) -> (Settings, usize) {
        let mut search = Search::new(start, MOST);
        let mut trials = 0;
        while let Some(settings) = search.trial() {
            assert!(!settings.costs_more_than(MOST) && settings.workers * settings.prefetch > 0);
            search.record(rate(settings));
            trials += 1;
            assert!(trials < 1000, "no end of it");
        }
        (search.best(), trials)
    }

    #[test]
    fn it_climbs_to_where_more_gains_nothing_and_takes_no_more_than_that() {
        for start in [1, 4, 16] {
            let start = Settings { workers: start, prefetch: 4, read_ahead: 0 };
            let rate = |s: Settings| {
                let waits = if s.prefetch < 4 { 0.7 } else { 1.0 };
                s.workers.min(6) as f64 * waits * if s.read_ahead > 0 { 1.5 } else { 1.0 }
            };
            let (best, trials) = found(start, rate);
            assert_eq!(best, Settings { workers: 6, prefetch: 4, read_ahead: 64 });
            assert!(trials <= 90, "{trials}");
        }
    }

    #[test]
    fn where_nothing_matters_it_takes_the_least() {
        let start = Settings { workers: 8, prefetch: 4, read_ahead: 0 };
        let (best, _) = found(start, |_| 100.0);
        assert_eq!(best, Settings { workers: 1, prefetch: 1, read_ahead: 0 });
    }

    #[test]
    fn many_small_losses_are_not_taken_for_none() {
        let start = Settings { workers: 16, prefetch: 16, read_ahead: 0 };
        // Each step down loses 1.5%.
        let rung = |at: usize| Search::LADDER.iter().filter(|&&step| step < at).count() as i32;
        let rate = |s: Settings| 0.985f64.powi(rung(16) - rung(s.workers));
        let (best, _) = found(start, rate);
        assert!(rate(best) >= Search::LOSS_MAX && best.workers < 16, "{best:?}");
        assert_eq!(best.prefetch, 1, "nothing is lost by that");
    }

    #[test]
    fn noise_of_a_tenth_keeps_it_within_a_tenth_of_the_best() {
        let mut state = 1u64;
        let mut noise = || {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            0.95 + 0.1 * (state >> 40) as f64 / (1u64 << 24) as f64
        };
        let rate = |s: Settings| (s.workers.min(5) as f64).powf(0.9) * 1000.0;
        let start = Settings { workers: 2, prefetch: 4, read_ahead: 0 };
        for _ in 0..50 {
            let (best, _) = found(start, |s| rate(s) * noise());
            let most = rate(Settings { workers: 5, ..start });
            assert!(rate(best) >= 0.9 * most, "{best:?}");
        }
    }
}
