//! Statistics of every field of a source, in one pass by all cores.
//!
//! The samples are split into parts, a fixed number of them, whichever threads there are. A part is
//! summed up in order by the thread that claims it, and the parts are merged as the leaves of a tree,
//! so that the result is the same to the last bit with any number of threads.

mod channels;
mod found;
mod moments;
mod pass;
mod tally;

use std::fmt;
use std::num::NonZeroUsize;
use std::sync::Arc;

use tallow_core::{Field, Source, Transform};

pub use self::found::{Bin, ChannelStatistics, ClassCount, FieldStatistics, Lengths, Statistics};
use self::pass::Pass;
use crate::Result;
use crate::cores;
use crate::row_chain::RowChain;

/// Tells which axis of a field are its channels.
type ChannelAxis = Box<dyn Fn(&Field) -> Option<usize>>;

/// A pass over a source that finds the [`Statistics`] of its fields: range, mean and deviation of each
/// channel, how many samples each class has, and how long samples are that differ.
///
/// Numbers of up to 16 bits are summed up exactly, others in `f64` about the mean of each block, so
/// that a large mean costs no digits. The result is the same to the last bit with any number of
/// threads. Pictures are decoded. A sample costs its read, and one pass over its numbers while they are
/// in the cache.
///
/// ```
/// # use tallow_core::{Field, RowDType, Schema, from_fn};
/// use tallow_loader::StatisticsBuilder;
///
/// # let schema = Schema::new(vec![Field::new("input", RowDType::U8, &[2, 4])])?;
/// # let source = from_fn(schema, 9, |_, row| row.field(0).copy_from_slice(&[0u8, 0, 0, 0, 51, 51, 51, 51]));
/// let found = StatisticsBuilder::new(source).channels(|_| Some(0)).run()?;
/// let input = &found.fields()[0];
/// assert_eq!(input.channels()[1].mean(), Some(51.0));
/// assert_eq!(input.normalization(), Some((vec![0.0, 0.2], vec![0.0, 0.0])));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[must_use]
pub struct StatisticsBuilder {
    source: Arc<dyn Source>,
    transforms: Vec<Box<dyn Transform>>,
    seed: u64,
    threads: Option<NonZeroUsize>,
    failures_max: usize,
    value_counts: bool,
    channels: ChannelAxis,
    progress: Box<dyn Fn(usize) + Send + Sync>,
}

impl fmt::Debug for StatisticsBuilder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut debug = f.debug_struct("StatisticsBuilder");
        debug.field("schema", self.source.schema()).field("threads", &self.threads);
        debug.finish_non_exhaustive()
    }
}

impl StatisticsBuilder {
    /// A pass over `source`.
    pub fn new(source: impl Source + 'static) -> Self {
        Self {
            source: Arc::new(source),
            transforms: Vec::new(),
            seed: 0,
            threads: None,
            failures_max: 0,
            value_counts: false,
            channels: Box::new(|_| None),
            progress: Box::new(|_| {}),
        }
    }

    /// Adds a transform, after those that were added before: the statistics are then those of what a
    /// loader delivers in epoch 0.
    pub fn transform(mut self, transform: impl Transform + 'static) -> Self {
        self.transforms.push(Box::new(transform));
        self
    }

    /// The number from which the transforms' random numbers derive. The default is 0.
    pub fn seed(mut self, seed: u64) -> Self {
        self.seed = seed;
        self
    }

    /// How many threads read. Never changes the result. The default is one per core.
    pub fn threads(mut self, threads: NonZeroUsize) -> Self {
        self.threads = Some(threads);
        self
    }

    /// How many samples may fail before the pass ends with the error of the first of them. The default
    /// is 0.
    pub fn failures_max(mut self, samples: usize) -> Self {
        self.failures_max = samples;
        self
    }

    /// Also counts how often each byte occurs in fields of `u8`. This takes about twice the time of
    /// sums.
    pub fn value_counts(mut self) -> Self {
        self.value_counts = true;
        self
    }

    /// Which axis of a field, as it is decoded and transformed, are its channels: each of them has
    /// numbers of its own. An axis that is ragged or that there is not is none. The default is none.
    pub fn channels(mut self, axis: impl Fn(&Field) -> Option<usize> + 'static) -> Self {
        self.channels = Box::new(axis);
        self
    }

    /// Calls `progress` with a number of samples each time when so many more are done.
    pub fn progress(mut self, progress: impl Fn(usize) + Send + Sync + 'static) -> Self {
        self.progress = Box::new(progress);
        self
    }

    /// Reads every sample.
    ///
    /// # Errors
    ///
    /// When a transform does not fit the fields; the first sample that cannot be read, if more fail
    /// than [may](Self::failures_max).
    pub fn run(self) -> Result<Statistics> {
        let chain = RowChain::new(self.source).seed(self.seed);
        let mut transforms = self.transforms.iter().map(|transform| &**transform);
        let chain = transforms.try_fold(chain, |chain, transform| chain.transform(transform))?;
        let chain = chain.decode()?;
        let axes = chain.schema().fields().iter().map(&*self.channels).collect();
        let threads = self.threads.map_or_else(cores::available, NonZeroUsize::get);
        let pass = Pass::new(&chain, axes, self.value_counts, self.failures_max, &*self.progress);
        pass.run(threads)
    }
}
