use std::mem::MaybeUninit;
use std::sync::atomic::AtomicBool;

use super::{Row, RowSlots, RowView};
use crate::{Error, ErrorKind, Result, Schema};

/// Memory of its own for one row of a schema: scratch for transforms and adapters.
#[derive(Debug)]
pub struct RowBuffer {
    schema: Schema,
    slots: RowSlots,
    /// Every field from an 8-byte boundary on, which suits every element type.
    memory: Vec<MaybeUninit<u64>>,
}

impl RowBuffer {
    /// Memory for the largest sample of `schema`, not initialised.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::TooLarge`] when there is not that much.
    pub fn new(schema: &Schema) -> Result<Self> {
        let mut this = Self::with_words(schema, Self::bytes_for(schema) / size_of::<u64>())?;
        let mut left = this.memory.as_mut_slice();
        for (i, field) in schema.fields().iter().enumerate() {
            let words = field.max_bytes().div_ceil(size_of::<u64>());
            let (part, rest) = left.split_at_mut(words);
            // SAFETY: the part is aligned to 8, large enough, disjoint from the other parts, and
            // owned by this buffer, whose `memory` is reached in no other way and never resized.
            unsafe { this.slots.aim(i, part.as_mut_ptr().cast(), size_of_val(part)) };
            left = rest;
        }
        Ok(this)
    }

    /// A copy of what `view` has, in no more memory than that takes: to be read, and never to be
    /// written again, since another row of `schema` may be larger.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::TooLarge`] when there is no memory.
    pub(crate) fn copy_of(view: RowView<'_>, schema: &Schema) -> Result<Self> {
        let words = |field: usize| view.field(field).bytes().len().div_ceil(size_of::<u64>());
        let total = (0..view.field_count()).map(words).sum::<usize>();
        let mut this = Self::with_words(schema, total)?;
        let mut left = this.memory.as_mut_slice();
        for field in 0..view.field_count() {
            let (part, rest) = left.split_at_mut(words(field));
            let (memory, bytes) = (part.as_mut_ptr().cast(), size_of_val(part));
            // SAFETY: as in `new`, and the slot is filled at once and then only read.
            unsafe { this.slots.aim(field, memory, bytes) };
            this.slots.fill(field, view.field(field));
            left = rest;
        }
        Ok(this)
    }

    /// Slots for `schema`, aimed at nothing, and this much memory.
    fn with_words(schema: &Schema, total: usize) -> Result<Self> {
        let mut memory = Vec::new();
        memory.try_reserve_exact(total).map_err(|_| {
            let bytes = total * size_of::<u64>();
            Error::new(ErrorKind::TooLarge, format!("no memory for a row of {bytes} bytes"))
        })?;
        // SAFETY: there is room for `total` words, and a word that may be uninitialised has nothing to
        // initialise. `resize` would write them one by one where nothing is optimised: 64 MiB for a
        // field of pictures.
        unsafe { memory.set_len(total) };
        Ok(Self { schema: schema.clone(), slots: RowSlots::new(schema), memory })
    }

    /// Bytes that a buffer for `schema` holds.
    pub fn bytes_for(schema: &Schema) -> usize {
        let word = size_of::<u64>();
        schema.fields().iter().map(|field| field.max_bytes().div_ceil(word) * word).sum()
    }

    /// Bytes that this buffer holds.
    pub fn memory_bytes(&self) -> usize {
        self.memory.len() * size_of::<u64>()
    }

    /// The fields of the row.
    pub fn schema(&self) -> &Schema {
        &self.schema
    }

    /// An empty row over the buffer.
    pub fn row<'a>(&'a mut self, stop: Option<&'a AtomicBool>) -> Row<'a> {
        self.slots.row(&self.schema, stop)
    }

    /// An empty row over the buffer for a read on the way to `row`: it is stopped with that one, leaves its
    /// fields in the same mark, and is taken from the same pass.
    pub fn row_towards<'a>(&'a mut self, row: &Row<'a>) -> Row<'a> {
        Row { mark: row.mark, pass: row.pass, ..self.row(row.stop) }
    }

    /// Whether every field of the last row is wholly written; see [`RowSlots::finish`].
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Incomplete`], naming the first field that is not.
    pub fn finish(&self) -> Result<()> {
        self.slots.finish(&self.schema)
    }

    /// What was written last.
    pub fn view(&self) -> RowView<'_> {
        self.slots.view(&self.schema)
    }
}
