//! What happens when something comes back from outside: what trackers say goes to `on_tracker`, and dials
//! end here.

use std::net::SocketAddr;
use std::time::Instant;

use tokio::sync::watch;

use super::actor::{Actor, Discovery};
use crate::net::dial::{self, Call, DialError, Greeted};
use crate::peer::pool::{Choice, Outcome};
use crate::shared::ConnectionPermit;
use crate::tracker::AnnounceEvent;
use crate::wire::handshake::Handshake;

/// Dials that one session starts in one go; libtorrent opens 30 connections a second over all.
const DIALS: usize = 10;

impl Actor {
    /// Takes what the outside has found.
    pub(super) fn on_discovery(&mut self, now: Instant, discovery: Discovery) {
        match discovery {
            Discovery::Announced { tracker, event, moved, result } => {
                self.on_announced(now, tracker, event, moved, &result);
            }
            Discovery::Scraped { tracker, result } => self.on_scraped(now, tracker, &result),
            Discovery::Left { tracker, result } => {
                self.trackers.answered(now, tracker, AnnounceEvent::Stopped, &result);
            }
            Discovery::Metadata(judged) => self.on_metadata_judged(now, judged),
            Discovery::NotDialled { address } => self.pool.put_back(address),
            Discovery::Dialled { address, result, permit } => self.on_dialled(now, address, result, permit),
        }
    }

    /// Resolves when the torrent rests; at once if it does.
    pub(super) fn left_swarm(&self) -> impl Future<Output = ()> + Send + use<> {
        let in_swarm = self.in_swarm.as_ref().map(watch::Sender::subscribe);
        async move {
            if let Some(mut in_swarm) = in_swarm {
                while in_swarm.changed().await.is_ok() {}
            }
        }
    }

    /// Links of this torrent at most.
    pub(super) fn max_links(&self) -> usize {
        self.shared.max_links(self.settings.max_peers)
    }

    /// Dials as many known peers as there is room for. A seed dials too: leechers behind a NAT get
    /// nothing otherwise.
    pub(super) fn dial(&mut self, now: Instant) {
        let room = self.max_links().saturating_sub(self.pool.busy()).min(DIALS);
        // Who has nobody to dial must not stand in line for tickets.
        if room == 0 || self.pool.next_due().is_none_or(|due| due > now) {
            return;
        }
        if !self.shared.may_connect(now, self.links.len()) {
            return;
        }
        let tickets = self.shared.dial_tickets(now, self.torrent.info_hash(), room);
        let per_address = self.shared.config().max_connections_per_address;
        let is_banned = |address| self.shared.is_banned(address);
        let choice = Choice { rank: &self.rank(), per_address, is_banned: &is_banned };
        let dialled = self.pool.dial(now, tickets.len(), &choice);
        self.shared.return_tickets(self.torrent.info_hash(), tickets.len() - dialled.len());
        for (address, (half_open, permit)) in dialled.into_iter().zip(tickets) {
            let source = self.shared.source_for(&address);
            let call = Call {
                address,
                source,
                bound: self.shared.binding().way(),
                ours: Handshake {
                    reserved: self.reserved(),
                    info_hash: self.torrent.swarm_hash(),
                    peer_id: self.torrent.peer_id,
                },
                encryption: self.shared.settings().encryption,
                ways: self.shared.ways(self.pool.first_over(&address)),
            };
            let found = self.to_discoveries.clone();
            let left = self.left_swarm();
            self.shared.tasks().spawn(async move {
                let dialled = tokio::select! {
                    () = left => Discovery::NotDialled { address },
                    result = dial::dial(call) => {
                        Discovery::Dialled { address, result, permit }
                    }
                };
                drop(half_open);
                // A session that has ended does not need to know.
                let _ = found.send(dialled).await;
            });
        }
    }

    fn on_dialled(
        &mut self,
        now: Instant,
        address: SocketAddr,
        result: Result<Greeted, DialError>,
        permit: ConnectionPermit,
    ) {
        match result {
            Ok(greeted) if self.greets_us(&greeted.handshake) => self.welcome(now, greeted, permit, false),
            Ok(_) => self.pool.put_back(address),
            Err(error) => {
                tracing::trace!(%address, %error, "no link");
                self.dialled_in_vain(now, address, Outcome::Unreachable);
            }
        }
    }

    /// No link came of a dial. The peer may have called us meanwhile and said that it listens there:
    /// then the pool knows that link by this address.
    pub(super) fn dialled_in_vain(&mut self, now: Instant, address: SocketAddr, outcome: Outcome) {
        if self.pool.link_to(&address).is_none() {
            self.pool.ended(now, address, outcome);
        }
    }
}
