use crate::{Color, Error, Format, Limits, Orientation, Result, Scale, Window, jpeg, png, webp};

/// Bytes per stored number.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Depth {
    /// One: up to 8 bits.
    Eight,
    /// Two: 16 bits.
    Sixteen,
}

/// What a picture is, from the bytes before its pixels.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub struct Head {
    /// The format.
    pub format: Format,
    /// Rows, as they are stored, or at the scale.
    pub height: usize,
    /// Columns, as they are stored, or at the scale.
    pub width: usize,
    /// Channels, as they are stored: 1 for grey and for a palette.
    pub channels: usize,
    /// Bytes per stored number.
    pub depth: Depth,
    /// Whether the numbers are indices of a palette.
    pub is_palette: bool,
    /// How the picture has to be turned. Damaged metadata count as upright.
    pub orientation: Orientation,
    /// How much smaller it is decoded: not at all, unless [`scaled`](Self::scaled) says so.
    pub scale: Scale,
}

impl Head {
    /// Reads the head of a payload, which is all of a file, without allocating anything. A WebP has its
    /// orientation after its pixels.
    ///
    /// # Errors
    ///
    /// When it is none of the formats, or its head is damaged or claims more than the limits allow.
    pub fn read(payload: &[u8], limits: &Limits) -> Result<Self> {
        let head = match Format::of(payload) {
            Some(Format::Jpeg) => jpeg::head(payload)?,
            Some(Format::Png) => png::head(payload)?,
            Some(Format::WebP) => webp::head(payload)?,
            None => return Err(foreign(payload)),
        };
        limits.check_pixels(head.height, head.width)?;
        Ok(head)
    }

    /// Channels of the pixels in `color`.
    pub fn channels_of(&self, color: Color) -> usize {
        match color {
            Color::Rgb => 3,
            Color::Gray => 1,
            Color::Rgba => 4,
            Color::Stored if self.channels == 4 && self.format == Format::Jpeg => 3,
            Color::Stored => self.channels,
        }
    }

    /// Bytes per number of the pixels in `color`.
    pub fn depth_of(&self, color: Color) -> Depth {
        if color == Color::Stored { self.depth } else { Depth::Eight }
    }

    /// Bytes of a pixel in `color`.
    pub fn pixel_bytes(&self, color: Color) -> usize {
        let bytes = match self.depth_of(color) {
            Depth::Eight => 1,
            Depth::Sixteen => 2,
        };
        self.channels_of(color) * bytes
    }

    /// The head of the same picture decoded smaller, which windows are then of; `None` for a format
    /// that is always decoded as it is stored. Of a JPEG it has the bits of libjpeg-turbo at `scale_num` 1
    /// and `scale_denom` 2, 4 or 8, as PIL's `draft` asks for.
    ///
    /// # Panics
    ///
    /// When it is scaled already.
    #[must_use]
    pub fn scaled(&self, scale: Scale) -> Option<Self> {
        assert_eq!(self.scale, Scale::Whole, "scaled twice");
        let [height, width] = [self.height, self.width].map(|len| scale.side(len));
        let scales = self.format == Format::Jpeg || scale == Scale::Whole;
        scales.then(|| Self { height, width, scale, ..self.clone() })
    }

    /// Whether it is the head of a picture of this size, for decoders that read it again.
    pub(crate) fn check_size(&self, height: usize, width: usize) -> Result<()> {
        if (self.height, self.width) == (height, width) {
            return Ok(());
        }
        let expected = format!("expected {}x{} as in the head given", self.height, self.width);
        Err(Error::damaged(format!("found a picture of {height}x{width} pixels, {expected}")))
    }

    /// All of the picture.
    pub fn whole(&self) -> Window {
        Window { rows: 0..self.height, columns: 0..self.width }
    }
}

/// The error of a payload that is none of the formats, with the format that it is if that is known.
#[cold]
fn foreign(payload: &[u8]) -> Error {
    let found = match payload {
        [] => return Error::truncated("found an empty file, expected a JPEG, PNG or WebP"),
        _ if is_start(payload) => {
            let bytes = payload.len();
            let expected = "expected more than the start of a JPEG, PNG or WebP";
            return Error::truncated(format!("found a file of {bytes} bytes, {expected}"));
        }
        [b'G', b'I', b'F', b'8', ..] => "a GIF",
        [b'B', b'M', ..] => "a BMP",
        [b'I', b'I', 42, 0, ..] | [b'M', b'M', 0, 42, ..] => "a TIFF",
        [_, _, _, _, b'f', b't', b'y', b'p', b'a', b'v', b'i', ..] => "an AVIF",
        [_, _, _, _, b'f', b't', b'y', b'p', b'h' | b'm', ..] => "a HEIC",
        [0xff, 0x0a, ..] | [0, 0, 0, 12, b'J', b'X', b'L', ..] => "a JPEG XL",
        [0, 0, 0, 12, b'j', b'P', ..] => "a JPEG 2000",
        _ => "something else",
    };
    Error::unsupported(format!("found {found}, expected a JPEG, PNG or WebP"))
}

/// Whether it is too short to say which of the formats it is.
fn is_start(payload: &[u8]) -> bool {
    let name = &payload[..payload.len().min(4)];
    [0xff, 0xd8, 0xff].starts_with(payload)
        || b"\x89PNG\r\n\x1a\n".starts_with(payload)
        || payload.len() < 12 && b"RIFF".starts_with(name)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ErrorKind;

    #[test]
    fn files_of_other_formats_are_named_and_starts_are_truncated() {
        let limits = Limits::default();
        for (payload, found) in [
            (&b"GIF89a\x01\0\x01\0\0\0\0"[..], "a GIF"),
            (b"II*\0\x08\0\0\0\0\0\0\0", "a TIFF"),
            (b"\0\0\0\x20ftypavif\0\0\0\0", "an AVIF"),
            (b"<html>", "something else"),
        ] {
            let error = Head::read(payload, &limits).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Unsupported, "{error}");
            assert!(error.message().contains(found), "{error}");
        }
        for payload in [&b""[..], b"\xff", b"\xff\xd8", b"\x89PN", b"RI", b"RIFF\x10\0\0\0WE"] {
            let error = Head::read(payload, &limits).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Truncated, "{error}");
        }
    }
}
