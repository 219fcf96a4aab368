use crate::{Field, FieldId};

/// What says which field is meant: its position in the schema, its name, or its [`FieldId`].
///
/// ```
/// use tallow_core::{Field, RowBuffer, RowDType, Schema};
///
/// let schema = Schema::new(vec![Field::new("input", RowDType::F32, &[2])])?;
/// let mut buffer = RowBuffer::new(&schema)?;
/// buffer.row(None).field("input").copy_from_slice(&[1f32, 2.0])?;
/// assert_eq!(buffer.view().field(0).as_slice::<f32>()?, [1.0, 2.0]);
/// # Ok::<(), tallow_core::Error>(())
/// ```
pub trait FieldIndex: private::Lookup {}

impl FieldIndex for usize {}
impl FieldIndex for str {}
impl FieldIndex for String {}
impl FieldIndex for FieldId {}
impl<T: FieldIndex + ?Sized> FieldIndex for &T {}

pub(crate) mod private {
    use crate::Field;

    /// Out of reach for other crates, so that they cannot implement [`super::FieldIndex`].
    pub trait Lookup {
        fn position_in(&self, fields: &[Field]) -> Option<usize>;

        /// The field that was asked for, in words.
        fn asked(&self) -> String;
    }
}

impl private::Lookup for usize {
    #[inline]
    fn position_in(&self, fields: &[Field]) -> Option<usize> {
        (*self < fields.len()).then_some(*self)
    }

    fn asked(&self) -> String {
        self.to_string()
    }
}

impl private::Lookup for str {
    fn position_in(&self, fields: &[Field]) -> Option<usize> {
        fields.iter().position(|field| field.name() == self)
    }

    fn asked(&self) -> String {
        format!("{self:?}")
    }
}

impl private::Lookup for String {
    fn position_in(&self, fields: &[Field]) -> Option<usize> {
        self.as_str().position_in(fields)
    }

    fn asked(&self) -> String {
        self.as_str().asked()
    }
}

impl private::Lookup for FieldId {
    fn position_in(&self, fields: &[Field]) -> Option<usize> {
        fields.iter().position(|field| field.id() == *self)
    }

    fn asked(&self) -> String {
        "of another schema".to_owned()
    }
}

impl<T: private::Lookup + ?Sized> private::Lookup for &T {
    #[inline]
    fn position_in(&self, fields: &[Field]) -> Option<usize> {
        (**self).position_in(fields)
    }

    fn asked(&self) -> String {
        (**self).asked()
    }
}

/// The position of the field among `fields`.
///
/// # Panics
///
/// When it is none of them, naming them.
#[inline]
#[track_caller]
pub(crate) fn position(index: impl FieldIndex, fields: &[Field]) -> usize {
    match index.position_in(fields) {
        Some(at) => at,
        None => panic!("{}", missing(&index, fields)),
    }
}

/// That there is no such field, and which there are.
#[cold]
pub(crate) fn missing(index: &impl FieldIndex, fields: &[Field]) -> String {
    let names = fields.iter().map(|field| format!("{:?}", field.name()));
    let names = crate::error::list_names(names);
    format!("no field {}, the fields are {names}", index.asked())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::RowDType;

    #[test]
    fn a_field_is_found_by_position_name_and_id() {
        let fields = ["a", "b"].map(|name| Field::new(name, RowDType::U8, &[]));
        assert_eq!(position(1, &fields), 1);
        assert_eq!(position("b", &fields), 1);
        assert_eq!(position("b".to_owned(), &fields), 1);
        assert_eq!(position(FieldId::of("b"), &fields), 1);
    }

    #[test]
    #[should_panic = "no field \"c\", the fields are \"a\", \"b\""]
    fn a_name_that_is_not_there_panics_with_the_names_there_are() {
        position("c", &["a", "b"].map(|name| Field::new(name, RowDType::U8, &[])));
    }

    #[test]
    #[should_panic = "no field 1, the fields are \"a\""]
    fn a_position_that_is_not_there_panics_with_the_names_there_are() {
        position(1, &[Field::new("a", RowDType::U8, &[])]);
    }
}
