use npyz::{NpyHeader, TypeChar};

use super::admission::Admitted;
use crate::codecs::Widening;
use crate::error::quoted;
use crate::files::{Limits, Section, foreign};
use crate::schema::checked_bytes;
use crate::{Error, ErrorKind, Result, RowDType};

/// A header that has been checked, and what it takes to make a row of its payload.
#[derive(Debug)]
pub(crate) struct Header {
    /// The bytes from the beginning of the file to the payload.
    pub(crate) text: Vec<u8>,
    /// The type of the row.
    pub(crate) dtype: RowDType,
    pub(crate) shape: Vec<usize>,
    /// Bytes of one element in the file.
    pub(crate) stored_size: usize,
    /// Whether the payload is column-major in a way that matters.
    pub(crate) fortran_order: bool,
    /// Whether the bytes of each element are in the other order than this machine's.
    pub(crate) swapped: bool,
    pub(crate) widening: Widening,
}

impl Header {
    const MAGIC: &'static [u8] = b"\x93NUMPY";

    /// Reads the header of `file`, which may be a part of one.
    ///
    /// The order of the checks matters: nothing is allocated from a number in the file before it
    /// was compared with the length of the file and with the limits.
    pub(crate) fn read(file: Section<'_>, limits: &Limits) -> Result<Self> {
        let header = Self::read_first(file, limits)?;
        header.check_tail(file, limits)?;
        Ok(header)
    }

    /// The header of a file of `bytes` bytes that begins with `head`; `None` where that does not hold all of
    /// it, or where anything is wrong with it.
    pub(crate) fn of_beginning(head: &[u8], bytes: u64, limits: &Limits) -> Option<Self> {
        let (start, len) = Self::text_range(Section::of_memory(head)).ok()?;
        let len = usize::try_from(len).ok().filter(|&len| len <= limits.header_bytes)?;
        let header = Self::parse(head.get(..start.checked_add(len)?)?.to_vec(), start).ok()?;
        header.check_sizes(bytes).ok()?;
        (header.trailing_bytes(bytes) <= limits.trailing_bytes).then_some(header)
    }

    /// The header that `file` begins with, whatever comes after its array.
    fn read_first(file: Section<'_>, limits: &Limits) -> Result<Self> {
        let bytes = file.len();
        let (start, len) = Self::text_range(file)?;
        let end = start as u64 + len;
        if len > limits.header_bytes as u64 {
            let message = format!("a header of {len} bytes, at most {}", limits.header_bytes);
            return Err(Error::new(ErrorKind::TooLarge, message).with_offset(8));
        }
        if end > bytes {
            let message = format!("the header ends at byte {end}, the file at {bytes}");
            return Err(Error::new(ErrorKind::Truncated, message).with_offset(8));
        }
        let mut text = vec![0; end as usize];
        file.read_exact_at(&mut text, 0).map_err(|e| Error::io("read the header", e))?;
        let header = Self::parse(text, start)?;
        header.check_sizes(bytes)?;
        Ok(header)
    }

    /// Where the text of the header begins, and how long it claims to be.
    fn text_range(file: Section<'_>) -> Result<(usize, u64)> {
        const PREFIX_BYTES: usize = 12;
        let bytes = file.len();
        if bytes == 0 {
            return Err(Error::new(ErrorKind::Empty, "the file has no bytes"));
        }
        let mut prefix = [0u8; PREFIX_BYTES];
        let known = PREFIX_BYTES.min(usize::try_from(bytes).unwrap_or(usize::MAX));
        file.read_exact_at(&mut prefix[..known], 0).map_err(|e| Error::io("read the header", e))?;
        let beginning = &prefix[..known.min(Self::MAGIC.len())];
        if !Self::MAGIC.starts_with(beginning) {
            return Err(not_npy(file, beginning));
        }
        let (start, len) = match (prefix[6], prefix[7]) {
            (1, 0) => (10, u64::from(u16::from_le_bytes([prefix[8], prefix[9]]))),
            (2 | 3, 0) => {
                let len = u32::from_le_bytes([prefix[8], prefix[9], prefix[10], prefix[11]]);
                (12, u64::from(len))
            }
            (major, minor) if known >= 8 => {
                let message = format!("version {major}.{minor}, expected 1.0, 2.0 or 3.0");
                return Err(Error::new(ErrorKind::Header, message).with_offset(6));
            }
            _ => (PREFIX_BYTES, 0),
        };
        if known < start {
            let message = format!("the file ends after {known} bytes, inside its header");
            return Err(Error::new(ErrorKind::Truncated, message).with_offset(known as u64));
        }
        Ok((start, len))
    }

    fn parse(text: Vec<u8>, start: usize) -> Result<Self> {
        let admitted = Admitted::scan(&text[start..], start)?;
        let descr = canonical_descr(&admitted.descr);
        let at_descr = |error: Error| error.with_offset(start as u64);
        let dtype = parse_descr(&descr, &admitted.descr).map_err(at_descr)?;
        let longer_dims = admitted.shape.iter().filter(|&&len| len > 1).count();
        Ok(Self {
            text,
            dtype: dtype.row,
            stored_size: dtype.stored_size,
            swapped: dtype.big_endian != cfg!(target_endian = "big") && dtype.stored_size > 1,
            widening: dtype.widening,
            // With at most one longer dimension both orders are the same bytes.
            fortran_order: admitted.fortran_order && longer_dims > 1,
            shape: admitted.shape,
        })
    }

    /// Whether the file is as long as its header claims.
    pub(crate) fn check_sizes(&self, file_bytes: u64) -> Result<()> {
        let stored = checked_bytes(self.shape.iter().copied(), self.stored_size);
        let held = checked_bytes(self.shape.iter().copied(), self.dtype.size());
        let (Some(stored), Some(_)) = (stored, held) else {
            let message = format!("shape {:?} does not fit the address space", self.shape);
            return Err(Error::new(ErrorKind::TooLarge, message));
        };
        // A file may have shrunk since it began with a header as long as this one.
        let available = file_bytes.saturating_sub(self.payload_offset());
        if stored as u64 > available {
            let message = format!(
                "shape {:?} of {} takes {stored} bytes, the file holds {available}",
                self.shape, self.dtype
            );
            return Err(
                Error::new(ErrorKind::Truncated, message).with_offset(self.payload_offset())
            );
        }
        Ok(())
    }

    /// How many bytes lie after the array's end in a file of `file_bytes`.
    pub(crate) fn trailing_bytes(&self, file_bytes: u64) -> u64 {
        file_bytes.saturating_sub(self.end())
    }

    /// Whether no more lies after the array's end than the limits allow.
    pub(crate) fn check_tail(&self, file: Section<'_>, limits: &Limits) -> Result<()> {
        if self.trailing_bytes(file.len()) <= limits.trailing_bytes {
            return Ok(());
        }
        Err(self.trailing(file, limits))
    }

    /// Says what lies after the array's end: most often other arrays, saved into the same open
    /// file one after another.
    #[cold]
    fn trailing(&self, file: Section<'_>, limits: &Limits) -> Error {
        /// More than these are not counted: who sees that many knows what is wrong.
        const ARRAYS_MAX: usize = 10_000;
        let (mut at, mut arrays, mut rows) = (self.end(), 0, 0usize);
        while at < file.len() && arrays < ARRAYS_MAX {
            let Ok(next) = Self::read_first(file.part(at, u64::MAX), limits) else { break };
            at += next.end();
            arrays += 1;
            rows = rows.saturating_add(next.shape.first().copied().unwrap_or(1));
        }
        let arrays = match arrays {
            1 => "in a second array".to_owned(),
            _ => format!("in {arrays} more arrays"),
        };
        let message = if at == file.len() {
            let rows = if rows == 1 { "1 row lies".into() } else { format!("{rows} rows lie") };
            format!(
                "{rows} after the array's end, {arrays}, and only the first array is read; save \
                 each into a file of its own"
            )
        } else {
            format!("{} bytes lie after the array's end", self.trailing_bytes(file.len()))
        };
        Error::new(ErrorKind::Trailing, message).with_offset(self.end())
    }

    /// Where the payload ends.
    fn end(&self) -> u64 {
        self.payload_offset() + self.stored_bytes(&self.shape) as u64
    }

    /// Where the payload begins.
    pub(crate) fn payload_offset(&self) -> u64 {
        self.text.len() as u64
    }

    /// Whether the payload is a row as it is.
    pub(crate) fn is_plain(&self) -> bool {
        !self.fortran_order && !self.swapped && self.widening == Widening::None
    }

    /// Bytes of a payload of `shape`, which has been checked.
    pub(crate) fn stored_bytes(&self, shape: &[usize]) -> usize {
        shape.iter().product::<usize>() * self.stored_size
    }
}

#[cold]
fn not_npy(file: Section<'_>, beginning: &[u8]) -> Error {
    foreign::error(file, "a .npy file").unwrap_or_else(|| {
        let found = beginning.escape_ascii();
        let message = format!("begins with \"{found}\", expected \"\\x93NUMPY\"");
        Error::new(ErrorKind::Foreign, message).with_offset(0)
    })
}

struct Dtype {
    row: RowDType,
    stored_size: usize,
    big_endian: bool,
    widening: Widening,
}

/// The one spelling that we parse, of the many that numpy reads: a byte order mark, a letter, a
/// size.
fn canonical_descr(descr: &str) -> String {
    const ALIASES: [(&str, &str); 26] = [
        ("?", "b1"),
        ("bool", "b1"),
        ("b", "i1"),
        ("int8", "i1"),
        ("B", "u1"),
        ("uint8", "u1"),
        ("h", "i2"),
        ("int16", "i2"),
        ("H", "u2"),
        ("uint16", "u2"),
        ("i", "i4"),
        ("int32", "i4"),
        ("I", "u4"),
        ("uint32", "u4"),
        ("q", "i8"),
        ("int64", "i8"),
        ("Q", "u8"),
        ("uint64", "u8"),
        ("e", "f2"),
        ("float16", "f2"),
        ("f", "f4"),
        ("float32", "f4"),
        ("d", "f8"),
        ("float64", "f8"),
        ("O", "O8"),
        ("object", "O8"),
    ];
    let (mark, rest) = match descr.as_bytes().first() {
        Some(b'<' | b'>' | b'=' | b'|') => (&descr[..1], &descr[1..]),
        _ => ("=", descr),
    };
    // numpy takes a mark before letters, not before names.
    let is = |alias: &str| alias == rest && (alias.len() == 1 || rest.len() == descr.len());
    let kind = ALIASES.iter().find(|(alias, _)| is(alias)).map_or(rest, |(_, kind)| kind);
    let native = if cfg!(target_endian = "big") { ">" } else { "<" };
    let mark = match (mark, kind) {
        (_, "b1" | "i1" | "u1" | "O8") => "|",
        ("=" | "|", _) => native,
        (mark, _) => mark,
    };
    format!("{mark}{kind}")
}

/// Parses our canonical rendering, which is flat and short, with `npyz`.
///
/// What is rendered must be letters and digits: a quote in a `descr` would end the string, and what
/// follows it would reach a parser that takes exponential time on nested brackets.
fn parse_descr(descr: &str, found: &str) -> Result<Dtype> {
    /// Longer than any `descr` that is read.
    const DESCR_BYTES_MAX: usize = 8;
    let kind = descr.trim_start_matches(['<', '>', '|']);
    let plain = kind.bytes().all(|byte| byte.is_ascii_alphanumeric());
    if !plain || descr.len() > DESCR_BYTES_MAX {
        return Err(unsupported(found));
    }
    let text = format!("{{'descr': '{descr}', 'fortran_order': False, 'shape': (), }}\n");
    let mut rendering = b"\x93NUMPY\x01\x00".to_vec();
    rendering.extend((text.len() as u16).to_le_bytes());
    rendering.extend(text.as_bytes());
    let header = NpyHeader::from_reader(&rendering[..]).ok();
    let plain = header.map(|header| header.dtype());
    let Some(npyz::DType::Plain(kind)) = plain else {
        return Err(unsupported(found));
    };
    let (row, widening) = match (kind.type_char(), kind.size_field()) {
        (TypeChar::Bool, 1) | (TypeChar::Uint, 1) => (RowDType::U8, Widening::None),
        (TypeChar::Int, 1) => (RowDType::I16, Widening::I8ToI16),
        (TypeChar::Int, 2) => (RowDType::I16, Widening::None),
        (TypeChar::Uint, 2) => (RowDType::U16, Widening::None),
        (TypeChar::Int, 4) => (RowDType::I32, Widening::None),
        (TypeChar::Uint, 4) => (RowDType::U32, Widening::None),
        (TypeChar::Int, 8) => (RowDType::I64, Widening::None),
        (TypeChar::Uint, 8) => (RowDType::I64, Widening::U64ToI64),
        (TypeChar::Float, 2) => (RowDType::F16, Widening::None),
        (TypeChar::Float, 4) => (RowDType::F32, Widening::None),
        (TypeChar::Float, 8) => (RowDType::F64, Widening::None),
        _ => return Err(unsupported(found)),
    };
    let stored_size = kind.size_field() as usize;
    Ok(Dtype { row, stored_size, big_endian: descr.starts_with('>'), widening })
}

/// What to do about a dtype that is not read.
#[cold]
fn unsupported(descr: &str) -> Error {
    let kind = descr.trim_start_matches(['<', '>', '=', '|']);
    let advice = match (kind.as_bytes().first(), kind) {
        (Some(b'O'), _) | (_, "object") => {
            "object arrays hold pickled Python objects, which are never loaded; save a numeric \
             array, say arr.astype(np.float32)"
        }
        (Some(b'c'), _) | (_, "F" | "D" | "G") => {
            "save real and imaginary parts as a last axis, arr.view(np.float32)"
        }
        (_, "V2") => {
            "numpy writes bfloat16 as V2 without saying so; save float32, or bfloat16 in a \
             .safetensors file"
        }
        (_, "V1" | "f1") => "numpy writes 8-bit floats this way; save float16 or float32",
        (Some(b'V'), _) => "save each field of the array as a .npy file of its own",
        (Some(b'S' | b'U' | b'a'), _) => "save text as numbers, say token ids",
        (Some(b'M' | b'm'), _) => "save dates as int64, arr.view(np.int64)",
        (_, "f16" | "f12" | "g" | "longdouble") => "save float64",
        _ => "save one of bool, int8..64, uint8..64, float16, float32, float64",
    };
    Error::new(ErrorKind::UnsupportedDtype, format!("{}; {advice}", quoted(descr)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(descr: &str) -> Option<(RowDType, usize, bool)> {
        let canonical = canonical_descr(descr);
        parse_descr(&canonical, descr).ok().map(|d| (d.row, d.stored_size, d.big_endian))
    }

    #[test]
    fn every_numeric_dtype_has_a_row_type_that_holds_it() {
        for (descr, expected, size) in [
            ("?", RowDType::U8, 1),
            ("|b1", RowDType::U8, 1),
            ("|i1", RowDType::I16, 1),
            ("|u1", RowDType::U8, 1),
            ("<i2", RowDType::I16, 2),
            ("<u2", RowDType::U16, 2),
            ("i4", RowDType::I32, 4),
            ("=u4", RowDType::U32, 4),
            ("int64", RowDType::I64, 8),
            ("<u8", RowDType::I64, 8),
            ("<f2", RowDType::F16, 2),
            ("|f4", RowDType::F32, 4),
            ("float64", RowDType::F64, 8),
        ] {
            assert_eq!(row(descr), Some((expected, size, false)), "{descr}");
        }
        assert_eq!(row(">f8"), Some((RowDType::F64, 8, true)));
        assert_eq!(row(">b1"), Some((RowDType::U8, 1, false)));
    }

    #[test]
    fn other_dtypes_are_refused_with_advice() {
        for (descr, advice) in [
            ("|O", "pickled"),
            ("<c8", "imaginary"),
            ("<V2", "bfloat16"),
            ("<f16", "float64"),
            ("<U5", "text"),
            ("|S5", "text"),
            ("<M8[ns]", "dates"),
            ("|V8", "of its own"),
            ("<f1", "8-bit floats"),
            ("", "save one of"),
            ("<f4<f4", "save one of"),
            ("<float32", "save one of"),
            ("<é", "save one of"),
            ("<f4', 'x': '", "save one of"),
            ("<f4', 'x': [[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[", "save one of"),
        ] {
            assert_eq!(row(descr), None, "{descr}");
            let error = unsupported(descr);
            assert!(error.message().contains(advice), "{error}");
        }
    }
}
