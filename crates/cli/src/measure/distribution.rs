//! How often values occurred, in memory that does not grow with their number.

/// The low bits of an `f32` that are dropped. The sign, the exponent and nine bits of the mantissa
/// remain: values that differ by less than one in 512 count as one, and a chart has fewer pixels.
const DROPPED_BITS: u32 = 14;
const COUNTS: usize = (f32::INFINITY.to_bits() >> DROPPED_BITS) as usize + 1;

/// Counts of values from 0 on, for percentiles and histograms. It takes at most 1 MB, however many
/// values there are, and touches only the pages of values that occur.
#[derive(Debug, Clone, Default)]
pub(crate) struct Distribution {
    /// Indexed by the leading bits of a value, which sort like the values; empty until there is
    /// one.
    counts: Vec<u64>,
    count: u64,
    least: f64,
    most: f64,
}

impl Distribution {
    pub(crate) fn add(&mut self, value: f64) {
        if self.count == 0 {
            *self = Self { counts: vec![0; COUNTS], count: 0, least: value, most: value };
        }
        self.counts[place(value)] += 1;
        self.count += 1;
        self.least = self.least.min(value);
        self.most = self.most.max(value);
    }

    pub(crate) fn merge(&mut self, other: Self) {
        if self.count == 0 || other.count == 0 {
            if self.count == 0 {
                *self = other;
            }
            return;
        }
        self.counts.iter_mut().zip(other.counts).for_each(|(own, other)| *own += other);
        self.count += other.count;
        self.least = self.least.min(other.least);
        self.most = self.most.max(other.most);
    }

    pub(crate) fn count(&self) -> u64 {
        self.count
    }

    /// The value that this share of all values did not exceed, within one in 1,000. The least and
    /// the greatest are exact. It is 0 if there are no values.
    pub(crate) fn quantile(&self, share: f64) -> f64 {
        let rank = ((share * self.count as f64).ceil() as u64).clamp(1, self.count.max(1));
        if rank == 1 {
            return self.least;
        }
        if rank == self.count {
            return self.most;
        }
        let mut passed = 0;
        let found = self.values().find(|(_, count)| {
            passed += count;
            passed >= rank
        });
        found.map_or(self.most, |(value, _)| value)
    }

    /// Each value that occurred and how often, the smallest first.
    pub(crate) fn values(&self) -> impl Iterator<Item = (f64, u64)> {
        let occurred = self.counts.iter().enumerate().filter(|(_, count)| **count > 0);
        occurred.map(|(place, count)| (middle(place).clamp(self.least, self.most), *count))
    }
}

/// The index of the count for a value.
fn place(value: f64) -> usize {
    ((value.max(0.0) as f32).to_bits() >> DROPPED_BITS) as usize
}

/// The middle of the values that are counted there.
fn middle(place: usize) -> f64 {
    let bits = (place as u32) << DROPPED_BITS;
    f32::from_bits(bits | 1 << (DROPPED_BITS - 1)).into()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(values: impl IntoIterator<Item = f64>) -> Distribution {
        let mut distribution = Distribution::default();
        values.into_iter().for_each(|value| distribution.add(value));
        distribution
    }

    #[test]
    fn percentiles_are_within_one_in_a_thousand_of_values_that_occurred() {
        let values = of((1..=100_000).map(f64::from));
        for share in [0.01, 0.25, 0.5, 0.9, 0.999] {
            let (found, exact) = (values.quantile(share), share * 1e5);
            assert!((found / exact - 1.0).abs() < 1e-3, "{share}: {found}");
        }
        assert_eq!((values.quantile(0.0), values.quantile(1.0)), (1.0, 1e5));
        assert_eq!(of([4., 1., 3., 2.]).quantile(0.5).round(), 2.0);
        assert_eq!(Distribution::default().quantile(0.5), 0.0);
    }

    #[test]
    fn any_number_has_a_place() {
        for value in [0.0, 1e-300, 3.7e-9, 1.0, 1e30, 1e300, f64::INFINITY, f64::NAN] {
            assert_eq!(of([1.0, value, 1.0]).values().map(|(_, count)| count).sum::<u64>(), 3);
        }
    }

    #[test]
    fn merged_is_as_if_all_were_added_to_one() {
        let all = of((1..50).map(f64::from));
        let mut merged = of((1..20).map(f64::from));
        merged.merge(Distribution::default());
        merged.merge(of((20..50).map(f64::from)));
        let mut empty = Distribution::default();
        empty.merge(merged.clone());
        for merged in [merged, empty] {
            assert!(merged.values().eq(all.values()));
            assert_eq!((merged.count(), merged.quantile(1.0)), (49, 49.0));
        }
    }
}
