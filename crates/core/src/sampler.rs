use std::fmt;
use std::num::NonZeroUsize;
use std::sync::Arc;

use crate::{BatchTable, Fingerprint, Population, Result};

/// Which samples an epoch visits, and in which order.
///
/// # Contract
///
/// - A sampler is a pure function: the same population, seed and epoch give the same order, on any
///   machine. It keeps no state between epochs.
/// - The order's length is `len(population)`, whatever seed and epoch.
/// - Every index of an order is below `population.samples()`.
///
/// [`crate::testing::check_sampler`] tests all of this; run it on your own samplers.
pub trait Sampler: Send + Sync {
    /// The number of positions of an epoch over `population`.
    ///
    /// # Errors
    ///
    /// When this sampler cannot serve this population.
    fn len(&self, population: &Population) -> Result<usize>;

    /// The order of epoch `epoch`.
    ///
    /// # Errors
    ///
    /// When this sampler cannot serve this population.
    fn order(&self, population: &Population, seed: u64, epoch: u64) -> Result<Arc<dyn Order>>;

    /// What a saved state remembers of the sampler.
    fn fingerprint(&self) -> Fingerprint;

    /// How far an order reaches, for samples that come one after the other: the samples of positions
    /// `k * w .. (k + 1) * w` are those with these numbers, for every `k`, where `w` is what is returned.
    /// By default `None`: samples may be anywhere, and a stream cannot be read in such an order.
    fn window(&self) -> Option<NonZeroUsize> {
        None
    }

    /// What this sampler says about the batches that its orders are cut into. By default nothing: any
    /// batch size is as good.
    ///
    /// # Errors
    ///
    /// When this sampler cannot serve this population.
    fn batches(&self, population: &Population) -> Result<BatchRule> {
        let _ = population;
        Ok(BatchRule::Any)
    }

    /// Bytes of tables that each order over `population` holds.
    fn order_bytes(&self, population: &Population) -> usize {
        let _ = population;
        0
    }

    /// What is asked of each part of `population` at position `position` of epoch `epoch`, and how often
    /// each was seen before it: for reports. `None` for a sampler that does not choose by parts, which is
    /// the default.
    fn shares(
        &self,
        population: &Population,
        epoch: u64,
        position: usize,
    ) -> Option<Vec<PartShare>> {
        let _ = (population, epoch, position);
        None
    }
}

/// What a sampler that chooses by parts means to give of one of them, at one position of a training.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct PartShare {
    /// The share of the samples that are of this part, from 0 to 1.
    pub asked: f64,
    /// How often the part was seen before, over all epochs: 1.5 where it was seen wholly, and half of it
    /// once more.
    pub seen: f64,
}

/// Which batches a sampler is made for.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum BatchRule {
    /// Whichever the loader makes.
    #[default]
    Any,
    /// Batches of this many rows over all ranks. The loader takes this size, and refuses another.
    Rows(usize),
    /// Batches of its own. Each order has a [table](Order::batches) with the batches of this one, as long
    /// and with as many rows, in an order of its own. So all epochs have the same number of batches, and
    /// a loader knows at `build` how much memory one takes.
    Own(BatchTable),
}

/// One epoch as a function from position to sample index, computable at any position without the
/// positions before it.
pub trait Order: Send + Sync + fmt::Debug {
    /// The number of positions.
    fn len(&self) -> usize;

    /// The sample at `position`.
    ///
    /// # Panics
    ///
    /// May panic when `position` is not below `len`.
    fn index(&self, position: usize) -> usize;

    /// The sample at `position` in an epoch that has turned out to have `len` positions, because its
    /// stream ended there. `position` is below `len`, and in the last [window](Sampler::window). By default
    /// as [`index`](Self::index).
    fn index_of_ended(&self, position: usize, len: usize) -> usize {
        let _ = len;
        self.index(position)
    }

    /// Whether there is no position.
    fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The batches of this epoch, if its sampler makes batches of [its own](BatchRule::Own).
    fn batches(&self) -> Option<BatchTable> {
        None
    }

    /// Whether an index may appear more than once. If so, the key of a row depends on its position
    /// too, so that each repetition is augmented differently.
    fn repeats(&self) -> bool {
        false
    }
}

macro_rules! forward_sampler {
    ($($pointer:ty),*) => {
        $(impl<S: Sampler + ?Sized> Sampler for $pointer {
            fn len(&self, population: &Population) -> Result<usize> {
                (**self).len(population)
            }
            fn order(&self, population: &Population, seed: u64, epoch: u64) -> Result<Arc<dyn Order>> {
                (**self).order(population, seed, epoch)
            }
            fn fingerprint(&self) -> Fingerprint {
                (**self).fingerprint()
            }
            fn window(&self) -> Option<NonZeroUsize> {
                (**self).window()
            }
            fn batches(&self, population: &Population) -> Result<BatchRule> {
                (**self).batches(population)
            }
            fn order_bytes(&self, population: &Population) -> usize {
                (**self).order_bytes(population)
            }
            fn shares(&self, population: &Population, epoch: u64, position: usize) -> Option<Vec<PartShare>> {
                (**self).shares(population, epoch, position)
            }
        })*
    };
}

forward_sampler!(&S, Arc<S>, Box<S>);

fn _assert_trait_objects(_: &dyn Sampler, _: &dyn Order) {}
