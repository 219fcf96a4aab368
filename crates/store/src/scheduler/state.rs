//! What was told, what is under way, and what is here.

use std::collections::{BTreeMap, HashMap, VecDeque};
use std::ops::Range;
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::cell::{Cell, Fetched};
use super::request::{Page, Request};
use super::room::{Class, Room};
use crate::Result;
use crate::budget::Budget;
use crate::cache::{PAGE_BYTES, Pages};
use crate::clients::Place;
use crate::counters::BYTES_UNREAD;
use crate::request::Target;

/// Names an object as it was when it was opened, or one that is yet to be opened.
pub(crate) type Id = u128;

/// Where a slot is.
pub(super) type Key = (Id, u64);

/// What requests are for.
#[derive(Debug, Clone)]
pub(crate) enum Aim {
    /// To open an object.
    Open(Place),
    /// To read one.
    Read(Arc<Target>),
}

impl Aim {
    /// Where pages of the object are kept, if they are.
    pub(super) fn pages(&self) -> Option<&Arc<Pages>> {
        match self {
            Self::Open(_) => None,
            Self::Read(target) => target.pages.as_ref(),
        }
    }
}

/// A range that is fetched, and what of it is read.
#[derive(Debug, Clone)]
pub(crate) struct Want {
    pub(crate) fetched: Range<u64>,
    pub(crate) read: Range<u64>,
    /// Whether it is a page of the cache, which is fetched whole.
    pub(crate) is_page: bool,
}

impl Want {
    /// A range all of which is read.
    pub(crate) fn all(range: Range<u64>) -> Self {
        Self { fetched: range.clone(), read: range, is_page: false }
    }
}

/// So many ranges wait to be fetched at most. Others are fetched when they are read.
const TOLD_MAX: usize = 1 << 20;

/// What nobody has read for so long is dropped if room is wanted.
const UNREAD_MAX: Duration = Duration::from_secs(120);

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Stage {
    Waiting,
    UnderWay,
    /// Since when.
    Here(Instant),
}

/// A range of an object that is fetched as a whole.
#[derive(Debug)]
pub(super) struct Slot {
    pub(super) end: u64,
    pub(super) stage: Stage,
    pub(super) class: Class,
    /// Its place in the order in which ranges were told, in bytes; none if it was read without having been told.
    told: Option<u64>,
    /// How many of its bytes are yet to be read.
    unread: u64,
    /// How many are then to be read once more, as was told since, and their place in that order.
    again: (u64, u64),
    /// Whether it is here for that.
    is_spare: bool,
    /// Who waits for it.
    readers: usize,
    pub(super) cell: Arc<Cell>,
}

#[derive(Debug)]
struct Object {
    aim: Aim,
    /// How many own it; without one nobody can read it.
    handles: usize,
    /// By start; they do not overlap.
    slots: BTreeMap<u64, Slot>,
}

/// What there was no room for: who gives back something else need not wake who sends requests.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Lacks {
    Nothing,
    Bytes,
    Requests,
}

#[derive(Debug)]
pub(super) struct State {
    pub(super) room: Room,
    objects: HashMap<Id, Object>,
    /// Waiting slots in the order in which they are wanted; some of them are not there any more.
    urgent: VecDeque<Key>,
    ahead: VecDeque<Key>,
    /// Told slots that are here, by their place in the order of telling.
    here: BTreeMap<u64, Key>,
    /// Those of them that were read, and are kept for others.
    spare: BTreeMap<u64, Key>,
    /// What there was no room for when requests were begun last.
    lacks: Lacks,
    /// How many bytes were told so far.
    told: u64,
    /// How many when requests were begun last.
    begun: u64,
    /// How far readers got in that order.
    read: u64,
}

impl State {
    pub(super) fn new(budget: Budget) -> Self {
        Self {
            room: Room::new(budget),
            objects: HashMap::new(),
            urgent: VecDeque::new(),
            ahead: VecDeque::new(),
            here: BTreeMap::new(),
            spare: BTreeMap::new(),
            lacks: Lacks::Nothing,
            told: 0,
            begun: 0,
            read: 0,
        }
    }

    /// How far telling got, if something was told since requests were begun and no reader waits.
    pub(super) fn told_since_last(&self) -> Option<u64> {
        (self.told > self.begun && self.urgent.is_empty()).then_some(self.told)
    }

    /// Whether more may be sent once something was told, or once bytes are given back.
    pub(super) fn lacks(&self) -> Lacks {
        self.lacks
    }

    /// Whether a reader waits for a request that was not sent.
    pub(super) fn is_urgent(&self) -> bool {
        !self.urgent.is_empty()
    }

    /// An object has one more owner.
    pub(super) fn own(&mut self, id: Id, aim: &Aim) {
        self.object(id, aim).handles += 1;
    }

    /// An object has one owner less.
    pub(super) fn disown(&mut self, id: Id) {
        let Some(object) = self.objects.get_mut(&id) else { return };
        object.handles -= 1;
        if object.handles > 0 {
            return;
        }
        let slots: Vec<u64> = object.slots.keys().copied().collect();
        slots.iter().for_each(|start| self.remove((id, *start)));
        self.objects.remove(&id);
    }

    fn object(&mut self, id: Id, aim: &Aim) -> &mut Object {
        let new = || Object { aim: aim.clone(), handles: 0, slots: BTreeMap::new() };
        self.objects.entry(id).or_insert_with(new)
    }

    /// These are wanted soon, and whether they will be fetched.
    pub(super) fn tell(&mut self, id: Id, aim: &Aim, wants: &[Want]) -> bool {
        if self.ahead.len() >= TOLD_MAX {
            return false;
        }
        let begun = self.begun >= self.told;
        for want in wants {
            self.tell_again(id, want);
            for hole in self.holes(id, aim, want) {
                let told = self.told;
                self.told += hole.end - hole.start;
                self.insert(id, hole, want, Class::Ahead, Some(told));
            }
        }
        if begun && matches!(aim, Aim::Open(_)) {
            // There is nothing to gather of what is opened.
            self.begun = self.told;
        }
        true
    }

    /// What is on its way already is read more often than was told before: of a page other parts, of a range the same.
    fn tell_again(&mut self, id: Id, want: &Want) {
        let Self { objects, told, .. } = self;
        let Some(object) = objects.get_mut(&id) else { return };
        let (start, end) = (want.read.start, want.read.end);
        let is_open = matches!(object.aim, Aim::Open(_));
        for (at, slot) in object.slots.range_mut(..end).rev() {
            let bytes = slot.end.min(end).saturating_sub((*at).max(start));
            if bytes == 0 && !is_open {
                break;
            }
            if want.is_page {
                slot.unread += bytes;
            } else if slot.told.is_some() {
                slot.again = (slot.again.0 + bytes.max(1), *told);
                *told += bytes.max(1);
            }
        }
    }

    /// A slot that was read is kept for those who read it again, as long as there is room.
    fn keep_for_others(&mut self, key: Key) {
        let Some(slot) = self.slot(key) else { return };
        let (again, place) = std::mem::take(&mut slot.again);
        let (Stage::Here(_), Some(told), true) = (slot.stage, slot.told, again > 0) else { return };
        (slot.unread, slot.told, slot.is_spare) = (again, Some(place), true);
        self.here.remove(&told);
        self.here.insert(place, key);
        self.spare.insert(place, key);
    }

    /// The slot with the byte `at`, which is that of the first of `wants`; all of them are wanted now.
    pub(super) fn claim(
        &mut self,
        id: Id,
        aim: &Aim,
        at: u64,
        wants: &[Want],
    ) -> (Range<u64>, Arc<Cell>) {
        for want in wants {
            for hole in self.holes(id, aim, want) {
                self.insert(id, hole, want, Class::Urgent, None);
            }
        }
        let slots = &mut self.object(id, aim).slots;
        let found = slots.range_mut(..=at).next_back();
        let (start, slot) = found.expect("each hole was filled");
        slot.readers += 1;
        let (start, end, cell) = (*start, slot.end, slot.cell.clone());
        if slot.stage == Stage::Waiting && slot.class == Class::Ahead {
            slot.class = Class::Urgent;
            self.urgent.push_back((id, start));
        }
        (start..end, cell)
    }

    /// A reader who claimed the slot is done with it, having read so many bytes.
    pub(super) fn release(&mut self, key: Key, cell: &Arc<Cell>, bytes: u64) {
        let Some(slot) = self.slot(key).filter(|slot| Arc::ptr_eq(&slot.cell, cell)) else {
            return;
        };
        slot.readers -= 1;
        slot.unread = slot.unread.saturating_sub(bytes);
        let is_read = slot.unread == 0;
        let told = slot.told.filter(|_| bytes > 0);
        self.read = self.read.max(told.unwrap_or(0));
        if is_read {
            self.keep_for_others(key);
        }
        self.free_unwanted(key);
    }

    fn slot(&mut self, (id, start): Key) -> Option<&mut Slot> {
        self.objects.get_mut(&id)?.slots.get_mut(&start)
    }

    fn insert(&mut self, id: Id, part: Range<u64>, want: &Want, class: Class, told: Option<u64>) {
        let read = want.read.start.max(part.start)..want.read.end.min(part.end);
        let slot = Slot {
            end: part.end,
            stage: Stage::Waiting,
            class,
            told,
            again: (0, 0),
            is_spare: false,
            unread: read.end.saturating_sub(read.start),
            readers: 0,
            cell: Arc::default(),
        };
        let Some(object) = self.objects.get_mut(&id) else { return };
        object.slots.insert(part.start, slot);
        match class {
            Class::Ahead => self.ahead.push_back((id, part.start)),
            Class::Urgent => self.urgent.push_back((id, part.start)),
        }
    }

    /// What no slot has of a range, in parts no larger than a request.
    fn holes(&mut self, id: Id, aim: &Aim, want: &Want) -> Vec<Range<u64>> {
        let range = want.fetched.clone();
        let most = if want.is_page { PAGE_BYTES } else { self.room.budget.request_bytes };
        let slots = &self.object(id, aim).slots;
        let mut holes = Vec::new();
        // How long an object is, is not known before it is open.
        if matches!(aim, Aim::Open(_)) && !slots.is_empty() {
            return holes;
        }
        let mut at = range.start;
        if let Some((_, slot)) = slots.range(..at).next_back() {
            at = at.max(slot.end);
        }
        let mut cut = |mut hole: Range<u64>| {
            while hole.start < hole.end {
                let end = hole.end.min(hole.start + most);
                holes.push(hole.start..end);
                hole.start = end;
            }
        };
        for (start, slot) in slots.range(at..range.end.max(at)) {
            cut(at..*start);
            at = slot.end;
        }
        cut(at..range.end);
        holes
    }

    /// Drops a slot. What is under way for it is dropped when it comes.
    fn remove(&mut self, (id, start): Key) {
        let Some(object) = self.objects.get_mut(&id) else { return };
        let Some(slot) = object.slots.remove(&start) else { return };
        if let Stage::Here(_) = slot.stage {
            self.room.free_bytes(slot.class, slot.end - start);
            if let Some(told) = slot.told {
                self.here.remove(&told);
                self.spare.remove(&told);
                BYTES_UNREAD.add(if slot.is_spare { 0 } else { slot.unread });
            }
        }
        if object.slots.is_empty() && object.handles == 0 {
            self.objects.remove(&id);
        }
    }

    /// The next request that there is room for.
    pub(super) fn next(&mut self) -> Option<Request> {
        self.begun = self.told;
        self.lacks = Lacks::Nothing;
        while let Some(key) = self.urgent.front().copied() {
            if self.is_waiting(key) {
                return self.begin(key, Class::Urgent);
            }
            self.urgent.pop_front();
        }
        while let Some(key) = self.ahead.front().copied() {
            if self.is_waiting(key) {
                self.make_room(key);
                return self.begin(key, Class::Ahead);
            }
            self.ahead.pop_front();
        }
        self.room.starved();
        None
    }

    fn is_waiting(&mut self, key: Key) -> bool {
        self.slot(key).is_some_and(|slot| slot.stage == Stage::Waiting)
    }

    /// Drops what was read and is kept for others, beginning with what is wanted last. Then it drops what readers
    /// passed by: what was told a whole budget before the place that they are at, or has been here for minutes.
    fn make_room(&mut self, (id, start): Key) {
        let Some(bytes) = self.slot((id, start)).map(|slot| slot.end - start) else { return };
        while !self.room.has_bytes(Class::Ahead, bytes) {
            let spare = self.spare.last_key_value().map(|(told, key)| (*told, *key));
            if let Some((_, key)) =
                spare.filter(|(_, key)| self.slot(*key).is_some_and(|it| it.readers == 0))
            {
                self.remove(key);
                continue;
            }
            let Some((told, key)) = self.here.first_key_value().map(|(told, key)| (*told, *key))
            else {
                return;
            };
            let passed = told + self.room.budget.bytes < self.read;
            let Some(slot) = self.slot(key) else { return };
            let is_old = matches!(slot.stage, Stage::Here(since) if since.elapsed() > UNREAD_MAX);
            if slot.readers > 0 || !(passed || is_old) {
                return;
            }
            self.remove(key);
        }
    }

    /// A request for a slot, and for others of the object that lie near it, if there is room.
    fn begin(&mut self, (id, start): Key, class: Class) -> Option<Request> {
        let Self { room, objects, lacks, .. } = self;
        let object = objects.get_mut(&id)?;
        let slot = object.slots.get_mut(&start)?;
        let range = start..slot.end;
        if !room.has_request(class) {
            *lacks = Lacks::Requests;
            return None;
        }
        if !room.has_bytes(class, range.end - range.start) {
            *lacks = Lacks::Bytes;
            room.starved();
            return None;
        }
        room.add_request(class);
        let aim = object.aim.clone();
        let mut request = Request::new(aim, id, class, range.clone());
        request.add(start, slot, room);
        if let Aim::Read(_) = request.aim {
            let mut behind = object.slots.range_mut(range.end..);
            while behind.next().is_some_and(|(start, slot)| request.extend(*start, slot, room)) {}
            let mut before = object.slots.range_mut(..start).rev();
            while before.next().is_some_and(|(start, slot)| request.extend(*start, slot, room)) {}
        }
        Some(request)
    }

    /// A request was answered, or failed. The pages that came are held until they are [`written`](Self::written).
    pub(super) fn complete(&mut self, request: Request, result: Result<Fetched>) -> Vec<Page> {
        let mut written = Vec::new();
        if let Ok(fetched) = &result {
            self.room.answered(request.class, fetched.pieces.bytes());
        }
        self.room.free_request(request.class);
        self.room.free_bytes(request.class, request.gaps);
        for mut part in request.parts {
            let key = (request.id, part.range.start);
            let bytes = part.range.end - part.range.start;
            let fetched = result.clone().map(|fetched| part.of(fetched, &request.range));
            let came = fetched.as_ref().map_or(0, |fetched| fetched.pieces.bytes());
            let has_come = fetched.is_ok();
            // Of an object that is opened, nobody reads the pages before it is open.
            let is_on_disk = matches!(request.aim, Aim::Read(_))
                && fetched.as_ref().is_ok_and(|fetched| fetched.is_kept);
            let pages = part.pages(&request.aim, key);
            part.cell.set(fetched);
            match self.slot(key).filter(|slot| Arc::ptr_eq(&slot.cell, &part.cell)) {
                Some(slot) if has_come => {
                    slot.stage = Stage::Here(Instant::now());
                    slot.end = key.1 + came;
                    // Of an object without bytes, that it was opened is yet to be seen.
                    slot.unread = slot.unread.min(came.max(1));
                    if is_on_disk {
                        slot.unread = 0;
                    }
                    let told = slot.told;
                    // Between pages there may be bytes of one that nobody was told of.
                    slot.readers += pages.len();
                    let is_wanted = slot.unread > 0 || slot.readers > 0;
                    written.extend(pages);
                    self.room.free_bytes(part.class, bytes - came);
                    told.map(|told| self.here.insert(told, key));
                    if !is_wanted {
                        self.remove(key);
                    }
                }
                Some(_) => {
                    self.remove(key);
                    self.room.free_bytes(part.class, bytes);
                }
                None => self.room.free_bytes(part.class, bytes),
            }
        }
        written
    }

    /// A page is on disk, and needs no memory any more, or it could not be written, and is read from there.
    pub(super) fn written(&mut self, key: Key, cell: &Arc<Cell>, is_there: bool) {
        let Some(slot) = self.slot(key).filter(|slot| Arc::ptr_eq(&slot.cell, cell)) else {
            return;
        };
        slot.readers -= 1;
        if is_there {
            slot.unread = 0;
        }
        self.free_unwanted(key);
    }

    /// Drops a slot that nobody waits for and nobody will.
    fn free_unwanted(&mut self, key: Key) {
        let unwanted =
            |slot: &mut Slot| slot.readers == 0 && (slot.unread == 0 || slot.told.is_none());
        if self.slot(key).is_some_and(unwanted) {
            self.remove(key);
        }
    }

    /// Drops the slots in `range` that nobody was told of and nobody waits for.
    pub(super) fn give_up(&mut self, id: Id, range: Range<u64>) {
        let Some(object) = self.objects.get(&id) else { return };
        let slots = object.slots.range(range);
        let idle = slots.filter(|(_, slot)| slot.told.is_none() && slot.readers == 0);
        let idle: Vec<u64> = idle.map(|(start, _)| *start).collect();
        idle.iter().for_each(|start| self.remove((id, *start)));
    }

    /// Whether there is room to send a request for so many bytes once more, which then is taken.
    pub(super) fn admit_hedge(&mut self, bytes: u64) -> bool {
        let has_room = self.room.has_request(Class::Urgent)
            && self.room.bytes() + bytes <= self.room.budget.bytes;
        if has_room {
            self.room.add_request(Class::Urgent);
            self.room.add_bytes(Class::Urgent, bytes);
        }
        has_room
    }

    /// It was answered, or is not any more waited for.
    pub(super) fn end_hedge(&mut self, bytes: u64) {
        self.room.free_request(Class::Urgent);
        self.room.free_bytes(Class::Urgent, bytes);
    }
}
