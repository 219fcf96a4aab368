//! How far ahead of the workers the files of batches were asked for.

use std::collections::VecDeque;

use crate::BatchId;

/// The batches of an iteration whose files were asked for, in bytes.
///
/// The budget is in bytes, and what a batch has is known only once its files were opened: the most
/// that a picture may have is a thousand times what most have. The next batch is therefore expected to
/// have as many as those before it had on average.
#[derive(Debug, Default)]
pub(super) struct Fetched {
    /// Batches that are not admitted yet, with their bytes; those without any are left out.
    waiting: VecDeque<(BatchId, usize)>,
    /// The sum of their bytes.
    held: usize,
    /// The batch whose files are being asked for.
    current: Option<BatchId>,
    /// Batches so far, and their bytes.
    batches: usize,
    bytes: usize,
}

impl Fetched {
    /// Whether one more batch stays within `budget` bytes, `next` being the first that is not admitted.
    /// One batch always may be fetched.
    pub(super) fn has_room(&mut self, next: BatchId, budget: usize) -> bool {
        while let Some((_, bytes)) = self.waiting.pop_front_if(|(id, _)| *id < next) {
            self.held -= bytes;
        }
        let expected = self.bytes / self.batches.max(1);
        self.waiting.is_empty() || self.held.saturating_add(expected) <= budget
    }

    /// The files of batch `id` are going to be asked for.
    pub(super) fn begin(&mut self, id: BatchId) {
        self.current = Some(id);
    }

    /// The files of batch `id` were asked for, `bytes` bytes of them; of another iteration's it was told
    /// nothing, and forgets it.
    pub(super) fn finish(&mut self, id: BatchId, bytes: usize) {
        if self.current.take_if(|current| *current == id).is_none() {
            return;
        }
        self.batches += 1;
        self.bytes = self.bytes.saturating_add(bytes);
        let bytes = bytes.min(usize::MAX - self.held);
        if bytes > 0 {
            self.held += bytes;
            self.waiting.push_back((id, bytes));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn id(number: usize) -> BatchId {
        BatchId { epoch: 3, number }
    }

    /// How many batches are fetched before the first is admitted, batch k having `bytes(k)` bytes.
    fn ahead(budget: usize, bytes: impl Fn(usize) -> usize) -> usize {
        let mut fetched = Fetched::default();
        let rest = (0..50).find(|&k| {
            let is_full = !fetched.has_room(id(0), budget);
            if !is_full {
                fetched.begin(id(k));
                fetched.finish(id(k), bytes(k));
            }
            is_full
        });
        rest.unwrap_or(50)
    }

    #[test]
    fn as_many_batches_are_fetched_as_the_budget_holds_and_at_least_one() {
        assert_eq!(ahead(100, |_| 25), 4);
        assert_eq!(ahead(99, |_| 25), 3);
        assert_eq!(ahead(10, |_| 25), 1);
        // 30, 10, 30, 10: with a fifth there would be 100, of 20 on average.
        assert_eq!(ahead(99, |k| if k % 2 == 0 { 30 } else { 10 }), 4);
        assert_eq!(ahead(1, |_| 0), 50, "what needs no file is no load");
        assert_eq!(ahead(usize::MAX - 1, |_| usize::MAX), 1, "a source may say anything");
    }

    #[test]
    fn admitted_batches_make_room() {
        let mut fetched = Fetched::default();
        for k in 0..4 {
            assert!(fetched.has_room(id(0), 100));
            fetched.begin(id(k));
            fetched.finish(id(k), 25);
        }
        assert!(!fetched.has_room(id(0), 100));
        assert!(fetched.has_room(id(1), 100));
        assert!(!fetched.has_room(id(1), 99));
        assert!(fetched.has_room(id(4), 1));
    }

    #[test]
    fn a_batch_of_an_iteration_that_is_over_does_not_count() {
        let mut fetched = Fetched::default();
        fetched.finish(id(0), 1000);
        fetched.begin(id(0));
        fetched.finish(id(7), 1000);
        assert_eq!((fetched.batches, fetched.held), (0, 0));
    }
}
