//! `.npz`: archives of arrays, stored and deflated, whole and damaged, each opened alone and as a sample of
//! a folder. What whole ones hold, a second reader says.

use std::fs;
use std::io::{self, Cursor, Write as _};
use std::path::Path;
use std::time::Duration;

use tallow::{Limits, NpzFile, NpzFolder, RowBuffer, Source};
use zip::write::SimpleFileOptions;
use zip::{CompressionMethod, ZipWriter};

use super::npy::{Written, scramble_file};
use super::numpy::{self, Array};
use super::{Target, words};
use crate::dice::{Dice, scramble};

pub(super) struct Npz;

/// The members of an archive, in their order. Beside it lie the arrays of one that is whole.
const NAMES: [&str; 4] = ["x", "a b", "\u{e9}", "deep/y"];

/// Less than a case may take, so that what inflates to more has to be refused.
const BYTES_MAX: usize = 8 << 20;

impl Target for Npz {
    /// Longer than the two seconds for which the files of a folder are checked twice.
    fn rests_for(&self) -> Duration {
        Duration::from_millis(2100)
    }

    fn make(&self, dice: &mut Dice, dir: &Path) -> io::Result<()> {
        let first: Vec<Written> = (0..1 + dice.below(4)).map(|_| Written::random(dice)).collect();
        let is_damaged = dice.one_in(2);
        for at in 0..1 + dice.below(4) {
            let mut arrays = first.clone();
            if at > 0 && dice.one_in(4) {
                arrays[dice.below(first.len())] = Written::random(dice);
            }
            if at > 0 && dice.one_in(8) {
                arrays.truncate(1 + dice.below(first.len()));
            }
            let mut members: Vec<Vec<u8>> = arrays.iter().map(|array| array.file(dice)).collect();
            if dice.one_in(6) {
                scramble_file(&mut members[dice.below(arrays.len())], dice);
            }
            let mut archive = archive(dice, &members)?;
            if is_damaged {
                (0..1 + dice.below(4)).for_each(|_| damage(&mut archive, dice));
            } else {
                for (name, member) in NAMES.iter().zip(&members) {
                    fs::write(dir.join(beside(at, name)), member)?;
                }
            }
            fs::write(dir.join(format!("{at}.npz")), archive)?;
        }
        Ok(())
    }

    fn run(&self, dir: &Path) -> Result<usize, String> {
        let mut limits = Limits::default();
        (limits.sample_bytes, limits.inflated_bytes) = (BYTES_MAX, BYTES_MAX);
        let mut files: Vec<Vec<Option<Array>>> = Vec::new();
        for at in 0.. {
            let path = dir.join(format!("{at}.npz"));
            if !path.exists() {
                break;
            }
            let members = NAMES.iter().map_while(|name| fs::read(dir.join(beside(at, name))).ok());
            let arrays: Vec<Option<Array>> = members.map(|file| numpy::read(&file)).collect();
            alone(&path, limits, &arrays).map_err(|what| format!("{path:?} alone: {what}"))?;
            files.push(arrays);
        }
        together(dir, limits, &files).map_err(|what| format!("{dir:?}: {what}"))?;
        Ok(0)
    }
}

fn beside(at: usize, name: &str) -> String {
    format!("{at}.{}.npy", name.replace('/', "-"))
}

fn archive(dice: &mut Dice, members: &[Vec<u8>]) -> io::Result<Vec<u8>> {
    let mut zip = ZipWriter::new(Cursor::new(Vec::new()));
    let method = *dice.pick(&[CompressionMethod::Stored, CompressionMethod::Deflated]);
    for (name, member) in NAMES.iter().zip(members) {
        let options = SimpleFileOptions::default().compression_method(method);
        zip.start_file(format!("{name}.npy"), options.large_file(dice.one_in(2)))?;
        zip.write_all(member)?;
    }
    Ok(zip.finish()?.into_inner())
}

/// Mostly in the records of the archive, which begin with `PK`: the arrays have a target of their own.
fn damage(archive: &mut Vec<u8>, dice: &mut Dice) {
    let records: Vec<usize> = (1..archive.len())
        .filter(|&at| archive[at - 1..].starts_with(b"PK"))
        .map(|at| at - 1)
        .collect();
    match dice.below(8) {
        0 => archive.truncate(dice.below(archive.len() + 1)),
        1 => {
            let len = 1 + dice.below(40);
            archive.extend(dice.bytes(len));
        }
        2 => scramble(archive, dice),
        3 if !archive.is_empty() => {
            let at = dice.below(archive.len());
            archive[at] ^= 1 << dice.below(8);
        }
        4 if records.len() > 1 => {
            // One record instead of another.
            let (from, to) = (*dice.pick(&records), *dice.pick(&records));
            let record: Vec<u8> = archive[from..].iter().copied().take(46).collect();
            let end = (to + record.len()).min(archive.len());
            archive[to..end].copy_from_slice(&record[..end - to]);
        }
        _ if !records.is_empty() => {
            let at = *dice.pick(&records) + dice.below(64);
            let value = *dice.pick(&[0, 1, 8, 9, 45, 127, 128, 255]);
            let end = (at + *dice.pick(&[1, 2, 4, 8])).min(archive.len());
            archive.get_mut(at..end).into_iter().for_each(|bytes| bytes.fill(value));
        }
        _ => {}
    }
}

/// Opens the file as one of stacked arrays. One that is not known to be whole may hold anything.
fn alone(path: &Path, limits: Limits, arrays: &[Option<Array>]) -> Result<(), String> {
    let known: Option<Vec<&Array>> = arrays.iter().map(Option::as_ref).collect();
    let known = known.filter(|arrays| !arrays.is_empty());
    let source = match (NpzFile::builder(path).limits(limits).open(), &known) {
        (Ok(source), _) => source,
        (Err(error), Some(arrays)) if are_stacked(arrays) => {
            return Err(format!("refused: {error}"));
        }
        (Err(error), _) => return words::check(&error.to_string()),
    };
    for index in 0..source.len().min(64) {
        let expected = known
            .as_ref()
            .map(|arrays| arrays.iter().map(|&array| part(array, index)).collect::<Option<_>>());
        compare(&source, index, expected).map_err(|what| format!("sample {index}: {what}"))?;
    }
    match known {
        Some(arrays) if source.len() != arrays[0].shape[0] => {
            Err(format!("{} samples of {}", source.len(), arrays[0].shape[0]))
        }
        None if !arrays.is_empty() => Err(format!("opened as {}", source.schema())),
        _ => Ok(()),
    }
}

fn are_stacked(arrays: &[&Array]) -> bool {
    let len = |array: &&Array| array.shape.first().copied();
    arrays
        .iter()
        .all(|array| array.odd.is_none() && len(array).is_some() && len(array) == len(&arrays[0]))
}

/// What a field of a row is: its shape and its bytes.
type Expected<'a> = (&'a [usize], &'a [u8]);

/// Row `index` of an array, unless it holds what no row can.
fn part(array: &Array, index: usize) -> Option<Expected<'_>> {
    let (_, shape) = array.shape.split_first()?;
    let len: usize = shape.iter().product();
    let range = index * len..(index + 1) * len;
    if array.unfit.iter().any(|at| range.contains(at)) {
        return None;
    }
    let size = array.dtype.size();
    Some((shape, array.elements.get(range.start * size..range.end * size)?))
}

/// Reads the files as the samples of a folder. If one is odd, it may decide about all others.
fn together(dir: &Path, limits: Limits, files: &[Vec<Option<Array>>]) -> Result<(), String> {
    let is_known = files.iter().all(|arrays| !arrays.is_empty());
    let odd = files.iter().flatten().flatten().any(|array| array.odd.is_some());
    let first: Option<Vec<&Array>> =
        files.iter().find_map(|arrays| arrays.iter().map(Option::as_ref).collect());
    let source = match (NpzFolder::builder(dir).limits(limits).open(), &first) {
        (Ok(source), _) => source,
        (Err(error), Some(_)) if is_known && !odd => return Err(format!("refused: {error}")),
        (Err(error), _) => return words::check(&error.to_string()),
    };
    if source.len() != files.len() {
        return Err(format!("{} samples in {} files", source.len(), files.len()));
    }
    for (index, arrays) in files.iter().enumerate() {
        let expected = first.as_ref().filter(|_| is_known && !odd).map(|first| {
            let of = |(array, first): (&'_ Option<Array>, &&Array)| {
                let array = array.as_ref()?;
                ((array.dtype, &array.shape) == (first.dtype, &first.shape)).then_some(())?;
                array.unfit.is_empty().then_some(())
            };
            let are_alike = arrays.len() == first.len()
                && arrays.iter().zip(first).all(|pair| of(pair).is_some());
            let whole = arrays.iter().flatten().map(|it| (&it.shape[..], &it.elements[..]));
            are_alike.then(|| whole.collect::<Vec<Expected<'_>>>())
        });
        compare(&source, index, expected).map_err(|what| format!("sample {index}: {what}"))?;
    }
    Ok(())
}

/// Checks that sample `index` has these fields, or is refused if there are none. Of a sample of which nothing
/// is known only the message is checked.
fn compare(
    source: &dyn Source,
    index: usize,
    expected: Option<Option<Vec<Expected<'_>>>>,
) -> Result<(), String> {
    let mut buffer = RowBuffer::new(source.schema()).map_err(|error| error.to_string())?;
    let read = source.read(index, &mut buffer.row(None)).and_then(|()| buffer.finish());
    match (read, expected) {
        (Err(error), Some(Some(_))) => return Err(format!("refused: {error}")),
        (Err(error), _) => return words::check(&error.to_string()),
        (Ok(()), Some(None)) => return Err(format!("read as {}", source.schema())),
        (Ok(()), None) => return Ok(()),
        (Ok(()), Some(Some(fields))) => {
            for (at, (shape, elements)) in fields.into_iter().enumerate() {
                let field = buffer.view().field(at);
                if field.shape() != shape || field.bytes() != elements {
                    let (name, found) = (field.name(), field.bytes());
                    return Err(format!("{name:?}: found {found:?}, expected {elements:?}"));
                }
            }
        }
    }
    Ok(())
}
