//! The loader: what a training loop holds on to.

use std::fmt;
use std::ops::{Range, RangeBounds};
use std::sync::Arc;

use tallow_core::{Population, Sample, Schema};

use crate::batch::Batch;
use crate::batches::{Batches, Owner, bounds};
use crate::consumer::Consumer;
use crate::plan::Plan;
use crate::report::Report;
use crate::state::State;
use crate::tuning::Settings;
use crate::workers::{Crew, STOP_BOUND};
use crate::{BatchId, Error, ErrorKind, Result};

/// Turns a source into batches of tensors: the workers, their memory, and where the consumer is.
///
/// Workers are started by [`LoaderBuilder::build`](crate::LoaderBuilder::build) and live as long as
/// the loader; iterations come and go. Only one iteration can run at a time.
///
/// ```no_run
/// # use tallow_core::NpyFolders;
/// # use tallow_loader::Loader;
/// let loader = Loader::builder(NpyFolders::pairs("data")?).batch_size(256).shuffle().build()?;
/// for epoch in 0..10 {
///     for batch in loader.epoch(epoch) {
///         let (input, target) = batch?.pair("input", "target")?;
///     }
/// }
/// # Ok::<(), tallow_loader::Error>(())
/// ```
///
/// `for batch in &loader` is one epoch, too: the one after the last that was finished.
///
/// # A training loop that can be interrupted
///
/// [`resume`](Self::resume) goes to a saved [`State`], and [`remaining`](Self::remaining) leaves out
/// the epochs that were finished before it was saved, with whatever follows each of them:
///
/// ```
/// # use tallow_core::{Field, RowDType, Schema, from_fn};
/// # use tallow_loader::{Loader, State};
/// # let schema = Schema::new(vec![Field::new("input", RowDType::U8, &[4])])?;
/// # let source = || {
/// #     let schema = schema.clone();
/// #     from_fn(schema, 8, |_, row| row.field(0).copy_from_slice(&[51u8; 4]))
/// # };
/// # let (training, validation) = (source(), source());
/// # let saved: Option<State> = Some(Loader::builder(source()).batch_size(4).build()?.state_at(1, 1)?);
/// # let mut epochs = Vec::new();
/// let training = Loader::builder(training).batch_size(4).build()?;
/// let validation = Loader::builder(validation).batch_size(4).build()?;
/// if let Some(state) = &saved {
///     training.resume(state)?;
/// }
/// for epoch in training.remaining(0..3) {
///     for batch in training.epoch(epoch) {
///         let batch = batch?;
///         // Train on it; from time to time save the model together with `batch.state()`.
///     }
///     for batch in validation.epoch(0) {
///         let batch = batch?;
///         // Measure.
///     }
/// #   epochs.push(epoch);
/// }
/// # assert_eq!(epochs, [1, 2]);
/// # Ok::<(), tallow_loader::Error>(())
/// ```
pub struct Loader {
    /// Before the consumer, since threads end first.
    crew: Crew,
    consumer: Consumer,
}

impl Loader {
    /// Starts the workers of a consumer that is planned.
    pub(crate) fn start(consumer: Consumer) -> Result<Self> {
        let Plan { workers, .. } = *consumer.plan();
        let crew = Crew::start(consumer.filler().clone(), workers)?;
        for warning in consumer.plan().warnings() {
            tracing::warn!(target: "tallow::loader", "{warning}");
        }
        tracing::debug!(target: "tallow::loader", plan = %consumer.plan(), "built");
        Ok(Self { crew, consumer })
    }

    /// What this loader does, in how much memory.
    pub fn plan(&self) -> &Plan {
        self.consumer.plan()
    }

    /// The delivered fields.
    pub fn schema(&self) -> &Schema {
        self.consumer.filler().pipeline.schema()
    }

    /// What the sampler chooses from, with the parts of a concatenation:
    /// [`part_of`](Population::part_of) says which part a sample of
    /// [`Batch::indices`](crate::Batch::indices) belongs to.
    pub fn population(&self) -> &Population {
        &self.consumer.filler().delivery.course.population
    }

    /// Batches per epoch: as many on every rank, an incomplete last one included unless it is dropped. Of a
    /// stream whose length is not declared the most that there may be, as
    /// [`Plan::is_bounded`](crate::Plan::is_bounded) says.
    ///
    /// ```
    /// # use tallow_core::{Field, RowDType, Schema, from_fn};
    /// # use tallow_loader::Loader;
    /// # let schema = Schema::new(vec![Field::new("input", RowDType::U8, &[4])])?;
    /// # let source = from_fn(schema, 10, |_, row| row.field(0).copy_from_slice(&[51u8; 4]));
    /// let loader = Loader::builder(source).batch_size(4).build()?;
    /// assert_eq!(loader.len(), 3);
    /// for batch in loader.epoch(0) {
    ///     let batch = batch?;
    ///     print!("\rbatch {} of {}", batch.number() + 1, loader.len());
    /// }
    /// # Ok::<(), tallow_loader::Error>(())
    /// ```
    ///
    /// A progress bar of `indicatif` is `ProgressBar::new(loader.len() as u64)` with
    /// `bar.wrap_iter(loader.epoch(0))`, or with `bar.set_position(batch.number() as u64 + 1)` inside of
    /// the loop, which is right after resuming, too.
    pub fn len(&self) -> usize {
        self.plan().batches
    }

    /// Whether an epoch has no batch. Iterating is an error then, and
    /// [`Plan::warnings`](crate::Plan::warnings) says why.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The batches of epoch `epoch`, which is at most 2^64 - 2.
    ///
    /// All of them, except in the epoch to which [`resume`](Self::resume) went: that one delivers
    /// what was not delivered before the state was saved.
    pub fn epoch(&self, epoch: u64) -> Batches<'_> {
        match epoch.checked_add(1) {
            Some(end) => self.epochs(epoch..end),
            None => {
                let message = format!("epoch {epoch}, expected one below it");
                let error = Error::new(ErrorKind::Config, message);
                Batches::refused(&self.consumer, epoch, error)
            }
        }
    }

    /// The batches of several epochs in a row: `0..10`, `..5`, `2..=4`, or without an end `0..`.
    ///
    /// The beginning of each epoch is read while the end of the one before is consumed, so there is
    /// no pause between them. After [`resume`](Self::resume) what was delivered before the state was
    /// saved is left out.
    ///
    /// ```
    /// # use tallow_core::{Field, RowDType, Schema, from_fn};
    /// # use tallow_loader::Loader;
    /// # let schema = Schema::new(vec![Field::new("input", RowDType::U8, &[4])])?;
    /// # let source = from_fn(schema, 8, |_, row| row.field(0).copy_from_slice(&[51u8; 4]));
    /// let loader = Loader::builder(source).batch_size(4).build()?;
    /// for batch in loader.epochs(..3) {
    ///     let batch = batch?;
    ///     if batch.is_last() {
    ///         println!("epoch {}: {}", batch.epoch(), loader.epoch_report());
    ///     }
    /// }
    /// # Ok::<(), tallow_loader::Error>(())
    /// ```
    pub fn epochs(&self, epochs: impl RangeBounds<u64>) -> Batches<'_> {
        Batches::new(&self.consumer, whole(&epochs))
    }

    /// The batches of these steps, in as many epochs as that takes: `..10_000`, `500..`, or `..` without
    /// an end. For a training that is measured in steps rather than epochs.
    ///
    /// Step `s` is batch `s % len` of epoch `s / len`, where `len` is [`Loader::len`], and
    /// [`Batch::step`](crate::Batch::step) says it. The beginning of each epoch is read while the end of
    /// the one before is consumed. After [`resume`](Self::resume) what was delivered before the state was
    /// saved is left out, so that an interrupted loop may run again as it is.
    ///
    /// ```
    /// # use tallow_core::{Field, RowDType, Schema, from_fn};
    /// # use tallow_loader::Loader;
    /// # let schema = Schema::new(vec![Field::new("input", RowDType::U8, &[4])])?;
    /// # let source = from_fn(schema, 8, |_, row| row.field(0).copy_from_slice(&[51u8; 4]));
    /// let loader = Loader::builder(source).batch_size(3).shuffle().build()?;
    /// for batch in loader.steps(..100) {
    ///     let batch = batch?;
    ///     if batch.step() % 50 == 49 {
    ///         println!("step {} is in epoch {}", batch.step(), batch.epoch());
    ///         // Save the model together with `batch.state()`.
    ///     }
    /// }
    /// assert_eq!(loader.step(), 100);
    /// # Ok::<(), tallow_loader::Error>(())
    /// ```
    ///
    /// An epoch whose order cannot be made is one error, as ever, and its steps are passed over.
    ///
    /// Of a stream whose length is not declared they cannot be counted, and the only item is an error:
    /// use `epochs(..).take(steps)`, or declare how many samples an epoch has.
    pub fn steps(&self, steps: impl RangeBounds<u64>) -> Batches<'_> {
        match self.stepped(&steps) {
            Ok(batches) => Batches::new(&self.consumer, batches),
            Err(error) => Batches::refused(&self.consumer, 0, error),
        }
    }

    /// As [`steps`](Self::steps), but the iterator owns its share of the loader, like that of
    /// [`epochs_owned`](Self::epochs_owned).
    pub fn steps_owned(self: Arc<Self>, steps: impl RangeBounds<u64>) -> Batches<'static> {
        match self.stepped(&steps) {
            Ok(batches) => Batches::owned(self, batches),
            Err(error) => Batches::refused_owned(self, error),
        }
    }

    fn stepped(&self, steps: &impl RangeBounds<u64>) -> Result<Range<BatchId>> {
        if !self.plan().is_bounded() {
            let message = "steps of a stream cannot be counted, expected one that declares how many \
                           samples an epoch has; or use epochs(..).take(steps)";
            return Err(Error::new(ErrorKind::Config, message));
        }
        let Range { start, end } = bounds(steps);
        // Without an end they go on to the last epoch that there is.
        let end = match end {
            u64::MAX => BatchId { epoch: u64::MAX, number: 0 },
            end => self.consumer.batch_at(end),
        };
        Ok(self.consumer.batch_at(start)..end)
    }

    /// The step of the batch that comes after the last one that was delivered.
    pub fn step(&self) -> u64 {
        self.consumer.step_of(self.consumer.next_id())
    }

    /// As [`epochs`](Self::epochs), but the iterator owns its share of the loader: it can be a field
    /// of the struct that holds the loader, and it can move to another thread.
    ///
    /// The workers end when the last share of the loader is dropped.
    ///
    /// ```
    /// # use tallow_core::{Field, RowDType, Schema, from_fn};
    /// use std::sync::Arc;
    /// use tallow_loader::{Batches, Loader};
    ///
    /// struct Trainer {
    ///     loader: Arc<Loader>,
    ///     batches: Batches<'static>,
    /// }
    ///
    /// # let schema = Schema::new(vec![Field::new("input", RowDType::U8, &[4])])?;
    /// # let source = from_fn(schema, 8, |_, row| row.field(0).copy_from_slice(&[51u8; 4]));
    /// let loader = Arc::new(Loader::builder(source).batch_size(4).build()?);
    /// let batches = loader.clone().epochs_owned(0..);
    /// let mut trainer = Trainer { loader, batches };
    /// for _ in 0..5 {
    ///     let batch = trainer.batches.next().unwrap()?;
    /// }
    /// assert_eq!(trainer.loader.state().epoch(), 2);
    /// # Ok::<(), tallow_loader::Error>(())
    /// ```
    pub fn epochs_owned(self: Arc<Self>, epochs: impl RangeBounds<u64>) -> Batches<'static> {
        Batches::owned(self, whole(&epochs))
    }

    /// Those of `epochs` that still have batches to deliver: all of them, and after
    /// [`resume`](Self::resume) those from the epoch of the state on.
    ///
    /// For a loop that does more per epoch than iterate, such as the one
    /// [above](Self#a-training-loop-that-can-be-interrupted). A state that was saved after the last
    /// batch of an epoch belongs to the next epoch, so save it after the validation if that must not
    /// be missed.
    pub fn remaining(&self, epochs: impl RangeBounds<u64>) -> Range<u64> {
        self.consumer.remaining(bounds(&epochs))
    }

    /// Where the consumer is, after the last batch that was delivered.
    pub fn state(&self) -> State {
        self.consumer.state()
    }

    /// The state after `batch` batches of epoch `epoch`.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Config`] when that epoch has fewer batches. Epoch 2^64 - 1 has none.
    pub fn state_at(&self, epoch: u64, batch: usize) -> Result<State> {
        self.consumer.state_at(epoch, batch)
    }

    /// Goes to where `state` was saved: the next iteration goes on from there.
    ///
    /// Epochs before that of the state then deliver nothing, and that epoch delivers what follows the
    /// batches before the state. So the loop over epochs of an interrupted training may run again
    /// as it is; [`remaining`](Self::remaining) is for loops that do more per epoch. Once the epoch of
    /// the state or a later one was iterated, every epoch is whole again.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::State`], with all problems, when the state belongs to another source, sampler,
    /// transform or seed, when it is inside a batch of this loader's size, or when no loader can have
    /// saved it. [`ErrorKind::Busy`] while an iteration is running.
    pub fn resume(&self, state: &State) -> Result<()> {
        self.consumer.resume(state)
    }

    /// How many workers may be busy from now on, and how many batches ahead.
    #[cfg(test)]
    pub(crate) fn limit(&self, workers: usize, prefetch: usize) {
        self.consumer.limit(workers, prefetch);
    }

    /// The settings that never change what is delivered. With [`Auto`](crate::Auto) these are the best
    /// that the loader has found so far, which are worth copying once a training has run for a while.
    pub fn settings(&self) -> Settings {
        self.consumer.settings()
    }

    /// Sample `index` as epoch `epoch` delivers it, for looking at: read, transformed with the random
    /// numbers that it has in that epoch, and padded to the maximum.
    ///
    /// It is made here and now, on the CPU and on the calling thread, and does not disturb an
    /// iteration. [`map_batch`](crate::LoaderBuilder::map_batch) is for batches and does not run. If
    /// the sampler repeats samples, this is the first of the repetitions in that epoch.
    ///
    /// ```
    /// # use tallow_core::{Field, RowDType, Schema, from_fn};
    /// # use tallow_loader::Loader;
    /// # let schema = Schema::new(vec![Field::new("input", RowDType::U8, &[4])])?;
    /// # let source = from_fn(schema, 8, |_, row| row.field(0).copy_from_slice(&[51u8; 4]));
    /// let loader = Loader::builder(source).shuffle().build()?;
    /// let sample = loader.sample(0, 3)?;
    /// assert_eq!(sample.to_string(), "sample 3\n  input: u8[4] = 51, 51, 51, 51");
    /// # Ok::<(), tallow_loader::Error>(())
    /// ```
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Config`] when there is no such sample, or when the sampler repeats samples and this
    /// one is not in that epoch; otherwise as for a batch.
    pub fn sample(&self, epoch: u64, index: usize) -> Result<Sample> {
        self.consumer.filler().sample(epoch, index)
    }

    /// How many batches `next` would return without waiting: how full the queue between workers and
    /// consumer is. Takes the lock that workers take, for less than a microsecond.
    pub fn ready(&self) -> usize {
        self.consumer.filler().delivery.ready()
    }

    /// Where the time has gone since the loader was built.
    pub fn report(&self) -> Report {
        self.consumer.report()
    }

    /// Where the time of one epoch has gone: the epoch of the last batch that was delivered, so far.
    /// At the [last](crate::Batch::is_last) batch of an epoch, and until the next is asked for, it
    /// is the whole epoch.
    ///
    /// Batches, samples, bytes, errors, faults and waits are those of batches that were delivered in
    /// that epoch by this iteration, although the workers are ahead of it. What the workers did
    /// ([`Report::stages`]) and the copies of a CUDA device are those of the same time, and so
    /// include work for the epoch that follows.
    pub fn epoch_report(&self) -> Report {
        self.consumer.epoch_report()
    }

    /// Ends the workers and says where the time has gone. Dropping the loader ends them, too.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Abandoned`] when a worker is stuck and does not end.
    pub fn shutdown(mut self) -> Result<Report> {
        let report = self.report();
        match self.crew.stop() {
            0 => Ok(report),
            stuck => {
                let message = format!("{stuck} threads did not end within {STOP_BOUND:?}");
                Err(Error::new(ErrorKind::Abandoned, message))
            }
        }
    }
}

/// From the first batch of the first of `epochs` up to that of the one after the last.
fn whole(epochs: &impl RangeBounds<u64>) -> Range<BatchId> {
    let Range { start, end } = bounds(epochs);
    BatchId { epoch: start, number: 0 }..BatchId { epoch: end, number: 0 }
}

impl Owner for Loader {
    fn consumer(&self) -> &Consumer {
        &self.consumer
    }
}

/// The epoch after the last one that was finished: [`Loader::epoch`] of the epoch of
/// [`Loader::state`].
///
/// A loader that was just built delivers epoch 0, then 1, and so on. After [`Loader::resume`] it is
/// what is left of the epoch of the state. An epoch whose iteration was dropped before its end was
/// not finished: it is delivered again, from its beginning.
///
/// ```
/// # use tallow_core::{Field, RowDType, Schema, from_fn};
/// # use tallow_loader::Loader;
/// # let schema = Schema::new(vec![Field::new("input", RowDType::U8, &[4])])?;
/// # let source = from_fn(schema, 8, |_, row| row.field(0).copy_from_slice(&[51u8; 4]));
/// let loader = Loader::builder(source).batch_size(4).shuffle().build()?;
/// for epoch in 0..3 {
///     for batch in &loader {
///         assert_eq!(batch?.epoch(), epoch);
///     }
/// }
/// # Ok::<(), tallow_loader::Error>(())
/// ```
impl<'a> IntoIterator for &'a Loader {
    type Item = Result<Batch>;
    type IntoIter = Batches<'a>;

    fn into_iter(self) -> Batches<'a> {
        self.epoch(self.state().epoch())
    }
}

impl fmt::Debug for Loader {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.consumer.debug(f)
    }
}
