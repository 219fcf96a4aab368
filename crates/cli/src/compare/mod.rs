//! Loaders that are compared: the work that each is given, and the process that does it.

pub(crate) mod contender;
pub(crate) mod work;
