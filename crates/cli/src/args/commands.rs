//! The options of each command.

use std::path::PathBuf;
use std::time::Duration;

use clap::{Args as Flags, ValueEnum, ValueHint};
use tallow::{Augment, Layout};

use super::fields::{AugmentArgs, FieldArgs};
use super::load::{LoadArgs, Workers, parse_pad};
use super::mix::{MixArgs, StepsArg};
use super::numbers::{parse_positive, parse_share, parse_size, parse_step};
use super::output::{HtmlArgs, JsonArgs};
use super::shape::ShapeArg;
use super::source::SourceArgs;
use crate::data::npy::NpyDtype;

#[derive(Debug, Flags)]
pub(crate) struct DemoArgs {
    /// Number of epochs to load [default: as many as fit in 2 seconds, after a warm-up epoch]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..))]
    pub(crate) epochs: Option<u64>,
    #[command(flatten)]
    pub(crate) output: JsonArgs,
}

#[derive(Debug, Flags)]
pub(crate) struct GenArgs {
    /// Folder to write to
    #[arg(value_hint = ValueHint::DirPath)]
    pub(crate) dir: PathBuf,
    /// Number of samples to write
    #[arg(long, value_name = "N", value_parser = parse_positive)]
    pub(crate) samples: usize,
    /// Shape of each input, like 3,32,32, or "scalar", and of pictures their height and width, like
    /// 375,500; for a range like 100..400 each sample draws its own length, both ends included
    #[arg(long, allow_hyphen_values = true)]
    pub(crate) shape: ShapeArg,
    /// Element type of the inputs; pictures need none
    #[arg(long)]
    pub(crate) dtype: Option<NpyDtype>,
    /// Shape of each target [default: scalar]
    #[arg(long, value_name = "SHAPE", allow_hyphen_values = true)]
    pub(crate) target_shape: Option<ShapeArg>,
    /// Element type of the targets [default: i64]
    #[arg(long, value_name = "DTYPE")]
    pub(crate) target_dtype: Option<NpyDtype>,
    /// Seed of the contents; the same seed writes the same bytes
    #[arg(long, default_value_t = 0)]
    pub(crate) seed: u64,
    /// Kind of files to write; the samples are the same in each, except pictures
    #[arg(long = "as", value_name = "KIND", value_enum, default_value_t = Storage::Folders)]
    pub(crate) storage: Storage,
    /// Number of files to spread the samples over, with --as safetensors [default: 1]
    #[arg(long, value_name = "N", value_parser = parse_positive)]
    pub(crate) shards: Option<usize>,
    /// Number of class folders to spread pictures over [default: none, but input/ with the pictures
    /// and output/ with a mask for each]
    #[arg(long, value_name = "N", value_parser = parse_positive)]
    pub(crate) classes: Option<usize>,
    /// Quality of JPEG pictures, from 1 to 100 [default: 85]
    #[arg(long, value_name = "Q", value_parser = clap::value_parser!(u8).range(1..=100))]
    pub(crate) quality: Option<u8>,
}

/// The kind of files that samples are written to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Storage {
    /// Folders input/ and output/ with one .npy file per sample
    Folders,
    /// One input.npy and one output.npy with all samples
    Npy,
    /// .safetensors files with both fields
    Safetensors,
    /// Pictures with the entropy of photos, as JPEG
    Jpeg,
    /// The same as PNG
    Png,
}

#[derive(Debug, Flags)]
pub(crate) struct DoctorArgs {
    /// File or folder whose storage to look at too
    #[arg(value_hint = ValueHint::AnyPath)]
    pub(crate) source: Option<PathBuf>,
    #[command(flatten)]
    pub(crate) output: JsonArgs,
}

#[derive(Debug, Flags)]
pub(crate) struct InspectArgs {
    #[command(flatten)]
    pub(crate) source: SourceArgs,
    #[command(flatten)]
    pub(crate) mix: MixArgs,
    /// Also write a PNG of the first samples, with a row of pictures for each field of images
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub(crate) png: Option<PathBuf>,
    /// Number of samples in that PNG
    #[arg(long, value_name = "N", default_value_t = 8, requires = "png")]
    #[arg(value_parser = clap::value_parser!(u8).range(1..=PREVIEWED_MAX))]
    pub(crate) samples: u8,
    /// Also tell the mean and the standard deviation of each channel of images, as normalize takes
    /// them: of all samples, or of N that are spread over them
    #[arg(long, value_name = "N", num_args = 0..=1, require_equals = true)]
    #[arg(default_missing_value = "18446744073709551615", value_parser = parse_positive)]
    pub(crate) means: Option<usize>,
    #[command(flatten)]
    pub(crate) output: JsonArgs,
}

#[derive(Debug, Flags)]
pub(crate) struct ListArgs {
    /// URL of a folder in a store, like s3://bucket/train; subfolders are listed, too
    #[arg(value_name = "URL", value_hint = ValueHint::Url)]
    pub(crate) url: String,
    /// File to write: text, with a line for each object
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub(crate) to: PathBuf,
}

#[derive(Debug, Flags)]
pub(crate) struct CheckArgs {
    #[command(flatten)]
    pub(crate) source: SourceArgs,
    /// Number of threads that read, or auto for one per core
    #[arg(long, value_name = "N|auto", default_value = "auto")]
    pub(crate) workers: Workers,
    #[command(flatten)]
    pub(crate) output: JsonArgs,
}

#[derive(Debug, Flags)]
pub(crate) struct StatsArgs {
    #[command(flatten)]
    pub(crate) source: SourceArgs,
    /// Number of threads that read, or auto for one per core; the result is the same with any number
    #[arg(long, value_name = "N|auto", default_value = "auto")]
    pub(crate) workers: Workers,
    /// Seed of the random numbers of --augment
    #[arg(long, default_value_t = 0, requires = "augment", help_heading = "Augmentation")]
    pub(crate) seed: u64,
    #[command(flatten)]
    pub(crate) augment: AugmentArgs,
    #[command(flatten)]
    pub(crate) page: HtmlArgs,
    #[command(flatten)]
    pub(crate) output: JsonArgs,
}

#[derive(Debug, Flags)]
pub(crate) struct PackArgs {
    #[command(flatten)]
    pub(crate) source: SourceArgs,
    /// Folder to write to, which may not hold anything else
    #[arg(long, value_name = "DIR", value_hint = ValueHint::DirPath)]
    pub(crate) to: PathBuf,
    /// Format of the files [default: tar for pictures and samples of different shapes, otherwise
    /// safetensors]
    #[arg(long = "as", value_name = "FORMAT", value_enum)]
    pub(crate) format: Option<PackFormat>,
    /// Size of a shard, which no sample is split over; .npy files are not split [default: 268435456]
    #[arg(long, value_name = "BYTES", value_parser = parse_size)]
    pub(crate) shard_bytes: Option<usize>,
    /// Number of threads that read and encode, or auto for one per core; the files are the same with
    /// any number
    #[arg(long, value_name = "N|auto", default_value = "auto")]
    pub(crate) workers: Workers,
    /// Seed of the random numbers of --augment
    #[arg(long, default_value_t = 0, requires = "augment", help_heading = "Augmentation")]
    pub(crate) seed: u64,
    #[command(flatten)]
    pub(crate) augment: AugmentArgs,
    #[command(flatten)]
    pub(crate) output: JsonArgs,
}

/// The kind of files that samples are packed into.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum PackFormat {
    /// One input.npy and one output.npy with all samples
    Npy,
    /// .safetensors shards, in which each field is a tensor
    Safetensors,
    /// .tar shards as WebDataset reads them: pictures as they are, classes as .cls, arrays as .npy
    Tar,
    /// .bin and .idx files as Megatron-LM reads them, of whole numbers; each sample is a document
    Tokens,
}

#[derive(Debug, Flags)]
pub(crate) struct RunArgs {
    #[command(flatten)]
    pub(crate) source: SourceArgs,
    #[command(flatten)]
    pub(crate) load: LoadArgs,
    #[command(flatten)]
    pub(crate) augment: AugmentArgs,
    /// Number of epochs to load [default: as many as fit in 2 seconds, at least 3, after a warm-up
    /// epoch; just one if the first takes over 5 seconds or fails, or with --trace or
    /// --start-batch]. With --ceiling, at least 5
    #[arg(help_heading = "Measuring")]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..))]
    pub(crate) epochs: Option<u64>,
    /// Load these batches instead, counted over all epochs: the first N, or those from A up to B, as a
    /// training does that is measured in steps
    #[arg(help_heading = "Measuring", long, value_name = "N|A..B")]
    #[arg(conflicts_with_all = ["epochs", "first_epoch", "start_batch", "ceiling", "cold"])]
    pub(crate) steps: Option<StepsArg>,
    /// Also measure the most that this machine could do, in turns with the epochs: as many threads
    /// that open, read and close the same files in the same order and do nothing else
    #[arg(help_heading = "Measuring")]
    #[arg(long, conflicts_with = "start_batch")]
    pub(crate) ceiling: bool,
    /// Load from storage instead of the page cache, by dropping the files from the cache before
    /// each epoch. Epochs without and with --read-ahead (64MB unless given) take turns, to show
    /// what reading ahead gains
    #[arg(help_heading = "Measuring")]
    #[arg(long, conflicts_with_all = ["ceiling", "start_batch"])]
    pub(crate) cold: bool,
    /// Sleep T ms after each batch instead of a training step, and report how long the loop waits
    /// for data, by stage. The device is synchronised before each step
    #[arg(help_heading = "Measuring")]
    #[arg(long, value_name = "T", conflicts_with = "ceiling", value_parser = parse_step)]
    pub(crate) step_ms: Option<Duration>,
    /// Return freed memory to the system at once, like a program that does not call
    /// tallow::keep_freed_memory; each batch then pays for fresh pages
    #[arg(help_heading = "Measuring")]
    #[arg(long)]
    pub(crate) return_memory: bool,
    #[command(flatten)]
    pub(crate) page: HtmlArgs,
    /// Write a trace of what each thread did when, for chrome://tracing or ui.perfetto.dev: the
    /// first 200,000 spans, at most about 50 MB. It costs about 20 us of CPU time per sample
    #[arg(long, value_name = "FILE", conflicts_with = "ceiling", help_heading = "Output")]
    pub(crate) trace: Option<PathBuf>,
    #[command(flatten)]
    pub(crate) output: JsonArgs,
}

#[derive(Debug, Flags)]
pub(crate) struct TuneArgs {
    #[command(flatten)]
    pub(crate) source: SourceArgs,
    #[command(flatten)]
    pub(crate) load: LoadArgs,
    #[command(flatten)]
    pub(crate) augment: AugmentArgs,
    /// Load from storage, by dropping the files from the page cache before each trial, and also try
    /// reading ahead
    #[arg(help_heading = "Measuring")]
    #[arg(long)]
    pub(crate) cold: bool,
    /// Sleep T ms after each batch instead of a training step, and find the fewest workers and
    /// batches that keep up with it
    #[arg(help_heading = "Measuring")]
    #[arg(long, value_name = "T", value_parser = parse_step)]
    pub(crate) step_ms: Option<Duration>,
    /// Share of the cores that workers may use
    #[arg(help_heading = "Measuring")]
    #[arg(long, value_name = "SHARE", default_value_t = 1.0, value_parser = parse_share)]
    pub(crate) cpu_share: f64,
    /// Memory that batches may take, like 1GB
    #[arg(help_heading = "Measuring")]
    #[arg(long, value_name = "SIZE", default_value = "512MB", value_parser = parse_size)]
    pub(crate) memory: usize,
    /// Stop searching after S seconds, with the best so far. Then the defaults, the best, and what
    /// came close take turns, for half as long and at most 30 seconds
    #[arg(long, value_name = "S", default_value_t = 60)]
    #[arg(help_heading = "Measuring")]
    #[arg(value_parser = clap::value_parser!(u64).range(1..=86_400))]
    pub(crate) seconds: u64,
    /// Afterwards measure all settings within the bounds, and compare the one that was found with
    /// the best of them
    #[arg(help_heading = "Measuring")]
    #[arg(long)]
    pub(crate) grid: bool,
    #[command(flatten)]
    pub(crate) page: HtmlArgs,
    #[command(flatten)]
    pub(crate) output: JsonArgs,
}

#[derive(Debug, Flags)]
pub(crate) struct CompareArgs {
    #[command(flatten)]
    pub(crate) source: SourceArgs,
    /// Number of samples per batch
    #[arg(long, value_name = "N", default_value_t = 32, value_parser = parse_positive)]
    #[arg(help_heading = "Loading")]
    pub(crate) batch_size: usize,
    /// Number of threads per contender, or of processes if it has those, or auto for one per core
    #[arg(long, value_name = "N|auto", default_value = "auto", help_heading = "Loading")]
    pub(crate) workers: Workers,
    /// Number of timed epochs per contender, after the warm-up
    #[arg(long, value_name = "N", default_value_t = 5)]
    #[arg(help_heading = "Measuring")]
    #[arg(value_parser = clap::value_parser!(u64).range(1..))]
    pub(crate) rounds: u64,
    /// Seed of the orders
    #[arg(long, default_value_t = 0, help_heading = "Loading")]
    pub(crate) seed: u32,
    /// Also augment, with a chain of steps that torchvision, OpenCV, albumentations or DALI have too
    #[arg(long, value_name = "SPEC", help_heading = "Augmentation")]
    pub(crate) augment: Option<Augment>,
    /// Field to augment: images of bytes
    #[arg(long, value_name = "FIELD", default_value = "input", requires = "augment")]
    #[arg(help_heading = "Augmentation")]
    pub(crate) augment_field: String,
    /// Axes of that field, chw or hwc, if its shape is ambiguous
    #[arg(long, value_name = "AXES", requires = "augment", help_heading = "Augmentation")]
    pub(crate) layout: Option<Layout>,
    /// Python in which the other loaders are installed [default: $TALLOW_PYTHON, or python3]
    #[arg(help_heading = "Measuring")]
    #[arg(long, value_name = "PATH")]
    pub(crate) python: Option<PathBuf>,
    /// End and leave out a contender that takes longer than this for one epoch, or for finding the
    /// fastest way to use it
    #[arg(long, value_name = "SECONDS", default_value_t = 300)]
    #[arg(help_heading = "Measuring")]
    #[arg(value_parser = clap::value_parser!(u64).range(1..=TIMEOUT_MAX))]
    pub(crate) timeout: u64,
    #[command(flatten)]
    pub(crate) page: HtmlArgs,
    #[command(flatten)]
    pub(crate) output: JsonArgs,
}

/// A week: nobody waits longer.
const TIMEOUT_MAX: u64 = 604_800;

#[derive(Debug, Flags)]
pub(crate) struct ContendArgs {
    #[arg(value_enum)]
    pub(crate) who: BuiltIn,
    /// File that says what there is to do
    pub(crate) work: PathBuf,
}

/// A contender that is part of this program.
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
    #[command(flatten)]
    pub(crate) augment: AugmentArgs,
    /// Number of epochs to load
    #[arg(help_heading = "Loading")]
    #[arg(long, value_name = "N", default_value_t = 1)]
    #[arg(value_parser = clap::value_parser!(u64).range(1..))]
    pub(crate) epochs: u64,
    /// Load these batches instead, counted over all epochs: the first N, or those from A up to B, as if
    /// resumed at A
    #[arg(help_heading = "Loading", long, value_name = "N|A..B")]
    #[arg(conflicts_with_all = ["epochs", "first_epoch", "start_batch"])]
    pub(crate) steps: Option<StepsArg>,
    /// First print one line per batch: epoch, batch, hash
    #[arg(long, help_heading = "Output")]
    pub(crate) per_batch: bool,
    /// First print one line per sample: epoch, position, index, hash
    #[arg(long, help_heading = "Output")]
    pub(crate) per_sample: bool,
    /// Print one JSON object with the version, all settings and the results. Its "lines" are those
    /// of --per-batch and --per-sample as objects, with the hash as "digest"
    #[arg(long, help_heading = "Output")]
    pub(crate) json: bool,
}

#[derive(Debug, Flags)]
pub(crate) struct CatalogueArgs {
    /// Step to describe, or a setting of the whole chain like mask [default: list all steps]
    #[arg(value_name = "STEP")]
    pub(crate) step: Option<String>,
}

#[derive(Debug, Flags)]
pub(crate) struct ExplainArgs {
    #[command(flatten)]
    pub(crate) source: SourceArgs,
    /// Chain of augmentation steps; `bench-loader catalogue` lists them
    #[arg(long, value_name = "SPEC", help_heading = "Augmentation")]
    pub(crate) augment: Augment,
    #[command(flatten)]
    pub(crate) fields: FieldArgs,
    #[command(flatten)]
    pub(crate) output: JsonArgs,
}

/// Nobody looks at more pictures than this, and all of them are held in memory.
const PREVIEWED_MAX: i64 = 32;

#[derive(Debug, Flags)]
pub(crate) struct PreviewArgs {
    #[command(flatten)]
    pub(crate) source: SourceArgs,
    /// Chain of augmentation steps; `bench-loader catalogue` lists them
    #[arg(long, value_name = "SPEC", help_heading = "Augmentation")]
    pub(crate) augment: Augment,
    #[command(flatten)]
    pub(crate) fields: FieldArgs,
    /// Pad a ragged field, such as boxes, to its longest shape with VALUE; can be repeated
    #[arg(long = "pad", value_name = "FIELD:VALUE", value_parser = parse_pad)]
    pub(crate) pads: Vec<(String, f64)>,
    /// Field to show; can be repeated [default: the augmented field and the masks]
    #[arg(long, value_name = "FIELD")]
    pub(crate) show: Vec<String>,
    /// PNG file to write
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub(crate) out: PathBuf,
    /// Number of samples to show, one below the other
    #[arg(long, value_name = "N", default_value_t = 4)]
    #[arg(value_parser = clap::value_parser!(u8).range(1..=PREVIEWED_MAX))]
    pub(crate) samples: u8,
    /// Index of the first sample
    #[arg(long, value_name = "INDEX", default_value_t = 0)]
    pub(crate) first_sample: usize,
    /// Number of views per sample, side by side, each of another epoch
    #[arg(long, value_name = "N", default_value_t = 8)]
    #[arg(value_parser = clap::value_parser!(u8).range(1..=PREVIEWED_MAX))]
    pub(crate) views: u8,
    /// First epoch to show
    #[arg(long, value_name = "E", default_value_t = 0)]
    pub(crate) first_epoch: u64,
    /// Seed of all random numbers
    #[arg(long, default_value_t = 0)]
    pub(crate) seed: u64,
}

#[derive(Debug, Flags)]
pub(crate) struct CompletionsArgs {
    /// Shell to complete for
    #[arg(value_enum)]
    pub(crate) shell: clap_complete::Shell,
}

#[derive(Debug, Flags)]
pub(crate) struct ManArgs {
    /// Command to describe [default: the program as a whole]
    #[arg(value_name = "COMMAND")]
    pub(crate) command: Option<String>,
}
