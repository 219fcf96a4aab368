//! Where the arrays lie in archives that are all alike.

use crate::codecs::Header;
use crate::files::{Archive, File, Section};
use crate::{Result, Row};

/// How an archive is laid out whose arrays are not compressed and need no converting. Programs that
/// save samples of one shape write archives that differ in nothing but the elements, checksums and times.
/// Of such a file nothing is parsed: each array is read with what comes before it in one system
/// call, and that, and the directory at the end, are compared with those of the first.
#[derive(Debug)]
pub(super) struct NpzLayout {
    file_bytes: u64,
    arrays: Vec<Lead>,
    directory_at: u64,
    directory: Vec<u8>,
}

/// What comes before the elements of an array: the header of the member, and that of the array.
#[derive(Debug)]
struct Lead {
    at: u64,
    bytes: Vec<u8>,
    shape: Vec<usize>,
}

/// Longer than what `np.savez` writes before an array: 30 bytes and a name, 20, and 128.
const LEAD_BYTES_MAX: usize = 512;

/// The directory of 60 arrays.
const DIRECTORY_BYTES_MAX: usize = 4096;

/// Marks of the records of an archive, and where their lengths and what may differ lies.
const MEMBER: &[u8] = b"PK\x03\x04";
const ENTRY: &[u8] = b"PK\x01\x02";

impl NpzLayout {
    /// The layout of `file`, of which the members at `places` are read and have these headers; `None` for
    /// one that has to be parsed.
    pub(super) fn of(
        file: &File,
        file_bytes: u64,
        archive: &Archive<'_>,
        places: &[usize],
        headers: &[Header],
    ) -> Option<Self> {
        let section = Section::of_file(file, file_bytes);
        let bytes = |from: u64, to: u64, most: usize| {
            let len = usize::try_from(to.checked_sub(from)?).ok().filter(|&len| len <= most)?;
            let mut bytes = vec![0; len];
            section.read_exact_at(&mut bytes, from).ok()?;
            Some(bytes)
        };
        let lead = |(&at, header): (&usize, &Header)| {
            let member = &archive.members()[at];
            if member.is_compressed || !header.is_plain() {
                return None;
            }
            let end = member.start.checked_add(header.payload_offset())?;
            let mut bytes = bytes(member.header, end, LEAD_BYTES_MAX)?;
            mask_member(&mut bytes)?;
            Some(Lead { at: member.header, bytes, shape: header.shape.clone() })
        };
        let arrays: Option<Vec<Lead>> = places.iter().zip(headers).map(lead).collect();
        let directory_at = archive.directory_start();
        let mut directory = bytes(directory_at, file_bytes, DIRECTORY_BYTES_MAX)?;
        mask_directory(&mut directory)?;
        Some(Self { file_bytes, arrays: arrays?, directory_at, directory })
    }

    /// The length of a file that has this layout.
    pub(super) fn file_bytes(&self) -> u64 {
        self.file_bytes
    }

    /// Reads `fields` into those of `row`, one after the other. `false` for a file that is laid out in
    /// another way.
    pub(super) fn read(
        &self,
        file: &File,
        fields: impl Iterator<Item = usize>,
        row: &mut Row<'_>,
    ) -> Result<bool> {
        let mut directory = [0; DIRECTORY_BYTES_MAX];
        let directory = &mut directory[..self.directory.len()];
        if file.read_exact_at(directory, self.directory_at).is_err()
            || mask_directory(directory).is_none()
            || *directory != *self.directory
        {
            return Ok(false);
        }
        for (at, array) in fields.enumerate() {
            let Lead { at: start, bytes, shape } = &self.arrays[array];
            let mut field = row.field(at);
            field.restart();
            if field.set_shape(shape).is_err() {
                return Ok(false);
            }
            let mut lead = [0; LEAD_BYTES_MAX];
            let lead = &mut lead[..bytes.len()];
            let read = field.read_after_head(file, *start, lead)?;
            if read < lead.len() || mask_member(lead).is_none() || *lead != **bytes {
                return Ok(false);
            }
            field.read_rest(file, start + bytes.len() as u64)?;
        }
        Ok(true)
    }
}

/// Clears time and checksum in the header of a member.
fn mask_member(lead: &mut [u8]) -> Option<()> {
    lead.starts_with(MEMBER).then_some(())?;
    lead.get_mut(10..18)?.fill(0);
    Some(())
}

/// Clears times and checksums in the entries of a directory.
fn mask_directory(directory: &mut [u8]) -> Option<()> {
    const ENTRY_BYTES: usize = 46;
    let mut at = 0;
    while directory.get(at..)?.starts_with(ENTRY) {
        let entry = directory.get_mut(at..at + ENTRY_BYTES)?;
        entry[12..20].fill(0);
        let len = |at: usize| usize::from(u16::from_le_bytes([entry[at], entry[at + 1]]));
        at += ENTRY_BYTES + len(28) + len(30) + len(32);
    }
    Some(())
}

#[cfg(test)]
mod tests {
    use std::io::{Cursor, Write as _};

    use zip::write::SimpleFileOptions;
    use zip::{CompressionMethod, ZipWriter};

    use super::*;
    use crate::files::Limits;
    use crate::{Field, RowBuffer, RowDType, Schema};

    /// An archive of the array `x` of eight bytes.
    fn archived(name: &str, elements: [u8; 8], method: CompressionMethod) -> Vec<u8> {
        let text =
            format!("{:<117}\n", "{'descr': '|u1', 'fortran_order': False, 'shape': (8,), }");
        let mut zip = ZipWriter::new(Cursor::new(Vec::new()));
        let options = SimpleFileOptions::default().compression_method(method).large_file(true);
        zip.start_file(name, options).unwrap();
        zip.write_all(b"\x93NUMPY\x01\0\x76\0").unwrap();
        zip.write_all(text.as_bytes()).unwrap();
        zip.write_all(&elements).unwrap();
        zip.finish().unwrap().into_inner()
    }

    fn layout(archived: &[u8]) -> Option<NpzLayout> {
        let (file, bytes) = (&File::of_bytes(archived), archived.len() as u64);
        let archive = Archive::read(file, bytes).unwrap();
        let member = &archive.members()[0];
        let section = Section::of_file(file, bytes).part(member.start, member.bytes);
        let header = Header::read(section, &Limits::default()).unwrap();
        NpzLayout::of(file, bytes, &archive, &[0], &[header])
    }

    #[test]
    fn files_that_differ_in_elements_alone_are_not_parsed() {
        const STORED: CompressionMethod = CompressionMethod::Stored;
        let layout = layout(&archived("x.npy", [1; 8], STORED)).unwrap();
        let schema = Schema::new(vec![Field::new("x", RowDType::U8, &[8])]).unwrap();
        let mut buffer = RowBuffer::new(&schema).unwrap();
        let mut read = |archived: &[u8]| {
            layout.read(&File::of_bytes(archived), 0..1, &mut buffer.row(None)).unwrap()
        };
        assert!(read(&archived("x.npy", [2; 8], STORED)));
        assert!(!read(&archived("y.npy", [2; 8], STORED)));
        assert!(!read(&archived("x.npy", [2; 8], CompressionMethod::Deflated)));
        assert!(!read(&archived("x.npy", [3; 8], STORED)[..100]));
        let mut other = archived("x.npy", [4; 8], STORED);
        other[30 + 5 + 20 + 10 + 12] = b'i';
        assert!(!read(&other), "another header of the array");
        assert!(read(&archived("x.npy", [5; 8], STORED)));
        assert_eq!(buffer.view().field(0).bytes(), [5; 8]);
    }
}
