//! Samples of archives that are compressed, which can only be read from their beginning.

use std::collections::BTreeMap;
use std::io::Read;
use std::path::{Path, PathBuf};

use super::{Streamed, text};
use crate::error::{list_names, quoted};
use crate::files::tar::Sequence;
use crate::sources::split_key;
use crate::{Error, ErrorKind, Result, Row, Schema};

/// The members of one sample of an archive: files that follow one another and have the same name up to the
/// first dot, as the package `webdataset` has it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TarSample {
    key: Vec<u8>,
    members: BTreeMap<String, Vec<u8>>,
}

impl TarSample {
    /// What the names of its members have in common.
    pub fn key(&self) -> String {
        String::from_utf8_lossy(&self.key).into_owned()
    }

    /// The bytes of the member whose name ends in `ending`, which is everything after the first dot, in lower
    /// case: `"jpg"`, `"seg.png"`.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Unpaired`], with the endings that there are, when there is no such member.
    pub fn member(&self, ending: &str) -> Result<&[u8]> {
        self.members.get(ending).map(Vec::as_slice).ok_or_else(|| {
            let has = list_names(self.endings().map(quoted).collect::<Vec<_>>().into_iter());
            let key = quoted(&self.key());
            let message = format!("sample {key} has no member {}, it has {has}", quoted(ending));
            Error::new(ErrorKind::Unpaired, message)
        })
    }

    /// What the names of its members end in.
    pub fn endings(&self) -> impl Iterator<Item = &str> {
        self.members.keys().map(String::as_str)
    }
}

/// The most bytes of a member: more than any picture has.
const MEMBER_BYTES: usize = 64 << 20;

impl Streamed<TarSample> {
    /// The samples of archives that are compressed (`.tar.gz`, `.tgz`; with the feature `zstd` also `.tar.zst`,
    /// `.tzst`), in turn if there are several: sample
    /// `k` is sample `k / n` of archive `k % n`, of `n` archives. Members are as in a [`Tar`](crate::Tar), which
    /// is what to use for archives that are not compressed: it reads any sample at any time.
    ///
    /// One thread at a time inflates; `write`, which makes a row of the members, runs in all workers.
    ///
    /// ```no_run
    /// use tallow_core::{Field, Picture, RowDType, Schema, Streamed};
    ///
    /// let fields = vec![
    ///     Field::pictures("image", Picture::rgb()),
    ///     Field::new("label", RowDType::I64, &[]),
    /// ];
    /// let source = Streamed::tar(Schema::new(fields)?, ["train-0.tar.gz"], |sample, row| {
    ///     let label = str::from_utf8(sample.member("cls")?).map_err(|_| "no UTF-8")?;
    ///     row.field("label").copy_from_slice(&[label.trim().parse::<i64>()?])?;
    ///     let jpg = sample.member("jpg")?;
    ///     let mut image = row.field("image");
    ///     image.set_shape(&[jpg.len()])?;
    ///     image.copy_from_slice(jpg)
    /// })?;
    /// # Ok::<(), tallow_core::Error>(())
    /// ```
    ///
    /// # Errors
    ///
    /// Those of opening the files. What is wrong in an archive ends it, and is [`ErrorKind::Broken`] in its
    /// place: it is not known what would have come. A member of more than 64 MiB is such an error.
    pub fn tar<P: AsRef<Path>>(
        schema: Schema,
        paths: impl IntoIterator<Item = P>,
        write: impl Fn(TarSample, &mut Row<'_>) -> Result<()> + Send + Sync + 'static,
    ) -> Result<Self> {
        let paths: Vec<PathBuf> = paths.into_iter().map(|path| path.as_ref().to_owned()).collect();
        let open = |path: PathBuf| {
            move |_: u64| -> Result<_> { Ok(Samples::new(text::open(&path)?, path.clone())) }
        };
        let shards = paths.iter().cloned().map(open);
        Self::from_shards(schema, shards, write).read_from("tar stream", &paths)
    }
}

/// The samples of an archive.
pub(super) struct Samples<R> {
    members: Sequence<R>,
    path: PathBuf,
    /// The sample that is under way, whose end only the next member tells.
    sample: Option<TarSample>,
}

impl<R: Read> Samples<R> {
    pub(super) fn new(read: R, path: PathBuf) -> Self {
        Self { members: Sequence::new(read, MEMBER_BYTES), path, sample: None }
    }

    /// Adds a member; returns the sample before it, if it is the first of another one.
    fn add(&mut self, name: &[u8], bytes: Vec<u8>) -> Result<Option<TarSample>> {
        let Some((key, ending)) = split_key(name) else { return Ok(None) };
        let before = self.sample.take_if(|sample| sample.key != key);
        let new = || TarSample { key: key.to_owned(), members: BTreeMap::new() };
        let sample = self.sample.get_or_insert_with(new);
        if sample.members.contains_key(&ending) {
            let message = format!(
                "member {} is the second .{ending} of its sample; names of members must differ after the \
                 first dot",
                quoted(&String::from_utf8_lossy(name)),
            );
            return Err(Error::new(ErrorKind::Header, message));
        }
        sample.members.insert(ending, bytes);
        Ok(before)
    }
}

impl<R: Read> Iterator for Samples<R> {
    type Item = Result<TarSample>;

    fn next(&mut self) -> Option<Self::Item> {
        loop {
            let added = match self.members.next() {
                None => return self.sample.take().map(Ok),
                Some(Ok(file)) => self.add(&file.name, file.bytes),
                Some(Err(error)) => Err(error),
            };
            match added {
                Ok(None) => {}
                Ok(Some(sample)) => return Some(Ok(sample)),
                Err(error) => {
                    // The sample that is cut short may have lost members.
                    self.sample = None;
                    self.members.end();
                    return Some(Err(error.with_path(&self.path)));
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write as _;

    use flate2::{Compression, write::GzEncoder};

    use super::*;
    use crate::{Field, RowDType, Source, SourceExt, testing};

    /// An archive of ustar with these files.
    fn archive(files: &[(&str, &str)]) -> Vec<u8> {
        let mut archive = Vec::new();
        for (name, text) in files {
            let mut block = [0u8; 512];
            block[..name.len()].copy_from_slice(name.as_bytes());
            block[124..135].copy_from_slice(format!("{:011o}", text.len()).as_bytes());
            block[156] = b'0';
            block[257..263].copy_from_slice(b"ustar\0");
            block[148..156].fill(b' ');
            let sum: u64 = block.iter().map(|&byte| u64::from(byte)).sum();
            block[148..155].copy_from_slice(format!("{sum:06o}\0").as_bytes());
            archive.extend(block);
            archive.extend(text.as_bytes());
            archive.resize(archive.len().next_multiple_of(512), 0);
        }
        archive.extend([0; 1024]);
        archive
    }

    fn gz(bytes: &[u8]) -> Vec<u8> {
        let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
        encoder.write_all(bytes).unwrap();
        encoder.finish().unwrap()
    }

    fn numbers(paths: &[PathBuf]) -> Streamed<TarSample> {
        let schema = Schema::new(vec![Field::new("x", RowDType::I64, &[2])]).unwrap();
        let digits = |bytes: &[u8]| str::from_utf8(bytes).unwrap().parse::<i64>();
        Streamed::tar(schema, paths, move |sample, row| {
            let x = [digits(sample.member("cls")?)?, digits(sample.member("b.txt")?)?];
            row.field("x").copy_from_slice(&x)
        })
        .unwrap()
    }

    #[test]
    fn samples_of_compressed_archives_come_in_turn() {
        let dir = tempfile::tempdir().unwrap();
        let paths = ["a.tar.gz", "b.TGZ", "c.tar"].map(|name| dir.path().join(name));
        let of = |from: usize, len: usize| {
            let names: Vec<_> = (from..from + len)
                .map(|k| [format!("d/{k}.cls"), format!("d/{k}.b.txt")])
                .collect();
            let texts: Vec<_> =
                (from..from + len).map(|k| [k.to_string(), (k * 2).to_string()]).collect();
            let files = names
                .iter()
                .flatten()
                .map(String::as_str)
                .zip(texts.iter().flatten().map(String::as_str));
            archive(&[("__index__", "no sample")].into_iter().chain(files).collect::<Vec<_>>())
        };
        std::fs::write(&paths[0], gz(&of(0, 3))).unwrap();
        std::fs::write(&paths[1], [gz(&of(10, 1)), gz(&of(11, 1))].concat()).unwrap();
        std::fs::write(&paths[2], of(20, 1)).unwrap();
        let source = numbers(&paths).samples(6);
        testing::check_source(&source);
        let x = |index| source.get(index).unwrap().field("x").as_slice::<i64>().unwrap().to_vec();
        let found: Vec<i64> = (0..6).map(|index| x(index)[0]).collect();
        assert_eq!(found, [0, 10, 20, 1, 11, 2]);
        assert_eq!(x(5), [2, 4]);
        let error = numbers(&paths).get(6).unwrap_err();
        assert!(error.message().contains("no sample 6"), "{error}");
    }

    /// Compressed, an archive has the samples that it has as it is.
    fn check_fields(compressed: &Path) {
        let archive = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/data/tar/webdataset.tar");
        let expected = crate::Tar::open(archive).unwrap();
        let source = Streamed::tar_fields([compressed], 1 << 20).unwrap();
        let source = source.samples(expected.len());
        testing::check_source(&source);
        let names = |schema: &Schema| -> Vec<String> {
            schema.fields().iter().map(|field| field.name().to_owned()).collect()
        };
        let mut own = names(source.schema());
        own.sort();
        let mut others = names(expected.schema());
        others.sort();
        assert_eq!(own, others);
        for index in 0..expected.len() {
            let (found, expected) = (source.get(index).unwrap(), expected.get(index).unwrap());
            for name in &own {
                let name = name.as_str();
                assert_eq!(
                    found.field(name).bytes(),
                    expected.field(name).bytes(),
                    "{index} {name}"
                );
                assert_eq!(found.field(name).shape(), expected.field(name).shape());
            }
        }
    }

    fn whole() -> Vec<u8> {
        std::fs::read(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/data/tar/webdataset.tar"))
            .unwrap()
    }

    #[test]
    fn fields_of_a_compressed_archive_are_those_of_the_archive() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("a.tar.gz");
        std::fs::write(&path, gz(&whole())).unwrap();
        check_fields(&path);
        std::fs::write(&path, gz(&archive(&[("0.txt", "long"), ("1.txt", "two")]))).unwrap();
        let source = Streamed::tar_fields([&path], 3).unwrap();
        let error = source.get(0).unwrap_err();
        assert!(error.message().contains("4 bytes, at most 3"), "{error}");
        assert_eq!(source.get(1).unwrap().field("txt").bytes(), b"two");
        std::fs::write(&path, gz(&archive(&[]))).unwrap();
        let error = Streamed::tar_fields([&path], 3).unwrap_err();
        assert_eq!((error.kind(), error.path()), (crate::ErrorKind::Empty, Some(&*path)));
    }

    #[cfg(feature = "zstd")]
    #[test]
    fn zstandard_is_inflated_like_gzip() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("a.tar.zst");
        let (whole, compress) = (whole(), |bytes: &[u8]| zstd::bulk::compress(bytes, 1).unwrap());
        let (first, second) = whole.split_at(700);
        std::fs::write(&path, [compress(first), compress(second)].concat()).unwrap();
        check_fields(&path);
        let bytes = compress(&whole);
        std::fs::write(&path, &bytes[..bytes.len() - 9]).unwrap();
        let cut = Samples::new(text::open(&path).unwrap(), path.clone()).last().unwrap();
        assert_eq!(cut.unwrap_err().path(), Some(&*path));
    }

    #[cfg(not(feature = "zstd"))]
    #[test]
    fn zstandard_is_refused_with_what_reads_it() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("a.tar.zst");
        std::fs::write(&path, whole()).unwrap();
        let error = Streamed::tar_fields([&path], 1 << 20).unwrap_err();
        assert!(error.message().contains("the feature `zstd`"), "{error}");
    }

    #[test]
    fn an_archive_that_is_cut_ends_in_an_error_with_its_path() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("a.tar.gz");
        let files = [("0.cls", "1"), ("0.b.txt", "2"), ("1.cls", "3"), ("1.b.txt", "4")];
        let whole = gz(&archive(&files));
        std::fs::write(&path, &whole[..whole.len() - 20]).unwrap();
        let items = || Samples::new(text::open(&path).unwrap(), path.clone());
        let found: Vec<_> = items().collect();
        let error = found.last().unwrap().as_ref().unwrap_err();
        assert_eq!(error.path(), Some(&*path), "{error}");
        assert!(found[..found.len() - 1].iter().all(Result::is_ok));
        let twice = [("0.cls", "1"), ("0.cls", "2")];
        std::fs::write(&path, gz(&archive(&twice))).unwrap();
        let error = items().next().unwrap().unwrap_err();
        assert!(error.message().contains("is the second .cls"), "{error}");
        std::fs::write(&path, gz(&archive(&files[..1]))).unwrap();
        let error = numbers(std::slice::from_ref(&path)).get(0).unwrap_err();
        assert!(error.message().contains("no member \"b.txt\", it has \"cls\""), "{error}");
    }
}
