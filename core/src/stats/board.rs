//! The board: the newest snapshot of each session, and what changed since somebody looked.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use rustc_hash::FxHashMap;
use tokio::sync::Notify;
use tokio::sync::futures::Notified;

use super::{GlobalStats, QueueStats, SessionStats};
use crate::types::InfoHash;

/// The newest snapshot of every session, with a sequence number for each change.
///
/// Bounded by the number of sessions: a pin replaces the one before. Any number of viewers may ask
/// [`since`](Self::since); nothing is taken away. The lock is a leaf, held for a look-up or a swap.
#[derive(Debug, Default)]
pub struct StatsBoard {
    inner: Mutex<Board>,
    looks: AtomicU64,
    looked: Notify,
}

#[derive(Debug, Default)]
struct Board {
    seq: u64,
    next_owner: u64,
    sessions: FxHashMap<InfoHash, Pinned>,
    /// Sessions by their newest change: who looks every second does not walk ten thousand that rest.
    order: BTreeMap<u64, InfoHash>,
    /// Removed sessions, so that a viewer that looks rarely still learns of them.
    gone: FxHashMap<InfoHash, u64>,
    /// They too by their change.
    gone_order: BTreeMap<u64, InfoHash>,
    global: Arc<GlobalStats>,
    queue: Arc<QueueStats>,
    queue_seq: u64,
    sums: Sums,
}

/// What all sessions have together: the sums of the newest snapshots, so that totals and rows agree.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
struct Sums {
    rate_down: u64,
    rate_up: u64,
    peers: u32,
}

#[derive(Debug)]
struct Pinned {
    owner: u64,
    seq: u64,
    stats: Arc<SessionStats>,
}

/// A session's place on the board. A torrent that was removed and added again has a new one; what
/// its old session still pins is ignored.
#[derive(Debug)]
pub struct Place {
    board: Arc<StatsBoard>,
    owner: u64,
    info_hash: InfoHash,
}

impl Place {
    /// Puts a snapshot up. One that equals the newest changes nothing.
    pub fn pin(&self, stats: SessionStats) {
        let mut board = self.board.lock();
        let next = board.seq + 1;
        if let Some(pinned) = board.sessions.get_mut(&self.info_hash)
            && pinned.owner == self.owner
            && *pinned.stats != stats
        {
            let old = std::mem::replace(&mut pinned.stats, Arc::new(stats));
            let new = pinned.stats.clone();
            let before = std::mem::replace(&mut pinned.seq, next);
            board.order.remove(&before);
            board.order.insert(next, self.info_hash);
            board.seq = next;
            board.sums.change(Some(&old), Some(&new));
        }
    }

    /// Takes the session down.
    pub fn leave(&self) {
        let mut board = self.board.lock();
        if board.sessions.get(&self.info_hash).is_some_and(|pinned| pinned.owner == self.owner)
            && let Some(pinned) = board.sessions.remove(&self.info_hash)
        {
            board.seq += 1;
            let seq = board.seq;
            board.order.remove(&pinned.seq);
            board.sums.change(Some(&pinned.stats), None);
            board.gone.insert(self.info_hash, seq);
            board.gone_order.insert(seq, self.info_hash);
        }
    }
}

impl Board {
    /// Brings the totals up to date with the sessions.
    fn sum_up(&mut self) {
        let (global, sums) = (&self.global, self.sums);
        if (Sums { rate_down: global.rate_down, rate_up: global.rate_up, peers: global.peers }) != sums {
            self.global = Arc::new(sums.within((**global).clone()));
        }
    }
}

impl Sums {
    fn change(&mut self, old: Option<&SessionStats>, new: Option<&SessionStats>) {
        if let Some(old) = old {
            self.rate_down -= old.rate_down;
            self.rate_up -= old.rate_up;
            self.peers -= old.seeds + old.leechers;
        }
        if let Some(new) = new {
            self.rate_down += new.rate_down;
            self.rate_up += new.rate_up;
            self.peers += new.seeds + new.leechers;
        }
    }

    fn within(self, global: GlobalStats) -> GlobalStats {
        let Self { rate_down, rate_up, peers } = self;
        GlobalStats { rate_down, rate_up, peers, ..global }
    }
}

/// What changed on the board.
#[derive(Clone, Debug, Default)]
pub struct Changes {
    /// Ask with this number next time.
    pub seq: u64,
    /// New and changed sessions, the newest change last.
    pub changed: Vec<Arc<SessionStats>>,
    /// Sessions that were removed.
    pub removed: Vec<InfoHash>,
    /// The totals as they are now.
    pub global: Arc<GlobalStats>,
    /// The order of the torrents, if it has changed.
    pub queue: Option<Arc<QueueStats>>,
}

impl StatsBoard {
    /// Makes a place for a session, with its first snapshot.
    pub fn claim(self: &Arc<Self>, first: SessionStats) -> Place {
        let mut board = self.lock();
        board.seq += 1;
        board.next_owner += 1;
        let (owner, seq, info_hash) = (board.next_owner, board.seq, first.info_hash);
        if let Some(gone) = board.gone.remove(&info_hash) {
            board.gone_order.remove(&gone);
        }
        let pinned = Pinned { owner, seq, stats: Arc::new(first) };
        let stats = pinned.stats.clone();
        let before = board.sessions.insert(info_hash, pinned);
        if let Some(before) = &before {
            board.order.remove(&before.seq);
        }
        board.sums.change(before.as_ref().map(|before| &*before.stats), Some(&stats));
        board.order.insert(seq, info_hash);
        drop(board);
        Place { board: self.clone(), owner, info_hash }
    }

    /// Puts the totals up; what sessions have together is the board's own.
    pub fn pin_global(&self, global: GlobalStats) {
        let mut board = self.lock();
        let global = board.sums.within(global);
        if *board.global != global {
            board.seq += 1;
            board.global = Arc::new(global);
        }
    }

    /// Puts the order of the torrents up.
    pub fn pin_queue(&self, queue: QueueStats) {
        let mut board = self.lock();
        if *board.queue != queue {
            board.seq += 1;
            board.queue_seq = board.seq;
            board.queue = Arc::new(queue);
        }
    }

    /// The order of the torrents.
    pub fn queue(&self) -> Arc<QueueStats> {
        self.lock().queue.clone()
    }

    /// What changed after `seq`; 0 asks for everything.
    pub fn since(&self, seq: u64) -> Changes {
        self.look();
        let mut board = self.lock();
        board.sum_up();
        if seq == board.seq {
            return Changes { seq, global: board.global.clone(), ..Changes::default() };
        }
        Changes {
            seq: board.seq,
            changed: board
                .order
                .range(seq + 1..)
                .filter_map(|(_, hash)| Some(board.sessions.get(hash)?.stats.clone()))
                .collect(),
            removed: board.gone_order.range(seq + 1..).map(|(_, hash)| *hash).collect(),
            global: board.global.clone(),
            queue: (board.queue_seq > seq).then(|| board.queue.clone()),
        }
    }

    /// The newest snapshot of one session.
    pub fn get(&self, info_hash: &InfoHash) -> Option<Arc<SessionStats>> {
        self.lock().sessions.get(info_hash).map(|pinned| pinned.stats.clone())
    }

    /// The totals. They are kept for as long as somebody looks; the first look after a while finds
    /// those of back then.
    pub fn global(&self) -> Arc<GlobalStats> {
        let mut board = self.lock();
        board.sum_up();
        let newest = board.global.clone();
        drop(board);
        self.look();
        newest
    }

    /// The totals, for who puts them up: no look of a viewer.
    pub(crate) fn totals(&self) -> Arc<GlobalStats> {
        self.lock().global.clone()
    }

    /// How often somebody has looked at the totals.
    pub(crate) fn looks(&self) -> u64 {
        self.looks.load(Ordering::Relaxed)
    }

    /// Resolves when somebody looks at the totals after this call.
    pub(crate) fn looked(&self) -> Notified<'_> {
        self.looked.notified()
    }

    fn look(&self) {
        self.looks.fetch_add(1, Ordering::Relaxed);
        self.looked.notify_waiters();
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Board> {
        // A snapshot is replaced whole, so a panic elsewhere cannot leave half of one behind.
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
