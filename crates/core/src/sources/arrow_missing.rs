//! Arrow files where they are not built in: known by name, so that the error can say what to
//! build.

use super::format::{Folder, Format};
use super::shards::Shards;
use crate::files::Limits;
use crate::{Error, ErrorKind, Result, Source};

pub(super) static FORMAT: Format = Format {
    extensions: &["arrow"],
    of: "",
    folder: Folder::OfShards,
    options: &[".fields(..)"],
    open,
};

fn open(shards: &Shards, _: Limits) -> Result<Box<dyn Source>> {
    let message = format!(
        "found {shards}, expected to be built with the feature \"arrow\", which reads them: \
         cargo add tallow --features arrow"
    );
    Err(Error::new(ErrorKind::Config, message).with_path(shards.place()))
}

#[cfg(test)]
mod tests {
    #[test]
    fn the_feature_that_is_missing_is_named() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("data.arrow");
        std::fs::write(&file, "").unwrap();
        for place in [&*file, dir.path()] {
            let error = crate::open(place).map(|_| ()).unwrap_err();
            assert!(error.message().contains("--features arrow"), "{error}");
        }
    }
}
