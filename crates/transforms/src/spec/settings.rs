//! How the settings of a whole chain are written: the fields, and how they are taken.

use super::args::{Args, Form};
use super::error::SpecError;
use crate::second_image::SecondImage;
use crate::steps::{IMAGENET, Normalization, OutputDType};

pub(crate) static FORMS: &[Form] = &[
    Form { name: "field", usage: "name", parse: |a, args| Ok(a.field(args.field("name")?)) },
    Form {
        name: "layout",
        usage: "hw | chw | hwc | dhw | cdhw | dhwc | t | ct | tc",
        parse: |a, args| Ok(a.layout(args.word("layout")?)),
    },
    Form {
        name: "range",
        usage: "low, high",
        parse: |a, args| {
            let (low, high) = (args.number("low")?, args.number("high")?);
            Ok(a.range(low, high))
        },
    },
    Form { name: "draws_as", usage: "name", parse: |a, args| Ok(a.draws_as(args.field("name")?)) },
    Form { name: "resample_once", usage: "", parse: |a, _| Ok(a.resample_once()) },
    Form { name: "scaled_decode", usage: "", parse: |a, _| Ok(a.scaled_decode()) },
    Form {
        name: "mask",
        usage: "field, fill=0",
        parse: |a, args| {
            let field = args.field("field")?;
            Ok(a.mask_filled(field, args.number_or("fill", 0.0)?))
        },
    },
    Form {
        name: "image",
        usage: "field, times=1, interpolation=none, fill=0, range=none, mean=none, std=none, dtype=none, layout=none",
        parse: |a, args| Ok(a.image(second_image(args)?)),
    },
    Form {
        name: "boxes",
        usage: "field, xyxy | xywh | cxcywh",
        parse: |a, args| {
            let field = args.field("field")?;
            Ok(a.boxes(field, args.word("format")?))
        },
    },
    Form {
        name: "keypoints",
        usage: "field",
        parse: |a, args| Ok(a.keypoints(args.field("field")?)),
    },
    Form {
        name: "one_hot",
        usage: "field, classes, smoothing=0",
        parse: |a, args| {
            let (field, classes) = (args.field("field")?, args.whole("classes")?);
            Ok(a.one_hot(field, classes, args.number_or("smoothing", 0.0)?))
        },
    },
];

/// A second image, from the arguments of `image`.
fn second_image(args: &mut Args<'_>) -> Result<SecondImage, SpecError> {
    let mut image = SecondImage::new(args.field("field")?).times(args.whole_or("times", 1)?);
    image.interpolation = args.word_unless_none("interpolation")?;
    image = image.fill(args.fill("fill")?);
    image.range = args.range_if("range")?.map(|range| [range.low, range.high]);
    image.normalization = match args.word_if("mean") {
        Some(word) if word == "imagenet" => Some(IMAGENET),
        Some(word) if word != "none" => {
            let message = format!("found {word:?} for mean, expected imagenet or numbers");
            return Err(args.refuse(message));
        }
        _ => match (args.list_if("mean")?, args.list_if("std")?) {
            (Some(mean), Some(std)) => Some(Normalization::new(&mean, &std)),
            (None, None) => None,
            _ => return Err(args.refuse("found one of mean and std, expected both or neither")),
        },
    };
    image.dtype = args.word_unless_none("dtype")?.map(|OutputDType(dtype)| dtype);
    image.layout = args.word_unless_none("layout")?;
    Ok(image)
}
