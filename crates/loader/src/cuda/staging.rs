//! The way of a batch into CUDA memory.
//!
//! A *slot* is page-locked memory for a slab, and as much memory on the device. Workers write the
//! former. The worker that finishes the last row enqueues one copy to the latter on one stream of the
//! loader, and on another one, of the lowest priority, what makes tensors of it: their memory, and
//! kernels or copies. `next`, on the consumer's thread, lets the stream of its device wait for them,
//! and hands them over. Slots are made at `build` and used in turn; tensors are memory of the device's
//! pool, so that those that the consumer keeps remain his.
//!
//! candle orders nothing between threads: its devices use one stream per thread, record no events of
//! their own on it, and free memory on the stream of the thread that drops it. So nothing here relies
//! on an order that is not made here, by two events per slot. Two more measure time:
//!
//! | event | recorded | waited for |
//! |---|---|---|
//! | `begun` | on the stream of copies, before the copy | never: from it to `copied` is the time of the copy |
//! | `copied` | on the stream of copies, after the copy | by workers, before they write the slot's page-locked memory again; by the stream of kernels, before it reads the slot's device memory |
//! | `taken` | on the stream of kernels, after its wait for `copied` | never: from it to `made` is the time of the kernels |
//! | `made` | on the stream of kernels, after its last use of the slot | by the consumer's stream, before it is given the tensors; by the stream of copies, before it copies into the slot again |
//!
//! The streams are two so that a copy and the kernels of the batch before it run at the same time. They
//! belong to a context object of their own: a second stream of the user's context would turn on cudarc's
//! event tracking for every operation of the training loop.

use std::collections::VecDeque;
use std::ops::Range;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use candle_core::cuda_backend::cudarc::driver::sys::CUevent_flags;
use candle_core::cuda_backend::cudarc::driver::{
    CudaContext, CudaEvent, CudaSlice, CudaStream, CudaView, DevicePtr, DeviceRepr, DriverError,
    result,
};
use candle_core::cuda_backend::{CudaStorage, CudaStorageSlice};
use candle_core::op::BackpropOp;
use candle_core::{CudaDevice, DType, Shape, Storage, Tensor};
use tallow_core::device::{DeviceEngine, DeviceSlab, Made, Run};
use tallow_core::{Field, LastBatch};

use super::capture::{self, Relaxed};
use super::mirror::Mirror;
use super::pool;
use super::resident_rows::{HostPart, Moves, PLACES_BYTES, ResidentRows};
use super::windows::Windows;
use crate::error::{no_memory, refused};
use crate::lock::lock;
use crate::report::DeviceWork;
use crate::slabs::{
    BatchSize, FieldLayout, Finished, Lent, RowRun, Slab, SlabLayout, SlabMemory, SlabStore,
};
use crate::workers::Pipeline;
use crate::{Error, ErrorKind, Result};

/// Slabs of page-locked memory, in slots that are used in turn.
pub(crate) struct Staging(Arc<Ring>);

struct Ring {
    device: CudaDevice,
    /// The copies.
    stream: Arc<CudaStream>,
    /// What makes tensors.
    kernels: Arc<CudaStream>,
    layout: Arc<SlabLayout>,
    slab: DeviceSlab,
    /// Bytes that a slot has for windows of pictures at first.
    windows: usize,
    part: Option<HostPart>,
    finisher: Option<Arc<dyn DeviceEngine>>,
    /// The slot that was used longest ago comes first, since its copy and its reads are most likely
    /// done.
    free: Mutex<VecDeque<Slot>>,
    /// Dropped after the slots, which wait for the kernels that use it.
    resident: Option<ResidentRows>,
    /// Whether tensors have as many rows as slabs.
    last: LastBatch,
    /// Held while work is enqueued, so that none comes between the events that time other work.
    enqueuing: Mutex<()>,
    /// Copies, then kernels.
    work: Mutex<[DeviceWork; 2]>,
}

struct Slot {
    /// The slab, and behind it on the device the scratch of kernels.
    slab: Mirror,
    /// What is decoded of pictures, beside the rows.
    windows: Windows,
    begun: CudaEvent,
    copied: CudaEvent,
    taken: CudaEvent,
    made: CudaEvent,
    /// Bytes of a copy that was enqueued and whose time is not booked yet.
    copying: Option<usize>,
    /// The same of kernels.
    making: Option<usize>,
}

impl Staging {
    /// `slots` slots for batches that `pipeline` writes, that lie in memory as `staged` says, and
    /// that are delivered as `layout` does, an incomplete one as `last`.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Memory`] when host or device have not so much.
    pub(crate) fn new(
        device: &CudaDevice,
        layout: Arc<SlabLayout>,
        staged: StagedLayout,
        pipeline: &Pipeline,
        slots: usize,
        last: LastBatch,
    ) -> Result<Self> {
        let _relaxed = Relaxed::new();
        let ordinal = device.cuda_stream().context().ordinal();
        let streams = own_streams(ordinal).map_err(|error| refused("a stream", &error))?;
        let [stream, kernels] = streams;
        let resident = pipeline.resident().cloned().zip(staged.part);
        let resident = resident
            .map(|(resident, part)| ResidentRows::new(&stream, resident, pipeline.written(), part));
        let ring = Ring {
            device: device.clone(),
            stream: stream.clone(),
            kernels,
            layout,
            slab: staged.slab,
            windows: staged.windows,
            part: staged.part,
            finisher: pipeline.finisher().cloned(),
            free: Mutex::default(),
            resident: resident.transpose()?,
            last,
            enqueuing: Mutex::default(),
            work: Mutex::default(),
        };
        if let Some(finisher) = &ring.finisher {
            let loaded = finisher.load(device, &ring.slab);
            loaded.map_err(|error| refused("the kernels", &error.message()).with_source(error))?;
        }
        for _ in 0..slots {
            let slot = ring.slot()?;
            lock(&ring.free).push_back(slot);
        }
        Ok(Self(Arc::new(ring)))
    }

    /// Lets the pool that tensors are allocated from keep what they give back.
    pub(crate) fn keep_freed(&self) {
        pool::keep_freed(self.0.stream.context());
    }
}

/// How a slab lies in memory.
pub(crate) struct StagedLayout {
    pub(crate) slab: DeviceSlab,
    /// Bytes that are set aside for windows of pictures. A batch that needs more gets more.
    pub(crate) windows: usize,
    /// Where samples stay on the device.
    part: Option<HostPart>,
}

impl StagedLayout {
    /// What a window takes that is not smaller for sure: two thirds of a photo of 500 x 375, of which a
    /// random crop for training takes less and a crop of its middle a little more.
    const WINDOW_BYTES: usize = 384 << 10;

    /// For `rows` rows that `pipeline` writes. Rows of samples come first, so that what else the
    /// host makes is one piece.
    pub(crate) fn new(rows: usize, pipeline: &Pipeline) -> Self {
        let mut slab = DeviceSlab::new(rows);
        let room = |slab: &mut DeviceSlab, fields: &[Field]| -> Vec<Run> {
            fields.iter().map(|field| slab.push(field.max_bytes())).collect()
        };
        let fields = pipeline.written().fields();
        let mixes = pipeline.finisher().is_some_and(|f| f.engine().mixer().is_some());
        let members = 1 + usize::from(mixes);
        let mut runs = vec![vec![Run::default(); fields.len()]; members];
        let take = |slab: &mut DeviceSlab, runs: &mut [Vec<Run>], rasters: bool| {
            for (at, field) in fields.iter().enumerate() {
                if pipeline.is_raster(at) == rasters {
                    runs.iter_mut().for_each(|runs| runs[at] = slab.push(field.max_bytes()));
                }
            }
        };
        take(&mut slab, &mut runs, false);
        let (begin, mut partner_index) = (slab.scratch, None);
        take(&mut slab, &mut runs, true);
        let mut runs = runs.into_iter();
        slab.fields = runs.next().unwrap_or_default();
        slab.partners = runs.next().unwrap_or_default();
        if let (Some(extras), Some(finisher)) = (pipeline.extras(), pipeline.finisher()) {
            let (plan, others) = extras.fields().split_at(1);
            let others = &others[slab.partners.len()..];
            slab.plans = room(&mut slab, plan)[0];
            let mut runs = room(&mut slab, others).into_iter();
            let fields = 0..finisher.engine().schema().fields().len();
            let made =
                |field| if finisher.made(field) == Made::OnHost { runs.next() } else { None };
            slab.made = fields.map(made).collect();
            partner_index = runs.next();
        }
        slab.rasters = (0..fields.len()).map(|at| pipeline.is_raster(at)).collect();
        let part = pipeline.resident().map(|_| {
            let places = slab.push(PLACES_BYTES);
            HostPart { begin, places, partners: partner_index }
        });
        let scratch = pipeline.finisher().map_or(0, |finisher| finisher.scratch_bytes(rows));
        slab.bytes = slab.scratch + scratch;
        let windows = pipeline.windows().map(|field| match field.as_picture() {
            Some(_) => field.decoded().max_bytes().min(Self::WINDOW_BYTES),
            // A part may be all of its row.
            None => field.max_bytes(),
        });
        let windows = windows.map(|bytes| bytes.next_multiple_of(DeviceSlab::ALIGN)).sum::<usize>();
        Self { slab, windows: windows.saturating_mul(members).saturating_mul(rows), part }
    }

    /// Bytes of the host's memory for a slab.
    pub(crate) fn host_bytes(&self) -> usize {
        self.slab.scratch.saturating_add(self.windows)
    }

    /// Bytes of the device's memory for a slab.
    pub(crate) fn device_bytes(&self) -> usize {
        self.slab.bytes.saturating_add(self.windows)
    }
}

/// Streams for copies and for kernels, of a context object of their own, on which events are recorded by
/// hand alone. Kernels of the training loop come before those of the loader, where it made its stream
/// with a priority.
fn own_streams(ordinal: usize) -> Result<[Arc<CudaStream>; 2], DriverError> {
    let context = CudaContext::new(ordinal)?;
    // SAFETY: what is allocated and copied in this context is ordered by the slots' two events.
    unsafe { context.disable_event_tracking() };
    let copies = context.new_stream()?;
    let (least, _) = result::stream::get_priority_range()?;
    Ok([copies, context.new_stream_with_priority(least)?])
}

impl Ring {
    fn slot(&self) -> Result<Slot> {
        let context = self.stream.context();
        let slab = Mirror::new(&self.stream, self.slab.scratch, self.slab.bytes)?;
        let windows = Windows::new(&self.stream, self.windows)?;
        // Workers sleep where they wait for a copy.
        let sleep = Some(CUevent_flags::CU_EVENT_BLOCKING_SYNC);
        let event = |flags| context.new_event(flags).map_err(|error| refused("an event", &error));
        let (begun, copied) = (event(sleep)?, event(sleep)?);
        let (taken, made) = (event(sleep)?, event(sleep)?);
        let (copying, making) = (None, None);
        Ok(Slot { slab, windows, begun, copied, taken, made, copying, making })
    }

    /// Enqueues what fills the device memory of a slot: the copy, and then the moves.
    fn fill(&self, slot: &mut Slot, moves: Option<&Moves>) -> Result<(), DriverError> {
        let stream = &self.stream;
        let from = moves.map_or(0, |moves| moves.begin);
        let _enqueuing = lock(&self.enqueuing);
        stream.wait(&slot.made)?;
        slot.begun.record(stream)?;
        let bytes = slot.slab.host_bytes();
        // SAFETY: neither is written again or freed before `copied`.
        let copied = unsafe {
            let copied = slot.slab.copy(stream, from..bytes);
            copied.and_then(|()| slot.windows.copy(stream))
        };
        let slab = slot.slab.device_address();
        let moved = copied.and_then(|()| match (&self.resident, moves) {
            (Some(resident), Some(moves)) => resident.enqueue(stream, slab, &self.slab, moves),
            _ => Ok(()),
        });
        // After the copies in any case, whose memory could otherwise be written or freed while they run.
        slot.copied.record(stream)?;
        slot.copying = Some(bytes - from + slot.windows.bytes());
        moved
    }

    fn put(&self, slot: Slot) {
        lock(&self.free).push_back(slot);
    }

    /// Books the time of the slot's last copy and last kernels, as far as they are over. What the
    /// driver cannot tell is left out.
    fn book(&self, slot: &mut Slot) {
        let Slot { begun, copied, taken, made, copying, making, .. } = slot;
        let kinds = [(copying, begun, copied), (making, taken, made)];
        for ((unbooked, from, to), booked) in kinds.into_iter().zip(&mut *lock(&self.work)) {
            // SAFETY: both are events of this slot. (`elapsed_ms` would wait for them.)
            let elapsed = || unsafe { result::event::elapsed(from.cu_event(), to.cu_event()) };
            if let Some((bytes, Ok(ms))) = unbooked.map(|bytes| (bytes, elapsed())) {
                *unbooked = None;
                booked.count += 1;
                booked.bytes += bytes as u64;
                booked.time += Duration::try_from_secs_f32(ms / 1e3).unwrap_or_default();
            }
        }
    }

    /// Bytes that are read and written of a row to make its tensors.
    fn made_row_bytes(&self) -> usize {
        let outputs: usize = self.layout.fields.iter().map(|field| field.row_bytes).sum();
        let slab = &self.slab;
        let raw = slab.fields.iter().chain(&slab.partners).chain([&slab.plans]);
        outputs + raw.map(|run| run.stride).sum::<usize>()
    }
}

impl Drop for Ring {
    /// Frees slots and samples while captures are spared, and while the context of the streams is there.
    fn drop(&mut self) {
        let _relaxed = Relaxed::new();
        lock(&self.free).clear();
        self.resident = None;
    }
}

impl Drop for Slot {
    /// Memory in use is not freed: the last copy and the last kernels are waited for. Errors have
    /// nowhere to go, and leave nothing in use.
    fn drop(&mut self) {
        let _ = self.copied.synchronize();
        let _ = self.made.synchronize();
    }
}

impl SlabStore for Staging {
    fn slab(&self, BatchSize { rows, longest }: BatchSize) -> Result<Box<dyn SlabMemory>> {
        debug_assert!(longest.is_none(), "batches of their own lengths are made on the host");
        let _relaxed = Relaxed::new();
        debug_assert!(rows <= self.0.slab.rows, "more rows than a slab has");
        let free = lock(&self.0.free).pop_front();
        // None is free only while a worker that is stuck keeps one of an iteration that has ended.
        let mut slot = free.map_or_else(|| self.0.slot(), Ok)?;
        // Nobody writes before `prepare`.
        slot.windows.clear();
        Ok(Box::new(Staged { ring: self.0.clone(), rows, outputs: None, slot: Some(slot) }))
    }

    fn work(&self) -> [DeviceWork; 2] {
        let ring = &self.0;
        let _relaxed = Relaxed::new();
        // On whatever thread asks for a report. Without a context nothing can be told.
        if ring.stream.context().bind_to_thread().is_ok() {
            lock(&ring.free).iter_mut().for_each(|slot| ring.book(slot));
        }
        *lock(&ring.work)
    }
}

/// The slab in a slot.
struct Staged {
    ring: Arc<Ring>,
    /// Rows of the slab.
    rows: usize,
    /// What the tensors will be, once work is enqueued that makes them.
    outputs: Option<Vec<Output>>,
    /// Until the slot goes back into the ring.
    slot: Option<Slot>,
}

impl Staged {
    fn slot(&mut self) -> &mut Slot {
        self.slot.as_mut().expect("a slab in use has its slot")
    }
}

impl Drop for Staged {
    fn drop(&mut self) {
        if let Some(slot) = self.slot.take() {
            self.ring.put(slot);
        }
    }
}

impl SlabMemory for Staged {
    fn runs(&mut self) -> Vec<RowRun> {
        let address = self.slot().slab.host();
        let slab = &self.ring.slab;
        let mut extras = slab.extras();
        extras.extend(self.ring.part.and_then(|part| part.partners));
        let run = |run: &Run| RowRun {
            // SAFETY: runs lie inside of what is copied, which is as long as the memory.
            memory: unsafe { address.add(run.offset) },
            row_bytes: run.stride,
        };
        slab.fields.iter().chain(&extras).map(run).collect()
    }

    fn prepare(&mut self) -> Result<()> {
        let _relaxed = Relaxed::new();
        let ring = self.ring.clone();
        let slot = self.slot();
        slot.copied.synchronize().map_err(|error| refused("to wait for a copy", &error))?;
        ring.book(slot);
        Ok(())
    }

    fn lend(&mut self, bytes: usize) -> Result<Lent> {
        let _relaxed = Relaxed::new();
        let ring = self.ring.clone();
        self.slot().windows.lend(&ring.stream, bytes)
    }

    fn seal(&mut self, indices: &[AtomicUsize]) -> Result<()> {
        let _relaxed = Relaxed::new();
        let ring = self.ring.clone();
        let slot = self.slot();
        // SAFETY: all rows are written, so the memory is the slot's alone, and it is as long as
        // the layout says.
        let decide = |resident: &ResidentRows| unsafe {
            resident.decide(&ring.stream, slot.slab.host(), &ring.slab, indices)
        };
        let moves = ring.resident.as_ref().map(decide).transpose()?;
        let copied = ring.fill(slot, moves.as_ref());
        if let (Some(resident), Some(moves)) = (&ring.resident, &moves) {
            resident.settle(moves, copied.is_ok());
        }
        copied.map_err(|error| refused("a copy to the device", &error))?;
        let is_kept = |row: &usize| indices[*row].load(Ordering::Relaxed) != Slab::NO_INDEX;
        let kept = ranges((0..indices.len()).filter(is_kept));
        match self.make(&kept) {
            // There may be memory when the batch is asked for.
            Err(error) if error.kind() == ErrorKind::Memory => Ok(()),
            made => made,
        }
    }

    unsafe fn into_tensors(mut self: Box<Self>, finished: Finished<'_>) -> Result<Vec<Tensor>> {
        let _relaxed = Relaxed::new();
        let stream = self.ring.device.cuda_stream();
        capture::check(&stream)?;
        if self.outputs.is_none() {
            // A slab without rows was never sealed.
            match finished.kept {
                Some(kept) => self.make(&ranges(kept.iter().copied()))?,
                None => self.make(&ranges(0..finished.written))?,
            }
        }
        let ring = self.ring.clone();
        let outputs = self.outputs.take().unwrap_or_default();
        let waited = stream.wait(&self.slot().made);
        waited.map_err(|error| refused("to wait for a batch", &error))?;
        Ok(ring.hand_over(outputs, finished.rows, &stream))
    }
}

/// `rows`, which ascend, as few ranges: one, unless rows were skipped.
fn ranges(rows: impl Iterator<Item = usize>) -> Vec<Range<usize>> {
    let mut ranges: Vec<Range<usize>> = Vec::new();
    for row in rows {
        match ranges.last_mut() {
            Some(last) if last.end == row => last.end += 1,
            _ => ranges.push(row..row + 1),
        }
    }
    ranges
}

impl Staged {
    /// Enqueues what makes the tensors of the rows `kept`, after the copy of the slab.
    fn make(&mut self, kept: &[Range<usize>]) -> Result<()> {
        let ring = self.ring.clone();
        let written: usize = kept.iter().map(ExactSizeIterator::len).sum();
        let rows = if ring.last == LastBatch::Pad { self.rows } else { written };
        let slot = self.slot();
        let kernels = &ring.kernels;
        let _enqueuing = lock(&ring.enqueuing);
        ring.book(slot);
        // Not between the events, which are to time the device and not how long this takes.
        let outputs = ring.outputs(rows)?;
        kernels.wait(&slot.copied).map_err(|error| refused("to wait for a copy", &error))?;
        slot.taken.record(kernels).map_err(|error| refused("an event", &error))?;
        let filled = ring.fill_outputs(slot, &outputs, kept, rows);
        // Also after what was enqueued before an error.
        slot.made.record(kernels).map_err(|error| refused("an event", &error))?;
        slot.making = Some(written * ring.made_row_bytes() + slot.windows.bytes());
        self.outputs = Some(outputs);
        filled
    }
}

impl Ring {
    /// Memory for the delivered tensors, of `rows` rows.
    fn outputs(&self, rows: usize) -> Result<Vec<Output>> {
        let output =
            |field: &FieldLayout| self.output(field.dtype, rows * field.row_elements, &field.name);
        self.layout.fields.iter().map(output).collect()
    }

    /// Writes the delivered tensors, of `rows` rows, into `outputs`: those of `kept`, then zeros.
    fn fill_outputs(
        &self,
        slot: &Slot,
        outputs: &[Output],
        kept: &[Range<usize>],
        rows: usize,
    ) -> Result<()> {
        let fields = &self.layout.fields;
        let written: usize = kept.iter().map(ExactSizeIterator::len).sum();
        let mut on_device = Vec::new();
        for (i, (field, output)) in fields.iter().zip(outputs).enumerate() {
            self.zero(output, written * field.row_bytes..rows * field.row_bytes)?;
            match self.run_of(i) {
                None => on_device.push(output.address),
                Some(run) => self.copy(slot, run, output, kept)?,
            }
        }
        if let Some(finisher) = &self.finisher {
            self.launch(finisher.as_ref(), slot, &on_device, kept)?;
        }
        Ok(())
    }

    /// The tensors, of `rows` rows, in `outputs`, whose memory now belongs to `stream`: it is freed
    /// there. That stream has waited for what makes them.
    fn hand_over(
        &self,
        outputs: Vec<Output>,
        rows: usize,
        stream: &Arc<CudaStream>,
    ) -> Vec<Tensor> {
        let tensor = |(output, field): (Output, &FieldLayout)| {
            let slice = given(output.slice, stream);
            let storage = CudaStorage { slice, device: self.device.clone() };
            let shape = Shape::from(field.batch_shape(rows, None));
            Tensor::from_storage(Storage::Cuda(storage), shape, BackpropOp::none(), false)
        };
        outputs.into_iter().zip(&self.layout.fields).map(tensor).collect()
    }

    /// Where the slab holds delivered field `field`, unless kernels make it.
    fn run_of(&self, field: usize) -> Option<Run> {
        match self.finisher.as_ref().map_or(Made::AsRead, |finisher| finisher.made(field)) {
            Made::OnHost => self.slab.made[field],
            Made::AsRead => Some(self.slab.fields[field]),
            // The device makes it.
            _ => None,
        }
    }

    fn launch(
        &self,
        finisher: &dyn DeviceEngine,
        slot: &Slot,
        outputs: &[u64],
        kept: &[Range<usize>],
    ) -> Result<()> {
        let slab = slot.slab.device_address();
        let mut first = 0;
        for rows in kept.iter().filter(|rows| !rows.is_empty()) {
            let (device, stream) = (&self.device, &self.kernels);
            // SAFETY: the slot is as long as its layout says, and is written and freed after its
            // `made` event, which comes after this work; the outputs were made for it, on this
            // stream; the workers have written plans of this engine into all rows that are kept.
            let launched = unsafe {
                finisher.launch(device, stream, slab, &self.slab, outputs, rows.clone(), first)
            };
            launched.map_err(|error| refused("a kernel", &error.message()).with_source(error))?;
            first += rows.len();
        }
        Ok(())
    }

    /// Copies the kept rows of a run.
    fn copy(&self, slot: &Slot, run: Run, output: &Output, kept: &[Range<usize>]) -> Result<()> {
        let mut to = output.address;
        for rows in kept {
            let bytes = run.bytes(rows.clone());
            let from: CudaView<'_, u8> = slot.slab.device().slice(bytes.clone());
            self.move_to(to, &from)?;
            to += bytes.len() as u64;
        }
        Ok(())
    }

    fn move_to(&self, to: u64, from: &CudaView<'_, u8>) -> Result<()> {
        use candle_core::cuda_backend::cudarc::driver::result::memcpy_dtod_async;
        if from.is_empty() {
            return Ok(());
        }
        let stream = &self.kernels;
        let (address, _guard) = from.device_ptr(stream);
        // SAFETY: both ranges lie inside of allocations of this device, of which `to` was made for
        // what is copied on this very stream, which has waited for what `from` holds.
        let copied = unsafe { memcpy_dtod_async(to, address, from.len(), stream.cu_stream()) };
        copied.map_err(|error| refused("a copy on the device", &error))
    }

    fn zero(&self, output: &Output, bytes: Range<usize>) -> Result<()> {
        if bytes.is_empty() {
            return Ok(());
        }
        let stream = &self.kernels;
        let to = output.address + bytes.start as u64;
        // SAFETY: the range lies inside of the output, which was made on this stream.
        let zeroed = unsafe { result::memset_d8_async(to, 0, bytes.len(), stream.cu_stream()) };
        zeroed.map_err(|error| refused("to clear memory", &error))
    }

    /// Memory for a delivered field, from the pool of the consumer's device, which serves all streams.
    fn output(&self, dtype: DType, len: usize, name: &str) -> Result<Output> {
        match dtype {
            DType::U8 => self.typed(CudaStorageSlice::U8, len, name),
            DType::U32 => self.typed(CudaStorageSlice::U32, len, name),
            DType::I16 => self.typed(CudaStorageSlice::I16, len, name),
            DType::I32 => self.typed(CudaStorageSlice::I32, len, name),
            DType::I64 => self.typed(CudaStorageSlice::I64, len, name),
            DType::BF16 => self.typed(CudaStorageSlice::BF16, len, name),
            DType::F16 => self.typed(CudaStorageSlice::F16, len, name),
            DType::F32 => self.typed(CudaStorageSlice::F32, len, name),
            DType::F64 => self.typed(CudaStorageSlice::F64, len, name),
            DType::F8E4M3 => self.typed(CudaStorageSlice::F8E4M3, len, name),
            other => Err(Error::new(ErrorKind::Device, format!("{name}: no tensor of {other:?}"))),
        }
    }

    fn typed<T: DeviceRepr>(
        &self,
        storage: fn(CudaSlice<T>) -> CudaStorageSlice,
        len: usize,
        name: &str,
    ) -> Result<Output> {
        let stream = &self.kernels;
        // SAFETY: every element is written before the tensor is handed out. At least one is asked
        // for: CUDA allocates no less, and candle never looks at what a shape does not count.
        let slice = unsafe { stream.alloc::<T>(len.max(1)) };
        let what = format!("device memory for {name:?}");
        let slice = slice.map_err(|e| no_memory(&what, len * size_of::<T>(), &e))?;
        let address = slice.device_ptr(stream).0;
        Ok(Output { slice: storage(slice), address })
    }
}

/// A tensor's memory. Until it is handed over it belongs to the stream of kernels, and is freed there
/// if nobody asks for it.
struct Output {
    slice: CudaStorageSlice,
    address: u64,
}

macro_rules! given_in_any_type {
    ($storage:expr, $stream:expr, $($dtype:ident),*) => {
        match $storage {
            $(CudaStorageSlice::$dtype(slice) => CudaStorageSlice::$dtype(slice_of($stream, slice)),)*
            // `Ring::output` makes no other.
            other => other,
        }
    };
}

/// Memory of another stream, as memory of `stream`.
fn given(storage: CudaStorageSlice, stream: &Arc<CudaStream>) -> CudaStorageSlice {
    given_in_any_type!(storage, stream, U8, U32, I16, I32, I64, BF16, F16, F32, F64, F8E4M3)
}

fn slice_of<T>(stream: &Arc<CudaStream>, slice: CudaSlice<T>) -> CudaSlice<T> {
    let len = slice.len();
    // SAFETY: the memory holds `len` elements, all of which are written for a stream that has waited
    // for that, and its former owner forgets it.
    unsafe { stream.upgrade_device_ptr(slice.leak(), len) }
}
