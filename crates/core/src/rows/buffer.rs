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
        let total = Self::bytes_for(schema) / size_of::<u64>();
        let mut memory = Vec::new();
        memory.try_reserve_exact(total).map_err(|_| {
            let bytes = total * size_of::<u64>();
            Error::new(ErrorKind::TooLarge, format!("no memory for a row of {bytes} bytes"))
        })?;
        memory.resize(total, MaybeUninit::uninit());
        let mut slots = RowSlots::new(schema);
        let mut left = memory.as_mut_slice();
        for (i, field) in schema.fields().iter().enumerate() {
            let words = field.max_bytes().div_ceil(size_of::<u64>());
            let (part, rest) = left.split_at_mut(words);
            // SAFETY: the part is aligned to 8, large enough, disjoint from the other parts, and
            // owned by this buffer, whose `memory` is reached in no other way and never resized.
            unsafe { slots.aim(i, part.as_mut_ptr().cast(), size_of_val(part)) };
            left = rest;
        }
        Ok(Self { schema: schema.clone(), slots, memory })
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

    /// An empty row over the buffer for a read on the way to `row`: it is stopped with that one, and
    /// leaves its fields in the same mark.
    pub fn row_towards<'a>(&'a mut self, row: &Row<'a>) -> Row<'a> {
        Row { mark: row.mark, ..self.row(row.stop) }
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
