//! The finals of a search: the best settings take turns, and one of them is proposed.

use tallow::Settings;

use crate::measure::rate::median;

/// Some settings, and the rate of each in every round.
#[derive(Debug, Default)]
pub(crate) struct Finals {
    pub(crate) finalists: Vec<Finalist>,
}

#[derive(Debug)]
pub(crate) struct Finalist {
    pub(crate) settings: Settings,
    /// Samples per second, one rate per round.
    pub(crate) rates: Vec<f64>,
}

impl Finalist {
    pub(crate) fn rate(&self) -> f64 {
        median(self.rates.iter().copied())
    }
}

/// The rate of some settings relative to that of others.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Ratio {
    pub(crate) median: f64,
    /// The interval that holds the true median with the confidence [`Finals::CONFIDENCE`].
    pub(crate) low: f64,
    pub(crate) high: f64,
}

impl Ratio {
    /// The median of `ratios`, and an interval between two of them that rests on the binomial
    /// distribution alone, because disturbed trials follow no other. With fewer than 5, the
    /// interval is the whole range.
    fn of(mut ratios: Vec<f64>) -> Self {
        ratios.sort_unstable_by(f64::total_cmp);
        let count = ratios.len();
        // The probability that the true median is below all but the `cut` smallest; above is as
        // likely.
        let (mut outside, mut term, mut cut) = (0.5_f64.powi(count as i32), 1.0, 0);
        while cut + 1 < count.div_ceil(2) {
            term *= (count - cut) as f64 / (cut + 1) as f64;
            let next = outside + term * 0.5_f64.powi(count as i32);
            if 2.0 * next > 1.0 - Finals::CONFIDENCE {
                break;
            }
            (outside, cut) = (next, cut + 1);
        }
        let at = |at: usize| ratios.get(at).copied().unwrap_or(0.0);
        let (low, high) = (at(cut), at(count.saturating_sub(cut + 1)));
        Self { median: median(ratios.iter().copied()), low, high }
    }
}

/// Which of several equally fast settings to propose.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Prefer {
    /// These, because a program need not set them.
    Defaults(Settings),
    /// Those with the fewest workers, then the fewest batches ahead.
    Least,
}

impl Finals {
    /// The confidence of intervals.
    pub(crate) const CONFIDENCE: f64 = 0.9;

    /// Settings that reach `TIE` of the best count as equally fast, and so do those that reach
    /// `UNSURE` if the interval includes equality.
    const TIE: f64 = 0.97;
    const UNSURE: f64 = 0.95;

    /// Runs `rounds` of trials in turns. Each round begins with another one, so that whatever else
    /// the machine does affects all alike.
    pub(crate) fn of<E>(
        settings: &[Settings],
        rounds: usize,
        mut trial: impl FnMut(Settings) -> Result<f64, E>,
    ) -> Result<Self, E> {
        let mut finalists: Vec<Finalist> = settings
            .iter()
            .map(|&settings| Finalist { settings, rates: Vec::with_capacity(rounds) })
            .collect();
        let count = finalists.len();
        for round in 0..rounds {
            for turn in 0..count {
                let finalist = &mut finalists[(round + turn) % count];
                finalist.rates.push(trial(finalist.settings)?);
            }
        }
        Ok(Self { finalists })
    }

    /// The rate of `settings` relative to that of `other`, round by round; `None` if they are the
    /// same.
    pub(crate) fn ratio(&self, settings: Settings, other: Settings) -> Option<Ratio> {
        let of = |settings| self.finalists.iter().find(|finalist| finalist.settings == settings);
        let (this, other) = (of(settings)?, of(other).filter(|_| settings != other)?);
        let rounds = this.rates.iter().zip(&other.rates);
        Some(Ratio::of(rounds.map(|(this, other)| this / other).collect()))
    }

    /// The settings to propose; `None` without finalists.
    pub(crate) fn chosen(&self, prefer: Prefer) -> Option<Settings> {
        // By ratios within rounds, because noise of the machine affects a whole round alike.
        let first = self.finalists.first()?.settings;
        let beside_first =
            |it: &Finalist| self.ratio(it.settings, first).map_or(1.0, |it| it.median);
        let faster = |a: &&Finalist, b: &&Finalist| beside_first(a).total_cmp(&beside_first(b));
        let best = self.finalists.iter().max_by(faster)?.settings;
        let ties = |settings| {
            self.ratio(settings, best).is_none_or(|Ratio { median, high, .. }| {
                median >= Self::TIE || (median >= Self::UNSURE && high >= 1.0)
            })
        };
        let ties = self.finalists.iter().map(|finalist| finalist.settings).filter(|it| ties(*it));
        let least = ties.clone().min_by_key(|it| (it.workers, it.prefetch, it.read_ahead));
        match prefer {
            Prefer::Defaults(defaults) => ties.into_iter().find(|it| *it == defaults).or(least),
            Prefer::Least => least,
        }
    }

    /// The largest share by which another may be faster than `found`.
    pub(crate) fn behind_at_most(&self, found: Settings) -> Option<f64> {
        let others = self.finalists.iter().filter_map(|it| self.ratio(it.settings, found));
        others.map(|ratio| ratio.high - 1.0).max_by(f64::total_cmp).map(|behind| behind.max(0.0))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn settings(workers: usize) -> Settings {
        Settings::new(workers, 4)
    }

    /// Noise of a few percent, the same in each run.
    fn noise() -> impl FnMut(f64) -> f64 {
        let mut state = 1u64;
        move |width: f64| {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            1.0 + width * ((state >> 40) as f64 / (1u64 << 24) as f64 - 0.5)
        }
    }

    /// Finals of trials of `rate`, with noise per round and noise per trial.
    fn finals(
        workers: &[usize],
        noise: &mut impl FnMut(f64) -> f64,
        rate: impl Fn(usize) -> f64,
    ) -> Finals {
        let all: Vec<Settings> = workers.iter().map(|&workers| settings(workers)).collect();
        let mut drift = (0, 1.0);
        let trial = |settings: Settings| {
            if drift.0 % workers.len() == 0 {
                drift.1 = noise(0.6);
            }
            drift.0 += 1;
            Ok::<_, ()>(rate(settings.workers) * drift.1 * noise(0.04))
        };
        Finals::of(&all, 8, trial).unwrap()
    }

    #[test]
    fn an_interval_is_that_of_the_binomial_distribution() {
        let of = |count: usize| {
            let ratio = Ratio::of((1..=count).map(|it| it as f64).collect());
            (ratio.low, ratio.high)
        };
        // From tables of the sign test: the interval of at least 90% of samples holds the median.
        assert_eq!([of(5), of(8), of(9)], [(1., 5.), (2., 7.), (2., 8.)]);
        assert_eq!([of(11), of(13), of(20)], [(3., 9.), (4., 10.), (6., 15.)]);
        assert_eq!([of(1), of(2), of(3)], [(1., 1.), (1., 2.), (1., 3.)]);
    }

    #[test]
    fn nine_in_ten_intervals_hold_the_true_ratio() {
        let mut noise = noise();
        let held = (0..400).filter(|_| {
            let finals = finals(&[1, 2], &mut noise, |workers| workers as f64);
            let ratio = finals.ratio(settings(2), settings(1)).unwrap();
            ratio.low <= 2.0 && 2.0 <= ratio.high
        });
        assert!(held.count() >= 350, "of 400");
    }

    #[test]
    fn what_is_as_fast_as_the_defaults_does_not_replace_them() {
        let mut noise = noise();
        let start = settings(4);
        for _ in 0..100 {
            let same = finals(&[4, 1, 2, 6], &mut noise, |_| 100.0);
            assert_eq!(same.chosen(Prefer::Defaults(start)), Some(start));
            assert!(same.behind_at_most(start).unwrap() < 0.08);
            let least = same.chosen(Prefer::Least).unwrap();
            assert!(least.workers <= 2, "{least:?}");
        }
    }

    #[test]
    fn whatever_is_chosen_is_within_a_twentieth_of_the_best() {
        let mut noise = noise();
        let rate = |workers: usize| [0.0, 80.0, 96.0, 100.0, 99.0][workers];
        for _ in 0..100 {
            let finals = finals(&[1, 2, 3, 4], &mut noise, rate);
            let found = finals.chosen(Prefer::Defaults(settings(1))).unwrap();
            assert!(rate(found.workers) >= 95.0, "{found:?}");
            assert!(finals.behind_at_most(found).unwrap() < 0.15);
        }
        assert_eq!(Finals::default().chosen(Prefer::Least), None);
    }

    #[test]
    fn trials_are_in_one_order_and_each_round_begins_with_another() {
        let mut order = Vec::new();
        let all = [1, 2, 3].map(settings);
        let trial = |settings: Settings| {
            order.push(settings.workers);
            Ok::<_, ()>(1.0)
        };
        let finals = Finals::of(&all, 3, trial).unwrap();
        assert_eq!(order, [1, 2, 3, 2, 3, 1, 3, 1, 2]);
        assert!(finals.finalists.iter().all(|finalist| finalist.rates.len() == 3));
    }
}
