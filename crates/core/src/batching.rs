use std::num::NonZeroUsize;

use crate::{Error, ErrorKind, Result};

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

/// How the positions of an epoch become batches, and which rows of them are this rank's: pure
/// arithmetic, so that any batch is known without the batches before it.
///
/// The batch size is global: batch `b` holds positions `b * batch_size ..`, and its row `k`
/// belongs to rank `k mod world`. Every rank therefore has the same number of batches, and the
/// batches of the world do not depend on how large the world is. Where the world does not divide the
/// batch size, the first ranks have one row more than the others in every full batch.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Batching {
    batch_size: NonZeroUsize,
    last: LastBatch,
    rank: usize,
    world: NonZeroUsize,
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
            (Some(batch_size), Some(world), true) => Ok(Self { batch_size, last, rank, world }),
            _ => Err(Error::new(ErrorKind::Config, problems.join("; "))),
        }
    }

    /// Rows of a full batch over all ranks.
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
        match self.last {
            LastBatch::Keep | LastBatch::Pad => positions.div_ceil(self.batch_size.get()),
            LastBatch::Drop => positions / self.batch_size.get(),
        }
    }

    /// A batch without rows.
    pub fn no_rows(&self) -> BatchRows {
        BatchRows { first: self.rank, step: self.world.get(), samples: 0, rows: 0 }
    }

    /// The rows of batch `batch` that are this rank's, of an epoch of `positions` positions.
    ///
    /// # Panics
    ///
    /// When there is no such batch.
    pub fn rows(&self, positions: usize, batch: usize) -> BatchRows {
        assert!(batch < self.batches(positions), "batch {batch} of {positions} positions");
        let first = batch * self.batch_size.get();
        let present = self.batch_size.get().min(positions - first);
        let samples = self.share_of(present);
        let rows = if self.last == LastBatch::Pad { self.rank_rows() } else { samples };
        BatchRows { first: first.saturating_add(self.rank), step: self.world.get(), samples, rows }
    }
}

/// The rows of one batch on one rank.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BatchRows {
    first: usize,
    step: usize,
    samples: usize,
    rows: usize,
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
