//! What the automatic policies draw from: fourteen operations, and how strong they may be.
//!
//! Everything is torchvision's (`v2/_auto_augment.py`), its arithmetic of magnitudes in `f32`
//! included, so that a translation is never a pixel off.

use std::fmt;

use tallow_core::Draws;

use crate::compose::{Atom, Composer, Line, Matrix, Reason, Sketch};
use crate::parameters::{chance, whole};
use crate::plan::{CHANNELS_MAX, Channels, H, Interpolation, OpCode, W};
use crate::spec::{Args, SpecError};
use crate::text::number;

/// An operation that a policy may choose.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Operation {
    Identity,
    ShearX,
    ShearY,
    TranslateX,
    TranslateY,
    Rotate,
    Brightness,
    Color,
    Contrast,
    Sharpness,
    Posterize,
    Solarize,
    AutoContrast,
    Equalize,
}

use Operation as Op;

/// All operations. AugMix leaves out the first.
pub(crate) const OPERATIONS: [Operation; 14] = [
    Op::Identity,
    Op::ShearX,
    Op::ShearY,
    Op::TranslateX,
    Op::TranslateY,
    Op::Rotate,
    Op::Brightness,
    Op::Color,
    Op::Contrast,
    Op::Sharpness,
    Op::Posterize,
    Op::Solarize,
    Op::AutoContrast,
    Op::Equalize,
];

/// How strong the operations of a policy become at the last of its bins.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Space {
    /// The tangent of the angle.
    pub(crate) shear: f32,
    pub(crate) translate: Translate,
    /// Degrees.
    pub(crate) rotate: f32,
    /// What a factor differs from 1.
    pub(crate) enhance: f32,
    /// Bits that are kept at the first bin, and how many fewer at the last.
    pub(crate) posterize: [f32; 2],
}

/// How far an image is moved at most.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Translate {
    /// A part of its size, as numerator and denominator.
    Share(f64, f64),
    Pixels(f32),
}

/// How the maps of a policy interpolate.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Warp {
    pub(crate) interpolation: Interpolation,
    pub(crate) fill: PolicyFill,
}

/// The value outside of the image: none given, which is black, one for all channels, or one per
/// channel.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct PolicyFill {
    values: [f64; CHANNELS_MAX],
    given: usize,
}

/// One draw: what, how strong.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Drawn {
    pub(crate) operation: Operation,
    pub(crate) magnitude: f32,
}

/// Element `at` of `torch.linspace(start, end, bins)`: from both ends, in `f32`.
fn linspace(start: f32, end: f32, bins: usize, at: usize) -> f32 {
    let step = (end - start) / (bins - 1) as f32;
    match at < bins / 2 {
        true => start + step * at as f32,
        false => end - step * (bins - 1 - at) as f32,
    }
}

impl Space {
    /// The magnitude of `operation` at bin `at` of `bins`, for an image of `size`.
    fn magnitude(&self, operation: Operation, at: usize, bins: usize, size: [i32; 3]) -> f32 {
        let most = |axis: usize| match self.translate {
            Translate::Share(part, whole) => (part / whole * f64::from(size[axis])) as f32,
            Translate::Pixels(pixels) => pixels,
        };
        let linear = |end: f32| linspace(0.0, end, bins, at);
        match operation {
            Op::Identity | Op::AutoContrast | Op::Equalize => 0.0,
            Op::ShearX | Op::ShearY => linear(self.shear),
            Op::TranslateX => linear(most(W)),
            Op::TranslateY => linear(most(H)),
            Op::Rotate => linear(self.rotate),
            Op::Brightness | Op::Color | Op::Contrast | Op::Sharpness => linear(self.enhance),
            Op::Posterize => {
                let [bits, fewer] = self.posterize;
                (bits - at as f32 / ((bins - 1) as f32 / fewer)).round_ties_even()
            }
            Op::Solarize => linspace(1.0, 0.0, bins, at),
        }
    }

    /// Draws an operation out of `operations` at bin `at`. Takes two numbers.
    pub(crate) fn draw(
        &self,
        draws: &mut Draws,
        operations: &[Operation],
        (at, bins): (usize, usize),
        size: [i32; 3],
    ) -> Drawn {
        let operation = operations[whole(draws, 0, operations.len() as i64 - 1) as usize];
        let turned = chance(draws, 0.5) && operation.is_signed();
        let magnitude = self.magnitude(operation, at, bins, size);
        Drawn { operation, magnitude: if turned { -magnitude } else { magnitude } }
    }
}

impl Operation {
    fn is_signed(self) -> bool {
        !matches!(
            self,
            Self::Identity | Self::Posterize | Self::Solarize | Self::AutoContrast | Self::Equalize
        )
    }
}

impl Drawn {
    /// Does it, saying so.
    pub(crate) fn compose(self, composer: &mut Composer<'_>, warp: &Warp) {
        let Self { operation, magnitude } = self;
        composer.note(format_args!("{operation:?} {magnitude:.3}"));
        let max = composer.max();
        let factor = 1.0 + magnitude;
        match operation {
            Op::Identity => {}
            Op::Brightness => composer.point(OpCode::Brightness, &[factor, max]),
            Op::Color => composer.point(OpCode::Saturation, &[factor, max]),
            Op::Contrast => composer.point(OpCode::Contrast, &[factor, max]),
            Op::Posterize => composer.posterize(magnitude as usize),
            Op::Solarize => composer.point(OpCode::Solarize, &[magnitude * max, max]),
            Op::AutoContrast => composer.point(OpCode::Autocontrast, &[max]),
            Op::Equalize => composer.equalize(),
            Op::Sharpness => composer.sharpen(factor),
            Op::ShearX | Op::ShearY | Op::TranslateX | Op::TranslateY | Op::Rotate => {
                // What does not move needs no pass.
                let matrix = self.matrix(composer.size());
                if matrix != Matrix::IDENTITY {
                    composer.warp(matrix, warp.interpolation, warp.fill.of(composer.unit()));
                }
            }
        }
    }

    /// The pixels of the result in the image. Shears keep the edge at the top or at the left in
    /// its place, rotations the middle.
    fn matrix(self, [_, height, width]: [i32; 3]) -> Matrix {
        let magnitude = f64::from(self.magnitude);
        let mut matrix = Matrix::IDENTITY;
        match self.operation {
            Op::ShearX => (matrix.0[1], matrix.0[2]) = (magnitude, magnitude / 2.0),
            Op::ShearY => (matrix.0[3], matrix.0[5]) = (magnitude, magnitude / 2.0),
            Op::TranslateX => matrix.0[2] = -magnitude.trunc(),
            Op::TranslateY => matrix.0[5] = -magnitude.trunc(),
            Op::Rotate if magnitude != 0.0 => {
                let radians = magnitude.to_radians();
                let (sin, cos) = (libm::sin(radians), libm::cos(radians));
                let turn = Matrix([cos, -sin, 0.0, sin, cos, 0.0, 0.0, 0.0, 1.0]);
                matrix = turn.about_middle(width, height);
            }
            _ => {}
        }
        matrix
    }
}

impl Warp {
    /// The arguments that every policy takes.
    pub(crate) fn parse(self, args: &mut Args<'_>) -> Result<Self, SpecError> {
        let interpolation = args.word_or("interpolation", self.interpolation)?;
        let fill = args.list_if("fill")?.map_or(self.fill, |fill| PolicyFill::new(&fill));
        Ok(Self { interpolation, fill })
    }

    /// Checks the image, and how it is to be interpolated.
    ///
    /// # Errors
    ///
    /// What does not fit.
    pub(crate) fn outline(&self, sketch: &mut Sketch) -> Result<(), String> {
        sketch.needs_colors()?;
        if self.interpolation == Interpolation::Bicubic {
            return Err("found bicubic, expected nearest or bilinear".to_owned());
        }
        let PolicyFill { values, given } = self.fill;
        if given > 1 && given != sketch.channels {
            let channels = sketch.channels;
            return Err(format!("found {channels} channels, expected {given}, one per fill"));
        }
        let given = &values[..given.min(CHANNELS_MAX)];
        given.iter().try_for_each(|value| sketch.needs_value("fill", *value))
    }

    /// Leaves what any of the operations may, `slots` times.
    pub(crate) fn slots(&self, sketch: &mut Sketch, slots: usize) -> Result<(), String> {
        let interpolation = self.interpolation;
        let warp = |sketch: &mut Sketch| sketch.warp(interpolation);
        let ways: [&dyn Fn(&mut Sketch); 5] = [
            &|_| {},
            &warp,
            &|sketch| sketch.atom(Atom::Point(1)),
            &Sketch::statistic,
            &|sketch| sketch.atom(Atom::Neighbours),
        ];
        let (stage, lines) = (sketch.stages.len() - 1, sketch.lines.len());
        for _ in 0..slots {
            sketch.ways(ways.map(|way| {
                move |sketch: &mut Sketch| {
                    way(sketch);
                    Ok(())
                }
            }))?;
        }
        // One line per stage is enough.
        sketch.lines.truncate(lines);
        for stage in stage..sketch.stages.len() {
            sketch.lines.push(self.line(sketch, stage, lines));
        }
        Ok(())
    }

    fn line(&self, sketch: &Sketch, stage: usize, lines: usize) -> Line {
        let first = sketch.lines.len() == lines;
        let cut = (!first).then_some(Reason::Drawn);
        Line { stage, step: sketch.label().to_owned(), cut, note: "one of several operations" }
    }
}

impl PolicyFill {
    /// Nothing, which is black.
    pub(crate) const NONE: Self = Self { values: [0.0; CHANNELS_MAX], given: 0 };

    /// One value for all channels, or one each; too many are refused later.
    pub(crate) fn new(values: &[f64]) -> Self {
        let of = |c: usize| values.get(c).or(values.first()).copied().unwrap_or(0.0);
        Self { values: std::array::from_fn(of), given: values.len() }
    }

    fn of(self, unit: f32) -> Channels {
        self.values.map(|value| value as f32 * unit)
    }
}

impl fmt::Display for PolicyFill {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.given {
            0 => f.write_str("none"),
            1 => f.write_str(&number(self.values[0])),
            given => {
                let values: Vec<String> =
                    self.values.iter().take(given).map(|value| number(*value)).collect();
                write!(f, "[{}]", values.join(","))
            }
        }
    }
}

impl fmt::Display for Warp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "interpolation={}, fill={}", self.interpolation, self.fill)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::steps::rand_augment::SPACE as NARROW;
    use crate::steps::trivial_augment_wide::SPACE as WIDE;

    const SIZE: [i32; 3] = [1, 331, 662];

    #[test]
    fn magnitudes_are_those_of_the_published_tables() {
        let near = |found: f32, expected: f32| {
            assert!((found - expected).abs() < 1e-5, "{found} {expected}");
        };
        let narrow = |operation, at| NARROW.magnitude(operation, at, 31, SIZE);
        near(narrow(Op::ShearX, 9), 0.09);
        near(narrow(Op::TranslateX, 9), 90.0);
        near(narrow(Op::TranslateY, 30), 150.0);
        near(narrow(Op::Rotate, 9), 9.0);
        near(narrow(Op::Contrast, 9), 0.27);
        near(narrow(Op::Solarize, 9), 0.7);
        let bits =
            |space: Space| [0, 4, 9, 20, 30].map(|at| space.magnitude(Op::Posterize, at, 31, SIZE));
        assert_eq!(bits(NARROW), [8.0, 7.0, 7.0, 5.0, 4.0]);
        assert_eq!(bits(WIDE), [8.0, 7.0, 6.0, 4.0, 2.0]);
        near(WIDE.magnitude(Op::TranslateX, 15, 31, SIZE), 16.0);
        near(WIDE.magnitude(Op::Rotate, 30, 31, SIZE), 135.0);
    }

    #[test]
    fn shears_keep_an_edge_and_rotations_the_middle() {
        let map = |operation, magnitude, x, y| {
            Drawn { operation, magnitude }.matrix([1, 9, 5]).apply(x, y).unwrap()
        };
        // The edge at the top lies half a pixel above the first row.
        assert_eq!(map(Op::ShearX, 0.5, 2.0, -0.5), (2.0, -0.5));
        assert_eq!(map(Op::ShearX, 0.5, 2.0, 1.5), (3.0, 1.5));
        assert_eq!(map(Op::ShearY, 0.5, 1.5, 2.0), (1.5, 3.0));
        assert_eq!(map(Op::Rotate, 30.0, 2.0, 4.0), (2.0, 4.0));
        // Counter-clockwise: what is on the right afterwards was below.
        let (x, y) = map(Op::Rotate, 90.0, 4.0, 4.0);
        assert!((x - 2.0).abs() < 1e-9 && (y - 6.0).abs() < 1e-9, "{x} {y}");
        assert_eq!(map(Op::TranslateX, 1.99, 2.0, 2.0), (1.0, 2.0));
        assert_eq!(map(Op::TranslateY, -1.99, 2.0, 2.0), (2.0, 3.0));
    }
}
