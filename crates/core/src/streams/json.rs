//! Lines of JSON whose values become fields.

use std::io::BufRead;
use std::path::Path;

use serde_json::{Map, Value};

use super::{Streamed, lines};
use crate::error::{list_names, quoted};
use crate::{Dim, Error, ErrorKind, Field, FieldMut, Result, Row, RowDType, Schema};

impl Streamed<Vec<u8>> {
    /// The values of `schema` in the lines of files that are objects of JSON, in turn as the lines of
    /// [`lines_of`](Self::lines_of): a field is the value of the key of its name.
    ///
    /// A scalar field takes a number, or true and false as 1 and 0. A field with one axis takes a list of
    /// numbers, and one of `u8` also a text, as the bytes of its UTF-8. [`json_schema`] tells the fields that
    /// a record has.
    ///
    /// ```
    /// use tallow_core::{Dim, Field, RowDType, Schema, SourceExt, Streamed};
    ///
    /// # let dir = tempfile::tempdir()?;
    /// # let path = dir.path().join("train.jsonl");
    /// std::fs::write(&path, "{\"ids\": [5, 6, 7], \"label\": 1}\n{\"ids\": [], \"label\": 0}\n")?;
    /// let ids = Field::with_dims("ids", RowDType::I64, vec![Dim::Ragged { max: 512 }]);
    /// let schema = Schema::new(vec![ids, Field::new("label", RowDType::I64, &[])])?;
    /// let source = Streamed::json(schema, [&path], 64 << 10)?;
    /// assert_eq!(source.get(0)?.field("ids").as_slice::<i64>()?, [5, 6, 7]);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    ///
    /// As [`lines`](Self::lines); and [`ErrorKind::Config`] for a field of another type than `u8`, `u32`, `i64`,
    /// `f32` and `f64`, or with several axes. A record without a key, or with another value, is an error of
    /// its sample.
    pub fn json<P: AsRef<Path>>(
        schema: Schema,
        paths: impl IntoIterator<Item = P>,
        bytes: usize,
    ) -> Result<Self> {
        check(&schema)?;
        Self::of_files(schema.clone(), "json lines", paths, bytes, writer(schema))
    }

    /// As [`json`](Self::json), of something that is read once: of a pipe, a socket, the standard input.
    ///
    /// # Errors
    ///
    /// As [`json`](Self::json), but for those of opening files.
    pub fn json_once(
        schema: Schema,
        read: impl BufRead + Send + 'static,
        bytes: usize,
    ) -> Result<Self> {
        check(&schema)?;
        let write = writer(schema.clone());
        Ok(Self::of_reader(schema, "json lines", lines::lines(read, bytes), write))
    }
}

/// The fields that a record, which is an object of JSON, has by these keys: `i64` for a whole number and for
/// true and false, `f32` for another number, the same along a ragged axis for a list of numbers, and ragged
/// `u8` for a text. A list without elements is taken for one of whole numbers. Other records, of at most
/// `bytes` bytes, may have longer lists and texts.
///
/// # Errors
///
/// [`ErrorKind::Header`] when `record` is no object of JSON or has no such key, and
/// [`ErrorKind::DtypeMismatch`] for a value that is none of these.
pub fn json_schema<S: AsRef<str>>(
    record: &[u8],
    keys: impl IntoIterator<Item = S>,
    bytes: usize,
) -> Result<Schema> {
    let record = object(record)?;
    let field = |key: S| -> Result<Field> {
        let key = key.as_ref();
        // A number in a list takes a digit and a comma.
        let ragged = |dtype, max| Field::with_dims(key, dtype, vec![Dim::Ragged { max }]);
        let list = |dtype| ragged(dtype, bytes.div_ceil(2));
        Ok(match value(&record, key)? {
            Value::String(_) => ragged(RowDType::U8, bytes),
            it if whole(it).is_some() => Field::new(key, RowDType::I64, &[]),
            Value::Number(_) => Field::new(key, RowDType::F32, &[]),
            Value::Array(all) if all.iter().all(|it| whole(it).is_some()) => list(RowDType::I64),
            Value::Array(all) if all.iter().all(Value::is_number) => list(RowDType::F32),
            other => {
                let expected = "a number, a list of numbers, or a text";
                return Err(mismatch(other, expected).with_field(key));
            }
        })
    };
    Schema::new(keys.into_iter().map(field).collect::<Result<_>>()?)
}

/// Whether all fields are of a type and a shape that a value of JSON can have.
fn check(schema: &Schema) -> Result<()> {
    use RowDType::{F32, F64, I64, U8, U32};
    let can_be = |field: &Field| {
        [U8, U32, I64, F32, F64].contains(&field.dtype())
            && field.dims().len() <= 1
            && field.as_picture().is_none()
    };
    let Some(field) = schema.fields().iter().find(|field| !can_be(field)) else { return Ok(()) };
    let message = format!(
        "found {field}, expected u8, u32, i64, f32 or f64 with at most one axis, of values of JSON"
    );
    Err(Error::new(ErrorKind::Config, message).with_field(field.name()))
}

/// Writes the values of a record into a row of `schema`.
fn writer(schema: Schema) -> impl Fn(Vec<u8>, &mut Row<'_>) -> Result<()> + Send + Sync + 'static {
    move |record, row| {
        let record = object(&record)?;
        schema.fields().iter().enumerate().try_for_each(|(at, field)| {
            let value = value(&record, field.name())?;
            write(value, &mut row.field(at)).map_err(|error| error.with_field(field.name()))
        })
    }
}

fn object(record: &[u8]) -> Result<Map<String, Value>> {
    serde_json::from_slice(record).map_err(|error| {
        let start = String::from_utf8_lossy(&record[..record.len().min(40)]).into_owned();
        let message = format!("found {}, expected an object of JSON: {error}", quoted(&start));
        Error::new(ErrorKind::Header, message).with_source(error)
    })
}

fn value<'a>(record: &'a Map<String, Value>, key: &str) -> Result<&'a Value> {
    record.get(key).ok_or_else(|| {
        let has = list_names(record.keys().map(|it| quoted(it)).collect::<Vec<_>>().into_iter());
        let message = format!("no key {} in the record, it has {has}", quoted(key));
        Error::new(ErrorKind::Header, message).with_field(key)
    })
}

#[cold]
fn mismatch(found: &Value, expected: &str) -> Error {
    let mut found = found.to_string();
    if let Some((end, _)) = found.char_indices().nth(40) {
        found.truncate(end);
        found += "...";
    }
    let message = format!("found {}, expected {expected}", quoted(&found));
    Error::new(ErrorKind::DtypeMismatch, message)
}

/// A whole number, which true and false are, too.
fn whole(value: &Value) -> Option<i64> {
    value.as_i64().or_else(|| value.as_bool().map(i64::from))
}

/// A number, which true and false are, too.
fn number(value: &Value) -> Option<f64> {
    value.as_f64().or_else(|| value.as_bool().map(f64::from))
}

fn write(value: &Value, field: &mut FieldMut<'_>) -> Result<()> {
    if let (Value::String(text), RowDType::U8) = (value, field.declared().dtype()) {
        field.set_shape(&[text.len()])?;
        return field.copy_from_slice(text.as_bytes());
    }
    let values = match (value, field.declared().dims()) {
        (Value::Array(values), [_]) => {
            field.set_shape(&[values.len()])?;
            values
        }
        (Value::Array(_), _) => return Err(mismatch(value, "a number")),
        (_, [_]) => return Err(mismatch(value, "a list of numbers")),
        _ => std::slice::from_ref(value),
    };
    macro_rules! elements {
        ($type:ty, $of:expr, $expected:expr) => {{
            let of = |value: &Value| $of(value).ok_or_else(|| mismatch(value, $expected));
            let elements: Vec<$type> = values.iter().map(of).collect::<Result<_>>()?;
            field.copy_from_slice(&elements)
        }};
    }
    match field.declared().dtype() {
        RowDType::U8 => {
            let of = |it: &Value| whole(it).and_then(|it| u8::try_from(it).ok());
            elements!(u8, of, "a whole number of 0 to 255")
        }
        RowDType::U32 => {
            let of = |it: &Value| whole(it).and_then(|it| u32::try_from(it).ok());
            elements!(u32, of, "a whole number of 0 to 2^32 - 1")
        }
        RowDType::I64 => elements!(i64, whole, "a whole number"),
        RowDType::F32 => {
            elements!(f32, |it: &Value| number(it).map(|it| it as f32), "a number")
        }
        _ => elements!(f64, number, "a number"),
    }
}

#[cfg(test)]
mod tests {
    use std::io::Cursor;

    use super::*;
    use crate::SourceExt;

    const RECORD: &[u8] =
        br#"{"n": 3, "x": 0.5, "on": true, "ids": [1, 2], "xs": [1, 2.5], "text": "h\u00e9", "none": []}"#;

    #[test]
    fn fields_are_what_the_values_of_a_record_are() {
        let keys = ["text", "n", "x", "on", "ids", "xs", "none"];
        let schema = json_schema(RECORD, keys, 100).unwrap();
        let told: Vec<String> = schema.fields().iter().map(ToString::to_string).collect();
        let expected = [
            "text: u8[..=100]",
            "n: i64[]",
            "x: f32[]",
            "on: i64[]",
            "ids: i64[..=50]",
            "xs: f32[..=50]",
            "none: i64[..=50]",
        ];
        assert_eq!(told, expected);
        let records = [RECORD, b"\n", RECORD].concat();
        let source = Streamed::json_once(schema, Cursor::new(records), 100).unwrap();
        let sample = source.get(1).unwrap();
        assert_eq!(sample.field("text").bytes(), "h\u{e9}".as_bytes());
        assert_eq!(sample.field("n").as_slice::<i64>().unwrap(), [3]);
        assert_eq!(sample.field("on").as_slice::<i64>().unwrap(), [1]);
        assert_eq!(sample.field("xs").as_slice::<f32>().unwrap(), [1.0, 2.5]);
        assert_eq!(sample.field("none").shape(), [0]);
    }

    #[test]
    fn values_that_are_none_are_told_with_their_key() {
        let says = |error: Error, field: &str, words: &str| {
            assert_eq!(error.field(), Some(field), "{error}");
            assert!(error.to_string().contains(words), "{error}");
        };
        let schema = |record: &[u8]| json_schema(record, ["a"], 9).unwrap_err();
        says(schema(br#"{"b": 1, "c": 2}"#), "a", "no key \"a\" in the record, it has \"b\"");
        says(schema(br#"{"a": null}"#), "a", "found \"null\", expected a number");
        says(schema(br#"{"a": [[1]]}"#), "a", "a list of numbers");
        assert!(schema(b"[1]").to_string().contains("expected an object of JSON"));
        let read = |dtype, dims: Vec<Dim>, record: &str| {
            let schema = Schema::new(vec![Field::with_dims("a", dtype, dims)]).unwrap();
            let source = Streamed::json_once(schema, Cursor::new(record.to_owned()), 99).unwrap();
            source.get(0).unwrap_err()
        };
        let ragged = || vec![Dim::Ragged { max: 2 }];
        says(read(RowDType::I64, vec![], r#"{"a": 0.5}"#), "a", "a whole number");
        says(read(RowDType::U32, vec![], r#"{"a": -1}"#), "a", "2^32 - 1");
        says(read(RowDType::F64, vec![], r#"{"a": [1]}"#), "a", "expected a number");
        says(read(RowDType::F32, ragged(), r#"{"a": 1}"#), "a", "a list of numbers");
        says(read(RowDType::U8, ragged(), r#"{"a": "abc"}"#), "a", "3");
        let schema = Schema::new(vec![Field::new("a", RowDType::F16, &[])]).unwrap();
        let refused = Streamed::json_once(schema, Cursor::new(""), 9).unwrap_err();
        says(refused, "a", "expected u8, u32, i64, f32 or f64");
    }
}
