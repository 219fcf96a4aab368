//! How tokens are stored, and how they become those that are delivered.

use std::fmt;
use std::ops::Range;

use crate::{Element, Error, ErrorKind, FieldMut, Result, RowDType};

/// The type of tokens in a file, little-endian.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum TokenType {
    U8,
    I8,
    U16,
    I16,
    U32,
    I32,
    I64,
}

/// Runs `$run` on the Rust type of a token type.
macro_rules! of_type {
    ($tokens:expr, $run:ident) => {
        match $tokens {
            TokenType::U8 => $run!(u8),
            TokenType::I8 => $run!(i8),
            TokenType::U16 => $run!(u16),
            TokenType::I16 => $run!(i16),
            TokenType::U32 => $run!(u32),
            TokenType::I32 => $run!(i32),
            TokenType::I64 => $run!(i64),
        }
    };
}

impl TokenType {
    /// That of files without a header whose elements are `dtype`.
    pub(super) fn of(dtype: RowDType) -> Result<Self> {
        Ok(match dtype {
            RowDType::U8 => Self::U8,
            RowDType::U16 => Self::U16,
            RowDType::I16 => Self::I16,
            RowDType::U32 => Self::U32,
            RowDType::I32 => Self::I32,
            RowDType::I64 => Self::I64,
            other => {
                let message = format!("tokens of {other}, expected integers");
                return Err(Error::new(ErrorKind::Config, message));
            }
        })
    }

    /// Bytes of a token.
    pub(super) fn bytes(self) -> usize {
        match self {
            Self::U8 | Self::I8 => 1,
            Self::U16 | Self::I16 => 2,
            Self::U32 | Self::I32 => 4,
            Self::I64 => 8,
        }
    }

    /// The tokens that may be delivered as `dtype`, if others can be stored.
    pub(super) fn allowed(self, dtype: RowDType, vocabulary: Option<u32>) -> Option<Range<i64>> {
        let is_unsigned = matches!(self, Self::U8 | Self::U16 | Self::U32);
        match (vocabulary, dtype) {
            (Some(vocabulary), _) => Some(0..vocabulary.into()),
            (None, RowDType::U32) if !is_unsigned => Some(0..1 << 32),
            (None, _) => None,
        }
    }

    /// The first of the `stored` tokens that is not in `allowed`, and its position.
    pub(super) fn outside(self, stored: &[u8], allowed: &Range<i64>) -> Option<(usize, i64)> {
        macro_rules! outside {
            ($token:ty) => {{
                let (tokens, _) = stored.as_chunks::<{ size_of::<$token>() }>();
                let value =
                    |bytes: &[u8; size_of::<$token>()]| i64::from(<$token>::from_le_bytes(*bytes));
                // Without a way out of the loop, so that it is made of vectors.
                let is_outside = |is: bool, bytes| is | !allowed.contains(&value(bytes));
                let is_any = tokens.iter().fold(false, is_outside);
                let mut values = tokens.iter().map(value).enumerate();
                is_any.then(|| values.find(|(_, value)| !allowed.contains(value))).flatten()
            }};
        }
        of_type!(self, outside)
    }

    /// Where the tokens are that equal `token`.
    pub(super) fn positions(self, stored: &[u8], token: u32, mut visit: impl FnMut(usize)) {
        macro_rules! positions {
            ($token:ty) => {{
                let wide = i64::from(token).to_le_bytes();
                let token: [u8; size_of::<$token>()] = std::array::from_fn(|at| wide[at]);
                if i64::from(<$token>::from_le_bytes(token)) != i64::from_le_bytes(wide) {
                    return;
                }
                let (tokens, _) = stored.as_chunks::<{ size_of::<$token>() }>();
                // Most blocks have none, and vectors tell that.
                for (block, tokens) in tokens.chunks(BLOCK).enumerate() {
                    if tokens.iter().fold(false, |is, own| is | (*own == token)) {
                        let found = tokens.iter().enumerate().filter(|(_, own)| **own == token);
                        found.for_each(|(at, _)| visit(block * BLOCK + at));
                    }
                }
            }};
        }
        of_type!(self, positions)
    }

    /// Writes the `stored` tokens, which are allowed, as the whole of `field`, of `u32` or `i64`.
    pub(super) fn write(self, stored: &[u8], field: &mut FieldMut<'_>) -> Result<()> {
        // What is allowed fits, so no conversion changes a value.
        macro_rules! write {
            ($token:ty) => {
                match field.declared().dtype() {
                    RowDType::I64 => {
                        widen(stored, field, |bytes| <$token>::from_le_bytes(bytes) as i64)
                    }
                    _ => widen(stored, field, |bytes| <$token>::from_le_bytes(bytes) as u32),
                }
            };
        }
        of_type!(self, write)
    }

    /// Writes the `stored` tokens, which are allowed, as the bytes of as many of `dtype`, `u32` or `i64`.
    pub(super) fn write_bytes(self, stored: &[u8], dtype: RowDType, into: &mut [u8]) {
        macro_rules! write {
            ($token:ty) => {
                match dtype {
                    RowDType::I64 => {
                        let wide = |bytes| (<$token>::from_le_bytes(bytes) as i64).to_ne_bytes();
                        convert(stored, into, wide)
                    }
                    _ => {
                        let wide = |bytes| (<$token>::from_le_bytes(bytes) as u32).to_ne_bytes();
                        convert(stored, into, wide)
                    }
                }
            };
        }
        of_type!(self, write)
    }
}

fn convert<const N: usize, const M: usize>(
    stored: &[u8],
    into: &mut [u8],
    convert: impl Fn([u8; N]) -> [u8; M],
) {
    let ((tokens, _), (into, _)) = (stored.as_chunks::<N>(), into.as_chunks_mut::<M>());
    into.iter_mut().zip(tokens).for_each(|(to, token)| *to = convert(*token));
}

/// Tokens between two looks at whether a document ends.
const BLOCK: usize = 64;

/// Elements that are converted together: enough for any vector.
const TOGETHER: usize = 32;

fn widen<const N: usize, T: Element>(
    stored: &[u8],
    field: &mut FieldMut<'_>,
    convert: impl Fn([u8; N]) -> T,
) -> Result<()> {
    let (tokens, _) = stored.as_chunks::<N>();
    if tokens.is_empty() {
        return field.copy_from_slice::<T>(&[]);
    }
    let mut whole = field.pieces::<T>(tokens.len())?;
    let mut run = whole.run(0..1);
    let (blocks, rest) = tokens.as_chunks::<TOGETHER>();
    run.extend(
        blocks.iter().map(|block| std::array::from_fn::<T, TOGETHER, _>(|at| convert(block[at]))),
    );
    run.extend(rest.iter().map(|token| [convert(*token)]));
    Ok(())
}

/// As candle and numpy spell it.
impl fmt::Display for TokenType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::U8 => "u8",
            Self::I8 => "i8",
            Self::U16 => "u16",
            Self::I16 => "i16",
            Self::U32 => "u32",
            Self::I32 => "i32",
            Self::I64 => "i64",
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Field, RowBuffer, Schema};

    /// What tokens become that are written as the field of a row.
    fn written<T: Element>(tokens: TokenType, stored: &[u8]) -> Vec<T> {
        let field = Field::new("x", T::DTYPE, &[stored.len() / tokens.bytes()]);
        let mut buffer = RowBuffer::new(&Schema::new(vec![field]).unwrap()).unwrap();
        tokens.write(stored, &mut buffer.row(None).field(0)).unwrap();
        buffer.finish().unwrap();
        buffer.view().field(0).as_slice::<T>().unwrap().to_vec()
    }

    #[test]
    fn every_length_and_type_keeps_its_values() {
        for len in [0, 1, 2, 31, 32, 33, 100] {
            let values: Vec<u16> = (0..len).map(|at| 65_535 - at * 601).collect();
            let stored: Vec<u8> = values.iter().flat_map(|value| value.to_le_bytes()).collect();
            let wide: Vec<u32> = values.iter().map(|&value| value.into()).collect();
            assert_eq!(written::<u32>(TokenType::U16, &stored), wide);
            let stored: Vec<u8> = wide.iter().flat_map(|value| value.to_le_bytes()).collect();
            assert_eq!(written::<u32>(TokenType::U32, &stored), wide);
            assert_eq!(written::<i64>(TokenType::U32, &stored).len(), wide.len());
        }
        assert_eq!(written::<i64>(TokenType::I8, &[0x9c, 7]), [-100, 7]);
        assert_eq!(written::<i64>(TokenType::U16, &[0xff, 0xff]), [65_535]);
        assert_eq!(written::<u32>(TokenType::I64, &[1, 0, 0, 0xff, 0, 0, 0, 0]), [0xff00_0001]);
        assert_eq!(written::<u32>(TokenType::U8, &[255]), [255]);
    }

    #[test]
    fn tokens_outside_of_what_is_allowed_are_found_with_their_place() {
        let allowed = |tokens: TokenType, dtype, vocabulary| tokens.allowed(dtype, vocabulary);
        assert_eq!(allowed(TokenType::U32, RowDType::U32, None), None);
        assert_eq!(allowed(TokenType::I32, RowDType::I64, None), None);
        assert_eq!(allowed(TokenType::I32, RowDType::U32, None), Some(0..1 << 32));
        assert_eq!(allowed(TokenType::U16, RowDType::I64, Some(10)), Some(0..10));
        let mut stored = [5, 0].repeat(100);
        assert_eq!(TokenType::I16.outside(&stored, &(0..6)), None);
        assert_eq!(TokenType::I16.outside(&stored, &(0..5)), Some((0, 5)));
        stored[198..].copy_from_slice(&(-100i16).to_le_bytes());
        assert_eq!(TokenType::I16.outside(&stored, &(0..6)), Some((99, -100)));
    }

    #[test]
    fn tokens_are_found_wherever_they_are() {
        let mut stored = [0; 400];
        for at in [0usize, 63, 64, 199] {
            stored[2 * at..][..2].copy_from_slice(&50_256u16.to_le_bytes());
        }
        let mut found = Vec::new();
        TokenType::U16.positions(&stored, 50_256, |at| found.push(at));
        assert_eq!(found, [0, 63, 64, 199]);
        TokenType::U16.positions(&stored, 100_000, |at| panic!("{at} holds what no u16 does"));
    }
}
