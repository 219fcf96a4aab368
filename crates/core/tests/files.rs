//! Which file a field is read from, and which field a read is at.

#[path = "common/npy.rs"]
mod npy;

use std::path::Path;

use npy::floats;
use tallow_core::{
    Field, FieldId, Memory, NpyFile, NpyFolders, RowBuffer, RowDType, RowMark, Safetensors, Schema,
    Source, SourceExt, from_fn,
};
use tempfile::TempDir;

/// `input/` and `output/` with the files `a.npy` and `b.npy`, and `all.npy` with two rows.
fn folder() -> TempDir {
    let dir = tempfile::tempdir().unwrap();
    for name in ["input", "output"] {
        std::fs::create_dir(dir.path().join(name)).unwrap();
        for file in ["a.npy", "b.npy"] {
            std::fs::write(dir.path().join(name).join(file), floats(&[1.0, 2.0])).unwrap();
        }
    }
    std::fs::write(dir.path().join("all.npy"), floats(&[1.0, 2.0])).unwrap();
    for (name, first) in [("s0.safetensors", 1u8), ("s1.safetensors", 3)] {
        let header = r#"{"x":{"dtype":"U8","shape":[2],"data_offsets":[0,2]}}"#;
        let len = (header.len() as u64).to_le_bytes();
        let bytes = [&len[..], header.as_bytes(), &[first, first + 1]].concat();
        std::fs::create_dir_all(dir.path().join("shards")).unwrap();
        std::fs::write(dir.path().join("shards").join(name), bytes).unwrap();
    }
    dir
}

/// The file of a field, below `dir`.
fn file(dir: &TempDir, source: &dyn Source, index: usize, field: &str) -> Option<String> {
    let location = source.location(index, FieldId::of(field))?;
    let path = location.path()?;
    Some(path.strip_prefix(dir.path()).unwrap().display().to_string())
}

#[test]
fn every_source_of_files_says_which_file_a_field_is_read_from() {
    let dir = folder();
    let at = |name: &str| dir.path().join(name);
    let pairs = || NpyFolders::pairs(dir.path()).unwrap();
    let all = || NpyFile::open(at("all.npy")).unwrap().named("all").unwrap();
    let shards = Safetensors::open(at("shards")).unwrap();
    let expect = |source: &dyn Source, index, field, expected: Option<&str>| {
        assert_eq!(file(&dir, source, index, field).as_deref(), expected, "{index} {field}");
    };
    expect(&pairs(), 1, "input", Some("input/b.npy"));
    expect(&pairs(), 1, "target", Some("output/b.npy"));
    expect(&pairs(), 1, "other", None);
    expect(&all(), 1, "all", Some("all.npy"));
    expect(&all(), 1, "input", None);
    expect(&shards, 1, "x", Some("shards/s0.safetensors"));
    expect(&shards, 2, "x", Some("shards/s1.safetensors"));
    let zip = std::sync::Arc::new(pairs().zip(all()).unwrap());
    for field in [("target", "output/a.npy"), ("all", "all.npy")] {
        expect(&zip, 0, field.0, Some(field.1));
    }
    let both = zip.clone().concat(zip).unwrap().subset([3, 0]).unwrap().cache(100).unwrap();
    expect(&both, 0, "target", Some("output/b.npy"));
    expect(&Box::new(both), 1, "target", Some("output/a.npy"));
    let sum = Schema::new(vec![Field::new("all", RowDType::F32, &[])]).unwrap();
    // The map's hidden field `all` of one file, and beside it one of the same name of its own.
    let hiding = all().map(sum.clone(), |raw, row| row.field(0).copy_from_view(&raw.field(0)));
    expect(&hiding, 0, "all", Some("all.npy"));
    let tensor =
        candle_core::Tensor::zeros((2, 1), candle_core::DType::F32, &candle_core::Device::Cpu);
    expect(&Memory::new([("input", tensor.unwrap())]).unwrap(), 0, "input", None);
    expect(&from_fn(sum, 2, |_, _| Ok(())), 0, "all", None);
}

#[test]
fn a_field_of_the_second_goes_before_one_that_the_first_is_made_of() {
    let dir = folder();
    let hidden = NpyFile::open(dir.path().join("all.npy")).unwrap().named("target").unwrap();
    let sum = Schema::new(vec![Field::new("sum", RowDType::F32, &[])]).unwrap();
    let hiding = hidden.map(sum, |raw, row| row.field(0).copy_from_view(&raw.field(0)));
    let source = hiding.zip(NpyFolders::pairs(dir.path()).unwrap()).unwrap();
    assert_eq!(
        file(&dir, &source, 0, "target").unwrap(),
        Path::new("output/a.npy").display().to_string()
    );
}

#[test]
fn a_read_leaves_its_field_in_the_mark_of_its_row() {
    let fields = vec![Field::new("a", RowDType::U8, &[]), Field::new("b", RowDType::U8, &[])];
    let source = std::sync::Arc::new(from_fn(Schema::new(fields).unwrap(), 3, |index, row| {
        row.field(0).copy_from_slice(&[0u8])?;
        if index == 1 {
            return Err(tallow_core::Error::user("before b"));
        }
        row.field(1).copy_from_slice(&[0u8])
    }));
    let one = Schema::new(vec![Field::new("c", RowDType::U8, &[])]).unwrap();
    let map = source.clone().map(one, |_, row| {
        assert_eq!(row.field_count(), 1);
        Err(tallow_core::Error::user("before c"))
    });
    let tail =
        from_fn(Schema::new(vec![Field::new("d", RowDType::U8, &[])]).unwrap(), 3, |_, row| {
            row.field(0).copy_from_slice(&[0u8])
        });
    let zip = tail.zip(source.clone()).unwrap();
    let at = |source: &dyn Source, index: usize| {
        let (mark, mut buffer) = (RowMark::default(), RowBuffer::new(source.schema()).unwrap());
        assert_eq!(mark.field(), None);
        let _ = source.read(index, &mut buffer.row(None).marking(&mark));
        mark.field()
    };
    for (source, name) in [
        (&source.clone() as &dyn Source, ["b", "a"]),
        (&source.clone().cache(1000).unwrap(), ["b", "a"]),
        (&map, ["b", "a"]),
        (&zip, ["b", "a"]),
    ] {
        let found = [at(source, 0), at(source, 1)];
        assert_eq!(found, name.map(|name| Some(FieldId::of(name))));
    }
}
