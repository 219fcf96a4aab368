//! Tar archives of every dialect, some of them damaged, compared with what GNU tar makes of them where
//! both read them.

use std::fs;
use std::io;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;

use tallow::{RowBuffer, Source, Tar, TarContent};

use super::{Target, words};
use crate::dice::{Dice, scramble};

pub(super) struct TarArchives;

const BLOCK: usize = 512;

impl Target for TarArchives {
    /// Longer than a source waits if a file was just written.
    fn rests_for(&self) -> Duration {
        Duration::from_millis(100)
    }

    fn make(&self, dice: &mut Dice, dir: &Path) -> io::Result<()> {
        let mut archive = Vec::new();
        for at in 0..dice.below(7) {
            entry(&mut archive, at, dice);
        }
        if !dice.one_in(4) {
            archive.extend([0; 2 * BLOCK]);
        }
        if dice.one_in(2) {
            (0..1 + dice.below(3)).for_each(|_| damage(&mut archive, dice));
        }
        fs::write(dir.join("a.tar"), archive)
    }

    fn run(&self, dir: &Path) -> Result<usize, String> {
        let path = dir.join("a.tar");
        let builder = Tar::builder([&path]).index_folder(dir.join("kept"));
        let source = match builder.field("bin", ["bin"], TarContent::Bytes).open() {
            Ok(source) => source,
            Err(error) => return words::check(&error.to_string()).map(|()| 0),
        };
        let mut ours = Vec::new();
        let mut buffer = RowBuffer::new(source.schema()).map_err(|error| error.to_string())?;
        for index in 0..source.len() {
            let read = source.read(index, &mut buffer.row(None)).and_then(|()| buffer.finish());
            if let Err(error) = read {
                return words::check(&error.to_string()).map(|()| 0);
            }
            let bytes = buffer.view().field(0).bytes().to_vec();
            ours.push((source.name(index).into_owned(), bytes));
        }
        compare(&path, &ours).map(|()| 0)
    }
}

/// Compares names and bytes of all files with GNU tar's, where it has nothing to complain of.
fn compare(path: &Path, ours: &[(String, Vec<u8>)]) -> Result<(), String> {
    let tar = |options: &[&str]| -> Option<Vec<u8>> {
        let mut command = Command::new("tar");
        command.args(["-P", "-i", "--quoting-style=literal", "--wildcards"]).args(options);
        let output = command.arg("-f").arg(path).arg("*.bin").stdin(Stdio::null()).output().ok()?;
        (output.status.success() && output.stderr.is_empty()).then_some(output.stdout)
    };
    let (Some(listed), Some(contents)) = (tar(&["-tv"]), tar(&["-xO"])) else { return Ok(()) };
    let listed = String::from_utf8_lossy(&listed);
    let files: Vec<&str> = listed.lines().filter_map(file_of).collect();
    let keys: Vec<&str> = files.iter().filter_map(|name| key_of(name)).collect();
    let names = ours.iter().map(|(name, _)| name.clone());
    if !names.eq(keys.iter().map(|key| format!("{}/{key}", path.display()))) {
        let names: Vec<&String> = ours.iter().map(|(name, _)| name).collect();
        return Err(format!("found {names:?}, GNU tar {keys:?}"));
    }
    // What belongs to no sample GNU tar extracts all the same.
    if keys.len() < files.len() {
        return Ok(());
    }
    match ours.iter().flat_map(|(_, bytes)| bytes).eq(&contents) {
        true => Ok(()),
        false => Err("other bytes than GNU tar".to_owned()),
    }
}

/// The name in a line of the listing, if it is a file's, contiguous or not: after rights, owner, size, date and time.
/// Columns are filled up with spaces, but one space stands before the name, which may begin with more.
fn file_of(line: &str) -> Option<&str> {
    let mut rest = line.starts_with(['-', 'C']).then_some(line)?;
    for _ in 0..4 {
        rest = rest[rest.find(' ')?..].trim_start();
    }
    rest.split_once(' ').map(|(_time, name)| name)
}

/// The key of the sample whose `bin` a file is: its name up to the first dot of the last part, which does not
/// begin with it.
fn key_of(name: &str) -> Option<&str> {
    let mut name = name;
    while let Some(rest) = name.strip_prefix("./") {
        name = rest;
    }
    let key = name.strip_suffix(".bin")?;
    let stem = &key[key.rfind('/').map_or(0, |slash| slash + 1)..];
    (!stem.is_empty() && !stem.contains('.')).then_some(key)
}

/// Appends a file, with what some program would say about it before.
fn entry(archive: &mut Vec<u8>, at: usize, dice: &mut Dice) {
    let folder = *dice.pick(&["", "./", "x/", "a.b/", "deep/er/"]);
    let stem = if dice.one_in(6) { "long".repeat(dice.below(60)) } else { "s".to_owned() };
    let name = format!("{folder}{stem}{at}.bin");
    let len = *dice.pick(&[0, 1, 5, 511, 512, 513, 2000]);
    let payload = dice.bytes(len);
    let mut size = format!("{len:011o}\0").into_bytes();
    if dice.one_in(5) {
        size = [&[0x80, 0, 0, 0][..], &(len as u64).to_be_bytes()].concat();
    }
    if dice.one_in(6) {
        append(archive, b"comment", b'g', None, &record("comment", "all"));
    }
    let mut in_header = name.as_str();
    if name.len() > 100 || dice.one_in(4) {
        match dice.one_in(2) {
            true => append(archive, b"././@LongLink", b'L', None, format!("{name}\0").as_bytes()),
            false => append(archive, b"pax", b'x', None, &record("path", &name)),
        }
        in_header = &name[..name.len().min(90)];
    }
    if dice.one_in(6) {
        let mut records = record("size", &len.to_string());
        records.extend(record("path", &name));
        append(archive, b"pax", b'x', None, &records);
        size = format!("{:011o}\0", dice.below(3000)).into_bytes();
    }
    if dice.one_in(12) {
        append(archive, b"folder", b'5', None, b"");
    }
    append(archive, in_header.as_bytes(), *dice.pick(b"000\x007"), Some(&size), &payload);
    if dice.one_in(12) {
        archive.extend(vec![0; BLOCK * (1 + dice.below(3))]);
    }
}

fn append(archive: &mut Vec<u8>, name: &[u8], kind: u8, size: Option<&[u8]>, payload: &[u8]) {
    let mut block = [0; BLOCK];
    block[..name.len()].copy_from_slice(name);
    block[100..108].copy_from_slice(b"0000644\0");
    let own = format!("{:011o}\0", payload.len()).into_bytes();
    block[124..136].copy_from_slice(size.unwrap_or(&own));
    block[156] = kind;
    block[257..265].copy_from_slice(if kind == b'L' { b"ustar  \0" } else { b"ustar\x0000" });
    sum(&mut block);
    archive.extend(block);
    archive.extend(payload);
    archive.resize(archive.len().next_multiple_of(BLOCK), 0);
}

fn sum(block: &mut [u8]) {
    block[148..156].fill(b' ');
    let sum: u32 = block.iter().map(|&byte| u32::from(byte)).sum();
    block[148..156].copy_from_slice(format!("{sum:06o}\0 ").as_bytes());
}

/// A record of an extended header, which counts its own length.
fn record(key: &str, value: &str) -> Vec<u8> {
    let rest = format!(" {key}={value}\n");
    let len = (1..).find(|len: &usize| len.to_string().len() + rest.len() == *len);
    format!("{}{rest}", len.unwrap_or_default()).into_bytes()
}

/// Changes a field of a block, whose sum is then right again, or anything.
fn damage(archive: &mut Vec<u8>, dice: &mut Dice) {
    let blocks = archive.len() / BLOCK;
    match dice.below(6) {
        0 => archive.truncate(dice.below(archive.len() + 1)),
        1 => scramble(archive, dice),
        _ if blocks > 0 => {
            let at = dice.below(blocks) * BLOCK;
            let block = &mut archive[at..at + BLOCK];
            let (start, len) = *dice.pick(&[(0, 100), (124, 12), (156, 1), (257, 8), (345, 155)]);
            let place = start + dice.below(len);
            block[place] =
                *dice.pick(&[0, b' ', b'/', b'.', b'1', b'7', b'9', b'S', b'x', 0x80, 0xff]);
            sum(block);
        }
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_may_begin_with_spaces() {
        let line = "-rw-r--r-- root/root       512 1970-01-01 00:00  .b/s 1.bin";
        assert_eq!(file_of(line), Some(" .b/s 1.bin"));
        assert_eq!(file_of("drwxr-xr-x 0/0 0 1970-01-01 00:00 a.bin"), None);
    }

    #[test]
    fn hidden_files_and_longer_extensions_belong_to_no_sample() {
        for (name, key) in [
            ("././a.b/s1.bin", Some("a.b/s1")),
            ("a.b/.1.bin", None),
            ("a.b/.bin", None),
            ("s.1.bin", None),
            ("s1.bin/", None),
        ] {
            assert_eq!(key_of(name), key, "{name}");
        }
    }
}
