//! A column as a field.

use std::collections::BTreeSet;

use super::cells::{Cells, Numbers, Texts};
use crate::error::quoted;
use crate::{
    Dim, Element, Error, ErrorKind, Field, FieldMut, FingerprintBuilder, Result, RowDType,
};

/// A field, and the elements of all rows.
#[derive(Debug)]
pub(super) struct Column {
    pub(super) field: Field,
    bytes: Vec<u8>,
    /// Where the bytes of each row end, unless all are as long.
    ends: Option<Vec<usize>>,
}

impl Column {
    /// The field `name` of these cells, whose text is names of classes if it `is_classed`. The rows are
    /// in these lines.
    pub(super) fn of(name: &str, cells: Cells, is_classed: bool, lines: &[u64]) -> Result<Self> {
        match cells {
            Cells::Plain(texts) => Self::of_plain(name, &texts, is_classed, lines),
            Cells::Strings(texts) => Ok(Self::of_texts(name, &texts, is_classed)),
            Cells::Truths(truths) => {
                let truths: Vec<u8> = truths.into_iter().map(u8::from).collect();
                Ok(Self::scalars(name, &truths))
            }
            Cells::Numbers(numbers) => Self::of_numbers(name, &numbers, lines),
        }
    }

    fn scalars<T: Element>(name: &str, values: &[T]) -> Self {
        let bytes = bytemuck::cast_slice(values).to_vec();
        Self { field: Field::new(name, T::DTYPE, &[]), bytes, ends: None }
    }

    /// Integers if all are, numbers if all are, and text otherwise.
    fn of_plain(name: &str, texts: &Texts, is_classed: bool, lines: &[u64]) -> Result<Self> {
        let text = |bytes| std::str::from_utf8(bytes).unwrap_or_default();
        let given = || texts.iter().filter(|it| !it.is_empty()).map(text);
        let is_number = given().next().is_some() && given().all(|it| it.parse::<f64>().is_ok());
        if !is_number {
            return Ok(Self::of_texts(name, texts, is_classed));
        }
        if let Some(at) = texts.iter().position(<[u8]>::is_empty) {
            let message = format!(
                "line {} has no value in the column {}, expected a number; leave the column out with \
                 .columns(..)",
                lines[at],
                quoted(name)
            );
            return Err(Error::new(ErrorKind::Header, message));
        }
        let integers: Option<Vec<i64>> = given().map(|it| it.parse().ok()).collect();
        if let Some(integers) = integers {
            return Ok(Self::scalars(name, &integers));
        }
        let floats: Vec<f64> = given().map(|it| it.parse().unwrap_or(f64::NAN)).collect();
        Ok(Self::scalars(name, &rounded(name, &floats, |at| lines[at])?))
    }

    fn of_texts(name: &str, texts: &Texts, is_classed: bool) -> Self {
        if is_classed {
            let sorted: BTreeSet<&[u8]> = texts.iter().collect();
            let sorted: Vec<&[u8]> = sorted.into_iter().collect();
            let number = |text| sorted.binary_search(&text).map_or(-1, |at| at as i64);
            let numbers: Vec<i64> = texts.iter().map(number).collect();
            let names = sorted.iter().map(|text| String::from_utf8_lossy(text));
            let Self { field, bytes, ends } = Self::scalars(name, &numbers);
            return Self { field: field.with_classes(names), bytes, ends };
        }
        let max = texts.iter().map(<[u8]>::len).max().unwrap_or(0);
        let (mut bytes, mut ends) = (Vec::new(), Vec::new());
        for text in texts.iter() {
            bytes.extend_from_slice(text);
            ends.push(bytes.len());
        }
        let field = Field::with_dims(name, RowDType::U8, vec![Dim::Ragged { max }]);
        Self { field, bytes, ends: Some(ends) }
    }

    fn of_numbers(name: &str, numbers: &Numbers, lines: &[u64]) -> Result<Self> {
        let Numbers { integers, floats, ends, inner, rank } = numbers;
        let line = |at: usize| lines[ends.partition_point(|&end| end <= at)];
        let (dtype, bytes) = match integers {
            Some(integers) => (RowDType::I64, bytemuck::cast_slice(integers).to_vec()),
            None => {
                let rounded = rounded(name, floats, line)?;
                (RowDType::F32, bytemuck::cast_slice(&rounded).to_vec())
            }
        };
        if *rank == 0 {
            return Ok(Self { field: Field::new(name, dtype, &[]), bytes, ends: None });
        }
        // Of lists within lists that are empty there is nothing to count.
        let items = inner.iter().product::<usize>().max(1);
        let starts = std::iter::once(0).chain(ends.iter().copied());
        let lens: Vec<usize> = starts.zip(ends).map(|(start, end)| (end - start) / items).collect();
        let max = lens.iter().copied().max().unwrap_or(0);
        let outer = match lens.iter().all(|&len| len == max) {
            true => Dim::Fixed(max),
            false => Dim::Ragged { max },
        };
        let dims = std::iter::once(outer).chain(inner.iter().map(|&len| Dim::Fixed(len)));
        let field = Field::with_dims(name, dtype, dims.collect());
        let ends = ends.iter().map(|end| end * dtype.size()).collect();
        Ok(Self { field, bytes, ends: Some(ends) })
    }

    /// Copies the value of row `at`.
    pub(super) fn read(&self, at: usize, to: &mut FieldMut<'_>) -> Result<()> {
        let Some(ends) = &self.ends else {
            let bytes = self.field.max_bytes();
            return to.copy_from_bytes(&self.bytes[at * bytes..][..bytes]);
        };
        let start = at.checked_sub(1).map_or(0, |before| ends[before]);
        let bytes = &self.bytes[start..ends[at]];
        if let [Dim::Ragged { .. }, inner @ ..] = self.field.dims() {
            let item: usize = inner.iter().map(|dim| dim.max()).product();
            let item = (item * self.field.dtype().size()).max(1);
            set_shape(to, bytes.len() / item, inner)?;
        }
        to.copy_from_bytes(bytes)
    }

    /// Adds all that it holds.
    pub(super) fn add_to(&self, print: FingerprintBuilder) -> FingerprintBuilder {
        let print = print.text(self.field.name()).bytes(&self.bytes);
        let print = self.ends.iter().flatten().fold(print, |print, &end| print.number(end as u64));
        let classes = self.field.classes().unwrap_or_default();
        classes.iter().fold(print, |print, class| print.text(class))
    }
}

/// Sets the shape without memory of its own: no list is deeper than this.
fn set_shape(to: &mut FieldMut<'_>, len: usize, inner: &[Dim]) -> Result<()> {
    let mut shape = [0; 16];
    let shape = &mut shape[..=inner.len()];
    shape[0] = len;
    shape[1..].iter_mut().zip(inner).for_each(|(to, dim)| *to = dim.max());
    to.set_shape(shape)
}

/// Numbers as `f32`. One that is too large for it, in the line that `line` tells, is refused.
fn rounded(name: &str, floats: &[f64], line: impl Fn(usize) -> u64) -> Result<Vec<f32>> {
    let is_beyond = |value: &f64| value.is_finite() && (*value as f32).is_infinite();
    match floats.iter().position(is_beyond) {
        None => Ok(floats.iter().map(|&value| value as f32).collect()),
        Some(at) => {
            let message = format!(
                "line {} has {:e} in the column {}, above what an f32 holds",
                line(at),
                floats[at],
                quoted(name)
            );
            Err(Error::new(ErrorKind::OutOfRange, message))
        }
    }
}
