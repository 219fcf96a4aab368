//! The report of `stats` as a page.

use maud::{Markup, Render as _, html};
use tallow::{FieldStatistics, Lengths};

use super::{HEAD, Stats, class, classes, lengths};
use crate::html::{
    Axis, Bars, Figure, Histogram, Mark, Mood, Page, Part, Row, Section, Tone, Unit, Verdict,
    Whole, code, list, table,
};
use crate::report::html::{Surroundings, machine, text};
use crate::terminal::words::{count, counted, one_line};

/// Classes that have a bar; the others share one.
const CLASSES_MAX: usize = 50;

pub(crate) fn page(report: &Stats, around: &Surroundings) -> Page {
    let mut sections = vec![numbers(report)];
    sections.extend(errors(report));
    for of in report.found.fields() {
        sections.extend(bytes(of));
        sections.extend(of_classes(of));
        sections.extend(of.lengths().iter().map(|axis| of_lengths(of, axis)));
    }
    sections.push(machine(around));
    Page {
        title: format!("bench-loader stats: {}", one_line(&report.source)),
        verdict: verdict(report),
        figures: figures(report),
        sections,
        command: around.command.clone(),
    }
}

fn verdict(report: &Stats) -> Verdict {
    let found = &report.found;
    let others: u64 = found
        .fields()
        .iter()
        .flat_map(FieldStatistics::channels)
        .map(|c| c.nan() + c.infinite())
        .sum();
    let (mood, sentence) = match (found.failed(), others) {
        (0, 0) => {
            (Mood::Good, format!("All {} were read.", counted(found.samples() as u64, "sample")))
        }
        (0, others) => {
            (Mood::Warning, format!("{} are NaN or infinite.", counted(others, "number")))
        }
        (failed, _) => {
            (Mood::Bad, format!("{} could not be read.", counted(failed as u64, "sample")))
        }
    };
    let more = match &report.augmented {
        Some(augmented) => format!("These are the numbers after {}.", one_line(&augmented.chain)),
        None => String::new(),
    };
    Verdict { mood, sentence, more }
}

fn figures(report: &Stats) -> Vec<Figure> {
    let figure = |name: &str, value: u64, note: &str| Figure {
        name: text(name),
        value: count(value),
        note: text(note),
    };
    let found = &report.found;
    let mut figures = vec![
        figure("samples", found.samples() as u64, ""),
        figure("fields", found.fields().len() as u64, ""),
    ];
    if found.failed() > 0 {
        figures.push(figure("unread", found.failed() as u64, "not among the samples"));
    }
    figures
}

fn numbers(report: &Stats) -> Section {
    let steps = report.normalizations();
    let body = html! {
        (table(&HEAD, &report.rows()))
        @for (name, step) in &steps { p.note { (name) } (code(step)) }
    };
    Section {
        title: text("Numbers"),
        lead: text(
            "The deviation is that of all numbers (ddof=0), as normalize takes it. The steps are for \
             --augment, in which bytes are 0 to 1.",
        ),
        body,
    }
}

fn errors(report: &Stats) -> Option<Section> {
    let found = &report.found;
    let lines: Vec<String> =
        found.errors().iter().map(|(_, error)| one_line(&error.to_string())).collect();
    let lead = match found.failed() - lines.len() {
        0 => String::new(),
        more => format!("The first of them; there are {} more.", count(more as u64)),
    };
    (found.failed() > 0).then(|| Section {
        title: text("Unread samples"),
        lead,
        body: list(&lines),
    })
}

/// How often each byte occurs, for each channel.
fn bytes(of: &FieldStatistics) -> Option<Section> {
    let charts: Vec<Histogram> = of
        .channels()
        .iter()
        .enumerate()
        .filter(|(_, channel)| !channel.values().is_empty())
        .map(|(at, channel)| Histogram {
            title: format!("Channel {at}"),
            note: text(""),
            x: Axis::to(Unit::Count, 256.0),
            tone: Tone::of(at),
            values: (0..)
                .zip(channel.values())
                .map(|(value, &count)| (f64::from(value), count))
                .collect(),
            marks: channel.mean().map(|value| mark("mean", value)).into_iter().collect(),
        })
        .collect();
    let name = one_line(of.field().name());
    (!charts.is_empty()).then(|| Section {
        title: format!("Bytes of {name}"),
        lead: text("How many numbers there are of each size."),
        body: html! { @for chart in &charts { (chart) } },
    })
}

fn mark(name: &str, value: f64) -> Mark {
    Mark { name: text(name), tone: Tone::Reference, value }
}

fn of_classes(of: &FieldStatistics) -> Option<Section> {
    let said = classes(of)?;
    let row = |name: String, samples: u64| Row {
        name,
        note: count(samples),
        parts: vec![Part { name: text("samples"), tone: Tone::Read, value: samples as f64 }],
        marks: Vec::new(),
    };
    let (shown, others) = of.classes().split_at(of.classes().len().min(CLASSES_MAX));
    let mut rows: Vec<Row> = shown.iter().map(|of| row(class(of), of.count)).collect();
    let others: u64 = others.iter().map(|of| of.count).sum::<u64>() + of.unlisted();
    rows.extend((others > 0).then(|| row(text("all others"), others)));
    let bars = Bars {
        title: text("Samples of each class"),
        note: text(""),
        unit: Unit::Count,
        whole: Whole::Largest,
        rows,
        mark: "",
        levels: Vec::new(),
    };
    Some(Section { title: text("Classes"), lead: said, body: bars.render() })
}

fn of_lengths(of: &FieldStatistics, axis: &Lengths) -> Section {
    let chart = Histogram {
        title: text("Samples of each length"),
        note: text(""),
        x: Axis::up_to(Unit::Count, axis.max as f64),
        tone: Tone::Transform,
        values: axis.bins.iter().map(|bin| (bin.from as f64, bin.count)).collect(),
        marks: vec![mark("mean", axis.mean)],
    };
    let body: Markup = chart.render();
    Section { title: text("Lengths"), lead: lengths(of, axis), body }
}
