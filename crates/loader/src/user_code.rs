//! Code of the user, which may panic wherever it runs.

use std::panic::{AssertUnwindSafe, catch_unwind};

/// Calls user code; a panic becomes its message.
///
/// What is thrown may itself panic when it is dropped, and would then end the worker.
pub(crate) fn catch<T>(user_code: impl FnOnce() -> T) -> Result<T, String> {
    catch_unwind(AssertUnwindSafe(user_code)).map_err(|payload| {
        let text = payload.downcast_ref::<&str>().map(|text| (*text).to_owned());
        let text = text.or_else(|| payload.downcast_ref::<String>().cloned());
        discard(payload);
        text.unwrap_or_else(|| "a panic without a message".to_owned())
    })
}

/// Drops what belongs to user code, whose destructor may panic.
pub(crate) fn discard<T>(value: T) {
    if let Err(payload) = catch_unwind(AssertUnwindSafe(|| drop(value))) {
        // One panic in a destructor is met with patience, a second is leaked.
        std::mem::forget(payload);
    }
}
