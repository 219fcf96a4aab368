//! The machine that a command runs on: what the system says about it, its cores, and how fast it
//! copies memory.

pub(crate) mod memory;
pub(crate) mod system;
pub(crate) mod threads;
