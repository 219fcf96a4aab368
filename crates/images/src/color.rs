/// What the pixels of a picture become.
///
/// PNG and WebP give the bytes of PIL's `convert` except where PIL departs from what PNG defines:
///
/// - Grey of 16 bits: PIL clips each number to 255, which makes most of a picture white. Here the
///   upper 8 bits are taken, as PIL itself does for 16 bits in colour.
/// - A transparent grey of 2 or 4 bits, or a transparent colour of 16 bits (chunk `tRNS`, without a
///   palette): PIL compares the number as it is stored with pixels that are scaled to 8 bits. Here
///   both are as they are stored, and alpha is 0 where all of a pixel's numbers are equal to it.
/// - A checksum of pixels that is wrong: PIL decodes the picture all the same, here it is an error.
///
/// An index past the end of a palette is opaque black, as in PIL. Neither gamma nor colour profiles
/// are applied, as in PIL.
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
