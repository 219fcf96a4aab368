//! The formats that samples are packed into, and what each can hold.

use std::path::{Path, PathBuf};

use serde_json::json;
use tallow::{Field, RowDType, RowView, Schema};

use super::blocks::Block;
use super::{tar, tokens};
use crate::args::PackFormat;
use crate::data::npy::{self, NpyDtype};
use crate::terminal::words;

/// How the samples of a source are written.
#[derive(Debug)]
pub(crate) enum Format {
    /// One file per field, of all samples.
    Npy(Columns),
    Safetensors(Columns),
    Tar(tar::Members),
    Tokens(tokens::Stored),
}

/// Fields whose samples all have one shape, one behind the other.
#[derive(Debug)]
pub(crate) struct Columns {
    pub(crate) fields: Vec<Field>,
}

impl Format {
    /// The format that was asked for. Tokens are `stored` so.
    ///
    /// # Errors
    ///
    /// What the format cannot hold, and which one can.
    pub(crate) fn of(
        asked: PackFormat,
        schema: &Schema,
        stored: tokens::Stored,
        samples: usize,
    ) -> Result<Self, String> {
        match asked {
            PackFormat::Npy => Columns::npy(schema).map(Self::Npy),
            PackFormat::Safetensors => Columns::of(schema).map(Self::Safetensors),
            PackFormat::Tar => tar::Members::of(schema, samples).map(Self::Tar),
            PackFormat::Tokens => Ok(Self::Tokens(stored)),
        }
    }

    pub(crate) fn name(&self) -> &'static str {
        match self {
            Self::Npy(_) => "npy",
            Self::Safetensors(_) => "safetensors",
            Self::Tar(_) => "tar",
            Self::Tokens(_) => "tokens",
        }
    }

    /// The columns, where samples are in columns.
    pub(crate) fn columns(&self) -> Option<&Columns> {
        match self {
            Self::Npy(columns) | Self::Safetensors(columns) => Some(columns),
            _ => None,
        }
    }

    /// What distinguishes files of this format from others of the same samples.
    pub(crate) fn variant(&self) -> String {
        match self {
            Self::Tokens(stored) => stored.name().to_owned(),
            _ => String::new(),
        }
    }

    /// Adds a sample to a block.
    pub(crate) fn encode(
        &self,
        index: usize,
        row: RowView<'_>,
        to: &mut Block,
    ) -> Result<(), String> {
        match self {
            Self::Npy(columns) | Self::Safetensors(columns) => {
                for (at, column) in (0..columns.fields.len()).zip(&mut to.columns) {
                    column.extend_from_slice(row.field(at).bytes());
                }
                Ok(())
            }
            Self::Tar(members) => members.append(index, row, &mut to.columns[0]),
            Self::Tokens(stored) => stored.append(row, &mut to.columns[0]),
        }
    }

    /// The names of the files of shard `at`.
    pub(crate) fn files(&self, at: usize) -> Vec<PathBuf> {
        let numbered = |extension: &str| PathBuf::from(format!("{at:06}.{extension}"));
        match self {
            Self::Npy(_) => NPY_FILES.iter().map(|(_, file)| PathBuf::from(file)).collect(),
            Self::Safetensors(_) => vec![numbered("safetensors")],
            Self::Tar(_) => vec![numbered("tar")],
            Self::Tokens(_) => vec![numbered("bin"), numbered("idx")],
        }
    }

    /// The names by which the packed fields are read, in the order of the source's fields.
    pub(crate) fn read_as(&self) -> Vec<String> {
        match self {
            Self::Npy(columns) | Self::Safetensors(columns) => {
                columns.fields.iter().map(|field| field.name().to_owned()).collect()
            }
            Self::Tar(members) => members.read_as(),
            Self::Tokens(_) => vec!["input".to_owned()],
        }
    }

    /// The axes that readers must be told may differ: field, axis, greatest length.
    pub(crate) fn ragged(&self) -> &[(String, usize, usize)] {
        match self {
            Self::Tar(members) => members.ragged(),
            _ => &[],
        }
    }

    /// The place to read the packed samples from.
    pub(crate) fn place(&self, dir: &Path) -> PathBuf {
        match self {
            Self::Tokens(_) => dir.join("*.bin"),
            _ => dir.to_owned(),
        }
    }
}

/// The fields of a folder of two `.npy` files, and these files.
const NPY_FILES: [(&str, &str); 2] = [("input", "input.npy"), ("target", "output.npy")];

impl Columns {
    fn of(schema: &Schema) -> Result<Self, String> {
        let ragged = schema.fields().iter().find(|field| field.is_ragged());
        if let Some(field) = ragged {
            let field = words::one_line(&field.to_string());
            return Err(format!(
                "samples of {field} have different lengths, expected one shape; use --as tar, or give \
                 them one shape with --augment"
            ));
        }
        Ok(Self { fields: schema.fields().to_vec() })
    }

    fn npy(schema: &Schema) -> Result<Self, String> {
        let columns = Self::of(schema)?;
        let names: Vec<&str> = columns.fields.iter().map(Field::name).collect();
        if names != NPY_FILES.map(|(name, _)| name) {
            return Err(format!(
                "found the fields {names:?}, expected input and target, which input.npy and output.npy \
                 hold; use --as safetensors"
            ));
        }
        columns.fields.iter().try_for_each(|field| npy_dtype(field).map(drop))?;
        Ok(columns)
    }

    /// Bytes of a sample of each field.
    pub(crate) fn sample_bytes(&self) -> Vec<usize> {
        self.fields.iter().map(Field::max_bytes).collect()
    }

    /// For each file, what it begins with, and where each of its columns begins.
    pub(crate) fn heads(&self, format: &Format, samples: usize) -> Vec<Head> {
        let shape = |field: &Field| [&[samples], &field.max_shape()[..]].concat();
        if let Format::Npy(_) = format {
            return self.fields.iter().map(|field| npy_head(field, &shape(field))).collect();
        }
        let mut end = 0u64;
        let mut described = std::collections::BTreeMap::new();
        let mut starts = Vec::new();
        for field in &self.fields {
            let start = end;
            end += field.max_bytes() as u64 * samples as u64;
            starts.push(start);
            let dtype = safetensors_dtype(field.dtype());
            let entry =
                json!({ "dtype": dtype, "shape": shape(field), "data_offsets": [start, end] });
            described.insert(field.name(), entry);
        }
        let mut text = json!(described).to_string();
        text.extend(std::iter::repeat_n(' ', text.len().next_multiple_of(8) - text.len()));
        let mut bytes = (text.len() as u64).to_le_bytes().to_vec();
        bytes.extend(text.as_bytes());
        let first = bytes.len() as u64;
        vec![Head { bytes, starts: starts.into_iter().map(|start| first + start).collect() }]
    }
}

/// The beginning of a file of columns.
#[derive(Debug)]
pub(crate) struct Head {
    pub(crate) bytes: Vec<u8>,
    pub(crate) starts: Vec<u64>,
}

fn npy_head(field: &Field, shape: &[usize]) -> Head {
    let dtype = npy_dtype(field).expect("types were checked");
    let bytes = npy::header(dtype, shape);
    let starts = vec![bytes.len() as u64];
    Head { bytes, starts }
}

/// The type in a `.npy` file.
pub(crate) fn npy_dtype(field: &Field) -> Result<NpyDtype, String> {
    Ok(match field.dtype() {
        RowDType::U8 => NpyDtype::U8,
        RowDType::U16 => NpyDtype::U16,
        RowDType::U32 => NpyDtype::U32,
        RowDType::I16 => NpyDtype::I16,
        RowDType::I32 => NpyDtype::I32,
        RowDType::I64 => NpyDtype::I64,
        RowDType::F16 => NpyDtype::F16,
        RowDType::F32 => NpyDtype::F32,
        RowDType::F64 => NpyDtype::F64,
        other => {
            let name = words::one_line(field.name());
            return Err(format!(
                "a .npy file cannot hold {other}, which {name} is; use --as safetensors"
            ));
        }
    })
}

fn safetensors_dtype(dtype: RowDType) -> String {
    match dtype {
        RowDType::F8E4M3 => "F8_E4M3".to_owned(),
        other => other.to_string().to_ascii_uppercase(),
    }
}
