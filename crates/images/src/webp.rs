//! WebP, through the crate `image-webp`.

use std::io::Cursor;

use image_webp::WebPDecoder;

use crate::{Color, Depth, Error, Format, Head, Orientation, Result, Window};

fn decoder(payload: &[u8]) -> Result<WebPDecoder<Cursor<&[u8]>>> {
    WebPDecoder::new(Cursor::new(payload)).map_err(|error| Error::damaged(error.to_string()))
}

pub(crate) fn head(payload: &[u8]) -> Result<Head> {
    let decoder = decoder(payload)?;
    let (width, height) = decoder.dimensions();
    Ok(Head {
        format: Format::WebP,
        height: height as usize,
        width: width as usize,
        channels: if decoder.has_alpha() { 4 } else { 3 },
        depth: Depth::Eight,
        is_palette: false,
        orientation: Orientation::Upright,
    })
}

pub(crate) fn decode(
    payload: &[u8],
    head: &Head,
    color: Color,
    window: &Window,
    pixels: &mut [u8],
) -> Result<()> {
    let mut decoder = decoder(payload)?;
    let mut whole = vec![0; decoder.output_buffer_size().unwrap_or_default()];
    decoder.read_image(&mut whole).map_err(|error| Error::damaged(error.to_string()))?;
    let to = head.channels_of(color);
    if head.channels != to {
        whole = whole.chunks_exact(head.channels).flat_map(|p| p[..to.min(3)].to_vec()).collect();
    }
    crate::window::crop(&whole, head.width, head.pixel_bytes(color), window, pixels);
    Ok(())
}
