//! Trials of settings, and their rates.

use tallow::Settings;

use crate::measure::rate::median;
use crate::tune::finals::Ratio;

/// A trial and its rate.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Trial {
    pub(crate) settings: Settings,
    pub(crate) samples_per_second: f64,
}

/// All trials of the same settings, and their rates.
#[derive(Debug)]
pub(crate) struct Tried {
    pub(crate) settings: Settings,
    pub(crate) rates: Vec<f64>,
}

impl Tried {
    pub(crate) fn rate(&self) -> f64 {
        median(self.rates.iter().copied())
    }

    /// Groups `trials` by their settings, those with fewer workers and batches first.
    pub(crate) fn all(trials: &[Trial]) -> Vec<Self> {
        let mut all: Vec<Self> = Vec::new();
        for &Trial { settings, samples_per_second } in trials {
            match all.iter_mut().find(|tried| tried.settings == settings) {
                Some(tried) => tried.rates.push(samples_per_second),
                None => all.push(Self { settings, rates: vec![samples_per_second] }),
            }
        }
        all.sort_by_key(|Self { settings: of, .. }| (of.workers, of.prefetch, of.read_ahead));
        all
    }
}

/// All settings within the bounds, measured.
#[derive(Debug)]
pub(crate) struct Grid {
    /// Several per setting.
    pub(crate) trials: Vec<Trial>,
    pub(crate) best: Settings,
    /// The rate of what was found relative to the best, unless they are the same.
    pub(crate) beside: Option<Ratio>,
}

impl Grid {
    pub(crate) fn points(&self) -> usize {
        Tried::all(&self.trials).len()
    }

    /// The rate of what was found relative to the best.
    pub(crate) fn ratio(&self) -> f64 {
        self.beside.map_or(1.0, |ratio| ratio.median)
    }
}

/// The median rate of the trials of these settings.
pub(crate) fn rate_of(trials: &[Trial], settings: Settings) -> f64 {
    let own = trials.iter().filter(|trial| trial.settings == settings);
    median(own.map(|trial| trial.samples_per_second))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn trials_of_the_same_settings_are_one() {
        let trial = |workers, prefetch, samples_per_second| Trial {
            settings: Settings::new(workers, prefetch),
            samples_per_second,
        };
        let trials = [trial(2, 1, 5.0), trial(1, 4, 1.0), trial(2, 1, 9.0), trial(2, 1, 6.0)];
        let all = Tried::all(&trials);
        assert_eq!(all.iter().map(|tried| tried.settings.workers).collect::<Vec<_>>(), [1, 2]);
        assert_eq!((all[0].rate(), all[1].rate()), (1.0, 6.0));
        assert_eq!(all[1].rates, [5.0, 9.0, 6.0]);
    }
}
