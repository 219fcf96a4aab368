use std::fmt;

use tallow_core::{PartShare, Population};

/// What was delivered of one part of a concatenation, of one data set of a mixture.
///
/// ```
/// # use candle_core::{Device, Tensor};
/// # use tallow_core::{Memory, Mix};
/// # use tallow_loader::Loader;
/// # let tokens = |len| Memory::new([("tokens", Tensor::arange(0i64, len, &Device::Cpu)?)]);
/// # let (web, code) = (tokens(60)?, tokens(10)?);
/// let (source, mix) = Mix::weighted([(web, 3.0), (code, 1.0)])?;
/// let loader = Loader::builder(source).sampler(mix).batch_size(4).build()?;
/// loader.epoch(0).try_for_each(|batch| batch.map(drop))?;
/// let code = &loader.report().parts[1];
/// assert_eq!((code.samples, code.rows, code.share), (10, 20, 0.25));
/// assert_eq!((code.asked, code.seen), (Some(0.25), Some(2.0)));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct PartReport {
    /// The samples that the part has.
    pub samples: usize,
    /// Rows of the part that were delivered, to this rank.
    pub rows: u64,
    /// Their share of all rows, from 0 to 1; 0 where there is none.
    pub share: f64,
    /// The share that was asked for at the last batch that was delivered. `None` unless the sampler
    /// chooses by parts, as a [`Mix`](tallow_core::Mix) does.
    pub asked: Option<f64>,
    /// How often the part was seen up to that batch: its own epochs, over all ranks, from the beginning of
    /// the training on. So batches before a resume count. `None` as for `asked`.
    pub seen: Option<f64>,
}

impl PartReport {
    /// The most parts that are counted, since each report lists them.
    const PARTS_MAX: usize = 1 << 10;

    /// How many parts of `population` are counted: none where there is one.
    pub(crate) fn counted(population: &Population) -> usize {
        match population.parts() {
            1 => 0,
            parts if parts > Self::PARTS_MAX => 0,
            parts => parts,
        }
    }

    /// All parts of `population`, of which `rows` were delivered.
    pub(crate) fn all(
        population: &Population,
        rows: &[u64],
        shares: Option<&[PartShare]>,
    ) -> Vec<Self> {
        let part = |(part, &rows): (usize, &u64)| {
            let share = shares.and_then(|shares| shares.get(part));
            let samples = population.part(part).len();
            let (asked, seen) = (share.map(|share| share.asked), share.map(|share| share.seen));
            Self { samples, rows, share: 0.0, asked, seen }
        };
        with_shares(rows.iter().enumerate().map(part).collect())
    }

    /// The rows of `now` without those of `before`, which is earlier.
    pub(crate) fn since(now: &[Self], before: &[Self]) -> Vec<Self> {
        let pairs = now.iter().zip(before);
        let rows = |(now, before): (&Self, &Self)| {
            let rows = now.rows.saturating_sub(before.rows);
            Self { rows, ..now.clone() }
        };
        with_shares(pairs.map(rows).collect())
    }
}

fn with_shares(mut parts: Vec<PartReport>) -> Vec<PartReport> {
    let all: u64 = parts.iter().map(|part| part.rows).sum();
    parts.iter_mut().for_each(|part| part.share = part.rows as f64 / all.max(1) as f64);
    parts
}

/// A line for each part, of which the first few are told.
pub(crate) fn write(f: &mut fmt::Formatter<'_>, parts: &[PartReport]) -> fmt::Result {
    const TOLD_MAX: usize = 16;
    for (number, part) in parts.iter().take(TOLD_MAX).enumerate() {
        let head = if number == 0 { "parts" } else { "" };
        write!(f, "{head:<10}{number}: {} rows, {:.2}%", part.rows, part.share * 100.0)?;
        if let (Some(asked), Some(seen)) = (part.asked, part.seen) {
            write!(f, " of {:.2}% asked, seen {seen:.2} times", asked * 100.0)?;
        }
        writeln!(f)?;
    }
    match parts.len().saturating_sub(TOLD_MAX) {
        0 => Ok(()),
        more => writeln!(f, "          and {more} more"),
    }
}
