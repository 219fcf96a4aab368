//! `index.json`: which shards there are, and which columns they have.

use std::path::{Component, Path, PathBuf};

use serde::Deserialize;

use crate::error::{quoted, shortened};
use crate::files::{File, Limits, Section, Stamp, exists, foreign, open_path, read_stored};
use crate::{Error, ErrorKind, Result};

/// What the index of a folder is called.
pub(super) const INDEX: &str = "index.json";

/// The version of the format.
const VERSION: u64 = 2;

/// One shard, as an index describes it.
#[derive(Debug)]
pub(super) struct Entry {
    pub(super) path: PathBuf,
    pub(super) bytes: u64,
    pub(super) samples: u64,
    pub(super) columns: Columns,
    /// The compression, and the name of the file that is compressed.
    compressed: Option<(String, String)>,
}

/// The columns as they are written, in an index and in each shard.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub(super) struct Columns {
    #[serde(rename = "column_names")]
    pub(super) names: Vec<String>,
    #[serde(rename = "column_encodings")]
    pub(super) encodings: Vec<String>,
    #[serde(rename = "column_sizes")]
    pub(super) sizes: Vec<Option<u32>>,
}

#[derive(Deserialize)]
struct Written {
    version: Option<u64>,
    shards: Vec<Shard>,
}

#[derive(Deserialize)]
struct Shard {
    format: String,
    version: Option<u64>,
    column_names: Option<Vec<String>>,
    column_encodings: Option<Vec<String>>,
    column_sizes: Option<Vec<Option<u32>>>,
    raw_data: Data,
    zip_data: Option<Data>,
    compression: Option<String>,
    samples: u64,
}

#[derive(Deserialize)]
struct Data {
    basename: String,
    bytes: u64,
}

/// The shards that the index of `folder` lists, in its order.
pub(super) fn read(folder: &Path, limits: &Limits) -> Result<Vec<Entry>> {
    let path = folder.join(INDEX);
    let place = |error: Error| error.with_path(&path);
    let text = open_path(&path).and_then(|file| text_of(&file, limits)).map_err(place)?;
    let malformed = |error: serde_json::Error| {
        Error::new(ErrorKind::Header, shortened(error.to_string())).with_source(error)
    };
    let written: Written = serde_json::from_slice(&text).map_err(malformed).map_err(place)?;
    check_version(written.version.unwrap_or(VERSION)).map_err(place)?;
    let entry = |shard| Entry::new(folder, shard);
    written.shards.into_iter().map(entry).collect::<Result<_>>().map_err(place)
}

fn text_of(file: &File, limits: &Limits) -> Result<Vec<u8>> {
    let read = |stamp: &Stamp| {
        let most = limits.index_bytes;
        match usize::try_from(stamp.bytes) {
            Ok(0) => Err(Error::new(ErrorKind::Empty, "the file has no bytes")),
            Ok(bytes) if bytes <= most => read_stored(file, 0, bytes, || false),
            _ => {
                let message = format!(
                    "an index of {} bytes, at most {most}; set Limits::index_bytes",
                    stamp.bytes
                );
                Err(Error::new(ErrorKind::TooLarge, message))
            }
        }
    };
    let (_, text) = Stamp::at_rest(file, read)?;
    match text.trim_ascii_start().first() {
        Some(b'{') => Ok(text),
        _ => {
            let section = Section::of_memory(&text);
            let other = || Error::new(ErrorKind::Foreign, "expected an index of shards in JSON");
            Err(foreign::error(section, "an index of shards in JSON").unwrap_or_else(other))
        }
    }
}

fn check_version(found: u64) -> Result<()> {
    if found == VERSION {
        return Ok(());
    }
    let message = format!("version {found} of the format, expected {VERSION}");
    Err(Error::new(ErrorKind::Header, message))
}

impl Entry {
    fn new(folder: &Path, shard: Shard) -> Result<Self> {
        let Shard { format, version, raw_data, zip_data, compression, samples, .. } = shard;
        if format != "mds" {
            let message = format!("shards of format {}, expected mds", quoted(&format));
            return Err(Error::new(ErrorKind::Foreign, message));
        }
        check_version(version.unwrap_or(VERSION))?;
        let columns = (shard.column_names, shard.column_encodings, shard.column_sizes);
        let (Some(names), Some(encodings), Some(sizes)) = columns else {
            let message = format!("no columns of shard {}", quoted(&raw_data.basename));
            return Err(Error::new(ErrorKind::Header, message));
        };
        let columns = Columns { names, encodings, sizes };
        let path = below(folder, &raw_data.basename)?;
        let compressed = zip_data.map(|zip| (compression.unwrap_or_default(), zip.basename));
        Ok(Self { path, bytes: raw_data.bytes, samples, columns, compressed })
    }

    /// Whether the shard is there, and not only what became of it when it was compressed.
    pub(super) fn check_raw(&self) -> Result<()> {
        let Some((compression, name)) = &self.compressed else { return Ok(()) };
        if exists(&self.path) {
            return Ok(());
        }
        let message = format!(
            "the shard is compressed with {} as {}; decompress it into this file, or write the data set \
             without compression",
            quoted(compression),
            quoted(name)
        );
        Err(Error::new(ErrorKind::Foreign, message).with_path(&self.path))
    }
}

/// The path of a shard, which an index may only have below its folder.
fn below(folder: &Path, name: &str) -> Result<PathBuf> {
    /// More than any writer's, and few enough for an error to tell the path.
    const BYTES_MAX: usize = 512;
    let mut parts = Path::new(name).components();
    let is_below = !name.is_empty() && parts.all(|part| matches!(part, Component::Normal(_)));
    let message = match is_below {
        true if name.len() <= BYTES_MAX => return Ok(folder.join(name)),
        true => format!("shard {}, expected a name of at most {BYTES_MAX} bytes", quoted(name)),
        false => format!("shard {} is not below the index", quoted(name)),
    };
    Err(Error::new(ErrorKind::Header, message))
}
