//! The one thread on which requests run.

use std::future::{Future, pending};
use std::io;
use std::sync::LazyLock;
use std::sync::mpsc::{RecvTimeoutError, sync_channel};
use std::time::Duration;

use tokio::runtime::{Builder, Handle};

use crate::{Error, ErrorKind, Result};

/// One thread: it moves bytes and computes nothing but TLS. What computes would hold up the answers of
/// others, which then look like servers that are slow.
static RUNTIME: LazyLock<io::Result<Handle>> = LazyLock::new(|| {
    let mut builder = Builder::new_current_thread();
    builder
        .enable_io()
        .enable_time()
        .max_blocking_threads(WAITERS)
        .thread_name("tallow-store-wait");
    let runtime = builder.build()?;
    let handle = runtime.handle().clone();
    let serve = move || runtime.block_on(pending::<()>());
    std::thread::Builder::new().name("tallow-store".into()).spawn(serve)?;
    Ok(handle)
});

/// Threads for what may wait, for some seconds each: names of hosts, and locks of pages.
const WAITERS: usize = 4;

/// How often a reader that waits for its bytes looks whether it was told to stop. Nothing else could
/// wake it then, and it has nothing else to do.
const LOOKS_EVERY: Duration = Duration::from_millis(20);

pub(crate) fn handle() -> Result<&'static Handle> {
    RUNTIME.as_ref().map_err(|error| {
        Error::new(ErrorKind::Failed, format!("cannot start the thread of requests: {error}"))
    })
}

/// Runs `request` on the runtime and sleeps until it is done.
///
/// # Errors
///
/// Its own, and [`ErrorKind::Stopped`] once `is_stopped`; then it is given up.
pub(crate) fn wait_for<T: Send + 'static>(
    request: impl Future<Output = Result<T>> + Send + 'static,
    is_stopped: &dyn Fn() -> bool,
) -> Result<T> {
    let (sender, receiver) = sync_channel(1);
    let task = handle()?.spawn(async move {
        // Nobody listens any more where the reader was stopped.
        let _ = sender.send(request.await);
    });
    loop {
        match receiver.recv_timeout(LOOKS_EVERY) {
            Ok(result) => return result,
            Err(RecvTimeoutError::Timeout) if !is_stopped() => {}
            Err(RecvTimeoutError::Timeout) => {
                task.abort();
                return Err(Error::stopped());
            }
            Err(RecvTimeoutError::Disconnected) => {
                return Err(Error::new(ErrorKind::Failed, "the request ended without an answer"));
            }
        }
    }
}
