//! From a chain on the command line to one that fits the samples.

use tallow::plan::Engine;
use tallow::{Augment, Schema, SourceErrorKind, Transform as _};

use crate::args::{AugmentArgs, FieldArgs};
use crate::data::pixels;
use crate::terminal::exit::{Failure, Result};

/// A chain with its fields, and its engine for one schema.
pub(crate) struct Augmentation {
    pub(crate) chain: Augment,
    pub(crate) engine: Box<dyn Engine>,
}

/// What a report says about augmentation.
#[derive(Debug)]
pub(crate) struct Augmented {
    /// The chain in its canonical form.
    pub(crate) chain: String,
    /// Bytes of a sample's drawn parameters, and of a worker's scratch memory.
    pub(crate) plan_bytes: usize,
    pub(crate) scratch_bytes: usize,
}

/// What the options ask for; `None` without `--augment`.
pub(crate) fn of(args: &AugmentArgs, schema: &Schema) -> Result<Option<Augmentation>> {
    args.steps.as_ref().map(|steps| Augmentation::new(steps, &args.fields, schema)).transpose()
}

/// The field of pictures, if there is only one.
fn only_picture(schema: &Schema) -> Option<&str> {
    let mut pictures = pixels::pictures(schema);
    let (_, field) = pictures.next()?;
    pictures.next().is_none().then(|| field.name())
}

/// The chain with what the other options add to it. A single field of pictures needs no name.
fn with_fields(mut chain: Augment, fields: &FieldArgs, schema: &Schema) -> Augment {
    let only = only_picture(schema).filter(|_| schema.position(chain.field_name()).is_none());
    if let Some(field) = fields.augment_field.as_deref().or(only) {
        chain = chain.field(field);
    }
    if let Some(layout) = fields.layout {
        chain = chain.layout(layout);
    }
    if fields.resample_once {
        chain = chain.resample_once();
    }
    chain = fields.masks.iter().fold(chain, Augment::mask);
    chain = fields.boxes.iter().fold(chain, |chain, (field, format)| chain.boxes(field, *format));
    chain = fields.points.iter().fold(chain, Augment::keypoints);
    let one_hot =
        |chain: Augment, (field, classes): &(String, usize)| chain.one_hot(field, *classes, 0.0);
    fields.one_hots.iter().fold(chain, one_hot)
}

impl Augmentation {
    /// Binds the chain to the fields of `schema`. A chain that does not fit is a usage error.
    pub(crate) fn new(steps: &Augment, fields: &FieldArgs, schema: &Schema) -> Result<Self> {
        let chain = with_fields(steps.clone(), fields, schema);
        let engine = chain.bind(schema).map_err(|error| match error.kind() {
            SourceErrorKind::Config => {
                let of = error.field().map_or(String::new(), |field| format!("field {field:?}: "));
                let unknown = format!("found {:?}, which is no field", chain.field_name());
                let how = match error.message().contains(&unknown) {
                    true => "; name the field to augment with --augment-field FIELD",
                    false => "",
                };
                Failure::usage(format!("{of}{}{how}", error.message()))
            }
            _ => Failure::failed(error),
        })?;
        Ok(Self { chain, engine })
    }

    pub(crate) fn report(&self) -> Augmented {
        Augmented {
            chain: self.chain.to_string(),
            plan_bytes: self.engine.plan_bytes(),
            scratch_bytes: self.engine.scratch_bytes(),
        }
    }
}
