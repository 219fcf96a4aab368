//! One `.npy` file as a source of its rows.

mod common;
#[path = "common/npy.rs"]
mod npy;

use std::path::PathBuf;

use common::{assert_says, bytes, in_time, read};
use npy::{floats, header, npy, with_header};
use tallow_core::{Error, ErrorKind, NpyFile, Source, testing};
use tempfile::TempDir;

fn written(contents: &[u8]) -> (TempDir, PathBuf) {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("all.npy");
    std::fs::write(&path, contents).unwrap();
    (dir, path)
}

fn refused(contents: &[u8]) -> Error {
    let (_dir, path) = written(contents);
    let error = in_time(move || NpyFile::open(path)).unwrap_err();
    assert_says(&error, &["all.npy"]);
    error
}

#[test]
fn rows_are_the_same_in_every_order_and_byte_order() {
    let element = |mark: char, at: u16| match mark {
        '<' => (at * 257 + 1).to_le_bytes(),
        _ => (at * 257 + 1).to_be_bytes(),
    };
    for mark in ['<', '>'] {
        for fortran in [false, true] {
            let order: Vec<u16> = match fortran {
                false => (0..12).collect(),
                // Element (row, column) of (4, 3) is at row + 4 * column.
                true => (0..12).map(|at| at % 4 * 3 + at / 4).collect(),
            };
            let payload: Vec<u8> = order.iter().flat_map(|&at| element(mark, at)).collect();
            let text = header(&format!("{mark}i2"), fortran, &[4, 3]);
            // What follows the payload is nobody's business.
            let (_dir, path) = written(&[with_header(1, &text, &payload), vec![0xEE; 40]].concat());
            let source = NpyFile::open(path).unwrap().named("x").unwrap();
            assert_eq!(source.schema().to_string(), "x: i16[3]");
            testing::check_source(&source);
            let row = read(&source, 2).unwrap();
            assert_eq!(row.view().field(0).as_slice::<i16>().unwrap(), [1543, 1800, 2057]);
        }
    }
}

#[test]
fn narrow_integers_are_widened_in_either_order() {
    for fortran in [false, true] {
        let text = header("|i1", fortran, &[2, 2]);
        let (_dir, path) = written(&with_header(3, &text, &[0x80, 1, 2, 0xff]));
        let source = NpyFile::open(path).unwrap();
        testing::check_source(&source);
        let row = read(&source, 1).unwrap();
        let expected = if fortran { [1, -1] } else { [2, -1] };
        assert_eq!(row.view().field(0).as_slice::<i16>().unwrap(), expected);
    }
}

#[test]
fn a_value_above_i64_is_an_error_of_its_own_sample() {
    for (mark, fortran) in [('<', false), ('>', false), ('<', true), ('>', true)] {
        let values = [1, 2, u64::MAX, 3];
        let stored =
            |value: u64| if mark == '<' { value.to_le_bytes() } else { value.to_be_bytes() };
        let text = header(&format!("{mark}u8"), fortran, &[2, 2]);
        let (_dir, path) = written(&with_header(1, &text, &values.map(stored).concat()));
        let source = NpyFile::open(path).unwrap();
        let (good, bad) = if fortran { (1, 0) } else { (0, 1) };
        assert!(read(&source, good).is_ok());
        let error = read(&source, bad).unwrap_err();
        assert_eq!((error.kind(), error.index()), (ErrorKind::OutOfRange, Some(bad)));
        assert_says(&error, &["all.npy", "18446744073709551615", "\"input\""]);
    }
}

#[test]
fn scalars_are_refused_and_empty_axes_are_not() {
    let error = refused(&npy("<f4", &[], &[0; 4]));
    assert_eq!(error.kind(), ErrorKind::ShapeMismatch);
    assert_says(&error, &["scalar", "first axis"]);
    for (shape, len) in [(&[0, 3][..], 0), (&[3, 0], 3), (&[0], 0)] {
        let (_dir, path) = written(&npy("<f4", shape, &[]));
        let source = NpyFile::open(path).unwrap();
        assert_eq!(source.len(), len);
        testing::check_source(&source);
    }
}

#[test]
fn a_file_cut_at_any_byte_is_refused() {
    let whole = floats(&[1.0, 2.0]);
    for len in 0..whole.len() {
        let kind = if len == 0 { ErrorKind::Empty } else { ErrorKind::Truncated };
        assert_eq!(refused(&whole[..len]).kind(), kind, "{len}");
    }
}

#[test]
fn hostile_headers_are_refused_at_once() {
    let brackets = "[".repeat(50);
    let quotes =
        format!("{{\"descr\": \"<f4', 'x': {brackets}\", 'fortran_order': False, 'shape': (1,)}}");
    let error = refused(&with_header(1, &quotes, &[0; 8]));
    assert_eq!(error.kind(), ErrorKind::UnsupportedDtype);
    assert_eq!(refused(&npy("|O", &[1], &[0; 8])).kind(), ErrorKind::UnsupportedDtype);
    assert_eq!(refused(&npy("<f4", &[1 << 40], &[0; 8])).kind(), ErrorKind::Truncated);
    assert_eq!(refused(&npy("<f4", &[0, 1 << 62], &[0; 8])).kind(), ErrorKind::TooLarge);
    let (dir, _) = written(&[]);
    assert_eq!(NpyFile::open(dir.path()).unwrap_err().kind(), ErrorKind::NotRegular);
}

#[test]
fn a_fortran_file_above_the_limit_says_what_to_do() {
    let mut limits = tallow_core::Limits::default();
    limits.sample_bytes = 11;
    let (_dir, path) = written(&with_header(1, &header("|u1", true, &[3, 4]), &[0; 12]));
    let error = NpyFile::with_limits(&path, limits).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::TooLarge);
    assert_says(&error, &["all.npy", "12 bytes", "at most 11", "ascontiguousarray"]);
    let (_dir, path) = written(&with_header(1, &header(">i2", false, &[6, 2]), &[0; 24]));
    let source = NpyFile::with_limits(&path, limits).unwrap();
    assert_eq!(bytes(&source, 5).unwrap(), [0; 4]);
}

#[test]
fn a_file_written_to_or_cut_after_opening_is_changed() {
    for mark in ['<', '>'] {
        for cut in [None, Some(0), Some(130), Some(139)] {
            let contents = npy(&format!("{mark}f4"), &[3], &[1; 12]);
            let (_dir, path) = written(&contents);
            let source = NpyFile::open(&path).unwrap();
            assert!(read(&source, 2).is_ok());
            match cut {
                Some(len) => {
                    std::fs::File::options().write(true).open(&path).unwrap().set_len(len).unwrap();
                }
                None => std::fs::write(&path, &contents).unwrap(),
            }
            let error = read(&source, 2).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Changed, "{cut:?}: {error}");
            assert_says(&error, &["all.npy", "sample 2", "written to"]);
        }
    }
}

#[test]
fn a_change_of_status_alone_is_no_change() {
    use std::os::unix::fs::{FileExt, PermissionsExt};
    let (dir, path) = written(&floats(&[1.0, 2.0]));
    let source = NpyFile::open(&path).unwrap();
    let value = || read(&source, 1).map(|row| row.view().field(0).as_slice::<f32>().unwrap()[0]);
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o600)).unwrap();
    assert_eq!((value().unwrap(), value().unwrap()), (2.0, 2.0));
    std::fs::hard_link(&path, dir.path().join("link")).unwrap();
    assert_eq!(value().unwrap(), 2.0);
    // A write whose time was set back is seen too: a sample is one or the other.
    let modified = std::fs::metadata(&path).unwrap().modified().unwrap();
    let file = std::fs::File::options().write(true).open(&path).unwrap();
    file.write_all_at(&7f32.to_le_bytes(), 132).unwrap();
    file.set_modified(modified).unwrap();
    assert_eq!(value().unwrap(), 7.0);
    file.write_all_at(&floats(&[1.0, 2.0, 3.0])[..128], 0).unwrap();
    file.set_modified(modified).unwrap();
    let error = read(&source, 1).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Changed, "another header: {error}");
}

#[test]
fn bytes_after_the_array_are_refused_where_none_are_allowed() {
    let mut limits = tallow_core::Limits::default();
    limits.trailing_bytes = 0;
    let (_dir, path) = written(&[floats(&[1.0, 2.0]), floats(&[3.0])].concat());
    assert_eq!(NpyFile::open(&path).unwrap().len(), 2);
    let error = NpyFile::with_limits(&path, limits).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Trailing);
    assert_says(&error, &["1 row lies after the array's end, in a second array", "byte 136"]);
    limits.trailing_bytes = 132;
    assert!(NpyFile::with_limits(&path, limits).is_ok());
}

#[test]
fn rows_without_bytes_are_only_so_many() {
    let error = refused(&npy("<f4", &[1 << 40, 0], &[]));
    assert_eq!(error.kind(), ErrorKind::TooLarge);
    assert_says(&error, &["1099511627776 samples of input: f32[0], which take no bytes"]);
    let (_dir, path) = written(&npy("<f4", &[1 << 32, 0], &[]));
    assert_eq!(NpyFile::open(path).unwrap().len(), 1 << 32);
}

#[test]
fn sources_of_other_lengths_are_both_named() {
    use tallow_core::SourceExt;
    let (_dir, three) = written(&floats(&[1.0, 2.0, 3.0]));
    let dir = tempfile::tempdir().unwrap();
    let two = dir.path().join("two.npy");
    std::fs::write(&two, floats(&[1.0, 2.0])).unwrap();
    let second = NpyFile::open(&two).unwrap().named("target").unwrap();
    let error = NpyFile::open(&three).unwrap().zip(second).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::ShapeMismatch);
    assert_says(&error, &["found 2 samples", "two.npy", "as many as 3 samples", "all.npy"]);
}

#[test]
fn a_file_replaced_by_renaming_stays_the_old_one() {
    let (dir, path) = written(&floats(&[1.0, 2.0]));
    let source = NpyFile::open(&path).unwrap();
    std::fs::write(dir.path().join("new"), floats(&[8.0, 9.0])).unwrap();
    std::fs::rename(dir.path().join("new"), &path).unwrap();
    let row = read(&source, 1).unwrap();
    assert_eq!(row.view().field(0).as_slice::<f32>().unwrap(), [2.0]);
}

#[test]
fn the_fingerprint_is_of_header_and_length() {
    let open = |contents: &[u8]| {
        let (_dir, path) = written(contents);
        NpyFile::open(path).unwrap().fingerprint()
    };
    assert_eq!(open(&floats(&[1.0, 2.0])), open(&floats(&[1.0, 2.0])));
    assert_ne!(open(&floats(&[1.0, 2.0])), open(&floats(&[1.0])));
    assert_ne!(open(&npy("<f4", &[1], &[0; 4])), open(&npy("<i4", &[1], &[0; 4])));
}
