//! The format of plans: what was drawn for one sample, as plain bytes. For programs that look into
//! plans, and for engines.
//!
//! A plan is a list of [`StagePlan`]s, one per stage of the chain. All geometry was composed, in
//! `f64` and in integers, before the plan was written; an engine only executes it. The CPU engine
//! and the CUDA engine read the same bytes, so every formula that a plan relies on is fixed here:
//!
//! - *Coordinates* are pixel indices, depth, height, width: the centre of pixel `k` is `k`.
//! - A stage maps an output pixel back to the source in three steps, each exact where it is whole:
//!   `after` (an integer map of output to *resampled* pixels), the interpolating map (`head` and
//!   `matrix`, resampled to *middle* pixels), `before` (an integer map of middle to source pixels).
//! - Taps are clamped to the middle image, which is what a crop before a resize leaves. Middle
//!   pixels outside the window of the source are found by `border`.
//! - A place that an affine or projective map finds is computed in `f64` and rounded to a multiple
//!   of 2^-20 pixels, half to even: places that should be whole or half are, and the weight of a
//!   tap, an `f32`, is exact. In `f32` alone a place of 3,000 pixels has an error of 2^-13.
//! - Bytes between four pixels, of images of up to 65,536 pixels a side, are blended in integers:
//!   places are rounded to multiples of 2^-14 pixels, half to even, and for the shares x and y of a
//!   pixel, the lower right one weighs x y, rounded half up to a multiple of 2^-14, and the others
//!   x, y and 1 less what is missing: 1 - x - y + xy, x - xy, y - xy. The sum is exact in an `f32`.
//!   What weights outside sum up to times the fill is then added.
//! - A resize that reads bytes, unless it takes the nearest pixel or shows a fill between two levels,
//!   is computed in integers: along the height first, in weights of 14 fractional bits (15 where a
//!   widened filter is 1.5 pixels per pixel or more, 16 from 3 on), to values of 6 fractional bits,
//!   rounded half up; then along the width, in such weights again, to sums that become `f32` times
//!   2^-(6 + the bits). Weights are the differences of their sums, each rounded half up. A blur is
//!   computed in the same way; its weights have 14 bits, are rounded from the outside of the kernel
//!   inwards and alike on both sides, and the middle is what is left of 1.
//! - Then the `ops` run in order, and the store multiplies by `scale`, adds `bias` and rounds to
//!   the output's type, half to even. No product is ever fused with a sum.

use std::fmt;
use std::str::FromStr;

use bytemuck::{Pod, Zeroable};

/// The layout of [`StagePlan`] and what engines make of it; it changes with every change of either.
pub const PLAN_VERSION: u32 = 4;

/// The most pixel operations of one stage.
pub const OPS_MAX: usize = 16;

/// The most weights of one half of a blur's kernel, the middle included: kernels have up to 63.
pub const BLUR_WEIGHTS_MAX: usize = 32;

/// The most channels that can have their own fill, scale or bias. Images with more channels use the
/// first value for all.
pub const CHANNELS_MAX: usize = 4;

/// The axes of sizes and places: depth, height, width.
pub(crate) const D: usize = 0;
pub(crate) const H: usize = 1;
pub(crate) const W: usize = 2;

/// One value per channel.
pub(crate) type Channels = [f32; CHANNELS_MAX];

/// Where the engine keeps images between stages.
pub(crate) mod canvas {
    /// The raw row, or the delivered row.
    pub(crate) const ROW: u32 = 0;
    /// The first of the two that stages alternate between.
    pub(crate) const FIRST: u32 = 1;
    /// The second of them.
    pub(crate) const SECOND: u32 = 2;
    /// The image that branches begin with.
    pub(crate) const ORIGIN: u32 = 3;
    /// The sum of branches.
    pub(crate) const SUM: u32 = 4;
    /// The partner that is mixed in.
    pub(crate) const PARTNER: u32 = 5;
    /// Canvases in all, the row included.
    pub(crate) const COUNT: usize = 6;
}

/// The plan of one stage of one sample.
#[repr(C)]
#[derive(Clone, Copy, PartialEq, Pod, Zeroable)]
pub struct StagePlan {
    /// [`PLAN_VERSION`].
    pub version: u32,
    /// The [`Head`]: how a stage finds its pixels. 0 skips the stage.
    pub head: u32,
    /// The [`Interpolation`] of a resampling head.
    pub interpolation: u32,
    /// 1 where a resize widens its filter by the scale.
    pub antialias: u32,
    /// The [`Border`]: what lies around the window. An affine or projective head has no window but
    /// the middle image: under `Constant` taps outside are the fill, under `Edge` places are moved
    /// to the nearest inside.
    pub border: u32,
    /// Where the stage reads: 0 the raw row, else a canvas.
    pub from: u32,
    /// Where the stage writes: 0 the delivered row, else a canvas.
    pub to: u32,
    /// Pixel operations in use.
    pub ops_len: u32,
    /// Resampled to middle pixels of an affine or projective head: a 3x3 matrix, row by row, for
    /// (x, y, 1). A resize needs none: middle = (x + 0.5) `middle` / `resampled` - 0.5, in `f64`.
    pub matrix: [f64; 9],
    /// Sides of the source at which a crop in `before` took pixels away: bit 2k is the low side of
    /// axis k, bit 2k + 1 the high one. Only boxes need to know.
    pub cropped: u32,
    /// Depth, height and width of what is read.
    pub source: [i32; 3],
    /// The part of the source that a border surrounds: its first pixel.
    pub window_start: [i32; 3],
    /// The end of that part: one after its last pixel.
    pub window_end: [i32; 3],
    /// Middle to source pixels.
    pub before: IntegerMap,
    /// Size of the middle image.
    pub middle: [i32; 3],
    /// Size of the resampled image.
    pub resampled: [i32; 3],
    /// Output to resampled pixels.
    pub after: IntegerMap,
    /// Depth, height and width of what is written.
    pub size: [i32; 3],
    /// The value outside of the image, one per channel, in the range of the input.
    pub fill: [f32; CHANNELS_MAX],
    /// One half of a blur's kernel from its middle outwards; of an elastic map the kernel of its
    /// displacements.
    pub weights: [f32; BLUR_WEIGHTS_MAX],
    /// Weights in use, the middle included.
    pub weights_len: u32,
    /// Sharpness factor, or the largest displacement of an elastic map in pixels.
    pub amount: f32,
    /// The stream of an elastic map's displacements.
    pub field_stream: u32,
    /// The key and sample of noise that is drawn per pixel.
    pub noise: NoiseKey,
    /// The pixel operations, in order.
    pub ops: [Op; OPS_MAX],
    /// What the store multiplies by, one factor per channel.
    pub scale: [f32; CHANNELS_MAX],
    /// What the store adds, one value per channel.
    pub bias: [f32; CHANNELS_MAX],
}

/// A map of pixels to pixels: `source[axis[k]] = offset[axis[k]] + sign[k] * output[k]`.
#[repr(C)]
#[derive(Clone, Copy, PartialEq, Eq, Debug, Pod, Zeroable)]
pub struct IntegerMap {
    /// The source axis that each output axis runs along.
    pub axis: [i32; 3],
    /// 1, or -1 where it runs backwards.
    pub sign: [i32; 3],
    /// The source coordinate of output pixel 0, one per source axis.
    pub offset: [i32; 3],
}

/// What the random numbers of a pixel depend on, besides the pixel.
#[repr(C)]
#[derive(Clone, Copy, PartialEq, Eq, Debug, Pod, Zeroable)]
pub struct NoiseKey {
    /// The words of the row's key.
    pub key: [u32; 2],
    /// Low and high word of the sample's index.
    pub index: [u32; 2],
}

/// One pixel operation.
#[repr(C)]
#[derive(Clone, Copy, PartialEq, Pod, Zeroable)]
pub struct Op {
    /// The [`OpCode`].
    pub code: u32,
    /// A stream of noise, a canvas, or a bit per channel, as the code says.
    pub slot: u32,
    /// Its numbers, as the code says.
    pub args: [f32; 8],
}

macro_rules! codes {
    ($(#[$doc:meta])* $name:ident { $($(#[$vdoc:meta])* $variant:ident = $value:literal,)* }) => {
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
        #[repr(u32)]
        #[non_exhaustive]
        pub enum $name { $($(#[$vdoc])* $variant = $value,)* }

        impl $name {
            /// The value that a plan holds as `code`.
            pub fn of(code: u32) -> Option<Self> {
                match code { $($value => Some(Self::$variant),)* _ => None }
            }
        }
    };
}

codes! {
    /// How a stage finds its pixels.
    Head {
        /// The stage does nothing: its input is its output.
        Skip = 0,
        /// Pixels are moved, by `before`.
        Move = 1,
        /// A separable resize along height and width.
        Resize = 2,
        /// Bilinear or nearest sampling under an affine map.
        Affine = 3,
        /// The same under a projective map.
        Perspective = 4,
        /// The same at the pixel itself, displaced by a smooth random field.
        Elastic = 5,
        /// A separable convolution with `weights`, reflected at the border.
        Blur = 6,
        /// A blend with the 3x3 mean [1 1 1; 1 5 1; 1 1 1] / 13.
        Sharpen = 7,
    }
}

codes! {
    /// How values between pixels are found.
    Interpolation {
        /// The nearest pixel: `floor` of the edge coordinate in a resize ("nearest exact"), the
        /// rounded index, half to even, under other maps.
        Nearest = 0,
        /// Two taps per axis.
        Bilinear = 1,
        /// Four taps per axis: a = -0.75, or -0.5 with antialiasing.
        Bicubic = 2,
    }
}

codes! {
    /// What a border shows.
    Border {
        /// The fill.
        Constant = 0,
        /// The nearest pixel of the image.
        Edge = 1,
        /// The image mirrored, its outermost pixel once: `dcb|abcd|cba`.
        Reflect = 2,
        /// The image mirrored, its outermost pixel twice: `cba|abcd|dcb`.
        Symmetric = 3,
        /// The image again: `bcd|abcd|abc`.
        Wrap = 4,
    }
}

codes! {
    /// A pixel operation. `max` is the largest value of the input's range.
    OpCode {
        /// Colour: clamp(`a0` x, 0, `a1` = max).
        Brightness = 1,
        /// Colour: clamp(`a0` x + (1 - `a0`) mean of the luma, 0, `a1`). Needs a statistic.
        Contrast = 2,
        /// Colour: clamp(`a0` x + (1 - `a0`) luma, 0, `a1`).
        Saturation = 3,
        /// Colour: hue turned by `a0` of a full turn in HSV, in the range `a1`.
        Hue = 4,
        /// Colour: the luma in every channel.
        Grayscale = 5,
        /// clamp(`a1` (x / max)^`a0`, 0, 1) max, max = `a2`.
        Gamma = 6,
        /// max - x where x >= `a0`, max = `a1`.
        Solarize = 7,
        /// clamp(floor(x / `a0`), 0, `a1`) `a0`: the level below, of those that are `a0` apart.
        Posterize = 8,
        /// max - x, max = `a0`.
        Invert = 9,
        /// Each channel stretched to [0, max = `a0`]. Needs a statistic.
        Autocontrast = 10,
        /// Each channel's histogram made even, max = `a0`; `a1` is 1 where values are the levels of a
        /// histogram. Needs a statistic.
        Equalize = 11,
        /// x `a[c]` + `a[4 + c]` for each channel c. When `slot` is k + 1, only for channels 4 k to
        /// 4 k + 3, with the numbers of c - 4 k.
        Affine = 12,
        /// (x - mean) / sqrt(variance + `a0`): over all channels, or each if `slot` is 1. Needs a
        /// statistic.
        Standardize = 13,
        /// x + `a1` + `a0` normal, clamped to [0, `a2`] if `a2` > 0; noise stream `slot`.
        GaussianNoise = 14,
        /// With probability `a0` a pixel becomes `a2` = max (a share `a1` of them) or 0; noise
        /// stream `slot`.
        SaltAndPepper = 15,
        /// Rows `a0..a1` and columns `a2..a3` become the value of `a[4 + c]`, or those of four
        /// channels do, as `slot` says of `Affine`.
        Erase = 16,
        /// The same with normal noise, `a4` + `a5` normal; noise stream `slot`.
        EraseNoise = 17,
        /// Channel c takes channel `a[c]`.
        Permute = 18,
        /// `a0` x + `a1` y, y being the pixel of canvas `slot`.
        Blend = 19,
        /// Rows `a0..a1` and columns `a2..a3` take the pixel of canvas `slot`.
        Paste = 20,
    }
}

impl Interpolation {
    /// Pixels on each side that a resize looks at, at scale 1.
    pub(crate) fn support(self) -> f64 {
        match self {
            Self::Nearest => 0.5,
            Self::Bilinear => 1.0,
            Self::Bicubic => 2.0,
        }
    }

    fn as_str(self) -> &'static str {
        match self {
            Self::Nearest => "nearest",
            Self::Bilinear => "bilinear",
            Self::Bicubic => "bicubic",
        }
    }
}

impl fmt::Display for Interpolation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl FromStr for Interpolation {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let all = [Self::Nearest, Self::Bilinear, Self::Bicubic];
        let found = all.into_iter().find(|interpolation| interpolation.as_str() == text);
        found.ok_or_else(|| "expected nearest, bilinear or bicubic".to_owned())
    }
}

impl Border {
    fn as_str(self) -> &'static str {
        match self {
            Self::Constant => "constant",
            Self::Edge => "edge",
            Self::Reflect => "reflect",
            Self::Symmetric => "symmetric",
            Self::Wrap => "wrap",
        }
    }
}

impl fmt::Display for Border {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl FromStr for Border {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let all = [Self::Constant, Self::Edge, Self::Reflect, Self::Symmetric, Self::Wrap];
        let found = all.into_iter().find(|border| border.as_str() == text);
        found.ok_or_else(|| "expected constant, edge, reflect, symmetric or wrap".to_owned())
    }
}

impl OpCode {
    /// Whether the operation needs a statistic of the whole image that reaches it.
    pub fn needs_statistic(self) -> bool {
        matches!(self, Self::Contrast | Self::Autocontrast | Self::Equalize | Self::Standardize)
    }

    /// Whether the operation looks at nothing but the values of a pixel: neither at its place nor at
    /// other pixels.
    pub(crate) fn looks_at_values_alone(self) -> bool {
        let looks_at_places = matches!(
            self,
            Self::GaussianNoise
                | Self::SaltAndPepper
                | Self::Erase
                | Self::EraseNoise
                | Self::Blend
                | Self::Paste
        );
        !looks_at_places && !self.needs_statistic()
    }
}

impl IntegerMap {
    /// Every pixel to itself.
    pub const IDENTITY: Self = Self { axis: [0, 1, 2], sign: [1; 3], offset: [0; 3] };

    /// Whether axes keep their order.
    pub fn keeps_axes(&self) -> bool {
        self.axis == [0, 1, 2]
    }

    /// The map of an output that begins at `start` along axis `k` of this one's.
    pub(crate) fn crop(&mut self, k: usize, start: i32) {
        self.offset[self.axis[k] as usize] += self.sign[k] * start;
    }

    /// The map of the output, of `size` along axis `k`, mirrored along it.
    pub(crate) fn flip(&mut self, k: usize, size: i32) {
        self.crop(k, size - 1);
        self.sign[k] = -self.sign[k];
    }

    /// The map of the output with two of its axes exchanged.
    pub(crate) fn transpose(&mut self, a: usize, b: usize) {
        self.axis.swap(a, b);
        self.sign.swap(a, b);
    }

    /// The source pixel of an output pixel.
    pub fn at(&self, output: [i32; 3]) -> [i32; 3] {
        let mut source = self.offset;
        for k in 0..3 {
            source[self.axis[k] as usize] += self.sign[k] * output[k];
        }
        source
    }
}

/// One side of an axis.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum End {
    Low,
    High,
}

impl End {
    /// The side that a mirrored axis has there.
    pub(crate) fn along(self, sign: i32) -> Self {
        match (self, sign > 0) {
            (end, true) => end,
            (Self::Low, false) => Self::High,
            (Self::High, false) => Self::Low,
        }
    }
}

impl StagePlan {
    /// A stage that reads an image of `size` from `from` and changes nothing.
    pub(crate) fn moving(size: [i32; 3], from: u32) -> Self {
        Self {
            version: PLAN_VERSION,
            head: Head::Move as u32,
            from,
            source: size,
            window_end: size,
            before: IntegerMap::IDENTITY,
            middle: size,
            matrix: [1.0, 0.0, 0.0, 0.0, 1.0, 0.0, 0.0, 0.0, 1.0],
            resampled: size,
            after: IntegerMap::IDENTITY,
            size,
            scale: [1.0; CHANNELS_MAX],
            ..Self::zeroed()
        }
    }

    /// The head; an unknown code is a plan of another version.
    pub fn head(&self) -> Head {
        Head::of(self.head).unwrap_or(Head::Skip)
    }

    /// The interpolation.
    pub fn interpolation(&self) -> Interpolation {
        Interpolation::of(self.interpolation).unwrap_or(Interpolation::Nearest)
    }

    /// The border.
    pub fn border(&self) -> Border {
        Border::of(self.border).unwrap_or(Border::Constant)
    }

    /// The pixel operations in use.
    pub fn ops(&self) -> &[Op] {
        &self.ops[..(self.ops_len as usize).min(OPS_MAX)]
    }

    /// Notes that a crop took pixels away at one side of source axis `k`.
    pub(crate) fn set_cropped(&mut self, k: usize, end: End) {
        self.cropped |= 1 << (2 * k + end as usize);
    }

    /// Whether one did.
    pub(crate) fn is_cropped(&self, k: usize, end: End) -> bool {
        self.cropped >> (2 * k + end as usize) & 1 == 1
    }

    /// The box of a partner that is pasted after the stage's geometry.
    pub(crate) fn paste(&self) -> Option<&Op> {
        self.ops().iter().find(|op| op.code() == Some(OpCode::Paste))
    }

    /// The stage as it moves pixels and makes none: each is one of the source, the nearest.
    pub(crate) fn choosing(&self) -> Self {
        let head = match self.head() {
            Head::Blur | Head::Sharpen => Head::Move,
            head => head,
        };
        let interpolation = Interpolation::Nearest as u32;
        Self { head: head as u32, interpolation, antialias: 0, ..*self }
    }

    /// Whether values stay what the stage's map makes of them.
    pub(crate) fn keeps_values(&self) -> bool {
        self.ops_len == 0 && self.scale == [1.0; CHANNELS_MAX] && self.bias == [0.0; CHANNELS_MAX]
    }

    /// Whether every output pixel is the source pixel at the same place.
    pub fn keeps_places(&self) -> bool {
        match self.head() {
            Head::Skip | Head::Blur | Head::Sharpen => true,
            Head::Move => self.before == IntegerMap::IDENTITY && self.size == self.source,
            _ => false,
        }
    }
}

impl Op {
    /// The code; an unknown one is a plan of another version.
    pub fn code(&self) -> Option<OpCode> {
        OpCode::of(self.code)
    }
}

impl fmt::Debug for Op {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.code() {
            Some(code) => write!(f, "{code:?}{:?}", self.args)?,
            None => write!(f, "unknown operation {}", self.code)?,
        }
        if self.slot > 0 { write!(f, " slot {}", self.slot) } else { Ok(()) }
    }
}

/// The plan in words, without the parts that do nothing.
impl fmt::Debug for StagePlan {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let head = self.head();
        if head == Head::Skip {
            return f.write_str("Skip");
        }
        let place = |canvas, row| if canvas == 0 { row } else { "canvas" };
        write!(f, "{head:?} {:?} of the {}", self.source, place(self.from, "raw row"))?;
        if self.before != IntegerMap::IDENTITY {
            write!(f, ", pixels {:?} of {:?}", self.before, self.middle)?;
        }
        if self.window_end != self.source || self.window_start != [0; 3] {
            write!(f, ", window {:?}..{:?}", self.window_start, self.window_end)?;
        }
        match head {
            Head::Resize => {
                let aa = if self.antialias > 0 { ", antialiased" } else { "" };
                write!(f, ", {:?}{aa} to {:?}", self.interpolation(), self.resampled)?;
            }
            Head::Affine | Head::Perspective => {
                write!(f, ", {:?} by {:?}", self.interpolation(), self.matrix)?;
            }
            Head::Blur => write!(f, " with {:?}", &self.weights[..self.weights_len as usize])?,
            Head::Elastic | Head::Sharpen => write!(f, " by {}", self.amount)?,
            Head::Skip | Head::Move => {}
        }
        if self.after != IntegerMap::IDENTITY {
            write!(f, ", then pixels {:?} of {:?}", self.after, self.resampled)?;
        }
        for op in self.ops() {
            write!(f, "; {op:?}")?;
        }
        write!(f, " -> {:?} to the {}", self.size, place(self.to, "row"))?;
        write!(f, ", times {:?} plus {:?}", self.scale, self.bias)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn integer_maps_compose_crops_flips_and_turns() {
        let mut map = IntegerMap::IDENTITY;
        map.crop(2, 3);
        map.flip(2, 10);
        assert_eq!(map.at([0, 0, 0]), [0, 0, 12], "the crop's last pixel comes first");
        map.transpose(1, 2);
        assert_eq!(map.at([0, 4, 1]), [0, 1, 8], "what ran along the width runs along the height");
    }

    #[test]
    fn a_plan_says_what_it_does() {
        let mut plan = StagePlan::moving([1, 8, 8], 0);
        plan.ops[0] = Op { code: OpCode::Invert as u32, slot: 0, args: [255.0; 8] };
        plan.ops_len = 1;
        let text = format!("{plan:?}");
        assert!(text.contains("Move [1, 8, 8]") && text.contains("Invert"), "{text}");
        assert_eq!(format!("{:?}", StagePlan::zeroed()), "Skip");
    }
}
