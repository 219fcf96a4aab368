//! The chain at work: one sample is read, run through the engines, and written into a row of the slab.

use std::sync::atomic::AtomicBool;
use std::time::Instant;

use tallow_core::{
    Engine, FieldId, Location, Pass, Row, RowBuffer, RowKey, RowSlots, RowView, Schema, Shapes,
};

use super::epoch::Epoch;
use super::pipeline::{Pipeline, Scratch, Tools};
use crate::resident::Resident;
use crate::slabs;
use crate::stages::{Activity, Stage, StageClock};
use crate::user_code::catch;
use crate::{Error, ErrorKind, Result};

impl Pipeline {
    /// Writes the sample of `key` into the row at which the slots of `scratch` are aimed, and what is
    /// decoded for a device into `memory`. A panic of user code is an error like any other.
    pub(crate) fn run(
        &self,
        epoch: Epoch<'_>,
        key: RowKey,
        scratch: &mut Scratch,
        memory: slabs::Beside<'_>,
        stop: &AtomicBool,
        clock: &mut StageClock<'_>,
    ) -> Result<()> {
        // The state of the scratch does not matter: each row starts with empty slots.
        let Scratch { tools, rows, partner } = scratch;
        let resident = self.resident.as_deref();
        let pass = epoch.pass;
        let mut chain = Chain { pipeline: self, resident, pass, tools, stop, clock };
        let partner_key = chain.bring_partner(epoch, key, partner)?;
        let beside = partner_key.zip(partner.last().map(RowBuffer::view));
        chain.caught(key, partner_key, |chain| {
            if !chain.restore(key, rows)? {
                chain.fill(key, self.engines.len(), beside, rows)?;
                chain.check(rows)?;
                chain.keep(key, rows)?;
            }
            chain.plan_for_device(key, beside, rows, memory)
        })
    }

    /// The row of `key` as it is delivered, in memory of its own: made on the CPU, also where it is
    /// otherwise made on a device.
    pub(super) fn delivered(&self, epoch: Epoch<'_>, key: RowKey) -> Result<RowBuffer> {
        let (stop, activity) = (AtomicBool::new(false), Activity::default());
        let mut clock = StageClock::start(&activity, Instant::now());
        let Scratch { mut tools, mut rows, mut partner } = self.scratch()?;
        // After each engine comes a row like those before, instead of that of a slab.
        if rows.len() == self.engines.len() {
            rows.push(RowBuffer::new(self.raw())?);
        }
        if self.finisher.is_some() {
            rows.push(RowBuffer::new(self.schema())?);
        }
        let (tools, stop, clock) = (&mut tools, &stop, &mut clock);
        let pass = epoch.pass;
        let mut chain = Chain { pipeline: self, resident: None, pass, tools, stop, clock };
        chain.whole(epoch, key, &mut rows, &mut partner)?;
        Ok(rows.pop().expect("the row after the last engine"))
    }

    /// Engine number `at`, that of a device being the last.
    fn engine(&self, at: usize) -> &dyn Engine {
        self.engines().nth(at).expect("an engine for each row")
    }

    /// The error of sample `own`, or of its `partner` if that is what failed.
    #[cold]
    fn failed(&self, cause: tallow_core::Error, own: usize, partner: Option<usize>) -> Error {
        let partner = partner.filter(|_| cause.is_of_partner());
        let index = partner.unwrap_or(own);
        let mut cause = cause.with_index(index);
        if cause.path().is_none()
            && let Some(field) = cause.field().map(FieldId::of)
            && let Some(path) = self.location(index, field).as_ref().and_then(Location::path)
        {
            cause = cause.with_path(path);
        }
        // The name of a sample is mostly the file of its first field, so it is no help if another
        // field failed.
        let other = cause.field().and_then(|field| self.schemas[0].position(field));
        let is_named = cause.path().is_none() && other.is_none_or(|at| at == 0);
        let name = if is_named { self.name(index) } else { None };
        let name = name.map(|name| format!("{name:?}")).unwrap_or_default();
        let error = Error::caused(ErrorKind::Sample, cause).with_message(name);
        match partner {
            Some(_) => error.with_remark(&role_of_partner(own)),
            None => error,
        }
    }
}

/// Why a sample was read out of turn.
fn role_of_partner(index: usize) -> String {
    format!("read as the partner of sample {index}")
}

/// The key of a partner and its row, as the engine that mixes reads it.
pub(super) type Beside<'a> = (RowKey, RowView<'a>);

/// The chain at work on one row of the slab, after its partner.
pub(super) struct Chain<'a, 'c> {
    pub(super) pipeline: &'a Pipeline,
    /// Samples that need not be read.
    pub(super) resident: Option<&'a Resident>,
    /// What samples are taken from, if they come one after the other.
    pub(super) pass: Option<&'a dyn Pass>,
    pub(super) tools: &'a mut Tools,
    pub(super) stop: &'a AtomicBool,
    pub(super) clock: &'a mut StageClock<'c>,
}

impl Chain<'_, '_> {
    /// Does `work` on the sample of `key`, into which that of `partner` may be mixed. Catches panics.
    fn caught<T>(
        &mut self,
        key: RowKey,
        partner: Option<RowKey>,
        work: impl FnOnce(&mut Self) -> tallow_core::Result<T>,
    ) -> Result<T> {
        let index = key.index as usize;
        match catch(|| work(self)) {
            Ok(Ok(done)) => Ok(done),
            Ok(Err(cause)) => {
                let partner = partner.map(|partner| partner.index as usize);
                Err(self.pipeline.failed(cause, index, partner))
            }
            Err(text) => {
                let (stage, place) =
                    (self.clock.stage(), self.pipeline.place(index, self.clock.field()));
                Err(Error::new(ErrorKind::Panic, format!("{text:?} in stage {stage}, {place}")))
            }
        }
    }

    /// Runs every engine on the sample of `key`, one for a device included. `rows` has one row more than
    /// there are engines.
    pub(super) fn whole(
        &mut self,
        epoch: Epoch<'_>,
        key: RowKey,
        rows: &mut [RowBuffer],
        partner: &mut [RowBuffer],
    ) -> Result<()> {
        let partner_key = self.bring_partner(epoch, key, partner)?;
        let beside = partner_key.zip(partner.last().map(RowBuffer::view));
        let engines = self.pipeline.engines().count();
        self.caught(key, partner_key, |chain| chain.fill(key, engines, beside, rows))
    }

    /// Makes the partner of the row of `key`, as the engine that mixes reads it, in the last of `rows`.
    /// Returns the key of the partner, if the row has one.
    ///
    /// It comes before the row itself, so that its engines do not overwrite the scratch of the row.
    fn bring_partner(
        &mut self,
        epoch: Epoch<'_>,
        key: RowKey,
        rows: &mut [RowBuffer],
    ) -> Result<Option<RowKey>> {
        let Some(mixer) = self.pipeline.mixer else { return Ok(None) };
        let engine = self.pipeline.engines().nth(mixer).expect("the engine that mixes");
        self.clock.enter(Stage::Transform);
        let Some(position) = self.caught(key, None, |_| Ok(epoch.partner(engine, key)))? else {
            return Ok(None);
        };
        let partner = epoch.partner_sample(key, position)?;
        // If the worker gets stuck, the error should name the sample that it is at.
        self.clock.sample(partner.index as usize);
        let made = self.caught(partner, None, |chain| {
            if let (Some(resident), Some(row)) = (chain.resident, rows.last_mut())
                && resident.restore(partner.index as usize, &mut row.row(Some(chain.stop)))?
            {
                return Ok(());
            }
            chain.fill(partner, mixer, None, rows)?;
            rows.last().map_or(Ok(()), |row| engine.check(row.view()))
        });
        self.clock.sample(key.index as usize);
        let role = || role_of_partner(key.index as usize);
        made.map(|()| Some(partner)).map_err(|error| error.with_remark(&role()))
    }

    /// If the sample is on the device, writes what is needed of it here; returns whether it is.
    fn restore(&mut self, key: RowKey, rows: &mut [RowBuffer]) -> tallow_core::Result<bool> {
        let Some(resident) = self.resident else { return Ok(false) };
        let rows = &mut rows[self.pipeline.engines.len()..];
        let mut target = RowTarget::of(rows, &mut self.tools.slots, self.pipeline.raw());
        resident.restore(key.index as usize, &mut target.row(self.stop))
    }

    /// Keeps what will be needed here of a sample that was read.
    fn keep(&self, key: RowKey, rows: &[RowBuffer]) -> tallow_core::Result<()> {
        let Some(resident) = self.resident else { return Ok(()) };
        resident.keep(key.index as usize, self.raw(rows))
    }

    /// Asks a device engine whether it can work with the values in the row that was just read.
    fn check(&self, rows: &[RowBuffer]) -> tallow_core::Result<()> {
        let Some(finisher) = self.pipeline.finisher() else { return Ok(()) };
        finisher.engine().check(self.raw(rows))
    }

    /// What comes after the engines of the CPU: a row like those before if something of it is
    /// decoded for the device, or that of the slab.
    fn raw<'r>(&'r self, rows: &'r [RowBuffer]) -> RowView<'r> {
        let raw = rows.get(self.pipeline.engines.len()).map(RowBuffer::view);
        raw.unwrap_or_else(|| self.tools.slots.view(self.pipeline.raw()))
    }

    /// Reads the sample of `key` and runs the first `engines` engines of the chain on it. The last of
    /// them writes the next row of `rows`, or that of the slab if there is none.
    fn fill(
        &mut self,
        key: RowKey,
        engines: usize,
        beside: Option<Beside<'_>>,
        rows: &mut [RowBuffer],
    ) -> tallow_core::Result<()> {
        self.read(key, rows)?;
        let mut at = 0;
        while at < engines {
            let stage = self.pipeline.stage(at);
            let same = |&next: &usize| self.pipeline.stage(next) == stage;
            let end = (at..engines).take_while(same).count() + at;
            self.clock.enter(stage);
            let _entered = span_of(stage, key.index).entered();
            for at in at..end {
                let beside = beside.filter(|_| self.pipeline.mixer == Some(at));
                self.step(at, key, beside, rows)?;
            }
            at = end;
        }
        Ok(())
    }

    fn read(&mut self, key: RowKey, rows: &mut [RowBuffer]) -> tallow_core::Result<()> {
        self.clock.enter(Stage::Read);
        let span = tracing::trace_span!(target: "tallow::read", "read", index = key.index);
        let _entered = span.enter();
        let mut target = RowTarget::of(rows, &mut self.tools.slots, self.pipeline.raw());
        let index = key.index as usize;
        let row = self.clock.watch(target.row(self.stop)).taken_from(self.pass);
        let mut row = row.checked_later(self.tools.unchecked.as_ref());
        let read = self.pipeline.source.read(index, &mut row);
        read.and_then(|()| target.finish()).map_err(|error| error.with_index(index))
    }

    /// Runs engine `at` on its row of `rows`.
    fn step(
        &mut self,
        at: usize,
        key: RowKey,
        beside: Option<Beside<'_>>,
        rows: &mut [RowBuffer],
    ) -> tallow_core::Result<()> {
        let engine = self.pipeline.engine(at);
        let Tools { slots, plan, engine: own, .. } = &mut *self.tools;
        let (done, rest) = rows.split_at_mut(at + 1);
        let raw = done[at].view();
        engine.check(raw)?;
        let plan = &mut bytemuck::cast_slice_mut(plan)[..engine.plan_bytes()];
        let own = &mut bytemuck::cast_slice_mut(own)[..engine.scratch_bytes()];
        plan.fill(0);
        let mut target = RowTarget::of(rest, slots, self.pipeline.raw());
        match beside.zip(engine.mixer()) {
            None => {
                engine.plan(key, Shapes::of(raw), plan)?;
                engine.run(plan, raw, &mut self.clock.watch(target.row(self.stop)), own)?;
            }
            Some(((partner, row), mixer)) => {
                let shapes = (Shapes::of(raw), Shapes::of(row));
                mixer.plan_pair((key, shapes.0), (partner, shapes.1), plan)?;
                let to = &mut self.clock.watch(target.row(self.stop));
                mixer.run_pair(plan, raw, row, to, own)?;
            }
        }
        target.finish()
    }
}

/// The span of engines that are timed as `stage`.
fn span_of(stage: Stage, index: u64) -> tracing::Span {
    match stage {
        Stage::Decode => tracing::trace_span!(target: "tallow::decode", "decode", index),
        _ => tracing::trace_span!(target: "tallow::transform", "transform", index),
    }
}

/// Where a step of the chain writes: the input row of the next engine, or after the last one the row
/// of the slab.
enum RowTarget<'a> {
    Scratch(&'a mut RowBuffer),
    Slab(&'a mut RowSlots, &'a Schema),
}

impl<'a> RowTarget<'a> {
    fn of(next: &'a mut [RowBuffer], slots: &'a mut RowSlots, written: &'a Schema) -> Self {
        match next.first_mut() {
            Some(buffer) => Self::Scratch(buffer),
            None => Self::Slab(slots, written),
        }
    }

    fn row<'b>(&'b mut self, stop: &'b AtomicBool) -> Row<'b> {
        match self {
            Self::Scratch(buffer) => buffer.row(Some(stop)),
            Self::Slab(slots, schema) => slots.row(schema, Some(stop)),
        }
    }

    /// Checks that the memory is written. The row itself cannot be asked: user code may have replaced it.
    fn finish(&self) -> tallow_core::Result<()> {
        match self {
            Self::Scratch(buffer) => buffer.finish(),
            Self::Slab(slots, schema) => slots.finish(schema),
        }
    }
}
