//! Standard output and standard error.

use std::fmt;
use std::io::{self, BufWriter, IsTerminal as _, StdoutLock, Write};

use anstream::AutoStream;
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

use crate::exit::Result;
use crate::style;

/// Where a command writes: its report to standard output, everything else to standard error.
#[derive(Debug)]
pub(crate) struct Console {
    out: BufWriter<AutoStream<StdoutLock<'static>>>,
}

impl Console {
    pub(crate) fn new() -> Self {
        Self { out: BufWriter::new(AutoStream::auto(io::stdout().lock())) }
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
