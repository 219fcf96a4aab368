//! What augmentation costs on the CPU, beside torchvision, OpenCV, Pillow, albumentations and DALI:
//! `cargo run --release -p tallow-benchmarks --bin augment -- [OPTION..] [CASE..]`.
//!
//! ```text
//! --python PATH   a Python in which the peers are installed (benchmarks/peers/requirements.txt)
//! --size HxW      the size of the images; can be repeated; 224x224 and 375x500 unless it is given
//! --rounds N      rounds in which all take turns, after a warm-up; 5 unless it is given
//! --seconds S     of each turn; 0.2 unless it is given
//! --loader        the chains through a loader too, with one worker and with two
//! ```
//!
//! Images are bytes of three colours in memory, colours last. Cases are single steps, from bytes to
//! bytes, and whole chains to normalised `f32`, colours first. Prints a table in Markdown: images per
//! CPU second of one thread, medians of the rounds, and Tallow's speed as a share of the best
//! peer's. What peers do is in `benchmarks/peers/augment`.

#![expect(clippy::print_stdout, reason = "a program that prints what it measured")]

mod cases;
mod images;
mod peers;
mod rate;

use std::sync::Arc;

use tallow::{Augment, Transform as _};
use tallow_benchmarks::median;

use self::cases::{ENDING, RECIPES, STEPS, perspective};
use self::images::Images;
use self::peers::Peers;
use self::rate::{rate, through_loader};

type Result<T, E = Box<dyn std::error::Error>> = std::result::Result<T, E>;

struct Options {
    python: Option<String>,
    sizes: Vec<[usize; 2]>,
    rounds: usize,
    seconds: f64,
    loader: bool,
    cases: Vec<String>,
}

impl Options {
    fn read(mut args: impl Iterator<Item = String>) -> Result<Self> {
        let mut options = Self {
            python: None,
            sizes: Vec::new(),
            rounds: 5,
            seconds: 0.2,
            loader: false,
            cases: Vec::new(),
        };
        while let Some(arg) = args.next() {
            let mut value = || args.next().ok_or(format!("expected a value after {arg}"));
            match &arg[..] {
                "--python" => options.python = Some(value()?),
                "--size" => options.sizes.push(size(&value()?)?),
                "--rounds" => options.rounds = value()?.parse::<usize>()?.max(1),
                "--seconds" => options.seconds = value()?.parse()?,
                "--loader" => options.loader = true,
                option if option.starts_with('-') => {
                    return Err(format!("{option} is no option").into());
                }
                case => options.cases.push(case.to_owned()),
            }
        }
        if options.sizes.is_empty() {
            options.sizes = vec![[224, 224], [375, 500]];
        }
        Ok(options)
    }

    /// The names and chains that are asked for.
    fn chains(&self, size: [usize; 2]) -> Result<Vec<(&'static str, String)>> {
        let steps = STEPS.iter().map(|case| (case.name, case.chain.to_owned()));
        let recipes = RECIPES.iter().map(|case| (case.name, format!("{} {ENDING}", case.chain)));
        let all = steps.chain([("perspective", perspective(size))]).chain(recipes);
        let all: Vec<_> = all.collect();
        if let Some(unknown) = self.cases.iter().find(|name| all.iter().all(|c| c.0 != **name)) {
            let known: Vec<_> = all.iter().map(|case| case.0).collect();
            return Err(format!("{unknown} is no case, expected {}", known.join(", ")).into());
        }
        let is_asked = |name: &str| self.cases.is_empty() || self.cases.iter().any(|c| c == name);
        Ok(all.into_iter().filter(|case| is_asked(case.0)).collect())
    }
}

fn size(text: &str) -> Result<[usize; 2]> {
    let (height, width) = text.split_once('x').ok_or("expected a size like 375x500")?;
    Ok([height.parse()?, width.parse()?])
}

fn main() -> Result<()> {
    let options = Options::read(std::env::args().skip(1))?;
    tallow::keep_freed_memory();
    let mut peers = options.python.as_deref().map(Peers::start).transpose()?;
    let libraries = peers.as_ref().map(|peers| peers.libraries.clone()).unwrap_or_default();
    for size in &options.sizes {
        let images = Images::random(*size)?;
        println!("\n{}x{}x3 bytes, instructions of {}\n", size[0], size[1], tallow::simd_level());
        let mut head = vec!["case".to_owned(), "Tallow".to_owned()];
        head.extend(libraries.iter().map(|(name, version)| format!("{name} {version}")));
        head.push("share of the best".to_owned());
        println!("| {} |\n|{}", head.join(" | "), "---|".repeat(head.len()));
        for (name, chain) in options.chains(*size)? {
            let augment: Augment = chain.trim().parse()?;
            let engine = augment.bind(&images.schema)?;
            let own = |seconds| rate(engine.as_ref(), &images, seconds);
            print_row(name, &take_turns(&options, &mut peers, name, *size, own)?);
        }
        if options.loader {
            through_loaders(&options, &images, *size)?;
        }
    }
    Ok(())
}

/// Lets our rounds and those of the peers take turns: medians, ours first, and then those of each
/// library, where it has the case.
fn take_turns(
    options: &Options,
    peers: &mut Option<Peers>,
    case: &str,
    size: [usize; 2],
    own: impl Fn(f64) -> f64,
) -> Result<Vec<Option<f64>>> {
    let libraries = peers.as_ref().map(|peers| peers.libraries.clone()).unwrap_or_default();
    let mut rates: Vec<Vec<f64>> = vec![Vec::new(); 1 + libraries.len()];
    for round in 0..=options.rounds {
        // The first round is a warm-up.
        let seconds = if round == 0 { 0.02 } else { options.seconds };
        let mut taken = vec![Some(own(seconds))];
        for (library, _) in &libraries {
            let peers = peers.as_mut().ok_or("no peers")?;
            taken.push(peers.rate(library, case, size, seconds)?);
        }
        if round > 0 {
            rates.iter_mut().zip(taken).for_each(|(rates, rate)| rates.extend(rate));
        }
    }
    Ok(rates.iter_mut().map(|rates| (!rates.is_empty()).then(|| median(rates))).collect())
}

fn print_row(name: &str, rates: &[Option<f64>]) {
    let cells = rates.iter().map(|rate| match rate {
        Some(rate) => format!("{rate:.0}"),
        None => String::new(),
    });
    let best = rates[1..].iter().flatten().copied().reduce(f64::max);
    let share = match (rates[0], best) {
        (Some(own), Some(best)) => format!("{:.2}", own / best),
        _ => String::new(),
    };
    println!("| {name} | {} | {share} |", cells.collect::<Vec<_>>().join(" | "));
}

/// The chains through a loader, including reads of memory and batches of tensors.
fn through_loaders(options: &Options, images: &Images, size: [usize; 2]) -> Result<()> {
    println!("\n| through a loader | 1 worker | 2 workers | times |\n|---|---|---|---|");
    let raw: Arc<Vec<Vec<u8>>> =
        Arc::new(images.rows.iter().map(|row| row.view().field(0).bytes().to_vec()).collect());
    for (name, chain) in options.chains(size)? {
        if RECIPES.iter().all(|case| case.name != name) {
            continue;
        }
        let mut rates = [Vec::new(), Vec::new()];
        for round in 0..=options.rounds {
            for (workers, rates) in (1..).zip(&mut rates) {
                let rate = through_loader(&raw, images, chain.trim(), workers)?;
                if round > 0 {
                    rates.push(rate);
                }
            }
        }
        let [one, two] = rates.map(|mut rates| median(&mut rates));
        println!("| {name} | {one:.0} | {two:.0} | {:.2} |", two / one);
    }
    Ok(())
}
