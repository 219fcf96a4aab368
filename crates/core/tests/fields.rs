//! Fields read without the others, through the sources that read files.

#[path = "common/npy.rs"]
mod npy;

use std::fs;

use npy::{floats, npy};
use tallow_core::{
    Error, ErrorKind, NpyFile, NpyFolders, Result, Safetensors, Source, SourceExt, testing,
};
use tempfile::TempDir;

/// Three pairs: `input` holds two floats each, of which those of `b` are cut off, and `output` one
/// byte.
fn pairs() -> TempDir {
    let dir = tempfile::tempdir().unwrap();
    for (index, name) in ["a", "b", "c"].into_iter().enumerate() {
        let files = [("input", floats(&[0.5, 1.5])), ("output", npy("|u1", &[], &[index as u8]))];
        for (folder, mut file) in files {
            if (folder, name) == ("input", "b") {
                file.pop();
            }
            let path = dir.path().join(folder).join(name).with_extension("npy");
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, file).unwrap();
        }
    }
    dir
}

#[test]
fn labels_of_a_folder_are_read_without_its_images() {
    let dir = pairs();
    let source = NpyFolders::pairs(dir.path()).unwrap();
    assert_eq!(source.get(1).unwrap_err().kind(), ErrorKind::Truncated);
    assert_eq!(source.labels("target").unwrap(), [0, 1, 2]);
    let error = source.labels("input").unwrap_err();
    assert_eq!(error.kind(), ErrorKind::DtypeMismatch);
    assert!(error.message().starts_with("found input: f32[2], expected one integer"), "{error}");
    let target = source.select(["target"]).unwrap();
    testing::check_source(&target);
    assert_eq!(target.labels("target").unwrap(), [0, 1, 2]);
}

#[test]
fn a_selection_lies_in_the_files_of_its_own_fields() {
    let dir = pairs();
    let files = |source: &dyn Source| {
        let mut files = Vec::new();
        source.extents(0, &mut |extent| {
            let path = extent.location().path().unwrap();
            files.push(path.strip_prefix(dir.path()).unwrap().display().to_string());
        });
        files
    };
    let pairs = || NpyFolders::pairs(dir.path()).unwrap();
    assert_eq!(files(&pairs()), ["input/a.npy", "output/a.npy"]);
    let renamed = pairs().rename("target", "label").unwrap();
    assert_eq!(files(&renamed.select(["label"]).unwrap()), ["output/a.npy"]);
}

#[test]
fn errors_through_a_selection_and_a_new_name_have_both_name_and_file() {
    let dir = pairs();
    let pairs = || NpyFolders::pairs(dir.path()).unwrap();
    let field = |error: &Error| error.field().map(str::to_owned);
    for source in [
        Box::new(pairs().rename("input", "image").unwrap()) as Box<dyn Source>,
        Box::new(pairs().rename("input", "image").unwrap().select([1, 0]).unwrap()),
        Box::new(pairs().select(["input"]).unwrap().rename(0, "image").unwrap()),
    ] {
        let error = source.get(1).unwrap_err();
        assert_eq!(field(&error).as_deref(), Some("image"), "{error}");
        assert_eq!(error.path(), Some(&*dir.path().join("input/b.npy")));
    }
}

#[test]
fn rows_of_files_are_read_field_by_field() -> Result<()> {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("labels.npy");
    // Big-endian and unsigned 64-bit: both are converted on the way.
    let labels: Vec<u8> = [7u64, 8, 9].iter().flat_map(|label| label.to_be_bytes()).collect();
    fs::write(&path, npy(">u8", &[3], &labels)).unwrap();
    assert_eq!(NpyFile::open(&path)?.named("label")?.labels("label")?, [7, 8, 9]);

    let header = concat!(
        r#"{"image":{"dtype":"U8","shape":[2,3],"data_offsets":[0,6]},"#,
        r#""label":{"dtype":"I8","shape":[2],"data_offsets":[6,8]}}"#
    );
    let bytes = [&(header.len() as u64).to_le_bytes()[..], header.as_bytes(), &[0, 1, 2, 3, 4, 5]];
    let path = dir.path().join("all.safetensors");
    fs::write(&path, [&bytes.concat()[..], &[0xFF, 5]].concat()).unwrap();
    let source = Safetensors::open(&path)?;
    testing::check_source(&source);
    assert_eq!(source.labels("label")?, [-1, 5]);
    Ok(())
}
