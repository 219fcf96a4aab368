//! Folders of files, one field each, paired by file stem: what the sources of arrays and of pictures
//! have in common.

use std::borrow::Cow;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::column::{Column, PICTURES};
use super::likeness::Likeness;
use super::pairing::{Pairing, pair, summarize};
use crate::files::{Limits, Names, Pattern, list};
use crate::fingerprint::Versions;
use crate::{
    Dim, Error, ErrorKind, Extent, Field, FieldId, Fingerprint, FingerprintBuilder, Location,
    NpyFile, Picture, Result, Row, Schema, Source,
};

/// Folders of files, one field each. The public sources are doors to this one.
#[derive(Debug)]
pub(super) struct Folders {
    /// What fingerprints call the source.
    kind: &'static str,
    schema: Schema,
    columns: Vec<Column>,
    ignored: usize,
    versions: Versions,
}

impl Folders {
    /// Entries of the folders that were passed over.
    pub(super) fn ignored(&self) -> usize {
        self.ignored
    }

    /// Bytes that the names take.
    pub(super) fn memory_bytes(&self) -> usize {
        // Folders of equal names share them.
        let shared = |i: usize| {
            self.columns[..i].iter().any(|c| Arc::ptr_eq(&c.names, &self.columns[i].names))
        };
        let own = (0..self.columns.len()).filter(|&i| !shared(i));
        own.map(|i| self.columns[i].names.memory_bytes()).sum()
    }

    /// Refuses rows of one file that cannot be those of the files here, in the order of their names.
    pub(super) fn check_rows(&self, rows: &NpyFile) -> Result<()> {
        let refuse = |message: String| Err(Error::new(ErrorKind::Unpaired, message));
        let (first, target) = (&self.columns[0], rows.path());
        let (samples, len) = (self.len(), rows.len());
        if samples != len {
            let root = first.root();
            return refuse(format!(
                "{samples} samples in {root:?} and {len} in {target:?}, expected the same number in \
                 both"
            ));
        }
        let paths = || (0..samples).map(|index| first.names.path(index));
        for (before, path) in paths().zip(paths().skip(1)) {
            if let (Some((words_before, number_before)), Some((words, number))) =
                (counting(before), counting(path))
                && words == words_before
                && number < number_before
            {
                let [before, path] =
                    [before, path].map(|path| path.file_name().unwrap_or_default());
                return refuse(format!(
                    "{before:?} comes before {path:?} by name, so it is unclear which row of \
                     {target:?} belongs to which; add leading zeros to the numbers in the names"
                ));
            }
        }
        Ok(())
    }
}

/// A path up to the number at the end of its stem, and that number as its length without leading
/// zeros and its digits, which sort like the number.
fn counting(path: &Path) -> Option<(PathBuf, (usize, &str))> {
    let stem = path.file_stem()?.to_str()?;
    let words = stem.trim_end_matches(|c: char| c.is_ascii_digit());
    let number = stem[words.len()..].trim_start_matches('0');
    (words.len() < stem.len()).then(|| (path.with_file_name(words), (number.len(), number)))
}

impl Source for Folders {
    fn schema(&self) -> &Schema {
        &self.schema
    }

    fn len(&self) -> usize {
        self.columns[0].names.len()
    }

    fn read(&self, index: usize, row: &mut Row<'_>) -> Result<()> {
        for (i, column) in self.columns.iter().enumerate() {
            column.read(index, &mut row.field(i))?;
        }
        Ok(())
    }

    fn read_fields(&self, index: usize, fields: &[usize], row: &mut Row<'_>) -> Result<()> {
        for (i, &field) in fields.iter().enumerate() {
            self.columns[field].read(index, &mut row.field(i))?;
        }
        Ok(())
    }

    fn name(&self, index: usize) -> Cow<'_, str> {
        Cow::Owned(self.columns[0].path(index).display().to_string())
    }

    fn location(&self, index: usize, field: FieldId) -> Option<Location> {
        let at = self.schema.fields().iter().position(|own| own.id() == field)?;
        Some(self.columns[at].location(index))
    }

    fn fingerprint(&self) -> Fingerprint {
        let start = Fingerprint::of(self.kind).text(&self.schema.to_string());
        let add = |print: FingerprintBuilder, c: &Column| print.bytes(c.names.as_bytes());
        self.columns.iter().fold(start, add).with_versions(self.versions).finish()
    }

    fn extents(&self, index: usize, visit: &mut dyn FnMut(&Extent)) {
        let columns = self.columns.iter().zip(self.schema.fields());
        columns.for_each(|(column, field)| visit(&column.extent(index, field)));
    }
}

/// A source whose samples those of its only member are.
macro_rules! door_to_folders {
    ($door:ty) => {
        impl crate::Source for $door {
            fn schema(&self) -> &crate::Schema {
                self.0.schema()
            }
            fn len(&self) -> usize {
                self.0.len()
            }
            fn read(&self, index: usize, row: &mut crate::Row<'_>) -> crate::Result<()> {
                self.0.read(index, row)
            }
            fn read_fields(
                &self,
                index: usize,
                fields: &[usize],
                row: &mut crate::Row<'_>,
            ) -> crate::Result<()> {
                self.0.read_fields(index, fields, row)
            }
            fn read_part(
                &self,
                index: usize,
                field: usize,
                start: usize,
                into: &mut [u8],
                stop: Option<&std::sync::atomic::AtomicBool>,
            ) -> crate::Result<()> {
                self.0.read_part(index, field, start, into, stop)
            }
            fn name(&self, index: usize) -> std::borrow::Cow<'_, str> {
                self.0.name(index)
            }
            fn location(&self, index: usize, field: crate::FieldId) -> Option<crate::Location> {
                self.0.location(index, field)
            }
            fn length(&self, index: usize, field: usize) -> Option<usize> {
                self.0.length(index, field)
            }
            fn fingerprint(&self) -> crate::Fingerprint {
                self.0.fingerprint()
            }
            fn extents(&self, index: usize, visit: &mut dyn FnMut(&crate::Extent)) {
                self.0.extents(index, visit)
            }
        }
    };
}
pub(super) use door_to_folders;

/// What the files of a folder hold.
#[derive(Debug, Clone)]
pub(super) enum Content {
    /// Arrays, in `.npy` files.
    Arrays,
    /// Pictures; `None` for those that the first file suggests.
    Pictures(Option<Picture>),
}

impl Content {
    fn extensions(&self) -> &'static [&'static str] {
        match self {
            Self::Arrays => &["npy"],
            Self::Pictures(_) => &PICTURES,
        }
    }

    /// The files, as an error says that there is none.
    fn files(&self) -> &'static str {
        match self {
            Self::Arrays => ".npy file",
            Self::Pictures(_) => "picture (.jpg, .jpeg, .png, .webp)",
        }
    }
}

/// A folder that is to be a field.
#[derive(Debug, Clone)]
struct Part {
    name: String,
    root: PathBuf,
    content: Content,
}

/// Which folders, and how they are read.
#[derive(Debug, Clone)]
pub(super) struct FoldersBuilder {
    kind: &'static str,
    parts: Vec<Part>,
    ragged: Vec<(String, usize, usize)>,
    patterns: Vec<(String, String)>,
    pictures: Vec<(String, Picture)>,
    recursive: bool,
    limits: Limits,
}

/// What `survey` of a builder found, for example [`NpyFoldersBuilder::survey`].
///
/// [`NpyFoldersBuilder::survey`]: crate::NpyFoldersBuilder::survey
#[derive(Debug)]
#[non_exhaustive]
pub struct Survey<S = crate::NpyFolders> {
    /// The samples that every folder has.
    pub source: S,
    /// Every file without a partner, and every file with a twin.
    pub problems: Vec<Error>,
    /// What to do, if the names of files without a partner are alike.
    pub advice: Option<String>,
    /// Entries that were passed over: hidden ones, those of other extensions, and those that match no
    /// pattern.
    pub ignored: usize,
    /// Columns that are not read, since no field holds their values, each as `name (type)`.
    pub left_out: Vec<String>,
}

impl<S> Survey<S> {
    /// A source without problems.
    pub(super) fn of(source: S, ignored: usize) -> Self {
        Self { source, problems: Vec::new(), advice: None, ignored, left_out: Vec::new() }
    }

    /// The source as another one.
    pub(super) fn map<T>(self, map: impl FnOnce(S) -> T) -> Survey<T> {
        let Self { source, problems, advice, ignored, left_out } = self;
        Survey { source: map(source), problems, advice, ignored, left_out }
    }

    /// The source, if there is no problem.
    ///
    /// # Errors
    ///
    /// All problems as one, with what to do.
    pub fn whole(self) -> Result<S> {
        match summarize(&self.problems, self.advice.as_deref()) {
            None => Ok(self.source),
            Some(error) => Err(error),
        }
    }
}

impl FoldersBuilder {
    /// No folder yet, of a source that fingerprints call `kind`.
    pub(super) fn new(kind: &'static str) -> Self {
        Self {
            kind,
            parts: Vec::new(),
            ragged: Vec::new(),
            patterns: Vec::new(),
            pictures: Vec::new(),
            recursive: false,
            limits: Limits::default(),
        }
    }

    pub(super) fn field(mut self, name: String, root: PathBuf, content: Content) -> Self {
        self.parts.push(Part { name, root, content });
        self
    }

    pub(super) fn recursive(mut self) -> Self {
        self.recursive = true;
        self
    }

    pub(super) fn ragged(mut self, name: String, axis: usize, max: usize) -> Self {
        self.ragged.push((name, axis, max));
        self
    }

    pub(super) fn pattern(mut self, name: String, pattern: String) -> Self {
        self.patterns.push((name, pattern));
        self
    }

    pub(super) fn picture(mut self, name: String, picture: Picture) -> Self {
        self.pictures.push((name, picture));
        self
    }

    pub(super) fn limits(mut self, limits: Limits) -> Self {
        self.limits = limits;
        self
    }

    /// Lists the folders, pairs their files, and reads the header of a first file of each.
    pub(super) fn survey(mut self) -> Result<Survey<Folders>> {
        if self.parts.is_empty() {
            return Err(Error::new(ErrorKind::Config, "no folder was named"));
        }
        self.check_fields()?;
        self.declare_pictures()?;
        let mut listings = Vec::new();
        let (mut ignored, mut versions) = (0, Versions::default());
        for Part { name, root, content } in &self.parts {
            let listing =
                list(root, content.extensions(), &self.pattern_of(name)?, self.recursive)?;
            if listing.names.len() == 0 {
                let message = format!("no {}, {} other entries", content.files(), listing.ignored);
                return Err(Error::new(ErrorKind::Empty, message).with_path(root));
            }
            ignored += listing.ignored;
            versions = versions.and(listing.versions);
            listings.push(listing.names);
        }
        let folders: Vec<(&Path, &Names)> =
            self.parts.iter().map(|part| part.root.as_path()).zip(&listings).collect();
        let Pairing { indices, problems, alike } = pair(&folders);
        let advice = alike.map(|(i, j, likeness)| self.advice(i, j, &likeness));
        let names = shared_names(listings, indices);
        if names[0].len() == 0 {
            let error = summarize(&problems, advice.as_deref());
            return Err(error.unwrap_or_else(|| Error::new(ErrorKind::Empty, "no sample")));
        }
        let source = Folders { versions, ..self.columns(names, ignored)? };
        Ok(Survey { problems, advice, ..Survey::of(source, ignored) })
    }

    /// Whether every option names a field that exists.
    fn check_fields(&self) -> Result<()> {
        let ragged = self.ragged.iter().map(|(name, ..)| ("ragged axis", name));
        let patterns = self.patterns.iter().map(|(name, _)| ("pattern", name));
        let pictures = self.pictures.iter().map(|(name, _)| ("picture", name));
        let is_field = |name: &str| self.parts.iter().any(|part| part.name == name);
        match ragged.chain(patterns).chain(pictures).find(|(_, name)| !is_field(name)) {
            None => Ok(()),
            Some((what, name)) => {
                let message = format!("a {what} of {name:?}, which is no field");
                Err(Error::new(ErrorKind::Config, message))
            }
        }
    }

    /// Gives each folder of pictures what was said of them.
    fn declare_pictures(&mut self) -> Result<()> {
        for (name, picture) in &self.pictures {
            for part in self.parts.iter_mut().filter(|part| part.name == *name) {
                let Content::Pictures(own) = &mut part.content else {
                    let message = format!("a picture of {name:?}, which is a folder of .npy files");
                    return Err(Error::new(ErrorKind::Config, message));
                };
                *own = Some(picture.clone());
            }
        }
        Ok(())
    }

    fn pattern_of(&self, name: &str) -> Result<Pattern> {
        let given = self.patterns.iter().rfind(|(field, _)| field == name);
        given.map_or(Ok(Pattern::default()), |(_, pattern)| Pattern::parse(pattern))
    }

    /// What to do where the names of fields `i` and `j` are alike.
    fn advice(&self, i: usize, j: usize, likeness: &Likeness) -> String {
        let (a, b) = match likeness {
            Likeness::Normalization => {
                return "the names are equal up to Unicode normalization (NFC and NFD): rename the \
                        files of one folder"
                    .to_owned();
            }
            Likeness::Case => {
                return "the names are equal up to case: rename the files of one folder".to_owned();
            }
            Likeness::Affixes(a, b) => (a, b),
        };
        let patterns = [(i, a), (j, b)].into_iter().filter(|(_, pattern)| !pattern.is_any());
        let patterns = patterns.map(|(field, pattern)| {
            format!(".pattern({:?}, {:?})", self.parts[field].name, pattern.to_string())
        });
        let patterns: Vec<String> = patterns.collect();
        format!("the names are those of {a} and {b}: add {}", patterns.join(" and "))
    }

    fn columns(&self, names: Vec<Arc<Names>>, ignored: usize) -> Result<Folders> {
        let mut columns = Vec::new();
        let mut fields = Vec::new();
        for (part, names) in self.parts.iter().zip(names) {
            let (column, field) = self.column(part, names)?;
            self.limits.check_sample(&field).map_err(|e| e.with_path(&part.root))?;
            columns.push(column);
            fields.push(field);
        }
        let (kind, schema) = (self.kind, Schema::new(fields)?);
        Ok(Folders { kind, schema, columns, ignored, versions: Versions::default() })
    }

    fn column(&self, part: &Part, names: Arc<Names>) -> Result<(Column, Field)> {
        let Part { name, root, content } = part;
        match content {
            Content::Arrays => {
                let (column, first) = Column::of_arrays(name, root, names, &self.limits)?;
                let dims = self.dims(name, &first.shape)?;
                Ok((column, Field::with_dims(name, first.dtype, dims)))
            }
            Content::Pictures(picture) => {
                let picture = picture.as_ref();
                let sided = |picture| self.sided(name, picture);
                let (column, picture) = Column::of_pictures(root, names, picture, &sided)?;
                Ok((column, Field::pictures(name, picture)))
            }
        }
    }

    /// The picture of a field with the sides that its ragged axes admit.
    fn sided(&self, name: &str, picture: Picture) -> Result<Picture> {
        let axes = self.ragged.iter().filter(|(field, ..)| field == name);
        axes.clone()
            .try_fold(picture, |picture, (_, axis, max)| with_side(picture, name, *axis, *max))
    }

    fn dims(&self, name: &str, shape: &[usize]) -> Result<Vec<Dim>> {
        let mut dims: Vec<Dim> = shape.iter().map(|&len| Dim::Fixed(len)).collect();
        for (_, axis, max) in self.ragged.iter().filter(|(field, ..)| field == name) {
            let Some(dim) = dims.get_mut(*axis) else {
                let message = format!("axis {axis} of {name:?}, whose shape is {shape:?}");
                return Err(Error::new(ErrorKind::Config, message).with_field(name));
            };
            *dim = Dim::Ragged { max: *max };
        }
        Ok(dims)
    }
}

/// Pictures of the field `name` whose height, axis 0, or width, axis 1, is `max` at most.
pub(super) fn with_side(picture: Picture, name: &str, axis: usize, max: usize) -> Result<Picture> {
    let dims = picture.dims();
    let [height, width] = [0, 1].map(|at| if at == axis { max } else { dims[at].max() });
    if axis > 1 {
        let message = format!(
            "axis {axis} of {name:?} as ragged; of pictures, axis 0 is the height and axis 1 the width"
        );
        return Err(Error::new(ErrorKind::Config, message).with_field(name));
    }
    Ok(picture.at_most(height, width))
}

/// The names of each folder in the order of the samples; one list where all are equal.
fn shared_names(listings: Vec<Names>, indices: Option<Vec<Vec<usize>>>) -> Vec<Arc<Names>> {
    match indices {
        None => {
            let count = listings.len();
            let shared = listings.into_iter().next().unwrap_or_default();
            std::iter::repeat_n(Arc::new(shared), count).collect()
        }
        Some(indices) => {
            let chosen = |(names, indices): (&Names, Vec<usize>)| {
                let chosen = indices.iter().map(|&index| names.get(index));
                Arc::new(Names::from_sorted(chosen, names.pattern().clone()))
            };
            listings.iter().zip(indices).map(chosen).collect()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_in_names_compare_as_numbers() {
        let before = |a: &str, b: &str| {
            let (a, b) = (counting(Path::new(a)).unwrap(), counting(Path::new(b)).unwrap());
            assert_eq!(a.0, b.0);
            a.1 < b.1
        };
        assert!(before("x/img9.npy", "x/img10.npy") && before("007.npy", "10.npy"));
        assert!(!before("img0.npy", "img00.npy"), "equal");
        assert_eq!(counting(Path::new("x.npy")), None);
    }
}
