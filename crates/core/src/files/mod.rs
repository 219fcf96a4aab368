//! Where bytes lie: files and folders, of this machine or of a store. This is where folders are listed, files
//! opened, ranges read, and where it is checked that a file does not change meanwhile. Which bytes make
//! a sample is the business of `sources`, what they mean that of `codecs`.

mod archive;
mod extent;
mod file;
mod folder;
pub(crate) mod foreign;
mod limits;
mod listing;
mod location;
mod names;
mod open;
mod place;
mod range;
mod sample_file;
mod section;
mod stamp;
mod store_limits;
#[cfg(feature = "remote")]
mod store_listing;
mod store_use;
#[cfg(feature = "remote")]
pub(crate) mod stored;
pub(crate) mod tar;
mod through;
mod unchecked;
mod whole;
pub(crate) mod wildcards;

pub(crate) use self::archive::{Archive, Member, not_inflated};
pub use self::extent::Extent;
pub(crate) use self::file::File;
pub(crate) use self::folder::Folder;
pub use self::limits::Limits;
pub(crate) use self::listing::{Listing, list, visit_entries};
pub use self::location::Location;
pub(crate) use self::names::{Key, Names, Pattern};
pub(crate) use self::open::{open_folder, open_path, read_file};
pub(crate) use self::place::{absolute, exists, is_file, is_folder, is_stored, shown};
#[cfg(feature = "arrow")]
pub(crate) use self::range::read_into;
pub(crate) use self::range::{read_stored, reserve};
pub(crate) use self::sample_file::{SampleFile, held_max};
pub(crate) use self::section::Section;
pub(crate) use self::stamp::{Opened, Stamp};
pub use self::store_limits::StoreLimits;
#[cfg(feature = "remote")]
pub use self::store_listing::StoreListing;
pub use self::store_use::{StoreUse, StoreWait, StoreWatched};
pub(crate) use self::through::Through;
pub use self::unchecked::Unchecked;
pub(crate) use self::whole::read_whole;
