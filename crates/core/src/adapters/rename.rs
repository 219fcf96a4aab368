use std::borrow::Cow;
use std::sync::atomic::AtomicBool;

use crate::field_index;
use crate::{
    Error, ErrorKind, Extent, FieldId, FieldIndex, Fingerprint, Location, Population, Result, Row,
    Schema, Source, Streaming,
};

/// A source with one field under another name; see
/// [`SourceExt::rename`](crate::SourceExt::rename).
#[derive(Debug, Clone)]
pub struct Rename<S> {
    source: S,
    schema: Schema,
    /// The position of the field.
    at: usize,
}

impl<S: Source> Rename<S> {
    pub(super) fn new(source: S, field: impl FieldIndex, name: String) -> Result<Self> {
        let mut fields = source.schema().fields().to_vec();
        let Some(at) = field.position_in(&fields) else {
            let message = field_index::missing(&field, &fields);
            return Err(Error::new(ErrorKind::Config, message));
        };
        fields[at] = fields[at].clone().renamed(name);
        Ok(Self { schema: Schema::new(fields)?, source, at })
    }

    /// An error of the source, which knows the old name.
    #[cold]
    fn renamed(&self, error: Error) -> Error {
        let name = |schema: &Schema| schema.fields()[self.at].name().to_owned();
        error.with_field_renamed(&name(self.source.schema()), name(&self.schema))
    }
}

impl<S: Source> Source for Rename<S> {
    fn schema(&self) -> &Schema {
        &self.schema
    }

    fn len(&self) -> usize {
        self.source.len()
    }

    fn read(&self, index: usize, row: &mut Row<'_>) -> Result<()> {
        let old = self.source.schema();
        let mut row = row.part(0..old.fields().len(), old);
        self.source.read(index, &mut row).map_err(|error| self.renamed(error))
    }

    fn read_fields(&self, index: usize, fields: &[usize], row: &mut Row<'_>) -> Result<()> {
        self.source.read_fields(index, fields, row).map_err(|error| self.renamed(error))
    }

    fn read_part(
        &self,
        index: usize,
        field: usize,
        start: usize,
        into: &mut [u8],
        stop: Option<&AtomicBool>,
    ) -> Result<()> {
        let read = self.source.read_part(index, field, start, into, stop);
        read.map_err(|error| self.renamed(error))
    }

    fn population(&self) -> Population {
        self.source.population()
    }

    fn name(&self, index: usize) -> Cow<'_, str> {
        self.source.name(index)
    }

    fn location(&self, index: usize, field: FieldId) -> Option<Location> {
        let is_renamed = self.schema.fields()[self.at].id() == field;
        let old = self.source.schema().fields()[self.at].id();
        self.source.location(index, if is_renamed { old } else { field })
    }

    fn length(&self, index: usize, field: usize) -> Option<usize> {
        self.source.length(index, field)
    }

    fn fingerprint(&self) -> Fingerprint {
        let start = Fingerprint::of("rename").with(self.source.fingerprint());
        start.text(&self.schema.to_string()).finish()
    }

    fn stream(&self) -> Option<&dyn Streaming> {
        self.source.stream()
    }

    fn extents(&self, index: usize, visit: &mut dyn FnMut(&Extent)) {
        self.source.extents(index, visit);
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::{counting, value};
    use crate::{
        Error, ErrorKind, Field, RowDType, Schema, Source as _, SourceExt, from_fn, testing,
    };

    #[test]
    fn it_conforms_and_lets_sources_of_one_field_name_zip() {
        let renamed = counting("a", 100, 20).rename("a", "b").unwrap();
        let source = counting("a", 0, 20).zip(renamed).unwrap();
        testing::check_source(&source);
        assert_eq!(source.schema().to_string(), "a: u32[]; b: u32[]");
        assert_eq!((value(&source, 3, 0), value(&source, 3, 1)), (3, 103));
    }

    #[test]
    fn the_source_sees_its_own_name_and_errors_have_the_new_one() {
        let schema = Schema::new(vec![Field::new("old", RowDType::U32, &[])]).unwrap();
        let source = from_fn(schema, 2, |index, row| match index {
            0 => row.field("old").copy_from_slice(&[7u32]),
            _ => Err(Error::user("bad").with_field("old")),
        });
        let source = source.rename("old", "new").unwrap();
        assert_eq!(value(&source, 0, 0), 7);
        assert_eq!(source.get(1).unwrap_err().field(), Some("new"));
    }

    #[test]
    fn names_that_are_not_there_or_taken_are_refused() {
        let source = counting("a", 0, 3).zip(counting("b", 0, 3)).unwrap();
        let error = (&source).rename("c", "d").unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Config);
        assert_eq!(error.message(), "no field \"c\", the fields are \"a\", \"b\"");
        let error = source.rename("a", "b").unwrap_err();
        assert_eq!(
            (error.kind(), error.message()),
            (ErrorKind::Config, "two fields are named \"b\"")
        );
    }
}
