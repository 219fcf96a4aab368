//! The chain from an index to a row of the slab: the source, then the engines.

use std::sync::Arc;

use tallow_core::device::{DeviceEngine, Made};
use tallow_core::{
    Decode, Decoders, Engine, Extent, Field, FieldId, Location, Picture, RowBuffer, RowSlots,
    Schema, Source, Transform as _, Unchecked, zeroed_words,
};

use super::finisher::{Finisher, Placed};
use crate::resident::{Resident, ResidentParts};
use crate::slabs::Cut;
use crate::stages::Stage;
use crate::user_code::catch;
use crate::{Error, ErrorKind, Result};

/// A source and the engines that rewrite its rows; the last one writes into the slab. Without
/// engines the source itself does.
pub(crate) struct Pipeline {
    pub(super) source: Arc<dyn Source>,
    pub(super) engines: Vec<Box<dyn Engine>>,
    /// The engine that decodes whole pictures, if there is one.
    decoder: Option<usize>,
    /// What the source writes, then what each engine writes, as they said at `build()`. The layout
    /// of the memory depends on it, so user code is not asked again.
    pub(super) schemas: Vec<Schema>,
    /// The engine that mixes a second row into some of its rows, by what it said at `build()`.
    pub(crate) mixer: Option<usize>,
    /// Makes batches of the rows in the slab, on a device.
    pub(super) finisher: Option<Finisher>,
    /// Delivered fields that are cut to the longest row of their batch.
    cuts: Vec<Cut>,
    /// Samples that remain on the device, as workers write them.
    pub(super) resident: Option<Arc<Resident>>,
}

/// What one worker needs in addition to the slab. Made once, reused for every row.
pub(crate) struct Scratch {
    pub(crate) tools: Tools,
    /// The input row of each engine.
    pub(super) rows: Vec<RowBuffer>,
    /// The same for the partner of a row, up to the engine that mixes the two.
    pub(super) partner: Vec<RowBuffer>,
}

/// The part of the scratch that rows and partners share.
pub(crate) struct Tools {
    /// Where files are noted that are looked at once for all rows of a claim, if they are.
    pub(crate) unchecked: Option<Unchecked>,
    /// Where the delivered row goes; aimed at a row of the slab.
    pub(crate) slots: RowSlots,
    /// Where the plan goes, and what else a device engine needs.
    pub(crate) extras: Option<RowSlots>,
    /// Words, since plans and scratch must begin at a multiple of 8.
    pub(super) plan: Vec<u64>,
    pub(super) engine: Vec<u64>,
}

impl Pipeline {
    /// A chain of the source alone.
    pub(crate) fn new(source: Arc<dyn Source>) -> Self {
        let schemas = vec![source.schema().clone()];
        Self {
            source,
            engines: Vec::new(),
            decoder: None,
            schemas,
            mixer: None,
            finisher: None,
            cuts: Vec::new(),
            resident: None,
        }
    }

    /// Where the rows come from.
    pub(crate) fn source(&self) -> &Arc<dyn Source> {
        &self.source
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

    /// Decodes what is still encoded of [`Self::schema`], for what comes next.
    ///
    /// # Errors
    ///
    /// When the decoded fields do not fit the address space.
    pub(crate) fn decode(&mut self) -> Result<()> {
        if Decode::is_needed(self.schema()) {
            self.decoder = Some(self.engines.len());
            self.push(Decode.bind(self.schema())?)?;
        }
        Ok(())
    }

    /// Decodes those fields of [`Self::schema`] whose positions are `fields`, for an engine that leaves
    /// them as they are.
    ///
    /// # Errors
    ///
    /// As [`decode`](Self::decode).
    pub(crate) fn decode_fields(&mut self, fields: &[usize]) -> Result<()> {
        if !fields.is_empty() {
            self.decoder = Some(self.engines.len());
            self.push(Decode::bind_fields(self.schema(), fields)?)?;
        }
        Ok(())
    }

    /// The stage in which engine `at` is timed.
    pub(super) fn stage(&self, at: usize) -> Stage {
        if self.decoder == Some(at) { Stage::Decode } else { Stage::Transform }
    }

    fn note_mixer(&mut self, engine: &dyn Engine) -> Result<()> {
        let at = self.engines.len();
        if engine.mixer().is_some()
            && let Some(first) = self.mixer.replace(at)
        {
            let message = format!(
                "transforms {first} and {at} of the chain both mix samples, expected one that does"
            );
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
        self.finisher = Some(Finisher::new(engine, self.raw(), resident)?);
        Ok(())
    }

    /// Keeps `samples` samples in at most `bytes_max` bytes of the device, as workers write them. For a
    /// complete chain in which what the workers do depends only on the sample.
    pub(crate) fn keep_resident(&mut self, samples: usize, bytes_max: usize) {
        let fields = 0..self.raw().fields().len();
        let made = |field: &usize| self.finisher().is_some_and(|f| f.made(*field) == Made::OnHost);
        let parts = ResidentParts {
            made: fields.clone().filter(made).collect(),
            // The host decides how long a batch is.
            read: self.cuts.iter().map(|cut| cut.lens).collect(),
            pictures: fields.filter(|&field| self.is_raster(field)).collect(),
        };
        let resident = Resident::new(samples, self.raw(), parts, bytes_max);
        self.resident = Some(Arc::new(resident));
    }

    /// Whether the slab has of raw field `field` where its pixels lie.
    pub(crate) fn is_raster(&self, field: usize) -> bool {
        let placed = self.finisher.as_ref().map(|finisher| &finisher.placed[field]);
        matches!(placed, Some(Placed::Raster(_) | Placed::Part))
    }

    /// The raw fields of which a row has only what its plan reaches, beside the slab.
    #[cfg(feature = "cuda")]
    pub(crate) fn windows(&self) -> impl Iterator<Item = &Field> {
        let fields = self.raw().fields().iter().enumerate();
        fields.filter(|(at, _)| self.is_raster(*at)).map(|(_, field)| field)
    }

    /// Delivers fields as long as the longest row of their batch.
    pub(crate) fn cut(&mut self, cuts: Vec<Cut>) {
        self.cuts = cuts;
    }

    /// The delivered fields that are.
    pub(crate) fn cuts(&self) -> &[Cut] {
        &self.cuts
    }

    /// The samples that remain on the device.
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
        self.finisher.as_ref().map_or(self.raw(), |finisher| &finisher.slab)
    }

    /// What comes after the engines of the CPU: what workers write into the slab, but for pictures that
    /// are decoded on the way.
    pub(crate) fn raw(&self) -> &Schema {
        &self.schemas[self.engines.len()]
    }

    /// What workers write in addition for a device engine.
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

    /// What the engines read, of those for a device one that is given not all of it.
    fn inputs(&self) -> &[Schema] {
        let aside = self.finisher.as_ref().is_some_and(Finisher::reads_aside);
        &self.schemas[..self.engines.len() + usize::from(aside)]
    }

    /// What the engines read of a partner, the one that mixes being the last.
    fn partner_inputs(&self) -> &[Schema] {
        &self.schemas[..self.mixer.map_or(0, |at| at + 1)]
    }

    /// Bytes of the scratch of one worker, but for [`Self::picture_bytes`].
    pub(crate) fn scratch_bytes(&self) -> usize {
        let rows = self.inputs().iter().chain(self.partner_inputs());
        let rows = rows.map(|schema| RowBuffer::bytes_for(schema) - payload_bytes(schema));
        rows.sum::<usize>() + self.plan_bytes() + self.engine_bytes()
    }

    /// Bytes of one worker for the largest pictures that the source may have: their files, and what
    /// it takes to decode them.
    pub(crate) fn picture_bytes(&self) -> usize {
        let payloads = self.inputs().iter().chain(self.partner_inputs()).map(payload_bytes);
        let decoders = self.engines().zip(self.inputs()).map(|(engine, schema)| {
            let largest = pictures(schema).map(Decoders::bytes_max).max().unwrap_or(0);
            // An engine that mixes may need the pixels of two rows at a time.
            largest.saturating_mul(1 + usize::from(engine.mixer().is_some()))
        });
        payloads.chain(decoders).fold(0, usize::saturating_add)
    }

    fn plan_bytes(&self) -> usize {
        self.engines().map(|engine| engine.plan_bytes()).max().unwrap_or(0)
    }

    fn engine_bytes(&self) -> usize {
        self.engines().map(|engine| engine.scratch_bytes()).max().unwrap_or(0)
    }

    /// The memory of one worker.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Memory`] when there is not that much.
    pub(crate) fn scratch(&self) -> Result<Scratch> {
        let rows = |schemas: &[Schema]| {
            schemas.iter().map(RowBuffer::new).collect::<tallow_core::Result<Vec<_>>>()
        };
        let tools = Tools {
            unchecked: None,
            slots: RowSlots::new(self.written()),
            extras: self.extras().map(RowSlots::new),
            plan: zeroed_words(self.plan_bytes())?,
            engine: zeroed_words(self.engine_bytes())?,
        };
        let (rows, partner) = (rows(self.inputs())?, rows(self.partner_inputs())?);
        Ok(Scratch { tools, rows, partner })
    }

    /// The most bytes that a sample of the source has.
    pub(crate) fn read_bytes(&self) -> usize {
        let fields = self.schemas[0].fields().iter();
        fields.map(Field::max_bytes).fold(0, usize::saturating_add)
    }

    /// Where a sample is, according to the source.
    pub(crate) fn extents(&self, index: usize, visit: &mut dyn FnMut(&Extent)) {
        self.source.extents(index, visit)
    }

    /// A sample as errors name it: with the location of `field` where that is known, and otherwise as
    /// the source calls it, if it calls it anything.
    pub(crate) fn place(&self, index: usize, field: Option<FieldId>) -> String {
        let location = field.and_then(|field| self.location(index, field));
        let location = location.map(|location| format!("{location:?}"));
        match location.or_else(|| self.name(index).map(|name| format!("{name:?}"))) {
            Some(name) => format!("sample {index}, {name}"),
            None => format!("sample {index}"),
        }
    }

    /// Where a field lies, from user code that may panic itself.
    pub(super) fn location(&self, index: usize, field: FieldId) -> Option<Location> {
        catch(|| self.source.location(index, field)).ok().flatten()
    }

    /// The sample's name, if it says more than the index does.
    pub(super) fn name(&self, index: usize) -> Option<String> {
        let name = catch(|| self.source.name(index).into_owned()).ok();
        name.filter(|name| *name != format!("sample {index}"))
    }
}

/// The pictures of the fields that have some.
fn pictures(schema: &Schema) -> impl Iterator<Item = &Picture> {
    schema.fields().iter().filter_map(Field::as_picture)
}

/// Bytes of a row for the files of pictures.
fn payload_bytes(schema: &Schema) -> usize {
    let fields = schema.fields().iter().filter(|field| field.as_picture().is_some());
    fields.map(|field| field.max_bytes().next_multiple_of(size_of::<u64>())).sum()
}
