//! What a store lists, in few bytes: a name shares what it begins with with the one before it.
//!
//! A million pictures in folders of classes take some 30 MB, most of them entity tags.

use std::cmp::Ordering;

/// Of so many names, the first is written in full: a look-up reads half of them.
const BLOCK: usize = 16;

/// An object of a listing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Listed<'a> {
    /// The path below the prefix that was listed.
    pub name: &'a str,
    /// Its length.
    pub bytes: u64,
    /// Its entity tag without quotes, if the store gave one.
    pub etag: Option<&'a str>,
}

/// Objects in the order of their names.
#[derive(Debug, Default)]
pub(super) struct Packed {
    bytes: Vec<u8>,
    /// Where each block begins.
    blocks: Vec<usize>,
    len: usize,
    last: String,
}

impl Packed {
    pub(super) fn len(&self) -> usize {
        self.len
    }

    pub(super) fn memory_bytes(&self) -> usize {
        self.bytes.capacity() + self.blocks.capacity() * size_of::<usize>()
    }

    /// The name that was added last.
    pub(super) fn last(&self) -> &str {
        &self.last
    }

    /// Adds an object whose name comes after that of the one before it.
    pub(super) fn push(&mut self, Listed { name, bytes, etag }: Listed<'_>) {
        let shared = match self.len % BLOCK {
            0 => {
                self.blocks.push(self.bytes.len());
                0
            }
            _ => shared(&self.last, name),
        };
        put(&mut self.bytes, shared as u64);
        put(&mut self.bytes, (name.len() - shared) as u64);
        self.bytes.extend_from_slice(&name.as_bytes()[shared..]);
        put(&mut self.bytes, bytes);
        put_etag(&mut self.bytes, etag.unwrap_or_default());
        self.last.truncate(shared);
        self.last.push_str(&name[shared..]);
        self.len += 1;
    }

    /// No more will be added.
    pub(super) fn shrink(&mut self) {
        self.bytes.shrink_to_fit();
        self.blocks.shrink_to_fit();
    }

    /// Before the first object whose name is `name` or comes after it.
    pub(super) fn seek(&self, name: &str) -> Cursor<'_> {
        let block = self.blocks.partition_point(|&start| self.first_of(start) < name.as_bytes());
        let start = block.checked_sub(1).map_or(0, |block| self.blocks[block]);
        let mut cursor = Cursor { rest: &self.bytes[start..], ..Cursor::default() };
        while cursor.advance() {
            if cursor.name.as_str() >= name {
                cursor.is_ahead = true;
                break;
            }
        }
        cursor
    }

    /// The name at the start of a block.
    fn first_of(&self, start: usize) -> &[u8] {
        let mut rest = &self.bytes[start..];
        take(&mut rest);
        let len = take(&mut rest) as usize;
        &rest[..len]
    }
}

/// A place among the objects.
#[derive(Debug, Default)]
pub(super) struct Cursor<'a> {
    rest: &'a [u8],
    name: String,
    bytes: u64,
    etag: String,
    /// The next object is the one here.
    is_ahead: bool,
}

impl Cursor<'_> {
    /// The next object.
    pub(super) fn next(&mut self) -> Option<Listed<'_>> {
        let is_there = std::mem::take(&mut self.is_ahead) || self.advance();
        let etag = Some(self.etag.as_str()).filter(|etag| !etag.is_empty());
        is_there.then_some(Listed { name: &self.name, bytes: self.bytes, etag })
    }

    fn advance(&mut self) -> bool {
        if self.rest.is_empty() {
            return false;
        }
        let shared = take(&mut self.rest) as usize;
        self.name.truncate(shared);
        self.name.push_str(take_text(&mut self.rest));
        self.bytes = take(&mut self.rest);
        take_etag(&mut self.rest, &mut self.etag);
        true
    }
}

/// How many bytes both begin with, in whole characters.
fn shared(one: &str, other: &str) -> usize {
    let same = one.bytes().zip(other.bytes()).take_while(|(a, b)| a == b).count();
    (0..=same).rev().find(|&at| other.is_char_boundary(at)).unwrap_or(0)
}

/// Seven bits a byte, the low ones first.
fn put(bytes: &mut Vec<u8>, mut number: u64) {
    while number >= 0x80 {
        bytes.push(number as u8 | 0x80);
        number >>= 7;
    }
    bytes.push(number as u8);
}

fn take(rest: &mut &[u8]) -> u64 {
    let (mut number, mut shift) = (0, 0);
    while let [byte, after @ ..] = *rest {
        *rest = after;
        number |= u64::from(byte & 0x7F) << shift;
        if *byte < 0x80 {
            break;
        }
        shift += 7;
    }
    number
}

fn take_text<'a>(rest: &mut &'a [u8]) -> &'a str {
    let len = take(rest) as usize;
    let (text, after) = rest.split_at(len);
    *rest = after;
    // It was written as text.
    std::str::from_utf8(text).unwrap_or_default()
}

/// What stands before the 16 bytes of a sum; other tags have their length there.
const SUM: u64 = 0;

/// Digits of the tags that most stores give: a sum of 16 bytes.
const SUM_DIGITS: usize = 32;

fn put_etag(bytes: &mut Vec<u8>, etag: &str) {
    match sum_of(etag) {
        Some(sum) => {
            put(bytes, SUM);
            bytes.extend(sum.to_be_bytes());
        }
        None => {
            put(bytes, etag.len() as u64 + 1);
            bytes.extend(etag.as_bytes());
        }
    }
}

/// The sum that a tag is, if it is written as `take_etag` writes it.
fn sum_of(etag: &str) -> Option<u128> {
    let is_digit = |byte: u8| matches!(byte, b'0'..=b'9' | b'a'..=b'f');
    let is_sum = etag.len() == SUM_DIGITS && etag.bytes().all(is_digit);
    is_sum.then(|| u128::from_str_radix(etag, 16).ok()).flatten()
}

fn take_etag(rest: &mut &[u8], etag: &mut String) {
    use std::fmt::Write as _;
    etag.clear();
    match take(rest) {
        SUM => {
            let (sum, after) = rest.split_at(size_of::<u128>());
            *rest = after;
            let sum = sum.try_into().map_or(0, u128::from_be_bytes);
            // Writing to a string cannot fail.
            let _ = write!(etag, "{sum:032x}");
        }
        len => {
            let (text, after) = rest.split_at(len as usize - 1);
            *rest = after;
            etag.push_str(std::str::from_utf8(text).unwrap_or_default());
        }
    }
}

/// How a name compares with the one before it, where listings are in order.
pub(super) fn order(before: &str, name: &str) -> Ordering {
    before.as_bytes().cmp(name.as_bytes())
}

#[cfg(test)]
mod tests {
    use super::*;

    const SUM_TEXT: &str = "00112233445566778899aabbccddeeff";

    /// Names that share much, little and parts of characters.
    fn objects() -> Vec<(String, u64, Option<String>)> {
        let etag = |at: u64| match at % 4 {
            0 => None,
            1 => Some(SUM_TEXT.to_owned()),
            2 => Some(format!("{}-{at}", SUM_TEXT.to_uppercase())),
            _ => Some(format!("W/{at}")),
        };
        let name = |at: u64| match at % 3 {
            0 => format!("a/{at:05}.jpg"),
            1 => format!("a-b/é{at}"),
            _ => format!("a/ê/{}", "x".repeat((at % 300) as usize)) + &at.to_string(),
        };
        let mut all: Vec<_> =
            (0..200).map(|at| (name(at), u64::MAX >> (at % 64), etag(at))).collect();
        all.sort();
        all
    }

    fn packed(objects: &[(String, u64, Option<String>)]) -> Packed {
        let mut packed = Packed::default();
        for (name, bytes, etag) in objects {
            packed.push(Listed { name, bytes: *bytes, etag: etag.as_deref() });
        }
        packed
    }

    #[test]
    fn what_was_packed_comes_back_from_any_place_on() {
        let objects = objects();
        let packed = packed(&objects);
        assert_eq!(packed.len(), objects.len());
        for at in 0..=objects.len() {
            let before = at.checked_sub(1).map(|at| format!("{}\0", objects[at].0));
            let exact = objects.get(at).map(|it| it.0.clone());
            for name in before.into_iter().chain(exact) {
                let mut cursor = packed.seek(&name);
                for (name, bytes, etag) in &objects[at..] {
                    let expected = Listed { name, bytes: *bytes, etag: etag.as_deref() };
                    assert_eq!(cursor.next(), Some(expected));
                }
                assert_eq!(cursor.next(), None);
            }
        }
        assert_eq!(Packed::default().seek("a").next(), None);
    }

    #[test]
    fn names_of_pictures_and_sums_take_few_bytes() {
        let mut packed = Packed::default();
        for at in 0..10_000 {
            let name = format!("n{:08}/n{:08}_{at:08}.JPEG", at / 100, at / 100);
            packed.push(Listed { name: &name, bytes: 100_000, etag: Some(SUM_TEXT) });
        }
        packed.shrink();
        assert!(packed.memory_bytes() < 40 * 10_000, "{}", packed.memory_bytes());
    }
}
