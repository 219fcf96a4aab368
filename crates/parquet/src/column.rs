use parquet::basic::{Encoding, Type as Physical};
use parquet::column::page::Page;
use parquet::column::reader::ColumnReaderImpl;
use parquet::data_type::{
    BoolType, ByteArray, ByteArrayType, DataType, DoubleType, FixedLenByteArrayType, FloatType,
    Int32Type, Int64Type,
};
use parquet::schema::types::ColumnDescPtr;
use tallow_arrow::{ArrowField, Error, Kind, Length, ReadAt, Result, Scalar};

use crate::Parquet;
use crate::codec::Codec;
use crate::levels::Rows;
use crate::page::{Header, Pages};
use crate::parquet::guarded;
use crate::places::{Part, Places};
use crate::schema::{leaf, list_levels};
use crate::stored::Stored;
use crate::unit::{Chunk, Unit, Walk};
use crate::values::{Elements, Values};

/// Where the values of a column lie.
///
/// Held in memory are 48 bytes a page, and 4 bytes a row where values differ in length, except of pictures.
#[derive(Debug)]
pub struct Column {
    name: String,
    /// Its position among all columns of numbers.
    leaf: usize,
    descriptor: ColumnDescPtr,
    scalar: Scalar,
    /// The definition level of an item in each list.
    levels: Vec<i16>,
    axes: Vec<Axis>,
    chunks: Vec<Chunk>,
    units: Vec<Unit>,
    rows: u64,
    unit_bytes: usize,
    /// The numbers of each row, where they were counted.
    elements: Vec<u32>,
    /// The lengths of lists in lists that were found.
    inner: Vec<Option<usize>>,
    longest: u64,
}

/// A page, and where its values lie if one of them can be read alone.
type Placed = (Page, Option<Part>);

/// An axis of all values.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Axis {
    Fixed(usize),
    /// Of lists, or of bytes.
    Ragged,
}

impl Parquet {
    /// The column `at` of the schema, or its child: which rows each of its pages has. With `is_bounded`,
    /// the longest of byte strings is said to be as long as the largest page, instead of found by decoding
    /// all of them.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Unsupported`](tallow_arrow::ErrorKind::Unsupported) for columns whose values are no run
    /// of numbers; and what is wrong with the file.
    pub fn column(
        &self,
        source: &(impl ReadAt + ?Sized),
        at: usize,
        child: Option<&str>,
        is_bounded: bool,
    ) -> Result<Column> {
        let mut column = Column::new(self, at, child)?;
        let are_lists = !column.levels.is_empty();
        let walk = Walk { source, unit_bytes: self.unit_bytes, are_lists };
        for (chunk, group) in self.metadata.row_groups().iter().enumerate() {
            let place = |error| column.placed(error, chunk);
            let rows = u64::try_from(group.num_rows()).unwrap_or(u64::MAX);
            let total = column.rows.checked_add(rows).filter(|rows| *rows <= isize::MAX as u64);
            let total = total.ok_or_else(|| Error::malformed("more rows than can be counted"))?;
            let metadata = group.columns().get(column.leaf);
            let metadata = metadata.ok_or_else(|| place(Error::malformed("no such column")))?;
            let (own, units) = walk.units(metadata, chunk, (column.rows, rows)).map_err(place)?;
            column.rows = total;
            column.chunks.push(own);
            column.units.extend(units);
        }
        if is_bounded && column.axes == [Axis::Ragged] && !are_lists {
            column.longest = column.largest_page() as u64;
        } else if column.axes.contains(&Axis::Ragged) {
            column.count(source)?;
        }
        Ok(column)
    }
}

impl Column {
    fn new(file: &Parquet, at: usize, child: Option<&str>) -> Result<Self> {
        let field = &file.schema().fields()[at];
        let (name, mut inner) = (field.name().to_owned(), field);
        if let (Some(child), Kind::Struct) = (child, field.kind()) {
            let none =
                || Error::unsupported(format!("column {name:?}: a struct without a {child:?}"));
            inner = field.children().iter().find(|own| own.name() == child).ok_or_else(none)?;
        }
        let (axes, scalar) = axes_of(field, inner)?;
        let schema = file.metadata.file_metadata().schema_descr();
        let none = || Error::malformed(format!("column {name:?} has no values of its own"));
        let leaf = leaf(schema.root_schema(), at, child).ok_or_else(none)?;
        let descriptor = schema.column(leaf);
        let levels = list_levels(schema.root_schema(), descriptor.path().parts());
        if levels.len() != usize::try_from(descriptor.max_rep_level()).unwrap_or(0)
            || levels.len() > axes.len()
        {
            return Err(Error::unsupported(format!("column {name:?} is of lists in structs")));
        }
        let (inner, unit_bytes) = (vec![None; axes.len()], file.unit_bytes);
        let (chunks, units, elements) = (Vec::new(), Vec::new(), Vec::new());
        let (rows, longest) = (0, 0);
        Ok(Self {
            name,
            leaf,
            descriptor,
            scalar,
            levels,
            axes,
            chunks,
            units,
            rows,
            unit_bytes,
            elements,
            inner,
            longest,
        })
    }

    /// Names the row group and the column in an error.
    #[cold]
    fn placed(&self, error: Error, chunk: usize) -> Error {
        let message = format!("row group {chunk}, column {:?}: {}", self.name, error.message());
        error.saying(message)
    }

    /// The type of its numbers. Text and bytes are `u8`.
    pub fn scalar(&self) -> Scalar {
        self.scalar
    }

    /// The number of rows.
    pub fn rows(&self) -> u64 {
        self.rows
    }

    /// Bytes that are held in memory to find values.
    pub fn held_bytes(&self) -> usize {
        let units = self.units.len() * size_of::<Unit>() + self.chunks.len() * size_of::<Chunk>();
        units + 4 * self.elements.len()
    }

    /// The axes of a value, outermost first: those of lists and of text are ragged, except where a type
    /// says how long they are; lists in lists have the length that all of them were found to have.
    pub fn lengths(&self) -> Vec<Length> {
        let axes = self.axes.iter().enumerate();
        axes.map(|(depth, axis)| match (axis, depth) {
            (Axis::Fixed(len), _) => Length::Fixed(*len),
            (Axis::Ragged, 0) => {
                Length::Ragged(usize::try_from(self.longest).unwrap_or(usize::MAX))
            }
            (Axis::Ragged, _) => Length::Fixed(self.inner[depth].unwrap_or(0)),
        })
        .collect()
    }

    /// The numbers that `row` has, where those of rows differ and were counted; 0 for a null.
    pub fn elements(&self, row: u64) -> Option<usize> {
        self.elements.get(usize::try_from(row).ok()?).map(|&elements| elements as usize)
    }

    /// The number of the unit that has `row`, and the row's number in it.
    ///
    /// # Panics
    ///
    /// When there is no such row.
    pub fn find(&self, row: u64) -> (usize, usize) {
        assert!(row < self.rows, "row {row} of {}", self.rows);
        let unit = self.units.partition_point(|unit| unit.row <= row) - 1;
        (unit, (row - self.units[unit].row) as usize)
    }

    /// The row group that a unit is in.
    pub fn row_group(&self, unit: usize) -> usize {
        self.units[unit].chunk
    }

    /// Where a unit lies in the file: its first byte, and how many it has.
    pub fn place(&self, unit: usize) -> (u64, usize) {
        (self.units[unit].offset, self.units[unit].bytes)
    }

    /// The rows of a unit.
    fn rows_of(&self, unit: usize) -> usize {
        let end = self.units.get(unit + 1).map_or(self.rows, |next| next.row);
        (end - self.units[unit].row) as usize
    }

    /// Bytes of the largest page: no byte string has more.
    fn largest_page(&self) -> usize {
        let dictionaries = self.chunks.iter().filter_map(|chunk| chunk.dictionary);
        let pages = self.units.iter().map(|unit| unit.expanded);
        pages.chain(dictionaries.map(|(.., expanded)| expanded)).max().unwrap_or(0)
    }

    /// Decodes all units for the lengths of rows.
    fn count(&mut self, source: &(impl ReadAt + ?Sized)) -> Result<()> {
        let width = (self.scalar.bits() / 8).max(1) as usize;
        for unit in 0..self.units.len() {
            let (values, _) = self.decode(source, unit)?;
            for row in 0..self.rows_of(unit) {
                let elements = u32::try_from(values.bytes(row) / width);
                let elements =
                    elements.map_err(|_| Error::unsupported("values of more than 4 GiB"))?;
                self.elements.push(elements);
                if self.levels.is_empty() {
                    self.longest = self.longest.max(elements.into());
                }
            }
            self.longest = self.longest.max(values.rows.longest);
            for (depth, &found) in values.rows.inner.iter().enumerate() {
                let Some(found) = found else { continue };
                if self.inner[depth].is_some_and(|known| known != found) {
                    let error = Error::unsupported("lists of different lengths in its lists");
                    return Err(self.placed(error, self.units[unit].chunk));
                }
                self.inner[depth] = Some(found);
            }
        }
        Ok(())
    }

    /// The values of a unit; and where they lie, if they are long byte strings that can be read alone.
    ///
    /// # Errors
    ///
    /// What is wrong with its pages, the row group and the column named.
    pub fn decode(
        &self,
        source: &(impl ReadAt + ?Sized),
        unit: usize,
    ) -> Result<(Values, Option<Places>)> {
        let Unit { chunk, offset, .. } = self.units[unit];
        let decoded = guarded(|| {
            let pages = self.pages(source, unit)?;
            let (pages, parts): (Vec<_>, Vec<_>) = pages.into_iter().unzip();
            let buffers: Vec<_> = pages.iter().map(|page| page.buffer().clone()).collect();
            let values =
                self.values(pages, self.rows_of(unit)).map_err(|error| error.at(offset))?;
            let places = match &values.elements {
                Elements::Strings(strings) => {
                    let pages = buffers.into_iter().zip(parts).collect();
                    Places::of(pages, strings, &values.rows.nulls)
                }
                Elements::Numbers(_) => None,
            };
            Ok((values, places))
        });
        decoded.map_err(|error| self.placed(error, chunk))
    }

    /// Whether values are byte strings, so that decoding a unit may tell where they lie.
    pub fn is_of_strings(&self) -> bool {
        self.levels.is_empty() && self.descriptor.physical_type() == Physical::BYTE_ARRAY
    }

    /// Fills `into` with the bytes from `first` on of row `row` of a unit, of which `places` tells where its
    /// values lie.
    ///
    /// # Errors
    ///
    /// What is wrong with the page, the row group and the column named; also where the value is a null or
    /// has no such bytes.
    pub fn read_alone(
        &self,
        source: &(impl ReadAt + ?Sized),
        (unit, places): (usize, &Places),
        (row, first): (usize, usize),
        into: &mut [u8],
    ) -> Result<()> {
        let read = places.read(source, row, first, into);
        read.map_err(|error| self.placed(error, self.units[unit].chunk))
    }

    /// The pages of a unit, expanded, after the dictionary if they refer to it.
    fn pages(&self, source: &(impl ReadAt + ?Sized), unit: usize) -> Result<Vec<Placed>> {
        let unit = &self.units[unit];
        let chunk = &self.chunks[unit.chunk];
        let mut pages = self.expanded(source, chunk.codec, (unit.offset, unit.bytes))?;
        if pages.iter().any(|(page, _)| refers(page.encoding())) {
            let none =
                || Error::malformed("a page that refers to a dictionary, and none before it");
            let (offset, bytes, _) = chunk.dictionary.ok_or_else(|| none().at(unit.offset))?;
            pages.splice(..0, self.expanded(source, chunk.codec, (offset, bytes))?);
        }
        let values: usize = pages.iter().map(|(page, _)| page.num_values() as usize).sum();
        // A run of equal values takes few bytes, however many there are.
        if values.saturating_mul(self.value_bytes()) > self.unit_bytes {
            let message = format!(
                "{values} values that are decoded together, more than {} bytes; write smaller row groups, \
                 or a page index",
                self.unit_bytes
            );
            return Err(Error::unsupported(message).at(unit.offset));
        }
        Ok(pages)
    }

    /// The pages in `bytes` bytes from `start` on.
    fn expanded(
        &self,
        source: &(impl ReadAt + ?Sized),
        codec: Codec,
        (start, bytes): (u64, usize),
    ) -> Result<Vec<Placed>> {
        let stored = Stored::read(source, start, bytes)?;
        let (mut pages, mut rest) = (Vec::new(), stored.bytes());
        while !rest.is_empty() {
            let offset = start + (bytes - rest.len()) as u64;
            let place = |error: Error| error.at(offset);
            let header = Header::of(&rest).map_err(place)?;
            let end = header.bytes.saturating_add(header.stored);
            if end > rest.len() || header.expanded > self.unit_bytes {
                return Err(place(changed()));
            }
            let page = rest.split_to(end).slice(header.bytes..);
            let part = match self.is_of_strings() {
                true => header.part(codec, offset + header.bytes as u64, &page),
                false => None,
            };
            let page = header.page(codec, page).map_err(place)?;
            // The decoder takes a page without values, which pyarrow writes among deltas, for the end.
            if page.is_dictionary_page() || page.num_values() > 0 {
                pages.push((page, part));
            }
        }
        Ok(pages)
    }

    /// Bytes that a value takes while it is decoded, with its levels.
    fn value_bytes(&self) -> usize {
        const LEVELS: usize = 4;
        LEVELS
            + match self.descriptor.physical_type() {
                Physical::BYTE_ARRAY => size_of::<ByteArray>(),
                Physical::FIXED_LEN_BYTE_ARRAY => {
                    let len = usize::try_from(self.descriptor.type_length()).unwrap_or(0);
                    size_of::<ByteArray>() + len
                }
                _ => 16,
            }
    }

    fn values(&self, pages: Vec<Page>, rows: usize) -> Result<Values> {
        let scalar = self.scalar;
        match self.descriptor.physical_type() {
            Physical::BOOLEAN => {
                self.numbers::<BoolType>(pages, rows, 1, |value, to| to.push(u8::from(*value)))
            }
            Physical::INT32 => {
                let width = (scalar.bits() / 8) as usize;
                self.numbers::<Int32Type>(pages, rows, width, |value, to| match width {
                    1 => to.push(*value as u8),
                    2 => to.extend((*value as u16).to_ne_bytes()),
                    _ => to.extend(value.to_ne_bytes()),
                })
            }
            Physical::INT64 => self.numbers::<Int64Type>(pages, rows, 8, |value, to| {
                to.extend(value.to_ne_bytes());
            }),
            Physical::FLOAT => self.numbers::<FloatType>(pages, rows, 4, |value, to| {
                to.extend(value.to_ne_bytes());
            }),
            Physical::DOUBLE => self.numbers::<DoubleType>(pages, rows, 8, |value, to| {
                to.extend(value.to_ne_bytes());
            }),
            Physical::FIXED_LEN_BYTE_ARRAY => {
                let width = usize::try_from(self.descriptor.type_length()).unwrap_or(0);
                self.numbers::<FixedLenByteArrayType>(pages, rows, width, |value, to| {
                    to.extend_from_slice(value.data());
                })
            }
            Physical::BYTE_ARRAY => self.strings(pages, rows),
            Physical::INT96 => Err(Error::unsupported("timestamps of 96 bits")),
        }
    }

    fn numbers<T: DataType>(
        &self,
        pages: Vec<Page>,
        rows: usize,
        width: usize,
        write: impl Fn(&T::T, &mut Vec<u8>),
    ) -> Result<Values> {
        let mut read = Read::<T>::new(self.descriptor.clone(), pages);
        read.up_to(rows)?;
        let rows = read.rows(&self.levels, &self.descriptor, rows)?;
        let mut bytes = Vec::new();
        if self.levels.is_empty() && !rows.nulls.is_empty() {
            bytes.reserve_exact(rows.nulls.len() * width);
            let mut values = read.values.iter();
            for &is_null in &rows.nulls {
                let value = if is_null { None } else { values.next() };
                match value {
                    Some(value) => write(value, &mut bytes),
                    None => bytes.resize(bytes.len() + width, 0),
                }
            }
        } else {
            bytes.reserve_exact(read.values.len() * width);
            read.values.iter().for_each(|value| write(value, &mut bytes));
        }
        let (elements, are_lists) = (Elements::Numbers(bytes), !self.levels.is_empty());
        Ok(Values { elements, rows, width, pages: 0, are_lists })
    }

    /// Values of a length of their own, which no lists have.
    fn strings(&self, pages: Vec<Page>, rows: usize) -> Result<Values> {
        let mut held: usize = pages.iter().map(|page| page.buffer().len()).sum();
        let are_copied = pages.iter().any(|page| page.encoding() == Encoding::DELTA_BYTE_ARRAY);
        let mut read = Read::<ByteArrayType>::new(self.descriptor.clone(), pages);
        // Values that share beginnings are copies, each of which may be as long as the page.
        let step = if are_copied { (self.unit_bytes / held.max(1)).max(1) } else { rows };
        while read.records < rows {
            let seen = read.values.len();
            read.up_to(rows.min(read.records.saturating_add(step)))?;
            if are_copied {
                held += read.values[seen..].iter().map(ByteArray::len).sum::<usize>();
            }
            if held > self.unit_bytes {
                let message =
                    format!("values of {held} bytes in one page, at most {}", self.unit_bytes);
                return Err(Error::unsupported(message));
            }
        }
        let rows = read.rows(&self.levels, &self.descriptor, rows)?;
        let mut strings = read.values;
        if !rows.nulls.is_empty() {
            let mut values = strings.into_iter();
            let all = rows.nulls.iter().map(|&is_null| match is_null {
                true => ByteArray::from(Vec::new()),
                false => values.next().unwrap_or_else(|| ByteArray::from(Vec::new())),
            });
            strings = all.collect();
        }
        Ok(Values {
            elements: Elements::Strings(strings),
            rows,
            width: 1,
            pages: held,
            are_lists: false,
        })
    }
}

/// The column of pages, as far as it was decoded.
struct Read<T: DataType> {
    reader: ColumnReaderImpl<T>,
    values: Vec<T::T>,
    definition: Vec<i16>,
    repetition: Vec<i16>,
    records: usize,
}

impl<T: DataType> Read<T> {
    fn new(descriptor: ColumnDescPtr, pages: Vec<Page>) -> Self {
        let reader = ColumnReaderImpl::new(descriptor, Box::new(Pages(pages.into_iter())));
        let (values, definition, repetition) = (Vec::new(), Vec::new(), Vec::new());
        Self { reader, values, definition, repetition, records: 0 }
    }

    /// Decodes until there are `records` rows.
    fn up_to(&mut self, records: usize) -> Result<()> {
        let wanted = records - self.records;
        let levels = (Some(&mut self.definition), Some(&mut self.repetition));
        let read = self.reader.read_records(wanted, levels.0, levels.1, &mut self.values);
        let (read, ..) = read.map_err(|error| Error::malformed(format!("a page: {error}")))?;
        self.records += read;
        if self.records < records {
            let message = format!("{} rows in its pages, expected {records} or more", self.records);
            return Err(Error::malformed(message));
        }
        Ok(())
    }

    /// What the levels say of all rows, of which there must be `rows`.
    fn rows(&mut self, lists: &[i16], descriptor: &ColumnDescPtr, rows: usize) -> Result<Rows> {
        let (mut more, mut levels) = (Vec::new(), (Vec::new(), Vec::new()));
        let rest = self.reader.read_records(1, Some(&mut levels.0), Some(&mut levels.1), &mut more);
        if rest.is_ok_and(|(records, ..)| records > 0) {
            return Err(Error::malformed(format!("more rows in its pages than {rows}")));
        }
        let most = descriptor.max_def_level();
        match lists.is_empty() {
            true => Ok(Rows::of_values(&self.definition, most)),
            false => Rows::of_lists(&self.definition, &self.repetition, lists, most),
        }
    }
}

/// The axes of the values of `field`, which lie in `inner`, and the type of their numbers.
fn axes_of(field: &ArrowField, inner: &ArrowField) -> Result<(Vec<Axis>, Scalar)> {
    let (mut axes, mut own) = (Vec::new(), inner);
    let refused = |name: &str| {
        Error::unsupported(format!(
            "column {:?} holds values of type {name}, expected numbers, text, bytes, or lists of them",
            field.name()
        ))
    };
    let scalar = loop {
        match own.kind() {
            Kind::Scalar(scalar) => break *scalar,
            Kind::Bytes { .. } | Kind::View if axes.is_empty() => {
                axes.push(Axis::Ragged);
                break Scalar::U8;
            }
            Kind::Bytes { .. } | Kind::View => return Err(refused("list of text")),
            Kind::FixedBytes(len) => {
                axes.push(Axis::Fixed(*len));
                break Scalar::U8;
            }
            Kind::List { .. } => axes.push(Axis::Ragged),
            Kind::FixedList(len) => axes.push(Axis::Fixed(*len)),
            Kind::Struct => return Err(refused("struct")),
            Kind::Other { name, .. } => return Err(refused(name)),
        }
        own = own.children().first().ok_or_else(|| refused("list of nothing"))?;
    };
    if let Some(shape) = inner.shape() {
        if shape.len() != axes.len() {
            return Err(Error::malformed(format!(
                "column {:?} has a shape of another rank",
                field.name()
            )));
        }
        let pairs = axes.iter_mut().zip(shape);
        pairs
            .filter_map(|(axis, len)| Some((axis, (*len)?)))
            .for_each(|(axis, len)| *axis = Axis::Fixed(len));
    }
    Ok((axes, scalar))
}

/// Whether values in this encoding are places in a dictionary.
fn refers(encoding: Encoding) -> bool {
    matches!(encoding, Encoding::PLAIN_DICTIONARY | Encoding::RLE_DICTIONARY)
}

#[cold]
fn changed() -> Error {
    Error::malformed("a page is not as it was when the file was opened")
}
