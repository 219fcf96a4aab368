//! What the bytes of a column are: the encodings of MDS.

use crate::codecs::Widening;
use crate::error::quoted;
use crate::{Error, ErrorKind, Result, RowDType};

/// One element of a column of numbers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Element {
    pub(super) dtype: RowDType,
    pub(super) widening: Widening,
    /// Bytes as it is stored.
    pub(super) bytes: usize,
}

impl Element {
    /// The element types by their names, and their numbers in arrays that say themselves what they are.
    const ALL: [(&'static str, u8, Self); 11] = [
        ("uint8", 8, Self::plain(RowDType::U8, 1)),
        ("int8", 9, Self { dtype: RowDType::I16, widening: Widening::I8ToI16, bytes: 1 }),
        ("uint16", 16, Self::plain(RowDType::U16, 2)),
        ("int16", 17, Self::plain(RowDType::I16, 2)),
        ("float16", 18, Self::plain(RowDType::F16, 2)),
        ("uint32", 32, Self::plain(RowDType::U32, 4)),
        ("int32", 33, Self::plain(RowDType::I32, 4)),
        ("float32", 34, Self::plain(RowDType::F32, 4)),
        ("uint64", 64, Self { dtype: RowDType::I64, widening: Widening::U64ToI64, bytes: 8 }),
        ("int64", 65, Self::plain(RowDType::I64, 8)),
        ("float64", 66, Self::plain(RowDType::F64, 8)),
    ];

    const fn plain(dtype: RowDType, bytes: usize) -> Self {
        Self { dtype, widening: Widening::None, bytes }
    }

    /// A byte as it is.
    pub(super) const BYTE: Self = Self::plain(RowDType::U8, 1);

    fn of_name(name: &str) -> Option<Self> {
        Self::ALL.iter().find(|(own, ..)| *own == name).map(|(.., element)| *element)
    }

    /// The type that an array says with this number.
    pub(super) fn of_number(number: u8) -> Option<Self> {
        Self::ALL.iter().find(|(_, own, _)| *own == number).map(|(.., element)| *element)
    }
}

/// What the values of a column are.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Encoding {
    /// Numbers of one shape, without a header.
    Fixed(Element, Vec<usize>),
    /// An array that says its shape, and its element type where there is none here.
    Array(Option<Element>),
    /// An array of one shape that says its element type.
    Typed(Vec<usize>),
    Bytes,
    /// Bytes in UTF-8.
    Text,
    Picture,
    /// What is not read.
    Other,
}

impl Encoding {
    /// The encoding that an index calls `text`.
    pub(super) fn parse(text: &str) -> Result<Self> {
        let (name, config) = match text.split_once(':') {
            Some((name, config)) => (name, Some(config)),
            None => (text, None),
        };
        Ok(match (name, config) {
            ("ndarray", None) => Self::Array(None),
            ("ndarray", Some(config)) => return Self::array(text, config),
            ("int", None) => Self::number("int64"),
            ("bytes", None) => Self::Bytes,
            ("str" | "json" | "str_int" | "str_float" | "str_decimal", None) => Self::Text,
            ("jpeg" | "png", None) => Self::Picture,
            (_, None) => Self::number(name),
            _ => Self::Other,
        })
    }

    fn number(name: &str) -> Self {
        Element::of_name(name).map_or(Self::Other, |element| Self::Fixed(element, Vec::new()))
    }

    /// `DTYPE`, `DTYPE:SHAPE` or `:SHAPE`, which is behind `ndarray:`.
    fn array(text: &str, config: &str) -> Result<Self> {
        let (name, shape) = match config.split_once(':') {
            Some((name, shape)) => (name, Some(shape)),
            None => (config, None),
        };
        let refused = || {
            let message = format!(
                "found encoding {}, expected ndarray:DTYPE:SHAPE with lengths of at least 1",
                quoted(text)
            );
            Error::new(ErrorKind::Header, message)
        };
        let element = match name {
            "" | "None" => None,
            name => Some(Element::of_name(name).ok_or_else(refused)?),
        };
        let length = |text: &str| text.trim().parse().ok().filter(|&len: &usize| len > 0);
        let shape: Option<Vec<usize>> = match shape {
            None => None,
            Some(shape) => {
                let dims: Option<Vec<usize>> = shape.split(',').map(length).collect();
                Some(dims.ok_or_else(refused)?)
            }
        };
        Ok(match (element, shape) {
            (Some(element), Some(shape)) => Self::Fixed(element, shape),
            (None, Some(shape)) => Self::Typed(shape),
            (element, None) => Self::Array(element),
        })
    }

    /// Whether values are bytes, as many as their size.
    pub(super) fn is_bytes(&self) -> bool {
        matches!(self, Self::Bytes | Self::Text | Self::Picture)
    }

    /// Bytes of every value, where they are the same for all.
    ///
    /// # Errors
    ///
    /// When there are too many to be counted.
    pub(super) fn bytes(&self) -> Result<Option<u64>> {
        let Self::Fixed(element, shape) = self else { return Ok(None) };
        let dims = shape.iter().map(|&len| len as u64);
        let bytes = dims.chain([element.bytes as u64]).try_fold(1, u64::checked_mul);
        let too_large = || Error::new(ErrorKind::TooLarge, format!("values of shape {shape:?}"));
        bytes.map(Some).ok_or_else(too_large)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn encodings_are_read_as_the_writer_names_them() {
        let float = Element::of_name("float32").unwrap();
        for (text, expected) in [
            ("int", Encoding::Fixed(Element::of_name("int64").unwrap(), vec![])),
            ("float32", Encoding::Fixed(float, vec![])),
            ("ndarray:float32:3,4", Encoding::Fixed(float, vec![3, 4])),
            ("ndarray:float32", Encoding::Array(Some(float))),
            ("ndarray", Encoding::Array(None)),
            ("json", Encoding::Text),
            ("png", Encoding::Picture),
            ("pkl", Encoding::Other),
            ("list[png]", Encoding::Other),
            ("bytes:1", Encoding::Other),
        ] {
            assert_eq!(Encoding::parse(text).unwrap(), expected, "{text}");
        }
        for text in ["ndarray:complex64", "ndarray:uint8:0", "ndarray:uint8:", "ndarray:uint8:-1"] {
            let error = Encoding::parse(text).unwrap_err();
            assert!(error.message().contains(text), "{error}");
        }
        let huge = format!("ndarray:uint8:{0},{0}", 1u64 << 40);
        assert_eq!(
            Encoding::parse(&huge).unwrap().bytes().unwrap_err().kind(),
            ErrorKind::TooLarge
        );
    }
}
