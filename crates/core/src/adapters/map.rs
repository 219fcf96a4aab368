use std::borrow::Cow;
use std::fmt;

use crate::pool::Pool;
use crate::{
    Extent, FieldId, Fingerprint, Location, Population, Result, Row, RowBuffer, RowView, Schema,
    Source, Streaming,
};

/// A source whose samples a closure rewrites.
///
/// Unlike a transform of the loader, a map is part of the source: a [`super::Cache`] keeps what it
/// made, and it has no random numbers, because a source gives the same bytes whenever it is asked.
pub struct Map<S, F> {
    source: S,
    schema: Schema,
    map: F,
    version: u64,
    /// Rows to read into.
    rows: Pool<RowBuffer>,
}

impl<S: fmt::Debug, F> fmt::Debug for Map<S, F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut debug = f.debug_struct("Map");
        debug.field("source", &self.source).field("schema", &self.schema).finish_non_exhaustive()
    }
}

impl<S: Source, F> Map<S, F>
where
    F: Fn(RowView<'_>, &mut Row<'_>) -> Result<()> + Send + Sync,
{
    pub(super) fn new(source: S, schema: Schema, map: F) -> Self {
        Self { source, schema, map, version: 0, rows: Pool::default() }
    }

    /// A number for what the closure makes of a sample, 0 if not given: change it with the closure,
    /// and a state that was saved with the old one is refused.
    #[must_use]
    pub fn version(mut self, version: u64) -> Self {
        self.version = version;
        self
    }
}

impl<S: Source, F> Source for Map<S, F>
where
    F: Fn(RowView<'_>, &mut Row<'_>) -> Result<()> + Send + Sync,
{
    fn schema(&self) -> &Schema {
        &self.schema
    }

    fn len(&self) -> usize {
        self.source.len()
    }

    fn read(&self, index: usize, row: &mut Row<'_>) -> Result<()> {
        let new = || RowBuffer::new(self.source.schema());
        let mut buffer = self.rows.take().map_or_else(new, Ok)?;
        self.source.read(index, &mut buffer.row_towards(row))?;
        buffer.finish().map_err(|error| error.with_index(index))?;
        let result = (self.map)(buffer.view(), row).map_err(|error| error.with_index(index));
        self.rows.give(buffer);
        result
    }

    fn population(&self) -> Population {
        self.source.population()
    }

    fn name(&self, index: usize) -> Cow<'_, str> {
        self.source.name(index)
    }

    /// That of the source's field of the same name, which the closure is taken to rewrite.
    fn location(&self, index: usize, field: FieldId) -> Option<Location> {
        self.source.location(index, field)
    }

    /// The source's, the schema and the version; what the closure does cannot be known.
    fn fingerprint(&self) -> Fingerprint {
        let start = Fingerprint::of("map").with(self.source.fingerprint());
        start.text(&self.schema.to_string()).number(self.version).finish()
    }

    fn stream(&self) -> Option<&dyn Streaming> {
        self.source.stream()
    }

    fn extents(&self, index: usize, visit: &mut dyn FnMut(&Extent)) {
        self.source.extents(index, visit)
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::counting;
    use crate::{Field, RowDType, Schema, Source as _, SourceExt, testing};

    #[test]
    fn it_conforms_and_rewrites_every_sample() {
        let schema = Schema::new(vec![Field::new("half", RowDType::F32, &[2])]).unwrap();
        let source = counting("a", 3, 20).map(schema, |raw, row| {
            let value = raw.field(0).as_slice::<u32>()?[0] as f32;
            row.field(0).copy_from_slice(&[value, value / 2.0])
        });
        testing::check_source(&source);
        let print = source.fingerprint();
        assert_ne!(source.version(1).fingerprint(), print);
    }
}
