//! From options to a loader, and from a loader to the program that builds it.

pub(crate) mod augment;
pub(crate) mod plan;
pub(crate) mod settings;
