//! Files of tokens: windows and documents of what nanoGPT, llm.c and Megatron write.

mod common;

use std::fs;
use std::path::{Path, PathBuf};

use common::{assert_says, bytes, in_time, read};
use tallow_core::{
    DocumentsBy, Error, ErrorKind, FileBorders, Limits, OpenOptions, Result, RowDType, Source,
    Tail, TokenFiles, TokenFilesBuilder, TooLong, open, testing,
};
use tempfile::TempDir;

const END: u32 = 50256;

fn data(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/tokens").join(name)
}

/// The documents that `make.py` writes.
fn documents() -> Vec<Vec<u32>> {
    let lengths = [5u32, 30, 1, 12].into_iter().zip(0u32..);
    let document = |(len, number)| (0..len).map(|at| (number * 1000 + 7 * at) % 50000).collect();
    lengths.map(document).collect()
}

/// The stream that nanoGPT's `prepare.py` makes of them.
fn stream() -> Vec<u32> {
    documents().into_iter().flat_map(|own| [own, vec![END]].concat()).collect()
}

/// The input and, if there is one, the target of a sample.
fn sample(source: &dyn Source, index: usize) -> Vec<Vec<u32>> {
    let row = read(source, index).unwrap();
    let view = row.view();
    (0..view.field_count()).map(|at| view.field(at).as_slice::<u32>().unwrap().to_vec()).collect()
}

fn inputs(source: &dyn Source) -> Vec<Vec<u32>> {
    (0..source.len()).map(|index| sample(source, index).swap_remove(0)).collect()
}

fn written(files: &[(&str, &[u8])]) -> TempDir {
    let dir = tempfile::tempdir().unwrap();
    files.iter().for_each(|(name, bytes)| fs::write(dir.path().join(name), bytes).unwrap());
    dir
}

fn u16s(tokens: impl IntoIterator<Item = u16>) -> Vec<u8> {
    tokens.into_iter().flat_map(u16::to_le_bytes).collect()
}

/// A file as llm.c writes it, with any header.
fn llm_c(magic: i32, version: i32, count: i32, tokens: &[u8]) -> Vec<u8> {
    let mut header = [0i32; 256];
    header[..3].copy_from_slice(&[magic, version, count]);
    [&header.map(i32::to_le_bytes).concat()[..], tokens].concat()
}

#[track_caller]
fn refused(builder: TokenFilesBuilder, kind: ErrorKind, words: &[&str]) -> Error {
    let error = in_time(move || builder.open()).unwrap_err();
    assert_eq!(error.kind(), kind, "{error}");
    assert_says(&error, words);
    error
}

#[test]
fn windows_of_nanogpt_are_consecutive_and_targets_are_the_next_tokens() {
    let stream = stream();
    let source = TokenFiles::builder([data("nanogpt.bin")]).length(8).open().unwrap();
    assert_eq!(source.schema().to_string(), "input: u32[8]; target: u32[8]");
    assert_eq!((source.len(), source.tokens()), (6, 52));
    testing::check_source(&source);
    for index in 0..source.len() {
        let expected = [&stream[8 * index..][..8], &stream[8 * index + 1..][..8]];
        assert_eq!(sample(&source, index), expected, "{index}");
    }
    assert_eq!(source.name(2), format!("{}[16..25]", data("nanogpt.bin").display()));
    let mut extents = Vec::new();
    source.extents(2, &mut |extent| extents.push((extent.offset(), extent.bytes())));
    assert_eq!(extents, [(32, 18)], "one read of one token more");
    let whole = TokenFiles::builder([data("nanogpt.bin")]).length(51).open().unwrap();
    assert_eq!(sample(&whole, 0), [&stream[..51], &stream[1..]]);
    let strided = TokenFiles::builder([data("nanogpt.bin")]).length(8).stride(3).open().unwrap();
    assert_eq!((strided.len(), &sample(&strided, 14)[0][..]), (15, &stream[42..50]));
    assert_ne!(strided.fingerprint(), source.fingerprint());
}

#[test]
fn the_tail_is_dropped_or_kept_and_targets_can_be_left_out() {
    let stream = stream();
    let builder = || TokenFiles::builder([data("nanogpt.bin")]).length(10);
    assert_eq!(builder().open().unwrap().len(), 5);
    let kept = builder().tail(Tail::Keep).open().unwrap();
    assert_eq!(kept.schema().to_string(), "input: u32[..=10]; target: u32[..=10]");
    testing::check_source(&kept);
    assert_eq!(sample(&kept, 5), [&stream[50..51], &stream[51..]]);
    let alone = builder().tail(Tail::Keep).without_targets().open().unwrap();
    assert_eq!(inputs(&alone).concat(), stream, "each token once");
    testing::check_source(&alone);
    let wide = builder().as_i64().vocabulary(50257).open().unwrap();
    assert_eq!(wide.schema().to_string(), "input: i64[10]; target: i64[10]");
    let row = read(&wide, 0).unwrap();
    assert_eq!(row.view().field("input").as_slice::<i64>().unwrap()[5], 50256);
    testing::check_source(&wide);
}

#[test]
fn files_are_one_stream_or_each_its_own() {
    let tokens: Vec<u16> = (0..25).collect();
    let parts = [&tokens[..7], &tokens[7..8], &tokens[8..]].map(|part| u16s(part.iter().copied()));
    let names = ["c.bin", "b.bin", "a.bin"];
    let dir = written(&[(names[0], &parts[0]), (names[1], &parts[1]), (names[2], &parts[2])]);
    let paths = names.map(|name| dir.path().join(name));
    let builder = || TokenFiles::builder(paths.clone()).length(8);
    let source = builder().open().unwrap();
    testing::check_source(&source);
    let expected: Vec<Vec<u32>> = (0..3).map(|at| (8 * at..8 * at + 8).collect()).collect();
    assert_eq!(inputs(&source), expected);
    let mut extents = Vec::new();
    source.extents(0, &mut |extent| extents.push((extent.offset(), extent.bytes())));
    assert_eq!(extents, [(0, 14), (0, 2), (0, 2)], "one sample of three files");
    let own = builder().file_borders(FileBorders::Kept).open().unwrap();
    testing::check_source(&own);
    assert_eq!(inputs(&own), [(8..16).collect::<Vec<_>>(), (16..24).collect()]);
    assert_ne!(own.fingerprint(), source.fingerprint());
    let tails = builder().file_borders(FileBorders::Kept).tail(Tail::Keep).open().unwrap();
    testing::check_source(&tails);
    assert_eq!(inputs(&tails).iter().map(Vec::len).collect::<Vec<_>>(), [6, 8, 8]);
    // By the folder, in the order of names.
    let folder = OpenOptions::new().tokens(RowDType::U16, 8).open(dir.path()).unwrap();
    assert_eq!(bytes(&folder, 0).unwrap()[..4], [8, 0, 0, 0]);
}

#[test]
fn llm_c_is_told_by_its_header_and_each_file_begins_anew() {
    let paths = ["llmc_gpt2_0.bin", "llmc_gpt2_1.bin"].map(data);
    let source = TokenFiles::builder(paths.clone()).length(8).open().unwrap();
    testing::check_source(&source);
    let [one, two, three, four] = &documents()[..] else { panic!() };
    let first = [&[END], &one[..], &[END], two].concat();
    let second = [&[END], &three[..], &[END], four].concat();
    assert_eq!(source.tokens(), first.len() + second.len());
    let chunks = |tokens: &[u32]| tokens.chunks_exact(8).map(<[u32]>::to_vec).collect::<Vec<_>>();
    assert_eq!(inputs(&source), [chunks(&first), chunks(&second)].concat());
    let crossed = TokenFiles::builder(paths).length(51).file_borders(FileBorders::Crossed);
    assert_eq!(inputs(&crossed.open().unwrap()), [[first, second].concat()[..51].to_vec()]);
    let llama = || TokenFiles::builder([data("llmc_llama3.bin")]).length(9);
    let words = ["found u32, as a header of llm.c says, expected u16", "llmc_llama3.bin"];
    refused(llama().dtype(RowDType::U16), ErrorKind::DtypeMismatch, &words);
    let llama = llama().open().unwrap();
    testing::check_source(&llama);
    assert_eq!(sample(&llama, 0)[0], [&[END], &one[..], &[END], &two[..2]].concat());
    // Its header says what it is, also where only its path is known.
    assert!(open(data("llmc_gpt2_0.bin")).is_err_and(|e| e.kind() == ErrorKind::Empty));
}

#[test]
fn megatron_is_told_by_its_index_and_knows_its_documents() {
    let documents = documents();
    for (name, dtype) in [("megatron_u16.bin", RowDType::U16), ("megatron_i32.bin", RowDType::I32)]
    {
        let builder = || TokenFiles::builder([data(name)]).dtype(dtype);
        let windows = builder().length(7).open().unwrap();
        testing::check_source(&windows);
        assert_eq!(inputs(&windows).concat(), documents.concat()[..42]);
        let source = builder().documents(DocumentsBy::Index).open().unwrap();
        assert_eq!(source.schema().to_string(), "input: u32[..=30]");
        testing::check_source(&source);
        assert_eq!(inputs(&source), documents);
        let cut = builder().documents(DocumentsBy::Index).at_most(4, TooLong::Cut).with_targets();
        let cut = cut.open().unwrap();
        testing::check_source(&cut);
        assert_eq!(cut.schema().to_string(), "input: u32[..=4]; target: u32[..=4]");
        assert_eq!(sample(&cut, 1), [&documents[1][..4], &documents[1][1..5]]);
        assert_eq!(sample(&cut, 2), [[0u32; 0], []], "nothing follows its one token");
        let refusing = builder().documents(DocumentsBy::Index).at_most(11, TooLong::Refuse);
        let words =
            ["2 documents are too long", "of 30 tokens, at most 11", "TooLong::Cut", "sample 1"];
        refused(refusing, ErrorKind::TooLarge, &words);
    }
    // Two files: their documents follow one another.
    let both = TokenFiles::builder([data("megatron_u16.bin"), data("megatron_u16.bin")]);
    let both = both.documents(DocumentsBy::Index).open().unwrap();
    assert_eq!(inputs(&both), [documents.clone(), documents].concat());
}

#[test]
fn documents_are_told_by_the_token_that_ends_or_begins_them() {
    let documents = documents();
    let source = TokenFiles::builder([data("nanogpt.bin")]).documents(DocumentsBy::LastToken(END));
    let source = source.open().unwrap();
    testing::check_source(&source);
    let ended: Vec<Vec<u32>> = documents.iter().map(|own| [&own[..], &[END]].concat()).collect();
    assert_eq!(inputs(&source), ended);
    let paths = ["llmc_gpt2_0.bin", "llmc_gpt2_1.bin"].map(data);
    let source = TokenFiles::builder(paths).documents(DocumentsBy::FirstToken(END)).open().unwrap();
    testing::check_source(&source);
    let begun: Vec<Vec<u32>> = documents.iter().map(|own| [&[END], &own[..]].concat()).collect();
    assert_eq!(inputs(&source), begun);
    // Across files, and before the first and after the last such token.
    let dir = written(&[("a.bin", &u16s([1, 9, 2])), ("b.bin", &u16s([3, 9, 9, 4]))]);
    let of = |by| {
        let paths = ["a.bin", "b.bin"].map(|name| dir.path().join(name));
        inputs(&TokenFiles::builder(paths).documents(by).open().unwrap())
    };
    assert_eq!(of(DocumentsBy::LastToken(9)), [&[1, 9][..], &[2, 3, 9], &[9], &[4]]);
    assert_eq!(of(DocumentsBy::FirstToken(9)), [&[1][..], &[9, 2, 3], &[9], &[9, 4]]);
    assert_eq!(of(DocumentsBy::LastToken(70_000)), [[1, 9, 2, 3, 9, 9, 4]]);
    let mut limits = Limits::default();
    limits.index_bytes = 24;
    let builder = TokenFiles::builder([data("nanogpt.bin")]).limits(limits);
    let builder = builder.documents(DocumentsBy::LastToken(END));
    refused(builder, ErrorKind::TooLarge, &["4 documents", "at most 3", "Limits::index_bytes"]);
    let builder = TokenFiles::builder([data("nanogpt.bin")]).documents(DocumentsBy::Index);
    refused(
        builder,
        ErrorKind::Config,
        &["tokens without a header", "expected an index of Megatron"],
    );
}

#[test]
fn tokens_outside_the_vocabulary_or_the_type_are_errors_of_their_samples() {
    let builder = TokenFiles::builder([data("nanogpt.bin")]).length(6).vocabulary(50256);
    let source = builder.open().unwrap();
    let error = read(&source, 0).unwrap_err();
    assert_eq!(
        (error.kind(), error.index(), error.offset()),
        (ErrorKind::OutOfRange, Some(0), Some(10))
    );
    assert_says(&error, &["nanogpt.bin", "token 5 of the file is 50256, expected 0 to 50255"]);
    assert!(read(&source, 1).is_ok());
    let tokens: Vec<u8> = [1i32, 2, -100, 4].iter().flat_map(|token| token.to_le_bytes()).collect();
    let dir = written(&[("a.bin", &tokens)]);
    let builder = || TokenFiles::builder([dir.path().join("a.bin")]).dtype(RowDType::I32).length(3);
    let error = read(&builder().open().unwrap(), 0).unwrap_err();
    assert_says(&error, &["token 2 of the file is -100, expected 0 to 4294967295"]);
    let wide = read(&builder().as_i64().open().unwrap(), 0).unwrap();
    assert_eq!(wide.view().field(0).as_slice::<i64>().unwrap(), [1, 2, -100]);
}

#[test]
fn a_path_alone_is_read_where_the_file_says_what_it_is() {
    let dir = written(&[("train.bin", &u16s(0..100)), ("val.bin", &u16s(0..9)), ("x.npy", b"")]);
    let path = |name: &str| dir.path().join(name);
    let error = open(path("train.bin")).err().unwrap();
    assert_eq!(error.kind(), ErrorKind::Config);
    assert_says(&error, &["train.bin", "no header of llm.c", ".tokens(..), u16"]);
    let told = || OpenOptions::new().tokens(RowDType::U16, 9);
    assert_eq!(told().open(path("train.bin")).unwrap().len(), 11);
    assert_eq!(told().open(path("{val,train}.bin")).unwrap().len(), 12);
    let found = told().find(path("*.bin")).unwrap();
    assert!(found.to_string().starts_with("2 .bin files of tokens, "), "{found}");
    let error = told().open(dir.path()).err().unwrap();
    assert_says(&error, &["\"train.bin\" and \"val.bin\"", "hardly one set", "*train*"]);
    assert_says(&TokenFiles::open(dir.path()).unwrap_err(), &["hardly one set"]);
    assert_eq!(
        OpenOptions::new().tokens(RowDType::U16, 20).open(data("nanogpt.bin")).unwrap().len(),
        2
    );
    let error = OpenOptions::new().tokens(RowDType::F32, 20).open(data("nanogpt.bin")).err();
    assert_says(&error.unwrap(), &["tokens of f32, expected integers"]);
    // Other programs' .bin files do not make a folder one of tokens, and are called by their names.
    let checkpoint = written(&[("model.bin", b"PK\x03\x04 and so on"), ("a.npy", b"")]);
    assert!(open(checkpoint.path()).err().unwrap().path().unwrap().ends_with("a.npy"));
    let error = open(checkpoint.path().join("model.bin")).err().unwrap();
    assert_says(&error, &["a zip archive"]);
}

#[test]
fn files_that_contradict_themselves_are_refused() {
    let of = |contents: &[u8]| {
        let dir = written(&[("a.bin", contents)]);
        let path = dir.path().join("a.bin");
        (dir, TokenFiles::builder([path]).length(4))
    };
    let check = |contents: &[u8], kind, words: &[&str]| {
        let (_dir, builder) = of(contents);
        refused(builder, kind, &[&["a.bin"], words].concat());
    };
    check(b"", ErrorKind::Empty, &["no bytes"]);
    check(&u16s(0..9)[..17], ErrorKind::Truncated, &["17 bytes, expected a multiple of 2"]);
    check(&u16s(0..4), ErrorKind::Empty, &["4 tokens", "the 5 of a window", ".length(..)"]);
    let tokens = u16s(0..50);
    check(&llm_c(20240520, 2, 50, &tokens), ErrorKind::Header, &["version 2"]);
    check(&llm_c(20240520, 1, -1, &tokens), ErrorKind::Header, &["negative"]);
    check(&llm_c(20240520, 1, 51, &tokens), ErrorKind::Truncated, &["expected 1126 for 51"]);
    check(&llm_c(20240520, 1, i32::MAX, &tokens), ErrorKind::Truncated, &["1124 bytes"]);
    check(&llm_c(20240520, 1, 49, &tokens), ErrorKind::Trailing, &["expected 1122 for 49"]);
    check(&llm_c(20240520, 1, 0, &[]), ErrorKind::Empty, &["no token"]);
    check(&llm_c(20240522, 1, 50, &tokens), ErrorKind::Foreign, &["several answers"]);
    let whole = llm_c(20240801, 7, 25, &tokens);
    check(&whole[..4], ErrorKind::Truncated, &["4 bytes"]);
    for cut in [8, 1000, 1023, 1024, whole.len() - 1] {
        check(&whole[..cut], ErrorKind::Truncated, &["expected"]);
    }
}

#[test]
fn files_of_other_kinds_or_types_are_refused_naming_both() {
    let gpt2 = data("llmc_gpt2_0.bin");
    let others =
        [(data("nanogpt.bin"), "tokens without a header of u16"), (data("llmc_llama3.bin"), "u32")];
    for (other, said) in others {
        let builder = TokenFiles::builder([gpt2.clone(), other]).length(4);
        refused(
            builder,
            ErrorKind::DtypeMismatch,
            &[said, "a header of llm.c of u16", "gpt2_0.bin"],
        );
    }
    let empty = TokenFiles::builder(Vec::<PathBuf>::new());
    refused(empty, ErrorKind::Empty, &["no file of tokens"]);
    let builder = || TokenFiles::builder([data("nanogpt.bin")]);
    refused(builder().length(0), ErrorKind::Config, &["at least 1"]);
    refused(builder().stride(0), ErrorKind::Config, &["at least 1"]);
    let both = builder().length(4).documents(DocumentsBy::LastToken(0));
    refused(both, ErrorKind::Config, &[".length(..) is for windows"]);
    refused(builder().length(usize::MAX), ErrorKind::Empty, &["52 tokens"]);
}

/// The index and the tokens of Megatron, with some bytes of the index changed.
fn megatron(change: impl FnOnce(&mut Vec<u8>)) -> (TempDir, PathBuf) {
    let mut index = fs::read(data("megatron_u16.idx")).unwrap();
    change(&mut index);
    let tokens = fs::read(data("megatron_u16.bin")).unwrap();
    let dir = written(&[("m.idx", &index), ("m.bin", &tokens)]);
    let path = dir.path().join("m.bin");
    (dir, path)
}

#[test]
fn tokens_with_an_index_may_begin_as_a_header_of_llm_c_does() {
    let (_dir, path) = megatron(|_| {});
    let mut tokens = fs::read(&path).unwrap();
    tokens[..4].copy_from_slice(&20_240_520i32.to_le_bytes());
    fs::write(&path, tokens).unwrap();
    let source = TokenFiles::builder([path]).documents(DocumentsBy::Index).open().unwrap();
    assert_eq!(sample(&source, 0)[0][..2], [20_240_520 & 0xffff, 20_240_520 >> 16]);
}

#[test]
fn an_index_whose_sequences_are_in_no_document_is_refused() {
    let (_dir, path) = megatron(|index| {
        let sequences = u64::from_le_bytes(index[18..26].try_into().unwrap());
        index[26..34].fill(0);
        index.truncate(34 + 12 * sequences as usize);
    });
    let builder = TokenFiles::builder([path]).documents(DocumentsBy::Index);
    refused(builder, ErrorKind::Damaged, &["5 sequences in no document"]);
}

#[test]
fn an_index_that_contradicts_itself_or_the_tokens_is_refused() {
    // The header of 34 bytes, 5 lengths from 34 on, 5 pointers from 54, 5 bounds from 94.
    let check = |change: fn(&mut Vec<u8>), kind, word: &str| {
        let (_dir, path) = megatron(change);
        let builder = TokenFiles::builder([path]).documents(DocumentsBy::Index);
        let error = refused(builder, kind, &[word]);
        assert!(error.path().unwrap().ends_with("m.idx"), "{error}");
    };
    check(|index| index[9] = 2, ErrorKind::Header, "version 2");
    check(|index| index[17] = 7, ErrorKind::UnsupportedDtype, "floats");
    check(|index| index[17] = 9, ErrorKind::Header, "type of tokens is 9");
    check(|index| index[17] = 4, ErrorKind::Truncated, "120 bytes, the .bin file holds 96");
    check(|index| index[18] = 6, ErrorKind::Truncated, "6 sequences");
    check(|index| index[18..34].fill(0xff), ErrorKind::Truncated, "sequences");
    check(|index| index.push(0), ErrorKind::Header, "135 bytes");
    check(|index| index.truncate(20), ErrorKind::Truncated, "20 bytes");
    check(|index| index[34] = 6, ErrorKind::Damaged, "sequence 1");
    check(|index| index[37] = 0x80, ErrorKind::Damaged, "sequence 0");
    check(|index| index[62] = 12, ErrorKind::Damaged, "sequence 1");
    check(|index| index[94] = 1, ErrorKind::Damaged, "document 0");
    check(|index| index[102] = 6, ErrorKind::Damaged, "document 1");
    check(|index| index[110] = 0, ErrorKind::Damaged, "document 2");
    check(|index| index[126] = 4, ErrorKind::Damaged, "document 4");
    // The lengths of several modes are passed over; another program's index is none of Megatron's.
    let (_dir, path) = megatron(|index| index.extend([0; 5]));
    let source = TokenFiles::builder([path]).documents(DocumentsBy::Index).open().unwrap();
    assert_eq!(source.len(), 4);
    let (_dir, path) = megatron(|index| index[0] = b'x');
    assert_eq!(TokenFiles::builder([path]).length(5).open().unwrap().len(), 9);
}

#[test]
fn an_index_cut_anywhere_is_refused() {
    for cut in 9..134 {
        let (_dir, path) = megatron(|index| index.truncate(cut));
        let result: Result<_> = TokenFiles::builder([path]).length(5).open();
        assert_eq!(result.unwrap_err().kind(), ErrorKind::Truncated, "{cut}");
    }
}

#[test]
fn a_file_written_to_or_cut_after_opening_is_changed() {
    for after in [u16s(1..101), u16s(0..50)] {
        let dir = written(&[("a.bin", &u16s(0..100))]);
        let path = dir.path().join("a.bin");
        let source = TokenFiles::builder([&path]).length(9).open().unwrap();
        assert_eq!(sample(&source, 10)[0].len(), 9);
        fs::write(&path, after).unwrap();
        for index in [0, 10] {
            let error = read(&source, index).unwrap_err();
            assert_eq!((error.kind(), error.index()), (ErrorKind::Changed, Some(index)), "{error}");
            assert_says(&error, &["a.bin"]);
        }
    }
}

#[test]
fn windows_larger_than_a_thread_keeps_memory_for_are_read() {
    let tokens: Vec<u8> = (0..400_000u32).flat_map(u32::to_le_bytes).collect();
    let dir = written(&[("a.bin", &tokens)]);
    let path = dir.path().join("a.bin");
    let source = TokenFiles::builder([path]).dtype(RowDType::U32).length(300_000).open().unwrap();
    let [input, target] = &sample(&source, 0)[..] else { panic!() };
    assert!((0..300_000).eq(input.iter().copied()) && (1..300_001).eq(target.iter().copied()));
}

#[test]
fn files_held_in_memory_give_the_same_samples_whatever_becomes_of_them() {
    let dir = written(&[("a.bin", &u16s(0..10)), ("b.bin", &u16s(10..25))]);
    let paths = ["a.bin", "b.bin"].map(|name| dir.path().join(name));
    let windows = || TokenFiles::builder(&paths).length(4).stride(3);
    let documents = || TokenFiles::builder(&paths).documents(DocumentsBy::LastToken(7));
    for builder in [windows(), windows().tail(Tail::Keep), windows().vocabulary(25), documents()] {
        let (read, held) = (builder.clone().open().unwrap(), builder.in_memory(50).open().unwrap());
        assert_eq!(read.fingerprint(), held.fingerprint());
        assert_eq!(read.schema(), held.schema());
        let samples = |source: &TokenFiles| -> Vec<_> {
            (0..source.len()).map(|index| sample(source, index)).collect()
        };
        assert_eq!(samples(&held), samples(&read));
        let mut extents = 0;
        held.extents(0, &mut |_| extents += 1);
        assert_eq!(extents, 0, "nothing is read any more");
        testing::check_source(&held);
    }
    let held = windows().in_memory(50).open().unwrap();
    fs::write(&paths[0], u16s([9; 10])).unwrap();
    assert_eq!(sample(&held, 2), [[6, 7, 8, 9], [7, 8, 9, 10]]);
    fs::write(&paths[0], u16s(0..10)).unwrap();
    let error = read(&windows().vocabulary(22).in_memory(50).open().unwrap(), 6).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::OutOfRange);
    assert_says(&error, &["token 12 of the file is 22"]);
    let words = &["50 bytes of tokens", "at most 49"];
    refused(windows().in_memory(49), ErrorKind::TooLarge, words);
}
