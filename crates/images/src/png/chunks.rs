//! The chunks of a PNG: those before the pixels that say what the pixels are, and whether the file is
//! whole.

use std::ops::Range;

use crate::{Error, Result};

/// Chunks are walked by hand for three reasons: a head is then read without allocating; text and
/// colour profiles, which can inflate to gigabytes, are never opened; and damage to metadata cannot
/// become an error. The decoder is given [`Front::IHDR`], the palette, the transparency and what
/// follows from the first `IDAT` on.
pub(super) struct Front<'a> {
    pub(super) header: Header,
    pub(super) palette: Option<Chunk<'a>>,
    pub(super) transparency: Option<Chunk<'a>>,
    pub(super) exif: Option<Chunk<'a>>,
    /// Where the first `IDAT` chunk starts.
    pub(super) data: usize,
}

/// The numbers of `IHDR`.
pub(super) struct Header {
    pub(super) height: usize,
    pub(super) width: usize,
    /// Bits per number: 1, 2, 4, 8 or 16.
    pub(super) bits: usize,
    pub(super) channels: usize,
    pub(super) is_palette: bool,
    pub(super) is_interlaced: bool,
}

/// A chunk that lies in the file.
#[derive(Clone, Copy)]
pub(super) struct Chunk<'a> {
    name: [u8; 4],
    start: usize,
    pub(super) data: &'a [u8],
    /// Length, name, data and checksum.
    pub(super) whole: &'a [u8],
}

/// Bytes of a chunk besides its data: length and name before them, the checksum after them.
const BEFORE: usize = 8;
const AFTER: usize = 4;

impl<'a> Front<'a> {
    /// The signature and the chunk `IHDR`, which has to be the first.
    pub(super) const IHDR: Range<usize> = 0..33;
    const SIGNATURE: usize = 8;

    /// Walks to the first `IDAT`. Checksums are left to the decoder.
    pub(super) fn read(payload: &'a [u8]) -> Result<Self> {
        let first = Chunk::at(payload, Self::SIGNATURE)?;
        if &first.name != b"IHDR" {
            return Err(Error::damaged(format!("found {first}, expected IHDR there")));
        }
        let mut front = Self {
            header: Header::read(first.data)?,
            palette: None,
            transparency: None,
            exif: None,
            data: first.end(),
        };
        while Chunk::name_at(payload, front.data)? != *b"IDAT" {
            let chunk = Chunk::at(payload, front.data)?;
            front.take(chunk)?;
            front.data = chunk.end();
        }
        if front.header.is_palette && front.palette.is_none() {
            return Err(Error::damaged("found palette indices, expected a chunk PLTE before them"));
        }
        Ok(front)
    }

    fn take(&mut self, chunk: Chunk<'a>) -> Result<()> {
        match &chunk.name {
            b"PLTE" if self.header.is_palette => {
                let entries = chunk.data.len() / 3;
                if self.palette.is_some()
                    || !chunk.data.len().is_multiple_of(3)
                    || entries == 0
                    || entries > 256
                {
                    let expected = "expected one PLTE of 1 to 256 times 3 bytes";
                    return Err(Error::damaged(format!("found {chunk}, {expected}")));
                }
                self.palette = Some(chunk);
            }
            // In a picture that is no palette's it suggests colours to a screen that has few.
            b"PLTE" => {}
            b"tRNS" => _ = self.transparency.get_or_insert(chunk),
            b"eXIf" => _ = self.exif.get_or_insert(chunk),
            b"IHDR" | b"IEND" => {
                return Err(Error::damaged(format!("found {chunk}, expected IDAT before it")));
            }
            // The fifth bit of the first letter says that the pixels can be read without it.
            [first, ..] if first & 0x20 == 0 => {
                let why = "which the pixels depend on and which is not known";
                return Err(Error::unsupported(format!("found {chunk}, {why}")));
            }
            _ => {}
        }
        Ok(())
    }

    /// Whether all chunks from the first `IDAT` to `IEND` are there, so that a file that was cut is
    /// an error whichever rows of it are wanted.
    pub(super) fn check_end(&self, payload: &[u8]) -> Result<()> {
        let mut at = self.data;
        loop {
            let chunk = Chunk::at(payload, at)?;
            if &chunk.name == b"IEND" {
                return Ok(());
            }
            at = chunk.end();
        }
    }

    /// Whether a file of this many bytes can hold the pixels that its header claims: deflate makes at
    /// most 258 bytes of 2 bits.
    pub(super) fn check_length(&self, payload: &[u8]) -> Result<()> {
        let Header { height, width, .. } = self.header;
        let inflated = self.header.row_bytes().saturating_mul(height);
        if inflated / 1032 <= payload.len() {
            return Ok(());
        }
        let found = payload.len();
        let why = format!("which cannot hold the {height}x{width} pixels of its header");
        Err(Error::damaged(format!("found a PNG of {found} bytes, {why}")))
    }
}

impl Header {
    fn read(data: &[u8]) -> Result<Self> {
        let &[w0, w1, w2, w3, h0, h1, h2, h3, bits, color, compression, filter, interlace] = data
        else {
            let found = data.len();
            return Err(Error::damaged(format!("found IHDR of {found} bytes, expected 13")));
        };
        let width = u32::from_be_bytes([w0, w1, w2, w3]);
        let height = u32::from_be_bytes([h0, h1, h2, h3]);
        if width == 0 || height == 0 || width.max(height) > i32::MAX as u32 {
            let expected = "expected sides of 1 to 2^31 - 1";
            return Err(Error::damaged(format!(
                "found IHDR of {height}x{width} pixels, {expected}"
            )));
        }
        let channels = match (color, bits) {
            (0, 1 | 2 | 4 | 8 | 16) | (3, 1 | 2 | 4 | 8) => 1,
            (2, 8 | 16) => 3,
            (4, 8 | 16) => 2,
            (6, 8 | 16) => 4,
            _ => {
                let found = format!("found IHDR of colour type {color} in {bits} bits");
                return Err(Error::damaged(format!("{found}, expected a pair that PNG defines")));
            }
        };
        if (compression, filter) != (0, 0) || interlace > 1 {
            let found = format!("found IHDR of methods {compression}, {filter}, {interlace}");
            let expected = "expected compression 0, filter 0, interlace 0 or 1";
            return Err(Error::unsupported(format!("{found}, {expected}")));
        }
        Ok(Self {
            height: height as usize,
            width: width as usize,
            bits: bits.into(),
            channels,
            is_palette: color == 3,
            is_interlaced: interlace == 1,
        })
    }

    /// Whether a chunk `tRNS` means something: with an alpha channel it does not.
    pub(super) fn has_key(&self) -> bool {
        matches!(self.channels, 1 | 3)
    }

    /// Bytes of a row, without that of its filter.
    pub(super) fn row_bytes(&self) -> usize {
        self.width.saturating_mul(self.channels * self.bits).div_ceil(8)
    }
}

impl<'a> Chunk<'a> {
    fn at(payload: &'a [u8], start: usize) -> Result<Self> {
        let name = Self::name_at(payload, start)?;
        let length = payload[start..].first_chunk().map_or(0, |bytes| u32::from_be_bytes(*bytes));
        // On 32 bits a length near 2^32 would wrap.
        let end = (length as usize).saturating_add(BEFORE + AFTER).saturating_add(start);
        let Some(whole) = payload.get(start..end) else {
            let (name, found) = (name.escape_ascii(), payload.len());
            let chunk = format!("chunk {name} at byte {start} ends at {end}");
            return Err(Error::truncated(format!("found a PNG of {found} bytes, but its {chunk}")));
        };
        Ok(Self { name, start, data: &whole[BEFORE..whole.len() - AFTER], whole })
    }

    fn name_at(payload: &[u8], start: usize) -> Result<[u8; 4]> {
        match payload.get(start..).and_then(<[u8]>::first_chunk::<BEFORE>) {
            Some(&[_, _, _, _, a, b, c, d]) => Ok([a, b, c, d]),
            None => {
                let found = format!("found the end of a PNG at byte {}", payload.len());
                Err(Error::truncated(format!("{found}, expected a chunk at byte {start}")))
            }
        }
    }

    fn end(&self) -> usize {
        self.start + self.whole.len()
    }
}

impl std::fmt::Display for Chunk<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let (name, length, start) = (self.name.escape_ascii(), self.data.len(), self.start);
        write!(f, "a chunk {name} of {length} bytes at byte {start}")
    }
}
