//! Packed documents through the loader: what is delivered depends on nothing but documents, options
//! and seed.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::sync::Arc;

use tallow::candle::{DType, Tensor};
use tallow::{
    Batch, DocumentsBy, Loader, LoaderBuilder, Mix, Packed, Packing, Source, SourceExt, Subset,
    TokenFiles,
};

const END: u16 = 999;
const LENGTH: usize = 48;
const BATCH: usize = 8;

/// Two files of documents, of which one goes on from the first to the second.
fn documents(folder: &Path) -> TokenFiles {
    let mut tokens = Vec::new();
    for document in 0..160u32 {
        let length = (document * document * 13 + 5 * document) % 71;
        tokens.extend((0..length).map(|at| (document * 7 + at) as u16 % 900));
        tokens.push(END);
    }
    let bytes: Vec<u8> = tokens.iter().flat_map(|token| token.to_le_bytes()).collect();
    let paths = [folder.join("a.bin"), folder.join("b.bin")];
    let (first, second) = bytes.split_at(2 * 2501);
    for (path, part) in paths.iter().zip([first, second]) {
        // A file that is open must not be written to.
        if !path.exists() {
            fs::write(path, part).unwrap();
        }
    }
    TokenFiles::builder(paths).documents(DocumentsBy::LastToken(END.into())).open().unwrap()
}

fn packed(folder: &Path, packing: Packing) -> Packed<TokenFiles> {
    Packed::builder(documents(folder), LENGTH)
        .packing(packing)
        .window(60)
        .with_cu_seqlens()
        .build()
        .unwrap()
}

fn builder(source: impl Source + 'static) -> LoaderBuilder {
    Loader::builder(source).batch_size(BATCH).shuffle().seed(3)
}

/// The index and all fields of each row, by epoch and position.
type Rows = BTreeMap<(u64, usize), (usize, Vec<Vec<u32>>)>;

fn add(rows: &mut Rows, batch: &Batch) {
    let names = ["input", "target", "mask", "segments", "positions", "cu_seqlens"];
    let wide = |tensor: &Tensor| tensor.to_dtype(DType::U32).unwrap().to_vec2::<u32>().unwrap();
    let fields = names.map(|name| wide(&batch[name]));
    for (row, (position, &index)) in batch.positions().zip(batch.indices()).enumerate() {
        let own = fields.iter().map(|field| field[row].clone()).collect();
        assert!(rows.insert((batch.epoch(), position), (index, own)).is_none());
    }
}

fn rows(loader: &Loader) -> Rows {
    let mut rows = Rows::new();
    loader.epochs(0..2).for_each(|batch| add(&mut rows, &batch.unwrap()));
    rows
}

#[test]
fn nothing_depends_on_workers_batches_ahead_or_ranks() {
    let folder = tempfile::tempdir().unwrap();
    for packing in [Packing::BestFit, Packing::Concatenated] {
        let source = Arc::new(packed(folder.path(), packing));
        let expected = rows(&builder(source.clone()).build().unwrap());
        assert_eq!(expected.len(), 2 * source.len());
        for workers in [0, 1, 3, 8] {
            for prefetch in [1, 4] {
                let loader = builder(packed(folder.path(), packing)).workers(workers);
                let loader = loader.prefetch(prefetch).build().unwrap();
                assert_eq!(rows(&loader), expected, "{workers} {prefetch}");
            }
        }
        for world in [1, 2, 3, 8] {
            let mut union = Rows::new();
            for rank in 0..world {
                let loader = builder(packed(folder.path(), packing)).rank(rank, world);
                union.append(&mut rows(&loader.build().unwrap()));
            }
            assert_eq!(union, expected, "{world} ranks");
        }
    }
}

#[test]
fn an_epoch_goes_on_after_every_batch_with_other_workers() {
    let folder = tempfile::tempdir().unwrap();
    let first = builder(packed(folder.path(), Packing::BestFit)).build().unwrap();
    let expected = rows(&first);
    let second = builder(packed(folder.path(), Packing::BestFit)).workers(1).build().unwrap();
    for batch in first.epochs(0..2) {
        let state = batch.unwrap().state().clone();
        second.resume(&state).unwrap();
        let from = (state.epoch(), state.position() as usize);
        let rest: Rows = expected.range(from..).map(|(at, row)| (*at, row.clone())).collect();
        assert_eq!(rows(&second), rest, "from {from:?} on");
    }
    let other = Packed::builder(documents(folder.path()), LENGTH).window(61).with_cu_seqlens();
    let other = builder(other.build().unwrap()).build().unwrap();
    assert!(other.resume(&second.state()).is_err(), "other rows are another source");
}

#[test]
fn every_token_is_delivered_once_an_epoch() {
    let folder = tempfile::tempdir().unwrap();
    let documents = documents(folder.path());
    let mut expected = Vec::new();
    for sample in documents.iter() {
        expected.extend_from_slice(sample.unwrap().field(0).as_slice::<u32>().unwrap());
    }
    expected.sort_unstable();
    for packing in [Packing::BestFit, Packing::Concatenated] {
        let source = Arc::new(packed(folder.path(), packing));
        assert_eq!(source.stats().tokens, expected.len() as u64);
        let mut found = Vec::new();
        let rows = rows(&builder(source).build().unwrap());
        for (_, fields) in rows.range(..(1, 0)).map(|(_, row)| row) {
            let tokens = fields[0].iter().zip(&fields[3]).filter(|(_, segment)| **segment > 0);
            found.extend(tokens.map(|(token, _)| *token));
        }
        found.sort_unstable();
        assert!(found == expected, "{packing:?}");
    }
}

#[test]
fn rows_are_mixed_split_and_cached_like_any_samples() {
    let folder = tempfile::tempdir().unwrap();
    let source = packed(folder.path(), Packing::BestFit);
    let [train, test]: [Subset<_>; 2] = source.split([0.8, 0.2], 1).unwrap();
    tallow::testing::check_source(&train);
    let rows = train.len() + test.len();
    let (both, mix) = Mix::weighted([(train.boxed(), 1.0), (test.boxed(), 1.0)]).unwrap();
    let loader = Loader::builder(both.cache(1 << 20).unwrap()).sampler(mix).batch_size(BATCH);
    let loader = loader.build().unwrap();
    let delivered: usize = loader.epoch(0).map(|batch| batch.unwrap().len()).sum();
    assert!(delivered >= rows, "{delivered} of {rows}");
}
