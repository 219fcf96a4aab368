//! Rows one at a time, for passes over a source that make no batches.

use std::sync::atomic::AtomicBool;
use std::time::Instant;

use tallow_core::{RowBuffer, RowKey, RowView};

use super::chain::Chain;
use super::epoch::Epoch;
use super::pipeline::{Pipeline, Scratch, Tools};
use crate::Result;
use crate::stages::{Activity, StageClock};

/// The memory of one thread that makes rows of a pipeline, each with its own memory instead of that of
/// a slab.
pub(crate) struct RowMaker<'a> {
    pipeline: &'a Pipeline,
    tools: Tools,
    /// The input row of each engine, and the row after the last one.
    rows: Vec<RowBuffer>,
    partner: Vec<RowBuffer>,
    activity: Activity,
    stop: AtomicBool,
    started: Instant,
}

impl<'a> RowMaker<'a> {
    /// # Errors
    ///
    /// [`ErrorKind::Memory`](crate::ErrorKind::Memory) when there is not that much.
    pub(crate) fn new(pipeline: &'a Pipeline) -> Result<Self> {
        let Scratch { tools, mut rows, partner } = pipeline.scratch()?;
        rows.push(RowBuffer::new(pipeline.raw())?);
        let (activity, stop) = (Activity::default(), AtomicBool::new(false));
        Ok(Self { pipeline, tools, rows, partner, activity, stop, started: Instant::now() })
    }

    /// The row of `key`, until the next one is made.
    ///
    /// # Errors
    ///
    /// When the sample cannot be read or transformed; a panic of user code is an error, too.
    pub(crate) fn make(&mut self, epoch: Epoch<'_>, key: RowKey) -> Result<RowView<'_>> {
        let mut clock = StageClock::start(&self.activity, self.started);
        let mut chain = Chain {
            pipeline: self.pipeline,
            resident: None,
            pass: epoch.pass,
            tools: &mut self.tools,
            stop: &self.stop,
            clock: &mut clock,
        };
        chain.whole(epoch, key, &mut self.rows, &mut self.partner)?;
        Ok(self.rows.last().expect("the row after the last engine").view())
    }
}
