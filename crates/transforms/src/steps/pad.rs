//! Borders.

use std::fmt;

use tallow_core::{Dim, Draws};

use crate::augment::Augment;
use crate::compose::{Atom, Composer, Sketch};
use crate::parameters::Fill;
use crate::plan::{Border, H, W};
use crate::spec::{Args, Form, SpecError};
use crate::step::Step;

pub(crate) static FORMS: &[Form] = &[Form {
    name: "pad",
    usage: "all | x, y | left, top, right, bottom, mode=constant, fill=0",
    parse: |a, args| {
        let forms: [&[&str]; 3] = [&["all"], &["x", "y"], &["left", "top", "right", "bottom"]];
        let pad: Pad = match args.wholes(&forms)?[..] {
            [left, top, right, bottom] => Pad::new([left, top, right, bottom]),
            [x, y] => (x, y).into(),
            ref all => all[0].into(),
        };
        Ok(a.pad(Pad { look: Look::parse(args)?, ..pad }))
    },
}];

/// A border around height and width. Exact, any dtype. torchvision: `Pad`, which refuses a
/// reflection that is wider than the image; here it reflects again.
#[derive(Debug, Clone, Copy, PartialEq)]
#[must_use]
pub struct Pad {
    /// Left, top, right, bottom.
    sides: [usize; 4],
    look: Look,
}

/// What a border shows.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Look {
    pub(super) mode: Border,
    pub(super) fill: Fill,
}

impl Default for Look {
    fn default() -> Self {
        Self { mode: Border::Constant, fill: Fill::default() }
    }
}

impl Look {
    /// The last two arguments of a step that adds a border.
    pub(super) fn parse(args: &mut Args<'_>) -> Result<Self, SpecError> {
        Ok(Self { mode: args.word_or("mode", Border::Constant)?, fill: args.fill("fill")? })
    }

    /// Puts the border into `sketch`.
    pub(super) fn outline(self, sketch: &mut Sketch) {
        sketch.atom(Atom::Pad { constant: self.mode == Border::Constant });
        sketch.reflects |= self.mode == Border::Reflect;
    }

    /// Adds `before` pixels in front of each axis and `after` at its end.
    pub(super) fn compose(self, before: [i32; 3], after: [i32; 3], composer: &mut Composer<'_>) {
        let fill = self.fill.channels(composer.unit());
        composer.pad(before, after, self.mode, fill);
    }
}

impl fmt::Display for Look {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "mode={}, fill={}", self.mode, self.fill)
    }
}

impl Pad {
    /// A border of this many pixels left, top, right and bottom.
    pub fn new(sides: [usize; 4]) -> Self {
        Self { sides, look: Look::default() }
    }

    /// What the border shows. The default is the fill.
    pub fn mode(mut self, mode: Border) -> Self {
        self.look.mode = mode;
        self
    }

    /// The value of a constant border. The default is 0.
    pub fn fill(mut self, fill: impl Into<Fill>) -> Self {
        self.look.fill = fill.into();
        self
    }
}

/// All sides alike.
impl From<usize> for Pad {
    fn from(all: usize) -> Self {
        Self::new([all; 4])
    }
}

/// Left and right, top and bottom.
impl From<(usize, usize)> for Pad {
    fn from((x, y): (usize, usize)) -> Self {
        Self::new([x, y, x, y])
    }
}

impl Augment {
    /// Puts a border around the image: one width, one for each axis, or a [`Pad`].
    pub fn pad(self, pad: impl Into<Pad>) -> Self {
        self.push(pad.into())
    }
}

/// The longest side of a border: sizes are `i32`, with room to add some.
const SIDE_MAX: usize = 1 << 24;

impl Step for Pad {
    fn name(&self) -> &'static str {
        "pad"
    }

    fn draws(&self) -> bool {
        false
    }

    fn outline(&self, sketch: &mut Sketch) -> Result<(), String> {
        let [left, top, right, bottom] = self.sides;
        if let Some(side) = self.sides.into_iter().find(|side| *side > SIDE_MAX) {
            return Err(format!("found a side of {side}, expected at most {SIDE_MAX}"));
        }
        if top + bottom > 0 {
            sketch.needs_height()?;
        }
        self.look.fill.check(sketch)?;
        self.look.outline(sketch);
        let wider = |dim: Dim, more: usize| match dim {
            Dim::Fixed(len) => Dim::Fixed(len + more),
            Dim::Ragged { max } => Dim::Ragged { max: max + more },
        };
        let mut size = sketch.size;
        size[H] = wider(size[H], top + bottom);
        size[W] = wider(size[W], left + right);
        sketch.set_size(size);
        Ok(())
    }

    fn compose(&self, _draws: &mut Draws, composer: &mut Composer<'_>) {
        let [left, top, right, bottom] = self.sides.map(|side| side as i32);
        self.look.compose([0, top, left], [0, bottom, right], composer);
    }
}

impl fmt::Display for Pad {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { sides: [left, top, right, bottom], look } = self;
        write!(f, "pad({left}, {top}, {right}, {bottom}, {look})")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sides_are_given_together_or_apart() {
        let of = |text: &str| text.parse::<Augment>().map(|chain| chain.to_string()).ok();
        assert_eq!(of("pad(2)"), of("pad(2, 2, 2, 2, mode=constant, fill=0)"));
        assert_eq!(of("pad(1, 2, mode=edge)"), of("pad(1, 2, 1, 2, mode=edge)"));
        assert_eq!(of("pad(1, 2, 3)"), None);
        let text = "pad(1, 2, 3, 4, mode=wrap, fill=[0.2,0.4,0.6])";
        assert_eq!(of(text).as_deref(), Some(text));
    }
}
