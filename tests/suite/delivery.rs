use tallow::{LastBatch, Loader, LoaderErrorKind, Weighted};

use crate::tester::{LASTS, counting, matrix, stream};

#[test]
fn every_index_comes_once_an_epoch_for_every_size() {
    let batch_size = 4;
    for samples in [1, batch_size - 1, batch_size, batch_size + 1, 10 * batch_size + 3] {
        matrix(
            || Loader::builder(counting(samples)).batch_size(batch_size).shuffle(),
            |loader| {
                let rows = stream(&loader, 0..2).unwrap().concat();
                for epoch in 0..2 {
                    let mut indices: Vec<usize> =
                        rows.iter().filter(|r| r.epoch == epoch).map(|r| r.index).collect();
                    indices.sort_unstable();
                    assert_eq!(indices, (0..samples).collect::<Vec<_>>());
                }
            },
        );
    }
}

#[test]
fn workers_and_prefetch_change_nothing() {
    for last in LASTS {
        let build =
            || Loader::builder(counting(43)).batch_size(8).shuffle().seed(7).last_batch(last);
        let expected = stream(&build().workers(0).build().unwrap(), 0..3).unwrap();
        assert_eq!(expected.len(), if last == LastBatch::Drop { 15 } else { 18 });
        matrix(build, |loader| {
            assert_eq!(stream(&loader, 0..3).unwrap(), expected);
            assert_eq!(stream(&loader, 0..3).unwrap(), expected, "a second time");
        });
    }
}

#[test]
fn other_seeds_and_epochs_give_other_orders() {
    let order = |seed, epoch| {
        let loader = Loader::builder(counting(50)).batch_size(10).shuffle().seed(seed).build();
        let rows = stream(&loader.unwrap(), epoch..epoch + 1).unwrap().concat();
        rows.into_iter().map(|row| row.index).collect::<Vec<_>>()
    };
    assert_eq!(order(1, 1), order(1, 1));
    assert_ne!(order(1, 1), order(1, 2));
    assert_ne!(order(1, 1), order(2, 1));
    assert_ne!(order(1, 2), order(2, 1));
}

#[test]
fn the_union_of_all_ranks_is_the_stream_of_one() {
    for last in LASTS {
        let build = || Loader::builder(counting(53)).batch_size(24).shuffle().last_batch(last);
        let whole = stream(&build().build().unwrap(), 0..2).unwrap().concat();
        for world in [2, 3, 8] {
            let mut rows = Vec::new();
            let mut batches = Vec::new();
            for rank in 0..world {
                let part = stream(&build().rank(rank, world).build().unwrap(), 0..2).unwrap();
                batches.push(part.len());
                rows.extend(part.concat());
            }
            rows.sort_by_key(|row| (row.epoch, row.position));
            assert_eq!(rows, whole, "{last:?}, world {world}");
            assert!(batches.iter().all(|&b| b == batches[0]), "{batches:?}");
        }
    }
}

#[test]
fn epochs_in_a_row_are_the_epochs_one_by_one() {
    let loader = Loader::builder(counting(20)).batch_size(6).shuffle().build().unwrap();
    let together = stream(&loader, 3..6).unwrap();
    let apart: Vec<_> =
        (3..6).flat_map(|epoch| stream(&loader, epoch..epoch + 1).unwrap()).collect();
    assert_eq!(together, apart);
}

#[test]
fn the_length_is_known_at_every_batch() {
    let loader = Loader::builder(counting(20)).batch_size(6).build().unwrap();
    let mut batches = loader.epochs(0..3);
    for left in (0..12).rev() {
        batches.next().unwrap().unwrap();
        // Each epoch may fail as a whole.
        assert_eq!(batches.size_hint(), (usize::div_ceil(left, 4), Some(left)));
    }
    assert!(batches.next().is_none() && batches.next().is_none());
}

#[test]
fn a_sampler_with_repetitions_is_delivered_as_it_draws() {
    let weights: Vec<f64> = (0..10).map(f64::from).collect();
    let sampler = Weighted::new(&weights).unwrap().draws(25);
    matrix(
        || Loader::builder(counting(10)).batch_size(4).sampler(sampler.clone()),
        |loader| {
            let rows = stream(&loader, 0..1).unwrap().concat();
            assert_eq!(rows.len(), 25);
            assert!(rows.iter().all(|row| row.index != 0), "weight 0 never comes");
        },
    );
}

#[test]
fn a_second_iteration_is_refused_while_the_first_is_under_way() {
    let loader = Loader::builder(counting(20)).batch_size(5).build().unwrap();
    let mut first = loader.epoch(0);
    first.next().unwrap().unwrap();
    let mut second = loader.epoch(1);
    assert_eq!(second.size_hint(), (1, Some(1)), "the error");
    assert_eq!(second.next().unwrap().unwrap_err().kind(), LoaderErrorKind::Busy);
    assert!(second.next().is_none());
    drop(second);
    assert_eq!((loader.state().epoch(), loader.state().position()), (0, 5), "left alone");
    assert_eq!(first.count(), 3, "the first goes on");
    assert_eq!(loader.epoch(1).count(), 4, "and makes way");
}

#[test]
fn every_problem_of_a_configuration_is_listed() {
    let builder = Loader::builder(counting(3)).batch_size(5).rank(0, 2).prefetch(0);
    let error = builder.sampler(Weighted::new(&[1.0]).unwrap()).build().unwrap_err().to_string();
    for words in ["prefetch of 0", "not divisible by 2", "1 weights for a source of 3"] {
        assert!(error.contains(words), "{error}");
    }
}
