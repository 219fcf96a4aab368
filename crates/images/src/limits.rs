use crate::{Error, Result};

/// How much a picture may claim to hold. One that claims more is refused before any memory is
/// allocated for it.
///
/// Besides the pixels that were asked for, a decoder keeps one row of a PNG; all pixels of an
/// interlaced PNG as they are stored, up to 8 bytes each; and all pixels of a WebP, with what the
/// decoder needs up to 11 bytes each. A PNG too short to inflate to its size is refused as well.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub struct Limits {
    /// Pixels, whether or not they are in the window: 2^26.
    pub pixels: usize,
    /// Scans of a progressive JPEG: 100. Encoders write about ten.
    pub scans: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self { pixels: 1 << 26, scans: 100 }
    }
}

impl Limits {
    /// Whether a picture of this size is small enough.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::TooLarge`](crate::ErrorKind::TooLarge).
    pub fn check_pixels(&self, height: usize, width: usize) -> Result<()> {
        if height.checked_mul(width).is_some_and(|pixels| pixels <= self.pixels) {
            return Ok(());
        }
        let most = self.pixels;
        Err(Error::too_large(format!("a picture of {height}x{width} pixels, at most {most}")))
    }
}
