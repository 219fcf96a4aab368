//! Files of pictures, made for tests.

use std::path::Path;

/// A PNG of `width` columns and as many rows as `pixels` has, of 8 or 16 bits.
pub(crate) fn png(
    width: usize,
    color: png::ColorType,
    depth: png::BitDepth,
    pixels: &[u8],
) -> Vec<u8> {
    let line = width * color.samples() * if depth == png::BitDepth::Sixteen { 2 } else { 1 };
    let mut file = Vec::new();
    let mut encoder = png::Encoder::new(&mut file, width as u32, (pixels.len() / line) as u32);
    encoder.set_color(color);
    encoder.set_depth(depth);
    if color == png::ColorType::Indexed {
        encoder.set_palette((0..=255).flat_map(|i| [i, 255 - i, 7]).collect::<Vec<u8>>());
    }
    let mut writer = encoder.write_header().unwrap();
    writer.write_image_data(pixels).unwrap();
    writer.finish().unwrap();
    file
}

/// A PNG in RGB whose pixels are [`rgb`].
pub(crate) fn png_rgb(seed: usize, height: usize, width: usize) -> Vec<u8> {
    png(width, png::ColorType::Rgb, png::BitDepth::Eight, &rgb(seed, height, width))
}

/// A JPEG that looks like [`rgb`].
pub(crate) fn jpeg_rgb(seed: usize, height: usize, width: usize) -> Vec<u8> {
    let mut file = Vec::new();
    let encoder = jpeg_encoder::Encoder::new(&mut file, 90);
    let color = jpeg_encoder::ColorType::Rgb;
    encoder.encode(&rgb(seed, height, width), width as u16, height as u16, color).unwrap();
    file
}

/// Pixels in RGB, others for each seed.
pub(crate) fn rgb(seed: usize, height: usize, width: usize) -> Vec<u8> {
    let pixel = |at: usize| {
        let (y, x) = (at / width, at % width);
        [y * 5 + seed * 40, x * 3 + seed, (x + y) * 2 + seed * 90].map(|value| value as u8)
    };
    (0..height * width).flat_map(pixel).collect()
}

/// Writes `file` at `path` below `root`, and the folders on the way.
pub(crate) fn put(root: &Path, path: &str, file: impl AsRef<[u8]>) {
    let path = root.join(path);
    std::fs::create_dir_all(path.parent().unwrap()).unwrap();
    std::fs::write(path, file).unwrap();
}
