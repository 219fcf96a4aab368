//! The ceiling: the most that the machine could do, measured beside what the loader does.
//!
//! As many threads as the loader has, at least one, open, read and close the same files in the same
//! order, each into a buffer of its own, and do nothing else: no pairing, no checks, no tensors, no
//! fresh memory. Samples that share a file are read from where they are in it, with the file open
//! already; what several samples share, such as a page of a Parquet file, is read once a pass. Other loaders are measured against the same ceiling, so files are opened by their paths
//! even if a loader knows a shorter way.

use std::collections::HashMap;
use std::ffi::OsStr;
use std::fs::File;
use std::io::{self, Read as _};
use std::ops::Range;
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::fs::FileExt as _;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::mpsc::{self, Sender};
use std::sync::{Arc, RwLock};
use std::time::{Duration, Instant};

use tallow::{Batching, Order, Source, StoreLimits};

use crate::data::extents;
use crate::machine::threads;

/// Samples that a thread claims at once: few enough that the threads end together, and enough that
/// the shared counter is not what is measured.
const CLAIM_MAX: usize = 16;

/// The reads of every sample of a source, ready to be repeated.
#[derive(Debug)]
pub(crate) struct Ceiling {
    /// All paths in one piece, so that a million files take little memory.
    paths: Vec<u8>,
    files: Vec<File>,
    reads: Vec<Read>,
    /// Where the reads of each sample begin, and at the end where the last ones end.
    starts: Vec<usize>,
    largest: usize,
    /// How many places there are that several samples share.
    shared: usize,
}

#[derive(Debug)]
struct Read {
    from: From,
    bytes: usize,
}

#[derive(Debug)]
enum From {
    /// A file of its own, by the range of its path.
    Path(Range<usize>),
    /// A place in an open file.
    File { file: usize, offset: u64 },
    /// One that several samples share, by its number.
    Shared { file: u32, number: u32, offset: u64 },
}

impl Ceiling {
    /// Asks the source where the samples `indices` are, and opens the files that they share. A pass
    /// refers to a sample by its place in `indices`.
    ///
    /// # Errors
    ///
    /// A message, if the samples are not in files or a file cannot be opened.
    pub(crate) fn new(
        source: &dyn Source,
        indices: impl IntoIterator<Item = usize>,
    ) -> Result<Self, String> {
        let mut this = Self {
            paths: Vec::new(),
            files: Vec::new(),
            reads: Vec::new(),
            starts: vec![0],
            largest: 0,
            shared: 0,
        };
        let mut shared = HashMap::new();
        for index in indices {
            for extent in extents::extents_of(source, index) {
                let Some(path) = extent.location().path() else { continue };
                this.largest = this.largest.max(extent.bytes());
                let from = if extent.is_whole() {
                    this.path(path)
                } else {
                    let file = this.file(path.to_owned(), &mut shared)?;
                    From::File { file, offset: extent.offset() }
                };
                this.reads.push(Read { from, bytes: extent.bytes() });
            }
            this.starts.push(this.reads.len());
        }
        if this.reads.is_empty() {
            let why = match StoreLimits::of(source) {
                Some(_) => "its samples lie in a store, which is not this machine's to measure",
                None => "no sample of this source is in a file",
            };
            return Err(format!("there is no ceiling, because {why}"));
        }
        this.share();
        Ok(this)
    }

    /// Finds out which places several samples share.
    fn share(&mut self) {
        let place = |(at, read): (usize, &Read)| match read.from {
            From::File { file, offset } => Some((u32::try_from(file).ok()?, offset, at)),
            _ => None,
        };
        let mut places: Vec<(u32, u64, usize)> =
            self.reads.iter().enumerate().filter_map(place).collect();
        places.sort_unstable();
        for same in places.chunk_by(|a, b| (a.0, a.1) == (b.0, b.1)).filter(|it| it.len() > 1) {
            let Ok(number) = u32::try_from(self.shared) else { return };
            for &(file, offset, at) in same {
                self.reads[at].from = From::Shared { file, number, offset };
            }
            self.shared += 1;
        }
    }

    fn path(&mut self, path: &Path) -> From {
        let start = self.paths.len();
        self.paths.extend_from_slice(path.as_os_str().as_bytes());
        From::Path(start..self.paths.len())
    }

    fn file(&mut self, path: PathBuf, at: &mut HashMap<PathBuf, usize>) -> Result<usize, String> {
        if let Some(&file) = at.get(&path) {
            return Ok(file);
        }
        let file = File::open(&path).map_err(|error| format!("cannot open {path:?}: {error}"))?;
        self.files.push(file);
        at.insert(path, self.files.len() - 1);
        Ok(self.files.len() - 1)
    }

    /// Reads the samples of `order` with `threads` threads. The clock runs from the moment when all
    /// threads are ready until the last one has finished.
    ///
    /// # Errors
    ///
    /// A message, if a file cannot be read or a thread cannot be started: with fewer threads it
    /// would be another ceiling.
    pub(crate) fn pass(&self, order: &dyn Order, threads: usize) -> Result<Duration, String> {
        let claim = (order.len() / (threads * CLAIM_MAX)).clamp(1, CLAIM_MAX);
        let next = AtomicUsize::new(0);
        let seen: Vec<AtomicBool> = (0..self.shared).map(|_| AtomicBool::new(false)).collect();
        // Not a barrier, which would wait forever for a thread that cannot be started.
        let gate = RwLock::new(());
        let work = |ready: Sender<()>| {
            // Written to, because otherwise reading would also pay for fresh pages.
            let mut buffer = vec![1; self.largest];
            drop(ready);
            drop(gate.read());
            loop {
                let start = next.fetch_add(claim, Ordering::Relaxed);
                let claimed = start..order.len().min(start.saturating_add(claim));
                if claimed.is_empty() {
                    return Ok(());
                }
                for position in claimed {
                    self.read_sample(order.index(position), &seen, &mut buffer)?;
                }
            }
        };
        std::thread::scope(|scope| {
            let closed = gate.write();
            let (ready, all_ready) = mpsc::channel();
            let start = |_| {
                let ready = ready.clone();
                threads::start(scope, || work(ready))
            };
            let threads: io::Result<Vec<_>> = (0..threads).map(start).collect();
            let threads = threads.map_err(|error| {
                // The threads that did start find nothing to do once the gate opens.
                next.store(order.len(), Ordering::Relaxed);
                format!("cannot start the threads of the ceiling: {error}")
            })?;
            drop(ready);
            // Nothing is ever sent: this returns when every thread has dropped its end.
            let _ = all_ready.recv();
            let started = Instant::now();
            drop(closed);
            for thread in threads {
                thread.join().unwrap_or_else(|_| Err("a reading thread panicked".to_owned()))?;
            }
            Ok(started.elapsed())
        })
    }

    /// Reads what `seen` does not say was read already.
    fn read_sample(
        &self,
        index: usize,
        seen: &[AtomicBool],
        buffer: &mut [u8],
    ) -> Result<(), String> {
        let is_new = |read: &&Read| match read.from {
            From::Shared { number, .. } => !seen[number as usize].swap(true, Ordering::Relaxed),
            _ => true,
        };
        for read in self.reads[self.starts[index]..self.starts[index + 1]].iter().filter(is_new) {
            self.read(read, &mut buffer[..read.bytes])
                .map_err(|error| format!("the ceiling cannot read sample {index}: {error}"))?;
        }
        Ok(())
    }

    fn read(&self, read: &Read, buffer: &mut [u8]) -> io::Result<()> {
        let got = match &read.from {
            From::Path(range) => {
                let path = Path::new(OsStr::from_bytes(&self.paths[range.clone()]));
                File::open(path)?.read(buffer)?
            }
            From::File { file, offset } => self.files[*file].read_at(buffer, *offset)?,
            From::Shared { file, offset, .. } => {
                self.files[*file as usize].read_at(buffer, *offset)?
            }
        };
        // A short read is fine: a file with a shorter header holds less than was asked for.
        if got == 0 && !buffer.is_empty() {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        Ok(())
    }
}

/// The samples of an epoch in the order in which a rank gets them. They are computed and not
/// stored, because an epoch may have more than fit into memory.
#[derive(Debug)]
pub(crate) struct Visits {
    order: Arc<dyn Order>,
    batching: Batching,
    /// Samples of each batch except the last, and of all together.
    each: usize,
    len: usize,
    /// Samples before each batch, where a sampler makes batches of its own.
    before: Option<Vec<usize>>,
}

impl Visits {
    pub(crate) fn new(order: Arc<dyn Order>, batching: Batching) -> Self {
        let positions = order.len();
        let samples = |batch| batching.rows(positions, batch).samples();
        let (each, len) = match batching.batches(positions) {
            0 => (0, 0),
            batches => (samples(0), (batches - 1) * samples(0) + samples(batches - 1)),
        };
        let before = batching.table().map(|table| {
            let counted = (0..table.len()).scan(0, |sum, batch| {
                let before = *sum;
                *sum += samples(batch);
                Some(before)
            });
            counted.collect::<Vec<usize>>()
        });
        let own = before.as_ref().and_then(|before| before.last());
        let len = own.map_or(len, |before| before + samples(batching.batches(positions) - 1));
        Self { order, batching, each, len, before }
    }

    pub(crate) fn indices(&self) -> impl Iterator<Item = usize> {
        (0..self.len).map(|position| self.index(position))
    }
}

impl Order for Visits {
    fn len(&self) -> usize {
        self.len
    }

    fn index(&self, position: usize) -> usize {
        let (batch, row) = match &self.before {
            None => (position / self.each, position % self.each),
            Some(before) => {
                // The last of those with as many before it is the one that has samples.
                let batch = before.partition_point(|&before| before <= position) - 1;
                (batch, position - before[batch])
            }
        };
        self.order.index(self.batching.rows(self.order.len(), batch).position(row))
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use tallow::{
        Extent, Field, LastBatch, Location, NpyFile, NpyFolders, Population, Row, RowDType,
        Sampler as _, Schema, Sequential, SourceResult, TokenBudget,
    };

    use super::*;
    use crate::data::npy::{self, NpyDtype};

    #[test]
    fn whole_files_and_shared_ones_are_read() {
        let dir = tempfile::tempdir().unwrap();
        let mut bytes = npy::header(NpyDtype::U8, &[5, 3]);
        bytes.extend([7; 15]);
        for name in ["a.npy", "b.npy", "c.npy"] {
            npy::write(&dir.path().join(name), &bytes).unwrap();
        }
        let folder = NpyFolders::open(dir.path()).unwrap();
        let order = |samples| Sequential.order(&Population::of(samples), 0, 0).unwrap();
        let ceiling = Ceiling::new(&folder, [2, 0, 1, 2]).unwrap();
        ceiling.pass(&*order(4), 3).unwrap();
        ceiling.pass(&*order(0), 1).unwrap();
        let file = NpyFile::open(dir.path().join("a.npy")).unwrap();
        Ceiling::new(&file, [4, 0]).unwrap().pass(&*order(2), 2).unwrap();
        fs::remove_file(dir.path().join("b.npy")).unwrap();
        assert!(ceiling.pass(&*order(3), 2).unwrap_err().contains("sample 2"));
        assert!(Ceiling::new(&folder, []).is_err());
    }

    /// Samples that lie in one page, three each, in one file.
    struct Pages(Schema, PathBuf);

    impl Source for Pages {
        fn schema(&self) -> &Schema {
            &self.0
        }
        fn len(&self) -> usize {
            7
        }
        fn read(&self, index: usize, row: &mut Row<'_>) -> SourceResult<()> {
            row.field(0).copy_from_slice(&[index as u8])
        }
        fn extents(&self, index: usize, visit: &mut dyn FnMut(&Extent)) {
            let location = Location::file(&self.1);
            visit(&Extent::part(location, index as u64 / 3 * 10, 10));
        }
    }

    #[test]
    fn a_page_that_samples_share_is_read_once_a_pass() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("pages");
        fs::write(&path, [0; 30]).unwrap();
        let schema = Schema::new(vec![Field::new("x", RowDType::U8, &[])]).unwrap();
        let ceiling = Ceiling::new(&Pages(schema, path), 0..7).unwrap();
        // Two pages of three samples, and one that no other sample shares.
        assert_eq!(ceiling.shared, 2);
        let seen: Vec<AtomicBool> = (0..2).map(|_| AtomicBool::new(false)).collect();
        let mut buffer = [1; 10];
        ceiling.read_sample(4, &seen, &mut buffer).unwrap();
        assert_eq!(buffer, [0; 10]);
        buffer = [1; 10];
        ceiling.read_sample(5, &seen, &mut buffer).unwrap();
        assert_eq!(buffer, [1; 10], "the page was read for sample 4");
        ceiling.read_sample(6, &seen, &mut buffer).unwrap();
        assert_eq!(buffer, [0; 10]);
        let order = Sequential.order(&Population::of(7), 0, 0).unwrap();
        ceiling.pass(&*order, 2).unwrap();
        ceiling.pass(&*order, 2).unwrap();
    }

    #[test]
    fn a_rank_visits_its_own_rows_of_a_budget() {
        let sampler = TokenBudget::new(vec![9, 5, 5, 5, 1, 1, 1], 18).unwrap().rows_multiple_of(2);
        let order = sampler.order(&Population::of(7), 3, 1).unwrap();
        let table = order.batches().unwrap();
        let of_rank = |rank| {
            let batching = Batching::of_table(table.clone(), rank, 2).unwrap();
            Visits::new(order.clone(), batching).indices().collect::<Vec<_>>()
        };
        let ranks = [of_rank(0), of_rank(1)];
        let mut expected = [Vec::new(), Vec::new()];
        for batch in 0..table.len() {
            for (row, position) in table.rows(batch).enumerate() {
                expected[row % 2].push(order.index(position));
            }
        }
        assert_eq!(ranks, expected);
    }

    #[test]
    fn a_rank_visits_its_own_rows() {
        let order = Sequential.order(&Population::of(7), 0, 0).unwrap();
        let rank = |rank, last| {
            let visits = Visits::new(order.clone(), Batching::new(4, last, rank, 2).unwrap());
            visits.indices().collect::<Vec<_>>()
        };
        assert_eq!(rank(1, LastBatch::Keep), [1, 3, 5]);
        assert_eq!(rank(0, LastBatch::Pad), [0, 2, 4, 6]);
        assert_eq!(rank(0, LastBatch::Drop), [0, 2]);
        let all = Batching::new(8, LastBatch::Drop, 0, 1).unwrap();
        assert!(Visits::new(order.clone(), all).is_empty());
    }
}
