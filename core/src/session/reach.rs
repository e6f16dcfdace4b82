//! By which ways a torrent may meet peers: the one place that knows what is denied to a private one (BEP 27).
//!
//! It is asked each time, never kept: a torrent may turn out to be private while it runs, by the metadata of a
//! magnet link.

use std::net::SocketAddr;
use std::time::Instant;

use super::actor::Actor;
use crate::shared::SharedResources;
use crate::stats::PeerSource;
use crate::wire::extended::Sharing;

/// Ways that are open to one torrent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Reach {
    /// It is announced and searched for in the DHT, and its links send and take PORT (BEP 5).
    pub dht: bool,
    /// Its links tell each other of peers (BEP 11).
    pub pex: bool,
    /// It is told of on our own network, and peers that are told of there are called (BEP 14).
    pub lsd: bool,
    /// Its peers may ask us for metadata (BEP 9) and for peers.
    pub sharing: Sharing,
}

impl Reach {
    /// Those that are switched on, for a private torrent or for one that is not known to be private.
    pub fn of(shared: &SharedResources, private: bool) -> Self {
        Self {
            dht: shared.dht().is_on() && !private,
            pex: shared.config().pex && !private,
            lsd: shared.lsd().is_on() && !private,
            sharing: if private { Sharing::Private } else { Sharing::Public },
        }
    }
}

impl PeerSource {
    /// Whether a private torrent may call whom this names: its own trackers and people do, and whoever calls us is
    /// welcome. What an earlier run knew came from there.
    pub(super) const fn is_of_private(self) -> bool {
        match self {
            Self::Tracker | Self::Incoming | Self::Manual | Self::Resume => true,
            Self::Dht | Self::Pex | Self::Lsd => false,
        }
    }
}

impl Actor {
    /// By which ways this torrent may meet peers now.
    pub(super) fn reach(&self) -> Reach {
        Reach::of(&self.shared, self.is_private())
    }

    /// Takes note of an address, if its source may name it; says whether it is new. Nobody else decides that.
    pub(super) fn learn(&mut self, now: Instant, address: SocketAddr, source: PeerSource) -> bool {
        let may = source.is_of_private() || !self.is_private();
        may && self.pool.learn(now, address, source)
    }

    /// The torrent runs, and wants to be found by the ways that are open to it.
    pub(super) fn be_found(&mut self) {
        self.keep_turns();
        if self.lsd.is_none() && self.reach().lsd {
            let found = self.to_found.clone();
            self.lsd = self.shared.lsd().register(self.torrent.swarm_hash(), found);
        }
    }

    /// Nodes of the DHT named peers, or some on our own network named themselves.
    pub(super) fn on_found(&mut self, now: Instant, source: PeerSource, peers: &[SocketAddr]) {
        if self.in_swarm.is_none() {
            return;
        }
        for address in peers {
            if !self.shared.is_us(address) && !self.shared.is_banned(*address) {
                self.learn(now, *address, source);
            }
        }
        self.dial(now);
    }
}
