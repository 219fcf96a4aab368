//! The command line as data.

use std::ffi::OsString;
use std::fmt;
use std::ops::{Deref, RangeInclusive};
use std::path::PathBuf;
use std::str::FromStr;
use std::time::Duration;

use clap::builder::{OsStringValueParser, TypedValueParser as _};
use clap::error::ErrorKind;
use clap::parser::ValueSource;
use clap::{
    Args as Flags, CommandFactory as _, FromArgMatches as _, Parser, Subcommand, ValueEnum,
    ValueHint,
};
use tallow::{Augment, BoxFormat, LastBatch, Layout, OnError};

use crate::data::npy::NpyDtype;
use crate::given::Given;
use crate::terminal::style::Color;

const EXIT_CODES: &str = "\
Exit codes: 0, or 1 when the data or the run failed, or 2 for an invalid command line.

With --json a command prints one object: \"tallow\", the version; \"command\";
\"settings\", every argument, defaults included; \"machine\"; and what was found. Where that is
nothing, \"error\" is an object of \"kind\", \"message\", \"path\" and \"sample\", the last two null where
they are not known.";

const DEMO_EXAMPLE: &str = "\
Example:
  bench-loader demo --epochs 10";

const GEN_EXAMPLES: &str = "\
Examples:
  bench-loader gen DIR --samples 20000 --shape 3,32,32 --dtype f32
  bench-loader gen DIR --samples 2000 --shape 3,100..400,100..400 --dtype u8
  bench-loader gen DIR --samples 60000 --shape 28,28 --dtype u8 --as safetensors --shards 8";

const DOCTOR_EXAMPLE: &str = "\
Example:
  bench-loader doctor DIR";

const INSPECT_EXAMPLES: &str = "\
Examples:
  bench-loader inspect DIR --png samples.png
  bench-loader inspect --field input=IMAGES --ragged input:1:400 --ragged input:2:400";

const CHECK_EXAMPLES: &str = "\
Examples:
  bench-loader check DIR
  bench-loader check --field input=IMAGES --field mask=MASKS --recursive";

const RUN_EXAMPLES: &str = "\
Examples:
  bench-loader run DIR --shuffle --batch-size 256 --ceiling
  bench-loader run DIR --shuffle --batch-size 256 --step-ms 20
  bench-loader run DIR --shuffle --ceiling --html report.html
  bench-loader run DIR --step-ms 20 --trace trace.json
  bench-loader run DIR --augment 'random_resized_crop(224) random_hflip normalize(imagenet)'
  bench-loader run DIR --augment 'mixup(0.2)' --one-hot target:10
  bench-loader run --field input=IMAGES --field boxes=BOXES --ragged boxes:0:50 --pad boxes:0 \\
      --augment 'random_resized_crop(224)' --boxes boxes:xyxy";

const TUNE_EXAMPLES: &str = "\
Examples:
  bench-loader tune DIR --shuffle --batch-size 64
  bench-loader tune DIR --shuffle --cold --cpu-share 0.5 --memory 1GB
  bench-loader tune DIR --shuffle --grid --html tune.html
  bench-loader tune DIR --augment 'random_resized_crop(224) random_hflip' --step-ms 20";

const DIGEST_EXAMPLES: &str = "\
Examples:
  bench-loader digest DIR --shuffle --seed 7 --epochs 2
  bench-loader digest DIR --augment 'random_crop(24) random_hflip' --workers 7
  bench-loader digest --field input=PHOTOS --field road=MASKS --augment 'hflip mask(road)'";

const EXPLAIN_EXAMPLES: &str = "\
Examples:
  bench-loader explain DIR --augment 'random_resized_crop(224) random_hflip normalize(imagenet)'
  bench-loader explain --field photo=PHOTOS --field joints=JOINTS --augment-field photo \\
      --augment 'random_resized_crop(224)' --points joints";

const COMPARE_EXAMPLES: &str = "\
Ends with 1 as well where others are installed and all of them fail: nothing was compared.

Examples:
  pip install torch numpy nvidia-dali-cuda130 spdl grain
  bench-loader compare DIR --batch-size 256
  bench-loader compare DIR --batch-size 256 --html compare.html
  bench-loader compare --field input=IMAGES --field mask=MASKS --python venv/bin/python --rounds 11
  bench-loader compare DIR --augment 'random_resized_crop(224) random_hflip normalize(imagenet) to_dtype(f32)'";

const CATALOGUE_EXAMPLES: &str = "\
Examples:
  bench-loader catalogue
  bench-loader catalogue random_resized_crop";

const PREVIEW_EXAMPLES: &str = "\
Examples:
  bench-loader preview DIR --augment 'random_resized_crop(32) random_hflip' --out views.png
  bench-loader preview --field input=IMAGES --field mask=MASKS --mask mask \\
      --augment 'random_crop(128) random_vflip' --samples 2 --views 4 --out views.png";

const COMPLETIONS_EXAMPLES: &str = "\
Examples:
  bench-loader completions bash > ~/.local/share/bash-completion/completions/bench-loader
  bench-loader completions fish > ~/.config/fish/completions/bench-loader.fish";

const MAN_EXAMPLES: &str = "\
Examples:
  bench-loader man | man -l -
  bench-loader man run > ~/.local/share/man/man1/bench-loader-run.1";

/// Tells whether training waits for its data, why, and how to fix it.
#[derive(Debug, Parser)]
#[command(name = "bench-loader", version, after_help = EXIT_CODES)]
pub(crate) struct Args {
    #[command(subcommand)]
    pub(crate) command: Option<Command>,
    #[command(flatten)]
    pub(crate) demo: DemoArgs,
    /// Colour what is printed: auto is on a terminal that shows it
    #[arg(long, value_name = "WHEN", value_enum, default_value_t = Color::Auto, global = true)]
    pub(crate) color: Color,
}

impl Args {
    /// Parses a command line, the program's name first; and what a report says of it.
    ///
    /// The options of `demo` may stand without it, but not before another command, where they
    /// would have no effect. clap's own check of that would refuse `--color` there too.
    pub(crate) fn of(words: Vec<OsString>) -> Result<(Self, Given), clap::Error> {
        // Of a negative number its option can say more than that it is unexpected.
        let mut command = Self::command().mut_subcommands(|it| it.allow_negative_numbers(true));
        let matches = command.try_get_matches_from_mut(words)?;
        let demo = DemoArgs::augment_args(clap::Command::new("demo"));
        let given = |id: &str| matches.value_source(id) == Some(ValueSource::CommandLine);
        let stray = demo.get_arguments().find(|option| given(option.get_id().as_str()));
        let stray = stray.and_then(clap::Arg::get_long);
        if let (Some((name, _)), Some(option)) = (matches.subcommand(), stray) {
            let message =
                format!("--{option} stands before {name}; options come after the command");
            return Err(command.error(ErrorKind::ArgumentConflict, message));
        }
        let given = Given::of(&command, &matches, "demo");
        Ok((Self::from_arg_matches(&matches)?, given))
    }
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Load real handwritten digits and report on it (the default)
    #[command(after_help = DEMO_EXAMPLE)]
    Demo(DemoArgs),
    /// Write random samples with targets, as .npy or .safetensors files
    #[command(after_help = GEN_EXAMPLES)]
    Gen(GenArgs),
    /// Tell what this machine offers to a loader, and what to do where it harms
    #[command(after_help = DOCTOR_EXAMPLE)]
    Doctor(DoctorArgs),
    /// Print schema, count, sizes, shapes that differ, and the values of some samples
    #[command(after_help = INSPECT_EXAMPLES)]
    Inspect(InspectArgs),
    /// Read every sample and list every problem
    #[command(after_help = CHECK_EXAMPLES)]
    Check(CheckArgs),
    /// Load epochs and report throughput, waits, stages, CPU and memory
    #[command(after_help = RUN_EXAMPLES)]
    Run(RunArgs),
    /// Find the workers and batches ahead that load fastest, and say why and how far that is from
    /// what the machine could do
    #[command(after_help = TUNE_EXAMPLES)]
    Tune(TuneArgs),
    /// Run Tallow beside other loaders on the same files, taking turns: a plain loop with candle,
    /// and what of torch, DALI, SPDL and Grain is installed for Python
    #[command(after_help = COMPARE_EXAMPLES)]
    Compare(CompareArgs),
    /// What `compare` starts for each contender that is built in
    #[command(hide = true)]
    Contend(ContendArgs),
    /// Print one hash of the whole delivered stream
    #[command(after_help = DIGEST_EXAMPLES)]
    Digest(DigestArgs),
    /// List the steps that --augment knows, with their arguments, or tell all about one
    #[command(after_help = CATALOGUE_EXAMPLES)]
    Catalogue(CatalogueArgs),
    /// Print how a chain of augmentations is cut into passes over the pixels, and why
    #[command(after_help = EXPLAIN_EXAMPLES)]
    Explain(ExplainArgs),
    /// Write a PNG of some samples, each beside augmented views of it
    #[command(after_help = PREVIEW_EXAMPLES)]
    Preview(PreviewArgs),
    /// Print what a shell needs to complete commands and options
    #[command(after_help = COMPLETIONS_EXAMPLES)]
    Completions(CompletionsArgs),
    /// Print a page for man
    #[command(after_help = MAN_EXAMPLES)]
    Man(ManArgs),
}

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

/// Which fields --augment is about, and how.
#[derive(Debug, Flags)]
#[command(next_help_heading = "Augmentation")]
pub(crate) struct FieldArgs {
    /// The field that is augmented [default: input]
    #[arg(long, value_name = "FIELD", requires = "augment")]
    pub(crate) augment_field: Option<String>,
    /// Its axes, like chw, hwc, hw, cdhw or ct, where its shape leaves that open
    #[arg(long, value_name = "AXES", requires = "augment")]
    pub(crate) layout: Option<Layout>,
    /// A field of classes a pixel, which follows the geometry; may be repeated
    #[arg(long = "mask", value_name = "FIELD", requires = "augment")]
    pub(crate) masks: Vec<String>,
    /// A field of boxes, which follow the geometry, in the format xyxy, xywh or cxcywh; may be
    /// repeated
    #[arg(long = "boxes", value_name = "FIELD:FORMAT", requires = "augment")]
    #[arg(value_parser = parse_boxes)]
    pub(crate) boxes: Vec<(String, BoxFormat)>,
    /// A field of points, which follow the geometry; may be repeated
    #[arg(long = "points", value_name = "FIELD", requires = "augment")]
    pub(crate) points: Vec<String>,
    /// A field of one class, which becomes as many shares as there are CLASSES; may be repeated
    #[arg(long = "one-hot", value_name = "FIELD:CLASSES", requires = "augment")]
    #[arg(value_parser = parse_one_hot)]
    pub(crate) one_hots: Vec<(String, usize)>,
    /// Make one interpolation of several in a row: sharper, and another picture
    #[arg(long, requires = "augment")]
    pub(crate) resample_once: bool,
}

/// Where the samples are.
#[derive(Debug, Flags)]
#[command(next_help_heading = "Source")]
pub(crate) struct SourceArgs {
    /// A folder of .npy files; a folder that holds input/ and output/, or input.npy and
    /// output.npy, or input/ and a row for each of its files in output.npy or labels.npy; one .npy
    /// file; a .safetensors file or a folder of them
    #[arg(value_name = "SOURCE", required_unless_present = "fields", conflicts_with = "fields")]
    #[arg(value_hint = ValueHint::AnyPath)]
    pub(crate) source: Option<PathBuf>,
    /// A folder of .npy files as the field NAME; repeated, the folders are paired by file stem
    #[arg(long = "field", value_name = "NAME=FOLDER", value_parser = field_parser())]
    pub(crate) fields: Vec<(String, PathBuf)>,
    /// Take the folders below the folders too
    #[arg(long)]
    pub(crate) recursive: bool,
    /// In a field of folders, let an axis have another length in each file, up to MAX; may be
    /// repeated
    #[arg(long, value_name = "FIELD:AXIS:MAX", value_parser = parse_ragged)]
    pub(crate) ragged: Vec<Ragged>,
    /// In a field of folders, take only the files whose name without extension matches, like
    /// target:*_mask, and pair them by the part that the star matches; may be repeated
    #[arg(long = "pattern", value_name = "FIELD:PATTERN", value_parser = parse_pattern)]
    pub(crate) patterns: Vec<(String, String)>,
}

/// How they are loaded.
#[derive(Debug, Clone, Flags)]
#[command(next_help_heading = "Loading")]
pub(crate) struct LoadArgs {
    /// Rows of a batch, over all ranks
    #[arg(long, default_value_t = 32, value_parser = parse_positive)]
    pub(crate) batch_size: usize,
    /// Threads that read; 0 reads inside next(), auto starts one for each core, at most 8
    #[arg(long, value_name = "N|auto", default_value = "auto")]
    pub(crate) workers: Workers,
    /// Batches made ahead of the consumer [default: 4, or down to 2 where they would take more than
    /// 512 MiB]
    #[arg(long)]
    pub(crate) prefetch: Option<usize>,
    /// Fetch the files of this many bytes of samples into the page cache before workers want them,
    /// like 64MB
    #[arg(long, value_name = "SIZE", value_parser = parse_size)]
    pub(crate) read_ahead: Option<usize>,
    /// Visit the samples in an order drawn anew for each epoch
    #[arg(long)]
    pub(crate) shuffle: bool,
    /// What every random number is drawn from
    #[arg(long, default_value_t = 0)]
    pub(crate) seed: u64,
    /// What becomes of the samples that do not fill the last batch
    #[arg(long, value_enum, default_value_t = Last::Keep)]
    pub(crate) last: Last,
    /// This rank
    #[arg(long, default_value_t = 0, requires = "world")]
    pub(crate) rank: usize,
    /// How many ranks there are
    #[arg(long, default_value_t = 1, value_parser = parse_positive)]
    pub(crate) world: usize,
    /// The first epoch to load
    #[arg(long, value_name = "E", default_value_t = 0)]
    pub(crate) first_epoch: u64,
    /// Begin the first epoch at this batch, as after resuming there
    #[arg(long, value_name = "K")]
    pub(crate) start_batch: Option<usize>,
    /// What to do about a sample that cannot be read: fail, skip:N or substitute:N, where N is
    /// how many an epoch may have
    #[arg(long, value_name = "POLICY", default_value = "fail", value_parser = parse_on_error)]
    pub(crate) on_error: OnError,
    /// Where the tensors go: cpu, cuda:N or metal:N
    #[arg(long, default_value = "cpu")]
    pub(crate) device: DeviceArg,
    /// Fill a ragged field up to its longest shape with VALUE, after --augment, and deliver the true
    /// lengths beside it; may be repeated
    #[arg(long = "pad", value_name = "FIELD:VALUE", value_parser = parse_pad)]
    pub(crate) pads: Vec<(String, f64)>,
    /// Keep all samples in the memory of the CUDA device, if they take no more than this: bytes,
    /// or like 800MB or 24GB
    #[arg(long, value_name = "SIZE", value_parser = parse_size)]
    pub(crate) resident: Option<usize>,
}

/// How many threads read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Workers {
    Auto,
    Count(usize),
}

impl FromStr for Workers {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        if text == "auto" {
            return Ok(Self::Auto);
        }
        text.parse().map(Self::Count).map_err(|_| "expected a number or auto".to_owned())
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Last {
    /// The last batch is smaller
    Keep,
    /// They are left out
    Drop,
    /// Rows of zeros fill it up
    Pad,
}

impl From<Last> for LastBatch {
    fn from(last: Last) -> Self {
        match last {
            Last::Keep => Self::Keep,
            Last::Drop => Self::Drop,
            Last::Pad => Self::Pad,
        }
    }
}

/// A device by name; opened only when the loader is built.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum DeviceArg {
    Cpu,
    Cuda(usize),
    Metal(usize),
}

impl FromStr for DeviceArg {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let (name, ordinal) = text.split_once(':').unwrap_or((text, "0"));
        let ordinal = ordinal
            .parse()
            .map_err(|_| format!("{ordinal:?} is no device number; expected like cuda:0"))?;
        match name {
            "cpu" if !text.contains(':') => Ok(Self::Cpu),
            "cuda" => Ok(Self::Cuda(ordinal)),
            "metal" => Ok(Self::Metal(ordinal)),
            _ => Err("expected cpu, cuda:N or metal:N".to_owned()),
        }
    }
}

impl fmt::Display for DeviceArg {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Cpu => f.write_str("cpu"),
            Self::Cuda(ordinal) => write!(f, "cuda:{ordinal}"),
            Self::Metal(ordinal) => write!(f, "metal:{ordinal}"),
        }
    }
}

/// An axis of a field whose length is each file's own.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Ragged {
    pub(crate) field: String,
    pub(crate) axis: usize,
    pub(crate) max: usize,
}

/// A shape like `3,32,32` or `3,100..400,64`, of which each length has a range. A type of its own
/// because clap takes a bare `Vec` for a repeated flag.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct ShapeArg(Vec<RangeInclusive<usize>>);

impl Deref for ShapeArg {
    type Target = [RangeInclusive<usize>];

    fn deref(&self) -> &Self::Target {
        &self.0
    }
}

impl FromStr for ShapeArg {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        if text.is_empty() || text == "scalar" {
            return Ok(Self(Vec::new()));
        }
        let lengths = |part: &str| {
            let (least, greatest) = part.split_once("..").unwrap_or((part, part));
            match (least.trim().parse(), greatest.trim().parse()) {
                (Ok(least), Ok(greatest)) if least <= greatest => Ok(least..=greatest),
                (Ok(_), Ok(_)) => Err(format!("{part:?} is no range; the smaller end comes first")),
                _ => Err(format!("{part:?} is no length; expected like 3,32,32 or 3,100..400,64")),
            }
        };
        let lengths: Vec<_> = text.split(',').map(lengths).collect::<Result<_, _>>()?;
        match lengths.len() {
            0..=tallow::MAX_RANK => Ok(Self(lengths)),
            axes => Err(format!("{axes} axes, of which a sample has at most {}", tallow::MAX_RANK)),
        }
    }
}

fn parse_positive(text: &str) -> Result<usize, String> {
    match text.parse() {
        Ok(0) => Err("expected at least 1".to_owned()),
        Ok(number) => Ok(number),
        Err(_) => Err("expected a whole number".to_owned()),
    }
}

/// Milliseconds, with a fraction if need be; beyond an hour is a slip of the finger.
fn parse_step(text: &str) -> Result<Duration, String> {
    match text.parse() {
        Ok(ms @ 0.0..=3.6e6) => Ok(Duration::from_secs_f64(ms / 1e3)),
        _ => Err("expected milliseconds, from 0 to 3600000".to_owned()),
    }
}

fn parse_share(text: &str) -> Result<f64, String> {
    match text.parse() {
        Ok(share) if share > 0.0 && share <= 1.0 => Ok(share),
        _ => Err("expected a share above 0, up to 1".to_owned()),
    }
}

/// Bytes, in the units that reports are in.
fn parse_size(text: &str) -> Result<usize, String> {
    const UNITS: [(&str, f64); 5] =
        [("kB", 1e3), ("MB", 1e6), ("GB", 1e9), ("TB", 1e12), ("B", 1.0)];
    let unit = UNITS.iter().find_map(|(unit, bytes)| Some((text.strip_suffix(unit)?, *bytes)));
    let (number, bytes) = unit.unwrap_or((text, 1.0));
    match number.trim_end().parse::<f64>() {
        Ok(number) if (0.0..=1e15).contains(&(number * bytes)) => Ok((number * bytes) as usize),
        _ => Err("expected a size like 800MB or 24GB".to_owned()),
    }
}

fn parse_on_error(text: &str) -> Result<OnError, String> {
    let budget = |text: &str| {
        text.parse().map_err(|_| format!("{text:?} is no number of samples; expected like skip:10"))
    };
    match text.split_once(':') {
        None if text == "fail" => Ok(OnError::Fail),
        Some(("skip", count)) => Ok(OnError::Skip { budget: budget(count)? }),
        Some(("substitute", count)) => Ok(OnError::Substitute { budget: budget(count)? }),
        _ => Err("expected fail, skip:N or substitute:N".to_owned()),
    }
}

/// Splits at the last two `:`, so that a name may hold others.
fn parse_ragged(text: &str) -> Result<Ragged, String> {
    let mut parts = text.rsplitn(3, ':');
    let (max, axis, field) = (parts.next(), parts.next(), parts.next());
    match (field, axis.map(str::parse), max.map(str::parse)) {
        (Some(field), Some(Ok(axis)), Some(Ok(max @ 1..))) if !field.is_empty() => {
            Ok(Ragged { field: field.to_owned(), axis, max })
        }
        _ => Err("expected FIELD:AXIS:MAX, like input:1:400, the first axis being 0".to_owned()),
    }
}

/// Splits at the last `:`, so that a name may hold others.
fn parse_pattern(text: &str) -> Result<(String, String), String> {
    match text.rsplit_once(':') {
        Some((field, pattern)) if !field.is_empty() && pattern.matches('*').count() == 1 => {
            Ok((field.to_owned(), pattern.to_owned()))
        }
        _ => Err("expected FIELD:PATTERN with one star, like target:*_mask".to_owned()),
    }
}

/// Splits at the last `:`, so that a name may hold others.
fn parse_one_hot(text: &str) -> Result<(String, usize), String> {
    let (field, classes) = text.rsplit_once(':').ok_or("expected FIELD:CLASSES, like target:10")?;
    Ok((field.to_owned(), parse_positive(classes)?))
}

/// Splits at the last `:`, as all of these.
fn parse_boxes(text: &str) -> Result<(String, BoxFormat), String> {
    let (field, format) = text.rsplit_once(':').ok_or("expected FIELD:FORMAT, like boxes:xyxy")?;
    Ok((field.to_owned(), format.parse()?))
}

fn parse_pad(text: &str) -> Result<(String, f64), String> {
    let (field, value) = text.rsplit_once(':').ok_or("expected FIELD:VALUE, like boxes:0")?;
    match value.parse::<f64>() {
        Ok(value) if value.is_finite() => Ok((field.to_owned(), value)),
        _ => Err(format!("found {value:?}, expected a finite number")),
    }
}

/// Splits at the first `=`, in bytes: a folder's name need not be UTF-8.
fn field_parser() -> impl clap::builder::TypedValueParser<Value = (String, PathBuf)> {
    OsStringValueParser::new().try_map(|text: OsString| {
        use std::os::unix::ffi::{OsStrExt as _, OsStringExt as _};
        let bytes = text.as_bytes();
        let at = bytes.iter().position(|&byte| byte == b'=');
        let at = at.filter(|&at| at > 0 && at + 1 < bytes.len()).ok_or("expected NAME=FOLDER")?;
        let name = String::from_utf8(bytes[..at].to_vec()).map_err(|_| "a name in UTF-8")?;
        Ok::<_, &str>((name, PathBuf::from(OsString::from_vec(bytes[at + 1..].to_vec()))))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_command_line_is_consistent() {
        Args::command().debug_assert();
    }

    /// The lines of a help that begin with the program's name, up to a pipe or a redirection.
    fn examples(help: &str) -> Vec<Vec<String>> {
        let help = help.replace("\\\n", "");
        let lines = help.lines().filter(|line| line.starts_with("  bench-loader "));
        let words = |line: &str| {
            let parts = line.split('\'').enumerate();
            let words = parts.flat_map(|(at, part)| match at % 2 {
                0 => part.split_whitespace().map(str::to_owned).collect(),
                _ => vec![part.to_owned()],
            });
            words.take_while(|word| !["|", ">"].contains(&word.as_str())).collect()
        };
        lines.map(words).collect()
    }

    #[test]
    fn every_example_of_every_command_can_be_typed() {
        let commands = Args::command();
        for command in commands.get_subcommands().filter(|command| !command.is_hide_set()) {
            let help = command.get_after_help().map(ToString::to_string).unwrap_or_default();
            let (name, examples) = (command.get_name(), examples(&help));
            assert!(!examples.is_empty(), "{name} has no example");
            for example in examples {
                let parsed = Args::of(example.iter().map(OsString::from).collect()).map(drop);
                assert!(parsed.is_ok(), "{}", parsed.unwrap_err());
                assert_eq!(example[1], name, "an example of another command");
            }
        }
    }

    #[test]
    fn options_of_the_default_command_stand_before_no_other() {
        let parse = |line: &str| Args::of(line.split(' ').map(OsString::from).collect());
        assert!(parse("x --epochs 2").is_ok() && parse("x --color never run d").is_ok());
        assert!(parse("x run d --color never").is_ok());
        let error = parse("x --json run d").unwrap_err().to_string();
        assert!(error.contains("--json stands before run"), "{error}");
    }

    #[test]
    fn shapes_and_devices_are_parsed() {
        let shape = |text: &str| text.parse::<ShapeArg>().map(|shape| shape.0);
        assert_eq!(shape("3,32,32"), Ok(vec![3..=3, 32..=32, 32..=32]));
        assert_eq!(shape("3,10..40"), Ok(vec![3..=3, 10..=40]));
        assert_eq!((shape("scalar"), shape("")), (Ok(vec![]), Ok(vec![])));
        assert!(shape("3,,2").is_err() && shape("-1").is_err());
        assert!(shape("4..3").is_err() && shape("..3").is_err());
        assert!(shape(&["1"; 65].join(",")).is_err());
        assert_eq!("cuda:1".parse(), Ok(DeviceArg::Cuda(1)));
        assert_eq!("cuda".parse(), Ok(DeviceArg::Cuda(0)));
        assert!("cpu:0".parse::<DeviceArg>().is_err() && "tpu".parse::<DeviceArg>().is_err());
    }

    #[test]
    fn a_field_is_split_at_its_first_equals_sign() {
        let args = Args::try_parse_from(["x", "inspect", "--field", "a=b=c"]).unwrap();
        let Some(Command::Inspect(args)) = args.command else { panic!("{args:?}") };
        assert_eq!(args.source.fields, [("a".to_owned(), PathBuf::from("b=c"))]);
        assert!(Args::try_parse_from(["x", "inspect", "--field", "=b"]).is_err());
    }
}
