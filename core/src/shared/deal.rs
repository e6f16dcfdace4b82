//! What is dealt across sessions: connections, new ones, upload slots; and who we are outside.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::sync::PoisonError;
use std::time::Instant;

use tokio::sync::OwnedSemaphorePermit;

use super::SharedResources;
use super::connections::ConnectionPermit;
use crate::types::InfoHash;

/// The right to set up a connection now, and to hold what comes of it.
pub type DialTicket = (OwnedSemaphorePermit, ConnectionPermit);

// The locks are leaves, held for one decision; each decision leaves its decider whole.
impl SharedResources {
    /// The right to hold one more connection; `None`: the limit is reached.
    pub fn connection_permit(&self) -> Option<ConnectionPermit> {
        self.connections.permit()
    }

    /// Whether a torrent with so many links may have one more now. If not it is in need, as far as it has
    /// fewer than others.
    pub fn may_connect(&self, now: Instant, links: usize) -> bool {
        let mut turnover = self.turnover.lock().unwrap_or_else(PoisonError::into_inner);
        let full = self.connections.is_full();
        if full {
            turnover.refused(now, links);
        }
        !full && !turnover.waits(now, links)
    }

    /// Whether a torrent with so many links lets one go, for one that was refused with fewer. `idle`: it
    /// has one that moves nothing.
    pub fn yields_link(&self, now: Instant, links: usize, idle: bool) -> bool {
        self.turnover.lock().unwrap_or_else(PoisonError::into_inner).yields(now, links, idle)
    }

    /// Whether there are as many connections over all torrents as there may be.
    pub fn is_full(&self) -> bool {
        self.connections.is_full()
    }

    /// Links that a torrent may keep: of this many, and `most` where it has a limit of its own.
    pub fn links_to_keep(&self, links: usize, most: Option<u32>) -> usize {
        self.connections.may_keep(links).min(self.max_links(most))
    }

    /// Links of one torrent at most, where its own limit is this.
    pub fn max_links(&self, own: Option<u32>) -> usize {
        own.map_or_else(|| self.connections.per_torrent(), |own| own as usize)
    }

    /// Up to `n` tickets for this torrent. What is not used is to be given back.
    pub fn dial_tickets(&self, now: Instant, torrent: InfoHash, n: usize) -> Vec<DialTicket> {
        // Nothing leaves now: who is known is called when there is a way again.
        if self.binding.way().nowhere().is_some() {
            return Vec::new();
        }
        let mut dials = self.dials.lock().unwrap_or_else(PoisonError::into_inner);
        let ticket = || {
            let half_open = self.half_open.clone().try_acquire_owned().ok()?;
            let permit = self.connection_permit()?;
            dials.take(now, torrent).then_some((half_open, permit))
        };
        std::iter::from_fn(ticket).take(n).collect()
    }

    /// Tickets that were not used.
    pub fn return_tickets(&self, torrent: InfoHash, tickets: usize) {
        let mut dials = self.dials.lock().unwrap_or_else(PoisonError::into_inner);
        (0..tickets).for_each(|_| dials.put_back(torrent));
    }

    /// How many upload slots this torrent has, when it could use so many, and may have as many as `most` where
    /// it has a limit of its own.
    pub fn upload_slots(&self, now: Instant, torrent: InfoHash, wanted: usize, most: Option<u32>) -> usize {
        let most = most.map(|most| most as usize);
        self.slots.lock().unwrap_or_else(PoisonError::into_inner).share(now, torrent, wanted, most)
    }

    /// Upload slots that a torrent begins with, until it is dealt its share.
    pub fn first_slots(&self, most: Option<u32>) -> usize {
        let own = most.map_or(self.config().slots_per_torrent, |most| most as usize);
        own.min(self.settings().upload_slots as usize)
    }

    /// The torrent is not in the swarm any more.
    pub fn leave_slots(&self, torrent: &InfoHash) {
        self.slots.lock().unwrap_or_else(PoisonError::into_inner).leave(torrent);
    }

    /// Changes how many peers are served at once over all torrents.
    pub(super) fn set_upload_slots(&self, total: usize) {
        self.slots.lock().unwrap_or_else(PoisonError::into_inner).set(total);
    }

    /// Grows with each change of the number of slots: who has seen this number need not look again.
    pub fn slot_changes(&self) -> u64 {
        self.slots.lock().unwrap_or_else(PoisonError::into_inner).changes()
    }

    /// A peer at `voice` sees us at this address (BEP 10).
    pub fn hear_address(&self, voice: IpAddr, ours: IpAddr) {
        self.outside.lock().unwrap_or_else(PoisonError::into_inner).hear(voice, ours);
    }

    /// A tracker sees us at this address (BEP 24).
    pub fn seen_as(&self, ours: IpAddr) {
        self.outside.lock().unwrap_or_else(PoisonError::into_inner).told(ours);
    }

    /// Our address outside, as far as it is known.
    pub fn outside(&self, v6: bool) -> Option<IpAddr> {
        self.outside.lock().unwrap_or_else(PoisonError::into_inner).address(v6)
    }

    /// What a peer there knows us by, as far as can be told: the address that we dial from, else what
    /// others see; the port is that which we listen on.
    pub fn seen_by(&self, peer: &SocketAddr) -> SocketAddr {
        let nobody: IpAddr =
            if peer.is_ipv6() { Ipv6Addr::UNSPECIFIED.into() } else { Ipv4Addr::UNSPECIFIED.into() };
        let ip = self.source_for(peer).or_else(|| self.outside(peer.is_ipv6())).unwrap_or(nobody);
        SocketAddr::new(ip, self.port().unwrap_or(0))
    }
}
