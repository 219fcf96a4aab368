//! One header: a block of 512 bytes.

use crate::{Error, ErrorKind, Result};

/// Archives consist of blocks of this length.
pub(crate) const BLOCK_BYTES: usize = 512;

/// A block that says what follows it.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Header<'a>(&'a [u8; BLOCK_BYTES]);

/// What an entry is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    File,
    /// No file, and no bytes of its own.
    Folder,
    Link,
    Device,
    /// The name of the next entry, or that of what it links to.
    LongName,
    LongLink,
    /// Records about the next entry, or about all that follow.
    Pax,
    PaxForAll,
    /// Bytes that are no file: a list of names or a label.
    Other,
    /// What no program reads as a file of its own bytes, and what to do.
    Refused(&'static str),
}

/// Where the fields lie.
const NAME: std::ops::Range<usize> = 0..100;
const SIZE: std::ops::Range<usize> = 124..136;
const SUM: std::ops::Range<usize> = 148..156;
const KIND: usize = 156;
const MAGIC: std::ops::Range<usize> = 257..263;
const PREFIX: std::ops::Range<usize> = 345..500;

impl<'a> Header<'a> {
    /// The header in this block, if its sum of bytes is the one that it claims.
    pub(crate) fn of(block: &'a [u8; BLOCK_BYTES]) -> Option<Self> {
        let claimed = octal(&block[SUM])?;
        let all: u64 = block.iter().map(|&byte| u64::from(byte)).sum();
        let own: u64 = block[SUM].iter().map(|&byte| u64::from(byte)).sum();
        let spaces = SUM.len() as u64 * u64::from(b' ');
        if all - own + spaces == claimed {
            return Some(Self(block));
        }
        // Some old programs took bytes for signed numbers.
        let signed = |bytes: &[u8]| bytes.iter().map(|&byte| i64::from(byte as i8)).sum::<i64>();
        let sum = signed(block) - signed(&block[SUM]) + spaces as i64;
        (i64::try_from(claimed) == Ok(sum)).then_some(Self(block))
    }

    /// The length that it claims for what follows.
    pub(crate) fn size(&self) -> Result<u64> {
        let field = &self.0[SIZE];
        let refused = |what: &str| Err(Error::new(ErrorKind::Header, what));
        match field[0] {
            0x80 => {
                let (high, low) = field[1..].split_at(field.len() - 9);
                match <[u8; 8]>::try_from(low) {
                    Ok(low) if high.iter().all(|&byte| byte == 0) => Ok(u64::from_be_bytes(low)),
                    _ => refused("has a size of more than 2^64 bytes"),
                }
            }
            0x81.. => refused("has a negative size"),
            _ => octal(field).map_or_else(|| refused("has a size that is no number"), Ok),
        }
    }

    /// Whether it is of a file.
    pub(crate) fn is_file(&self) -> bool {
        self.kind() == Kind::File
    }

    pub(super) fn kind(&self) -> Kind {
        match self.0[KIND] {
            b'0' | 0 | b'7' if self.0[MAGIC] != *b"ustar\0" && self.name().ends_with(b"/") => {
                Kind::Folder
            }
            b'0' | 0 | b'7' => Kind::File,
            b'1' => Kind::Refused(
                "is a hard link to another member, which has no bytes of its own; pack the files again \
                 with tar --hard-dereference",
            ),
            b'2' => Kind::Link,
            b'3' | b'4' | b'6' => Kind::Device,
            b'5' => Kind::Folder,
            b'L' => Kind::LongName,
            b'K' => Kind::LongLink,
            b'x' | b'X' => Kind::Pax,
            b'g' => Kind::PaxForAll,
            b'S' => Kind::Refused("is sparse; pack the files again without --sparse"),
            b'M' => Kind::Refused("goes on from another volume; join the volumes first"),
            b'D' | b'V' => Kind::Other,
            _ => Kind::Refused("is of a kind that is not known; pack the files again"),
        }
    }

    /// The name, as far as it fits the header.
    pub(super) fn name(&self) -> Vec<u8> {
        let until_nul = |bytes: &'a [u8]| {
            let end = bytes.iter().position(|&byte| byte == 0).unwrap_or(bytes.len());
            &bytes[..end]
        };
        let name = until_nul(&self.0[NAME]);
        // GNU tar has times there.
        match until_nul(&self.0[PREFIX]) {
            prefix if !prefix.is_empty() && self.0[MAGIC] == *b"ustar\0" => {
                [prefix, b"/", name].concat()
            }
            _ => name.to_vec(),
        }
    }
}

/// A number in octal digits, between spaces and ended by a space or a NUL. None at all is 0.
fn octal(field: &[u8]) -> Option<u64> {
    let start = field.iter().position(|&byte| byte != b' ').unwrap_or(field.len());
    let field = &field[start..];
    let end = field.iter().position(|&byte| byte == b' ' || byte == 0).unwrap_or(field.len());
    field[..end].iter().try_fold(0u64, |number, &digit| match digit {
        b'0'..=b'7' => Some(number.checked_mul(8)? + u64::from(digit - b'0')),
        _ => None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_octal_or_big_endian() {
        let number = |field: &[u8]| octal(field);
        assert_eq!(number(b"0000644\0"), Some(0o644));
        assert_eq!(number(b"  17 \0"), Some(0o17));
        assert_eq!(number(b"\0\0\0"), Some(0));
        assert_eq!(number(b"19"), None);
        let mut block = [0; BLOCK_BYTES];
        block[SIZE].copy_from_slice(b"\x80\0\0\0\0\0\0\x02\0\0\0\x01");
        assert_eq!(Header(&block).size().unwrap(), 0x2_0000_0001);
        block[SIZE].copy_from_slice(b"\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff");
        assert!(Header(&block).size().unwrap_err().message().contains("negative"));
        block[SIZE].copy_from_slice(b"\x80\x01\0\0\0\0\0\0\0\0\0\0");
        assert!(Header(&block).size().is_err());
    }
}
