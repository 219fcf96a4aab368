use std::path::PathBuf;

use super::documents::{DocumentOptions, DocumentsBy, TooLong};
use super::shard::{TokenFormat, TokenShard};
use super::token_type::TokenType;
use super::windows::{Tail, Windows};
use super::{Samples, TokenFiles};
use crate::files::{Limits, held_max};
use crate::succession::Succession;
use crate::{Dim, Error, ErrorKind, Field, Result, RowDType, Schema};

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
    pub(super) fn new(paths: Vec<PathBuf>) -> Self {
        Self {
            paths,
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

    /// Nothing is assumed of files that do not say what they hold.
    pub(super) fn without_assumption(self) -> Self {
        Self { assumed: None, ..self }
    }

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
