//! Reports for people: aligned labels, and numbers with units.

use std::io::{self, Write};
use std::time::Duration;

use tallow::{Schema, Settings, SourceErrorKind, Stage};

use super::{
    Becoming, Check, Digest, Doctor, Explain, FieldValues, Inspect, Rates, Run, SampleSize, Tune,
    packed, parts, store,
};
use crate::data::numbers::short;
use crate::data::place;
use crate::data::shuffled::Shuffled;
use crate::loading::augment::Augmented;
use crate::measure::meter::Part;
use crate::terminal::shell;
use crate::terminal::style::{ADVICE, BAD, GOOD, Labelled};
use crate::terminal::words::{bytes, count, counted, counted_as, duration, one_line, percent};
use crate::tune::finals::Ratio;

pub(crate) fn run(out: &mut dyn Write, report: &Run) -> io::Result<()> {
    let (meter, plan) = (&report.meter, &report.plan);
    let (opening, building) = (duration(report.opening), duration(report.building));
    let out: &mut dyn Write = &mut Labelled::new(out);
    writeln!(out, "source    {}", one_line(&report.source))?;
    writeln!(
        out,
        "          {}, opened in {opening}, loader built in {building}",
        match plan.is_bounded() {
            true => counted(plan.samples() as u64, "sample"),
            false => "a stream".to_owned(),
        }
    )?;
    write_schema(out, &report.schema)?;
    writeln!(
        out,
        "plan      {}, {} of {} ahead, at most {} of memory for batches",
        counted(plan.workers() as u64, "worker"),
        counted_as(plan.prefetch() as u64, "batch", "batches"),
        bytes(plan.slab_bytes() as u64),
        bytes(plan.memory_bytes() as u64)
    )?;
    if let Some(limits) = plan.store() {
        writeln!(out, "          {}", store::limits(limits))?;
    }
    write_device(out, report)?;
    if let Some(augmented) = &report.augmented {
        write_augmented(out, augmented)?;
    }
    write_loaded(out, report)?;
    packed::write(out, &report.packed)?;
    parts::write(out, &report.parts, "")?;
    write_waits(out, report)?;
    store::write(out, report)?;
    write_step(out, report)?;
    write_parts(out, report)?;
    write_copies(out, report)?;
    write_cost(out, report)?;
    let (stage, advice) = report.limit();
    let said = stage == Run::NO_LIMIT || advice.trim_start_matches("the ").starts_with(stage);
    let stage = if said { String::new() } else { format!("{stage}: ") };
    writeln!(out, "limit     {stage}{advice}")?;
    write_shuffled(out, report)?;
    write_ceiling(out, report)?;
    write_cold(out, report)?;
    write_failures(out, meter.errors.total, meter.faults.total)
}

/// What was loaded, and how fast.
fn write_loaded(out: &mut dyn Write, report: &Run) -> io::Result<()> {
    let meter = &report.meter;
    let warm_up = report.warm_up.map(duration);
    writeln!(
        out,
        "loaded    {} in {}, {}, in {}{}",
        counted(meter.samples, "sample"),
        counted_as(meter.batches, "batch", "batches"),
        match &report.steps {
            Some(steps) => format!("steps {}..{}", steps.start, steps.end),
            None => counted(report.epochs, "epoch"),
        },
        duration(meter.wall),
        warm_up.map(|took| format!(", after a warm-up epoch of {took}")).unwrap_or_default()
    )?;
    let bytes_per_second = bytes(report.bytes_per_second() as u64);
    let samples_per_second = count(report.samples_per_second() as u64);
    let spread = report.spread().filter(|_| report.rounds.is_empty());
    writeln!(
        out,
        "rate      {samples_per_second} samples/s, {bytes_per_second}/s{}",
        spread.map(spread_words).unwrap_or_default()
    )
}

fn spread_words(Rates { epochs, low, high, .. }: Rates) -> String {
    let [low, high] = [low, high].map(|rate| count(rate as u64));
    let most = if epochs < 20 { "all" } else { "9 in 10" };
    format!(": median of {}, {most} from {low} to {high}", counted(epochs, "epoch"))
}

fn write_device(out: &mut dyn Write, report: &Run) -> io::Result<()> {
    let device = &report.device;
    write!(out, "device    {}", device.name)?;
    if let Some(model) = &device.model {
        write!(out, " ({})", one_line(model))?;
    }
    if device.bytes > 0 {
        write!(out, ", {} of its memory for slabs and tensors", bytes(device.bytes as u64))?;
    }
    let runs = match (device.on_device, &report.augmented) {
        (true, _) => ", which runs the last transform",
        (false, Some(_)) => ", the transforms run on the CPU",
        (false, None) => "",
    };
    writeln!(out, "{runs}")
}

pub(crate) fn write_augmented(out: &mut dyn Write, augmented: &Augmented) -> io::Result<()> {
    let (plan, scratch) = (augmented.plan_bytes as u64, augmented.scratch_bytes as u64);
    writeln!(out, "augment   {}", augmented.chain)?;
    writeln!(
        out,
        "          plans of {} per sample, {} of scratch per worker",
        bytes(plan),
        bytes(scratch)
    )
}

fn write_waits(out: &mut dyn Write, report: &Run) -> io::Result<()> {
    let wait = |micros: f64| duration(Duration::from_secs_f64(micros * 1e-6));
    let [p50, p99, max] = report.meter.batch_waits_us([0.5, 0.99, 1.0]).map(wait);
    writeln!(
        out,
        "waited    {} of the time; per batch {p50} (median), {p99} (99%), {max} (longest)",
        percent(report.meter.wait_fraction())
    )
}

fn write_step(out: &mut dyn Write, report: &Run) -> io::Result<()> {
    let (Some(step), meter) = (report.step, &report.meter) else { return Ok(()) };
    writeln!(
        out,
        "step      {} after each batch ({} measured), stall {} of the time, {} per step",
        duration(step),
        duration(meter.per_batch(meter.steps)),
        percent(meter.wait_fraction()),
        duration(meter.per_batch(meter.wait))
    )
}

/// Where the wall time went. Shares that would round to zero are left out.
fn write_parts(out: &mut dyn Write, report: &Run) -> io::Result<()> {
    let wall = report.meter.wall;
    let share = |time: Duration| if wall.is_zero() { 0.0 } else { time.div_duration_f64(wall) };
    let parts = report.meter.wall_by_part().into_iter();
    let parts = parts.map(|(part, time)| (part, share(time))).filter(|(_, share)| *share >= 5e-4);
    let (waits, rest): (Vec<_>, Vec<_>) =
        parts.partition(|(part, _)| matches!(part, Part::Wait(_) | Part::Device));
    let words = |parts: &[(Part, f64)]| {
        let words =
            parts.iter().map(|(part, share)| format!("{} {}", words_of(*part), percent(*share)));
        words.collect::<Vec<_>>().join(", ")
    };
    let (waits, rest) = (words(&waits), words(&rest));
    match (rest.is_empty(), waits.is_empty()) {
        (true, true) => Ok(()),
        (true, false) => writeln!(out, "wall      waiting for {waits}"),
        (false, true) => writeln!(out, "wall      {rest}"),
        (false, false) => writeln!(out, "wall      {rest}; waiting for {waits}"),
    }
}

/// A part of the wall time as a reader says it, instead of as JSON has it.
fn words_of(part: Part) -> String {
    part.as_str().replace('_', "-")
}

fn write_copies(out: &mut dyn Write, report: &Run) -> io::Result<()> {
    let Some(copies) = &report.copies else { return Ok(()) };
    writeln!(
        out,
        "copies    {}/s in {}; one alone reaches {}/s, a share of {:.2}",
        bytes(copies.done.bytes_per_second() as u64),
        counted_as(copies.done.count, "copy", "copies"),
        bytes(copies.alone as u64),
        copies.share()
    )?;
    match report.hidden_at_least() {
        Some(share) if share > 0.0 => {
            writeln!(
                out,
                "          at least {} of their time overlapped with steps",
                percent(share)
            )?;
        }
        _ => {}
    }
    let Some(kernels) = &report.kernels else { return Ok(()) };
    let done = &kernels.done;
    let each = Duration::from_secs_f64(done.time.as_secs_f64() / done.count.max(1) as f64);
    writeln!(
        out,
        "kernels   {} and {} per batch, {}/s; a copy within the device reaches {}/s, a share of \
         {:.2}",
        duration(each),
        bytes(done.bytes / done.count.max(1)),
        bytes(done.bytes_per_second() as u64),
        bytes(kernels.alone as u64),
        kernels.share()
    )
}

fn write_cost(out: &mut dyn Write, report: &Run) -> io::Result<()> {
    let (meter, workers) = (&report.meter, report.plan.workers());
    let share = |time: Duration, of: Duration| {
        percent(if of.is_zero() { 0.0 } else { time.div_duration_f64(of) })
    };
    let of_workers = meter.wall * u32::try_from(workers.max(1)).unwrap_or(u32::MAX);
    let stages = meter.stages.iter().filter(|(stage, _)| *stage != Stage::Idle);
    let shown: Vec<String> =
        stages.map(|(stage, time)| format!("{stage} {}", share(*time, of_workers))).collect();
    writeln!(
        out,
        "stages    {}: {}; consumer: hand-over {}",
        if workers == 0 { "next()" } else { "workers" },
        shown.join(", "),
        share(meter.hand_over, meter.wall)
    )?;
    let cores = if meter.wall.is_zero() { 0.0 } else { meter.cpu.div_duration_f64(meter.wall) };
    writeln!(
        out,
        "cost      {} of CPU time ({cores:.2} cores), peak memory {}, freed memory is {}",
        duration(meter.cpu),
        bytes(report.peak_rss_bytes),
        if report.keeps_freed_memory { "kept" } else { "returned" }
    )
}

fn write_ceiling(out: &mut dyn Write, report: &Run) -> io::Result<()> {
    let Some((ceiling, ratio)) = report.ceiling() else { return Ok(()) };
    writeln!(
        out,
        "ceiling   {} samples/s; the loader reaches {ratio:.2} of it ({})",
        count(ceiling as u64),
        rounds_words(report.rounds.iter().map(|round| round.ratio()))
    )
}

fn write_shuffled(out: &mut dyn Write, report: &Run) -> io::Result<()> {
    let Some(shuffled) = &report.shuffled else { return Ok(()) };
    writeln!(out, "shuffled  {}", shuffled.found())?;
    writeln!(out, "          {}", Shuffled::ADVICE)
}

/// The ratio of each round, or their range if there are too many to read.
fn rounds_words(ratios: impl Iterator<Item = f64>) -> String {
    const SHOWN_MAX: usize = 11;
    let mut ratios: Vec<f64> = ratios.collect();
    if ratios.len() <= SHOWN_MAX {
        let ratios: Vec<String> = ratios.iter().map(|ratio| format!("{ratio:.2}")).collect();
        return format!("per round {}", ratios.join(", "));
    }
    ratios.sort_unstable_by(f64::total_cmp);
    let cut = ratios.len() / 20;
    let (low, high) = (ratios[cut], ratios[ratios.len() - 1 - cut]);
    format!("{} rounds, 9 in 10 from {low:.2} to {high:.2}", ratios.len())
}

fn write_cold(out: &mut dyn Write, report: &Run) -> io::Result<()> {
    let Some(cold) = &report.cold else { return Ok(()) };
    let (without, ahead, times) = cold.medians();
    let rounds = cold.rounds.iter().map(|round| round.ahead / round.without);
    writeln!(
        out,
        "cold      {} samples/s; {} with {} read ahead: {times:.2} times ({})",
        count(without as u64),
        count(ahead as u64),
        counted_as(cold.read_ahead as u64, "batch", "batches"),
        rounds_words(rounds)
    )?;
    let Some(share) = cold.stored_share else { return Ok(()) };
    let kept = if cold.was_cached() { "; the page cache had the rest" } else { "" };
    writeln!(out, "          storage delivered {} of the samples' bytes{kept}", percent(share))
}

fn write_failures(out: &mut dyn Write, errors: usize, faults: usize) -> io::Result<()> {
    if faults > 0 {
        writeln!(out, "faults    {} passed over", counted(faults as u64, "bad read"))?;
    }
    if errors > 0 {
        writeln!(out, "errors    {} failed", counted_as(errors as u64, "batch", "batches"))?;
    }
    Ok(())
}

pub(crate) fn tune(out: &mut dyn Write, report: &Tune) -> io::Result<()> {
    writeln!(out, "source    {}", one_line(&report.source))?;
    write_schema(out, &report.schema)?;
    write_ceilings(out, report)?;
    let most = report.most;
    writeln!(
        out,
        "bounds    {}, {} ahead",
        counted(most.workers as u64, "worker"),
        counted_as(most.prefetch as u64, "batch", "batches")
    )?;
    for step in &report.sought.steps {
        let verdict = if step.taken { "taken" } else { "no" };
        let (from, to) = (settings(step.from), settings(step.to));
        writeln!(out, "tried     {to:34} {:.2} times {from:34} {verdict}", step.ratio)?;
    }
    write_turns(out, report)?;
    write_found(out, report)?;
    for (i, reason) in report.reasons().iter().enumerate() {
        writeln!(out, "{} {reason}", if i == 0 { "why      " } else { "         " })?;
    }
    if let Some(grid) = &report.grid {
        writeln!(
            out,
            "grid      {:.2} of the best of {}, {}",
            grid.ratio(),
            counted(grid.points() as u64, "setting"),
            settings(grid.best)
        )?;
    }
    let memory = bytes(report.memory_bytes as u64);
    writeln!(out, "paste     at most {memory} of memory for batches\n")?;
    for line in report.code.lines() {
        writeln!(out, "    {line}")?;
    }
    Ok(())
}

/// How long the search took, and the rates of the finalists.
fn write_turns(out: &mut dyn Write, report: &Tune) -> io::Result<()> {
    let sought = &report.sought;
    let cut = if sought.cut { ", cut short by --seconds" } else { "" };
    writeln!(
        out,
        "          {} in {}{cut}",
        counted(sought.trials.len() as u64, "trial"),
        duration(sought.seconds)
    )?;
    for (i, finalist) in sought.finals.finalists.iter().enumerate() {
        let label = if i == 0 { "turns    " } else { "         " };
        let (of, rate) = (settings(finalist.settings), count(finalist.rate() as u64));
        let beside = sought.finals.ratio(finalist.settings, report.found);
        let beside = beside.map_or("found".to_owned(), |Ratio { median, low, high }| {
            format!("{median:.2} times the one found ({low:.2} to {high:.2})")
        });
        writeln!(out, "{label} {of:34} {rate:>10} samples/s, {beside}")?;
    }
    Ok(())
}

fn write_found(out: &mut dyn Write, report: &Tune) -> io::Result<()> {
    let (rate, words) = (count(report.rate() as u64), report.start_words());
    writeln!(out, "found     {}: {rate} samples/s", settings(report.found))?;
    if report.found == report.start {
        writeln!(out, "          which are {words}")?;
    } else if let Some(Ratio { median, low, high }) = report.beside_start() {
        let start = settings(report.start);
        writeln!(out, "          {median:.2} times {words}, {start} ({low:.2} to {high:.2})")?;
    }
    writeln!(out, "          {}", report.uncertainty())?;
    if let Some((name, ceiling, share)) = report.ceiling() {
        let ceiling = count(ceiling as u64);
        writeln!(out, "          {share:.2} of the {ceiling} samples/s that the {name} allows")?;
    }
    Ok(())
}

fn write_ceilings(out: &mut dyn Write, report: &Tune) -> io::Result<()> {
    let ceilings = &report.ceilings;
    let mut label = "ceilings ";
    let mut line = |what: &str, text: String| {
        let written = writeln!(out, "{label} {what:15} {text}");
        label = "         ";
        written
    };
    for (what, rate) in [("storage", ceilings.storage), ("page cache", ceilings.page_cache)] {
        if let (Some(rate), Some(sample)) = (rate, ceilings.sample_bytes) {
            let per_second = bytes((rate * sample) as u64);
            line(what, format!("{} samples/s, {per_second}/s", count(rate as u64)))?;
        }
    }
    line("memory copies", format!("{}/s", bytes(ceilings.memory_copy as u64)))?;
    match ceilings.device_copy {
        Some(rate) => line("device copies", format!("{}/s", bytes(rate as u64))),
        None => Ok(()),
    }
}

/// Settings as text.
pub(crate) fn settings(settings: Settings) -> String {
    let ahead = if settings.read_ahead > 0 { ", reading ahead" } else { "" };
    format!(
        "{}, {} ahead{ahead}",
        counted(settings.workers as u64, "worker"),
        counted_as(settings.prefetch as u64, "batch", "batches")
    )
}

pub(crate) fn explain(out: &mut dyn Write, report: &Explain) -> io::Result<()> {
    writeln!(out, "chain     {}", one_line(&report.augmented.chain))?;
    for Becoming { name, from, to } in &report.fields {
        let [name, from, to] = [name, from, to].map(|text| one_line(text));
        writeln!(out, "field     {name}: {from} becomes {to}")?;
    }
    writeln!(out, "scratch   {} per worker", bytes(report.augmented.scratch_bytes as u64))?;
    write!(out, "{}", report.explained)
}

/// The bare hash, as other hashing programs print it.
pub(crate) fn digest(out: &mut dyn Write, report: &Digest) -> io::Result<()> {
    writeln!(out, "{:032x}", report.hash)
}

pub(crate) fn inspect(out: &mut dyn Write, report: &Inspect) -> io::Result<()> {
    let out: &mut dyn Write = &mut Labelled::new(out);
    writeln!(out, "source    {}", one_line(&report.source))?;
    write_schema(out, &report.schema)?;
    match report.samples {
        Some(samples) => writeln!(out, "samples   {}", count(samples as u64))?,
        None => writeln!(out, "samples   as many as the stream has")?,
    }
    packed::write(out, &report.packed)?;
    parts::write(out, &report.parts, " per epoch")?;
    if let Some(epoch) = report.epoch {
        writeln!(out, "epoch     {}", counted(epoch as u64, "sample"))?;
    }
    let held = if report.is_held { ", the rest is held in memory" } else { "" };
    // Standard input has no size.
    if report.samples.is_some() || report.bytes > 0 {
        writeln!(out, "size      {} in files{held}", bytes(report.bytes))?;
    }
    for (what, size) in [("smallest ", &report.smallest), ("largest  ", &report.largest)] {
        if let Some(SampleSize { bytes: size, index, name }) = size {
            writeln!(out, "{what} {}, sample {index}: {}", bytes(*size), one_line(name))?;
        }
    }
    for spread in &report.shapes {
        writeln!(out, "shapes    {}", one_line(&spread.to_string()))?;
    }
    write_values(out, report)?;
    write_pictures(out, report)?;
    write_means(out, report)?;
    if let Some(problem) = &report.problem {
        let unread = counted(report.unread as u64, "sample");
        writeln!(out, "unread    {unread}: {}", one_line(problem))?;
    }
    for field in &report.encoded {
        let option = format!("--picture {}", shell::quoted(field.as_ref()));
        writeln!(
            out,
            "bytes     {}",
            one_line(&format!("{field} has pictures, which {option} decodes"))
        )?;
    }
    if !report.left_out.is_empty() {
        let columns = one_line(&report.left_out.join(", "));
        writeln!(out, "left out  {columns}: no tensor holds their values")?;
    }
    if report.ignored > 0 {
        writeln!(
            out,
            "ignored   {}",
            counted_as(report.ignored as u64, "other entry", "other entries")
        )?;
    }
    if !report.passed_over.is_empty() {
        let folders = place::named(&report.passed_over);
        writeln!(out, "          folders of samples are ignored: {}", one_line(&folders))?;
    }
    Ok(())
}

/// Classes, and what the pictures are that were looked at.
fn write_pictures(out: &mut dyn Write, report: &Inspect) -> io::Result<()> {
    const NAMED_MAX: usize = 5;
    let fields = report.schema.fields().iter();
    let classes: Vec<_> = fields.filter_map(|it| Some((it.name(), it.classes()?))).collect();
    for (i, (field, names)) in classes.iter().enumerate() {
        let head = if i == 0 { "classes  " } else { "         " };
        let named = match names {
            [first, .., last] if names.len() > NAMED_MAX => format!("{first} to {last}"),
            names => names.join(", "),
        };
        // One field of classes is the label, whatever it is called.
        let field =
            if classes.len() == 1 { String::new() } else { format!("{}, ", one_line(field)) };
        writeln!(out, "{head} {field}{}: {}", count(names.len() as u64), one_line(&named))?;
    }
    for (i, of) in report.pictures.iter().enumerate() {
        let head = if i == 0 { "pictures " } else { "         " };
        let formats = of.formats.iter();
        let formats: Vec<String> = formats.map(|(name, n)| format!("{n} {name}")).collect();
        let mut said = format!("{}, {}", formats.join(", "), of.sizes());
        if of.turned > 0 {
            said += &format!(", {} turned by EXIF", of.turned);
        }
        writeln!(out, "{head} {}: {said}", one_line(&of.field))?;
    }
    Ok(())
}

/// What `normalize` takes.
fn write_means(out: &mut dyn Write, report: &Inspect) -> io::Result<()> {
    for (i, of) in report.means.iter().enumerate() {
        let head = if i == 0 { "means    " } else { "         " };
        let list = |values: &[f64]| {
            let values: Vec<String> = values.iter().map(|value| format!("{value:.4}")).collect();
            format!("[{}]", values.join(", "))
        };
        let (mean, deviation) = (list(&of.mean), list(&of.deviation));
        let samples = counted(of.samples as u64, "sample");
        let field = one_line(&of.field);
        writeln!(out, "{head} {field}: normalize({mean}, {deviation}) from {samples}")?;
    }
    Ok(())
}

fn write_values(out: &mut dyn Write, report: &Inspect) -> io::Result<()> {
    for (i, of) in report.values.iter().enumerate() {
        let head = if i == 0 { "values   " } else { "         " };
        let mut said = match of.range.ends() {
            Some((least, greatest)) => format!("{}..{}", short(least), short(greatest)),
            None => "no numbers".to_owned(),
        };
        for (what, number) in [("NaN", of.range.nans), ("infinite", of.range.infinities)] {
            if number > 0 {
                said += &format!(", {} {what}", count(number));
            }
        }
        if i == 0 {
            said += &format!(" in {}", counted(report.looked_at as u64, "sample"));
        }
        match of.white {
            Some(_) if of.are_clipped() => said += &range_advice(of),
            Some(white) => said += &format!("; augmentation takes 0..{white} as black..white"),
            None => {}
        }
        writeln!(out, "{head} {}: {said}", one_line(&of.field))?;
    }
    Ok(())
}

/// Advice about floats that augmentation would take for more than white.
fn range_advice(of: &FieldValues) -> String {
    const BYTES: f64 = 255.0;
    let range = match of.range.ends() {
        Some((least, greatest)) if least >= 0.0 && greatest <= BYTES => "0, 255",
        _ => "low, high",
    };
    format!("; augmentation expects floats in 0..1: add range({range}) to --augment")
}

pub(crate) fn write_schema(out: &mut dyn Write, schema: &Schema) -> io::Result<()> {
    for (i, field) in schema.fields().iter().enumerate() {
        let head = if i == 0 { "fields   " } else { "         " };
        let up_to = if field.as_picture().is_some() { "at most " } else { "" };
        let size = bytes(field.max_bytes() as u64);
        writeln!(out, "{head} {}, {up_to}{size} per sample", one_line(&field.to_string()))?;
    }
    Ok(())
}

pub(crate) fn check(out: &mut dyn Write, report: &Check) -> io::Result<()> {
    for spread in &report.shapes {
        let said = one_line(&spread.to_string());
        writeln!(out, "{BAD}{}{BAD:#}: {said}", SourceErrorKind::ShapeMismatch)?;
    }
    for problem in report.problems.iter().filter(|problem| !problem.is_told) {
        let (path, message) = (one_line(&problem.path), one_line(&problem.message));
        writeln!(out, "{path}: {BAD}{}{BAD:#}: {message}", problem.kind)?;
    }
    for note in &report.notes {
        writeln!(out, "{ADVICE}note{ADVICE:#}: {}", one_line(note))?;
    }
    let samples = counted(report.samples as u64, "sample");
    match report.problems.len() {
        0 => writeln!(out, "{samples}, {GOOD}no problems{GOOD:#}"),
        problems => {
            writeln!(out, "{samples}, {BAD}{}{BAD:#}", counted(problems as u64, "problem"))
        }
    }
}

/// The findings in one column, each with what to do about it below.
pub(crate) fn doctor(out: &mut dyn Write, report: &Doctor) -> io::Result<()> {
    let widest = report.findings.iter().map(|finding| finding.what.len()).max().unwrap_or(0);
    for finding in &report.findings {
        let style = if finding.advice.is_some() { ADVICE } else { GOOD };
        let (what, found) = (&finding.what, one_line(&finding.found));
        writeln!(out, "{style}{what:widest$}{style:#}  {found}")?;
        if let Some(advice) = &finding.advice {
            writeln!(out, "{:widest$}  {ADVICE}-> {}{ADVICE:#}", "", one_line(advice))?;
        }
    }
    let harms = report.findings.iter().filter(|finding| finding.advice.is_some()).count();
    let verdict = match harms {
        0 => "nothing here slows loading".to_owned(),
        _ => format!("{} to change, each as its -> says", counted(harms as u64, "setting")),
    };
    writeln!(out, "{:widest$}  {verdict}", "verdict")
}
