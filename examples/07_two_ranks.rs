//! Two ranks on one machine, here two threads: each loads its share of every batch, and together
//! they see what one would have seen alone.
//!
//!     cargo run --release --example 07_two_ranks
//!
//! They need not talk to each other: seed and epoch give the order, and a rank takes every second
//! position of it. Across machines it is the same call.
#![expect(clippy::print_stdout, reason = "an example shows what it does")]

use std::thread;

use tallow::candle::Result;
use tallow::prelude::*;

const DIGITS: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/examples/data/digits");
const WORLD: usize = 2;

fn main() -> Result<()> {
    let alone = samples(0, 1)?;
    let ranks = thread::scope(|scope| {
        let start = |rank| scope.spawn(move || samples(rank, WORLD));
        let threads: Vec<_> = (0..WORLD).map(start).collect();
        let join = |thread: thread::ScopedJoinHandle<'_, _>| thread.join().expect("a rank");
        threads.into_iter().map(join).collect::<Result<Vec<_>>>()
    })?;

    for (number, batch) in alone.iter().enumerate() {
        let shares: Vec<_> = ranks.iter().map(|rank| &rank[number]).collect();
        let rows: Vec<_> = shares.iter().map(|share| share.len()).collect();
        // Rank after rank, row after row: the union, in the order of the epoch.
        let mut union: Vec<_> = shares.into_iter().flatten().copied().collect();
        union.sort_unstable();
        assert_eq!(&union, batch);
        if [0, alone.len() - 1].contains(&number) {
            println!("batch {number:2}: {} rows alone, {rows:?} on the ranks", batch.len());
        }
    }
    let total: usize = alone.iter().map(Vec::len).sum();
    println!("{} batches, {total} samples: the ranks together have each exactly once", alone.len());
    Ok(())
}

/// Position and sample of every row that a rank receives in one epoch, batch by batch.
fn samples(rank: usize, world: usize) -> Result<Vec<Vec<(usize, usize)>>> {
    let images = NpyFile::open(format!("{DIGITS}/images.npy"))?;
    // 64 rows per batch over all ranks, so that training does not depend on how many there are.
    let loader = Loader::builder(images).batch_size(64).shuffle().rank(rank, world).build()?;
    let rows = |batch: Batch| batch.positions().zip(batch.indices().iter().copied()).collect();
    loader.epoch(0).map(|batch| Ok(rows(batch?))).collect()
}
