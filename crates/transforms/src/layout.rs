//! The axes of a field: which of them are channels, depth, height, width or time.

use std::fmt;
use std::str::FromStr;

use tallow_core::{Dim, Field};

use crate::plan::CHANNELS_MAX;

/// The axes of a field, outermost first. `c` are channels, `d`, `h`, `w` depth, height and width,
/// `t` is the time of a signal or the place in a sequence of tokens.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Layout {
    /// One channel of height x width.
    Hw,
    /// An image, colours first: what networks take.
    Chw,
    /// An image, colours last: how most files hold it.
    Hwc,
    /// One channel of depth x height x width.
    Dhw,
    /// A volume or video, channels first.
    Cdhw,
    /// A volume or video, channels last.
    Dhwc,
    /// A signal of one channel, or a sequence of tokens.
    T,
    /// A signal, channels first.
    Ct,
    /// A signal, channels last.
    Tc,
}

const LAYOUTS: [(Layout, &str); 9] = [
    (Layout::Hw, "hw"),
    (Layout::Chw, "chw"),
    (Layout::Hwc, "hwc"),
    (Layout::Dhw, "dhw"),
    (Layout::Cdhw, "cdhw"),
    (Layout::Dhwc, "dhwc"),
    (Layout::T, "t"),
    (Layout::Ct, "ct"),
    (Layout::Tc, "tc"),
];

impl Layout {
    /// The axes as letters.
    pub fn as_str(self) -> &'static str {
        LAYOUTS.iter().find(|(layout, _)| *layout == self).map_or("", |(_, text)| text)
    }

    /// The number of axes.
    pub fn rank(self) -> usize {
        self.as_str().len()
    }

    /// The axis of the channels, if they have one.
    pub fn channel_axis(self) -> Option<usize> {
        self.as_str().find('c')
    }

    /// Whether the channels of a pixel are next to each other in memory.
    pub fn is_interleaved(self) -> bool {
        matches!(self, Self::Hwc | Self::Dhwc | Self::Tc)
    }

    /// The layout of `field`, where its shape is unambiguous. One axis is a signal, and two are an
    /// image of one channel. Three are an image whose channels are the first or the last axis,
    /// whichever is at most 4 long; four are a volume in the same way.
    ///
    /// # Errors
    ///
    /// When both the first and the last axis could be the channels, or neither.
    pub fn of(field: &Field) -> Result<Self, String> {
        let dims = field.dims();
        let few = |dim: &Dim| matches!(dim, Dim::Fixed(len) if *len <= CHANNELS_MAX);
        let (first, last) = (dims.first().is_some_and(few), dims.last().is_some_and(few));
        match (dims.len(), first, last) {
            (1, ..) => Ok(Self::T),
            (2, ..) => Ok(Self::Hw),
            (3, true, false) => Ok(Self::Chw),
            (3, false, true) => Ok(Self::Hwc),
            (4, true, false) => Ok(Self::Cdhw),
            (4, false, true) => Ok(Self::Dhwc),
            (3 | 4, ..) => Err(format!("the layout of {field} is not clear: say .layout(..)")),
            (rank, ..) => Err(format!("found rank {rank} of {field}, expected 1 to 4")),
        }
    }

    /// Whether there are a depth, a height and a width; a signal has only a width.
    pub(crate) fn axes(self) -> [bool; 3] {
        let axes = self.as_str();
        [axes.contains('d'), axes.contains('h'), true]
    }

    /// Depth, height, width and channels of a shape; axes that the layout lacks are 1.
    pub(crate) fn split<T: Copy>(self, shape: &[T], one: T) -> ([T; 3], T) {
        let (mut size, mut channels) = ([one; 3], one);
        for (&len, axis) in shape.iter().zip(self.as_str().chars()) {
            match axis {
                'd' => size[0] = len,
                'h' => size[1] = len,
                'w' | 't' => size[2] = len,
                _ => channels = len,
            }
        }
        (size, channels)
    }

    /// The shape of an image of that size: the inverse of `split`. No list is allocated: every
    /// row has a shape.
    pub(crate) fn join<T: Copy>(self, size: [T; 3], channels: T) -> Shape<T> {
        let mut shape = Shape { axes: [channels; RANK_MAX], rank: self.rank() };
        for (len, axis) in shape.axes.iter_mut().zip(self.as_str().bytes()) {
            *len = match axis {
                b'd' => size[0],
                b'h' => size[1],
                b'w' | b't' => size[2],
                _ => channels,
            };
        }
        shape
    }

    /// The same axes with the channels first: what networks take.
    pub fn channels_first(self) -> Self {
        match self {
            Self::Hwc => Self::Chw,
            Self::Dhwc => Self::Cdhw,
            Self::Tc => Self::Ct,
            other => other,
        }
    }

    /// The same axes without the channels.
    pub(crate) fn without_channels(self) -> Self {
        match self {
            Self::Chw | Self::Hwc => Self::Hw,
            Self::Cdhw | Self::Dhwc => Self::Dhw,
            Self::Ct | Self::Tc => Self::T,
            other => other,
        }
    }
}

/// The most axes of a layout.
const RANK_MAX: usize = 4;

/// The axes of a field, in its layout's order.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Shape<T> {
    axes: [T; RANK_MAX],
    rank: usize,
}

impl<T> std::ops::Deref for Shape<T> {
    type Target = [T];

    fn deref(&self) -> &[T] {
        &self.axes[..self.rank]
    }
}

impl fmt::Display for Layout {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl FromStr for Layout {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let found = LAYOUTS.iter().find(|(_, name)| *name == text).map(|(layout, _)| *layout);
        found.ok_or_else(|| {
            let names: Vec<&str> = LAYOUTS.iter().map(|(_, name)| *name).collect();
            format!("expected one of {}", names.join(", "))
        })
    }
}

#[cfg(test)]
mod tests {
    use tallow_core::RowDType;

    use super::*;

    #[test]
    fn layouts_are_seen_from_shapes_where_they_are_clear() {
        let of = |shape: &[usize]| Layout::of(&Field::new("x", RowDType::U8, shape)).ok();
        assert_eq!(of(&[256, 256, 3]), Some(Layout::Hwc));
        assert_eq!(of(&[3, 256, 256]), Some(Layout::Chw));
        assert_eq!((of(&[28, 28]), of(&[100])), (Some(Layout::Hw), Some(Layout::T)));
        assert_eq!((of(&[3, 8, 3]), of(&[8, 8, 8])), (None, None));
    }

    #[test]
    fn split_and_join_are_inverse() {
        for (layout, _) in LAYOUTS {
            let shape: Vec<usize> = (2..2 + layout.rank()).collect();
            let (size, channels) = layout.split(&shape, 1);
            assert_eq!(*layout.join(size, channels), *shape, "{layout}");
        }
    }
}
