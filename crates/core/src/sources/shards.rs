use std::fmt;
use std::path::{Path, PathBuf};

use super::contents::Kind;
use super::folders::Survey;
use super::format::{Folder, Format};
use super::mds;
use super::open_options::OpenOptions;
use crate::files::{Limits, Pattern, is_folder, list, wildcards};
use crate::{Error, ErrorKind, Result, Source};

/// Files of one format, each of which holds many samples, and how they are read. Their samples follow
/// one another. [`Found`](crate::Found) finds them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Shards {
    place: PathBuf,
    /// Those that were named; those of a folder are listed when they are asked for.
    named: Vec<PathBuf>,
    format: &'static Format,
    options: OpenOptions,
}

impl Shards {
    /// The file at `place`, or those in the folder that it is.
    pub(super) fn at(place: &Path, format: &'static Format) -> Self {
        let place = place.to_owned();
        Self { place, named: Vec::new(), format, options: OpenOptions::new() }
    }

    /// What `place` stands for, which is known to be of this format: a file, those in a folder, or those
    /// of a pattern.
    pub(super) fn of(place: &Path, format: &'static Format) -> Result<Self> {
        match wildcards::expand(place)? {
            None => Ok(Self::at(place, format)),
            Some(named) => Ok(Self { named, ..Self::at(place, format) }),
        }
    }

    /// The files that the pattern `place` stands for, of which `format_of` tells the format.
    pub(super) fn matching(
        place: &Path,
        files: Vec<PathBuf>,
        format_of: impl Fn(&Path) -> Option<&'static Format>,
    ) -> Result<Self> {
        let refused = |kind, message: String| Err(Error::new(kind, message).with_path(place));
        let mut format: Option<(&'static Format, &PathBuf)> = None;
        for file in &files {
            let Some(own) = format_of(file) else {
                let advice = match Kind::of(file.as_os_str().as_encoded_bytes()) {
                    Some(Kind::Npy) => "; add .stacked() if each of these is many samples",
                    _ => "",
                };
                let message = format!(
                    "stands for {file:?}, expected files of many samples each ({}){advice}",
                    Format::names()
                );
                return refused(ErrorKind::Foreign, message);
            };
            match format {
                Some((other, first)) if other != own => {
                    let message = format!("stands for {first:?} and {file:?}, expected one format");
                    return refused(ErrorKind::Config, message);
                }
                _ => format = Some((own, file)),
            }
        }
        match format {
            Some((format, _)) => Ok(Self { named: files, ..Self::at(place, format) }),
            None => refused(ErrorKind::Empty, "stands for no file".into()),
        }
    }

    /// Reads them with these options.
    ///
    /// # Errors
    ///
    /// The first option that does not apply to the format.
    pub(super) fn with(self, options: OpenOptions) -> std::result::Result<Self, &'static str> {
        match options.given().find(|option| !self.format.options.contains(option)) {
            Some(option) => Err(option),
            None => Ok(Self { options, ..self }),
        }
    }

    /// The path that was given: of a file or folder, or a pattern.
    pub fn place(&self) -> &Path {
        &self.place
    }

    /// The extension of the files, in lower case and without a dot.
    pub fn extension(&self) -> &'static str {
        self.format.name()
    }

    /// The axes that may differ from sample to sample: field, axis, greatest length.
    pub fn ragged(&self) -> &[(String, usize, usize)] {
        &self.options.ragged
    }

    /// The fields that are read, or none for all.
    pub fn fields(&self) -> &[String] {
        &self.options.fields
    }

    /// How they are read.
    pub fn options(&self) -> &OpenOptions {
        &self.options
    }

    /// The files, in the order of their samples.
    ///
    /// # Errors
    ///
    /// When a folder cannot be listed, and [`ErrorKind::Empty`] when it holds no such file.
    pub fn files(&self) -> Result<Vec<PathBuf>> {
        if !self.named.is_empty() {
            return Ok(self.named.clone());
        }
        let Some(folder) = self.folder() else { return Ok(vec![self.place.clone()]) };
        if self.format.folder == Folder::OfIndex {
            return mds::files(folder);
        }
        let listing = list(folder, self.format.extensions, &Pattern::default(), false)?;
        if listing.names.len() == 0 {
            let message = format!("no .{} file", self.format.name());
            return Err(Error::new(ErrorKind::Empty, message).with_path(folder));
        }
        Ok((0..listing.names.len()).map(|at| folder.join(listing.names.path(at))).collect())
    }

    /// One of the files alone, read in the same way.
    #[must_use]
    pub fn alone(&self, file: &Path) -> Self {
        Self { place: file.to_owned(), named: Vec::new(), ..self.clone() }
    }

    /// Whether each file is one sample, instead of many.
    pub fn is_of_samples(&self) -> bool {
        let are_several = self.named.len() > 1 || self.folder().is_some();
        self.format.folder == Folder::OfSamples && are_several
    }

    /// The folder of which all files of the format are read.
    pub fn folder(&self) -> Option<&Path> {
        (self.named.is_empty() && is_folder(&self.place).unwrap_or(false)).then_some(&*self.place)
    }

    pub(super) fn extensions(&self) -> &'static [&'static str] {
        self.format.extensions
    }

    pub(super) fn open(&self, limits: Limits) -> Result<Survey<Box<dyn Source>>> {
        (self.format.open)(self, limits)
    }
}

/// What they are, in one phrase.
impl fmt::Display for Shards {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Format { of, .. } = self.format;
        match (self.named.len(), self.folder()) {
            (2.., _) => write!(f, "{} .{} files{of}", self.named.len(), self.format.name()),
            (_, Some(_)) => write!(f, "a folder of .{} files{of}", self.format.name()),
            _ => write!(f, "a .{} file{of}", self.format.name()),
        }
    }
}
