//! Streams: samples that come one after the other. `pass` reads them for a loader; here is how they are
//! declared, and how single ones are looked at.

mod interleaved;
mod json;
mod lines;
mod members;
mod pass;
mod tar;
mod text;

use std::borrow::Cow;
use std::fmt;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};

pub use self::json::json_schema;
pub use self::tar::TarSample;

use self::interleaved::Interleaved;
use self::pass::StreamPass;
use crate::files::is_stored;
use crate::{
    Error, ErrorKind, Fingerprint, Pass, Result, Row, RowBuffer, Schema, Source, Streaming,
};

/// What a reader of a stream is.
type Items<T> = Box<dyn Iterator<Item = Result<T>> + Send>;

type Open<T> = Box<dyn Fn(u64) -> Result<Items<T>> + Send + Sync>;
type Write<T> = Box<dyn Fn(T, &mut Row<'_>) -> Result<()> + Send + Sync>;

/// A source of samples that come one after the other, and of which nobody knows how many there are: from an
/// iterator, a channel, the lines of a file or of a pipe.
///
/// An iterator gives items, in order, one thread at a time. A closure writes an item into a row; that is
/// done by all workers at once, and so is everything after it: put what takes long there, or in a transform.
///
/// ```
/// use tallow_core::{Field, RowDType, Schema, SourceExt, Streamed};
///
/// let schema = Schema::new(vec![Field::new("x", RowDType::U32, &[2])])?;
/// let squares = Streamed::from_iter(
///     schema,
///     |epoch| Ok((0..1000u32).map(move |x| Ok(x + epoch as u32))),
///     |x, row| row.field("x").copy_from_slice(&[x, x * x]),
/// );
/// assert_eq!(squares.get(3)?.field("x").as_slice::<u32>()?, [3, 9]);
/// # Ok::<(), tallow_core::Error>(())
/// ```
///
/// # Order
///
/// Items are numbered as they come: that number is the index of a sample, and what its random numbers
/// derive from. A loader goes through them in order, or with [`ShuffleWindows`](crate::ShuffleWindows)
/// shuffled within windows that it holds in memory. Other samplers need to know how many samples there are,
/// and are refused.
///
/// # Ends
///
/// Where the iterator ends, the epoch ends: its last batch has as many rows as are left. The next epoch
/// opens the stream anew. An iterator that does not end needs [`samples`](Self::samples).
///
/// An error in place of an item is an error of that sample, and the stream goes on behind it. If it is the
/// last that the iterator gives, nobody knows what would have come; it is then
/// [`ErrorKind::Broken`], which no policy passes over, and so is a panic.
///
/// # States
///
/// A state that was saved is a number of samples: resuming opens the stream, and throws away so many items
/// without writing them. The iterator has to give the same items again.
pub struct Streamed<T> {
    inner: Arc<Inner<T>>,
    schema: Schema,
    version: u64,
    item_bytes: Option<usize>,
    print: Fingerprint,
    /// For single samples: a reader, and the number of its next item.
    apart: Mutex<Option<(Items<T>, usize)>>,
}

/// What every pass needs.
struct Inner<T> {
    name: String,
    open: Open<T>,
    write: Write<T>,
    declared: Option<usize>,
    is_stored: bool,
}

impl<T: Send + 'static> Streamed<T> {
    /// As many samples as a stream may have: more than any will have, and so few that places can be
    /// computed.
    const SAMPLES_MAX: usize = usize::MAX / 4;

    /// The items of the iterator that `open` makes for each epoch. `write` writes an item into a row of
    /// `schema`.
    pub fn from_iter<I, W>(
        schema: Schema,
        open: impl Fn(u64) -> Result<I> + Send + Sync + 'static,
        write: W,
    ) -> Self
    where
        I: IntoIterator<Item = Result<T>>,
        I::IntoIter: Send + 'static,
        W: Fn(T, &mut Row<'_>) -> Result<()> + Send + Sync + 'static,
    {
        let open = move |epoch| open(epoch).map(|items| Box::new(items.into_iter()) as Items<T>);
        let name = "the stream".to_owned();
        let inner = Inner {
            name,
            open: Box::new(open),
            write: Box::new(write),
            declared: None,
            is_stored: false,
        };
        Self {
            inner: Arc::new(inner),
            schema,
            version: 0,
            item_bytes: None,
            print: Fingerprint::of("iterator").finish(),
            apart: Mutex::default(),
        }
    }

    /// The items of several readers in turn: item `k` is item `k / n` of shard `k % n`, of `n` shards. Where
    /// one ends, the turn goes on without it; one that ends with an error is the end of all.
    ///
    /// All of them are open at once.
    pub fn from_shards<O, I, W>(
        schema: Schema,
        shards: impl IntoIterator<Item = O>,
        write: W,
    ) -> Self
    where
        O: Fn(u64) -> Result<I> + Send + Sync + 'static,
        I: IntoIterator<Item = Result<T>>,
        I::IntoIter: Send + 'static,
        W: Fn(T, &mut Row<'_>) -> Result<()> + Send + Sync + 'static,
    {
        let shards: Vec<O> = shards.into_iter().collect();
        let open = move |epoch| {
            let one = |shard: &O| shard(epoch).map(|it| Box::new(it.into_iter()) as Items<T>);
            shards.iter().map(one).collect::<Result<Vec<_>>>().map(Interleaved::new)
        };
        Self::from_iter(schema, open, write)
    }

    /// The items of something that can be read only once: of a pipe, or of the receiving end of a channel,
    /// which is an iterator. There is one epoch of it, and nothing of it can be read a second time.
    ///
    /// ```
    /// use std::sync::mpsc::sync_channel;
    /// use tallow_core::{Field, RowDType, Schema, Streamed};
    ///
    /// let (sender, receiver) = sync_channel::<[f32; 3]>(64);
    /// # drop(sender);
    /// let schema = Schema::new(vec![Field::new("x", RowDType::F32, &[3])])?;
    /// let source = Streamed::once(schema, receiver.into_iter().map(Ok), |x, row| {
    ///     row.field("x").copy_from_slice(&x)
    /// });
    /// # Ok::<(), tallow_core::Error>(())
    /// ```
    pub fn once<I, W>(schema: Schema, items: I, write: W) -> Self
    where
        I: IntoIterator<Item = Result<T>>,
        I::IntoIter: Send + 'static,
        W: Fn(T, &mut Row<'_>) -> Result<()> + Send + Sync + 'static,
    {
        let items = Mutex::new(Some(items.into_iter()));
        let open = move |_| {
            items.lock().unwrap_or_else(PoisonError::into_inner).take().ok_or_else(|| {
                let message = "it can be read once, and that was begun already: expected one epoch, \
                               without looking at single samples";
                Error::new(ErrorKind::Config, message)
            })
        };
        Self::from_iter(schema, open, write)
    }

    /// Declares that an epoch has `samples` samples: of an iterator that ends later or never, the first
    /// ones. One that ends earlier is [`ErrorKind::Broken`]. The default is to go on to its end.
    ///
    /// With it an epoch has a length, so that `Loader::len` and `Loader::steps` are what they are for any
    /// other source.
    #[must_use]
    pub fn samples(mut self, samples: usize) -> Self {
        self.change(|inner| inner.declared = Some(samples.min(Self::SAMPLES_MAX)));
        self
    }

    /// What errors call the stream. The default is "the stream".
    #[must_use]
    pub fn named(mut self, name: impl Into<String>) -> Self {
        self.change(|inner| inner.name = name.into());
        self
    }

    /// How many bytes an item takes at most, for the memory that the plan of a loader states. The default
    /// is the bytes of a row.
    #[must_use]
    pub fn item_bytes(mut self, bytes: usize) -> Self {
        self.item_bytes = Some(bytes);
        self
    }

    /// A number for what iterator and closure do, 0 if not given: change it with them, and a state that was
    /// saved with the old ones is refused.
    #[must_use]
    pub fn version(mut self, version: u64) -> Self {
        self.version = version;
        self
    }

    fn change(&mut self, change: impl FnOnce(&mut Inner<T>)) {
        // No pass exists before the source is shared.
        if let Some(inner) = Arc::get_mut(&mut self.inner) {
            change(inner);
        }
    }

    /// The files that it reads, of this `kind`.
    fn read_from(mut self, kind: &str, paths: &[PathBuf]) -> Result<Self> {
        let is_stored = paths.iter().any(|path| is_stored(path));
        self.change(|inner| inner.is_stored = is_stored);
        Ok(Self { print: text::lengths(kind, paths)?, ..self.named(text::names(paths)) })
    }

    fn open(&self, epoch: u64) -> Result<Items<T>> {
        let items = (self.inner.open)(epoch)?;
        Ok(match self.inner.declared {
            Some(samples) => Box::new(items.take(samples)),
            None => items,
        })
    }

    /// Sample `index` of epoch 0 with a reader beside those of the passes, which is kept for the next one.
    fn read_apart(&self, index: usize, row: &mut Row<'_>) -> Result<()> {
        let mut apart = self.apart.lock().unwrap_or_else(PoisonError::into_inner);
        // Taken out, so that a reader that panics is not asked again.
        let (mut items, next) = match apart.take().filter(|(_, next)| *next <= index) {
            Some(reader) => reader,
            None => (self.open(0)?, 0),
        };
        let item = items.nth(index - next).ok_or_else(|| {
            let message = format!("it has no sample {index}, it ended before");
            Error::new(ErrorKind::Broken, message)
        })?;
        *apart = Some((items, index + 1));
        drop(apart);
        (self.inner.write)(item?, row)
    }
}

impl<T: Send + 'static> Source for Streamed<T> {
    fn schema(&self) -> &Schema {
        &self.schema
    }

    /// What was [declared](Self::samples), or else the most there may be.
    fn len(&self) -> usize {
        self.inner.declared.unwrap_or(Self::SAMPLES_MAX)
    }

    fn read(&self, index: usize, row: &mut Row<'_>) -> Result<()> {
        match row.pass() {
            Some(pass) => pass.read(index, row),
            None => self.read_apart(index, row).map_err(|error| error.with_index(index)),
        }
    }

    fn name(&self, index: usize) -> Cow<'_, str> {
        Cow::Owned(format!("{}[{index}]", self.inner.name))
    }

    fn fingerprint(&self) -> Fingerprint {
        let print = Fingerprint::of("stream").text(&self.schema.to_string()).with(self.print);
        print.number(self.len() as u64).number(self.version).finish()
    }

    fn stream(&self) -> Option<&dyn Streaming> {
        Some(self)
    }
}

impl<T: Send + 'static> Streaming for Streamed<T> {
    fn begin(&self, epoch: u64, first: usize, keep: usize) -> Result<Arc<dyn Pass>> {
        let items = self.open(epoch)?;
        Ok(Arc::new(StreamPass::new(self.inner.clone(), items, first, keep)))
    }

    fn declared(&self) -> Option<usize> {
        self.inner.declared
    }

    fn item_bytes(&self) -> usize {
        self.item_bytes.unwrap_or_else(|| RowBuffer::bytes_for(&self.schema))
    }

    fn is_stored(&self) -> bool {
        self.inner.is_stored
    }
}

impl<T> fmt::Debug for Streamed<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut debug = f.debug_struct("Streamed");
        debug.field("name", &self.inner.name).field("schema", &self.schema);
        debug.field("declared", &self.inner.declared).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::{Field, RowDType, SourceExt, testing};

    fn schema() -> Schema {
        Schema::new(vec![Field::new("x", RowDType::U32, &[])]).unwrap()
    }

    /// Samples that are their own numbers, but errors where `good` is false.
    fn of(good: Vec<bool>) -> Streamed<u32> {
        let items = move |_| {
            let item = |(at, good): (usize, bool)| match good {
                true => Ok(at as u32),
                false => Err(Error::user("bad")),
            };
            Ok(good.clone().into_iter().enumerate().map(item))
        };
        Streamed::from_iter(schema(), items, |x, row| row.field(0).copy_from_slice(&[x]))
    }

    fn taken(pass: &dyn Pass, index: usize) -> Result<u32> {
        let mut buffer = RowBuffer::new(&schema())?;
        pass.read(index, &mut buffer.row(None))?;
        Ok(buffer.view().field(0).as_slice::<u32>()?[0])
    }

    #[test]
    fn a_declared_stream_conforms_as_a_source() {
        testing::check_source(&of(vec![true; 40]).samples(30));
        let print = of(vec![]).samples(3).fingerprint();
        assert_ne!(print, of(vec![]).samples(4).fingerprint());
        assert_ne!(print, of(vec![]).samples(3).version(1).fingerprint());
    }

    proptest! {
        /// From any sample on, reached in any steps, a pass gives what the iterator does, every sample
        /// once, and knows its end.
        #[test]
        fn a_pass_gives_what_the_iterator_does(
            good in proptest::collection::vec(prop::bool::weighted(0.8), 0..40),
            first in 0usize..45,
            steps in proptest::collection::vec(1usize..9, 1..60),
        ) {
            let stream = of(good.clone());
            let pass = stream.begin(0, first, 1000).unwrap();
            let mut reached = first;
            for step in steps {
                let ended = pass.reach(reached + step, &mut |_| true);
                prop_assert_eq!(ended, Some(good.len()).filter(|&len| len < reached + step));
                for index in reached..(reached + step).min(good.len()) {
                    let broken = index + 1 == good.len();
                    match taken(&*pass, index) {
                        Ok(x) => prop_assert!(good[index] && x as usize == index),
                        Err(error) => {
                            prop_assert!(!good[index] && error.index() == Some(index));
                            prop_assert_eq!(error.kind() == ErrorKind::Broken, broken);
                        }
                    }
                    let again = taken(&*pass, index).unwrap_err();
                    prop_assert!(again.message().contains("it was taken"), "{}", again);
                }
                reached += step;
            }
            let ends_in_error = good.last() == Some(&false) && first < good.len();
            prop_assert!(reached <= good.len() || pass.is_broken() == ends_in_error);
        }
    }

    #[test]
    fn an_iterator_that_fails_for_ever_ends() {
        let fails = |_| Ok(std::iter::repeat_with(|| Err::<u32, _>(Error::user("no"))));
        let stream = Streamed::from_iter(schema(), fails, |_, _| Ok(()));
        let pass = stream.begin(0, 0, 1000).unwrap();
        assert_eq!(pass.reach(1000, &mut |_| true), Some(65));
        assert!(pass.is_broken());
        let error = taken(&*pass, 64).unwrap_err();
        assert!(error.message().contains("64 errors in a row"), "{error}");
    }

    #[test]
    fn whoever_watches_may_stop_and_others_go_on() {
        let stream = of(vec![true; 100]);
        let pass = stream.begin(0, 0, 1000).unwrap();
        assert_eq!(pass.reach(50, &mut |next| next < 10), None);
        assert_eq!(taken(&*pass, 9).unwrap(), 9);
        assert!(taken(&*pass, 10).is_err());
        assert_eq!(pass.reach(101, &mut |_| true), Some(100));
        assert_eq!(taken(&*pass, 10).unwrap(), 10);
    }

    #[test]
    fn what_nobody_takes_is_dropped() {
        let stream = of(vec![true; 100]);
        let pass = stream.begin(0, 0, 20).unwrap();
        assert_eq!(pass.reach(100, &mut |_| true), None);
        assert!(taken(&*pass, 79).unwrap_err().message().contains("far behind"));
        assert_eq!(taken(&*pass, 80).unwrap(), 80);
    }

    #[test]
    fn single_samples_are_read_beside_the_passes() {
        let stream = of(vec![true, false, true]);
        let x = |index| stream.get(index).map(|it| it.field(0).as_slice::<u32>().unwrap()[0]);
        assert_eq!((x(2).unwrap(), x(0).unwrap(), x(2).unwrap()), (2, 0, 2));
        assert_eq!(x(1).unwrap_err().index(), Some(1));
        assert!(x(3).unwrap_err().message().contains("no sample 3"));
    }
}
