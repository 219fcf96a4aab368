//! Tokens as Megatron-LM keeps them: a `.bin` file of nothing but tokens, and an `.idx` file beside it
//! that says where documents end. Each sample is a document.

use tallow::{RowView, Schema};

use super::samples::each_integer;
use crate::terminal::words;

/// The type of tokens in a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Stored {
    U16,
    /// What Megatron takes where 16 bits do not suffice. The bits are those of `u32`.
    I32,
}

/// Whether samples are tokens: one field of whole numbers with one axis.
///
/// # Errors
///
/// If they are not.
pub(crate) fn check(schema: &Schema) -> Result<(), String> {
    match schema.fields() {
        [field]
            if field.dtype().is_integer()
                && field.dims().len() == 1
                && field.as_picture().is_none() =>
        {
            Ok(())
        }
        _ => Err(format!(
            "found {}, expected one field of whole numbers with one axis, whose samples are documents; \
             choose it with --array NAME, or use --as tar",
            words::one_line(&schema.to_string())
        )),
    }
}

impl Stored {
    /// The type that holds all tokens up to `max`.
    ///
    /// # Errors
    ///
    /// If there is none.
    pub(crate) fn holding(max: i64) -> Result<Self, String> {
        match max {
            ..=0xffff => Ok(Self::U16),
            0x1_0000..=0x7fff_ffff => Ok(Self::I32),
            _ => Err(format!("found the token {max}, expected at most {}", i32::MAX)),
        }
    }

    pub(crate) fn of_name(name: &str) -> Option<Self> {
        [Self::U16, Self::I32].into_iter().find(|of| of.name() == name)
    }

    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::U16 => "u16",
            Self::I32 => "i32",
        }
    }

    pub(crate) fn bytes(self) -> usize {
        match self {
            Self::U16 => 2,
            Self::I32 => 4,
        }
    }

    /// Appends the tokens of a sample.
    pub(crate) fn append(self, row: RowView<'_>, to: &mut Vec<u8>) -> Result<(), String> {
        let mut beyond = None;
        let added = each_integer(&row.field(0), |token| {
            match (self, u16::try_from(token), i32::try_from(token)) {
                (Self::U16, Ok(token), _) => to.extend(token.to_le_bytes()),
                (Self::I32, _, Ok(token)) if token >= 0 => to.extend(token.to_le_bytes()),
                _ => beyond = Some(token),
            }
        });
        added.map_err(|error| error.to_string())?;
        match beyond {
            Some(token) => Err(format!("found the token {token}, expected 0 or more")),
            None => Ok(()),
        }
    }

    /// The index of documents that end at these bytes of the `.bin` file.
    pub(crate) fn index(self, ends: &[u64]) -> Vec<u8> {
        let mut bytes = b"MMIDIDX\0\0".to_vec();
        bytes.extend(1u64.to_le_bytes());
        // The code of the type.
        bytes.push(match self {
            Self::U16 => 8,
            Self::I32 => 4,
        });
        let count = ends.len() as u64;
        bytes.extend(count.to_le_bytes());
        bytes.extend((count + 1).to_le_bytes());
        let starts = || std::iter::once(&0).chain(ends);
        for (start, end) in starts().zip(ends) {
            // A sample is bounded by the limits of the source, far below this.
            let tokens = (end - start) / self.bytes() as u64;
            bytes.extend(i32::try_from(tokens).unwrap_or(i32::MAX).to_le_bytes());
        }
        starts().take(ends.len()).for_each(|start| bytes.extend(start.to_le_bytes()));
        (0..=count).for_each(|document| bytes.extend(document.to_le_bytes()));
        bytes
    }
}
