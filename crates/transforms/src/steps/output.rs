//! How the image is delivered: its element type and its layout.

use std::fmt;
use std::str::FromStr;

use tallow_core::{Draws, RowDType};

use crate::augment::Augment;
use crate::compose::{Composer, Sketch};
use crate::layout::Layout;
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
    /// Delivers the image as `dtype`: `u8`, `f16`, `bf16` or `f32`. Values are scaled from the
    /// range of the raw field, which [`range`](Self::range) can set, to that of `dtype`, which is 0
    /// to 1 for floats, and rounded half to even. Normalised values and those of a field without a
    /// range are not scaled, and cannot become `u8`. NaN becomes 0 in a `u8`. torchvision:
    /// `ToDtype(scale=True)`, which truncates floats to `u8`. The place in the chain does not
    /// matter: values are rounded once, at the end. The default is the raw type in the raw range,
    /// or `f32` when values are normalised or computed from a type other than `u8`, `f16` or `f32`;
    /// `u16` is then scaled to 0 to 1. In a float type, channels come first unless
    /// [`to_layout`](Self::to_layout) says otherwise.
    pub fn to_dtype(self, dtype: RowDType) -> Self {
        self.push(ToDType(dtype))
    }

    /// Delivers the image in another layout: the same axes in another order, or with an axis of one
    /// channel added or removed, so that `to_layout(Layout::Chw)` turns (height, width) into (1,
    /// height, width). The default is the layout of the field, with channels first when values are
    /// normalised or become floats: after [`normalize`](Self::normalize),
    /// [`standardize`](Self::standardize) or [`to_dtype`](Self::to_dtype).
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

    fn draws(&self) -> bool {
        false
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

    fn draws(&self) -> bool {
        false
    }

    fn outline(&self, sketch: &mut Sketch) -> Result<(), String> {
        check_layout(sketch, self.0)?;
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

/// Whether an image can be delivered in `layout`.
///
/// # Errors
///
/// What was found and what was expected.
pub(crate) fn check_layout(sketch: &Sketch, layout: Layout) -> Result<(), String> {
    let raw = sketch.raw_layout;
    if layout.without_channels() != raw.without_channels() {
        return Err(format!("found the axes {raw}, expected those of {layout}"));
    }
    if layout.channel_axis().is_none() && sketch.channels != 1 {
        let found = sketch.channels;
        return Err(format!("found {found} channels, expected 1: {layout} has no axis for them"));
    }
    Ok(())
}

/// An element type by name.
pub(crate) struct OutputDType(pub(crate) RowDType);

impl FromStr for OutputDType {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let known = [RowDType::U8, RowDType::F16, RowDType::BF16, RowDType::F32];
        let found = known.into_iter().find(|dtype| dtype.as_str() == text);
        found.map(Self).ok_or_else(|| "expected u8, f16, bf16 or f32".to_owned())
    }
}

#[cfg(test)]
mod tests {
    use tallow_core::{Field, RowDType, Schema};

    use crate::augment::Augment;
    use crate::layout::Layout;

    /// What the chain makes of bytes of this shape.
    fn delivered(chain: &str, shape: &[usize]) -> Result<String, String> {
        let chain: Augment = chain.parse().map_err(|error| format!("{error}"))?;
        let schema = Schema::new(vec![Field::new("input", RowDType::U8, shape)]).unwrap();
        let bound = crate::bind::AugmentEngine::bind(&chain, &schema);
        let bound = bound.map_err(|error| error.to_string())?;
        let [_, layout] = chain.layouts(&schema).unwrap();
        assert_eq!(layout, bound.delivered);
        assert!(bound.explain().contains(&format!("delivers {layout}: ")), "{}", bound.explain());
        let shape = bound.schema.fields()[0].max_shape();
        Ok(format!("{layout} {shape:?}").replace(", ", ","))
    }

    #[test]
    fn a_chain_that_makes_no_floats_keeps_the_layout() {
        let of = |chain: &str| delivered(chain, &[8, 8, 3]).unwrap();
        for chain in ["", "hflip", "color_jitter(0.4)", "resize(8, 8)", "to_dtype(u8)"] {
            assert_eq!(of(chain), "hwc [8,8,3]", "{chain}");
        }
        for chain in ["normalize(imagenet)", "standardize", "to_dtype(f16)"] {
            assert_eq!(of(&format!("hflip {chain}")), "chw [3,8,8]");
            assert_eq!(of(&format!("to_layout(hwc) hflip {chain}")), "hwc [8,8,3]");
        }
        assert_eq!(of("hflip to_layout(chw)"), "chw [3,8,8]");
        assert_eq!(delivered("layout(tc) gain(3)", &[9, 2]).unwrap(), "tc [9,2]");
        assert_eq!(delivered("layout(tc) gain(3) standardize", &[9, 2]).unwrap(), "ct [2,9]");
    }

    #[test]
    fn an_axis_of_one_channel_comes_and_goes_where_asked_alone() {
        for chain in ["grayscale", "random_grayscale(1)", "hflip", "to_dtype(f32)"] {
            assert_eq!(delivered(chain, &[8, 9]).unwrap(), "hw [8,9]", "{chain}");
        }
        assert_eq!(delivered("grayscale to_layout(chw)", &[8, 9]).unwrap(), "chw [1,8,9]");
        assert_eq!(delivered("to_layout(hwc)", &[8, 9]).unwrap(), "hwc [8,9,1]");
        assert_eq!(delivered("to_layout(hw)", &[8, 9, 1]).unwrap(), "hw [8,9]");
        assert_eq!(delivered("layout(t) to_layout(ct)", &[8]).unwrap(), "ct [1,8]");
        let refused = delivered("grayscale to_layout(hw)", &[8, 9, 3]).unwrap_err();
        assert!(refused.contains("found 3 channels, expected 1"), "{refused}");
        let refused = delivered("to_layout(cdhw)", &[8, 9]).unwrap_err();
        assert!(refused.contains("found the axes hw"), "{refused}");
    }

    #[test]
    fn layouts_differ_in_the_place_of_the_values_alone() {
        use crate::steps::probe::{augmented, chain, levels, values_of};
        let image = levels(1, 5, 4);
        let plane = image.squeeze(0).unwrap();
        let values = values_of::<u8>(&image);
        for (layout, dims) in [("chw", vec![1, 5, 4]), ("hwc", vec![5, 4, 1]), ("hw", vec![5, 4])] {
            for of in [(Layout::Chw, &image), (Layout::Hw, &plane)] {
                let chain = chain(&format!("hflip hflip to_layout({layout})")).layout(of.0);
                let made = augmented(&chain, of.1, 0);
                assert_eq!((made.dims(), values_of::<u8>(&made)), (&dims[..], values.clone()));
            }
        }
    }
}
