//! Folders of MDS, some of them damaged, compared with a second reader.

use std::fs;
use std::io;
use std::path::Path;
use std::time::Duration;

use serde_json::{Value as Json, json};
use tallow::{Mds, RowBuffer, Source};

use super::mosaic::{self, Mosaic, Value};
use super::{Target, words};
use crate::dice::{Dice, scramble};

pub(super) struct MdsFolders;

const INDEX: &str = "index.json";

/// Beside an index whose text was damaged: it may hold what two readers of JSON take differently.
const SCRAMBLED: &str = "scrambled";

/// Encodings, and the bytes of every value where they are the same for all.
const ENCODINGS: [(&str, Option<u32>); 16] = [
    ("int", Some(8)),
    ("uint8", Some(1)),
    ("int8", Some(1)),
    ("float32", Some(4)),
    ("uint64", Some(8)),
    ("bytes", None),
    ("bytes", None),
    ("str", None),
    ("json", None),
    ("ndarray:int16:2,3", Some(12)),
    ("ndarray:uint8:1", Some(1)),
    ("ndarray:float16", None),
    ("ndarray:int8", None),
    ("ndarray", None),
    ("ndarray", None),
    ("ndarray::2,2", None),
];

impl Target for MdsFolders {
    /// Longer than a source waits if a file was just written.
    fn rests_for(&self) -> Duration {
        Duration::from_millis(100)
    }

    fn make(&self, dice: &mut Dice, dir: &Path) -> io::Result<()> {
        let columns: Vec<Column> = (0..1 + dice.below(4)).map(|_| Column::random(dice)).collect();
        let mut shards = Vec::new();
        for at in 0..1 + dice.below(3) {
            let samples = dice.below(6);
            let mut shard = shard(&columns, samples, dice);
            if dice.one_in(4) {
                damage(&mut shard, samples, dice);
            }
            let name = if dice.one_in(8) { format!("x/{at}.mds") } else { format!("{at}.mds") };
            let path = dir.join(&name);
            fs::create_dir_all(path.parent().unwrap_or(dir))?;
            let mut entry = described(&columns);
            entry["format"] = json!("mds");
            entry["version"] = json!(2);
            entry["samples"] = json!(samples);
            entry["raw_data"] = json!({"basename": name, "bytes": shard.len(), "hashes": {}});
            shards.push(entry);
            fs::write(path, shard)?;
        }
        let mut index = json!({"version": 2, "shards": shards});
        if dice.one_in(6) {
            damage_index(&mut index, dice);
        }
        let mut text = index.to_string().into_bytes();
        if dice.one_in(8) {
            scramble(&mut text, dice);
            fs::write(dir.join(SCRAMBLED), "")?;
        }
        fs::write(dir.join(INDEX), text)
    }

    fn run(&self, dir: &Path) -> Result<usize, String> {
        let index = fs::read(dir.join(INDEX)).map_err(|error| error.to_string())?;
        let file = |name: &str| {
            let is_below = !name.is_empty() && !name.starts_with(['.', '/']);
            if is_below { fs::read(dir.join(name)).ok() } else { None }
        };
        let mut known = mosaic::read(&index, file);
        if let Some(known) = &mut known
            && dir.join(SCRAMBLED).exists()
        {
            known.odd = known.odd.or(Some("damaged text"));
        }
        match (Mds::open(dir), &known) {
            (Ok(source), Some(known)) => compare(&source, known).map(|()| 0),
            (Ok(source), None) => Err(format!("opened as {}", source.schema())),
            (Err(error), Some(Mosaic { odd: None, .. })) => Err(format!("refused: {error}")),
            (Err(error), _) => words::check(&error.to_string()).map(|()| 0),
        }
    }
}

fn compare(source: &Mds, known: &Mosaic) -> Result<(), String> {
    if source.len() != known.samples.len() {
        return Err(format!("{} samples of {}", source.len(), known.samples.len()));
    }
    let fields = source.schema().fields();
    if !fields.iter().map(|field| field.name()).eq(&known.names) {
        return Err(format!("{} for {:?}", source.schema(), known.names));
    }
    let fits = |values: &&Vec<Value>| {
        let mut pairs = fields.iter().zip(values.iter());
        pairs.all(|(field, value)| field.dtype() == value.dtype && !value.is_unfit)
    };
    let mut buffer = RowBuffer::new(source.schema()).map_err(|error| error.to_string())?;
    for (index, expected) in known.samples.iter().enumerate() {
        let read = source.read(index, &mut buffer.row(None)).and_then(|()| buffer.finish());
        let values = match (read, expected.as_ref().filter(fits)) {
            (Ok(()), Some(values)) => values,
            (Ok(()), None) => return Err(format!("sample {index} was read")),
            (Err(error), Some(_)) => return Err(format!("sample {index} was refused: {error}")),
            (Err(error), None) => {
                words::check(&error.to_string())?;
                continue;
            }
        };
        for (at, value) in values.iter().enumerate() {
            let field = buffer.view().field(at);
            if (field.shape(), field.bytes()) != (&value.shape[..], &value.bytes[..]) {
                let (name, shape, found) = (field.name(), field.shape(), field.bytes());
                return Err(format!(
                    "sample {index}, {name:?}: found {found:?} of {shape:?}, expected {value:?}"
                ));
            }
        }
    }
    Ok(())
}

/// A column, with what its arrays are.
struct Column {
    name: &'static str,
    encoding: &'static str,
    size: Option<u32>,
    /// The number of the type of elements, and their bytes.
    element: (u8, usize),
    rank: usize,
}

impl Column {
    fn random(dice: &mut Dice) -> Self {
        let name =
            *dice.pick(&["a", "b", "c d", "\u{e9}", "e\n", "f", "g", "h", "i", "j", "k", "l"]);
        let (mut encoding, size) = *dice.pick(&ENCODINGS);
        if dice.one_in(60) {
            encoding = *dice.pick(&["pkl", "ndarray:complex64", "ndarray:uint8:0", "", "bytes:"]);
        }
        let element = *dice.pick(&[(8, 1), (9, 1), (17, 2), (34, 4), (64, 8), (66, 8)]);
        Self { name, encoding, size, element, rank: dice.below(3) }
    }

    fn value(&self, dice: &mut Dice) -> Vec<u8> {
        if let Some(size) = self.size {
            let mut value = dice.bytes(size as usize);
            if !dice.one_in(8) {
                value.iter_mut().for_each(|byte| *byte &= 0x7f);
            }
            return value;
        }
        let mut head = Vec::new();
        let (number, bytes) = match self.encoding {
            "ndarray:float16" => (18, 2),
            "ndarray:int8" => (9, 1),
            "ndarray" | "ndarray::2,2" => {
                head.push(if dice.one_in(40) { *dice.pick(&[7, 8, 34]) } else { self.element.0 });
                self.element
            }
            _ => {
                let len = dice.below(12);
                return dice.bytes(len);
            }
        };
        let mut count = 4;
        if self.encoding != "ndarray::2,2" {
            let rank = if dice.one_in(40) { dice.below(64) } else { self.rank };
            let width = dice.below(4);
            head.push((rank << 2 | width) as u8);
            count = 1;
            for _ in 0..rank {
                let len = 1 + dice.below(3);
                head.extend(&(len as u64).to_le_bytes()[..1 << width]);
                count = (count * len).min(1 << 10);
            }
        }
        let mut elements = dice.bytes(count * bytes);
        if number == 64 && !dice.one_in(8) {
            elements.iter_mut().for_each(|byte| *byte &= 0x7f);
        }
        head.extend(elements);
        head
    }
}

/// The columns as an index has them.
fn described(columns: &[Column]) -> Json {
    let names: Vec<&str> = columns.iter().map(|column| column.name).collect();
    let encodings: Vec<&str> = columns.iter().map(|column| column.encoding).collect();
    let sizes: Vec<Option<u32>> = columns.iter().map(|column| column.size).collect();
    json!({"column_names": names, "column_encodings": encodings, "column_sizes": sizes})
}

/// The number of samples, where each begins and the last ends, the columns, and the samples.
fn shard(columns: &[Column], samples: usize, dice: &mut Dice) -> Vec<u8> {
    let text = if dice.one_in(4) { String::new() } else { described(columns).to_string() };
    let mut end = 4 * (samples + 2) + text.len();
    let (mut offsets, mut data) = (vec![samples, end], Vec::new());
    for _ in 0..samples {
        let values: Vec<Vec<u8>> = columns.iter().map(|column| column.value(dice)).collect();
        let start = data.len();
        for (column, value) in columns.iter().zip(&values) {
            if column.size.is_none() {
                data.extend((value.len() as u32).to_le_bytes());
            }
        }
        values.iter().for_each(|value| data.extend(value));
        end += data.len() - start;
        offsets.push(end);
    }
    let offsets = offsets.iter().flat_map(|&offset| (offset as u32).to_le_bytes());
    offsets.chain(text.into_bytes()).chain(data).collect()
}

/// Changes something, mostly a number, without changing the length, which the index says.
fn damage(shard: &mut [u8], samples: usize, dice: &mut Dice) {
    let offset = 4 * (1 + dice.below(samples + 1));
    let start = shard
        .get(offset..offset + 4)
        .map_or(0, |it| it.iter().rev().fold(0, |number, &byte| number << 8 | usize::from(byte)));
    let at = match dice.below(4) {
        0 => dice.below(4 * (samples + 2)),
        1 => dice.below(shard.len()),
        // Where a sample begins, which is with sizes or the head of an array.
        _ => start + dice.below(12),
    };
    let value = *dice.pick(&[0, 1, 2, 4, 5, 9, 34, 127, 128, 255]);
    let len = *dice.pick(&[1, 1, 1, 4]);
    shard.iter_mut().skip(at).take(len).for_each(|byte| *byte = value);
}

/// Puts another value into some place of the index.
fn damage_index(index: &mut Json, dice: &mut Dice) {
    let values = [
        json!(null),
        json!(0),
        json!(1),
        json!(3),
        json!(-1),
        json!(2.0),
        json!(u32::MAX),
        json!(u64::MAX),
        json!(""),
        json!("../0.mds"),
        json!("/0.mds"),
        json!("1.mds"),
        json!("bytes"),
        json!("ndarray:uint8:2"),
        json!([]),
        json!({}),
    ];
    let shard = dice.below(3);
    let column = dice.below(4);
    let place = match dice.below(10) {
        0 => "/version".to_owned(),
        1 => format!("/shards/{shard}/version"),
        2 => format!("/shards/{shard}/format"),
        3 | 4 => format!("/shards/{shard}/samples"),
        5 => format!("/shards/{shard}/raw_data/bytes"),
        6 => format!("/shards/{shard}/raw_data/basename"),
        7 => format!("/shards/{shard}/column_sizes/{column}"),
        8 => format!("/shards/{shard}/column_encodings/{column}"),
        _ => format!("/shards/{shard}"),
    };
    if let Some(value) = index.pointer_mut(&place) {
        *value = dice.pick(&values).clone();
    }
}
