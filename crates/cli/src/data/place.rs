//! What SOURCE on the command line refers to.

use std::collections::HashSet;
use std::fmt;
use std::fs;
use std::io;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use tallow::{
    Extent, Found, ImageFolder, ImageFolders, ImageFoldersBuilder, NpyFile, NpyFolders,
    NpyFoldersBuilder, Safetensors, Source, SourceError, SourceErrorKind, SourceExt as _,
};

use crate::args::{Ragged, SourceArgs};
use crate::data::listing::{self, Entry, extension, is_hidden};
use crate::terminal::exit::{Failure, Result};
use crate::terminal::words::{self, counted};

/// Where the samples are, and in which kind of files.
#[derive(Debug)]
pub(crate) enum Place {
    /// Folders of `.npy` files, one per field.
    Folders(Folders),
    /// One `.npy` file.
    NpyFile(PathBuf),
    /// A `.npy` file with all inputs and one with all targets.
    NpyFiles { input: PathBuf, target: PathBuf },
    /// A folder of `.npy` files with one input each, and a `.npy` file with all targets. The rows
    /// belong to the files in the order of their names.
    FolderAndRows { input: Folders, target: PathBuf },
    /// One `.safetensors` file.
    Safetensors(PathBuf),
    /// A folder of `.safetensors` files.
    Shards(PathBuf),
    /// Folders with pictures in them.
    Pictures(Found),
    /// Folders of which at least one holds pictures, one per field.
    PictureFolders(Folders),
}

/// Folders of `.npy` files, one per field.
#[derive(Debug, Clone, Default)]
pub(crate) struct Folders {
    pub(crate) fields: Vec<(String, PathBuf)>,
    pub(crate) recursive: bool,
    pub(crate) ragged: Vec<Ragged>,
    /// Fields, and patterns for the names of their files.
    pub(crate) patterns: Vec<(String, String)>,
}

impl Folders {
    /// A builder for a source of all fields.
    pub(crate) fn builder(&self) -> NpyFoldersBuilder {
        let patterns = self.patterns.iter();
        let builder = patterns.fold(NpyFolders::builder(), |builder, (field, pattern)| {
            builder.pattern(field, pattern)
        });
        let builder = if self.recursive { builder.recursive() } else { builder };
        let fields = self.fields.iter();
        let builder = fields.fold(builder, |builder, (name, path)| builder.field(name, path));
        let axes = self.ragged.iter();
        axes.fold(builder, |builder, Ragged { field, axis, max }| {
            builder.ragged(field, *axis, *max)
        })
    }

    /// The folders of a pair.
    pub(crate) fn pairs(folder: &Path) -> Self {
        let fields = [("input", "input"), ("target", "output")];
        let fields = fields.map(|(name, place)| (name.to_owned(), folder.join(place)));
        Self { fields: fields.into(), ..Self::default() }
    }

    /// Whether one of them holds pictures.
    fn have_pictures(&self) -> bool {
        self.fields.iter().any(|(_, folder)| self.is_pictures(folder))
    }

    /// Whether this one holds pictures.
    pub(crate) fn is_pictures(&self, folder: &Path) -> bool {
        let has = |extension: &&str| {
            files(folder, extension, self.recursive).is_ok_and(|files| !files.is_empty())
        };
        PICTURES.iter().any(has)
    }

    /// A builder for a source of all fields, of which some are pictures. Of fields after the first,
    /// pictures of one channel are masks.
    pub(crate) fn pictures_builder(&self) -> ImageFoldersBuilder {
        let fields = self.fields.iter().enumerate();
        let builder = fields.fold(ImageFolders::builder(), |builder, (at, (name, folder))| {
            match self.is_pictures(folder) {
                false => builder.array(name, folder),
                true if at == 0 => builder.field(name, folder),
                true => builder.masks(name, folder),
            }
        });
        let builder = self
            .patterns
            .iter()
            .fold(builder, |builder, (field, pattern)| builder.pattern(field, pattern));
        let axes = self.ragged.iter();
        let builder = axes.fold(builder, |builder, Ragged { field, axis, max }| {
            builder.ragged(field, *axis, *max)
        });
        if self.recursive { builder.recursive() } else { builder }
    }

    fn parts(&self) -> impl Iterator<Item = Part<'_>> {
        let recursive = self.recursive;
        self.fields.iter().map(move |(_, path)| Part::Folder { path, extension: "npy", recursive })
    }

    /// One of the fields on its own.
    pub(crate) fn alone(&self, field: &(String, PathBuf)) -> Self {
        let of_field = |ragged: &&Ragged| ragged.field == field.0;
        let ragged = self.ragged.iter().filter(of_field).cloned().collect();
        let patterns = self.patterns.iter().filter(|(name, _)| *name == field.0).cloned().collect();
        Self { fields: vec![field.clone()], recursive: self.recursive, ragged, patterns }
    }

    /// Adds what the options say about fields; each of those must be one of the folders' fields.
    fn with(self, args: &SourceArgs) -> Result<Self> {
        let names: Vec<&str> = self.fields.iter().map(|(name, _)| name.as_str()).collect();
        let ragged = args.ragged.iter().map(|ragged| ("--ragged", &ragged.field));
        let patterns = args.patterns.iter().map(|(field, _)| ("--pattern", field));
        let mut unknown =
            ragged.chain(patterns).filter(|(_, name)| !names.contains(&name.as_str()));
        match unknown.next() {
            None => {
                let (ragged, patterns) = (args.ragged.clone(), args.patterns.clone());
                Ok(Self { ragged, patterns, ..self })
            }
            Some((option, field)) => Err(Failure::Usage(format!(
                "{option} names {field:?}, which is not a field; the fields are {}",
                names.join(", ")
            ))),
        }
    }
}

/// A source, and what a report says about it besides its schema.
pub(crate) struct Opened {
    pub(crate) source: Arc<dyn Source>,
    /// Entries of folders that are not samples.
    pub(crate) ignored: usize,
}

/// Where samples come from: a file, or all files of a folder with this extension.
enum Part<'a> {
    File(&'a Path),
    Folder { path: &'a Path, extension: &'static str, recursive: bool },
}

impl Place {
    /// Looks at what is there, without opening a sample.
    pub(crate) fn of(args: &SourceArgs) -> Result<tallow::SourceResult<Self>> {
        let recursive = args.recursive;
        let Some(path) = &args.source else {
            let fields = args.fields.clone();
            let folders = Folders { fields, recursive, ..Folders::default() };
            let folders = folders.with(args)?;
            return Ok(Ok(match folders.have_pictures() {
                true => Self::PictureFolders(folders),
                false => Self::Folders(folders),
            }));
        };
        let given = [
            ("--recursive", recursive),
            ("--ragged", !args.ragged.is_empty()),
            ("--pattern", !args.patterns.is_empty()),
        ];
        let given = given.into_iter().find_map(|(option, given)| given.then_some(option));
        match (Self::of_path(path, recursive), given) {
            (Ok(Self::Folders(folders)), _) => Ok(Ok(Self::Folders(folders.with(args)?))),
            (Ok(Self::FolderAndRows { input, target }), _) => {
                Ok(Ok(Self::FolderAndRows { input: input.with(args)?, target }))
            }
            (Ok(_), Some(option)) => Err(Failure::Usage(format!(
                "{option} is for folders of .npy files, which {path:?} is not"
            ))),
            (place, _) => Ok(place),
        }
    }

    fn of_path(path: &Path, recursive: bool) -> tallow::SourceResult<Self> {
        if recursive && path.is_dir() {
            return Self::of_subfolders(path);
        }
        let folders = |fields: &[(&str, PathBuf)]| {
            let fields = fields.iter().map(|(name, path)| ((*name).to_owned(), path.clone()));
            Folders { fields: fields.collect(), ..Folders::default() }
        };
        Ok(match Found::at(path).map_err(with_options)? {
            Found::NpyFile(path) => Self::NpyFile(path),
            Found::NpyFiles { input, target } => Self::NpyFiles { input, target },
            Found::NpyFolder(path) => Self::Folders(folders(&[("input", path)])),
            Found::NpyPairs(path) => {
                let fields = [("input", path.join("input")), ("target", path.join("output"))];
                Self::Folders(folders(&fields))
            }
            Found::FolderAndRows { input, target } => {
                Self::FolderAndRows { input: folders(&[("input", input)]), target }
            }
            Found::Safetensors(path) if path.is_dir() => Self::Shards(path),
            Found::Safetensors(path) => Self::Safetensors(path),
            pictures => Self::Pictures(pictures),
        })
    }

    /// A folder whose subfolders are read, too.
    fn of_subfolders(path: &Path) -> tallow::SourceResult<Self> {
        let contents = Contents::of(path)?;
        let (input, output) = (path.join("input"), path.join("output"));
        let paired = [&input, &output].iter().all(|folder| contents.folders.contains(folder));
        if [contents.npy, contents.shards, paired].into_iter().filter(|&found| found).count() > 1 {
            let message = "holds samples of more than one kind (.npy, .safetensors, input/ with \
                           output/); name the file or folder to read, or use --field";
            return Err(SourceError::new(SourceErrorKind::Config, message).with_path(path));
        }
        if contents.shards {
            return Ok(Self::Shards(path.to_owned()));
        }
        let fields = match paired {
            true => vec![("input".to_owned(), input), ("target".to_owned(), output)],
            false => vec![("input".to_owned(), path.to_owned())],
        };
        Ok(Self::Folders(Folders { fields, recursive: true, ..Folders::default() }))
    }

    /// Opens it as a source that has samples.
    pub(crate) fn open(&self) -> tallow::SourceResult<Opened> {
        let opened = self.open_any()?;
        if opened.source.is_empty() {
            let error =
                SourceError::new(SourceErrorKind::Empty, "found 0 samples, expected at least one");
            return Err(match self.parts().first() {
                Some(Part::File(path) | Part::Folder { path, .. }) => error.with_path(*path),
                None => error,
            });
        }
        Ok(opened)
    }

    fn open_any(&self) -> tallow::SourceResult<Opened> {
        let source: Arc<dyn Source> = match self {
            Self::Folders(folders) => {
                let source = folders.builder().open()?;
                let ignored = source.ignored();
                return Ok(Opened { source: Arc::new(source), ignored });
            }
            Self::FolderAndRows { input, target } => {
                let inputs = input.builder().open()?;
                let ignored = inputs.ignored();
                let targets = NpyFile::open(target)?.named("target")?;
                let source = Arc::new(inputs.with_rows(targets)?);
                return Ok(Opened { source, ignored });
            }
            Self::NpyFiles { input, target } => {
                let (inputs, targets) = (NpyFile::open(input)?, NpyFile::open(target)?);
                as_many(&inputs, input, &targets, target)?;
                Arc::new(inputs.zip(targets.named("target")?)?)
            }
            Self::NpyFile(path) => Arc::new(NpyFile::open(path)?),
            Self::Safetensors(path) | Self::Shards(path) => Arc::new(Safetensors::open(path)?),
            Self::Pictures(found) => found.open()?.into(),
            Self::PictureFolders(folders) => {
                let source = folders.pictures_builder().open()?;
                let ignored = source.ignored();
                return Ok(Opened { source: Arc::new(source), ignored });
            }
        };
        Ok(Opened { source, ignored: 0 })
    }

    /// The names of the classes, if there is a folder for each.
    pub(crate) fn classes(&self) -> tallow::SourceResult<Vec<String>> {
        match self {
            Self::Pictures(Found::ImageClasses(path)) => {
                Ok(ImageFolder::open(path)?.classes().to_vec())
            }
            _ => Ok(Vec::new()),
        }
    }

    /// Folders with `.npy` files beside its own that are not part of it.
    pub(crate) fn passed_over(&self) -> Vec<PathBuf> {
        let folder = match self {
            Self::Folders(Folders { fields, recursive: false, .. }) => match &fields[..] {
                [(_, folder)] => folder,
                _ => return Vec::new(),
            },
            Self::NpyFiles { input, .. } => input.parent().unwrap_or(input),
            Self::Shards(folder) => folder,
            _ => return Vec::new(),
        };
        Contents::of(folder).map_or_else(|_| Vec::new(), |found| found.folders_with_npy())
    }

    fn parts(&self) -> Vec<Part<'_>> {
        match self {
            Self::Folders(folders) => folders.parts().collect(),
            Self::FolderAndRows { input, target } => {
                input.parts().chain([Part::File(target)]).collect()
            }
            Self::NpyFiles { input, target } => vec![Part::File(input), Part::File(target)],
            Self::NpyFile(path) | Self::Safetensors(path) => vec![Part::File(path)],
            Self::Shards(path) => {
                vec![Part::Folder { path, extension: "safetensors", recursive: false }]
            }
            Self::PictureFolders(folders) => {
                let recursive = folders.recursive;
                let mut parts = Vec::new();
                for extension in PICTURES.into_iter().chain(["npy"]) {
                    for (_, path) in &folders.fields {
                        parts.push(Part::Folder { path, extension, recursive });
                    }
                }
                parts
            }
            Self::Pictures(found) => {
                let path = found.place();
                let parts = found.extensions().iter();
                let part =
                    |&extension: &&'static str| Part::Folder { path, extension, recursive: true };
                parts.map(part).collect()
            }
        }
    }

    /// Its files with many rows each.
    pub(crate) fn arrays(&self) -> Vec<&Path> {
        match self {
            Self::NpyFile(path) => vec![path],
            Self::NpyFiles { input, target } => vec![input, target],
            Self::FolderAndRows { target, .. } => vec![target],
            Self::Folders(_)
            | Self::Safetensors(_)
            | Self::Shards(_)
            | Self::Pictures(_)
            | Self::PictureFolders(_) => Vec::new(),
        }
    }

    /// Whether this is one of its files.
    pub(crate) fn has(&self, file: &Path) -> bool {
        // A file that does not exist is none of them, so no folder need be listed.
        file.exists()
            && self.parts().into_iter().any(|part| match part {
                Part::File(path) => is_same(path, file),
                Part::Folder { path, extension, recursive } => files(path, extension, recursive)
                    .is_ok_and(|files| files.iter().any(|path| is_same(path, file))),
            })
    }

    /// Whether a new file at this path, which must be without links, would become one of its files.
    pub(crate) fn would_take(&self, file: &Path) -> bool {
        let (Some(parent), Some(name)) = (file.parent(), file.file_name()) else { return false };
        let is_inside = |part| match part {
            Part::Folder { path, extension, recursive } => {
                let inside = fs::canonicalize(path).is_ok_and(|folder| {
                    parent == folder || recursive && parent.starts_with(&folder)
                });
                inside && listing::extension(file).as_deref() == Some(extension)
            }
            Part::File(_) => false,
        };
        !is_hidden(name) && self.parts().into_iter().any(is_inside)
    }
}

/// What a folder holds that may be samples.
#[derive(Debug, Default)]
struct Contents {
    npy: bool,
    shards: bool,
    /// In the order of their names.
    folders: Vec<PathBuf>,
}

impl Contents {
    /// The most folders to look into; a message names fewer.
    const FOLDERS_MAX: usize = 64;

    /// Looks at the names in a folder except hidden ones, and at where links lead.
    fn of(path: &Path) -> tallow::SourceResult<Self> {
        let mut found = Self::default();
        for entry in
            listing::entries(path).map_err(|error| cannot("list the folder", path, error))?
        {
            let entry = entry.map_err(|error| cannot("list the folder", path, error))?;
            if entry.is_hidden() {
                continue;
            }
            match extension(&entry.path).as_deref() {
                Some("npy") => found.npy = true,
                Some("safetensors") => found.shards = true,
                _ if entry.leads_to_folder() => found.folders.push(entry.path),
                _ => {}
            }
        }
        found.folders.sort_unstable();
        Ok(found)
    }

    /// The folders in it that hold `.npy` files.
    fn folders_with_npy(&self) -> Vec<PathBuf> {
        let is_npy = |entry: io::Result<Entry>| {
            entry.is_ok_and(|entry| {
                !entry.is_hidden() && extension(&entry.path).as_deref() == Some("npy")
            })
        };
        let has_npy = |folder: &&PathBuf| {
            listing::entries(folder).is_ok_and(|mut entries| entries.any(is_npy))
        };
        self.folders.iter().take(Self::FOLDERS_MAX).filter(has_npy).cloned().collect()
    }
}

/// An error of a place, with what the options can do about it.
#[cold]
fn with_options(error: SourceError) -> SourceError {
    // Where a folder or a file cannot even be looked at, or is another format, options do not help.
    if !matches!(error.kind(), SourceErrorKind::Config | SourceErrorKind::Empty) {
        return error;
    }
    let message = format!(
        "{}; --field NAME=FOLDER makes a folder a field, and --recursive reads .npy files in \
         subfolders as samples of one field",
        error.message()
    );
    let told = SourceError::new(error.kind(), message);
    match error.path() {
        Some(path) => told.with_path(path),
        None => told,
    }
}

/// The names of the first few folders, for a message.
pub(crate) fn named(folders: &[PathBuf]) -> String {
    const NAMED_MAX: usize = 3;
    let name = |path: &PathBuf| format!("{:?}", path.file_name().unwrap_or(path.as_os_str()));
    let names: Vec<String> = folders.iter().take(NAMED_MAX).map(name).collect();
    if folders.len() > NAMED_MAX {
        return format!("{} and {} more", names.join(", "), folders.len() - NAMED_MAX);
    }
    names.join(", ")
}

/// Refuses two sources with different numbers of samples, which cannot be read side by side.
fn as_many(a: &dyn Source, in_a: &Path, b: &dyn Source, in_b: &Path) -> tallow::SourceResult<()> {
    if a.len() == b.len() {
        return Ok(());
    }
    let (a, b) = (counted(a.len() as u64, "sample"), words::count(b.len() as u64));
    let message = format!("{a} in {in_a:?} and {b} in {in_b:?}, expected the same number in both");
    Err(SourceError::new(SourceErrorKind::Unpaired, message))
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Folders(Folders { fields, .. })
            | Self::PictureFolders(Folders { fields, .. }) => {
                let shown = fields.iter().map(|(name, path)| format!("{name}={}", path.display()));
                f.write_str(&shown.collect::<Vec<_>>().join(" "))
            }
            Self::NpyFiles { input, target } => {
                write!(f, "input={} target={}", input.display(), target.display())
            }
            Self::FolderAndRows { input, target } => {
                write!(f, "{} target={}", Self::Folders(input.clone()), target.display())
            }
            Self::NpyFile(path) | Self::Safetensors(path) | Self::Shards(path) => {
                write!(f, "{}", path.display())
            }
            Self::Pictures(found) => write!(f, "{}", found.place().display()),
        }
    }
}

/// The files of a folder with this extension, without hidden ones, sorted by the bytes of their
/// paths like those of the sources.
pub(crate) fn files(
    folder: &Path,
    extension: &str,
    recursive: bool,
) -> tallow::SourceResult<Vec<PathBuf>> {
    let mut found = Vec::new();
    let mut folders = vec![folder.to_owned()];
    // Links may form a loop.
    let mut seen = HashSet::new();
    while let Some(folder) = folders.pop() {
        if recursive && !fs::canonicalize(&folder).is_ok_and(|folder| seen.insert(folder)) {
            continue;
        }
        let entries = listing::entries(&folder);
        for entry in entries.map_err(|error| cannot("list the folder", &folder, error))? {
            let entry = entry.map_err(|error| cannot("list the folder", &folder, error))?;
            if entry.is_hidden() {
                continue;
            }
            if listing::extension(&entry.path).as_deref() == Some(extension) {
                found.push(entry.path);
            } else if recursive && entry.leads_to_folder() {
                folders.push(entry.path);
            }
        }
    }
    found.sort_unstable_by(|a, b| a.as_os_str().cmp(b.as_os_str()));
    Ok(found)
}

/// The extensions of pictures, in lower case.
const PICTURES: [&str; 4] = ["jpg", "jpeg", "png", "webp"];

/// Whether two paths lead to one file.
pub(crate) fn is_same(path: &Path, other: &Path) -> bool {
    let identity = |path: &Path| fs::metadata(path).ok().map(|of| (of.dev(), of.ino()));
    match (identity(path), identity(other)) {
        (Some(path), Some(other)) => path == other,
        (None, None) => path == other,
        _ => false,
    }
}

fn cannot(doing: &str, path: &Path, error: io::Error) -> SourceError {
    let message = format!("cannot {doing}: {error}");
    SourceError::new(SourceErrorKind::Io, message).with_path(path).with_source(error)
}

/// The runs of bytes that a sample is read from.
pub(crate) fn extents_of(source: &dyn Source, index: usize) -> Vec<Extent> {
    let mut extents = Vec::new();
    source.extents(index, &mut |extent| extents.push(extent.clone()));
    extents
}

/// The files that a sample is read from.
pub(crate) fn files_of(source: &dyn Source, index: usize) -> Vec<PathBuf> {
    let mut files = Vec::new();
    source.extents(index, &mut |extent| files.extend(extent.location().path().map(Path::to_owned)));
    files
}

/// The number of bytes there; for a whole file, its size.
pub(crate) fn bytes_of(extent: &Extent) -> tallow::SourceResult<u64> {
    let path = match extent.location().path() {
        Some(path) if extent.is_whole() => path,
        _ => return Ok(extent.bytes() as u64),
    };
    let metadata = fs::metadata(path).map_err(|error| {
        let message = format!("cannot look at the file: {error}");
        SourceError::new(SourceErrorKind::Io, message).with_path(path)
    })?;
    Ok(metadata.len())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn place(path: &Path, recursive: bool) -> String {
        match Place::of_path(path, recursive) {
            Ok(Place::Folders(Folders { fields, .. })) => {
                fields.iter().map(|(name, _)| name.as_str()).collect::<Vec<_>>().join(" ")
            }
            Ok(Place::NpyFile(_)) => "npy".to_owned(),
            Ok(Place::NpyFiles { .. }) => "npy npy".to_owned(),
            Ok(Place::FolderAndRows { .. }) => "input rows".to_owned(),
            Ok(Place::Safetensors(_)) => "safetensors".to_owned(),
            Ok(Place::Shards(_)) => "shards".to_owned(),
            Ok(Place::PictureFolders(_)) => "picture folders".to_owned(),
            Ok(Place::Pictures(found)) => found.to_string().split(',').next().unwrap().to_owned(),
            Err(error) => error.kind().to_string(),
        }
    }

    #[test]
    fn a_folder_is_what_it_holds() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path();
        assert_eq!([place(path, false), place(path, true)], ["empty", "input"]);
        fs::create_dir(path.join("input")).unwrap();
        assert_eq!(place(path, false), "input target", "a pair that lacks its partner");
        assert_eq!(place(path, true), "input", "a folder among others");
        fs::create_dir(path.join("output")).unwrap();
        assert_eq!(place(path, true), "input target");
        fs::write(path.join("a.safetensors"), "").unwrap();
        assert_eq!(place(path, false), "configuration", "two kinds at once");
        fs::remove_dir(path.join("output")).unwrap();
        assert_eq!(place(path, false), "shards");
        assert_eq!(place(&path.join("a.safetensors"), false), "safetensors");
        assert_eq!(place(&path.join("absent.npy"), false), "i/o error");
        let arrays = path.join("arrays");
        fs::create_dir(&arrays).unwrap();
        fs::write(arrays.join("input.npy"), "").unwrap();
        assert_eq!(place(&arrays, false), "input", "one sample");
        fs::write(arrays.join("output.npy"), "").unwrap();
        assert_eq!([place(&arrays, false), place(&arrays, true)], ["npy npy", "input"]);
        fs::write(arrays.join("other.npy"), "").unwrap();
        assert_eq!(place(&arrays, false), "input", "three samples");
        fs::write(path.join("a.txt"), "").unwrap();
        assert_eq!(place(&path.join("a.txt"), false), "foreign format");
    }

    #[test]
    fn files_beside_folders_of_files_are_a_pair_or_refused_or_said() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path();
        let add = |name: &str| {
            let path = path.join(name);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, "").unwrap();
        };
        add("images/a.npy");
        add("masks/a.npy");
        let said = Place::of_path(path, false).unwrap_err().to_string();
        assert!(said.contains("\"images\", \"masks\"") && said.contains("--field"), "{said}");
        assert_eq!(place(path, true), "input");
        add("labels.npy");
        assert_eq!(place(path, false), "configuration", "images/ need not belong to labels.npy");
        fs::rename(path.join("images"), path.join("input")).unwrap();
        for name in ["output.npy", "target.npy", "targets.npy", "label.npy", "labels.npy"] {
            fs::rename(path.join("labels.npy"), path.join(name)).unwrap();
            assert_eq!(place(path, false), "input rows", "{name}");
            fs::rename(path.join(name), path.join("labels.npy")).unwrap();
        }
        add("other.npy");
        assert_eq!(place(path, false), "configuration", "which of them are the targets?");
        fs::rename(path.join("input"), path.join("images")).unwrap();
        let two = Place::of_path(path, false).unwrap();
        assert_eq!(two.passed_over(), [path.join("images"), path.join("masks")]);
        fs::rename(path.join("labels.npy"), path.join("input.npy")).unwrap();
        fs::rename(path.join("other.npy"), path.join("output.npy")).unwrap();
        let arrays = Place::of_path(path, false).unwrap();
        assert!(matches!(arrays, Place::NpyFiles { .. }), "{arrays:?}");
        assert_eq!(arrays.passed_over().len(), 2);
    }
}
