//! The end of the chain where it runs on a device, on whole batches.

use std::ops::Range;
use std::sync::Arc;

use tallow_core::device::{DeviceEngine, Made, Raster};
use tallow_core::{Decoders, Field, Picture, RowDType, Schema};

use crate::Result;

/// An engine that finishes batches on a device, and what workers write into the slab for it.
pub(super) struct Finisher {
    pub(super) engine: Arc<dyn DeviceEngine>,
    /// The fields that it delivers.
    pub(super) delivered: Schema,
    /// What the slab has of each raw field.
    pub(super) placed: Vec<Placed>,
    /// The raw fields as they are in the slab.
    pub(super) slab: Schema,
    /// For the windows of pictures.
    pub(super) decoders: Decoders,
    /// What is in the slab after the raw fields: the plan, the same of the partner for an engine that
    /// mixes, the delivered fields that workers make, and the index of the partner if partners may be
    /// on the device.
    pub(super) extras: Schema,
    /// The raw fields of the partner among these, or none.
    partners: usize,
    /// Those that workers make, as delivered fields.
    pub(super) made: Vec<usize>,
    pub(super) has_partner_index: bool,
}

/// What the slab has of a raw field.
pub(super) enum Placed {
    /// The row as it was read.
    Row,
    /// Where the pixels of a picture lie: a [`Raster`], and the pixels beside the rows.
    Raster(Picture),
    /// The same of the part of a row that the plan reaches.
    Part,
    /// Nothing: of this picture workers make what is delivered.
    Nothing,
}

impl Placed {
    /// That of `field`, which is raw field `at` of `engine`. What is `resident` is there wholly.
    fn of(field: &Field, at: usize, engine: &dyn DeviceEngine, resident: bool) -> Self {
        let made = engine.made(at);
        match field.as_picture() {
            None if made == Made::OnDevice && !resident && engine.reads_parts(at) => Self::Part,
            None => Self::Row,
            Some(picture) if made == Made::OnDevice => Self::Raster(picture.clone()),
            Some(_) => Self::Nothing,
        }
    }

    /// The raw field `field` as it is in the slab.
    fn field(&self, field: &Field) -> Field {
        match self {
            Self::Row => field.clone(),
            Self::Raster(_) | Self::Part => {
                Field::new(field.name(), RowDType::U8, &[size_of::<Raster>()])
            }
            Self::Nothing => Field::new(field.name(), RowDType::U8, &[0]),
        }
    }
}

impl Finisher {
    pub(super) fn new(engine: Arc<dyn DeviceEngine>, raw: &Schema, resident: bool) -> Result<Self> {
        let delivered = engine.engine().schema().clone();
        let renamed = |name: String, field: &Field| {
            Field::with_dims(name, field.dtype(), field.dims().to_vec())
        };
        // Plans begin at a multiple of 8.
        let plan = engine.engine().plan_bytes().next_multiple_of(size_of::<u64>());
        let mut extras = vec![Field::new("plan", RowDType::U8, &[plan])];
        let placed: Vec<Placed> = raw
            .fields()
            .iter()
            .enumerate()
            .map(|(at, field)| Placed::of(field, at, &*engine, resident))
            .collect();
        let in_slab = raw.fields().iter().zip(&placed).map(|(field, placed)| placed.field(field));
        let slab = Schema::new(in_slab.collect())?;
        let partners = if engine.engine().mixer().is_some() { slab.fields() } else { &[] };
        let partner = |field: &Field| renamed(format!("partner {}", field.name()), field);
        extras.extend(partners.iter().map(partner));
        let fields = 0..delivered.fields().len();
        let made: Vec<usize> = fields.filter(|&i| engine.made(i) == Made::OnHost).collect();
        let of = |&i: &usize| &delivered.fields()[i];
        extras.extend(made.iter().map(of).map(|f| renamed(format!("made {}", f.name()), f)));
        let has_partner_index = resident && !partners.is_empty();
        if has_partner_index {
            extras.push(Field::new("index of the partner", RowDType::I64, &[]));
        }
        let partners = partners.len();
        Ok(Self {
            extras: Schema::new(extras)?,
            engine,
            delivered,
            placed,
            slab,
            decoders: Decoders::default(),
            partners,
            made,
            has_partner_index,
        })
    }

    /// Whether workers read rows into memory of their own: where the slab has not all of them.
    pub(super) fn reads_aside(&self) -> bool {
        self.placed.iter().any(|placed| !matches!(placed, Placed::Row))
    }

    /// Whether any field has pictures.
    pub(super) fn has_pictures(&self) -> bool {
        self.placed.iter().any(|placed| matches!(placed, Placed::Raster(_) | Placed::Nothing))
    }

    /// Where the fields that workers make are among the extras.
    pub(super) fn made_range(&self) -> Range<usize> {
        1 + self.partners..1 + self.partners + self.made.len()
    }
}
