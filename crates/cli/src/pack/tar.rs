//! Samples as members of a tar archive, as WebDataset names them: `000007.jpg`, `000007.cls`.

use tallow::{Dim, Field, FieldView, RowDType, RowView, Schema};

use super::format::npy_dtype;
use crate::data::npy;
use crate::terminal::words;

/// The unit of an archive.
const BLOCK: usize = 512;

/// Two blocks of zeros end an archive.
pub(crate) const END: [u8; 2 * BLOCK] = [0; 2 * BLOCK];

/// What the fields of a sample are in an archive.
#[derive(Debug)]
pub(crate) struct Members {
    fields: Vec<Member>,
    /// Axes of arrays whose lengths differ, by the names that their readers know: axis, greatest length.
    ragged: Vec<(String, usize, usize)>,
    digits: usize,
}

#[derive(Debug)]
enum Member {
    /// A file of a picture, as it is. The extension says what it is, after the name of the field if there
    /// are several.
    Picture { prefix: String },
    /// A class as text.
    Class,
    /// Any other numbers, as `.npy`, with the part of the extension that is the field's name.
    Array { name: String },
}

/// How a reader calls the picture of a sample, and its class.
const PICTURE: &str = "image";
const CLASS: &str = "label";

impl Members {
    /// # Errors
    ///
    /// If a field cannot be a member.
    pub(crate) fn of(schema: &Schema, samples: usize) -> Result<Self, String> {
        let is_picture = |field: &&Field| field.as_picture().is_some();
        let pictures = schema.fields().iter().filter(is_picture).count();
        let classes = schema.fields().iter().filter(|field| is_class(field)).count();
        let member = |field: &Field| {
            let name = field.name().to_lowercase();
            if name.contains('/') {
                let name = words::one_line(&name);
                return Err(format!(
                    "the field {name:?} has a slash, which ends the name of a folder in an archive"
                ));
            }
            match (field.as_picture().is_some(), is_class(field)) {
                (true, _) if pictures == 1 => Ok(Member::Picture { prefix: String::new() }),
                (true, _) => Ok(Member::Picture { prefix: format!("{name}.") }),
                (false, true) if classes == 1 => Ok(Member::Class),
                _ => npy_dtype(field).map(|_| Member::Array { name }),
            }
        };
        let fields: Vec<Member> = schema.fields().iter().map(member).collect::<Result<_, _>>()?;
        let pairs = fields.iter().zip(schema.fields());
        let arrays = pairs.filter(|(member, _)| matches!(member, Member::Array { .. }));
        let ragged = arrays.flat_map(|(member, field)| {
            let dims = field.dims().iter().enumerate();
            let ragged = dims.filter(|(_, dim)| matches!(dim, Dim::Ragged { .. }));
            ragged.map(|(axis, dim)| (member.read_as(), axis, dim.max()))
        });
        let ragged = ragged.collect();
        let mut names: Vec<String> = fields.iter().map(Member::read_as).collect();
        names.sort_unstable();
        if let Some(pair) = names.windows(2).find(|pair| pair[0] == pair[1]) {
            return Err(format!("two fields would be called {:?} in an archive", pair[0]));
        }
        // So that names sort as numbers do.
        let digits = (samples.max(1) - 1).checked_ilog10().unwrap_or(0) as usize + 1;
        Ok(Self { fields, ragged, digits: digits.max(6) })
    }

    /// How the fields are called by who reads the archive.
    pub(crate) fn read_as(&self) -> Vec<String> {
        self.fields.iter().map(Member::read_as).collect()
    }

    /// The axes of arrays whose lengths differ: field, axis, greatest length.
    pub(crate) fn ragged(&self) -> &[(String, usize, usize)] {
        &self.ragged
    }

    /// Appends the members of a sample.
    pub(crate) fn append(
        &self,
        index: usize,
        row: RowView<'_>,
        to: &mut Vec<u8>,
    ) -> Result<(), String> {
        let key = format!("{index:0digits$}", digits = self.digits);
        for (at, member) in self.fields.iter().enumerate() {
            let field = row.field(at);
            match member {
                Member::Picture { prefix } => {
                    let name = format!("{key}.{prefix}{}", extension(field.bytes()));
                    append(&name, &[], field.bytes(), to);
                }
                Member::Class => {
                    let class = field.integer().map_err(|error| error.to_string())?;
                    append(&format!("{key}.cls"), &[], class.to_string().as_bytes(), to);
                }
                Member::Array { name } => {
                    let head = npy_head(&field)?;
                    append(&format!("{key}.{name}.npy"), &head, field.bytes(), to);
                }
            }
        }
        Ok(())
    }
}

impl Member {
    fn read_as(&self) -> String {
        match self {
            Self::Picture { prefix } if prefix.is_empty() => PICTURE.to_owned(),
            Self::Picture { prefix } => prefix.trim_end_matches('.').to_owned(),
            Self::Class => CLASS.to_owned(),
            Self::Array { name } => name.clone(),
        }
    }
}

/// A whole number, which is most likely a class.
fn is_class(field: &Field) -> bool {
    field.dims().is_empty() && field.dtype() == RowDType::I64
}

fn npy_head(field: &FieldView<'_>) -> Result<Vec<u8>, String> {
    Ok(npy::header(npy_dtype(field.declared())?, field.shape()))
}

/// The extension of a picture by its first bytes.
fn extension(picture: &[u8]) -> &'static str {
    match picture {
        [0xff, 0xd8, ..] => "jpg",
        [0x89, b'P', b'N', b'G', ..] => "png",
        _ => "webp",
    }
}

/// Appends a member whose contents are two parts.
fn append(name: &str, head: &[u8], rest: &[u8], to: &mut Vec<u8>) {
    let len = (head.len() + rest.len()) as u64;
    let is_ustar = name.len() <= NAME && name.is_ascii() && len <= SIZE_MAX;
    if !is_ustar {
        let mut records = Vec::new();
        record("path", name, &mut records);
        record("size", &len.to_string(), &mut records);
        to.extend(header(b"pax", records.len() as u64, b'x'));
        contents(&[&records], to);
    }
    let cut = &name.as_bytes()[..name.len().min(NAME)];
    to.extend(header(cut, len.min(SIZE_MAX), b'0'));
    contents(&[head, rest], to);
}

/// The longest name, and the largest member, of a header without extensions.
const NAME: usize = 100;
const SIZE_MAX: u64 = 0o777_7777_7777;

fn contents(parts: &[&[u8]], to: &mut Vec<u8>) {
    let len: usize = parts.iter().map(|part| part.len()).sum();
    parts.iter().for_each(|part| to.extend_from_slice(part));
    to.resize(to.len() + len.next_multiple_of(BLOCK) - len, 0);
}

/// A pax record: its own length in digits, a space, the key, the value, the end of the line.
fn record(key: &str, value: &str, to: &mut Vec<u8>) {
    let rest = format!(" {key}={value}\n");
    let mut len = rest.len();
    while len != rest.len() + len.to_string().len() {
        len = rest.len() + len.to_string().len();
    }
    to.extend(format!("{len}{rest}").as_bytes());
}

/// A ustar header without an owner and a time, so that the same samples are the same bytes.
fn header(name: &[u8], size: u64, kind: u8) -> [u8; BLOCK] {
    let mut header = [0; BLOCK];
    let mut put = |at: usize, bytes: &[u8]| header[at..at + bytes.len()].copy_from_slice(bytes);
    put(0, name);
    put(100, b"0000644\0");
    put(108, b"0000000\0");
    put(116, b"0000000\0");
    put(124, format!("{size:011o}\0").as_bytes());
    put(136, b"00000000000\0");
    put(148, b"        ");
    put(156, &[kind]);
    put(257, b"ustar\x0000");
    let sum: u32 = header.iter().map(|&byte| u32::from(byte)).sum();
    header[148..156].copy_from_slice(format!("{sum:06o}\0 ").as_bytes());
    header
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_record_counts_its_own_digits() {
        for (value, expected) in [("x", "9 path=x\n"), ("", "8 path=\n")] {
            let mut bytes = Vec::new();
            record("path", value, &mut bytes);
            assert_eq!(String::from_utf8(bytes).unwrap(), expected);
        }
        for len in 80..110 {
            let mut bytes = Vec::new();
            record("path", &"x".repeat(len), &mut bytes);
            let said = String::from_utf8(bytes.clone()).unwrap();
            assert_eq!(said.split(' ').next().unwrap().parse::<usize>().unwrap(), bytes.len());
        }
    }

    #[test]
    fn long_names_have_a_record_and_all_blocks_are_whole() {
        let mut bytes = Vec::new();
        append("a.npy", b"12", b"345", &mut bytes);
        assert_eq!((bytes.len(), &bytes[BLOCK..BLOCK + 5]), (2 * BLOCK, &b"12345"[..]));
        append(&"n".repeat(101), b"", b"x", &mut bytes);
        assert_eq!(bytes.len(), 6 * BLOCK);
        assert_eq!(bytes[2 * BLOCK + 156], b'x');
    }
}
