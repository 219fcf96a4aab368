//! Where a chain must be cut into stages: what one pass over the pixels can hold.
//!
//! The same rules serve the sketch at `build`, which counts the stages of the worst case, and the
//! composer of each sample. A sample that draws fewer steps never needs more stages than the
//! sketch: at any step, a stage of the sample holds a part of what the sketch's stage holds, or the
//! sample is at an earlier stage; and whenever the rules refuse a part, they refuse the whole.

use std::fmt;

use crate::plan::OPS_MAX;

/// One thing that a step does to an image.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Atom {
    /// A crop or a mirror image.
    Move,
    /// A turn that exchanges axes.
    Turn,
    /// A pad.
    Pad { constant: bool },
    /// A resize.
    Resize,
    /// An affine or projective map.
    Warp,
    /// Something that looks at neighbours: blur, sharpness, an elastic map.
    Neighbours,
    /// Pixel operations that look at nothing but the pixel's value.
    Point(usize),
    /// Pixel operations that depend on the place of the pixel, or on all of the image.
    Pinned(usize),
}

/// What a stage holds so far.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Contents {
    pub(crate) moved: bool,
    pub(crate) padded: bool,
    pub(crate) resampled: bool,
    pub(crate) filtered: bool,
    pub(crate) ops: usize,
    pub(crate) pinned: bool,
}

/// Why a step begins a stage of its own.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Reason {
    /// A pixel operation before it depends on places or on the whole image.
    Pinned,
    /// It would have to act between the taps of an interpolation.
    OpsBeforeTaps,
    /// A pad's fill is not to be changed by the operations before it.
    OpsBeforeFill,
    /// Two interpolations.
    TwoInterpolations,
    /// It comes after an interpolation that it cannot be moved before.
    AfterInterpolation,
    /// Two borders.
    TwoBorders,
    /// It looks at neighbours that must have been computed.
    Neighbours,
    /// It comes after a step that looks at neighbours.
    AfterNeighbours,
    /// The program is full.
    Full,
    /// A step of several branches.
    Branch,
    /// What is drawn for a sample before it may need the pass for itself.
    Drawn,
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Pinned => "an operation before it depends on places or on the whole image",
            Self::OpsBeforeTaps => "operations before it act on the pixels that it interpolates",
            Self::OpsBeforeFill => "operations before it must not act on its fill",
            Self::TwoInterpolations => {
                "a second interpolation; .resample_once() would make one of both"
            }
            Self::AfterInterpolation => "it cannot be moved before the interpolation",
            Self::TwoBorders => "a second border",
            Self::Neighbours => "it looks at neighbours that must have been computed",
            Self::AfterNeighbours => "it moves pixels that neighbours were looked at for",
            Self::Full => "the program of the stage is full",
            Self::Branch => "it works in branches",
            Self::Drawn => "what may be drawn before it does not share a pass with it",
        })
    }
}

impl Contents {
    fn is_empty(self) -> bool {
        self == Self::default()
    }

    /// Whether the stage takes `atom`, or why not. `once` merges interpolations.
    pub(crate) fn admits(self, atom: Atom, once: bool) -> Result<(), Reason> {
        let no = |refused: bool, reason| if refused { Err(reason) } else { Ok(()) };
        match atom {
            Atom::Point(ops) | Atom::Pinned(ops) => {
                return no(self.ops + ops > OPS_MAX, Reason::Full);
            }
            Atom::Neighbours => return no(!self.is_empty(), Reason::Neighbours),
            _ => {}
        }
        no(self.pinned, Reason::Pinned)?;
        no(self.filtered, Reason::AfterNeighbours)?;
        match atom {
            Atom::Turn => no(self.resampled, Reason::AfterInterpolation),
            Atom::Pad { constant } => {
                no(self.resampled, Reason::AfterInterpolation)?;
                no(self.padded, Reason::TwoBorders)?;
                no(constant && self.ops > 0, Reason::OpsBeforeFill)
            }
            Atom::Resize | Atom::Warp => {
                no(self.ops > 0, Reason::OpsBeforeTaps)?;
                no(self.resampled && !once, Reason::TwoInterpolations)?;
                // One map of several interpolations finds its taps without a border around them.
                no(self.padded && (self.resampled || atom == Atom::Warp), Reason::TwoBorders)
            }
            _ => Ok(()),
        }
    }

    /// The stage with `atom` in it.
    pub(crate) fn add(&mut self, atom: Atom) {
        match atom {
            Atom::Move | Atom::Turn => self.moved = true,
            Atom::Pad { .. } => self.padded = true,
            Atom::Resize | Atom::Warp => self.resampled = true,
            Atom::Neighbours => self.filtered = true,
            Atom::Point(ops) => self.ops += ops,
            Atom::Pinned(ops) => {
                self.ops += ops;
                self.pinned = true;
            }
        }
    }

    /// What either of two stages may hold.
    pub(crate) fn or(self, other: Self) -> Self {
        Self {
            moved: self.moved | other.moved,
            padded: self.padded | other.padded,
            resampled: self.resampled | other.resampled,
            filtered: self.filtered | other.filtered,
            ops: self.ops.max(other.ops),
            pinned: self.pinned | other.pinned,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn stage(atoms: &[Atom]) -> Contents {
        let mut contents = Contents::default();
        atoms.iter().for_each(|&atom| contents.add(atom));
        contents
    }

    #[test]
    fn imagenet_training_is_one_pass() {
        let mut contents = Contents::default();
        let chain = [Atom::Move, Atom::Resize, Atom::Move, Atom::Point(4), Atom::Pinned(1)];
        for atom in chain {
            assert_eq!(contents.admits(atom, false), Ok(()), "{atom:?} after {contents:?}");
            contents.add(atom);
        }
    }

    #[test]
    fn what_changes_the_meaning_is_cut() {
        let cut = |atoms: &[Atom], atom| stage(atoms).admits(atom, false).unwrap_err();
        assert_eq!(cut(&[Atom::Resize], Atom::Warp), Reason::TwoInterpolations);
        assert_eq!(cut(&[Atom::Point(1)], Atom::Resize), Reason::OpsBeforeTaps);
        assert_eq!(cut(&[Atom::Pinned(1)], Atom::Move), Reason::Pinned);
        assert_eq!(cut(&[Atom::Move], Atom::Neighbours), Reason::Neighbours);
        assert_eq!(stage(&[Atom::Resize]).admits(Atom::Warp, true), Ok(()));
        let padded = stage(&[Atom::Pad { constant: true }, Atom::Resize]);
        assert_eq!(padded.admits(Atom::Resize, true), Err(Reason::TwoBorders));
    }
}
