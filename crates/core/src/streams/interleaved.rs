//! Several readers as one.

use super::Items;
use crate::Result;

/// The items of several readers in turn: item `k` is item `k / n` of reader `k % n`, of `n` of them. Where
/// one ends, the turn goes on without it.
///
/// A reader whose last item is an error ends all of them: what it would have given is not known.
pub(super) struct Interleaved<T> {
    readers: Vec<Shard<T>>,
    /// Whose turn it is.
    turn: usize,
}

struct Shard<T> {
    items: Items<T>,
    /// What comes after an error, which had to be looked at.
    after: Option<Result<T>>,
}

impl<T> Interleaved<T> {
    pub(super) fn new(readers: Vec<Items<T>>) -> Self {
        let shard = |items| Shard { items, after: None };
        Self { readers: readers.into_iter().map(shard).collect(), turn: 0 }
    }
}

impl<T> Iterator for Interleaved<T> {
    type Item = Result<T>;

    fn next(&mut self) -> Option<Self::Item> {
        loop {
            if self.turn >= self.readers.len() {
                self.turn = 0;
            }
            let reader = self.readers.get_mut(self.turn)?;
            let item = reader.after.take().or_else(|| reader.items.next());
            match item {
                None => {
                    self.readers.remove(self.turn);
                    continue;
                }
                Some(Ok(_)) => self.turn += 1,
                Some(Err(_)) => {
                    reader.after = reader.items.next();
                    match reader.after {
                        Some(_) => self.turn += 1,
                        None => self.readers.clear(),
                    }
                }
            }
            return item;
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::Error;

    fn reader(items: Vec<Option<usize>>) -> Items<usize> {
        Box::new(items.into_iter().map(|item| item.ok_or_else(|| Error::user("bad"))))
    }

    proptest! {
        /// What is left of each reader is taken round by round.
        #[test]
        fn rounds_are_made_of_the_readers_that_are_left(
            lens in proptest::collection::vec(0usize..9, 0..6)
        ) {
            let of = |(shard, &len): (usize, &usize)| (0..len).map(|k| Some(shard * 100 + k)).collect();
            let readers = lens.iter().enumerate().map(of).map(reader).collect();
            let found: Vec<usize> = Interleaved::new(readers).map(Result::unwrap).collect();
            let round = |k: usize| {
                let left = lens.iter().enumerate().filter(move |(_, len)| **len > k);
                left.map(move |(shard, _)| shard * 100 + k)
            };
            prop_assert_eq!(found, (0..9).flat_map(round).collect::<Vec<_>>());
        }
    }

    #[test]
    fn an_error_at_the_end_of_one_reader_is_the_end_of_all() {
        let found = |first: Vec<Option<usize>>| {
            let readers = vec![reader(first), reader((10..20).map(Some).collect())];
            Interleaved::new(readers).map(Result::ok).collect::<Vec<_>>()
        };
        assert_eq!(found(vec![Some(1), None]), [Some(1), Some(10), None]);
        let on = found(vec![Some(1), None, Some(3)]);
        assert_eq!(on[..6], [Some(1), Some(10), None, Some(11), Some(3), Some(12)]);
        assert_eq!(on.len(), 13);
    }
}
