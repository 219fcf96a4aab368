//! Keyed permutations of `0..len`: a table where it is affordable, a cipher where it is not.

use crate::key::mix64;
use crate::{Key, Order, Stream};

/// Up to this many positions a permutation is a Fisher-Yates table of `u32`, exactly uniform: 16
/// MiB and some tens of milliseconds at the most. Above it, a Feistel network needs neither memory
/// nor time to start. The rule depends on the length alone, so it is the same everywhere.
pub(crate) const TABLE_LEN_MAX: usize = 1 << 22;

/// A permutation of `0..len` that depends on `key` and `stream` only.
#[derive(Debug, Clone)]
pub(crate) enum Permutation {
    Table(Vec<u32>),
    Feistel(Feistel),
}

impl Permutation {
    pub(crate) fn new(len: usize, key: Key, stream: Stream) -> Self {
        if len <= TABLE_LEN_MAX {
            Self::Table(fisher_yates(len, key, stream))
        } else {
            Self::Feistel(Feistel::new(len as u64, key.bits() ^ u64::from(stream.word())))
        }
    }
}

impl Permutation {
    /// Bytes that a permutation of `0..len` holds.
    pub(crate) fn bytes_for(len: usize) -> usize {
        if len <= TABLE_LEN_MAX { len * size_of::<u32>() } else { 0 }
    }
}

impl Order for Permutation {
    fn len(&self) -> usize {
        match self {
            Self::Table(table) => table.len(),
            Self::Feistel(feistel) => feistel.len as usize,
        }
    }

    fn index(&self, position: usize) -> usize {
        match self {
            Self::Table(table) => table[position] as usize,
            Self::Feistel(feistel) => feistel.permute(position as u64) as usize,
        }
    }
}

/// The Fisher-Yates shuffle (Durstenfeld's form): every permutation with the same probability, as
/// far as the key has bits to choose among them.
fn fisher_yates(len: usize, key: Key, stream: Stream) -> Vec<u32> {
    let mut table: Vec<u32> = (0..len as u32).collect();
    let mut draws = key.draws(stream, 0);
    for last in (1..len).rev() {
        let chosen = draws.below(last as u64 + 1) as usize;
        table.swap(last, chosen);
    }
    table
}

/// An unbalanced Feistel network over the smallest power of two that holds `len`, with cycle
/// walking: a value outside `0..len` is encrypted again until it falls inside, which keeps the
/// map a bijection of `0..len` and takes less than two walks on average.
///
/// Six rounds of a full 64-bit mixer: four rounds of a weaker one are measurably not uniform.
#[derive(Debug, Clone)]
pub(crate) struct Feistel {
    len: u64,
    high_bits: u32,
    low_bits: u32,
    keys: [u64; Self::ROUNDS],
}

impl Feistel {
    /// Even, so that the widths of the halves are back in place at the end.
    const ROUNDS: usize = 6;

    pub(crate) fn new(len: u64, key: u64) -> Self {
        let bits = (u64::BITS - len.saturating_sub(1).leading_zeros()).max(2);
        let high_bits = bits / 2;
        let keys = std::array::from_fn(|round| {
            mix64(key.wrapping_add((round as u64 + 1).wrapping_mul(0x9E37_79B9_7F4A_7C15)))
        });
        Self { len, high_bits, low_bits: bits - high_bits, keys }
    }

    pub(crate) fn permute(&self, position: u64) -> u64 {
        assert!(position < self.len, "position {position} of an order of {}", self.len);
        let mut x = position;
        loop {
            x = self.encrypt(x);
            if x < self.len {
                return x;
            }
        }
    }

    /// One pass: each round replaces the high part by itself xor a mix of the low part, and swaps
    /// the parts, whose widths swap with them.
    fn encrypt(&self, mut x: u64) -> u64 {
        let (mut high, mut low) = (self.high_bits, self.low_bits);
        for key in self.keys {
            let left = x >> low;
            let right = x & ((1 << low) - 1);
            let mixed = mix64(right ^ key) & ((1 << high) - 1);
            x = right << high | (left ^ mixed);
            (high, low) = (low, high);
        }
        x
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::Purpose;

    fn stream() -> Stream {
        Stream::new("shuffle", 0, Purpose::Order)
    }

    fn feistel(len: usize, seed: u64) -> Permutation {
        Permutation::Feistel(Feistel::new(len as u64, Key::new(seed, 0).bits()))
    }

    fn table(len: usize, seed: u64) -> Permutation {
        Permutation::Table(fisher_yates(len, Key::new(seed, 0), stream()))
    }

    fn is_bijection(order: &dyn Order) -> bool {
        let mut seen = vec![false; order.len()];
        (0..order.len()).for_each(|position| seen[order.index(position)] = true);
        seen.into_iter().all(|seen| seen)
    }

    #[test]
    fn both_forms_are_bijections_for_every_small_length() {
        for len in 0..600 {
            assert!(is_bijection(&table(len, 1)), "table of {len}");
            if len > 0 {
                assert!(is_bijection(&feistel(len, 1)), "feistel of {len}");
            }
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig { cases: 24, ..ProptestConfig::default() })]
        #[test]
        fn both_forms_are_bijections(len in 1usize..100_000, seed in any::<u64>()) {
            prop_assert!(is_bijection(&table(len, seed)));
            prop_assert!(is_bijection(&feistel(len, seed)));
        }
    }

    /// The form is chosen by length alone.
    #[test]
    fn the_form_changes_above_the_table_limit() {
        let key = Key::new(1, 1);
        let small = Permutation::new(1000, key, stream());
        let large = Permutation::new(TABLE_LEN_MAX + 1, key, stream());
        assert!(matches!(small, Permutation::Table(_)) && Permutation::bytes_for(1000) == 4000);
        assert!(matches!(large, Permutation::Feistel(_)));
        assert_eq!(Permutation::bytes_for(TABLE_LEN_MAX + 1), 0);
    }

    /// Mean displacement over n (1/3 when uniform), adjacent pairs that stay adjacent (about 2),
    /// and chi squared over 16 bins of the first sixteenth (about 15): the statistics by which a
    /// weak cipher is found out. Averages over seeds, bounds at some five standard errors.
    #[test]
    fn statistics_are_those_of_a_uniform_shuffle() {
        const SEEDS: u64 = 20;
        for form in [table as fn(usize, u64) -> Permutation, feistel] {
            for len in [50_000, 65_536] {
                let (mut moved, mut adjacent, mut chi2) = (0.0, 0.0, 0.0);
                for seed in 0..SEEDS {
                    let (m, a, c) = statistics(&form(len, seed));
                    (moved, adjacent, chi2) = (moved + m, adjacent + a, chi2 + c);
                }
                let mean = |sum: f64| sum / SEEDS as f64;
                assert!((mean(moved) - 1.0 / 3.0).abs() < 0.002, "{len}: {}", mean(moved));
                assert!((0.5..4.0).contains(&mean(adjacent)), "{len}: {}", mean(adjacent));
                assert!((9.0..21.0).contains(&mean(chi2)), "{len}: {}", mean(chi2));
            }
        }
    }

    fn statistics(order: &dyn Order) -> (f64, f64, f64) {
        let len = order.len();
        let table: Vec<usize> = (0..len).map(|position| order.index(position)).collect();
        let moved: f64 = table.iter().enumerate().map(|(p, &i)| p.abs_diff(i) as f64).sum();
        let adjacent = table.windows(2).filter(|pair| pair[0].abs_diff(pair[1]) == 1).count();
        let mut bins = [0f64; 16];
        table[..len / 16].iter().for_each(|&i| bins[i * 16 / len] += 1.0);
        let expected = (len / 16) as f64 / 16.0;
        let chi2 = bins.iter().map(|b| (b - expected).powi(2) / expected).sum();
        (moved / (len * len) as f64, adjacent as f64, chi2)
    }

    /// Where one index lands, over many keys: chi squared with 99 degrees of freedom.
    #[test]
    fn one_index_lands_everywhere_alike() {
        const KEYS: u64 = 20_000;
        for form in [table as fn(usize, u64) -> Permutation, feistel] {
            let mut counts = [0f64; 100];
            for seed in 0..KEYS {
                counts[form(100, seed).index(0)] += 1.0;
            }
            let expected = KEYS as f64 / 100.0;
            let chi2: f64 = counts.iter().map(|c| (c - expected).powi(2) / expected).sum();
            assert!(chi2 < 148.2, "chi squared {chi2} (p = 0.001)");
        }
    }

    #[test]
    fn a_billion_positions_are_reached_at_once() {
        let started = std::time::Instant::now();
        let order = Permutation::new(1_000_000_000, Key::new(1, 2), stream());
        let first: Vec<usize> = (0..1000).map(|position| order.index(position)).collect();
        assert!(first.iter().all(|&index| index < 1_000_000_000));
        assert!(started.elapsed().as_millis() < 50, "{:?}", started.elapsed());
    }
}
