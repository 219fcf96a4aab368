//! How a command can end, and the exit code for it.

use std::fmt;
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anstream::AutoStream;
use serde_json::{Value, json};

use crate::terminal::escape::{self, escaped};
use crate::terminal::{shell, style};

/// The result of a command.
pub(crate) type Result<T = (), E = Failure> = std::result::Result<T, E>;

/// Why a command failed.
#[derive(Debug)]
pub(crate) enum Failure {
    /// An invalid command line: exit code 2.
    Usage(String),
    /// The data or the run failed: exit code 1.
    Failed(String),
    /// The same, with what the library knows about it.
    Library(Box<Fault>),
    /// The same, and everything about it has been printed.
    Told,
    /// Standard output could not be written. A reader that has seen enough is no error.
    Output(io::Error),
}

/// Refuses the first of these options that is given: `why` it cannot be, and, of each, what to do instead.
pub(crate) fn refuse(options: &[(&str, bool, &str)], why: &str) -> Result {
    match options.iter().find(|(_, given, _)| *given) {
        None => Ok(()),
        Some((option, _, instead)) => Err(Failure::Usage(format!("{option} {why}; {instead}"))),
    }
}

/// A failure that the library has reported.
#[derive(Debug)]
pub(crate) struct Fault {
    code: u8,
    kind: &'static str,
    message: String,
    path: Option<PathBuf>,
    sample: Option<usize>,
}

impl Fault {
    /// An error, and the source's error that caused it, if any.
    fn of(
        code: u8,
        kind: &'static str,
        error: &dyn fmt::Display,
        of: Option<&tallow::SourceError>,
    ) -> Self {
        Self {
            code,
            kind,
            message: in_options(&error.to_string()),
            path: of.and_then(|error| error.path()).map(Path::to_owned),
            sample: of.and_then(tallow::SourceError::index),
        }
    }
}

impl Failure {
    /// The exit code, and the message that has not been printed yet.
    fn code(&self) -> (u8, Option<String>) {
        match self {
            Self::Usage(message) => (2, Some(message.clone())),
            Self::Failed(message) => (1, Some(message.clone())),
            Self::Library(fault) => (fault.code, Some(fault.message.clone())),
            Self::Told => (1, None),
            // Nobody wants to read more.
            Self::Output(error) if error.kind() == io::ErrorKind::BrokenPipe => (0, None),
            Self::Output(error) => (1, Some(format!("cannot write the report: {error}"))),
        }
    }

    /// For machines. There is none if the report has said it or cannot be written.
    pub(crate) fn as_json(&self) -> Option<Value> {
        let (kind, path, sample) = match self {
            Self::Usage(_) => ("usage", None, None),
            Self::Failed(_) => ("failed", None, None),
            Self::Library(fault) => (fault.kind, fault.path.as_ref(), fault.sample),
            Self::Told | Self::Output(_) => return None,
        };
        let (_, message) = self.code();
        let path = path.map(|path| path.to_string_lossy());
        Some(json!({ "kind": kind, "message": message, "path": path, "sample": sample }))
    }

    pub(crate) fn usage(message: impl fmt::Display) -> Self {
        Self::Usage(in_options(&message.to_string()))
    }

    pub(crate) fn failed(message: impl fmt::Display) -> Self {
        Self::Failed(in_options(&message.to_string()))
    }
}

/// A message of the library, with the options of this program instead of the library's methods.
/// What the library calls a configuration is a command line here.
pub(crate) fn in_options(message: &str) -> String {
    const OPTIONS: [(&str, &str); 18] = [
        (", or keep the classes with .allow_empty()", ""),
        ("open the stream with more", "allow more with --record-bytes SIZE"),
        (".at_most(height, width)", "--ragged FIELD:AXIS:MAX"),
        (".documents(..)", "--documents last:TOKEN"),
        (".field(..)", "--pack FIELD:TOKENS"),
        (".fields(..)", "--array NAME"),
        (".layout(..)", "--layout"),
        (".mask(field)", "--mask FIELD"),
        (".one_hot(field, classes)", "--one-hot FIELD:CLASSES"),
        (".pattern(..)", "--pattern"),
        (".picture(..)", "--picture NAME"),
        (".ragged(..)", "--ragged"),
        (".ragged(field, axis, max)", "--ragged FIELD:AXIS:MAX"),
        (".recursive()", "--recursive"),
        (".length(..)", "--tokens TYPE:LENGTH"),
        (".stacked()", "--stacked"),
        (".table(..)", "--table FILE"),
        (".tokens(..)", "--tokens TYPE"),
    ];
    const ONE_SHAPE: &str = "use --pad FIELD:VALUE, or give its samples one shape, as with \
                             --augment 'random_resized_crop(224)'";
    const ONE_SIZE: &str = "give all pictures one size, as with --augment 'resize(256) \
                            center_crop(224)'";
    let message = message.trim_start_matches("configuration: ");
    let said = OPTIONS
        .iter()
        .fold(message.to_owned(), |text, (method, option)| text.replace(method, option));
    let said = pattern_in_options(&said);
    let said = rename_in_options(&said);
    let said = select_in_options(&said);
    // The name of the field and other methods follow.
    match said.split_once("add .pad(") {
        Some((found, methods)) if methods.contains(".sized(") => {
            format!("{found}{ONE_SIZE}")
        }
        Some((found, _)) => format!("{found}{ONE_SHAPE}"),
        None => said,
    }
}

/// `.pattern("field", "*_mask")` as the option that means the same.
fn pattern_in_options(said: &str) -> String {
    let Some((before, call)) = said.split_once(".pattern(\"") else { return said.to_owned() };
    let parts = call.split_once("\")").and_then(|(words, after)| {
        let (field, pattern) = words.split_once("\", \"")?;
        Some((field, pattern, after))
    });
    match parts {
        None => said.to_owned(),
        Some((field, pattern, after)) => {
            let word = shell::quoted(format!("{field}:{pattern}").as_ref());
            format!("{before}--pattern {word}{}", pattern_in_options(after))
        }
    }
}

/// `.rename("old", "new")` as the option that means the same.
fn rename_in_options(said: &str) -> String {
    let renamed = said.split_once(".rename(\"").and_then(|(before, call)| {
        let (words, after) = call.split_once("\")")?;
        let (old, new) = words.split_once("\", \"")?;
        let word = shell::quoted(format!("{old}={new}").as_ref());
        Some(format!("{before}--rename {word}{after}"))
    });
    renamed.unwrap_or_else(|| said.to_owned())
}

/// `.select(["a", "b"])` as the options that mean the same.
fn select_in_options(said: &str) -> String {
    let selected = said.split_once(".select([\"").and_then(|(before, call)| {
        let (words, after) = call.split_once("\"])")?;
        let options = words.split("\", \"");
        let options = options.map(|name| format!("--select {}", shell::quoted(name.as_ref())));
        Some(format!("{before}{}{after}", options.collect::<Vec<_>>().join(" ")))
    });
    selected.unwrap_or_else(|| said.to_owned())
}

/// Standard output is the only thing that commands write with a bare `?`.
impl From<io::Error> for Failure {
    fn from(error: io::Error) -> Self {
        Self::Output(error)
    }
}

impl From<tallow::SourceError> for Failure {
    fn from(error: tallow::SourceError) -> Self {
        let code = if error.kind() == tallow::SourceErrorKind::Config { 2 } else { 1 };
        Self::Library(Box::new(Fault::of(code, error.kind().as_str(), &error, Some(&error))))
    }
}

impl From<tallow::Error> for Failure {
    fn from(error: tallow::Error) -> Self {
        let code = if error.kind() == tallow::ErrorKind::Config { 2 } else { 1 };
        Self::Library(Box::new(Fault::of(code, error.kind().as_str(), &error, error.cause())))
    }
}

/// The result of a command whose report was then flushed. If flushing failed, that is an error even
/// if everything else has been printed.
pub(crate) fn both(result: Result, written: Result) -> Result {
    match (result, written) {
        (Err(Failure::Told), Err(Failure::Output(error)))
            if error.kind() != io::ErrorKind::BrokenPipe =>
        {
            Err(Failure::Output(error))
        }
        (result, written) => result.and(written),
    }
}

/// The exit code of a command. A message that has not been printed goes to standard error.
pub(crate) fn of(result: Result) -> ExitCode {
    let Err(failure) = result else { return ExitCode::SUCCESS };
    let (code, message) = failure.code();
    if let Some(message) = message {
        // If this fails too, there is nobody to tell.
        let _ = writeln!(io::stderr(), "{} {}", style::problem("error"), escaped(&message));
    }
    ExitCode::from(code)
}

/// The exit code of a command line that clap rejected, or that asked for help.
pub(crate) fn of_parser(error: &clap::Error) -> ExitCode {
    let said = in_words(&error.render().ansi().to_string());
    let said = escape::visible(&said);
    match error.exit_code() {
        // Help is a report like any other.
        0 => of(AutoStream::auto(io::stdout()).write_all(said.as_bytes()).map_err(Failure::from)),
        code => {
            let _ = AutoStream::auto(io::stderr()).write_all(said.as_bytes());
            ExitCode::from(u8::try_from(code).unwrap_or(2))
        }
    }
}

/// What the parser says, in better words than the standard library's for an invalid number.
fn in_words(said: &str) -> String {
    const WORDS: [(&str, &str); 4] = [
        ("invalid digit found in string", "expected a whole number"),
        ("cannot parse integer from empty string", "expected a whole number"),
        ("number too large to fit in target type", "the number is too large"),
        ("0 is not in 1..18446744073709551615", "expected at least 1"),
    ];
    WORDS.iter().fold(said.to_owned(), |said, (from, to)| said.replace(from, to))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_the_library_advises_is_said_in_options() {
        let said = in_options("configuration: a: u8[..=4] is ragged: add .pad(\"a\", 0.0) or x");
        assert!(said.starts_with("a: u8[..=4] is ragged: use --pad FIELD:VALUE"), "{said}");
        assert_eq!(in_options("say .layout(..)"), "say --layout");
        let said = "add .pattern(\"a b\", \"*_x\") and .pattern(\"c\", \"y*\")";
        assert_eq!(in_options(said), "add --pattern 'a b:*_x' and --pattern 'c:y*'");
        let said = "rename it, as in .rename(\"text\", \"a b\")";
        assert_eq!(in_options(said), "rename it, as in --rename 'text=a b'");
        let said = "choose the fields with .select([\"a\", \"b\"])";
        assert_eq!(in_options(said), "choose the fields with --select a --select b");
    }
}
