use tallow_images::Orientation;

use crate::encoding::{Decoders, Picture};
use crate::{
    Engine, Error, FieldMut, FieldView, Fingerprint, Result, Row, RowView, Schema, Transform,
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

    /// An engine that decodes those fields of `schema` whose positions are `fields`, and leaves the
    /// others as they are.
    ///
    /// # Errors
    ///
    /// As [`Schema::decoded`].
    pub fn bind_fields(schema: &Schema, fields: &[usize]) -> Result<Box<dyn Engine>> {
        let is_decoded = |at: usize| fields.contains(&at);
        let all = schema.fields().iter().enumerate();
        let pictures =
            all.map(|(at, field)| field.as_picture().filter(|_| is_decoded(at)).cloned());
        let pictures = pictures.collect();
        let schema = schema.decoded_where(is_decoded)?;
        Ok(Box::new(DecodeEngine { schema, pictures, decoders: Decoders::default() }))
    }
}

impl Transform for Decode {
    fn bind(&self, schema: &Schema) -> Result<Box<dyn Engine>> {
        let all: Vec<usize> = (0..schema.fields().len()).collect();
        Self::bind_fields(schema, &all)
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
        let (window, mark) = (head.stored().whole(), to.mark());
        let orientation = head.orientation();
        if orientation == Orientation::Upright {
            let pixels = to.as_mut_bytes()?;
            return self.decoders.decode_into(from, picture, &head, &window, pixels, mark);
        }
        let bytes = head.stored().pixel_bytes(picture.color());
        self.decoders.decode(from, picture, &head, &window, mark, |pixels| {
            turn(pixels, head.stored_size(), orientation, bytes, to.as_mut_bytes()?);
            Ok(())
        })
    }
}

/// Turns pixels of `bytes` bytes each, stored as `stored`.
fn turn(pixels: &[u8], stored: [usize; 2], by: Orientation, bytes: usize, to: &mut [u8]) {
    match bytes {
        1 => turn_pixels::<1>(pixels, stored, by, to),
        2 => turn_pixels::<2>(pixels, stored, by, to),
        3 => turn_pixels::<3>(pixels, stored, by, to),
        4 => turn_pixels::<4>(pixels, stored, by, to),
        _ => unreachable!("no colour has pixels of {bytes} bytes"),
    }
}

fn turn_pixels<const N: usize>(pixels: &[u8], stored: [usize; 2], by: Orientation, to: &mut [u8]) {
    let [_, width] = by.size(stored);
    let (pixels, _) = pixels.as_chunks::<N>();
    let (to, _) = to.as_chunks_mut::<N>();
    for (y, line) in to.chunks_exact_mut(width).enumerate() {
        // A line of the turned picture is a line or a column of the stored one, from one end on.
        let [row, column] = by.stored(stored, [y, 0]);
        let first = (row * stored[1] + column) as isize;
        let step = match width {
            1 => 0,
            _ => {
                let [row, column] = by.stored(stored, [y, 1]);
                (row * stored[1] + column) as isize - first
            }
        };
        for (x, to) in line.iter_mut().enumerate() {
            *to = pixels[(first + step * x as isize) as usize];
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_orientation_turns_pixels_of_every_size() {
        let stored = [2, 3];
        for number in 1..=8 {
            let by = Orientation::from_exif(number).unwrap();
            let [height, width] = by.size(stored);
            for bytes in 1..=4 {
                let pixels: Vec<u8> = (0..6 * bytes as u8).collect();
                let mut turned = vec![0xFF; pixels.len()];
                turn(&pixels, stored, by, bytes, &mut turned);
                for at in 0..6 {
                    let [row, column] = by.stored(stored, [at / width, at % width]);
                    let from = (row * stored[1] + column) * bytes;
                    let (found, expected) = (&turned[at * bytes..], &pixels[from..]);
                    assert_eq!(found[..bytes], expected[..bytes], "{by:?} of {height}x{width}");
                }
            }
        }
    }
}
