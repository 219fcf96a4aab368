//! One request, and what it fills.

use std::ops::Range;
use std::sync::Arc;

use super::cell::{Cell, Fetched};
use super::room::{Class, Room};
use super::state::{Aim, Id, Key, Slot, Stage};
use crate::cache::{Entry, Hold, Opened, Pages, Turn, record_of};
use crate::clients::Place;

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
    /// What the cache keeps of it.
    entries: Vec<Entry>,
}

/// What came for a slot and is to be written to the cache.
#[derive(Debug)]
pub(super) struct Page {
    pub(super) key: Key,
    pub(super) cell: Arc<Cell>,
    pub(super) entry: Entry,
    /// Whether it is all of the slot, which then is read from there.
    pub(super) is_all: bool,
}

impl Part {
    /// What it gets of what came for a request. An object that is opened may be shorter than what was asked for.
    pub(super) fn of(&self, fetched: Fetched, request: &Range<u64>) -> Fetched {
        if *request == self.range {
            return fetched;
        }
        let range = self.range.start - request.start..self.range.end - request.start;
        Fetched { pieces: fetched.pieces.part(range), ..fetched }
    }

    /// What the cache keeps of what came: the page that it is, or of an object that was opened, its first pages and that
    /// it was.
    fn entries_of(&mut self, aim: &Aim, fetched: &Fetched) -> Vec<Entry> {
        let hold = self.hold.take();
        match aim {
            Aim::Open(place) => first_entries(place, fetched, hold),
            Aim::Read(target) => {
                let pages =
                    target.pages.as_ref().filter(|it| it.at(self.range.start) == self.range);
                let entry =
                    |pages: &Arc<Pages>| pages.entry(&self.range, fetched.pieces.clone(), hold);
                pages.map(entry).into_iter().collect()
            }
        }
    }

    /// The same as pages of a slot.
    pub(super) fn pages(&mut self, aim: &Aim, key: Key) -> Vec<Page> {
        let is_all = matches!(aim, Aim::Read(_));
        let page = |entry| Page { key, cell: self.cell.clone(), entry, is_all };
        std::mem::take(&mut self.entries).into_iter().map(page).collect()
    }
}

fn first_entries(place: &Place, fetched: &Fetched, hold: Option<Hold>) -> Vec<Entry> {
    let identity = fetched.identity.as_ref();
    let (Some(identity), Some(opened)) = (identity, Opened::of(place)) else { return Vec::new() };
    let Some(record) = record_of(identity) else { return Vec::new() };
    let (pages, ranges) = opened.pages(identity, fetched.pieces.bytes());
    // Held, so that who reads them waits until they are written.
    let part = |page: &Range<u64>| match pages.turn(page) {
        Turn::Ours(hold) => Some(pages.entry(page, fetched.pieces.part(page.clone()), Some(hold))),
        _ => None,
    };
    let mut entries: Vec<_> = ranges.iter().filter_map(part).collect();
    entries.push(opened.entry(record, hold));
    entries
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
        self.parts.push(Part { range, class: slot.class, cell, hold: None, entries: Vec::new() });
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

    /// Notes what the cache keeps of what came, unless that is where it came from.
    pub(super) fn keep(&mut self, fetched: &Fetched) {
        let Self { aim, range, parts, .. } = self;
        for part in parts.iter_mut().filter(|_| !fetched.is_kept) {
            let fetched = part.of(fetched.clone(), range);
            part.entries = part.entries_of(aim, &fetched);
        }
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
