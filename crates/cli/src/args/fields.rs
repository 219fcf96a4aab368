//! The options that say which fields `--augment` changes, and how.

use clap::Args as Flags;
use tallow::{BoxFormat, Layout};

use super::numbers::parse_positive;

/// Which fields --augment is about, and how.
#[derive(Debug, Flags)]
#[command(next_help_heading = "Augmentation")]
pub(crate) struct FieldArgs {
    /// The field that is augmented [default: input]
    #[arg(long, value_name = "FIELD", requires = "augment")]
    pub(crate) augment_field: Option<String>,
    /// Its axes, like chw, hwc, hw, cdhw or ct, where its shape leaves that open
    #[arg(long, value_name = "AXES", requires = "augment")]
    pub(crate) layout: Option<Layout>,
    /// A field of classes a pixel, which follows the geometry; may be repeated
    #[arg(long = "mask", value_name = "FIELD", requires = "augment")]
    pub(crate) masks: Vec<String>,
    /// A field of boxes, which follow the geometry, in the format xyxy, xywh or cxcywh; may be
    /// repeated
    #[arg(long = "boxes", value_name = "FIELD:FORMAT", requires = "augment")]
    #[arg(value_parser = parse_boxes)]
    pub(crate) boxes: Vec<(String, BoxFormat)>,
    /// A field of points, which follow the geometry; may be repeated
    #[arg(long = "points", value_name = "FIELD", requires = "augment")]
    pub(crate) points: Vec<String>,
    /// A field of one class, which becomes as many shares as there are CLASSES; may be repeated
    #[arg(long = "one-hot", value_name = "FIELD:CLASSES", requires = "augment")]
    #[arg(value_parser = parse_one_hot)]
    pub(crate) one_hots: Vec<(String, usize)>,
    /// Make one interpolation of several in a row: sharper, and another picture
    #[arg(long, requires = "augment")]
    pub(crate) resample_once: bool,
}

/// Splits at the last `:`, so that a name may hold others.
fn parse_one_hot(text: &str) -> Result<(String, usize), String> {
    let (field, classes) = text.rsplit_once(':').ok_or("expected FIELD:CLASSES, like target:10")?;
    Ok((field.to_owned(), parse_positive(classes)?))
}

/// Splits at the last `:`, as all of these.
fn parse_boxes(text: &str) -> Result<(String, BoxFormat), String> {
    let (field, format) = text.rsplit_once(':').ok_or("expected FIELD:FORMAT, like boxes:xyxy")?;
    Ok((field.to_owned(), format.parse()?))
}
