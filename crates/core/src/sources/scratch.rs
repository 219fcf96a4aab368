//! Memory for what is read and not delivered as it is.

use std::cell::RefCell;

use crate::Result;
use crate::files::reserve;

/// Runs `run` with `bytes` bytes of memory, which the thread keeps unless they are many.
pub(super) fn with_scratch(bytes: usize, run: impl FnOnce(&mut [u8]) -> Result<()>) -> Result<()> {
    /// Enough for any window of tokens that a model takes.
    const KEPT_MAX: usize = 1 << 20;
    thread_local! {
        static KEPT: RefCell<Vec<u8>> = const { RefCell::new(Vec::new()) };
    }
    if bytes > KEPT_MAX {
        let mut memory = reserve(bytes)?;
        memory.resize(bytes, 0);
        return run(&mut memory);
    }
    KEPT.with_borrow_mut(|kept| {
        if kept.len() < bytes {
            kept.resize(bytes, 0);
        }
        run(&mut kept[..bytes])
    })
}
