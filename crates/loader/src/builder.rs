//! The configuration of a loader, and the way from there to a running one.

use std::sync::Arc;
use std::time::Duration;

use candle_core::Device;
use tallow_core::device::{DeviceEngine, Made};
use tallow_core::{
    Batching, Engine, Field, Fingerprint, FingerprintBuilder, LastBatch, Population, Purpose,
    RowDType, Sampler, Schema, Sequential, Shuffle, Source, Stream, Transform,
};

use crate::batch::Batch;
use crate::batch_maps::BatchMaps;
use crate::consumer::Consumer;
#[cfg(feature = "cuda")]
use crate::cuda::{StagedLayout, Staging};
use crate::delivery::{Course, Delivery};
use crate::engines::{PadEngine, PadTo, Padding, WidenEngine};
use crate::loader::Loader;
use crate::plan::{Plan, cores, empty_epoch};
use crate::policy::OnError;
use crate::slabs::{Columns, SlabLayout, SlabStore};
use crate::state::{FieldWords, Prints};
use crate::tuning::{Auto, Governor, Settings, Workers};
use crate::workers::{Filler, Pipeline};
use crate::{Error, ErrorKind, Result};

/// The configuration of a [`Loader`]. Nothing is checked or started before
/// [`build`](Self::build), which checks all of it.
#[must_use]
pub struct LoaderBuilder {
    source: Arc<dyn Source>,
    sampler: Arc<dyn Sampler>,
    transforms: Vec<Box<dyn Transform>>,
    padding: Vec<Padding>,
    maps: BatchMaps,
    map_version: u64,
    batch_size: usize,
    last: LastBatch,
    rank: usize,
    world: usize,
    seed: u64,
    workers: Option<Workers>,
    prefetch: Option<usize>,
    read_ahead: usize,
    on_error: OnError,
    stall_timeout: Option<Duration>,
    device: Device,
    resident: Option<usize>,
}

impl Loader {
    /// The configuration of a loader over `source`.
    pub fn builder(source: impl Source + 'static) -> LoaderBuilder {
        LoaderBuilder::new(Arc::new(source))
    }
}

impl std::fmt::Debug for LoaderBuilder {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let mut debug = f.debug_struct("LoaderBuilder");
        debug.field("schema", self.source.schema()).field("batch_size", &self.batch_size);
        debug.field("seed", &self.seed).finish_non_exhaustive()
    }
}

impl LoaderBuilder {
    /// Workers by default: one per core, up to this many. With more of them memory bandwidth is the
    /// limit on the machines that we know, and training needs its cores.
    const WORKERS_MAX: usize = 8;

    /// More workers than any machine has cores, in a process that has threads of its own.
    const WORKERS_LIMIT: usize = 4096;

    /// Batches ahead for a CUDA device, whose memory is allocated at `build`. On the CPU it is
    /// allocated when it is needed, so any number does no harm.
    const SLOTS_LIMIT: usize = 4096;

    /// Batches ahead by default, if they fit [`Self::AHEAD_BYTES`].
    const PREFETCH: usize = 4;

    /// Batches ahead at most where the loader chooses: this many hide the pauses of any source that is
    /// fast enough on average.
    const PREFETCH_MAX: usize = 16;

    /// Memory for the batches ahead by default, unless two of them need more.
    const AHEAD_BYTES: usize = 512 << 20;

    /// A worker that is at one sample for longer than this is stuck: a minute is more than any local
    /// disk needs, and less than people are willing to wait.
    const STALL_TIMEOUT: Duration = Duration::from_secs(60);

    fn new(source: Arc<dyn Source>) -> Self {
        Self {
            source,
            sampler: Arc::new(Sequential),
            transforms: Vec::new(),
            padding: Vec::new(),
            maps: BatchMaps::default(),
            map_version: 0,
            batch_size: 32,
            last: LastBatch::Keep,
            rank: 0,
            world: 1,
            seed: 0,
            workers: None,
            prefetch: None,
            read_ahead: 0,
            on_error: OnError::Fail,
            stall_timeout: Some(Self::STALL_TIMEOUT),
            device: Device::Cpu,
            resident: None,
        }
    }

    /// Rows per batch, over all ranks. The default is 32.
    pub fn batch_size(mut self, rows: usize) -> Self {
        self.batch_size = rows;
        self
    }

    /// Which samples an epoch visits, and in which order. The default is [`Sequential`].
    pub fn sampler(mut self, sampler: impl Sampler + 'static) -> Self {
        self.sampler = Arc::new(sampler);
        self
    }

    /// Visits every sample once, in a new random order each epoch: the sampler [`Shuffle`].
    pub fn shuffle(self) -> Self {
        self.sampler(Shuffle)
    }

    /// The number from which all random numbers derive. The default is 0.
    pub fn seed(mut self, seed: u64) -> Self {
        self.seed = seed;
        self
    }

    /// How to handle an incomplete last batch. The default is [`LastBatch::Keep`].
    pub fn last_batch(mut self, last: LastBatch) -> Self {
        self.last = last;
        self
    }

    /// Delivers only the rows of rank `rank` of `world`; the batch size remains that of all ranks.
    /// Where the world does not divide it, the first ranks get one row more than the others. The
    /// default is rank 0 of 1.
    pub fn rank(mut self, rank: usize, world: usize) -> Self {
        (self.rank, self.world) = (rank, world);
        self
    }

    /// How many threads read and transform; 0 does that inside `next`. Never changes what is
    /// delivered. With [`Auto`](crate::Auto) the loader chooses while it runs, within bounds, and
    /// [`prefetch`](Self::prefetch) is then the most that it may choose. The default is one per core,
    /// at most 8.
    pub fn workers(mut self, workers: impl Into<Workers>) -> Self {
        self.workers = Some(workers.into());
        self
    }

    /// How many batches are made ahead of the consumer, each in memory of its own. The default is 4,
    /// or fewer, but at least 2, if they would take more than 512 MiB.
    pub fn prefetch(mut self, batches: usize) -> Self {
        self.prefetch = Some(batches);
        self
    }

    /// Asks the kernel for the files of the next batches before workers get to them, so that they are
    /// in the page cache by then: up to `bytes` bytes of samples, but at least one batch. The default
    /// is 0, which asks for none.
    ///
    /// This pays for files that come from a disk. If they are cached already, a thread opens and
    /// closes every file for nothing. `bench-loader run --cold` measures both.
    pub fn read_ahead(mut self, bytes: usize) -> Self {
        self.read_ahead = bytes;
        self
    }

    /// Adds a transform, after those that were added before.
    pub fn transform(mut self, transform: impl Transform + 'static) -> Self {
        self.transforms.push(Box::new(transform));
        self
    }

    /// Pads the ragged field `field` with `value`, after the transforms, to the maximum that its schema
    /// declares. The true lengths are delivered in a field `<field>_len`: `i64`, one number per
    /// sample, or a vector where several axes are ragged.
    ///
    /// With [`pad_to_longest`](Self::pad_to_longest) batches are only as long as they need to be.
    pub fn pad(self, field: impl Into<String>, value: f64) -> Self {
        self.padded(field.into(), value, PadTo::Maximum)
    }

    /// Pads the ragged field `field` with `value`, after the transforms, to the longest row of the
    /// batch: along each ragged axis the batch is as long as its longest row. The true lengths are
    /// delivered as with [`pad`](Self::pad).
    ///
    /// ```
    /// # use tallow_core::{Dim, Field, RowDType, Schema, from_fn};
    /// # use tallow_loader::Loader;
    /// let dims = vec![Dim::Ragged { max: 512 }];
    /// let schema = Schema::new(vec![Field::with_dims("tokens", RowDType::U32, dims)])?;
    /// let source = from_fn(schema, 6, |index, row| {
    ///     let mut tokens = row.field(0);
    ///     tokens.set_shape(&[1 + index])?;
    ///     tokens.copy_from_slice(&vec![7u32; 1 + index])
    /// });
    /// let loader = Loader::builder(source).batch_size(3).pad_to_longest("tokens", 0.0).build()?;
    /// let batch = loader.epoch(0).next().unwrap()?;
    /// assert_eq!(batch["tokens"].to_vec2::<u32>()?, [[7, 0, 0], [7, 7, 0], [7, 7, 7]]);
    /// assert_eq!(batch["tokens_len"].to_vec1::<i64>()?, [1, 2, 3]);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// The batch is made in memory for rows of the maximum, which the plan counts, and cut when it is
    /// delivered. With several [ranks](Self::rank) each batch is as long as the longest row of its
    /// own rank. A batch whose rows are all of length 0 has a dimension of 0.
    pub fn pad_to_longest(self, field: impl Into<String>, value: f64) -> Self {
        self.padded(field.into(), value, PadTo::Longest)
    }

    fn padded(mut self, field: String, value: f64, to: PadTo) -> Self {
        self.padding.push(Padding { field, value, to });
        self
    }

    /// Runs `f` on every batch before it is delivered, after the closures that were added before. It
    /// runs on the thread that calls `next`, with the tensors on their device, and may replace, add
    /// and remove tensors. For what concerns single samples use a transform, which runs in the
    /// workers.
    ///
    /// If the closure fails or panics, an error takes the place of the batch, and the iteration goes
    /// on with the next one. A saved state does not know what the closure does: see
    /// [`map_batch_version`](Self::map_batch_version).
    ///
    /// ```
    /// # use tallow_core::{Field, RowDType, Schema, from_fn};
    /// # use tallow_loader::Loader;
    /// use candle_core::DType;
    ///
    /// # let schema = Schema::new(vec![Field::new("input", RowDType::U8, &[4])])?;
    /// # let source = from_fn(schema, 8, |_, row| row.field(0).copy_from_slice(&[51u8; 4]));
    /// let loader = Loader::builder(source).map_batch(|batch| {
    ///     let input = batch["input"].to_dtype(DType::F32)?.affine(1.0 / 255.0, 0.0)?;
    ///     batch.set("input", input);
    ///     Ok(())
    /// });
    /// # let batch = loader.build()?.epoch(0).next().unwrap()?;
    /// # assert_eq!((batch["input"].dtype(), batch["input"].dims()), (DType::F32, &[8, 4][..]));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn map_batch<F>(mut self, f: F) -> Self
    where
        F: Fn(&mut Batch) -> candle_core::Result<()> + Send + Sync + 'static,
    {
        self.maps.push(f);
        self
    }

    /// A number that saved states remember. Change it when you change the closures of
    /// [`map_batch`](Self::map_batch), and states that were saved before are refused. The default is
    /// 0.
    pub fn map_batch_version(mut self, version: u64) -> Self {
        self.map_version = version;
        self
    }

    /// How to handle a sample that cannot be read. The default is [`OnError::Fail`].
    pub fn on_error(mut self, on_error: OnError) -> Self {
        self.on_error = on_error;
        self
    }

    /// How long a worker may be at one sample before its batch becomes an error that names the
    /// sample; `None` waits for ever. It has no effect without workers. The default is 60 s.
    pub fn stall_timeout(mut self, timeout: Option<Duration>) -> Self {
        self.stall_timeout = timeout;
        self
    }

    /// Where the tensors are delivered. The default is the CPU.
    ///
    /// For a CUDA device (feature `cuda`) a batch is copied before it is asked for, from page-locked
    /// memory. The last transform runs on the device if it can ([`Transform::bind_on`]) and nothing
    /// is padded or widened after it; [`Plan::on_device`](crate::Plan::on_device) says whether it
    /// does. Iterate on one thread, and drop tensors there: a device of `Device::new_cuda` has one
    /// stream per thread, on which candle also frees memory. For a device of another kind `next`
    /// copies each batch.
    pub fn device(mut self, device: Device) -> Self {
        self.device = device;
        self
    }

    /// Keeps every sample in the memory of the CUDA device once it was uploaded: later epochs are
    /// gathered and augmented there, and the source is not read again. The samples take at most
    /// `bytes` bytes, as the source has them, in addition to what the loader needs anyway
    /// ([`Plan::device_bytes`](crate::Plan::device_bytes) is the sum).
    ///
    /// This never changes what is delivered. Every transform has to run on the device:
    /// [`build`](Self::build) refuses one that cannot. To keep samples in the memory of the host use
    /// [`SourceExt::cache`](tallow_core::SourceExt::cache). By default samples are read in every
    /// epoch.
    pub fn resident(mut self, bytes: usize) -> Self {
        self.resident = Some(bytes);
        self
    }

    /// Checks everything, plans the memory and starts the workers.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Config`] with all problems of the configuration, [`ErrorKind::Memory`] and
    /// [`ErrorKind::Thread`] when the system does not give what the plan needs, and
    /// [`ErrorKind::Device`] when the device refuses.
    pub fn build(self) -> Result<Loader> {
        let mut problems = self.impossible();
        let mut note = |error: &Error| problems.push(error.problem());
        let batching = Batching::new(self.batch_size, self.last, self.rank, self.world);
        let batching = batching.map_err(Error::from).inspect_err(&mut note);
        let samples = self.source.len();
        let positions = self.sampler.len(&Population::of(samples));
        let positions = positions.map_err(Error::from).inspect_err(&mut note);
        let pipeline = self.pipeline().inspect_err(&mut note);
        Error::all(&problems)?;
        let (pipeline, positions) = (pipeline?, positions?);
        let mut problems = ragged_fields(pipeline.schema());
        problems.extend(without_bytes(pipeline.schema(), positions));
        Error::all(&problems)?;
        self.start(pipeline, batching?, samples, positions)
    }

    /// Numbers that no loader can work with.
    fn impossible(&self) -> Vec<String> {
        let mut problems = Vec::new();
        if self.prefetch == Some(0) {
            problems.push("a prefetch of 0 batches, expected at least 1".to_owned());
        }
        if let Some(Workers::Count(workers)) = self.workers
            && workers > Self::WORKERS_LIMIT
        {
            problems.push(format!("{workers} workers, expected at most {}", Self::WORKERS_LIMIT));
        }
        if let Some(batches) = self.prefetch.filter(|batches| *batches > Self::SLOTS_LIMIT)
            && self.device.is_cuda()
        {
            problems.push(format!(
                "a prefetch of {batches} batches, each in page-locked memory of its own, expected at \
                 most {}",
                Self::SLOTS_LIMIT
            ));
        }
        if self.stall_timeout.is_some_and(|timeout| timeout.is_zero()) {
            problems.push(
                "a stall timeout of 0, expected a positive one; None waits for ever".to_owned(),
            );
        }
        problems
    }

    /// The source, the engines of the transforms, then those of the loader.
    fn pipeline(&self) -> Result<Pipeline> {
        let mut pipeline = Pipeline::new(self.source.clone());
        for (at, transform) in self.transforms.iter().enumerate() {
            let is_last = at + 1 == self.transforms.len();
            let on_device = if is_last { self.finisher(&**transform, &pipeline)? } else { None };
            match on_device {
                Some(engine) => pipeline.finish_on(engine, self.resident.is_some())?,
                None => pipeline.push(transform.bind(pipeline.schema())?)?,
            }
        }
        let on_host = self.transforms.len() - usize::from(pipeline.finisher().is_some());
        check_streams(&pipeline)?;
        if let Some(pad) = PadEngine::bind(pipeline.schema(), &self.padding)? {
            pipeline.cut(pad.cuts());
            pipeline.push(Box::new(pad))?;
        }
        if let Some(widen) = WidenEngine::bind(pipeline.schema())? {
            pipeline.push(Box::new(widen))?;
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
        pipeline.keep_resident(samples);
        let bytes = pipeline.resident().and_then(|r| r.device_bytes(pipeline.written()));
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
    /// on the CPU after it.
    fn finisher(
        &self,
        transform: &dyn Transform,
        pipeline: &Pipeline,
    ) -> Result<Option<Arc<dyn DeviceEngine>>> {
        if !self.device.is_cuda() || !self.padding.is_empty() {
            return Ok(None);
        }
        let Some(engine) = transform.bind_on(&self.device, pipeline.schema())? else {
            return Ok(None);
        };
        let fields = engine.engine().schema().fields().iter().enumerate();
        let widened = |(i, f): (usize, &Field)| {
            engine.made(i) != Made::OnDevice && f.dtype() == RowDType::U16
        };
        Ok(if fields.into_iter().any(widened) { None } else { Some(engine.into()) })
    }

    /// Plans the loader, allocates what is allocated at once, and starts the workers.
    fn start(
        self,
        pipeline: Pipeline,
        batching: Batching,
        samples: usize,
        positions: usize,
    ) -> Result<Loader> {
        let layout = Arc::new(SlabLayout::new(
            pipeline.schema(),
            largest_rows(&batching, positions),
            pipeline.cuts().to_vec(),
        ));
        let (mut plan, governor) = self.plan(&pipeline, &layout, batching, samples, positions)?;
        let slabs = plan.prefetch.max(1);
        let (store, device_bytes) = self.store(&pipeline, &layout, slabs)?;
        plan.device_bytes = device_bytes;
        let course = Course {
            sampler: self.sampler.clone(),
            population: Population::of(samples),
            seed: self.seed,
            batching,
            positions,
            store,
            slabs,
            ahead: plan.read_ahead_batches,
            empty: plan.empty.clone(),
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
        batching: Batching,
        samples: usize,
        positions: usize,
    ) -> Result<(Plan, Option<Governor>)> {
        let slab_bytes = layout.slab_bytes();
        let slab_bytes = slab_bytes.ok_or_else(|| too_large(layout.rows, pipeline.schema()))?;
        let (workers, auto) = match self.workers {
            None => (cores().min(Self::WORKERS_MAX), None),
            Some(Workers::Count(count)) => (count, None),
            Some(Workers::Auto(auto)) => (auto.workers_max(cores()), Some(auto)),
        };
        let batches = batching.batches(positions);
        let default_prefetch = default_prefetch(slab_bytes);
        let resident = pipeline.resident();
        let plan = Plan {
            schema: pipeline.schema().clone(),
            samples,
            positions,
            batches,
            empty: empty_epoch(&batching, samples, positions),
            batch_size: batching.batch_size(),
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
            slab_bytes: self.slab_bytes(pipeline, layout.rows, slab_bytes),
            cut_bytes: if self.device.is_cuda() { 0 } else { layout.cut_bytes() },
            device_bytes: 0,
            on_device: pipeline.finisher().is_some(),
            resident: resident.is_some(),
            resident_host_bytes: resident.map_or(0, |r| r.host_bytes(pipeline.written())),
            scratch_bytes: pipeline.scratch_bytes(),
            order_bytes: self.sampler.order_bytes(&Population::of(samples)),
        };
        let Some(auto) = auto else { return Ok((plan, None)) };
        let plan = self.within(auto, plan);
        let most = Settings::new(plan.workers, plan.prefetch);
        let start = Settings { prefetch: default_prefetch, ..most };
        Ok((plan, Some(Governor::new(start, most))))
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
    fn slab_bytes(&self, pipeline: &Pipeline, rows: usize, tensor_bytes: usize) -> usize {
        #[cfg(feature = "cuda")]
        if self.device.is_cuda() {
            return StagedLayout::new(rows, pipeline).slab.scratch;
        }
        let _ = (pipeline, rows);
        tensor_bytes
    }

    /// Where slabs come from, and the bytes of all of them on the device.
    fn store(
        &self,
        pipeline: &Pipeline,
        layout: &Arc<SlabLayout>,
        slabs: usize,
    ) -> Result<(Arc<dyn SlabStore>, usize)> {
        #[cfg(feature = "cuda")]
        if let Device::Cuda(device) = &self.device {
            // One more is in the hands of the consumer.
            let slots = slabs.saturating_add(1);
            let staged = StagedLayout::new(layout.rows, pipeline);
            let resident = pipeline.resident().and_then(|r| r.device_bytes(pipeline.written()));
            let device_bytes = staged.slab.bytes.saturating_mul(slots);
            let device_bytes = device_bytes.saturating_add(resident.unwrap_or(0));
            let staging = Staging::new(device, layout.clone(), staged, pipeline, slots)?;
            return Ok((Arc::new(staging), device_bytes));
        }
        let _ = (pipeline, slabs);
        let columns = Columns { layout: layout.clone(), device: self.device.clone() };
        Ok((Arc::new(columns), 0))
    }

    fn prints(&self) -> Prints {
        let add = |print: FingerprintBuilder, print_of| print.with(print_of);
        let prints = self.transforms.iter().map(|transform| transform.fingerprint());
        let transforms = prints.fold(Fingerprint::of("transforms"), add);
        let pad = |print: FingerprintBuilder, Padding { field, value, to }: &Padding| {
            let print = print.text(field).number(value.to_bits());
            if *to == PadTo::Longest { print.text("longest") } else { print }
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

/// Rows of the largest batch on this rank, which are fewer than a full batch in a short epoch.
fn largest_rows(batching: &Batching, positions: usize) -> usize {
    match batching.batches(positions) {
        0 => 0,
        _ => batching.rows(positions, 0).rows(),
    }
}

/// Two steps that draw from one stream draw the same numbers: a mistake, unless their engines were
/// both told to draw under one name.
fn check_streams(pipeline: &Pipeline) -> Result<()> {
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

fn ragged_fields(schema: &Schema) -> Vec<String> {
    let ragged = schema.fields().iter().filter(|field| field.is_ragged());
    let problem = |field: &Field| {
        let name = field.name();
        format!(
            "{field} is ragged: add .pad({name:?}, 0.0), .pad_to_longest({name:?}, 0.0) or a transform"
        )
    };
    ragged.map(problem).collect()
}

/// Rows without bytes cost a file nothing, so their number alone would decide how long an epoch is.
fn without_bytes(schema: &Schema, positions: usize) -> Option<String> {
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
