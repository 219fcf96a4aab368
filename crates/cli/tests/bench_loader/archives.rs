//! Archives of arrays.

use std::fs::File;
use std::io::Write as _;
use std::path::Path;

use zip::write::SimpleFileOptions;
use zip::{CompressionMethod, ZipWriter};

use crate::tester::bench;

/// Writes an archive of arrays of bytes: name, shape.
fn write(path: &Path, method: CompressionMethod, arrays: &[(&str, &[usize])]) {
    let mut zip = ZipWriter::new(File::create(path).unwrap());
    for (name, shape) in arrays {
        let dims: String = shape.iter().map(|len| format!("{len}, ")).collect();
        let text = format!("{{'descr': '|u1', 'fortran_order': False, 'shape': ({dims}), }}");
        let text = format!("{text:<117}\n");
        let options = SimpleFileOptions::default().compression_method(method);
        zip.start_file(format!("{name}.npy"), options).unwrap();
        zip.write_all(&[b"\x93NUMPY\x01\x00", &(text.len() as u16).to_le_bytes()[..]].concat())
            .unwrap();
        zip.write_all(text.as_bytes()).unwrap();
        let bytes: Vec<u8> = (0..shape.iter().product()).map(|at| (at * 7) as u8).collect();
        zip.write_all(&bytes).unwrap();
    }
    zip.finish().unwrap();
}

const SAMPLES: [(&str, &[usize]); 2] = [("image", &[40, 8, 8, 3]), ("label", &[40])];

#[test]
fn an_archive_is_read_by_its_path_alone_however_it_is_stored() {
    let dir = tempfile::tempdir().unwrap();
    let at = |name: &str| dir.path().join(name);
    write(&at("stored.npz"), CompressionMethod::Stored, &SAMPLES);
    write(&at("deflated.npz"), CompressionMethod::Deflated, &SAMPLES);
    let json = bench(dir.path(), "inspect DIR/stored.npz --json").expect(0).json();
    assert_eq!((&json["samples"], &json["fields"][1]["name"]), (&40.into(), &"label".into()));
    bench(dir.path(), "check DIR/deflated.npz").expect(0);
    let ended = bench(dir.path(), "inspect DIR/deflated.npz").expect(0);
    assert!(ended.stdout.contains("0 B in files, the rest is held in memory"), "{ended:#?}");
    let digest = |line: &str| bench(dir.path(), line).expect(0).json()["digest"].clone();
    let stored = digest("digest DIR/stored.npz --workers 2 --json");
    assert_eq!(stored, digest("digest DIR/deflated.npz --workers 1 --json"));
    let line = "run DIR/stored.npz --array label --array image --augment 'random_crop(6)' \
                --augment-field image --layout hwc --epochs 1 --json";
    let json = bench(dir.path(), line).expect(0).json();
    assert_eq!((&json["samples"], &json["fields"][0]["name"]), (&40.into(), &"label".into()));
}

#[test]
fn arrays_of_other_lengths_are_told_how_to_be_chosen() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("a.npz");
    write(&path, CompressionMethod::Stored, &[("train", &[9, 2]), ("test", &[4, 2])]);
    let ended = bench(dir.path(), "inspect DIR/a.npz").expect(1);
    assert!(ended.stderr.contains("choose arrays of one length with --array NAME"), "{ended:#?}");
    bench(dir.path(), "inspect DIR/a.npz --array test").expect(0);
    let ended = bench(dir.path(), "inspect DIR --array test").expect(1);
    assert!(ended.stderr.contains("shards (.arrow, .mds, .npz, .safetensors)"), "{ended:#?}");
}

#[test]
fn shards_are_named_by_a_folder_or_by_a_pattern() {
    let dir = tempfile::tempdir().unwrap();
    let line = "gen DIR/d --samples 90 --shape 3 --dtype u8 --as safetensors --shards 3";
    bench(dir.path(), line).expect(0);
    let digest = |place: &str| {
        let line = format!("digest {place} --shuffle --json");
        bench(dir.path(), &line).expect(0).json()["digest"].clone()
    };
    let whole = digest("DIR/d");
    for pattern in ["'DIR/d/*.safetensors'", "'DIR/d/{000000..000002}.safetensors'"] {
        assert_eq!(digest(pattern), whole, "{pattern}");
    }
    assert_ne!(digest("'DIR/d/{000002,000001,000000}.safetensors'"), whole, "another order");
    let ended = bench(dir.path(), "inspect 'DIR/d/{000000..000003}.safetensors'").expect(1);
    assert!(ended.stderr.contains("000003.safetensors"), "{ended:#?}");
}
