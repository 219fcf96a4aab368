use std::num::NonZeroUsize;
use std::sync::Arc;

use crate::{Fingerprint, Order, Population, Result, Sampler};

/// Every sample once, in the source's order.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Sequential;

impl Sampler for Sequential {
    fn len(&self, population: &Population) -> Result<usize> {
        Ok(population.samples())
    }

    fn order(&self, population: &Population, _seed: u64, _epoch: u64) -> Result<Arc<dyn Order>> {
        Ok(Arc::new(Identity(population.samples())))
    }

    fn fingerprint(&self) -> Fingerprint {
        Fingerprint::of("sequential").finish()
    }

    fn window(&self) -> Option<NonZeroUsize> {
        Some(NonZeroUsize::MIN)
    }
}

#[derive(Debug)]
struct Identity(usize);

impl Order for Identity {
    fn len(&self) -> usize {
        self.0
    }

    fn index(&self, position: usize) -> usize {
        position
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_conforms() {
        crate::testing::check_sampler(&Sequential, &Population::of(10));
    }
}
