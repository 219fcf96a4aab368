//! Thrift's compact protocol, in which Parquet has its metadata.

/// A value of a field, or an item of a list.
pub(super) enum Node {
    Bool(bool),
    I32(i64),
    I64(i64),
    Text(Vec<u8>),
    List(Vec<Node>),
    /// Fields by their numbers, ascending.
    Struct(Vec<(u8, Node)>),
}

/// The bytes of a struct of these fields.
pub(super) fn write(fields: Vec<(u8, Node)>) -> Vec<u8> {
    let mut bytes = Vec::new();
    Node::Struct(fields).value(&mut bytes);
    bytes
}

pub(super) fn varint(mut number: u64, to: &mut Vec<u8>) {
    while number > 0x7f {
        to.push(number as u8 | 0x80);
        number >>= 7;
    }
    to.push(number as u8);
}

impl Node {
    fn kind(&self) -> u8 {
        match self {
            Self::Bool(true) => 1,
            Self::Bool(false) => 2,
            Self::I32(_) => 5,
            Self::I64(_) => 6,
            Self::Text(_) => 8,
            Self::List(_) => 9,
            Self::Struct(_) => 12,
        }
    }

    fn value(&self, to: &mut Vec<u8>) {
        match self {
            Self::Bool(_) => {}
            Self::I32(number) | Self::I64(number) => {
                varint(((number << 1) ^ (number >> 63)) as u64, to);
            }
            Self::Text(text) => {
                varint(text.len() as u64, to);
                to.extend(text);
            }
            Self::List(items) => {
                let kind = items.first().map_or(12, Self::kind);
                if items.len() < 15 {
                    to.push((items.len() as u8) << 4 | kind);
                } else {
                    to.push(0xf0 | kind);
                    varint(items.len() as u64, to);
                }
                items.iter().for_each(|item| item.value(to));
            }
            Self::Struct(fields) => {
                let mut last = 0;
                for (number, field) in fields {
                    to.push((number - last) << 4 | field.kind());
                    last = *number;
                    field.value(to);
                }
                to.push(0);
            }
        }
    }
}
