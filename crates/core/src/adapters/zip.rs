use std::borrow::Cow;
use std::sync::atomic::AtomicBool;

use crate::{
    Error, ErrorKind, Extent, Field, FieldId, Fingerprint, Location, Population, Result, Row,
    Schema, Source,
};

/// The fields of two sources of the same length, sample by sample.
#[derive(Debug, Clone)]
pub struct Zip<A, B> {
    first: A,
    second: B,
    schema: Schema,
}

impl<A: Source, B: Source> Zip<A, B> {
    pub(super) fn new(first: A, second: B) -> Result<Self> {
        if first.len() != second.len() {
            let message = format!("found {}, expected as many as {}", told(&second), told(&first));
            return Err(Error::new(ErrorKind::ShapeMismatch, message));
        }
        if let Some(name) = shared_name(first.schema(), second.schema()) {
            let message = format!(
                "two fields are named {name:?}: rename one, as in .rename({name:?}, \"second\")"
            );
            return Err(Error::new(ErrorKind::Config, message));
        }
        let fields = [first.schema().fields(), second.schema().fields()].concat();
        let schema = Schema::new(fields)?;
        Ok(Self { first, second, schema })
    }
}

fn shared_name<'a>(first: &'a Schema, second: &Schema) -> Option<&'a str> {
    let mut names = first.fields().iter().map(Field::name);
    names.find(|name| second.position(name).is_some())
}

/// How many samples a source has, and the name of its first, which says where they are.
fn told(source: &dyn Source) -> String {
    match source.len() {
        0 => format!("0 samples of {}", source.schema()),
        len => format!("{len} samples of {} from {:?} on", source.schema(), source.name(0)),
    }
}

impl<A: Source, B: Source> Source for Zip<A, B> {
    fn schema(&self) -> &Schema {
        &self.schema
    }

    fn len(&self) -> usize {
        self.first.len()
    }

    fn read(&self, index: usize, row: &mut Row<'_>) -> Result<()> {
        let (first, second) = (self.first.schema(), self.second.schema());
        let middle = first.fields().len();
        self.first.read(index, &mut row.part(0..middle, first))?;
        let end = middle + second.fields().len();
        self.second.read(index, &mut row.part(middle..end, second))
    }

    fn read_fields(&self, index: usize, fields: &[usize], row: &mut Row<'_>) -> Result<()> {
        let middle = self.first.schema().fields().len();
        let is_first = |field: &usize| *field < middle;
        let mut at = 0;
        for run in fields.chunk_by(|a, b| is_first(a) == is_first(b)) {
            let mut part = row.range(at..at + run.len());
            if run.first().is_some_and(is_first) {
                self.first.read_fields(index, run, &mut part)?;
            } else {
                let run: Vec<usize> = run.iter().map(|field| field - middle).collect();
                self.second.read_fields(index, &run, &mut part)?;
            }
            at += run.len();
        }
        Ok(())
    }

    fn read_part(
        &self,
        index: usize,
        field: usize,
        start: usize,
        into: &mut [u8],
        stop: Option<&AtomicBool>,
    ) -> Result<()> {
        match field.checked_sub(self.first.schema().fields().len()) {
            None => self.first.read_part(index, field, start, into, stop),
            Some(field) => self.second.read_part(index, field, start, into, stop),
        }
    }

    /// That of the first source, with parts and groups of the second where the first has none.
    fn population(&self) -> Population {
        self.first.population().beside(self.second.population())
    }

    fn name(&self, index: usize) -> Cow<'_, str> {
        self.first.name(index)
    }

    /// A source's own field goes before one of the same name that the other is made of.
    fn location(&self, index: usize, field: FieldId) -> Option<Location> {
        let first = || self.first.location(index, field);
        let second = || self.second.location(index, field);
        if self.second.schema().holds(field) { second() } else { first().or_else(second) }
    }

    fn length(&self, index: usize, field: usize) -> Option<usize> {
        match field.checked_sub(self.first.schema().fields().len()) {
            None => self.first.length(index, field),
            Some(field) => self.second.length(index, field),
        }
    }

    fn fingerprint(&self) -> Fingerprint {
        let start = Fingerprint::of("zip").with(self.first.fingerprint());
        start.with(self.second.fingerprint()).finish()
    }

    fn extents(&self, index: usize, visit: &mut dyn FnMut(&Extent)) {
        self.first.extents(index, visit);
        self.second.extents(index, visit);
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::counting;
    use crate::{ErrorKind, SourceExt};

    #[test]
    fn other_lengths_are_refused_with_the_names_of_both() {
        let error = counting("a", 0, 3).zip(counting("b", 0, 4)).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::ShapeMismatch);
        assert_eq!(
            error.message(),
            "found 4 samples of b: u32[] from \"sample 0\" on, expected as many as \
             3 samples of a: u32[] from \"sample 0\" on"
        );
        let error = counting("a", 0, 0).zip(counting("b", 0, 4)).unwrap_err();
        assert!(error.message().ends_with("expected as many as 0 samples of a: u32[]"), "{error}");
    }

    #[test]
    fn equal_field_names_are_refused() {
        let error = counting("a", 0, 3).zip(counting("a", 0, 3)).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Config);
        let words = "two fields are named \"a\": rename one, as in .rename(\"a\", \"second\")";
        assert_eq!(error.message(), words);
    }
}
