use super::columns::{Column, Format};
use super::documents::Documents;
use super::{Packed, Rows};
use crate::field_index;
use crate::{
    Dim, Error, ErrorKind, Field, FieldIndex, Fingerprint, Result, SampleLengths, Sampler, Schema,
    Shuffle, Source,
};

/// How documents come into rows.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Packing {
    /// Documents stay whole. Those of a window of documents are put, the longest first, each into the row
    /// that it leaves the least room in; what room is left is padding.
    #[default]
    BestFit,
    /// One document follows another, and a row ends where it is full, in the middle of a document or not.
    /// The last row alone is padded.
    Concatenated,
}

/// How a document that is longer than a row is packed.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Longer {
    /// It is split: its beginning fills rows, and the rest is packed as a document of its own is.
    #[default]
    Split,
    /// It is cut off where a row ends.
    Cut,
    /// Packing fails, telling it.
    Refuse,
}

/// What a packed row has of the tokens to be predicted. A token's target is the one after it in its
/// document, also where that one is in another row; the last of a document has none, and padding neither.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Targets {
    /// Nothing.
    None,
    /// The field `target`, of the type of tokens, and the field `mask`, of `u8`, which is 1 where there is a
    /// target and 0 where there is none.
    #[default]
    Masked,
    /// The field `target`, of `i64`, with this where there is none: -100 is what PyTorch's losses ignore.
    Ignored(i64),
}

/// How a source of documents is packed; see [`Packed`].
#[must_use]
pub struct PackedBuilder<S> {
    source: S,
    length: usize,
    field: Option<Result<usize>>,
    packing: Packing,
    window: usize,
    sampler: Box<dyn Sampler>,
    seed: u64,
    longer: Longer,
    padding: i64,
    targets: Targets,
    has_bounds: bool,
}

/// Documents of a window where nothing else is said.
const WINDOW: usize = 1 << 14;

/// The longest row: 64 million bytes of each field.
const LENGTH_MAX: usize = 1 << 24;

impl<S: Source> PackedBuilder<S> {
    pub(super) fn new(source: S, length: usize) -> Self {
        Self {
            source,
            length,
            field: None,
            packing: Packing::default(),
            window: WINDOW,
            sampler: Box::new(Shuffle),
            seed: 0,
            longer: Longer::default(),
            padding: 0,
            targets: Targets::default(),
            has_bounds: false,
        }
    }

    /// The field of tokens, by name or position. By default the only one that has integers along one
    /// ragged axis.
    pub fn field(mut self, field: impl FieldIndex) -> Self {
        let fields = self.source.schema().fields();
        let missing = || Error::new(ErrorKind::Config, field_index::missing(&field, fields));
        self.field = Some(field.position_in(fields).ok_or_else(missing));
        self
    }

    /// How documents come into rows. [`Packing::BestFit`] by default.
    pub fn packing(mut self, packing: Packing) -> Self {
        self.packing = packing;
        self
    }

    /// Documents that are packed among each other, 1 to 65,536: more of them leave less padding, and in a
    /// stored order less of a row is read from one place. 16,384 by default.
    pub fn window(mut self, documents: usize) -> Self {
        self.window = documents;
        self
    }

    /// Takes documents in the order that `sampler` gives with `seed` in epoch 0: [`Sequential`] as they
    /// are stored, [`SubsetSampler`] some of them. By default [`Shuffle`] with the seed 0, so that a row
    /// has documents from everywhere.
    ///
    /// [`Sequential`]: crate::Sequential
    /// [`SubsetSampler`]: crate::SubsetSampler
    pub fn order(mut self, sampler: impl Sampler + 'static, seed: u64) -> Self {
        (self.sampler, self.seed) = (Box::new(sampler), seed);
        self
    }

    /// How documents longer than a row are packed. [`Longer::Split`] by default.
    pub fn longer(mut self, longer: Longer) -> Self {
        self.longer = longer;
        self
    }

    /// The token in `input`, and in a masked `target`, where there is none. 0 by default.
    pub fn padding(mut self, token: i64) -> Self {
        self.padding = token;
        self
    }

    /// What rows have of the tokens to be predicted. [`Targets::Masked`] by default.
    pub fn targets(mut self, targets: Targets) -> Self {
        self.targets = targets;
        self
    }

    /// Delivers the field `cu_seqlens` too, of `u32`, as attention over sequences of several lengths takes
    /// them: 0, and where each document ends; then the length of the row, as often as it takes until all
    /// rows have as many, so that padding is a sequence too, and those that are missing are empty. Off by
    /// default.
    pub fn with_cu_seqlens(mut self) -> Self {
        self.has_bounds = true;
        self
    }

    /// Finds the rows. Takes one pass over the lengths of documents, on all cores; where the source does
    /// not [know](Source::length) them, the documents are read once for it.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Config`] for a row or a window of no or too many elements, for a field that is not
    /// there or not one of tokens, or when none or several could be meant, and for a padding that is no
    /// token; [`ErrorKind::Empty`] when there is no token at all; [`ErrorKind::TooLarge`] for a document
    /// longer than a row that is to be refused, and for more than 2^32 documents; what the sampler says;
    /// and the first document that cannot be read.
    pub fn build(mut self) -> Result<Packed<S>> {
        self.check()?;
        let field = match self.field.take() {
            Some(field) => check_tokens(&self.source, field?)?,
            None => only_tokens(&self.source)?,
        };
        let print = self.print(field);
        let population = self.source.population();
        let order = self.sampler.order(&population, self.seed, 0)?;
        if u32::try_from(order.len()).is_err() {
            let message = format!("{} documents, expected fewer than 2^32", order.len());
            return Err(Error::new(ErrorKind::TooLarge, message));
        }
        let lengths = SampleLengths::of(&self.source, field)?;
        let most = if self.longer == Longer::Cut { self.length } else { usize::MAX };
        let are_known = lengths.are_known();
        let source = self.source;
        let mut documents = Documents { source, field, order, lengths: Some(lengths), most };
        let (rows, stats) = Rows::of(&documents, self.packing, self.length, self.window)?;
        if self.longer == Longer::Refuse && stats.longer > 0 {
            return Err(refused(&documents, stats.longer, self.length));
        }
        if stats.rows == 0 {
            let message = format!("{} documents without any token", documents.count());
            return Err(Error::new(ErrorKind::Empty, message));
        }
        if are_known {
            documents.lengths = None;
        }
        let format = Format {
            length: self.length,
            dtype: documents.source.schema().fields()[field].dtype(),
            padding: self.padding,
            targets: self.targets,
            pieces: stats.most_in_a_row,
            counting: (0..self.length as u32).collect(),
        };
        format.check_token(self.padding)?;
        let columns = columns(self.targets, self.has_bounds);
        let schema = Schema::new(columns.iter().map(|&column| format.field(column)).collect())?;
        let print = print.with(Fingerprint::of("fields").text(&schema.to_string()).finish());
        let fingerprint = print.finish();
        Ok(Packed { documents, rows, format, columns, schema, stats, fingerprint })
    }

    fn check(&self) -> Result<()> {
        let refused = |message: String| Err(Error::new(ErrorKind::Config, message));
        if !(1..=LENGTH_MAX).contains(&self.length) {
            let length = self.length;
            return refused(format!("rows of {length} tokens, expected 1 to {LENGTH_MAX}"));
        }
        if !(1..=1 << u16::BITS).contains(&self.window) {
            let window = self.window;
            return refused(format!("a window of {window} documents, expected 1 to 65536"));
        }
        Ok(())
    }

    /// What rows depend on.
    fn print(&self, field: usize) -> crate::FingerprintBuilder {
        let (kind, ignored) = match self.targets {
            Targets::None => (0, 0),
            Targets::Masked => (1, 0),
            Targets::Ignored(value) => (2, value),
        };
        let numbers = [
            self.length as u64,
            field as u64,
            self.packing as u64,
            if self.packing == Packing::BestFit { self.window as u64 } else { 0 },
            self.seed,
            self.longer as u64,
            self.padding as u64,
            kind,
            ignored as u64,
        ];
        let start = Fingerprint::of("packed").with(self.source.fingerprint());
        let start = start.with(self.sampler.fingerprint());
        numbers.into_iter().fold(start, |print, number| print.number(number))
    }
}

impl<S: std::fmt::Debug> std::fmt::Debug for PackedBuilder<S> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let mut debug = f.debug_struct("PackedBuilder");
        debug.field("source", &self.source).field("length", &self.length);
        debug.field("packing", &self.packing).field("longer", &self.longer);
        debug.field("targets", &self.targets).finish_non_exhaustive()
    }
}

fn columns(targets: Targets, has_bounds: bool) -> Vec<Column> {
    let target = (targets != Targets::None).then_some(Column::Target);
    let mask = (targets == Targets::Masked).then_some(Column::Mask);
    let bounds = has_bounds.then_some(Column::Bounds);
    let fixed =
        [Some(Column::Input), target, mask, Some(Column::Segments), Some(Column::Positions)];
    fixed.into_iter().chain([bounds]).flatten().collect()
}

/// Whether `field` has whole numbers along one ragged axis, and is no file of a picture.
fn is_tokens(field: &Field) -> bool {
    let is_sequence = matches!(field.dims(), [Dim::Ragged { .. }]);
    is_sequence && field.dtype().is_integer() && field.as_picture().is_none()
}

fn check_tokens<S: Source>(source: &S, at: usize) -> Result<usize> {
    let field = &source.schema().fields()[at];
    if is_tokens(field) {
        return Ok(at);
    }
    let message = format!("found {field}, expected documents: integers along one ragged axis");
    Err(Error::new(ErrorKind::Config, message).with_field(field.name()))
}

fn only_tokens<S: Source>(source: &S) -> Result<usize> {
    let schema = source.schema();
    let mut found = (0..schema.fields().len()).filter(|at| is_tokens(&schema.fields()[*at]));
    let message = match (found.next(), found.next()) {
        (Some(only), None) => return Ok(only),
        (None, _) => format!(
            "found {schema}, expected a field of documents: integers along one ragged axis; of token \
             files, tell where they end with .documents(..)"
        ),
        _ => {
            format!("found {schema}, which has several fields of tokens; tell one with .field(..)")
        }
    };
    Err(Error::new(ErrorKind::Config, message))
}

#[cold]
fn refused<S: Source>(documents: &Documents<S>, longer: usize, length: usize) -> Error {
    let all = (0..documents.count()).map(|position| documents.whole(position));
    let (index, tokens) = all.filter(|(_, tokens)| *tokens > length).min().unwrap_or_default();
    let message = format!(
        "{longer} documents are longer than a row of {length} tokens, the first has {tokens}; \
         Longer::Split or Longer::Cut takes them"
    );
    Error::new(ErrorKind::TooLarge, message).with_index(index)
}
