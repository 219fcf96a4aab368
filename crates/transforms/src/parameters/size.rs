//! Sizes of crops and resizes.

use std::fmt;

use tallow_core::Dim;

use crate::compose::{Composer, Sketch};
use crate::plan::{D, H, W};

/// The size of a crop or of a resize: one number for a square, a cube or the length of a signal,
/// two for height and width, three for depth, height and width.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Size {
    lens: [usize; 3],
    given: usize,
}

impl From<usize> for Size {
    fn from(len: usize) -> Self {
        Self { lens: [len; 3], given: 1 }
    }
}

impl From<(usize, usize)> for Size {
    fn from((height, width): (usize, usize)) -> Self {
        Self { lens: [0, height, width], given: 2 }
    }
}

impl From<(usize, usize, usize)> for Size {
    fn from((depth, height, width): (usize, usize, usize)) -> Self {
        Self { lens: [depth, height, width], given: 3 }
    }
}

impl Size {
    /// The size for what reaches a step: axes that were not given keep their length.
    ///
    /// # Errors
    ///
    /// When the size is empty or has more axes than there are.
    pub(crate) fn of(self, sketch: &Sketch) -> Result<[Dim; 3], String> {
        if self.lens[3 - self.given.max(2)..].contains(&0) && self.given != 1 || self.lens[W] == 0 {
            return Err(format!("found size {self}, expected at least 1"));
        }
        let axes = sketch.raw_layout.axes();
        let has_more = self.given > 1 && axes[3 - self.given..].contains(&false);
        if has_more {
            let layout = sketch.raw_layout;
            return Err(format!("found size {self} for the axes {layout}, which are fewer"));
        }
        let mut size = self.lens.map(Dim::Fixed);
        match self.given {
            1 => [D, H].into_iter().filter(|k| !axes[*k]).for_each(|k| size[k] = Dim::Fixed(1)),
            2 => size[D] = sketch.size[D],
            _ => {}
        }
        Ok(size)
    }

    /// The size for one image, as [`Self::of`] found it for all.
    pub(crate) fn for_image(self, composer: &Composer<'_>) -> [i32; 3] {
        let mut size = self.lens.map(|len| len as i32);
        match self.given {
            1 => [D, H].into_iter().filter(|k| !composer.axes()[*k]).for_each(|k| size[k] = 1),
            2 => size[D] = composer.size()[D],
            _ => {}
        }
        size
    }
}

impl fmt::Display for Size {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let lens = &self.lens[3 - self.given..];
        let lens: Vec<String> = lens.iter().map(ToString::to_string).collect();
        f.write_str(&lens.join(", "))
    }
}
