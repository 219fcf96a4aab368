//! Padding: ragged fields become regular.

use std::num::NonZeroUsize;

use tallow_core::{
    Dim, Engine, Error, ErrorKind, Field, FieldMut, FieldView, Result, Row, RowDType, RowView,
    Schema,
};

use crate::slabs::Cut;

/// How the ragged field `field` is padded.
#[derive(Debug, Clone)]
pub(crate) struct Padding {
    pub(crate) field: String,
    pub(crate) value: f64,
    pub(crate) to: PadTo,
}

/// How long padded rows are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum PadTo {
    /// As long as the schema says that a row can be.
    Maximum,
    /// As long as the longest row of the batch, rounded up to a multiple: padded to the maximum, and cut
    /// when the batch is delivered; or padded to that length at once where the sampler knows it.
    Longest { multiple: NonZeroUsize },
}

/// Fills ragged fields up to their longest shape, and adds the true lengths as a field `<name>_len`: a
/// scalar `i64` for one ragged axis, a vector for several.
///
/// Where the sampler knows how long each batch is, a field that is padded to the longest row along one
/// axis remains ragged: a row is as long as there is room for it in the slab, which is the same for all
/// rows of a batch.
pub(crate) struct PadEngine {
    schema: Schema,
    fields: Vec<PadField>,
}

/// What is done with an input field.
enum PadField {
    Copy,
    Pad {
        /// One element of padding.
        element: Vec<u8>,
        ragged_axes: Vec<usize>,
        to: PadTo,
        /// The axis that is as long as there is room.
        by_room: Option<usize>,
    },
}

impl PadEngine {
    /// The engine for the fields that are to be padded, if there are any. `is_known` says whether the
    /// sampler knows how long each batch is.
    pub(crate) fn bind(
        schema: &Schema,
        paddings: &[Padding],
        is_known: bool,
    ) -> Result<Option<Self>> {
        if paddings.is_empty() {
            return Ok(None);
        }
        if let Some(Padding { field, .. }) =
            paddings.iter().find(|padding| schema.position(&padding.field).is_none())
        {
            let message = format!("padding for {field:?}, which is not a field of {schema}");
            return Err(Error::new(ErrorKind::Config, message));
        }
        let (mut fields, mut steps) = (Vec::new(), Vec::new());
        for field in schema.fields() {
            match paddings.iter().find(|padding| padding.field == field.name()) {
                Some(padding) => steps.push(pad_field(field, padding, is_known, &mut fields)?),
                None => {
                    fields.push(field.clone());
                    steps.push(PadField::Copy);
                }
            }
        }
        Ok(Some(Self { schema: Schema::new(fields)?, fields: steps }))
    }

    /// The fields that are cut to the longest row of their batch.
    pub(crate) fn cuts(&self) -> Vec<Cut> {
        let (mut cuts, mut field) = (Vec::new(), 0);
        for step in &self.fields {
            match step {
                PadField::Copy => field += 1,
                PadField::Pad { ragged_axes, to, by_room, .. } => {
                    if let (PadTo::Longest { multiple }, None) = (*to, by_room) {
                        let (lens, axes) = (field + 1, ragged_axes.clone());
                        cuts.push(Cut { field, lens, axes, multiple });
                    }
                    field += 2;
                }
            }
        }
        cuts
    }
}

fn pad_field(
    field: &Field,
    padding: &Padding,
    is_known: bool,
    fields: &mut Vec<Field>,
) -> Result<PadField> {
    let ragged = |(axis, dim): (usize, &Dim)| matches!(dim, Dim::Ragged { .. }).then_some(axis);
    let ragged_axes: Vec<usize> = field.dims().iter().enumerate().filter_map(ragged).collect();
    if ragged_axes.is_empty() {
        let message = format!("padding for {field}, which is not ragged");
        return Err(Error::new(ErrorKind::Config, message));
    }
    let Some(element) = field.dtype().element(padding.value) else {
        let message =
            format!("padding {}, which is not a value of {}", padding.value, field.dtype());
        return Err(Error::new(ErrorKind::Config, message).with_field(field.name()));
    };
    let shape: &[usize] = if ragged_axes.len() == 1 { &[] } else { &[ragged_axes.len()] };
    let by_room = match (padding.to, ragged_axes.as_slice()) {
        (PadTo::Longest { .. }, &[axis]) if is_known => Some(axis),
        _ => None,
    };
    let padded = if by_room.is_some() {
        Field::with_dims(field.name(), field.dtype(), field.dims().to_vec())
    } else {
        Field::new(field.name(), field.dtype(), &field.max_shape())
    };
    fields.push(padded.with_classes_of(field));
    fields.push(Field::new(format!("{}_len", field.name()), RowDType::I64, shape));
    let element = element[..field.dtype().size()].to_vec();
    Ok(PadField::Pad { element, ragged_axes, to: padding.to, by_room })
}

impl Engine for PadEngine {
    fn schema(&self) -> &Schema {
        &self.schema
    }

    fn run(
        &self,
        _plan: &[u8],
        raw: RowView<'_>,
        row: &mut Row<'_>,
        _scratch: &mut [u8],
    ) -> Result<()> {
        let mut to = 0;
        for (i, step) in self.fields.iter().enumerate() {
            let from = raw.field(i);
            match step {
                PadField::Copy => row.field(to).copy_from_view(&from)?,
                PadField::Pad { element, ragged_axes, by_room, .. } => {
                    let mut shape = self.schema.fields()[to].max_shape();
                    if let Some(axis) = *by_room {
                        shape[axis] = shape[axis].min(length_by_room(&row.field(to), axis));
                        check_length(&from, axis, shape[axis])?;
                        row.field(to).set_shape(&shape)?;
                    }
                    copy_padded(&from, row.field(to).as_mut_bytes()?, &shape, element);
                    to += 1;
                    let lens = ragged_axes.iter().map(|&axis| from.shape()[axis] as i64);
                    row.field(to).copy_from_slice(&lens.collect::<Vec<i64>>())?;
                }
            }
            to += 1;
        }
        Ok(())
    }
}

/// How long the only ragged axis `axis` can be with the memory that there is for this row.
fn length_by_room(field: &FieldMut<'_>, axis: usize) -> usize {
    let mut shape = field.declared().max_shape();
    shape[axis] = 1;
    let bytes = shape.iter().product::<usize>() * field.declared().dtype().size();
    field.room().checked_div(bytes).unwrap_or(usize::MAX)
}

/// Whether a row is no longer than the sampler said.
fn check_length(from: &FieldView<'_>, axis: usize, expected: usize) -> Result<()> {
    let found = from.shape()[axis];
    if found <= expected {
        return Ok(());
    }
    let message = format!(
        "found a length of {found}, expected at most {expected}, the longest of its batch according to the \
         lengths that the sampler was given; give it those of this field after the transforms, or the \
         larger ones of several fields"
    );
    Err(Error::new(ErrorKind::ShapeMismatch, message).with_field(from.name()))
}

/// Copies `from` to the beginning of every axis of `to`, which has `shape` and holds zeros.
fn copy_padded(from: &FieldView<'_>, to: &mut [u8], shape: &[usize], element: &[u8]) {
    if element.iter().any(|&byte| byte != 0) {
        to.chunks_exact_mut(element.len()).for_each(|chunk| chunk.copy_from_slice(element));
    }
    // After the last axis that is shorter both are contiguous: copy such runs whole.
    let own = from.shape();
    let run_axis = (0..shape.len()).rev().find(|&axis| own[axis] != shape[axis]).unwrap_or(0);
    let run: usize = own[run_axis..].iter().product::<usize>() * element.len();
    if run == 0 {
        return;
    }
    for (i, bytes) in from.bytes().chunks_exact(run).enumerate() {
        let at = padded_offset(i, &own[..run_axis], shape) * element.len();
        to[at..at + run].copy_from_slice(bytes);
    }
}

/// Where run number `i` over the axes `outer` begins in an array of `shape`.
fn padded_offset(mut i: usize, outer: &[usize], shape: &[usize]) -> usize {
    let mut stride: usize = shape[outer.len()..].iter().product();
    let mut at = 0;
    for axis in (0..outer.len()).rev() {
        at += i % outer[axis] * stride;
        i /= outer[axis];
        stride *= shape[axis];
    }
    at
}

#[cfg(test)]
mod tests {
    use tallow_core::RowBuffer;

    use super::*;

    fn padding(value: f64) -> Padding {
        Padding { field: "x".into(), value, to: PadTo::Maximum }
    }

    fn padded(dims: Vec<Dim>, shape: &[usize], value: f64) -> (Vec<i16>, Vec<i64>) {
        let schema = Schema::new(vec![Field::with_dims("x", RowDType::I16, dims)]).unwrap();
        let pad = PadEngine::bind(&schema, &[padding(value)], false).unwrap().unwrap();
        let mut raw = RowBuffer::new(&schema).unwrap();
        let mut row = raw.row(None);
        row.field(0).set_shape(shape).unwrap();
        let len: usize = shape.iter().product();
        row.field(0).copy_from_slice(&(1..=len as i16).collect::<Vec<_>>()).unwrap();
        let mut out = RowBuffer::new(pad.schema()).unwrap();
        let mut row = out.row(None);
        pad.run(&[], raw.view(), &mut row, &mut []).unwrap();
        row.finish().unwrap();
        let view = out.view();
        let values = view.field(0).as_slice().unwrap().to_vec();
        (values, view.field(1).as_slice().unwrap().to_vec())
    }

    #[test]
    fn the_first_axis_is_filled_up_after_the_sample() {
        let dims = vec![Dim::Ragged { max: 3 }, Dim::Fixed(2)];
        assert_eq!(padded(dims.clone(), &[2, 2], -1.0), (vec![1, 2, 3, 4, -1, -1], vec![2]));
        assert_eq!(padded(dims.clone(), &[0, 2], 0.0), (vec![0; 6], vec![0]));
        assert_eq!(padded(dims, &[3, 2], 9.0), (vec![1, 2, 3, 4, 5, 6], vec![3]));
    }

    #[test]
    fn inner_axes_are_filled_up_row_by_row() {
        let dims = vec![Dim::Fixed(2), Dim::Ragged { max: 3 }];
        assert_eq!(padded(dims, &[2, 2], 7.0), (vec![1, 2, 7, 3, 4, 7], vec![2]));
        let dims = vec![Dim::Ragged { max: 2 }, Dim::Ragged { max: 3 }];
        assert_eq!(padded(dims, &[2, 1], 0.0), (vec![1, 0, 0, 2, 0, 0], vec![2, 1]));
    }

    #[test]
    fn impossible_padding_is_refused() {
        let of = |dims, dtype, value| {
            let schema = Schema::new(vec![Field::with_dims("x", dtype, dims)]).unwrap();
            PadEngine::bind(&schema, &[padding(value)], false)
        };
        let ragged = || vec![Dim::Ragged { max: 3 }];
        assert!(of(vec![Dim::Fixed(3)], RowDType::F32, 0.0).is_err());
        assert!(of(ragged(), RowDType::U8, -1.0).is_err());
        assert!(of(ragged(), RowDType::I32, 0.5).is_err());
        assert!(of(ragged(), RowDType::F32, 0.5).is_ok());
    }
}
