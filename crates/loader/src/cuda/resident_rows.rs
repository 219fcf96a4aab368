//! The memory of samples that remain on the device, and the kernel that moves their rows.
//!
//! All of it happens on the stream of copies. The copy of a batch brings the rows that were read; after
//! it one launch per field stores new samples and brings those that are stored already into the slab.
//! The order of that stream is all that the two need, and to the consumer a slab is a slab. What moves
//! is listed in the *places* of the batch, two numbers per row, which are copied with the plans.
//!
//! Pictures are not brought: kernels read them where they stay, since a raster says where that is. A new
//! one is copied there from the slab, besides being read there.

use std::ffi::c_void;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use candle_core::cuda_backend::cudarc::driver::{
    CudaSlice, CudaStream, DevicePtr, DriverError, LaunchConfig,
};
use tallow_core::Schema;
use tallow_core::device::{DeviceSlab, Raster, Run};
use tallow_fatbin::{Fatbin, Function, fatbin};

use super::resident_pictures::{Put, ResidentPictures};
use crate::Result;
use crate::error::{no_memory, refused};
use crate::lock::lock;
use crate::resident::Resident;
use crate::slabs::Slab;

/// The kernel.
static CODE: Fatbin = fatbin!("move_rows");

/// The places of a row: of its own sample, and of its partner.
type Places = [i64; 2];

/// Bytes of the places of a row.
pub(crate) const PLACES_BYTES: usize = size_of::<Places>();

/// The place of a row that stays as it is.
const NOWHERE: i64 = -1;

/// The place of a row that is brought from sample `index`.
fn brought(index: usize) -> i64 {
    index as i64
}

/// The place of a row that is put where sample `index` stays.
fn put(index: usize) -> i64 {
    -2 - index as i64
}

/// Where the slab of a batch has what only its host can make.
#[derive(Debug, Clone, Copy)]
pub(crate) struct HostPart {
    /// Where it begins: what lies before are the rows of samples.
    pub(crate) begin: usize,
    pub(crate) places: Run,
    /// The index of the partner of each row, below 0 where there is none; for an engine that mixes.
    pub(crate) partners: Option<Run>,
}

/// The samples on the device.
pub(crate) struct ResidentRows {
    resident: Arc<Resident>,
    part: HostPart,
    fields: Vec<FieldSamples>,
    pictures: Mutex<ResidentPictures>,
    kernel: Function,
}

/// All samples of one field.
struct FieldSamples {
    field: usize,
    memory: CudaSlice<u8>,
    row_bytes: usize,
}

/// What a sealed slab is about to do.
pub(crate) struct Moves {
    /// Where what is to be copied of the slab begins.
    pub(crate) begin: usize,
    /// Samples that are put where they stay.
    claimed: Vec<usize>,
    /// Their pictures.
    pictures: Vec<Put>,
    rows: u32,
}

impl ResidentRows {
    /// Threads of a block: a row of a few kB then takes one step of each.
    const THREADS: u32 = 256;
    /// Bytes that a block moves of a row before it takes another block.
    const BLOCK_BYTES: usize = 64 << 10;
    /// CUDA's limit on blocks along y. The kernel takes further rows in turns.
    const ROW_BLOCKS_MAX: u32 = 65_535;

    /// Memory for all samples of what workers write.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Memory`](crate::ErrorKind::Memory) when the device has not so much.
    pub(crate) fn new(
        stream: &Arc<CudaStream>,
        resident: Arc<Resident>,
        written: &Schema,
        part: HostPart,
    ) -> Result<Self> {
        let mut fields = Vec::new();
        for &field in resident.on_device() {
            let (name, row_bytes) =
                (written.fields()[field].name(), written.fields()[field].max_bytes());
            let bytes = row_bytes * resident.samples();
            if bytes == 0 {
                continue;
            }
            // SAFETY: a sample is read of it only once it was put there, on the same stream.
            let memory = unsafe { stream.alloc::<u8>(bytes) };
            let what = format!("device memory for all samples of {name:?}");
            let memory = memory.map_err(|error| no_memory(&what, bytes, &error))?;
            fields.push(FieldSamples { field, memory, row_bytes });
        }
        let module = CODE.load(stream.context()).map_err(|error| refused("the kernel", &error))?;
        let kernel = Arc::new(module).function("move_rows");
        let kernel = kernel.map_err(|error| refused("the kernel", &error))?;
        let pictures = Mutex::new(ResidentPictures::new(resident.clone()));
        Ok(Self { resident, part, fields, pictures, kernel })
    }

    /// Decides for each row of a slab, which lies on the host from `host` on as `layout` says, where its
    /// sample comes from and writes that down there. `indices` are the samples of the rows.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Memory`](crate::ErrorKind::Memory) when its pictures take more memory than is
    /// allowed or than there is; none of its samples is then put on the device.
    ///
    /// # Safety
    ///
    /// `host` must be the memory of a whole slab, which is not used otherwise.
    pub(crate) unsafe fn decide(
        &self,
        stream: &Arc<CudaStream>,
        host: *mut u8,
        layout: &DeviceSlab,
        indices: &[AtomicUsize],
    ) -> Result<Moves> {
        let rows = indices.len();
        // SAFETY: both runs lie in the slab, on boundaries of `DeviceSlab::ALIGN`, apart from each
        // other, and all of its memory is initialised.
        let (places, partners) = unsafe {
            let places = host.add(self.part.places.offset).cast::<Places>();
            let partners = self.part.partners.map(|run| host.add(run.offset).cast::<i64>());
            let partners = partners.map(|at| std::slice::from_raw_parts(at, rows));
            (std::slice::from_raw_parts_mut(places, rows), partners.unwrap_or(&[]))
        };
        let mut moves = Moves {
            begin: self.part.begin,
            claimed: Vec::new(),
            pictures: Vec::new(),
            rows: rows as u32,
        };
        let mut problem = None;
        for (row, (index, place)) in indices.iter().zip(places).enumerate() {
            *place = [NOWHERE; 2];
            let index = index.load(Ordering::Relaxed);
            if index == Slab::NO_INDEX {
                continue;
            }
            let is_there = |index| self.resident.is_present(index);
            if is_there(index) {
                // Whether or not it was read as well: the bytes are the same.
                place[0] = brought(index);
            } else {
                moves.begin = 0;
                // Another row may hold the same sample.
                if problem.is_none() && self.resident.claim(index) {
                    place[0] = put(index);
                    moves.claimed.push(index);
                    // SAFETY: the caller's promise; the worker that wrote the row found its sample
                    // absent, since nobody had claimed it, so its pictures are wholly in this slab.
                    let from = |field: usize| unsafe { raster(host, layout, field, row) }.address;
                    let mut pictures = lock(&self.pictures);
                    problem = pictures.put(stream, index, from, &mut moves.pictures).err();
                }
            }
            match partners.get(row).and_then(|&partner| usize::try_from(partner).ok()) {
                Some(partner) if is_there(partner) => place[1] = brought(partner),
                Some(_) => moves.begin = 0,
                None => {}
            }
        }
        if let Some(problem) = problem {
            self.settle(&moves, false);
            return Err(problem);
        }
        Ok(moves)
    }

    /// Enqueues what was decided, after the copy of the slab at address `slab`.
    pub(crate) fn enqueue(
        &self,
        stream: &Arc<CudaStream>,
        slab: u64,
        layout: &DeviceSlab,
        moves: &Moves,
    ) -> Result<(), DriverError> {
        for put in &moves.pictures {
            // SAFETY: the copy of the slab and of what lies beside its rows was enqueued on this stream;
            // the new place was found for this picture and is read by later work alone.
            unsafe { put.enqueue(stream) }?;
        }
        for FieldSamples { field, memory, row_bytes } in &self.fields {
            self.launch(stream, slab, layout.fields[*field], memory, *row_bytes, moves.rows, 0)?;
            if let (Some(run), Some(_)) = (layout.partners.get(*field), self.part.partners) {
                self.launch(stream, slab, *run, memory, *row_bytes, moves.rows, 1)?;
            }
        }
        Ok(())
    }

    #[expect(clippy::too_many_arguments, reason = "the kernel's")]
    fn launch(
        &self,
        stream: &Arc<CudaStream>,
        slab: u64,
        run: Run,
        memory: &CudaSlice<u8>,
        row_bytes: usize,
        rows: u32,
        which: u32,
    ) -> Result<(), DriverError> {
        let blocks = row_bytes.div_ceil(Self::BLOCK_BYTES) as u32;
        let config = LaunchConfig {
            grid_dim: (blocks, rows.clamp(1, Self::ROW_BLOCKS_MAX), 1),
            block_dim: (Self::THREADS, 1, 1),
            shared_mem_bytes: 0,
        };
        let samples = memory.device_ptr(stream).0;
        let at = |offset: usize| slab + offset as u64;
        let (batch, places, row_bytes) =
            (at(run.offset), at(self.part.places.offset), row_bytes as u64);
        let mut parameters = [
            (&raw const batch).cast::<c_void>().cast_mut(),
            (&raw const samples).cast_mut().cast(),
            (&raw const places).cast_mut().cast(),
            (&raw const row_bytes).cast_mut().cast(),
            (&raw const rows).cast_mut().cast(),
            (&raw const which).cast_mut().cast(),
        ];
        // SAFETY: the kernel takes these parameters; the slab is as long as its layout says, and the
        // places in it name samples that exist, of which those that are brought were put there by
        // earlier work of this stream.
        unsafe { self.kernel.launch(stream, config, &mut parameters) }
    }

    /// What was decided is enqueued, or could not be.
    pub(crate) fn settle(&self, moves: &Moves, enqueued: bool) {
        self.resident.settle(&moves.claimed, enqueued);
    }
}

/// Where the pixels of raw field `field` of row `row` are, in the slab that begins at `host`.
///
/// # Safety
///
/// `host` must be the memory of a whole slab, in which the field has rasters, and which nobody writes.
unsafe fn raster(host: *const u8, layout: &DeviceSlab, field: usize, row: usize) -> Raster {
    // SAFETY: the run lies in the slab, on a boundary of `DeviceSlab::ALIGN`, and is initialised; the
    // size of a raster is a multiple of its alignment.
    unsafe { host.add(layout.fields[field].at(row)).cast::<Raster>().read() }
}
