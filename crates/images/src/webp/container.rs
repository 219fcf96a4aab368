//! The chunks of a WebP: which of them hold the first picture, and where on the canvas it lies.

use crate::{Error, Result};

/// Chunks are walked by hand so that a head is read without allocating, every size is known before
/// anything is decoded, and damage to metadata cannot become an error. The decoder is given a file
/// that is made of the chunks of one frame.
pub(super) struct Container<'a> {
    /// Height and width of the canvas.
    pub(super) canvas: [usize; 2],
    pub(super) has_alpha: bool,
    pub(super) exif: &'a [u8],
    pub(super) frame: Frame<'a>,
}

/// A still picture, or the first frame of an animation.
pub(super) struct Frame<'a> {
    /// Row and column of its first pixel on the canvas.
    pub(super) place: [usize; 2],
    pub(super) size: [usize; 2],
    /// Alpha of a lossy picture: the data of its chunk `ALPH`.
    pub(super) alpha: Option<&'a [u8]>,
    pub(super) coding: Coding,
    /// The data of its chunk `VP8 ` or `VP8L`.
    pub(super) data: &'a [u8],
}

#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Coding {
    /// VP8, YUV.
    Lossy,
    /// VP8L, with an alpha channel or without.
    Lossless { has_alpha: bool },
}

/// Chunks, one after the other, of a file or of a chunk that holds chunks.
#[derive(Clone, Copy)]
struct Chunks<'a> {
    payload: &'a [u8],
    at: usize,
    end: usize,
}

struct Chunk<'a> {
    name: [u8; 4],
    start: usize,
    data: &'a [u8],
}

/// Bytes before the data of a chunk, and before those of the file.
const BEFORE: usize = 8;
const RIFF: usize = 12;

/// Flags of `VP8X`.
const ANIMATED: u8 = 2;
const ALPHA: u8 = 16;

impl<'a> Container<'a> {
    /// Reads a payload that opens with `RIFF....WEBP`.
    pub(super) fn read(payload: &'a [u8]) -> Result<Self> {
        let size = payload.get(4..8).and_then(|size| size.first_chunk().copied());
        let end = size.map_or(0, u32::from_le_bytes).saturating_add(8) as usize;
        if end > payload.len() {
            let found = payload.len();
            let expected = format!("expected {end} as its first chunk says");
            return Err(Error::truncated(format!("found a WebP of {found} bytes, {expected}")));
        }
        let mut chunks = Chunks { payload, at: RIFF, end };
        let first = chunks.next()?;
        match &first.name {
            b"VP8X" => Self::extended(&first, chunks),
            b"VP8 " | b"VP8L" => Ok(Self::still(Frame::of(&first, None)?)),
            _ => Err(Error::damaged(format!("found {first}, expected VP8, VP8L or VP8X there"))),
        }
    }

    fn still(frame: Frame<'a>) -> Self {
        let has_alpha = frame.has_alpha();
        Self { canvas: frame.size, has_alpha, exif: &[], frame }
    }

    fn extended(first: &Chunk<'a>, chunks: Chunks<'a>) -> Result<Self> {
        let &[flags, _, _, _, w0, w1, w2, h0, h1, h2, ..] = first.data else {
            return Err(Error::damaged(format!("found {first}, expected 10 bytes")));
        };
        let canvas = [1 + three([h0, h1, h2]), 1 + three([w0, w1, w2])];
        let frame = if flags & ANIMATED == 0 {
            Frame::find(chunks)?
        } else {
            let mut chunks = chunks;
            let mut chunk = chunks.next()?;
            while &chunk.name != b"ANMF" {
                chunk = chunks.next()?;
            }
            Frame::of_animation(chunks.payload, &chunk)?
        };
        let fits = |axis: usize| frame.place[axis] + frame.size[axis] <= canvas[axis];
        if !fits(0) || !fits(1) || (flags & ANIMATED == 0 && frame.size != canvas) {
            let ([height, width], [y, x]) = (frame.size, frame.place);
            let found = format!("found a frame of {height}x{width} pixels at row {y}, column {x}");
            let [height, width] = canvas;
            return Err(Error::damaged(format!("{found}, of a canvas of {height}x{width}")));
        }
        let has_alpha = flags & ALPHA != 0 || frame.has_alpha();
        Ok(Self { canvas, has_alpha, exif: chunks.find_exif(), frame })
    }
}

impl<'a> Frame<'a> {
    /// The first chunk of pixels, and the alpha before it.
    fn find(mut chunks: Chunks<'a>) -> Result<Self> {
        let mut alpha = None;
        loop {
            let chunk = chunks.next()?;
            match &chunk.name {
                b"ALPH" => alpha = alpha.or(Some(chunk.data)),
                b"VP8 " => return Self::of(&chunk, alpha),
                // A lossless picture has its alpha inside.
                b"VP8L" => return Self::of(&chunk, None),
                _ => {}
            }
        }
    }

    fn of_animation(payload: &'a [u8], chunk: &Chunk<'a>) -> Result<Self> {
        let &[x0, x1, x2, y0, y1, y2, w0, w1, w2, h0, h1, h2, _, _, _, _, ..] = chunk.data else {
            return Err(Error::damaged(format!("found {chunk}, expected 16 bytes or more")));
        };
        let at = chunk.start + BEFORE + 16;
        let end = chunk.start + BEFORE + chunk.data.len();
        let frame = Self::find(Chunks { payload, at, end })?;
        let size = [1 + three([h0, h1, h2]), 1 + three([w0, w1, w2])];
        if frame.size != size {
            let ([height, width], [h, w]) = (frame.size, size);
            let found = format!("found a frame of {height}x{width} pixels at byte {at}");
            return Err(Error::damaged(format!("{found}, expected {h}x{w} as its ANMF says")));
        }
        Ok(Self { place: [2 * three([y0, y1, y2]), 2 * three([x0, x1, x2])], ..frame })
    }

    /// The frame in a chunk `VP8 ` or `VP8L`, by the chunk's first bytes.
    fn of(chunk: &Chunk<'a>, alpha: Option<&'a [u8]>) -> Result<Self> {
        let (size, coding) = match (&chunk.name, chunk.data) {
            (b"VP8 ", &[tag, _, _, 0x9d, 0x01, 0x2a, w0, w1, h0, h1, ..]) if tag & 1 == 0 => {
                // The upper two bits ask for scaling, which no decoder does.
                let side = |bytes| usize::from(u16::from_le_bytes(bytes) & 0x3fff);
                ([side([h0, h1]), side([w0, w1])], Coding::Lossy)
            }
            (b"VP8L", &[0x2f, a, b, c, d, ..]) if d >> 5 == 0 => {
                let bits = u32::from_le_bytes([a, b, c, d]);
                let side = |bits: u32| 1 + (bits & 0x3fff) as usize;
                let has_alpha = bits >> 28 & 1 != 0;
                ([side(bits >> 14), side(bits)], Coding::Lossless { has_alpha })
            }
            _ => {
                let expected = "expected the first bytes of a picture in it";
                return Err(Error::damaged(format!("found {chunk}, {expected}")));
            }
        };
        if size.contains(&0) {
            let [height, width] = size;
            return Err(Error::damaged(format!("found {chunk} of {height}x{width} pixels")));
        }
        Ok(Self { place: [0, 0], size, alpha, coding, data: chunk.data })
    }

    fn has_alpha(&self) -> bool {
        self.alpha.is_some() || self.coding == Coding::Lossless { has_alpha: true }
    }
}

impl<'a> Chunks<'a> {
    fn next(&mut self) -> Result<Chunk<'a>> {
        let (start, end) = (self.at, self.end);
        let header = self.payload[..end].get(start..).and_then(<[u8]>::first_chunk::<BEFORE>);
        let Some(&[a, b, c, d, s0, s1, s2, s3]) = header else {
            let expected = "expected a chunk of pixels before it";
            return Err(Error::truncated(format!(
                "found the last chunk at byte {end}, {expected}"
            )));
        };
        let name = [a, b, c, d];
        let length = u32::from_le_bytes([s0, s1, s2, s3]) as usize;
        let data = start + BEFORE;
        let Some(data) = self.payload[..end].get(data..data.saturating_add(length)) else {
            let name = name.escape_ascii();
            let found = format!("found a chunk {name} of {length} bytes at byte {start}");
            return Err(Error::truncated(format!("{found}, but its file or frame ends at {end}")));
        };
        // Chunks are padded to an even length; the last one's padding may be missing.
        self.at = (start + BEFORE + length).next_multiple_of(2).min(end);
        Ok(Chunk { name, start, data })
    }

    fn find_exif(mut self) -> &'a [u8] {
        loop {
            match self.next() {
                Ok(Chunk { name, data, .. }) if &name == b"EXIF" => return data,
                Ok(_) => {}
                Err(_) => return &[],
            }
        }
    }
}

impl std::fmt::Display for Chunk<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let (name, length, start) = (self.name.escape_ascii(), self.data.len(), self.start);
        write!(f, "a chunk {name} of {length} bytes at byte {start}")
    }
}

fn three([a, b, c]: [u8; 3]) -> usize {
    u32::from_le_bytes([a, b, c, 0]) as usize
}
