use std::ops::Range;
use std::sync::Arc;

use super::Shuffle;
use crate::permutation::{Feistel, Permutation};
use crate::{
    Error, ErrorKind, Fingerprint, Key, Order, Population, Purpose, Result, Sampler, Stream,
};

/// Every sample once, in an order drawn anew for each epoch, of a few blocks at a time: for samples that
/// are cheaper to read where their neighbours were just read. [`Shuffle::blocks`] makes it.
///
/// Blocks are the [groups](Population::groups) of the source, which are shards, row groups and the like.
/// Where it tells none, they are runs of 1024 samples. They are put into a random order and
/// dealt out to windows of up to `blocks` blocks, windows as alike in their number of blocks as
/// possible. The samples of a window are then put into a random order, whichever of its blocks they are
/// from. So at any time no more than `blocks` blocks are in use, each is in use during its window only,
/// and a cache that holds the blocks of two windows, the one that is delivered and the one that is
/// read ahead, reads each block once per epoch.
///
/// Each position is a function of seed, epoch and position, as with every sampler: nothing is buffered,
/// and resuming and ranks cost what they cost with [`Shuffle`]. The more samples a window has, the
/// closer the order is to that of `Shuffle`; with one window it is as good. Neighbours in a block
/// should not be of one class if windows are small.
///
/// ```
/// use tallow_core::{Population, Sampler, Shuffle};
///
/// let shards = Population::of(1000).with_groups([100; 10])?;
/// let order = Shuffle::blocks(2).order(&shards, 7, 0)?;
/// let mut used: Vec<usize> = (0..200).map(|position| order.index(position) / 100).collect();
/// used.sort_unstable();
/// used.dedup();
/// assert_eq!(used.len(), 2); // shards that the first 200 samples are from
/// # Ok::<(), tallow_core::Error>(())
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BlockShuffle {
    blocks: usize,
    samples: Option<usize>,
}

/// Samples of a block where the source tells no groups: some hundreds of kilobytes of tokens, some
/// megabytes of small images, which any disk reads as fast as larger pieces.
const SAMPLES: usize = 1024;

impl Shuffle {
    /// Shuffles the samples of `blocks` blocks at a time, which are shards, row groups and the like: see
    /// [`BlockShuffle`]. A loader refuses 0 blocks.
    pub fn blocks(blocks: usize) -> BlockShuffle {
        BlockShuffle { blocks, samples: None }
    }
}

impl BlockShuffle {
    /// Cuts blocks of more than `samples` samples into as few alike ones as have no more. By default
    /// groups are left whole, and where there are none blocks have 1024. A loader refuses 0.
    ///
    /// This is for shards that can be read in pieces, when so few of them make a window that it has much
    /// of the data set, or all of it.
    #[must_use]
    pub fn of_samples(mut self, samples: usize) -> Self {
        self.samples = Some(samples);
        self
    }

    /// The most samples of a block, if it is not as large as its group.
    fn samples_max(self, population: &Population) -> Option<usize> {
        self.samples.or((!population.has_groups()).then_some(SAMPLES))
    }

    /// The blocks of `population`, none of which is empty.
    fn blocks_of(self, population: &Population) -> impl Iterator<Item = Range<usize>> {
        let most = self.samples_max(population);
        population.groups().flat_map(move |group| {
            let len = group.len();
            let pieces = most.map_or(len.min(1), |most| len.div_ceil(most.max(1)));
            let start = move |piece| group.start + share(len, piece, pieces);
            (0..pieces).map(move |piece| start(piece)..start(piece + 1))
        })
    }
}

/// Where part `at` of `parts` alike parts of `len` begins.
fn share(len: usize, at: usize, parts: usize) -> usize {
    (len as u128 * at as u128 / parts as u128) as usize
}

impl Sampler for BlockShuffle {
    fn len(&self, population: &Population) -> Result<usize> {
        if self.blocks == 0 {
            let message = "a shuffle of 0 blocks at a time, expected at least 1";
            return Err(Error::new(ErrorKind::Config, message));
        }
        if self.samples == Some(0) {
            let message = "a shuffle of blocks of 0 samples, expected at least 1";
            return Err(Error::new(ErrorKind::Config, message));
        }
        Ok(population.samples())
    }

    fn order(&self, population: &Population, seed: u64, epoch: u64) -> Result<Arc<dyn Order>> {
        self.len(population)?;
        let blocks: Vec<Range<usize>> = self.blocks_of(population).collect();
        Ok(Arc::new(BlockOrder::new(&blocks, self.blocks, Key::new(seed, epoch))))
    }

    fn fingerprint(&self) -> Fingerprint {
        let print = Fingerprint::of("block_shuffle").number(self.blocks as u64);
        print.number(self.samples.unwrap_or(0) as u64).finish()
    }

    fn order_bytes(&self, population: &Population) -> usize {
        self.blocks_of(population).count().saturating_mul(2 * size_of::<usize>())
    }
}

/// One epoch: blocks in their order, and windows of them.
#[derive(Debug)]
struct BlockOrder {
    /// The first sample of each block.
    starts: Vec<usize>,
    /// The position after those of each block, were the samples of a window not shuffled.
    ends: Vec<usize>,
    windows: usize,
    key: Key,
    stream: u64,
}

impl BlockOrder {
    fn new(blocks: &[Range<usize>], at_a_time: usize, key: Key) -> Self {
        let stream = Stream::new("block_shuffle", 0, Purpose::Order);
        let order = Permutation::new(blocks.len(), key, stream);
        let mut end = 0;
        let (starts, ends) = (0..blocks.len())
            .map(|at| {
                let block = &blocks[order.index(at)];
                end += block.len();
                (block.start, end)
            })
            .unzip();
        let windows = blocks.len().div_ceil(at_a_time);
        // The samples of a window are drawn apart from the order of the blocks.
        let stream = u64::from(Stream::new("block_shuffle", 1, Purpose::Order).word());
        Self { starts, ends, windows, key, stream }
    }

    /// The position before those of block `block`.
    fn begin(&self, block: usize) -> usize {
        block.checked_sub(1).map_or(0, |before| self.ends[before])
    }

    /// The block, among `blocks`, that has `position` were nothing shuffled.
    fn block_at(&self, position: usize, blocks: Range<usize>) -> usize {
        blocks.start + self.ends[blocks].partition_point(|&end| end <= position)
    }

    /// The window that has block `block`, and its blocks.
    fn window_of(&self, block: usize) -> (usize, Range<usize>) {
        let (blocks, windows) = (self.starts.len(), self.windows);
        // The last whose first block, rounded down, is not after this one.
        let window = ((block as u128 + 1) * windows as u128 - 1) / blocks as u128;
        let window = window as usize;
        (window, share(blocks, window, windows)..share(blocks, window + 1, windows))
    }
}

impl Order for BlockOrder {
    fn len(&self) -> usize {
        self.begin(self.ends.len())
    }

    fn index(&self, position: usize) -> usize {
        assert!(position < self.len(), "position {position} of an order of {}", self.len());
        let (window, blocks) = self.window_of(self.block_at(position, 0..self.ends.len()));
        let begin = self.begin(blocks.start);
        let len = self.begin(blocks.end) - begin;
        // A table per window would have to be kept, and made anew wherever an order is entered.
        let key = self.key.at(window as u64).bits() ^ self.stream;
        let shuffled = Feistel::new(len as u64, key).permute((position - begin) as u64);
        let shuffled = begin + shuffled as usize;
        let block = self.block_at(shuffled, blocks);
        self.starts[block] + (shuffled - self.begin(block))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::testing::check_sampler;

    fn indices(sampler: BlockShuffle, population: &Population, epoch: u64) -> Vec<usize> {
        let order = sampler.order(population, 5, epoch).unwrap();
        (0..order.len()).map(|position| order.index(position)).collect()
    }

    fn of_samples(blocks: usize, samples: usize) -> BlockShuffle {
        Shuffle::blocks(blocks).of_samples(samples)
    }

    #[test]
    fn it_conforms() {
        let shards = Population::of(100).with_groups([10, 0, 40, 1, 49]).unwrap();
        for blocks in [1, 2, 3, 100, usize::MAX] {
            check_sampler(&Shuffle::blocks(blocks), &shards);
            check_sampler(&of_samples(blocks, 7), &shards);
            check_sampler(&of_samples(blocks, 7), &Population::of_parts([30, 5]).unwrap());
        }
        check_sampler(&Shuffle::blocks(3), &Population::of(5000));
        check_sampler(&Shuffle::blocks(3), &Population::of(0));
    }

    proptest! {
        #![proptest_config(ProptestConfig { cases: 200, ..ProptestConfig::default() })]
        /// What it promises, told from the delivered indices and the groups alone.
        #[test]
        fn blocks_are_in_use_in_one_window_each(
            lens in prop::collection::vec(0usize..20, 1..30),
            at_a_time in 1usize..7,
            most in prop::option::of(1usize..12),
            epoch in 0u64..1000,
        ) {
            let population = Population::of(lens.iter().sum()).with_groups(lens.clone()).unwrap();
            let most = most.filter(|_| population.has_groups());
            let sampler = most.map_or(Shuffle::blocks(at_a_time), |most| of_samples(at_a_time, most));
            let found = indices(sampler, &population, epoch);
            let mut sorted = found.clone();
            sorted.sort_unstable();
            prop_assert_eq!(sorted, (0..population.samples()).collect::<Vec<_>>());

            let blocks = model_blocks(&lens, most);
            let block_of = |index: usize| blocks.iter().position(|it| it.contains(&index)).unwrap();
            let at: Vec<usize> = found.iter().map(|&index| block_of(index)).collect();
            // Blocks in the order of their first use make windows that differ by one block at most.
            let mut rest = &at[..];
            let windows = blocks.len().div_ceil(at_a_time);
            let mut sizes = Vec::new();
            for window in 0..windows {
                let count = share(blocks.len(), window + 1, windows) - share(blocks.len(), window, windows);
                let mut own: Vec<usize> = Vec::new();
                let mut len = 0;
                for &block in rest {
                    if !own.contains(&block) {
                        if own.len() == count {
                            break;
                        }
                        own.push(block);
                    }
                    len += 1;
                }
                let (samples, after) = rest.split_at(len);
                prop_assert_eq!(own.len(), count);
                prop_assert_eq!(own.iter().map(|&block| blocks[block].len()).sum::<usize>(), len);
                prop_assert!(samples.iter().all(|block| own.contains(block)));
                sizes.push(count);
                rest = after;
            }
            prop_assert!(rest.is_empty());
            prop_assert!(sizes.iter().all(|&size| size <= at_a_time && size + 1 >= sizes[0]));
        }
    }

    /// The blocks of groups of these lengths, cut one after the other.
    fn model_blocks(lens: &[usize], most: Option<usize>) -> Vec<Range<usize>> {
        let mut blocks = Vec::new();
        let mut begin = 0;
        for &len in lens {
            let pieces = (1..=len).find(|&pieces| len <= pieces * most.unwrap_or(usize::MAX));
            let pieces = pieces.unwrap_or(0);
            for piece in 0..pieces {
                let end = begin + len * (piece + 1) / pieces;
                blocks.push(begin + len * piece / pieces..end);
            }
            begin += len;
        }
        blocks
    }

    #[test]
    fn epochs_seeds_and_windows_differ() {
        let shards = Population::of(400).with_groups([100; 4]).unwrap();
        let first = indices(Shuffle::blocks(1), &shards, 0);
        assert_ne!(first, indices(Shuffle::blocks(1), &shards, 1));
        let within = |window: usize| -> Vec<usize> {
            first[window * 100..][..100].iter().map(|index| index % 100).collect()
        };
        assert_ne!(within(0), within(1));
        assert!(within(0) != (0..100).collect::<Vec<_>>(), "samples of a block are shuffled");
    }

    #[test]
    fn without_groups_blocks_are_runs_of_1024_samples_within_parts() {
        let parts = Population::of_parts([2048, 100]).unwrap();
        let blocks: Vec<_> = Shuffle::blocks(2).blocks_of(&parts).collect();
        assert_eq!(blocks, [0..1024, 1024..2048, 2048..2148]);
        assert_eq!(Shuffle::blocks(2).order_bytes(&parts), 3 * 16);
    }

    /// Where in its window one sample lands, over many epochs, and which blocks meet it there.
    #[test]
    fn a_sample_lands_everywhere_alike() {
        const EPOCHS: u64 = 8000;
        let shards = Population::of(80).with_groups([8; 10]).unwrap();
        let (mut places, mut mates) = ([0f64; 16], [0f64; 10]);
        for epoch in 0..EPOCHS {
            let order = Shuffle::blocks(2).order(&shards, 1, epoch).unwrap();
            let place = (0..80).find(|&position| order.index(position) == 3).unwrap();
            places[place % 16] += 1.0;
            let window = place / 16 * 16..(place / 16 + 1) * 16;
            let mate = window.map(|p| order.index(p) / 8).find(|&block| block != 0).unwrap();
            mates[mate] += 1.0;
        }
        let chi2 = |counts: &[f64]| {
            let expected = EPOCHS as f64 / counts.len() as f64;
            counts.iter().map(|count| (count - expected).powi(2) / expected).sum::<f64>()
        };
        assert!(chi2(&places) < 37.7, "{} with 15 degrees of freedom (p = 0.001)", chi2(&places));
        let mates = &mates[1..];
        assert!(chi2(mates) < 26.1, "{} with 8 degrees of freedom (p = 0.001)", chi2(mates));
    }

    #[test]
    fn no_block_at_a_time_is_refused() {
        let error = Shuffle::blocks(0).len(&Population::of(3)).unwrap_err();
        assert_eq!(error.message(), "a shuffle of 0 blocks at a time, expected at least 1");
        let error = of_samples(1, 0).len(&Population::of(3)).unwrap_err();
        assert_eq!(error.message(), "a shuffle of blocks of 0 samples, expected at least 1");
    }

    #[test]
    fn settings_have_fingerprints_of_their_own() {
        let prints = [Shuffle::blocks(1), Shuffle::blocks(2), of_samples(1, 2), of_samples(1, 1)];
        let prints: std::collections::HashSet<_> = prints.map(|it| it.fingerprint()).into();
        assert_eq!(prints.len(), 4);
    }
}
