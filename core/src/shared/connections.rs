//! How many connections there may be over all torrents; the number can be changed while they stand.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

/// The count and its limits. Each figure is a value on its own.
#[derive(Debug)]
pub struct Connections {
    total: AtomicUsize,
    per_torrent: AtomicUsize,
    open: AtomicUsize,
}

/// The right to hold one connection, for as long as it lives.
#[derive(Debug)]
pub struct ConnectionPermit(Arc<Connections>);

impl Connections {
    /// With so many at most, over all and for one torrent.
    pub fn new(total: usize, per_torrent: usize) -> Arc<Self> {
        let (total, per_torrent) = (AtomicUsize::new(total), AtomicUsize::new(per_torrent));
        Arc::new(Self { total, per_torrent, open: AtomicUsize::new(0) })
    }

    /// One more; `None`: the limit is reached.
    pub fn permit(self: &Arc<Self>) -> Option<ConnectionPermit> {
        let more = |open| (open < self.total.load(Ordering::Relaxed)).then_some(open + 1);
        let got = self.open.fetch_update(Ordering::Relaxed, Ordering::Relaxed, more);
        got.is_ok().then(|| ConnectionPermit(self.clone()))
    }

    /// Whether there are as many as there may be.
    pub fn is_full(&self) -> bool {
        self.open.load(Ordering::Relaxed) >= self.total.load(Ordering::Relaxed)
    }

    /// Changes the limits. Torrents that have more links than they may let some go.
    pub fn set(&self, total: usize, per_torrent: usize) {
        self.total.store(total, Ordering::Relaxed);
        self.per_torrent.store(per_torrent, Ordering::Relaxed);
    }

    /// How many of its links a torrent may keep where there are too many over all torrents: its share of what
    /// there may be. The last one is left to each.
    pub fn may_keep(&self, links: usize) -> usize {
        let (total, open) = (self.total.load(Ordering::Relaxed), self.open.load(Ordering::Relaxed));
        if open > total { (links * total / open).max(1) } else { usize::MAX }
    }

    /// Links of one torrent at most.
    pub fn per_torrent(&self) -> usize {
        self.per_torrent.load(Ordering::Relaxed)
    }
}

impl Drop for ConnectionPermit {
    fn drop(&mut self) {
        self.0.open.fetch_sub(1, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_limit_of_connections_may_change_while_they_stand() {
        let connections = Connections::new(3, 2);
        let mut held: Vec<_> = (0..3).map(|_| connections.permit().unwrap()).collect();
        assert!(connections.permit().is_none());
        assert_eq!((connections.may_keep(2), connections.may_keep(5)), (usize::MAX, usize::MAX));
        connections.set(4, 10);
        held.extend(connections.permit());
        assert_eq!(held.len(), 4);
        connections.set(2, 10);
        assert_eq!((connections.may_keep(4), connections.may_keep(1)), (2, 1));
        held.truncate(1);
        assert!(connections.permit().is_some());
    }
}
