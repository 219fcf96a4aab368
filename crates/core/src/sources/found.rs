use std::fmt;
use std::path::{Path, PathBuf};

use super::column::PICTURES;
use super::contents::{Contents, Kind, has};
use crate::{
    Error, ErrorKind, ImageFolder, ImageFolders, NpyFile, NpyFolders, Result, Safetensors, Source,
    SourceExt, escaped,
};

/// Opens what lies at `place`, whatever it is: a `.npy` or `.safetensors` file, or a folder of `.npy`
/// files, of pictures, of one folder per class, of shards, or of pairs in `input/` and `output/`.
/// [`Found`] says what it was taken for.
///
/// # Errors
///
/// [`ErrorKind::Foreign`], [`ErrorKind::Empty`] or [`ErrorKind::Config`] where it is none of these or
/// could be several, saying what was seen; and as the source that it is.
///
/// ```no_run
/// use tallow_core::Source;
///
/// let source = tallow_core::open("data")?;
/// println!("{} samples of {}", source.len(), source.schema());
/// # Ok::<(), tallow_core::Error>(())
/// ```
pub fn open(place: impl AsRef<Path>) -> Result<Box<dyn Source>> {
    Found::at(place)?.open()
}

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
    /// A folder with a `.npy` file per sample, the field `input`: [`NpyFolders`].
    NpyFolder(PathBuf),
    /// `.npy` files in `input/` and `output/`: [`NpyFolders::pairs`].
    NpyPairs(PathBuf),
    /// A folder of `.npy` files and a `.npy` file whose rows are their targets, in the order of their
    /// names: [`NpyFolders::with_rows`].
    FolderAndRows {
        /// The folder, the field `input`.
        input: PathBuf,
        /// The file, the field `target`.
        target: PathBuf,
    },
    /// A `.safetensors` file, or a folder of such: [`Safetensors`].
    Safetensors(PathBuf),
    /// A folder of pictures, the field `input`: [`ImageFolders`].
    Images(PathBuf),
    /// A folder with a folder of pictures per class: [`ImageFolder`].
    ImageClasses(PathBuf),
    /// `input/` and `output/`, at least one of them with pictures: [`ImageFolders`].
    ImagePairs {
        /// The folder in which both are.
        folder: PathBuf,
        /// Whether `input/` holds `.npy` files.
        input_is_npy: bool,
        /// Whether `output/` does.
        output_is_npy: bool,
    },
}

/// Names of a file of targets beside a folder of inputs.
const TARGETS: [&str; 5] = ["output.npy", "target.npy", "targets.npy", "label.npy", "labels.npy"];

/// Names of folders that are parts of samples, and not classes.
const PARTS: [&str; 12] = [
    "annotations",
    "depth",
    "ground_truth",
    "groundtruth",
    "gt",
    "label",
    "labels",
    "mask",
    "masks",
    "segmentation",
    "segmentations",
    "targets",
];

impl Found {
    /// More pictures than this beside other files may be samples.
    const BESIDE_MAX: usize = 8;

    /// Looks at the names at `place`, without opening a sample.
    ///
    /// # Errors
    ///
    /// As [`open`].
    pub fn at(place: impl AsRef<Path>) -> Result<Self> {
        let place = place.as_ref();
        let metadata =
            std::fs::metadata(place).map_err(|error| Error::io("open", error).with_path(place))?;
        if metadata.is_dir() {
            return Self::in_folder(place);
        }
        match place.file_name().and_then(|name| Kind::of(name.as_encoded_bytes())) {
            Some(Kind::Npy) => Ok(Self::NpyFile(place.to_owned())),
            Some(Kind::Shard) => Ok(Self::Safetensors(place.to_owned())),
            Some(Kind::Picture) => {
                let message = "found a picture, expected the folder in which pictures are";
                Err(Error::new(ErrorKind::Foreign, message).with_path(place))
            }
            None => {
                let message = "expected a folder, a .npy file or a .safetensors file";
                Err(Error::new(ErrorKind::Foreign, message).with_path(place))
            }
        }
    }

    fn in_folder(folder: &Path) -> Result<Self> {
        let contents = Contents::of(folder)?;
        let pair = [folder.join("input"), folder.join("output")];
        let both = [0, 1].map(|at| contents.folders.contains(&pair[at]));
        let has_others = contents.npy > 0 || contents.shards;
        let has_own = has_others || contents.pictures > 0;
        // One of them alone is half of a pair, unless it is a folder among others.
        let is_pair = both == [true; 2] || both.contains(&true) && !has_own;
        // A few pictures beside other samples are mostly of those samples, for people.
        let has_pictures = match has_others || is_pair {
            true => !is_pair && contents.pictures > contents.npy.max(Self::BESIDE_MAX),
            false => contents.pictures > 0,
        };
        let kinds = [
            (contents.npy > 0, ".npy files"),
            (has_pictures, "pictures"),
            (contents.shards, ".safetensors files"),
            (is_pair, "input/ with output/"),
        ];
        let kinds = kinds.into_iter().filter_map(|(is, kind)| is.then_some(kind));
        let kinds: Vec<&str> = kinds.collect();
        if kinds.len() > 1 {
            return Err(several_kinds(folder, &kinds));
        }
        if contents.shards {
            return Ok(Self::Safetensors(folder.to_owned()));
        }
        if is_pair {
            return Self::pair(folder, &pair);
        }
        if !has_pictures {
            return Self::without_pictures(folder, &contents);
        }
        match &contents.folders_with(Kind::Picture)[..] {
            [] => Ok(Self::Images(folder.to_owned())),
            below => Err(pictures_beside(folder, contents.pictures, below)),
        }
    }

    /// A folder with an `input` or an `output`, or with both.
    fn pair(folder: &Path, pair: &[PathBuf; 2]) -> Result<Self> {
        let mut is_npy = [true; 2];
        for (part, is_npy) in pair.iter().zip(&mut is_npy) {
            let pictures = has(part, Kind::Picture);
            if pictures && has(part, Kind::Npy) {
                return Err(several_kinds(part, &[".npy files", "pictures"]));
            }
            *is_npy = !pictures;
        }
        let folder = folder.to_owned();
        let [input_is_npy, output_is_npy] = is_npy;
        Ok(match is_npy {
            [true, true] => Self::NpyPairs(folder),
            _ => Self::ImagePairs { folder, input_is_npy, output_is_npy },
        })
    }

    /// A folder that is no pair and has neither shards nor pictures that are samples.
    fn without_pictures(folder: &Path, contents: &Contents) -> Result<Self> {
        let below = contents.folders_with(Kind::Npy);
        let [input, output] = [folder.join("input"), folder.join("output")];
        match contents.few() {
            [one, two] if one.ends_with("input.npy") && two.ends_with("output.npy") => {
                return Ok(Self::NpyFiles { input: one.clone(), target: two.clone() });
            }
            [target] if below.contains(&input) && TARGETS.iter().any(|it| target.ends_with(it)) => {
                return Ok(Self::FolderAndRows { input, target: target.clone() });
            }
            [one] if !below.is_empty() => {
                let own = format!("{:?}", one.file_name().unwrap_or_default());
                return Err(npy_beside(folder, &own, &below));
            }
            own if !own.is_empty() && [&input, &output].iter().any(|it| below.contains(it)) => {
                return Err(npy_beside(folder, ".npy files", &below));
            }
            _ => {}
        }
        let pictures = contents.folders_with(Kind::Picture);
        match (contents.npy, below.is_empty(), pictures.is_empty()) {
            (1.., ..) => Ok(Self::NpyFolder(folder.to_owned())),
            (0, true, true) => match &contents.data_sets()[..] {
                [] => Err(nothing(folder, contents)),
                sets => Err(only_sets(folder, sets)),
            },
            (0, true, false) => Self::classes(folder, &pictures),
            (0, false, true) => Err(only_below(folder, &below)),
            (0, false, false) => Err(only_below(folder, &[below, pictures].concat())),
        }
    }

    /// A folder of folders of pictures, unless their names are not those of classes.
    fn classes(folder: &Path, below: &[PathBuf]) -> Result<Self> {
        let is_part = |path: &PathBuf| {
            let name = path.file_name().unwrap_or_default().to_string_lossy().to_lowercase();
            PARTS.contains(&name.as_str())
        };
        if below.iter().any(is_part) {
            return Err(no_classes(folder, below));
        }
        Ok(Self::ImageClasses(folder.to_owned()))
    }

    /// Opens it as the source that it is.
    ///
    /// # Errors
    ///
    /// As that source.
    pub fn open(&self) -> Result<Box<dyn Source>> {
        Ok(match self {
            Self::NpyFile(path) => Box::new(NpyFile::open(path)?),
            Self::NpyFiles { input, target } => {
                let (inputs, targets) = (NpyFile::open(input)?, NpyFile::open(target)?);
                Box::new(inputs.zip(targets.named("target")?)?)
            }
            Self::NpyFolder(folder) => Box::new(NpyFolders::open(folder)?),
            Self::NpyPairs(folder) => Box::new(NpyFolders::pairs(folder)?),
            Self::FolderAndRows { input, target } => {
                let targets = NpyFile::open(target)?.named("target")?;
                Box::new(NpyFolders::open(input)?.with_rows(targets)?)
            }
            Self::Safetensors(path) => Box::new(Safetensors::open(path)?),
            Self::Images(folder) => Box::new(ImageFolders::open(folder)?),
            Self::ImageClasses(folder) => Box::new(ImageFolder::open(folder)?),
            Self::ImagePairs { folder, input_is_npy, output_is_npy } => {
                let (input, output) = (folder.join("input"), folder.join("output"));
                let builder = ImageFolders::builder();
                let builder = match input_is_npy {
                    true => builder.array("input", input),
                    false => builder.field("input", input),
                };
                let builder = match output_is_npy {
                    true => builder.array("target", output),
                    false => builder.masks("target", output),
                };
                Box::new(builder.open()?)
            }
        })
    }

    /// The extensions of the files that are samples, in lower case.
    pub fn extensions(&self) -> &'static [&'static str] {
        match self {
            Self::NpyFile(_)
            | Self::NpyFiles { .. }
            | Self::NpyFolder(_)
            | Self::NpyPairs(_)
            | Self::FolderAndRows { .. } => &["npy"],
            Self::Safetensors(_) => &["safetensors"],
            Self::ImagePairs { input_is_npy: false, output_is_npy: false, .. }
            | Self::Images(_)
            | Self::ImageClasses(_) => &PICTURES,
            Self::ImagePairs { .. } => &["npy", "jpg", "jpeg", "png", "webp"],
        }
    }

    /// The path that it was found at, or the folder in which its files are.
    pub fn place(&self) -> &Path {
        match self {
            Self::NpyFile(path)
            | Self::NpyFolder(path)
            | Self::NpyPairs(path)
            | Self::Safetensors(path)
            | Self::Images(path)
            | Self::ImageClasses(path)
            | Self::ImagePairs { folder: path, .. } => path,
            Self::NpyFiles { input, .. } | Self::FolderAndRows { input, .. } => {
                input.parent().unwrap_or(input)
            }
        }
    }
}

impl fmt::Display for Found {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let files = |is_npy: &bool| if *is_npy { ".npy files" } else { "pictures" };
        match self {
            Self::NpyFile(_) => f.write_str("a .npy file")?,
            Self::NpyFiles { .. } => f.write_str("a .npy file of inputs and one of targets")?,
            Self::NpyFolder(_) => f.write_str("a folder of .npy files")?,
            Self::NpyPairs(_) => f.write_str("pairs of .npy files in input/ and output/")?,
            Self::FolderAndRows { target, .. } => {
                let target = target.file_name().unwrap_or_default().to_string_lossy();
                write!(f, "a folder of .npy files with targets in {}", escaped(&target))?;
            }
            Self::Safetensors(path) if path.is_dir() => {
                f.write_str("a folder of .safetensors files")?;
            }
            Self::Safetensors(_) => f.write_str("a .safetensors file")?,
            Self::Images(_) => f.write_str("a folder of pictures")?,
            Self::ImageClasses(_) => f.write_str("a folder of pictures per class")?,
            Self::ImagePairs { input_is_npy, output_is_npy, .. } => {
                let (input, output) = (files(input_is_npy), files(output_is_npy));
                write!(f, "pairs of {input} in input/ and {output} in output/")?;
            }
        }
        write!(f, ", {}", escaped(&self.place().to_string_lossy()))
    }
}

/// The names of the first few folders, for a message.
fn named(folders: &[PathBuf]) -> String {
    const NAMED_MAX: usize = 3;
    let name = |path: &PathBuf| format!("{:?}", path.file_name().unwrap_or(path.as_os_str()));
    let names: Vec<String> = folders.iter().take(NAMED_MAX).map(name).collect();
    if folders.len() > NAMED_MAX {
        return format!("{} and {} more", names.join(", "), folders.len() - NAMED_MAX);
    }
    names.join(", ")
}

#[cold]
fn several_kinds(folder: &Path, kinds: &[&str]) -> Error {
    let message = format!(
        "holds samples of more than one kind ({}); name the file or folder to read",
        kinds.join(", ")
    );
    Error::new(ErrorKind::Config, message).with_path(folder)
}

#[cold]
fn pictures_beside(folder: &Path, own: usize, below: &[PathBuf]) -> Error {
    let below = named(below);
    let message = format!(
        "holds {own} pictures beside folders of pictures ({below}); name one of the folders, or move \
         the {own} pictures away if the folders are classes"
    );
    Error::new(ErrorKind::Config, message).with_path(folder)
}

#[cold]
fn npy_beside(folder: &Path, own: &str, below: &[PathBuf]) -> Error {
    let below = named(below);
    let message = format!(
        "holds {own} beside folders of .npy files ({below}); name the file or folder to read, or \
         make each folder a field"
    );
    Error::new(ErrorKind::Config, message).with_path(folder)
}

#[cold]
fn only_sets(folder: &Path, sets: &[PathBuf]) -> Error {
    let message = format!(
        "no .npy file and no picture here, but data sets in subfolders ({}); name one",
        named(sets)
    );
    Error::new(ErrorKind::Empty, message).with_path(folder)
}

#[cold]
fn only_below(folder: &Path, below: &[PathBuf]) -> Error {
    let message = format!(
        "no .npy file here, but in subfolders ({}); name one of them, or make each of them a field",
        named(below)
    );
    Error::new(ErrorKind::Empty, message).with_path(folder)
}

#[cold]
fn no_classes(folder: &Path, below: &[PathBuf]) -> Error {
    let message = format!(
        "folders of pictures that are hardly classes ({}); make each of them a field with \
         ImageFolders::builder(), or read them as classes with ImageFolder::open",
        named(below)
    );
    Error::new(ErrorKind::Config, message).with_path(folder)
}

#[cold]
fn nothing(folder: &Path, contents: &Contents) -> Error {
    let others = contents.others + contents.folders.len();
    let message = format!(
        "no .npy file, {others} other entries; expected .npy or .safetensors files, pictures (.jpg, \
         .jpeg, .png, .webp), a folder of pictures per class, or pairs in input/ and output/"
    );
    Error::new(ErrorKind::Empty, message).with_path(folder)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A folder in which these files are, all empty.
    fn folder(files: &[&str]) -> tempfile::TempDir {
        let dir = tempfile::tempdir().unwrap();
        for file in files {
            let path = dir.path().join(file);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, "").unwrap();
        }
        dir
    }

    /// What a folder of these files is taken for, or the kind and the words of the error.
    fn found(files: &[&str]) -> String {
        let dir = folder(files);
        match Found::at(dir.path()) {
            Ok(found) => found.to_string().split(',').next().unwrap().to_owned(),
            Err(error) => {
                assert_eq!(error.path(), Some(dir.path()), "{error}");
                format!("{}: {}", error.kind(), error.message())
            }
        }
    }

    #[test]
    fn a_folder_is_what_it_holds() {
        for (files, expected) in [
            (&["a.npy", "b.NPY", "notes.txt", ".b.png"][..], "a folder of .npy files"),
            (&["a.npy", "sub/b.npy", "other/x.png", "c.npy", "d.npy"], "a folder of .npy files"),
            (&["input/a.npy", "output/a.npy"], "pairs of .npy files in input/ and output/"),
            (&["a.npy", "sheet.png"], "a folder of .npy files"),
            (
                &["sheet.png", "input/a.png", "output/a.png"],
                "pairs of pictures in input/ and pictures in output/",
            ),
            (&["input/a.npy"], "pairs of .npy files in input/ and output/"),
            (&["input.npy", "output.npy"], "a .npy file of inputs and one of targets"),
            (&["input/a.npy", "labels.npy"], "a folder of .npy files with targets in labels.npy"),
            (&["a.safetensors", "b.safetensors"], "a folder of .safetensors files"),
            (&["a.JPG", "b.webp", "notes.txt", "notes/c.txt"], "a folder of pictures"),
            (&["cat/1.jpg", "dog/1.png", "notes.txt"], "a folder of pictures per class"),
            (
                &["input/a.jpg", "output/a.png"],
                "pairs of pictures in input/ and pictures in output/",
            ),
            (
                &["input/a.jpg", "output/a.npy"],
                "pairs of pictures in input/ and .npy files in output/",
            ),
            (
                &["input/a.npy", "output/a.webp"],
                "pairs of .npy files in input/ and pictures in output/",
            ),
        ] {
            assert_eq!(found(files), expected, "{files:?}");
        }
    }

    #[test]
    fn what_could_be_several_things_is_an_error_that_says_what_was_seen() {
        for (files, expected) in [
            (
                &[
                    "a.npy", "1.png", "2.png", "3.png", "4.jpg", "5.png", "6.png", "7.png",
                    "8.png", "9.png",
                ][..],
                "configuration: holds samples of more than one kind (.npy files, pictures)",
            ),
            (
                &["cat/1.jpg", "dog/1.png", "a.png"],
                "configuration: holds 1 pictures beside folders of pictures (\"cat\", \"dog\")",
            ),
            (
                &["images/1.jpg", "Masks/1.png"],
                "configuration: folders of pictures that are hardly classes (\"Masks\", \"images\")",
            ),
            (
                &["images/1.jpg", "boxes/1.npy"],
                "empty: no .npy file here, but in subfolders (\"boxes\", \"images\")",
            ),
            (
                &["one.npy", "a/1.npy"],
                "configuration: holds \"one.npy\" beside folders of .npy files (\"a\")",
            ),
            (
                &["train/cat/1.jpg", "val/cat/1.jpg"],
                "empty: no .npy file and no picture here, but data sets in subfolders (\"train\", \"val\")",
            ),
            (
                &["notes.txt", "more/notes.txt"],
                "empty: no .npy file, 2 other entries; expected .npy or .safetensors",
            ),
        ] {
            let found = found(files);
            assert!(found.starts_with(expected), "{files:?}: {found}");
        }
        let dir = folder(&["input/a.npy", "input/a.png", "output/a.npy"]);
        let error = Found::at(dir.path()).unwrap_err();
        assert_eq!(error.path(), Some(&*dir.path().join("input")), "{error}");
    }

    #[test]
    fn a_file_is_what_its_extension_says() {
        let dir = folder(&["a.npy", "a.safetensors", "a.png", "a.txt"]);
        let at = |name: &str| Found::at(dir.path().join(name));
        assert_eq!(at("a.npy").unwrap(), Found::NpyFile(dir.path().join("a.npy")));
        assert!(at("a.safetensors").unwrap().to_string().starts_with("a .safetensors file, "));
        assert!(at("a.png").unwrap_err().to_string().contains("expected the folder"));
        assert_eq!(at("a.txt").unwrap_err().kind(), ErrorKind::Foreign);
        assert_eq!(at("absent").unwrap_err().kind(), ErrorKind::Io);
    }
}
