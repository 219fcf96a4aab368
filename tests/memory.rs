//! The bound on memory that the plan prints. A binary of its own with one test, because it looks
//! at the peak of the whole process.

#![cfg(target_os = "linux")]

use std::time::Duration;

use tallow::{Field, Loader, RowDType, Schema, from_fn};

const SAMPLE_BYTES: usize = 1 << 20;
const BATCH_SIZE: usize = 8;
const PREFETCH: usize = 8;

/// Beside the plan: what the process itself comes to need, such as the stacks of the workers.
const SLACK_BYTES: usize = 2 << 20;

/// Set for the process that is measured. glibc learns from freed batches to keep them in the heap
/// of the thread that allocated them; told where large allocations begin, it learns nothing and
/// gives them back, and what is resident is what the loader holds.
const MALLOC: (&str, &str) = ("MALLOC_MMAP_THRESHOLD_", "1048576");

/// A line of `/proc/self/status` that counts kB, in bytes.
fn status_bytes(name: &str) -> usize {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix(name)).unwrap();
    line.trim_matches([':', ' ', '\t', 'k', 'B']).parse::<usize>().unwrap() * 1024
}

#[test]
fn a_slow_consumer_keeps_the_loader_within_the_plan() {
    if std::env::var_os(MALLOC.0).is_some() {
        return measure();
    }
    let mut child = std::process::Command::new(std::env::current_exe().unwrap());
    let output = child.env(MALLOC.0, MALLOC.1).arg("--nocapture").output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
}

fn measure() {
    let schema = Schema::new(vec![Field::new("x", RowDType::U8, &[SAMPLE_BYTES])]).unwrap();
    let sample = vec![7u8; SAMPLE_BYTES];
    let source = from_fn(schema, 400, move |_, row| row.field(0).copy_from_slice(&sample));
    let before = status_bytes("VmRSS");
    let builder = Loader::builder(source).batch_size(BATCH_SIZE).workers(2).prefetch(PREFETCH);
    let loader = builder.build().unwrap();
    let bound = loader.plan().memory_bytes();
    assert_eq!(loader.plan().slab_bytes(), SAMPLE_BYTES * BATCH_SIZE);
    let row_bytes = SAMPLE_BYTES + size_of::<usize>();
    assert_eq!(bound, (PREFETCH + 1) * BATCH_SIZE * row_bytes, "samples and their indices");
    for epoch in 0..2 {
        for batch in loader.epoch(epoch) {
            drop(batch.unwrap());
            std::thread::sleep(Duration::from_millis(5));
        }
    }
    let grown = status_bytes("VmHWM").saturating_sub(before);
    assert!(grown <= bound + SLACK_BYTES, "grown by {grown}, planned {bound}");
    assert!(grown >= bound / 2, "the loader read ahead: grown by {grown}");
}
