//! PNG: every colour type and depth, interlaced or not. Of an animation (APNG) the default image.
//!
//! Chunks are walked here; the crate `png` inflates the pixels and undoes their filters. Rows below
//! the window are not inflated unless the picture is interlaced, so damage to them is then not seen,
//! but a file that was cut is an error whichever rows are wanted. Rows above it are inflated and not
//! converted, as each depends on the one above.
//!
//! The checksum (CRC) of every chunk that pixels come from and the one of the inflated data (Adler-32)
//! are checked as far as the decoder gets. Those of metadata are not.

mod chunks;
mod rows;
mod source;

use png::{DecodingError, Reader};

use self::chunks::Front;
use self::rows::Conversion;
use self::source::Source;
use crate::{Color, Depth, Error, Format, Head, Orientation, Result, Scale, Window, exif};

/// What stays from one picture to the next.
#[derive(Debug, Default)]
pub(crate) struct Memory {
    /// A row, as it is stored.
    row: Vec<u8>,
    /// An interlaced picture, as it is stored.
    whole: Vec<u8>,
    /// Numbers of a row that have less than 8 bits.
    numbers: Vec<u8>,
}

pub(crate) fn head(payload: &[u8]) -> Result<Head> {
    let front = Front::read(payload)?;
    Ok(Head {
        format: Format::Png,
        height: front.header.height,
        width: front.header.width,
        channels: front.header.channels,
        depth: if front.header.bits == 16 { Depth::Sixteen } else { Depth::Eight },
        is_palette: front.header.is_palette,
        scale: Scale::Whole,
        orientation: front.exif.map_or(Orientation::Upright, |chunk| exif::orientation(chunk.data)),
    })
}

impl Memory {
    pub(crate) fn decode(
        &mut self,
        payload: &[u8],
        head: &Head,
        color: Color,
        window: &Window,
        pixels: &mut [u8],
    ) -> Result<()> {
        let front = Front::read(payload)?;
        head.check_size(front.header.height, front.header.width)?;
        front.check_end(payload)?;
        front.check_length(payload)?;
        let conversion = Conversion::new(&front, color, window.columns.clone());
        let mut rows = Rows { reader: reader(payload, &front, color)?, read: 0 };
        let row_bytes = front.header.row_bytes();
        let pixels = pixels.chunks_exact_mut(window.width() * head.pixel_bytes(color));
        if front.header.is_interlaced {
            self.whole.clear();
            self.whole.resize(row_bytes * head.height, 0);
            rows.weave(&mut self.whole)?;
            let stored = self.whole.chunks_exact(row_bytes).skip(window.rows.start);
            for (to, from) in pixels.zip(stored) {
                conversion.row(from, &mut self.numbers, to);
            }
            return Ok(());
        }
        self.row.resize(row_bytes, 0);
        for _ in 0..window.rows.start {
            rows.next(&mut self.row)?;
        }
        for to in pixels {
            rows.next(&mut self.row)?;
            conversion.row(&self.row, &mut self.numbers, to);
        }
        if window.rows.end == head.height { rows.finish(&mut self.row) } else { Ok(()) }
    }
}

/// The decoder of the rows, as they are stored.
fn reader<'a>(payload: &'a [u8], front: &Front<'a>, color: Color) -> Result<Reader<Source<'a>>> {
    let chunk = |chunk: Option<chunks::Chunk<'a>>| chunk.map_or(&[][..], |chunk| chunk.whole);
    // Only alpha depends on this chunk, so only then does damage to it matter.
    let transparency =
        front.transparency.filter(|_| color == Color::Rgba && front.header.has_key());
    let pieces =
        [&payload[Front::IHDR], chunk(front.palette), chunk(transparency), &payload[front.data..]];
    let limits = png::Limits { bytes: front.header.row_bytes().saturating_add(OVERHEAD) };
    let mut decoder = png::Decoder::new_with_limits(Source::new(pieces), limits);
    decoder.ignore_checksums(false);
    let reader =
        decoder.read_info().map_err(|error| wrap(&error, "the chunks before the pixels"))?;
    match transparency {
        Some(chunk) if reader.info().trns.is_none() => {
            let expected = "expected its checksum and a length that fit";
            Err(Error::damaged(format!("found {chunk}, {expected}")))
        }
        _ => Ok(reader),
    }
}

/// What the decoder may allocate besides a row: palette and transparency.
const OVERHEAD: usize = 1 << 16;

/// Rows in the order of the file.
struct Rows<'a> {
    reader: Reader<Source<'a>>,
    read: usize,
}

impl Rows<'_> {
    fn next(&mut self, row: &mut [u8]) -> Result<()> {
        match self.reader.read_row(row) {
            Ok(Some(_)) => self.read += 1,
            Ok(None) => return Err(Error::damaged(format!("found no row {}", self.read))),
            Err(error) => return Err(wrap(&error, &format!("row {}", self.read))),
        }
        Ok(())
    }

    /// Reads the seven passes of an interlaced picture into `whole`, which has to be zero: numbers of
    /// less than 8 bits are added to the bytes that hold them.
    fn weave(&mut self, whole: &mut [u8]) -> Result<()> {
        match self.reader.next_frame(whole) {
            Ok(_) => Ok(()),
            Err(error) => Err(wrap(&error, "a row of its seven passes")),
        }
    }

    /// Reads what follows the last row, for the checksum of its chunk.
    fn finish(&mut self, row: &mut [u8]) -> Result<()> {
        match self.reader.read_row(row) {
            Ok(_) => Ok(()),
            Err(error) => Err(wrap(&error, "the end of its pixels")),
        }
    }
}

/// An error of the crate `png`. The chunks are known to be whole by then, so what is missing is
/// missing inside of them.
#[cold]
fn wrap(error: &DecodingError, place: &str) -> Error {
    let message = error.to_string();
    // Of a checksum it goes on with all that it knows of the chunk.
    let message = message.split(" while decoding").next().unwrap_or_default();
    let message = crate::error::plain(message);
    match error {
        DecodingError::LimitsExceeded => Error::too_large(format!(
            "found a PNG that needs more memory than a row has, at {place}"
        )),
        _ => Error::damaged(format!("found a damaged PNG at {place}: {message}")),
    }
}
