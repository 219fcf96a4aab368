//! The command line as data: the commands, their options, and how values are parsed.

mod commands;
mod examples;
mod fields;
pub(crate) mod given;
mod load;
mod mix;
mod numbers;
mod output;
mod shape;
mod source;
mod tips;

use std::ffi::OsString;

use clap::error::ErrorKind;
use clap::parser::ValueSource;
use clap::{Args as _, CommandFactory as _, FromArgMatches as _, Parser, Subcommand};

pub(crate) use commands::{
    BuiltIn, CatalogueArgs, CheckArgs, CompareArgs, CompletionsArgs, ContendArgs, DemoArgs,
    DigestArgs, DoctorArgs, ExplainArgs, GenArgs, InspectArgs, ListArgs, ManArgs, PackArgs,
    PackFormat, PreviewArgs, RunArgs, StatsArgs, Storage, TuneArgs,
};
use examples::{
    CATALOGUE_EXAMPLES, CHECK_EXAMPLES, COMPARE_EXAMPLES, COMPLETIONS_EXAMPLES, DEMO_EXAMPLE,
    DIGEST_EXAMPLES, DOCTOR_EXAMPLE, EXPLAIN_EXAMPLES, GEN_EXAMPLES, INSPECT_EXAMPLES,
    LIST_EXAMPLE, MAN_EXAMPLES, PACK_EXAMPLES, PREVIEW_EXAMPLES, RUN_EXAMPLES, STATS_EXAMPLES,
    TUNE_EXAMPLES,
};
pub(crate) use fields::{AugmentArgs, FieldArgs};
use given::Given;
pub(crate) use load::{DeviceArg, Last, LoadArgs, RankArg, Workers};
pub(crate) use mix::{MixArgs, StepsArg, UntilArg, WeightsArg};
pub(crate) use source::{PackArg, Ragged, SourceArgs};

use crate::terminal::style::Color;

/// Find out whether training waits for its data, why, and how to fix it
#[derive(Debug, Parser)]
#[command(name = "bench-loader", version, after_help = examples::PROGRAM)]
pub(crate) struct Args {
    #[command(subcommand)]
    pub(crate) command: Option<Command>,
    #[command(flatten)]
    pub(crate) demo: DemoArgs,
    /// When to use colour; auto means on a terminal that supports it
    #[arg(long, value_name = "WHEN", value_enum, default_value_t = Color::Auto, global = true)]
    pub(crate) color: Color,
}

impl Args {
    /// Parses a command line that begins with the name of the program. Also returns what a report
    /// says about it.
    ///
    /// The options of `demo` work without its name, but not before another command, where they
    /// would have no effect. clap's own check would refuse `--color` there too.
    pub(crate) fn of(words: Vec<OsString>) -> Result<(Self, Given), clap::Error> {
        // About a negative number, its option can say more than that it is unexpected.
        let mut command = Self::command().mut_subcommands(|it| it.allow_negative_numbers(true));
        let called = words.iter().filter_map(|word| command.find_subcommand(word));
        let called = called.map(|called| called.get_name().to_owned()).next();
        let matches = command.try_get_matches_from_mut(words).map_err(|error| {
            let called = called.and_then(|name| command.find_subcommand(name));
            tips::instead(error, called.unwrap_or(&command))
        })?;
        let demo = DemoArgs::augment_args(clap::Command::new("demo"));
        let given = |id: &str| matches.value_source(id) == Some(ValueSource::CommandLine);
        let stray = demo.get_arguments().find(|option| given(option.get_id().as_str()));
        let stray = stray.and_then(clap::Arg::get_long);
        if let (Some((name, _)), Some(option)) = (matches.subcommand(), stray) {
            let message = format!("--{option} comes before {name}; put options after the command");
            return Err(command.error(ErrorKind::ArgumentConflict, message));
        }
        let given = Given::of(&command, &matches, "demo");
        Ok((Self::from_arg_matches(&matches)?, given))
    }
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Load real handwritten digits and report how fast that was (the default)
    #[command(after_help = DEMO_EXAMPLE)]
    Demo(DemoArgs),
    /// Write random samples with targets, as .npy or .safetensors files
    #[command(after_help = GEN_EXAMPLES)]
    Gen(GenArgs),
    /// Show settings of this machine that slow loading, and how to fix them
    #[command(after_help = DOCTOR_EXAMPLE)]
    Doctor(DoctorArgs),
    /// Show what a data set holds: fields, samples, sizes, shapes that differ, and some values
    #[command(after_help = INSPECT_EXAMPLES)]
    Inspect(InspectArgs),
    /// Write the names, lengths and entity tags of the objects of a store to a file, which is then a SOURCE
    #[command(after_help = LIST_EXAMPLE)]
    List(ListArgs),
    /// Read every sample and list every problem
    #[command(after_help = CHECK_EXAMPLES)]
    Check(CheckArgs),
    /// Find mean and deviation of each channel, and the samples of each class and length, in one pass
    #[command(after_help = STATS_EXAMPLES)]
    Stats(StatsArgs),
    /// Write the samples of any source into few files, which load faster, and verify them
    #[command(after_help = PACK_EXAMPLES)]
    Pack(PackArgs),
    /// Load epochs and report throughput, waits, stages, CPU time and memory
    #[command(after_help = RUN_EXAMPLES)]
    Run(RunArgs),
    /// Find the number of workers and of batches ahead that loads fastest, and explain why
    #[command(after_help = TUNE_EXAMPLES)]
    Tune(TuneArgs),
    /// Compare Tallow with other loaders on the same files: a plain candle loop, and torch, DALI,
    /// SPDL and Grain if they are installed for Python
    #[command(after_help = COMPARE_EXAMPLES)]
    Compare(CompareArgs),
    /// Run one of the built-in contenders of `compare`
    #[command(hide = true)]
    Contend(ContendArgs),
    /// Print one hash of everything that is delivered
    #[command(after_help = DIGEST_EXAMPLES)]
    Digest(DigestArgs),
    /// List the steps that --augment accepts, with their arguments, or describe one of them
    #[command(after_help = CATALOGUE_EXAMPLES)]
    Catalogue(CatalogueArgs),
    /// Show how a chain of augmentations is split into passes over the pixels, and why
    #[command(after_help = EXPLAIN_EXAMPLES)]
    Explain(ExplainArgs),
    /// Write a PNG of samples beside augmented views of them
    #[command(after_help = PREVIEW_EXAMPLES)]
    Preview(PreviewArgs),
    /// Print a completion script for a shell
    #[command(after_help = COMPLETIONS_EXAMPLES)]
    Completions(CompletionsArgs),
    /// Print a man page
    #[command(after_help = MAN_EXAMPLES)]
    Man(ManArgs),
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_command_line_is_consistent() {
        Args::command().debug_assert();
    }

    /// The lines of a help text that begin with the name of the program, up to a pipe or a
    /// redirection.
    fn examples(help: &str) -> Vec<Vec<String>> {
        let help = help.replace("\\\n", "");
        let lines = help.lines().filter(|line| line.starts_with("  bench-loader "));
        let words = |line: &str| {
            let parts = line.split('\'').enumerate();
            let words = parts.flat_map(|(at, part)| match at % 2 {
                0 => part.split_whitespace().map(str::to_owned).collect(),
                _ => vec![part.to_owned()],
            });
            words.take_while(|word| !["|", ">"].contains(&word.as_str())).collect()
        };
        lines.map(words).collect()
    }

    #[test]
    fn every_example_of_every_command_can_be_typed() {
        let commands = Args::command();
        for command in commands.get_subcommands().filter(|command| !command.is_hide_set()) {
            let help = command.get_after_help().map(ToString::to_string).unwrap_or_default();
            let (name, examples) = (command.get_name(), examples(&help));
            assert!(!examples.is_empty(), "{name} has no example");
            for example in examples {
                let parsed = Args::of(example.iter().map(OsString::from).collect()).map(drop);
                assert!(parsed.is_ok(), "{}", parsed.unwrap_err());
                assert_eq!(example[1], name, "an example of another command");
            }
        }
    }

    #[test]
    fn options_of_the_default_command_come_before_no_other() {
        let parse = |line: &str| Args::of(line.split(' ').map(OsString::from).collect());
        assert!(parse("x --epochs 2").is_ok() && parse("x --color never run d").is_ok());
        assert!(parse("x run d --color never").is_ok());
        let error = parse("x --json run d").unwrap_err().to_string();
        assert!(error.contains("--json comes before run"), "{error}");
    }
}
