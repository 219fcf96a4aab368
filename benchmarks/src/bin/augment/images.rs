//! The input: images of random values, for which no chain takes a short cut.

use half::f16;
use tallow::{Element, Field, RowBuffer, RowDType, Schema};

use crate::Result;
use crate::cases::Input;

/// As much as a core's own caches hold: in training an image was just read or decoded.
const BYTES: usize = 1 << 20;

/// Objects of an image whose boxes are known.
const BOXES: usize = 8;

/// What samples are.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Form {
    pub(crate) dtype: RowDType,
    /// Whether a channel is a plane.
    pub(crate) planes: bool,
    /// Height and width.
    pub(crate) size: [usize; 2],
    pub(crate) input: Input,
}

impl Form {
    pub(crate) fn size(&self) -> [usize; 2] {
        if self.input == Input::Small { [32, 32] } else { self.size }
    }

    fn schema(&self) -> Result<Schema> {
        let [height, width] = self.size();
        let shape = if self.planes { [3, height, width] } else { [height, width, 3] };
        let mut fields = vec![Field::new("input", self.dtype, &shape)];
        match self.input {
            Input::Image | Input::Small => {}
            Input::Boxes => fields.push(Field::new("boxes", RowDType::F32, &[BOXES, 4])),
            Input::Mask => fields.push(Field::new("mask", RowDType::U8, &[height, width])),
        }
        Ok(Schema::new(fields)?)
    }
}

/// Samples whose images have three colours.
#[derive(Debug)]
pub(crate) struct Images {
    pub(crate) schema: Schema,
    pub(crate) rows: Vec<RowBuffer>,
}

impl Images {
    pub(crate) fn random(form: &Form) -> Result<Self> {
        let schema = form.schema()?;
        let [height, width] = form.size();
        let mut state = 0x9E37_79B9_7F4A_7C15u64;
        let mut random = || {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            (state >> 40) as u32
        };
        let row = |_| {
            let mut sample = RowBuffer::new(&schema)?;
            let mut row = sample.row(None);
            let len = height * width * 3;
            let mut unit = || random() as f32 / (1 << 24) as f32;
            match form.dtype {
                RowDType::U8 => put(&mut row, len, || (unit() * 256.0) as u8)?,
                RowDType::U16 => put(&mut row, len, || (unit() * 65536.0) as u16)?,
                RowDType::F16 => put(&mut row, len, || f16::from_f32(unit()))?,
                RowDType::F32 => put(&mut row, len, &mut unit)?,
                other => return Err(format!("{other} images are not measured").into()),
            }
            match form.input {
                Input::Image | Input::Small => {}
                Input::Boxes => {
                    let boxes: Vec<f32> =
                        (0..BOXES).flat_map(|_| object(form.size(), &mut unit)).collect();
                    row.field(1).copy_from_slice(&boxes)?;
                }
                Input::Mask => {
                    let classes: Vec<u8> =
                        (0..height * width).map(|_| (unit() * 21.0) as u8).collect();
                    row.field(1).copy_from_slice(&classes)?;
                }
            }
            Ok(sample)
        };
        let bytes = height * width * 3 * form.dtype.size();
        let rows = (0..(BYTES / bytes).clamp(2, 64)).map(row).collect::<Result<_>>()?;
        Ok(Self { schema, rows })
    }
}

fn put<T: Element>(
    row: &mut tallow::Row<'_>,
    len: usize,
    value: impl FnMut() -> T,
) -> tallow::SourceResult<()> {
    let pixels: Vec<T> = std::iter::repeat_with(value).take(len).collect();
    row.field(0).copy_from_slice(&pixels)
}

/// A box: left, top, right, bottom.
fn object([height, width]: [usize; 2], unit: &mut impl FnMut() -> f32) -> [f32; 4] {
    let (height, width) = (height as f32, width as f32);
    let (left, top) = (unit() * width / 2.0, unit() * height / 2.0);
    [left, top, left + width / 4.0, top + height / 4.0]
}
