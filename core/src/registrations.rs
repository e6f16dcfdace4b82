//! Torrents that sessions have given to something that all share and that finds peers for them: the DHT (BEP 5)
//! and local service discovery (BEP 14). Sessions add and drop them; the task of the shared thing is woken, and
//! takes what has changed.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use rustc_hash::{FxHashMap, FxHashSet};
use tokio::sync::{Notify, mpsc};

use crate::stats::PeerSource;
use crate::types::InfoHash;

/// Lists of peers of one torrent that wait for its session; more are found again.
pub const FOUND: usize = 8;

/// Takes peers of a torrent, and says who named them.
pub type Found = mpsc::Sender<(PeerSource, Vec<SocketAddr>)>;

/// The torrents, each with what it wants (`W`). Clones share them.
#[derive(Debug)]
pub struct Registrations<W> {
    inner: Arc<Inner<W>>,
}

#[derive(Debug)]
struct Inner<W> {
    /// A leaf lock, held for a look or a change.
    state: Mutex<State<W>>,
    changed: Notify,
}

#[derive(Debug)]
struct State<W> {
    torrents: FxHashMap<InfoHash, Torrent<W>>,
    /// Those that were added, changed or dropped since the task looked. Bounded by the torrents there are.
    changed: FxHashSet<InfoHash>,
    next: u64,
}

#[derive(Debug)]
struct Torrent<W> {
    number: u64,
    wish: W,
    found: Found,
}

/// A torrent that is there for as long as this lives.
#[derive(Debug)]
pub struct Registration<W> {
    inner: Arc<Inner<W>>,
    info_hash: InfoHash,
    number: u64,
}

impl<W> Clone for Registrations<W> {
    fn clone(&self) -> Self {
        Self { inner: Arc::clone(&self.inner) }
    }
}

impl<W> Default for Registrations<W> {
    fn default() -> Self {
        let state = State { torrents: FxHashMap::default(), changed: FxHashSet::default(), next: 0 };
        Self { inner: Arc::new(Inner { state: Mutex::new(state), changed: Notify::new() }) }
    }
}

impl<W: Copy> Registrations<W> {
    /// Adds a torrent, in the place of the one with the same hash. Peers come to `found`; what does not fit there
    /// is lost.
    pub fn register(&self, info_hash: InfoHash, wish: W, found: Found) -> Registration<W> {
        let inner = Arc::clone(&self.inner);
        let mut state = inner.lock();
        state.next += 1;
        let number = state.next;
        state.torrents.insert(info_hash, Torrent { number, wish, found });
        state.changed.insert(info_hash);
        drop(state);
        inner.changed.notify_one();
        Registration { inner, info_hash, number }
    }

    /// Waits until something has changed, or somebody [wakes](Self::wake) the task for another reason.
    pub async fn changed(&self) {
        self.inner.changed.notified().await;
    }

    /// Wakes the task.
    pub fn wake(&self) {
        self.inner.changed.notify_one();
    }

    /// What has changed since the last call, and what each wants now; `None`: it is not there any more.
    pub fn take_changed(&self) -> Vec<(InfoHash, Option<W>)> {
        let mut state = self.inner.lock();
        let changed = std::mem::take(&mut state.changed);
        let wish = |hash: &InfoHash| state.torrents.get(hash).map(|torrent| torrent.wish);
        changed.into_iter().map(|hash| (hash, wish(&hash))).collect()
    }

    /// Whether a torrent is there.
    pub fn contains(&self, info_hash: &InfoHash) -> bool {
        self.inner.lock().torrents.contains_key(info_hash)
    }

    /// Peers of a torrent, for its session. One that has enough to do hears of them again.
    pub fn found(&self, info_hash: &InfoHash, source: PeerSource, peers: Vec<SocketAddr>) {
        if let Some(torrent) = self.inner.lock().torrents.get(info_hash) {
            let _ = torrent.found.try_send((source, peers));
        }
    }

    /// All torrents, and what they want.
    #[cfg(test)]
    pub(crate) fn all(&self) -> Vec<(InfoHash, W)> {
        self.inner.lock().torrents.iter().map(|(hash, torrent)| (*hash, torrent.wish)).collect()
    }
}

impl<W> Inner<W> {
    fn lock(&self) -> MutexGuard<'_, State<W>> {
        // Changes go in and out whole, so a panic elsewhere leaves them usable.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<W: Copy + PartialEq> Registration<W> {
    /// The torrent wants something else.
    pub fn wish(&self, wish: W) {
        let mut state = self.inner.lock();
        let ours = |torrent: &&mut Torrent<W>| torrent.number == self.number;
        let Some(torrent) = state.torrents.get_mut(&self.info_hash).filter(ours) else { return };
        if std::mem::replace(&mut torrent.wish, wish) != wish {
            state.changed.insert(self.info_hash);
            drop(state);
            self.inner.changed.notify_one();
        }
    }
}

impl<W> Drop for Registration<W> {
    fn drop(&mut self) {
        let mut state = self.inner.lock();
        // A torrent that was removed and added again has another registration by now.
        let ours = |torrent: &Torrent<W>| torrent.number == self.number;
        if state.torrents.get(&self.info_hash).is_some_and(ours) {
            state.torrents.remove(&self.info_hash);
            state.changed.insert(self.info_hash);
            drop(state);
            self.inner.changed.notify_one();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hash(n: u8) -> InfoHash {
        InfoHash::new([n; 20])
    }

    #[test]
    fn the_task_hears_of_each_change_once_and_of_the_last_wish() {
        let torrents = Registrations::default();
        let (found, mut peers) = mpsc::channel(1);
        let first = torrents.register(hash(1), 1, found.clone());
        first.wish(2);
        first.wish(2);
        assert_eq!(torrents.take_changed(), [(hash(1), Some(2))]);
        first.wish(2);
        assert_eq!(torrents.take_changed(), []);
        let at: SocketAddr = ([11, 0, 0, 1], 6881).into();
        for hash in [hash(1), hash(2)] {
            // Room for one: the next is lost and blocks nobody.
            (0..2).for_each(|_| torrents.found(&hash, PeerSource::Dht, vec![at]));
        }
        assert_eq!(peers.try_recv().ok(), Some((PeerSource::Dht, vec![at])));
        assert!(peers.try_recv().is_err());
        drop(first);
        assert_eq!(torrents.take_changed(), [(hash(1), None)]);
        assert!(!torrents.contains(&hash(1)));
    }

    #[test]
    fn one_that_was_replaced_changes_nothing_any_more() {
        let torrents = Registrations::default();
        let (found, _peers) = mpsc::channel(1);
        let old = torrents.register(hash(1), 1, found.clone());
        let new = torrents.register(hash(1), 2, found);
        old.wish(3);
        drop(old);
        assert_eq!(torrents.take_changed(), [(hash(1), Some(2))]);
        assert_eq!(torrents.all(), [(hash(1), 2)]);
        drop(new);
        assert_eq!(torrents.all(), []);
    }
}
