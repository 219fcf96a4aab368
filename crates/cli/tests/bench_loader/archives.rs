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
    assert!(ended.stderr.contains("shards ("), "{ended:#?}");
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

/// An archive of files, as GNU tar writes it.
fn tar(path: &Path, files: &[(&str, &[u8])]) {
    let mut all = Vec::new();
    for (name, bytes) in files {
        let mut block = [0; 512];
        block[..name.len()].copy_from_slice(name.as_bytes());
        block[124..136].copy_from_slice(format!("{:011o}\0", bytes.len()).as_bytes());
        block[156] = b'0';
        block[148..156].fill(b' ');
        let sum: u32 = block.iter().map(|&byte| u32::from(byte)).sum();
        block[148..156].copy_from_slice(format!("{sum:06o}\0 ").as_bytes());
        all.extend(block);
        all.extend(*bytes);
        all.resize(all.len().next_multiple_of(512), 0);
    }
    std::fs::write(path, all).unwrap();
}

#[test]
fn archives_of_samples_are_read_by_their_path_alone() {
    let dir = tempfile::tempdir().unwrap();
    std::fs::create_dir(dir.path().join("d")).unwrap();
    for (shard, labels) in [("0", ["1", "2"]), ("1", ["3", "x"])] {
        let names = labels.map(|label| (format!("{label}.cls"), format!("{label}.txt")));
        let files: Vec<(&str, &[u8])> = names
            .iter()
            .zip(labels)
            .flat_map(|((cls, txt), label)| [(&**cls, label.as_bytes()), (&**txt, &b"words"[..])])
            .collect();
        tar(&dir.path().join(format!("d/{shard}.tar")), &files);
    }
    let ended = bench(dir.path(), "inspect DIR/d").expect(0);
    assert!(
        ended.stdout.contains("label: i64[]") && ended.stdout.contains("txt: u8[..=5]"),
        "{ended:#?}"
    );
    let ended = bench(dir.path(), "check DIR/d").expect(1);
    assert!(
        ended.stdout.contains("d/1.tar/x") && ended.stdout.contains("whole number"),
        "{ended:#?}"
    );
    let digest = |place: &str| {
        let line = format!("digest {place} --array txt --pad txt:0 --json");
        bench(dir.path(), &line).expect(0).json()["digest"].clone()
    };
    assert_eq!(digest("DIR/d"), digest("'DIR/d/{0..1}.tar'"));
    bench(dir.path(), "run DIR/d/0.tar --array label --epochs 1").expect(0);
    let ended = bench(dir.path(), "run DIR/d/0.tar --array image").expect(2);
    assert!(ended.stderr.contains("the fields are \"label\", \"txt\""), "{ended:#?}");
}
