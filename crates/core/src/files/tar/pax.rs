//! The records of an extended header: `LENGTH KEY=VALUE\n`, each with its own length in it.

use crate::{Error, ErrorKind, Result};

/// What is said about the next entry.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Records {
    pub(super) path: Option<Vec<u8>>,
    pub(super) size: Option<u64>,
    pub(super) is_sparse: bool,
}

impl Records {
    pub(super) fn parse(mut bytes: &[u8]) -> Result<Self> {
        let mut records = Self::default();
        // Some programs fill the block with NULs and count them as well.
        while !bytes.iter().all(|&byte| byte == 0) {
            let (key, value, rest) = first(bytes).ok_or_else(|| {
                Error::new(ErrorKind::Header, "has an extended header that is no list of records")
            })?;
            match key {
                // Other programs cut the name there.
                b"path" if value.contains(&0) => {
                    let message = "has an extended header with a zero byte in a name";
                    return Err(Error::new(ErrorKind::Header, message));
                }
                b"path" => records.path = (!value.is_empty()).then(|| value.to_vec()),
                b"size" if value.is_empty() => records.size = None,
                b"size" => records.size = Some(size(value)?),
                _ if key.starts_with(b"GNU.sparse.") => records.is_sparse = true,
                _ => {}
            }
            bytes = rest;
        }
        Ok(records)
    }

    pub(super) fn is_empty(&self) -> bool {
        *self == Self::default()
    }
}

/// The first record, and what follows it.
fn first(bytes: &[u8]) -> Option<(&[u8], &[u8], &[u8])> {
    let space = bytes.iter().take(20).position(|&byte| byte == b' ')?;
    let len: usize = decimal(&bytes[..space])?.try_into().ok()?;
    let (record, rest) = bytes.split_at_checked(len)?;
    let record = record.get(space + 1..)?.strip_suffix(b"\n")?;
    let equals = record.iter().position(|&byte| byte == b'=')?;
    Some((&record[..equals], &record[equals + 1..], rest))
}

fn size(value: &[u8]) -> Result<u64> {
    decimal(value).ok_or_else(|| {
        Error::new(ErrorKind::Header, "has an extended header with a size that is no number")
    })
}

fn decimal(digits: &[u8]) -> Option<u64> {
    if digits.is_empty() || !digits.iter().all(u8::is_ascii_digit) {
        return None;
    }
    std::str::from_utf8(digits).ok()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn records_are_cut_by_their_own_lengths() {
        let records = Records::parse(b"11 path=a\nb\n9 mtime=\n10 size=5\n").unwrap_err();
        assert!(records.message().contains("no list of records"), "{records}");
        let records = Records::parse(b"12 path=a\nb\n9 mtime=\n10 size=5\n\0\0").unwrap();
        assert_eq!(records.path.as_deref(), Some(&b"a\nb"[..]));
        assert_eq!((records.size, records.is_sparse), (Some(5), false));
        assert!(Records::parse(b"22 GNU.sparse.major=1\n").unwrap().is_sparse);
        assert!(Records::parse(b"12 path=a\0b\n").is_err());
        for wrong in ["3", "99 a=b\n", "6 a=b", "0 a=b\n", "5 ab\n", "10 size=x\n", "x a=b\n"] {
            assert!(Records::parse(wrong.as_bytes()).is_err(), "{wrong:?}");
        }
    }
}
