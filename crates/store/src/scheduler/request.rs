//! One request, and what it fills.

use std::ops::Range;
use std::sync::Arc;

use super::cell::{Cell, Fetched};
use super::room::{Class, Room};
use super::state::{Aim, Id, Key, Slot, Stage};
use crate::cache::{Hold, Pages};
use crate::request::Pieces;

/// One request, and the slots that it fills.
#[derive(Debug)]
pub(super) struct Request {
    pub(super) aim: Aim,
    pub(super) range: Range<u64>,
    pub(super) id: Id,
    pub(super) class: Class,
    /// How many bytes between its parts are fetched for nobody.
    pub(super) gaps: u64,
    pub(super) parts: Vec<Part>,
}

/// A slot that a request fills.
#[derive(Debug)]
pub(super) struct Part {
    pub(super) range: Range<u64>,
    pub(super) class: Class,
    pub(super) cell: Arc<Cell>,
    /// Keeps other processes from fetching it, if it is a page.
    pub(super) hold: Option<Hold>,
}

/// A page that came, to be written to the cache.
#[derive(Debug)]
pub(super) struct Page {
    pub(super) key: Key,
    pub(super) cell: Arc<Cell>,
    pub(super) pages: Arc<Pages>,
    pub(super) range: Range<u64>,
    pub(super) pieces: Pieces,
    pub(super) hold: Option<Hold>,
}

impl Part {
    /// What it gets of what came for a request. An object that is opened may be shorter than what was asked for.
    pub(super) fn of(&self, fetched: Fetched, request: &Range<u64>) -> Fetched {
        let Fetched { identity, pieces } = fetched;
        if *request == self.range {
            return Fetched { identity, pieces };
        }
        let range = self.range.start - request.start..self.range.end - request.start;
        Fetched { identity, pieces: pieces.part(range) }
    }

    /// The page that it is, if its object is kept.
    pub(super) fn page(&mut self, aim: &Aim, key: Key, fetched: Option<&Fetched>) -> Option<Page> {
        let pages = aim.pages().filter(|pages| pages.at(self.range.start) == self.range)?.clone();
        let pieces = fetched?.pieces.clone();
        let (cell, range, hold) = (self.cell.clone(), self.range.clone(), self.hold.take());
        Some(Page { key, cell, pages, range, pieces, hold })
    }
}

impl Request {
    pub(super) fn new(aim: Aim, id: Id, class: Class, range: Range<u64>) -> Self {
        Self { aim, range, id, class, gaps: 0, parts: Vec::new() }
    }

    pub(super) fn add(&mut self, start: u64, slot: &mut Slot, room: &mut Room) {
        slot.stage = Stage::UnderWay;
        room.add_bytes(slot.class, slot.end - start);
        self.range = self.range.start.min(start)..self.range.end.max(slot.end);
        let (range, cell) = (start..slot.end, slot.cell.clone());
        self.parts.push(Part { range, class: slot.class, cell, hold: None });
    }

    /// Asks for this slot as well, unless it is too far, and says whether.
    pub(super) fn extend(&mut self, start: u64, slot: &mut Slot, room: &mut Room) -> bool {
        let gap = match start >= self.range.end {
            true => start - self.range.end,
            false => self.range.start - slot.end,
        };
        let span = self.range.end.max(slot.end) - self.range.start.min(start);
        let gaps = self.gaps + gap;
        let is_near = gap <= room.budget.gap_bytes && gaps <= span - gaps;
        let is_small = span <= room.budget.request_bytes;
        let bytes = slot.end - start + gap;
        let fits = room.has_bytes(self.class, bytes) && room.has_bytes(slot.class, bytes);
        if slot.stage != Stage::Waiting || !is_near || !is_small || !fits {
            return false;
        }
        self.gaps = gaps;
        room.add_bytes(self.class, gap);
        self.add(start, slot, room);
        true
    }

    /// How many bytes it asks for.
    pub(super) fn bytes(&self) -> u64 {
        self.range.end - self.range.start
    }

    /// The pages among its parts, by start.
    pub(super) fn pages(&self) -> Option<(Arc<Pages>, Vec<Range<u64>>)> {
        let pages = self.aim.pages()?;
        let parts = self.parts.iter().map(|part| &part.range);
        let ranges = parts.filter(|range| pages.at(range.start) == **range).cloned().collect();
        Some((pages.clone(), ranges))
    }

    /// As several: `alone` says which parts, by start, are each by themselves.
    pub(super) fn split(mut self, alone: &[u64], room: &mut Room) -> Vec<Self> {
        self.parts.sort_unstable_by_key(|part| part.range.start);
        let mut requests: Vec<Self> = Vec::new();
        let mut was_alone = true;
        for part in self.parts {
            let is_alone = alone.contains(&part.range.start);
            match requests.last_mut().filter(|_| !is_alone && !was_alone) {
                Some(request) => {
                    request.gaps += part.range.start - request.range.end;
                    request.range.end = part.range.end;
                    request.parts.push(part);
                }
                None => {
                    let new = Self::new(self.aim.clone(), self.id, self.class, part.range.clone());
                    requests.push(Self { parts: vec![part], ..new });
                }
            }
            was_alone = is_alone;
        }
        (1..requests.len()).for_each(|_| room.add_request(self.class));
        let gaps = requests.iter().map(|request| request.gaps).sum::<u64>();
        room.free_bytes(self.class, self.gaps - gaps);
        requests
    }
}
