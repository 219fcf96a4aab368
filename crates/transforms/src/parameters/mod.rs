//! Parameters of steps, as the builder takes them, and how a sample's values are drawn from them.

pub(crate) mod beta;
mod draw;
mod fill;
mod jitter;
mod size;
mod uniform;

pub(crate) use self::draw::{chance, check_p, permutation, whole};
pub use self::fill::Fill;
pub use self::jitter::Jitter;
pub use self::size::Size;
pub use self::uniform::Uniform;
