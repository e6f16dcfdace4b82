//! Who is told of whom, when, and how much of what a peer tells is taken (BEP 11).

use std::net::{IpAddr, SocketAddr};
use std::time::{Duration, Instant};

use rustc_hash::{FxHashMap, FxHashSet};

use crate::net::scope::{self, Scope, network};
use crate::types::LinkId;
use crate::wire::ut_pex::{MAX_PEERS, PexPeer, UtPex};

/// From the start of a link to the first list. A peer that has just come knows the fewest; the rest of its
/// introduction and those who join at the same time come first.
const FIRST: Duration = Duration::from_secs(5);

/// Between two lists to one peer: never less than a minute (BEP 11) ...
const INTERVAL: Duration = Duration::from_secs(60);

/// ... and up to so many seconds more, so that links that began together do not stay together.
const SPREAD: u64 = 30;

/// Addresses that a peer is taken to know of us: twice the links that a torrent has by default.
const MAX_TOLD: usize = 200;

/// Between two lists that are taken. They are a minute apart when they are sent, and may be less when they
/// come.
const TAKEN: Duration = Duration::from_secs(50);

/// Lists within a minute that end the link, as in libtorrent.
const FLOOD: usize = 6;

/// Addresses that one peer may have named and not taken back: a liar has no more of us at a time.
const MAX_NAMED: usize = 200;

/// Those of them that may lie in one network, a /24 or a /48: one owner of a network has no more. Providers of
/// seedboxes have many customers in one.
const MAX_OF_NETWORK: usize = 8;

/// What one peer was told.
#[derive(Debug)]
pub struct Telling {
    told: FxHashSet<SocketAddr>,
    next: Instant,
    interval: Duration,
    /// The count of changes of whom we have met that it knows all of.
    seen: Option<u64>,
}

impl Telling {
    /// A peer that takes lists.
    pub fn new(now: Instant, link: LinkId) -> Self {
        let interval = INTERVAL + Duration::from_secs(link.0 % (SPREAD + 1));
        Self { told: FxHashSet::default(), next: now + FIRST, interval, seen: None }
    }

    /// Whether it may be told something, and there is something that it may not know. `changes`: the count of
    /// changes of whom we have met.
    pub fn is_due(&self, now: Instant, changes: u64) -> bool {
        self.next <= now && self.seen != Some(changes)
    }

    /// The list for the peer at `to` (which listens at `listens`): what has changed in `met` since it was told
    /// last, at most fifty of each kind. `None`: nothing has, for it.
    pub fn list(
        &mut self,
        now: Instant,
        changes: u64,
        to: [SocketAddr; 2],
        met: &FxHashMap<SocketAddr, PexPeer>,
    ) -> Option<UtPex> {
        let gone: Vec<_> = self.told.iter().filter(|address| !met.contains_key(address)).copied().collect();
        let is_news = |peer: &&PexPeer| {
            !to.contains(&peer.address)
                && !self.told.contains(&peer.address)
                // The peer drops what is further in than we are, and nobody there needs to know of it.
                && scope::may_name(to[0].ip(), peer.address)
        };
        let fresh: Vec<_> = met.values().filter(is_news).copied().collect();
        let room = MAX_TOLD.saturating_sub(self.told.len()).min(MAX_PEERS);
        let all = gone.len() <= MAX_PEERS && fresh.len() <= room;
        let list = UtPex {
            added: fresh.into_iter().take(room).collect(),
            dropped: gone.into_iter().take(MAX_PEERS).collect(),
        };
        // Where nothing more may be said, that stays so until something changes.
        self.seen = (all || list.is_empty()).then_some(changes);
        if list.is_empty() {
            return None;
        }
        self.told.extend(list.added.iter().map(|peer| peer.address));
        for address in &list.dropped {
            self.told.remove(address);
        }
        self.next = now + self.interval;
        Some(list)
    }
}

/// How often one peer sends lists.
#[derive(Debug, Default)]
pub struct Pace {
    /// When the last one came that was taken.
    taken: Option<Instant>,
    /// When the last ones came, the oldest first.
    came: Vec<Instant>,
}

impl Pace {
    /// A list has come: whether it is taken; `None`: it floods.
    pub fn hears(&mut self, now: Instant) -> Option<bool> {
        self.came.retain(|came| now.saturating_duration_since(*came) < INTERVAL);
        self.came.push(now);
        if self.came.len() >= FLOOD {
            return None;
        }
        let taken = self.taken.is_none_or(|taken| now.saturating_duration_since(taken) >= TAKEN);
        if taken {
            self.taken = Some(now);
        }
        Some(taken)
    }
}

/// What one peer has named and not taken back.
#[derive(Debug, Default)]
pub struct Named(FxHashSet<SocketAddr>);

impl Named {
    /// Takes a list of the peer at `from`, and gives those that may be called: further in than the peer itself
    /// only where `inward` says so.
    pub fn take(&mut self, from: IpAddr, inward: bool, list: UtPex) -> Vec<PexPeer> {
        for address in &list.dropped {
            self.0.remove(address);
        }
        let mut taken = Vec::new();
        for peer in list.added {
            let scope = Scope::of(peer.address.ip());
            let inward = inward && peer.address.port() != 0 && scope != Scope::Never;
            let may = inward || scope::may_name(from, peer.address);
            if may
                && self.0.len() < MAX_NAMED
                && !self.is_crowded(&peer.address)
                && self.0.insert(peer.address)
            {
                taken.push(peer);
            }
        }
        taken
    }

    fn is_crowded(&self, address: &SocketAddr) -> bool {
        let network = network(address.ip());
        let there = self.0.iter().filter(|other| scope::network(other.ip()) == network).count();
        Scope::of(address.ip()) == Scope::Public && there >= MAX_OF_NETWORK
    }
}

#[cfg(test)]
mod tests;
