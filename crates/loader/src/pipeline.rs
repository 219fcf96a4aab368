//! From an index to a row of the slab: the source's read and the engines behind it, in a chain.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use tallow_core::{
    DeviceEngine, Engine, Extent, Field, FieldId, Made, Row, RowBuffer, RowDType, RowKey, RowSlots,
    RowView, Schema, Shapes, Source, zeroed_words,
};

use crate::epoch::Epoch;
use crate::resident::Resident;
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
    /// The engine that reads a second row beside some of its rows, by what it said at `build()`.
    mixer: Option<usize>,
    /// What makes batches of the rows in the slab, on a device.
    finisher: Option<Finisher>,
    /// Samples that stay on the device, in the state in which workers write them.
    resident: Option<Arc<Resident>>,
}

/// An engine that finishes batches on a device, and what workers write into the slab for it.
struct Finisher {
    engine: Arc<dyn DeviceEngine>,
    /// The fields that it delivers.
    delivered: Schema,
    /// What stands in the slab behind the raw fields: the plan, the raw fields of the partner of an
    /// engine that mixes, the delivered fields that workers make, and the index of the partner
    /// where partners may lie on the device.
    extras: Schema,
    /// The raw fields of the partner among these, or none.
    partners: usize,
    /// Those that workers make, as delivered fields.
    made: Vec<usize>,
    has_partner_index: bool,
}

impl Finisher {
    fn new(engine: Arc<dyn DeviceEngine>, raw: &Schema, resident: bool) -> Result<Self> {
        let delivered = engine.engine().schema().clone();
        let renamed = |name: String, field: &Field| {
            Field::with_dims(name, field.dtype(), field.dims().to_vec())
        };
        // Plans begin at a multiple of 8, as engines are promised.
        let plan = engine.engine().plan_bytes().next_multiple_of(size_of::<u64>());
        let mut extras = vec![Field::new("plan", RowDType::U8, &[plan])];
        let partners = if engine.engine().mixes() { raw.fields() } else { &[] };
        let partner = |field: &Field| renamed(format!("partner {}", field.name()), field);
        extras.extend(partners.iter().map(partner));
        let fields = 0..delivered.fields().len();
        let made: Vec<usize> = fields.filter(|&i| engine.made(i) == Made::OnHost).collect();
        let of = |&i: &usize| &delivered.fields()[i];
        extras.extend(made.iter().map(of).map(|f| renamed(format!("made {}", f.name()), f)));
        let has_partner_index = resident && !partners.is_empty();
        if has_partner_index {
            extras.push(Field::new("index of the partner", RowDType::I64, &[]));
        }
        let partners = partners.len();
        Ok(Self {
            extras: Schema::new(extras)?,
            engine,
            delivered,
            partners,
            made,
            has_partner_index,
        })
    }

    /// Where the fields that workers make stand among the extras.
    fn made_range(&self) -> std::ops::Range<usize> {
        1 + self.partners..1 + self.partners + self.made.len()
    }
}

/// What one worker needs beside the slab. Made once, reused for every row.
pub(crate) struct Scratch {
    pub(crate) tools: Tools,
    /// The input row of each engine.
    rows: Vec<RowBuffer>,
    /// The same for the partner of a row, up to the engine that mixes the two.
    partner: Vec<RowBuffer>,
}

/// The part of the scratch that rows and partners share.
pub(crate) struct Tools {
    /// Where the delivered row goes; aimed at a row of the slab.
    pub(crate) slots: RowSlots,
    /// Where go the plan and what else a device engine wants beside it.
    pub(crate) extras: Option<RowSlots>,
    /// Words, since engines are promised plans and scratch that begin at a multiple of 8.
    plan: Vec<u64>,
    engine: Vec<u64>,
}

impl Pipeline {
    /// A chain of the source alone.
    pub(crate) fn new(source: Arc<dyn Source>) -> Self {
        let schemas = vec![source.schema().clone()];
        Self { source, engines: Vec::new(), schemas, mixer: None, finisher: None, resident: None }
    }

    /// Adds an engine that was bound to [`Self::schema`].
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Config`] for a second engine that mixes.
    pub(crate) fn push(&mut self, engine: Box<dyn Engine>) -> Result<()> {
        self.note_mixer(&*engine)?;
        self.schemas.push(engine.schema().clone());
        self.engines.push(engine);
        Ok(())
    }

    fn note_mixer(&mut self, engine: &dyn Engine) -> Result<()> {
        let at = self.engines.len();
        if engine.mixes()
            && let Some(first) = self.mixer.replace(at)
        {
            let message =
                format!("transforms {first} and {at} of the chain both mix samples; one can");
            return Err(Error::new(ErrorKind::Config, message));
        }
        Ok(())
    }

    /// Ends the chain with an engine that was bound to [`Self::schema`], for a device where samples
    /// are `resident` or not.
    ///
    /// # Errors
    ///
    /// As [`push`](Self::push).
    pub(crate) fn finish_on(
        &mut self,
        engine: Arc<dyn DeviceEngine>,
        resident: bool,
    ) -> Result<()> {
        self.note_mixer(engine.engine())?;
        self.finisher = Some(Finisher::new(engine, self.written(), resident)?);
        Ok(())
    }

    /// Keeps `samples` samples on the device, as workers write them: for a chain that is whole, and
    /// in which nothing that workers do depends on more than the sample.
    pub(crate) fn keep_resident(&mut self, samples: usize) {
        let fields = 0..self.written().fields().len();
        let made = |field: &usize| self.finisher().is_some_and(|f| f.made(*field) == Made::OnHost);
        let on_host = fields.filter(made).collect();
        self.resident = Some(Arc::new(Resident::new(samples, self.written(), on_host)));
    }

    /// The samples that stay on the device.
    pub(crate) fn resident(&self) -> Option<&Arc<Resident>> {
        self.resident.as_ref()
    }

    /// The fields that are delivered.
    pub(crate) fn schema(&self) -> &Schema {
        self.finisher.as_ref().map_or(self.written(), |finisher| &finisher.delivered)
    }

    /// The fields that workers write into the slab: those that are delivered, or what a device
    /// engine makes them of.
    pub(crate) fn written(&self) -> &Schema {
        &self.schemas[self.engines.len()]
    }

    /// What workers write beside them for a device engine.
    pub(crate) fn extras(&self) -> Option<&Schema> {
        self.finisher.as_ref().map(|finisher| &finisher.extras)
    }

    /// The engine that finishes batches on a device.
    pub(crate) fn finisher(&self) -> Option<&Arc<dyn DeviceEngine>> {
        self.finisher.as_ref().map(|finisher| &finisher.engine)
    }

    /// Every engine of the chain, one for a device included.
    pub(crate) fn engines(&self) -> impl Iterator<Item = &dyn Engine> {
        let last = self.finisher().map(|finisher| finisher.engine());
        self.engines.iter().map(|engine| &**engine).chain(last)
    }

    /// What the engines read.
    fn inputs(&self) -> &[Schema] {
        &self.schemas[..self.engines.len()]
    }

    /// What the engines read of a partner, the one that mixes being the last.
    fn partner_inputs(&self) -> &[Schema] {
        &self.schemas[..self.mixer.map_or(0, |at| at + 1)]
    }

    /// Bytes of the scratch of one worker.
    pub(crate) fn scratch_bytes(&self) -> usize {
        let rows = self.inputs().iter().chain(self.partner_inputs());
        rows.map(RowBuffer::bytes_for).sum::<usize>() + self.plan_bytes() + self.engine_bytes()
    }

    fn plan_bytes(&self) -> usize {
        self.engines().map(|engine| engine.plan_bytes()).max().unwrap_or(0)
    }

    fn engine_bytes(&self) -> usize {
        self.engines().map(|engine| engine.scratch_bytes()).max().unwrap_or(0)
    }

    pub(crate) fn scratch(&self) -> Result<Scratch> {
        let rows = |schemas: &[Schema]| {
            schemas.iter().map(RowBuffer::new).collect::<tallow_core::Result<Vec<_>>>()
        };
        let tools = Tools {
            slots: RowSlots::new(self.written()),
            extras: self.extras().map(RowSlots::new),
            plan: zeroed_words(self.plan_bytes())?,
            engine: zeroed_words(self.engine_bytes())?,
        };
        let (rows, partner) = (rows(self.inputs())?, rows(self.partner_inputs())?);
        Ok(Scratch { tools, rows, partner })
    }

    /// Writes the sample of `key` into the row that the slots of `scratch` are aimed at. A panic
    /// of user code is an error like any other.
    pub(crate) fn run(
        &self,
        epoch: Epoch<'_>,
        key: RowKey,
        scratch: &mut Scratch,
        stop: &AtomicBool,
        clock: &mut StageClock<'_>,
    ) -> Result<()> {
        // The scratch is left in no state that matters: each row starts with empty slots.
        let Scratch { tools, rows, partner } = scratch;
        let mut chain = Chain { pipeline: self, tools, stop, clock };
        let partner_key = chain.bring_partner(epoch, key, partner)?;
        let beside = partner_key.zip(partner.last().map(RowBuffer::view));
        chain.caught(key, partner_key, |chain| {
            if !chain.restore(key)? {
                chain.fill(key, self.engines.len(), beside, rows)?;
                chain.check()?;
                chain.keep(key);
            }
            chain.plan_for_device(key, beside)
        })
    }

    /// The error of sample `own`, or of `partner`, which is mixed into it, where `cause` is of that one.
    #[cold]
    fn failed(&self, cause: tallow_core::Error, own: usize, partner: Option<usize>) -> Error {
        let partner = partner.filter(|_| cause.is_of_partner());
        let index = partner.unwrap_or(own);
        let mut cause = cause.with_index(index);
        if cause.path().is_none()
            && let Some(path) = cause.field().and_then(|name| self.file(index, FieldId::of(name)))
        {
            cause = cause.with_path(path);
        }
        // What the source calls a sample is mostly the file of its first field: no other is at fault.
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

    /// Where the source says that a sample lies.
    pub(crate) fn extents(&self, index: usize) -> Vec<Extent> {
        self.source.extents(index)
    }

    /// A sample as errors name it: with the file of `field` where that is known, and otherwise as
    /// the source calls it, if it calls it anything.
    pub(crate) fn place(&self, index: usize, field: Option<FieldId>) -> String {
        let file = field.and_then(|field| self.file(index, field));
        let file = file.map(|path| format!("{path:?}"));
        match file.or_else(|| self.name(index).map(|name| format!("{name:?}"))) {
            Some(name) => format!("sample {index}, {name}"),
            None => format!("sample {index}"),
        }
    }

    /// The file of a field, from user code that may panic itself.
    fn file(&self, index: usize, field: FieldId) -> Option<PathBuf> {
        catch(|| self.source.file(index, field)).ok().flatten()
    }

    /// The sample's name, if it says more than the index does.
    fn name(&self, index: usize) -> Option<String> {
        let name = catch(|| self.source.name(index).into_owned()).ok();
        name.filter(|name| *name != format!("sample {index}"))
    }
}

/// Why a sample was read whose turn it is not.
fn role_of_partner(index: usize) -> String {
    format!("read as the partner of sample {index}")
}

/// The key of a partner and its row, as the engine that mixes reads it.
type Beside<'a> = (RowKey, RowView<'a>);

/// The chain at work on one row of the slab, and before it on its partner.
struct Chain<'a, 'c> {
    pipeline: &'a Pipeline,
    tools: &'a mut Tools,
    stop: &'a AtomicBool,
    clock: &'a mut StageClock<'c>,
}

impl Chain<'_, '_> {
    /// Does `work`, which is about the sample of `key`, and that of `partner` where it is mixed in.
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

    /// Makes what the engine that mixes reads beside the row of `key` in the last of `rows`;
    /// returns the partner's key, if that row has a partner.
    ///
    /// Before the row itself, whose scratch the partner's engines then leave alone.
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
        // Whoever finds the worker stuck should name the sample that it is at.
        self.clock.sample(partner.index as usize);
        let made = self.caught(partner, None, |chain| {
            if let (Some(resident), Some(row)) = (&chain.pipeline.resident, rows.last_mut())
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

    /// Writes of a sample that lies on the device what is wanted of it here; returns whether it
    /// does.
    fn restore(&mut self, key: RowKey) -> tallow_core::Result<bool> {
        let Some(resident) = &self.pipeline.resident else { return Ok(false) };
        let mut row = self.tools.slots.row(self.pipeline.written(), Some(self.stop));
        resident.restore(key.index as usize, &mut row)
    }

    /// Keeps of a sample that was read what will be wanted here.
    fn keep(&self, key: RowKey) {
        if let Some(resident) = &self.pipeline.resident {
            resident.keep(key.index as usize, self.tools.slots.view(self.pipeline.written()));
        }
    }

    /// Asks a device engine whether the row of the slab, just read, has values that it can work with.
    fn check(&self) -> tallow_core::Result<()> {
        let Some(finisher) = self.pipeline.finisher() else { return Ok(()) };
        finisher.engine().check(self.tools.slots.view(self.pipeline.written()))
    }

    /// Reads the sample of `key` and runs the first `engines` of the chain on it. The last of them
    /// writes the row of `rows` behind its own, or that of the slab where there is none.
    fn fill(
        &mut self,
        key: RowKey,
        engines: usize,
        beside: Option<Beside<'_>>,
        rows: &mut [RowBuffer],
    ) -> tallow_core::Result<()> {
        self.read(key, rows)?;
        if engines == 0 {
            return Ok(());
        }
        self.clock.enter(Stage::Transform);
        let span =
            tracing::trace_span!(target: "tallow::transform", "transform", index = key.index);
        let _entered = span.enter();
        for at in 0..engines {
            let beside = beside.filter(|_| self.pipeline.mixer == Some(at));
            self.step(at, key, beside, rows)?;
        }
        Ok(())
    }

    fn read(&mut self, key: RowKey, rows: &mut [RowBuffer]) -> tallow_core::Result<()> {
        self.clock.enter(Stage::Read);
        let span = tracing::trace_span!(target: "tallow::read", "read", index = key.index);
        let _entered = span.enter();
        let mut target = Target::of(rows, &mut self.tools.slots, self.pipeline.written());
        let index = key.index as usize;
        let read = self.pipeline.source.read(index, &mut self.clock.watch(target.row(self.stop)));
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
        let engine = &*self.pipeline.engines[at];
        let Tools { slots, plan, engine: own, .. } = &mut *self.tools;
        let (done, rest) = rows.split_at_mut(at + 1);
        let raw = done[at].view();
        engine.check(raw)?;
        let plan = &mut bytemuck::cast_slice_mut(plan)[..engine.plan_bytes()];
        let own = &mut bytemuck::cast_slice_mut(own)[..engine.scratch_bytes()];
        plan.fill(0);
        let mut target = Target::of(rest, slots, self.pipeline.written());
        match beside {
            None => {
                engine.plan(key, Shapes::of(raw), plan)?;
                engine.run(plan, raw, &mut target.row(self.stop), own)?;
            }
            Some((partner, row)) => {
                let shapes = (Shapes::of(raw), Shapes::of(row));
                engine.plan_pair((key, shapes.0), (partner, shapes.1), plan)?;
                engine.run_pair(plan, raw, row, &mut target.row(self.stop), own)?;
            }
        }
        target.finish()
    }
}

impl Chain<'_, '_> {
    /// Writes into the slab what a device engine wants beside the raw row.
    fn plan_for_device(
        &mut self,
        key: RowKey,
        beside: Option<Beside<'_>>,
    ) -> tallow_core::Result<()> {
        let Some(finisher) = &self.pipeline.finisher else { return Ok(()) };
        let engine = finisher.engine.engine();
        let beside = beside.filter(|_| engine.mixes());
        let Tools { slots, extras, plan, engine: own } = &mut *self.tools;
        let Some(extras) = extras else { return Ok(()) };
        self.clock.enter(Stage::Transform);
        let raw = slots.view(self.pipeline.written());
        let plan: &mut [u8] = bytemuck::cast_slice_mut(plan);
        plan.fill(0);
        let own = &mut bytemuck::cast_slice_mut(own)[..engine.scratch_bytes()];
        let mut row = extras.row(&finisher.extras, Some(self.stop));
        let (plan, padded) = {
            let (len, padded) = (engine.plan_bytes(), finisher.extras.fields()[0].max_bytes());
            match beside {
                None => engine.plan(key, Shapes::of(raw), &mut plan[..len])?,
                Some((partner, view)) => {
                    let shapes = (Shapes::of(raw), Shapes::of(view));
                    engine.plan_pair((key, shapes.0), (partner, shapes.1), &mut plan[..len])?;
                    // A partner on the device is brought there, from then on and for ever.
                    let index = partner.index as usize;
                    let resident = self.pipeline.resident.as_ref();
                    if !resident.is_some_and(|resident| resident.is_present(index)) {
                        for i in 0..view.field_count() {
                            row.field(1 + i).copy_from_view(&view.field(i))?;
                        }
                    }
                }
            }
            (&plan[..len], &plan[..padded])
        };
        row.field(0).copy_from_bytes(padded)?;
        let made = finisher.made_range();
        if finisher.has_partner_index {
            let partner = beside.map_or(-1, |(partner, _)| partner.index as i64);
            row.field(made.end).copy_from_slice(&[partner])?;
        }
        for (at, &field) in finisher.made.iter().enumerate() {
            let partner = beside.map(|(_, view)| view.field(field));
            let to = &mut row.field(made.start + at);
            finisher.engine.make_on_host(field, plan, raw.field(field), partner, to, own)?;
        }
        extras.finish_part(&finisher.extras, made)
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
