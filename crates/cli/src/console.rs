//! Standard output and standard error.

use std::fmt;
use std::fs;
use std::io::{self, BufWriter, IsTerminal as _, StdoutLock, Write};
use std::path::Path;

use anstream::AutoStream;
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use serde_json::{Value, json};

use crate::exit::Result;
use crate::given::Given;
use crate::report::human;
use crate::style;

/// Where a command writes: its report to standard output, everything else to standard error.
#[derive(Debug)]
pub(crate) struct Console {
    out: BufWriter<AutoStream<StdoutLock<'static>>>,
    given: Given,
    /// Whether an object was printed: there is but one.
    printed: bool,
}

impl Console {
    pub(crate) fn new(given: Given) -> Self {
        let out = BufWriter::new(AutoStream::auto(io::stdout().lock()));
        Self { out, given, printed: false }
    }

    /// Prints what was found as one object, after the version and the settings.
    pub(crate) fn print(&mut self, found: Value) -> io::Result<()> {
        self.printed = true;
        writeln!(self.out, "{}", self.given.object(found))
    }

    /// The same, with the list `name` before what was found: `lines` writes an object on each line,
    /// so that a million of them are never in memory.
    pub(crate) fn print_list<E: From<io::Error>>(
        &mut self,
        name: &str,
        lines: impl FnOnce(&mut dyn FnMut(&Value) -> io::Result<()>) -> Result<Value, E>,
    ) -> Result<(), E> {
        self.printed = true;
        let out = &mut self.out;
        write!(out, "{{{}:[", Value::from(name))?;
        let mut before = "\n";
        let found = lines(&mut |line| {
            write!(out, "{before}{line}")?;
            before = ",\n";
            Ok(())
        })?;
        let object = self.given.object(found).to_string();
        let end = if before == "\n" { "" } else { "\n" };
        writeln!(out, "{end}],{}", object.trim_start_matches('{'))?;
        Ok(())
    }

    /// Where JSON was asked for and none was printed, why.
    pub(crate) fn print_failure<T>(&mut self, result: &Result<T>) {
        let Err(failure) = result else { return };
        if let (true, false, Some(error)) = (self.given.is_json(), self.printed, failure.as_json())
        {
            // If nobody reads it, that is told when all is flushed.
            let _ = self.print(json!({ "error": error }));
        }
    }

    /// Says on standard error that a file was written, and how large it is.
    pub(crate) fn tell_written(&mut self, path: &Path) {
        // Of a pipe, or the standard output, there is nothing to say.
        if let Some(file) = fs::metadata(path).ok().filter(fs::Metadata::is_file) {
            let (path, bytes) = (path.display().to_string(), human::bytes(file.len()));
            self.tell(format_args!("wrote {}, {bytes}", human::one_line(&path)));
        }
    }

    /// Standard output.
    pub(crate) fn out(&mut self) -> &mut dyn Write {
        &mut self.out
    }

    /// Writes what is still buffered, so that a failure to do so is seen.
    pub(crate) fn finish(&mut self) -> Result {
        Ok(self.out.flush()?)
    }

    /// A line on standard error. That nobody may read it is no reason to stop.
    pub(crate) fn tell(&mut self, line: impl fmt::Display) {
        let _ = writeln!(io::stderr(), "{line}");
    }

    /// The first lines of a list on standard error, and how many more there are.
    pub(crate) fn tell_some<T: fmt::Display>(&mut self, what: &str, lines: &[T], total: usize) {
        let what = style::problem(what);
        for line in lines {
            self.tell(format_args!("{what} {line}"));
        }
        if total > lines.len() {
            self.tell(format_args!("{what} .. {total} in all"));
        }
    }

    /// A bar for `steps` steps, drawn on standard error if that is a terminal.
    pub(crate) fn progress(&self, what: &'static str, steps: u64) -> ProgressBar {
        let terminal = io::stderr().is_terminal();
        let hidden = ProgressDrawTarget::hidden();
        let target = if terminal { ProgressDrawTarget::stderr() } else { hidden };
        let template = "{msg} [{bar:32}] {human_pos}/{human_len} ({eta} left)";
        let style = ProgressStyle::with_template(template)
            .unwrap_or_else(|_| ProgressStyle::default_bar())
            .progress_chars("=> ");
        ProgressBar::with_draw_target(Some(steps), target).with_style(style).with_message(what)
    }
}
