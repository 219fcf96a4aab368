//! SOURCEs whose samples come one after the other: lines of text or of JSON, of files or of standard
//! input, and archives that are compressed.

use std::io::{self, BufRead as _, BufReader, Cursor, Read as _};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use tallow::{
    Schema, Source, SourceError, SourceErrorKind, SourceExt as _, SourceResult, Streamed,
    json_schema,
};

use crate::args::SourceArgs;

/// Lines of at most this many bytes, unless --record-bytes says so: a page of text.
const LINE_BYTES: usize = 64 << 10;

/// Members of archives of at most this many bytes, unless --record-bytes says so: most photos.
const MEMBER_BYTES: usize = 1 << 20;

/// What the SOURCEs are, all of them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Standard,
    Lines,
    Archives,
}

impl Kind {
    /// What the name of a path says it is; `None` of what is no stream.
    fn of(path: &Path) -> Option<Self> {
        if path.as_os_str() == "-" {
            return Some(Self::Standard);
        }
        let name = path.file_name()?.to_string_lossy().to_lowercase();
        let inflated = [".gz", ".zst"].into_iter().find_map(|end| name.strip_suffix(end));
        let lines = |name: &str| name.ends_with(".jsonl");
        match inflated {
            Some(inner) if inner.ends_with(".tar") => Some(Self::Archives),
            _ if [".tgz", ".tzst"].into_iter().any(|end| name.ends_with(end)) => {
                Some(Self::Archives)
            }
            _ if lines(inflated.unwrap_or(&name)) => Some(Self::Lines),
            _ => None,
        }
    }
}

/// The stream that the SOURCEs on the command line are together.
#[derive(Debug)]
pub(crate) struct Stream {
    kind: Kind,
    paths: Vec<PathBuf>,
    /// With --array, the keys of records or the fields of archives.
    chosen: Vec<String>,
    bytes_max: usize,
    /// The fields of records, once the first was read.
    schema: Option<Schema>,
}

impl Stream {
    /// The stream that the SOURCEs are; `None` if none of them is one.
    pub(crate) fn find(args: &SourceArgs) -> SourceResult<Option<Self>> {
        let kinds: Vec<Option<Kind>> = args.sources.iter().map(|path| Kind::of(path)).collect();
        let Some(kind) = kinds.iter().copied().find_map(|kind| kind) else { return Ok(None) };
        let refused = |message: String| Err(SourceError::new(SourceErrorKind::Config, message));
        if kinds.iter().any(|other| *other != Some(kind)) {
            return refused(
                "streams go together with streams of their kind alone: files of lines with files of \
                 lines, compressed archives with compressed archives"
                    .to_owned(),
            );
        }
        if kind == Kind::Standard && kinds.len() > 1 {
            return refused("standard input is one SOURCE, expected - once".to_owned());
        }
        if let Some((option, instead)) = foreign_option(args) {
            let place = args.sources[0].display();
            return refused(format!(
                "{option} is nothing for {place}, which is a stream; {instead}"
            ));
        }
        let default = if kind == Kind::Archives { MEMBER_BYTES } else { LINE_BYTES };
        Ok(Some(Self {
            kind,
            paths: args.sources.clone(),
            chosen: args.arrays.clone(),
            bytes_max: args.record_bytes.unwrap_or(default),
            schema: None,
        }))
    }

    /// Opens it; of records, reads the first.
    pub(super) fn open(&mut self) -> SourceResult<Arc<dyn Source>> {
        let (paths, bytes) = (&self.paths, self.bytes_max);
        let is_by_key = !self.chosen.is_empty();
        Ok(match self.kind {
            Kind::Archives => {
                let source = Streamed::tar_fields(paths, bytes)?;
                match is_by_key {
                    false => Arc::new(source),
                    true => Arc::new(source.select(self.chosen.iter().map(String::as_str))?),
                }
            }
            Kind::Lines if is_by_key => {
                let first = Streamed::lines_of(&paths[..1], bytes)?.get(0)?;
                let schema = json_schema(first.field(0).bytes(), &self.chosen, bytes)
                    .map_err(|error| error.with_path(&paths[0]).with_index(0))?;
                self.schema = Some(schema.clone());
                Arc::new(Streamed::json(schema, paths, bytes)?)
            }
            Kind::Lines => Arc::new(Streamed::lines_of(paths, bytes)?),
            Kind::Standard if is_by_key => {
                let mut input = BufReader::new(io::stdin());
                let mut first = Vec::new();
                // As long as a line may be, and what ends it.
                let mut line = input.by_ref().take(bytes as u64 + 2);
                line.read_until(b'\n', &mut first)
                    .map_err(|error| SourceError::new(SourceErrorKind::Io, error.to_string()))?;
                let schema = json_schema(&first, &self.chosen, bytes)
                    .map_err(|error| error.with_index(0))?;
                self.schema = Some(schema.clone());
                let input = Cursor::new(first).chain(input);
                Arc::new(Streamed::json_once(schema, input, bytes)?.named("standard input"))
            }
            Kind::Standard => {
                let input = BufReader::new(io::stdin());
                Arc::new(Streamed::lines_once(input, bytes)?.named("standard input"))
            }
        })
    }

    /// As a report names it.
    pub(crate) fn shown(&self) -> String {
        match self.kind {
            Kind::Standard => "standard input".to_owned(),
            _ => {
                self.paths.iter().map(|it| it.display().to_string()).collect::<Vec<_>>().join(", ")
            }
        }
    }

    /// The files that it is read from.
    pub(crate) fn files(&self) -> &[PathBuf] {
        if self.kind == Kind::Standard { &[] } else { &self.paths }
    }

    /// Bytes of its files, as they are compressed.
    pub(crate) fn bytes(&self) -> u64 {
        let bytes = |path: &PathBuf| std::fs::metadata(path).map_or(0, |file| file.len());
        self.files().iter().map(bytes).sum()
    }

    /// Why a command that looks up samples does not take it, and what to do.
    pub(crate) fn refused(&self) -> String {
        let instead = match self.kind {
            Kind::Archives => "inflate the archive, which is then a .tar",
            _ => "write its records as a table, like .parquet",
        };
        format!(
            "{} is a stream, whose samples come one after the other: run, digest, inspect and explain \
             take it; for other commands {instead}",
            self.shown()
        )
    }

    /// Rust code that opens it.
    pub(crate) fn code(&self) -> String {
        let (paths, bytes) = (&self.paths, self.bytes_max);
        let input = "std::io::BufReader::new(std::io::stdin())";
        let schema = self.schema.as_ref().map(schema_code).unwrap_or_default();
        let opened = match (self.kind, self.schema.is_some()) {
            (Kind::Archives, _) => format!("tar_fields({paths:?}, {bytes})?"),
            (Kind::Lines, true) => format!("json(schema, {paths:?}, {bytes})?"),
            (Kind::Lines, false) => format!("lines_of({paths:?}, {bytes})?"),
            (Kind::Standard, true) => format!("json_once(schema, {input}, {bytes})?"),
            (Kind::Standard, false) => format!("lines_once({input}, {bytes})?"),
        };
        let mut code = format!("{schema}let source = tallow::Streamed::{opened};\n");
        if self.kind == Kind::Archives && !self.chosen.is_empty() {
            code += &format!("let source = source.select({:?})?;\n", self.chosen);
        }
        code
    }
}

/// Rust code of the fields of records, which have at most one axis.
fn schema_code(schema: &Schema) -> String {
    let field = |field: &tallow::Field| {
        let (name, dtype) = (field.name(), field.dtype());
        match field.dims() {
            [dim] => {
                let max = dim.max();
                format!(
                    "    Field::with_dims({name:?}, RowDType::{dtype:?}, vec![Dim::Ragged {{ max: {max} }}]),\n"
                )
            }
            _ => format!("    Field::new({name:?}, RowDType::{dtype:?}, &[]),\n"),
        }
    };
    let fields: String = schema.fields().iter().map(field).collect();
    format!("let schema = Schema::new(vec![\n{fields}])?;\n")
}

/// An option that says nothing about a stream, and what to do instead.
fn foreign_option(args: &SourceArgs) -> Option<(&'static str, &'static str)> {
    const LEAVE_OUT: &str = "leave it out";
    let packing = "packing takes the lengths of all documents: write them as a table, like .parquet, or as \
                   tokens";
    [
        (args.pack.is_some(), "--pack", packing),
        (args.recursive, "--recursive", LEAVE_OUT),
        (!args.ragged.is_empty(), "--ragged", "--record-bytes says how long a record may be"),
        (!args.patterns.is_empty(), "--pattern", LEAVE_OUT),
        (args.stacked, "--stacked", LEAVE_OUT),
        (!args.pictures.is_empty(), "--picture", LEAVE_OUT),
        (args.tokens.is_some(), "--tokens", LEAVE_OUT),
        (args.documents.is_some(), "--documents", LEAVE_OUT),
        (args.table.is_some(), "--table", LEAVE_OUT),
    ]
    .into_iter()
    .find_map(|(given, option, instead)| given.then_some((option, instead)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn streams_are_known_by_their_names() {
        let kind = |path: &str| Kind::of(Path::new(path));
        assert_eq!(kind("-"), Some(Kind::Standard));
        for path in ["x/a.jsonl", "a.JSONL", "a.jsonl.gz", "a.b.jsonl.zst"] {
            assert_eq!(kind(path), Some(Kind::Lines), "{path}");
        }
        for path in ["a.tar.gz", "a.TGZ", "x/a.tar.zst", "a.tzst"] {
            assert_eq!(kind(path), Some(Kind::Archives), "{path}");
        }
        for path in ["a.tar", "a.gz", "jsonl", "a.npy.gz", "..", "tgz"] {
            assert_eq!(kind(path), None, "{path}");
        }
    }
}
