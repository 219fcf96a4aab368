//! The report of a search for settings as a page.

use maud::{Render as _, html};
use tallow::Settings;

use super::{Surroundings, fact, fields, machine, text, time};
use crate::html::{
    Bars, Figure, Level, Mood, Page, Part, Row, Section, Tone, Unit, Verdict, Whole, code, facts,
    list, table,
};
use crate::measure::meter::delivered_row_bytes;
use crate::report::human::settings;
use crate::report::{Tune, difference};
use crate::terminal::words::{bytes, count, counted, counted_as, one_line};
use crate::tune::finals::{Finalist, Ratio};
use crate::tune::trial::{Grid, Trial, Tried};

/// From this share of the ceiling on, there is little left to gain.
const NEAR: f64 = 0.8;

pub(crate) fn page(report: &Tune, around: &Surroundings) -> Page {
    let mut sections = vec![tried(report), search(report)];
    sections.extend(report.grid.as_ref().map(|grid| of_grid(report, grid)));
    sections.extend([ceilings(report), setup(report), machine(around)]);
    Page {
        title: format!("bench-loader tune: {}", one_line(&report.source)),
        verdict: verdict(report),
        figures: figures(report),
        sections,
        command: around.command.clone(),
    }
}

/// What was found, and how far that is from the ceiling and the defaults.
fn verdict(report: &Tune) -> Verdict {
    let ceiling = report.ceiling();
    let near = ceiling.is_none_or(|(_, _, share)| share >= NEAR);
    Verdict {
        mood: if near && !report.sought.cut { Mood::Good } else { Mood::Plain },
        sentence: sentence(report),
        more: more(report),
    }
}

fn sentence(report: &Tune) -> String {
    let (found, rate) = (report.found, count(report.rate() as u64));
    let ahead = counted_as(found.prefetch as u64, "batch", "batches");
    let what = format!("{} with {ahead} ahead", counted(found.workers as u64, "worker"));
    let what = if found.read_ahead > 0 { what + " and files read ahead" } else { what };
    let far =
        report.ceiling().map(|(name, _, share)| format!("{share:.2} of what the {name} allows"));
    if found == report.start {
        let far = far.map(|far| format!(", {far}")).unwrap_or_default();
        return format!("Keep {}, {what}: {rate} samples per second{far}.", report.start_words());
    }
    let times = report.beside_start();
    let times = times.map(|ratio| format!("{:.2} times {}", ratio.median, report.start_words()));
    let beside = far.into_iter().chain(times).collect::<Vec<_>>().join(", ");
    let load = if found.workers == 1 { "loads" } else { "load" };
    format!("{what} {load} {rate} samples per second: {beside}.")
}

fn more(report: &Tune) -> String {
    let mut more = Vec::new();
    if let Some(step) = report.step {
        more.push(format!(
            "Steps of {} set the pace: these are the fewest workers and batches that keep up.",
            time(step)
        ));
    }
    more.push(as_sentence(&report.uncertainty()));
    if report.sought.cut {
        more.push(text("The search was cut short by --seconds, with more to try."));
    }
    more.join(" ")
}

/// Text with a capital letter and a full stop.
fn as_sentence(text: &str) -> String {
    let (first, rest) = text.split_at(text.len().min(1));
    format!("{}{rest}.", first.to_uppercase())
}

fn figures(report: &Tune) -> Vec<Figure> {
    let figure = |name: &str, value: String, note: String| Figure { name: text(name), value, note };
    let per_second = report.rate() * delivered_row_bytes(&report.schema) as f64;
    let note = format!("{}/s", bytes(per_second as u64));
    let mut figures = vec![figure("samples per second", count(report.rate() as u64), note)];
    if let Some((name, ceiling, share)) = report.ceiling() {
        let note = format!("{name}: {} samples/s", count(ceiling as u64));
        figures.push(figure("of the ceiling", format!("{share:.2}"), note));
    }
    if let Some(Ratio { median, low, high }) = report.beside_start() {
        let note = format!("{low:.2} to {high:.2}");
        figures.push(figure("times the defaults", format!("{median:.2}"), note));
    }
    let up_to = |most: usize| format!("of {} at most", count(most as u64));
    let Settings { workers, prefetch, .. } = report.found;
    figures.push(figure("workers", count(workers as u64), up_to(report.most.workers)));
    figures.push(figure("batches ahead", count(prefetch as u64), up_to(report.most.prefetch)));
    let note = text("for batches, at most");
    figures.push(figure("memory", bytes(report.memory_bytes as u64), note));
    figures
}

/// A bar for each of the settings in `trials`.
fn rates(report: &Tune, trials: &[Trial], best: Option<Settings>) -> Bars {
    let row = |tried: &Tried| {
        let least = tried.rates.iter().copied().fold(f64::INFINITY, f64::min);
        let most = tried.rates.iter().copied().fold(0.0, f64::max);
        let spread = format!(" ({} to {})", count(least as u64), count(most as u64));
        let spread = if tried.rates.len() > 1 { spread } else { String::new() };
        let (name, tone) = role(report, tried.settings, best);
        Row {
            name: settings(tried.settings),
            note: format!("{}{spread}", count(tried.rate() as u64)),
            parts: vec![Part { name: text(name), tone, value: tried.rate() }],
            marks: tried.rates.clone(),
        }
    };
    let level = |(name, value, _): (&str, f64, f64)| Level {
        name: format!("ceiling of the {name}, {}", count(value as u64)),
        tone: Tone::Reference,
        value,
    };
    Bars {
        title: text("Samples per second"),
        note: text("median of the trials of each setting, and their spread"),
        unit: Unit::Count,
        whole: Whole::Largest,
        rows: Tried::all(trials).iter().map(row).collect(),
        mark: "one trial",
        levels: report.ceiling().map(level).into_iter().collect(),
    }
}

/// The role of settings in the report, and their colour.
fn role(report: &Tune, settings: Settings, best: Option<Settings>) -> (&'static str, Tone) {
    match settings {
        _ if settings == report.found && report.found == report.start => {
            ("found: the defaults", Tone::of(0))
        }
        _ if settings == report.found => ("found", Tone::of(0)),
        _ if Some(settings) == best => ("the best of the grid", Tone::of(2)),
        _ if settings == report.start => ("the defaults", Tone::of(1)),
        _ => ("also tried", Tone::Own),
    }
}

fn tried(report: &Tune) -> Section {
    let lead = "Every setting that the search tried. Each step is decided by trials that take \
                turns, so the ratios below are more reliable than comparing bars that were \
                measured at different times.";
    let body = rates(report, &report.sought.trials, None).render();
    Section { title: text("What was tried"), lead: text(lead), body }
}

fn search(report: &Tune) -> Section {
    let row = |step: &tallow::Step| {
        vec![
            format!("{}, compared with {}", difference(step.from, step.to), settings(step.from)),
            format!("{:.2}", step.ratio),
            text(if step.taken { "taken" } else { "no" }),
        ]
    };
    let rows: Vec<Vec<String>> = report.sought.steps.iter().map(row).collect();
    let cut = if report.sought.cut { ", cut short by --seconds" } else { "" };
    let lead = format!(
        "{} in {}{cut}. The ratio is the rate relative to the setting it is compared with, \
         from trials that take turns.",
        counted(report.sought.trials.len() as u64, "trial"),
        time(report.sought.seconds)
    );
    let why = report.reasons();
    let turns = turns(report);
    let body = html! {
        @if !rows.is_empty() { (table(&["tried", "ratio", ""], &rows)) }
        @if !turns.is_empty() {
            h3 { "Finals" }
            (table(&["setting", "samples/s", "ratio to what was found", "interval"], &turns))
        }
        @if !why.is_empty() { h3 { "Why" } (list(&why)) }
    };
    Section { title: text("The search"), lead, body }
}

/// The rates of the finalists.
fn turns(report: &Tune) -> Vec<Vec<String>> {
    let finals = &report.sought.finals;
    let row = |finalist: &Finalist| {
        let beside = finals.ratio(finalist.settings, report.found);
        vec![
            settings(finalist.settings),
            count(finalist.rate() as u64),
            beside.map_or(text("found"), |ratio| format!("{:.2}", ratio.median)),
            beside.map_or(String::new(), |ratio| format!("{:.2} to {:.2}", ratio.low, ratio.high)),
        ]
    };
    finals.finalists.iter().map(row).collect()
}

fn of_grid(report: &Tune, grid: &Grid) -> Section {
    let all = counted(grid.points() as u64, "setting");
    let lead = match grid.beside {
        None => {
            format!("All {all} within the bounds, measured afterwards: what was found is the best.")
        }
        Some(_) => format!(
            "All {all} within the bounds, measured afterwards. The best is {}; what was found \
             reaches {:.2} of its rate in trials that take turns.",
            settings(grid.best),
            grid.ratio()
        ),
    };
    let body = rates(report, &grid.trials, Some(grid.best)).render();
    Section { title: text("The grid"), lead, body }
}

fn ceilings(report: &Tune) -> Section {
    let ceilings = &report.ceilings;
    let files = |name: &str, rate: Option<f64>| {
        let (rate, sample) = (rate?, ceilings.sample_bytes?);
        let per_second = format!("{}/s", bytes((rate * sample) as u64));
        Some(vec![text(name), count(rate as u64), per_second])
    };
    let copies = |name: &str, rate: f64| {
        let samples = rate / delivered_row_bytes(&report.schema).max(1) as f64;
        vec![text(name), count(samples as u64), format!("{}/s", bytes(rate as u64))]
    };
    let rows: Vec<Vec<String>> =
        [files("storage", ceilings.storage), files("page cache", ceilings.page_cache)]
            .into_iter()
            .flatten()
            .chain([copies("memory copies", ceilings.memory_copy)])
            .chain(ceilings.device_copy.map(|rate| copies("device copies", rate)))
            .collect();
    let lead = "The most that the machine can do: as many threads as there may be workers that \
                open, read and close the same files and do nothing else; and copies, in delivered \
                samples.";
    let body = table(&["", "samples/s", "bytes"], &rows);
    Section { title: text("Ceilings"), lead: text(lead), body }
}

fn setup(report: &Tune) -> Section {
    let most = report.most;
    let mut list = vec![
        fact("source", one_line(&report.source)),
        fact("fields", fields(&report.schema)),
        fact("bounds", settings(most)),
        fact("defaults", settings(report.start)),
        fact("files", text(if report.cold { "from storage" } else { "from the page cache" })),
    ];
    if let Some(step) = report.step {
        list.push(fact("step", format!("{} after each batch", time(step))));
    }
    let lead = text("The settings that were found, to paste into a program.");
    let body = html! { (code(&report.code)) (facts(&list)) };
    Section { title: text("Settings"), lead, body }
}
