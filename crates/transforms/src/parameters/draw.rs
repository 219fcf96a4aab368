//! How parameters are drawn. Each draw takes a fixed count of numbers, so that no parameter changes
//! because another one is drawn differently.

use tallow_core::Draws;

use super::uniform::Uniform;

/// True with probability `p`. Takes one number.
pub(crate) fn chance(draws: &mut Draws, p: f64) -> bool {
    draws.unit_f64() < p
}

/// A whole number in `low..=high`, uniform. Takes one number: the product of 64 bits with the
/// count, whose bias of less than one part in 2^40 no test of fewer draws could see.
pub(crate) fn whole(draws: &mut Draws, low: i64, high: i64) -> i64 {
    let count = (high - low + 1).max(1) as u128;
    low + ((u128::from(draws.next_u64()) * count) >> 64) as i64
}

/// An order of the first `len` of `N` things, at most 20, uniform among all; the others keep their
/// places. Takes one number.
pub(crate) fn permutation<const N: usize>(draws: &mut Draws, len: usize) -> [usize; N] {
    let mut order = std::array::from_fn(|i| i);
    let count: i64 = (1..=len as i64).product();
    let mut code = whole(draws, 0, count - 1) as usize;
    // Each thing in turn is exchanged with one of those not yet placed (Fisher and Yates).
    for i in 0..len {
        order.swap(i, i + code % (len - i));
        code /= len - i;
    }
    order
}

/// Checks a probability.
///
/// # Errors
///
/// When it is none.
pub(crate) fn check_p(p: f64) -> Result<(), String> {
    Uniform::from(p).check("p", 0.0, 1.0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use tallow_core::{Key, Purpose, Stream};

    #[test]
    fn every_order_is_drawn_about_as_often() {
        let mut draws = Key::new(1, 0).draws(Stream::new("order", 0, Purpose::Transform), 0);
        let mut counts = std::collections::BTreeMap::new();
        for _ in 0..2400 {
            let order: [usize; 5] = permutation(&mut draws, 4);
            assert_eq!(order[4], 4);
            *counts.entry(order).or_insert(0) += 1;
        }
        assert_eq!(counts.len(), 24);
        assert!(counts.values().all(|count| (60..140).contains(count)), "{counts:?}");
    }
}
