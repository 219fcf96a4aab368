//! The samples of a command: where they are, what is in them, and how files of them are written.

pub(crate) mod contents;
pub(crate) mod npy;
pub(crate) mod numbers;
pub(crate) mod place;
pub(crate) mod rows;
pub(crate) mod shapes;
pub(crate) mod shard;
