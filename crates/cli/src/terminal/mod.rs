//! What a command prints and writes, and how it ends: words, colour, text that is safe for a
//! terminal, standard output and error, output files, signals, and exit codes.

pub(crate) mod console;
pub(crate) mod escape;
pub(crate) mod exit;
pub(crate) mod interrupt;
pub(crate) mod output;
pub(crate) mod shell;
pub(crate) mod style;
pub(crate) mod words;
