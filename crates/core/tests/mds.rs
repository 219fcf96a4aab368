//! MosaicML Streaming's MDS: what its own writer wrote, and shards that no writer would.

mod common;

use std::fs;
use std::path::{Path, PathBuf};

use common::{assert_says, bytes, in_time, read};
use tallow_core::{Element, ErrorKind, Limits, Mds, OpenOptions, Picture, Source, open, testing};
use tempfile::TempDir;

fn data(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/mds").join(name)
}

fn values<T: Element>(source: &dyn Source, index: usize, field: &str) -> Vec<T> {
    read(source, index).unwrap().view().field(field).as_slice::<T>().unwrap().to_vec()
}

fn shape(source: &dyn Source, index: usize, field: &str) -> Vec<usize> {
    read(source, index).unwrap().view().field(field).shape().to_vec()
}

#[test]
fn every_encoding_of_the_writer_is_a_field() {
    let source = Mds::open(data("everything")).unwrap();
    let shown = source.schema().to_string();
    for field in [
        "any: f64[2, 2]",
        "byte: i16[]",
        "bytes: u8[..=6]",
        "count: i64[]",
        "fixed: f32[2, 3]",
        "half: f16[]",
        "rows: i16[..=3, 2]",
        "short: u16[]",
        "text: u8[..=12]",
        "whole: i64[]",
    ] {
        assert!(shown.contains(field), "{field} is missing in {shown}");
    }
    assert_eq!(source.len(), 7);
    testing::check_source(&source);
    for i in 0..7usize {
        let any: Vec<f64> = (i..i + 4).map(|value| value as f64).collect();
        assert_eq!(values::<f64>(&source, i, "any"), any);
        assert_eq!(values::<i16>(&source, i, "byte"), [-(i as i16)]);
        assert_eq!(values::<u8>(&source, i, "bytes"), (0..i as u8).collect::<Vec<_>>());
        assert_eq!(values::<i64>(&source, i, "count"), [(1 << 40) + i as i64]);
        let fixed: Vec<f32> = (0..6).map(|at| (at * i) as f32).collect();
        assert_eq!(values::<f32>(&source, i, "fixed"), fixed);
        assert_eq!(values::<half::f16>(&source, i, "half")[0].to_f32(), 0.5 * i as f32);
        assert_eq!(values::<u8>(&source, i, "json"), format!("{{\"i\": {i}}}").as_bytes());
        let rows: Vec<i16> = (0..2 * (i as i16 % 3 + 1)).map(|at| at + i as i16).collect();
        assert_eq!(values::<i16>(&source, i, "rows"), rows);
        assert_eq!(shape(&source, i, "rows"), [i % 3 + 1, 2]);
        assert_eq!(values::<u16>(&source, i, "short"), [60000 + i as u16]);
        assert_eq!(values::<u8>(&source, i, "text"), "ä".repeat(i).as_bytes());
        assert_eq!(values::<i64>(&source, i, "whole"), [-(1 << 50) - i as i64]);
        for picture in ["jpg", "png"] {
            let row = read(&source, i).unwrap();
            let view = row.view();
            let (field, stored) = (source.schema().position(picture).unwrap(), view.field(picture));
            let declared = source.schema().fields()[field].as_picture().unwrap();
            let head = declared.head(stored.bytes()).unwrap();
            assert_eq!((head.stored().height, head.stored().width), (4 + i % 2, 6));
        }
    }
    let first = Mds::open(data("everything/shard.00000.mds")).unwrap();
    assert!(first.len() < 7 && first.len() > 1);
    assert_eq!(values::<u16>(&first, 1, "short"), [60001]);
    let second = Mds::open(data("everything/shard.0000{1..1}.mds")).unwrap();
    assert_eq!(first.len() + second.len(), 7);
    assert_eq!(source.name(6), second.name(second.len() - 1));
    assert_ne!(first.fingerprint(), second.fingerprint());
}

#[test]
fn columns_are_chosen_and_lengths_declared() {
    let place = data("everything");
    let source = Mds::builder(&place).fields(["whole", "text"]).open().unwrap();
    // Nothing is looked up, so that the longest sample bounds the text.
    assert!(source.schema().to_string().starts_with("whole: i64[]; text: u8[..="));
    testing::check_source(&source);
    let told = Mds::builder(&place)
        .fields(["rows", "text", "png"])
        .ragged("rows", 0, 8)
        .ragged("text", 0, 20)
        .ragged("png", 1, 32)
        .picture("png", Picture::gray())
        .open()
        .unwrap();
    let shown = told.schema().to_string();
    assert!(shown.starts_with("rows: i16[..=8, 2]; text: u8[..=20]; png: "), "{shown}");
    testing::check_source(&told);
    let short = Mds::builder(&place).fields(["text"]).ragged("text", 0, 4).open().unwrap();
    assert_says(&read(&short, 3).unwrap_err(), &["shard.00000.mds", "text", "[6]", "..=4"]);
    let refused = |name: &str, axis| {
        Mds::builder(&place).fields(["rows", "fixed"]).ragged(name, axis, 8).open().unwrap_err()
    };
    assert_says(&refused("rows", 2), &["axis 2", "2 axes"]);
    assert_says(&refused("fixed", 0), &["axis 0", "ndarray:float32:2,3"]);
    assert_says(&refused("text", 0), &["\"text\" is no field"]);
    let absent = Mds::builder(&place).fields(["x"]).open().unwrap_err();
    assert_eq!(absent.kind(), ErrorKind::Config);
    assert_says(&absent, &["no column \"x\"", "\"any\""]);
    let options = OpenOptions::new().fields(["text"]).ragged("text", 0, 30);
    assert_eq!(options.open(&place).unwrap().schema().to_string(), "text: u8[..=30]");
}

#[test]
fn bytes_of_one_length_are_fixed_and_what_cannot_be_read_is_named() {
    let tokens = open(data("tokens")).unwrap();
    assert_eq!(tokens.schema().to_string(), "tokens: u8[64]");
    let expected: Vec<u8> = (3i64..11).flat_map(i64::to_le_bytes).collect();
    assert_eq!(bytes(&tokens, 3).unwrap(), expected);
    testing::check_source(&tokens);
    let error = Mds::open(data("compressed")).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Foreign);
    assert_says(&error, &["\"gz\"", "shard.00000.mds.gz", "decompress", "without compression"]);
    let error = Mds::open(data("pickled")).unwrap_err();
    assert_eq!((error.kind(), error.field()), (ErrorKind::UnsupportedDtype, Some("of")));
    assert_says(&error, &["\"pkl\"", ".fields(..)"]);
    let labels = Mds::builder(data("pickled")).fields(["label"]).open().unwrap();
    assert_eq!(values::<i64>(&labels, 2, "label"), [2]);
    testing::check_source(&labels);
    // Splits, of which one is to be named.
    let error = open(data("")).map(drop).unwrap_err();
    assert_says(&error, &["\"everything\"", "\"tokens\""]);
}

/// Name, encoding and size.
type Column = (&'static str, String, Option<u32>);

/// A data set of one shard: columns, and samples as they are.
struct Written {
    columns: Vec<Column>,
    samples: Vec<Vec<u8>>,
}

impl Written {
    fn config(&self) -> serde_json::Value {
        let each = |get: &dyn Fn(&Column) -> serde_json::Value| {
            self.columns.iter().map(get).collect::<Vec<_>>()
        };
        serde_json::json!({
            "column_names": each(&|it| it.0.into()),
            "column_encodings": each(&|it| it.1.clone().into()),
            "column_sizes": each(&|it| it.2.into()),
            "compression": null, "format": "mds", "hashes": [], "size_limit": 1 << 26, "version": 2,
        })
    }

    fn shard(&self) -> Vec<u8> {
        let config = self.config().to_string();
        let count = self.samples.len() as u32;
        let mut at = 4 + 4 * (count + 1) + config.len() as u32;
        let mut shard = [count, at].map(u32::to_le_bytes).concat();
        for sample in &self.samples {
            at += sample.len() as u32;
            shard.extend(at.to_le_bytes());
        }
        [shard, config.into_bytes(), self.samples.concat()].concat()
    }

    fn index(&self, bytes: usize) -> serde_json::Value {
        let mut entry = self.config();
        entry["samples"] = self.samples.len().into();
        entry["raw_data"] =
            serde_json::json!({ "basename": "shard.00000.mds", "bytes": bytes, "hashes": {} });
        entry["zip_data"] = serde_json::Value::Null;
        serde_json::json!({ "version": 2, "shards": [entry] })
    }
}

/// A number and a text that differs in length.
fn texts(lengths: &[usize]) -> Written {
    let sample = |(at, &len): (usize, &usize)| {
        [&(len as u32).to_le_bytes()[..], &[at as u8; 2], &vec![b'a' + (at % 26) as u8; len]]
            .concat()
    };
    let columns = vec![("n", "uint16".to_owned(), Some(2)), ("text", "str".to_owned(), None)];
    Written { columns, samples: lengths.iter().enumerate().map(sample).collect() }
}

fn folder(index: &str, shard: &[u8]) -> TempDir {
    let dir = tempfile::tempdir().unwrap();
    fs::write(dir.path().join("index.json"), index).unwrap();
    fs::write(dir.path().join("shard.00000.mds"), shard).unwrap();
    dir
}

/// Opens, reads every sample, and returns the first error.
fn read_all(dir: &TempDir) -> tallow_core::Result<()> {
    let path = dir.path().to_owned();
    in_time(move || {
        let source = Mds::open(path)?;
        (0..source.len()).try_for_each(|index| read(&source, index).map(drop))
    })
}

#[track_caller]
fn refused(index: &str, shard: &[u8], kind: ErrorKind, words: &[&str]) {
    let error = read_all(&folder(index, shard)).unwrap_err();
    assert_eq!(error.kind(), kind, "{error}");
    assert_says(&error, words);
}

#[test]
fn large_and_small_samples_are_read_alike() {
    // Around the sizes up to which samples are read at once, and beginnings are read.
    let lengths = [0, 4080, 4096, 16370, 16378, 16379, 16384, 70_000];
    let written = texts(&lengths);
    let shard = written.shard();
    let dir = folder(&written.index(shard.len()).to_string(), &shard);
    let source = Mds::open(dir.path()).unwrap();
    assert_eq!(source.schema().to_string(), "n: u16[]; text: u8[..=70000]");
    testing::check_source(&source);
    let turned = Mds::builder(dir.path()).fields(["text", "n"]).open().unwrap();
    testing::check_source(&turned);
    for (at, &len) in lengths.iter().enumerate() {
        for source in [&source, &turned] {
            assert_eq!(values::<u8>(source, at, "text"), vec![b'a' + at as u8; len]);
            assert_eq!(values::<u16>(source, at, "n"), [at as u16 * 0x0101]);
        }
    }
}

#[test]
fn samples_of_one_size_need_no_offsets_in_memory() {
    let rows = 5u32;
    let sample = |at: u32| (0..5000).flat_map(|i| (i * rows + at).to_le_bytes()).collect();
    let columns = vec![("x", "ndarray:uint32:50,100".to_owned(), Some(20_000))];
    let written = Written { columns, samples: (0..rows).map(sample).collect() };
    let shard = written.shard();
    let dir = folder(&written.index(shard.len()).to_string(), &shard);
    let mut limits = Limits::default();
    limits.index_bytes = 1000;
    let source = Mds::builder(dir.path()).limits(limits).open().unwrap();
    testing::check_source(&source);
    assert_eq!(bytes(&source, 4).unwrap(), written.samples[4]);
    let texts = texts(&[&[3; 300][..], &[4]].concat());
    let shard = texts.shard();
    let dir = folder(&texts.index(shard.len()).to_string(), &shard);
    let error = Mds::builder(dir.path()).limits(limits).open().unwrap_err();
    assert_eq!(error.kind(), ErrorKind::TooLarge);
    assert_says(&error, &["at most 1000", "Limits::index_bytes"]);
}

#[test]
fn a_shard_that_is_cut_or_longer_is_refused_at_every_length() {
    let written = texts(&[3, 0, 9]);
    let whole = written.shard();
    // All are written before the first is opened, so that each has rested by then.
    let told = |cut: usize| folder(&written.index(whole.len()).to_string(), &whole[..cut]);
    let agreed = |cut: usize| folder(&written.index(cut).to_string(), &whole[..cut]);
    let cuts: Vec<_> = (0..whole.len()).map(|cut| (cut, told(cut), agreed(cut))).collect();
    for (cut, told, agreed) in cuts {
        let error = read_all(&told).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Truncated, "{cut}: {error}");
        assert_says(&error, &["shard.00000.mds", "the index says"]);
        let error = read_all(&agreed).unwrap_err();
        assert!(matches!(error.kind(), ErrorKind::Header | ErrorKind::Io), "{cut}: {error}");
        assert_says(&error, &["shard.00000.mds"]);
    }
    let longer = [&whole[..], b"x"].concat();
    refused(&written.index(longer.len()).to_string(), &longer, ErrorKind::Header, &["offset 3"]);
}

#[test]
fn no_flipped_bit_panics_or_hangs() {
    let written = texts(&[3, 0, 9]);
    let whole = written.shard();
    let index = written.index(whole.len()).to_string();
    let start = whole.len() - written.samples.concat().len();
    let flipped = |at: usize, bit: u8| {
        let mut flipped = whole.clone();
        flipped[at] ^= 1 << bit;
        (at, bit, folder(&index, &flipped))
    };
    let places = (0..whole.len()).flat_map(|at| [0, 3, 7].map(|bit| (at, bit)));
    let all: Vec<_> = places.map(|(at, bit)| flipped(at, bit)).collect();
    for (at, bit, dir) in all {
        // Of offsets and sizes every bit counts. Columns may read otherwise where JSON does not mind.
        let is_number = at < 20 || (start..start + 4).contains(&at);
        match read_all(&dir) {
            Ok(()) => assert!(!is_number, "byte {at}, bit {bit}"),
            Err(error) => assert_says(&error, &["shard.00000.mds"]),
        }
    }
}

#[test]
fn offsets_and_counts_that_cannot_be_are_refused_before_memory_is_taken() {
    let written = texts(&[3, 0, 9]);
    let whole = written.shard();
    let index = written.index(whole.len()).to_string();
    let with = |at: usize, number: u32| {
        let mut shard = whole.clone();
        shard[4 * at..4 * at + 4].copy_from_slice(&number.to_le_bytes());
        shard
    };
    let header = ErrorKind::Header;
    refused(&index, &with(0, u32::MAX), header, &["4294967295 samples", "expected 3"]);
    refused(&index, &with(1, 19), header, &["offset 0 is 19", "expected 20 to"]);
    refused(&index, &with(1, u32::MAX), header, &["offset 0"]);
    refused(&index, &with(2, 3), header, &["offset 1 is 3"]);
    refused(&index, &with(3, u32::MAX), header, &["offset 2 is 4294967295"]);
    let mut lying = written.index(whole.len());
    lying["shards"][0]["samples"] = u64::MAX.into();
    refused(&lying.to_string(), &whole, header, &["more than"]);
    lying["shards"][0]["samples"] = 2.into();
    refused(&lying.to_string(), &whole, header, &["found 3 samples, expected 2"]);
}

#[test]
fn an_index_that_lies_is_refused() {
    let written = texts(&[3, 0, 9]);
    let whole = written.shard();
    let changed = |change: &dyn Fn(&mut serde_json::Value)| {
        let mut index = written.index(whole.len());
        change(&mut index);
        index.to_string()
    };
    let header = ErrorKind::Header;
    let entry = |key: &'static str, value: serde_json::Value| {
        changed(&move |index| index["shards"][0][key] = value.clone())
    };
    refused(&changed(&|it| it["version"] = 3.into()), &whole, header, &["version 3", "index.json"]);
    refused(&entry("version", 1.into()), &whole, header, &["version 1"]);
    refused(&entry("format", "json".into()), &whole, ErrorKind::Foreign, &["\"json\""]);
    refused(&entry("column_sizes", serde_json::json!([2])), &whole, header, &["1 sizes"]);
    refused(&entry("column_sizes", serde_json::json!([4, null])), &whole, header, &["4 bytes"]);
    let names = entry("column_names", serde_json::json!(["n", "words"]));
    refused(&names, &whole, header, &["n: uint16; text: str", "words"]);
    let named =
        |name: &str| changed(&|index| index["shards"][0]["raw_data"]["basename"] = name.into());
    for name in ["/etc/passwd", "../shard.00000.mds", "", "."] {
        refused(&named(name), &whole, header, &["is not below the index"]);
    }
    refused(&named(&"x".repeat(513)), &whole, header, &["a name of at most 512 bytes"]);
    refused(&named("shard.00001.mds"), &whole, ErrorKind::Io, &["shard.00001.mds"]);
    refused("", &whole, ErrorKind::Empty, &["index.json"]);
    refused("{\"shards\": [", &whole, header, &["index.json"]);
    refused("{\"shards\": [], \"version\": 2}", &whole, ErrorKind::Empty, &["no shard"]);
    let deep = "[".repeat(100_000);
    refused(&format!("{{\"shards\": {deep}"), &whole, header, &["index.json"]);
    let index = written.index(whole.len()).to_string();
    let cuts: Vec<_> = (0..index.len()).map(|cut| folder(&index[..cut], &whole)).collect();
    assert!(cuts.iter().all(|dir| read_all(dir).is_err()));
}

#[test]
fn arrays_that_are_none_are_refused() {
    let array = |bytes: &[u8]| {
        let sample = [&(bytes.len() as u32).to_le_bytes()[..], bytes].concat();
        let good = [&7u32.to_le_bytes()[..], &[34, 4, 1, 0, 0, 128, 63]].concat();
        let columns = vec![("x", "ndarray".to_owned(), None)];
        let written = Written { columns, samples: vec![good, sample] };
        let shard = written.shard();
        read_all(&folder(&written.index(shard.len()).to_string(), &shard))
    };
    array(&[34, 4, 2, 0, 0, 0, 0, 1, 2, 3, 4]).unwrap();
    for bytes in [
        &[][..],
        &[34],
        &[99, 4, 1, 0, 0, 0, 0],
        &[34, 4, 2, 0, 0, 0, 0],
        &[34, 4 | 3, 1],
        &[34, 255, 255, 255],
        &[34, 4 | 3, 255, 255, 255, 255, 255, 255, 255, 255, 0, 0, 0, 0],
        &[34, 8 | 3, 0, 0, 0, 0, 0, 0, 0, 128, 2, 0, 0, 0, 0, 0, 0, 0],
    ] {
        let error = array(bytes).unwrap_err();
        assert_eq!(
            (error.kind(), error.index()),
            (ErrorKind::Header, Some(1)),
            "{bytes:?}: {error}"
        );
        assert_says(&error, &["no array of MDS"]);
    }
    assert_says(&array(&[33, 4, 1, 0, 0, 0, 0]).unwrap_err(), &["found i32, expected f32"]);
    let axes = array(&[34, 8, 1, 1, 0, 0, 0, 0]).unwrap_err();
    assert_eq!(axes.kind(), ErrorKind::ShapeMismatch);
    assert_says(&axes, &["[1, 1]", "1 axes"]);
}

#[test]
fn a_merged_index_of_shards_in_subfolders_is_one_data_set() {
    let dir = tempfile::tempdir().unwrap();
    let mut merged = serde_json::json!({ "version": 2, "shards": [] });
    for (name, lengths) in [("b", &[1, 2][..]), ("a", &[3])] {
        let written = texts(lengths);
        let shard = written.shard();
        fs::create_dir(dir.path().join(name)).unwrap();
        fs::write(dir.path().join(name).join("shard.00000.mds"), &shard).unwrap();
        let mut entry = written.index(shard.len())["shards"][0].clone();
        entry["raw_data"]["basename"] = format!("{name}/shard.00000.mds").into();
        merged["shards"].as_array_mut().unwrap().push(entry);
    }
    fs::write(dir.path().join("index.json"), merged.to_string()).unwrap();
    let source = open(dir.path()).unwrap();
    let lengths: Vec<usize> = (0..3).map(|at| values::<u8>(&source, at, "text").len()).collect();
    assert_eq!(lengths, [1, 2, 3], "in the order of the index");
    testing::check_source(&source);
    let found = OpenOptions::new().find(dir.path()).unwrap();
    assert_eq!(found.files().unwrap().len(), 2);
}

#[test]
fn a_shard_that_is_written_to_is_noticed() {
    let written = texts(&[3, 5]);
    let shard = written.shard();
    let dir = folder(&written.index(shard.len()).to_string(), &shard);
    let source = Mds::open(dir.path()).unwrap();
    read(&source, 1).unwrap();
    fs::write(dir.path().join("shard.00000.mds"), &shard).unwrap();
    assert_eq!(read(&source, 1).unwrap_err().kind(), ErrorKind::Changed);
}
