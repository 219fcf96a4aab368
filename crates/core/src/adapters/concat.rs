use std::borrow::Cow;
use std::sync::atomic::AtomicBool;

use crate::error::{quoted, shortened};
use crate::{
    Error, ErrorKind, Extent, Field, FieldId, Fingerprint, Location, Population, Result, Row,
    Schema, Source,
};

/// The samples of one source, then those of another of the same schema.
#[derive(Debug, Clone)]
pub struct Concat<A, B> {
    first: A,
    second: B,
}

impl<A: Source, B: Source> Concat<A, B> {
    pub(super) fn new(first: A, second: B) -> Result<Self> {
        check_schema(second.schema(), first.schema(), "the first source")?;
        if first.len().checked_add(second.len()).is_none() {
            let message =
                format!("{} and {} samples, more than can be counted", first.len(), second.len());
            return Err(Error::new(ErrorKind::TooLarge, message));
        }
        Ok(Self { first, second })
    }

    /// Runs `then` on the source that has sample `index`, with its index there.
    fn at<'a, R>(&'a self, index: usize, then: impl FnOnce(&'a dyn Source, usize) -> R) -> R {
        match index.checked_sub(self.first.len()) {
            None => then(&self.first, index),
            Some(rest) => then(&self.second, rest),
        }
    }
}

/// Whether samples of the schema `found` can follow those of `first`, whose schema is `expected`.
pub(super) fn check_schema(found: &Schema, expected: &Schema, first: &str) -> Result<()> {
    if found == expected { Ok(()) } else { Err(other_schema(found, expected, first)) }
}

/// That two schemas differ, in what, and what to do where names are the reason.
#[cold]
fn other_schema(found: &Schema, expected: &Schema, first: &str) -> Error {
    let (own, others) = (found.fields(), expected.fields());
    let lacks =
        |fields: &[Field], field: &&Field| fields.iter().all(|other| other.name() != field.name());
    let names = |fields: &[Field]| fields.iter().map(|it| it.name().to_owned()).collect::<Vec<_>>();
    let absent = others.iter().find(|field| lacks(own, field));
    let spare = own.iter().find(|field| lacks(others, field));
    let is_in_order = names(own) == names(others);
    let advice = match (spare, absent) {
        (Some(spare), Some(absent)) => {
            format!("; rename it, as in .rename({:?}, {:?})", spare.name(), absent.name())
        }
        (None, Some(absent)) => format!("; there is no field {:?}", absent.name()),
        _ if is_in_order => String::new(),
        _ => format!("; choose the fields with .select({:?})", names(others)),
    };
    let mut pairs = own.iter().zip(others);
    let (found, expected) = match pairs.find(|(own, other)| own != other) {
        Some((own, other)) if is_in_order => told_apart(own, other),
        _ => (found.to_string(), expected.to_string()),
    };
    let [found, expected] = [found, expected].map(shortened);
    let message = format!("found {found}, expected {expected} as in {first}{advice}");
    Error::new(ErrorKind::ShapeMismatch, message)
}

/// Two fields of one name that differ, if in nothing else then in the first class that does.
fn told_apart(own: &Field, other: &Field) -> (String, String) {
    let class = |field: &Field, at: usize| field.classes().and_then(|names| names.get(at)).cloned();
    let most = [own, other].map(|field| field.classes().map_or(0, <[String]>::len));
    let differs = |&at: &usize| class(own, at) != class(other, at);
    let first = (0..most[0].max(most[1])).find(differs);
    let said = |field: &Field| match first.map(|at| (at, class(field, at))) {
        None => field.to_string(),
        Some((at, Some(name))) => format!("{field} whose class {at} is {}", quoted(&name)),
        Some((at, None)) => format!("{field} without a class {at}"),
    };
    (said(own), said(other))
}

impl<A: Source, B: Source> Source for Concat<A, B> {
    fn schema(&self) -> &Schema {
        self.first.schema()
    }

    fn len(&self) -> usize {
        self.first.len() + self.second.len()
    }

    fn read(&self, index: usize, row: &mut Row<'_>) -> Result<()> {
        self.at(index, |source, at| source.read(at, row)).map_err(|e| e.with_index(index))
    }

    fn read_fields(&self, index: usize, fields: &[usize], row: &mut Row<'_>) -> Result<()> {
        self.at(index, |source, at| source.read_fields(at, fields, row))
            .map_err(|e| e.with_index(index))
    }

    fn read_part(
        &self,
        index: usize,
        field: usize,
        start: usize,
        into: &mut [u8],
        stop: Option<&AtomicBool>,
    ) -> Result<()> {
        self.at(index, |source, at| source.read_part(at, field, start, into, stop))
            .map_err(|e| e.with_index(index))
    }

    fn population(&self) -> Population {
        let both = [self.first.population(), self.second.population()];
        // Their sum was checked when this was made.
        Population::of_concatenation(&both).unwrap_or_else(|_| Population::of(self.len()))
    }

    fn name(&self, index: usize) -> Cow<'_, str> {
        self.at(index, |source, at| source.name(at))
    }

    fn location(&self, index: usize, field: FieldId) -> Option<Location> {
        self.at(index, |source, at| source.location(at, field))
    }

    fn length(&self, index: usize, field: usize) -> Option<usize> {
        self.at(index, |source, at| source.length(at, field))
    }

    fn fingerprint(&self) -> Fingerprint {
        let start = Fingerprint::of("concat").with(self.first.fingerprint());
        start.with(self.second.fingerprint()).finish()
    }

    fn extents(&self, index: usize, visit: &mut dyn FnMut(&Extent)) {
        self.at(index, |source, at| source.extents(at, visit))
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::counting;
    use super::*;
    use crate::{RowDType, SourceExt, from_fn};

    #[test]
    fn other_schemas_are_refused() {
        let message = |one: &[&str], two: &[&str]| {
            let source = |names: &[&str]| {
                let field = |name: &&str| match name.strip_prefix('*') {
                    Some(name) => Field::new(name, RowDType::F32, &[2]),
                    None => Field::new(*name, RowDType::U8, &[]),
                };
                let schema = Schema::new(names.iter().map(field).collect()).unwrap();
                from_fn(schema, 3, |_, _| Ok(()))
            };
            let error = source(one).concat(source(two)).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::ShapeMismatch);
            error.message().to_owned()
        };
        assert_eq!(
            message(&["a", "x"], &["b", "x"]),
            "found b: u8[]; x: u8[], expected a: u8[]; x: u8[] as in the first source; rename it, as \
             in .rename(\"b\", \"a\")"
        );
        assert_eq!(
            message(&["a", "x"], &["a", "*x"]),
            "found x: f32[2], expected x: u8[] as in the first source"
        );
        for other in [&["x", "a"][..], &["a", "x", "y"]] {
            let said = message(&["a", "x"], other);
            assert!(said.ends_with("choose the fields with .select([\"a\", \"x\"])"), "{said}");
        }
        assert!(message(&["a", "x"], &["a"]).ends_with("there is no field \"x\""));
    }

    #[test]
    fn other_names_of_classes_are_refused() {
        let source = |classes: &[&str]| {
            let field = Field::new("y", RowDType::U8, &[]);
            let field = match classes {
                [] => field,
                names => field.with_classes(names.iter().copied()),
            };
            from_fn(Schema::new(vec![field]).unwrap(), 3, |_, _| Ok(()))
        };
        let error = source(&["cat", "dog"]).concat(source(&["dog"])).unwrap_err();
        assert_eq!(
            error.message(),
            "found y: u8[] whose class 0 is \"dog\", expected y: u8[] whose class 0 is \"cat\" as in the \
             first source"
        );
        let error = source(&["cat"]).concat(source(&["cat", "dog"])).unwrap_err();
        assert!(
            error
                .message()
                .starts_with("found y: u8[] whose class 1 is \"dog\", expected y: u8[] without")
        );
        assert!(source(&["cat"]).concat(source(&[])).is_err());
        assert_eq!(source(&["cat"]).concat(source(&["cat"])).unwrap().len(), 6);
    }

    #[test]
    fn more_samples_than_can_be_counted_are_refused() {
        let huge = || counting("a", 0, usize::MAX - 3);
        assert_eq!(huge().concat(counting("a", 0, 3)).unwrap().len(), usize::MAX);
        let error = huge().concat(counting("a", 0, 4)).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::TooLarge);
        let words = "18446744073709551612 and 4 samples, more than can be counted";
        assert_eq!(error.message(), words);
    }
}
