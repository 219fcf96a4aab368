//! Best-fit decreasing: the longest document first, each into the row that it leaves the least room in.

/// Packs documents into rows of `capacity` tokens, one window of documents after another. What it holds
/// is used again.
///
/// A document takes a constant number of steps: rows are in lists by the room that they have left, and
/// a [`Rooms`] tells the smallest room of which there is a row.
#[derive(Debug)]
pub(super) struct BestFit {
    capacity: usize,
    rooms: Rooms,
    /// The row that was put last into the list of each room; valid where `rooms` has it.
    first: Vec<u32>,
    /// The next row in the list that a row is in, or [`NONE`].
    next: Vec<u32>,
    /// Documents from the longest on: length, and place in the window so that the earlier one is first.
    sorted: Vec<u64>,
    /// The row of each document.
    row_of: Vec<u32>,
}

const NONE: u32 = u32::MAX;

/// The documents of rows, one row after another.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Rows {
    /// Places of documents in the window.
    pub(super) documents: Vec<u16>,
    /// Where in `documents` each row begins.
    pub(super) starts: Vec<u16>,
}

impl BestFit {
    pub(super) fn new(capacity: usize) -> Self {
        Self {
            capacity,
            rooms: Rooms::new(capacity + 1),
            first: vec![NONE; capacity + 1],
            next: Vec::new(),
            sorted: Vec::new(),
            row_of: Vec::new(),
        }
    }

    /// The rows of a window whose documents have these lengths, none above the capacity; those of length
    /// 0 are in no row. Rows are in the order of their earliest documents, and so are the documents of
    /// a row.
    pub(super) fn pack(&mut self, lengths: &[u32]) -> Rows {
        let places = 1 << u16::BITS;
        assert!(lengths.len() <= places, "{} documents in a window", lengths.len());
        self.sorted.clear();
        let documents = lengths.iter().enumerate().filter(|(_, length)| **length > 0);
        let key = |(at, length): (usize, &u32)| {
            u64::from(*length) << u16::BITS | (places - 1 - at) as u64
        };
        self.sorted.extend(documents.map(key));
        self.sorted.sort_unstable_by(|a, b| b.cmp(a));
        self.row_of.clear();
        self.row_of.resize(lengths.len(), NONE);
        self.next.clear();
        for at in 0..self.sorted.len() {
            let key = self.sorted[at];
            let (length, place) = (key >> u16::BITS, places - 1 - key as usize % places);
            self.row_of[place] = self.put(length as usize);
        }
        self.forget();
        self.in_order()
    }

    /// Takes the row that `length` tokens fit into best, and puts it to those with the room that is left.
    fn put(&mut self, length: usize) -> u32 {
        let (row, room) = match self.rooms.first_from(length) {
            Some(room) => (self.take(room), room),
            None => {
                self.next.push(NONE);
                (self.next.len() as u32 - 1, self.capacity)
            }
        };
        let left = room - length;
        // A full row takes nothing more.
        if left > 0 {
            let before = if self.rooms.has(left) { self.first[left] } else { NONE };
            self.next[row as usize] = before;
            self.first[left] = row;
            self.rooms.insert(left);
        }
        row
    }

    fn take(&mut self, room: usize) -> u32 {
        let row = self.first[room];
        self.first[room] = self.next[row as usize];
        if self.first[room] == NONE {
            self.rooms.remove(room);
        }
        row
    }

    /// Leaves no row with room.
    fn forget(&mut self) {
        while let Some(room) = self.rooms.first_from(0) {
            self.rooms.remove(room);
        }
    }

    /// Rows numbered anew by their earliest documents, and the documents sorted by them.
    fn in_order(&mut self) -> Rows {
        let (mut number, mut counts) = (vec![NONE; self.next.len()], Vec::new());
        for row in self.row_of.iter_mut().filter(|row| **row != NONE) {
            let number = &mut number[*row as usize];
            if *number == NONE {
                *number = counts.len() as u32;
                counts.push(0u32);
            }
            counts[*number as usize] += 1;
            *row = *number;
        }
        let mut sum = 0;
        for count in &mut counts {
            sum += std::mem::replace(count, sum);
        }
        let starts = counts.iter().map(|&start| start as u16).collect();
        let mut documents = vec![0; sum as usize];
        for (place, row) in self.row_of.iter().enumerate().filter(|(_, row)| **row != NONE) {
            let to = &mut counts[*row as usize];
            documents[*to as usize] = place as u16;
            *to += 1;
        }
        Rows { documents, starts }
    }
}

/// A set of numbers that finds the next one in steps of 64: a bit for each number, a bit for each word
/// of those that is not 0, and so on up to a single word.
#[derive(Debug)]
struct Rooms(Vec<Vec<u64>>);

impl Rooms {
    /// For numbers below `len`.
    fn new(mut len: usize) -> Self {
        let mut levels = Vec::new();
        loop {
            len = len.div_ceil(64);
            levels.push(vec![0; len]);
            if len <= 1 {
                return Self(levels);
            }
        }
    }

    fn has(&self, number: usize) -> bool {
        self.0[0][number / 64] >> (number % 64) & 1 == 1
    }

    fn insert(&mut self, mut number: usize) {
        for level in &mut self.0 {
            level[number / 64] |= 1 << (number % 64);
            number /= 64;
        }
    }

    fn remove(&mut self, mut number: usize) {
        for level in &mut self.0 {
            level[number / 64] &= !(1 << (number % 64));
            if level[number / 64] != 0 {
                break;
            }
            number /= 64;
        }
    }

    /// The least number of the set that is not below `from`.
    fn first_from(&self, mut from: usize) -> Option<usize> {
        for (height, level) in self.0.iter().enumerate() {
            let (word, bit) = (from / 64, from % 64);
            let found = level.get(word)? & u64::MAX << bit;
            if found != 0 {
                let mut at = word * 64 + found.trailing_zeros() as usize;
                for lower in self.0[..height].iter().rev() {
                    at = at * 64 + lower[at].trailing_zeros() as usize;
                }
                return Some(at);
            }
            from = word + 1;
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use proptest::prelude::*;

    use super::*;

    /// Best-fit decreasing as its definition says, in quadratic time: which documents are together.
    fn plain(lengths: &[u32], capacity: u32) -> Vec<Vec<u16>> {
        let mut sorted: Vec<usize> = (0..lengths.len()).filter(|at| lengths[*at] > 0).collect();
        sorted.sort_by_key(|at| (std::cmp::Reverse(lengths[*at]), *at));
        // Of rows with the same room, the one that got it last.
        let mut rows: Vec<(u32, usize, Vec<u16>)> = Vec::new();
        for (step, at) in sorted.into_iter().enumerate() {
            let fits = rows.iter_mut().filter(|(room, ..)| *room >= lengths[at]);
            match fits.min_by_key(|(room, since, _)| (*room, std::cmp::Reverse(*since))) {
                Some(row) => {
                    row.0 -= lengths[at];
                    row.1 = step;
                    row.2.push(at as u16);
                }
                None => rows.push((capacity - lengths[at], step, vec![at as u16])),
            }
        }
        rows.iter_mut().for_each(|(.., documents)| documents.sort_unstable());
        let mut rows: Vec<_> = rows.into_iter().map(|(.., documents)| documents).collect();
        rows.sort_unstable();
        rows
    }

    fn rows(packed: &Rows) -> Vec<Vec<u16>> {
        let starts = packed.starts.iter().map(|&start| usize::from(start));
        let ends = starts.clone().skip(1).chain([packed.documents.len()]);
        starts.zip(ends).map(|(start, end)| packed.documents[start..end].to_vec()).collect()
    }

    proptest! {
        #[test]
        fn documents_are_where_the_definition_puts_them(
            capacity in 1u32..200,
            windows in prop::collection::vec(prop::collection::vec(0u32..1000, 0..120), 1..4),
        ) {
            let mut best_fit = BestFit::new(capacity as usize);
            for lengths in windows {
                let lengths: Vec<u32> = lengths.iter().map(|own| own % (capacity + 1)).collect();
                prop_assert_eq!(rows(&best_fit.pack(&lengths)), plain(&lengths, capacity));
            }
        }

        #[test]
        fn the_next_room_is_that_of_an_ordered_set(
            len in 1usize..10_000,
            changes in prop::collection::vec((0usize..10_000, any::<bool>()), 0..200),
        ) {
            let (mut rooms, mut expected) = (Rooms::new(len), BTreeSet::new());
            for (number, is_in) in changes {
                let number = number % len;
                if is_in {
                    rooms.insert(number);
                    expected.insert(number);
                } else {
                    rooms.remove(number);
                    expected.remove(&number);
                }
                prop_assert_eq!(rooms.first_from(number), expected.range(number..).next().copied());
                prop_assert_eq!(rooms.first_from(0), expected.first().copied());
                prop_assert_eq!(rooms.has(number), is_in);
            }
        }
    }

    #[test]
    fn a_whole_window_of_single_tokens_is_packed() {
        let packed = BestFit::new(3).pack(&vec![1; 1 << 16]);
        assert_eq!((packed.documents.len(), packed.starts.len()), (1 << 16, 21_846));
        assert_eq!(packed.starts[21_845], u16::MAX);
    }
}
