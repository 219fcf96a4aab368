//! Fuzzers: generated inputs, some of them damaged, are tried in a process that may crash, hang or
//! take too much memory, while another one watches it.

mod arrow;
mod attempt;
mod columns;
mod corpus;
mod flatbuffer;
mod json;
mod lines;
mod listings;
mod mds;
pub(crate) mod memory;
mod mosaic;
mod npy;
mod npz;
mod numpy;
mod parquet;
mod pictures;
mod safetensors;
mod specs;
mod states;
mod tar;
mod tensors;
mod thrift;
mod tokens;
mod watch;
mod words;

use std::io;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Duration;

use clap::{Args, ValueEnum};

use crate::dice::Dice;

/// What to attack.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Name {
    /// .npy files, alone and in folders, compared with a second reader
    Npy,
    /// .npz archives, alone and in folders, compared with a second reader
    Npz,
    /// .safetensors files, alone and as shards, compared with a second reader
    Safetensors,
    /// Tar archives of every dialect, compared with GNU tar
    Tar,
    /// Arrow files, compared with what was written
    Arrow,
    /// Parquet files, compared with what was written
    Parquet,
    /// Folders of MDS, the format of MosaicML Streaming, compared with a second reader
    Mds,
    /// Files of tokens of three kinds, compared with a second reader
    Tokens,
    /// Chains of augmentations as text: parsed, printed, bound and run
    Specs,
    /// JPEG, PNG and WebP files, decoded wholly and in parts
    Pictures,
    /// Saved states: resumed, and compared with a whole epoch
    States,
    /// Saved listings of stores: opened, saved and opened again
    Listings,
    /// Command lines of bench-loader
    Lines,
}

#[derive(Debug, Args)]
pub(crate) struct FuzzArgs {
    /// What to attack
    #[arg(value_enum)]
    target: Name,
    /// How long to attack
    #[arg(long, default_value_t = 60)]
    seconds: u64,
    /// Seed of all inputs
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// Try only this case of the seed
    #[arg(long)]
    case: Option<u64>,
    /// Try only the input that was kept in this folder
    #[arg(long, value_name = "DIR", conflicts_with = "case")]
    again: Option<PathBuf>,
    /// Be the process that tries inputs, from this case on
    #[arg(long, hide = true)]
    from: Option<u64>,
    /// The folder of that process
    #[arg(long, hide = true, requires = "from")]
    dir: Option<PathBuf>,
}

/// Something that takes input from outside. A case is a folder, so that a failed one can be kept,
/// looked at, reduced by hand, and tried again.
pub(crate) trait Target {
    /// How long the files of a case rest before they are read: files that were just written are
    /// read in another way.
    fn rests_for(&self) -> Duration {
        Duration::ZERO
    }

    /// The most memory that trying a case may take, besides what the product planned.
    fn bytes_max(&self) -> usize {
        64 << 20
    }

    /// Writes the input of a case into `dir`, which is empty.
    fn make(&self, dice: &mut Dice, dir: &Path) -> io::Result<()>;

    /// Tries the input in `dir`, and returns how many bytes the product planned to take. An error
    /// says what is wrong with the outcome. Panics, cases that take 2 s, and too much memory are
    /// noticed elsewhere.
    fn run(&self, dir: &Path) -> Result<usize, String>;
}

impl Name {
    fn target(self) -> Box<dyn Target> {
        match self {
            Self::Npy => Box::new(npy::Npy),
            Self::Npz => Box::new(npz::Npz),
            Self::Safetensors => Box::new(safetensors::SafetensorsFiles),
            Self::Tar => Box::new(tar::TarArchives),
            Self::Arrow => Box::new(arrow::ARROW),
            Self::Parquet => Box::new(parquet::PARQUET),
            Self::Mds => Box::new(mds::MdsFolders),
            Self::Tokens => Box::new(tokens::Tokens),
            Self::Specs => Box::new(specs::Specs),
            Self::Pictures => Box::new(pictures::Pictures),
            Self::States => Box::new(states::States::new()),
            Self::Listings => Box::new(listings::Listings),
            Self::Lines => Box::new(lines::Lines::new()),
        }
    }
}

/// Attacks until the time is over. The exit code is 0 if nothing failed.
pub(crate) fn run(args: &FuzzArgs) -> ExitCode {
    match (&args.again, args.from, &args.dir) {
        (Some(dir), ..) => attempt::once(&*args.target.target(), dir),
        (_, Some(from), Some(dir)) => {
            let target = args.target.target();
            let most = if args.case.is_some() { 1 } else { u64::MAX };
            let time = Duration::from_secs(args.seconds);
            attempt::many(&*target, args.seed, from..from.saturating_add(most), time, dir)
        }
        _ => watch::run(args),
    }
}
