//! Quarter turns.

use std::fmt;
use std::str::FromStr;

use tallow_core::{Dim, Draws};

use crate::augment::Augment;
use crate::compose::{Atom, Composer, Sketch};
use crate::parameters::{chance, check_p, whole};
use crate::plan::{D, H, W};
use crate::spec::Form;
use crate::step::{Scaling, Step};
use crate::text::number;

pub(crate) static FORMS: &[Form] = &[
    Form {
        name: "rot90",
        usage: "k, plane=hw",
        parse: |a, args| {
            let quarters = args.number("k")?;
            if quarters.fract() != 0.0 || quarters.abs() > 1e6 {
                return Err(args.refuse(format!(
                    "found {} for k, expected whole quarter turns",
                    number(quarters)
                )));
            }
            Ok(a.rot90(quarters as i32, args.word_or("plane", Plane::Hw)?))
        },
    },
    Form {
        name: "random_rot90",
        usage: "p=1, plane=hw",
        parse: |a, args| {
            let p = args.number_or("p", 1.0)?;
            Ok(a.random_rot90(p, args.word_or("plane", Plane::Hw)?))
        },
    },
];

/// The two axes that a rotation swaps.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Plane {
    /// Height and width: the plane of an image.
    Hw,
    /// Depth and height of a volume.
    Dh,
    /// Depth and width of a volume.
    Dw,
}

impl Plane {
    fn axes(self) -> [usize; 2] {
        match self {
            Self::Hw => [H, W],
            Self::Dh => [D, H],
            Self::Dw => [D, W],
        }
    }

    fn as_str(self) -> &'static str {
        match self {
            Self::Hw => "hw",
            Self::Dh => "dh",
            Self::Dw => "dw",
        }
    }

    /// Requires the axes of the plane.
    fn check(self, sketch: &Sketch) -> Result<(), String> {
        match self.as_str().chars().find(|axis| !sketch.raw_layout.as_str().contains(*axis)) {
            None => Ok(()),
            Some(axis) => Err(format!("found the axes {}, without {axis}", sketch.raw_layout)),
        }
    }
}

impl fmt::Display for Plane {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl FromStr for Plane {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let all = [Self::Hw, Self::Dh, Self::Dw];
        let found = all.into_iter().find(|plane| plane.as_str() == text);
        found.ok_or_else(|| "expected hw, dh or dw".to_owned())
    }
}

impl Augment {
    /// Rotates by `quarters` quarter turns: counter-clockwise in the plane of height and width, and
    /// from the second axis towards the first in others, like `numpy.rot90`. Exact, any dtype. An
    /// odd number swaps the lengths of the two axes. torchvision: `rotate(90 * quarters,
    /// expand=True)`.
    pub fn rot90(self, quarters: i32, plane: Plane) -> Self {
        self.push(Rot90 { quarters, plane })
    }

    /// With probability `p` rotates by 0 to 3 quarter turns, uniform: see [`rot90`](Self::rot90).
    /// Images that are not square come out in both shapes.
    pub fn random_rot90(self, p: f64, plane: Plane) -> Self {
        self.push(RandomRot90 { p, plane })
    }
}

#[derive(Debug)]
struct Rot90 {
    quarters: i32,
    plane: Plane,
}

impl Step for Rot90 {
    fn name(&self) -> &'static str {
        "rot90"
    }

    fn draws(&self) -> bool {
        false
    }

    fn scaling(&self) -> Scaling {
        Scaling::Follows
    }

    fn outline(&self, sketch: &mut Sketch) -> Result<(), String> {
        self.plane.check(sketch)?;
        if self.quarters % 2 == 0 {
            sketch.atom(Atom::Move);
            return Ok(());
        }
        sketch.atom(Atom::Turn);
        let [a, b] = self.plane.axes();
        let mut size = sketch.size;
        size.swap(a, b);
        sketch.set_size(size);
        Ok(())
    }

    fn compose(&self, _draws: &mut Draws, composer: &mut Composer<'_>) {
        let [a, b] = self.plane.axes();
        composer.turn(a, b, self.quarters);
    }
}

impl fmt::Display for Rot90 {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "rot90({}, plane={})", self.quarters, self.plane)
    }
}

#[derive(Debug)]
struct RandomRot90 {
    p: f64,
    plane: Plane,
}

impl Step for RandomRot90 {
    fn name(&self) -> &'static str {
        "random_rot90"
    }

    fn scaling(&self) -> Scaling {
        Scaling::Follows
    }

    fn outline(&self, sketch: &mut Sketch) -> Result<(), String> {
        check_p(self.p)?;
        self.plane.check(sketch)?;
        sketch.atom(Atom::Turn);
        let [a, b] = self.plane.axes();
        let mut size = sketch.size;
        let is_square = size[a] == size[b] && matches!(size[a], Dim::Fixed(_));
        if !is_square {
            let max = size[a].max().max(size[b].max());
            (size[a], size[b]) = (Dim::Ragged { max }, Dim::Ragged { max });
            sketch.set_size(size);
        }
        Ok(())
    }

    fn compose(&self, draws: &mut Draws, composer: &mut Composer<'_>) {
        let turns = chance(draws, self.p);
        let quarters = whole(draws, 0, 3) as i32;
        if turns {
            composer.note(format_args!("rot90 {quarters}"));
            let [a, b] = self.plane.axes();
            composer.turn(a, b, quarters);
        }
    }
}

impl fmt::Display for RandomRot90 {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "random_rot90({}, plane={})", number(self.p), self.plane)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn turns_read_back_as_they_are_written() {
        for text in ["rot90(-1, plane=dw)", "random_rot90(0.25, plane=hw)"] {
            assert_eq!(text.parse::<Augment>().unwrap().to_string(), text);
        }
        assert!("rot90(0.5)".parse::<Augment>().is_err());
    }
}
