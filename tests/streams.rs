//! Sources of which nobody knows how long they are, through the facade.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::mpsc::sync_channel;
use std::time::{Duration, Instant};

use tallow::{
    Batch, Error, ErrorKind, Field, LastBatch, Loader, LoaderBuilder, OnError, RowDType, Sampler,
    Schema, Sequential, ShuffleWindows, SourceError, SourceErrorKind, SourceExt, Streamed,
};

/// When a worker that does not get on is taken for stuck.
const STALL: Duration = Duration::from_millis(600);

fn schema() -> Schema {
    Schema::new(vec![Field::new("x", RowDType::I64, &[2])]).unwrap()
}

/// `len` samples, each of which tells its number and its epoch.
fn counting(len: usize) -> Streamed<i64> {
    Streamed::from_iter(
        schema(),
        move |epoch| Ok((0..len as i64).map(move |x| Ok(x + 1000 * epoch as i64))),
        |x, row| row.field("x").copy_from_slice(&[x, -x]),
    )
}

/// The numbers of a batch, after its rows were compared with its indices.
fn numbers(batch: &Batch) -> Vec<i64> {
    let rows = batch["x"].to_vec2::<i64>().unwrap();
    let rows = &rows[..batch.len()];
    for (row, &index) in rows.iter().zip(batch.indices()) {
        assert_eq!(row[0] % 1000, index as i64);
        assert_eq!(row[1], -row[0]);
    }
    rows.iter().map(|row| row[0]).collect()
}

/// What a plain loop makes of `len` samples: the batches of one epoch.
fn expected(
    len: usize,
    (epoch, seed): (u64, u64),
    window: usize,
    size: usize,
    last: LastBatch,
) -> Vec<Vec<i64>> {
    let sampler = ShuffleWindows::new(window).unwrap();
    // The order of a source of known length is the order of a stream that turns out to be as long.
    let order = sampler.order(&tallow::Population::of(len), seed, epoch).unwrap();
    let all: Vec<i64> = (0..len).map(|at| order.index(at) as i64 + 1000 * epoch as i64).collect();
    let mut batches: Vec<Vec<i64>> = all.chunks(size).map(<[i64]>::to_vec).collect();
    if last == LastBatch::Drop {
        batches.retain(|batch| batch.len() == size);
    }
    batches
}

fn builder(len: usize, window: usize, size: usize, last: LastBatch) -> LoaderBuilder {
    let sampler = ShuffleWindows::new(window).unwrap();
    Loader::builder(counting(len)).sampler(sampler).batch_size(size).last_batch(last).seed(7)
}

#[test]
fn batches_are_those_of_a_plain_loop_whatever_workers_and_prefetch() {
    for (len, window) in [(1, 1), (23, 1), (24, 1), (25, 1), (23, 5), (24, 7), (40, 100)] {
        for last in [LastBatch::Keep, LastBatch::Drop, LastBatch::Pad] {
            let size = 8;
            let whole: Vec<_> =
                (0..3).flat_map(|epoch| expected(len, (epoch, 7), window, size, last)).collect();
            for (workers, prefetch) in [(0, 1), (1, 1), (2, 2), (3, 9), (7, 3)] {
                let loader = builder(len, window, size, last).workers(workers).prefetch(prefetch);
                let loader = loader.build().unwrap();
                if whole.is_empty() {
                    let error = loader.epoch(0).next().unwrap().unwrap_err();
                    assert_eq!(error.kind(), ErrorKind::Empty, "{error}");
                    continue;
                }
                let found: Vec<_> = loader.epochs(0..3).map(|batch| batch.unwrap()).collect();
                let rows: Vec<_> = found.iter().map(numbers).collect();
                assert_eq!(rows, whole, "{len} {window} {last:?} {workers} {prefetch}");
                let per_epoch = found.len() / 3;
                for batch in &found {
                    assert_eq!(batch.is_last(), batch.number() + 1 == per_epoch, "{batch:?}");
                    assert!(last != LastBatch::Pad || batch.rows() == size);
                }
            }
        }
    }
}

#[test]
fn resuming_at_every_batch_and_any_world_gives_the_same_rows() {
    let (len, window, size) = (53, 12, 8);
    let last = LastBatch::Keep;
    let whole: Vec<_> =
        (0..2).flat_map(|epoch| expected(len, (epoch, 7), window, size, last)).collect();
    for world in [1, 2, 3, 8] {
        let mut states = Vec::new();
        let mut union = vec![Vec::new(); whole.len()];
        for rank in 0..world {
            let loader = builder(len, window, size, last).rank(rank, world).workers(2).prefetch(2);
            let loader = loader.build().unwrap();
            let batches: Vec<_> = loader.epochs(0..2).map(|batch| batch.unwrap()).collect();
            assert_eq!(batches.len(), whole.len());
            for (at, batch) in batches.iter().enumerate() {
                let positions = batch.positions().map(|position| position % size);
                union[at].extend(positions.zip(numbers(batch)));
                if rank == 0 {
                    states.push(batch.state().clone());
                }
            }
        }
        for (found, expected) in union.iter_mut().zip(&whole) {
            found.sort_unstable();
            let found: Vec<i64> = found.iter().map(|(_, x)| *x).collect();
            assert_eq!(&found, expected, "world {world}");
        }
        for (at, state) in states.iter().enumerate() {
            let loader = builder(len, window, size, last).workers(3).prefetch(3).build().unwrap();
            loader.resume(state).unwrap();
            let rest: Vec<_> = loader.epochs(0..2).map(|batch| numbers(&batch.unwrap())).collect();
            assert_eq!(rest, whole[at + 1..], "resumed after batch {at}");
        }
    }
}

/// What the stream gives, until an error at sample `at`; `more` samples follow it.
fn failing(at: i64, more: i64) -> Streamed<i64> {
    let item = move |x| if x == at { Err(SourceError::user("bad item")) } else { Ok(x) };
    Streamed::from_iter(
        schema(),
        move |_| Ok((0..=at + more).map(item)),
        |x, row| row.field("x").copy_from_slice(&[x, -x]),
    )
}

fn outcomes(loader: &Loader) -> Vec<Result<Vec<i64>, Error>> {
    loader.epoch(0).map(|batch| batch.map(|batch| numbers(&batch))).collect()
}

#[test]
fn an_error_in_the_reader_is_one_in_its_place_and_may_be_skipped() {
    for workers in [0, 1, 3] {
        let loader = Loader::builder(failing(5, 10)).batch_size(4).workers(workers);
        let found = outcomes(&loader.build().unwrap());
        assert_eq!(found.len(), 4);
        let error = found[1].as_ref().unwrap_err();
        assert_eq!((error.kind(), error.position()), (ErrorKind::Sample, Some(5)));
        assert_eq!(found[3].as_ref().unwrap(), &[12, 13, 14, 15]);
        let skip = OnError::Skip { budget: 1 };
        let loader = Loader::builder(failing(5, 10)).batch_size(4).workers(workers).on_error(skip);
        let found = outcomes(&loader.build().unwrap());
        assert_eq!(found[1].as_ref().unwrap(), &[4, 6, 7]);
        assert_eq!(found.len(), 4);
    }
}

#[test]
fn an_error_as_the_last_item_is_never_skipped() {
    for last in [LastBatch::Keep, LastBatch::Drop, LastBatch::Pad] {
        for (workers, at) in [(0, 5), (2, 5), (2, 7), (2, 8), (2, 0)] {
            for world in [1, 2] {
                let skip = OnError::Skip { budget: 100 };
                let loader = Loader::builder(failing(at, 0)).batch_size(4).on_error(skip);
                let loader = loader.workers(workers).last_batch(last).rank(0, world);
                let found = outcomes(&loader.build().unwrap());
                assert_eq!(found.len(), at as usize / 4 + 1, "{last:?} {at} {world}");
                let error = found.last().unwrap().as_ref().unwrap_err();
                let text = error.to_string();
                assert!(text.contains("broke") || text.contains("broken"), "{text}");
                assert!(found[..found.len() - 1].iter().all(Result::is_ok));
            }
        }
    }
}

#[test]
fn a_panic_in_the_reader_is_an_error_in_its_place_and_the_end() {
    for workers in [0, 1, 3] {
        let stream = Streamed::from_iter(
            schema(),
            |_| Ok((0..20i64).map(|x| if x == 9 { panic!("at nine") } else { Ok(x) })),
            |x, row| row.field("x").copy_from_slice(&[x, -x]),
        );
        let loader = Loader::builder(stream).batch_size(4).workers(workers).build().unwrap();
        for _ in 0..2 {
            let found = outcomes(&loader);
            assert_eq!(found.len(), 3);
            let error = found[2].as_ref().unwrap_err();
            assert!(error.to_string().contains("at nine"), "{error}");
            assert_eq!(error.cause().unwrap().kind(), SourceErrorKind::Broken);
        }
    }
}

#[test]
fn a_stuck_reader_is_a_stall_error_and_goes_on_when_it_returns() {
    let stuck = Arc::new(AtomicBool::new(true));
    let flag = stuck.clone();
    let stream = Streamed::from_iter(
        schema(),
        move |_| {
            let flag = flag.clone();
            Ok((0..40i64).map(move |x| {
                while x == 10 && flag.load(Ordering::Relaxed) {
                    std::thread::sleep(Duration::from_millis(5));
                }
                Ok(x)
            }))
        },
        |x, row| row.field("x").copy_from_slice(&[x, -x]),
    )
    .named("numbers");
    let loader = Loader::builder(stream).batch_size(4).workers(2).prefetch(2);
    let loader = loader.stall_timeout(Some(STALL)).build().unwrap();
    let mut batches = loader.epoch(0);
    for _ in 0..2 {
        batches.next().unwrap().unwrap();
    }
    // One for each worker at most: then none is left, and nothing comes before the reader returns.
    let errors: Vec<Error> = batches.by_ref().map(|batch| batch.unwrap_err()).collect();
    assert!((1..=2).contains(&errors.len()), "{errors:?}");
    assert!(errors.iter().all(|error| error.kind() == ErrorKind::Stalled));
    assert!(errors[0].to_string().contains("numbers[10]"), "{}", errors[0]);
    assert!(errors.last().unwrap().is_hopeless());
    stuck.store(false, Ordering::Relaxed);
    drop(batches);
    let rest: Vec<_> = loader.epoch(0).map(|batch| numbers(&batch.unwrap())).collect();
    assert_eq!((rest.len(), rest.last().unwrap()), (10, &vec![36, 37, 38, 39]));
}

#[test]
fn a_slow_reader_is_not_stuck() {
    let stream = Streamed::from_iter(
        schema(),
        |_| {
            Ok((0..60i64).map(|x| {
                std::thread::sleep(STALL / 30);
                Ok(x)
            }))
        },
        |x, row| row.field("x").copy_from_slice(&[x, -x]),
    );
    // The window takes longer than the timeout.
    let sampler = ShuffleWindows::new(50).unwrap();
    let loader = Loader::builder(stream).sampler(sampler).batch_size(4).workers(3).prefetch(2);
    let loader = loader.stall_timeout(Some(STALL)).build().unwrap();
    assert_eq!(loader.epoch(0).map(|batch| batch.unwrap().len()).sum::<usize>(), 60);
}

#[test]
fn a_channel_is_one_epoch_and_a_second_one_an_error() {
    let (sender, receiver) = sync_channel::<i64>(4);
    let thread = std::thread::spawn(move || (0..30).for_each(|x| sender.send(x).unwrap()));
    let stream = Streamed::once(schema(), receiver.into_iter().map(Ok), |x, row| {
        row.field("x").copy_from_slice(&[x, -x])
    });
    let loader = Loader::builder(stream).batch_size(8).workers(2).build().unwrap();
    let found: Vec<i64> = loader.epoch(0).flat_map(|batch| numbers(&batch.unwrap())).collect();
    assert_eq!(found, (0..30).collect::<Vec<_>>());
    thread.join().unwrap();
    let error = loader.epoch(1).next().unwrap().unwrap_err();
    assert!(error.to_string().contains("read once"), "{error}");
}

#[test]
fn an_endless_iterator_declares_an_epoch_and_has_steps() {
    let stream = || {
        Streamed::from_iter(
            schema(),
            |epoch| Ok((0..).map(move |x| Ok(x + 1000 * epoch as i64))),
            |x, row| row.field("x").copy_from_slice(&[x, -x]),
        )
    };
    let loader = Loader::builder(stream().samples(20)).batch_size(8).workers(2).build().unwrap();
    assert_eq!((loader.len(), loader.plan().is_bounded()), (3, true));
    let found: Vec<_> = loader.steps(2..5).map(|batch| numbers(&batch.unwrap())).collect();
    assert_eq!(found[0], [16, 17, 18, 19]);
    assert_eq!(found[2], (1008..1016).collect::<Vec<_>>());
    let open = Loader::builder(stream()).batch_size(8).workers(2).build().unwrap();
    assert!(!open.plan().is_bounded());
    let x = open.sample(3, 17).unwrap();
    assert_eq!(x.field("x").as_slice::<i64>().unwrap(), [3017, -3017]);
    let error = open.steps(..3).next().unwrap().unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Config);
    // Left in the middle, and begun again.
    for _ in 0..3 {
        let found: Vec<_> = open.epoch(2).take(5).map(|batch| numbers(&batch.unwrap())).collect();
        assert_eq!(found[4], (2032..2040).collect::<Vec<_>>());
    }
}

#[test]
fn a_stream_that_is_shorter_than_declared_is_broken() {
    let loader = Loader::builder(counting(13).samples(20)).batch_size(4).workers(2);
    let found = outcomes(&loader.build().unwrap());
    assert_eq!(found.len(), 4);
    let error = found[3].as_ref().unwrap_err().to_string();
    assert!(error.contains("ended after 13 samples, expected the 20 declared"), "{error}");
}

#[test]
fn what_a_stream_cannot_do_is_refused_when_the_loader_is_built() {
    let refused = |builder: LoaderBuilder| builder.build().unwrap_err().to_string();
    let error = refused(Loader::builder(counting(9)).shuffle());
    assert!(error.contains("expected Sequential or ShuffleWindows"), "{error}");
    let substitute = OnError::Substitute { budget: 3 };
    let error = refused(Loader::builder(counting(9)).on_error(substitute).read_ahead(1 << 20));
    assert!(error.contains("Skip or Fail") && error.contains("read_ahead"), "{error}");
    let short = Loader::builder(counting(9)).workers(1).build().unwrap();
    let error = short.sample(0, 9).unwrap_err().to_string();
    assert!(error.contains("no sample 9, the stream of epoch 0 has 9"), "{error}");
    let built = Loader::builder(counting(9).map(schema(), |raw, row| row.copy_from(&raw)));
    let loader = built.sampler(Sequential).workers(1).build().unwrap();
    assert_eq!(loader.epoch(0).map(|batch| batch.unwrap().len()).sum::<usize>(), 9);
}

/// The reader is asked for no more than what a window and the batches ahead need.
#[test]
fn the_reader_is_as_far_ahead_as_the_plan_says_and_no_further() {
    let read = Arc::new(AtomicUsize::new(0));
    let counter = read.clone();
    let stream = Streamed::from_iter(
        schema(),
        move |_| {
            let counter = counter.clone();
            Ok((0..).map(move |x| {
                counter.fetch_add(1, Ordering::Relaxed);
                Ok(x)
            }))
        },
        |x: i64, row| row.field("x").copy_from_slice(&[x % 1000, -(x % 1000)]),
    );
    let sampler = ShuffleWindows::new(50).unwrap();
    let loader = Loader::builder(stream).sampler(sampler).batch_size(10).workers(2).prefetch(2);
    let loader = loader.build().unwrap();
    assert!(loader.plan().stream_bytes() > 0);
    for (at, batch) in loader.epoch(0).take(40).enumerate() {
        batch.unwrap();
        // Three slabs ahead, the window and one more behind it.
        let most = (at + 4) * 10 + 2 * 50;
        assert!(read.load(Ordering::Relaxed) <= most, "{} of {most}", read.load(Ordering::Relaxed));
    }
}

#[test]
fn lines_are_samples_and_a_file_that_changes_is_an_error() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("lines.txt");
    let text: String = (0..1000).map(|x| format!("{x}\n")).collect();
    std::fs::write(&path, &text).unwrap();
    let source = || {
        Streamed::lines(&path).unwrap().map(schema(), |raw, row| {
            let line = std::str::from_utf8(raw.field("line").bytes()).map_err(|_| "no UTF-8")?;
            let x: i64 = line.parse()?;
            row.field("x").copy_from_slice(&[x, -x])
        })
    };
    tallow::testing::check_source(&source().subset(0..40).unwrap());
    let loader = Loader::builder(source()).batch_size(64).workers(2).build().unwrap();
    for _ in 0..2 {
        let all: Vec<i64> = loader.epoch(0).flat_map(|batch| numbers(&batch.unwrap())).collect();
        assert_eq!(all, (0..1000).collect::<Vec<_>>());
    }
    let mut batches = loader.epoch(0);
    batches.next().unwrap().unwrap();
    std::thread::sleep(Duration::from_millis(50));
    std::fs::write(&path, text + "1000\n").unwrap();
    let found: Vec<_> = batches.collect();
    let error = found.last().unwrap().as_ref().unwrap_err().to_string();
    assert!(error.contains("written to while it was being read"), "{error}");
}

/// Dropping the iterator while a reader is slow leaves nobody behind.
#[test]
fn an_iteration_that_is_dropped_ends_the_waiting_workers() {
    let stream = Streamed::from_iter(
        schema(),
        |_| {
            Ok((0..1_000_000i64).map(|x| {
                std::thread::sleep(Duration::from_millis(2));
                Ok(x)
            }))
        },
        |x, row| row.field("x").copy_from_slice(&[x, -x]),
    );
    let sampler = ShuffleWindows::new(100_000).unwrap();
    let loader = Loader::builder(stream).sampler(sampler).batch_size(4).workers(3).build().unwrap();
    let batches = loader.epoch(0);
    std::thread::sleep(Duration::from_millis(50));
    let started = Instant::now();
    drop(batches);
    loader.shutdown().unwrap();
    assert!(started.elapsed() < Duration::from_secs(1), "{:?}", started.elapsed());
}
