//! Whole blocks: no thread meets another but at a barrier, and no barrier is there for nothing. Every
//! comparison of the engines runs in them (`Batch::compare`); here are the chains that people train with, at
//! their sizes, and the barriers.

use std::cell::{Cell, RefCell};
use std::fs;
use std::path::Path;

use super::super::args::{NO_STATISTIC, StageArgs};
use super::super::whole_blocks::{Watch, barriers, run};
use super::*;

/// Threads of the blocks that are watched: those of a device, and a number that is no power of 2.
pub(super) const THREADS: [u32; 2] = [128, 96];

/// The same launch, of which one block makes all tiles of a row, unless it leaves a part per block. Small
/// images have as many blocks as tiles, large batches have fewer.
fn in_turns(launch: &Launch) -> Launch {
    let is_stage = launch.kernel.starts_with("stage");
    let gathers = is_stage && {
        let args: StageArgs = bytemuck::pod_read_unaligned(&launch.args);
        args.gathers != NO_STATISTIC
    };
    let blocks = if gathers { launch.grid[0] } else { 1 };
    Launch { grid: [blocks, launch.grid[1], launch.grid[2]], ..launch.clone() }
}

/// Runs the launches of a batch in whole blocks and calls `found` with what is found in one.
pub(super) fn watched(
    batch: &Batch,
    threads: u32,
    found: impl Fn(String),
) -> impl Fn(&Launch, &[Use]) {
    let mix = |seed: u64, word: &u64| seed.rotate_left(7) ^ word;
    let seed = Cell::new(batch.plans.iter().flatten().fold(0, mix));
    move |launch, more| {
        let watch = Watch { threads, seed: seed.get(), more, left_out: None };
        seed.set(seed.get().wrapping_add(1));
        let turns = (threads == THREADS[1]).then(|| in_turns(launch));
        // SAFETY: as for `in_blocks`.
        if let Some(what) = unsafe { run(turns.as_ref().unwrap_or(launch), &watch) } {
            found(what);
        }
    }
}

/// The first thing that is found in the launches of a batch.
pub(super) fn finding(
    batch: &Batch,
    threads: u32,
    seed: u64,
    left_out: Option<usize>,
) -> Option<String> {
    let found = RefCell::new(None);
    let watched = |launch: &Launch, more: &[Use]| {
        let watch = Watch { threads, seed, more, left_out };
        if found.borrow().is_none() {
            // SAFETY: as for `in_blocks`.
            *found.borrow_mut() = unsafe { run(&in_turns(launch), &watch) };
        }
    };
    batch.on_device(0, &watched);
    found.into_inner()
}

#[test]
fn nothing_is_found_in_recipes_of_imagenet() {
    let schema = image(RowDType::U8, &[256, 256, 3]);
    for chain in [
        "random_crop(224) random_hflip(0.5) normalize(imagenet) to_dtype(f16)",
        "random_resized_crop(224) random_hflip(0.5) normalize(imagenet) to_dtype(f16)",
        "random_resized_crop(224) random_hflip(0.5) color_jitter(0.4, 0.4, 0.4, 0.1) \
         normalize(imagenet) to_dtype(f16)",
    ] {
        compare(&parsed(chain), &schema, 2, Same::Sums, 1);
    }
}

// ---- barriers

/// Batches that between them reach every barrier with more threads than one at work.
fn batches() -> Vec<Batch> {
    let small = [45, 70, 3];
    let chains = [
        (
            RowDType::U8,
            small,
            "random_resized_crop(40, 37) rotate(9) color_jitter(0.4, 0.4, 0.4, 0.1)",
        ),
        (RowDType::U8, small, "resize(6, 7, antialias=false) equalize autocontrast to_dtype(f16)"),
        (RowDType::U8, small, "rotate(9) equalize random_crop(20, 33) hflip vflip"),
        (RowDType::U8, small, "elastic(30, sigma=2) gaussian_blur(31, sigma=5) standardize"),
        (RowDType::F32, small, "gaussian_blur(31, sigma=5) resize(100, 110) autocontrast equalize"),
        // Of so many pixels the memory of a block has no room for all that a tile is made of.
        (RowDType::U8, [20, 400, 3], "resize(4, 40)"),
        (RowDType::F32, [400, 20, 3], "resize(40, 4)"),
        (RowDType::U8, small, "resize(70, 100) color_jitter(0.4, 0.4, 0.4, 0.1)"),
    ];
    let batch = |(dtype, shape, chain): (RowDType, [usize; 3], &str)| {
        let fields = vec![
            Field::new("input", dtype, &shape),
            Field::new("mask", RowDType::I32, &shape[..2]),
        ];
        Batch::new(&parsed(chain).mask("mask"), &Schema::new(fields).unwrap(), 2)
    };
    chains.into_iter().map(batch).collect()
}

/// The barriers in the source of the kernels: file and line.
fn written() -> Vec<String> {
    let mut written = Vec::new();
    for file in fs::read_dir(Path::new(env!("CARGO_MANIFEST_DIR")).join("src/cuda")).unwrap() {
        let path = file.unwrap().path();
        if !path.extension().is_some_and(|of| of == "cuh" || of == "cu") {
            continue;
        }
        let (name, text) = (path.file_name().unwrap(), fs::read_to_string(&path).unwrap());
        let lines = text.lines().enumerate().filter(|(_, line)| line.contains("__syncthreads()"));
        written.extend(lines.map(|(at, _)| format!("{}:{}", name.display(), at + 1)));
    }
    written
}

#[test]
fn every_barrier_that_is_left_out_is_noticed() {
    let batches = batches();
    for batch in &batches {
        assert_eq!(finding(batch, THREADS[0], 1, None), None);
    }
    let (written, reached) = (written(), barriers());
    assert!(written.len() >= 10, "{written:?}");
    let number = |barrier: &String| reached.iter().position(|at| at == barrier);
    let unreached: Vec<&String> = written.iter().filter(|at| number(at).is_none()).collect();
    assert!(unreached.is_empty(), "no batch here reaches {unreached:?}");
    let is_idle = |barrier: &&String| {
        let found = |batch, threads: &u32| finding(batch, *threads, 1, number(barrier)).is_some();
        !batches.iter().any(|batch| THREADS.iter().any(|threads| found(batch, threads)))
    };
    let idle: Vec<&String> = written.iter().filter(is_idle).collect();
    assert!(idle.is_empty(), "nobody notices that these are left out: {idle:?}");
}
