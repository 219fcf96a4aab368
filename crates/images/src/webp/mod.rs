//! WebP: lossy, lossless, with alpha or without. Of an animation the first frame, on a transparent
//! canvas.
//!
//! Chunks are walked here; the crate `image-webp` decodes the pixels of a frame, always all of them,
//! and the window is cropped from them. It is given a file that is made of one frame, so it allocates
//! for no other size than that of the head, and metadata do not reach it.
//!
//! Chroma is upsampled as libwebp does by default ("fancy", bilinear). The bytes are those of libwebp
//! 1.6: on 7 photos of 500x375 pixels, at qualities 80 and 50 and lossless, the largest and the mean
//! difference were 0, as on the test files of `image-webp`.
//!
//! Of an animation, the first frame lies on a canvas of transparent black, whatever background colour
//! it names and without blending; so does libwebp's decoder of animations. A lossy frame's alpha is
//! read only for a colour that has alpha; damage to it is then an error, and otherwise not seen.

mod container;

use std::io::Cursor;

use image_webp::{DecodingError, WebPDecoder};

use self::container::{Coding, Container, Frame};
use crate::convert::convert;
use crate::{Color, Depth, Error, Format, Head, Result, Scale, Window, exif};

/// What stays from one picture to the next.
#[derive(Debug, Default)]
pub(crate) struct Memory {
    /// A file of one frame.
    file: Vec<u8>,
    /// Its pixels.
    whole: Vec<u8>,
}

pub(crate) fn head(payload: &[u8]) -> Result<Head> {
    let container = Container::read(payload)?;
    let [height, width] = container.canvas;
    Ok(Head {
        format: Format::WebP,
        height,
        width,
        channels: if container.has_alpha { 4 } else { 3 },
        depth: Depth::Eight,
        is_palette: false,
        scale: Scale::Whole,
        orientation: exif::orientation(container.exif),
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
        let Container { canvas: [height, width], frame, .. } = Container::read(payload)?;
        head.check_size(height, width)?;
        let color = match color {
            Color::Stored if head.channels == 4 => Color::Rgba,
            Color::Stored => Color::Rgb,
            _ => color,
        };
        let channels = self.decode_frame(&frame, color)?;
        // What a frame leaves free of the canvas is transparent black.
        if frame.size != [height, width] {
            pixels.fill(0);
        }
        let [top, left] = frame.place;
        let [frame_height, frame_width] = frame.size;
        let columns = window.columns.start.max(left)..window.columns.end.min(left + frame_width);
        let rows = window.rows.start.max(top)..window.rows.end.min(top + frame_height);
        if columns.is_empty() || rows.is_empty() {
            return Ok(());
        }
        let to_pixel = head.channels_of(color);
        let to_row = window.width() * to_pixel;
        let to_columns = (columns.start - window.columns.start) * to_pixel..;
        let from = self.whole.chunks_exact(frame_width * channels).skip(rows.start - top);
        let to = pixels.chunks_exact_mut(to_row).skip(rows.start - window.rows.start);
        for ((from, to), _) in from.zip(to).zip(rows) {
            let from = &from[(columns.start - left) * channels..(columns.end - left) * channels];
            let to = &mut to[to_columns.clone()][..columns.len() * to_pixel];
            match channels {
                3 => convert::<3, 1>(from, color, None, to),
                _ => convert::<4, 1>(from, color, None, to),
            }
        }
        Ok(())
    }

    /// Decodes a frame into `whole` and says how many channels it has.
    fn decode_frame(&mut self, frame: &Frame<'_>, color: Color) -> Result<usize> {
        // Alpha of lossy pictures is a picture of its own, which only this colour needs.
        let alpha = frame.alpha.filter(|_| color == Color::Rgba);
        write_file(&mut self.file, frame, alpha);
        let mut decoder = WebPDecoder::new(Cursor::new(&self.file[..])).map_err(|e| wrap(&e))?;
        let channels = if decoder.has_alpha() { 4 } else { 3 };
        self.whole.resize(frame.size[0] * frame.size[1] * channels, 0);
        decoder.read_image(&mut self.whole).map_err(|error| wrap(&error))?;
        Ok(channels)
    }
}

/// Writes a file of one frame, as big as its canvas. Copying its chunks is a hundredth of the work of
/// decoding them.
fn write_file(file: &mut Vec<u8>, frame: &Frame<'_>, alpha: Option<&[u8]>) {
    file.clear();
    file.extend_from_slice(b"RIFF\0\0\0\0WEBP");
    let [height, width] = frame.size;
    if let Some(alpha) = alpha {
        let mut extended = [0; 10];
        extended[0] = 16;
        extended[4..7].copy_from_slice(&(width as u32 - 1).to_le_bytes()[..3]);
        extended[7..].copy_from_slice(&(height as u32 - 1).to_le_bytes()[..3]);
        write_chunk(file, b"VP8X", &extended);
        write_chunk(file, b"ALPH", alpha);
    }
    match frame.coding {
        Coding::Lossy => write_chunk(file, b"VP8 ", frame.data),
        Coding::Lossless { .. } => write_chunk(file, b"VP8L", frame.data),
    }
    let size = file.len() as u32 - 8;
    file[4..8].copy_from_slice(&size.to_le_bytes());
}

fn write_chunk(file: &mut Vec<u8>, name: &[u8; 4], data: &[u8]) {
    file.extend_from_slice(name);
    file.extend_from_slice(&(data.len() as u32).to_le_bytes());
    file.extend_from_slice(data);
    file.resize(file.len().next_multiple_of(2), 0);
}

/// An error of the crate `image-webp`.
#[cold]
fn wrap(error: &DecodingError) -> Error {
    let message = crate::error::plain(&error.to_string());
    match error {
        // Chunks are whole by then, so it is the data inside them that end.
        DecodingError::IoError(_) => {
            Error::truncated("found a WebP whose frame ends before its last pixel")
        }
        DecodingError::MemoryLimitExceeded | DecodingError::ImageTooLarge => {
            Error::too_large(format!("found a WebP whose frame is too large: {message}"))
        }
        DecodingError::UnsupportedFeature(_) => {
            Error::unsupported(format!("found a WebP whose frame is not decoded: {message}"))
        }
        _ => Error::damaged(format!("found a WebP whose frame is damaged: {message}")),
    }
}
