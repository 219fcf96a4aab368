//! From an index to a row of the slab: the source's read and the engines behind it, in a chain.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use tallow_core::{Engine, Row, RowBuffer, RowKey, RowSlots, Schema, Shapes, Source};

use crate::stages::{Stage, StageClock};
use crate::{Error, ErrorKind, Result};

/// A source and the engines that rewrite its rows; the last one writes into the slab. Without
/// engines the source itself does.
pub(crate) struct Pipeline {
    source: Arc<dyn Source>,
    engines: Vec<Box<dyn Engine>>,
    /// What the source writes, then what each engine does: as they said at `build()`. The layout
    /// of the memory hangs on it, so user code is not asked again.
    schemas: Vec<Schema>,
}

/// What one worker needs beside the slab. Made once, reused for every row.
pub(crate) struct Scratch {
    /// Where the delivered row goes; aimed at a row of the slab.
    pub(crate) slots: RowSlots,
    /// The input row of each engine.
    rows: Vec<RowBuffer>,
    plan: Vec<u8>,
    engine: Vec<u8>,
}

impl Pipeline {
    /// A chain of the source alone.
    pub(crate) fn new(source: Arc<dyn Source>) -> Self {
        let schemas = vec![source.schema().clone()];
        Self { source, engines: Vec::new(), schemas }
    }

    /// Adds an engine that was bound to [`Self::schema`].
    pub(crate) fn push(&mut self, engine: Box<dyn Engine>) {
        self.schemas.push(engine.schema().clone());
        self.engines.push(engine);
    }

    /// The fields that are delivered.
    pub(crate) fn schema(&self) -> &Schema {
        &self.schemas[self.engines.len()]
    }

    pub(crate) fn engines(&self) -> &[Box<dyn Engine>] {
        &self.engines
    }

    /// The fields that engine `at` reads.
    fn input(&self, at: usize) -> &Schema {
        &self.schemas[at]
    }

    /// Bytes of the scratch of one worker.
    pub(crate) fn scratch_bytes(&self) -> usize {
        let rows = (0..self.engines.len()).map(|at| RowBuffer::bytes_for(self.input(at)));
        rows.sum::<usize>() + self.plan_bytes() + self.engine_bytes()
    }

    fn plan_bytes(&self) -> usize {
        self.engines.iter().map(|engine| engine.plan_bytes()).max().unwrap_or(0)
    }

    fn engine_bytes(&self) -> usize {
        self.engines.iter().map(|engine| engine.scratch_bytes()).max().unwrap_or(0)
    }

    pub(crate) fn scratch(&self) -> Result<Scratch> {
        let rows = (0..self.engines.len()).map(|at| RowBuffer::new(self.input(at)));
        Ok(Scratch {
            slots: RowSlots::new(self.schema()),
            rows: rows.collect::<tallow_core::Result<_>>()?,
            plan: vec![0; self.plan_bytes()],
            engine: vec![0; self.engine_bytes()],
        })
    }

    /// Writes the sample of `key` into the row that `scratch.slots` are aimed at. A panic of user
    /// code is an error like any other.
    pub(crate) fn run(
        &self,
        key: RowKey,
        scratch: &mut Scratch,
        stop: &AtomicBool,
        clock: &mut StageClock<'_>,
    ) -> Result<()> {
        // The scratch is left in no state that matters: each row starts with empty slots.
        let index = key.index as usize;
        match catch(|| self.run_all(key, scratch, stop, clock)) {
            Ok(Ok(())) => Ok(()),
            Ok(Err(cause)) => Err(self.failed(cause, index)),
            Err(text) => Err(self.panicked(&text, clock.stage(), index)),
        }
    }

    #[cold]
    fn failed(&self, cause: tallow_core::Error, index: usize) -> Error {
        let cause = cause.with_index(index);
        let named = cause.path().is_some();
        let error = Error::caused(ErrorKind::Sample, cause);
        if named { error } else { error.with_message(self.name(index)) }
    }

    #[cold]
    fn panicked(&self, text: &str, stage: Stage, index: usize) -> Error {
        let message = format!("{text:?} in stage {stage}, sample {index}, {}", self.name(index));
        Error::new(ErrorKind::Panic, message)
    }

    /// The sample's name, from user code that may panic itself.
    pub(crate) fn name(&self, index: usize) -> String {
        let name = catch(|| self.source.name(index).into_owned());
        name.unwrap_or_else(|_| format!("sample {index}"))
    }

    fn run_all(
        &self,
        key: RowKey,
        scratch: &mut Scratch,
        stop: &AtomicBool,
        clock: &mut StageClock<'_>,
    ) -> tallow_core::Result<()> {
        clock.enter(Stage::Read);
        let Scratch { slots, rows, plan, engine: own } = scratch;
        let mut target = Target::of(rows, slots, self.schema());
        self.source.read(key.index as usize, &mut target.row(stop))?;
        target.finish()?;
        if self.engines.is_empty() {
            return Ok(());
        }
        clock.enter(Stage::Transform);
        let span =
            tracing::trace_span!(target: "tallow::transform", "transform", index = key.index);
        let _entered = span.enter();
        for (at, engine) in self.engines.iter().enumerate() {
            let (done, rest) = rows.split_at_mut(at + 1);
            let raw = done[at].view();
            let plan = &mut plan[..engine.plan_bytes()];
            plan.fill(0);
            engine.plan(key, Shapes::of(raw), plan)?;
            let mut target = Target::of(rest, slots, self.schema());
            engine.run(plan, raw, &mut target.row(stop), &mut own[..engine.scratch_bytes()])?;
            target.finish()?;
        }
        Ok(())
    }
}

/// Where a step of the chain writes: the input row of the next engine, or behind the last one the
/// row of the slab.
enum Target<'a> {
    Scratch(&'a mut RowBuffer),
    Slab(&'a mut RowSlots, &'a Schema),
}

impl<'a> Target<'a> {
    fn of(next: &'a mut [RowBuffer], slots: &'a mut RowSlots, delivered: &'a Schema) -> Self {
        match next.first_mut() {
            Some(buffer) => Self::Scratch(buffer),
            None => Self::Slab(slots, delivered),
        }
    }

    fn row<'b>(&'b mut self, stop: &'b AtomicBool) -> Row<'b> {
        match self {
            Self::Scratch(buffer) => buffer.row(Some(stop)),
            Self::Slab(slots, schema) => slots.row(schema, Some(stop)),
        }
    }

    /// Asks the memory whether it is written: the row was in the hands of user code, which may
    /// have put another in its place.
    fn finish(&self) -> tallow_core::Result<()> {
        match self {
            Self::Scratch(buffer) => buffer.finish(),
            Self::Slab(slots, schema) => slots.finish(schema),
        }
    }
}

/// Calls user code; a panic becomes its message.
///
/// What is thrown may itself panic when it is dropped, and would then end the worker.
pub(crate) fn catch<T>(user_code: impl FnOnce() -> T) -> Result<T, String> {
    catch_unwind(AssertUnwindSafe(user_code)).map_err(|payload| {
        let text = payload.downcast_ref::<&str>().map(|text| (*text).to_owned());
        let text = text.or_else(|| payload.downcast_ref::<String>().cloned());
        discard(payload);
        text.unwrap_or_else(|| "a panic without a message".to_owned())
    })
}

/// Drops what belongs to user code, whose destructor may panic.
pub(crate) fn discard<T>(value: T) {
    if let Err(payload) = catch_unwind(AssertUnwindSafe(|| drop(value))) {
        // One panic in a destructor is met with patience, a second is leaked.
        std::mem::forget(payload);
    }
}
