//! Folders of `.npy` files: what is read, what is refused, and that neither spoils the other.

mod common;
#[path = "common/npy.rs"]
mod npy;

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::symlink;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use common::{assert_says, bytes, in_time, read};
use npy::{floats, header, npy, with_header};
use rustix::fs::{CWD, FileType, Mode, mknodat};
use tallow_core::{ErrorKind, NpyFolders, RowDType, Source, testing};
use tempfile::TempDir;

/// A folder that holds these files.
fn folder<N: AsRef<Path>>(files: impl IntoIterator<Item = (N, Vec<u8>)>) -> TempDir {
    let dir = tempfile::tempdir().unwrap();
    for (name, contents) in files {
        let path = dir.path().join(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, contents).unwrap();
    }
    dir
}

fn names(source: &NpyFolders, root: &TempDir) -> Vec<String> {
    let root = format!("{}/", root.path().display());
    (0..source.len()).map(|i| source.name(i).replacen(&root, "", 1)).collect()
}

mod formats {
    use super::*;

    /// Every dtype: how numpy calls it, its size, and the row type that holds it.
    const DTYPES: [(&str, usize, RowDType); 12] = [
        ("b1", 1, RowDType::U8),
        ("i1", 1, RowDType::I16),
        ("u1", 1, RowDType::U8),
        ("i2", 2, RowDType::I16),
        ("u2", 2, RowDType::U16),
        ("i4", 4, RowDType::I32),
        ("u4", 4, RowDType::U32),
        ("i8", 8, RowDType::I64),
        ("u8", 8, RowDType::I64),
        ("f2", 2, RowDType::F16),
        ("f4", 4, RowDType::F32),
        ("f8", 8, RowDType::F64),
    ];

    /// Element `at` as little-endian bytes, each different from all others.
    fn element(kind: &str, size: usize, at: usize) -> Vec<u8> {
        let byte = |b: usize| (at * 16 + b + 1) as u8;
        match kind {
            "b1" => vec![(at % 2) as u8],
            "i1" => vec![byte(0).wrapping_add(0x70)],
            _ => (0..size).map(byte).collect(),
        }
    }

    fn native(kind: &str, mut element: Vec<u8>) -> Vec<u8> {
        if kind == "i1" {
            return i16::from(element[0] as i8).to_ne_bytes().to_vec();
        }
        if cfg!(target_endian = "big") {
            element.reverse();
        }
        element
    }

    fn stored(mark: char, mut element: Vec<u8>) -> Vec<u8> {
        if mark == '>' {
            element.reverse();
        }
        element
    }

    #[test]
    fn every_dtype_order_and_version_gives_the_same_row() {
        // Where each element of a row-major (2, 3) stands in a column-major file.
        const COLUMN_MAJOR: [usize; 6] = [0, 3, 1, 4, 2, 5];
        const ROW_MAJOR: [usize; 6] = [0, 1, 2, 3, 4, 5];
        for (kind, size, dtype) in DTYPES {
            let of = |at| element(kind, size, at);
            let expected: Vec<u8> = (0..6).flat_map(|at| native(kind, of(at))).collect();
            let mut files = Vec::new();
            for mark in ['<', '>'] {
                for version in [1, 2, 3] {
                    for fortran in [false, true] {
                        let order = if fortran { COLUMN_MAJOR } else { ROW_MAJOR };
                        let payload: Vec<u8> =
                            order.iter().flat_map(|&at| stored(mark, of(at))).collect();
                        let text = header(&format!("{mark}{kind}"), fortran, &[2, 3]);
                        let name = format!("{}{mark}{version}{fortran}.npy", files.len());
                        files.push((name, with_header(version, &text, &payload)));
                    }
                }
            }
            // Whichever kind of file comes first decides which way the others are read.
            for first in [0, 1, 6, 7] {
                let mut files = files.clone();
                files.push(("!first.npy".into(), files[first].1.clone()));
                let dir = folder(files);
                let source = NpyFolders::open(dir.path()).unwrap();
                assert_eq!(source.schema().fields()[0].dtype(), dtype);
                for i in 0..source.len() {
                    assert_eq!(bytes(&source, i).unwrap(), expected, "{}", source.name(i));
                }
                if first == 7 {
                    testing::check_source(&source);
                }
            }
        }
    }

    #[test]
    fn scalars_and_arrays_without_elements_are_samples() {
        for (shape, payload) in
            [(&[][..], &[1, 2, 3, 4][..]), (&[0], &[]), (&[3, 0, 1 << 40], &[]), (&[0, 7], &[])]
        {
            for fortran in [false, true] {
                let file = with_header(1, &header("<f4", fortran, shape), payload);
                let dir = folder([("a.npy", file.clone()), ("b.npy", file)]);
                let source = NpyFolders::open(dir.path()).unwrap();
                testing::check_source(&source);
                assert_eq!(read(&source, 1).unwrap().view().field(0).shape(), shape);
                assert_eq!(bytes(&source, 1).unwrap(), payload);
            }
        }
    }

    #[test]
    fn arrays_without_elements_are_samples_of_every_dtype() {
        for (kind, _, dtype) in DTYPES {
            for mark in ['<', '>'] {
                let file = npy(&format!("{mark}{kind}"), &[2, 0], &[]);
                let dir = folder([("a.npy", file)]);
                let source = NpyFolders::open(dir.path()).unwrap();
                assert_eq!(source.schema().fields()[0].dtype(), dtype);
                assert!(bytes(&source, 0).unwrap().is_empty());
            }
        }
    }

    #[test]
    fn fortran_order_of_any_rank_is_transposed() {
        let shape = [2usize, 3, 1, 4];
        let strides = [1usize, 2, 6, 6];
        let mut column_major = vec![0u8; 24];
        for at in 0..24 {
            let index = [at / 12, at / 4 % 3, 0, at % 4];
            let place: usize = index.iter().zip(strides).map(|(i, stride)| i * stride).sum();
            column_major[place] = at as u8;
        }
        let dir = folder([("a.npy", with_header(1, &header("|u1", true, &shape), &column_major))]);
        let source = NpyFolders::open(dir.path()).unwrap();
        assert_eq!(bytes(&source, 0).unwrap(), (0..24).collect::<Vec<u8>>());
    }

    #[test]
    fn unusual_headers_of_the_same_array_read_the_same() {
        let plain = "{'descr': '<u2', 'fortran_order': False, 'shape': (2,), }";
        let payload = [1, 0, 2, 1];
        let headers = [
            plain.to_owned(),
            format!("{plain}\n"),
            format!("{plain}{:1}\n", ""),
            format!("{plain}{:400}\n", ""),
            format!("{plain}{:9000}\n", ""),
            "{'shape':(2,),'fortran_order':False,'descr':'<u2'}".to_owned(),
            "{\"fortran_order\": False, \"shape\": (2,), \"descr\": \"uint16\"}".to_owned(),
            "{u'descr': u'<u2', u'fortran_order': False, u'shape': (2L,)}".to_owned(),
        ];
        let file = |(i, text): (usize, &String)| {
            let trailing = vec![0xEE; i * 100];
            let contents = with_header(if i % 2 == 0 { 1 } else { 2 }, text, &payload);
            (format!("{i}.npy"), [contents, trailing].concat())
        };
        for first in 0..headers.len() {
            let files = headers.iter().enumerate().map(file);
            let dir = folder(files.chain([("!.npy".into(), file((first, &headers[first])).1)]));
            let source = NpyFolders::open(dir.path()).unwrap();
            assert_eq!(source.len(), headers.len() + 1);
            for i in 0..source.len() {
                let buffer = read(&source, i).unwrap();
                assert_eq!(buffer.view().field(0).as_slice::<u16>().unwrap(), [1, 258]);
            }
            testing::check_source(&source);
        }
    }

    #[test]
    fn unsigned_64_bit_values_that_do_not_fit_are_errors_of_their_own_sample() {
        let of = |value: u64| npy("<u8", &[2], &[1u64.to_le_bytes(), value.to_le_bytes()].concat());
        let dir =
            folder([("a.npy", of(7)), ("b.npy", of(1 << 63)), ("c.npy", of(i64::MAX as u64))]);
        let source = NpyFolders::open(dir.path()).unwrap();
        let value =
            |index| read(&source, index).map(|b| b.view().field(0).as_slice::<i64>().unwrap()[1]);
        assert_eq!(value(0).unwrap(), 7);
        assert_eq!(value(2).unwrap(), i64::MAX);
        let error = value(1).unwrap_err();
        assert_eq!((error.kind(), error.index()), (ErrorKind::OutOfRange, Some(1)));
        assert_says(&error, &["b.npy", "element 1 is 9223372036854775808", "i64", "\"input\""]);
    }

    #[test]
    fn payloads_of_several_pieces_are_read_whole() {
        // Above the 16 MiB that one system call reads, and not a multiple of it.
        let len = (33 << 20) + 12_345;
        let payload: Vec<u8> = (0..len).map(|i| (i / 251) as u8).collect();
        let dir = folder([("a.npy", npy("|u1", &[len], &payload))]);
        let source = NpyFolders::open(dir.path()).unwrap();
        assert!(bytes(&source, 0).unwrap() == payload);
    }
}

mod hostile {
    use super::*;

    /// A good file, whose header and shape the bad ones do not share the fault of.
    fn good() -> Vec<u8> {
        floats(&[1.0, 2.0, 3.0])
    }

    /// Opens a folder where `bad` stands between good files, and first of all: the others must
    /// read, and it must be an error with its path, its index, and these words.
    fn assert_refused_alone(bad: &[u8], kind: ErrorKind, words: &[&str]) {
        for (name, index) in [("m.npy", 1), ("a.npy", 0)] {
            let dir = folder([("b.npy", good()), ("z.npy", good()), (name, bad.to_vec())]);
            let words = words.iter().map(|word| word.to_string()).collect::<Vec<_>>();
            let error = in_time(move || error_beside_good_ones(&dir, index));
            assert_eq!((error.kind(), error.index()), (kind, Some(index)), "{error}");
            assert!(error.path().unwrap().ends_with(name), "{error}");
            let words: Vec<&str> = words.iter().map(String::as_str).chain([name]).collect();
            assert_says(&error, &words);
        }
    }

    fn error_beside_good_ones(dir: &TempDir, index: usize) -> tallow_core::Error {
        let source = NpyFolders::open(dir.path()).unwrap();
        assert_eq!(source.schema().to_string(), "input: f32[3]");
        for good in (0..3).filter(|&i| i != index) {
            let buffer = read(&source, good).unwrap();
            assert_eq!(buffer.view().field(0).as_slice::<f32>().unwrap(), [1.0, 2.0, 3.0]);
        }
        read(&source, index).unwrap_err()
    }

    fn of_header(text: &str) -> Vec<u8> {
        with_header(1, text, &[0; 64])
    }

    #[test]
    fn a_file_cut_at_any_byte_says_that_it_is_truncated() {
        for fortran in [false, true] {
            let text = header(">i2", fortran, &[2, 3]);
            let whole = with_header(1, &text, b"abcdefghijkl");
            let cut = |len: usize| (format!("{len:03}.npy"), whole[..len].to_vec());
            let dir = folder((0..whole.len()).map(cut).chain([("!.npy".into(), whole.clone())]));
            let source = NpyFolders::open(dir.path()).unwrap();
            assert!(read(&source, 0).is_ok());
            for len in 0..whole.len() {
                let error = read(&source, len + 1).unwrap_err();
                let kind = if len == 0 { ErrorKind::Empty } else { ErrorKind::Truncated };
                assert_eq!(error.kind(), kind, "{len}: {error}");
                assert_says(&error, &[&format!("{len:03}.npy"), "byte"]);
            }
        }
    }

    #[test]
    fn foreign_files_show_how_they_begin() {
        let strange = b"\x00\x01\x02strange".to_vec();
        assert_refused_alone(
            &strange,
            ErrorKind::Foreign,
            &["\\x00\\x01\\x02st", "NUMPY", "byte 0"],
        );
        assert_refused_alone(b"\n", ErrorKind::Foreign, &["\\n"]);
        assert_refused_alone(b"\x93NUMPX\x01\x00", ErrorKind::Foreign, &["NUMPX"]);
        assert_refused_alone(b"\x93NUMPY\x01\x01v\x00", ErrorKind::Header, &["1.1", "byte 6"]);
        assert_refused_alone(b"\x93NUMPY\x04\x00v\x00", ErrorKind::Header, &["4.0"]);
    }

    #[test]
    fn formats_that_are_known_are_called_by_their_names() {
        let tar = [vec![b'a'; 10], vec![0; 247], b"ustar\x0000".to_vec(), vec![0; 300]].concat();
        for (foreign, words) in [
            (&b"version https://git-lfs.github.com/spec/v1\noid sha256:0"[..], "`git lfs pull`"),
            (b"PK\x03\x04 some archive", "a zip archive"),
            (b"\x1f\x8b\x08\0\0\0\0\0", "gzip data"),
            (b"<!DOCTYPE html><html>", "a web page"),
            (b"\x80\x04\x95\x10", "a pickle"),
            (b"\x89HDF\r\n\x1a\n", "an HDF5 file"),
            (b"\x89PNG\r\n\x1a\n", "a PNG image"),
            (b"\xff\xd8\xff\xe0", "a JPEG image"),
            (&tar, "a tar archive"),
            (b"\x40\0\0\0\0\0\0\0{\"x\":", "a .safetensors file"),
            (
                b"id,label\n1,\xe2\x80\xae2\n",
                "text that begins with \"id,label\\n1,\\u{202e}2\\n\"",
            ),
        ] {
            assert_refused_alone(foreign, ErrorKind::Foreign, &[words, "expected a .npy file; "]);
        }
    }

    #[test]
    fn links_that_lead_nowhere_are_errors_of_their_own_samples() {
        let dir = folder([("b.npy", good()), ("d.npy", good())]);
        symlink("/nowhere/\u{1b}x.npy", dir.path().join("a.npy")).unwrap();
        symlink("c.npy", dir.path().join("c.npy")).unwrap();
        let source = NpyFolders::open(dir.path()).unwrap();
        assert_eq!(source.schema().to_string(), "input: f32[3]");
        assert!(read(&source, 1).is_ok() && read(&source, 3).is_ok());
        let error = read(&source, 0).unwrap_err();
        assert_eq!((error.kind(), error.index()), (ErrorKind::Io, Some(0)));
        assert_says(&error, &["a.npy", "a dangling link to \"/nowhere/\\u{1b}x.npy\""]);
        assert_says(&read(&source, 2).unwrap_err(), &["c.npy", "symbolic links"]);
    }

    #[test]
    fn a_folder_of_dangling_links_says_what_they_are() {
        let dir = tempfile::tempdir().unwrap();
        symlink("nowhere", dir.path().join("a.npy")).unwrap();
        assert_says(&NpyFolders::open(dir.path()).unwrap_err(), &["a.npy", "a dangling link"]);
    }

    #[test]
    fn bytes_after_the_array_are_refused_where_none_are_allowed() {
        let mut limits = tallow_core::Limits::default();
        limits.trailing_bytes = 0;
        let rows = npy("<f4", &[10, 3], &[0; 120]);
        let two = [good(), rows.clone()].concat();
        let three = [two.clone(), npy("|u1", &[], &[7])].concat();
        let bytes = [good(), vec![0; 10]].concat();
        let cut = [good(), rows[..200].to_vec()].concat();
        for (bad, words) in [
            (two, "10 rows lie after the array's end, in a second array"),
            (three, "11 rows lie after the array's end, in 2 more arrays"),
            (bytes, "10 bytes lie after the array's end"),
            (cut, "200 bytes lie after the array's end"),
        ] {
            let dir = folder([("a.npy", bad.clone()), ("b.npy", good()), ("c.npy", bad)]);
            let open =
                |limits| NpyFolders::builder().field("input", dir.path()).limits(limits).open();
            let passing = open(tallow_core::Limits::default()).unwrap();
            assert!((0..3).all(|index| read(&passing, index).is_ok()));
            let source = open(limits).unwrap();
            let verdicts = || {
                assert!(read(&source, 1).is_ok());
                for index in [0, 2] {
                    let error = read(&source, index).unwrap_err();
                    assert_eq!(error.kind(), ErrorKind::Trailing);
                    assert_says(&error, &[words, "byte 140", "trailing data"]);
                }
            };
            verdicts();
            if words.starts_with("11") {
                // Files that rest are read another way.
                std::thread::sleep(Duration::from_millis(2100));
                verdicts();
            }
        }
    }

    #[test]
    fn dtypes_that_no_tensor_holds_are_refused_with_advice() {
        let of = |descr: &str| npy(descr, &[3], &[0; 64]);
        for (descr, advice) in [
            ("|O", "pickled"),
            ("O", "astype"),
            ("|V8", "field"),
            ("<V2", "bfloat16"),
            ("<c8", "imaginary"),
            ("<U5", "token ids"),
            ("|S3", "token ids"),
            ("<M8[ns]", "np.int64"),
            ("<f16", "float64"),
            ("<f1", "8-bit"),
        ] {
            let words = [&format!("{descr:?}")[..], advice];
            assert_refused_alone(&of(descr), ErrorKind::UnsupportedDtype, &words);
        }
        let structured = "{'descr': [('a', '<f4'), ('b', '|O')], 'fortran_order': False, \
                          'shape': (3,), }";
        let words = ["structured", "of its own"];
        assert_refused_alone(&of_header(structured), ErrorKind::UnsupportedDtype, &words);
    }

    #[test]
    fn claims_beyond_the_file_are_refused_by_their_numbers() {
        for (shape, kind, words) in [
            (&[1usize << 40][..], ErrorKind::Truncated, "4398046511104"),
            (&[4], ErrorKind::Truncated, "takes 16 bytes, the file holds 12"),
            (&[1 << 32, 1 << 32], ErrorKind::TooLarge, "address space"),
            (&[1 << 63, 2], ErrorKind::TooLarge, "address space"),
            (&[1 << 62], ErrorKind::TooLarge, "address space"),
            (&[usize::MAX, usize::MAX, 0], ErrorKind::TooLarge, "address space"),
            (&[0, 1 << 62, 1 << 62], ErrorKind::TooLarge, "address space"),
        ] {
            for fortran in [false, true] {
                let bad = with_header(1, &header("<f4", fortran, shape), &[0; 12]);
                assert_refused_alone(&bad, kind, &[words]);
            }
        }
    }

    #[test]
    fn headers_longer_than_the_file_or_the_limit_are_refused_unread() {
        let beyond = b"\x93NUMPY\x01\x00\xff\xff{'descr'".to_vec();
        assert_refused_alone(&beyond, ErrorKind::Truncated, &["65545", "byte 8"]);
        let huge = b"\x93NUMPY\x02\x00\xff\xff\xff\xff{'descr'".to_vec();
        assert_refused_alone(&huge, ErrorKind::TooLarge, &["4294967295", "65536"]);
        let over = with_header(2, &" ".repeat(70_000), &[0; 12]);
        assert_refused_alone(&over, ErrorKind::TooLarge, &["70000", "65536"]);
    }

    #[test]
    fn shapes_that_are_no_tuples_of_lengths_are_refused() {
        let of = |shape: &str| {
            of_header(&format!("{{'descr': '<f4', 'fortran_order': False, 'shape': {shape}, }}"))
        };
        for (shape, words) in [
            ("(-1,)", "decimal"),
            ("(-3,)", "decimal"),
            ("[3]", "expected '('"),
            ("3", "expected '('"),
            ("(3)", "tuple"),
            ("(3.0,)", "','"),
            ("(True,)", "decimal"),
            ("(03,)", "leading zeros"),
            ("(18446744073709551616,)", "64 bits"),
            ("(np.int64(3),)", "np.save"),
            ("(,)", "decimal"),
            ("(3,,)", "decimal"),
            ("((3,),)", "decimal"),
            (&format!("({})", "1,".repeat(65)), "rank above 64"),
        ] {
            assert_refused_alone(&of(shape), ErrorKind::Header, &[words, "byte"]);
        }
    }

    #[test]
    fn keys_other_than_the_three_once_each_are_refused() {
        for (text, words) in [
            ("", "expected '{'"),
            ("{}", "\"descr\" is missing"),
            ("{'descr': '<f4', 'fortran_order': False}", "\"shape\" is missing"),
            ("{'descr': '<f4', 'shape': (3,)}", "\"fortran_order\" is missing"),
            ("{'descr': '<f4', 'fortran_order': 'False', 'shape': (3,)}", "True or False"),
            ("{'descr': '<f4', 'fortran_order': 0, 'shape': (3,)}", "True or False"),
            ("{'descr': '<f4', 'descr': '<f4', 'fortran_order': False, 'shape': (3,)}", "twice"),
            ("{'descr': '<f4', 'fortran_order': False, 'shape': (3,), 'x': 1}", "unknown key"),
            ("{'descr': '<f4', 'fortran_order': False, 'shape': (3,)", "expected"),
            ("{'descr': '<f4', 'fortran_order': False, 'shape': (3,)}}", "nothing after"),
            ("{'descr': '<f4\0', 'fortran_order': False, 'shape': (3,)}\0", "found '\\0'"),
        ] {
            assert_refused_alone(&of_header(text), ErrorKind::Header, &[words]);
        }
        let long = of_header(&format!("{{'{}': 1}}", "k".repeat(60_000)));
        assert_refused_alone(&long, ErrorKind::Header, &["unknown key", "60000 bytes"]);
    }

    #[test]
    fn nested_brackets_take_no_time_wherever_they_stand() {
        for bracket in ["[", "(", "{", "{1:", "("] {
            let deep = bracket.repeat(20_000);
            for text in [
                deep.clone(),
                format!("{{'descr': {deep}"),
                format!("{{'descr': '<f4', 'fortran_order': {deep}"),
                format!("{{'descr': '<f4', 'fortran_order': False, 'shape': {deep}"),
                // Quotes within quotes must not reach a parser that would end the string there.
                format!(
                    "{{\"descr\": \"<f4', 'x': {deep}\", 'fortran_order': False, 'shape': (3,)}}"
                ),
                format!(
                    "{{\"descr\": \"<f4', 'x': {}\", 'fortran_order': False, 'shape': (3,)}}",
                    bracket.repeat(40)
                ),
            ] {
                let dir = folder([("a.npy", of_header(&text)), ("b.npy", good())]);
                let error = in_time(move || {
                    let source = NpyFolders::open(dir.path()).unwrap();
                    assert!(read(&source, 1).is_ok());
                    read(&source, 0).unwrap_err()
                });
                let refused = [ErrorKind::Header, ErrorKind::UnsupportedDtype];
                assert!(refused.contains(&error.kind()), "{error}");
                assert_says(&error, &["a.npy"]);
            }
        }
    }

    #[test]
    fn any_byte_of_a_header_may_be_any_other_without_a_panic() {
        let whole = good();
        let mut files = vec![("!.npy".to_owned(), whole.clone())];
        for at in 0..128 {
            for byte in *b"\x00\xff[({'\"9 ," {
                let mut changed = whole.clone();
                changed[at] = byte;
                files.push((format!("{at:03}-{byte:02x}.npy"), changed));
            }
        }
        let dir = folder(files);
        in_time(move || {
            let source = NpyFolders::open(dir.path()).unwrap();
            let read: Vec<_> = (0..source.len()).map(|i| bytes(&source, i)).collect();
            for (i, result) in read.iter().enumerate() {
                match result {
                    // A shorter header may still be one, and its padding then the payload.
                    Ok(bytes) if source.name(i).contains("/008-") => assert_eq!(bytes.len(), 12),
                    Ok(bytes) => assert_eq!(bytes[..], whole[128..], "{}", source.name(i)),
                    Err(error) => assert!(error.path().is_some() && error.index() == Some(i)),
                }
            }
            let refused = read.iter().filter(|result| result.is_err()).count();
            assert!((500..1200).contains(&refused), "{refused} refused");
        });
    }

    #[test]
    fn what_is_no_regular_file_is_refused_without_waiting_for_it() {
        let dir = folder([("a.npy", good()), ("z.npy", good())]);
        let at = |name: &str| dir.path().join(name);
        mknodat(CWD, at("fifo.npy"), FileType::Fifo, Mode::RUSR | Mode::WUSR, 0).unwrap();
        std::fs::create_dir(at("folder.npy")).unwrap();
        let _socket = std::os::unix::net::UnixListener::bind(at("socket.npy")).unwrap();
        symlink("/dev/zero", at("device.npy")).unwrap();
        symlink("fifo.npy", at("link.npy")).unwrap();
        symlink("nowhere", at("dangling.npy")).unwrap();
        symlink("round.npy", at("round.npy")).unwrap();
        symlink("a.npy", at("fine.npy")).unwrap();
        let expected = [
            ("a.npy", None),
            ("dangling.npy", Some((ErrorKind::Io, "a dangling link to \"nowhere\""))),
            ("device.npy", Some((ErrorKind::NotRegular, "a device"))),
            ("fifo.npy", Some((ErrorKind::NotRegular, "a FIFO"))),
            ("fine.npy", None),
            ("folder.npy", Some((ErrorKind::NotRegular, "a directory"))),
            ("link.npy", Some((ErrorKind::NotRegular, "a FIFO"))),
            ("round.npy", Some((ErrorKind::Io, "symbolic link"))),
            ("socket.npy", Some((ErrorKind::NotRegular, "a socket"))),
            ("z.npy", None),
        ];
        in_time(move || {
            let source = NpyFolders::open(dir.path()).unwrap();
            assert_eq!(names(&source, &dir), expected.map(|(name, _)| name));
            for (i, (name, refused)) in expected.into_iter().enumerate() {
                match (read(&source, i), refused) {
                    (Ok(_), None) => {}
                    (Err(error), Some((kind, words))) => {
                        assert_eq!(error.kind(), kind, "{error}");
                        assert_says(&error, &[name, words]);
                    }
                    (result, _) => panic!("{name}: {result:?}"),
                }
            }
        });
    }

    #[test]
    fn an_unreadable_file_is_an_error_of_its_own() {
        if rustix::process::geteuid().is_root() {
            // Root reads everything.
            return;
        }
        use std::os::unix::fs::PermissionsExt;
        let dir = folder([("a.npy", good()), ("b.npy", good())]);
        let none = std::fs::Permissions::from_mode(0o000);
        std::fs::set_permissions(dir.path().join("a.npy"), none).unwrap();
        let source = NpyFolders::open(dir.path()).unwrap();
        assert!(read(&source, 1).is_ok());
        assert_says(&read(&source, 0).unwrap_err(), &["a.npy", "ermission denied"]);
    }

    #[test]
    fn a_file_of_another_shape_or_dtype_names_the_file_it_differs_from() {
        for (bad, kind, words) in [
            (floats(&[1.0; 4]), ErrorKind::ShapeMismatch, "f32[4]"),
            (floats(&[1.0; 2]), ErrorKind::ShapeMismatch, "f32[2]"),
            (npy("<f4", &[], &[0; 4]), ErrorKind::ShapeMismatch, "f32[]"),
            (npy("<f4", &[1, 3], &[0; 12]), ErrorKind::ShapeMismatch, "f32[1, 3]"),
            (npy("<i4", &[3], &[0; 12]), ErrorKind::DtypeMismatch, "i32[3]"),
            (npy("<f8", &[3], &[0; 24]), ErrorKind::DtypeMismatch, "f64[3]"),
        ] {
            let dir = folder([("a.npy", good()), ("b.npy", bad), ("c.npy", good())]);
            let source = NpyFolders::open(dir.path()).unwrap();
            let error = read(&source, 1).unwrap_err();
            assert_eq!(error.kind(), kind);
            assert_says(&error, &["b.npy", "a.npy", words, "f32[3]", "\"input\"", "sample 1"]);
            assert!(read(&source, 0).is_ok() && read(&source, 2).is_ok());
        }
    }

    #[test]
    fn a_first_file_above_the_limit_does_not_spoil_the_rest() {
        let mut limits = tallow_core::Limits::default();
        limits.sample_bytes = 100;
        let dir = folder([("a.npy", floats(&[0.0; 26])), ("b.npy", good()), ("c.npy", good())]);
        let open = || NpyFolders::builder().field("input", dir.path()).limits(limits).open();
        let source = open().unwrap();
        assert_eq!(source.schema().to_string(), "input: f32[3]");
        assert!(read(&source, 0).is_err() && read(&source, 1).is_ok());
        std::fs::remove_file(dir.path().join("b.npy")).unwrap();
        std::fs::remove_file(dir.path().join("c.npy")).unwrap();
        assert_says(&open().unwrap_err(), &["a.npy", "104 bytes", "at most 100"]);
    }

    #[test]
    fn a_folder_of_nothing_readable_says_what_is_wrong_with_its_first_file() {
        let dir = folder([("b.npy", b"bad".to_vec()), ("c.npy", vec![])]);
        let error = NpyFolders::open(dir.path()).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Foreign);
        assert_says(&error, &["b.npy"]);
        let none = folder([("a.txt", vec![]), (".b.npy", vec![])]);
        let error = NpyFolders::open(none.path()).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Empty);
        assert_says(&error, &["no .npy file", "2 other entries"]);
        let error = NpyFolders::open(none.path().join("missing")).unwrap_err();
        assert_says(&error, &["missing", "No such file"]);
        let error = NpyFolders::open(none.path().join("a.txt")).unwrap_err();
        assert_says(&error, &["a.txt", "ot a directory"]);
    }
}

mod changing {
    use super::*;

    const LEN: usize = 100_000;

    fn filled(value: u8) -> Vec<u8> {
        npy("|u1", &[LEN], &[value; LEN])
    }

    /// Reads a file over and over while `write` changes it; each sample that is given must be one
    /// that was written. Returns how many were.
    fn whole_samples_while(write: impl Fn(&Path, u8) + Send + Sync) -> usize {
        let dir = folder([("a.npy", filled(0)), ("b.npy", filled(9))]);
        let source = NpyFolders::open(dir.path()).unwrap();
        let stop = AtomicBool::new(false);
        std::thread::scope(|scope| {
            scope.spawn(|| {
                let values = (0..=255u8).cycle().take_while(|_| !stop.load(Ordering::Relaxed));
                values.for_each(|value| write(&dir.path().join("a.npy"), value));
            });
            let _ended = EndOnDrop(&stop);
            let end = Instant::now() + Duration::from_millis(300);
            let mut whole = 0;
            while Instant::now() < end {
                match bytes(&source, 0) {
                    Ok(sample) => {
                        assert!(sample.iter().all(|&byte| byte == sample[0]), "a torn sample");
                        whole += 1;
                    }
                    Err(error) => assert_says(&error, &["a.npy"]),
                }
                assert_eq!(bytes(&source, 1).unwrap(), [9; LEN]);
            }
            whole
        })
    }

    /// Ends the writer when the reader is through, failed assertions included.
    struct EndOnDrop<'a>(&'a AtomicBool);

    impl Drop for EndOnDrop<'_> {
        fn drop(&mut self) {
            self.0.store(true, Ordering::Relaxed);
        }
    }

    #[test]
    fn a_file_replaced_by_renaming_is_always_one_or_the_other() {
        let whole = whole_samples_while(|path, value| {
            let fresh = path.with_extension("tmp");
            std::fs::write(&fresh, filled(value)).unwrap();
            std::fs::rename(&fresh, path).unwrap();
        });
        assert!(whole > 0);
    }

    #[test]
    fn a_file_cut_and_written_again_is_never_torn() {
        whole_samples_while(|path, value| std::fs::write(path, filled(value)).unwrap());
    }

    #[test]
    fn a_file_written_in_place_is_read_once_it_rests() {
        use std::os::unix::fs::FileExt;
        let dir = folder([("a.npy", filled(0)), ("b.npy", filled(9))]);
        let source = NpyFolders::open(dir.path()).unwrap();
        for value in 1..4 {
            let file = std::fs::File::options().write(true).open(dir.path().join("a.npy")).unwrap();
            file.write_all_at(&[value; LEN], 128).unwrap();
            let written = Instant::now();
            assert_eq!(bytes(&source, 0).unwrap(), [value; LEN]);
            // The stamp of a write is that of its beginning: sooner, it might still go on.
            assert!(written.elapsed() > Duration::from_millis(5), "{:?}", written.elapsed());
        }
    }

    #[test]
    fn a_file_whose_modification_time_is_set_back_is_read_once_it_rests() {
        use std::os::unix::fs::FileExt;
        let dir = folder([("a.npy", filled(0)), ("b.npy", filled(9))]);
        let source = NpyFolders::open(dir.path()).unwrap();
        let file = std::fs::File::options().write(true).open(dir.path().join("a.npy")).unwrap();
        file.write_all_at(&[1; LEN], 128).unwrap();
        let written = Instant::now();
        file.set_modified(std::time::SystemTime::UNIX_EPOCH).unwrap();
        assert_eq!(bytes(&source, 0).unwrap(), [1; LEN]);
        assert!(written.elapsed() > Duration::from_millis(15), "{:?}", written.elapsed());
    }

    #[test]
    fn files_that_are_renamed_and_linked_all_the_while_are_read() {
        let dir = folder([("a.npy", filled(7))]);
        let source = NpyFolders::open(dir.path()).unwrap();
        let path = dir.path().join("a.npy");
        for round in 0..3 {
            std::fs::hard_link(&path, dir.path().join(format!("{round}.link"))).unwrap();
            assert_eq!(bytes(&source, 0).unwrap(), [7; LEN]);
        }
    }

    #[test]
    fn a_file_that_becomes_another_kind_after_opening_is_refused() {
        let dir = folder([("a.npy", filled(0)), ("b.npy", filled(1))]);
        let source = NpyFolders::open(dir.path()).unwrap();
        let path = dir.path().join("b.npy");
        std::fs::remove_file(&path).unwrap();
        assert_says(&read(&source, 1).unwrap_err(), &["b.npy", "No such file"]);
        mknodat(CWD, &path, FileType::Fifo, Mode::RUSR | Mode::WUSR, 0).unwrap();
        let error = in_time(move || read(&source, 1).unwrap_err());
        assert_eq!(error.kind(), ErrorKind::NotRegular);
    }
}

mod pairing {
    use super::*;

    fn one(value: f32) -> Vec<u8> {
        floats(&[value])
    }

    /// The values of both fields, for every sample.
    fn pairs(source: &NpyFolders) -> Vec<(f32, f32)> {
        let value = |i: usize, field: usize| {
            read(source, i).unwrap().view().field(field).as_slice::<f32>().unwrap()[0]
        };
        (0..source.len()).map(|i| (value(i, 0), value(i, 1))).collect()
    }

    #[test]
    fn partners_share_their_stem_whatever_was_created_first() {
        let dir = folder([
            ("output/b.NPY", one(20.0)),
            ("input/c.npy", one(3.0)),
            ("input/a.x.npy", one(1.0)),
            ("output/c.npy", one(30.0)),
            ("input/b.npy", one(2.0)),
            ("output/a.x.Npy", one(10.0)),
            ("output/.c.npy", one(0.0)),
            ("input/._a.npy", one(0.0)),
            ("input/readme.txt", vec![]),
        ]);
        let source = NpyFolders::pairs(dir.path()).unwrap();
        assert_eq!(pairs(&source), [(1.0, 10.0), (2.0, 20.0), (3.0, 30.0)]);
        assert_eq!(source.ignored(), 3);
        assert_eq!(source.schema().to_string(), "input: f32[1]; target: f32[1]");
        testing::check_source(&source);
    }

    #[test]
    fn the_order_is_of_bytes_and_not_of_creation() {
        let names_of = |order: &[&str]| {
            let dir = folder(order.iter().map(|name| (name, one(0.0))));
            let source = NpyFolders::open(dir.path()).unwrap();
            (names(&source, &dir), source.fingerprint())
        };
        let (forwards, fingerprint) = names_of(&["10.npy", "9.npy", "A.npy", "a.npy", "é.npy"]);
        let (backwards, same) = names_of(&["é.npy", "a.npy", "A.npy", "9.npy", "10.npy"]);
        assert_eq!(forwards, ["10.npy", "9.npy", "A.npy", "a.npy", "é.npy"]);
        assert_eq!((backwards, same), (forwards, fingerprint));
        assert_ne!(names_of(&["10.npy", "9.npy", "A.npy", "a.npy", "e.npy"]).1, fingerprint);
    }

    #[test]
    fn missing_extra_and_duplicate_partners_are_listed_before_anything_is_read() {
        let dir = folder([
            ("input/a.npy", one(1.0)),
            ("input/b.npy", one(2.0)),
            ("input/c.npy", one(3.0)),
            ("output/b.npy", one(20.0)),
            ("output/c.npy", one(30.0)),
            ("output/c.NPY", one(31.0)),
            ("output/d.npy", one(40.0)),
        ]);
        let error = NpyFolders::pairs(dir.path()).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Duplicate);
        let words = ["input/a.npy", "output/d.npy", "no partner", "c.NPY", "same stem"];
        assert_says(&error, &words);
        let builder = NpyFolders::builder().field("input", dir.path().join("input"));
        let survey = builder.field("target", dir.path().join("output")).survey().unwrap();
        assert_eq!(survey.problems.len(), 3);
        assert_eq!(pairs(&survey.source), [(2.0, 20.0), (3.0, 31.0)]);
    }

    #[test]
    fn long_lists_of_missing_partners_show_ten_and_the_number() {
        let inputs = (0..40).map(|i| (format!("input/{i:02}.npy"), one(0.0)));
        let dir = folder(inputs.chain([("output/07.npy".to_owned(), one(0.0))]));
        let error = NpyFolders::pairs(dir.path()).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Unpaired);
        let text = error.to_string();
        assert!(text.contains("unpaired: 39 files have no partner: "), "{text}");
        assert!(text.contains("39 in all"), "{text}");
        assert!(text.contains("10.npy") && !text.contains("11.npy"), "{text}");
    }

    #[test]
    fn a_pattern_says_what_partners_share() {
        let dir = folder([
            ("input/s1.npy", one(1.0)),
            ("input/s2.npy", one(2.0)),
            ("output/s1_mask.npy", one(10.0)),
            ("output/s2_mask.NPY", one(20.0)),
            ("output/readme.npy", one(0.0)),
        ]);
        let builder = NpyFolders::builder().field("input", dir.path().join("input"));
        let builder = builder.field("target", dir.path().join("output"));
        let source = builder.clone().pattern("target", "*_mask").open().unwrap();
        assert_eq!(pairs(&source), [(1.0, 10.0), (2.0, 20.0)]);
        assert_eq!(source.ignored(), 1);
        testing::check_source(&source);
        for (field, pattern, words) in [
            ("target", "_mask", "a pattern \"_mask\", expected a name with one '*'"),
            ("target", "**", "with one '*'"),
            ("target", "x/*", "with one '*'"),
            ("label", "*", "a pattern of \"label\", which is no field"),
        ] {
            let error = builder.clone().pattern(field, pattern).open().unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Config);
            assert_says(&error, &[words]);
        }
    }

    #[test]
    fn patterns_take_two_fields_out_of_one_folder_of_folders() {
        let dir = folder([
            ("b/img_1.npy", one(3.0)),
            ("b/mask_1.npy", one(30.0)),
            ("a/img_2.npy", one(2.0)),
            ("a/mask_2.npy", one(20.0)),
            ("a/img_1.npy", one(1.0)),
            ("a/mask_1.npy", one(10.0)),
        ]);
        let builder = NpyFolders::builder().field("input", dir.path()).field("target", dir.path());
        let builder = builder.pattern("input", "img_*").pattern("target", "mask_*").recursive();
        let source = builder.open().unwrap();
        assert_eq!(pairs(&source), [(1.0, 10.0), (2.0, 20.0), (3.0, 30.0)]);
    }

    #[test]
    fn names_that_are_alike_are_told_with_what_to_do() {
        for (inputs, outputs, words) in [
            (
                &["s0", "s1", "s2"][..],
                &["s0_mask", "s1_mask", "s2_mask"][..],
                "the names are those of * and *_mask: add .pattern(\"target\", \"*_mask\")",
            ),
            (
                &["img_0", "img_1"],
                &["seg_0", "seg_1"],
                ".pattern(\"input\", \"img*\") and .pattern(\"target\", \"seg*\")",
            ),
            (&["caf\u{e9}"], &["cafe\u{301}"], "equal up to Unicode normalization"),
            (&["Cat", "dog"], &["cat", "dog"], "equal up to case: rename"),
        ] {
            let file = |folder: &str, stem: &&str| (format!("{folder}/{stem}.npy"), one(0.0));
            let inputs = inputs.iter().map(|stem| file("input", stem));
            let dir = folder(inputs.chain(outputs.iter().map(|stem| file("output", stem))));
            let error = NpyFolders::pairs(dir.path()).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Unpaired);
            assert_says(&error, &["unpaired: ", " files have no partner: ", words]);
        }
    }

    #[test]
    fn folders_that_share_no_stem_are_refused() {
        let dir = folder([("input/a.npy", one(0.0)), ("output/b.npy", one(0.0))]);
        let error = NpyFolders::pairs(dir.path()).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Unpaired);
        assert_says(&error, &["input/a.npy", "output/b.npy"]);
    }

    #[test]
    fn recursive_partners_share_their_path() {
        let dir = folder([
            ("input/b/x.npy", one(1.0)),
            ("input/a/x.npy", one(2.0)),
            ("input/x.npy", one(3.0)),
            ("input/.hidden/x.npy", one(0.0)),
            ("output/x.npy", one(30.0)),
            ("output/b/x.npy", one(10.0)),
            ("output/a/x.NPY", one(20.0)),
        ]);
        let builder = NpyFolders::builder().field("input", dir.path().join("input"));
        let builder = builder.field("target", dir.path().join("output"));
        let source = builder.clone().recursive().open().unwrap();
        assert_eq!(pairs(&source), [(2.0, 20.0), (1.0, 10.0), (3.0, 30.0)]);
        testing::check_source(&source);
        assert_eq!(pairs(&builder.clone().open().unwrap()), [(3.0, 30.0)]);
        std::fs::rename(dir.path().join("output/b"), dir.path().join("output/c")).unwrap();
        let error = builder.recursive().open().unwrap_err();
        assert_says(&error, &["input/b/x.npy", "output/c/x.npy", "2 files"]);
    }

    #[test]
    fn folders_that_link_to_each_other_are_listed_within_a_bound() {
        let dir = tempfile::tempdir().unwrap();
        let at = |i: usize| dir.path().join(format!("d{i}"));
        (0..14).for_each(|i| std::fs::create_dir(at(i)).unwrap());
        for i in 0..14 {
            for j in 0..14 {
                symlink(at(j), at(i).join(format!("to{j}"))).unwrap();
            }
        }
        std::fs::write(at(3).join("x.npy"), one(1.0)).unwrap();
        let error = in_time(move || {
            NpyFolders::builder().field("input", dir.path()).recursive().open().unwrap_err()
        });
        assert_eq!(error.kind(), ErrorKind::TooLarge);
        assert_says(&error, &["links", "4096"]);
    }

    #[test]
    fn two_links_to_one_folder_are_two_names_for_its_files() {
        let dir = folder([("data/x.npy", one(1.0))]);
        symlink("data", dir.path().join("more")).unwrap();
        symlink("..", dir.path().join("data/up")).unwrap();
        let source = NpyFolders::builder().field("input", dir.path()).recursive().open().unwrap();
        assert_eq!(names(&source, &dir), ["data/x.npy", "more/x.npy"]);
    }

    #[test]
    fn three_folders_pair_like_two() {
        let files = ["x", "y", "z"].map(|f| ["a", "b"].map(|s| (format!("{f}/{s}.npy"), one(0.0))));
        let dir = folder(files.into_iter().flatten());
        let open = || {
            let folders = ["x", "y", "z"].into_iter();
            let add =
                |b: tallow_core::NpyFoldersBuilder, name| b.field(name, dir.path().join(name));
            folders.fold(NpyFolders::builder(), add).open()
        };
        let source = open().unwrap();
        assert_eq!(source.schema().to_string(), "x: f32[1]; y: f32[1]; z: f32[1]");
        testing::check_source(&source);
        std::fs::remove_file(dir.path().join("z/a.npy")).unwrap();
        let error = open().unwrap_err();
        assert_says(&error, &["x/a.npy", "y/a.npy", "2 files have no partner"]);
    }

    #[test]
    fn names_are_bytes_not_text() {
        let raw = |bytes: &[u8]| Path::new("input").join(OsStr::from_bytes(bytes));
        let composed = "\u{e9}.npy".as_bytes();
        let decomposed = "e\u{301}.npy".as_bytes();
        let strange = b"\xff\xfe\n.npy".as_slice();
        let mut files = vec![];
        for (i, name) in [composed, decomposed, strange].into_iter().enumerate() {
            files.push((raw(name), one(i as f32)));
            files.push((Path::new("output").join(OsStr::from_bytes(name)), one(i as f32)));
        }
        let dir = folder(files);
        let source = NpyFolders::pairs(dir.path()).unwrap();
        assert_eq!(pairs(&source), [(1.0, 1.0), (0.0, 0.0), (2.0, 2.0)]);
        testing::check_source(&source);
        std::fs::remove_file(dir.path().join("output").join(OsStr::from_bytes(composed))).unwrap();
        std::fs::remove_file(dir.path().join(raw(strange))).unwrap();
        let error = NpyFolders::pairs(dir.path()).unwrap_err();
        // The decomposed name is no partner of the composed one, and nothing breaks the line.
        assert_says(&error, &["input/\u{e9}.npy", "\\xFF\\xFE\\n.npy", "2 files"]);
    }
}

mod ragged {
    use super::*;

    fn rows(len: usize) -> Vec<u8> {
        let payload: Vec<u8> = (0..len * 2).map(|i| i as u8).collect();
        npy("|u1", &[len, 2], &payload)
    }

    fn open(dir: &TempDir) -> tallow_core::Result<NpyFolders> {
        NpyFolders::builder().field("input", dir.path()).ragged("input", 0, 5).open()
    }

    #[test]
    fn each_sample_has_its_own_length_whatever_was_read_before() {
        let lens = [3usize, 5, 0, 1, 5, 2];
        let dir = folder(lens.iter().enumerate().map(|(i, &len)| (format!("{i}.npy"), rows(len))));
        let source = open(&dir).unwrap();
        assert_eq!(source.schema().to_string(), "input: u8[..=5, 2]");
        let mut buffer = tallow_core::RowBuffer::new(source.schema()).unwrap();
        for index in [1, 0, 2, 3, 4, 5, 0] {
            let mut row = buffer.row(None);
            source.read(index, &mut row).unwrap();
            row.finish().unwrap();
            let expected: Vec<u8> = (0..lens[index] * 2).map(|i| i as u8).collect();
            assert_eq!(buffer.view().field(0).shape(), [lens[index], 2]);
            assert_eq!(buffer.view().field(0).bytes(), expected);
        }
        testing::check_source(&source);
    }

    #[test]
    fn an_extent_holds_the_longest_sample() {
        let dir = folder([("a.npy", rows(1)), ("b.npy", rows(5))]);
        let source = open(&dir).unwrap();
        for index in 0..2 {
            let mut extents = Vec::new();
            source.extents(index, &mut |extent| extents.push(extent.clone()));
            let [extent] = &extents[..] else { panic!("one file") };
            assert!(extent.is_whole() && extent.bytes() == rows(5).len(), "{extent:?}");
        }
    }

    #[test]
    fn trailing_bytes_are_no_part_of_a_short_sample() {
        let dir = folder([("a.npy", [rows(2), vec![0xEE; 100]].concat()), ("b.npy", rows(5))]);
        let source = open(&dir).unwrap();
        assert_eq!(bytes(&source, 0).unwrap(), [0, 1, 2, 3]);
        testing::check_source(&source);
    }

    #[test]
    fn samples_too_long_or_of_another_rank_are_refused() {
        for (bad, words) in [
            (rows(6), "[6, 2]"),
            (npy("|u1", &[3, 3], &[0; 9]), "[3, 3]"),
            (npy("|u1", &[3], &[0; 3]), "[3]"),
            (npy("|u1", &[3, 2, 1], &[0; 6]), "[3, 2, 1]"),
        ] {
            let dir = folder([("a.npy", rows(2)), ("b.npy", bad), ("c.npy", rows(4))]);
            let source = open(&dir).unwrap();
            let error = read(&source, 1).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::ShapeMismatch);
            assert_says(&error, &["b.npy", "a.npy", words, "u8[..=5, 2]"]);
            assert!(read(&source, 0).is_ok() && read(&source, 2).is_ok());
        }
        let dir = folder([("a.npy", rows(6)), ("b.npy", rows(1))]);
        let source = open(&dir).unwrap();
        assert!(read(&source, 0).is_err() && read(&source, 1).is_ok());
    }

    #[test]
    fn axes_that_do_not_exist_and_maxima_without_bounds_are_refused() {
        let dir = folder([("a.npy", rows(2))]);
        let builder = || NpyFolders::builder().field("input", dir.path());
        let error = builder().ragged("input", 2, 5).open().unwrap_err();
        assert_says(&error, &["axis 2", "[2, 2]"]);
        assert_says(&builder().ragged("x", 0, 5).open().unwrap_err(), &["\"x\"", "no field"]);
        let error = builder().ragged("input", 0, usize::MAX).open().unwrap_err();
        assert_eq!(error.kind(), ErrorKind::TooLarge);
        assert_says(&error, &["address space"]);
    }
}

/// Files that were not written to for two seconds are read the short way, fresh ones the long way.
#[test]
fn files_that_rest_are_judged_like_fresh_ones() {
    let whole = floats(&[0.0, 1.0]);
    let dir = folder([
        ("a.npy", whole.clone()),
        ("b.npy", whole[..whole.len() - 1].to_vec()),
        ("c.npy", floats(&[1.0, 2.0, 3.0])),
        ("d.npy", npy(">f4", &[2], &[0x3f, 0x80, 0, 0, 0x40, 0, 0, 0])),
        ("e.npy", b"foreign".to_vec()),
        ("g.npy", floats(&[7.0, 1.0])),
    ]);
    std::fs::create_dir(dir.path().join("f.npy")).unwrap();
    let source = NpyFolders::open(dir.path()).unwrap();
    let verdicts = || -> Vec<_> {
        (0..source.len()).map(|index| bytes(&source, index).map_err(|e| e.kind())).collect()
    };
    let fresh = verdicts();
    let values = |values: [f32; 2]| Ok(values.map(f32::to_ne_bytes).concat());
    let expected = [
        values([0.0, 1.0]),
        Err(ErrorKind::Truncated),
        Err(ErrorKind::ShapeMismatch),
        values([1.0, 2.0]),
        Err(ErrorKind::Foreign),
        Err(ErrorKind::NotRegular),
        values([7.0, 1.0]),
    ];
    assert_eq!(fresh, expected);
    std::thread::sleep(std::time::Duration::from_millis(2100));
    assert_eq!(verdicts(), expected);
}
