//! How the settings of a whole chain are written: the fields, and how they are taken.

use super::args::Form;

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
    Form {
        name: "mask",
        usage: "field, fill=0",
        parse: |a, args| {
            let field = args.field("field")?;
            Ok(a.mask_filled(field, args.number_or("fill", 0.0)?))
        },
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
