//! Samples that remain in device memory: each is read and uploaded once, and from then on gathered
//! there. This is what the host knows of them; the memory itself is in `cuda/resident_rows.rs`.

use std::sync::OnceLock;
use std::sync::atomic::{AtomicU8, Ordering};

use tallow_core::{Row, RowView, Schema};

/// What the host knows of each sample.
pub(crate) struct Resident {
    /// Fields whose values are needed here.
    on_host: Vec<usize>,
    /// Fields that lie on the device: all but those that workers make others of.
    on_device: Vec<usize>,
    /// Fields whose shape a plan depends on.
    ragged: Vec<usize>,
    samples: Box<[ResidentSample]>,
}

#[derive(Default)]
struct ResidentSample {
    /// Set when the sample is read first, where there is something to keep.
    kept: OnceLock<Box<Kept>>,
    stage: AtomicU8,
}

/// What of a sample has to be known here.
struct Kept {
    /// Of the ragged fields.
    shapes: Vec<Box<[usize]>>,
    /// Of the fields that workers need.
    values: Vec<Box<[u8]>>,
}

/// Not on the device, as all samples are at first.
#[cfg(feature = "cuda")]
const ABSENT: u8 = 0;
/// A seal is about to enqueue the work that puts it there.
#[cfg(feature = "cuda")]
const COMING: u8 = 1;
/// All work that is enqueued from now on finds it there.
const PRESENT: u8 = 2;

impl Resident {
    /// For `samples` samples of what workers write. `made` are the fields that workers make others of,
    /// and `read` those that lie on the device and are read here as well.
    pub(crate) fn new(
        samples: usize,
        written: &Schema,
        made: Vec<usize>,
        read: Vec<usize>,
    ) -> Self {
        let fields = 0..written.fields().len();
        let on_device = fields.clone().filter(|field| !made.contains(field)).collect();
        let on_host = made.into_iter().chain(read).collect();
        let ragged = fields.filter(|&field| written.fields()[field].is_ragged()).collect();
        let samples = (0..samples).map(|_| ResidentSample::default()).collect();
        Self { on_host, on_device, ragged, samples }
    }

    /// How many samples there are.
    #[cfg(feature = "cuda")]
    pub(crate) fn samples(&self) -> usize {
        self.samples.len()
    }

    /// The fields that lie on the device.
    #[cfg(feature = "cuda")]
    pub(crate) fn on_device(&self) -> &[usize] {
        &self.on_device
    }

    /// Bytes that `samples` samples take on the device, if they can be counted.
    pub(crate) fn device_bytes(&self, written: &Schema) -> Option<usize> {
        let row = |&field: &usize| written.fields()[field].max_bytes();
        let row_bytes: usize = self.on_device.iter().map(row).sum();
        row_bytes.checked_mul(self.samples.len())
    }

    /// Bytes of host memory that all of it may take.
    pub(crate) fn host_bytes(&self, written: &Schema) -> usize {
        let fields = written.fields();
        // A slice takes its pointer in `Kept`, and the header of its allocation.
        const SLICE: usize = size_of::<Box<[u8]>>() + 2 * size_of::<usize>();
        let value = |&field: &usize| SLICE + fields[field].max_bytes();
        let shape = |&field: &usize| SLICE + fields[field].dims().len() * size_of::<usize>();
        let values: usize = self.on_host.iter().map(value).sum();
        let shapes: usize = self.ragged.iter().map(shape).sum();
        let kept = if self.keeps() { size_of::<Kept>() + 3 * SLICE + values + shapes } else { 0 };
        self.samples.len().saturating_mul(size_of::<ResidentSample>() + kept)
    }

    fn keeps(&self) -> bool {
        !(self.on_host.is_empty() && self.ragged.is_empty())
    }

    /// Whether the device has the sample, for all work that is enqueued from now on.
    pub(crate) fn is_present(&self, index: usize) -> bool {
        self.samples[index].stage.load(Ordering::Acquire) == PRESENT
    }

    /// Keeps of a sample that was read what the device cannot tell.
    pub(crate) fn keep(&self, index: usize, view: RowView<'_>) {
        if self.keeps() {
            self.samples[index].kept.get_or_init(|| {
                let shapes = self.ragged.iter().map(|&field| view.field(field).shape().into());
                let values = self.on_host.iter().map(|&field| view.field(field).bytes().into());
                Box::new(Kept { shapes: shapes.collect(), values: values.collect() })
            });
        }
    }

    /// Instead of reading a sample, writes what its plan and the worker need of it; what is on the device
    /// is left out. Returns whether the sample is on the device.
    pub(crate) fn restore(&self, index: usize, row: &mut Row<'_>) -> tallow_core::Result<bool> {
        if !self.is_present(index) {
            return Ok(false);
        }
        if let Some(kept) = self.samples[index].kept.get() {
            for (&field, shape) in self.ragged.iter().zip(&kept.shapes) {
                row.field(field).set_shape(shape)?;
            }
            for (&field, values) in self.on_host.iter().zip(&kept.values) {
                row.field(field).copy_from_bytes(values)?;
            }
        }
        Ok(true)
    }

    /// Whether the caller is to put the sample on the device. If so, it calls
    /// [`settle`](Self::settle) afterwards.
    #[cfg(feature = "cuda")]
    pub(crate) fn claim(&self, index: usize) -> bool {
        let stage = &self.samples[index].stage;
        stage.compare_exchange(ABSENT, COMING, Ordering::Relaxed, Ordering::Relaxed).is_ok()
    }

    /// The work that puts these claimed samples on the device is enqueued, or could not be.
    #[cfg(feature = "cuda")]
    pub(crate) fn settle(&self, claimed: &[usize], enqueued: bool) {
        for &index in claimed {
            let stage = if enqueued { PRESENT } else { ABSENT };
            // Released with what workers keep of the sample, and after the calls of the driver.
            self.samples[index].stage.store(stage, Ordering::Release);
        }
    }
}
