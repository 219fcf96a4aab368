//! Random loaders against a model: the same configuration without workers and without a break.
//! By hand: `TALLOW_STRESS=20000 cargo test --test suite stress -- --nocapture`.

use std::sync::Arc;
use std::time::{Duration, Instant};

use tallow::{
    Batch, BatchId, Error, ErrorKind, LastBatch, Loader, LoaderBuilder, OnError, Source,
    SourceError, State, WithReplacement, from_fn,
};

use crate::tester::{DeliveredRow, LASTS, counting, rows};

/// Marsaglia's xorshift64: the same cases on every machine.
struct Random(u64);

impl Random {
    fn new(seed: u64) -> Self {
        let mut random = Self(seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1);
        // The first numbers of a small seed are small.
        for _ in 0..8 {
            random.next();
        }
        random
    }

    fn next(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0
    }

    fn below(&mut self, bound: usize) -> usize {
        (self.next() % bound as u64) as usize
    }

    fn is_one_in(&mut self, chances: usize) -> bool {
        self.below(chances) == 0
    }
}

/// What must be delivered the same by every loader of a case.
#[derive(Debug, Clone)]
struct Case {
    samples: usize,
    batch_size: usize,
    rank: usize,
    world: usize,
    last: LastBatch,
    on_error: OnError,
    seed: u64,
    epochs: u64,
    sampler: usize,
    /// Of every so many samples one fails, and one panics.
    bad: [usize; 2],
}

impl Case {
    fn random(random: &mut Random) -> Self {
        let world = [1, 1, 2, 3][random.below(4)];
        let budget = random.below(12);
        let samples_max = [8, 60, 300][random.below(3)];
        let often = |random: &mut Random| [usize::MAX, usize::MAX, 23, 7][random.below(4)];
        Self {
            samples: 1 + random.below(samples_max),
            batch_size: world * (1 + random.below(12)),
            rank: random.below(world),
            world,
            last: LASTS[random.below(3)],
            on_error: [OnError::Fail, OnError::Skip { budget }, OnError::Substitute { budget }]
                [random.below(3)],
            seed: random.next(),
            epochs: 1 + random.below(3) as u64,
            sampler: random.below(3),
            bad: [often(random), often(random)],
        }
    }

    /// A source in which some samples fail or panic, and with `slow` some take their time.
    fn source(&self, slow: bool) -> impl Source + 'static {
        let good = Arc::new(counting(self.samples));
        let [fails, panics] = self.bad;
        from_fn(good.schema().clone(), self.samples, move |index, row| {
            if slow && index % 11 == 3 {
                std::thread::sleep(Duration::from_micros(50 * (index as u64 % 7)));
            }
            if index % panics == 5 {
                // Without the hook's words and the time they take.
                std::panic::resume_unwind(Box::new(format!("sample {index} panics")));
            }
            if index % fails == 2 {
                row.field(0).as_mut_bytes()?[0] = 1;
                return Err(SourceError::user(format!("sample {index} is bad")));
            }
            good.read(index, row)
        })
    }

    fn builder(&self, slow: bool) -> LoaderBuilder {
        let builder = Loader::builder(self.source(slow)).batch_size(self.batch_size);
        let builder = builder.rank(self.rank, self.world).last_batch(self.last).seed(self.seed);
        let builder = builder.on_error(self.on_error).stall_timeout(None);
        match self.sampler {
            0 => builder,
            1 => builder.shuffle(),
            _ => builder.sampler(WithReplacement::default()),
        }
    }

    fn model(&self) -> Vec<Outcome> {
        let loader = self.builder(false).workers(0).build().unwrap();
        loader.epochs(0..self.epochs).map(outcome).collect()
    }

    /// How many batches come before `state`, those included that are not delivered.
    fn delivered(&self, loader: &Loader, state: &State) -> usize {
        state.epoch() as usize * loader.len().max(1) + state.position() as usize / self.batch_size
    }
}

/// A batch, or the words of the error in its place, and which of the epochs' batches it is.
#[derive(Debug, PartialEq)]
struct Outcome {
    id: BatchId,
    what: What,
}

#[derive(Debug, PartialEq)]
enum What {
    Rows { rows: Vec<DeliveredRow>, height: usize, faults: Vec<(usize, usize, String)> },
    Error(String),
}

fn outcome(batch: Result<Batch, Error>) -> Outcome {
    match batch {
        Err(error) => Outcome { id: error.batch().unwrap(), what: What::Error(error.to_string()) },
        Ok(batch) => {
            let fault = |f: &tallow::Fault| (f.position, f.index, f.error.to_string());
            let faults = batch.faults().iter().map(fault).collect();
            let what = What::Rows { rows: rows(&batch), height: batch.rows(), faults };
            Outcome { id: batch.id(), what }
        }
    }
}

/// A loader of a case with whatever does not matter drawn at random.
fn any_loader(case: &Case, random: &mut Random) -> Loader {
    let slow = random.is_one_in(2);
    let workers = [0, 1, 2, 3, 8][random.below(5)];
    case.builder(slow).workers(workers).prefetch(1 + random.below(5)).build().unwrap()
}

/// The longest single calls of all walks.
#[derive(Debug, Default)]
struct Longest {
    drop: Duration,
    /// A wake-up that was lost costs 200 ms.
    next: Duration,
}

fn timed<T>(longest: &mut Duration, call: impl FnOnce() -> T) -> T {
    let started = Instant::now();
    let result = call();
    *longest = started.elapsed().max(*longest);
    result
}

/// Takes the case's batches in pieces, each by one iteration that is dropped somewhere; goes on
/// with the same loader or another one.
fn walk(case: &Case, model: &[Outcome], random: &mut Random, longest: &mut Longest) {
    let mut loader = any_loader(case, random);
    let mut at = 0;
    for _ in 0..64 {
        let mut batches = loader.epochs(0..case.epochs);
        let take = if random.is_one_in(3) { model.len() } else { random.below(6) };
        for expected in model.iter().skip(at).take(take) {
            if random.is_one_in(20) {
                std::thread::sleep(Duration::from_micros(random.next() % 500));
            }
            let left = batches.size_hint().1.unwrap();
            let batch = timed(&mut longest.next, || batches.next());
            let found = outcome(batch.expect("another batch"));
            assert_eq!(&found, expected, "batch {at} of {case:?}");
            // Batches of which all is skipped are not delivered.
            let exact = !matches!(case.on_error, OnError::Skip { .. });
            assert!(left >= model.len() - at && (!exact || left == model.len() - at), "{case:?}");
            at += 1;
        }
        if at == model.len() {
            assert!(batches.next().is_none(), "{case:?}");
        }
        timed(&mut longest.drop, || drop(batches));
        if at == model.len() {
            break;
        }
        let state = loader.state();
        let before = case.delivered(&loader, &state);
        let place = |id: BatchId| id.epoch as usize * loader.len().max(1) + id.number;
        assert!(model[..at].iter().all(|outcome| place(outcome.id) < before), "{case:?}");
        assert!(model[at..].iter().all(|outcome| place(outcome.id) >= before), "{case:?}");
        if random.is_one_in(2) {
            let before = std::mem::replace(&mut loader, any_loader(case, random));
            timed(&mut longest.drop, || drop(before));
        } else if random.is_one_in(4) {
            // The same epochs from their beginning, without a state.
            at = 0;
            continue;
        }
        loader.resume(&state).unwrap();
    }
}

#[test]
#[expect(clippy::print_stdout, reason = "for the runs by hand")]
fn random_walks_deliver_what_the_model_does() {
    let count = std::env::var("TALLOW_STRESS").ok().and_then(|count| count.parse().ok());
    let first = std::env::var("TALLOW_STRESS_FROM").ok().and_then(|from| from.parse().ok());
    let first: u64 = first.unwrap_or(0);
    let mut longest = Longest::default();
    for seed in first..first + count.unwrap_or(150) {
        let mut random = Random::new(seed + 1);
        let case = Case::random(&mut random);
        let model = case.model();
        let started = Instant::now();
        for _ in 0..3 {
            walk(&case, &model, &mut random, &mut longest);
        }
        let elapsed = started.elapsed();
        assert!(elapsed < Duration::from_secs(20), "seed {seed} took {elapsed:?}: {case:?}");
    }
    println!("{longest:?}");
    // Beside all the other tests; `tests/leaks.rs` has the machine for itself and asks for less.
    assert!(longest.drop < Duration::from_secs(5), "{longest:?}");
}

#[test]
fn workers_that_come_back_late_harm_no_later_batch() {
    const STALL: Duration = Duration::from_millis(8);
    for seed in 0..12 {
        let mut random = Random::new(seed + 1);
        let (samples, batch_size) = (20 + random.below(60), 1 + random.below(8));
        let good = Arc::new(counting(samples));
        let stuck = random.below(samples);
        let source = from_fn(good.schema().clone(), samples, move |index, row| {
            if index == stuck || index == stuck / 2 {
                std::thread::sleep(4 * STALL);
            }
            good.read(index, row)
        });
        let builder = Loader::builder(source).batch_size(batch_size).shuffle().seed(seed);
        let builder = builder.workers(1 + random.below(4)).prefetch(1 + random.below(4));
        let loader = builder.stall_timeout(Some(STALL)).build().unwrap();
        let builder = Loader::builder(counting(samples)).batch_size(batch_size).shuffle();
        let model = builder.seed(seed).workers(0).build().unwrap();
        for epoch in 0..4 {
            let take = if random.is_one_in(2) { usize::MAX } else { random.below(6) };
            let mut batches = loader.epoch(epoch);
            for expected in model.epoch(epoch).take(take) {
                let expected = outcome(expected);
                match batches.next().expect("another batch") {
                    Err(error) => assert_eq!(error.kind(), ErrorKind::Stalled),
                    batch => assert_eq!(outcome(batch), expected),
                }
            }
        }
    }
}
