//! The event log: a ring of what happened, and the views on it.
//!
//! A view that is paused is anchored to a sequence number: new events, dropped ones and a changed
//! filter do not move the lines that somebody reads.

mod pattern;
mod words;

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use tc_core::event::{Delivery, Event, Kind, Level, Tagged};
use tc_core::types::InfoHash;

pub use self::pattern::LogFilter;
pub use self::words::{fields, short, summary};
use super::scroll::Scroll;
use crate::message::Step;

/// Events kept; the oldest leave first.
const KEPT: usize = 10_000;

/// Events of one kind and torrent that follow each other within this time are one line.
const STORM: Duration = Duration::from_secs(1);

/// How far back a storm is looked for: two or three kinds alternate in one.
const STORM_REACH: usize = 8;

/// One line of the log.
#[derive(Clone, Debug)]
pub struct Entry {
    /// Its number; never used again.
    pub seq: u64,
    /// When the (last) event happened.
    pub time: SystemTime,
    /// Which torrent, with its name at that time.
    pub torrent: Option<(InfoHash, Arc<str>)>,
    /// What.
    pub what: What,
    /// How many events this line stands for.
    pub times: u32,
}

/// What a line tells.
#[derive(Clone, Debug)]
pub enum What {
    /// An event; the last one where the line stands for several.
    Event(Arc<Event>),
    /// Events that the queue had no room for.
    Missed(u64),
}

impl Entry {
    /// How much it matters. Losses always do.
    pub fn level(&self) -> Level {
        match &self.what {
            What::Event(event) => event.kind().info().level,
            What::Missed(_) => Level::Error,
        }
    }

    fn kind(&self) -> Option<Kind> {
        match &self.what {
            What::Event(event) => Some(event.kind()),
            What::Missed(_) => None,
        }
    }
}

/// A window on the log.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct LogView {
    /// `None`: follows what comes. Else the number of the line the cursor is on.
    pub cursor: Option<u64>,
    /// The number of the first line seen while paused.
    top: u64,
    /// What had been seen when it was paused: later lines are "new below".
    newest: u64,
}

impl LogView {
    /// Whether it follows what comes.
    pub const fn follows(&self) -> bool {
        self.cursor.is_none()
    }

    /// Follows again.
    pub const fn follow(&mut self) {
        self.cursor = None;
    }
}

/// What happened.
#[derive(Clone, Debug)]
pub struct Log {
    ring: VecDeque<Entry>,
    next: u64,
    /// Events that were lost on the way to the screen.
    pub missed: u64,
    /// What of it is shown.
    pub filter: LogFilter,
    /// What the engine was asked to tell.
    pub subscribed: String,
    /// The strip and the full log.
    pub all: LogView,
    /// The tab of one torrent.
    pub one: LogView,
}

impl Default for Log {
    fn default() -> Self {
        Self {
            ring: VecDeque::new(),
            next: 1,
            missed: 0,
            filter: LogFilter::default(),
            subscribed: String::new(),
            all: LogView::default(),
            one: LogView::default(),
        }
    }
}

impl Log {
    /// Takes what came; `name_of` knows the torrents. Says whether a line was added or grew.
    pub fn take(
        &mut self,
        deliveries: Vec<Delivery>,
        mut name_of: impl FnMut(&InfoHash) -> Option<Arc<str>>,
    ) -> bool {
        let any = !deliveries.is_empty();
        for delivery in deliveries {
            match delivery {
                Delivery::Event(tagged) => self.add(tagged, &mut name_of),
                Delivery::Missed(count) => {
                    self.missed += count;
                    let time = self.ring.back().map_or(SystemTime::UNIX_EPOCH, |last| last.time);
                    self.push(time, None, What::Missed(count));
                }
            }
        }
        any
    }

    fn add(&mut self, tagged: Tagged, name_of: &mut impl FnMut(&InfoHash) -> Option<Arc<str>>) {
        let kind = Some(tagged.event.kind());
        // Lines that somebody may be reading do not change any more.
        let read = [self.all, self.one].iter().filter(|view| !view.follows()).map(|view| view.newest).max();
        let storm = self.ring.iter_mut().rev().take(STORM_REACH).find(|entry| {
            entry.kind() == kind
                && read.is_none_or(|read| entry.seq > read)
                && entry.torrent.as_ref().map(|(hash, _)| *hash) == tagged.info_hash
                && tagged.time.duration_since(entry.time).is_ok_and(|gap| gap < STORM)
        });
        if let Some(entry) = storm {
            entry.times += 1;
            entry.time = tagged.time;
            entry.what = What::Event(tagged.event);
            return;
        }
        let torrent = tagged.info_hash.map(|hash| {
            let name = match &*tagged.event {
                Event::SessionAdded { name, .. } | Event::SessionRemoved { name, .. } => {
                    name.to_string().into()
                }
                _ => name_of(&hash).unwrap_or_else(|| hash.to_string()[..8].into()),
            };
            (hash, name)
        });
        self.push(tagged.time, torrent, What::Event(tagged.event));
    }

    fn push(&mut self, time: SystemTime, torrent: Option<(InfoHash, Arc<str>)>, what: What) {
        if self.ring.len() == KEPT {
            self.ring.pop_front();
        }
        self.ring.push_back(Entry { seq: self.next, time, torrent, what, times: 1 });
        self.next += 1;
    }

    /// Lines kept.
    pub fn kept(&self) -> usize {
        self.ring.len()
    }

    /// The line with this number.
    pub fn entry(&self, seq: u64) -> Option<&Entry> {
        let first = self.ring.front()?.seq;
        self.ring.get(usize::try_from(seq.checked_sub(first)?).ok()?)
    }

    /// The view that is pinned to a torrent, or the one on everything.
    pub const fn view(&self, pinned: bool) -> &LogView {
        if pinned { &self.one } else { &self.all }
    }

    const fn view_mut(&mut self, pinned: bool) -> &mut LogView {
        if pinned { &mut self.one } else { &mut self.all }
    }

    /// The `height` lines that a view shows, oldest first.
    pub fn lines(&self, pin: Option<InfoHash>, height: usize) -> Vec<&Entry> {
        let view = self.view(pin.is_some());
        let mut lines: Vec<&Entry> = match view.cursor {
            None => self.ring.iter().rev().filter(|entry| self.shows(entry, pin)).take(height).collect(),
            Some(_) => {
                let from = self.place(view.top);
                return self.ring.iter().skip(from).filter(|e| self.shows(e, pin)).take(height).collect();
            }
        };
        lines.reverse();
        lines
    }

    /// Lines that came after a view was paused and that it would show.
    pub fn new_below(&self, pin: Option<InfoHash>) -> usize {
        let view = self.view(pin.is_some());
        if view.follows() {
            return 0;
        }
        let from = self.place(view.newest + 1);
        self.ring.iter().skip(from).filter(|entry| self.shows(entry, pin)).count()
    }

    /// Moves a view's cursor. Any move up pauses a view that follows; going to the end follows again.
    pub fn step(&mut self, step: Step, pin: Option<InfoHash>, height: usize) {
        if step == Step::Bottom {
            self.view_mut(pin.is_some()).follow();
            return;
        }
        let shown: Vec<u64> =
            self.ring.iter().filter(|entry| self.shows(entry, pin)).map(|entry| entry.seq).collect();
        let Some(last) = shown.len().checked_sub(1) else { return };
        let newest = self.next - 1;
        let view = self.view_mut(pin.is_some());
        let mut scroll = match view.cursor {
            None if matches!(step, Step::Down | Step::HalfDown | Step::PageDown) => return,
            None => {
                view.newest = newest;
                Scroll { cursor: last, top: shown.len().saturating_sub(height) }
            }
            Some(cursor) => Scroll {
                cursor: shown.partition_point(|seq| *seq < cursor).min(last),
                top: shown.partition_point(|seq| *seq < view.top).min(last),
            },
        };
        scroll.step(step, shown.len(), height);
        view.cursor = Some(shown[scroll.cursor]);
        view.top = shown[scroll.top];
    }

    /// Pauses a view where it stands, or lets it follow again.
    pub fn toggle_follow(&mut self, pin: Option<InfoHash>, height: usize) {
        if !self.view(pin.is_some()).follows() {
            self.view_mut(pin.is_some()).follow();
            return;
        }
        let lines = self.lines(pin, height);
        let (Some(first), Some(last)) = (lines.first(), lines.last()) else { return };
        let view = LogView { cursor: Some(last.seq), top: first.seq, newest: self.next - 1 };
        *self.view_mut(pin.is_some()) = view;
    }

    /// The line an action is about: the one under the cursor, else the newest that is shown.
    pub fn current(&self, pin: Option<InfoHash>) -> Option<&Entry> {
        match self.view(pin.is_some()).cursor {
            Some(cursor) => self.ring.iter().skip(self.place(cursor)).find(|entry| self.shows(entry, pin)),
            None => self.ring.iter().rev().find(|entry| self.shows(entry, pin)),
        }
    }

    /// The line shown before or after this one.
    pub fn neighbour(&self, seq: u64, later: bool, pin: Option<InfoHash>) -> Option<u64> {
        let at = self.place(seq);
        let found = if later {
            self.ring.iter().skip(at + 1).find(|entry| self.shows(entry, pin))
        } else {
            self.ring.iter().take(at).rev().find(|entry| self.shows(entry, pin))
        };
        found.map(|entry| entry.seq)
    }

    fn shows(&self, entry: &Entry, pin: Option<InfoHash>) -> bool {
        let pinned = pin.is_none_or(|pin| entry.torrent.as_ref().is_some_and(|(hash, _)| *hash == pin));
        match &entry.what {
            // A loss concerns every reader: what is missing might have been about any torrent.
            What::Missed(_) => true,
            What::Event(event) => pinned && self.filter.holds(entry, event),
        }
    }

    /// Index of the first line with this number or a later one.
    fn place(&self, seq: u64) -> usize {
        let first = self.ring.front().map_or(self.next, |entry| entry.seq);
        usize::try_from(seq.saturating_sub(first)).unwrap_or(usize::MAX).min(self.ring.len())
    }
}

#[cfg(test)]
mod tests;
