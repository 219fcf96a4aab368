use std::path::{Path, PathBuf};

use super::folders::{Content, Folders, FoldersBuilder, Survey, door_to_folders};
use crate::files::Limits;
use crate::{NpyFile, Result, SourceExt as _, Zip};

/// Folders of `.npy` files: one sample per file, one field per folder. Several folders are paired by
/// file stem.
///
/// Files are ordered by the bytes of their names (of their path below the folder, with
/// [`recursive`](NpyFoldersBuilder::recursive)), never by the order of the directory. Names that
/// begin with a dot are passed over, and so are extensions other than `.npy` in upper or lower case.
///
/// The schema of a field is that of the first file of its folder whose header can be read; a file
/// of another shape or dtype is an error of its own sample. What is read: versions 1 to 3, either
/// byte order, C and Fortran order, and every numeric dtype that candle holds exactly, with
/// `bool` as `u8`, `int8` as `i16`, `uint16` delivered as `u32`, and `uint64` as `i64` where the
/// values fit.
///
/// Costs four system calls per file (open, read, stat, close) and one copy, from the page cache into
/// the row; a file that was written to in the last two seconds is checked more closely. Holds one
/// descriptor per folder, and one more per thread that reads.
///
/// ```no_run
/// use tallow_core::{NpyFolders, Source};
///
/// let source = NpyFolders::pairs("data")?; // data/input/*.npy and data/output/*.npy
/// println!("{} samples of {}", source.len(), source.schema());
/// # Ok::<(), tallow_core::Error>(())
/// ```
#[derive(Debug)]
pub struct NpyFolders(Folders);

impl NpyFolders {
    /// One folder, as the field `input`.
    ///
    /// # Errors
    ///
    /// As [`NpyFoldersBuilder::open`].
    pub fn open(folder: impl Into<PathBuf>) -> Result<Self> {
        Self::builder().field("input", folder).open()
    }

    /// The folders `input` and `output` below `folder`, as the fields `input` and `target`.
    ///
    /// # Errors
    ///
    /// As [`NpyFoldersBuilder::open`].
    pub fn pairs(folder: impl AsRef<Path>) -> Result<Self> {
        let folder = folder.as_ref();
        let builder = Self::builder().field("input", folder.join("input"));
        builder.field("target", folder.join("output")).open()
    }

    /// Folders with other field names, ragged shapes, or other limits.
    pub fn builder() -> NpyFoldersBuilder {
        NpyFoldersBuilder::default()
    }

    /// The samples here with the rows of one more file, one row per sample, in the order of the names:
    /// images in a folder and their labels in one array.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Unpaired`](crate::ErrorKind::Unpaired) when there are not as many rows as samples,
    /// or when the names count without leading zeros, such as `img9` and `img10`, which are not in the
    /// order of the numbers; [`ErrorKind::Config`](crate::ErrorKind::Config) when the rows are
    /// [called](NpyFile::named) as a field here.
    pub fn with_rows(self, rows: NpyFile) -> Result<Zip<Self, NpyFile>> {
        self.0.check_rows(&rows)?;
        self.zip(rows)
    }

    /// Entries of the folders that were passed over: hidden ones and those of other extensions.
    pub fn ignored(&self) -> usize {
        self.0.ignored()
    }

    /// Bytes that the names take.
    pub fn memory_bytes(&self) -> usize {
        self.0.memory_bytes()
    }
}

door_to_folders!(NpyFolders);

/// Which folders, and how they are read.
#[derive(Debug, Clone)]
#[must_use]
pub struct NpyFoldersBuilder(FoldersBuilder);

impl Default for NpyFoldersBuilder {
    fn default() -> Self {
        Self(FoldersBuilder::new("npy_folders"))
    }
}

impl NpyFoldersBuilder {
    /// Adds the files of `folder` as the field `name`.
    pub fn field(self, name: impl Into<String>, folder: impl Into<PathBuf>) -> Self {
        Self(self.0.field(name.into(), folder.into(), Content::Arrays))
    }

    /// Also reads subfolders; partners then share their path without extension. Off by default.
    pub fn recursive(self) -> Self {
        Self(self.0.recursive())
    }

    /// Lets `axis` of the field `name` differ from file to file, up to `max`. No axis is ragged
    /// by default.
    pub fn ragged(self, name: impl Into<String>, axis: usize, max: usize) -> Self {
        Self(self.0.ragged(name.into(), axis, max))
    }

    /// Takes only the files of the field `name` whose stem matches `pattern`, and pairs them by what
    /// its one star matches: with `"*_mask"`, `a_mask.npy` is the partner of `a.npy`. The default is
    /// `"*"`.
    pub fn pattern(self, name: impl Into<String>, pattern: impl Into<String>) -> Self {
        Self(self.0.pattern(name.into(), pattern.into()))
    }

    /// How much a file may claim to hold. The default is [`Limits::default`].
    pub fn limits(self, limits: Limits) -> Self {
        Self(self.0.limits(limits))
    }

    /// Lists the folders, pairs their files, and reads the header of a first file of each.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Unpaired`] or [`ErrorKind::Duplicate`], listing the files, when the folders
    /// do not hold the same stems; [`ErrorKind::Empty`] when there is no file;
    /// [`ErrorKind::Config`] for a ragged axis that does not exist or a pattern that is none;
    /// [`ErrorKind::Changed`] when a folder goes on changing while it is listed; or what is wrong
    /// with the first file when no header can be read.
    ///
    /// [`ErrorKind::Unpaired`]: crate::ErrorKind::Unpaired
    /// [`ErrorKind::Duplicate`]: crate::ErrorKind::Duplicate
    /// [`ErrorKind::Empty`]: crate::ErrorKind::Empty
    /// [`ErrorKind::Config`]: crate::ErrorKind::Config
    /// [`ErrorKind::Changed`]: crate::ErrorKind::Changed
    pub fn open(self) -> Result<NpyFolders> {
        self.survey()?.whole()
    }

    /// Like [`open`](Self::open), but takes the samples that have all their partners and lists the
    /// files that do not.
    ///
    /// # Errors
    ///
    /// As `open`, except for pairing.
    pub fn survey(self) -> Result<Survey> {
        Ok(self.0.survey()?.map(NpyFolders))
    }
}
