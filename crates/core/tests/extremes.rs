//! The largest numbers there are: errors or right answers, and never an overflow.

#[expect(dead_code, reason = "shared with other tests")]
mod common;
#[expect(dead_code, reason = "shared with other tests")]
#[path = "common/npy.rs"]
mod npy;

use common::in_time;
use npy::npy;
use proptest::prelude::*;
use tallow_core::{
    Batching, Field, LastBatch, NpyFile, NpyFolders, Population, RowDType, Safetensors, Sampler,
    Schema, Sequential, Shuffle, Source, SourceExt, Weighted, WithReplacement, from_fn,
};

/// Mostly the ends of the range, where arithmetic goes wrong.
fn extreme() -> impl Strategy<Value = usize> {
    prop_oneof![
        0usize..4,
        (0usize..4).prop_map(|n| usize::MAX - n),
        (0usize..4).prop_map(|n| (1usize << 63) - 2 + n),
        (0u32..64, 0usize..3).prop_map(|(bit, n)| (1usize << bit).saturating_add(n) - 1),
        any::<usize>(),
    ]
}

fn last_batch() -> impl Strategy<Value = LastBatch> {
    prop_oneof![Just(LastBatch::Keep), Just(LastBatch::Drop), Just(LastBatch::Pad)]
}

fn source(len: usize) -> impl Source {
    let schema = Schema::new(vec![Field::new("x", RowDType::U8, &[])]).unwrap();
    from_fn(schema, len, |index, row| row.field(0).copy_from_slice(&[index as u8]))
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 2000, ..ProptestConfig::default() })]

    #[test]
    fn batches_of_any_size_hold_positions_of_the_epoch(
        size in extreme(), last in last_batch(), rank in extreme(), world in extreme(),
        positions in extreme(), batch in extreme(), row in extreme(),
    ) {
        let Ok(batching) = Batching::new(size, last, rank, world) else { return Ok(()) };
        let batches = batching.batches(positions);
        if batches == 0 {
            return Ok(());
        }
        for batch in [0, batch % batches, batches - 1] {
            let rows = batching.rows(positions, batch);
            prop_assert!(rows.samples() <= rows.rows() && rows.rows() <= batching.rank_rows());
            for row in [0, row % rows.samples().max(1), rows.samples().saturating_sub(1)] {
                prop_assert!(row >= rows.samples() || rows.position(row) < positions);
            }
            rows.position(rows.rows());
        }
    }

    #[test]
    fn orders_of_any_length_hold_indices_of_the_source(
        samples in extreme(), draws in extreme(), seed in any::<u64>(), epoch in any::<u64>(),
        position in extreme(),
    ) {
        // Tables of millions take their time.
        let shuffled = if samples < 1 << 23 { samples % 1000 } else { samples };
        let replaced = WithReplacement::new().draws(draws);
        let weighted = Weighted::new(&[1.0, f64::MAX, 0.0, f64::MIN_POSITIVE]).unwrap().draws(draws);
        let samplers: [(&dyn Sampler, usize); 4] =
            [(&Sequential, samples), (&replaced, samples), (&weighted, 4), (&Shuffle, shuffled)];
        for (sampler, samples) in samplers {
            sampler.fingerprint();
            let Ok(len) = sampler.len(&Population::of(samples)) else { continue };
            let order = sampler.order(&Population::of(samples), seed, epoch).unwrap();
            prop_assert_eq!(order.len(), len);
            if len > 0 {
                prop_assert!(order.index(position % len) < samples);
                prop_assert!(order.index(len - 1) < samples);
            }
        }
    }

    #[test]
    fn sources_of_any_length_go_together_or_say_why_not(
        a in extreme(), b in extreme(), index in extreme(), bytes in extreme(),
    ) {
        match source(a).concat(source(b)) {
            Ok(both) => {
                prop_assert_eq!(Some(both.len()), a.checked_add(b));
                if !both.is_empty() {
                    let index = index % both.len();
                    let value = common::bytes(&both, index).unwrap();
                    let expected = if index < a { index } else { index - a };
                    prop_assert_eq!(value, [expected as u8]);
                }
            }
            Err(error) => prop_assert!(a.checked_add(b).is_none(), "{}", error),
        }
        prop_assert!(source(a).subset([index]).is_ok() == (index < a));
        // Bounded: what fits the cache decides, and not how many samples there are.
        let cache = source(a).cache(bytes % (1 << 20)).unwrap();
        if a > 0 {
            prop_assert_eq!(common::bytes(&cache, index % a).unwrap(), [(index % a) as u8]);
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 300, ..ProptestConfig::default() })]

    #[test]
    fn shapes_of_any_size_are_read_or_refused(
        shape in proptest::collection::vec(extreme(), 0..4), held in 0usize..40, dtype in 0usize..3,
        at in extreme(),
    ) {
        let (descr, tensor) = [("|u1", "U8"), (">i4", "I32"), ("<u8", "U64")][dtype];
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("a.npy");
        std::fs::write(&path, npy(descr, &shape, &vec![0; held])).unwrap();
        let header = format!(
            r#"{{"x":{{"dtype":"{tensor}","shape":{shape:?},"data_offsets":[0,{}]}}}}"#,
            shape.iter().fold(1usize, |product, &len| product.wrapping_mul(len))
        );
        let shard =
            [&(header.len() as u64).to_le_bytes()[..], header.as_bytes(), &vec![0; held]].concat();
        std::fs::write(dir.path().join("a.safetensors"), shard).unwrap();
        in_time(move || {
            if let Ok(source) = NpyFile::open(&path) {
                read_some(&source, at);
            }
            if let Ok(source) = NpyFolders::open(dir.path()) {
                read_some(&source, at);
            }
            if let Ok(source) = Safetensors::open(dir.path()) {
                read_some(&source, at);
            }
        });
    }
}

fn read_some(source: &dyn Source, at: usize) {
    if source.is_empty() {
        return;
    }
    for index in [0, at % source.len(), source.len() - 1] {
        source.extents(index, &mut |_| ());
        source.name(index);
        // A sample that claims more memory than there is has no buffer.
        let _ = common::bytes(source, index);
    }
}
