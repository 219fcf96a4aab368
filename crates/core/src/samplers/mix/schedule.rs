use std::fmt;
use std::ops::Range;
use std::sync::Arc;

use super::ciphers::Ciphers;
use super::period::{Period, whole_counts};
use super::{Mix, Until};
use crate::{Error, ErrorKind, Population, Result, Sampler};

/// Which turn of which part each position is, for one population.
#[derive(Debug)]
pub(super) struct Schedule {
    pub(super) parts: Vec<Part>,
    /// Sorted by their first positions; the first is at 0.
    pub(super) pieces: Vec<Piece>,
    /// Positions of an epoch.
    pub(super) len: usize,
    /// Whether each epoch begins at position 0, instead of where the one before ended.
    pub(super) renews: bool,
}

/// A part of the source.
pub(super) struct Part {
    pub(super) samples: Range<usize>,
    /// Positions of an epoch of the part.
    pub(super) len: u64,
    /// `None` for a part that is shuffled.
    pub(super) sampler: Option<Arc<dyn Sampler>>,
}

/// Positions from `start` on, up to the next piece, that repeat one period.
#[derive(Debug)]
pub(super) struct Piece {
    pub(super) start: u64,
    pub(super) period: Arc<Period>,
    /// The turns that each part had before.
    pub(super) had: Vec<u64>,
}

impl Piece {
    /// The turns that `part` had before `position`, which is in this piece.
    fn had_before(&self, part: usize, position: u128) -> u128 {
        let (at, len) = (position - u128::from(self.start), self.period.len() as u128);
        let count = self.period.count(part) as u128;
        let begun = self.period.count_before(part, (at % len) as usize) as u128;
        u128::from(self.had[part]) + at / len * count + begun
    }

    /// Where `part` has its turn `ordinal`, if this piece went on for ever; `None` where it has none, or
    /// beyond what can be counted.
    fn position_of(&self, part: usize, ordinal: u64) -> Option<u64> {
        let count = self.period.count(part) as u64;
        let after = ordinal.checked_sub(self.had[part])?;
        let rounds = after.checked_div(count)?;
        let place = self.period.place(part, (after % count) as usize) as u64;
        rounds.checked_mul(self.period.len() as u64)?.checked_add(place)?.checked_add(self.start)
    }

    /// The piece after this one, from `start` on.
    fn then(&self, start: u64, period: Arc<Period>) -> Self {
        let had = |part| self.had_before(part, u128::from(start)) as u64;
        let had = (0..self.had.len()).map(had).collect();
        Self { start, period, had }
    }
}

impl Schedule {
    /// An epoch must be this short, so that no position overflows.
    const LEN_MAX: u64 = 1 << 62;

    pub(super) fn new(mix: &Mix, population: &Population) -> Result<Self> {
        let parts = parts(mix, population)?;
        let renews = mix.until == Until::EachOnce;
        let pieces = if renews { pieces_once(mix, &parts)? } else { pieces(mix) };
        let mut schedule = Self { parts, pieces, len: 0, renews };
        let len = schedule.epoch_len(mix)?;
        schedule.len = match usize::try_from(len) {
            Ok(positions) if len <= Self::LEN_MAX => positions,
            _ => {
                let message = format!("an epoch of {len} samples, expected at most 2^62");
                return Err(Error::new(ErrorKind::TooLarge, message));
            }
        };
        Ok(schedule)
    }

    /// Where epoch `epoch` begins, counted over all epochs whose positions follow each other.
    pub(super) fn start_of(&self, epoch: u64) -> u128 {
        if self.renews { 0 } else { u128::from(epoch) * self.len as u128 }
    }

    /// The piece that a position is in, counted from [`start_of`](Self::start_of) epoch 0.
    pub(super) fn piece_at(&self, position: u128) -> usize {
        self.pieces.partition_point(|piece| u128::from(piece.start) <= position) - 1
    }

    /// How often each part was seen before position `position` of epoch `epoch`.
    pub(super) fn seen(&self, epoch: u64, position: usize) -> Vec<f64> {
        let at = self.start_of(epoch) + position as u128;
        let piece = &self.pieces[self.piece_at(at)];
        let seen = |(number, part): (usize, &Part)| {
            let comes = part.len > 0 && self.pieces[0].period.count(number) > 0;
            let before = if self.renews && comes { epoch as f64 } else { 0.0 };
            before + piece.had_before(number, at) as f64 / part.len.max(1) as f64
        };
        self.parts.iter().enumerate().map(seen).collect()
    }

    fn epoch_len(&self, mix: &Mix) -> Result<u64> {
        let ever = |part: &usize| mix.stages.iter().any(|stage| stage.weights[*part] > 0.0);
        let parts = (0..self.parts.len()).filter(ever);
        match mix.until {
            Until::Samples(samples) => Ok(samples as u64),
            Until::EachOnce => Ok(parts.map(|part| self.parts[part].len).sum()),
            Until::FirstEnds => match parts.filter_map(|part| self.end_of(part)).min() {
                Some(end) => Ok(end),
                None => self.endless(0),
            },
            Until::AllSeen => {
                let end = |part| self.end_of(part).map_or_else(|| self.endless(part), Ok);
                parts.map(end).try_fold(0, |last, end| Ok(last.max(end?)))
            }
        }
    }

    fn endless<T>(&self, part: usize) -> Result<T> {
        let message = format!(
            "part {part} of {} samples is never seen wholly with these weights; choose the length of an \
             epoch with .until(Until::Samples(..))",
            self.parts[part].len
        );
        Err(Error::new(ErrorKind::Config, message))
    }

    /// The position after the one where `part` was seen wholly for the first time.
    fn end_of(&self, part: usize) -> Option<u64> {
        let last = self.parts[part].len - 1;
        let ends = self.pieces.iter().skip(1).map(|piece| piece.start).chain([u64::MAX]);
        let mut pieces = self.pieces.iter().zip(ends);
        pieces
            .find_map(|(piece, end)| piece.position_of(part, last).filter(|&at| at < end))?
            .checked_add(1)
    }

    /// Bytes of tables that an order holds, together with what all orders share.
    pub(super) fn bytes(&self) -> usize {
        let tables = |piece: &Piece| piece.period.len() * 6 + self.parts.len() * 36;
        let orders = |part: &Part| match &part.sampler {
            Some(sampler) => 2 * sampler.order_bytes(&Population::of(part.samples.len())),
            None => 0,
        };
        self.pieces.iter().map(tables).sum::<usize>()
            + self.parts.iter().map(orders).sum::<usize>()
            + Ciphers::bytes_for(self)
    }
}

fn parts(mix: &Mix, population: &Population) -> Result<Vec<Part>> {
    let (found, expected) = (mix.samplers.len(), population.parts());
    if found != expected {
        let message = format!(
            "found {found} weights for a source of {expected} parts, expected one for each source of a \
             concatenation"
        );
        return Err(Error::new(ErrorKind::Config, message));
    }
    let part = |(part, sampler): (usize, &Option<Arc<dyn Sampler>>)| {
        let samples = population.part(part);
        let len = match sampler {
            Some(sampler) => sampler.len(&Population::of(samples.len()))?,
            None => samples.len(),
        };
        let weight =
            mix.stages.iter().map(|stage| stage.weights[part]).find(|&weight| weight > 0.0);
        match weight {
            Some(weight) if len == 0 => {
                let message = format!(
                    "part {part} has a weight of {weight} and no samples, expected a weight of 0"
                );
                Err(Error::new(ErrorKind::Config, message))
            }
            _ => Ok(Part { samples, len: len as u64, sampler: sampler.clone() }),
        }
    };
    mix.samplers.iter().enumerate().map(part).collect()
}

/// A piece for each stage.
fn pieces(mix: &Mix) -> Vec<Piece> {
    let mut pieces: Vec<Piece> = Vec::with_capacity(mix.stages.len());
    for stage in &mix.stages {
        let piece = match pieces.last() {
            Some(before) => before.then(stage.start, stage.period.clone()),
            None => {
                Piece { start: 0, period: stage.period.clone(), had: vec![0; mix.samplers.len()] }
            }
        };
        pieces.push(piece);
    }
    pieces
}

/// A piece for each number of parts that have not ended.
fn pieces_once(mix: &Mix, parts: &[Part]) -> Result<Vec<Piece>> {
    let [stage] = &mix.stages[..] else {
        let message = "weights that change need parts that begin again, found Until::EachOnce";
        return Err(Error::new(ErrorKind::Config, message));
    };
    let mut weights = stage.weights.clone();
    let mut left: Vec<usize> = (0..parts.len()).filter(|&part| weights[part] > 0.0).collect();
    if left.len() > Mix::ONCE_MAX {
        let (found, most) = (left.len(), Mix::ONCE_MAX);
        let message = format!("{found} parts with Until::EachOnce, expected at most {most}");
        return Err(Error::new(ErrorKind::TooLarge, message));
    }
    // All periods together have about as many turns as the longest one may have.
    let most = (Period::TURNS_MAX / left.len()).max(left.len());
    let mut pieces = pieces(mix);
    loop {
        let last = &pieces[pieces.len() - 1];
        let end = |&part: &usize| last.position_of(part, parts[part].len - 1).map(|at| (at, part));
        // Where no end can be counted, the length is refused.
        let Some((at, ended)) = left.iter().filter_map(end).min() else { return Ok(pieces) };
        left.retain(|&part| part != ended);
        weights[ended] = 0.0;
        let Some(next) = at.checked_add(1).filter(|_| !left.is_empty()) else { return Ok(pieces) };
        let period = Arc::new(Period::new(&whole_counts(&weights, most)));
        pieces.push(last.then(next, period));
    }
}

impl fmt::Debug for Part {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut debug = f.debug_struct("Part");
        debug.field("samples", &self.samples).field("len", &self.len).finish_non_exhaustive()
    }
}
