//! The torrent table: which rows are shown, in which order, and where the cursor is.
//!
//! The cursor is an info-hash: it stays on its torrent when the table is sorted anew. Sorting
//! happens when data comes, and not within a second of a key, so that nothing slips away under a
//! finger.

use std::sync::Arc;
use std::time::{Duration, Instant};

use rustc_hash::{FxHashMap, FxHashSet};
use tc_core::stats::{Changes, QueueStats, SessionState, SessionStats};
use tc_core::types::InfoHash;

use super::filter::{Filter, StatusFilter};
use super::look::looks_same;
use super::scroll::Scroll;
use super::sort::{Sort, SortKey};
use crate::message::Step;

/// Rows keep their places for so long after a key: nothing moves from under the cursor while it is used.
const STILL: Duration = Duration::from_secs(1);

/// A torrent in the table.
#[derive(Clone, Debug)]
pub struct Row {
    /// As it stands.
    pub stats: Arc<SessionStats>,
    /// Its name, made harmless.
    pub name: Arc<str>,
    /// The name in lower case, to sort and to match.
    pub folded: String,
    /// The tracker's host, made harmless.
    pub tracker: Arc<str>,
    /// Its place in the queue among those of its kind, downloads or seeds, from 1, and their number.
    pub place: Option<(u32, u32)>,
}

impl Row {
    fn new(stats: Arc<SessionStats>, place: Option<(u32, u32)>) -> Self {
        let name: Arc<str> = stats.name.to_string().into();
        let folded = name.to_lowercase();
        let tracker = stats.tracker.as_ref().map_or_else(String::new, ToString::to_string).into();
        Self { stats, name, folded, tracker, place }
    }
}

/// How many torrents do what; stalled ones count as what they are.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    by_filter: [usize; StatusFilter::ALL.len()],
}

impl Counts {
    /// How many this filter would show.
    pub fn of(&self, status: StatusFilter) -> usize {
        self.by_filter[status as usize]
    }

    fn add(&mut self, stats: &SessionStats) {
        for status in StatusFilter::ALL {
            self.by_filter[status as usize] += usize::from(status.holds(stats));
        }
    }
}

/// The table of torrents.
#[derive(Clone, Debug, Default)]
pub struct Table {
    rows: FxHashMap<InfoHash, Row>,
    /// What is shown, from top to bottom.
    order: Vec<InfoHash>,
    cursor: Option<InfoHash>,
    /// Gets the cursor as soon as it is shown.
    awaited: Option<InfoHash>,
    /// The first row that is seen.
    top: usize,
    /// Rows that fit; [`settle`](Self::settle) learns it from the layout.
    height: usize,
    marks: FxHashSet<InfoHash>,
    range_from: Option<InfoHash>,
    sort: Sort,
    filter: Filter,
    /// Places in the queue.
    places: FxHashMap<InfoHash, (u32, u32)>,
    /// Torrents that are about to be removed: gone for the eye, not yet for the engine.
    hidden: FxHashSet<InfoHash>,
    counts: Counts,
    /// The trackers' hosts with how many torrents each has, the busiest first.
    trackers: Vec<(Arc<str>, usize)>,
    /// The order waits for the finger to rest.
    unsorted: bool,
    last_key: Option<Instant>,
}

impl Table {
    /// The torrent under the cursor.
    pub fn cursor(&self) -> Option<InfoHash> {
        self.cursor
    }

    /// The row under the cursor.
    pub fn current(&self) -> Option<&Row> {
        self.rows.get(&self.cursor?)
    }

    /// A torrent's row, shown or not.
    pub fn row(&self, info_hash: &InfoHash) -> Option<&Row> {
        self.rows.get(info_hash)
    }

    /// The rows that are seen, top down.
    pub fn visible(&self) -> impl Iterator<Item = &Row> {
        self.order.iter().skip(self.top).take(self.height).filter_map(|hash| self.rows.get(hash))
    }

    /// All rows that the filter shows, top down.
    pub fn shown(&self) -> impl Iterator<Item = &Row> {
        self.order.iter().filter_map(|hash| self.rows.get(hash))
    }

    /// All torrents but those being removed, in no order.
    pub fn all(&self) -> impl Iterator<Item = &Row> {
        self.rows.values().filter(|row| !self.hidden.contains(&row.stats.info_hash))
    }

    /// Number of rows that the filter shows.
    pub fn len(&self) -> usize {
        self.order.len()
    }

    /// Whether the filter shows nothing.
    pub fn is_empty(&self) -> bool {
        self.order.is_empty()
    }

    /// Number of torrents, shown or not.
    pub fn total(&self) -> usize {
        self.counts.of(StatusFilter::All)
    }

    /// What the torrents do.
    pub fn counts(&self) -> Counts {
        self.counts
    }

    /// The trackers' hosts with how many torrents each has, the busiest first.
    pub fn trackers(&self) -> &[(Arc<str>, usize)] {
        &self.trackers
    }

    /// Place of the cursor among the rows shown.
    pub fn position(&self) -> Option<usize> {
        let cursor = self.cursor?;
        self.order.iter().position(|hash| *hash == cursor)
    }

    /// Whether this torrent is marked.
    pub fn is_marked(&self, info_hash: &InfoHash) -> bool {
        self.marks.contains(info_hash)
    }

    /// Whether this torrent is about to be removed.
    pub fn is_hidden(&self, info_hash: &InfoHash) -> bool {
        self.hidden.contains(info_hash)
    }

    /// Number of marks.
    pub fn marked(&self) -> usize {
        self.marks.len()
    }

    /// Whether a range is being marked.
    pub fn in_range(&self) -> bool {
        self.range_from.is_some()
    }

    /// The order in use.
    pub fn sort(&self) -> Sort {
        self.sort
    }

    /// The filter in use.
    pub fn filter(&self) -> &Filter {
        &self.filter
    }

    /// What an action is about: the marked torrents in table order, else the one under the cursor.
    pub fn selection(&self) -> Vec<InfoHash> {
        if self.marks.is_empty() {
            return self.cursor.into_iter().collect();
        }
        let mut left = self.marks.clone();
        let mut marked: Vec<_> = self.order.iter().filter(|hash| left.remove(hash)).copied().collect();
        // Marks outlive a filter that hides their rows; they come last, in a fixed order.
        let mut unseen: Vec<_> = left.into_iter().collect();
        unseen.sort_unstable();
        marked.append(&mut unseen);
        marked
    }

    /// Takes news; says whether anything on the screen changed.
    pub fn take(&mut self, changes: &Changes, now: Instant) -> bool {
        let counts_before = self.counts;
        let seen_before: Vec<_> = self.seen().to_vec();
        let mut changed = false;
        for stats in &changes.changed {
            let info_hash = stats.info_hash;
            match self.rows.get_mut(&info_hash) {
                Some(row) => {
                    let seen = seen_before.contains(&info_hash) || self.cursor == Some(info_hash);
                    changed |= seen && !looks_same(&row.stats, stats);
                    if row.stats.name == stats.name && row.stats.tracker == stats.tracker {
                        row.stats = stats.clone();
                    } else {
                        *row = Row::new(stats.clone(), row.place);
                    }
                }
                None => {
                    let place = self.places.get(&info_hash).copied();
                    self.rows.insert(info_hash, Row::new(stats.clone(), place));
                    self.order.push(info_hash);
                }
            }
        }
        if let Some(queue) = &changes.queue {
            changed |= self.take_queue(queue);
        }
        for info_hash in &changes.removed {
            changed |= self.rows.remove(info_hash).is_some();
            self.marks.remove(info_hash);
            self.hidden.remove(info_hash);
        }
        if !changes.changed.is_empty() || !changes.removed.is_empty() {
            self.unsorted = true;
            self.recount();
        }
        self.rearrange_when_still(now);
        if let Some(awaited) = self.awaited.take_if(|awaited| self.rows.contains_key(awaited)) {
            self.go_to(awaited);
            changed = true;
        }
        changed || self.counts != counts_before || self.seen() != seen_before
    }

    /// Takes a new order of the queue; says whether the torrent under the cursor has another place.
    fn take_queue(&mut self, queue: &QueueStats) -> bool {
        let before = self.current().and_then(|row| row.place);
        self.places.clear();
        for kin in [&queue.downloads, &queue.seeds] {
            let of = kin.len() as u32;
            self.places.extend(kin.iter().zip(1..).map(|(torrent, place)| (*torrent, (place, of))));
        }
        for (info_hash, row) in &mut self.rows {
            row.place = self.places.get(info_hash).copied();
        }
        self.unsorted |= self.sort.key == SortKey::Queue;
        self.current().and_then(|row| row.place) != before
    }

    /// Sorts what waits to be sorted, if the last key was long enough ago; says whether rows that are
    /// seen changed places.
    pub fn rearrange_when_still(&mut self, now: Instant) -> bool {
        if !self.unsorted {
            return false;
        }
        let before = self.seen().to_vec();
        let still = self.last_key.is_none_or(|at| now.saturating_duration_since(at) >= STILL);
        if still {
            self.rearrange();
        } else {
            let at = self.position();
            let Self { rows, hidden, filter, order, .. } = self;
            order
                .retain(|hash| !hidden.contains(hash) && rows.get(hash).is_some_and(|row| filter.holds(row)));
            self.catch_cursor(at);
        }
        self.seen() != before
    }

    /// A key was pressed: rows keep still for a second.
    pub fn touch(&mut self, now: Instant) {
        self.last_key = Some(now);
    }

    /// Moves the cursor; a range of marks grows with it.
    pub fn step(&mut self, step: Step) {
        self.awaited = None;
        let Some(from) = self.position() else { return self.catch_cursor(None) };
        let to = Scroll::target(from, step, self.order.len(), self.height);
        self.go_to(self.order[to]);
    }

    /// Puts the cursor on a torrent, if it is shown.
    pub fn go_to(&mut self, info_hash: InfoHash) {
        if self.order.contains(&info_hash) {
            self.cursor = Some(info_hash);
            self.settle(self.height);
        }
    }

    /// Puts the cursor on a torrent that may not be known yet, unless it is moved before.
    pub fn go_to_when_there(&mut self, info_hash: InfoHash) {
        if self.rows.contains_key(&info_hash) {
            self.go_to(info_hash);
        } else {
            self.awaited = Some(info_hash);
        }
    }

    /// Learns how many rows fit and brings the cursor into view.
    pub fn settle(&mut self, height: usize) {
        self.height = height;
        let mut scroll = Scroll { cursor: self.position().unwrap_or(0), top: self.top };
        scroll.settle(self.order.len(), height);
        self.top = scroll.top;
    }

    /// Turns the mark of the cursor row round and goes down.
    pub fn mark(&mut self) {
        let Some(cursor) = self.cursor else { return };
        if !self.marks.remove(&cursor) {
            self.marks.insert(cursor);
        }
        self.step(Step::Down);
    }

    /// Starts a range at the cursor, or marks all from there to here.
    pub fn mark_range(&mut self) {
        let Some(from) = self.range_from.take() else {
            self.range_from = self.cursor;
            return;
        };
        let start = self.order.iter().position(|hash| *hash == from);
        if let (Some(start), Some(end)) = (start, self.position()) {
            self.marks.extend(&self.order[start.min(end)..=start.max(end)]);
        }
    }

    /// Marks all rows shown; if they are, takes all marks away.
    pub fn mark_all(&mut self) {
        if self.order.iter().all(|hash| self.marks.contains(hash)) {
            self.clear_marks();
        } else {
            self.marks.extend(&self.order);
        }
    }

    /// Takes all marks away; says whether there were any.
    pub fn clear_marks(&mut self) -> bool {
        let any = !self.marks.is_empty() || self.range_from.is_some();
        self.marks.clear();
        self.range_from = None;
        any
    }

    /// Sorts by this key from now on.
    pub fn sort_by(&mut self, key: SortKey) {
        self.sort.press(key);
        self.rearrange();
    }

    /// Changes the filter.
    pub fn set_filter(&mut self, change: impl FnOnce(&mut Filter)) {
        change(&mut self.filter);
        self.rearrange();
    }

    /// Takes torrents out of sight.
    pub fn hide(&mut self, torrents: &[InfoHash]) {
        let at = self.position();
        self.hidden.extend(torrents);
        for info_hash in torrents {
            self.marks.remove(info_hash);
        }
        self.recount();
        let Self { hidden, order, .. } = self;
        order.retain(|hash| !hidden.contains(hash));
        self.catch_cursor(at);
    }

    /// Brings them back.
    pub fn unhide(&mut self, torrents: &[InfoHash]) {
        for info_hash in torrents {
            self.hidden.remove(info_hash);
        }
        self.recount();
        self.rearrange();
        if let Some(first) = torrents.first() {
            self.go_to(*first);
        }
    }

    fn seen(&self) -> &[InfoHash] {
        let end = self.order.len().min(self.top.saturating_add(self.height));
        &self.order[self.top.min(end)..end]
    }

    fn rearrange(&mut self) {
        let at = self.position();
        let Self { rows, hidden, filter, sort, .. } = self;
        let mut shown: Vec<&Row> =
            rows.values().filter(|row| !hidden.contains(&row.stats.info_hash) && filter.holds(row)).collect();
        shown.sort_unstable_by(|a, b| sort.compare(a, b));
        self.order = shown.into_iter().map(|row| row.stats.info_hash).collect();
        self.unsorted = false;
        self.catch_cursor(at);
    }

    /// A cursor whose row went takes the row that came into its place.
    fn catch_cursor(&mut self, at: Option<usize>) {
        if self.position().is_none() {
            let at = at.unwrap_or(self.top).min(self.order.len().saturating_sub(1));
            self.cursor = self.order.get(at).copied();
        }
        self.settle(self.height);
    }

    fn recount(&mut self) {
        let mut counts = Counts::default();
        let mut trackers: FxHashMap<&Arc<str>, usize> = FxHashMap::default();
        for row in self.all() {
            counts.add(&row.stats);
            if !row.tracker.is_empty() {
                *trackers.entry(&row.tracker).or_default() += 1;
            }
        }
        let mut trackers: Vec<_> = trackers.into_iter().map(|(host, count)| (host.clone(), count)).collect();
        trackers.sort_unstable_by(|a, b| b.1.cmp(&a.1).then_with(|| a.0.cmp(&b.0)));
        self.counts = counts;
        self.trackers = trackers;
    }
}

/// Whether a torrent runs, so that pausing it means something.
pub const fn runs(state: SessionState) -> bool {
    match state {
        SessionState::Queued
        | SessionState::Checking
        | SessionState::Metadata
        | SessionState::Downloading
        | SessionState::Seeding => true,
        SessionState::Moving | SessionState::Paused | SessionState::Error => false,
    }
}
