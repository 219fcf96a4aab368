//! What SOURCE on the command line means.

use std::fmt;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use tallow::{
    Error, ErrorKind, Extent, NpyFile, NpyFolders, NpyFoldersBuilder, Safetensors, Source,
    SourceExt as _,
};

use crate::args::{Ragged, SourceArgs};
use crate::exit::{Failure, Result};

/// Where the samples are, and how they are laid out there.
#[derive(Debug)]
pub(crate) enum Place {
    /// Folders of `.npy` files, one a field.
    Folders(Folders),
    /// One `.npy` file.
    NpyFile(PathBuf),
    /// A `.npy` file of all inputs and one of all targets.
    NpyFiles { input: PathBuf, target: PathBuf },
    /// One `.safetensors` file.
    Safetensors(PathBuf),
    /// A folder of `.safetensors` files.
    Shards(PathBuf),
}

/// Folders of `.npy` files, one a field.
#[derive(Debug, Default)]
pub(crate) struct Folders {
    pub(crate) fields: Vec<(String, PathBuf)>,
    pub(crate) recursive: bool,
    pub(crate) ragged: Vec<Ragged>,
}

impl Folders {
    /// A builder of a source of all of them.
    pub(crate) fn builder(&self) -> NpyFoldersBuilder {
        let builder = NpyFolders::builder();
        let builder = if self.recursive { builder.recursive() } else { builder };
        let fields = self.fields.iter();
        let builder = fields.fold(builder, |builder, (name, path)| builder.field(name, path));
        let axes = self.ragged.iter();
        axes.fold(builder, |builder, Ragged { field, axis, max }| {
            builder.ragged(field, *axis, *max)
        })
    }

    /// One of the fields by itself.
    pub(crate) fn alone(&self, field: &(String, PathBuf)) -> Self {
        let of_field = |ragged: &&Ragged| ragged.field == field.0;
        let ragged = self.ragged.iter().filter(of_field).cloned().collect();
        Self { fields: vec![field.clone()], recursive: self.recursive, ragged }
    }

    /// With these axes ragged, if their fields are among the folders'.
    fn with_ragged(self, ragged: &[Ragged]) -> Result<Self> {
        let names: Vec<&str> = self.fields.iter().map(|(name, _)| name.as_str()).collect();
        match ragged.iter().find(|ragged| !names.contains(&ragged.field.as_str())) {
            None => Ok(Self { ragged: ragged.to_vec(), ..self }),
            Some(Ragged { field, .. }) => Err(Failure::Usage(format!(
                "--ragged of {field:?}, which is no field; the fields are {}",
                names.join(", ")
            ))),
        }
    }
}

/// A source and what there is to say of it besides its schema.
pub(crate) struct Opened {
    pub(crate) source: Arc<dyn Source>,
    /// Entries of folders that were passed over.
    pub(crate) ignored: usize,
}

impl Place {
    /// Looks at what is there; opens no sample.
    pub(crate) fn of(args: &SourceArgs) -> Result<tallow::Result<Self>> {
        let recursive = args.recursive;
        let Some(path) = &args.source else {
            let folders = Folders { fields: args.fields.clone(), recursive, ragged: Vec::new() };
            return Ok(Ok(Self::Folders(folders.with_ragged(&args.ragged)?)));
        };
        let given = [("--recursive", recursive), ("--ragged", !args.ragged.is_empty())];
        let given = given.into_iter().find_map(|(option, given)| given.then_some(option));
        match (Self::of_path(path, recursive), given) {
            (Ok(Self::Folders(folders)), _) => {
                Ok(Ok(Self::Folders(folders.with_ragged(&args.ragged)?)))
            }
            (Ok(_), Some(option)) => Err(Failure::Usage(format!(
                "{option} is for folders of .npy files, which {path:?} is not"
            ))),
            (place, _) => Ok(place),
        }
    }

    fn of_path(path: &Path, recursive: bool) -> tallow::Result<Self> {
        let metadata = fs::metadata(path).map_err(|error| cannot("look at it", path, error))?;
        if metadata.is_dir() {
            return Self::of_folder(path, recursive);
        }
        match extension(path).as_deref() {
            Some("npy") => Ok(Self::NpyFile(path.to_owned())),
            Some("safetensors") => Ok(Self::Safetensors(path.to_owned())),
            _ => {
                let message = "expected a folder, a .npy file or a .safetensors file";
                Err(Error::new(ErrorKind::Foreign, message).with_path(path))
            }
        }
    }

    fn of_folder(path: &Path, recursive: bool) -> tallow::Result<Self> {
        let npy = files(path, "npy", false)?;
        let has_npy = !npy.is_empty();
        let has_shards = !files(path, "safetensors", false)?.is_empty();
        let (input, output) = (path.join("input"), path.join("output"));
        let paired = match (input.is_dir(), output.is_dir()) {
            (true, true) => true,
            // One alone is a pair that lacks its partner, unless it is a folder among others.
            (false, false) => false,
            _ => !(recursive || has_npy || has_shards),
        };
        if [has_npy, has_shards, paired].into_iter().filter(|&found| found).count() > 1 {
            let message = "holds samples of more than one kind (.npy, .safetensors, input/ with \
                           output/); name the file or folder, or use --field";
            return Err(Error::new(ErrorKind::Config, message).with_path(path));
        }
        if has_shards {
            return Ok(Self::Shards(path.to_owned()));
        }
        let names = ["input.npy", "output.npy"].map(|name| path.join(name));
        if let ([input, target], false) = (&npy[..], recursive)
            && npy == names
        {
            let (input, target) = (input.clone(), target.clone());
            return Ok(Self::NpyFiles { input, target });
        }
        let fields = if paired {
            vec![("input".to_owned(), input), ("target".to_owned(), output)]
        } else {
            vec![("input".to_owned(), path.to_owned())]
        };
        Ok(Self::Folders(Folders { fields, recursive, ragged: Vec::new() }))
    }

    /// Opens it as a source.
    pub(crate) fn open(&self) -> tallow::Result<Opened> {
        let source: Arc<dyn Source> = match self {
            Self::Folders(folders) => {
                let source = folders.builder().open()?;
                let ignored = source.ignored();
                return Ok(Opened { source: Arc::new(source), ignored });
            }
            Self::NpyFile(path) => Arc::new(NpyFile::open(path)?),
            Self::NpyFiles { input, target } => {
                Arc::new(NpyFile::open(input)?.zip(NpyFile::open(target)?.named("target")?)?)
            }
            Self::Safetensors(path) | Self::Shards(path) => Arc::new(Safetensors::open(path)?),
        };
        Ok(Opened { source, ignored: 0 })
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Folders(Folders { fields, .. }) => {
                let shown = fields.iter().map(|(name, path)| format!("{name}={}", path.display()));
                f.write_str(&shown.collect::<Vec<_>>().join(" "))
            }
            Self::NpyFiles { input, target } => {
                write!(f, "input={} target={}", input.display(), target.display())
            }
            Self::NpyFile(path) | Self::Safetensors(path) | Self::Shards(path) => {
                write!(f, "{}", path.display())
            }
        }
    }
}

/// The files of a folder that have this extension, in the order of the sources: by the bytes of
/// their paths, hidden ones left out.
pub(crate) fn files(
    folder: &Path,
    extension: &str,
    recursive: bool,
) -> tallow::Result<Vec<PathBuf>> {
    let mut found = Vec::new();
    let mut folders = vec![folder.to_owned()];
    while let Some(folder) = folders.pop() {
        let entries = fs::read_dir(&folder).map_err(|error| cannot("list it", &folder, error))?;
        for entry in entries {
            let entry = entry.map_err(|error| cannot("list it", &folder, error))?;
            let path = entry.path();
            if entry.file_name().as_encoded_bytes().starts_with(b".") {
                continue;
            }
            if self::extension(&path).as_deref() == Some(extension) {
                found.push(path);
            } else if recursive && entry.file_type().is_ok_and(|kind| kind.is_dir()) {
                folders.push(path);
            }
        }
    }
    found.sort_unstable_by(|a, b| a.as_os_str().cmp(b.as_os_str()));
    Ok(found)
}

/// The extension in lower case.
fn extension(path: &Path) -> Option<String> {
    Some(path.extension()?.to_str()?.to_ascii_lowercase())
}

fn cannot(doing: &str, path: &Path, error: io::Error) -> Error {
    let message = format!("cannot {doing}: {error}");
    Error::new(ErrorKind::Io, message).with_path(path).with_source(error)
}

/// How many bytes lie there: of a file of its own all of it, as the file system has it.
pub(crate) fn bytes_of(extent: &Extent) -> tallow::Result<u64> {
    if !extent.whole_file {
        return Ok(extent.bytes as u64);
    }
    let metadata = fs::metadata(&extent.path).map_err(|error| {
        let message = format!("cannot look at the file: {error}");
        Error::new(ErrorKind::Io, message).with_path(&extent.path)
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
            Ok(Place::Safetensors(_)) => "safetensors".to_owned(),
            Ok(Place::Shards(_)) => "shards".to_owned(),
            Err(error) => error.kind().to_string(),
        }
    }

    #[test]
    fn a_folder_is_what_it_holds() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path();
        assert_eq!(place(path, false), "input");
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
}
