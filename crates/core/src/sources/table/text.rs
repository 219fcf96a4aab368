//! From the text of a table to its columns.

use std::collections::{HashMap, HashSet};

use csv::{ByteRecord, ReaderBuilder};
use serde_json::{Map, Value};

use super::cells::{Cells, Texts};
use crate::error::{quoted, shortened};
use crate::{Error, ErrorKind, Result};

/// What a table holds.
#[derive(Debug)]
pub(super) struct Rows {
    pub(super) names: Vec<String>,
    pub(super) columns: Vec<Cells>,
    /// The line in which each row begins, from 1.
    pub(super) lines: Vec<u64>,
}

/// More columns than any table of labels has.
const COLUMNS_MAX: usize = 65_536;

#[cold]
fn refused(line: u64, what: &str) -> Error {
    Error::new(ErrorKind::Header, format!("line {line} {what}"))
}

/// Lines of values with something between them, after a header.
pub(super) fn of_columns(bytes: &[u8]) -> Result<Rows> {
    let header = bytes.split(|&byte| byte == b'\n').next().unwrap_or_default();
    let count = |mark: &u8| header.iter().filter(|byte| *byte == mark).count();
    // Of equals the last, which is the comma.
    let between = b"\t;,".iter().copied().max_by_key(count).unwrap_or(b',');
    let mut reader = ReaderBuilder::new().delimiter(between).flexible(true).from_reader(bytes);
    let header = reader.byte_headers().map_err(of_csv)?.clone();
    let names = header.iter().map(|name| Ok(trimmed(name, 1)?.to_owned()));
    let names: Vec<String> = names.collect::<Result<_>>()?;
    check_names(&names)?;
    let mut columns = vec![Texts::default(); names.len()];
    let (mut lines, mut record) = (Vec::new(), ByteRecord::new());
    while reader.read_byte_record(&mut record).map_err(of_csv)? {
        let line = record.position().map_or(0, |position| position.line());
        if record.len() != names.len() {
            let what =
                format!("has {} values, expected {} as in the header", record.len(), names.len());
            return Err(refused(line, &what));
        }
        for (column, value) in columns.iter_mut().zip(&record) {
            column.push(trimmed(value, line)?.as_bytes());
        }
        lines.push(line);
    }
    Ok(Rows { names, columns: columns.into_iter().map(Cells::Plain).collect(), lines })
}

fn trimmed(value: &[u8], line: u64) -> Result<&str> {
    match std::str::from_utf8(value) {
        Ok(text) => Ok(text.trim()),
        Err(_) => Err(refused(line, "is no UTF-8; save the table as UTF-8")),
    }
}

fn check_names(names: &[String]) -> Result<()> {
    let mut seen = HashSet::new();
    if names.len() > COLUMNS_MAX {
        let message = format!("{} columns, at most {COLUMNS_MAX}", names.len());
        return Err(Error::new(ErrorKind::TooLarge, message));
    }
    if let Some(twin) = names.iter().find(|name| !seen.insert(name.as_str())) {
        return Err(refused(1, &format!("has two columns called {}", quoted(twin))));
    }
    // A table without a header has its first row there.
    match names.iter().find(|name| name.is_empty() || name.parse::<f64>().is_ok()) {
        None => Ok(()),
        Some(name) => {
            let what = format!("has {} for the name of a column, expected a header", quoted(name));
            Err(refused(1, &what))
        }
    }
}

#[cold]
fn of_csv(error: csv::Error) -> Error {
    let message = shortened(error.to_string().replace('\n', " "));
    Error::new(ErrorKind::Header, message).with_source(error)
}

/// Lines of which each is an object of JSON.
pub(super) fn of_json_lines(bytes: &[u8]) -> Result<Rows> {
    let bytes = bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(bytes);
    let mut rows = Rows { names: Vec::new(), columns: Vec::new(), lines: Vec::new() };
    let mut places: HashMap<String, usize> = HashMap::new();
    for (line, text) in (1..).zip(bytes.split(|&byte| byte == b'\n')) {
        if text.iter().all(u8::is_ascii_whitespace) {
            continue;
        }
        let object: Map<String, Value> = serde_json::from_slice(text).map_err(|error| {
            let what = format!("is no object of JSON: {error}");
            refused(line, &shortened(what)).with_source(error)
        })?;
        let mut values = Vec::new();
        flatten("", object, &mut values);
        if rows.lines.is_empty() {
            begin(&mut rows, &mut places, &values, line)?;
        } else {
            add(&mut rows, &places, &values, line)?;
        }
        rows.lines.push(line);
    }
    match rows.lines.is_empty() {
        true => Err(Error::new(ErrorKind::Empty, "the table has no row")),
        false => Ok(rows),
    }
}

/// The values of an object by key; those of objects within it by both keys. How deep objects lie in one
/// another the parser has limited.
fn flatten(outer: &str, object: Map<String, Value>, values: &mut Vec<(String, Value)>) {
    for (key, value) in object {
        let name = if outer.is_empty() { key } else { format!("{outer}.{key}") };
        match value {
            Value::Object(inner) => flatten(&name, inner, values),
            value => values.push((name, value)),
        }
    }
}

fn begin(
    rows: &mut Rows,
    places: &mut HashMap<String, usize>,
    values: &[(String, Value)],
    line: u64,
) -> Result<()> {
    for (at, (name, value)) in values.iter().enumerate() {
        if places.insert(name.clone(), at).is_some() || at >= COLUMNS_MAX {
            return Err(refused(line, &format!("has too many keys, or {} twice", quoted(name))));
        }
        let cells = Cells::begun(value);
        let cells =
            cells.map_err(|what| refused(line, &format!("{what} under {}", quoted(name))))?;
        rows.names.push(name.clone());
        rows.columns.push(cells);
    }
    Ok(())
}

fn add(
    rows: &mut Rows,
    places: &HashMap<String, usize>,
    values: &[(String, Value)],
    line: u64,
) -> Result<()> {
    let first = rows.lines[0];
    for (name, value) in values {
        let Some(&at) = places.get(name) else {
            let what = format!("has the key {}, which line {first} has not", quoted(name));
            return Err(refused(line, &what));
        };
        let pushed = rows.columns[at].push(value);
        pushed.map_err(|what| refused(line, &format!("{what} under {}", quoted(name))))?;
    }
    if values.len() == rows.names.len() {
        return Ok(());
    }
    let is_absent = |name: &&String| values.iter().all(|(own, _)| own != *name);
    let absent = rows.names.iter().find(is_absent).map_or("", |name| name);
    Err(refused(line, &format!("has no key {}, which line {first} has", quoted(absent))))
}
