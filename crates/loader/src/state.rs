use serde::{Deserialize, Serialize};
use tallow_core::Fingerprint;

use crate::{Error, ErrorKind, Result};

/// Where a consumer stands: a few integers, to be saved with a checkpoint in whatever format
/// serde writes.
///
/// Resuming costs nothing beyond the order's table. It works with another number of workers, of
/// batches ahead, or of ranks, since none of them changes what is delivered; another data set,
/// sampler, transform or seed is refused.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct State {
    pub(crate) version: u32,
    pub(crate) source: Fingerprint,
    pub(crate) sampler: Fingerprint,
    pub(crate) transform: Fingerprint,
    pub(crate) seed: u64,
    pub(crate) epoch: u64,
    pub(crate) position: u64,
    pub(crate) batch_size: u64,
    pub(crate) errors: u64,
}

impl State {
    /// Changes when a state of before can no longer be understood.
    pub(crate) const VERSION: u32 = 1;

    /// The epoch of the next batch.
    pub fn epoch(&self) -> u64 {
        self.epoch
    }

    /// The position in that epoch at which the next batch begins, over all ranks.
    pub fn position(&self) -> u64 {
        self.position
    }

    /// Failures that count against the budget of that epoch so far.
    pub fn errors(&self) -> u64 {
        self.errors
    }

    /// Whether this state belongs to the loader whose own state is `own`, and if so the number of
    /// the next batch.
    pub(crate) fn resume_on(&self, own: &Self) -> Result<usize> {
        let mut problems = Vec::new();
        let mut same = |what: &str, found: String, expected: String| {
            if found != expected {
                problems
                    .push(format!("the {what} is {expected}, the state was saved with {found}"));
            }
        };
        same("state version", self.version.to_string(), own.version.to_string());
        for (what, found, expected) in [
            ("source", self.source, own.source),
            ("sampler", self.sampler, own.sampler),
            ("transform", self.transform, own.transform),
        ] {
            same(what, format!("{found:?}"), format!("{expected:?}"));
        }
        same("seed", self.seed.to_string(), own.seed.to_string());
        if !self.position.is_multiple_of(own.batch_size) {
            problems.push(format!(
                "position {} is no boundary of batches of {}; it was saved with batches of {}",
                self.position, own.batch_size, self.batch_size
            ));
        }
        if problems.is_empty() {
            return Ok((self.position / own.batch_size) as usize);
        }
        Err(Error::new(ErrorKind::State, problems.join("; ")))
    }
}
