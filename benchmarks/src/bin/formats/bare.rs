//! The same reads in a loop without Tallow.

use std::fs::File;
use std::hint::black_box;
use std::io;
use std::os::unix::fs::FileExt as _;
use std::path::Path;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Instant;

use tallow::prelude::*;
use tallow::{Population, Shuffle};

use super::{BATCH, Result, Side, THREADS, sets};

/// Bytes of the header of an archive's member, of that of a `.npy` file, and of a sample.
const HEAD: usize = 512;
const ARRAY_HEAD: usize = 80;
const ROW: usize = 3 * 32 * 32 * 4;

/// Samples in random order.
pub(super) fn shuffled(samples: usize) -> Result<Vec<usize>> {
    let order = Shuffle.order(&Population::of(samples), 7, 1)?;
    Ok((0..samples).map(|position| order.index(position)).collect())
}

/// Batches in memory, as of a loader: four that are made ahead, and one that is used.
const BATCHES: usize = 5;

/// Samples per second of threads that take batches in turn. Rows have `bytes` bytes and are written by `fill`, into
/// as much memory as the batches of a loader take, which is used again and again.
pub(super) fn rate(
    order: &[usize],
    bytes: usize,
    fill: impl Fn(usize, &mut [u8]) -> io::Result<()> + Sync,
) -> Result<f64> {
    let next = AtomicUsize::new(0);
    let work = || -> io::Result<()> {
        let mut memory = vec![vec![1; BATCH * bytes]; BATCHES.div_ceil(THREADS)];
        for turn in 0.. {
            let batch = next.fetch_add(1, Ordering::Relaxed);
            let Some(batch) = order.chunks(BATCH).nth(batch) else { break };
            let memory = &mut memory[turn % BATCHES.div_ceil(THREADS)];
            for (&sample, row) in batch.iter().zip(memory.chunks_exact_mut(bytes)) {
                fill(sample, row)?;
            }
            black_box(memory);
        }
        Ok(())
    };
    let start = Instant::now();
    std::thread::scope(|scope| -> Result<()> {
        let threads: Vec<_> = (0..THREADS).map(|_| scope.spawn(work)).collect();
        for thread in threads {
            thread.join().map_err(|_| "a thread panicked")??;
        }
        Ok(())
    })?;
    Ok(order.len() as f64 / start.elapsed().as_secs_f64())
}

/// One read and one look at the file for each sample, its two headers with it.
pub(super) fn archives(folder: &Path) -> Result<Side<'static>> {
    let open = |at: usize| File::open(folder.join(sets::archive(at)));
    let files = (0..sets::ARCHIVES).map(open).collect::<io::Result<Vec<_>>>()?;
    let stride = HEAD + (ARRAY_HEAD + ROW).next_multiple_of(HEAD);
    let rate = move || {
        let order = shuffled(sets::SAMPLES)?;
        rate(&order, HEAD + ARRAY_HEAD + ROW, |sample, row| {
            let each = sets::SAMPLES / sets::ARCHIVES;
            let file = &files[sample / each];
            file.read_exact_at(row, (sample % each * stride) as u64)?;
            file.metadata().map(drop)
        })
    };
    Ok(("bare, archives".to_owned(), Box::new(rate)))
}

/// Opens, reads, looks at and closes a file for each sample.
pub(super) fn files(folder: &Path) -> Side<'static> {
    let folder = folder.to_owned();
    let rate = move || {
        let order = shuffled(sets::SAMPLES)?;
        rate(&order, ARRAY_HEAD + ROW, |sample, row| {
            let file = File::open(folder.join(sets::name_of(sample)))?;
            file.read_exact_at(row, 0)?;
            file.metadata().map(drop)
        })
    };
    ("bare, single files".to_owned(), Box::new(rate))
}
