//! Pictures that are written over, cut short, or replaced while they are read. A JPEG has no checksum: one
//! that is made of two decodes to a picture that never was.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write as _};
use std::os::unix::fs::FileExt as _;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use jpeg_encoder::{ColorType, Encoder};
use tallow::{ImageFolders, Source as _, SourceExt as _};

use super::{Counts, GAP_MAX, ROWS, TornArgs, Written, set_back};
use crate::dice::Dice;

const SIDE: usize = 96;

/// Pictures that are written in turn, of different lengths.
const PICTURES: usize = 16;

/// Where the number of a write is in its file: in a comment behind the first marker.
const NUMBER_AT: usize = 6;

/// Files that can be written with any number.
pub(super) struct Album(Vec<Vec<u8>>);

impl Album {
    pub(super) fn new(seed: u64) -> io::Result<Self> {
        let picture = |at: usize| {
            let mut dice = Dice::new(seed, at as u64);
            let mut file = Vec::new();
            let encoder = Encoder::new(&mut file, 70 + at as u8);
            let pixels = dice.bytes(SIDE * SIDE);
            let side = SIDE as u16;
            encoder.encode(&pixels, side, side, ColorType::Luma).map_err(io::Error::other)?;
            Ok(file)
        };
        (0..PICTURES).map(picture).collect::<io::Result<_>>().map(Self)
    }

    /// The file that write `number` leaves, with that number near both its ends.
    fn file(&self, number: u32) -> Vec<u8> {
        const COMMENT: [u8; 4] = [0xff, 0xfe, 0, 6];
        let picture = &self.0[number as usize % PICTURES];
        let number = number.to_le_bytes();
        [&picture[..2], &COMMENT, &number, &picture[2..], &number].concat()
    }

    /// Writes all pictures.
    pub(super) fn write_all(&self, dir: &Path) -> io::Result<()> {
        (0..ROWS).try_for_each(|row| fs::write(path(dir, row), self.file(0)))
    }
}

fn path(dir: &Path, row: usize) -> PathBuf {
    dir.join(format!("{row:03}.jpg"))
}

/// Writes pictures until it is told to stop.
pub(super) fn write(
    args: &TornArgs,
    dir: &Path,
    album: &Album,
    stop: &AtomicBool,
) -> io::Result<Written> {
    // Longer than readers wait for a file to rest, so that some reads succeed.
    const PAUSE_MS_MAX: usize = 120;
    let mut dice = Dice::new(args.seed, 0);
    let mut written = Written::default();
    while !stop.load(Ordering::Relaxed) {
        written.rows += 1;
        let file = album.file(written.rows);
        let path = path(dir, dice.below(ROWS));
        let begun = Instant::now();
        match dice.below(4) {
            0 => in_place(args, &path, &file)?,
            1 => from_nothing(args, &path, &file)?,
            2 => replace(args, dir, &path, &file)?,
            // For readers to find, until the file is written again.
            _ => fs::write(&path, &file[..file.len() / 2])?,
        }
        if begun.elapsed() > GAP_MAX {
            written.late.insert(written.rows);
        }
        let pause = if dice.one_in(2) { 0 } else { dice.below(PAUSE_MS_MAX) };
        thread::sleep(Duration::from_millis(pause as u64));
    }
    Ok(written)
}

/// Writes over what is there, and then gives it the new length.
fn in_place(args: &TornArgs, path: &Path, file: &[u8]) -> io::Result<()> {
    let (first, second) = file.split_at(file.len() / 2);
    let open = OpenOptions::new().write(true).open(path)?;
    open.write_all_at(first, 0)?;
    set_back(args, &open)?;
    thread::sleep(Duration::from_millis(args.gap_ms));
    open.write_all_at(second, first.len() as u64)?;
    open.set_len(file.len() as u64)?;
    set_back(args, &open)
}

/// Empties the file, and writes it in two halves.
fn from_nothing(args: &TornArgs, path: &Path, file: &[u8]) -> io::Result<()> {
    let (first, second) = file.split_at(file.len() / 2);
    let mut open = File::create(path)?;
    open.write_all(first)?;
    set_back(args, &open)?;
    thread::sleep(Duration::from_millis(args.gap_ms));
    open.write_all(second)?;
    set_back(args, &open)
}

/// Puts a whole file in its place.
fn replace(args: &TornArgs, dir: &Path, path: &Path, file: &[u8]) -> io::Result<()> {
    let new = dir.join(".new");
    let mut open = File::create(&new)?;
    open.write_all(file)?;
    set_back(args, &open)?;
    fs::rename(new, path)
}

/// Reads pictures until the time is over.
pub(super) fn read(args: &TornArgs, dir: &Path, album: &Album) -> Counts {
    let end = Instant::now() + Duration::from_secs_f64(args.minutes * 60.0);
    let mut dice = Dice::new(args.seed, 1);
    let mut counts = Counts::default();
    while Instant::now() < end {
        let Ok(source) = ImageFolders::open(dir) else {
            counts.refused += 1;
            continue;
        };
        for _ in 0..ROWS {
            let Ok(sample) = source.get(dice.below(source.len())) else {
                counts.refused += 1;
                continue;
            };
            let bytes = sample.field(0).bytes();
            match number(bytes) {
                Some(number) if bytes == album.file(number) => counts.read += 1,
                // Half a picture is for the decoder to refuse.
                _ if sample.decoded().is_err() => counts.refused += 1,
                number => counts.torn.push(number.unwrap_or(0)),
            }
        }
    }
    counts
}

/// The number of the write that left the first half.
fn number(bytes: &[u8]) -> Option<u32> {
    let number = bytes.get(NUMBER_AT..NUMBER_AT + 4)?;
    Some(u32::from_le_bytes(number.try_into().ok()?))
}
