use std::borrow::Cow;
use std::ffi::{CStr, CString};
use std::path::PathBuf;
use std::sync::Arc;

use super::column::{Column, PICTURES};
use crate::error::list_names;
use crate::files::{Listing, Names, Pattern, list};
use crate::fingerprint::Versions;
use crate::{
    Error, ErrorKind, Extent, Field, FieldId, Fingerprint, FingerprintBuilder, Location, Picture,
    Result, Row, RowDType, Schema, Source,
};

/// A folder of pictures with one folder per class, as torchvision's `ImageFolder` reads it: the fields
/// `image` and `label`.
///
/// The classes are the names of the folders directly below, in byte order; a label is the number of
/// its class, `i64[]`, whose field has the [names](Field::classes). Links to folders count as folders. The samples are the pictures at any depth
/// below the class folders, in the byte order of their paths: files with the extension `.jpg`,
/// `.jpeg`, `.png` or `.webp` in upper or lower case. What a file is, its first bytes say. Everything
/// else is passed over and counted by [`ignored`](Self::ignored): hidden names, other extensions, and
/// pictures that lie beside the class folders, which have no class.
///
/// A row holds the *file* of a picture. The loader decodes it, and an `Augment` only as much of it as
/// it needs. Labels alone are read without opening a picture:
/// [`labels`](crate::SourceExt::labels) of a million samples takes a moment.
///
/// Costs four system calls per picture (open, read, stat, close), and holds one descriptor, and one
/// more per thread that reads.
///
/// ```no_run
/// use tallow_core::{ImageFolder, Source};
///
/// let source = ImageFolder::open("train")?; // train/cat/*.jpg and train/dog/*.jpg
/// assert_eq!(source.classes(), ["cat", "dog"]);
/// println!("{} samples of {}", source.len(), source.schema());
/// # Ok::<(), tallow_core::Error>(())
/// ```
#[derive(Debug)]
pub struct ImageFolder {
    schema: Schema,
    column: Column,
    /// Where the samples of each class begin, and which class it is, in the order of the samples.
    runs: Vec<(usize, usize)>,
    ignored: usize,
    versions: Versions,
}

/// Where the fields are in the schema.
const IMAGE: usize = 0;
const LABEL: usize = 1;

impl ImageFolder {
    /// The pictures below `root`, in RGB.
    ///
    /// # Errors
    ///
    /// As [`ImageFolderBuilder::open`].
    pub fn open(root: impl Into<PathBuf>) -> Result<Self> {
        Self::builder(root).open()
    }

    /// The pictures below `root`, in other colours or with empty classes.
    pub fn builder(root: impl Into<PathBuf>) -> ImageFolderBuilder {
        ImageFolderBuilder { root: root.into(), picture: Picture::rgb(), allows_empty: false }
    }

    /// The names of the classes; the label of a sample is the place of its class here.
    pub fn classes(&self) -> &[String] {
        self.schema.fields()[LABEL].classes().unwrap_or_default()
    }

    /// Entries that were passed over: hidden ones, other extensions, and pictures without a class.
    pub fn ignored(&self) -> usize {
        self.ignored
    }

    /// Bytes that the names take.
    pub fn memory_bytes(&self) -> usize {
        self.column.names.memory_bytes()
    }

    /// The class of sample `index`.
    fn label(&self, index: usize) -> usize {
        let after = self.runs.partition_point(|&(begin, _)| begin <= index);
        self.runs[after - 1].1
    }

    fn read_field(&self, index: usize, field: usize, row: &mut Row<'_>, at: usize) -> Result<()> {
        match field {
            IMAGE => self.column.read(index, &mut row.field(at)),
            _ => row.field(at).copy_from_slice(&[self.label(index) as i64]),
        }
    }
}

impl Source for ImageFolder {
    fn schema(&self) -> &Schema {
        &self.schema
    }

    fn len(&self) -> usize {
        self.column.names.len()
    }

    fn read(&self, index: usize, row: &mut Row<'_>) -> Result<()> {
        self.read_fields(index, &[0, 1], row)
    }

    fn read_fields(&self, index: usize, fields: &[usize], row: &mut Row<'_>) -> Result<()> {
        assert!(index < self.len(), "sample {index} of {}", self.len());
        let mut fields = fields.iter().enumerate();
        fields.try_for_each(|(at, &field)| self.read_field(index, field, row, at))
    }

    fn name(&self, index: usize) -> Cow<'_, str> {
        Cow::Owned(self.column.path(index).display().to_string())
    }

    /// Of the label too this is the picture: its folder is the label.
    fn location(&self, index: usize, field: FieldId) -> Option<Location> {
        self.schema.holds(field).then(|| self.column.location(index))
    }

    /// Of the names of pictures and classes.
    fn fingerprint(&self) -> Fingerprint {
        let start = Fingerprint::of("image_folder").text(&self.schema.to_string());
        let start = start.bytes(self.column.names.as_bytes());
        let add = |print: FingerprintBuilder, class: &String| print.text(class);
        self.classes().iter().fold(start, add).with_versions(self.versions).finish()
    }

    fn extents(&self, index: usize, visit: &mut dyn FnMut(&Extent)) {
        visit(&self.column.extent(index, &self.schema.fields()[IMAGE]));
    }
}

/// Which folder, and how its pictures are read.
#[derive(Debug, Clone)]
#[must_use]
pub struct ImageFolderBuilder {
    root: PathBuf,
    picture: Picture,
    allows_empty: bool,
}

impl ImageFolderBuilder {
    /// What the pictures are: their colours, size and limits. The default is [`Picture::rgb`].
    pub fn picture(mut self, picture: Picture) -> Self {
        self.picture = picture;
        self
    }

    /// Lets classes be empty: they keep their number, and no sample has it. An error by default.
    pub fn allow_empty(mut self) -> Self {
        self.allows_empty = true;
        self
    }

    /// Lists the folders, and reads the head of a first picture.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Empty`] when there is no picture or no folder of a class, or, unless
    /// [`allow_empty`](Self::allow_empty) was called, a class without pictures;
    /// [`ErrorKind::Changed`] when a folder goes on changing while it is listed; or what is wrong
    /// with the first picture when none of the first hundred can be read or is as
    /// [`picture`](Self::picture) says.
    pub fn open(self) -> Result<ImageFolder> {
        let Self { root, picture, allows_empty } = self;
        let placed = |error: Error| error.with_path(&root);
        let Listing { names, ignored, folders, versions } =
            list(&root, &PICTURES, &Pattern::default(), true)?;
        let (names, beside) = with_class(names);
        if folders.is_empty() || names.len() == 0 {
            return Err(placed(empty(folders.len(), beside, ignored)));
        }
        let runs = runs(&names, &folders);
        if !allows_empty && runs.len() < folders.len() {
            return Err(placed(empty_classes(&folders, &runs)));
        }
        let (column, picture) = Column::of_pictures(&root, Arc::new(names), Some(&picture), &Ok)?;
        let classes = folders.iter().map(|folder| folder.to_string_lossy().into_owned());
        let label = Field::new("label", RowDType::I64, &[]).with_classes(classes);
        let schema = Schema::new(vec![Field::pictures("image", picture), label])?;
        let ignored = ignored + beside;
        Ok(ImageFolder { schema, column, runs, ignored, versions })
    }
}

/// The pictures that lie in some folder, and the number of those that do not.
fn with_class(names: Names) -> (Names, usize) {
    let classed = || names.iter().filter(|name| class_of(name).is_some());
    match names.len() - classed().count() {
        0 => (names, 0),
        beside => (Names::from_sorted(classed(), Pattern::default()), beside),
    }
}

/// The first folder of a path.
fn class_of(path: &CStr) -> Option<&[u8]> {
    let path = path.to_bytes();
    path.iter().position(|&byte| byte == b'/').map(|slash| &path[..slash])
}

/// Where the samples of each class begin. What begins with one name and a slash lies together in the
/// byte order of paths, but not in the order of the names: `a-b/` comes before `a/`.
fn runs(names: &Names, folders: &[CString]) -> Vec<(usize, usize)> {
    let mut runs: Vec<(usize, usize)> = Vec::new();
    let mut last: Option<&[u8]> = None;
    for (index, name) in names.iter().enumerate() {
        let class = class_of(name);
        if class != last {
            let found = folders.binary_search_by(|folder| Some(folder.to_bytes()).cmp(&class));
            runs.push((index, found.expect("a folder that was listed")));
            last = class;
        }
    }
    runs
}

#[cold]
fn empty(folders: usize, beside: usize, ignored: usize) -> Error {
    let message = match (folders, beside) {
        (0, 0) => format!("no folder of a class, {ignored} other entries"),
        (0, _) => format!(
            "found {beside} pictures and no folder of a class, expected a folder per class; read \
             pictures without labels with ImageFolders::open"
        ),
        _ => format!(
            "no picture (.jpg, .jpeg, .png, .webp) in {folders} folders, {ignored} other entries"
        ),
    };
    Error::new(ErrorKind::Empty, message)
}

#[cold]
fn empty_classes(folders: &[CString], runs: &[(usize, usize)]) -> Error {
    let is_empty = |at: &usize| runs.iter().all(|(_, class)| class != at);
    let empty: Vec<String> =
        (0..folders.len()).filter(is_empty).map(|at| format!("{:?}", folders[at])).collect();
    let (count, folders) = (empty.len(), folders.len());
    let message = format!(
        "no picture in {count} of {folders} classes: {}; remove their folders, or keep the classes with \
         .allow_empty()",
        list_names(empty.iter())
    );
    Error::new(ErrorKind::Empty, message)
}
