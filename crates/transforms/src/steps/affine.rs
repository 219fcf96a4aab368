//! Affine maps: rotations, translations, changes of scale and shears.

use std::fmt;
use std::ops::Range;

use tallow_core::Draws;

use crate::augment::Augment;
use crate::compose::{Composer, Matrix, Sketch};
use crate::parameters::{Fill, Uniform};
use crate::plan::Interpolation;
use crate::spec::Form;
use crate::step::Step;
use crate::text::number;

pub(crate) static FORMS: &[Form] = &[
    Form {
        name: "affine",
        usage: "angle, translate_x=0, translate_y=0, scale=1, shear_x=0, shear_y=0, \
                interpolation=nearest, fill=none",
        parse: |a, args| {
            let affine = Affine::new(args.number("angle")?);
            let x = args.number_or("translate_x", 0.0)?;
            let affine = affine.translate(x, args.number_or("translate_y", 0.0)?);
            let affine = affine.scale(args.number_or("scale", 1.0)?);
            let x = args.number_or("shear_x", 0.0)?;
            let affine = affine.shear(x, args.number_or("shear_y", 0.0)?);
            let affine =
                affine.interpolation(args.word_or("interpolation", Interpolation::Nearest)?);
            Ok(a.affine(affine.fill(args.fill("fill")?)))
        },
    },
    Form {
        name: "random_affine",
        usage: "degrees | a..b, translate=none, scale=none, shear=none, interpolation=nearest, \
                fill=0",
        parse: |a, args| {
            let mut affine = RandomAffine { degrees: args.around("degrees")?, ..0.0.into() };
            affine = match args.list_if("translate")?.as_deref() {
                None => affine,
                Some(&[x, y]) => affine.translate(x, y),
                Some(list) => {
                    let found = list.len();
                    let message = format!("found {found} numbers in translate, expected 2");
                    return Err(args.refuse(message));
                }
            };
            affine.scale = args.range_or("scale", 1.0, 1.0)?;
            affine = match args.list_if("shear")?.as_deref() {
                None => affine,
                Some(&[x]) => affine.shear(-x..x, 0.0),
                Some(&[low, high]) => affine.shear(low..high, 0.0),
                Some(&[x, to_x, y, to_y]) => affine.shear(x..to_x, y..to_y),
                Some(list) => {
                    let found = list.len();
                    let message = format!("found {found} numbers in shear, expected 1, 2 or 4");
                    return Err(args.refuse(message));
                }
            };
            affine = affine.interpolation(args.word_or("interpolation", Interpolation::Nearest)?);
            Ok(a.random_affine(affine.fill(args.fill("fill")?)))
        },
    },
];

/// Rotates the image by `angle` degrees *clockwise*, shears, scales and moves it, in this order,
/// about its middle. torchvision: `affine`. With
///
/// `A = [cos(a - sy) / cos sy, -cos(a - sy) tan sx / cos sy - sin a;
///       sin(a - sy) / cos sy, -sin(a - sy) tan sx / cos sy + cos a]`
///
/// an output pixel p shows the place A^-1 (p - middle - translation) / scale + middle. The image
/// keeps its size. Outside of it is the fill, blended in by its share of the weights, where
/// torchvision also darkens the border. Places are accurate to a millionth of a pixel: for images
/// of any size, a result is within a hundred thousandth of the range of the exact one, and moves by
/// whole pixels are exact.
#[derive(Debug, Clone, Copy, PartialEq)]
#[must_use]
pub struct Affine {
    angle: f64,
    translate: [f64; 2],
    scale: f64,
    shear: [f64; 2],
    interpolation: Interpolation,
    fill: Fill,
}

impl Affine {
    /// A rotation by `angle` degrees, clockwise.
    pub fn new(angle: f64) -> Self {
        Self {
            angle,
            translate: [0.0; 2],
            scale: 1.0,
            shear: [0.0; 2],
            interpolation: Interpolation::Nearest,
            fill: Fill::default(),
        }
    }

    /// Pixels to the right and down. The default is none.
    pub fn translate(mut self, x: f64, y: f64) -> Self {
        self.translate = [x, y];
        self
    }

    /// The factor by which the image becomes larger. The default is 1.
    pub fn scale(mut self, scale: f64) -> Self {
        self.scale = scale;
        self
    }

    /// Degrees of the shears along x and y. The default is none.
    pub fn shear(mut self, x: f64, y: f64) -> Self {
        self.shear = [x, y];
        self
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

    /// From pixels of the result to those of the image, both counted from the middle.
    pub(crate) fn matrix(&self) -> Matrix {
        let [turn, sx, sy] = [self.angle, self.shear[0], self.shear[1]].map(f64::to_radians);
        let (along, across) = (libm::cos(turn - sy), libm::sin(turn - sy));
        let a = along / libm::cos(sy);
        let b = -along * libm::tan(sx) / libm::cos(sy) - libm::sin(turn);
        let c = across / libm::cos(sy);
        let d = -across * libm::tan(sx) / libm::cos(sy) + libm::cos(turn);
        // The determinant of [a b; c d] is 1, so this is its inverse.
        let [m0, m1, m3, m4] = [d, -b, -c, a].map(|entry| entry / self.scale);
        let [x, y] = self.translate;
        Matrix([m0, m1, -m0 * x - m1 * y, m3, m4, -m3 * x - m4 * y, 0.0, 0.0, 1.0])
    }

    /// Maps the image of `composer`.
    pub(crate) fn warp(&self, composer: &mut Composer<'_>) {
        let matrix = self.matrix().about_middle(composer.width(), composer.height());
        let fill = self.fill.channels(composer.unit());
        composer.warp(matrix, self.interpolation, fill);
    }
}

impl From<f64> for Affine {
    fn from(angle: f64) -> Self {
        Self::new(angle)
    }
}

/// [`Affine`] with random parameters, drawn as torchvision's `RandomAffine` draws them: the angle,
/// the scale and the shears are uniform; the translations are uniform in a share of width and
/// height, rounded to whole pixels, half to even. Draws 6 numbers per sample.
#[derive(Debug, Clone, Copy, PartialEq)]
#[must_use]
pub struct RandomAffine {
    degrees: Uniform,
    translate: [f64; 2],
    scale: Uniform,
    shear: [Uniform; 2],
    interpolation: Interpolation,
    fill: Fill,
}

impl RandomAffine {
    /// A clockwise rotation by degrees in a range.
    pub fn new(degrees: Range<f64>) -> Self {
        Self {
            degrees: degrees.into(),
            translate: [0.0; 2],
            scale: 1.0.into(),
            shear: [0.0.into(); 2],
            interpolation: Interpolation::Nearest,
            fill: Fill::default(),
        }
    }

    /// The largest translations, as shares of width and height. The default is none.
    pub fn translate(mut self, x: f64, y: f64) -> Self {
        self.translate = [x, y];
        self
    }

    /// The factor by which the image becomes larger. The default is 1.
    pub fn scale(mut self, scale: impl Into<Uniform>) -> Self {
        self.scale = scale.into();
        self
    }

    /// Degrees of the shears along x and y. The default is none.
    pub fn shear(mut self, x: impl Into<Uniform>, y: impl Into<Uniform>) -> Self {
        self.shear = [x.into(), y.into()];
        self
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

    fn draw(&self, draws: &mut Draws, height: i32, width: i32) -> Affine {
        let angle = self.degrees.draw(draws);
        let translate =
            [(self.translate[0], width), (self.translate[1], height)].map(|(share, len)| {
                let most = share * f64::from(len);
                Uniform { low: -most, high: most }.draw(draws).round_ties_even()
            });
        let scale = self.scale.draw(draws);
        let shear = self.shear.map(|degrees| degrees.draw(draws));
        let Self { interpolation, fill, .. } = *self;
        Affine { angle, translate, scale, shear, interpolation, fill }
    }
}

/// A rotation by up to this many degrees in either direction.
impl From<f64> for RandomAffine {
    fn from(degrees: f64) -> Self {
        Self::new(-degrees..degrees)
    }
}

impl Augment {
    /// Rotates, shears, scales and moves the image: by an angle, or an [`Affine`].
    pub fn affine(self, affine: impl Into<Affine>) -> Self {
        self.push(affine.into())
    }

    /// [`affine`](Self::affine) with random parameters: a largest angle, or a [`RandomAffine`].
    pub fn random_affine(self, affine: impl Into<RandomAffine>) -> Self {
        self.push(affine.into())
    }
}

/// Checks what every map that samples between pixels is given.
pub(crate) fn check_warp(
    sketch: &Sketch,
    interpolation: Interpolation,
    fill: Fill,
) -> Result<(), String> {
    sketch.needs_height()?;
    if interpolation == Interpolation::Bicubic {
        return Err("found bicubic, expected nearest or bilinear".to_owned());
    }
    fill.check(sketch)
}

/// Checks angles, up to `most` degrees to either side.
pub(crate) fn check_degrees(name: &str, degrees: Uniform, most: f64) -> Result<(), String> {
    degrees.check(name, -most, most)
}

/// The largest angle: more than any chain needs, and small enough for exact sines.
pub(crate) const DEGREES_MAX: f64 = 36000.0;

/// Shears end before the image is a line.
const SHEAR_MAX: f64 = 89.0;

/// The scales of what can be seen.
const SCALES: [f64; 2] = [1e-3, 1e3];

impl Step for Affine {
    fn name(&self) -> &'static str {
        "affine"
    }

    fn draws(&self) -> bool {
        false
    }

    fn outline(&self, sketch: &mut Sketch) -> Result<(), String> {
        check_warp(sketch, self.interpolation, self.fill)?;
        check_degrees("angle", self.angle.into(), DEGREES_MAX)?;
        for shear in self.shear {
            check_degrees("shear", shear.into(), SHEAR_MAX)?;
        }
        Uniform::from(self.scale).check("scale", SCALES[0], SCALES[1])?;
        if self.translate.iter().any(|pixels| pixels.abs().is_nan() || pixels.abs() > 1e6) {
            let [x, y] = self.translate;
            return Err(format!(
                "found a translation by {}, {}, expected pixels in -1e6..1e6",
                number(x),
                number(y)
            ));
        }
        sketch.warp(self.interpolation);
        Ok(())
    }

    fn compose(&self, _draws: &mut Draws, composer: &mut Composer<'_>) {
        self.warp(composer);
    }
}

impl fmt::Display for Affine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { angle, translate: [x, y], scale, shear, interpolation, fill } = self;
        let numbers = [*angle, *x, *y, *scale, shear[0], shear[1]].map(number);
        write!(f, "affine({}, ", numbers.join(", "))?;
        write!(f, "interpolation={interpolation}, fill={fill})")
    }
}

impl Step for RandomAffine {
    fn name(&self) -> &'static str {
        "random_affine"
    }

    fn outline(&self, sketch: &mut Sketch) -> Result<(), String> {
        check_warp(sketch, self.interpolation, self.fill)?;
        check_degrees("degrees", self.degrees, DEGREES_MAX)?;
        for shear in self.shear {
            check_degrees("shear", shear, SHEAR_MAX)?;
        }
        self.scale.check("scale", SCALES[0], SCALES[1])?;
        for share in self.translate {
            Uniform::from(share).check("translate", 0.0, 1.0)?;
        }
        sketch.warp(self.interpolation);
        Ok(())
    }

    fn compose(&self, draws: &mut Draws, composer: &mut Composer<'_>) {
        let affine = self.draw(draws, composer.height(), composer.width());
        let Affine { angle, translate: [x, y], scale, shear, .. } = affine;
        composer.note(format_args!(
            "affine {angle:.1} deg, move {x},{y}, scale {scale:.2}, shear {:.1},{:.1} deg",
            shear[0], shear[1]
        ));
        affine.warp(composer);
    }
}

/// Always written as a range: a single number would be read as a range around 0.
pub(crate) fn degrees_text(degrees: Uniform) -> String {
    format!("{}..{}", number(degrees.low), number(degrees.high))
}

impl fmt::Display for RandomAffine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { translate: [x, y], scale, shear: [sx, sy], interpolation, fill, .. } = self;
        let [x, y] = [x, y].map(|share| number(*share));
        let shear = [sx.low, sx.high, sy.low, sy.high].map(number).join(",");
        write!(f, "random_affine({}, translate=[{x},{y}], ", degrees_text(self.degrees))?;
        write!(f, "scale={scale}, shear=[{shear}], ")?;
        write!(f, "interpolation={interpolation}, fill={fill})")
    }
}

#[cfg(test)]
mod tests {
    use tallow_core::{Key, Purpose, Stream};

    use super::*;

    #[test]
    fn a_quarter_turn_is_clockwise() {
        let [m0, m1, _, m3, m4, ..] = Affine::new(90.0).matrix().0;
        // What is shown above the middle comes from its left.
        assert!((m1 - 1.0).abs() < 1e-15 && (m3 + 1.0).abs() < 1e-15);
        assert!(m0.abs() < 1e-15 && m4.abs() < 1e-15);
    }

    #[test]
    fn parameters_fill_their_ranges_and_moves_are_whole() {
        let affine = RandomAffine::new(-30.0..10.0)
            .translate(0.1, 0.5)
            .scale(0.5..2.0)
            .shear(-3.0..4.0, 1.0);
        let (mut angles, mut moves) = (0.0, [0.0f64; 2]);
        for index in 0..4000 {
            let mut draws = Key::new(1, 0).draws(Stream::new("t", 0, Purpose::Transform), index);
            let drawn = affine.draw(&mut draws, 20, 100);
            assert!((-30.0..=10.0).contains(&drawn.angle) && (0.5..=2.0).contains(&drawn.scale));
            assert!((-3.0..=4.0).contains(&drawn.shear[0]) && drawn.shear[1] == 1.0);
            assert!(
                drawn.translate.iter().all(|pixels| pixels.fract() == 0.0 && pixels.abs() <= 10.0)
            );
            angles += drawn.angle;
            moves = [0, 1].map(|k| moves[k].max(drawn.translate[k]));
        }
        assert!((angles / 4000.0 + 10.0).abs() < 1.0, "{}", angles / 4000.0);
        assert_eq!(moves, [10.0; 2]);
    }

    #[test]
    fn chains_read_back_as_they_are_written() {
        let of = |text: &str| text.parse::<Augment>().map(|chain| chain.to_string()).unwrap();
        let text = "affine(-37, 3, -2, 1.4, 11, -7, interpolation=bilinear, fill=[0.2,0.4,0.6])";
        assert_eq!(of(text), text);
        let text = of("random_affine(30, translate=[0.1,0.2], scale=0.5..2, shear=[-3,4])");
        assert_eq!(of(&text), text);
        assert!(text.contains("(-30..30, ") && text.contains("shear=[-3,4,0,0]"), "{text}");
        let fixed = of("random_affine(30..30)");
        assert_eq!(of(&fixed), fixed);
    }
}
