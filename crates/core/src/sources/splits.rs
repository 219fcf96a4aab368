//! Whether the files of a folder are one data set, as far as their names say.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use crate::error::{list_names, quoted};
use crate::{Error, ErrorKind, Result};

/// What is known of the files of a folder beside their names.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Beside {
    /// Nothing: files of any names may be parts of one data set.
    Nothing,
    /// The description of a data set, of which each file is a split or a shard of one.
    Description,
}

/// Whether files are the shards of one split, and all of them, where their names say so, as
/// `train-00000-of-00002.arrow` does. Taking `train` and `test` together would not be noticed later.
pub(super) fn check_one_split(files: &[PathBuf], beside: Beside) -> Result<()> {
    let mut splits: BTreeMap<&str, (usize, Option<usize>)> = BTreeMap::new();
    let mut are_splits = beside == Beside::Description;
    for file in files {
        let Some(stem) = file.file_stem().and_then(|stem| stem.to_str()) else { return Ok(()) };
        let (split, count) = split_of(stem).map_or((stem, None), |(it, count)| (it, Some(count)));
        are_splits |= count.is_some();
        splits.entry(split).or_insert((0, count)).0 += 1;
    }
    if are_splits && splits.len() > 1 {
        return Err(several(splits.keys().copied(), files));
    }
    let missing = |(_, (found, count)): &(_, &(usize, Option<usize>))| {
        count.is_some_and(|count| count != *found)
    };
    match splits.iter().find(missing) {
        Some((split, (found, Some(count)))) => {
            let files = if *found == 1 { "file" } else { "files" };
            let message = format!(
                "found {found} {files} of {}, expected {count} as their names say; name those that are \
                 there by a pattern if that is meant",
                quoted(split)
            );
            Err(Error::new(ErrorKind::Config, message))
        }
        _ => Ok(()),
    }
}

/// What is before the numbers in `train-00000-of-00002-0123abcd`, and how many shards there are.
fn split_of(stem: &str) -> Option<(&str, usize)> {
    let of = stem.rfind("-of-")?;
    let count = stem[of + "-of-".len()..].split('-').next()?;
    let (split, number) = stem[..of].rsplit_once('-')?;
    let is_number = |text: &str| !text.is_empty() && text.bytes().all(|it| it.is_ascii_digit());
    if !is_number(number) || !is_number(count) {
        return None;
    }
    Some((split, count.parse().ok()?))
}

#[cold]
fn several<'a>(splits: impl ExactSizeIterator<Item = &'a str>, files: &[PathBuf]) -> Error {
    let names = list_names(splits.map(quoted));
    let one = files.first().and_then(|file| file.file_name()).map(Path::new);
    let stem = one.and_then(|name| name.file_stem()?.to_str()).unwrap_or_default();
    let pattern = split_of(stem).map_or(stem.to_owned(), |(split, _)| format!("{split}-*"));
    let extension = one.and_then(|name| name.extension()?.to_str()).unwrap_or_default();
    let message = format!(
        "holds several data sets ({names}); name one, such as {}",
        quoted(&format!("{pattern}.{extension}"))
    );
    Error::new(ErrorKind::Config, message)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refused(names: &[&str], beside: Beside) -> String {
        let files: Vec<PathBuf> = names.iter().map(|name| Path::new("ds").join(name)).collect();
        let checked = check_one_split(&files, beside);
        checked.err().map_or(String::new(), |error| error.message().to_owned())
    }

    #[test]
    fn splits_are_not_taken_together_where_names_say_that_files_are_shards() {
        let train = ["train-00000-of-00002-ab.arrow", "train-00001-of-00002-cd.arrow"];
        assert_eq!(refused(&train, Beside::Nothing), "");
        let all = [train[0], train[1], "test-00000-of-00001.arrow"];
        let said = refused(&all, Beside::Nothing);
        assert!(said.contains("(\"test\", \"train\")"), "{said}");
        assert!(said.contains("such as \"train-*.arrow\""), "{said}");
        let said = refused(&["a-00000-of-00001.arrow", "cache-12ab.arrow"], Beside::Nothing);
        assert!(said.contains("(\"a\", \"cache-12ab\")"), "{said}");
    }

    #[test]
    fn files_of_other_names_are_one_data_set_unless_a_description_lies_beside() {
        let files = ["cifar10-test.arrow", "cifar10-train.arrow"];
        assert_eq!(refused(&files, Beside::Nothing), "");
        let said = refused(&files, Beside::Description);
        assert!(said.contains("such as \"cifar10-test.arrow\""), "{said}");
        assert_eq!(refused(&files[..1], Beside::Description), "");
        assert_eq!(split_of("a-b-of-c"), None);
        assert_eq!(split_of("-of-3"), None);
    }

    #[test]
    fn a_shard_that_is_missing_is_noticed() {
        let said = refused(&["x-00000-of-00003.arrow", "x-00002-of-00003.arrow"], Beside::Nothing);
        assert!(said.starts_with("found 2 files of \"x\", expected 3"), "{said}");
    }
}
