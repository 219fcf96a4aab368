//! The one tag of EXIF that matters to pixels: how the picture has to be turned.

use crate::Orientation;

/// Tag 0x0112 of the first directory of an EXIF block: of the payload of a JPEG's APP1 segment, which
/// opens with `Exif`, or of the bare TIFF block in a PNG's `eXIf` or a WebP's `EXIF` chunk, which some
/// programs open with `Exif` too.
///
/// Upright when the tag is absent and when anything on the way to it is damaged: metadata never make a
/// picture unreadable.
pub(crate) fn orientation(block: &[u8]) -> Orientation {
    let tiff = block.strip_prefix(b"Exif\0\0").unwrap_or(block);
    Tiff::open(tiff)
        .and_then(|tiff| tiff.number_in_first_directory(ORIENTATION))
        .and_then(Orientation::from_exif)
        .unwrap_or_default()
}

const ORIENTATION: u16 = 0x0112;

/// Types of a directory's entry that hold an integer.
const SHORT: u16 = 3;
const LONG: u16 = 4;

/// A TIFF block, after its two letters for the byte order and the number 42.
struct Tiff<'a> {
    bytes: &'a [u8],
    is_little: bool,
}

impl<'a> Tiff<'a> {
    fn open(bytes: &'a [u8]) -> Option<Self> {
        let is_little = match bytes {
            [b'I', b'I', 42, 0, ..] => true,
            [b'M', b'M', 0, 42, ..] => false,
            _ => return None,
        };
        Some(Self { bytes, is_little })
    }

    /// The one integer of a tag, if the first directory has it. A directory has at most 65535 entries
    /// of 12 bytes, so the walk is short whatever the block claims.
    fn number_in_first_directory(&self, tag: u16) -> Option<u16> {
        let directory = self.long(4)? as usize;
        let entries = usize::from(self.short(directory)?);
        let first = directory.checked_add(2)?;
        let entry = (0..entries)
            .map_while(|i| first.checked_add(12 * i))
            .take_while(|&entry| entry < self.bytes.len())
            .find(|&entry| self.short(entry) == Some(tag))?;
        match (self.short(entry + 2)?, self.long(entry + 4)?) {
            (SHORT, 1) => self.short(entry + 8),
            (LONG, 1) => self.long(entry + 8)?.try_into().ok(),
            _ => None,
        }
    }

    fn array<const N: usize>(&self, offset: usize) -> Option<[u8; N]> {
        self.bytes.get(offset..)?.first_chunk().copied()
    }

    fn short(&self, offset: usize) -> Option<u16> {
        let bytes = self.array(offset)?;
        Some(if self.is_little { u16::from_le_bytes(bytes) } else { u16::from_be_bytes(bytes) })
    }

    fn long(&self, offset: usize) -> Option<u32> {
        let bytes = self.array(offset)?;
        Some(if self.is_little { u32::from_le_bytes(bytes) } else { u32::from_be_bytes(bytes) })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A block with one entry before that of the orientation.
    fn block(is_little: bool, kind: u16, count: u32, number: u16) -> Vec<u8> {
        let short = |n: u16| if is_little { n.to_le_bytes() } else { n.to_be_bytes() };
        let long = |n: u32| if is_little { n.to_le_bytes() } else { n.to_be_bytes() };
        let value = if kind == LONG {
            long(number.into())
        } else {
            let [a, b] = short(number);
            [a, b, 0, 0]
        };
        let mut block = if is_little { b"II".to_vec() } else { b"MM".to_vec() };
        block.extend(short(42));
        block.extend(long(8));
        block.extend(short(2));
        for (tag, kind, count, value) in
            [(0x0100, SHORT, 1, [0; 4]), (ORIENTATION, kind, count, value)]
        {
            block.extend(short(tag));
            block.extend(short(kind));
            block.extend(long(count));
            block.extend(value);
        }
        block.extend(long(0));
        block
    }

    #[test]
    fn the_orientation_is_found_in_both_byte_orders_and_both_kinds_of_block() {
        for is_little in [false, true] {
            for kind in [SHORT, LONG] {
                for number in 1..=8 {
                    let bare = block(is_little, kind, 1, number);
                    let expected = Orientation::from_exif(number).unwrap();
                    assert_eq!(orientation(&bare), expected);
                    assert_eq!(orientation(&[b"Exif\0\0", &bare[..]].concat()), expected);
                }
            }
        }
    }

    #[test]
    fn numbers_that_are_no_orientation_count_as_upright() {
        for is_little in [false, true] {
            for (kind, count, number) in [(SHORT, 1, 0), (SHORT, 1, 9), (SHORT, 2, 6), (7, 1, 6)] {
                let block = block(is_little, kind, count, number);
                assert_eq!(orientation(&block), Orientation::Upright, "{kind} {count} {number}");
            }
        }
    }

    #[test]
    fn a_block_cut_anywhere_before_the_number_is_upright_and_no_byte_makes_it_panic() {
        let whole = block(true, SHORT, 1, 6);
        let number_ends = 8 + 2 + 12 + 10;
        for length in 0..=whole.len() {
            let expected =
                if length < number_ends { Orientation::Upright } else { Orientation::Turn90 };
            assert_eq!(orientation(&whole[..length]), expected, "{length} bytes");
        }
        for at in 0..whole.len() {
            for byte in 0..=255 {
                let mut damaged = whole.clone();
                damaged[at] = byte;
                orientation(&damaged);
            }
        }
    }

    #[test]
    fn other_app1_segments_are_upright() {
        assert_eq!(orientation(b"http://ns.adobe.com/xap/1.0/\0<x:xmpmeta>"), Orientation::Upright);
        assert_eq!(orientation(b""), Orientation::Upright);
    }
}
