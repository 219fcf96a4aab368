use std::sync::Arc;

use super::Limits;
use crate::{BatchTable, Error, ErrorKind, Result};

/// The samples from the longest to the shortest, and where they are cut into batches. Cheap to clone.
#[derive(Debug, Clone)]
pub(super) struct Shapes {
    /// By their rounded lengths, ties by index.
    pub(super) sorted: Arc<[u32]>,
    /// Where each rounded length begins among the sorted samples, and where the last one ends.
    pub(super) classes: Arc<[u32]>,
    pub(super) table: BatchTable,
    /// Whether the last batch has fewer rows than the multiple that they are to be.
    pub(super) has_rest: bool,
}

impl Shapes {
    /// # Errors
    ///
    /// [`ErrorKind::Config`] when a batch of the fewest rows is beyond the budget or has too many rows.
    pub(super) fn new(lengths: &[u32], limits: Limits) -> Result<Self> {
        let rounded =
            |length: u32| u64::from(length).next_multiple_of(limits.multiple.get().into());
        // The longest first: the complement of the rounded length, then the index.
        let place = |(index, &length): (usize, &u32)| {
            let units = (rounded(length) / u64::from(limits.multiple.get())) as u32;
            u64::from(!units) << 32 | index as u64
        };
        let mut places: Vec<u64> = lengths.iter().enumerate().map(place).collect();
        places.sort_unstable();
        let units = |place: u64| u64::from(!((place >> 32) as u32));
        let longest = |at: usize| units(places[at]) * u64::from(limits.multiple.get());
        let samples = places.len();
        let (mut batches, mut at) = (Vec::new(), 0);
        while at < samples {
            let rows = limits.rows(longest(at), lengths, places[at] as u32 as usize)?;
            let rows = rows.min(samples - at);
            // Nobody has tokens beyond 2^32; only the multiple may have.
            batches.push((rows, u32::try_from(longest(at)).unwrap_or(u32::MAX)));
            at += rows;
        }
        let has_rest = !samples.is_multiple_of(limits.rows_multiple);
        let starts = (0..samples).filter(|&at| at == 0 || longest(at) != longest(at - 1));
        let classes = starts.map(|at| at as u32).chain([samples as u32]).collect();
        let sorted = places.iter().map(|&place| place as u32).collect();
        Ok(Self { sorted, classes, table: BatchTable::new(batches)?, has_rest })
    }
}

impl Limits {
    /// Rows of a batch whose longest sample, `index` of `lengths`, has `longest` tokens when rounded.
    fn rows(self, longest: u64, lengths: &[u32], index: usize) -> Result<usize> {
        let Self { budget, rows_multiple, rows_max, .. } = self;
        let rows = usize::try_from(budget as u64 / longest.max(1)).unwrap_or(usize::MAX);
        let whole = rows.min(rows_max) / rows_multiple * rows_multiple;
        if whole > 0 {
            return Ok(whole);
        }
        if rows_max < rows_multiple {
            let message =
                format!("at most {rows_max} rows per batch, expected at least {rows_multiple}");
            return Err(Error::new(ErrorKind::Config, message));
        }
        let length = lengths[index];
        let fewest =
            if rows_multiple > 1 { format!("{rows_multiple} such rows") } else { "it".into() };
        let message = format!(
            "sample {index} has {length} tokens, {longest} with padding, and {fewest} would be beyond the \
             budget of {budget} tokens per batch; expected a budget of at least {}",
            longest.saturating_mul(rows_multiple as u64)
        );
        Err(Error::new(ErrorKind::Config, message).with_index(index))
    }
}
