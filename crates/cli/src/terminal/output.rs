//! Files that a command writes beside its report.
//!
//! A file is written under a temporary name in the same folder and renamed once it is complete, so
//! that an interrupt or a full disk leaves the old file intact. Anything but a regular file, such
//! as `/dev/stdout` or a pipe, is written directly.

use std::fs::{self, File, Metadata, OpenOptions, Permissions};
use std::io::{self, ErrorKind, Write};
use std::os::fd::AsFd as _;
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};

use tempfile::{NamedTempFile, TempDir};

use crate::args::SourceArgs;
use crate::data::listing;
use crate::data::place::is_same;
use crate::data::places;
use crate::terminal::exit::{Failure, Result};
use crate::terminal::interrupt::{self, Undone};

/// The outputs of a command that reads samples. None of them may be a file of the samples, become
/// one, or be another output.
#[derive(Debug)]
pub(crate) struct Outputs<'a> {
    source: &'a SourceArgs,
    /// Outputs that were opened, with the options that name them.
    opened: Vec<(&'static str, PathBuf)>,
}

impl<'a> Outputs<'a> {
    pub(crate) fn beside(source: &'a SourceArgs) -> Self {
        Self { source, opened: Vec::new() }
    }

    /// Opens the file that `option` names. This happens before the work begins, so that a path that
    /// cannot be written is an error at once and not after an hour of loading.
    ///
    /// # Errors
    ///
    /// A usage error, if it cannot or must not be written.
    pub(crate) fn open(&mut self, option: &'static str, path: &Path) -> Result<Output> {
        let cannot = |error: io::Error| {
            Failure::Usage(format!("cannot write {path:?}, which {option} names: {error}"))
        };
        let target = Target::of(path).map_err(cannot)?;
        if let Target::File { path: place, .. } = &target {
            self.refuse(option, path, place)?;
            self.opened.push((option, place.clone()));
        }
        let sink = target.open(path).map_err(cannot)?;
        Ok(Output { path: path.to_owned(), sink })
    }

    /// Opens the picture that `option` names, which is written as a PNG.
    ///
    /// # Errors
    ///
    /// A usage error, if it cannot or must not be written, or is named like a file of another kind.
    pub(crate) fn open_png(&mut self, option: &'static str, path: &Path) -> Result<Output> {
        const OTHERS: [&str; 9] =
            ["jpg", "jpeg", "gif", "webp", "bmp", "tif", "tiff", "svg", "pdf"];
        let extension = path.extension().unwrap_or_default();
        if OTHERS.iter().any(|other| extension.eq_ignore_ascii_case(other)) {
            let png = path.with_extension("png");
            return Err(Failure::Usage(format!(
                "{option} names {path:?}, but the picture is a PNG; name it {png:?}"
            )));
        }
        self.open(option, path)
    }

    /// `path` leads to the file `place`, with links resolved.
    fn refuse(&self, option: &str, path: &Path, place: &Path) -> Result {
        let refused = |why: &str| {
            Err(Failure::Usage(format!("{option} names {path:?}, {why}; name another file")))
        };
        if let Some((other, _)) = self.opened.iter().find(|(_, opened)| is_same(opened, place)) {
            return refused(&format!("and so does {other}"));
        }
        if is_standard(place) {
            return refused("where the report goes as well");
        }
        // A source that does not exist has no file to be overwritten.
        match places::find(self.source) {
            Ok(sources) if sources.has(place) => refused("which is a file of the source"),
            Ok(sources) if sources.takes(place) => {
                refused("which would become a sample of the source")
            }
            _ => Ok(()),
        }
    }
}

/// A file that was opened to be written. What was in it stays until its replacement is complete.
#[derive(Debug)]
pub(crate) struct Output {
    path: PathBuf,
    sink: Sink,
}

#[derive(Debug)]
enum Sink {
    /// A file beside `place` that takes its name at the end.
    Temporary { file: NamedTempFile, place: PathBuf, _undone: Undone },
    /// A file in a folder in which no other can be created: its contents go when writing begins.
    InPlace(File),
    /// A pipe, a device, or standard output.
    Stream(File),
}

impl Output {
    /// Replaces what was there by `contents`.
    pub(crate) fn write(mut self, contents: &(impl AsRef<[u8]> + ?Sized)) -> Result {
        self.begin()
            .and_then(|mut file| file.write_all(contents.as_ref()))
            .map_err(|error| self.failed(&error))?;
        self.finish()
    }

    /// The empty file, to be written piece by piece; then call [`finish`](Self::finish).
    pub(crate) fn begin(&mut self) -> io::Result<File> {
        match &self.sink {
            Sink::Temporary { file, .. } => file.as_file().try_clone(),
            Sink::InPlace(file) => {
                file.set_len(0)?;
                file.try_clone()
            }
            Sink::Stream(file) => file.try_clone(),
        }
    }

    /// Gives the complete file its name.
    pub(crate) fn finish(self) -> Result {
        let Self { path, sink } = self;
        let Sink::Temporary { file, place, _undone } = sink else { return Ok(()) };
        file.persist(place).map_err(|failed| cannot_write(&path, &failed.error))?;
        Ok(())
    }

    pub(crate) fn failed(&self, error: &io::Error) -> Failure {
        cannot_write(&self.path, error)
    }
}

fn cannot_write(path: &Path, error: &io::Error) -> Failure {
    Failure::Failed(format!("cannot write {path:?}: {error}"))
}

/// A folder of files that appear in their place only once all of them are complete.
#[derive(Debug)]
pub(crate) struct Tree {
    dir: PathBuf,
    /// A folder that exists already: `dir` or one above it.
    base: PathBuf,
    /// A temporary folder in it, and within that what will become `dir`.
    temporary: TempDir,
    below: PathBuf,
    _undone: Undone,
}

impl Tree {
    /// A tree that will be at `dir`, which may exist already.
    ///
    /// # Errors
    ///
    /// If no folder can be made there.
    pub(crate) fn of(dir: &Path) -> Result<Self> {
        let cannot = |error: io::Error| cannot_make(dir, &error);
        let base = nearest(dir).map_err(cannot)?;
        let temporary = tempfile::Builder::new().prefix(HIDDEN).tempdir_in(&base);
        // tempfile's own error would add a name that the user does not know.
        let temporary = temporary.map_err(|error| cannot(error.kind().into()))?;
        let _undone = interrupt::folder(temporary.path());
        let below = temporary.path().join(dir.strip_prefix(&base).unwrap_or(dir));
        fs::create_dir_all(&below).map_err(cannot)?;
        Ok(Self { dir: dir.to_owned(), base, temporary, below, _undone })
    }

    /// Where to write the contents of the folder.
    pub(crate) fn path(&self) -> &Path {
        &self.below
    }

    /// Moves everything to its place, over files of the same names.
    ///
    /// # Errors
    ///
    /// If something cannot be moved.
    pub(crate) fn finish(self) -> Result {
        // So that a signal does not leave a mixture of the files of two seeds.
        let moved = interrupt::hold(|| move_into(&self.base, self.temporary.path()));
        moved.map_err(|error| cannot_make(&self.dir, &error))
    }
}

/// The folder itself, or the nearest one above it that exists. A folder that cannot be looked at
/// may exist, and what is meant for it must not go elsewhere, so it is an error.
fn nearest(dir: &Path) -> io::Result<PathBuf> {
    for above in dir.ancestors() {
        let above = if above.as_os_str().is_empty() { Path::new(".") } else { above };
        match fs::metadata(above) {
            Ok(metadata) if metadata.is_dir() => return Ok(above.to_owned()),
            Err(error) if !is_absent(&error) => return Err(error),
            // Something that is not a folder is refused when the folder is made.
            Ok(_) | Err(_) => {}
        }
    }
    Err(ErrorKind::NotFound.into())
}

fn is_absent(error: &io::Error) -> bool {
    matches!(error.kind(), ErrorKind::NotFound | ErrorKind::NotADirectory)
}

fn move_into(folder: &Path, from: &Path) -> io::Result<()> {
    for entry in listing::entries(from)? {
        let entry = entry?;
        let to = folder.join(entry.name());
        if entry.is_folder()? && to.is_dir() {
            move_into(&to, &entry.path)?;
        } else {
            move_to(&to, &entry.path)?;
        }
    }
    // If the listing missed anything, the folder is not empty and so is not removed.
    fs::remove_dir(from)
}

fn move_to(to: &Path, from: &Path) -> io::Result<()> {
    match fs::rename(from, to) {
        // The existing folder may be a link to another file system.
        Err(error) if error.kind() == ErrorKind::CrossesDevices => {
            fs::copy(from, to)?;
            fs::remove_file(from)
        }
        moved => moved,
    }
}

fn cannot_make(dir: &Path, error: &io::Error) -> Failure {
    Failure::Failed(format!("cannot make the folder {dir:?}: {error}"))
}

/// What the names of temporary files begin with. Sources ignore hidden files.
const HIDDEN: &str = ".bench-loader-";

/// What a path leads to.
enum Target {
    /// A regular file that may not exist yet, by a path without links.
    File {
        path: PathBuf,
        before: Option<Metadata>,
    },
    Stream,
    /// The standard output or error of this process, which has its own position in the file.
    Standard(File),
}

impl Target {
    fn of(path: &Path) -> io::Result<Self> {
        let before = match fs::metadata(path) {
            Ok(metadata) if metadata.is_dir() => return Err(ErrorKind::IsADirectory.into()),
            Ok(metadata) => Some(metadata),
            Err(error) if error.kind() == ErrorKind::NotFound => None,
            Err(error) => return Err(error),
        };
        // By name and not by what it leads to: to write to the file that standard output goes to,
        // by the path of the file, is a mistake.
        for (name, file) in ["/dev/stdout", "/dev/stderr"].into_iter().zip(standard()) {
            if path == Path::new(name) {
                return Ok(Self::Standard(file?));
            }
        }
        if before.as_ref().is_some_and(|metadata| !metadata.is_file()) {
            return Ok(Self::Stream);
        }
        Ok(Self::File { path: without_links(path)?, before })
    }

    fn open(self, named: &Path) -> io::Result<Sink> {
        let (path, before) = match self {
            Self::File { path, before } => (path, before),
            Self::Standard(file) => return Ok(Sink::Stream(file)),
            Self::Stream => {
                return OpenOptions::new().write(true).open(named).map(Sink::Stream);
            }
        };
        // A file that may not be written is not replaced either, even if its folder would allow it.
        let existing = match &before {
            Some(_) => Some(OpenOptions::new().write(true).open(&path)?),
            None => None,
        };
        match (temporary(&path, before.as_ref()), existing) {
            (Ok(file), _) => {
                let _undone = interrupt::file(file.path());
                Ok(Sink::Temporary { file, place: path, _undone })
            }
            (Err(error), Some(file))
                if [ErrorKind::PermissionDenied, ErrorKind::ReadOnlyFilesystem]
                    .contains(&error.kind()) =>
            {
                Ok(Sink::InPlace(file))
            }
            (Err(error), _) => Err(error),
        }
    }
}

/// A file beside `path` with the permissions of the file that it will replace, or of a new file.
fn temporary(path: &Path, before: Option<&Metadata>) -> io::Result<NamedTempFile> {
    /// The permissions of new files, before the umask.
    const NEW: u32 = 0o666;
    let folder = path.parent().ok_or(ErrorKind::IsADirectory)?;
    let mut builder = tempfile::Builder::new();
    let new = Permissions::from_mode(NEW);
    // tempfile's own error would add a name that the user does not know.
    let file = builder.prefix(HIDDEN).permissions(new).tempfile_in(folder);
    let file = file.map_err(|error| io::Error::from(error.kind()))?;
    if let Some(before) = before {
        let mode = before.permissions().mode() & 0o777;
        file.as_file().set_permissions(Permissions::from_mode(mode))?;
    }
    Ok(file)
}

/// The path of a file without links, whether the file exists or not.
fn without_links(path: &Path) -> io::Result<PathBuf> {
    /// As many as the kernel follows.
    const LINKS_MAX: usize = 40;
    let mut path = path.to_owned();
    for _ in 0..LINKS_MAX {
        match fs::canonicalize(&path) {
            Err(error) if error.kind() == ErrorKind::NotFound => {}
            found => return found,
        }
        let name = path.file_name().ok_or(ErrorKind::NotFound)?.to_owned();
        let folder = match path.parent() {
            Some(folder) if !folder.as_os_str().is_empty() => fs::canonicalize(folder)?,
            _ => fs::canonicalize(".")?,
        };
        // A link to a file that does not exist yet.
        match fs::read_link(folder.join(&name)) {
            Ok(to) => path = folder.join(to),
            Err(_) => return Ok(folder.join(name)),
        }
    }
    Err(io::Error::other("too many links"))
}

fn standard() -> [io::Result<File>; 2] {
    let (out, err) = (io::stdout(), io::stderr());
    [out.as_fd(), err.as_fd()].map(|fd| fd.try_clone_to_owned().map(File::from))
}

/// Whether this is the file that standard output or error goes to.
fn is_standard(path: &Path) -> bool {
    let Ok(file) = fs::metadata(path) else { return false };
    standard()
        .into_iter()
        .filter_map(|standard| standard.ok()?.metadata().ok())
        .any(|standard| (standard.dev(), standard.ino()) == (file.dev(), file.ino()))
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;

    use super::*;

    fn no_source() -> SourceArgs {
        SourceArgs {
            sources: Vec::new(),
            renames: Vec::new(),
            selected: Vec::new(),
            fields: Vec::new(),
            recursive: false,
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

    fn open(path: &Path) -> Result<Output> {
        let source = no_source();
        Outputs::beside(&source).open("--x", path)
    }

    fn entries(folder: &Path) -> usize {
        fs::read_dir(folder).unwrap().count()
    }

    #[test]
    fn what_was_there_stays_until_it_is_replaced() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("x");
        drop(open(&path).unwrap());
        assert_eq!(entries(dir.path()), 0);
        fs::write(&path, "before, and long").unwrap();
        let mut output = open(&path).unwrap();
        output.begin().unwrap().write_all(b"half").unwrap();
        drop(output);
        assert_eq!(fs::read_to_string(&path).unwrap(), "before, and long");
        open(&path).unwrap().write("after").unwrap();
        assert_eq!(fs::read_to_string(&path).unwrap(), "after");
        assert_eq!(entries(dir.path()), 1);
        assert!(open(dir.path()).is_err());
        assert!(open(&dir.path().join("absent/x")).is_err());
    }

    #[test]
    fn links_lead_to_the_file_that_is_replaced_and_stay() {
        let dir = tempfile::tempdir().unwrap();
        let (file, link) = (dir.path().join("file"), dir.path().join("link"));
        symlink("file", &link).unwrap();
        open(&link).unwrap().write("through a dangling link").unwrap();
        open(&link).unwrap().write("through a link").unwrap();
        assert_eq!(fs::read_to_string(&file).unwrap(), "through a link");
        assert!(fs::symlink_metadata(&link).unwrap().is_symlink());
        symlink("round", dir.path().join("round")).unwrap();
        assert!(open(&dir.path().join("round")).is_err());
    }

    #[test]
    fn permissions_are_those_of_created_files_or_of_the_file_before() {
        let dir = tempfile::tempdir().unwrap();
        let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
        let (created, written) = (dir.path().join("created"), dir.path().join("written"));
        File::create(&created).unwrap();
        open(&written).unwrap().write("x").unwrap();
        assert_eq!(mode(&written), mode(&created));
        fs::set_permissions(&written, Permissions::from_mode(0o640)).unwrap();
        open(&written).unwrap().write("y").unwrap();
        assert_eq!(mode(&written), 0o640);
    }

    #[test]
    fn a_tree_is_there_when_it_is_complete() {
        let dir = tempfile::tempdir().unwrap();
        let root = dir.path().join("a/b");
        for text in ["first", "second"] {
            let before = fs::read_to_string(root.join("sub/x")).ok();
            let begun = |name: &str| {
                let tree = Tree::of(&root).unwrap();
                fs::create_dir(tree.path().join("sub")).unwrap();
                fs::write(tree.path().join("sub").join(name), text).unwrap();
                tree
            };
            drop(begun("x"));
            assert_eq!(fs::read_to_string(root.join("sub/x")).ok(), before);
            begun("x").finish().unwrap();
            begun(text).finish().unwrap();
            assert_eq!(fs::read_to_string(root.join("sub/x")).unwrap(), text);
        }
        assert_eq!((entries(dir.path()), entries(&root), entries(&root.join("sub"))), (1, 1, 3));
    }

    #[test]
    fn a_tree_goes_nowhere_else_where_its_folder_cannot_be_looked_at() {
        let dir = tempfile::tempdir().unwrap();
        symlink("round", dir.path().join("round")).unwrap();
        assert!(Tree::of(&dir.path().join("round/x")).is_err());
        assert_eq!(entries(dir.path()), 1);
    }

    #[test]
    fn one_file_is_not_two_outputs() {
        let dir = tempfile::tempdir().unwrap();
        let (path, source) = (dir.path().join("x"), no_source());
        fs::create_dir(dir.path().join("sub")).unwrap();
        let mut outputs = Outputs::beside(&source);
        let _first = outputs.open("--html", &path).unwrap();
        let again = outputs.open("--trace", &dir.path().join("sub/../x"));
        let Err(Failure::Usage(said)) = again else { panic!("{again:?}") };
        assert!(said.starts_with("--trace names") && said.contains("--html"), "{said}");
        assert!(outputs.open("--trace", Path::new("/dev/null")).is_ok());
        assert!(outputs.open("--png", Path::new("/dev/null")).is_ok());
    }
}
