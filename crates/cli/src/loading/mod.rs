//! From options to a loader, and to the Rust code that builds it.

pub(crate) mod augment;
pub(crate) mod plan;
pub(crate) mod settings;
