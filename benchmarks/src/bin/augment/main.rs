//! What augmentation costs on the CPU, beside torchvision, OpenCV, Pillow, albumentations and DALI:
//! `cargo run --release -p tallow-benchmarks --bin augment -- [OPTION..] [CASE..]`.
//!
//! ```text
//! --python PATH   a Python in which the peers are installed (benchmarks/peers/requirements.txt)
//! --size HxW      the size of the images; can be repeated; 224x224 and 375x500 unless it is given
//! --layout L      how they lie, hwc or chw; hwc unless it is given
//! --from TYPE     their type, u8, u16, f16 or f32; u8 unless it is given
//! --to TYPE       the type of the rows that whole chains end in, u8, f16 or f32; f32 unless it is given
//! --rounds N      rounds in which all take turns, after a warm-up; 5 unless it is given
//! --seconds S     of each turn; 0.2 unless it is given
//! --loader        the chains through a loader too, with one worker and with two
//! ```
//!
//! Images have three colours and lie in memory. Cases are single steps, from images to images of the same
//! type, and whole chains to rows for training, colours first. Prints tables in Markdown: images per
//! CPU second of one thread, medians of the rounds, and Tallow's speed as a share of the best
//! peer's. Peers begin with bytes; of those only torchvision has its colours first. What they do is in
//! `benchmarks/peers/augment`.

#![expect(clippy::print_stdout, reason = "a program that prints what it measured")]

mod cases;
mod images;
mod peers;
mod rate;

use std::sync::Arc;

use tallow::{Augment, RowDType, Transform as _};
use tallow_benchmarks::median;

use self::cases::{Case, Input, recipes, steps};
use self::images::{Form, Images};
use self::peers::{Peers, Question};
use self::rate::{rate, through_loader};

type Result<T, E = Box<dyn std::error::Error>> = std::result::Result<T, E>;

struct Options {
    python: Option<String>,
    sizes: Vec<[usize; 2]>,
    planes: bool,
    from: RowDType,
    to: String,
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
            planes: false,
            from: RowDType::U8,
            to: "f32".to_owned(),
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
                "--layout" => options.planes = one_of(&value()?, &["hwc", "chw"])? == "chw",
                "--from" => options.from = from(&value()?)?,
                "--to" => options.to = one_of(&value()?, &["u8", "f16", "f32"])?,
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
        if options.python.is_some() && options.from != RowDType::U8 {
            return Err("the peers begin with bytes: leave out --python or --from".into());
        }
        Ok(options)
    }

    /// The cases that are asked for: steps, and recipes.
    fn cases(&self, size: [usize; 2]) -> Result<[Vec<Case>; 2]> {
        let all: [Vec<Case>; 2] = [steps(size).collect(), recipes(&self.to).collect()];
        let known = || all.iter().flatten().map(|case| case.name);
        if let Some(unknown) = self.cases.iter().find(|asked| known().all(|name| name != **asked)) {
            let known: Vec<_> = known().collect();
            return Err(format!("{unknown} is no case, expected {}", known.join(", ")).into());
        }
        let is_asked = |name: &str| self.cases.is_empty() || self.cases.iter().any(|c| c == name);
        Ok(all.map(|cases| cases.into_iter().filter(|case| is_asked(case.name)).collect()))
    }

    fn images(&self, size: [usize; 2], input: Input) -> Result<Images> {
        Images::random(&Form { dtype: self.from, planes: self.planes, size, input })
    }
}

fn one_of(found: &str, known: &[&str]) -> Result<String> {
    match known.contains(&found) {
        true => Ok(found.to_owned()),
        false => Err(format!("found {found}, expected {}", known.join(", ")).into()),
    }
}

fn from(found: &str) -> Result<RowDType> {
    Ok(match &one_of(found, &["u8", "u16", "f16", "f32"])?[..] {
        "u8" => RowDType::U8,
        "u16" => RowDType::U16,
        "f16" => RowDType::F16,
        _ => RowDType::F32,
    })
}

fn size(text: &str) -> Result<[usize; 2]> {
    let (height, width) = text.split_once('x').ok_or("expected a size like 375x500")?;
    Ok([height.parse()?, width.parse()?])
}

fn main() -> Result<()> {
    let options = Options::read(std::env::args().skip(1))?;
    tallow::keep_freed_memory();
    let mut peers = options.python.as_deref().map(Peers::start).transpose()?;
    for &size in &options.sizes {
        let [steps, recipes] = options.cases(size)?;
        let [height, width] = size;
        let layout = if options.planes { "colours first" } else { "colours last" };
        let simd = tallow::simd_level();
        println!(
            "\n{height}x{width}x3 {}, {layout}, instructions of {simd}, images per CPU second",
            options.from
        );
        let from = options.from.to_string();
        let to = &options.to;
        for (title, cases) in [(format!("{from} to {from}"), steps), (format!("to {to}"), recipes)]
        {
            if cases.is_empty() {
                continue;
            }
            print_head(&title, peers.as_ref());
            for case in &cases {
                print_row(case.name, &take_turns(&options, &mut peers, case, size)?);
            }
            if options.loader && title.starts_with("to") {
                through_loaders(&options, &cases, size)?;
            }
        }
    }
    Ok(())
}

fn print_head(title: &str, peers: Option<&Peers>) {
    let mut head = vec![title.to_owned(), "Tallow".to_owned()];
    let libraries = peers.iter().flat_map(|peers| &peers.libraries);
    head.extend(libraries.map(|(name, version)| format!("{name} {version}")));
    head.push("share of the best".to_owned());
    println!("\n| {} |\n|{}", head.join(" | "), "---|".repeat(head.len()));
}

/// Lets our rounds and those of the peers take turns: medians, ours first, and then those of each
/// library, where it has the case.
fn take_turns(
    options: &Options,
    peers: &mut Option<Peers>,
    case: &Case,
    size: [usize; 2],
) -> Result<Vec<Option<f64>>> {
    let images = options.images(size, case.input)?;
    let augment: Augment = case.chain.trim().parse()?;
    let engine = augment.bind(&images.schema)?;
    let libraries = peers.as_ref().map(|peers| peers.libraries.clone()).unwrap_or_default();
    let mut rates: Vec<Vec<f64>> = vec![Vec::new(); 1 + libraries.len()];
    for round in 0..=options.rounds {
        // The first round is a warm-up.
        let seconds = if round == 0 { 0.02 } else { options.seconds };
        let mut taken = vec![Some(rate(engine.as_ref(), &images, seconds))];
        for (library, _) in &libraries {
            let peers = peers.as_mut().ok_or("no peers")?;
            let (planes, to) = (options.planes, &options.to[..]);
            let question = Question { case: case.name, size, planes, to, seconds };
            taken.push(peers.rate(library, &question)?);
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
fn through_loaders(options: &Options, cases: &[Case], size: [usize; 2]) -> Result<()> {
    println!("\n| through a loader | 1 worker | 2 workers | times |\n|---|---|---|---|");
    for case in cases {
        let images = Arc::new(options.images(size, case.input)?);
        let mut rates = [Vec::new(), Vec::new()];
        for round in 0..=options.rounds {
            for (workers, rates) in (1..).zip(&mut rates) {
                let rate = through_loader(&images, case.chain.trim(), workers)?;
                if round > 0 {
                    rates.push(rate);
                }
            }
        }
        let [one, two] = rates.map(|mut rates| median(&mut rates));
        println!("| {} | {one:.0} | {two:.0} | {:.2} |", case.name, two / one);
    }
    Ok(())
}
