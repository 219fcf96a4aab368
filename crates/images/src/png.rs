//! PNG, through the crate `png`.

use std::io::Cursor;

use png::{ColorType, Transformations};

use crate::{Color, Depth, Error, Format, Head, Orientation, Result, Window};

fn reader(payload: &[u8], color: Color) -> Result<png::Reader<Cursor<&[u8]>>> {
    let mut decoder = png::Decoder::new(Cursor::new(payload));
    decoder.set_transformations(match color {
        Color::Stored => Transformations::IDENTITY,
        _ => Transformations::normalize_to_color8(),
    });
    decoder.read_info().map_err(|error| Error::damaged(error.to_string()))
}

pub(crate) fn head(payload: &[u8]) -> Result<Head> {
    let reader = reader(payload, Color::Stored)?;
    let info = reader.info();
    Ok(Head {
        format: Format::Png,
        height: info.height as usize,
        width: info.width as usize,
        channels: info.color_type.samples(),
        depth: match info.bit_depth {
            png::BitDepth::Sixteen => Depth::Sixteen,
            _ => Depth::Eight,
        },
        is_palette: info.color_type == ColorType::Indexed,
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
    let mut reader = reader(payload, color)?;
    let mut whole = vec![0; reader.output_buffer_size().unwrap_or_default()];
    let info = reader.next_frame(&mut whole).map_err(|error| Error::damaged(error.to_string()))?;
    let from = info.color_type.samples();
    let to = head.channels_of(color);
    if from != to {
        let repeat = |pixel: &[u8]| -> Vec<u8> {
            (0..to)
                .map(|c| if c == 3 { 255 } else { pixel[if from < 3 { 0 } else { c }] })
                .collect()
        };
        whole = whole.chunks_exact(from).flat_map(repeat).collect();
    }
    crate::window::crop(&whole, head.width, head.pixel_bytes(color), window, pixels);
    Ok(())
}
