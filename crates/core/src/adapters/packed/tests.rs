use std::collections::BTreeMap;
use std::ops::Range;

use proptest::prelude::*;

use super::*;
use crate::{
    Dim, ErrorKind, Field, RowDType, Sample, Sampler, Sequential, Shuffle, SourceExt,
    SubsetSampler, from_fn, testing,
};

/// Documents whose tokens tell where they are from: document and number.
#[derive(Debug, Clone)]
struct Numbered {
    schema: Schema,
    lengths: Vec<usize>,
    knows: bool,
}

const FIRST: u32 = 1000;

impl Numbered {
    fn new(lengths: &[usize], knows: bool) -> Self {
        let dims = vec![Dim::Ragged { max: 999 }];
        let fields = vec![
            Field::new("label", RowDType::U8, &[]),
            Field::with_dims("tokens", RowDType::U32, dims),
        ];
        let lengths = lengths.to_vec();
        Self { schema: Schema::new(fields).unwrap(), lengths, knows }
    }
}

impl Source for Numbered {
    fn schema(&self) -> &Schema {
        &self.schema
    }

    fn len(&self) -> usize {
        self.lengths.len()
    }

    fn read(&self, index: usize, row: &mut Row<'_>) -> Result<()> {
        row.field(0).copy_from_slice(&[0u8])?;
        let first = FIRST * (index as u32 + 1);
        let tokens: Vec<u32> = (first..).take(self.lengths[index]).collect();
        row.field(1).set_shape(&[tokens.len()])?;
        row.field(1).copy_from_slice(&tokens)
    }

    fn length(&self, index: usize, field: usize) -> Option<usize> {
        (self.knows && field == 1).then(|| self.lengths[index])
    }
}

const PADDING: u32 = 7;

/// The fields of a row, checked against each other, and the parts of documents that it has.
fn pieces(row: &Sample, lengths: &[usize]) -> Vec<(usize, Range<usize>)> {
    let of = |name: &str| row.field(name).as_slice::<u32>().unwrap();
    let (input, target, mask) =
        (of("input"), of("target"), row.field("mask").as_slice::<u8>().unwrap());
    let (segments, positions) = (of("segments"), of("positions"));
    let (mut found, mut bounds, mut at) = (Vec::new(), vec![0], 0);
    while at < input.len() && segments[at] != 0 {
        let number = found.len() as u32 + 1;
        let len = segments[at..].iter().take_while(|own| **own == number).count();
        assert!(len > 0, "{segments:?}");
        let (document, start) = (input[at] / FIRST - 1, input[at] % FIRST);
        let (document, start) = (document as usize, start as usize);
        for own in 0..len {
            assert_eq!(input[at + own], input[at] + own as u32);
            assert_eq!(positions[at + own], own as u32);
            let has_target = start + own + 1 < lengths[document];
            let expected = if has_target { input[at + own] + 1 } else { PADDING };
            assert_eq!((mask[at + own], target[at + own]), (u8::from(has_target), expected));
        }
        found.push((document, start..start + len));
        at += len;
        bounds.push(at as u32);
    }
    for rest in at..input.len() {
        assert_eq!((input[rest], target[rest]), (PADDING, PADDING));
        assert_eq!((mask[rest], segments[rest], positions[rest]), (0, 0, 0));
    }
    let told = of("cu_seqlens");
    bounds.resize(told.len(), input.len() as u32);
    assert_eq!(told, bounds);
    assert_eq!(told.last(), Some(&(input.len() as u32)));
    found
}

fn check_model(
    lengths: &[usize],
    knows: bool,
    length: usize,
    build: impl Fn(PackedBuilder<Numbered>) -> PackedBuilder<Numbered>,
    (packing, longer): (Packing, Longer),
) {
    let builder = Packed::builder(Numbered::new(lengths, knows), length).padding(PADDING.into());
    let built = build(builder.packing(packing).longer(longer).with_cu_seqlens()).build();
    let most = if longer == Longer::Cut { length } else { usize::MAX };
    let cut: Vec<usize> = lengths.iter().map(|own| *own.min(&most)).collect();
    let rows = match built {
        Ok(rows) => rows,
        Err(error) if error.kind() == ErrorKind::Empty => {
            assert!(cut.iter().all(|own| *own == 0));
            return;
        }
        Err(error) => panic!("{error}"),
    };
    let mut parts: BTreeMap<usize, Vec<Range<usize>>> = BTreeMap::new();
    let (mut padding, mut most_in_a_row) = (0, 0);
    for index in 0..rows.len() {
        let found = pieces(&rows.get(index).unwrap(), &cut);
        let tokens: usize = found.iter().map(|(_, own)| own.len()).sum();
        assert!(tokens > 0, "a row without tokens");
        padding += length - tokens;
        most_in_a_row = most_in_a_row.max(found.len());
        if packing == Packing::Concatenated && index + 1 < rows.len() {
            assert_eq!(tokens, length);
        }
        for (document, own) in found {
            if packing == Packing::BestFit && cut[document] <= length {
                assert_eq!(own, 0..cut[document], "a document that fits is whole");
            }
            parts.entry(document).or_default().push(own);
        }
    }
    let stats = rows.stats();
    assert_eq!(stats.divided, parts.values().filter(|own| own.len() > 1).count());
    for (document, &tokens) in cut.iter().enumerate() {
        let mut own = parts.remove(&document).unwrap_or_default();
        own.sort_by_key(|part| part.start);
        let ends = own.iter().map(|part| part.end);
        let starts = own.iter().map(|part| part.start).chain([tokens]);
        assert!(starts.eq([0].into_iter().chain(ends)), "document {document} is in {own:?}");
    }
    assert_eq!(stats.tokens, cut.iter().sum::<usize>() as u64);
    assert_eq!((stats.rows, stats.length, stats.padding()), (rows.len(), length, padding as u64));
    assert_eq!(stats.documents, cut.iter().filter(|own| **own > 0).count());
    assert_eq!(stats.longer, lengths.iter().filter(|own| **own > length).count());
    assert_eq!(stats.cut, (lengths.iter().sum::<usize>() - cut.iter().sum::<usize>()) as u64);
    match packing {
        Packing::BestFit => assert_eq!(stats.most_in_a_row, most_in_a_row),
        Packing::Concatenated => assert!(stats.most_in_a_row >= most_in_a_row),
    }
}

proptest! {
    #[test]
    fn every_token_is_in_one_row_with_what_follows_it(
        lengths in prop::collection::vec(prop_oneof![0usize..12, 0usize..90], 1..80),
        length in 1usize..40,
        window in 1usize..100,
        seed in any::<u64>(),
        (is_shuffled, knows) in any::<(bool, bool)>(),
        packing in prop_oneof![Just(Packing::BestFit), Just(Packing::Concatenated)],
        longer in prop_oneof![Just(Longer::Split), Just(Longer::Cut)],
    ) {
        let build = |builder: PackedBuilder<Numbered>| {
            let builder = builder.window(window);
            if is_shuffled { builder.order(Shuffle, seed) } else { builder.order(Sequential, 0) }
        };
        check_model(&lengths, knows, length, build, (packing, longer));
    }
}

/// Where documents of these lengths come to lie.
fn composition(rows: &Packed<Numbered>) -> Vec<Vec<Piece>> {
    let row = |index| {
        let mut own = Vec::new();
        rows.visit(index, |piece| own.push(piece));
        own
    };
    (0..rows.len()).map(row).collect()
}

fn lengths(count: usize) -> Vec<usize> {
    (0..count).map(|at| 1 + (at * at * 7 + at) % 61).collect()
}

#[test]
fn it_conforms_with_every_option() {
    for packing in [Packing::BestFit, Packing::Concatenated] {
        for targets in [Targets::None, Targets::Masked, Targets::Ignored(-100)] {
            let builder = Packed::builder(Numbered::new(&lengths(200), true), 32).window(50);
            let builder = builder.packing(packing).targets(targets).with_cu_seqlens();
            testing::check_source(&builder.build().unwrap());
        }
    }
}

#[test]
fn rows_are_a_function_of_documents_options_and_seed() {
    let build = |seed| {
        let source = Numbered::new(&lengths(3000), true);
        Packed::builder(source, 128).window(700).order(Shuffle, seed).build().unwrap()
    };
    let (rows, again, other) = (build(1), build(1), build(2));
    assert_eq!(composition(&rows), composition(&again));
    assert_eq!(rows.fingerprint(), again.fingerprint());
    assert_ne!(composition(&rows), composition(&other));
    assert_ne!(rows.fingerprint(), other.fingerprint());
    let measured = Numbered::new(&lengths(3000), false);
    let measured = Packed::builder(measured, 128).window(700).order(Shuffle, 1).build().unwrap();
    assert_eq!(composition(&rows), composition(&measured));
}

#[test]
fn documents_in_stored_order_stay_near_each_other() {
    let source = Numbered::new(&lengths(1000), true);
    let rows = Packed::builder(source, 64).window(100).order(Sequential, 0).build().unwrap();
    for row in composition(&rows) {
        let windows: Vec<usize> = row.iter().map(|piece| piece.document / 100).collect();
        assert!(windows.iter().all(|own| *own == windows[0]), "{windows:?}");
        assert!(row.is_sorted_by_key(|piece| piece.document));
    }
}

#[test]
fn a_sampler_chooses_documents() {
    let order: Box<dyn Sampler> = Box::new(SubsetSampler::new([3, 5]));
    let source = Numbered::new(&lengths(10), true);
    let rows = Packed::builder(source, 500).order(order, 0).build().unwrap();
    let documents = composition(&rows)[0].iter().map(|piece| piece.document).collect::<Vec<_>>();
    assert!((rows.len(), rows.stats().documents) == (1, 2));
    assert!(documents == [3, 5] || documents == [5, 3], "{documents:?}");
}

#[test]
fn what_is_held_is_four_bytes_a_document() {
    let count = 50_000;
    let packed = |length, knows| {
        Numbered::new(&lengths(count), knows).pack(length).unwrap().held_bytes() as f64
            / count as f64
    };
    // One document a row is the worst.
    for length in [61, 244, 4096] {
        assert!(packed(length, true) < 4.01, "{}", packed(length, true));
        assert!(packed(length, false) < 8.01, "{}", packed(length, false));
    }
}

#[test]
fn ignored_targets_are_what_pytorch_ignores() {
    for dtype in [RowDType::U8, RowDType::U16, RowDType::I16, RowDType::I32, RowDType::I64] {
        let field = Field::with_dims("x", dtype, vec![Dim::Ragged { max: 99 }]);
        let source = from_fn(Schema::new(vec![field]).unwrap(), 3, move |index, row| {
            let mut field = row.field(0);
            field.set_shape(&[40 + index])?;
            let bytes = (0..40 + index as u64)
                .flat_map(|token| token.to_le_bytes()[..dtype.size()].to_vec());
            field.copy_from_bytes(&bytes.collect::<Vec<u8>>())
        });
        let rows = Packed::builder(source, 41).targets(Targets::Ignored(-100));
        let rows = rows.order(Sequential, 0).build().unwrap();
        testing::check_source(&rows);
        let names: Vec<&str> = rows.schema().fields().iter().map(Field::name).collect();
        assert_eq!(names, ["input", "target", "segments", "positions"]);
        let target =
            |index| rows.get(index).unwrap().field("target").as_slice::<i64>().unwrap().to_vec();
        // One document is as long as a row, and another has one token more.
        assert_eq!(target(0), (1..41).chain([-100]).collect::<Vec<i64>>());
        assert_eq!(target(1), (1..42).collect::<Vec<i64>>());
        assert_eq!(target(2), (1..40).chain([-100, -100]).collect::<Vec<i64>>());
        let row = rows.get(2).unwrap();
        assert_eq!(row.field("segments").as_slice::<u32>().unwrap()[38..], [1, 1, 2]);
    }
}

#[test]
fn what_cannot_be_packed_is_refused_with_what_to_do() {
    let documents = || Numbered::new(&[3, 0, 90], true);
    let error = Packed::builder(documents(), 50).longer(Longer::Refuse).build().unwrap_err();
    assert_eq!((error.kind(), error.index()), (ErrorKind::TooLarge, Some(2)));
    assert!(error.message().contains("Longer::Split"), "{error}");
    let kind = |builder: PackedBuilder<Numbered>| builder.build().unwrap_err().kind();
    assert_eq!(kind(Packed::builder(documents(), 0)), ErrorKind::Config);
    assert_eq!(kind(Packed::builder(documents(), (1 << 24) + 1)), ErrorKind::Config);
    assert_eq!(kind(Packed::builder(documents(), 5).window(0)), ErrorKind::Config);
    assert_eq!(kind(Packed::builder(documents(), 5).window(65_537)), ErrorKind::Config);
    assert_eq!(kind(Packed::builder(documents(), 5).padding(-1)), ErrorKind::Config);
    assert_eq!(kind(Packed::builder(documents(), 5).field("label")), ErrorKind::Config);
    assert_eq!(kind(Packed::builder(documents(), 5).field("text")), ErrorKind::Config);
    assert_eq!(kind(Packed::builder(Numbered::new(&[0, 0], true), 5)), ErrorKind::Empty);
    assert_eq!(kind(Packed::builder(Numbered::new(&[], true), 5)), ErrorKind::Empty);
    let error = documents().select(["label"]).unwrap().pack(5).unwrap_err();
    assert!(error.message().contains("along one ragged axis"), "{error}");
    let twice = documents().rename("tokens", "a").unwrap().select(["a"]).unwrap();
    let twice = twice.zip(documents().select(["tokens"]).unwrap()).unwrap();
    assert!((&twice).pack(5).unwrap_err().message().contains(".field(..)"));
    assert_eq!(Packed::builder(twice, 5).field("a").build().unwrap().len(), 19);
}

#[test]
fn a_document_that_cannot_be_read_is_an_error_of_its_row_alone() {
    let source = from_fn(Numbered::new(&[], true).schema, 4, |index, row| {
        row.field(0).copy_from_slice(&[0u8])?;
        row.field(1).set_shape(&[5])?;
        row.field(1).copy_from_slice(&[index as u32; 5])
    });
    // Its lengths can be had, its tokens cannot.
    let broken = Broken(source);
    let rows = Packed::builder(broken, 5).order(Sequential, 0).build().unwrap();
    let error = rows.get(2).unwrap_err();
    assert_eq!((error.kind(), error.index()), (ErrorKind::User, Some(2)));
    assert_eq!(rows.get(3).unwrap().field("input").as_slice::<u32>().unwrap(), [3; 5]);
    let without = rows.select(["segments", "positions"]).unwrap();
    assert_eq!(without.get(2).unwrap().field("segments").as_slice::<u32>().unwrap(), [1; 5]);
}

struct Broken<S>(S);

impl<S: Source> Source for Broken<S> {
    fn schema(&self) -> &Schema {
        self.0.schema()
    }

    fn len(&self) -> usize {
        self.0.len()
    }

    fn read(&self, index: usize, row: &mut Row<'_>) -> Result<()> {
        if index == 2 { Err(Error::user("gone")) } else { self.0.read(index, row) }
    }

    fn length(&self, _: usize, _: usize) -> Option<usize> {
        Some(5)
    }
}

#[test]
fn stats_are_one_line() {
    let rows = Packed::builder(Numbered::new(&[9, 3, 25], true), 10).build().unwrap();
    assert_eq!(
        rows.stats().to_string(),
        "3 documents in 4 rows of 10 tokens, at most 2 in one, 7.50 % padding, 1 longer than a row, \
         33.33 % of documents in several"
    );
    let none = PackStats::default();
    assert_eq!((none.padding_share(), none.divided_share()), (0.0, 0.0));
}
