use crate::{Color, Error, Format, Head, Limits, Result, Window, jpeg, png, webp};

/// Decodes pictures, one after the other, in memory that it keeps.
#[derive(Debug, Default)]
pub struct Decoder {
    jpeg: jpeg::Memory,
    png: png::Memory,
    webp: webp::Memory,
}

impl Decoder {
    /// A decoder without memory yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// Writes the pixels of `window` into `pixels`: row by row, the channels of a pixel side by side,
    /// [`Head::pixel_bytes`] bytes each. `head` is that of the payload, or
    /// [made smaller](Head::scaled), which window and pixels are then of.
    ///
    /// # Errors
    ///
    /// When the picture is damaged, is of a kind that is not decoded, or exceeds the limits. `pixels`
    /// is then any bytes.
    ///
    /// Of a JPEG, damage counts where the window depends on it: what lies below the window's last row
    /// is not looked at, nor are scans of components that `color` does not need. A window of a file that is
    /// cut may so be decoded where all of it cannot. A progressive file has to hold every bit of every
    /// coefficient that is needed: libjpeg smooths one whose last scans are missing, which here is
    /// truncated. Where all that is needed of a component is one sample of each block, that is the bits of
    /// its DC coefficients.
    ///
    /// # Panics
    ///
    /// When the window does not lie in the picture or `pixels` is of another length.
    pub fn decode(
        &mut self,
        payload: &[u8],
        head: &Head,
        color: Color,
        limits: &Limits,
        window: &Window,
        pixels: &mut [u8],
    ) -> Result<()> {
        assert!(window.fits(head.height, head.width), "{window:?} of {head:?}");
        let expected = window.pixels().checked_mul(head.pixel_bytes(color));
        assert_eq!(Some(pixels.len()), expected, "{window:?} of {head:?} in {color:?}");
        if pixels.is_empty() {
            return Err(Error::damaged("a window without pixels"));
        }
        match head.format {
            Format::Jpeg => self.jpeg.decode(payload, head, color, limits, window, pixels),
            Format::Png => self.png.decode(payload, head, color, window, pixels),
            Format::WebP => self.webp.decode(payload, head, color, window, pixels),
        }
    }
}
