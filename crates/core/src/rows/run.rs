use std::fmt;
use std::ops::Range;

use super::slot::Slot;

/// Elements that follow each other in memory, being written from the first on: [pieces] of a field,
/// which may have been nothing before, or a slice.
///
/// Pieces that are wholly written count when the run is dropped. What is written can be changed.
///
/// [pieces]: super::Pieces::run
pub struct Run<'a, T> {
    /// Valid for writes of `len` elements and for no one else as long as the run lives; the first
    /// `written` of them are initialised.
    memory: *mut T,
    len: usize,
    written: usize,
    /// What is told of whole pieces; a slice has none.
    marks: Option<Marks<'a>>,
}

/// Which pieces of a field are written.
#[derive(Debug)]
pub(super) struct Marks<'a> {
    pub(super) slot: &'a mut Slot,
    /// Pieces whose bit is not set.
    pub(super) missing: &'a mut usize,
    pub(super) piece_bytes: usize,
    /// The piece that the run begins with.
    pub(super) first: usize,
}

impl Marks<'_> {
    /// Notes that the pieces `written`, counted from the first of the run, are.
    pub(super) fn set(&mut self, written: Range<usize>) {
        let bits = u64::BITS as usize;
        let (mut at, end) = (self.first + written.start, self.first + written.end);
        while at < end {
            // The bits of one word at once.
            let next = end.min((at / bits + 1) * bits);
            let mask = (u64::MAX >> (bits - (next - at))) << (at % bits);
            let word = &mut self.slot.pieces[at / bits];
            let new = (mask & !*word).count_ones() as usize;
            *word |= mask;
            *self.missing -= new;
            self.slot.pieced += new * self.piece_bytes;
            at = next;
        }
        if *self.missing == 0 {
            // Every bit is set now, and a bit is set only once its piece is initialised.
            self.slot.filled = self.slot.pieced;
        }
    }
}

impl<'a, T> Run<'a, T> {
    /// # Safety
    ///
    /// `memory` must be valid for writes of `len` elements, aligned, and no one else's for `'a`, and
    /// the pieces that `marks` are of must begin there.
    pub(super) unsafe fn new(memory: *mut T, len: usize, marks: Marks<'a>) -> Self {
        Self { memory, len, written: 0, marks: Some(marks) }
    }
}

impl<'a, T: Copy> Run<'a, T> {
    /// A run over elements that are there already.
    pub fn over(elements: &'a mut [T]) -> Self {
        let len = elements.len();
        Self { memory: elements.as_mut_ptr(), len, written: 0, marks: None }
    }

    /// How many elements can still be written.
    #[inline]
    pub fn left(&self) -> usize {
        self.len - self.written
    }

    /// Writes `elements`.
    ///
    /// # Panics
    ///
    /// As all that writes, when there is no room for them.
    #[inline]
    pub fn copy(&mut self, elements: &[T]) {
        check_room(elements.len(), self.left());
        // SAFETY: `written + elements.len() <= len`, for which `memory` is valid and no one else's,
        // so it cannot overlap a live slice.
        unsafe {
            let to = self.memory.add(self.written);
            to.copy_from_nonoverlapping(elements.as_ptr(), elements.len());
        }
        self.written += elements.len();
    }

    /// Writes `element` `count` times.
    ///
    /// # Panics
    ///
    /// When there is no room.
    #[inline]
    pub fn fill(&mut self, element: T, count: usize) {
        check_room(count, self.left());
        let (memory, first) = (self.memory, self.written);
        for at in first..first + count {
            // SAFETY: `at < written + count <= len`, for which `memory` is valid.
            unsafe { memory.add(at).write(element) };
        }
        self.written = first + count;
    }

    /// Writes what elements `range` of the run are once more.
    ///
    /// # Panics
    ///
    /// When one of them is not written yet, and when there is no room.
    pub fn repeat(&mut self, range: Range<usize>) {
        assert!(range.end <= self.written, "an element that is not written yet");
        check_room(range.len(), self.left());
        if range.is_empty() {
            return;
        }
        // SAFETY: what is read ends at `written`, where what is written begins, which ends at `len`;
        // `memory` is valid for all of it.
        unsafe {
            let (from, to) = (self.memory.add(range.start), self.memory.add(self.written));
            to.copy_from_nonoverlapping(from, range.len());
        }
        self.written += range.len();
    }

    /// Writes `blocks`, one behind the other.
    ///
    /// # Panics
    ///
    /// When there is no room for one of them.
    #[inline(always)]
    pub fn extend<const N: usize>(&mut self, blocks: impl Iterator<Item = [T; N]>) {
        self.extend_overlapping::<N, N>(blocks);
    }

    /// Writes `blocks`, of each of which the first `KEPT` elements stay: the rest is written over by
    /// what comes next, but needs room like all of it.
    ///
    /// Whole vectors are stored that way that hold fewer elements than they could.
    ///
    /// # Panics
    ///
    /// When there is no room for a block.
    #[inline(always)]
    pub fn extend_overlapping<const N: usize, const KEPT: usize>(
        &mut self,
        blocks: impl Iterator<Item = [T; N]>,
    ) {
        const { assert!(KEPT <= N, "more is kept than there is") };
        // In variables of their own, since `memory` could be of `self` as far as a compiler knows.
        let (memory, len, mut at) = (self.memory, self.len, self.written);
        for block in blocks {
            check_room(N, len - at);
            // SAFETY: `at + N <= len`, for which `memory` is valid; an array is aligned as its
            // elements are.
            unsafe { memory.add(at).cast::<[T; N]>().write(block) };
            at += KEPT;
        }
        self.written = at;
    }

    /// Writes `block`, of which the first `kept` elements stay, as of
    /// [`extend_overlapping`](Self::extend_overlapping).
    ///
    /// # Panics
    ///
    /// When there is no room for the block, or more is kept than it has.
    #[inline(always)]
    pub fn put<const N: usize>(&mut self, block: [T; N], kept: usize) {
        assert!(kept <= N, "more is kept than there is");
        check_room(N, self.left());
        // SAFETY: `written + N <= len`, as above.
        unsafe { self.memory.add(self.written).cast::<[T; N]>().write(block) };
        self.written += kept;
    }

    /// What is written.
    pub fn written(&mut self) -> &mut [T] {
        // SAFETY: the first `written` elements are initialised, and `&mut self` is the only way to them.
        unsafe { std::slice::from_raw_parts_mut(self.memory, self.written) }
    }
}

impl<T> Drop for Run<'_, T> {
    fn drop(&mut self) {
        let written = self.written * size_of::<T>();
        if let Some(marks) = &mut self.marks {
            let whole = written.checked_div(marks.piece_bytes).unwrap_or(0);
            marks.set(0..whole);
        }
    }
}

impl<T> fmt::Debug for Run<'_, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Run").field("len", &self.len).field("written", &self.written).finish()
    }
}

#[inline(always)]
fn check_room(wanted: usize, left: usize) {
    if wanted > left {
        no_room(wanted, left);
    }
}

#[cold]
#[inline(never)]
fn no_room(wanted: usize, left: usize) -> ! {
    panic!("{wanted} elements in a run that has room for {left}");
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{ErrorKind, Field, RowBuffer, RowDType, Schema};

    fn buffer(rows: usize) -> RowBuffer {
        let fields = vec![Field::new("a", RowDType::U16, &[rows, 2])];
        RowBuffer::new(&Schema::new(fields).unwrap()).unwrap()
    }

    #[test]
    fn a_run_is_written_in_every_way() {
        let mut buffer = buffer(7);
        let mut row = buffer.row(None);
        let mut field = row.field(0);
        let mut pieces = field.pieces::<u16>(2).unwrap();
        pieces.write(0, &[1, 2]);
        let mut run = pieces.run(1..7);
        run.copy(&[3, 4]);
        run.fill(5, 3);
        run.repeat(1..3);
        run.extend([[6, 7]].into_iter());
        run.extend_overlapping::<2, 1>([[8, 0], [9, 0]].into_iter());
        assert_eq!(run.left(), 1);
        run.put([10], 1);
        run.written()[0] = 11;
        drop(run);
        row.finish().unwrap();
        let expected = [1, 2, 11, 4, 5, 5, 5, 4, 5, 6, 7, 8, 9, 10];
        assert_eq!(buffer.view().field(0).as_slice::<u16>().unwrap(), expected);
    }

    #[test]
    fn pieces_that_are_not_wholly_written_are_missing() {
        // More than the bits of two words, in runs that begin and end inside of words.
        for rows in [1, 63, 64, 65, 130, 200] {
            for first in [0, 1, rows / 2].into_iter().filter(|first| *first < rows) {
                let mut buffer = buffer(rows);
                let mut row = buffer.row(None);
                let mut field = row.field(0);
                let mut pieces = field.pieces::<u16>(2).unwrap();
                pieces.run(0..first).fill(1, 2 * first);
                pieces.run(first..rows).fill(2, 2 * (rows - first) - 1);
                let error = row.finish().unwrap_err();
                assert_eq!(error.kind(), ErrorKind::Incomplete);
                let written = format!("{} of {} bytes", 4 * (rows - 1), 4 * rows);
                assert!(error.to_string().contains(&written), "{error}");
                let mut field = row.field(0);
                let mut pieces = field.pieces::<u16>(2).unwrap();
                pieces.run(first..rows).fill(2, 2 * (rows - first));
                pieces.run(0..rows).fill(1, 2 * first);
                row.finish().unwrap();
                let view = buffer.view();
                let found = view.field(0).as_slice::<u16>().unwrap();
                assert!(found[..2 * first].iter().all(|x| *x == 1));
                assert!(found[2 * first..].iter().all(|x| *x == 2));
            }
        }
    }

    #[test]
    fn a_run_over_a_slice_writes_it() {
        let mut slice = [0; 4];
        let mut run = Run::over(&mut slice);
        run.extend([[1, 2], [3, 4]].into_iter());
        run.repeat(0..0);
        assert_eq!(run.written(), [1, 2, 3, 4]);
        drop(run);
        assert_eq!(slice, [1, 2, 3, 4]);
    }

    fn panics(write: impl FnOnce(&mut Run<'_, u16>)) -> bool {
        let mut buffer = buffer(1);
        let mut row = buffer.row(None);
        let mut field = row.field(0);
        let mut pieces = field.pieces::<u16>(2).unwrap();
        let mut run = pieces.run(0..1);
        std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| write(&mut run))).is_err()
    }

    #[test]
    fn what_has_no_room_panics() {
        assert!(panics(|run| run.copy(&[1, 2, 3])));
        assert!(panics(|run| run.fill(1, 3)));
        assert!(panics(|run| run.extend([[1], [2], [3]].into_iter())));
        assert!(panics(|run| run.extend_overlapping::<3, 1>([[1, 2, 3]].into_iter())));
        assert!(panics(|run| run.put([1, 2, 3], 1)));
        assert!(panics(|run| run.put([1], 2)));
        assert!(panics(|run| run.repeat(0..1)), "nothing is written");
        assert!(panics(|run| {
            run.fill(1, 2);
            run.repeat(0..1);
        }));
        assert!(!panics(|run| run.fill(1, 2)));
    }

    #[test]
    #[should_panic = "pieces 0..2 of a field of 1"]
    fn a_run_beyond_the_field_panics() {
        buffer(1).row(None).field(0).pieces::<u16>(2).unwrap().run(0..2);
    }
}
