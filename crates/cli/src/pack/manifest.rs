//! What was packed already: a hidden file in the folder, which sources do not see.

use std::fs::{self, File};
use std::io::{self, ErrorKind, Read as _, Write as _};
use std::ops::Range;
use std::path::{Path, PathBuf};

use serde_json::{Value, json};
use xxhash_rust::xxh3::Xxh3;

/// The name of the file.
pub(crate) const NAME: &str = ".bench-loader-pack.json";

/// What the names of files begin with that are not whole.
pub(crate) const PART: &str = ".bench-loader-part-";

/// A manifest is a few hundred bytes for each shard.
const BYTES_MAX: u64 = 1 << 30;

/// A folder of shards.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Manifest {
    /// What is packed, and how: the same for a run that goes on.
    pub(crate) packing: Value,
    pub(crate) shards: Vec<Shard>,
}

/// Files that are whole.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Shard {
    pub(crate) samples: Range<usize>,
    pub(crate) files: Vec<Written>,
    /// The hash of the hashes of its samples.
    pub(crate) digest: u128,
}

/// A file and what is in it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Written {
    pub(crate) name: PathBuf,
    pub(crate) bytes: u64,
    pub(crate) hash: u128,
}

impl Manifest {
    /// The manifest of a folder, if it has one: a line of what is packed, and one for each shard. A line
    /// that was being written when a run was killed is left out.
    ///
    /// # Errors
    ///
    /// If it cannot be read, or is none.
    pub(crate) fn of(dir: &Path) -> Result<Option<Self>, String> {
        let path = dir.join(NAME);
        let mut text = String::new();
        match File::open(&path).and_then(|file| file.take(BYTES_MAX).read_to_string(&mut text)) {
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(format!("cannot read {path:?}: {error}")),
            Ok(_) => {}
        }
        let whole = text.split_inclusive('\n').filter(|line| line.ends_with('\n'));
        let mut values = whole.map_while(|line| serde_json::from_str::<Value>(line).ok());
        let packing = values.next().filter(|value| value.get("as").is_some());
        let other = || format!("{path:?} is no manifest of a packing; remove it and begin anew");
        let mut found = Self { packing: packing.ok_or_else(other)?, shards: Vec::new() };
        for shard in values.map_while(|value| Shard::from_json(&value)) {
            if shard.samples.start != found.next() || shard.samples.is_empty() {
                break;
            }
            found.shards.push(shard);
        }
        Ok(Some(found))
    }

    /// Replaces the manifest of a folder, or leaves it as it was. Returns the file, to which a line for
    /// each further shard is [added](Shard::append).
    ///
    /// # Errors
    ///
    /// If it cannot be written.
    pub(crate) fn save(&self, dir: &Path) -> io::Result<File> {
        let (path, part) = (dir.join(NAME), dir.join(format!("{PART}manifest")));
        let mut text = format!("{}\n", self.packing);
        self.shards.iter().for_each(|shard| text += &format!("{}\n", shard.to_json()));
        let mut file = File::create(&part)?;
        file.write_all(text.as_bytes())?;
        file.sync_all()?;
        fs::rename(&part, &path)?;
        sync(dir)?;
        Ok(file)
    }

    /// Keeps the shards up to the first one whose files are not there as they were written.
    pub(crate) fn keep_whole(&mut self, dir: &Path) {
        let is_whole = |file: &Written| {
            Written::of(&dir.join(&file.name), &file.name).is_ok_and(|found| found == *file)
        };
        let whole = self.shards.iter().take_while(|shard| shard.files.iter().all(is_whole)).count();
        self.shards.truncate(whole);
    }

    /// The first sample that is in no shard.
    pub(crate) fn next(&self) -> usize {
        self.shards.last().map_or(0, |shard| shard.samples.end)
    }

    /// The hash of all samples.
    pub(crate) fn digest(&self) -> u128 {
        let mut digest = Xxh3::new();
        self.shards.iter().for_each(|shard| digest.update(&shard.digest.to_le_bytes()));
        digest.digest128()
    }
}

impl Shard {
    /// Adds the shard to a manifest, in one piece and on the disk.
    ///
    /// # Errors
    ///
    /// If it cannot be written.
    pub(crate) fn append(&self, manifest: &mut File) -> io::Result<()> {
        manifest.write_all(format!("{}\n", self.to_json()).as_bytes())?;
        manifest.sync_data()
    }

    fn to_json(&self) -> Value {
        let file = |file: &Written| {
            let name = file.name.to_string_lossy();
            json!({ "name": name, "bytes": file.bytes, "xxh3": format!("{:032x}", file.hash) })
        };
        json!({
            "samples": [self.samples.start, self.samples.end],
            "files": self.files.iter().map(file).collect::<Vec<_>>(),
            "digest": format!("{:032x}", self.digest),
        })
    }

    fn from_json(value: &Value) -> Option<Self> {
        let hash = |value: &Value| u128::from_str_radix(value.as_str()?, 16).ok();
        let file = |value: &Value| {
            let name = Path::new(value["name"].as_str()?);
            // A manifest names files beside it and no others.
            let name = name.file_name().filter(|own| *own == name)?.into();
            Some(Written { name, bytes: value["bytes"].as_u64()?, hash: hash(&value["xxh3"])? })
        };
        let end = |at: usize| value["samples"][at].as_u64().and_then(|it| usize::try_from(it).ok());
        let files = value["files"].as_array()?.iter().map(file).collect::<Option<_>>()?;
        Some(Self { samples: end(0)?..end(1)?, files, digest: hash(&value["digest"])? })
    }
}

impl Written {
    /// The file at `path`, which is called `name`, by reading it.
    ///
    /// # Errors
    ///
    /// If it cannot be read, or is not a regular file.
    pub(crate) fn of(path: &Path, name: &Path) -> io::Result<Self> {
        const PIECE: usize = 1 << 20;
        if !fs::symlink_metadata(path)?.is_file() {
            return Err(io::Error::other("not a regular file"));
        }
        let mut file = File::open(path)?;
        let (mut hash, mut bytes, mut piece) = (Xxh3::new(), 0, vec![0; PIECE]);
        loop {
            match file.read(&mut piece) {
                Ok(0) => break,
                Ok(read) => {
                    hash.update(&piece[..read]);
                    bytes += read as u64;
                }
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        Ok(Self { name: name.to_owned(), bytes, hash: hash.digest128() })
    }
}

/// Waits until the names in a folder are on the disk.
pub(crate) fn sync(dir: &Path) -> io::Result<()> {
    File::open(dir)?.sync_all()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shard(dir: &Path, at: usize) -> Shard {
        let name = PathBuf::from(format!("{at}.tar"));
        fs::write(dir.join(&name), [at as u8; 9]).unwrap();
        let files = vec![Written::of(&dir.join(&name), &name).unwrap()];
        Shard { samples: at * 3..at * 3 + 3, files, digest: at as u128 }
    }

    #[test]
    fn what_is_saved_is_found_and_what_is_not_whole_is_left_out() {
        let dir = tempfile::tempdir().unwrap();
        assert_eq!(Manifest::of(dir.path()), Ok(None));
        let shards: Vec<Shard> = (0..4).map(|at| shard(dir.path(), at)).collect();
        let mut saved = Manifest { packing: json!({ "as": 1 }), shards };
        let last = saved.shards.pop().unwrap();
        let mut file = saved.save(dir.path()).unwrap();
        last.append(&mut file).unwrap();
        saved.shards.push(last);
        assert_eq!(Manifest::of(dir.path()), Ok(Some(saved.clone())));
        // Half of a line is none.
        file.write_all(b"{\"samples\": [12, 15], ").unwrap();
        let mut found = Manifest::of(dir.path()).unwrap().unwrap();
        assert_eq!(found, saved);
        fs::write(dir.path().join("2.tar"), [9; 9]).unwrap();
        found.keep_whole(dir.path());
        assert_eq!((found.shards.len(), found.next()), (2, 6));
        fs::write(dir.path().join(NAME), "[]").unwrap();
        assert!(Manifest::of(dir.path()).is_err());
    }

    #[test]
    fn a_manifest_names_no_file_elsewhere() {
        let dir = tempfile::tempdir().unwrap();
        let mut shard = shard(dir.path(), 0);
        shard.files[0].name = "../0.tar".into();
        Manifest { packing: json!({ "as": 1 }), shards: vec![shard] }.save(dir.path()).unwrap();
        assert_eq!(Manifest::of(dir.path()).unwrap().unwrap().shards, []);
    }
}
