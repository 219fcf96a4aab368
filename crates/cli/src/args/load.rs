//! The options of a loader.

use std::fmt;
use std::str::FromStr;

use clap::{Args as Flags, ValueEnum};
use tallow::{LastBatch, OnError, Ranks};

use super::mix::MixArgs;
use super::numbers::{parse_positive, parse_size};

/// How samples are loaded.
#[derive(Debug, Clone, Flags)]
#[command(next_help_heading = "Loading")]
pub(crate) struct LoadArgs {
    /// Number of samples per batch, over all ranks
    #[arg(long, value_name = "N", default_value_t = 32, value_parser = parse_positive)]
    #[arg(conflicts_with = "token_budget")]
    pub(crate) batch_size: usize,
    /// Make batches of samples for which the ragged FIELD is of similar length: WINDOW batches at a time
    /// are sorted, 100 by default
    #[arg(long, value_name = "FIELD[:WINDOW]", value_parser = parse_buckets)]
    pub(crate) buckets: Option<Buckets>,
    /// Make batches of samples for which the ragged FIELD is of similar length, with as many of them as have
    /// at most TOKENS elements over all ranks, padding included; without --shuffle the longest come first
    #[arg(long, value_name = "FIELD:TOKENS", value_parser = parse_budget, conflicts_with = "buckets")]
    pub(crate) token_budget: Option<TokenBudget>,
    /// Make the samples of a batch of --token-budget a multiple of this, such as the number of ranks
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = parse_positive)]
    #[arg(requires = "token_budget")]
    pub(crate) rows_multiple: usize,
    /// Number of worker threads; 0 reads inside next(), auto starts one per core, at most 8
    #[arg(long, value_name = "N|auto", default_value = "auto")]
    pub(crate) workers: Workers,
    /// Number of batches to prepare ahead [default: 4, or as few as 2 if they would take more than
    /// 512 MiB]
    #[arg(long, value_name = "N")]
    pub(crate) prefetch: Option<usize>,
    /// Fetch files into the page cache ahead of the workers, up to this many bytes, like 64MB
    #[arg(long, value_name = "SIZE", value_parser = parse_size)]
    pub(crate) read_ahead: Option<usize>,
    /// Shuffle the samples anew in each epoch; those of a stream within windows of 1024 samples
    #[arg(long)]
    pub(crate) shuffle: bool,
    /// Shuffle within windows of N samples, which of a stream are held in memory
    #[arg(long, value_name = "N", value_parser = parse_positive)]
    #[arg(conflicts_with_all = ["shuffle", "shuffle_blocks"])]
    pub(crate) shuffle_window: Option<usize>,
    /// Shuffle the samples of N blocks at a time, so that what lies together is read together: a block is
    /// a shard, or 1024 samples where there is one file
    #[arg(long, value_name = "N", value_parser = parse_positive, conflicts_with = "shuffle")]
    pub(crate) shuffle_blocks: Option<usize>,
    /// Seed of all random numbers
    #[arg(long, default_value_t = 0)]
    pub(crate) seed: u64,
    /// How to handle an incomplete last batch
    #[arg(long, value_enum, default_value_t = Last::Keep)]
    pub(crate) last: Last,
    /// Rank of this process; with auto, rank and world are those that torchrun, mpirun, srun and the
    /// like give it [default: 0]
    #[arg(long, value_name = "R|auto")]
    pub(crate) rank: Option<RankArg>,
    /// Number of ranks [default: 1]
    #[arg(long, value_name = "N", value_parser = parse_positive)]
    pub(crate) world: Option<usize>,
    /// First epoch to load
    #[arg(long, value_name = "E", default_value_t = 0)]
    pub(crate) first_epoch: u64,
    /// Start the first epoch at this batch, as if resumed there
    #[arg(long, value_name = "K")]
    pub(crate) start_batch: Option<usize>,
    /// What to do with a sample that cannot be read: fail, skip:N or substitute:N, where N is the
    /// number allowed per epoch
    #[arg(long, value_name = "POLICY", default_value = "fail", value_parser = parse_on_error)]
    pub(crate) on_error: OnError,
    /// Device to deliver the tensors to: cpu, cuda:N, metal:N, or cuda:auto for the GPU of the local rank that the
    /// launcher says
    #[arg(long, default_value = "cpu")]
    pub(crate) device: DeviceArg,
    /// Pad a ragged field to its longest shape with VALUE, after --augment, and deliver the true
    /// lengths beside it; can be repeated
    #[arg(long = "pad", value_name = "FIELD:VALUE", value_parser = parse_pad)]
    pub(crate) pads: Vec<(String, f64)>,
    /// Pad a ragged field to the longest row of its batch, as with --pad otherwise; can be repeated
    #[arg(long = "pad-to-longest", value_name = "FIELD:VALUE", value_parser = parse_pad)]
    pub(crate) pads_to_longest: Vec<(String, f64)>,
    /// Round what --pad-to-longest pads to up to a multiple of this
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = parse_positive)]
    pub(crate) pad_multiple: usize,
    /// Keep all samples in the memory of the CUDA device if they take no more than SIZE, like 800MB
    /// or 24GB
    #[arg(long, value_name = "SIZE", value_parser = parse_size)]
    pub(crate) resident: Option<usize>,
    #[command(flatten)]
    pub(crate) mix: MixArgs,
}

/// The rank of this process.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum RankArg {
    /// As the environment says, with the world.
    Auto,
    Number(usize),
}

impl FromStr for RankArg {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        if text == "auto" {
            return Ok(Self::Auto);
        }
        text.parse().map(Self::Number).map_err(|_| "expected a whole number or auto".to_owned())
    }
}

/// Batches of similar length.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Buckets {
    pub(crate) field: String,
    /// Batches that are sorted together, if not the default.
    pub(crate) window: Option<usize>,
}

/// Batches by a budget.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct TokenBudget {
    pub(crate) field: String,
    pub(crate) tokens: usize,
}

/// A number of worker threads.
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
        text.parse()
            .map(Self::Count)
            .map_err(|_| "expected 0, a larger whole number or auto".to_owned())
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Last {
    /// Deliver it with fewer samples
    Keep,
    /// Leave it out
    Drop,
    /// Fill it up with rows of zeros
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

/// A device by name; it is opened when the loader is built.
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
        let ordinal = match ordinal {
            "auto" => {
                Ranks::from_env().map_err(|error| error.to_string())?.local_rank().unwrap_or(0)
            }
            number => number.parse().map_err(|_| {
                format!("{number:?} is not a device number; expected something like cuda:0")
            })?,
        };
        match name {
            "cpu" if !text.contains(':') => Ok(Self::Cpu),
            "cuda" => Ok(Self::Cuda(ordinal)),
            "metal" => Ok(Self::Metal(ordinal)),
            _ => Err("expected cpu, cuda:N, cuda:auto or metal:N".to_owned()),
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

fn parse_on_error(text: &str) -> Result<OnError, String> {
    let budget = |text: &str| {
        text.parse().map_err(|_| {
            format!("{text:?} is not a number of samples; expected something like skip:10")
        })
    };
    match text.split_once(':') {
        None if text == "fail" => Ok(OnError::Fail),
        Some(("skip", count)) => Ok(OnError::Skip { budget: budget(count)? }),
        Some(("substitute", count)) => Ok(OnError::Substitute { budget: budget(count)? }),
        _ => Err("expected fail, skip:N or substitute:N, where N is the number of bad samples \
              allowed per epoch"
            .to_owned()),
    }
}

fn parse_buckets(text: &str) -> Result<Buckets, String> {
    let (field, window) = match text.rsplit_once(':') {
        None => (text, None),
        Some((field, window)) => (field, Some(parse_positive(window)?)),
    };
    Ok(Buckets { field: field.to_owned(), window })
}

fn parse_budget(text: &str) -> Result<TokenBudget, String> {
    let (field, tokens) =
        text.rsplit_once(':').ok_or("expected FIELD:TOKENS, like tokens:16384")?;
    Ok(TokenBudget { field: field.to_owned(), tokens: parse_positive(tokens)? })
}

pub(super) fn parse_pad(text: &str) -> Result<(String, f64), String> {
    let (field, value) = text.rsplit_once(':').ok_or("expected FIELD:VALUE, like boxes:0")?;
    match value.parse::<f64>() {
        Ok(value) if value.is_finite() => Ok((field.to_owned(), value)),
        _ => Err(format!("found {value:?}, expected a finite number")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn buckets_and_budgets_are_parsed() {
        let buckets = |window| Buckets { field: "tokens".into(), window };
        assert_eq!(parse_buckets("tokens"), Ok(buckets(None)));
        assert_eq!(parse_buckets("tokens:7"), Ok(buckets(Some(7))));
        assert!(parse_buckets("tokens:0").is_err() && parse_budget("tokens").is_err());
        let budget = TokenBudget { field: "a:b".into(), tokens: 99 };
        assert_eq!(parse_budget("a:b:99"), Ok(budget));
    }

    #[test]
    fn devices_are_parsed() {
        assert_eq!("cuda:1".parse(), Ok(DeviceArg::Cuda(1)));
        assert_eq!("cuda".parse(), Ok(DeviceArg::Cuda(0)));
        assert!("cpu:0".parse::<DeviceArg>().is_err() && "tpu".parse::<DeviceArg>().is_err());
    }
}
