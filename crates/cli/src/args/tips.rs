//! What the parser says about an option that does not exist.

use clap::builder::StyledStr;
use clap::error::{ContextKind, ContextValue, ErrorKind};
use clap::{Command, Error};

/// Options of other data loaders, the options that mean the same here, and how to write them.
const OTHERS: [(&str, &str, &str); 6] = [
    ("--drop-last", "last", "--last drop"),
    ("--drop_last", "last", "--last drop"),
    ("--num-workers", "workers", "--workers N"),
    ("--num_workers", "workers", "--workers N"),
    ("--prefetch-factor", "prefetch", "--prefetch N"),
    ("--batch_size", "batch-size", "--batch-size N"),
];

/// The error of `command` with a tip that helps. The parser's own, to put `--` before an unknown
/// option, would make it the name of a file.
pub(super) fn instead(mut error: Error, command: &Command) -> Error {
    if error.kind() != ErrorKind::UnknownArgument {
        return error;
    }
    let Some(ContextValue::String(found)) = error.get(ContextKind::InvalidArg) else {
        return error;
    };
    let has = |long: &str| command.get_arguments().any(|arg| arg.get_long() == Some(long));
    let other = OTHERS.iter().find(|(other, long, _)| other == found && has(long));
    if found.starts_with("--") {
        error.remove(ContextKind::Suggested);
    }
    if let Some((_, _, instead)) = other {
        error.remove(ContextKind::SuggestedArg);
        let tip = StyledStr::from(format!("the option for this is {instead}"));
        error.insert(ContextKind::Suggested, ContextValue::StyledStrs(vec![tip]));
    }
    error
}

#[cfg(test)]
mod tests {
    use std::ffi::OsString;

    use crate::args::Args;

    fn said(line: &str) -> String {
        Args::of(line.split(' ').map(OsString::from).collect()).unwrap_err().to_string()
    }

    #[test]
    fn an_option_of_another_loader_is_told_by_its_name_here() {
        for (line, tip) in [
            ("x run d --drop-last", "tip: the option for this is --last drop\n"),
            ("x run d --num-workers 3", "tip: the option for this is --workers N\n"),
            ("x tune d --batch_size=3", "tip: the option for this is --batch-size N\n"),
        ] {
            assert!(said(line).contains(tip), "{}", said(line));
        }
        assert!(!said("x check d --drop-last").contains("--last drop"));
    }

    #[test]
    fn nobody_is_told_to_pass_an_option_as_a_path() {
        for line in ["x run d --drop-last", "x check d --drop-last", "x run d --qqq"] {
            assert!(!said(line).contains("-- --"), "{}", said(line));
        }
    }
}
