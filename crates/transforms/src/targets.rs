//! Fields that follow the image: masks, boxes, keypoints, labels, a second image.

use std::fmt;
use std::str::FromStr;

use crate::second_image::SecondImage;
use crate::text::{FieldName, number};

/// A field that follows the image, and how.
#[derive(Debug, Clone)]
pub(crate) struct Target {
    pub(crate) field: String,
    pub(crate) kind: TargetKind,
}

#[derive(Debug, Clone, PartialEq)]
pub(crate) enum TargetKind {
    Mask { fill: f64 },
    Boxes(BoxFormat),
    Keypoints,
    OneHot { classes: usize, smoothing: f64 },
    Image(SecondImage),
}

/// How four numbers describe a box. They are edges in pixels: an image of width w reaches from 0 to
/// w.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum BoxFormat {
    /// Left, top, right, bottom.
    Xyxy,
    /// Left, top, width, height.
    Xywh,
    /// Centre x, centre y, width, height.
    Cxcywh,
}

impl Target {
    pub(crate) fn is_label(&self) -> bool {
        matches!(self.kind, TargetKind::OneHot { .. })
    }

    pub(crate) fn is_mask(&self) -> bool {
        matches!(self.kind, TargetKind::Mask { .. })
    }

    pub(crate) fn is_image(&self) -> bool {
        matches!(self.kind, TargetKind::Image(_))
    }
}

const BOX_FORMATS: [(BoxFormat, &str); 3] =
    [(BoxFormat::Xyxy, "xyxy"), (BoxFormat::Xywh, "xywh"), (BoxFormat::Cxcywh, "cxcywh")];

impl fmt::Display for BoxFormat {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name =
            BOX_FORMATS.iter().find(|(format, _)| format == self).map_or("", |(_, name)| name);
        f.write_str(name)
    }
}

impl FromStr for BoxFormat {
    type Err = String;

    fn from_str(text: &str) -> std::result::Result<Self, String> {
        let found = BOX_FORMATS.iter().find(|(_, name)| *name == text).map(|(format, _)| *format);
        found.ok_or_else(|| "expected xyxy, xywh or cxcywh".to_owned())
    }
}

/// As in the text of a chain, without the arguments that have their default.
impl fmt::Display for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let field = FieldName(&self.field);
        match &self.kind {
            TargetKind::Mask { fill: 0.0 } => write!(f, "mask({field})"),
            TargetKind::Mask { fill } => write!(f, "mask({field}, fill={})", number(*fill)),
            TargetKind::Boxes(format) => write!(f, "boxes({field}, {format})"),
            TargetKind::Keypoints => write!(f, "keypoints({field})"),
            TargetKind::Image(image) => write!(f, "{image}"),
            TargetKind::OneHot { classes, smoothing: 0.0 } => {
                write!(f, "one_hot({field}, {classes})")
            }
            TargetKind::OneHot { classes, smoothing } => {
                write!(f, "one_hot({field}, {classes}, smoothing={})", number(*smoothing))
            }
        }
    }
}

impl BoxFormat {
    /// Left, top, right, bottom.
    pub(crate) fn edges(self, [a, b, c, d]: [f32; 4]) -> [f32; 4] {
        match self {
            Self::Xyxy => [a, b, c, d],
            Self::Xywh => [a, b, a + c, b + d],
            Self::Cxcywh => [a - c / 2.0, b - d / 2.0, a + c / 2.0, b + d / 2.0],
        }
    }

    /// The numbers of a box from its edges.
    pub(crate) fn numbers(self, [left, top, right, bottom]: [f32; 4]) -> [f32; 4] {
        let (width, height) = (right - left, bottom - top);
        match self {
            Self::Xyxy => [left, top, right, bottom],
            Self::Xywh => [left, top, width, height],
            Self::Cxcywh => [left + width / 2.0, top + height / 2.0, width, height],
        }
    }
}
