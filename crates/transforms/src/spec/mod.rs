//! A chain as text: `random_resized_crop(224) random_hflip(0.5) normalize(imagenet)`.
//!
//! Steps are side by side, each a name and its arguments in parentheses, first those without a
//! name, then `key=value`. A value is a number, a word, a text in quotes, a range `a..b`, a list
//! `[a,b,c]`, or a chain. What holds for the whole chain, its field say, is written among the steps in
//! the same way. An error points at the word that it is about.

mod args;
mod error;
mod names;
mod parse;
mod settings;
#[cfg(test)]
mod tests;

pub(crate) use self::args::{Args, Form, Forms};
pub use self::error::SpecError;
pub(crate) use self::parse::parse;
pub(crate) use self::settings::FORMS as SETTINGS;
