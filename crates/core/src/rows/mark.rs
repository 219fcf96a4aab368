use std::sync::atomic::{AtomicU64, Ordering};

use crate::FieldId;

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

    pub(super) fn set(&self, field: FieldId) {
        self.0.store(field.word(), Ordering::Relaxed);
    }
}
