use serde_json::Value;

use crate::flat::Table;
use crate::{Error, Features, Kind, Result};

/// The columns of a file.
#[derive(Debug)]
pub struct ArrowSchema {
    pub(crate) fields: Vec<ArrowField>,
    features: Features,
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
        let features = Features::of(features.as_deref());
        Ok(Self { fields: fields.collect::<Result<_>>()?, features })
    }

    /// Columns that another format holds, and what Hugging Face datasets says about them.
    pub fn new(fields: Vec<ArrowField>, features: Features) -> Self {
        Self { fields, features }
    }

    /// The columns, in the order of the file.
    pub fn fields(&self) -> &[ArrowField] {
        &self.fields
    }

    /// The numbers of the buffers before which a batch has those of a view, which only it counts.
    pub(crate) fn views(&self) -> Vec<usize> {
        let mut ends = Vec::new();
        self.fields.iter().fold(0, |buffer, field| field.add_views(buffer, &mut ends));
        ends
    }

    /// What Hugging Face datasets says about the columns.
    pub fn features(&self) -> &Features {
        &self.features
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

    /// A column of another format.
    pub fn new(name: impl Into<String>, kind: Kind, children: Vec<Self>) -> Self {
        Self { name: name.into(), kind, children, shape: None }
    }

    /// The columns in it.
    pub fn children(&self) -> &[Self] {
        &self.children
    }

    /// The shape of each value where an extension type says it; an axis without a length is ragged.
    pub fn shape(&self) -> Option<&[Option<usize>]> {
        self.shape.as_deref()
    }

    /// Takes what the column `other`, which describes the same values, says of their lengths: fixed lists
    /// and shapes.
    #[must_use]
    pub fn with_lengths_of(mut self, other: &Self) -> Self {
        self.shape.clone_from(&other.shape);
        if self.children.len() != other.children.len() {
            return self;
        }
        if let (Kind::List { .. }, Kind::FixedList(len)) = (&self.kind, &other.kind) {
            self.kind = Kind::FixedList(*len);
        }
        let pairs = self.children.into_iter().zip(&other.children);
        self.children = pairs.map(|(own, other)| own.with_lengths_of(other)).collect();
        self
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
