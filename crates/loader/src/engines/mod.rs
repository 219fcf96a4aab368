//! The loader's own engines, at the end of the chain: what makes any row deliverable.

mod pad;
mod widen;

pub(crate) use self::pad::PadEngine;
pub(crate) use self::widen::WidenEngine;
