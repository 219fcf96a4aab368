//! The fields of a slab: what each row of it looks like.

use std::num::NonZeroUsize;
use std::sync::Arc;

use candle_core::DType;
use tallow_core::{BatchRows, Batching, Dim, Field, Schema};

/// What the slabs of a loader look like: fixed at `build()`.
#[derive(Debug, Clone)]
pub(crate) struct SlabLayout {
    pub(crate) fields: Vec<FieldLayout>,
    /// The names of the fields, for the batches.
    pub(crate) names: Arc<Vec<Arc<str>>>,
    /// Rows of the largest batch.
    pub(crate) rows: usize,
    /// The sizes that batches have, but for an incomplete last one.
    sizes: Vec<BatchSize>,
    /// Fields that are delivered as long as their longest row.
    pub(crate) cuts: Vec<Cut>,
}

/// How large a batch is on this rank.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct BatchSize {
    pub(crate) rows: usize,
    /// The longest sample, where the sampler knows it.
    pub(crate) longest: Option<usize>,
}

impl BatchSize {
    pub(crate) fn of(rows: &BatchRows) -> Self {
        Self { rows: rows.rows(), longest: rows.longest() }
    }

    /// The sizes of full batches, each once.
    fn of_epoch(batching: &Batching, positions: usize) -> Vec<Self> {
        let size = |batch| Self::of(&batching.rows(positions, batch));
        let batches = batching.batches(positions);
        if batching.table().is_none() {
            // The first batch is the largest, also of a short epoch.
            return (0..batches.min(1)).map(size).collect();
        }
        let mut sizes: Vec<Self> = (0..batches).map(size).collect();
        sizes.sort_unstable();
        sizes.dedup();
        sizes
    }
}

/// A field that is padded to its maximum in the slab, and delivered as long as its longest row.
#[derive(Debug, Clone)]
pub(crate) struct Cut {
    pub(crate) field: usize,
    /// The field that holds the lengths: an `i64` per axis.
    pub(crate) lens: usize,
    /// The axes of a row that are cut.
    pub(crate) axes: Vec<usize>,
    /// The longest row is rounded up to a multiple of this, within the maximum.
    pub(crate) multiple: NonZeroUsize,
}

#[derive(Debug, Clone)]
pub(crate) struct FieldLayout {
    pub(crate) name: Arc<str>,
    pub(crate) dtype: DType,
    shape: Vec<usize>,
    /// The axis that is as long as the sampler says of each batch.
    by_batch: Option<usize>,
    /// Of the longest row.
    pub(crate) row_elements: usize,
    pub(crate) row_bytes: usize,
}

impl FieldLayout {
    fn new(field: &Field) -> Self {
        let dtype = field.dtype().delivered();
        // Whole rows are then whole tensors: nothing of a column is left uninitialised.
        let is_ragged = |dim: &Dim| matches!(dim, Dim::Ragged { .. });
        let ragged = field.dims().iter().filter(|dim| is_ragged(dim)).count();
        let is_plain = dtype.size_in_bytes() == field.dtype().size() && ragged <= 1;
        assert!(is_plain, "{field} must be made regular and widened before it is delivered");
        Self {
            name: field.name().into(),
            dtype,
            shape: field.max_shape(),
            by_batch: field.dims().iter().position(is_ragged),
            row_elements: field.max_elements(),
            row_bytes: field.max_bytes(),
        }
    }

    /// Elements of a row of a batch whose longest sample has `longest`.
    pub(crate) fn row_elements(&self, longest: Option<usize>) -> usize {
        match (self.by_batch, longest) {
            (Some(_), Some(_)) => self.batch_shape(1, longest).iter().product(),
            _ => self.row_elements,
        }
    }

    /// Bytes of such a row.
    pub(crate) fn row_bytes(&self, longest: Option<usize>) -> usize {
        self.row_elements(longest) * self.dtype.size_in_bytes()
    }

    /// The shape of `rows` rows of a batch whose longest sample has `longest`.
    pub(crate) fn batch_shape(&self, rows: usize, longest: Option<usize>) -> Vec<usize> {
        let mut shape = Vec::with_capacity(1 + self.shape.len());
        shape.push(rows);
        shape.extend(&self.shape);
        if let (Some(axis), Some(longest)) = (self.by_batch, longest) {
            shape[1 + axis] = shape[1 + axis].min(longest);
        }
        shape
    }

    /// Whether candle can count the elements of `rows` rows, also where a dimension is 0.
    fn is_countable(&self, BatchSize { rows, longest }: BatchSize) -> bool {
        let mut shape = self.batch_shape(rows, longest).into_iter();
        shape.try_fold(1usize, |product, len| product.checked_mul(len.max(1))).is_some()
    }
}

impl SlabLayout {
    /// The layout of the batches of an epoch of `positions` positions, for a schema that has no `u16`, and
    /// no ragged field but those that are as long as the sampler says of each batch.
    pub(crate) fn new(
        schema: &Schema,
        batching: &Batching,
        positions: usize,
        cuts: Vec<Cut>,
    ) -> Self {
        let sizes = BatchSize::of_epoch(batching, positions);
        let rows = sizes.iter().map(|size| size.rows).max().unwrap_or(0);
        let fields: Vec<_> = schema.fields().iter().map(FieldLayout::new).collect();
        let names = fields.iter().map(|field| field.name.clone()).collect();
        Self { fields, names: Arc::new(names), rows, sizes, cuts }
    }

    /// Bytes of the fields that are cut, in a full batch: the tensors that they are cut from are there
    /// as long as those that are delivered are made.
    pub(crate) fn cut_bytes(&self) -> usize {
        // Fields that are cut are as long as they can be.
        let row_bytes: usize = self.cuts.iter().map(|cut| self.fields[cut.field].row_bytes).sum();
        row_bytes.saturating_mul(self.rows)
    }

    /// Bytes of the largest slab, or `None` when they do not fit the address space.
    pub(crate) fn slab_bytes(&self) -> Option<usize> {
        self.sizes.iter().try_fold(0, |most, &size| Some(self.bytes_of(size)?.max(most)))
    }

    fn bytes_of(&self, size: BatchSize) -> Option<usize> {
        let countable = self.fields.iter().all(|field| field.is_countable(size));
        let row_bytes: usize = self.fields.iter().map(|f| f.row_bytes(size.longest)).sum();
        let bytes = row_bytes.checked_mul(size.rows).filter(|_| countable)?;
        (bytes <= isize::MAX as usize).then_some(bytes)
    }
}
