//! `.safetensors`: valid files and shards, and files with damaged headers, offsets and names.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use tallow::{RowBuffer, Safetensors, Source};

use super::tensors::{self, Tensors};
use super::{Target, words};
use crate::dice::{Dice, scramble};

pub(super) struct SafetensorsFiles;

impl Target for SafetensorsFiles {
    /// Longer than a source waits if a file was just written.
    fn rests_for(&self) -> Duration {
        Duration::from_millis(100)
    }

    fn make(&self, dice: &mut Dice, dir: &Path) -> io::Result<()> {
        let fields = Fields::random(dice);
        for at in 0..*dice.pick(&[1, 1, 1, 2, 3]) {
            let fields = if dice.one_in(16) { &Fields::random(dice) } else { &fields };
            let mut file = fields.file(dice);
            if dice.one_in(2) {
                (0..1 + dice.below(3)).for_each(|_| scramble_file(&mut file, dice));
            }
            fs::write(dir.join(format!("{at}.safetensors")), file)?;
        }
        Ok(())
    }

    fn run(&self, dir: &Path) -> Result<usize, String> {
        let mut files: Vec<(PathBuf, Option<Tensors>)> = Vec::new();
        for at in 0.. {
            let path = dir.join(format!("{at}.safetensors"));
            let Ok(bytes) = fs::read(&path) else { break };
            files.push((path, tensors::read(&bytes)));
        }
        for (path, tensors) in &files {
            let shards: Vec<_> = tensors.iter().collect();
            read(path, &shards, tensors.is_some()).map_err(|what| format!("{path:?}: {what}"))?;
        }
        let shards: Vec<_> = files.iter().filter_map(|(_, tensors)| tensors.as_ref()).collect();
        let alike = shards.len() == files.len()
            && shards.iter().all(|shard| fields(shard).eq(fields(shards[0])));
        read(dir, &shards, alike).map_err(|what| format!("{dir:?}: {what}"))?;
        Ok(0)
    }
}

/// What the shards of one source have in common: names, types, and shapes of a sample.
fn fields(shard: &Tensors) -> impl Iterator<Item = (&str, tallow::RowDType, &[usize])> {
    shard.tensors.iter().map(|tensor| (&*tensor.name, tensor.dtype, &tensor.shape[1..]))
}

/// Opens a file or folder that must be readable or must not, and compares all samples.
fn read(path: &Path, shards: &[&Tensors], readable: bool) -> Result<(), String> {
    let odd = shards.iter().any(|shard| shard.odd.is_some());
    let source = match Safetensors::open(path) {
        Ok(source) if readable => source,
        Ok(source) => return Err(format!("opened as {}", source.schema())),
        Err(error) if readable && !odd => return Err(format!("refused: {error}")),
        Err(error) => return words::check(&error.to_string()),
    };
    let samples: usize = shards.iter().map(|shard| shard.samples).sum();
    if source.len() != samples {
        return Err(format!("{} samples of {samples}", source.len()));
    }
    let mut buffer = RowBuffer::new(source.schema()).map_err(|error| error.to_string())?;
    let mut index = 0;
    for shard in shards {
        for sample in 0..shard.samples.min(64) {
            compare(&source, index + sample, &mut buffer, shard, sample)
                .map_err(|what| format!("sample {}: {what}", index + sample))?;
        }
        index += shard.samples;
    }
    Ok(())
}

fn compare(
    source: &Safetensors,
    index: usize,
    buffer: &mut RowBuffer,
    shard: &Tensors,
    sample: usize,
) -> Result<(), String> {
    let read = source.read(index, &mut buffer.row(None)).and_then(|()| buffer.finish());
    let range = |tensor: &tensors::Tensor| {
        let len: usize = tensor.shape[1..].iter().product();
        sample * len..(sample + 1) * len
    };
    let unfit = |tensor: &tensors::Tensor| {
        let range = range(tensor);
        tensor.unfit.iter().any(|at| range.contains(at))
    };
    match (read, shard.tensors.iter().any(unfit)) {
        (Err(error), true) => return words::check(&error.to_string()),
        (Err(error), false) => return Err(format!("refused: {error}")),
        (Ok(()), true) => return Err("read, and does not fit".to_owned()),
        (Ok(()), false) => {}
    }
    for (at, tensor) in shard.tensors.iter().enumerate() {
        let (range, size) = (range(tensor), tensor.dtype.size());
        let expected = &tensor.elements[range.start * size..range.end * size];
        let field = buffer.view().field(at);
        let same = (field.name(), field.dtype(), field.shape(), field.bytes())
            == (&*tensor.name, tensor.dtype, &tensor.shape[1..], expected);
        if !same {
            let (name, found) = (field.name(), field.bytes());
            return Err(format!("{name:?}: found {found:?}, expected {expected:?}"));
        }
    }
    Ok(())
}

/// What a valid file holds, without its payload.
struct Fields {
    /// Name as JSON writes it, type, shape of a sample.
    fields: Vec<(String, &'static str, Vec<usize>)>,
}

const DTYPES: [(&str, usize); 13] = [
    ("BOOL", 1),
    ("U8", 1),
    ("I8", 1),
    ("F8_E4M3", 1),
    ("I16", 2),
    ("U16", 2),
    ("F16", 2),
    ("BF16", 2),
    ("I32", 4),
    ("U32", 4),
    ("F32", 4),
    ("I64", 8),
    ("F64", 8),
];

const NAMES: [&str; 10] =
    ["input", "target", "a", "\\u0061b", "x.y/z", "with space", "\\n", "\u{202e}", "\u{e9}", "_"];

impl Fields {
    fn random(dice: &mut Dice) -> Self {
        let mut names = NAMES;
        dice.shuffle(&mut names);
        let count = 1 + dice.below(4);
        let field = |name: &&str| {
            let (dtype, _) = *dice.pick(&DTYPES);
            let dtype = if dice.one_in(10) { "U64" } else { dtype };
            let dtype = if dice.one_in(60) { *dice.pick(&["C64", "F4", "U9", ""]) } else { dtype };
            let shape = (0..dice.below(4)).map(|_| 1 + dice.below(4)).collect();
            ((*name).to_owned(), dtype, shape)
        };
        Self { fields: names[..count].iter().map(field).collect() }
    }

    fn file(&self, dice: &mut Dice) -> Vec<u8> {
        let samples = if dice.one_in(30) { 0 } else { 1 + dice.below(6) };
        let size =
            |dtype: &str| DTYPES.iter().find(|(name, _)| *name == dtype).map_or(8, |it| it.1);
        let mut order: Vec<usize> = (0..self.fields.len()).collect();
        dice.shuffle(&mut order);
        let mut entries = Vec::new();
        let mut data = Vec::new();
        for at in order {
            let (name, dtype, shape) = &self.fields[at];
            let (start, count) = (data.len(), shape.iter().product::<usize>() * samples);
            let mut bytes = dice.bytes(count * size(dtype));
            if *dtype == "U64" && !dice.one_in(4) {
                bytes.iter_mut().for_each(|byte| *byte &= 0x7f);
            }
            data.extend(bytes);
            let lengths: Vec<String> =
                [samples].iter().chain(shape).map(usize::to_string).collect();
            let mut parts = [
                format!(r#""dtype":"{dtype}""#),
                format!(r#""shape":[{}]"#, lengths.join(",")),
                format!(r#""data_offsets":[{start},{}]"#, data.len()),
            ];
            dice.shuffle(&mut parts);
            entries.push(format!(r#""{name}":{{{}}}"#, parts.join(",")));
        }
        if dice.one_in(4) {
            entries.push(r#""__metadata__":{"format":"pt","\n":""}"#.to_owned());
        }
        dice.shuffle(&mut entries);
        let header = format!("{{{}}}{}", entries.join(","), " ".repeat(dice.below(9)));
        [&(header.len() as u64).to_le_bytes()[..], header.as_bytes(), &data].concat()
    }
}

fn scramble_file(file: &mut Vec<u8>, dice: &mut Dice) {
    let len =
        file.get(..8).map_or(0, |len| len.iter().rev().fold(0, |n, &b| n << 8 | usize::from(b)));
    let end = len.saturating_add(8);
    match dice.below(10) {
        0 => file.truncate(dice.below(file.len() + 1)),
        1 => {
            let len = dice.below(40);
            file.extend(dice.bytes(len));
        }
        2 if !file.is_empty() => {
            let at = dice.below(8.min(file.len()));
            file[at] = *dice.pick(&[0, 1, 2, 8, 64, 127, 128, 255]);
        }
        3 if file.len() >= end && len > 2 => {
            // A repeated entry, or one under the name of another.
            let header = String::from_utf8_lossy(&file[9..end - 1]).into_owned();
            let entries: Vec<&str> = header.split("},").collect();
            let one = *dice.pick(&entries);
            let again =
                format!("{{{},{header}", one.trim_end().trim_end_matches('}').to_owned() + "}");
            replace_header(file, end, again.as_bytes());
        }
        _ if file.len() >= end => {
            let mut header = file[8..end].to_vec();
            scramble(&mut header, dice);
            match dice.one_in(8) {
                // The length keeps its old value.
                true => drop(file.splice(8..end, header)),
                false => replace_header(file, end, &header),
            }
        }
        _ => {}
    }
}

/// Replaces the header that ends at `end` by `header`, and sets its length.
fn replace_header(file: &mut Vec<u8>, end: usize, header: &[u8]) {
    drop(file.splice(8..end, header.iter().copied()));
    file[..8].copy_from_slice(&(header.len() as u64).to_le_bytes());
}
