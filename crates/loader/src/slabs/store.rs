//! Where the rows of a slab are, and how they turn into tensors.

use std::sync::Arc;
use std::sync::atomic::AtomicUsize;

use candle_core::{Device, Shape, Tensor};

use super::column::{FieldColumn, column};
use super::layout::{BatchSize, FieldLayout, SlabLayout};
use crate::report::DeviceWork;
use crate::{Error, ErrorKind, Result};

/// The memory of one slab.
///
/// Its user calls, in this order: `prepare` before the first row is written, `runs` for where rows
/// go, `seal` once all are written, `into_tensors` when the batch is delivered. A slab that is no
/// longer needed is dropped at any of these points.
pub(crate) trait SlabMemory: Send {
    /// Where the rows of each field are. The addresses are valid until the memory is consumed.
    fn runs(&mut self) -> Vec<RowRun>;

    /// Waits until rows may be written.
    fn prepare(&mut self) -> Result<()> {
        Ok(())
    }

    /// Memory for `bytes` bytes of pixels beside the rows, for the engine of a device: nobody else's
    /// until the slab is consumed.
    ///
    /// # Errors
    ///
    /// When there is none. Slabs of the CPU have none: its engines decode into memory of their own.
    fn lend(&mut self, bytes: usize) -> Result<Lent> {
        let message = format!("no memory for {bytes} bytes of pixels beside the rows of a batch");
        Err(Error::new(ErrorKind::Memory, message))
    }

    /// All rows are written: what can be done for the batch before it is asked for. `indices` are
    /// the samples in its rows, or [`Slab::NO_INDEX`](super::Slab::NO_INDEX).
    fn seal(&mut self, indices: &[AtomicUsize]) -> Result<()> {
        let _ = indices;
        Ok(())
    }

    /// The tensors of the delivered fields.
    ///
    /// # Safety
    ///
    /// The rows of `finished` that are kept must have been written wholly, and no thread may write
    /// any more.
    unsafe fn into_tensors(self: Box<Self>, finished: Finished<'_>) -> Result<Vec<Tensor>>;
}

/// The rows of one field, as an address.
#[derive(Debug, Clone, Copy)]
pub(crate) struct RowRun {
    pub(crate) memory: *mut u8,
    pub(crate) row_bytes: usize,
}

/// Memory beside the rows of a slab.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Lent {
    /// Its first byte; all bytes are initialised.
    pub(crate) memory: *mut u8,
    /// Where that byte will be on the device.
    pub(crate) address: u64,
}

/// Which rows of a slab hold a sample.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Finished<'a> {
    /// Which rows hold a sample, if not all that were to.
    pub(crate) kept: Option<&'a [usize]>,
    /// How many do.
    pub(crate) written: usize,
    /// Rows of the tensors: those after the written ones are zeros.
    pub(crate) rows: usize,
}

/// Makes the memory of slabs.
pub(crate) trait SlabStore: Send + Sync {
    /// Memory for a batch of this size.
    fn slab(&self, size: BatchSize) -> Result<Box<dyn SlabMemory>>;

    /// The work of the device that is over: copies of slabs, and what makes tensors of them.
    fn work(&self) -> [DeviceWork; 2] {
        [DeviceWork::default(); 2]
    }
}

/// Slabs of ordinary vectors, which become the tensors.
pub(crate) struct Columns {
    pub(crate) layout: Arc<SlabLayout>,
    /// Where the tensors are delivered.
    pub(crate) device: Device,
}

impl SlabStore for Columns {
    fn slab(&self, BatchSize { rows, longest }: BatchSize) -> Result<Box<dyn SlabMemory>> {
        let mut columns = Vec::with_capacity(self.layout.fields.len());
        for field in &self.layout.fields {
            let Some(column) = column(field.dtype, rows, field.row_elements(longest)) else {
                let bytes = rows.saturating_mul(field.row_bytes(longest));
                let message = format!("no memory for {bytes} bytes of {:?}", field.name);
                return Err(Error::new(ErrorKind::Memory, message));
            };
            columns.push(column);
        }
        let (layout, device) = (self.layout.clone(), self.device.clone());
        Ok(Box::new(ColumnMemory { layout, longest, columns, device }))
    }
}

/// One vector per field.
struct ColumnMemory {
    layout: Arc<SlabLayout>,
    /// The longest sample of the batch, where the sampler knows it.
    longest: Option<usize>,
    columns: Vec<Box<dyn FieldColumn>>,
    device: Device,
}

impl SlabMemory for ColumnMemory {
    fn runs(&mut self) -> Vec<RowRun> {
        let longest = self.longest;
        let columns = self.columns.iter_mut().zip(&self.layout.fields);
        let run = |(column, field): (&mut Box<dyn FieldColumn>, &FieldLayout)| RowRun {
            memory: column.memory(),
            row_bytes: field.row_bytes(longest),
        };
        columns.map(run).collect()
    }

    unsafe fn into_tensors(mut self: Box<Self>, finished: Finished<'_>) -> Result<Vec<Tensor>> {
        // SAFETY: the caller's promise.
        unsafe { settle(&self.runs(), finished) };
        let mut tensors = Vec::with_capacity(self.columns.len());
        for (column, field) in self.columns.into_iter().zip(&self.layout.fields) {
            let rows = finished.rows;
            let shape = Shape::from(field.batch_shape(rows, self.longest));
            // SAFETY: `settle` has left the first rows whole and zeroed the others.
            let tensor = unsafe { column.into_tensor(rows, shape, &self.device) };
            tensors.push(tensor.map_err(Error::device)?);
        }
        Ok(tensors)
    }
}

/// Moves the kept rows together and zeroes the rows after them.
///
/// # Safety
///
/// The runs must be valid for `finished.rows` rows and all that are kept, whose memory nobody else
/// uses.
unsafe fn settle(runs: &[RowRun], finished: Finished<'_>) {
    let Finished { kept, written, rows } = finished;
    for run in runs {
        // SAFETY: all rows named lie inside the run, and a kept row never moves up.
        unsafe {
            for (to, &from) in kept.unwrap_or(&[]).iter().enumerate() {
                let (from, to) = (from * run.row_bytes, to * run.row_bytes);
                std::ptr::copy(run.memory.add(from), run.memory.add(to), run.row_bytes);
            }
            let start = run.memory.add(written * run.row_bytes);
            start.write_bytes(0, (rows - written) * run.row_bytes);
        }
    }
}
