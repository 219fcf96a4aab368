use tallow::{
    ErrorKind, LastBatch, Loader, LoaderBuilder, SubsetSampler, Weighted, WithReplacement,
};

use crate::tester::{LASTS, WORKERS, counting, matrix, stream};

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

/// As [`the_union_of_all_ranks_is_the_stream_of_one`], where a batch cannot be shared evenly.
#[test]
fn ranks_share_a_batch_that_their_number_does_not_divide() {
    for last in LASTS {
        let build = || Loader::builder(counting(53)).batch_size(11).shuffle().last_batch(last);
        let whole = stream(&build().build().unwrap(), 0..2).unwrap().concat();
        let resumed: Vec<_> =
            whole.iter().filter(|row| (row.epoch, row.position) >= (1, 22)).cloned().collect();
        for world in [2, 3, 4, 11] {
            let (mut rows, mut rest) = (Vec::new(), Vec::new());
            for rank in 0..world {
                let loader = build().rank(rank, world).build().unwrap();
                let part = stream(&loader, 0..2).unwrap();
                assert_eq!(part.len(), 2 * loader.len());
                let share = 11 / world + usize::from(rank < 11 % world);
                assert!(part[..4].iter().all(|rows| rows.len() == share), "{world} {rank}");
                rows.extend(part.concat());
                loader.resume(&build().build().unwrap().state_at(1, 2).unwrap()).unwrap();
                rest.extend(stream(&loader, 0..2).unwrap().concat());
            }
            for (found, expected) in [(&mut rows, &whole), (&mut rest, &resumed)] {
                found.sort_by_key(|row| (row.epoch, row.position));
                assert_eq!(found, expected, "{last:?}, world {world}");
            }
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
        // Each epoch that was not begun may fail as a whole.
        assert_eq!(batches.size_hint(), (left / 4 + left % 4, Some(left)));
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
fn a_second_iteration_is_refused_while_the_first_is_running() {
    let loader = Loader::builder(counting(20)).batch_size(5).build().unwrap();
    let mut first = loader.epoch(0);
    first.next().unwrap().unwrap();
    let mut second = loader.epoch(1);
    assert_eq!(second.size_hint(), (1, Some(1)), "the error");
    assert_eq!(second.next().unwrap().unwrap_err().kind(), ErrorKind::Busy);
    assert!(second.next().is_none());
    drop(second);
    assert_eq!((loader.state().epoch(), loader.state().position()), (0, 5), "left alone");
    assert_eq!(first.count(), 3, "the first goes on");
    assert_eq!(loader.epoch(1).count(), 4, "and makes way");
}

#[test]
fn every_problem_of_a_configuration_is_listed() {
    let builder = Loader::builder(counting(3)).batch_size(1).rank(0, 2).prefetch(0);
    let error = builder.sampler(Weighted::new(&[1.0]).unwrap()).build().unwrap_err().to_string();
    for words in ["prefetch of 0", "at least one row per rank of 2", "1 weights for a source of 3"]
    {
        assert!(error.contains(words), "{error}");
    }
}

/// The words of the errors of three epochs, one each.
fn empty_epochs(builder: LoaderBuilder, workers: usize) -> Vec<String> {
    let loader = builder.workers(workers).build().unwrap();
    assert_eq!(loader.plan().warnings().len(), 1, "{}", loader.plan());
    assert!(loader.plan().to_string().contains("\nwarning   an epoch has no batch: "));
    let mut batches = loader.epochs(0..3);
    assert_eq!(batches.size_hint(), (3, Some(3)));
    let errors: Vec<_> = batches.by_ref().map(|batch| batch.unwrap_err()).collect();
    assert!(errors.iter().all(|error| error.kind() == ErrorKind::Empty));
    let places = errors.iter().map(|error| error.batch().unwrap());
    assert!(places.map(|id| (id.epoch, id.number)).eq([(0, 0), (1, 0), (2, 0)]));
    drop(batches);
    loader.resume(&loader.state_at(1, 0).unwrap()).unwrap();
    assert_eq!((loader.epoch(0).count(), loader.epoch(1).count()), (0, 1));
    errors.iter().map(ToString::to_string).collect()
}

#[test]
fn an_epoch_without_batches_is_an_error_in_the_place_of_its_first() {
    let dropping =
        |samples| Loader::builder(counting(samples)).batch_size(64).last_batch(LastBatch::Drop);
    let none = || Loader::builder(counting(12)).sampler(SubsetSampler::new([]));
    for workers in WORKERS {
        for (builder, words) in [
            (dropping(12), "a batch of 64 is more than the 12 samples, and"),
            (dropping(12), "use LastBatch::Keep or LastBatch::Pad"),
            (dropping(12).rank(1, 2), "64 is more than the 12 samples"),
            (dropping(12).sampler(WithReplacement::new().draws(9)), "the 9 rows of an epoch"),
            (dropping(0), "the source has no samples"),
            (Loader::builder(counting(0)), "the source has no samples"),
            (none(), "the sampler takes none of the 12 samples"),
        ] {
            let errors = empty_epochs(builder, workers);
            assert!(errors.iter().all(|error| error.contains(words)), "{errors:?}");
        }
    }
}

#[test]
fn an_epoch_that_was_received_before_is_empty_without_an_error() {
    let loader = Loader::builder(counting(12)).batch_size(4).build().unwrap();
    loader.resume(&loader.state_at(0, 3).unwrap()).unwrap();
    assert_eq!((loader.epoch(0).count(), loader.epoch(1).count()), (0, 3));
    assert_eq!(loader.epochs(5..5).count(), 0);
}

#[test]
fn a_rank_without_samples_is_warned_of() {
    let build = |rank| Loader::builder(counting(2)).batch_size(4).rank(rank, 4).build().unwrap();
    assert!(build(1).plan().warnings().is_empty());
    let loader = build(3);
    let warning = "rank 3 of 4 gets only empty batches, since an epoch has 2 samples";
    assert_eq!(loader.plan().warnings(), [warning]);
    assert!(loader.epoch(0).next().unwrap().unwrap().is_empty());
}
