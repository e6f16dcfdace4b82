//! What happens when peers tell each other of peers (BEP 11).

use std::net::SocketAddr;
use std::time::Instant;

use rustc_hash::FxHashMap;

use super::actor::Actor;
use super::links::LinkEntry;
use crate::stats::{LinkEncryption, PeerSource, Transport};
use crate::types::LinkId;
use crate::wire::ut_pex::{PexFlags, PexPeer, UtPex};

impl Actor {
    /// A peer has told of others.
    pub(super) fn on_pex(&mut self, now: Instant, link: LinkId, list: UtPex) {
        if self.in_swarm.is_none() || !self.reach().pex {
            return;
        }
        let Some(entry) = self.links.get_mut(&link) else { return };
        let inward = self.shared.config().allow_inward_peers;
        for PexPeer { address, flags } in entry.named.take(entry.address.ip(), inward, list) {
            if self.shared.is_us(&address) || self.shared.is_banned(address) {
                continue;
            }
            if !self.learn(now, address, PeerSource::Pex) {
                continue;
            }
            if flags.has(PexFlags::SEED) {
                self.pool.is_said_to_seed(&address);
            }
            if flags.has(PexFlags::UTP) {
                self.pool.speaks(&address, Transport::Utp);
            }
        }
        self.dial(now);
    }

    /// Tells those whose time has come of those that we have met and lost since.
    pub(super) fn tell_peers(&mut self, now: Instant) {
        let changes = self.met_changes;
        let is_due = |entry: &LinkEntry| {
            entry.telling.as_ref().is_some_and(|telling| telling.is_due(now, changes)) && !entry.closing
        };
        if !self.links.values().any(is_due) || !self.reach().pex {
            return;
        }
        let met = self.met();
        for entry in self.links.values_mut().filter(|entry| is_due(entry)) {
            let Some(telling) = &mut entry.telling else { continue };
            let to = [entry.address, entry.listens.unwrap_or(entry.address)];
            let Some(list) = telling.list(now, changes, to, &met) else { continue };
            // The link has had a minute to take the one before.
            entry.mailbox.post(|mail| mail.pex = Some(list));
        }
    }

    /// Whom we are connected to and others can call.
    fn met(&self) -> FxHashMap<SocketAddr, PexPeer> {
        let links = self.links.iter().filter(|(_, entry)| !entry.closing && !entry.distrusted);
        let met = links.filter_map(|(link, entry)| {
            let flags = PexFlags::default()
                .with(PexFlags::ENCRYPTION, entry.encryption != LinkEncryption::None)
                .with(PexFlags::SEED, entry.upload_only || self.download.is_seed(*link))
                .with(PexFlags::UTP, entry.transport == Transport::Utp)
                .with(PexFlags::REACHABLE, !entry.incoming);
            let address = entry.listens?;
            Some((address, PexPeer { address, flags }))
        });
        met.collect()
    }
}
