//! Writes flatbuffers, whose offsets all point forward: for metadata of Arrow.

/// What an offset points to.
pub(super) enum Node {
    Table(Vec<Slot>),
    Tables(Vec<Node>),
    Text(String),
    /// Items of so many bytes.
    Structs(usize, Vec<u8>),
}

/// A field of a table.
pub(super) enum Slot {
    Absent,
    Number(i64),
    Offset(Node),
}

/// The buffer of which `root`, a table, is the root.
pub(super) fn write(root: &Node) -> Vec<u8> {
    let mut out = vec![0; 4];
    point(&mut out, 0, root);
    out.resize(out.len().next_multiple_of(8), 0);
    out
}

/// Writes `node` at the end, and its distance into the offset at `at`.
fn point(out: &mut Vec<u8>, at: usize, node: &Node) {
    let start = match node {
        Node::Table(slots) => table(out, slots),
        Node::Tables(items) => {
            let start = align(out, 0);
            out.extend((items.len() as u32).to_le_bytes());
            out.resize(out.len() + 4 * items.len(), 0);
            for (item, node) in items.iter().enumerate() {
                point(out, start + 4 + 4 * item, node);
            }
            start
        }
        Node::Text(text) => vector(out, 1, text.as_bytes()),
        Node::Structs(bytes, items) => vector(out, *bytes, items),
    };
    out[at..at + 4].copy_from_slice(&((start - at) as u32).to_le_bytes());
}

/// The end, once it is `beyond` bytes after a multiple of 8.
fn align(out: &mut Vec<u8>, beyond: usize) -> usize {
    while out.len() % 8 != beyond {
        out.push(0);
    }
    out.len()
}

fn vector(out: &mut Vec<u8>, bytes: usize, items: &[u8]) -> usize {
    let start = align(out, 4);
    out.extend(((items.len() / bytes) as u32).to_le_bytes());
    out.extend(items);
    start
}

/// Each field takes 8 bytes, of which the first hold smaller numbers.
fn table(out: &mut Vec<u8>, slots: &[Slot]) -> usize {
    let head = align(out, 0);
    let bytes = 8 + 8 * slots.len();
    let mut fields = vec![4 + 2 * slots.len() as u16, bytes as u16];
    let place = |(at, slot): (usize, &Slot)| match slot {
        Slot::Absent => 0,
        _ => 8 + 8 * at as u16,
    };
    fields.extend(slots.iter().enumerate().map(place));
    out.extend(fields.iter().flat_map(|field| field.to_le_bytes()));
    let start = align(out, 0);
    out.extend(((start - head) as u32).to_le_bytes());
    out.resize(start + bytes, 0);
    for (at, slot) in slots.iter().enumerate() {
        let at = start + 8 + 8 * at;
        match slot {
            Slot::Absent => {}
            Slot::Number(number) => out[at..at + 8].copy_from_slice(&number.to_le_bytes()),
            Slot::Offset(node) => point(out, at, node),
        }
    }
    start
}
