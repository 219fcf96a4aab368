use crate::column::Column;
use crate::flat::Table;
use crate::{ArrowSchema, Error, ErrorKind, ReadAt, Result};

/// A file in Arrow's stream or file format, whose schema is known.
#[derive(Debug)]
pub struct Arrow {
    schema: ArrowSchema,
    batches: Batches,
    /// The byte before the first batch, or an earlier one.
    head: u64,
}

/// How record batches are found.
#[derive(Debug)]
enum Batches {
    /// One after the other from this byte on.
    From(u64),
    /// Where the footer says.
    At(Vec<u64>),
}

/// What the file format begins and ends with.
const MAGIC: &[u8; 6] = b"ARROW1";

/// The most bytes of the metadata of a message, or of a footer. A batch of ten thousand columns takes
/// less than one.
const METADATA_MAX: u64 = 64 << 20;

/// The metadata of a message, and the bytes that it is about.
struct Message {
    metadata: Vec<u8>,
    body: u64,
    body_bytes: u64,
}

const SCHEMA: u8 = 1;
const RECORD_BATCH: u8 = 3;

impl Arrow {
    /// Reads the schema, and of the file format where the record batches are. That is at its end.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Foreign`] for another file, and what is wrong with this one.
    pub fn open(source: &(impl ReadAt + ?Sized)) -> Result<Self> {
        let mut magic = [0; MAGIC.len()];
        let is_file = source.bytes() >= 8 && {
            source.read_at(0, &mut magic).map_err(Error::io)?;
            magic == *MAGIC
        };
        if is_file {
            return Self::of_footer(source);
        }
        let message = Message::read(source, 0)?.ok_or_else(|| foreign("no schema"))?;
        let header = message.header(SCHEMA)?.ok_or_else(|| foreign("no schema first"))?;
        let (schema, head) = (ArrowSchema::of(&header)?, message.end());
        Ok(Self { schema, batches: Batches::From(head), head })
    }

    /// What the end of a file says. Its beginning should be a stream with the same schema, but polars
    /// leaves out what a message begins with there.
    fn of_footer(source: &(impl ReadAt + ?Sized)) -> Result<Self> {
        const HEAD_MAX: u64 = 64 << 10;
        let footer = footer(source)?;
        let footer = Table::root(&footer)?;
        let schema =
            footer.table(1)?.ok_or_else(|| Error::malformed("a footer without a schema"))?;
        let schema = ArrowSchema::of(&schema)?;
        let blocks = footer.vector(3, 24)?;
        let offset = |at| {
            u64::try_from(blocks.i64(at, 0)?).map_err(|_| Error::malformed("a negative offset"))
        };
        let offsets = (0..blocks.len).map(offset).collect::<Result<Vec<u64>>>()?;
        let first = offsets.iter().min().copied().unwrap_or(HEAD_MAX);
        let (batches, head) = (Batches::At(offsets), first.min(HEAD_MAX).min(source.bytes()));
        Ok(Self { schema, batches, head })
    }

    /// The columns there are.
    pub fn schema(&self) -> &ArrowSchema {
        &self.schema
    }

    /// Bytes of the beginning that hold no value.
    pub fn head_bytes(&self) -> u64 {
        self.head
    }

    /// Where the values of columns lie: of each the position in the schema and, of a struct, the name
    /// of the child whose values are meant.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Unsupported`] for columns whose values are no run of numbers, and for compressed
    /// batches; and what is wrong with the file.
    pub fn columns(
        &self,
        source: &(impl ReadAt + ?Sized),
        wanted: &[(usize, Option<&str>)],
    ) -> Result<Vec<Column>> {
        let columns = wanted.iter().map(|&(at, child)| Column::new(&self.schema, at, child));
        let mut columns = columns.collect::<Result<Vec<_>>>()?;
        let views = self.schema.views();
        let mut add = |message: &Message| {
            let Some(header) = message.header(RECORD_BATCH)? else { return Ok(()) };
            let batch = RecordBatch::new(header, message, &views)?;
            columns.iter_mut().try_for_each(|column| column.push(&batch, source))
        };
        match &self.batches {
            Batches::From(start) => {
                let mut offset = *start;
                while let Some(message) = Message::read(source, offset)? {
                    add(&message).map_err(|error| error.at(offset))?;
                    offset = message.end();
                }
            }
            Batches::At(offsets) => {
                for &offset in offsets {
                    let message = Message::read(source, offset)?;
                    let none = || Error::malformed("the footer names a batch that is none");
                    add(&message.ok_or_else(none)?).map_err(|error| error.at(offset))?;
                }
            }
        }
        Ok(columns)
    }
}

fn foreign(message: &str) -> Error {
    Error::new(ErrorKind::Foreign, format!("{message}, expected an Arrow stream or file"))
}

/// The footer of the file format: the schema, and where record batches are.
fn footer(source: &(impl ReadAt + ?Sized)) -> Result<Vec<u8>> {
    const TAIL: u64 = 4 + MAGIC.len() as u64;
    let cut = || Error::new(ErrorKind::Truncated, "the file does not end in ARROW1");
    let end = source.bytes().checked_sub(TAIL).ok_or_else(cut)?;
    let mut tail = [0; TAIL as usize];
    source.read_at(end, &mut tail).map_err(Error::io)?;
    let (len, magic) = tail.split_at(4);
    if magic != MAGIC {
        return Err(cut());
    }
    let len = u64::from(u32::from_le_bytes(len.try_into().unwrap_or_default()));
    if len > end.min(METADATA_MAX) {
        return Err(Error::malformed(format!("a footer of {len} bytes")).at(end));
    }
    let mut footer = vec![0; len as usize];
    source.read_at(end - len, &mut footer).map_err(Error::io)?;
    Ok(footer)
}

impl Message {
    /// The message at `offset`, or none where the stream ends.
    fn read(source: &(impl ReadAt + ?Sized), offset: u64) -> Result<Option<Self>> {
        let bytes = source.bytes();
        if offset == bytes && offset > 0 {
            return Ok(None);
        }
        let cut = |what: &str| {
            let message = format!("{what} in a file of {bytes}");
            Err(Error::new(ErrorKind::Truncated, message).at(offset))
        };
        let mut prefix = [0; 8];
        if bytes.checked_sub(offset).is_none_or(|left| left < 8) {
            return cut("a message begins less than 8 bytes before the end");
        }
        source.read_at(offset, &mut prefix).map_err(Error::io)?;
        let (mark, len) = prefix.split_at(4);
        if mark != [0xff; 4] {
            // Before Arrow 0.15 there was no mark; its writers are gone.
            return Err(foreign("no message").at(offset));
        }
        let len = u64::from(u32::from_le_bytes(len.try_into().unwrap_or_default()));
        if len == 0 {
            return Ok(None);
        }
        if len > METADATA_MAX.min(bytes - offset - 8) {
            return cut(&format!("metadata of {len} bytes"));
        }
        let mut metadata = vec![0; len as usize];
        source.read_at(offset + 8, &mut metadata).map_err(Error::io)?;
        let body = offset + 8 + len;
        let body_bytes = Table::root(&metadata).and_then(|table| table.i64(3));
        let body_bytes = body_bytes.map_err(|error| error.at(offset))? as u64;
        if body_bytes > bytes - body {
            return cut(&format!("a body of {body_bytes} bytes"));
        }
        Ok(Some(Self { metadata, body, body_bytes }))
    }

    /// The header, if it is of this kind.
    fn header(&self, kind: u8) -> Result<Option<Table<'_>>> {
        let table = Table::root(&self.metadata)?;
        /// The number of the fourth version, the first whose metadata are as they are now.
        const V4: i16 = 3;
        if table.i16(0)? < V4 {
            return Err(Error::unsupported("metadata before version 4 of the format"));
        }
        if table.byte(1)? != kind { Ok(None) } else { table.table(2) }
    }

    /// The byte after it.
    fn end(&self) -> u64 {
        self.body + self.body_bytes
    }
}

/// The header of a record batch.
pub(crate) struct RecordBatch<'a> {
    header: Table<'a>,
    body: u64,
    body_bytes: u64,
    pub(crate) rows: u64,
    /// The number that a buffer has in the schema before which those of each view come, and how many
    /// these are.
    views: Vec<(usize, usize)>,
}

impl<'a> RecordBatch<'a> {
    fn new(header: Table<'a>, message: &Message, views: &[usize]) -> Result<Self> {
        if header.table(3)?.is_some() {
            let advice = "the record batches are compressed, expected plain ones; write them without \
                          `compression`";
            return Err(Error::unsupported(advice));
        }
        let rows = count(header.i64(0)?)?;
        let counts = header.vector(4, 8)?;
        let count_of = |(at, &end): (usize, &usize)| {
            let count = usize::try_from(count(counts.i64(at, 0)?)?).unwrap_or(usize::MAX);
            Ok((end, count))
        };
        let views = views.iter().enumerate().map(count_of).collect::<Result<_>>()?;
        Ok(Self { header, body: message.body, body_bytes: message.body_bytes, rows, views })
    }

    /// The items and the nulls among them of a node.
    pub(crate) fn node(&self, node: usize) -> Result<(u64, u64)> {
        let nodes = self.header.vector(1, 16)?;
        let (items, nulls) = (count(nodes.i64(node, 0)?)?, count(nodes.i64(node, 8)?)?);
        if nulls > items {
            return Err(Error::malformed(format!("{nulls} nulls among {items} items")));
        }
        Ok((items, nulls))
    }

    /// Where a buffer begins in the file, and its bytes.
    pub(crate) fn buffer(&self, buffer: usize) -> Result<(u64, u64)> {
        let before = self.views.iter().filter(|(end, _)| *end <= buffer);
        let moved = before.fold(buffer, |sum, (_, count)| sum.saturating_add(*count));
        self.stored_buffer(moved)
    }

    /// Where buffer `data` of those begins that the view has whose own end before buffer `end`.
    pub(crate) fn view_buffer(&self, end: usize, data: u64) -> Result<(u64, u64)> {
        let none = || Error::malformed(format!("a view of buffer {data}, which is not there"));
        let at = self.views.iter().position(|(own, _)| *own == end).ok_or_else(none)?;
        let data = usize::try_from(data).ok().filter(|data| *data < self.views[at].1);
        let before =
            self.views[..at].iter().fold(end, |sum, (_, count)| sum.saturating_add(*count));
        self.stored_buffer(before.saturating_add(data.ok_or_else(none)?))
    }

    fn stored_buffer(&self, buffer: usize) -> Result<(u64, u64)> {
        let buffers = self.header.vector(2, 16)?;
        let (offset, len) = (count(buffers.i64(buffer, 0)?)?, count(buffers.i64(buffer, 8)?)?);
        match offset.checked_add(len) {
            Some(end) if end <= self.body_bytes => Ok((self.body + offset, len)),
            _ => Err(Error::malformed("a buffer ends after its record batch")),
        }
    }
}

fn count(number: i64) -> Result<u64> {
    u64::try_from(number).map_err(|_| Error::malformed(format!("a count or offset of {number}")))
}
