//! The options that say which fields `--augment` changes, and how.

use clap::Args as Flags;
use tallow::{Augment, BoxFormat, Layout};

use super::numbers::parse_positive;

/// What `--augment` does, for commands that work without it too.
#[derive(Debug, Flags)]
pub(crate) struct AugmentArgs {
    /// Augment each sample with this chain of steps; `bench-loader catalogue` lists them
    #[arg(id = "augment", long = "augment", value_name = "SPEC", help_heading = "Augmentation")]
    pub(crate) steps: Option<Augment>,
    #[command(flatten)]
    pub(crate) fields: FieldArgs,
}

/// Which fields `--augment` changes, and how.
#[derive(Debug, Flags)]
#[command(next_help_heading = "Augmentation")]
pub(crate) struct FieldArgs {
    /// Field to augment [default: input]
    #[arg(long, value_name = "FIELD", requires = "augment")]
    pub(crate) augment_field: Option<String>,
    /// Axes of that field, like chw, hwc, hw, cdhw or ct, if its shape is ambiguous
    #[arg(long, value_name = "AXES", requires = "augment")]
    pub(crate) layout: Option<Layout>,
    /// Field with one class per pixel, which follows the geometry; can be repeated
    #[arg(long = "mask", value_name = "FIELD", requires = "augment")]
    pub(crate) masks: Vec<String>,
    /// Field of boxes, which follow the geometry, in the format xyxy, xywh or cxcywh; can be
    /// repeated
    #[arg(long = "boxes", value_name = "FIELD:FORMAT", requires = "augment")]
    #[arg(value_parser = parse_boxes)]
    pub(crate) boxes: Vec<(String, BoxFormat)>,
    /// Field of points, which follow the geometry; can be repeated
    #[arg(long = "points", value_name = "FIELD", requires = "augment")]
    pub(crate) points: Vec<String>,
    /// Field of one class, delivered as one share per class; can be repeated
    #[arg(long = "one-hot", value_name = "FIELD:CLASSES", requires = "augment")]
    #[arg(value_parser = parse_one_hot)]
    pub(crate) one_hots: Vec<(String, usize)>,
    /// Merge interpolations that follow each other into one: a sharper, slightly different picture
    #[arg(long, requires = "augment")]
    pub(crate) resample_once: bool,
}

/// Splits at the last `:`, because a name may contain others.
fn parse_one_hot(text: &str) -> Result<(String, usize), String> {
    let (field, classes) = text.rsplit_once(':').ok_or("expected FIELD:CLASSES, like target:10")?;
    Ok((field.to_owned(), parse_positive(classes)?))
}

/// Splits at the last `:`, because a name may contain others.
fn parse_boxes(text: &str) -> Result<(String, BoxFormat), String> {
    let (field, format) = text.rsplit_once(':').ok_or("expected FIELD:FORMAT, like boxes:xyxy")?;
    Ok((field.to_owned(), format.parse()?))
}
