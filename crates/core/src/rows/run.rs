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

    /// How many elements are written before the next one lies at a multiple of `bytes`, which must be a
    /// power of two: from there on stores of as many bytes are each on a line of the cache.
    #[inline]
    pub fn until_aligned(&self, bytes: usize) -> usize {
        self.memory.wrapping_add(self.written).align_offset(bytes)
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
        let mut to = self.blocks();
        for block in blocks {
            to.put(block, KEPT);
        }
    }

    /// To be written in blocks, in a loop that keeps in registers where the run is: of the run
    /// itself a compiler must note that after each block, since the next could panic.
    #[inline(always)]
    pub fn blocks(&mut self) -> Blocks<'_, T> {
        let Self { memory, len, written, .. } = self;
        Blocks { memory: *memory, len: *len, at: *written, written }
    }

    /// Writes `block`, of which the first `kept` elements stay, as of
    /// [`extend_overlapping`](Self::extend_overlapping).
    ///
    /// # Panics
    ///
    /// When there is no room for the block, or more is kept than it has.
    #[inline(always)]
    pub fn put<const N: usize>(&mut self, block: [T; N], kept: usize) {
        self.blocks().put(block, kept);
    }

    /// The next `R` rows of `len` elements, to be written side by side, from the left to the right.
    ///
    /// They count once all of them are written; rows that are left before are not.
    ///
    /// # Panics
    ///
    /// When there is no room for them.
    #[inline]
    pub fn rows<const R: usize>(&mut self, len: usize) -> Rows<'_, T, R> {
        let left = self.left();
        check_room(len.saturating_mul(R), left);
        Rows {
            memory: self.memory.wrapping_add(self.written),
            len,
            at: 0,
            written: &mut self.written,
        }
    }

    /// What is written.
    pub fn written(&mut self) -> &mut [T] {
        // SAFETY: the first `written` elements are initialised, and `&mut self` is the only way to them.
        unsafe { std::slice::from_raw_parts_mut(self.memory, self.written) }
    }
}

/// The rest of a run, as long as only blocks are written to it.
#[derive(Debug)]
pub struct Blocks<'r, T> {
    /// Those of the run, which is borrowed.
    memory: *mut T,
    len: usize,
    /// How many elements are written; the run learns of it when this is dropped.
    at: usize,
    written: &'r mut usize,
}

impl<T: Copy> Blocks<'_, T> {
    /// As [`Run::put`].
    ///
    /// # Panics
    ///
    /// As that.
    #[inline(always)]
    pub fn put<const N: usize>(&mut self, block: [T; N], kept: usize) {
        assert!(kept <= N, "more is kept than there is");
        check_room(N, self.len - self.at);
        // SAFETY: `at + N <= len`, for which `memory` is valid; an array is aligned as its elements
        // are.
        unsafe { self.memory.add(self.at).cast::<[T; N]>().write(block) };
        self.at += kept;
    }
}

impl<T> Drop for Blocks<'_, T> {
    #[inline(always)]
    fn drop(&mut self) {
        *self.written = self.at;
    }
}

/// Rows of a run that are written side by side; see [`Run::rows`].
#[derive(Debug)]
pub struct Rows<'r, T, const R: usize> {
    /// The first of the `R * len` elements of the rows, which are those of the run that is borrowed.
    memory: *mut T,
    len: usize,
    /// How many elements of each row are written, at most `len`.
    at: usize,
    written: &'r mut usize,
}

impl<T: Copy, const R: usize> Rows<'_, T, R> {
    /// Elements of each row that are not written yet.
    #[inline(always)]
    pub fn left(&self) -> usize {
        self.len - self.at
    }

    /// Writes a block to each row, of which the first `kept` elements stay: the rest is written over
    /// by what comes next, or is not written, where the row ends before.
    ///
    /// # Panics
    ///
    /// When a row has no room for what stays, or more is kept than a block has.
    #[inline(always)]
    pub fn put<const N: usize>(&mut self, blocks: [[T; N]; R], kept: usize) {
        assert!(kept <= N, "more is kept than there is");
        check_room(kept, self.left());
        let is_whole = N <= self.left();
        for (row, block) in blocks.iter().enumerate() {
            // SAFETY: `row < R`, and `at + kept <= len` as well as, where a whole block is written,
            // `at + N <= len`: all of it is of the row, which is of the `R * len` elements.
            unsafe {
                let to = self.memory.add(row * self.len + self.at);
                match is_whole {
                    true => to.cast::<[T; N]>().write(*block),
                    false => to.copy_from_nonoverlapping(block.as_ptr(), kept),
                }
            }
        }
        self.at += kept;
    }
}

impl<T, const R: usize> Drop for Rows<'_, T, R> {
    #[inline(always)]
    fn drop(&mut self) {
        if self.at == self.len {
            *self.written += R * self.len;
        }
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
        assert_eq!(run.until_aligned(2), 0);
        assert!(run.until_aligned(64) < 32);
        let mut blocks = run.blocks();
        blocks.put([12], 0);
        blocks.put([10], 1);
        drop(blocks);
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

    #[test]
    fn rows_are_written_side_by_side_and_count_when_they_are_whole() {
        let mut slice = [0; 9];
        let mut run = Run::over(&mut slice);
        run.copy(&[1]);
        let mut rows = run.rows::<2>(3);
        rows.put([[2, 9, 9], [5, 9, 9]], 1);
        assert_eq!(rows.left(), 2);
        rows.put([[3, 4, 8], [6, 7, 8]], 2);
        drop(rows);
        run.rows::<2>(1).put([[9, 9], [9, 9]], 0);
        assert_eq!(run.written(), [1, 2, 3, 4, 5, 6, 7]);
        run.copy(&[8, 9]);
        drop(run);
        assert_eq!(slice, [1, 2, 3, 4, 5, 6, 7, 8, 9]);
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
        assert!(panics(|run| run.blocks().put([1, 2, 3], 1)));
        assert!(panics(|run| drop(run.rows::<2>(2))));
        assert!(panics(|run| drop(run.rows::<2>(usize::MAX))));
        assert!(panics(|run| run.rows::<2>(1).put([[1, 2], [1, 2]], 2)));
        assert!(panics(|run| run.rows::<2>(1).put([[1], [1]], 2)));
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
