//! What a loader is going to do: a plain value, derived before anything starts.

use std::fmt;

use candle_core::Device;
use tallow_core::{Batching, LastBatch, Schema, StoreLimits, escaped};

use crate::policy::OnError;

/// A number of bytes for people: three digits and a decimal unit.
struct Bytes(usize);

impl fmt::Display for Bytes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        const UNITS: [&str; 6] = ["kB", "MB", "GB", "TB", "PB", "EB"];
        if self.0 < 1000 {
            return write!(f, "{} B", self.0);
        }
        let (mut value, mut unit) = (self.0 as f64 / 1000.0, 0);
        // Not 1000.0: what would be rounded up to that belongs to the next unit.
        while value >= 999.5 && unit + 1 < UNITS.len() {
            (value, unit) = (value / 1000.0, unit + 1);
        }
        let digits = if value < 9.995 { 2 } else { usize::from(value < 99.95) };
        write!(f, "{value:.digits$} {}", UNITS[unit])
    }
}

/// What a loader is going to do, derived from its configuration at `build()`: what it delivers, with
/// how many workers, in how much memory. It prints as a table.
#[derive(Debug, Clone)]
pub struct Plan {
    pub(crate) schema: Schema,
    pub(crate) samples: usize,
    pub(crate) positions: usize,
    /// Whether samples come one after the other, and how many is not known before the last.
    pub(crate) is_open: bool,
    /// Of samples that were read and not taken yet, for a source whose samples come one after the other.
    pub(crate) stream_bytes: usize,
    pub(crate) batches: usize,
    /// Why an epoch has no batch, if it has none.
    pub(crate) empty: Option<String>,
    /// Where the sampler makes batches of its own, the rows of the largest.
    pub(crate) batch_size: usize,
    /// What a batch takes at most over all ranks, rows times longest sample, if the sampler makes batches of
    /// its own.
    pub(crate) elements_max: Option<usize>,
    pub(crate) rank: usize,
    pub(crate) world: usize,
    pub(crate) last: LastBatch,
    pub(crate) on_error: OnError,
    pub(crate) device: Device,
    pub(crate) workers: usize,
    pub(crate) prefetch: usize,
    pub(crate) read_ahead: usize,
    pub(crate) read_ahead_batches: usize,
    pub(crate) auto: bool,
    pub(crate) slab_bytes: usize,
    /// Of tensors that are cut to their longest row, while that is done.
    pub(crate) cut_bytes: usize,
    pub(crate) device_bytes: usize,
    pub(crate) on_device: bool,
    pub(crate) resident: bool,
    pub(crate) resident_host_bytes: usize,
    pub(crate) scratch_bytes: usize,
    /// Per worker, as its scratch.
    pub(crate) picture_bytes: usize,
    pub(crate) order_bytes: usize,
    pub(crate) store: Option<StoreLimits>,
}

/// Why an epoch of `positions` positions over `samples` samples has no batch, if it has none.
pub(crate) fn empty_epoch(batching: &Batching, samples: usize, positions: usize) -> Option<String> {
    if batching.batches(positions) > 0 {
        return None;
    }
    Some(match (samples, positions) {
        (0, _) => "the source has no samples".to_owned(),
        (_, 0) => format!("the sampler takes none of the {samples} samples"),
        _ => {
            let what = if positions == samples { "samples" } else { "rows of an epoch" };
            format!(
                "a batch of {} is more than the {positions} {what}, and an incomplete one is dropped: \
                 use LastBatch::Keep or LastBatch::Pad, or batches of at most {positions}",
                batching.batch_size()
            )
        }
    })
}

impl Plan {
    /// What is probably a mistake, one sentence each: an epoch without batches, a rank without
    /// samples.
    pub fn warnings(&self) -> Vec<String> {
        let empty = self.empty.as_ref().map(|why| format!("an epoch has no batch: {why}"));
        let left_out =
            self.last == LastBatch::Keep && self.empty.is_none() && self.rank >= self.positions;
        let left_out = left_out.then(|| {
            format!(
                "rank {} of {} gets only empty batches, since an epoch has {} samples",
                self.rank, self.world, self.positions
            )
        });
        [empty, left_out].into_iter().flatten().collect()
    }

    /// Whether it is known how many samples an epoch has. If it is not, because the source is a stream,
    /// [`samples`](Self::samples), [`positions`](Self::positions) and [`batches`](Self::batches) are the most
    /// that there may be.
    pub fn is_bounded(&self) -> bool {
        !self.is_open
    }

    /// Bytes of the samples of a stream that were read and are not in a row yet, at most.
    pub fn stream_bytes(&self) -> usize {
        self.stream_bytes
    }

    /// How many samples the source has.
    pub fn samples(&self) -> usize {
        self.samples
    }

    /// Positions per epoch: how many samples an epoch visits, repetitions included.
    pub fn positions(&self) -> usize {
        self.positions
    }

    /// Batches per epoch.
    pub fn batches(&self) -> usize {
        self.batches
    }

    /// Rows of a full batch, over all ranks; of the largest batch where the sampler makes batches itself.
    pub fn batch_size(&self) -> usize {
        self.batch_size
    }

    /// Worker threads; 0 if the work is done inside `next`. With [`Auto`](crate::Auto) the most that
    /// may be chosen.
    pub fn workers(&self) -> usize {
        self.workers
    }

    /// Batches that are made ahead of the consumer, at most.
    pub fn prefetch(&self) -> usize {
        self.prefetch
    }

    /// Bytes of files that are fetched into the page cache before workers read them, as
    /// [`LoaderBuilder::read_ahead`](crate::LoaderBuilder::read_ahead) was given them.
    pub fn read_ahead(&self) -> usize {
        self.read_ahead
    }

    /// How many batches that is at least, of samples of the largest size that the source may have; one,
    /// unless nothing is read ahead. Files of pictures are mostly smaller than they may be, and more
    /// batches are then fetched.
    pub fn read_ahead_batches(&self) -> usize {
        self.read_ahead_batches
    }

    /// Whether the last transform runs on the device, on whole batches, instead of in the workers.
    pub fn on_device(&self) -> bool {
        self.on_device
    }

    /// Whether samples remain on the device once they were uploaded.
    pub fn resident(&self) -> bool {
        self.resident
    }

    /// The most bytes that the loader keeps in the memory of a CUDA device: slabs, the tensors of
    /// batches that are made ahead, and resident samples, of pictures whose sizes are not declared the
    /// most that they may take. Delivered batches are not counted, nor is what slabs grow by, as in [`memory_bytes`](Self::memory_bytes).
    pub fn device_bytes(&self) -> usize {
        self.device_bytes
    }

    /// What the process may have under way in stores, and keeps on the disk, if the source reads from one. All loaders
    /// of the process share it, so it is not part of [`memory_bytes`](Self::memory_bytes).
    pub fn store(&self) -> Option<&StoreLimits> {
        self.store.as_ref()
    }

    /// Bytes of the memory in which workers make one batch of this rank.
    pub fn slab_bytes(&self) -> usize {
        self.slab_bytes
    }

    /// Bytes that the workers need in addition while each of them is at a picture of the largest kind
    /// that the source admits, in its slowest format. Such pictures are rare where the limits are the
    /// defaults of [`Picture`](tallow_core::Picture); its setters `at_most` and `payload_bytes` say how
    /// large they are.
    pub fn picture_bytes(&self) -> usize {
        self.workers.max(1).saturating_mul(self.picture_bytes)
    }

    /// The most bytes that the loader holds: the slabs ahead of the consumer and the one that is handed
    /// over, with an index per row, the scratch of the workers, their
    /// [largest pictures](Self::picture_bytes), what it knows about resident samples, the orders of
    /// two epochs, and of a stream [what was read](Self::stream_bytes). Batches that the consumer keeps are not counted, nor is what the
    /// source holds. A stuck worker keeps its slab in addition, until it returns. For a CUDA device that
    /// makes something of pictures, each slab has room for windows of photos (384 KiB per row and
    /// picture, or less where no picture is as large); a batch whose windows take more makes its slab
    /// grow, for good. For images that are copied in parts each slab has room for all of them.
    pub fn memory_bytes(&self) -> usize {
        let slab_bytes = self.slab_bytes.saturating_add(self.index_bytes());
        let slabs = self.prefetch.saturating_add(1).saturating_mul(slab_bytes);
        let scratch = self.workers.max(1).saturating_mul(self.scratch_bytes);
        let held = slabs.saturating_add(scratch).saturating_add(self.picture_bytes());
        let held = held.saturating_add(self.resident_host_bytes).saturating_add(self.stream_bytes);
        held.saturating_add(self.order_bytes.saturating_mul(2)).saturating_add(self.cut_bytes)
    }

    /// The most batches ahead with which the loader holds no more than `bytes`, or 0. What the largest
    /// pictures would need is left out: no one would get more than a worker, for pictures that hardly
    /// any folder has.
    pub(crate) fn prefetch_within(&self, bytes: usize) -> usize {
        let without = Self { prefetch: 0, picture_bytes: 0, ..self.clone() }.memory_bytes();
        let slab_bytes = self.slab_bytes.saturating_add(self.index_bytes()).max(1);
        bytes.saturating_sub(without) / slab_bytes
    }

    /// Positions of an epoch in a saved state, which counts the rows of the largest batch for each that the
    /// sampler made.
    pub(crate) fn state_positions(&self) -> usize {
        match self.elements_max {
            Some(_) => self.batches.saturating_mul(self.batch_size),
            None => self.positions,
        }
    }

    /// Bytes of the sample indices of one batch on this rank.
    fn index_bytes(&self) -> usize {
        self.batch_size.div_ceil(self.world).min(self.positions).saturating_mul(size_of::<usize>())
    }
}

impl fmt::Display for Plan {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "fields    {}", self.schema)?;
        if self.is_open {
            writeln!(f, "samples   as many as the stream has")?;
            write!(f, "batches   of ")?;
        } else {
            writeln!(f, "samples   {} in the source, {} per epoch", self.samples, self.positions)?;
            write!(f, "batches   {} per epoch, of ", self.batches)?;
        }
        match self.elements_max {
            Some(most) => write!(f, "at most {} rows and {most} elements", self.batch_size)?,
            None => write!(f, "{} rows", self.batch_size)?,
        }
        if self.world > 1 {
            write!(f, ", every {}th row from row {} on this rank", self.world, self.rank)?;
        }
        writeln!(f, ", last batch: {:?}", self.last)?;
        writeln!(f, "errors    {}", self.on_error)?;
        write!(f, "device    {:?}", self.device.location())?;
        if self.device_bytes > 0 {
            let what =
                if self.resident { "slabs, tensors and all samples" } else { "slabs and tensors" };
            write!(f, ", {} of it for {what}", Bytes(self.device_bytes))?;
        }
        writeln!(f, "{}", if self.on_device { ", where the last transform runs" } else { "" })?;
        let most = if self.auto { "up to " } else { "" };
        write!(f, "workers   {most}{}, {most}{} batches ahead", self.workers, self.prefetch)?;
        if self.read_ahead > 0 {
            write!(f, ", the files of at least {} more fetched", self.read_ahead_batches)?;
        }
        writeln!(f)?;
        write!(
            f,
            "memory    at most {}: {} + 1 batches of {} and {} of indices, {} x {} scratch, 2 x {} order",
            Bytes(self.memory_bytes()),
            self.prefetch,
            Bytes(self.slab_bytes),
            Bytes(self.index_bytes()),
            self.workers.max(1),
            Bytes(self.scratch_bytes),
            Bytes(self.order_bytes)
        )?;
        if self.picture_bytes > 0 {
            let (workers, bytes) = (self.workers.max(1), Bytes(self.picture_bytes));
            write!(f, ", {workers} x {bytes} for the largest pictures that are accepted")?;
        }
        if self.cut_bytes > 0 {
            write!(f, ", {} to cut padding", Bytes(self.cut_bytes))?;
        }
        if self.stream_bytes > 0 {
            write!(f, ", {} of samples that were read", Bytes(self.stream_bytes))?;
        }
        if self.resident {
            write!(f, ", {} of resident samples", Bytes(self.resident_host_bytes))?;
        }
        if let Some(store) = &self.store {
            let bytes = Bytes(usize::try_from(store.bytes).unwrap_or(usize::MAX));
            write!(f, "\nstore     at most {bytes} in {} requests under way", store.requests)?;
            write!(f, ", for all loaders of the process; ")?;
            match &store.cache {
                Some((folder, bytes)) => {
                    let bytes = Bytes(usize::try_from(*bytes).unwrap_or(usize::MAX));
                    write!(f, "at most {bytes} kept in {}", escaped(&folder.to_string_lossy()))?;
                }
                None => write!(f, "nothing kept on the disk")?,
            }
        }
        self.warnings().iter().try_for_each(|warning| write!(f, "\nwarning   {warning}"))
    }
}
