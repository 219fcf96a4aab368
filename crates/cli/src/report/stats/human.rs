//! The report of `stats` for people.

use std::io::{self, Write};

use super::{HEAD, Stats, class, classes, lengths};
use crate::report::human::write_augmented;
use crate::terminal::style::Labelled;
use crate::terminal::words::{count, counted, one_line};

/// Classes that are listed; more are a matter for --json.
const CLASSES_MAX: usize = 20;

pub(crate) fn stats(out: &mut dyn Write, report: &Stats) -> io::Result<()> {
    let out: &mut dyn Write = &mut Labelled::new(out);
    let found = &report.found;
    let mut samples = counted(found.samples() as u64, "sample");
    if found.failed() > 0 {
        samples += &format!(", and {} that could not be read", count(found.failed() as u64));
    }
    writeln!(out, "source    {}", one_line(&report.source))?;
    writeln!(out, "          {samples}")?;
    if let Some(augmented) = &report.augmented {
        write_augmented(out, augmented)?;
    }
    write_table(out, report)?;
    for (at, of) in found.fields().iter().filter(|of| !of.classes().is_empty()).enumerate() {
        let said = classes(of).unwrap_or_default();
        writeln!(out, "{} {said}", if at == 0 { "classes  " } else { "         " })?;
        if of.classes().len() <= CLASSES_MAX {
            let each = of.classes().iter().map(|of| format!("{} {}", class(of), count(of.count)));
            writeln!(out, "          {}", each.collect::<Vec<_>>().join(", "))?;
        }
    }
    let all = found.fields().iter();
    let all = all.flat_map(|of| of.lengths().iter().map(move |axis| lengths(of, axis)));
    for (at, said) in all.enumerate() {
        writeln!(out, "{} {said}", if at == 0 { "lengths  " } else { "         " })?;
    }
    for (name, step) in report.normalizations() {
        writeln!(out, "normalize {name}: {step}")?;
    }
    Ok(())
}

fn write_table(out: &mut dyn Write, report: &Stats) -> io::Result<()> {
    let rows = report.rows();
    let head: Vec<String> = HEAD.iter().map(|&word| word.to_owned()).collect();
    let width = |column: usize| {
        let cells = rows.iter().chain([&head]).map(|row| row[column].chars().count());
        cells.max().unwrap_or(0)
    };
    let widths: Vec<usize> = (0..head.len()).map(width).collect();
    for (at, row) in std::iter::once(&head).chain(&rows).enumerate() {
        let label = if at == 0 { "numbers  " } else { "         " };
        let cells = row.iter().zip(&widths).enumerate().map(|(column, (cell, &width))| {
            if column == 0 { format!("{cell:width$}") } else { format!("{cell:>width$}") }
        });
        writeln!(out, "{label} {}", cells.collect::<Vec<_>>().join("  "))?;
    }
    Ok(())
}
