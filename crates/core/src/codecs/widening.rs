use crate::{Error, ErrorKind, FieldMut, Result};

/// How an element type that candle lacks becomes one that holds all of its values.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Widening {
    /// The element is held as it is.
    None,
    /// 8-bit signed integers become `i16`.
    I8ToI16,
    /// 64-bit unsigned integers become `i64` where the value fits.
    U64ToI64,
}

impl Widening {
    /// Writes the stored elements, in this machine's byte order, into `field`, widened.
    pub(crate) fn write(self, stored: &[u8], field: &mut FieldMut<'_>) -> Result<()> {
        match self {
            Self::None => field.copy_from_bytes(stored),
            Self::I8ToI16 => write_i16(stored, field),
            Self::U64ToI64 => {
                check_fits_i64(stored)?;
                field.copy_from_bytes(stored)
            }
        }
    }
}

fn write_i16(stored: &[u8], field: &mut FieldMut<'_>) -> Result<()> {
    let wide = field.as_mut_slice::<i16>()?;
    if wide.len() != stored.len() {
        let message = format!("found {} elements, expected {}", stored.len(), wide.len());
        return Err(Error::new(ErrorKind::ShapeMismatch, message));
    }
    wide.iter_mut().zip(stored).for_each(|(wide, &byte)| *wide = i16::from(byte as i8));
    Ok(())
}

fn check_fits_i64(payload: &[u8]) -> Result<()> {
    let value = |bytes: &[u8]| u64::from_ne_bytes(bytes.try_into().unwrap_or_default());
    let mut values = payload.chunks_exact(8).map(value).enumerate();
    match values.find(|(_, value)| i64::try_from(*value).is_err()) {
        None => Ok(()),
        Some((at, value)) => {
            let message = format!("element {at} is {value}, above what an i64 holds");
            Err(Error::new(ErrorKind::OutOfRange, message))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Element, Field, RowBuffer, RowDType, Schema};

    fn widened<T: Element>(widening: Widening, dtype: RowDType, stored: &[u8]) -> Result<Vec<T>> {
        let schema = Schema::new(vec![Field::new("x", dtype, &[2])])?;
        let mut buffer = RowBuffer::new(&schema)?;
        widening.write(stored, &mut buffer.row(None).field(0))?;
        Ok(buffer.view().field(0).as_slice::<T>()?.to_vec())
    }

    #[test]
    fn widening_keeps_every_value_or_names_the_one_it_cannot() {
        let i8s = widened::<i16>(Widening::I8ToI16, RowDType::I16, &[0x80, 0x7f]).unwrap();
        assert_eq!(i8s, [-128, 127]);
        let widen = |values: [u64; 2]| {
            let stored = values.map(u64::to_ne_bytes).concat();
            widened::<i64>(Widening::U64ToI64, RowDType::I64, &stored)
        };
        assert_eq!(widen([0, i64::MAX as u64]).unwrap(), [0, i64::MAX]);
        let error = widen([1, 1 << 63]).unwrap_err();
        assert!(error.message().starts_with("element 1 is 9223372036854775808"), "{error}");
    }

    #[test]
    fn another_number_of_elements_is_refused() {
        for stored in [&[1][..], &[1, 2, 3]] {
            let result = widened::<i16>(Widening::I8ToI16, RowDType::I16, stored);
            assert_eq!(result.unwrap_err().kind(), ErrorKind::ShapeMismatch);
        }
    }
}
