//! Rows of samples that come one after the other: they are waited for, and may turn out not to exist.

use tallow_core::RowKey;

use super::epoch::Epoch;
use super::worker::Filler;
use crate::slabs::Slab;
use crate::stages::StageClock;

impl Filler {
    /// The sample of `position`, which the source has ready from then on. `None` if the stream ended before
    /// it, or the batch is no longer needed.
    pub(super) fn reach(
        &self,
        epoch: Epoch<'_>,
        slab: &Slab,
        position: usize,
        clock: &StageClock<'_>,
    ) -> Option<RowKey> {
        let (Some(pass), Some(in_turn)) = (epoch.pass, &self.delivery.course.in_turn) else {
            return Some(epoch.sample(position));
        };
        let (needed, ahead) = in_turn.needed(position);
        let positions = self.delivery.course.positions;
        let len = pass.reach(ahead.min(positions), &mut watching(slab, clock));
        match len {
            _ if slab.is_cancelled() => None,
            Some(len) if len <= position => None,
            Some(len) if len < needed => Some(epoch.sample_of_ended(position, len)),
            _ => Some(epoch.sample(position)),
        }
    }

    /// Finds out whether the epoch ends with this slab, whose last row is made.
    pub(super) fn look_for_end(&self, slab: &Slab, clock: &StageClock<'_>) {
        let Some(pass) = &slab.pass else { return };
        let known = self.delivery.known_after(slab.id);
        let len = pass.reach(known, &mut watching(slab, clock));
        if let Some(len) = len
            && !slab.is_cancelled()
        {
            self.delivery.ended(slab, len);
        }
    }
}

/// A worker that waits for a slow reader is not stuck as long as the reader goes on, and leaves a slab that is
/// not needed.
fn watching(slab: &Slab, clock: &StageClock<'_>) -> impl FnMut(usize) -> bool {
    let mut seen = None;
    move |sample| {
        if seen.replace(sample) != Some(sample) {
            clock.at_row(sample);
        }
        !slab.is_cancelled()
    }
}
