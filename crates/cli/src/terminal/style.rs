//! Colour, on a terminal that supports it and nowhere else.
//!
//! Reports are always written with colours, and the console strips them where they are not wanted.
//! `NO_COLOR`, `CLICOLOR` and `CLICOLOR_FORCE` have their usual meaning, and `--color` overrides
//! them.

use std::ffi::OsString;
use std::io::{self, Write};

use anstream::{AutoStream, ColorChoice};
use anstyle::{AnsiColor, Effects, Style};
use clap::ValueEnum;

/// Words that say what follows.
pub(crate) const LABEL: Style = Style::new().effects(Effects::DIMMED);
/// The conclusion of a report.
pub(crate) const VERDICT: Style = Style::new().effects(Effects::BOLD);
/// All is well.
pub(crate) const GOOD: Style = AnsiColor::Green.on_default();
/// Something that can be improved.
pub(crate) const ADVICE: Style = AnsiColor::Yellow.on_default();
/// Something is wrong.
pub(crate) const BAD: Style = AnsiColor::Red.on_default().effects(Effects::BOLD);

/// The column after the labels.
const COLUMN: usize = 10;

/// When to use colour.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Color {
    Auto,
    Always,
    Never,
}

impl Color {
    /// The choice in a command line, even if the parser will not accept the line.
    pub(crate) fn among(words: &[OsString]) -> Self {
        let after = |(at, word): (usize, &OsString)| match word.to_str()? {
            "--color" => words.get(at + 1)?.to_str().map(str::to_owned),
            word => word.strip_prefix("--color=").map(str::to_owned),
        };
        let said = words.iter().enumerate().find_map(after);
        said.and_then(|word| Self::from_str(&word, false).ok()).unwrap_or(Self::Auto)
    }
}

/// Applies `--color` to the whole process, including what the parser prints.
pub(crate) fn choose(color: Color) {
    let choice = match color {
        Color::Auto => ColorChoice::Auto,
        Color::Always => ColorChoice::Always,
        Color::Never => ColorChoice::Never,
    };
    choice.write_global();
}

/// The word before a message on standard error, such as `error:`.
pub(crate) fn problem(what: &str) -> String {
    let style = if what == "error" { BAD } else { ADVICE };
    match AutoStream::choice(&io::stderr()) {
        ColorChoice::Never => format!("{what}:"),
        _ => format!("{style}{what}:{style:#}"),
    }
}

/// Colours a report whose lines begin with a label: the labels, the line that names the limit, and
/// what failed. A report ends with a line break, so nothing is left over.
pub(crate) struct Labelled<'a> {
    out: &'a mut dyn Write,
    line: Vec<u8>,
}

impl<'a> Labelled<'a> {
    pub(crate) fn new(out: &'a mut dyn Write) -> Self {
        Self { out, line: Vec::new() }
    }

    fn write_line(&mut self) -> io::Result<()> {
        let Self { out, line } = self;
        let (label, rest) = line.split_at(label_len(line));
        let rest_style = match label {
            b"limit" => VERDICT,
            b"errors" => BAD,
            b"faults" => ADVICE,
            _ => Style::new(),
        };
        let label_style = if rest_style == Style::new() { LABEL } else { rest_style };
        if !label.is_empty() {
            write!(out, "{label_style}")?;
            out.write_all(label)?;
            write!(out, "{label_style:#}")?;
        }
        write!(out, "{rest_style}")?;
        out.write_all(rest.strip_suffix(b"\n").unwrap_or(rest))?;
        writeln!(out, "{rest_style:#}")?;
        line.clear();
        Ok(())
    }
}

impl Write for Labelled<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        for part in bytes.split_inclusive(|&byte| byte == b'\n') {
            self.line.extend(part);
            if part.ends_with(b"\n") {
                self.write_line()?;
            }
        }
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        self.out.flush()
    }
}

/// The length of the label that a line begins with; 0 if there is none.
fn label_len(line: &[u8]) -> usize {
    match line.get(..COLUMN) {
        Some([b'a'..=b'z', .., b' ']) => line[..COLUMN].trim_ascii_end().len(),
        _ => 0,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn colour_is_known_before_anything_else() {
        let among =
            |line: &str| Color::among(&line.split(' ').map(OsString::from).collect::<Vec<_>>());
        assert_eq!(among("x run --color never --frob"), Color::Never);
        assert_eq!(among("x run --color=always"), Color::Always);
        assert_eq!((among("x --color"), among("x --color red")), (Color::Auto, Color::Auto));
    }

    fn styled(report: &str) -> String {
        let mut bytes = Vec::new();
        let mut labelled = Labelled::new(&mut bytes);
        // In pieces, as formatting writes it.
        report.as_bytes().chunks(7).for_each(|piece| labelled.write_all(piece).unwrap());
        String::from_utf8(bytes).unwrap()
    }

    #[test]
    fn labels_are_dim_and_the_limit_stands_out() {
        let report = "source    a\n          more\nlimit     the disk\nwrote it all, at once\n";
        let expected = "\u{1b}[2msource\u{1b}[0m    a\n          more\n\
                        \u{1b}[1mlimit\u{1b}[0m\u{1b}[1m     the disk\u{1b}[0m\n\
                        wrote it all, at once\n";
        assert_eq!(styled(report), expected);
    }

    #[test]
    fn without_colour_the_bytes_are_those_that_were_written() {
        let report = "source    x\u{e9}\n\nerrors    2 failed\nno label\n";
        assert_eq!(anstream::adapter::strip_str(&styled(report)).to_string(), report);
    }
}
