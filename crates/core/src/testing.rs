//! Conformance suites for sources and samplers: the written contracts as tests.
//!
//! Every source and sampler of Tallow passes them. Run them on your own, in a test:
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
use crate::{
    BatchRule, BatchTable, Dim, Order, Population, Result, Row, RowBuffer, Sampler, Schema, Source,
};

/// At most this many samples of a source are read: a suite is run often.
const SAMPLES_MAX: usize = 256;

/// At most this many samples are read field by field.
const PARTS_MAX: usize = 16;

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
    assert_eq!(source.population().samples(), len, "population() contradicts len()");
    assert_eq!(source.fingerprint(), source.fingerprint(), "fingerprint() changes between calls");
    let schema = source.schema().clone();
    let indices: Vec<usize> =
        (0..len.min(SAMPLES_MAX)).map(|i| i * (len / len.clamp(1, SAMPLES_MAX)).max(1)).collect();
    let expected: Vec<_> = indices.iter().map(|&index| sample(source, index)).collect();
    for (&index, expected) in indices.iter().zip(&expected) {
        assert!(!source.name(index).is_empty(), "sample {index} has an empty name");
        assert_eq!(&sample(source, index), expected, "sample {index} differs the second time");
        check_lengths(source, index, expected);
    }
    check_elements(source, indices.iter().zip(&expected).take(PARTS_MAX));
    check_parts(source, indices.iter().zip(&expected).take(PARTS_MAX));
    std::thread::scope(|scope| {
        for thread in 0..THREADS {
            let (indices, expected) = (&indices, &expected);
            scope.spawn(move || check_scrambled(source, indices, expected, thread as u64));
        }
    });
    assert_eq!(&schema, source.schema(), "schema() changes while reading");
}

/// Compares what is known of the lengths of a sample with what was read.
fn check_lengths(source: &dyn Source, index: usize, expected: &Sample) {
    for (at, (field, (shape, _))) in source.schema().fields().iter().zip(expected).enumerate() {
        let axis = field.dims().iter().position(|dim| matches!(dim, Dim::Ragged { .. }));
        let (found, read) = (source.length(index, at), axis.map(|axis| shape[axis]));
        assert!(
            found.is_none() || found == read,
            "sample {index}: length() of {field} is {found:?}, read() gives {read:?}"
        );
    }
}

/// Reads fields of some samples without the others: each alone, and all in the other order.
fn check_parts<'a>(
    source: &dyn Source,
    samples: impl Iterator<Item = (&'a usize, &'a Sample)> + Clone,
) {
    let all = source.schema().fields();
    let mut choices: Vec<Vec<usize>> = (0..all.len()).map(|field| vec![field]).collect();
    choices.push((0..all.len()).rev().collect());
    for fields in choices {
        let own = fields.iter().map(|&field| all[field].clone()).collect();
        let schema = Schema::new(own).expect("fields of the source");
        for (&index, expected) in samples.clone() {
            let found = read(&schema, |row| source.read_fields(index, &fields, row));
            let found = found.unwrap_or_else(|error| panic!("sample {index}: {error}"));
            let expected: Sample = fields.iter().map(|&field| expected[field].clone()).collect();
            assert_eq!(
                found, expected,
                "sample {index}: read_fields({fields:?}) contradicts read()"
            );
        }
    }
}

/// Reads elements of some fields without the others: all, those behind the first, those before the
/// last, and one more than there are.
fn check_elements<'a>(source: &dyn Source, samples: impl Iterator<Item = (&'a usize, &'a Sample)>) {
    let fields = source.schema().fields();
    for (&index, expected) in samples {
        for (at, (field, (_, bytes))) in fields.iter().zip(expected).enumerate() {
            let size = field.dtype().size();
            let all = bytes.len() / size;
            for part in [0..all, 1.min(all)..all, 0..all.saturating_sub(1), all..all + 1] {
                let mut found = vec![0xA5; part.len() * size];
                let read = source.read_part(index, at, part.start, &mut found, None);
                let expected = bytes.get(part.start * size..part.end * size);
                let is_right = match (&read, expected) {
                    (Ok(()), Some(expected)) => found == expected,
                    (Err(_), None) => true,
                    _ => false,
                };
                assert!(
                    is_right,
                    "sample {index}: read_part() of elements {part:?} of {field} contradicts read(): {read:?}"
                );
            }
        }
    }
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
    let sample = read(source.schema(), |row| source.read(index, row));
    sample.unwrap_or_else(|error| panic!("sample {index}: {error}"))
}

fn read(schema: &Schema, read: impl FnOnce(&mut Row<'_>) -> Result<()>) -> Result<Sample> {
    let mut buffer = RowBuffer::new(schema)?;
    let mut row = buffer.row(None);
    // What an earlier sample left in the memory must not be taken for this one.
    for field in 0..row.field_count() {
        if let Ok(bytes) = row.field(field).as_mut_bytes() {
            bytes.fill(0xA5);
        }
    }
    let mut row = buffer.row(None);
    read(&mut row)?;
    row.finish()?;
    let view = buffer.view();
    let fields = (0..view.field_count()).map(|at| view.field(at));
    Ok(fields.map(|field| (field.shape().to_vec(), field.bytes().to_vec())).collect())
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
    let rule = sampler.batches(population).expect("batches for a population that it can serve");
    assert_eq!(Some(&rule), sampler.batches(population).ok().as_ref(), "batches() changes");
    for (seed, epoch) in [(0, 0), (0, 1), (1, 0), (u64::MAX, u64::MAX)] {
        let order = sampler.order(population, seed, epoch).expect("an order");
        assert_eq!(order.len(), len, "the order's length is not len()");
        assert_eq!(order.is_empty(), len == 0, "is_empty() contradicts len()");
        check_batches(&rule, &*order);
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

/// An order has the batches that its sampler announced.
fn check_batches(rule: &BatchRule, order: &dyn Order) {
    let sorted = |table: &BatchTable| {
        let batches = (0..table.len()).map(|batch| (table.rows(batch).len(), table.longest(batch)));
        let mut batches: Vec<(usize, usize)> = batches.collect();
        batches.sort_unstable();
        batches
    };
    let expected = if let BatchRule::Own(table) = rule { Some(sorted(table)) } else { None };
    let found = order.batches();
    assert_eq!(found.as_ref().map(sorted), expected, "not the batches of the sampler");
    let positions = found.map_or(order.len(), |table| table.positions());
    assert_eq!(positions, order.len(), "the batches hold another number of positions");
}
