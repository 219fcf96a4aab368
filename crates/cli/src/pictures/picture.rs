//! A picture of RGB pixels, and the PNG that it becomes.

use font8x8::UnicodeFonts as _;

/// Red, green and blue.
pub(crate) type Colour = [u8; 3];

pub(crate) const BLACK: Colour = [0; 3];
pub(crate) const WHITE: Colour = [255; 3];

/// Pixels per side of a letter.
pub(crate) const LETTER: usize = 8;

/// A picture in memory, row by row.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Picture {
    width: usize,
    pixels: Vec<Colour>,
}

impl Picture {
    /// A picture of one colour.
    pub(crate) fn filled(width: usize, height: usize, colour: Colour) -> Self {
        Self { width, pixels: vec![colour; width * height] }
    }

    /// A picture whose pixel at x, y is `colour(x, y)`.
    pub(crate) fn from_fn(
        width: usize,
        height: usize,
        mut colour: impl FnMut(usize, usize) -> Colour,
    ) -> Self {
        let mut this = Self::filled(width, height, BLACK);
        for (at, pixel) in this.pixels.iter_mut().enumerate() {
            *pixel = colour(at % width, at / width);
        }
        this
    }

    /// The same with each square of `times` x `times` pixels as one, their mean, without holding
    /// the whole. What is left over at the right and the bottom is cut off.
    pub(crate) fn reduced(
        width: usize,
        height: usize,
        times: usize,
        colour: impl Fn(usize, usize) -> Colour,
    ) -> Self {
        let (columns, rows) = (times.min(width), times.min(height));
        Self::from_fn((width / times).max(1), (height / times).max(1), |x, y| {
            let mut sums = [0; 3];
            for (dy, dx) in (0..rows).flat_map(|dy| (0..columns).map(move |dx| (dy, dx))) {
                let pixel = colour(x * times + dx, y * times + dy);
                sums.iter_mut().zip(pixel).for_each(|(sum, value)| *sum += usize::from(value));
            }
            sums.map(|sum| ((sum + columns * rows / 2) / (columns * rows)) as u8)
        })
    }

    pub(crate) fn width(&self) -> usize {
        self.width
    }

    pub(crate) fn height(&self) -> usize {
        self.pixels.len().checked_div(self.width).unwrap_or(0)
    }

    pub(crate) fn at(&self, x: usize, y: usize) -> Colour {
        self.pixels[y * self.width + x]
    }

    /// Each pixel as a square of `times` x `times`.
    pub(crate) fn enlarged(&self, times: usize) -> Self {
        let (width, height) = (self.width * times, self.height() * times);
        Self::from_fn(width, height, |x, y| self.at(x / times, y / times))
    }

    /// Copies `other` into this picture, with its top left corner at x, y.
    pub(crate) fn paste(&mut self, other: &Self, x: usize, y: usize) {
        for row in 0..other.height() {
            let from = &other.pixels[row * other.width..][..other.width];
            self.pixels[(y + row) * self.width + x..][..other.width].copy_from_slice(from);
        }
    }

    /// Writes a line of text in black, cut off at the right border.
    pub(crate) fn write(&mut self, text: &str, x: usize, y: usize) {
        for (place, letter) in text.chars().enumerate() {
            let left = x + place * LETTER;
            if left + LETTER > self.width {
                return;
            }
            for (dy, bits) in glyph(letter).into_iter().enumerate() {
                for dx in (0..LETTER).filter(|dx| bits >> dx & 1 == 1) {
                    self.pixels[(y + dy) * self.width + left + dx] = BLACK;
                }
            }
        }
    }

    /// The bytes of a PNG file.
    ///
    /// # Errors
    ///
    /// A message, if the picture is larger than the format allows.
    pub(crate) fn to_png(&self) -> Result<Vec<u8>, String> {
        let mut bytes = Vec::new();
        let side = |len: usize| u32::try_from(len).map_err(|_| format!("{len} pixels per side"));
        let mut encoder = png::Encoder::new(&mut bytes, side(self.width)?, side(self.height())?);
        encoder.set_color(png::ColorType::Rgb);
        encoder.set_depth(png::BitDepth::Eight);
        let cannot = |error: png::EncodingError| format!("cannot make a PNG: {error}");
        let mut writer = encoder.write_header().map_err(cannot)?;
        writer.write_image_data(self.pixels.as_flattened()).map_err(cannot)?;
        writer.finish().map_err(cannot)?;
        Ok(bytes)
    }
}

/// A letter row by row, with the lowest bit at the left. A letter that the table lacks becomes a
/// question mark.
fn glyph(letter: char) -> [u8; LETTER] {
    let found = font8x8::BASIC_FONTS.get(letter);
    found.or_else(|| font8x8::BASIC_FONTS.get('?')).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn counted(width: usize, height: usize) -> Picture {
        Picture::from_fn(width, height, |x, y| [(y * width + x) as u8; 3])
    }

    #[test]
    fn enlarging_and_reducing_are_inverse() {
        let picture = counted(5, 3);
        let reduced = |picture: &Picture, times| {
            let (width, height) = (picture.width(), picture.height());
            Picture::reduced(width, height, times, |x, y| picture.at(x, y))
        };
        assert_eq!(reduced(&picture.enlarged(4), 4), picture);
        assert_eq!(reduced(&picture, 2), Picture { width: 2, pixels: vec![[3; 3], [5; 3]] });
        assert_eq!(reduced(&counted(3, 1), 9).pixels, [[1; 3]]);
    }

    #[test]
    fn text_and_pictures_keep_to_their_place() {
        let mut sheet = Picture::filled(20, 10, WHITE);
        sheet.write("I and more", 1, 1);
        let black = sheet.pixels.iter().filter(|&&pixel| pixel == BLACK).count();
        assert!(black > 10, "{black}");
        assert!((0..10).all(|y| sheet.at(17, y) == WHITE), "two letters fit");
        sheet.paste(&counted(2, 2), 18, 8);
        assert_eq!([sheet.at(18, 8), sheet.at(19, 9), sheet.at(17, 9)], [[0; 3], [3; 3], WHITE]);
    }

    #[test]
    fn a_png_holds_the_pixels() {
        let picture = counted(7, 5);
        let bytes = picture.to_png().unwrap();
        let mut reader = png::Decoder::new(std::io::Cursor::new(bytes)).read_info().unwrap();
        let mut pixels = vec![0; reader.output_buffer_size().unwrap()];
        let info = reader.next_frame(&mut pixels).unwrap();
        assert_eq!((info.width, info.height), (7, 5));
        assert_eq!(pixels, picture.pixels.as_flattened());
    }
}
