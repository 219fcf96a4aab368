//! How an epoch goes through its samples.

use std::fmt;
use std::num::NonZeroUsize;
use std::sync::Arc;

use tallow_core::{Batching, Order, Pass, Source};

/// The order of an epoch, how it is cut into batches, and where its samples come from if they come one after
/// the other.
#[derive(Debug, Clone)]
pub(crate) struct Visit {
    pub(crate) order: Arc<dyn Order>,
    pub(crate) batching: Batching,
    pub(crate) pass: Option<Arc<dyn Pass>>,
}

/// What is fixed at `build()` about a source whose samples come one after the other.
pub(crate) struct InTurn {
    pub(crate) source: Arc<dyn Source>,
    /// How far the order reaches: see `Sampler::window`.
    pub(crate) window: NonZeroUsize,
    /// Whether an epoch ends only where the stream does.
    pub(crate) is_open: bool,
    /// How many samples that were read must be at hand.
    pub(crate) keep: usize,
}

impl InTurn {
    /// For batches of `batch_size` rows, `slabs` of which may be claimed before the first is done.
    pub(crate) fn new(
        source: Arc<dyn Source>,
        window: NonZeroUsize,
        batch_size: usize,
        slabs: usize,
    ) -> Self {
        // From the window of the oldest row that may be unread up to what is read for the newest: the
        // rest of its window or one more, or the end of the batch behind it.
        let behind = slabs.saturating_add(2).saturating_mul(batch_size);
        let ahead = window.get().max(batch_size.saturating_mul(2));
        let keep = behind.saturating_add(window.get()).saturating_add(ahead);
        let is_open = source.stream().is_some_and(|stream| stream.declared().is_none());
        Self { source, window, is_open, keep }
    }

    /// How many samples must have been read before that of `position` is known, and its place in a window
    /// that may be the last; and with how many the reader is as far ahead as a window allows, so that not all
    /// of the next one is read at once.
    pub(crate) fn needed(&self, position: usize) -> (usize, usize) {
        let window = self.window.get();
        let end = (position / window).saturating_add(1).saturating_mul(window);
        (end, end.max(position.saturating_add(window)))
    }
}

impl fmt::Debug for InTurn {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("InTurn").field("window", &self.window).finish_non_exhaustive()
    }
}
