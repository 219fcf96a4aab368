//! Which files of several folders are parts of one sample.

use std::collections::HashSet;
use std::path::Path;

use super::likeness::Likeness;
use crate::error::list_names;
use crate::files::{Key, Names};
use crate::{Error, ErrorKind};

/// The samples that every folder has, by stem, as indices into each listing and in the order of
/// the first; and every stem that some folder lacks or has twice.
#[derive(Debug)]
pub(super) struct Pairing {
    /// For each folder, the index of each sample's file; `None` where all folders hold the very
    /// same names.
    pub(super) indices: Option<Vec<Vec<usize>>>,
    pub(super) problems: Vec<Error>,
    /// Two folders that lack each other's files, and how the names of these are alike.
    pub(super) alike: Option<(usize, usize, Likeness)>,
}

/// Pairs the files of several folders by stem, all before the first read.
pub(super) fn pair(folders: &[(&Path, &Names)]) -> Pairing {
    let sorted: Vec<Vec<usize>> = folders.iter().map(|(_, names)| by_stem(names)).collect();
    let mut problems = Vec::new();
    for ((folder, names), order) in folders.iter().zip(&sorted) {
        problems.extend(duplicates(folder, names, order));
    }
    let mut alike = None;
    for (i, (folder, names)) in folders.iter().enumerate() {
        for (j, (other, others)) in folders.iter().enumerate().filter(|(j, _)| *j != i) {
            let ours = missing(names, &sorted[i], others, &sorted[j]);
            problems.extend(ours.iter().map(|&at| unpaired(folder, names.path(at), other)));
            if alike.is_none() && !ours.is_empty() && i < j {
                let theirs = missing(others, &sorted[j], names, &sorted[i]);
                let likeness = Likeness::between((names, &ours), (others, &theirs));
                alike = likeness.map(|likeness| (i, j, likeness));
            }
        }
    }
    let same = problems.is_empty() && folders.windows(2).all(|pair| pair[0].1 == pair[1].1);
    let indices = (!same).then(|| common(folders, &sorted));
    Pairing { indices, problems, alike }
}

fn by_stem(names: &Names) -> Vec<usize> {
    let mut order: Vec<usize> = (0..names.len()).collect();
    order.sort_by(|&a, &b| names.key(a).cmp(&names.key(b)));
    order
}

fn duplicates(folder: &Path, names: &Names, order: &[usize]) -> Vec<Error> {
    let twins = order.windows(2).filter(|pair| names.key(pair[0]) == names.key(pair[1]));
    twins
        .map(|pair| {
            let message = format!("has the same stem as {:?}", names.path(pair[0]));
            Error::new(ErrorKind::Duplicate, message).with_path(folder.join(names.path(pair[1])))
        })
        .collect()
}

/// Indices of `names` whose stem is not among `others`.
fn missing(names: &Names, order: &[usize], others: &Names, other_order: &[usize]) -> Vec<usize> {
    // Both are in the order of their keys, and a key is found anew each time that it is asked for.
    let mut rest = other_order.iter().map(|&at| others.key(at)).peekable();
    let mut has = |key: Key<'_>| {
        while rest.next_if(|other| *other < key).is_some() {}
        rest.peek() == Some(&key)
    };
    order.iter().copied().filter(|&index| !has(names.key(index))).collect()
}

fn unpaired(folder: &Path, name: &Path, other: &Path) -> Error {
    let message = format!("has no partner in {other:?}");
    Error::new(ErrorKind::Unpaired, message).with_path(folder.join(name))
}

/// What all folders have; of twins, the first by stem order.
fn common(folders: &[(&Path, &Names)], sorted: &[Vec<usize>]) -> Vec<Vec<usize>> {
    let find = |k: usize, key: Key<'_>| {
        let names = folders[k].1;
        let at = sorted[k].partition_point(|&index| names.key(index) < key);
        sorted[k].get(at).copied().filter(|&index| names.key(index) == key)
    };
    let mut indices = vec![Vec::new(); folders.len()];
    let first = folders[0].1;
    for index in 0..first.len() {
        let key = first.key(index);
        let found: Option<Vec<usize>> = (0..folders.len()).map(|k| find(k, key)).collect();
        // A twin of the first folder finds the other twin, and is left out.
        if let Some(found) = found.filter(|found| found[0] == index) {
            indices.iter_mut().zip(found).for_each(|(list, index)| list.push(index));
        }
    }
    indices
}

/// All pairing problems as one error: the names by kind, the first ten of each, their number, and
/// what to do.
pub(super) fn summarize(problems: &[Error], advice: Option<&str>) -> Option<Error> {
    let mut parts = Vec::new();
    // With three folders a file may lack two partners.
    let mut seen = HashSet::new();
    let unpaired = problems.iter().filter(|p| p.kind() == ErrorKind::Unpaired);
    let unpaired = unpaired.filter_map(|p| Some((p.path()?, p.message())));
    let unpaired: Vec<_> = unpaired.filter(|(path, _)| seen.insert(*path)).collect();
    match unpaired[..] {
        [] => {}
        [(path, message)] => parts.push(format!("1 file {message}: {path:?}")),
        _ => {
            let total = unpaired.len();
            let names: Vec<_> = unpaired.iter().map(|(path, _)| format!("{path:?}")).collect();
            let names = list_names(names.iter());
            parts.push(format!("{total} files have no partner: {names}"));
        }
    }
    let twins = problems.iter().filter(|p| p.kind() == ErrorKind::Duplicate);
    let twin = |p: &Error| format!("{:?} {}", p.path().unwrap_or(Path::new("")), p.message());
    let twins: Vec<String> = twins.map(twin).collect();
    if !twins.is_empty() {
        parts.push(format!("{} too many: {}", twins.len(), list_names(twins.iter())));
    }
    parts.extend(advice.map(str::to_owned));
    Some(Error::new(problems.first()?.kind(), parts.join("; ")))
}

#[cfg(test)]
mod tests {
    use std::ffi::CStr;

    use super::*;
    use crate::files::Pattern;

    fn names(names: &[&CStr]) -> Names {
        Names::from_sorted(names.iter().copied(), Pattern::default())
    }

    #[test]
    fn equal_folders_need_no_indices() {
        let (a, b) = (names(&[c"a.npy", c"b.npy"]), names(&[c"a.npy", c"b.npy"]));
        let pairing = pair(&[(Path::new("x"), &a), (Path::new("y"), &b)]);
        assert!(pairing.indices.is_none() && pairing.problems.is_empty());
    }

    #[test]
    fn the_folder_that_lacks_a_partner_is_named() {
        let (a, b) = (names(&[c"a.npy", c"b.npy"]), names(&[c"b.npy"]));
        let pairing = pair(&[(Path::new("x"), &a), (Path::new("y"), &b)]);
        let text = summarize(&pairing.problems, None).unwrap().to_string();
        assert!(text.contains("1 file has no partner in \"y\": \"x/a.npy\""), "{text}");
    }

    #[test]
    fn missing_extra_and_duplicate_partners_are_all_named() {
        let a = names(&[c"a.npy", c"b.npy", c"c.npy"]);
        let b = names(&[c"b.NPY", c"b.npy", c"c.NPY", c"d.npy"]);
        let pairing = pair(&[(Path::new("x"), &a), (Path::new("y"), &b)]);
        let text = summarize(&pairing.problems, None).unwrap().to_string();
        for words in ["2 files have no partner: \"x/a.npy\", \"y/d.npy\"", "same stem", "y/b.npy"] {
            assert!(text.contains(words), "{text}");
        }
        assert_eq!(pairing.problems.len(), 3);
        assert_eq!(pairing.indices.unwrap(), [vec![1, 2], vec![0, 2]]);
    }

    #[test]
    fn the_order_is_that_of_the_first_folder() {
        // By whole name "a-b.npy" comes before "a.npy", by stem after it.
        let a = names(&[c"a-b.npy", c"a.npy"]);
        let b = names(&[c"a-b.NPY", c"a.npy"]);
        let pairing = pair(&[(Path::new("x"), &a), (Path::new("y"), &b)]);
        assert!(pairing.problems.is_empty());
        assert_eq!(pairing.indices.unwrap(), [vec![0, 1], vec![0, 1]]);
    }
}
