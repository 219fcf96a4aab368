//! Perspective maps.

use std::fmt;

use tallow_core::{Dim, Draws};

use crate::augment::Augment;
use crate::compose::{Composer, Matrix, ShownSize, Sketch};
use crate::parameters::{Fill, Uniform, chance, check_p, whole};
use crate::plan::{H, Interpolation, W};
use crate::spec::Form;
use crate::step::Step;
use crate::steps::affine::check_warp;
use crate::text::number;

pub(crate) static FORMS: &[Form] = &[
    Form {
        name: "perspective",
        usage: "x0, y0, x1, y1, x2, y2, x3, y3, interpolation=bilinear, fill=none",
        parse: |a, args| {
            let mut corners = [[0.0; 2]; 4];
            for (i, corner) in corners.iter_mut().enumerate() {
                *corner = [args.number(&format!("x{i}"))?, args.number(&format!("y{i}"))?];
            }
            let perspective = Perspective::new(corners);
            let bilinear = Interpolation::Bilinear;
            let perspective = perspective.interpolation(args.word_or("interpolation", bilinear)?);
            Ok(a.perspective(perspective.fill(args.fill("fill")?)))
        },
    },
    Form {
        name: "random_perspective",
        usage: "distortion=0.5, p=0.5, interpolation=bilinear, fill=0",
        parse: |a, args| {
            let perspective = RandomPerspective::new(args.number_or("distortion", 0.5)?);
            let perspective = perspective.p(args.number_or("p", 0.5)?);
            let bilinear = Interpolation::Bilinear;
            let perspective = perspective.interpolation(args.word_or("interpolation", bilinear)?);
            Ok(a.random_perspective(perspective.fill(args.fill("fill")?)))
        },
    },
];

/// Pixel indices of the corners, x and y: top left, top right, bottom right, bottom left.
type Corners = [[f64; 2]; 4];

/// The projective map that takes the corners of the image to four points. torchvision:
/// `perspective`, which solves for the indices of the corner pixels, applies the map to x + 0.5,
/// and subtracts half a pixel from the result. Outside of the image is the fill; so is everything
/// behind the camera, which torchvision shows.
#[derive(Debug, Clone, Copy, PartialEq)]
#[must_use]
pub struct Perspective {
    corners: Corners,
    interpolation: Interpolation,
    fill: Fill,
}

impl Perspective {
    /// Where the corners go, x and y in pixels: top left, top right, bottom right, bottom left.
    pub fn new(corners: [[f64; 2]; 4]) -> Self {
        Self { corners, interpolation: Interpolation::Bilinear, fill: Fill::default() }
    }

    /// Nearest or bilinear. The default is bilinear.
    pub fn interpolation(mut self, interpolation: Interpolation) -> Self {
        self.interpolation = interpolation;
        self
    }

    /// The value outside of the image. The default is 0.
    pub fn fill(mut self, fill: impl Into<Fill>) -> Self {
        self.fill = fill.into();
        self
    }

    fn warp(&self, composer: &mut Composer<'_>) {
        let corners = corners(composer.height(), composer.width());
        // An image one pixel wide or high has no four corners: it stays as it is.
        let Some(map) = Matrix::homography(self.corners, corners) else { return };
        let matrix = Matrix::translation(-0.5, -0.5) * map * Matrix::translation(0.5, 0.5);
        let fill = self.fill.channels(composer.unit());
        composer.warp(matrix, self.interpolation, fill);
    }
}

impl From<[[f64; 2]; 4]> for Perspective {
    fn from(corners: [[f64; 2]; 4]) -> Self {
        Self::new(corners)
    }
}

fn corners(height: i32, width: i32) -> Corners {
    let (right, bottom) = (f64::from(width - 1), f64::from(height - 1));
    [[0.0, 0.0], [right, 0.0], [right, bottom], [0.0, bottom]]
}

/// [`Perspective`] to corners that move towards the middle of the image, drawn as by torchvision's
/// `RandomPerspective`: with n = floor(`distortion` * floor(width / 2)), each corner moves sideways
/// by 0 to n pixels, uniform, and likewise along the height. Draws 9 numbers per sample. Images one
/// pixel wide or high stay as they are.
#[derive(Debug, Clone, Copy, PartialEq)]
#[must_use]
pub struct RandomPerspective {
    distortion: f64,
    p: f64,
    interpolation: Interpolation,
    fill: Fill,
}

impl RandomPerspective {
    /// Corners that move by up to the share `distortion` of the way to the middle.
    pub fn new(distortion: f64) -> Self {
        let interpolation = Interpolation::Bilinear;
        Self { distortion, p: 0.5, interpolation, fill: Fill::default() }
    }

    /// The probability. The default is 0.5.
    pub fn p(mut self, p: f64) -> Self {
        self.p = p;
        self
    }

    /// Nearest or bilinear. The default is bilinear.
    pub fn interpolation(mut self, interpolation: Interpolation) -> Self {
        self.interpolation = interpolation;
        self
    }

    /// The value outside of the image. The default is 0.
    pub fn fill(mut self, fill: impl Into<Fill>) -> Self {
        self.fill = fill.into();
        self
    }

    fn draw(&self, draws: &mut Draws, height: i32, width: i32) -> Perspective {
        let most = [width, height].map(|len| (self.distortion * f64::from(len / 2)) as i64);
        let corners = corners(height, width).map(|corner| {
            [0, 1].map(|k| {
                let inwards = whole(draws, 0, most[k]) as f64;
                if corner[k] > 0.0 { corner[k] - inwards } else { inwards }
            })
        });
        Perspective { corners, interpolation: self.interpolation, fill: self.fill }
    }
}

impl From<f64> for RandomPerspective {
    fn from(distortion: f64) -> Self {
        Self::new(distortion)
    }
}

impl Augment {
    /// Moves the corners of the image to four points: the points, or a [`Perspective`].
    pub fn perspective(self, perspective: impl Into<Perspective>) -> Self {
        self.push(perspective.into())
    }

    /// Moves the corners of the image inwards at random: a distortion, or a [`RandomPerspective`].
    pub fn random_perspective(self, perspective: impl Into<RandomPerspective>) -> Self {
        self.push(perspective.into())
    }
}

impl Step for Perspective {
    fn name(&self) -> &'static str {
        "perspective"
    }

    fn draws(&self) -> bool {
        false
    }

    fn outline(&self, sketch: &mut Sketch) -> Result<(), String> {
        check_warp(sketch, self.interpolation, self.fill)?;
        let is_flat = |axis: usize| sketch.size[axis] == Dim::Fixed(1);
        if is_flat(H) || is_flat(W) {
            let image = ShownSize(sketch.size);
            return Err(format!("found an image of {image}, whose corners are not four points"));
        }
        let numbers = self.corners.as_flattened();
        let fits = numbers.iter().all(|x| x.abs() <= 1e6);
        if !fits || Matrix::homography(self.corners, corners(2, 2)).is_none() {
            return Err(format!(
                "found {self}, expected four points of which no three lie in line"
            ));
        }
        sketch.warp(self.interpolation);
        Ok(())
    }

    fn compose(&self, _draws: &mut Draws, composer: &mut Composer<'_>) {
        self.warp(composer);
    }
}

impl fmt::Display for Perspective {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let numbers: Vec<String> = self.corners.as_flattened().iter().map(|x| number(*x)).collect();
        let Self { interpolation, fill, .. } = self;
        write!(f, "perspective({}, ", numbers.join(", "))?;
        write!(f, "interpolation={interpolation}, fill={fill})")
    }
}

impl Step for RandomPerspective {
    fn name(&self) -> &'static str {
        "random_perspective"
    }

    fn outline(&self, sketch: &mut Sketch) -> Result<(), String> {
        check_p(self.p)?;
        Uniform::from(self.distortion).check("distortion", 0.0, 1.0)?;
        check_warp(sketch, self.interpolation, self.fill)?;
        sketch.warp(self.interpolation);
        Ok(())
    }

    fn compose(&self, draws: &mut Draws, composer: &mut Composer<'_>) {
        let shows = chance(draws, self.p);
        let perspective = self.draw(draws, composer.height(), composer.width());
        if shows {
            composer.note(format_args!("perspective to {:?}", perspective.corners));
            perspective.warp(composer);
        }
    }
}

impl fmt::Display for RandomPerspective {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { distortion, p, interpolation, fill } = self;
        write!(f, "random_perspective({}, p={}, ", number(*distortion), number(*p))?;
        write!(f, "interpolation={interpolation}, fill={fill})")
    }
}

#[cfg(test)]
mod tests {
    use tallow_core::{Key, Purpose, Stream};

    use super::*;

    #[test]
    fn corners_move_inwards_by_whole_pixels_up_to_the_distortion() {
        let perspective = RandomPerspective::new(0.5);
        let mut most = [[0.0f64; 2]; 4];
        for index in 0..2000 {
            let mut draws = Key::new(1, 0).draws(Stream::new("t", 0, Purpose::Transform), index);
            let drawn = perspective.draw(&mut draws, 21, 40).corners;
            for (c, (from, to)) in corners(21, 40).into_iter().zip(drawn).enumerate() {
                let moved = [0, 1].map(|k| (from[k] - to[k]).abs());
                most[c] = [0, 1].map(|k| most[c][k].max(moved[k]));
                assert!(to.iter().all(|x| x.fract() == 0.0));
                assert!((0.0..40.0).contains(&to[0]) && (0.0..21.0).contains(&to[1]));
            }
        }
        assert_eq!(most, [[10.0, 5.0]; 4]);
    }

    #[test]
    fn chains_read_back_as_they_are_written() {
        let of = |text: &str| text.parse::<Augment>().unwrap().to_string();
        let text = of("perspective(-6,-3,35,2.5,40,33,-2,38,fill=[0.2,0.4,0.6])");
        assert_eq!(of(&text), text);
        assert_eq!(of(&of("random_perspective(0.3)")), of("random_perspective(0.3)"));
    }
}
