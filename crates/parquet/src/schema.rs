//! The schema of a Parquet file as one of Arrow's, and the way from a column to its numbers.

use parquet::basic::{ConvertedType, LogicalType, Repetition, Type as Physical};
use parquet::schema::types::Type;
use tallow_arrow::{ArrowField, Error, Kind, Result, Scalar};

/// How deep columns may lie in others.
const DEPTH_MAX: usize = 32;

/// The column that `of` describes. One that is repeated without a list around it, as old writers have it,
/// is a list.
pub(crate) fn field(of: &Type, depth: usize) -> Result<ArrowField> {
    let own = item(of, depth)?;
    Ok(match is_repeated(of) {
        true => ArrowField::new(of.name(), Kind::List { wide: false }, vec![own]),
        false => own,
    })
}

/// What `of` is, once where it is repeated.
fn item(of: &Type, depth: usize) -> Result<ArrowField> {
    if depth > DEPTH_MAX {
        return Err(Error::unsupported(format!("columns more than {DEPTH_MAX} deep")));
    }
    let named = |kind, children| ArrowField::new(of.name(), kind, children);
    if of.is_primitive() {
        return Ok(named(kind_of(of), Vec::new()));
    }
    if let Some(repeated) = list_of(of) {
        let inner = match item_of(repeated) {
            Some(inner) => field(inner, depth + 1)?,
            None => item(repeated, depth + 1)?,
        };
        return Ok(named(Kind::List { wide: false }, vec![inner]));
    }
    if is_map(of) {
        return Ok(named(Kind::Other { name: "map", buffers: 0 }, Vec::new()));
    }
    let children = of.get_fields().iter().map(|child| field(child, depth + 1));
    Ok(named(Kind::Struct, children.collect::<Result<_>>()?))
}

fn is_repeated(of: &Type) -> bool {
    let info = of.get_basic_info();
    info.has_repetition() && info.repetition() == Repetition::REPEATED
}

fn is_map(of: &Type) -> bool {
    let info = of.get_basic_info();
    matches!(info.converted_type(), ConvertedType::MAP | ConvertedType::MAP_KEY_VALUE)
        || matches!(info.logical_type_ref(), Some(LogicalType::Map))
}

/// The repeated part of a list.
fn list_of(of: &Type) -> Option<&Type> {
    let info = of.get_basic_info();
    let is_list = info.converted_type() == ConvertedType::LIST
        || matches!(info.logical_type_ref(), Some(LogicalType::List));
    let [repeated] = of.get_fields() else { return None };
    (is_list && is_repeated(repeated)).then_some(repeated.as_ref())
}

/// The item in the repeated group of a list of three levels; in one of two, the repeated part is the item.
fn item_of(repeated: &Type) -> Option<&Type> {
    let name = repeated.name();
    if repeated.is_primitive() || name == "array" || name.ends_with("_tuple") {
        return None;
    }
    match repeated.get_fields() {
        [item] => Some(item.as_ref()),
        _ => None,
    }
}

fn kind_of(of: &Type) -> Kind {
    let info = of.get_basic_info();
    let other = |name| Kind::Other { name, buffers: 0 };
    let scalar = Kind::Scalar;
    match (info.logical_type_ref(), info.converted_type()) {
        (Some(LogicalType::Decimal(_)), _) | (_, ConvertedType::DECIMAL) => {
            return other("decimal");
        }
        (Some(LogicalType::Date), _) | (_, ConvertedType::DATE) => return other("date"),
        (Some(LogicalType::Time(_)), _)
        | (_, ConvertedType::TIME_MILLIS | ConvertedType::TIME_MICROS) => return other("time"),
        (Some(LogicalType::Timestamp(_)), _)
        | (_, ConvertedType::TIMESTAMP_MILLIS | ConvertedType::TIMESTAMP_MICROS) => {
            return other("timestamp");
        }
        (Some(LogicalType::Unknown), _) => return other("null"),
        (_, ConvertedType::INTERVAL) => return other("interval"),
        (Some(LogicalType::Float16), _) => return scalar(Scalar::F16),
        _ => {}
    }
    match (of.get_physical_type(), info.converted_type()) {
        (Physical::BOOLEAN, _) => scalar(Scalar::Bool),
        (Physical::INT32, ConvertedType::INT_8) => scalar(Scalar::I8),
        (Physical::INT32, ConvertedType::UINT_8) => scalar(Scalar::U8),
        (Physical::INT32, ConvertedType::INT_16) => scalar(Scalar::I16),
        (Physical::INT32, ConvertedType::UINT_16) => scalar(Scalar::U16),
        (Physical::INT32, ConvertedType::UINT_32) => scalar(Scalar::U32),
        (Physical::INT32, _) => scalar(Scalar::I32),
        (Physical::INT64, ConvertedType::UINT_64) => scalar(Scalar::U64),
        (Physical::INT64, _) => scalar(Scalar::I64),
        (Physical::INT96, _) => other("timestamp"),
        (Physical::FLOAT, _) => scalar(Scalar::F32),
        (Physical::DOUBLE, _) => scalar(Scalar::F64),
        (Physical::BYTE_ARRAY, _) => Kind::Bytes { wide: false },
        (Physical::FIXED_LEN_BYTE_ARRAY, _) => match of {
            Type::PrimitiveType { type_length, .. } => {
                Kind::FixedBytes(usize::try_from(*type_length).unwrap_or(0))
            }
            Type::GroupType { .. } => other("group"),
        },
    }
}

/// The number of columns of numbers in `of`.
fn leaves(of: &Type) -> usize {
    if of.is_primitive() { 1 } else { of.get_fields().iter().map(|child| leaves(child)).sum() }
}

/// The position among all columns of numbers of the only one in top column `at`, or in its child; none
/// where that has several.
pub(crate) fn leaf(root: &Type, at: usize, child: Option<&str>) -> Option<usize> {
    let before = root.get_fields()[..at].iter().map(|column| leaves(column)).sum::<usize>();
    let column = &root.get_fields()[at];
    let Some(child) = child else { return (leaves(column) == 1).then_some(before) };
    let found = column.get_fields().iter().position(|own| own.name() == child)?;
    let inside = column.get_fields()[..found].iter().map(|own| leaves(own)).sum::<usize>();
    (leaves(&column.get_fields()[found]) == 1).then_some(before + inside)
}

/// The definition levels from which on there is an item in each list on the way to a column of numbers,
/// the outermost first. `path` has the name of each step.
pub(crate) fn list_levels(root: &Type, path: &[String]) -> Vec<i16> {
    let (mut levels, mut level, mut own) = (Vec::new(), 0, root);
    for name in path {
        let Some(next) = own.get_fields().iter().find(|field| field.name() == name) else { break };
        own = next.as_ref();
        let info = own.get_basic_info();
        let is_required = !info.has_repetition() || info.repetition() == Repetition::REQUIRED;
        level += i16::from(!is_required);
        if is_repeated(own) {
            levels.push(level);
        }
    }
    levels
}
