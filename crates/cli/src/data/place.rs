//! What SOURCE on the command line refers to: the library finds that out, and these are the words for
//! it at the keyboard.

use std::fs;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use tallow::{
    FieldFolders, Found, Limits, OpenOptions, Picture, Source, SourceError, SourceErrorKind,
};

use crate::args::{Ragged, SourceArgs};
use crate::report::Packed;

/// A source, and what a report says about it besides its schema.
pub(crate) struct Opened {
    pub(crate) source: Arc<dyn Source>,
    /// Entries of folders that are not samples.
    pub(crate) ignored: usize,
    /// Columns that are not read, each as `name (type)`.
    pub(crate) left_out: Vec<String>,
    /// What the documents of each place were packed into, if they were.
    pub(crate) packed: Vec<Packed>,
}

/// Looks at what is at one path, or at the folders of fields, without opening a sample.
pub(super) fn find(args: &SourceArgs, path: Option<&Path>) -> tallow::SourceResult<Found> {
    let options = args
        .patterns
        .iter()
        .fold(OpenOptions::new(), |options, (field, pattern)| options.pattern(field, pattern));
    let options = args
        .ragged
        .iter()
        .fold(options, |options, Ragged { field, axis, max }| options.ragged(field, *axis, *max));
    let options = options.fields(&args.arrays);
    let options = args.pictures.iter().fold(options, |options, name| {
        // As those that Hugging Face datasets wrote.
        options.picture(name, Picture::rgb().upright())
    });
    let options = if args.recursive { options.recursive() } else { options };
    let options = match &args.table {
        Some(table) => options.table(table),
        None => options,
    };
    let options = if args.stacked { options.stacked() } else { options };
    let options = match args.tokens {
        Some((dtype, length)) => options.tokens(dtype, length),
        None => options,
    };
    let options = match args.documents {
        Some(by) => options.documents(by),
        None => options,
    };
    match path {
        None => options.find_fields(args.fields.iter().cloned()),
        Some(path) => {
            let has_options = options != OpenOptions::new();
            let found = options.find(path);
            found.map_err(|error| if has_options { error } else { with_options(error) })
        }
    }
}

/// Opens it as a source that has samples.
pub(crate) fn open(found: &Found) -> tallow::SourceResult<Opened> {
    let survey = found.survey(Limits::default())?;
    let (ignored, left_out) = (survey.ignored, survey.left_out.clone());
    let source = survey.whole()?;
    if source.is_empty() {
        let message = "found 0 samples, expected at least one";
        return Err(SourceError::new(SourceErrorKind::Empty, message).with_path(found.place()));
    }
    Ok(Opened { source: source.into(), ignored, left_out, packed: Vec::new() })
}

/// The files with many rows each.
pub(crate) fn arrays(found: &Found) -> Vec<&Path> {
    match found {
        Found::NpyFile(path) => vec![path],
        Found::NpyFiles { input, target } => vec![input, target],
        Found::FolderAndRows { target, .. } => vec![target],
        _ => Vec::new(),
    }
}

/// Whether this is one of the files of the samples.
pub(crate) fn has(found: &Found, file: &Path) -> bool {
    // A file that does not exist is none of them, so no folder need be listed.
    file.exists() && found.files().is_ok_and(|files| files.iter().any(|path| is_same(path, file)))
}

/// As a report names it: by its path, or by the folder of each field.
pub(crate) fn shown(found: &Found) -> String {
    let folders = |folders: &FieldFolders| {
        let fields = folders.fields().iter();
        let shown = fields.map(|field| format!("{}={}", field.name, field.folder.display()));
        shown.collect::<Vec<_>>().join(" ")
    };
    match found {
        Found::Folders(found) => folders(found),
        Found::FolderAndRows { input, target } => {
            format!("{} target={}", folders(input), target.display())
        }
        Found::NpyFiles { input, target } => {
            format!("input={} target={}", input.display(), target.display())
        }
        Found::WithTable { files, table } => format!("{} {}", shown(files), table.display()),
        found => found.place().display().to_string(),
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
        "{}; --field NAME=FOLDER makes a folder a field, and --recursive reads the files in \
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

/// Whether two paths lead to one file.
pub(crate) fn is_same(path: &Path, other: &Path) -> bool {
    let identity = |path: &Path| fs::metadata(path).ok().map(|of| (of.dev(), of.ino()));
    match (identity(path), identity(other)) {
        (Some(path), Some(other)) => path == other,
        (None, None) => path == other,
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn args(source: &Path, recursive: bool) -> SourceArgs {
        SourceArgs {
            sources: vec![source.to_owned()],
            renames: Vec::new(),
            selected: Vec::new(),
            fields: Vec::new(),
            recursive,
            ragged: Vec::new(),
            arrays: Vec::new(),
            pictures: Vec::new(),
            patterns: Vec::new(),
            stacked: false,
            listing: None,
            table: None,
            tokens: None,
            documents: None,
            record_bytes: None,
            pack: None,
            packing: Default::default(),
        }
    }

    fn add(folder: &Path, name: &str) {
        let path = folder.join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, "").unwrap();
    }

    #[test]
    fn an_error_of_a_place_says_which_options_help() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path();
        add(path, "images/a.npy");
        add(path, "masks/a.npy");
        let find = |path: &Path, recursive| super::find(&args(path, recursive), Some(path));
        let said = find(path, false).unwrap_err().to_string();
        assert!(said.contains("\"images\", \"masks\"") && said.contains("--field"), "{said}");
        let tree = find(path, true).unwrap();
        assert_eq!(shown(&tree), format!("input={}", path.display()));
        let said = find(&path.join("absent"), false).unwrap_err().to_string();
        assert!(!said.contains("--field"), "{said}");
    }

    #[test]
    fn folders_beside_samples_are_passed_over() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path();
        for name in ["input.npy", "output.npy", "images/a.npy", "masks/a.png", "notes/a.txt"] {
            add(path, name);
        }
        let found = find(&args(path, false), Some(path)).unwrap();
        assert_eq!(found.passed_over(), [path.join("images"), path.join("masks")]);
        assert_eq!(arrays(&found), [path.join("input.npy"), path.join("output.npy")]);
        assert!(has(&found, &path.join("input.npy")) && !has(&found, &path.join("absent.npy")));
        fs::hard_link(path.join("output.npy"), path.join("other")).unwrap();
        assert!(has(&found, &path.join("other")), "the same file by another name");
    }
}
