//! How failed samples are handled.

use std::fmt;

use tallow_core::Error;

/// How to handle a sample that cannot be read or transformed.
///
/// Which samples are skipped or substituted, and by what, depends only on the data and the seed, and
/// [`Batch::faults`](crate::Batch::faults) lists them. A budget counts failed reads per epoch and rank,
/// in the order of delivery, and is part of the saved state.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum OnError {
    /// The batch becomes an error; the next one is delivered as usual.
    #[default]
    Fail,
    /// The row is left out of its own batch; nothing moves between batches. After `budget` failures per
    /// epoch the batch becomes an error.
    ///
    /// A batch of which nothing is left is not delivered, so that no model sees a tensor without
    /// rows. If nothing is left of a whole epoch, an error takes the place of its last batch. There
    /// are two exceptions: with several ranks the batch is delivered, though it
    /// [`is_empty`](crate::Batch::is_empty), since the other ranks wait at theirs; and with
    /// [`LastBatch::Pad`](tallow_core::LastBatch::Pad) all of its rows are padding.
    Skip {
        /// Failures accepted per epoch.
        budget: usize,
    },
    /// The sample of another position is used instead, drawn with the key of the row. Each position is
    /// equally likely, except those whose sample has failed for this row already, and another row may have
    /// the same sample. After `budget` failures per epoch the batch becomes an error; a substitute
    /// that cannot be read is a failure as well, so leave some room.
    Substitute {
        /// Failures accepted per epoch.
        budget: usize,
    },
}

impl OnError {
    /// Substitutes tried for one row at most: if so many fail the data set is broken, and one row
    /// should not take hours.
    const SUBSTITUTES_MAX: usize = 32;

    /// Failures of one row at most: each read of it, and one of its batch as a whole.
    pub(crate) const FAULTS_MAX: usize = 2 + Self::SUBSTITUTES_MAX;

    /// Failures accepted per epoch.
    pub fn budget(self) -> usize {
        match self {
            Self::Fail => 0,
            Self::Skip { budget } | Self::Substitute { budget } => budget,
        }
    }

    pub(crate) fn substitutes(self) -> usize {
        match self {
            Self::Substitute { budget } => budget.min(Self::SUBSTITUTES_MAX),
            _ => 0,
        }
    }
}

impl fmt::Display for OnError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Fail => f.write_str("fail"),
            Self::Skip { budget } => write!(f, "skip up to {budget} per epoch"),
            Self::Substitute { budget } => write!(f, "substitute up to {budget} per epoch"),
        }
    }
}

/// One failed read whose sample was skipped or substituted.
#[derive(Debug)]
#[non_exhaustive]
pub struct Fault {
    /// The position in the epoch of the row.
    pub position: usize,
    /// The sample that failed, or whose partner did.
    pub index: usize,
    /// Why: a [`crate::Error`] whose cause is the error of the source. It names the partner if that is
    /// what failed.
    pub error: crate::Error,
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "position {}: {}", self.position, self.error)
    }
}

impl Fault {
    /// The error of the source or transform, which names path, field and sample.
    pub fn cause(&self) -> Option<&Error> {
        self.error.cause()
    }
}
