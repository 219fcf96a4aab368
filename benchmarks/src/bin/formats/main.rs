//! Formats beside what they are to be as fast as, by turns, the page cache hot:
//! `cargo run --release -p tallow-benchmarks --bin formats -- FOLDER [--python PYTHON] [--rounds N] [--only NAME]`.
//!
//! - `npz`: a `.npz` that is not compressed, beside one large `.npy` of the same samples.
//! - `tar`: archives beside the same samples as single files, and with a Python that has `webdataset` and torch
//!   beside its loader.
//! - `tokens`: windows of 1024 tokens, beside copies of the same windows from memory.
//! - `index`: an archive of a million samples, opened for the first time and again.
//!
//! The data sets are written to FOLDER, 2 GB, unless they are there. Samples come in random order, in batches of 64,
//! by two threads on either side. Prints medians of the rounds and of their ratios, and whether each bar is met. *Bare*
//! is what the same system calls reach in a loop of two threads, into memory that is used again: the floor.

#![expect(clippy::print_stdout, reason = "a program that prints what it measured")]

mod bare;
mod sets;
mod tokens;

use std::cell::RefCell;
use std::hint::black_box;
use std::path::{Path, PathBuf};
use std::rc::Rc;
use std::time::{Duration, Instant};

use serde_json::Value;
use tallow::Tar;
use tallow::prelude::*;
use tallow_benchmarks::{Python, median};

type Result<T, E = Box<dyn std::error::Error>> = std::result::Result<T, E>;

const BATCH: usize = 64;
const THREADS: usize = 2;

const USAGE: &str = "usage: formats FOLDER [--python PYTHON] [--rounds N] [--only NAME]";

struct Options {
    folder: PathBuf,
    python: Option<String>,
    rounds: usize,
    only: Option<String>,
}

impl Options {
    fn read(mut args: impl Iterator<Item = String>) -> Result<Self> {
        let folder = std::path::absolute(args.next().ok_or(USAGE)?)?;
        let mut options = Self { folder, python: None, rounds: 7, only: None };
        while let Some(arg) = args.next() {
            let value = args.next().ok_or(USAGE)?;
            match &arg[..] {
                "--python" => options.python = Some(value),
                "--rounds" => options.rounds = value.parse::<usize>()?.max(1),
                "--only" => options.only = Some(value),
                _ => return Err(USAGE.into()),
            }
        }
        Ok(options)
    }
}

fn main() -> Result<()> {
    let options = Options::read(std::env::args().skip(1))?;
    std::fs::create_dir_all(&options.folder)?;
    tallow::keep_freed_memory();
    for name in ["npz", "tar", "tokens", "index"] {
        if options.only.as_ref().is_some_and(|only| only != name) {
            continue;
        }
        println!("\n{name}:");
        match name {
            "npz" => npz(&options)?,
            "tar" => tar(&options)?,
            "tokens" => tokens::measure(&options)?,
            _ => index(&options)?,
        }
    }
    Ok(())
}

/// One side of a comparison: its rate in samples per second, each time it is asked.
type Side<'a> = (String, Box<dyn FnMut() -> Result<f64> + 'a>);

/// What the sides of a comparison reached, round by round.
struct Rounds(Vec<Vec<f64>>);

/// Prints the rates of the sides, which take turns.
fn by_turns(rounds: usize, mut sides: Vec<Side<'_>>) -> Result<Rounds> {
    let mut rates = vec![Vec::new(); sides.len()];
    // The first round warms caches and starts workers.
    for round in 0..=rounds {
        for ((_, rate), rates) in sides.iter_mut().zip(&mut rates) {
            let rate = rate()?;
            if round > 0 {
                rates.push(rate);
            }
        }
    }
    for ((name, _), rates) in sides.iter().zip(&rates) {
        println!("  {name:<44} {:>10.0} samples/s", median(&mut rates.clone()));
    }
    Ok(Rounds(rates))
}

impl Rounds {
    /// The median of the ratios of side `own` to side `other`, each of one round, with the least and the greatest.
    fn ratio(&self, own: usize, other: usize) -> [f64; 3] {
        let pairs = self.0[own].iter().zip(&self.0[other]);
        let mut ratios: Vec<f64> = pairs.map(|(own, other)| own / other).collect();
        [median(&mut ratios), ratios[0], ratios[ratios.len() - 1]]
    }

    /// Prints such a ratio, and whether it is at least `bar`.
    fn told(&self, what: &str, own: usize, other: usize, bar: f64) {
        let [ratio, least, most] = self.ratio(own, other);
        let verdict = verdict(ratio >= bar, &bar.to_string());
        println!("  {what}: {ratio:.2} ({least:.2} to {most:.2}), {verdict}");
    }
}

fn verdict(is_met: bool, bar: &str) -> String {
    format!("the bar is {bar}: {}", if is_met { "met" } else { "missed" })
}

/// Whole epochs of a loader.
fn loaded(name: &str, source: impl Source + 'static) -> Result<Side<'static>> {
    let builder = Loader::builder(source).shuffle();
    let loader = builder.batch_size(BATCH).workers(THREADS).build()?;
    let mut epoch = 0;
    let rate = move || {
        epoch += 1;
        let (start, mut samples) = (Instant::now(), 0);
        for batch in loader.epoch(epoch) {
            samples += black_box(batch?).len();
        }
        Ok(samples as f64 / start.elapsed().as_secs_f64())
    };
    Ok((name.to_owned(), Box::new(rate)))
}

fn npz(options: &Options) -> Result<()> {
    let (npy, npz) = (sets::npy(&options.folder)?, sets::npz(&options.folder)?);
    let sides = vec![
        loaded("tallow, a .npz", tallow::open(&npz)?)?,
        loaded("tallow, one large .npy", tallow::open(&npy)?)?,
    ];
    by_turns(options.rounds, sides)?.told(".npz / .npy", 0, 1, 0.9);
    Ok(())
}

fn tar(options: &Options) -> Result<()> {
    let (files, archives) = (sets::files(&options.folder)?, sets::archives(&options.folder)?);
    let mut sides = vec![
        loaded("tallow, archives", tallow::open(&archives)?)?,
        loaded("tallow, single files", tallow::open(&files)?)?,
        bare::archives(&archives)?,
        bare::files(&files),
    ];
    let own = sides.len();
    if let Some(python) = &options.python {
        sides.extend(webdataset(python, &archives)?);
    }
    let all = sides.len();
    let rounds = by_turns(options.rounds, sides)?;
    rounds.told("archives / single files", 0, 1, 3.0);
    rounds.told("the same in loops", 2, 3, 3.0);
    let slower = |&a: &usize, &b: &usize| rounds.ratio(a, 0)[0].total_cmp(&rounds.ratio(b, 0)[0]);
    if let Some(fastest) = (own..all).max_by(slower) {
        rounds.told("archives / the fastest of webdataset", 0, fastest, 5.0);
    }
    Ok(())
}

/// The forms in which `webdataset` is used.
fn webdataset(python: &str, archives: &Path) -> Result<Vec<Side<'static>>> {
    let place = archives.to_str().ok_or("a folder whose name is no text")?;
    let (python, ready) = Python::start(python, &["webdataset_peer.py", place])?;
    println!("  {}", ready["ready"]);
    let python = Rc::new(RefCell::new(python));
    let forms = ready["forms"].as_array().ok_or("no forms")?;
    let side = |form: &Value| -> Result<Side<'static>> {
        let (python, line) = (python.clone(), form.to_string());
        let rate = move || {
            let answer = python.borrow_mut().ask(&line)?;
            let number = |key: &str| answer[key].as_f64().ok_or("no such number");
            Ok(number("samples")? / number("seconds")?)
        };
        Ok((form.as_str().ok_or("a form without a name")?.to_owned(), Box::new(rate)))
    };
    forms.iter().map(side).collect()
}

fn index(options: &Options) -> Result<()> {
    const SAMPLES: f64 = 1e6;
    let archive = sets::million(&options.folder)?;
    let kept = options.folder.join("kept");
    let open = || -> Result<Duration> {
        let start = Instant::now();
        black_box(Tar::builder([&archive]).index_folder(&kept).open()?);
        Ok(start.elapsed())
    };
    let (mut firsts, mut agains) = (Vec::new(), Vec::new());
    for _ in 0..=options.rounds {
        // There is none before the first round.
        let _ = std::fs::remove_dir_all(&kept);
        firsts.push(open()?);
        agains.push(open()?);
    }
    let bytes = folder_bytes(&kept)? as f64 / SAMPLES;
    let (first, again) = (median(&mut firsts[1..]), median(&mut agains[1..]));
    let is_met = [first.as_secs_f64() <= 3.0, again.as_secs_f64() <= 0.05, bytes <= 30.0];
    println!("  opened for the first time: {first:.2?}, {}", verdict(is_met[0], "3 s"));
    println!("  opened again: {again:.2?}, {}", verdict(is_met[1], "50 ms"));
    println!("  held: {bytes:.1} bytes a sample, {}", verdict(is_met[2], "30 bytes"));
    Ok(())
}

fn folder_bytes(folder: &Path) -> Result<u64> {
    let mut bytes = 0;
    for entry in std::fs::read_dir(folder)? {
        bytes += entry?.metadata()?.len();
    }
    Ok(bytes)
}
