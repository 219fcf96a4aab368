//! Which sample is at a position of an epoch, and with which key.

use tallow_core::{BatchRows, Draws, Engine, Key, Order, Pass, RowKey};

use crate::{Error, ErrorKind, Result};

/// What an epoch says about its rows, for the worker that fills them.
#[derive(Clone, Copy)]
pub(crate) struct Epoch<'a> {
    pub(crate) order: &'a dyn Order,
    /// Seed and epoch.
    pub(crate) key: Key,
    /// Samples of the source.
    pub(crate) samples: usize,
    /// What they are taken from, if they come one after the other.
    pub(crate) pass: Option<&'a dyn Pass>,
}

impl Epoch<'_> {
    /// Draws of a substitute at most: an order that repeats few samples may have another one at only one
    /// position in a thousand.
    const DRAWS_MAX: usize = 1 << 14;

    /// The sample of a random position, each equally likely, that has none of the samples `failed`;
    /// `None` if there is no such position, or so few that none was drawn. A batch that the sampler made for
    /// its length, `rows`, has only its own samples to choose from: others might be longer.
    pub(crate) fn substitute(
        &self,
        rows: BatchRows,
        failed: &[usize],
        draws: &mut Draws,
    ) -> Option<usize> {
        let candidates = rows.candidates(self.order.len());
        if failed.len() >= candidates.len().min(self.samples) {
            return None;
        }
        let drawn = |draws: &mut Draws| draws.below(candidates.len() as u64) as usize;
        let mut drawn = || self.order.index(candidates.start + drawn(draws));
        (0..Self::DRAWS_MAX).map(|_| drawn()).find(|index| !failed.contains(index))
    }

    /// The sample of `position`, with the key that it has there.
    pub(crate) fn sample(&self, position: usize) -> RowKey {
        let key = if self.order.repeats() { self.key.at(position as u64) } else { self.key };
        RowKey { key, index: self.order.index(position) as u64 }
    }

    /// The sample of `position` in an epoch that has turned out to have `len` positions.
    pub(crate) fn sample_of_ended(&self, position: usize, len: usize) -> RowKey {
        let key = if self.order.repeats() { self.key.at(position as u64) } else { self.key };
        RowKey { key, index: self.order.index_of_ended(position, len) as u64 }
    }

    /// Whether the source has the sample that the order gives.
    pub(crate) fn check(&self, sample: RowKey) -> Result<()> {
        if (sample.index as usize) < self.samples {
            return Ok(());
        }
        let (index, samples) = (sample.index, self.samples);
        let message = format!("the order gives sample {index}, the source has {samples}");
        Err(Error::new(ErrorKind::Config, message))
    }

    /// The position that `engine` mixes with the row of `key`.
    pub(crate) fn partner(&self, engine: &dyn Engine, key: RowKey) -> Option<usize> {
        engine.mixer()?.partner(key, self.order.len())
    }

    /// The sample of the position that an engine named as the partner of `own`.
    pub(crate) fn partner_sample(&self, own: RowKey, position: usize) -> Result<RowKey> {
        let positions = self.order.len();
        if position >= positions {
            let index = own.index;
            let message = format!(
                "the partner of sample {index} is position {position} of an epoch of {positions}"
            );
            return Err(Error::new(ErrorKind::Config, message));
        }
        let partner = self.sample(position);
        self.check(partner).map(|()| partner)
    }
}
