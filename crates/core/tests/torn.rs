//! A writer that overwrites samples in two halves while they are read: no sample may be half of one
//! and half of the other.
//!
//! A short run is part of every test run. `TALLOW_TORN_SECONDS=600 cargo test -p tallow-core --test
//! torn -- --nocapture` makes each of them ten minutes long, and prints what was counted.

#[expect(dead_code, reason = "shared with other tests")]
mod common;
#[expect(dead_code, reason = "shared with other tests")]
#[path = "common/npy.rs"]
mod npy;

use std::collections::HashSet;
use std::fs::File;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant, SystemTime};

use common::bytes;
use tallow_core::{ErrorKind, NpyFile, NpyFolders, Result, Safetensors, Source};

/// A row, in `u32`s: half of it takes several pages.
const ROW_LEN: usize = 8192;
const ROW_BYTES: usize = ROW_LEN * 4;
const ROWS: usize = 4;

/// A gap that is longer than this cannot be told from a rest, and the machine may make it so.
const GAP_MAX: Duration = Duration::from_millis(19);

/// What the writer does about the time of its last write.
#[derive(Clone, Copy, Debug)]
enum Times {
    Kept,
    SetBack,
}

/// Where rows lie: in files, each with the offset of its rows.
struct Files {
    paths: Vec<PathBuf>,
    rows_each: usize,
    offset: u64,
}

/// Rows whose halves were written too far apart to be told from whole ones.
type Late = Mutex<HashSet<u32>>;

fn write_rows(files: &Files, times: Times, late: &Late, gap: Duration, stop: &AtomicBool) {
    let open = |path| File::options().write(true).open(path).unwrap();
    let files_open: Vec<File> = files.paths.iter().map(open).collect();
    let earlier = SystemTime::UNIX_EPOCH + Duration::from_secs(1_500_000_000);
    for number in 1u32.. {
        let value: Vec<u8> = number.to_le_bytes().repeat(ROW_LEN / 2);
        let row = number as usize % ROWS;
        let file = &files_open[row / files.rows_each];
        let at = files.offset + (row % files.rows_each * ROW_BYTES) as u64;
        let half = |at: u64| {
            file.write_all_at(&value, at).unwrap();
            if matches!(times, Times::SetBack) {
                file.set_modified(earlier).unwrap();
            }
        };
        let begun = Instant::now();
        half(at);
        std::thread::sleep(gap);
        half(at + (ROW_BYTES / 2) as u64);
        if begun.elapsed() > GAP_MAX {
            late.lock().unwrap().insert(number);
        }
        if stop.load(Ordering::Relaxed) {
            return;
        }
        // Bursts of rows, and rests in which a reader has its chance.
        let rest = if number % 16 < 12 { gap } else { Duration::from_millis(70) };
        std::thread::sleep(rest);
    }
}

#[derive(Debug, Default)]
struct Counts {
    read: usize,
    refused: usize,
    /// The later of the two rows that each torn one was made of.
    torn: Vec<u32>,
}

/// Reads over and over, each time from a source that is opened anew, and then from the same one
/// until it refuses.
fn read_rows(open: &dyn Fn() -> Result<Box<dyn Source>>, until: Instant, index: usize) -> Counts {
    let mut counts = Counts::default();
    while Instant::now() < until {
        let source = open();
        for _ in 0..40 {
            let row = source
                .as_ref()
                .map_err(|e| e.kind())
                .and_then(|source| bytes(source, index % ROWS).map_err(|error| error.kind()));
            match row {
                Ok(row) => {
                    let number =
                        |at: usize| u32::from_le_bytes(row[at..at + 4].try_into().unwrap());
                    let (first, last) = (number(0), number(ROW_BYTES - 4));
                    let is_whole = row[..ROW_BYTES / 2].chunks(4).all(|v| v == &row[..4])
                        && row[ROW_BYTES / 2..].chunks(4).all(|v| v == &row[ROW_BYTES - 4..])
                        && first == last;
                    counts.read += 1;
                    counts.torn.extend((!is_whole).then(|| first.max(last)));
                }
                Err(ErrorKind::Changed) => {
                    counts.refused += 1;
                    break;
                }
                Err(kind) => panic!("{kind}"),
            }
            std::thread::sleep(Duration::from_micros(300));
        }
    }
    counts
}

#[expect(clippy::print_stdout, reason = "long runs are read")]
/// Lets the writer go on at gaps of 1, 2, 5 and 10 ms while rows are read.
fn assert_never_torn(
    name: &str,
    files: &Files,
    times: Times,
    open: &(dyn Fn() -> Result<Box<dyn Source>> + Sync),
) {
    let seconds = std::env::var("TALLOW_TORN_SECONDS").ok().and_then(|s| s.parse().ok());
    let share = Duration::from_secs_f64(seconds.unwrap_or(2.0)) / 4;
    let mut read = 0;
    for gap_ms in [1, 2, 5, 10] {
        let (late, stop) = (Late::default(), AtomicBool::new(false));
        let gap = Duration::from_millis(gap_ms);
        let mut counts = std::thread::scope(|scope| {
            scope.spawn(|| write_rows(files, times, &late, gap, &stop));
            let counts = read_rows(open, Instant::now() + share, gap_ms as usize);
            stop.store(true, Ordering::Relaxed);
            counts
        });
        let late = late.into_inner().unwrap();
        counts.torn.retain(|number| !late.contains(number));
        println!("{name}, {times:?}, {gap_ms} ms: {counts:?}, {} gaps too long", late.len());
        assert!(counts.torn.is_empty(), "{name}, {times:?}, {gap_ms} ms: {counts:?}");
        read += counts.read;
    }
    assert!(read > 0, "nothing was read, which shows nothing");
}

fn one_file(dir: &Path, name: &str, head: Vec<u8>) -> Files {
    let path = dir.join(name);
    let offset = head.len() as u64;
    std::fs::write(&path, [head, vec![0; ROWS * ROW_BYTES]].concat()).unwrap();
    Files { paths: vec![path], rows_each: ROWS, offset }
}

#[test]
fn rows_of_one_npy_file_are_never_torn() {
    for times in [Times::Kept, Times::SetBack] {
        let dir = tempfile::tempdir().unwrap();
        let files = one_file(dir.path(), "a.npy", npy::npy("<u4", &[ROWS, ROW_LEN], &[]));
        let open = || -> Result<Box<dyn Source>> { Ok(Box::new(NpyFile::open(&files.paths[0])?)) };
        assert_never_torn("npy file", &files, times, &open);
    }
}

#[test]
fn rows_of_a_safetensors_file_are_never_torn() {
    for times in [Times::Kept, Times::SetBack] {
        let dir = tempfile::tempdir().unwrap();
        let header = format!(
            r#"{{"x":{{"dtype":"U32","shape":[{ROWS},{ROW_LEN}],"data_offsets":[0,{}]}}}}"#,
            ROWS * ROW_BYTES
        );
        let head = [&(header.len() as u64).to_le_bytes()[..], header.as_bytes()].concat();
        let files = one_file(dir.path(), "a.safetensors", head);
        let open =
            || -> Result<Box<dyn Source>> { Ok(Box::new(Safetensors::open(&files.paths[0])?)) };
        assert_never_torn("safetensors", &files, times, &open);
    }
}

#[test]
fn files_of_a_folder_are_never_torn() {
    for times in [Times::Kept, Times::SetBack] {
        let dir = tempfile::tempdir().unwrap();
        let contents = npy::npy("<u4", &[ROW_LEN], &[0; ROW_BYTES]);
        let path = |row| dir.path().join(format!("{row}.npy"));
        (0..ROWS).for_each(|row| std::fs::write(path(row), &contents).unwrap());
        let offset = (contents.len() - ROW_BYTES) as u64;
        let files = Files { paths: (0..ROWS).map(path).collect(), rows_each: 1, offset };
        let open = || -> Result<Box<dyn Source>> { Ok(Box::new(NpyFolders::open(dir.path())?)) };
        assert_never_torn("folder", &files, times, &open);
    }
}
