//! Everything that a loader says to people, printed once and read for words that stutter.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use tallow::{
    Augment, Dim, Error, ErrorKind, Field, LastBatch, Loader, LoaderBuilder, OnError, Order,
    Population, RowDType, Sampler, Schema, Sequential, SourceError, from_fn, map,
};

use crate::tester::counting;

/// A field's name that a terminal would obey.
const NAME: &str = "x\u{1b}[31m\n\u{202e}";

fn images() -> Schema {
    Schema::new(vec![Field::new(NAME, RowDType::U8, &[2, 2, 3])]).unwrap()
}

/// Images of which sample 1 fails as `fail` says.
fn failing(fail: fn() -> tallow::SourceResult<()>) -> LoaderBuilder {
    let source = from_fn(images(), 4, move |index, row| {
        if index == 1 {
            fail()?;
        }
        row.field(0).copy_from_slice(&[0u8; 12])
    });
    Loader::builder(source).batch_size(2).workers(1)
}

fn user() -> tallow::SourceResult<()> {
    Err(SourceError::user("the disk\nis on fire").with_field(NAME))
}

fn fine() -> LoaderBuilder {
    failing(|| Ok(()))
}

/// Orders that fail as `fail` says.
struct Failing(fn() -> tallow::SourceResult<()>);

impl Sampler for Failing {
    fn len(&self, population: &Population) -> tallow::SourceResult<usize> {
        Ok(population.samples())
    }

    fn order(
        &self,
        population: &Population,
        seed: u64,
        epoch: u64,
    ) -> tallow::SourceResult<Arc<dyn Order>> {
        (self.0)()?;
        Sequential.order(population, seed, epoch)
    }

    fn fingerprint(&self) -> tallow::Fingerprint {
        tallow::Fingerprint::of("failing").finish()
    }
}

fn first_error(builder: LoaderBuilder) -> Error {
    let loader = builder.build().unwrap();
    loader.epochs(0..2).find_map(Result::err).expect("an error")
}

fn refused(builder: LoaderBuilder) -> Error {
    builder.build().unwrap_err()
}

fn ragged() -> LoaderBuilder {
    let dims = vec![Dim::Ragged { max: 4 }];
    let schema = Schema::new(vec![Field::with_dims(NAME, RowDType::U8, dims)]).unwrap();
    Loader::builder(from_fn(schema, 1, |_, _| Ok(())))
}

/// Images whose reads hang until `released`, and a worker that is given up soon.
fn hanging(released: &Arc<AtomicBool>) -> LoaderBuilder {
    let released = released.clone();
    let source = from_fn(images(), 4, move |_, row| {
        while !released.load(Ordering::Relaxed) {
            std::thread::sleep(Duration::from_millis(1));
        }
        row.field(0).copy_from_slice(&[0u8; 12])
    });
    Loader::builder(source).workers(1).stall_timeout(Some(Duration::from_millis(40)))
}

fn stalled() -> Error {
    let released = Arc::new(AtomicBool::new(false));
    let error = first_error(hanging(&released));
    released.store(true, Ordering::Relaxed);
    error
}

fn abandoned() -> Error {
    let released = Arc::new(AtomicBool::new(false));
    let loader = hanging(&released).build().unwrap();
    assert!(loader.epoch(0).next().unwrap().is_err());
    let error = loader.shutdown().unwrap_err();
    released.store(true, Ordering::Relaxed);
    error
}

fn state() -> Error {
    let state = fine().shuffle().seed(3).build().unwrap().state_at(0, 1).unwrap();
    Loader::builder(counting(9)).batch_size(3).build().unwrap().resume(&state).unwrap_err()
}

fn busy() -> Error {
    let loader = fine().build().unwrap();
    let _first = loader.epoch(0);
    loader.epoch(1).next().unwrap().unwrap_err()
}

/// Every error that can be had without breaking the machine, a few ways each.
fn errors() -> Vec<Error> {
    let panics = || -> tallow::SourceResult<()> { panic!("no\nidea") };
    let skip = |budget| OnError::Skip { budget };
    let substitute = |budget| OnError::Substitute { budget };
    let transform = |fail: fn() -> tallow::SourceResult<()>| {
        fine().transform(map(images(), move |_, _| fail()))
    };
    let mapped = |builder: LoaderBuilder| {
        builder.map_batch(|_| Err(tallow::candle::Error::Msg("no\nroom".into())))
    };
    let huge = Schema::new(vec![Field::new(NAME, RowDType::F64, &[1 << 59, 0])]).unwrap();
    let huge = from_fn(huge, 64, |_, row| row.field(0).copy_from_slice::<f64>(&[]));
    vec![
        first_error(failing(user)),
        first_error(failing(user).on_error(skip(0))),
        first_error(failing(user).on_error(substitute(0))),
        first_error(failing(user).on_error(substitute(1)).sampler(tallow::SubsetSampler::new([1]))),
        first_error(failing(panics)),
        first_error(transform(user)),
        first_error(transform(panics)),
        first_error(transform(|| Ok(()))),
        first_error(fine().sampler(Failing(user))),
        first_error(fine().sampler(Failing(panics))),
        first_error(mapped(fine())),
        first_error(fine().map_batch(|_| panic!("no\nidea"))),
        first_error(
            failing(user).batch_size(1).on_error(skip(9)).sampler(tallow::SubsetSampler::new([1])),
        ),
        first_error(fine().batch_size(9).last_batch(LastBatch::Drop)),
        fine().build().unwrap().epoch(u64::MAX).next().unwrap().unwrap_err(),
        fine().build().unwrap().state_at(0, 7).unwrap_err(),
        fine().build().unwrap().epoch(0).next().unwrap().unwrap().tensor("y").unwrap_err(),
        refused(fine().batch_size(0)),
        refused(fine().batch_size(5).rank(0, 2).prefetch(0).workers(9999)),
        refused(fine().rank(3, 2).stall_timeout(Some(Duration::ZERO))),
        refused(fine().sampler(tallow::SubsetSampler::new([99]))),
        refused(fine().transform(Augment::new().field("y"))),
        refused(fine().transform(Augment::new().adjust_gamma(-1.0, 1.0).hflip())),
        refused(fine().pad("y", 0.0)),
        refused(fine().resident(1)),
        refused(ragged()),
        refused(Loader::builder(huge).batch_size(64)),
        stalled(),
        abandoned(),
        state(),
        busy(),
    ]
}

/// The first group of up to 4 words that follows itself.
fn stutter(text: &str) -> Option<String> {
    let bare = |word: &str| word.trim_matches(|c: char| ":;,()\"".contains(c)).to_owned();
    let words: Vec<String> = text.split_whitespace().map(bare).collect();
    let says = |group: &[String]| group.iter().any(|word| word.contains(char::is_alphabetic));
    (1..=4).find_map(|len| {
        let mut pairs = words.windows(2 * len);
        let twice = pairs.find(|pair| pair[..len] == pair[len..] && says(&pair[..len]));
        twice.map(|pair| pair.join(" "))
    })
}

#[expect(clippy::print_stdout, reason = "for the reading by hand")]
fn read_aloud(text: &str) {
    println!("{text}");
    for line in text.lines() {
        assert_eq!(stutter(line), None, "{line}");
        assert!(!line.contains(|c: char| c.is_control() || c == '\u{202e}'), "{line:?}");
    }
}

#[test]
fn a_stutter_is_heard() {
    assert_eq!(stutter("configuration: configuration: x").unwrap(), "configuration configuration");
    assert_eq!(stutter("in (sample 3, sample 3)").unwrap(), "sample 3 sample 3");
    assert_eq!(stutter("2 x 0 B, 2 x 0 B and 1 1"), Some("2 x 0 B 2 x 0 B".to_owned()));
    assert_eq!(stutter("1 1 of 2"), None);
}

#[test]
fn no_error_says_anything_twice_or_obeys_a_name() {
    let errors = errors();
    for error in &errors {
        let text = error.to_string();
        read_aloud(&text);
        assert_eq!(text.lines().count(), 1, "{text}");
        assert_eq!(text.matches(error.kind().as_str()).count(), 1, "{text}");
        assert!(text.len() < 500 && !text.ends_with('.'), "{text}");
    }
    // All but the two that take a machine without memory for threads, or a device that refuses.
    use ErrorKind::*;
    for kind in
        [Sample, Budget, Panic, Stalled, Empty, Memory, MapBatch, Config, State, Busy, Abandoned]
    {
        assert!(errors.iter().any(|error| error.kind() == kind), "{kind:?}");
    }
}

#[test]
fn no_line_of_a_plan_or_a_report_says_anything_twice() {
    let slow = |n: u64| {
        move |_: &mut tallow::Batch| {
            std::thread::sleep(Duration::from_millis(n));
            Ok(())
        }
    };
    for builder in [
        fine(),
        fine().workers(0).batch_size(9).last_batch(LastBatch::Drop),
        fine().workers(tallow::Auto::new()).read_ahead(1 << 20),
        fine().rank(1, 2).shuffle().map_batch(slow(3)),
        failing(user).on_error(OnError::Skip { budget: 4 }),
        failing(user).on_error(OnError::Substitute { budget: 4 }),
        fine().batch_size(8).rank(5, 8),
    ] {
        let loader = builder.build().unwrap();
        read_aloud(&loader.plan().to_string());
        loader.plan().warnings().iter().for_each(|warning| read_aloud(warning));
        loader.epoch(0).for_each(drop);
        read_aloud(&loader.report().to_string());
    }
}

#[test]
fn a_report_gives_its_advice_once() {
    let report = fine().build().unwrap().report();
    let shown = report.to_string();
    assert_eq!(shown.matches(&report.advice()).count(), 1, "{shown}");
    assert!(!shown.contains("read: read"), "{shown}");
}

#[test]
fn a_plan_gives_sizes_in_three_digits() {
    let loader = Loader::builder(counting(1000)).batch_size(500).workers(2).build().unwrap();
    let plan = loader.plan().to_string();
    assert!(plan.contains("batches of 16.0 kB and 4.00 kB of indices"), "{plan}");
    assert!(plan.contains("at most 100 kB"), "{plan}");
}
