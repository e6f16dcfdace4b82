//! Who is in which swarm, as far as they told.

use std::collections::HashMap;
use std::net::{IpAddr, SocketAddr};
use std::time::{Duration, Instant};

use tc_core::InfoHash;
use tc_core::types::PeerId;

/// Torrents kept; a demo has a handful.
const TORRENTS: usize = 1_000;

/// Peers kept of one torrent.
const PEERS: usize = 2_000;

/// What an announce says, as far as a tracker counts.
#[derive(Clone, Copy, Debug)]
pub(super) struct Said {
    pub torrent: InfoHash,
    pub peer_id: PeerId,
    pub address: SocketAddr,
    pub left: u64,
    pub completed: bool,
    pub stopped: bool,
    pub wanted: usize,
}

/// What it is told.
#[derive(Debug, Default)]
pub(super) struct Told {
    pub interval: Duration,
    pub seeds: usize,
    pub leechers: usize,
    pub peers: Vec<SocketAddr>,
}

#[derive(Debug)]
pub(super) struct Swarms {
    interval: Duration,
    torrents: HashMap<InfoHash, Swarm>,
}

#[derive(Debug, Default)]
struct Swarm {
    completed: usize,
    /// A peer that announces over both families is there twice (BEP 7).
    peers: HashMap<(PeerId, bool), Peer>,
    /// Counts announces, to order peers and to turn through them.
    turn: u64,
}

#[derive(Debug)]
struct Peer {
    address: SocketAddr,
    seed: bool,
    came: u64,
    heard: Instant,
}

impl Swarms {
    pub fn new(interval: Duration) -> Self {
        Self { interval, torrents: HashMap::new() }
    }

    /// Takes an announce in. `None`: there is no room for another torrent or peer.
    pub fn announce(&mut self, said: &Said, now: Instant) -> Option<Told> {
        let patience = self.patience();
        if !self.torrents.contains_key(&said.torrent) && self.torrents.len() >= TORRENTS {
            return None;
        }
        let swarm = self.torrents.entry(said.torrent).or_default();
        swarm.peers.retain(|_, peer| now.saturating_duration_since(peer.heard) <= patience);
        swarm.turn += 1;
        let key = (said.peer_id, said.address.is_ipv6());
        if said.stopped {
            swarm.peers.remove(&key);
        } else {
            if !swarm.peers.contains_key(&key) && swarm.peers.len() >= PEERS {
                return None;
            }
            let came = swarm.peers.get(&key).map_or(swarm.turn, |peer| peer.came);
            let peer = Peer { address: said.address, seed: said.left == 0, came, heard: now };
            swarm.peers.insert(key, peer);
            swarm.completed += usize::from(said.completed);
        }
        let (seeds, leechers) = swarm.counts();
        let wanted = if said.stopped { 0 } else { said.wanted };
        Some(Told { interval: self.interval, seeds, leechers, peers: swarm.others(said.peer_id, wanted) })
    }

    pub fn list(&self, torrent: &InfoHash, now: Instant) -> Vec<SocketAddr> {
        let Some(swarm) = self.torrents.get(torrent) else { return Vec::new() };
        let mut peers: Vec<_> = swarm.peers.values().filter(|peer| self.is_heard(peer, now)).collect();
        peers.sort_by_key(|peer| peer.came);
        peers.iter().map(|peer| peer.address).collect()
    }

    pub fn counts(&self, torrent: &InfoHash, now: Instant) -> (usize, usize) {
        let Some(swarm) = self.torrents.get(torrent) else { return (0, 0) };
        let heard = || swarm.peers.values().filter(|peer| self.is_heard(peer, now));
        let seeds = heard().filter(|peer| peer.seed).count();
        (seeds, heard().count() - seeds)
    }

    pub fn completed(&self, torrent: &InfoHash) -> usize {
        self.torrents.get(torrent).map_or(0, |swarm| swarm.completed)
    }

    /// Peers that missed two announces go, then torrents without peers, and with them their count.
    pub fn forget_silent(&mut self, now: Instant) {
        let patience = self.patience();
        self.torrents.retain(|_, swarm| {
            swarm.peers.retain(|_, peer| now.saturating_duration_since(peer.heard) <= patience);
            !swarm.peers.is_empty()
        });
    }

    fn patience(&self) -> Duration {
        self.interval * 2 + Duration::from_secs(30)
    }

    fn is_heard(&self, peer: &Peer, now: Instant) -> bool {
        now.saturating_duration_since(peer.heard) <= self.patience()
    }
}

impl Swarm {
    fn counts(&self) -> (usize, usize) {
        let seeds = self.peers.values().filter(|peer| peer.seed).count();
        (seeds, self.peers.len() - seeds)
    }

    /// Up to `wanted` peers, other ones with each announce, never the asker itself.
    fn others(&self, asker: PeerId, wanted: usize) -> Vec<SocketAddr> {
        let others = self.peers.iter().filter(|((id, _), _)| *id != asker);
        let mut others: Vec<_> = others.map(|(_, peer)| (peer.came, peer.address)).collect();
        others.sort_unstable();
        let start = if others.is_empty() { 0 } else { self.turn as usize % others.len() };
        others.rotate_left(start);
        others.into_iter().map(|(_, address)| address).take(wanted).collect()
    }
}

/// An address in BEP 23's six bytes or BEP 7's eighteen.
pub(super) fn pack(address: &SocketAddr, to: &mut Vec<u8>) {
    match address.ip() {
        IpAddr::V4(ip) => to.extend(ip.octets()),
        IpAddr::V6(ip) => to.extend(ip.octets()),
    }
    to.extend(address.port().to_be_bytes());
}
