use std::ops::Range;
use std::sync::atomic::AtomicBool;

use super::field_mut::is_stopped;
use super::slot::{Slot, finish};
use super::{FieldMut, RowMark, RowView};
use crate::{Field, FieldIndex, Pass, Result, Schema, Unchecked, field_index};

/// One sample as it is being written: write-only, field by field.
#[derive(Debug)]
pub struct Row<'a> {
    pub(super) fields: &'a [Field],
    pub(super) slots: &'a mut [Slot],
    pub(super) stop: Option<&'a AtomicBool>,
    pub(super) mark: Option<&'a RowMark>,
    pub(super) pass: Option<&'a dyn Pass>,
    pub(super) unchecked: Option<&'a Unchecked>,
}

impl<'a> Row<'a> {
    /// The number of fields.
    pub fn field_count(&self) -> usize {
        self.fields.len()
    }

    /// A field, by position or name, to be written.
    ///
    /// # Panics
    ///
    /// When there is no such field, naming those there are. In a [`read`](crate::Source::read) the
    /// loader makes it an error of the sample.
    #[inline]
    #[track_caller]
    pub fn field(&mut self, index: impl FieldIndex) -> FieldMut<'_> {
        let index = field_index::position(index, self.fields);
        let field = &self.fields[index];
        if let Some(mark) = self.mark {
            mark.set(field.id());
        }
        FieldMut { field, slot: &mut self.slots[index], stop: self.stop, mark: self.mark }
    }

    /// Leaves in `mark` which field is asked for, and the time that decoding takes on the way to it.
    #[must_use]
    pub fn marking(mut self, mark: &'a RowMark) -> Self {
        self.mark = Some(mark);
        self
    }

    /// The fields of `range` as a row of their own, for a source inside another.
    ///
    /// # Panics
    ///
    /// When `schema` differs from these fields in more than their names.
    pub fn part<'b>(&'b mut self, range: Range<usize>, schema: &'b Schema) -> Row<'b> {
        let fields = schema.fields();
        let own = &self.fields[range.clone()];
        let same = |(a, b): (&Field, &Field)| a.dtype() == b.dtype() && a.dims() == b.dims();
        assert!(own.len() == fields.len() && own.iter().zip(fields).all(same), "another schema");
        let Self { stop, mark, pass, unchecked, .. } = *self;
        Row { fields, slots: &mut self.slots[range], stop, mark, pass, unchecked }
    }

    /// The fields of `range` as a row of their own.
    pub(crate) fn range(&mut self, range: Range<usize>) -> Row<'_> {
        Row {
            fields: &self.fields[range.clone()],
            slots: &mut self.slots[range],
            stop: self.stop,
            mark: self.mark,
            pass: self.pass,
            unchecked: self.unchecked,
        }
    }

    /// Copies the fields at the positions `fields` of `sample`, in this order.
    pub(crate) fn copy_fields(&mut self, sample: &RowView<'_>, fields: &[usize]) -> Result<()> {
        let mut pairs = fields.iter().enumerate();
        pairs.try_for_each(|(to, &from)| self.field(to).copy_from_view(&sample.field(from)))
    }

    /// Copies a whole sample of the same schema.
    ///
    /// # Errors
    ///
    /// When a field differs in dtype or shape.
    pub fn copy_from(&mut self, sample: &RowView<'_>) -> Result<()> {
        (0..self.field_count()).try_for_each(|i| self.field(i).copy_from_view(&sample.field(i)))
    }

    /// Whether the loader has been told to stop: long work should check this now and then.
    pub fn is_stopped(&self) -> bool {
        is_stopped(self.stop)
    }

    /// The loader's stop flag, for rows read on the way to this one.
    pub fn stop(&self) -> Option<&'a AtomicBool> {
        self.stop
    }

    /// The loader's stop flag, apart from the borrow of the row.
    pub(crate) fn stop_flag(&self) -> impl Fn() -> bool + use<'a> {
        let stop = self.stop;
        move || is_stopped(stop)
    }

    /// Where work on the row leaves its traces, if anywhere.
    pub fn mark(&self) -> Option<&'a RowMark> {
        self.mark
    }

    /// The row of a sample that is taken from `pass`, which has reached it.
    #[must_use]
    pub fn taken_from(mut self, pass: Option<&'a dyn Pass>) -> Self {
        self.pass = pass;
        self
    }

    /// The pass over a stream from which the sample is taken, if it is.
    pub fn pass(&self) -> Option<&'a dyn Pass> {
        self.pass
    }

    /// The row of a sample whose files are looked at later, with those of other rows, if that is given: files
    /// that stay open are noted there.
    #[must_use]
    pub fn checked_later(mut self, unchecked: Option<&'a Unchecked>) -> Self {
        self.unchecked = unchecked;
        self
    }

    /// Where files are noted that are looked at later.
    pub(crate) fn unchecked(&self) -> Option<&'a Unchecked> {
        self.unchecked
    }

    /// Whether every field is wholly written.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Incomplete`](crate::ErrorKind::Incomplete), naming the first field that is not.
    pub fn finish(&self) -> Result<()> {
        finish(self.fields, self.slots)
    }
}

#[cfg(test)]
mod tests {
    use std::fs::File;

    use super::*;
    use crate::{Dim, ErrorKind, RowBuffer, RowDType};

    fn schema() -> Schema {
        let ragged = Field::with_dims("b", RowDType::F32, vec![Dim::Ragged { max: 3 }]);
        Schema::new(vec![Field::new("a", RowDType::U16, &[2]), ragged]).unwrap()
    }

    #[test]
    fn a_field_not_wholly_written_is_named() {
        let mut buffer = RowBuffer::new(&schema()).unwrap();
        let mut row = buffer.row(None);
        assert_eq!(row.finish().unwrap_err().field(), Some("a"));
        row.field(0).copy_from_slice(&[1u16, 2]).unwrap();
        assert_eq!(row.finish().unwrap_err().field(), Some("b"));
        row.field(1).set_shape(&[1]).unwrap();
        assert_eq!(row.finish().unwrap_err().kind(), ErrorKind::Incomplete);
        row.field(1).as_mut_slice::<f32>().unwrap();
        row.finish().unwrap();
    }

    #[test]
    fn a_row_instead_of_another_does_not_finish_it() {
        let mut other = RowBuffer::new(&schema()).unwrap();
        let mut buffer = RowBuffer::new(&schema()).unwrap();
        let mut row = buffer.row(None);
        row = {
            let _given = row;
            other.row(None)
        };
        row.field(0).copy_from_slice(&[1u16, 2]).unwrap();
        row.field(1).set_shape(&[0]).unwrap();
        row.finish().unwrap();
        assert_eq!(buffer.finish().unwrap_err().field(), Some("a"));
        other.finish().unwrap();
    }

    #[test]
    fn a_slice_is_zeroed_on_demand_even_over_an_earlier_row() {
        let mut buffer = RowBuffer::new(&schema()).unwrap();
        buffer.row(None).field(0).copy_from_slice(&[7u16, 7]).unwrap();
        assert_eq!(buffer.row(None).field(0).as_mut_slice::<u16>().unwrap(), [0, 0]);
    }

    #[test]
    fn wrong_types_and_lengths_are_refused() {
        let mut buffer = RowBuffer::new(&schema()).unwrap();
        let mut row = buffer.row(None);
        let kind = |result: Result<()>| result.unwrap_err().kind();
        assert_eq!(kind(row.field(0).copy_from_slice(&[1u8, 2])), ErrorKind::DtypeMismatch);
        assert_eq!(kind(row.field(0).copy_from_slice(&[1u16])), ErrorKind::ShapeMismatch);
        assert_eq!(kind(row.field(1).set_shape(&[4])), ErrorKind::ShapeMismatch);
        assert_eq!(kind(row.field(1).copy_from_slice(&[1f32])), ErrorKind::Incomplete);
    }

    #[test]
    fn a_ragged_sample_keeps_its_shape() {
        let mut buffer = RowBuffer::new(&schema()).unwrap();
        let mut row = buffer.row(None);
        row.field(0).copy_from_slice(&[1u16, 2]).unwrap();
        row.field(1).set_shape(&[2]).unwrap();
        row.field(1).copy_from_slice(&[0.5f32, 1.5]).unwrap();
        row.finish().unwrap();
        let view = buffer.view();
        assert_eq!(view.field(1).shape(), [2]);
        assert_eq!(view.field(1).as_slice::<f32>().unwrap(), [0.5, 1.5]);
    }

    #[test]
    fn a_field_without_elements_has_slices_of_every_type() {
        let fields =
            vec![Field::new("a", RowDType::I16, &[0]), Field::new("b", RowDType::F64, &[0])];
        let mut buffer = RowBuffer::new(&Schema::new(fields).unwrap()).unwrap();
        let mut row = buffer.row(None);
        assert!(row.field(0).as_mut_slice::<i16>().unwrap().is_empty());
        assert!(row.field(1).as_mut_slice::<f64>().unwrap().is_empty());
        row.finish().unwrap();
        assert!(buffer.view().field(0).as_slice::<i16>().unwrap().is_empty());
        assert!(buffer.view().field(1).as_slice::<f64>().unwrap().is_empty());
    }

    #[test]
    fn a_stopped_read_ends_with_its_own_kind() {
        let mut buffer = RowBuffer::new(&schema()).unwrap();
        let stop = AtomicBool::new(true);
        let mut row = buffer.row(Some(&stop));
        let file = File::open("/dev/null").unwrap();
        let error = row.field(0).read_at(&file, 0).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Stopped);
    }
}
