use std::num::NonZeroUsize;
use std::sync::Arc;

use crate::permutation::{Feistel, Permutation};
use crate::{
    Error, ErrorKind, Fingerprint, Key, Order, Population, Purpose, Result, Sampler, Stream,
};

/// Every sample once, shuffled among its neighbours: each run of `window` samples in an order of its own,
/// drawn anew for each epoch. The last run, which may be shorter, is shuffled among what it has.
///
/// This is how a [stream](crate::Streamed) is shuffled, for which the samples of a window are held in
/// memory. Which sample is at a position is computed from seed, epoch and position alone.
///
/// ```
/// use tallow_core::{Population, Sampler, ShuffleWindows};
///
/// let order = ShuffleWindows::new(4)?.order(&Population::of(10), 7, 0)?;
/// let mut samples: Vec<usize> = (4..8).map(|position| order.index(position)).collect();
/// samples.sort();
/// assert_eq!(samples, [4, 5, 6, 7]);
/// # Ok::<(), tallow_core::Error>(())
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ShuffleWindows {
    window: NonZeroUsize,
}

impl ShuffleWindows {
    /// Windows of `window` samples.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Config`] for a window of 0.
    pub fn new(window: usize) -> Result<Self> {
        let none = || Error::new(ErrorKind::Config, "windows of 0 samples, expected at least 1");
        Ok(Self { window: NonZeroUsize::new(window).ok_or_else(none)? })
    }
}

impl Sampler for ShuffleWindows {
    fn len(&self, population: &Population) -> Result<usize> {
        Ok(population.samples())
    }

    fn order(&self, population: &Population, seed: u64, epoch: u64) -> Result<Arc<dyn Order>> {
        let stream = Stream::new("shuffle_windows", 0, Purpose::Order);
        let (len, window) = (population.samples(), self.window.get());
        Ok(Arc::new(Windows { len, window, key: Key::new(seed, epoch), stream }))
    }

    fn fingerprint(&self) -> Fingerprint {
        Fingerprint::of("shuffle_windows").number(self.window.get() as u64).finish()
    }

    fn window(&self) -> Option<NonZeroUsize> {
        Some(self.window)
    }
}

#[derive(Debug)]
struct Windows {
    len: usize,
    window: usize,
    key: Key,
    stream: Stream,
}

impl Windows {
    /// Up to this many samples a table is made for each position: it is even, which a Feistel network is
    /// not for so few, and takes about a microsecond.
    const TABLE_LEN_MAX: usize = 64;
}

impl Order for Windows {
    fn len(&self) -> usize {
        self.len
    }

    fn index(&self, position: usize) -> usize {
        self.index_of_ended(position, self.len)
    }

    fn index_of_ended(&self, position: usize, len: usize) -> usize {
        let start = position - position % self.window;
        let has = self.window.min(len - start);
        let (key, at) = (self.key.at((start / self.window) as u64), position - start);
        if has <= Self::TABLE_LEN_MAX {
            return start + Permutation::new(has, key, self.stream).index(at);
        }
        let feistel = Feistel::new(has as u64, key.bits() ^ u64::from(self.stream.word()));
        start + feistel.permute(at as u64) as usize
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn windows(window: usize) -> ShuffleWindows {
        ShuffleWindows::new(window).unwrap()
    }

    #[test]
    fn it_conforms() {
        for window in [1, 2, 7, 64, 1000, 2000] {
            crate::testing::check_sampler(&windows(window), &Population::of(1000));
        }
        crate::testing::check_sampler(&windows(8), &Population::of(0));
    }

    /// The samples of an epoch: lists of `window` neighbours, each shuffled with its own key.
    fn plain(len: usize, window: usize, seed: u64, epoch: u64) -> Vec<usize> {
        let samples: Vec<usize> = (0..len).collect();
        let stream = Stream::new("shuffle_windows", 0, Purpose::Order);
        let shuffled = |(number, own): (usize, &[usize])| -> Vec<usize> {
            let key = Key::new(seed, epoch).at(number as u64);
            let place = |at| match own.len() {
                ..=64 => Permutation::new(own.len(), key, stream).index(at),
                len => {
                    let feistel = Feistel::new(len as u64, key.bits() ^ u64::from(stream.word()));
                    feistel.permute(at as u64) as usize
                }
            };
            (0..own.len()).map(|at| own[place(at)]).collect()
        };
        samples.chunks(window).enumerate().flat_map(shuffled).collect()
    }

    proptest! {
        #[test]
        fn an_order_is_that_of_the_plain_implementation(
            window in 1usize..150,
            len in 0usize..400,
            seed: u64,
            epoch in 0u64..5,
        ) {
            let order = windows(window).order(&Population::of(len), seed, epoch).unwrap();
            let found: Vec<usize> = (0..order.len()).map(|position| order.index(position)).collect();
            prop_assert_eq!(found, plain(len, window, seed, epoch));
        }

        /// Whatever a stream turns out to be, it is seen once, each window by itself; and a window that
        /// is whole is the same whatever comes after it.
        #[test]
        fn every_window_is_a_permutation_of_itself(window in 1usize..40, len in 0usize..200, seed: u64) {
            let order = windows(window).order(&Population::of(usize::MAX / 4), seed, 3).unwrap();
            let whole = len / window * window;
            let mut seen = Vec::new();
            for position in 0..len {
                let index = order.index_of_ended(position, len);
                prop_assert_eq!(index / window, position / window);
                prop_assert!(position >= whole || index == order.index(position));
                seen.push(index);
            }
            seen.sort_unstable();
            prop_assert_eq!(seen, (0..len).collect::<Vec<_>>());
        }
    }

    #[test]
    fn windows_epochs_and_seeds_differ() {
        let table = |seed, epoch| {
            let order = windows(50).order(&Population::of(100), seed, epoch).unwrap();
            (0..100).map(|position| order.index(position)).collect::<Vec<_>>()
        };
        assert_ne!(table(1, 1), table(1, 2));
        assert_ne!(table(1, 1), table(2, 1));
        let second: Vec<usize> = table(1, 1)[50..].iter().map(|index| index - 50).collect();
        assert_ne!(table(1, 1)[..50], second);
    }

    /// Over many keys the first sample comes to every place of its window as often.
    #[test]
    fn small_windows_are_even() {
        const KEYS: u64 = 12_000;
        for window in [2, 3, 6, 64, 65, 100] {
            let mut counts = vec![0f64; window];
            for seed in 0..KEYS {
                let order = windows(window).order(&Population::of(window), seed, 0).unwrap();
                counts[order.index(0)] += 1.0;
            }
            let expected = KEYS as f64 / window as f64;
            let chi2: f64 = counts.iter().map(|c| (c - expected).powi(2) / expected).sum();
            // Mean and spread of chi squared, and four standard deviations.
            let freedom = (window - 1) as f64;
            let most = freedom + 4.0 * (2.0 * freedom).sqrt() + 5.0;
            assert!(chi2 < most, "chi squared {chi2} of windows of {window}, at most {most}");
        }
    }

    #[test]
    fn a_window_of_nothing_is_refused() {
        assert!(ShuffleWindows::new(0).unwrap_err().message().contains("windows of 0"));
    }
}
