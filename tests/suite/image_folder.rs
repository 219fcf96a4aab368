//! A folder of pictures with one folder per class.

use std::collections::BTreeMap;
use std::os::unix::fs::symlink;
use std::path::Path;

use tallow::{
    Batch, ImageFolder, LastBatch, Loader, LoaderBuilder, Picture, Source, SourceErrorKind,
    SourceExt, State, testing,
};
use tempfile::TempDir;

use crate::painter::{jpeg_rgb, png_rgb, put, rgb};
use crate::tester::{PREFETCH, WORKERS};

/// Pictures of 6x7 pixels by path, in the order of the samples, and their classes.
const FILES: [(&str, i64); 7] = [
    ("a-b/1.png", 1),
    ("a/deep/er/0.PNG", 0),
    ("a/x.jpg", 0),
    ("a/x.png", 0),
    ("c d/z.JpEg", 2),
    ("c d/\u{e9}.png", 2),
    ("linked/1.png", 3),
];

fn file(at: usize, path: &str) -> Vec<u8> {
    let is_png = path.to_lowercase().ends_with("png");
    if is_png { png_rgb(at, 6, 7) } else { jpeg_rgb(at, 6, 7) }
}

fn folder() -> TempDir {
    let dir = tempfile::tempdir().unwrap();
    for (at, (path, _)) in FILES.iter().enumerate().take(6) {
        put(dir.path(), path, file(at, path));
    }
    put(dir.path(), "elsewhere.d/1.png", png_rgb(6, 6, 7));
    std::fs::rename(dir.path().join("elsewhere.d"), dir.path().join(".elsewhere")).unwrap();
    symlink(".elsewhere", dir.path().join("linked")).unwrap();
    for other in ["beside.png", "notes.txt", "a/.hidden.png", "a/notes.txt", ".cache/0.png"] {
        put(dir.path(), other, "");
    }
    dir
}

fn open(root: &Path) -> ImageFolder {
    ImageFolder::builder(root).picture(Picture::rgb().sized(6, 7)).open().unwrap()
}

#[test]
fn classes_are_folders_and_samples_are_in_the_order_of_their_paths() {
    let dir = folder();
    let source = open(dir.path());
    assert_eq!(source.classes(), ["a", "a-b", "c d", "linked"]);
    assert_eq!(source.schema().to_string(), "image: u8[6, 7, 3] of pictures; label: i64[]");
    let names: Vec<_> = (0..source.len()).map(|index| source.name(index).into_owned()).collect();
    let expected: Vec<_> =
        FILES.iter().map(|(path, _)| dir.path().join(path).display().to_string()).collect();
    assert_eq!(names, expected);
    assert_eq!(source.labels("label").unwrap(), FILES.map(|(_, label)| label));
    // Those of the folder, and the folders that are hidden.
    assert_eq!(source.ignored(), 6);
    assert!(source.memory_bytes() > 7 * 10);
    testing::check_source(&source);
    for index in [0, 1, 3, 6] {
        assert_eq!(
            source.get(index).unwrap().decoded().unwrap().field(0).bytes(),
            rgb(index, 6, 7)
        );
    }
}

#[test]
fn names_of_classes_reach_whatever_is_made_of_the_source() {
    let dir = folder();
    let labels = open(dir.path()).select(["label"]).unwrap().rename("label", "class").unwrap();
    let half = labels.subset([6, 2, 0]).unwrap().cache(1 << 20).unwrap();
    let numbers = tallow::from_fn(
        tallow::Schema::new(vec![tallow::Field::new("n", tallow::RowDType::U8, &[])]).unwrap(),
        3,
        |index, row| row.field(0).copy_from_slice(&[index as u8]),
    );
    let loader = Loader::builder(half.zip(numbers).unwrap()).batch_size(3).build().unwrap();
    let [class, number] = loader.schema().fields() else { panic!("two fields") };
    let names = class.classes().unwrap();
    assert_eq!((names, number.classes()), (open(dir.path()).classes(), None));
    let batch = loader.epoch(0).next().unwrap().unwrap();
    let labels = batch["class"].to_vec1::<i64>().unwrap();
    let named: Vec<&str> = labels.iter().map(|&label| &*names[label as usize]).collect();
    assert_eq!(named, ["linked", "a", "a-b"]);
    for (row, name) in batch.names().enumerate() {
        assert!(name.ends_with(FILES[[6, 2, 0][batch.indices()[row]]].0), "{name}");
    }
    let other = TempDir::new().unwrap();
    for (at, class) in ["a", "b"].into_iter().enumerate() {
        put(other.path(), &format!("{class}/1.png"), png_rgb(at, 6, 7));
    }
    let error = open(dir.path()).concat(open(other.path())).unwrap_err().to_string();
    assert!(
        error.contains("label: i64[] whose class 1 is \"b\", expected label: i64[] whose"),
        "{error}"
    );
}

#[test]
fn labels_are_read_without_pictures() {
    let dir = folder();
    let source = open(dir.path());
    std::fs::remove_dir_all(dir.path().join("a")).unwrap();
    assert_eq!(source.labels("label").unwrap(), FILES.map(|(_, label)| label));
    let error = source.get(2).unwrap_err();
    assert_eq!((error.kind(), error.index()), (SourceErrorKind::Io, Some(2)));
    assert!(error.path().unwrap().ends_with("a/x.jpg"), "{error}");
}

#[test]
fn an_empty_class_is_an_error_or_keeps_its_number() {
    let dir = folder();
    for empty in ["b", "aa/below"] {
        std::fs::create_dir_all(dir.path().join(empty)).unwrap();
    }
    let builder = || ImageFolder::builder(dir.path());
    let error = builder().open().unwrap_err();
    assert_eq!(error.kind(), SourceErrorKind::Empty);
    let words = error.to_string();
    assert!(words.contains("2 of 6 classes: \"aa\", \"b\"; remove"), "{words}");
    let source = builder().allow_empty().open().unwrap();
    assert_eq!(source.classes(), ["a", "a-b", "aa", "b", "c d", "linked"]);
    assert_eq!(source.labels("label").unwrap(), [1, 0, 0, 0, 4, 4, 5]);
    testing::check_source(&source);
}

#[test]
fn a_folder_without_classes_or_pictures_is_told_so() {
    let dir = tempfile::tempdir().unwrap();
    let words = || ImageFolder::open(dir.path()).unwrap_err().to_string();
    put(dir.path(), "notes.txt", "");
    assert!(words().contains("no folder of a class, 1 other entries"), "{}", words());
    put(dir.path(), "x.png", png_rgb(0, 2, 2));
    assert!(words().contains("found 1 pictures and no folder of a class"), "{}", words());
    assert!(words().contains("ImageFolders::open"), "{}", words());
    put(dir.path(), "cat/notes.txt", "");
    assert!(words().contains("no picture (.jpg, .jpeg, .png, .webp) in 1 folders"), "{}", words());
    let missing = ImageFolder::open(dir.path().join("missing")).unwrap_err();
    assert_eq!(missing.kind(), SourceErrorKind::Io);
}

#[test]
fn a_folder_of_which_no_picture_fits_is_refused_at_once() {
    let dir = folder();
    let other = ImageFolder::builder(dir.path()).picture(Picture::rgb().sized(6, 8)).open();
    let error = other.unwrap_err();
    assert_eq!(error.kind(), SourceErrorKind::ShapeMismatch);
    assert!(error.path().unwrap().ends_with("a-b/1.png"), "{error}");
}

#[test]
fn the_fingerprint_is_of_names_classes_and_colours() {
    let dir = folder();
    let print = |picture| {
        ImageFolder::builder(dir.path())
            .picture(picture)
            .allow_empty()
            .open()
            .unwrap()
            .fingerprint()
    };
    let first = print(Picture::rgb());
    assert_eq!(first, print(Picture::rgb()));
    assert_ne!(first, print(Picture::gray()));
    std::fs::create_dir(dir.path().join("aa")).unwrap();
    let with_class = print(Picture::rgb());
    assert_ne!(first, with_class, "labels are others now");
    std::fs::rename(dir.path().join("a/x.jpg"), dir.path().join("a/y.jpg")).unwrap();
    assert_ne!(with_class, print(Picture::rgb()));
}

/// The image and the label of each delivered row, by epoch and position.
type Rows = BTreeMap<(u64, usize), (Vec<u8>, i64)>;

fn note(rows: &mut Rows, batch: &Batch) {
    let labels = batch["label"].to_vec1::<i64>().unwrap();
    for (row, position) in batch.positions().enumerate() {
        let image = batch["image"].get(row).unwrap().flatten_all().unwrap().to_vec1().unwrap();
        assert_eq!(labels[row], FILES[batch.indices()[row]].1);
        rows.insert((batch.epoch(), position), (image, labels[row]));
    }
}

fn rows(loader: &Loader) -> Rows {
    let mut rows = Rows::new();
    loader.epochs(0..2).for_each(|batch| note(&mut rows, &batch.unwrap()));
    rows
}

fn shuffled(root: &Path) -> LoaderBuilder {
    Loader::builder(open(root)).shuffle().seed(5).batch_size(2)
}

#[test]
fn the_stream_depends_on_neither_workers_nor_batches_nor_ranks() {
    let dir = folder();
    let expected = rows(&shuffled(dir.path()).workers(0).build().unwrap());
    assert_eq!(expected.len(), 2 * FILES.len());
    for workers in WORKERS {
        for prefetch in PREFETCH {
            let loader =
                shuffled(dir.path()).workers(workers).prefetch(prefetch).read_ahead(1 << 20);
            assert_eq!(rows(&loader.build().unwrap()), expected);
        }
        for batch_size in [1, 3, 7, 8] {
            let loader = shuffled(dir.path()).workers(workers).batch_size(batch_size);
            assert_eq!(rows(&loader.build().unwrap()), expected);
        }
        let mut of_ranks = Rows::new();
        for rank in 0..3 {
            let loader = shuffled(dir.path()).batch_size(4).rank(rank, 3).workers(workers);
            let loader = loader.last_batch(LastBatch::Keep).build().unwrap();
            loader.epochs(0..2).for_each(|batch| note(&mut of_ranks, &batch.unwrap()));
        }
        assert_eq!(of_ranks, expected);
    }
}

#[test]
fn an_epoch_is_resumed_after_any_batch() {
    let dir = folder();
    let expected = rows(&shuffled(dir.path()).build().unwrap());
    let batches = shuffled(dir.path()).build().unwrap().len();
    for taken in 0..=batches {
        let first = shuffled(dir.path()).workers(2).build().unwrap();
        let mut found = Rows::new();
        first.epochs(0..2).take(taken).for_each(|batch| note(&mut found, &batch.unwrap()));
        let text = serde_json::to_string(&first.state()).unwrap();
        let state: State = serde_json::from_str(&text).unwrap();
        let second = shuffled(dir.path()).workers(1).build().unwrap();
        second.resume(&state).unwrap();
        for epoch in state.epoch()..2 {
            second.epoch(epoch).for_each(|batch| note(&mut found, &batch.unwrap()));
        }
        assert_eq!(found, expected, "after {taken} batches");
    }
}
