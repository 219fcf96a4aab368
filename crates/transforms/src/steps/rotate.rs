//! Rotations by any angle.

use std::fmt;
use std::ops::Range;

use tallow_core::{Dim, Draws};

use crate::augment::Augment;
use crate::compose::{Atom, Composer, Sketch};
use crate::parameters::{Fill, Uniform};
use crate::plan::{H, Interpolation, W};
use crate::spec::Form;
use crate::step::Step;
use crate::steps::affine::{Affine, DEGREES_MAX, check_degrees, check_warp, degrees_text};
use crate::text::number;

pub(crate) static FORMS: &[Form] = &[
    Form {
        name: "rotate",
        usage: "angle, interpolation=nearest, fill=none",
        parse: |a, args| {
            let rotate = Rotate::new(args.number("angle")?);
            let rotate =
                rotate.interpolation(args.word_or("interpolation", Interpolation::Nearest)?);
            Ok(a.rotate(rotate.fill(args.fill("fill")?)))
        },
    },
    Form {
        name: "random_rotation",
        usage: "degrees | a..b, interpolation=nearest, fill=0",
        parse: |a, args| {
            let rotation = RandomRotation { degrees: args.around("degrees")?, ..0.0.into() };
            let nearest = Interpolation::Nearest;
            let rotation = rotation.interpolation(args.word_or("interpolation", nearest)?);
            Ok(a.random_rotation(rotation.fill(args.fill("fill")?)))
        },
    },
];

/// Rotates the image by an angle, *counter-clockwise*, about its middle. It keeps its size, and
/// outside of it is the fill. torchvision: `rotate`. Multiples of 180 degrees, and of 90 for
/// squares, only move pixels and are exact; other angles are an [`Affine`] map.
#[derive(Debug, Clone, Copy, PartialEq)]
#[must_use]
pub struct Rotate {
    angle: f64,
    interpolation: Interpolation,
    fill: Fill,
}

impl Rotate {
    /// A rotation by `angle` degrees.
    pub fn new(angle: f64) -> Self {
        Self { angle, interpolation: Interpolation::Nearest, fill: Fill::default() }
    }

    /// Nearest or bilinear. The default is nearest.
    pub fn interpolation(mut self, interpolation: Interpolation) -> Self {
        self.interpolation = interpolation;
        self
    }

    /// The value outside of the image. The default is 0.
    pub fn fill(mut self, fill: impl Into<Fill>) -> Self {
        self.fill = fill.into();
        self
    }

    /// The quarter turns that the angle is a multiple of, 0 to 3.
    fn quarters(&self) -> Option<i32> {
        let angle = self.angle.rem_euclid(360.0);
        (angle % 90.0 == 0.0).then_some((angle / 90.0) as i32 % 4)
    }

    fn turn(&self, composer: &mut Composer<'_>) {
        match self.quarters() {
            Some(quarters) if quarters % 2 == 0 || composer.height() == composer.width() => {
                composer.turn(H, W, quarters);
            }
            _ => {
                let Self { angle, interpolation, fill } = *self;
                Affine::new(-angle).interpolation(interpolation).fill(fill).warp(composer);
            }
        }
    }
}

impl From<f64> for Rotate {
    fn from(angle: f64) -> Self {
        Self::new(angle)
    }
}

/// [`Rotate`] by an angle that is uniform in a range. torchvision: `RandomRotation`. Draws one
/// number per sample.
#[derive(Debug, Clone, Copy, PartialEq)]
#[must_use]
pub struct RandomRotation {
    degrees: Uniform,
    interpolation: Interpolation,
    fill: Fill,
}

impl RandomRotation {
    /// A rotation by degrees in a range.
    pub fn new(degrees: Range<f64>) -> Self {
        let interpolation = Interpolation::Nearest;
        Self { degrees: degrees.into(), interpolation, fill: Fill::default() }
    }

    /// Nearest or bilinear. The default is nearest.
    pub fn interpolation(mut self, interpolation: Interpolation) -> Self {
        self.interpolation = interpolation;
        self
    }

    /// The value outside of the image. The default is 0.
    pub fn fill(mut self, fill: impl Into<Fill>) -> Self {
        self.fill = fill.into();
        self
    }

    fn rotate(&self, angle: f64) -> Rotate {
        Rotate { angle, interpolation: self.interpolation, fill: self.fill }
    }
}

/// A rotation by up to this many degrees in either direction.
impl From<f64> for RandomRotation {
    fn from(degrees: f64) -> Self {
        Self::new(-degrees..degrees)
    }
}

impl Augment {
    /// Rotates the image counter-clockwise: by an angle, or a [`Rotate`].
    pub fn rotate(self, rotate: impl Into<Rotate>) -> Self {
        self.push(rotate.into())
    }

    /// Rotates the image by a random angle: a largest angle, or a [`RandomRotation`].
    pub fn random_rotation(self, rotation: impl Into<RandomRotation>) -> Self {
        self.push(rotation.into())
    }
}

impl Step for Rotate {
    fn name(&self) -> &'static str {
        "rotate"
    }

    fn draws(&self) -> bool {
        false
    }

    fn outline(&self, sketch: &mut Sketch) -> Result<(), String> {
        check_warp(sketch, self.interpolation, self.fill)?;
        check_degrees("angle", self.angle.into(), DEGREES_MAX)?;
        let [_, height, width] = sketch.size;
        match (self.quarters(), height, width) {
            (Some(0 | 2), ..) => sketch.atom(Atom::Move),
            (Some(_), Dim::Fixed(h), Dim::Fixed(w)) if h == w => sketch.atom(Atom::Turn),
            (None, ..) | (_, Dim::Fixed(_), Dim::Fixed(_)) => sketch.warp(self.interpolation),
            // Square images are rotated exactly, others are interpolated.
            _ => {
                let (mut turned, common) = (sketch.clone(), sketch.lines.len());
                turned.atom(Atom::Turn);
                sketch.warp(self.interpolation);
                *sketch = sketch.clone().or(turned, common)?;
            }
        }
        Ok(())
    }

    fn compose(&self, _draws: &mut Draws, composer: &mut Composer<'_>) {
        self.turn(composer);
    }
}

impl fmt::Display for Rotate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { angle, interpolation, fill } = self;
        let angle = number(*angle);
        write!(f, "rotate({angle}, interpolation={interpolation}, fill={fill})")
    }
}

impl Step for RandomRotation {
    fn name(&self) -> &'static str {
        "random_rotation"
    }

    fn outline(&self, sketch: &mut Sketch) -> Result<(), String> {
        check_degrees("degrees", self.degrees, DEGREES_MAX)?;
        if self.degrees.low == self.degrees.high {
            return self.rotate(self.degrees.low).outline(sketch);
        }
        check_warp(sketch, self.interpolation, self.fill)?;
        // An angle that happens to be a whole quarter is interpolated, at whole places.
        sketch.warp(self.interpolation);
        Ok(())
    }

    fn compose(&self, draws: &mut Draws, composer: &mut Composer<'_>) {
        let angle = self.degrees.draw(draws);
        composer.note(format_args!("rotate {angle:.1} deg"));
        let Self { degrees, interpolation, fill } = *self;
        match degrees.low == degrees.high {
            true => self.rotate(angle).turn(composer),
            false => Affine::new(-angle).interpolation(interpolation).fill(fill).warp(composer),
        }
    }
}

impl fmt::Display for RandomRotation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { degrees, interpolation, fill } = self;
        let degrees = degrees_text(*degrees);
        write!(f, "random_rotation({degrees}, interpolation={interpolation}, fill={fill})")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whole_quarters_are_seen() {
        let quarters = |angle| Rotate::new(angle).quarters();
        assert_eq!([90.0, -90.0, 180.0, 360.0, -720.0].map(quarters), [1, 3, 2, 0, 0].map(Some));
        assert_eq!(quarters(45.0), None);
    }

    #[test]
    fn a_number_is_a_range_about_zero() {
        let of = |text: &str| text.parse::<Augment>().unwrap().to_string();
        let text = "random_rotation(-15..15, interpolation=bilinear, fill=0.5)";
        assert_eq!(of("random_rotation(15, interpolation=bilinear, fill=0.5)"), text);
        assert_eq!(of(text), text);
        assert_eq!(of(&of("rotate(-7.5)")), of("rotate(-7.5)"));
    }
}
