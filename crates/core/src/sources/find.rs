//! From the names at a place to what it is.

use std::borrow::Borrow;
use std::path::{Path, PathBuf};

use super::contents::{Contents, Kind};
use super::field_folders::{FieldFiles, FieldFolder, FieldFolders};
use super::folders::with_side;
use super::format::Format;
use super::found::Found;
use super::open_options::OpenOptions;
use super::shards::Shards;
use crate::error::list_names;
use crate::files::{is_file, is_folder, wildcards};
use crate::{Error, ErrorKind, Picture, Result};

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

/// More pictures than this beside other files may be samples. A few are mostly of those files, for
/// people.
const BESIDE_MAX: usize = 8;

/// What lies at `place`, to which all options apply, with its table.
pub(super) fn at(place: &Path, mut options: OpenOptions) -> Result<Found> {
    #[cfg(feature = "remote")]
    if let Some(listing) = crate::StoreListing::found_in(place)? {
        return at(Path::new(listing.url()), options);
    }
    let given = options.table.take();
    // A table that is named is that of the files, whatever lies beside them.
    let own = || metadata_of(place).filter(|_| options == OpenOptions::new());
    let Some(table) = given.clone().or_else(own) else { return files_at(place, options) };
    let is_tree = given.is_none() && Contents::of(place)?.pictures == 0;
    let options = if is_tree { options.recursive() } else { options };
    Ok(files_at(place, options)?.with_table(table))
}

/// The table that Hugging Face's folders of pictures have beside the pictures, or above them. A folder
/// without pictures may have a file of that name for something else.
fn metadata_of(place: &Path) -> Option<PathBuf> {
    const NAMES: [&str; 2] = ["metadata.jsonl", "metadata.csv"];
    let table = NAMES.iter().map(|name| place.join(name)).find(|path| is_file(path))?;
    let contents = Contents::of(place).ok()?;
    let [input, output] = parts_of(place);
    let is_pair = [input, output].iter().any(|part| contents.folders.contains(part));
    let is_other = contents.npy > 0 || !contents.shards.is_empty() || is_pair;
    let has_pictures = contents.pictures > 0 || !contents.folders_with(&[Kind::Picture]).is_empty();
    (!is_other && has_pictures).then_some(table)
}

/// What lies at `place`, to which all options apply.
fn files_at(place: &Path, options: OpenOptions) -> Result<Found> {
    let told = |file: &Path| options.format_of(file).or_else(|| Format::of_path(file));
    if let Some(files) = wildcards::expand(place)? {
        return shards_with(Shards::matching(place, files, told)?, options);
    }
    let is_folder = is_folder(place)?;
    let format = match is_folder {
        true => options.format_in(place)?,
        false => options.format_of(place),
    };
    if let Some(format) = format {
        return shards_with(Shards::at(place, format), options);
    }
    let given = options.clone();
    let found = match (is_folder, options.recursive) {
        (true, true) => in_tree(place, options),
        (true, false) => in_folder(place, options),
        (false, _) => of_file(place),
    }?;
    match found {
        Found::Shards(shards) => shards_with(shards, given),
        _ if !given.fields.is_empty() => Err(no_option(".fields(..)", &found)),
        _ if !given.pictures.is_empty() => Err(no_option(".picture(..)", &found)),
        _ if given.is_stacked => Err(no_option(".stacked()", &found)),
        Found::Folders(_) | Found::FolderAndRows { .. } => Ok(found),
        Found::ImageClasses { folder, .. } => classes_with(folder, &given),
        _ => match given.given().next() {
            Some(option) => Err(no_option(option, &found)),
            None => Ok(found),
        },
    }
}

/// Files of many samples each, read with these options.
fn shards_with(shards: Shards, options: OpenOptions) -> Result<Found> {
    let with = shards.clone().with(options);
    with.map(Found::Shards).map_err(|option| no_option(option, &Found::Shards(shards)))
}

fn of_file(place: &Path) -> Result<Found> {
    match place.file_name().and_then(|name| Kind::of(name.as_encoded_bytes())) {
        Some(Kind::Npy) => Ok(Found::NpyFile(place.to_owned())),
        Some(Kind::Shard(format)) => Ok(Found::Shards(Shards::at(place, format))),
        Some(Kind::Picture) => {
            let message = "found a picture, expected the folder in which pictures are";
            Err(Error::new(ErrorKind::Foreign, message).with_path(place))
        }
        None => {
            let message =
                format!("expected a folder, or a file of samples (.npy, {})", Format::names());
            Err(Error::new(ErrorKind::Foreign, message).with_path(place))
        }
    }
}

/// A folder, without what is in its subfolders.
fn in_folder(folder: &Path, options: OpenOptions) -> Result<Found> {
    let contents = Contents::of(folder)?;
    if let [target] = contents.few()
        && is_target(target)
        && contents.pictures > 0
        && contents.shards.is_empty()
    {
        // However few the pictures are, their labels are no sample beside them.
        let name = "input".to_owned();
        let input = FieldFolder { name, folder: folder.to_owned(), files: FieldFiles::Pictures };
        let input = FieldFolders::new(vec![input], options)?;
        return Ok(Found::FolderAndRows { input, target: target.clone() });
    }
    let both = parts_of(folder).map(|part| contents.folders.contains(&part));
    let has_others = contents.npy > 0 || !contents.shards.is_empty();
    let has_own = has_others || contents.pictures > 0;
    // One of them alone is half of a pair, unless it is a folder among others.
    let is_pair = both == [true; 2] || both.contains(&true) && !has_own;
    let has_pictures = match has_others || is_pair {
        true => !is_pair && contents.pictures > contents.npy.max(BESIDE_MAX),
        false => contents.pictures > 0,
    };
    let kinds = [
        (contents.npy > 0, ".npy files"),
        (has_pictures, "pictures"),
        (is_pair, "input/ with output/"),
    ];
    let kinds = kinds.into_iter().filter_map(|(is, kind)| is.then_some(kind.to_owned()));
    let shards = contents.shards.iter().map(|format| format!(".{} files", format.name()));
    let kinds: Vec<String> = kinds.chain(shards).collect();
    if kinds.len() > 1 {
        return Err(several_kinds(folder, &kinds));
    }
    if let [format] = contents.shards[..] {
        return Ok(Found::Shards(Shards::at(folder, format)));
    }
    if is_pair {
        return pair(folder, options);
    }
    if !has_pictures {
        return without_pictures(folder, &contents, options);
    }
    match &contents.folders_with(&[Kind::Picture])[..] {
        [] => one_field(folder, FieldFiles::Pictures, options),
        below => Err(pictures_beside(folder, contents.pictures, below)),
    }
}

/// A folder with all that is in its subfolders: two fields, or one.
fn in_tree(folder: &Path, options: OpenOptions) -> Result<Found> {
    let contents = Contents::of(folder)?;
    if let [format, ..] = contents.shards[..] {
        return Ok(Found::Shards(Shards::at(folder, format)));
    }
    let [input, output] = parts_of(folder);
    let has_input = contents.folders.contains(&input);
    match contents.few() {
        [target] if has_input && is_target(target) => rows(input, target, options),
        _ if has_input && contents.folders.contains(&output) => match contents.npy {
            0 => pair(folder, options),
            _ => Err(several_kinds(folder, &[".npy files", "input/ with output/"])),
        },
        _ => options.find_fields([("input".to_owned(), folder.to_owned())]),
    }
}

/// The folders of a pair.
fn parts_of(folder: &Path) -> [PathBuf; 2] {
    ["input", "output"].map(|part| folder.join(part))
}

/// A folder with an `input` or an `output`, or with both.
fn pair(folder: &Path, options: OpenOptions) -> Result<Found> {
    let [input, output] = parts_of(folder);
    options.find_fields([("input".to_owned(), input), ("target".to_owned(), output)])
}

/// A folder of inputs, and the file of their targets.
fn rows(input: PathBuf, target: &Path, options: OpenOptions) -> Result<Found> {
    let target = target.to_owned();
    match options.find_fields([("input".to_owned(), input)])? {
        Found::Folders(input) => Ok(Found::FolderAndRows { input, target }),
        found => Ok(found),
    }
}

fn is_target(file: &Path) -> bool {
    TARGETS.iter().any(|name| file.ends_with(name))
}

fn one_field(folder: &Path, files: FieldFiles, options: OpenOptions) -> Result<Found> {
    let field = FieldFolder { name: "input".to_owned(), folder: folder.to_owned(), files };
    Ok(Found::Folders(FieldFolders::new(vec![field], options)?))
}

/// A folder that is no pair and has neither shards nor pictures that are samples.
fn without_pictures(folder: &Path, contents: &Contents, options: OpenOptions) -> Result<Found> {
    let below = contents.folders_with(&Kind::FILES);
    let [input, output] = parts_of(folder);
    match contents.few() {
        [one, two] if one.ends_with("input.npy") && two.ends_with("output.npy") => {
            return Ok(Found::NpyFiles { input: one.clone(), target: two.clone() });
        }
        [target] if below.contains(&input) && is_target(target) => {
            return rows(input, target, options);
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
    if contents.npy > 0 {
        return one_field(folder, FieldFiles::Arrays, options);
    }
    if below.is_empty() {
        return Err(match &contents.data_sets()[..] {
            [] => nothing(folder, contents),
            sets => only_sets(folder, sets),
        });
    }
    match contents.folders_with(&[Kind::Npy]).is_empty() {
        true => classes(folder, &below),
        false => Err(only_below(folder, &below)),
    }
}

/// A folder of folders of pictures, unless their names are not those of classes.
fn classes(folder: &Path, below: &[PathBuf]) -> Result<Found> {
    let is_part = |path: &PathBuf| {
        let name = path.file_name().unwrap_or_default().to_string_lossy().to_lowercase();
        PARTS.contains(&name.as_str())
    };
    if below.iter().any(is_part) {
        return Err(no_classes(folder, below));
    }
    Ok(Found::ImageClasses { folder: folder.to_owned(), picture: Picture::rgb() })
}

/// Folders of classes, whose pictures are the field `image`.
fn classes_with(folder: PathBuf, options: &OpenOptions) -> Result<Found> {
    let mut picture = Picture::rgb();
    for (name, axis, max) in &options.ragged {
        if name != "image" {
            let message = format!(
                ".ragged(..) names {name:?}, which is not a field of pictures; that field is image"
            );
            return Err(Error::new(ErrorKind::Config, message).with_path(folder));
        }
        picture = with_side(picture, name, *axis, *max)?;
    }
    let found = Found::ImageClasses { folder, picture };
    match options.patterns.is_empty() {
        true => Ok(found),
        false => Err(no_option(".pattern(..)", &found)),
    }
}

/// What the files in a folder are that is to be field number `at`. A folder that cannot be listed or
/// holds no sample is for the source to refuse.
pub(super) fn content(
    at: usize,
    (name, folder): (String, PathBuf),
    recursive: bool,
) -> Result<FieldFolder> {
    let [npy, pictures] = Contents::count(&folder, recursive).unwrap_or_default();
    if npy > 0 && pictures > npy.max(BESIDE_MAX) {
        return Err(several_kinds(&folder, &[".npy files", "pictures"]));
    }
    let files = match (npy, pictures) {
        (0, 1..) if at == 0 => FieldFiles::Pictures,
        (0, 1..) => FieldFiles::Masks,
        _ => FieldFiles::Arrays,
    };
    Ok(FieldFolder { name, folder, files })
}

/// The names of folders, for a message.
fn named(folders: &[PathBuf]) -> String {
    let name = |path: &PathBuf| format!("{:?}", path.file_name().unwrap_or(path.as_os_str()));
    list_names(folders.iter().map(name))
}

#[cold]
fn no_option(option: &str, found: &Found) -> Error {
    let whose = match option {
        ".fields(..)" => "files of several arrays or columns",
        ".picture(..)" => "columns of Arrow and Parquet files",
        ".tokens(..)" => "files of tokens",
        ".stacked()" => "files of arrays of many samples each",
        _ => "folders with a file per sample",
    };
    let message = format!("{option} is for {whose}, found {found}");
    Error::new(ErrorKind::Config, message).with_path(found.place())
}

#[cold]
fn several_kinds(folder: &Path, kinds: &[impl Borrow<str>]) -> Error {
    let message = format!(
        "holds samples of more than one kind ({}); name the file or folder to read",
        kinds.join(", ")
    );
    Error::new(ErrorKind::Config, message).with_path(folder)
}

#[cold]
fn pictures_beside(folder: &Path, own: usize, below: &[PathBuf]) -> Error {
    let (below, own) = (
        named(below),
        match own {
            1 => "1 picture".to_owned(),
            _ => format!("{own} pictures"),
        },
    );
    let message = format!(
        "holds {own} beside folders of pictures ({below}); name one of the folders, or move what is \
         beside them away if the folders are classes"
    );
    Error::new(ErrorKind::Config, message).with_path(folder)
}

#[cold]
fn npy_beside(folder: &Path, own: &str, below: &[PathBuf]) -> Error {
    let below = named(below);
    let message = format!(
        "holds {own} beside folders of samples ({below}); name the file or folder to read, or make \
         each folder a field"
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
    // What may be tokens is said first: a folder of them is what was meant.
    let unsaid = contents.unsaid.first().map_or(String::new(), |format| {
        format!(
            " (.{name} files are read once they are named, as in \"*.{name}\", or told of with \
             .tokens(..))",
            name = format.name()
        )
    });
    let message = format!(
        "no .npy file, {others} other entries{unsaid}; expected .npy files, shards ({}), \
         pictures (.jpg, .jpeg, .png, .webp), a folder of pictures per class, or pairs in input/ and \
         output/",
        Format::names_in_folders()
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
                "pairs of pictures in input/ and output/",
            ),
            (&["input/a.npy"], "pairs of .npy files in input/ and output/"),
            (&["input.npy", "output.npy"], "a .npy file of inputs and one of targets"),
            (&["input/a.npy", "labels.npy"], "a folder of .npy files with targets in labels.npy"),
            (&["input/a.jpg", "labels.npy"], "a folder of pictures with targets in labels.npy"),
            (&["a.jpg", "b.jpg", "labels.npy"], "a folder of pictures with targets in labels.npy"),
            (&["a.jpg", "metadata.csv"], "a folder of pictures"),
            (&["x/a.jpg", "metadata.jsonl"], "a folder of pictures with subfolders"),
            (&["a.npz", "b.npz"], "a folder of .npz files of arrays"),
            (&["a.safetensors", "b.safetensors"], "a folder of .safetensors files"),
            (&["a.JPG", "b.webp", "notes.txt", "notes/c.txt"], "a folder of pictures"),
            (&["cat/1.jpg", "dog/1.png", "notes.txt"], "a folder of pictures per class"),
            (&["input/a.jpg", "output/a.png"], "pairs of pictures in input/ and output/"),
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
                "configuration: holds 1 picture beside folders of pictures (\"cat\", \"dog\")",
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
                "configuration: holds \"one.npy\" beside folders of samples (\"a\")",
            ),
            (
                &["weights.npy", "cat/1.jpg", "dog/1.jpg"],
                "configuration: holds \"weights.npy\" beside folders of samples (\"cat\", \"dog\")",
            ),
            (
                &["train/cat/1.jpg", "val/cat/1.jpg"],
                "empty: no .npy file and no picture here, but data sets in subfolders (\"train\", \"val\")",
            ),
            (
                &["notes.txt", "more/notes.txt"],
                "empty: no .npy file, 2 other entries; expected .npy files, shards (",
            ),
        ] {
            let found = found(files);
            assert!(found.starts_with(expected), "{files:?}: {found}");
        }
        let pictures: Vec<String> = (0..9).map(|at| format!("input/{at}.png")).collect();
        let files: Vec<&str> = pictures.iter().map(String::as_str).collect();
        let dir = folder(&[&files[..], &["input/a.npy", "output/a.npy"]].concat());
        let error = Found::at(dir.path()).unwrap_err();
        assert_eq!(error.path(), Some(&*dir.path().join("input")), "{error}");
    }

    #[test]
    fn a_file_is_what_its_extension_says() {
        let dir = folder(&["a.npy", "a.npz", "a.safetensors", "a.png", "a.txt"]);
        let at = |name: &str| Found::at(dir.path().join(name));
        assert_eq!(at("a.npy").unwrap(), Found::NpyFile(dir.path().join("a.npy")));
        assert!(at("a.npz").unwrap().to_string().starts_with("a .npz file of arrays, "));
        assert!(at("a.safetensors").unwrap().to_string().starts_with("a .safetensors file, "));
        assert!(at("a.png").unwrap_err().to_string().contains("expected the folder"));
        assert_eq!(at("a.txt").unwrap_err().kind(), ErrorKind::Foreign);
        assert_eq!(at("absent").unwrap_err().kind(), ErrorKind::Io);
    }

    /// What a folder of these files is taken for with its subfolders.
    fn in_tree(files: &[&str], options: OpenOptions) -> String {
        let dir = folder(files);
        match options.recursive().find(dir.path()) {
            Ok(found) => found.to_string().split(',').next().unwrap().to_owned(),
            Err(error) => format!("{}: {}", error.kind(), error.message()),
        }
    }

    #[test]
    fn subfolders_are_read_too_where_that_is_asked_for() {
        for (files, expected) in [
            (&["a.npy", "sub/b.npy"][..], "a folder of .npy files with subfolders"),
            (&["train/cat/1.jpg", "val/2.jpg"], "a folder of pictures with subfolders"),
            (&["images/1.jpg", "labels/1.npy"], "a folder of .npy files with subfolders"),
            (
                &["input/x/a.jpg", "output/x/a.png"],
                "pairs of pictures in input/ and output/ with subfolders",
            ),
            (
                &["input/x/a.jpg", "labels.npy"],
                "a folder of pictures with subfolders with targets in labels.npy",
            ),
            (
                &["a.npy", "input/a.npy", "output/a.npy"],
                "configuration: holds samples of more than",
            ),
            (
                &["a.safetensors", "b/c.npy"],
                "configuration: .recursive() is for folders with a file",
            ),
        ] {
            let found = in_tree(files, OpenOptions::new());
            assert!(found.starts_with(expected), "{files:?}: {found}");
        }
    }

    #[test]
    fn an_option_that_does_not_apply_is_an_error_that_names_it() {
        let new = OpenOptions::new;
        let refused = |files: &[&str], options: OpenOptions| {
            let dir = folder(files);
            let error = options.find(dir.path()).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Config);
            error.message().to_owned()
        };
        let pair = &["input/a.jpg", "output/a.png"];
        for (files, options, expected) in [
            (&pair[..], new().ragged("image", 0, 3), "the fields are input, target"),
            (pair, new().pattern("x", "*"), ".pattern(..) names \"x\""),
            (&["cat/a.jpg"], new().pattern("image", "*"), "found a folder of pictures per class"),
            (&["cat/a.jpg"], new().ragged("image", 2, 3), "axis 2 of \"image\""),
            (&["cat/a.jpg"], new().ragged("label", 0, 3), "that field is image"),
            (&["a.safetensors"], new().ragged("a", 0, 3), ".ragged(..) is for folders"),
            (&["a.npy"], new().fields(["a"]), ".fields(..) is for files of several arrays"),
            (&["a.npy"], new().stacked().fields(["a"]), ".fields(..) is for files of several"),
            (&["a.png"], new().stacked(), ".stacked() is for files of arrays of many"),
        ] {
            let said = refused(files, options);
            assert!(said.contains(expected), "{said}");
        }
        let dir = folder(&["a.npy"]);
        assert!(new().recursive().find(dir.path().join("a.npy")).is_err());
        let dir = folder(&["a.npz"]);
        let npz = dir.path().join("a.npz");
        let found = new().fields(["x", "y"]).find(&npz).unwrap();
        let Found::Shards(shards) = &found else { panic!("{found:?}") };
        assert_eq!((shards.fields(), shards.place()), (&["x".to_owned(), "y".into()][..], &*npz));
        assert!(new().fields(["x"]).pattern("x", "*").find(&npz).is_err());
    }

    #[test]
    fn files_and_those_that_would_be_taken_are_known() {
        let dir = folder(&["input/a.jpg", "input/b.JPG", "input/.c.jpg", "output/a.png", "x.png"]);
        let root = dir.path().canonicalize().unwrap();
        let names = |found: &Found| -> Vec<String> {
            let files = found.files().unwrap();
            let below = |file: &PathBuf| file.strip_prefix(&root).unwrap().display().to_string();
            files.iter().map(below).collect()
        };
        let found = Found::at(&root).unwrap();
        assert_eq!(names(&found), ["input/a.jpg", "input/b.JPG", "output/a.png"]);
        let takes = |name: &str| found.takes(&root.join(name));
        assert!(takes("input/new.png") && takes("output/NEW.webp"));
        assert!(!takes("new.png") && !takes("input/x/new.png") && !takes("input/.new.png"));
        assert!(!takes("input/new.npy"));
        let pattern = OpenOptions::new().pattern("input", "b*").find(&root).unwrap();
        assert_eq!(names(&pattern), ["input/b.JPG", "output/a.png"]);
        let Found::Folders(folders) = pattern else { panic!("{pattern:?}") };
        let alone = folders.alone("target").unwrap();
        assert_eq!(alone.files().unwrap(), [root.join("output/a.png")]);
        assert_eq!(alone.patterns().count(), 0);
    }
}
