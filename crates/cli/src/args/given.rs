//! The command line as it was understood, for reports that are kept and compared.

use std::any::TypeId;
use std::time::Duration;

use clap::builder::ValueParser;
use clap::{Arg, ArgAction, ArgMatches, Command};
use serde_json::{Map, Value, json};

use crate::machine::system;

/// What every object of `--json` begins with: the version, the command, and all its arguments, with
/// the defaults of those that were not given.
#[derive(Debug, Clone)]
pub(crate) struct Given {
    command: String,
    settings: Map<String, Value>,
}

impl Given {
    /// Reads the matches of `command`, or of the subcommand that was called; without one, `default`
    /// was.
    pub(crate) fn of(command: &Command, matches: &ArgMatches, default: &str) -> Self {
        let called = matches
            .subcommand()
            .and_then(|(name, matches)| Some((name, matches, command.find_subcommand(name)?)));
        let (name, matches, command) = called.unwrap_or((default, matches, command));
        let is_own = |arg: &&Arg| !arg.is_global_set() && !is_help(arg.get_action());
        let settings =
            command.get_arguments().filter(is_own).map(|arg| (key(arg), value(arg, matches)));
        Self { command: name.to_owned(), settings: settings.collect() }
    }

    /// Whether the report should be JSON.
    pub(crate) fn is_json(&self) -> bool {
        self.settings.get("json") == Some(&Value::Bool(true))
    }

    /// The object of a report: first what all of them begin with, then `found`.
    pub(crate) fn object(&self, found: Value) -> Value {
        let mut object = json!({
            "tallow": env!("CARGO_PKG_VERSION"),
            "command": self.command,
            "settings": self.settings,
            "machine": system::described(),
        });
        if let (Some(object), Value::Object(found)) = (object.as_object_mut(), found) {
            object.extend(found);
        }
        object
    }
}

/// Whether it prints something else instead of a report.
fn is_help(action: &ArgAction) -> bool {
    use ArgAction::{Help, HelpLong, HelpShort, Version};
    matches!(action, Help | HelpLong | HelpShort | Version)
}

/// The option without its leading dashes, or the argument in lower case.
fn key(arg: &Arg) -> String {
    arg.get_long().unwrap_or(arg.get_id().as_str()).replace('-', "_")
}

/// Numbers, flags and milliseconds as such, and everything else as it was typed.
fn value(arg: &Arg, matches: &ArgMatches) -> Value {
    let id = arg.get_id().as_str();
    let parser = arg.get_value_parser();
    let typed = match () {
        () if is::<bool>(parser) => matches.get_one::<bool>(id).map(|&it| json!(it)),
        () if is::<usize>(parser) => matches.get_one::<usize>(id).map(|&it| json!(it)),
        () if is::<u64>(parser) => matches.get_one::<u64>(id).map(|&it| json!(it)),
        () if is::<u32>(parser) => matches.get_one::<u32>(id).map(|&it| json!(it)),
        () if is::<u8>(parser) => matches.get_one::<u8>(id).map(|&it| json!(it)),
        () if is::<f64>(parser) => matches.get_one::<f64>(id).map(|&it| json!(it)),
        () if is::<Duration>(parser) => {
            matches.get_one::<Duration>(id).map(|it| json!(it.as_secs_f64() * 1e3))
        }
        () => None,
    };
    let words: Vec<_> = matches.get_raw(id).into_iter().flatten().collect();
    let mut words = words.into_iter();
    let text = |word: &std::ffi::OsStr| json!(word.to_string_lossy());
    match arg.get_action() {
        // One SOURCE is a word, as it always was.
        ArgAction::Append if arg.is_positional() && words.len() < 2 => {
            words.next().map_or(Value::Null, text)
        }
        ArgAction::Append => words.map(text).collect(),
        _ => typed.or_else(|| words.next().map(text)).unwrap_or(Value::Null),
    }
}

fn is<T: 'static>(parser: &ValueParser) -> bool {
    parser.type_id() == TypeId::of::<T>()
}
