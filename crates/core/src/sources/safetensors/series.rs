//! Tensors whose names end in a number: a sample each.

use std::collections::BTreeMap;

use safetensors::Dtype;
use safetensors::tensor::TensorInfo;

use super::tensors::Named;
use crate::error::quoted;
use crate::{Dim, Error, ErrorKind, Result};

/// A tensor with the number in its name.
type Numbered<'a> = (u64, &'a String, &'a TensorInfo);

/// What a field is called whose tensors are numbers and nothing else.
const WITHOUT_NAME: &str = "input";

/// The tensors whose names end in a number, by what is before it, in the order of the numbers.
pub(super) fn by_number<'a>(tensors: &'a Named<'a>) -> BTreeMap<String, Vec<Numbered<'a>>> {
    let mut series: BTreeMap<String, Vec<Numbered<'a>>> = BTreeMap::new();
    for (name, info) in tensors {
        let before = name.trim_end_matches(|it: char| it.is_ascii_digit());
        let Ok(number) = name[before.len()..].parse() else { continue };
        let field = match before.trim_end_matches(['_', '-', '.', '/']) {
            "" => WITHOUT_NAME,
            field => field,
        };
        series.entry(field.to_owned()).or_default().push((number, name, info));
    }
    series.values_mut().for_each(|numbered| numbered.sort_unstable_by_key(|(number, ..)| *number));
    series
}

/// A tensor for each sample.
#[derive(Debug)]
pub(super) struct Series {
    /// The number in the name of the first.
    first: u64,
    /// The byte at which each begins.
    offsets: Vec<u64>,
    /// Their shapes one after the other, or one that all of them have.
    shapes: Vec<usize>,
    rank: usize,
    dims: Vec<Dim>,
}

impl Series {
    /// The tensors `numbered`, of which there is one, in a file whose tensors begin at byte `start`.
    pub(super) fn new(numbered: &[Numbered<'_>], start: u64) -> Result<Self> {
        check_numbers(numbered)?;
        let (first, first_name, model) = numbered[0];
        let rank = model.shape.len();
        for (_, name, info) in numbered {
            let is_alike = info.dtype == model.dtype && info.shape.len() == rank;
            if !is_alike {
                return Err(other_tensor((name, info), (first_name, model)));
            }
        }
        let dims = (0..rank).map(|axis| {
            let lengths = numbered.iter().map(|(.., info)| info.shape[axis]);
            let max = lengths.clone().max().unwrap_or(0);
            let is_fixed = lengths.min() == Some(max);
            if is_fixed { Dim::Fixed(max) } else { Dim::Ragged { max } }
        });
        let dims: Vec<Dim> = dims.collect();
        let shapes = match dims.iter().all(|dim| matches!(dim, Dim::Fixed(_))) {
            true => model.shape.clone(),
            false => numbered.iter().flat_map(|(.., info)| info.shape.iter().copied()).collect(),
        };
        let offset = |(.., info): &Numbered<'_>| start + info.data_offsets.0 as u64;
        let offsets = numbered.iter().map(offset).collect();
        Ok(Self { first, offsets, shapes, rank, dims })
    }

    pub(super) fn len(&self) -> usize {
        self.offsets.len()
    }

    pub(super) fn first_number(&self) -> u64 {
        self.first
    }

    pub(super) fn dims(&self) -> Vec<Dim> {
        self.dims.clone()
    }

    pub(super) fn offset(&self, index: usize) -> u64 {
        self.offsets[index]
    }

    pub(super) fn shape(&self, index: usize) -> &[usize] {
        let start = if self.shapes.len() == self.rank { 0 } else { index * self.rank };
        &self.shapes[start..start + self.rank]
    }
}

/// Whether each number follows the one before.
fn check_numbers(numbered: &[Numbered<'_>]) -> Result<()> {
    let mut pairs = numbered.windows(2);
    let Some([before, after]) = pairs.find(|pair| pair[0].0.checked_add(1) != Some(pair[1].0))
    else {
        return Ok(());
    };
    let (kind, what) = match before.0 == after.0 {
        true => (ErrorKind::Duplicate, "which have one number"),
        false => (ErrorKind::ShapeMismatch, "with nothing between"),
    };
    let message = format!(
        "found {} and then {}, {what}, expected a tensor for each sample; .stacked() reads numbered \
         tensors as fields",
        quoted(before.1),
        quoted(after.1)
    );
    Err(Error::new(kind, message))
}

#[cold]
fn other_tensor(found: (&str, &TensorInfo), expected: (&str, &TensorInfo)) -> Error {
    let told = |dtype: Dtype, shape: &[usize]| format!("{dtype:?} with {} axes", shape.len());
    let kind = match found.1.dtype == expected.1.dtype {
        true => ErrorKind::ShapeMismatch,
        false => ErrorKind::DtypeMismatch,
    };
    let message = format!(
        "found {} of {}, expected {} as in {}; .stacked() reads numbered tensors as fields",
        quoted(found.0),
        told(found.1.dtype, &found.1.shape),
        told(expected.1.dtype, &expected.1.shape),
        quoted(expected.0)
    );
    Error::new(kind, message)
}
