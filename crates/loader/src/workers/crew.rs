//! The threads of a loader: how they start, and how they end.

use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::Duration;

use super::read_ahead::fetch;
use super::worker::{Filler, work};
use crate::{Error, ErrorKind, Result};

/// How long stopping waits for workers. They look at their stop flag before every row and every
/// 16 MiB of a read, so only one that is stuck in the kernel or in user code takes longer; it is
/// then reported and no longer waited for, and its memory is kept until it returns.
///
/// Less than half a second, so that dropping an iterator and then its loader takes less than one.
pub(crate) const STOP_BOUND: Duration = Duration::from_millis(400);

/// The workers, and the thread that reads ahead.
///
/// They live from `build` to the end of the loader, through all iterations.
pub(crate) struct Crew {
    filler: Arc<Filler>,
    threads: Vec<JoinHandle<()>>,
}

impl Crew {
    /// Starts `workers` workers, and the thread that reads ahead if `filler` asks for one.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Thread`] when the system refuses one, and [`ErrorKind::Memory`] when there is
    /// none for its scratch; those that did start are ended.
    pub(crate) fn start(filler: Arc<Filler>, workers: usize) -> Result<Self> {
        let ahead = usize::from(filler.delivery.course.ahead > 0);
        let mut crew = Self { filler, threads: Vec::with_capacity(workers + ahead) };
        for thread in 0..workers + ahead {
            let spawned = if thread < workers { crew.spawn(thread) } else { crew.spawn_ahead() };
            let spawned = spawned.inspect_err(|_| {
                // Threads that will never exist must not be waited for.
                (thread..workers + ahead).for_each(|_| crew.filler.delivery.leave());
            })?;
            crew.threads.push(spawned);
        }
        Ok(crew)
    }

    fn spawn(&self, worker: usize) -> Result<JoinHandle<()>> {
        let scratch = self.filler.pipeline.scratch()?;
        let filler = self.filler.clone();
        let name = format!("tallow-{worker}");
        let thread = std::thread::Builder::new().name(name);
        thread.spawn(move || work(&filler, worker, scratch)).map_err(|error| {
            Error::new(ErrorKind::Thread, format!("cannot start worker {worker}: {error}"))
        })
    }

    fn spawn_ahead(&self) -> Result<JoinHandle<()>> {
        let filler = self.filler.clone();
        let thread = std::thread::Builder::new().name("tallow-ahead".to_owned());
        thread.spawn(move || fetch(&filler)).map_err(|error| {
            Error::new(ErrorKind::Thread, format!("cannot start reading ahead: {error}"))
        })
    }

    /// Stops in this order: no more claims, no more rows of claims, the workers. Returns how many of
    /// them are stuck; what they hold is freed when they return.
    pub(crate) fn stop(&mut self) -> usize {
        if self.threads.is_empty() {
            return 0;
        }
        self.filler.delivery.cancel(Duration::ZERO);
        self.filler.delivery.stop(STOP_BOUND);
        let mut stuck = 0;
        for thread in self.threads.drain(..) {
            if thread.is_finished() || self.filler.delivery.has_left() {
                // A worker catches every panic of user code, so there is none to pass on.
                let _ = thread.join();
            } else {
                stuck += 1;
                let name = thread.thread().name().unwrap_or_default();
                tracing::warn!(target: "tallow::loader", name, "stuck, no longer waited for");
            }
        }
        stuck
    }
}

impl Drop for Crew {
    fn drop(&mut self) {
        self.stop();
    }
}
