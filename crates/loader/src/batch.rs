//! A batch: what an iteration delivers.

use std::borrow::Cow;
use std::fmt;
use std::ops::Index;
use std::sync::Arc;

use candle_core::{DType, Device, Tensor};
use tallow_core::{BatchRows, Population, Source};

use crate::policy::Fault;
use crate::slabs::RowSamples;
use crate::state::State;
use crate::{BatchId, Error, ErrorKind, Result};

/// One batch: a tensor for each field, whose first axis is the rows, and where they come from.
///
/// ```
/// # use tallow_core::{Field, RowDType, Schema, from_fn};
/// # use tallow_loader::Loader;
/// # let fields = vec![Field::new("input", RowDType::U8, &[4]), Field::new("target", RowDType::I64, &[])];
/// # let source = from_fn(Schema::new(fields)?, 8, |index, row| {
/// #     row.field(0).copy_from_slice(&[51u8; 4])?;
/// #     row.field(1).copy_from_slice(&[index as i64])
/// # });
/// let loader = Loader::builder(source).batch_size(4).build()?;
/// for batch in loader.epoch(0) {
///     let batch = batch?;
///     let (input, target) = batch.pair("input", "target")?;
///     assert_eq!((input.dims(), target.dims()), (&[4, 4][..], &[4][..]));
///     assert_eq!(batch.is_last(), batch.number() == 1);
/// }
/// # Ok::<(), tallow_loader::Error>(())
/// ```
pub struct Batch {
    pub(crate) id: BatchId,
    pub(crate) step: u64,
    /// The name of each tensor. Shared by all batches: one whose tensors are added or removed has
    /// names of its own from then on.
    pub(crate) names: Arc<Vec<Arc<str>>>,
    pub(crate) tensors: Vec<Tensor>,
    pub(crate) device: Device,
    pub(crate) samples: RowSamples,
    pub(crate) rows: BatchRows,
    /// Rows of the tensors, padding included.
    pub(crate) height: usize,
    /// Whether the epoch ends after this batch.
    pub(crate) last: bool,
    pub(crate) faults: Vec<Fault>,
    pub(crate) state: State,
    pub(crate) source: Arc<dyn Source>,
    pub(crate) population: Population,
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

    /// Which batch of all epochs this is: the batches of the epochs before it, and its number. What
    /// [`Loader::steps`](crate::Loader::steps) counts.
    pub fn step(&self) -> u64 {
        self.step
    }

    /// Whether this is the last batch of its epoch: the place to validate, to report, and to save.
    ///
    /// The last batch may be missing from an iteration: it may be an error, and with
    /// [`OnError::Skip`](crate::OnError::Skip) it is left out if all of its samples are skipped.
    pub fn is_last(&self) -> bool {
        self.last
    }

    /// Epoch and number.
    pub fn id(&self) -> BatchId {
        self.id
    }

    /// Rows that hold a sample; they come first.
    pub fn len(&self) -> usize {
        self.samples.len()
    }

    /// Whether no row holds a sample. The mean of such a batch is not a number.
    ///
    /// It happens with several ranks, where this rank's part of a small last batch may be empty or
    /// all skipped, and with [`LastBatch::Pad`](tallow_core::LastBatch::Pad), where all rows may be
    /// padding. Otherwise a batch without samples is not delivered.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Rows of the fields' tensors as the loader made them, including those of padding.
    pub fn rows(&self) -> usize {
        self.height
    }

    /// The sample of each row that holds one, as the source counts them.
    pub fn indices(&self) -> &[usize] {
        self.samples.indices()
    }

    /// What the source calls the sample of each row that holds one: the path of its file, if it has
    /// one. Each name is made when it is asked for, so that names cost nothing where nobody asks.
    ///
    /// ```
    /// # use tallow_core::{Field, RowDType, Schema, from_fn};
    /// # use tallow_loader::Loader;
    /// # let fields = vec![Field::new("target", RowDType::I64, &[])];
    /// # let source = from_fn(Schema::new(fields)?, 8, |index, row| {
    /// #     row.field(0).copy_from_slice(&[index as i64])
    /// # });
    /// # let loader = Loader::builder(source).batch_size(4).build()?;
    /// # let loss_of_each_row = |_: &tallow_loader::Batch| vec![0.1, 0.2, 9.0, 0.3];
    /// for batch in loader.epoch(0) {
    ///     let batch = batch?;
    ///     let rows = batch.names().zip(batch.indices()).zip(loss_of_each_row(&batch));
    ///     for ((name, index), loss) in rows.filter(|(_, loss)| *loss > 5.0) {
    ///         println!("{name}, sample {index}: {loss}");
    ///     }
    /// }
    /// # Ok::<(), tallow_loader::Error>(())
    /// ```
    ///
    /// With a transform that mixes two samples, the row is the sample into which the other is mixed. A
    /// batch that is kept keeps the source.
    pub fn names(&self) -> impl ExactSizeIterator<Item = Cow<'_, str>> {
        self.indices().iter().map(|&index| self.source.name(index))
    }

    /// Which source of a concatenation the sample of each row that holds one is of: which data set of a
    /// mixture. 0 throughout for any other source. As [`names`](Self::names) these cost nothing where
    /// nobody asks.
    ///
    /// ```
    /// # use candle_core::{Device, Tensor};
    /// # use tallow_core::{Memory, Mix};
    /// # use tallow_loader::Loader;
    /// # let tokens = |len| Memory::new([("tokens", Tensor::arange(0i64, len, &Device::Cpu)?)]);
    /// # let (web, code) = (tokens(600)?, tokens(100)?);
    /// let (source, mix) = Mix::weighted([(web, 3.0), (code, 1.0)])?;
    /// let loader = Loader::builder(source).sampler(mix).batch_size(4).build()?;
    /// let batch = loader.epoch(0).next().unwrap()?;
    /// assert_eq!(batch.parts().collect::<Vec<_>>(), [0, 0, 1, 0]);
    /// // As a tensor, for a loss by part.
    /// let parts = Tensor::from_iter(batch.parts().map(|part| part as i64), &Device::Cpu)?;
    /// # assert_eq!(parts.to_vec1::<i64>()?, [0, 0, 1, 0]);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// A closure of [`map_batch`](crate::LoaderBuilder::map_batch) may [`set`](Self::set) them as a field.
    pub fn parts(&self) -> impl ExactSizeIterator<Item = usize> + '_ {
        self.indices().iter().map(|&index| self.population.part_of(index))
    }

    /// The position in the epoch of each row that holds a sample.
    pub fn positions(&self) -> impl ExactSizeIterator<Item = usize> + '_ {
        (0..self.len()).map(|row| self.rows.position(self.samples.slab_row(row)))
    }

    /// The position in the epoch of this rank's first row.
    pub fn position(&self) -> usize {
        self.rows.position(0)
    }

    /// The tensor called `name`. That of a field has the shape (rows, the field's shape), unless a
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

    /// Two tensors by name: clones, which share the memory of the batch.
    ///
    /// ```
    /// # use tallow_core::{Field, RowDType, Schema, from_fn};
    /// # use tallow_loader::Loader;
    /// # let fields = vec![Field::new("input", RowDType::U8, &[4]), Field::new("target", RowDType::U8, &[])];
    /// # let source = from_fn(Schema::new(fields)?, 8, |_, row| {
    /// #     row.field(0).copy_from_slice(&[51u8; 4])?;
    /// #     row.field(1).copy_from_slice(&[1u8])
    /// # });
    /// # let loader = Loader::builder(source).build()?;
    /// # let batch = loader.epoch(0).next().unwrap()?;
    /// let (input, target) = batch.pair("input", "target")?;
    /// # assert_eq!((input.dims(), target.dims()), (&[8, 4][..], &[8][..]));
    /// # Ok::<(), tallow_loader::Error>(())
    /// ```
    ///
    /// # Errors
    ///
    /// As [`tensor`](Self::tensor).
    pub fn pair(&self, first: &str, second: &str) -> Result<(Tensor, Tensor)> {
        let [first, second] = self.select([first, second])?;
        Ok((first, second))
    }

    /// Any number of tensors by name, in the order of `names`: clones, which share the memory of
    /// the batch.
    ///
    /// ```
    /// # use tallow_core::{Field, RowDType, Schema, from_fn};
    /// # use tallow_loader::Loader;
    /// # let fields = ["image", "mask", "label"].map(|name| Field::new(name, RowDType::U8, &[]));
    /// # let source = from_fn(Schema::new(fields.to_vec())?, 8, |_, row| {
    /// #     (0..3).try_for_each(|field| row.field(field).copy_from_slice(&[field as u8]))
    /// # });
    /// # let loader = Loader::builder(source).build()?;
    /// # let batch = loader.epoch(0).next().unwrap()?;
    /// let [image, mask, label] = batch.select(["image", "mask", "label"])?;
    /// # assert_eq!(mask.to_vec1::<u8>()?, [1; 8]);
    /// # assert_eq!((image.dims(), label.dims()), (&[8][..], &[8][..]));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    ///
    /// As [`tensor`](Self::tensor), for the first name that is not there.
    pub fn select<const N: usize>(&self, names: [&str; N]) -> Result<[Tensor; N]> {
        let found: Vec<Tensor> =
            names.iter().map(|name| self.tensor(name).cloned()).collect::<Result<_>>()?;
        Ok(found.try_into().expect("as many tensors as names"))
    }

    /// Moves every tensor to `device`; those that are there already stay as they are.
    ///
    /// [`LoaderBuilder::device`](crate::LoaderBuilder::device) delivers them there in the first
    /// place, which is faster. This is for a batch that is needed somewhere else.
    ///
    /// ```
    /// # use tallow_core::{Field, RowDType, Schema, from_fn};
    /// # use tallow_loader::Loader;
    /// # let schema = Schema::new(vec![Field::new("input", RowDType::U8, &[4])])?;
    /// # let source = from_fn(schema, 8, |_, row| row.field(0).copy_from_slice(&[51u8; 4]));
    /// # let loader = Loader::builder(source).build()?;
    /// let device = candle_core::Device::cuda_if_available(0)?;
    /// for batch in loader.epoch(0) {
    ///     let mut batch = batch?;
    ///     batch.to_device(&device)?;
    /// }
    /// # Ok::<(), tallow_loader::Error>(())
    /// ```
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Device`] when the device refuses; the tensors before that one have moved.
    pub fn to_device(&mut self, device: &Device) -> Result<()> {
        for tensor in &mut self.tensors {
            let moved = tensor.to_device(device);
            *tensor = moved.map_err(|cause| Error::device(cause).with_batch(self.id))?;
        }
        self.device = device.clone();
        Ok(())
    }

    /// Converts the tensor called `name` to another element type, on the device where it is.
    ///
    /// ```
    /// # use tallow_core::{Field, RowDType, Schema, from_fn};
    /// # use tallow_loader::Loader;
    /// use candle_core::DType;
    ///
    /// # let schema = Schema::new(vec![Field::new("input", RowDType::U8, &[4])])?;
    /// # let source = from_fn(schema, 8, |_, row| row.field(0).copy_from_slice(&[51u8; 4]));
    /// # let loader = Loader::builder(source).build()?;
    /// let mut batch = loader.epoch(0).next().unwrap()?;
    /// batch.to_dtype("input", DType::F32)?;
    /// assert_eq!(batch["input"].dtype(), DType::F32);
    /// # Ok::<(), tallow_loader::Error>(())
    /// ```
    ///
    /// # Errors
    ///
    /// As [`tensor`](Self::tensor), and [`ErrorKind::Tensor`] when candle cannot convert it.
    pub fn to_dtype(&mut self, name: &str, dtype: DType) -> Result<()> {
        let converted = self.tensor(name)?.to_dtype(dtype);
        let converted = converted.map_err(|cause| Error::from(cause).with_batch(self.id))?;
        self.set(name, converted);
        Ok(())
    }

    fn find(&self, name: &str) -> Option<&Tensor> {
        self.place(name).map(|at| &self.tensors[at])
    }

    fn place(&self, name: &str) -> Option<usize> {
        self.names.iter().position(|field| **field == *name)
    }

    /// Replaces the tensor called `name`, or adds it after the others if there is none. It may have
    /// any shape and dtype, and be on any device.
    pub fn set(&mut self, name: &str, tensor: Tensor) {
        match self.place(name) {
            Some(at) => self.tensors[at] = tensor,
            None => {
                Arc::make_mut(&mut self.names).push(name.into());
                self.tensors.push(tensor);
            }
        }
    }

    /// Removes the tensor called `name` and returns it, if there is one.
    pub fn remove(&mut self, name: &str) -> Option<Tensor> {
        let at = self.place(name)?;
        Arc::make_mut(&mut self.names).remove(at);
        Some(self.tensors.remove(at))
    }

    /// Every name and tensor, in the order of the schema, then what [`set`](Self::set) added.
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
    /// [`ErrorKind::Device`] when the device refuses, [`ErrorKind::Memory`] when there is none.
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

    /// The failed reads of this batch whose samples were skipped or substituted.
    pub fn faults(&self) -> &[Fault] {
        &self.faults
    }

    /// The state after this batch. Save it with a checkpoint of the model that was trained on this
    /// batch, and [`Loader::resume`](crate::Loader::resume) goes on with the next one.
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
