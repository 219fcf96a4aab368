//! Conformance suites for sources and samplers: the written contracts as tests.
//!
//! Every source and sampler of Tallow passes them; run them on your own in a test:
//!
//! ```
//! use tallow_core::{Field, RowDType, Schema, from_fn, testing};
//!
//! let schema = Schema::new(vec![Field::new("x", RowDType::U8, &[])])?;
//! let source = from_fn(schema, 10, |index, row| row.field(0).copy_from_slice(&[index as u8]));
//! testing::check_source(&source);
//! # Ok::<(), tallow_core::Error>(())
//! ```

use crate::key::mix64;
use crate::{Population, RowBuffer, Sampler, Source};

/// At most this many samples of a source are read: a suite is run often.
const SAMPLES_MAX: usize = 256;

/// Reads from several threads must overlap for a race to show.
const THREADS: usize = 4;

/// Tests that `source` keeps the contract of [`Source`] for samples that can be read.
///
/// # Panics
///
/// When it does not, saying how.
pub fn check_source(source: &dyn Source) {
    let len = source.len();
    assert_eq!(len, source.len(), "len() changes between calls");
    assert_eq!(source.is_empty(), len == 0, "is_empty() contradicts len()");
    assert_eq!(source.fingerprint(), source.fingerprint(), "fingerprint() changes between calls");
    let schema = source.schema().clone();
    let indices: Vec<usize> =
        (0..len.min(SAMPLES_MAX)).map(|i| i * (len / len.clamp(1, SAMPLES_MAX)).max(1)).collect();
    let expected: Vec<_> = indices.iter().map(|&index| sample(source, index)).collect();
    for (&index, expected) in indices.iter().zip(&expected) {
        assert!(!source.name(index).is_empty(), "sample {index} has an empty name");
        assert_eq!(&sample(source, index), expected, "sample {index} differs the second time");
    }
    std::thread::scope(|scope| {
        for thread in 0..THREADS {
            let (indices, expected) = (&indices, &expected);
            scope.spawn(move || check_scrambled(source, indices, expected, thread as u64));
        }
    });
    assert_eq!(&schema, source.schema(), "schema() changes while reading");
}

/// Reads every sample once more, in an order of this thread's own.
fn check_scrambled(source: &dyn Source, indices: &[usize], expected: &[Sample], thread: u64) {
    let mut order: Vec<usize> = (0..indices.len()).collect();
    order.sort_by_key(|&i| mix64(i as u64 ^ thread << 32));
    for i in order {
        let index = indices[i];
        assert_eq!(sample(source, index), expected[i], "sample {index} differs between threads");
    }
}

/// The shape and the bytes of every field.
type Sample = Vec<(Vec<usize>, Vec<u8>)>;

fn sample(source: &dyn Source, index: usize) -> Sample {
    let schema = source.schema();
    let mut buffer = RowBuffer::new(schema).expect("memory for a row");
    let mut row = buffer.row(None);
    // What an earlier sample left in the memory must not pass for this one.
    for field in 0..row.field_count() {
        if let Ok(bytes) = row.field(field).as_mut_bytes() {
            bytes.fill(0xA5);
        }
    }
    let mut row = buffer.row(None);
    source.read(index, &mut row).unwrap_or_else(|error| panic!("sample {index}: {error}"));
    row.finish().unwrap_or_else(|error| panic!("sample {index}: {error}"));
    let view = buffer.view();
    (0..view.field_count())
        .map(|i| (view.field(i).shape().to_vec(), view.field(i).bytes().to_vec()))
        .collect()
}

/// Tests that `sampler` keeps the contract of [`Sampler`] over `population`, which it must be
/// able to serve.
///
/// # Panics
///
/// When it does not, saying how.
pub fn check_sampler(sampler: &dyn Sampler, population: &Population) {
    let len = sampler.len(population).expect("a sampler that can serve this population");
    assert_eq!(sampler.fingerprint(), sampler.fingerprint(), "fingerprint() changes");
    for (seed, epoch) in [(0, 0), (0, 1), (1, 0), (u64::MAX, u64::MAX)] {
        let order = sampler.order(population, seed, epoch).expect("an order");
        assert_eq!(order.len(), len, "the order's length is not len()");
        assert_eq!(order.is_empty(), len == 0, "is_empty() contradicts len()");
        let forwards: Vec<usize> = (0..len).map(|position| order.index(position)).collect();
        let mut backwards: Vec<usize> = (0..len).rev().map(|p| order.index(p)).collect();
        backwards.reverse();
        assert_eq!(forwards, backwards, "an index depends on the positions asked before");
        assert!(
            forwards.iter().all(|&index| index < population.samples()),
            "an index outside the samples"
        );
        let again = sampler.order(population, seed, epoch).expect("an order");
        let again: Vec<usize> = (0..len).map(|position| again.index(position)).collect();
        assert_eq!(forwards, again, "the same seed and epoch give another order");
        let mut sorted = forwards;
        sorted.sort_unstable();
        let repeated = sorted.windows(2).any(|pair| pair[0] == pair[1]);
        assert!(order.repeats() || !repeated, "an index repeats and repeats() denies it");
    }
}
