//! Whole blocks: no thread meets another but at a barrier, and no barrier is there for nothing.

use std::cell::RefCell;

use super::super::whole_blocks::{Watch, barriers, run};
use super::*;

/// Threads of the blocks that are watched: those of a device, and a number that is no power of 2.
const THREADS: [u32; 2] = [256, 96];

/// The first thing that is found in the launches of a batch.
fn finding(batch: &Batch, threads: u32, seed: u64, left_out: Option<usize>) -> Option<String> {
    let found = RefCell::new(None);
    let watched = |launch: &Launch, more: &[Use]| {
        let watch = Watch { threads, seed, more, left_out };
        let mut launch = launch.clone();
        if launch.kernel.starts_with("select") {
            // Small images have as many blocks as tiles: one block takes them all here.
            launch.grid[0] = 1;
        }
        if found.borrow().is_none() {
            // SAFETY: as for `in_blocks`.
            *found.borrow_mut() = unsafe { run(&launch, &watch) };
        }
    };
    batch.on_device(0, &watched);
    found.into_inner()
}

/// Compares the engines, the device in whole blocks in which nothing may be found.
fn check_watched(augment: &Augment, schema: &Schema, same: Same, threads: u32, seed: u64) {
    let batch = Batch::new(augment, schema, 2);
    let watched = |launch: &Launch, more: &[Use]| {
        let watch = Watch { threads, seed, more, left_out: None };
        // SAFETY: as for `in_blocks`.
        let found = unsafe { run(launch, &watch) };
        assert_eq!(found, None, "{augment} of {schema}, {threads} threads");
    };
    batch.compare_run(&augment.to_string(), same, &watched);
}

#[test]
fn nothing_is_found_in_the_chains_of_images() {
    for (chains, same) in [(EXACT, Same::Bits), (SUMMED, Same::Sums)] {
        for (at, chain) in chains.iter().enumerate() {
            let (dtype, layout, shape) = COLORS[at % COLORS.len()];
            for (seed, threads) in (at as u64..).zip(THREADS) {
                let augment = parsed(chain).layout(layout);
                check_watched(&augment, &image(dtype, shape), same, threads, seed);
            }
        }
    }
}

/// Batches that between them reach every barrier with more threads than one at work.
fn batches() -> Vec<Batch> {
    let schema = Schema::new(vec![
        Field::new("input", RowDType::U8, &[45, 70, 3]),
        Field::new("mask", RowDType::I32, &[45, 70]),
    ]);
    let schema = schema.unwrap();
    let chains = [
        "random_resized_crop(40, 37) rotate(9) color_jitter(0.4, 0.4, 0.4, 0.1) normalize(imagenet)",
        "resize(6, 7, antialias=false) equalize autocontrast to_dtype(f16)",
        "rotate(9) equalize random_crop(20, 33) hflip vflip",
        "elastic(30, sigma=2) gaussian_blur(31, sigma=5) standardize",
        "to_dtype(f32) gaussian_blur(31, sigma=5) resize(100, 110) autocontrast equalize",
    ];
    let batch = |chain: &&str| Batch::new(&parsed(chain).mask("mask"), &schema, 2);
    chains.iter().map(batch).collect()
}

#[test]
fn every_barrier_that_is_left_out_is_noticed() {
    let batches = batches();
    for batch in &batches {
        assert_eq!(finding(batch, THREADS[0], 1, None), None);
    }
    let barriers = barriers();
    assert!(barriers.len() >= 10, "{barriers:?}");
    let idle = |number: &usize| {
        let noticed = |batch| {
            THREADS.iter().any(|threads| finding(batch, *threads, 1, Some(*number)).is_some())
        };
        !batches.iter().any(noticed)
    };
    let idle: Vec<&String> = (0..barriers.len()).filter(idle).map(|at| &barriers[at]).collect();
    assert!(idle.is_empty(), "nobody notices that these are left out: {idle:?}");
}
