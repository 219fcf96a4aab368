//! The fields of a slab: what each row of it looks like.

use std::sync::Arc;

use candle_core::DType;
use tallow_core::{Field, Schema};

/// What the slabs of a loader look like: fixed at `build()`.
#[derive(Debug, Clone)]
pub(crate) struct SlabLayout {
    pub(crate) fields: Vec<FieldLayout>,
    /// The names of the fields, for the batches.
    pub(crate) names: Arc<Vec<Arc<str>>>,
    /// Rows of a full batch.
    pub(crate) rows: usize,
    /// Fields that are delivered as long as their longest row.
    pub(crate) cuts: Vec<Cut>,
}

/// A field that is padded to its maximum in the slab, and delivered as long as its longest row.
#[derive(Debug, Clone)]
pub(crate) struct Cut {
    pub(crate) field: usize,
    /// The field that holds the lengths: an `i64` per axis.
    pub(crate) lens: usize,
    /// The axes of a row that are cut.
    pub(crate) axes: Vec<usize>,
}

#[derive(Debug, Clone)]
pub(crate) struct FieldLayout {
    pub(crate) name: Arc<str>,
    pub(crate) dtype: DType,
    shape: Vec<usize>,
    pub(crate) row_elements: usize,
    pub(crate) row_bytes: usize,
}

impl FieldLayout {
    fn new(field: &Field) -> Self {
        let dtype = field.dtype().delivered();
        // Whole rows are then whole tensors: nothing of a column is left uninitialised.
        let is_plain = dtype.size_in_bytes() == field.dtype().size() && !field.is_ragged();
        assert!(is_plain, "{field} must be made regular and widened before it is delivered");
        Self {
            name: field.name().into(),
            dtype,
            shape: field.max_shape(),
            row_elements: field.max_elements(),
            row_bytes: field.max_bytes(),
        }
    }

    /// The shape of `rows` rows.
    pub(crate) fn batch_shape(&self, rows: usize) -> Vec<usize> {
        let mut shape = Vec::with_capacity(1 + self.shape.len());
        shape.push(rows);
        shape.extend(&self.shape);
        shape
    }

    /// Whether candle can count the elements of `rows` rows, also where a dimension is 0.
    fn is_countable(&self, rows: usize) -> bool {
        let count = |product: usize, &len: &usize| product.checked_mul(len.max(1));
        self.shape.iter().try_fold(rows, count).is_some()
    }
}

impl SlabLayout {
    /// The layout of `rows` rows of a schema that has no ragged field and no `u16`.
    pub(crate) fn new(schema: &Schema, rows: usize, cuts: Vec<Cut>) -> Self {
        let fields: Vec<_> = schema.fields().iter().map(FieldLayout::new).collect();
        let names = fields.iter().map(|field| field.name.clone()).collect();
        Self { fields, names: Arc::new(names), rows, cuts }
    }

    pub(crate) fn row_bytes(&self) -> usize {
        self.fields.iter().map(|field| field.row_bytes).sum()
    }

    /// Bytes of the fields that are cut, in a full batch: the tensors that they are cut from are there
    /// as long as those that are delivered are made.
    pub(crate) fn cut_bytes(&self) -> usize {
        let row_bytes: usize = self.cuts.iter().map(|cut| self.fields[cut.field].row_bytes).sum();
        row_bytes.saturating_mul(self.rows)
    }

    /// Bytes of a full slab, or `None` when they do not fit the address space.
    pub(crate) fn slab_bytes(&self) -> Option<usize> {
        let countable = self.fields.iter().all(|field| field.is_countable(self.rows));
        let bytes = self.row_bytes().checked_mul(self.rows).filter(|_| countable)?;
        (bytes <= isize::MAX as usize).then_some(bytes)
    }
}
