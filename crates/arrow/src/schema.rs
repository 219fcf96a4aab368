use serde_json::Value;

use crate::flat::Table;
use crate::{Error, Kind, Result};

/// The columns of a file.
#[derive(Debug)]
pub struct ArrowSchema {
    pub(crate) fields: Vec<ArrowField>,
    /// What Hugging Face datasets says about the columns.
    features: Option<Value>,
}

/// A column, or a part of one.
#[derive(Debug)]
pub struct ArrowField {
    pub(crate) name: String,
    pub(crate) kind: Kind,
    pub(crate) children: Vec<ArrowField>,
    /// The shape of each value where an extension type says it; an axis without a length is ragged.
    pub(crate) shape: Option<Vec<Option<usize>>>,
}

impl ArrowSchema {
    pub(crate) fn of(table: &Table<'_>) -> Result<Self> {
        if table.i16(0)? != 0 {
            return Err(Error::unsupported("numbers in big-endian order"));
        }
        let mut left = FIELDS_MAX;
        let fields = table.tables(1)?.map(|field| ArrowField::of(&field?, 0, &mut left));
        let features = metadata(table, 2, "huggingface")?;
        let features = features.and_then(|text| serde_json::from_str::<Value>(&text).ok());
        let features = features.and_then(|value| value.get("info")?.get("features").cloned());
        Ok(Self { fields: fields.collect::<Result<_>>()?, features })
    }

    /// The columns, in the order of the file.
    pub fn fields(&self) -> &[ArrowField] {
        &self.fields
    }

    /// The names of the classes that the numbers of a column stand for, or those in its lists, where
    /// Hugging Face datasets wrote them.
    pub fn classes(&self, column: &str) -> Option<Vec<String>> {
        let mut feature = self.features.as_ref()?.get(column)?;
        while let Some(inner) = feature.get("feature").or_else(|| feature.get(0)) {
            feature = inner;
        }
        if feature.get("_type")?.as_str()? != "ClassLabel" {
            return None;
        }
        let names = feature.get("names")?.as_array()?.iter();
        let names: Vec<String> =
            names.map(|name| Some(name.as_str()?.to_owned())).collect::<Option<_>>()?;
        (!names.is_empty()).then_some(names)
    }

    /// The numbers of the buffers before which a batch has those of a view, which only it counts.
    pub(crate) fn views(&self) -> Vec<usize> {
        let mut ends = Vec::new();
        self.fields.iter().fold(0, |buffer, field| field.add_views(buffer, &mut ends));
        ends
    }

    /// The type that Hugging Face datasets gives a column, as `Image` or `ClassLabel`, where it wrote
    /// the file.
    pub fn feature(&self, column: &str) -> Option<&str> {
        self.features.as_ref()?.get(column)?.get("_type")?.as_str()
    }
}

/// The most fields of a schema, with those inside of others: a file of a few bytes can claim any number
/// of them.
const FIELDS_MAX: usize = 1 << 16;

/// How deep fields may lie in others.
const DEPTH_MAX: usize = 32;

impl ArrowField {
    fn of(table: &Table<'_>, depth: usize, left: &mut usize) -> Result<Self> {
        if depth > DEPTH_MAX || *left == 0 {
            let message =
                format!("more than {FIELDS_MAX} fields, or some more than {DEPTH_MAX} deep");
            return Err(Error::unsupported(message));
        }
        *left -= 1;
        let children = table.tables(5)?.map(|child| Self::of(&child?, depth + 1, left));
        let children = children.collect::<Result<Vec<_>>>()?;
        let (name, kind) = (table.text(0)?, Kind::of(table)?);
        if !kind.admits(&children) {
            let message = format!("column {name:?} has {} children", children.len());
            return Err(Error::malformed(message));
        }
        let is_array = metadata(table, 6, "ARROW:extension:name")?
            .is_some_and(|name| name.contains("Array") && name.ends_with("DExtensionType"));
        let shape = if is_array { metadata(table, 6, "ARROW:extension:metadata")? } else { None };
        Ok(Self { name, kind, children, shape: shape.and_then(|text| shape_of(&text)) })
    }

    /// The name of the column.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// What its values are.
    pub fn kind(&self) -> &Kind {
        &self.kind
    }

    /// Whether its values are numbers, text, bytes, or lists of numbers: what
    /// [`columns`](crate::Arrow::columns) can find. Texts of one list differ in length, so that no array
    /// holds them.
    pub fn holds_numbers(&self) -> bool {
        match &self.kind {
            Kind::Scalar(_) | Kind::Bytes { .. } | Kind::View | Kind::FixedBytes(_) => true,
            Kind::List { .. } | Kind::FixedList(_) => {
                let child = &self.children[0];
                !matches!(child.kind, Kind::Bytes { .. } | Kind::View) && child.holds_numbers()
            }
            Kind::Struct | Kind::Other { .. } => false,
        }
    }

    /// Adds the number of the buffer after those of each view in it, where its own begin with `buffer`;
    /// returns the buffer after its last.
    fn add_views(&self, mut buffer: usize, ends: &mut Vec<usize>) -> usize {
        buffer += self.kind.buffers();
        if self.kind == Kind::View {
            ends.push(buffer);
        }
        self.children.iter().fold(buffer, |buffer, child| child.add_views(buffer, ends))
    }

    /// Nodes and buffers of the field and all in it.
    pub(crate) fn extent(&self) -> (usize, usize) {
        let own = (1, self.kind.buffers());
        let children = self.children.iter().map(Self::extent);
        children.fold(own, |sum, child| (sum.0 + child.0, sum.1 + child.1))
    }
}

/// The shape of `[[2, null], "float32"]`.
fn shape_of(text: &str) -> Option<Vec<Option<usize>>> {
    let value: Value = serde_json::from_str(text).ok()?;
    let axis = |axis: &Value| match axis {
        Value::Null => Some(None),
        axis => Some(Some(usize::try_from(axis.as_u64()?).ok()?)),
    };
    value.get(0)?.as_array()?.iter().map(axis).collect()
}

fn metadata(table: &Table<'_>, field: usize, key: &str) -> Result<Option<String>> {
    for pair in table.tables(field)? {
        let pair = pair?;
        if pair.text(0)? == key {
            return pair.text(1).map(Some);
        }
    }
    Ok(None)
}
