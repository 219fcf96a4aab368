use std::fmt;

use candle_core::{DType, Device, Tensor};

use super::slot::Slot;
use crate::{Element, Error, ErrorKind, Field, FieldIndex, Result, RowDType, escaped, field_index};

/// One sample, to be read.
#[derive(Debug, Clone, Copy)]
pub struct RowView<'a> {
    pub(super) fields: &'a [Field],
    pub(super) slots: &'a [Slot],
}

impl<'a> RowView<'a> {
    /// The number of fields.
    pub fn field_count(&self) -> usize {
        self.fields.len()
    }

    /// A field, by position or name.
    ///
    /// # Panics
    ///
    /// When there is no such field, naming those there are.
    #[inline]
    #[track_caller]
    pub fn field(&self, index: impl FieldIndex) -> FieldView<'a> {
        let index = field_index::position(index, self.fields);
        FieldView { field: &self.fields[index], slot: &self.slots[index] }
    }
}

/// One field of a sample, to be read.
#[derive(Debug, Clone, Copy)]
pub struct FieldView<'a> {
    field: &'a Field,
    slot: &'a Slot,
}

impl<'a> FieldView<'a> {
    /// The field as the schema declares it.
    pub fn declared(&self) -> &'a Field {
        self.field
    }

    /// The field's name.
    pub fn name(&self) -> &'a str {
        self.field.name()
    }

    /// The element type.
    pub fn dtype(&self) -> crate::RowDType {
        self.field.dtype()
    }

    /// The shape of this sample.
    pub fn shape(&self) -> &'a [usize] {
        &self.slot.shape
    }

    /// The bytes of the elements, row-major, in the machine's byte order.
    pub fn bytes(&self) -> &'a [u8] {
        self.slot.written()
    }

    /// The elements, row-major.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::DtypeMismatch`] when the element type is not the field's.
    pub fn as_slice<T: Element>(&self) -> Result<&'a [T]> {
        if T::DTYPE != self.dtype() {
            let message = format!("asked for {}, the field is {}", T::DTYPE, self.dtype());
            return Err(Error::new(ErrorKind::DtypeMismatch, message).with_field(self.field.name()));
        }
        let bytes = self.bytes();
        // As in `as_mut_slice`: no bytes have no alignment.
        Ok(if bytes.is_empty() { &[] } else { bytemuck::cast_slice(bytes) })
    }

    /// The only element of a field of whole numbers, such as a class.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::DtypeMismatch`] when the element type [is no integer](RowDType::is_integer),
    /// [`ErrorKind::ShapeMismatch`] when there is not exactly one element.
    pub fn integer(&self) -> Result<i64> {
        match self.dtype() {
            RowDType::U8 => self.only::<u8>().map(i64::from),
            RowDType::U16 => self.only::<u16>().map(i64::from),
            RowDType::U32 => self.only::<u32>().map(i64::from),
            RowDType::I16 => self.only::<i16>().map(i64::from),
            RowDType::I32 => self.only::<i32>().map(i64::from),
            _ => self.only::<i64>(),
        }
    }

    fn only<T: Element>(&self) -> Result<T> {
        match self.as_slice::<T>()? {
            [only] => Ok(*only),
            elements => {
                let message = format!("found {} elements, expected one", elements.len());
                Err(Error::new(ErrorKind::ShapeMismatch, message).with_field(self.field.name()))
            }
        }
    }

    /// The field as a tensor on the CPU, of the sample's shape and of the dtype that is
    /// [delivered](RowDType::delivered): `u16` becomes `u32`. Copies the elements.
    ///
    /// # Errors
    ///
    /// When candle cannot make the tensor.
    pub fn tensor(&self) -> Result<Tensor> {
        let dtype = self.dtype().delivered();
        if self.dtype() != RowDType::U16 {
            return Ok(Tensor::from_raw_buffer(self.bytes(), dtype, self.shape(), &Device::Cpu)?);
        }
        let wide: Vec<u32> = self.as_slice::<u16>()?.iter().map(|&value| value.into()).collect();
        Ok(Tensor::from_vec(wide, self.shape(), &Device::Cpu)?)
    }

    /// The first `most` elements, as they are printed.
    fn first_elements(&self, most: usize) -> Result<Vec<String>> {
        macro_rules! shown {
            ($($dtype:ident => $element:ty),*) => {
                match self.dtype() {
                    $(RowDType::$dtype => {
                        let elements = self.as_slice::<$element>()?.iter().take(most);
                        elements.map(|element| element.to_string()).collect()
                    })*
                    // There is no type of Rust for its elements here.
                    RowDType::F8E4M3 => {
                        let floats = self.tensor()?.flatten_all()?.to_dtype(DType::F32)?;
                        let floats = floats.to_vec1::<f32>()?.into_iter().take(most);
                        floats.map(|element| element.to_string()).collect()
                    }
                }
            };
        }
        Ok(shown!(
            U8 => u8, U16 => u16, U32 => u32, I16 => i16, I32 => i32, I64 => i64,
            BF16 => half::bf16, F16 => half::f16, F32 => f32, F64 => f64
        ))
    }
}

/// Name, dtype, shape and first elements: `label: i64[] = 7`.
impl fmt::Display for FieldView<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        const SHOWN: usize = 8;
        write!(f, "{}: {}{:?} =", escaped(self.name()), self.dtype(), self.shape())?;
        let elements = self.first_elements(SHOWN).map_err(|_| fmt::Error)?;
        if !elements.is_empty() {
            write!(f, " {}", elements.join(", "))?;
        }
        let total = self.bytes().len() / self.dtype().size();
        if total > SHOWN { write!(f, ", .. {total} in all") } else { Ok(()) }
    }
}
