//! Formats that are not built in: known by name, so that the error can say what to build.

#![cfg(not(all(feature = "arrow", feature = "parquet")))]

use super::folders::Survey;
use super::format::{Folder, Format};
use super::shards::Shards;
use crate::files::Limits;
use crate::{Error, ErrorKind, Result, Source};

#[cfg(not(feature = "arrow"))]
pub(super) static ARROW: Format = missing(&["arrow"]);
pub(super) static PARQUET: Format = missing(&["parquet"]);

const fn missing(extensions: &'static [&'static str]) -> Format {
    Format {
        extensions,
        of: "",
        folder: Folder::OfShards,
        options: &[".fields(..)", ".picture(..)"],
        open,
    }
}

/// The features are called as the formats are.
fn open(shards: &Shards, _: Limits) -> Result<Survey<Box<dyn Source>>> {
    let feature = shards.extension();
    let message = format!(
        "found {shards}, expected to be built with the feature {feature:?}, which reads them: \
         cargo add tallow --features {feature}"
    );
    Err(Error::new(ErrorKind::Config, message).with_path(shards.place()))
}

#[cfg(test)]
mod tests {
    #[test]
    fn the_feature_that_is_missing_is_named() {
        let features = ["arrow", "parquet"].into_iter();
        let missing = features.filter(|it| *it == "parquet" || cfg!(not(feature = "arrow")));
        for feature in missing {
            let dir = tempfile::tempdir().unwrap();
            let file = dir.path().join(format!("data.{feature}"));
            std::fs::write(&file, "").unwrap();
            for place in [&*file, dir.path()] {
                let error = crate::open(place).map(|_| ()).unwrap_err();
                assert!(error.message().contains(&format!("--features {feature}")), "{error}");
            }
        }
    }
}
