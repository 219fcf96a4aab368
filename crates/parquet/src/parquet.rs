use std::panic::{AssertUnwindSafe, catch_unwind};

use base64::Engine;
use parquet::file::metadata::{FileMetaData, ParquetMetaData, ParquetMetaDataReader};
use tallow_arrow::{Arrow, ArrowSchema, Error, ErrorKind, Features, ReadAt, Result};

use crate::schema;
use crate::thrift::Thrift;

/// A Parquet file whose metadata are known.
#[derive(Debug)]
pub struct Parquet {
    pub(crate) metadata: ParquetMetaData,
    schema: ArrowSchema,
    footer: Vec<u8>,
    /// The most bytes of a unit.
    pub(crate) unit_bytes: usize,
}

/// What a file begins and ends with.
const MAGIC: &[u8; 4] = b"PAR1";

/// What it ends with where its metadata are encrypted.
const ENCRYPTED: &[u8; 4] = b"PARE";

/// The most bytes of metadata. Those of ten thousand row groups of a hundred columns take less.
const METADATA_MAX: u64 = 256 << 20;

impl Parquet {
    /// Reads the metadata, at the end of the file. A unit of rows that takes more than `unit_bytes` bytes
    /// when it is decoded will be refused.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Foreign`] for another file, [`ErrorKind::Unsupported`] for an encrypted one, and what
    /// is wrong with this one.
    pub fn open(source: &(impl ReadAt + ?Sized), unit_bytes: usize) -> Result<Self> {
        let footer = footer(source)?;
        check(&footer)?;
        let metadata = guarded(|| {
            ParquetMetaDataReader::decode_metadata(&footer)
                .map_err(|error| Error::malformed(format!("metadata: {error}")))
        })?;
        let schema = schema_of(metadata.file_metadata())?;
        Ok(Self { metadata, schema, footer, unit_bytes })
    }

    /// The columns there are.
    pub fn schema(&self) -> &ArrowSchema {
        &self.schema
    }

    /// The metadata as they lie in the file: two files of one length whose metadata are equal differ in
    /// values at most.
    pub fn footer(&self) -> &[u8] {
        &self.footer
    }

    /// The rows of each row group, as the metadata say.
    pub fn row_groups(&self) -> impl Iterator<Item = u64> {
        let groups = self.metadata.row_groups().iter();
        groups.map(|group| u64::try_from(group.num_rows()).unwrap_or(u64::MAX))
    }
}

/// Runs `work` on what a file says; a panic of it is an error.
pub(crate) fn guarded<T>(work: impl FnOnce() -> Result<T>) -> Result<T> {
    catch_unwind(AssertUnwindSafe(work)).unwrap_or_else(|panic| {
        let said = panic.downcast_ref::<String>().map(String::as_str);
        let said = said.or_else(|| panic.downcast_ref::<&str>().copied()).unwrap_or("no reason");
        Err(Error::malformed(format!("the decoder gives up: {said}")))
    })
}

/// Sees that all that the metadata tell of is in their bytes, and that they tell of no encrypted columns.
fn check(footer: &[u8]) -> Result<()> {
    const ENCRYPTION: i16 = 8;
    let (mut thrift, mut last) = (Thrift::new(footer), 0);
    while let Some((field, of)) = thrift.field(&mut last)? {
        if field == ENCRYPTION {
            return Err(Error::unsupported("the file has encrypted columns, expected a plain one"));
        }
        thrift.skip(of, 0)?;
    }
    Ok(())
}

fn footer(source: &(impl ReadAt + ?Sized)) -> Result<Vec<u8>> {
    const TAIL: u64 = 8;
    let foreign = |message: &str| {
        Error::new(ErrorKind::Foreign, format!("{message}, expected a Parquet file"))
    };
    let bytes = source.bytes();
    if bytes < TAIL {
        return Err(foreign("a file of less than 8 bytes"));
    }
    let (mut head, mut tail) = ([0; 4], [0; TAIL as usize]);
    source.read_at(0, &mut head).map_err(Error::io)?;
    source.read_at(bytes - TAIL, &mut tail).map_err(Error::io)?;
    let (len, magic) = tail.split_at(4);
    if magic == ENCRYPTED || head == *ENCRYPTED {
        return Err(Error::unsupported("the file is encrypted, expected a plain one"));
    }
    if head != *MAGIC {
        return Err(foreign("the file does not begin with PAR1"));
    }
    if magic != MAGIC {
        let message = "the file does not end in PAR1: it is cut, or was not closed by its writer";
        return Err(Error::new(ErrorKind::Truncated, message));
    }
    let len = u64::from(u32::from_le_bytes(len.try_into().unwrap_or_default()));
    let Some(start) = (bytes - TAIL).checked_sub(len).filter(|_| len <= METADATA_MAX) else {
        let message = format!("metadata of {len} bytes in a file of {bytes}");
        return Err(Error::malformed(message).at(bytes - TAIL));
    };
    let mut footer = vec![0; len as usize];
    source.read_at(start, &mut footer).map_err(Error::io)?;
    Ok(footer)
}

/// The columns, as Parquet has them, with the lengths of lists that Arrow's writers leave beside.
fn schema_of(metadata: &FileMetaData) -> Result<ArrowSchema> {
    let value = |key: &str| {
        let pair = metadata.key_value_metadata()?.iter().find(|pair| pair.key == key)?;
        pair.value.as_deref()
    };
    let features = Features::of(value("huggingface"));
    let columns = metadata.schema_descr().root_schema().get_fields().iter();
    let mut fields = columns.map(|column| schema::field(column, 0)).collect::<Result<Vec<_>>>()?;
    let beside = value("ARROW:schema").and_then(|text| {
        let bytes = base64::engine::general_purpose::STANDARD.decode(text).ok()?;
        Arrow::open(bytes.as_slice()).ok()
    });
    if let Some(arrow) = beside
        && arrow.schema().fields().len() == fields.len()
    {
        let pairs = fields.into_iter().zip(arrow.schema().fields());
        let with_lengths = pairs.map(|(own, other)| match own.name() == other.name() {
            true => own.with_lengths_of(other),
            false => own,
        });
        fields = with_lengths.collect();
    }
    Ok(ArrowSchema::new(fields, features))
}
