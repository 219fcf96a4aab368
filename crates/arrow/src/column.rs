use crate::arrow::RecordBatch;
use crate::validity::Validity;
use crate::{ArrowField, ArrowSchema, Error, Kind, ReadAt, Result, Scalar};

/// Where the values of a column lie.
///
/// Held in memory are 4 bytes a row where its values differ in length, 16 where they are views, and a bit
/// a row where some are null. Where lists are found to be equally long, their offsets are arithmetic.
#[derive(Debug)]
pub struct Column {
    name: String,
    chain: Chain,
    shape: Option<Vec<Option<usize>>>,
    /// The first row of each part.
    starts: Vec<u64>,
    parts: Vec<Part>,
    rows: u64,
    /// The lengths of lists, the outermost first, where they were found to be equal.
    lengths: Vec<Option<usize>>,
    longest: u64,
}

/// The length of one axis of all values.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Length {
    /// The same for every row.
    Fixed(usize),
    /// At most this.
    Ragged(usize),
}

/// Where one value lies.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Place {
    /// Its first byte in the file.
    pub offset: u64,
    /// The bit of that byte with which it begins, of booleans.
    pub bit: u8,
    /// The numbers that it has.
    pub elements: usize,
}

/// The way from a row to its numbers.
#[derive(Debug)]
struct Chain {
    steps: Vec<Step>,
    scalar: Scalar,
    /// The node and validity of the numbers, which bytes do not have.
    leaf: Option<(usize, usize)>,
    data: usize,
}

#[derive(Debug)]
struct Step {
    node: usize,
    validity: usize,
    into: Into,
}

#[derive(Debug, Clone, Copy)]
enum Into {
    Child,
    Fixed(usize),
    List {
        offsets: usize,
        wide: bool,
    },
    /// Bytes that each value refers to, of which the first buffer is this one.
    View(usize),
}

/// The values of a record batch.
#[derive(Debug)]
struct Part {
    spans: Spans,
    /// Nulls of rows.
    nulls: Vec<Validity>,
    /// Nulls of numbers in lists.
    inner: Validity,
    data: u64,
}

/// The items of each row.
#[derive(Debug)]
enum Spans {
    Even {
        base: u64,
        step: u64,
    },
    /// Row `r` has the items from `base + offsets[r] * times` to `base + offsets[r + 1] * times`.
    Uneven {
        base: u64,
        offsets: Vec<u32>,
        times: u64,
    },
    /// The first byte of each row in the file, and how many it has.
    Views(Vec<(u64, u32)>),
}

impl Spans {
    fn of(&self, row: u64) -> (u64, u64) {
        match self {
            Self::Even { base, step } => (base + row * step, base + (row + 1) * step),
            Self::Uneven { base, offsets, times } => {
                let at = |row: u64| base + u64::from(offsets[row as usize]) * times;
                (at(row), at(row + 1))
            }
            Self::Views(views) => {
                let (start, len) = views[row as usize];
                (start, start + u64::from(len))
            }
        }
    }

    /// The end of the last of `rows`, or none where that is beyond all numbers.
    fn end(&self, rows: u64) -> Option<u64> {
        match self {
            Self::Even { base, step } => base.checked_add(rows.checked_mul(*step)?),
            Self::Uneven { base, offsets, times } => {
                base.checked_add(u64::from(*offsets.last()?).checked_mul(*times)?)
            }
            // Each was compared with the buffer that it is in.
            Self::Views(_) => Some(0),
        }
    }

    /// The same of the items in the lists that these were, each of `len` from `first` on.
    fn into_lists(self, first: u64, len: u64) -> Option<Self> {
        let base = |base: u64| base.checked_mul(len)?.checked_add(first);
        Some(match self {
            Self::Even { base: own, step } => {
                Self::Even { base: base(own)?, step: step.checked_mul(len)? }
            }
            Self::Uneven { base: own, offsets, times } => {
                Self::Uneven { base: base(own)?, offsets, times: times.checked_mul(len)? }
            }
            Self::Views(_) => return None,
        })
    }
}

impl Chain {
    fn of(schema: &ArrowSchema, at: usize, child: Option<&str>) -> Result<Self> {
        let field = &schema.fields[at];
        let before = schema.fields[..at].iter().map(ArrowField::extent);
        let (mut node, mut buffer) = before.fold((0, 0), |sum, it| (sum.0 + it.0, sum.1 + it.1));
        let mut steps = Vec::new();
        let mut inner = field;
        if let (Some(child), Kind::Struct) = (child, &field.kind) {
            steps.push(Step { node, validity: buffer, into: Into::Child });
            (node, buffer) = (node + 1, buffer + 1);
            let none = || Error::unsupported(format!("a struct without a {child:?}"));
            let found = field.children.iter().position(|own| own.name == child).ok_or_else(none)?;
            for own in field.children[..found].iter().map(ArrowField::extent) {
                (node, buffer) = (node + own.0, buffer + own.1);
            }
            inner = &field.children[found];
        }
        loop {
            let mut step = |into| steps.push(Step { node, validity: buffer, into });
            let leaf = |scalar, leaf, data| (scalar, leaf, data);
            let (scalar, leaf, data) = match inner.kind {
                Kind::Scalar(scalar) => leaf(scalar, Some((node, buffer)), buffer + 1),
                Kind::Bytes { wide } => {
                    step(Into::List { offsets: buffer + 1, wide });
                    leaf(Scalar::U8, None, buffer + 2)
                }
                Kind::View => {
                    step(Into::View(buffer + 2));
                    leaf(Scalar::U8, None, buffer + 1)
                }
                Kind::FixedBytes(len) => {
                    step(Into::Fixed(len));
                    leaf(Scalar::U8, None, buffer + 1)
                }
                Kind::List { wide } => {
                    step(Into::List { offsets: buffer + 1, wide });
                    (node, buffer, inner) = (node + 1, buffer + 2, &inner.children[0]);
                    continue;
                }
                Kind::FixedList(len) => {
                    step(Into::Fixed(len));
                    (node, buffer, inner) = (node + 1, buffer + 1, &inner.children[0]);
                    continue;
                }
                Kind::Struct => return Err(no_numbers(field, "struct")),
                Kind::Other { name, .. } => return Err(no_numbers(field, name)),
            };
            return Ok(Self { steps, scalar, leaf, data });
        }
    }

    /// The steps into lists.
    fn lists(&self) -> impl Iterator<Item = &Step> {
        self.steps.iter().filter(|step| !matches!(step.into, Into::Child))
    }
}

#[cold]
fn no_numbers(field: &ArrowField, name: &str) -> Error {
    Error::unsupported(format!(
        "column {:?} holds values of type {name}, expected numbers, text, bytes, or lists of them",
        field.name
    ))
}

impl Column {
    /// The column `at`, or its child, without a row.
    pub(crate) fn new(schema: &ArrowSchema, at: usize, child: Option<&str>) -> Result<Self> {
        let chain = Chain::of(schema, at, child)?;
        let (name, shape) = (schema.fields[at].name.clone(), schema.fields[at].shape.clone());
        let rank = chain.lists().count();
        if shape.as_ref().is_some_and(|shape| shape.len() != rank) {
            return Err(Error::malformed(format!("column {name:?} has a shape of another rank")));
        }
        let (lengths, starts, parts) = (vec![None; rank], Vec::new(), Vec::new());
        Ok(Self { name, chain, shape, starts, parts, rows: 0, lengths, longest: 0 })
    }

    /// Adds the rows of a batch.
    pub(crate) fn push(
        &mut self,
        batch: &RecordBatch<'_>,
        source: &(impl ReadAt + ?Sized),
    ) -> Result<()> {
        if batch.rows == 0 {
            return Ok(());
        }
        let total = self.rows.checked_add(batch.rows).filter(|rows| *rows <= isize::MAX as u64);
        let total = total.ok_or_else(|| Error::malformed("more rows than can be counted"))?;
        let part = self.part(batch, source)?;
        self.starts.push(self.rows);
        self.parts.push(part);
        self.rows = total;
        Ok(())
    }

    fn part(&mut self, batch: &RecordBatch<'_>, source: &(impl ReadAt + ?Sized)) -> Result<Part> {
        let beyond = || Error::malformed("rows have more items than there are");
        let mut spans = Spans::Even { base: 0, step: 1 };
        let (mut nulls, mut inner, mut depth) = (Vec::new(), Validity::default(), 0);
        let leaf = self.chain.leaf.map(|(node, validity)| (node, validity, Into::Child));
        let steps = self.chain.steps.iter().map(|step| (step.node, step.validity, step.into));
        for (at, (node, validity, into)) in steps.chain(leaf).enumerate() {
            let (items, null_items) = batch.node(node)?;
            if spans.end(batch.rows).is_none_or(|end| end > items) {
                return Err(beyond());
            }
            let null = validity_of(batch, source, validity, items, null_items)?;
            match (depth, at == self.chain.steps.len()) {
                (0, _) => nulls.push(null),
                (_, true) => inner = null,
                _ if null.0.is_some() => return Err(self.refused("nulls in its lists of lists")),
                _ => {}
            }
            let len = match into {
                Into::Child => continue,
                Into::Fixed(len) => {
                    spans = spans.into_lists(0, len as u64).ok_or_else(beyond)?;
                    Some(len as u64)
                }
                Into::View(_) if depth > 0 => return Err(self.refused("text in its lists")),
                Into::View(end) => {
                    let (views, longest) = views_of(batch, source, end, nulls.as_slice())?;
                    spans = Spans::Views(views);
                    self.longest = self.longest.max(longest);
                    None
                }
                Into::List { offsets, wide } => {
                    let lists = Lists::read(source, batch.buffer(offsets)?, items, wide)?;
                    let len = lists.len;
                    spans = match (depth, len) {
                        (_, Some(len)) => spans.into_lists(lists.first, len).ok_or_else(beyond)?,
                        (0, None) => {
                            Spans::Uneven { base: lists.first, offsets: lists.offsets, times: 1 }
                        }
                        _ => return Err(self.refused("lists of different lengths in its lists")),
                    };
                    self.longest =
                        if depth == 0 { self.longest.max(lists.longest) } else { self.longest };
                    len.filter(|_| items > 0)
                }
            };
            if depth > 0
                && let Some(len) = len
            {
                let len = len as usize;
                if self.lengths[depth].is_some_and(|known| known != len) {
                    return Err(self.refused("lists of different lengths in its lists"));
                }
                self.lengths[depth] = Some(len);
            }
            depth += 1;
        }
        let (data, data_bytes) = batch.buffer(self.chain.data)?;
        let bits = spans.end(batch.rows).and_then(|end| end.checked_mul(self.chain.scalar.bits()));
        if bits.is_none_or(|bits| bits.div_ceil(8) > data_bytes) {
            return Err(beyond());
        }
        let data = if matches!(spans, Spans::Views(_)) { 0 } else { data };
        Ok(Part { spans, nulls, inner, data })
    }

    #[cold]
    fn refused(&self, what: &str) -> Error {
        Error::unsupported(format!("column {:?} has {what}", self.name))
    }

    /// The type of its numbers. Text and bytes are `u8`.
    pub fn scalar(&self) -> Scalar {
        self.chain.scalar
    }

    /// The number of rows.
    pub fn rows(&self) -> u64 {
        self.rows
    }

    /// Bytes that are held in memory to find values.
    pub fn held_bytes(&self) -> usize {
        let spans = |part: &Part| match &part.spans {
            Spans::Even { .. } => 0,
            Spans::Uneven { offsets, .. } => 4 * offsets.len(),
            Spans::Views(views) => size_of::<(u64, u32)>() * views.len(),
        };
        let nulls = |part: &Part| {
            part.nulls.iter().chain([&part.inner]).map(Validity::held_bytes).sum::<usize>()
        };
        let each = size_of::<Part>() + size_of::<u64>();
        self.parts.iter().map(|part| each + spans(part) + nulls(part)).sum()
    }

    /// The axes of a value, outermost first. Lists and text are ragged, except where a type says how
    /// long they are; lists in lists have the length that all of them were found to have.
    ///
    /// # Errors
    ///
    /// When lists are not as long as a type says.
    pub fn lengths(&self) -> Result<Vec<Length>> {
        let mut lengths = Vec::new();
        for (depth, step) in self.chain.lists().enumerate() {
            let told = self.shape.as_ref().and_then(|shape| shape[depth]);
            let length = match (step.into, told, depth) {
                (Into::Fixed(len), ..) => Length::Fixed(len),
                (_, Some(len), 0) => Length::Fixed(len),
                (_, None, 0) => Length::Ragged(usize::try_from(self.longest).unwrap_or(usize::MAX)),
                (_, told, _) => {
                    let found = self.lengths[depth];
                    if let (Some(told), Some(found)) = (told, found)
                        && told != found
                    {
                        let message = format!("lists of {found}, where its type says {told}");
                        return Err(self.refused(&message));
                    }
                    Length::Fixed(told.or(found).unwrap_or(0))
                }
            };
            lengths.push(length);
        }
        Ok(lengths)
    }

    /// Where the value of `row` lies; none for a null, and for a list that has one.
    ///
    /// # Panics
    ///
    /// When there is no such row.
    pub fn place(&self, row: u64) -> Option<Place> {
        assert!(row < self.rows, "row {row} of {}", self.rows);
        let at = self.starts.partition_point(|start| *start <= row) - 1;
        let (part, row) = (&self.parts[at], row - self.starts[at]);
        let (start, end) = part.spans.of(row);
        if part.nulls.iter().any(|nulls| nulls.is_null(row)) || part.inner.any_null(start..end) {
            return None;
        }
        let bits = start * self.chain.scalar.bits();
        let elements = (end - start) as usize;
        Some(Place { offset: part.data + bits / 8, bit: (bits % 8) as u8, elements })
    }
}

/// Where the bytes of every row lie that views refer to, and how many the longest has. A view has 16
/// bytes: the length, and then either up to 12 bytes themselves, or four of them, the number of a buffer
/// and the place in it.
fn views_of(
    batch: &RecordBatch<'_>,
    source: &(impl ReadAt + ?Sized),
    end: usize,
    nulls: &[Validity],
) -> Result<(Vec<(u64, u32)>, u64)> {
    const VIEW: u64 = 16;
    const INLINE_MAX: u32 = 12;
    let (start, bytes) = batch.buffer(end - 1)?;
    let needed = batch.rows.checked_mul(VIEW).filter(|needed| *needed <= bytes);
    let needed = needed.ok_or_else(|| {
        Error::malformed(format!("{} views, which take only {bytes} bytes", batch.rows))
    })?;
    let (mut views, mut longest) = (Vec::with_capacity(batch.rows as usize), 0);
    let mut stored = vec![0; CHUNK.min(needed) as usize];
    for at in (0..needed).step_by(CHUNK as usize) {
        let stored = &mut stored[..CHUNK.min(needed - at) as usize];
        source.read_at(start + at, stored).map_err(Error::io)?;
        for view in stored.chunks_exact(VIEW as usize) {
            let number = |at: usize| u32::from_le_bytes([0, 1, 2, 3].map(|i| view[at + i]));
            let row = views.len() as u64;
            let place = match number(0) {
                _ if nulls.iter().any(|nulls| nulls.is_null(row)) => (0, 0),
                len @ 0..=INLINE_MAX => (start + row * VIEW + 4, len),
                len => {
                    let (data, bytes) = batch.view_buffer(end, number(8).into())?;
                    let first = u64::from(number(12));
                    if first + u64::from(len) > bytes {
                        let message = format!("a view of {len} bytes from {first} on, of {bytes}");
                        return Err(Error::malformed(message));
                    }
                    (data + first, len)
                }
            };
            longest = longest.max(u64::from(place.1));
            views.push(place);
        }
    }
    Ok((views, longest))
}

fn validity_of(
    batch: &RecordBatch<'_>,
    source: &(impl ReadAt + ?Sized),
    buffer: usize,
    items: u64,
    nulls: u64,
) -> Result<Validity> {
    if nulls == 0 {
        return Ok(Validity(None));
    }
    let (offset, len) = batch.buffer(buffer)?;
    let bytes = items.div_ceil(8);
    if bytes > len {
        let message = format!("{nulls} nulls of {items} items, told by {len} bytes");
        return Err(Error::malformed(message));
    }
    let mut bits = vec![0; bytes as usize];
    source.read_at(offset, &mut bits).map_err(Error::io)?;
    Ok(Validity(Some(bits)))
}

/// What the offsets of lists say.
struct Lists {
    first: u64,
    /// The length of all of them, if it is one.
    len: Option<u64>,
    longest: u64,
    /// Offsets from the first, where lengths differ.
    offsets: Vec<u32>,
}

impl Lists {
    fn read(
        source: &(impl ReadAt + ?Sized),
        (start, bytes): (u64, u64),
        lists: u64,
        wide: bool,
    ) -> Result<Self> {
        if lists == 0 {
            return Ok(Self { first: 0, len: Some(0), longest: 0, offsets: Vec::new() });
        }
        let width = if wide { 8 } else { 4 };
        let needed = lists.checked_add(1).and_then(|offsets| offsets.checked_mul(width));
        let Some(needed) = needed.filter(|needed| *needed <= bytes) else {
            let message = format!("{lists} lists, whose offsets take only {bytes} bytes");
            return Err(Error::malformed(message));
        };
        let mut scan = Scan::default();
        let mut stored = vec![0; CHUNK.min(needed) as usize];
        for at in (0..needed).step_by(CHUNK as usize) {
            let stored = &mut stored[..CHUNK.min(needed - at) as usize];
            source.read_at(start + at, stored).map_err(Error::io)?;
            for offset in stored.chunks_exact(width as usize) {
                let mut number = [0; 8];
                number[..offset.len()].copy_from_slice(offset);
                scan.add(u64::from_le_bytes(number), lists)?;
            }
        }
        Ok(scan.finish())
    }
}

/// Bytes of offsets that are read at once.
const CHUNK: u64 = 64 << 10;

/// Offsets so far.
#[derive(Default)]
struct Scan {
    seen: u64,
    first: u64,
    last: u64,
    step: u64,
    longest: u64,
    /// Filled once two lengths differ.
    offsets: Vec<u32>,
}

impl Scan {
    fn add(&mut self, offset: u64, lists: u64) -> Result<()> {
        if self.seen == 0 {
            (self.first, self.last, self.seen) = (offset, offset, 1);
            return Ok(());
        }
        let Some(len) = offset.checked_sub(self.last) else {
            return Err(Error::malformed(format!("offset {offset} after {}", self.last)));
        };
        if self.seen == 1 {
            self.step = len;
        }
        if len != self.step && self.offsets.is_empty() {
            // The offsets were compared with the bytes that they take in the file.
            self.offsets.reserve_exact(lists as usize + 1);
            let even = (0..self.seen).map(|list| narrow(list * self.step));
            self.offsets.extend(even.collect::<Result<Vec<_>>>()?);
        }
        if !self.offsets.is_empty() {
            self.offsets.push(narrow(offset - self.first)?);
        }
        self.longest = self.longest.max(len);
        (self.last, self.seen) = (offset, self.seen + 1);
        Ok(())
    }

    fn finish(self) -> Lists {
        let len = self.offsets.is_empty().then_some(self.step);
        Lists { first: self.first, len, longest: self.longest, offsets: self.offsets }
    }
}

fn narrow(offset: u64) -> Result<u32> {
    let message = "a record batch with lists of more than 4 GiB; write smaller batches";
    u32::try_from(offset).map_err(|_| Error::unsupported(message))
}
