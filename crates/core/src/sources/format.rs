//! The formats whose files hold many samples each. A new one is a source and a line here.

use std::path::Path;

use super::folders::Survey;
use super::shards::Shards;
use super::{mds, npz_file, safetensors, tar, tokens};
use crate::files::Limits;
use crate::{Result, Source};

/// A survey of a source of any type.
type SurveyOfAny = Survey<Box<dyn Source>>;

/// What [`open`](crate::open) must know of a format.
#[derive(Debug)]
pub(super) struct Format {
    /// The extensions of its files, without a dot and in lower case. The first is its name.
    pub(super) extensions: &'static [&'static str],
    /// What a file holds, as it is said after the name of the format.
    pub(super) of: &'static str,
    /// Whether a folder of such files is one source, each of them a shard.
    pub(super) folder: Folder,
    /// The options of [`OpenOptions`](super::OpenOptions) that apply to it, as their methods.
    pub(super) options: &'static [&'static str],
    /// Opens files of it as one source.
    pub(super) open: fn(&Shards, Limits) -> Result<SurveyOfAny>,
}

/// What a folder of files of a format is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Folder {
    /// One source, whose samples follow one another as the names of the files do.
    OfShards,
    /// One source, of the shards that an index in it lists.
    OfIndex,
    /// One source, each file of which is a sample. A single one, or one beside samples of other kinds, is
    /// no folder of samples.
    OfSamples,
    /// Nothing that is known, since files of this extension may hold anything. Those that are named are
    /// one source.
    Anything,
}

/// All of them.
static FORMATS: &[&Format] = &[
    &mds::FORMAT,
    &safetensors::FORMAT,
    &npz_file::FORMAT,
    &tar::FORMAT,
    &tokens::FORMAT,
    #[cfg(feature = "arrow")]
    &super::arrow_shards::FORMAT,
    #[cfg(not(feature = "arrow"))]
    &super::missing::ARROW,
    #[cfg(feature = "parquet")]
    &super::parquet_shards::FORMAT,
    #[cfg(not(feature = "parquet"))]
    &super::missing::PARQUET,
];

impl Format {
    /// The format of files of this name.
    pub(super) fn of_name(name: &[u8]) -> Option<&'static Self> {
        let dot = name.iter().rposition(|&byte| byte == b'.')?;
        let is = |own: &&str| name[dot + 1..].eq_ignore_ascii_case(own.as_bytes());
        FORMATS.iter().copied().find(|format| format.extensions.iter().any(is))
    }

    /// The format of the file at this path.
    pub(super) fn of_path(path: &Path) -> Option<&'static Self> {
        Self::of_name(path.file_name()?.as_encoded_bytes())
    }

    /// What its files are called.
    pub(super) fn name(&self) -> &'static str {
        self.extensions[0]
    }

    /// The names of all formats, for a message: `.npz, .safetensors`.
    pub(super) fn names() -> String {
        Self::listed(FORMATS.iter().copied())
    }

    /// The names of those that make a folder a data set, or whose files are named in it.
    pub(super) fn names_in_folders() -> String {
        Self::listed(FORMATS.iter().copied().filter(|format| format.folder != Folder::Anything))
    }

    fn listed(formats: impl Iterator<Item = &'static Self>) -> String {
        let mut names: Vec<&str> = formats.map(|format| format.name()).collect();
        names.sort_unstable();
        names.iter().map(|name| format!(".{name}")).collect::<Vec<_>>().join(", ")
    }
}

impl PartialEq for Format {
    fn eq(&self, other: &Self) -> bool {
        self.name() == other.name()
    }
}

impl Eq for Format {}
