//! Fuzzers: inputs that a grammar writes and accidents change, each tried in a process that may
//! crash, hang or take too much memory, under the eyes of one that tells.

mod attempt;
mod json;
mod lines;
pub(crate) mod memory;
mod npy;
mod numpy;
mod safetensors;
mod specs;
mod states;
mod tensors;
mod watch;
mod words;

use std::io;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Duration;

use clap::{Args, ValueEnum};

use crate::dice::Dice;

/// What is attacked.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Name {
    /// Files .npy, alone and in folders, beside a reader of its own
    Npy,
    /// Files .safetensors, alone and in shards, beside a reader of its own
    Safetensors,
    /// Chains of augmentations as text: read, printed, bound and run
    Specs,
    /// Saved states: resumed, and what then comes
    States,
    /// Command lines of bench-loader
    Lines,
}

#[derive(Debug, Args)]
pub(crate) struct FuzzArgs {
    /// What is attacked
    #[arg(value_enum)]
    target: Name,
    /// How long
    #[arg(long, default_value_t = 60)]
    seconds: u64,
    /// What every input is made from
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// Only this case of the seed
    #[arg(long)]
    case: Option<u64>,
    /// Only the input that was kept in this folder
    #[arg(long, value_name = "DIR", conflicts_with = "case")]
    again: Option<PathBuf>,
    /// The part of the process that tries inputs, from this case on
    #[arg(long, hide = true)]
    from: Option<u64>,
    /// The folder of that part
    #[arg(long, hide = true, requires = "from")]
    dir: Option<PathBuf>,
}

/// Something that takes input from outside. A case is a folder, so that one which failed can be
/// kept, looked at, cut down by hand, and tried again.
pub(crate) trait Target {
    /// How long the files of a case lie before they are read: other ways are taken for files that
    /// were written a moment ago.
    fn rests_for(&self) -> Duration {
        Duration::ZERO
    }

    /// The most memory that trying a case may take, beside what was planned and told.
    fn bytes_max(&self) -> usize {
        64 << 20
    }

    /// Writes the input of a case into `dir`, which is empty.
    fn make(&self, dice: &mut Dice, dir: &Path) -> io::Result<()>;

    /// Tries the input in `dir`; an error says what is wrong with what came of it. A panic
    /// anywhere, a case that takes 2 s, and too much memory are noticed by others. Returns how many
    /// bytes the product said that it would take.
    fn run(&self, dir: &Path) -> Result<usize, String>;
}

impl Name {
    fn target(self) -> Box<dyn Target> {
        match self {
            Self::Npy => Box::new(npy::Npy),
            Self::Safetensors => Box::new(safetensors::SafetensorsFiles),
            Self::Specs => Box::new(specs::Specs),
            Self::States => Box::new(states::States::new()),
            Self::Lines => Box::new(lines::Lines::new()),
        }
    }
}

/// Attacks until the time is over: exit code 0 if nothing fell.
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
