//! `man`: the help as man pages.

use clap::{Command, CommandFactory as _};

use crate::args::{Args, ManArgs};
use crate::terminal::console::Console;
use crate::terminal::exit::{Failure, Result};

pub(crate) fn run(args: &ManArgs, console: &mut Console) -> Result {
    let mut program = Args::command();
    // Gives each command the options that all of them share.
    program.build();
    let command = match &args.command {
        Some(name) => subcommand(&program, name)?,
        None => program,
    };
    Ok(clap_mangen::Man::new(command).render(&mut console.out())?)
}

fn subcommand(program: &Command, name: &str) -> Result<Command> {
    if let Some(command) = program.find_subcommand(name) {
        return Ok(command.clone());
    }
    let names: Vec<&str> =
        program.get_subcommands().filter(|it| !it.is_hide_set()).map(Command::get_name).collect();
    let message = format!("there is no command {name:?}, expected one of {}", names.join(", "));
    Err(Failure::Usage(message))
}
