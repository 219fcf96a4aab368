use std::path::{Path, PathBuf};

#[cfg(any(feature = "arrow", feature = "parquet"))]
use super::columns::Declared;
use super::contents::{Contents, Kind};
use super::field_folders::FieldFolders;
use super::format::Format;
use super::{find, found::Found, mds, npy_shards, tokens};
use crate::{DocumentsBy, Picture, Result, RowDType, Source};

/// Opens what lies at `place`, whatever it is: a `.npy` or `.npz` file, a folder of `.npy` or `.npz` files, of
/// pictures, of one folder per class, or of pairs in `input/` and `output/`; or shards, which are
/// `.safetensors`, `.tar`, `.mds`, and with the features `arrow` and `parquet` also these: one file, a folder
/// of them, or a pattern like `train-{000..099}.tar` and `part-*.safetensors`.
/// [`Found`] says what it was taken for, and [`OpenOptions`] has more ways to read folders.
///
/// # Errors
///
/// As [`OpenOptions::open`].
///
/// ```no_run
/// use tallow_core::Source;
///
/// let source = tallow_core::open("data")?;
/// println!("{} samples of {}", source.len(), source.schema());
/// # Ok::<(), tallow_core::Error>(())
/// ```
pub fn open(place: impl AsRef<Path>) -> Result<Box<dyn Source>> {
    OpenOptions::new().open(place)
}

/// How a place is opened that can be anything.
///
/// ```no_run
/// use tallow_core::OpenOptions;
///
/// let options = OpenOptions::new().recursive().pattern("target", "*_mask");
/// let source = options.open("data")?; // data/input/a/1.jpg and data/output/a/1_mask.png
/// # Ok::<(), tallow_core::Error>(())
/// ```
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[must_use]
pub struct OpenOptions {
    pub(super) recursive: bool,
    pub(super) ragged: Vec<(String, usize, usize)>,
    pub(super) patterns: Vec<(String, String)>,
    pub(super) fields: Vec<String>,
    pub(super) pictures: Vec<(String, Picture)>,
    pub(super) is_stacked: bool,
    pub(super) tokens: Option<(RowDType, usize)>,
    pub(super) documents: Option<DocumentsBy>,
    pub(super) table: Option<PathBuf>,
}

impl OpenOptions {
    /// The options of [`open`]: none.
    pub fn new() -> Self {
        Self::default()
    }

    /// Also reads subfolders. A folder without `input/` and `output/` is then one field of the files
    /// at any depth, and no folder is a class. Off by default.
    pub fn recursive(mut self) -> Self {
        self.recursive = true;
        self
    }

    /// Lets `axis` of the field `name` differ from file to file, up to `max`. No axis of an array is
    /// ragged by default. Pictures may have any size up to 8,192 pixels per side; of these `axis` is 0
    /// for the height and 1 for the width, and `max` takes the place of that limit.
    pub fn ragged(mut self, name: impl Into<String>, axis: usize, max: usize) -> Self {
        self.ragged.push((name.into(), axis, max));
        self
    }

    /// Takes only the files of the field `name` whose stem matches `pattern`, and pairs them by what
    /// its one star matches. The default is `"*"`.
    pub fn pattern(mut self, name: impl Into<String>, pattern: impl Into<String>) -> Self {
        self.patterns.push((name.into(), pattern.into()));
        self
    }

    /// Reads only these fields of shards or of a `.npz`, in this order. By default all are read.
    pub fn fields<S: Into<String>>(mut self, names: impl IntoIterator<Item = S>) -> Self {
        self.fields = names.into_iter().map(Into::into).collect();
        self
    }

    /// Takes the bytes of the column `name` of Arrow or Parquet files for pictures, which become `picture`. By
    /// default only columns of pictures that Hugging Face `datasets` wrote are pictures.
    pub fn picture(mut self, name: impl Into<String>, picture: Picture) -> Self {
        self.pictures.push((name.into(), picture));
        self
    }

    /// The columns that [`picture`](Self::picture) told of, and what their pictures become.
    pub fn of_pictures(&self) -> &[(String, Picture)] {
        &self.pictures
    }

    /// Takes each `.npy` file of a folder or pattern for many samples, which its first axis counts:
    /// [`NpyShards`](crate::NpyShards). By default a file in a folder is a sample, since nothing in it
    /// says otherwise.
    pub fn stacked(mut self) -> Self {
        self.is_stacked = true;
        self
    }

    /// Whether [`stacked`](Self::stacked) was asked for.
    pub fn is_stacked(&self) -> bool {
        self.is_stacked
    }

    /// Takes files for tokens of this type, in windows of `length`: [`TokenFiles`](crate::TokenFiles). A
    /// `.bin` or `.tokens` file needs this unless a header or an index says what its tokens are; windows
    /// then have 1024 by default. A file of any other name is read so, too, and a folder of `.bin` and
    /// `.tokens` files.
    pub fn tokens(mut self, dtype: RowDType, length: usize) -> Self {
        self.tokens = Some((dtype, length));
        self
    }

    /// The type of tokens and the length of windows, if [`tokens`](Self::tokens) told them.
    pub fn of_tokens(&self) -> Option<(RowDType, usize)> {
        self.tokens
    }

    /// Reads files of tokens as documents instead of windows; the length of [`tokens`](Self::tokens) then
    /// counts for nothing. Files that do not say what their tokens are need both.
    pub fn documents(mut self, by: DocumentsBy) -> Self {
        self.documents = Some(by);
        self
    }

    /// What tells documents from one another, if [`documents`](Self::documents) told it.
    pub fn of_documents(&self) -> Option<DocumentsBy> {
        self.documents
    }

    /// Adds the columns of a table of labels, whose rows name the files: [`Table`](crate::Table). A folder of
    /// pictures with a `metadata.jsonl` or `metadata.csv` has that one without being asked.
    pub fn table(mut self, path: impl Into<PathBuf>) -> Self {
        self.table = Some(path.into());
        self
    }

    /// What they say of columns.
    #[cfg(any(feature = "arrow", feature = "parquet"))]
    pub(super) fn columns(&self) -> Declared {
        Declared { names: self.fields.clone(), pictures: self.pictures.clone() }
    }

    /// The format of a file where these options tell it.
    pub(super) fn format_of(&self, file: &Path) -> Option<&'static Format> {
        if self.tokens.is_some() {
            return Some(&tokens::FORMAT);
        }
        let name = file.file_name()?.as_encoded_bytes();
        (self.is_stacked && Kind::of(name) == Some(Kind::Npy)).then_some(&npy_shards::FORMAT)
    }

    /// The format of the files in a folder where these options or an index in it tell it.
    pub(super) fn format_in(&self, folder: &Path) -> Result<Option<&'static Format>> {
        if self.tokens.is_some() {
            return Ok(Some(&tokens::FORMAT));
        }
        if mds::is_in(folder) {
            return Ok(Some(&mds::FORMAT));
        }
        let is_stacked = self.is_stacked && Contents::count(folder, false)?[0] > 0;
        Ok(is_stacked.then_some(&npy_shards::FORMAT))
    }

    /// The options that were given, as their methods.
    pub(super) fn given(&self) -> impl Iterator<Item = &'static str> + use<> {
        let given = [
            (self.recursive, ".recursive()"),
            (!self.ragged.is_empty(), ".ragged(..)"),
            (!self.patterns.is_empty(), ".pattern(..)"),
            (!self.fields.is_empty(), ".fields(..)"),
            (!self.pictures.is_empty(), ".picture(..)"),
            (self.is_stacked, ".stacked()"),
            (self.tokens.is_some(), ".tokens(..)"),
            (self.documents.is_some(), ".documents(..)"),
            (self.table.is_some(), ".table(..)"),
        ];
        given.into_iter().filter_map(|(is_given, option)| is_given.then_some(option))
    }

    /// Looks at the names at `place`, without opening a sample.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Foreign`], [`ErrorKind::Empty`] or [`ErrorKind::Config`] where it is nothing that
    /// can be opened or could be several things, saying what was seen; and [`ErrorKind::Config`] for
    /// an option that does not apply to what was found.
    ///
    /// [`ErrorKind::Foreign`]: crate::ErrorKind::Foreign
    /// [`ErrorKind::Empty`]: crate::ErrorKind::Empty
    /// [`ErrorKind::Config`]: crate::ErrorKind::Config
    pub fn find(self, place: impl AsRef<Path>) -> Result<Found> {
        find::at(place.as_ref(), self)
    }

    /// Looks at the names in folders that are to be fields. Each holds arrays or pictures; pictures of
    /// fields after the first are taken for masks, as
    /// [`masks`](crate::ImageFoldersBuilder::masks) does.
    ///
    /// # Errors
    ///
    /// As [`find`](Self::find).
    pub fn find_fields(
        mut self,
        fields: impl IntoIterator<Item = (String, PathBuf)>,
    ) -> Result<Found> {
        let table = self.table.take();
        let fields = fields.into_iter().enumerate();
        let folders: Result<Vec<_>> =
            fields.map(|(at, field)| find::content(at, field, self.recursive)).collect();
        let found = Found::Folders(FieldFolders::new(folders?, self)?);
        Ok(match table {
            Some(table) => found.with_table(table),
            None => found,
        })
    }

    /// Finds out what lies at `place`, and opens it.
    ///
    /// # Errors
    ///
    /// As [`find`](Self::find), and as the source that it is.
    pub fn open(self, place: impl AsRef<Path>) -> Result<Box<dyn Source>> {
        self.find(place)?.open()
    }
}
