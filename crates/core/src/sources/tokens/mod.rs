//! Tokens, to train language models on: `shard` is one file of them, with its `megatron_index` if it has
//! one, and `token_type` how a token is stored; `windows` and `documents` say which tokens a sample has.

mod builder;
mod documents;
mod megatron_index;
mod shard;
mod token_type;
mod windows;

use std::borrow::Cow;
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};

pub use self::builder::{FileBorders, TokenFilesBuilder};
use self::documents::Documents;
pub use self::documents::{DocumentsBy, TooLong};
use self::shard::TokenShard;
use self::token_type::TokenType;
pub use self::windows::Tail;
use self::windows::Windows;
use super::folders::Survey;
use super::format::{Folder, Format};
use super::scratch::with_scratch;
use super::shards::Shards;
use crate::files::Limits;
use crate::source::no_part;
use crate::succession::Succession;
use crate::{
    Error, ErrorKind, Extent, FieldId, Fingerprint, Location, Result, Row, Schema, Source,
    Unchecked,
};

pub(super) static FORMAT: Format = Format {
    extensions: &["bin", "tokens"],
    of: " of tokens",
    folder: Folder::Anything,
    options: &[".tokens(..)", ".documents(..)"],
    open,
};

fn open(shards: &Shards, limits: Limits) -> Result<Survey<Box<dyn Source>>> {
    let builder = TokenFiles::builder(files_of(shards)?).limits(limits).without_assumption();
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
        TokenFilesBuilder::new(paths.into_iter().map(Into::into).collect())
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
