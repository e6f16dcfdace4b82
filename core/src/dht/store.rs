//! What others announced to us (BEP 5): bounded, and forgotten when it is not announced again.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use rand::rngs::StdRng;
use rand::seq::IndexedRandom;
use rustc_hash::FxHashMap;

use super::id::{Family, Host, NodeId};
use crate::types::InfoHash;

/// Torrents that are kept; libtorrent keeps as many.
const MAX_TORRENTS: usize = 2_000;

/// Peers of one torrent.
const MAX_PEERS: usize = 500;

/// Announces of one host: in a small DHT a seedbox with many torrents has that many, and nobody fills the
/// store alone.
const MAX_FROM_HOST: u32 = 200;

/// Announces come again within 30 minutes (BEP 5's clients take 15 to 28).
const KEPT: Duration = Duration::from_secs(45 * 60);

/// The bounded store.
#[derive(Debug, Default)]
pub struct PeerStore {
    torrents: FxHashMap<(Family, InfoHash), Vec<Stored>>,
    /// Announces kept of each host.
    hosts: FxHashMap<Host, u32>,
}

#[derive(Clone, Copy, Debug)]
struct Stored {
    peer: SocketAddr,
    until: Instant,
}

impl PeerStore {
    /// Keeps an announce. What is full lets go of what is farthest from `own`, as nobody will look for that
    /// here.
    pub fn put(&mut self, now: Instant, own: &NodeId, info_hash: InfoHash, peer: SocketAddr) {
        let key = (Family::of(&peer), info_hash);
        let until = now + KEPT;
        if let Some(stored) =
            self.torrents.get_mut(&key).and_then(|peers| peers.iter_mut().find(|stored| stored.peer == peer))
        {
            stored.until = until;
            return;
        }
        if self.hosts.get(&Host::of(&peer)).is_some_and(|&count| count >= MAX_FROM_HOST) {
            return;
        }
        if !self.torrents.contains_key(&key) && self.torrents.len() >= MAX_TORRENTS {
            self.expire(now);
            if self.torrents.len() >= MAX_TORRENTS && !self.make_room(own, &info_hash) {
                return;
            }
        }
        let peers = self.torrents.entry(key).or_default();
        if peers.len() >= MAX_PEERS {
            let oldest = peers.iter().enumerate().min_by_key(|(_, stored)| stored.until);
            if let Some(oldest) = oldest.map(|(at, _)| at) {
                let gone = peers.swap_remove(oldest);
                release(&mut self.hosts, &gone.peer);
            }
        }
        peers.push(Stored { peer, until });
        *self.hosts.entry(Host::of(&peer)).or_default() += 1;
    }

    /// At most `most` peers of a torrent, any of those that are kept.
    pub fn get(
        &self,
        now: Instant,
        random: &mut StdRng,
        family: Family,
        info_hash: InfoHash,
        most: usize,
    ) -> Vec<SocketAddr> {
        let Some(peers) = self.torrents.get(&(family, info_hash)) else { return Vec::new() };
        let fresh: Vec<_> =
            peers.iter().filter(|stored| stored.until > now).map(|stored| stored.peer).collect();
        fresh.sample(random, most).copied().collect()
    }

    /// Forgets what was not announced again.
    pub fn expire(&mut self, now: Instant) {
        let hosts = &mut self.hosts;
        self.torrents.retain(|_, peers| {
            peers.retain(|stored| {
                let fresh = stored.until > now;
                if !fresh {
                    release(hosts, &stored.peer);
                }
                fresh
            });
            !peers.is_empty()
        });
    }

    /// Torrents that are kept, each family for itself.
    pub fn torrents(&self) -> usize {
        self.torrents.len()
    }

    /// Whether the farthest torrent went because `newcomer` is nearer.
    fn make_room(&mut self, own: &NodeId, newcomer: &InfoHash) -> bool {
        let distance = |hash: &InfoHash| NodeId::from(*hash).distance(own);
        let Some(farthest) = self.torrents.keys().max_by_key(|(_, hash)| distance(hash)).copied() else {
            return true;
        };
        if distance(newcomer) >= distance(&farthest.1) {
            return false;
        }
        for stored in self.torrents.remove(&farthest).unwrap_or_default() {
            release(&mut self.hosts, &stored.peer);
        }
        true
    }
}

fn release(hosts: &mut FxHashMap<Host, u32>, peer: &SocketAddr) {
    let host = Host::of(peer);
    if let Some(count) = hosts.get_mut(&host) {
        *count -= 1;
        if *count == 0 {
            hosts.remove(&host);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::net::Ipv4Addr;

    use rand::{RngExt, SeedableRng};

    use super::*;

    const OWN: NodeId = NodeId::new([0; 20]);

    fn peer(n: u32) -> SocketAddr {
        SocketAddr::new(Ipv4Addr::from(0x0b00_0000 + n).into(), 6881)
    }

    #[test]
    fn an_announce_is_kept_for_45_minutes_and_by_family() {
        let (now, mut random) = (Instant::now(), StdRng::seed_from_u64(1));
        let mut store = PeerStore::default();
        let hash = InfoHash::new([1; 20]);
        store.put(now, &OWN, hash, peer(1));
        store.put(now, &OWN, hash, peer(1));
        store.put(now, &OWN, hash, "[2a11::1]:1".parse().unwrap());
        let get =
            |store: &PeerStore, random: &mut StdRng, now, family| store.get(now, random, family, hash, 9);
        assert_eq!(get(&store, &mut random, now, Family::V4), [peer(1)]);
        assert_eq!(get(&store, &mut random, now, Family::V6).len(), 1);
        let later = now + KEPT;
        assert_eq!(get(&store, &mut random, later, Family::V4), []);
        store.expire(later);
        assert!(store.torrents.is_empty() && store.hosts.is_empty());
    }

    #[test]
    fn a_flood_of_torrents_and_peers_stays_within_bounds() {
        let (now, mut random) = (Instant::now(), StdRng::seed_from_u64(1));
        let mut store = PeerStore::default();
        let near = InfoHash::new([0; 20]);
        store.put(now, &OWN, near, peer(0));
        for n in 0..8_000_u32 {
            store.put(now, &OWN, InfoHash::new(random.random()), peer(n % 800));
            store.put(now, &OWN, near, peer(10_000 + n % 3_000));
        }
        assert!(store.torrents.len() <= MAX_TORRENTS);
        assert_eq!(store.torrents[&(Family::V4, near)].len(), MAX_PEERS);
        let kept: u32 = store.hosts.values().sum();
        assert_eq!(kept as usize, store.torrents.values().map(Vec::len).sum::<usize>());
        assert!(store.hosts.values().all(|&count| count <= MAX_FROM_HOST));
        // One host alone cannot fill it.
        let mut store = PeerStore::default();
        (0..1_000).for_each(|_| store.put(now, &OWN, InfoHash::new(random.random()), peer(1)));
        assert_eq!(store.torrents.len(), MAX_FROM_HOST as usize);
    }
}
