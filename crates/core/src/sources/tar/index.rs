//! Which members of an archive make a sample, and where they lie: found in one pass, held in some 20
//! bytes a sample, and kept in a file, so that the next one opens the archive at once.
//!
//! A record of a sample: the number of its layout; its key, as the number of bytes that it shares with
//! the key before it, of those that follow, and these; for each member the blocks between the end of the
//! member before it and its own beginning, and its length twice, plus one if its header does not say it.
//! Numbers are of variable length. Every 16th sample begins anew and has a mark that says where.

use serde::{Deserialize, Serialize};
use xxhash_rust::xxh3::xxh3_64;

use super::key;
use crate::error::quoted;
use crate::files::File;
use crate::files::tar::{BLOCK_BYTES, Member, PassedOver, scan};
use crate::{Error, ErrorKind, Fingerprint, Result};

/// The samples of one archive.
#[derive(Debug)]
pub(super) struct Index {
    head: Head,
    marks: Vec<Mark>,
    records: Vec<u8>,
}

/// What is known of an archive besides where its samples are.
#[derive(Debug, Default, Serialize, Deserialize)]
struct Head {
    samples: usize,
    /// What members of a sample end in, each once, in the order in which they were met.
    extensions: Vec<String>,
    /// Bytes of the longest member of each extension.
    longest: Vec<u64>,
    layouts: Vec<Layout>,
    /// Members that are part of no sample, links, and other entries that are no files.
    ignored: [usize; 3],
    marks: usize,
}

/// The extensions of a sample's members, in their order.
#[derive(Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Layout {
    extensions: Vec<usize>,
    /// The first sample that has it.
    first: usize,
    samples: usize,
}

/// Where the records of 16 samples begin.
#[derive(Debug, Clone, Copy)]
struct Mark {
    record: u64,
    /// The block after the sample before.
    block: u64,
}

/// Samples from one mark to the next.
const MARKED: usize = 16;

/// More extensions or layouts than these are names of samples, misunderstood.
const KINDS_MAX: usize = 4096;

/// A member of a sample.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Place {
    pub(super) start: u64,
    pub(super) bytes: u64,
    /// Whether its header says its length.
    pub(super) is_plain: bool,
}

impl Index {
    /// Reads the headers of an archive of `len` bytes.
    pub(super) fn scan(file: &File, len: u64) -> Result<Self> {
        let mut builder = Builder::default();
        let passed_over = scan(file, len, |member| builder.add(member))?;
        builder.finish_sample()?;
        Ok(builder.finish(passed_over))
    }

    pub(super) fn len(&self) -> usize {
        self.head.samples
    }

    /// Entries that are not part of a sample.
    pub(super) fn ignored(&self) -> usize {
        self.head.ignored.iter().sum()
    }

    /// The extensions of the members, and the length of the longest of each.
    pub(super) fn extensions(&self) -> impl Iterator<Item = (&str, u64)> {
        let names = self.head.extensions.iter().map(String::as_str);
        names.zip(self.head.longest.iter().copied())
    }

    /// The sets of extensions that samples have: their members in order, the first such sample, and how
    /// many there are.
    pub(super) fn layouts(&self) -> impl Iterator<Item = (Vec<&str>, usize, usize)> {
        self.head.layouts.iter().map(|layout| {
            let names = layout.extensions.iter().map(|&at| self.head.extensions[at].as_str());
            (names.collect(), layout.first, layout.samples)
        })
    }

    /// The layout of a sample, and its members in order. `None` if the index is damaged.
    pub(super) fn members(&self, sample: usize) -> Option<(usize, Members<'_>)> {
        let mark = self.marks.get(sample / MARKED)?;
        let mut reader = Reader { records: &self.records, at: mark.record as usize };
        let mut block = mark.block;
        for _ in 0..sample % MARKED {
            let (layout, _, _) = reader.sample()?;
            let mut members = Members { reader, block, left: self.members_of(layout)? };
            members.by_ref().for_each(drop);
            (reader, block) = (members.reader, members.block);
        }
        let (layout, _, _) = reader.sample()?;
        Some((layout, Members { reader, block, left: self.members_of(layout)? }))
    }

    /// The key of a sample.
    pub(super) fn key(&self, sample: usize) -> Option<Vec<u8>> {
        let mut reader =
            Reader { records: &self.records, at: self.marks.get(sample / MARKED)?.record as usize };
        let mut key = Vec::new();
        for at in 0..=sample % MARKED {
            let (layout, shared, suffix) = reader.sample()?;
            key.truncate(shared);
            key.extend_from_slice(suffix);
            if at < sample % MARKED {
                for _ in 0..2 * self.members_of(layout)? {
                    reader.number()?;
                }
            }
        }
        Some(key)
    }

    fn members_of(&self, layout: usize) -> Option<usize> {
        Some(self.head.layouts.get(layout)?.extensions.len())
    }

    /// Stands for names and lengths of all members.
    pub(super) fn fingerprint(&self) -> Fingerprint {
        let start = Fingerprint::of("tar index").number(self.head.samples as u64);
        let start = self.head.extensions.iter().fold(start, |print, name| print.text(name));
        start.bytes(&self.records).finish()
    }

    /// Bytes in memory.
    #[cfg(test)]
    fn memory_bytes(&self) -> usize {
        self.records.len() + self.marks.len() * size_of::<Mark>()
    }
}

/// The members of a sample.
#[derive(Debug, Clone, Copy)]
pub(super) struct Members<'a> {
    reader: Reader<'a>,
    block: u64,
    left: usize,
}

impl Iterator for Members<'_> {
    type Item = Place;

    fn next(&mut self) -> Option<Place> {
        self.left = self.left.checked_sub(1)?;
        let (gap, length) = (self.reader.number()?, self.reader.number()?);
        let (bytes, is_plain) = (length / 2, length % 2 == 0);
        let block = self.block.checked_add(gap)?;
        let start = block.checked_mul(BLOCK_BYTES as u64)?;
        // Before it is its header; what is kept may be anything.
        start.checked_sub(BLOCK_BYTES as u64).and(start.checked_add(bytes))?;
        self.block = block.checked_add(bytes.div_ceil(BLOCK_BYTES as u64))?;
        Some(Place { start, bytes, is_plain })
    }
}

/// Numbers and bytes of records.
#[derive(Debug, Clone, Copy)]
struct Reader<'a> {
    records: &'a [u8],
    at: usize,
}

impl<'a> Reader<'a> {
    /// Seven bits a byte, the lowest first; the last byte has no highest bit.
    fn number(&mut self) -> Option<u64> {
        let mut number = 0;
        for shift in (0..64).step_by(7) {
            let byte = *self.records.get(self.at)?;
            self.at += 1;
            number |= u64::from(byte & 0x7f) << shift;
            if byte & 0x80 == 0 {
                return Some(number);
            }
        }
        None
    }

    /// The beginning of a record: the layout, and the key.
    fn sample(&mut self) -> Option<(usize, usize, &'a [u8])> {
        let layout = self.number()?.try_into().ok()?;
        let shared = self.number()?.try_into().ok()?;
        let suffix: usize = self.number()?.try_into().ok()?;
        let bytes = self.records.get(self.at..self.at.checked_add(suffix)?)?;
        self.at += suffix;
        Some((layout, shared, bytes))
    }
}

fn put(records: &mut Vec<u8>, mut number: u64) {
    while number >= 0x80 {
        records.push(number as u8 | 0x80);
        number >>= 7;
    }
    records.push(number as u8);
}

/// An index that is being made.
#[derive(Debug, Default)]
struct Builder {
    head: Head,
    marks: Vec<Mark>,
    records: Vec<u8>,
    /// The key of the sample before, and that of the one that is under way.
    key_before: Vec<u8>,
    key: Vec<u8>,
    /// The extensions of the sample that is under way, and its members.
    extensions: Vec<usize>,
    members: Vec<u8>,
    /// The block after the last member, and after the sample before.
    block: u64,
    block_before: u64,
}

impl Builder {
    fn add(&mut self, member: &Member<'_>) -> Result<()> {
        let Some((key, extension)) = key::split(member.name) else {
            self.head.ignored[0] += 1;
            return Ok(());
        };
        if self.extensions.is_empty() || key != self.key {
            self.finish_sample()?;
            self.key.extend_from_slice(key);
        }
        let extension = self.extension(extension)?;
        if self.extensions.contains(&extension) {
            let message = format!(
                "member {} is the second .{} of sample {}; names of members must differ after the first \
                 dot",
                quoted(&String::from_utf8_lossy(member.name)),
                self.head.extensions[extension],
                quoted(&String::from_utf8_lossy(&self.key))
            );
            return Err(Error::new(ErrorKind::Header, message));
        }
        self.extensions.push(extension);
        let longest = &mut self.head.longest[extension];
        *longest = member.bytes.max(*longest);
        let start = member.start / BLOCK_BYTES as u64;
        put(&mut self.members, start - self.block);
        // No file has 2^63 bytes.
        put(&mut self.members, member.bytes << 1 | u64::from(!member.is_plain));
        self.block = start + member.bytes.div_ceil(BLOCK_BYTES as u64);
        Ok(())
    }

    fn extension(&mut self, extension: String) -> Result<usize> {
        if let Some(at) = self.head.extensions.iter().position(|own| *own == extension) {
            return Ok(at);
        }
        if self.head.extensions.len() == KINDS_MAX {
            return Err(too_many("endings", &extension));
        }
        self.head.extensions.push(extension);
        self.head.longest.push(0);
        Ok(self.head.extensions.len() - 1)
    }

    /// Writes the record of the sample that is under way, if one is.
    fn finish_sample(&mut self) -> Result<()> {
        if self.extensions.is_empty() {
            return Ok(());
        }
        let sample = self.head.samples;
        let layouts = &mut self.head.layouts;
        let known = layouts.iter().position(|layout| layout.extensions == self.extensions);
        let layout = match known {
            Some(layout) => layout,
            None if layouts.len() == KINDS_MAX => {
                let last = &self.head.extensions[self.extensions[0]];
                return Err(too_many("sets of members", last));
            }
            None => {
                let extensions = self.extensions.clone();
                layouts.push(Layout { extensions, first: sample, samples: 0 });
                layouts.len() - 1
            }
        };
        layouts[layout].samples += 1;
        if sample.is_multiple_of(MARKED) {
            self.marks.push(Mark { record: self.records.len() as u64, block: self.block_before });
            self.key_before.clear();
        }
        let pairs = self.key.iter().zip(&self.key_before);
        let shared = pairs.take_while(|(a, b)| a == b).count();
        let suffix = &self.key[shared..];
        put(&mut self.records, layout as u64);
        put(&mut self.records, shared as u64);
        put(&mut self.records, suffix.len() as u64);
        self.records.extend_from_slice(suffix);
        self.records.append(&mut self.members);
        std::mem::swap(&mut self.key, &mut self.key_before);
        self.key.clear();
        self.extensions.clear();
        self.block_before = self.block;
        self.head.samples += 1;
        Ok(())
    }

    fn finish(mut self, passed_over: PassedOver) -> Index {
        self.head.ignored[1..].copy_from_slice(&[passed_over.links, passed_over.others]);
        self.head.marks = self.marks.len();
        self.records.shrink_to_fit();
        Index { head: self.head, marks: self.marks, records: self.records }
    }
}

#[cold]
fn too_many(what: &str, example: &str) -> Error {
    let message = format!(
        "more than {KINDS_MAX} {what}, like {}; a key ends at the first dot of a name, so names of samples \
         can have no dot",
        quoted(example)
    );
    Error::new(ErrorKind::TooLarge, message)
}

/// What a kept index begins with. Another format has another number.
const MAGIC: &[u8; 16] = b"tallow tar idx 1";

impl Index {
    /// The bytes of a file that keeps it, for an archive that `identity` stands for.
    pub(super) fn to_bytes(&self, identity: &str) -> Vec<u8> {
        let head = serde_json::to_vec(&(identity, &self.head)).unwrap_or_default();
        let mut body = (head.len() as u64).to_le_bytes().to_vec();
        body.extend(head);
        for mark in &self.marks {
            body.extend(mark.record.to_le_bytes());
            body.extend(mark.block.to_le_bytes());
        }
        body.extend(&self.records);
        [&MAGIC[..], &xxh3_64(&body).to_le_bytes(), &body].concat()
    }

    /// The index of that archive, if these bytes are one.
    pub(super) fn of_bytes(bytes: &[u8], identity: &str) -> Option<Self> {
        let body = bytes.strip_prefix(MAGIC)?;
        let (sum, body) = body.split_first_chunk::<8>()?;
        if u64::from_le_bytes(*sum) != xxh3_64(body) {
            return None;
        }
        let (len, rest) = body.split_first_chunk::<8>()?;
        let (head, rest) = rest.split_at_checked(u64::from_le_bytes(*len).try_into().ok()?)?;
        let (of, head): (String, Head) = serde_json::from_slice(head).ok()?;
        let (marks, records) = rest.split_at_checked(head.marks.checked_mul(2 * 8)?)?;
        let number = |bytes: &[u8]| bytes.try_into().map(u64::from_le_bytes).ok();
        let mark =
            |bytes: &[u8]| Some(Mark { record: number(&bytes[..8])?, block: number(&bytes[8..])? });
        let marks: Vec<Mark> = marks.chunks_exact(16).map(mark).collect::<Option<_>>()?;
        let is_whole = of == identity
            && head.samples.div_ceil(MARKED) == marks.len()
            && head.longest.len() == head.extensions.len()
            && head
                .layouts
                .iter()
                .flat_map(|it| &it.extensions)
                .all(|&at| at < head.extensions.len());
        is_whole.then(|| Self { head, marks, records: records.to_vec() })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn built(members: &[(&str, u64, u64)]) -> Result<Index> {
        let mut builder = Builder::default();
        for &(name, start, bytes) in members {
            let name = name.as_bytes();
            builder.add(&Member { name, start, bytes, is_plain: bytes != 7 })?;
        }
        builder.finish_sample()?;
        Ok(builder.finish(PassedOver::default()))
    }

    #[test]
    fn samples_are_found_as_they_were_added_also_after_they_were_kept() {
        let names: Vec<String> = (0..100)
            .flat_map(|at| [format!("dir/{at:06}.jpg"), format!("dir/{at:06}.cls")])
            .collect();
        let mut at = 0;
        let mut members = Vec::new();
        for (i, name) in names.iter().enumerate() {
            let bytes = [700, 1, 7, 0][i % 4];
            members.push((name.as_str(), at + 512 * (1 + i as u64 % 3), bytes));
            at = (at + 512 * (1 + i as u64 % 3) + bytes).next_multiple_of(512);
        }
        let index = built(&members).unwrap();
        let kept = Index::of_bytes(&index.to_bytes("x"), "x").unwrap();
        assert!(Index::of_bytes(&index.to_bytes("x"), "y").is_none());
        assert!(index.memory_bytes() < 30 * 100, "{} bytes", index.memory_bytes());
        for index in [&index, &kept] {
            assert_eq!(index.len(), 100);
            for sample in 0..100 {
                let key = index.key(sample).unwrap();
                assert_eq!(String::from_utf8(key).unwrap(), format!("dir/{sample:06}"));
                let (layout, found) = index.members(sample).unwrap();
                let expected = members[2 * sample..][..2].iter().map(|&(_, start, bytes)| Place {
                    start,
                    bytes,
                    is_plain: bytes != 7,
                });
                assert_eq!((layout, found.collect::<Vec<_>>()), (0, expected.collect()));
            }
        }
    }

    #[test]
    fn every_byte_of_a_kept_index_counts() {
        let index = built(&[("a.x", 512, 5), ("b.x", 1536, 5)]).unwrap();
        let bytes = index.to_bytes("x");
        for at in 0..bytes.len() {
            let mut damaged = bytes.clone();
            damaged[at] ^= 1;
            assert!(Index::of_bytes(&damaged, "x").is_none(), "byte {at}");
            assert!(Index::of_bytes(&bytes[..at], "x").is_none(), "cut at {at}");
        }
    }

    #[test]
    fn a_second_member_of_one_kind_and_too_many_kinds_are_refused() {
        let error = built(&[("a.jpg", 512, 5), ("a.JPG", 1536, 5)]).unwrap_err();
        assert!(error.message().contains("second .jpg of sample \"a\""), "{error}");
        let names: Vec<String> = (0..5000).map(|at| format!("img.{at}.jpg")).collect();
        let members: Vec<_> =
            names.iter().zip(0..).map(|(name, at)| (&**name, 512 + 1024 * at, 5)).collect();
        let error = built(&members).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::TooLarge, "{error}");
        // The same key again, but not beside the first, is another sample.
        let index = built(&[("a.x", 512, 5), ("b.x", 1536, 5), ("a.x", 2560, 5)]).unwrap();
        assert_eq!(index.len(), 3);
    }
}
