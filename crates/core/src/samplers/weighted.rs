use std::collections::HashMap;
use std::sync::Arc;

use crate::{
    Error, ErrorKind, Fingerprint, Key, Order, Population, Purpose, Result, Sampler, Stream,
};

/// Samples drawn independently, each with a probability proportional to its weight.
///
/// Draws cost the same whatever the weights: an alias table (Walker 1977, built by Vose's method,
/// 1991) of 12 bytes per sample answers each with one column and one comparison.
#[derive(Debug, Clone)]
pub struct Weighted {
    table: Arc<AliasTable>,
    draws: usize,
}

impl Weighted {
    /// `weights.len()` draws per epoch; one weight for each sample of the source.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Config`] when a weight is negative or not finite, when none is above zero, or
    /// when there are more than 2^32 - 1 weights.
    pub fn new(weights: &[f64]) -> Result<Self> {
        Ok(Self { table: Arc::new(AliasTable::new(weights)?), draws: weights.len() })
    }

    /// Weights that make every label as likely, however many samples have it: one over the number of
    /// samples with the same label. `labels` are those of all samples, as
    /// [`SourceExt::labels`](crate::SourceExt::labels) gives them.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Config`] when there is no label, or more than 2^32 - 1.
    pub fn balanced(labels: &[i64]) -> Result<Self> {
        let mut counts: HashMap<i64, usize> = HashMap::new();
        labels.iter().for_each(|&label| *counts.entry(label).or_default() += 1);
        if counts.is_empty() {
            return Err(Error::new(ErrorKind::Config, "found no labels to balance"));
        }
        let weights: Vec<f64> = labels.iter().map(|label| 1.0 / counts[label] as f64).collect();
        Self::new(&weights)
    }

    /// `draws` draws per epoch instead.
    #[must_use]
    pub fn draws(mut self, draws: usize) -> Self {
        self.draws = draws;
        self
    }
}

impl Sampler for Weighted {
    fn len(&self, population: &Population) -> Result<usize> {
        let samples = population.samples();
        let weights = self.table.columns.len();
        if weights == samples {
            return Ok(self.draws);
        }
        let message = format!("found {weights} weights for a source of {samples} samples");
        Err(Error::new(ErrorKind::Config, message))
    }

    fn order(&self, population: &Population, seed: u64, epoch: u64) -> Result<Arc<dyn Order>> {
        let len = self.len(population)?;
        let (key, stream) = (Key::new(seed, epoch), Stream::new("weighted", 0, Purpose::Order));
        Ok(Arc::new(WeightedOrder { len, table: self.table.clone(), key, stream }))
    }

    fn fingerprint(&self) -> Fingerprint {
        let start = Fingerprint::of("weighted").number(self.draws as u64);
        let add = |print: crate::FingerprintBuilder, column: &Column| {
            print.number(column.keep.to_bits()).number(u64::from(column.alias))
        };
        self.table.columns.iter().fold(start, add).finish()
    }
}

#[derive(Debug)]
struct AliasTable {
    columns: Vec<Column>,
}

/// A column gives its own index with probability `keep`, and otherwise `alias`.
#[derive(Debug, Clone, Copy)]
struct Column {
    keep: f64,
    alias: u32,
}

impl AliasTable {
    fn new(weights: &[f64]) -> Result<Self> {
        let refuse = |message: String| Err(Error::new(ErrorKind::Config, message));
        if let Some(i) = weights.iter().position(|w| !w.is_finite() || *w < 0.0) {
            return refuse(format!("weight {i} is {}, expected a finite one from 0", weights[i]));
        }
        if weights.len() > u32::MAX as usize {
            return refuse(format!("{} weights, at most 2^32 - 1", weights.len()));
        }
        // Scaled by the largest first, so that the sum of huge weights stays finite.
        let largest = weights.iter().copied().fold(0.0, f64::max);
        if largest == 0.0 {
            return refuse("no weight is above 0".to_owned());
        }
        let total: f64 = weights.iter().map(|w| w / largest).sum();
        let scale = weights.len() as f64 / total;
        Ok(Self::vose(weights.iter().map(|w| w / largest * scale).collect()))
    }

    /// Pairs each column below the mean with one above it, which fills the rest of it.
    fn vose(mut shares: Vec<f64>) -> Self {
        let mut columns: Vec<Column> =
            (0..shares.len()).map(|i| Column { keep: 1.0, alias: i as u32 }).collect();
        let (mut small, mut large): (Vec<usize>, Vec<usize>) =
            (0..shares.len()).partition(|&i| shares[i] < 1.0);
        while let (Some(&from), Some(to)) = (large.last(), small.pop()) {
            columns[to] = Column { keep: shares[to], alias: from as u32 };
            shares[from] -= 1.0 - shares[to];
            if shares[from] < 1.0 {
                large.pop();
                small.push(from);
            }
        }
        // What is left is 1 up to rounding; a column of weight 0 must not be among it.
        for i in small {
            if shares[i] <= 0.0 {
                let heaviest = columns.iter().position(|c| c.keep == 1.0 && c.alias != i as u32);
                columns[i] = Column { keep: 0.0, alias: heaviest.unwrap_or(i) as u32 };
            }
        }
        Self { columns }
    }
}

#[derive(Debug)]
struct WeightedOrder {
    len: usize,
    table: Arc<AliasTable>,
    key: Key,
    stream: Stream,
}

impl Order for WeightedOrder {
    fn len(&self) -> usize {
        self.len
    }

    fn index(&self, position: usize) -> usize {
        let mut draws = self.key.draws(self.stream, position as u64);
        let column = draws.below(self.table.columns.len() as u64) as usize;
        let Column { keep, alias } = self.table.columns[column];
        if draws.unit_f64() < keep { column } else { alias as usize }
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
        crate::testing::check_sampler(&Weighted::new(&[1.0; 64]).unwrap(), &Population::of(64));
        crate::testing::check_sampler(
            &Weighted::new(&[0.0, 2.0, 1e300]).unwrap().draws(99),
            &Population::of(3),
        );
    }

    #[test]
    fn draws_are_proportional_to_the_weights_and_zero_never_comes() {
        let weights = [0.0, 1.0, 2.0, 3.0, 4.0, 0.0];
        let order = Weighted::new(&weights)
            .unwrap()
            .draws(100_000)
            .order(&Population::of(6), 1, 0)
            .unwrap();
        let mut counts = [0f64; 6];
        (0..100_000).for_each(|position| counts[order.index(position)] += 1.0);
        assert_eq!((counts[0], counts[5]), (0.0, 0.0));
        let chi2: f64 =
            (1..5).map(|i| (counts[i] - weights[i] * 1e4).powi(2) / (weights[i] * 1e4)).sum();
        assert!(chi2 < 16.3, "chi squared {chi2} with 3 degrees of freedom (p = 0.001)");
    }

    #[test]
    fn balanced_labels_are_drawn_as_often_as_each_other() {
        let labels = [vec![5; 90], vec![-2; 9], vec![7]].concat();
        let sampler = Weighted::balanced(&labels).unwrap();
        let population = Population::of(100);
        assert_eq!(sampler.len(&population).unwrap(), 100);
        let order = sampler.draws(30_000).order(&population, 1, 0).unwrap();
        for label in [5, -2, 7] {
            let drawn = (0..30_000).filter(|&at| labels[order.index(at)] == label).count();
            assert!(drawn.abs_diff(10_000) < 300, "{drawn} of label {label}");
        }
        let error = Weighted::balanced(&[]).unwrap_err();
        assert_eq!(
            (error.kind(), error.message()),
            (ErrorKind::Config, "found no labels to balance")
        );
    }

    #[test]
    fn impossible_weights_are_refused() {
        for (weights, message) in [
            (&[0.0, 0.0][..], "no weight is above 0"),
            (&[], "no weight is above 0"),
            (&[1.0, -1.0], "weight 1 is -1, expected a finite one from 0"),
            (&[f64::NAN], "weight 0 is NaN, expected a finite one from 0"),
            (&[f64::INFINITY], "weight 0 is inf, expected a finite one from 0"),
        ] {
            let error = Weighted::new(weights).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Config);
            assert_eq!(error.message(), message, "{weights:?}");
        }
        let error = Weighted::new(&[1.0]).unwrap().len(&Population::of(2)).unwrap_err();
        assert_eq!(error.message(), "found 1 weights for a source of 2 samples");
    }
}
