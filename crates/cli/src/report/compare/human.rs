//! The comparison as a table, with notes on its rows.

use std::io::{self, Write};

use super::{Compare, Entry, Measured, Outcome};
use crate::report::human::write_schema;
use crate::terminal::words::{bytes, count, counted, duration, one_line};

const HEADS: [&str; 10] = [
    "",
    "samples/s",
    "(min to max)",
    "MB/s",
    "CPU-s/GB",
    "peak memory",
    "first batch",
    "start",
    "Tallow: speed",
    "CPU",
];

pub(crate) fn write(out: &mut dyn Write, report: &Compare) -> io::Result<()> {
    writeln!(out, "source    {}", one_line(&report.source))?;
    writeln!(
        out,
        "          {}, {} in files, shuffled, in batches of {}",
        counted(report.samples as u64, "sample"),
        bytes(report.file_bytes),
        count(report.batch_size as u64)
    )?;
    write_schema(out, &report.schema)?;
    if let Some(augment) = &report.augment {
        writeln!(out, "augment   {}", augment.chain)?;
        writeln!(out, "delivers  {}", augment.delivers)?;
    }
    writeln!(out, "machine   {}", one_line(&report.machine))?;
    writeln!(out, "cache     {}", cache(report))?;
    writeln!(
        out,
        "rounds    {}, in which all take turns, with {} each",
        report.rounds,
        counted(report.workers as u64, "worker")
    )?;
    writeln!(out)?;
    write_table(out, report)?;
    writeln!(out)?;
    writeln!(
        out,
        "Medians of the rounds. Tallow: its speed as a multiple of the contender's, and the CPU \
         time of the\ncontender for the same bytes as a multiple of its own. Memory includes all \
         processes, with interpreter\nand libraries; start is the time until the first epoch can \
         begin."
    )?;
    writeln!(out)?;
    report.entries.iter().try_for_each(|entry| write_notes(out, entry))?;
    writeln!(out, "command   {}", one_line(&report.command))
}

pub(super) fn cache(report: &Compare) -> &'static str {
    match report.fits_page_cache() {
        Some(true) => "warm: each contender had read every file before the clock ran",
        Some(false) => "the files take more than half of the memory, and may have come from disk",
        None => "each contender had read every file before the clock ran; memory size unknown",
    }
}

fn write_table(out: &mut dyn Write, report: &Compare) -> io::Result<()> {
    let mut lines = vec![HEADS.map(str::to_owned)];
    for (entry, measured) in report.measured() {
        lines.push(cells(entry, measured, report.ratios(measured)));
    }
    let widths: Vec<usize> = (0..HEADS.len())
        .map(|column| lines.iter().map(|line| line[column].len()).max().unwrap_or(0))
        .collect();
    for line in lines {
        let (name, rest) = line.split_first().unwrap_or((&line[0], &[]));
        write!(out, "{name:width$}", width = widths[0])?;
        for (cell, width) in rest.iter().zip(&widths[1..]) {
            write!(out, "  {cell:>width$}")?;
        }
        writeln!(out)?;
    }
    Ok(())
}

pub(super) fn cells(
    entry: &Entry,
    measured: &Measured,
    ratios: Option<(f64, f64)>,
) -> [String; 10] {
    let (least, most) = measured.range();
    let (speed, cpu) = match ratios {
        Some((speed, cpu)) => (format!("{speed:.2}"), format!("{cpu:.2}")),
        None => ("-".to_owned(), "-".to_owned()),
    };
    [
        titled(entry),
        count(measured.samples_per_second() as u64),
        format!("({} to {})", count(least as u64), count(most as u64)),
        count((measured.bytes_per_second() / 1e6).round() as u64),
        format!("{:.2}", measured.cpu_per_gigabyte()),
        bytes(measured.peak_bytes()),
        duration(measured.first_batch()),
        duration(measured.starting),
        speed,
        cpu,
    ]
}

fn titled(entry: &Entry) -> String {
    match &entry.version {
        Some(version) => format!("{} {}", entry.name, one_line(version)),
        None => entry.name.to_owned(),
    }
}

fn write_notes(out: &mut dyn Write, entry: &Entry) -> io::Result<()> {
    match &entry.outcome {
        Outcome::Measured(_) => {}
        Outcome::Absent(why) => return writeln!(out, "{}: absent, {}", entry.name, one_line(why)),
        Outcome::LeftOut(why) => {
            return writeln!(out, "{}: left out, {}", entry.name, one_line(why));
        }
        Outcome::Failed(why) => return writeln!(out, "{}: failed, {}", entry.name, one_line(why)),
    }
    if let Some(form) = form(entry) {
        writeln!(out, "{}: {form}", entry.name)?;
    }
    entry.notes.iter().try_for_each(|note| writeln!(out, "{}: {}", entry.name, one_line(note)))
}

/// How it was used, and which other ways were slower.
pub(super) fn form(entry: &Entry) -> Option<String> {
    let form = entry.form.as_ref()?;
    let tried = entry.tried.iter().filter(|(name, _)| name != form);
    let tried: Vec<String> = tried.map(|(name, _)| one_line(name)).collect();
    let slower =
        if tried.is_empty() { String::new() } else { format!("; slower: {}", tried.join("; ")) };
    Some(format!("{}{slower}", one_line(form)))
}
