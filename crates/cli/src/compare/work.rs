//! The work of a comparison, as the file that every contender reads.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use serde_json::{Value, json};
use tallow::{FieldFolder, Found, OpenOptions, Source, SourceExt as _};

use crate::compare::augment::WorkAugment;
use crate::data::extents;
use crate::terminal::exit::{Failure, Result};

/// The samples of a comparison, and how they are batched.
#[derive(Debug, Clone)]
pub(crate) struct Work {
    /// Name, folder, and the file of each sample.
    pub(crate) fields: Vec<WorkField>,
    /// Whether the files are pictures, of one field.
    pub(crate) pictures: bool,
    /// The class of each picture, if there are folders of classes.
    pub(crate) labels: Vec<i64>,
    pub(crate) recursive: bool,
    pub(crate) batch_size: usize,
    pub(crate) workers: usize,
    pub(crate) seed: u64,
    pub(crate) augment: Option<WorkAugment>,
}

#[derive(Debug, Clone)]
pub(crate) struct WorkField {
    pub(crate) name: String,
    pub(crate) folder: PathBuf,
    pub(crate) files: Vec<PathBuf>,
}

impl Work {
    /// The work for the files of `source`, which was opened as `found`.
    ///
    /// # Errors
    ///
    /// A usage error, if not every contender could do the work.
    pub(crate) fn new(
        found: &Found,
        source: &dyn Source,
        batch_size: usize,
        workers: usize,
        seed: u64,
    ) -> Result<Self> {
        let folders = match found {
            Found::Folders(folders) if !folders.has_pictures() => folders,
            Found::Folders(folders) if folders.fields().len() > 1 => {
                return Err(Failure::usage(NO_PAIRS));
            }
            Found::Folders(_) | Found::ImageClasses { .. } => {
                return Self::of_pictures(found, source, batch_size, workers, seed);
            }
            _ => return Err(Failure::usage(COMPARABLE)),
        };
        if folders.ragged().next().is_some() {
            let message =
                "compare needs files of one shape, because no other loader batches --ragged ones";
            return Err(Failure::usage(message));
        }
        if folders.patterns().next().is_some() {
            let message = "compare needs files that pair by their full names, because other \
                           loaders have no --pattern";
            return Err(Failure::usage(message));
        }
        comparable(source)?;
        let field = |field: &FieldFolder| WorkField {
            name: field.name.clone(),
            folder: field.folder.clone(),
            files: Vec::with_capacity(source.len()),
        };
        let mut fields: Vec<WorkField> = folders.fields().iter().map(field).collect();
        for index in 0..source.len() {
            let files = extents::files_of(source, index);
            fields.iter_mut().zip(files).for_each(|(field, file)| field.files.push(file));
        }
        Ok(Self {
            fields,
            pictures: false,
            labels: Vec::new(),
            recursive: folders.is_recursive(),
            batch_size,
            workers,
            seed,
            augment: None,
        })
    }

    /// The work for a folder of pictures, or for one with a folder for each class.
    fn of_pictures(
        found: &Found,
        source: &dyn Source,
        batch_size: usize,
        workers: usize,
        seed: u64,
    ) -> Result<Self> {
        let fields = source.schema().fields();
        let image = &fields[0];
        let files = |index: usize| {
            let place = source.location(index, image.id());
            place.and_then(|place| place.path().map(Path::to_owned))
        };
        let files: Option<Vec<PathBuf>> = (0..source.len()).map(files).collect();
        let files = files.ok_or_else(|| Failure::usage(COMPARABLE))?;
        let labels = match fields.get(1) {
            Some(label) => source.labels(label.name())?,
            None => Vec::new(),
        };
        let folder = found.place().to_owned();
        let recursive = matches!(found, Found::Folders(folders) if folders.is_recursive());
        let field = WorkField { name: image.name().to_owned(), folder, files };
        Ok(Self {
            fields: vec![field],
            pictures: true,
            labels,
            recursive,
            batch_size,
            workers,
            seed,
            augment: None,
        })
    }

    pub(crate) fn samples(&self) -> usize {
        self.fields.first().map_or(0, |field| field.files.len())
    }

    /// The number of the augmented field.
    pub(crate) fn augmented(&self) -> Option<usize> {
        let augment = self.augment.as_ref()?;
        self.fields.iter().position(|field| field.name == augment.field)
    }

    /// The folders as a source.
    ///
    /// # Errors
    ///
    /// If they cannot be opened any more.
    pub(crate) fn open(&self) -> Result<Arc<dyn Source>> {
        let options = OpenOptions::new();
        let options = if self.recursive { options.recursive() } else { options };
        if self.pictures {
            return Ok(options.open(&self.fields[0].folder)?.into());
        }
        let fields = self.fields.iter();
        let fields = fields.map(|field| (field.name.clone(), field.folder.clone()));
        Ok(options.find_fields(fields)?.open()?.into())
    }

    /// Writes it for the contenders.
    ///
    /// # Errors
    ///
    /// If a path is not UTF-8, which JSON cannot hold, or the file cannot be written.
    pub(crate) fn write(&self, path: &Path) -> Result {
        let fields: Result<Vec<Value>> = self.fields.iter().map(field_to_json).collect();
        let work = json!({
            "fields": fields?,
            "pictures": self.pictures,
            "labels": self.labels,
            "recursive": self.recursive,
            "batch_size": self.batch_size,
            "workers": self.workers,
            "seed": self.seed,
            "augment": self.augment.as_ref().map(WorkAugment::to_json),
        });
        fs::write(path, work.to_string()).map_err(|error| cannot("write", path, &error))
    }

    /// Reads what [`write`](Self::write) has written.
    ///
    /// # Errors
    ///
    /// If the file does not exist or is not such a file.
    pub(crate) fn read(path: &Path) -> Result<Self> {
        let text = fs::read_to_string(path).map_err(|error| cannot("read", path, &error))?;
        let value: Value = serde_json::from_str(&text).map_err(Failure::failed)?;
        let number = |key: &str| value[key].as_u64().and_then(|n| usize::try_from(n).ok());
        let fields = value["fields"].as_array().into_iter().flatten().map(field_from_json);
        let labels =
            || value["labels"].as_array()?.iter().map(Value::as_i64).collect::<Option<_>>();
        let work = || {
            Some(Self {
                fields: fields.collect::<Option<_>>()?,
                pictures: value["pictures"].as_bool()?,
                labels: labels()?,
                recursive: value["recursive"].as_bool()?,
                batch_size: number("batch_size")?,
                workers: number("workers")?,
                seed: value["seed"].as_u64()?,
                augment: WorkAugment::from_json(&value["augment"]),
            })
        };
        work()
            .ok_or_else(|| Failure::failed(format_args!("{path:?} does not describe a comparison")))
    }
}

/// What there must be to compare.
const COMPARABLE: &str = "compare needs folders of .npy files with one sample each, which all \
                          contenders can read: a folder, one with input/ and output/, or --field \
                          NAME=FOLDER; or a folder of pictures, or one with a folder for each class";

/// Why pictures with masks are not compared.
const NO_PAIRS: &str = "compare takes pictures of one field: the scripts of the other loaders cut each \
                        picture by itself, and a mask must be cut like its picture; compare the \
                        folder of the pictures alone, and measure pairs with run";

/// Refuses samples that some contenders would deliver as another type.
fn comparable(source: &dyn Source) -> Result {
    for field in source.schema().fields() {
        let (name, dtype) = (field.name(), field.dtype());
        if dtype.delivered().as_str() != dtype.as_str() {
            let message = format!(
                "field {name:?}: {dtype} becomes {} in candle, which has no such type; compare \
                 needs a type that all contenders deliver as it is",
                dtype.delivered().as_str()
            );
            return Err(Failure::Usage(message));
        }
    }
    Ok(())
}

fn field_to_json(field: &WorkField) -> Result<Value> {
    let files: Result<Vec<&str>> = field.files.iter().map(|file| utf8(file)).collect();
    Ok(json!({ "name": field.name, "folder": utf8(&field.folder)?, "files": files? }))
}

fn field_from_json(value: &Value) -> Option<WorkField> {
    let files = value["files"].as_array()?.iter();
    Some(WorkField {
        name: value["name"].as_str()?.to_owned(),
        folder: value["folder"].as_str()?.into(),
        files: files.map(|file| file.as_str().map(PathBuf::from)).collect::<Option<_>>()?,
    })
}

fn utf8(path: &Path) -> Result<&str> {
    let message = || Failure::usage(format_args!("compare needs names in UTF-8, found {path:?}"));
    path.to_str().ok_or_else(message)
}

fn cannot(doing: &str, path: &Path, error: &std::io::Error) -> Failure {
    Failure::failed(format_args!("cannot {doing} {path:?}: {error}"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::compare::augment::Delivered;

    #[test]
    fn what_is_written_is_read() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("work.json");
        let field = WorkField {
            name: "x".into(),
            folder: "a b".into(),
            files: vec!["a b/0.npy".into(), "a b/1.npy".into()],
        };
        let delivers = Delivered { dtype: "u8".into(), shape: vec![3, 4, 5], planes: true };
        let augment = WorkAugment {
            chain: "a".into(),
            field: "x".into(),
            layout: "chw".into(),
            channels: 3,
            delivers,
        };
        let work = Work {
            fields: vec![field],
            pictures: false,
            labels: vec![3, -1],
            recursive: true,
            batch_size: 3,
            workers: 2,
            seed: u64::MAX,
            augment: Some(augment),
        };
        work.write(&path).unwrap();
        let read = Work::read(&path).unwrap();
        assert_eq!((read.samples(), read.seed, read.recursive), (2, u64::MAX, true));
        assert_eq!(read.fields[0].files, work.fields[0].files);
        assert_eq!((read.augment, read.labels), (work.augment, work.labels));
        fs::write(&path, "{}").unwrap();
        assert!(Work::read(&path).is_err());
    }
}
