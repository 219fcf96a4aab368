use std::fmt;
use std::sync::Arc;

use crate::{Fingerprint, Population, Result};

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

    /// Bytes of tables that each order over `population` holds.
    fn order_bytes(&self, population: &Population) -> usize {
        let _ = population;
        0
    }
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

    /// Whether there is no position.
    fn is_empty(&self) -> bool {
        self.len() == 0
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
            fn order_bytes(&self, population: &Population) -> usize {
                (**self).order_bytes(population)
            }
        })*
    };
}

forward_sampler!(&S, Arc<S>, Box<S>);

fn _assert_trait_objects(_: &dyn Sampler, _: &dyn Order) {}
