//! Samples that remain in device memory: each is read and uploaded once, and from then on gathered
//! there, or read where it is. This is what the host knows of them; the memory itself is in
//! `cuda/resident_rows.rs` and `cuda/resident_pictures.rs`.

use std::sync::OnceLock;
use std::sync::atomic::{AtomicU8, AtomicU64, Ordering};

use tallow_core::{Picture, PictureHead, Row, RowView, Schema, Shapes};

/// What the host knows of each sample.
pub(crate) struct Resident {
    /// Fields whose values are needed here.
    on_host: Vec<usize>,
    /// Fields whose rows lie on the device: all but pictures, and those that workers make others of.
    on_device: Vec<usize>,
    /// Pictures that lie on the device, and what they are.
    pictures: Vec<(usize, Picture)>,
    /// Fields whose shape a plan depends on.
    ragged: Vec<usize>,
    samples: Box<[ResidentSample]>,
    /// Bytes of the device that pictures may take.
    picture_bytes_max: usize,
}

/// How the fields of a sample are used.
pub(crate) struct ResidentParts {
    /// Fields that workers make others of.
    pub(crate) made: Vec<usize>,
    /// Fields that lie on the device and are read here as well.
    pub(crate) read: Vec<usize>,
    /// Pictures that the device makes others of.
    pub(crate) pictures: Vec<usize>,
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
    pictures: Vec<KeptPicture>,
}

/// What of a picture has to be known here.
pub(crate) struct KeptPicture {
    pub(crate) head: PictureHead,
    /// Where they lie on the device, once the sample is there.
    address: AtomicU64,
}

impl KeptPicture {
    /// Where its pixels lie on the device, on which its sample is.
    pub(crate) fn address(&self) -> u64 {
        self.address.load(Ordering::Relaxed)
    }

    /// Its pixels will lie there. Known to others once its sample is settled.
    #[cfg(feature = "cuda")]
    pub(crate) fn move_to(&self, address: u64) {
        self.address.store(address, Ordering::Relaxed);
    }
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
    /// For `samples` samples of `raw`, of which `bytes_max` bytes may lie on the device.
    pub(crate) fn new(
        samples: usize,
        raw: &Schema,
        parts: ResidentParts,
        bytes_max: usize,
    ) -> Self {
        let ResidentParts { made, read, pictures } = parts;
        let fields = 0..raw.fields().len();
        let is_row = |field: &usize| !made.contains(field) && !pictures.contains(field);
        let on_device = fields.clone().filter(is_row).collect();
        let is_ragged =
            |field: &usize| raw.fields()[*field].is_ragged() && !pictures.contains(field);
        let ragged = fields.filter(is_ragged).collect();
        let of = |&field: &usize| Some((field, raw.fields()[field].as_picture()?.clone()));
        let pictures = pictures.iter().filter_map(of).collect();
        let on_host = made.into_iter().chain(read).collect();
        let samples = (0..samples).map(|_| ResidentSample::default()).collect();
        let mut this = Self { on_host, on_device, pictures, ragged, samples, picture_bytes_max: 0 };
        let rows = this.row_bytes(raw).unwrap_or(usize::MAX);
        this.picture_bytes_max = bytes_max.saturating_sub(rows);
        this
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

    /// Bytes that all rows take on the device, if they can be counted.
    fn row_bytes(&self, raw: &Schema) -> Option<usize> {
        let row = |&field: &usize| raw.fields()[field].max_bytes();
        let row_bytes: usize = self.on_device.iter().map(row).sum();
        row_bytes.checked_mul(self.samples.len())
    }

    /// The least that all samples take on the device, if it can be counted: pictures whose size is open
    /// are found out while they are read.
    pub(crate) fn device_bytes(&self, raw: &Schema) -> Option<usize> {
        let size = |&(field, _): &(usize, Picture)| {
            let field = raw.fields()[field].decoded();
            if field.is_ragged() { 0 } else { field.max_bytes() }
        };
        let pictures = self.pictures.iter().map(size).try_fold(0, usize::checked_add)?;
        self.row_bytes(raw)?.checked_add(pictures.checked_mul(self.samples.len())?)
    }

    /// The most that they take: pictures whose size is open take up to what they may.
    #[cfg(feature = "cuda")]
    pub(crate) fn device_bytes_max(&self, raw: &Schema) -> usize {
        let is_open = |(field, _): &(usize, Picture)| raw.fields()[*field].decoded().is_ragged();
        let rows = self.row_bytes(raw).unwrap_or(usize::MAX);
        match self.pictures.iter().any(is_open) {
            true => rows.saturating_add(self.picture_bytes_max),
            false => self.device_bytes(raw).unwrap_or(usize::MAX),
        }
    }

    /// Bytes of the device that pictures may take.
    #[cfg(feature = "cuda")]
    pub(crate) fn picture_bytes_max(&self) -> usize {
        self.picture_bytes_max
    }

    /// Bytes of host memory that all of it may take.
    pub(crate) fn host_bytes(&self, raw: &Schema) -> usize {
        let fields = raw.fields();
        // A slice takes its pointer in `Kept`, and the header of its allocation.
        const SLICE: usize = size_of::<Box<[u8]>>() + 2 * size_of::<usize>();
        let value = |&field: &usize| SLICE + fields[field].max_bytes();
        let shape = |&field: &usize| SLICE + fields[field].dims().len() * size_of::<usize>();
        let values: usize = self.on_host.iter().map(value).sum();
        let shapes: usize = self.ragged.iter().map(shape).sum();
        let pictures = self.pictures.len() * size_of::<KeptPicture>();
        let kept = size_of::<Kept>() + 4 * SLICE + values + shapes + pictures;
        let kept = if self.keeps() { kept } else { 0 };
        self.samples.len().saturating_mul(size_of::<ResidentSample>() + kept)
    }

    fn keeps(&self) -> bool {
        !(self.on_host.is_empty() && self.ragged.is_empty() && self.pictures.is_empty())
    }

    /// Whether the device has the sample, for all work that is enqueued from now on.
    pub(crate) fn is_present(&self, index: usize) -> bool {
        self.samples[index].stage.load(Ordering::Acquire) == PRESENT
    }

    /// Keeps of a sample that was read what the device cannot tell.
    ///
    /// # Errors
    ///
    /// When a picture is none, or not one that its field admits.
    pub(crate) fn keep(&self, index: usize, view: RowView<'_>) -> tallow_core::Result<()> {
        let sample = &self.samples[index];
        if !self.keeps() || sample.kept.get().is_some() {
            return Ok(());
        }
        let shapes = self.ragged.iter().map(|&field| view.field(field).shape().into());
        let values = self.on_host.iter().map(|&field| view.field(field).bytes().into());
        let (shapes, values) = (shapes.collect(), values.collect());
        let mut pictures = Vec::with_capacity(self.pictures.len());
        for (field, _) in &self.pictures {
            let Some(head) = Shapes::of(view).picture(*field)? else { continue };
            pictures.push(KeptPicture { head, address: AtomicU64::new(0) });
        }
        // Another worker may have been faster: what it keeps is the same.
        sample.kept.get_or_init(|| Box::new(Kept { shapes, values, pictures }));
        Ok(())
    }

    /// The same with the bytes of their pixels.
    #[cfg(feature = "cuda")]
    pub(crate) fn sized_pictures_of(
        &self,
        index: usize,
    ) -> impl Iterator<Item = (&KeptPicture, usize)> {
        let bytes = |(kept, (_, picture)): (&KeptPicture, &(usize, Picture))| {
            let stored = kept.head.stored();
            stored.whole().pixels() * stored.pixel_bytes(picture.color())
        };
        let all = self.pictures_of(index).iter().zip(&self.pictures);
        all.map(move |(kept, declared)| (kept, bytes((kept, declared))))
    }

    /// The fields that have pictures on the device.
    #[cfg(feature = "cuda")]
    pub(crate) fn picture_fields(&self) -> impl Iterator<Item = usize> {
        self.pictures.iter().map(|(field, _)| *field)
    }

    /// The pictures of a sample that was read once, in the order of their fields.
    pub(crate) fn pictures_of(&self, index: usize) -> &[KeptPicture] {
        self.samples[index].kept.get().map_or(&[], |kept| &kept.pictures)
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
