//! The result of `compare` as data, and views of it: [`human`] for text, [`json`], and [`html`] for
//! a page.

pub(crate) mod html;
pub(crate) mod human;
pub(crate) mod json;

use std::time::Duration;

use tallow::Schema;

use crate::compare::augment::WorkAugment;
use crate::measure::rate::{median, rate, ratio};

/// A comparison: what was loaded, where, and how each contender did.
#[derive(Debug)]
pub(crate) struct Compare {
    pub(crate) source: String,
    pub(crate) schema: Schema,
    pub(crate) samples: usize,
    /// Bytes in files, with headers.
    pub(crate) file_bytes: u64,
    pub(crate) batch_size: usize,
    pub(crate) workers: usize,
    pub(crate) rounds: u64,
    pub(crate) seed: u64,
    /// Whether the files are pictures.
    pub(crate) is_pictures: bool,
    /// With `--augment`, the chain and what all deliver of it.
    pub(crate) augment: Option<WorkAugment>,
    /// Model, cores and memory, as text.
    pub(crate) machine: String,
    /// If known.
    pub(crate) memory_bytes: Option<u64>,
    /// The command line that repeats the comparison.
    pub(crate) command: String,
    /// Tallow first, then the others in the order of the report.
    pub(crate) entries: Vec<Entry>,
}

/// One contender.
#[derive(Debug)]
pub(crate) struct Entry {
    pub(crate) name: &'static str,
    pub(crate) version: Option<String>,
    /// Names and versions of the packages that it uses.
    pub(crate) versions: Vec<(String, String)>,
    /// How it was used: the fastest form that was tried.
    pub(crate) form: Option<String>,
    /// The forms that were tried, and their rates in samples per second.
    pub(crate) tried: Vec<(String, f64)>,
    /// Where its work differs from that of the others.
    pub(crate) notes: Vec<String>,
    pub(crate) outcome: Outcome,
}

/// How it went.
#[derive(Debug)]
pub(crate) enum Outcome {
    Measured(Measured),
    /// It is not installed; the message says what is missing.
    Absent(String),
    /// It has no counterpart of a step; the message says of which.
    LeftOut(String),
    /// It did not do the work; the message says why.
    Failed(String),
}

/// What it has cost.
#[derive(Debug)]
pub(crate) struct Measured {
    /// From the start of the process until it is ready: imports, listing files, starting threads.
    pub(crate) starting: Duration,
    /// One per round.
    pub(crate) laps: Vec<Lap>,
}

/// One epoch of a contender.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Lap {
    pub(crate) wall: Duration,
    pub(crate) first_batch: Duration,
    pub(crate) samples: u64,
    pub(crate) bytes: u64,
    /// CPU time of all its threads and processes.
    pub(crate) cpu: Duration,
    /// The peak memory of all its processes up to the end of the epoch.
    pub(crate) peak_bytes: u64,
}

impl Measured {
    /// Samples per second of each round.
    pub(crate) fn rates(&self) -> impl Iterator<Item = f64> {
        self.laps.iter().map(|lap| rate(lap.samples, lap.wall))
    }

    pub(crate) fn samples_per_second(&self) -> f64 {
        median(self.rates())
    }

    /// The rates of the slowest and the fastest round.
    pub(crate) fn range(&self) -> (f64, f64) {
        let least = self.rates().fold(f64::INFINITY, f64::min);
        (if least.is_finite() { least } else { 0.0 }, self.rates().fold(0.0, f64::max))
    }

    pub(crate) fn bytes_per_second(&self) -> f64 {
        median(self.laps.iter().map(|lap| rate(lap.bytes, lap.wall)))
    }

    /// CPU seconds per delivered gigabyte, of each round.
    pub(crate) fn cpus_per_gigabyte(&self) -> impl Iterator<Item = f64> {
        self.laps.iter().map(|lap| ratio(lap.cpu.as_secs_f64(), lap.bytes as f64 / 1e9))
    }

    pub(crate) fn cpu_per_gigabyte(&self) -> f64 {
        median(self.cpus_per_gigabyte())
    }

    pub(crate) fn first_batches(&self) -> impl Iterator<Item = f64> {
        self.laps.iter().map(|lap| lap.first_batch.as_secs_f64())
    }

    pub(crate) fn first_batch(&self) -> Duration {
        Duration::from_secs_f64(median(self.first_batches()))
    }

    pub(crate) fn peak_bytes(&self) -> u64 {
        self.laps.iter().map(|lap| lap.peak_bytes).max().unwrap_or(0)
    }
}

impl Entry {
    pub(crate) fn measured(&self) -> Option<&Measured> {
        match &self.outcome {
            Outcome::Measured(measured) => Some(measured),
            Outcome::Absent(_) | Outcome::LeftOut(_) | Outcome::Failed(_) => None,
        }
    }
}

impl Compare {
    /// The contenders that were measured, Tallow first unless it failed.
    pub(crate) fn measured(&self) -> impl Iterator<Item = (&Entry, &Measured)> {
        self.entries.iter().filter_map(|entry| Some((entry, entry.measured()?)))
    }

    /// The fastest of the others.
    pub(crate) fn best_other(&self) -> Option<(&Entry, &Measured)> {
        let others = self.entries.iter().skip(1);
        let others = others.filter_map(|entry| Some((entry, entry.measured()?)));
        others.max_by(|(_, a), (_, b)| a.samples_per_second().total_cmp(&b.samples_per_second()))
    }

    /// How many times as fast as another Tallow is, and how many times the CPU time of Tallow the
    /// other takes for the same bytes.
    pub(crate) fn ratios(&self, of: &Measured) -> Option<(f64, f64)> {
        let tallow = self.entries.first()?.measured()?;
        let speed = ratio(tallow.samples_per_second(), of.samples_per_second());
        Some((speed, ratio(of.cpu_per_gigabyte(), tallow.cpu_per_gigabyte())))
    }

    /// Whether the files surely stay in memory between two rounds, beside the memory of the
    /// contenders.
    pub(crate) fn fits_page_cache(&self) -> Option<bool> {
        Some(self.file_bytes < self.memory_bytes? / 2)
    }

    /// Contenders that are not installed.
    pub(crate) fn absent(&self) -> impl Iterator<Item = &Entry> {
        self.entries.iter().filter(|entry| matches!(entry.outcome, Outcome::Absent(_)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn measured(seconds: &[u64]) -> Measured {
        let lap = |&seconds: &u64| Lap {
            wall: Duration::from_secs(seconds),
            first_batch: Duration::from_millis(seconds),
            samples: 60,
            bytes: 2_000_000_000,
            cpu: Duration::from_secs(2 * seconds),
            peak_bytes: seconds,
        };
        Measured { starting: Duration::ZERO, laps: seconds.iter().map(lap).collect() }
    }

    #[test]
    fn figures_are_medians_of_the_rounds() {
        let it = measured(&[1, 3, 60]);
        assert_eq!((it.samples_per_second(), it.range()), (20., (1., 60.)));
        assert_eq!((it.cpu_per_gigabyte(), it.peak_bytes()), (3., 60));
        assert_eq!(it.first_batch(), Duration::from_millis(3));
        assert_eq!(measured(&[]).range(), (0., 0.));
    }
}
