use tallow_images::Orientation;

use crate::encoding::{Decoders, Picture};
use crate::{
    Engine, Error, Field, FieldMut, FieldView, Fingerprint, Result, Row, RowView, Schema, Transform,
};

/// Decodes every encoded field of a row wholly: files of pictures become pixels.
///
/// A loader does this by itself in front of a transform that works on pixels and in front of a
/// batch, so that programs need it for single samples alone.
#[derive(Debug, Clone, Copy, Default)]
pub struct Decode;

impl Decode {
    /// Whether `schema` has a field to decode.
    pub fn is_needed(schema: &Schema) -> bool {
        schema.fields().iter().any(|field| field.as_picture().is_some())
    }
}

impl Transform for Decode {
    fn bind(&self, schema: &Schema) -> Result<Box<dyn Engine>> {
        let decoded = schema.fields().iter().map(Field::decoded).collect();
        let pictures = schema.fields().iter().map(|field| field.as_picture().cloned()).collect();
        let schema = Schema::new(decoded)?;
        Ok(Box::new(DecodeEngine { schema, pictures, decoders: Decoders::default() }))
    }

    fn takes_encoded(&self) -> bool {
        true
    }

    fn fingerprint(&self) -> Fingerprint {
        Fingerprint::of("decode").finish()
    }
}

struct DecodeEngine {
    schema: Schema,
    pictures: Vec<Option<Picture>>,
    decoders: Decoders,
}

impl Engine for DecodeEngine {
    fn schema(&self) -> &Schema {
        &self.schema
    }

    fn run(
        &self,
        _plan: &[u8],
        raw: RowView<'_>,
        row: &mut Row<'_>,
        _scratch: &mut [u8],
    ) -> Result<()> {
        for (i, picture) in self.pictures.iter().enumerate() {
            match picture {
                None => row.field(i).copy_from_view(&raw.field(i))?,
                Some(picture) => self.decode(picture, &raw.field(i), &mut row.field(i))?,
            }
        }
        Ok(())
    }
}

impl DecodeEngine {
    fn decode(&self, picture: &Picture, from: &FieldView<'_>, to: &mut FieldMut<'_>) -> Result<()> {
        let named = |error: Error| error.with_field(from.name());
        let head = picture.head(from.bytes()).map_err(named)?;
        let mut shape = head.size().to_vec();
        shape.extend(picture.dims().get(2).map(|channels| channels.max()));
        to.set_shape(&shape)?;
        let window = head.stored().whole();
        self.decoders.decode(from, picture, &head, &window, |pixels| match head.orientation() {
            Orientation::Upright => to.copy_from_bytes(pixels),
            orientation => {
                let bytes = head.stored().pixel_bytes(picture.color());
                turn(pixels, head.stored_size(), orientation, bytes, to.as_mut_bytes()?);
                Ok(())
            }
        })
    }
}

/// Turns pixels of `bytes` bytes each, stored as `stored`.
fn turn(pixels: &[u8], stored: [usize; 2], by: Orientation, bytes: usize, to: &mut [u8]) {
    let [height, width] = by.size(stored);
    for y in 0..height {
        for x in 0..width {
            let [row, column] = by.stored(stored, [y, x]);
            let from = &pixels[(row * stored[1] + column) * bytes..][..bytes];
            to[(y * width + x) * bytes..][..bytes].copy_from_slice(from);
        }
    }
}
