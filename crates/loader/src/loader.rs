//! The loader: what a training loop holds on to.

use std::fmt;
use std::ops::Range;

use tallow_core::Schema;

use crate::batches::Batches;
use crate::consumer::Consumer;
use crate::plan::Plan;
use crate::report::Report;
use crate::state::State;
use crate::tuning::Settings;
use crate::workers::{Crew, STOP_BOUND};
use crate::{Error, ErrorKind, Result};

/// Turns a source into batches of tensors: the workers, their memory, and where the consumer
/// stands.
///
/// Workers are started by [`LoaderBuilder::build`] and live as long as the loader; iterations come
/// and go. Only one iteration can be under way at a time.
///
/// ```no_run
/// # use tallow_core::NpyFolders;
/// # use tallow_loader::Loader;
/// let loader = Loader::builder(NpyFolders::pairs("data")?).batch_size(256).shuffle().build()?;
/// for epoch in 0..10 {
///     for batch in loader.epoch(epoch) {
///         let batch = batch?;
///         let (input, target) = (&batch["input"], &batch["target"]);
///     }
/// }
/// # Ok::<(), Box<dyn std::error::Error>>(())
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

    /// Batches of an epoch.
    pub fn batches_per_epoch(&self) -> usize {
        self.plan().batches
    }

    /// The batches of epoch `epoch`, at most 2^64 - 2.
    pub fn epoch(&self, epoch: u64) -> Batches<'_> {
        match epoch.checked_add(1) {
            Some(end) => self.epochs(epoch..end),
            None => {
                let message = format!("epoch {epoch}, expected one below it");
                Batches::refused(&self.consumer, epoch, Error::new(ErrorKind::Config, message))
            }
        }
    }

    /// The batches of several epochs in a row. The beginning of each is read while the end of the
    /// one before is consumed, so there is no pause between them. After [`resume`](Self::resume),
    /// what was received before the state was saved is left out.
    pub fn epochs(&self, epochs: Range<u64>) -> Batches<'_> {
        Batches::new(&self.consumer, epochs)
    }

    /// Where the consumer stands, after the last batch it received.
    pub fn state(&self) -> State {
        self.consumer.state()
    }

    /// The state of a consumer that has received `batch` batches of epoch `epoch`.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Config`] when that epoch has fewer batches; after the last one, 2^64 - 2, there
    /// are none.
    pub fn state_at(&self, epoch: u64, batch: usize) -> Result<State> {
        self.consumer.state_at(epoch, batch)
    }

    /// Goes where `state` was saved. Epochs before the state's then deliver nothing, and that epoch
    /// what follows the batches received before, so that the loop over epochs of an interrupted
    /// training may run again as it stands. An epoch is whole again once the state's epoch, or a
    /// later one, was iterated.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::State`], with all problems, when the state belongs to another source, sampler,
    /// transform or seed, stands inside a batch of this loader's size, or is one that no loader saves.
    /// [`ErrorKind::Busy`] while
    /// an iteration is under way.
    pub fn resume(&self, state: &State) -> Result<()> {
        self.consumer.resume(state)
    }

    /// How many workers may be busy from now on, and how many batches ahead.
    #[cfg(test)]
    pub(crate) fn limit(&self, workers: usize, prefetch: usize) {
        self.consumer.limit(workers, prefetch);
    }

    /// What may be set without changing what is delivered. With [`Auto`](crate::Auto) the best that
    /// the loader has found so far, which is worth copying once a training has run for a while.
    pub fn settings(&self) -> Settings {
        self.consumer.settings()
    }

    /// Batches that `next` would return without waiting: how full the queue between workers and
    /// consumer is. Takes the lock that workers take, for less than a microsecond.
    pub fn ready(&self) -> usize {
        self.consumer.filler().delivery.ready()
    }

    /// Where the time has gone since the loader was built.
    pub fn report(&self) -> Report {
        self.consumer.report()
    }

    /// Ends the workers and says where the time has gone; dropping the loader ends them too.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Abandoned`] when a worker was stuck and had to be left behind.
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

impl fmt::Debug for Loader {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.consumer.debug(f)
    }
}
