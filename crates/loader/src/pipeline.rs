//! From an index to a row of the slab: the source's read and the engines behind it, in a chain.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use tallow_core::{Engine, RowBuffer, RowKey, RowSlots, Schema, Shapes, Source};

use crate::stages::{Stage, StageClock};
use crate::{Error, ErrorKind, Result};

/// A source and the engines that rewrite its rows; the last one writes into the slab. Without
/// engines the source itself does.
pub(crate) struct Pipeline {
    source: Arc<dyn Source>,
    engines: Vec<Box<dyn Engine>>,
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
    pub(crate) fn new(source: Arc<dyn Source>, engines: Vec<Box<dyn Engine>>) -> Self {
        Self { source, engines }
    }

    /// The fields that are delivered.
    pub(crate) fn schema(&self) -> &Schema {
        self.engines.last().map_or(self.source.schema(), |engine| engine.schema())
    }

    /// The fields that engine `at` reads.
    fn input(&self, at: usize) -> &Schema {
        at.checked_sub(1).map_or(self.source.schema(), |before| self.engines[before].schema())
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
        let caught = catch_unwind(AssertUnwindSafe(|| self.run_all(key, scratch, stop, clock)));
        let index = key.index as usize;
        match caught {
            Ok(Ok(())) => Ok(()),
            Ok(Err(cause)) => Err(self.failed(cause, index)),
            Err(payload) => Err(self.panicked(&*payload, clock.stage(), index)),
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
    fn panicked(&self, payload: &(dyn std::any::Any + Send), stage: Stage, index: usize) -> Error {
        let text = payload.downcast_ref::<&str>().copied();
        let text = text.or_else(|| payload.downcast_ref::<String>().map(String::as_str));
        let text = text.unwrap_or("a panic without a message");
        let message = format!("{text:?} in stage {stage}, sample {index}, {}", self.name(index));
        Error::new(ErrorKind::Panic, message)
    }

    /// The sample's name, from user code that may panic itself.
    pub(crate) fn name(&self, index: usize) -> String {
        let name = catch_unwind(AssertUnwindSafe(|| self.source.name(index).into_owned()));
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
        let mut raw = match scratch.rows.first_mut() {
            Some(buffer) => buffer.row(Some(stop)),
            None => scratch.slots.row(self.schema(), Some(stop)),
        };
        self.source.read(key.index as usize, &mut raw)?;
        raw.finish()?;
        if !self.engines.is_empty() {
            clock.enter(Stage::Transform);
        }
        for (at, engine) in self.engines.iter().enumerate() {
            let (done, rest) = scratch.rows.split_at_mut(at + 1);
            let raw = done[at].view();
            let plan = &mut scratch.plan[..engine.plan_bytes()];
            plan.fill(0);
            engine.plan(key, Shapes::of(raw), plan)?;
            let mut row = match rest.first_mut() {
                Some(buffer) => buffer.row(Some(stop)),
                None => scratch.slots.row(engine.schema(), Some(stop)),
            };
            engine.run(plan, raw, &mut row, &mut scratch.engine[..engine.scratch_bytes()])?;
            row.finish()?;
        }
        Ok(())
    }
}
