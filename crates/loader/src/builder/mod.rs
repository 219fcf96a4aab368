//! The configuration of a loader, and the way from there to a running one.
//!
//! Here are the settings, their defaults and limits; `assembly` makes the parts of the loader.

mod assembly;

use std::borrow::Borrow;
use std::num::NonZeroUsize;
use std::sync::Arc;
use std::time::Duration;

use candle_core::Device;
use tallow_core::{LastBatch, Ranks, Sampler, Sequential, Shuffle, Source, Transform};

pub(crate) use self::assembly::check_streams;
use self::assembly::{other_multiples, ragged_fields, without_bytes};
use crate::batch::Batch;
use crate::batch_maps::BatchMaps;
use crate::engines::{PadTo, Padding};
use crate::freed_memory::FreedMemory;
use crate::loader::Loader;
use crate::policy::OnError;
use crate::tuning::Workers;
use crate::{Error, Result};

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
    batch_size: Option<usize>,
    last: LastBatch,
    rank: usize,
    world: usize,
    /// Those of the machine count for the number of workers.
    ranks: Ranks,
    seed: u64,
    workers: Option<Workers>,
    prefetch: Option<usize>,
    read_ahead: usize,
    on_error: OnError,
    stall_timeout: Option<Duration>,
    device: Device,
    resident: Option<usize>,
    freed_memory: FreedMemory,
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
    /// Rows per batch by default.
    const BATCH_SIZE: usize = 32;

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
            batch_size: None,
            last: LastBatch::Keep,
            rank: 0,
            world: 1,
            ranks: Ranks::single(),
            seed: 0,
            workers: None,
            prefetch: None,
            read_ahead: 0,
            on_error: OnError::Fail,
            stall_timeout: Some(Self::STALL_TIMEOUT),
            device: Device::Cpu,
            resident: None,
            freed_memory: FreedMemory::default(),
        }
    }

    /// Rows per batch, over all ranks. The default is 32, or what the sampler says: one that makes batches
    /// of similar length knows how many rows they have, and [`build`](Self::build) refuses another size.
    pub fn batch_size(mut self, rows: usize) -> Self {
        self.batch_size = Some(rows);
        self
    }

    /// Which samples an epoch visits, and in which order. The default is [`Sequential`]. For batches of
    /// similar length see [`Buckets`](tallow_core::Buckets), for batches by a budget of tokens
    /// [`TokenBudget`](tallow_core::TokenBudget).
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
        (self.rank, self.world, self.ranks) = (rank, world, Ranks::single());
        self
    }

    /// As [`rank`](Self::rank), for the rank that a launcher gave this process, mostly
    /// [`Ranks::from_env`]. The ranks of one machine then share its cores: the default of
    /// [`workers`](Self::workers) is made of [this rank's](Ranks::share_of_cores).
    ///
    /// ```
    /// # use tallow_core::{Field, Ranks, RowDType, Schema, from_fn};
    /// # use tallow_loader::Loader;
    /// # let schema = Schema::new(vec![Field::new("input", RowDType::U8, &[])])?;
    /// # let source = from_fn(schema, 8, |_, row| row.field(0).copy_from_slice(&[1u8]));
    /// let loader = Loader::builder(source).ranks(&Ranks::from_env()?).build()?;
    /// # assert_eq!(loader.len(), 1);
    /// # Ok::<(), tallow_loader::Error>(())
    /// ```
    pub fn ranks(mut self, ranks: impl Borrow<Ranks>) -> Self {
        let ranks = ranks.borrow();
        (self.rank, self.world, self.ranks) = (ranks.rank(), ranks.world(), ranks.clone());
        self
    }

    /// How many threads read and transform; 0 does that inside `next`. Never changes what is
    /// delivered. With [`Auto`](crate::Auto) the loader chooses while it runs, within bounds, and
    /// [`prefetch`](Self::prefetch) is then the most that it may choose. The default is one per core
    /// that this process may use, or per core of its share with [`ranks`](Self::ranks), at most 8.
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
    /// in the page cache by then: up to `bytes` bytes of files, but at least one batch. The default
    /// is 0, which asks for none.
    ///
    /// Of what lies in a store, the store is told, and fetches it into its own memory: neighbours with one
    /// request, and without a worker that waits.
    ///
    /// This pays for files that come from a disk. If they are cached already, a thread opens and
    /// closes every file for nothing. `bench-loader run --cold` measures both.
    pub fn read_ahead(mut self, bytes: usize) -> Self {
        self.read_ahead = bytes;
        self
    }

    /// Adds a transform, after those that were added before. Pictures are decoded before the first
    /// transform that needs all of their pixels; an `Augment` decodes what it needs by itself.
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
    ///
    /// A sampler that makes batches by a budget ([`TokenBudget`](tallow_core::TokenBudget)) knows how long
    /// each of them is: a field that is ragged along one axis is then padded to that length at once, the same
    /// on all ranks, in memory of no more than that, and nothing is cut.
    pub fn pad_to_longest(self, field: impl Into<String>, value: f64) -> Self {
        self.pad_to_multiple(field, value, 1)
    }

    /// As [`pad_to_longest`](Self::pad_to_longest), with the length rounded up to a multiple of `multiple`,
    /// but never above the maximum that the schema declares: fewer different shapes, of which kernels may
    /// need one that is divisible by 8 or 64. 0 counts as 1.
    ///
    /// ```
    /// # use tallow_core::{Dim, Field, RowDType, Schema, from_fn};
    /// # use tallow_loader::Loader;
    /// # let dims = vec![Dim::Ragged { max: 10 }];
    /// # let schema = Schema::new(vec![Field::with_dims("tokens", RowDType::U32, dims)])?;
    /// # let source = from_fn(schema, 9, |index, row| {
    /// #     let mut tokens = row.field(0);
    /// #     tokens.set_shape(&[1 + index])?;
    /// #     tokens.copy_from_slice(&vec![7u32; 1 + index])
    /// # });
    /// // Samples of 1, 2, ... 9 tokens, of at most 10.
    /// let loader = Loader::builder(source).batch_size(3).pad_to_multiple("tokens", 0.0, 4).build()?;
    /// let dims = |batch: tallow_loader::Batch| batch["tokens"].dims().to_vec();
    /// let shapes: Vec<_> = loader.epoch(0).map(|batch| batch.map(dims)).collect::<Result<_, _>>()?;
    /// assert_eq!(shapes, [[3, 4], [3, 8], [3, 10]]);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn pad_to_multiple(self, field: impl Into<String>, value: f64, multiple: usize) -> Self {
        let multiple = NonZeroUsize::new(multiple).unwrap_or(NonZeroUsize::MIN);
        self.padded(field.into(), value, PadTo::Longest { multiple })
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
    /// For a CUDA device (feature `cuda`) a batch is copied from page-locked memory, and its tensors
    /// are made, before it is asked for: `next` waits for that on the device's stream and does nothing
    /// else there. The last transform runs on the device if it can ([`Transform::bind_on`]) and nothing
    /// is padded or widened after it; [`Plan::on_device`](crate::Plan::on_device) says whether it
    /// does. Workers then decode of each picture the window that its plan reaches, and the slabs, which
    /// are as large as those windows, grow if a batch needs more than was planned. Of other images only
    /// the parts are copied that plans reach, where these are much less. Iterate on one thread, and drop
    /// tensors there: a device of `Device::new_cuda` has one stream per thread, on which candle also
    /// frees memory. For a device of another kind `next` copies each batch.
    ///
    /// The program may capture graphs meanwhile, in any mode and on any thread: the loader's calls do not
    /// break a capture. But no batch can be part of a graph. Call `next` and drop batches outside of
    /// captures from the device's stream, and copy each batch into a tensor that the graph reads; `next`
    /// returns an error instead of a batch while its stream is captured from.
    ///
    /// Several devices of one process have a loader each. Devices of `Device::new_cuda` need a thread
    /// each as well, because candle frees memory on a stream of whichever context is current.
    pub fn device(mut self, device: Device) -> Self {
        self.device = device;
        self
    }

    /// Keeps every sample in the memory of the CUDA device once it was uploaded: later epochs are
    /// gathered and augmented there, and the source is not read again. The samples take at most
    /// `bytes` bytes, as the source has them, in addition to what the loader needs anyway
    /// ([`Plan::device_bytes`](crate::Plan::device_bytes) is the sum). Pictures are decoded once, wholly,
    /// and take as much as their pixels do; if their sizes are not declared, an error says that they do
    /// not fit when the first one does not.
    ///
    /// This never changes what is delivered. Every transform has to run on the device:
    /// [`build`](Self::build) refuses one that cannot. To keep samples in the memory of the host use
    /// [`SourceExt::cache`](tallow_core::SourceExt::cache). By default samples are read in every
    /// epoch.
    pub fn resident(mut self, bytes: usize) -> Self {
        self.resident = Some(bytes);
        self
    }

    /// What the memory pool of a CUDA device does with what tensors give back. The default is
    /// [`FreedMemory::Keep`], which sets the pool of the whole process.
    pub fn freed_memory(mut self, freed_memory: FreedMemory) -> Self {
        self.freed_memory = freed_memory;
        self
    }

    /// Checks everything, plans the memory and starts the workers.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Config`](crate::ErrorKind::Config) with all problems of the configuration, [`ErrorKind::Memory`](crate::ErrorKind::Memory) and
    /// [`ErrorKind::Thread`](crate::ErrorKind::Thread) when the system does not give what the plan needs, and
    /// [`ErrorKind::Device`](crate::ErrorKind::Device) when the device refuses.
    pub fn build(self) -> Result<Loader> {
        let mut problems = self.impossible();
        // A sampler that cannot serve the source says so twice.
        let mut note = |error: &Error| {
            let problem = error.problem();
            if !problems.contains(&problem) {
                problems.push(problem);
            }
        };
        let batching = self.batching().inspect_err(&mut note);
        let samples = self.source.len();
        let positions = self.sampler.len(&self.source.population());
        let positions = positions.map_err(Error::from).inspect_err(&mut note);
        let is_known = batching.as_ref().is_ok_and(|batching| batching.table().is_some());
        let pipeline = self.pipeline(is_known).inspect_err(&mut note);
        Error::all(&problems)?;
        let (pipeline, positions, batching) = (pipeline?, positions?, batching?);
        let mut problems = ragged_fields(pipeline.schema(), self.source.schema(), &self.padding);
        problems.extend(without_bytes(pipeline.schema(), positions));
        problems.extend(self.against_stream(&pipeline));
        problems.extend(other_multiples(&self.padding, batching.table()));
        Error::all(&problems)?;
        self.start(pipeline, batching, samples, positions)
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
}
