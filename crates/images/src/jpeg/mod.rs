//! JPEG.

#[allow(dead_code, reason = "the decoder that uses it follows")]
mod blocks;
#[allow(dead_code, reason = "the decoder that reads it follows")]
mod frame;
#[allow(dead_code, unused_imports, reason = "the decoder that uses it follows")]
mod pixels;

use zune_jpeg::JpegDecoder;
use zune_jpeg::zune_core::bytestream::ZCursor;
use zune_jpeg::zune_core::colorspace::ColorSpace;
use zune_jpeg::zune_core::options::DecoderOptions;

use crate::{Color, Depth, Error, Format, Head, Limits, Orientation, Result, Window};

/// What stays from one picture to the next.
#[derive(Debug, Default)]
pub(crate) struct Memory {
    whole: Vec<u8>,
}

pub(crate) fn head(payload: &[u8]) -> Result<Head> {
    let mut decoder = JpegDecoder::new(ZCursor::new(payload));
    decoder.decode_headers().map_err(|error| Error::damaged(format!("{error:?}")))?;
    let info = decoder.info().ok_or_else(|| Error::damaged("no frame"))?;
    Ok(Head {
        format: Format::Jpeg,
        height: info.height.into(),
        width: info.width.into(),
        channels: info.components.into(),
        depth: Depth::Eight,
        is_palette: false,
        orientation: Orientation::Upright,
    })
}

impl Memory {
    pub(crate) fn decode(
        &mut self,
        payload: &[u8],
        head: &Head,
        color: Color,
        _limits: &Limits,
        window: &Window,
        pixels: &mut [u8],
    ) -> Result<()> {
        let space = match (color, head.channels) {
            (Color::Gray, _) | (Color::Stored, 1) => ColorSpace::Luma,
            (Color::Rgba, _) => ColorSpace::RGBA,
            _ => ColorSpace::RGB,
        };
        let options =
            DecoderOptions::default().set_strict_mode(true).jpeg_set_out_colorspace(space);
        let mut decoder = JpegDecoder::new_with_options(ZCursor::new(payload), options);
        self.whole = decoder.decode().map_err(|error| Error::damaged(format!("{error:?}")))?;
        crate::window::crop(&self.whole, head.width, head.pixel_bytes(color), window, pixels);
        Ok(())
    }
}
