//! Blocks of Snappy: its usual encoders compress pieces of 64 KiB, each by itself, and write them one after
//! the other. Where that is so, a block can be expanded without those before it.

/// Bytes of an expanded block.
pub(crate) const BLOCK_BYTES: usize = 1 << 16;

/// Where the elements of each block begin in `stored`, and where those of the last end; `None` unless they
/// make `expanded` bytes in blocks that refer to nothing before them.
pub(crate) fn blocks(stored: &[u8], expanded: usize) -> Option<Vec<u32>> {
    let (len, mut at) = len(stored)?;
    if len != expanded {
        return None;
    }
    let (mut starts, mut made) = (Vec::with_capacity(expanded.div_ceil(BLOCK_BYTES) + 1), 0);
    while at < stored.len() {
        let within = made % BLOCK_BYTES;
        if within == 0 {
            starts.push(u32::try_from(at).ok()?);
        }
        let element = Element::of(&stored[at..])?;
        let refers_back = element.back.is_some_and(|back| back == 0 || back > within);
        if refers_back || element.makes > BLOCK_BYTES - within {
            return None;
        }
        made += element.makes;
        at = at.checked_add(element.bytes).filter(|&at| at <= stored.len())?;
    }
    starts.push(u32::try_from(at).ok()?);
    (made == expanded).then_some(starts)
}

/// A run of bytes, or a copy of earlier ones.
struct Element {
    /// The bytes that it takes.
    bytes: usize,
    /// The bytes that it makes.
    makes: usize,
    /// How far back those lie that it copies.
    back: Option<usize>,
}

impl Element {
    /// The one that `stored` begins with.
    fn of(stored: &[u8]) -> Option<Self> {
        let tag = *stored.first()?;
        let number = |bytes: usize| {
            let bytes = stored.get(1..1 + bytes)?.iter().rev();
            Some(bytes.fold(0usize, |number, &byte| number << 8 | usize::from(byte)))
        };
        let high = usize::from(tag >> 2);
        Some(match tag & 3 {
            0 => {
                let after = high.saturating_sub(59);
                let makes = if after == 0 { high + 1 } else { number(after)? + 1 };
                Self { bytes: 1 + after + makes, makes, back: None }
            }
            1 => {
                let back = usize::from(tag >> 5) << 8 | number(1)?;
                Self { bytes: 2, makes: 4 + (high & 7), back: Some(back) }
            }
            kind => {
                let after = if kind == 2 { 2 } else { 4 };
                Self { bytes: 1 + after, makes: high + 1, back: Some(number(after)?) }
            }
        })
    }
}

/// The length that `stored` begins with, and the bytes that it takes.
fn len(stored: &[u8]) -> Option<(usize, usize)> {
    let mut len = 0;
    for (at, &byte) in stored.iter().take(5).enumerate() {
        len |= usize::from(byte & 0x7f) << (7 * at);
        if byte & 0x80 == 0 {
            return Some((len, at + 1));
        }
    }
    None
}

/// Writes a length as a stream begins with it.
pub(crate) fn put_len(mut len: usize, to: &mut Vec<u8>) {
    while len >= 0x80 {
        to.push(len as u8 | 0x80);
        len >>= 7;
    }
    to.push(len as u8);
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Bytes that do not repeat, with some that do.
    fn page(len: usize) -> Vec<u8> {
        let mut state = 1u64;
        let mut next = || {
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            state
        };
        let mut page = Vec::new();
        while page.len() < len {
            match next() % 3 {
                0 => page.extend([next() as u8; 300]),
                _ => page.extend((0..200).flat_map(|_| next().to_le_bytes())),
            }
        }
        page.truncate(len);
        page
    }

    #[test]
    fn each_block_of_an_encoder_expands_to_its_part_of_the_page() {
        for len in [1, 100, BLOCK_BYTES - 1, BLOCK_BYTES, BLOCK_BYTES + 1, 5 * BLOCK_BYTES + 77] {
            let page = page(len);
            let stored = snap::raw::Encoder::new().compress_vec(&page).unwrap();
            let starts = blocks(&stored, len).unwrap();
            assert_eq!(starts.len(), len.div_ceil(BLOCK_BYTES) + 1);
            for (at, part) in page.chunks(BLOCK_BYTES).enumerate() {
                let mut alone = Vec::new();
                put_len(part.len(), &mut alone);
                alone.extend(&stored[starts[at] as usize..starts[at + 1] as usize]);
                let expanded = snap::raw::Decoder::new().decompress_vec(&alone).unwrap();
                assert!(expanded == part, "{len} {at}");
            }
            assert!(blocks(&stored, len + 1).is_none() && blocks(&stored, len - 1).is_none());
            assert!(blocks(&stored[..stored.len() - 1], len).is_none());
        }
    }

    #[test]
    fn blocks_that_depend_on_others_are_none() {
        let with_len = |len: usize, elements: &[u8]| {
            let mut stored = Vec::new();
            put_len(len, &mut stored);
            stored.extend(elements);
            stored
        };
        // One byte, and copies of the byte before: over the end of a block, and from the block before.
        let copies = [62 << 2 | 2, 1, 0].repeat(BLOCK_BYTES / 63 + 1);
        let over = with_len(1 + copies.len() / 3 * 63, &[&[0, 7][..], &copies].concat());
        assert!(snap::raw::Decoder::new().decompress_vec(&over).is_ok());
        assert!(blocks(&over, 1 + copies.len() / 3 * 63).is_none());
        let literal = [&[61 << 2, 0xff, 0xff][..], &[9; BLOCK_BYTES]].concat();
        let from = with_len(BLOCK_BYTES + 4, &[&literal[..], &[1, 1]].concat());
        assert!(snap::raw::Decoder::new().decompress_vec(&from).is_ok());
        assert!(blocks(&from, BLOCK_BYTES + 4).is_none());
        // Nothing, and elements that are cut or copy nothing.
        assert!(blocks(&[], 0).is_none());
        for (len, elements) in [
            (1, &[0][..]),
            (5, &[0, 1, 1]),
            (1, &[60 << 2]),
            (5, &[0, 7, 1, 0]),
            (9, &[63 << 2, 1]),
        ] {
            assert!(blocks(&with_len(len, elements), len).is_none(), "{elements:?}");
        }
    }
}
