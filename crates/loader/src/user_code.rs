//! Calls of user code, which may panic.

use std::panic::{AssertUnwindSafe, catch_unwind};

/// Calls user code; a panic becomes its message.
///
/// The payload may itself panic when it is dropped, which would end the worker.
pub(crate) fn catch<T>(user_code: impl FnOnce() -> T) -> Result<T, String> {
    catch_unwind(AssertUnwindSafe(user_code)).map_err(|payload| {
        let text = payload.downcast_ref::<&str>().map(|text| (*text).to_owned());
        let text = text.or_else(|| payload.downcast_ref::<String>().cloned());
        discard(payload);
        text.unwrap_or_else(|| "a panic without a message".to_owned())
    })
}

/// Drops a value of user code, whose destructor may panic.
pub(crate) fn discard<T>(value: T) {
    if let Err(payload) = catch_unwind(AssertUnwindSafe(|| drop(value))) {
        // The payload of that panic may panic again when it is dropped, so it is leaked.
        std::mem::forget(payload);
    }
}
