//! Files of tokens of all three kinds, some of them damaged, as windows and as documents, compared with a
//! second reader.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use tallow::{
    DocumentsBy, FileBorders, RowBuffer, RowDType, Source, SourceResult, Tail, TokenFiles, TooLong,
};

use super::corpus::{self, Corpus, Expected};
use super::{Target, words};
use crate::dice::{Dice, scramble};

pub(super) struct Tokens;

/// How a case is opened.
#[derive(Debug, Clone)]
pub(super) struct Options {
    pub(super) dtype: Option<RowDType>,
    pub(super) length: Option<usize>,
    pub(super) stride: Option<usize>,
    pub(super) are_kept: Option<bool>,
    pub(super) has_tail: bool,
    pub(super) documents: Option<By>,
    /// The most tokens of a document, and whether longer ones are cut.
    pub(super) most: Option<(usize, bool)>,
    pub(super) targets: Option<bool>,
    pub(super) vocabulary: Option<u32>,
    pub(super) wide: bool,
}

/// What tells documents from one another.
#[derive(Debug, Clone, Copy)]
pub(super) enum By {
    Index,
    Last(u32),
    First(u32),
}

/// The options of a case come from the number in this file.
const OPTIONS: &str = "options";

const DTYPES: [RowDType; 6] =
    [RowDType::U8, RowDType::U16, RowDType::I16, RowDType::U32, RowDType::I32, RowDType::I64];

impl Options {
    fn of(number: u64) -> Self {
        let dice = &mut Dice::new(number, 0);
        let some = |dice: &mut Dice, count: usize, below: usize| {
            dice.one_in(count).then(|| dice.below(below))
        };
        let documents = dice.one_in(2).then(|| match dice.below(3) {
            0 => By::Index,
            1 => By::Last(dice.below(4) as u32),
            _ => By::First(dice.below(4) as u32),
        });
        let is_window = documents.is_none();
        Self {
            dtype: dice.one_in(3).then(|| *dice.pick(&DTYPES)),
            length: is_window.then(|| 1 + dice.below(12)),
            stride: some(dice, 3, 16).filter(|_| is_window).map(|stride| 1 + stride),
            are_kept: some(dice, 3, 2).filter(|_| is_window).map(|it| it == 0),
            has_tail: is_window && dice.one_in(2),
            most: some(dice, 2, 24).filter(|_| !is_window).map(|most| (most, most % 4 > 0)),
            documents,
            targets: some(dice, 2, 2).map(|it| it == 0),
            vocabulary: some(dice, 3, 6).map(|tokens| tokens as u32),
            wide: dice.one_in(3),
        }
    }

    pub(super) fn has_targets(&self) -> bool {
        self.targets.unwrap_or(self.documents.is_none())
    }

    fn open(&self, files: &[PathBuf]) -> SourceResult<TokenFiles> {
        let mut builder = TokenFiles::builder(files);
        if let Some(dtype) = self.dtype {
            builder = builder.dtype(dtype);
        }
        if let Some(length) = self.length {
            builder = builder.length(length);
        }
        if let Some(stride) = self.stride {
            builder = builder.stride(stride);
        }
        if let Some(are_kept) = self.are_kept {
            let borders = if are_kept { FileBorders::Kept } else { FileBorders::Crossed };
            builder = builder.file_borders(borders);
        }
        if self.has_tail {
            builder = builder.tail(Tail::Keep);
        }
        if let Some(by) = self.documents {
            builder = builder.documents(match by {
                By::Index => DocumentsBy::Index,
                By::Last(token) => DocumentsBy::LastToken(token),
                By::First(token) => DocumentsBy::FirstToken(token),
            });
        }
        if let Some((most, is_cut)) = self.most {
            builder = builder.at_most(most, if is_cut { TooLong::Cut } else { TooLong::Refuse });
        }
        builder = match self.targets {
            Some(true) => builder.with_targets(),
            Some(false) => builder.without_targets(),
            None => builder,
        };
        if let Some(vocabulary) = self.vocabulary {
            builder = builder.vocabulary(vocabulary);
        }
        if self.wide { builder.as_i64().open() } else { builder.open() }
    }
}

impl Target for Tokens {
    /// Longer than a source waits if a file was just written.
    fn rests_for(&self) -> Duration {
        Duration::from_millis(100)
    }

    fn make(&self, dice: &mut Dice, dir: &Path) -> io::Result<()> {
        let number = dice.below(usize::MAX) as u64;
        fs::write(dir.join(OPTIONS), number.to_string())?;
        let options = Options::of(number);
        let kind = Kind::random(dice, &options);
        for at in 0..1 + dice.below(3) {
            let kind = if dice.one_in(20) { Kind::random(dice, &options) } else { kind };
            let (mut bin, mut idx) = kind.files(dice);
            if dice.one_in(4) {
                damage(&mut bin, idx.as_mut(), dice);
            }
            fs::write(dir.join(format!("{at}.bin")), bin)?;
            if let Some(idx) = idx {
                fs::write(dir.join(format!("{at}.idx")), idx)?;
            }
        }
        Ok(())
    }

    fn run(&self, dir: &Path) -> Result<usize, String> {
        let number = fs::read_to_string(dir.join(OPTIONS)).map_err(|error| error.to_string())?;
        let number = number.trim().parse().map_err(|_| format!("{number:?} in {OPTIONS}"))?;
        let options = Options::of(number);
        let (mut paths, mut files) = (Vec::new(), Vec::new());
        for at in 0.. {
            let path = dir.join(format!("{at}.bin"));
            let Ok(bin) = fs::read(&path) else { break };
            let idx = fs::read(path.with_extension("idx")).ok();
            files.push(corpus::read(&bin, idx.as_deref(), &options));
            paths.push(path);
        }
        let files: Option<Vec<Corpus>> = files.into_iter().collect();
        let expected = files.and_then(|files| corpus::samples(&files, &options));
        let source = match (options.open(&paths), &expected) {
            (Ok(source), Some(_)) => source,
            (Ok(source), None) => {
                return Err(format!("{options:?}: opened as {}", source.schema()));
            }
            (Err(error), Some((_, false))) => return Err(format!("{options:?}: refused: {error}")),
            (Err(error), _) => return words::check(&error.to_string()).map(|()| 0),
        };
        let (samples, _) = expected.unwrap_or_default();
        compare(&source, &samples, &options).map_err(|what| format!("{options:?}: {what}"))?;
        Ok(0)
    }
}

fn compare(source: &TokenFiles, samples: &[Expected], options: &Options) -> Result<(), String> {
    if source.len() != samples.len() {
        return Err(format!("{} samples of {}", source.len(), samples.len()));
    }
    let mut buffer = RowBuffer::new(source.schema()).map_err(|error| error.to_string())?;
    for (index, expected) in samples.iter().enumerate() {
        let read = source.read(index, &mut buffer.row(None)).and_then(|()| buffer.finish());
        let fields = match (read, expected) {
            (Ok(()), Some(fields)) => &fields[..1 + usize::from(options.has_targets())],
            (Ok(()), None) => return Err(format!("sample {index} was read")),
            (Err(error), Some(_)) => return Err(format!("sample {index} was refused: {error}")),
            (Err(error), None) => {
                words::check(&error.to_string())?;
                continue;
            }
        };
        for (at, expected) in fields.iter().enumerate() {
            let field = buffer.view().field(at);
            let found: Vec<i64> = match options.wide {
                true => field.as_slice::<i64>().map(<[i64]>::to_vec),
                false => field.as_slice::<u32>().map(|it| it.iter().map(|&it| it.into()).collect()),
            }
            .map_err(|error| error.to_string())?;
            if found != *expected {
                let name = field.name();
                return Err(format!("sample {index}, {name}: {found:?}, expected {expected:?}"));
            }
        }
    }
    Ok(())
}

/// A kind of files.
#[derive(Debug, Clone, Copy)]
enum Kind {
    /// Of tokens of so many bytes.
    Raw(usize),
    /// Of tokens of 2 bytes or of 4.
    LlmC(usize),
    /// With this number for the type of its tokens.
    Megatron(u8),
}

impl Kind {
    /// Mostly one that can be opened with these options.
    fn random(dice: &mut Dice, options: &Options) -> Self {
        let is_indexed = matches!(options.documents, Some(By::Index)) && !dice.one_in(10);
        let told = options.dtype.filter(|_| !dice.one_in(10));
        let bytes = told.map_or(2, RowDType::size);
        let codes: &[u8] = match told {
            Some(RowDType::U8) => &[1],
            Some(RowDType::U16) => &[8],
            Some(RowDType::I16) => &[3],
            Some(RowDType::I32) => &[4],
            Some(RowDType::I64) => &[5],
            _ => &[1, 2, 3, 4, 5, 8],
        };
        match dice.below(4) {
            0 if !is_indexed => Self::Raw(bytes),
            1 if !is_indexed => Self::LlmC(if bytes == 4 { 4 } else { 2 }),
            _ => Self::Megatron(if dice.one_in(40) { 6 } else { *dice.pick(codes) }),
        }
    }

    fn bytes(self) -> usize {
        match self {
            Self::Raw(bytes) | Self::LlmC(bytes) => bytes,
            Self::Megatron(1 | 2) => 1,
            Self::Megatron(3 | 8) => 2,
            Self::Megatron(5 | 6) => 8,
            Self::Megatron(_) => 4,
        }
    }

    /// The file of tokens, and its index.
    fn files(self, dice: &mut Dice) -> (Vec<u8>, Option<Vec<u8>>) {
        let sequences: Vec<usize> = (0..dice.below(7)).map(|_| dice.below(14)).collect();
        let count: usize = sequences.iter().sum();
        let mut bin = Vec::new();
        if let Self::LlmC(bytes) = self {
            let (magic, version) = if bytes == 2 { (20_240_520, 1) } else { (20_240_801, 7) };
            let mut words = [0i32; 256];
            words[..3].copy_from_slice(&[magic, version, count as i32]);
            bin.extend(words.iter().flat_map(|word| word.to_le_bytes()));
        }
        for _ in 0..count {
            let mut token = vec![0; self.bytes()];
            token[0] = dice.below(4) as u8;
            if dice.one_in(60) {
                token = dice.bytes(self.bytes());
            }
            bin.extend(token);
        }
        if !matches!(self, Self::LlmC(_)) && bin.len() >= 4 && dice.one_in(40) {
            // As a header of llm.c begins.
            bin[..4].copy_from_slice(&20_240_520i32.to_le_bytes());
        }
        let Self::Megatron(code) = self else { return (bin, None) };
        (bin, Some(index(&sequences, code, self.bytes(), dice)))
    }
}

/// Megatron's index of these sequences, which are put together to documents by chance.
fn index(sequences: &[usize], code: u8, bytes: usize, dice: &mut Dice) -> Vec<u8> {
    let mut bounds = vec![0u64];
    for at in 0..=sequences.len() {
        if at == sequences.len() || dice.one_in(2) {
            (0..if dice.one_in(8) { 2 } else { 1 }).for_each(|_| bounds.push(at as u64));
        }
    }
    if dice.one_in(40) {
        bounds.clear();
    }
    let mut idx = b"MMIDIDX\0\0".to_vec();
    idx.extend(1u64.to_le_bytes());
    idx.push(code);
    idx.extend((sequences.len() as u64).to_le_bytes());
    idx.extend((bounds.len() as u64).to_le_bytes());
    idx.extend(sequences.iter().flat_map(|&length| (length as u32).to_le_bytes()));
    let mut pointer = 0;
    for length in sequences {
        idx.extend((pointer as u64).to_le_bytes());
        pointer += length * bytes;
    }
    idx.extend(bounds.iter().flat_map(|bound| bound.to_le_bytes()));
    if dice.one_in(4) {
        // The modes of sequences.
        idx.resize(idx.len() + sequences.len(), 0);
    }
    idx
}

/// Changes something, mostly a number of the index or of the header.
fn damage(bin: &mut Vec<u8>, idx: Option<&mut Vec<u8>>, dice: &mut Dice) {
    let is_index = idx.is_some() && !dice.one_in(4);
    let bytes = match idx {
        Some(idx) if is_index => idx,
        _ => bin,
    };
    match dice.below(8) {
        0 => bytes.truncate(dice.below(bytes.len() + 1)),
        1 => scramble(bytes, dice),
        2 => {
            let len = 1 + dice.below(16);
            bytes.extend(dice.bytes(len));
        }
        _ if !bytes.is_empty() => {
            let most = if is_index { bytes.len() } else { bytes.len().min(16) };
            let at = dice.below(most);
            let len = *dice.pick(&[1, 1, 4, 8]);
            let value = *dice.pick(&[0, 0, 1, 2, 3, 127, 128, 255]);
            bytes.iter_mut().skip(at).take(len).for_each(|byte| *byte = value);
        }
        _ => {}
    }
}
