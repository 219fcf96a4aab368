//! `.npy`: valid and damaged files of every kind, each opened alone and as a sample of a folder.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use tallow::{NpyFile, NpyFolders, RowBuffer, Source};

use super::numpy::{self, Array};
use super::{Target, words};
use crate::dice::{Dice, scramble};

pub(super) struct Npy;

impl Target for Npy {
    /// Longer than the two seconds for which the files of a folder are checked twice.
    fn rests_for(&self) -> Duration {
        Duration::from_millis(2100)
    }

    fn make(&self, dice: &mut Dice, dir: &Path) -> io::Result<()> {
        let first = Written::random(dice);
        for at in 0..1 + dice.below(4) {
            let array =
                if at == 0 || dice.one_in(2) { first.clone() } else { Written::random(dice) };
            let mut bytes = array.file(dice);
            if dice.one_in(2) {
                (0..1 + dice.below(4)).for_each(|_| scramble_file(&mut bytes, dice));
            }
            fs::write(dir.join(format!("{at}.npy")), bytes)?;
        }
        if dice.one_in(256) {
            fs::write(dir.join("fresh"), "the files are written again before they are read")?;
        }
        Ok(())
    }

    fn run(&self, dir: &Path) -> Result<usize, String> {
        let mut files = Vec::new();
        for at in 0.. {
            let path = dir.join(format!("{at}.npy"));
            let Ok(bytes) = fs::read(&path) else { break };
            if dir.join("fresh").exists() {
                fs::write(&path, &bytes).map_err(|error| error.to_string())?;
            }
            files.push((path, numpy::read(&bytes)));
        }
        for (path, array) in &files {
            alone(path, array.as_ref()).map_err(|what| format!("{path:?} alone: {what}"))?;
        }
        together(dir, &files).map_err(|what| format!("{dir:?}: {what}"))?;
        Ok(0)
    }
}

/// Reads the file as a source of its own, whose first axis counts the samples.
fn alone(path: &Path, array: Option<&Array>) -> Result<(), String> {
    let opened = NpyFile::open(path);
    let rows = array.filter(|array| !array.shape.is_empty());
    let (source, array) = match (opened, rows) {
        (Ok(source), Some(array)) => (source, array),
        (Ok(source), None) => return Err(format!("opened as {}", source.schema())),
        (Err(error), rows) => return refused(&error, rows),
    };
    let (len, shape) = (array.shape[0], &array.shape[1..]);
    if source.len() != len {
        return Err(format!("{} samples of {len}", source.len()));
    }
    let row_len: usize = shape.iter().product();
    for row in 0..len.min(64) {
        let range = row * row_len..(row + 1) * row_len;
        let fits = !array.unfit.iter().any(|at| range.contains(at));
        let size = array.dtype.size();
        let elements = &array.elements[range.start * size..range.end * size];
        let expected = fits.then_some((shape, elements));
        compare(&source, row, expected).map_err(|what| format!("sample {row}: {what}"))?;
    }
    Ok(())
}

/// Reads the files as the samples of a folder.
fn together(dir: &Path, files: &[(PathBuf, Option<Array>)]) -> Result<(), String> {
    let first = files.iter().find_map(|(_, array)| array.as_ref());
    // If an odd file is the first readable one, it decides about all others.
    let odd = files.iter().any(|(_, array)| array.as_ref().is_some_and(|it| it.odd.is_some()));
    let source = match (NpyFolders::open(dir), first) {
        (Ok(source), _) => source,
        (Err(error), None) => return words::check(&error.to_string()),
        (Err(error), Some(_)) if odd => return words::check(&error.to_string()),
        (Err(error), Some(_)) => return Err(format!("refused: {error}")),
    };
    if source.len() != files.len() {
        return Err(format!("{} samples in {} files", source.len(), files.len()));
    }
    for (at, (_, array)) in files.iter().enumerate() {
        let alike = |array: &&Array| {
            first.is_some_and(|it| (it.dtype, &it.shape) == (array.dtype, &array.shape))
        };
        let array = array.as_ref().filter(|array| alike(array) && array.unfit.is_empty());
        let expected = array.map(|array| (&array.shape[..], &array.elements[..]));
        match compare(&source, at, expected) {
            Err(what) if !odd => return Err(format!("sample {at}: {what}")),
            _ => {}
        }
    }
    Ok(())
}

/// Checks that a file may be refused, and that the message can be printed.
fn refused(error: &tallow::SourceError, array: Option<&Array>) -> Result<(), String> {
    words::check(&error.to_string())?;
    match array {
        Some(array) if array.odd.is_none() => Err(format!("refused: {error}")),
        _ => Ok(()),
    }
}

/// Checks that sample `index` has these elements, or is refused if there are none.
pub(super) fn compare(
    source: &dyn Source,
    index: usize,
    expected: Option<(&[usize], &[u8])>,
) -> Result<(), String> {
    let mut buffer = RowBuffer::new(source.schema()).map_err(|error| error.to_string())?;
    let read = source.read(index, &mut buffer.row(None)).and_then(|()| buffer.finish());
    match (read, expected) {
        (Err(error), None) => words::check(&error.to_string()),
        (Err(error), Some(_)) => Err(format!("refused: {error}")),
        (Ok(()), None) => Err(format!("read as {}", source.schema())),
        (Ok(()), Some((shape, elements))) => {
            let field = buffer.view().field(0);
            if field.shape() == shape && field.bytes() == elements {
                return Ok(());
            }
            let found = field.bytes();
            Err(format!("found {:?} {found:?}, expected {shape:?} {elements:?}", field.shape()))
        }
    }
}

/// A valid array, and how to write it.
#[derive(Clone)]
pub(super) struct Written {
    descr: &'static str,
    shape: Vec<usize>,
    fortran_order: bool,
    version: u8,
    style: usize,
}

const DESCRS: [&str; 34] = [
    "|b1", "?", "bool", "|i1", "int8", "b", "|u1", "<u1", "uint8", "B", "<i2", ">i2", "<u2", ">u2",
    "=u2", "<i4", ">i4", "int32", "<u4", ">u4", "<i8", ">i8", "<u8", ">u8", "<f2", ">f2", "e",
    "<f4", ">f4", "f", "=f4", "<f8", ">f8", "d",
];

const STRANGE: [&str; 14] = [
    "<c8",
    "|V2",
    "|O",
    "<U5",
    "|S5",
    "<M8[us]",
    "<f16",
    "<V2",
    "<f3",
    "<<f4",
    "f4 ",
    "<f04",
    ">float32",
    "[('a', '<f4')]",
];

impl Written {
    pub(super) fn random(dice: &mut Dice) -> Self {
        let rank = *dice.pick(&[0, 1, 1, 2, 2, 3, 4, 6]);
        let mut shape: Vec<usize> = (0..rank).map(|_| 1 + dice.below(5)).collect();
        if dice.one_in(40) && rank > 0 {
            shape[dice.below(rank)] = 0;
        }
        if dice.one_in(40) && (1..3).contains(&rank) {
            shape[0] = 1 + dice.below(3000);
        }
        let descr = if dice.one_in(40) { *dice.pick(&STRANGE) } else { *dice.pick(&DESCRS) };
        let version = *dice.pick(&[1, 1, 1, 2, 3]);
        Self { descr, shape, fortran_order: dice.one_in(3), version, style: dice.below(64) }
    }

    /// The same header every time, with another payload.
    pub(super) fn file(&self, dice: &mut Dice) -> Vec<u8> {
        let text = self.header();
        let mut file = b"\x93NUMPY".to_vec();
        file.extend([self.version, 0]);
        match self.version {
            1 => file.extend((text.len() as u16).to_le_bytes()),
            _ => file.extend((text.len() as u32).to_le_bytes()),
        }
        file.extend(text.bytes());
        let size = self.descr.bytes().rev().find(u8::is_ascii_digit).map_or(8, |c| c - b'0');
        let size = match self.descr {
            "?" | "bool" | "b" | "B" | "int8" => 1,
            "e" => 2,
            "int32" | "f" => 4,
            _ => usize::from(size),
        };
        let count: usize = self.shape.iter().product();
        let mut payload = dice.bytes(count * size);
        if self.descr.ends_with("u8") && !dice.one_in(4) {
            // All of them fit.
            payload.iter_mut().for_each(|byte| *byte &= 0x7f);
        }
        file.extend(payload);
        if dice.one_in(20) {
            let len = 1 + dice.below(200);
            file.extend(dice.bytes(len));
        }
        file
    }

    fn header(&self) -> String {
        let style = |bit: usize| self.style >> bit & 1 == 1;
        let quote = if style(0) { "\"" } else { "'" };
        let space = if style(1) { "" } else { " " };
        let lengths: Vec<String> = self.shape.iter().map(usize::to_string).collect();
        let comma = if lengths.len() == 1 || style(2) && !lengths.is_empty() { "," } else { "" };
        let order = if self.fortran_order { "True" } else { "False" };
        let mut entries = [
            format!("{quote}descr{quote}:{space}{quote}{}{quote}", self.descr),
            format!("{quote}fortran_order{quote}:{space}{order}"),
            format!("{quote}shape{quote}:{space}({}{comma})", lengths.join(", ")),
        ];
        if style(3) {
            entries.rotate_left(1 + self.style % 2);
        }
        let last = if style(4) { "" } else { ", " };
        let text = format!("{{{}{last}}}", entries.join(&format!(",{space}")));
        let aligned =
            if style(5) { text.len() } else { (text.len() + 11).next_multiple_of(64) - 11 };
        format!("{text:aligned$}\n")
    }
}

/// Mostly in the header and before it; the payload is arbitrary bytes anyway.
pub(super) fn scramble_file(file: &mut Vec<u8>, dice: &mut Dice) {
    match dice.below(8) {
        0 => file.truncate(dice.below(file.len() + 1)),
        1 => {
            let at = dice.below(12.min(file.len()).max(1));
            if let Some(byte) = file.get_mut(at) {
                *byte = *dice.pick(&[0, 1, 2, 3, 10, 63, 64, 118, 127, 128, 255]);
            }
        }
        2 => {
            let len = dice.below(100);
            file.extend(dice.bytes(len));
        }
        _ if file.len() > 12 => {
            let text = &file[10..];
            let len = text.iter().position(|&byte| byte == b'\n').unwrap_or(text.len());
            let mut text = text[..len].to_vec();
            scramble(&mut text, dice);
            let grown = text.len().wrapping_sub(len);
            drop(file.splice(10..10 + len, text));
            // As a program would write it on purpose.
            if file[6] == 1 && !dice.one_in(4) {
                let len = u16::from_le_bytes([file[8], file[9]]).wrapping_add(grown as u16);
                file[8..10].copy_from_slice(&len.to_le_bytes());
            }
        }
        _ => {}
    }
}
