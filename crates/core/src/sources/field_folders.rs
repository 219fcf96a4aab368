use std::fmt;
use std::path::{Path, PathBuf};

use super::column::PICTURES;
use super::folders::{Content, Folders, FoldersBuilder, Survey};
use super::open_options::OpenOptions;
use crate::files::{Limits, Pattern, list};
use crate::{Error, ErrorKind, Picture, Result, escaped};

/// Folders that were found, one field each, and how they are read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FieldFolders {
    fields: Vec<FieldFolder>,
    options: OpenOptions,
}

/// A folder that is a field.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct FieldFolder {
    /// The name of the field.
    pub name: String,
    /// The folder.
    pub folder: PathBuf,
    /// What its files are.
    pub files: FieldFiles,
}

/// What the files of a folder are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum FieldFiles {
    /// `.npy` files.
    Arrays,
    /// Pictures in RGB.
    Pictures,
    /// Pictures, as [`masks`](crate::ImageFoldersBuilder::masks) reads them.
    Masks,
}

impl FieldFiles {
    pub(super) fn extensions(self) -> &'static [&'static str] {
        match self {
            Self::Arrays => &["npy"],
            Self::Pictures | Self::Masks => &PICTURES,
        }
    }
}

impl FieldFolders {
    /// Folders to which all options apply.
    pub(super) fn new(fields: Vec<FieldFolder>, options: OpenOptions) -> Result<Self> {
        let ragged = options.ragged.iter().map(|(name, ..)| (".ragged(..)", name));
        let patterns = options.patterns.iter().map(|(name, _)| (".pattern(..)", name));
        let is_field = |name: &str| fields.iter().any(|field| field.name == name);
        if let Some((option, name)) = ragged.chain(patterns).find(|(_, name)| !is_field(name)) {
            let names: Vec<&str> = fields.iter().map(|field| field.name.as_str()).collect();
            let message = format!(
                "{option} names {name:?}, which is not a field; the fields are {}",
                escaped(&names.join(", "))
            );
            return Err(Error::new(ErrorKind::Config, message));
        }
        Ok(Self { fields, options })
    }

    /// The folders, in the order of the fields.
    pub fn fields(&self) -> &[FieldFolder] {
        &self.fields
    }

    /// Whether subfolders are read, too.
    pub fn is_recursive(&self) -> bool {
        self.options.recursive
    }

    /// Axes that may differ from file to file: the field, the axis, and the greatest length.
    pub fn ragged(&self) -> impl Iterator<Item = (&str, usize, usize)> {
        self.options.ragged.iter().map(|(name, axis, max)| (name.as_str(), *axis, *max))
    }

    /// Patterns of names: the field and its pattern.
    pub fn patterns(&self) -> impl Iterator<Item = (&str, &str)> {
        self.options.patterns.iter().map(|(name, pattern)| (name.as_str(), pattern.as_str()))
    }

    /// Whether some field is of pictures.
    pub fn has_pictures(&self) -> bool {
        self.fields.iter().any(|field| field.files != FieldFiles::Arrays)
    }

    /// The folder whose `input/` and `output/` these are, if they are.
    pub fn pair_of(&self) -> Option<&Path> {
        let [input, target] = &self.fields[..] else { return None };
        let root = input.folder.parent()?;
        let are_named = input.name == "input" && target.name == "target";
        let are_below = input.folder == root.join("input") && target.folder == root.join("output");
        (are_named && are_below).then_some(root)
    }

    /// The field `name` on its own, if there is one.
    pub fn alone(&self, name: &str) -> Option<Self> {
        let field = self.fields.iter().find(|field| field.name == name)?;
        let mut options = self.options.clone();
        options.ragged.retain(|(of, ..)| of == name);
        options.patterns.retain(|(of, _)| of == name);
        Some(Self { fields: vec![field.clone()], options })
    }

    /// Takes the samples that every folder has, and lists the files without a partner. No `.npy` file may
    /// claim to hold more than `limits` say.
    ///
    /// # Errors
    ///
    /// As [`NpyFoldersBuilder::survey`](crate::NpyFoldersBuilder::survey) and
    /// [`ImageFoldersBuilder::survey`](crate::ImageFoldersBuilder::survey).
    pub fn survey(&self, limits: Limits) -> Result<Survey<Box<dyn crate::Source>>> {
        Ok(self.folders(limits)?.map(|folders| Box::new(folders) as Box<dyn crate::Source>))
    }

    pub(super) fn folders(&self, limits: Limits) -> Result<Survey<Folders>> {
        let kind = if self.has_pictures() { "image_folders" } else { "npy_folders" };
        let mut builder = FoldersBuilder::new(kind).limits(limits);
        for FieldFolder { name, folder, files } in &self.fields {
            let content = match files {
                FieldFiles::Arrays => Content::Arrays,
                FieldFiles::Pictures => Content::Pictures(Some(Picture::rgb())),
                FieldFiles::Masks => Content::Pictures(None),
            };
            builder = builder.field(name.clone(), folder.clone(), content);
        }
        for (name, axis, max) in &self.options.ragged {
            builder = builder.ragged(name.clone(), *axis, *max);
        }
        for (name, pattern) in &self.options.patterns {
            builder = builder.pattern(name.clone(), pattern.clone());
        }
        let builder = if self.options.recursive { builder.recursive() } else { builder };
        builder.survey()
    }

    /// The paths of all files that are read, whether they have partners or not: folder by folder,
    /// each in the order of the names.
    ///
    /// # Errors
    ///
    /// When a folder cannot be listed, or a pattern is none.
    pub fn files(&self) -> Result<Vec<PathBuf>> {
        let mut files = Vec::new();
        for FieldFolder { name, folder, files: kind } in &self.fields {
            let given = self.options.patterns.iter().rfind(|(of, _)| of == name);
            let pattern = given.map_or(Ok(Pattern::default()), |(_, text)| Pattern::parse(text))?;
            let listing = list(folder, kind.extensions(), &pattern, self.options.recursive)?;
            let names = &listing.names;
            files.extend((0..names.len()).map(|at| folder.join(names.path(at))));
        }
        Ok(files)
    }
}

/// What was found in one line, without where.
impl fmt::Display for FieldFolders {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let words = |field: &FieldFolder| match field.files {
            FieldFiles::Arrays => ".npy files",
            FieldFiles::Pictures | FieldFiles::Masks => "pictures",
        };
        match (&self.fields[..], self.pair_of()) {
            ([one], _) => write!(f, "a folder of {}", words(one))?,
            ([a, b], Some(_)) if words(a) == words(b) => {
                write!(f, "pairs of {} in input/ and output/", words(a))?;
            }
            ([a, b], Some(_)) => {
                write!(f, "pairs of {} in input/ and {} in output/", words(a), words(b))?;
            }
            (fields, _) => {
                let words =
                    fields.iter().map(|it| format!("{} ({})", words(it), escaped(&it.name)));
                write!(f, "folders of {}", words.collect::<Vec<_>>().join(", "))?;
            }
        }
        f.write_str(if self.options.recursive { " with subfolders" } else { "" })
    }
}
