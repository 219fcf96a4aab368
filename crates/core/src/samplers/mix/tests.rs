use proptest::prelude::*;

use super::*;
use crate::permutation::Feistel;
use crate::{Key, Purpose, Sequential, Shuffle, Stream, WithReplacement, testing};

/// A mixture as lists and loops: one sample after the other from the beginning of all epochs.
struct Model {
    lens: Vec<usize>,
    seed: u64,
    /// The turns of each part since the last change of weights.
    turns: Vec<u64>,
    /// Positions since then.
    at: u64,
    counts: Vec<u64>,
    /// The epoch of each part, and what is left of it.
    epochs: Vec<u64>,
    left: Vec<Vec<usize>>,
}

impl Model {
    fn new(lens: &[usize], seed: u64, weights: &[f64]) -> Self {
        let parts = lens.len();
        let mut model = Self {
            lens: lens.to_vec(),
            seed,
            turns: vec![0; parts],
            at: 0,
            counts: Vec::new(),
            epochs: vec![0; parts],
            left: Vec::new(),
        };
        model.left = (0..parts).map(|part| model.shuffled(part)).collect();
        model.weigh(weights, Period::TURNS_MAX);
        model
    }

    fn weigh(&mut self, weights: &[f64], most: usize) {
        self.counts = whole_counts(weights, most).into_iter().map(u64::from).collect();
        self.turns.fill(0);
        self.at = 0;
    }

    /// A part's samples in the order of its epoch, the first one last.
    fn shuffled(&self, part: usize) -> Vec<usize> {
        let key = Key::new(self.seed, self.epochs[part]).at(part as u64).bits();
        let stream = u64::from(Stream::new("mix", 0, Purpose::Order).word());
        let len = self.lens[part];
        let start: usize = self.lens[..part].iter().sum();
        let order = Feistel::new(len as u64, key ^ stream);
        (0..len).rev().map(|at| start + order.permute(at as u64) as usize).collect()
    }

    /// The part whose turn must come soonest, of those that may have one.
    fn turn(&self) -> usize {
        let sum: u64 = self.counts.iter().sum();
        let parts = (0..self.counts.len()).filter(|&part| self.counts[part] > 0);
        let release = |part: usize| self.turns[part] * sum / self.counts[part];
        let released = parts.filter(|&part| release(part) <= self.at);
        let deadline = |part: usize| ((self.turns[part] + 1) * sum).div_ceil(self.counts[part]);
        released.min_by_key(|&part| (deadline(part), release(part), part)).unwrap()
    }

    /// The part of the next position, and the sample.
    fn next(&mut self) -> (usize, usize) {
        let part = self.turn();
        self.turns[part] += 1;
        self.at += 1;
        if self.left[part].is_empty() {
            self.epochs[part] += 1;
            self.left[part] = self.shuffled(part);
        }
        (part, self.left[part].pop().unwrap())
    }

    /// Positions until a part has ended, or until all have.
    fn epoch_len(lens: &[usize], stages: &[(u64, Vec<f64>)], all: bool) -> usize {
        let mut model = Self::new(lens, 0, &stages[0].1);
        let ever = |part: &usize| stages.iter().any(|(_, weights)| weights[*part] > 0.0);
        let parts: Vec<usize> = (0..lens.len()).filter(ever).collect();
        let mut seen = vec![0; lens.len()];
        for position in 0u64.. {
            let stage = stages.iter().find(|(start, _)| *start == position && position > 0);
            stage.iter().for_each(|(_, weights)| model.weigh(weights, Period::TURNS_MAX));
            seen[model.next().0] += 1;
            let ended = |part: &usize| seen[*part] >= lens[*part];
            if if all { parts.iter().all(ended) } else { parts.iter().any(ended) } {
                return position as usize + 1;
            }
        }
        unreachable!("a part ends")
    }
}

fn population(lens: &[usize]) -> Population {
    Population::of_parts(lens.iter().copied()).unwrap()
}

/// The samples of the first `epochs` epochs.
fn stream(mix: &Mix, population: &Population, seed: u64, epochs: u64) -> Vec<usize> {
    let order = |epoch| mix.order(population, seed, epoch).unwrap();
    let epoch = |order: Arc<dyn Order>| (0..order.len()).map(|at| order.index(at)).collect();
    let epochs: Vec<Vec<usize>> = (0..epochs).map(|number| epoch(order(number))).collect();
    epochs.concat()
}

/// Lengths and weights of parts, of which the first always has some.
fn parts() -> impl Strategy<Value = (Vec<usize>, Vec<f64>)> {
    let weight = prop_oneof![
        1 => Just(0.0),
        8 => (1u32..9).prop_map(f64::from),
        1 => 0.1f64..9.0,
    ];
    prop::collection::vec((1usize..30, weight), 2..51).prop_map(|parts| {
        let (lens, mut weights): (Vec<usize>, Vec<f64>) = parts.into_iter().unzip();
        weights[0] = weights[0].max(1.0);
        (lens, weights)
    })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 40, ..ProptestConfig::default() })]

    #[test]
    fn it_is_what_lists_and_loops_give(
        (lens, weights) in parts(),
        samples in 1usize..300,
        until in 0usize..3,
        seed in any::<u64>(),
    ) {
        let mix = Mix::new(&weights).unwrap();
        let (until, len) = match until {
            0 => (Until::Samples(samples), samples),
            1 => (Until::FirstEnds, Model::epoch_len(&lens, &[(0, weights.clone())], false)),
            _ => (Until::AllSeen, Model::epoch_len(&lens, &[(0, weights.clone())], true)),
        };
        let (mix, population) = (mix.until(until), population(&lens));
        prop_assert_eq!(mix.len(&population).unwrap(), len);
        let mut model = Model::new(&lens, seed, &weights);
        let expected: Vec<usize> = (0..3 * len).map(|_| model.next().1).collect();
        prop_assert_eq!(stream(&mix, &population, seed, 3), expected);
    }

    #[test]
    fn a_curriculum_goes_on_where_each_part_was(
        (lens, first) in parts(),
        changes in prop::collection::vec((1u64..90, any::<u64>()), 1..4),
        samples in 1usize..70,
        is_all in any::<bool>(),
    ) {
        let mut stages = vec![(0, first.clone())];
        let mut mix = Mix::new(&first).unwrap();
        for (after, turned) in changes {
            let start = stages.last().unwrap().0 + after;
            let mut weights = first.clone();
            weights.rotate_left(turned as usize % first.len());
            // So that every part ends at some time.
            weights.iter_mut().for_each(|weight| *weight += 0.5);
            mix = mix.then_at(start, &weights).unwrap();
            stages.push((start, weights));
        }
        let population = population(&lens);
        for (until, all) in [(Until::FirstEnds, false), (Until::AllSeen, true)] {
            let len = mix.clone().until(until).len(&population).unwrap();
            prop_assert_eq!(len, Model::epoch_len(&lens, &stages, all));
        }
        let mix = mix.until(if is_all { Until::AllSeen } else { Until::Samples(samples) });
        let len = mix.len(&population).unwrap();
        let mut model = Model::new(&lens, 5, &first);
        let mut expected = Vec::new();
        for position in 0..4 * len as u64 {
            if let Some((_, weights)) = stages[1..].iter().find(|(start, _)| *start == position) {
                model.weigh(weights, Period::TURNS_MAX);
            }
            expected.push(model.next().1);
        }
        prop_assert_eq!(stream(&mix, &population, 5, 4), expected);
    }

    #[test]
    fn parts_that_end_are_left_out_where_each_comes_once((lens, weights) in parts()) {
        let mix = Mix::new(&weights).unwrap().until(Until::EachOnce);
        let population = population(&lens);
        let found = stream(&mix, &population, 3, 2);
        let mut model = Model::new(&lens, 3, &weights);
        let mut expected = Vec::new();
        for epoch in 0..2 {
            let mut weights = weights.clone();
            let parts = weights.iter().filter(|weight| **weight > 0.0).count();
            model.weigh(&weights, Period::TURNS_MAX);
            for part in 0..lens.len() {
                model.epochs[part] = epoch;
                model.left[part] = model.shuffled(part);
            }
            while weights.iter().any(|weight| *weight > 0.0) {
                let (part, sample) = model.next();
                expected.push(sample);
                if model.left[part].is_empty() {
                    weights[part] = 0.0;
                    if weights.iter().any(|weight| *weight > 0.0) {
                        model.weigh(&weights, Period::TURNS_MAX / parts);
                    }
                }
            }
        }
        prop_assert_eq!(&found, &expected);
        let mut first = found[..found.len() / 2].to_vec();
        first.sort_unstable();
        first.dedup();
        prop_assert_eq!(first.len(), found.len() / 2);
    }

    #[test]
    fn shares_are_exact_each_period_and_each_epoch_of_a_part_has_each_sample_once(
        lens in prop::collection::vec(1usize..40, 2..51),
        raw in prop::collection::vec(1u32..20, 50),
        samples in 1usize..500,
    ) {
        let weights: Vec<f64> = raw[..lens.len()].iter().copied().map(f64::from).collect();
        let mix = Mix::new(&weights).unwrap().until(Until::Samples(samples));
        let population = population(&lens);
        let found = stream(&mix, &population, 1, 2000usize.div_ceil(samples) as u64);
        let counts = whole_counts(&weights, Period::TURNS_MAX);
        let period = counts.iter().sum::<u32>() as usize;
        let part = |index: &usize| population.part_of(*index);
        for turns in found.chunks_exact(period) {
            let mut had = vec![0; lens.len()];
            turns.iter().for_each(|index| had[part(index)] += 1);
            prop_assert_eq!(&had, &counts);
        }
        for (number, &len) in lens.iter().enumerate() {
            let own: Vec<usize> = found.iter().copied().filter(|i| part(i) == number).collect();
            for epoch in own.chunks_exact(len) {
                let mut epoch = epoch.to_vec();
                epoch.sort_unstable();
                prop_assert_eq!(epoch, population.part(number).collect::<Vec<_>>());
            }
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 40, ..ProptestConfig::default() })]

    #[test]
    fn how_often_a_part_was_seen_is_what_counting_gives(
        (lens, weights) in parts(),
        later in 1u64..60,
        samples in 1usize..50,
        once in any::<bool>(),
    ) {
        let mut turned = weights.clone();
        turned.rotate_left(1);
        let mix = Mix::new(&weights).unwrap();
        let mix = match once {
            true => mix.until(Until::EachOnce),
            false => mix.then_at(later, &turned).unwrap().until(Until::Samples(samples)),
        };
        let population = population(&lens);
        let len = mix.len(&population).unwrap();
        let found = stream(&mix, &population, 2, 3);
        let mut had = vec![0u32; lens.len()];
        for (at, index) in found.iter().enumerate() {
            let shares = Sampler::shares(&mix, &population, (at / len) as u64, at % len).unwrap();
            for (part, share) in shares.iter().enumerate() {
                let seen = f64::from(had[part]) / lens[part] as f64;
                prop_assert!((share.seen - seen).abs() < 1e-9, "part {part} at {at}: {share:?}, {seen}");
            }
            let asked = mix.shares(if once { 0 } else { at as u64 });
            prop_assert_eq!(shares.iter().map(|share| share.asked).collect::<Vec<_>>(), asked);
            had[population.part_of(*index)] += 1;
        }
    }
}

#[test]
fn an_epoch_far_away_is_where_its_neighbours_end_and_begin() {
    let population = population(&[30, 7]);
    let mix = Mix::new(&[3.0, 1.0]).unwrap().until(Until::Samples(50));
    for epoch in [1 << 40, u64::MAX - 1] {
        let shares = |epoch, at| Sampler::shares(&mix, &population, epoch, at).unwrap();
        let (end, begin) = (shares(epoch, 50), shares(epoch + 1, 0));
        assert_eq!(end, begin);
        let order = mix.order(&population, 1, epoch).unwrap();
        assert!((0..50).all(|at| order.index(at) < 37));
    }
}

#[test]
fn it_conforms() {
    let population = population(&[30, 7, 0, 55]);
    let mix = Mix::new(&[2.0, 1.0, 0.0, 0.5]).unwrap();
    for until in [Until::AllSeen, Until::FirstEnds, Until::EachOnce, Until::Samples(400)] {
        let mix = mix.clone().until(until);
        testing::check_sampler(&mix, &population);
        let mix = mix.part_sampler(0, Sequential).unwrap().part_sampler(3, Shuffle).unwrap();
        testing::check_sampler(&mix, &population);
    }
    testing::check_sampler(
        &mix.then_at(50, &[0.0, 0.0, 0.0, 1.0]).unwrap().until(Until::Samples(90)),
        &population,
    );
    testing::check_sampler(&Mix::new(&[1.0]).unwrap(), &Population::of(9));
}

#[test]
fn a_part_comes_in_the_order_of_its_own_sampler_and_counts_its_own_epochs() {
    let population = population(&[3, 4]);
    let mix = Mix::new(&[1.0, 1.0]).unwrap().until(Until::Samples(5));
    let mix = mix.part_sampler(0, Sequential).unwrap().part_sampler(1, Shuffle).unwrap();
    let found = stream(&mix, &population, 9, 4);
    let of = |part: usize| -> Vec<usize> {
        found.iter().copied().filter(|&index| population.part_of(index) == part).collect()
    };
    assert_eq!(of(0), [0, 1, 2, 0, 1, 2, 0, 1, 2, 0]);
    let seed = Key::new(9, 0).at(1).bits();
    let order = |epoch| Shuffle.order(&Population::of(4), seed, epoch).unwrap();
    let expected: Vec<usize> = (0..10).map(|at| 3 + order(at / 4).index(at as usize % 4)).collect();
    assert_eq!(of(1), expected);
}

#[test]
fn only_an_epoch_of_each_once_denies_that_samples_repeat() {
    let population = population(&[3, 4]);
    let repeats = |mix: Mix| mix.order(&population, 0, 0).unwrap().repeats();
    let mix = Mix::new(&[1.0, 1.0]).unwrap();
    assert!(repeats(mix.clone()));
    let once = mix.until(Until::EachOnce);
    assert!(!repeats(once.clone()));
    let drawn = once.part_sampler(0, WithReplacement::new()).unwrap();
    assert!(repeats(drawn));
}

#[test]
fn a_billion_samples_in_fifty_parts_begin_at_once_in_little_memory() {
    let lens: Vec<usize> = (0..50).map(|part| 20_000_000 + part).collect();
    let weights: Vec<f64> = (0..50).map(|part| 1.0 + f64::from(part) * 0.37).collect();
    let population = population(&lens);
    for until in [Until::AllSeen, Until::FirstEnds, Until::EachOnce] {
        let mix = Mix::new(&weights).unwrap().until(until);
        assert!(mix.order_bytes(&population) < 1 << 20, "{}", mix.order_bytes(&population));
        let fastest = (0..10).map(|epoch| {
            let started = std::time::Instant::now();
            let order = mix.order(&population, 1, epoch).unwrap();
            assert!(order.index(order.len() - 1) < population.samples());
            started.elapsed()
        });
        let fastest = fastest.min().unwrap();
        assert!(fastest.as_micros() < 1000, "{until:?}: {fastest:?}");
    }
}

#[test]
fn what_cannot_be_mixed_is_refused_in_words() {
    let words = |error: Error| error.message().to_owned();
    let mix = || Mix::new(&[1.0, 1.0]).unwrap();
    assert_eq!(words(Mix::new(&[]).unwrap_err()), "no weight is above 0");
    let error = words(Mix::new(&[1.0, f64::NAN]).unwrap_err());
    assert_eq!(error, "weight 1 is NaN, expected a finite one from 0");
    let error = words(mix().len(&Population::of(3)).unwrap_err());
    assert!(error.starts_with("found 2 weights for a source of 1 parts"), "{error}");
    let error = words(mix().len(&population(&[3, 0])).unwrap_err());
    assert_eq!(error, "part 1 has a weight of 1 and no samples, expected a weight of 0");
    let error = words(mix().then_at(9, &[1.0]).unwrap_err());
    assert_eq!(error, "found 1 weights from position 9 on, expected 2 as before");
    assert!(words(mix().then_at(0, &[1.0, 1.0]).unwrap_err()).contains("expected one above 0"));
    let ended = mix().then_at(4, &[1.0, 0.0]).unwrap();
    let error = words(ended.len(&population(&[9, 9])).unwrap_err());
    assert!(error.starts_with("part 1 of 9 samples is never seen wholly"), "{error}");
    let error = words(ended.until(Until::EachOnce).len(&population(&[9, 9])).unwrap_err());
    assert!(error.contains("Until::EachOnce"), "{error}");
    assert!(words(mix().part_sampler(2, Shuffle).unwrap_err()).contains("part 2"));
    let long = Mix::new(&[1.0, 65535.0]).unwrap();
    let error = long.len(&population(&[usize::MAX >> 1, 9])).unwrap_err();
    assert!(error.to_string().contains("never seen wholly"), "{error}");
}
