mod best_fit;
mod builder;
mod columns;
mod documents;
mod stats;
mod stream;
mod windows;

use std::borrow::Cow;
use std::cell::Cell;

pub use self::builder::{Longer, PackedBuilder, Packing, Targets};
use self::columns::{Column, Content, Format};
use self::documents::{Documents, Piece};
pub use self::stats::PackStats;
use self::stream::Stream;
use self::windows::Windows;
use crate::{Error, Extent, FieldId, Fingerprint, Location, Result, Row, Schema, Source};

/// Rows of equal length made of documents, to train language models on: no token is padding that need not
/// be, and nothing attends from one document to another.
///
/// Of rows of T tokens, the fields are
///
/// | field | | |
/// |---|---|---|
/// | `input` | tokens, T | the documents of the row, one after another, then padding |
/// | `target` | tokens, T | the token after each, in its document |
/// | `mask` | `u8`, T | 1 where there is a target; 0 at the last token of a document and at padding |
/// | `segments` | `u32`, T | 1 for the first document of the row, 2 for the second, 0 for padding |
/// | `positions` | `u32`, T | 0, 1, and so on from the beginning of each document in the row; 0 at padding |
/// | `cu_seqlens` | `u32` | on request, where documents begin and end |
///
/// Those that are not needed cost nothing where [`select`](crate::SourceExt::select) leaves them out. A
/// part of a document that was split counts as a document, but the target of its last token is the next
/// one of the whole. Numbers are `u32` because that is what candle takes for indices, and attention over
/// `cu_seqlens`.
///
/// Which documents a row has is a function of the documents, the options and the seed, and is found once,
/// when this is built: an epoch then permutes *rows*, with any sampler. If each epoch packed anew, its
/// number of rows would be another one each time, while steps, ranks and resuming count on it before the
/// epoch begins. So this is a source like any other: it is mixed, split, cached and resumed as those are.
///
/// ```
/// use tallow_core::{Dim, Field, Packed, RowDType, Schema, Sequential, SourceExt, from_fn};
///
/// let field = Field::with_dims("tokens", RowDType::U32, vec![Dim::Ragged { max: 9 }]);
/// let documents = from_fn(Schema::new(vec![field])?, 3, |index, row| {
///     let tokens = [&[11, 12, 13, 14, 15][..], &[21, 22], &[31, 32, 33]][index];
///     row.field(0).set_shape(&[tokens.len()])?;
///     row.field(0).copy_from_slice::<u32>(tokens)
/// });
/// let rows = Packed::builder(documents, 8).order(Sequential, 0).build()?;
/// assert_eq!(rows.stats().rows, 2);
/// let row = rows.get(0)?;
/// assert_eq!(row.field("input").as_slice::<u32>()?, [11, 12, 13, 14, 15, 31, 32, 33]);
/// assert_eq!(row.field("target").as_slice::<u32>()?, [12, 13, 14, 15, 0, 32, 33, 0]);
/// assert_eq!(row.field("mask").as_slice::<u8>()?, [1, 1, 1, 1, 0, 1, 1, 0]);
/// assert_eq!(row.field("segments").as_slice::<u32>()?, [1, 1, 1, 1, 1, 2, 2, 2]);
/// assert_eq!(row.field("positions").as_slice::<u32>()?, [0, 1, 2, 3, 4, 0, 1, 2]);
/// # Ok::<(), tallow_core::Error>(())
/// ```
///
/// What is held is at most 4 bytes per document that is no longer than a row, and 8 more per longer one;
/// 8 bytes per row where documents are concatenated. It is 4 bytes per document more where the source does
/// not know their lengths, and what the sampler's order holds. A read reads each document of the row, or
/// the part of it that is in the row, into memory that the thread keeps.
///
/// Put a [`Cache`](crate::Cache) around this, not around the documents: it keeps whole samples.
#[derive(Debug)]
pub struct Packed<S> {
    documents: Documents<S>,
    rows: Rows,
    format: Format,
    /// What each field is.
    columns: Vec<Column>,
    schema: Schema,
    stats: PackStats,
    fingerprint: Fingerprint,
}

/// Which documents each row has.
#[derive(Debug)]
enum Rows {
    Packed(Windows),
    Cut(Stream),
}

impl Rows {
    fn of<S: Source>(
        documents: &Documents<S>,
        packing: Packing,
        length: usize,
        window: usize,
    ) -> Result<(Self, PackStats)> {
        Ok(match packing {
            Packing::BestFit => {
                let (rows, stats) = Windows::pack(documents, length, window)?;
                (Self::Packed(rows), stats)
            }
            Packing::Concatenated => {
                let (rows, stats) = Stream::cut(documents, length)?;
                (Self::Cut(rows), stats)
            }
        })
    }

    fn len(&self) -> usize {
        match self {
            Self::Packed(rows) => rows.len(),
            Self::Cut(rows) => rows.len(),
        }
    }
}

impl<S: Source> Packed<S> {
    /// To pack the documents of `source` into rows of `length` tokens.
    pub fn builder(source: S, length: usize) -> PackedBuilder<S> {
        PackedBuilder::new(source, length)
    }

    /// What was packed, and how well.
    pub fn stats(&self) -> &PackStats {
        &self.stats
    }

    /// Bytes that are held to find the documents of rows, without the order's own.
    pub fn held_bytes(&self) -> usize {
        let lengths = self.documents.lengths.as_ref();
        let lengths = lengths.map_or(0, |lengths| size_of_val(lengths.as_slice()));
        lengths
            + match &self.rows {
                Rows::Packed(rows) => rows.held_bytes(),
                Rows::Cut(rows) => rows.held_bytes(),
            }
    }

    fn visit(&self, row: usize, visit: impl FnMut(Piece)) {
        match &self.rows {
            Rows::Packed(rows) => rows.visit(row, &self.documents, visit),
            Rows::Cut(rows) => rows.visit(row, &self.documents, visit),
        }
    }

    fn first(&self, row: usize) -> Option<usize> {
        let mut first = None;
        self.visit(row, |piece| first = first.or(Some(piece.document)));
        first
    }

    /// Writes the fields at the positions `fields` into those of `row`, one after the other.
    fn read_some(
        &self,
        index: usize,
        fields: impl Iterator<Item = usize> + Clone,
        row: &mut Row<'_>,
    ) -> Result<()> {
        thread_local! {
            static KEPT: Cell<Content> = Cell::default();
        }
        let mut content = KEPT.take();
        content.pieces.clear();
        self.visit(index, |piece| content.pieces.push(piece));
        let written = self.write(&mut content, fields, row);
        if content.is_small() {
            KEPT.set(content);
        }
        written.map_err(|error: Error| error.with_index(index))
    }

    fn write(
        &self,
        content: &mut Content,
        fields: impl Iterator<Item = usize> + Clone,
        row: &mut Row<'_>,
    ) -> Result<()> {
        let columns = fields.map(|field| self.columns[field]);
        if let Some(first) = columns.clone().position(Format::needs_tokens) {
            // Says which field is at work if the read is stuck.
            let _ = row.field(first);
            self.read_tokens(content, row)?;
        }
        let mut columns = columns.enumerate();
        columns.try_for_each(|(to, column)| self.format.write(column, content, &mut row.field(to)))
    }

    fn read_tokens(&self, content: &mut Content, row: &Row<'_>) -> Result<()> {
        let size = self.format.dtype.size();
        let (pieces, mut into) = content.parts(size);
        let Documents { source, field, .. } = &self.documents;
        for piece in pieces {
            let (own, rest) = into.split_at_mut(piece.reads() * size);
            source.read_part(piece.document, *field, piece.start, own, row.stop())?;
            into = rest;
        }
        Ok(())
    }
}

impl<S: Source> Source for Packed<S> {
    fn schema(&self) -> &Schema {
        &self.schema
    }

    fn len(&self) -> usize {
        self.rows.len()
    }

    fn read(&self, index: usize, row: &mut Row<'_>) -> Result<()> {
        self.read_some(index, 0..self.columns.len(), row)
    }

    fn read_fields(&self, index: usize, fields: &[usize], row: &mut Row<'_>) -> Result<()> {
        self.read_some(index, fields.iter().copied(), row)
    }

    /// That of the first document, and how many more there are.
    fn name(&self, index: usize) -> Cow<'_, str> {
        let (mut first, mut more) = (None, 0);
        self.visit(index, |piece| match first {
            None => first = Some(piece),
            Some(_) => more += 1,
        });
        let Some(Piece { document, start, .. }) = first else {
            return Cow::Owned(format!("row {index}"));
        };
        let mut name = self.documents.source.name(document).into_owned();
        if start > 0 {
            name += &format!(" from token {start} on");
        }
        if more > 0 {
            name += &format!(" and {more} more");
        }
        Cow::Owned(name)
    }

    /// That of the first document.
    fn location(&self, index: usize, field: FieldId) -> Option<Location> {
        let Documents { source, field: tokens, .. } = &self.documents;
        let own = self.schema.holds(field);
        let field = if own { source.schema().fields()[*tokens].id() } else { field };
        source.location(self.first(index)?, field)
    }

    fn fingerprint(&self) -> Fingerprint {
        self.fingerprint
    }

    /// Those of all documents of the row: of the part of a document that is in it, where the document is
    /// one run of bytes.
    fn extents(&self, index: usize, visit: &mut dyn FnMut(&Extent)) {
        let mut all = Vec::new();
        self.visit(index, |piece| {
            all.clear();
            let source = &self.documents.source;
            source.extents(piece.document, &mut |extent| all.push(extent.clone()));
            let tokens = self.documents.tokens(piece.document);
            match &all[..] {
                [only] if tokens > self.format.length => visit(&part(only, &piece, tokens)),
                all => all.iter().for_each(&mut *visit),
            }
        });
    }
}

/// The bytes of a piece of a document of `tokens` tokens that is `whole`, if its tokens are of one width.
fn part(whole: &Extent, piece: &Piece, tokens: usize) -> Extent {
    let width = whole.bytes() / tokens.max(1);
    if whole.is_whole() || width * tokens != whole.bytes() {
        return whole.clone();
    }
    let offset = whole.offset() + (piece.start * width) as u64;
    Extent::part(whole.location().clone(), offset, piece.reads() * width)
}

#[cfg(test)]
mod tests;
