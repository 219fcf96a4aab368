use std::ops::Range;
use std::sync::atomic::AtomicBool;

use super::slot::{Slot, finish};
use super::{FieldView, Row, RowView};
use crate::{Field, Result, Schema};

/// The slots of one row, made once for a schema and aimed at one row's memory after another.
#[derive(Debug)]
pub struct RowSlots {
    slots: Vec<Slot>,
}

// SAFETY: the pointers are addresses that are written through only by the row made from
// `&mut self`; the caller of `aim` promises that the memory is the row's alone, on any thread.
unsafe impl Send for RowSlots {}
// SAFETY: through `&RowSlots` memory is only read, by views of what a row has written, and the
// caller of `aim` keeps other writers away from it.
unsafe impl Sync for RowSlots {}

impl RowSlots {
    /// Slots for the fields of `schema`, aimed at nothing.
    pub fn new(schema: &Schema) -> Self {
        let slot = |field: &Field| Slot {
            memory: std::ptr::null_mut(),
            capacity: 0,
            expected: None,
            filled: 0,
            pieced: 0,
            pieces: Vec::new(),
            shape: field.max_shape(),
        };
        Self { slots: schema.fields().iter().map(slot).collect() }
    }

    /// The number of fields.
    #[expect(clippy::len_without_is_empty, reason = "a schema has fields")]
    pub fn len(&self) -> usize {
        self.slots.len()
    }

    /// Aims field `field` at `bytes` bytes from `memory` on.
    ///
    /// # Safety
    ///
    /// `memory` must be aligned for the field's element type, valid for writes of `bytes` bytes,
    /// and read or written by no one else, as long as a row or view made from the slots is used.
    /// No row or view may be made any more, before the slot is aimed elsewhere, once that ends.
    pub unsafe fn aim(&mut self, field: usize, memory: *mut u8, bytes: usize) {
        let slot = &mut self.slots[field];
        (slot.memory, slot.capacity) = (memory, bytes);
    }

    /// Makes field `field` a copy of `from`, for which it must be aimed at enough memory.
    ///
    /// # Panics
    ///
    /// When the memory is too little.
    pub(super) fn fill(&mut self, field: usize, from: FieldView<'_>) {
        self.slots[field].fill(from.shape(), from.bytes());
    }

    /// An empty row over the memory that the slots are aimed at.
    ///
    /// # Panics
    ///
    /// When `schema` is not the one that the slots were made for, or a slot is aimed at too
    /// little memory.
    pub fn row<'a>(&'a mut self, schema: &'a Schema, stop: Option<&'a AtomicBool>) -> Row<'a> {
        let fields = schema.fields();
        assert_eq!(fields.len(), self.slots.len(), "slots of another schema");
        for (slot, field) in self.slots.iter_mut().zip(fields) {
            slot.reset(field);
        }
        Row { fields, slots: &mut self.slots, stop, mark: None, pass: None, unchecked: None }
    }

    /// What the last row wrote, `schema` being that row's.
    ///
    /// # Panics
    ///
    /// When `schema` has another number of fields.
    pub fn view<'a>(&'a self, schema: &'a Schema) -> RowView<'a> {
        assert_eq!(schema.fields().len(), self.slots.len(), "slots of another schema");
        RowView { fields: schema.fields(), slots: &self.slots }
    }

    /// Whether every field of the last row is wholly written, `schema` being that row's.
    ///
    /// Code that hands out uninitialised memory asks this and not [`Row::finish`]: safe code that is
    /// given a `&mut Row` can replace it by another row that was written elsewhere.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Incomplete`](crate::ErrorKind::Incomplete), naming the first field that is not.
    ///
    /// # Panics
    ///
    /// When `schema` has another number of fields.
    pub fn finish(&self, schema: &Schema) -> Result<()> {
        self.finish_part(schema, 0..self.slots.len())
    }

    /// The same of the fields of `range` alone.
    ///
    /// # Errors
    ///
    /// As [`finish`](Self::finish).
    ///
    /// # Panics
    ///
    /// When `schema` has another number of fields, or fewer than the range.
    pub fn finish_part(&self, schema: &Schema, range: Range<usize>) -> Result<()> {
        assert_eq!(schema.fields().len(), self.slots.len(), "slots of another schema");
        finish(&schema.fields()[range.clone()], &self.slots[range])
    }
}
