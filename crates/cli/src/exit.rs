//! How a command can end, and the exit code of each.

use std::fmt;
use std::io::{self, Write as _};
use std::process::ExitCode;

/// A result of a command.
pub(crate) type Result<T = (), E = Failure> = std::result::Result<T, E>;

/// Why a command did not end well.
#[derive(Debug)]
pub(crate) enum Failure {
    /// The command line cannot be obeyed: exit code 2.
    Usage(String),
    /// The data or the run failed: exit code 1.
    Failed(String),
    /// The same, and what there is to say was said.
    Told,
    /// Standard output could not be written. A reader that has seen enough is no error.
    Output(io::Error),
}

impl Failure {
    pub(crate) fn usage(message: impl fmt::Display) -> Self {
        Self::Usage(message.to_string())
    }

    pub(crate) fn failed(message: impl fmt::Display) -> Self {
        Self::Failed(message.to_string())
    }
}

/// Standard output is the only thing that commands write through a bare `?`.
impl From<io::Error> for Failure {
    fn from(error: io::Error) -> Self {
        Self::Output(error)
    }
}

impl From<tallow::Error> for Failure {
    fn from(error: tallow::Error) -> Self {
        match error.kind() {
            tallow::ErrorKind::Config => Self::usage(error),
            _ => Self::failed(error),
        }
    }
}

impl From<tallow::LoaderError> for Failure {
    fn from(error: tallow::LoaderError) -> Self {
        match error.kind() {
            tallow::LoaderErrorKind::Config => Self::usage(error),
            _ => Self::failed(error),
        }
    }
}

/// The exit code of a command, after a line on standard error where one is due.
pub(crate) fn of(result: Result) -> ExitCode {
    let (message, code) = match result {
        Ok(()) => return ExitCode::SUCCESS,
        Err(Failure::Output(error)) if error.kind() == io::ErrorKind::BrokenPipe => {
            return ExitCode::SUCCESS;
        }
        Err(Failure::Told) => return ExitCode::from(1),
        Err(Failure::Failed(message)) => (message, 1),
        Err(Failure::Output(error)) => (format!("cannot write the report: {error}"), 1),
        Err(Failure::Usage(message)) => (message, 2),
    };
    // Nobody is left to be told if this fails too.
    let _ = writeln!(io::stderr(), "error: {message}");
    ExitCode::from(code)
}

/// The exit code of a command line that clap did not accept, or that asked for help.
pub(crate) fn of_parser(error: &clap::Error) -> ExitCode {
    let printed = error.print();
    match error.exit_code() {
        // Help is a report like any other.
        0 => of(printed.map_err(Failure::from)),
        code => ExitCode::from(u8::try_from(code).unwrap_or(2)),
    }
}
