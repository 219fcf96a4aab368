use std::borrow::Cow;
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};

use super::folders::Survey;
use super::format::{Folder, Format};
use super::scratch::with_scratch;
use super::shards::Shards;
use super::token_documents::{DocumentOptions, Documents, DocumentsBy, TooLong};
use super::token_shard::{TokenFormat, TokenShard};
use super::token_type::TokenType;
use super::token_windows::{Tail, Windows};
use crate::files::{Limits, held_max};
use crate::source::no_part;
use crate::succession::Succession;
use crate::{
    Dim, Error, ErrorKind, Extent, Field, FieldId, Fingerprint, Location, Result, Row, RowDType,
    Schema, Source, Unchecked,
};

pub(super) static FORMAT: Format = Format {
    extensions: &["bin", "tokens"],
    of: " of tokens",
    folder: Folder::Anything,
    options: &[".tokens(..)", ".documents(..)"],
    open,
};

fn open(shards: &Shards, limits: Limits) -> Result<Survey<Box<dyn Source>>> {
    let mut builder = TokenFiles::builder(files_of(shards)?).limits(limits);
    builder.assumed = None;
    let builder = match (shards.options().tokens, shards.options().documents) {
        (Some((dtype, _)), Some(by)) => builder.dtype(dtype).documents(by),
        (Some((dtype, length)), None) => builder.dtype(dtype).length(length),
        (None, Some(by)) => builder.documents(by),
        (None, None) => builder,
    };
    Ok(Survey::of(Box::new(builder.open()?), 0))
}

/// The files, unless they are all of a folder in which some are to be tested with.
fn files_of(shards: &Shards) -> Result<Vec<PathBuf>> {
    let files = shards.files()?;
    let Some(folder) = shards.folder() else { return Ok(files) };
    let name = |file: &Path| file.file_name().unwrap_or_default().to_string_lossy().to_lowercase();
    let of = |words: &[&str]| {
        files.iter().map(|file| name(file)).find(|name| words.iter().any(|it| name.contains(it)))
    };
    match (of(&["train"]), of(&["val", "test"])) {
        (Some(train), Some(other)) => {
            let message = format!(
                "holds {train:?} and {other:?}, which are hardly one set; name a file or a pattern, \
                 like \"*train*\""
            );
            Err(Error::new(ErrorKind::Config, message).with_path(folder))
        }
        _ => Ok(files),
    }
}

/// Files of tokens, to train language models on: windows of equal length, or whole documents.
///
/// Three kinds of files are read. Those of *llm.c* begin with a header, which says what the tokens are.
/// Those of *Megatron* have an index beside them, `x.idx` beside `x.bin`. Any other file is *raw*: nothing
/// but tokens, as nanoGPT writes them, of `u16` unless [told](TokenFilesBuilder::dtype) otherwise.
///
/// A window of length T at token p is the field `input`, tokens p to p + T, and the field `target`,
/// tokens p + 1 to p + T + 1, both `u32[T]`. Windows begin at every T-th token of all files taken as one
/// stream, so that each token is an input once; those of llm.c at every T-th token of each file, as it
/// reads them itself. Which tokens a sample has is arithmetic. It costs one read of T + 1
/// stored tokens, and another where it crosses to the next file; they are widened into the rows.
///
/// ```no_run
/// use tallow_core::{Source, TokenFiles};
///
/// let source = TokenFiles::builder(["train.bin"]).length(256).open()?;
/// println!("{} samples of {}", source.len(), source.schema()); // input: u32[256]; target: u32[256]
/// # Ok::<(), tallow_core::Error>(())
/// ```
///
/// A file that is written to after it was opened is [`ErrorKind::Changed`] from then on. The first 64
/// files stay open, others are opened for each read.
#[derive(Debug)]
pub struct TokenFiles {
    schema: Schema,
    shards: Vec<TokenShard>,
    /// Those of all files.
    tokens: Succession,
    stored: TokenType,
    /// The tokens that may be delivered, if others can be stored.
    allowed: Option<Range<i64>>,
    samples: Samples,
    /// Tokens that are read after those of an input: the last target, or none.
    beyond: usize,
}

/// Which tokens are a sample.
#[derive(Debug)]
enum Samples {
    /// Windows over all files as one stream.
    OfStream(Windows),
    /// Windows over each file, and how many each has.
    OfFiles(Windows, Succession),
    Documents(Documents),
}

/// Whether windows of tokens cross from one file to the next.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FileBorders {
    /// They do: all files are one stream.
    Crossed,
    /// They do not: each file begins with a window of its own.
    Kept,
}

/// How [`TokenFiles`] are opened.
#[derive(Debug, Clone)]
#[must_use]
pub struct TokenFilesBuilder {
    paths: Vec<PathBuf>,
    /// What files without a header hold, if that is known.
    assumed: Option<RowDType>,
    /// What all files hold, if that was told.
    told: Option<RowDType>,
    length: Option<usize>,
    stride: Option<usize>,
    borders: Option<FileBorders>,
    tail: Option<Tail>,
    documents: Option<DocumentOptions>,
    has_targets: Option<bool>,
    vocabulary: Option<u32>,
    delivered: RowDType,
    limits: Limits,
    /// The most bytes of files that are held in memory, if they are.
    held_bytes_max: Option<usize>,
}

/// Tokens of a window where nothing else is said: the context of GPT-2.
const LENGTH: usize = 1024;

impl TokenFilesBuilder {
    /// The type of tokens in files without a header: `u8`, `u16`, `u32`, `i16`, `i32` or `i64`, in
    /// little-endian order. Files that say it themselves must say the same. `u16` by default.
    pub fn dtype(mut self, dtype: RowDType) -> Self {
        (self.assumed, self.told) = (Some(dtype), Some(dtype));
        self
    }

    /// Tokens of a window's input. 1024 by default.
    pub fn length(mut self, length: usize) -> Self {
        self.length = Some(length);
        self
    }

    /// Tokens from the beginning of one window to that of the next. By default the length, so that
    /// windows neither overlap nor leave tokens out.
    pub fn stride(mut self, stride: usize) -> Self {
        self.stride = Some(stride);
        self
    }

    /// Whether windows cross from one file to the next. By default they do, except those of llm.c.
    pub fn file_borders(mut self, borders: FileBorders) -> Self {
        self.borders = Some(borders);
        self
    }

    /// What to do with the tokens after the last whole window, of the stream or of each file. They are
    /// dropped by default. If they are kept, both fields are ragged.
    pub fn tail(mut self, tail: Tail) -> Self {
        self.tail = Some(tail);
        self
    }

    /// Reads documents instead of windows: ragged sequences, each of which is a sample. They cross from
    /// one file to the next, except where Megatron's index ends them. The token that ends or begins a
    /// document belongs to it.
    ///
    /// Where documents end is held in memory, 8 bytes each, at most [`Limits::index_bytes`]. Megatron's
    /// index is read for it when the files are opened, otherwise all tokens are, once.
    pub fn documents(mut self, by: DocumentsBy) -> Self {
        self.documents.get_or_insert_default().by = by;
        self
    }

    /// The most tokens of a document's input, and what to do with longer ones. By default the longest
    /// document is the most.
    pub fn at_most(mut self, tokens: usize, longer: TooLong) -> Self {
        self.documents.get_or_insert_default().most = Some((tokens, longer));
        self
    }

    /// Delivers the field `target`: the tokens that follow those of `input`. Windows have it by
    /// default.
    pub fn with_targets(mut self) -> Self {
        self.has_targets = Some(true);
        self
    }

    /// Delivers `input` alone. Documents have no targets by default, so that they are whole.
    pub fn without_targets(mut self) -> Self {
        self.has_targets = Some(false);
        self
    }

    /// The number of tokens there are: a sample with another is an error, [`ErrorKind::OutOfRange`].
    /// Any that the delivered type holds by default.
    pub fn vocabulary(mut self, tokens: u32) -> Self {
        self.vocabulary = Some(tokens);
        self
    }

    /// Delivers `i64`. By default tokens are `u32`, which candle's embeddings and losses take.
    pub fn as_i64(mut self) -> Self {
        self.delivered = RowDType::I64;
        self
    }

    /// Reads all files into memory when they are opened, unless they have more than `bytes_max` bytes together:
    /// 2 a token, mostly. A sample is then a copy without a system call, and files that are written to later
    /// do no harm. By default they are read from where they lie.
    pub fn in_memory(mut self, bytes_max: usize) -> Self {
        self.held_bytes_max = Some(bytes_max);
        self
    }

    /// How much a sample and an index of documents may take.
    pub fn limits(mut self, limits: Limits) -> Self {
        self.limits = limits;
        self
    }

    /// Opens the files.
    ///
    /// # Errors
    ///
    /// What is wrong with a file, its name included; [`ErrorKind::DtypeMismatch`] for files of several
    /// kinds or types of tokens; [`ErrorKind::Empty`] where there is no sample;
    /// [`ErrorKind::TooLarge`] for documents longer than was allowed, and for more of them, or more tokens,
    /// than may be held in memory; [`ErrorKind::Config`] for a length or stride of 0, and for options of windows
    /// beside those of documents.
    pub fn open(self) -> Result<TokenFiles> {
        self.check()?;
        let (mut shards, tokens) = self.shards()?;
        self.hold(&mut shards)?;
        let none = || Error::new(ErrorKind::Empty, "no file of tokens");
        let first = shards.first().ok_or_else(none)?;
        let (stored, format) = (first.stored, first.format);
        if tokens.len() == 0 {
            let message = "the files hold no token";
            return Err(Error::new(ErrorKind::Empty, message).with_path(first.file.path()));
        }
        let beyond = usize::from(self.has_targets.unwrap_or(self.documents.is_none()));
        let samples = match &self.documents {
            Some(options) => {
                let (limits, tokens) = (&self.limits, tokens.len());
                Samples::Documents(options.find(&shards, tokens, beyond, limits)?)
            }
            None => self.windows(&shards, tokens.len(), format, beyond)?,
        };
        let (length, is_ragged) = samples.length();
        let dim = if is_ragged { Dim::Ragged { max: length } } else { Dim::Fixed(length) };
        let field = |name| Field::with_dims(name, self.delivered, vec![dim]);
        let fields: Vec<Field> =
            ["input", "target"][..=beyond].iter().map(|&it| field(it)).collect();
        fields.iter().try_for_each(|field| self.limits.check_sample(field))?;
        let allowed = stored.allowed(self.delivered, self.vocabulary);
        let schema = Schema::new(fields)?;
        Ok(TokenFiles { schema, shards, tokens, stored, allowed, samples, beyond })
    }

    fn check(&self) -> Result<()> {
        let refused = |message: &str| Err(Error::new(ErrorKind::Config, message));
        let of_windows = [
            (self.length.is_some(), ".length(..)"),
            (self.stride.is_some(), ".stride(..)"),
            (self.borders.is_some(), ".file_borders(..)"),
            (self.tail.is_some(), ".tail(..)"),
        ];
        let given = of_windows.iter().find(|(is_given, _)| *is_given);
        match (&self.documents, given) {
            (Some(_), Some((_, option))) => {
                refused(&format!("{option} is for windows, expected options of documents"))
            }
            _ if self.length == Some(0) || self.stride == Some(0) => {
                refused("a window of 0 tokens or after 0 tokens, expected at least 1")
            }
            _ => Ok(()),
        }
    }

    fn shards(&self) -> Result<(Vec<TokenShard>, Succession)> {
        let of = |dtype: Option<RowDType>| dtype.map(TokenType::of).transpose();
        let (assumed, told) = (of(self.assumed)?, of(self.told)?);
        let held = held_max();
        let mut shards: Vec<TokenShard> = Vec::new();
        let mut tokens = Succession::default();
        for (at, path) in self.paths.iter().enumerate() {
            let place = |error: Error| error.with_path(path);
            let shard = TokenShard::open(path, at, held, assumed, told)?;
            if let Some(first) = shards.first() {
                check_alike(&shard, first).map_err(place)?;
            }
            tokens.push(shard.tokens, "tokens").map_err(place)?;
            shards.push(shard);
        }
        Ok((shards, tokens))
    }

    fn hold(&self, shards: &mut [TokenShard]) -> Result<()> {
        let Some(most) = self.held_bytes_max else { return Ok(()) };
        let bytes = shards.iter().map(TokenShard::token_bytes).fold(0, usize::saturating_add);
        if bytes > most {
            let message = format!(
                "{bytes} bytes of tokens to hold in memory, at most {most}; leave out .in_memory(..), or \
                 give it more"
            );
            return Err(Error::new(ErrorKind::TooLarge, message));
        }
        shards.iter_mut().try_for_each(TokenShard::hold)
    }

    fn windows(
        &self,
        shards: &[TokenShard],
        tokens: usize,
        format: TokenFormat,
        beyond: usize,
    ) -> Result<Samples> {
        let length = self.length.unwrap_or(LENGTH);
        let stride = self.stride.unwrap_or(length);
        let windows = Windows { length, stride, beyond, tail: self.tail.unwrap_or(Tail::Drop) };
        let by_default = match format {
            TokenFormat::LlmC => FileBorders::Kept,
            TokenFormat::Raw | TokenFormat::Megatron => FileBorders::Crossed,
        };
        let (samples, count) = match self.borders.unwrap_or(by_default) {
            FileBorders::Crossed => (Samples::OfStream(windows), windows.count(tokens)),
            FileBorders::Kept => {
                let mut each = Succession::default();
                let mut counts = shards.iter().map(|shard| windows.count(shard.tokens));
                counts.try_for_each(|count| each.push(count, "samples"))?;
                let count = each.len();
                (Samples::OfFiles(windows, each), count)
            }
        };
        if count > 0 {
            return Ok(samples);
        }
        let message = format!(
            "found {tokens} tokens, expected at least the {} of a window; give it a smaller .length(..)",
            windows.reads()
        );
        Err(Error::new(ErrorKind::Empty, message).with_path(shards[0].file.path()))
    }
}

/// Whether two files can be parts of one stream.
fn check_alike(shard: &TokenShard, first: &TokenShard) -> Result<()> {
    if (shard.format, shard.stored) == (first.format, first.stored) {
        return Ok(());
    }
    let [found, expected] =
        [shard, first].map(|shard| format!("{} of {}", shard.format, shard.stored));
    let message = format!("found {found}, expected {expected} as in {:?}", first.file.path());
    Err(Error::new(ErrorKind::DtypeMismatch, message))
}

impl Samples {
    fn count(&self, tokens: usize) -> usize {
        match self {
            Self::OfStream(windows) => windows.count(tokens),
            Self::OfFiles(_, samples) => samples.len(),
            Self::Documents(documents) => documents.len(),
        }
    }

    /// The greatest length of an input, and whether others are shorter.
    fn length(&self) -> (usize, bool) {
        match self {
            Self::OfStream(windows) | Self::OfFiles(windows, _) => {
                (windows.length, windows.tail == Tail::Keep)
            }
            Self::Documents(documents) => (documents.longest(), true),
        }
    }
}

impl TokenFiles {
    /// Opens a file, all `.bin` and `.tokens` files of a folder in the order of the bytes of their
    /// names, or those that a pattern stands for, with the options of [`builder`](Self::builder).
    ///
    /// # Errors
    ///
    /// As [`TokenFilesBuilder::open`], and when a folder cannot be listed or holds no such file.
    pub fn open(place: impl AsRef<Path>) -> Result<Self> {
        Self::builder(files_of(&Shards::of(place.as_ref(), &FORMAT)?)?).open()
    }

    /// To open these files otherwise, in this order.
    pub fn builder<P: Into<PathBuf>>(paths: impl IntoIterator<Item = P>) -> TokenFilesBuilder {
        TokenFilesBuilder {
            paths: paths.into_iter().map(Into::into).collect(),
            assumed: Some(RowDType::U16),
            told: None,
            length: None,
            stride: None,
            borders: None,
            tail: None,
            documents: None,
            has_targets: None,
            vocabulary: None,
            delivered: RowDType::U32,
            limits: Limits::default(),
            held_bytes_max: None,
        }
    }

    /// The number of tokens in all files.
    pub fn tokens(&self) -> usize {
        self.tokens.len()
    }

    /// The tokens that sample `index` reads, counted from the first of all files.
    fn tokens_of(&self, index: usize) -> Range<usize> {
        assert!(index < self.len(), "sample {index} of {}", self.len());
        match &self.samples {
            Samples::OfStream(windows) => windows.tokens_of(index, self.tokens.len()),
            Samples::OfFiles(windows, samples) => {
                let (at, own) = samples.find(index);
                let start = self.tokens.start(at);
                let range = windows.tokens_of(own, self.shards[at].tokens);
                start + range.start..start + range.end
            }
            Samples::Documents(documents) => documents.tokens_of(index, self.beyond),
        }
    }

    /// Visits the parts of files that hold these tokens, with the tokens' numbers there.
    fn visit_parts<'a>(
        &'a self,
        tokens: Range<usize>,
        mut visit: impl FnMut(&'a TokenShard, Range<usize>) -> Result<()>,
    ) -> Result<()> {
        let mut next = tokens.start;
        while next < tokens.end {
            let (at, own) = self.tokens.find(next);
            let shard = &self.shards[at];
            let end = shard.tokens.min(own + (tokens.end - next));
            visit(shard, own..end)?;
            next += end - own;
        }
        Ok(())
    }

    /// Reads the fields at the positions `fields` into those of `row`, one after the other.
    fn read_some(
        &self,
        index: usize,
        fields: impl Iterator<Item = usize>,
        row: &mut Row<'_>,
    ) -> Result<()> {
        let tokens = self.tokens_of(index);
        let width = self.stored.bytes();
        self.with_stored(tokens.clone(), row.unchecked(), &row.stop_flag(), |stored| {
            let shared = tokens.len().saturating_sub(self.beyond);
            for (at, position) in fields.enumerate() {
                let mut field = row.field(at);
                if field.declared().is_ragged() {
                    field.set_shape(&[shared])?;
                }
                let first = if position == 0 { 0 } else { tokens.len() - shared };
                let own = &stored[first * width..][..shared * width];
                self.stored.write(own, &mut field)?;
            }
            Ok(())
        })
        .map_err(|error| error.with_index(index))
    }

    /// Runs `run` on these tokens as they are stored, after they were checked.
    fn with_stored(
        &self,
        tokens: Range<usize>,
        unchecked: Option<&Unchecked>,
        is_stopped: &impl Fn() -> bool,
        run: impl FnOnce(&[u8]) -> Result<()>,
    ) -> Result<()> {
        if tokens.start < self.tokens.len() {
            let (at, own) = self.tokens.find(tokens.start);
            if let Some(held) = self.shards[at].held(own..own + tokens.len()) {
                return self.check(&tokens, held).and_then(|()| run(held));
            }
        }
        with_scratch(tokens.len() * self.stored.bytes(), |stored| {
            self.read_stored(tokens.clone(), stored, unchecked, is_stopped)?;
            self.check(&tokens, stored).and_then(|()| run(stored))
        })
    }

    fn read_stored(
        &self,
        tokens: Range<usize>,
        stored: &mut [u8],
        unchecked: Option<&Unchecked>,
        is_stopped: &impl Fn() -> bool,
    ) -> Result<()> {
        let mut rest = stored;
        self.visit_parts(tokens, |shard, own| {
            if is_stopped() {
                return Err(Error::new(ErrorKind::Stopped, "the loader was stopped"));
            }
            let (part, after) =
                std::mem::take(&mut rest).split_at_mut(own.len() * self.stored.bytes());
            rest = after;
            if let Some(held) = shard.held(own.clone()) {
                part.copy_from_slice(held);
                return Ok(());
            }
            shard.file.read(unchecked, is_stopped, |file| shard.read(file, own.clone(), part))
        })
    }

    /// Whether all these tokens may be delivered.
    fn check(&self, tokens: &Range<usize>, stored: &[u8]) -> Result<()> {
        let Some(allowed) = &self.allowed else { return Ok(()) };
        match self.stored.outside(stored, allowed) {
            None => Ok(()),
            Some((at, token)) => Err(self.not_allowed(tokens.start + at, token, allowed)),
        }
    }

    #[cold]
    fn not_allowed(&self, at: usize, token: i64, allowed: &Range<i64>) -> Error {
        let (shard, own) = self.tokens.find(at);
        let shard = &self.shards[shard];
        let message = format!(
            "token {own} of the file is {token}, expected {} to {}",
            allowed.start,
            allowed.end - 1
        );
        Error::new(ErrorKind::OutOfRange, message)
            .with_path(shard.file.path())
            .with_offset(shard.offset_of(own))
    }

    /// The file in which sample `index` begins, and the tokens' numbers counted from its first.
    fn place(&self, index: usize) -> (&TokenShard, Range<usize>) {
        let tokens = self.tokens_of(index);
        // A document without tokens may be behind the last.
        let (at, own) = self.tokens.find(tokens.start.min(self.tokens.len() - 1));
        (&self.shards[at], own..own + tokens.len())
    }
}

impl Source for TokenFiles {
    fn schema(&self) -> &Schema {
        &self.schema
    }

    fn len(&self) -> usize {
        self.samples.count(self.tokens.len())
    }

    fn read(&self, index: usize, row: &mut Row<'_>) -> Result<()> {
        self.read_some(index, 0..=self.beyond, row)
    }

    fn read_fields(&self, index: usize, fields: &[usize], row: &mut Row<'_>) -> Result<()> {
        self.read_some(index, fields.iter().copied(), row)
    }

    fn read_part(
        &self,
        index: usize,
        field: usize,
        start: usize,
        into: &mut [u8],
        stop: Option<&AtomicBool>,
    ) -> Result<()> {
        let is_stopped = || stop.is_some_and(|stop| stop.load(Ordering::Relaxed));
        let (all, declared) = (self.tokens_of(index), &self.schema.fields()[field]);
        let shared = all.len().saturating_sub(self.beyond);
        let size = declared.dtype().size();
        let end = start.saturating_add(into.len() / size);
        if end > shared {
            return Err(
                no_part(declared, shared * size, start * size, into.len()).with_index(index)
            );
        }
        // Targets are one token further on, if there are any.
        let shift = all.start + if field == 0 { 0 } else { all.len() - shared };
        let tokens = shift + start..shift + end;
        self.with_stored(tokens, None, &is_stopped, |stored| {
            self.stored.write_bytes(stored, declared.dtype(), into);
            Ok(())
        })
        .map_err(|error| error.with_index(index))
    }

    /// The file in which the sample begins, and its tokens there.
    fn name(&self, index: usize) -> Cow<'_, str> {
        let (shard, tokens) = self.place(index);
        let path = shard.file.path().display();
        Cow::Owned(format!("{path}[{}..{}]", tokens.start, tokens.end))
    }

    fn location(&self, index: usize, field: FieldId) -> Option<Location> {
        self.schema.holds(field).then(|| self.place(index).0.file.location().clone())
    }

    fn length(&self, index: usize, field: usize) -> Option<usize> {
        let is_ragged = self.schema.fields()[field].is_ragged();
        is_ragged.then(|| self.tokens_of(index).len().saturating_sub(self.beyond))
    }

    /// The beginnings and lengths of all files represent their contents.
    fn fingerprint(&self) -> Fingerprint {
        let start = Fingerprint::of("token_files").text(&self.schema.to_string());
        let start = start.number(self.len() as u64);
        let start = match &self.samples {
            Samples::OfStream(windows) => start.text("stream").number(windows.stride as u64),
            Samples::OfFiles(windows, _) => start.text("files").number(windows.stride as u64),
            Samples::Documents(documents) => start.with(documents.fingerprint()),
        };
        self.shards.iter().fold(start, |print, shard| shard.file.add_to(print)).finish()
    }

    fn extents(&self, index: usize, visit: &mut dyn FnMut(&Extent)) {
        let width = self.stored.bytes();
        // There is no error to hand on.
        let _ = self.visit_parts(self.tokens_of(index), |shard, own| {
            if !shard.is_held() {
                visit(&shard.file.extent(shard.offset_of(own.start), own.len() * width));
            }
            Ok(())
        });
    }
}
