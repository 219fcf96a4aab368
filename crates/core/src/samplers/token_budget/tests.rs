use proptest::prelude::*;

use super::*;

fn batches_of(order: &dyn Order) -> Vec<Vec<usize>> {
    let table = order.batches().unwrap();
    (0..table.len()).map(|batch| table.rows(batch).map(|at| order.index(at)).collect()).collect()
}

fn rounded(length: u32, multiple: u32) -> u32 {
    length.div_ceil(multiple) * multiple
}

/// A plain implementation: rows and rounded longest of each batch, from the longest samples on.
fn plain_shapes(lengths: &[u32], limits: Limits) -> Vec<(usize, u32)> {
    let mut left: Vec<u32> =
        lengths.iter().map(|&length| rounded(length, limits.multiple.get())).collect();
    left.sort();
    let mut shapes = Vec::new();
    while let Some(&longest) = left.last() {
        let mut rows = 0;
        while rows + limits.rows_multiple <= limits.rows_max
            && (rows + limits.rows_multiple) * longest as usize <= limits.budget
            && rows < left.len()
        {
            rows += limits.rows_multiple;
        }
        let rows = rows.min(left.len());
        left.truncate(left.len() - rows);
        shapes.push((rows, longest));
    }
    shapes
}

prop_compose! {
    fn cases()(
        lengths in prop::collection::vec(0u32..40, 0..300),
        multiple in 1u32..9,
        rows_multiple in 1usize..5,
        more_rows in 0usize..40,
        more_budget in 0usize..400,
    ) -> (Vec<u32>, Limits) {
        let longest = lengths.iter().max().map_or(1, |&longest| rounded(longest, multiple).max(1));
        let limits = Limits {
            budget: longest as usize * rows_multiple + more_budget,
            multiple: NonZeroU32::new(multiple).unwrap(),
            rows_multiple,
            rows_max: rows_multiple + more_rows,
        };
        (lengths, limits)
    }
}

fn sampler(lengths: &[u32], limits: Limits) -> TokenBudget {
    let budget = TokenBudget::new(lengths, limits.budget).unwrap();
    let budget = budget.multiple_of(limits.multiple.get()).rows_max(limits.rows_max);
    budget.rows_multiple_of(limits.rows_multiple)
}

proptest! {
    #[test]
    fn an_epoch_has_the_batches_of_the_plain_implementation(
        (lengths, limits) in cases(),
        seed in any::<u64>(),
    ) {
        let sampler = sampler(&lengths, limits);
        let order = sampler.order(&Population::of(lengths.len()), seed, 1).unwrap();
        let batches = batches_of(&*order);
        let longest = |batch: &Vec<usize>| batch.iter().map(|&index| lengths[index]).max().unwrap();
        let shape = |batch| (Vec::len(batch), rounded(longest(batch), limits.multiple.get()));
        let mut found: Vec<(usize, u32)> = batches.iter().map(shape).collect();
        let mut expected = plain_shapes(&lengths, limits);
        let rest = !lengths.len().is_multiple_of(limits.rows_multiple);
        prop_assert!(!rest || found.last() == expected.last());
        found.sort();
        expected.sort();
        prop_assert_eq!(found, expected);
        let mut samples: Vec<usize> = batches.concat();
        samples.sort();
        prop_assert_eq!(samples, (0..lengths.len()).collect::<Vec<_>>());
    }

    #[test]
    fn no_batch_is_beyond_the_budget((lengths, limits) in cases(), seed in any::<u64>()) {
        let sampler = sampler(&lengths, limits);
        let order = sampler.order(&Population::of(lengths.len()), seed, 0).unwrap();
        let table = order.batches().unwrap();
        for (number, batch) in batches_of(&*order).iter().enumerate() {
            let longest = table.longest(number);
            prop_assert!(batch.len() * longest <= limits.budget);
            prop_assert!(batch.len() <= limits.rows_max);
            prop_assert!(batch.iter().all(|&index| lengths[index] as usize <= longest));
            let is_last = number + 1 == table.len();
            prop_assert!(is_last || batch.len().is_multiple_of(limits.rows_multiple));
        }
    }
}

#[test]
fn it_conforms() {
    for samples in [0usize, 1, 1000] {
        let lengths: Vec<u32> = (0..samples as u32).map(|index| index * 7919 % 500).collect();
        let population = Population::of(samples);
        let budget = TokenBudget::new(lengths, 4000).unwrap().multiple_of(8).rows_multiple_of(3);
        crate::testing::check_sampler(&budget, &population);
        crate::testing::check_sampler(&budget.in_order(), &population);
    }
}

/// Samples of one rounded length change places, and batches too.
#[test]
fn epochs_have_other_batches_and_validation_has_not() {
    let lengths: Vec<u32> = (0..600).map(|index| index % 60).collect();
    let budget = TokenBudget::new(lengths, 600).unwrap().multiple_of(16);
    let population = Population::of(600);
    let of = |sampler: &TokenBudget, epoch| {
        let mut batches = batches_of(&*sampler.order(&population, 7, epoch).unwrap());
        let delivered = batches.clone();
        batches.iter_mut().for_each(|batch| batch.sort());
        batches.sort();
        (delivered, batches)
    };
    let ((first, first_set), (second, second_set)) = (of(&budget, 0), of(&budget, 1));
    assert_ne!(first, second);
    assert_ne!(first_set, second_set);
    assert_eq!(first.len(), second.len());
    let fixed = budget.in_order();
    assert_eq!(of(&fixed, 0), of(&fixed, 1));
}

#[test]
fn a_sample_beyond_the_budget_is_named() {
    let budget = TokenBudget::new([5, 9, 7], 16).unwrap();
    assert_eq!(budget.len(&Population::of(3)).unwrap(), 3);
    let error = budget.clone().multiple_of(32).len(&Population::of(3)).unwrap_err().to_string();
    assert!(error.contains("sample 0 has 5 tokens, 32 with padding, and it would be"), "{error}");
    let error = budget.clone().rows_multiple_of(2).len(&Population::of(3)).unwrap_err().to_string();
    assert!(error.contains("sample 1 has 9 tokens, 9 with padding, and 2 such rows"), "{error}");
    assert!(error.contains("expected a budget of at least 18"), "{error}");
    let error = budget.clone().rows_max(0).len(&Population::of(3)).unwrap_err().to_string();
    assert!(error.contains("at most 0 rows per batch, expected at least 1"), "{error}");
    assert!(budget.len(&Population::of(4)).is_err());
    assert!(TokenBudget::new([1], 0).is_err());
}

#[test]
fn padding_is_counted_as_it_is_delivered() {
    // Two rows of 4, and two of 3, one of which has 1.
    let budget = TokenBudget::new([4, 3, 4, 1], 8).unwrap();
    assert_eq!(budget.padding().unwrap(), 1.0 - 12.0 / 14.0);
    assert_eq!(TokenBudget::new([], 8).unwrap().padding().unwrap(), 0.0);
}

#[test]
fn what_changes_the_order_changes_the_fingerprint() {
    let base = || TokenBudget::new([1, 2, 3], 8).unwrap();
    let first = base().fingerprint();
    assert_eq!(first, base().fingerprint());
    for other in [
        TokenBudget::new([1, 2, 4], 8).unwrap(),
        TokenBudget::new([1, 2, 3], 9).unwrap(),
        base().multiple_of(2),
        base().rows_multiple_of(2),
        base().rows_max(2),
        base().in_order(),
    ] {
        assert_ne!(first, other.fingerprint());
    }
}

/// Ten million samples are sorted once; an epoch after that only shuffles its batches.
#[test]
fn an_epoch_over_many_samples_begins_at_once() {
    let lengths: Vec<u32> =
        (0..10_000_000u32).map(|i| 1 + i.wrapping_mul(2_654_435_761) % 1000).collect();
    let budget = TokenBudget::new(lengths, 16_384).unwrap().multiple_of(8);
    let population = Population::of(10_000_000);
    budget.len(&population).unwrap();
    let started = std::time::Instant::now();
    let order = budget.order(&population, 7, 1).unwrap();
    let last = order.index(order.len() - 1);
    let took = started.elapsed();
    assert!(last < 10_000_000 && took.as_millis() < 2000, "{took:?}");
}
