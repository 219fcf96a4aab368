//! Arrow files.

use tallow::{ArrowShards, RowDType, SourceExt as _};

use super::columns::{Columns, Value, Written};
use super::flatbuffer::{self, Node, Slot};
use crate::dice::Dice;

pub(super) const ARROW: Columns = Columns {
    extension: "arrow",
    write: written,
    open: |paths| Ok(ArrowShards::builder(paths).open()?.boxed()),
};

/// The files of a case, and their rows.
fn written(dice: &mut Dice) -> Written {
    let columns: Vec<Column> = (0..1 + dice.below(4)).map(|_| Column::random(dice)).collect();
    let (mut files, mut rows) = (Vec::new(), Vec::new());
    for _ in 0..1 + dice.below(2) {
        let (stream, own) = stream(&columns, dice);
        files.push(stream);
        rows.extend(own);
    }
    (files, rows)
}

/// A column of numbers, or of lists of them.
struct Column {
    /// Its place among `SCALARS`.
    scalar: usize,
    of: Of,
    has_nulls: bool,
}

#[derive(Clone, Copy)]
enum Of {
    Numbers,
    /// Text or bytes, whose number of the type this is, and whether offsets take 8 bytes.
    Bytes(u8, bool),
    FixedBytes(usize),
    Lists(bool),
    FixedLists(usize),
}

/// Number and fields of a type, how rows hold it, and its bits in a file.
type Scalar = (u8, [i64; 2], RowDType, usize);

const SCALARS: [Scalar; 12] = [
    (2, [8, 0], RowDType::U8, 8),
    (2, [8, 1], RowDType::I16, 8),
    (2, [16, 0], RowDType::U16, 16),
    (2, [16, 1], RowDType::I16, 16),
    (2, [32, 0], RowDType::U32, 32),
    (2, [32, 1], RowDType::I32, 32),
    (2, [64, 0], RowDType::I64, 64),
    (2, [64, 1], RowDType::I64, 64),
    (3, [0, 0], RowDType::F16, 16),
    (3, [1, 0], RowDType::F32, 32),
    (3, [2, 0], RowDType::F64, 64),
    (6, [0, 0], RowDType::U8, 1),
];
const I8: usize = 1;
const U64: usize = 6;
const BOOL: usize = 11;

/// A record batch while it is written.
#[derive(Default)]
struct Batch {
    nodes: Vec<u8>,
    buffers: Vec<u8>,
    body: Vec<u8>,
}

impl Batch {
    fn buffer(&mut self, bytes: &[u8]) {
        let numbers = [self.body.len() as u64, bytes.len() as u64];
        self.buffers.extend(numbers.iter().flat_map(|it| it.to_le_bytes()));
        self.body.extend(bytes);
        self.body.resize(self.body.len().next_multiple_of(8), 0);
    }

    /// A node of `items` items, of which those at `nulls` are null.
    fn node(&mut self, items: usize, nulls: &[bool]) {
        let count = nulls.iter().filter(|is_null| **is_null).count();
        self.nodes.extend([items, count].iter().flat_map(|&it| (it as u64).to_le_bytes()));
        let mut valid = if count > 0 { vec![0xff; items.div_ceil(8)] } else { Vec::new() };
        let nulls = nulls.iter().enumerate().filter(|(_, is_null)| **is_null);
        nulls.for_each(|(at, _)| valid[at / 8] &= !(1 << (at % 8)));
        self.buffer(&valid);
    }
}

impl Column {
    fn random(dice: &mut Dice) -> Self {
        let of = match dice.below(8) {
            0..3 => Of::Numbers,
            3 => *dice.pick(&[Of::Bytes(4, false), Of::Bytes(5, false), Of::Bytes(19, true)]),
            4 => Of::FixedBytes(1 + dice.below(6)),
            5 | 6 => Of::Lists(dice.one_in(2)),
            _ => Of::FixedLists(1 + dice.below(4)),
        };
        Self { scalar: dice.below(SCALARS.len()), of, has_nulls: dice.one_in(3) }
    }

    /// The field of the schema.
    fn field(&self, at: usize) -> Node {
        let (number, numbers, ..) = SCALARS[self.scalar];
        let field = |name: String, number: u8, numbers: [i64; 2], children: Vec<Node>| {
            let kind = Node::Table(numbers.map(Slot::Number).into());
            Node::Table(vec![
                Slot::Offset(Node::Text(name)),
                Slot::Number(1),
                Slot::Number(number.into()),
                Slot::Offset(kind),
                Slot::Absent,
                Slot::Offset(Node::Tables(children)),
            ])
        };
        let child = || vec![field("item".to_owned(), number, numbers, Vec::new())];
        let name = format!("{}{at}", ["x", "a b", "\u{e9}", "\n"][at % 4]);
        match self.of {
            Of::Numbers => field(name, number, numbers, Vec::new()),
            Of::Bytes(number, _) => field(name, number, [0; 2], Vec::new()),
            Of::FixedBytes(len) => field(name, 15, [len as i64, 0], Vec::new()),
            Of::Lists(wide) => field(name, if wide { 21 } else { 12 }, [0; 2], child()),
            Of::FixedLists(len) => field(name, 16, [len as i64, 0], child()),
        }
    }

    /// Appends the values of `rows` rows, and returns them.
    fn write(&self, rows: usize, batch: &mut Batch, dice: &mut Dice) -> Vec<Option<Value>> {
        let one_in = if self.has_nulls { 4 } else { usize::MAX };
        let nulls: Vec<bool> = (0..rows).map(|_| dice.one_in(one_in)).collect();
        batch.node(rows, &nulls);
        // The items of each row.
        let mut bounds: Vec<usize> = match self.of {
            Of::Numbers => (0..=rows).collect(),
            Of::FixedBytes(len) | Of::FixedLists(len) => (0..=rows).map(|row| row * len).collect(),
            Of::Bytes(..) | Of::Lists(_) => vec![if dice.one_in(3) { dice.below(9) } else { 0 }],
        };
        if let Of::Bytes(_, wide) | Of::Lists(wide) = self.of {
            let same = dice.one_in(3).then(|| dice.below(4));
            for row in 0..rows {
                bounds.push(bounds[row] + same.unwrap_or_else(|| dice.below(6)));
            }
            let bytes = if wide { 8 } else { 4 };
            let offsets = bounds.iter().flat_map(|&it| it.to_le_bytes()[..bytes].to_vec());
            batch.buffer(&offsets.collect::<Vec<u8>>());
        }
        let items = bounds[rows];
        let scalar = match self.of {
            Of::Bytes(..) | Of::FixedBytes(_) => 0,
            _ => self.scalar,
        };
        let mut inner = vec![false; items];
        if let Of::Lists(_) | Of::FixedLists(_) = self.of {
            inner.iter_mut().for_each(|is_null| *is_null = dice.one_in(one_in.saturating_mul(4)));
            batch.node(items, &inner);
        }
        let (_, _, dtype, bits) = SCALARS[scalar];
        let mut stored = dice.bytes((items * bits).div_ceil(8));
        if scalar == U64 {
            let highest = stored.iter_mut().skip(7).step_by(8);
            highest.for_each(|byte| *byte &= if dice.one_in(20) { 0xff } else { 0x7f });
        }
        batch.buffer(&stored);
        let value = |row: usize| {
            let own = bounds[row]..bounds[row + 1];
            let is_null = nulls[row] || inner[own.clone()].contains(&true);
            let is_unfit = scalar == U64 && own.clone().any(|at| stored[8 * at + 7] > 0x7f);
            let shape = if let Of::Numbers = self.of { Vec::new() } else { vec![own.len()] };
            let bytes = match scalar {
                BOOL => own.map(|at| stored[at / 8] >> (at % 8) & 1).collect(),
                I8 => own.flat_map(|at| i16::from(stored[at] as i8).to_le_bytes()).collect(),
                _ => stored[own.start * bits / 8..own.end * bits / 8].to_vec(),
            };
            (!is_null && !is_unfit).then_some((dtype, shape, bytes))
        };
        (0..rows).map(value).collect()
    }
}

/// A message, and the bytes of its metadata with the eight in front of them.
fn message(kind: i64, header: Node, body: &[u8]) -> (Vec<u8>, usize) {
    let metadata = flatbuffer::write(&Node::Table(vec![
        Slot::Number(4),
        Slot::Number(kind),
        Slot::Offset(header),
        Slot::Number(body.len() as i64),
    ]));
    let mut message = vec![0xff; 4];
    message.extend((metadata.len() as u32).to_le_bytes());
    message.extend(&metadata);
    message.extend(body);
    (message, 8 + metadata.len())
}

/// A file in the stream or the file format, and its rows.
fn stream(columns: &[Column], dice: &mut Dice) -> (Vec<u8>, Vec<Vec<Option<Value>>>) {
    let schema = || {
        let fields = columns.iter().enumerate().map(|(at, column)| column.field(at));
        Node::Table(vec![Slot::Number(0), Slot::Offset(Node::Tables(fields.collect()))])
    };
    let is_file = dice.one_in(3);
    let mut file = if is_file { b"ARROW1\0\0".to_vec() } else { Vec::new() };
    file.extend(message(1, schema(), &[]).0);
    let (mut rows, mut blocks) = (Vec::new(), Vec::new());
    for _ in 0..dice.below(4) {
        let count = dice.below(7);
        let mut batch = Batch::default();
        let values: Vec<Vec<Option<Value>>> =
            columns.iter().map(|column| column.write(count, &mut batch, dice)).collect();
        rows.extend((0..count).map(|row| values.iter().map(|own| own[row].clone()).collect()));
        let header = Node::Table(vec![
            Slot::Number(count as i64),
            Slot::Offset(Node::Structs(16, batch.nodes)),
            Slot::Offset(Node::Structs(16, batch.buffers)),
        ]);
        let (message, metadata) = message(3, header, &batch.body);
        let block = [file.len(), metadata, batch.body.len()];
        blocks.extend(block.iter().flat_map(|&it| (it as u64).to_le_bytes()));
        file.extend(message);
    }
    if is_file || dice.one_in(2) {
        file.extend([0xff, 0xff, 0xff, 0xff, 0, 0, 0, 0]);
    }
    if is_file {
        let footer = flatbuffer::write(&Node::Table(vec![
            Slot::Number(4),
            Slot::Offset(schema()),
            Slot::Absent,
            Slot::Offset(Node::Structs(24, blocks)),
        ]));
        file.extend(&footer);
        file.extend((footer.len() as u32).to_le_bytes());
        file.extend(b"ARROW1");
    }
    (file, rows)
}
