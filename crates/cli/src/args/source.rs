//! The options that say where the samples are.

use std::ffi::{OsStr, OsString};
use std::path::PathBuf;
use std::str::FromStr;

use clap::builder::{OsStringValueParser, TypedValueParser as _};
use clap::{Args as Flags, ValueEnum, ValueHint};
use tallow::{DocumentsBy, Packing, RowDType};

use super::numbers::parse_size;
use crate::terminal::shell;

/// Where the samples are.
#[derive(Debug, Flags)]
#[command(next_help_heading = "Source")]
pub(crate) struct SourceArgs {
    /// Where the samples are: a folder of .npy files or of pictures (JPEG, PNG, WebP); a folder with
    /// a folder of pictures for each class; a folder with input/ and output/, or input.npy and
    /// output.npy, or input/ and one row per file in output.npy or labels.npy; a .npy file;
    /// a .npz of arrays, or a folder of them with one for each sample; shards (.safetensors, .tar, .mds,
    /// .arrow, .parquet): one, a folder of them, or a pattern in quotes, like 'train-{000..099}.tar'; .bin
    /// files of tokens; streams, for run, digest, inspect and explain: .jsonl, lines of standard input (-),
    /// .tar.gz and .tar.zst. Several with the same fields are one after the other, several streams take
    /// turns
    #[arg(
        id = "source",
        value_name = "SOURCE",
        required_unless_present = "fields",
        conflicts_with = "fields"
    )]
    #[arg(value_hint = ValueHint::AnyPath)]
    pub(crate) sources: Vec<PathBuf>,
    /// Folder of .npy files or of pictures to read as the field NAME; repeat it to pair folders by file stem
    #[arg(long = "field", value_name = "NAME=FOLDER", value_parser = field_parser())]
    pub(crate) fields: Vec<(String, PathBuf)>,
    /// Also read subfolders: the files at any depth of a folder, or of input/ and output/; no folder is
    /// then a class
    #[arg(long)]
    pub(crate) recursive: bool,
    /// Allow a different length of AXIS in each file of a folder, up to MAX; can be repeated. Pictures
    /// may have any size up to 8192 pixels a side; of these it is the height (0) or the width (1) that is
    /// accepted at most
    #[arg(long, value_name = "FIELD:AXIS:MAX", value_parser = parse_ragged)]
    pub(crate) ragged: Vec<Ragged>,
    /// Read only the field NAME of shards or of a .npz, like an array or a column; repeat it for others,
    /// which must have as many samples. Of lines of JSON, read the value of the key NAME instead of the line:
    /// a number, a list of numbers or a text, as the first line has it
    #[arg(long = "array", value_name = "NAME")]
    pub(crate) arrays: Vec<String>,
    /// Take the bytes of the column NAME of Arrow or Parquet files for pictures (JPEG, PNG, WebP) in RGB,
    /// upright; can be repeated. Columns that Hugging Face datasets wrote as pictures need no option
    #[arg(long = "picture", value_name = "NAME")]
    pub(crate) pictures: Vec<String>,
    /// Read each .npy file of a folder, or of a pattern in quotes, as many samples: one per row
    #[arg(long)]
    pub(crate) stacked: bool,
    /// Let a record of a stream have at most this many bytes: a line 64KiB by default, a member of a
    /// compressed archive 1MiB
    #[arg(long, value_name = "SIZE", value_parser = parse_size)]
    pub(crate) record_bytes: Option<usize>,
    /// Read .bin files as tokens of this type, in windows of LENGTH (1024 by default) with their next
    /// tokens as targets, like u16:1024; files of llm.c and Megatron say their type themselves
    #[arg(long, value_name = "TYPE[:LENGTH]", value_parser = parse_tokens)]
    pub(crate) tokens: Option<(RowDType, usize)>,
    /// Read .bin files of tokens as documents: by Megatron's index, or ended or begun by a token, like
    /// last:50256
    #[arg(long, value_name = "index|last:TOKEN|first:TOKEN", value_parser = parse_documents)]
    pub(crate) documents: Option<DocumentsBy>,
    /// Pack the documents of each SOURCE into rows of TOKENS tokens: those of --documents, or another ragged
    /// field of whole numbers, which is FIELD if there are several. --rename is about fields before that,
    /// --select about those of the rows
    #[arg(long, value_name = "[FIELD:]TOKENS")]
    pub(crate) pack: Option<PackArg>,
    /// How --pack fills rows: with whole documents and as little padding as can be, or with documents one
    /// after another, cut where a row ends
    #[arg(long, value_name = "HOW", value_enum, default_value_t, requires = "pack")]
    pub(crate) packing: PackingArg,
    /// Take what lies below a URL from this file, which `list` wrote, instead of asking the store. As SOURCE,
    /// the file is the data set at its URL
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub(crate) listing: Option<PathBuf>,
    /// Add the columns of this table, whose rows name the files: .csv or .tsv with a header, or .jsonl. A
    /// folder of pictures with a metadata.jsonl or metadata.csv has that one
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub(crate) table: Option<PathBuf>,
    /// Read only the files of a folder whose name without extension matches, like target:*_mask,
    /// and pair them by the part that the star matches; can be repeated
    #[arg(long = "pattern", value_name = "FIELD:PATTERN", value_parser = parse_pattern)]
    pub(crate) patterns: Vec<(String, String)>,
    /// Call the field OLD of each source that has it NEW; can be repeated
    #[arg(long = "rename", value_name = "OLD=NEW", value_parser = parse_rename)]
    pub(crate) renames: Vec<(String, String)>,
    /// Take only the field NAME of each source, as renamed; repeat it for others, in their order
    #[arg(long = "select", value_name = "NAME")]
    pub(crate) selected: Vec<String>,
}

impl SourceArgs {
    /// The same options, quoted for a shell.
    pub(crate) fn command_line(&self) -> String {
        let mut words: Vec<String> = self.sources.iter().map(|path| shell::path(path)).collect();
        let mut add = |option: &str, value: &OsStr| {
            words.extend([option.to_owned(), shell::quoted(value)]);
        };
        for (name, folder) in &self.fields {
            let mut value = OsString::from(format!("{name}="));
            value.push(folder);
            add("--field", &value);
        }
        for Ragged { field, axis, max } in &self.ragged {
            add("--ragged", format!("{field}:{axis}:{max}").as_ref());
        }
        for (field, pattern) in &self.patterns {
            add("--pattern", format!("{field}:{pattern}").as_ref());
        }
        if let Some(listing) = &self.listing {
            add("--listing", listing.as_ref());
        }
        if let Some(table) = &self.table {
            add("--table", table.as_ref());
        }
        for name in &self.arrays {
            add("--array", name.as_ref());
        }
        for name in &self.pictures {
            add("--picture", name.as_ref());
        }
        if let Some(bytes) = self.record_bytes {
            add("--record-bytes", bytes.to_string().as_ref());
        }
        if let Some((dtype, length)) = self.tokens {
            add("--tokens", format!("{dtype}:{length}").as_ref());
        }
        if let Some(by) = self.documents {
            add("--documents", documents(by).as_ref());
        }
        if let Some(pack) = &self.pack {
            add("--pack", pack.words().as_ref());
            if self.packing != PackingArg::default() {
                add("--packing", "concatenated".as_ref());
            }
        }
        for (old, new) in &self.renames {
            add("--rename", format!("{old}={new}").as_ref());
        }
        for name in &self.selected {
            add("--select", name.as_ref());
        }
        words.extend(self.recursive.then(|| "--recursive".to_owned()));
        words.extend(self.stacked.then(|| "--stacked".to_owned()));
        words.join(" ")
    }
}

/// An axis of a field that has a different length in each file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Ragged {
    pub(crate) field: String,
    pub(crate) axis: usize,
    pub(crate) max: usize,
}

/// Splits at the last two `:`, because a name may contain others.
fn parse_ragged(text: &str) -> Result<Ragged, String> {
    let mut parts = text.rsplitn(3, ':');
    let (max, axis, field) = (parts.next(), parts.next(), parts.next());
    match (field, axis.map(str::parse), max.map(str::parse)) {
        (Some(field), Some(Ok(axis)), Some(Ok(max @ 1..))) if !field.is_empty() => {
            Ok(Ragged { field: field.to_owned(), axis, max })
        }
        _ => Err("expected FIELD:AXIS:MAX, like input:1:400, the first axis being 0".to_owned()),
    }
}

/// A type of integers, and the length of windows.
fn parse_tokens(text: &str) -> Result<(RowDType, usize), String> {
    const LENGTH: &str = "1024";
    let (dtype, length) = text.split_once(':').unwrap_or((text, LENGTH));
    let types =
        [RowDType::U8, RowDType::U16, RowDType::I16, RowDType::U32, RowDType::I32, RowDType::I64];
    let dtype = types.into_iter().find(|it| it.as_str() == dtype);
    match (dtype, length.parse()) {
        (Some(dtype), Ok(length @ 1..)) => Ok((dtype, length)),
        _ => Err("expected TYPE or TYPE:LENGTH, like u16:1024 or u32".to_owned()),
    }
}

fn parse_documents(text: &str) -> Result<DocumentsBy, String> {
    let by = match text.split_once(':') {
        None if text == "index" => Some(DocumentsBy::Index),
        Some(("last", token)) => token.parse().ok().map(DocumentsBy::LastToken),
        Some(("first", token)) => token.parse().ok().map(DocumentsBy::FirstToken),
        _ => None,
    };
    by.ok_or_else(|| "expected index, last:TOKEN or first:TOKEN, like last:50256".to_owned())
}

/// As it is typed.
fn documents(by: DocumentsBy) -> String {
    match by {
        DocumentsBy::Index => "index".to_owned(),
        DocumentsBy::LastToken(token) => format!("last:{token}"),
        DocumentsBy::FirstToken(token) => format!("first:{token}"),
    }
}

/// Rows that documents are packed into.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct PackArg {
    /// The field of documents, if there are several.
    pub(crate) field: Option<String>,
    /// Tokens of a row.
    pub(crate) length: usize,
}

impl PackArg {
    fn words(&self) -> String {
        let field = self.field.as_ref().map(|field| format!("{field}:"));
        format!("{}{}", field.unwrap_or_default(), self.length)
    }
}

impl FromStr for PackArg {
    type Err = String;

    /// Splits at the last `:`, because a name may contain others.
    fn from_str(text: &str) -> Result<Self, String> {
        let (field, length) = match text.rsplit_once(':') {
            None => (None, text),
            Some((field, length)) => (Some(field.to_owned()), length),
        };
        match length.parse() {
            Ok(length @ 1..) if field.as_deref() != Some("") => Ok(Self { field, length }),
            _ => Err("expected TOKENS or FIELD:TOKENS, like 2048 or tokens:2048".to_owned()),
        }
    }
}

/// How documents come into rows.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, ValueEnum)]
pub(crate) enum PackingArg {
    #[default]
    BestFit,
    Concatenated,
}

impl From<PackingArg> for Packing {
    fn from(packing: PackingArg) -> Self {
        match packing {
            PackingArg::BestFit => Self::BestFit,
            PackingArg::Concatenated => Self::Concatenated,
        }
    }
}

/// Splits at the last `:`, because a name may contain others.
fn parse_pattern(text: &str) -> Result<(String, String), String> {
    match text.rsplit_once(':') {
        Some((field, pattern)) if !field.is_empty() && pattern.matches('*').count() == 1 => {
            Ok((field.to_owned(), pattern.to_owned()))
        }
        _ => Err("expected FIELD:PATTERN with one star, like target:*_mask".to_owned()),
    }
}

/// Splits at the first `=`.
fn parse_rename(text: &str) -> Result<(String, String), String> {
    match text.split_once('=') {
        Some((old, new)) if !old.is_empty() && !new.is_empty() => {
            Ok((old.to_owned(), new.to_owned()))
        }
        _ => Err("expected OLD=NEW, like text=tokens".to_owned()),
    }
}

/// Splits at the first `=`, as bytes, because the name of a folder need not be UTF-8.
fn field_parser() -> impl clap::builder::TypedValueParser<Value = (String, PathBuf)> {
    OsStringValueParser::new().try_map(|text: OsString| {
        use std::os::unix::ffi::{OsStrExt as _, OsStringExt as _};
        let bytes = text.as_bytes();
        let at = bytes.iter().position(|&byte| byte == b'=');
        let at = at.filter(|&at| at > 0 && at + 1 < bytes.len()).ok_or("expected NAME=FOLDER")?;
        let name =
            String::from_utf8(bytes[..at].to_vec()).map_err(|_| "expected a NAME in UTF-8")?;
        Ok::<_, &str>((name, PathBuf::from(OsString::from_vec(bytes[at + 1..].to_vec()))))
    })
}

#[cfg(test)]
mod tests {
    use clap::Parser as _;

    use super::*;
    use crate::args::{Args, Command};

    #[test]
    fn a_field_is_split_at_its_first_equals_sign() {
        let args = Args::try_parse_from(["x", "inspect", "--field", "a=b=c"]).unwrap();
        let Some(Command::Inspect(args)) = args.command else { panic!("{args:?}") };
        assert_eq!(args.source.fields, [("a".to_owned(), PathBuf::from("b=c"))]);
        assert!(Args::try_parse_from(["x", "inspect", "--field", "=b"]).is_err());
    }

    #[test]
    fn documents_and_rows_are_parsed_and_written_again() {
        for text in ["index", "last:50256", "first:1"] {
            assert_eq!(documents(parse_documents(text).unwrap()), text);
        }
        for bad in ["", "last", "last:", "last:x", "middle:1", "index:1"] {
            assert!(parse_documents(bad).is_err(), "{bad}");
        }
        for text in ["2048", "tokens:2048", "a:b:1"] {
            assert_eq!(text.parse::<PackArg>().unwrap().words(), text);
        }
        for bad in ["", "0", "tokens:", ":2048", "tokens:0", "-1"] {
            assert!(bad.parse::<PackArg>().is_err(), "{bad}");
        }
    }
}
