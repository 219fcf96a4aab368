//! An error names the file that it is about, whichever field of the sample that is.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use tallow::candle::{Device, Tensor};
use tallow::{
    Batch, Error, ErrorKind, Field, FieldId, Loader, Location, NpyFile, NpyFolders, Row, RowDType,
    Schema, Source, SourceError, SourceErrorKind, SourceExt, SourceResult, map,
};

use crate::tester::{STALL, counting};

/// Two fields of two files, the second of which hangs for sample 3 until `released`.
struct Hanging {
    schema: Schema,
    released: Arc<AtomicBool>,
}

impl Hanging {
    fn new(released: &Arc<AtomicBool>) -> Self {
        let fields = ["input", "target"].map(|name| Field::new(name, RowDType::U8, &[]));
        Self { schema: Schema::new(fields.into()).unwrap(), released: released.clone() }
    }
}

impl Source for Hanging {
    fn schema(&self) -> &Schema {
        &self.schema
    }

    fn len(&self) -> usize {
        8
    }

    fn read(&self, index: usize, row: &mut Row<'_>) -> SourceResult<()> {
        row.field(0).copy_from_slice(&[0u8])?;
        let mut target = row.field(1);
        while index == 3 && !self.released.load(Ordering::Relaxed) {
            std::thread::sleep(Duration::from_millis(1));
        }
        target.copy_from_slice(&[0u8])
    }

    fn name(&self, index: usize) -> std::borrow::Cow<'_, str> {
        format!("input/{index}").into()
    }

    fn location(&self, index: usize, field: FieldId) -> Option<Location> {
        let folders = [("input", "input"), ("target", "out\nput")];
        let (_, folder) = folders.into_iter().find(|(name, _)| FieldId::of(name) == field)?;
        Some(Location::file(Path::new(folder).join(index.to_string())))
    }
}

/// The words of the one error of a source whose sample 3 is [`Hanging`]'s.
fn stall_of(source: impl Source + 'static, released: &Arc<AtomicBool>) -> String {
    let builder = Loader::builder(source).batch_size(4).workers(2);
    let loader = builder.stall_timeout(Some(STALL)).build().unwrap();
    let error = loader.epoch(0).find_map(SourceResult::err).unwrap();
    assert_eq!(error.kind(), ErrorKind::Stalled);
    released.store(true, Ordering::Relaxed);
    error.to_string()
}

#[test]
fn a_stall_names_the_file_that_hangs_through_every_adapter() {
    type Wrap = fn(Hanging) -> Box<dyn Source>;
    let wraps: [Wrap; 8] = [
        |source| Box::new(source),
        |source| Box::new(Arc::new(source)),
        |source| Box::new(source.zip(counting(8)).unwrap()),
        |source| Box::new(counting(8).zip(source).unwrap()),
        |source| Box::new(source.subset([0, 1, 2, 3, 4, 5]).unwrap()),
        |source| Box::new(source.cache(1 << 20).unwrap()),
        |source| {
            let sum = Schema::new(vec![Field::new("sum", RowDType::U8, &[])]).unwrap();
            Box::new(source.map(sum, |_, row| row.field(0).copy_from_slice(&[0u8])))
        },
        |source| {
            let released = Arc::new(AtomicBool::new(true));
            Box::new(Hanging::new(&released).subset([0; 1]).unwrap().concat(source).unwrap())
        },
    ];
    for wrap in wraps {
        let released = Arc::new(AtomicBool::new(false));
        let words = stall_of(wrap(Hanging::new(&released)), &released);
        assert!(words.contains("in stage read"), "{words}");
        assert!(words.contains("\"out\\nput/3\""), "{words}");
        assert!(!words.contains("input/3"), "{words}");
    }
}

#[test]
fn a_stall_in_a_transform_names_the_sample() {
    let released = Arc::new(AtomicBool::new(true));
    let (source, go_on) = (Hanging::new(&released), Arc::new(AtomicBool::new(false)));
    let waits = go_on.clone();
    let slow = map(source.schema.clone(), move |raw, row| {
        while !waits.load(Ordering::Relaxed) {
            std::thread::sleep(Duration::from_millis(1));
        }
        (0..2).try_for_each(|i| row.field(i).copy_from_view(&raw.field(i)))
    });
    let builder = Loader::builder(source).transform(slow).workers(1);
    let loader = builder.stall_timeout(Some(STALL)).build().unwrap();
    let words = loader.epoch(0).next().unwrap().unwrap_err().to_string();
    assert!(
        words.contains("in stage transform") && words.contains("sample 0, \"input/0\""),
        "{words}"
    );
    go_on.store(true, Ordering::Relaxed);
}

#[test]
fn an_error_of_a_transform_names_the_file_of_the_field_that_it_names() {
    let folder = tempfile::tempdir().unwrap();
    for name in ["input", "output"] {
        std::fs::create_dir(folder.path().join(name)).unwrap();
        for i in 0..3 {
            let file = folder.path().join(name).join(format!("{i}.npy"));
            Tensor::new(&[i as f32, 0.0], &Device::Cpu).unwrap().write_npy(file).unwrap();
        }
    }
    for (field, file) in
        [("input", "input/2.npy"), ("target", "output/2.npy"), ("?", "input/2.npy")]
    {
        let source = NpyFolders::pairs(folder.path()).unwrap();
        let refuses = map(source.schema().clone(), move |raw, row| {
            if raw.field(0).as_slice::<f32>()?[0] == 2.0 {
                return Err(SourceError::user("refused").with_field(field));
            }
            (0..2).try_for_each(|i| row.field(i).copy_from_view(&raw.field(i)))
        });
        let loader = Loader::builder(source).transform(refuses).build().unwrap();
        let words = loader.epoch(0).next().unwrap().unwrap_err().to_string();
        assert!(words.contains(file) && words.contains("sample 2"), "{words}");
        let other = if file.starts_with("input") { "output/" } else { "input/" };
        assert!(!words.contains(other), "{words}");
    }
}

/// A file of stacked samples of which each holds its number. Before sample 20 is read for the first time,
/// `meddle` is run.
struct Meddled<S> {
    source: S,
    meddle: Box<dyn Fn() + Send + Sync>,
    is_done: AtomicBool,
}

impl<S: Source> Source for Meddled<S> {
    fn schema(&self) -> &Schema {
        self.source.schema()
    }

    fn len(&self) -> usize {
        self.source.len()
    }

    fn read(&self, index: usize, row: &mut Row<'_>) -> SourceResult<()> {
        if index == 20 && !self.is_done.swap(true, Ordering::Relaxed) {
            (self.meddle)();
        }
        self.source.read(index, row)
    }
}

/// What a loader delivers of a file that is meddled with: the numbers of each batch of 8, or why there is none.
fn meddled(
    workers: usize,
    meddle: impl Fn(&Path) + Send + Sync + 'static,
) -> Vec<Result<Vec<i64>, SourceErrorKind>> {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("x.npy");
    Tensor::arange(0i64, 64, &Device::Cpu).unwrap().write_npy(&path).unwrap();
    let source = NpyFile::open(&path).unwrap();
    let meddle = Box::new(move || meddle(&path));
    let source = Meddled { source, meddle, is_done: AtomicBool::new(false) };
    let loader = Loader::builder(source).batch_size(8).workers(workers).build().unwrap();
    let of = |batch: Result<Batch, Error>| match batch {
        Ok(batch) => Ok(batch["input"].to_vec1().unwrap()),
        Err(error) => Err(error.cause().unwrap().kind()),
    };
    loader.epoch(0).map(of).collect()
}

#[test]
fn rows_that_were_read_before_a_file_changed_are_right_and_later_ones_an_error() {
    let overwrite = |path: &Path| {
        let bytes = vec![0xff; std::fs::metadata(path).unwrap().len() as usize];
        std::fs::write(path, bytes).unwrap();
    };
    for workers in [0, 1, 3] {
        let batches = meddled(workers, overwrite);
        assert_eq!(batches.len(), 8);
        for (number, batch) in batches.into_iter().enumerate() {
            match batch {
                Ok(numbers) => {
                    assert_eq!(numbers, (8 * number as i64..).take(8).collect::<Vec<_>>())
                }
                Err(kind) => assert_eq!(kind, SourceErrorKind::Changed),
            }
        }
    }
    // One worker knows what was before and what after.
    let are_right: Vec<bool> = meddled(1, overwrite).iter().map(Result::is_ok).collect();
    assert_eq!(are_right, [true, true, false, false, false, false, false, false]);
}

#[test]
fn rows_of_a_file_of_which_only_the_status_changed_are_delivered() {
    for workers in [0, 1, 3] {
        let link = |path: &Path| std::fs::hard_link(path, path.with_extension("link")).unwrap();
        let batches: Result<Vec<_>, _> = meddled(workers, link).into_iter().collect();
        assert_eq!(batches.unwrap().concat(), (0..64).collect::<Vec<_>>());
    }
}
