use std::fmt;
use std::ops::Index;
use std::sync::Arc;

use candle_core::{Device, Tensor};
use tallow_core::BatchRows;

use crate::policy::Fault;
use crate::slab::{RowSamples, SlabLayout};
use crate::state::State;
use crate::{BatchId, Error, ErrorKind, Result};

/// One batch: a tensor for each field, its first axis being the rows, and where they come from.
pub struct Batch {
    pub(crate) id: BatchId,
    pub(crate) layout: Arc<SlabLayout>,
    pub(crate) tensors: Vec<Tensor>,
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

    /// Whether no row holds a sample: a rank's share of a small last batch may be empty.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Rows of the tensors, those of padding included.
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

    /// The tensor of the field `name`: shape (rows, the field's shape).
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
        self.tensors().find(|(field, _)| *field == name).map(|(_, tensor)| tensor)
    }

    /// Every field's name and tensor, in the order of the schema.
    pub fn tensors(&self) -> impl ExactSizeIterator<Item = (&str, &Tensor)> {
        self.layout.fields.iter().map(|field| &*field.name).zip(&self.tensors)
    }

    /// The tensors, in the order of the schema.
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
        let mask: Vec<u8> = (0..self.height).map(|row| u8::from(row < self.len())).collect();
        let device = self.tensors.first().map_or(&Device::Cpu, |tensor| tensor.device());
        Tensor::from_vec(mask, self.height, device)
            .map_err(|error| Error::new(ErrorKind::Device, error.to_string()).with_batch(self.id))
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
