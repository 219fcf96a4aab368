use std::fmt;
use std::path::{Path, PathBuf};

use super::column::PICTURES;
use super::contents::{Contents, Kind};
use super::field_folders::FieldFolders;
use super::folders::Survey;
use super::open_options::OpenOptions;
use super::shards::Shards;
use crate::files::{Limits, Pattern, list};
use crate::{
    Error, ErrorKind, ImageFolder, NpyFile, Picture, Result, Source, SourceExt, Table, escaped,
};

/// What lies at a path, as far as names tell. `Display` says it in one line.
///
/// ```no_run
/// use tallow_core::Found;
///
/// let found = Found::at("train")?;
/// println!("{found}"); // a folder of pictures per class, train
/// let source = found.open()?;
/// # Ok::<(), tallow_core::Error>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Found {
    /// A `.npy` file with a sample per row: [`NpyFile`].
    NpyFile(PathBuf),
    /// A `.npy` file with all inputs and one with all targets.
    NpyFiles {
        /// The field `input`.
        input: PathBuf,
        /// The field `target`.
        target: PathBuf,
    },
    /// A folder with a file per sample, or several that are paired:
    /// [`NpyFolders`](crate::NpyFolders), or [`ImageFolders`](crate::ImageFolders) if there are
    /// pictures.
    Folders(FieldFolders),
    /// A folder of files and a `.npy` file whose rows are their targets, in the order of their names:
    /// [`NpyFolders::with_rows`](crate::NpyFolders::with_rows) or
    /// [`ImageFolders::with_rows`](crate::ImageFolders::with_rows).
    FolderAndRows {
        /// The folder, the field `input`.
        input: FieldFolders,
        /// The file, the field `target`.
        target: PathBuf,
    },
    /// Files that hold many samples each: [`NpzFile`](crate::NpzFile),
    /// [`Safetensors`](crate::Safetensors).
    Shards(Shards),
    /// Samples in files, and a table whose rows name the files:
    /// [`SourceExt::with_table`](crate::SourceExt::with_table).
    WithTable {
        /// The samples.
        files: Box<Found>,
        /// The table.
        table: PathBuf,
    },
    /// A folder with a folder of pictures per class: [`ImageFolder`].
    ImageClasses {
        /// The folder in which those of the classes are.
        folder: PathBuf,
        /// What the pictures are.
        picture: Picture,
    },
}

impl Found {
    /// The same with a table whose rows name the files.
    pub(super) fn with_table(self, table: PathBuf) -> Self {
        Self::WithTable { files: Box::new(self), table }
    }

    /// Looks at the names at `place`, without opening a sample.
    ///
    /// # Errors
    ///
    /// As [`OpenOptions::find`].
    pub fn at(place: impl AsRef<Path>) -> Result<Self> {
        OpenOptions::new().find(place)
    }

    /// Opens it as the source that it is.
    ///
    /// # Errors
    ///
    /// As that source.
    pub fn open(&self) -> Result<Box<dyn Source>> {
        self.survey(Limits::default())?.whole()
    }

    /// Like [`open`](Self::open), but takes the samples that have all their partners and lists the
    /// files that do not. No file may claim to hold more than `limits` say.
    ///
    /// # Errors
    ///
    /// As `open`, except for pairing.
    pub fn survey(&self, limits: Limits) -> Result<Survey<Box<dyn Source>>> {
        let source: Box<dyn Source> = match self {
            Self::NpyFile(path) => Box::new(NpyFile::with_limits(path, limits)?),
            Self::NpyFiles { input, target } => {
                let [inputs, targets] = [input, target].map(|it| NpyFile::with_limits(it, limits));
                let (inputs, targets) = (inputs?, targets?);
                as_many(&inputs, &targets)?;
                Box::new(inputs.zip(targets.named("target")?)?)
            }
            Self::Folders(folders) => return folders.survey(limits),
            Self::FolderAndRows { input, target } => {
                let inputs = input.folders(limits)?;
                let ignored = inputs.ignored;
                let inputs = inputs.whole()?;
                let targets = NpyFile::with_limits(target, limits)?.named("target")?;
                inputs.check_rows(&targets)?;
                return Ok(Survey::of(Box::new(inputs.zip(targets)?), ignored));
            }
            Self::Shards(shards) => return shards.open(limits),
            Self::WithTable { files, table } => {
                let Survey { source, problems, advice, ignored, left_out } =
                    files.survey(limits)?;
                let table = Table::builder(table).limits(limits).open()?;
                let mut joined = table.survey(source)?.map(|joined| joined.boxed());
                joined.problems.splice(0..0, problems);
                return Ok(Survey { advice, ignored, left_out, ..joined });
            }
            Self::ImageClasses { folder, picture } => {
                let source = ImageFolder::builder(folder).picture(picture.clone()).open()?;
                let ignored = source.ignored();
                return Ok(Survey::of(Box::new(source), ignored));
            }
        };
        Ok(Survey::of(source, 0))
    }

    /// The path that it was found at, or the folder in which its files are.
    pub fn place(&self) -> &Path {
        match self {
            Self::NpyFile(path) | Self::ImageClasses { folder: path, .. } => path,
            Self::Shards(shards) => shards.place(),
            Self::WithTable { files, .. } => files.place(),
            Self::NpyFiles { input, .. } => input.parent().unwrap_or(input),
            Self::FolderAndRows { target, .. } => target.parent().unwrap_or(target),
            Self::Folders(folders) => match (folders.pair_of(), folders.fields()) {
                (None, [first, ..]) => &first.folder,
                (pair, _) => pair.unwrap_or(Path::new("")),
            },
        }
    }

    /// The paths of all files that are read, whether they have partners or not.
    ///
    /// # Errors
    ///
    /// When a folder cannot be listed.
    pub fn files(&self) -> Result<Vec<PathBuf>> {
        Ok(match self {
            Self::NpyFile(path) => vec![path.clone()],
            Self::NpyFiles { input, target } => vec![input.clone(), target.clone()],
            Self::Folders(folders) => folders.files()?,
            Self::FolderAndRows { input, target } => {
                let mut files = input.files()?;
                files.push(target.clone());
                files
            }
            Self::Shards(shards) => shards.files()?,
            Self::WithTable { files, table } => {
                let mut files = files.files()?;
                files.push(table.clone());
                files
            }
            Self::ImageClasses { folder, .. } => {
                let listing = list(folder, &PICTURES, &Pattern::default(), true)?;
                (0..listing.names.len()).map(|at| folder.join(listing.names.path(at))).collect()
            }
        })
    }

    /// Whether a file of this name would be read, or the place not be understood any more, if it were
    /// there. The path must be without links.
    pub fn takes(&self, file: &Path) -> bool {
        let (Some(parent), Some(name)) = (file.parent(), file.file_name()) else { return false };
        let extension = file.extension().unwrap_or_default();
        let is_hidden = name.as_encoded_bytes().starts_with(b".");
        !is_hidden
            && self.folders().into_iter().any(|(folder, extensions, recursive)| {
                extensions.iter().any(|own| extension.eq_ignore_ascii_case(own))
                    && folder.canonicalize().is_ok_and(|folder| {
                        parent == folder || recursive && parent.starts_with(&folder)
                    })
            })
    }

    /// The folders with a file per sample or shard, the extensions of these files, and whether
    /// subfolders are read.
    fn folders(&self) -> Vec<(&Path, &'static [&'static str], bool)> {
        match self {
            Self::NpyFile(_) | Self::NpyFiles { .. } => Vec::new(),
            Self::WithTable { files, .. } => files.folders(),
            Self::Shards(shards) => shards
                .folder()
                .map(|folder| (folder, shards.extensions(), false))
                .into_iter()
                .collect(),
            Self::ImageClasses { folder, .. } => vec![(folder, &PICTURES, true)],
            Self::Folders(folders) | Self::FolderAndRows { input: folders, .. } => {
                let recursive = folders.is_recursive();
                let fields = folders.fields().iter();
                fields.map(|it| (&*it.folder, it.files.extensions(), recursive)).collect()
            }
        }
    }

    /// Folders with `.npy` files or pictures beside its own files that are not part of it.
    pub fn passed_over(&self) -> Vec<PathBuf> {
        let folder = match self {
            Self::Folders(folders) if !folders.is_recursive() => match folders.fields() {
                [field] => &field.folder,
                _ => return Vec::new(),
            },
            Self::NpyFiles { .. } => self.place(),
            Self::Shards(shards) if shards.folder().is_some() => shards.place(),
            Self::WithTable { files, .. } => return files.passed_over(),
            _ => return Vec::new(),
        };
        Contents::of(folder).map_or_else(|_| Vec::new(), |found| found.folders_with(&Kind::FILES))
    }
}

/// Refuses two files that cannot be read side by side.
fn as_many(a: &NpyFile, b: &NpyFile) -> Result<()> {
    if a.len() == b.len() {
        return Ok(());
    }
    let message = format!(
        "{} samples in {:?} and {} in {:?}, expected the same number in both",
        a.len(),
        a.path(),
        b.len(),
        b.path()
    );
    Err(Error::new(ErrorKind::Unpaired, message))
}

impl fmt::Display for Found {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::WithTable { files, table } => {
                let table = table.file_name().unwrap_or_default().to_string_lossy();
                return write!(f, "{files}, with the columns of {}", escaped(&table));
            }
            Self::NpyFile(_) => f.write_str("a .npy file")?,
            Self::NpyFiles { .. } => f.write_str("a .npy file of inputs and one of targets")?,
            Self::Folders(folders) => write!(f, "{folders}")?,
            Self::FolderAndRows { input, target } => {
                let target = target.file_name().unwrap_or_default().to_string_lossy();
                write!(f, "{input} with targets in {}", escaped(&target))?;
            }
            Self::Shards(shards) => write!(f, "{shards}")?,
            Self::ImageClasses { .. } => f.write_str("a folder of pictures per class")?,
        }
        write!(f, ", {}", escaped(&self.place().to_string_lossy()))
    }
}
