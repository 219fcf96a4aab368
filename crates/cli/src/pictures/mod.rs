//! Samples as pictures: elements become pixels, pictures with captions become a sheet, and that
//! becomes a PNG.

pub(crate) mod contact;
pub(crate) mod picture;
pub(crate) mod sheet;
pub(crate) mod values;
