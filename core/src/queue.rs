//! Whose turn it is: so many torrents download at once, so many seed, the others wait. No BEP; the rules are
//! those of libtorrent's auto-managed torrents.
//!
//! Torrents stand in one order. Of those that want to run the first ones do, downloads and seeds counted
//! apart. Beside them run those that a person forced, and those that had their turn and bring next to
//! nothing: a torrent without peers holds nobody up. Whatever rests, is checked or is moved holds no turn;
//! one whose check has only begun keeps its place for some seconds, so that a start of the program does not
//! start and stop torrents in the order in which checks end.
//!
//! What happens is noted at once, and cheap; who runs is decided some tenths of a second later, once for
//! all that happened meanwhile, and at most once a second.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use rustc_hash::{FxHashMap, FxHashSet};

use crate::settings::{ActiveLimits, MaxActive, SpeedLimits};
use crate::types::InfoHash;

#[cfg(test)]
mod tests;

/// Below this many bytes a second a torrent is slow: libtorrent's `inactive_down_rate`. Twice as much, and
/// it is not any more.
const SLOW: u64 = 2 << 10;

/// A check that takes no longer than this does not cost a torrent its place: where files look as they did,
/// nothing is hashed.
const SOON: Duration = Duration::from_secs(10);

/// What happens together is decided together: a person pauses or resumes all, torrents of the last run are
/// taken up.
const SETTLE: Duration = Duration::from_millis(200);

/// Decisions are so far apart at least: with ten thousand torrents one takes milliseconds.
const APART: Duration = Duration::from_secs(1);

/// What a torrent is at, as far as its turn depends on it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Stage {
    /// It does not want to run: paused, in error, over.
    #[default]
    Rest,
    /// It will want to, once its files are checked or moved.
    Busy,
    /// It wants to run, or does.
    Ready,
}

/// What a torrent says of itself.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Report {
    /// What it is at.
    pub stage: Stage,
    /// All that is wanted of it is there: it seeds, or would.
    pub complete: bool,
    /// A person wants it to run whatever the others do.
    pub forced: bool,
    /// Payload in the direction that counts, in for a download and out for a seed, bytes per second.
    pub rate: u64,
    /// What a person allows it in that direction, bytes per second; `None`: no limit of its own.
    pub limit: Option<u64>,
}

impl Report {
    const fn kind(self) -> Kind {
        if self.complete { Kind::Seed } else { Kind::Download }
    }
}

/// Whether a torrent may run.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Turn {
    /// That is not decided yet, or the torrent has not asked.
    #[default]
    Open,
    /// Others come before it.
    Waits,
    /// It may.
    Runs,
}

/// Where torrents of a person's choice go in the order of their kind. They keep their own order.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, serde::Serialize, serde::Deserialize)]
pub enum Shift {
    /// One place up.
    Up,
    /// One place down.
    Down,
    /// Before all others.
    Top,
    /// Behind all others.
    Bottom,
    /// To this place, from 1; one that is too high is the last.
    To(u32),
}

/// What a turn is counted among.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Download,
    Seed,
}

/// How quick a torrent that runs is.
#[derive(Clone, Copy, Debug, Default)]
struct Pace {
    /// It brings next to nothing, and does not count.
    slow: bool,
    /// Since when it looks otherwise.
    differs: Option<Instant>,
}

impl Pace {
    /// It has just begun: it counts, and brings nothing yet.
    const fn begun(now: Instant) -> Self {
        Self { slow: false, differs: Some(now) }
    }

    fn measure(&mut self, now: Instant, rate: u64, threshold: u64) {
        let slow = if self.slow { rate < threshold.saturating_mul(2) } else { rate < threshold };
        self.differs = if slow == self.slow { None } else { self.differs.or(Some(now)) };
    }

    /// Believes what has been so for long enough.
    fn settle(&mut self, now: Instant, patience: Duration) {
        if self.due(patience).is_some_and(|due| due <= now) {
            *self = Self { slow: !self.slow, differs: None };
        }
    }

    fn due(&self, patience: Duration) -> Option<Instant> {
        self.differs.map(|since| since + patience)
    }
}

#[derive(Clone, Debug)]
struct Entry {
    rank: i64,
    /// Its place among those of its kind, from 1, as of the last look.
    place: u32,
    report: Report,
    turn: Turn,
    /// Since when it is at its stage.
    since: Instant,
    pace: Pace,
}

/// The order of the torrents, and whose turn it is.
#[derive(Debug, Default)]
pub struct Queue {
    limits: ActiveLimits,
    speed: SpeedLimits,
    /// So long a torrent must have been slow, or quick, before that counts.
    patience: Duration,
    order: BTreeMap<i64, InfoHash>,
    torrents: FxHashMap<InfoHash, Entry>,
    /// Since when something waits to be decided.
    undecided: Option<Instant>,
    decided: Option<Instant>,
    /// When time alone changes something.
    due: Option<Instant>,
}

impl Queue {
    /// Nobody yet. Who has been slow, or quick, for `patience` counts so; who begins is given as long.
    pub fn new(limits: ActiveLimits, speed: SpeedLimits, patience: Duration) -> Self {
        Self { limits, speed, patience, ..Self::default() }
    }

    /// How many may run, and how fast all together may be: who is held back is not slow.
    pub fn set_limits(&mut self, now: Instant, limits: ActiveLimits, speed: SpeedLimits) {
        if (self.limits, self.speed) != (limits, speed) {
            (self.limits, self.speed) = (limits, speed);
            self.touch(now);
        }
    }

    /// Puts a torrent in, behind all others or at a rank of before. One that is there is put in anew.
    pub fn insert(&mut self, now: Instant, torrent: InfoHash, rank: Option<i64>, report: Report) {
        self.remove(now, &torrent);
        let last = self.order.keys().next_back().map_or(0, |last| (last + 1).max(0));
        let rank = rank.filter(|rank| !self.order.contains_key(rank)).unwrap_or(last);
        self.order.insert(rank, torrent);
        let turn = self.free(report);
        let entry = Entry { rank, place: 0, report, turn, since: now, pace: Pace::begun(now) };
        self.torrents.insert(torrent, entry);
        self.touch(now);
    }

    /// Takes a torrent out.
    pub fn remove(&mut self, now: Instant, torrent: &InfoHash) {
        if let Some(entry) = self.torrents.remove(torrent) {
            self.order.remove(&entry.rank);
            self.touch(now);
        }
    }

    /// Notes what a torrent says, and answers whether it may run as far as that is known.
    pub fn report(&mut self, now: Instant, torrent: &InfoHash, report: Report) -> Turn {
        let (threshold, free) = (self.threshold(report), self.free(report));
        let Some(entry) = self.torrents.get_mut(torrent) else { return Turn::Open };
        let before = std::mem::replace(&mut entry.report, report);
        if before.stage != report.stage {
            entry.since = now;
            entry.turn = Turn::Open;
        }
        if entry.turn != Turn::Runs && free == Turn::Runs {
            entry.turn = free;
            entry.pace = Pace::begun(now);
        }
        if before.complete != report.complete {
            entry.pace = Pace::begun(now);
        }
        if entry.turn == Turn::Runs {
            entry.pace.measure(now, report.rate, threshold);
            self.due = [self.due, entry.pace.due(self.patience)].into_iter().flatten().min();
        }
        let turn = entry.turn;
        if (before.stage, before.complete, before.forced) != (report.stage, report.complete, report.forced) {
            self.touch(now);
        }
        turn
    }

    /// Whether this torrent may run.
    pub fn turn(&self, torrent: &InfoHash) -> Turn {
        self.torrents.get(torrent).map_or(Turn::Open, |entry| entry.turn)
    }

    /// When to decide; `None`: when something happens.
    pub fn next_due(&self) -> Option<Instant> {
        let settled = self.undecided.map(|since| since + SETTLE);
        let due = [settled, self.due].into_iter().flatten().min()?;
        Some(self.decided.map_or(due, |decided| due.max(decided + APART)))
    }

    /// Decides for all. Returns the torrents whose turn has come, has gone, or has for the first time not come.
    pub fn decide(&mut self, now: Instant) -> Vec<(InfoHash, Turn)> {
        (self.undecided, self.decided, self.due) = (None, Some(now), None);
        let mut left = [self.limits.downloads, self.limits.seeds].map(MaxActive::get);
        let mut places = [0_u32; 2];
        let (mut changes, mut due) = (Vec::new(), None);
        let mut at_latest = |at: Option<Instant>| due = [due, at].into_iter().flatten().min();
        for torrent in self.order.values() {
            let Some(entry) = self.torrents.get_mut(torrent) else { continue };
            let kind = entry.report.kind() as usize;
            places[kind] += 1;
            entry.place = places[kind];
            let limited = left[kind].is_some();
            let mut take = || match &mut left[kind] {
                None => true,
                Some(0) => false,
                Some(left) => {
                    *left -= 1;
                    true
                }
            };
            match entry.report.stage {
                Stage::Rest => {}
                Stage::Busy => {
                    let soon = entry.since + SOON;
                    if limited && now < soon && !entry.report.forced && take() {
                        at_latest(Some(soon));
                    }
                }
                Stage::Ready => {
                    let ran = entry.turn == Turn::Runs;
                    if ran {
                        entry.pace.settle(now, self.patience);
                    }
                    let runs = entry.report.forced || (ran && entry.pace.slow) || take();
                    let turn = if runs { Turn::Runs } else { Turn::Waits };
                    if runs && !ran {
                        entry.pace = Pace::begun(now);
                    }
                    if std::mem::replace(&mut entry.turn, turn) != turn {
                        changes.push((*torrent, turn));
                    }
                    if runs && limited && !entry.report.forced {
                        at_latest(entry.pace.due(self.patience));
                    }
                }
            }
        }
        self.due = due;
        changes
    }

    /// Moves torrents among those of their kind. Says whether anything changed places.
    pub fn shift(&mut self, now: Instant, torrents: &[InfoHash], shift: Shift) -> bool {
        let chosen: FxHashSet<InfoHash> = torrents.iter().copied().collect();
        let mut changed = false;
        for complete in [false, true] {
            let is_kin = |torrent: &InfoHash| {
                self.torrents.get(torrent).is_some_and(|entry| entry.report.complete == complete)
            };
            let (ranks, before): (Vec<i64>, Vec<InfoHash>) = self
                .order
                .iter()
                .filter(|(_, torrent)| is_kin(torrent))
                .map(|(rank, at)| (*rank, *at))
                .unzip();
            let after = shifted(&before, &chosen, shift);
            if after == before {
                continue;
            }
            changed = true;
            for (place, (rank, torrent)) in (1..).zip(ranks.into_iter().zip(after)) {
                self.order.insert(rank, torrent);
                if let Some(entry) = self.torrents.get_mut(&torrent) {
                    (entry.rank, entry.place) = (rank, place);
                }
            }
        }
        if changed {
            self.touch(now);
        }
        changed
    }

    /// The place of a torrent among those of its kind, from 1, as of the last decision or move; 0 before.
    pub fn place(&self, torrent: &InfoHash) -> u32 {
        self.torrents.get(torrent).map_or(0, |entry| entry.place)
    }

    /// All torrents in their order.
    pub fn order(&self) -> impl Iterator<Item = &InfoHash> {
        self.order.values()
    }

    /// Downloads and seeds, each in their order, whether they run, wait or rest.
    pub fn by_kind(&self) -> (Vec<InfoHash>, Vec<InfoHash>) {
        let is_seed =
            |torrent: &InfoHash| self.torrents.get(torrent).is_some_and(|entry| entry.report.complete);
        let (seeds, downloads) = self.order.values().partition(|torrent| is_seed(torrent));
        (downloads, seeds)
    }

    fn touch(&mut self, now: Instant) {
        self.undecided.get_or_insert(now);
    }

    fn limit(&self, kind: Kind) -> MaxActive {
        match kind {
            Kind::Download => self.limits.downloads,
            Kind::Seed => self.limits.seeds,
        }
    }

    /// The turn of a torrent that depends on no other.
    fn free(&self, report: Report) -> Turn {
        let alone = report.forced || self.limit(report.kind()) == MaxActive::Unlimited;
        if report.stage == Stage::Ready && alone { Turn::Runs } else { Turn::Open }
    }

    /// Below which rate a torrent is slow: where limits leave it less than that, half of what they leave.
    fn threshold(&self, report: Report) -> u64 {
        let kind = report.kind();
        let all = if kind == Kind::Seed { self.speed.up } else { self.speed.down };
        let share = all.zip(self.limit(kind).get()).map(|(all, max)| all / u64::from(max.max(1)));
        [share, report.limit].into_iter().flatten().map(|most| most / 2).fold(SLOW, u64::min)
    }
}

/// The torrents of one kind with the chosen ones elsewhere.
fn shifted(before: &[InfoHash], chosen: &FxHashSet<InfoHash>, shift: Shift) -> Vec<InfoHash> {
    let mut after = before.to_vec();
    let is_chosen = |torrent: &InfoHash| chosen.contains(torrent);
    let (picked, mut others): (Vec<_>, Vec<_>) = before.iter().copied().partition(is_chosen);
    match shift {
        // Each passes one that is not chosen, so that those at the end stay as they are.
        Shift::Up => {
            for at in 1..after.len() {
                if is_chosen(&after[at]) && !is_chosen(&after[at - 1]) {
                    after.swap(at - 1, at);
                }
            }
        }
        Shift::Down => {
            for at in (1..after.len()).rev() {
                if is_chosen(&after[at - 1]) && !is_chosen(&after[at]) {
                    after.swap(at - 1, at);
                }
            }
        }
        Shift::Top => after = [picked, others].concat(),
        Shift::Bottom => after = [others, picked].concat(),
        Shift::To(place) => {
            let at = (place.max(1) as usize - 1).min(others.len());
            others.splice(at..at, picked);
            after = others;
        }
    }
    after
}
