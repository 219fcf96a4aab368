use std::sync::Arc;

use crate::permutation::Permutation;
use crate::{
    Error, ErrorKind, Fingerprint, Key, Order, Population, Purpose, Result, Sampler, Stream,
};

/// The samples of a list, in its order or shuffled anew each epoch. The list may hold an index more
/// than once.
#[derive(Debug, Clone)]
pub struct SubsetSampler {
    indices: Arc<[usize]>,
    repeats: bool,
    shuffled: bool,
}

impl SubsetSampler {
    /// The samples `indices`, in this order.
    pub fn new(indices: impl Into<Arc<[usize]>>) -> Self {
        let indices = indices.into();
        let mut sorted = indices.to_vec();
        sorted.sort_unstable();
        let repeats = sorted.windows(2).any(|pair| pair[0] == pair[1]);
        Self { indices, repeats, shuffled: false }
    }

    /// In an order drawn anew for each epoch.
    #[must_use]
    pub fn shuffled(mut self) -> Self {
        self.shuffled = true;
        self
    }
}

impl Sampler for SubsetSampler {
    fn len(&self, population: &Population) -> Result<usize> {
        let samples = population.samples();
        match self.indices.iter().find(|&&index| index >= samples) {
            None => Ok(self.indices.len()),
            Some(index) => {
                let message = format!("index {index} in a subset of {samples} samples");
                Err(Error::new(ErrorKind::Config, message))
            }
        }
    }

    fn order(&self, population: &Population, seed: u64, epoch: u64) -> Result<Arc<dyn Order>> {
        let len = self.len(population)?;
        let stream = Stream::new("subset", 0, Purpose::Order);
        let permuted = self.shuffled.then(|| Permutation::new(len, Key::new(seed, epoch), stream));
        Ok(Arc::new(SubsetOrder { indices: self.indices.clone(), permuted, repeats: self.repeats }))
    }

    fn fingerprint(&self) -> Fingerprint {
        let start = Fingerprint::of("subset").number(u64::from(self.shuffled));
        self.indices.iter().fold(start, |print, &index| print.number(index as u64)).finish()
    }

    fn order_bytes(&self, _population: &Population) -> usize {
        if self.shuffled { Permutation::bytes_for(self.indices.len()) } else { 0 }
    }
}

#[derive(Debug)]
struct SubsetOrder {
    indices: Arc<[usize]>,
    permuted: Option<Permutation>,
    repeats: bool,
}

impl Order for SubsetOrder {
    fn len(&self) -> usize {
        self.indices.len()
    }

    fn index(&self, position: usize) -> usize {
        let permuted = self.permuted.as_ref().map_or(position, |order| order.index(position));
        self.indices[permuted]
    }

    fn repeats(&self) -> bool {
        self.repeats
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_conforms() {
        crate::testing::check_sampler(&SubsetSampler::new([3, 1, 4, 1]), &Population::of(5));
        crate::testing::check_sampler(
            &SubsetSampler::new([3, 1, 4]).shuffled(),
            &Population::of(5),
        );
    }

    #[test]
    fn only_a_list_with_repetitions_repeats() {
        let repeats = |list: &[usize]| {
            SubsetSampler::new(list).order(&Population::of(9), 0, 0).unwrap().repeats()
        };
        assert!(repeats(&[1, 2, 1]) && !repeats(&[1, 2, 3]));
    }

    #[test]
    fn an_index_outside_the_source_is_refused() {
        let error = SubsetSampler::new([0, 5]).len(&Population::of(5)).unwrap_err();
        assert_eq!(error.to_string(), "configuration: index 5 in a subset of 5 samples");
    }
}
