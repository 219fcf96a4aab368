//! The options of each command.

use std::path::PathBuf;
use std::time::Duration;

use clap::{Args as Flags, ValueEnum, ValueHint};
use tallow::{Augment, Layout};

use super::fields::FieldArgs;
use super::load::{LoadArgs, Workers, parse_pad};
use super::numbers::{parse_positive, parse_share, parse_size, parse_step};
use super::shape::ShapeArg;
use super::source::SourceArgs;
use crate::data::npy::NpyDtype;

#[derive(Debug, Flags)]
pub(crate) struct DemoArgs {
    /// Epochs to load [default: as many as take 2 seconds, after one that is not counted]
    #[arg(long, value_parser = clap::value_parser!(u64).range(1..))]
    pub(crate) epochs: Option<u64>,
    /// Print one JSON object: the version, every setting, and what was found
    #[arg(long, help_heading = "Output")]
    pub(crate) json: bool,
}

#[derive(Debug, Flags)]
pub(crate) struct GenArgs {
    /// The folder to write to
    #[arg(value_hint = ValueHint::DirPath)]
    pub(crate) dir: PathBuf,
    /// Pairs to write
    #[arg(long, value_parser = parse_positive)]
    pub(crate) samples: usize,
    /// Shape of an input, like 3,32,32, or "scalar"; a length like 100..400 is drawn for each
    /// sample, both ends included
    #[arg(long, allow_hyphen_values = true)]
    pub(crate) shape: ShapeArg,
    /// Element type of the inputs
    #[arg(long)]
    pub(crate) dtype: NpyDtype,
    /// Shape of a target
    #[arg(long, value_name = "SHAPE", default_value = "scalar", allow_hyphen_values = true)]
    pub(crate) target_shape: ShapeArg,
    /// Element type of the targets
    #[arg(long, value_name = "DTYPE", default_value = "i64")]
    pub(crate) target_dtype: NpyDtype,
    /// The same seed writes the same bytes
    #[arg(long, default_value_t = 0)]
    pub(crate) seed: u64,
    /// What kind of files the samples are in; they are the same in all
    #[arg(long = "as", value_name = "KIND", value_enum, default_value_t = Storage::Folders)]
    pub(crate) storage: Storage,
    /// Files that the samples are shared out to, with --as safetensors [default: 1]
    #[arg(long, value_name = "N", value_parser = parse_positive)]
    pub(crate) shards: Option<usize>,
}

/// The kind of files that samples are written to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Storage {
    /// Folders input/ and output/ of a .npy file for each sample
    Folders,
    /// One input.npy and one output.npy of all samples
    Npy,
    /// Files .safetensors that hold both fields
    Safetensors,
}

#[derive(Debug, Flags)]
pub(crate) struct DoctorArgs {
    /// A file or folder whose storage is looked at too
    #[arg(value_hint = ValueHint::AnyPath)]
    pub(crate) source: Option<PathBuf>,
    /// Print one JSON object: the version, every setting, and what was found
    #[arg(long, help_heading = "Output")]
    pub(crate) json: bool,
}

#[derive(Debug, Flags)]
pub(crate) struct InspectArgs {
    #[command(flatten)]
    pub(crate) source: SourceArgs,
    /// Also write a PNG of the first samples: a row of pictures for each field of images
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub(crate) png: Option<PathBuf>,
    /// Samples in that picture
    #[arg(long, value_name = "N", default_value_t = 8, requires = "png")]
    #[arg(value_parser = clap::value_parser!(u8).range(1..=PREVIEWED_MAX))]
    pub(crate) samples: u8,
    /// Print one JSON object: the version, every setting, and what was found
    #[arg(long, help_heading = "Output")]
    pub(crate) json: bool,
}

#[derive(Debug, Flags)]
pub(crate) struct CheckArgs {
    #[command(flatten)]
    pub(crate) source: SourceArgs,
    /// Threads that read, or auto for one per core
    #[arg(long, value_name = "N|auto", default_value = "auto")]
    pub(crate) workers: Workers,
    /// Print one JSON object: the version, every setting, and what was found
    #[arg(long, help_heading = "Output")]
    pub(crate) json: bool,
}

#[derive(Debug, Flags)]
pub(crate) struct RunArgs {
    #[command(flatten)]
    pub(crate) source: SourceArgs,
    #[command(flatten)]
    pub(crate) load: LoadArgs,
    /// Augment each sample by this chain of steps; `bench-loader catalogue` lists them
    #[arg(long, value_name = "SPEC", help_heading = "Augmentation")]
    pub(crate) augment: Option<Augment>,
    #[command(flatten)]
    pub(crate) fields: FieldArgs,
    /// Epochs to load [default: as many as take 2 seconds, at least 3, after one that is not
    /// counted; the first alone where it takes 5 seconds or fails, with --trace or --start-batch].
    /// With --ceiling at least 5
    #[arg(help_heading = "Measuring")]
    #[arg(long, value_parser = clap::value_parser!(u64).range(1..))]
    pub(crate) epochs: Option<u64>,
    /// Also measure, taking turns, what the machine could do at most: as many threads that open,
    /// read and close the same files in the same order, and nothing else
    #[arg(help_heading = "Measuring")]
    #[arg(long, conflicts_with = "start_batch")]
    pub(crate) ceiling: bool,
    /// Drop the files from the page cache before each epoch, so that it comes from the storage,
    /// and load by turns without and with --read-ahead (64MB unless given) to tell what that is
    /// worth
    #[arg(help_heading = "Measuring")]
    #[arg(long, conflicts_with_all = ["ceiling", "start_batch"])]
    pub(crate) cold: bool,
    /// Sleep T ms after each batch, standing in for a training step, and report the share of the time
    /// spent waiting for data, by stage. The device is synchronised before the step begins
    #[arg(help_heading = "Measuring")]
    #[arg(long, value_name = "T", conflicts_with = "ceiling", value_parser = parse_step)]
    pub(crate) step_ms: Option<Duration>,
    /// Return freed memory to the system at once, as a program does that does not call
    /// tallow::keep_freed_memory: each batch then pays for fresh pages
    #[arg(help_heading = "Measuring")]
    #[arg(long)]
    pub(crate) return_memory: bool,
    /// Write the report as a page too, with charts: one file that needs nothing else
    #[arg(long, value_name = "FILE", help_heading = "Output")]
    pub(crate) html: Option<PathBuf>,
    /// Write what every thread did when, as a trace that chrome://tracing and ui.perfetto.dev open:
    /// the first 200,000 spans, some 50 MB at most. It takes some 20 us of CPU time a row
    #[arg(long, value_name = "FILE", conflicts_with = "ceiling", help_heading = "Output")]
    pub(crate) trace: Option<PathBuf>,
    /// Print one JSON object: the version, every setting, and what was found
    #[arg(long, help_heading = "Output")]
    pub(crate) json: bool,
}

#[derive(Debug, Flags)]
pub(crate) struct TuneArgs {
    #[command(flatten)]
    pub(crate) source: SourceArgs,
    #[command(flatten)]
    pub(crate) load: LoadArgs,
    /// Augment each sample by this chain of steps; `bench-loader catalogue` lists them
    #[arg(long, value_name = "SPEC", help_heading = "Augmentation")]
    pub(crate) augment: Option<Augment>,
    #[command(flatten)]
    pub(crate) fields: FieldArgs,
    /// Drop the files from the page cache before each trial, and try reading ahead
    #[arg(help_heading = "Measuring")]
    #[arg(long)]
    pub(crate) cold: bool,
    /// Sleep T ms after each batch, standing in for a training step: finds the least that such a
    /// training needs
    #[arg(help_heading = "Measuring")]
    #[arg(long, value_name = "T", value_parser = parse_step)]
    pub(crate) step_ms: Option<Duration>,
    /// The share of the cores that workers may have
    #[arg(help_heading = "Measuring")]
    #[arg(long, value_name = "SHARE", default_value_t = 1.0, value_parser = parse_share)]
    pub(crate) cpu_share: f64,
    /// What the loader may hold, like 1GB
    #[arg(help_heading = "Measuring")]
    #[arg(long, value_name = "SIZE", default_value = "512MB", value_parser = parse_size)]
    pub(crate) memory: usize,
    /// Stop searching after S seconds, with the best so far; then the defaults, what was found, and
    /// what came near take turns, for half as long and 30 seconds at most
    #[arg(long, value_name = "S", default_value_t = 60)]
    #[arg(help_heading = "Measuring")]
    #[arg(value_parser = clap::value_parser!(u64).range(1..=86_400))]
    pub(crate) seconds: u64,
    /// Afterwards measure all settings that a search could try within the bounds, and the one that
    /// was found beside the best of them
    #[arg(help_heading = "Measuring")]
    #[arg(long)]
    pub(crate) grid: bool,
    /// Write the report as a page too, with charts: one file that needs nothing else
    #[arg(long, value_name = "FILE", help_heading = "Output")]
    pub(crate) html: Option<PathBuf>,
    /// Print one JSON object: the version, every setting, and what was found
    #[arg(long, help_heading = "Output")]
    pub(crate) json: bool,
}

#[derive(Debug, Flags)]
pub(crate) struct CompareArgs {
    #[command(flatten)]
    pub(crate) source: SourceArgs,
    /// Rows of a batch
    #[arg(long, default_value_t = 32, value_parser = parse_positive)]
    #[arg(help_heading = "Loading")]
    pub(crate) batch_size: usize,
    /// Threads of each contender, or processes where it has those, or auto for one per core
    #[arg(long, value_name = "N|auto", default_value = "auto", help_heading = "Loading")]
    pub(crate) workers: Workers,
    /// Epochs that each contender is timed over, after those that warm it up
    #[arg(long, value_name = "N", default_value_t = 5)]
    #[arg(help_heading = "Measuring")]
    #[arg(value_parser = clap::value_parser!(u64).range(1..))]
    pub(crate) rounds: u64,
    /// What the orders are drawn from
    #[arg(long, default_value_t = 0, help_heading = "Loading")]
    pub(crate) seed: u32,
    /// Compare a chain of augmentations, of steps that torchvision and DALI have too
    #[arg(long, value_name = "SPEC", help_heading = "Augmentation")]
    pub(crate) augment: Option<Augment>,
    /// The field that is augmented: images of bytes
    #[arg(long, value_name = "FIELD", default_value = "input", requires = "augment")]
    #[arg(help_heading = "Augmentation")]
    pub(crate) augment_field: String,
    /// Its axes, chw or hwc, where its shape leaves that open
    #[arg(long, value_name = "AXES", requires = "augment", help_heading = "Augmentation")]
    pub(crate) layout: Option<Layout>,
    /// The Python that has the other loaders [default: $TALLOW_PYTHON, or python3]
    #[arg(help_heading = "Measuring")]
    #[arg(long, value_name = "PATH")]
    pub(crate) python: Option<PathBuf>,
    /// A contender that takes longer for an epoch, or for the choice among the ways in which it can
    /// be used, is ended and left out
    #[arg(long, value_name = "SECONDS", default_value_t = 300)]
    #[arg(help_heading = "Measuring")]
    #[arg(value_parser = clap::value_parser!(u64).range(1..=TIMEOUT_MAX))]
    pub(crate) timeout: u64,
    /// Write the report as a page too, with charts: one file that needs nothing else
    #[arg(long, value_name = "FILE", help_heading = "Output")]
    pub(crate) html: Option<PathBuf>,
    /// Print one JSON object: the version, every setting, and what was found
    #[arg(long, help_heading = "Output")]
    pub(crate) json: bool,
}

/// A week, beyond which nobody waits.
const TIMEOUT_MAX: u64 = 604_800;

#[derive(Debug, Flags)]
pub(crate) struct ContendArgs {
    #[arg(value_enum)]
    pub(crate) who: BuiltIn,
    /// The file that says what there is to do
    pub(crate) work: PathBuf,
}

/// A contender that this program is itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum BuiltIn {
    Tallow,
    Candle,
}

#[derive(Debug, Flags)]
pub(crate) struct DigestArgs {
    #[command(flatten)]
    pub(crate) source: SourceArgs,
    #[command(flatten)]
    pub(crate) load: LoadArgs,
    /// Augment each sample by this chain of steps; `bench-loader catalogue` lists them
    #[arg(long, value_name = "SPEC", help_heading = "Augmentation")]
    pub(crate) augment: Option<Augment>,
    #[command(flatten)]
    pub(crate) fields: FieldArgs,
    /// Epochs to load
    #[arg(help_heading = "Loading")]
    #[arg(long, default_value_t = 1, value_parser = clap::value_parser!(u64).range(1..))]
    pub(crate) epochs: u64,
    /// Before it one line a batch: epoch, batch, hash
    #[arg(long, help_heading = "Output")]
    pub(crate) per_batch: bool,
    /// Before it one line a sample: epoch, position, index, hash
    #[arg(long, help_heading = "Output")]
    pub(crate) per_sample: bool,
    /// Print one JSON object: the version, every setting, and what was found. Its "lines" are those
    /// of --per-batch and --per-sample as objects, "digest" being the hash
    #[arg(long, help_heading = "Output")]
    pub(crate) json: bool,
}

#[derive(Debug, Flags)]
pub(crate) struct CatalogueArgs {
    /// A step, or a setting of the whole chain like mask [default: list all steps]
    #[arg(value_name = "STEP")]
    pub(crate) step: Option<String>,
}

#[derive(Debug, Flags)]
pub(crate) struct ExplainArgs {
    #[command(flatten)]
    pub(crate) source: SourceArgs,
    /// The chain of steps; `bench-loader catalogue` lists them
    #[arg(long, value_name = "SPEC", help_heading = "Augmentation")]
    pub(crate) augment: Augment,
    #[command(flatten)]
    pub(crate) fields: FieldArgs,
    /// Print one JSON object: the version, every setting, and what was found
    #[arg(long, help_heading = "Output")]
    pub(crate) json: bool,
}

/// Pictures beyond this many nobody looks at, and all are held in memory.
const PREVIEWED_MAX: i64 = 32;

#[derive(Debug, Flags)]
pub(crate) struct PreviewArgs {
    #[command(flatten)]
    pub(crate) source: SourceArgs,
    /// The chain of steps; `bench-loader catalogue` lists them
    #[arg(long, value_name = "SPEC", help_heading = "Augmentation")]
    pub(crate) augment: Augment,
    #[command(flatten)]
    pub(crate) fields: FieldArgs,
    /// Fill a ragged field, boxes say, up to its longest shape with VALUE; may be repeated
    #[arg(long = "pad", value_name = "FIELD:VALUE", value_parser = parse_pad)]
    pub(crate) pads: Vec<(String, f64)>,
    /// A field to show; may be repeated [default: the augmented one, and the masks]
    #[arg(long, value_name = "FIELD")]
    pub(crate) show: Vec<String>,
    /// The PNG file that is written
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub(crate) out: PathBuf,
    /// Samples to show, one below the other
    #[arg(long, value_name = "N", default_value_t = 4)]
    #[arg(value_parser = clap::value_parser!(u8).range(1..=PREVIEWED_MAX))]
    pub(crate) samples: u8,
    /// The first of them
    #[arg(long, value_name = "INDEX", default_value_t = 0)]
    pub(crate) first_sample: usize,
    /// Views of each, side by side: as many epochs
    #[arg(long, value_name = "N", default_value_t = 8)]
    #[arg(value_parser = clap::value_parser!(u8).range(1..=PREVIEWED_MAX))]
    pub(crate) views: u8,
    /// The first of the epochs
    #[arg(long, value_name = "E", default_value_t = 0)]
    pub(crate) first_epoch: u64,
    /// What every random number is drawn from
    #[arg(long, default_value_t = 0)]
    pub(crate) seed: u64,
}

#[derive(Debug, Flags)]
pub(crate) struct CompletionsArgs {
    /// The shell
    #[arg(value_enum)]
    pub(crate) shell: clap_complete::Shell,
}

#[derive(Debug, Flags)]
pub(crate) struct ManArgs {
    /// The command that the page is of [default: all of them]
    #[arg(value_name = "COMMAND")]
    pub(crate) command: Option<String>,
}
