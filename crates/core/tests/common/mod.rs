//! What the tests of all sources share.

use std::sync::mpsc;
use std::time::Duration;

use tallow_core::{Error, Result, RowBuffer, Source};

/// Sample `index`, wholly written.
pub(crate) fn read(source: &dyn Source, index: usize) -> Result<RowBuffer> {
    let mut buffer = RowBuffer::new(source.schema())?;
    let mut row = buffer.row(None);
    source.read(index, &mut row)?;
    row.finish()?;
    Ok(buffer)
}

/// The bytes of the first field of sample `index`.
pub(crate) fn bytes(source: &dyn Source, index: usize) -> Result<Vec<u8>> {
    Ok(read(source, index)?.view().field(0).bytes().to_vec())
}

/// Fails unless the error, as a user sees it, holds all of `words` and is one line.
#[track_caller]
pub(crate) fn assert_says(error: &Error, words: &[&str]) {
    let text = error.to_string();
    for word in words {
        assert!(text.contains(word), "{word:?} is missing in: {text}");
    }
    assert!(!text.contains('\n') && text.len() < 1000, "not one readable line: {text}");
}

/// Runs `test` on a thread of its own, so that a hang is a failure and not the end of the run.
#[track_caller]
pub(crate) fn in_time<T: Send + 'static>(test: impl FnOnce() -> T + Send + 'static) -> T {
    let (done, result) = mpsc::channel();
    let thread = std::thread::spawn(move || drop(done.send(test())));
    match result.recv_timeout(Duration::from_secs(20)) {
        Ok(value) => value,
        Err(mpsc::RecvTimeoutError::Timeout) => panic!("hangs"),
        Err(mpsc::RecvTimeoutError::Disconnected) => match thread.join() {
            Err(panic) => std::panic::resume_unwind(panic),
            Ok(()) => unreachable!("the thread sent nothing and did not panic"),
        },
    }
}
