//! From the steps of a chain to the plan of a sample.
//!
//! Steps speak to a [`Sketch`] once, at `build`: it counts the stages of the worst case. For each
//! sample they speak to a [`Composer`], which writes the plan. Both cut a chain into stages by the
//! rules of `cut`.

mod composer;
mod cut;
mod matrix;
mod sketch;

pub(crate) use self::composer::{Composer, slot_of_group};
pub(crate) use self::cut::{Atom, Contents, Reason};
pub(crate) use self::matrix::Matrix;
pub(crate) use self::sketch::{LEN_MAX, Line, Mixing, ShownSize, Sketch, StageSketch};
