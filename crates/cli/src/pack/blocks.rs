//! Samples that are read and encoded by several threads, a block of them at a time, and handed over in
//! order.

use std::collections::BTreeMap;
use std::ops::Range;
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};

use tallow::{RowChain, RowReader};

use super::format::Format;
use super::samples::{self, Bytes};
use crate::machine::threads;
use crate::terminal::exit::{Failure, Result};

/// Encoded samples that follow one another.
#[derive(Debug, Default)]
pub(crate) struct Block {
    /// The first sample.
    pub(crate) first: usize,
    /// The bytes for each column, or for the only one.
    pub(crate) columns: Vec<Vec<u8>>,
    /// Where each sample ends in the first column.
    pub(crate) ends: Vec<usize>,
    /// The hash of each sample.
    pub(crate) hashes: Vec<u128>,
    /// Why the block ends before its time.
    failure: Option<Failure>,
}

/// What is encoded, and how much at a time.
#[derive(Debug, Clone)]
pub(crate) struct Encoding<'a> {
    pub(crate) chain: &'a RowChain,
    pub(crate) format: &'a Format,
    /// The samples that are left to do.
    pub(crate) samples: Range<usize>,
    /// How many of them are a block.
    pub(crate) block: usize,
}

/// Blocks that are ready or being made.
struct Queue {
    state: Mutex<State>,
    changed: Condvar,
    /// Blocks that may be ready or in the making beyond the one that is taken next.
    ahead: usize,
    blocks: usize,
}

#[derive(Default)]
struct State {
    claimed: usize,
    taken: usize,
    ready: BTreeMap<usize, Result<Block>>,
    /// Threads that make blocks.
    makers: usize,
    stopped: bool,
}

impl Encoding<'_> {
    /// Calls `take` with each block in order, on this thread. `workers` threads make them.
    ///
    /// # Errors
    ///
    /// That of the first sample that cannot be read or encoded, or that of `take`.
    pub(crate) fn each(&self, workers: usize, mut take: impl FnMut(Block) -> Result) -> Result {
        let blocks = self.samples.len().div_ceil(self.block);
        // Each worker has one in the making, and one ready while this thread writes.
        let ahead = 2 * workers + 1;
        let queue = Queue { state: Mutex::default(), changed: Condvar::new(), ahead, blocks };
        std::thread::scope(|scope| {
            queue.lock().makers = workers;
            let started: Vec<_> = (0..workers)
                .map_while(|_| threads::start(scope, || self.make(&queue)).ok())
                .collect();
            queue.lock().makers = started.len();
            let mut own = None;
            let taken = (0..blocks).try_for_each(|at| {
                let mut block = match queue.take(at) {
                    Some(block) => block?,
                    // The system starts no thread, so this one does it all.
                    None => self.block_at(at, &mut own)?,
                };
                let failure = block.failure.take();
                take(block)?;
                failure.map_or(Ok(()), Err)
            });
            queue.stop();
            taken
        })
    }

    /// Makes blocks until none is left.
    fn make(&self, queue: &Queue) {
        let mut reader = None;
        while let Some(at) = queue.claim() {
            let _lost = Lost(queue, at);
            let block = self.block_at(at, &mut reader);
            queue.put(at, block);
        }
    }

    fn block_at<'a>(&'a self, at: usize, reader: &mut Option<RowReader<'a>>) -> Result<Block> {
        let reader = match reader {
            Some(reader) => reader,
            none => none.insert(self.chain.reader()?),
        };
        let first = self.samples.start + at * self.block;
        let samples = first..self.samples.end.min(first + self.block);
        let fields = self.chain.schema().fields().len();
        let columns = self.format.columns().map_or(1, |_| fields);
        let mut block = Block { first, columns: vec![Vec::new(); columns], ..Block::default() };
        for index in samples {
            // The samples before one that fails are kept.
            if let Err(failure) = self.add(index, reader, &mut block) {
                block.failure = Some(failure);
                break;
            }
        }
        Ok(block)
    }

    fn add(&self, index: usize, reader: &mut RowReader<'_>, block: &mut Block) -> Result {
        let row = reader.read(index)?;
        let fields = 0..row.field_count();
        let hash = samples::hash(row, fields, self.format.bytes())?;
        let named = |message: String| Failure::Failed(format!("sample {index}: {message}"));
        self.format.encode(index, row, block).map_err(named)?;
        block.hashes.push(hash);
        block.ends.push(block.columns[0].len());
        Ok(())
    }
}

/// A block whose maker panicked is an error, or its taker would wait for ever.
struct Lost<'a>(&'a Queue, usize);

impl Drop for Lost<'_> {
    fn drop(&mut self) {
        if std::thread::panicking() {
            self.0.put(self.1, Err(Failure::failed("a packing thread panicked")));
        }
    }
}

impl Queue {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn wait<'a>(&self, state: MutexGuard<'a, State>) -> MutexGuard<'a, State> {
        self.changed.wait(state).unwrap_or_else(PoisonError::into_inner)
    }

    /// The next block to make, once there is room for it.
    fn claim(&self) -> Option<usize> {
        let mut state = self.lock();
        loop {
            if state.stopped || state.claimed == self.blocks {
                return None;
            }
            if state.claimed < state.taken + self.ahead {
                state.claimed += 1;
                return Some(state.claimed - 1);
            }
            state = self.wait(state);
        }
    }

    fn put(&self, at: usize, block: Result<Block>) {
        self.lock().ready.insert(at, block);
        self.changed.notify_all();
    }

    /// Block `at`, once it is ready; `None` if nobody makes it.
    fn take(&self, at: usize) -> Option<Result<Block>> {
        let mut state = self.lock();
        if state.makers == 0 {
            return None;
        }
        loop {
            if let Some(block) = state.ready.remove(&at) {
                state.taken = at + 1;
                self.changed.notify_all();
                return Some(block);
            }
            state = self.wait(state);
        }
    }

    fn stop(&self) {
        self.lock().stopped = true;
        self.changed.notify_all();
    }
}

impl Format {
    /// How bytes are hashed, so that what is read from this format has the same hash.
    pub(crate) fn bytes(&self) -> Bytes {
        match self {
            Self::Tokens(_) => Bytes::Widened,
            _ => Bytes::Plain,
        }
    }
}
