use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Instant;

use crate::FieldId;

/// What is being done to a row, for others to see: which field was asked for last, whether a picture
/// is being decoded, and for how long pictures were.
///
/// One thread at a time works on rows that leave their traces here. Any thread may look.
#[derive(Debug, Default)]
pub struct RowMark {
    field: AtomicU64,
    is_decoding: AtomicBool,
    decoded_ns: AtomicU64,
}

impl RowMark {
    /// Another row is begun: no field yet, and nothing is decoded.
    pub fn clear(&self) {
        self.field.store(0, Ordering::Relaxed);
        // Set still where a decoder panicked.
        self.is_decoding.store(false, Ordering::Relaxed);
    }

    /// The field that was asked for last, if any was since [`clear`](Self::clear): tells another thread
    /// where a long read is.
    pub fn field(&self) -> Option<FieldId> {
        FieldId::from_word(self.field.load(Ordering::Relaxed))
    }

    /// Whether a picture is being decoded.
    pub fn is_decoding(&self) -> bool {
        self.is_decoding.load(Ordering::Relaxed)
    }

    /// Nanoseconds that decoding took since this was asked last. For the thread that works on the rows.
    pub fn take_decoded_ns(&self) -> u64 {
        let decoded_ns = self.decoded_ns.load(Ordering::Relaxed);
        if decoded_ns > 0 {
            self.decoded_ns.store(0, Ordering::Relaxed);
        }
        decoded_ns
    }

    pub(super) fn set(&self, field: FieldId) {
        self.field.store(field.word(), Ordering::Relaxed);
    }

    /// Does `work`, which decodes. The clock is read twice: 80 ns, where a window of a photo of 500x375
    /// pixels takes 370 us.
    pub(crate) fn decoding<R>(&self, work: impl FnOnce() -> R) -> R {
        self.is_decoding.store(true, Ordering::Relaxed);
        let begun = Instant::now();
        let done = work();
        // One writer: a load and a store are cheaper than an atomic addition.
        let decoded_ns = self.decoded_ns.load(Ordering::Relaxed);
        let decoded_ns = decoded_ns + begun.elapsed().as_nanos() as u64;
        self.decoded_ns.store(decoded_ns, Ordering::Relaxed);
        self.is_decoding.store(false, Ordering::Relaxed);
        done
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn decoding_is_seen_while_it_lasts_and_timed_once() {
        let mark = RowMark::default();
        for _ in 0..2 {
            mark.decoding(|| {
                assert!(mark.is_decoding());
                std::thread::sleep(Duration::from_millis(5));
            });
        }
        assert!(!mark.is_decoding());
        assert!(mark.take_decoded_ns() >= 10_000_000);
        assert_eq!(mark.take_decoded_ns(), 0);
    }

    #[test]
    fn a_decoder_that_panicked_is_over_with_its_row() {
        let mark = RowMark::default();
        let panics = || mark.decoding(|| panic!("in a decoder"));
        assert!(std::panic::catch_unwind(std::panic::AssertUnwindSafe(panics)).is_err());
        assert!(mark.is_decoding());
        mark.clear();
        assert!(!mark.is_decoding());
    }
}
