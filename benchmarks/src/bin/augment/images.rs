//! The input: images of random bytes, for which no chain takes a short cut.

use tallow::{Field, RowBuffer, RowDType, Schema};

use crate::Result;

/// As much as a core's own caches hold: in training an image was just read or decoded.
const BYTES: usize = 1 << 20;

/// Images of three colours, colours last.
#[derive(Debug)]
pub(crate) struct Images {
    pub(crate) schema: Schema,
    pub(crate) rows: Vec<RowBuffer>,
}

impl Images {
    pub(crate) fn random([height, width]: [usize; 2]) -> Result<Self> {
        let schema = Schema::new(vec![Field::new("input", RowDType::U8, &[height, width, 3])])?;
        let bytes = height * width * 3;
        let mut state = 0x9E37_79B9_7F4A_7C15u64;
        let mut byte = || {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            (state >> 56) as u8
        };
        let row = |_| {
            let mut image = RowBuffer::new(&schema)?;
            let pixels: Vec<u8> = std::iter::repeat_with(&mut byte).take(bytes).collect();
            image.row(None).field(0).copy_from_slice(&pixels)?;
            Ok(image)
        };
        let rows = (0..(BYTES / bytes).clamp(2, 64)).map(row).collect::<Result<_>>()?;
        Ok(Self { schema, rows })
    }
}
