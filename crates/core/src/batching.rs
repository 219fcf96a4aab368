use std::num::NonZeroUsize;
use std::ops::Range;

use crate::{BatchTable, Error, ErrorKind, Result};

/// How to handle the samples that do not fill the last batch of an epoch.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum LastBatch {
    /// The last batch is smaller.
    #[default]
    Keep,
    /// They are left out.
    Drop,
    /// Rows of zeros fill it up, and the mask tells them from samples. Samples are never repeated.
    Pad,
}

/// How the positions of an epoch become batches, and which rows of them are this rank's, so that any
/// batch is known without the batches before it: pure arithmetic, or a table where a sampler makes
/// batches of its own.
///
/// The batch size is global: batch `b` holds positions `b * batch_size ..`, and its row `k`
/// belongs to rank `k mod world`. Every rank therefore has the same number of batches, and the
/// batches of the world do not depend on how large the world is. Where the world does not divide the
/// batch size, the first ranks have one row more than the others in every full batch.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Batching {
    /// Of a table the rows of its largest batch.
    batch_size: NonZeroUsize,
    last: LastBatch,
    rank: usize,
    world: NonZeroUsize,
    table: Option<BatchTable>,
}

impl Batching {
    /// Batches of `batch_size` rows over all ranks.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Config`], with all problems: a size of 0, a rank that is not below `world`, a
    /// batch with fewer rows than there are ranks.
    pub fn new(batch_size: usize, last: LastBatch, rank: usize, world: usize) -> Result<Self> {
        let mut problems = Vec::new();
        if batch_size == 0 {
            problems.push("a batch size of 0".to_owned());
        }
        if rank >= world {
            problems.push(format!("rank {rank} of a world of {world}"));
        } else if (1..world).contains(&batch_size) {
            problems.push(format!(
                "batch size {batch_size}, expected at least one row per rank of {world}"
            ));
        }
        match (NonZeroUsize::new(batch_size), NonZeroUsize::new(world), problems.is_empty()) {
            (Some(batch_size), Some(world), true) => {
                Ok(Self { batch_size, last, rank, world, table: None })
            }
            _ => Err(Error::new(ErrorKind::Config, problems.join("; "))),
        }
    }

    /// The batches of `table`, over all ranks. Its last batch is like any other, hence
    /// [`LastBatch::Keep`].
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Config`] when `rank` is not below `world`, or when a batch but the last one has fewer
    /// rows than there are ranks.
    pub fn of_table(table: BatchTable, rank: usize, world: usize) -> Result<Self> {
        let others = 0..table.len().saturating_sub(1);
        let fewest = others.map(|batch| table.rows(batch).len()).min().unwrap_or(usize::MAX);
        if rank < world && fewest < world {
            let message =
                format!("a batch of {fewest} rows, expected at least one row per rank of {world}");
            return Err(Error::new(ErrorKind::Config, message));
        }
        let batch_size = table.rows_max().max(world).max(1);
        let batching = Self::new(batch_size, LastBatch::Keep, rank, world)?;
        Ok(batching.with_table(table))
    }

    /// The same with the batches of `table`: those of another epoch.
    #[must_use]
    pub fn with_table(self, table: BatchTable) -> Self {
        Self { table: Some(table), ..self }
    }

    /// The batches that a sampler makes itself, if it does.
    pub fn table(&self) -> Option<&BatchTable> {
        self.table.as_ref()
    }

    /// Rows of a full batch over all ranks; of a table at least those of the largest batch, in every epoch.
    pub fn batch_size(&self) -> usize {
        self.batch_size.get()
    }

    /// Rows of a full batch on this rank: its share, rounded up on the first ranks and down on the
    /// others where it is not a whole number.
    pub fn rank_rows(&self) -> usize {
        self.share_of(self.batch_size.get())
    }

    /// How many of the first `rows` rows of a batch are this rank's.
    fn share_of(&self, rows: usize) -> usize {
        rows.saturating_sub(self.rank).div_ceil(self.world.get())
    }

    /// How an incomplete last batch is handled.
    pub fn last(&self) -> LastBatch {
        self.last
    }

    /// This rank.
    pub fn rank(&self) -> usize {
        self.rank
    }

    /// The number of ranks.
    pub fn world(&self) -> usize {
        self.world.get()
    }

    /// Batches of an epoch of `positions` positions; the same for every rank.
    pub fn batches(&self, positions: usize) -> usize {
        if let Some(table) = &self.table {
            return table.len();
        }
        match self.last {
            LastBatch::Keep | LastBatch::Pad => positions.div_ceil(self.batch_size.get()),
            LastBatch::Drop => positions / self.batch_size.get(),
        }
    }

    /// A batch without rows.
    pub fn no_rows(&self) -> BatchRows {
        BatchRows { first: self.rank, step: self.world.get(), samples: 0, rows: 0, of_table: None }
    }

    /// The rows of batch `batch` that are this rank's, of an epoch of `positions` positions.
    ///
    /// # Panics
    ///
    /// When there is no such batch.
    pub fn rows(&self, positions: usize, batch: usize) -> BatchRows {
        assert!(batch < self.batches(positions), "batch {batch} of {positions} positions");
        let (start, present, longest) = match &self.table {
            None => {
                let first = batch * self.batch_size.get();
                (first, self.batch_size.get().min(positions - first), None)
            }
            Some(table) => {
                let rows = table.rows(batch);
                (rows.start, rows.len(), Some(table.longest(batch)))
            }
        };
        let samples = self.share_of(present);
        let rows = if self.last == LastBatch::Pad { self.rank_rows() } else { samples };
        let first = start.saturating_add(self.rank);
        let of_table = longest.map(|longest| OfTable { start, rows: present, longest });
        BatchRows { first, step: self.world.get(), samples, rows, of_table }
    }
}

/// The rows of one batch on one rank.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BatchRows {
    first: usize,
    step: usize,
    samples: usize,
    rows: usize,
    of_table: Option<OfTable>,
}

/// What a table says about a batch, over all ranks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct OfTable {
    start: usize,
    rows: usize,
    longest: usize,
}

impl BatchRows {
    /// Rows that hold a sample; they come first.
    pub fn samples(&self) -> usize {
        self.samples
    }

    /// All rows, those of padding included.
    pub fn rows(&self) -> usize {
        self.rows
    }

    /// The length that no sample of the batch exceeds, where a sampler makes batches by lengths: see
    /// [`BatchTable::longest`].
    pub fn longest(&self) -> Option<usize> {
        self.of_table.map(|of_table| of_table.longest)
    }

    /// The positions whose samples may be in this batch, of `positions` positions: all, or those of the
    /// batch over all ranks where a sampler makes batches by lengths.
    pub fn candidates(&self, positions: usize) -> Range<usize> {
        self.of_table.map_or(0..positions, |OfTable { start, rows, .. }| start..start + rows)
    }

    /// The position in the epoch of row `row`. Rows of padding have one too, beyond the epoch.
    pub fn position(&self, row: usize) -> usize {
        // Only padding can lie beyond what can be counted.
        self.first.saturating_add(row.saturating_mul(self.step))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        /// The union of all ranks is every position once, in order, whatever the world.
        #[test]
        fn ranks_share_out_every_position_once(n in 0usize..200, more in 0usize..40, world in 1usize..9) {
            let size = world + more;
            for last in [LastBatch::Keep, LastBatch::Drop, LastBatch::Pad] {
                let mut positions = Vec::new();
                let mut batches = Vec::new();
                for rank in 0..world {
                    let batching = Batching::new(size, last, rank, world).unwrap();
                    batches.push(batching.batches(n));
                    for batch in 0..batching.batches(n) {
                        let rows = batching.rows(n, batch);
                        positions.extend((0..rows.samples()).map(|row| rows.position(row)));
                        let share = size / world + usize::from(rank < size % world);
                        prop_assert!(last != LastBatch::Pad || rows.rows() == share);
                        prop_assert!(last != LastBatch::Drop || rows.samples() == share);
                        prop_assert!(rows.samples() <= batching.rank_rows());
                    }
                }
                positions.sort_unstable();
                let expected = if last == LastBatch::Drop { n / size * size } else { n };
                prop_assert_eq!(positions, (0..expected).collect::<Vec<_>>());
                prop_assert!(batches.iter().all(|&b| b == batches[0]));
            }
        }
    }

    proptest! {
        /// The same of batches that a sampler makes: each rank has every batch, and its share of it.
        #[test]
        fn ranks_share_out_the_batches_of_a_table(
            rows in prop::collection::vec((8usize..30, any::<u32>()), 0..20),
            world in 1usize..9,
        ) {
            let table = BatchTable::new(rows.clone()).unwrap();
            let positions = table.positions();
            let mut seen = Vec::new();
            for rank in 0..world {
                let batching = Batching::of_table(table.clone(), rank, world).unwrap();
                prop_assert_eq!(batching.batches(positions), rows.len());
                for (batch, &(all, longest)) in rows.iter().enumerate() {
                    let own = batching.rows(positions, batch);
                    seen.extend((0..own.samples()).map(|row| own.position(row)));
                    prop_assert_eq!(own.samples(), all / world + usize::from(rank < all % world));
                    prop_assert_eq!(own.longest(), Some(longest as usize));
                    prop_assert!(own.rows() <= batching.rank_rows());
                }
            }
            seen.sort_unstable();
            prop_assert_eq!(seen, (0..positions).collect::<Vec<_>>());
        }
    }

    #[test]
    fn a_batch_of_a_table_that_leaves_a_rank_without_rows_is_refused_but_for_the_last() {
        let table = |rows: &[usize]| BatchTable::new(rows.iter().map(|&rows| (rows, 1))).unwrap();
        let error = Batching::of_table(table(&[4, 2, 1]), 0, 3).unwrap_err().to_string();
        assert!(error.contains("a batch of 2 rows, expected at least one row per rank"), "{error}");
        let batching = Batching::of_table(table(&[4, 3, 1]), 2, 3).unwrap();
        assert_eq!(batching.rows(8, 2).samples(), 0);
        assert!(Batching::of_table(table(&[4]), 3, 3).is_err());
    }

    #[test]
    fn impossible_ranks_are_refused_with_their_numbers() {
        let error = Batching::new(2, LastBatch::Keep, 0, 3).unwrap_err().to_string();
        assert!(error.contains("batch size 2, expected at least one row per rank of 3"), "{error}");
        assert!(Batching::new(0, LastBatch::Keep, 2, 2).unwrap_err().message().contains("; "));
    }

    #[test]
    fn a_rank_may_have_no_row_of_the_last_batch() {
        let batching = Batching::new(4, LastBatch::Keep, 3, 4).unwrap();
        assert_eq!(batching.batches(5), 2);
        assert_eq!((batching.rows(5, 0).samples(), batching.rows(5, 1).rows()), (1, 0));
    }
}
