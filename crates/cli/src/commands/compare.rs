//! `compare`: Tallow and other loaders take turns on the same files.
//!
//! Each contender is a separate process, so that memory, CPU time and start are measured in the
//! same way. `compare/contender.rs` talks to them, and `benchmarks/peers/loader.py` describes the
//! protocol.

use std::env;
use std::ffi::OsString;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

use indicatif::ProgressBar;
use serde_json::Value;
use tallow::Found;
use tempfile::TempDir;

use super::doctor;
use crate::args::{CompareArgs, SourceArgs, Workers};
use crate::compare::augment::WorkAugment;
use crate::compare::contender::Contender;
use crate::compare::work::Work;
use crate::data::extents;
use crate::data::place::{self, Opened};
use crate::loading::{plan, settings};
use crate::machine::{system, threads};
use crate::report::compare::{Compare, Entry, Lap, Measured, Outcome, html, human, json};
use crate::terminal::console::Console;
use crate::terminal::exit::{Failure, Result};
use crate::terminal::interrupt::{self, Undone};
use crate::terminal::output::Outputs;

/// The scripts of the peers, by name; the first is the program.
const PEERS_SCRIPTS: [(&str, &str); 10] = [
    ("loader.py", include_str!("../../peers/loader.py")),
    ("arrays.py", include_str!("../../peers/arrays.py")),
    ("pictures.py", include_str!("../../peers/pictures.py")),
    ("torch_peer.py", include_str!("../../peers/torch_peer.py")),
    ("dali_peer.py", include_str!("../../peers/dali_peer.py")),
    ("chains.py", include_str!("../../peers/chains.py")),
    ("torch_chain.py", include_str!("../../peers/torch_chain.py")),
    ("opencv_chain.py", include_str!("../../peers/opencv_chain.py")),
    ("albumentations_chain.py", include_str!("../../peers/albumentations_chain.py")),
    ("dali_chain.py", include_str!("../../peers/dali_chain.py")),
];

/// Subcommand and name.
const BUILT_IN: [(&str, &str); 2] = [("tallow", "Tallow"), ("candle", "candle loop")];

/// Name in the script, and name.
const PEERS: &[(&str, &str)] =
    &[("torch", "torch DataLoader"), ("dali", "DALI"), ("spdl", "SPDL"), ("grain", "Grain")];

/// The same for arrays that are augmented.
const ARRAY_PEERS: &[(&str, &str)] = &[
    ("torch", "torch, tensors"),
    ("torch_pil", "torch, PIL"),
    ("opencv", "OpenCV, albumentations"),
    ("dali", "DALI"),
];

/// The same for pictures.
const PICTURE_PEERS: &[(&str, &str)] = &[
    ("torch_pil", "torch, PIL"),
    ("torch_decode", "torch, decode_image"),
    ("opencv", "OpenCV, albumentations"),
    ("dali", "DALI"),
    ("spdl", "SPDL"),
];

fn peers(work: &Work) -> &'static [(&'static str, &'static str)] {
    match (work.pictures, &work.augment) {
        (true, _) => PICTURE_PEERS,
        (false, Some(_)) => ARRAY_PEERS,
        (false, None) => PEERS,
    }
}

/// The plain loop does not augment arrays.
fn built_in(work: &Work) -> &'static [(&'static str, &'static str)] {
    if work.augment.is_some() && !work.pictures { &BUILT_IN[..1] } else { &BUILT_IN }
}

pub(crate) fn run(args: &CompareArgs, console: &mut Console) -> Result {
    let workers = match args.workers {
        Workers::Auto => threads::cores(),
        Workers::Count(0) => return Err(Failure::usage("compare needs at least one worker")),
        Workers::Count(count) => count,
    };
    let python = Python::of(args)?;
    let mut outputs = Outputs::beside(&args.source);
    let page = args.page.html.as_ref().map(|path| outputs.open("--html", path)).transpose()?;
    let (found, opened) = plan::open(&args.source)?;
    let Some(found) = found.only() else {
        return Err(Failure::usage(
            "compare takes one SOURCE, as other loaders read one; measure several with run",
        ));
    };
    let SourceArgs { renames, selected, pack, .. } = &args.source;
    if !(renames.is_empty() && selected.is_empty() && pack.is_none()) {
        return Err(Failure::usage(
            "compare knows no --rename, --select and --pack: others read files as they are",
        ));
    }
    let seed = u64::from(args.seed);
    let mut work = Work::new(found, &*opened.source, args.batch_size, workers, seed)?;
    if let Some(chain) = &args.augment {
        let schema = opened.source.schema();
        let field = if work.pictures { &work.fields[0].name } else { &args.augment_field };
        work.augment = Some(WorkAugment::new(chain, field, args.layout, schema)?);
    } else if work.pictures {
        return Err(Failure::usage(
            "compare of pictures needs a chain that gives them one size, like --augment \
             'random_resized_crop(224) random_hflip normalize(imagenet) to_dtype(f32)'",
        ));
    }
    let booth = Booth::new(&work, python, Duration::from_secs(args.timeout))?;
    let progress = console.progress("comparing", steps(args.rounds, &work));
    let mut entrants = booth.entrants(&work, &progress)?;
    take_turns(&mut entrants, args.rounds, &progress);
    verify(&mut entrants, &work, &progress);
    progress.finish_and_clear();
    let report = report(found, &opened, &work, args, entrants);
    if let Some(page) = page {
        page.write(&html::page(&report, &doctor::surroundings()).to_html())?;
        args.page.html.iter().for_each(|path| console.tell_written(path));
    }
    conclude(&report, args.output.json, &booth.python, console)
}

/// Steps of progress: to start each contender, its rounds, and to verify it.
fn steps(rounds: u64, work: &Work) -> u64 {
    rounds.saturating_add(2).saturating_mul((built_in(work).len() + peers(work).len()) as u64)
}

/// The Python in which the peers are installed.
struct Python {
    program: OsString,
    /// Why it cannot be started.
    missing: Option<String>,
}

impl Python {
    /// A Python that was asked for must exist. Without the default one, there are just no peers.
    fn of(args: &CompareArgs) -> Result<Self> {
        let asked = args.python.clone().map(OsString::from);
        let asked = asked.or_else(|| env::var_os("TALLOW_PYTHON").filter(|name| !name.is_empty()));
        let is_asked = asked.is_some();
        let program = asked.unwrap_or_else(|| "python3".into());
        let mut command = Command::new(&program);
        let null = Stdio::null;
        match command.args(["-c", ""]).stdin(null()).stdout(null()).stderr(null()).spawn() {
            Ok(mut child) => {
                // It starts, and nothing else matters here.
                let _ = child.kill();
                let _ = child.wait();
                Ok(Self { program, missing: None })
            }
            Err(error) if is_asked => {
                let message = format!("cannot start the Python {program:?}: {error}");
                Err(Failure::Usage(message))
            }
            Err(error) => {
                let missing = Some(format!("{} cannot be started: {error}", program.display()));
                Ok(Self { program, missing })
            }
        }
    }
}

/// A contender, and what is known about it so far.
struct Entrant {
    entry: Entry,
    /// `None` once it is out.
    contender: Option<Contender>,
    laps: Vec<Lap>,
}

impl Entrant {
    fn new(name: &'static str) -> Self {
        let entry = Entry {
            name,
            version: None,
            versions: Vec::new(),
            form: None,
            tried: Vec::new(),
            notes: Vec::new(),
            outcome: Outcome::Absent(String::new()),
        };
        Self { entry, contender: None, laps: Vec::new() }
    }

    fn fail(&mut self, why: String) {
        self.contender = None;
        self.entry.outcome = Outcome::Failed(why);
    }

    fn ready(&mut self, contender: Contender) {
        let ready = &contender.ready;
        let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        let versions = ready["ready"].as_object().into_iter().flatten();
        self.entry.versions =
            versions.map(|(name, version)| (name.clone(), text(version))).collect();
        self.entry.version = ready["version"].as_str().map(str::to_owned);
        self.entry.notes = ready["notes"].as_array().into_iter().flatten().map(text).collect();
        self.contender = Some(contender);
    }

    /// The answer to a line, if it is still in. A contender without an answer is out.
    fn ask(&mut self, line: &str) -> Option<Value> {
        match self.contender.as_mut()?.ask(line) {
            Ok(answer) => Some(answer),
            Err(why) => {
                self.fail(why);
                None
            }
        }
    }
}

/// What the contenders are started with: their folder and their Python.
struct Booth {
    folder: TempDir,
    _undone: Undone,
    python: Python,
    timeout: Duration,
}

impl Booth {
    fn new(work: &Work, python: Python, timeout: Duration) -> Result<Self> {
        let folder = tempfile::Builder::new().prefix("bench-loader-compare-").tempdir();
        let folder = folder.map_err(|error| cannot("make a temporary folder (TMPDIR)", &error))?;
        let undone = interrupt::folder(folder.path());
        let this = Self { folder, _undone: undone, python, timeout };
        work.write(&this.path("work.json"))?;
        for (name, script) in PEERS_SCRIPTS {
            let written = fs::write(this.path(name), script);
            written.map_err(|error| cannot("write the script of the peers", &error))?;
        }
        Ok(this)
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// Starts all contenders and lets each load a warm-up epoch. If Tallow cannot load the samples,
    /// there is nothing to compare.
    fn entrants(&self, work: &Work, progress: &ProgressBar) -> Result<Vec<Entrant>> {
        let program = env::current_exe().map_err(|error| cannot("find this program", &error))?;
        let mut entrants = Vec::new();
        for &(subcommand, name) in built_in(work) {
            let mut entrant = self.built_in(&program, subcommand, name);
            entrant.ask("warm");
            if let ("tallow", Outcome::Failed(why)) = (subcommand, &entrant.entry.outcome) {
                progress.finish_and_clear();
                return Err(Failure::failed(why));
            }
            entrants.push(entrant);
            progress.inc(1);
        }
        for &(peer, name) in peers(work) {
            let mut entrant = self.peer(peer, name);
            entrant.ask("warm");
            entrants.push(entrant);
            progress.inc(1);
        }
        Ok(entrants)
    }

    fn built_in(&self, program: &Path, subcommand: &str, name: &'static str) -> Entrant {
        let mut entrant = Entrant::new(name);
        let mut command = Command::new(program);
        command.args(["contend", subcommand]).arg(self.path("work.json"));
        match Contender::start(command, &self.path(subcommand), self.timeout) {
            Ok(contender) => match contender.ready["left_out"].as_str() {
                Some(why) => entrant.entry.outcome = Outcome::LeftOut(why.to_owned()),
                None => entrant.ready(contender),
            },
            Err(why) => entrant.fail(why),
        }
        if subcommand == "tallow" {
            entrant.entry.version = Some(env!("CARGO_PKG_VERSION").to_owned());
        }
        entrant
    }

    fn peer(&self, peer: &str, name: &'static str) -> Entrant {
        let mut entrant = Entrant::new(name);
        if let Some(missing) = &self.python.missing {
            entrant.entry.outcome = Outcome::Absent(missing.clone());
        } else if let Err(why) = self.start_peer(peer, &mut entrant) {
            entrant.fail(why);
        }
        entrant
    }

    /// One process chooses the form, and a second one takes part with it.
    fn start_peer(&self, peer: &str, entrant: &mut Entrant) -> Result<(), String> {
        let mut first = self.started(peer, None)?;
        if let Some(why) = first.ready["absent"].as_str() {
            entrant.entry.outcome = Outcome::Absent(why.to_owned());
            return Ok(());
        }
        if let Some(why) = first.ready["left_out"].as_str() {
            entrant.entry.outcome = Outcome::LeftOut(why.to_owned());
            return Ok(());
        }
        let choice = first.ask("choose")?;
        drop(first);
        let form = choice["form"].as_str().ok_or("did not say which form it chose")?;
        let tried = choice["tried"].as_object().into_iter().flatten();
        let tried = tried.map(|(form, rate)| (form.clone(), rate.as_f64().unwrap_or(0.0)));
        entrant.entry.tried = tried.collect();
        entrant.ready(self.started(peer, Some(form))?);
        entrant.entry.form = Some(form.to_owned());
        let failed = choice["failed"].as_object().into_iter().flatten();
        let failed = failed.map(|(form, why)| format!("{form}: {}", why.as_str().unwrap_or("?")));
        entrant.entry.notes.extend(failed);
        Ok(())
    }

    fn started(&self, peer: &str, form: Option<&str>) -> Result<Contender, String> {
        let mut command = Command::new(&self.python.program);
        command.arg(self.path("loader.py")).arg(peer).arg(self.path("work.json")).args(form);
        Contender::start(command, &self.path(peer), self.timeout)
    }
}

/// In each round every contender has its turn, and each round begins with another one.
fn take_turns(entrants: &mut [Entrant], rounds: u64, progress: &ProgressBar) {
    let count = entrants.len() as u64;
    for round in 0..rounds {
        for turn in 0..count {
            // Below the number of entrants, so it fits.
            let entrant = &mut entrants[((round % count + turn) % count) as usize];
            if let Some(answer) = entrant.ask(&format!("epoch {}", round.saturating_add(1))) {
                match lap(&answer) {
                    Some(lap) => entrant.laps.push(lap),
                    None => entrant.fail(format!("answered with {answer}")),
                }
            }
            progress.inc(1);
        }
    }
}

fn lap(answer: &Value) -> Option<Lap> {
    let time = |key: &str| Duration::try_from_secs_f64(answer[key].as_f64()?).ok();
    Some(Lap {
        wall: time("seconds")?,
        first_batch: time("first_batch_seconds")?,
        samples: answer["samples"].as_u64()?,
        bytes: answer["bytes"].as_u64()?,
        cpu: time("cpu_seconds")?,
        peak_bytes: answer["peak_bytes"].as_u64()?,
    })
}

/// Compares what each has delivered with the plain loop, which shares no code with Tallow's reader,
/// or with Tallow if the plain loop could not read the files.
fn verify(entrants: &mut [Entrant], work: &Work, progress: &ProgressBar) {
    let mut answers = Vec::new();
    for entrant in entrants.iter_mut() {
        answers.push(entrant.ask("verify").unwrap_or(Value::Null));
        progress.inc(1);
    }
    let checksum = |answer: &Value| answer["checksum"].as_str().map(str::to_owned);
    let expected = answers[..built_in(work).len()].iter().rev().find_map(checksum);
    let bytes = entrants.first().and_then(|tallow| Some(tallow.laps.first()?.bytes));
    for (entrant, answer) in entrants.iter_mut().zip(&answers) {
        let (Some(contender), laps) = (&entrant.contender, &entrant.laps) else { continue };
        let starting = contender.starting;
        let samples = work.samples() as u64;
        if let Some(lap) = laps.iter().find(|lap| lap.samples != samples) {
            entrant.fail(format!("delivered {} samples of {samples}", lap.samples));
        } else if let Some(why) = augmented_otherwise(answer, &answers[0], work) {
            entrant.fail(why);
        } else if let Some(lap) = laps.iter().find(|lap| Some(lap.bytes) != bytes) {
            entrant.fail(format!("delivered {} bytes, other than Tallow", lap.bytes));
        } else if checksum(answer) != expected {
            entrant.fail("delivered other data than the files hold: checksums differ".into());
        } else {
            let laps = std::mem::take(&mut entrant.laps);
            entrant.entry.outcome = Outcome::Measured(Measured { starting, laps });
        }
    }
}

/// How augmented images differ from Tallow's: in type or shape, or in the means of their channels.
fn augmented_otherwise(answer: &Value, own: &Value, work: &Work) -> Option<String> {
    let augment = work.augment.as_ref()?;
    let kind = |of: &Value| format!("{}{}", of["dtype"].as_str().unwrap_or("?"), of["shape"]);
    if kind(answer) != kind(own) {
        return Some(format!("delivered {}, of Tallow {}", kind(answer), kind(own)));
    }
    let means = |of: &Value| -> Vec<f64> {
        of["means"].as_array().into_iter().flatten().filter_map(Value::as_f64).collect()
    };
    let (means, own) = (means(answer), means(own));
    let apart = means.iter().zip(&own).map(|(a, b)| (a - b).abs());
    let is_far = apart.fold(0.0, f64::max) > augment.apart_max(work.samples());
    (is_far || means.len() != own.len())
        .then(|| format!("delivered other images: channel means {means:.3?}, of Tallow {own:.3?}"))
}

fn report(
    found: &Found,
    opened: &Opened,
    work: &Work,
    args: &CompareArgs,
    entrants: Vec<Entrant>,
) -> Compare {
    let source = &opened.source;
    let mut file_bytes = 0;
    for index in 0..source.len() {
        // Of a picture the extent is the most that it may take.
        let extents = extents::extents_of(&**source, index);
        file_bytes += extents.iter().filter_map(|it| extents::bytes_of(it).ok()).sum::<u64>();
    }
    Compare {
        source: place::shown(found),
        schema: source.schema().clone(),
        samples: source.len(),
        file_bytes,
        batch_size: work.batch_size,
        workers: work.workers,
        rounds: args.rounds,
        seed: work.seed,
        is_pictures: work.pictures,
        augment: work.augment.clone(),
        machine: system::described(),
        memory_bytes: system::memory_bytes(),
        command: settings::command_line(),
        entries: entrants.into_iter().map(|entrant| entrant.entry).collect(),
    }
}

fn conclude(report: &Compare, as_json: bool, python: &Python, console: &mut Console) -> Result {
    if as_json {
        console.print(json::value(report))?
    } else {
        human::write(console.out(), report)?
    }
    console.finish()?;
    let absent: Vec<&str> = report.absent().map(|entry| entry.name).collect();
    if !absent.is_empty() {
        console.tell(format_args!(
            "not installed: {}; to compare with them too, run {} -m pip install {}, or name a \
             Python that has them with --python",
            absent.join(", "),
            python.program.display(),
            match (report.is_pictures, &report.augment) {
                (true, _) =>
                    "torch torchvision pillow numpy opencv-python-headless albumentations \
                     nvidia-dali-cuda130 spdl",
                (false, Some(_)) =>
                    "torch torchvision pillow numpy opencv-python-headless albumentations \
                     nvidia-dali-cuda130",
                (false, None) => "torch numpy nvidia-dali-cuda130 spdl grain",
            },
        ));
    }
    match report.entries.first().map(|tallow| &tallow.outcome) {
        Some(Outcome::Failed(why)) => Err(Failure::failed(format_args!("Tallow: {why}"))),
        _ if report.best_other().is_none() => nothing_compared(report),
        _ => Ok(()),
    }
}

/// Only Tallow was measured. That is fine if other loaders are not installed. If those that are have
/// failed, or no loader has the steps, there is no comparison.
fn nothing_compared(report: &Compare) -> Result {
    let told = |entry: &Entry| match &entry.outcome {
        Outcome::Failed(why) | Outcome::LeftOut(why) => Some(format!("{}: {why}", entry.name)),
        Outcome::Measured(_) | Outcome::Absent(_) => None,
    };
    let has_failed = |entry: &Entry| matches!(entry.outcome, Outcome::Failed(_));
    if report.absent().next().is_some() && !report.entries.iter().any(has_failed) {
        return Ok(());
    }
    match report.entries.iter().filter_map(told).reduce(|all, one| format!("{all}; {one}")) {
        None => Ok(()),
        Some(why) => Err(Failure::failed(format_args!("nothing to compare with: {why}"))),
    }
}

fn cannot(doing: &str, error: &std::io::Error) -> Failure {
    Failure::failed(format_args!("cannot {doing}: {error}"))
}
