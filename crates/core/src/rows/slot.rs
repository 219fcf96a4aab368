use crate::{Error, ErrorKind, Field, Result};

/// Where one field of a row goes.
///
/// Invariants: `memory` is valid for writes of `capacity` bytes and for no one else while a
/// [`Row`](super::Row) is made from the slot, it is aligned for the field's element type, and its first
/// `filled` bytes are initialised.
#[derive(Debug)]
pub(super) struct Slot {
    pub(super) memory: *mut u8,
    pub(super) capacity: usize,
    /// Bytes of this sample: fixed for a regular field, known after `set_shape` for a ragged one.
    pub(super) expected: Option<usize>,
    pub(super) filled: usize,
    /// Bytes of the pieces written so far, for the error of a field that lacks some; they are no
    /// part of `filled` before the last of them is there.
    pub(super) pieced: usize,
    /// A bit for each piece that is written; kept for its memory.
    pub(super) pieces: Vec<u64>,
    pub(super) shape: Vec<usize>,
}

pub(super) fn finish(fields: &[Field], slots: &[Slot]) -> Result<()> {
    match slots.iter().position(|slot| !slot.is_whole()) {
        None => Ok(()),
        Some(i) => Err(incomplete(&fields[i], &slots[i])),
    }
}

impl Slot {
    /// Forgets what was written. A ragged field may have less memory than its largest sample takes:
    /// shapes that do not fit are then refused.
    pub(super) fn reset(&mut self, field: &Field) {
        let is_ragged = field.is_ragged();
        let max_bytes = field.max_bytes();
        assert!(is_ragged || max_bytes <= self.capacity, "a slot smaller than its field");
        (self.filled, self.pieced) = (0, 0);
        self.expected = (!is_ragged).then_some(max_bytes);
    }

    /// The bytes that this sample may still take.
    pub(super) fn limit(&self) -> usize {
        self.expected.unwrap_or(self.capacity)
    }

    fn is_whole(&self) -> bool {
        self.expected == Some(self.filled)
    }

    /// Takes a whole field of `shape`, whatever was there.
    pub(super) fn fill(&mut self, shape: &[usize], bytes: &[u8]) {
        assert!(bytes.len() <= self.capacity, "a slot smaller than its field");
        if !bytes.is_empty() {
            // SAFETY: `memory` is valid for `bytes.len() <= capacity` bytes and no one else's, so it
            // cannot overlap a live slice.
            unsafe { self.memory.copy_from_nonoverlapping(bytes.as_ptr(), bytes.len()) };
        }
        self.shape.clear();
        self.shape.extend_from_slice(shape);
        (self.filled, self.pieced, self.expected) = (bytes.len(), 0, Some(bytes.len()));
    }

    /// Initialises the rest of the field.
    pub(super) fn zero_rest(&mut self, expected: usize) {
        if self.filled < expected {
            // SAFETY: `filled < expected <= capacity`, for which `memory` is valid.
            unsafe { self.memory.add(self.filled).write_bytes(0, expected - self.filled) };
            self.filled = expected;
        }
    }

    pub(super) fn written(&self) -> &[u8] {
        let len = self.filled.min(self.limit());
        if len == 0 {
            return &[];
        }
        // SAFETY: the first `filled` bytes are initialised, and `&self` keeps writers away.
        unsafe { std::slice::from_raw_parts(self.memory, len) }
    }
}

#[cold]
pub(super) fn incomplete(field: &Field, slot: &Slot) -> Error {
    let message = match slot.expected {
        Some(expected) => {
            let written = slot.filled.max(slot.pieced);
            format!("the source wrote {written} of {expected} bytes")
        }
        None => "the source did not set the shape of a ragged field".to_owned(),
    };
    Error::new(ErrorKind::Incomplete, message).with_field(field.name())
}
