//! From a configuration to the parts of a loader: the chain, the plan, the memory, the threads.

use std::num::NonZeroUsize;
use std::sync::Arc;

#[cfg(feature = "cuda")]
use candle_core::Device;
use tallow_core::device::{DeviceEngine, Made};
use tallow_core::{
    BatchRule, BatchTable, Batching, Engine, Field, Fingerprint, FingerprintBuilder, LastBatch,
    Purpose, RowDType, Schema, StoreLimits, Stream, Transform,
};

use super::LoaderBuilder;
#[cfg(feature = "cuda")]
use crate::FreedMemory;
use crate::consumer::Consumer;
use crate::cores;
#[cfg(feature = "cuda")]
use crate::cuda::{StagedLayout, Staging};
use crate::delivery::{Course, Delivery};
use crate::engines::{PadEngine, PadTo, Padding, WidenEngine};
use crate::loader::Loader;
use crate::plan::{Plan, empty_epoch};
use crate::slabs::{Columns, SlabLayout, SlabStore};
use crate::state::{FieldWords, Prints};
use crate::tuning::{Auto, Governor, Settings, Workers};
use crate::user_code::catch;
use crate::visit::InTurn;
use crate::workers::{Filler, Pipeline};
use crate::{Error, ErrorKind, Result};

impl LoaderBuilder {
    /// How the positions of an epoch become batches: as the builder says, or as the sampler does.
    pub(super) fn batching(&self) -> Result<Batching> {
        let refuse = |message: String| Err(Error::new(ErrorKind::Config, message));
        let (rank, world) = (self.rank, self.world);
        let rows = match (self.sampler.batches(&self.source.population())?, self.batch_size) {
            (BatchRule::Any, rows) => rows.unwrap_or(Self::BATCH_SIZE),
            (BatchRule::Rows(rows), None) => rows,
            (BatchRule::Rows(expected), Some(rows)) if rows == expected => rows,
            (BatchRule::Rows(expected), Some(rows)) => {
                return refuse(format!(
                    "batch size {rows}, expected the {expected} that the sampler makes batches of; leave \
                     out .batch_size"
                ));
            }
            (BatchRule::Own(_), Some(rows)) => {
                return refuse(format!(
                    "batch size {rows} with a sampler that makes batches of its own; leave out .batch_size"
                ));
            }
            (BatchRule::Own(_), None) if self.last != LastBatch::Keep => {
                return refuse(format!(
                    "LastBatch::{:?} with a sampler that makes batches of its own, none of which is \
                     incomplete; expected LastBatch::Keep",
                    self.last
                ));
            }
            (BatchRule::Own(_), None) if self.resident.is_some() => {
                return refuse(
                    "resident: found a sampler that makes batches of its own, expected one that does not"
                        .to_owned(),
                );
            }
            (BatchRule::Own(table), None) => {
                return Batching::of_table(table, rank, world).map_err(Error::from);
            }
            (other, _) => return refuse(format!("found {other:?}, which no loader knows")),
        };
        Batching::new(rows, self.last, rank, world).map_err(Error::from)
    }

    /// The source, the engines of the transforms, then those of the loader.
    ///
    /// `is_known` says whether the sampler knows how long each batch is.
    pub(super) fn pipeline(&self, is_known: bool) -> Result<Pipeline> {
        let mut pipeline = Pipeline::new(self.source.clone());
        for (at, transform) in self.transforms.iter().enumerate() {
            let is_last = at + 1 == self.transforms.len();
            let on_device =
                if is_last { self.finisher(&**transform, &mut pipeline)? } else { None };
            if on_device.is_none() && !transform.takes_encoded() {
                pipeline.decode()?;
            }
            match on_device {
                Some(engine) => pipeline.finish_on(engine, self.resident.is_some())?,
                None => pipeline.push(transform.bind(pipeline.schema())?)?,
            }
        }
        if pipeline.finisher().is_none() {
            pipeline.decode()?;
        }
        let on_host = self.transforms.len() - usize::from(pipeline.finisher().is_some());
        check_streams(&pipeline)?;
        // Before the padding, which need not be widened then.
        if let Some(widen) = WidenEngine::bind(pipeline.schema())? {
            pipeline.push(Box::new(widen))?;
        }
        if let Some(pad) = PadEngine::bind(pipeline.schema(), &self.padding, is_known)? {
            pipeline.cut(pad.cuts());
            pipeline.push(Box::new(pad))?;
        }
        if let Some(bytes_max) = self.resident {
            self.keep_resident(&mut pipeline, bytes_max, on_host)?;
        }
        Ok(pipeline)
    }

    /// Keeps the samples of a whole pipeline on the device, `on_host` transforms of which run in
    /// the workers.
    fn keep_resident(
        &self,
        pipeline: &mut Pipeline,
        bytes_max: usize,
        on_host: usize,
    ) -> Result<()> {
        let refuse = |message: String| Err(Error::new(ErrorKind::Config, message));
        if !self.device.is_cuda() {
            let device = self.device.location();
            return refuse(format!(
                "resident: found {device:?}, expected a CUDA device; on the CPU use .cache() on the source"
            ));
        }
        if on_host > 0 {
            return refuse(format!(
                "resident: {on_host} of {} transforms run on the CPU, expected none; do their work in \
                 the source if it depends on the sample alone",
                self.transforms.len()
            ));
        }
        let samples = self.source.len();
        pipeline.keep_resident(samples, bytes_max);
        let bytes = pipeline.resident().and_then(|r| r.device_bytes(pipeline.raw()));
        if bytes.is_none_or(|bytes| bytes > bytes_max) {
            let takes = bytes.map_or("too many".to_owned(), |bytes| bytes.to_string());
            return refuse(format!(
                "resident: {samples} samples take {takes} bytes of device memory, expected at \
                 most {bytes_max}"
            ));
        }
        Ok(())
    }

    /// The engine of the last transform for the device, if it has one and the loader has nothing to do
    /// on the CPU after it. `pipeline` then decodes the pictures that the engine leaves as they are.
    fn finisher(
        &self,
        transform: &dyn Transform,
        pipeline: &mut Pipeline,
    ) -> Result<Option<Arc<dyn DeviceEngine>>> {
        if !self.device.is_cuda() || !self.padding.is_empty() {
            return Ok(None);
        }
        let schema = pipeline.schema();
        let fields = 0..schema.fields().len();
        let is_picture = |at: &usize| schema.fields()[*at].as_picture().is_some();
        let mut decoded: Vec<usize> = fields.clone().filter(is_picture).collect();
        if transform.takes_encoded() {
            let Some(engine) = transform.bind_on(&self.device, schema)? else { return Ok(None) };
            decoded.retain(|&at| engine.made(at) == Made::AsRead);
        }
        let schema = schema.decoded_where(|at| decoded.contains(&at))?;
        let Some(engine) = transform.bind_on(&self.device, &schema)? else { return Ok(None) };
        let made = engine.engine().schema().fields();
        let widened =
            |at: usize| engine.made(at) != Made::OnDevice && made[at].dtype() == RowDType::U16;
        if (0..made.len()).any(widened) {
            return Ok(None);
        }
        decoded.iter().try_for_each(|&at| check_upload(&schema.fields()[at]))?;
        pipeline.decode_fields(&decoded)?;
        Ok(Some(engine.into()))
    }

    /// Plans the loader, allocates what is allocated at once, and starts the workers.
    pub(super) fn start(
        self,
        pipeline: Pipeline,
        batching: Batching,
        samples: usize,
        positions: usize,
    ) -> Result<Loader> {
        let cuts = pipeline.cuts().to_vec();
        let layout = Arc::new(SlabLayout::new(pipeline.schema(), &batching, positions, cuts));
        let (mut plan, governor) = self.plan(&pipeline, &layout, &batching, samples, positions)?;
        let slabs = plan.prefetch.max(1);
        let (store, device_bytes) = self.store(&pipeline, &layout, slabs, &batching)?;
        plan.device_bytes = device_bytes;
        plan.stream_bytes = self.stream_bytes(&batching, slabs);
        let in_turn = self.in_turn(&batching, slabs);
        let course = Course {
            sampler: self.sampler.clone(),
            population: self.source.population(),
            seed: self.seed,
            batching,
            positions,
            store,
            slabs,
            ahead: plan.read_ahead,
            empty: plan.empty.clone(),
            in_turn,
        };
        let prints = self.prints();
        let filler = Filler {
            pipeline,
            delivery: Delivery::new(course, plan.workers),
            substitutes: self.on_error.substitutes(),
            substitute_stream: Stream::new("substitute", 0, Purpose::Substitute),
        };
        let (maps, timeout) = (self.maps, self.stall_timeout);
        Loader::start(Consumer::new(plan, layout, filler, prints, maps, timeout, governor)?)
    }

    /// What the loader is going to do, and what chooses its workers with `Auto`. The memory of a
    /// device is not known yet.
    fn plan(
        &self,
        pipeline: &Pipeline,
        layout: &SlabLayout,
        batching: &Batching,
        samples: usize,
        positions: usize,
    ) -> Result<(Plan, Option<Governor>)> {
        let slab_bytes = layout.slab_bytes();
        let slab_bytes = slab_bytes.ok_or_else(|| too_large(layout.rows, pipeline.schema()))?;
        let (workers, auto) = match self.workers {
            None => (self.cores().min(Self::WORKERS_MAX), None),
            Some(Workers::Count(count)) => (count, None),
            Some(Workers::Auto(auto)) => (auto.workers_max(self.cores()), Some(auto)),
        };
        let batches = batching.batches(positions);
        let default_prefetch = default_prefetch(slab_bytes);
        let resident = pipeline.resident();
        let plan = Plan {
            schema: pipeline.schema().clone(),
            samples,
            positions,
            is_open: self.source.stream().is_some_and(|stream| stream.declared().is_none()),
            stream_bytes: 0,
            batches,
            empty: empty_epoch(batching, samples, positions),
            batch_size: batching.batch_size(),
            elements_max: batching.table().map(BatchTable::elements_max),
            rank: batching.rank(),
            world: batching.world(),
            last: batching.last(),
            on_error: self.on_error,
            device: self.device.clone(),
            workers,
            // Without workers nothing is made ahead.
            prefetch: if workers == 0 { 0 } else { self.prefetch.unwrap_or(default_prefetch) },
            read_ahead: self.read_ahead,
            read_ahead_batches: self.batches_read_ahead(layout.rows).min(batches.max(1)),
            auto: auto.is_some(),
            slab_bytes: self.slab_bytes(pipeline, layout.rows, slab_bytes, batching),
            cut_bytes: if self.is_staged(batching) { 0 } else { layout.cut_bytes() },
            device_bytes: 0,
            on_device: pipeline.finisher().is_some(),
            resident: resident.is_some(),
            resident_host_bytes: resident.map_or(0, |r| r.host_bytes(pipeline.raw())),
            scratch_bytes: pipeline.scratch_bytes(),
            picture_bytes: pipeline.picture_bytes(),
            order_bytes: self.sampler.order_bytes(&self.source.population()),
            store: self.store_limits(),
        };
        let Some(auto) = auto else { return Ok((plan, None)) };
        let plan = self.within(auto, plan);
        let most = Settings::new(plan.workers, plan.prefetch);
        let start = Settings { prefetch: default_prefetch, ..most };
        Ok((plan, Some(Governor::new(start, most))))
    }

    /// Of a source that reads from a store. One that panics when it is asked for its extents does so again when it is
    /// read, where it is reported.
    fn store_limits(&self) -> Option<StoreLimits> {
        catch(|| StoreLimits::of(&*self.source)).ok().flatten()
    }

    /// How the samples are read if they come one after the other, with `slabs` slabs ahead.
    fn in_turn(&self, batching: &Batching, slabs: usize) -> Option<InTurn> {
        self.source.stream()?;
        let window = self.sampler.window()?;
        Some(InTurn::new(self.source.clone(), window, batching.batch_size(), slabs))
    }

    /// Bytes of the samples that are then at hand: those of an epoch, and the first of the next.
    fn stream_bytes(&self, batching: &Batching, slabs: usize) -> usize {
        let items = self.in_turn(batching, slabs).map_or(0, |in_turn| in_turn.keep);
        let item_bytes = self.source.stream().map_or(0, |stream| stream.item_bytes());
        items.saturating_mul(2).saturating_mul(item_bytes)
    }

    /// What a source whose samples come one after the other cannot do.
    pub(super) fn against_stream(&self, pipeline: &Pipeline) -> Vec<String> {
        if self.source.stream().is_none() {
            return Vec::new();
        }
        let refused = [
            (
                self.sampler.window().is_none(),
                "the sampler chooses among all samples, expected Sequential or ShuffleWindows",
            ),
            (
                self.on_error.substitutes() > 0,
                "no sample can substitute another, expected Skip or Fail",
            ),
            (pipeline.mixer.is_some(), "no transform can mix samples, expected one that does not"),
            (self.resident.is_some(), "its samples cannot be resident"),
            (self.read_ahead > 0, "files are read in order anyway, expected a read_ahead of 0"),
        ];
        let told = refused.iter().filter(|(is_refused, _)| *is_refused);
        told.map(|(_, what)| format!("the source is a stream: {what}")).collect()
    }

    /// Cores for this rank.
    fn cores(&self) -> usize {
        self.ranks.share_of_cores(cores::available(), cores::of_machine())
    }

    /// `plan` with the most workers and batches ahead that `auto` allows.
    fn within(&self, auto: Auto, mut plan: Plan) -> Plan {
        let most = self.prefetch.unwrap_or(Self::PREFETCH_MAX);
        while plan.workers > 1 && plan.prefetch_within(auto.bytes_max()) == 0 {
            plan.workers -= 1;
        }
        plan.prefetch = plan.prefetch_within(auto.bytes_max()).clamp(1, most);
        plan
    }

    /// How many batches of `rows` rows are read ahead of the workers.
    fn batches_read_ahead(&self, rows: usize) -> usize {
        let row_bytes: usize = self.source.schema().fields().iter().map(Field::max_bytes).sum();
        let batch_bytes = row_bytes.saturating_mul(rows).max(1);
        if self.read_ahead == 0 { 0 } else { (self.read_ahead / batch_bytes).max(1) }
    }

    /// Bytes of the host's memory for a slab of `rows` rows, whose tensors take `tensor_bytes`.
    fn slab_bytes(
        &self,
        pipeline: &Pipeline,
        rows: usize,
        tensor_bytes: usize,
        batching: &Batching,
    ) -> usize {
        #[cfg(feature = "cuda")]
        if self.is_staged(batching) {
            return StagedLayout::new(rows, pipeline).host_bytes();
        }
        let _ = (pipeline, rows, batching);
        tensor_bytes
    }

    /// Whether slabs are page-locked memory, of which each has a place on the device. Batches of lengths of
    /// their own have none: their slabs are vectors, and `next` copies what they hold.
    fn is_staged(&self, batching: &Batching) -> bool {
        self.device.is_cuda() && batching.table().is_none()
    }

    /// Where slabs come from, and the bytes of all of them on the device.
    fn store(
        &self,
        pipeline: &Pipeline,
        layout: &Arc<SlabLayout>,
        slabs: usize,
        batching: &Batching,
    ) -> Result<(Arc<dyn SlabStore>, usize)> {
        #[cfg(feature = "cuda")]
        if let Device::Cuda(device) = &self.device
            && self.is_staged(batching)
        {
            let last = batching.last();
            // One more is being handed over.
            let slots = slabs.saturating_add(1);
            let staged = StagedLayout::new(layout.rows, pipeline);
            let resident = pipeline.resident().map(|r| r.device_bytes_max(pipeline.raw()));
            let device_bytes = staged.device_bytes().saturating_mul(slots);
            let device_bytes = device_bytes.saturating_add(resident.unwrap_or(0));
            // Tensors are made ahead.
            let tensors = layout.slab_bytes().unwrap_or(usize::MAX).saturating_mul(slabs);
            let device_bytes = device_bytes.saturating_add(tensors);
            let staging = Staging::new(device, layout.clone(), staged, pipeline, slots, last)?;
            if self.freed_memory == FreedMemory::Keep {
                staging.keep_freed();
            }
            return Ok((Arc::new(staging), device_bytes));
        }
        let _ = (pipeline, slabs, batching);
        let columns = Columns { layout: layout.clone(), device: self.device.clone() };
        Ok((Arc::new(columns), 0))
    }

    fn prints(&self) -> Prints {
        let add = |print: FingerprintBuilder, print_of| print.with(print_of);
        let prints = self.transforms.iter().map(|transform| transform.fingerprint());
        let transforms = prints.fold(Fingerprint::of("transforms"), add);
        let pad = |print: FingerprintBuilder, Padding { field, value, to }: &Padding| {
            let print = print.text(field).number(value.to_bits());
            match to {
                PadTo::Maximum => print,
                PadTo::Longest { multiple: NonZeroUsize::MIN } => print.text("longest"),
                PadTo::Longest { multiple } => print.text("multiple").number(multiple.get() as u64),
            }
        };
        let transforms = self.padding.iter().fold(transforms, pad);
        Prints {
            source: self.source.fingerprint(),
            fields: FieldWords::short(self.source.schema().to_string()),
            sampler: self.sampler.fingerprint(),
            transform: transforms.number(self.map_version).finish(),
        }
    }
}

#[cold]
fn too_large(rows: usize, schema: &Schema) -> Error {
    let message = format!("a batch of {rows} rows of {schema} does not fit memory");
    Error::new(ErrorKind::Memory, message)
}

/// Whether pictures that are decoded to `field`, and which no transform makes smaller, take no more of
/// a slab on a device than anyone can mean.
fn check_upload(field: &Field) -> Result<()> {
    /// Larger than any camera's picture after it was made smaller for training.
    const DECODED_BYTES_MAX: usize = 64 << 20;
    let bytes = field.max_bytes();
    if bytes <= DECODED_BYTES_MAX {
        return Ok(());
    }
    let message = format!(
        "{field}: no transform takes these pictures, and each row of a batch takes {bytes} bytes in \
         page-locked memory and on the device, expected at most {DECODED_BYTES_MAX}; say how large the \
         pictures are with .sized(height, width) or .at_most(height, width), or leave out the field"
    );
    Err(Error::new(ErrorKind::Config, message))
}

/// Two steps that draw from one stream draw the same numbers: a mistake, unless their engines were
/// both told to draw under one name.
pub(crate) fn check_streams(pipeline: &Pipeline) -> Result<()> {
    let engines: Vec<&dyn Engine> = pipeline.engines().collect();
    let of_engine = |(at, engine): (usize, &&dyn Engine)| {
        engine.streams().iter().map(move |stream| (stream.word(), at)).collect::<Vec<_>>()
    };
    let mut streams: Vec<(u32, usize)> = engines.iter().enumerate().flat_map(of_engine).collect();
    streams.sort_unstable();
    for pair in streams.windows(2) {
        let [(stream, a), (other, b)] = [pair[0], pair[1]];
        if stream != other {
            continue;
        }
        if a == b {
            let message = "found two steps of a transform that draw from one stream, expected one \
                           each: give the draws another name with .draws_as(name)";
            return Err(Error::new(ErrorKind::Config, message));
        }
        let names = [engines[a].draws_as(), engines[b].draws_as()];
        if names[0].is_none() || names[0] != names[1] {
            let message = "found two transforms with steps that draw the same numbers: call \
                           .draws_as(name) on both, with one name if they are meant to, and with \
                           two if not; give each map_drawn a name of its own";
            return Err(Error::new(ErrorKind::Config, message));
        }
    }
    Ok(())
}

/// What to do about delivered fields that are ragged and not `padded`. `source` is what they are made of.
pub(super) fn ragged_fields(schema: &Schema, source: &Schema, padded: &[Padding]) -> Vec<String> {
    let is_padded = |field: &Field| padded.iter().any(|padding| padding.field == field.name());
    let is_left = |field: &&Field| field.is_ragged() && !is_padded(field);
    let ragged = schema.fields().iter().filter(is_left);
    let is_picture = |name: &str| {
        source.position(name).is_some_and(|at| source.fields()[at].as_picture().is_some())
    };
    let problem = |field: &Field| {
        let name = field.name();
        let other = if is_picture(name) {
            "a transform, such as Augment::new().resize((224, 224)), or .sized(height, width) where \
             the picture is declared"
        } else {
            "a transform"
        };
        format!(
            "{field} is ragged: add .pad({name:?}, 0.0), .pad_to_longest({name:?}, 0.0) or {other}"
        )
    };
    ragged.map(problem).collect()
}

/// Fields that are padded to a multiple which the lengths of the sampler's batches are not.
pub(super) fn other_multiples(padded: &[Padding], table: Option<&BatchTable>) -> Vec<String> {
    let Some(table) = table else { return Vec::new() };
    let problem = |padding: &Padding| {
        let PadTo::Longest { multiple } = padding.to else { return None };
        let lengths = (0..table.len()).map(|batch| table.longest(batch));
        let other = lengths.into_iter().find(|length| !length.is_multiple_of(multiple.get()))?;
        let field = &padding.field;
        Some(format!(
            "{field:?} is padded to a multiple of {multiple}, but the sampler makes batches of length              {other}: call .multiple_of({multiple}) on the sampler"
        ))
    };
    padded.iter().filter_map(problem).collect()
}

/// Rows without bytes cost a file nothing, so their number alone would decide how long an epoch is.
pub(super) fn without_bytes(schema: &Schema, positions: usize) -> Option<String> {
    const POSITIONS_MAX: usize = 1 << 24;
    let refused = schema.max_bytes() == 0 && positions > POSITIONS_MAX;
    refused.then(|| {
        format!(
            "{positions} rows per epoch of {schema}, which have no bytes, expected at most \
             {POSITIONS_MAX}"
        )
    })
}

fn default_prefetch(slab_bytes: usize) -> usize {
    let fitting = LoaderBuilder::AHEAD_BYTES / slab_bytes.max(1);
    fitting.clamp(2, LoaderBuilder::PREFETCH)
}
