use std::sync::Arc;

use crate::{Fingerprint, Order, Result, Sampler};

/// Every sample once, in the source's order.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Sequential;

impl Sampler for Sequential {
    fn len(&self, samples: usize) -> Result<usize> {
        Ok(samples)
    }

    fn order(&self, samples: usize, _seed: u64, _epoch: u64) -> Result<Arc<dyn Order>> {
        Ok(Arc::new(Identity(samples)))
    }

    fn fingerprint(&self) -> Fingerprint {
        Fingerprint::of("sequential").finish()
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
        crate::testing::check_sampler(&Sequential, 10);
    }
}
