//! One file of tokens, in whatever way it says what they are.

use std::fmt;
use std::ops::Range;
use std::path::{Path, PathBuf};

use super::megatron_index::MegatronIndex;
use super::token_type::TokenType;
use crate::files::{File, Limits, SampleFile, Section, foreign, read_stored};
use crate::{Error, ErrorKind, Result};

/// A file of tokens.
#[derive(Debug)]
pub(super) struct TokenShard {
    pub(super) file: SampleFile,
    pub(super) format: TokenFormat,
    pub(super) stored: TokenType,
    /// The number of tokens.
    pub(super) tokens: usize,
    /// The byte of the first of them.
    start: u64,
    /// All tokens, if they are held in memory.
    held: Option<Vec<u8>>,
}

/// What says what the tokens are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum TokenFormat {
    /// Nothing: there is no header.
    Raw,
    /// The header of llm.c.
    LlmC,
    /// The `.idx` file of Megatron.
    Megatron,
}

impl fmt::Display for TokenFormat {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Raw => "tokens without a header",
            Self::LlmC => "a header of llm.c",
            Self::Megatron => "an index of Megatron",
        })
    }
}

/// How much of the beginning of a file is remembered, to see later that it is the same one.
const BEGINNING_BYTES: usize = 4096;

/// Where a header of llm.c ends: 256 integers of 4 bytes.
const LLM_C_BYTES: usize = 1024;

impl TokenShard {
    /// Opens file number `at` of a source that keeps `held` open. Tokens without a header are
    /// `assumed`, or refused; others are what was `told`, or refused.
    pub(super) fn open(
        path: &Path,
        at: usize,
        held: usize,
        assumed: Option<TokenType>,
        told: Option<TokenType>,
    ) -> Result<Self> {
        let index = |index: &MegatronIndex, bin_bytes| {
            index.check_end(bin_bytes)?;
            Ok(index.stored)
        };
        let (file, found) = SampleFile::open(path, at, held, |file, bytes| {
            let section = Section::of_file(file, bytes);
            let mut beginning = [0; BEGINNING_BYTES];
            let beginning = section.beginning(&mut beginning);
            if beginning.is_empty() {
                return Err(Error::new(ErrorKind::Empty, "the file has no bytes"));
            }
            let indexed = MegatronIndex::read(&index_of(path), |found| index(found, bytes))?;
            // With an index the file begins with a token, of whatever value.
            let found = match indexed {
                Some(stored) => Found::new(TokenFormat::Megatron, stored, 0),
                None => match llm_c(beginning)? {
                    Some(stored) => {
                        check_count(beginning, stored, bytes)?;
                        Found::new(TokenFormat::LlmC, stored, LLM_C_BYTES as u64)
                    }
                    None => {
                        let stored = assumed.ok_or_else(|| not_told(section))?;
                        Found::new(TokenFormat::Raw, stored, 0)
                    }
                },
            };
            Ok((found, beginning.to_vec()))
        })?;
        let Found { format, stored, start } = found;
        if let Some(told) = told.filter(|told| *told != stored) {
            let message = format!("found {stored}, as {format} says, expected {told}");
            return Err(Error::new(ErrorKind::DtypeMismatch, message).with_path(path));
        }
        let bytes = file.bytes() - start;
        let width = stored.bytes() as u64;
        if !bytes.is_multiple_of(width) {
            let message = format!("{bytes} bytes, expected a multiple of {width} as of {stored}");
            return Err(Error::new(ErrorKind::Truncated, message).with_path(path));
        }
        let tokens = usize::try_from(bytes / width).unwrap_or(usize::MAX);
        Ok(Self { file, format, stored, tokens, start, held: None })
    }

    /// The byte of the file at which a token begins.
    pub(super) fn offset_of(&self, token: usize) -> u64 {
        self.start + (token * self.stored.bytes()) as u64
    }

    /// Bytes of all tokens.
    pub(super) fn token_bytes(&self) -> usize {
        self.tokens * self.stored.bytes()
    }

    /// Reads all tokens into memory, after which the file is not looked at any more.
    pub(super) fn hold(&mut self) -> Result<()> {
        let (start, bytes) = (self.start, self.token_bytes());
        let mut held = Vec::new();
        self.file.read(None, &|| false, |file| {
            held = read_stored(file, start, bytes, || false)?;
            Ok(())
        })?;
        self.held = Some(held);
        Ok(())
    }

    /// Whether all tokens are held in memory.
    pub(super) fn is_held(&self) -> bool {
        self.held.is_some()
    }

    /// The tokens `tokens`, as they are stored, if the file has all of them and they are held in memory.
    pub(super) fn held(&self, tokens: Range<usize>) -> Option<&[u8]> {
        let width = self.stored.bytes();
        self.held.as_ref()?.get(tokens.start * width..tokens.end * width)
    }

    /// Fills `stored` with the tokens `tokens`, as they are in the open `file`.
    pub(super) fn read(&self, file: &File, tokens: Range<usize>, stored: &mut [u8]) -> Result<()> {
        let offset = self.offset_of(tokens.start);
        let read = file.read_exact_at(stored, offset);
        read.map_err(|error| Error::io("read", error).with_offset(offset))
    }

    /// The token after the last of each document, as Megatron's index has them.
    pub(super) fn document_ends(&self, limits: &Limits) -> Result<Vec<usize>> {
        let path = self.file.path();
        let ends = MegatronIndex::read(&index_of(path), |index| {
            index.check_end(self.file.bytes())?;
            index.document_ends(limits)
        })?;
        ends.ok_or_else(|| {
            let message = format!(
                "found {}, expected an index of Megatron; tell where documents end or begin by a token",
                self.format
            );
            Error::new(ErrorKind::Config, message).with_path(path)
        })
    }
}

struct Found {
    format: TokenFormat,
    stored: TokenType,
    start: u64,
}

impl Found {
    fn new(format: TokenFormat, stored: TokenType, start: u64) -> Self {
        Self { format, stored, start }
    }
}

/// Where Megatron keeps the index of a `.bin` file.
fn index_of(path: &Path) -> PathBuf {
    path.with_extension("idx")
}

fn word(beginning: &[u8], at: usize) -> Option<i32> {
    let bytes = beginning.get(4 * at..4 * at + 4)?;
    Some(i32::from_le_bytes(bytes.try_into().ok()?))
}

/// The type of the tokens after a header of llm.c, if the file begins with one.
fn llm_c(beginning: &[u8]) -> Result<Option<TokenType>> {
    const GPT2: i32 = 20_240_520;
    const LLAMA3: i32 = 20_240_801;
    const EVALUATION: i32 = 20_240_522;
    let (stored, expected) = match word(beginning, 0) {
        Some(GPT2) => (TokenType::U16, 1),
        Some(LLAMA3) => (TokenType::U32, 7),
        Some(EVALUATION) => {
            let message = "found questions with several answers, as llm.c evaluates on, expected a \
                           stream of tokens; name the file to train on";
            return Err(Error::new(ErrorKind::Foreign, message).with_offset(0));
        }
        _ => return Ok(None),
    };
    if beginning.len() < LLM_C_BYTES {
        let found = beginning.len();
        let message =
            format!("{found} bytes, expected at least the {LLM_C_BYTES} of llm.c's header");
        return Err(Error::new(ErrorKind::Truncated, message));
    }
    let version = word(beginning, 1).unwrap_or_default();
    if version == expected {
        return Ok(Some(stored));
    }
    let message = format!("version {version} of llm.c's header, expected {expected}");
    Err(Error::new(ErrorKind::Header, message).with_offset(4))
}

/// Whether there are as many tokens as the header of llm.c says.
fn check_count(beginning: &[u8], stored: TokenType, file_bytes: u64) -> Result<()> {
    let count =
        word(beginning, 2).and_then(|count| u64::try_from(count).ok()).ok_or_else(|| {
            let message = "a negative number of tokens in llm.c's header";
            Error::new(ErrorKind::Header, message).with_offset(8)
        })?;
    let expected = LLM_C_BYTES as u64 + count * stored.bytes() as u64;
    let kind = match file_bytes {
        found if found == expected => return Ok(()),
        found if found < expected => ErrorKind::Truncated,
        _ => ErrorKind::Trailing,
    };
    let message = format!("{file_bytes} bytes, expected {expected} for {count} tokens of {stored}");
    Err(Error::new(kind, message).with_offset(8))
}

/// That a file without a header needs to be told of, or what it is instead.
#[cold]
fn not_told(file: Section<'_>) -> Error {
    let untold = || {
        let message = "no header of llm.c and no .idx of Megatron says what the tokens are; tell it \
                       with .tokens(..), u16 being what nanoGPT writes";
        Error::new(ErrorKind::Config, message)
    };
    foreign::error(file, "a file of tokens").unwrap_or_else(untold)
}
