//! Files that change while they are read: a writer writes the two halves of a row some milliseconds
//! apart, and the rows that a reader accepts with halves of different writes are counted.

mod pictures;

use std::collections::HashSet;
use std::fs::{self, File, OpenOptions};
use std::io::{self, Write as _};
use std::os::unix::fs::FileExt as _;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant, SystemTime};

use clap::{Args, ValueEnum};
use tallow::{NpyFile, NpyFolders, RowBuffer, Safetensors, Source};

use crate::dice::Dice;

/// Where the rows are.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Kind {
    /// Rows of one large .npy file
    Npy,
    /// Rows of one .safetensors file
    Safetensors,
    /// One .npy file per row
    Folders,
    /// One JPEG per row; it may also be replaced, or cut short
    Pictures,
}

/// The same of arrays, whose rows are written in two halves.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Rows {
    Npy,
    Safetensors,
    Folders,
}

#[derive(Debug, Args)]
pub(crate) struct TornArgs {
    /// Where the rows are
    #[arg(value_enum)]
    kind: Kind,
    /// How long to attack
    #[arg(long, default_value_t = 1.0)]
    minutes: f64,
    /// The time between the two halves of a row
    #[arg(long, default_value_t = 2)]
    gap_ms: u64,
    /// Set the modification time back by an hour after each half
    #[arg(long)]
    set_back: bool,
    /// Seed of the pauses of the writer
    #[arg(long, default_value_t = 1)]
    seed: u64,
}

const ROWS: usize = 64;
const ROW_BYTES: usize = 32 << 10;

/// With a longer gap between its halves a row looks like a file at rest, as happens on a busy machine, so
/// such a row does not count.
const GAP_MAX: Duration = Duration::from_millis(19);

/// How the reads ended.
#[derive(Default)]
struct Counts {
    read: u64,
    refused: u64,
    /// The number of the later half of each row that was torn.
    torn: Vec<u32>,
}

/// What was written.
#[derive(Default)]
struct Written {
    rows: u32,
    /// Rows whose halves were further apart than `GAP_MAX`.
    late: HashSet<u32>,
}

/// The file of a row, and where the row begins in it.
struct Place {
    path: PathBuf,
    offset: u64,
}

pub(crate) fn run(args: &TornArgs) -> ExitCode {
    let counted = tempfile::Builder::new().prefix("tallow-faults-").tempdir().and_then(|dir| {
        let dir = dir.path();
        let rows = match args.kind {
            Kind::Pictures => {
                let album = pictures::Album::new(args.seed)?;
                album.write_all(dir)?;
                return attack(
                    |stop| pictures::write(args, dir, &album, stop),
                    || pictures::read(args, dir, &album),
                );
            }
            Kind::Npy => Rows::Npy,
            Kind::Safetensors => Rows::Safetensors,
            Kind::Folders => Rows::Folders,
        };
        let places = make(rows, dir)?;
        attack(|stop| write(args, &places, stop), || read(args, rows, dir))
    });
    let (line, code) = match counted {
        Ok((counts, written)) => {
            let Counts { read, refused, torn } = counts;
            let Written { rows, late } = written;
            let torn = torn.iter().filter(|number| !late.contains(number)).count();
            let good = torn == 0 && read > 0;
            let line = format!(
                "{read} rows read, {refused} refused, {torn} torn, {rows} written, {} too slowly",
                late.len()
            );
            (line, if good { ExitCode::SUCCESS } else { ExitCode::FAILURE })
        }
        Err(error) => (error.to_string(), ExitCode::from(2)),
    };
    let back = if args.set_back { ", times set back" } else { "" };
    let (kind, gap) = (args.kind, args.gap_ms);
    let _ = writeln!(io::stdout(), "torn: {kind:?}, gaps of {gap} ms{back}: {line}");
    code
}

/// Writes as long as there is something that reads.
fn attack(
    write: impl FnOnce(&AtomicBool) -> io::Result<Written> + Send,
    read: impl FnOnce() -> Counts,
) -> io::Result<(Counts, Written)> {
    let stop = AtomicBool::new(false);
    thread::scope(|scope| {
        let writer = scope.spawn(|| write(&stop));
        let counts = read();
        stop.store(true, Ordering::Relaxed);
        let written = writer.join().map_err(|_| io::Error::other("the writer panicked"))??;
        Ok((counts, written))
    })
}

/// Writes the files, with all rows complete.
fn make(rows: Rows, dir: &Path) -> io::Result<Vec<Place>> {
    let npy = |rows: &str, payload: usize| {
        let text = format!("{{'descr': '|u1', 'fortran_order': False, 'shape': ({rows}), }}");
        let text = format!("{text:117}\n");
        let len = (text.len() as u16).to_le_bytes();
        [b"\x93NUMPY\x01\0", &len[..], text.as_bytes(), &vec![0; payload]].concat()
    };
    match rows {
        Rows::Npy => {
            let file = npy(&format!("{ROWS}, {ROW_BYTES}"), ROWS * ROW_BYTES);
            one_file(dir.join("rows.npy"), &file)
        }
        Rows::Safetensors => {
            let end = ROWS * ROW_BYTES;
            let entry =
                format!(r#""dtype":"U8","shape":[{ROWS},{ROW_BYTES}],"data_offsets":[0,{end}]"#);
            let header = format!(r#"{{"rows":{{{entry}}}}}"#);
            let len = (header.len() as u64).to_le_bytes();
            let file = [&len[..], header.as_bytes(), &vec![0; end]].concat();
            one_file(dir.join("rows.safetensors"), &file)
        }
        Rows::Folders => {
            let file = npy(&format!("{ROW_BYTES},"), ROW_BYTES);
            let place = |row: usize| {
                let path = dir.join(format!("{row:03}.npy"));
                fs::write(&path, &file)?;
                Ok(Place { path, offset: (file.len() - ROW_BYTES) as u64 })
            };
            (0..ROWS).map(place).collect()
        }
    }
}

fn one_file(path: PathBuf, file: &[u8]) -> io::Result<Vec<Place>> {
    fs::write(&path, file)?;
    let start = file.len() - ROWS * ROW_BYTES;
    let place = |row| Place { path: path.clone(), offset: (start + row * ROW_BYTES) as u64 };
    Ok((0..ROWS).map(place).collect())
}

/// Overwrites rows until it is told to stop. The elements of each row are its number.
fn write(args: &TornArgs, places: &[Place], stop: &AtomicBool) -> io::Result<Written> {
    // Longer than readers wait for a file to rest, so that some reads succeed.
    const PAUSE_MS_MAX: usize = 120;
    let mut dice = Dice::new(args.seed, 0);
    let mut written = Written::default();
    while !stop.load(Ordering::Relaxed) {
        let place = dice.pick(places);
        let file = OpenOptions::new().write(true).open(&place.path)?;
        written.rows += 1;
        let half = written.rows.to_le_bytes().repeat(ROW_BYTES / 8);
        let begun = Instant::now();
        file.write_all_at(&half, place.offset)?;
        set_back(args, &file)?;
        thread::sleep(Duration::from_millis(args.gap_ms));
        file.write_all_at(&half, place.offset + half.len() as u64)?;
        set_back(args, &file)?;
        if begun.elapsed() > GAP_MAX {
            written.late.insert(written.rows);
        }
        let pause = if dice.one_in(2) { 0 } else { dice.below(PAUSE_MS_MAX) };
        thread::sleep(Duration::from_millis(pause as u64));
    }
    Ok(written)
}

fn set_back(args: &TornArgs, file: &File) -> io::Result<()> {
    const BACK: Duration = Duration::from_secs(3600);
    if !args.set_back {
        return Ok(());
    }
    file.set_modified(SystemTime::now() - BACK)
}

/// Reads rows until the time is over, and opens the source again after it has refused one.
fn read(args: &TornArgs, rows: Rows, dir: &Path) -> Counts {
    let end = Instant::now() + Duration::from_secs_f64(args.minutes * 60.0);
    let mut dice = Dice::new(args.seed, 1);
    let mut counts = Counts::default();
    while Instant::now() < end {
        let opened: tallow::SourceResult<Box<dyn Source>> = match rows {
            Rows::Npy => NpyFile::open(dir.join("rows.npy")).map(|it| Box::new(it) as _),
            Rows::Safetensors => Safetensors::open(dir).map(|it| Box::new(it) as _),
            Rows::Folders => NpyFolders::open(dir).map(|it| Box::new(it) as _),
        };
        let Ok(source) = opened else {
            counts.refused += 1;
            continue;
        };
        let Ok(mut buffer) = RowBuffer::new(source.schema()) else { continue };
        while Instant::now() < end {
            let row = dice.below(source.len());
            if source.read(row, &mut buffer.row(None)).is_err() {
                counts.refused += 1;
                if rows == Rows::Folders { continue } else { break }
            }
            counts.read += 1;
            let bytes = buffer.view().field(0).bytes();
            let number = |at: usize| u32::from_le_bytes(std::array::from_fn(|i| bytes[at + i]));
            let is_whole = bytes.chunks_exact(4).all(|element| *element == bytes[..4]);
            counts.torn.extend((!is_whole).then(|| number(0).max(number(ROW_BYTES - 4))));
        }
    }
    counts
}
