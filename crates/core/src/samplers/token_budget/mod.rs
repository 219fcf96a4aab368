//! Batches by a budget of tokens: `shapes` cuts the sorted lengths into batches, once; `order` says which
//! sample an epoch has where.

mod order;
mod shapes;
#[cfg(test)]
mod tests;

use std::fmt;
use std::num::NonZeroU32;
use std::sync::{Arc, OnceLock};

use self::order::BudgetOrder;
use self::shapes::Shapes;
use super::lengths_fingerprint;
use crate::permutation::Permutation;
use crate::{
    BatchRule, BatchTable, Error, ErrorKind, Fingerprint, Key, Order, Population, Purpose, Result,
    Sampler, Stream,
};

/// Batches of samples of similar length, with as many rows as a budget of tokens allows: short samples come
/// in batches of many rows, long ones in batches of few, and every batch takes about as much memory and
/// time. `rows * longest <= budget` always, where `longest` is the length of the longest sample of the
/// batch, rounded up to a [multiple](Self::multiple_of).
///
/// ```
/// use tallow_core::{Order, Population, Sampler, TokenBudget};
///
/// let lengths = [5, 100, 20, 7, 90, 6, 19, 8];
/// let budget = TokenBudget::new(lengths, 100)?.in_order();
/// let order = budget.order(&Population::of(8), 7, 0)?;
/// let batches = order.batches().unwrap();
/// let lengths: Vec<Vec<u32>> = (0..batches.len())
///     .map(|batch| batches.rows(batch).map(|at| lengths[order.index(at)]).collect())
///     .collect();
/// assert_eq!(lengths, [vec![100], vec![90], vec![20, 19, 8, 7, 6], vec![5]]);
/// # Ok::<(), tallow_core::Error>(())
/// ```
///
/// # Epochs
///
/// Every sample comes once. Sorted by their rounded lengths the samples are cut into batches, from the longest
/// on, as many rows at a time as the budget allows. These cuts depend on the lengths alone, so they are made
/// once, and every epoch has the same number of batches with the same numbers of rows. That is what steps,
/// schedules of learning rates and memory are planned with, and why ranks agree. What an epoch draws anew is
/// the order of the batches, and which of the samples with one rounded length is in which place. So batches
/// are made of other samples in each epoch, the more so the fewer different lengths there are: with lengths
/// of 16000 samples per second, which hardly ever are the same, use a multiple of some hundreds.
///
/// # Ranks
///
/// The budget is that of a batch over all ranks, whose rows are dealt out one by one. A rank of `world` has at
/// most `budget / world` tokens and one row. With [`rows_multiple_of`](Self::rows_multiple_of) the number
/// of ranks all have the same number of rows, and exactly that share. A loader refuses batches with fewer
/// rows than there are ranks.
///
/// # Cost
///
/// Four bytes per sample for the lengths and four for the sorted samples; 12 per batch for an epoch, whose
/// beginning costs the order of the batches. A position costs a search among the batches, and one among the
/// lengths.
#[derive(Clone)]
pub struct TokenBudget {
    lengths: Arc<[u32]>,
    /// Of the lengths.
    print: Fingerprint,
    limits: Limits,
    in_order: bool,
    /// Made when they are asked for first.
    shapes: Arc<OnceLock<Result<Shapes>>>,
}

/// How large a batch may be.
#[derive(Debug, Clone, Copy)]
struct Limits {
    budget: usize,
    multiple: NonZeroU32,
    rows_multiple: usize,
    rows_max: usize,
}

impl TokenBudget {
    /// Batches of at most `budget` tokens over all ranks, padding included. `lengths` has the length of
    /// each sample of the source: [`SampleLengths`](crate::SampleLengths), or any list. If several fields
    /// are padded to the longest row, it is the largest of them.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Config`] when the budget is 0, or when there are more than 2^32 - 1 samples.
    pub fn new(lengths: impl Into<Arc<[u32]>>, budget: usize) -> Result<Self> {
        let lengths = lengths.into();
        if budget == 0 {
            let message = "a budget of 0 tokens, expected at least 1";
            return Err(Error::new(ErrorKind::Config, message));
        }
        if lengths.len() > u32::MAX as usize {
            let message = format!("{} lengths, expected at most 2^32 - 1", lengths.len());
            return Err(Error::new(ErrorKind::Config, message));
        }
        let multiple = NonZeroU32::MIN;
        let limits = Limits { budget, multiple, rows_multiple: 1, rows_max: usize::MAX };
        let print = lengths_fingerprint(&lengths);
        Ok(Self { lengths, print, limits, in_order: false, shapes: Arc::default() })
    }

    /// Counts lengths rounded up to a multiple of `multiple`: what the loader pads the batch to. 0 counts
    /// as 1. The default is 1.
    #[must_use]
    pub fn multiple_of(self, multiple: u32) -> Self {
        let multiple = NonZeroU32::new(multiple).unwrap_or(NonZeroU32::MIN);
        let limits = Limits { multiple, ..self.limits };
        self.with(limits)
    }

    /// Makes the rows of a batch a multiple of `rows`, so that so many ranks have the same number of rows.
    /// If the samples are no multiple of it, one batch has fewer rows, and comes last. 0 counts as 1. The
    /// default is 1.
    #[must_use]
    pub fn rows_multiple_of(self, rows: usize) -> Self {
        let rows_multiple = rows.max(1);
        let limits = Limits { rows_multiple, ..self.limits };
        self.with(limits)
    }

    /// The most rows of a batch over all ranks, however short the samples are. By default only the
    /// budget limits them. What a loader holds per row, and fields that are padded to their maximum,
    /// take memory by this number.
    #[must_use]
    pub fn rows_max(self, rows: usize) -> Self {
        let limits = Limits { rows_max: rows, ..self.limits };
        self.with(limits)
    }

    /// The same batches in every epoch, from the longest samples to the shortest: for validation.
    #[must_use]
    pub fn in_order(mut self) -> Self {
        self.in_order = true;
        self
    }

    fn with(self, limits: Limits) -> Self {
        Self { limits, shapes: Arc::default(), ..self }
    }

    /// The share of padding in the batches of an epoch, if each is padded to its longest sample, rounded up:
    /// 0.1 if one element in ten is padding.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Config`] when a batch with one sample, or with as many as
    /// [`rows_multiple_of`](Self::rows_multiple_of) says, is beyond the budget or has more rows than
    /// [`rows_max`](Self::rows_max).
    pub fn padding(&self) -> Result<f64> {
        let table = &self.shapes()?.table;
        let elements = |batch| table.rows(batch).len() as f64 * table.longest(batch) as f64;
        let all: f64 = (0..table.len()).map(elements).sum();
        let tokens: f64 = self.lengths.iter().map(|&length| f64::from(length)).sum();
        Ok(if all > 0.0 { 1.0 - tokens / all } else { 0.0 })
    }

    fn shapes(&self) -> Result<&Shapes> {
        let made = self.shapes.get_or_init(|| Shapes::new(&self.lengths, self.limits));
        made.as_ref().map_err(|error| Error::new(error.kind(), error.message()))
    }

    fn check(&self, population: &Population) -> Result<()> {
        let (found, samples) = (self.lengths.len(), population.samples());
        if found == samples {
            return Ok(());
        }
        let message = format!("found {found} lengths for a source of {samples} samples");
        Err(Error::new(ErrorKind::Config, message))
    }

    /// The batches of an epoch in the order of their delivery, by their numbers among the shapes.
    fn delivered(&self, shapes: &Shapes, key: Key) -> Vec<u32> {
        let batches = shapes.table.len();
        // One that is not full comes last.
        let shuffled = batches - usize::from(shapes.has_rest);
        let stream = Stream::new("token budget", 0, Purpose::Order);
        let permutation = (!self.in_order).then(|| Permutation::new(shuffled, key, stream));
        let number = |at: usize| match &permutation {
            Some(permutation) if at < shuffled => permutation.index(at) as u32,
            _ => at as u32,
        };
        (0..batches).map(number).collect()
    }
}

impl fmt::Debug for TokenBudget {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut debug = f.debug_struct("TokenBudget");
        debug.field("limits", &self.limits).field("in_order", &self.in_order);
        debug.finish_non_exhaustive()
    }
}

impl Sampler for TokenBudget {
    fn len(&self, population: &Population) -> Result<usize> {
        self.check(population)?;
        self.shapes()?;
        Ok(population.samples())
    }

    fn order(&self, population: &Population, seed: u64, epoch: u64) -> Result<Arc<dyn Order>> {
        self.check(population)?;
        let shapes = self.shapes()?;
        let key = Key::new(seed, epoch);
        let numbers = self.delivered(shapes, key);
        let batch = |&number: &u32| {
            let number = number as usize;
            (shapes.table.rows(number).len(), shapes.table.longest(number) as u32)
        };
        let table = BatchTable::new(numbers.iter().map(batch))?;
        let key = (!self.in_order).then_some(key);
        Ok(Arc::new(BudgetOrder::new(shapes.clone(), table, numbers, key)))
    }

    fn fingerprint(&self) -> Fingerprint {
        let Limits { budget, multiple, rows_multiple, rows_max } = self.limits;
        let print = Fingerprint::of("token budget").with(self.print).number(budget as u64);
        let print = print.number(u64::from(multiple.get())).number(rows_multiple as u64);
        print.number(rows_max as u64).number(u64::from(self.in_order)).finish()
    }

    fn batches(&self, population: &Population) -> Result<BatchRule> {
        self.check(population)?;
        Ok(BatchRule::Own(self.shapes()?.table.clone()))
    }

    fn order_bytes(&self, _population: &Population) -> usize {
        let batches = self.shapes().map_or(0, |shapes| shapes.table.len());
        let numbers = batches.saturating_mul(size_of::<u32>());
        BatchTable::bytes_for(batches).saturating_add(numbers)
    }
}
