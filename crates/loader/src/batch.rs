use std::fmt;
use std::ops::Index;
use std::sync::Arc;

use candle_core::{Device, Tensor};
use tallow_core::BatchRows;

use crate::policy::Fault;
use crate::slabs::RowSamples;
use crate::state::State;
use crate::{BatchId, Error, ErrorKind, Result};

/// One batch: a tensor for each field, its first axis being the rows, and where they come from.
pub struct Batch {
    pub(crate) id: BatchId,
    /// The name of each tensor. Shared by all batches: one whose tensors are added or removed has
    /// names of its own from then on.
    pub(crate) names: Arc<Vec<Arc<str>>>,
    pub(crate) tensors: Vec<Tensor>,
    pub(crate) device: Device,
    pub(crate) samples: RowSamples,
    pub(crate) rows: BatchRows,
    /// Rows of the tensors, padding included.
    pub(crate) height: usize,
    pub(crate) faults: Vec<Fault>,
    pub(crate) state: State,
}

impl Batch {
    /// The epoch.
    pub fn epoch(&self) -> u64 {
        self.id.epoch
    }

    /// Which batch of the epoch this is, counted over all ranks.
    pub fn number(&self) -> usize {
        self.id.number
    }

    /// Epoch and number.
    pub fn id(&self) -> BatchId {
        self.id
    }

    /// Rows that hold a sample; they come first.
    pub fn len(&self) -> usize {
        self.samples.len()
    }

    /// Whether no row holds a sample. Only with several ranks, whose share of a small last batch may
    /// be empty, or all skipped, or where all that was not skipped is padding: everything else that
    /// is empty is not delivered. The mean of such a batch is not a number.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Rows of the fields' tensors as the loader made them, those of padding included.
    pub fn rows(&self) -> usize {
        self.height
    }

    /// The sample of each row that holds one.
    pub fn indices(&self) -> &[usize] {
        self.samples.indices()
    }

    /// The position in the epoch of each row that holds a sample.
    pub fn positions(&self) -> impl ExactSizeIterator<Item = usize> + '_ {
        (0..self.len()).map(|row| self.rows.position(self.samples.slab_row(row)))
    }

    /// The position in the epoch of this rank's first row.
    pub fn position(&self) -> usize {
        self.rows.position(0)
    }

    /// The tensor called `name`: that of a field has the shape (rows, the field's shape), unless a
    /// closure of [`map_batch`](crate::LoaderBuilder::map_batch) has replaced it.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Config`] when there is no such field, naming those there are.
    pub fn tensor(&self, name: &str) -> Result<&Tensor> {
        self.find(name).ok_or_else(|| {
            let names: Vec<&str> = self.tensors().map(|(name, _)| name).collect();
            Error::new(ErrorKind::Config, format!("no field {name:?}, there are {names:?}"))
        })
    }

    fn find(&self, name: &str) -> Option<&Tensor> {
        self.place(name).map(|at| &self.tensors[at])
    }

    fn place(&self, name: &str) -> Option<usize> {
        self.names.iter().position(|field| **field == *name)
    }

    /// Puts `tensor` in the place of the one called `name`, or behind the others where there is
    /// none. It may have any shape and dtype, and be on any device.
    pub fn set(&mut self, name: &str, tensor: Tensor) {
        match self.place(name) {
            Some(at) => self.tensors[at] = tensor,
            None => {
                Arc::make_mut(&mut self.names).push(name.into());
                self.tensors.push(tensor);
            }
        }
    }

    /// Takes the tensor called `name` out, if there is one.
    pub fn remove(&mut self, name: &str) -> Option<Tensor> {
        let at = self.place(name)?;
        Arc::make_mut(&mut self.names).remove(at);
        Some(self.tensors.remove(at))
    }

    /// Every name and tensor, in the order of the schema; what [`set`](Self::set) added comes
    /// last.
    pub fn tensors(&self) -> impl ExactSizeIterator<Item = (&str, &Tensor)> {
        self.names.iter().map(|name| &**name).zip(&self.tensors)
    }

    /// The tensors, in the order of [`tensors`](Self::tensors).
    pub fn into_tensors(self) -> Vec<Tensor> {
        self.tensors
    }

    /// 1 for each row that holds a sample and 0 for padding: `u8`, shape (rows,), on the device of
    /// the batch.
    ///
    /// # Errors
    ///
    /// When the device refuses.
    pub fn mask(&self) -> Result<Tensor> {
        let mut mask = Vec::new();
        mask.try_reserve_exact(self.height).map_err(|_| {
            let message = format!("no memory for a mask of {} rows", self.height);
            Error::new(ErrorKind::Memory, message).with_batch(self.id)
        })?;
        mask.extend((0..self.height).map(|row| u8::from(row < self.len())));
        Tensor::from_vec(mask, self.height, &self.device)
            .map_err(|cause| Error::device(cause).with_batch(self.id))
    }

    /// The reads that were skipped or substituted in this batch.
    pub fn faults(&self) -> &[Fault] {
        &self.faults
    }

    /// The state after this batch: saved with a checkpoint that has trained on it, it resumes with
    /// the next one.
    pub fn state(&self) -> &State {
        &self.state
    }
}

/// The tensor of a field.
///
/// # Panics
///
/// When there is no such field; [`Batch::tensor`] does not.
impl Index<&str> for Batch {
    type Output = Tensor;

    fn index(&self, name: &str) -> &Tensor {
        match self.tensor(name) {
            Ok(tensor) => tensor,
            Err(error) => panic!("{error}"),
        }
    }
}

impl fmt::Debug for Batch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut debug = f.debug_struct("Batch");
        debug.field("epoch", &self.id.epoch).field("number", &self.id.number);
        debug.field("len", &self.len()).field("rows", &self.height);
        for (name, tensor) in self.tensors() {
            debug.field(name, &format_args!("{:?}{:?}", tensor.dtype(), tensor.dims()));
        }
        debug.finish_non_exhaustive()
    }
}
