use std::fmt;

use candle_core::Device;
use tallow_core::{LastBatch, Schema};

use crate::policy::OnError;

/// What a loader is going to do, derived from its configuration at `build()`: what there is to
/// deliver, by how many workers, in how much memory.
#[derive(Debug, Clone)]
pub struct Plan {
    pub(crate) schema: Schema,
    pub(crate) samples: usize,
    pub(crate) positions: usize,
    pub(crate) batches: usize,
    pub(crate) batch_size: usize,
    pub(crate) rank: usize,
    pub(crate) world: usize,
    pub(crate) last: LastBatch,
    pub(crate) on_error: OnError,
    pub(crate) device: Device,
    pub(crate) workers: usize,
    pub(crate) prefetch: usize,
    pub(crate) read_ahead: usize,
    pub(crate) read_ahead_bytes: usize,
    pub(crate) auto: bool,
    pub(crate) slab_bytes: usize,
    pub(crate) device_bytes: usize,
    pub(crate) on_device: bool,
    pub(crate) resident: bool,
    pub(crate) resident_host_bytes: usize,
    pub(crate) scratch_bytes: usize,
    pub(crate) order_bytes: usize,
}

impl Plan {
    /// Samples of the source.
    pub fn samples(&self) -> usize {
        self.samples
    }

    /// Positions of an epoch.
    pub fn positions(&self) -> usize {
        self.positions
    }

    /// Batches of an epoch.
    pub fn batches(&self) -> usize {
        self.batches
    }

    /// Worker threads; 0 when the work is done inside `next`. The most there are, where the loader
    /// chooses.
    pub fn workers(&self) -> usize {
        self.workers
    }

    /// Batches made ahead of the consumer, at most.
    pub fn prefetch(&self) -> usize {
        self.prefetch
    }

    /// Batches whose files are fetched into the page cache before workers begin them.
    pub fn read_ahead(&self) -> usize {
        self.read_ahead
    }

    /// Whether the last transform runs on the device, on whole batches, and not in the workers.
    pub fn on_device(&self) -> bool {
        self.on_device
    }

    /// Whether samples stay on the device once they were uploaded.
    pub fn resident(&self) -> bool {
        self.resident
    }

    /// Bytes that the loader keeps in the memory of a CUDA device, resident samples included;
    /// delivered batches come on top.
    pub fn device_bytes(&self) -> usize {
        self.device_bytes
    }

    /// Bytes of the memory in which workers make one batch of this rank.
    pub fn slab_bytes(&self) -> usize {
        self.slab_bytes
    }

    /// The most that the loader holds: the slabs ahead of the consumer and the one being handed
    /// over, with an index for each of their rows, the scratch of the workers, what is known of
    /// samples that are resident on the device, and the orders of two epochs. Batches that the
    /// consumer keeps are its own, and so is what the source holds. A worker that is stuck keeps
    /// the slab it is at beyond that, until it returns.
    pub fn memory_bytes(&self) -> usize {
        let slab_bytes = self.slab_bytes.saturating_add(self.index_bytes());
        let slabs = self.prefetch.saturating_add(1).saturating_mul(slab_bytes);
        let scratch = self.workers.max(1).saturating_mul(self.scratch_bytes);
        let held = slabs.saturating_add(scratch).saturating_add(self.resident_host_bytes);
        held.saturating_add(self.order_bytes.saturating_mul(2))
    }

    /// The most batches ahead with which the loader holds no more than `bytes`, or 0.
    pub(crate) fn prefetch_within(&self, bytes: usize) -> usize {
        let without = Self { prefetch: 0, ..self.clone() }.memory_bytes();
        let slab_bytes = self.slab_bytes.saturating_add(self.index_bytes()).max(1);
        bytes.saturating_sub(without) / slab_bytes
    }

    /// Bytes of the sample indices of one batch on this rank.
    fn index_bytes(&self) -> usize {
        (self.batch_size / self.world).saturating_mul(size_of::<usize>())
    }
}

impl fmt::Display for Plan {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "fields    {}", self.schema)?;
        writeln!(f, "samples   {} in the source, {} an epoch", self.samples, self.positions)?;
        write!(f, "batches   {} an epoch, of {} rows", self.batches, self.batch_size)?;
        if self.world > 1 {
            write!(f, ", every {}th row from row {} on this rank", self.world, self.rank)?;
        }
        writeln!(f, ", last batch: {:?}", self.last)?;
        writeln!(f, "errors    {}", self.on_error)?;
        write!(f, "device    {:?}", self.device.location())?;
        if self.device_bytes > 0 {
            let what = if self.resident { "slabs and all samples" } else { "slabs" };
            write!(f, ", {} bytes of it for {what}", self.device_bytes)?;
        }
        writeln!(f, "{}", if self.on_device { ", where the last transform runs" } else { "" })?;
        let most = if self.auto { "up to " } else { "" };
        write!(f, "workers   {most}{}, {most}{} batches ahead", self.workers, self.prefetch)?;
        if self.read_ahead > 0 {
            write!(f, ", the files of {} more fetched", self.read_ahead)?;
        }
        writeln!(f)?;
        write!(
            f,
            "memory    at most {} bytes: {} + 1 batches of {} and {} of indices, {} x {} scratch, 2 x {} order",
            self.memory_bytes(),
            self.prefetch,
            self.slab_bytes,
            self.index_bytes(),
            self.workers.max(1),
            self.scratch_bytes,
            self.order_bytes
        )?;
        if self.resident {
            write!(f, ", {} of resident samples", self.resident_host_bytes)?;
        }
        Ok(())
    }
}
