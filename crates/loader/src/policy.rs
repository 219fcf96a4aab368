use std::fmt;

use tallow_core::Error;

/// What happens to a sample that cannot be read or transformed.
///
/// Deterministic: which samples are skipped or substituted, and by what, depends on the data and
/// the seed alone, and everything is reported in [`crate::Batch::faults`]. Budgets count failed
/// reads for each epoch and rank, in the order of delivery, and are part of the saved state.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum OnError {
    /// The batch becomes an error; the next one comes as usual.
    #[default]
    Fail,
    /// The row is left out of its own batch, nothing moves between batches. Up to `budget` an
    /// epoch, then the batch becomes an error.
    ///
    /// A batch of which nothing is left is not delivered, so that no model sees a tensor without
    /// rows; an epoch of which nothing is left is an error in the place of its last batch. Two
    /// exceptions: with several ranks the batch comes all the same and
    /// [`is_empty`](crate::Batch::is_empty), since the other ranks wait at theirs, and with
    /// [`LastBatch::Pad`](tallow_core::LastBatch::Pad) it is wholly padding.
    Skip {
        /// Failures accepted in an epoch.
        budget: usize,
    },
    /// The sample of another position, drawn from the row's key, takes its place: each position is
    /// as likely, those left out whose sample has failed for this row. Up to `budget` an epoch, then
    /// the batch becomes an error.
    Substitute {
        /// Failures accepted in an epoch.
        budget: usize,
    },
}

impl OnError {
    /// Substitutes tried for one row at the most: where so many fail the data set is broken, and
    /// one row should not use up hours.
    const SUBSTITUTES_MAX: usize = 32;

    /// Failures of one row at the most: each read of it, and one of its batch as a whole.
    pub(crate) const FAULTS_MAX: usize = 2 + Self::SUBSTITUTES_MAX;

    /// Failures accepted in an epoch.
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
            Self::Skip { budget } => write!(f, "skip up to {budget} an epoch"),
            Self::Substitute { budget } => write!(f, "substitute up to {budget} an epoch"),
        }
    }
}

/// One read that failed and was passed over, by skipping or by substituting.
#[derive(Debug)]
#[non_exhaustive]
pub struct Fault {
    /// The position in the epoch of the row.
    pub position: usize,
    /// The sample that failed, or whose partner did.
    pub index: usize,
    /// Why: a [`crate::Error`] with the source's error as its cause, which names the partner where
    /// it was that one.
    pub error: crate::Error,
}

impl Fault {
    /// The error of the source or transform, which names path, field and sample.
    pub fn cause(&self) -> Option<&Error> {
        self.error.cause()
    }
}
