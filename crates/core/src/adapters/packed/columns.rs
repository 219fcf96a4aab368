//! The fields of a packed row, and how each is written.

use super::Targets;
use super::documents::Piece;
use crate::{Element, Error, ErrorKind, Field, FieldMut, Result, RowDType, Run};

/// A field of a packed row.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Column {
    Input,
    Target,
    Mask,
    Segments,
    Positions,
    Bounds,
}

/// What all rows have in common.
#[derive(Debug)]
pub(super) struct Format {
    /// Tokens of a row.
    pub(super) length: usize,
    pub(super) dtype: RowDType,
    /// The token where there is none.
    pub(super) padding: i64,
    pub(super) targets: Targets,
    /// The most pieces of a row.
    pub(super) pieces: usize,
    /// 0 to `length`: what positions are copied from.
    pub(super) counting: Vec<u32>,
}

/// The pieces of a row and their tokens, each with the token after it if the document goes on.
#[derive(Debug, Default)]
pub(super) struct Content {
    pub(super) pieces: Vec<Piece>,
    tokens: Vec<u64>,
}

impl Content {
    /// Bytes up to which a thread keeps it: more than any row that a model takes.
    const KEPT_MAX: usize = 1 << 20;

    /// Whether it is small enough to be kept.
    pub(super) fn is_small(&self) -> bool {
        size_of_val(&self.tokens[..]) + size_of_val(&self.pieces[..]) <= Self::KEPT_MAX
    }

    /// The pieces, and memory of the tokens to be read: `size` bytes each.
    pub(super) fn parts(&mut self, size: usize) -> (&[Piece], &mut [u8]) {
        let tokens: usize = self.pieces.iter().map(Piece::reads).sum();
        let words = (tokens * size).div_ceil(size_of::<u64>());
        if self.tokens.len() < words {
            self.tokens.resize(words, 0);
        }
        let bytes = bytemuck::cast_slice_mut(&mut self.tokens[..words]);
        (&self.pieces, &mut bytes[..tokens * size])
    }

    /// Each piece and its tokens, the one after it included.
    fn runs<T: Element>(&self) -> impl Iterator<Item = (&Piece, &[T])> {
        let mut tokens: &[T] = bytemuck::cast_slice(&self.tokens);
        self.pieces.iter().map(move |piece| {
            let (own, rest) = tokens.split_at(piece.reads());
            tokens = rest;
            (piece, own)
        })
    }
}

/// Runs `$run` on the Rust type of tokens of `$dtype`.
macro_rules! of_type {
    ($dtype:expr, $run:ident) => {
        match $dtype {
            RowDType::U8 => $run!(u8),
            RowDType::U16 => $run!(u16),
            RowDType::U32 => $run!(u32),
            RowDType::I16 => $run!(i16),
            RowDType::I32 => $run!(i32),
            _ => $run!(i64),
        }
    };
}

impl Format {
    /// Whether `value` is one of the type of tokens.
    pub(super) fn check_token(&self, value: i64) -> Result<()> {
        macro_rules! fits {
            ($token:ty) => {
                <$token>::try_from(value).is_ok()
            };
        }
        if of_type!(self.dtype, fits) {
            return Ok(());
        }
        let message = format!("the padding is {value}, expected a value of {}", self.dtype);
        Err(Error::new(ErrorKind::Config, message))
    }

    /// Whether the tokens of a row are needed for `column`.
    pub(super) fn needs_tokens(column: Column) -> bool {
        matches!(column, Column::Input | Column::Target)
    }

    pub(super) fn field(&self, column: Column) -> Field {
        let of = |name, dtype| Field::new(name, dtype, &[self.length]);
        match column {
            Column::Input => of("input", self.dtype),
            Column::Target => match self.targets {
                Targets::Ignored(_) => of("target", RowDType::I64),
                Targets::None | Targets::Masked => of("target", self.dtype),
            },
            Column::Mask => of("mask", RowDType::U8),
            Column::Segments => of("segments", RowDType::U32),
            Column::Positions => of("positions", RowDType::U32),
            // A first 0, and an end of what is padded.
            Column::Bounds => Field::new("cu_seqlens", RowDType::U32, &[self.pieces + 2]),
        }
    }

    pub(super) fn write(
        &self,
        column: Column,
        content: &Content,
        field: &mut FieldMut<'_>,
    ) -> Result<()> {
        macro_rules! input {
            ($token:ty) => {
                self.input::<$token>(content, self.padding as $token, field)
            };
        }
        macro_rules! target {
            ($token:ty) => {{
                let padding = self.padding as $token;
                self.target(content, |token: $token| token, padding, field)
            }};
        }
        match (column, self.targets) {
            (Column::Input, _) => of_type!(self.dtype, input),
            (Column::Target, Targets::Ignored(ignored)) => {
                macro_rules! wide_target {
                    ($token:ty) => {
                        self.target(content, |token: $token| i64::from(token), ignored, field)
                    };
                }
                of_type!(self.dtype, wide_target)
            }
            (Column::Target, _) => of_type!(self.dtype, target),
            (Column::Mask, _) => self.mask(content, field),
            (Column::Segments, _) => self.segments(content, field),
            (Column::Positions, _) => self.positions(content, field),
            (Column::Bounds, _) => self.bounds(content, field),
        }
    }

    /// Writes the whole field, of which `write` may leave the end, which becomes `rest`.
    fn whole<T: Element>(
        &self,
        rest: T,
        field: &mut FieldMut<'_>,
        write: impl FnOnce(&mut Run<'_, T>),
    ) -> Result<()> {
        let len = field.declared().max_elements();
        let mut whole = field.pieces::<T>(len)?;
        let mut run = whole.run(0..1);
        write(&mut run);
        let left = run.left();
        run.fill(rest, left);
        Ok(())
    }

    fn input<T: Element>(
        &self,
        content: &Content,
        padding: T,
        field: &mut FieldMut<'_>,
    ) -> Result<()> {
        self.whole(padding, field, |run| {
            content.runs::<T>().for_each(|(piece, tokens)| run.copy(&tokens[..piece.len]));
        })
    }

    fn target<T: Element, U: Element>(
        &self,
        content: &Content,
        convert: impl Fn(T) -> U,
        ignored: U,
        field: &mut FieldMut<'_>,
    ) -> Result<()> {
        /// Tokens that are converted together: enough for any vector.
        const TOGETHER: usize = 32;
        self.whole(ignored, field, |run| {
            for (piece, tokens) in content.runs::<T>() {
                let (blocks, rest) = tokens[1..].as_chunks::<TOGETHER>();
                let all = blocks.iter().map(|block| block.map(&convert));
                run.extend(all);
                run.extend(rest.iter().map(|&token| [convert(token)]));
                run.fill(ignored, usize::from(!piece.goes_on));
            }
        })
    }

    fn mask(&self, content: &Content, field: &mut FieldMut<'_>) -> Result<()> {
        self.whole(0u8, field, |run| {
            for piece in &content.pieces {
                run.fill(1, piece.reads() - 1);
                run.fill(0, usize::from(!piece.goes_on));
            }
        })
    }

    fn segments(&self, content: &Content, field: &mut FieldMut<'_>) -> Result<()> {
        self.whole(0, field, |run| {
            (1u32..).zip(&content.pieces).for_each(|(number, piece)| run.fill(number, piece.len));
        })
    }

    fn positions(&self, content: &Content, field: &mut FieldMut<'_>) -> Result<()> {
        self.whole(0, field, |run| {
            content.pieces.iter().for_each(|piece| run.copy(&self.counting[..piece.len]));
        })
    }

    fn bounds(&self, content: &Content, field: &mut FieldMut<'_>) -> Result<()> {
        self.whole(self.length as u32, field, |run| {
            let mut end = 0;
            run.fill(end, 1);
            for piece in &content.pieces {
                end += piece.len as u32;
                run.fill(end, 1);
            }
        })
    }
}
