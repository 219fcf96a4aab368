//! Long byte strings that are read alone: the same bytes as those of whole pages, whatever the file says. The
//! files are those of the tests of `tallow-core`, which `make.py` beside them writes.

use std::path::Path;

use tallow_arrow::Result;
use tallow_parquet::{Column, Parquet, Places};

const ROWS: usize = 12;

/// Columns of long byte strings: compressed with a dictionary, not compressed, and compressed in pages of version
/// 2, with a null and an empty value.
const COLUMNS: [(&str, usize, Option<usize>); 3] =
    [("long1", 0, None), ("long1", 1, None), ("long2", 0, Some(2))];

fn file(name: &str) -> Vec<u8> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../core/tests/data/parquet");
    std::fs::read(folder.join(format!("{name}.parquet"))).unwrap()
}

fn opened(file: &[u8], at: usize) -> Result<Column> {
    Parquet::open(file, 16 << 20)?.column(file, at, None, true)
}

/// `len` bytes of a row from `first` on.
fn alone(
    (column, file): (&Column, &[u8]),
    (unit, places): (usize, &Places),
    (row, first, len): (usize, usize, usize),
) -> Result<Vec<u8>> {
    let mut bytes = vec![0; len];
    column.read_alone(file, (unit, places), (row, first), &mut bytes)?;
    Ok(bytes)
}

#[test]
fn values_that_are_read_alone_are_those_of_their_pages() {
    for (name, at, null) in COLUMNS {
        let file = file(name);
        let column = opened(&file, at).unwrap();
        for row in 0..ROWS {
            let (unit, own) = column.find(row as u64);
            let (values, places) = column.decode(&file[..], unit).unwrap();
            let places = places.unwrap_or_else(|| panic!("{name} {at}: nothing lies anywhere"));
            assert!(places.held_bytes() * 50 < values.held_bytes(), "{places:?}");
            let expected = values.get(own);
            assert_eq!(places.bytes(own), expected.map(<[u8]>::len));
            let of = (&column, &file[..]);
            let read = |first, len| alone(of, (unit, &places), (own, first, len));
            let Some(expected) = expected else {
                assert!(null == Some(row) && read(0, 0).is_err(), "{name} {row}");
                continue;
            };
            assert!(
                null != Some(row) && read(0, expected.len()).unwrap() == expected,
                "{name} {row}"
            );
            assert!(read(0, expected.len() + 1).is_err() && read(usize::MAX, 2).is_err());
            let (first, len) = (expected.len() / 3, expected.len() / 2);
            assert!(read(first, len).unwrap() == expected[first..first + len]);
        }
    }
}

/// Of a file whose bytes were changed since, and which is then cut.
#[test]
fn what_is_no_longer_there_is_an_error() {
    for (name, at, _) in COLUMNS {
        let mut file = file(name);
        let column = opened(&file, at).unwrap();
        let (_, places) = column.decode(&file[..], 0).unwrap();
        let places = places.unwrap();
        let mut read_all = |change: u8| {
            file.iter_mut().for_each(|byte| *byte ^= change);
            let reads = (0..ROWS).filter_map(|row| {
                let read = alone((&column, &file), (0, &places), (row, 0, places.bytes(row)?));
                (places.bytes(row)? > 0).then_some(read.is_ok())
            });
            reads.filter(|is_ok| *is_ok).count()
        };
        assert!(read_all(0) >= ROWS - 2);
        // Plain bytes are whatever is there.
        assert_eq!(read_all(0x55), if at == 1 { ROWS } else { 0 }, "{name} {at}");
        let (start, _) = column.place(0);
        let cut = &file[..start as usize];
        assert!(alone((&column, cut), (0, &places), (4, 0, 10)).is_err());
    }
}

#[test]
fn damaged_files_give_the_same_alone_as_whole() {
    for (name, at, _) in COLUMNS {
        let whole = file(name);
        for byte in (0..whole.len()).step_by(whole.len() / 90) {
            let mut damaged = whole.clone();
            damaged[byte] ^= 1 << (byte % 8);
            let Ok(column) = opened(&damaged, at) else { continue };
            for row in (0..ROWS).step_by(3).filter(|&row| (row as u64) < column.rows()) {
                let (unit, own) = column.find(row as u64);
                let Ok((values, Some(places))) = column.decode(&damaged[..], unit) else {
                    continue;
                };
                let Some(expected) = values.get(own) else { continue };
                let of = (&column, &damaged[..]);
                let read = alone(of, (unit, &places), (own, 0, expected.len())).unwrap();
                assert!(read == expected, "{name} {at} {byte} {row}");
            }
        }
    }
}
