//! Which samples belong to which part of a source: disjoint, seeded, and in the source's order
//! within each part.

use std::collections::BTreeMap;

use crate::permutation::Permutation;
use crate::{Error, ErrorKind, Key, Order as _, Purpose, Result, Stream};

/// The indices of parts that are `fractions` of `len` samples. Boundaries are rounded sums of the
/// fractions, so the parts of fractions that sum to 1 leave nothing out.
pub(super) fn by_fractions(len: usize, fractions: &[f64], seed: u64) -> Result<Vec<Vec<usize>>> {
    let order = permutation(len, "split", Key::new(seed, 0));
    cut(&order, ends(len, fractions)?)
}

/// The indices of parts of `counts` samples.
pub(super) fn by_counts(len: usize, counts: &[usize], seed: u64) -> Result<Vec<Vec<usize>>> {
    let mut end = 0usize;
    let sum = |&count: &usize| {
        end = end.checked_add(count)?;
        Some(end)
    };
    let ends: Option<Vec<usize>> = counts.iter().map(sum).collect();
    match ends.filter(|ends| ends.last().is_none_or(|&end| end <= len)) {
        Some(ends) => cut(&permutation(len, "split", Key::new(seed, 0)), ends),
        None => {
            let message = format!("counts {counts:?}, expected a sum up to the {len} samples");
            Err(Error::new(ErrorKind::Config, message))
        }
    }
}

/// The indices of `k` parts whose sizes differ by one at most.
pub(super) fn in_folds(len: usize, k: usize, seed: u64) -> Result<Vec<Vec<usize>>> {
    if k < 2 || k > len {
        let message = format!("{k} folds of {len} samples, expected at least 2 and at most {len}");
        return Err(Error::new(ErrorKind::Config, message));
    }
    let end = |fold: usize| (len as u128 * (fold as u128 + 1) / k as u128) as usize;
    cut(&permutation(len, "folds", Key::new(seed, 0)), (0..k).map(end).collect())
}

/// The indices below `len` that are none of `part`, which is ascending.
pub(super) fn without(len: usize, part: &[usize]) -> Result<Vec<usize>> {
    let mut rest = list_of(len - part.len())?;
    let mut part = part.iter().peekable();
    rest.extend((0..len).filter(|index| part.next_if_eq(&index).is_none()));
    Ok(rest)
}

/// The indices of parts that are `fractions` of all samples, with about that share of each label.
///
/// The samples are taken label by label, shuffled within each, and every sample goes to the part
/// that lacks the most of what it should have by now. Parts are as large as those of
/// [`by_fractions`].
pub(super) fn stratified(
    len: usize,
    fractions: &[f64],
    labels: &[i64],
    seed: u64,
) -> Result<Vec<Vec<usize>>> {
    if labels.len() != len {
        let message = format!("found {} labels for a source of {len} samples", labels.len());
        return Err(Error::new(ErrorKind::Config, message));
    }
    let mut strata: BTreeMap<i64, Vec<usize>> = BTreeMap::new();
    for (index, &label) in labels.iter().enumerate() {
        strata.entry(label).or_default().push(index);
    }
    let mut parts = Parts::new(len, fractions)?;
    for (label, stratum) in strata {
        let order = permutation(stratum.len(), "stratified", Key::new(seed, 0).at(label as u64));
        (0..stratum.len()).for_each(|at| parts.add(stratum[order.index(at)]));
    }
    Ok(parts.finish())
}

/// The parts of a stratified split as they are filled; the last is what is left out.
struct Parts {
    fractions: Vec<f64>,
    sizes: Vec<usize>,
    lists: Vec<Vec<usize>>,
    added: usize,
}

impl Parts {
    fn new(len: usize, fractions: &[f64]) -> Result<Self> {
        let mut start = 0;
        let size = |end| end - std::mem::replace(&mut start, end);
        let mut sizes: Vec<usize> = ends(len, fractions)?.into_iter().map(size).collect();
        sizes.push(len - start);
        let left_out = (1.0 - fractions.iter().sum::<f64>()).max(0.0);
        let fractions = [fractions, &[left_out]].concat();
        let lists = sizes.iter().map(|&size| list_of(size)).collect::<Result<_>>()?;
        Ok(Self { fractions, sizes, lists, added: 0 })
    }

    fn add(&mut self, index: usize) {
        self.added += 1;
        let lacks = |part: &usize| {
            self.fractions[*part] * self.added as f64 - self.lists[*part].len() as f64
        };
        let open = (0..self.lists.len()).filter(|&part| self.lists[part].len() < self.sizes[part]);
        // The first of equals.
        let part = open.rev().max_by(|a, b| lacks(a).total_cmp(&lacks(b)));
        if let Some(part) = part {
            self.lists[part].push(index);
        }
    }

    fn finish(mut self) -> Vec<Vec<usize>> {
        self.lists.pop();
        self.lists.iter_mut().for_each(|list| list.sort_unstable());
        self.lists
    }
}

fn permutation(len: usize, stream: &str, key: Key) -> Permutation {
    Permutation::new(len, key, Stream::new(stream, 0, Purpose::Split))
}

/// The position after the last of each part.
fn ends(len: usize, fractions: &[f64]) -> Result<Vec<usize>> {
    const ROUNDING: f64 = 1e-9;
    let sum: f64 = fractions.iter().sum();
    if fractions.iter().any(|f| f.is_nan() || *f < 0.0) || sum.is_nan() || sum > 1.0 + ROUNDING {
        let message = format!("fractions {fractions:?}, expected none below 0 and a sum up to 1");
        return Err(Error::new(ErrorKind::Config, message));
    }
    let (mut end, mut sum) = (0, 0.0);
    let next = |fraction: &f64| {
        sum += fraction;
        end = ((sum * len as f64).round() as usize).clamp(end, len);
        end
    };
    Ok(fractions.iter().map(next).collect())
}

/// The samples of `order` in parts that end at `ends`, each ascending.
fn cut(order: &Permutation, ends: Vec<usize>) -> Result<Vec<Vec<usize>>> {
    let mut start = 0;
    let part = |end| {
        let mut part = list_of(end - start)?;
        part.extend((start..end).map(|position| order.index(position)));
        part.sort_unstable();
        start = end;
        Ok(part)
    };
    ends.into_iter().map(part).collect()
}

/// An empty list with room for `len` indices.
fn list_of(len: usize) -> Result<Vec<usize>> {
    /// 32 GiB: systems promise more memory than they have, and kill the program that uses it.
    const LEN_MAX: usize = 1 << 32;
    let mut list = Vec::new();
    if len > LEN_MAX || list.try_reserve_exact(len).is_err() {
        let message = format!("a part of {len} samples, whose list takes 8 bytes each");
        return Err(Error::new(ErrorKind::TooLarge, message));
    }
    Ok(list)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sizes(parts: &[Vec<usize>]) -> Vec<usize> {
        parts.iter().map(Vec::len).collect()
    }

    #[track_caller]
    fn assert_complete(parts: &[Vec<usize>], len: usize) {
        assert!(parts.iter().all(|part| part.is_sorted()));
        let mut all = parts.concat();
        all.sort_unstable();
        assert_eq!(all, (0..len).collect::<Vec<_>>());
    }

    #[test]
    fn fractions_that_are_none_are_refused() {
        let message =
            |fractions: [f64; 2]| by_fractions(9, &fractions, 0).unwrap_err().message().to_owned();
        let expected = "expected none below 0 and a sum up to 1";
        assert_eq!(message([0.8, 0.3]), format!("fractions [0.8, 0.3], {expected}"));
        for fractions in [[f64::NAN, 0.0], [-0.1, 0.2], [f64::INFINITY, 0.0], [1.0, -0.5]] {
            let message = message(fractions);
            assert!(message.ends_with(expected), "{message}");
        }
    }

    #[test]
    fn a_part_that_no_memory_holds_is_an_error() {
        for len in [1_000_000_000_000, usize::MAX] {
            let error = by_fractions(len, &[0.5, 0.5], 0).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::TooLarge);
            assert!(error.message().contains("samples, whose list takes 8 bytes"), "{error}");
            let few = by_fractions(len, &[1e-16, 0.0], 0).unwrap();
            assert!(few.iter().flatten().all(|&index| index < len));
            assert_eq!(in_folds(len, 2, 0).unwrap_err().kind(), ErrorKind::TooLarge);
        }
    }

    #[test]
    fn counts_cut_the_same_draw_as_fractions() {
        let parts = by_counts(100, &[80, 0, 20], 5).unwrap();
        assert_complete(&parts, 100);
        assert_eq!(parts, by_fractions(100, &[0.8, 0.0, 0.2], 5).unwrap());
        assert_eq!(sizes(&by_counts(100, &[7], 5).unwrap()), [7]);
        for counts in [&[80, 21][..], &[usize::MAX, 2]] {
            let error = by_counts(100, counts, 5).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Config);
            let words = format!("counts {counts:?}, expected a sum up to the 100 samples");
            assert_eq!(error.message(), words);
        }
    }

    #[test]
    fn folds_are_disjoint_complete_and_seeded() {
        let folds = in_folds(11, 3, 1).unwrap();
        assert_eq!(sizes(&folds), [3, 4, 4]);
        assert_complete(&folds, 11);
        for fold in &folds {
            assert_complete(&[fold.clone(), without(11, fold).unwrap()], 11);
        }
        assert_eq!(in_folds(11, 3, 1).unwrap(), folds);
        assert_ne!(in_folds(11, 3, 2).unwrap(), folds);
        for k in [0, 1, 12] {
            let error = in_folds(11, k, 1).unwrap_err();
            let words = format!("{k} folds of 11 samples, expected at least 2 and at most 11");
            assert_eq!((error.kind(), error.message()), (ErrorKind::Config, words.as_str()));
        }
    }

    #[test]
    fn a_stratified_split_has_the_shares_of_every_label() {
        // 600, 300, 90 and 10 samples.
        let label =
            |i: usize| [3, 3, 3, 3, 3, 3, -1, -1, -1, if i % 100 == 9 { 7 } else { 0 }][i % 10];
        let labels: Vec<i64> = (0..1000).map(label).collect();
        let fractions = [0.7, 0.2, 0.1];
        let parts = stratified(1000, &fractions, &labels, 4).unwrap();
        assert_complete(&parts, 1000);
        assert_eq!(sizes(&parts), [700, 200, 100]);
        for (label, count) in [(3, 600.0), (-1, 300.0), (0, 90.0), (7, 10.0)] {
            for (part, fraction) in parts.iter().zip(fractions) {
                let found = part.iter().filter(|&&index| labels[index] == label).count() as f64;
                let expected = fraction * count;
                assert!((found - expected).abs() <= 1.0, "{found} of label {label}, {expected}");
            }
        }
        assert_eq!(stratified(1000, &fractions, &labels, 4).unwrap(), parts);
        assert_ne!(stratified(1000, &fractions, &labels, 5).unwrap(), parts);
    }

    #[test]
    fn a_stratified_split_of_single_samples_and_of_less_than_all_keeps_its_sizes() {
        let labels: Vec<i64> = (0..101).collect();
        let parts = stratified(101, &[0.5, 0.25], &labels, 4).unwrap();
        assert_eq!(sizes(&parts), sizes(&by_fractions(101, &[0.5, 0.25], 4).unwrap()));
        let error = stratified(9, &[1.0], &labels, 4).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Config);
        assert_eq!(error.message(), "found 101 labels for a source of 9 samples");
    }
}
