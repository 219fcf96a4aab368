//! Parquet files.

use tallow::{Limits, ParquetShards, RowDType, SourceExt as _};

use super::columns::{Columns, Value, Written};
use super::thrift::{self, Node, varint};
use crate::dice::Dice;

pub(super) const PARQUET: Columns = Columns {
    extension: "parquet",
    write: written,
    open: |paths| {
        // A page that claims to be large may take so much, and several are held at once.
        let mut limits = Limits::default();
        limits.inflated_bytes = 8 << 20;
        // Too little for a page of long strings, so that each is read alone the next time.
        limits.decoded_bytes = 256 << 10;
        Ok(ParquetShards::builder(paths).limits(limits).open()?.boxed())
    },
};

/// The files of a case, and their rows.
fn written(dice: &mut Dice) -> Written {
    let columns: Vec<Column> = (0..1 + dice.below(4)).map(|_| Column::random(dice)).collect();
    let (mut files, mut rows) = (Vec::new(), Vec::new());
    for _ in 0..1 + dice.below(2) {
        let (bytes, own) = file(&columns, dice);
        files.push(bytes);
        rows.extend(own);
    }
    (files, rows)
}

/// A type: Parquet's number of it, what it is said to mean, how rows hold it, and the bytes of a number that
/// are drawn; of byte strings the most there are.
type Kind = (i64, Option<i64>, RowDType, usize);

const KINDS: [Kind; 13] = [
    (0, None, RowDType::U8, 1),
    (1, None, RowDType::I32, 4),
    (1, Some(11), RowDType::U8, 1),
    (1, Some(12), RowDType::U16, 2),
    (1, Some(13), RowDType::U32, 4),
    (1, Some(15), RowDType::I16, 1),
    (1, Some(16), RowDType::I16, 2),
    (2, None, RowDType::I64, 8),
    (2, Some(14), RowDType::I64, 8),
    (4, None, RowDType::F32, 4),
    (5, None, RowDType::F64, 8),
    (6, Some(0), RowDType::U8, 7),
    (7, None, RowDType::U8, 5),
];
const BOOL: i64 = 0;
const I32: i64 = 1;
const STRINGS: i64 = 6;
const FIXED: i64 = 7;
/// The bytes of the shortest long string, and how many more one may have: so many that a reader may look
/// for them in a page without expanding it.
const LONG: (usize, usize) = (16 << 10, 16 << 10);
/// The bytes that encoders of Snappy compress by themselves.
const SNAPPY_BLOCK: usize = 1 << 16;
const I8: Option<i64> = Some(15);
const I16: Option<i64> = Some(16);
const U64: Option<i64> = Some(14);

#[derive(Clone, Copy, PartialEq, Eq)]
enum Of {
    Required,
    Optional,
    Lists,
}

/// A column, and how it is written.
struct Column {
    kind: Kind,
    of: Of,
    has_dictionary: bool,
    is_snappy: bool,
    /// Whether nothing in a block of Snappy refers to the one before.
    has_blocks: bool,
    /// Whether its strings are long.
    is_long: bool,
    /// Whether pages are of version 2.
    is_second: bool,
}

/// A value as it is drawn, or a null.
type Drawn = Option<Vec<u8>>;

impl Column {
    fn random(dice: &mut Dice) -> Self {
        let kind = *dice.pick(&KINDS);
        let of = match dice.below(4) {
            0 | 1 => Of::Required,
            2 => Of::Optional,
            _ if kind.0 >= STRINGS => Of::Optional,
            _ => Of::Lists,
        };
        let has_dictionary = kind.0 != BOOL && dice.one_in(3);
        Self {
            kind,
            of,
            has_dictionary,
            is_snappy: dice.one_in(2),
            has_blocks: !dice.one_in(4),
            is_long: kind.0 == STRINGS && dice.one_in(2),
            is_second: dice.one_in(3),
        }
    }

    /// The elements of its part of the schema.
    fn schema(&self, name: &[u8]) -> Vec<Node> {
        let element = |name: &[u8], repetition: i64, more: Vec<(u8, Node)>| {
            let (mut before, after): (Vec<_>, Vec<_>) = more.into_iter().partition(|it| it.0 < 3);
            before.push((3, Node::I32(repetition)));
            before.push((4, Node::Text(name.to_vec())));
            before.extend(after);
            Node::Struct(before)
        };
        let (physical, means, _, width) = self.kind;
        let mut leaf = vec![(1, Node::I32(physical))];
        if physical == FIXED {
            leaf.push((2, Node::I32(width as i64)));
        }
        leaf.extend(means.map(|means| (6, Node::I32(means))));
        match self.of {
            Of::Required => vec![element(name, 0, leaf)],
            Of::Optional => vec![element(name, 1, leaf)],
            Of::Lists => vec![
                element(name, 1, vec![(5, Node::I32(1)), (6, Node::I32(3))]),
                element(b"list", 2, vec![(5, Node::I32(1))]),
                element(b"element", 1, leaf),
            ],
        }
    }

    fn path(&self, name: &[u8]) -> Node {
        let inner: &[&[u8]] = if self.of == Of::Lists { &[b"list", b"element"] } else { &[] };
        let names = [name].into_iter().chain(inner.iter().copied());
        Node::List(names.map(|name| Node::Text(name.to_vec())).collect())
    }

    fn draw(&self, dice: &mut Dice) -> Vec<u8> {
        let (physical, means, _, width) = self.kind;
        let mut bytes = match physical {
            BOOL => vec![u8::from(dice.one_in(2))],
            STRINGS if self.is_long => {
                let (byte, len) = (dice.bytes(1)[0], LONG.0 + dice.below(LONG.1));
                // Few runs, or Snappy's literals of one byte are longer than the string.
                (0..len).map(|at| byte.wrapping_add((at >> 10) as u8)).collect()
            }
            STRINGS => {
                let len = dice.below(width);
                dice.bytes(len)
            }
            _ => dice.bytes(width),
        };
        // Few different ones, or the dictionary is no shorter than the values.
        if self.has_dictionary {
            bytes.iter_mut().skip(1).for_each(|byte| *byte = 0);
            bytes.iter_mut().take(1).for_each(|byte| *byte &= 7);
        }
        if means == U64 && !dice.one_in(20) {
            bytes[7] &= 0x7f;
        }
        bytes
    }

    /// A row: no value, one, or those of a list.
    fn row(&self, dice: &mut Dice) -> Option<Vec<Drawn>> {
        let is_null = self.of != Of::Required && dice.one_in(5);
        let len = if self.of == Of::Lists { dice.below(5) } else { 1 };
        let item = |dice: &mut Dice| {
            let is_null = self.of == Of::Lists && dice.one_in(9);
            (!is_null).then(|| self.draw(dice))
        };
        (!is_null).then(|| (0..len).map(|_| item(dice)).collect())
    }

    /// What a row is delivered as.
    fn delivered(&self, row: &Option<Vec<Drawn>>) -> Option<Value> {
        let (physical, means, dtype, width) = self.kind;
        let items: Vec<&Vec<u8>> =
            row.as_ref()?.iter().map(Option::as_ref).collect::<Option<_>>()?;
        if means == U64 && items.iter().any(|item| item[7] > 0x7f) {
            return None;
        }
        let element = |item: &&Vec<u8>| match means {
            I8 => i16::from(item[0] as i8).to_le_bytes().to_vec(),
            _ => item.to_vec(),
        };
        let shape = match (self.of, physical) {
            (Of::Lists, _) => vec![items.len()],
            (_, STRINGS) => vec![items[0].len()],
            (_, FIXED) => vec![width],
            _ => Vec::new(),
        };
        Some((dtype, shape, items.iter().flat_map(element).collect()))
    }

    /// Values as a page has them without an encoding.
    fn plain(&self, values: &[&Vec<u8>]) -> Vec<u8> {
        let (physical, means, ..) = self.kind;
        if physical == BOOL {
            let mut bits = vec![0; values.len().div_ceil(8)];
            values.iter().enumerate().for_each(|(at, value)| bits[at / 8] |= value[0] << (at % 8));
            return bits;
        }
        let one = |value: &&Vec<u8>| match physical {
            I32 => {
                let is_negative = matches!(means, I8 | I16) && value[value.len() - 1] > 0x7f;
                let mut bytes = value.to_vec();
                bytes.resize(4, if is_negative { 0xff } else { 0 });
                bytes
            }
            STRINGS => [&(value.len() as u32).to_le_bytes(), &value[..]].concat(),
            _ => value.to_vec(),
        };
        values.iter().flat_map(one).collect()
    }

    /// The levels of rows: definition and repetition, each with its width in bits, which is 0 for none.
    fn levels(&self, rows: &[Option<Vec<Drawn>>]) -> [(Vec<u8>, u32); 2] {
        let (mut definition, mut repetition) = (Vec::new(), Vec::new());
        for row in rows {
            let Some(items) = row.as_ref().filter(|items| !items.is_empty()) else {
                definition.push(u8::from(row.is_some()));
                repetition.push(0);
                continue;
            };
            for (at, item) in items.iter().enumerate() {
                let is_list = self.of == Of::Lists;
                definition.push(if is_list { 2 } else { 0 } + u8::from(item.is_some()));
                repetition.push(u8::from(at > 0));
            }
        }
        match self.of {
            Of::Required => [(Vec::new(), 0), (Vec::new(), 0)],
            Of::Optional => [(definition, 1), (Vec::new(), 0)],
            Of::Lists => [(definition, 2), (repetition, 1)],
        }
    }

    /// Pages of these rows, and how many values they have.
    fn pages(&self, rows: &[Option<Vec<Drawn>>], dice: &mut Dice) -> (Vec<u8>, usize, bool) {
        let values = |rows: &[Option<Vec<Drawn>>]| -> Vec<Vec<u8>> {
            rows.iter().flatten().flatten().flatten().cloned().collect()
        };
        let mut dictionary = values(rows);
        dictionary.sort();
        dictionary.dedup();
        let has_dictionary = self.has_dictionary && !dictionary.is_empty();
        let (mut bytes, mut count, mut rest) = (Vec::new(), 0, rows);
        if has_dictionary {
            let plain = self.plain(&dictionary.iter().collect::<Vec<_>>());
            let told = vec![(1, Node::I32(dictionary.len() as i64)), (2, Node::I32(0))];
            self.page(2, (7, told), (&[], &plain), &mut bytes);
        }
        while !rest.is_empty() {
            let (own, after) = rest.split_at(1 + dice.below(rest.len()));
            rest = after;
            let own_values = values(own);
            let body = match has_dictionary {
                true => indices(&dictionary, &own_values),
                false => self.plain(&own_values.iter().collect::<Vec<_>>()),
            };
            let encoding = if has_dictionary { 8 } else { 0 };
            count += self.data_page(own, (encoding, &body), &mut bytes);
        }
        (bytes, count, has_dictionary)
    }

    /// A page of data, whose values are `body`; returns how many values it has, nulls among them.
    fn data_page(
        &self,
        rows: &[Option<Vec<Drawn>>],
        (encoding, body): (i64, &[u8]),
        to: &mut Vec<u8>,
    ) -> usize {
        let [definition, repetition] = self.levels(rows);
        let count = if self.of == Of::Required { rows.len() } else { definition.0.len() };
        let encode = |(levels, bits): &(Vec<u8>, u32)| match bits {
            0 => Vec::new(),
            _ => runs(levels),
        };
        let levels = [encode(&repetition), encode(&definition)];
        let number = |number: usize| Node::I32(number as i64);
        if self.is_second {
            let most = if self.of == Of::Lists { 3 } else { 1 };
            let nulls = definition.0.iter().filter(|&&level| level < most).count();
            let told = vec![
                (1, number(count)),
                (2, number(nulls)),
                (3, number(rows.len())),
                (4, Node::I32(encoding)),
                (5, number(levels[1].len())),
                (6, number(levels[0].len())),
                (7, Node::Bool(self.is_snappy)),
            ];
            self.page(3, (8, told), (&levels.concat(), body), to);
            return count;
        }
        let with_length = |levels: &Vec<u8>| match levels.is_empty() {
            true => Vec::new(),
            false => [&(levels.len() as u32).to_le_bytes(), &levels[..]].concat(),
        };
        let whole: Vec<u8> = levels.iter().flat_map(with_length).chain(body.to_vec()).collect();
        let told = vec![
            (1, number(count)),
            (2, Node::I32(encoding)),
            (3, Node::I32(3)),
            (4, Node::I32(3)),
        ];
        self.page(0, (5, told), (&[], &whole), to);
        count
    }

    /// Appends a page: its header, bytes that are never compressed, and the others.
    fn page(
        &self,
        kind: i64,
        (field, told): (u8, Vec<(u8, Node)>),
        (levels, body): (&[u8], &[u8]),
        to: &mut Vec<u8>,
    ) {
        let stored = if self.is_snappy { snappy(body, self.has_blocks) } else { body.to_vec() };
        to.extend(thrift::write(vec![
            (1, Node::I32(kind)),
            (2, Node::I32((levels.len() + body.len()) as i64)),
            (3, Node::I32((levels.len() + stored.len()) as i64)),
            (field, Node::Struct(told)),
        ]));
        to.extend(levels);
        to.extend(stored);
    }
}

/// Places in a dictionary: the bits of one, and runs of them.
fn indices(dictionary: &[Vec<u8>], values: &[Vec<u8>]) -> Vec<u8> {
    let place = |value: &Vec<u8>| dictionary.binary_search(value).unwrap_or(0) as u8;
    let places: Vec<u8> = values.iter().map(place).collect();
    [vec![8], runs(&places)].concat()
}

/// Runs of equal numbers of at most 8 bits.
fn runs(numbers: &[u8]) -> Vec<u8> {
    let mut bytes = Vec::new();
    for run in numbers.chunk_by(|a, b| a == b) {
        varint(2 * run.len() as u64, &mut bytes);
        bytes.push(run[0]);
    }
    bytes
}

/// Literals, and repetitions of the byte before.
fn snappy(bytes: &[u8], has_blocks: bool) -> Vec<u8> {
    let mut stored = Vec::new();
    varint(bytes.len() as u64, &mut stored);
    let block = if has_blocks { SNAPPY_BLOCK } else { bytes.len().max(1) };
    for run in bytes.chunks(block).flat_map(|block| block.chunk_by(|a, b| a == b)) {
        stored.extend([0, run[0]]);
        for copied in run[1..].chunks(64) {
            stored.extend([(copied.len() as u8 - 1) << 2 | 2, 1, 0]);
        }
    }
    stored
}

/// A file, and its rows.
fn file(columns: &[Column], dice: &mut Dice) -> (Vec<u8>, Vec<Vec<Option<Value>>>) {
    let name = |at: usize| format!("{}{at}", ["x", "a b", "\u{e9}", "\n"][at % 4]).into_bytes();
    let (mut bytes, mut rows, mut groups) = (b"PAR1".to_vec(), Vec::new(), Vec::new());
    for _ in 0..dice.below(3) {
        let most = if columns.iter().any(|column| column.is_long) { 30 } else { 9 };
        let count = 1 + dice.below(most);
        let drawn: Vec<Vec<Option<Vec<Drawn>>>> =
            columns.iter().map(|column| (0..count).map(|_| column.row(dice)).collect()).collect();
        let start = bytes.len();
        let mut chunks = Vec::new();
        for (at, (column, drawn)) in columns.iter().zip(&drawn).enumerate() {
            let (pages, values, has_dictionary) = column.pages(drawn, dice);
            let path = column.path(&name(at));
            chunks.push(chunk(column, path, (bytes.len(), pages.len()), (values, has_dictionary)));
            bytes.extend(pages);
        }
        let row = |row: usize| {
            columns.iter().zip(&drawn).map(|(column, own)| column.delivered(&own[row])).collect()
        };
        rows.extend((0..count).map(row));
        groups.push(Node::Struct(vec![
            (1, Node::List(chunks)),
            (2, Node::I64((bytes.len() - start) as i64)),
            (3, Node::I64(count as i64)),
        ]));
    }
    let root = Node::Struct(vec![
        (4, Node::Text(b"schema".to_vec())),
        (5, Node::I32(columns.len() as i64)),
    ]);
    let own = columns.iter().enumerate().flat_map(|(at, column)| column.schema(&name(at)));
    let footer = thrift::write(vec![
        (1, Node::I32(2)),
        (2, Node::List([root].into_iter().chain(own).collect())),
        (3, Node::I64(rows.len() as i64)),
        (4, Node::List(groups)),
    ]);
    bytes.extend(&footer);
    bytes.extend((footer.len() as u32).to_le_bytes());
    bytes.extend(b"PAR1");
    (bytes, rows)
}

/// What the metadata say of a column in a row group, which has `len` bytes from `start` on.
fn chunk(
    column: &Column,
    path: Node,
    (start, len): (usize, usize),
    (values, has_dictionary): (usize, bool),
) -> Node {
    let place = |at: usize| Node::I64(at as i64);
    let mut told = vec![
        (1, Node::I32(column.kind.0)),
        (2, Node::List([0, 3, 8].map(Node::I32).into())),
        (3, path),
        (4, Node::I32(i64::from(column.is_snappy))),
        (5, place(values)),
        (6, place(len)),
        (7, place(len)),
        // With a dictionary the first page of data is after it; where, no reader needs.
        (9, place(start + usize::from(has_dictionary))),
    ];
    if has_dictionary {
        told.push((11, place(start)));
    }
    Node::Struct(vec![(2, place(start)), (3, Node::Struct(told))])
}
