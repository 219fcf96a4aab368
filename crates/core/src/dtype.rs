use std::fmt;

use candle_core::{CpuStorage, DType};

/// The element type of a row as a source writes it: what candle can hold, and `u16`.
///
/// candle has no `u16`, yet 16-bit images and token files are common and should take two bytes per
/// element until they are delivered. Such a field is delivered as `u32` unless a transform consumes
/// it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum RowDType {
    /// 8-bit unsigned integer; also how booleans are held.
    U8,
    /// 16-bit unsigned integer, delivered as `u32`.
    U16,
    /// 32-bit unsigned integer.
    U32,
    /// 16-bit signed integer; also how 8-bit signed integers are held.
    I16,
    /// 32-bit signed integer.
    I32,
    /// 64-bit signed integer; also how 64-bit unsigned integers are held, where they fit.
    I64,
    /// bfloat16.
    BF16,
    /// IEEE half precision.
    F16,
    /// IEEE single precision.
    F32,
    /// IEEE double precision.
    F64,
    /// 8-bit float, 4 bits of exponent and 3 of mantissa.
    F8E4M3,
}

impl RowDType {
    /// Whether elements are whole numbers.
    pub fn is_integer(self) -> bool {
        use RowDType::{I16, I32, I64, U8, U16, U32};
        matches!(self, U8 | U16 | U32 | I16 | I32 | I64)
    }

    /// Bytes of one element.
    pub fn size(self) -> usize {
        match self {
            Self::U8 | Self::F8E4M3 => 1,
            Self::U16 | Self::I16 | Self::BF16 | Self::F16 => 2,
            Self::U32 | Self::I32 | Self::F32 => 4,
            Self::I64 | Self::F64 => 8,
        }
    }

    /// The candle type of the delivered tensor.
    pub fn delivered(self) -> DType {
        match self {
            Self::U8 => DType::U8,
            Self::U16 | Self::U32 => DType::U32,
            Self::I16 => DType::I16,
            Self::I32 => DType::I32,
            Self::I64 => DType::I64,
            Self::BF16 => DType::BF16,
            Self::F16 => DType::F16,
            Self::F32 => DType::F32,
            Self::F64 => DType::F64,
            Self::F8E4M3 => DType::F8E4M3,
        }
    }

    /// The row type that holds candle's `dtype`; `None` for its sub-byte types.
    pub fn of(dtype: DType) -> Option<Self> {
        Some(match dtype {
            DType::U8 => Self::U8,
            DType::U32 => Self::U32,
            DType::I16 => Self::I16,
            DType::I32 => Self::I32,
            DType::I64 => Self::I64,
            DType::BF16 => Self::BF16,
            DType::F16 => Self::F16,
            DType::F32 => Self::F32,
            DType::F64 => Self::F64,
            DType::F8E4M3 => Self::F8E4M3,
            _ => return None,
        })
    }

    /// The bytes of an element that is `value`, in the machine's byte order, rounded where the type
    /// is a float: the first [`size`](Self::size) of those returned. `None` where an integer type
    /// does not hold the value exactly. Of an 8-bit float only 0 is known without the type's
    /// arithmetic.
    pub fn element(self, value: f64) -> Option<[u8; 8]> {
        fn first<const N: usize>(element: [u8; N]) -> [u8; 8] {
            std::array::from_fn(|i| element.get(i).copied().unwrap_or(0))
        }
        macro_rules! exact {
            ($integer:ty) => {{
                let element = value as $integer;
                (element as f64 == value).then(|| first(element.to_ne_bytes()))
            }};
        }
        match self {
            Self::U8 => exact!(u8),
            Self::U16 => exact!(u16),
            Self::U32 => exact!(u32),
            Self::I16 => exact!(i16),
            Self::I32 => exact!(i32),
            Self::I64 => exact!(i64),
            Self::BF16 => Some(first(half::bf16::from_f64(value).to_ne_bytes())),
            Self::F16 => Some(first(half::f16::from_f64(value).to_ne_bytes())),
            Self::F32 => Some(first((value as f32).to_ne_bytes())),
            Self::F64 => Some(first(value.to_ne_bytes())),
            Self::F8E4M3 => (value == 0.0).then_some([0; 8]),
        }
    }

    /// The elements of a tensor on the CPU as bytes, in the machine's byte order. `None` for 8-bit
    /// floats, whose bytes candle does not give, and for types of less than a byte.
    pub fn bytes_of(storage: &CpuStorage) -> Option<&[u8]> {
        Some(match storage {
            CpuStorage::U8(elements) => elements,
            CpuStorage::U32(elements) => bytemuck::cast_slice(elements),
            CpuStorage::I16(elements) => bytemuck::cast_slice(elements),
            CpuStorage::I32(elements) => bytemuck::cast_slice(elements),
            CpuStorage::I64(elements) => bytemuck::cast_slice(elements),
            CpuStorage::BF16(elements) => bytemuck::cast_slice(elements),
            CpuStorage::F16(elements) => bytemuck::cast_slice(elements),
            CpuStorage::F32(elements) => bytemuck::cast_slice(elements),
            CpuStorage::F64(elements) => bytemuck::cast_slice(elements),
            _ => return None,
        })
    }

    /// The name, as candle and the command line spell it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::U8 => "u8",
            Self::U16 => "u16",
            Self::U32 => "u32",
            Self::I16 => "i16",
            Self::I32 => "i32",
            Self::I64 => "i64",
            Self::BF16 => "bf16",
            Self::F16 => "f16",
            Self::F32 => "f32",
            Self::F64 => "f64",
            Self::F8E4M3 => "f8e4m3",
        }
    }
}

impl fmt::Display for RowDType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// An element of a row: plain old data with a [`RowDType`].
pub trait Element: bytemuck::Pod + Send + Sync {
    /// The row type of this element.
    const DTYPE: RowDType;
}

macro_rules! elements {
    ($($element:ty => $dtype:ident),* $(,)?) => {
        $(impl Element for $element {
            const DTYPE: RowDType = RowDType::$dtype;
        })*
    };
}

elements!(
    u8 => U8, u16 => U16, u32 => U32, i16 => I16, i32 => I32, i64 => I64,
    half::bf16 => BF16, half::f16 => F16, f32 => F32, f64 => F64,
);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn elements_are_exact_or_none() {
        let of = |dtype: RowDType, value| {
            dtype.element(value).map(|bytes| bytes[..dtype.size()].to_vec())
        };
        assert_eq!(of(RowDType::I16, -2.0), Some((-2i16).to_ne_bytes().to_vec()));
        assert_eq!(of(RowDType::F32, 0.5), Some(0.5f32.to_ne_bytes().to_vec()));
        assert_eq!((of(RowDType::U8, 256.0), of(RowDType::I64, 0.5)), (None, None));
        assert_eq!((of(RowDType::F8E4M3, 0.0), of(RowDType::F8E4M3, 1.0)), (Some(vec![0]), None));
    }

    #[test]
    fn sizes_agree_with_candle_except_where_u16_widens() {
        for dtype in [DType::U8, DType::U32, DType::I16, DType::I32, DType::I64, DType::F8E4M3] {
            let row = RowDType::of(dtype).unwrap();
            assert_eq!((row.size(), row.delivered()), (dtype.size_in_bytes(), dtype));
        }
        assert_eq!((RowDType::U16.size(), RowDType::U16.delivered()), (2, DType::U32));
    }
}
