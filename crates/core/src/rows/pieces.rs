use std::marker::PhantomData;
use std::ops::Range;

use super::run::{Marks, Run};
use super::slot::Slot;
use crate::Element;

/// One field of a row in runs of equal length, to be written each at least once, in any order.
///
/// The field is complete once every piece is written. Until then it is incomplete, and writing it in
/// another way begins anew.
#[derive(Debug)]
pub struct Pieces<'a, T> {
    /// `expected` bytes are `len` pieces of `piece_len` elements, and `pieces` has a bit for each.
    slot: &'a mut Slot,
    piece_len: usize,
    len: usize,
    /// Pieces whose bit is not set.
    missing: usize,
    elements: PhantomData<fn(&[T])>,
}

impl<'a, T: Element> Pieces<'a, T> {
    pub(super) fn new(slot: &'a mut Slot, piece_len: usize, len: usize) -> Self {
        (slot.filled, slot.pieced) = (0, 0);
        slot.pieces.clear();
        slot.pieces.resize(len.div_ceil(u64::BITS as usize), 0);
        Self { slot, piece_len, len, missing: len, elements: PhantomData }
    }

    /// The number of pieces.
    pub fn len(&self) -> usize {
        self.len
    }

    /// Whether there is nothing to write: the field has no elements.
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// Writes piece `piece`, over what an earlier call may have written there.
    ///
    /// # Panics
    ///
    /// When there is no such piece, or `elements` has another length than the pieces.
    #[inline]
    pub fn write(&mut self, piece: usize, elements: &[T]) {
        assert!(piece < self.len, "piece {piece} of a field of {}", self.len);
        assert_eq!(elements.len(), self.piece_len, "a piece of another length");
        let bytes = size_of_val(elements);
        // SAFETY: `(piece + 1) * bytes <= len * bytes = expected <= capacity`, for which `memory`
        // is valid and no one else's, so it cannot overlap a live slice.
        unsafe {
            let memory = self.slot.memory.add(piece * bytes);
            memory.copy_from_nonoverlapping(elements.as_ptr().cast(), bytes);
        }
        let (slot, missing) = (&mut *self.slot, &mut self.missing);
        Marks { slot, missing, piece_bytes: bytes, first: piece }.set(0..1);
    }

    /// The elements of pieces `pieces`, which follow each other in memory, to be written from the
    /// first on without a copy elsewhere.
    ///
    /// # Panics
    ///
    /// When there are no such pieces.
    pub fn run(&mut self, pieces: Range<usize>) -> Run<'_, T> {
        let is_inside = pieces.start <= pieces.end && pieces.end <= self.len;
        assert!(is_inside, "pieces {pieces:?} of a field of {}", self.len);
        let piece_bytes = self.piece_len * size_of::<T>();
        let (first, len) = (pieces.start, pieces.len() * self.piece_len);
        let memory = self.slot.memory.wrapping_add(first * piece_bytes);
        let marks = Marks { slot: self.slot, missing: &mut self.missing, piece_bytes, first };
        // SAFETY: `pieces.end * piece_bytes <= expected <= capacity`, for which `memory` is valid,
        // aligned and no one else's while the slot is borrowed.
        unsafe { Run::new(memory.cast(), len, marks) }
    }
}

#[cfg(test)]
mod tests {
    use crate::{Dim, ErrorKind, Field, RowBuffer, RowDType, Schema};

    /// Six elements of `u16` and a ragged field of as many at most.
    fn pieced() -> RowBuffer {
        let ragged = Field::with_dims("b", RowDType::U16, vec![Dim::Ragged { max: 6 }]);
        let fields = vec![Field::new("a", RowDType::U16, &[3, 2]), ragged];
        RowBuffer::new(&Schema::new(fields).unwrap()).unwrap()
    }

    #[test]
    fn pieces_are_written_in_any_order_and_more_than_once() {
        let mut buffer = pieced();
        let mut row = buffer.row(None);
        row.field(1).set_shape(&[0]).unwrap();
        let mut field = row.field(0);
        let mut pieces = field.pieces::<u16>(2).unwrap();
        assert_eq!((pieces.len(), pieces.is_empty()), (3, false));
        pieces.write(2, &[5, 6]);
        pieces.write(0, &[9, 9]);
        pieces.write(0, &[1, 2]);
        pieces.write(1, &[3, 4]);
        row.finish().unwrap();
        assert_eq!(buffer.view().field(0).as_slice::<u16>().unwrap(), [1, 2, 3, 4, 5, 6]);
    }

    #[test]
    fn a_missing_piece_leaves_the_field_incomplete() {
        let mut buffer = pieced();
        let mut row = buffer.row(None);
        let mut field = row.field(0);
        let mut pieces = field.pieces::<u16>(2).unwrap();
        pieces.write(0, &[1, 2]);
        pieces.write(2, &[5, 6]);
        pieces.write(2, &[5, 6]);
        let error = row.finish().unwrap_err();
        assert_eq!((error.kind(), error.field()), (ErrorKind::Incomplete, Some("a")));
        assert!(error.to_string().contains("8 of 12 bytes"), "{error}");
        assert_eq!(buffer.view().field(0).as_slice::<u16>().unwrap(), [0; 0]);
    }

    #[test]
    fn a_row_has_no_pieces_of_the_row_before() {
        let mut buffer = pieced();
        for present in [0..3, 1..3] {
            let mut row = buffer.row(None);
            row.field(1).set_shape(&[0]).unwrap();
            let mut field = row.field(0);
            let mut pieces = field.pieces::<u16>(2).unwrap();
            present.clone().for_each(|piece| pieces.write(piece, &[1, 2]));
            assert_eq!(row.finish().is_ok(), present.start == 0);
        }
        let mut row = buffer.row(None);
        let mut field = row.field(0);
        (0..3).for_each(|piece| field.pieces::<u16>(2).unwrap().write(piece, &[1, 2]));
        assert_eq!(row.finish().unwrap_err().field(), Some("a"), "each call begins anew");
    }

    #[test]
    fn pieces_that_do_not_make_up_the_field_are_refused() {
        let mut buffer = pieced();
        let mut row = buffer.row(None);
        let mut kind = |field, len| row.field(field).pieces::<u16>(len).unwrap_err().kind();
        assert_eq!(kind(0, 4), ErrorKind::ShapeMismatch);
        assert_eq!(kind(0, 0), ErrorKind::ShapeMismatch);
        assert_eq!(kind(1, 2), ErrorKind::Incomplete);
        assert_eq!(row.field(0).pieces::<i16>(2).unwrap_err().kind(), ErrorKind::DtypeMismatch);
    }

    #[test]
    fn a_field_without_elements_has_no_pieces_and_is_whole() {
        let mut buffer = pieced();
        for piece_len in [0, 3] {
            let mut row = buffer.row(None);
            row.field(0).copy_from_slice(&[0u16; 6]).unwrap();
            row.field(1).set_shape(&[0]).unwrap();
            assert!(row.field(1).pieces::<u16>(piece_len).unwrap().is_empty());
            row.finish().unwrap();
        }
    }

    #[test]
    #[should_panic = "a piece of another length"]
    fn a_piece_of_another_length_panics() {
        pieced().row(None).field(0).pieces::<u16>(2).unwrap().write(0, &[1]);
    }

    #[test]
    #[should_panic = "piece 3 of a field of 3"]
    fn a_piece_out_of_range_panics() {
        pieced().row(None).field(0).pieces::<u16>(2).unwrap().write(3, &[1, 2]);
    }
}
