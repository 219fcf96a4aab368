use std::fmt;
use std::ops::Range;
use std::sync::{Arc, OnceLock, PoisonError, RwLock};

use super::lengths_fingerprint;
use crate::permutation::Feistel;
use crate::{
    BatchRule, Error, ErrorKind, Fingerprint, Key, Order, Population, Purpose, Result, Sampler,
    Stream,
};

/// Batches of samples of similar length, in the order of another sampler but for that: so that little
/// of a batch is padding.
///
/// The other sampler's order is cut into windows of so many batches. A window is sorted by length, ties in
/// the order that they had, and cut into batches, which come in an order drawn anew for each epoch. The
/// samples that do not fill the last batch of an epoch are the last ones of the other order, whatever their
/// lengths, so that none is left out because it is long.
///
/// The larger a window, the less padding, and the more alike the samples of a batch are. With windows of one
/// batch nothing changes but the order within batches.
///
/// ```
/// use tallow_core::{Buckets, Population, Sampler, Shuffle};
///
/// let lengths = [9, 1, 8, 2, 7, 3, 6, 4];
/// let buckets = Buckets::new(Shuffle, lengths, 2)?.window(4);
/// let order = buckets.order(&Population::of(8), 7, 0)?;
/// let mut batches: Vec<[u32; 2]> =
///     (0..4).map(|batch| [0, 1].map(|row| lengths[order.index(2 * batch + row)])).collect();
/// batches.sort();
/// assert_eq!(batches, [[1, 2], [3, 4], [6, 7], [8, 9]]);
/// # Ok::<(), tallow_core::Error>(())
/// ```
///
/// # Batch size
///
/// It is part of the sampler, and the loader takes it from here: a builder that is told another one is
/// refused. It counts the rows of all ranks, as everywhere.
///
/// # Cost
///
/// A window is sorted when one of its positions is asked for first, and a few of them are kept: any position
/// costs one window at the most, whatever came before, and none of the windows before it. Nothing is computed
/// when an epoch begins.
#[derive(Clone)]
pub struct Buckets {
    inner: Arc<dyn Sampler>,
    lengths: Arc<[u32]>,
    /// Of the lengths.
    print: Fingerprint,
    batch_size: usize,
    /// Batches of a window.
    window: usize,
}

impl Buckets {
    /// Batches per window by default, as in Hugging Face's samplers 50 to 100: with lengths that are
    /// distributed log-normally nearly all padding is gone, and a window is still a small part of an
    /// epoch.
    const WINDOW: usize = 100;

    /// Batches of `batch_size` rows over all ranks, in the order of `inner` but for lengths. `lengths`
    /// has the length of each sample of the source: [`SampleLengths`](crate::SampleLengths), or any list.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Config`] when `batch_size` is 0.
    pub fn new(
        inner: impl Sampler + 'static,
        lengths: impl Into<Arc<[u32]>>,
        batch_size: usize,
    ) -> Result<Self> {
        if batch_size == 0 {
            let message = "buckets for batches of 0 rows, expected at least 1";
            return Err(Error::new(ErrorKind::Config, message));
        }
        let lengths = lengths.into();
        let print = lengths_fingerprint(&lengths);
        Ok(Self { inner: Arc::new(inner), lengths, print, batch_size, window: Self::WINDOW })
    }

    /// So many batches are sorted together; 0 counts as 1. The default is 100.
    #[must_use]
    pub fn window(mut self, batches: usize) -> Self {
        self.window = batches.max(1);
        self
    }

    fn window_rows(&self) -> usize {
        self.window.saturating_mul(self.batch_size)
    }
}

impl fmt::Debug for Buckets {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut debug = f.debug_struct("Buckets");
        debug.field("batch_size", &self.batch_size).field("window", &self.window);
        debug.finish_non_exhaustive()
    }
}

impl Sampler for Buckets {
    fn len(&self, population: &Population) -> Result<usize> {
        let (found, samples) = (self.lengths.len(), population.samples());
        if found != samples {
            let message = format!("found {found} lengths for a source of {samples} samples");
            return Err(Error::new(ErrorKind::Config, message));
        }
        self.inner.len(population)
    }

    fn order(&self, population: &Population, seed: u64, epoch: u64) -> Result<Arc<dyn Order>> {
        let len = self.len(population)?;
        let inner = self.inner.order(population, seed, epoch)?;
        Ok(Arc::new(BucketOrder {
            inner,
            lengths: self.lengths.clone(),
            len,
            batch_size: self.batch_size,
            window_rows: self.window_rows(),
            key: Key::new(seed, epoch),
            kept: Default::default(),
        }))
    }

    fn fingerprint(&self) -> Fingerprint {
        let print = Fingerprint::of("buckets").with(self.inner.fingerprint()).with(self.print);
        print.number(self.batch_size as u64).number(self.window as u64).finish()
    }

    fn batches(&self, population: &Population) -> Result<BatchRule> {
        if self.inner.batches(population)? == BatchRule::Any {
            return Ok(BatchRule::Rows(self.batch_size));
        }
        let message =
            "buckets over a sampler that makes batches itself, expected one that does not";
        Err(Error::new(ErrorKind::Config, message))
    }

    fn order_bytes(&self, population: &Population) -> usize {
        let rows = self.len(population).map_or(0, |len| len.min(self.window_rows()));
        let windows = rows.saturating_mul(BucketOrder::KEPT * size_of::<usize>());
        self.inner.order_bytes(population).saturating_add(windows)
    }
}

/// The samples of a window, in the order of their positions.
type Window = OnceLock<Vec<usize>>;

/// A window and its number.
type Kept = (usize, Arc<Window>);

struct BucketOrder {
    inner: Arc<dyn Order>,
    lengths: Arc<[u32]>,
    len: usize,
    batch_size: usize,
    window_rows: usize,
    key: Key,
    /// The thread that asks for a window first sorts it, without the lock.
    kept: [RwLock<Option<Kept>>; Self::KEPT],
}

impl BucketOrder {
    /// Workers are at one window or two at a time, the thread that reads ahead may be at another one,
    /// and partners of a mixture at any.
    const KEPT: usize = 4;

    fn window(&self, number: usize) -> Arc<Window> {
        let place = &self.kept[number % Self::KEPT];
        if let Some((kept, window)) = &*place.read().unwrap_or_else(PoisonError::into_inner)
            && *kept == number
        {
            return window.clone();
        }
        let mut place = place.write().unwrap_or_else(PoisonError::into_inner);
        match &*place {
            Some((kept, window)) if *kept == number => window.clone(),
            _ => {
                let window = Arc::<Window>::default();
                *place = Some((number, window.clone()));
                window
            }
        }
    }

    /// The samples of window `number`.
    fn sorted(&self, number: usize) -> Vec<usize> {
        let start = number * self.window_rows;
        let end = start.saturating_add(self.window_rows).min(self.len);
        // Only the last window can have a batch that is not full.
        let full = start + (end - start) / self.batch_size * self.batch_size;
        let batches = (full - start) / self.batch_size;
        let rows = self.by_length(start..full);
        let mut samples = Vec::with_capacity(end - start);
        if batches > 0 {
            let stream = Stream::new("buckets", 0, Purpose::Order);
            let key = self.key.at(number as u64).bits() ^ u64::from(stream.word());
            let shuffled = Feistel::new(batches as u64, key);
            for batch in 0..batches {
                let first = shuffled.permute(batch as u64) as usize * self.batch_size;
                samples.extend_from_slice(&rows[first..first + self.batch_size]);
            }
        }
        samples.extend(self.by_length(full..end));
        samples
    }

    /// The samples at `positions` of the other order, from the shortest to the longest.
    fn by_length(&self, positions: Range<usize>) -> Vec<usize> {
        let mut samples: Vec<usize> =
            positions.map(|position| self.inner.index(position)).collect();
        samples.sort_by_key(|&index| self.lengths.get(index).copied());
        samples
    }
}

impl fmt::Debug for BucketOrder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("BucketOrder").field("inner", &self.inner).finish_non_exhaustive()
    }
}

impl Order for BucketOrder {
    fn len(&self) -> usize {
        self.len
    }

    fn index(&self, position: usize) -> usize {
        assert!(position < self.len, "position {position} of an order of {}", self.len);
        let number = position / self.window_rows;
        let window = self.window(number);
        window.get_or_init(|| self.sorted(number))[position - number * self.window_rows]
    }

    fn repeats(&self) -> bool {
        self.inner.repeats()
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::{Sequential, Shuffle, WithReplacement};

    fn table(order: &dyn Order) -> Vec<usize> {
        (0..order.len()).map(|position| order.index(position)).collect()
    }

    /// A plain implementation, as a set of batches per window, which the shuffle then orders.
    fn batches_of_windows(
        inner: &dyn Order,
        lengths: &[u32],
        batch_size: usize,
        window: usize,
    ) -> Vec<Vec<Vec<usize>>> {
        let mut all = table(inner);
        let rest = all.split_off(all.len() / batch_size * batch_size);
        let sorted = |positions: &[usize]| {
            let mut sorted = positions.to_vec();
            sorted.sort_by_key(|&index| lengths[index]);
            sorted
        };
        let cut = |window: &[usize]| {
            sorted(window).chunks(batch_size).map(<[usize]>::to_vec).collect::<Vec<_>>()
        };
        let mut windows: Vec<_> = all.chunks(batch_size * window).map(cut).collect();
        if !rest.is_empty() {
            windows.push(vec![sorted(&rest)]);
        }
        windows
    }

    proptest! {
        #[test]
        fn an_order_is_that_of_the_plain_implementation(
            lengths in prop::collection::vec(0u32..20, 0..300),
            batch_size in 1usize..20,
            window in 1usize..8,
            seed in any::<u64>(),
        ) {
            let population = Population::of(lengths.len());
            let buckets = Buckets::new(Shuffle, lengths.clone(), batch_size).unwrap().window(window);
            let order = buckets.order(&population, seed, 3).unwrap();
            let inner = Shuffle.order(&population, seed, 3).unwrap();
            let mut found = table(&*order).into_iter();
            for batches in batches_of_windows(&*inner, &lengths, batch_size, window) {
                let mut taken: Vec<Vec<usize>> = batches
                    .iter()
                    .map(|batch| found.by_ref().take(batch.len()).collect())
                    .collect();
                let mut expected = batches;
                taken.sort();
                expected.sort();
                prop_assert_eq!(taken, expected);
            }
            prop_assert_eq!(found.next(), None);
        }
    }

    #[test]
    fn it_conforms() {
        for samples in [0, 1, 99, 1000] {
            let lengths: Vec<u32> = (0..samples).map(|index| index * 7919 % 64).collect();
            let buckets = Buckets::new(Shuffle, lengths, 8).unwrap().window(5);
            crate::testing::check_sampler(&buckets, &Population::of(samples as usize));
        }
        let repeated = Buckets::new(WithReplacement::new().draws(50), vec![3; 20], 4).unwrap();
        crate::testing::check_sampler(&repeated, &Population::of(20));
    }

    #[test]
    fn batches_of_a_window_come_in_another_order_each_epoch() {
        let lengths: Vec<u32> = (0..64).collect();
        let buckets = Buckets::new(Sequential, lengths, 4).unwrap();
        let of_epoch = |epoch| table(&*buckets.order(&Population::of(64), 7, epoch).unwrap());
        assert_ne!(of_epoch(0), of_epoch(1));
        assert_eq!(of_epoch(1), of_epoch(1));
        assert!(of_epoch(0).chunks(4).all(|batch| batch[3] == batch[0] + 3));
    }

    #[test]
    fn samples_beyond_the_last_full_batch_are_not_the_longest() {
        let lengths: Vec<u32> = (0..1000).collect();
        let buckets = Buckets::new(Shuffle, lengths, 100 - 1).unwrap();
        let last = |epoch| {
            let order = buckets.order(&Population::of(1000), 7, epoch).unwrap();
            (990..1000).map(|position| order.index(position)).sum::<usize>() / 10
        };
        let mean = (0..100).map(last).sum::<usize>() / 100;
        assert!((450..550).contains(&mean), "a mean length of {mean}");
    }

    #[test]
    fn windows_may_be_asked_for_in_any_order_from_many_threads() {
        let lengths: Vec<u32> = (0..5000u32).map(|index| index * 7919 % 512).collect();
        let buckets = Buckets::new(Shuffle, lengths, 8).unwrap().window(3);
        let order = buckets.order(&Population::of(5000), 1, 1).unwrap();
        let expected = table(&*order);
        std::thread::scope(|scope| {
            for step in [1usize, 7, 1237, 2503] {
                let (order, expected) = (&order, &expected);
                scope.spawn(move || {
                    for at in (0..5000).map(|at| at * step % 5000) {
                        assert_eq!(order.index(at), expected[at]);
                    }
                });
            }
        });
    }

    #[test]
    fn lengths_of_another_source_and_batches_without_rows_are_refused() {
        let buckets = Buckets::new(Shuffle, vec![1; 9], 4).unwrap();
        let error = buckets.len(&Population::of(10)).unwrap_err();
        assert!(error.message().contains("found 9 lengths for a source of 10"), "{error}");
        assert!(Buckets::new(Shuffle, vec![1; 9], 0).is_err());
    }

    #[test]
    fn what_changes_the_order_changes_the_fingerprint() {
        let print = |lengths: [u32; 3], size, window| {
            Buckets::new(Shuffle, lengths, size).unwrap().window(window).fingerprint()
        };
        let first = print([1, 2, 3], 4, 5);
        assert_eq!(first, print([1, 2, 3], 4, 5));
        for other in [print([1, 2, 4], 4, 5), print([1, 2, 3], 5, 5), print([1, 2, 3], 4, 6)] {
            assert_ne!(first, other);
        }
    }
}
