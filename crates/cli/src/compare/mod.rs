//! Comparing loaders: the work that each contender gets, and the process that does it.

pub(crate) mod augment;
pub(crate) mod contender;
pub(crate) mod plain_chain;
pub(crate) mod work;
