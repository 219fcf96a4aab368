//! A second reader of files of tokens, written from what nanoGPT, llm.c and Megatron write. It is short
//! and slow, and what the product reads is compared with it.

use std::ops::Range;

use tallow::RowDType;

use super::tokens::{By, Options};

/// What a file holds.
#[derive(Debug)]
pub(super) struct Corpus {
    format: Format,
    stored: Stored,
    tokens: Vec<i64>,
    /// The token after the last of each document, where an index says it and does not contradict itself.
    ends: Option<Vec<usize>>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Format {
    Raw,
    LlmC,
    Megatron,
}

/// Bytes of a token, and whether it has a sign.
type Stored = (usize, bool);

/// What a sample is: the tokens of its input and of its target, or `None` where one may not be delivered.
pub(super) type Expected = Option<[Vec<i64>; 2]>;

/// How a type of tokens is stored.
fn stored(dtype: RowDType) -> Stored {
    (dtype.size(), matches!(dtype, RowDType::I16 | RowDType::I32 | RowDType::I64))
}

/// The file `bin`, beside which `idx` may lie; `None` if it must be refused.
pub(super) fn read(bin: &[u8], idx: Option<&[u8]>, options: &Options) -> Option<Corpus> {
    let megatron = idx.filter(|idx| idx.starts_with(b"MMIDIDX\0\0"));
    let (format, stored, start, ends) = match megatron {
        Some(idx) => {
            let (stored, ends) = index(idx, bin.len())?;
            (Format::Megatron, stored, 0, ends)
        }
        None => match word(bin, 0) {
            Some(20_240_520) => (Format::LlmC, llm_c(bin, 1, 2)?, 1024, None),
            Some(20_240_801) => (Format::LlmC, llm_c(bin, 7, 4)?, 1024, None),
            Some(20_240_522) => return None,
            _ => (Format::Raw, stored(options.dtype.unwrap_or(RowDType::U16)), 0, None),
        },
    };
    let bytes = bin.get(start..).filter(|_| !bin.is_empty())?;
    if options.dtype.is_some_and(|told| self::stored(told) != stored) || bytes.len() % stored.0 != 0
    {
        return None;
    }
    let tokens = bytes.chunks(stored.0).map(|bytes| integer(bytes, stored.1)).collect();
    Some(Corpus { format, stored, tokens, ends })
}

fn word(bytes: &[u8], at: usize) -> Option<i64> {
    bytes.get(4 * at..4 * at + 4).map(|bytes| integer(bytes, true))
}

fn integer(bytes: &[u8], is_signed: bool) -> i64 {
    let fill = if is_signed && bytes[bytes.len() - 1] > 127 { 255 } else { 0 };
    let mut whole = [fill; 8];
    whole[..bytes.len()].copy_from_slice(bytes);
    i64::from_le_bytes(whole)
}

/// 256 words, of which the second is the version and the third the number of tokens.
fn llm_c(bin: &[u8], version: i64, bytes: usize) -> Option<Stored> {
    let count = usize::try_from(word(bin, 2)?).ok()?;
    let is_right = word(bin, 1)? == version && bin.len() == 1024 + count * bytes;
    is_right.then_some((bytes, false))
}

/// The type of the tokens, and where documents end, if what is needed for it is consistent.
fn index(idx: &[u8], bin_bytes: usize) -> Option<(Stored, Option<Vec<usize>>)> {
    let number = |at: usize, len: usize| idx.get(at..at + len).map(|it| integer(it, len == 4));
    let count = |at| number(at, 8).and_then(|it| usize::try_from(it).ok());
    let stored = match *idx.get(17)? {
        1 => (1, false),
        2 => (1, true),
        3 => (2, true),
        4 => (4, true),
        5 => (8, true),
        8 => (2, false),
        _ => return None,
    };
    let (sequences, bounds) = (count(18)?, count(26)?);
    let bytes = |each: usize| Some(34 + sequences.checked_mul(each)? + bounds.checked_mul(8)?);
    let is_whole = sequences <= idx.len() && bounds <= idx.len();
    let len = Some(idx.len()).filter(|_| is_whole);
    if number(9, 8)? != 1 || len.is_none() || (len != bytes(12) && len != bytes(13)) {
        return None;
    }
    let length = |at: usize| number(34 + 4 * at, 4);
    let pointer = |at: usize| number(34 + 4 * sequences + 8 * at, 8);
    let bound = |at: usize| number(34 + 12 * sequences + 8 * at, 8);
    let width = stored.0 as i128;
    let end = match sequences {
        0 => 0,
        _ => i128::from(pointer(sequences - 1)?) + i128::from(length(sequences - 1)?) * width,
    };
    if end != bin_bytes as i128 || (sequences > 0 && length(sequences - 1)? < 0) {
        return None;
    }
    let mut starts = vec![0];
    for at in 0..sequences {
        let start = starts[at];
        if length(at)? < 0 || i128::from(pointer(at)?) != start * width {
            return Some((stored, None));
        }
        starts.push(start + i128::from(length(at)?));
    }
    let bounds: Vec<i64> = (0..bounds).map(bound).collect::<Option<_>>()?;
    let are_right = match (bounds.first(), bounds.last()) {
        (Some(0), Some(&last)) => bounds.is_sorted() && last == sequences as i64,
        (None, None) => sequences == 0,
        _ => false,
    };
    let ends = bounds.iter().skip(1).map(|&bound| starts[bound as usize] as usize);
    Some((stored, are_right.then(|| ends.collect())))
}

/// All samples of the files; `None` if they must be refused together. The second part says why they
/// may be refused all the same.
pub(super) fn samples(files: &[Corpus], options: &Options) -> Option<(Vec<Expected>, bool)> {
    let first = files.first()?;
    let tokens: Vec<i64> = files.iter().flat_map(|file| &file.tokens).copied().collect();
    let are_alike =
        files.iter().all(|file| (file.format, file.stored) == (first.format, first.stored));
    if !are_alike || tokens.is_empty() {
        return None;
    }
    let (read, is_odd) = match options.documents {
        Some(by) => documents(files, &tokens, by, options)?,
        None => (windows(files, tokens.len(), options), false),
    };
    let beyond = usize::from(options.has_targets());
    let allowed = match (options.vocabulary, options.wide) {
        (Some(vocabulary), _) => 0..i64::from(vocabulary),
        (None, false) => 0..1 << 32,
        (None, true) => i64::MIN..i64::MAX,
    };
    let sample = |range: &Range<usize>| {
        let own = &tokens[range.clone()];
        let shared = own.len().saturating_sub(beyond);
        let are_allowed = own.iter().all(|token| allowed.contains(token));
        are_allowed.then(|| [own[..shared].to_vec(), own[own.len() - shared..].to_vec()])
    };
    (!read.is_empty()).then(|| (read.iter().map(sample).collect(), is_odd))
}

/// The tokens that each window reads.
fn windows(files: &[Corpus], tokens: usize, options: &Options) -> Vec<Range<usize>> {
    let is_kept = options.are_kept.unwrap_or(files[0].format == Format::LlmC);
    let streams = match is_kept {
        true => files.iter().map(|file| file.tokens.len()).collect(),
        false => vec![tokens],
    };
    let (length, beyond) = (options.length.unwrap_or(1024), usize::from(options.has_targets()));
    let stride = options.stride.unwrap_or(length);
    let (mut all, mut start) = (Vec::new(), 0);
    for stream in streams {
        let (mut at, mut seen) = (0, 0);
        while at + length + beyond <= stream {
            seen = at + length + beyond;
            all.push(start + at..start + seen);
            at += stride;
        }
        // A shorter one has an input at least, and a token that no other has.
        if options.has_tail && at + beyond < stream && seen < stream {
            all.push(start + at..start + (at + length + beyond).min(stream));
        }
        start += stream;
    }
    all
}

type Read = (Vec<Range<usize>>, bool);

/// The tokens that each document reads. They may be refused if no input has any.
fn documents(files: &[Corpus], tokens: &[i64], by: By, options: &Options) -> Option<Read> {
    let ends: Vec<usize> = match by {
        By::Index => {
            let (mut all, mut start) = (Vec::new(), 0);
            for file in files {
                all.extend(file.ends.as_ref()?.iter().map(|end| start + end));
                start += file.tokens.len();
            }
            all
        }
        By::Last(token) => {
            let is_end = |at: &usize| *at == tokens.len() || tokens[at - 1] == i64::from(token);
            (1..=tokens.len()).filter(is_end).collect()
        }
        By::First(token) => {
            let is_end = |at: &usize| *at == tokens.len() || tokens[*at] == i64::from(token);
            (1..=tokens.len()).filter(is_end).collect()
        }
    };
    let beyond = usize::from(options.has_targets());
    let (mut read, mut start) = (Vec::new(), 0);
    for end in ends {
        let most = options.most.map_or(usize::MAX, |(most, _)| most);
        let input = (end - start).saturating_sub(beyond);
        if input > most && options.most.is_some_and(|(_, is_cut)| !is_cut) {
            return None;
        }
        read.push(start..if input > most { start + most + beyond } else { end });
        start = end;
    }
    let is_odd = read.iter().all(|range| range.len() <= beyond);
    Some((read, is_odd))
}
