//! The report of a run as a page.

use std::time::Duration;

use maud::{Markup, Render as _, html};
use tallow::Stage;

use super::{Surroundings, fact, fields, machine, text, time};
use crate::data::shuffled::Shuffled;
use crate::html::{
    Axis, Bars, Figure, Histogram, Level, Lines, Look, Mark, Mood, Page, Part, Row, Section,
    Series, Tone, Unit, Verdict, Whole, code, facts, table,
};
use crate::measure::meter;
use crate::measure::timeline::{Span, Timeline};
use crate::report::{Run, packed, parts, store};
use crate::terminal::words::{bytes, count, counted, counted_as, one_line};

/// Points of a line over time.
const POINTS: usize = 240;
/// Fewer points for throughput, with several batches each, because batches come in bursts.
const RATES: usize = 100;
const BATCHES_OF_A_RATE: usize = 4;

/// The page of a run whose meter kept a timeline; `program` is its options as code.
pub(crate) fn page(report: &Run, program: &str, around: &Surroundings) -> Page {
    let mut sections = vec![times(report)];
    sections.extend(packed::section(&report.packed));
    sections.extend(parts::section(&report.parts));
    if let Some(timeline) = report.meter.timeline.as_ref().filter(|line| !line.is_empty()) {
        sections.extend([throughput(report, timeline), waits(report, timeline)]);
        sections.extend(queue(report, timeline));
    }
    sections.extend(failures(report));
    sections.extend([settings(report, program), machine(around)]);
    Page {
        title: format!("bench-loader run: {}", one_line(&report.source)),
        verdict: verdict(report),
        figures: figures(report),
        sections,
        command: around.command.clone(),
    }
}

fn share(part: Duration, whole: Duration) -> f64 {
    if whole.is_zero() { 0.0 } else { part.div_duration_f64(whole) }
}

/// Whether training waits, for what, and how to fix it.
fn verdict(report: &Run) -> Verdict {
    let meter = &report.meter;
    let (stage, advice) = report.limit();
    // After the colon is what to do; what is before it is said here in other words.
    let mend = advice.split_once(": ").map_or(advice.as_str(), |(_, mend)| mend);
    let waited = Unit::Share.text(meter.wait_fraction());
    let consumer = stage == Stage::Consumer.as_str();
    let (mood, sentence) = match report.step {
        _ if meter.batches == 0 => (Mood::Plain, text("There was no batch to load.")),
        _ if stage == Run::NO_LIMIT => (Mood::Plain, format!("No result yet: {advice}.")),
        Some(_) if consumer => (
            Mood::Good,
            format!("Training does not wait for its data: that took only {waited} of its time."),
        ),
        Some(_) => (
            Mood::Warning,
            format!(
                "Training waits for its data {waited} of the time, mostly for {}: {mend}.",
                noun(stage)
            ),
        ),
        None if consumer => {
            (Mood::Good, format!("Loading takes {waited} of the time: the consumer is the limit."))
        }
        None => {
            let rate = count(report.samples_per_second() as u64);
            let sentence = format!(
                "Loading alone reaches {rate} samples per second, limited by {}: {mend}.",
                noun(stage)
            );
            (Mood::Plain, sentence)
        }
    };
    let (errors, faults) = (meter.errors.total as u64, meter.faults.total as u64);
    let mut more = Vec::new();
    if errors > 0 {
        more.push(format!(
            "{} of {} failed.",
            counted_as(errors, "batch", "batches"),
            count(meter.batches)
        ));
    }
    if faults > 0 {
        more.push(format!("{} passed over.", counted(faults, "bad read")));
    }
    if let Some(shuffled) = &report.shuffled {
        more.push(format!("Shuffled, {}: {}.", shuffled.found(), Shuffled::ADVICE));
    }
    if report.step.is_none() {
        more.push(text("To see whether training would wait, simulate its steps with --step-ms."));
    }
    Verdict { mood: if errors > 0 { Mood::Bad } else { mood }, sentence, more: more.join(" ") }
}

/// A stage as a noun for a sentence.
fn noun(stage: &str) -> &str {
    match stage {
        "order" => "making the order",
        "read" => "reading",
        "store" => "requests to the store",
        "transform" => "transforms",
        "hand_over" => "making tensors",
        "idle" => "threads that wake up",
        other => other,
    }
}

fn figures(report: &Run) -> Vec<Figure> {
    let meter = &report.meter;
    let figure = |name: &str, value: String, note: String| Figure { name: text(name), value, note };
    let [p50, p99, max] = meter.batch_waits_us([0.5, 0.99, 1.0]);
    let micros = |us: f64| Unit::Seconds.text(us * 1e-6);
    let rate = format!("{}/s", bytes(report.bytes_per_second() as u64));
    let mut figures = vec![
        figure("samples per second", count(report.samples_per_second() as u64), rate),
        figure(
            if report.step.is_some() { "stall" } else { "waiting" },
            Unit::Share.text(meter.wait_fraction()),
            format!("of {}", time(meter.wall)),
        ),
        figure(
            "median wait",
            micros(p50),
            format!("99%: {}, longest: {}", micros(p99), micros(max)),
        ),
    ];
    if let Some((ceiling, ratio)) = report.ceiling() {
        let note = format!("{} samples/s", count(ceiling as u64));
        figures.push(figure("of the ceiling", format!("{ratio:.2}"), note));
    }
    let cores = share(meter.cpu, meter.wall);
    figures.push(figure(
        "cores at work",
        format!("{cores:.2}"),
        format!("{} of CPU", time(meter.cpu)),
    ));
    let planned = report.plan.memory_bytes() as u64;
    let note = format!("{} for batches", bytes(planned));
    figures.push(figure("peak memory", bytes(report.peak_rss_bytes), note));
    figures
}

/// The name and colour of a part of the wall time.
fn of_wall(part: meter::Part) -> (&'static str, Tone) {
    match part {
        meter::Part::Step => ("step", Tone::Step),
        meter::Part::Own => ("consumer", Tone::Own),
        meter::Part::Device => ("device", Tone::Device),
        meter::Part::Wait(Stage::Idle) => ("no thread at work", Tone::Idle),
        meter::Part::Wait(Stage::HandOver) => ("hand-over", Tone::HandOver),
        meter::Part::Wait(Stage::MapBatch) => ("map-batch", Tone::MapBatch),
        meter::Part::Wait(stage) => (stage.as_str(), of_stage(stage)),
    }
}

fn of_stage(stage: Stage) -> Tone {
    match stage {
        Stage::Order => Tone::Order,
        Stage::Read => Tone::Read,
        Stage::Store => Tone::Store,
        Stage::Decode => Tone::Decode,
        Stage::Transform => Tone::Transform,
        Stage::HandOver => Tone::HandOver,
        Stage::MapBatch => Tone::MapBatch,
        Stage::Consumer => Tone::Own,
        _ => Tone::Idle,
    }
}

fn times(report: &Run) -> Section {
    let meter = &report.meter;
    let parts = meter.wall_by_part();
    let part = |(part, time): &(meter::Part, Duration)| {
        let (name, tone) = of_wall(*part);
        Part { name: text(name), tone, value: time.as_secs_f64() }
    };
    let wall = Row {
        name: text("training loop"),
        note: format!("{}: its own work, then what it waited for", time(meter.wall)),
        parts: parts.iter().map(part).collect(),
        marks: Vec::new(),
    };
    let bars = Bars {
        title: text("Time by stage"),
        note: text("shares of each bar"),
        unit: Unit::Seconds,
        whole: Whole::Row,
        rows: vec![wall, of_workers(report)],
        mark: "",
        levels: Vec::new(),
    };
    let lead = "A wait is attributed to the stages in which the workers were meanwhile. Work \
                that overlaps with a step costs training nothing.";
    let body = html! { (bars.render()) (wall_table(report, &parts)) };
    Section { title: text("Where the time went"), lead: text(lead), body }
}

fn of_workers(report: &Run) -> Row {
    let (meter, workers) = (&report.meter, report.plan.workers());
    // Busy first, as above.
    let idle = |stage: &Stage| *stage == Stage::Idle;
    let busy = meter.stages.iter().filter(|(stage, _)| !idle(stage));
    let idle = meter.stages.iter().filter(|(stage, _)| workers > 0 && idle(stage));
    let part = |(stage, time): &(Stage, Duration)| Part {
        name: text(stage.as_str()),
        tone: of_stage(*stage),
        value: time.as_secs_f64(),
    };
    let (name, note) = match workers {
        0 => ("no workers", text("the stages run inside next()")),
        1 => ("worker", text("1 thread")),
        _ => ("workers", format!("{workers} threads together")),
    };
    let parts = busy.chain(idle).map(part).collect();
    Row { name: text(name), note, parts, marks: Vec::new() }
}

fn wall_table(report: &Run, parts: &[(meter::Part, Duration)]) -> Markup {
    let meter = &report.meter;
    let row = |(part, spent): &(meter::Part, Duration)| {
        let waits = matches!(part, meter::Part::Wait(_) | meter::Part::Device);
        let name = of_wall(*part).0;
        vec![
            if waits { format!("waiting: {name}") } else { text(name) },
            time(*spent),
            Unit::Share.text(share(*spent, meter.wall)),
            time(meter.per_batch(*spent)),
        ]
    };
    let shown = parts.iter().filter(|(_, time)| share(*time, meter.wall) >= 5e-4);
    let mut rows: Vec<Vec<String>> = shown.map(row).collect();
    rows.push(vec![
        text("wall"),
        time(meter.wall),
        text(if meter.wall.is_zero() { "0" } else { "100%" }),
        time(meter.per_batch(meter.wall)),
    ]);
    table(&["training loop", "time", "share", "per batch"], &rows)
}

/// Points that reach from end to end, although the first one is after the beginning.
fn to_the_ends(mut points: Vec<(f64, f64)>, wall: f64) -> Vec<(f64, f64)> {
    if let (Some(first), Some(last)) = (points.first().copied(), points.last().copied()) {
        points.insert(0, (0.0, first.1));
        points.push((wall, last.1));
    }
    points
}

fn over_time(spans: &[Span], wall: f64, of: fn(&Span) -> f64) -> Vec<(f64, f64)> {
    to_the_ends(spans.iter().map(|span| (span.end, of(span))).collect(), wall)
}

fn largest(points: &[(f64, f64)]) -> f64 {
    points.iter().map(|(_, y)| *y).fold(0.0, f64::max)
}

fn throughput(report: &Run, timeline: &Timeline) -> Section {
    let wall = report.meter.wall.as_secs_f64();
    let rates = timeline.rates((timeline.len() / BATCHES_OF_A_RATE).clamp(1, RATES), wall);
    let points = to_the_ends(rates, wall);
    let ceiling = report.ceiling().map(|(ceiling, _)| ceiling);
    let level = |value: f64| Level {
        name: format!("ceiling, {}", count(value as u64)),
        tone: Tone::Reference,
        value,
    };
    let lines = Lines {
        title: text("Samples per second"),
        note: text("over the time of loading"),
        x: Axis::to(Unit::Seconds, wall),
        y: Axis::up_to(Unit::Count, largest(&points).max(ceiling.unwrap_or(0.0))),
        series: vec![Series { name: text("loaded"), tone: Tone::Read, look: Look::Area, points }],
        levels: ceiling.map(level).into_iter().collect(),
    };
    let lead = match ceiling {
        Some(_) => {
            "The ceiling is what the same number of threads reach that open, read and \
                    close the same files and do nothing else. Its own passes are not shown."
        }
        None => "Use --ceiling to measure the most that the machine could reach.",
    };
    Section { title: text("Throughput"), lead: text(lead), body: lines.render() }
}

fn waits(report: &Run, timeline: &Timeline) -> Section {
    let meter = &report.meter;
    let wall = meter.wall.as_secs_f64();
    let [least, p50, p99, most] =
        [0.0, 0.5, 0.99, 1.0].map(|share| meter.batch_waits.quantile(share));
    let mark = |name: &str, value: f64, tone: Tone| Mark {
        name: format!("{name}, {}", Unit::Seconds.text(value)),
        tone,
        value,
    };
    let histogram = Histogram {
        title: text("Batches by wait"),
        note: text("on a logarithmic scale"),
        x: Axis::logarithmic(Unit::Seconds, least, most),
        tone: Tone::Read,
        values: meter.batch_waits.values().collect(),
        marks: vec![mark("median", p50, Tone::Reference), mark("99%", p99, Tone::MapBatch)],
    };
    let spans = timeline.reduced(POINTS);
    let longest = over_time(&spans, wall, Span::longest_wait);
    let lines = Lines {
        title: text("Wait for a batch"),
        note: text("over the time of loading"),
        x: Axis::to(Unit::Seconds, wall),
        y: Axis::up_to(Unit::Seconds, largest(&longest)),
        series: vec![
            Series {
                name: text("longest"),
                tone: Tone::MapBatch,
                look: Look::Thin,
                points: longest,
            },
            Series {
                name: text("mean"),
                tone: Tone::Read,
                look: Look::Line,
                points: over_time(&spans, wall, Span::mean_wait),
            },
        ],
        levels: Vec::new(),
    };
    let lead = "How long the training loop waited in next(). A single hill at a microsecond or two \
                means that the queue never runs empty.";
    let body = html! { div.pair { (histogram.render()) (lines.render()) } };
    Section { title: text("Waits for batches"), lead: text(lead), body }
}

/// Without workers, nothing is made ahead.
fn queue(report: &Run, timeline: &Timeline) -> Option<Section> {
    if report.plan.workers() == 0 {
        return None;
    }
    let wall = report.meter.wall.as_secs_f64();
    let spans = timeline.reduced(POINTS);
    let mean = over_time(&spans, wall, Span::mean_ready);
    let prefetch = report.plan.prefetch() as f64;
    let series = |name: &str, tone, look, points| Series { name: text(name), tone, look, points };
    let lines = Lines {
        title: text("Batches ready"),
        note: text("after the one just taken"),
        x: Axis::to(Unit::Seconds, wall),
        y: Axis::up_to(Unit::Count, largest(&mean).max(prefetch)),
        series: vec![
            series("mean", Tone::HandOver, Look::Area, mean),
            series(
                "fewest",
                Tone::HandOver,
                Look::Thin,
                over_time(&spans, wall, Span::fewest_ready),
            ),
        ],
        levels: vec![Level {
            name: format!("prefetch, {prefetch}"),
            tone: Tone::Reference,
            value: prefetch,
        }],
    };
    let lead = "If the queue stays full, there are workers to spare; if it stays empty, there are \
                too few or they are too slow. If it swings, use more batches ahead.";
    Some(Section { title: text("Queue"), lead: text(lead), body: lines.render() })
}

fn failures(report: &Run) -> Option<Section> {
    let (errors, faults) = (&report.meter.errors, &report.meter.faults);
    if errors.total + faults.total == 0 {
        return None;
    }
    let errors = errors.first.iter().map(|error| fact("error", one_line(&error.to_string())));
    let faults = faults.first.iter().map(|fault| fact("passed over", one_line(&fault.to_string())));
    let body = facts(&errors.chain(faults).collect::<Vec<_>>());
    let lead = text("The first of them; `bench-loader check` lists every problem of every sample.");
    Some(Section { title: text("What failed"), lead, body })
}

fn settings(report: &Run, program: &str) -> Section {
    let plan = &report.plan;
    let mut list = vec![
        fact("source", one_line(&report.source)),
        fact("fields", fields(&report.schema)),
        fact("samples", count(plan.samples() as u64)),
        fact(
            "ahead",
            format!(
                "{} of {}",
                counted(plan.prefetch() as u64, "slab"),
                bytes(plan.slab_bytes() as u64)
            ),
        ),
        fact("device", report.device.model.clone().unwrap_or_else(|| report.device.name.clone())),
        fact("freed memory", text(if report.keeps_freed_memory { "kept" } else { "returned" })),
    ];
    if let (Some(limits), Some(used)) = (plan.store(), &report.loader.store) {
        list.push(fact("store", format!("{}; {}", store::used(used), store::limits(limits))));
    }
    if let Some(step) = report.step {
        list.push(fact("step", format!("{} after each batch", time(step))));
    }
    if let Some(copies) = &report.copies {
        let rate = bytes(copies.done.bytes_per_second() as u64);
        list.push(fact("copies", format!("{rate}/s, {:.2} of one alone", copies.share())));
    }
    if let Some(kernels) = &report.kernels {
        let rate = bytes(kernels.done.bytes_per_second() as u64);
        let share = format!("{rate}/s, {:.2} of a copy within the device", kernels.share());
        list.push(fact("kernels", share));
    }
    if let Some(cold) = &report.cold {
        let (without, ahead, times) = cold.medians();
        let rates = [without, ahead].map(|rate| count(rate as u64));
        let [without, ahead] = rates;
        list.push(fact(
            "from storage",
            format!("{without} samples/s, {ahead} reading ahead, {times:.2} times"),
        ));
    }
    let lead = text("The loader of this run, to paste into a program.");
    let body = html! { (code(program)) (facts(&list)) };
    Section { title: text("Settings"), lead, body }
}
