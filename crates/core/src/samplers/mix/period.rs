use std::cmp::Reverse;
use std::collections::BinaryHeap;

/// A position of a period: whose turn it is, and how many turns that part had before in this period.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Turn {
    pub(super) part: u16,
    pub(super) nth: u16,
}

/// The turns of parts, of which each has a fixed number, until they begin anew.
///
/// After any number of turns each part has had its exact share, to less than one turn. This is the
/// schedule of periodic tasks on one processor (Baruah, Cohen, Plaxton and Varvel, "Proportionate
/// progress", 1996): turn `m` of a part that has `c` of `n` turns lies between `floor(m n / c)` and
/// `ceil((m + 1) n / c)`, and the part with the earliest deadline goes first. None is ever missed, because
/// there is a single processor.
#[derive(Debug)]
pub(super) struct Period {
    turns: Box<[Turn]>,
    /// The positions of each part's turns, part after part.
    places: Box<[u16]>,
    /// Where the turns of each part begin in `places`, and where those of the last end.
    starts: Box<[u32]>,
}

impl Period {
    /// The most turns, so that a turn takes 6 bytes at most and a period 400 KB.
    pub(super) const TURNS_MAX: usize = 1 << 16;

    /// A period in which part `i` has `counts[i]` turns: at least one in all, at most
    /// [`TURNS_MAX`](Self::TURNS_MAX).
    pub(super) fn new(counts: &[u32]) -> Self {
        let turns = schedule(counts);
        let mut starts = Vec::with_capacity(counts.len() + 1);
        starts.push(0);
        counts.iter().fold(0, |before, count| {
            starts.push(before + count);
            before + count
        });
        let mut places = vec![0; turns.len()];
        for (at, turn) in turns.iter().enumerate() {
            places[starts[usize::from(turn.part)] as usize + usize::from(turn.nth)] = at as u16;
        }
        Self { turns: turns.into(), places: places.into(), starts: starts.into() }
    }

    /// The number of turns.
    pub(super) fn len(&self) -> usize {
        self.turns.len()
    }

    /// The turn at `at`, which is below `len`.
    pub(super) fn turn(&self, at: usize) -> Turn {
        self.turns[at]
    }

    /// How many turns `part` has.
    pub(super) fn count(&self, part: usize) -> usize {
        self.places(part).len()
    }

    /// Where turn `nth` of `part` is.
    pub(super) fn place(&self, part: usize, nth: usize) -> usize {
        usize::from(self.places(part)[nth])
    }

    /// How many turns `part` has before `at`.
    pub(super) fn count_before(&self, part: usize, at: usize) -> usize {
        self.places(part).partition_point(|&place| usize::from(place) < at)
    }

    fn places(&self, part: usize) -> &[u16] {
        &self.places[self.starts[part] as usize..self.starts[part + 1] as usize]
    }
}

/// Whose turn it is, earliest deadline first.
fn schedule(counts: &[u32]) -> Vec<Turn> {
    let len: u64 = counts.iter().map(|&count| u64::from(count)).sum();
    assert!((1..=Period::TURNS_MAX as u64).contains(&len), "a period of {len} turns");
    let turn = |part: usize, nth: u64| {
        let count = u64::from(counts[part]);
        (nth * len / count, ((nth + 1) * len).div_ceil(count), part, nth)
    };
    // By the first position where a turn may be, and by the one that it must be before.
    let early = |part, nth| {
        let (release, _, part, nth) = turn(part, nth);
        Reverse((release, part, nth))
    };
    let parts = (0..counts.len()).filter(|&part| counts[part] > 0);
    let mut waiting: BinaryHeap<_> = parts.map(|part| early(part, 0)).collect();
    let mut ready = BinaryHeap::new();
    let mut turns = Vec::with_capacity(len as usize);
    for at in 0..len {
        while let Some(&Reverse((release, part, nth))) = waiting.peek()
            && release <= at
        {
            waiting.pop();
            // Of two with one deadline, the one that waits longer goes first.
            ready.push(Reverse((turn(part, nth).1, release, part, nth)));
        }
        let Some(Reverse((deadline, _, part, nth))) = ready.pop() else {
            unreachable!("the shares of all parts are 1, so that one of them waits for a turn")
        };
        debug_assert!(at < deadline, "turn {nth} of part {part} is late");
        turns.push(Turn { part: part as u16, nth: nth as u16 });
        if nth + 1 < u64::from(counts[part]) {
            waiting.push(early(part, nth + 1));
        }
    }
    turns
}

/// Whole numbers with the ratios of `weights`: exactly, where they have a sum of at most `most`, and
/// otherwise those of sum `most` that are nearest, by the largest remainder. A weight above 0 has at
/// least 1. At most `most` weights are above 0, at least one is, and all are finite.
pub(super) fn whole_counts(weights: &[f64], most: usize) -> Vec<u32> {
    // Scaled by the largest first, so that the sum of huge weights stays finite.
    let largest = weights.iter().copied().fold(0.0, f64::max);
    let scaled: Vec<f64> = weights.iter().map(|weight| weight / largest).collect();
    let total: f64 = scaled.iter().sum();
    let shares: Vec<f64> = scaled.iter().map(|weight| weight / total).collect();
    // A difference of a millionth of a turn is a rounding of the weights.
    let is_whole = |share: f64, sum: usize| {
        let turns = share * sum as f64;
        (turns - turns.round()).abs() < 1e-6 && (share == 0.0 || turns.round() >= 1.0)
    };
    let exact = (1..=most).find(|&sum| shares.iter().all(|&share| is_whole(share, sum)));
    if let Some(sum) = exact {
        let counts: Vec<u32> =
            shares.iter().map(|share| (share * sum as f64).round() as u32).collect();
        if counts.iter().map(|&count| count as usize).sum::<usize>() == sum {
            return counts;
        }
    }
    largest_remainder(weights, &shares, most)
}

/// Whole numbers of sum `sum`, nearest to `shares` of it.
fn largest_remainder(weights: &[f64], shares: &[f64], sum: usize) -> Vec<u32> {
    // A weight may be so small that its share is 0.
    let least = |part: usize| u32::from(weights[part] > 0.0);
    let exact = |part: usize| shares[part] * sum as f64;
    let mut counts: Vec<u32> =
        (0..shares.len()).map(|part| (exact(part) as u32).max(least(part))).collect();
    let mut given: usize = counts.iter().map(|&count| count as usize).sum();
    let mut parts: Vec<usize> = (0..shares.len()).filter(|&part| weights[part] > 0.0).collect();
    let owed = |counts: &[u32], part: usize| exact(part) - f64::from(counts[part]);
    parts.sort_by(|&a, &b| owed(&counts, b).total_cmp(&owed(&counts, a)).then(a.cmp(&b)));
    for &part in parts.iter().cycle() {
        if given >= sum {
            break;
        }
        counts[part] += 1;
        given += 1;
    }
    // The smallest ones were given more than their share: the largest have it to spare.
    while given > sum {
        let most = (0..counts.len()).max_by_key(|&part| (counts[part], Reverse(part)));
        counts[most.unwrap_or(0)] -= 1;
        given -= 1;
    }
    counts
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn letters(counts: &[u32]) -> String {
        let period = Period::new(counts);
        (0..period.len()).map(|at| char::from(b'a' + period.turn(at).part as u8)).collect()
    }

    #[test]
    fn turns_are_spread_over_the_period() {
        assert_eq!(letters(&[1, 1]), "ab");
        assert_eq!(letters(&[3, 1]), "aaba");
        assert_eq!(letters(&[0, 2, 0, 3]), "dbdbd");
    }

    #[test]
    fn ratios_are_exact_where_whole_numbers_have_them() {
        assert_eq!(whole_counts(&[3.0, 1.0], 1 << 16), [3, 1]);
        assert_eq!(whole_counts(&[0.7, 0.0, 0.3], 1 << 16), [7, 0, 3]);
        assert_eq!(whole_counts(&[0.1, 0.2, 0.7], 1 << 16), [1, 2, 7]);
        assert_eq!(whole_counts(&[1e300, 3e300], 1 << 16), [1, 3]);
        assert_eq!(whole_counts(&[5.0], 1 << 16), [1]);
        assert_eq!(whole_counts(&[1.0 / 3.0, 1.0 / 6.0, 0.5], 1 << 16), [2, 1, 3]);
        assert_eq!(whole_counts(&[1e-300, 1.0], 1 << 16), [1, 65535]);
        assert_eq!(whole_counts(&[1e-300, 1e-300, 1.0], 4), [1, 1, 2]);
    }

    proptest! {
        #![proptest_config(ProptestConfig { cases: 64, ..ProptestConfig::default() })]

        /// Whatever the weights, after each turn each part is within one of its share.
        #[test]
        fn every_prefix_is_within_one_of_its_share(counts in prop::collection::vec(0u32..40, 1..50)) {
            prop_assume!(counts.iter().any(|&count| count > 0));
            let period = Period::new(&counts);
            let len = period.len();
            let mut had = vec![0usize; counts.len()];
            for at in 0..len {
                let Turn { part, nth } = period.turn(at);
                let part = usize::from(part);
                prop_assert_eq!(usize::from(nth), had[part]);
                prop_assert_eq!(period.place(part, had[part]), at);
                prop_assert_eq!(period.count_before(part, at), had[part]);
                had[part] += 1;
                for (had, &count) in had.iter().zip(&counts) {
                    let off = (*had * len).abs_diff(count as usize * (at + 1));
                    prop_assert!(off < len, "{off} of {len} after {at}");
                }
            }
            let expected: Vec<usize> = counts.iter().map(|&count| count as usize).collect();
            prop_assert_eq!(had, expected);
        }

        #[test]
        fn counts_are_near_their_shares(weights in prop::collection::vec(0f64..1.0, 1..50)) {
            prop_assume!(weights.iter().any(|&weight| weight > 0.0));
            let counts = whole_counts(&weights, Period::TURNS_MAX);
            let sum: u32 = counts.iter().sum();
            let total: f64 = weights.iter().sum();
            prop_assert!(sum as usize <= Period::TURNS_MAX);
            for (&count, weight) in counts.iter().zip(&weights) {
                prop_assert_eq!(count > 0, *weight > 0.0);
                let exact = weight / total * f64::from(sum);
                prop_assert!((f64::from(count) - exact).abs() <= 1.0 + 50.0 * exact / f64::from(sum));
            }
        }
    }
}
