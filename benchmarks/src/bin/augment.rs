//! What augmentation costs on the CPU, compared with torchvision and DALI on the same chains:
//! `cargo run --release -p tallow-benchmarks --bin augment [PYTHON]`.
//!
//! From 256x256x3 bytes in memory, colours last, to 224x224 `f32`, colours first, in a reused batch
//! of 64 rows. `benchmarks/peers/augment.py` shows what the peers do. Name a Python in which they
//! are installed (`pip install -r benchmarks/peers/requirements.txt`) to let their rounds and ours
//! take turns. Prints images per second, as medians of the rounds.

#![expect(clippy::print_stdout, reason = "a program that prints what it measured")]

use std::io::{BufRead as _, BufReader, Write as _};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::sync::Barrier;
use std::time::Instant;

use tallow::plan::{Engine, RowKey, Shapes};
use tallow::{
    Augment, Field, Key, Loader, RowBuffer, RowDType, Schema, Shuffle, Transform as _, from_fn,
};
use tallow_benchmarks::median;

type Result<T, E = Box<dyn std::error::Error>> = std::result::Result<T, E>;

/// The name and the text of each chain.
const CHAINS: [(&str, &str); 3] = [
    ("crop", "random_crop(224) random_hflip(0.5) normalize(imagenet) to_dtype(f32)"),
    ("resize", "random_resized_crop(224) random_hflip(0.5) normalize(imagenet) to_dtype(f32)"),
    (
        "jitter",
        "random_resized_crop(224) random_hflip(0.5) color_jitter(0.4, 0.4, 0.4, 0.1) \
         normalize(imagenet) to_dtype(f32)",
    ),
];

const SIDE: usize = 256;
const ROWS: usize = 64;
/// Raw images: 100 MB, so that none is in a cache.
const IMAGES: usize = 8 * ROWS;
const ROUNDS: usize = 5;
const SECONDS: f64 = 1.5;

fn main() -> Result<()> {
    tallow::keep_freed_memory();
    let only: Vec<String> = std::env::args().skip(2).collect();
    let mut peers = std::env::args().nth(1).filter(|p| p != "-").map(Peers::start).transpose()?;
    let images = images()?;
    for (name, chain) in CHAINS {
        if !only.is_empty() && !only.iter().any(|o| o == name) {
            continue;
        }
        let augment: Augment = chain.parse()?;
        let engine = augment.bind(&schema())?;
        println!("{name}: {chain}");
        let loader = |workers: usize| -> Result<f64> { through_loader(&images, chain, workers) };
        let mut rates: Vec<(String, Vec<f64>)> = Vec::new();
        for round in 0..=ROUNDS {
            let mut book = |who: &str, rate: f64| {
                // The first round is a warm-up.
                match rates.iter_mut().find(|(name, _)| name == who) {
                    Some((_, rates)) => rates.push(rate),
                    None => rates.push((who.to_owned(), Vec::new())),
                }
            };
            let seconds = if round == 0 { 0.1 } else { SECONDS };
            book("tallow, 1 thread", rate(engine.as_ref(), &images, 1, seconds));
            if let Some(peers) = &mut peers {
                for library in ["torchvision", "dali"] {
                    book(&format!("{library}, 1 thread"), peers.rate(library, name, seconds)?);
                }
            }
            book("tallow, 2 threads", rate(engine.as_ref(), &images, 2, seconds));
            book("loader, 1 worker", loader(1)?);
            book("loader, 2 workers", loader(2)?);
        }
        print(&mut rates);
    }
    Ok(())
}

fn print(rates: &mut [(String, Vec<f64>)]) {
    let own = median(&mut rates[0].1);
    for (who, rates) in rates {
        let median = median(rates);
        let (low, high) = (rates[0], rates[rates.len() - 1]);
        println!(
            "  {who:22} {median:8.0} ({low:.0} to {high:.0})  tallow is {:.2} times",
            own / median
        );
    }
}

fn schema() -> Schema {
    let field = Field::new("input", RowDType::U8, &[SIDE, SIDE, 3]);
    Schema::new(vec![field]).expect("a valid schema")
}

/// Random bytes, for which no chain takes a short cut.
fn images() -> Result<Vec<RowBuffer>> {
    let mut state = 0x9E37_79B9_7F4A_7C15u64;
    let mut images = Vec::with_capacity(IMAGES);
    for _ in 0..IMAGES {
        let mut image = RowBuffer::new(&schema())?;
        let bytes: Vec<u8> = (0..SIDE * SIDE * 3)
            .map(|_| {
                state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
                (state >> 56) as u8
            })
            .collect();
        image.row(None).field(0).copy_from_slice(&bytes)?;
        images.push(image);
    }
    Ok(images)
}

/// Images per second of `threads` threads, each with its own batch and scratch memory.
fn rate(engine: &dyn Engine, images: &[RowBuffer], threads: usize, seconds: f64) -> f64 {
    let barrier = Barrier::new(threads);
    let run = |thread: usize| -> f64 {
        let mut batch: Vec<RowBuffer> =
            (0..ROWS).map(|_| RowBuffer::new(engine.schema()).expect("memory")).collect();
        let mut plan = vec![0u64; engine.plan_bytes().div_ceil(8)];
        let mut scratch = vec![0u64; engine.scratch_bytes().div_ceil(8)];
        let mut made = 0;
        barrier.wait();
        let started = Instant::now();
        while made == 0 || started.elapsed().as_secs_f64() < seconds {
            for row in &mut batch {
                let index = (thread * IMAGES / threads + made) % IMAGES;
                let key = RowKey { key: Key::new(1, (made / IMAGES) as u64), index: index as u64 };
                let raw = images[index].view();
                let plan: &mut [u8] = bytemuck::cast_slice_mut(&mut plan);
                let plan = &mut plan[..engine.plan_bytes()];
                plan.fill(0);
                engine.plan(key, Shapes::of(raw), plan).expect("a plan");
                let scratch = bytemuck::cast_slice_mut(&mut scratch);
                engine.run(plan, raw, &mut row.row(None), scratch).expect("a row");
                made += 1;
            }
        }
        made as f64 / started.elapsed().as_secs_f64()
    };
    std::thread::scope(|scope| {
        let threads: Vec<_> = (0..threads).map(|thread| scope.spawn(move || run(thread))).collect();
        threads.into_iter().map(|thread| thread.join().expect("a rate")).sum()
    })
}

/// The same through a loader, including reads of memory and batches of tensors.
fn through_loader(images: &[RowBuffer], chain: &str, workers: usize) -> Result<f64> {
    let raw: std::sync::Arc<Vec<Vec<u8>>> = std::sync::Arc::new(
        images.iter().map(|image| image.view().field(0).bytes().to_vec()).collect(),
    );
    let source =
        from_fn(schema(), IMAGES, move |index, row| row.field(0).copy_from_slice(&raw[index]));
    let augment: Augment = chain.parse()?;
    let loader = Loader::builder(source).batch_size(ROWS).sampler(Shuffle).transform(augment);
    let loader = loader.workers(workers).build()?;
    let mut rows = 0;
    let started = Instant::now();
    for batch in loader.epochs(0..4) {
        rows += batch?.len();
    }
    Ok(rows as f64 / started.elapsed().as_secs_f64())
}

/// torchvision and DALI, in a process that answers each line with a line.
struct Peers {
    child: Child,
    to: ChildStdin,
    from: BufReader<ChildStdout>,
}

impl Peers {
    fn start(python: String) -> Result<Self> {
        let script = concat!(env!("CARGO_MANIFEST_DIR"), "/peers/augment.py");
        let mut child = Command::new(python)
            .arg(script)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()?;
        let to = child.stdin.take().ok_or("no stdin")?;
        let from = BufReader::new(child.stdout.take().ok_or("no stdout")?);
        let mut peers = Self { child, to, from };
        println!("peers: {}", peers.line()?.trim());
        Ok(peers)
    }

    fn line(&mut self) -> Result<String> {
        let mut line = String::new();
        if self.from.read_line(&mut line)? == 0 {
            return Err("the peers have ended".into());
        }
        Ok(line)
    }

    fn rate(&mut self, library: &str, chain: &str, seconds: f64) -> Result<f64> {
        writeln!(self.to, "{library} {chain} {seconds}")?;
        let line = self.line()?;
        let number = |key: &str| -> Option<f64> {
            let rest = line.split_once(&format!("\"{key}\":"))?.1.trim_start();
            rest[..rest.find([',', '}'])?].trim().parse().ok()
        };
        match (number("images"), number("seconds")) {
            (Some(images), Some(seconds)) => Ok(images / seconds),
            _ => Err(format!("{library} {chain}: {line}").into()),
        }
    }
}

impl Drop for Peers {
    fn drop(&mut self) {
        // The process ends at the end of its input; its exit code does not matter any more.
        let _ = writeln!(self.to, "quit");
        let _ = self.child.wait();
    }
}
