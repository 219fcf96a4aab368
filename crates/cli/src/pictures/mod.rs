//! Samples as pictures: elements become pixels, pictures with captions a sheet, a sheet a PNG.

pub(crate) mod contact;
pub(crate) mod picture;
pub(crate) mod sheet;
pub(crate) mod values;
