use std::borrow::Cow;
use std::sync::atomic::AtomicBool;

use crate::field_index;
use crate::{
    Error, ErrorKind, Extent, FieldId, FieldIndex, Fingerprint, Location, Population, Result, Row,
    Schema, Source, Streaming,
};

/// Some fields of a source, in any order; see
/// [`SourceExt::select`](crate::SourceExt::select).
#[derive(Debug, Clone)]
pub struct Select<S> {
    source: S,
    /// The position of each field in the source.
    fields: Vec<usize>,
    schema: Schema,
}

impl<S: Source> Select<S> {
    pub(super) fn new<I: FieldIndex>(
        source: S,
        fields: impl IntoIterator<Item = I>,
    ) -> Result<Self> {
        let all = source.schema().fields();
        let find = |field: I| match field.position_in(all) {
            Some(at) => Ok(at),
            None => Err(Error::new(ErrorKind::Config, field_index::missing(&field, all))),
        };
        let fields = fields.into_iter().map(find).collect::<Result<Vec<_>>>()?;
        let schema = Schema::new(fields.iter().map(|&at| all[at].clone()).collect())?;
        Ok(Self { source, fields, schema })
    }
}

impl<S: Source> Source for Select<S> {
    fn schema(&self) -> &Schema {
        &self.schema
    }

    fn len(&self) -> usize {
        self.source.len()
    }

    fn read(&self, index: usize, row: &mut Row<'_>) -> Result<()> {
        self.source.read_fields(index, &self.fields, row)
    }

    fn read_fields(&self, index: usize, fields: &[usize], row: &mut Row<'_>) -> Result<()> {
        let fields: Vec<usize> = fields.iter().map(|&field| self.fields[field]).collect();
        self.source.read_fields(index, &fields, row)
    }

    fn read_part(
        &self,
        index: usize,
        field: usize,
        start: usize,
        into: &mut [u8],
        stop: Option<&AtomicBool>,
    ) -> Result<()> {
        self.source.read_part(index, self.fields[field], start, into, stop)
    }

    fn population(&self) -> Population {
        self.source.population()
    }

    fn name(&self, index: usize) -> Cow<'_, str> {
        self.source.name(index)
    }

    fn location(&self, index: usize, field: FieldId) -> Option<Location> {
        self.source.location(index, field)
    }

    fn length(&self, index: usize, field: usize) -> Option<usize> {
        self.source.length(index, self.fields[field])
    }

    fn fingerprint(&self) -> Fingerprint {
        let start = Fingerprint::of("select").with(self.source.fingerprint());
        self.fields.iter().fold(start, |print, &at| print.number(at as u64)).finish()
    }

    /// Files that hold none of the fields are left out, where the source says which those are.
    fn stream(&self) -> Option<&dyn Streaming> {
        self.source.stream()
    }

    fn extents(&self, index: usize, visit: &mut dyn FnMut(&Extent)) {
        let own = self.schema.fields().iter().map(|field| self.location(index, field.id()));
        let own: Option<Vec<Location>> = own.collect();
        self.source.extents(index, &mut |extent| {
            let is_own = own.as_ref().is_none_or(|own| own.contains(extent.location()));
            if is_own || !extent.is_whole() {
                visit(extent);
            }
        });
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::{counting, value};
    use crate::{ErrorKind, Source as _, SourceExt, testing};

    #[test]
    fn it_conforms_and_reads_the_fields_in_its_own_order() {
        let source = counting("a", 0, 20).zip(counting("b", 100, 20)).unwrap();
        let source = source.zip(counting("c", 200, 20)).unwrap();
        let two = (&source).select(["c", "a"]).unwrap();
        testing::check_source(&two);
        assert_eq!(two.schema().to_string(), "c: u32[]; a: u32[]");
        assert_eq!((value(&two, 7, 0), value(&two, 7, 1)), (207, 7));
        assert_ne!(two.fingerprint(), source.select(["a", "c"]).unwrap().fingerprint());
    }

    #[test]
    fn fields_that_are_not_there_or_twice_are_refused() {
        let source = counting("a", 0, 3).zip(counting("b", 0, 3)).unwrap();
        let error = (&source).select(["a", "image"]).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Config);
        assert_eq!(error.message(), "no field \"image\", the fields are \"a\", \"b\"");
        let error = (&source).select([1, 1]).unwrap_err();
        assert_eq!(
            (error.kind(), error.message()),
            (ErrorKind::Config, "two fields are named \"b\"")
        );
        let error = source.select([""; 0]).unwrap_err();
        assert_eq!(error.message(), "a schema needs at least one field");
    }
}
