//! What bytes mean: how stored bytes become the elements of a field. A codec is given an open file
//! or its bytes, and knows nothing of folders, names and samples.

mod npy;
mod widening;

pub(crate) use self::npy::{Header, NpyReader};
pub(crate) use self::widening::Widening;
