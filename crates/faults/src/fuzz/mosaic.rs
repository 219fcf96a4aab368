//! A second reader of MDS, written from what MosaicML Streaming writes: short and slow, and what the
//! product reads is compared with it.

use serde_json::Value as Json;
use tallow::RowDType;

/// What a folder holds.
pub(super) struct Mosaic {
    pub(super) names: Vec<String>,
    /// The values of each sample, or `None` where it must be refused.
    pub(super) samples: Vec<Option<Vec<Value>>>,
    /// Why it may also be refused when it is opened.
    pub(super) odd: Option<&'static str>,
}

/// A value as it is delivered: little-endian, widened.
#[derive(Debug, PartialEq)]
pub(super) struct Value {
    pub(super) dtype: RowDType,
    pub(super) shape: Vec<usize>,
    pub(super) bytes: Vec<u8>,
    /// Whether an element is one that the type of the row cannot hold.
    pub(super) is_unfit: bool,
}

/// The values of a column.
#[derive(Debug, Clone)]
enum Kind {
    /// Of the type with this number, and of this shape, each unless values say it themselves.
    Array(Option<u8>, Option<Vec<usize>>),
    Bytes,
}

#[derive(Debug, PartialEq)]
struct Columns {
    names: Vec<String>,
    encodings: Vec<String>,
    sizes: Vec<Option<u32>>,
}

/// What the index and the shards hold, which `file` gives by name; `None` if they must be refused.
pub(super) fn read(index: &[u8], file: impl Fn(&str) -> Option<Vec<u8>>) -> Option<Mosaic> {
    let index: Json = serde_json::from_slice(index).ok()?;
    let is_second =
        |version: Option<&Json>| version.is_none_or(|it| it.is_null() || it.as_u64() == Some(2));
    let shards = index.get("shards")?.as_array()?;
    let first = Columns::of(shards.first()?)?;
    let kinds: Vec<Kind> = first.kinds()?;
    if !is_second(index.get("version")) {
        return None;
    }
    let mut samples = Vec::new();
    for shard in shards {
        let (name, bytes) =
            (shard.pointer("/raw_data/basename")?.as_str()?, shard.pointer("/raw_data/bytes")?);
        let is_right = shard.get("format")?.as_str() == Some("mds")
            && is_second(shard.get("version"))
            && Columns::of(shard)? == first;
        let contents =
            file(name).filter(|it| is_right && bytes.as_u64() == Some(it.len() as u64))?;
        for sample in parts(&contents, shard.get("samples")?.as_u64()?, &first)? {
            samples.push(first.values(&kinds, sample));
        }
    }
    // Where arrays say their shapes, all are looked at when the folder is opened.
    let says = |kind: &Kind| matches!(kind, Kind::Array(_, None));
    let typed = |kind: &Kind| matches!(kind, Kind::Array(None, Some(_)));
    let all = kinds.iter().any(says);
    let looked = match kinds.iter().any(typed) {
        _ if all => samples.len(),
        true => 1,
        false => 0,
    };
    let looked = &samples[..looked.min(samples.len())];
    if samples.is_empty() || looked.iter().any(Option::is_none) || !are_alike(looked) {
        return None;
    }
    let odd = odd(&first.names, &samples);
    Some(Mosaic { names: first.names, samples, odd })
}

/// Whether the values of each column have one type and one rank.
fn are_alike(samples: &[Option<Vec<Value>>]) -> bool {
    let kind = |sample: &Option<Vec<Value>>| -> Vec<(RowDType, usize)> {
        sample.iter().flatten().map(|value| (value.dtype, value.shape.len())).collect()
    };
    samples.windows(2).all(|pair| kind(&pair[0]) == kind(&pair[1]))
}

fn odd(names: &[String], samples: &[Option<Vec<Value>>]) -> Option<&'static str> {
    let is_repeated = |at: usize| names[..at].contains(&names[at]);
    let is_empty = |value: &Value| value.bytes.is_empty();
    let has_many_axes = |value: &Value| value.shape.len() > 8;
    match () {
        () if names.iter().any(String::is_empty) => Some("a column without a name"),
        () if (0..names.len()).any(is_repeated) => Some("two columns of one name"),
        () if samples.iter().flatten().flatten().any(is_empty) => Some("no elements"),
        // The longest of each axis, taken together, are more than any sample has.
        () if samples.iter().flatten().flatten().any(has_many_axes) => Some("many axes"),
        () => None,
    }
}

/// The bytes of each sample of a shard.
fn parts<'a>(contents: &'a [u8], samples: u64, columns: &Columns) -> Option<Vec<&'a [u8]>> {
    let number = |at: usize| {
        let bytes = contents.get(4 * at..4 * at + 4)?;
        Some(u32::from_le_bytes(bytes.try_into().ok()?) as usize)
    };
    let samples = usize::try_from(samples).ok().filter(|&it| number(0) == Some(it))?;
    if samples > contents.len() {
        return None;
    }
    let offsets: Vec<usize> = (1..samples + 2).map(number).collect::<Option<_>>()?;
    let text = contents.get(4 * (samples + 2)..*offsets.first()?)?;
    let own = if text.is_empty() {
        None
    } else {
        Some(Columns::of(&serde_json::from_slice(text).ok()?)?)
    };
    if own.is_some_and(|own| own != *columns) || *offsets.last()? != contents.len() {
        return None;
    }
    let least: usize = columns.sizes.iter().map(|size| size.unwrap_or(4) as usize).sum();
    let is_fixed = columns.sizes.iter().all(Option::is_some);
    let part = |pair: &[usize]| {
        let part = contents.get(pair[0]..pair[1])?;
        let fits = if is_fixed { part.len() == least } else { part.len() >= least };
        fits.then_some(part)
    };
    offsets.windows(2).map(part).collect()
}

impl Columns {
    fn of(json: &Json) -> Option<Self> {
        let list = |key: &str| json.get(key)?.as_array();
        let texts = |key: &str| -> Option<Vec<String>> {
            list(key)?.iter().map(|it| it.as_str().map(str::to_owned)).collect()
        };
        let size = |it: &Json| match it {
            Json::Null => Some(None),
            it => it.as_u64().and_then(|it| u32::try_from(it).ok()).map(Some),
        };
        let sizes = list("column_sizes")?.iter().map(size).collect::<Option<_>>()?;
        Some(Self { names: texts("column_names")?, encodings: texts("column_encodings")?, sizes })
    }

    /// What their encodings and sizes say, where they say the same.
    fn kinds(&self) -> Option<Vec<Kind>> {
        let Self { names, encodings, sizes } = self;
        if names.is_empty() || names.len() != encodings.len() || names.len() != sizes.len() {
            return None;
        }
        let kind = |(encoding, size): (&String, &Option<u32>)| {
            let kind = kind(encoding)?;
            let expected = match &kind {
                Kind::Array(Some(number), Some(shape)) => {
                    let bytes =
                        shape.iter().try_fold(element(*number)?.1, |n, &len| n.checked_mul(len))?;
                    Some(u32::try_from(bytes).ok()?)
                }
                _ => None,
            };
            (expected == *size).then_some(kind)
        };
        encodings.iter().zip(sizes).map(kind).collect()
    }

    /// The values of a sample, `None` if it must be refused.
    fn values(&self, kinds: &[Kind], sample: &[u8]) -> Option<Vec<Value>> {
        let mut sizes = sample;
        let mut rest = &sample[4 * self.sizes.iter().filter(|size| size.is_none()).count()..];
        let mut value = |(kind, size): (&Kind, &Option<u32>)| {
            let size = match size {
                Some(size) => *size,
                None => {
                    let (size, after) = sizes.split_first_chunk()?;
                    sizes = after;
                    u32::from_le_bytes(*size)
                }
            };
            let (own, after) = rest.split_at_checked(size as usize)?;
            rest = after;
            value(kind, own)
        };
        let values: Option<Vec<Value>> = kinds.iter().zip(&self.sizes).map(&mut value).collect();
        values.filter(|_| rest.is_empty())
    }
}

/// The type of elements with this number, and their bytes in a file.
fn element(number: u8) -> Option<(RowDType, usize)> {
    Some(match number {
        8 => (RowDType::U8, 1),
        9 => (RowDType::I16, 1),
        16 => (RowDType::U16, 2),
        17 => (RowDType::I16, 2),
        18 => (RowDType::F16, 2),
        32 => (RowDType::U32, 4),
        33 => (RowDType::I32, 4),
        34 => (RowDType::F32, 4),
        64 | 65 => (RowDType::I64, 8),
        66 => (RowDType::F64, 8),
        _ => return None,
    })
}

/// The number that arrays have for a type.
fn number(name: &str) -> Option<u8> {
    const NAMES: [(&str, u8); 11] = [
        ("uint8", 8),
        ("int8", 9),
        ("uint16", 16),
        ("int16", 17),
        ("float16", 18),
        ("uint32", 32),
        ("int32", 33),
        ("float32", 34),
        ("uint64", 64),
        ("int64", 65),
        ("float64", 66),
    ];
    NAMES.iter().find(|(own, _)| *own == name).map(|(_, number)| *number)
}

fn kind(encoding: &str) -> Option<Kind> {
    let Some(config) = encoding.strip_prefix("ndarray") else {
        return match encoding {
            "bytes" | "str" | "json" | "str_int" | "str_float" | "str_decimal" => Some(Kind::Bytes),
            "int" => Some(Kind::Array(number("int64"), Some(Vec::new()))),
            name => Some(Kind::Array(Some(number(name)?), Some(Vec::new()))),
        };
    };
    let mut parts = config.split(':').skip(1);
    let name = parts.next().filter(|name| !matches!(*name, "" | "None"));
    let element = match name {
        Some(name) => Some(number(name)?),
        None => None,
    };
    let length = |text: &str| text.trim().parse().ok().filter(|&len: &usize| len > 0);
    let shape = match parts.next() {
        Some(shape) => Some(shape.split(',').map(length).collect::<Option<_>>()?),
        None => None,
    };
    let is_whole = parts.next().is_none() && (config.is_empty() || config.starts_with(':'));
    is_whole.then_some(Kind::Array(element, shape))
}

fn value(kind: &Kind, mut own: &[u8]) -> Option<Value> {
    let Kind::Array(told, shape) = kind else {
        let (shape, bytes) = (vec![own.len()], own.to_vec());
        return Some(Value { dtype: RowDType::U8, shape, bytes, is_unfit: false });
    };
    let mut take = |len: usize| {
        let (taken, after) = own.split_at_checked(len)?;
        own = after;
        Some(taken)
    };
    let number = match told {
        Some(number) => *number,
        None => take(1)?[0],
    };
    let shape = match shape {
        Some(shape) => shape.clone(),
        None => {
            // The rank, and the bytes of each length as a power of two.
            let byte = take(1)?[0];
            let length = |_| {
                let mut wide = [0; 8];
                let bytes = take(1 << (byte & 3))?;
                wide[..bytes.len()].copy_from_slice(bytes);
                usize::try_from(u64::from_le_bytes(wide)).ok()
            };
            (0..byte >> 2).map(length).collect::<Option<_>>()?
        }
    };
    let (dtype, stored) = element(number)?;
    let bytes = shape.iter().try_fold(stored, |n, &len| n.checked_mul(len))?;
    let is_unfit = number == 64 && own.chunks(8).any(|it| it.len() == 8 && it[7] > 127);
    if own.len() != bytes {
        return None;
    }
    let bytes = match number {
        9 => own.iter().flat_map(|&byte| i16::from(byte as i8).to_le_bytes()).collect(),
        _ => own.to_vec(),
    };
    Some(Value { dtype, shape, bytes, is_unfit })
}
