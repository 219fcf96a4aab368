//! What a JPEG is, from the segments before its first scan.

use super::picture::Picture;
use crate::{Depth, Error, ErrorKind, Format, Head, Result, Scale};

/// Reads the head of a file. It may be cut after the frame's head.
pub(crate) fn head(payload: &[u8]) -> Result<Head> {
    let mut picture = Picture::new(payload)?;
    let end = picture.next_scan_head();
    let Some(frame) = &picture.frame else {
        end?;
        return Err(Error::truncated("no head of a frame before the first scan or the end"));
    };
    if let Err(error) = end
        && error.kind() != ErrorKind::Truncated
    {
        return Err(error);
    }
    Ok(Head {
        format: Format::Jpeg,
        height: frame.height,
        width: frame.width,
        channels: frame.components().len(),
        depth: Depth::Eight,
        is_palette: false,
        scale: Scale::Whole,
        orientation: picture.orientation.unwrap_or_default(),
    })
}
