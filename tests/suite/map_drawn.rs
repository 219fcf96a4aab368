//! Closures that draw random numbers.

use tallow::{Field, Loader, LoaderBuilder, RowDType, Schema, map_drawn};

use crate::tester::{counting, matrix};

const SAMPLES: usize = 23;

/// Loads samples of one number each: what the closure of this name draws for them.
fn noise(name: &str) -> LoaderBuilder {
    let output = Schema::new(vec![Field::new("drawn", RowDType::F64, &[2])]).unwrap();
    let drawn = map_drawn(name, output, |_, draws, out| {
        out.field(0).copy_from_slice(&[draws.unit_f64(), draws.unit_f64()])
    });
    Loader::builder(counting(SAMPLES)).batch_size(4).seed(5).shuffle().transform(drawn)
}

/// What each sample drew in an epoch, in the order of the samples.
fn drawn(loader: &Loader, epoch: u64) -> Vec<(usize, Vec<f64>)> {
    let mut drawn = Vec::new();
    for batch in loader.epoch(epoch) {
        let batch = batch.unwrap();
        let values = batch["drawn"].to_vec2::<f64>().unwrap();
        drawn.extend(batch.indices().iter().copied().zip(values));
    }
    drawn.sort_by_key(|(index, _)| *index);
    drawn
}

#[test]
fn a_closure_draws_the_same_whatever_the_workers_and_the_batches_ahead() {
    let wanted = [0, 1].map(|epoch| drawn(&noise("noise").build().unwrap(), epoch));
    matrix(
        || noise("noise"),
        |loader| {
            for (epoch, wanted) in wanted.iter().enumerate() {
                assert_eq!(drawn(&loader, epoch as u64), *wanted);
            }
        },
    );
}

#[test]
fn draws_differ_by_sample_epoch_seed_and_name() {
    let first = drawn(&noise("noise").build().unwrap(), 0);
    let others = [
        drawn(&noise("noise").build().unwrap(), 1),
        drawn(&noise("noise").seed(6).build().unwrap(), 0),
        drawn(&noise("other").build().unwrap(), 0),
    ];
    for other in others {
        let pairs = first.iter().zip(&other);
        assert!(pairs.clone().all(|((a, _), (b, _))| a == b), "every sample comes once");
        assert!(pairs.clone().all(|((_, a), (_, b))| a != b));
    }
    let mut values: Vec<u64> = first.iter().flat_map(|(_, x)| x).map(|x| x.to_bits()).collect();
    values.sort_unstable();
    values.dedup();
    assert_eq!(values.len(), 2 * SAMPLES);
}

#[test]
fn two_closures_of_one_name_are_refused() {
    let output = Schema::new(vec![Field::new("drawn", RowDType::F64, &[2])]).unwrap();
    let again =
        map_drawn("noise", output, |input, _, out| out.field(0).copy_from_view(&input.field(0)));
    let error = noise("noise").transform(again).build().unwrap_err().to_string();
    assert!(error.contains("map_drawn a name of its own"), "{error}");
}
