//! The samples of a command: where they are, what they contain, and how to write files of them.

pub(crate) mod contents;
pub(crate) mod extents;
pub(crate) mod listing;
pub(crate) mod means;
pub(crate) mod npy;
pub(crate) mod numbers;
pub(crate) mod photo;
pub(crate) mod photos;
pub(crate) mod pixels;
pub(crate) mod place;
pub(crate) mod places;
pub(crate) mod rows;
pub(crate) mod shapes;
pub(crate) mod shard;
pub(crate) mod shuffled;
pub(crate) mod streams;
