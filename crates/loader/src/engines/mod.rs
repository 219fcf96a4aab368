//! The loader's own engines, at the end of the chain: what makes any row deliverable.

mod pad;
mod widen;

pub(crate) use self::pad::{PadEngine, PadTo, Padding};
pub(crate) use self::widen::WidenEngine;
