//! Pictures: any window of the pixels of a JPEG, PNG or WebP file.
//!
//! - [`Head::read`] says what a picture is from its first bytes: format, size, channels, orientation.
//! - [`Decoder::decode`] writes the pixels of a [`Window`] in the wanted [`Color`], bit for bit what
//!   decoding the whole picture and cropping would give.
//! - [`Head::scaled`] is the head of a JPEG that is decoded smaller than it is stored, by a [`Scale`].
//!
//! Damage to pixels is an error and never a grey area; damage to metadata is not. Nothing is
//! allocated from a number in a file before it was compared with the [`Limits`].

mod color;
mod convert;
mod decoder;
mod error;
mod exif;
mod format;
mod head;
mod jpeg;
mod limits;
mod orientation;
mod png;
mod scale;
mod simd;
mod webp;
mod window;

pub use self::color::Color;
pub use self::decoder::Decoder;
pub use self::error::{Error, ErrorKind, Result};
pub use self::format::Format;
pub use self::head::{Depth, Head};
pub use self::limits::Limits;
pub use self::orientation::Orientation;
pub use self::scale::Scale;
#[cfg(target_arch = "x86_64")]
pub use self::simd::Vbmi;
pub use self::simd::{Simd, simd_level};
pub use self::window::Window;

#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
