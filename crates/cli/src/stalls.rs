//! When waiting any longer is of no use.

use tallow::{Loader, LoaderError, LoaderErrorKind};

/// Counts batches that stalled in a row. A stalled worker is at one sample until that read returns,
/// so as many in a row as there are workers leave nobody to make another batch: the storage is gone,
/// as a mount that hangs, and what is left of a run would be errors alone.
#[derive(Debug)]
pub(crate) struct Stalls {
    workers: usize,
    in_a_row: usize,
}

impl Stalls {
    pub(crate) fn of(loader: &Loader) -> Self {
        Self { workers: loader.plan().workers(), in_a_row: 0 }
    }

    /// Why to give up after this batch, which came or failed: a reason once all workers are stuck.
    pub(crate) fn hopeless(&mut self, error: Option<&LoaderError>) -> Option<String> {
        let stalled = error.is_some_and(|error| error.kind() == LoaderErrorKind::Stalled);
        self.hopeless_after(stalled)
    }

    fn hopeless_after(&mut self, stalled: bool) -> Option<String> {
        self.in_a_row = if stalled { self.in_a_row + 1 } else { 0 };
        (self.in_a_row >= self.workers.max(1)).then(|| {
            let all = match self.workers {
                0 | 1 => "the only worker is".to_owned(),
                workers => format!("all {workers} workers are"),
            };
            format!("gave up, since {all} stuck: the storage does not answer")
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_hopeless_once_as_many_batches_stalled_in_a_row_as_there_are_workers() {
        let mut stalls = Stalls { workers: 3, in_a_row: 0 };
        let seen = [true, true, false, true, true, true].map(|it| stalls.hopeless_after(it));
        let reason = "gave up, since all 3 workers are stuck: the storage does not answer";
        assert_eq!(seen.each_ref().map(Option::is_some), [false, false, false, false, false, true]);
        assert_eq!(seen[5].as_deref(), Some(reason));
        let mut alone = Stalls { workers: 1, in_a_row: 0 };
        assert_eq!(alone.hopeless_after(false), None);
        assert!(alone.hopeless_after(true).unwrap().contains("the only worker is stuck"));
    }
}
