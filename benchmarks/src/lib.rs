//! What the benchmarks have in common.

mod python;

use std::cmp::Ordering;

pub use self::python::Python;

/// The median of the values; of an even number, the upper of the two in the middle. The values are
/// left sorted, so the least and the greatest are at the ends.
///
/// # Panics
///
/// If there is no value.
pub fn median<T: PartialOrd + Copy>(values: &mut [T]) -> T {
    values.sort_by(|a, b| a.partial_cmp(b).unwrap_or(Ordering::Equal));
    values[values.len() / 2]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_median_is_the_middle_of_what_was_sorted() {
        let mut values = [3.0, 1.0, 2.0];
        assert_eq!((median(&mut values), values), (2.0, [1.0, 2.0, 3.0]));
        assert_eq!(median(&mut [4, 1]), 4);
    }
}
