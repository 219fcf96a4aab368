use std::os::fd::AsRawFd;
use std::sync::atomic::{AtomicBool, Ordering};

use super::slot::{Slot, incomplete};
use super::{FieldView, Pieces, RowMark};
use crate::files::File;
use crate::{Element, Error, ErrorKind, Field, Result};

/// The most that one system call reads, so that stopping never waits for more than this.
pub(crate) const PIECE_BYTES_MAX: usize = 16 << 20;

/// One field of a row, to be written completely by one of its methods.
#[derive(Debug)]
pub struct FieldMut<'a> {
    pub(super) field: &'a Field,
    pub(super) slot: &'a mut Slot,
    pub(super) stop: Option<&'a AtomicBool>,
    pub(super) mark: Option<&'a RowMark>,
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

    /// Bytes that there are for this sample: of a ragged field fewer than its largest sample takes, where
    /// the rows of a batch are known to be shorter.
    pub fn room(&self) -> usize {
        self.slot.capacity
    }

    /// Whether the loader has been told to stop.
    pub fn is_stopped(&self) -> bool {
        is_stopped(self.stop)
    }

    /// Where work on the row leaves its traces, if anywhere.
    pub fn mark(&self) -> Option<&'a RowMark> {
        self.mark
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
    /// [`ErrorKind::ShapeMismatch`] when the schema does not admit the shape, or when it does not fit
    /// [`room`](Self::room).
    pub fn set_shape(&mut self, shape: &[usize]) -> Result<()> {
        if !self.field.admits(shape) {
            let message = format!("found shape {shape:?}, expected {}", self.field);
            return Err(Error::new(ErrorKind::ShapeMismatch, message).with_field(self.field.name()));
        }
        let expected = shape.iter().product::<usize>() * self.field.dtype().size();
        if expected > self.slot.capacity {
            let room = self.slot.capacity;
            let message = format!("found shape {shape:?}, expected at most {room} bytes");
            return Err(Error::new(ErrorKind::ShapeMismatch, message).with_field(self.field.name()));
        }
        self.slot.shape.clear();
        self.slot.shape.extend_from_slice(shape);
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
    pub fn read_at(&mut self, file: &std::fs::File, offset: u64) -> Result<()> {
        self.slot.filled = 0;
        self.read_local(file, offset)
    }

    /// Like [`read_at`](Self::read_at), of a file wherever it lies.
    pub(crate) fn read_from(&mut self, file: &File, offset: u64) -> Result<()> {
        self.slot.filled = 0;
        self.read_rest(file, offset)
    }

    /// Reads `head.len()` bytes from `start` of `file` into `head` and what follows into the
    /// field, with one system call where it fits a piece; returns how many bytes there were.
    /// A header and a payload in one call are what makes small files cheap.
    pub(crate) fn read_after_head(
        &mut self,
        file: &File,
        start: u64,
        head: &mut [u8],
    ) -> Result<usize> {
        debug_assert_eq!(self.slot.filled, 0);
        #[cfg_attr(
            not(feature = "remote"),
            expect(clippy::infallible_destructuring_match, reason = "there is one kind of file")
        )]
        let file = match file {
            File::Local(file) => file,
            #[cfg(feature = "remote")]
            File::Stored(object) => return self.read_stored_after_head(object, start, head),
        };
        let piece = self.slot.limit().min(PIECE_BYTES_MAX);
        let parts = [
            libc::iovec { iov_base: head.as_mut_ptr().cast(), iov_len: head.len() },
            libc::iovec { iov_base: self.slot.memory.cast(), iov_len: piece },
        ];
        // SAFETY: `head` is a unique borrow of its length, and `memory` is valid for writes of
        // `piece <= capacity` bytes; the kernel writes at most that much into each.
        let got = retry_interrupted(|| unsafe {
            let parts = (parts.as_ptr(), parts.len() as libc::c_int);
            libc::preadv(file.as_raw_fd(), parts.0, parts.1, start as libc::off_t)
        })?;
        self.slot.filled = got.saturating_sub(head.len());
        Ok(got)
    }

    /// Reads what is missing of the field, which begins at `start` of `file`.
    pub(crate) fn read_rest(&mut self, file: &File, start: u64) -> Result<()> {
        match file {
            File::Local(file) => self.read_local(file, start),
            #[cfg(feature = "remote")]
            File::Stored(object) => self.read_stored_rest(object, start),
        }
    }

    fn read_local(&mut self, file: &std::fs::File, start: u64) -> Result<()> {
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

    /// Writes `bytes` behind what is written already.
    #[cfg(feature = "remote")]
    pub(super) fn append(&mut self, bytes: &[u8]) {
        let room = self.slot.limit().saturating_sub(self.slot.filled);
        assert!(bytes.len() <= room, "{} bytes where {room} fit", bytes.len());
        // SAFETY: `filled + len <= limit <= capacity`, for which `memory` is valid and no one else's, so
        // it cannot overlap a live slice.
        unsafe {
            let memory = self.slot.memory.add(self.slot.filled);
            memory.copy_from_nonoverlapping(bytes.as_ptr(), bytes.len());
        }
        self.slot.filled += bytes.len();
    }

    #[cold]
    pub(super) fn truncated(&self, expected: usize) -> Error {
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
            // SAFETY: `memory` is valid for `expected <= capacity` bytes and is no one else's, so
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
    /// costs a pass over the memory: prefer the copying methods if you can.
    ///
    /// # Errors
    ///
    /// When the element type is not the field's, or the shape of a ragged field is not set.
    pub fn as_mut_slice<T: Element>(&mut self) -> Result<&mut [T]> {
        self.check_dtype::<T>()?;
        let bytes = self.as_mut_bytes()?;
        // An empty slice of bytes may be at an address that no element can have.
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

pub(super) fn is_stopped(stop: Option<&AtomicBool>) -> bool {
    stop.is_some_and(|stop| stop.load(Ordering::Relaxed))
}
