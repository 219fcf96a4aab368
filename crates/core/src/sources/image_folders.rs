use std::path::{Path, PathBuf};

use super::folders::{Content, Folders, FoldersBuilder, Survey, door_to_folders};
use crate::files::Limits;
use crate::{NpyFile, Picture, Result, SourceExt as _, Zip};

/// Folders of pictures: one sample per file, one field per folder. Several folders are paired by file
/// stem, so that `cat.jpg` has the partner `cat.png`. A folder may also hold `.npy` files.
///
/// Files are ordered by the bytes of their names (of their path below the folder, with
/// [`recursive`](ImageFoldersBuilder::recursive)), never by the order of the directory. Names that
/// begin with a dot are passed over, and so are extensions other than `.jpg`, `.jpeg`, `.png` and
/// `.webp`, in upper or lower case. What a file is, its first bytes say.
///
/// A row holds the *file* of each picture. The loader decodes it, and an `Augment` only as much of it
/// as it needs. Of a picture only the first bytes are looked at here: a damaged one is an error where
/// it is decoded, which names its file.
///
/// Costs four system calls per file (open, read, stat, close) and one copy, from the page cache into
/// the row; a file that was written to in the last two seconds is checked more closely. Holds one
/// descriptor per folder, and one more per thread that reads.
///
/// ```no_run
/// use tallow_core::{ImageFolders, Source};
///
/// let source = ImageFolders::pairs("data")?; // data/input/*.jpg and data/output/*.png
/// println!("{} samples of {}", source.len(), source.schema());
/// # Ok::<(), tallow_core::Error>(())
/// ```
#[derive(Debug)]
pub struct ImageFolders(Folders);

impl ImageFolders {
    /// One folder, as the field `input`, in RGB.
    ///
    /// # Errors
    ///
    /// As [`ImageFoldersBuilder::open`].
    pub fn open(folder: impl Into<PathBuf>) -> Result<Self> {
        Self::builder().field("input", folder).open()
    }

    /// The folders `input` and `output` below `folder`, as the fields `input` and `target`: the
    /// inputs in RGB, and the targets as their first readable file suggests. If that is a PNG of one
    /// channel, grey or a palette, they are masks and their numbers are kept as they are stored:
    /// `[height, width]`, `u8`, or `u16` for 16 bits. Otherwise they are RGB.
    ///
    /// # Errors
    ///
    /// As [`ImageFoldersBuilder::open`].
    pub fn pairs(folder: impl AsRef<Path>) -> Result<Self> {
        let folder = folder.as_ref();
        let builder = Self::builder().field("input", folder.join("input"));
        builder.masks("target", folder.join("output")).open()
    }

    /// Folders with other field names, colours or sizes, or some of `.npy` files.
    pub fn builder() -> ImageFoldersBuilder {
        ImageFoldersBuilder::default()
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

door_to_folders!(ImageFolders);

/// Which folders, and how they are read.
#[derive(Debug, Clone)]
#[must_use]
pub struct ImageFoldersBuilder(FoldersBuilder);

impl Default for ImageFoldersBuilder {
    fn default() -> Self {
        Self(FoldersBuilder::new("image_folders"))
    }
}

impl ImageFoldersBuilder {
    /// Adds the pictures of `folder` as the field `name`, in RGB and of any size, unless
    /// [`picture`](Self::picture) says something else.
    pub fn field(self, name: impl Into<String>, folder: impl Into<PathBuf>) -> Self {
        let content = Content::Pictures(Some(Picture::rgb()));
        Self(self.0.field(name.into(), folder.into(), content))
    }

    /// Adds the pictures of `folder` as the field `name`: as the targets of
    /// [`ImageFolders::pairs`], numbers as they are stored if the first readable picture is a PNG of
    /// one channel, and RGB otherwise.
    pub fn masks(self, name: impl Into<String>, folder: impl Into<PathBuf>) -> Self {
        Self(self.0.field(name.into(), folder.into(), Content::Pictures(None)))
    }

    /// Adds the `.npy` files of `folder` as the field `name`, as
    /// [`NpyFolders`](crate::NpyFolders) reads them.
    pub fn array(self, name: impl Into<String>, folder: impl Into<PathBuf>) -> Self {
        Self(self.0.field(name.into(), folder.into(), Content::Arrays))
    }

    /// What the pictures of the field `name` are: their colours, size and limits. The default is
    /// [`Picture::rgb`].
    pub fn picture(self, name: impl Into<String>, picture: Picture) -> Self {
        Self(self.0.picture(name.into(), picture))
    }

    /// Also reads subfolders; partners then share their path without extension. Off by default.
    pub fn recursive(self) -> Self {
        Self(self.0.recursive())
    }

    /// Lets `axis` of the field `name` differ from file to file, up to `max`. No axis of an array is
    /// ragged by default; of a folder of pictures, axis 0 is the height and axis 1 the width, and the
    /// default is what [`picture`](Self::picture) says.
    pub fn ragged(self, name: impl Into<String>, axis: usize, max: usize) -> Self {
        Self(self.0.ragged(name.into(), axis, max))
    }

    /// Takes only the files of the field `name` whose stem matches `pattern`, and pairs them by what
    /// its one star matches: with `"*_mask"`, `a_mask.png` is the partner of `a.jpg`. The default is
    /// `"*"`.
    pub fn pattern(self, name: impl Into<String>, pattern: impl Into<String>) -> Self {
        Self(self.0.pattern(name.into(), pattern.into()))
    }

    /// How much a `.npy` file may claim to hold. The default is [`Limits::default`].
    pub fn limits(self, limits: Limits) -> Self {
        Self(self.0.limits(limits))
    }

    /// Lists the folders, pairs their files, and reads the head of a first file of each.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Unpaired`] or [`ErrorKind::Duplicate`], listing the files, when the folders
    /// do not hold the same stems, each once, whatever the extensions; [`ErrorKind::Empty`] when there
    /// is no file; [`ErrorKind::Config`] for an option of a field that does not exist or a pattern
    /// that is none; [`ErrorKind::Changed`] when a folder goes on changing while it is listed; or
    /// what is wrong with the first file when none of the first hundred can be read or is as
    /// [`picture`](Self::picture) says.
    ///
    /// [`ErrorKind::Unpaired`]: crate::ErrorKind::Unpaired
    /// [`ErrorKind::Duplicate`]: crate::ErrorKind::Duplicate
    /// [`ErrorKind::Empty`]: crate::ErrorKind::Empty
    /// [`ErrorKind::Config`]: crate::ErrorKind::Config
    /// [`ErrorKind::Changed`]: crate::ErrorKind::Changed
    pub fn open(self) -> Result<ImageFolders> {
        self.survey()?.whole()
    }

    /// Like [`open`](Self::open), but takes the samples that have all their partners and lists the
    /// files that do not.
    ///
    /// # Errors
    ///
    /// As `open`, except for pairing.
    pub fn survey(self) -> Result<Survey<ImageFolders>> {
        Ok(self.0.survey()?.map(ImageFolders))
    }
}
