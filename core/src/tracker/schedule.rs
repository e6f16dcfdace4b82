//! When to announce what, and to which trackers at once: BEP 3, BEP 12 (tiers), BEP 27 (private).
//!
//! Trackers form *lines*, and each line talks to one tracker at a time. A public torrent has a line per
//! tier; a private one has a single line through all tiers. A line stays with the tracker that answers
//! and moves on when it fails: to the first one in order whose back-off is over.
//!
//! Owned by the session actor. Sees no socket and no clock. It does not resolve, count bytes or choose
//! `numwant`; whoever sends an announce fills those in.

use std::collections::HashSet;
use std::time::{Duration, Instant};

use rand::rngs::SmallRng;
use rand::seq::SliceRandom;
use rand::{RngExt as _, SeedableRng as _};

use super::announce::{Announce, AnnounceError, AnnounceEvent, AnnounceReply, TrackerId};
use super::entry::Entry;
use super::scrape::ScrapeCounts;
use super::trust::Trust;
use crate::stats::TrackerStats;
use crate::types::UnixTime;
use crate::untrusted::Untrusted;

#[cfg(test)]
mod tests;

/// Trackers kept of one torrent; the largest lists of working trackers in circulation have about a
/// hundred. A public torrent may ask each of them at once.
pub const MAX_TRACKERS: usize = 200;

/// The pause between two scrapes of a tracker whose announces leave the figures out: as long as most
/// announce intervals are.
pub const SCRAPE: Duration = Duration::from_secs(30 * 60);

/// The same for a torrent that does not run, while somebody looks at it.
pub const SCRAPE_WATCHED: Duration = Duration::from_secs(5 * 60);

/// A tracker as those see it who change the list.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KnownTracker {
    /// Its name for as long as the session lives.
    pub id: TrackerId,
    /// Its tier, from 0.
    pub tier: u32,
    /// Its URL as it came: may hold a pass-key.
    pub url: Untrusted,
}

/// What became of an announce.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Answered {
    /// The tracker's URL, pass-keys masked.
    pub url: Untrusted,
    /// Until the same tracker is asked again: the interval, or the back-off. `None`: not by itself.
    pub next: Option<Duration>,
    /// BEP 27: the private torrent has a new tracker, and must let go of the peers of the old one.
    pub switched: bool,
}

/// The announces of one torrent.
#[derive(Debug)]
pub struct TrackerCoordinator {
    /// In the order of tiers.
    entries: Vec<Entry>,
    lines: Vec<Line>,
    next_id: u32,
    private: bool,
    running: bool,
    want_peers: bool,
    /// The one that answered last, to notice a switch.
    answering: Option<TrackerId>,
    random: SmallRng,
}

/// Trackers of which one at a time is asked.
#[derive(Debug)]
struct Line {
    /// Indices of supported entries; whoever answers moves to the front of its tier.
    order: Vec<usize>,
    /// The entry that is asked, until it fails.
    current: usize,
    /// The download ended in this run, and no tracker of the line was told yet.
    completed: bool,
}

impl TrackerCoordinator {
    /// Takes the tiers of a torrent file; repeats of a URL are left out. `seed` shuffles each tier once
    /// (BEP 12) and feeds the jitter.
    pub fn new(tiers: &[Vec<Untrusted>], private: bool, seed: u64) -> Self {
        let mut random = SmallRng::seed_from_u64(seed);
        let mut entries: Vec<Entry> = Vec::new();
        // Strangers choose the URLs, so the hash is std's keyed one.
        let mut seen = HashSet::new();
        for (tier, urls) in (0..).zip(tiers) {
            let mut urls: Vec<_> = urls.iter().filter(|url| seen.insert(url.raw())).collect();
            urls.shuffle(&mut random);
            for url in urls.into_iter().take(MAX_TRACKERS - entries.len()) {
                let id = TrackerId(u32::try_from(entries.len()).expect("MAX_TRACKERS is small"));
                entries.push(Entry::new(id, tier, url));
            }
        }
        let lines = lines(&entries, private);
        let next_id = u32::try_from(entries.len()).expect("MAX_TRACKERS is small");
        let (running, want_peers, answering) = (false, false, None);
        Self { entries, lines, next_id, private, running, want_peers, answering, random }
    }

    /// The trackers by tier, those that are not asked too. For those who change them.
    pub fn list(&self) -> Vec<KnownTracker> {
        let known = |entry: &Entry| KnownTracker { id: entry.id, tier: entry.tier, url: entry.url.clone() };
        self.entries.iter().map(known).collect()
    }

    /// Says what each tracker may do. For those that are put in later it is to be said again.
    pub fn trust(&mut self, of: impl Fn(&Untrusted) -> Trust) {
        for entry in &mut self.entries {
            let trust = of(&entry.url);
            // What failed for want of it need not wait.
            if std::mem::replace(&mut entry.trust, trust) != trust && entry.failures > 0 {
                entry.next = entry.earliest;
            }
        }
    }

    /// The torrent turns out to be private: from now on one tracker at a time is asked (BEP 27).
    pub fn become_private(&mut self) {
        if !std::mem::replace(&mut self.private, true) {
            self.lines = lines(&self.entries, true);
        }
    }

    /// The URL of a tracker as it came.
    pub fn url_of(&self, tracker: TrackerId) -> Option<Untrusted> {
        self.index_of(tracker).map(|index| self.entries[index].url.clone())
    }

    /// Other trackers, in the order in which they are to be tried. Those that stay go on as if nothing
    /// had happened, new ones are told at once that we are there, and those that are gone that we leave:
    /// returns their `stopped`, to be sent now. `None`: these are the trackers that it has.
    pub fn change(&mut self, now: Instant, tiers: &[Vec<Untrusted>]) -> Option<Vec<Announce>> {
        let same =
            |(tier, entry): (u32, &Untrusted), known: &Entry| known.tier == tier && known.url == *entry;
        let wanted: Vec<(u32, &Untrusted)> =
            (0..).zip(tiers).flat_map(|(tier, urls)| urls.iter().map(move |url| (tier, url))).collect();
        if wanted.len() == self.entries.len()
            && wanted.iter().zip(&self.entries).all(|(wanted, known)| same(*wanted, known))
        {
            return None;
        }
        let before: Vec<_> =
            self.lines.iter().map(|line| (self.entries[line.current].id, line.completed)).collect();
        let mut old = std::mem::take(&mut self.entries);
        for (tier, url) in wanted.into_iter().take(MAX_TRACKERS) {
            if self.entries.iter().any(|entry| entry.url == *url) {
                continue;
            }
            let entry = match old.iter().position(|entry| entry.url == *url) {
                Some(known) => {
                    let mut entry = old.swap_remove(known);
                    entry.tier = tier;
                    entry
                }
                None => {
                    let mut entry = Entry::new(TrackerId(self.next_id), tier, url);
                    self.next_id += 1;
                    if self.running {
                        entry.begin(now);
                    }
                    entry
                }
            };
            self.entries.push(entry);
        }
        self.lines = lines(&self.entries, self.private);
        for line in &mut self.lines {
            let here = |(id, _): &&(TrackerId, bool)| line.order.iter().any(|at| self.entries[*at].id == *id);
            if let Some((id, completed)) = before.iter().find(here) {
                line.current = *line.order.iter().find(|at| self.entries[**at].id == *id)?;
                line.completed = *completed;
            }
        }
        if self.answering.is_some_and(|answering| self.index_of(answering).is_none()) {
            self.answering = None;
        }
        let gone = old.iter_mut().filter(|entry| entry.told);
        Some(gone.map(|entry| send(entry, now, AnnounceEvent::Stopped)).collect())
    }

    /// The torrent runs: `started` is due. Without effect while it runs.
    pub fn start(&mut self, now: Instant) {
        if self.running {
            return;
        }
        self.running = true;
        self.answering = None;
        self.entries.iter_mut().for_each(|entry| entry.begin(now));
        for line in &mut self.lines {
            line.completed = false;
            line.current = line.order[0];
        }
    }

    /// The torrent stops running. Returns the `stopped` of every tracker that was sent `started`, heard
    /// or not, and before it a `completed` that is still owed: trackers count downloads by it, and a
    /// program that ends at 100 % has no other chance to say so. To be sent in this order. Answers to
    /// older announces that still come in are of no account.
    pub fn pause(&mut self, now: Instant) -> Vec<Announce> {
        self.running = false;
        let mut announces = Vec::new();
        for line in &mut self.lines {
            let entry = &mut self.entries[line.current];
            let on_its_way = entry.in_flight.is_some_and(|(event, _)| event == AnnounceEvent::Completed);
            if std::mem::take(&mut line.completed) && entry.told && !on_its_way {
                announces.push(send(entry, now, AnnounceEvent::Completed));
            }
        }
        for entry in self.entries.iter_mut().filter(|entry| entry.told) {
            entry.told = false;
            announces.push(send(entry, now, AnnounceEvent::Stopped));
        }
        announces
    }

    /// The last piece was downloaded in this run. Each line tells it once, without waiting for any
    /// interval, though not before a failing tracker's back-off.
    pub fn completed(&mut self, now: Instant) {
        if !self.running {
            return;
        }
        for line in &mut self.lines {
            line.completed = true;
            let entry = &mut self.entries[line.current];
            if entry.failures == 0 {
                entry.next = Some(now);
            }
        }
    }

    /// A person wants an announce now: it comes as soon as the min interval allows. Trackers that fail
    /// or told us never to return are tried again.
    pub fn reannounce(&mut self, now: Instant) {
        for line in self.lines.iter().filter(|_| self.running) {
            self.entries[line.current].hurry(now);
        }
    }

    /// The same for a single tracker, whose turn it may not be: then it becomes the one that its line
    /// asks, unless one is being asked.
    pub fn reannounce_to(&mut self, now: Instant, tracker: TrackerId) {
        let (Some(index), Some(line)) = (self.index_of(tracker), self.line_of(tracker)) else { return };
        if !self.running {
            return;
        }
        // A private torrent stays with the tracker that knows it: two at once count twice (BEP 27).
        let current = self.lines[line].current;
        if current != index && self.private && self.entries[current].failures == 0 {
            return;
        }
        if self.entries[current].in_flight.is_none() {
            self.lines[line].current = index;
            self.entries[index].hurry(now);
        }
    }

    /// Peers call us at another port now, or can call us at last: trackers that know us hear of it at
    /// once, whatever their intervals say.
    pub fn moved(&mut self, now: Instant) {
        for line in self.lines.iter().filter(|_| self.running) {
            let entry = &mut self.entries[line.current];
            if entry.told && entry.failures == 0 {
                entry.next = Some(now);
            }
        }
    }

    /// What the trackers say where none of them takes the torrent and one says that it does not know it.
    pub fn unregistered(&self) -> Option<Untrusted> {
        let works = self.entries.iter().any(Entry::is_working);
        let said = self.entries.iter().find_map(|entry| entry.unregistered.as_ref());
        said.filter(|_| !works).cloned()
    }

    /// Whether the pool is dry: then announces come as early as the min intervals allow, from now on.
    pub fn want_peers(&mut self, _now: Instant, want: bool) {
        self.want_peers = want;
    }

    /// When [`due`](Self::due) has something to say, unless an answer comes first.
    pub fn next_due(&self) -> Option<Instant> {
        self.lines.iter().filter_map(|line| self.line_due(line)).min()
    }

    /// The announces to send now. Each is owed an answer.
    pub fn due(&mut self, now: Instant) -> Vec<Announce> {
        let mut announces = Vec::new();
        for line in 0..self.lines.len() {
            let line = &self.lines[line];
            if self.line_due(line).is_none_or(|due| due > now) {
                continue;
            }
            let entry = &mut self.entries[line.current];
            let event = match (entry.knows_us, line.completed) {
                (false, _) => AnnounceEvent::Started,
                (true, true) => AnnounceEvent::Completed,
                (true, false) => AnnounceEvent::Regular,
            };
            entry.told = true;
            announces.push(send(entry, now, event));
        }
        announces
    }

    /// What an announce brought. Answers to announces of before the last pause change nothing.
    pub fn answered(
        &mut self,
        now: Instant,
        tracker: TrackerId,
        event: AnnounceEvent,
        result: &Result<AnnounceReply, AnnounceError>,
    ) -> Answered {
        let Some(entry) = self.entries.iter_mut().find(|entry| entry.id == tracker) else {
            return Answered { url: Untrusted::new(""), next: None, switched: false };
        };
        let mut answered = Answered { url: entry.shown.clone(), next: None, switched: false };
        if entry.in_flight.is_none_or(|(sent, _)| sent != event) {
            return answered;
        }
        entry.in_flight = None;
        if event == AnnounceEvent::Stopped {
            return answered;
        }
        match result {
            Ok(reply) => {
                answered.next = Some(entry.succeeded(now, event, reply, &mut self.random));
                answered.switched = self.stay_with(now, tracker, event);
            }
            Err(error) => {
                answered.next = entry.failed(now, error, &mut self.random);
                self.move_on(now, tracker);
            }
        }
        answered
    }

    /// The trackers to ask for figures now, as they came (BEP 48). While the torrent runs those that
    /// leave them out of their answers; while it does not, and somebody looks (`watched`), the one of each
    /// line. Asking one does not tell it that we are there.
    pub fn scrapes(&mut self, now: Instant, watched: bool) -> Vec<(TrackerId, Untrusted)> {
        let mut scrapes = Vec::new();
        for line in &self.lines {
            let entry = &mut self.entries[line.current];
            let (wanted, pause) = match self.running {
                true => (entry.lacks_counts(), SCRAPE),
                false => (watched, SCRAPE_WATCHED),
            };
            // Up to a quarter longer, so that ten thousand torrents do not ask in the same second.
            let pause = pause.mul_f64(self.random.random_range(1.0..1.25));
            if wanted && entry.begin_scrape(now, pause) {
                scrapes.push((entry.id, entry.url.clone()));
            }
        }
        scrapes
    }

    /// What a scrape brought.
    pub fn scraped(&mut self, tracker: TrackerId, result: &Result<ScrapeCounts, AnnounceError>) {
        if let Some(entry) = self.entries.iter_mut().find(|entry| entry.id == tracker) {
            entry.scraped(result);
        }
    }

    /// Every tracker for the screen, by tier.
    pub fn stats(&self, now: Instant, wall: UnixTime) -> Vec<TrackerStats> {
        let due_of = |entry: &Entry| {
            let line = self.lines.iter().find(|line| self.entries[line.current].id == entry.id)?;
            self.line_due(line)
        };
        self.entries.iter().map(|entry| entry.stats(now, wall, due_of(entry))).collect()
    }

    fn line_due(&self, line: &Line) -> Option<Instant> {
        self.running.then(|| self.entries[line.current].due(self.want_peers)).flatten()
    }

    fn index_of(&self, tracker: TrackerId) -> Option<usize> {
        self.entries.iter().position(|entry| entry.id == tracker)
    }

    fn line_of(&self, tracker: TrackerId) -> Option<usize> {
        let index = self.index_of(tracker)?;
        self.lines.iter().position(|line| line.order.contains(&index))
    }

    /// BEP 12: the one that answered goes to the front of its tier. True for a private torrent whose
    /// peers come from another tracker now.
    fn stay_with(&mut self, now: Instant, tracker: TrackerId, event: AnnounceEvent) -> bool {
        let (Some(index), Some(line)) = (self.index_of(tracker), self.line_of(tracker)) else {
            return false;
        };
        let tier = self.entries[index].tier;
        let line = &mut self.lines[line];
        let front = line.order.iter().position(|other| self.entries[*other].tier == tier);
        let place = line.order.iter().position(|other| *other == index);
        if let (Some(front), Some(place)) = (front, place) {
            line.order[front..=place].rotate_right(1);
        }
        line.current = index;
        line.completed &= event != AnnounceEvent::Completed;
        if line.completed {
            // The download ended while `started` was on its way, or with another tracker.
            self.entries[index].next = Some(now);
        }
        let before = self.answering.replace(tracker);
        self.private && before.is_some_and(|before| before != tracker)
    }

    /// After a failure the line asks the first in order that may be asked now, else whoever may first.
    fn move_on(&mut self, now: Instant, failed: TrackerId) {
        let Some(line) = self.line_of(failed) else { return };
        let order = &self.lines[line].order;
        let ready = |index: &&usize| {
            let entry = &self.entries[**index];
            !entry.is_busy(now) && entry.next.is_some_and(|next| next <= now)
        };
        let soonest = || {
            let willing = order.iter().filter(|index| self.entries[**index].next.is_some());
            willing.min_by_key(|index| self.entries[**index].next)
        };
        if let Some(next) = order.iter().find(ready).or_else(soonest) {
            self.lines[line].current = *next;
        }
    }
}

/// Who is asked beside whom: a line for each tier of a public torrent, one line for a private one.
fn lines(entries: &[Entry], private: bool) -> Vec<Line> {
    let mut lines: Vec<Line> = Vec::new();
    let mut last_tier = None;
    for (index, entry) in entries.iter().enumerate().filter(|(_, entry)| entry.supported) {
        match lines.last_mut() {
            Some(line) if private || last_tier == Some(entry.tier) => line.order.push(index),
            _ => lines.push(Line { order: vec![index], current: index, completed: false }),
        }
        last_tier = Some(entry.tier);
    }
    lines
}

fn send(entry: &mut Entry, now: Instant, event: AnnounceEvent) -> Announce {
    entry.in_flight = Some((event, now));
    Announce {
        tracker: entry.id,
        url: entry.url.clone(),
        event,
        tracker_id: entry.tracker_id.clone(),
        trust: entry.trust,
    }
}
