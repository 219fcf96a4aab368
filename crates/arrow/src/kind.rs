use crate::flat::Table;
use crate::schema::ArrowField;
use crate::{Error, Result};

/// A number as it is stored, in little-endian order.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[expect(missing_docs, reason = "the names are those of Rust's types")]
pub enum Scalar {
    /// One bit, of a byte the lowest first.
    Bool,
    I8,
    U8,
    I16,
    U16,
    I32,
    U32,
    I64,
    U64,
    F16,
    F32,
    F64,
}

impl Scalar {
    /// Bits of one.
    pub fn bits(self) -> u64 {
        match self {
            Self::Bool => 1,
            Self::I8 | Self::U8 => 8,
            Self::I16 | Self::U16 | Self::F16 => 16,
            Self::I32 | Self::U32 | Self::F32 => 32,
            Self::I64 | Self::U64 | Self::F64 => 64,
        }
    }
}

/// What the values of a column are.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Kind {
    /// One number.
    Scalar(Scalar),
    /// Text or bytes; `wide` where their offsets take 8 bytes instead of 4.
    Bytes {
        /// Whether offsets take 8 bytes.
        wide: bool,
    },
    /// Text or bytes that lie in buffers of their own, to which each value refers.
    View,
    /// This many bytes.
    FixedBytes(usize),
    /// A list of values of the one child.
    List {
        /// Whether offsets take 8 bytes.
        wide: bool,
    },
    /// A list of this many values of the one child.
    FixedList(usize),
    /// One value of each child.
    Struct,
    /// Values of another type, which have this name and, without their children, so many buffers.
    Other {
        /// The name of the type.
        name: &'static str,
        /// Its buffers.
        buffers: usize,
    },
}

impl Kind {
    /// That of the table of a field.
    pub(crate) fn of(field: &Table<'_>) -> Result<Self> {
        let other = |name, buffers| Ok(Self::Other { name, buffers });
        if field.table(4)?.is_some() {
            return other("dictionary", 2);
        }
        let kind = field.table(3)?;
        let kind = kind.ok_or_else(|| Error::malformed("a field of the schema has no type"))?;
        let size = |field| {
            let size = kind.i32(field)?;
            usize::try_from(size)
                .map_err(|_| Error::malformed(format!("a type of {size} elements")))
        };
        match field.byte(2)? {
            1 => other("null", 0),
            2 => integer(kind.i32(0)?, kind.byte(1)? != 0),
            3 => Ok(Self::Scalar(match kind.i16(0)? {
                0 => Scalar::F16,
                1 => Scalar::F32,
                2 => Scalar::F64,
                precision => {
                    return Err(Error::malformed(format!("a float of precision {precision}")));
                }
            })),
            4 | 5 => Ok(Self::Bytes { wide: false }),
            6 => Ok(Self::Scalar(Scalar::Bool)),
            7 => other("decimal", 2),
            8 => other("date", 2),
            9 => other("time", 2),
            10 => other("timestamp", 2),
            11 => other("interval", 2),
            12 => Ok(Self::List { wide: false }),
            13 => Ok(Self::Struct),
            // How many buffers a union has depends on the version of the format.
            14 => Err(Error::unsupported("a column of unions")),
            15 => Ok(Self::FixedBytes(size(0)?)),
            16 => Ok(Self::FixedList(size(0)?)),
            17 => other("map", 2),
            18 => other("duration", 2),
            19 | 20 => Ok(Self::Bytes { wide: true }),
            21 => Ok(Self::List { wide: true }),
            22 => other("run-end encoded", 0),
            23 | 24 => Ok(Self::View),
            25 | 26 => other("list view", 3),
            number => Err(Error::unsupported(format!("a column of type number {number}"))),
        }
    }

    /// Buffers without those of children, and without those of views that only a batch counts.
    pub(crate) fn buffers(&self) -> usize {
        match self {
            Self::Bytes { .. } => 3,
            Self::Scalar(_) | Self::View | Self::FixedBytes(_) | Self::List { .. } => 2,
            Self::FixedList(_) | Self::Struct => 1,
            Self::Other { buffers, .. } => *buffers,
        }
    }

    /// Whether a field of it has the children that it needs.
    pub(crate) fn admits(&self, children: &[ArrowField]) -> bool {
        match self {
            Self::List { .. } | Self::FixedList(_) => children.len() == 1,
            Self::Struct | Self::Other { .. } => true,
            _ => children.is_empty(),
        }
    }
}

fn integer(bits: i32, is_signed: bool) -> Result<Kind> {
    Ok(Kind::Scalar(match (bits, is_signed) {
        (8, true) => Scalar::I8,
        (8, false) => Scalar::U8,
        (16, true) => Scalar::I16,
        (16, false) => Scalar::U16,
        (32, true) => Scalar::I32,
        (32, false) => Scalar::U32,
        (64, true) => Scalar::I64,
        (64, false) => Scalar::U64,
        _ => return Err(Error::malformed(format!("an integer of {bits} bits"))),
    }))
}
