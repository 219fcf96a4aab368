//! Columns of Arrow's types as fields: which are read, what they become, and how a value enters a row. Arrow
//! and Parquet files share it.

use std::io;

use tallow_arrow::{ArrowField, ArrowSchema, Kind, Length, ReadAt, Scalar};

use crate::codecs::Widening;
use crate::error::{list_names, quoted};
use crate::files::{Limits, Section};
use crate::{Dim, Error, ErrorKind, Field, FieldMut, MAX_RANK, Picture, Result, RowDType};

/// What was said about columns.
#[derive(Debug, Clone, Default)]
pub struct Declared {
    /// Those that are read, or none for all.
    pub(super) names: Vec<String>,
    /// Those that are pictures, and what these become.
    pub(super) pictures: Vec<(String, Picture)>,
}

impl Declared {
    fn picture(&self, name: &str) -> Option<&Picture> {
        // Who says it again means the last.
        self.pictures.iter().rev().find(|(of, _)| of == name).map(|(_, picture)| picture)
    }
}

/// The columns that are read.
pub(super) struct Chosen {
    /// The position of each, and the part that is meant of those that are structs of pictures.
    pub(super) columns: Vec<(usize, Option<&'static str>)>,
    /// What each becomes that is of pictures.
    pub(super) pictures: Vec<Option<Picture>>,
    /// Name and type of those that are not, since no field holds their values, unless columns were named.
    pub(super) left_out: Vec<String>,
}

/// The columns that are declared, or else all that can be read.
pub(super) fn chosen(declared: &Declared, schema: &ArrowSchema) -> Result<Chosen> {
    let (columns, left_out) = columns_of(declared, schema)?;
    let names = || columns.iter().map(|&(at, _)| schema.fields()[at].name());
    for (name, _) in &declared.pictures {
        if !names().any(|own| own == name.as_str()) {
            let message = format!(
                ".picture(..) names {}, the columns are {}",
                quoted(name),
                list_names(names().map(quoted))
            );
            return Err(Error::new(ErrorKind::Config, message));
        }
    }
    let picture = |&(at, child): &(usize, Option<&str>)| {
        let field = &schema.fields()[at];
        match (declared.picture(field.name()), child) {
            (None, None) => Ok(None),
            (None, Some(_)) => Ok(Some(Picture::rgb().upright())),
            (Some(picture), _) if child.is_some() || is_of_bytes(field) => {
                Ok(Some(picture.clone()))
            }
            (Some(_), _) => Err(no_pictures(field)),
        }
    };
    let pictures = columns.iter().map(picture).collect::<Result<_>>()?;
    Ok(Chosen { columns, pictures, left_out })
}

/// Whether each value is as many bytes as it has.
fn is_of_bytes(field: &ArrowField) -> bool {
    matches!(field.kind(), Kind::Bytes { .. } | Kind::View)
}

#[cold]
fn no_pictures(field: &ArrowField) -> Error {
    let message = format!(
        ".picture(..) names {}, which is {}, expected bytes, or structs with \"bytes\"",
        quoted(field.name()),
        type_of(field)
    );
    Error::new(ErrorKind::Config, message)
}

/// Positions of columns, each with the part of it that is read if that is not all.
type Columns = Vec<(usize, Option<&'static str>)>;

/// The columns that are read, and name and type of those that are left out.
fn columns_of(declared: &Declared, schema: &ArrowSchema) -> Result<(Columns, Vec<String>)> {
    let names = &declared.names;
    let has_bytes = |field: &ArrowField| {
        field.children().iter().any(|part| part.name() == "bytes" && is_of_bytes(part))
    };
    let is_declared = |field: &ArrowField| {
        let is_struct = *field.kind() == Kind::Struct;
        is_struct && has_bytes(field) && declared.picture(field.name()).is_some()
    };
    let child =
        |field: &ArrowField| (is_declared(field) || is_picture(field, schema)).then_some("bytes");
    let columns = schema.fields().iter().enumerate();
    if names.is_empty() {
        let (mut chosen, mut left_out) = (Vec::new(), Vec::new());
        for (at, field) in columns {
            match (child(field), field.holds_numbers()) {
                (None, false) => left_out.push(format!("{} ({})", field.name(), type_of(field))),
                (child, _) => chosen.push((at, child)),
            }
        }
        if chosen.is_empty() {
            let message = format!(
                "no column of numbers, text, bytes, lists of these, or pictures; found {}",
                list_names(left_out.iter().cloned())
            );
            return Err(Error::new(ErrorKind::UnsupportedDtype, message));
        }
        return Ok((chosen, left_out));
    }
    let find = |name: &String| {
        let found = columns.clone().find(|(_, field)| field.name() == name);
        let none = || {
            let names: Vec<String> =
                schema.fields().iter().map(|field| quoted(field.name())).collect();
            let message = format!("no column {}, there are {}", quoted(name), names.join(", "));
            Error::new(ErrorKind::Config, message)
        };
        found.map(|(at, field)| (at, child(field))).ok_or_else(none)
    };
    Ok((names.iter().map(find).collect::<Result<_>>()?, Vec::new()))
}

/// Whether Hugging Face's metadata call a column pictures. Where they say nothing of it, as in files that
/// others wrote, structs that are made like those of pictures are some.
fn is_picture(field: &ArrowField, schema: &ArrowSchema) -> bool {
    let mut children: Vec<&str> = field.children().iter().map(ArrowField::name).collect();
    children.sort_unstable();
    let is_made_so = || children == ["bytes", "path"];
    *field.kind() == Kind::Struct
        && schema.features().feature(field.name()).map_or_else(is_made_so, |it| it == "Image")
}

/// What the values of a column are, in words.
fn type_of(field: &ArrowField) -> String {
    let parts = || {
        let names = field.children().iter().map(|child| child.name().to_owned());
        list_names(names)
    };
    match field.kind() {
        Kind::Struct => format!("struct of {}", parts()),
        Kind::List { .. } | Kind::FixedList(_) => {
            let inner = field.children().first().map(type_of);
            format!("list of {}", inner.as_deref().unwrap_or("nothing"))
        }
        Kind::Bytes { .. } | Kind::View | Kind::FixedBytes(_) => "text or bytes".to_owned(),
        Kind::Scalar(scalar) => format!("{scalar:?}").to_lowercase(),
        Kind::Other { name, .. } => (*name).to_owned(),
    }
}

/// How the numbers of a column are held in rows.
pub(super) fn held(scalar: Scalar) -> (RowDType, Widening) {
    let plain = |dtype| (dtype, Widening::None);
    match scalar {
        Scalar::Bool | Scalar::U8 => plain(RowDType::U8),
        Scalar::I8 => (RowDType::I16, Widening::I8ToI16),
        Scalar::I16 => plain(RowDType::I16),
        Scalar::U16 => plain(RowDType::U16),
        Scalar::I32 => plain(RowDType::I32),
        Scalar::U32 => plain(RowDType::U32),
        Scalar::I64 => plain(RowDType::I64),
        Scalar::U64 => (RowDType::I64, Widening::U64ToI64),
        Scalar::F16 => plain(RowDType::F16),
        Scalar::F32 => plain(RowDType::F32),
        Scalar::F64 => plain(RowDType::F64),
    }
}

/// The field that a column is, whose values have these lengths; of pictures, if it is one.
pub(super) fn field_of(
    schema: &ArrowSchema,
    column: &ArrowField,
    picture: Option<Picture>,
    (scalar, lengths): (Scalar, &[Length]),
) -> Field {
    let name = column.name();
    if let (Some(picture), [Length::Ragged(longest)]) = (picture, lengths) {
        return Field::pictures(name, picture.payload_bytes(*longest));
    }
    let dim = |length: &Length| match *length {
        Length::Fixed(len) => Dim::Fixed(len),
        Length::Ragged(max) => Dim::Ragged { max },
    };
    let dims = lengths.iter().map(dim).collect();
    let field = Field::with_dims(name, held(scalar).0, dims);
    match schema.features().classes(name) {
        Some(names) if field.dtype().is_integer() => field.with_classes(names),
        _ => field,
    }
}

/// The fields that have the samples of two files.
pub(super) fn common(fields: &[Field], own: &[Field]) -> Result<Vec<Field>> {
    let different = || {
        let told =
            |fields: &[Field]| fields.iter().map(Field::to_string).collect::<Vec<_>>().join("; ");
        let message = format!("found columns {}, expected {}", told(own), told(fields));
        Error::new(ErrorKind::ShapeMismatch, message)
    };
    if fields.len() != own.len() {
        return Err(different());
    }
    let pairs = fields.iter().zip(own);
    if let Some((field, own)) = pairs.clone().find(|(field, own)| field.classes() != own.classes())
    {
        let [found, expected] = [own, field].map(|it| {
            it.classes()
                .map_or("none".to_owned(), |names| list_names(names.iter().map(|it| quoted(it))))
        });
        let message = format!("found classes {found}, expected {expected} as in the first file");
        return Err(Error::new(ErrorKind::ShapeMismatch, message).with_field(field.name()));
    }
    pairs.map(|(field, own)| common_field(field, own).ok_or_else(different)).collect()
}

fn common_field(field: &Field, own: &Field) -> Option<Field> {
    let is_alike = field.name() == own.name()
        && field.dtype() == own.dtype()
        && field.dims().len() == own.dims().len()
        && field.as_picture().is_some() == own.as_picture().is_some();
    if !is_alike {
        return None;
    }
    if let Some(picture) = field.as_picture() {
        let longest = field.max_elements().max(own.max_elements());
        return Some(Field::pictures(field.name(), picture.clone().payload_bytes(longest)));
    }
    let dim = |(&field, &own): (&Dim, &Dim)| match (field, own) {
        (Dim::Ragged { max }, Dim::Ragged { max: other }) => {
            Some(Dim::Ragged { max: max.max(other) })
        }
        (field, own) => (field == own).then_some(field),
    };
    let dims = field.dims().iter().zip(own.dims()).map(dim).collect::<Option<_>>()?;
    Some(Field::with_dims(field.name(), field.dtype(), dims).with_classes_of(field))
}

/// What each field has where a value is null, of which `nulls` says some.
pub(super) fn null_elements(
    nulls: &[(String, f64)],
    fields: &[Field],
) -> Result<Vec<Option<[u8; 8]>>> {
    let mut elements = vec![None; fields.len()];
    for (name, value) in nulls {
        let refused = |message: String| Err(Error::new(ErrorKind::Config, message));
        let Some(at) = fields.iter().position(|field| field.name() == name) else {
            let names = list_names(fields.iter().map(|field| quoted(field.name())));
            let name = quoted(name);
            return refused(format!(".null_as(..) names {name}, the fields are {names}"));
        };
        let dtype = fields[at].dtype();
        elements[at] = match (dtype.element(*value), fields[at].as_picture()) {
            (Some(element), None) => Some(element),
            (_, Some(_)) => {
                return refused(format!(".null_as(..) gives {value} for a picture, {name:?}"));
            }
            (None, None) => {
                let name = quoted(name);
                return refused(format!(".null_as(..) gives {value} for {name}, which is {dtype}"));
            }
        };
    }
    Ok(elements)
}

/// Whether what is held to find values is within its limit.
pub(super) fn check_memory(bytes: usize, limits: &Limits) -> Result<()> {
    let most = limits.index_bytes;
    if bytes <= most {
        return Ok(());
    }
    let message = format!(
        "what finds the values of columns up to here takes {bytes} bytes, at most {most}; choose fields, or \
         set Limits::index_bytes"
    );
    Err(Error::new(ErrorKind::TooLarge, message))
}

/// Sets the shape of a ragged field to that of a value of `elements` elements, and sees that a field of fixed
/// shape has as many.
pub(super) fn set_shape(elements: usize, field: &mut FieldMut<'_>) -> Result<()> {
    let declared = field.declared();
    let inner = match declared.dims() {
        [Dim::Ragged { .. }, inner @ ..] => inner,
        _ if declared.max_elements() == elements => return Ok(()),
        _ => {
            let message = format!("a value of {elements} elements, expected {declared}");
            return Err(Error::new(ErrorKind::ShapeMismatch, message));
        }
    };
    let mut shape = [0; MAX_RANK];
    let each = inner.iter().zip(&mut shape[1..]).map(|(dim, len)| {
        *len = dim.max();
        *len
    });
    let each: usize = each.product();
    shape[0] = elements.checked_div(each).unwrap_or(0);
    field.set_shape(&shape[..declared.dims().len()])
}

/// Writes the element `null` throughout, or nothing where any length will do; without one, a null is an
/// error, in which `row` says where it lies.
pub(super) fn read_null(
    null: Option<&[u8; 8]>,
    row: impl FnOnce() -> String,
    field: &mut FieldMut<'_>,
) -> Result<()> {
    let declared = field.declared();
    let element = null.ok_or_else(|| is_null(declared, &row()))?;
    if declared.is_ragged() {
        let shape = declared.dims().iter().map(|dim| match *dim {
            Dim::Fixed(len) => len,
            Dim::Ragged { .. } => 0,
        });
        field.set_shape(&shape.collect::<Vec<_>>())?;
    }
    let element = &element[..declared.dtype().size()];
    let elements = field.as_mut_bytes()?.chunks_exact_mut(element.len());
    elements.for_each(|own| own.copy_from_slice(element));
    Ok(())
}

/// The error of a null in `row`.
#[cold]
fn is_null(field: &Field, row: &str) -> Error {
    let advice = match field.as_picture() {
        Some(_) => "; a picture that is only named is put into the file by save_to_disk",
        None => "; fill it with .null_as(..), or leave such rows out with dataset.filter",
    };
    Error::new(ErrorKind::Incomplete, format!("{row} is null, or has one{advice}"))
}

/// A file as what values are read from.
#[derive(Debug)]
pub struct Bytes<'a>(pub(super) Section<'a>);

impl ReadAt for Bytes<'_> {
    fn bytes(&self) -> u64 {
        self.0.len()
    }

    fn read_at(&self, offset: u64, buffer: &mut [u8]) -> io::Result<()> {
        self.0.read_exact_at(buffer, offset)
    }
}

#[cold]
pub(super) fn of_arrow(error: tallow_arrow::Error) -> Error {
    use tallow_arrow::ErrorKind as Kind;
    let kind = match error.kind() {
        Kind::Foreign => ErrorKind::Foreign,
        Kind::Truncated => ErrorKind::Truncated,
        Kind::Unsupported => ErrorKind::UnsupportedDtype,
        Kind::Io => ErrorKind::Io,
        _ => ErrorKind::Header,
    };
    let own = Error::new(kind, error.message());
    let own = match error.offset() {
        Some(offset) => own.with_offset(offset),
        None => own,
    };
    match error.into_io() {
        Some(source) => own.with_source(source),
        None => own,
    }
}
