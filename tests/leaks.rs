//! What two hundred loaders leave behind: nothing. A binary of its own with one test, because it
//! counts threads, descriptors and memory of the whole process.

#![cfg(target_os = "linux")]

use std::path::Path;
use std::time::{Duration, Instant};

use tallow::candle::{DType, Device, Tensor};
use tallow::{Batches, ErrorKind, Loader, NpyFolders};

const SAMPLES: usize = 120;
/// Its file is cut off.
const BAD: usize = 77;
const BATCH_SIZE: usize = 7;
const WORKERS: [usize; 3] = [0, 1, 4];

/// Cycles before the first measurement: allocator and runtime keep what they have once needed.
const WARM_UP: usize = 40;
const CYCLES: usize = 200;

/// A loader's slabs hold 1 to 4 MB here, so that one leaked cycle in ten would show.
const SLACK_BYTES: usize = 24 << 20;

/// Pairs as a candle user writes them.
fn write_pairs(folder: &Path) {
    for side in ["input", "output"] {
        std::fs::create_dir(folder.join(side)).unwrap();
    }
    for i in 0..SAMPLES {
        let name = format!("{i:04}.npy");
        let input = Tensor::full(i as f32, (128, 256), &Device::Cpu).unwrap();
        input.write_npy(folder.join("input").join(&name)).unwrap();
        let output = Tensor::full(i as i64, (), &Device::Cpu).unwrap();
        output.write_npy(folder.join("output").join(&name)).unwrap();
    }
    let bad = folder.join(format!("input/{BAD:04}.npy"));
    std::fs::File::options().write(true).open(bad).unwrap().set_len(1000).unwrap();
}

/// Threads, descriptors and resident bytes of this process.
#[derive(Debug, Clone, Copy)]
struct Held {
    threads: usize,
    descriptors: usize,
    resident: usize,
}

impl Held {
    fn now() -> Self {
        let entries = |path| std::fs::read_dir(path).unwrap().count();
        let status = std::fs::read_to_string("/proc/self/status").unwrap();
        let resident = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap();
        let kilobytes: usize = resident.trim().trim_end_matches(" kB").parse().unwrap();
        Self {
            threads: entries("/proc/self/task"),
            descriptors: entries("/proc/self/fd"),
            resident: kilobytes * 1024,
        }
    }

    /// Once every thread that has ended is gone from `/proc`, which may take a moment.
    fn settled(threads: usize) -> Self {
        let deadline = Instant::now() + Duration::from_secs(5);
        while Self::now().threads > threads && Instant::now() < deadline {
            std::thread::sleep(Duration::from_millis(1));
        }
        Self::now()
    }
}

/// Multiplicative congruential numbers: the same cycles in every run.
struct Random(u64);

impl Random {
    fn below(&mut self, bound: usize) -> usize {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
        ((self.0 >> 33) % bound as u64) as usize
    }
}

fn timed(what: &str, drop: impl FnOnce()) {
    let started = Instant::now();
    drop();
    let elapsed = started.elapsed();
    assert!(elapsed < Duration::from_secs(1), "dropping the {what} took {elapsed:?}");
}

/// Takes some batches, whose contents are right; all up to the first error if `to_error`.
fn consume(batches: &mut Batches<'_>, count: usize, to_error: bool) {
    for _ in 0..count {
        let Some(batch) = batches.next() else { return };
        match batch {
            Ok(batch) => {
                let target = batch["target"].to_dtype(DType::F32).unwrap();
                let input = batch["input"].mean((1, 2)).unwrap();
                assert_eq!(input.to_vec1::<f32>().unwrap(), target.to_vec1::<f32>().unwrap());
            }
            Err(error) => {
                assert_eq!(error.kind(), ErrorKind::Sample);
                if to_error {
                    return;
                }
            }
        }
    }
}

/// Builds, consumes and drops in one of the ways that there are.
fn cycle(folder: &Path, way: usize, random: &mut Random) {
    let builder = Loader::builder(NpyFolders::pairs(folder).unwrap()).batch_size(BATCH_SIZE);
    let builder = builder.workers(WORKERS[way % 3]).prefetch(1 + random.below(4)).shuffle();
    let builder = builder.read_ahead(way % 2 * (1 << 20));
    let loader = builder.seed(way as u64).build().unwrap();
    let count = random.below(2 * SAMPLES.div_ceil(BATCH_SIZE) + 3);
    let mut batches = loader.epochs(0..2);
    consume(&mut batches, if way % 5 == 3 { usize::MAX } else { count }, way % 5 == 3);
    match way % 5 {
        0 | 3 => {
            timed("iterator", || drop(batches));
            timed("loader", || drop(loader));
        }
        1 => {
            timed("iterator", || drop(batches));
            timed("loader", || drop(loader.shutdown().unwrap()));
        }
        // The loader ends an iteration that nobody ended.
        2 => {
            std::mem::forget(batches);
            timed("loader", || drop(loader));
        }
        _ => {
            timed("iterator", || drop(batches));
            let mut again = loader.epoch(7);
            consume(&mut again, 2, false);
            timed("iterator", || drop(again));
            timed("loader", || drop(loader));
        }
    }
}

#[test]
fn two_hundred_loaders_leave_no_thread_descriptor_or_memory() {
    let folder = tempfile::tempdir().unwrap();
    write_pairs(folder.path());
    let mut random = Random(1);
    let threads = Held::now().threads;
    (0..WARM_UP).for_each(|way| cycle(folder.path(), way, &mut random));
    let before = Held::settled(threads);
    (0..CYCLES).for_each(|way| cycle(folder.path(), way, &mut random));
    let after = Held::settled(threads);
    assert_eq!(after.threads, threads, "{before:?} {after:?}");
    assert_eq!(after.descriptors, before.descriptors, "{before:?} {after:?}");
    assert!(after.resident <= before.resident + SLACK_BYTES, "{before:?} {after:?}");
}
