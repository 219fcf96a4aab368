use std::sync::Arc;

use crate::{
    Error, ErrorKind, Fingerprint, Key, Order, Population, Purpose, Result, Sampler, Stream,
};

/// Samples drawn uniformly and independently: some come twice in an epoch, some not at all.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct WithReplacement {
    draws: Option<usize>,
}

impl WithReplacement {
    /// As many draws per epoch as there are samples.
    pub fn new() -> Self {
        Self::default()
    }

    /// `draws` draws per epoch instead.
    #[must_use]
    pub fn draws(mut self, draws: usize) -> Self {
        self.draws = Some(draws);
        self
    }
}

impl Sampler for WithReplacement {
    fn len(&self, population: &Population) -> Result<usize> {
        let samples = population.samples();
        match self.draws.unwrap_or(samples) {
            0 => Ok(0),
            _ if samples == 0 => {
                Err(Error::new(ErrorKind::Config, "cannot draw from a source of no samples"))
            }
            draws => Ok(draws),
        }
    }

    fn order(&self, population: &Population, seed: u64, epoch: u64) -> Result<Arc<dyn Order>> {
        let len = self.len(population)?;
        let stream = Stream::new("with_replacement", 0, Purpose::Order);
        let (samples, key) = (population.samples() as u64, Key::new(seed, epoch));
        Ok(Arc::new(Independent { len, samples, key, stream }))
    }

    fn fingerprint(&self) -> Fingerprint {
        let start = Fingerprint::of("with_replacement");
        match self.draws.map(|draws| (draws as u64).checked_add(1)) {
            None => start.number(0).finish(),
            Some(Some(draws)) => start.number(draws).finish(),
            // One more than this number can hold.
            Some(None) => start.number(u64::MAX).number(1).finish(),
        }
    }
}

#[derive(Debug)]
struct Independent {
    len: usize,
    samples: u64,
    key: Key,
    stream: Stream,
}

impl Order for Independent {
    fn len(&self) -> usize {
        self.len
    }

    fn index(&self, position: usize) -> usize {
        self.key.draws(self.stream, position as u64).below(self.samples) as usize
    }

    fn repeats(&self) -> bool {
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_conforms() {
        crate::testing::check_sampler(&WithReplacement::new(), &Population::of(100));
        crate::testing::check_sampler(&WithReplacement::new().draws(250), &Population::of(100));
    }

    #[test]
    fn every_sample_is_as_likely() {
        let order = WithReplacement::new().draws(50_000).order(&Population::of(10), 1, 0).unwrap();
        let mut counts = [0f64; 10];
        (0..50_000).for_each(|position| counts[order.index(position)] += 1.0);
        let chi2: f64 = counts.iter().map(|c| (c - 5e3).powi(2) / 5e3).sum();
        assert!(chi2 < 27.9, "chi squared {chi2} with 9 degrees of freedom (p = 0.001)");
    }

    #[test]
    fn drawing_from_nothing_is_refused() {
        let error = WithReplacement::new().draws(3).len(&Population::of(0)).unwrap_err();
        assert_eq!(error.message(), "cannot draw from a source of no samples");
    }

    #[test]
    fn any_number_of_draws_has_an_order_and_a_fingerprint_of_its_own() {
        let of = |draws| WithReplacement::new().draws(draws);
        let order = of(usize::MAX).order(&Population::of(usize::MAX), 1, 2).unwrap();
        assert_eq!(order.len(), usize::MAX);
        assert!(order.index(usize::MAX - 1) < usize::MAX);
        let mut prints = [0, 1, usize::MAX - 2, usize::MAX - 1, usize::MAX].map(of).to_vec();
        prints.push(WithReplacement::new());
        let distinct: std::collections::HashSet<_> =
            prints.iter().map(|sampler| sampler.fingerprint()).collect();
        assert_eq!(distinct.len(), prints.len());
    }
}
