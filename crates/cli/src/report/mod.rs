//! What the commands have found, as data; [`human`] and [`json`] are two views of it.

pub(crate) mod compare;
pub(crate) mod human;
pub(crate) mod json;

use std::time::Duration;

use tallow::{Plan, Schema};

use crate::measure::{Meter, delivered_row_bytes, median};

/// What loading has cost.
#[derive(Debug)]
pub(crate) struct Run {
    pub(crate) source: String,
    /// Time to list and open the source.
    pub(crate) opening: Duration,
    /// Time to build the loader.
    pub(crate) building: Duration,
    /// The delivered fields.
    pub(crate) schema: Schema,
    pub(crate) plan: Plan,
    pub(crate) device: Device,
    pub(crate) augmented: Option<Augmented>,
    pub(crate) epochs: u64,
    pub(crate) meter: Meter,
    /// With `--step-ms`, what was asked for.
    pub(crate) step: Option<Duration>,
    /// On CUDA.
    pub(crate) copies: Option<Copies>,
    /// The loader's own account, which names the limiting stage.
    pub(crate) loader: tallow::Report,
    pub(crate) peak_rss_bytes: u64,
    /// Whether the allocator keeps what is freed for the next batches.
    pub(crate) keeps_freed_memory: bool,
    /// With `--ceiling`, each epoch and the pass of the ceiling that followed it.
    pub(crate) rounds: Vec<Round>,
}

/// Where the tensors go.
#[derive(Debug)]
pub(crate) struct Device {
    /// As `--device` names it.
    pub(crate) name: String,
    /// What its maker calls it, where the driver says so.
    pub(crate) model: Option<String>,
    /// What the loader keeps of its memory.
    pub(crate) bytes: usize,
    /// Whether the last transform runs there.
    pub(crate) on_device: bool,
}

/// Copies of slabs, and the bytes a second of a page-locked copy of that size alone.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Copies {
    pub(crate) slabs: tallow::Copies,
    pub(crate) alone: f64,
}

impl Copies {
    pub(crate) fn share(&self) -> f64 {
        ratio(self.slabs.bytes_per_second(), self.alone)
    }
}

/// How samples are augmented.
#[derive(Debug)]
pub(crate) struct Augmented {
    /// The chain in its canonical form.
    pub(crate) chain: String,
    /// Bytes of the drawn parameters of a sample, and of what a worker computes in.
    pub(crate) plan_bytes: usize,
    pub(crate) scratch_bytes: usize,
}

/// Samples a second of an epoch, and of the ceiling right after it.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Round {
    pub(crate) loader: f64,
    pub(crate) ceiling: f64,
}

impl Round {
    /// The loader's share of the ceiling; 0 where there was nothing to load.
    pub(crate) fn ratio(self) -> f64 {
        ratio(self.loader, self.ceiling)
    }
}

fn ratio(loader: f64, ceiling: f64) -> f64 {
    if ceiling > 0.0 { loader / ceiling } else { 0.0 }
}

impl Run {
    /// Over all epochs; with a ceiling the median of the rounds, as the ceiling's own figure is,
    /// so that the ratio is that of the two.
    pub(crate) fn samples_per_second(&self) -> f64 {
        if self.rounds.is_empty() {
            return self.meter.samples_per_second();
        }
        median(self.rounds.iter().map(|round| round.loader))
    }

    /// The least share of the copies' time that must have passed during steps: no more of it can
    /// lie outside of them than there is time outside of them.
    pub(crate) fn hidden_at_least(&self) -> Option<f64> {
        let copies = self.copies.filter(|copies| !copies.slabs.time.is_zero())?;
        self.step?;
        let outside = self.meter.wall.saturating_sub(self.meter.steps);
        Some((1.0 - outside.div_duration_f64(copies.slabs.time)).max(0.0))
    }

    /// Delivered bytes of samples, those of padding not counted.
    pub(crate) fn bytes_per_second(&self) -> f64 {
        self.samples_per_second() * self.row_bytes() as f64
    }

    pub(crate) fn bytes(&self) -> u64 {
        self.meter.samples * self.row_bytes()
    }

    fn row_bytes(&self) -> u64 {
        delivered_row_bytes(&self.schema)
    }

    /// The median of the ceiling, and the loader's median as a share of it.
    pub(crate) fn ceiling(&self) -> Option<(f64, f64)> {
        if self.rounds.is_empty() {
            return None;
        }
        let ceiling = median(self.rounds.iter().map(|round| round.ceiling));
        Some((ceiling, ratio(self.samples_per_second(), ceiling)))
    }
}

/// What was delivered, as one number.
#[derive(Debug)]
pub(crate) struct Digest {
    pub(crate) hash: u128,
    pub(crate) batches: u64,
    pub(crate) samples: u64,
    pub(crate) errors: usize,
    pub(crate) faults: usize,
}

/// What the machine offers, in the order in which it is told.
#[derive(Debug, Default)]
pub(crate) struct Doctor {
    pub(crate) findings: Vec<Finding>,
}

/// One property of the machine.
#[derive(Debug)]
pub(crate) struct Finding {
    /// For people, of one word or two.
    pub(crate) what: String,
    pub(crate) found: String,
    /// The same as numbers.
    pub(crate) values: serde_json::Value,
    /// What to do, if it harms loading.
    pub(crate) advice: Option<String>,
}

/// What there is to load.
#[derive(Debug)]
pub(crate) struct Inspect {
    pub(crate) source: String,
    pub(crate) schema: Schema,
    pub(crate) samples: usize,
    /// In files, headers included where a file holds one sample.
    pub(crate) bytes: u64,
    pub(crate) smallest: Option<SampleSize>,
    pub(crate) largest: Option<SampleSize>,
    /// Entries of folders that are no samples.
    pub(crate) ignored: usize,
}

/// What one sample takes in files.
#[derive(Debug)]
pub(crate) struct SampleSize {
    pub(crate) bytes: u64,
    pub(crate) index: usize,
    pub(crate) name: String,
}

/// Whatever keeps samples from being loaded.
#[derive(Debug, Default)]
pub(crate) struct Check {
    pub(crate) samples: usize,
    pub(crate) problems: Vec<Problem>,
}

/// One problem, of a file or of a source.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Problem {
    /// The sample, where it is known: problems of no sample in particular come first.
    pub(crate) index: Option<usize>,
    pub(crate) path: String,
    pub(crate) kind: &'static str,
    pub(crate) message: String,
}
