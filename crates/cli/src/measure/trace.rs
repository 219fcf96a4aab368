//! Spans as a trace for `chrome://tracing` or Perfetto.

use std::fs::File;
use std::io::{self, Write};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;

use tracing::Metadata;
use tracing::subscriber::Interest;
use tracing_chrome::{ChromeLayerBuilder, FlushGuard};
use tracing_subscriber::layer::{Context, Filter};
use tracing_subscriber::prelude::*;

use crate::terminal::exit::{Failure, Result};
use crate::terminal::output::Output;

/// About 50 MB of JSON (45 MB for a plain folder), which viewers still open.
const SPANS_MAX: usize = 200_000;

/// A trace that is being written. Without one, no subscriber is installed and spans cost nothing.
pub(crate) struct Trace {
    output: Output,
    spans: Arc<AtomicUsize>,
    failure: Arc<Mutex<Option<io::Error>>>,
    guard: FlushGuard,
}

impl Trace {
    /// From now on, writes the spans of the library and of this program to `output`.
    ///
    /// # Errors
    ///
    /// If the file cannot be written.
    pub(crate) fn begin(mut output: Output) -> Result<Self> {
        let file = output.begin().map_err(|error| output.failed(&error))?;
        let failure = Arc::new(Mutex::new(None));
        let writer = Unfailing { file, failure: failure.clone() };
        let (layer, guard) = ChromeLayerBuilder::new()
            .writer(writer)
            .include_args(true)
            .include_locations(false)
            .build();
        let spans = Arc::new(AtomicUsize::new(0));
        let layer = layer.with_filter(First(spans.clone()));
        tracing_subscriber::registry().with(layer).try_init().map_err(Failure::failed)?;
        Ok(Self { output, spans, failure, guard })
    }

    /// Does `work`, which takes batches, on a thread that the trace calls the consumer.
    ///
    /// # Errors
    ///
    /// If the thread cannot be started.
    pub(crate) fn consume<T: Send>(work: impl FnOnce() -> T + Send) -> Result<T> {
        thread::scope(|scope| {
            let consumer = thread::Builder::new().name("consumer".to_owned());
            let started = consumer.spawn_scoped(scope, work);
            let thread = started
                .map_err(|error| Failure::failed(format!("cannot start a thread: {error}")))?;
            thread.join().map_err(|_| Failure::failed("the thread that takes batches panicked"))
        })
    }

    /// Writes the rest. Returns a message if the trace ends before the run.
    ///
    /// # Errors
    ///
    /// If something could not be written.
    pub(crate) fn finish(self) -> Result<Option<String>> {
        drop(self.guard);
        let failure = self.failure.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(error) = failure {
            return Err(self.output.failed(&error));
        }
        self.output.finish()?;
        let spans = self.spans.load(Ordering::Relaxed);
        let more = spans.saturating_sub(SPANS_MAX);
        Ok((more > 0).then(|| {
            format!(
                "the trace holds the first {SPANS_MAX} of {spans} spans: to trace them all, \
                     load fewer batches"
            )
        }))
    }
}

/// Lets the first spans and events of this workspace through, and counts all of them. A span that
/// has begun also gets its end.
struct First(Arc<AtomicUsize>);

impl<S> Filter<S> for First {
    fn callsite_enabled(&self, metadata: &'static Metadata<'static>) -> Interest {
        let is_ours = metadata.target().starts_with("tallow");
        if is_ours { Interest::sometimes() } else { Interest::never() }
    }

    fn enabled(&self, _: &Metadata<'_>, _: &Context<'_, S>) -> bool {
        self.0.fetch_add(1, Ordering::Relaxed) < SPANS_MAX
    }
}

/// A writer for a thread that would panic if it could not write: it keeps the first failure and
/// drops everything after it.
struct Unfailing {
    file: File,
    failure: Arc<Mutex<Option<io::Error>>>,
}

impl Write for Unfailing {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let mut failure = self.failure.lock().unwrap_or_else(PoisonError::into_inner);
        if failure.is_none() {
            *failure = self.file.write_all(bytes).err();
        }
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
