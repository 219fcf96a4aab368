//! How the image is delivered: element type and layout.

use std::fmt;
use std::str::FromStr;

use tallow_core::{Draws, RowDType};

use crate::augment::Augment;
use crate::compose::Composer;
use crate::layout::Layout;
use crate::sketch::Sketch;
use crate::spec::Form;
use crate::step::Step;

pub(crate) static FORMS: &[Form] = &[
    Form {
        name: "to_dtype",
        usage: "u8 | f16 | bf16 | f32",
        parse: |a, args| Ok(a.to_dtype(args.word_or("dtype", OutputDType(RowDType::F32))?.0)),
    },
    Form {
        name: "to_layout",
        usage: "chw | hwc | ..",
        parse: |a, args| Ok(a.to_layout(args.word_or("layout", Layout::Chw)?)),
    },
];

impl Augment {
    /// Delivers the image as `dtype`: `u8`, `f16`, `bf16` or `f32`. Values in the range of the raw
    /// field, which [`range`](Self::range) may say, are scaled to that of `dtype`, 0 to 1 for floats;
    /// rounded half to even. Normalised values are not scaled, nor are those of a field without a
    /// range, and neither can be `u8`, of which NaN would be 0. torchvision: `ToDtype(scale=True)`, which
    /// rounds floats to `u8` by truncation. Its place in the chain is of no importance: values are
    /// rounded once, at the end. The default is the raw type, in the raw range, or `f32` where values
    /// are normalised or computed from another type than `u8`, `f16` or `f32`, `u16` then scaled to 0
    /// to 1.
    pub fn to_dtype(self, dtype: RowDType) -> Self {
        self.push(ToDType(dtype))
    }

    /// Delivers the image in another layout of the same axes. The default is channels first.
    pub fn to_layout(self, layout: Layout) -> Self {
        self.push(ToLayout(layout))
    }
}

#[derive(Debug)]
struct ToDType(RowDType);

impl Step for ToDType {
    fn name(&self) -> &'static str {
        "to_dtype"
    }

    fn outline(&self, sketch: &mut Sketch) -> Result<(), String> {
        sketch.dtype = Some(self.0);
        sketch.line("at the store");
        Ok(())
    }

    fn compose(&self, _draws: &mut Draws, _composer: &mut Composer<'_>) {}
}

impl fmt::Display for ToDType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "to_dtype({})", self.0)
    }
}

#[derive(Debug)]
struct ToLayout(Layout);

impl Step for ToLayout {
    fn name(&self) -> &'static str {
        "to_layout"
    }

    fn outline(&self, sketch: &mut Sketch) -> Result<(), String> {
        let axes = |layout: Layout| {
            let mut axes: Vec<char> = layout.as_str().chars().collect();
            axes.sort_unstable();
            axes
        };
        if axes(self.0) != axes(sketch.raw_layout) {
            return Err(format!("found the axes {}, expected the same ones", sketch.raw_layout));
        }
        sketch.layout = Some(self.0);
        sketch.line("at the store");
        Ok(())
    }

    fn compose(&self, _draws: &mut Draws, _composer: &mut Composer<'_>) {}
}

impl fmt::Display for ToLayout {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "to_layout({})", self.0)
    }
}

/// An element type by name.
struct OutputDType(RowDType);

impl FromStr for OutputDType {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let known = [RowDType::U8, RowDType::F16, RowDType::BF16, RowDType::F32];
        let found = known.into_iter().find(|dtype| dtype.as_str() == text);
        found.map(Self).ok_or_else(|| "expected u8, f16, bf16 or f32".to_owned())
    }
}
