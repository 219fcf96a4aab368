//! The slab: the memory of one batch on its way from the workers to the consumer.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, OnceLock};

use candle_core::Tensor;
use tallow_core::{BatchRows, Key, Order, Pass, RowSlots};

use super::layout::{BatchSize, Cut};
use super::store::{Finished, Lent, RowRun, SlabMemory, SlabStore};
use crate::lock::lock;
use crate::visit::Visit;
use crate::{BatchId, Error, ErrorKind, Result};

/// One batch being filled.
///
/// Ownership of the memory passes in one direction: while `pending` is above 0, each row belongs
/// to the one worker that claimed it; when it reaches 0 all of it belongs to the consumer, who
/// takes `memory` out. A worker that is stuck in a row keeps the slab alive through its `Arc`, even
/// after the end of the iteration.
pub(crate) struct Slab {
    pub(crate) id: BatchId,
    /// The batch that is delivered after this one, unless the epoch ends here.
    next: BatchId,
    /// How many samples the epoch has, if it ends here because its stream does; otherwise `NO_INDEX`.
    /// Written before the last row is finished.
    end: AtomicUsize,
    pub(crate) rows: BatchRows,
    pub(crate) order: Arc<dyn Order>,
    /// What the samples are taken from, if they come one after the other.
    pub(crate) pass: Option<Arc<dyn Pass>>,
    /// The key of the epoch.
    pub(crate) key: Key,
    /// Addresses for the workers, inside of `memory`.
    runs: Vec<RowRun>,
    /// Taken by the consumer.
    memory: Mutex<Option<Box<dyn SlabMemory>>>,
    /// Whether rows may be written without asking the memory. Released by the worker that asked.
    prepared: AtomicBool,
    /// Rows of samples that no worker has finished yet, and one for the seal. Released by each
    /// worker after its writes, acquired by the last one, who seals, and by the consumer.
    pending: AtomicUsize,
    /// The sample of each row.
    indices: Arc<Vec<AtomicUsize>>,
    /// Rows that hold a sample, among the finished ones; ordered by `pending`.
    written: AtomicUsize,
    /// What failed, in no order; empty in all but exceptional batches.
    faults: Mutex<Vec<RowFault>>,
    /// Set when the batch is no longer needed: workers leave it at the next row or piece.
    pub(crate) cancelled: AtomicBool,
}

// SAFETY: the addresses in `runs` are used only through `aim`, whose contract gives each row to
// one thread at a time; everything else in the slab is `Sync` by itself.
unsafe impl Send for Slab {}
// SAFETY: as above.
unsafe impl Sync for Slab {}

/// The failure of one read of one row.
#[derive(Debug)]
pub(crate) struct RowFault {
    pub(crate) row: usize,
    /// Which attempt at the row this was: 0, or the number of the substitute.
    pub(crate) attempt: usize,
    pub(crate) index: usize,
    pub(crate) error: Error,
}

impl RowFault {
    /// Whether a sample failed, which a policy may pass over; otherwise it was the order, the batch as a
    /// whole, or the stream from which the samples come.
    pub(crate) fn is_of_a_sample(&self) -> bool {
        self.index != Slab::NO_INDEX
            && matches!(self.error.kind(), ErrorKind::Sample | ErrorKind::Panic)
            && self.error.cause().is_none_or(|it| it.kind() != tallow_core::ErrorKind::Broken)
    }
}

/// The seal, counted among the pending rows.
const SEAL: usize = 1;

/// What a worker made of a row.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum RowOutcome {
    /// It holds the sample with this index.
    Written(usize),
    /// It holds nothing.
    Missing,
}

impl Slab {
    /// The index of a row that holds nothing, and of a fault that is no sample's.
    pub(crate) const NO_INDEX: usize = usize::MAX;

    pub(crate) fn new(
        store: &dyn SlabStore,
        (id, next): (BatchId, BatchId),
        rows: BatchRows,
        visit: Visit,
        key: Key,
    ) -> Result<Self> {
        let mut memory = store.slab(BatchSize::of(&rows)).map_err(|error| error.with_batch(id))?;
        // Rows without bytes have indices all the same, and there may be any number of them.
        let mut indices = Vec::new();
        if indices.try_reserve_exact(rows.samples()).is_err() {
            let message = format!("no memory for {} rows", rows.samples());
            return Err(Error::new(ErrorKind::Memory, message).with_batch(id));
        }
        indices.resize_with(rows.samples(), || AtomicUsize::new(Self::NO_INDEX));
        Ok(Self {
            id,
            next,
            end: AtomicUsize::new(Self::NO_INDEX),
            rows,
            order: visit.order,
            pass: visit.pass,
            key,
            runs: memory.runs(),
            memory: Mutex::new(Some(memory)),
            prepared: AtomicBool::new(false),
            pending: AtomicUsize::new(if rows.samples() == 0 { 0 } else { rows.samples() + SEAL }),
            indices: Arc::new(indices),
            written: AtomicUsize::new(0),
            faults: Mutex::default(),
            cancelled: AtomicBool::new(false),
        })
    }

    /// A slab without rows that carries an error.
    pub(crate) fn failed(
        (id, next): (BatchId, BatchId),
        rows: BatchRows,
        order: Arc<dyn Order>,
        error: Error,
    ) -> Self {
        let fault = RowFault { row: 0, attempt: 0, index: Self::NO_INDEX, error };
        Self {
            id,
            next,
            end: AtomicUsize::new(Self::NO_INDEX),
            rows,
            order,
            pass: None,
            key: Key::new(0, 0),
            runs: Vec::new(),
            memory: Mutex::default(),
            prepared: AtomicBool::new(true),
            pending: AtomicUsize::new(0),
            indices: Arc::default(),
            written: AtomicUsize::new(0),
            faults: Mutex::new(vec![fault]),
            cancelled: AtomicBool::new(false),
        }
    }

    /// The epoch has `samples` samples, and ends here.
    pub(crate) fn end_at(&self, samples: usize) {
        self.end.store(samples, Ordering::Relaxed);
    }

    /// How many samples the epoch has, if it ends here because its stream does.
    pub(crate) fn end(&self) -> Option<usize> {
        Some(self.end.load(Ordering::Relaxed)).filter(|&end| end != Self::NO_INDEX)
    }

    /// The batch that is delivered after this one. For the consumer, once the slab is done.
    pub(crate) fn next(&self) -> BatchId {
        match self.end() {
            Some(_) => BatchId { epoch: self.id.epoch.saturating_add(1), number: 0 },
            None => self.next,
        }
    }

    /// Aims `slots` at row `row` of the runs from `first` on.
    ///
    /// # Safety
    ///
    /// The caller must be the one that claimed the row, must not have finished it, and must not
    /// write through the slots once it has.
    pub(crate) unsafe fn aim(&self, row: usize, first: usize, slots: &mut RowSlots) {
        assert!(row < self.rows.samples(), "row {row} of {:?}", self.rows);
        for (field, run) in self.runs[first..].iter().take(slots.len()).enumerate() {
            // SAFETY: the memory was made for at least `rows.samples()` rows and is kept by this
            // slab, so the row lies inside it; rows are aligned because their size is a multiple
            // of the element's; and the caller is the row's only user.
            unsafe { slots.aim(field, run.memory.add(row * run.row_bytes), run.row_bytes) };
        }
    }

    /// Memory beside the rows, for the worker that claimed one of them.
    ///
    /// # Safety
    ///
    /// The caller must have claimed a row, and must not use what it is lent once it has finished it.
    pub(crate) unsafe fn beside(&self) -> Beside<'_> {
        Beside(self)
    }

    /// Waits until rows may be written. For every worker, before its first row.
    pub(crate) fn prepare(&self) -> Result<()> {
        if self.prepared.load(Ordering::Acquire) {
            return Ok(());
        }
        if let Some(memory) = &mut *lock(&self.memory) {
            memory.prepare()?;
        }
        self.prepared.store(true, Ordering::Release);
        Ok(())
    }

    /// Records the outcome of a claimed row, the last one if there are several.
    pub(crate) fn record(&self, row: usize, outcome: RowOutcome) {
        let index = match outcome {
            RowOutcome::Written(index) => index,
            RowOutcome::Missing => Self::NO_INDEX,
        };
        self.indices[row].store(index, Ordering::Relaxed);
    }

    /// Whether a row holds nothing. For the consumer, once the slab is done.
    pub(crate) fn is_missing(&self, row: usize) -> bool {
        self.indices.get(row).is_none_or(|i| i.load(Ordering::Relaxed) == Self::NO_INDEX)
    }

    /// Whether no row holds anything. For the consumer, once the slab is done.
    pub(crate) fn holds_nothing(&self) -> bool {
        self.written.load(Ordering::Relaxed) == 0
    }

    pub(crate) fn fault(&self, fault: RowFault) {
        lock(&self.faults).push(fault);
    }

    /// Gives `rows` finished rows over to the consumer, `written` of which hold a sample.
    ///
    /// The worker that finishes the last of them seals the slab before the consumer may have it.
    pub(crate) fn finish(&self, rows: usize, written: usize) {
        self.written.fetch_add(written, Ordering::Relaxed);
        if self.pending.fetch_sub(rows, Ordering::AcqRel) == rows + SEAL {
            if !self.cancelled.load(Ordering::Relaxed) {
                self.seal();
            }
            self.pending.fetch_sub(SEAL, Ordering::Release);
        }
    }

    fn seal(&self) {
        let Some(memory) = &mut *lock(&self.memory) else { return };
        if let Err(error) = memory.seal(&self.indices) {
            self.fault(RowFault { row: 0, attempt: 0, index: Self::NO_INDEX, error });
        }
    }

    /// The batch is no longer needed.
    pub(crate) fn cancel(&self) {
        self.cancelled.store(true, Ordering::Relaxed);
    }

    /// Whether the batch is no longer needed.
    pub(crate) fn is_cancelled(&self) -> bool {
        self.cancelled.load(Ordering::Relaxed)
    }

    /// Whether every row is finished: from then on the slab is the consumer's.
    pub(crate) fn is_done(&self) -> bool {
        self.pending.load(Ordering::Acquire) == 0
    }

    /// Everything that failed, by row and attempt. For the consumer, once the slab is done.
    pub(crate) fn take_faults(&self) -> Vec<RowFault> {
        let mut faults = std::mem::take(&mut *lock(&self.faults));
        faults.sort_by_key(|fault| (fault.row, fault.attempt));
        faults
    }

    /// The batch's tensors, and the row and sample of each row that holds one. Rows that hold
    /// none are left out, and with `pad` rows of zeros fill up to the full size. The fields of `cuts`
    /// are as long as their longest row, rounded up.
    pub(crate) fn take_tensors(&self, pad: bool, cuts: &[Cut]) -> Result<Tensors> {
        assert!(self.is_done(), "a slab that workers are still writing to");
        let kept = self.kept();
        let written = kept.as_ref().map_or(self.indices.len(), Vec::len);
        let rows = if pad { self.rows.rows() } else { written };
        let finished = Finished { kept: kept.as_deref(), written, rows };
        let memory = lock(&self.memory).take();
        let mut tensors = Vec::new();
        if let Some(memory) = memory {
            let longest: Vec<_> = cuts.iter().map(|cut| self.longest(cut, finished)).collect();
            // SAFETY: the slab is done, so no worker writes any more, and rows that hold a sample
            // were written wholly.
            tensors = unsafe { memory.into_tensors(finished)? };
            for (cut, longest) in cuts.iter().zip(&longest) {
                let tensor = &mut tensors[cut.field];
                *tensor = cut_to(tensor, cut, longest).map_err(Error::device)?;
            }
        }
        let cells = self.indices.clone();
        Ok(Tensors { tensors, rows, samples: RowSamples { cells, kept, indices: OnceLock::new() } })
    }

    /// The longest of the finished rows, along each axis that is cut. To be asked before the memory
    /// becomes tensors.
    fn longest(&self, cut: &Cut, finished: Finished<'_>) -> Vec<usize> {
        let mut longest = vec![0; cut.axes.len()];
        let run = self.runs[cut.lens];
        for at in 0..finished.written {
            let row = finished.kept.map_or(at, |kept| kept[at]);
            for (axis, longest) in longest.iter_mut().enumerate() {
                // SAFETY: the slab is done and its memory not consumed yet; rows that hold a sample
                // were written wholly, in memory of the host, and those of this field are an `i64`
                // per axis, aligned as elements are.
                let len = unsafe { *run.memory.add(row * run.row_bytes).cast::<i64>().add(axis) };
                *longest = (*longest).max(len as usize);
            }
        }
        longest
    }

    /// Which rows hold a sample, if not all do.
    fn kept(&self) -> Option<Vec<usize>> {
        if self.written.load(Ordering::Relaxed) == self.indices.len() {
            return None;
        }
        let is_written = |row: &usize| !self.is_missing(*row);
        Some((0..self.indices.len()).filter(is_written).collect())
    }
}

/// Memory of a slab beside its rows.
#[derive(Clone, Copy)]
pub(crate) struct Beside<'a>(&'a Slab);

impl<'a> Beside<'a> {
    /// Memory for `bytes` bytes, and where it will be on the device.
    ///
    /// # Errors
    ///
    /// When there is none.
    pub(crate) fn lend(self, bytes: usize) -> Result<(&'a mut [u8], u64)> {
        let mut memory = lock(&self.0.memory);
        let memory = memory.as_mut().expect("the memory of a slab that is being filled");
        let Lent { memory, address } = memory.lend(bytes)?;
        // SAFETY: so many bytes are initialised and nobody else's until the memory is consumed, which
        // is after the row is finished that the worker has claimed.
        Ok((unsafe { std::slice::from_raw_parts_mut(memory, bytes) }, address))
    }
}

/// The beginning of `tensor` along the axes of its rows that are cut, as long as `lens` says, rounded up to
/// a multiple as far as the rows reach.
fn cut_to(tensor: &Tensor, cut: &Cut, lens: &[usize]) -> candle_core::Result<Tensor> {
    let mut narrowed = tensor.clone();
    for (axis, &len) in cut.axes.iter().zip(lens) {
        let most = narrowed.dim(1 + axis)?;
        let rounded = len.checked_next_multiple_of(cut.multiple.get()).unwrap_or(most);
        narrowed = narrowed.narrow(1 + axis, 0, rounded.min(most))?;
    }
    narrowed.contiguous()
}

/// What a slab turns into.
pub(crate) struct Tensors {
    pub(crate) tensors: Vec<Tensor>,
    /// Rows of the tensors, padding included.
    pub(crate) rows: usize,
    pub(crate) samples: RowSamples,
}

impl Tensors {
    /// Bytes of the tensors.
    pub(crate) fn bytes(&self) -> usize {
        self.tensors.iter().map(|t| t.elem_count() * t.dtype().size_in_bytes()).sum()
    }
}

/// The sample of each row that holds one.
///
/// The cells stay where the workers wrote them until they are asked for: fetching them from the caches
/// of other cores would otherwise be most of the cost of `next`.
pub(crate) struct RowSamples {
    cells: Arc<Vec<AtomicUsize>>,
    /// Which rows of the slab these are, if not all.
    kept: Option<Vec<usize>>,
    indices: OnceLock<Vec<usize>>,
}

impl RowSamples {
    pub(crate) fn len(&self) -> usize {
        self.kept.as_ref().map_or(self.cells.len(), Vec::len)
    }

    /// The row of the slab that became row `row`.
    pub(crate) fn slab_row(&self, row: usize) -> usize {
        self.kept.as_ref().map_or(row, |kept| kept[row])
    }

    pub(crate) fn indices(&self) -> &[usize] {
        let index = |row| self.cells[self.slab_row(row)].load(Ordering::Relaxed);
        self.indices.get_or_init(|| (0..self.len()).map(index).collect())
    }
}
