//! Whose turn it is, for sessions: each has a seat, says what it is at, and hears when its turn comes or is
//! over. `queue` decides.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use rustc_hash::FxHashMap;
use tokio::sync::{Notify, watch};

use super::SharedResources;
use crate::queue::{Queue, Report, Shift, Turn};
use crate::resume::StateStore;
use crate::settings::GlobalSettings;
use crate::stats::QueueStats;
use crate::types::InfoHash;

/// The queue of one engine.
#[derive(Debug)]
pub struct Turns {
    /// Held to note, to move or to decide; within it only locks of the store and of the board are taken.
    inner: Mutex<Inner>,
    /// There may be something to decide sooner than was thought.
    changed: Notify,
}

#[derive(Debug)]
struct Inner {
    queue: Queue,
    seats: FxHashMap<InfoHash, Taken>,
    next_seat: u64,
    /// Places of the last run that nobody has taken yet.
    kept: FxHashMap<InfoHash, i64>,
    /// A person gave the torrents an order. Until then it is that in which they were added.
    ordered: bool,
    /// ... and that order has changed since it was saved.
    unsaved: bool,
}

#[derive(Debug)]
struct Taken {
    seat: u64,
    turn: watch::Sender<Turn>,
}

/// A session's place in the queue. One of a torrent that was removed and added again has a new one; what
/// its old session still says is ignored.
#[derive(Debug)]
pub struct Seat {
    turns: Arc<Turns>,
    info_hash: InfoHash,
    number: u64,
    turn: watch::Receiver<Turn>,
}

impl Seat {
    /// Notes what the torrent is at, and answers whether it may run as far as that is known.
    pub fn report(&self, now: Instant, report: Report) -> Turn {
        let mut inner = self.turns.lock();
        let turn = match inner.seats.get(&self.info_hash) {
            Some(taken) if taken.seat == self.number => inner.queue.report(now, &self.info_hash, report),
            _ => return Turn::Open,
        };
        inner.tell(&self.info_hash, turn);
        drop(inner);
        self.turns.changed.notify_one();
        turn
    }

    /// Whether the torrent may run.
    pub fn turn(&self) -> Turn {
        *self.turn.borrow()
    }

    /// Tells when that changes.
    pub fn changes(&self) -> watch::Receiver<Turn> {
        self.turn.clone()
    }

    /// Its place among those of its kind, from 1.
    pub fn place(&self) -> u32 {
        self.turns.lock().queue.place(&self.info_hash)
    }
}

impl Drop for Seat {
    fn drop(&mut self) {
        // However its session ended, it is in nobody's way. What it had is still its own: it is on the list.
        self.report(clock(), Report::default());
    }
}

impl Inner {
    fn tell(&self, torrent: &InfoHash, turn: Turn) {
        if let Some(taken) = self.seats.get(torrent) {
            taken.turn.send_if_modified(|told| std::mem::replace(told, turn) != turn);
        }
    }

    fn stats(&self) -> QueueStats {
        let (downloads, seeds) = self.queue.by_kind();
        QueueStats { downloads, seeds }
    }

    fn save(&mut self, store: Option<&StateStore>) {
        if let Some(store) = store.filter(|_| std::mem::take(&mut self.unsaved)) {
            store.put_order(self.queue.order().copied().collect());
        }
    }
}

impl Turns {
    /// An empty queue whose torrents will come in the order of the last run, as far as that was kept.
    pub fn new(settings: &GlobalSettings, slow_after: Duration, kept: Vec<InfoHash>) -> Arc<Self> {
        let ordered = !kept.is_empty();
        // Before all that is new, which begins at 0.
        let first = -i64::try_from(kept.len()).unwrap_or(i64::MAX);
        let inner = Inner {
            queue: Queue::new(settings.active, settings.speed_now(), slow_after),
            seats: FxHashMap::default(),
            next_seat: 0,
            kept: kept.into_iter().zip(first..).collect(),
            ordered,
            unsaved: false,
        };
        Arc::new(Self { inner: Mutex::new(inner), changed: Notify::new() })
    }

    /// A seat for a torrent, behind all others unless the last run knew it.
    pub fn enter(self: &Arc<Self>, info_hash: InfoHash, report: Report) -> Seat {
        let mut inner = self.lock();
        let rank = inner.kept.remove(&info_hash);
        inner.unsaved |= inner.ordered && rank.is_none();
        inner.queue.insert(clock(), info_hash, rank, report);
        inner.next_seat += 1;
        let number = inner.next_seat;
        let (sender, turn) = watch::channel(Turn::Open);
        inner.seats.insert(info_hash, Taken { seat: number, turn: sender });
        drop(inner);
        self.changed.notify_one();
        Seat { turns: self.clone(), info_hash, number, turn }
    }

    /// The torrent is not on the list any more.
    pub fn leave(&self, info_hash: &InfoHash) {
        let mut inner = self.lock();
        if inner.seats.remove(info_hash).is_some() {
            inner.queue.remove(clock(), info_hash);
            inner.unsaved |= inner.ordered;
        }
        drop(inner);
        self.changed.notify_one();
    }

    /// What a person decided for all torrents has changed.
    pub fn set_limits(&self, settings: &GlobalSettings) {
        self.lock().queue.set_limits(clock(), settings.active, settings.speed_now());
        self.changed.notify_one();
    }

    fn next_due(&self) -> Option<Instant> {
        self.lock().queue.next_due()
    }

    /// Decides for all, and tells those whom it concerns.
    pub(crate) fn decide(&self, now: Instant, shared: &SharedResources) {
        let mut inner = self.lock();
        let changes = inner.queue.decide(now);
        changes.iter().for_each(|(torrent, turn)| inner.tell(torrent, *turn));
        inner.save(shared.store());
        shared.board.pin_queue(inner.stats());
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        // Each change leaves the queue whole.
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl SharedResources {
    /// Moves torrents of a manager in the order in which they have their turn, each among those of its
    /// kind, downloads or seeds. The order holds at once, and over restarts. Says whether anything
    /// changed places.
    pub fn shift(&self, torrents: &[InfoHash], shift: Shift) -> bool {
        let mut inner = self.turns.lock();
        let changed = inner.queue.shift(clock(), torrents, shift);
        if changed {
            (inner.ordered, inner.unsaved) = (true, true);
            // What a person wants does not wait.
            inner.save(self.store());
            self.board.pin_queue(inner.stats());
        }
        drop(inner);
        self.turns.changed.notify_one();
        changed
    }

    /// Whose turn it is.
    pub(crate) const fn turns(&self) -> &Arc<Turns> {
        &self.turns
    }
}

/// Decides when there is something to decide, for as long as the engine runs: at its end nobody's turn comes.
pub fn keep(shared: &Arc<SharedResources>) {
    let (mut stopping, turns) = (shared.stopping(), shared.turns.clone());
    let engine = Arc::downgrade(shared);
    shared.tasks().spawn(async move {
        loop {
            let due = turns.next_due();
            let wait = async {
                match due {
                    Some(due) => tokio::time::sleep_until(due.into()).await,
                    None => std::future::pending().await,
                }
            };
            tokio::select! {
                _ = stopping.wait_for(|stopping| *stopping) => return,
                () = turns.changed.notified() => {}
                () = wait => {
                    let Some(shared) = engine.upgrade() else { return };
                    turns.decide(clock(), &shared);
                }
            }
        }
    });
}

/// Saves an order that has changed since it was saved last.
pub fn save(shared: &SharedResources) {
    shared.turns.lock().save(shared.store());
}

fn clock() -> Instant {
    tokio::time::Instant::now().into_std()
}
