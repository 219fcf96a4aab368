//! `completions`: a completion script for a shell.

use clap::CommandFactory as _;

use crate::args::{Args, CompletionsArgs};
use crate::terminal::console::Console;
use crate::terminal::exit::{Failure, Result};

pub(crate) fn run(args: &CompletionsArgs, console: &mut Console) -> Result {
    let mut command = Args::command();
    let name = command.get_name().to_owned();
    // Into memory first, because the generators panic if they cannot write.
    let mut script = Vec::new();
    clap_complete::generate(args.shell, &mut command, &name, &mut script);
    let script = String::from_utf8(script).map_err(Failure::failed)?;
    // In half of its script for bash, clap_complete 4.6 takes the dash in a program's name for one
    // between commands, and then the script completes no option.
    let script = script.replace(&name.replace('-', "__subcmd__"), &name.replace('-', "__"));
    Ok(console.out().write_all(script.as_bytes())?)
}
