//! The machine that a command runs on: what the system says of it, its cores, and how fast its memory is.

pub(crate) mod memory;
pub(crate) mod system;
pub(crate) mod threads;
