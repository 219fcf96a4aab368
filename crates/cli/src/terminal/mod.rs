//! Everything that is printed, and how a command ends: words for people, colour, text made safe for a
//! terminal, standard output and standard error, files that take their place once complete, signals,
//! and exit codes.

pub(crate) mod console;
pub(crate) mod escape;
pub(crate) mod exit;
pub(crate) mod interrupt;
pub(crate) mod output;
pub(crate) mod shell;
pub(crate) mod style;
pub(crate) mod words;
