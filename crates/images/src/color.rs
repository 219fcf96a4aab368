/// What the pixels of a picture become.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
#[non_exhaustive]
pub enum Color {
    /// Three bytes per pixel, as PIL's `convert("RGB")` makes them: grey is repeated, alpha is
    /// dropped, palettes are looked up, CMYK is converted, and of 16 bits the upper 8 are taken.
    #[default]
    Rgb,
    /// One byte per pixel. Of a JPEG in YCbCr this is Y as it is stored; of other colours it is
    /// PIL's `convert("L")`, ITU-R 601: (19595 R + 38470 G + 7471 B + 32768) >> 16.
    Gray,
    /// Four bytes per pixel: RGB and alpha, which is 255 where a picture has none.
    Rgba,
    /// The numbers as they are stored, neither scaled nor looked up: palette indices, grey values of
    /// 1, 2, 4, 8 or 16 bits, any number of channels. Pictures of 16 bits give `u16` in the machine's
    /// byte order. JPEG and lossy WebP, which do not store such numbers, give what they are without
    /// it: grey or RGB.
    Stored,
}
