//! What the commands have found, as data; [`human`], [`json`] and [`html`] are views of it.

pub(crate) mod compare;
pub(crate) mod html;
pub(crate) mod human;
pub(crate) mod json;

use std::path::PathBuf;
use std::time::Duration;

use tallow::{Plan, Schema, Settings, SourceErrorKind, Stage, Step};

use crate::data::numbers::Range;
use crate::data::shapes::Spread;
use crate::loading::augment::Augmented;
use crate::measure::device::{BesideCopy, DeviceReport};
use crate::measure::epochs::{Cold, Round};
use crate::measure::meter::{Meter, Part, delivered_row_bytes};
use crate::measure::rate::{median, ratio};
use crate::terminal::words;
use crate::tune::finals::{Finals, Ratio};
use crate::tune::search::Sought;
use crate::tune::trial::Grid;
use crate::tune::tuner::Ceilings;

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
    pub(crate) device: DeviceReport,
    pub(crate) augmented: Option<Augmented>,
    pub(crate) epochs: u64,
    /// How long the epoch took that came first and is not counted.
    pub(crate) warm_up: Option<Duration>,
    pub(crate) meter: Meter,
    /// With `--step-ms`, what was asked for.
    pub(crate) step: Option<Duration>,
    /// On CUDA.
    pub(crate) copies: Option<BesideCopy>,
    pub(crate) kernels: Option<BesideCopy>,
    /// The loader's own account, which names the limiting stage.
    pub(crate) loader: tallow::Report,
    pub(crate) peak_rss_bytes: u64,
    /// Whether the allocator keeps what is freed for the next batches.
    pub(crate) keeps_freed_memory: bool,
    /// With `--ceiling`, each epoch and the pass of the ceiling that followed it.
    pub(crate) rounds: Vec<Round>,
    /// With `--cold`.
    pub(crate) cold: Option<Cold>,
}

/// Samples a second of many epochs: the median, and what nine in ten of them lie within.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Rates {
    pub(crate) epochs: u64,
    pub(crate) low: f64,
    pub(crate) median: f64,
    pub(crate) high: f64,
}

impl Run {
    /// The median of the epochs, which one that was disturbed does not move, where they are enough
    /// to have one; with a ceiling that of the rounds, as the ceiling's own figure is, so that the
    /// ratio is that of the two.
    pub(crate) fn samples_per_second(&self) -> f64 {
        if !self.rounds.is_empty() {
            return median(self.rounds.iter().map(|round| round.loader));
        }
        match self.spread() {
            Some(spread) => spread.median,
            None => self.meter.samples_per_second(),
        }
    }

    /// Samples a second of the epochs, if there are enough of them.
    pub(crate) fn spread(&self) -> Option<Rates> {
        const EPOCHS_MIN: u64 = 3;
        let rates = &self.meter.epoch_rates;
        let [low, median, high] = [0.05, 0.5, 0.95].map(|share| rates.quantile(share));
        let epochs = rates.count();
        (epochs >= EPOCHS_MIN).then_some(Rates { epochs, low, median, high })
    }

    /// Why the figures mean little, if they do. Of steps that sleep a few tell enough.
    pub(crate) fn too_short(&self) -> Option<String> {
        let short = self.meter.wall < Self::TELLING && self.step.is_none();
        let took = words::duration(self.meter.wall);
        short.then(|| format!("{took} are too short to mean much: raise --epochs"))
    }

    /// The least share of the copies' time that must have passed during steps: no more of it can
    /// lie outside of them than there is time outside of them.
    pub(crate) fn hidden_at_least(&self) -> Option<f64> {
        let copies = self.copies.filter(|copies| !copies.done.time.is_zero())?;
        self.step?;
        let outside = self.meter.wall.saturating_sub(self.meter.steps);
        Some((1.0 - outside.div_duration_f64(copies.done.time)).max(0.0))
    }

    /// In the place of a stage, where none can be told.
    pub(crate) const NO_LIMIT: &str = "none";

    /// A run without steps that is shorter tells of threads that wake and of what else the machine
    /// did just then, and of little else.
    const TELLING: Duration = Duration::from_millis(500);

    /// What limits the throughput, and what to change. The loader does not see what the device
    /// does with a batch that it has delivered.
    pub(crate) fn limit(&self) -> (&'static str, String) {
        if self.meter.samples == 0 {
            return (
                Self::NO_LIMIT,
                "no sample was delivered whose limit could be told".to_owned(),
            );
        }
        if let Some(why) = self.too_short() {
            return (Self::NO_LIMIT, why);
        }
        let device = self.meter.device;
        let stage = self.loader.limiting_stage();
        let of_stage = self.meter.waits().find(|(known, _)| *known == stage);
        let is_consumer = stage == Stage::Consumer && device * 20 <= self.meter.wall;
        if is_consumer || of_stage.is_some_and(|(_, time)| time >= device) {
            return (stage.as_str(), self.loader.advice());
        }
        let advice = "copies to the device, and what is made of them there, are the limit: deliver \
                      smaller element types";
        (Part::Device.as_str(), advice.to_owned())
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

/// Which settings load fastest, and why.
#[derive(Debug)]
pub(crate) struct Tune {
    pub(crate) source: String,
    pub(crate) schema: Schema,
    /// What was found, as a program.
    pub(crate) code: String,
    /// What a loader with it holds at most.
    pub(crate) memory_bytes: usize,
    pub(crate) step: Option<Duration>,
    pub(crate) cold: bool,
    pub(crate) ceilings: Ceilings,
    /// Where the search began: what a loader does that is told nothing.
    pub(crate) start: Settings,
    /// Whether the bounds left the defaults as they are.
    pub(crate) starts_with_defaults: bool,
    pub(crate) most: Settings,
    /// What is proposed.
    pub(crate) found: Settings,
    pub(crate) sought: Sought,
    pub(crate) grid: Option<Grid>,
}

impl Tune {
    /// The ceiling that counts, by name, and the share of it that is reached: none where a model
    /// sets the pace.
    pub(crate) fn ceiling(&self) -> Option<(&'static str, f64, f64)> {
        let Ceilings { storage, page_cache, .. } = self.ceilings;
        let (name, ceiling) =
            if self.cold { ("storage", storage?) } else { ("page cache", page_cache?) };
        self.step.is_none().then(|| (name, ceiling, ratio(self.rate(), ceiling)))
    }

    /// What the settings are that the search began with.
    pub(crate) fn start_words(&self) -> &'static str {
        if self.starts_with_defaults { "the defaults" } else { "the defaults within these bounds" }
    }

    /// Samples a second with what was found.
    pub(crate) fn rate(&self) -> f64 {
        let finalists = &self.sought.finals.finalists;
        match finalists.iter().find(|finalist| finalist.settings == self.found) {
            Some(finalist) => finalist.rate(),
            None => {
                let own = self.sought.trials.iter().filter(|it| it.settings == self.found);
                median(own.map(|trial| trial.samples_per_second))
            }
        }
    }

    /// What was found beside where the search began, unless that is the same.
    pub(crate) fn beside_start(&self) -> Option<Ratio> {
        self.sought.finals.ratio(self.found, self.start)
    }

    /// How far the choice may be from the best, in words.
    pub(crate) fn uncertainty(&self) -> String {
        let finals = &self.sought.finals;
        let Some(behind) = finals.behind_at_most(self.found) else {
            return "nothing else that was tried came near".to_owned();
        };
        let percent = (behind * 100.0).ceil();
        let confidence = Finals::CONFIDENCE * 100.0;
        let of = format!("{} that took turns ({confidence:.0}% interval)", finals.finalists.len());
        if percent == 0.0 {
            return format!("the fastest of {of}");
        }
        format!("at most {percent:.0}% slower than the best of {of}")
    }

    /// Why the search ended where it did: what else would do, by turns with what was found, and then
    /// what each last step away from there would.
    pub(crate) fn reasons(&self) -> Vec<String> {
        let Sought { finals, steps, .. } = &self.sought;
        let by_turns = finals.finalists.iter().map(|finalist| finalist.settings);
        let by_turns =
            by_turns.filter_map(|other| Some((other, finals.ratio(other, self.found)?.median)));
        let from_there = |step: &&Step| step.from == self.found && !step.taken;
        let to_there = |step: &&Step| step.to == self.found && step.taken;
        let refused = steps.iter().filter(from_there).map(|step| (step.to, step.ratio));
        let came = steps.iter().filter(to_there).map(|step| (step.from, 1.0 / step.ratio));
        let mut all: Vec<(Settings, f64)> = Vec::new();
        for (other, ratio) in by_turns.chain(came).chain(refused) {
            if all.iter().all(|(known, _)| *known != other) {
                all.push((other, ratio));
            }
        }
        all.into_iter().map(|(other, ratio)| self.reason(other, ratio)).collect()
    }

    fn reason(&self, other: Settings, ratio: f64) -> String {
        let change = difference(self.found, other);
        let percent = (ratio - 1.0) * 100.0;
        match percent {
            percent if percent.abs() < 2.0 => format!("{change}: no difference"),
            percent if percent < 0.0 => format!("{change}: {:.0}% slower", -percent),
            percent => format!("{change}: {percent:.0}% faster, too little to be worth it"),
        }
    }
}

/// What is different in `other`, in words.
pub(crate) fn difference(than: Settings, other: Settings) -> String {
    let mut words = Vec::new();
    if other.workers != than.workers {
        words.push(words::counted(other.workers as u64, "worker"));
    }
    if other.prefetch != than.prefetch {
        let batches = words::counted_as(other.prefetch as u64, "batch", "batches");
        words.push(format!("{batches} ahead"));
    }
    if (other.read_ahead > 0) != (than.read_ahead > 0) {
        let word = if other.read_ahead > 0 { "reading ahead" } else { "not reading ahead" };
        words.push(word.to_owned());
    }
    words.join(", ")
}

/// How a chain is cut into passes.
#[derive(Debug)]
pub(crate) struct Explain {
    pub(crate) augmented: Augmented,
    /// The fields that the chain changes.
    pub(crate) fields: Vec<Becoming>,
    /// In lines.
    pub(crate) explained: String,
}

/// A field before a chain and after it.
#[derive(Debug)]
pub(crate) struct Becoming {
    pub(crate) name: String,
    pub(crate) from: String,
    pub(crate) to: String,
}

/// What was delivered, as one number.
#[derive(Debug)]
pub(crate) struct Digest {
    pub(crate) hash: u128,
    pub(crate) batches: u64,
    pub(crate) samples: u64,
    pub(crate) errors: usize,
    pub(crate) faults: usize,
    /// Why the rest was not taken.
    pub(crate) given_up: Option<String>,
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
    /// Fields whose files are of other shapes than they declare.
    pub(crate) shapes: Vec<Spread>,
    /// Samples whose values were looked at.
    pub(crate) looked_at: usize,
    pub(crate) values: Vec<FieldValues>,
    /// Samples that could not be looked at, and what is wrong with the first.
    pub(crate) unread: usize,
    pub(crate) problem: Option<String>,
    /// Entries of folders that are no samples.
    pub(crate) ignored: usize,
    /// Folders among them that hold files of the same kind.
    pub(crate) passed_over: Vec<PathBuf>,
}

/// The values of a field in some samples.
#[derive(Debug)]
pub(crate) struct FieldValues {
    pub(crate) field: String,
    pub(crate) range: Range,
    /// Of an image, the value that augmentation takes for white.
    pub(crate) white: Option<f32>,
}

impl FieldValues {
    /// Whether augmentation would clip them: integers have no values outside their type.
    pub(crate) fn are_clipped(&self) -> bool {
        let ends = self.range.ends().zip(self.white);
        ends.is_some_and(|((least, greatest), white)| least < 0.0 || greatest > f64::from(white))
    }
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
    /// Fields of which several files have another shape.
    pub(crate) shapes: Vec<Spread>,
    /// What there is to say besides problems.
    pub(crate) notes: Vec<String>,
}

/// One problem, of a file or of a source.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Problem {
    /// The sample, where it is known: problems of no sample in particular come first.
    pub(crate) index: Option<usize>,
    pub(crate) path: String,
    pub(crate) file: Option<PathBuf>,
    pub(crate) field: Option<String>,
    pub(crate) kind: SourceErrorKind,
    pub(crate) message: String,
    /// Whether it is told with all others of its field, in [`Check::shapes`].
    pub(crate) is_told: bool,
}
