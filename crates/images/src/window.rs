use std::ops::Range;

/// A rectangle of the pixels of a picture as it is stored, before any orientation.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Window {
    /// Rows, from the top.
    pub rows: Range<usize>,
    /// Columns, from the left.
    pub columns: Range<usize>,
}

impl Window {
    /// Rows.
    pub fn height(&self) -> usize {
        self.rows.len()
    }

    /// Columns.
    pub fn width(&self) -> usize {
        self.columns.len()
    }

    /// Pixels.
    pub fn pixels(&self) -> usize {
        self.height() * self.width()
    }

    /// Whether it lies in a picture of this size.
    pub fn fits(&self, height: usize, width: usize) -> bool {
        self.rows.start <= self.rows.end
            && self.rows.end <= height
            && self.columns.start <= self.columns.end
            && self.columns.end <= width
    }
}

/// Copies the window out of a whole picture whose rows are `width` pixels.
#[cfg(test)]
pub(crate) fn crop(
    whole: &[u8],
    width: usize,
    pixel_bytes: usize,
    window: &Window,
    pixels: &mut [u8],
) {
    let rows = whole.chunks_exact(width * pixel_bytes).skip(window.rows.start);
    let columns = window.columns.start * pixel_bytes..window.columns.end * pixel_bytes;
    for (row, to) in rows.zip(pixels.chunks_exact_mut(columns.len())) {
        to.copy_from_slice(&row[columns.clone()]);
    }
}
