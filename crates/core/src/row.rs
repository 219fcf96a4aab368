//! The row: where a source writes one sample, and the only unsafe code between a file and a batch.
//!
//! A row's memory is not initialised: zeroing it first would cost a third of the throughput of a
//! page-cache-hot epoch, and a batch of large samples would be touched twice. Each field therefore
//! keeps count of the bytes written from its beginning (`filled`), everything that hands out a
//! reference zeroes what is missing first, and a field that is not wholly written when
//! [`crate::Source::read`] returns is an error. A field written out of order ([`Pieces`]) keeps a
//! bit a piece instead, and counts as written from its beginning once no bit is missing.

use std::fmt;
use std::fs::File;
use std::marker::PhantomData;
use std::mem::MaybeUninit;
use std::ops::Range;
use std::os::fd::AsRawFd;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use candle_core::{DType, Device, Tensor};

use crate::field_index;
use crate::{
    Element, Error, ErrorKind, Field, FieldId, FieldIndex, Result, RowDType, Schema, escaped,
};

/// The most that one system call reads, so that stopping never waits for more than this.
pub(crate) const PIECE_BYTES_MAX: usize = 16 << 20;

/// Where one field of a row goes.
///
/// Invariants: `memory` is valid for writes of `capacity` bytes and for no one else while a
/// [`Row`] is made from the slot, it is aligned for the field's element type, and its first
/// `filled` bytes are initialised.
#[derive(Debug)]
struct Slot {
    memory: *mut u8,
    capacity: usize,
    /// Bytes of this sample: fixed for a regular field, known after `set_shape` for a ragged one.
    expected: Option<usize>,
    filled: usize,
    /// Bytes of the pieces written so far, for the error of a field that lacks some; they are no
    /// part of `filled` before the last of them is there.
    pieced: usize,
    /// A bit for each piece that is written; kept for its memory.
    pieces: Vec<u64>,
    shape: Vec<usize>,
}

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
        Row { fields, slots: &mut self.slots, stop, mark: None }
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
    /// [`ErrorKind::Incomplete`], naming the first field that is not.
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

fn finish(fields: &[Field], slots: &[Slot]) -> Result<()> {
    match slots.iter().position(|slot| !slot.is_whole()) {
        None => Ok(()),
        Some(i) => Err(incomplete(&fields[i], &slots[i])),
    }
}

impl Slot {
    fn reset(&mut self, field: &Field) {
        let max_bytes = field.max_bytes();
        assert!(max_bytes <= self.capacity, "a slot smaller than its field");
        (self.filled, self.pieced) = (0, 0);
        self.expected = (!field.is_ragged()).then_some(max_bytes);
    }

    /// The bytes that this sample may still take.
    fn limit(&self) -> usize {
        self.expected.unwrap_or(self.capacity)
    }

    fn is_whole(&self) -> bool {
        self.expected == Some(self.filled)
    }

    /// Initialises the rest of the field.
    fn zero_rest(&mut self, expected: usize) {
        if self.filled < expected {
            // SAFETY: `filled < expected <= capacity`, for which `memory` is valid.
            unsafe { self.memory.add(self.filled).write_bytes(0, expected - self.filled) };
            self.filled = expected;
        }
    }

    fn written(&self) -> &[u8] {
        let len = self.filled.min(self.limit());
        if len == 0 {
            return &[];
        }
        // SAFETY: the first `filled` bytes are initialised, and `&self` keeps writers away.
        unsafe { std::slice::from_raw_parts(self.memory, len) }
    }
}

/// One sample as it is being written: write-only, field by field.
#[derive(Debug)]
pub struct Row<'a> {
    fields: &'a [Field],
    slots: &'a mut [Slot],
    stop: Option<&'a AtomicBool>,
    mark: Option<&'a FieldMark>,
}

/// Which field of a row was asked for last: tells another thread where a long read is.
#[derive(Debug, Default)]
pub struct FieldMark(AtomicU64);

impl FieldMark {
    /// No field yet.
    pub fn clear(&self) {
        self.0.store(0, Ordering::Relaxed);
    }

    /// That field, if any was asked for since [`clear`](Self::clear).
    pub fn field(&self) -> Option<FieldId> {
        FieldId::from_word(self.0.load(Ordering::Relaxed))
    }

    fn set(&self, field: FieldId) {
        self.0.store(field.word(), Ordering::Relaxed);
    }
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
        FieldMut { field, slot: &mut self.slots[index], stop: self.stop }
    }

    /// Leaves in `mark` which field is asked for.
    #[must_use]
    pub fn marking(mut self, mark: &'a FieldMark) -> Self {
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
        Row { fields, slots: &mut self.slots[range], stop: self.stop, mark: self.mark }
    }

    /// The fields of `range` as a row of their own.
    pub(crate) fn range(&mut self, range: Range<usize>) -> Row<'_> {
        Row {
            fields: &self.fields[range.clone()],
            slots: &mut self.slots[range],
            stop: self.stop,
            mark: self.mark,
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

    /// Whether every field is wholly written.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Incomplete`], naming the first field that is not.
    pub fn finish(&self) -> Result<()> {
        finish(self.fields, self.slots)
    }
}

#[cold]
fn incomplete(field: &Field, slot: &Slot) -> Error {
    let message = match slot.expected {
        Some(expected) => {
            let written = slot.filled.max(slot.pieced);
            format!("the source wrote {written} of {expected} bytes")
        }
        None => "the source did not set the shape of a ragged field".to_owned(),
    };
    Error::new(ErrorKind::Incomplete, message).with_field(field.name())
}

fn is_stopped(stop: Option<&AtomicBool>) -> bool {
    stop.is_some_and(|stop| stop.load(Ordering::Relaxed))
}

/// One field of a row, to be written completely by one of its methods.
#[derive(Debug)]
pub struct FieldMut<'a> {
    field: &'a Field,
    slot: &'a mut Slot,
    stop: Option<&'a AtomicBool>,
}

impl<'a> FieldMut<'a> {
    /// The field as the schema declares it.
    pub fn declared(&self) -> &'a Field {
        self.field
    }

    /// Bytes of this sample; `None` for a ragged field whose shape is not set yet.
    pub fn bytes(&self) -> Option<usize> {
        self.slot.expected
    }

    /// Whether the loader has been told to stop.
    pub fn is_stopped(&self) -> bool {
        is_stopped(self.stop)
    }

    /// The loader's stop flag, apart from the borrow of the field.
    pub(crate) fn stop_flag(&self) -> impl Fn() -> bool + use<'a> {
        let stop = self.stop;
        move || is_stopped(stop)
    }

    /// Sets the shape of this sample. Needed for ragged fields only, a check for others.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::ShapeMismatch`] when the schema does not admit the shape.
    pub fn set_shape(&mut self, shape: &[usize]) -> Result<()> {
        if !self.field.admits(shape) {
            let message = format!("found shape {shape:?}, expected {}", self.field);
            return Err(Error::new(ErrorKind::ShapeMismatch, message).with_field(self.field.name()));
        }
        self.slot.shape.clear();
        self.slot.shape.extend_from_slice(shape);
        let expected = shape.iter().product::<usize>() * self.field.dtype().size();
        self.slot.expected = Some(expected);
        self.slot.filled = self.slot.filled.min(expected);
        self.slot.pieced = 0;
        Ok(())
    }

    /// Forgets what was written, to begin again.
    pub fn restart(&mut self) {
        self.slot.reset(self.field);
    }

    /// Reads the whole field from `offset` of `file`, in pieces of at most 16 MiB between which a
    /// loader can stop it. The one copy of the sample, from the page cache into the batch.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Truncated`] when the file ends first, [`ErrorKind::Io`] when it cannot be
    /// read.
    pub fn read_at(&mut self, file: &File, offset: u64) -> Result<()> {
        self.slot.filled = 0;
        self.read_rest(file, offset)
    }

    /// Reads `head.len()` bytes from the beginning of `file` into `head` and what follows into
    /// the field, with one system call where it fits a piece; returns how many bytes there were.
    /// A header and a payload in one call are what makes small files cheap.
    pub(crate) fn read_after_head(&mut self, file: &File, head: &mut [u8]) -> Result<usize> {
        debug_assert_eq!(self.slot.filled, 0);
        let piece = self.slot.limit().min(PIECE_BYTES_MAX);
        let parts = [
            libc::iovec { iov_base: head.as_mut_ptr().cast(), iov_len: head.len() },
            libc::iovec { iov_base: self.slot.memory.cast(), iov_len: piece },
        ];
        // SAFETY: `head` is a unique borrow of its length, and `memory` is valid for writes of
        // `piece <= capacity` bytes; the kernel writes at most that much into each.
        let got = retry_interrupted(|| unsafe {
            libc::preadv(file.as_raw_fd(), parts.as_ptr(), parts.len() as libc::c_int, 0)
        })?;
        self.slot.filled = got.saturating_sub(head.len());
        Ok(got)
    }

    /// Reads what is missing of the field, which begins at `start` of `file`.
    pub(crate) fn read_rest(&mut self, file: &File, start: u64) -> Result<()> {
        let Some(expected) = self.slot.expected else {
            return Err(incomplete(self.field, self.slot));
        };
        while self.slot.filled < expected {
            if is_stopped(self.stop) {
                return Err(Error::new(ErrorKind::Stopped, "the loader was stopped"));
            }
            let piece = (expected - self.slot.filled).min(PIECE_BYTES_MAX);
            let offset = start + self.slot.filled as u64;
            // SAFETY: `filled + piece <= expected <= capacity`, for which `memory` is valid.
            let got = retry_interrupted(|| unsafe {
                let memory = self.slot.memory.add(self.slot.filled);
                libc::pread(file.as_raw_fd(), memory.cast(), piece, offset as libc::off_t)
            })?;
            if got == 0 {
                return Err(self.truncated(expected));
            }
            self.slot.filled += got;
        }
        Ok(())
    }

    #[cold]
    fn truncated(&self, expected: usize) -> Error {
        let found = self.slot.filled;
        let message = format!("found {found} bytes of data, expected {expected}");
        Error::new(ErrorKind::Truncated, message).with_field(self.field.name())
    }

    /// Copies the whole field from `elements`.
    ///
    /// # Errors
    ///
    /// When the element type is not the field's, or the number of elements is not the shape's.
    pub fn copy_from_slice<T: Element>(&mut self, elements: &[T]) -> Result<()> {
        self.check_dtype::<T>()?;
        self.copy_from_bytes(bytemuck::cast_slice(elements))
    }

    /// Copies the whole field from the bytes of its elements, in the machine's byte order.
    ///
    /// # Errors
    ///
    /// When the number of bytes is not the shape's.
    pub fn copy_from_bytes(&mut self, bytes: &[u8]) -> Result<()> {
        let expected = self.expected()?;
        if bytes.len() != expected {
            let message = format!("found {} bytes, expected {expected}", bytes.len());
            return Err(Error::new(ErrorKind::ShapeMismatch, message).with_field(self.field.name()));
        }
        if expected > 0 {
            // SAFETY: `memory` is valid for `expected <= capacity` bytes and is nobody else's, so
            // it cannot overlap a live slice.
            unsafe { self.slot.memory.copy_from_nonoverlapping(bytes.as_ptr(), expected) };
        }
        self.slot.filled = expected;
        Ok(())
    }

    /// Copies a field of another row, its shape included.
    ///
    /// # Errors
    ///
    /// When dtype or shape are not admitted by this field.
    pub fn copy_from_view(&mut self, view: &FieldView<'_>) -> Result<()> {
        if view.dtype() != self.field.dtype() {
            return Err(self.wrong_dtype(view.dtype()));
        }
        self.set_shape(view.shape())?;
        self.copy_from_bytes(view.bytes())
    }

    /// The field's elements in row-major order, zero where nothing has been written. The zeroing
    /// costs a pass over the memory: prefer the copying methods where they fit.
    ///
    /// # Errors
    ///
    /// When the element type is not the field's, or the shape of a ragged field is not set.
    pub fn as_mut_slice<T: Element>(&mut self) -> Result<&mut [T]> {
        self.check_dtype::<T>()?;
        let bytes = self.as_mut_bytes()?;
        // No bytes lie nowhere in particular, which is no address of an element.
        Ok(if bytes.is_empty() { &mut [] } else { bytemuck::cast_slice_mut(bytes) })
    }

    /// The bytes of the field, zero where nothing has been written.
    ///
    /// # Errors
    ///
    /// When the shape of a ragged field is not set.
    pub fn as_mut_bytes(&mut self) -> Result<&mut [u8]> {
        let expected = self.expected()?;
        self.slot.zero_rest(expected);
        if expected == 0 {
            return Ok(&mut []);
        }
        // SAFETY: all `expected <= capacity` bytes are initialised now, and `&mut self` is the
        // only way to them.
        Ok(unsafe { std::slice::from_raw_parts_mut(self.slot.memory, expected) })
    }

    /// The field in runs of `piece_len` elements, to be written in any order and without a pass
    /// that zeroes them first. What was written before is forgotten.
    ///
    /// # Errors
    ///
    /// When the element type is not the field's, the shape of a ragged field is not set, or the
    /// runs do not make up the field.
    pub fn pieces<T: Element>(&mut self, piece_len: usize) -> Result<Pieces<'_, T>> {
        self.check_dtype::<T>()?;
        let len = self.expected()? / size_of::<T>();
        if !len.is_multiple_of(piece_len) {
            let message = format!("found pieces of {piece_len} elements, expected a part of {len}");
            return Err(Error::new(ErrorKind::ShapeMismatch, message).with_field(self.field.name()));
        }
        Ok(Pieces::new(self.slot, piece_len, len.checked_div(piece_len).unwrap_or(0)))
    }

    fn expected(&self) -> Result<usize> {
        self.slot.expected.ok_or_else(|| incomplete(self.field, self.slot))
    }

    fn check_dtype<T: Element>(&self) -> Result<()> {
        if T::DTYPE == self.field.dtype() { Ok(()) } else { Err(self.wrong_dtype(T::DTYPE)) }
    }

    #[cold]
    fn wrong_dtype(&self, found: crate::RowDType) -> Error {
        let message = format!("found {found}, expected {}", self.field.dtype());
        Error::new(ErrorKind::DtypeMismatch, message).with_field(self.field.name())
    }
}

/// One field of a row in runs of equal length, to be written each at least once, in any order.
///
/// The field is whole once every piece is written; until then it is incomplete, and another way
/// to write it begins anew.
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
    fn new(slot: &'a mut Slot, piece_len: usize, len: usize) -> Self {
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
        self.mark(piece, bytes);
    }

    #[inline]
    fn mark(&mut self, piece: usize, bytes: usize) {
        let bits = u64::BITS as usize;
        let (word, bit) = (&mut self.slot.pieces[piece / bits], 1 << (piece % bits));
        if *word & bit != 0 {
            return;
        }
        *word |= bit;
        self.missing -= 1;
        self.slot.pieced += bytes;
        if self.missing == 0 {
            // Every bit is set now, and a bit is set only once its piece is initialised.
            self.slot.filled = self.slot.pieced;
        }
    }
}

/// Runs a system call that returns a byte count, again while a signal interrupts it.
fn retry_interrupted(mut call: impl FnMut() -> isize) -> Result<usize> {
    loop {
        if let Ok(bytes) = usize::try_from(call()) {
            return Ok(bytes);
        }
        let error = std::io::Error::last_os_error();
        if error.kind() != std::io::ErrorKind::Interrupted {
            return Err(Error::io("read", error));
        }
    }
}

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

/// One sample, to be read.
#[derive(Debug, Clone, Copy)]
pub struct RowView<'a> {
    fields: &'a [Field],
    slots: &'a [Slot],
}

impl<'a> RowView<'a> {
    /// The number of fields.
    pub fn field_count(&self) -> usize {
        self.fields.len()
    }

    /// A field, by position or name.
    ///
    /// # Panics
    ///
    /// When there is no such field, naming those there are.
    #[inline]
    #[track_caller]
    pub fn field(&self, index: impl FieldIndex) -> FieldView<'a> {
        let index = field_index::position(index, self.fields);
        FieldView { field: &self.fields[index], slot: &self.slots[index] }
    }
}

/// One field of a sample, to be read.
#[derive(Debug, Clone, Copy)]
pub struct FieldView<'a> {
    field: &'a Field,
    slot: &'a Slot,
}

impl<'a> FieldView<'a> {
    /// The field's name.
    pub fn name(&self) -> &'a str {
        self.field.name()
    }

    /// The element type.
    pub fn dtype(&self) -> crate::RowDType {
        self.field.dtype()
    }

    /// The shape of this sample.
    pub fn shape(&self) -> &'a [usize] {
        &self.slot.shape
    }

    /// The bytes of the elements, row-major, in the machine's byte order.
    pub fn bytes(&self) -> &'a [u8] {
        self.slot.written()
    }

    /// The elements, row-major.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::DtypeMismatch`] when the element type is not the field's.
    pub fn as_slice<T: Element>(&self) -> Result<&'a [T]> {
        if T::DTYPE != self.dtype() {
            let message = format!("asked for {}, the field is {}", T::DTYPE, self.dtype());
            return Err(Error::new(ErrorKind::DtypeMismatch, message).with_field(self.field.name()));
        }
        let bytes = self.bytes();
        // As in `as_mut_slice`: no bytes have no alignment.
        Ok(if bytes.is_empty() { &[] } else { bytemuck::cast_slice(bytes) })
    }

    /// The field as a tensor on the CPU, of the sample's shape and of the dtype that is
    /// [delivered](RowDType::delivered): `u16` becomes `u32`. Copies the elements.
    ///
    /// # Errors
    ///
    /// When candle cannot make the tensor.
    pub fn tensor(&self) -> Result<Tensor> {
        let dtype = self.dtype().delivered();
        if self.dtype() != RowDType::U16 {
            return Ok(Tensor::from_raw_buffer(self.bytes(), dtype, self.shape(), &Device::Cpu)?);
        }
        let wide: Vec<u32> = self.as_slice::<u16>()?.iter().map(|&value| value.into()).collect();
        Ok(Tensor::from_vec(wide, self.shape(), &Device::Cpu)?)
    }

    /// The first `most` elements, as they are printed.
    fn first_elements(&self, most: usize) -> Result<Vec<String>> {
        macro_rules! shown {
            ($($dtype:ident => $element:ty),*) => {
                match self.dtype() {
                    $(RowDType::$dtype => {
                        let elements = self.as_slice::<$element>()?.iter().take(most);
                        elements.map(|element| element.to_string()).collect()
                    })*
                    // There is no type of Rust for its elements here.
                    RowDType::F8E4M3 => {
                        let floats = self.tensor()?.flatten_all()?.to_dtype(DType::F32)?;
                        let floats = floats.to_vec1::<f32>()?.into_iter().take(most);
                        floats.map(|element| element.to_string()).collect()
                    }
                }
            };
        }
        Ok(shown!(
            U8 => u8, U16 => u16, U32 => u32, I16 => i16, I32 => i32, I64 => i64,
            BF16 => half::bf16, F16 => half::f16, F32 => f32, F64 => f64
        ))
    }
}

/// Name, dtype, shape and first elements: `label: i64[] = 7`.
impl fmt::Display for FieldView<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        const SHOWN: usize = 8;
        write!(f, "{}: {}{:?} =", escaped(self.name()), self.dtype(), self.shape())?;
        let elements = self.first_elements(SHOWN).map_err(|_| fmt::Error)?;
        if !elements.is_empty() {
            write!(f, " {}", elements.join(", "))?;
        }
        let total = self.bytes().len() / self.dtype().size();
        if total > SHOWN { write!(f, ", .. {total} in all") } else { Ok(()) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Dim, RowDType};

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
