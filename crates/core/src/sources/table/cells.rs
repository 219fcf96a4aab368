//! The values of one column as they stand in the file.

use serde_json::Value;

/// The values of a column, row by row.
#[derive(Debug, Clone)]
pub(super) enum Cells {
    /// As the lines of a file have them: one text behind the other, and where each ends. Whether they
    /// are numbers is only known at the end.
    Plain(Texts),
    /// Strings of JSON.
    Strings(Texts),
    /// Numbers of JSON, or lists of them.
    Numbers(Numbers),
    /// `true` and `false`.
    Truths(Vec<bool>),
}

/// No value yet.
impl Default for Cells {
    fn default() -> Self {
        Self::Plain(Texts::default())
    }
}

/// Texts, held without an allocation each.
#[derive(Debug, Clone, Default)]
pub(super) struct Texts {
    bytes: Vec<u8>,
    ends: Vec<usize>,
}

impl Texts {
    pub(super) fn push(&mut self, text: &[u8]) {
        self.bytes.extend_from_slice(text);
        self.ends.push(self.bytes.len());
    }

    pub(super) fn len(&self) -> usize {
        self.ends.len()
    }

    pub(super) fn get(&self, at: usize) -> &[u8] {
        let start = at.checked_sub(1).map_or(0, |before| self.ends[before]);
        &self.bytes[start..self.ends[at]]
    }

    pub(super) fn iter(&self) -> impl ExactSizeIterator<Item = &[u8]> {
        (0..self.len()).map(|at| self.get(at))
    }
}

/// Numbers, and lists of numbers.
#[derive(Debug, Clone)]
pub(super) struct Numbers {
    /// The values, as long as all of them are integers.
    pub(super) integers: Option<Vec<i64>>,
    pub(super) floats: Vec<f64>,
    /// Where the values of each row end.
    pub(super) ends: Vec<usize>,
    /// The lengths of the lists in a list, which are those of all rows.
    pub(super) inner: Vec<usize>,
    /// The number of lists around a number.
    pub(super) rank: usize,
}

/// Deeper lists are refused.
const RANK_MAX: usize = 8;

impl Cells {
    /// A column whose first value is `value`.
    pub(super) fn begun(value: &Value) -> Result<Self, String> {
        let mut cells = match value {
            Value::String(_) => Self::Strings(Texts::default()),
            Value::Bool(_) => Self::Truths(Vec::new()),
            Value::Number(_) | Value::Array(_) => Self::Numbers(Numbers {
                integers: Some(Vec::new()),
                floats: Vec::new(),
                ends: Vec::new(),
                inner: Vec::new(),
                rank: rank_of(value),
            }),
            Value::Null | Value::Object(_) => return Err("has no value".to_owned()),
        };
        cells.push(value)?;
        Ok(cells)
    }

    pub(super) fn push(&mut self, value: &Value) -> Result<(), String> {
        match (self, value) {
            (Self::Strings(texts), Value::String(text)) => texts.push(text.as_bytes()),
            (Self::Truths(truths), Value::Bool(truth)) => truths.push(*truth),
            (Self::Numbers(numbers), Value::Number(_) | Value::Array(_)) => numbers.push(value)?,
            (_, Value::Null) => return Err("has no value".to_owned()),
            (cells, value) => {
                return Err(format!("has {}, expected {}", kind(value), cells.kind()));
            }
        }
        Ok(())
    }

    fn kind(&self) -> &'static str {
        match self {
            Self::Plain(_) | Self::Strings(_) => "text",
            Self::Truths(_) => "true or false",
            Self::Numbers(Numbers { rank: 0, .. }) => "a number",
            Self::Numbers(_) => "a list of numbers",
        }
    }

    pub(super) fn texts(&self) -> Option<&Texts> {
        match self {
            Self::Plain(texts) | Self::Strings(texts) => Some(texts),
            Self::Numbers(_) | Self::Truths(_) => None,
        }
    }
}

fn kind(value: &Value) -> &'static str {
    match value {
        Value::Null => "no value",
        Value::Bool(_) => "true or false",
        Value::Number(_) => "a number",
        Value::String(_) => "text",
        Value::Array(_) => "a list",
        Value::Object(_) => "an object",
    }
}

/// The lists around the first number of a value.
fn rank_of(value: &Value) -> usize {
    let mut rank = 0;
    let mut value = value;
    while let Value::Array(items) = value {
        rank += 1;
        let Some(first) = items.first() else { break };
        value = first;
    }
    rank
}

impl Numbers {
    fn push(&mut self, value: &Value) -> Result<(), String> {
        let found = rank_of(value);
        // A list of no lists is as deep as those of the other rows.
        let is_empty = matches!(value, Value::Array(items) if items.is_empty());
        if found > RANK_MAX {
            return Err(format!("has lists in lists {found} deep, at most {RANK_MAX}"));
        }
        if self.floats.is_empty() && found > self.rank {
            // All rows so far were empty lists.
            self.rank = found;
        }
        if found != self.rank && !(is_empty && self.rank > 0) {
            let expected = self.rank;
            return Err(format!("has {found} lists around a number, expected {expected}"));
        }
        match value {
            Value::Array(items) => {
                if self.inner.is_empty() && !items.is_empty() {
                    self.inner = inner_of(&items[0]);
                }
                let inner = self.inner.clone();
                items.iter().try_for_each(|item| self.add(item, &inner))?;
            }
            _ => self.add(value, &[])?,
        }
        self.ends.push(self.floats.len());
        Ok(())
    }

    fn add(&mut self, value: &Value, inner: &[usize]) -> Result<(), String> {
        match (value, inner) {
            (Value::Number(number), []) => {
                match (&mut self.integers, number.as_i64()) {
                    (Some(integers), Some(integer)) => integers.push(integer),
                    (integers, _) => *integers = None,
                }
                self.floats.push(number.as_f64().unwrap_or(f64::NAN));
                Ok(())
            }
            (Value::Array(items), [len, rest @ ..]) if items.len() == *len => {
                items.iter().try_for_each(|item| self.add(item, rest))
            }
            (Value::Array(items), [len, ..]) => {
                let found = items.len();
                Err(format!("has a list of {found} within a list, expected {len} as in the others"))
            }
            (value, _) => Err(format!("has {} within a list, expected numbers", kind(value))),
        }
    }
}

/// The lengths of the lists within a list, of which this is the first item.
fn inner_of(item: &Value) -> Vec<usize> {
    let mut lens = Vec::new();
    let mut value = item;
    while let Value::Array(items) = value {
        lens.push(items.len());
        let Some(first) = items.first() else { break };
        value = first;
    }
    lens
}
