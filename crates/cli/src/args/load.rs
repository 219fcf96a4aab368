//! The options of a loader.

use std::fmt;
use std::str::FromStr;

use clap::{Args as Flags, ValueEnum};
use tallow::{LastBatch, OnError};

use super::numbers::{parse_positive, parse_size};

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
    fn devices_are_parsed() {
        assert_eq!("cuda:1".parse(), Ok(DeviceArg::Cuda(1)));
        assert_eq!("cuda".parse(), Ok(DeviceArg::Cuda(0)));
        assert!("cpu:0".parse::<DeviceArg>().is_err() && "tpu".parse::<DeviceArg>().is_err());
    }
}
