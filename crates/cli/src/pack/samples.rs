//! What a sample is, whatever file it comes from: a hash of its fields.

use tallow::{Field, FieldView, RowDType, RowView, Schema};
use xxhash_rust::xxh3::Xxh3;

/// How fields of bytes are hashed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Bytes {
    /// As they are, where the format has bytes.
    Plain,
    /// Like other whole numbers, where it has wider ones.
    Widened,
}

/// The hash of the fields at these positions, in this order: their shapes and their values. Whole numbers
/// are the same in any type that holds them, because formats do not have all types.
pub(crate) fn hash(
    row: RowView<'_>,
    fields: impl IntoIterator<Item = usize>,
    bytes: Bytes,
) -> tallow::SourceResult<u128> {
    let mut hash = Xxh3::new();
    for at in fields {
        let field = row.field(at);
        hash.update(&(field.shape().len() as u64).to_le_bytes());
        field.shape().iter().for_each(|&len| hash.update(&(len as u64).to_le_bytes()));
        let is_plain = field.dtype() == RowDType::U8 && bytes == Bytes::Plain;
        if is_plain || !field.dtype().is_integer() {
            hash.update(field.bytes());
        } else {
            hash_integers(&field, &mut hash)?;
        }
    }
    Ok(hash.digest128())
}

fn hash_integers(field: &FieldView<'_>, hash: &mut Xxh3) -> tallow::SourceResult<()> {
    /// In pieces that stay in the nearest cache.
    const PIECE: usize = 4096;
    let mut piece = Vec::with_capacity(PIECE + size_of::<i64>());
    each_integer(field, |value| {
        piece.extend_from_slice(&value.to_le_bytes());
        if piece.len() >= PIECE {
            hash.update(&piece);
            piece.clear();
        }
    })?;
    hash.update(&piece);
    Ok(())
}

/// Calls `each` with every value of a field of whole numbers.
pub(crate) fn each_integer(
    field: &FieldView<'_>,
    mut each: impl FnMut(i64),
) -> tallow::SourceResult<()> {
    macro_rules! each {
        ($number:ty) => {
            field.as_slice::<$number>()?.iter().for_each(|&value| each(value.into()))
        };
    }
    match field.dtype() {
        RowDType::U8 => each!(u8),
        RowDType::U16 => each!(u16),
        RowDType::U32 => each!(u32),
        RowDType::I16 => each!(i16),
        RowDType::I32 => each!(i32),
        _ => each!(i64),
    }
    Ok(())
}

/// Whether all samples have fields of one shape.
pub(crate) fn is_fixed(schema: &Schema) -> bool {
    !schema.fields().iter().any(Field::is_ragged)
}

#[cfg(test)]
mod tests {
    use tallow::{RowBuffer, Schema};

    use super::*;

    fn of(dtype: RowDType, write: impl Fn(&mut tallow::FieldMut<'_>), bytes: Bytes) -> u128 {
        let schema = Schema::new(vec![Field::new("a", dtype, &[3])]).unwrap();
        let mut buffer = RowBuffer::new(&schema).unwrap();
        write(&mut buffer.row(None).field(0));
        hash(buffer.view(), [0], bytes).unwrap()
    }

    #[test]
    fn whole_numbers_are_the_same_in_any_type() {
        let wide =
            |dtype, write: &dyn Fn(&mut tallow::FieldMut<'_>)| of(dtype, write, Bytes::Widened);
        let bytes = wide(RowDType::U8, &|to| to.copy_from_slice(&[1u8, 2, 3]).unwrap());
        let words = wide(RowDType::I64, &|to| to.copy_from_slice(&[1i64, 2, 3]).unwrap());
        let other = wide(RowDType::I64, &|to| to.copy_from_slice(&[1i64, 2, 4]).unwrap());
        assert!(bytes == words && words != other);
    }
}
