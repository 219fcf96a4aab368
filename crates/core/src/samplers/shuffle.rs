use std::sync::Arc;

use crate::permutation::Permutation;
use crate::{Fingerprint, Key, Order, Population, Purpose, Result, Sampler, Stream};

/// Every sample once, in an order drawn anew for each epoch: an exactly uniform table for up to
/// 2^22 samples, and above that a Feistel network, which starts at once and costs no memory.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Shuffle;

impl Sampler for Shuffle {
    fn len(&self, population: &Population) -> Result<usize> {
        Ok(population.samples())
    }

    fn order(&self, population: &Population, seed: u64, epoch: u64) -> Result<Arc<dyn Order>> {
        let stream = Stream::new("shuffle", 0, Purpose::Order);
        Ok(Arc::new(Permutation::new(population.samples(), Key::new(seed, epoch), stream)))
    }

    fn fingerprint(&self) -> Fingerprint {
        Fingerprint::of("shuffle").finish()
    }

    fn order_bytes(&self, population: &Population) -> usize {
        Permutation::bytes_for(population.samples())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_conforms() {
        crate::testing::check_sampler(&Shuffle, &Population::of(1000));
    }

    #[test]
    fn seeds_and_epochs_give_other_orders() {
        let table = |seed, epoch| {
            let order = Shuffle.order(&Population::of(100), seed, epoch).unwrap();
            (0..100).map(|position| order.index(position)).collect::<Vec<_>>()
        };
        assert_eq!(table(1, 1), table(1, 1));
        assert_ne!(table(1, 1), table(1, 2));
        assert_ne!(table(1, 1), table(2, 1));
        assert_ne!(table(1, 2), table(2, 1));
    }
}
