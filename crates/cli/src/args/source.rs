//! The options that say where the samples are.

use std::ffi::OsString;
use std::path::PathBuf;

use clap::builder::{OsStringValueParser, TypedValueParser as _};
use clap::{Args as Flags, ValueHint};

/// Where the samples are.
#[derive(Debug, Flags)]
#[command(next_help_heading = "Source")]
pub(crate) struct SourceArgs {
    /// A folder of .npy files; a folder that holds input/ and output/, or input.npy and
    /// output.npy, or input/ and a row for each of its files in output.npy or labels.npy; one .npy
    /// file; a .safetensors file or a folder of them
    #[arg(value_name = "SOURCE", required_unless_present = "fields", conflicts_with = "fields")]
    #[arg(value_hint = ValueHint::AnyPath)]
    pub(crate) source: Option<PathBuf>,
    /// A folder of .npy files as the field NAME; repeated, the folders are paired by file stem
    #[arg(long = "field", value_name = "NAME=FOLDER", value_parser = field_parser())]
    pub(crate) fields: Vec<(String, PathBuf)>,
    /// Take the folders below the folders too
    #[arg(long)]
    pub(crate) recursive: bool,
    /// In a field of folders, let an axis have another length in each file, up to MAX; may be
    /// repeated
    #[arg(long, value_name = "FIELD:AXIS:MAX", value_parser = parse_ragged)]
    pub(crate) ragged: Vec<Ragged>,
    /// In a field of folders, take only the files whose name without extension matches, like
    /// target:*_mask, and pair them by the part that the star matches; may be repeated
    #[arg(long = "pattern", value_name = "FIELD:PATTERN", value_parser = parse_pattern)]
    pub(crate) patterns: Vec<(String, String)>,
}

/// An axis of a field whose length is each file's own.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Ragged {
    pub(crate) field: String,
    pub(crate) axis: usize,
    pub(crate) max: usize,
}

/// Splits at the last two `:`, so that a name may hold others.
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

/// Splits at the last `:`, so that a name may hold others.
fn parse_pattern(text: &str) -> Result<(String, String), String> {
    match text.rsplit_once(':') {
        Some((field, pattern)) if !field.is_empty() && pattern.matches('*').count() == 1 => {
            Ok((field.to_owned(), pattern.to_owned()))
        }
        _ => Err("expected FIELD:PATTERN with one star, like target:*_mask".to_owned()),
    }
}

/// Splits at the first `=`, in bytes: a folder's name need not be UTF-8.
fn field_parser() -> impl clap::builder::TypedValueParser<Value = (String, PathBuf)> {
    OsStringValueParser::new().try_map(|text: OsString| {
        use std::os::unix::ffi::{OsStrExt as _, OsStringExt as _};
        let bytes = text.as_bytes();
        let at = bytes.iter().position(|&byte| byte == b'=');
        let at = at.filter(|&at| at > 0 && at + 1 < bytes.len()).ok_or("expected NAME=FOLDER")?;
        let name = String::from_utf8(bytes[..at].to_vec()).map_err(|_| "a name in UTF-8")?;
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
}
