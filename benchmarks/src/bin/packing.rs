//! Packing of documents of log-normal lengths: `cargo run --release -p tallow-benchmarks --bin packing`.
//!
//! - `packing padding`: the share of padding of rows of T tokens, four times the median, by window, beside
//!   first-fit and concatenation.
//! - `packing open [DOCUMENTS]`: how long it takes to find the rows, and what is held for it.
//! - `packing read FOLDER`: tokens per second, by turns with copying the same rows from memory, from files
//!   that are written to FOLDER and stay there for the peer `peers/packing_peer.py`.

#![expect(clippy::print_stdout, reason = "a program that prints what it measured")]

use std::error::Error;
use std::f64::consts::TAU;
use std::fs;
use std::hint::black_box;
use std::path::Path;
use std::time::{Duration, Instant};

use tallow::candle::{Device, Tensor};
use tallow::prelude::*;
use tallow::{DocumentsBy, Packed, Packing, RowBuffer, TokenFiles};
use tallow_benchmarks::median;

/// Of the logarithm of lengths: the 84th percentile is e times the median.
const SIGMA: f64 = 1.0;
const MEDIAN: f64 = 512.0;
const LENGTH: usize = 2048;
/// What ends a document.
const END: u16 = 50_256;

fn main() -> Result<(), Box<dyn Error>> {
    let args: Vec<String> = std::env::args().skip(1).collect();
    match args.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        ["padding"] => padding(),
        ["open"] => open(10_000_000),
        ["open", documents] => open(documents.parse()?),
        ["read", folder] => read(Path::new(folder)),
        _ => Err("expected padding, open [DOCUMENTS] or read FOLDER".into()),
    }
}

/// Lengths of documents, the same each time.
fn lengths(documents: usize) -> Vec<u32> {
    let mut state = 7u64;
    let mut uniform = || {
        state = state.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut x = state;
        x = (x ^ x >> 30).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        x = (x ^ x >> 27).wrapping_mul(0x94D0_49BB_1331_11EB);
        ((x ^ x >> 31) >> 11) as f64 / (1u64 << 53) as f64
    };
    let mut one = || {
        let normal = (-2.0 * (1.0 - uniform()).ln()).sqrt() * (TAU * uniform()).cos();
        (MEDIAN * (SIGMA * normal).exp()).round().clamp(1.0, 1e6) as u32
    };
    (0..documents).map(|_| one()).collect()
}

/// Documents of which nothing but the lengths exists.
struct Known {
    schema: Schema,
    lengths: Vec<u32>,
}

impl Known {
    fn new(documents: usize) -> Result<Self, Box<dyn Error>> {
        let field = Field::with_dims("input", RowDType::U32, vec![Dim::Ragged { max: 1_000_000 }]);
        Ok(Self { schema: Schema::new(vec![field])?, lengths: lengths(documents) })
    }
}

impl Source for Known {
    fn schema(&self) -> &Schema {
        &self.schema
    }

    fn len(&self) -> usize {
        self.lengths.len()
    }

    fn read(&self, _: usize, _: &mut Row<'_>) -> SourceResult<()> {
        Err(SourceError::user("there are no tokens"))
    }

    fn length(&self, index: usize, _: usize) -> Option<usize> {
        Some(self.lengths[index] as usize)
    }
}

fn padding() -> Result<(), Box<dyn Error>> {
    let source = Known::new(1_000_000)?;
    for window in [256, 1024, 4096, 16_384, 65_536] {
        let rows = Packed::builder(&source, LENGTH).window(window).build()?;
        println!("best-fit, {window} documents a window: {}", rows.stats());
    }
    let rows = Packed::builder(&source, LENGTH).packing(Packing::Concatenated).build()?;
    println!("concatenated: {}", rows.stats());
    let (rows, tokens) = first_fit(&source.lengths, 64);
    let share = 1.0 - tokens as f64 / (rows * LENGTH) as f64;
    println!("first-fit among 64 open rows: {rows} rows, {:.2} % padding", 100.0 * share);
    Ok(())
}

/// As loops do it that read documents one after another: each goes into the first of the open rows that
/// has room, and where none has, the oldest is closed. Documents longer than a row are split.
fn first_fit(lengths: &[u32], open: usize) -> (usize, u64) {
    let (mut rooms, mut rows) = (Vec::new(), 0);
    for &length in lengths {
        rows += length as usize / LENGTH;
        let rest = length as usize % LENGTH;
        if let Some(room) = rooms.iter_mut().find(|room| **room >= rest) {
            *room -= rest;
            continue;
        }
        rows += 1;
        if rooms.len() == open {
            rooms.remove(0);
        }
        rooms.push(LENGTH - rest);
    }
    (rows, lengths.iter().map(|&length| u64::from(length)).sum())
}

fn open(documents: usize) -> Result<(), Box<dyn Error>> {
    let source = Known::new(documents)?;
    for packing in [Packing::BestFit, Packing::Concatenated] {
        let mut times = Vec::new();
        for _ in 0..5 {
            let start = Instant::now();
            let rows = Packed::builder(&source, LENGTH).packing(packing).build()?;
            times.push(start.elapsed());
            if times.len() == 5 {
                let each = rows.held_bytes() as f64 / documents as f64;
                let took = median(&mut times);
                println!("{packing:?}: {took:?} of 5, {each:.2} bytes a document");
                println!("{}", rows.stats());
            }
        }
    }
    Ok(())
}

/// The documents as nanoGPT keeps them, and where each ends, for the peer.
fn write(folder: &Path) -> Result<(), Box<dyn Error>> {
    let (mut bytes, mut ends) = (Vec::new(), Vec::new());
    for length in lengths(40_000) {
        bytes.extend((1..length).flat_map(|at| (at as u16 % 50_000).to_le_bytes()));
        bytes.extend(END.to_le_bytes());
        ends.extend((bytes.len() as u64 / 2).to_le_bytes());
    }
    fs::create_dir_all(folder)?;
    fs::write(folder.join("tokens.bin"), bytes)?;
    fs::write(folder.join("ends.u64"), ends)?;
    Ok(())
}

fn read(folder: &Path) -> Result<(), Box<dyn Error>> {
    const ROWS: usize = 4096;
    const TURNS: usize = 9;
    write(folder)?;
    let documents = TokenFiles::builder([folder.join("tokens.bin")]);
    let documents = documents.documents(DocumentsBy::LastToken(END.into())).open()?;
    let packed = documents.pack(LENGTH)?;
    println!("{}", packed.stats());
    let rows = packed.len().min(ROWS);
    let indices: Vec<usize> = (0..rows).map(|at| at * 7919 % packed.len()).collect();
    let packed = packed.subset(indices)?;
    let copied = in_memory(&packed)?;
    let mut times: [Vec<Duration>; 2] = [Vec::new(), Vec::new()];
    for _ in 0..TURNS {
        times[0].push(time_reads(&packed)?);
        times[1].push(time_reads(&copied)?);
    }
    let mut ratios: Vec<f64> = times[0]
        .iter()
        .zip(&times[1])
        .map(|(own, copy)| copy.as_secs_f64() / own.as_secs_f64())
        .collect();
    for (name, times) in ["packed", "copied"].into_iter().zip(&mut times) {
        let took = median(times).as_secs_f64();
        println!("{name}: {:.0} million tokens/s", (rows * LENGTH) as f64 / took / 1e6);
    }
    let ratio = median(&mut ratios);
    println!("packed is {ratio:.2} of copied, {:.2} to {:.2}", ratios[0], ratios[TURNS - 1]);
    loaded(packed, copied, rows)
}

/// Whole epochs of a loader.
fn loaded(
    packed: impl Source + 'static,
    copied: impl Source + 'static,
    rows: usize,
) -> Result<(), Box<dyn Error>> {
    let build = |source: Box<dyn Source>| {
        Loader::builder(source).batch_size(16).shuffle().workers(1).build()
    };
    let loaders = [build(packed.boxed())?, build(copied.boxed())?];
    let mut times: [Vec<Duration>; 2] = [Vec::new(), Vec::new()];
    for epoch in 0..9 {
        for (loader, times) in loaders.iter().zip(&mut times) {
            let start = Instant::now();
            for batch in loader.epoch(epoch) {
                black_box(batch?);
            }
            times.push(start.elapsed());
        }
    }
    let [own, copy] = times.each_mut().map(|times| median(times).as_secs_f64());
    let tokens = (rows * LENGTH) as f64 / 1e6;
    println!(
        "a loader with one worker: {:.0} million tokens/s packed, {:.0} copied",
        tokens / own,
        tokens / copy
    );
    Ok(())
}

/// Every row of `source` as tensors.
fn in_memory(source: &dyn Source) -> Result<Memory, Box<dyn Error>> {
    let mut fields: Vec<Vec<u8>> = vec![Vec::new(); source.schema().fields().len()];
    let mut buffer = RowBuffer::new(source.schema())?;
    for index in 0..source.len() {
        source.read(index, &mut buffer.row(None))?;
        fields
            .iter_mut()
            .enumerate()
            .for_each(|(at, bytes)| bytes.extend(buffer.view().field(at).bytes()));
    }
    let mut tensors = Vec::new();
    for (field, bytes) in source.schema().fields().iter().zip(&fields) {
        let (dtype, shape) = (field.dtype().delivered(), [source.len(), LENGTH]);
        let tensor = Tensor::from_raw_buffer(bytes, dtype, &shape, &Device::Cpu)?;
        tensors.push((field.name().to_owned(), tensor));
    }
    Ok(Memory::new(tensors)?)
}

fn time_reads(source: &dyn Source) -> Result<Duration, Box<dyn Error>> {
    let mut buffer = RowBuffer::new(source.schema())?;
    let start = Instant::now();
    for index in 0..source.len() {
        source.read(index, &mut buffer.row(None))?;
        black_box(buffer.view());
    }
    Ok(start.elapsed())
}
