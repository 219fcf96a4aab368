//! The comparison as a page.

use std::iter;

use maud::{Render as _, html};

use super::human::{cache, cells, form};
use super::{Compare, Entry, Measured, Outcome};
use crate::html::{
    Bars, Fact, Figure, Mood, Page, Part, Row, Section, Tone, Unit, Verdict, Whole, facts, table,
};
use crate::report::html::{Surroundings, fact, fields, machine, text, time};
use crate::terminal::words::{bytes, count, counted, one_line};

pub(crate) fn page(report: &Compare, around: &Surroundings) -> Page {
    let mut sections = Vec::new();
    if report.measured().next().is_some() {
        sections.extend([speed(report), cost(report), numbers(report)]);
    }
    sections.extend(missing(report));
    sections.extend(notes(report));
    sections.extend([setup(report), versions(report), machine(around)]);
    Page {
        title: format!("bench-loader compare: {}", one_line(&report.source)),
        verdict: verdict(report),
        figures: figures(report),
        sections,
        command: around.command.clone(),
    }
}

/// Whether Tallow is the fastest, by how much, and whether that is certain.
fn verdict(report: &Compare) -> Verdict {
    let tallow = report.entries.first().and_then(Entry::measured);
    let (mood, sentence) = match (tallow, report.best_other()) {
        (None, _) => {
            (Mood::Bad, text("Tallow did not do the work, so there is nothing to compare."))
        }
        (Some(_), None) => (Mood::Plain, text("There is nothing to compare Tallow with.")),
        (Some(tallow), Some((entry, other))) => beside(tallow, entry, other),
    };
    let mut more = Vec::new();
    if let Some((entry, _, ratio)) = cpu(report) {
        more.push(match ratio {
            ratio if ratio >= 1.0 => {
                format!("For the same bytes {} takes {ratio:.2} times the CPU time.", entry.name)
            }
            ratio => format!(
                "For the same bytes Tallow takes {:.2} times the CPU time of {}.",
                1.0 / ratio,
                entry.name
            ),
        });
    }
    let left_out = report.entries.len() - report.measured().count();
    if left_out > 0 {
        let are = if left_out == 1 { "is" } else { "are" };
        let contenders = counted(left_out as u64, "contender");
        more.push(format!(
            "{contenders} {are} absent, left out or failed, and {are} not compared."
        ));
    }
    Verdict { mood, sentence, more: more.join(" ") }
}

fn beside(tallow: &Measured, entry: &Entry, other: &Measured) -> (Mood, String) {
    let times = tallow.samples_per_second() / other.samples_per_second();
    let ((tallow_least, tallow_most), (least, most)) = (tallow.range(), other.range());
    let name = entry.name;
    match times {
        _ if tallow_least <= most && least <= tallow_most => (
            Mood::Plain,
            format!(
                "On these files Tallow is {times:.2} times as fast as {name}, the fastest of the \
                 others, but their rounds overlap."
            ),
        ),
        times if times >= 1.0 => (
            Mood::Good,
            format!(
                "On these files Tallow is {times:.2} times as fast as {name}, the fastest of the \
                 others."
            ),
        ),
        times => (
            Mood::Warning,
            format!("On these files {name} is {:.2} times as fast as Tallow.", 1.0 / times),
        ),
    }
}

/// The fastest of the others, and its CPU time relative to Tallow's.
fn cpu(report: &Compare) -> Option<(&Entry, &Measured, f64)> {
    let (entry, measured) = report.best_other()?;
    let (_, cpu) = report.ratios(measured)?;
    // An epoch may be so short that the CPU clock did not tick.
    (cpu > 0.0 && cpu.is_finite()).then_some((entry, measured, cpu))
}

fn figures(report: &Compare) -> Vec<Figure> {
    let Some(tallow) = report.entries.first().and_then(Entry::measured) else { return Vec::new() };
    let figure = |name: &str, value: String, note: String| Figure { name: text(name), value, note };
    let rate = format!("{}/s", bytes(tallow.bytes_per_second() as u64));
    let mut figures =
        vec![figure("Tallow, samples per second", count(tallow.samples_per_second() as u64), rate)];
    let best = report.best_other();
    if let Some(((entry, other), (speed, _))) =
        best.and_then(|best| Some((best, report.ratios(best.1)?)))
    {
        let note = format!("{}: {}", entry.name, count(other.samples_per_second() as u64));
        figures.push(figure("times the next", format!("{speed:.2}"), note));
    }
    let of_other = |of: &dyn Fn(&Measured) -> String| {
        best.map(|(entry, other)| format!("{}: {}", entry.name, of(other))).unwrap_or_default()
    };
    let cpu = |of: &Measured| format!("{:.2}", of.cpu_per_gigabyte());
    figures.push(figure("CPU seconds per GB", cpu(tallow), of_other(&cpu)));
    let peak = |of: &Measured| bytes(of.peak_bytes());
    figures.push(figure("peak memory", peak(tallow), of_other(&peak)));
    let first = |of: &Measured| time(of.first_batch());
    figures.push(figure("first batch", first(tallow), of_other(&first)));
    figures
}

/// What a chart compares.
struct Compared {
    title: &'static str,
    note: &'static str,
    unit: Unit,
    value: fn(&Measured) -> f64,
    rounds: fn(&Measured) -> Vec<f64>,
    /// The text beside the bar.
    words: fn(&Measured) -> String,
}

impl Compared {
    fn bars(&self, report: &Compare) -> Bars {
        let row = |(at, (entry, measured)): (usize, (&Entry, &Measured))| Row {
            name: text(entry.name),
            note: (self.words)(measured),
            parts: vec![Part {
                name: text(entry.name),
                tone: Tone::of(at),
                value: (self.value)(measured),
            }],
            marks: (self.rounds)(measured),
        };
        // Numbered before some are left out, so that a contender has the same colour on every page.
        let numbered = report.entries.iter().enumerate();
        let numbered = numbered.filter_map(|(at, entry)| Some((at, (entry, entry.measured()?))));
        Bars {
            title: text(self.title),
            note: text(self.note),
            unit: self.unit,
            whole: Whole::Largest,
            rows: numbered.map(row).collect(),
            mark: "one round",
            levels: Vec::new(),
        }
    }
}

fn speed(report: &Compare) -> Section {
    let compared = Compared {
        title: "Samples per second",
        note: "median of the rounds; more is better",
        unit: Unit::Count,
        value: Measured::samples_per_second,
        rounds: |measured| measured.rates().collect(),
        words: |measured| {
            let (least, most) = measured.range();
            let [least, most] = [least, most].map(|rate| count(rate as u64));
            format!("{} ({least} to {most})", count(measured.samples_per_second() as u64))
        },
    };
    let lead = format!(
        "In each of {}, all contenders take turns, with {} each, over {} in batches of {}.",
        counted(report.rounds, "round"),
        counted(report.workers as u64, "worker"),
        counted(report.samples as u64, "sample"),
        count(report.batch_size as u64)
    );
    Section { title: text("Throughput"), lead, body: compared.bars(report).render() }
}

fn cost(report: &Compare) -> Section {
    let charts = [
        Compared {
            title: "CPU seconds per GB",
            note: "delivered; less is better",
            unit: Unit::Seconds,
            value: Measured::cpu_per_gigabyte,
            rounds: |measured| measured.cpus_per_gigabyte().collect(),
            words: |measured| format!("{:.2}", measured.cpu_per_gigabyte()),
        },
        Compared {
            title: "Peak memory",
            note: "of all processes; less is better",
            unit: Unit::Bytes,
            value: |measured| measured.peak_bytes() as f64,
            rounds: |_| Vec::new(),
            words: |measured| bytes(measured.peak_bytes()),
        },
        Compared {
            title: "Time to the first batch",
            note: "of an epoch; less is better",
            unit: Unit::Seconds,
            value: |measured| measured.first_batch().as_secs_f64(),
            rounds: |measured| measured.first_batches().collect(),
            words: |measured| time(measured.first_batch()),
        },
        Compared {
            title: "Start",
            note: "until the first epoch can begin",
            unit: Unit::Seconds,
            value: |measured| measured.starting.as_secs_f64(),
            rounds: |_| Vec::new(),
            words: |measured| time(measured.starting),
        },
    ];
    let lead = "CPU time and memory include all threads and processes of a contender, with \
                interpreter and libraries. CPU time that a loader takes is not available to a \
                model.";
    let body = html! { div.pair { @for chart in &charts { (chart.bars(report).render()) } } };
    Section { title: text("Cost"), lead: text(lead), body }
}

fn numbers(report: &Compare) -> Section {
    let row = |(entry, measured): (&Entry, &Measured)| {
        cells(entry, measured, report.ratios(measured)).to_vec()
    };
    let rows: Vec<Vec<String>> = report.measured().map(row).collect();
    let heads = [
        "",
        "samples/s",
        "(min to max)",
        "MB/s",
        "CPU-s/GB",
        "memory",
        "first batch",
        "start",
        "speed ×",
        "CPU ×",
    ];
    let lead = "Medians of the rounds. The last two columns are ratios: the speed of Tallow to \
                that of the contender, and the contender's CPU time for the same bytes to that of \
                Tallow.";
    Section { title: text("All numbers"), lead: text(lead), body: table(&heads, &rows) }
}

/// The contenders that were not measured, and why.
fn missing(report: &Compare) -> Option<Section> {
    let missing = report.entries.iter().filter_map(|entry| match &entry.outcome {
        Outcome::Measured(_) => None,
        Outcome::Absent(why) => Some(fact(entry.name, format!("absent, {}", one_line(why)))),
        Outcome::LeftOut(why) => Some(fact(entry.name, format!("left out, {}", one_line(why)))),
        Outcome::Failed(why) => Some(fact(entry.name, format!("failed, {}", one_line(why)))),
    });
    let missing: Vec<Fact> = missing.collect();
    if missing.is_empty() {
        return None;
    }
    let lead = text("Contenders that are not compared, and why.");
    Some(Section { title: text("Left out"), lead, body: facts(&missing) })
}

/// How contenders were used, and where their work differs.
fn notes(report: &Compare) -> Option<Section> {
    let notes = report.measured().flat_map(|(entry, _)| {
        let notes = form(entry).into_iter().chain(entry.notes.iter().map(|note| one_line(note)));
        let names = iter::once(entry.name).chain(iter::repeat(""));
        names.zip(notes).map(|(name, note)| fact(name, note)).collect::<Vec<_>>()
    });
    let notes: Vec<Fact> = notes.collect();
    if notes.is_empty() {
        return None;
    }
    let lead = "How each contender was used, in the fastest way that was tried, and where its work \
                differs from that of the others.";
    Some(Section { title: text("What differs"), lead: text(lead), body: facts(&notes) })
}

fn setup(report: &Compare) -> Section {
    let mut list = vec![
        fact("source", one_line(&report.source)),
        fact("fields", fields(&report.schema)),
        fact("files", bytes(report.file_bytes)),
        fact("cache", text(cache(report))),
        fact("seed", report.seed.to_string()),
    ];
    if let Some(augment) = &report.augment {
        list.push(fact("augment", one_line(&augment.chain)));
        list.push(fact("delivers", augment.delivers.to_string()));
    }
    Section { title: text("Setup"), lead: String::new(), body: facts(&list) }
}

/// The versions of the contenders, and of the packages that they use.
fn versions(report: &Compare) -> Section {
    let versions = report.measured().map(|(entry, _)| {
        let own = entry.version.clone();
        let others = entry.versions.iter().map(|(name, version)| format!("{name} {version}"));
        let all: Vec<String> = own.into_iter().chain(others).collect();
        let all = if all.is_empty() { text("that of this program") } else { all.join(", ") };
        fact(entry.name, one_line(&all))
    });
    let body = facts(&versions.collect::<Vec<_>>());
    Section { title: text("Versions"), lead: String::new(), body }
}
