//! One reading of a stream: who reads, what was read and not taken yet, and where it ends.

use std::collections::VecDeque;
use std::fmt;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use super::{Inner, Items};
use crate::{Error, ErrorKind, Pass, Result, Row};

/// How often a thread that waits for the one that reads looks whether to go on.
const LOOK: Duration = Duration::from_millis(100);

/// Samples that are skipped before the reading thread looks whether to go on.
const SKIP: usize = 64;

/// More errors in a row are taken for the end: a reader that fails for ever should not be asked for ever.
const ERRORS_MAX: usize = 64;

/// A pass over a stream of `T`.
///
/// The reader is one at a time of the threads that need samples: whoever needs one that was not read takes
/// the reader, reads up to that sample and puts the reader back. So there is no thread that only reads, and
/// no queue that could be full while a row waits for what comes later.
pub(super) struct StreamPass<T> {
    stream: Arc<Inner<T>>,
    /// `None` while a thread reads.
    reader: Mutex<Option<Reader<T>>>,
    /// The reader is back.
    back: Condvar,
    shelf: Mutex<Shelf<T>>,
    /// Samples that were read, whether they were taken or not. Released once they are on the shelf.
    read: AtomicUsize,
    /// Samples of the stream, once that is known; released after `read` and `broken`.
    end: AtomicUsize,
    broken: AtomicBool,
}

struct Reader<T> {
    items: Items<T>,
    /// Samples that are still to be thrown away.
    skip: usize,
    /// The number of the next sample.
    next: usize,
}

/// Samples that were read and not taken.
struct Shelf<T> {
    items: VecDeque<Option<Result<T>>>,
    /// The number of the first.
    first: usize,
    keep: usize,
}

/// What comes next.
enum Next<T> {
    Item(T),
    Error(Error),
    /// Nothing, because the reader panicked.
    Panic(Error),
    End,
}

const UNKNOWN: usize = usize::MAX;

/// A lock whose data are whole, whatever panicked while it was held.
fn lock<V>(mutex: &Mutex<V>) -> MutexGuard<'_, V> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl<T: Send + 'static> StreamPass<T> {
    /// A pass over `items` from sample `first` on.
    pub(super) fn new(stream: Arc<Inner<T>>, items: Items<T>, first: usize, keep: usize) -> Self {
        let shelf = Shelf { items: VecDeque::new(), first, keep: keep.max(1) };
        Self {
            stream,
            reader: Mutex::new(Some(Reader { items, skip: first, next: first })),
            back: Condvar::new(),
            shelf: Mutex::new(shelf),
            read: AtomicUsize::new(first),
            end: AtomicUsize::new(UNKNOWN),
            broken: AtomicBool::new(false),
        }
    }

    fn end(&self) -> usize {
        self.end.load(Ordering::Acquire)
    }

    fn has(&self, samples: usize) -> bool {
        self.end() != UNKNOWN || self.read.load(Ordering::Acquire) >= samples
    }

    /// Reads until there are `samples`, the stream ends or `watch` says to stop.
    fn advance(
        &self,
        reader: &mut Reader<T>,
        samples: usize,
        watch: &mut dyn FnMut(usize) -> bool,
    ) {
        while reader.skip > 0 && !self.has(samples) {
            if !watch(reader.next - reader.skip) {
                return;
            }
            self.skip(reader);
        }
        while !self.has(samples) && watch(reader.next) {
            self.read_one(reader);
        }
    }

    /// Throws away some of the samples before the first. Their errors were told where they belong.
    fn skip(&self, reader: &mut Reader<T>) {
        for _ in 0..reader.skip.min(SKIP) {
            match next(&mut reader.items) {
                Next::Item(item) => {
                    discard(item);
                    reader.skip -= 1;
                }
                Next::Error(_) => reader.skip -= 1,
                Next::Panic(error) => {
                    // Where the samples begin that are asked for.
                    return self.finish([], Some(broken(error)), reader.next + 1);
                }
                Next::End => return self.finish([], None, reader.next - reader.skip),
            }
        }
    }

    /// Reads the next sample, and those behind it as long as there are errors: only what comes after an
    /// error tells whether it is one of a sample or the end of the stream.
    fn read_one(&self, reader: &mut Reader<T>) {
        let mut errors = Vec::new();
        let last = loop {
            match next(&mut reader.items) {
                Next::Item(item) => {
                    reader.next += errors.len() + 1;
                    let items = errors.into_iter().map(Err).chain([Ok(item)]);
                    return self.put(items, reader.next);
                }
                Next::Error(error) if errors.len() < ERRORS_MAX => errors.push(error),
                Next::Error(_) => break Some(Error::user(format!("{ERRORS_MAX} errors in a row"))),
                Next::Panic(error) => break Some(error),
                Next::End => break errors.pop(),
            }
        };
        let known = reader.next + errors.len();
        let missing = self.stream.declared.filter(|&declared| known < declared);
        let last = last.map(broken).or_else(|| missing.map(|declared| too_short(known, declared)));
        reader.next = known + usize::from(last.is_some());
        self.finish(errors, last, reader.next);
    }

    /// Puts samples on the shelf, the last of which is number `read - 1`.
    fn put(&self, items: impl IntoIterator<Item = Result<T>>, read: usize) {
        let mut shelf = lock(&self.shelf);
        shelf.items.extend(items.into_iter().map(Some));
        let mut unwanted = Vec::new();
        while let Some(first) = shelf.items.front()
            && (first.is_none() || shelf.items.len() > shelf.keep)
        {
            unwanted.extend(shelf.items.pop_front().flatten());
            shelf.first += 1;
        }
        drop(shelf);
        self.read.store(read, Ordering::Release);
        discard(unwanted);
    }

    /// The same of the last samples that there are, which are errors; `last` breaks the stream.
    fn finish(&self, errors: impl IntoIterator<Item = Error>, last: Option<Error>, end: usize) {
        self.broken.store(last.is_some(), Ordering::Relaxed);
        self.put(errors.into_iter().chain(last).map(Err), end);
        self.end.store(end, Ordering::Release);
    }
}

/// Drops what is the user's. A panic must not lose the reader.
fn discard<V>(value: V) {
    if let Err(payload) = catch_unwind(AssertUnwindSafe(|| drop(value))) {
        // It may panic again when it is dropped.
        std::mem::forget(payload);
    }
}

/// The next sample; a panic of the reader is its end.
fn next<T>(items: &mut Items<T>) -> Next<T> {
    match catch_unwind(AssertUnwindSafe(|| items.next())) {
        Ok(Some(Ok(item))) => Next::Item(item),
        Ok(Some(Err(error))) => Next::Error(error),
        Ok(None) => Next::End,
        Err(payload) => {
            let error = panicked(&*payload);
            // It may panic again when it is dropped.
            std::mem::forget(payload);
            Next::Panic(error)
        }
    }
}

#[cold]
fn panicked(payload: &(dyn std::any::Any + Send)) -> Error {
    let text = payload.downcast_ref::<&str>().map(|text| (*text).to_owned());
    let text = text.or_else(|| payload.downcast_ref::<String>().cloned());
    let text = text.unwrap_or_else(|| "a panic without a message".to_owned());
    Error::user(format!("the reader panicked: {text:?}"))
}

/// The error with which a stream ends.
#[cold]
fn broken(error: Error) -> Error {
    let message = format!("it ended with an error: {error}");
    Error::new(ErrorKind::Broken, message).with_source(error)
}

#[cold]
fn too_short(found: usize, declared: usize) -> Error {
    let message = format!("it ended after {found} samples, expected the {declared} declared");
    Error::new(ErrorKind::Broken, message)
}

impl<T: Send + 'static> Pass for StreamPass<T> {
    fn reach(&self, samples: usize, watch: &mut dyn FnMut(usize) -> bool) -> Option<usize> {
        while !self.has(samples) {
            let mut place = lock(&self.reader);
            if let Some(mut reader) = place.take() {
                drop(place);
                self.advance(&mut reader, samples, watch);
                *lock(&self.reader) = Some(reader);
                self.back.notify_all();
                break;
            }
            let (place, _) =
                self.back.wait_timeout(place, LOOK).unwrap_or_else(PoisonError::into_inner);
            drop(place);
            if !watch(self.read.load(Ordering::Acquire)) {
                break;
            }
        }
        Some(self.end()).filter(|&end| end < samples)
    }

    fn is_broken(&self) -> bool {
        self.end() != UNKNOWN && self.broken.load(Ordering::Relaxed)
    }

    fn read(&self, index: usize, row: &mut Row<'_>) -> Result<()> {
        let mut shelf = lock(&self.shelf);
        let place = index.checked_sub(shelf.first).and_then(|at| shelf.items.get_mut(at));
        let item = place.and_then(Option::take);
        drop(shelf);
        let item = item.unwrap_or_else(|| {
            let message = format!("sample {index} is not at hand: it was taken, or is far behind");
            Err(Error::new(ErrorKind::Broken, message))
        });
        item.and_then(|item| (self.stream.write)(item, row)).map_err(|e| e.with_index(index))
    }
}

impl<T> fmt::Debug for StreamPass<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut debug = f.debug_struct("StreamPass");
        debug.field("read", &self.read).field("end", &self.end).finish_non_exhaustive()
    }
}
