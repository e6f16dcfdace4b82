//! Which torrent is told of when: each every five minutes, and all of them together at an even pace (BEP 14).

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use rustc_hash::FxHashMap;

use crate::types::InfoHash;

/// Between two messages about one torrent, at least; libtorrent has the same.
const INTERVAL: Duration = Duration::from_secs(5 * 60);

/// The same where somebody who has it too has come: what we said before was not for them (BEP 14: no more than one
/// a minute).
const ANSWER: Duration = Duration::from_secs(60);

/// Between two messages of ours. Each goes to every computer on the network, and a message is about one torrent,
/// because aria2 reads no more of it: ten thousand torrents take their time, and the new ones come first.
const PACE: Duration = Duration::from_secs(1);

/// When a torrent has its turn: those that have not been told of come first, and then who has waited longest.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Turn {
    told: bool,
    due: Instant,
    /// Of those that came at the same moment the first.
    number: u64,
    hurried: bool,
    info_hash: InfoHash,
}

/// The torrents, and whose turn it is.
#[derive(Debug, Default)]
pub struct Schedule {
    of: FxHashMap<InfoHash, Turn>,
    turns: BTreeSet<Turn>,
    numbers: u64,
    /// Nothing is said before then.
    pause: Option<Instant>,
}

impl Schedule {
    /// This torrent takes turns from now on. One that does already goes on as it does.
    pub fn add(&mut self, now: Instant, info_hash: InfoHash) {
        if !self.of.contains_key(&info_hash) {
            self.insert(false, now, info_hash);
        }
    }

    /// ... and not any more.
    pub fn remove(&mut self, info_hash: &InfoHash) {
        if let Some(turn) = self.of.remove(info_hash) {
            self.turns.remove(&turn);
        }
    }

    /// Somebody new has this torrent: they hear of us sooner. They may be at an address that cannot be called,
    /// and libtorrent over IPv6 always says so from its link-local one.
    pub fn answer(&mut self, now: Instant, info_hash: &InfoHash) {
        let Some(turn) = self.of.get(info_hash).copied().filter(|turn| turn.told) else { return };
        let due = turn.due.checked_sub(INTERVAL - ANSWER).unwrap_or(now).max(now);
        if due < turn.due && !turn.hurried {
            self.turns.remove(&turn);
            let turn = Turn { due, hurried: true, ..turn };
            self.turns.insert(turn);
            self.of.insert(*info_hash, turn);
        }
    }

    /// The torrent to be told of now, if one is due and the pace allows it.
    pub fn take(&mut self, now: Instant) -> Option<InfoHash> {
        if self.next_due()? > now {
            return None;
        }
        let Turn { info_hash, .. } = self.turns.pop_first()?;
        self.insert(true, now + INTERVAL, info_hash);
        self.pause = Some(now + PACE);
        Some(info_hash)
    }

    /// When [`take`](Self::take) has something to give; `None`: there are no torrents.
    pub fn next_due(&self) -> Option<Instant> {
        let due = self.turns.first()?.due;
        Some(self.pause.map_or(due, |pause| pause.max(due)))
    }

    fn insert(&mut self, told: bool, due: Instant, info_hash: InfoHash) {
        self.numbers += 1;
        let turn = Turn { told, due, number: self.numbers, hurried: false, info_hash };
        self.turns.insert(turn);
        self.of.insert(info_hash, turn);
    }
}
