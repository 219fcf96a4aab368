use std::fmt;

/// What packing made of the documents; see [`Packed::stats`](super::Packed::stats).
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct PackStats {
    /// Rows.
    pub rows: usize,
    /// Tokens of a row.
    pub length: usize,
    /// Documents that have tokens; one that the order repeats counts as often.
    pub documents: usize,
    /// Tokens of documents that are in rows.
    pub tokens: u64,
    /// Documents longer than a row.
    pub longer: usize,
    /// Documents of which several rows have a part: those that are split, or cut by the end of a row.
    pub divided: usize,
    /// Tokens of longer documents that were cut off.
    pub cut: u64,
    /// The most documents of which a row has a part. Of concatenated documents those without tokens
    /// count.
    pub most_in_a_row: usize,
}

impl PackStats {
    /// Tokens of rows that are of no document.
    pub fn padding(&self) -> u64 {
        self.rows as u64 * self.length as u64 - self.tokens
    }

    /// The share of rows that is padding, 0 to 1.
    pub fn padding_share(&self) -> f64 {
        let all = self.rows as u64 * self.length as u64;
        if all == 0 { 0.0 } else { self.padding() as f64 / all as f64 }
    }

    /// The share of documents of which several rows have a part, 0 to 1.
    pub fn divided_share(&self) -> f64 {
        if self.documents == 0 { 0.0 } else { self.divided as f64 / self.documents as f64 }
    }

    /// Adds a document of `whole` tokens, of which `tokens` are packed, into rows of `length`. `room` is how
    /// many of them the row in which it begins has room for.
    pub(super) fn document(&mut self, whole: usize, tokens: usize, length: usize, room: usize) {
        self.documents += usize::from(tokens > 0);
        self.tokens += tokens as u64;
        self.longer += usize::from(whole > length);
        self.divided += usize::from(tokens > room);
        self.cut += (whole - tokens) as u64;
    }

    /// Adds `rows` of `length` tokens that have parts of at most `most` documents.
    pub(super) fn rows(&mut self, rows: usize, length: usize, most: usize) {
        self.rows += rows;
        self.length = length;
        self.most_in_a_row = self.most_in_a_row.max(most);
    }

    pub(super) fn add(&mut self, other: &Self) {
        self.rows(other.rows, other.length, other.most_in_a_row);
        self.documents += other.documents;
        self.tokens += other.tokens;
        self.longer += other.longer;
        self.divided += other.divided;
        self.cut += other.cut;
    }
}

/// `1024 documents in 96 rows of 2048 tokens, at most 19 in one, 0.41 % padding`, and what there is of
/// documents that are longer than a row, or in several rows.
impl fmt::Display for PackStats {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { rows, length, documents, longer, divided, cut, most_in_a_row, .. } = self;
        let padding = 100.0 * self.padding_share();
        write!(f, "{documents} documents in {rows} rows of {length} tokens, at most ")?;
        write!(f, "{most_in_a_row} in one, {padding:.2} % padding")?;
        if *longer > 0 {
            write!(f, ", {longer} longer than a row")?;
        }
        if *divided > 0 {
            let divided = 100.0 * self.divided_share();
            write!(f, ", {divided:.2} % of documents in several")?;
        }
        if *cut > 0 { write!(f, ", {cut} of their tokens cut off") } else { Ok(()) }
    }
}
