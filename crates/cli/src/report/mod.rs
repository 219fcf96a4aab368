//! The results of commands as data, and views of it: [`human`] for text, [`json`], and [`html`] for
//! pages.

pub(crate) mod compare;
pub(crate) mod html;
pub(crate) mod human;
pub(crate) mod json;
pub(crate) mod packed;
pub(crate) mod parts;
pub(crate) mod stats;
pub(crate) mod store;

use std::collections::BTreeMap;
use std::ops::Range;
use std::path::PathBuf;
use std::time::Duration;

use tallow::plan::PictureHead;
use tallow::{Orientation, Plan, Schema, Settings, SourceErrorKind, Stage, Step};

pub(crate) use self::packed::Packed;
pub(crate) use self::parts::Part;
use crate::data::means::Means;
use crate::data::numbers;
use crate::data::shapes::Spread;
use crate::data::shuffled::Shuffled;
use crate::loading::augment::Augmented;
use crate::measure::device::{BesideCopy, DeviceReport};
use crate::measure::epochs::{Cold, Round};
use crate::measure::meter::{self, Meter, delivered_row_bytes};
use crate::measure::rate::{median, ratio};
use crate::terminal::words;
use crate::tune::finals::{Finals, Ratio};
use crate::tune::search::Sought;
use crate::tune::trial::Grid;
use crate::tune::tuner::Ceilings;

/// The result of `run`.
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
    /// With `--steps`, which.
    pub(crate) steps: Option<Range<u64>>,
    /// What was delivered of each source, if there are several.
    pub(crate) parts: Vec<Part>,
    /// What the documents of each source were packed into, if they were.
    pub(crate) packed: Vec<Packed>,
    /// How long the warm-up epoch took, which is not counted.
    pub(crate) warm_up: Option<Duration>,
    pub(crate) meter: Meter,
    /// With `--step-ms`, the step that was asked for.
    pub(crate) step: Option<Duration>,
    /// On CUDA.
    pub(crate) copies: Option<BesideCopy>,
    pub(crate) kernels: Option<BesideCopy>,
    /// The loader's own report, which names the limiting stage.
    pub(crate) loader: tallow::Report,
    pub(crate) peak_rss_bytes: u64,
    /// Whether the allocator keeps freed memory for the next batches.
    pub(crate) keeps_freed_memory: bool,
    /// With `--ceiling`, each epoch and the pass of the ceiling that followed it.
    pub(crate) rounds: Vec<Round>,
    /// With `--cold`.
    pub(crate) cold: Option<Cold>,
    /// Where a full shuffle reads much more than it uses.
    pub(crate) shuffled: Option<Shuffled>,
    /// The command that puts samples of many files into few.
    pub(crate) pack: Option<String>,
}

/// Rates of many epochs, in samples per second: the median, and the range of nine in ten.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Rates {
    pub(crate) epochs: u64,
    pub(crate) low: f64,
    pub(crate) median: f64,
    pub(crate) high: f64,
}

impl Run {
    /// The median of the epochs if there are enough, because a disturbed epoch does not move it.
    /// With a ceiling it is the median of the rounds, like the ceiling's own figure.
    pub(crate) fn samples_per_second(&self) -> f64 {
        if !self.rounds.is_empty() {
            return median(self.rounds.iter().map(|round| round.loader));
        }
        match self.spread() {
            Some(spread) => spread.median,
            None => self.meter.samples_per_second(),
        }
    }

    /// The rates of the epochs, if there are enough of them.
    pub(crate) fn spread(&self) -> Option<Rates> {
        const EPOCHS_MIN: u64 = 3;
        let rates = &self.meter.epoch_rates;
        let [low, median, high] = [0.05, 0.5, 0.95].map(|share| rates.quantile(share));
        let epochs = rates.count();
        (epochs >= EPOCHS_MIN).then_some(Rates { epochs, low, median, high })
    }

    /// Why the figures mean little, if so. With steps that sleep, a few batches are enough.
    pub(crate) fn too_short(&self) -> Option<String> {
        let short = self.meter.wall < Self::TELLING && self.step.is_none();
        let took = words::duration(self.meter.wall);
        short.then(|| format!("{took} is too short to mean much: raise --epochs"))
    }

    /// The least share of the copies' time that must have overlapped with steps: outside of steps
    /// there was only so much time.
    pub(crate) fn hidden_at_least(&self) -> Option<f64> {
        let copies = self.copies.filter(|copies| !copies.done.time.is_zero())?;
        self.step?;
        let outside = self.meter.wall.saturating_sub(self.meter.steps);
        Some((1.0 - outside.div_duration_f64(copies.done.time)).max(0.0))
    }

    /// Instead of a stage, if none can be named.
    pub(crate) const NO_LIMIT: &str = "none";

    /// A shorter run without steps mostly measures threads that wake up, and whatever else the
    /// machine was doing.
    const TELLING: Duration = Duration::from_millis(500);

    /// What limits the throughput, and what to change. The loader does not see what the device does
    /// with a delivered batch.
    pub(crate) fn limit(&self) -> (&'static str, String) {
        if self.meter.samples == 0 {
            return (
                Self::NO_LIMIT,
                "no sample was delivered, so there is no limit to name".to_owned(),
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
            return (stage.as_str(), self.advice(stage));
        }
        let advice = "copies to the device, and what is made of them there, are the limit: deliver \
                      smaller element types";
        (meter::Part::Device.as_str(), advice.to_owned())
    }

    /// What to change if `stage` is the limit. A batch with all samples cannot be larger.
    fn advice(&self, stage: Stage) -> String {
        match stage {
            Stage::Idle if self.plan.batches() <= 1 => {
                "waking threads is the limit, as no worker is busy for most of the wait: with one \
                 batch per epoch, only --workers 0 avoids it"
            }
            Stage::HandOver if self.plan.batches() <= 1 => {
                "making and uploading tensors is the limit: use smaller element types"
            }
            Stage::Decode if self.meter.samples > 0 => {
                let spent = self.loader.stage(Stage::Decode).as_secs_f64();
                let each = Duration::from_secs_f64(spent / self.meter.samples as f64);
                let each = words::duration(each);
                return format!("{}; decoding takes {each} per sample", self.loader.advice());
            }
            _ => return with_command(&self.loader.advice(), self.pack.as_deref()),
        }
        .to_owned()
    }

    /// Delivered bytes per second, without padding.
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

/// The result of `tune`.
#[derive(Debug)]
pub(crate) struct Tune {
    pub(crate) source: String,
    pub(crate) schema: Schema,
    /// Code for the settings that were found.
    pub(crate) code: String,
    /// The most bytes that a loader with them holds.
    pub(crate) memory_bytes: usize,
    pub(crate) step: Option<Duration>,
    pub(crate) cold: bool,
    pub(crate) ceilings: Ceilings,
    /// Where the search began: the defaults, within the bounds.
    pub(crate) start: Settings,
    /// Whether the bounds left the defaults as they are.
    pub(crate) starts_with_defaults: bool,
    pub(crate) most: Settings,
    /// The settings to propose.
    pub(crate) found: Settings,
    pub(crate) sought: Sought,
    pub(crate) grid: Option<Grid>,
}

impl Tune {
    /// The name and rate of the ceiling that matters, and the share of it that is reached; `None`
    /// if a step sets the pace.
    pub(crate) fn ceiling(&self) -> Option<(&'static str, f64, f64)> {
        let Ceilings { storage, page_cache, .. } = self.ceilings;
        let (name, ceiling) =
            if self.cold { ("storage", storage?) } else { ("page cache", page_cache?) };
        self.step.is_none().then(|| (name, ceiling, ratio(self.rate(), ceiling)))
    }

    /// A name for the settings that the search began with.
    pub(crate) fn start_words(&self) -> &'static str {
        if self.starts_with_defaults { "the defaults" } else { "the defaults within these bounds" }
    }

    /// Samples per second with the settings that were found.
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

    /// What was found relative to where the search began, unless they are the same.
    pub(crate) fn beside_start(&self) -> Option<Ratio> {
        self.sought.finals.ratio(self.found, self.start)
    }

    /// How far the choice may be from the best.
    pub(crate) fn uncertainty(&self) -> String {
        let finals = &self.sought.finals;
        let Some(behind) = finals.behind_at_most(self.found) else {
            return "nothing else that was tried came close".to_owned();
        };
        let percent = (behind * 100.0).ceil();
        let confidence = Finals::CONFIDENCE * 100.0;
        let of = format!("{} that took turns ({confidence:.0}% interval)", finals.finalists.len());
        if percent == 0.0 {
            return format!("the fastest of {of}");
        }
        format!("at most {percent:.0}% slower than the best of {of}")
    }

    /// Why the search ended where it did: how the other finalists and the neighbouring settings
    /// compare.
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
            percent => format!("{change}: {percent:.0}% faster, too little to matter"),
        }
    }
}

/// How `other` differs.
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

/// The result of `explain`.
#[derive(Debug)]
pub(crate) struct Explain {
    pub(crate) augmented: Augmented,
    /// The fields that the chain changes.
    pub(crate) fields: Vec<Becoming>,
    /// Lines of text.
    pub(crate) explained: String,
}

/// A field before a chain and after it.
#[derive(Debug)]
pub(crate) struct Becoming {
    pub(crate) name: String,
    pub(crate) from: String,
    pub(crate) to: String,
}

/// The result of `digest`.
#[derive(Debug)]
pub(crate) struct Digest {
    pub(crate) hash: u128,
    pub(crate) batches: u64,
    pub(crate) samples: u64,
    pub(crate) errors: usize,
    pub(crate) faults: usize,
    /// Why the remaining batches were not taken.
    pub(crate) given_up: Option<String>,
    /// What the documents of each source were packed into, if they were.
    pub(crate) packed: Vec<Packed>,
}

/// The result of `doctor`, in the order in which it is printed.
#[derive(Debug, Default)]
pub(crate) struct Doctor {
    pub(crate) findings: Vec<Finding>,
}

/// One property of the machine.
#[derive(Debug)]
pub(crate) struct Finding {
    /// For people, one or two words.
    pub(crate) what: String,
    pub(crate) found: String,
    /// The same as JSON values.
    pub(crate) values: serde_json::Value,
    /// What to do, if it slows loading.
    pub(crate) advice: Option<String>,
}

/// The result of `inspect`.
#[derive(Debug)]
pub(crate) struct Inspect {
    pub(crate) source: String,
    pub(crate) schema: Schema,
    /// `None` of a stream.
    pub(crate) samples: Option<usize>,
    /// Each source, if there are several.
    pub(crate) parts: Vec<Part>,
    /// What the documents of each source were packed into, if they were.
    pub(crate) packed: Vec<Packed>,
    /// The samples of an epoch of their mixture.
    pub(crate) epoch: Option<usize>,
    /// Bytes in files, with headers if a file holds one sample.
    pub(crate) bytes: u64,
    /// Whether there are fields that are read from memory.
    pub(crate) is_held: bool,
    pub(crate) smallest: Option<SampleSize>,
    pub(crate) largest: Option<SampleSize>,
    /// Fields whose files have other shapes than they declare.
    pub(crate) shapes: Vec<Spread>,
    /// Samples whose values were looked at.
    pub(crate) looked_at: usize,
    pub(crate) values: Vec<FieldValues>,
    /// The pictures among the samples that were looked at, by field.
    pub(crate) pictures: Vec<Pictures>,
    /// Fields whose bytes are pictures that `--picture` would decode.
    pub(crate) encoded: Vec<String>,
    /// Of each field of images, if it was asked for.
    pub(crate) means: Vec<Means>,
    /// Samples that could not be read, and what is wrong with the first.
    pub(crate) unread: usize,
    pub(crate) problem: Option<String>,
    /// Entries of folders that are not samples.
    pub(crate) ignored: usize,
    /// Columns that are not read, each as `name (type)`.
    pub(crate) left_out: Vec<String>,
    /// Folders among them that hold files of the same kind.
    pub(crate) passed_over: Vec<PathBuf>,
}

/// The pictures of a field in some samples.
#[derive(Debug, Clone)]
pub(crate) struct Pictures {
    pub(crate) field: String,
    /// How many there are of each format.
    pub(crate) formats: BTreeMap<String, usize>,
    /// The least and the greatest height, and width, as they are stored.
    pub(crate) heights: (usize, usize),
    pub(crate) widths: (usize, usize),
    /// How many their EXIF data say are to be turned.
    pub(crate) turned: usize,
}

impl Pictures {
    pub(crate) fn new(field: &str) -> Self {
        let none = (usize::MAX, 0);
        let formats = BTreeMap::new();
        Self { field: field.to_owned(), formats, heights: none, widths: none, turned: 0 }
    }

    pub(crate) fn add(&mut self, head: &PictureHead) {
        let stored = head.stored();
        *self.formats.entry(stored.format.to_string()).or_default() += 1;
        let within =
            |(least, greatest): (usize, usize), len: usize| (len.min(least), len.max(greatest));
        self.heights = within(self.heights, stored.height);
        self.widths = within(self.widths, stored.width);
        self.turned += usize::from(stored.orientation != Orientation::Upright);
    }

    /// Heights and widths in words: `63..113x86..157 pixels`.
    pub(crate) fn sizes(&self) -> String {
        let side = |(least, greatest): (usize, usize)| match least == greatest {
            true => least.to_string(),
            false => format!("{least}..{greatest}"),
        };
        format!("{}x{} pixels", side(self.heights), side(self.widths))
    }
}

/// The values of a field in some samples.
#[derive(Debug)]
pub(crate) struct FieldValues {
    pub(crate) field: String,
    pub(crate) range: numbers::Range,
    /// For an image, the value that augmentation takes for white.
    pub(crate) white: Option<f32>,
}

impl FieldValues {
    /// Whether augmentation would clip them. Integers have no values outside their type.
    pub(crate) fn are_clipped(&self) -> bool {
        let ends = self.range.ends().zip(self.white);
        ends.is_some_and(|((least, greatest), white)| least < 0.0 || greatest > f64::from(white))
    }
}

/// The size of a sample in files.
#[derive(Debug)]
pub(crate) struct SampleSize {
    pub(crate) bytes: u64,
    pub(crate) index: usize,
    pub(crate) name: String,
}

/// The result of `check`.
#[derive(Debug, Default)]
pub(crate) struct Check {
    pub(crate) samples: usize,
    pub(crate) problems: Vec<Problem>,
    /// Fields of which several files have another shape.
    pub(crate) shapes: Vec<Spread>,
    /// Notes besides problems.
    pub(crate) notes: Vec<String>,
}

/// One problem of a file or of the source.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Problem {
    /// The sample, if known. Problems of no particular sample come first.
    pub(crate) index: Option<usize>,
    pub(crate) path: String,
    pub(crate) file: Option<PathBuf>,
    pub(crate) field: Option<String>,
    pub(crate) kind: SourceErrorKind,
    pub(crate) message: String,
    /// Whether [`Check::shapes`] reports it together with the others of its field.
    pub(crate) is_told: bool,
}

/// The library's advice, with the command that does it to these samples.
fn with_command(advice: &str, pack: Option<&str>) -> String {
    match pack {
        Some(pack) => advice.replace("`bench-loader pack`", &format!("`{pack}`")),
        None => advice.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use tallow::{Field, Loader, RowDType, Schema, from_fn};

    use super::with_command;

    #[test]
    fn the_advice_where_reading_is_the_limit_names_the_command() {
        let schema = Schema::new(vec![Field::new("x", RowDType::U8, &[1])]).unwrap();
        let source = from_fn(schema, 40, |_, row| {
            std::thread::sleep(Duration::from_millis(1));
            row.field("x").copy_from_slice(&[1u8])
        });
        // With fewer, the advice is to add some.
        let cores = std::thread::available_parallelism().map_or(1, usize::from);
        let loader = Loader::builder(source).workers(cores).batch_size(4).build().unwrap();
        loader.epoch(0).for_each(|batch| drop(batch.unwrap()));
        let advice = loader.report().advice();
        let told = with_command(&advice, Some("bench-loader pack D --to PACKED"));
        assert!(told.contains("few files with `bench-loader pack D --to PACKED`"), "{told}");
        assert_eq!(with_command(&advice, None), advice);
    }
}
