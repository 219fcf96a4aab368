//! Writing `.npy` files.

use std::fs;
use std::io;
use std::path::Path;
use std::str::FromStr;

/// An element type of numpy.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum NpyDtype {
    U8,
    I8,
    U16,
    I16,
    U32,
    I32,
    U64,
    I64,
    F16,
    F32,
    F64,
}

impl NpyDtype {
    pub(crate) const ALL: [Self; 11] = [
        Self::U8,
        Self::I8,
        Self::U16,
        Self::I16,
        Self::U32,
        Self::I32,
        Self::U64,
        Self::I64,
        Self::F16,
        Self::F32,
        Self::F64,
    ];

    /// The names on the command line and in numpy.
    fn names(self) -> (&'static str, &'static str) {
        match self {
            Self::U8 => ("u8", "|u1"),
            Self::I8 => ("i8", "|i1"),
            Self::U16 => ("u16", "<u2"),
            Self::I16 => ("i16", "<i2"),
            Self::U32 => ("u32", "<u4"),
            Self::I32 => ("i32", "<i4"),
            Self::U64 => ("u64", "<u8"),
            Self::I64 => ("i64", "<i8"),
            Self::F16 => ("f16", "<f2"),
            Self::F32 => ("f32", "<f4"),
            Self::F64 => ("f64", "<f8"),
        }
    }

    pub(crate) fn as_str(self) -> &'static str {
        self.names().0
    }

    /// Bytes per element.
    pub(crate) fn size(self) -> usize {
        match self {
            Self::U8 | Self::I8 => 1,
            Self::U16 | Self::I16 | Self::F16 => 2,
            Self::U32 | Self::I32 | Self::F32 => 4,
            Self::U64 | Self::I64 | Self::F64 => 8,
        }
    }
}

impl FromStr for NpyDtype {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let all = Self::ALL.map(Self::as_str);
        match Self::ALL.into_iter().find(|dtype| dtype.as_str() == text) {
            Some(dtype) => Ok(dtype),
            None if text == "bf16" => {
                Err("a .npy file cannot hold bf16; write f32 and convert after loading".to_owned())
            }
            None => {
                let short = text.replace("uint", "u").replace("int", "i").replace("float", "f");
                let meant = all.iter().find(|name| **name == short);
                let hint = meant.map_or(String::new(), |it| format!("; did you mean {it}?"));
                Err(format!("expected one of {}{hint}", all.join(", ")))
            }
        }
    }
}

/// The bytes of a version 1 `.npy` file before its payload, which begins at a multiple of 64.
pub(crate) fn header(dtype: NpyDtype, shape: &[usize]) -> Vec<u8> {
    const ALIGNMENT: usize = 64;
    let lengths: String = shape.iter().map(|len| format!("{len}, ")).collect();
    let lengths =
        if shape.len() == 1 { lengths.trim_end() } else { lengths.trim_end_matches(", ") };
    let descr = dtype.names().1;
    let mut text =
        format!("{{'descr': '{descr}', 'fortran_order': False, 'shape': ({lengths}), }}");
    let unpadded = b"\x93NUMPY".len() + 4 + text.len() + 1;
    text.extend(std::iter::repeat_n(' ', unpadded.next_multiple_of(ALIGNMENT) - unpadded));
    text.push('\n');
    let mut bytes = b"\x93NUMPY\x01\x00".to_vec();
    // The length cannot overflow: a shape with that many axes is refused earlier, because of its
    // size.
    bytes.extend(u16::try_from(text.len()).unwrap_or(u16::MAX).to_le_bytes());
    bytes.extend(text.as_bytes());
    bytes
}

/// Writes a file.
///
/// # Errors
///
/// The error of the operating system, with the name of the file.
pub(crate) fn write(path: &Path, bytes: &[u8]) -> Result<(), String> {
    fs::write(path, bytes).map_err(|error: io::Error| format!("cannot write {path:?}: {error}"))
}

#[cfg(test)]
mod tests {
    use tallow::{NpyFile, Source as _};

    use super::*;

    #[test]
    fn what_is_written_can_be_read() {
        let dir = tempfile::tempdir().unwrap();
        for dtype in NpyDtype::ALL {
            for shape in [&[2][..], &[2, 3], &[2, 1, 3]] {
                let path = dir.path().join("a.npy");
                let mut bytes = header(dtype, shape);
                assert_eq!(bytes.len() % 64, 0);
                bytes.resize(bytes.len() + shape.iter().product::<usize>() * dtype.size(), 0);
                write(&path, &bytes).unwrap();
                let source = NpyFile::open(&path).unwrap();
                assert_eq!(source.len(), 2);
                assert_eq!(source.schema().fields()[0].max_shape(), shape[1..]);
            }
        }
    }

    #[test]
    fn bf16_is_refused_with_what_to_do() {
        assert!("bf16".parse::<NpyDtype>().unwrap_err().contains("f32"));
        assert!("f8".parse::<NpyDtype>().unwrap_err().contains("expected one of u8, i8"));
    }
}
