//! Which tensors are the fields of a sample.

use std::collections::BTreeMap;

use safetensors::Dtype;
use safetensors::tensor::TensorInfo;

use super::series::{Series, by_number};
use crate::codecs::Widening;
use crate::error::{list_names, quoted};
use crate::files::{File, Limits, read_stored};
use crate::{Dim, Error, ErrorKind, Field, FieldMut, Result, RowDType};

/// What the tensors of a file are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Reading {
    /// What their names say.
    ByNames,
    /// Stacked samples, whatever their names are.
    Stacked,
}

/// One field in one file.
#[derive(Debug)]
pub(super) struct FieldTensors {
    pub(super) name: String,
    stored: StoredType,
    places: Places,
}

/// Where the samples of a field lie.
#[derive(Debug)]
enum Places {
    /// As the rows of one tensor.
    Rows { offset: u64, samples: usize, shape: Vec<usize>, bytes: usize },
    /// As a tensor each.
    Series(Series),
}

/// How elements are stored, and what they become.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct StoredType {
    row: RowDType,
    widening: Widening,
    /// Bytes of an element in the file.
    bytes: usize,
}

/// The tensors of a file by their names.
pub(super) type Named<'a> = BTreeMap<String, &'a TensorInfo>;

/// The fields that `tensors` are, which begin at byte `start`: the `chosen` ones, or all.
pub(super) fn fields_of(
    tensors: &Named<'_>,
    start: u64,
    chosen: &[String],
    reading: Reading,
) -> Result<Vec<FieldTensors>> {
    if tensors.is_empty() {
        return Err(Error::new(ErrorKind::Empty, "the file holds no tensor"));
    }
    let series = match reading {
        Reading::ByNames => by_number(tensors),
        Reading::Stacked => BTreeMap::new(),
    };
    if !chosen.is_empty() {
        let field = |name: &String| match (tensors.get(name), series.get(name.as_str())) {
            (Some(info), _) => FieldTensors::rows(name, info, start),
            (None, Some(numbered)) => FieldTensors::series(name, numbered, start),
            (None, None) => Err(absent(name, tensors)),
        };
        return chosen.iter().map(field).collect();
    }
    let numbered: usize = series.values().map(Vec::len).sum();
    if numbered == tensors.len() && series.values().any(|numbered| numbered.len() > 1) {
        let fields = series.iter();
        return fields
            .map(|(name, numbered)| FieldTensors::series(name, numbered, start))
            .collect();
    }
    tensors.iter().map(|(name, info)| FieldTensors::rows(name, info, start)).collect()
}

impl FieldTensors {
    fn rows(name: &str, info: &TensorInfo, start: u64) -> Result<Self> {
        let stored = StoredType::of(info.dtype).map_err(|error| error.with_field(name))?;
        let Some((&samples, shape)) = info.shape.split_first() else {
            let message = "found a scalar, expected a first axis of samples; choose the tensors with \
                           .fields(..)";
            return Err(Error::new(ErrorKind::ShapeMismatch, message).with_field(name));
        };
        let (begin, end) = info.data_offsets;
        let bytes = (end - begin).checked_div(samples).unwrap_or(0);
        let (offset, shape) = (start + begin as u64, shape.to_vec());
        let places = Places::Rows { offset, samples, shape, bytes };
        Ok(Self { name: name.to_owned(), stored, places })
    }

    fn series(name: &str, numbered: &[(u64, &String, &TensorInfo)], start: u64) -> Result<Self> {
        let stored = numbered.first().map(|(_, _, info)| StoredType::of(info.dtype));
        let none = || Error::new(ErrorKind::Empty, "no tensor");
        let stored = stored.ok_or_else(none)?.map_err(|error| error.with_field(name))?;
        let series = Series::new(numbered, start).map_err(|error| error.with_field(name))?;
        Ok(Self { name: name.to_owned(), stored, places: Places::Series(series) })
    }

    /// The number of samples.
    pub(super) fn len(&self) -> usize {
        match &self.places {
            Places::Rows { samples, .. } => *samples,
            Places::Series(series) => series.len(),
        }
    }

    /// The number of the first sample, as the names of tensors have it.
    pub(super) fn first_number(&self) -> Option<u64> {
        match &self.places {
            Places::Rows { .. } => None,
            Places::Series(series) => Some(series.first_number()),
        }
    }

    /// The field that it is if these are all samples.
    pub(super) fn field(&self) -> Field {
        let dims = match &self.places {
            Places::Rows { shape, .. } => shape.iter().map(|&len| Dim::Fixed(len)).collect(),
            Places::Series(series) => series.dims(),
        };
        Field::with_dims(&self.name, self.stored.row, dims)
    }

    /// The field that samples of `own` and of `other` have, which is ragged where tensors of their own
    /// differ.
    pub(super) fn common(own: &Field, other: &Field, may_be_ragged: bool) -> Option<Field> {
        if own == other {
            return Some(own.clone());
        }
        let are_alike = own.name() == other.name()
            && own.dtype() == other.dtype()
            && own.dims().len() == other.dims().len();
        let dims = own.dims().iter().zip(other.dims()).map(|(&own, &other)| match own == other {
            true => own,
            false => Dim::Ragged { max: own.max().max(other.max()) },
        });
        (may_be_ragged && are_alike)
            .then(|| Field::with_dims(own.name(), own.dtype(), dims.collect()))
    }

    /// Whether there are as many samples as in the other fields, and not too many.
    pub(super) fn check(&self, first: &Self, limits: &Limits) -> Result<()> {
        limits.check_samples(&self.field(), self.len())?;
        if self.len() != first.len() {
            let message = format!(
                "found {} samples, expected {} as in {}; choose tensors of one length with .fields(..)",
                self.len(),
                first.len(),
                quoted(&first.name)
            );
            return Err(Error::new(ErrorKind::ShapeMismatch, message).with_field(&self.name));
        }
        match (self.first_number(), first.first_number()) {
            (Some(found), Some(expected)) if found != expected => {
                let message = format!(
                    "its numbers begin with {found}, expected {expected} as of {}; .stacked() reads \
                     numbered tensors as fields",
                    quoted(&first.name)
                );
                Err(Error::new(ErrorKind::ShapeMismatch, message).with_field(&self.name))
            }
            _ => Ok(()),
        }
    }

    /// Where a sample lies: the byte at which it begins, and how many it has.
    pub(super) fn place(&self, index: usize) -> (u64, usize) {
        match &self.places {
            Places::Rows { offset, bytes, .. } => (offset + (index * bytes) as u64, *bytes),
            Places::Series(series) => {
                let elements: usize = series.shape(index).iter().product();
                (series.offset(index), elements * self.stored.bytes)
            }
        }
    }

    /// Reads a sample, of which the file is open.
    pub(super) fn read(&self, file: &File, index: usize, field: &mut FieldMut<'_>) -> Result<()> {
        let (offset, bytes) = self.place(index);
        let name = field.declared().name();
        let place = |error: Error| error.with_field(name).with_offset(offset);
        if let (true, Places::Series(series)) = (field.declared().is_ragged(), &self.places) {
            field.set_shape(series.shape(index)).map_err(place)?;
        }
        if self.stored.widening == Widening::None && cfg!(target_endian = "little") {
            return field.read_from(file, offset).map_err(place);
        }
        let mut converted = || {
            let mut stored = read_stored(file, offset, bytes, field.stop_flag())?;
            if cfg!(target_endian = "big") {
                stored.chunks_exact_mut(self.stored.bytes).for_each(<[u8]>::reverse);
            }
            self.stored.widening.write(&stored, field)
        };
        converted().map_err(place)
    }
}

#[cold]
fn absent(name: &str, tensors: &Named<'_>) -> Error {
    let names = tensors.keys().map(|name| quoted(name)).collect::<Vec<_>>();
    let held = list_names(names.into_iter());
    let message = format!("no tensor {}, the file holds {held}", quoted(name));
    Error::new(ErrorKind::Config, message)
}

impl StoredType {
    fn of(dtype: Dtype) -> Result<Self> {
        let bytes = dtype.bitsize() / 8;
        match row_dtype(dtype) {
            Some((row, widening)) => Ok(Self { row, widening, bytes }),
            None => {
                let message = format!(
                    "{dtype:?}; save a type that candle holds, or choose other tensors with .fields(..)"
                );
                Err(Error::new(ErrorKind::UnsupportedDtype, message))
            }
        }
    }
}

fn row_dtype(dtype: Dtype) -> Option<(RowDType, Widening)> {
    let row = match dtype {
        Dtype::BOOL | Dtype::U8 => RowDType::U8,
        Dtype::I8 => return Some((RowDType::I16, Widening::I8ToI16)),
        Dtype::U64 => return Some((RowDType::I64, Widening::U64ToI64)),
        Dtype::U16 => RowDType::U16,
        Dtype::U32 => RowDType::U32,
        Dtype::I16 => RowDType::I16,
        Dtype::I32 => RowDType::I32,
        Dtype::I64 => RowDType::I64,
        Dtype::F16 => RowDType::F16,
        Dtype::BF16 => RowDType::BF16,
        Dtype::F32 => RowDType::F32,
        Dtype::F64 => RowDType::F64,
        Dtype::F8_E4M3 => RowDType::F8E4M3,
        _ => return None,
    };
    Some((row, Widening::None))
}
