//! Standard output and standard error.

use std::fmt;
use std::fs;
use std::io::{self, BufWriter, IsTerminal as _, StdoutLock, Write};
use std::path::Path;

use anstream::AutoStream;
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use serde_json::{Value, json};

use crate::args::given::Given;
use crate::terminal::escape::{self, escaped, visible};
use crate::terminal::exit::Result;
use crate::terminal::{style, words};

/// Where a command writes: its report to standard output, everything else to standard error.
///
/// Names of files and fields are escaped where they are printed. In case one was forgotten,
/// everything is escaped here again, so that a terminal never obeys it.
#[derive(Debug)]
pub(crate) struct Console {
    out: Visible<BufWriter<AutoStream<StdoutLock<'static>>>>,
    given: Given,
    /// Whether an object was printed; there is only one.
    printed: bool,
}

impl Console {
    pub(crate) fn new(given: Given) -> Self {
        let out = BufWriter::new(AutoStream::auto(io::stdout().lock()));
        Self { out: Visible { out, line: Vec::new() }, given, printed: false }
    }

    /// Prints the results as one object, after the version and the settings.
    pub(crate) fn print(&mut self, found: Value) -> io::Result<()> {
        self.printed = true;
        writeln!(self.out, "{}", escape::json(&self.given.object(found)))
    }

    /// The same, with the list `name` before the results. `lines` writes one object per line, so
    /// that a million of them are never in memory together.
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
            write!(out, "{before}{}", escape::json(line))?;
            before = ",\n";
            Ok(())
        })?;
        let object = escape::json(&self.given.object(found));
        let end = if before == "\n" { "" } else { "\n" };
        writeln!(out, "{end}],{}", object.trim_start_matches('{'))?;
        Ok(())
    }

    /// If JSON was asked for and none was printed, prints why.
    pub(crate) fn print_failure<T>(&mut self, result: &Result<T>) {
        let Err(failure) = result else { return };
        if let (true, false, Some(error)) = (self.given.is_json(), self.printed, failure.as_json())
        {
            // If this fails, flushing will tell.
            let _ = self.print(json!({ "error": error }));
        }
    }

    /// Says on standard error that a file was written, and its size.
    pub(crate) fn tell_written(&mut self, path: &Path) {
        // There is nothing to say about a pipe or standard output.
        if let Some(file) = fs::metadata(path).ok().filter(fs::Metadata::is_file) {
            let (path, bytes) = (path.display().to_string(), words::bytes(file.len()));
            self.tell(format_args!("wrote {}, {bytes}", words::one_line(&path)));
        }
    }

    /// Standard output.
    pub(crate) fn out(&mut self) -> &mut dyn Write {
        &mut self.out
    }

    /// Writes what is still buffered, so that a failure is noticed.
    pub(crate) fn finish(&mut self) -> Result {
        Ok(self.out.flush()?)
    }

    /// Prints a line on standard error. If that fails, the command goes on.
    pub(crate) fn tell(&mut self, line: impl fmt::Display) {
        let _ = writeln!(io::stderr(), "{}", visible(&line.to_string()));
    }

    /// Prints the first lines of a list on standard error, and how many more there are.
    pub(crate) fn tell_some<T: fmt::Display>(&mut self, what: &str, lines: &[T], total: usize) {
        let what = style::problem(what);
        for line in lines {
            self.tell(format_args!("{what} {}", escaped(&line.to_string())));
        }
        if total > lines.len() {
            self.tell(format_args!("{what} and {} more", total - lines.len()));
        }
    }

    /// A progress bar of `steps` steps, on standard error if that is a terminal.
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

/// Writes whole lines, escaped.
#[derive(Debug)]
struct Visible<W> {
    out: W,
    /// The beginning of a line that has no end yet.
    line: Vec<u8>,
}

impl<W: Write> Write for Visible<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let Some(end) = bytes.iter().rposition(|&byte| byte == b'\n') else {
            self.line.extend(bytes);
            return Ok(bytes.len());
        };
        let (lines, rest) = bytes.split_at(end + 1);
        self.line.extend(lines);
        self.out.write_all(visible(&String::from_utf8_lossy(&self.line)).as_bytes())?;
        self.line.clear();
        self.line.extend(rest);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        let rest = std::mem::take(&mut self.line);
        self.out.write_all(visible(&String::from_utf8_lossy(&rest)).as_bytes())?;
        self.out.flush()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_in_pieces_is_one_line() {
        let mut bytes = Vec::new();
        let mut out = Visible { out: &mut bytes, line: Vec::new() };
        for piece in ["caf\u{c3}\u{a9}\u{1b}[", "1mbold\u{1b}[0m", "\n\u{1b}[", "2J"] {
            out.write_all(piece.as_bytes()).unwrap();
        }
        // Half of a character at a time.
        "\u{e9}\n".bytes().for_each(|byte| out.write_all(&[byte]).unwrap());
        out.write_all(b"end").unwrap();
        out.flush().unwrap();
        let said = String::from_utf8(bytes).unwrap();
        assert_eq!(said, "caf\u{c3}\u{a9}\u{1b}[1mbold\u{1b}[0m\n\\u{1b}[2J\u{e9}\nend");
    }
}
