use std::fmt;
use std::sync::{Arc, PoisonError, RwLock};

use super::ciphers::Ciphers;
use super::period::Period;
use super::schedule::{Piece, Schedule};
use crate::{Error, ErrorKind, Key, Order, Population, Result};

/// One epoch of a mixture.
#[derive(Debug)]
pub(super) struct MixOrder {
    schedule: Arc<Schedule>,
    /// The pieces that this epoch has positions of.
    spans: Vec<Span>,
    ciphers: Ciphers,
    /// One for each part that has a sampler.
    sampled: Vec<Option<Sampled>>,
    repeats: bool,
}

/// Positions of this epoch from `first` on, up to the next span.
#[derive(Debug)]
pub(super) struct Span {
    first: usize,
    /// Where in the period the first one is.
    phase: u64,
    period: Arc<Period>,
    /// Where each part is at the beginning of that period.
    pub(super) places: Vec<Place>,
}

/// A position of an epoch of a part.
#[derive(Debug, Clone, Copy)]
pub(super) struct Place {
    pub(super) epoch: u64,
    position: u64,
}

impl Span {
    /// The positions of `piece` in an epoch that begins at `first`.
    fn new(piece: &Piece, schedule: &Schedule, first: u128, epoch: u64) -> Self {
        let start = u128::from(piece.start).max(first);
        let (turns, len) = (start - u128::from(piece.start), piece.period.len() as u128);
        let place = |part: usize| {
            let each = u128::from(schedule.parts[part].len).max(1);
            let had = u128::from(piece.had[part]) + turns / len * piece.period.count(part) as u128;
            // Beyond 2^64 epochs of a part the numbers begin again.
            let before = if schedule.renews { epoch } else { (had / each) as u64 };
            Place { epoch: before, position: (had % each) as u64 }
        };
        Self {
            first: (start - first) as usize,
            phase: (turns % len) as u64,
            period: piece.period.clone(),
            places: (0..schedule.parts.len()).map(place).collect(),
        }
    }

    /// The epoch that `part` has reached at most by the end of the `len` positions of the epoch.
    pub(super) fn last_epoch_of(&self, part: usize, len: usize, schedule: &Schedule) -> u64 {
        let turns = (len - self.first.min(len)) as u64 + self.phase;
        let rounds = turns / self.period.len() as u64 + 1;
        let had = rounds * self.period.count(part) as u64 + self.places[part].position;
        self.places[part].epoch.wrapping_add(had / schedule.parts[part].len.max(1))
    }

    /// Which part is at `position` of the epoch, and where in the part's own epochs.
    #[inline]
    fn at(&self, position: usize, schedule: &Schedule) -> (usize, Place) {
        let turns = (position - self.first) as u64 + self.phase;
        let len = self.period.len() as u64;
        let turn = self.period.turn((turns % len) as usize);
        let part = usize::from(turn.part);
        let Place { epoch, position } = self.places[part];
        let had = turns / len * self.period.count(part) as u64 + u64::from(turn.nth) + position;
        let each = schedule.parts[part].len;
        (part, Place { epoch: epoch.wrapping_add(had / each), position: had % each })
    }
}

impl MixOrder {
    pub(super) fn new(schedule: Arc<Schedule>, seed: u64, epoch: u64) -> Result<Self> {
        let len = schedule.len as u128;
        let first = schedule.start_of(epoch);
        // The one that the first position is in, and those that begin within the epoch.
        let begin = schedule.piece_at(first);
        let end = schedule.piece_at(first + len.max(1) - 1) + 1;
        let spans: Vec<Span> = schedule.pieces[begin..end]
            .iter()
            .map(|piece| Span::new(piece, &schedule, first, epoch))
            .collect();
        let sampled = (0..schedule.parts.len())
            .map(|part| Sampled::new(&schedule, part, seed, &spans))
            .collect::<Result<Vec<_>>>()?;
        let repeats = !schedule.renews || sampled.iter().flatten().any(|part| part.repeats);
        let ciphers = Ciphers::new(&schedule, seed, &spans);
        Ok(Self { schedule, spans, ciphers, sampled, repeats })
    }

    #[inline]
    fn span(&self, position: usize) -> &Span {
        if let [span] = &self.spans[..] {
            return span;
        }
        &self.spans[self.spans.partition_point(|span| span.first <= position) - 1]
    }
}

impl Order for MixOrder {
    fn len(&self) -> usize {
        self.schedule.len
    }

    fn index(&self, position: usize) -> usize {
        assert!(position < self.schedule.len, "position {position} of {}", self.schedule.len);
        let (part, place) = self.span(position).at(position, &self.schedule);
        let samples = &self.schedule.parts[part].samples;
        let within = match &self.sampled[part] {
            Some(sampled) => sampled.index(place),
            None => {
                let len = samples.len() as u64;
                self.ciphers.permute(part, len, place.epoch, place.position) as usize
            }
        };
        samples.start + within
    }

    fn repeats(&self) -> bool {
        self.repeats
    }
}

/// The order of one epoch of a part, and which epoch that is.
type Made = (u64, Arc<dyn Order>);

/// The orders of a part that has a sampler of its own.
struct Sampled {
    schedule: Arc<Schedule>,
    part: usize,
    seed: u64,
    repeats: bool,
    /// Even and odd epochs of the part: workers are at the same one, or at two that follow each other.
    kept: [RwLock<Option<Made>>; 2],
}

impl Sampled {
    /// `None` for a part that has none. The first order is made at once, so that a sampler which fails
    /// is an error rather than a panic.
    fn new(
        schedule: &Arc<Schedule>,
        part: usize,
        seed: u64,
        spans: &[Span],
    ) -> Result<Option<Self>> {
        if schedule.parts[part].sampler.is_none() || schedule.parts[part].len == 0 {
            return Ok(None);
        }
        let seed = Key::new(seed, 0).at(part as u64).bits();
        let schedule = schedule.clone();
        let mut sampled = Self { schedule, part, seed, repeats: false, kept: Default::default() };
        sampled.repeats = sampled.order(spans[0].places[part].epoch)?.repeats();
        Ok(Some(sampled))
    }

    fn order(&self, epoch: u64) -> Result<Arc<dyn Order>> {
        let kept = &self.kept[(epoch % 2) as usize];
        if let Some((of, order)) = &*kept.read().unwrap_or_else(PoisonError::into_inner)
            && *of == epoch
        {
            return Ok(order.clone());
        }
        let part = &self.schedule.parts[self.part];
        let samples = part.samples.len();
        let Some(sampler) = &part.sampler else { unreachable!("only parts with a sampler") };
        let order = sampler.order(&Population::of(samples), self.seed, epoch)?;
        if order.len() as u64 != part.len {
            let (found, expected) = (order.len(), part.len);
            let message = format!(
                "part {}: an order of {found} positions, expected the {expected} that its sampler promised",
                self.part
            );
            return Err(Error::new(ErrorKind::Config, message));
        }
        *kept.write().unwrap_or_else(PoisonError::into_inner) = Some((epoch, order.clone()));
        Ok(order)
    }

    fn index(&self, place: Place) -> usize {
        let order = self.order(place.epoch).unwrap_or_else(|error| panic!("{error}"));
        let index = order.index(place.position as usize);
        let samples = self.schedule.parts[self.part].samples.len();
        assert!(index < samples, "sample {index} of part {}, which has {samples}", self.part);
        index
    }
}

impl fmt::Debug for Sampled {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Sampled").field("part", &self.part).finish_non_exhaustive()
    }
}
