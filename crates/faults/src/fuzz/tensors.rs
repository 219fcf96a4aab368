//! A second reader of `.safetensors`, written from the description of the format, which checks
//! every rule independently.

use tallow::RowDType;

use super::json::{self, Json};

/// A tensor as it is delivered: little-endian, widened.
#[derive(Debug, PartialEq)]
pub(super) struct Tensor {
    pub(super) name: String,
    pub(super) dtype: RowDType,
    pub(super) shape: Vec<usize>,
    pub(super) elements: Vec<u8>,
    /// Elements that the type of the row cannot hold.
    pub(super) unfit: Vec<usize>,
}

/// What a file holds, by name.
#[derive(Debug, PartialEq)]
pub(super) struct Tensors {
    pub(super) tensors: Vec<Tensor>,
    pub(super) samples: usize,
    /// Why a reader may also refuse the file.
    pub(super) odd: Option<&'static str>,
}

/// The tensors in `file`; `None` if it must be refused.
pub(super) fn read(file: &[u8]) -> Option<Tensors> {
    let len = u64::from_le_bytes(file.get(..8)?.try_into().ok()?);
    let header = file.get(8..8usize.checked_add(usize::try_from(len).ok()?)?)?;
    let data = &file[8 + header.len()..];
    let Json::Entries(entries) = json::read(header).filter(|_| header.starts_with(b"{"))? else {
        return None;
    };
    let mut odd = None;
    let mut tensors = Vec::new();
    let mut runs = Vec::new();
    for (at, (name, value)) in entries.iter().enumerate() {
        if entries[..at].iter().any(|(earlier, _)| earlier == name) {
            return None;
        }
        if name == "__metadata__" {
            odd = odd.or(metadata(value)?);
            continue;
        }
        let (tensor, run, strange) = tensor(name, value, data)?;
        odd = odd.or(strange);
        runs.push(run);
        tensors.push(tensor);
    }
    runs.sort_unstable();
    let mut end = 0;
    for (start, stop) in runs {
        if start != end {
            return None;
        }
        end = stop;
    }
    if end != data.len() {
        return None;
    }
    tensors.sort_by(|a, b| a.name.cmp(&b.name));
    let samples = *tensors.first()?.shape.first()?;
    if tensors.iter().any(|tensor| tensor.shape.first() != Some(&samples)) {
        return None;
    }
    if tensors.iter().any(|tensor| tensor.shape.contains(&0)) {
        odd = odd.or(Some("no elements"));
    }
    Some(Tensors { tensors, samples, odd })
}

/// Metadata must be text by name; `None` if it is not.
fn metadata(value: &Json) -> Option<Option<&'static str>> {
    match value {
        Json::Entries(entries) => {
            let texts = entries.iter().all(|(_, value)| matches!(value, Json::Text(_)));
            texts.then_some(None)
        }
        Json::Word(word) if word == "null" => Some(Some("metadata that is null")),
        _ => None,
    }
}

type Placed = (Tensor, (usize, usize), Option<&'static str>);

fn tensor(name: &str, value: &Json, data: &[u8]) -> Option<Placed> {
    let (dtype, shape, offsets, mut odd) = match value {
        Json::Entries(entries) => {
            let one = |key: &str| {
                let mut all = entries.iter().filter(|(name, _)| name == key);
                let first = all.next().map(|(_, value)| value)?;
                if all.next().is_none() { Some(first) } else { None }
            };
            let odd = (entries.len() > 3).then_some("more than a tensor has");
            (one("dtype")?, one("shape")?, one("data_offsets")?, odd)
        }
        // serde also accepts a struct as a list.
        Json::List(items) => match &items[..] {
            [dtype, shape, offsets] => (dtype, shape, offsets, Some("a list for a tensor")),
            _ => return None,
        },
        _ => return None,
    };
    if name.is_empty() {
        odd = odd.or(Some("a tensor without a name"));
    }
    let Json::Text(dtype) = dtype else { return None };
    let (row, stored) = kind(dtype)?;
    let shape = numbers(shape)?;
    let [start, stop] = numbers(offsets)?[..] else { return None };
    let count = shape.iter().try_fold(1usize, |count, &len| count.checked_mul(len))?;
    let bytes = data.get(start..stop).filter(|it| Some(it.len()) == count.checked_mul(stored))?;
    // The product may pass 2^64 before it meets a zero.
    let large = shape.iter().try_fold(row.size(), |n, &len| n.checked_mul(len.max(1)));
    if large.is_none_or(|large| large > isize::MAX as usize) || shape.len() > tallow::MAX_RANK {
        odd = odd.or(Some("a shape that no row has"));
    }
    let above = |(_, element): &(usize, &[u8])| dtype == "U64" && element[7] > 127;
    let unfit = bytes.chunks_exact(stored).enumerate().filter(above).map(|(at, _)| at).collect();
    let elements = match dtype.as_str() {
        "I8" => bytes.iter().flat_map(|&byte| i16::from(byte as i8).to_le_bytes()).collect(),
        _ => bytes.to_vec(),
    };
    let tensor = Tensor { name: name.to_owned(), dtype: row, shape, elements, unfit };
    Some((tensor, (start, stop), odd))
}

fn numbers(list: &Json) -> Option<Vec<usize>> {
    let Json::List(items) = list else { return None };
    let number = |item: &Json| match item {
        Json::Word(word) => word.parse().ok(),
        _ => None,
    };
    items.iter().map(number).collect()
}

/// The type of a row for a type in the file, and its bytes per element in the file.
fn kind(dtype: &str) -> Option<(RowDType, usize)> {
    Some(match dtype {
        "BOOL" | "U8" => (RowDType::U8, 1),
        "I8" => (RowDType::I16, 1),
        "F8_E4M3" => (RowDType::F8E4M3, 1),
        "I16" => (RowDType::I16, 2),
        "U16" => (RowDType::U16, 2),
        "F16" => (RowDType::F16, 2),
        "BF16" => (RowDType::BF16, 2),
        "I32" => (RowDType::I32, 4),
        "U32" => (RowDType::U32, 4),
        "F32" => (RowDType::F32, 4),
        "I64" | "U64" => (RowDType::I64, 8),
        "F64" => (RowDType::F64, 8),
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn file(header: &str, data: &[u8]) -> Vec<u8> {
        [&(header.len() as u64).to_le_bytes()[..], header.as_bytes(), data].concat()
    }

    #[test]
    fn a_file_has_neither_holes_nor_a_tail_nor_equal_names() {
        let entry = |name: &str, start: usize, stop: usize| {
            format!(r#""{name}":{{"dtype":"U8","shape":[2],"data_offsets":[{start},{stop}]}}"#)
        };
        let two = |a: String, b: String| format!("{{{a},{b}}}");
        let good = file(&two(entry("b", 0, 2), entry("a", 2, 4)), &[1, 2, 3, 4]);
        let read_good = read(&good).unwrap();
        assert_eq!((read_good.samples, read_good.odd), (2, None));
        assert_eq!(read_good.tensors[0].elements, [3, 4]);
        for header in [
            two(entry("b", 0, 2), entry("a", 1, 3)),
            two(entry("b", 0, 2), entry("b", 2, 4)),
            two(entry("b", 0, 2), entry("\\u0062", 2, 4)),
            format!("{{{}}}", entry("b", 0, 2)),
            format!(" {}", two(entry("b", 0, 2), entry("a", 2, 4))),
        ] {
            assert!(read(&file(&header, &[1, 2, 3, 4])).is_none(), "{header}");
        }
    }
}
