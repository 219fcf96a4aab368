use std::collections::HashSet;
use std::fmt;
use std::num::NonZeroU64;
use std::sync::Arc;

use xxhash_rust::xxh3::xxh3_64;

use crate::encoding::Picture;
use crate::{Error, ErrorKind, Result, RowDType, escaped};

/// The highest rank of a field. numpy's own limit.
pub const MAX_RANK: usize = 64;

/// One dimension of a field.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Dim {
    /// The same for every sample.
    Fixed(usize),
    /// Any length up to `max`; it may differ from sample to sample.
    Ragged {
        /// The longest that is accepted.
        max: usize,
    },
}

impl Dim {
    /// The largest length of this dimension.
    pub fn max(self) -> usize {
        match self {
            Self::Fixed(len) => len,
            Self::Ragged { max } => max,
        }
    }

    /// Whether `len` is a length of this dimension.
    pub fn admits(self, len: usize) -> bool {
        match self {
            Self::Fixed(expected) => len == expected,
            Self::Ragged { max } => len <= max,
        }
    }
}

/// `3`, or `..=400` if it is ragged.
impl fmt::Display for Dim {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Fixed(len) => write!(f, "{len}"),
            Self::Ragged { max } => write!(f, "..={max}"),
        }
    }
}

/// A field's name in one word, so that a read can tell another thread which field it is at.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct FieldId(NonZeroU64);

impl FieldId {
    /// That of a field called `name`.
    pub fn of(name: &str) -> Self {
        Self(NonZeroU64::new(xxh3_64(name.as_bytes())).unwrap_or(NonZeroU64::MAX))
    }

    /// From the word of an id; 0 is none.
    pub(crate) fn from_word(word: u64) -> Option<Self> {
        NonZeroU64::new(word).map(Self)
    }

    pub(crate) fn word(self) -> u64 {
        self.0.get()
    }
}

/// One named part of every sample: a dtype and a shape, and the names of its values if they are classes.
///
/// Fields are equal only if their classes are: samples of two sources in which 0 means a cat and a dog
/// cannot follow one another.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Field {
    name: String,
    id: FieldId,
    dtype: RowDType,
    dims: Vec<Dim>,
    /// What the bytes are where they are files of pictures.
    picture: Option<Picture>,
    /// What the values 0, 1 and so on are called.
    classes: Option<Arc<[String]>>,
}

impl Field {
    /// A field whose samples all have `shape`; `[]` is a scalar.
    pub fn new(name: impl Into<String>, dtype: RowDType, shape: &[usize]) -> Self {
        Self::with_dims(name, dtype, shape.iter().map(|&len| Dim::Fixed(len)).collect())
    }

    /// A field with these dimensions, of which some may be ragged.
    pub fn with_dims(name: impl Into<String>, dtype: RowDType, dims: Vec<Dim>) -> Self {
        let name = name.into();
        Self { id: FieldId::of(&name), name, dtype, dims, picture: None, classes: None }
    }

    /// A field of pictures, whose rows hold files: bytes, as many as the file of a sample has.
    /// [`decoded`](Self::decoded) is the field of their pixels.
    pub fn pictures(name: impl Into<String>, picture: Picture) -> Self {
        let dims = vec![Dim::Ragged { max: picture.payload_bytes_max() }];
        Self { picture: Some(picture), ..Self::with_dims(name, RowDType::U8, dims) }
    }

    /// The same field under another name.
    pub fn renamed(self, name: impl Into<String>) -> Self {
        let name = name.into();
        Self { id: FieldId::of(&name), name, ..self }
    }

    /// The same field, whose value 0 means the first of these names, 1 the second, and so on. A
    /// [`Schema`] admits them for integers alone. By default values have no names.
    ///
    /// ```
    /// use tallow_core::{Field, RowDType};
    ///
    /// let label = Field::new("label", RowDType::I64, &[]).with_classes(["cat", "dog"]);
    /// assert_eq!(label.classes().unwrap()[1], "dog");
    /// assert_eq!(label.to_string(), "label: i64[]");
    /// ```
    pub fn with_classes<S: Into<String>>(self, names: impl IntoIterator<Item = S>) -> Self {
        let classes = names.into_iter().map(Into::into).collect();
        Self { classes: Some(classes), ..self }
    }

    /// The same field with the names of the values of `other`, if they have any.
    pub fn with_classes_of(self, other: &Self) -> Self {
        Self { classes: other.classes.clone(), ..self }
    }

    /// The names of the values 0, 1 and so on, if they are classes.
    pub fn classes(&self) -> Option<&[String]> {
        self.classes.as_deref()
    }

    /// What the bytes of a row are where they are the file of a picture, which is not decoded yet.
    pub fn as_picture(&self) -> Option<&Picture> {
        self.picture.as_ref()
    }

    /// The field after decoding; a field that is not encoded stays what it is.
    pub fn decoded(&self) -> Self {
        match &self.picture {
            None => self.clone(),
            Some(picture) => Self::with_dims(self.name.as_str(), picture.dtype(), picture.dims()),
        }
    }

    /// The field's name in one word.
    pub fn id(&self) -> FieldId {
        self.id
    }

    /// The field's name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The element type of the row.
    pub fn dtype(&self) -> RowDType {
        self.dtype
    }

    /// The dimensions, outermost first.
    pub fn dims(&self) -> &[Dim] {
        &self.dims
    }

    /// The shape with every ragged dimension at its longest.
    pub fn max_shape(&self) -> Vec<usize> {
        self.dims.iter().map(|dim| dim.max()).collect()
    }

    /// Elements of the largest sample. Does not overflow for a field of a [`Schema`].
    pub fn max_elements(&self) -> usize {
        self.dims.iter().map(|dim| dim.max()).product()
    }

    /// Bytes of the largest sample. Does not overflow for a field of a [`Schema`].
    pub fn max_bytes(&self) -> usize {
        self.max_elements() * self.dtype.size()
    }

    /// Whether any dimension is ragged.
    pub fn is_ragged(&self) -> bool {
        self.dims.iter().any(|dim| matches!(dim, Dim::Ragged { .. }))
    }

    /// Whether a sample of `shape` belongs to this field.
    pub fn admits(&self, shape: &[usize]) -> bool {
        shape.len() == self.dims.len()
            && self.dims.iter().zip(shape).all(|(dim, &len)| dim.admits(len))
    }

    /// Bytes of a sample, or `None` when the sizes do not fit `isize`.
    pub(crate) fn checked_bytes(&self) -> Option<usize> {
        checked_bytes(self.dims.iter().map(|dim| dim.max()), self.dtype.size())
    }
}

/// The name is [`escaped`].
impl fmt::Display for Field {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(picture) = &self.picture {
            return write!(f, "{}: {picture}", escaped(&self.name));
        }
        write!(f, "{}: {}[", escaped(&self.name), self.dtype)?;
        for (i, dim) in self.dims.iter().enumerate() {
            let comma = if i == 0 { "" } else { ", " };
            write!(f, "{comma}{dim}")?;
        }
        f.write_str("]")
    }
}

/// Elements times size, checked also where a dimension is 0; `None` above `isize::MAX`.
pub(crate) fn checked_bytes(dims: impl Iterator<Item = usize>, size: usize) -> Option<usize> {
    let mut bytes = size;
    let mut zero = false;
    for len in dims {
        zero |= len == 0;
        bytes = bytes.checked_mul(len.max(1))?;
    }
    (bytes <= isize::MAX as usize).then_some(if zero { 0 } else { bytes })
}

/// The fields of every sample of a source, known before anything is read.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Schema(Vec<Field>);

impl Schema {
    /// A schema of `fields`, in the order in which they are read and delivered.
    ///
    /// # Errors
    ///
    /// All problems at once: no field, an empty or repeated name, a rank above [`MAX_RANK`], a
    /// sample that does not fit the address space.
    pub fn new(fields: Vec<Field>) -> Result<Self> {
        let mut problems = Vec::new();
        // A file may hold hundreds of thousands of tensors: each name is looked up once.
        let mut names = HashSet::new();
        if fields.is_empty() {
            problems.push("a schema needs at least one field".to_owned());
        }
        for (i, field) in fields.iter().enumerate() {
            if field.name.is_empty() {
                problems.push(format!("field {i} has an empty name"));
            }
            if !names.insert(field.name.as_str()) {
                problems.push(format!("two fields are named {:?}", field.name));
            }
            if field.dims.len() > MAX_RANK {
                let rank = field.dims.len();
                problems.push(format!("{:?} has rank {rank}, at most {MAX_RANK}", field.name));
            }
            if let Some(classes) = &field.classes
                && (classes.is_empty() || !field.dtype.is_integer())
            {
                let count = classes.len();
                problems.push(format!(
                    "{field} has {count} names of classes, expected some, of a field of integers"
                ));
            }
            if field.checked_bytes().is_none() {
                problems.push(format!("a sample of {field} does not fit the address space"));
            }
        }
        let total = fields.iter().try_fold(0usize, |sum, f| sum.checked_add(f.checked_bytes()?));
        if problems.is_empty() && total.is_none_or(|total| total > isize::MAX as usize) {
            problems.push("a sample does not fit the address space".to_owned());
        }
        if problems.is_empty() {
            Ok(Self(fields))
        } else {
            Err(Error::new(ErrorKind::Config, problems.join("; ")))
        }
    }

    /// The fields.
    pub fn fields(&self) -> &[Field] {
        &self.0
    }

    /// The fields as they are once all pictures are decoded.
    ///
    /// # Errors
    ///
    /// When a decoded sample does not fit the address space.
    pub fn decoded(&self) -> Result<Self> {
        self.decoded_where(|_| true)
    }

    /// The fields as they are once the pictures are decoded whose position `is_decoded` says.
    ///
    /// # Errors
    ///
    /// As [`decoded`](Self::decoded).
    pub fn decoded_where(&self, is_decoded: impl Fn(usize) -> bool) -> Result<Self> {
        let fields = self.0.iter().enumerate();
        let fields =
            fields.map(|(at, field)| if is_decoded(at) { field.decoded() } else { field.clone() });
        Self::new(fields.collect())
    }

    /// The position of the field called `name`.
    pub fn position(&self, name: &str) -> Option<usize> {
        self.0.iter().position(|field| field.name == name)
    }

    /// Whether one of the fields is `field`.
    pub(crate) fn holds(&self, field: FieldId) -> bool {
        self.0.iter().any(|own| own.id() == field)
    }

    /// Bytes of the largest sample.
    pub fn max_bytes(&self) -> usize {
        self.0.iter().map(Field::max_bytes).sum()
    }
}

impl fmt::Display for Schema {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (i, field) in self.0.iter().enumerate() {
            write!(f, "{}{field}", if i == 0 { "" } else { "; " })?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_problem_of_a_schema_is_listed() {
        let huge = Field::new("a", RowDType::F64, &[usize::MAX, 0, 2]);
        let error = Schema::new(vec![huge, Field::new("a", RowDType::U8, &[0; 65])]).unwrap_err();
        let text = error.to_string();
        assert!(text.contains("two fields") && text.contains("rank 65"), "{text}");
        assert!(text.contains("address space"), "a zero must not hide an overflow: {text}");
    }

    #[test]
    fn classes_are_part_of_a_field_and_name_integers_alone() {
        let of = |dtype, classes: &[&str]| {
            Field::new("y", dtype, &[]).with_classes(classes.iter().copied())
        };
        let [one, other] = [["cat", "dog"], ["dog", "cat"]].map(|it| of(RowDType::U8, &it));
        assert_ne!(one, other);
        assert_eq!(one.clone().renamed("z").with_classes_of(&other).classes(), other.classes());
        assert_eq!(one.decoded(), one);
        for refused in [of(RowDType::F32, &["cat"]), of(RowDType::U8, &[])] {
            let error = Schema::new(vec![refused]).unwrap_err().to_string();
            assert!(error.contains("names of classes"), "{error}");
        }
        Schema::new(vec![one]).unwrap();
    }

    #[test]
    fn names_that_a_terminal_would_obey_are_shown() {
        let field = Field::new("a\u{1b}[2J\u{202e}\n", RowDType::U8, &[3]);
        assert_eq!(field.to_string(), "a\\u{1b}[2J\\u{202e}\\n: u8[3]");
    }

    #[test]
    fn display_shows_shapes_and_ragged_maxima() {
        let dims = vec![Dim::Ragged { max: 400 }, Dim::Fixed(80)];
        let fields = vec![
            Field::with_dims("input", RowDType::F32, dims),
            Field::new("target", RowDType::I64, &[]),
        ];
        let schema = Schema::new(fields).unwrap();
        assert_eq!(schema.to_string(), "input: f32[..=400, 80]; target: i64[]");
        assert_eq!(schema.max_bytes(), 400 * 80 * 4 + 8);
    }
}
